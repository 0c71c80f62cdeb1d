/* Sizes and offsets of the public structs as a C compiler sees them, for callers in other languages to compare. */
#include <skald/skald.h>
#include <stdio.h>

#define SIZE(type)          printf("%s %zu\n", #type, sizeof(type))
#define OFFSET(type, field) printf("%s.%s %zu\n", #type, #field, offsetof(type, field))

int main(void) {
    SIZE(skald_report);
    OFFSET(skald_report, offset);
    OFFSET(skald_report, text);
    SIZE(skald_runtime_options);
    OFFSET(skald_runtime_options, allocator);
    OFFSET(skald_runtime_options, cpu_level);
    OFFSET(skald_runtime_options, small_pages);
    SIZE(skald_model_info);
    OFFSET(skald_model_info, n_vocab);
    OFFSET(skald_model_info, architecture);
    SIZE(skald_kv_cache_options);
    OFFSET(skald_kv_cache_options, n_tokens);
    OFFSET(skald_kv_cache_options, v_type);
    SIZE(skald_span);
    OFFSET(skald_span, tokens);
    OFFSET(skald_span, logits);
    return 0;
}

/* Numbers in a model's metadata that cannot be: each is bent in a good file, and the refusal must name its key, or the
 * tensor whose shape it contradicts. Every file is opened unbent first. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/check.h"
#include <skald/skald.h>
#include <stdlib.h>

#define MOST_BYTES ((size_t)2 << 20)

/* `said` NULL: the key. */
typedef struct bend {
    const char *model, *key;
    uint32_t value; /* bits of a number of four bytes */
    const char *said;
} bend;

static const bend bends[] = {
    {"mixtral", "llama.expert_count", 4097, NULL},
    {"mixtral", "llama.expert_count", UINT32_MAX, NULL},
    {"mixtral", "llama.expert_count", 3, "blk.0.ffn_gate_inp.weight"},
    {"mixtral", "llama.expert_count", 0, "blk.0.ffn_gate.weight"},
    {"mixtral", "llama.expert_used_count", 0, NULL},
    {"mixtral", "llama.expert_used_count", 5, NULL},
    {"mixtral", "llama.expert_used_count", UINT32_MAX, NULL},
    {"mixtral", "llama.feed_forward_length", 61, "blk.0.ffn_gate_exps.weight"},
    {"mixtral", "llama.feed_forward_length", 0, NULL},
    {"gpt_oss", "gpt-oss.expert_feed_forward_length", 0, NULL},
    {"gpt_oss", "gpt-oss.expert_feed_forward_length", UINT32_MAX, NULL},
    {"qwen2moe", "qwen2moe.expert_shared_feed_forward_length", 0, NULL},
    {"qwen2moe", "qwen2moe.expert_shared_feed_forward_length", 57, "ffn_gate_shexp.weight"},
    {"deepseek2_v3", "deepseek2.expert_gating_func", 0, NULL},
    {"deepseek2_v3", "deepseek2.expert_gating_func", 4, NULL},
    {"deepseek2_v3", "deepseek2.expert_group_count", 3, NULL},
    {"deepseek2_v3", "deepseek2.expert_group_count", 16, NULL},
    {"deepseek2_v3", "deepseek2.expert_group_count", 17, NULL},
    {"deepseek2_v3", "deepseek2.expert_group_used_count", 0, NULL},
    {"deepseek2_v3", "deepseek2.expert_group_used_count", 5, NULL},
    {"deepseek2_v3", "deepseek2.expert_used_count", 9, "deepseek2.expert_group_used_count"},
    {"deepseek2_v3", "deepseek2.expert_shared_count", UINT32_MAX, NULL},
    {"deepseek2_v3", "deepseek2.expert_shared_count", 2, "ffn_gate_shexp.weight"},
    {"deepseek2_v3", "deepseek2.leading_dense_block_count", 4, NULL},
    {"deepseek2_v3", "deepseek2.leading_dense_block_count", 0, "blk.0.ffn_gate_inp.weight"},
    {"deepseek2_v3", "deepseek2.attention.kv_lora_rank", 1025, NULL},
    {"deepseek2_v3", "deepseek2.attention.q_lora_rank", 0, NULL},
    {"deepseek2_v3", "deepseek2.attention.key_length_mla", 1, NULL},
    {"deepseek2_v3", "deepseek2.attention.key_length_mla", UINT32_MAX, NULL},
    {"deepseek2_v3", "deepseek2.attention.value_length_mla", 0, NULL},
    {"qwen35", "qwen35.ssm.conv_kernel", 3, NULL},
    {"qwen35", "qwen35.ssm.conv_kernel", 5, NULL},
    {"qwen35", "qwen35.ssm.state_size", 0, NULL},
    {"qwen35", "qwen35.ssm.state_size", 24, NULL},
    {"qwen35", "qwen35.ssm.state_size", 528, NULL},
    {"qwen35", "qwen35.ssm.state_size", UINT32_MAX, NULL},
    {"qwen35", "qwen35.ssm.state_size", 32, "qwen35.ssm.inner_size"},
    {"qwen35", "qwen35.ssm.group_count", 0, NULL},
    {"qwen35", "qwen35.ssm.group_count", 3, NULL},
    {"qwen35", "qwen35.ssm.group_count", 1025, NULL},
    {"qwen35", "qwen35.ssm.group_count", 4, "blk.0.attn_qkv.weight"},
    {"qwen35", "qwen35.ssm.time_step_rank", 0, NULL},
    {"qwen35", "qwen35.ssm.time_step_rank", UINT32_MAX, NULL},
    {"qwen35", "qwen35.ssm.time_step_rank", 3, "qwen35.ssm.group_count"},
    {"qwen35", "qwen35.ssm.time_step_rank", 8, "qwen35.ssm.inner_size"},
    {"qwen35", "qwen35.ssm.inner_size", 0, NULL},
    {"qwen35", "qwen35.ssm.inner_size", 65, NULL},
    {"qwen35", "qwen35.full_attention_interval", 0, NULL},
    {"qwen35", "qwen35.full_attention_interval", UINT32_MAX, NULL},
    {"qwen3next", "qwen3next.ssm.conv_kernel", 0, NULL},
    {"qwen3next", "qwen3next.ssm.inner_size", UINT32_MAX, NULL},
    {"qwen3next", "qwen3next.rope.dimension_count", 7, NULL},
    {"qwen3next", "qwen3next.expert_shared_feed_forward_length", 0, NULL},
    {"deepseek2_v3", "deepseek2.attention.kv_lora_rank", 0, NULL},
    {"deepseek2_v3", "deepseek2.attention.q_lora_rank", UINT32_MAX, NULL},
    {"deepseek2_v3", "deepseek2.attention.q_lora_rank", 33, "blk.0.attn_q_a.weight"},
    {"deepseek2_v3", "deepseek2.attention.value_length_mla", 1025, NULL},
    {"deepseek2_v3", "deepseek2.attention.head_count", 1025, NULL},
    {"deepseek2_v3", "deepseek2.attention.head_count_kv", 2, NULL},
    {"deepseek2_v3", "deepseek2.attention.key_length", 9, NULL},
    {"deepseek2_v3", "deepseek2.attention.value_length", 9, NULL},
    {"deepseek2_v3", "deepseek2.rope.dimension_count", 3, NULL},
    {"deepseek2_v3", "deepseek2.rope.dimension_count", UINT32_MAX, NULL},
    {"gpt2", "gpt2.attention.head_count", 0, NULL},
    {"gpt2", "gpt2.attention.head_count", 4097, NULL},
    {"gpt2", "gpt2.context_length", 0, NULL},
    {"gpt2", "gpt2.context_length", UINT32_MAX, NULL},
    {"gpt2", "gpt2.context_length", 17, "position_embd.weight"},
    {"gpt2", "gpt2.block_count", 0, NULL},
    {"gpt2", "gpt2.block_count", UINT32_MAX, NULL},
    {"gpt2", "gpt2.embedding_length", 0, NULL},
    {"gpt2", "gpt2.attention.layer_norm_epsilon", 0xbf800000u, NULL}, /* -1 */
    {"qwen2", "qwen2.attention.head_count_kv", 0, NULL},
    {"qwen2", "qwen2.attention.head_count_kv", UINT32_MAX, NULL},
    {"qwen2", "qwen2.attention.head_count_kv", 3, NULL},
    {"qwen2", "qwen2.attention.layer_norm_rms_epsilon", 0x7fc00000u, NULL}, /* NaN */
    {"qwen2", "qwen2.rope.freq_base", 0, NULL},
    {"qwen3", "qwen3.attention.key_length", 0, NULL},
    {"qwen3", "qwen3.attention.key_length", 1025, NULL},
    {"qwen3", "qwen3.attention.value_length", UINT32_MAX, NULL},
    {"gemma2", "gemma2.attention.sliding_window", UINT32_MAX, NULL},
    {"gemma2", "gemma2.attn_logit_softcapping", 0xbf800000u, NULL},  /* -1 */
    {"gemma2", "gemma2.final_logit_softcapping", 0x7f800000u, NULL}, /* infinity */
    {"gemma3", "gemma3.attention.sliding_window", UINT32_MAX, NULL},
    {"gemma3", "gemma3.attention.key_length", 0, NULL},
    {"gemma3", "gemma3.rope.freq_base_swa", 0, NULL},
    {"gpt_oss", "gpt-oss.attention.sliding_window", UINT32_MAX, NULL},
    {"phi3", "phi3.rope.dimension_count", 5, NULL}, /* odd */
    {"phi3", "phi3.rope.dimension_count", 0, NULL},
    {"phi3", "phi3.rope.scaling.original_context_length", 0, NULL},
    {"phi3_long", "phi3.rope.scaling.original_context_length", 0, NULL},
    {"phi3_long", "phi3.rope.scaling.attn_factor", 0, NULL},
    {"phi3_long", "phi3.rope.dimension_count", 10, "rope_factors_long.weight"},
    {"llama_linear", "llama.rope.scaling.factor", 0, NULL},
    {"llama_linear", "llama.rope.dimension_count", 11, NULL},       /* odd */
    {"llama_yarn", "llama.rope.scaling.factor", 0x3f000000u, NULL}, /* a half */
    {"llama_yarn", "llama.rope.scaling.original_context_length", 0, NULL},
    {"olmo2", "olmo2.attention.head_count", 0, NULL},
    {"olmo2", "olmo2.attention.head_count", 5, "heads"},
    {"smollm3", "smollm3.rope.dimension_count", 7, NULL}, /* odd */
};

static size_t read_model(unsigned char *to, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/tiny/%s/model-f32.gguf", SK_TEST_DATA, name);
    FILE *f = fopen(path, "rb");
    if (!CHECK_SAID(f != NULL, "no file %s", path)) exit(2);
    size_t n = fread(to, 1, MOST_BYTES, f);
    fclose(f);
    return n;
}

/* Where the value of a key stands: behind its name and the type. */
static unsigned char *value_of(unsigned char *bytes, size_t n_bytes, const char *key) {
    const size_t n = strlen(key);
    for (size_t at = 8; at + n + 8 < n_bytes; at++)
        if (bytes[at - 8] == n && memcmp(bytes + at, key, n) == 0) return bytes + at + n + 4;
    CHECK_SAID(0, "no key %s", key);
    exit(2);
}

static skald_status try_open(skald_runtime *runtime, const void *bytes, size_t n_bytes, skald_report *why) {
    skald_model *model = NULL;
    const skald_source source = {.size = sizeof source, .bytes = bytes, .n_bytes = n_bytes};
    skald_status status = skald_model_open(&model, runtime, NULL, why, &source, 1);
    skald_model_release(model);
    return status;
}

static void check_bend(skald_runtime *runtime, const bend *b) {
    unsigned char *bytes = malloc(MOST_BYTES);
    if (!bytes) exit(2);
    const size_t n_bytes = read_model(bytes, b->model);
    skald_report why = {.size = sizeof why};
    CHECK_EQUAL(try_open(runtime, bytes, n_bytes, &why), SKALD_OK);
    memcpy(value_of(bytes, n_bytes, b->key), &b->value, sizeof b->value);
    const skald_status status = try_open(runtime, bytes, n_bytes, &why);
    CHECK_SAID(status == SKALD_FORMAT || status == SKALD_UNSUPPORTED, "%s, %s = %u: %s", b->model, b->key, b->value,
               skald_status_text(status));
    CHECK_SAID(strstr(why.text, b->said ? b->said : b->key) != NULL, "%s, %s = %u: \"%s\"", b->model, b->key, b->value,
               why.text);
    free(bytes);
}

/* A tensor gets a shorter name. The model's own takes up what that loses, so that nothing behind it moves. */
static void rename_tensor(unsigned char *bytes, size_t n_bytes, const char *from, const char *to) {
    const size_t n = strlen(to), lost = strlen(from) - n;
    unsigned char *model = value_of(bytes, n_bytes, "general.name"), *end = model + 8 + model[0];
    unsigned char *name = value_of(bytes, n_bytes, from) - strlen(from) - 12; /* its length stands before it */
    memmove(end + lost, end, (size_t)(name - end));
    memset(end, 'x', lost);
    model[0] = (unsigned char)(model[0] + lost);
    name += lost;
    memset(name, 0, 8), name[0] = (unsigned char)n;
    memcpy(name + 8, to, n);
}

/* Of a file in the layout of an early converter the tensor is named that says so, wherever it is. */
static void check_early_hybrid(skald_runtime *runtime) {
    unsigned char *bytes = malloc(MOST_BYTES);
    if (!bytes) exit(2);
    const size_t n_bytes = read_model(bytes, "qwen3next");
    skald_report why = {.size = sizeof why};
    rename_tensor(bytes, n_bytes, "blk.1.attn_qkv.weight", "blk.1.ssm_in.weight");
    CHECK_EQUAL(try_open(runtime, bytes, n_bytes, &why), SKALD_UNSUPPORTED);
    CHECK_TEXT(why.text,
               "tensor blk.1.ssm_in.weight: the layout of an early converter; a file with attn_qkv and attn_gate "
               "is needed");
    free(bytes);
}

/* A tensor that has no place is named. */
static void check_stranger(skald_runtime *runtime, const char *from, const char *to) {
    unsigned char *bytes = malloc(MOST_BYTES);
    char said[128];
    if (!bytes) exit(2);
    const size_t n_bytes = read_model(bytes, "llama_mqa_bias");
    skald_report why = {.size = sizeof why};
    rename_tensor(bytes, n_bytes, from, to);
    CHECK_EQUAL(try_open(runtime, bytes, n_bytes, &why), SKALD_UNSUPPORTED);
    snprintf(said, sizeof said, "tensor %s has no place in architecture llama", to);
    CHECK_TEXT(why.text, said);
    free(bytes);
}

/* A tensor of another type than its role can have; its bytes stay in the file. */
static void check_type(skald_runtime *runtime, const char *name, uint32_t n_dims, uint32_t type, const char *said) {
    unsigned char *bytes = malloc(MOST_BYTES);
    if (!bytes) exit(2);
    const size_t n_bytes = read_model(bytes, "llama_mqa_bias");
    skald_report why = {.size = sizeof why};
    memcpy(value_of(bytes, n_bytes, name) + 8 * n_dims, &type, sizeof type);
    CHECK(try_open(runtime, bytes, n_bytes, &why) != SKALD_OK);
    CHECK_SAID(strstr(why.text, name) && strstr(why.text, said), "%s of type %u: \"%s\"", name, type, why.text);
    free(bytes);
}

int main(void) {
    skald_runtime *runtime;
    CHECK_EQUAL(skald_runtime_create(&runtime, NULL, NULL), SKALD_OK);
    for (size_t i = 0; i < sizeof bends / sizeof *bends; i++) check_bend(runtime, &bends[i]);
    check_early_hybrid(runtime);
    check_stranger(runtime, "blk.0.attn_q.bias", "blk.0.stranger");
    check_stranger(runtime, "blk.0.attn_q.bias", "blk.9.attn_q.bias"); /* no such layer */
    check_stranger(runtime, "blk.0.attn_q.bias", "blk.x.attn_q.bias");
    check_stranger(runtime, "blk.0.attn_output.bias", "blk.00.attn_q.bias");
    check_stranger(runtime, "blk.0.attn_q.bias", "blk.0");
    check_stranger(runtime, "blk.0.attn_q.bias", "bias");
    check_type(runtime, "blk.0.attn_norm.weight", 1, 26, "type I32");
    check_type(runtime, "blk.0.attn_q.weight", 2, 26, "type I32");
    check_type(runtime, "blk.0.attn_q.weight", 2, 12, "blocks of Q4_K");
    skald_runtime_release(runtime);
    return sk_checked();
}

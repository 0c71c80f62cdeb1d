/* libFuzzer target: edits of a saved sequence. What is refused has a sentence and leaves the cache as it was; what is
 * restored can be stepped, forked, rewound and saved again. The first byte's lowest bit says whether the sum is put right
 * afterwards, the next two how many bytes are cut off; then come edits of a place (2 bytes) and a value. */
#include "base/sum.h"
#include "file/little.h"
#include <skald/skald.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define PROMISE(holds) ((holds) ? (void)0 : __builtin_trap())
#define N_IDS          5u

static struct {
    char at[1 << 16];
    size_t n, next;
} state;
static char original[sizeof state.at];
static size_t n_original;
static skald_model *model;
static skald_kv_cache *cache;
static skald_context *context;

static skald_status put(void *user, const void *from, size_t n) {
    (void)user;
    PROMISE(n <= sizeof original - n_original);
    memcpy(original + n_original, from, n);
    n_original += n;
    return SKALD_OK;
}

static skald_status get(void *user, void *to, size_t n) {
    (void)user;
    if (n > state.n - state.next) return SKALD_READ;
    memcpy(to, state.at + state.next, n);
    state.next += n;
    return SKALD_OK;
}

static skald_status count(void *user, const void *from, size_t n) {
    *(uint64_t *)user += n;
    (void)from;
    return SKALD_OK;
}

static void step(skald_seq seq) {
    static const int32_t ids[N_IDS] = {1, 2, 3, 4, 5};
    const skald_span span = {.size = sizeof span, .seq = seq, .tokens = ids, .n_tokens = N_IDS};
    PROMISE(skald_step(context, cache, NULL, NULL, &span, 1) == SKALD_OK);
}

static void begin(void) {
    const skald_runtime_options alone = {.size = sizeof alone, .n_threads = 1};
    const skald_kv_cache_options small = {
        .size = sizeof small, .n_sequences = 3, .n_tokens = 2 * SKALD_PAGE_TOKENS, .k_type = 0, .v_type = 0};
    const skald_context_options narrow = {.size = sizeof narrow, .n_rows = 4, .n_logits = 1};
    skald_runtime *runtime;
    skald_seq seq;
    PROMISE(skald_runtime_create(&runtime, &alone, NULL) == SKALD_OK);
    PROMISE(skald_model_open_path(&model, runtime, SK_TEST_DATA "/tiny/llama_gqa_tied/model-f32.gguf", NULL, NULL) ==
            SKALD_OK);
    PROMISE(skald_kv_cache_create(&cache, model, &small, NULL) == SKALD_OK);
    PROMISE(skald_context_create(&context, model, &narrow, NULL) == SKALD_OK);
    PROMISE(skald_kv_cache_open(&seq, cache) == SKALD_OK);
    step(seq);
    PROMISE(skald_kv_cache_save(NULL, cache, seq, put, NULL, NULL) == SKALD_OK);
    PROMISE(skald_kv_cache_release(cache, seq) == SKALD_OK);
}

static void edit(const uint8_t *bytes, size_t n_bytes) {
    memcpy(state.at, original, n_original);
    state.n = n_original, state.next = 0;
    if (n_bytes < 3) return;
    for (size_t i = 3; i + 3 <= n_bytes; i += 3)
        state.at[(bytes[i] | (size_t)bytes[i + 1] << 8) % n_original] = (char)bytes[i + 2];
    if (bytes[0] & 1) sk_store(state.at + state.n - 8, sk_sum(SK_SUM_BEGIN, state.at, state.n - 8), 8);
    state.n -= (bytes[1] | (size_t)bytes[2] << 8) % n_original;
}

static void use(skald_seq seq) {
    uint64_t told = 0, counted = 0;
    uint32_t length;
    skald_seq child;
    PROMISE(skald_kv_cache_length(&length, cache, seq) == SKALD_OK && length <= 2 * SKALD_PAGE_TOKENS - N_IDS);
    PROMISE(skald_kv_cache_fork(&child, cache, seq, length) == SKALD_OK);
    step(child);
    PROMISE(skald_kv_cache_rewind(cache, child, length) == SKALD_OK);
    PROMISE(skald_kv_cache_save(&told, cache, child, count, &counted, NULL) == SKALD_OK && told == counted);
    PROMISE(skald_kv_cache_release(cache, child) == SKALD_OK && skald_kv_cache_release(cache, seq) == SKALD_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    skald_report why = {.size = sizeof why};
    skald_kv_cache_stats stats = {.size = sizeof stats};
    skald_seq seq = 0;
    if (!cache) begin();
    edit(bytes, n_bytes);
    const skald_status status = skald_kv_cache_restore(&seq, cache, get, NULL, &why);
    if (status == SKALD_OK) use(seq);
    else PROMISE(seq == 0 && why.status == status && why.text[0]);
    PROMISE(skald_kv_cache_get_stats(&stats, cache) == SKALD_OK);
    PROMISE(stats.n_sequences == 0 && stats.n_pages_free == stats.n_pages);
    return 0;
}

/* libFuzzer target: any bytes as an adapter of a small model; behind a config in JSON and a NUL, as PEFT's tensors. What opens takes a step beside a sequence without one, which does
 * not notice; a refusal has a sentence; no memory is kept. */
#include "fuzz/counted.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define MODEL SK_TEST_DATA "/tiny/llama_gqa_tied/model-f32.gguf"
#define N_IDS 5u
#define VOCAB 300u
#define RANK  512u

typedef struct host {
    skald_model *model;
    skald_kv_cache *cache;
    skald_context *context;
    float plain[VOCAB]; /* logits without an adapter */
} host;

static void step(host *h, const skald_span_adapter *use, float *plain) {
    static const int32_t ids[N_IDS] = {1, 70, 12, 255, 40};
    skald_span spans[2] = {
        {.size = sizeof *spans, .tokens = ids, .n_tokens = N_IDS, .adapters = use, .n_adapters = use != NULL},
        {.size = sizeof *spans, .tokens = ids, .n_tokens = N_IDS}};
    for (int i = 0; i < 2; i++) PROMISE(skald_kv_cache_open(&spans[i].seq, h->cache) == SKALD_OK);
    PROMISE(skald_step(h->context, h->cache, NULL, NULL, spans, 2) == SKALD_OK);
    memcpy(plain, skald_logits(h->context, 1), VOCAB * sizeof *plain);
    for (int i = 0; i < 2; i++) PROMISE(skald_kv_cache_release(h->cache, spans[i].seq) == SKALD_OK);
}

static void open_host(host *h) {
    skald_runtime *runtime;
    skald_runtime_options r;
    skald_kv_cache_options k;
    skald_context_options c;
    skald_model_info info = {.size = sizeof info};
    skald_runtime_options_init(&r, sizeof r);
    skald_kv_cache_options_init(&k, sizeof k);
    skald_context_options_init(&c, sizeof c);
    r.n_threads = 1, r.allocator = &counted_memory;
    k.n_sequences = 2, k.n_tokens = 256, c.n_rows = 16, c.n_logits = 2, c.max_rank = RANK;
    PROMISE(skald_runtime_create(&runtime, &r, NULL) == SKALD_OK);
    PROMISE(skald_model_open_path(&h->model, runtime, MODEL, NULL, NULL) == SKALD_OK);
    PROMISE(skald_model_get_info(&info, h->model) == SKALD_OK && info.n_vocab == VOCAB);
    PROMISE(skald_kv_cache_create(&h->cache, h->model, &k, NULL) == SKALD_OK);
    PROMISE(skald_context_create(&h->context, h->model, &c, NULL) == SKALD_OK);
    step(h, NULL, h->plain);
}

static skald_status open_adapter(skald_adapter **out, skald_model *model, const uint8_t *bytes, size_t n_bytes,
                                 skald_report *why) {
    const uint8_t *end = n_bytes && bytes[0] == '{' ? memchr(bytes, 0, n_bytes) : NULL;
    const skald_source source = {.size = sizeof source, .bytes = bytes, .n_bytes = n_bytes};
    if (!end) return skald_adapter_open(out, model, &source, why);
    const size_t n = (size_t)(end - bytes);
    const skald_source config = {.size = sizeof config, .bytes = bytes, .n_bytes = n};
    const skald_source tensors = {.size = sizeof tensors, .bytes = end + 1, .n_bytes = n_bytes - n - 1};
    return skald_adapter_open_peft(out, model, &tensors, &config, why);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    static host h;
    if (!h.model) open_host(&h);
    const uint64_t before = live;
    skald_report why = {.size = sizeof why};
    skald_adapter_info info = {.size = sizeof info};
    skald_adapter *adapter;
    const skald_status status = open_adapter(&adapter, h.model, bytes, n_bytes, &why);
    PROMISE((status == SKALD_OK) == (adapter != NULL));
    if (!adapter) {
        PROMISE(status == SKALD_FORMAT || status == SKALD_UNSUPPORTED || status == SKALD_READ ||
                status == SKALD_ARGUMENT);
        PROMISE(why.status == status && why.text[0] && memchr(why.text, 0, sizeof why.text));
    } else {
        float plain[VOCAB];
        const skald_span_adapter use = {.adapter = adapter, .scale = 0.5f};
        PROMISE(skald_adapter_get_info(&info, adapter) == SKALD_OK && info.rank && info.rank <= RANK && info.n_changed);
        step(&h, &use, plain);
        PROMISE(memcmp(plain, h.plain, sizeof plain) == 0);
        skald_adapter_release(adapter);
    }
    PROMISE(live == before);
    return 0;
}

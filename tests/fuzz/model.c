/* libFuzzer target: any bytes as a model. What opens can be asked about everything and takes a step; the host's memory
 * has an end, nothing is lost, and a refusal has a sentence. */
#include <skald/skald.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define PROMISE(holds) ((holds) ? (void)0 : __builtin_trap())
#define BUDGET         (64u << 20)
#define N_IDS          3u

volatile uint64_t sk_fuzz_seen; /* keeps the readings alive */

static void *lend(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    size_t *live = user;
    void *pointer = NULL;
    (void)kind;
    PROMISE(bytes && alignment && alignment <= 4096 && (alignment & (alignment - 1)) == 0);
    if (bytes > BUDGET - *live) return NULL;
    if (posix_memalign(&pointer, alignment < sizeof pointer ? sizeof pointer : alignment, bytes)) return NULL;
    memset(pointer, 0xa5, bytes < 4096 ? bytes : 4096); /* nobody may count on zeros */
    *live += bytes;
    return pointer;
}

static void take_back(void *user, void *pointer, size_t bytes, size_t alignment) {
    (void)alignment;
    PROMISE(!pointer || bytes <= *(size_t *)user);
    if (pointer) *(size_t *)user -= bytes;
    free(pointer);
}

static void refused(skald_status status, const skald_report *why) {
    PROMISE(why->status == status && why->text[0] && memchr(why->text, 0, sizeof why->text));
}

static void ask_names(const skald_model *model) {
    const char *key;
    for (uint32_t i = 0; (key = skald_model_metadata_key(model, i)); i++) {
        char text[256];
        size_t n = sizeof text;
        const skald_status status = skald_model_metadata(text, &n, model, key);
        PROMISE(status == SKALD_OK ? n && n <= sizeof text && !text[n - 1] : status == SKALD_SHORT && n > sizeof text);
    }
    skald_tensor_info tensor = {.size = sizeof tensor};
    for (uint32_t i = 0; skald_model_tensor(&tensor, model, i) == SKALD_OK; i++) {
        PROMISE(tensor.n_bytes ==
                skald_dtype_bytes(tensor.type, tensor.shape[0] * tensor.shape[1] * tensor.shape[2] * tensor.shape[3]));
        sk_fuzz_seen += strlen(tensor.name) + strlen(tensor.type_name) + strlen(tensor.kernel);
    }
}

static void ask_text(const skald_model *model, uint32_t n_vocab) {
    static const char words[] = "the sea <|im_end|> \xc3\xa9\xff 12";
    const skald_message message = {"user", words};
    int32_t ids[64];
    char text[512];
    uint32_t n_ids = 64;
    size_t n = sizeof text;
    if (skald_encode(ids, &n_ids, model, SKALD_ENCODE_SPECIAL, words, sizeof words - 1) == SKALD_OK) {
        for (uint32_t i = 0; i < n_ids; i++) PROMISE(ids[i] >= 0 && (uint32_t)ids[i] < n_vocab);
        sk_fuzz_seen += (uint64_t)skald_decode(text, &n, model, 0, ids, n_ids);
    }
    for (uint32_t role = 0; role <= SKALD_TOKEN_FIM_FILE; role++) {
        const int32_t id = skald_model_token(model, role);
        PROMISE(id >= -1 && (id < 0 || (uint32_t)id < n_vocab));
    }
    n = sizeof text;
    sk_fuzz_seen += (uint64_t)skald_chat_format(text, &n, model, 1, 0, &message, 1);
}

static void step(skald_context *context, skald_kv_cache *cache, uint32_t n_vocab) {
    const int32_t ids[N_IDS] = {0, (int32_t)(n_vocab / 2), (int32_t)n_vocab - 1};
    skald_span span = {.size = sizeof span, .tokens = ids, .n_tokens = N_IDS};
    skald_report why = {.size = sizeof why};
    uint32_t length = 0;
    PROMISE(skald_kv_cache_open(&span.seq, cache) == SKALD_OK);
    const skald_status status = skald_step(context, cache, NULL, &why, &span, 1);
    PROMISE(status == SKALD_OK);
    PROMISE(skald_kv_cache_length(&length, cache, span.seq) == SKALD_OK && length == N_IDS);
    const float *logits = skald_logits(context, 0);
    PROMISE(logits && !skald_logits(context, 1));
    for (uint32_t i = 0; i < n_vocab; i++) sk_fuzz_seen += logits[i] > 0;
}

static void run(skald_model *model, uint32_t n_vocab) {
    skald_kv_cache_options small = {.size = sizeof small,
                                    .n_tokens = SKALD_PAGE_TOKENS,
                                    .k_type = SKALD_F16,
                                    .v_type = SKALD_F16};
    skald_context_options narrow = {.size = sizeof narrow, .n_rows = 4, .n_logits = 1};
    skald_report why = {.size = sizeof why};
    skald_kv_cache *cache = NULL;
    skald_context *context = NULL;
    skald_status status = skald_kv_cache_create(&cache, model, &small, &why);
    if (status == SKALD_OK) status = skald_context_create(&context, model, &narrow, &why);
    if (status == SKALD_OK) step(context, cache, n_vocab);
    else refused(status, &why);
    PROMISE(skald_context_free(context) == SKALD_OK && skald_kv_cache_free(cache) == SKALD_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    size_t live = 0;
    const skald_allocator memory = {lend, take_back, &live};
    const skald_runtime_options alone = {.size = sizeof alone, .n_threads = 1, .allocator = &memory};
    const skald_source source = {.size = sizeof source, .bytes = bytes, .n_bytes = n_bytes};
    skald_report why = {.size = sizeof why};
    skald_runtime *runtime = NULL;
    skald_model *model = NULL;
    PROMISE(skald_runtime_create(&runtime, &alone, &why) == SKALD_OK);
    const size_t empty = live;
    const skald_status status = skald_model_open(&model, runtime, NULL, &why, &source, 1);
    if (status == SKALD_OK) {
        skald_model_info info = {.size = sizeof info};
        PROMISE(skald_model_get_info(&info, model) == SKALD_OK && info.n_vocab && info.n_layers);
        ask_names(model);
        ask_text(model, info.n_vocab);
        run(model, info.n_vocab);
    } else {
        PROMISE(!model);
        refused(status, &why);
    }
    skald_model_release(model);
    PROMISE(live == empty);
    skald_runtime_release(runtime);
    PROMISE(live == 0);
    return 0;
}

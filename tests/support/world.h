/* A tiny model with everything that runs it, and a text of ids that is the same in every test. */
#ifndef SK_TESTS_WORLD_H
#define SK_TESTS_WORLD_H
#include <skald/skald.h>
#include <stdlib.h>
#include <string.h>

#define WORLD_MODEL       SK_TEST_DATA "/tiny/llama_gqa_tied/model-f32.gguf"
#define WORLD_OTHER_MODEL SK_TEST_DATA "/tiny/llama_mha/model-f32.gguf"

/* Sanitizers bring memory, threads and stack of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORLD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORLD_SANITIZED 1
#endif
#endif
#ifndef WORLD_SANITIZED
#define WORLD_SANITIZED 0
#endif

typedef struct world_options {
    const skald_allocator *memory;
    const skald_executor *executor;
    uint32_t n_threads;           /* 0: 2 */
    uint32_t n_rows, n_sequences; /* 0: the library's defaults */
    uint32_t n_tokens;            /* 0: 1024 */
    uint32_t max_rank;            /* of adapters */
} world_options;

typedef struct world {
    skald_runtime *runtime;
    skald_model *model;
    skald_kv_cache *cache;
    skald_context *context;
    skald_model_info info;
} world;

static inline int32_t world_id(const world *w, uint32_t i) {
    return (int32_t)(((i * 2654435761u) >> 8) % w->info.n_vocab);
}

/* Ids [first, first + n) of the text. */
static inline const int32_t *world_text(int32_t *ids, const world *w, uint32_t first, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) ids[i] = world_id(w, first + i);
    return ids;
}

static inline skald_status world_room(world *w, const world_options *o, skald_report *why) {
    skald_kv_cache_options cache;
    skald_context_options context;
    skald_kv_cache_options_init(&cache, sizeof cache);
    skald_context_options_init(&context, sizeof context);
    cache.n_sequences = o->n_sequences;
    cache.n_tokens = o->n_tokens ? o->n_tokens : 1024;
    context.n_rows = o->n_rows, context.max_rank = o->max_rank;
    skald_status status = skald_kv_cache_create(&w->cache, w->model, &cache, why);
    return status == SKALD_OK ? skald_context_create(&w->context, w->model, &context, why) : status;
}

static inline skald_status world_open(world *w, const world_options *o) {
    skald_report why = {.size = sizeof why};
    skald_runtime_options runtime;
    *w = (world){.info = {.size = sizeof w->info}};
    skald_runtime_options_init(&runtime, sizeof runtime);
    runtime.n_threads = o->n_threads ? o->n_threads : 2;
    runtime.allocator = o->memory;
    runtime.executor = o->executor;
    skald_status status = skald_runtime_create(&w->runtime, &runtime, &why);
    if (status == SKALD_OK) status = skald_model_open_path(&w->model, w->runtime, WORLD_MODEL, NULL, &why);
    if (status == SKALD_OK) status = skald_model_get_info(&w->info, w->model);
    return status == SKALD_OK ? world_room(w, o, &why) : status;
}

/* A second room on the same model: its own cache and context. */
static inline skald_status world_share(world *w, const world *from, const world_options *o) {
    *w = (world){.runtime = NULL, .model = from->model, .info = from->info};
    skald_model_retain(w->model);
    return world_room(w, o, NULL);
}

static inline void world_close(world *w) {
    skald_context_free(w->context);
    skald_kv_cache_free(w->cache);
    skald_model_release(w->model);
    skald_runtime_release(w->runtime);
    *w = (world){.runtime = NULL};
}

/* Appends ids [first, first + n) of the text to `seq`; logits of the last one are wanted. */
static inline skald_status world_read(world *w, skald_seq seq, uint32_t first, uint32_t n) {
    int32_t ids[1024];
    const skald_span span = {.size = sizeof span, .seq = seq, .tokens = world_text(ids, w, first, n), .n_tokens = n};
    return skald_step(w->context, w->cache, NULL, NULL, &span, 1);
}

/* A number that stands for the bits of a row of logits. */
static inline uint64_t world_hash(const world *w, uint32_t row) {
    uint64_t hash = 0xcbf29ce484222325u;
    const unsigned char *bytes = (const unsigned char *)skald_logits(w->context, row);
    if (!bytes) return 0;
    for (size_t i = 0; i < w->info.n_vocab * sizeof(float); i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* What a fresh room says behind the first n_tokens of the text, then `n_more` steps of one token of the text. */
static inline uint64_t world_answer(world *w, uint32_t n_tokens, uint32_t n_more) {
    skald_seq seq;
    if (skald_kv_cache_open(&seq, w->cache) != SKALD_OK) return 0;
    skald_status status = world_read(w, seq, 0, n_tokens);
    for (uint32_t i = 0; i < n_more && status == SKALD_OK; i++) status = world_read(w, seq, n_tokens + i, 1);
    const uint64_t hash = status == SKALD_OK ? world_hash(w, 0) : 0;
    skald_kv_cache_release(w->cache, seq);
    return hash;
}
#endif

/* Everything between a model file and logits, opened with one call: what whole-model tests run in. */
#ifndef SK_TESTS_SESSION_H
#define SK_TESTS_SESSION_H
#include <skald/skald.h>
#include "support/check.h"
#include <stdlib.h>

/* Zero is a default. */
typedef struct session_options {
    const char *path; /* of the model, or its bytes */
    const void *bytes;
    uint64_t n_bytes;
    const char *plugin, *config, *device; /* a device to load and use */
    const char *level;
    const skald_executor *executor;
    uint32_t n_threads;
    uint32_t in_place;
    uint32_t n_context; /* positions that will be used */
    skald_dtype type;   /* of the cache; 0 is SKALD_F32 */
    uint64_t n_tokens;
    uint32_t n_sequences, n_rows, n_logits;
    uint32_t max_rank; /* of adapters */
} session_options;

typedef struct session {
    skald_runtime *runtime;
    skald_model *model;
    skald_kv_cache *cache;
    skald_context *context;
    uint32_t n_vocab;
} session;

static inline void session_must(skald_status status, const char *what, const skald_report *why) {
    if (status == SKALD_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, skald_status_text(status), why->text);
    exit(2);
}

static inline session session_open(const session_options *o) {
    session s = {0};
    skald_report why = {.size = sizeof why};
    skald_runtime_options runtime;
    skald_runtime_options_init(&runtime, sizeof runtime);
    runtime.n_threads = o->n_threads;
    runtime.executor = o->executor;
    runtime.cpu_level = o->level;
    session_must(skald_runtime_create(&s.runtime, &runtime, &why), "runtime", &why);
    if (o->plugin) session_must(skald_runtime_load_backend(s.runtime, o->plugin, o->config, &why), o->plugin, &why);
    skald_model_options model;
    skald_model_options_init(&model, sizeof model);
    model.device = o->device;
    model.in_place = o->in_place;
    model.n_context = o->n_context;
    skald_source source = {.size = sizeof source, .path = o->path, .bytes = o->bytes, .n_bytes = o->n_bytes};
    session_must(skald_model_open(&s.model, s.runtime, &model, &why, &source, 1), "model", &why);
    skald_model_info info = {.size = sizeof info};
    skald_model_get_info(&info, s.model);
    s.n_vocab = info.n_vocab;
    skald_kv_cache_options cache;
    skald_kv_cache_options_init(&cache, sizeof cache);
    cache.k_type = cache.v_type = o->type;
    cache.n_tokens = o->n_tokens;
    cache.n_sequences = o->n_sequences;
    session_must(skald_kv_cache_create(&s.cache, s.model, &cache, &why), "cache", &why);
    skald_context_options context;
    skald_context_options_init(&context, sizeof context);
    context.n_rows = o->n_rows;
    context.n_logits = o->n_logits;
    context.max_rank = o->max_rank;
    session_must(skald_context_create(&s.context, s.model, &context, &why), "context", &why);
    return s;
}

static inline void session_close(session *s) {
    CHECK_EQUAL(skald_context_free(s->context), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_free(s->cache), SKALD_OK);
    skald_model_release(s->model);
    skald_runtime_release(s->runtime);
}

static inline uint32_t session_length(session *s, skald_seq seq) {
    uint32_t n = UINT32_MAX;
    CHECK_EQUAL(skald_kv_cache_length(&n, s->cache, seq), SKALD_OK);
    return n;
}

/* What a call that fails may not change. */
static inline void session_state(skald_kv_cache_stats *stats, session *s) {
    memset(stats, 0, sizeof *stats);
    stats->size = sizeof *stats;
    CHECK_EQUAL(skald_kv_cache_get_stats(stats, s->cache), SKALD_OK);
}
#endif

/* What pages cost: steps of one token behind a long text whose pages lie one behind the other in memory, and behind the same
 * text in pages that lie anywhere, turn by turn.
 *
 *     skald_pages MODEL [THREADS [TOKENS [TURNS]]]      one line of JSON, the median step of each turn, in microseconds */
#define _POSIX_C_SOURCE 200809L
#include <skald/skald.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STEPS = 48, MOST_TURNS = 64 };

typedef struct host {
    skald_runtime *runtime;
    skald_model *model;
    skald_kv_cache *cache;
    skald_context *context;
    uint32_t n_tokens, n_pages, n_vocab;
} host;

static void must(skald_status status, const char *what) {
    if (status == SKALD_OK) return;
    fprintf(stderr, "skald_pages: %s: %s\n", what, skald_status_text(status));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void open_host(host *h, const char *path, uint32_t n_threads) {
    skald_runtime_options runtime;
    skald_model_info info = {.size = sizeof info};
    skald_runtime_options_init(&runtime, sizeof runtime);
    runtime.n_threads = n_threads;
    h->n_pages = 2 * ((h->n_tokens + STEPS) / SKALD_PAGE_TOKENS + 1);
    must(skald_runtime_create(&h->runtime, &runtime, NULL), "runtime");
    must(skald_model_open_path(&h->model, h->runtime, path, NULL, NULL), path);
    must(skald_model_get_info(&info, h->model), "model");
    h->n_vocab = info.n_vocab;
    must(skald_context_create(&h->context, h->model, NULL, NULL), "context");
}

/* The pages of a new cache are taken in order. Scattered: all are taken by texts of one page first, and let go in a drawn
 * order. */
static void open_cache(host *h, int scattered) {
    static uint64_t state = 88172645463325252u;
    skald_seq *all = calloc(h->n_pages, sizeof *all);
    skald_kv_cache_options o;
    skald_kv_cache_options_init(&o, sizeof o);
    o.n_tokens = (uint64_t)h->n_pages * SKALD_PAGE_TOKENS, o.n_sequences = h->n_pages;
    must(skald_kv_cache_create(&h->cache, h->model, &o, NULL), "cache");
    if (!all) exit(1);
    for (uint32_t i = 0; scattered && i < h->n_pages; i++) {
        must(skald_kv_cache_open(&all[i], h->cache), "open");
        must(skald_kv_cache_reserve(h->cache, all[i], SKALD_PAGE_TOKENS), "reserve");
    }
    for (uint32_t i = h->n_pages; scattered && i-- > 0;) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        const uint32_t j = (uint32_t)(state % (i + 1));
        const skald_seq seq = all[j];
        all[j] = all[i];
        must(skald_kv_cache_release(h->cache, seq), "release");
    }
    free(all);
}

static void read_ids(const host *h, skald_seq seq, const int32_t *ids, uint32_t n) {
    const skald_span span = {.size = sizeof span, .seq = seq, .tokens = ids, .n_tokens = n};
    must(skald_step(h->context, h->cache, NULL, NULL, &span, 1), "step");
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_step(host *h, const int32_t *ids, int scattered) {
    skald_seq seq;
    double times[STEPS];
    open_cache(h, scattered);
    must(skald_kv_cache_open(&seq, h->cache), "open");
    read_ids(h, seq, ids, h->n_tokens);
    for (int i = 0; i < STEPS; i++) {
        const double before = now();
        read_ids(h, seq, ids + i, 1);
        times[i] = now() - before;
    }
    must(skald_kv_cache_free(h->cache), "cache");
    qsort(times, STEPS, sizeof *times, by_size);
    return times[STEPS / 2];
}

int main(int argc, char **argv) {
    const uint32_t n_threads = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    const int n_turns = argc > 4 ? atoi(argv[4]) : 7;
    host h = {.n_tokens = argc > 3 ? (uint32_t)atoi(argv[3]) : 4096};
    double times[2][MOST_TURNS];
    if (argc < 2 || h.n_tokens < STEPS || n_turns < 1 || n_turns > MOST_TURNS)
        return fprintf(stderr, "usage: skald_pages MODEL [THREADS [TOKENS [TURNS]]]\n"), 2;
    open_host(&h, argv[1], n_threads);
    int32_t *ids = calloc(h.n_tokens, sizeof *ids);
    if (!ids) return 1;
    for (uint32_t i = 0; i < h.n_tokens; i++) ids[i] = (int32_t)((i * 2654435761u >> 8) % h.n_vocab);
    for (int i = 0; i < 2 * n_turns; i++) times[i % 2][i / 2] = median_step(&h, ids, i % 2);
    for (int kind = 0; kind < 2; kind++) {
        printf(kind ? ", \"scattered\": [" : "{\"in_order\": [");
        for (int i = 0; i < n_turns; i++) printf("%s%.1f", i ? ", " : "", times[kind][i]);
        printf("]");
        qsort(times[kind], (size_t)n_turns, sizeof **times, by_size);
    }
    printf(", \"share\": %.3f}\n", times[0][n_turns / 2] / times[1][n_turns / 2]);
    free(ids);
    skald_context_free(h.context);
    skald_model_release(h.model);
    skald_runtime_release(h.runtime);
    return 0;
}

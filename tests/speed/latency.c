/* How long a host that wants to cancel has to wait: the longest stretch between two places where a load or a step looks
 * whether it shall stop, in milliseconds, and how long a cancel itself takes. A step is stopped at every place it has, a
 * load where `cancel_at` of it is done.
 *
 *     skald_latency MODEL [THREADS [DEPTH [SMALL_PAGES]]]      one line of JSON for the load and for each kind of step
 *     skald_latency --vocabulary MODEL                         for loads without the weights */
#define _POSIX_C_SOURCE 200809L
#include <skald/skald.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PREFILL = 512, FORKS = 12 };

typedef struct waits {
    double last, longest, sum, at; /* at: how far it had come after the longest */
    long n;
} waits;

static void must(skald_status status, const char *what) {
    if (status == SKALD_OK) return;
    fprintf(stderr, "skald_latency: %s: %s\n", what, skald_status_text(status));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void looked(waits *w, double done) {
    const double t = now(), waited = t - w->last;
    if (waited > w->longest) w->longest = waited, w->at = done;
    w->sum += waited, w->last = t, w->n++;
}

static int32_t look(void *user, float done) {
    looked(user, done);
    return 0;
}

typedef struct stop {
    double at, asked; /* how far the load is to come; when it was asked to stop, 0: not yet */
} stop;

static int32_t look_and_stop(void *user, float done) {
    stop *s = user;
    if (done < s->at) return 0;
    s->asked = now();
    return 1;
}

/* From the host's wish until the call is back. */
static void cancel_load(skald_runtime *runtime, const char *path, skald_model_options m, double at) {
    stop s = {.at = at};
    skald_model *model = NULL;
    m.progress = look_and_stop, m.progress_user = &s;
    if (skald_model_open_path(&model, runtime, path, &m, NULL) != SKALD_CANCELLED)
        must(SKALD_ARGUMENT, "a load that was not cancelled");
    printf("{\"what\": \"cancel of a load\", \"cancel_at\": %.2f, \"cancel_ms\": %.3f}\n", at, now() - s.asked);
}

static void say(const char *what, uint32_t depth, const waits *w, double cancel) {
    printf(
        "{\"what\": \"%s\", \"depth\": %u, \"places\": %ld, \"longest_ms\": %.3f, \"longest_at\": %.3f, \"mean_ms\": %.4f, \"cancel_ms\": %.3f}\n",
        what, depth, w->n, w->longest, w->at, w->sum / (double)(w->n ? w->n : 1), cancel);
}

/* Reads the spans; with `w`, paused at every place. */
static void step(skald_context *context, skald_kv_cache *cache, const skald_span *spans, uint32_t n_spans, waits *w) {
    skald_step_options o;
    skald_step_options_init(&o, sizeof o);
    o.microseconds = w != NULL;
    if (w) w->last = now();
    skald_status status = skald_step(context, cache, &o, NULL, spans, n_spans);
    for (; status == SKALD_PENDING; status = skald_step_continue(context, &o, NULL)) looked(w, (double)w->n);
    if (w) looked(w, 1);
    must(status, "step");
}

/* One token for each of a sequence's forks: each copies its tail page first. */
static void step_forks(skald_context *context, skald_kv_cache *cache, const skald_span *span, waits *w) {
    skald_span forks[FORKS];
    uint32_t length;
    must(skald_kv_cache_length(&length, cache, span->seq), "length");
    for (int i = 0; i < FORKS; i++) {
        forks[i] = *span;
        must(skald_kv_cache_fork(&forks[i].seq, cache, span->seq, length - 1), "fork");
    }
    step(context, cache, forks, FORKS, w);
}

/* A step that is begun, stopped somewhere and cancelled. */
static double cancel(skald_context *context, skald_kv_cache *cache, const skald_span *span) {
    skald_step_options o;
    skald_step_options_init(&o, sizeof o);
    o.microseconds = 2000;
    if (skald_step(context, cache, &o, NULL, span, 1) != SKALD_PENDING) return 0;
    const double begin = now();
    must(skald_step_cancel(context), "cancel");
    return now() - begin;
}

int main(int argc, char **argv) {
    const uint32_t n_threads = argc > 2 ? (uint32_t)atoi(argv[2]) : 0, depth = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;
    skald_runtime *runtime = NULL;
    skald_model *model = NULL;
    skald_kv_cache *cache = NULL;
    skald_context *context = NULL;
    skald_runtime_options r;
    skald_model_options m;
    skald_kv_cache_options k;
    skald_context_options c;
    skald_seq seq;
    static int32_t ids[PREFILL];
    const int vocabulary = argc > 2 && strcmp(argv[1], "--vocabulary") == 0;
    if (argc < 2) return fputs("usage: skald_latency MODEL [THREADS [DEPTH [SMALL_PAGES]]]\n", stderr), 2;
    skald_runtime_options_init(&r, sizeof r);
    skald_model_options_init(&m, sizeof m);
    skald_kv_cache_options_init(&k, sizeof k);
    skald_context_options_init(&c, sizeof c);
    waits load = {.last = now()};
    r.n_threads = n_threads, r.small_pages = argc > 4 && atoi(argv[4]), m.progress = look, m.progress_user = &load;
    m.vocabulary_only = (uint32_t)vocabulary;
    k.n_tokens = depth + 3 * PREFILL + FORKS * SKALD_PAGE_TOKENS, k.n_sequences = FORKS + 1, c.n_rows = PREFILL,
    c.n_logits = FORKS;
    must(skald_runtime_create(&runtime, &r, NULL), "runtime");
    load.last = now();
    must(skald_model_open_path(&model, runtime, argv[1 + vocabulary], &m, NULL), argv[1 + vocabulary]);
    looked(&load, 1);
    say("load", 0, &load, 0);
    for (int i = 0; i < (vocabulary ? 1 : 4); i++) cancel_load(runtime, argv[1 + vocabulary], m, 0.3 * i);
    if (vocabulary) return skald_model_release(model), skald_runtime_release(runtime), 0;
    must(skald_kv_cache_create(&cache, model, &k, NULL), "cache");
    must(skald_context_create(&context, model, &c, NULL), "context");
    must(skald_kv_cache_open(&seq, cache), "sequence");
    for (uint32_t i = 0; i < PREFILL; i++) ids[i] = (int32_t)(i * 7 % 1000 + 1);
    skald_span span = {.size = sizeof span, .seq = seq, .tokens = ids, .n_tokens = PREFILL};
    for (uint32_t at = 0; at < depth; at += PREFILL) step(context, cache, &span, 1, NULL);
    const double cancelled = cancel(context, cache, &span);
    waits fresh = {0}, prefill = {0}, decode = {0}, forks = {0};
    step(context, cache, &span, 1, &fresh); /* in memory that the system has to clear */
    say("first prefill 512", depth, &fresh, cancelled);
    step(context, cache, &span, 1, &prefill);
    say("prefill 512", depth, &prefill, 0);
    span.n_tokens = 1;
    for (int i = 0; i < 16; i++) step(context, cache, &span, 1, &decode);
    say("decode", depth, &decode, cancel(context, cache, &span));
    step_forks(context, cache, &span, &forks);
    say("decode of 12 forks", depth, &forks, 0);
    skald_context_free(context);
    skald_kv_cache_free(cache);
    skald_model_release(model);
    skald_runtime_release(runtime);
    return 0;
}

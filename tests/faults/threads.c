/* One context or cache, one thread at a time: a second one, and a call from a callback, get BUSY and change nothing.
 * One model, many contexts: all at once they give the bits of each alone. */
#define _POSIX_C_SOURCE 200809L
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"
#include <pthread.h>

/* ---- BUSY */

typedef struct meeting {
    world w, other; /* `other` is a second room on the model of `w` */
    skald_seq seq;
    skald_sampler *sampler;
    pthread_mutex_t lock;
    pthread_cond_t change;
    int inside, leave;
    int n_calls;
    uint32_t n_busy, n_asked;
} meeting;

static void say(meeting *m, int *what) {
    pthread_mutex_lock(&m->lock);
    *what = 1;
    pthread_cond_broadcast(&m->change);
    pthread_mutex_unlock(&m->lock);
}

static void wait_for(meeting *m, int *what) {
    pthread_mutex_lock(&m->lock);
    while (!*what) pthread_cond_wait(&m->change, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

static void ask(meeting *m, const char *call, skald_status got) {
    m->n_asked++;
    m->n_busy += got == SKALD_BUSY;
    CHECK_SAID(got == SKALD_BUSY, "%s during a step: status %d", call, got);
}

/* Everything that touches the context or the cache of a step under way. */
static void touch_all(meeting *m) {
    static const int32_t id = 1;
    const skald_span span = {.size = sizeof span, .seq = m->seq, .tokens = &id, .n_tokens = 1};
    uint32_t n;
    skald_seq seq;
    skald_kv_cache_stats stats = {.size = sizeof stats};
    skald_context *context = m->w.context;
    skald_kv_cache *cache = m->w.cache;
    ask(m, "step", skald_step(context, cache, NULL, NULL, &span, 1));
    ask(m, "step in another cache", skald_step(context, m->other.cache, NULL, NULL, &span, 1));
    ask(m, "step in another context", skald_step(m->other.context, cache, NULL, NULL, &span, 1));
    ask(m, "continue", skald_step_continue(context, NULL, NULL));
    ask(m, "cancel", skald_step_cancel(context));
    ask(m, "context_free", skald_context_free(context));
    ask(m, "cache_free", skald_kv_cache_free(cache));
    ask(m, "open", skald_kv_cache_open(&seq, cache));
    ask(m, "reserve", skald_kv_cache_reserve(cache, m->seq, 1));
    ask(m, "fork", skald_kv_cache_fork(&seq, cache, m->seq, 0));
    ask(m, "rewind", skald_kv_cache_rewind(cache, m->seq, 0));
    ask(m, "release", skald_kv_cache_release(cache, m->seq));
    ask(m, "length", skald_kv_cache_length(&n, cache, m->seq));
    ask(m, "get_stats", skald_kv_cache_get_stats(&stats, cache));
}

static int32_t hold(void *user, float done) {
    meeting *m = user;
    (void)done;
    if (m->n_calls++) return 0;
    touch_all(m);
    say(m, &m->inside);
    wait_for(m, &m->leave);
    return 0;
}

static void *stranger(void *user) {
    meeting *m = user;
    wait_for(m, &m->inside);
    touch_all(m);
    say(m, &m->leave);
    return NULL;
}

/* `paused` 1: the step is continued, so that continue is held to the rule as well. */
static void check_busy(int paused) {
    static meeting m;
    pthread_t thread;
    skald_step_options o;
    int32_t ids[200];
    m = (meeting){.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    const world_options room = {.n_rows = 64, .n_sequences = 3};
    CHECK_EQUAL(world_open(&m.w, &room), SKALD_OK);
    CHECK_EQUAL(world_share(&m.other, &m.w, &room), SKALD_OK);
    const uint64_t want = world_answer(&m.w, 200, 0);
    CHECK_EQUAL(skald_kv_cache_open(&m.seq, m.w.cache), SKALD_OK);
    skald_step_options_init(&o, sizeof o);
    const skald_span span = {.size = sizeof span,
                             .seq = m.seq,
                             .tokens = world_text(ids, &m.w, 0, 200),
                             .n_tokens = 200};
    if (paused) {
        o.microseconds = 1;
        CHECK_EQUAL(skald_step(m.w.context, m.w.cache, &o, NULL, &span, 1), SKALD_PENDING);
        o.microseconds = 0;
    }
    o.progress = hold, o.progress_user = &m;
    CHECK_EQUAL(pthread_create(&thread, NULL, stranger, &m), 0);
    skald_status status =
        paused ? skald_step_continue(m.w.context, &o, NULL) : skald_step(m.w.context, m.w.cache, &o, NULL, &span, 1);
    CHECK_EQUAL(status, SKALD_OK);
    pthread_join(thread, NULL);
    CHECK_EQUAL(m.n_asked, 28);
    CHECK_EQUAL(m.n_busy, 28);
    CHECK(world_hash(&m.w, 0) == want);
    world_close(&m.other);
    world_close(&m.w);
}

/* ---- many contexts */

#define N_THREADS 4
#define N_ROUNDS  3

typedef struct guest {
    pthread_t thread;
    world w;
    uint32_t n_tokens;
    uint64_t want, got[N_ROUNDS];
} guest;

static pthread_barrier_t start;

static void *work(void *user) {
    guest *g = user;
    pthread_barrier_wait(&start);
    for (uint32_t round = 0; round < N_ROUNDS; round++) g->got[round] = world_answer(&g->w, g->n_tokens, 5);
    return NULL;
}

/* Three workers for four callers: some steps get none, and none waits. */
static void check_together(uint32_t n_threads) {
    static guest guests[N_THREADS];
    world w;
    CHECK_EQUAL(world_open(&w, &(world_options){.n_threads = n_threads}), SKALD_OK);
    pthread_barrier_init(&start, NULL, N_THREADS);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        guest *g = &guests[i];
        CHECK_EQUAL(world_share(&g->w, &w, &(world_options){.n_rows = 32 + 16 * i}), SKALD_OK);
        g->n_tokens = 60 + 70 * i;
        g->want = world_answer(&w, g->n_tokens, 5);
        CHECK(g->want != 0);
    }
    for (uint32_t i = 0; i < N_THREADS; i++) CHECK_EQUAL(pthread_create(&guests[i].thread, NULL, work, &guests[i]), 0);
    for (uint32_t i = 0; i < N_THREADS; i++) pthread_join(guests[i].thread, NULL);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        for (uint32_t round = 0; round < N_ROUNDS; round++)
            CHECK_SAID(guests[i].got[round] == guests[i].want, "thread %u of %u, round %u: other bits", i, n_threads,
                       round);
        world_close(&guests[i].w);
    }
    pthread_barrier_destroy(&start);
    world_close(&w);
}

/* ---- the model and the runtime belong to everybody */

static void *share(void *user) {
    skald_model *model = user;
    for (int i = 0; i < 200; i++) {
        skald_model_info info = {.size = sizeof info};
        int32_t ids[64];
        uint32_t n_ids = 64;
        skald_model_retain(model);
        if (skald_model_get_info(&info, model) != SKALD_OK || info.n_layers == 0) return user;
        if (skald_encode(ids, &n_ids, model, 0, "return the tokens", 17) != SKALD_OK || n_ids == 0) return user;
        if (!skald_model_metadata_key(model, 0)) return user;
        skald_model_release(model);
    }
    skald_model_release(model);
    return NULL;
}

static void check_shared(void) {
    static host_memory memory;
    world w;
    pthread_t threads[N_THREADS];
    void *failed;
    memory_init(&memory);
    CHECK_EQUAL(world_open(&w, &(world_options){.memory = &memory.allocator, .n_threads = 2}), SKALD_OK);
    for (int i = 0; i < N_THREADS; i++) {
        skald_model_retain(w.model);
        CHECK_EQUAL(pthread_create(&threads[i], NULL, share, w.model), 0);
    }
    world_close(&w); /* the threads are owners too; the last of them frees model and runtime */
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], &failed);
        CHECK(failed == NULL);
    }
    CHECK_EQUAL(memory.live, 0);
    CHECK_EQUAL(memory.n_mistakes, 0);
}

int main(void) {
    check_busy(0);
    check_busy(1);
    check_together(1);
    check_together(4);
    check_shared();
    return sk_checked();
}

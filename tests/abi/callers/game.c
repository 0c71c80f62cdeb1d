/* A game as a caller: its own memory in one pool, its own job system, and a frame of which thinking gets a slice. Prints
 * the ids it chose. usage: game MODEL.gguf */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <skald/skald.h>
#include <stdio.h>
#include <stdlib.h>

#define POOL_BYTES         ((size_t)64 << 20)
#define JOB_THREADS        2
#define SLICE_MICROSECONDS 100

/* ---- memory: a pool that is thrown away with the level; only the newest block can come back */

typedef struct pool {
    char *begin;
    size_t used, live;
} pool;

static void *pool_alloc(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    pool *p = user;
    size_t at = (p->used + alignment - 1) & ~(alignment - 1);
    (void)kind;
    if (at > POOL_BYTES || bytes > POOL_BYTES - at) return NULL;
    p->used = at + bytes;
    p->live += bytes;
    return p->begin + at;
}

static void pool_free(void *user, void *pointer, size_t bytes, size_t alignment) {
    pool *p = user;
    (void)alignment;
    p->live -= bytes;
    if ((char *)pointer + bytes == p->begin + p->used) p->used -= bytes;
}

/* ---- jobs: two threads that sleep between frames, and the thread that asks */

typedef struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t change;
    pthread_t threads[JOB_THREADS];
    void (*job)(void *arg, uint32_t index);
    void *arg;
    uint32_t next, n_jobs, n_done;
    unsigned long n_run;
    int ends;
} jobs;

/* With the lock held: takes jobs until there is none. */
static void take(jobs *j) {
    while (j->next < j->n_jobs) {
        uint32_t index = j->next++;
        pthread_mutex_unlock(&j->lock);
        j->job(j->arg, index);
        pthread_mutex_lock(&j->lock);
        j->n_run++;
        if (++j->n_done == j->n_jobs) pthread_cond_broadcast(&j->change);
    }
}

static void *job_thread(void *user) {
    jobs *j = user;
    pthread_mutex_lock(&j->lock);
    while (!j->ends) {
        take(j);
        if (!j->ends) pthread_cond_wait(&j->change, &j->lock);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

static void run_jobs(void *user, void (*job)(void *arg, uint32_t index), void *arg, uint32_t n_jobs) {
    jobs *j = user;
    pthread_mutex_lock(&j->lock);
    j->job = job, j->arg = arg, j->next = j->n_done = 0, j->n_jobs = n_jobs;
    pthread_cond_broadcast(&j->change);
    take(j);
    while (j->n_done < j->n_jobs) pthread_cond_wait(&j->change, &j->lock);
    j->n_jobs = j->next = 0;
    pthread_mutex_unlock(&j->lock);
}

static void start_jobs(jobs *j) {
    *j = (jobs){.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    for (int i = 0; i < JOB_THREADS; i++)
        if (pthread_create(&j->threads[i], NULL, job_thread, j)) exit(3);
}

static void end_jobs(jobs *j) {
    pthread_mutex_lock(&j->lock);
    j->ends = 1;
    pthread_cond_broadcast(&j->change);
    pthread_mutex_unlock(&j->lock);
    for (int i = 0; i < JOB_THREADS; i++) pthread_join(j->threads[i], NULL);
}

/* ---- the game */

typedef struct game {
    pool memory;
    jobs jobs;
    skald_runtime *runtime;
    skald_model *model;
    skald_kv_cache *cache;
    skald_context *context;
    skald_report why;
    unsigned long n_frames;
} game;

static skald_status load(game *g, const char *path) {
    const skald_allocator allocator = {pool_alloc, pool_free, &g->memory};
    const skald_executor executor = {run_jobs, &g->jobs, JOB_THREADS + 1};
    skald_runtime_options runtime;
    skald_kv_cache_options cache;
    skald_runtime_options_init(&runtime, sizeof runtime);
    skald_kv_cache_options_init(&cache, sizeof cache);
    runtime.allocator = &allocator;
    runtime.executor = &executor;
    cache.n_tokens = 512;
    skald_status status = skald_runtime_create(&g->runtime, &runtime, &g->why);
    if (status == SKALD_OK) status = skald_model_open_path(&g->model, g->runtime, path, NULL, &g->why);
    if (status == SKALD_OK) status = skald_kv_cache_create(&g->cache, g->model, &cache, &g->why);
    return status == SKALD_OK ? skald_context_create(&g->context, g->model, NULL, &g->why) : status;
}

/* One thought over as many frames as it takes. */
static skald_status think(game *g, const skald_span *span) {
    skald_step_options slice;
    skald_step_options_init(&slice, sizeof slice);
    slice.microseconds = SLICE_MICROSECONDS;
    skald_status status = skald_step(g->context, g->cache, &slice, &g->why, span, 1);
    for (g->n_frames++; status == SKALD_PENDING; g->n_frames++) /* here the game moves and draws */
        status = skald_step_continue(g->context, &slice, &g->why);
    return status;
}

static skald_status play(game *g) {
    int32_t ids[20] = {5, 17, 42, 3}, n_ids = 4;
    skald_span span = {.size = sizeof span, .tokens = ids, .n_tokens = 4};
    skald_status status = skald_kv_cache_open(&span.seq, g->cache);
    while (status == SKALD_OK && n_ids < 20) {
        status = think(g, &span);
        ids[n_ids] = skald_logits_argmax(g->context, 0);
        span.tokens = &ids[n_ids++], span.n_tokens = 1;
    }
    for (int i = 4; i < 20 && status == SKALD_OK; i++) printf("%d%c", ids[i], i < 19 ? ' ' : '\n');
    return status;
}

int main(int argc, char **argv) {
    static game g;
    if (argc != 2) return fputs("usage: game MODEL.gguf\n", stderr), 2;
    g.why.size = sizeof g.why;
    g.memory.begin = aligned_alloc(4096, POOL_BYTES);
    if (!g.memory.begin) return 3;
    start_jobs(&g.jobs);
    skald_status status = load(&g, argv[1]);
    if (status == SKALD_OK) status = play(&g);
    if (status != SKALD_OK) fprintf(stderr, "game: %s\n", g.why.text);
    skald_context_free(g.context);
    skald_kv_cache_free(g.cache);
    skald_model_release(g.model);
    skald_runtime_release(g.runtime);
    end_jobs(&g.jobs);
    fprintf(stderr, "%lu frames, %lu jobs, %zu bytes left\n", g.n_frames, g.jobs.n_run, g.memory.live);
    free(g.memory.begin);
    return status != SKALD_OK || g.memory.live != 0 || g.jobs.n_run == 0;
}

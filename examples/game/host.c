/* Memory, jobs and clock of the game. */
#include "host.h"
#include <stdlib.h>
#include <time.h>

static void *arena_alloc(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    arena *a = user;
    const size_t at = (a->used + alignment - 1) & ~(alignment - 1);
    (void)kind;
    a->n_requests++;
    if (at > a->room || bytes > a->room - at) return NULL;
    a->used = at + bytes;
    return a->begin + at;
}

static void arena_free(void *user, void *pointer, size_t bytes, size_t alignment) {
    arena *a = user;
    (void)alignment;
    if ((char *)pointer + bytes == a->begin + a->used) a->used -= bytes;
}

bool arena_begin(arena *a, size_t room) {
    *a = (arena){.begin = aligned_alloc(4096, room), .room = room};
    return a->begin != NULL;
}

void arena_end(arena *a) { free(a->begin); }

skald_allocator arena_allocator(arena *a) { return (skald_allocator){arena_alloc, arena_free, a}; }

/* With the lock held: takes jobs until there is none. */
static void take(jobs *j) {
    while (j->next < j->n_jobs) {
        const uint32_t index = j->next++;
        pthread_mutex_unlock(&j->lock);
        j->job(j->arg, index);
        pthread_mutex_lock(&j->lock);
        if (++j->n_done == j->n_jobs) pthread_cond_broadcast(&j->change);
    }
}

static void *job_thread(void *user) {
    jobs *j = user;
    pthread_mutex_lock(&j->lock);
    while (!j->over) {
        take(j);
        if (!j->over) pthread_cond_wait(&j->change, &j->lock);
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
    j->next = j->n_jobs = 0;
    pthread_mutex_unlock(&j->lock);
}

bool jobs_begin(jobs *j) {
    *j = (jobs){.n_threads = 0};
    if (pthread_mutex_init(&j->lock, NULL) != 0 || pthread_cond_init(&j->change, NULL) != 0) return false;
    while (j->n_threads < JOB_THREADS && pthread_create(&j->threads[j->n_threads], NULL, job_thread, j) == 0)
        j->n_threads++;
    return true;
}

void jobs_end(jobs *j) {
    pthread_mutex_lock(&j->lock);
    j->over = true;
    pthread_cond_broadcast(&j->change);
    pthread_mutex_unlock(&j->lock);
    for (uint32_t i = 0; i < j->n_threads; i++) pthread_join(j->threads[i], NULL);
    pthread_cond_destroy(&j->change);
    pthread_mutex_destroy(&j->lock);
}

skald_executor jobs_executor(jobs *j) { return (skald_executor){run_jobs, j, j->n_threads + 1}; }

uint64_t now_microseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void sleep_until(uint64_t microseconds) {
    const struct timespec t = {(time_t)(microseconds / 1000000u), (long)(microseconds % 1000000u) * 1000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

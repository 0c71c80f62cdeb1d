/* What a game has anyway: one block of memory, threads that run jobs, and a clock. */
#ifndef GAME_HOST_H
#define GAME_HOST_H
#include <pthread.h>
#include <skald/skald.h>
#include <stdbool.h>

/* A block that is thrown away with the level. Blocks are given back in any order; only the newest makes room again. */
typedef struct arena {
    char *begin;
    size_t room, used;
    uint32_t n_requests; /* so that a frame can see that it asked for nothing */
} arena;

bool arena_begin(arena *a, size_t room);
void arena_end(arena *a);
skald_allocator arena_allocator(arena *a);

#define JOB_THREADS 1 /* besides the one that asks */

/* Threads that sleep between frames. */
typedef struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t change;
    pthread_t threads[JOB_THREADS];
    void (*job)(void *arg, uint32_t index);
    void *arg;
    uint32_t next, n_jobs, n_done, n_threads;
    bool over;
} jobs;

bool jobs_begin(jobs *j);
void jobs_end(jobs *j);
skald_executor jobs_executor(jobs *j);

uint64_t now_microseconds(void);
void sleep_until(uint64_t microseconds);

#endif

/* The pool's workers: every job once, a worker that lost its processor is left out for a while, idle ones cost nothing. */
#define _GNU_SOURCE /* sched_setaffinity */
#include "base/pool.h"
#include "base/os/os.h"
#include "support/check.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define N_JOBS 64u

static void sleep_for(long milliseconds) {
    struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&t, NULL);
}

typedef struct {
    pthread_t caller;
    atomic_uint done[N_JOBS], by_worker;
    long worker_sleeps, caller_sleeps; /* milliseconds a job */
} work;

static void job(void *arg, uint32_t index) {
    work *w = arg;
    const int mine = pthread_equal(pthread_self(), w->caller);
    atomic_fetch_add(&w->done[index], 1);
    if (!mine) atomic_fetch_add(&w->by_worker, 1);
    if (mine ? w->caller_sleeps : w->worker_sleeps) sleep_for(mine ? w->caller_sleeps : w->worker_sleeps);
}

/* Runs `n` jobs and returns how many of them the worker did. */
static unsigned run(sk_pool *pool, sk_team *team, uint32_t n, long worker_sleeps, long caller_sleeps) {
    work w = {.caller = pthread_self(), .worker_sleeps = worker_sleeps, .caller_sleeps = caller_sleeps};
    sk_pool_run(pool, team, job, &w, n);
    for (uint32_t i = 0; i < N_JOBS; i++) CHECK(atomic_load(&w.done[i]) == (i < n ? 1u : 0u));
    return atomic_load(&w.by_worker);
}

/* Jobs of a millisecond until the worker took one: it needs a moment to wake up. */
static bool worker_comes(sk_pool *pool, sk_team *team) {
    for (int i = 0; i < 50; i++)
        if (run(pool, team, 8, 1, 1)) return true;
    return false;
}

/* The worker sleeps in a job while the caller has nothing left to do. */
static bool lose(sk_pool *pool, sk_team *team, long milliseconds) {
    for (int i = 0; i < 50; i++)
        if (run(pool, team, 2, milliseconds, 1)) return true;
    return false;
}

static void check_left_out(sk_pool *pool, sk_team *team) {
    CHECK(worker_comes(pool, team));
    CHECK(lose(pool, team, 6)); /* away for 8 ms from here */
    const uint64_t lost = sk_os_nanoseconds();
    while (sk_os_nanoseconds() - lost < 4000000u) {
        unsigned by_worker = run(pool, team, N_JOBS, 0, 0);
        if (sk_os_nanoseconds() - lost < 7000000u) CHECK(by_worker == 0);
    }
    sleep_for(8);
    CHECK(worker_comes(pool, team));
    CHECK(lose(pool, team, 6)); /* soon again: longer than before */
    const uint64_t again = sk_os_nanoseconds();
    sleep_for(9);
    if (sk_os_nanoseconds() - again < 15000000u) CHECK(run(pool, team, 8, 0, 0) == 0);
    sleep_for(8);
    CHECK(worker_comes(pool, team));
}

static uint64_t processor_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A second after a run the workers have used less than a millisecond. */
static void check_idle(sk_pool *pool, sk_team *team) {
    run(pool, team, N_JOBS, 0, 0);
    const uint64_t before = processor_nanoseconds();
    sleep_for(1000);
    const uint64_t used = processor_nanoseconds() - before;
    CHECK_SAID(used < 1000000u, "%llu ns in a second of rest", (unsigned long long)used);
}

/* One processor allowed is one thread, whatever the machine has. */
static void check_affinity(void) {
    cpu_set_t all, one;
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CHECK(sk_os_processors() <= (uint32_t)CPU_COUNT(&all));
    int first = 0;
    while (!CPU_ISSET(first, &all)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK_EQUAL(sk_os_processors(), 1);
    CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
}

int main(void) {
    sk_carver c = {0};
    sk_pool_carve(&c, 2);
    CHECK(!c.broken);
    void *block = aligned_alloc(SK_CACHE_LINE, (size_t)sk_align(c.used, SK_CACHE_LINE));
    memset(block, 0, (size_t)c.used);
    c = (sk_carver){.base = block};
    sk_pool *pool = sk_pool_carve(&c, 2);
    CHECK(sk_pool_start(pool, NULL) == SKALD_OK);
    sk_team *team = sk_pool_enter(pool, 2);
    CHECK(team != NULL);
    for (int i = 0; i < 1000; i++) run(pool, team, 1 + (uint32_t)i % N_JOBS, 0, 0);
    check_left_out(pool, team);
    check_idle(pool, team);
    check_affinity();
    sk_pool_leave(pool, team);
    sk_pool_stop(pool);
    free(block);
    return sk_checked();
}

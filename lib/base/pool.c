/* Workers that spin briefly, sleep soon, and belong to one step at a time. */
#include "base/pool.h"
#include "base/fpmode.h"
#include "base/os/os.h"
#include "base/os/thread.h"
#include <stdatomic.h>

enum { IDLE, POSTED, RUNNING, ENDED };

/* About 50 microseconds between two operations of a step; then the worker sleeps. */
#define SPINS_PLAIN  64
#define SPINS_PAUSED 1500

/* A job takes a quarter of a millisecond at most. A worker that kept the caller waiting for four times as long lost its
 * processor to somebody, and would again: it is left out for a while, twice as long if it is lost soon after its return. */
#define LOST_NANOSECONDS     1000000u
#define SHORTEST_NANOSECONDS 8000000u
#define LONGEST_NANOSECONDS  128000000u

typedef struct worker {
    _Alignas(SK_CACHE_LINE) atomic_uint state;
    atomic_uint sleeping;
    sk_team *team; /* written before POSTED, read after it */
    uint32_t own;  /* its first job, likewise */
    _Alignas(SK_CACHE_LINE) atomic_uint taken;
    sk_os_gate gate;
    sk_os_thread_handle thread;
    uint64_t away_until, absence, back_at; /* nanoseconds, 0: never; belong to the caller that has taken it */
} worker;

struct sk_team {
    _Alignas(SK_CACHE_LINE) atomic_uint next; /* job to be taken */
    _Alignas(SK_CACHE_LINE) sk_job *job;
    void *arg;
    uint32_t n_jobs;
    uint32_t n_workers;
    worker **workers; /* [n_workers], all taken by this team */
    worker **posted;  /* those of them that are called for this run */
    uint32_t n_away;  /* how many of them are left out */
    atomic_uint used;
    atomic_uint waiting; /* the caller sleeps until a worker is done */
    sk_os_gate done;
};

struct sk_pool {
    uint32_t n_threads;
    uint32_t n_started;
    uint64_t process; /* workers do not survive fork */
    skald_executor executor;
    atomic_uint patience; /* loads under way: their jobs wait for fresh memory, which is no reason to be left out */
    worker *workers;      /* [n_threads - 1] */
    sk_team *teams;       /* as many: a team without a worker is none */
};

sk_pool *sk_pool_carve(sk_carver *c, uint32_t n_threads) {
    uint32_t n = n_threads - 1;
    sk_pool *pool = sk_carve(c, 1, sizeof *pool, SK_CACHE_LINE);
    worker *workers = sk_carve(c, n, sizeof *workers, SK_CACHE_LINE);
    sk_team *teams = sk_carve(c, n, sizeof *teams, SK_CACHE_LINE);
    worker **lists = sk_carve(c, (uint64_t)n * n * 2, sizeof *lists, SK_CACHE_LINE);
    if (!pool) return NULL;
    pool->n_threads = n_threads;
    pool->workers = workers;
    pool->teams = teams;
    for (uint32_t i = 0; i < n; i++, lists += 2 * (size_t)n) teams[i].workers = lists, teams[i].posted = lists + n;
    return pool;
}

/* A flag that another thread looks at, and then a look at the other's: neither may miss the other. An exchange, because
 * emulators of ARM let a load pass a store that ought to come first, and a worker was not woken. */
static void tell(atomic_uint *flag, unsigned value) { (void)atomic_exchange(flag, value); }

static void take_jobs(sk_team *team) {
    for (;;) {
        uint32_t i = atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
        if (i >= team->n_jobs) return;
        team->job(team->arg, i);
    }
}

/* Waits for a post; false when the pool ends. */
static bool wait_for_post(worker *w) {
    for (uint32_t spin = 0;; spin++) {
        unsigned state = atomic_load_explicit(&w->state, memory_order_acquire);
        if (state == ENDED) return false;
        if (state == POSTED && atomic_compare_exchange_strong(&w->state, &state, RUNNING)) return true;
        if (spin < SPINS_PLAIN) continue;
        sk_os_pause();
        if (spin < SPINS_PLAIN + SPINS_PAUSED) continue;
        sk_os_gate_lock(&w->gate);
        tell(&w->sleeping, 1);
        while (atomic_load(&w->state) == IDLE) sk_os_gate_wait(&w->gate);
        atomic_store(&w->sleeping, 0);
        sk_os_gate_unlock(&w->gate);
        spin = 0;
    }
}

static void worker_main(void *arg) {
    worker *w = arg;
    sk_fp_enter();
    while (wait_for_post(w)) {
        sk_team *team = w->team;
        team->job(team->arg, w->own);
        take_jobs(team);
        tell(&w->state, IDLE);
        if (!atomic_load(&team->waiting)) continue;
        sk_os_gate_lock(&team->done);
        sk_os_gate_wake(&team->done);
        sk_os_gate_unlock(&team->done);
    }
}

static void post(worker *w, unsigned state) {
    tell(&w->state, state);
    if (!atomic_load(&w->sleeping)) return;
    sk_os_gate_lock(&w->gate);
    sk_os_gate_wake(&w->gate);
    sk_os_gate_unlock(&w->gate);
}

/* A worker, its gate and the gate of the team with the same index: all or nothing. */
static bool start_one(sk_pool *pool, uint32_t i) {
    worker *w = &pool->workers[i];
    if (!sk_os_gate_open(&w->gate)) return false;
    if (sk_os_gate_open(&pool->teams[i].done)) {
        if (sk_os_thread_start(&w->thread, worker_main, w)) return true;
        sk_os_gate_close(&pool->teams[i].done);
    }
    sk_os_gate_close(&w->gate);
    return false;
}

skald_status sk_pool_start(sk_pool *pool, const skald_executor *executor) {
    pool->process = sk_os_process();
    if (executor) {
        pool->executor = *executor;
        return SKALD_OK;
    }
    for (; pool->n_started + 1 < pool->n_threads; pool->n_started++) {
        if (start_one(pool, pool->n_started)) continue;
        sk_pool_stop(pool);
        return SKALD_MEMORY;
    }
    return SKALD_OK;
}

void sk_pool_stop(sk_pool *pool) {
    if (pool->process != sk_os_process()) return;
    for (uint32_t i = 0; i < pool->n_started; i++) {
        post(&pool->workers[i], ENDED);
        sk_os_thread_join(&pool->workers[i].thread);
    }
    for (uint32_t i = 0; i < pool->n_started; i++) {
        sk_os_gate_close(&pool->workers[i].gate);
        sk_os_gate_close(&pool->teams[i].done);
    }
    pool->n_started = 0;
}

uint32_t sk_pool_threads(const sk_pool *pool) { return pool->n_threads; }

static sk_team *free_team(sk_pool *pool) {
    for (uint32_t i = 0; i < pool->n_started; i++) {
        unsigned unused = 0;
        if (atomic_compare_exchange_strong(&pool->teams[i].used, &unused, 1)) return &pool->teams[i];
    }
    return NULL;
}

sk_team *sk_pool_enter(sk_pool *pool, uint32_t n_threads) {
    if (pool->executor.run || n_threads <= 1 || pool->process != sk_os_process()) return NULL;
    sk_team *team = free_team(pool);
    if (!team) return NULL;
    team->n_workers = team->n_away = 0;
    for (uint32_t i = 0; i < pool->n_started && team->n_workers + 1 < n_threads; i++) {
        unsigned not_taken = 0;
        if (atomic_compare_exchange_strong(&pool->workers[i].taken, &not_taken, 1))
            team->workers[team->n_workers++] = &pool->workers[i];
    }
    for (uint32_t i = 0; i < team->n_workers; i++) team->n_away += team->workers[i]->away_until != 0;
    if (team->n_workers) return team;
    atomic_store(&team->used, 0);
    return NULL;
}

void sk_pool_be_patient(sk_pool *pool, bool patient) {
    if (patient) atomic_fetch_add(&pool->patience, 1);
    else atomic_fetch_sub(&pool->patience, 1);
}

void sk_pool_leave(sk_pool *pool, sk_team *team) {
    (void)pool;
    if (!team) return;
    for (uint32_t i = 0; i < team->n_workers; i++) atomic_store(&team->workers[i]->taken, 0);
    atomic_store(&team->used, 0);
}

static void leave_out(sk_team *team, worker *w, uint64_t now) {
    const bool again = w->absence && now - w->back_at < 2 * w->absence;
    w->absence = again ? w->absence * 2 : SHORTEST_NANOSECONDS;
    if (w->absence > LONGEST_NANOSECONDS) w->absence = LONGEST_NANOSECONDS;
    w->away_until = now + w->absence;
    team->n_away++;
}

/* Workers that were left out long enough come back. */
static void call_back(sk_team *team) {
    const uint64_t now = sk_os_nanoseconds();
    for (uint32_t i = 0; i < team->n_workers; i++) {
        worker *w = team->workers[i];
        if (w->away_until == 0 || now < w->away_until) continue;
        w->away_until = 0, w->back_at = now;
        team->n_away--;
    }
}

/* A worker that is in the middle of a job may have lost its processor to somebody: the caller then sleeps and leaves its own
 * processor free for it. */
static void wait_for_worker(sk_pool *pool, sk_team *team, worker *w) {
    for (uint32_t spin = 0; spin < SPINS_PAUSED; spin++) {
        if (atomic_load_explicit(&w->state, memory_order_acquire) == IDLE) return;
        sk_os_pause();
    }
    const uint64_t asleep = sk_os_nanoseconds();
    sk_os_gate_lock(&team->done);
    tell(&team->waiting, 1);
    while (atomic_load(&w->state) != IDLE) sk_os_gate_wait(&team->done);
    atomic_store(&team->waiting, 0);
    sk_os_gate_unlock(&team->done);
    const uint64_t now = sk_os_nanoseconds();
    if (now - asleep > LOST_NANOSECONDS && !atomic_load(&pool->patience)) leave_out(team, w, now);
}

typedef struct {
    sk_job *job;
    void *arg;
} wrapped;

/* A job on a thread of the host, in a mode of ours. */
static void on_executor(void *arg, uint32_t index) {
    wrapped *w = arg;
    uint64_t mode = sk_fp_enter();
    w->job(w->arg, index);
    sk_fp_leave(mode);
}

/* Job 0 is the caller's and job i that of the i-th worker, so that a job finds in its cache what it left there; the rest is
 * for whoever comes. A worker that has not begun when nothing is left is withdrawn, and the caller does its job. */
static void run_on_team(sk_pool *pool, sk_team *team, sk_job *job, void *arg, uint32_t n_jobs) {
    if (team->n_away) call_back(team);
    uint32_t n = 0;
    team->job = job, team->arg = arg, team->n_jobs = n_jobs;
    for (uint32_t i = 0; i < team->n_workers && n + 1 < n_jobs; i++)
        if (!team->workers[i]->away_until) team->posted[n++] = team->workers[i];
    atomic_store_explicit(&team->next, n + 1, memory_order_relaxed);
    for (uint32_t i = 0; i < n; i++) {
        team->posted[i]->team = team;
        team->posted[i]->own = i + 1;
        post(team->posted[i], POSTED);
    }
    job(arg, 0);
    take_jobs(team);
    for (uint32_t i = 0; i < n; i++) {
        unsigned posted = POSTED;
        if (atomic_compare_exchange_strong(&team->posted[i]->state, &posted, IDLE)) job(arg, i + 1);
        else wait_for_worker(pool, team, team->posted[i]);
    }
}

void sk_pool_run(sk_pool *pool, sk_team *team, sk_job *job, void *arg, uint32_t n_jobs) {
    if (pool->executor.run && n_jobs > 1) {
        wrapped w = {job, arg};
        pool->executor.run(pool->executor.user, on_executor, &w, n_jobs);
        return;
    }
    if (!team || n_jobs <= 1) {
        for (uint32_t i = 0; i < n_jobs; i++) job(arg, i);
        return;
    }
    run_on_team(pool, team, job, arg, n_jobs);
}

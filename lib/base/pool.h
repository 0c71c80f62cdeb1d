/* The runtime's workers. A step takes those that are free when it begins, and waits for none that has not started:
 *
 *     idle ──post──▶ posted ──worker──▶ running ──▶ idle
 *       ▲               │ withdrawn by the caller when no job is left
 *       └───────────────┘
 */
#ifndef SK_BASE_POOL_H
#define SK_BASE_POOL_H
#include <skald/skald.h>
#include "base/memory.h"

typedef struct sk_pool sk_pool;
typedef struct sk_team sk_team;
typedef void sk_job(void *arg, uint32_t index);

/* Room for n_threads - 1 workers, carved from the owner's block; with an executor no worker is made. */
sk_pool *sk_pool_carve(sk_carver *c, uint32_t n_threads);
/* Starts the workers. MEMORY: a thread could not be made, and none is left. */
skald_status sk_pool_start(sk_pool *pool, const skald_executor *executor);
/* Ends and joins the workers; nothing when the pool was not started, or in a child after fork. */
void sk_pool_stop(sk_pool *pool);
uint32_t sk_pool_threads(const sk_pool *pool);

/* Takes up to n_threads - 1 free workers until sk_pool_leave. NULL: none is free, and the caller works alone. */
sk_team *sk_pool_enter(sk_pool *pool, uint32_t n_threads);
/* Runs job(arg, 0 ... n_jobs - 1) on the team and the caller; returns when all have returned. The caller begins with job 0,
 * worker i with job i. */
void sk_pool_run(sk_pool *pool, sk_team *team, sk_job *job, void *arg, uint32_t n_jobs);
void sk_pool_leave(sk_pool *pool, sk_team *team);
/* Between the two calls jobs may take long: a load waits for fresh memory and for files. */
void sk_pool_be_patient(sk_pool *pool, bool patient);
#endif

/* What the host lends, in one place: allocator, workers, log, devices. Shared by everything made from it. */
#ifndef SK_BASE_RUNTIME_H
#define SK_BASE_RUNTIME_H
#include <skald/backend.h>
#include "base/memory.h"
#include "base/pool.h"
#include <stdatomic.h>

#define SK_MAX_DEVICES 8u

typedef struct sk_device_slot {
    const skald_backend *backend;
    skald_device *device;
    void *library; /* of a plug-in */
} sk_device_slot;

struct skald_runtime {
    atomic_uint owners;
    skald_allocator memory;
    uint64_t block_bytes;
    sk_pool *pool;
    skald_host host;
    skald_log_fn log;
    void *log_user;
    char cpu_level[16];
    uint32_t n_devices;
    sk_device_slot devices[SK_MAX_DEVICES];
};

static inline void sk_runtime_retain(skald_runtime *runtime) { atomic_fetch_add(&runtime->owners, 1); }

/* A handle used by one thread at a time: enter or BUSY. */
static inline skald_status sk_enter(atomic_uint *busy) {
    return atomic_exchange_explicit(busy, 1, memory_order_acquire) ? SKALD_BUSY : SKALD_OK;
}
static inline void sk_leave(atomic_uint *busy) { atomic_store_explicit(busy, 0, memory_order_release); }
#endif

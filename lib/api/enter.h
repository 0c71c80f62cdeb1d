/* One thread at a time in a cache, and none while a step is paused. */
#ifndef SK_API_ENTER_H
#define SK_API_ENTER_H
#include "cache/cache.h"

static inline skald_status enter(skald_kv_cache *cache) {
    if (!cache) return SKALD_ARGUMENT;
    skald_status status = sk_enter(&cache->busy);
    if (status == SKALD_OK && atomic_load(&cache->paused)) {
        sk_leave(&cache->busy);
        status = SKALD_BUSY;
    }
    return status;
}

static inline skald_status leave(skald_kv_cache *cache, skald_status status) {
    sk_leave(&cache->busy);
    return status;
}
#endif

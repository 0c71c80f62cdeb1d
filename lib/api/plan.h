/* Sizes that both a plan and a creation come through. */
#ifndef SK_API_PLAN_H
#define SK_API_PLAN_H
#include "forward/forward.h"

typedef struct sk_cache_sizes {
    uint64_t handle_bytes, store_bytes; /* asked of the host's allocator */
    uint64_t device_bytes;
    uint64_t bytes_per_token;
    uint64_t page_bytes;    /* of all pages and slots */
    skald_store_plan store; /* but for its layers and the address of `groups` */
    skald_store_group groups[SK_MAX_GROUPS];
} sk_cache_sizes;

skald_status sk_cache_plan(sk_cache_sizes *out, const skald_backend *backend, skald_device *device,
                           const sk_config *config, const skald_kv_cache_options *options,
                           const skald_allocator *memory, skald_report *why);

typedef struct sk_context_sizes {
    uint64_t handle_bytes, buffer_bytes, stream_bytes; /* asked of the host's allocator */
    uint64_t device_bytes;
} sk_context_sizes;

skald_status sk_context_plan(sk_context_sizes *out, const skald_backend *backend, skald_device *device,
                             const sk_config *config, const skald_runtime *runtime,
                             const skald_context_options *options, skald_report *why);

/* Options of an engine with their defaults filled in, and what it makes its cache and its context with. */
typedef struct sk_engine_sizes {
    skald_engine_options options;
    skald_kv_cache_options cache;
    skald_context_options context;
    skald_kv_cache_options draft_cache; /* the small model's, where options name one */
    skald_context_options draft_context;
    uint64_t handle_bytes; /* asked of the host's allocator */
} sk_engine_sizes;

/* What is to be made of a model: a cache and a context, or an engine with both of its own. */
typedef struct sk_plan_parts {
    const skald_kv_cache_options *cache;
    const skald_context_options *context;
    const skald_engine_options *engine;
    skald_status (*plan_engine)(sk_engine_sizes *out, const sk_config *config, const skald_engine_options *options,
                                skald_report *why); /* NULL: no engine */
} sk_plan_parts;

/* The door of both plans: checks what the caller gave and fills the first out->size bytes. */
skald_status sk_plan_give(skald_memory_plan *out, skald_runtime *runtime, const skald_model_options *model,
                          sk_plan_parts of, skald_report *why, const skald_source *parts, uint32_t n_parts);
#endif

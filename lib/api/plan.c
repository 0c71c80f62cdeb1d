/* What everything together will ask for, before anything is asked. */
#include "api/plan.h"
#include "base/fpmode.h"
#include "base/os/thread.h"
#include "base/report.h"

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* A small model's cache and context beside the engine's own. */
static skald_status plan_draft(sk_cache_sizes *k, sk_context_sizes *c, const sk_engine_sizes *e, skald_report *why) {
    const skald_model *m = e->options.draft;
    sk_cache_sizes cache;
    sk_context_sizes context;
    skald_status status =
        sk_cache_plan(&cache, m->backend, m->device, &m->config, &e->draft_cache, sk_model_memory(m), why);
    if (status == SKALD_OK)
        status = sk_context_plan(&context, m->backend, m->device, &m->config, m->runtime, &e->draft_context, why);
    if (status != SKALD_OK) return status;
    k->store_bytes = sk_add(k->store_bytes, sk_add(cache.handle_bytes, cache.store_bytes));
    k->device_bytes = sk_add(k->device_bytes, cache.device_bytes);
    c->buffer_bytes = sk_add(c->buffer_bytes, sk_add(context.handle_bytes, context.buffer_bytes));
    c->stream_bytes = sk_add(c->stream_bytes, context.stream_bytes);
    c->device_bytes = sk_add(c->device_bytes, context.device_bytes);
    return SKALD_OK;
}

static skald_status plan(skald_memory_plan *out, skald_runtime *runtime, const skald_model_options *model,
                         sk_plan_parts of, skald_report *why, const skald_source *parts, uint32_t n_parts) {
    sk_model_sizes m;
    sk_cache_sizes k = {0};
    sk_context_sizes c = {0};
    sk_engine_sizes e = {.handle_bytes = 0};
    skald_status status = sk_model_measure(&m, runtime, model, parts, n_parts, why);
    if (status == SKALD_OK && !model->vocabulary_only) {
        if (of.plan_engine) {
            status = of.plan_engine(&e, &m.config, of.engine, why);
            of.cache = &e.cache, of.context = &e.context;
        }
        if (status == SKALD_OK)
            status = sk_cache_plan(&k, m.slot->backend, m.slot->device, &m.config, of.cache, &runtime->memory, why);
        if (status == SKALD_OK)
            status = sk_context_plan(&c, m.slot->backend, m.slot->device, &m.config, runtime, of.context, why);
        if (status == SKALD_OK && e.options.draft) status = plan_draft(&k, &c, &e, why);
    }
    if (status != SKALD_OK) return status;
    const uint64_t kept = sk_add(m.model_bytes, m.weights_bytes), load = sk_add(m.files_bytes, m.staging_bytes);
    out->model_bytes = m.model_bytes;
    out->weights_bytes = m.weights_bytes;
    out->load_bytes = load;
    out->cache_bytes = sk_add(k.handle_bytes, k.store_bytes);
    out->context_bytes = sk_add(c.handle_bytes, sk_add(c.buffer_bytes, c.stream_bytes));
    out->engine_bytes = e.handle_bytes;
    const uint64_t made = sk_add(out->engine_bytes, sk_add(out->cache_bytes, out->context_bytes));
    out->peak_bytes = sk_add(kept, larger(load, made));
    out->mapped_bytes = m.mapped_bytes;
    out->stack_bytes = runtime->host.n_threads ? (runtime->host.n_threads - 1) * (uint64_t)SK_OS_THREAD_STACK : 0;
    out->device_bytes = sk_add(m.device_bytes, sk_add(k.device_bytes, c.device_bytes));
    out->cache_bytes_per_token = k.bytes_per_token;
    return SKALD_OK;
}

skald_status sk_plan_give(skald_memory_plan *out, skald_runtime *runtime, const skald_model_options *model,
                          sk_plan_parts of, skald_report *why, const skald_source *parts, uint32_t n_parts) {
    static const skald_model_options defaults = {.size = sizeof defaults};
    skald_model_options o;
    skald_memory_plan all = {.size = sizeof all};
    if (!out || !runtime || !parts || !n_parts)
        return sk_fail(why, SKALD_ARGUMENT, "a plan of memory: an argument is NULL");
    skald_status status = sk_options_copy(&o, sizeof o, &defaults, model, "skald_model_options", why);
    if (status != SKALD_OK) return status;
    uint64_t mode = sk_fp_enter();
    status = plan(&all, runtime, &o, of, why, parts, n_parts);
    sk_fp_leave(mode);
    return status == SKALD_OK ? sk_struct_give(out, &all, sizeof all, "skald_memory_plan", why) : status;
}

skald_status skald_memory_get_plan(skald_memory_plan *out, skald_runtime *runtime, const skald_model_options *model,
                                   const skald_kv_cache_options *cache, const skald_context_options *context,
                                   skald_report *why, const skald_source *parts, uint32_t n_parts) {
    const sk_plan_parts of = {.cache = cache, .context = context};
    return sk_plan_give(out, runtime, model, of, why, parts, n_parts);
}

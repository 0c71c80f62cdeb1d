/* The door to lib/engine. */
#include "api/plan.h"
#include "base/fpmode.h"
#include "base/report.h"
#include "engine/engine.h"
#include <string.h>

static const skald_engine_options defaults = {.size = sizeof defaults, .k_type = SKALD_F16, .v_type = SKALD_F16};
static const skald_request request_defaults = {.size = sizeof request_defaults};

void skald_engine_options_init(skald_engine_options *options, uint32_t size) {
    sk_options_init(options, size, &defaults, sizeof defaults);
}

/* What one writes the other must be able to read. */
static skald_status check_draft(const skald_model *model, const skald_model *draft, skald_report *why) {
    const sk_vocab *a = model->vocab, *b = draft->vocab;
    if (!draft->weights) return sk_fail(why, SKALD_ARGUMENT, "the draft model was opened for its vocabulary only");
    bool same = model->config.n_vocab == draft->config.n_vocab && !a == !b;
    if (same && a) {
        same = a->n_tokens == b->n_tokens && memcmp(a->start, b->start, (a->n_tokens + 1) * sizeof *a->start) == 0;
        same = same && memcmp(a->bytes, b->bytes, a->start[a->n_tokens]) == 0;
    }
    return same ? SKALD_OK : sk_fail(why, SKALD_ARGUMENT, "the draft model has another vocabulary");
}

static skald_status read_options(skald_engine_options *o, const sk_config *config, const skald_engine_options *from,
                                 skald_report *why) {
    skald_status status = sk_options_copy(o, sizeof *o, &defaults, from, "skald_engine_options", why);
    if (status != SKALD_OK) return status;
    const uint64_t trained = config->n_context, context = trained && trained < 4096 ? trained : 4096;
    if (o->n_running == 0) o->n_running = 32;
    if (o->n_requests == 0) o->n_requests = 256;
    if (o->n_kept == 0) o->n_kept = o->n_running;
    if (o->no_sharing) o->n_kept = 0;
    if (o->n_tokens == 0) o->n_tokens = o->n_running * context;
    o->n_tokens = sk_divide_up(o->n_tokens, SKALD_PAGE_TOKENS) * SKALD_PAGE_TOKENS;
    if (o->n_text == 0) o->n_text = 4 * o->n_tokens;
    if (o->n_rows == 0) o->n_rows = 512;
    if (o->n_prompt_rows == 0) o->n_prompt_rows = 64;
    if (o->n_running > 4096 || o->n_kept > 4096 || o->n_requests > 32768 || o->no_sharing > 1)
        return sk_fail(why, SKALD_ARGUMENT, "skald_engine_options: at most 4096 running and kept, 32768 requests");
    if (o->n_top > 64) return sk_fail(why, SKALD_ARGUMENT, "skald_engine_options: n_top is %u, at most 64", o->n_top);
    if (o->lookup > 1 || (o->lookup && o->draft) || o->n_draft > SK_DRAFT_MOST)
        return sk_fail(why, SKALD_ARGUMENT, "skald_engine_options: lookup or draft, and n_draft at most %u",
                       SK_DRAFT_MOST);
    if (!o->lookup && !o->draft) o->n_draft = 0;
    else if (o->n_draft == 0) o->n_draft = 8;
    if (o->n_rows < o->n_running)
        return sk_fail(why, SKALD_ARGUMENT, "skald_engine_options: n_rows is %u, each of %u that run needs one",
                       o->n_rows, o->n_running);
    if (o->n_tokens > INT32_MAX || o->n_text > INT32_MAX)
        return sk_fail(why, SKALD_ARGUMENT, "skald_engine_options: n_tokens and n_text are at most 2^31 - 1");
    return SKALD_OK;
}

static skald_status plan_engine(sk_engine_sizes *out, const sk_config *config, const skald_engine_options *options,
                                skald_report *why) {
    skald_engine_options *o = &out->options;
    skald_status status = read_options(o, config, options, why);
    if (status != SKALD_OK) return status;
    skald_kv_cache_options_init(&out->cache, sizeof out->cache);
    skald_context_options_init(&out->context, sizeof out->context);
    out->cache.n_tokens = o->n_tokens, out->cache.n_sequences = o->n_running + o->n_kept;
    out->cache.k_type = o->k_type, out->cache.v_type = o->v_type;
    out->context.n_rows = o->n_rows, out->context.n_threads = o->n_threads;
    out->context.max_rank = o->max_rank;
    out->context.n_logits = o->n_running + (o->n_draft ? SK_DRAFT_ROWS : 0);
    out->draft_cache = out->cache, out->draft_cache.n_sequences = o->n_running;
    out->draft_context = out->context, out->draft_context.n_logits = o->n_running, out->draft_context.max_rank = 0;
    sk_carver c = {0};
    sk_engine_carve(&c, o, config->n_vocab, o->n_tokens);
    out->handle_bytes = c.broken ? UINT64_MAX : c.used;
    return SKALD_OK;
}

skald_status skald_engine_get_plan(skald_memory_plan *out, skald_runtime *runtime, const skald_model_options *model,
                                   const skald_engine_options *engine, skald_report *why, const skald_source *parts,
                                   uint32_t n_parts) {
    const sk_plan_parts of = {.engine = engine, .plan_engine = plan_engine};
    return sk_plan_give(out, runtime, model, of, why, parts, n_parts);
}

static skald_status make_parts(skald_engine *e, const sk_engine_sizes *sizes, skald_report *why) {
    e->has_lock = sk_os_gate_open(&e->lock);
    if (!e->has_lock) return sk_fail(why, SKALD_MEMORY, "the system has no lock for an engine");
    skald_status status = skald_kv_cache_create(&e->cache, e->model, &sizes->cache, why);
    if (status == SKALD_OK) status = skald_context_create(&e->context, e->model, &sizes->context, why);
    skald_model *draft = sizes->options.draft;
    if (status != SKALD_OK || !draft) return status;
    status = skald_kv_cache_create(&e->drafter.cache, draft, &sizes->draft_cache, why);
    return status == SKALD_OK ? skald_context_create(&e->drafter.context, draft, &sizes->draft_context, why) : status;
}

static void unmake(skald_engine *e) {
    skald_model *model = e->model;
    for (uint32_t i = 0; i < e->n_entries; i++) sk_engine_disown(&e->entries[i]);
    skald_context_free(e->drafter.context);
    skald_kv_cache_free(e->drafter.cache);
    skald_context_free(e->context);
    skald_kv_cache_free(e->cache);
    if (e->has_lock) sk_os_gate_close(&e->lock);
    sk_release(sk_model_memory(model), e, e->block_bytes);
    skald_model_release(model);
}

skald_status skald_engine_create(skald_engine **out, skald_model *model, const skald_engine_options *options,
                                 skald_report *why) {
    if (!out || !model) return sk_fail(why, SKALD_ARGUMENT, "skald_engine_create: out or model is NULL");
    *out = NULL;
    sk_engine_sizes sizes;
    if (!model->weights) return sk_fail(why, SKALD_ARGUMENT, "the model was opened for its vocabulary only");
    skald_status status = plan_engine(&sizes, &model->config, options, why);
    if (status == SKALD_OK && sizes.options.draft) status = check_draft(model, sizes.options.draft, why);
    if (status == SKALD_OK) status = sk_said_check(model, why);
    if (status != SKALD_OK) return status;
    const skald_engine_options *o = &sizes.options;
    const uint64_t bytes = sizes.handle_bytes;
    sk_carver c = {.base = sk_allocate_zeroed(sk_model_memory(model), 1, bytes, SKALD_MEMORY_HANDLE)};
    if (!c.base) return sk_fail(why, SKALD_MEMORY, "no memory for an engine: %llu bytes", (unsigned long long)bytes);
    skald_engine *e = sk_engine_carve(&c, o, model->config.n_vocab, o->n_tokens);
    e->model = model;
    e->block_bytes = bytes;
    skald_model_retain(model);
    status = make_parts(e, &sizes, why);
    if (status == SKALD_OK) *out = e;
    else unmake(e);
    return status;
}

skald_status skald_engine_free(skald_engine *e) {
    if (!e) return SKALD_OK;
    if (sk_enter(&e->busy) != SKALD_OK) return SKALD_BUSY;
    unmake(e);
    return SKALD_OK;
}

skald_status skald_engine_submit(skald_request_id *out, skald_engine *e, const skald_request *request,
                                 skald_report *why) {
    if (!out || !e || !request) return sk_fail(why, SKALD_ARGUMENT, "skald_engine_submit: an argument is NULL");
    skald_request own;
    skald_status status = sk_options_copy(&own, sizeof own, &request_defaults, request, "skald_request", why);
    if (status != SKALD_OK) return status;
    uint64_t mode = sk_fp_enter();
    status = sk_engine_submit(out, e, &own, why);
    sk_fp_leave(mode);
    return status;
}

skald_status skald_engine_cancel(skald_engine *e, skald_request_id request) {
    return e ? sk_engine_cancel(e, request) : SKALD_ARGUMENT;
}

skald_status skald_engine_step(skald_engine *e, uint32_t microseconds, skald_report *why) {
    if (!e) return sk_fail(why, SKALD_ARGUMENT, "skald_engine_step: engine is NULL");
    if (sk_enter(&e->busy) != SKALD_OK) return sk_fail(why, SKALD_BUSY, "the engine is in use");
    uint64_t mode = sk_fp_enter();
    skald_status status = sk_engine_step(e, microseconds, why);
    sk_fp_leave(mode);
    sk_leave(&e->busy);
    return status;
}

skald_status skald_engine_poll(skald_event *event, skald_engine *e) {
    if (!event || !e || event->size < sizeof event->size) return SKALD_ARGUMENT;
    if (sk_enter(&e->busy) != SKALD_OK) return SKALD_BUSY;
    skald_event next;
    skald_status status = SKALD_END;
    if (sk_engine_poll(&next, e)) status = sk_struct_give(event, &next, sizeof next, "skald_event", NULL);
    sk_leave(&e->busy);
    return status;
}

skald_status skald_engine_get_stats(skald_engine_stats *stats, skald_engine *e) {
    if (!stats || !e) return SKALD_ARGUMENT;
    if (sk_enter(&e->busy) != SKALD_OK) return SKALD_BUSY;
    skald_engine_stats all = e->stats;
    skald_kv_cache_stats cache = {.size = sizeof cache};
    if (skald_kv_cache_get_stats(&cache, e->cache) == SKALD_OK) /* a paused step keeps its pages to itself */
        e->pages = cache;
    all.size = sizeof all;
    all.n_waiting = e->n_waiting, all.n_running = e->n_running, all.n_kept = e->n_kept;
    all.n_pages = e->pages.n_pages, all.n_pages_free = e->pages.n_pages_free;
    all.n_pages_shared = e->pages.n_pages_shared;
    skald_status status = sk_struct_give(stats, &all, sizeof all, "skald_engine_stats", NULL);
    sk_leave(&e->busy);
    return status;
}

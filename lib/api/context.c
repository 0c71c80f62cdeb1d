/* The door to lib/forward: a context is made, steps run in it, logits are read from it. */
#include "api/plan.h"
#include "base/fpmode.h"
#include "base/report.h"
#include "decode/sample.h"
#include <string.h>

struct skald_context {
    atomic_uint busy;
    skald_model *model;
    uint64_t block_bytes;
    skald_buffer *activations;
    sk_run run;
};

static const skald_context_options defaults = {.size = sizeof defaults};
static const skald_step_options step_defaults = {.size = sizeof step_defaults};

void skald_context_options_init(skald_context_options *options, uint32_t size) {
    sk_options_init(options, size, &defaults, sizeof defaults);
}

void skald_step_options_init(skald_step_options *options, uint32_t size) {
    sk_options_init(options, size, &step_defaults, sizeof step_defaults);
}

static skald_stream_plan stream_plan(const sk_forward_sizes *sizes, const skald_context_options *o,
                                     const skald_runtime *runtime) {
    const uint32_t threads = sk_pool_threads(runtime->pool);
    return (skald_stream_plan){.size = sizeof(skald_stream_plan),
                               .n_ops = sizes->n_ops,
                               .n_rows = o->n_rows,
                               .n_wanted = o->n_logits,
                               .max_width = sizes->max_width,
                               .max_head_dim = sizes->max_head_dim,
                               .n_threads = o->n_threads && o->n_threads < threads ? o->n_threads : threads,
                               .max_experts = sizes->max_experts,
                               .max_experts_used = sizes->max_experts_used,
                               .max_expert_width = sizes->max_expert_width,
                               .max_expert_ff = sizes->max_expert_ff,
                               .max_rank = o->max_rank};
}

static skald_status read_options(skald_context_options *o, const skald_context_options *from, skald_report *why) {
    skald_status status = sk_options_copy(o, sizeof *o, &defaults, from, "skald_context_options", why);
    if (status != SKALD_OK) return status;
    if (o->n_rows == 0) o->n_rows = 512;
    if (o->n_logits == 0) o->n_logits = 32;
    if (o->n_rows > (1u << 20) || o->n_logits > (1u << 20))
        return sk_fail(why, SKALD_ARGUMENT, "n_rows is %u and n_logits %u, at most %u expected", o->n_rows, o->n_logits,
                       1u << 20);
    if (o->max_rank > SK_MAX_RANK)
        return sk_fail(why, SKALD_ARGUMENT, "max_rank is %u, at most %u expected", o->max_rank, SK_MAX_RANK);
    return SKALD_OK;
}

static skald_context *carve(sk_carver *c, const skald_context_options *o, uint64_t host_logits) {
    sk_batch batch;
    skald_context *context = sk_carve(c, 1, sizeof *context, SK_CACHE_LINE);
    sk_batch_carve(&batch, c, o->n_rows, o->n_logits, o->max_rank);
    float *logits = sk_carve(c, host_logits, sizeof *logits, SK_CACHE_LINE);
    if (context) context->run.batch = batch, context->run.host_logits = host_logits ? logits : NULL;
    return context;
}

/* Floats of logits that the host must keep a copy of. */
static uint64_t host_logits(const skald_backend *backend, skald_device *device, const sk_config *c,
                            const skald_context_options *o) {
    skald_device_info info = {.size = sizeof info};
    backend->get_info(&info, device);
    return info.host_memory ? 0 : sk_mul(o->n_logits, c->n_vocab);
}

skald_status sk_context_plan(sk_context_sizes *out, const skald_backend *backend, skald_device *device,
                             const sk_config *config, const skald_runtime *runtime,
                             const skald_context_options *options, skald_report *why) {
    skald_context_options o;
    sk_carver c = {0};
    skald_status status = read_options(&o, options, why);
    if (status != SKALD_OK) return status;
    carve(&c, &o, host_logits(backend, device, config, &o));
    const sk_forward_sizes sizes = sk_forward_measure(config, o.n_rows, o.n_logits, o.max_rank > 0);
    const skald_stream_plan plan = stream_plan(&sizes, &o, runtime);
    uint64_t rows_on_device, stream_on_device;
    out->handle_bytes = c.broken ? UINT64_MAX : c.used;
    out->buffer_bytes = backend->buffer_bytes(device, &rows_on_device, sizes.activation_bytes);
    out->stream_bytes = backend->stream_bytes(device, &stream_on_device, &plan);
    out->device_bytes = sk_add(rows_on_device, stream_on_device);
    return SKALD_OK;
}

static skald_status fill(skald_context *c, const skald_context_options *o, skald_report *why) {
    const skald_backend *backend = c->model->backend;
    const sk_forward_sizes sizes = sk_forward_measure(&c->model->config, o->n_rows, o->n_logits, o->max_rank > 0);
    const skald_stream_plan plan = stream_plan(&sizes, o, c->model->runtime);
    skald_status status =
        backend->buffer_create(&c->activations, c->model->device, sizes.activation_bytes, SKALD_MEMORY_SCRATCH);
    if (status == SKALD_OK) status = backend->stream_create(&c->run.stream, c->model->device, &plan);
    if (status != SKALD_OK) return sk_fail(why, status, "no memory for a context of %u rows", o->n_rows);
    sk_activations_layout(&c->run.rows, &c->model->config, c->activations, o->n_rows, o->n_logits);
    c->run.rows.adapts = o->max_rank > 0;
    sk_forward_record(&backend->ops, c->run.stream, c->model, &c->run.rows);
    return backend->stream_seal(c->run.stream, why);
}

skald_status skald_context_create(skald_context **out, skald_model *model, const skald_context_options *options,
                                  skald_report *why) {
    if (!out || !model) return sk_fail(why, SKALD_ARGUMENT, "skald_context_create: out or model is NULL");
    *out = NULL;
    skald_context_options o;
    skald_status status = read_options(&o, options, why);
    if (status != SKALD_OK) return status;
    if (!model->weights) return sk_fail(why, SKALD_ARGUMENT, "the model was opened for its vocabulary only");
    if (o.max_rank && !model->backend->ops.adapt)
        return sk_fail(why, SKALD_UNSUPPORTED, "device %s has no adapters", model->backend->name);
    sk_context_sizes sizes;
    status = sk_context_plan(&sizes, model->backend, model->device, &model->config, model->runtime, options, why);
    if (status != SKALD_OK) return status;
    sk_carver c = {.base = sk_allocate_zeroed(sk_model_memory(model), 1, sizes.handle_bytes, SKALD_MEMORY_HANDLE)};
    if (!c.base) return sk_fail(why, SKALD_MEMORY, "no memory for a context");
    skald_context *context = carve(&c, &o, host_logits(model->backend, model->device, &model->config, &o));
    context->model = model;
    context->block_bytes = sizes.handle_bytes;
    context->run.model = model;
    skald_model_retain(model);
    status = fill(context, &o, why);
    if (status == SKALD_OK) *out = context;
    else skald_context_free(context);
    return status;
}

skald_status skald_context_free(skald_context *c) {
    if (!c) return SKALD_OK;
    if (sk_enter(&c->busy) != SKALD_OK) return SKALD_BUSY;
    skald_model *model = c->model;
    sk_run_drop(&c->run);
    if (c->run.stream) model->backend->stream_free(c->run.stream);
    if (c->activations) model->backend->buffer_free(c->activations);
    sk_release(sk_model_memory(model), c, c->block_bytes);
    skald_model_release(model);
    return SKALD_OK;
}

/* ---- steps */

static skald_status go(skald_context *c, const skald_step_options *options, skald_report *why) {
    skald_step_options o;
    skald_status status = sk_options_copy(&o, sizeof o, &step_defaults, options, "skald_step_options", why);
    return status == SKALD_OK ? sk_run_go(&c->run, &o, why) : status;
}

static skald_status begin(skald_context *c, skald_kv_cache *cache, const skald_step_options *options, skald_report *why,
                          const skald_span *spans, uint32_t n_spans) {
    skald_step_options unused;
    if (c->run.cache) return sk_fail(why, SKALD_BUSY, "a paused step is under way: continue or cancel it");
    if (cache->model != c->model) return sk_fail(why, SKALD_ARGUMENT, "the cache was made for another model");
    if (atomic_load(&cache->paused)) return sk_fail(why, SKALD_BUSY, "a paused step uses the cache");
    skald_status status = sk_options_copy(&unused, sizeof unused, &step_defaults, options, "skald_step_options", why);
    if (status == SKALD_OK) status = sk_run_begin(&c->run, cache, spans, n_spans, why);
    return status == SKALD_OK ? go(c, options, why) : status;
}

skald_status skald_step(skald_context *context, skald_kv_cache *cache, const skald_step_options *options,
                        skald_report *why, const skald_span *spans, uint32_t n_spans) {
    if (!context || !cache) return sk_fail(why, SKALD_ARGUMENT, "skald_step: context or cache is NULL");
    if (sk_enter(&context->busy) != SKALD_OK) return sk_fail(why, SKALD_BUSY, "the context is in use");
    skald_status status = sk_enter(&cache->busy);
    if (status != SKALD_OK) {
        sk_leave(&context->busy);
        return sk_fail(why, SKALD_BUSY, "the cache is in use");
    }
    uint64_t mode = sk_fp_enter();
    status = begin(context, cache, options, why, spans, n_spans);
    sk_fp_leave(mode);
    sk_leave(&cache->busy);
    sk_leave(&context->busy);
    return status;
}

skald_status skald_step_continue(skald_context *context, const skald_step_options *options, skald_report *why) {
    if (!context) return sk_fail(why, SKALD_ARGUMENT, "skald_step_continue: context is NULL");
    if (sk_enter(&context->busy) != SKALD_OK) return sk_fail(why, SKALD_BUSY, "the context is in use");
    uint64_t mode = sk_fp_enter();
    skald_status status =
        context->run.cache ? go(context, options, why) : sk_fail(why, SKALD_ARGUMENT, "no paused step is under way");
    sk_fp_leave(mode);
    sk_leave(&context->busy);
    return status;
}

skald_status skald_step_cancel(skald_context *context) {
    if (!context) return SKALD_ARGUMENT;
    if (sk_enter(&context->busy) != SKALD_OK) return SKALD_BUSY;
    sk_run_drop(&context->run);
    sk_leave(&context->busy);
    return SKALD_OK;
}

const float *skald_logits(const skald_context *context, uint32_t index) {
    return context ? sk_run_logits(&context->run, index) : NULL;
}

int32_t skald_logits_argmax(const skald_context *context, uint32_t index) {
    const float *row = skald_logits(context, index);
    if (!row) return -1;
    uint64_t mode = sk_fp_enter(); /* comparing NaN or subnormal numbers may trap or flush in the caller's */
    int32_t id = sk_argmax(row, context->model->config.n_vocab);
    sk_fp_leave(mode);
    return id;
}

skald_status skald_context_op(char *text, size_t *n_bytes, const skald_context *context, uint32_t index) {
    if (!n_bytes || !context || (*n_bytes && !text)) return SKALD_ARGUMENT;
    const size_t room = *n_bytes;
    sk_trace trace = {.wanted = index,
                      .text = text,
                      .room = room,
                      .backend = context->model->backend,
                      .device = context->model->device};
    sk_forward_trace(&trace, context->model, &context->run.rows);
    if (index >= trace.n_ops) return SKALD_END;
    *n_bytes = trace.length + 1;
    return trace.length < room ? SKALD_OK : SKALD_SHORT;
}

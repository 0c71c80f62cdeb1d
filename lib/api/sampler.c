/* The door to lib/decode: samplers as handles. */
#include "base/fpmode.h"
#include "base/report.h"
#include "base/runtime.h"
#include "decode/sample.h"
#include "model/model.h"

struct skald_sampler {
    atomic_uint busy;
    skald_model *model; /* one of its owners */
    uint64_t block_bytes;
    sk_sampler sampler;
};

static const skald_sampler_options defaults = {.size = sizeof defaults};

static skald_sampler *layout(sk_carver *c, const skald_sampler_options *o, uint32_t n_vocab) {
    skald_sampler *s = sk_carve(c, 1, sizeof *s, SK_CACHE_LINE);
    sk_sampler parts = sk_sampler_layout(c, o, n_vocab);
    if (s) s->sampler = parts;
    return s;
}

SKALD_API void skald_sampler_options_init(skald_sampler_options *options, uint32_t size) {
    sk_options_init(options, size, &defaults, sizeof defaults);
}

static skald_status make(skald_sampler **out, skald_model *model, const skald_sampler_options *o, uint32_t n_vocab,
                         skald_report *why) {
    skald_status status = sk_sampler_check(o, n_vocab, why);
    if (status != SKALD_OK) return status;
    sk_carver c = {0};
    layout(&c, o, n_vocab);
    uint64_t bytes = c.broken ? UINT64_MAX : c.used;
    void *block = sk_allocate(sk_model_memory(model), 1, bytes, SKALD_MEMORY_HANDLE);
    if (!block) return sk_fail(why, SKALD_MEMORY, "sampler: no memory for %llu bytes", (unsigned long long)bytes);
    c = (sk_carver){.base = block};
    skald_sampler *s = layout(&c, o, n_vocab);
    atomic_init(&s->busy, 0);
    skald_model_retain(model);
    s->model = model;
    s->block_bytes = bytes;
    *out = s;
    return SKALD_OK;
}

SKALD_API skald_status skald_sampler_create(skald_sampler **out, skald_model *model,
                                            const skald_sampler_options *options, skald_report *why) {
    if (!out || !model) return sk_fail(why, SKALD_ARGUMENT, "skald_sampler_create: %s is NULL", out ? "model" : "out");
    *out = NULL;
    skald_sampler_options own;
    skald_status status = sk_options_copy(&own, sizeof own, &defaults, options, "skald_sampler_options", why);
    if (status != SKALD_OK) return status;
    skald_model_info info = {.size = sizeof info};
    status = skald_model_get_info(&info, model);
    if (status != SKALD_OK) return sk_fail(why, status, "skald_sampler_create: the model tells no vocabulary size");
    uint64_t mode = sk_fp_enter();
    status = make(out, model, &own, info.n_vocab, why);
    sk_fp_leave(mode);
    return status;
}

SKALD_API void skald_sampler_free(skald_sampler *sampler) {
    if (!sampler) return;
    skald_model *model = sampler->model;
    sk_release(sk_model_memory(model), sampler, sampler->block_bytes);
    skald_model_release(model);
}

SKALD_API skald_status skald_sampler_choose(int32_t *id, skald_sampler *sampler, const float *logits, uint64_t position,
                                            const int32_t *history, uint32_t n_history) {
    if (!id || !sampler || !logits || (n_history && !history)) return SKALD_ARGUMENT;
    if (sk_enter(&sampler->busy) != SKALD_OK) return SKALD_BUSY;
    uint64_t mode = sk_fp_enter();
    skald_status status = sk_sampler_choose(id, &sampler->sampler, logits, position, history, n_history);
    sk_fp_leave(mode);
    sk_leave(&sampler->busy);
    return status;
}

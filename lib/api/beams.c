/* The door to beam search: a handle that is a finished search. */
#include "base/fpmode.h"
#include "base/report.h"
#include "engine/beams.h"

static const skald_beam_options defaults = {.size = sizeof defaults,
                                            .length_penalty = 1.0f,
                                            .k_type = SKALD_F16,
                                            .v_type = SKALD_F16};

void skald_beam_options_init(skald_beam_options *options, uint32_t size) {
    sk_options_init(options, size, &defaults, sizeof defaults);
}

static skald_status check(skald_beam_options *o, const skald_model *model, const int32_t *prompt, uint32_t n_prompt,
                          skald_report *why) {
    if (o->n_beams == 0) o->n_beams = 4;
    if (o->n_beams == 1) o->stop = SKALD_BEAMS_STOP_FULL; /* the arg-max of each step, up to its end */
    if (!model->weights) return sk_fail(why, SKALD_ARGUMENT, "the model was opened for its vocabulary only");
    if (o->n_beams > SK_BEAMS_MOST || o->n_tokens == 0 || o->n_tokens > INT32_MAX / SK_BEAMS_MOST / 4)
        return sk_fail(why, SKALD_ARGUMENT, "skald_beam_options: 1 to %u beams and at least one token expected",
                       SK_BEAMS_MOST);
    if (!(o->length_penalty >= -100.0f && o->length_penalty <= 100.0f) || o->stop > SKALD_BEAMS_STOP_NEVER)
        return sk_fail(why, SKALD_ARGUMENT, "skald_beam_options: length_penalty or stop is out of its range");
    if (!prompt || n_prompt == 0 || n_prompt > INT32_MAX - o->n_tokens)
        return sk_fail(why, SKALD_ARGUMENT, "skald_beams_search: a prompt of no ids, or too many");
    return SKALD_OK;
}

/* Full pages of the prompt are shared; behind them each beam may have all of its own, and one that is being copied. */
static uint64_t cache_tokens(const skald_beam_options *o, uint32_t n_prompt) {
    const uint64_t shared = n_prompt / SKALD_PAGE_TOKENS;
    const uint64_t all = sk_divide_up((uint64_t)n_prompt + o->n_tokens, SKALD_PAGE_TOKENS);
    return (shared + (uint64_t)o->n_beams * (all - shared + 1)) * SKALD_PAGE_TOKENS;
}

static skald_status make_parts(skald_beams *b, uint32_t n_prompt, skald_report *why) {
    skald_kv_cache_options cache;
    skald_context_options context;
    skald_kv_cache_options_init(&cache, sizeof cache);
    skald_context_options_init(&context, sizeof context);
    cache.n_sequences = b->options.n_beams, cache.n_tokens = cache_tokens(&b->options, n_prompt);
    cache.k_type = b->options.k_type, cache.v_type = b->options.v_type;
    context.n_logits = b->options.n_beams;
    skald_status status = skald_kv_cache_create(&b->cache, b->model, &cache, why);
    return status == SKALD_OK ? skald_context_create(&b->context, b->model, &context, why) : status;
}

static void drop_parts(skald_beams *b) {
    skald_context_free(b->context);
    skald_kv_cache_free(b->cache);
    b->context = NULL, b->cache = NULL;
}

static uint32_t count_ends(const skald_beam_options *o, const skald_model *model) {
    uint32_t n = 0;
    while (!o->ignore_end && skald_model_end(model, n) >= 0) n++;
    return n;
}

skald_status skald_beams_search(skald_beams **out, skald_model *model, const skald_beam_options *options,
                                const int32_t *prompt, uint32_t n_prompt, skald_report *why) {
    if (!out || !model) return sk_fail(why, SKALD_ARGUMENT, "skald_beams_search: out or model is NULL");
    *out = NULL;
    skald_beam_options o;
    skald_status status = sk_options_copy(&o, sizeof o, &defaults, options, "skald_beam_options", why);
    if (status == SKALD_OK) status = check(&o, model, prompt, n_prompt, why);
    if (status != SKALD_OK) return status;
    const uint32_t n_ends = count_ends(&o, model);
    sk_carver c = {0};
    sk_beams_carve(&c, &o, n_ends);
    const uint64_t bytes = c.broken ? UINT64_MAX : c.used;
    c = (sk_carver){.base = sk_allocate_zeroed(sk_model_memory(model), 1, bytes, SKALD_MEMORY_HANDLE)};
    if (!c.base) return sk_fail(why, SKALD_MEMORY, "no memory for beams: %llu bytes", (unsigned long long)bytes);
    skald_beams *b = sk_beams_carve(&c, &o, n_ends);
    b->model = model;
    b->block_bytes = bytes;
    skald_model_retain(model);
    const uint64_t mode = sk_fp_enter();
    status = make_parts(b, n_prompt, why);
    if (status == SKALD_OK) status = sk_beams_search(b, prompt, n_prompt, why);
    sk_fp_leave(mode);
    drop_parts(b);
    if (status == SKALD_OK) *out = b;
    else skald_beams_free(b);
    return status;
}

skald_status skald_beams_get(skald_beam *beam, const skald_beams *b, uint32_t index) {
    if (!beam || !b) return SKALD_ARGUMENT;
    if (index >= b->n_finished) return SKALD_END;
    const sk_beam *from = &b->finished[index];
    const skald_beam all = {
        .size = sizeof all, .n_ids = from->n_ids, .ids = from->ids, .score = (float)from->score, .ended = from->ended};
    return sk_struct_give(beam, &all, sizeof all, "skald_beam", NULL);
}

void skald_beams_free(skald_beams *b) {
    if (!b) return;
    skald_model *model = b->model;
    sk_release(sk_model_memory(model), b, b->block_bytes);
    skald_model_release(model);
}

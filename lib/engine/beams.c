/* The loop of a beam search: pick, run, choose, commit, with all beams in one pass. What transformers' generate(num_beams)
 * does: of the best continuations those that end are finished if they are among the first n_beams, the others go on, and
 * pages are forked instead of copied.
 *
 *     running    the cat sat │ on    -1.2  ──▶ goes on in its own sequence
 *                            │ at    -1.9  ──▶ goes on in a fork
 *                the dog ran │ .     -1.4  ──▶ ends: finished, if it is better than the worst of those
 *                            │ to    -6.0      nobody goes on: its pages are free */
#include "engine/beams.h"
#include "base/report.h"
#include <string.h>

skald_beams *sk_beams_carve(sk_carver *c, const skald_beam_options *o, uint32_t n_ends) {
    const uint32_t n = o->n_beams, n_best = (1 + (n_ends ? n_ends : 1)) * n;
    skald_beams *b = sk_carve(c, 1, sizeof *b, SK_CACHE_LINE), table = {.options = *o, .n_best = n_best};
    table.running = sk_carve(c, n, sizeof *table.running, SK_CACHE_LINE);
    table.next = sk_carve(c, n, sizeof *table.next, SK_CACHE_LINE);
    table.finished = sk_carve(c, n, sizeof *table.finished, SK_CACHE_LINE);
    table.best = sk_carve(c, n_best, sizeof *table.best, SK_CACHE_LINE);
    table.spans = sk_carve(c, n, sizeof *table.spans, SK_CACHE_LINE);
    int32_t *ids = sk_carve(c, sk_mul(3 * (uint64_t)n, o->n_tokens), sizeof *ids, SK_CACHE_LINE);
    if (!b || !ids) return NULL;
    *b = table;
    for (uint32_t i = 0; i < n; i++) {
        b->running[i].ids = ids + (size_t)(3 * i) * o->n_tokens;
        b->next[i].ids = ids + (size_t)(3 * i + 1) * o->n_tokens;
        b->finished[i].ids = ids + (size_t)(3 * i + 2) * o->n_tokens;
    }
    return b;
}

/* ---- run */

static skald_status read_prompt(skald_beams *b, const int32_t *prompt, uint32_t n_prompt, skald_report *why) {
    skald_step_options options = {.size = sizeof options};
    options.progress = b->options.progress, options.progress_user = b->options.progress_user;
    for (uint32_t i = 0; i < b->n_running; i++) {
        const sk_beam *beam = &b->running[i];
        b->spans[i] = (skald_span){.size = sizeof(skald_span), .seq = beam->seq, .n_tokens = 1};
        b->spans[i].tokens = beam->n_ids ? &beam->ids[beam->n_ids - 1] : prompt;
        if (beam->n_ids == 0) b->spans[i].n_tokens = n_prompt;
    }
    return skald_step(b->context, b->cache, &options, why, b->spans, b->n_running);
}

/* ---- choose */

static skald_status rank(skald_beams *b, uint32_t *n, skald_report *why) {
    const uint32_t n_vocab = b->model->config.n_vocab;
    *n = 0;
    for (uint32_t i = 0; i < b->n_running; i++) {
        const float *logits = skald_logits(b->context, i);
        for (uint32_t id = 0; id < n_vocab; id++)
            if (!(logits[id] <= logits[id])) return sk_fail(why, SKALD_ARGUMENT, "beams: a logit is NaN");
        sk_beam_offer(b->best, n, b->n_best, i, b->running[i].score, logits, n_vocab);
    }
    return SKALD_OK;
}

/* `to` becomes the beam with one more id, which is kept if it is of the text. */
static void extend(sk_beam *to, const sk_beam *from, const sk_continuation *c, bool ended) {
    memcpy(to->ids, from->ids, from->n_ids * sizeof *to->ids);
    to->n_ids = from->n_ids;
    to->ended = ended;
    to->score = c->score;
    if (!ended) to->ids[to->n_ids++] = c->id;
}

/* Into the finished ones, best first; the worst of more than n_beams is lost. */
static void finish(skald_beams *b, const sk_continuation *c, bool ended) {
    const sk_beam *from = &b->running[c->beam];
    const double score = sk_beam_score(c->score, from->n_ids + 1, (double)b->options.length_penalty);
    const uint32_t most = b->options.n_beams;
    if (b->n_finished == most && !(score > b->finished[most - 1].score)) return;
    uint32_t at = b->n_finished < most ? b->n_finished++ : most - 1;
    sk_beam place = b->finished[at];
    for (; at && score > b->finished[at - 1].score; at--) b->finished[at] = b->finished[at - 1];
    extend(&place, from, c, ended);
    place.score = score;
    b->finished[at] = place;
}

/* Can one that runs still become better than the worst finished one? transformers' heuristics, by name. */
static bool can_improve(const skald_beams *b) {
    const skald_beam_options *o = &b->options;
    if (b->n_finished < o->n_beams) return true;
    if (o->stop == SKALD_BEAMS_STOP_FULL) return false;
    const bool at_most = o->stop == SKALD_BEAMS_STOP_NEVER && o->length_penalty > 0.0f;
    const uint32_t n_ids = at_most ? o->n_tokens : b->running[0].n_ids;
    const double best = sk_beam_score(b->running[0].score, n_ids, (double)o->length_penalty);
    return best > b->finished[b->n_finished - 1].score;
}

/* ---- commit */

/* Sequences of beams without a continuation come back; then each beam's first heir takes its sequence, others fork it. */
static skald_status share_pages(skald_beams *b, const uint32_t *parent, uint32_t n) {
    uint32_t length;
    skald_status status = skald_kv_cache_length(&length, b->cache, b->running[0].seq);
    for (uint32_t i = 0; i < n; i++) b->next[i].seq = 0;
    for (uint32_t k = 0; k < b->n_running; k++) {
        uint32_t heir = 0;
        while (heir < n && parent[heir] != k) heir++;
        if (heir < n) b->next[heir].seq = b->running[k].seq;
        else skald_kv_cache_release(b->cache, b->running[k].seq);
    }
    for (uint32_t i = 0; i < n && status == SKALD_OK; i++)
        if (!b->next[i].seq) status = skald_kv_cache_fork(&b->next[i].seq, b->cache, b->running[parent[i]].seq, length);
    return status;
}

/* One step's continuations: who ends is finished, the best others run on. END: there is nothing left to run. */
static skald_status go_on(skald_beams *b, uint32_t n_best) {
    const skald_beam_options *o = &b->options;
    const bool last = b->running[0].n_ids + 1 == o->n_tokens;
    uint32_t parent[SK_BEAMS_MOST], n = 0;
    for (uint32_t i = 0; i < n_best; i++) {
        const sk_continuation *c = &b->best[i];
        const bool ended = !o->ignore_end && skald_model_is_end(b->model, c->id);
        if ((ended || last) && i < o->n_beams) finish(b, c, ended);
        if (ended || last || n == o->n_beams) continue;
        extend(&b->next[n], &b->running[c->beam], c, false);
        parent[n++] = c->beam;
    }
    if (n == 0) return SKALD_END;
    skald_status status = share_pages(b, parent, n);
    sk_beam *was = b->running;
    b->running = b->next, b->next = was, b->n_running = n;
    return status == SKALD_OK && !can_improve(b) ? SKALD_END : status;
}

skald_status sk_beams_search(skald_beams *b, const int32_t *prompt, uint32_t n_prompt, skald_report *why) {
    uint32_t n_best = 0;
    b->n_running = 1;
    skald_status status = skald_kv_cache_open(&b->running[0].seq, b->cache);
    while (status == SKALD_OK) {
        status = read_prompt(b, prompt, n_prompt, why);
        if (status == SKALD_OK) status = rank(b, &n_best, why);
        if (status == SKALD_OK) status = go_on(b, n_best);
    }
    return status == SKALD_END ? SKALD_OK : status;
}

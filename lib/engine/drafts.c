/* Drafts: ids that may come next, guessed before a step and read in it beside the one that is certain (Leviathan, Kalman,
 * Matias, arXiv 2211.17192). One is right when it is the id that is chosen at its place anyway, so answers are the same with
 * and without; what was read of wrong ones is rewound.
 *
 *     text     ... the cat sat on the          looked up: what followed the last ids when they came before
 *     drafts                        mat . It   or a small model's: a pass for each, of all requests together */
#include "engine/engine.h"
#include <string.h>

/* Ids of the end that are looked up, and how far back. */
enum { LEAST_ALIKE = 2, MOST_ALIKE = 8, FARTHEST = 8192 };

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* ---- looked up in the request's own text */

/* How many ids that end before `end` are those that end the text, the first of which is known to be. */
static uint32_t alike(const skald_engine *e, const sk_request *r, uint32_t end, const int32_t *tail) {
    uint32_t n = 1;
    while (n < MOST_ALIKE && n < end && sk_text_id(e, r, end - 1 - n) == tail[MOST_ALIKE - 1 - n]) n++;
    return n;
}

/* Where the text goes on behind the most ids that are alike, of equals the last place; 0: nowhere. */
static uint32_t find_alike(const skald_engine *e, const sk_request *r) {
    const uint32_t n = r->now.n_text, stop = n > FARTHEST ? n - FARTHEST : 0;
    int32_t tail[MOST_ALIKE];
    uint32_t best = LEAST_ALIKE - 1, found = 0;
    if (n <= MOST_ALIKE) return 0;
    sk_text_read(tail, e, r, n - MOST_ALIKE, MOST_ALIKE);
    for (uint32_t end = n - 1; end > stop && best < MOST_ALIKE;) {
        const uint32_t first = (end - 1) / SK_TEXT_BLOCK * SK_TEXT_BLOCK;
        const int32_t *ids = e->arena + (size_t)r->blocks[first / SK_TEXT_BLOCK] * SK_TEXT_BLOCK;
        for (; end > first && best < MOST_ALIKE; end--) {
            if (ids[end - 1 - first] != tail[MOST_ALIKE - 1]) continue;
            const uint32_t n_alike = alike(e, r, end, tail);
            if (n_alike > best) best = n_alike, found = end;
        }
    }
    return found;
}

/* What followed; where the text ends, it goes on with the draft itself. */
static void look_up(const skald_engine *e, sk_request *r) {
    const uint32_t found = find_alike(e, r);
    if (!found) return;
    for (uint32_t i = 0; i < r->now.n_wanted; i++) {
        const uint32_t at = found + i;
        r->now.drafts[i] = at < r->now.n_text ? sk_text_id(e, r, at) : r->now.drafts[at - r->now.n_text];
    }
    r->now.n_drafted = r->now.n_wanted;
}

/* ---- a small model's */

/* Ids of the text that it has not read, or the last draft. At most `room`; 0: it has to wait. */
static uint32_t add_span(skald_engine *e, uint32_t entry, uint32_t used, uint32_t room) {
    sk_drafter *d = &e->drafter;
    sk_request *r = &e->entries[entry];
    if (!r->now.draft_seq && skald_kv_cache_open(&r->now.draft_seq, d->cache) != SKALD_OK) return 0;
    const bool goes_on = r->now.n_drafted > 0;
    const uint32_t left = goes_on ? 1 : r->now.n_text - r->now.n_draft_read, n = least(left, room);
    if (n == 0) return 0;
    if (goes_on) d->ids[used] = r->now.drafts[r->now.n_drafted - 1];
    else sk_text_read(d->ids + used, e, r, r->now.n_draft_read, n);
    d->in_step[d->n_spans] = entry;
    d->spans[d->n_spans++] = (skald_span){.size = sizeof(skald_span),
                                          .seq = r->now.draft_seq,
                                          .tokens = d->ids + used,
                                          .n_tokens = n,
                                          .logits = n == left ? SKALD_LOGITS_LAST : SKALD_LOGITS_NONE};
    return n;
}

/* The next pass of the small model. False: all have what they want. */
static bool make_pass(skald_engine *e) {
    uint32_t used = 0;
    e->drafter.n_spans = 0;
    for (uint32_t i = 0; i < e->n_running; i++) {
        sk_request *r = &e->entries[e->running[i]];
        if (r->now.n_drafted == r->now.n_wanted) continue;
        const uint32_t n = add_span(e, e->running[i], used, e->options.n_rows - used);
        if (n == 0) r->now.n_wanted = r->now.n_drafted;
        used += n;
    }
    return e->drafter.n_spans > 0;
}

/* With the request's own sampler and random number, so that a good guess of the distribution is a good guess of the draw. */
static void choose(skald_engine *e, sk_request *r, const float *logits) {
    int32_t seen[SK_SEEN_IDS + SK_DRAFT_MOST], id;
    const uint32_t n = least(r->now.n_text, SK_SEEN_IDS);
    sk_text_read(seen, e, r, r->now.n_text - n, n);
    memcpy(seen + n, r->now.drafts, r->now.n_drafted * sizeof *seen);
    const uint32_t n_seen = n + r->now.n_drafted, at = r->now.n_text + r->now.n_drafted;
    if (sk_sampler_choose(&id, &r->sampler, logits, at, seen, n_seen) == SKALD_OK)
        r->now.drafts[r->now.n_drafted++] = id;
    else r->now.n_wanted = r->now.n_drafted;
}

static void take_pass(skald_engine *e) {
    sk_drafter *d = &e->drafter;
    for (uint32_t i = 0, row = 0; i < d->n_spans; i++) {
        sk_request *r = &e->entries[d->in_step[i]];
        r->now.n_draft_read += d->spans[i].n_tokens;
        if (d->spans[i].logits == SKALD_LOGITS_LAST) choose(e, r, skald_logits(d->context, row++));
        else r->now.n_wanted = 0; /* it reads on in the next step */
    }
}

/* The small model's cache is full: the least important one that drafts gives its pages back. */
static void give_way(skald_engine *e) {
    sk_request *last = &e->entries[e->drafter.in_step[e->drafter.n_spans - 1]];
    last->now.n_wanted = last->now.n_drafted;
    if (last->now.n_drafted == 0) sk_drafts_release(e, last);
}

static skald_status run_passes(skald_engine *e, uint32_t microseconds, skald_report *why) {
    sk_drafter *d = &e->drafter;
    const skald_step_options options = {.size = sizeof options, .microseconds = microseconds};
    while (d->runs || make_pass(e)) {
        const skald_status status = d->runs ? skald_step_continue(d->context, &options, why)
                                            : sk_engine_pass(d->context, d->cache, &options, why, d->spans, d->n_spans);
        d->runs = status == SKALD_PENDING;
        if (status == SKALD_OK) take_pass(e);
        else if (status == SKALD_FULL) give_way(e);
        else return status;
    }
    return SKALD_OK;
}

/* ---- one step */

static bool answers(const sk_request *r) { return r->now.n_read + 1 == r->now.n_text && r->now.n_text > r->n_prompt; }

void sk_drafts_begin(skald_engine *e) {
    for (uint32_t i = 0; i < e->n_running; i++) {
        sk_request *r = &e->entries[e->running[i]];
        r->now.n_wanted = 0;
        sk_drafts_settle(e, r, r->now.n_read); /* a step full of prompts had no row for them */
        if (e->options.n_draft == 0 || !answers(r)) continue;
        const uint32_t most = least(e->options.n_draft, r->n_most - r->now.n_text - 1);
        r->now.n_wanted = most ? sk_pace_ask(&r->now.pace, most) : 0;
        if (r->now.n_wanted && e->options.lookup) look_up(e, r);
    }
}

skald_status sk_drafts_go(skald_engine *e, uint32_t microseconds, skald_report *why) {
    return e->options.draft ? run_passes(e, microseconds, why) : SKALD_OK;
}

void sk_drafts_settle(skald_engine *e, sk_request *r, uint32_t n_right) {
    r->now.n_drafted = 0;
    if (!r->now.draft_seq || r->now.n_draft_read <= n_right) return;
    if (skald_kv_cache_rewind(e->drafter.cache, r->now.draft_seq, n_right) == SKALD_OK) r->now.n_draft_read = n_right;
    else sk_drafts_release(e, r);
}

void sk_drafts_release(skald_engine *e, sk_request *r) {
    if (r->now.draft_seq) skald_kv_cache_release(e->drafter.cache, r->now.draft_seq);
    r->now.draft_seq = 0;
    r->now.n_draft_read = r->now.n_drafted = 0;
}

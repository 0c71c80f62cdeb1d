/* The engine's step: pick, run, choose, commit. Between any two of them, and between two choices, it can stop and go on. */
#include "engine/engine.h"
#include "base/os/os.h"
#include "base/report.h"
#include "decode/logprob.h"
#include <string.h>

/* ---- pick */

static uint64_t microseconds_since(uint64_t then, uint64_t now) { return (now - then) / 1000; }

/* Requests that nobody waits for any more. */
static void end_some(skald_engine *e, uint32_t *list, uint32_t *n, uint64_t now) {
    for (uint32_t i = *n; i-- > 0;) {
        sk_request *r = &e->entries[list[i]];
        if (atomic_load(&r->cancelled)) sk_engine_end(e, r, SKALD_EVENT_CANCELLED);
        else if (r->deadline && now >= r->deadline) sk_engine_end(e, r, SKALD_EVENT_DEADLINE);
    }
}

/* In order of importance, until one finds no room: a large request is not passed by small ones for ever. One whose
 * beginning is being read by another waits for it, and others may pass. */
static void admit(skald_engine *e, uint64_t now) {
    for (uint32_t i = 0; i < e->n_waiting && e->n_running < e->options.n_running;) {
        const uint32_t entry = e->waiting[i];
        sk_request *r = &e->entries[entry];
        if (r->is_warm && e->n_running) return;
        skald_status status = sk_prefix_admit(e, r);
        if (status == SKALD_PENDING) i++;
        else if (status == SKALD_OK) sk_engine_start(e, entry);
        else return;
        if (status != SKALD_OK || r->now.was_admitted) continue;
        r->now.was_admitted = true;
        e->stats.queue_microseconds += microseconds_since(r->submitted, now);
    }
}

static bool answers(const sk_request *r) { return r->now.n_read + 1 == r->now.n_text && r->now.n_text > r->n_prompt; }

static void make_spans(skald_engine *e) {
    uint32_t used = 0;
    e->n_spans = e->n_chosen = e->next_row = e->n_right = 0;
    for (uint32_t i = 0; i < e->n_running; i++) {
        sk_request *r = &e->entries[e->running[i]];
        const uint32_t n = e->turns[i].n, left = r->now.n_text - r->now.n_read, of_text = n < left ? n : left;
        r->now.n_drafted = n - of_text;
        if (n == 0) continue;
        sk_text_read(e->ids + used, e, r, r->now.n_read, of_text);
        memcpy(e->ids + used + of_text, r->now.drafts, r->now.n_drafted * sizeof *e->ids);
        const bool wanted = of_text == left && !r->is_warm;
        e->in_step[e->n_spans] = e->running[i];
        e->spans[e->n_spans++] = (skald_span){.size = sizeof(skald_span),
                                              .seq = r->now.seq,
                                              .tokens = e->ids + used,
                                              .n_tokens = n,
                                              .logits = r->now.n_drafted ? SKALD_LOGITS_ALL
                                                        : wanted         ? SKALD_LOGITS_LAST
                                                                         : SKALD_LOGITS_NONE,
                                              .adapters = r->adapted.by,
                                              .n_adapters = r->adapted.n};
        used += n;
    }
}

static void look_around(skald_engine *e) {
    const uint64_t now = sk_os_nanoseconds();
    sk_prefix_release_dropped(e);
    sk_engine_take_asked(e);
    end_some(e, e->waiting, &e->n_waiting, now);
    end_some(e, e->running, &e->n_running, now);
    admit(e, now);
}

/* False: nobody has anything to do. */
static bool pick(skald_engine *e) {
    for (uint32_t i = 0; i < e->n_running; i++) {
        const sk_request *r = &e->entries[e->running[i]];
        e->turns[i] = (sk_turn){.n_left = r->now.n_text - r->now.n_read,
                                .answers = answers(r),
                                .is_warm = r->is_warm,
                                .n_drafted = r->now.n_drafted};
    }
    sk_schedule(e->turns, e->n_running, e->options.n_rows, e->options.n_prompt_rows, SK_DRAFT_ROWS);
    make_spans(e);
    return e->n_spans > 0;
}

/* ---- run */

/* Drafts are not worth a page that somebody else holds. */
static bool drop_drafts(skald_engine *e) {
    bool any = false;
    for (uint32_t i = 0; i < e->n_running; i++) {
        sk_request *r = &e->entries[e->running[i]];
        any |= r->now.n_drafted > 0;
        sk_drafts_settle(e, r, r->now.n_text);
    }
    return any;
}

/* No page is left for the step: drafts go first, then what is kept, then the least important request that runs. It computes its text
 * again later, to the same bits. False: it is the only one. */
static bool make_room(skald_engine *e) {
    if (drop_drafts(e) || sk_prefix_evict(e)) return true;
    if (e->n_running < 2) return false;
    sk_request *last = &e->entries[e->running[e->n_running - 1]];
    sk_prefix_drop(e, last);
    sk_engine_wait(e, e->running[e->n_running - 1]);
    e->stats.n_preempted++;
    return true;
}

skald_status sk_engine_pass(skald_context *context, skald_kv_cache *cache, const skald_step_options *options,
                            skald_report *why, const skald_span *spans, uint32_t n_spans) {
    skald_report held = {.size = sizeof held};
    const skald_status status = skald_step(context, cache, options, &held, spans, n_spans);
    return status < 0 ? sk_fail(why, status, "%s", held.text) : status;
}

static skald_status begin(skald_engine *e, uint32_t microseconds, skald_report *why) {
    const skald_step_options options = {.size = sizeof options, .microseconds = microseconds};
    for (;;) {
        if (!pick(e)) return SKALD_END;
        skald_status status = sk_engine_pass(e->context, e->cache, &options, why, e->spans, e->n_spans);
        if (status != SKALD_FULL || !make_room(e)) return status;
    }
}

/* The spans of the step are in the cache. */
static void commit(skald_engine *e) {
    for (uint32_t i = 0; i < e->n_spans; i++) {
        sk_request *r = &e->entries[e->in_step[i]];
        if (r->now.n_read < r->n_prompt) {
            const uint32_t of_prompt = r->n_prompt - r->now.n_read;
            e->stats.n_prompt_read += e->spans[i].n_tokens < of_prompt ? e->spans[i].n_tokens : of_prompt;
        }
        r->now.n_read += e->spans[i].n_tokens - r->now.n_drafted;
        r->now.used = e->stats.n_steps;
    }
    e->stats.n_steps++;
}

/* ---- choose */

static void add_id(skald_engine *e, sk_request *r, int32_t id, const float *logits) {
    size_t unused;
    if (r->now.n_text == r->n_prompt) {
        e->stats.n_first++;
        e->stats.first_microseconds += microseconds_since(r->submitted, sk_os_nanoseconds());
    }
    if (r->n_top) sk_logprobs(sk_text_tops(e, r, r->now.n_text), r->n_top, id, logits, e->n_vocab);
    sk_text_write(e, r, r->now.n_text++, &id, 1);
    sk_said_count(e, r, id);
    e->stats.n_answered++;
    e->n_events++;
    r->now.stop = sk_said_push(e, &unused, r, &r->now.chosen, id);
    const bool whole = sk_constrain_take(r, id);
    if (whole || r->now.stop >= 0) sk_engine_end(e, r, SKALD_EVENT_STOP);
    else if (r->now.n_text == r->n_most) sk_engine_end(e, r, SKALD_EVENT_LENGTH);
}

/* What the sampler sees: the model's logits, or a copy that the host's stage and a required beginning have changed. */
static const float *shaped(skald_engine *e, const sk_request *r, const float *logits, const int32_t *seen, uint32_t n) {
    const bool required = r->now.n_required < r->rules.n_required;
    if (!r->stage && !required) return logits;
    memcpy(e->logits, logits, e->n_vocab * sizeof *logits);
    if (r->stage) r->stage(r->stage_user, e->logits, e->n_vocab, r->now.n_text, seen, n);
    if (required) sk_said_forbid(e, r, e->logits);
    return e->logits;
}

static void choose(skald_engine *e, sk_request *r, const float *logits) {
    int32_t seen[SK_SEEN_IDS], id;
    const uint32_t n = r->now.n_text < SK_SEEN_IDS ? r->now.n_text : SK_SEEN_IDS;
    sk_text_read(seen, e, r, r->now.n_text - n, n);
    const float *shape = sk_constrain_mask(e, r, shaped(e, r, logits, seen, n));
    skald_status status = sk_sampler_choose(&id, &r->sampler, shape, r->now.n_text, seen, n);
    if (status != SKALD_OK) sk_engine_end(e, r, SKALD_EVENT_FAILED);
    else if ((!r->ignore_end || r->grammar) && skald_model_is_end(e->model, id)) sk_engine_end(e, r, SKALD_EVENT_STOP);
    else add_id(e, r, id, logits);
}

/* All that is chosen of a span is chosen: drafts behind the first wrong one never happened. */
static void settle(skald_engine *e, sk_request *r, uint32_t n_drafted) {
    const uint32_t n_right = e->n_right;
    e->next_row += 1 + n_drafted;
    e->n_right = 0;
    e->n_chosen++;
    if (n_drafted == 0) return;
    r->now.n_read += n_right;
    r->now.n_drafts_told += n_drafted, e->stats.n_drafted += n_drafted;
    r->now.n_drafts_right += n_right, e->stats.n_right += n_right;
    sk_pace_tell(&r->now.pace, n_drafted, n_right);
    sk_drafts_settle(e, r, r->now.n_read);
    if (n_right == n_drafted || skald_kv_cache_rewind(e->cache, r->now.seq, r->now.n_read) == SKALD_OK) return;
    sk_prefix_drop(e, r); /* it would have to be read again; so short a rewind is never gone */
    if (r->now.state == SK_REQUEST_RUNNING) sk_engine_wait(e, (uint32_t)(r - e->entries));
}

/* One row of the step that was run: while drafts are right, the next row of the same span is looked at. */
static void choose_next(skald_engine *e) {
    const skald_span *span = &e->spans[e->n_chosen];
    sk_request *r = &e->entries[e->in_step[e->n_chosen]];
    if (r->is_warm && r->now.n_read == r->now.n_text) sk_engine_end(e, r, SKALD_EVENT_LENGTH);
    if (span->logits == SKALD_LOGITS_NONE) {
        e->n_chosen++;
        return;
    }
    const uint32_t n_text = r->now.n_text, n_drafted = span->logits == SKALD_LOGITS_ALL ? span->n_tokens - 1 : 0;
    choose(e, r, skald_logits(e->context, e->next_row + e->n_right));
    const bool right =
        r->now.n_text > n_text && e->n_right < n_drafted && sk_text_id(e, r, n_text) == r->now.drafts[e->n_right];
    e->n_right += right;
    if (!right || r->now.state != SK_REQUEST_RUNNING) settle(e, r, n_drafted);
}

/* Up to the pass that is done. A draft comes before it; who has nothing to do ends it. */
static skald_status run(skald_engine *e, uint32_t microseconds, skald_report *why) {
    const uint64_t end = sk_os_nanoseconds() + (uint64_t)microseconds * 1000;
    skald_status status = SKALD_OK;
    if (e->step == SK_STEP_NONE) {
        look_around(e); /* once: who gives way below does not come back for the same pages */
        sk_drafts_begin(e);
        e->step = SK_STEP_DRAFTS;
    }
    if (e->step == SK_STEP_DRAFTS) {
        status = sk_drafts_go(e, microseconds, why);
        if (status == SKALD_PENDING) return status;
        const uint64_t now = sk_os_nanoseconds();
        const uint32_t left = microseconds == 0 ? 0 : now < end ? (uint32_t)((end - now) / 1000) + 1 : 1;
        if (status == SKALD_OK) status = begin(e, left, why);
    } else {
        const skald_step_options options = {.size = sizeof options, .microseconds = microseconds};
        status = skald_step_continue(e->context, &options, why);
    }
    e->step = status == SKALD_PENDING ? SK_STEP_RUNS : SK_STEP_NONE;
    return status;
}

skald_status sk_engine_step(skald_engine *e, uint32_t microseconds, skald_report *why) {
    const uint64_t end = sk_os_nanoseconds() + (uint64_t)microseconds * 1000;
    if (e->step != SK_STEP_CHOOSES) {
        const skald_status status = run(e, microseconds, why);
        if (status != SKALD_OK) return status;
        commit(e);
    }
    for (e->step = SK_STEP_CHOOSES; e->n_chosen < e->n_spans; choose_next(e))
        if (microseconds && sk_os_nanoseconds() >= end) return SKALD_PENDING;
    e->step = SK_STEP_NONE;
    return SKALD_OK;
}

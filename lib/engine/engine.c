/* The engine's step: pick, run, choose, commit. Between any two of them, and between two choices, it can stop and go on. */
#include "engine/engine.h"
#include "base/os/os.h"

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
    e->n_spans = e->n_chosen = e->next_row = 0;
    for (uint32_t i = 0; i < e->n_running; i++) {
        const sk_request *r = &e->entries[e->running[i]];
        const uint32_t n = e->turns[i].n;
        if (n == 0) continue;
        sk_text_read(e->ids + used, e, r, r->now.n_read, n);
        const bool wanted = r->now.n_read + n == r->now.n_text && !r->is_warm;
        e->in_step[e->n_spans] = e->running[i];
        e->spans[e->n_spans++] = (skald_span){.size = sizeof(skald_span),
                                              .seq = r->now.seq,
                                              .tokens = e->ids + used,
                                              .n_tokens = n,
                                              .logits = wanted ? SKALD_LOGITS_LAST : SKALD_LOGITS_NONE};
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
        e->turns[i] = (sk_turn){.n_left = r->now.n_text - r->now.n_read, .answers = answers(r), .is_warm = r->is_warm};
    }
    sk_schedule(e->turns, e->n_running, e->options.n_rows, e->options.n_prompt_rows);
    make_spans(e);
    return e->n_spans > 0;
}

/* ---- run */

/* No page is left for the step: what is kept goes first, then the least important request that runs. It computes its text
 * again later, to the same bits. False: it is the only one. */
static bool make_room(skald_engine *e) {
    if (sk_prefix_evict(e)) return true;
    if (e->n_running < 2) return false;
    sk_request *last = &e->entries[e->running[e->n_running - 1]];
    sk_prefix_drop(e, last);
    sk_engine_wait(e, e->running[e->n_running - 1]);
    e->stats.n_preempted++;
    return true;
}

static skald_status begin(skald_engine *e, uint32_t microseconds, skald_report *why) {
    const skald_step_options options = {.size = sizeof options, .microseconds = microseconds};
    look_around(e); /* once: who gives way below does not come back for the same pages */
    for (;;) {
        if (!pick(e)) return SKALD_END;
        skald_status status = skald_step(e->context, e->cache, &options, why, e->spans, e->n_spans);
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
        r->now.n_read += e->spans[i].n_tokens;
        r->now.used = e->stats.n_steps;
    }
    e->stats.n_steps++;
}

/* ---- choose */

static void add_id(skald_engine *e, sk_request *r, int32_t id) {
    if (r->now.n_text == r->n_prompt) {
        e->stats.n_first++;
        e->stats.first_microseconds += microseconds_since(r->submitted, sk_os_nanoseconds());
    }
    sk_text_write(e, r, r->now.n_text++, &id, 1);
    e->stats.n_answered++;
    e->n_events++;
    if (sk_constrain_take(r, id)) sk_engine_end(e, r, SKALD_EVENT_STOP);
    else if (r->now.n_text == r->n_most) sk_engine_end(e, r, SKALD_EVENT_LENGTH);
}

static void choose(skald_engine *e, sk_request *r, const float *logits) {
    int32_t seen[SK_SEEN_IDS], id;
    const uint32_t n = r->now.n_text < SK_SEEN_IDS ? r->now.n_text : SK_SEEN_IDS;
    sk_text_read(seen, e, r, r->now.n_text - n, n);
    if (r->stage) {
        for (uint32_t i = 0; i < e->n_vocab; i++) e->logits[i] = logits[i];
        r->stage(r->stage_user, e->logits, e->n_vocab, r->now.n_text, seen, n);
        logits = e->logits;
    }
    logits = sk_constrain_mask(e, r, logits);
    skald_status status = sk_sampler_choose(&id, &r->sampler, logits, r->now.n_text, seen, n);
    if (status != SKALD_OK) sk_engine_end(e, r, SKALD_EVENT_FAILED);
    else if ((!r->ignore_end || r->grammar) && skald_model_is_end(e->model, id)) sk_engine_end(e, r, SKALD_EVENT_STOP);
    else add_id(e, r, id);
}

/* One span of the step that was run. */
static void choose_next(skald_engine *e) {
    const uint32_t i = e->n_chosen++;
    sk_request *r = &e->entries[e->in_step[i]];
    if (r->is_warm && r->now.n_read == r->now.n_text) sk_engine_end(e, r, SKALD_EVENT_LENGTH);
    if (e->spans[i].logits == SKALD_LOGITS_LAST) choose(e, r, skald_logits(e->context, e->next_row++));
}

skald_status sk_engine_step(skald_engine *e, uint32_t microseconds, skald_report *why) {
    const uint64_t end = sk_os_nanoseconds() + (uint64_t)microseconds * 1000;
    skald_status status = SKALD_OK;
    if (e->step == SK_STEP_NONE) {
        status = begin(e, microseconds, why);
    } else if (e->step == SK_STEP_RUNS) {
        const skald_step_options options = {.size = sizeof options, .microseconds = microseconds};
        status = skald_step_continue(e->context, &options, why);
    }
    if (status == SKALD_PENDING) e->step = SK_STEP_RUNS;
    else if (status != SKALD_OK) e->step = SK_STEP_NONE;
    if (status != SKALD_OK) return status;
    if (e->step != SK_STEP_CHOOSES) commit(e);
    for (e->step = SK_STEP_CHOOSES; e->n_chosen < e->n_spans; choose_next(e))
        if (microseconds && sk_os_nanoseconds() >= end) return SKALD_PENDING;
    e->step = SK_STEP_NONE;
    return SKALD_OK;
}

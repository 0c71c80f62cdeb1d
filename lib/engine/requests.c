/* Requests from submission until their entry is free again: the inbox that any thread may fill, the queue, and what is told. */
#include "engine/engine.h"
#include "base/os/os.h"
#include "base/report.h"
#include <math.h>
#include <string.h>

static const skald_sampler_options greedy = {.size = sizeof greedy};

static uint32_t blocks_for(uint64_t n_ids) { return (uint32_t)sk_divide_up(n_ids, SK_TEXT_BLOCK); }

/* A kept text is at most what its sequence can hold, and all kept ones hold no more than the cache. */
static uint32_t kept_blocks(const skald_engine_options *o, uint64_t n_cache_tokens) {
    return o->no_sharing ? 0 : blocks_for(n_cache_tokens) + o->n_kept;
}

static void carve_drafter(sk_carver *c, sk_drafter *d, const skald_engine_options *o) {
    const uint32_t n = o->draft ? o->n_running : 0;
    d->spans = sk_carve(c, n, sizeof *d->spans, SK_CACHE_LINE);
    d->in_step = sk_carve(c, n, sizeof *d->in_step, SK_CACHE_LINE);
    d->ids = sk_carve(c, o->draft ? o->n_rows : 0, sizeof *d->ids, SK_CACHE_LINE);
}

skald_engine *sk_engine_carve(sk_carver *c, const skald_engine_options *o, uint32_t n_vocab, uint64_t n_cache_tokens) {
    const uint32_t n_entries = o->n_requests + o->n_kept, most = blocks_for(n_cache_tokens);
    const uint32_t n_blocks = blocks_for(o->n_text) + o->n_requests + kept_blocks(o, n_cache_tokens);
    const uint64_t n_ids = sk_mul(n_blocks, SK_TEXT_BLOCK);
    skald_engine *e = sk_carve(c, 1, sizeof *e, SK_CACHE_LINE), table = {.n_entries = n_entries, .n_blocks = n_blocks};
    table.entries = sk_carve(c, n_entries, sizeof *table.entries, SK_CACHE_LINE);
    uint32_t *lists = sk_carve(c, sk_mul(n_entries, most), sizeof *lists, SK_CACHE_LINE);
    table.free = sk_carve(c, n_entries, sizeof *table.free, SK_CACHE_LINE);
    table.asked = sk_carve(c, n_entries, sizeof *table.asked, SK_CACHE_LINE);
    table.waiting = sk_carve(c, n_entries, sizeof *table.waiting, SK_CACHE_LINE);
    table.running = sk_carve(c, o->n_running, sizeof *table.running, SK_CACHE_LINE);
    table.free_blocks = sk_carve(c, n_blocks, sizeof *table.free_blocks, SK_CACHE_LINE);
    table.arena = sk_carve(c, n_ids, sizeof *table.arena, SK_CACHE_LINE);
    table.tops = sk_carve(c, o->n_top ? sk_mul(n_ids, 1 + o->n_top) : 0, sizeof *table.tops, SK_CACHE_LINE);
    table.said = sk_carve(c, SK_SAID_ROOM, 1, SK_CACHE_LINE);
    table.turns = sk_carve(c, o->n_running, sizeof *table.turns, SK_CACHE_LINE);
    table.spans = sk_carve(c, o->n_running, sizeof *table.spans, SK_CACHE_LINE);
    table.in_step = sk_carve(c, o->n_running, sizeof *table.in_step, SK_CACHE_LINE);
    table.dropped = sk_carve(c, o->n_running + o->n_kept, sizeof *table.dropped, SK_CACHE_LINE);
    table.ids = sk_carve(c, o->n_rows, sizeof *table.ids, SK_CACHE_LINE);
    table.matchers = sk_carve(c, o->n_running, sizeof *table.matchers, SK_CACHE_LINE);
    table.free_matchers = sk_carve(c, o->n_running, sizeof *table.free_matchers, SK_CACHE_LINE);
    carve_drafter(c, &table.drafter, o);
    table.logits = sk_carve(c, n_vocab, sizeof *table.logits, SK_CACHE_LINE);
    table.scratch = sk_carve(c, n_vocab, sizeof *table.scratch, SK_CACHE_LINE);
    table.order = sk_carve(c, n_vocab, sizeof *table.order, SK_CACHE_LINE);
    table.spare = sk_carve(c, n_vocab, sizeof *table.spare, SK_CACHE_LINE);
    if (!e) return NULL;
    *e = table;
    e->options = *o, e->n_vocab = n_vocab, e->n_cache_tokens = n_cache_tokens;
    e->n_free = n_entries, e->n_free_blocks = n_blocks, e->kept_blocks_max = kept_blocks(o, n_cache_tokens);
    for (uint32_t i = 0; i < n_entries; i++)
        e->free[i] = n_entries - 1 - i, e->entries[i].blocks = lists + (size_t)i * most;
    for (; e->n_free_matchers < o->n_running; e->n_free_matchers++)
        e->free_matchers[e->n_free_matchers] = &e->matchers[e->n_free_matchers];
    for (uint32_t i = 0; i < n_blocks; i++) e->free_blocks[i] = n_blocks - 1 - i;
    return e;
}

/* ---- submitting, on any thread */

static skald_status check_grammar(const skald_engine *e, const skald_request *q, skald_report *why) {
    if (!q->grammar) return SKALD_OK;
    if (q->grammar->model != e->model)
        return sk_fail(why, SKALD_ARGUMENT, "skald_request: the grammar was compiled for another model");
    if (q->n_tokens && q->grammar->least > q->n_tokens)
        return sk_fail(why, SKALD_ARGUMENT,
                       "skald_request: the grammar's shortest text may take %u tokens, n_tokens is %u",
                       q->grammar->least, q->n_tokens);
    return SKALD_OK;
}

static skald_status check_adapters(const skald_engine *e, const skald_request *q, skald_report *why) {
    if (q->n_adapters > SKALD_SPAN_ADAPTERS || (q->n_adapters && !q->adapters))
        return sk_fail(why, SKALD_ARGUMENT, "skald_request: %u adapters%s, at most %u expected", q->n_adapters,
                       q->adapters ? "" : " at NULL", SKALD_SPAN_ADAPTERS);
    for (uint32_t i = 0; i < q->n_adapters; i++) {
        const skald_adapter *a = q->adapters[i].adapter;
        if (!a || a->model != e->model)
            return sk_fail(why, SKALD_ARGUMENT, "skald_request: adapter %u is %s", i, a ? "of another model" : "NULL");
        if (a->rank > e->options.max_rank)
            return sk_fail(why, SKALD_ARGUMENT, "skald_request: adapter %u has rank %u, the engine was made for %u", i,
                           a->rank, e->options.max_rank);
        if (!isfinite(q->adapters[i].scale))
            return sk_fail(why, SKALD_ARGUMENT, "skald_request: the scale of adapter %u is not finite", i);
    }
    return SKALD_OK;
}

static skald_status check(const skald_engine *e, const skald_request *q, const skald_sampler_options *sampler,
                          skald_report *why) {
    if (!q->prompt || q->n_prompt == 0) return sk_fail(why, SKALD_ARGUMENT, "skald_request: a prompt of no ids");
    if (q->reserved || q->reserved_2 || q->ignore_end > 1)
        return sk_fail(why, SKALD_ARGUMENT, "skald_request: ignore_end is 0 or 1, reserved and reserved_2 are 0");
    if ((uint64_t)q->n_prompt + q->n_tokens > e->n_cache_tokens)
        return sk_fail(why, SKALD_ARGUMENT, "skald_request: %u + %u tokens can never fit into a cache of %llu",
                       q->n_prompt, q->n_tokens, (unsigned long long)e->n_cache_tokens);
    if (q->n_top > e->options.n_top)
        return sk_fail(why, SKALD_ARGUMENT, "skald_request: n_top is %u, the engine has room for %u", q->n_top,
                       e->options.n_top);
    for (uint32_t i = 0; i < q->n_prompt; i++)
        if (q->prompt[i] < 0 || (uint32_t)q->prompt[i] >= e->n_vocab)
            return sk_fail(why, SKALD_ARGUMENT, "skald_request: prompt[%u] is %d, from 0 to %u expected", i,
                           q->prompt[i], e->n_vocab - 1);
    if (sampler->n_bias > SKALD_REQUEST_BIASES || sampler->penalty_window > SK_SEEN_IDS)
        return sk_fail(why, SKALD_ARGUMENT, "skald_request: sampler.n_bias and penalty_window are at most %u",
                       SKALD_REQUEST_BIASES);
    skald_status status = check_grammar(e, q, why);
    if (status == SKALD_OK) status = check_adapters(e, q, why);
    return status == SKALD_OK ? sk_sampler_check(sampler, e->n_vocab, why) : status;
}

static skald_adapter *owned(const skald_span_adapter *use) { return (skald_adapter *)(uintptr_t)use->adapter; }

static void own_adapters(sk_adapted *to, const skald_request *q) {
    to->n = q->n_adapters;
    for (uint32_t i = 0; i < to->n; i++) {
        to->by[i] = q->adapters[i], to->number[i] = to->by[i].adapter->number;
        skald_adapter_retain(owned(&to->by[i]));
    }
}

void sk_engine_disown(sk_request *r) {
    skald_grammar_release(r->grammar);
    r->grammar = NULL;
    for (uint32_t i = 0; i < r->adapted.n; i++) {
        skald_adapter_release(owned(&r->adapted.by[i]));
        r->adapted.by[i].adapter = NULL;
    }
}

static void fill(skald_engine *e, sk_request *r, const skald_request *q, const skald_sampler_options *sampler,
                 const sk_said_rules *rules) {
    atomic_store(&r->cancelled, 0);
    r->n_prompt = q->n_prompt - q->n_heal;
    r->n_most = r->n_prompt + q->n_tokens;
    r->priority = q->priority;
    r->is_warm = q->n_tokens == 0;
    r->ignore_end = q->ignore_end;
    r->submitted = sk_os_nanoseconds();
    r->deadline = q->deadline ? r->submitted + q->deadline * 1000 : 0;
    r->stage = q->stage, r->stage_user = q->stage_user;
    skald_grammar_retain(r->grammar = q->grammar);
    own_adapters(&r->adapted, q);
    r->n_top = q->n_top;
    r->rules = *rules;
    r->sampler = (sk_sampler){*sampler, e->n_vocab, e->scratch, e->order, e->spare};
    if (sampler->n_bias) memcpy(r->bias, sampler->bias, sampler->n_bias * sizeof *r->bias);
    r->sampler.options.bias = r->bias;
    if (!sampler->penalty_window) r->sampler.options.penalty_window = SK_SEEN_IDS;
    sk_text_write(e, r, 0, q->prompt, r->n_prompt);
}

skald_status sk_engine_submit(skald_request_id *out, skald_engine *e, const skald_request *q, skald_report *why) {
    const skald_sampler_options *from = q->sampler;
    skald_sampler_options sampler;
    sk_said_rules rules;
    skald_status status = sk_options_copy(&sampler, sizeof sampler, &greedy, from, "skald_sampler_options", why);
    if (status == SKALD_OK) status = check(e, q, &sampler, why);
    if (status == SKALD_OK) status = sk_said_set(&rules, e->model, q, why);
    if (status != SKALD_OK) return status;
    const uint32_t n_blocks = blocks_for((uint64_t)q->n_prompt + q->n_tokens);
    sk_os_gate_lock(&e->lock);
    const uint32_t for_kept = e->kept_blocks_max - e->n_kept_blocks;
    if (e->n_living == e->options.n_requests || e->n_free_blocks - for_kept < n_blocks) {
        status = sk_fail(why, SKALD_FULL, "the engine holds %u requests and has room for %u ids", e->n_living,
                         (e->n_free_blocks - for_kept) * SK_TEXT_BLOCK);
    } else {
        const uint32_t entry = e->free[--e->n_free];
        sk_request *r = &e->entries[entry];
        for (r->n_blocks = 0; r->n_blocks < n_blocks;) r->blocks[r->n_blocks++] = e->free_blocks[--e->n_free_blocks];
        *out = r->id = ++e->n_ids << 16 | (entry + 1);
        fill(e, r, q, &sampler, &rules);
        e->asked[e->n_asked++] = entry;
        e->n_living++;
    }
    sk_os_gate_unlock(&e->lock);
    return status;
}

skald_status sk_engine_cancel(skald_engine *e, skald_request_id id) {
    const uint32_t entry = (uint32_t)(id & 0xffffu) - 1;
    skald_status status = SKALD_ABSENT;
    if (entry >= e->n_entries) return status;
    sk_os_gate_lock(&e->lock);
    if (id && e->entries[entry].id == id) {
        atomic_store(&e->entries[entry].cancelled, 1);
        status = SKALD_OK;
    }
    sk_os_gate_unlock(&e->lock);
    return status;
}

/* ---- the queue, on the stepping thread */

/* More important first; the id grows with the time of submission. */
static bool comes_before(const sk_request *a, const sk_request *b) {
    if (a->is_warm != b->is_warm) return b->is_warm;
    return a->priority != b->priority ? a->priority > b->priority : a->id >> 16 < b->id >> 16;
}

static void insert(const skald_engine *e, uint32_t *list, uint32_t *n, uint32_t entry) {
    uint32_t i = (*n)++;
    for (; i && comes_before(&e->entries[entry], &e->entries[list[i - 1]]); i--) list[i] = list[i - 1];
    list[i] = entry;
}

static void take_out(uint32_t *list, uint32_t *n, uint32_t entry) {
    uint32_t i = 0;
    while (i < *n && list[i] != entry) i++;
    if (i == *n) return;
    for (--*n; i < *n; i++) list[i] = list[i + 1];
}

void sk_engine_wait(skald_engine *e, uint32_t entry) {
    sk_request *r = &e->entries[entry];
    if (r->now.state == SK_REQUEST_RUNNING) take_out(e->running, &e->n_running, entry);
    sk_constrain_stop(e, r);
    sk_drafts_release(e, r);
    r->now.state = SK_REQUEST_WAITING;
    insert(e, e->waiting, &e->n_waiting, entry);
}

void sk_engine_start(skald_engine *e, uint32_t entry) {
    sk_request *r = &e->entries[entry];
    take_out(e->waiting, &e->n_waiting, entry);
    r->now.state = SK_REQUEST_RUNNING;
    sk_constrain_start(e, r);
    insert(e, e->running, &e->n_running, entry);
}

void sk_engine_take_asked(skald_engine *e) {
    sk_os_gate_lock(&e->lock);
    for (uint32_t i = 0; i < e->n_asked; i++) {
        sk_request *r = &e->entries[e->asked[i]];
        memset(&r->now, 0, sizeof r->now);
        r->now.n_text = r->now.n_told = r->n_prompt;
        r->now.stop = -1;
        sk_engine_wait(e, e->asked[i]);
    }
    e->stats.n_submitted += e->n_asked;
    e->n_asked = 0;
    sk_os_gate_unlock(&e->lock);
}

void sk_engine_end(skald_engine *e, sk_request *r, skald_event_kind reason) {
    const uint32_t entry = (uint32_t)(r - e->entries);
    take_out(e->waiting, &e->n_waiting, entry);
    take_out(e->running, &e->n_running, entry);
    sk_constrain_stop(e, r);
    sk_drafts_release(e, r);
    r->now.state = SK_REQUEST_ENDED;
    r->now.reason = reason;
    r->now.used = e->stats.n_steps;
    e->stats.n_ended++;
    e->n_events++;
}

/* ---- telling */

void sk_engine_free_entry(skald_engine *e, sk_request *r) {
    const bool was_kept = r->now.state == SK_REQUEST_KEPT;
    sk_prefix_drop(e, r);
    r->now.state = SK_REQUEST_FREE;
    if (was_kept) e->n_kept--;
    sk_os_gate_lock(&e->lock);
    if (was_kept) e->n_kept_blocks -= r->n_blocks;
    else e->n_living--;
    while (r->n_blocks) e->free_blocks[e->n_free_blocks++] = r->blocks[--r->n_blocks];
    e->free[e->n_free++] = (uint32_t)(r - e->entries);
    r->id = 0;
    sk_os_gate_unlock(&e->lock);
}

static skald_event token_of(skald_engine *e, sk_request *r) {
    const uint32_t i = r->now.n_told++;
    const skald_logprob *tops = r->n_top ? sk_text_tops(e, r, i) : NULL;
    skald_event event = {.kind = SKALD_EVENT_TOKEN, .id = sk_text_id(e, r, i), .position = i, .stop = -1};
    sk_said_push(e, &event.n_bytes, r, &r->now.told, event.id);
    if (tops) event.logprob = tops->logprob, event.n_top = r->n_top, event.top = tops + 1;
    return event;
}

static skald_event end_of(skald_engine *e, sk_request *r) {
    skald_event event = {.kind = r->now.reason, .id = -1, .position = r->now.n_text, .stop = r->now.stop};
    event.n_drafted = r->now.n_drafts_told, event.n_right = r->now.n_drafts_right;
    if (r->now.stop < 0) sk_said_push(e, &event.n_bytes, r, &r->now.told, -1);
    return event;
}

/* One request after the other, so that a fast reader hears of all. */
bool sk_engine_poll(skald_event *event, skald_engine *e) {
    for (uint32_t i = 0; e->n_events && i < e->n_entries; i++) {
        sk_request *r = &e->entries[e->next_told];
        e->next_told = e->next_told + 1 < e->n_entries ? e->next_told + 1 : 0;
        if (r->now.state == SK_REQUEST_FREE || r->now.state == SK_REQUEST_KEPT) continue;
        const bool ends = r->now.n_told == r->now.n_text;
        if (ends && r->now.state != SK_REQUEST_ENDED) continue;
        *event = ends ? end_of(e, r) : token_of(e, r);
        event->size = sizeof *event, event->request = r->id, event->text = e->said;
        if (ends) sk_engine_disown(r);
        if (ends && !sk_prefix_keep(e, r)) sk_engine_free_entry(e, r);
        e->n_events--;
        return true;
    }
    return false;
}

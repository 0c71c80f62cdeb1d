/* Contexts: steps of one or several spans, at once or with pauses, and the rows of logits that come of them. */
#ifndef SK_FUZZ_CALLS_STEP_H
#define SK_FUZZ_CALLS_STEP_H
#include "fuzz/calls/cache.h"

static desk *some_desk(uint8_t byte) { return &world.desks[byte % N_CONTEXTS]; }

/* ---- rows of logits */

static uint32_t wanted_of(const skald_span *s) {
    return s->logits == SKALD_LOGITS_ALL ? s->n_tokens : s->logits == SKALD_LOGITS_LAST;
}

/* The rows are those of the last finished step; one that was begun since may have taken them. */
static void check_rows(const desk *d) {
    for (uint32_t i = 0; i < d->n_rows; i++) {
        const float *row = skald_logits(d->context, i);
        PROMISE(row || !d->is_kept);
        if (row) PROMISE(memcmp(row, d->rows[i], sizeof d->rows[i]) == 0);
    }
    PROMISE(!skald_logits(d->context, d->n_rows) && skald_logits_argmax(d->context, d->n_rows) == -1);
    PROMISE(!skald_logits(d->context, UINT32_MAX));
}

/* ---- how far a call goes */

typedef struct wish {
    skald_step_options options;
    desk *desk;
    store *store;
    bool pauses, cancels; /* at the first time that it is asked */
    bool said_no;
} wish;

/* One thread at a time: a callback finds its context and its cache in use. Where the step is to pause its time is over
 * when this returns, so that it pauses at the same place each time. */
static int32_t progress(void *user, float done) {
    wish *w = user;
    PROMISE(done >= 0 && done <= 1);
    if (w->store->cache) try_cache(w->store->cache);
    PROMISE(skald_step_cancel(w->desk->context) == SKALD_BUSY && skald_context_free(w->desk->context) == SKALD_BUSY);
    PROMISE(skald_step_continue(w->desk->context, NULL, NULL) == SKALD_BUSY);
    for (const uint64_t begin = sk_os_nanoseconds(); w->pauses && sk_os_nanoseconds() - begin < 2000;) continue;
    return w->said_no = w->cancels;
}

static void make_wish(wish *w, desk *d, store *t, uint8_t how) {
    *w = (wish){.desk = d, .store = t, .pauses = how & 1, .cancels = how % 8 == 2};
    skald_step_options_init(&w->options, sizeof w->options);
    w->options.microseconds = w->pauses;
    w->options.progress = progress, w->options.progress_user = w;
}

static set outcome(const wish *w) {
    return w->said_no ? one(SKALD_CANCELLED) : w->pauses ? one(SKALD_OK) | one(SKALD_PENDING) : one(SKALD_OK);
}

/* ---- what a step does */

/* Spans are the library's to read until the step is over; then they may be anything. */
static void forget_spans(desk *d) {
    memset(d->spans, 0xee, sizeof d->spans);
    memset(d->ids, 0xee, sizeof d->ids);
    d->n_spans = 0;
}

static void commit(desk *d, store *t) {
    uint32_t row = 0;
    for (uint32_t i = 0; i < d->n_spans; i++) {
        const skald_span *span = &d->spans[i];
        sequence *s = d->of[i];
        PROMISE(take_room(t, s, span->n_tokens));
        memcpy(s->text + s->length, d->ids[i], span->n_tokens * sizeof *s->text);
        s->length += span->n_tokens;
        if (s->length > s->longest) s->longest = s->length;
        for (uint32_t k = span->n_tokens - wanted_of(span); k < span->n_tokens; k++, row++)
            memcpy(d->rows[row], logits_of(t->type, s->text, s->length - span->n_tokens + k + 1), sizeof d->rows[row]);
    }
    d->n_rows = row;
    d->is_kept = true;
    check_rows(d);
}

/* After a call that went on with a step, or began one. */
static void went(desk *d, store *t, const wish *w, skald_status status, const skald_report *why) {
    expect_why(status, outcome(w), why);
    t->is_paused = status == SKALD_PENDING;
    d->store = t->is_paused ? t : NULL;
    if (status == SKALD_OK) commit(d, t);
    else d->is_kept = false, check_rows(d);
    if (status != SKALD_PENDING) forget_spans(d);
    check_store(t, status == SKALD_CANCELLED);
}

static void go_on(desk *d, uint8_t how) {
    store *t = d->store;
    for (uint32_t turns = how >> 3; d->store && turns; turns--) {
        wish w;
        skald_report why = fresh_report();
        make_wish(&w, d, t, turns == 1 ? how : how | 1);
        const skald_status status = skald_step_continue(d->context, &w.options, &why);
        went(d, t, &w, status, &why);
    }
}

static void cancel(desk *d) {
    store *t = d->store;
    if (t) forget_spans(d), t->is_paused = false;
    d->store = NULL;
    expect(skald_step_cancel(d->context), one(d->context ? SKALD_OK : SKALD_ARGUMENT));
    if (t) check_store(t, true);
    if (d->context) check_rows(d);
}

/* ---- a step of any shape */

static uint32_t some_ids(int32_t *ids, uint32_t at, uint8_t length, uint32_t flavour) {
    uint32_t n = length < 224 ? length % 28 : length < 254 ? 90 + length % 60 : 0;
    if (n > TINY_TEXT - at) n = TINY_TEXT - at;
    if (n > program.work) n = n > 1;
    program.work -= n < program.work ? n : program.work;
    for (uint32_t i = 0; i < n; i++) ids[i] = id_at(flavour, at + i);
    return n;
}

/* Returns what must come of it whatever the pages are; 0: nothing is wrong. */
static set some_span(desk *d, store *t, uint32_t i) {
    static const int32_t wrong_ids[] = {-1, N_WORDS, INT32_MIN, INT32_MAX};
    const uint8_t which = next(), length = next(), how = next();
    sequence *s = some_sequence(t, which);
    skald_span *span = &d->spans[i];
    const uint32_t at = s->lives ? s->length : 0;
    *span =
        (skald_span){.size = sizeof *span, .seq = s->seq, .tokens = d->ids[i], .logits = how < 240 ? how >> 4 & 3 : 0};
    span->n_tokens = some_ids(d->ids[i], at, length, which < 224 ? 0 : 1 + (which >> 3 & 3));
    d->of[i] = s;
    if (how == 255) span->tokens = NULL;
    if (how == 254) span->embeddings = d->rows[0];
    if (how == 253 && span->n_tokens) d->ids[i][length % span->n_tokens] = wrong_ids[which % 4];
    if (how == 252) span->n_tokens = UINT32_MAX - length;
    if (how == 251) span->n_adapters = 1;
    bool wrong = !s->lives || span->logits > SKALD_LOGITS_ALL || span->n_tokens == 0 || how > 252 || how == 251;
    for (uint32_t k = 0; k < i; k++) wrong |= d->of[k] == s;
    if (span->n_tokens > INT32_MAX) return one(SKALD_ARGUMENT) | one(SKALD_FULL);
    return wrong ? one(SKALD_ARGUMENT) : 0;
}

/* Pages that the step may need at least and at most: of two that write into one page, the last may keep it. */
static set room_for(const desk *d, const store *t) {
    store later = *t;
    uint32_t most = 0;
    bool fits = true;
    for (uint32_t i = 0; i < d->n_spans; i++) most += need(t, d->of[i], d->spans[i].n_tokens);
    for (uint32_t i = 0; i < d->n_spans && fits; i++)
        fits = take_room(&later, &later.sequences[d->of[i] - t->sequences], d->spans[i].n_tokens);
    return most <= n_free(t) ? 0 : one(SKALD_FULL) | (fits ? one(SKALD_OK) : 0);
}

static void step(desk *d, store *t, uint32_t n_spans, uint8_t how) {
    set wrong = 0;
    uint32_t n_wanted = 0;
    d->n_spans = n_spans;
    for (uint32_t i = 0; i < n_spans; i++) wrong |= some_span(d, t, i), n_wanted += wanted_of(&d->spans[i]);
    if (n_spans == 0 || n_wanted > d->n_logits || !t->cache || !d->context) wrong |= one(SKALD_ARGUMENT);
    wish w;
    skald_report why = fresh_report();
    make_wish(&w, d, t, how);
    if (how >= 0xf8) w.options.size = 3, wrong |= one(SKALD_ARGUMENT);
    if (how >> 3 == 0x1e) d->spans[0].size = how & 1 ? sizeof *d->spans - 4 : 16, wrong |= one(SKALD_ARGUMENT);
    if (t->is_paused) wrong |= one(SKALD_BUSY);
    const set full = wrong ? 0 : room_for(d, t);
    const skald_status status = skald_step(d->context, t->cache, &w.options, &why, d->spans, n_spans);
    if (wrong || status == SKALD_FULL) {
        expect_why(status, wrong | full, &why);
        forget_spans(d);
        if (t->cache) check_store(t, true);
        if (d->context) check_rows(d);
        return;
    }
    PROMISE(!full || full & one(SKALD_OK));
    went(d, t, &w, status, &why);
    go_on(d, how & 1 ? next() : 0);
}

/* While the context has a paused step its spans stay as they are. */
static void step_beside(desk *d, store *t) {
    const skald_span none = {.size = sizeof none};
    skald_report why = fresh_report();
    const skald_status status = skald_step(d->context, t->cache, NULL, &why, &none, 1);
    expect_why(status, one(SKALD_BUSY) | one(SKALD_ARGUMENT), &why);
    if (t->cache) PROMISE(status == SKALD_BUSY);
    check_rows(d);
}

static void op_step(void) {
    const uint8_t which = next(), how = next();
    desk *d = some_desk(which);
    store *t = some_store(which >> 1);
    if (d->store) step_beside(d, t);
    else step(d, t, which >> 2 == 63 ? 0 : 1 + (which >> 2) % N_SPANS, how);
}

static void op_continue(void) {
    desk *d = some_desk(next());
    const uint8_t how = next();
    skald_report why = fresh_report();
    const skald_step_options bent = {.size = 1};
    if (!d->store || how > 250) expect_why(skald_step_continue(d->context, &bent, &why), one(SKALD_ARGUMENT), &why);
    else go_on(d, how);
}

static void op_cancel(void) { cancel(some_desk(next())); }

/* ---- choosing from a row */

static void op_logits(void) {
    desk *d = some_desk(next());
    const uint8_t byte = next();
    int32_t id = -5, again = -5, history[8];
    if (!d->context) return;
    check_rows(d);
    if (!d->n_rows) return;
    const float *row = skald_logits(d->context, byte % d->n_rows);
    if (!row) return;
    for (uint32_t i = 0; i < 8; i++) history[i] = id_at(0, byte + i);
    const int32_t best = skald_logits_argmax(d->context, byte % d->n_rows);
    for (int32_t i = 0; i < (int32_t)N_WORDS; i++)
        PROMISE(row[i] < row[best] || (i >= best && row[i] <= row[best]));
    const set allowed = one(world.sampler ? SKALD_OK : SKALD_ARGUMENT);
    expect(skald_sampler_choose(&id, world.sampler, row, byte, history, byte % 8), allowed);
    expect(skald_sampler_choose(&again, world.sampler, row, byte, history, byte % 8), allowed);
    PROMISE(id == again && (world.sampler ? id >= 0 && id < (int32_t)N_WORDS : id == -5));
}

static void op_sampler(void) {
    const uint8_t how = next();
    skald_report why = fresh_report();
    skald_sampler_options o;
    if (world.sampler || !world.model) {
        ask_begin();
        skald_sampler_free(world.sampler);
        ask_end();
        world.sampler = NULL;
        return;
    }
    skald_sampler_options_init(&o, sizeof o);
    o.temperature = (float)(how % 4) * 0.5f, o.top_k = how >> 2 & 7, o.min_p = how & 32 ? 0.1f : 0;
    o.repetition = how & 64 ? 1.3f : 0, o.seed = how;
    const skald_logit_bias bias = {.id = how & 15 ? how % 16 : -1, .bias = 3};
    if (how & 128) o.bias = &bias, o.n_bias = 1;
    const bool wrong = how & 128 && bias.id < 0;
    const uint64_t before = live;
    ask_begin();
    const skald_status status = skald_sampler_create(&world.sampler, world.model, &o, &why);
    ask_end();
    expect_why(status, wrong ? one(SKALD_ARGUMENT) : asked(one(SKALD_OK)), &why);
    PROMISE((status == SKALD_OK) == (world.sampler != NULL) && (world.sampler || live == before));
}

/* ---- coming and going */

static void make_desk(desk *d, uint8_t how) {
    skald_context_options o;
    skald_report why = fresh_report();
    skald_context_options_init(&o, sizeof o);
    *d = (desk){.n_logits = how & 1 ? MOST_LOGITS : 3};
    o.n_rows = 4u << how % 4, o.n_logits = d->n_logits;
    if (how >= 254) o.max_rank = UINT32_MAX;
    const uint64_t before = live;
    ask_begin();
    const skald_status status = skald_context_create(&d->context, world.model, &o, &why);
    ask_end();
    expect_why(status, asked(one(how >= 254 ? SKALD_ARGUMENT : SKALD_OK)), &why);
    PROMISE((status == SKALD_OK) == (d->context != NULL));
    if (!d->context) PROMISE(live == before);
    else check_rows(d);
}

/* A paused step is cancelled. */
static void free_desk(desk *d) {
    store *t = d->store;
    if (t) forget_spans(d), t->is_paused = false;
    ask_begin();
    expect(skald_context_free(d->context), one(SKALD_OK));
    ask_end();
    if (t) check_store(t, true);
    d->context = NULL, d->store = NULL, d->n_rows = 0;
}

static void op_context(void) {
    const uint8_t which = next(), how = next();
    desk *d = some_desk(which);
    if (d->context) free_desk(d);
    else if (world.model) make_desk(d, how);
}
#endif

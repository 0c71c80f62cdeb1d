/* An engine: what each request must be told, id by id, whatever runs beside it, and the calls on it. */
#ifndef SK_FUZZ_CALLS_REQUESTS_H
#define SK_FUZZ_CALLS_REQUESTS_H
#include "fuzz/calls/world.h"

#define N_REQUESTS   3u
#define ENGINE_PAGES 4u
#define ENGINE_TEXT  600u
#define MOST_DRAFT   16u

typedef struct request {
    skald_request_id id; /* 0: never was one */
    bool lives;          /* its end was not told */
    bool is_sampled, ignores_end, has_stage, is_cancelled, has_deadline, is_whole;
    uint32_t n_prompt, n_tokens, n_told;
    uint32_t most;   /* ids that may be told at most: those of a pass that was under way when it was cancelled */
    uint32_t n_seen; /* ids that its stage was asked for */
    uint32_t n_top;
    int32_t text[TINY_TEXT];
    skald_matcher *matcher; /* as the engine's own */
} request;

static struct {
    skald_engine *engine;
    request requests[N_REQUESTS];
    uint32_t n_requests, n_submitted, n_kept;
    bool is_paused, is_done; /* the last step said PENDING, END */
} office;

static skald_sampler *choosers[2]; /* greedy, and with a temperature */
static const skald_sampler_options warm = {.size = sizeof warm, .temperature = 0.8f, .top_k = 5, .seed = 7};

/* ---- what must be told */

/* The id that comes next; it may be one that ends the text. */
static int32_t chosen(request *r) {
    float row[N_WORDS];
    int32_t id = -1;
    const uint32_t n = r->n_prompt + r->n_told;
    memcpy(row, logits_of(SKALD_F16, r->text, n), sizeof row);
    if (r->matcher) expect(skald_matcher_mask(row, r->matcher, row, r->n_tokens - r->n_told), one(SKALD_OK));
    PROMISE(skald_sampler_choose(&id, choosers[r->is_sampled], row, n, r->text, n) == SKALD_OK);
    return id;
}

static void told_id(request *r, const skald_event *e) {
    PROMISE(!r->is_whole && r->n_told < r->n_tokens && e->id == chosen(r));
    PROMISE(e->position == r->n_prompt + r->n_told && e->n_top == r->n_top);
    PROMISE(e->id != WORD_END || (r->ignores_end && !r->matcher));
    for (uint32_t i = 0; i < e->n_top; i++) PROMISE(e->top[i].id >= 0 && e->top[i].logprob <= 0);
    r->text[r->n_prompt + r->n_told++] = e->id;
    if (r->is_cancelled) PROMISE(r->n_told <= r->most);
    if (!r->matcher) return;
    const skald_status status = skald_matcher_accept(r->matcher, e->id);
    expect(status, one(SKALD_OK) | one(SKALD_END));
    r->is_whole = status == SKALD_END;
}

static void let_go(request *r) {
    ask_begin();
    skald_matcher_free(r->matcher);
    ask_end();
    r->matcher = NULL, r->lives = false;
}

static void told_end(request *r, const skald_event *e) {
    PROMISE(e->id == -1 && e->position == r->n_prompt + r->n_told && e->n_right <= e->n_drafted);
    switch (e->kind) {
    case SKALD_EVENT_LENGTH:
        PROMISE(r->n_told == r->n_tokens && !r->is_whole);
        PROMISE(!r->matcher || r->n_tokens == 0 || skald_matcher_may_end(r->matcher));
        break;
    case SKALD_EVENT_STOP:
        PROMISE(r->is_whole || (r->n_told < r->n_tokens && chosen(r) == WORD_END));
        PROMISE(r->is_whole || !r->ignores_end || r->matcher);
        break;
    case SKALD_EVENT_CANCELLED: PROMISE(r->is_cancelled); break;
    case SKALD_EVENT_DEADLINE: PROMISE(r->has_deadline); break;
    default: PROMISE(false);
    }
    if (r->has_stage) PROMISE(r->n_seen >= r->n_told);
    let_go(r);
}

/* What happened since the last time. */
static void hear(void) {
    for (;;) {
        skald_event e = {.size = sizeof e};
        ask_begin(); /* a grammar may go with its request */
        const skald_status status = skald_engine_poll(&e, office.engine);
        ask_end();
        expect(status, one(SKALD_OK) | one(SKALD_END));
        if (status == SKALD_END) return;
        request *r = NULL;
        for (uint32_t i = 0; i < N_REQUESTS; i++)
            if (office.requests[i].lives && office.requests[i].id == e.request) r = &office.requests[i];
        PROMISE(r && (e.n_bytes == 0 || e.text));
        if (e.kind == SKALD_EVENT_TOKEN) told_id(r, &e);
        else told_end(r, &e);
    }
}

static uint32_t n_waiting(void) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_REQUESTS; i++) n += office.requests[i].lives;
    return n;
}

/* ---- submitting */

/* A host's stage, from which the engine is in use. It sees each place once, in order. */
static void stage(void *user, float *logits, uint32_t n_vocab, uint64_t position, const int32_t *text,
                  uint32_t n_text) {
    request *r = user;
    skald_event e = {.size = sizeof e};
    skald_engine_stats stats = {.size = sizeof stats};
    PROMISE(n_vocab == N_WORDS && position == r->n_prompt + r->n_seen++);
    PROMISE(n_text == (position < 64 ? position : 64) && text && logits);
    PROMISE(skald_engine_poll(&e, office.engine) == SKALD_BUSY && skald_engine_free(office.engine) == SKALD_BUSY);
    PROMISE(skald_engine_get_stats(&stats, office.engine) == SKALD_BUSY);
    PROMISE(skald_engine_step(office.engine, 0, NULL) == SKALD_BUSY);
}

static bool some_request(request *r, skald_request *q, uint8_t size, uint8_t how) {
    static const uint32_t lengths[] = {4, 20, 36, 90, 120, 126, 128, 180}, answers[] = {3, 0, 1, 12, 20, 5, 8, 2};
    *r = (request){.n_prompt = lengths[size % 8], .n_tokens = answers[size >> 3 & 7], .lives = true};
    if (r->n_prompt / 2 > program.work) r->n_prompt = 4;
    program.work -= r->n_prompt / 2 < program.work ? r->n_prompt / 2 : program.work;
    for (uint32_t i = 0; i < r->n_prompt; i++) r->text[i] = id_at(i < 100 ? 0 : size >> 6, i);
    r->is_sampled = how & 1, r->ignores_end = how & 2, r->has_stage = how & 4, r->has_deadline = how % 16 == 15;
    r->n_top = how & 16 ? 2 : 0;
    *q = (skald_request){.size = sizeof *q, .n_prompt = r->n_prompt, .prompt = r->text, .n_tokens = r->n_tokens};
    q->sampler = r->is_sampled ? &warm : NULL, q->ignore_end = r->ignores_end, q->n_top = r->n_top;
    q->priority = (how >> 5 & 3) - 1, q->deadline = r->has_deadline;
    if (r->has_stage) q->stage = stage, q->stage_user = r;
    switch (how) {
    case 255: q->n_tokens = ENGINE_PAGES * SKALD_PAGE_TOKENS; return false;
    case 254: q->n_prompt = 0; return false;
    case 253: r->text[size % r->n_prompt] = size & 1 ? -1 : (int32_t)N_WORDS; return false;
    case 252: q->n_top = 65; return false;
    case 251: q->size = 2; return false;
    case 250: q->ignore_end = 2; return false;
    case 249: q->n_heal = q->n_prompt; return false;
    default: return true;
    }
}

static void give_grammar(request *r, skald_request *q) {
    skald_report why = fresh_report();
    ask_begin();
    const skald_status status = skald_matcher_create(&r->matcher, world.grammar, &why);
    ask_end();
    expect_why(status, asked(one(SKALD_OK)), &why);
    if (r->matcher) q->grammar = world.grammar;
}

static set submitted(const request *r) {
    uint32_t n_text = r->n_prompt + r->n_tokens;
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        const request *other = &office.requests[i];
        if (other->lives && other != r) n_text += other->n_prompt + other->n_tokens;
    }
    if (n_waiting() > office.n_requests) return one(SKALD_FULL); /* this one is among them */
    return n_text <= ENGINE_TEXT ? one(SKALD_OK) : one(SKALD_OK) | one(SKALD_FULL);
}

static void op_submit(void) {
    const uint8_t size = next(), how = next(), rules = next();
    request *r = NULL, spare;
    skald_request q;
    skald_report why = fresh_report();
    skald_request_id id = 0;
    if (!office.engine) return;
    hear(); /* an end that is told makes room */
    for (uint32_t i = 0; i < N_REQUESTS; i++)
        if (!office.requests[i].lives) r = &office.requests[i];
    const bool has_room = r != NULL;
    if (!r) r = &spare;
    bool right = some_request(r, &q, size, how);
    if (rules & 1 && world.grammar) give_grammar(r, &q);
    set allowed = right ? has_room ? submitted(r) : one(SKALD_FULL) : one(SKALD_ARGUMENT);
    if (right && r->matcher && skald_matcher_least(r->matcher) > r->n_tokens) allowed |= one(SKALD_ARGUMENT);
    const skald_status status = skald_engine_submit(&id, office.engine, &q, &why);
    expect_why(status, allowed, &why);
    PROMISE((status == SKALD_OK) == (id != 0));
    if (!id) let_go(r);
    else PROMISE(skald_engine_cancel(office.engine, 0) == SKALD_ABSENT);
    r->id = id;
    office.n_submitted += id != 0;
    if (id) office.is_done = false;
}

/* ---- the other calls */

static void op_forgo(void) {
    request *r = &office.requests[next() % N_REQUESTS];
    if (!office.engine) return;
    hear();
    expect(skald_engine_cancel(office.engine, r->id), one(r->lives ? SKALD_OK : SKALD_ABSENT));
    if (!r->lives || r->is_cancelled) return;
    r->is_cancelled = true;
    r->most = r->n_told + (office.is_paused ? 1 + MOST_DRAFT : 0);
}

static void check_office(void) {
    skald_engine_stats s = {.size = sizeof s};
    PROMISE(skald_engine_get_stats(&s, office.engine) == SKALD_OK);
    PROMISE(s.n_pages == ENGINE_PAGES && s.n_pages_free <= ENGINE_PAGES && s.n_kept <= office.n_kept);
    PROMISE(s.n_ended <= s.n_submitted && s.n_submitted <= office.n_submitted && s.n_right <= s.n_drafted);
    if (!office.is_done) return;
    PROMISE(s.n_submitted == office.n_submitted && s.n_ended == s.n_submitted && !s.n_waiting && !s.n_running);
}

static void work(uint32_t microseconds) {
    skald_report why = fresh_report();
    const bool has_none = n_waiting() == 0;
    const skald_status status = skald_engine_step(office.engine, microseconds, &why);
    expect_why(status, one(SKALD_OK) | one(SKALD_END) | (microseconds ? one(SKALD_PENDING) : 0), &why);
    office.is_paused = status == SKALD_PENDING, office.is_done = status == SKALD_END;
    if (has_none && !microseconds) PROMISE(status == SKALD_END);
}

static void op_work(void) {
    const uint8_t how = next();
    if (!office.engine) return;
    for (uint32_t turns = how >> 3; turns < 32; turns++) work(how & 1 ? 1 + how / 8 : 0);
    if (how & 2) hear();
    if (office.is_done && how & 2) PROMISE(n_waiting() == 0);
    check_office();
}

static void free_office(void) {
    ask_begin();
    expect(skald_engine_free(office.engine), one(SKALD_OK));
    ask_end();
    for (uint32_t i = 0; i < N_REQUESTS; i++)
        if (office.requests[i].lives) let_go(&office.requests[i]);
    memset(&office, 0, sizeof office);
}

static void make_office(uint8_t how) {
    skald_engine_options o;
    skald_report why = fresh_report();
    skald_engine_options_init(&o, sizeof o);
    o.n_running = 1 + how % 3, o.n_requests = office.n_requests = 1 + (how >> 2) % N_REQUESTS;
    o.n_kept = office.n_kept = 1 + (how >> 4 & 1);
    o.n_tokens = ENGINE_PAGES * SKALD_PAGE_TOKENS, o.n_text = ENGINE_TEXT;
    o.n_rows = 32, o.n_prompt_rows = 8, o.n_top = 2;
    o.lookup = how >> 5 & 1, o.no_sharing = how >> 6 & 1;
    if (how & 128 && !o.lookup) o.draft = models[(world.kind + how % 2) % TINY_KINDS];
    if (how >= 0xf0) o.n_draft = MOST_DRAFT + 1;
    const uint64_t before = live;
    ask_begin();
    const skald_status status = skald_engine_create(&office.engine, world.model, &o, &why);
    ask_end();
    expect_why(status, asked(one(how >= 0xf0 ? SKALD_ARGUMENT : SKALD_OK)), &why);
    PROMISE((status == SKALD_OK) == (office.engine != NULL));
    if (!office.engine) PROMISE(live == before);
    else check_office();
}

static void op_engine(void) {
    const uint8_t how = next();
    if (office.engine) free_office();
    else if (world.model) make_office(how);
}
#endif

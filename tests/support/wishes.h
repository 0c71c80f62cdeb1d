/* Requests with what came of them: in an engine, and alone by the calls that a host would use itself. */
#ifndef SK_TESTS_WISHES_H
#define SK_TESTS_WISHES_H
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"

#define MOST_REQUESTS 64
#define MOST_IDS      700

/* What a request is, and what came of it. */
typedef struct wish {
    int32_t prompt[MOST_IDS];
    uint32_t n_prompt, n_tokens;
    int32_t priority;
    uint64_t deadline;
    uint32_t seed; /* 0: greedy */
    skald_span_adapter by[2];
    uint32_t n_by;
    skald_request_id id;
    int32_t answer[MOST_IDS];
    uint32_t n_answer;
    skald_event_kind end;
    uint64_t bits; /* of all its logits */
} wish;

typedef struct engine {
    world w;
    skald_engine *at;
    host_memory *memory;
} engine;

static inline uint64_t mix(uint64_t hash, const float *logits, uint32_t n) {
    const unsigned char *bytes = (const unsigned char *)logits;
    for (size_t i = 0; i < n * sizeof *logits; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static inline void look(void *user, float *logits, uint32_t n_vocab, uint64_t position, const int32_t *text,
                        uint32_t n_text) {
    wish *q = user;
    CHECK(position >= q->n_prompt);
    CHECK(n_text <= 64 && n_text <= position && text[n_text - 1] >= 0);
    q->bits = mix(q->bits, logits, n_vocab);
}

static inline skald_sampler_options sampler_of(const wish *q) {
    skald_sampler_options o;
    skald_sampler_options_init(&o, sizeof o);
    if (!q->seed) return o;
    o.temperature = 1.5f, o.top_k = 40, o.repetition = 1.1f, o.seed = q->seed;
    return o;
}

/* ---- alone, by the calls that a host would use itself */

static inline void run_alone(world *w, wish *q) {
    skald_seq seq;
    skald_sampler *sampler;
    int32_t text[2 * MOST_IDS];
    uint32_t n = q->n_prompt, read = 0;
    const skald_sampler_options o = sampler_of(q);
    q->n_answer = 0, q->bits = 1;
    memcpy(text, q->prompt, n * sizeof *text);
    CHECK_EQUAL(skald_sampler_create(&sampler, w->model, &o, NULL), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_open(&seq, w->cache), SKALD_OK);
    for (q->end = SKALD_EVENT_LENGTH; q->n_answer < q->n_tokens;) {
        const skald_span span = {.size = sizeof span,
                                 .seq = seq,
                                 .tokens = text + read,
                                 .n_tokens = n - read,
                                 .adapters = q->by,
                                 .n_adapters = q->n_by};
        int32_t id = -1;
        if (!CHECK_EQUAL(skald_step(w->context, w->cache, NULL, NULL, &span, 1), SKALD_OK)) break;
        q->bits = mix(q->bits, skald_logits(w->context, 0), w->info.n_vocab);
        CHECK_EQUAL(skald_sampler_choose(&id, sampler, skald_logits(w->context, 0), n, text, n), SKALD_OK);
        read = n;
        text[n++] = q->answer[q->n_answer++] = id;
    }
    skald_kv_cache_release(w->cache, seq);
    skald_sampler_free(sampler);
}

/* ---- in an engine */

static inline skald_engine_options options_of(uint32_t n_running, uint32_t n_tokens) {
    skald_engine_options o;
    skald_engine_options_init(&o, sizeof o);
    o.n_running = n_running, o.n_tokens = n_tokens, o.n_rows = 96, o.n_prompt_rows = 40, o.n_requests = MOST_REQUESTS,
    o.n_text = 65536;
    return o;
}

static inline engine open_engine_on(const skald_engine_options *o, uint32_t n_threads) {
    engine e = {.memory = malloc(sizeof *e.memory)};
    skald_report why = {.size = sizeof why};
    memory_init(e.memory);
    const world_options room = {.memory = &e.memory->allocator,
                                .n_tokens = 2048,
                                .n_threads = n_threads,
                                .max_rank = o->max_rank};
    CHECK_EQUAL(world_open(&e.w, &room), SKALD_OK);
    CHECK_SAID(skald_engine_create(&e.at, e.w.model, o, &why) == SKALD_OK, "%s", why.text);
    return e;
}

static inline engine open_engine(const skald_engine_options *o) { return open_engine_on(o, 2); }

static inline void close_engine(engine *e) {
    CHECK_EQUAL(skald_engine_free(e->at), SKALD_OK);
    world_close(&e->w);
    CHECK_SAID(e->memory->live == 0 && !e->memory->n_mistakes, "%llu bytes kept", (unsigned long long)e->memory->live);
    free(e->memory);
}

static inline skald_status submit(engine *e, wish *q) {
    skald_report why = {.size = sizeof why};
    const skald_sampler_options sampler = sampler_of(q);
    const skald_request request = {.size = sizeof request,
                                   .prompt = q->prompt,
                                   .n_prompt = q->n_prompt,
                                   .n_tokens = q->n_tokens,
                                   .priority = q->priority,
                                   .deadline = q->deadline,
                                   .sampler = &sampler,
                                   .stage = look,
                                   .stage_user = q,
                                   .ignore_end = 1,
                                   .adapters = q->by,
                                   .n_adapters = q->n_by};
    q->n_answer = 0, q->bits = 1, q->end = 0;
    return skald_engine_submit(&q->id, e->at, &request, &why);
}

static inline void poll_all(engine *e, wish *wishes, uint32_t n) {
    skald_event event = {.size = sizeof event};
    while (skald_engine_poll(&event, e->at) == SKALD_OK) {
        uint32_t i = 0;
        while (i < n && wishes[i].id != event.request) i++;
        if (!CHECK_SAID(i < n, "an event of no request")) return;
        wish *q = &wishes[i];
        CHECK_EQUAL(q->end, 0);
        CHECK_EQUAL(event.position, q->n_prompt + q->n_answer);
        if (event.kind == SKALD_EVENT_TOKEN) q->answer[q->n_answer++] = event.id;
        else q->end = event.kind;
    }
}

static inline void run_all(engine *e, wish *wishes, uint32_t n, uint32_t microseconds) {
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; status != SKALD_END && i < 1000000; i++) {
        status = skald_engine_step(e->at, microseconds, NULL);
        if (!CHECK(status == SKALD_OK || status == SKALD_END || status == SKALD_PENDING)) return;
        poll_all(e, wishes, n);
    }
    CHECK_EQUAL(status, SKALD_END);
}

static inline skald_engine_stats stats_of(engine *e) {
    skald_engine_stats stats = {.size = sizeof stats};
    CHECK_EQUAL(skald_engine_get_stats(&stats, e->at), SKALD_OK);
    return stats;
}

/* Prompts that begin alike in groups, of very different lengths, some greedy and some drawn. */
static inline void make_wishes(const world *w, wish *wishes, uint32_t n, uint32_t longest) {
    for (uint32_t i = 0; i < n; i++) {
        wish *q = &wishes[i];
        const uint32_t group = i % 3, shared = group == 0 ? 0 : group == 1 ? longest / 2 : longest / 3 + 5;
        memset(q, 0, sizeof *q);
        q->n_prompt = 3 + (i * 7919u) % longest, q->n_tokens = 4 + (i * 31u) % 17, q->seed = i % 2 ? i : 0;
        q->priority = (int32_t)(i % 5) - 2;
        for (uint32_t k = 0; k < q->n_prompt; k++)
            q->prompt[k] = world_id(w, k < shared ? 5000 * group + k : 100000 * (i + 1) + k);
    }
}

static inline void compare(const wish *got, const wish *want, uint32_t n, const char *how) {
    for (uint32_t i = 0; i < n; i++) {
        CHECK_SAID(got[i].end == SKALD_EVENT_LENGTH, "%s: request %u ended with %u", how, i, got[i].end);
        CHECK_SAID(got[i].n_answer == want[i].n_answer &&
                       memcmp(got[i].answer, want[i].answer, want[i].n_answer * sizeof *want[i].answer) == 0,
                   "%s: request %u has other ids", how, i);
        CHECK_SAID(got[i].bits == want[i].bits, "%s: request %u has other logits", how, i);
    }
}
#endif

/* Requests with a grammar beside others: their answers are those of a host's own loop and are whole; the others do not notice,
 * to the bit; also when they give way and come back. And the public calls by themselves. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"
#include <math.h>

enum { N = 16, MOST = 80, PROMPT = 120 };

typedef struct wish {
    int32_t prompt[PROMPT], answer[MOST];
    uint32_t n_prompt, n_tokens, n_answer, seed;
    skald_grammar *grammar;
    skald_request_id id;
    skald_event_kind end;
    uint64_t bits;
} wish;

static const char rules[] =
    "root ::= list [a-z]*\nlist ::= \"[\" item (\",\" item)* \"]\"\nitem ::= [0-9]{1,3} | \"\\\"\" [a-z ]* \"\\\"\" | list\n";
static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":99},\"b\":{\"enum\":"
    "[\"x\",\"y\"]}},\"required\":[\"a\",\"b\"],\"additionalProperties\":false}";

static uint64_t mix(uint64_t hash, const float *logits, uint32_t n) {
    const unsigned char *bytes = (const unsigned char *)logits;
    for (size_t i = 0; i < n * sizeof *logits; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static void look(void *user, float *logits, uint32_t n_vocab, uint64_t position, const int32_t *text, uint32_t n_text) {
    wish *q = user;
    (void)position, (void)text, (void)n_text;
    q->bits = mix(q->bits, logits, n_vocab);
}

static skald_grammar *compile(world *w, skald_grammar_kind kind, const char *text, skald_report *why) {
    skald_grammar *g = NULL;
    skald_grammar_options o;
    skald_grammar_options_init(&o, sizeof o);
    o.kind = kind;
    skald_grammar_create(&g, w->model, text, strlen(text), &o, why);
    return g;
}

static skald_sampler_options sampler_of(const wish *q) {
    skald_sampler_options o;
    skald_sampler_options_init(&o, sizeof o);
    o.temperature = q->seed ? 2.0f : 0, o.top_k = q->seed ? 40 : 0, o.seed = q->seed;
    return o;
}

/* The host's own loop. */
static void run_alone(world *w, wish *q) {
    skald_seq seq;
    skald_sampler *sampler;
    skald_matcher *matcher = NULL;
    int32_t text[PROMPT + MOST];
    float *row = malloc(w->info.n_vocab * sizeof *row);
    uint32_t n = q->n_prompt, read = 0;
    const skald_sampler_options o = sampler_of(q);
    q->n_answer = 0, q->bits = 1, q->end = 0;
    memcpy(text, q->prompt, n * sizeof *text);
    CHECK_EQUAL(skald_sampler_create(&sampler, w->model, &o, NULL), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_open(&seq, w->cache), SKALD_OK);
    if (q->grammar) CHECK_EQUAL(skald_matcher_create(&matcher, q->grammar, NULL), SKALD_OK);
    while (!q->end) {
        const skald_span span = {.size = sizeof span, .seq = seq, .tokens = text + read, .n_tokens = n - read};
        int32_t id = -1;
        if (!CHECK_EQUAL(skald_step(w->context, w->cache, NULL, NULL, &span, 1), SKALD_OK)) break;
        const float *logits = skald_logits(w->context, 0);
        q->bits = mix(q->bits, logits, w->info.n_vocab);
        if (matcher) CHECK(skald_matcher_mask(row, matcher, logits, q->n_tokens - q->n_answer) >= 0);
        CHECK_EQUAL(skald_sampler_choose(&id, sampler, matcher ? row : logits, n, text, n), SKALD_OK);
        const skald_status taken = matcher ? skald_matcher_accept(matcher, id) : SKALD_OK;
        CHECK(taken >= 0);
        read = n;
        if (matcher && skald_model_is_end(w->model, id)) {
            q->end = SKALD_EVENT_STOP;
            break;
        }
        text[n++] = q->answer[q->n_answer++] = id;
        q->end = taken == SKALD_END ? SKALD_EVENT_STOP : q->n_answer == q->n_tokens ? SKALD_EVENT_LENGTH : 0;
    }
    if (matcher) CHECK_SAID(skald_matcher_may_end(matcher), "an answer is cut");
    skald_matcher_free(matcher);
    skald_kv_cache_release(w->cache, seq);
    skald_sampler_free(sampler);
    free(row);
}

static void make_wishes(world *w, wish *wishes, skald_grammar *const grammars[2]) {
    for (uint32_t i = 0; i < N; i++) {
        wish *q = &wishes[i];
        memset(q, 0, sizeof *q);
        q->n_prompt = 70 + i * 3, q->seed = i % 3 ? i : 0;
        q->n_tokens = i % 4 == 1 ? 4 + i : 40 + (i * 7) % 40; /* so few that the last ones are spent on an end */
        q->grammar = i % 2 ? grammars[i / 2 % 2] : NULL;
        for (uint32_t k = 0; k < q->n_prompt; k++) q->prompt[k] = world_id(w, 977 * i + k);
    }
}

static void run_all(world *w, const skald_engine_options *o, wish *wishes, uint32_t every) {
    skald_engine *e;
    skald_event event = {.size = sizeof event};
    CHECK_EQUAL(skald_engine_create(&e, w->model, o, NULL), SKALD_OK);
    for (uint32_t i = 0; i < N; i++) {
        wish *q = &wishes[i];
        const skald_sampler_options sampler = sampler_of(q);
        const skald_request request = {.size = sizeof request,
                                       .prompt = q->prompt,
                                       .n_prompt = q->n_prompt,
                                       .n_tokens = q->n_tokens,
                                       .sampler = &sampler,
                                       .stage = look,
                                       .stage_user = q,
                                       .ignore_end = 1,
                                       .grammar = q->grammar};
        q->n_answer = 0, q->bits = 1, q->end = 0;
        if (i % every == 0) CHECK_EQUAL(skald_engine_submit(&q->id, e, &request, NULL), SKALD_OK);
        else q->id = 0;
    }
    while (skald_engine_step(e, 0, NULL) == SKALD_OK)
        while (skald_engine_poll(&event, e) == SKALD_OK)
            for (uint32_t i = 0; i < N; i++) {
                if (wishes[i].id != event.request) continue;
                if (event.kind == SKALD_EVENT_TOKEN) wishes[i].answer[wishes[i].n_answer++] = event.id;
                else wishes[i].end = event.kind;
            }
    while (skald_engine_poll(&event, e) == SKALD_OK)
        for (uint32_t i = 0; i < N; i++)
            if (wishes[i].id == event.request && event.kind != SKALD_EVENT_TOKEN) wishes[i].end = event.kind;
    skald_engine_stats stats = {.size = sizeof stats};
    skald_engine_get_stats(&stats, e);
    if (o->n_tokens < 1024) CHECK_SAID(stats.n_preempted > 0, "nobody gave way");
    CHECK_EQUAL(skald_engine_free(e), SKALD_OK);
}

static void compare(const wish *got, const wish *want, const char *how) {
    for (uint32_t i = 0; i < N; i++) {
        if (!got[i].id) continue;
        CHECK_SAID(got[i].end == want[i].end, "%s: request %u ended with %u, expected %u", how, i, got[i].end,
                   want[i].end);
        CHECK_SAID(got[i].n_answer == want[i].n_answer &&
                       !memcmp(got[i].answer, want[i].answer, got[i].n_answer * sizeof *got[i].answer),
                   "%s: request %u has other ids", how, i);
        CHECK_SAID(got[i].bits == want[i].bits, "%s: request %u has other logits", how, i);
    }
}

static void beside_others(world *w, skald_grammar *const grammars[2]) {
    static wish want[N], got[N];
    skald_engine_options o;
    skald_engine_options_init(&o, sizeof o);
    o.n_running = N, o.n_tokens = 4096, o.n_rows = 96, o.n_requests = N, o.n_text = 16384, o.n_prompt_rows = 40;
    make_wishes(w, want, grammars);
    memcpy(got, want, sizeof got);
    for (uint32_t i = 0; i < N; i++) run_alone(w, &want[i]);
    run_all(w, &o, got, 2);
    compare(got, want, "without constrained ones");
    run_all(w, &o, got, 1);
    compare(got, want, "all at once");
    o.n_tokens = 512;
    o.n_running = 8;
    run_all(w, &o, got, 1);
    compare(got, want, "few pages");
}

static void refused(world *w, skald_grammar *g) {
    skald_engine *e;
    skald_engine_options o;
    skald_request_id id;
    skald_report why = {.size = sizeof why};
    const int32_t prompt = 3;
    skald_engine_options_init(&o, sizeof o);
    o.n_tokens = 1024, o.n_running = 2;
    CHECK_EQUAL(skald_engine_create(&e, w->model, &o, NULL), SKALD_OK);
    skald_request request = {.size = sizeof request, .prompt = &prompt, .n_prompt = 1, .n_tokens = 2, .grammar = g};
    CHECK_EQUAL(skald_engine_submit(&id, e, &request, &why), SKALD_ARGUMENT);
    CHECK_SAID(strstr(why.text, "shortest text may take 3 tokens"), "%s", why.text);
    request.n_tokens = 3;
    CHECK_EQUAL(skald_engine_submit(&id, e, &request, &why), SKALD_OK);
    CHECK_EQUAL(skald_engine_free(e), SKALD_OK); /* a request that has not ended lets its grammar go */
    skald_grammar *none;
    CHECK(!compile(w, 77, rules, &why) && strstr(why.text, "number 77"));
    CHECK_EQUAL(skald_grammar_create(&none, NULL, rules, 3, NULL, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_grammar_create(&none, w->model, "root", 4, NULL, &why), SKALD_FORMAT);
}

int main(void) {
    static host_memory memory;
    world w;
    skald_report why = {.size = sizeof why};
    memory_init(&memory);
    CHECK_EQUAL(world_open(&w, &(world_options){.memory = &memory.allocator, .n_tokens = 2048}), SKALD_OK);
    skald_grammar *grammars[2] = {compile(&w, SKALD_GRAMMAR_RULES, rules, &why), NULL};
    CHECK_SAID(grammars[0] != NULL, "%s", why.text);
    grammars[1] = compile(&w, SKALD_GRAMMAR_JSON_SCHEMA, schema, &why);
    if (CHECK_SAID(grammars[1] != NULL, "%s", why.text)) {
        beside_others(&w, grammars);
        refused(&w, grammars[0]);
    }
    skald_grammar_release(grammars[0]);
    skald_grammar_release(grammars[1]);
    world_close(&w);
    CHECK_SAID(memory.live == 0 && !memory.n_mistakes, "%llu bytes kept", (unsigned long long)memory.live);
    return sk_checked();
}

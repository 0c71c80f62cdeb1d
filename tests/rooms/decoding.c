/* Features of an answer in the engine: where its text ends and begins, how likely its ids are, and drafts, with which every
 * answer is the one without. */
#define SK_ALLOW_LIBC_MEMORY
#include "base/random.h"
#include "decode/pace.h"
#include "decode/stop.h"
#include "engine/engine.h"
#include "support/check.h"
#include "support/world.h"
#include <math.h>

#define TINY(name)  SK_TEST_DATA "/tiny/" name "/model-f32.gguf"
#define MOST_TEXT   2048
#define MOST_WISHES 200

static uint32_t counter;

static uint32_t random_below(uint32_t n) { return (uint32_t)(sk_random(8, counter++, 0) * n); }

/* ---- a request and what came of it */

typedef struct wish {
    skald_request request;
    skald_sampler_options sampler;
    int32_t prompt[300];
    skald_request_id id;
    int32_t answer[300];
    char text[MOST_TEXT];
    size_t n_bytes;
    uint32_t n_answer, n_drafted, n_right;
    skald_event_kind end;
    int32_t stop;
    uint64_t bits; /* of all logits that the stage saw */
    uint64_t next; /* position that the stage will be called for */
} wish;

static wish want[MOST_WISHES], got[MOST_WISHES];

static void look(void *user, float *logits, uint32_t n_vocab, uint64_t position, const int32_t *text, uint32_t n_text) {
    wish *q = user;
    const unsigned char *bytes = (const unsigned char *)logits;
    CHECK_EQUAL(position, q->next++);
    CHECK(n_text == (position < 64 ? position : 64) && text[n_text - 1] >= 0);
    for (size_t i = 0; i < n_vocab * sizeof *logits; i++) q->bits = (q->bits ^ bytes[i]) * 0x100000001b3u;
}

static void begin_wish(wish *q, uint32_t n_prompt, uint32_t n_tokens) {
    memset(q, 0, sizeof *q);
    skald_sampler_options_init(&q->sampler, sizeof q->sampler);
    q->request = (skald_request){.size = sizeof q->request, .n_prompt = n_prompt, .n_tokens = n_tokens};
}

static skald_status submit(skald_engine *engine, wish *q) {
    q->request.prompt = q->prompt, q->request.sampler = &q->sampler;
    if (!q->request.stage) q->request.stage = look, q->request.stage_user = q;
    q->next = q->request.n_prompt - q->request.n_heal;
    q->bits = 1, q->n_answer = 0, q->n_bytes = 0, q->end = 0;
    return skald_engine_submit(&q->id, engine, &q->request, NULL);
}

static void hear(wish *q, const skald_event *event) {
    CHECK(q->n_bytes + event->n_bytes < MOST_TEXT);
    if (event->n_bytes) memcpy(q->text + q->n_bytes, event->text, event->n_bytes);
    q->text[q->n_bytes += event->n_bytes] = '\0';
    if (event->kind == SKALD_EVENT_TOKEN) q->answer[q->n_answer++] = event->id;
    else q->end = event->kind, q->stop = event->stop, q->n_drafted = event->n_drafted, q->n_right = event->n_right;
}

/* A drafter has read the text, or some ids beyond it. */
static void check_drafter(const skald_engine *e) {
    for (uint32_t i = 0; i < e->n_running; i++) {
        const sk_request *r = &e->entries[e->running[i]];
        CHECK_SAID(r->now.n_draft_read <= r->now.n_text + SK_DRAFT_MOST, "%u ids of %u were read for drafts",
                   r->now.n_draft_read, r->now.n_text);
    }
}

static void run(skald_engine *engine, wish *wishes, uint32_t n, uint32_t microseconds) {
    skald_status status = SKALD_OK;
    skald_event event = {.size = sizeof event};
    skald_report why = {.size = sizeof why};
    while (status != SKALD_END) {
        status = skald_engine_step(engine, microseconds, &why);
        if (!CHECK(status >= 0)) return;
        CHECK(!why.text[0]); /* that one gave way is no failure */
        check_drafter(engine);
        while (skald_engine_poll(&event, engine) == SKALD_OK)
            for (uint32_t i = 0; i < n; i++)
                if (wishes[i].id == event.request) hear(&wishes[i], &event);
    }
}

/* As many drafts as in the case whose prompts leave no row for them. */
enum { FILLED = 7 };

static skald_engine *make_engine(skald_model *model, uint32_t n_running, uint32_t n_tokens, uint32_t lookup,
                                 skald_model *draft, uint32_t n_draft) {
    skald_engine *engine = NULL;
    skald_engine_options o;
    skald_report why = {.size = sizeof why};
    skald_engine_options_init(&o, sizeof o);
    o.n_running = n_running, o.n_tokens = n_tokens, o.n_rows = 128, o.n_text = 65536, o.n_top = 4;
    o.n_prompt_rows = n_draft == FILLED ? 128 : 0;
    o.lookup = lookup, o.draft = draft, o.n_draft = n_draft;
    CHECK_SAID(skald_engine_create(&engine, model, &o, &why) == SKALD_OK, "%s", why.text);
    return engine;
}

static skald_model *open_model(world *w, const char *path) {
    skald_model *model = NULL;
    CHECK_EQUAL(skald_model_open_path(&model, w->runtime, path, NULL, NULL), SKALD_OK);
    return model;
}

/* ---- stops */

/* Where the first stop ends, by looking at all of the text: the earliest end, of equals the longest string. */
static size_t slow_stop(const char *text, size_t n, const char *const *stops, uint32_t n_stops, int32_t *which) {
    *which = -1;
    for (size_t end = 1; end <= n; end++) {
        size_t best = 0;
        for (uint32_t i = 0; i < n_stops; i++) {
            const size_t length = strlen(stops[i]);
            if (length <= end && length > best && memcmp(text + end - length, stops[i], length) == 0)
                best = length, *which = (int32_t)i;
        }
        if (best) return end - best;
    }
    return n;
}

/* The longest end of the text that begins a stop. */
static size_t slow_held(const char *text, size_t n, const char *const *stops, uint32_t n_stops) {
    size_t held = 0;
    for (uint32_t i = 0; i < n_stops; i++)
        for (size_t k = 1; k < strlen(stops[i]) && k <= n; k++)
            if (memcmp(text + n - k, stops[i], k) == 0 && k > held) held = k;
    return held;
}

/* A text in pieces cut at `first`, then byte by byte or at once. */
static void push_cut(const sk_stops *s, const char *text, size_t n, size_t first, size_t step,
                     const char *const *stops) {
    char out[1024], piece[1024];
    size_t n_out = 0, n_piece, done = 0;
    sk_stop_state state = {{0}};
    int32_t which, met = -1;
    const size_t shown = slow_stop(text, n, stops, s->n, &which);
    while (done < n && met < 0) {
        const size_t length = done == 0 && first ? first : n - done < step ? n - done : step;
        met = sk_stops_push(piece, &n_piece, s, &state, text + done, length);
        memcpy(out + n_out, piece, n_piece);
        n_out += n_piece, done += length;
        if (met < 0) CHECK_EQUAL(done - n_out, slow_held(text, done, stops, s->n));
    }
    if (met < 0) n_out += sk_stops_end(out + n_out, s, &state);
    CHECK_EQUAL(met, which);
    CHECK_SAID(n_out == shown && memcmp(out, text, n_out) == 0, "cut at %zu of %zu: %zu bytes, expected %zu", first, n,
               n_out, shown);
}

static void stops_at_every_border(void) {
    sk_stops s;
    static const char *const words[] = {"</answer>", "\n\n", "answer>x", "\xc3\xa9t\xc3\xa9", "ss"};
    static const char text[] = "<<//answe </answer </answe\xc3\xa9t\xc3\xa8 \n \xc3\xa9t s </answer> \n\nss";
    CHECK_EQUAL(sk_stops_set(&s, words, 5, NULL), SKALD_OK);
    for (size_t cut = 0; cut < sizeof text - 1; cut++)
        for (size_t step = 1; step < sizeof text; step += 7) push_cut(&s, text, sizeof text - 1, cut, step, words);
    for (uint32_t round = 0; round < 3000; round++) { /* of two letters, so that strings overlap themselves */
        char random[40], strings[4][8];
        const char *list[4];
        const uint32_t n_stops = 1 + random_below(4), n = 1 + random_below(39);
        for (uint32_t i = 0; i < n; i++) random[i] = (char)('a' + random_below(2));
        for (uint32_t i = 0; i < n_stops; i++) {
            const uint32_t length = 1 + random_below(7);
            for (uint32_t k = 0; k < length; k++) strings[i][k] = (char)('a' + random_below(2));
            strings[i][length] = '\0', list[i] = strings[i];
        }
        CHECK_EQUAL(sk_stops_set(&s, list, n_stops, NULL), SKALD_OK);
        push_cut(&s, random, n, random_below(n), 1 + random_below(5), list);
    }
    static const char *const bad[] = {"", "\xc3", "\xff"};
    for (int i = 0; i < 3; i++) CHECK_EQUAL(sk_stops_set(&s, bad + i, 1, NULL), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_stops_set(&s, words, 9, NULL), SKALD_ARGUMENT);
}

static void draw_text(wish *q, uint32_t seed) { q->sampler.temperature = 1.2f, q->sampler.seed = seed; }

/* Every piece of a free answer, of up to five characters and from each character on, as the stop of a request of its own. */
static void stops_of_an_answer(world *w) {
    skald_engine *engine = make_engine(w->model, 16, 4096, 0, NULL, 0);
    wish *whole = &want[0];
    begin_wish(whole, 20, 24);
    world_text(whole->prompt, w, 0, 20);
    draw_text(whole, 5);
    whole->request.ignore_end = 1;
    CHECK_EQUAL(submit(engine, whole), SKALD_OK);
    run(engine, whole, 1, 0);
    CHECK_EQUAL(whole->end, SKALD_EVENT_LENGTH);
    for (size_t from = 0; from < whole->n_bytes; from++) {
        if (((unsigned char)whole->text[from] & 0xc0) == 0x80) continue;
        uint32_t n = 0;
        char strings[5][32];
        const char *list[5];
        size_t to = from;
        for (; n < 5 && to < whole->n_bytes; n++) {
            for (to++; to < whole->n_bytes && ((unsigned char)whole->text[to] & 0xc0) == 0x80;) to++;
            memcpy(strings[n], whole->text + from, to - from);
            strings[n][to - from] = '\0', list[n] = strings[n];
            got[n] = *whole;
            got[n].request.stops = &list[n], got[n].request.n_stops = 1, got[n].request.stage = NULL;
            CHECK_EQUAL(submit(engine, &got[n]), SKALD_OK);
        }
        run(engine, got, n, 0);
        for (uint32_t i = 0; i < n; i++) {
            int32_t which;
            const size_t shown = slow_stop(whole->text, whole->n_bytes, &list[i], 1, &which);
            CHECK(got[i].end == SKALD_EVENT_STOP && got[i].stop == 0);
            CHECK_SAID(got[i].n_bytes == shown && memcmp(got[i].text, whole->text, shown) == 0,
                       "stop at %zu, %u characters: %zu bytes, expected %zu", from, i + 1, got[i].n_bytes, shown);
            CHECK(memcmp(got[i].answer, whole->answer, got[i].n_answer * sizeof(int32_t)) == 0);
        }
    }
    CHECK_EQUAL(skald_engine_free(engine), SKALD_OK);
}

/* ---- healing */

static void heals_at_every_border(world *w) {
    static const char text[] = "The quick brown fox said that it wasn't there; return sum / len(xs)\n";
    skald_engine *engine = make_engine(w->model, 16, 4096, 1, NULL, 0);
    for (uint32_t cut = 2; cut < sizeof text; cut++) {
        const uint32_t heal = cut % 3, n_prefix = cut + 6 < sizeof text ? cut % 7 : 0;
        char last[64];
        size_t n_last = sizeof last;
        wish *q = &got[cut];
        begin_wish(q, 300, 12);
        if (!CHECK_EQUAL(skald_encode(q->prompt, &q->request.n_prompt, w->model, 0, text, cut), SKALD_OK)) return;
        draw_text(q, cut);
        q->request.ignore_end = 1;
        q->request.n_heal = heal < q->request.n_prompt ? heal : 0;
        q->request.prefix = text + cut, q->request.n_prefix = n_prefix;
        CHECK_EQUAL(submit(engine, q), SKALD_OK);
        CHECK_EQUAL(skald_decode(last, &n_last, w->model, 0, q->prompt + q->request.n_prompt - q->request.n_heal,
                                 q->request.n_heal),
                    SKALD_OK);
        q->stop = (int32_t)n_last;
    }
    for (uint32_t cut = 2; cut < sizeof text; cut++) want[cut].n_bytes = (size_t)got[cut].stop;
    run(engine, got + 2, sizeof text - 2, 0);
    for (uint32_t cut = 2; cut < sizeof text; cut++) {
        const size_t back = want[cut].n_bytes, n = back + got[cut].request.n_prefix;
        CHECK_EQUAL(got[cut].end, SKALD_EVENT_LENGTH);
        CHECK_SAID(got[cut].n_bytes >= n && memcmp(got[cut].text, text + cut - back, n) == 0,
                   "cut at %u: \"%s\" does not begin with %zu bytes from %zu", cut, got[cut].text, n, cut - back);
    }
    wish *q = &got[0]; /* a control token cannot be taken back, nor all of the prompt */
    begin_wish(q, 2, 3);
    q->prompt[1] = skald_model_token(w->model, SKALD_TOKEN_EOS);
    q->request.n_heal = 1;
    CHECK_EQUAL(submit(engine, q), SKALD_ARGUMENT);
    q->request.n_heal = 2, q->prompt[1] = q->prompt[0];
    CHECK_EQUAL(submit(engine, q), SKALD_ARGUMENT);
    q->request.n_heal = 0, q->request.n_prefix = 257, q->request.prefix = text;
    CHECK_EQUAL(submit(engine, q), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_engine_free(engine), SKALD_OK);
}

/* ---- the short way */

static int32_t collect(void *user, const char *text, size_t n_bytes) {
    wish *q = user;
    memcpy(q->text + q->n_bytes, text, n_bytes);
    q->text[q->n_bytes += n_bytes] = '\0';
    return 0;
}

static void generates(world *w) {
    skald_generate_options o;
    skald_generate_options_init(&o, sizeof o);
    o.n_tokens = 20;
    wish *free_one = &want[0], *q = &got[0];
    free_one->n_bytes = 0;
    CHECK_EQUAL(skald_generate(w->model, "The quick", &o, collect, free_one, NULL), SKALD_OK);
    CHECK(free_one->n_bytes > 8);
    for (size_t from = 0; from < free_one->n_bytes; from++) {
        char stop[8] = {0};
        size_t to = from + 1;
        if (((unsigned char)free_one->text[from] & 0xc0) == 0x80) continue;
        while (to < free_one->n_bytes && ((unsigned char)free_one->text[to] & 0xc0) == 0x80) to++;
        memcpy(stop, free_one->text + from, to - from);
        const char *list[] = {stop};
        int32_t which;
        o.stops = list, o.n_stops = 1;
        q->n_bytes = 0;
        CHECK_EQUAL(skald_generate(w->model, "The quick", &o, collect, q, NULL), SKALD_OK);
        CHECK_EQUAL(q->n_bytes, slow_stop(free_one->text, free_one->n_bytes, list, 1, &which));
        CHECK(memcmp(q->text, free_one->text, q->n_bytes) == 0);
    }
    /* a prompt cut inside a word goes on with the word: all but the rest of it is forbidden by a bias */
    const char *const whole = "In the";
    int32_t ids[20], last;
    uint32_t n = 20, n_cut = 20;
    CHECK_EQUAL(skald_encode(ids, &n, w->model, 0, whole, strlen(whole)), SKALD_OK);
    last = ids[n - 1];
    CHECK_EQUAL(skald_encode(ids, &n_cut, w->model, 0, whole, strlen(whole) - 1), SKALD_OK);
    const skald_logit_bias bias = {.id = last, .bias = 1000};
    skald_sampler_options sampler;
    skald_sampler_options_init(&sampler, sizeof sampler);
    sampler.bias = &bias, sampler.n_bias = 1;
    o.n_stops = 0, o.n_tokens = 1, o.heal = 1, o.sampler = &sampler;
    char prompt[32], rest[32];
    size_t n_rest = sizeof rest;
    CHECK_EQUAL(skald_decode(rest, &n_rest, w->model, 0, &last, 1), SKALD_OK);
    if (CHECK(n_rest > 1)) {
        snprintf(prompt, sizeof prompt, "%.*s", (int)(strlen(whole) - n_rest + 1), whole);
        q->n_bytes = 0;
        CHECK_EQUAL(skald_generate(w->model, prompt, &o, collect, q, NULL), SKALD_OK);
        CHECK_SAID(q->n_bytes == n_rest - 1 && memcmp(q->text, rest + 1, n_rest - 1) == 0, "\"%s\" goes on with \"%s\"",
                   prompt, q->text);
    }
    o.chat = 1;
    CHECK_EQUAL(skald_generate(w->model, "x", &o, collect, q, NULL), SKALD_ARGUMENT);
}

/* ---- log-probabilities */

typedef struct rows {
    float *logits; /* [20][n_vocab] */
    uint64_t first;
} rows;

static void keep_row(void *user, float *logits, uint32_t n_vocab, uint64_t position, const int32_t *text, uint32_t n) {
    rows *kept = user;
    (void)text, (void)n;
    memcpy(kept->logits + (position - kept->first) * n_vocab, logits, n_vocab * sizeof *logits);
}

static void logprobs(world *w) {
    enum { N = 20, TOP = 4 };
    const uint32_t n_vocab = w->info.n_vocab;
    skald_engine *engine = make_engine(w->model, 4, 1024, 1, NULL, 0);
    rows kept = {.logits = malloc(N * n_vocab * sizeof(float)), .first = 30};
    wish *q = &got[0];
    begin_wish(q, 30, N);
    world_text(q->prompt, w, 0, 30);
    draw_text(q, 3);
    q->request.ignore_end = 1, q->request.n_top = TOP, q->request.stage = keep_row, q->request.stage_user = &kept;
    CHECK_EQUAL(submit(engine, q), SKALD_OK);
    while (skald_engine_step(engine, 0, NULL) == SKALD_OK) {}
    skald_event event = {.size = sizeof event};
    for (uint32_t i = 0; i < N && CHECK_EQUAL(skald_engine_poll(&event, engine), SKALD_OK); i++) {
        const float *x = kept.logits + i * n_vocab;
        double sum = 0;
        for (uint32_t k = 0; k < n_vocab; k++) sum += exp((double)x[k]);
        CHECK_EQUAL(event.n_top, TOP);
        CHECK(fabs((double)event.logprob - ((double)x[event.id] - log(sum))) < 1e-5);
        for (uint32_t t = 0; t < TOP; t++) {
            uint32_t before = 0;
            const skald_logprob *top = &event.top[t];
            for (uint32_t k = 0; k < n_vocab; k++)
                before += x[k] > x[top->id] || (x[k] >= x[top->id] && k < (uint32_t)top->id);
            CHECK_EQUAL(before, t);
            CHECK(fabs((double)top->logprob - ((double)x[top->id] - log(sum))) < 1e-5);
        }
    }
    q->request.n_top = 5;
    CHECK_EQUAL(submit(engine, q), SKALD_ARGUMENT);
    free(kept.logits);
    CHECK_EQUAL(skald_engine_free(engine), SKALD_OK);
}

/* ---- drafts */

/* Prompts that repeat themselves and such that do not, greedy, drawn, and drawn with penalties. */
static void make_wishes(const skald_model_info *info, uint32_t n, uint32_t longest) {
    for (uint32_t i = 0; i < n; i++) {
        wish *q = &want[i];
        begin_wish(q, 9 + random_below(longest), 3 + random_below(30));
        const uint32_t period = 3 + random_below(q->request.n_prompt);
        for (uint32_t k = 0; k < q->request.n_prompt; k++)
            q->prompt[k] = (int32_t)(((k % period + 977u * i) * 2654435761u >> 8) % info->n_vocab);
        q->request.ignore_end = i % 5 != 0, q->request.priority = (int32_t)(i % 3);
        if (i % 3 == 0) continue;
        q->sampler.temperature = 0.3f + 0.1f * (float)(i % 11), q->sampler.seed = i, q->sampler.top_k = i % 2 ? 20 : 0;
        if (i % 4 == 2) q->sampler.repetition = 1.2f, q->sampler.presence = 0.3f;
    }
}

static void run_wishes(skald_engine *engine, wish *wishes, uint32_t n, uint32_t microseconds) {
    for (uint32_t i = 0; i < n; i++) CHECK_EQUAL(submit(engine, &wishes[i]), SKALD_OK);
    run(engine, wishes, n, microseconds);
}

static void compare(uint32_t n, const char *how) {
    for (uint32_t i = 0; i < n; i++) {
        const wish *a = &got[i], *b = &want[i];
        CHECK_SAID(a->end == b->end && a->n_answer == b->n_answer &&
                       memcmp(a->answer, b->answer, b->n_answer * sizeof *b->answer) == 0,
                   "%s: request %u has other ids", how, i);
        CHECK_SAID(a->bits == b->bits, "%s: request %u has other logits", how, i);
        CHECK_SAID(a->n_bytes == b->n_bytes && memcmp(a->text, b->text, b->n_bytes) == 0, "%s: request %u, other text",
                   how, i);
        CHECK(a->n_right <= a->n_drafted);
    }
}

static skald_engine_stats stats_of(skald_engine *engine) {
    skald_engine_stats stats = {.size = sizeof stats};
    CHECK_EQUAL(skald_engine_get_stats(&stats, engine), SKALD_OK);
    return stats;
}

/* The same requests without drafts, one at a time; then with drafts, many at a time. */
static void the_same_with_drafts(world *w, const char *path, const char *small, uint32_t n, int repeats) {
    static const struct {
        const char *name;
        uint32_t n_running, n_tokens, microseconds, lookup, n_draft;
        int draft; /* 1: the small model, 2: the model itself */
    } ways[] = {
        {"looked up", 12, 8192, 0, 1, 0, 0},
        {"looked up, few pages", 6, 640, 0, 1, 16, 0},
        {"looked up, interrupted", 8, 4096, 40, 1, 5, 0},
        {"a small model", 8, 4096, 0, 0, 4, 1},
        {"the model itself", 8, 4096, 0, 0, 0, 2},
        {"the model itself, few pages, interrupted", 5, 640, 40, 0, 16, 2},
        {"the model itself, steps full of prompts", 9, 4096, 0, 0, FILLED, 2},
    };
    skald_model *model = open_model(w, path), *other = open_model(w, small);
    skald_model_info info = {.size = sizeof info};
    CHECK_EQUAL(skald_model_get_info(&info, model), SKALD_OK);
    make_wishes(&info, n, 150);
    skald_engine *plain = make_engine(model, 1, 1024, 0, NULL, 0);
    memcpy(got, want, sizeof got);
    run_wishes(plain, want, n, 0);
    CHECK_EQUAL(stats_of(plain).n_drafted, 0);
    CHECK_EQUAL(skald_engine_free(plain), SKALD_OK);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        skald_model *draft = ways[i].draft == 1 ? other : ways[i].draft == 2 ? model : NULL;
        skald_engine *engine =
            make_engine(model, ways[i].n_running, ways[i].n_tokens, ways[i].lookup, draft, ways[i].n_draft);
        for (uint32_t k = 0; k < n; k++) got[k].request.stage = NULL;
        run_wishes(engine, got, n, ways[i].microseconds);
        compare(n, ways[i].name);
        const skald_engine_stats s = stats_of(engine);
        CHECK(s.n_drafted >= s.n_right && s.n_drafted > 0);
        if (ways[i].draft == 2)
            CHECK_SAID(s.n_right * 10 > s.n_drafted * 9, "of %llu drafted by itself %llu were right",
                       (unsigned long long)s.n_drafted, (unsigned long long)s.n_right);
        if (ways[i].lookup && repeats) CHECK(s.n_right > 0);
        printf("%s: %llu of %llu drafts right, %llu steps, %llu gave way\n", ways[i].name,
               (unsigned long long)s.n_right, (unsigned long long)s.n_drafted, (unsigned long long)s.n_steps,
               (unsigned long long)s.n_preempted);
        CHECK_EQUAL(skald_engine_free(engine), SKALD_OK);
    }
    skald_model_release(other);
    skald_model_release(model);
}

/* The two ids that the prompt has seen together are forced; the third is drawn from the row of the draft. */
typedef struct forced {
    int32_t ids[2];
    float *logits;
    uint64_t n_prompt;
} forced;

static void force(void *user, float *logits, uint32_t n_vocab, uint64_t position, const int32_t *text,
                  uint32_t n_text) {
    forced *f = user;
    (void)text, (void)n_text;
    if (position - f->n_prompt >= 2) {
        memcpy(f->logits, logits, n_vocab * sizeof *logits);
        return;
    }
    for (uint32_t i = 0; i < n_vocab; i++)
        if ((int32_t)i != f->ids[position - f->n_prompt]) logits[i] = -INFINITY;
}

/* 4000 draws from rows of right drafts against the model's distribution at temperature 1.5. */
static void distribution(world *w) {
    enum { N = 4000, PROMPT = 30 };
    const uint32_t n_vocab = w->info.n_vocab;
    skald_engine *engine = make_engine(w->model, 16, 4096, 1, NULL, 4);
    forced f = {.logits = malloc(n_vocab * sizeof(float)), .n_prompt = PROMPT};
    long *count = calloc(n_vocab, sizeof *count);
    for (uint32_t done = 0; done < N; done += 100) {
        for (uint32_t i = 0; i < 100; i++) {
            wish *q = &got[i];
            begin_wish(q, PROMPT, 3 + 1);
            for (uint32_t k = 0; k < PROMPT; k++) q->prompt[k] = world_id(w, k % 20);
            f.ids[0] = q->prompt[10], f.ids[1] = q->prompt[11];
            q->sampler.temperature = 1.5f, q->sampler.seed = done + i;
            q->request.ignore_end = 1, q->request.stage = force, q->request.stage_user = &f;
            CHECK_EQUAL(submit(engine, q), SKALD_OK);
        }
        run(engine, got, 100, 0);
        for (uint32_t i = 0; i < 100; i++) {
            CHECK(got[i].n_right >= 1 && got[i].answer[1] == f.ids[1]);
            count[got[i].answer[2]]++;
        }
    }
    begin_wish(&want[0], PROMPT, 3); /* the row itself, drawn from without drafts */
    want[0] = got[0];
    want[0].request.n_tokens = 3;
    skald_engine *plain = make_engine(w->model, 1, 1024, 0, NULL, 0);
    CHECK_EQUAL(submit(plain, &want[0]), SKALD_OK);
    run(plain, want, 1, 0);
    double sum = 0, square = 0, rare = 0;
    long n_rare = 0;
    uint32_t bins = 0;
    for (uint32_t i = 0; i < n_vocab; i++) sum += exp((double)f.logits[i] / 1.5);
    for (uint32_t i = 0; i < n_vocab; i++) {
        const double expected = N * exp((double)f.logits[i] / 1.5) / sum;
        if (expected < 5) rare += expected, n_rare += count[i];
        else square += (count[i] - expected) * (count[i] - expected) / expected, bins++;
    }
    if (rare >= 5) square += ((double)n_rare - rare) * ((double)n_rare - rare) / rare, bins++;
    /* chi square of bins - 1 degrees of freedom: mean k, variance 2k; six deviations, and the seeds are fixed */
    printf("chi square %.1f of %u bins\n", square, bins);
    CHECK(bins > 20 && square < bins + 6 * sqrt(2.0 * bins) && square > bins - 6 * sqrt(2.0 * bins));
    free(count);
    free(f.logits);
    CHECK_EQUAL(skald_engine_free(engine), SKALD_OK);
    CHECK_EQUAL(skald_engine_free(plain), SKALD_OK);
}

/* A text that is never guessed is drafted for less and less; one that always is, as much as is allowed. */
static void pace(void) {
    sk_pace p = {0};
    uint32_t drafted = 0, most = 0;
    for (uint32_t step = 0; step < 1000; step++) {
        const uint32_t n = sk_pace_ask(&p, 16);
        drafted += n;
        if (n) sk_pace_tell(&p, n, 0);
    }
    CHECK_SAID(drafted <= 12, "%u rows of wrong drafts in 1000 steps", drafted);
    p = (sk_pace){0};
    for (uint32_t step = 0; step < 10; step++) {
        const uint32_t n = sk_pace_ask(&p, 16);
        if (n > most) most = n;
        CHECK(n > 0 && n <= 16);
        sk_pace_tell(&p, n, n);
    }
    CHECK_EQUAL(most, 16);
    sk_pace_tell(&p, 16, 3);
    CHECK_EQUAL(sk_pace_ask(&p, 16), 4);
    CHECK_EQUAL(sk_pace_ask(&p, 2), 2);
}

/* n answers to one prompt: its pages are shared, each seed has the answer that it has alone. */
static void best_of_n(world *w) {
    enum { N = 8, PROMPT = 200 };
    skald_engine *engine = make_engine(w->model, N, 4096, 0, NULL, 0),
                 *alone = make_engine(w->model, 1, 512, 0, NULL, 0);
    for (uint32_t i = 0; i < N; i++) {
        begin_wish(&want[i], PROMPT, 10);
        world_text(want[i].prompt, w, 0, PROMPT);
        draw_text(&want[i], i);
        got[i] = want[i];
    }
    run_wishes(alone, want, N, 0);
    run_wishes(engine, got, N, 0);
    compare(N, "best of n");
    CHECK(stats_of(engine).n_prompt_read < PROMPT + 2 * N + 64);
    CHECK_EQUAL(skald_engine_free(engine), SKALD_OK);
    CHECK_EQUAL(skald_engine_free(alone), SKALD_OK);
}

static void says_no(world *w) {
    skald_engine_options o;
    skald_engine *engine;
    skald_report why = {.size = sizeof why};
    skald_model *other = open_model(w, TINY("llama_mha"));
    skald_engine_options_init(&o, sizeof o);
    o.draft = other;
    CHECK_EQUAL(skald_engine_create(&engine, w->model, &o, &why), SKALD_ARGUMENT);
    CHECK(strstr(why.text, "another vocabulary"));
    o.draft = w->model, o.lookup = 1;
    CHECK_EQUAL(skald_engine_create(&engine, w->model, &o, &why), SKALD_ARGUMENT);
    o.draft = NULL, o.n_draft = 17;
    CHECK_EQUAL(skald_engine_create(&engine, w->model, &o, &why), SKALD_ARGUMENT);
    skald_model_release(other);
}

int main(void) {
    world w;
    CHECK_EQUAL(world_open(&w, &(world_options){.n_tokens = 128}), SKALD_OK);
    pace();
    stops_at_every_border();
    stops_of_an_answer(&w);
    heals_at_every_border(&w);
    generates(&w);
    logprobs(&w);
    best_of_n(&w);
    the_same_with_drafts(&w, TINY("llama_mha"), TINY("qwen3"), 200, 1);
    the_same_with_drafts(&w, TINY("gemma3"), TINY("llama_mha"), 60, 1);    /* windows */
    the_same_with_drafts(&w, TINY("qwen3next"), TINY("llama_mha"), 60, 0); /* states */
    distribution(&w);
    says_no(&w);
    world_close(&w);
    return sk_checked();
}

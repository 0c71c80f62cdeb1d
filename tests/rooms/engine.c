/* Many requests at once: each has the ids, and its logits the bits, that it has alone; whatever shares its pages, takes them
 * away, interrupts the step, or runs beside it. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/wishes.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* ---- tests */

static wish want[MOST_REQUESTS], got[MOST_REQUESTS];

static void the_same_as_alone(void) {
    static const struct {
        const char *name;
        uint32_t n_running, n_tokens, microseconds, no_sharing;
    } ways[] = {
        {"all at once", 40, 16384, 0, 0},
        {"nothing shared", 40, 16384, 0, 1},
        {"four at a time", 4, 16384, 0, 0},
        {"few pages", 12, 1024, 0, 0},
        {"few pages, nothing shared", 12, 1024, 0, 1},
        {"steps interrupted", 12, 1024, 60, 0},
    };
    enum { N = 40 };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        skald_engine_options o = options_of(ways[i].n_running, ways[i].n_tokens);
        o.no_sharing = ways[i].no_sharing;
        engine e = open_engine(&o);
        make_wishes(&e.w, got, N, 600);
        if (i == 0) {
            memcpy(want, got, sizeof want);
            for (uint32_t k = 0; k < N; k++) run_alone(&e.w, &want[k]);
        }
        for (uint32_t k = 0; k < N; k++) CHECK_EQUAL(submit(&e, &got[k]), SKALD_OK);
        run_all(&e, got, N, ways[i].microseconds);
        compare(got, want, N, ways[i].name);
        const skald_engine_stats s = stats_of(&e);
        CHECK_EQUAL(s.n_ended, N);
        CHECK_EQUAL(s.n_waiting + s.n_running, 0);
        if (ways[i].no_sharing) CHECK_EQUAL(s.n_prompt_shared, 0);
        else CHECK(s.n_prompt_shared > 1000);
        close_engine(&e);
    }
}

/* Answers that grow past the pages there are: the less important request gives way, and comes back to the same bits. */
static void gives_way_and_comes_back(void) {
    enum { N = 4 };
    const skald_engine_options o = options_of(N, 1024);
    engine e = open_engine(&o);
    make_wishes(&e.w, got, N, 40);
    for (uint32_t i = 0; i < N; i++) got[i].n_prompt = 120, got[i].n_tokens = 300;
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t k = 0; k < 120; k++) got[i].prompt[k] = world_id(&e.w, 1000 * (i + 1) + k);
    memcpy(want, got, sizeof want);
    for (uint32_t k = 0; k < N; k++) run_alone(&e.w, &want[k]);
    for (uint32_t k = 0; k < N; k++) CHECK_EQUAL(submit(&e, &got[k]), SKALD_OK);
    run_all(&e, got, N, 0);
    compare(got, want, N, "preempted");
    CHECK(stats_of(&e).n_preempted > 0);
    close_engine(&e);
}

/* ---- a trace: requests that come while others run, at drawn times */

static uint32_t random_below(uint32_t n) {
    static uint64_t state = 88172645463325252u;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

/* Request i is submitted before call at[i] of step; returns how many calls were cut short. */
static uint32_t run_arriving(engine *e, wish *wishes, const uint32_t *at, uint32_t n, uint32_t microseconds) {
    uint32_t came = 0, n_paused = 0;
    skald_status status = SKALD_OK;
    skald_report why = {.size = sizeof why};
    for (uint32_t call = 0; came < n || status != SKALD_END; call++) {
        for (; came < n && at[came] <= call; came++) CHECK_EQUAL(submit(e, &wishes[came]), SKALD_OK);
        status = skald_engine_step(e->at, microseconds, &why);
        CHECK(!why.text[0]); /* that one gave way is no failure */
        if (!CHECK(status == SKALD_OK || status == SKALD_END || status == SKALD_PENDING)) break;
        n_paused += status == SKALD_PENDING;
        poll_all(e, wishes, came);
    }
    return n_paused;
}

/* Beginnings in common, so few pages that they give way, one to four threads, and with two and four of them steps
 * that are cut short: all together. */
static void a_trace_as_alone(void) {
    enum { N = 24 };
    uint32_t at[N] = {0}, n_paused = 0;
    uint64_t n_preempted = 0, n_shared = 0;
    for (uint32_t n_threads = 1; n_threads <= 4; n_threads++) {
        const skald_engine_options o = options_of(8, 1024);
        engine e = open_engine_on(&o, n_threads);
        if (n_threads == 1) {
            make_wishes(&e.w, want, N, 500);
            for (uint32_t i = 0; i < N; i++) {
                want[i].n_tokens += random_below(100), want[i].priority = 0;
                at[i] = i ? at[i - 1] + random_below(9) : 0;
                run_alone(&e.w, &want[i]);
            }
        }
        memcpy(got, want, sizeof got);
        n_paused += run_arriving(&e, got, at, N, n_threads % 2 ? 0 : 60);
        compare(got, want, N, "trace");
        n_preempted += stats_of(&e).n_preempted, n_shared += stats_of(&e).n_prompt_shared;
        close_engine(&e);
    }
    CHECK_SAID(n_preempted > 4 && n_shared > 2000 && n_paused > 100, "%llu gave way, %llu shared, %u paused",
               (unsigned long long)n_preempted, (unsigned long long)n_shared, n_paused);
}

/* Of three that are kept the one that was of no use for longest goes first, not the oldest. */
static void forgets_the_longest_unused(void) {
    enum { N = 7, LENGTH = 40 };
    static const struct {
        uint32_t text, n_prompt, shared;
    } order[N] = {{0, LENGTH, 0},
                  {1, LENGTH, 0},
                  {2, LENGTH, 0},
                  {0, LENGTH + 1, LENGTH},
                  {1, LENGTH, 0},
                  {2, LENGTH, LENGTH - 1},
                  {0, LENGTH + 2, 0}};
    skald_engine_options o = options_of(1, 4096);
    o.n_kept = 3;
    engine e = open_engine(&o);
    for (uint32_t i = 0; i < N; i++) {
        const uint64_t before = stats_of(&e).n_prompt_shared;
        got[i] = (wish){.n_prompt = order[i].n_prompt, .n_tokens = 2};
        for (uint32_t k = 0; k < got[i].n_prompt; k++)
            got[i].prompt[k] = world_id(&e.w, k < LENGTH ? 4000 * order[i].text + k : 77);
        CHECK_EQUAL(submit(&e, &got[i]), SKALD_OK);
        run_all(&e, got, i + 1, 0);
        CHECK_SAID(stats_of(&e).n_prompt_shared - before == order[i].shared, "request %u shares %llu", i,
                   (unsigned long long)(stats_of(&e).n_prompt_shared - before));
    }
    close_engine(&e);
}

/* Where the only page, or the only sequence, is that of one who ended: it goes, whichever entry it has, told or not. */
static void takes_the_last_room(bool told) {
    skald_engine_options o = options_of(1, told ? SKALD_PAGE_TOKENS : 4 * SKALD_PAGE_TOKENS);
    o.n_requests = told ? 1 : 5, o.n_kept = 1;
    engine e = open_engine(&o);
    for (uint32_t i = 0; i < 5; i++) {
        got[i] = (wish){.n_prompt = 100, .n_tokens = 2};
        for (uint32_t k = 0; k < 100; k++) got[i].prompt[k] = world_id(&e.w, 5000 * i + k);
        CHECK_EQUAL(submit(&e, &got[i]), SKALD_OK);
        for (uint32_t n = 0; n < 100 && skald_engine_step(e.at, 0, NULL) == SKALD_OK; n++) {}
        if (told) poll_all(&e, got, i + 1);
    }
    poll_all(&e, got, 5);
    for (uint32_t i = 0; i < 5; i++) CHECK_EQUAL(got[i].end, SKALD_EVENT_LENGTH);
    close_engine(&e);
}

/* Three that begin with the same 600 ids compute them once, also when they are submitted together. */
static void computes_a_beginning_once(void) {
    enum { N = 3, SHARED = 600, OWN = 10 };
    const skald_engine_options o = options_of(8, 8192);
    engine e = open_engine(&o);
    for (uint32_t i = 0; i < N; i++) {
        got[i] = (wish){.n_prompt = SHARED + OWN, .n_tokens = 3};
        for (uint32_t k = 0; k < SHARED + OWN; k++)
            got[i].prompt[k] = world_id(&e.w, k < SHARED ? k : 9000 * (i + 1) + k);
    }
    memcpy(want, got, sizeof want);
    for (uint32_t k = 0; k < N; k++) run_alone(&e.w, &want[k]);
    for (uint32_t k = 0; k < N; k++) CHECK_EQUAL(submit(&e, &got[k]), SKALD_OK);
    run_all(&e, got, N, 0);
    compare(got, want, N, "one beginning");
    const skald_engine_stats s = stats_of(&e);
    CHECK_EQUAL(s.n_prompt_read + s.n_prompt_shared, N * (SHARED + OWN));
    CHECK(s.n_prompt_read <= SHARED + N * (OWN + 1) + 40); /* those behind begin when a chunk of it is there */
    close_engine(&e);
}

/* Reading ahead: a request of no answer runs when nobody else does, and what it read is found. */
static void warms_up(void) {
    const skald_engine_options o = options_of(4, 4096);
    engine e = open_engine(&o);
    wish *warm = &got[0], *late = &got[1];
    *warm = (wish){.n_prompt = 500};
    for (uint32_t k = 0; k < 500; k++) warm->prompt[k] = world_id(&e.w, k);
    *late = *warm;
    late->n_prompt = 520, late->n_tokens = 5;
    for (uint32_t k = 500; k < 520; k++) late->prompt[k] = world_id(&e.w, 7 * k);
    want[1] = *late;
    run_alone(&e.w, &want[1]);
    CHECK_EQUAL(submit(&e, warm), SKALD_OK);
    run_all(&e, got, 1, 0);
    CHECK_EQUAL(warm->end, SKALD_EVENT_LENGTH);
    CHECK_EQUAL(warm->n_answer, 0);
    CHECK_EQUAL(stats_of(&e).n_kept, 1);
    CHECK_EQUAL(submit(&e, late), SKALD_OK);
    run_all(&e, got, 2, 0);
    compare(late, &want[1], 1, "after a warm-up");
    CHECK_EQUAL(stats_of(&e).n_prompt_shared, 500);
    close_engine(&e);
}

/* One at a time: the more important first, of equals the one submitted first, and reading ahead last of all. */
static void keeps_the_order(void) {
    static const int32_t priority[] = {0, 0, 5, -1, 0};
    static const uint32_t wanted[] = {2, 1, 4, 3, 0};
    const skald_engine_options o = options_of(1, 1024);
    engine e = open_engine(&o);
    uint32_t n = 0;
    make_wishes(&e.w, got, 5, 50);
    for (uint32_t i = 0; i < 5; i++) {
        got[i].priority = priority[i];
        if (i == 0) got[i].n_tokens = 0; /* reads ahead */
        CHECK_EQUAL(submit(&e, &got[i]), SKALD_OK);
    }
    while (skald_engine_step(e.at, 0, NULL) != SKALD_END) {
        uint32_t ended = 0, first = 0;
        poll_all(&e, got, 5);
        for (uint32_t i = 0; i < 5; i++) ended += got[i].end != 0;
        if (ended == n) continue;
        CHECK_EQUAL(ended, n + 1);
        while (first < 5 && (!got[first].end || got[first].bits == 2)) first++;
        CHECK_EQUAL(first, wanted[n]);
        got[first].bits = 2; /* it was counted */
        n = ended;
    }
    CHECK_EQUAL(n, 5);
    close_engine(&e);
}

/* While somebody answers, reading ahead holds no pages. */
static void reads_ahead_alone(void) {
    const skald_engine_options o = options_of(4, 2048);
    engine e = open_engine(&o);
    make_wishes(&e.w, got, 2, 50);
    got[0].n_tokens = 6, got[1].n_tokens = 0;
    CHECK_EQUAL(submit(&e, &got[0]), SKALD_OK);
    CHECK_EQUAL(skald_engine_step(e.at, 0, NULL), SKALD_OK);
    CHECK_EQUAL(submit(&e, &got[1]), SKALD_OK);
    CHECK_EQUAL(skald_engine_step(e.at, 0, NULL), SKALD_OK);
    CHECK_EQUAL(stats_of(&e).n_running, 1);
    CHECK_EQUAL(stats_of(&e).n_waiting, 1);
    run_all(&e, got, 2, 0);
    CHECK_EQUAL(got[1].end, SKALD_EVENT_LENGTH);
    close_engine(&e);
}

/* A prompt cancelled at some place and submitted again with one more id computes only what it had not read. */
static void cancels(void) {
    const skald_engine_options o = options_of(4, 4096);
    engine e = open_engine(&o);
    wish *q = &got[0];
    *q = (wish){.n_prompt = 600, .n_tokens = 5};
    for (uint32_t k = 0; k <= 600; k++) q->prompt[k] = world_id(&e.w, k);
    CHECK_EQUAL(submit(&e, q), SKALD_OK);
    for (int i = 0; i < 5; i++) CHECK_EQUAL(skald_engine_step(e.at, 0, NULL), SKALD_OK); /* 480 ids of it */
    CHECK_EQUAL(skald_engine_cancel(e.at, q->id), SKALD_OK);
    run_all(&e, got, 1, 0);
    CHECK_EQUAL(q->end, SKALD_EVENT_CANCELLED);
    CHECK_EQUAL(skald_engine_cancel(e.at, q->id), SKALD_ABSENT);
    CHECK_EQUAL(skald_engine_cancel(e.at, 0), SKALD_ABSENT);
    q->n_prompt = 601;
    want[0] = *q;
    run_alone(&e.w, &want[0]);
    CHECK_EQUAL(submit(&e, q), SKALD_OK);
    run_all(&e, got, 1, 0);
    compare(q, want, 1, "cancelled and submitted again");
    CHECK_EQUAL(stats_of(&e).n_prompt_shared, 480);
    CHECK_EQUAL(stats_of(&e).n_prompt_read, 480 + 121);
    /* one that waits, and one whose time is over */
    q->deadline = 1;
    CHECK_EQUAL(submit(&e, q), SKALD_OK);
    CHECK_EQUAL(submit(&e, &(wish){.n_prompt = 1, .n_tokens = 0}), SKALD_OK);
    while (skald_engine_step(e.at, 0, NULL) != SKALD_END) {}
    skald_event event = {.size = sizeof event};
    uint32_t late = 0;
    while (skald_engine_poll(&event, e.at) == SKALD_OK) late += event.kind == SKALD_EVENT_DEADLINE;
    CHECK_EQUAL(late, 1);
    close_engine(&e);
}

/* The only id that a bias leaves ends the text, unless the request says otherwise. */
static void ends_a_text(void) {
    const skald_engine_options o = options_of(2, 1024);
    engine e = open_engine(&o);
    int32_t end = 0;
    while ((uint32_t)end < e.w.info.n_vocab && !skald_model_is_end(e.w.model, end)) end++;
    CHECK_SAID((uint32_t)end < e.w.info.n_vocab, "the model has no end of text");
    const skald_logit_bias only = {.id = end, .bias = 1e9f};
    skald_sampler_options sampler;
    skald_sampler_options_init(&sampler, sizeof sampler);
    sampler.bias = &only, sampler.n_bias = 1;
    for (uint32_t ignore = 0; ignore < 2; ignore++) {
        wish *q = &got[0];
        *q = (wish){.n_prompt = 5, .n_tokens = 4};
        const skald_request request = {.size = sizeof request,
                                       .prompt = q->prompt,
                                       .n_prompt = 5,
                                       .n_tokens = 4,
                                       .sampler = &sampler,
                                       .ignore_end = ignore};
        CHECK_EQUAL(skald_engine_submit(&q->id, e.at, &request, NULL), SKALD_OK);
        run_all(&e, q, 1, 0);
        CHECK_EQUAL(q->end, ignore ? SKALD_EVENT_LENGTH : SKALD_EVENT_STOP);
        CHECK_EQUAL(q->n_answer, ignore ? 4 : 0);
        for (uint32_t i = 0; i < q->n_answer; i++) CHECK_EQUAL(q->answer[i], end);
    }
    close_engine(&e);
}

static void spoil(void *user, float *logits, uint32_t n_vocab, uint64_t position, const int32_t *text,
                  uint32_t n_text) {
    (void)user, (void)position, (void)text, (void)n_text;
    memset(logits, 0xff, n_vocab * sizeof *logits);
}

static void says_no(void) {
    skald_report why = {.size = sizeof why};
    skald_engine_options o = options_of(2, 1024);
    o.n_requests = 3;
    engine e = open_engine(&o);
    skald_request r = {.size = sizeof r, .prompt = got[0].prompt, .n_prompt = 10, .n_tokens = 1015};
    skald_request_id id;
    memset(got[0].prompt, 0, sizeof got[0].prompt);
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
    CHECK(strstr(why.text, "never fit"));
    r.n_tokens = 10, r.n_prompt = 0;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
    r.n_prompt = 10, got[0].prompt[9] = -1;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
    CHECK(strstr(why.text, "prompt[9]"));
    got[0].prompt[9] = 0;
    skald_sampler_options bad;
    skald_sampler_options_init(&bad, sizeof bad);
    bad.top_p = 2;
    r.sampler = &bad;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
    bad.top_p = 0, bad.penalty_window = 65;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
    skald_logit_bias biases[SKALD_REQUEST_BIASES + 1] = {0};
    bad.penalty_window = 64, bad.bias = biases, bad.n_bias = SKALD_REQUEST_BIASES + 1;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
    bad.n_bias = SKALD_REQUEST_BIASES;
    r.stage = spoil;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_OK);
    r.sampler = NULL;
    for (int i = 1; i < 3; i++) CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_OK);
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_FULL);
    while (skald_engine_step(e.at, 0, NULL) != SKALD_END) {}
    skald_event event = {.size = sizeof event};
    uint32_t failed = 0;
    while (skald_engine_poll(&event, e.at) == SKALD_OK) failed += event.kind == SKALD_EVENT_FAILED;
    CHECK_EQUAL(failed, 3);
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_OK);
    close_engine(&e);
    o.n_rows = 1;
    CHECK_EQUAL(world_open(&e.w, &(world_options){.n_tokens = 128}), SKALD_OK);
    CHECK_EQUAL(skald_engine_create(&e.at, e.w.model, &o, &why), SKALD_ARGUMENT);
    world_close(&e.w);
}

/* ---- from other threads */

typedef struct submitter {
    engine *e;
    wish *wishes;
    uint32_t n;
    atomic_uint *left;
} submitter;

static void *submit_some(void *arg) {
    submitter *s = arg;
    for (uint32_t i = 0; i < s->n; i++) {
        while (submit(s->e, &s->wishes[i]) == SKALD_FULL) {}
        if (i % 4 == 3) skald_engine_cancel(s->e->at, s->wishes[i].id);
    }
    atomic_fetch_sub(s->left, 1);
    return NULL;
}

static void foreign_threads(void) {
    enum { THREADS = 3, EACH = 16 };
    skald_engine_options o = options_of(6, 2048);
    o.n_requests = 8;
    engine e = open_engine(&o);
    static wish wishes[THREADS * EACH];
    pthread_t thread[THREADS];
    submitter s[THREADS];
    atomic_uint left = THREADS;
    make_wishes(&e.w, wishes, THREADS * EACH, 100);
    for (int i = 0; i < THREADS; i++) {
        s[i] = (submitter){&e, wishes + i * EACH, EACH, &left};
        pthread_create(&thread[i], NULL, submit_some, &s[i]);
    }
    uint32_t ended = 0, cancelled = 0;
    while (atomic_load(&left) || skald_engine_step(e.at, 200, NULL) != SKALD_END) {
        skald_event event = {.size = sizeof event};
        if (atomic_load(&left)) skald_engine_step(e.at, 200, NULL);
        while (skald_engine_poll(&event, e.at) == SKALD_OK) {
            ended += event.kind != SKALD_EVENT_TOKEN;
            cancelled += event.kind == SKALD_EVENT_CANCELLED;
        }
    }
    skald_event event = {.size = sizeof event};
    while (skald_engine_poll(&event, e.at) == SKALD_OK) {
        ended += event.kind != SKALD_EVENT_TOKEN;
        cancelled += event.kind == SKALD_EVENT_CANCELLED;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    CHECK_EQUAL(ended, THREADS * EACH);
    CHECK(cancelled <= THREADS * EACH / 4);
    CHECK_EQUAL(stats_of(&e).n_submitted, THREADS * EACH);
    close_engine(&e);
}

int main(void) {
    the_same_as_alone();
    gives_way_and_comes_back();
    a_trace_as_alone();
    forgets_the_longest_unused();
    takes_the_last_room(true);
    takes_the_last_room(false);
    computes_a_beginning_once();
    warms_up();
    keeps_the_order();
    reads_ahead_alone();
    cancels();
    ends_a_text();
    says_no();
    foreign_threads();
    return sk_checked();
}

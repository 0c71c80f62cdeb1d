/* Llama models against the logits of another engine, on the CPU and on a device whose memory is not the host's; and on
 * both: a step that fails, is cancelled or finds no room has not happened.
 * With a name as argument ("cpu", "apart") only that device is tried. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/golden.h"
#include "base/random.h"

/* ---- a step that did not happen */

/* What stands in the way of the steps of a scenario. */
typedef struct trouble {
    enum { FAIL, CANCEL, GIVE_UP } kind;
    uint64_t seed;
    long met; /* steps that did not happen */
} trouble;

static int32_t countdown(void *user, float done) {
    uint32_t *left = user;
    CHECK(done >= 0 && done <= 1);
    return *left && --*left == 0;
}

/* Pauses as often as it can, and gives up after `pauses`. */
static skald_status pause_then_give_up(session *s, const golden *g, const reader *r, uint32_t n_readers,
                                       uint32_t pauses) {
    skald_step_options o;
    skald_step_options_init(&o, sizeof o);
    o.microseconds = 1;
    skald_status status = try_step(s, g, r, n_readers, &o);
    while (status == SKALD_PENDING && pauses--) {
        uint32_t unused;
        CHECK(skald_logits(s->context, 0) == NULL);
        CHECK_EQUAL(skald_kv_cache_length(&unused, s->cache, r->seq), SKALD_BUSY);
        CHECK_EQUAL(skald_kv_cache_free(s->cache), SKALD_BUSY);
        status = skald_step_continue(s->context, &o, NULL);
    }
    if (status == SKALD_PENDING) CHECK_EQUAL(skald_step_cancel(s->context), SKALD_OK);
    return status;
}

static skald_status meet(session *s, const golden *g, const reader *r, uint32_t n_readers, trouble *t, uint32_t round) {
    uint32_t left = 1 + (uint32_t)(sk_random(t->seed++, r->at, 0) * 7);
    skald_step_options o;
    skald_step_options_init(&o, sizeof o);
    if (t->kind == FAIL) return try_step(s, g, r, n_readers, NULL);
    if (t->kind == GIVE_UP) return pause_then_give_up(s, g, r, n_readers, round);
    o.progress = countdown, o.progress_user = &left;
    return try_step(s, g, r, n_readers, round < 4 ? &o : NULL);
}

/* Until it succeeds; whenever it does not, nothing has changed. */
static void step(session *s, const golden *g, const char *way, reader *r, uint32_t n_readers, trouble *t) {
    static const skald_status expected[] = {SKALD_DEVICE, SKALD_CANCELLED, SKALD_PENDING};
    for (uint32_t round = 0;; round++) {
        skald_kv_cache_stats before, after;
        session_state(&before, s);
        const skald_status status = meet(s, g, r, n_readers, t, round);
        if (status == SKALD_OK) break;
        t->met++;
        if (!CHECK_EQUAL(status, expected[t->kind])) return;
        session_state(&after, s);
        CHECK(memcmp(&before, &after, sizeof before) == 0);
        for (uint32_t i = 0; i < n_readers; i++) CHECK_EQUAL(session_length(s, r[i].seq), r[i].at);
        CHECK(skald_logits(s->context, 0) == NULL);
        CHECK_EQUAL(skald_step_continue(s->context, NULL, NULL), SKALD_ARGUMENT);
    }
    check_step(s, g, way, r, n_readers);
}

/* Prompt, fork inside a page, both go on beside each other and beside a third, prompts and single tokens. */
static void scenario(session *s, const golden *g, const char *way, trouble *t) {
    reader r[N_TEXTS] = {{.text = 2, .n = 20}, {.text = 2, .at = 11, .n = 9}, {.text = 1, .n = 9}};
    CHECK_EQUAL(skald_kv_cache_open(&r[0].seq, s->cache), SKALD_OK);
    step(s, g, way, r, 1, t);
    CHECK_EQUAL(skald_kv_cache_fork(&r[1].seq, s->cache, r[0].seq, 11), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_open(&r[2].seq, s->cache), SKALD_OK);
    r[0].n = 6;
    step(s, g, way, r, 3, t);
    for (uint32_t i = 0; i < 2; i++) {
        r[0].n = r[1].n = r[2].n = 1;
        step(s, g, way, r, 3, t);
    }
    CHECK_EQUAL(skald_kv_cache_rewind(s->cache, r[0].seq, r[0].at = 17), SKALD_OK);
    r[0].n = 25, r[2].n = 17;
    step(s, g, way, r, 3, t);
    for (uint32_t i = 0; i < 3; i++) CHECK_EQUAL(skald_kv_cache_release(s->cache, r[i].seq), SKALD_OK);
}

/* The 1st, 2nd, ... of all operations, or of all passes, fails, until the scenario gets through; some are skipped. */
static void failures(const golden *g, const device *d, const char *what, long stride) {
    long at = 1;
    for (long met = 1; met; at += stride) {
        char config[64];
        trouble t = {.kind = FAIL};
        snprintf(config, sizeof config, "delay=0,memory=64,%s=%ld", what, at);
        session s = open_session(g, d, config, (session_options){.n_rows = 16});
        scenario(&s, g, what, &t);
        session_close(&s);
        met = t.met;
        if (!CHECK(met <= 1)) break;
    }
    CHECK(at > 9);
    printf("%-16s %-6s %s up to %ld\n", g->name, d->name, what, at - 2 * stride);
}

static void interruptions(const golden *g, const device *d) {
    trouble cancel = {.kind = CANCEL, .seed = 1}, give_up = {.kind = GIVE_UP};
    session s = open_session(g, d, d->plugin ? "delay=900,seed=5" : NULL, (session_options){.n_rows = 16});
    for (uint32_t i = 0; i < 3; i++) scenario(&s, g, "cancelled", &cancel);
    session_close(&s);
    s = open_session(g, d, NULL, (session_options){.n_rows = 16});
    scenario(&s, g, "given up", &give_up);
    session_close(&s);
    CHECK(cancel.met > 0 && give_up.met > 50);
    printf("%-16s %-6s %ld steps cancelled, %ld given up\n", g->name, d->name, cancel.met, give_up.met);
}

/* Two pages, two sequences: everything that does not fit leaves all as it was. */
static void no_room(const golden *g, const device *d) {
    reader r[2] = {{.text = 2, .n = 20}, {.text = 2, .at = 11, .n = 5}};
    skald_kv_cache_stats before, after;
    skald_seq third;
    trouble none = {.kind = FAIL};
    session s = open_session(g, d, NULL, (session_options){.n_tokens = 2 * SKALD_PAGE_TOKENS, .n_sequences = 2});
    CHECK_EQUAL(skald_kv_cache_open(&r[0].seq, s.cache), SKALD_OK);
    step(&s, g, "before there is no room", r, 1, &none);
    CHECK_EQUAL(skald_kv_cache_fork(&r[1].seq, s.cache, r[0].seq, 11), SKALD_OK);
    session_state(&before, &s);
    r[0].n = 3;
    CHECK_EQUAL(try_step(&s, g, r, 2, NULL), SKALD_FULL); /* both would copy the page */
    const float *row = skald_logits(s.context, 19);       /* of the step before */
    CHECK(row && memcmp(row, g->bits[2] + (size_t)19 * g->n_vocab, g->n_vocab * sizeof *row) == 0);
    CHECK_EQUAL(skald_kv_cache_reserve(s.cache, r[0].seq, 2 * SKALD_PAGE_TOKENS), SKALD_FULL);
    CHECK_EQUAL(skald_kv_cache_reserve(s.cache, r[0].seq, UINT32_MAX), SKALD_FULL);
    CHECK_EQUAL(skald_kv_cache_open(&third, s.cache), SKALD_FULL);
    CHECK_EQUAL(skald_kv_cache_fork(&third, s.cache, r[0].seq, 20), SKALD_FULL);
    session_state(&after, &s);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    step(&s, g, "after FULL", r + 1, 1, &none);
    step(&s, g, "after FULL", r, 2, &none);
    CHECK_EQUAL(none.met, 0);
    session_close(&s);
}

static void run(const golden *g, const device *d, bool every) {
    first_run(g, d);
    other_runs(g, d);
    no_room(g, d);
    interruptions(g, d);
    if (!d->plugin) return;
    failures(g, d, "fail_start", 1);
    failures(g, d, "fail_op", every ? 1 : 11); /* a stride that meets every operation of some pass */
}

int main(int argc, char **argv) {
    static const char *const names[] = {"llama_mha", "llama_gqa_tied", "llama_mqa_bias", "llama3_rope"};
    static const device devices[] = {{.name = "cpu"}, {"apart", PLUGIN, "delay=0", NULL}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        golden g;
        open_golden(&g, names[i]);
        for (size_t d = 0; d < sizeof devices / sizeof *devices; d++)
            if (argc < 2 || strcmp(argv[1], devices[d].name) == 0) run(&g, &devices[d], i == 0);
        close_golden(&g);
    }
    return sk_checked();
}

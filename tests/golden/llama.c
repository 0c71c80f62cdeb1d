/* Whole models against the logits of another engine (transformers in f32), on the CPU and on a device whose memory is
 * not the host's; and on both: a step that fails, is cancelled or finds no room has not happened.
 * With a name as argument ("cpu", "apart") only that device is tried. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/session.h"
#include "base/random.h"
#include <math.h>
#include <stdbool.h>

#define N_TEXTS 3
#define MOST    80 /* tokens of a text */
#define PLUGIN  SK_TEST_BIN "/tests/skald_device_test.so"

typedef struct golden {
    const char *name;
    char path[512];
    uint32_t n_vocab, n[N_TEXTS];
    int32_t tokens[N_TEXTS][MOST];
    float *want[N_TEXTS]; /* of the other engine */
    float *bits[N_TEXTS]; /* of the first run, which all others must equal */
    double deviation;
} golden;

typedef struct device {
    const char *name, *plugin, *config;
} device;

/* ---- reading */

static char *read_file(const char *name, const char *file, size_t *n_bytes) {
    char path[512];
    snprintf(path, sizeof path, "%s/tiny/%s/%s", SK_TEST_DATA, name, file);
    FILE *f = fopen(path, "rb");
    if (!f) fprintf(stderr, "no file %s\n", path), exit(2);
    fseek(f, 0, SEEK_END);
    *n_bytes = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n_bytes + 1);
    if (!bytes || fread(bytes, 1, *n_bytes, f) != *n_bytes) exit(2);
    bytes[*n_bytes] = 0;
    fclose(f);
    return bytes;
}

/* {"sequences": [[1, 2], [3], [4]]} */
static void read_tokens(golden *g) {
    size_t n_bytes;
    char *text = read_file(g->name, "tokens.json", &n_bytes), *at = strchr(text, '[') + 1;
    for (uint32_t t = 0; t < N_TEXTS; t++) {
        for (at = strchr(at, '['); *at != ']' && g->n[t] < MOST;)
            g->tokens[t][g->n[t]++] = (int32_t)strtol(at + 1, &at, 10);
        at++;
    }
    free(text);
}

static float *read_logits(const golden *g, uint32_t t) {
    char file[32];
    size_t n_bytes;
    snprintf(file, sizeof file, "logits_%u.npy", t);
    char *bytes = read_file(g->name, file, &n_bytes);
    const size_t begin = 10 + (size_t)(unsigned char)bytes[8] + 256 * (size_t)(unsigned char)bytes[9];
    const size_t n = (size_t)g->n[t] * g->n_vocab;
    if (n_bytes != begin + n * sizeof(float)) fprintf(stderr, "%s/%s has another size\n", g->name, file), exit(2);
    float *logits = malloc(n * sizeof *logits);
    memcpy(logits, bytes + begin, n * sizeof *logits);
    free(bytes);
    return logits;
}

static double deviation_of(const golden *g) {
    double sum = 0, squares = 0, n = 0;
    for (uint32_t t = 0; t < N_TEXTS; t++)
        for (size_t i = 0; i < (size_t)g->n[t] * g->n_vocab; i++, n++) {
            sum += g->want[t][i];
            squares += (double)g->want[t][i] * g->want[t][i];
        }
    return sqrt(squares / n - sum / n * (sum / n));
}

static void open_golden(golden *g, const char *name) {
    memset(g, 0, sizeof *g);
    g->name = name;
    snprintf(g->path, sizeof g->path, "%s/tiny/%s/model-f32.gguf", SK_TEST_DATA, name);
    session s = session_open(&(session_options){.path = g->path});
    g->n_vocab = s.n_vocab;
    session_close(&s);
    read_tokens(g);
    for (uint32_t t = 0; t < N_TEXTS; t++) {
        g->want[t] = read_logits(g, t);
        g->bits[t] = calloc((size_t)g->n[t] * g->n_vocab, sizeof(float));
    }
    g->deviation = deviation_of(g);
}

static void close_golden(golden *g) {
    for (uint32_t t = 0; t < N_TEXTS; t++) free(g->want[t]), free(g->bits[t]);
}

static session open_session(const golden *g, const device *d, const char *config, session_options o) {
    o.path = g->path;
    o.plugin = d->plugin;
    o.config = config ? config : d->config;
    o.device = d->name;
    o.n_threads = 2;
    o.n_logits = N_TEXTS * MOST;
    if (!o.n_tokens) o.n_tokens = 1024;
    if (!o.n_sequences) o.n_sequences = N_TEXTS;
    return session_open(&o);
}

/* ---- reading on: a place in a text, and the step that takes more of it */

typedef struct reader {
    skald_seq seq;
    uint32_t text, at, n; /* the next step takes n tokens from `at` */
} reader;

static skald_status try_step(session *s, const golden *g, const reader *r, uint32_t n_readers,
                             const skald_step_options *options) {
    static skald_span spans[N_TEXTS]; /* a paused step goes on looking at them */
    skald_report why = {.size = sizeof why};
    for (uint32_t i = 0; i < n_readers; i++)
        spans[i] = (skald_span){.size = sizeof *spans,
                                .seq = r[i].seq,
                                .tokens = g->tokens[r[i].text] + r[i].at,
                                .n_tokens = r[i].n,
                                .logits = SKALD_LOGITS_ALL};
    return skald_step(s->context, s->cache, options, &why, spans, n_readers);
}

/* After OK: every row has the bits of the first run. */
static void check_step(session *s, const golden *g, const char *way, reader *r, uint32_t n_readers) {
    const size_t bytes = (size_t)g->n_vocab * sizeof(float);
    uint32_t row = 0;
    for (uint32_t i = 0; i < n_readers; i++) {
        for (uint32_t t = 0; t < r[i].n; t++, row++) {
            const float *got = skald_logits(s->context, row);
            const float *want = g->bits[r[i].text] + (size_t)(r[i].at + t) * g->n_vocab;
            CHECK_SAID(got && memcmp(got, want, bytes) == 0, "%s, %s: text %u, position %u has other bits", g->name,
                       way, r[i].text, r[i].at + t);
        }
        r[i].at += r[i].n;
        CHECK_EQUAL(session_length(s, r[i].seq), r[i].at);
    }
    CHECK(skald_logits(s->context, row) == NULL);
}

/* ---- the same as the other engine, and the same bits however it is run */

static void first_run(const golden *g, const device *d) {
    double most = 0;
    session s = open_session(g, d, NULL, (session_options){0});
    for (uint32_t t = 0; t < N_TEXTS; t++) {
        reader r = {.text = t, .n = g->n[t]};
        CHECK_EQUAL(skald_kv_cache_open(&r.seq, s.cache), SKALD_OK);
        CHECK_EQUAL(try_step(&s, g, &r, 1, NULL), SKALD_OK);
        for (uint32_t i = 0; i < g->n[t]; i++) {
            const float *row = skald_logits(s.context, i);
            if (!CHECK(row != NULL)) continue;
            memcpy(g->bits[t] + (size_t)i * g->n_vocab, row, g->n_vocab * sizeof *row);
            for (uint32_t v = 0; v < g->n_vocab; v++) {
                const double off = fabs((double)row[v] - g->want[t][(size_t)i * g->n_vocab + v]);
                if (!(off <= most)) most = off; /* NaN stays */
            }
        }
    }
    most /= g->deviation;
    CHECK_SAID(most <= 1e-4, "%s on %s: off by %g of the deviation", g->name, d->name, most);
    printf("%-16s %-6s off by %.1e of the deviation\n", g->name, d->name, most);
    session_close(&s);
}

/* Reads texts [first, end) side by side, sizes[text] tokens in a step, until all are read. */
static void read_on(session *s, const golden *g, const char *way, uint32_t first, uint32_t end, const uint32_t *sizes) {
    reader all[N_TEXTS] = {{0}};
    for (uint32_t t = first; t < end; t++) {
        all[t].text = t;
        CHECK_EQUAL(skald_kv_cache_open(&all[t].seq, s->cache), SKALD_OK);
    }
    for (;;) {
        reader now[N_TEXTS];
        uint32_t n = 0;
        for (uint32_t t = first; t < end; t++) {
            const uint32_t left = g->n[t] - all[t].at;
            all[t].n = sizes[t] < left ? sizes[t] : left;
            if (left) now[n++] = all[t];
        }
        if (!n) break;
        if (!CHECK_EQUAL(try_step(s, g, now, n, NULL), SKALD_OK)) break;
        check_step(s, g, way, now, n);
        for (uint32_t i = 0; i < n; i++) all[now[i].text] = now[i];
    }
    for (uint32_t t = first; t < end; t++) CHECK_EQUAL(skald_kv_cache_release(s->cache, all[t].seq), SKALD_OK);
}

static void other_runs(const golden *g, const device *d) {
    static const struct {
        const char *name;
        uint32_t sizes[N_TEXTS];
    } ways[] = {{"whole", {MOST, MOST, MOST}}, {"by 1", {1, 1, 1}}, {"by 7", {7, 7, 7}}, {"ragged", {1, 13, 6}}};
    static const uint32_t rows[] = {0, 5};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        session s = open_session(g, d, NULL, (session_options){.n_rows = rows[k]});
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            read_on(&s, g, ways[w].name, 0, N_TEXTS, ways[w].sizes);
            for (uint32_t t = 0; t < N_TEXTS; t++) read_on(&s, g, ways[w].name, t, t + 1, ways[w].sizes);
        }
        session_close(&s);
    }
}

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
    static const char *const names[] = {"llama_mha", "llama_gqa_tied", "llama_mqa_bias", "llama3_rope", "mixtral"};
    static const device devices[] = {{"cpu", NULL, NULL}, {"apart", PLUGIN, "delay=0"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        golden g;
        open_golden(&g, names[i]);
        for (size_t d = 0; d < sizeof devices / sizeof *devices; d++)
            if (argc < 2 || strcmp(argv[1], devices[d].name) == 0) run(&g, &devices[d], i == 0);
        close_golden(&g);
    }
    return sk_checked();
}

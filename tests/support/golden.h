/* Whole models beside the logits of another engine (transformers in f32): reading both, and the ways to run a text that
 * must all give the same bits. */
#ifndef SK_TESTS_GOLDEN_H
#define SK_TESTS_GOLDEN_H
#include "support/session.h"
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
    uint32_t n_context;   /* positions that will be used, 0: what the file says */
    bool quantizes;       /* weights are integers, so that the CPU rounds rows to 8 bits */
    double deviation;
} golden;

typedef struct device {
    const char *name, *plugin, *config;
    const char *level; /* of the CPU, NULL: the best */
} device;

/* ---- reading */

static inline char *read_file(const char *name, const char *file, size_t *n_bytes) {
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
static inline void read_tokens(golden *g) {
    size_t n_bytes;
    char *text = read_file(g->name, "tokens.json", &n_bytes), *at = strchr(text, '[') + 1;
    for (uint32_t t = 0; t < N_TEXTS; t++) {
        for (at = strchr(at, '['); *at != ']' && g->n[t] < MOST;)
            g->tokens[t][g->n[t]++] = (int32_t)strtol(at + 1, &at, 10);
        at++;
    }
    free(text);
}

static inline float *read_logits(const golden *g, uint32_t t) {
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

static inline double deviation_of(const golden *g) {
    double sum = 0, squares = 0, n = 0;
    for (uint32_t t = 0; t < N_TEXTS; t++)
        for (size_t i = 0; i < (size_t)g->n[t] * g->n_vocab; i++, n++) {
            sum += g->want[t][i];
            squares += (double)g->want[t][i] * g->want[t][i];
        }
    return sqrt(squares / n - sum / n * (sum / n));
}

static inline void open_golden(golden *g, const char *name) {
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

static inline void close_golden(golden *g) {
    for (uint32_t t = 0; t < N_TEXTS; t++) free(g->want[t]), free(g->bits[t]);
}

static inline session open_session(const golden *g, const device *d, const char *config, session_options o) {
    o.path = g->path;
    o.plugin = d->plugin;
    o.config = config ? config : d->config;
    o.device = d->name;
    o.level = d->level;
    o.n_context = g->n_context;
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

static inline skald_status try_step(session *s, const golden *g, const reader *r, uint32_t n_readers,
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
static inline void check_step(session *s, const golden *g, const char *way, reader *r, uint32_t n_readers) {
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

static inline void first_run(const golden *g, const device *d) {
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
    const double allowed = d->plugin || !g->quantizes ? 1e-4 : 0.1;
    CHECK_SAID(most <= allowed, "%s on %s: off by %g of the deviation", g->name, d->name, most);
    printf("%-16s %-6s off by %.1e of the deviation\n", g->name, d->name, most);
    session_close(&s);
}

/* Reads texts [first, end) side by side, sizes[text] tokens in a step, until all are read. */
static inline void read_on(session *s, const golden *g, const char *way, uint32_t first, uint32_t end,
                           const uint32_t *sizes) {
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

static inline void other_runs(const golden *g, const device *d) {
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
#endif

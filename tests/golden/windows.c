/* Models whose layers see windows, over a text so long that pages of those layers come back: the logits of another engine
 * (make_long.py), the bits of a cache that keeps everything, and how far back a sequence can go. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/session.h"
#include <math.h>

#define LENGTH  1800u
#define EVERY   60u
#define N_VOCAB 320u

static float want[LENGTH / EVERY][N_VOCAB];
static float bits[LENGTH][N_VOCAB]; /* of the cache that keeps everything */
static int32_t ids[LENGTH];

/* A shape that only a cache of one sequence saves pages with: that of eight would need more of them than it has now. */
static session open_room(const char *name, uint32_t n_sequences, uint32_t n_rows) {
    char path[512];
    snprintf(path, sizeof path, "%s/tiny/%s/model-f32.gguf", SK_TEST_DATA, name);
    return session_open(&(session_options){.path = path,
                                           .n_threads = 2,
                                           .n_tokens = 2048,
                                           .n_sequences = n_sequences,
                                           .n_rows = n_rows,
                                           .n_logits = LENGTH});
}

static skald_status read(session *s, skald_seq seq, uint32_t first, uint32_t n) {
    const skald_span span = {
        .size = sizeof span, .seq = seq, .tokens = ids + first, .n_tokens = n, .logits = SKALD_LOGITS_ALL};
    return skald_step(s->context, s->cache, NULL, NULL, &span, 1);
}

static void check_rows(session *s, const char *name, const char *way, uint32_t first, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const float *row = skald_logits(s->context, i);
        CHECK_SAID(row && memcmp(row, bits[first + i], sizeof bits[0]) == 0, "%s, %s: position %u has other bits", name,
                   way, first + i);
    }
}

static void load(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/long/%s.npy", SK_TEST_DATA, name);
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, -(long)sizeof want, SEEK_END) || fread(want, sizeof want, 1, f) != 1) exit(2);
    fclose(f);
    for (uint32_t i = 0; i < LENGTH; i++) ids[i] = (int32_t)(((i * 2654435761u) >> 8) % N_VOCAB);
}

/* The bits all others must have, and whether they are another engine's. */
static void keep_everything(const char *name) {
    double most = 0, sum = 0, squares = 0;
    skald_seq seq;
    session s = open_room(name, 8, 0);
    skald_kv_cache_stats stats;
    session_state(&stats, &s);
    CHECK_EQUAL(stats.n_window_pages, 0);
    CHECK_EQUAL(s.n_vocab, N_VOCAB);
    CHECK_EQUAL(skald_kv_cache_open(&seq, s.cache), SKALD_OK);
    CHECK_EQUAL(read(&s, seq, 0, LENGTH), SKALD_OK);
    for (uint32_t i = 0; i < LENGTH; i++) memcpy(bits[i], skald_logits(s.context, i), sizeof bits[i]);
    for (uint32_t k = 0; k < LENGTH / EVERY; k++)
        for (uint32_t v = 0; v < N_VOCAB; v++) {
            const double off = fabs((double)bits[k * EVERY + EVERY - 1][v] - want[k][v]);
            if (!(off <= most)) most = off; /* NaN stays */
            sum += want[k][v], squares += (double)want[k][v] * want[k][v];
        }
    const double n = LENGTH / EVERY * N_VOCAB, deviation = sqrt(squares / n - sum / n * (sum / n));
    CHECK_SAID(most <= 1e-4 * deviation, "%s: off by %g of the deviation", name, most / deviation);
    printf("%-8s off by %.1e of the deviation after %u tokens\n", name, most / deviation, LENGTH);
    session_close(&s);
}

/* Between steps a window of at most 16 keeps 16 - 1 + 128 positions, which lie in three pages or fewer. */
static void check_pages(session *s, const char *name, uint32_t length) {
    skald_kv_cache_stats stats;
    session_state(&stats, s);
    const uint32_t held = stats.n_window_pages - stats.n_window_pages_free;
    CHECK_SAID(stats.n_window_pages == 10 && held >= 1 && held <= 3, "%s: %u of %u pages of windows at %u", name, held,
               stats.n_window_pages, length);
    CHECK_EQUAL(stats.n_pages - stats.n_pages_free, (length + SKALD_PAGE_TOKENS - 1) / SKALD_PAGE_TOKENS);
}

/* Steps of `n` tokens in passes of n_rows. */
static void read_by(const char *name, uint32_t n, uint32_t n_rows) {
    char way[64];
    skald_seq seq;
    snprintf(way, sizeof way, "%u tokens in passes of %u", n, n_rows);
    session s = open_room(name, 1, n_rows);
    CHECK_EQUAL(skald_kv_cache_open(&seq, s.cache), SKALD_OK);
    for (uint32_t at = 0; at < LENGTH; at += n) {
        if (n > LENGTH - at) n = LENGTH - at;
        if (!CHECK_EQUAL(read(&s, seq, at, n), SKALD_OK)) break;
        check_rows(&s, name, way, at, n);
        check_pages(&s, name, at + n);
    }
    session_close(&s);
}

/* A page's tokens back always works; at 1 800 the first page kept begins at 1 536, so a window of w ends at 1 536 + w - 1. */
static void go_back(const char *name, uint32_t window) {
    const uint32_t first = 1536 + window - 1;
    skald_seq seq, child;
    session s = open_room(name, 1, 0);
    CHECK_EQUAL(skald_kv_cache_open(&seq, s.cache), SKALD_OK);
    CHECK_EQUAL(read(&s, seq, 0, LENGTH), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_rewind(s.cache, seq, first - 1), SKALD_GONE);
    CHECK_EQUAL(skald_kv_cache_fork(&child, s.cache, seq, first - 1), SKALD_GONE);
    CHECK_EQUAL(skald_kv_cache_rewind(s.cache, seq, 1), SKALD_GONE);
    CHECK_EQUAL(session_length(&s, seq), LENGTH);
    check_pages(&s, name, LENGTH);
    const uint32_t places[] = {LENGTH - SKALD_PAGE_TOKENS, first, 0};
    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t n = i < 2 ? LENGTH - SKALD_PAGE_TOKENS - places[i] + 40 : 200;
        CHECK_EQUAL(skald_kv_cache_rewind(s.cache, seq, places[i]), SKALD_OK);
        CHECK_EQUAL(read(&s, seq, places[i], n), SKALD_OK);
        check_rows(&s, name, "rewound", places[i], n);
    }
    session_close(&s);
}

/* Bytes of 32 768 tokens in f16, with and without pages by window. */
static void print_saving(void) {
    char path[512];
    skald_kv_cache_stats stats;
    snprintf(path, sizeof path, "%s/tiny/gemma3/model-f32.gguf", SK_TEST_DATA);
    session s = session_open(&(session_options){.path = path, .n_tokens = 32768, .type = SKALD_F16});
    session_state(&stats, &s);
    const uint64_t whole = 32768 * stats.bytes_per_token;
    CHECK_EQUAL(stats.bytes_per_token % 7, 0); /* one layer sees everything, six see 12 positions in 10 pages */
    CHECK_EQUAL(stats.bytes, stats.bytes_per_token / 7 * (32768 + 6 * 10 * SKALD_PAGE_TOKENS));
    printf("32768 tokens of gemma3: %llu bytes, %llu without windows\n", (unsigned long long)stats.bytes,
           (unsigned long long)whole);
    session_close(&s);
}

int main(void) {
    static const struct {
        const char *name;
        uint32_t window;
    } models[] = {{"gemma2", 16}, {"gemma3", 12}, {"gpt_oss", 16}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        load(models[i].name);
        keep_everything(models[i].name);
        read_by(models[i].name, LENGTH, 0);
        read_by(models[i].name, LENGTH, 50);
        read_by(models[i].name, 1, 0);
        read_by(models[i].name, 37, 9);
        read_by(models[i].name, 300, 0);
        go_back(models[i].name, models[i].window);
    }
    print_saving();
    return sk_checked();
}

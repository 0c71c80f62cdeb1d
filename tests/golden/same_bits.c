/* One text has one row of logits at each position, whatever runs it: hashes of all rows against data/hashes.txt, and
 * against each other over chunks, neighbours, forks, rewinds, threads, pauses and instruction sets.
 *
 *     same_bits               all of it
 *     same_bits short         prints the lines of hashes.txt that a slow machine can make
 *     same_bits hashes        prints all lines of hashes.txt
 *     same_bits model M IDS   writes the model and the ids of a text, for `skald eval` */
#define SK_ALLOW_LIBC_MEMORY
#include "support/hash.h"
#include "support/model_writer.h"
#include "support/session.h"
#include "backends/cpu/kernels.h"
#include "base/os/os.h"
#include "base/random.h"
#include <math.h>
#include <stdbool.h>

#define LONG      1300 /* tokens of the first text, eleven pages */
#define SHORT_F32 24   /* of it that an emulated machine reads with an f32 cache, */
#define SHORT_F16 136  /* and with an f16 cache, behind the first page */
#define N_READERS 4
#if defined(__wasi__)
#define BEST 1 /* threads: no other can be started */
#else
#define BEST 2
#endif

static const struct {
    const char *name;
    skald_dtype type;
} caches[] = {
    {"f32", SKALD_F32}, {"f16", SKALD_F16}, {"q8_0", SKALD_Q8_0}, {"q4_0", SKALD_Q4_0}, {"f8", SKALD_F8_E4M3}};
#define N_CACHES (sizeof caches / sizeof *caches)

/* The first `branch` tokens are those of the first text. */
typedef struct text {
    char name;
    uint32_t n, branch;
    int32_t tokens[LONG];
    uint64_t want[N_CACHES][LONG]; /* hash of each row, with each type of cache */
} text;

static text texts[] = {
    {.name = 'A', .n = LONG},
    {.name = 'B', .n = 420},
    {.name = 'C', .n = 420, .branch = 200},
    {.name = 'D', .n = 300, .branch = 256},
};
#define N_TEXTS (sizeof texts / sizeof *texts)

static const struct {
    const char *name;
    test_model which;
    uint32_t n_caches; /* attention is tried with all of them once */
    bool has_states;   /* which reach back to the grid line before the last one */
} models[] = {{"dense", TEST_MODEL_DENSE, N_CACHES, false},  {"experts", TEST_MODEL_EXPERTS, 2, false},
              {"delta", TEST_MODEL_DELTA, 2, true},          {"positions", TEST_MODEL_POSITIONS, 2, false},
              {"caps", TEST_MODEL_CAPS, 2, false},           {"sinks", TEST_MODEL_SINKS, 2, false},
              {"latent", TEST_MODEL_LATENT, N_CACHES, false}};
#define N_MODELS (sizeof models / sizeof *models)

static char *model; /* the one under test */
static size_t n_model, at_model;
static uint32_t n_caches;

/* ---- hashes */

static uint64_t hash_rows(const uint64_t *rows, uint32_t n) {
    uint64_t h = EMPTY_HASH;
    for (uint32_t i = 0; i < n; i++) h = hash(h, rows[i], 8);
    return h;
}

static uint64_t hash_model(void) {
    uint64_t h = EMPTY_HASH;
    for (size_t i = 0; i < n_model; i++) h = hash(h, (unsigned char)model[i], 1);
    return h;
}

/* ---- running: readers stand in texts, a step takes more of each */

typedef struct reader {
    skald_seq seq;
    text *text;
    uint32_t at, n; /* the next step takes n tokens */
} reader;

typedef struct way {
    const char *name;
    uint32_t cache; /* index of caches */
    const char *level;
    const skald_executor *executor;
    uint32_t n_threads, n_rows, n_tokens, microseconds;
    bool learn; /* the rows are what all other ways are held against */
} way;

typedef struct run {
    session s;
    const way *way;
    long n_rows, n_pauses, n_gone; /* seen so far */
    double began;
} run;

static double seconds(void) { return (double)sk_os_nanoseconds() * 1e-9; }

static run begin(const way *w) {
    const session_options o = {.bytes = model,
                               .n_bytes = n_model,
                               .level = w->level,
                               .executor = w->executor,
                               .type = caches[w->cache].type,
                               .n_threads = w->n_threads ? w->n_threads : BEST,
                               .n_tokens = w->n_tokens ? w->n_tokens : 3 * LONG,
                               .n_sequences = N_READERS,
                               .n_rows = w->n_rows,
                               .n_logits = LONG};
    return (run){.way = w, .began = seconds(), .s = session_open(&o)};
}

static void end(run *r) {
    session_close(&r->s);
    printf("%-7s %-44s %s cache, %5ld rows, %6ld pauses, %5.1f s\n", models[at_model].name, r->way->name,
           caches[r->way->cache].name, r->n_rows, r->n_pauses, seconds() - r->began);
}

static reader open_reader(run *r, char name) {
    reader it = {0};
    for (size_t i = 0; i < N_TEXTS; i++)
        if (texts[i].name == name) it.text = &texts[i];
    CHECK_EQUAL(skald_kv_cache_open(&it.seq, r->s.cache), SKALD_OK);
    return it;
}

static void close_reader(run *r, reader *it) { CHECK_EQUAL(skald_kv_cache_release(r->s.cache, it->seq), SKALD_OK); }

static skald_status try_step(run *r, const reader *readers, uint32_t n, skald_progress_fn progress, void *user) {
    static skald_span spans[N_READERS]; /* a paused step goes on looking at them */
    skald_report why = {.size = sizeof why};
    skald_step_options o;
    skald_step_options_init(&o, sizeof o);
    o.microseconds = r->way->microseconds;
    o.progress = progress, o.progress_user = user;
    for (uint32_t i = 0; i < n; i++)
        spans[i] = (skald_span){.size = sizeof *spans,
                                .seq = readers[i].seq,
                                .n_tokens = readers[i].n,
                                .tokens = readers[i].text->tokens + readers[i].at,
                                .logits = SKALD_LOGITS_ALL};
    skald_status status = skald_step(r->s.context, r->s.cache, &o, &why, spans, n);
    for (; status == SKALD_PENDING; r->n_pauses++) status = skald_step_continue(r->s.context, &o, &why);
    return status;
}

static void check_rows(run *r, reader *readers, uint32_t n) {
    uint32_t row = 0;
    for (uint32_t i = 0; i < n; i++) {
        reader *it = &readers[i];
        for (uint32_t t = 0; t < it->n; t++, r->n_rows++) {
            uint64_t *want = &it->text->want[r->way->cache][it->at + t];
            const float *logits = skald_logits(r->s.context, row++);
            if (!CHECK(logits != NULL)) return;
            const uint64_t got = hash_row(logits, r->s.n_vocab);
            if (r->way->learn) *want = got;
            CHECK_SAID(got == *want, "%s, %s cache: text %c, position %u has other bits", r->way->name,
                       caches[r->way->cache].name, it->text->name, it->at + t);
        }
        it->at += it->n;
    }
}

static void step(run *r, reader *readers, uint32_t n) {
    if (CHECK_EQUAL(try_step(r, readers, n, NULL, NULL), SKALD_OK)) check_rows(r, readers, n);
}

/* Alone up to `to`, `chunk` tokens in a step. */
static void read_to(run *r, reader *it, uint32_t to, uint32_t chunk) {
    while (it->at < to) {
        it->n = to - it->at < chunk ? to - it->at : chunk;
        step(r, it, 1);
    }
}

/* States reach back as far as the line before the last one, if the sequence was there; then this says GONE. */
static bool is_gone(run *r, skald_status status, uint32_t from, uint32_t to) {
    const uint32_t lines = from / SKALD_STATE_GRID - to / SKALD_STATE_GRID;
    const bool may = models[at_model].has_states && to && lines, must = may && lines > 1;
    CHECK_SAID(status == SKALD_OK ? !must : status == SKALD_GONE && may, "from %u to %u: %s", from, to,
               skald_status_text(status));
    r->n_gone += status == SKALD_GONE;
    return status == SKALD_GONE;
}

/* A fork of `from` at `at` that goes on with another text, which has the same beginning. What is gone is read again. */
static reader fork_reader(run *r, const reader *from, char name, uint32_t at) {
    reader it = {.at = at};
    for (size_t i = 0; i < N_TEXTS; i++)
        if (texts[i].name == name) it.text = &texts[i];
    if (is_gone(r, skald_kv_cache_fork(&it.seq, r->s.cache, from->seq, at), from->at, at)) {
        it = open_reader(r, name);
        read_to(r, &it, at, 50);
    }
    return it;
}

static void rewind_reader(run *r, reader *it, uint32_t at) {
    if (is_gone(r, skald_kv_cache_rewind(r->s.cache, it->seq, at), it->at, at)) {
        text *same = it->text;
        close_reader(r, it);
        *it = open_reader(r, same->name);
        read_to(r, it, at, 50);
    }
    it->at = at;
}

static void read_alone(const way *w, char name, uint32_t to, uint32_t chunk) {
    run r = begin(w);
    reader it = open_reader(&r, name);
    read_to(&r, &it, to, chunk);
    close_reader(&r, &it);
    end(&r);
}

/* ---- properties */

/* Up to four readers side by side, each step a random mixture: some wait, some decode, some read a chunk. */
static void side_by_side(run *r, reader *readers, uint32_t n, const uint32_t *to, uint32_t seed) {
    for (uint32_t round = 0;; round++) {
        reader now[N_READERS];
        uint32_t who[N_READERS], n_now = 0, left = 0;
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t i = (k + round) % n, rest = to[i] - readers[i].at;
            const double dice = sk_random(seed, round, i);
            uint32_t take = dice < 0.2 ? 0 : dice < 0.6 ? 1 : (uint32_t)(dice * dice * 90);
            left += rest;
            if (take > rest) take = rest;
            if (!take) continue;
            readers[i].n = take;
            who[n_now] = i;
            now[n_now++] = readers[i];
        }
        if (!left) break;
        if (n_now) step(r, now, n_now);
        for (uint32_t k = 0; k < n_now; k++) readers[who[k]] = now[k];
    }
}

static void beside_others(const way *w, uint32_t to) {
    run r = begin(w);
    reader all[3] = {open_reader(&r, 'A'), open_reader(&r, 'B'), open_reader(&r, 'A')};
    side_by_side(&r, all, 3, (uint32_t[]){to, to < 420 ? to : 420, to / 2}, 1);
    for (uint32_t i = 0; i < 3; i++) close_reader(&r, &all[i]);
    end(&r);
}

/* Inside a page and at its end, by one that is further already, and by both at once; all go on. */
static void forked(const way *w) {
    run r = begin(w);
    reader all[4] = {open_reader(&r, 'A')};
    read_to(&r, &all[0], 200, 64);
    all[1] = fork_reader(&r, &all[0], 'C', 200);
    side_by_side(&r, all, 2, (uint32_t[]){290, 330}, 2);
    all[2] = fork_reader(&r, &all[0], 'D', 256);
    all[3] = fork_reader(&r, &all[0], 'A', 170);
    side_by_side(&r, all, 4, (uint32_t[]){420, 420, 300, 300}, 3);
    close_reader(&r, &all[0]);
    all[0] = fork_reader(&r, &all[3], 'C', 129);
    read_to(&r, &all[0], 260, 1);
    read_to(&r, &all[3], 310, 5);
    for (uint32_t i = 0; i < 4; i++) close_reader(&r, &all[i]);
    end(&r);
}

static void rewound(const way *w) {
    static const uint32_t back[][2] = {{300, 290}, {310, 256}, {300, 250}, {260, 129}, {200, 1}, {128, 127}, {140, 0}};
    run r = begin(w);
    reader it = open_reader(&r, 'A');
    for (size_t i = 0; i < sizeof back / sizeof *back; i++) {
        read_to(&r, &it, back[i][0], 61);
        rewind_reader(&r, &it, back[i][1]);
    }
    read_to(&r, &it, 20, 7);
    close_reader(&r, &it);
    it = open_reader(&r, 'C'); /* what was read as A up to the branch is read on as C */
    it.text = &texts[0];
    read_to(&r, &it, 330, 110);
    it.text = &texts[2];
    rewind_reader(&r, &it, 200);
    read_to(&r, &it, 330, 110);
    close_reader(&r, &it);
    end(&r);
}

/* Forks and rewinds around lines of the grid, wherever in a chunk the sequence and they are. */
static void around_lines(const way *w) {
    run r = begin(w);
    reader it = open_reader(&r, 'A');
    for (uint32_t i = 0; i < 40; i++) {
        read_to(&r, &it, it.at + 14 + i % 7, 1 + i % 6);
        const uint32_t back = i * 5 % 18;
        reader fork = fork_reader(&r, &it, 'A', it.at - back);
        read_to(&r, &fork, fork.at + 20, 3 + i % 17);
        read_to(&r, &it, it.at + i % 3, 1);
        rewind_reader(&r, &it, it.at - i * 7 % 14);
        close_reader(&r, &fork);
    }
    CHECK(r.n_gone < 8); /* of 80 */
    close_reader(&r, &it);
    end(&r);
}

/* Pages are full of NaN before they are used, and a neighbour is made of it. */
static void beside_nothing_finite(const way *w) {
    static float rows[140][TEST_MODEL_WIDTH];
    run r = begin(w);
    skald_kv_cache_stats stats;
    session_state(&stats, &r.s);
    for (uint32_t i = 0; i < 140 * TEST_MODEL_WIDTH; i++) rows[i / TEST_MODEL_WIDTH][i % TEST_MODEL_WIDTH] = NAN;
    skald_span spoil = {.size = sizeof spoil,
                        .embeddings = rows[0],
                        .n_tokens = SKALD_PAGE_TOKENS,
                        .logits = SKALD_LOGITS_NONE};
    CHECK_EQUAL(skald_kv_cache_open(&spoil.seq, r.s.cache), SKALD_OK);
    for (uint32_t i = 0; i < stats.n_pages; i++)
        CHECK_EQUAL(skald_step(r.s.context, r.s.cache, NULL, NULL, &spoil, 1), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_rewind(r.s.cache, spoil.seq, 0), SKALD_OK);
    reader it = open_reader(&r, 'A');
    for (uint32_t at = 0; at < 260; at += 130) {
        skald_span spans[2] = {spoil,
                               {.size = sizeof spoil,
                                .seq = it.seq,
                                .tokens = it.text->tokens + at,
                                .n_tokens = it.n = 130,
                                .logits = SKALD_LOGITS_ALL}};
        spans[0].n_tokens = 131;
        if (!CHECK_EQUAL(skald_step(r.s.context, r.s.cache, NULL, NULL, spans, 2), SKALD_OK)) break;
        check_rows(&r, &it, 1);
    }
    it.n = 1;
    step(&r, &it, 1);
    end(&r);
}

static int32_t countdown(void *user, float done) {
    (void)done;
    uint32_t *left = user;
    return --*left == 0;
}

/* A step that is cancelled, sooner or later, again and again, has not happened. */
static void cancelled(const way *w) {
    run r = begin(w);
    long met = 0;
    reader all[2] = {open_reader(&r, 'A')};
    read_to(&r, &all[0], 200, 200);
    all[1] = fork_reader(&r, &all[0], 'C', 200);
    for (uint32_t round = 0; round < 12; round++) {
        skald_kv_cache_stats before, after;
        all[0].n = round % 3 ? 1 + round : 60;
        all[1].n = round % 2 ? 1 : 20;
        session_state(&before, &r.s);
        for (uint32_t most = 1;; most += 3) {
            uint32_t left = most;
            const skald_status status = try_step(&r, all, 2, countdown, &left);
            if (status == SKALD_OK) break;
            met++;
            if (!CHECK_EQUAL(status, SKALD_CANCELLED)) return;
            session_state(&after, &r.s);
            CHECK(memcmp(&before, &after, sizeof before) == 0);
            CHECK_EQUAL(session_length(&r.s, all[0].seq), all[0].at);
        }
        check_rows(&r, all, 2);
    }
    CHECK(met >= 6); /* a short step whose jobs were all taken by a worker has asked nobody */
    for (uint32_t i = 0; i < 2; i++) close_reader(&r, &all[i]);
    end(&r);
    printf("    %ld steps were cancelled\n", met);
}

/* ---- the host's executor */

static void in_order(void *user, void (*job)(void *, uint32_t), void *arg, uint32_t n) {
    (void)user;
    for (uint32_t i = 0; i < n; i++) job(arg, i);
}

static void in_reverse(void *user, void (*job)(void *, uint32_t), void *arg, uint32_t n) {
    (void)user;
    while (n) job(arg, --n);
}

/* A stride that is prime walks through all of them. */
static void in_disorder(void *user, void (*job)(void *, uint32_t), void *arg, uint32_t n) {
    uint32_t *calls = user, at = (uint32_t)(sk_random(5, *calls++, 0) * n);
    for (uint32_t i = 0; i < n; i++) job(arg, at = (at + 7919) % n);
}

/* ---- all ways */

static void learn(uint32_t cache) {
    for (size_t i = 0; i < N_TEXTS; i++) {
        const way w = {.name = "what others are held against", .cache = cache, .learn = true};
        read_alone(&w, texts[i].name, texts[i].n, LONG);
    }
}

static void chunks(void) {
    static const uint32_t sizes[] = {1, 7, 128, 512};
    static const char *const names[] = {"chunks of 1", "chunks of 7", "chunks of 128", "chunks of 512"};
    for (size_t i = 0; i < 4; i++) {
        const way f16 = {.name = names[i], .cache = 1}, f32 = {.name = names[i], .cache = 0};
        read_alone(&f16, 'A', LONG, sizes[i]);
        read_alone(&f32, 'A', sizes[i] == 1 ? 400 : LONG, sizes[i]);
    }
    for (uint32_t cache = 0; cache < n_caches; cache++) {
        const way wide = {.name = "a pass of 2000 rows", .cache = cache, .n_rows = 2000};
        const way narrow = {.name = "passes of 33 rows", .cache = cache, .n_rows = 33};
        read_alone(&wide, 'A', LONG, LONG);
        read_alone(&narrow, 'A', LONG, LONG);
    }
}

static void neighbours(void) {
    for (uint32_t cache = 0; cache < n_caches; cache++) {
        beside_others(&(way){.name = "beside other sequences", .cache = cache}, cache ? LONG : 600);
        beside_others(&(way){.name = "beside others, passes of 16 rows", .cache = cache, .n_rows = 16}, 300);
        forked(&(way){.name = "forked", .cache = cache});
        rewound(&(way){.name = "rewound", .cache = cache});
        if (models[at_model].has_states) around_lines(&(way){.name = "around lines of the grid", .cache = cache});
        beside_nothing_finite(&(way){.name = "over and beside NaN", .cache = cache, .n_tokens = 768});
        cancelled(&(way){.name = "after cancelled steps", .cache = cache});
        cancelled(&(way){.name = "after cancelled steps, alone", .cache = cache, .n_threads = 1});
    }
}

static void workers(void) {
    static const char *const names[] = {"1 thread", "2 threads", "3 threads", "4 threads"};
    uint32_t calls = 0;
    const skald_executor executors[] = {{in_order, NULL, 1},
                                        {in_order, NULL, 4},
                                        {in_reverse, NULL, 4},
                                        {in_disorder, &calls, 4}};
    static const char *const orders[] = {"the host's executor, one job", "the host's executor, in order",
                                         "the host's executor, in reverse", "the host's executor, in disorder"};
    for (uint32_t i = 0; i < 4; i++) {
        read_alone(&(way){.name = names[i], .cache = 1, .n_threads = i + 1}, 'A', 600, 300);
        read_alone(&(way){.name = names[i], .cache = 0, .n_threads = i + 1}, 'A', 40, 1);
        read_alone(&(way){.name = orders[i], .cache = 1, .executor = &executors[i], .n_threads = 4}, 'A', 300, 77);
    }
    read_alone(&(way){.name = "paused whenever possible", .cache = 1, .microseconds = 1}, 'A', 600, 200);
    read_alone(&(way){.name = "paused, one thread", .cache = 0, .microseconds = 1, .n_threads = 1}, 'A', 140, 139);
    forked(&(way){.name = "forked, paused", .cache = 1, .microseconds = 1});
}

/* A whole prompt as far as the machine makes it in time, then single tokens at depth. */
static void level(const char *name, uint32_t cache, uint32_t depth) {
    const way w = {.name = name, .cache = cache, .level = name};
    run r = begin(&w);
    reader it = open_reader(&r, 'A');
    read_to(&r, &it, depth, 512);
    rewind_reader(&r, &it, depth - 9);
    read_to(&r, &it, depth, 1);
    rewind_reader(&r, &it, 5);
    read_to(&r, &it, 40, 3);
    end(&r);
}

static void levels(void) {
    static const char *const names[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int32_t got = sk_cpu_level(names[i]);
        if (got < 0 || strcmp(sk_cpu_level_name((uint32_t)got), names[i]) != 0) continue;
        for (uint32_t cache = 0; cache < n_caches; cache++) {
            const way beside = {.name = "beside others", .cache = cache, .level = names[i]};
            const way fork = {.name = "forked", .cache = cache, .level = names[i]};
            level(names[i], cache, i ? LONG : cache && !at_model ? 700 : 150); /* scalar: past a split of blocks once */
            beside_others(&beside, i ? LONG / 2 : 90);
            if (i) forked(&fork);
        }
    }
}

/* ---- the file of hashes */

/* Line `i` of the model's hashes, from what was learnt; false behind the last. The first ones are those of a slow machine. */
static bool make_line(char *out, size_t room, uint32_t i) {
    static const struct {
        uint32_t cache, text, n;
    } lines[] = {{0, 0, SHORT_F32}, {1, 0, SHORT_F16}, {0, 0, LONG}, {1, 0, LONG}, {0, 1, 420},
                 {1, 1, 420},       {2, 0, LONG},      {3, 0, LONG}, {4, 0, LONG}};
    const char *name = models[at_model].name;
    if (i == 0) return snprintf(out, room, "%s model %016llx", name, (unsigned long long)hash_model()), true;
    if (--i >= sizeof lines / sizeof *lines || lines[i].cache >= n_caches) return false;
    const uint64_t h = hash_rows(texts[lines[i].text].want[lines[i].cache], lines[i].n);
    snprintf(out, room, "%s %s %c %u %016llx", name, caches[lines[i].cache].name, texts[lines[i].text].name,
             (unsigned)lines[i].n, (unsigned long long)h);
    return true;
}

/* The model's lines stand together in the file. */
static void check_file(void) {
    char want[128], got[128];
    const char *name = models[at_model].name;
    FILE *f = fopen(SK_TEST_DATA "/hashes.txt", "r");
    if (!CHECK(f != NULL)) return;
    do {
        if (!CHECK_SAID(fgets(want, sizeof want, f) != NULL, "hashes.txt has no model %s", name)) want[0] = 0;
    } while (want[0] && (strncmp(want, name, strlen(name)) != 0 || want[strlen(name)] != ' '));
    for (uint32_t n = 0; make_line(got, sizeof got, n); n++) {
        want[strcspn(want, "\r\n")] = 0;
        CHECK_TEXT(got, want);
        if (!fgets(want, sizeof want, f)) want[0] = 0;
    }
    fclose(f);
}

static void print_lines(uint32_t n) {
    char out[128];
    for (uint32_t i = 0; i < n && make_line(out, sizeof out, i); i++) puts(out);
}

/* Logits that are alive: neither all alike nor huge, so that equal hashes mean something. */
static void check_sane(void) {
    const way w = {.name = "sanity", .cache = 0};
    double sum = 0, squares = 0, n = 0;
    run r = begin(&w);
    reader it = open_reader(&r, 'A');
    it.n = 200;
    CHECK_EQUAL(try_step(&r, &it, 1, NULL, NULL), SKALD_OK);
    for (uint32_t i = 0; i < 200; i++)
        for (uint32_t v = 0; v < r.s.n_vocab; v++, n++) {
            const double x = (double)skald_logits(r.s.context, i)[v];
            sum += x, squares += x * x;
        }
    const double deviation = sqrt(squares / n - sum / n * (sum / n));
    CHECK_SAID(deviation > 1 && deviation < 4, "the logits' standard deviation is %g", deviation);
    printf("standard deviation of the logits %.2f\n", deviation);
    session_close(&r.s);
}

static void make_texts(void) {
    for (size_t i = 0; i < N_TEXTS; i++)
        for (uint32_t t = 0; t < texts[i].n; t++)
            texts[i].tokens[t] = t < texts[i].branch ? texts[0].tokens[t]
                                                     : (int32_t)(sk_random(42, t, (uint32_t)i) * TEST_MODEL_VOCABULARY);
}

/* ---- other programs */

static skald_status write_bytes(void *user, const void *bytes, size_t n_bytes) {
    return fwrite(bytes, 1, n_bytes, user) == n_bytes ? SKALD_OK : SKALD_READ;
}

static int write_model(const char *path, const char *ids) {
    FILE *f = fopen(path, "wb"), *list = fopen(ids, "w");
    if (!f || !list) return 1;
    CHECK_EQUAL(test_model_write(TEST_MODEL_DENSE, write_bytes, f), SKALD_OK);
    for (uint32_t i = 0; i < SHORT_F32; i++) fprintf(list, "%s%d", i ? ", " : "[", (int)texts[0].tokens[i]);
    fprintf(list, "]\n");
    return fclose(f) != 0 || fclose(list) != 0 || sk_checks_failed;
}

static void print_short(void) {
    for (uint32_t cache = 0; cache < 2; cache++) {
        const way w = {.name = "short", .cache = cache, .learn = true};
        run r = begin(&w);
        reader it = open_reader(&r, 'A');
        read_to(&r, &it, cache ? SHORT_F16 : SHORT_F32, 100);
        session_close(&r.s);
    }
    print_lines(3);
}

static void learn_all(void) {
    for (uint32_t cache = 0; cache < n_caches; cache++) learn(cache);
}

static void try_all(void) {
    learn_all();
    check_sane();
    check_file();
    chunks();
    neighbours();
    workers();
    levels();
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    make_texts();
    if (argc == 4 && strcmp(mode, "model") == 0) return write_model(argv[2], argv[3]);
    for (at_model = 0; at_model < N_MODELS; at_model++) {
        model = test_model_make(models[at_model].which, &n_model);
        n_caches = models[at_model].n_caches;
        if (strcmp(mode, "short") == 0) print_short();
        else if (strcmp(mode, "hashes") == 0) learn_all(), print_lines(UINT32_MAX);
        else try_all();
        free(model);
    }
    return strcmp(mode, "") == 0 ? sk_checked() : sk_checks_failed != 0;
}

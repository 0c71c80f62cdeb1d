/* What a program of calls works on, what must be true of it, and the program itself: bytes that are read one by one, 0
 * behind their end. */
#ifndef SK_FUZZ_CALLS_WORLD_H
#define SK_FUZZ_CALLS_WORLD_H
#include "fuzz/calls/tiny.h"
#include <stdbool.h>

#define N_CACHES    2u
#define N_CONTEXTS  2u
#define N_SPANS     3u
#define N_HANDLES   8u  /* sequences of a cache that are remembered, released ones too */
#define MOST_PAGES  24u /* of a cache */
#define MOST_STEP   150u
#define MOST_LOGITS 24u
#define MOST_OPS    96u
#define WORK        420u /* rows of a program's steps and requests, about; it costs time */

/* ---- the program */

static struct {
    const uint8_t *at, *end;
    uint32_t work; /* rows that are left */
} program;

static uint8_t next(void) { return program.at < program.end ? *program.at++ : 0; }

/* ---- the host's memory: lent while a call is running that may ask, refused when the program said so */

static struct {
    bool may_ask;
    uint32_t refuse_in; /* the so manieth request from now on; 0: none */
    bool refused;       /* one was, in this call */
} host;

static void *host_lend(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    PROMISE(host.may_ask && bytes && alignment && alignment <= 4096 && (alignment & (alignment - 1)) == 0);
    if (host.refuse_in && --host.refuse_in == 0) return host.refused = true, NULL;
    void *at = counted_lend(user, bytes, alignment, kind);
    memset(at, 0xa5, bytes < 4096 ? bytes : 4096); /* nobody may count on zeros */
    return at;
}

static void host_take(void *user, void *pointer, size_t bytes, size_t alignment) {
    PROMISE(host.may_ask && bytes <= live);
    counted_take(user, pointer, bytes, alignment);
}

static const skald_allocator host_memory = {host_lend, host_take, NULL};

/* Around a call that may ask for memory or give it back. */
static void ask_begin(void) { host.may_ask = true, host.refused = false; }
static void ask_end(void) { host.may_ask = false; }

/* ---- statuses */

typedef uint32_t set; /* of statuses */

static set one(skald_status status) { return 1u << (status + 16); }

static const skald_status foreign = 9; /* what a host's own functions return */

static skald_report fresh_report(void) { return (skald_report){.size = sizeof(skald_report), .status = 77}; }

/* It is one of those; a refusal has a sentence, and nothing else has one. */
static void expect(skald_status status, set allowed) { PROMISE(allowed & one(status)); }

static void expect_why(skald_status status, set allowed, const skald_report *why) {
    expect(status, allowed);
    if (status == SKALD_OK || status == SKALD_PENDING || status == SKALD_END) PROMISE(why->status == 77);
    else PROMISE(why->status == status && why->text[0] && memchr(why->text, 0, sizeof why->text));
}

/* Of a call that may ask for memory: MEMORY is said when the host refused, and only then. */
static set asked(set allowed) { return host.refused ? one(SKALD_MEMORY) : allowed; }

/* ---- what lives */

typedef struct sequence {
    skald_seq seq; /* 0: never was one */
    bool lives;
    uint32_t length, longest; /* ids that it holds; the most that it or those it was forked from have held */
    uint32_t n_held, pages[MOST_PAGES];
    int32_t text[TINY_TEXT];
} sequence;

typedef struct store {
    skald_kv_cache *cache;
    skald_dtype type;
    uint32_t n_sequences, n_pages, owners[MOST_PAGES];
    sequence sequences[N_HANDLES];
    skald_kv_cache_stats stats; /* as last told: a call that fails leaves them */
    bool is_paused;
} store;

typedef struct desk {
    skald_context *context;
    uint32_t n_logits;
    store *store; /* of the step that is paused; NULL: none is */
    /* of the step that is made: the library may look at it until the step is over */
    skald_span spans[N_SPANS];
    sequence *of[N_SPANS];
    int32_t ids[N_SPANS][MOST_STEP];
    uint32_t n_spans;
    /* of the last step that was finished */
    uint32_t n_rows;
    bool is_kept; /* no step has begun since then */
    float rows[MOST_LOGITS][N_WORDS];
} desk;

static struct {
    tiny_kind kind;
    skald_runtime *runtime; /* the program's own; NULL: all programs share one that stays */
    skald_model *model;     /* NULL: let go */
    uint32_t n_owned;       /* of the model */
    uint64_t live_before;
    store stores[N_CACHES];
    desk desks[N_CONTEXTS];
    skald_sampler *sampler;
    skald_grammar *grammar;
    skald_matcher *matcher, *other;
} world;

static tiny_file files[TINY_KINDS];
static skald_model *models[TINY_KINDS];    /* that stay */
static tiny_oracle oracles[TINY_KINDS][2]; /* caches of F16 and of Q8_0 */
static const skald_dtype types[2] = {SKALD_F16, SKALD_Q8_0};

static const float *logits_of(skald_dtype type, const int32_t *ids, uint32_t n) {
    return tiny_logits(&oracles[world.kind][type == types[1]], ids, n);
}

/* The id at a place of a text; texts of one flavour have beginnings in common. */
static int32_t id_at(uint32_t flavour, uint32_t at) {
    return (int32_t)((at * 37 + (at * at >> 3) + flavour * 11) % N_WORDS);
}
#endif

/* Byte-level BPE (Sennrich et al., arXiv 1508.07909): of all neighbours the pair with the lowest rank is merged first,
 * of equal ranks the leftmost. A tree of minima over the pairs finds it, so a word of n bytes takes n log n steps. */
#include "text/encode.h"
#include <string.h>

#define SHORT_WORD   128u
#define NO_RANK      UINT32_MAX
#define LONGEST_TEXT 0x7fffffffu

/* A word's tokens as a linked list in the order of the text, and the ranks of the pairs they begin. */
typedef struct {
    uint32_t *id, *next, *previous; /* [room]; next of the last one is their number */
    uint32_t *least;                /* [2 * leaves] the tree: ranks in the leaves, minima above, the root at 1 */
    uint32_t leaves;                /* a power of two */
} row;

typedef struct {
    const sk_vocab *vocab;
    const skald_allocator *memory;
    int32_t *ids;
    uint32_t n_ids, room;
    uint32_t *block; /* for long words; grows */
    uint64_t block_words;
    uint32_t stack[SHORT_WORD * 5];
} encoder;

static void give(encoder *e, int32_t id) {
    if (e->n_ids < e->room) e->ids[e->n_ids] = id;
    e->n_ids++;
}

/* ---- one word */

static skald_status make_row(encoder *e, row *r, uint32_t n) {
    r->leaves = 1;
    while (r->leaves < n) r->leaves *= 2;
    uint64_t words = 3ull * n + 2ull * r->leaves;
    uint32_t *at = e->stack;
    if (words > sizeof e->stack / sizeof *e->stack) {
        if (words > e->block_words) {
            sk_release(e->memory, e->block, e->block_words * sizeof *e->block);
            e->block = sk_allocate(e->memory, words, sizeof *e->block, SKALD_MEMORY_SCRATCH);
            e->block_words = e->block ? words : 0;
            if (!e->block) return SKALD_MEMORY;
        }
        at = e->block;
    }
    r->id = at;
    r->next = at + n;
    r->previous = r->next + n;
    r->least = r->previous + n;
    return SKALD_OK;
}

static uint32_t rank_of(const encoder *e, const row *r, uint32_t at, uint32_t n) {
    const sk_vocab_merge *m = r->next[at] < n ? sk_vocab_merge_of(e->vocab, r->id[at], r->id[r->next[at]]) : NULL;
    return m ? m->rank : NO_RANK;
}

static void set_rank(row *r, uint32_t at, uint32_t rank) {
    uint32_t node = at + r->leaves;
    r->least[node] = rank;
    while (node > 1) {
        uint32_t a = r->least[node & ~1u], b = r->least[node | 1u], least = a < b ? a : b;
        node /= 2;
        if (r->least[node] == least) return;
        r->least[node] = least;
    }
}

static uint32_t leftmost_least(const row *r) {
    uint32_t node = 1;
    while (node < r->leaves) node = r->least[2 * node] == r->least[node] ? 2 * node : 2 * node + 1;
    return node - r->leaves;
}

/* Returns how many bytes of the word have a token: the others are not there for the merges. */
static uint32_t begin_row(const encoder *e, row *r, const uint8_t *word, uint32_t n_bytes) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_bytes; i++) {
        if (e->vocab->byte_id[word[i]] < 0) continue;
        r->id[n] = (uint32_t)e->vocab->byte_id[word[i]];
        r->next[n] = n + 1;
        r->previous[n] = n - 1; /* of the first: no index */
        n++;
    }
    for (uint32_t i = 0; i < r->leaves; i++) r->least[r->leaves + i] = i < n ? rank_of(e, r, i, n) : NO_RANK;
    for (uint32_t i = r->leaves - 1; i > 0; i--)
        r->least[i] = r->least[2 * i] < r->least[2 * i + 1] ? r->least[2 * i] : r->least[2 * i + 1];
    return n;
}

static void merge_row(const encoder *e, row *r, uint32_t n) {
    while (r->least[1] != NO_RANK) {
        uint32_t at = leftmost_least(r), gone = r->next[at];
        r->id[at] = sk_vocab_merge_of(e->vocab, r->id[at], r->id[gone])->id;
        r->next[at] = r->next[gone];
        if (r->next[gone] < n) r->previous[r->next[gone]] = at;
        set_rank(r, gone, NO_RANK);
        set_rank(r, at, rank_of(e, r, at, n));
        if (r->previous[at] < n) set_rank(r, r->previous[at], rank_of(e, r, r->previous[at], n));
    }
}

static skald_status encode_word(encoder *e, const uint8_t *word, uint32_t n) {
    int32_t whole = e->vocab->ignore_merges ? sk_vocab_find(e->vocab, word, n) : -1;
    if (whole >= 0) return give(e, whole), SKALD_OK;
    row r;
    skald_status s = make_row(e, &r, n);
    if (s != SKALD_OK) return s;
    n = begin_row(e, &r, word, n);
    merge_row(e, &r, n);
    for (uint32_t at = 0; at < n; at = r.next[at]) give(e, (int32_t)r.id[at]);
    return SKALD_OK;
}

/* ---- a text */

static skald_status encode_plain(encoder *e, const uint8_t *text, size_t n_bytes) {
    sk_words words;
    const uint8_t *word;
    size_t n;
    skald_status s = SKALD_OK;
    sk_words_begin(&words, e->vocab->split, e->vocab->n_splits, text, n_bytes);
    while (s == SKALD_OK && sk_words_next(&words, &word, &n)) s = encode_word(e, word, (uint32_t)n);
    return s;
}

static skald_status encode_text(encoder *e, bool control, const uint8_t *text, size_t n_bytes) {
    size_t plain = 0, at = 0;
    skald_status s = SKALD_OK;
    while (at < n_bytes && s == SKALD_OK) {
        int32_t id = sk_vocab_special(e->vocab, control, text + at, n_bytes - at);
        if (id < 0) {
            at++;
            continue;
        }
        s = encode_plain(e, text + plain, at - plain);
        give(e, id);
        at += e->vocab->start[id + 1] - e->vocab->start[id];
        plain = at;
    }
    return s == SKALD_OK ? encode_plain(e, text + plain, n_bytes - plain) : s;
}

skald_status sk_encode(int32_t *ids, uint32_t *n_ids, const sk_vocab *vocab, const skald_allocator *memory,
                       skald_encode_flags flags, const char *text, size_t n_bytes) {
    if (!n_ids || (!ids && *n_ids) || (!text && n_bytes) || n_bytes > LONGEST_TEXT) return SKALD_ARGUMENT;
    if (flags & ~(skald_encode_flags)(SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS)) return SKALD_ARGUMENT;
    encoder e;
    e.vocab = vocab;
    e.memory = memory;
    e.ids = ids;
    e.n_ids = 0;
    e.room = *n_ids;
    e.block = NULL;
    e.block_words = 0;
    if (flags & SKALD_ENCODE_BOS && vocab->add_bos) give(&e, vocab->role[SKALD_TOKEN_BOS]);
    skald_status s = SKALD_OK;
    if (n_bytes) s = encode_text(&e, flags & SKALD_ENCODE_SPECIAL, (const uint8_t *)text, n_bytes);
    sk_release(memory, e.block, e.block_words * sizeof *e.block);
    if (s != SKALD_OK) return s;
    *n_ids = e.n_ids;
    return e.n_ids <= e.room ? SKALD_OK : SKALD_SHORT;
}

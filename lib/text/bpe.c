/* A tree of minima over the pairs of a word finds the next merge, so a word of n bytes takes n log n steps. */
#include "text/bpe.h"
#include "text/unicode.h"

#define NO_RANK UINT32_MAX

/* A word's tokens as a linked list in the order of the text. Of a byte-level vocabulary entry i is the i-th byte that
 * has a token; of SentencePiece's it is the byte where a token begins. */
typedef struct {
    const uint8_t *word;
    uint32_t n;                     /* the end of the list */
    uint32_t *id, *next, *previous; /* [n] */
    uint32_t *made;                 /* [n] what an entry and the next one make together */
    uint32_t *least;                /* [2 * leaves] the tree: ranks in the leaves, minima above, the root at 1 */
    uint32_t leaves;                /* a power of two */
} row;

static skald_status make_row(sk_work *w, row *r, const uint8_t *word, uint32_t n) {
    r->word = word;
    r->leaves = 1;
    while (r->leaves < n) r->leaves *= 2;
    uint64_t words = 4ull * n + 2ull * r->leaves;
    const bool is_short = words <= sizeof w->stack / sizeof *w->stack;
    uint32_t *at = is_short ? w->stack : sk_borrow(w, &w->word, words * sizeof *at);
    if (!at) return SKALD_MEMORY;
    r->id = at;
    r->next = r->id + n;
    r->previous = r->next + n;
    r->made = r->previous + n;
    r->least = r->made + n;
    return SKALD_OK;
}

/* ---- ranks: by the two ids, or by the text that both make */

static uint32_t rank_by_ids(const sk_vocab *v, row *r, uint32_t at) {
    const sk_vocab_merge *m = sk_vocab_merge_of(v, r->id[at], r->id[r->next[at]]);
    if (!m) return NO_RANK;
    r->made[at] = m->id;
    return m->rank;
}

static uint32_t rank_by_text(const sk_vocab *v, row *r, uint32_t at) {
    const uint32_t length = r->next[r->next[at]] - at;
    const int32_t id = length > v->longest ? -1 : sk_vocab_find(v, r->word + at, length);
    if (id < 0) return NO_RANK;
    r->made[at] = (uint32_t)id;
    return v->rank[id];
}

static uint32_t rank_of(const sk_vocab *v, row *r, uint32_t at) {
    if (r->next[at] >= r->n) return NO_RANK;
    return v->kind == SK_VOCAB_BYTE_BPE ? rank_by_ids(v, r, at) : rank_by_text(v, r, at);
}

/* ---- the tree */

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

static void plant(const sk_vocab *v, row *r) {
    for (uint32_t i = 0; i < r->leaves; i++) r->least[r->leaves + i] = NO_RANK;
    for (uint32_t at = 0; at < r->n; at = r->next[at]) r->least[r->leaves + at] = rank_of(v, r, at);
    for (uint32_t i = r->leaves - 1; i > 0; i--)
        r->least[i] = r->least[2 * i] < r->least[2 * i + 1] ? r->least[2 * i] : r->least[2 * i + 1];
}

/* ---- a word */

/* A byte without a token is not there for the merges. */
static void begin_bytes(const sk_vocab *v, row *r, uint32_t n_bytes) {
    r->n = 0;
    for (uint32_t i = 0; i < n_bytes; i++) {
        const int32_t id = v->byte_id[r->word[i]];
        if (id < 0) continue;
        r->id[r->n] = (uint32_t)id;
        r->previous[r->n] = r->n - 1; /* of the first: no index */
        r->next[r->n] = r->n + 1;
        r->n++;
    }
}

static void begin_characters(const sk_vocab *v, row *r, uint32_t n_bytes) {
    uint32_t code, length, before = UINT32_MAX;
    r->n = n_bytes;
    for (uint32_t at = 0; at < n_bytes; at += length) {
        length = sk_utf8_next(&code, r->word + at, n_bytes - at);
        r->id[at] = (uint32_t)sk_vocab_find(v, r->word + at, length);
        r->previous[at] = before;
        r->next[at] = at + length;
        before = at;
    }
}

static void merge(const sk_vocab *v, row *r) {
    while (r->least[1] != NO_RANK) {
        uint32_t at = leftmost_least(r), gone = r->next[at];
        r->id[at] = r->made[at];
        r->next[at] = r->next[gone];
        if (r->next[gone] < r->n) r->previous[r->next[gone]] = at;
        set_rank(r, gone, NO_RANK);
        set_rank(r, at, rank_of(v, r, at));
        if (r->previous[at] < r->n) set_rank(r, r->previous[at], rank_of(v, r, r->previous[at]));
    }
}

static void give(sk_work *w, const row *r) {
    for (uint32_t at = 0; at < r->n; at = r->next[at]) {
        if (r->id[at] <= INT32_MAX) sk_give_id(w, (int32_t)r->id[at]);
        else sk_give_unknown(w, r->word + at, r->next[at] - at);
    }
}

skald_status sk_bpe_word(sk_work *w, const uint8_t *word, uint32_t n_bytes) {
    const sk_vocab *v = w->vocab;
    row r;
    skald_status s = make_row(w, &r, word, n_bytes);
    if (s != SKALD_OK) return s;
    if (v->kind == SK_VOCAB_BYTE_BPE) begin_bytes(v, &r, n_bytes);
    else begin_characters(v, &r, n_bytes);
    plant(v, &r);
    merge(v, &r);
    give(w, &r);
    return SKALD_OK;
}

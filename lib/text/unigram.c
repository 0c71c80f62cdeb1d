/* Scores are added in f32 from the beginning of the text on, as SentencePiece adds them: where two ways are nearly equal
 * the same one wins. */
#include "text/unigram.h"
#include "text/sorted.h"
#include "text/unicode.h"

#define NOWHERE UINT32_MAX

/* The best way to each place of a word. */
typedef struct {
    float *score;   /* [n + 1] */
    int32_t *id;    /* [n + 1] of the token that ends here, -1: a character without one */
    uint32_t *from; /* [n + 1] where it begins, NOWHERE: no way leads here */
} ways;

static skald_status make_ways(sk_work *w, ways *y, uint32_t n) {
    const uint64_t words = 3ull * (n + 1ull);
    const bool is_short = words <= sizeof w->stack / sizeof *w->stack;
    uint32_t *at = is_short ? w->stack : sk_borrow(w, &w->word, words * sizeof *at);
    if (!at) return SKALD_MEMORY;
    y->score = (float *)(void *)at;
    y->id = (int32_t *)(void *)(at + n + 1);
    y->from = at + 2ull * (n + 1ull);
    y->score[0] = w->score;
    for (uint32_t i = 0; i <= n; i++) y->from[i] = NOWHERE;
    return SKALD_OK;
}

static void offer(ways *y, uint32_t from, uint32_t to, int32_t id, float score) {
    const float sum = score + y->score[from];
    if (y->from[to] != NOWHERE && !(sum > y->score[to])) return;
    y->score[to] = sum;
    y->id[to] = id;
    y->from[to] = from;
}

/* All tokens that begin at `from`, and the character there if it is none. */
static void go_on(const sk_vocab *v, ways *y, const uint8_t *word, uint32_t n, uint32_t from, uint32_t length) {
    sk_range range = {v->first[word[from]], v->first[word[from] + 1u]};
    bool single = false;
    for (uint32_t to = from + 1; range.low < range.high; to++) {
        const uint32_t id = v->sorted[range.low]; /* the shortest of the range */
        if (sk_vocab_length(v, id) == to - from) {
            offer(y, from, to, (int32_t)id, v->score[id]);
            single = single || to - from == length;
        }
        if (to == n) break;
        range = sk_narrow(v, v->sorted, range, to - from, word[to]);
    }
    if (!single) offer(y, from, from + length, -1, v->unknown_score);
}

/* The tokens lie backwards: their ends are turned round in `from`. */
static void give(sk_work *w, const ways *y, const uint8_t *word, uint32_t n) {
    uint32_t next = NOWHERE;
    for (uint32_t at = n; at != NOWHERE;) {
        const uint32_t from = at ? y->from[at] : NOWHERE;
        y->from[at] = next;
        next = at;
        at = from;
    }
    for (uint32_t at = 0, to; at < n; at = to) {
        to = y->from[at];
        if (y->id[to] >= 0) sk_give_id(w, y->id[to]);
        else sk_give_unknown(w, word + at, to - at);
    }
}

skald_status sk_unigram_word(sk_work *w, const uint8_t *word, uint32_t n) {
    ways y;
    skald_status s = make_ways(w, &y, n);
    if (s != SKALD_OK) return s;
    uint32_t code, length;
    for (uint32_t at = 0; at < n; at += length) {
        length = sk_utf8_next(&code, word + at, n - at);
        go_on(w->vocab, &y, word, n, at, length);
    }
    w->score = y.score[n];
    give(w, &y, word, n);
    return SKALD_OK;
}

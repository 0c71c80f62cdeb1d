/* Tokens in the order of their bytes, against pairs of neighbours compared one by one: drawn texts of few letters and of
 * many, empty and equal ones, and beginnings in common that are longer than the sort deals out. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/check.h"
#include "text/sorted.h"
#include <stdlib.h>

enum { MOST_TOKENS = 6000, MOST_BYTES = MOST_TOKENS * 400 };

typedef struct drawn {
    sk_vocab vocab;
    uint8_t bytes[MOST_BYTES];
    uint32_t start[MOST_TOKENS + 1], ids[MOST_TOKENS];
    bool seen[MOST_TOKENS];
} drawn;

static uint32_t state;
static uint32_t draw(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(state >> 8) * n >> 24);
}

/* Texts of up to `longest` letters of `n_letters` behind `common` equal ones; some cut short. */
static void draw_tokens(drawn *d, uint32_t n, uint32_t longest, uint32_t n_letters, uint32_t common) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t shared = draw(10) ? common : draw(common + 1), length = draw(longest + 1);
        d->start[i] = at;
        memset(d->bytes + at, 'x', shared);
        at += shared;
        for (uint32_t k = 0; k < length; k++) d->bytes[at++] = (uint8_t)(255 - draw(n_letters));
    }
    d->start[n] = at;
    d->vocab = (sk_vocab){.n_tokens = n, .bytes = d->bytes, .start = d->start};
    for (uint32_t i = 0; i < n; i++) d->ids[i] = i, d->seen[i] = false;
    for (uint32_t i = n; i-- > 1;) {
        const uint32_t k = draw(i + 1), id = d->ids[i];
        d->ids[i] = d->ids[k], d->ids[k] = id;
    }
}

/* Below 0: `a` belongs before `b`. */
static int order(const drawn *d, uint32_t a, uint32_t b) {
    const uint32_t n = sk_vocab_length(&d->vocab, a), m = sk_vocab_length(&d->vocab, b);
    for (uint32_t i = 0; i < n && i < m; i++) {
        const int x = d->bytes[d->start[a] + i], y = d->bytes[d->start[b] + i];
        if (x != y) return x - y;
    }
    return n != m ? (n < m ? -1 : 1) : a < b ? -1 : 1;
}

static void check(drawn *d, uint32_t n, uint32_t longest, uint32_t n_letters, uint32_t common) {
    draw_tokens(d, n, longest, n_letters, common);
    CHECK_EQUAL(sk_sort_tokens(&d->vocab, d->ids, n, NULL, NULL), SKALD_OK);
    uint32_t n_wrong = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_wrong += d->ids[i] >= n || d->seen[d->ids[i]] || (i && order(d, d->ids[i - 1], d->ids[i]) > 0);
        if (d->ids[i] < n) d->seen[d->ids[i]] = true;
    }
    CHECK_SAID(n_wrong == 0, "%u of %u tokens of up to %u of %u letters behind %u: wrong", n_wrong, n, longest,
               n_letters, common);
}

int main(void) {
    static const uint32_t counts[] = {0, 1, 2, 24, 25, 26, 300, MOST_TOKENS}, lengths[] = {0, 1, 3, 40, 120},
                          letters[] = {1, 2, 26, 256}, commons[] = {0, 1, 63, 64, 65, 200};
    drawn *d = calloc(1, sizeof *d);
    if (!d) return 2;
    for (size_t a = 0; a < sizeof counts / sizeof *counts; a++)
        for (size_t b = 0; b < sizeof lengths / sizeof *lengths; b++)
            for (size_t c = 0; c < sizeof letters / sizeof *letters; c++)
                for (size_t e = 0; e < sizeof commons / sizeof *commons; e++)
                    check(d, counts[a], lengths[b], letters[c], commons[e]);
    free(d);
    return sk_checked();
}

/* Ids of prompts and answers, in blocks of one arena. */
#include "engine/engine.h"
#include <string.h>

static size_t index_of(const sk_request *r, uint32_t i) {
    return (size_t)r->blocks[i / SK_TEXT_BLOCK] * SK_TEXT_BLOCK + i % SK_TEXT_BLOCK;
}

static int32_t *place(const skald_engine *e, const sk_request *r, uint32_t i) { return e->arena + index_of(r, i); }

/* How many of n ids from i on lie in one block. */
static uint32_t run_of(uint32_t i, uint32_t n) {
    const uint32_t room = SK_TEXT_BLOCK - i % SK_TEXT_BLOCK;
    return n < room ? n : room;
}

int32_t sk_text_id(const skald_engine *e, const sk_request *r, uint32_t i) { return *place(e, r, i); }

skald_logprob *sk_text_tops(const skald_engine *e, const sk_request *r, uint32_t i) {
    return e->tops + index_of(r, i) * (1 + e->options.n_top);
}

void sk_text_write(skald_engine *e, const sk_request *r, uint32_t first, const int32_t *ids, uint32_t n) {
    for (uint32_t m; n; first += m, ids += m, n -= m) {
        m = run_of(first, n);
        memcpy(place(e, r, first), ids, m * sizeof *ids);
    }
}

void sk_text_read(int32_t *ids, const skald_engine *e, const sk_request *r, uint32_t first, uint32_t n) {
    for (uint32_t m; n; first += m, ids += m, n -= m) {
        m = run_of(first, n);
        memcpy(ids, place(e, r, first), m * sizeof *ids);
    }
}

uint32_t sk_text_common(const skald_engine *e, const sk_request *a, const sk_request *b, uint32_t n) {
    for (uint32_t first = 0, m; first < n; first += m) {
        m = run_of(first, n - first);
        const int32_t *x = place(e, a, first), *y = place(e, b, first);
        if (memcmp(x, y, m * sizeof *x) == 0) continue;
        for (uint32_t i = 0; i < m; i++)
            if (x[i] != y[i]) return first + i;
    }
    return n;
}

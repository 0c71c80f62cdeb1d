/* How a page keeps the quantized keys or values of one KV head: bytes, then an f16 scale for each 32 elements of a token.
 *
 *     K   bytes [dim / 4][SK_PAGE][4]     four elements of a key are a lane     Q8_0: q + 128, Q4_0: q + 8
 *     V   bytes [SK_PAGE / 2][dim][2]     two keys of an element are a lane     Q8_0: q,       Q4_0: q + 8
 *         scales [dim / 32][SK_PAGE]
 *
 * A byte of Q4_0 holds elements j (low) and j + 16 (high) of a block of 32, so that dim is half as much there. */
#ifndef SK_CPU_KEPT_H
#define SK_CPU_KEPT_H
#include "backends/cpu/kernels.h"

/* Blocks are kept mixed by the Hadamard matrix, times the first; what meets them is mixed too, times the second. The
 * product is 1 / 32, so that scores and outputs are as without it. */
#define SK_KEPT_SCALE 0.125f
#define SK_MEET_SCALE 0.25f

static inline bool sk_kept_in_blocks(skald_dtype type) { return type == SKALD_Q8_0 || type == SKALD_Q4_0; }

/* Element i of a token as an element of the bytes: the high half of a block of Q4_0 shares those of the low half. */
static inline uint32_t sk_kept_at(skald_dtype type, uint32_t i) {
    return type == SKALD_Q4_0 ? i / SK_BLOCK * 16 + i % 16 : i;
}

/* The byte of element i of a key. */
static inline size_t sk_kept_key(skald_dtype type, uint32_t i, uint32_t key) {
    i = sk_kept_at(type, i);
    return ((size_t)(i / 4) * SK_PAGE + key) * 4 + i % 4;
}

/* The byte of element i of a value with `dim` elements. */
static inline size_t sk_kept_value(skald_dtype type, uint32_t i, uint32_t key, uint32_t dim) {
    if (type == SKALD_Q4_0) dim /= 2;
    return ((size_t)(key / 2) * dim + sk_kept_at(type, i)) * 2 + key % 2;
}

/* The scales of keys or values that begin at `bytes`: that of block b of a token is [b * SK_PAGE + key]. */
static inline size_t sk_kept_scales(skald_dtype type, uint32_t dim) {
    return (size_t)SK_PAGE * dim / (type == SKALD_Q4_0 ? 2 : 1);
}
#endif

/* Pieces of integer products on AVX-512: 4 k of 32 outputs times those of 1 ... 5 rows. */
#ifndef SK_CPU_AVX512_TILE_H
#define SK_CPU_AVX512_TILE_H
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* A stream that is read once comes from memory: ask for it this far ahead. */
#define AHEAD 4096

typedef struct block_sums {
    __m512i sum[SK_TILE_ROWS][2];
} block_sums;

INLINE void prefetch_piece(const uint8_t *piece, uint32_t bytes) {
    for (uint32_t at = 0; at < bytes; at += 64) _mm_prefetch((const char *)piece + AHEAD + at, _MM_HINT_T0);
}

/* 4 k of 32 outputs times those of each row. */
INLINE void multiply_group(block_sums *s, __m512i w0, __m512i w1, const sk_q8 *x, size_t x_stride, uint32_t group,
                           const uint32_t n_rows) {
    for (uint32_t r = 0; r < n_rows; r++) {
        int32_t four;
        memcpy(&four, x[r * x_stride].q + 4 * group, 4);
        __m512i a = _mm512_set1_epi32(four);
        s->sum[r][0] = _mm512_dpbusd_epi32(s->sum[r][0], w0, a);
        s->sum[r][1] = _mm512_dpbusd_epi32(s->sum[r][1], w1, a);
    }
}

/* Bit g of each byte is the fifth bit of k group g. */
INLINE __m512i add_high(__m512i w, __m512i high, const uint32_t g) {
    __m512i bit = g < 4 ? _mm512_slli_epi16(high, 4 - g) : _mm512_srli_epi16(high, g - 4);
    return _mm512_ternarylogic_epi32(w, bit, _mm512_set1_epi8(16), 0xf8); /* w | bit & 16 */
}

INLINE void multiply_nibbles(block_sums *s, const uint8_t *piece, const sk_q8 *x, size_t x_stride,
                             const uint32_t n_rows, const bool has_high) {
    const __m512i low = _mm512_set1_epi8(15);
    __m512i h0 = low, h1 = low;
    if (has_high) h0 = _mm512_loadu_si512(piece + SK_NIBBLE_BYTES), h1 = _mm512_loadu_si512(piece + SK_NIBBLE_BYTES + 64);
#pragma GCC unroll 4
    for (uint32_t g = 0; g < 4; g++) {
        __m512i n0 = _mm512_loadu_si512(piece + 128 * g), n1 = _mm512_loadu_si512(piece + 128 * g + 64);
        __m512i a0 = _mm512_and_si512(n0, low), a1 = _mm512_and_si512(n1, low);
        __m512i b0 = _mm512_and_si512(_mm512_srli_epi16(n0, 4), low);
        __m512i b1 = _mm512_and_si512(_mm512_srli_epi16(n1, 4), low);
        if (has_high) {
            a0 = add_high(a0, h0, g), a1 = add_high(a1, h1, g);
            b0 = add_high(b0, h0, g + 4), b1 = add_high(b1, h1, g + 4);
        }
        multiply_group(s, a0, a1, x, x_stride, g, n_rows);
        multiply_group(s, b0, b1, x, x_stride, g + 4, n_rows);
    }
}

INLINE void multiply_bytes(block_sums *s, const uint8_t *piece, const sk_q8 *x, size_t x_stride,
                           const uint32_t n_rows) {
#pragma GCC unroll 8
    for (uint32_t g = 0; g < 8; g++) {
        __m512i w0 = _mm512_loadu_si512(piece + 128 * g), w1 = _mm512_loadu_si512(piece + 128 * g + 64);
        multiply_group(s, w0, w1, x, x_stride, g, n_rows);
    }
}

INLINE __m512 load_halves(const uint8_t *from) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from)); }
#endif

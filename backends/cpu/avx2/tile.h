/* Pieces of integer products on AVX2: 32 k of a strip of 8 outputs times those of 1 ... 5 rows. */
#ifndef SK_CPU_AVX2_TILE_H
#define SK_CPU_AVX2_TILE_H
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define AHEAD  4096

INLINE void prefetch_piece(const uint8_t *piece, uint32_t bytes) {
    for (uint32_t at = 0; at < bytes; at += 64) _mm_prefetch((const char *)piece + AHEAD + at, _MM_HINT_T0);
}

INLINE __m256i four_k(const sk_q8 *x, uint32_t group) {
    int32_t four;
    memcpy(&four, x->q + 4 * group, 4);
    return _mm256_set1_epi32(four);
}

/* Pairs of 16-bit sums become 32-bit sums. */
INLINE __m256i widen_sums(__m256i words) { return _mm256_madd_epi16(words, _mm256_set1_epi16(1)); }

/* Bit g of each byte is the fifth bit of k group g: in its place, and nothing else. */
INLINE __m256i high_bits(__m256i high, const uint32_t g) {
    __m256i bit = g < 4 ? _mm256_slli_epi16(high, 4 - (int)g) : _mm256_srli_epi16(high, (int)g - 4);
    return _mm256_and_si256(bit, _mm256_set1_epi8(16));
}

/* Unsigned nibbles or five bits. Four products of pairs fit 16 bits for 31 * 127 (31496), eight for 15 * 127 (30480). */
INLINE void strip_nibbles(__m256i sum[SK_TILE_ROWS], const uint8_t *piece, uint32_t strip, const sk_q8 *x,
                          size_t x_stride, const uint32_t n_rows, const bool has_high) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i words[SK_TILE_ROWS], high = low;
    if (has_high) high = _mm256_loadu_si256((const __m256i *)(piece + SK_NIBBLE_BYTES + 32 * strip));
    for (uint32_t r = 0; r < n_rows; r++) words[r] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (uint32_t g = 0; g < 4; g++) {
        __m256i n = _mm256_loadu_si256((const __m256i *)(piece + 128 * g + 32 * strip));
        __m256i a = _mm256_and_si256(n, low), b = _mm256_and_si256(_mm256_srli_epi16(n, 4), low);
        if (has_high) {
            a = _mm256_or_si256(a, high_bits(high, g));
            b = _mm256_or_si256(b, high_bits(high, g + 4));
        }
        for (uint32_t r = 0; r < n_rows; r++) {
            const sk_q8 *row = x + r * x_stride;
            words[r] = _mm256_add_epi16(words[r], _mm256_maddubs_epi16(a, four_k(row, g)));
            words[r] = _mm256_add_epi16(words[r], _mm256_maddubs_epi16(b, four_k(row, g + 4)));
            if (has_high && g == 1) sum[r] = widen_sums(words[r]), words[r] = _mm256_setzero_si256();
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        sum[r] = has_high ? _mm256_add_epi32(sum[r], widen_sums(words[r])) : widen_sums(words[r]);
}

/* Signed bytes: |w| times x with w's sign; a pair is at most 128 * 127 * 2, which fits. */
INLINE void strip_bytes(__m256i sum[SK_TILE_ROWS], const uint8_t *piece, uint32_t strip, const sk_q8 *x,
                        size_t x_stride, const uint32_t n_rows) {
    const __m256i flip = _mm256_set1_epi8(-128);
    for (uint32_t r = 0; r < n_rows; r++) sum[r] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (uint32_t g = 0; g < 8; g++) {
        __m256i w = _mm256_loadu_si256((const __m256i *)(piece + 128 * g + 32 * strip));
        w = _mm256_xor_si256(w, flip);
        __m256i size = _mm256_abs_epi8(w);
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256i a = _mm256_sign_epi8(four_k(x + r * x_stride, g), w);
            sum[r] = _mm256_add_epi32(sum[r], widen_sums(_mm256_maddubs_epi16(size, a)));
        }
    }
}

INLINE __m256 load_halves(const uint8_t *from) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)); }

typedef float panel_sums[SK_TILE_ROWS][SK_PANEL];
#endif

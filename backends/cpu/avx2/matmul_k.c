/* Matrix products on AVX2 for blocks of 256: scales are themselves scaled, and made while a piece is read. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx2/begin.h"
#include "backends/cpu/avx2/tile.h"

typedef float panel_sums[SK_TILE_ROWS][SK_PANEL];

INLINE __m256 from_unsigned(const uint8_t *bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)));
}
INLINE __m256 from_signed(const uint8_t *bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)bytes)));
}

/* 8 outputs of a piece of Q4_K or Q5_K: one scale and one min for 32 k. */
INLINE void add_scaled(panel_sums acc, const uint8_t *head, const uint8_t *piece, uint32_t strip, const sk_q8 *x,
                       size_t x_stride, const uint32_t n_rows, const bool has_high) {
    const uint8_t *scales = piece + SK_NIBBLE_BYTES + (has_high ? SK_HIGH_BYTES : 0) + 8 * strip;
    __m256i sum[SK_TILE_ROWS];
    strip_nibbles(sum, piece, strip, x, x_stride, n_rows, has_high);
    __m256 d = _mm256_mul_ps(load_halves(head + 16 * strip), from_unsigned(scales));
    __m256 m = _mm256_mul_ps(load_halves(head + SK_SCALE_BYTES + 16 * strip), from_unsigned(scales + 32));
    for (uint32_t r = 0; r < n_rows; r++) {
        const sk_q8 *a = x + r * x_stride;
        __m256 old = _mm256_loadu_ps(acc[r] + 8 * strip), both = _mm256_mul_ps(d, _mm256_set1_ps(a->d));
        old = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r]), both, old);
        old = _mm256_fnmadd_ps(m, _mm256_set1_ps(a->d_sum), old);
        _mm256_storeu_ps(acc[r] + 8 * strip, old);
    }
}

/* The fifth and sixth bits of k group g of a half, in their place. */
INLINE __m256i two_bits(__m256i four_groups, const uint32_t g) {
    __m256i x = g == 0   ? _mm256_slli_epi16(four_groups, 4)
                : g == 1 ? _mm256_slli_epi16(four_groups, 2)
                : g == 2 ? four_groups
                         : _mm256_srli_epi16(four_groups, 2);
    return _mm256_and_si256(x, _mm256_set1_epi8(48));
}

/* 8 outputs by 16 k of a piece of Q6_K. Two products of pairs fit 16 bits: 4 * 63 * 127 is 32004. */
INLINE void add_six_bits(panel_sums acc, const uint8_t *head, const uint8_t *piece, uint32_t strip, const sk_q8 *x,
                         size_t x_stride, const uint32_t n_rows, const uint32_t half) {
    const __m256i low = _mm256_set1_epi8(15);
    const uint8_t *two = piece + SK_NIBBLE_BYTES + 128 * half + 32 * strip;
    const uint8_t *scales = piece + SK_NIBBLE_BYTES + SK_TWO_BIT_BYTES + 32 * half + 8 * strip;
    const __m256i t = _mm256_loadu_si256((const __m256i *)two);
    __m256i sum[SK_TILE_ROWS], words[SK_TILE_ROWS];
    for (uint32_t r = 0; r < n_rows; r++) sum[r] = _mm256_set1_epi32(-32 * x[r * x_stride].sum[half]);
#pragma GCC unroll 4
    for (uint32_t g = 0; g < 4; g++) {
        __m256i n = _mm256_loadu_si256((const __m256i *)(piece + 128 * g + 32 * strip));
        if (half) n = _mm256_srli_epi16(n, 4);
        __m256i w = _mm256_or_si256(_mm256_and_si256(n, low), two_bits(t, g));
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256i product = _mm256_maddubs_epi16(w, four_k(x + r * x_stride, 4 * half + g));
            if (g % 2 == 0) words[r] = product;
            else sum[r] = _mm256_add_epi32(sum[r], widen_sums(_mm256_add_epi16(words[r], product)));
        }
    }
    __m256 d = _mm256_mul_ps(load_halves(head + 16 * strip), from_signed(scales));
    for (uint32_t r = 0; r < n_rows; r++) {
        __m256 both = _mm256_mul_ps(d, _mm256_set1_ps(x[r * x_stride].d)), old = _mm256_loadu_ps(acc[r] + 8 * strip);
        _mm256_storeu_ps(acc[r] + 8 * strip, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r]), both, old));
    }
}

/* bits 4, 5 or 6; everything from `n_rows` on is a constant where this is called. */
INLINE void super_tile(float *y, size_t y_stride, const uint8_t *head, const sk_q8 *x, size_t x_stride, uint32_t n_in,
                       const uint32_t n_rows, const uint32_t bits) {
    const uint32_t bytes = bits == 4 ? SK_Q4_K_PIECE : bits == 5 ? SK_Q5_K_PIECE : SK_Q6_K_PIECE;
    const uint32_t head_bytes = bits == 6 ? SK_SCALE_BYTES : 2 * SK_SCALE_BYTES;
    panel_sums acc;
    memset(acc, 0, sizeof acc);
    for (uint32_t b = 0; b < n_in / SK_SUPER; b++, head += head_bytes + 8 * bytes) {
        const uint8_t *piece = head + head_bytes;
        for (uint32_t group = 0; group < 8; group++, piece += bytes, x++) {
            if (n_rows < SK_TILE_ROWS) prefetch_piece(piece, bytes);
#pragma GCC unroll 1
            for (uint32_t strip = 0; strip < 4; strip++) {
                if (bits == 6) {
                    add_six_bits(acc, head, piece, strip, x, x_stride, n_rows, 0);
                    add_six_bits(acc, head, piece, strip, x, x_stride, n_rows, 1);
                } else {
                    add_scaled(acc, head, piece, strip, x, x_stride, n_rows, bits == 5);
                }
            }
        }
    }
    for (uint32_t r = 0; r < n_rows; r++) memcpy(y + r * y_stride, acc[r], sizeof acc[r]);
}

INLINE void super_rows(float *y, size_t y_stride, const void *panel, const sk_q8 *x, size_t x_stride, uint32_t n_rows,
                       uint32_t n_in, const uint32_t bits) {
    switch (n_rows) {
    case 1: super_tile(y, y_stride, panel, x, x_stride, n_in, 1, bits); break;
    case 2: super_tile(y, y_stride, panel, x, x_stride, n_in, 2, bits); break;
    case 3: super_tile(y, y_stride, panel, x, x_stride, n_in, 3, bits); break;
    case 4: super_tile(y, y_stride, panel, x, x_stride, n_in, 4, bits); break;
    default: super_tile(y, y_stride, panel, x, x_stride, n_in, 5, bits); break;
    }
}
void sk_q4_k_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    super_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 4);
}

void sk_q5_k_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    super_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 5);
}

void sk_q6_k_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    super_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 6);
}

#include "backends/cpu/end.h"

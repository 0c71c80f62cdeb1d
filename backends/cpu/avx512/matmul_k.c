/* Matrix products on AVX-512 for blocks of 256: scales are themselves scaled, and made while a piece is read. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx512/begin.h"
#include "backends/cpu/avx512/tile.h"

typedef __m512 panel_sums[SK_TILE_ROWS][2];

INLINE __m512 from_unsigned(const uint8_t *bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)bytes)));
}
INLINE __m512 from_signed(const uint8_t *bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)bytes)));
}

/* A piece of Q4_K or Q5_K: one scale and one min for 32 k. */
INLINE void add_scaled(panel_sums acc, const uint8_t *head, const uint8_t *piece, const sk_q8 *x, size_t x_stride,
                       const uint32_t n_rows, const bool has_high) {
    const uint8_t *scales = piece + SK_NIBBLE_BYTES + (has_high ? SK_HIGH_BYTES : 0);
    block_sums s;
    for (uint32_t r = 0; r < n_rows; r++) s.sum[r][0] = s.sum[r][1] = _mm512_setzero_si512();
    multiply_nibbles(&s, piece, x, x_stride, n_rows, has_high);
    for (uint32_t side = 0; side < 2; side++) {
        __m512 d = _mm512_mul_ps(load_halves(head + 32 * side), from_unsigned(scales + 16 * side));
        __m512 m =
            _mm512_mul_ps(load_halves(head + SK_SCALE_BYTES + 32 * side), from_unsigned(scales + 32 + 16 * side));
        for (uint32_t r = 0; r < n_rows; r++) {
            const sk_q8 *a = x + r * x_stride;
            __m512 both = _mm512_mul_ps(d, _mm512_set1_ps(a->d));
            acc[r][side] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s.sum[r][side]), both, acc[r][side]);
            acc[r][side] = _mm512_fnmadd_ps(m, _mm512_set1_ps(a->d_sum), acc[r][side]);
        }
    }
}

/* The fifth and sixth bits of k group g of a half, in their place. */
INLINE __m512i two_bits(__m512i four_groups, const uint32_t g) {
    __m512i x = g == 0   ? _mm512_slli_epi16(four_groups, 4)
                : g == 1 ? _mm512_slli_epi16(four_groups, 2)
                : g == 2 ? four_groups
                         : _mm512_srli_epi16(four_groups, 2);
    return _mm512_and_si512(x, _mm512_set1_epi8(48));
}

/* 16 k of a piece of Q6_K: they have a scale of their own. */
INLINE void add_six_bits(panel_sums acc, const uint8_t *head, const uint8_t *piece, const sk_q8 *x, size_t x_stride,
                         const uint32_t n_rows, const uint32_t half) {
    const __m512i low = _mm512_set1_epi8(15);
    const uint8_t *two = piece + SK_NIBBLE_BYTES + 128 * half, *scales = piece + SK_NIBBLE_BYTES + SK_TWO_BIT_BYTES;
    const __m512i t0 = _mm512_loadu_si512(two), t1 = _mm512_loadu_si512(two + 64);
    block_sums s;
    for (uint32_t r = 0; r < n_rows; r++)
        s.sum[r][0] = s.sum[r][1] = _mm512_set1_epi32(-32 * x[r * x_stride].sum[half]);
#pragma GCC unroll 4
    for (uint32_t g = 0; g < 4; g++) {
        __m512i n0 = _mm512_loadu_si512(piece + 128 * g), n1 = _mm512_loadu_si512(piece + 128 * g + 64);
        if (half) n0 = _mm512_srli_epi16(n0, 4), n1 = _mm512_srli_epi16(n1, 4);
        __m512i w0 = _mm512_or_si512(_mm512_and_si512(n0, low), two_bits(t0, g));
        __m512i w1 = _mm512_or_si512(_mm512_and_si512(n1, low), two_bits(t1, g));
        multiply_group(&s, w0, w1, x, x_stride, 4 * half + g, n_rows);
    }
    for (uint32_t side = 0; side < 2; side++) {
        __m512 d = _mm512_mul_ps(load_halves(head + 32 * side), from_signed(scales + 32 * half + 16 * side));
        for (uint32_t r = 0; r < n_rows; r++) {
            __m512 both = _mm512_mul_ps(d, _mm512_set1_ps(x[r * x_stride].d));
            acc[r][side] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s.sum[r][side]), both, acc[r][side]);
        }
    }
}

/* bits 4, 5 or 6; everything from `n_rows` on is a constant where this is called. */
INLINE void super_tile(float *y, size_t y_stride, const uint8_t *head, const sk_q8 *x, size_t x_stride, uint32_t n_in,
                       const uint32_t n_rows, const uint32_t bits) {
    const uint32_t bytes = bits == 4 ? SK_Q4_K_PIECE : bits == 5 ? SK_Q5_K_PIECE : SK_Q6_K_PIECE;
    const uint32_t head_bytes = bits == 6 ? SK_SCALE_BYTES : 2 * SK_SCALE_BYTES;
    panel_sums acc;
    for (uint32_t r = 0; r < n_rows; r++) acc[r][0] = acc[r][1] = _mm512_setzero_ps();
    for (uint32_t b = 0; b < n_in / SK_SUPER; b++, head += head_bytes + 8 * bytes) {
        const uint8_t *piece = head + head_bytes;
#pragma GCC unroll 1
        for (uint32_t group = 0; group < 8; group++, piece += bytes, x++) {
            if (n_rows < SK_TILE_ROWS) prefetch_piece(piece, bytes);
            if (bits == 6) {
                add_six_bits(acc, head, piece, x, x_stride, n_rows, 0);
                add_six_bits(acc, head, piece, x, x_stride, n_rows, 1);
            } else {
                add_scaled(acc, head, piece, x, x_stride, n_rows, bits == 5);
            }
        }
    }
    for (uint32_t r = 0; r < n_rows; r++) {
        _mm512_storeu_ps(y + r * y_stride, acc[r][0]);
        _mm512_storeu_ps(y + r * y_stride + 16, acc[r][1]);
    }
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
void sk_q4_k_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    super_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 4);
}

void sk_q5_k_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    super_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 5);
}

void sk_q6_k_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    super_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 6);
}

#include "backends/cpu/end.h"

/* Matrix products on AVX-512: a panel of 32 outputs by 1 ... 5 rows, all sums in registers. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx512/begin.h"
#include "backends/cpu/avx512/tile.h"

/* bits 4, 5 or 8; everything from `n_rows` on is a constant where this is called. */
INLINE void block_tile(float *y, size_t y_stride, const uint8_t *piece, const sk_q8 *x, size_t x_stride, uint32_t n_in,
                       const uint32_t n_rows, const uint32_t bits, const bool has_min) {
    const uint32_t integers = bits == 8 ? SK_OCTET_BYTES : SK_NIBBLE_BYTES + (bits == 5 ? SK_HIGH_BYTES : 0);
    const uint32_t bytes = integers + SK_SCALE_BYTES * (has_min ? 2 : 1);
    const int32_t bias = has_min ? 0 : 1 << (bits - 1);
    __m512 acc[SK_TILE_ROWS][2];
    for (uint32_t r = 0; r < n_rows; r++) acc[r][0] = acc[r][1] = _mm512_setzero_ps();
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++, piece += bytes, x++) {
        block_sums s;
        if (n_rows < SK_TILE_ROWS) prefetch_piece(piece, bytes);
        for (uint32_t r = 0; r < n_rows; r++) {
            const sk_q8 *a = x + r * x_stride;
            s.sum[r][0] = s.sum[r][1] = _mm512_set1_epi32(-bias * (a->sum[0] + a->sum[1]));
        }
        if (bits == 8) multiply_bytes(&s, piece, x, x_stride, n_rows);
        else multiply_nibbles(&s, piece, x, x_stride, n_rows, bits == 5);
        for (uint32_t half = 0; half < 2; half++) {
            __m512 d = load_halves(piece + integers + 32 * half);
            __m512 m = has_min ? load_halves(piece + integers + SK_SCALE_BYTES + 32 * half) : d;
            for (uint32_t r = 0; r < n_rows; r++) {
                const sk_q8 *a = x + r * x_stride;
                __m512 both = _mm512_mul_ps(d, _mm512_set1_ps(a->d));
                acc[r][half] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s.sum[r][half]), both, acc[r][half]);
                if (has_min) acc[r][half] = _mm512_fmadd_ps(m, _mm512_set1_ps(a->d_sum), acc[r][half]);
            }
        }
    }
    for (uint32_t r = 0; r < n_rows; r++) {
        _mm512_storeu_ps(y + r * y_stride, acc[r][0]);
        _mm512_storeu_ps(y + r * y_stride + 16, acc[r][1]);
    }
}

INLINE void block_rows(float *y, size_t y_stride, const void *panel, const sk_q8 *x, size_t x_stride, uint32_t n_rows,
                       uint32_t n_in, const uint32_t bits, const bool has_min) {
    switch (n_rows) {
    case 1: block_tile(y, y_stride, panel, x, x_stride, n_in, 1, bits, has_min); break;
    case 2: block_tile(y, y_stride, panel, x, x_stride, n_in, 2, bits, has_min); break;
    case 3: block_tile(y, y_stride, panel, x, x_stride, n_in, 3, bits, has_min); break;
    case 4: block_tile(y, y_stride, panel, x, x_stride, n_in, 4, bits, has_min); break;
    default: block_tile(y, y_stride, panel, x, x_stride, n_in, 5, bits, has_min); break;
    }
}

void sk_q4_0_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 4, false);
}

void sk_q4_1_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 4, true);
}

void sk_q5_0_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 5, false);
}

void sk_q5_1_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 5, true);
}

void sk_q8_0_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 8, false);
}

/* 16 outputs at one k as f32. */
INLINE __m512 load_f32(const void *panel, size_t at) { return _mm512_loadu_ps((const float *)panel + at); }
INLINE __m512 load_f16(const void *panel, size_t at) { return load_halves((const uint8_t *)panel + 2 * at); }
INLINE __m512 load_bf16(const void *panel, size_t at) {
    __m256i x = _mm256_loadu_si256((const __m256i *)((const uint8_t *)panel + 2 * at));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

typedef __m512 load_fn(const void *panel, size_t at);

/* Column k of a panel as a stream from memory. */
INLINE void prefetch_column(const void *panel, uint32_t k, const uint32_t element_bytes) {
    prefetch_piece((const uint8_t *)panel + (size_t)k * SK_PANEL * element_bytes, SK_PANEL * element_bytes);
}

INLINE void float_tile(float *y, size_t y_stride, const void *panel, const float *x, size_t x_stride, uint32_t n_in,
                       const uint32_t n_rows, load_fn *load, const uint32_t size) {
    __m512 acc[SK_TILE_ROWS][2];
    for (uint32_t r = 0; r < n_rows; r++) acc[r][0] = acc[r][1] = _mm512_setzero_ps();
    for (uint32_t k = 0; k < n_in; k++) {
        if (n_rows < SK_TILE_ROWS) prefetch_column(panel, k, size);
        __m512 w0 = load(panel, (size_t)k * SK_PANEL), w1 = load(panel, (size_t)k * SK_PANEL + 16);
        for (uint32_t r = 0; r < n_rows; r++) {
            __m512 a = _mm512_set1_ps(x[r * x_stride + k]);
            acc[r][0] = _mm512_fmadd_ps(a, w0, acc[r][0]);
            acc[r][1] = _mm512_fmadd_ps(a, w1, acc[r][1]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++) {
        _mm512_storeu_ps(y + r * y_stride, acc[r][0]);
        _mm512_storeu_ps(y + r * y_stride + 16, acc[r][1]);
    }
}

INLINE void float_rows(float *y, size_t y_stride, const void *panel, const float *x, size_t x_stride, uint32_t n_rows,
                       uint32_t n_in, load_fn *load, const uint32_t size) {
    switch (n_rows) {
    case 1: float_tile(y, y_stride, panel, x, x_stride, n_in, 1, load, size); break;
    case 2: float_tile(y, y_stride, panel, x, x_stride, n_in, 2, load, size); break;
    case 3: float_tile(y, y_stride, panel, x, x_stride, n_in, 3, load, size); break;
    case 4: float_tile(y, y_stride, panel, x, x_stride, n_in, 4, load, size); break;
    default: float_tile(y, y_stride, panel, x, x_stride, n_in, 5, load, size); break;
    }
}

void sk_f32_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                        uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f32, 4);
}

void sk_f16_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                        uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f16, 2);
}

void sk_bf16_tile_avx512(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_bf16, 2);
}

#include "backends/cpu/end.h"

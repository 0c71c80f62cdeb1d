/* Matrix products on AVX2: a panel of 32 outputs in four strips of 8 by 1 ... 5 rows. The integer sums of a strip are in
 * registers, the float sums of the panel in the first cache. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx2/begin.h"
#include "backends/cpu/avx2/tile.h"

/* bits 4, 5 or 8; everything from `n_rows` on is a constant where this is called. */
INLINE void block_strip(panel_sums acc, const uint8_t *piece, uint32_t strip, const sk_q8 *x, size_t x_stride,
                        const uint32_t n_rows, const uint32_t bits, const bool has_min) {
    const uint32_t integers = bits == 8 ? SK_OCTET_BYTES : SK_NIBBLE_BYTES + (bits == 5 ? SK_HIGH_BYTES : 0);
    const int32_t bias = has_min || bits == 8 ? 0 : 1 << (bits - 1);
    __m256i sum[SK_TILE_ROWS];
    if (bits == 8) strip_bytes(sum, piece, strip, x, x_stride, n_rows);
    else strip_nibbles(sum, piece, strip, x, x_stride, n_rows, bits == 5);
    __m256 d = load_halves(piece + integers + 16 * strip);
    __m256 m = has_min ? load_halves(piece + integers + SK_SCALE_BYTES + 16 * strip) : d;
    for (uint32_t r = 0; r < n_rows; r++) {
        const sk_q8 *a = x + r * x_stride;
        if (bias) sum[r] = _mm256_sub_epi32(sum[r], _mm256_set1_epi32(bias * (a->sum[0] + a->sum[1])));
        __m256 old = _mm256_loadu_ps(acc[r] + 8 * strip), both = _mm256_mul_ps(d, _mm256_set1_ps(a->d));
        old = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r]), both, old);
        if (has_min) old = _mm256_fmadd_ps(m, _mm256_set1_ps(a->d_sum), old);
        _mm256_storeu_ps(acc[r] + 8 * strip, old);
    }
}

INLINE void block_tile(float *y, size_t y_stride, const uint8_t *piece, const sk_q8 *x, size_t x_stride, uint32_t n_in,
                       const uint32_t n_rows, const uint32_t bits, const bool has_min) {
    const uint32_t integers = bits == 8 ? SK_OCTET_BYTES : SK_NIBBLE_BYTES + (bits == 5 ? SK_HIGH_BYTES : 0);
    const uint32_t bytes = integers + SK_SCALE_BYTES * (has_min ? 2 : 1);
    panel_sums acc;
    memset(acc, 0, sizeof acc);
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++, piece += bytes, x++) {
        if (n_rows < SK_TILE_ROWS) prefetch_piece(piece, bytes);
#pragma GCC unroll 1
        for (uint32_t strip = 0; strip < 4; strip++) block_strip(acc, piece, strip, x, x_stride, n_rows, bits, has_min);
    }
    for (uint32_t r = 0; r < n_rows; r++) memcpy(y + r * y_stride, acc[r], sizeof acc[r]);
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

void sk_q4_0_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 4, false);
}

void sk_q4_1_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 4, true);
}

void sk_q5_0_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 5, false);
}

void sk_q5_1_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 5, true);
}

void sk_q8_0_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 8, false);
}

/* 8 outputs at one k as f32. */
INLINE __m256 load_f32(const void *panel, size_t at) { return _mm256_loadu_ps((const float *)panel + at); }
INLINE __m256 load_f16(const void *panel, size_t at) { return load_halves((const uint8_t *)panel + 2 * at); }
INLINE __m256 load_bf16(const void *panel, size_t at) {
    __m128i x = _mm_loadu_si128((const __m128i *)((const uint8_t *)panel + 2 * at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

typedef __m256 load_fn(const void *panel, size_t at);

/* Column k of a panel as a stream from memory. */
INLINE void prefetch_column(const void *panel, uint32_t k, const uint32_t element_bytes) {
    prefetch_piece((const uint8_t *)panel + (size_t)k * SK_PANEL * element_bytes, SK_PANEL * element_bytes);
}

/* 16 outputs of `strip` for up to 5 rows, or all 32 of one row: what the registers hold. */
INLINE void float_strip(float *y, size_t y_stride, const void *panel, const float *x, size_t x_stride, uint32_t n_in,
                        uint32_t at, const uint32_t n_rows, const uint32_t n_vecs, load_fn *load, const uint32_t size) {
    __m256 acc[SK_TILE_ROWS][4], w[4];
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < n_vecs; v++) acc[r][v] = _mm256_setzero_ps();
    for (uint32_t k = 0; k < n_in; k++) {
        if (at == 0 && n_rows < SK_TILE_ROWS) prefetch_column(panel, k, size);
        for (uint32_t v = 0; v < n_vecs; v++) w[v] = load(panel, (size_t)k * SK_PANEL + at + 8 * v);
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256 a = _mm256_set1_ps(x[r * x_stride + k]);
            for (uint32_t v = 0; v < n_vecs; v++) acc[r][v] = _mm256_fmadd_ps(a, w[v], acc[r][v]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < n_vecs; v++) _mm256_storeu_ps(y + r * y_stride + at + 8 * v, acc[r][v]);
}

INLINE void float_tile(float *y, size_t y_stride, const void *panel, const float *x, size_t x_stride, uint32_t n_in,
                       const uint32_t n_rows, load_fn *load, const uint32_t size) {
    const uint32_t n_vecs = n_rows <= 2 ? 4 : 2;
    for (uint32_t at = 0; at < SK_PANEL; at += 8 * n_vecs)
        float_strip(y, y_stride, panel, x, x_stride, n_in, at, n_rows, n_vecs, load, size);
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

void sk_f32_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                      uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f32, 4);
}

void sk_f16_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                      uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f16, 2);
}

void sk_bf16_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_bf16, 2);
}

#include "backends/cpu/end.h"

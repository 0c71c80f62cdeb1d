/* The expanded form on AVX-512: made from packed panels, and multiplied with five rows at a time. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx512/begin.h"
#define SK_LANES_AVX512
#include "backends/cpu/tiles_body.h"

INLINE void expand(uint8_t *to, const sk_form *form, const uint8_t *panel, uint32_t first, uint32_t n_blocks,
                   const skald_dtype type) {
    const sk_layout l = sk_layout_of(type);
    const __m512i shift = _mm512_set1_epi8((char)(uint8_t)(form->flip - l.bias)); /* q ^ 0x80 is q + 128 */
    const uint32_t scales = l.halves ? 2 : 1;
    for (uint32_t b = first; b < first + n_blocks; b++, to += form->bytes) {
        const uint8_t *head = panel + (l.head ? (size_t)(b / 8) * (l.head + 8 * l.piece) : 0);
        const uint8_t *piece = l.head ? head + l.head + b % 8 * l.piece : panel + (size_t)b * l.piece;
#pragma GCC unroll 8
        for (uint32_t g = 0; g < 8; g++)
            for (uint32_t at = 0; at < SK_LINE_BYTES; at += 64)
                _mm512_store_si512(to + SK_LINE_BYTES * g + at,
                                   _mm512_add_epi8(integers_at(type, piece, at, g), shift));
        for (uint32_t h = 0; h < scales; h++) {
            for (uint32_t i = 0; i < SK_PANEL; i += LANES) {
                float *place = (float *)(void *)(to + SK_OCTET_BYTES) + SK_PANEL * h + i;
                _mm512_store_ps(place, scales_at(type, head, piece + l.integers, i, h));
                if (!l.has_min) continue;
                ints m = _mm512_castps_si512(mins_at(type, head, piece + l.integers, i, h));
                if (l.head) m = _mm512_xor_si512(m, ints_set(INT32_MIN)); /* these are taken off */
                _mm512_store_si512(place + SK_PANEL * scales, m);
            }
        }
    }
}

void sk_packed_expand_avx512(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in,
                             uint32_t first, uint32_t n_blocks) {
    (void)n_in;
#define CASE(format)                                                                                                   \
    case SKALD_##format: expand(to, form, panel, first, n_blocks, SKALD_##format); break;
    switch (type) {
        CASE(Q4_0)
        CASE(Q4_1)
        CASE(Q5_0)
        CASE(Q5_1)
        CASE(IQ4_NL)
        CASE(MXFP4)
        CASE(Q2_K)
        CASE(Q3_K)
        CASE(Q4_K)
        CASE(Q5_K)
        CASE(Q6_K)
        CASE(IQ4_XS)
    default: expand(to, form, panel, first, n_blocks, SKALD_Q8_0); break;
    }
#undef CASE
}

/* 32 k, or 16 k of a half. */
INLINE void add_block(panel_sums acc, const uint8_t *block, const sk_q8 *x, size_t x_stride, const uint32_t n_rows,
                      const bool halves, const bool has_min, const uint32_t half) {
    const uint32_t n_groups = halves ? 4 : 8;
    const float *scales = (const float *)(const void *)(block + SK_OCTET_BYTES) + SK_PANEL * half;
    ints sum[SK_TILE_ROWS][2];
    for (uint32_t r = 0; r < n_rows; r++) {
        const sk_q8 *row = x + r * x_stride;
        const int32_t all = halves ? row->sum[half] : row->sum[0] + row->sum[1];
        sum[r][0] = sum[r][1] = ints_set(has_min ? 0 : -128 * all);
    }
#pragma GCC unroll 8
    for (uint32_t g = n_groups * half; g < n_groups * (half + 1); g++) {
        const ints w0 = _mm512_load_si512(block + SK_LINE_BYTES * g);
        const ints w1 = _mm512_load_si512(block + SK_LINE_BYTES * g + 64);
        for (uint32_t r = 0; r < n_rows; r++) {
            const ints a = load_dword(x[r * x_stride].q + 4 * g);
            sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], w0, a);
            sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], w1, a);
        }
    }
    for (uint32_t v = 0; v < 2; v++) {
        const floats d = _mm512_load_ps(scales + LANES * v);
        const floats m = has_min ? _mm512_load_ps(scales + SK_PANEL * (halves ? 2 : 1) + LANES * v) : d;
        for (uint32_t r = 0; r < n_rows; r++) {
            const sk_q8 *row = x + r * x_stride;
            const floats both = floats_mul(d, floats_set(row->d));
            acc[r][v] = floats_fma(floats_from(sum[r][v]), both, acc[r][v]);
            if (has_min) acc[r][v] = floats_fma(m, row_sum(row, halves, half), acc[r][v]);
        }
    }
}

INLINE void some_rows(float *y, size_t y_stride, const uint8_t *block, uint32_t bytes, const sk_q8 *x, size_t x_stride,
                      uint32_t n_blocks, bool goes_on, const uint32_t n_rows, const bool halves, const bool has_min) {
    panel_sums acc;
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < 2; v++)
            acc[r][v] = goes_on ? _mm512_loadu_ps(y + r * y_stride + LANES * v) : _mm512_setzero_ps();
    for (uint32_t b = 0; b < n_blocks; b++, block += bytes, x++) {
        add_block(acc, block, x, x_stride, n_rows, halves, has_min, 0);
        if (halves) add_block(acc, block, x, x_stride, n_rows, halves, has_min, 1);
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < 2; v++) floats_store(y + r * y_stride + LANES * v, acc[r][v]);
}

INLINE void all_rows(float *y, size_t y_stride, const uint8_t *blocks, uint32_t bytes, const sk_q8 *x, size_t x_stride,
                     uint32_t n_rows, uint32_t n_blocks, bool goes_on, const bool halves, const bool has_min) {
    for (; n_rows >= 5; n_rows -= 5, y += 5 * y_stride, x += 5 * x_stride)
        some_rows(y, y_stride, blocks, bytes, x, x_stride, n_blocks, goes_on, 5, halves, has_min);
    switch (n_rows) {
    case 1: some_rows(y, y_stride, blocks, bytes, x, x_stride, n_blocks, goes_on, 1, halves, has_min); break;
    case 2: some_rows(y, y_stride, blocks, bytes, x, x_stride, n_blocks, goes_on, 2, halves, has_min); break;
    case 3: some_rows(y, y_stride, blocks, bytes, x, x_stride, n_blocks, goes_on, 3, halves, has_min); break;
    case 4: some_rows(y, y_stride, blocks, bytes, x, x_stride, n_blocks, goes_on, 4, halves, has_min); break;
    }
}

void sk_expanded_avx512(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                        size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    const uint32_t bytes = form->bytes;
    if (form->halves && form->has_min)
        all_rows(y, y_stride, blocks, bytes, x, x_stride, n_rows, n_blocks, goes_on, true, true);
    else if (form->halves) all_rows(y, y_stride, blocks, bytes, x, x_stride, n_rows, n_blocks, goes_on, true, false);
    else if (form->has_min) all_rows(y, y_stride, blocks, bytes, x, x_stride, n_rows, n_blocks, goes_on, false, true);
    else all_rows(y, y_stride, blocks, bytes, x, x_stride, n_rows, n_blocks, goes_on, false, false);
}

#include "backends/cpu/end.h"

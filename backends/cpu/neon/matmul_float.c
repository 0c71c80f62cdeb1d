/* Matrix products of formats of one number an element on NEON: strips of outputs by rows, all sums in registers. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

/* Four outputs at one k as f32. */
typedef float32x4_t load_fn(const uint8_t *column, uint32_t at);
INLINE float32x4_t load_f32(const uint8_t *column, uint32_t at) {
    return vreinterpretq_f32_u8(vld1q_u8(column + 4 * at));
}
INLINE float32x4_t load_f16(const uint8_t *column, uint32_t at) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(column + 2 * at)));
}
INLINE float32x4_t load_bf16(const uint8_t *column, uint32_t at) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(column + 2 * at)), 16));
}

/* 4 * n_fours outputs; everything from `n_rows` on is a constant where this is called. */
INLINE void strip(float *y, size_t y_stride, const uint8_t *column, const float *x, size_t x_stride, uint32_t n_in,
                  const uint32_t n_rows, const uint32_t n_fours, load_fn *load, const uint32_t size) {
    float32x4_t sum[SK_TILE_ROWS][8], w[8];
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t f = 0; f < n_fours; f++) sum[r][f] = vdupq_n_f32(0);
    for (uint32_t k = 0; k < n_in; k++, column += (size_t)SK_PANEL * size) {
        for (uint32_t f = 0; f < n_fours; f++) w[f] = load(column, 4 * f);
        for (uint32_t r = 0; r < n_rows; r++)
            for (uint32_t f = 0; f < n_fours; f++) sum[r][f] = vfmaq_n_f32(sum[r][f], w[f], x[r * x_stride + k]);
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t f = 0; f < n_fours; f++) vst1q_f32(y + r * y_stride + 4 * f, sum[r][f]);
}

/* One or two rows take all 32 outputs at once, more take 16: what the registers hold. */
INLINE void tile(float *y, size_t y_stride, const uint8_t *panel, const float *x, size_t x_stride, uint32_t n_in,
                 const uint32_t n_rows, load_fn *load, const uint32_t size) {
    const uint32_t n_fours = n_rows <= 2 ? 8 : 4;
    for (uint32_t at = 0; at < SK_PANEL; at += 4 * n_fours)
        strip(y + at, y_stride, panel + (size_t)at * size, x, x_stride, n_in, n_rows, n_fours, load, size);
}

INLINE void rows(float *y, size_t y_stride, const void *panel, const float *x, size_t x_stride, uint32_t n_rows,
                 uint32_t n_in, load_fn *load, const uint32_t size) {
    switch (n_rows) {
    case 1: tile(y, y_stride, panel, x, x_stride, n_in, 1, load, size); break;
    case 2: tile(y, y_stride, panel, x, x_stride, n_in, 2, load, size); break;
    case 3: tile(y, y_stride, panel, x, x_stride, n_in, 3, load, size); break;
    case 4: tile(y, y_stride, panel, x, x_stride, n_in, 4, load, size); break;
    default: tile(y, y_stride, panel, x, x_stride, n_in, 5, load, size); break;
    }
}

void sk_f32_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                      uint32_t n_rows, uint32_t n_in) {
    (void)type;
    rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f32, 4);
}

void sk_f16_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                      uint32_t n_rows, uint32_t n_in) {
    (void)type;
    rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f16, 2);
}

void sk_bf16_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in) {
    (void)type;
    rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_bf16, 2);
}

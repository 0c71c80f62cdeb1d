/* Matrix products of formats of one number an element on NEON: strips of outputs by rows, all sums in registers. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <arm_neon.h>
#include <string.h>

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
INLINE int16x4_t four_signed(const uint8_t *from) {
    uint32_t four;
    memcpy(&four, from, 4);
    return vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four))));
}
INLINE float32x4_t load_e5m2(const uint8_t *column, uint32_t at) {
    return vcvt_f32_f16(vreinterpret_f16_s16(vshl_n_s16(four_signed(column + at), 8)));
}
/* Its bits are those of an f16 that is 2^8 too small; NaN is what f16 has no word for there. */
INLINE float32x4_t load_e4m3(const uint8_t *column, uint32_t at) {
    const int16x4_t half = vshl_n_s16(four_signed(column + at), 7), magnitude = vdup_n_s16(0x3f80);
    const uint16x4_t nan = vceq_s16(vand_s16(half, magnitude), magnitude);
    const int16x4_t word = vbsl_s16(nan, vdup_n_s16(0x7fff), vand_s16(half, vdup_n_s16((int16_t)0xbfff)));
    return vmulq_n_f32(vcvt_f32_f16(vreinterpret_f16_s16(word)), 256.0f);
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

/* A row alone takes all 32 outputs at once, more take 16: what the registers hold. */
INLINE void tile(float *y, size_t y_stride, const uint8_t *panel, const float *x, size_t x_stride, uint32_t n_in,
                 const uint32_t n_rows, load_fn *load, const uint32_t size) {
    const uint32_t n_fours = n_rows == 1 ? 8 : 4;
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
                      uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)type, (void)ahead;
    rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f32, 4);
}

void sk_f16_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                      uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)type, (void)ahead;
    rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f16, 2);
}

void sk_bf16_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,
                       uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)type, (void)ahead;
    rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_bf16, 2);
}

void sk_f8_e4m3_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x,
                          size_t x_stride, uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)type, (void)ahead;
    rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_e4m3, 1);
}

void sk_f8_e5m2_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x,
                          size_t x_stride, uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)type, (void)ahead;
    rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_e5m2, 1);
}

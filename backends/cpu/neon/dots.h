/* Integer products of 32 k: pairs of four outputs by 4 k, which is a register, times the rows that stand ready. The file
 * that includes this has said which machine it means:
 *
 *     i8mm      smmla    2 outputs by 8 k times 2 rows by 8 k: a pair's registers change halves
 *     dotprod   sdot     4 outputs by 4 k times one row's 4 k, by element
 *     neon      smlal    products of bytes gather in 16 bits
 *
 * The machine's own instructions stand in asm: some compilers show their intrinsics only to a build that has them. */
#ifndef SK_CPU_NEON_DOTS_H
#define SK_CPU_NEON_DOTS_H
#include "backends/cpu/kernels.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Loops whose counts are constants: registers cannot be indexed, so all of them go, or none. */
#if defined(__clang__)
#define UNROLL    _Pragma("clang loop unroll(full)")
#define NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define UNROLL    _Pragma("GCC unroll 8")
#define NO_UNROLL _Pragma("GCC unroll 1")
#endif

enum {
    ALL_FOURS = SK_PANEL / 4, /* registers of four outputs */
#if defined(SK_NEON_I8MM)
    MOST_ROWS = 6,
#else
    MOST_ROWS = SK_TILE_ROWS,
#endif
};

/* Which 4 k of a block a pair has: 2 p and 2 p + 1, or p and p + 4. */
INLINE uint32_t pair_group(const uint32_t pair, const uint32_t which, const bool neighbours) {
    return neighbours ? 2 * pair + which : pair + 4 * which;
}

#if defined(SK_NEON_I8MM)
typedef struct row_parts {
    int8x16_t of[MOST_ROWS / 2][4]; /* [two rows][pair]: 8 k of the one, 8 k of the other */
} row_parts;
typedef struct four_sums {
    int32x4_t first, second; /* of two outputs each: row 0, row 1, row 0, row 1 */
} four_sums;
typedef four_sums all_sums[MOST_ROWS / 2][ALL_FOURS];

INLINE int8x16_t zip_low(int8x16_t a, int8x16_t b) {
    return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}
INLINE int8x16_t zip_high(int8x16_t a, int8x16_t b) {
    return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}
/* Fours of bytes in turn from a and b. */
INLINE int8x16x2_t mix_fours(int8x16_t a, int8x16_t b) {
    int32x4_t x = vreinterpretq_s32_s8(a), y = vreinterpretq_s32_s8(b);
    return (int8x16x2_t){{vreinterpretq_s8_s32(vzip1q_s32(x, y)), vreinterpretq_s8_s32(vzip2q_s32(x, y))}};
}

/* The last of an odd number of rows is its own neighbour. */
INLINE void load_rows(row_parts *rows, const sk_q8 *x, size_t x_stride, const uint32_t n_rows, const bool neighbours) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r += 2) {
        const int8_t *one = x[r * x_stride].q, *two = r + 1 < n_rows ? x[(r + 1) * x_stride].q : one;
        int8x16x2_t a = {{vld1q_s8(one), vld1q_s8(one + 16)}}, b = {{vld1q_s8(two), vld1q_s8(two + 16)}};
        if (!neighbours) a = mix_fours(a.val[0], a.val[1]), b = mix_fours(b.val[0], b.val[1]);
        UNROLL
        for (uint32_t h = 0; h < 2; h++) {
            rows->of[r / 2][2 * h] = zip_low(a.val[h], b.val[h]);
            rows->of[r / 2][2 * h + 1] = zip_high(a.val[h], b.val[h]);
        }
    }
}

INLINE int32x4_t multiply_matrices(int32x4_t sum, int8x16_t w, int8x16_t x) {
    __asm__("smmla %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(w), "w"(x));
    return sum;
}

INLINE void clear(all_sums sums, const uint32_t n_rows, const uint32_t n_fours) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r += 2) {
        UNROLL
        for (uint32_t f = 0; f < n_fours; f++) sums[r / 2][f] = (four_sums){vdupq_n_s32(0), vdupq_n_s32(0)};
    }
}

INLINE void add_pair(all_sums sums, const uint32_t four, int8x16x2_t w, const row_parts *rows, const uint32_t n_rows,
                     const uint32_t pair, const bool neighbours, const bool wide) {
    (void)neighbours, (void)wide;
    w = mix_fours(w.val[0], w.val[1]);
    UNROLL
    for (uint32_t r = 0; r < n_rows; r += 2) {
        four_sums *s = &sums[r / 2][four];
        s->first = multiply_matrices(s->first, w.val[0], rows->of[r / 2][pair]);
        s->second = multiply_matrices(s->second, w.val[1], rows->of[r / 2][pair]);
    }
}

#elif defined(SK_NEON_DOTPROD)
typedef struct row_parts {
    int8x16_t of[MOST_ROWS][2]; /* 16 k each */
} row_parts;
typedef int32x4_t all_sums[MOST_ROWS][ALL_FOURS];

INLINE void load_rows(row_parts *rows, const sk_q8 *x, size_t x_stride, const uint32_t n_rows, const bool neighbours) {
    (void)neighbours;
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) {
        rows->of[r][0] = vld1q_s8(x[r * x_stride].q);
        rows->of[r][1] = vld1q_s8(x[r * x_stride].q + 16);
    }
}

INLINE int32x4_t dot_element(int32x4_t sum, int8x16_t w, int8x16_t x, const uint32_t element) {
    switch (element) {
    case 0: __asm__("sdot %0.4s, %1.16b, %2.4b[0]" : "+w"(sum) : "w"(w), "w"(x)); break;
    case 1: __asm__("sdot %0.4s, %1.16b, %2.4b[1]" : "+w"(sum) : "w"(w), "w"(x)); break;
    case 2: __asm__("sdot %0.4s, %1.16b, %2.4b[2]" : "+w"(sum) : "w"(w), "w"(x)); break;
    default: __asm__("sdot %0.4s, %1.16b, %2.4b[3]" : "+w"(sum) : "w"(w), "w"(x)); break;
    }
    return sum;
}

INLINE void clear(all_sums sums, const uint32_t n_rows, const uint32_t n_fours) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) {
        UNROLL
        for (uint32_t f = 0; f < n_fours; f++) sums[r][f] = vdupq_n_s32(0);
    }
}

INLINE void add_pair(all_sums sums, const uint32_t four, int8x16x2_t w, const row_parts *rows, const uint32_t n_rows,
                     const uint32_t pair, const bool neighbours, const bool wide) {
    (void)wide;
    UNROLL
    for (uint32_t which = 0; which < 2; which++) {
        const uint32_t g = pair_group(pair, which, neighbours);
        UNROLL
        for (uint32_t r = 0; r < n_rows; r++)
            sums[r][four] = dot_element(sums[r][four], w.val[which], rows->of[r][g / 4], g % 4);
    }
}

INLINE int32x4_t take_sums(all_sums sums, const uint32_t row, const uint32_t four, const bool wide) {
    (void)wide;
    return sums[row][four];
}

#else
typedef struct row_parts {
    const int8_t *of[MOST_ROWS];
} row_parts;
typedef struct four_sums {
    int16x8_t first, second; /* of two outputs each; wide: pairs of 32 bits */
} four_sums;
typedef four_sums all_sums[MOST_ROWS][ALL_FOURS];

INLINE void load_rows(row_parts *rows, const sk_q8 *x, size_t x_stride, const uint32_t n_rows, const bool neighbours) {
    (void)neighbours;
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) rows->of[r] = x[r * x_stride].q;
}

INLINE int8x16_t four_k(const int8_t *q, const uint32_t group) {
    int32_t four;
    memcpy(&four, q + 4 * group, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

INLINE void clear(all_sums sums, const uint32_t n_rows, const uint32_t n_fours) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) {
        UNROLL
        for (uint32_t f = 0; f < n_fours; f++) sums[r][f] = (four_sums){vdupq_n_s16(0), vdupq_n_s16(0)};
    }
}

INLINE int16x8_t widen_onto(int16x8_t sum, int16x8_t words) {
    return vreinterpretq_s16_s32(vpadalq_s16(vreinterpretq_s32_s16(sum), words));
}

/* 16 bits hold two products of 128 by 127 (32512), so wide sums move on with each pair; four of 63 by 127 (32004), which
 * is half a block; eight of 31 by 127 (31496), which is a block. */
INLINE void add_pair(all_sums sums, const uint32_t four, int8x16x2_t w, const row_parts *rows, const uint32_t n_rows,
                     const uint32_t pair, const bool neighbours, const bool wide) {
    const uint32_t g0 = pair_group(pair, 0, neighbours), g1 = pair_group(pair, 1, neighbours);
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) {
        four_sums *s = &sums[r][four];
        int8x16_t x0 = four_k(rows->of[r], g0), x1 = four_k(rows->of[r], g1);
        if (wide) {
            int16x8_t first = vmull_s8(vget_low_s8(w.val[0]), vget_low_s8(x0)), second = vmull_high_s8(w.val[0], x0);
            first = vmlal_s8(first, vget_low_s8(w.val[1]), vget_low_s8(x1));
            second = vmlal_high_s8(second, w.val[1], x1);
            s->first = widen_onto(s->first, first), s->second = widen_onto(s->second, second);
        } else {
            s->first = vmlal_s8(s->first, vget_low_s8(w.val[0]), vget_low_s8(x0));
            s->second = vmlal_high_s8(s->second, w.val[0], x0);
            s->first = vmlal_s8(s->first, vget_low_s8(w.val[1]), vget_low_s8(x1));
            s->second = vmlal_high_s8(s->second, w.val[1], x1);
        }
    }
}

INLINE int32x4_t take_sums(all_sums sums, const uint32_t row, const uint32_t four, const bool wide) {
    const four_sums s = sums[row][four];
    if (wide) return vpaddq_s32(vreinterpretq_s32_s16(s.first), vreinterpretq_s32_s16(s.second));
    return vpaddq_s32(vpaddlq_s16(s.first), vpaddlq_s16(s.second));
}
#endif
#endif

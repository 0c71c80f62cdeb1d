/* Matrix products of a panel over the dots of dots.h, compiled for each kind of machine: strips of outputs by rows. The
 * integer sums of a strip are in registers, the float sums of the panel in the first cache. */
#ifndef SK_CPU_NEON_MATMUL_BODY_H
#define SK_CPU_NEON_MATMUL_BODY_H
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/neon/dots.h"

/* A panel as a file's type is packed, or in the form that all types share; a constant where it is used. */
typedef struct layout {
    skald_dtype type;
    bool expanded; /* then `type` is Q8_0 */
    sk_layout is;
} layout;

INLINE layout packed(const skald_dtype type) { return (layout){type, false, sk_layout_of(type)}; }
INLINE layout expanded(const bool halves, const bool has_min) {
    const uint32_t bytes = SK_OCTET_BYTES + 128 * (halves ? 2 : 1) * (has_min ? 2 : 1);
    return (layout){SKALD_Q8_0, true, {0, SK_OCTET_BYTES, bytes, 0, 127, halves, has_min}};
}

/* Whether a pair's groups are neighbours in k, and whether 16 bits hold two of its products and no more. */
INLINE bool has_neighbours(const layout l) { return l.type == SKALD_Q8_0 || l.is.halves; }
INLINE bool is_wide(const layout l) { return l.is.most >= 127; }
/* What the integers of load_pair have too much: bytes and tables are made signed there. */
INLINE int32_t bias_of(const layout l) {
    return l.type == SKALD_Q8_0 || l.type == SKALD_MXFP4 || l.is.most > 127 ? 0 : l.is.bias;
}

INLINE uint8x16_t moved(uint8x16_t x, const int from, const int to) {
    switch (to - from) {
    case 1: return vshlq_n_u8(x, 1);
    case 2: return vshlq_n_u8(x, 2);
    case 3: return vshlq_n_u8(x, 3);
    case 4: return vshlq_n_u8(x, 4);
    case -1: return vshrq_n_u8(x, 1);
    case -2: return vshrq_n_u8(x, 2);
    case -3: return vshrq_n_u8(x, 3);
    case -4: return vshrq_n_u8(x, 4);
    case -5: return vshrq_n_u8(x, 5);
    case -6: return vshrq_n_u8(x, 6);
    default: return x;
    }
}
INLINE uint8x16_t field(uint8x16_t x, const int from, const uint8_t mask) {
    const uint8x16_t at = moved(x, from, 0);
    return mask == 0xff >> from ? at : vandq_u8(at, vdupq_n_u8(mask));
}
/* w with the bits that stand at `from` of x put to `to`. */
INLINE uint8x16_t with_bits(uint8x16_t w, uint8x16_t x, const int from, const int to, const uint8_t mask) {
    return vbslq_u8(vdupq_n_u8((uint8_t)(mask << to)), moved(x, from, to), w);
}

/* Group g of four outputs, whose bytes begin at `at` of a line: signed, or never above 127. */
INLINE int8x16_t integers_at(const uint8_t *piece, uint32_t at, const uint32_t g, const layout l) {
    const int half = (int)(g / 4), quarter = (int)(g % 4);
    const uint8_t *line = piece + SK_LINE_BYTES * (g % 4) + at, *high = piece + SK_NIBBLE_BYTES + at;
    const uint8x16_t bias = vdupq_n_u8((uint8_t)l.is.bias);
    uint8x16_t w;
    switch (l.type) {
    case SKALD_Q8_0: w = vsubq_u8(vld1q_u8(piece + SK_LINE_BYTES * g + at), bias); break;
    case SKALD_Q2_K: w = field(vld1q_u8(piece + SK_LINE_BYTES * (g / 4) + at), 2 * quarter, 3); break;
    case SKALD_Q3_K:
        w = field(vld1q_u8(piece + SK_LINE_BYTES * (g / 4) + at), 2 * quarter, 3);
        w = with_bits(w, vld1q_u8(piece + SK_TWO_BIT_BYTES + at), (int)g, 2, 1);
        break;
    default: w = field(vld1q_u8(line), 4 * half, 15); break;
    }
    switch (l.type) {
    case SKALD_Q5_0:
    case SKALD_Q5_1:
    case SKALD_Q5_K: w = with_bits(w, vld1q_u8(high), (int)g, 4, 1); break;
    case SKALD_Q6_K: w = with_bits(w, vld1q_u8(high + SK_LINE_BYTES * (g / 4)), 2 * quarter, 4, 3); break;
    case SKALD_IQ4_NL:
    case SKALD_IQ4_XS: w = vqtbl1q_u8(vsubq_u8(vld1q_u8(sk_iq4_bytes), bias), w); break;
    case SKALD_MXFP4: w = vqtbl1q_u8(vsubq_u8(vld1q_u8(sk_mxfp4_bytes), bias), w); break;
    default: break;
    }
    return vreinterpretq_s8_u8(w);
}

INLINE int8x16x2_t load_pair(const uint8_t *piece, uint32_t four, const uint32_t pair, const layout l) {
    const uint32_t g0 = pair_group(pair, 0, has_neighbours(l)), g1 = pair_group(pair, 1, has_neighbours(l));
    return (int8x16x2_t){{integers_at(piece, 16 * four, g0, l), integers_at(piece, 16 * four, g1, l)}};
}

INLINE float32x4_t from_halves(const uint8_t *from) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from))); }
INLINE float32x4_t from_floats(const uint8_t *from) { return vreinterpretq_f32_u8(vld1q_u8(from)); }
INLINE uint32x4_t four_unsigned(const uint8_t *from) {
    uint32_t four;
    memcpy(&four, from, 4);
    return vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)))));
}
INLINE int32x4_t four_signed(const uint8_t *from) {
    uint32_t four;
    memcpy(&four, from, 4);
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)))));
}
/* 2^(e - 128) of OCP's E8M0: 0 and 1 are subnormal. */
INLINE float32x4_t from_e8m0(const uint8_t *from) {
    const uint32x4_t e = four_unsigned(from);
    int32x4_t whole = vshlq_n_s32(vsubq_s32(vreinterpretq_s32_u32(e), vdupq_n_s32(1)), 23);
    whole = vmaxq_s32(whole, vdupq_n_s32(0x00400000));
    return vreinterpretq_f32_s32(vbslq_s32(vceqzq_u32(e), vdupq_n_s32(0x00200000), whole));
}

/* Scales of four outputs, and what is added for each unit of the row's sum. */
typedef struct four_scales {
    float32x4_t d, m;
} four_scales;

INLINE four_scales load_scales(const uint8_t *piece, const uint8_t *head, uint32_t four, const uint32_t half,
                               const layout l) {
    const uint8_t *from = piece + l.is.integers, *mins = head + SK_SCALE_BYTES + 8 * four;
    four_scales s = {vdupq_n_f32(0), vdupq_n_f32(0)};
    if (l.expanded) {
        from += 128 * half + 16 * four;
        s.d = from_floats(from);
        if (l.is.has_min) s.m = from_floats(from + (l.is.halves ? 256 : 128));
        return s;
    }
    switch (l.type) {
    case SKALD_MXFP4: s.d = from_e8m0(from + 4 * four); break;
    case SKALD_Q4_K:
    case SKALD_Q5_K:
        s.d = vmulq_f32(from_halves(head + 8 * four), vcvtq_f32_u32(four_unsigned(from + 4 * four)));
        s.m = vmulq_f32(from_halves(mins), vcvtq_f32_u32(four_unsigned(from + SK_PANEL + 4 * four)));
        s.m = vnegq_f32(s.m);
        break;
    case SKALD_IQ4_XS:
    case SKALD_Q3_K:
    case SKALD_Q6_K:
        from += SK_PANEL * half + 4 * four;
        s.d = vmulq_f32(from_halves(head + 8 * four), vcvtq_f32_s32(four_signed(from)));
        break;
    case SKALD_Q2_K: {
        const uint32x4_t both = four_unsigned(from + SK_PANEL * half + 4 * four);
        s.d = vmulq_f32(from_halves(head + 8 * four), vcvtq_f32_u32(vandq_u32(both, vdupq_n_u32(15))));
        s.m = vnegq_f32(vmulq_f32(from_halves(mins), vcvtq_f32_u32(vshrq_n_u32(both, 4))));
        break;
    }
    default:
        s.d = from_halves(from + 8 * four);
        if (l.is.has_min) s.m = from_halves(from + SK_SCALE_BYTES + 8 * four);
        break;
    }
    return s;
}

/* What a row gives for the bias, and for mins, of a block or of half of one. */
INLINE int32_t sum_of(const sk_q8 *x, const uint32_t half, const layout l) {
    return l.is.halves ? x->sum[half] : x->sum[0] + x->sum[1];
}

INLINE float unit_of(const sk_q8 *x, const uint32_t half, const layout l) {
    return l.is.halves ? x->d * (float)x->sum[half] : x->d_sum;
}

#if defined(SK_NEON_I8MM)
/* Sums of two rows stay where the products have them: row 0, row 1, row 0, row 1 of two outputs. */
typedef struct two_rows {
    float32x4_t first, second;
} two_rows;
typedef two_rows panel_sums[MOST_ROWS / 2][ALL_FOURS];

INLINE void load_acc(panel_sums acc, const float *y, size_t y_stride, const uint32_t n_rows, bool goes_on) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r += 2) {
        const float *one = y + r * y_stride, *two = r + 1 < n_rows ? one + y_stride : one;
        UNROLL
        for (uint32_t f = 0; f < ALL_FOURS; f++) {
            float32x4_t a = goes_on ? vld1q_f32(one + 4 * f) : vdupq_n_f32(0);
            float32x4_t b = goes_on ? vld1q_f32(two + 4 * f) : vdupq_n_f32(0);
            acc[r / 2][f] = (two_rows){vzip1q_f32(a, b), vzip2q_f32(a, b)};
        }
    }
}

INLINE void store_acc(float *y, size_t y_stride, panel_sums acc, const uint32_t n_rows) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) {
        UNROLL
        for (uint32_t f = 0; f < ALL_FOURS; f++) {
            const two_rows a = acc[r / 2][f];
            vst1q_f32(y + r * y_stride + 4 * f, r % 2 ? vuzp2q_f32(a.first, a.second) : vuzp1q_f32(a.first, a.second));
        }
    }
}

INLINE float32x4_t in_turn(float a, float b) { return vzip1q_f32(vdupq_n_f32(a), vdupq_n_f32(b)); }

/* Four outputs and all rows: the chains go on by a block, or by half of one. */
INLINE void add_block(panel_sums acc, uint32_t at, all_sums sums, const uint32_t four, four_scales s, const sk_q8 *x,
                      size_t x_stride, const uint32_t n_rows, const uint32_t half, const layout l) {
    const float32x4_t d_first = vzip1q_f32(s.d, s.d), d_second = vzip2q_f32(s.d, s.d);
    UNROLL
    for (uint32_t r = 0; r < n_rows; r += 2) {
        const sk_q8 *one = x + r * x_stride, *two = r + 1 < n_rows ? one + x_stride : one;
        const float32x4_t d = in_turn(one->d, two->d);
        four_sums dot = sums[r / 2][four];
        two_rows sum = acc[r / 2][at];
        if (bias_of(l)) {
            const int32x4_t a = vdupq_n_s32(bias_of(l) * sum_of(one, half, l)),
                            b = vdupq_n_s32(bias_of(l) * sum_of(two, half, l));
            const int32x4_t off = vzip1q_s32(a, b);
            dot.first = vsubq_s32(dot.first, off), dot.second = vsubq_s32(dot.second, off);
        }
        sum.first = vfmaq_f32(sum.first, vcvtq_f32_s32(dot.first), vmulq_f32(d_first, d));
        sum.second = vfmaq_f32(sum.second, vcvtq_f32_s32(dot.second), vmulq_f32(d_second, d));
        if (l.is.has_min) {
            const float32x4_t unit = in_turn(unit_of(one, half, l), unit_of(two, half, l));
            sum.first = vfmaq_f32(sum.first, vzip1q_f32(s.m, s.m), unit);
            sum.second = vfmaq_f32(sum.second, vzip2q_f32(s.m, s.m), unit);
        }
        acc[r / 2][at] = sum;
    }
}
#else
typedef float32x4_t panel_sums[MOST_ROWS][ALL_FOURS];

INLINE void load_acc(panel_sums acc, const float *y, size_t y_stride, const uint32_t n_rows, bool goes_on) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) {
        UNROLL
        for (uint32_t f = 0; f < ALL_FOURS; f++)
            acc[r][f] = goes_on ? vld1q_f32(y + r * y_stride + 4 * f) : vdupq_n_f32(0);
    }
}

INLINE void store_acc(float *y, size_t y_stride, panel_sums acc, const uint32_t n_rows) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) {
        UNROLL
        for (uint32_t f = 0; f < ALL_FOURS; f++) vst1q_f32(y + r * y_stride + 4 * f, acc[r][f]);
    }
}

/* Four outputs and all rows: the chains go on by a block, or by half of one. */
INLINE void add_block(panel_sums acc, uint32_t at, all_sums sums, const uint32_t four, four_scales s, const sk_q8 *x,
                      size_t x_stride, const uint32_t n_rows, const uint32_t half, const layout l) {
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++) {
        const sk_q8 *row = x + r * x_stride;
        int32x4_t dot = take_sums(sums, r, four, is_wide(l));
        float32x4_t sum = acc[r][at];
        if (bias_of(l)) dot = vsubq_s32(dot, vdupq_n_s32(bias_of(l) * sum_of(row, half, l)));
        sum = vfmaq_f32(sum, vcvtq_f32_s32(dot), vmulq_n_f32(s.d, row->d));
        if (l.is.has_min) sum = vfmaq_n_f32(sum, s.m, unit_of(row, half, l));
        acc[r][at] = sum;
    }
}
#endif

/* `first` ... first + n_fours - 1 of a piece; everything from `n_rows` on is a constant where this is called. */
INLINE void add_strip(panel_sums acc, const uint8_t *piece, const uint8_t *head, uint32_t first, const row_parts *rows,
                      const sk_q8 *x, size_t x_stride, const uint32_t n_rows, const uint32_t n_fours, const layout l) {
    const uint32_t n_halves = l.is.halves ? 2 : 1, n_pairs = 4 / n_halves;
    for (uint32_t h = 0; h < n_halves; h++) {
        all_sums sums;
        clear(sums, n_rows, n_fours);
        UNROLL
        for (uint32_t p = h * n_pairs; p < (h + 1) * n_pairs; p++) {
            UNROLL
            for (uint32_t f = 0; f < n_fours; f++)
                add_pair(sums, f, load_pair(piece, first + f, p, l), rows, n_rows, p, has_neighbours(l), is_wide(l));
        }
        UNROLL
        for (uint32_t f = 0; f < n_fours; f++)
            add_block(acc, first + f, sums, f, load_scales(piece, head, first + f, h, l), x, x_stride, n_rows, h, l);
    }
}

INLINE void tile(float *y, size_t y_stride, const uint8_t *piece, const sk_q8 *x, size_t x_stride, uint32_t n_blocks,
                 bool goes_on, const uint32_t n_rows, const uint32_t n_fours, const layout l) {
    const uint8_t *head = piece;
    panel_sums acc;
    row_parts rows;
    load_acc(acc, y, y_stride, n_rows, goes_on);
    for (uint32_t b = 0; b < n_blocks; b++, piece += l.is.piece, x++) {
        if (l.is.head && b % (SK_SUPER / SK_BLOCK) == 0) head = piece, piece += l.is.head;
        load_rows(&rows, x, x_stride, n_rows, has_neighbours(l));
        NO_UNROLL
        for (uint32_t first = 0; first < ALL_FOURS; first += n_fours)
            add_strip(acc, piece, head, first, &rows, x, x_stride, n_rows, n_fours, l);
    }
    store_acc(y, y_stride, acc, n_rows);
}

/* How many registers of outputs a strip has, so that its sums fit the registers and are enough to hide their latency. */
INLINE uint32_t strip_fours(const uint32_t n_rows) {
#if defined(SK_NEON_I8MM)
    return n_rows <= 2 ? 4 : 2;
#elif defined(SK_NEON_DOTPROD)
    return n_rows == 1 ? 8 : n_rows <= 3 ? 4 : 2;
#else
    return n_rows == 1 ? 4 : 2;
#endif
}

INLINE void some_rows(float *y, size_t y_stride, const void *panel, const sk_q8 *x, size_t x_stride, uint32_t n_rows,
                      uint32_t n_blocks, bool goes_on, const layout l) {
    switch (n_rows) {
#if !defined(SK_NEON_I8MM)
    case 1: tile(y, y_stride, panel, x, x_stride, n_blocks, goes_on, 1, strip_fours(1), l); break;
#endif
    case 2: tile(y, y_stride, panel, x, x_stride, n_blocks, goes_on, 2, strip_fours(2), l); break;
    case 3: tile(y, y_stride, panel, x, x_stride, n_blocks, goes_on, 3, strip_fours(3), l); break;
    case 4: tile(y, y_stride, panel, x, x_stride, n_blocks, goes_on, 4, strip_fours(4), l); break;
    case 5: tile(y, y_stride, panel, x, x_stride, n_blocks, goes_on, 5, strip_fours(5), l); break;
#if defined(SK_NEON_I8MM)
    default:
        if (l.expanded) tile(y, y_stride, panel, x, x_stride, n_blocks, goes_on, 6, strip_fours(6), l);
        break;
#endif
    }
}

/* A function of its own for each format: one that held them all would overtax compilers. */
#define ROWS_OF(name, layout_of_it)                                                                                    \
    static __attribute__((noinline)) void name(float *y, size_t y_stride, const void *panel, const sk_q8 *x,           \
                                               size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {    \
        const layout l = layout_of_it;                                                                                 \
        some_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, goes_on, l);                                      \
    }
ROWS_OF(q4_0_rows, packed(SKALD_Q4_0))
ROWS_OF(q4_1_rows, packed(SKALD_Q4_1))
ROWS_OF(q5_0_rows, packed(SKALD_Q5_0))
ROWS_OF(q5_1_rows, packed(SKALD_Q5_1))
ROWS_OF(q8_0_rows, packed(SKALD_Q8_0))
ROWS_OF(iq4_nl_rows, packed(SKALD_IQ4_NL))
ROWS_OF(mxfp4_rows, packed(SKALD_MXFP4))
ROWS_OF(q2_k_rows, packed(SKALD_Q2_K))
ROWS_OF(q3_k_rows, packed(SKALD_Q3_K))
ROWS_OF(q4_k_rows, packed(SKALD_Q4_K))
ROWS_OF(q5_k_rows, packed(SKALD_Q5_K))
ROWS_OF(q6_k_rows, packed(SKALD_Q6_K))
ROWS_OF(iq4_xs_rows, packed(SKALD_IQ4_XS))

typedef void rows_fn(float *y, size_t y_stride, const void *panel, const sk_q8 *x, size_t x_stride, uint32_t n_rows,
                     uint32_t n_blocks, bool goes_on);

INLINE rows_fn *rows_of(skald_dtype type) {
    switch (type) {
    case SKALD_Q4_0: return q4_0_rows;
    case SKALD_Q4_1: return q4_1_rows;
    case SKALD_Q5_0: return q5_0_rows;
    case SKALD_Q5_1: return q5_1_rows;
    case SKALD_IQ4_NL: return iq4_nl_rows;
    case SKALD_MXFP4: return mxfp4_rows;
    case SKALD_Q2_K: return q2_k_rows;
    case SKALD_Q3_K: return q3_k_rows;
    case SKALD_Q4_K: return q4_k_rows;
    case SKALD_Q5_K: return q5_k_rows;
    case SKALD_Q6_K: return q6_k_rows;
    case SKALD_IQ4_XS: return iq4_xs_rows;
    default: return q8_0_rows;
    }
}

/* All packed formats; for SK_NEON_I8MM n_rows > 1. */
INLINE void packed_tile(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                        uint32_t n_rows, uint32_t n_in) {
    rows_of(type)(y, y_stride, panel, x, x_stride, n_rows, n_in / SK_BLOCK, false);
}

ROWS_OF(plain_rows, expanded(false, false))
ROWS_OF(plain_half_rows, expanded(true, false))
ROWS_OF(min_rows, expanded(false, true))
ROWS_OF(min_half_rows, expanded(true, true))

/* At most MOST_ROWS rows of the form that all formats share. */
INLINE void expanded_rows(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                          size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    rows_fn *plain = form->halves ? plain_half_rows : plain_rows, *with_min = form->halves ? min_half_rows : min_rows;
    (form->has_min ? with_min : plain)(y, y_stride, blocks, x, x_stride, n_rows, n_blocks, goes_on);
}
#endif

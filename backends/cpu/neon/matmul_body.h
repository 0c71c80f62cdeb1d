/* Matrix products of a panel over the dots of dots.h, compiled for each kind of machine: strips of outputs by rows. The
 * integer sums of a strip are in registers, the float sums of the panel in the first cache. */
#ifndef SK_CPU_NEON_MATMUL_BODY_H
#define SK_CPU_NEON_MATMUL_BODY_H
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/neon/dots.h"

typedef enum integers { NIBBLES, FIVE_BITS, SIX_BITS, OCTETS, EXPANDED } integers;
typedef enum scales { IN_PIECE, IN_HEAD, IN_HEAD_BY_HALF, AS_FLOATS } scales;

/* A constant where it is used. `off` is what has to be taken off the integers. */
typedef struct layout {
    integers integers;
    scales scales;
    bool has_min, halves;
    int32_t off;
    uint32_t piece_bytes, head_bytes;
} layout;

/* Layouts of packed panels, as blocks.h shows them. */
#define Q4_0_LAYOUT NIBBLES, IN_PIECE, false, false, 8, SK_Q4_0_PIECE, 0
#define Q4_1_LAYOUT NIBBLES, IN_PIECE, true, false, 0, SK_Q4_1_PIECE, 0
#define Q5_0_LAYOUT FIVE_BITS, IN_PIECE, false, false, 16, SK_Q5_0_PIECE, 0
#define Q5_1_LAYOUT FIVE_BITS, IN_PIECE, true, false, 0, SK_Q5_1_PIECE, 0
#define Q8_0_LAYOUT OCTETS, IN_PIECE, false, false, 0, SK_Q8_0_PIECE, 0
#define Q4_K_LAYOUT NIBBLES, IN_HEAD, true, false, 0, SK_Q4_K_PIECE, 2 * SK_SCALE_BYTES
#define Q5_K_LAYOUT FIVE_BITS, IN_HEAD, true, false, 0, SK_Q5_K_PIECE, 2 * SK_SCALE_BYTES
#define Q6_K_LAYOUT SIX_BITS, IN_HEAD_BY_HALF, false, true, 32, SK_Q6_K_PIECE, SK_SCALE_BYTES

typedef float32x4_t panel_sums[MOST_ROWS][ALL_FOURS];

/* A bit of eight to bit 4. */
INLINE uint8x16_t fifth_bit(uint8x16_t eight, const uint32_t bit) {
    switch (bit) {
    case 0: return vshlq_n_u8(eight, 4);
    case 1: return vshlq_n_u8(eight, 3);
    case 2: return vshlq_n_u8(eight, 2);
    case 3: return vshlq_n_u8(eight, 1);
    case 4: return eight;
    case 5: return vshrq_n_u8(eight, 1);
    case 6: return vshrq_n_u8(eight, 2);
    default: return vshrq_n_u8(eight, 3);
    }
}

/* Two bits of eight to bits 4 and 5. */
INLINE uint8x16_t two_bits(uint8x16_t eight, const uint32_t which) {
    return fifth_bit(eight, 2 * which);
}

/* The bits of `of` from `mask`, the others from w. */
INLINE int8x16_t with_bits(uint8_t mask, uint8x16_t of, uint8x16_t w) {
    return vreinterpretq_s8_u8(vbslq_u8(vdupq_n_u8(mask), of, w));
}

/* A pair's two groups of four outputs, signed or never above 127. */
INLINE int8x16x2_t load_pair(const uint8_t *piece, uint32_t four, const uint32_t pair, const integers kind) {
    const uint8x16_t low = vdupq_n_u8(15);
    const uint8_t *at = piece + 16 * four;
    if (kind == OCTETS || kind == EXPANDED) {
        uint8x16_t a = vld1q_u8(at + 256 * pair), b = vld1q_u8(at + 256 * pair + 128);
        if (kind == OCTETS) a = veorq_u8(a, vdupq_n_u8(128)), b = veorq_u8(b, vdupq_n_u8(128));
        return (int8x16x2_t){{vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)}};
    }
    if (kind == SIX_BITS) { /* pairs 0 and 1 in low halves, 2 and 3 in high halves */
        const uint32_t g = 2 * (pair % 2);
        uint8x16_t two = vld1q_u8(at + SK_NIBBLE_BYTES + 128 * (pair / 2));
        uint8x16_t a = vld1q_u8(at + 128 * g), b = vld1q_u8(at + 128 * g + 128);
        a = pair < 2 ? vandq_u8(a, low) : vshrq_n_u8(a, 4);
        b = pair < 2 ? vandq_u8(b, low) : vshrq_n_u8(b, 4);
        return (int8x16x2_t){{with_bits(48, two_bits(two, g), a), with_bits(48, two_bits(two, g + 1), b)}};
    }
    uint8x16_t n = vld1q_u8(at + 128 * pair), a = vandq_u8(n, low), b = vshrq_n_u8(n, 4);
    if (kind == NIBBLES) return (int8x16x2_t){{vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)}};
    uint8x16_t high = vld1q_u8(at + SK_NIBBLE_BYTES);
    return (int8x16x2_t){{with_bits(16, fifth_bit(high, pair), a), with_bits(16, fifth_bit(high, pair + 4), b)}};
}

INLINE float32x4_t from_halves(const uint8_t *from) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from)));
}
INLINE uint32x2_t four_bytes(const uint8_t *from) {
    uint32_t four;
    memcpy(&four, from, 4);
    return vdup_n_u32(four);
}
INLINE float32x4_t from_unsigned(const uint8_t *from) {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(four_bytes(from))))));
}
INLINE float32x4_t from_signed(const uint8_t *from) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(four_bytes(from))))));
}
INLINE float32x4_t from_floats(const uint8_t *from) { return vreinterpretq_f32_u8(vld1q_u8(from)); }

/* Scales of four outputs, and what is added for each unit of the row's sum. */
typedef struct four_scales {
    float32x4_t d, m;
} four_scales;

INLINE four_scales load_scales(const uint8_t *piece, const uint8_t *head, uint32_t four, const uint32_t half,
                               const layout l) {
    const uint8_t *from = piece + l.piece_bytes; /* from its end */
    four_scales s = {vdupq_n_f32(0), vdupq_n_f32(0)};
    switch (l.scales) {
    case IN_PIECE:
        from -= SK_SCALE_BYTES * (l.has_min ? 2 : 1);
        s.d = from_halves(from + 8 * four);
        if (l.has_min) s.m = from_halves(from + SK_SCALE_BYTES + 8 * four);
        break;
    case IN_HEAD:
        s.d = vmulq_f32(from_halves(head + 8 * four), from_unsigned(from - 64 + 4 * four));
        s.m = vmulq_f32(from_halves(head + SK_SCALE_BYTES + 8 * four), from_unsigned(from - 32 + 4 * four));
        s.m = vnegq_f32(s.m);
        break;
    case IN_HEAD_BY_HALF:
        s.d = vmulq_f32(from_halves(head + 8 * four), from_signed(from - 64 + 32 * half + 4 * four));
        break;
    case AS_FLOATS:
        from = piece + SK_OCTET_BYTES + 128 * half + 16 * four;
        s.d = from_floats(from);
        if (l.has_min) s.m = from_floats(from + (l.halves ? 256 : 128));
        break;
    }
    return s;
}

/* Four outputs and a row: the chain goes on by a block, or by half of one. */
INLINE float32x4_t add_block(float32x4_t sum, int32x4_t dot, four_scales s, const sk_q8 *x, const uint32_t half,
                             const layout l) {
    const int32_t all = l.halves ? x->sum[half] : x->sum[0] + x->sum[1];
    if (l.off) dot = vsubq_s32(dot, vdupq_n_s32(l.off * all));
    sum = vfmaq_f32(sum, vcvtq_f32_s32(dot), vmulq_n_f32(s.d, x->d));
    if (l.has_min) sum = vfmaq_n_f32(sum, s.m, l.halves ? x->d * (float)all : x->d_sum);
    return sum;
}

/* `first` ... first + n_fours - 1 of a piece; everything from `n_rows` on is a constant where this is called. */
INLINE void add_strip(panel_sums acc, const uint8_t *piece, const uint8_t *head, uint32_t first, const row_parts *rows,
                      const sk_q8 *x, size_t x_stride, const uint32_t n_rows, const uint32_t n_fours, const layout l) {
    const bool neighbours = l.integers != NIBBLES && l.integers != FIVE_BITS;
    const bool wide = l.integers == OCTETS || l.integers == EXPANDED;
    const uint32_t n_halves = l.halves ? 2 : 1, n_pairs = 4 / n_halves;
    for (uint32_t h = 0; h < n_halves; h++) {
        all_sums sums;
        clear(sums, n_rows, n_fours);
        UNROLL
        for (uint32_t p = h * n_pairs; p < (h + 1) * n_pairs; p++)
            UNROLL
            for (uint32_t f = 0; f < n_fours; f++)
                add_pair(sums, f, load_pair(piece, first + f, p, l.integers), rows, n_rows, p, neighbours, wide);
        UNROLL
        for (uint32_t f = 0; f < n_fours; f++) {
            const four_scales s = load_scales(piece, head, first + f, h, l);
            UNROLL
            for (uint32_t r = 0; r < n_rows; r++)
                acc[r][first + f] = add_block(acc[r][first + f], take_sums(sums, r, f, wide), s, x + r * x_stride, h, l);
        }
    }
}

INLINE void tile(float *y, size_t y_stride, const uint8_t *piece, const sk_q8 *x, size_t x_stride, uint32_t n_blocks,
                 bool goes_on, const uint32_t n_rows, const uint32_t n_fours, const layout l) {
    const bool neighbours = l.integers != NIBBLES && l.integers != FIVE_BITS;
    const uint8_t *head = piece;
    panel_sums acc;
    row_parts rows;
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++)
        UNROLL
        for (uint32_t f = 0; f < ALL_FOURS; f++)
            acc[r][f] = goes_on ? vld1q_f32(y + r * y_stride + 4 * f) : vdupq_n_f32(0);
    for (uint32_t b = 0; b < n_blocks; b++, piece += l.piece_bytes, x++) {
        if (l.head_bytes && b % (SK_SUPER / SK_BLOCK) == 0) head = piece, piece += l.head_bytes;
        load_rows(&rows, x, x_stride, n_rows, neighbours);
        NO_UNROLL
        for (uint32_t first = 0; first < ALL_FOURS; first += n_fours)
            add_strip(acc, piece, head, first, &rows, x, x_stride, n_rows, n_fours, l);
    }
    UNROLL
    for (uint32_t r = 0; r < n_rows; r++)
        UNROLL
        for (uint32_t f = 0; f < ALL_FOURS; f++) vst1q_f32(y + r * y_stride + 4 * f, acc[r][f]);
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
        if (l.integers == EXPANDED) tile(y, y_stride, panel, x, x_stride, n_blocks, goes_on, 6, strip_fours(6), l);
        break;
#endif
    }
}

/* A function of its own for each format: one that held them all would overtax compilers. */
#define ROWS_OF(name, ...)                                                                                             \
    static __attribute__((noinline)) void name(float *y, size_t y_stride, const void *panel, const sk_q8 *x,           \
                                               size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {    \
        const layout l = {__VA_ARGS__};                                                                                \
        some_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, goes_on, l);                                      \
    }
ROWS_OF(q4_0_rows, Q4_0_LAYOUT)
ROWS_OF(q4_1_rows, Q4_1_LAYOUT)
ROWS_OF(q5_0_rows, Q5_0_LAYOUT)
ROWS_OF(q5_1_rows, Q5_1_LAYOUT)
ROWS_OF(q8_0_rows, Q8_0_LAYOUT)
ROWS_OF(q4_k_rows, Q4_K_LAYOUT)
ROWS_OF(q5_k_rows, Q5_K_LAYOUT)
ROWS_OF(q6_k_rows, Q6_K_LAYOUT)

/* All packed formats; for SK_NEON_I8MM n_rows > 1. */
INLINE void packed_tile(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                        uint32_t n_rows, uint32_t n_in) {
    const uint32_t n_blocks = n_in / SK_BLOCK;
    switch (type) {
    case SKALD_Q4_0: q4_0_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, false); break;
    case SKALD_Q4_1: q4_1_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, false); break;
    case SKALD_Q5_0: q5_0_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, false); break;
    case SKALD_Q5_1: q5_1_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, false); break;
    case SKALD_Q8_0: q8_0_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, false); break;
    case SKALD_Q4_K: q4_k_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, false); break;
    case SKALD_Q5_K: q5_k_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, false); break;
    default: q6_k_rows(y, y_stride, panel, x, x_stride, n_rows, n_blocks, false); break;
    }
}

#define FORM(min, halves) EXPANDED, AS_FLOATS, min, halves, 0, SK_OCTET_BYTES + 128 * (1 + min) * (1 + halves), 0
ROWS_OF(plain_rows, FORM(false, false))
ROWS_OF(plain_half_rows, FORM(false, true))
ROWS_OF(min_rows, FORM(true, false))
ROWS_OF(min_half_rows, FORM(true, true))

/* At most MOST_ROWS rows of the form that all formats share. */
INLINE void expanded_rows(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                          size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    if (form->has_min && form->halves) min_half_rows(y, y_stride, blocks, x, x_stride, n_rows, n_blocks, goes_on);
    else if (form->has_min) min_rows(y, y_stride, blocks, x, x_stride, n_rows, n_blocks, goes_on);
    else if (form->halves) plain_half_rows(y, y_stride, blocks, x, x_stride, n_rows, n_blocks, goes_on);
    else plain_rows(y, y_stride, blocks, x, x_stride, n_rows, n_blocks, goes_on);
}
#endif

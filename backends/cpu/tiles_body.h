/* The tiles of all packed formats (blocks.h), written once over the registers of lanes.h and compiled by each leaf that
 * has them: a panel of 32 outputs by 1 ... 5 rows. Where the machine has the registers the sums of a whole panel stay in
 * them; else a strip of the panel is summed after the other, and what was summed waits in the first cache. */
#ifndef SK_CPU_TILES_BODY_H
#define SK_CPU_TILES_BODY_H
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/lanes.h"
#include "base/exact.h"

#define N_REGISTERS (SK_PANEL / LANES)
typedef floats panel_sums[SK_TILE_ROWS][N_REGISTERS];

/* A stream that is read once comes from memory, so each piece of `bytes` asks for what comes behind it. */
typedef struct asking {
    uint32_t near, lines; /* lines of each piece */
    uintptr_t far;        /* may be 0, with no lines */
} asking;

INLINE asking begin_asking(const sk_ahead *ahead, const uint32_t bytes) {
    if (!ahead) return (asking){0};
    const uint32_t lines = (bytes + 63) / 64;
    return (asking){ahead->near, ahead->far ? (lines + ahead->passes - 1) / ahead->passes : 0, (uintptr_t)ahead->far};
}

INLINE void ask(asking *a, const uint8_t *piece, const uint32_t bytes) {
    if (a->near)
        for (uint32_t at = 0; at < bytes; at += 64) __builtin_prefetch(piece + a->near + at);
    if (a->lines == (bytes + 63) / 64) /* a single pass: the number is a constant */
        for (uint32_t at = 0; at < bytes; at += 64) __builtin_prefetch((const void *)(a->far + at), 0, 2);
    else
        for (uint32_t i = 0; i < a->lines; i++) __builtin_prefetch((const void *)(a->far + 64 * i), 0, 2);
    a->far += (uintptr_t)64 * a->lines;
}

INLINE ints load_dword(const void *from) {
    int32_t x;
    memcpy(&x, from, 4);
    return ints_set(x);
}

/* The bit that stands at `from` of each byte goes to `to`; bits of neighbours come along and are masked by the caller. */
INLINE ints ints_moved(ints a, const int from, const int to) {
    return from == to ? a : from < to ? ints_left(a, to - from) : ints_right(a, from - to);
}
INLINE ints ints_field(ints a, const int from, const int32_t mask) {
    return ints_and(ints_moved(a, from, 0), ints_set(mask * 0x01010101));
}
/* w with the bits that stand at `from` of a put to `to`. */
INLINE ints ints_above(ints w, ints a, const int from, const int to, const int32_t mask) {
    return ints_or_and(w, ints_moved(a, from, to), ints_set((mask << to) * 0x01010101));
}

/* 4 k of group g of the outputs whose bytes begin at `at` of a line of 32 outputs. */
INLINE ints integers_at(const skald_dtype type, const uint8_t *piece, uint32_t at, const uint32_t g) {
    const int half = (int)(g / 4), quarter = (int)(g % 4);
    const uint8_t *line = piece + SK_LINE_BYTES * (g % 4) + at, *high = piece + SK_NIBBLE_BYTES + at;
    switch (type) {
    case SKALD_Q8_0: return ints_load(piece + SK_LINE_BYTES * g + at);
    case SKALD_Q5_0:
    case SKALD_Q5_1:
    case SKALD_Q5_K: return ints_above(ints_field(ints_load(line), 4 * half, 15), ints_load(high), (int)g, 4, 1);
    case SKALD_Q6_K:
        high += SK_LINE_BYTES * half;
        return ints_above(ints_field(ints_load(line), 4 * half, 15), ints_load(high), 2 * quarter, 4, 3);
    case SKALD_Q2_K: return ints_field(ints_load(piece + SK_LINE_BYTES * half + at), 2 * quarter, 3);
    case SKALD_Q3_K:
        high = piece + SK_TWO_BIT_BYTES + at;
        return ints_above(ints_field(ints_load(piece + SK_LINE_BYTES * half + at), 2 * quarter, 3), ints_load(high),
                          (int)g, 2, 1);
    case SKALD_IQ4_NL:
    case SKALD_IQ4_XS: return ints_look_up(sk_iq4_bytes, ints_field(ints_load(line), 4 * half, 15));
    case SKALD_MXFP4: return ints_look_up(sk_mxfp4_bytes, ints_field(ints_load(line), 4 * half, 15));
    default: return ints_field(ints_load(line), 4 * half, 15);
    }
}

/* Scales of the outputs from `i` on for 32 k, or for 16 k of a half; exact. */
INLINE floats scales_at(const skald_dtype type, const uint8_t *head, const uint8_t *scales, uint32_t i,
                        const uint32_t half) {
    switch (type) {
    case SKALD_MXFP4: return floats_e8m0(scales + i);
    case SKALD_Q4_K:
    case SKALD_Q5_K: return floats_mul(floats_f16(head + 2 * i), floats_from(ints_unsigned(scales + i)));
    case SKALD_IQ4_XS:
    case SKALD_Q3_K:
    case SKALD_Q6_K:
        return floats_mul(floats_f16(head + 2 * i), floats_from(ints_signed(scales + SK_PANEL * half + i)));
    case SKALD_Q2_K: {
        ints low = ints_and(ints_unsigned(scales + SK_PANEL * half + i), ints_set(15));
        return floats_mul(floats_f16(head + 2 * i), floats_from(low));
    }
    default: return floats_f16(scales + 2 * i);
    }
}

INLINE floats mins_at(const skald_dtype type, const uint8_t *head, const uint8_t *scales, uint32_t i,
                      const uint32_t half) {
    switch (type) {
    case SKALD_Q4_K:
    case SKALD_Q5_K:
        return floats_mul(floats_f16(head + SK_SCALE_BYTES + 2 * i), floats_from(ints_unsigned(scales + SK_PANEL + i)));
    case SKALD_Q2_K: {
        ints high = ints_right(ints_unsigned(scales + SK_PANEL * half + i), 4);
        return floats_mul(floats_f16(head + SK_SCALE_BYTES + 2 * i), floats_from(high));
    }
    default: return floats_f16(scales + SK_SCALE_BYTES + 2 * i);
    }
}

/* What a row gives for mins: d_sum, or the product for 16 k, rounded. */
INLINE floats row_sum(const sk_q8 *row, const bool halves, const uint32_t half) {
    if (!halves) return floats_set(row->d_sum);
    ints sum = ints_pairs(load_dword(row->sum), ints_set(half ? 0x10000 : 1));
    return floats_mul(floats_set(row->d), floats_from(sum));
}

/* A strip of `n` registers from `first` on: 32 k, or 16 k of a half. Everything from `n` on is constant. */
INLINE void add_piece(panel_sums acc, const uint8_t *head, const uint8_t *piece, const sk_q8 *x, size_t x_stride,
                      uint32_t first, const uint32_t n, const uint32_t n_rows, const skald_dtype type,
                      const uint32_t half) {
    const sk_layout l = sk_layout_of(type);
    const bool has_bias = l.bias && !DOTS_LOSE_BIAS(l.most);
    const uint32_t n_steps = l.halves ? 4 : 8, bias = (uint32_t)-l.bias & 0xffff;
    const ints start = ints_set((int32_t)(!l.halves ? bias << 16 | bias : half ? bias << 16 : bias));
    dots sum[SK_TILE_ROWS][N_REGISTERS];
    for (uint32_t r = 0; r < n_rows; r++) {
        ints begin = has_bias ? ints_pairs(load_dword(x[r * x_stride].sum), start) : ints_set(0);
        for (uint32_t v = 0; v < n; v++) sum[r][v] = dots_begin(begin);
    }
#pragma GCC unroll 8
    for (uint32_t step = 0; step < n_steps; step++) {
        const uint32_t g = l.halves ? 4 * half + step : step / 2 + step % 2 * 4; /* both halves of a byte are near */
        ints w[N_REGISTERS];
        for (uint32_t v = 0; v < n; v++) w[v] = integers_at(type, piece, 4 * LANES * (first + v), g);
        for (uint32_t r = 0; r < n_rows; r++) {
            const ints a = load_dword(x[r * x_stride].q + 4 * g);
            for (uint32_t v = 0; v < n; v++) sum[r][v] = dots_add(sum[r][v], w[v], a, l.most, step, n_steps);
        }
    }
    for (uint32_t v = 0; v < n; v++) {
        const uint32_t i = LANES * (first + v);
        const floats d = scales_at(type, head, piece + l.integers, i, half);
        const floats m = l.has_min ? mins_at(type, head, piece + l.integers, i, half) : d;
        for (uint32_t r = 0; r < n_rows; r++) {
            const sk_q8 *row = x + r * x_stride;
            floats both = floats_mul(d, floats_set(row->d)), old = acc[r][first + v];
            old = floats_fma(floats_from(dots_end(sum[r][v])), both, old);
            if (l.has_min && l.head) old = floats_fnma(m, row_sum(row, l.halves, half), old);
            if (l.has_min && !l.head) old = floats_fma(m, row_sum(row, l.halves, half), old);
            acc[r][first + v] = old;
        }
    }
}

INLINE void int_tile(float *y, size_t y_stride, const uint8_t *piece, const sk_q8 *x, size_t x_stride, uint32_t n_in,
                     const sk_ahead *ahead, const uint32_t n_rows, const skald_dtype type) {
    const sk_layout l = sk_layout_of(type);
    const uint32_t n = STRIP(n_rows);
    asking a = begin_asking(ahead, l.piece);
    const uint8_t *head = piece;
    panel_sums acc;
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < N_REGISTERS; v++) acc[r][v] = floats_set(0.0f);
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++, piece += l.piece, x++) {
        if (l.head && b % 8 == 0) head = piece, piece += l.head;
        ask(&a, piece, l.piece);
        if (n == N_REGISTERS) {
            add_piece(acc, head, piece, x, x_stride, 0, n, n_rows, type, 0);
            if (l.halves) add_piece(acc, head, piece, x, x_stride, 0, n, n_rows, type, 1);
            continue;
        }
#pragma GCC unroll 1
        for (uint32_t v = 0; v < N_REGISTERS; v += n) {
            add_piece(acc, head, piece, x, x_stride, v, n, n_rows, type, 0);
            if (l.halves) add_piece(acc, head, piece, x, x_stride, v, n, n_rows, type, 1);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < N_REGISTERS; v++) floats_store(y + r * y_stride + LANES * v, acc[r][v]);
}

INLINE floats load_column(const skald_dtype type, const uint8_t *column, uint32_t i) {
    switch (type) {
    case SKALD_F32: return floats_f32(column + 4 * i);
    case SKALD_F16: return floats_f16(column + 2 * i);
    case SKALD_BF16: return floats_bf16(column + 2 * i);
    case SKALD_F8_E4M3: return floats_e4m3(column + i);
    default: return floats_e5m2(column + i);
    }
}

/* `n` registers from output `first` on. */
INLINE void float_strip(float *y, size_t y_stride, const uint8_t *column, const float *x, size_t x_stride,
                        uint32_t n_in, const sk_ahead *ahead, uint32_t first, const uint32_t n, const uint32_t n_rows,
                        const skald_dtype type) {
    const uint32_t bytes = SK_PANEL * (type == SKALD_F32 ? 4 : type == SKALD_F16 || type == SKALD_BF16 ? 2 : 1);
    asking a = begin_asking(ahead, bytes < 64 ? 64 : bytes);
    panel_sums acc;
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < n; v++) acc[r][v] = floats_set(0.0f);
    for (uint32_t k = 0; k < n_in; k++, column += bytes) {
        floats w[N_REGISTERS];
        if (bytes >= 64 || k % 2 == 0) ask(&a, column, bytes);
        for (uint32_t v = 0; v < n; v++) w[v] = load_column(type, column, first + LANES * v);
        for (uint32_t r = 0; r < n_rows; r++) {
            const floats value = floats_set(x[r * x_stride + k]);
            for (uint32_t v = 0; v < n; v++) acc[r][v] = floats_fma(value, w[v], acc[r][v]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < n; v++) floats_store(y + r * y_stride + first + LANES * v, acc[r][v]);
}

INLINE void float_tile(float *y, size_t y_stride, const uint8_t *panel, const float *x, size_t x_stride, uint32_t n_in,
                       const sk_ahead *ahead, const uint32_t n_rows, const skald_dtype type) {
    const uint32_t n = n_rows <= 2 ? N_REGISTERS : 2;
    for (uint32_t first = 0; first < SK_PANEL; first += LANES * n)
        float_strip(y, y_stride, panel, x, x_stride, n_in, first ? NULL : ahead, first, n, n_rows, type);
}

/* A leaf for one format: the number of rows becomes a constant too. */
#define SK_EACH_ROW_COUNT(tile, type)                                                                                  \
    switch (n_rows) {                                                                                                  \
    case 1: tile(y, y_stride, panel, x, x_stride, n_in, ahead, 1, type); break;                                        \
    case 2: tile(y, y_stride, panel, x, x_stride, n_in, ahead, 2, type); break;                                        \
    case 3: tile(y, y_stride, panel, x, x_stride, n_in, ahead, 3, type); break;                                        \
    case 4: tile(y, y_stride, panel, x, x_stride, n_in, ahead, 4, type); break;                                        \
    default: tile(y, y_stride, panel, x, x_stride, n_in, ahead, 5, type); break;                                       \
    }
#define INT_TILE(format, leaf)                                                                                         \
    void leaf(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,         \
              uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {                                                 \
        (void)type;                                                                                                    \
        SK_EACH_ROW_COUNT(int_tile, SKALD_##format)                                                                    \
    }
#define FLOAT_TILE(format, leaf)                                                                                       \
    void leaf(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x, size_t x_stride,         \
              uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {                                                 \
        (void)type;                                                                                                    \
        SK_EACH_ROW_COUNT(float_tile, SKALD_##format)                                                                  \
    }
#endif

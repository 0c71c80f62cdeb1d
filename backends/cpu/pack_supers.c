/* Packing of formats with blocks of 256 (blocks.h): the bits of bytes change partners, no value changes. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "dtype/dtype.h"
#include <string.h>

static size_t super_bytes(const sk_layout *l) { return l->head + 8u * l->piece; }

uint64_t sk_supers_bytes(skald_dtype type, uint32_t n_in) {
    const sk_layout l = sk_layout_of(type);
    return (uint64_t)(n_in / SK_SUPER) * super_bytes(&l);
}

static uint32_t dword(const uint8_t *from) {
    uint32_t x;
    memcpy(&x, from, 4);
    return x;
}

static void put_dword(uint8_t *line, uint32_t i, uint32_t x) { memcpy(line + 4 * i, &x, 4); }

/* 32 elements stand in the low or the high halves (shift 4) of 32 bytes: k groups g and g + 4 become neighbours. */
static void put_nibbles(uint8_t *lines, const uint8_t *q, uint32_t shift, uint32_t i) {
    for (uint32_t g = 0; g < 4; g++) {
        uint32_t low = dword(q + 4 * g) >> shift & 0x0f0f0f0fu, high = dword(q + 16 + 4 * g) >> shift & 0x0f0f0f0fu;
        put_dword(lines + g * SK_LINE_BYTES, i, low | high << 4);
    }
}

/* Bits `shift` and `shift` + 1 of 32 bytes belong to 32 elements: those of a half of them come together. */
static void put_twos(uint8_t *lines, const uint8_t *two, uint32_t shift, uint32_t i) {
    for (uint32_t half = 0; half < 2; half++) {
        uint32_t x = 0;
        for (uint32_t g = 0; g < 4; g++) x |= (dword(two + 16 * half + 4 * g) >> shift & 0x03030303u) << 2 * g;
        put_dword(lines + half * SK_LINE_BYTES, i, x);
    }
}

/* Bit `group` of 32 bytes is the next bit of that group's elements. */
static void put_fifths(uint8_t *line, const uint8_t *from, uint32_t group, uint32_t i) {
    uint32_t x = 0;
    for (uint32_t g = 0; g < 8; g++) x |= (dword(from + 4 * g) >> group & 0x01010101u) << g;
    put_dword(line, i, x);
}

/* Scale and min of a group: six bits each. Groups 0 to 3 have theirs whole in bytes 0-3 and 4-7; 4 to 7 have four bits
 * in bytes 8-11 and two above those of 0 to 3. */
static void put_scale_min(uint8_t *scales, const uint8_t *x, uint32_t group, uint32_t i) {
    uint32_t d = x[group % 4] & 63u, m = x[group % 4 + 4] & 63u;
    if (group >= 4) {
        d = (x[group + 4] & 15u) | (uint32_t)(x[group - 4] >> 6) << 4;
        m = (uint32_t)(x[group + 4] >> 4) | (uint32_t)(x[group] >> 6) << 4;
    }
    scales[i] = (uint8_t)d;
    scales[SK_PANEL + i] = (uint8_t)m;
}

/* 16 bytes of scale and min, 64 bytes of two bits, f16 scale, f16 min. */
static void put_q2(uint8_t *piece, uint8_t *scales, const uint8_t *block, uint32_t group, uint32_t i) {
    put_twos(piece, block + 16 + group / 4 * 32, group % 4 * 2, i);
    for (uint32_t half = 0; half < 2; half++) scales[half * SK_PANEL + i] = block[2 * group + half];
}

/* 32 bytes of third bits, 64 bytes of two bits, 12 bytes of scales, f16 scale. Scale j of 16 is six bits less 32: the low
 * four in the first eight bytes, two high bits in the last four. */
static void put_q3(uint8_t *piece, uint8_t *scales, const uint8_t *block, uint32_t group, uint32_t i) {
    put_twos(piece, block + 32 + group / 4 * 32, group % 4 * 2, i);
    put_fifths(piece + SK_TWO_BIT_BYTES, block, group, i);
    for (uint32_t j = 2 * group; j < 2 * group + 2; j++) {
        uint32_t low = block[96 + j % 8] >> j / 8 * 4 & 15u, high = block[104 + j % 4] >> j / 4 * 2 & 3u;
        scales[j % 2 * SK_PANEL + i] = (uint8_t)((low | high << 4) - 32);
    }
}

/* f16 scale, f16 min, 12 bytes of scales and mins, fifth bits (Q5_K), 128 bytes of halves. */
static void put_q4(uint8_t *piece, uint8_t *scales, const uint8_t *block, uint32_t group, uint32_t i) {
    put_nibbles(piece, block + 16 + group / 2 * 32, group % 2 * 4, i);
    put_scale_min(scales, block + 4, group, i);
}

static void put_q5(uint8_t *piece, uint8_t *scales, const uint8_t *block, uint32_t group, uint32_t i) {
    put_nibbles(piece, block + 48 + group / 2 * 32, group % 2 * 4, i);
    put_fifths(piece + SK_NIBBLE_BYTES, block + 16, group, i);
    put_scale_min(scales, block + 4, group, i);
}

/* 128 bytes of halves, 64 bytes of two bits, 16 signed scales, f16 scale. */
static void put_q6(uint8_t *piece, uint8_t *scales, const uint8_t *block, uint32_t group, uint32_t i) {
    put_nibbles(piece, block + group / 4 * 64 + group % 2 * 32, group % 4 / 2 * 4, i);
    put_twos(piece + SK_NIBBLE_BYTES, block + 128 + group / 4 * 32, group % 4 * 2, i);
    for (uint32_t half = 0; half < 2; half++) scales[half * SK_PANEL + i] = block[192 + 2 * group + half];
}

/* f16 scale, a word of two high bits for each scale, 4 bytes of their low halves, 128 bytes. A scale is less 32. */
static void put_iq4(uint8_t *piece, uint8_t *scales, const uint8_t *block, uint32_t group, uint32_t i) {
    uint32_t low = block[4 + group / 2] >> group % 2 * 4 & 15u, high = block[2 + group / 4] >> group % 4 * 2 & 3u;
    scales[i] = (uint8_t)((low | high << 4) - 32);
    for (uint32_t g = 0; g < 4; g++) put_dword(piece + g * SK_LINE_BYTES, i, dword(block + 8 + 16 * group + 4 * g));
}

/* Where a block of the file keeps the scales of its head, and what puts a piece. */
typedef struct super_form {
    uint32_t scale_at, min_at;
    void (*put)(uint8_t *piece, uint8_t *scales, const uint8_t *block, uint32_t group, uint32_t i);
} super_form;

static super_form form_of(skald_dtype type) {
    switch (type) {
    case SKALD_Q2_K: return (super_form){80, 82, put_q2};
    case SKALD_Q3_K: return (super_form){108, 0, put_q3};
    case SKALD_Q4_K: return (super_form){0, 2, put_q4};
    case SKALD_Q5_K: return (super_form){0, 2, put_q5};
    case SKALD_Q6_K: return (super_form){208, 0, put_q6};
    default: return (super_form){0, 0, put_iq4};
    }
}

void sk_supers_pack(void *panel, skald_dtype type, const void *rows, uint64_t row_bytes, uint32_t n_rows,
                    uint32_t n_in) {
    const sk_layout l = sk_layout_of(type);
    const super_form f = form_of(type);
    const size_t file_bytes = sk_dtype_find(type)->bytes;
    uint8_t *head = panel;
    for (uint32_t b = 0; b < n_in / SK_SUPER; b++, head += super_bytes(&l)) {
        if (n_rows < SK_PANEL) memset(head, 0, super_bytes(&l)); /* missing outputs are zero */
        for (uint32_t i = 0; i < n_rows; i++) {
            const uint8_t *block = (const uint8_t *)rows + i * row_bytes + b * file_bytes;
            uint8_t *piece = head + l.head;
            memcpy(head + 2 * i, block + f.scale_at, 2);
            if (l.has_min) memcpy(head + SK_SCALE_BYTES + 2 * i, block + f.min_at, 2);
            for (uint32_t group = 0; group < 8; group++, piece += l.piece)
                f.put(piece, piece + l.integers, block, group, i);
        }
    }
}

/* Of group g, in the lines where each of them keeps its bits. */
static uint32_t nibble_at(const uint8_t *at, uint32_t g) { return at[g % 4 * SK_LINE_BYTES] >> g / 4 * 4 & 15u; }
static uint32_t two_at(const uint8_t *at, uint32_t g) { return at[g / 4 * SK_LINE_BYTES] >> g % 4 * 2 & 3u; }
static uint32_t fifth_at(const uint8_t *at, uint32_t g) { return *at >> g & 1u; }

static uint32_t integer_at(const uint8_t *piece, skald_dtype type, uint32_t i, uint32_t k) {
    const uint8_t *at = piece + i * 4 + k % 4;
    const uint32_t g = k / 4;
    switch (type) {
    case SKALD_Q2_K: return two_at(at, g);
    case SKALD_Q3_K: return two_at(at, g) | fifth_at(at + SK_TWO_BIT_BYTES, g) << 2;
    case SKALD_Q5_K: return nibble_at(at, g) | fifth_at(at + SK_NIBBLE_BYTES, g) << 4;
    case SKALD_Q6_K: return nibble_at(at, g) | two_at(at + SK_NIBBLE_BYTES, g) << 4;
    case SKALD_IQ4_XS: return sk_iq4_bytes[nibble_at(at, g)];
    default: return nibble_at(at, g);
    }
}

/* Scale and min of 16 elements of one output. */
static void take_scale(float *d, float *m, const uint8_t *head, const uint8_t *scales, skald_dtype type, uint32_t half,
                       uint32_t i) {
    const sk_layout l = sk_layout_of(type);
    const uint8_t byte = scales[(l.halves ? half * SK_PANEL : 0) + i];
    int32_t scale = l.has_min ? byte : (int8_t)byte, min = 0;
    if (type == SKALD_Q2_K) scale = byte & 15, min = byte >> 4;
    else if (l.has_min) min = scales[SK_PANEL + i];
    *d = sk_half_at(head, i) * (float)scale;
    *m = l.has_min ? sk_half_at(head + SK_SCALE_BYTES, i) * (float)min : 0.0f;
}

/* 32 elements of one output. */
static void take(sk_int_block *w, const void *panel, skald_dtype type, uint32_t block, uint32_t i) {
    const sk_layout l = sk_layout_of(type);
    const uint8_t *head = (const uint8_t *)panel + block / 8 * super_bytes(&l);
    const uint8_t *piece = head + l.head + block % 8 * l.piece;
    for (uint32_t half = 0; half < 2; half++)
        take_scale(&w->d[half], &w->m[half], head, piece + l.integers, type, half, i);
    for (uint32_t k = 0; k < SK_BLOCK; k++) w->q[k] = (int8_t)((int32_t)integer_at(piece, type, i, k) - l.bias);
}

void sk_supers_unpack(float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in) {
    sk_unpack_by(take, y, panel, type, row, n_in);
}

void sk_supers_expand(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in,
                      uint32_t first, uint32_t n_blocks) {
    (void)n_in;
    sk_expand_by(take, to, form, panel, type, first, n_blocks);
}

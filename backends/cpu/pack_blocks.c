/* Packing of formats with blocks of 32 (blocks.h): a transposition of dwords; no value changes. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include "base/memory.h"
#include <string.h>

/* Where a block of the file keeps its parts; 0: it has no such part. The scale comes first in all of them. */
typedef struct block_form {
    uint32_t file_bytes, piece_bytes;
    uint32_t min_at, high_at, q_at;
    uint32_t bits;
} block_form;

static block_form form_of(skald_dtype type) {
    switch (type) {
    case SKALD_Q4_0: return (block_form){18, SK_Q4_0_PIECE, 0, 0, 2, 4};
    case SKALD_Q4_1: return (block_form){20, SK_Q4_1_PIECE, 2, 0, 4, 4};
    case SKALD_Q5_0: return (block_form){22, SK_Q5_0_PIECE, 0, 2, 6, 5};
    case SKALD_Q5_1: return (block_form){24, SK_Q5_1_PIECE, 2, 4, 8, 5};
    default: return (block_form){34, SK_Q8_0_PIECE, 0, 0, 2, 8};
    }
}

static uint32_t integer_bytes(const block_form *f) {
    return f->bits == 8 ? SK_OCTET_BYTES : SK_NIBBLE_BYTES + (f->high_at ? SK_HIGH_BYTES : 0);
}

uint64_t sk_blocks_bytes(skald_dtype type, uint32_t n_in) {
    return (uint64_t)(n_in / SK_BLOCK) * form_of(type).piece_bytes;
}

static void put_bytes(uint8_t *piece, const uint8_t *q, uint32_t i) {
    for (uint32_t g = 0; g < 8; g++) {
        uint32_t x;
        memcpy(&x, q + 4 * g, 4);
        x ^= 0x80808080u;
        memcpy(piece + (g * SK_PANEL + i) * 4, &x, 4);
    }
}

/* The product puts bit j of a group to bit 0 of byte j. */
static void put_high(uint8_t *high, const uint8_t *from, uint32_t i) {
    uint32_t four = 0;
    for (uint32_t g = 0; g < 8; g++)
        four |= ((from[g / 2] >> g % 2 * 4 & 15u) * 0x00204081u & 0x01010101u) << g;
    memcpy(high + 4 * i, &four, 4);
}

static void put_block(uint8_t *piece, const uint8_t *block, uint32_t i, const block_form *f) {
    uint8_t *scales = piece + integer_bytes(f);
    memcpy(scales + 2 * i, block, 2);
    if (f->min_at) memcpy(scales + SK_SCALE_BYTES + 2 * i, block + f->min_at, 2);
    if (f->high_at) put_high(piece + SK_NIBBLE_BYTES, block + f->high_at, i);
    if (f->bits == 8) {
        put_bytes(piece, block + f->q_at, i);
        return;
    }
    for (uint32_t g = 0; g < 4; g++) memcpy(piece + (g * SK_PANEL + i) * 4, block + f->q_at + 4 * g, 4);
}

void sk_blocks_pack(void *panel, skald_dtype type, const void *rows, uint64_t row_bytes, uint32_t n_rows,
                    uint32_t n_in) {
    const block_form f = form_of(type);
    uint8_t *piece = panel;
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++, piece += f.piece_bytes) {
        /* Missing outputs have scale and min zero, so their integers do not matter. */
        if (n_rows < SK_PANEL) memset(piece, 0, f.piece_bytes);
        const uint8_t *block = (const uint8_t *)rows + (size_t)b * f.file_bytes;
        for (uint32_t i = 0; i < n_rows; i++) put_block(piece, block + i * row_bytes, i, &f);
    }
}

static int32_t integer_at(const uint8_t *piece, const block_form *f, uint32_t i, uint32_t k) {
    uint32_t g = k / 4, at = i * 4 + k % 4;
    if (f->bits == 8) return piece[g * 4 * SK_PANEL + at] - 128;
    int32_t q = piece[g % 4 * 4 * SK_PANEL + at] >> g / 4 * 4 & 15;
    if (f->high_at) q |= (piece[SK_NIBBLE_BYTES + at] >> g & 1) << 4;
    return f->min_at ? q : q - (1 << (f->bits - 1));
}

static float half_at(const uint8_t *halves, uint32_t i) {
    uint16_t x;
    memcpy(&x, halves + 2 * i, 2);
    return sk_from_f16(x);
}

void sk_blocks_unpack(float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in) {
    const block_form f = form_of(type);
    const uint8_t *piece = panel;
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++, piece += f.piece_bytes) {
        const uint8_t *scales = piece + integer_bytes(&f);
        float d = half_at(scales, row), m = f.min_at ? -half_at(scales + SK_SCALE_BYTES, row) : 0.0f;
        for (uint32_t k = 0; k < SK_BLOCK; k++) *y++ = d * (float)integer_at(piece, &f, row, k) - m;
    }
}

void sk_blocks_expand(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in,
                      uint32_t first, uint32_t n_blocks) {
    (void)n_in;
    const block_form f = form_of(type);
    const uint8_t *piece = (const uint8_t *)panel + (size_t)first * f.piece_bytes;
    sk_int_block w;
    for (uint32_t b = 0; b < n_blocks; b++, piece += f.piece_bytes, to += form->bytes) {
        const uint8_t *scales = piece + integer_bytes(&f);
        for (uint32_t i = 0; i < SK_PANEL; i++) {
            w.d[0] = w.d[1] = half_at(scales, i);
            w.m[0] = w.m[1] = f.min_at ? -half_at(scales + SK_SCALE_BYTES, i) : 0.0f;
            for (uint32_t k = 0; k < SK_BLOCK; k++) w.q[k] = (int8_t)integer_at(piece, &f, i, k);
            sk_expanded_put(to, form, &w, i);
        }
    }
}

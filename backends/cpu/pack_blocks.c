/* Packing of formats with blocks of 32 (blocks.h): a transposition of dwords; no value changes. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include "base/memory.h"
#include <string.h>

/* Where a block of the file keeps its parts; 0: it has no such part. The scale comes first in all of them. */
typedef struct block_form {
    uint32_t bytes, scale_bytes;
    uint32_t min_at, high_at, q_at;
} block_form;

static block_form form_of(skald_dtype type) {
    switch (type) {
    case SKALD_Q4_0: return (block_form){18, 2, 0, 0, 2};
    case SKALD_Q4_1: return (block_form){20, 2, 2, 0, 4};
    case SKALD_Q5_0: return (block_form){22, 2, 0, 2, 6};
    case SKALD_Q5_1: return (block_form){24, 2, 2, 4, 8};
    case SKALD_IQ4_NL: return (block_form){18, 2, 0, 0, 2};
    case SKALD_MXFP4: return (block_form){17, 1, 0, 0, 1};
    default: return (block_form){34, 2, 0, 0, 2}; /* Q8_0 */
    }
}

uint64_t sk_blocks_bytes(skald_dtype type, uint32_t n_in) {
    return (uint64_t)(n_in / SK_BLOCK) * sk_layout_of(type).piece;
}

static void put_bytes(uint8_t *piece, const uint8_t *q, uint32_t i) {
    for (uint32_t g = 0; g < 8; g++) {
        uint32_t x;
        memcpy(&x, q + 4 * g, 4);
        x ^= 0x80808080u;
        memcpy(piece + g * SK_LINE_BYTES + 4 * i, &x, 4);
    }
}

/* The product puts bit j of a group to bit 0 of byte j. */
static void put_high(uint8_t *high, const uint8_t *from, uint32_t i) {
    uint32_t four = 0;
    for (uint32_t g = 0; g < 8; g++) four |= ((from[g / 2] >> g % 2 * 4 & 15u) * 0x00204081u & 0x01010101u) << g;
    memcpy(high + 4 * i, &four, 4);
}

static void put_block(uint8_t *piece, const uint8_t *block, uint32_t i, const block_form *f, const sk_layout *l) {
    uint8_t *scales = piece + l->integers;
    if (f->scale_bytes == 1) scales[i] = block[0];
    else memcpy(scales + 2 * i, block, 2);
    if (f->min_at) memcpy(scales + SK_SCALE_BYTES + 2 * i, block + f->min_at, 2);
    if (f->high_at) put_high(piece + SK_NIBBLE_BYTES, block + f->high_at, i);
    if (l->integers == SK_OCTET_BYTES) {
        put_bytes(piece, block + f->q_at, i);
        return;
    }
    for (uint32_t g = 0; g < 4; g++) memcpy(piece + g * SK_LINE_BYTES + 4 * i, block + f->q_at + 4 * g, 4);
}

void sk_blocks_pack(void *panel, skald_dtype type, const void *rows, uint64_t row_bytes, uint32_t n_rows,
                    uint32_t n_in) {
    const block_form f = form_of(type);
    const sk_layout l = sk_layout_of(type);
    uint8_t *piece = panel;
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++, piece += l.piece) {
        if (n_rows < SK_PANEL) memset(piece, 0, l.piece); /* the value of zero bytes is zero in every format */
        const uint8_t *block = (const uint8_t *)rows + (size_t)b * f.bytes;
        for (uint32_t i = 0; i < n_rows; i++) put_block(piece, block + i * row_bytes, i, &f, &l);
    }
}

static int32_t integer_at(const uint8_t *piece, skald_dtype type, uint32_t i, uint32_t k) {
    const uint32_t g = k / 4, at = i * 4 + k % 4, nibble = piece[g % 4 * SK_LINE_BYTES + at] >> g / 4 * 4 & 15u;
    switch (type) {
    case SKALD_Q8_0: return piece[g * SK_LINE_BYTES + at];
    case SKALD_Q5_0:
    case SKALD_Q5_1: return (int32_t)(nibble | (piece[SK_NIBBLE_BYTES + at] >> g & 1u) << 4);
    case SKALD_IQ4_NL: return sk_iq4_bytes[nibble];
    case SKALD_MXFP4: return sk_mxfp4_bytes[nibble];
    default: return (int32_t)nibble;
    }
}

/* 2^(e - 128): 0 and 1 are subnormal. */
static float half_e8m0(uint32_t e) { return sk_float(e < 2 ? 0x00200000u << e : (e - 1) << 23); }

/* 32 elements of one output. */
static void take(sk_int_block *w, const void *panel, skald_dtype type, uint32_t block, uint32_t i) {
    const sk_layout l = sk_layout_of(type);
    const uint8_t *piece = (const uint8_t *)panel + (size_t)block * l.piece, *scales = piece + l.integers;
    w->d[0] = w->d[1] = type == SKALD_MXFP4 ? half_e8m0(scales[i]) : sk_half_at(scales, i);
    w->m[0] = w->m[1] = l.has_min ? -sk_half_at(scales + SK_SCALE_BYTES, i) : 0.0f;
    for (uint32_t k = 0; k < SK_BLOCK; k++) w->q[k] = (int8_t)(integer_at(piece, type, i, k) - l.bias);
}

void sk_blocks_unpack(float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in) {
    sk_unpack_by(take, y, panel, type, row, n_in);
}

void sk_blocks_expand(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in,
                      uint32_t first, uint32_t n_blocks) {
    (void)n_in;
    sk_expand_by(take, to, form, panel, type, first, n_blocks);
}

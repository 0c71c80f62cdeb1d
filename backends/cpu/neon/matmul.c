/* Matrix products on plain NEON, which every 64-bit ARM has, and the expanded form of panels. */
#include <arm_neon.h>
#include "backends/cpu/neon/matmul_body.h"

void sk_packed_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)ahead;
    packed_tile(y, y_stride, panel, type, x, x_stride, n_rows, n_in);
}

void sk_expanded_neon(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                      size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    for (uint32_t r = 0, n; r < n_rows; r += n) {
        n = n_rows - r < MOST_ROWS ? n_rows - r : MOST_ROWS;
        expanded_rows(y + r * y_stride, y_stride, blocks, form, x + r * x_stride, x_stride, n, n_blocks, goes_on);
    }
}

/* Whole blocks of a panel in the form that all formats share; ARM's products take q itself, so nothing is flipped. */
INLINE void expand(uint8_t *to, uint32_t bytes, const uint8_t *piece, uint32_t first, uint32_t n_blocks,
                   const layout l) {
    const uint32_t n_super = SK_SUPER / SK_BLOCK;
    const uint8_t *head = piece;
    if (l.is.head) {
        head += (size_t)(first / n_super) * (l.is.head + n_super * l.is.piece);
        piece = head + l.is.head, first %= n_super;
    }
    piece += (size_t)first * l.is.piece;
    for (uint32_t b = 0; b < n_blocks; b++, first++, piece += l.is.piece, to += bytes) {
        if (l.is.head && b && first % n_super == 0) head = piece, piece += l.is.head;
        for (uint32_t four = 0; four < ALL_FOURS; four++) {
            UNROLL
            for (uint32_t g = 0; g < 8; g++) {
                const int8x16_t w = integers_at(piece, 16 * four, g, l), bias = vdupq_n_s8((int8_t)bias_of(l));
                vst1q_s8((int8_t *)to + SK_LINE_BYTES * g + 16 * four, vsubq_s8(w, bias));
            }
            for (uint32_t h = 0; h < (l.is.halves ? 2u : 1u); h++) {
                const four_scales s = load_scales(piece, head, four, h, l);
                uint8_t *at = to + SK_OCTET_BYTES + 128 * h + 16 * four;
                vst1q_u8(at, vreinterpretq_u8_f32(s.d));
                if (l.is.has_min) vst1q_u8(at + (l.is.halves ? 256 : 128), vreinterpretq_u8_f32(s.m));
            }
        }
    }
}

void sk_packed_expand_neon(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in,
                           uint32_t first, uint32_t n_blocks) {
    (void)n_in;
    switch (type) {
    case SKALD_Q4_0: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q4_0)); break;
    case SKALD_Q4_1: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q4_1)); break;
    case SKALD_Q5_0: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q5_0)); break;
    case SKALD_Q5_1: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q5_1)); break;
    case SKALD_IQ4_NL: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_IQ4_NL)); break;
    case SKALD_MXFP4: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_MXFP4)); break;
    case SKALD_Q2_K: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q2_K)); break;
    case SKALD_Q3_K: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q3_K)); break;
    case SKALD_Q4_K: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q4_K)); break;
    case SKALD_Q5_K: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q5_K)); break;
    case SKALD_Q6_K: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q6_K)); break;
    case SKALD_IQ4_XS: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_IQ4_XS)); break;
    default: expand(to, form->bytes, panel, first, n_blocks, packed(SKALD_Q8_0)); break;
    }
}

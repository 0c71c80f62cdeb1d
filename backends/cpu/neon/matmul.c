/* Matrix products on plain NEON, which every 64-bit ARM has, and the expanded form of panels. */
#include <arm_neon.h>
#include "backends/cpu/neon/matmul_body.h"

void sk_packed_tile_neon(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in) {
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
    const bool neighbours = l.integers != NIBBLES && l.integers != FIVE_BITS;
    const uint32_t n_super = SK_SUPER / SK_BLOCK;
    const uint8_t *head = piece;
    if (l.head_bytes) piece += (size_t)(first / n_super) * (l.head_bytes + n_super * l.piece_bytes);
    if (l.head_bytes) head = piece, piece += l.head_bytes, first %= n_super;
    piece += (size_t)first * l.piece_bytes;
    for (uint32_t b = 0; b < n_blocks; b++, first++, piece += l.piece_bytes, to += bytes) {
        if (l.head_bytes && b && first % n_super == 0) head = piece, piece += l.head_bytes;
        for (uint32_t four = 0; four < ALL_FOURS; four++) {
            UNROLL
            for (uint32_t p = 0; p < 4; p++) {
                int8x16x2_t w = load_pair(piece, four, p, l.integers);
                int8_t *q = (int8_t *)to + 16 * four;
                const int8x16_t off = vdupq_n_s8((int8_t)l.off);
                vst1q_s8(q + 128 * pair_group(p, 0, neighbours), vsubq_s8(w.val[0], off));
                vst1q_s8(q + 128 * pair_group(p, 1, neighbours), vsubq_s8(w.val[1], off));
            }
            for (uint32_t h = 0; h < (l.halves ? 2u : 1u); h++) {
                const four_scales s = load_scales(piece, head, four, h, l);
                uint8_t *at = to + SK_OCTET_BYTES + 128 * h + 16 * four;
                vst1q_u8(at, vreinterpretq_u8_f32(s.d));
                if (l.has_min) vst1q_u8(at + (l.halves ? 256 : 128), vreinterpretq_u8_f32(s.m));
            }
        }
    }
}

void sk_packed_expand_neon(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in,
                           uint32_t first, uint32_t n_blocks) {
    (void)n_in;
    switch (type) {
    case SKALD_Q4_0: expand(to, form->bytes, panel, first, n_blocks, (layout){Q4_0_LAYOUT}); break;
    case SKALD_Q4_1: expand(to, form->bytes, panel, first, n_blocks, (layout){Q4_1_LAYOUT}); break;
    case SKALD_Q5_0: expand(to, form->bytes, panel, first, n_blocks, (layout){Q5_0_LAYOUT}); break;
    case SKALD_Q5_1: expand(to, form->bytes, panel, first, n_blocks, (layout){Q5_1_LAYOUT}); break;
    case SKALD_Q8_0: expand(to, form->bytes, panel, first, n_blocks, (layout){Q8_0_LAYOUT}); break;
    case SKALD_Q4_K: expand(to, form->bytes, panel, first, n_blocks, (layout){Q4_K_LAYOUT}); break;
    case SKALD_Q5_K: expand(to, form->bytes, panel, first, n_blocks, (layout){Q5_K_LAYOUT}); break;
    default: expand(to, form->bytes, panel, first, n_blocks, (layout){Q6_K_LAYOUT}); break;
    }
}

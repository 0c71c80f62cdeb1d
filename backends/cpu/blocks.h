/* The packed forms of quantized formats: one stream per panel. A *line* is [32 outputs][4 k], 128 bytes. A *piece* holds
 * 32 k of all outputs, eight groups of 4 k each: integers, then scales, then mins. Blocks of 32 are pieces and no more;
 * blocks of 256 are a head (f16 scales of scales [32], f16 scales of mins [32]) and eight pieces.
 *
 *     nibbles   4 lines: low halves are k group g, high halves k group g + 4
 *     fifths    1 line: bit g is the next bit of k group g
 *     twos      2 lines, one for each 16 k: bits 2 g and 2 g + 1 belong to k group g of the half
 *     bytes     8 lines: q + 128
 *
 *              head           integers          scales                          mins
 *     Q4_0                    nibbles           f16
 *     Q4_1                    nibbles           f16                             f16, added
 *     Q5_0                    nibbles, fifths   f16
 *     Q5_1                    nibbles, fifths   f16                             f16, added
 *     Q8_0                    bytes             f16
 *     IQ4_NL                  nibbles           f16
 *     MXFP4                   nibbles           E8M0
 *     Q2_K     scales, mins   twos              low halves of a byte, [2][32]   high halves, taken off
 *     Q3_K     scales         twos, fifths (1)  signed byte, [2][32]
 *     Q4_K     scales, mins   nibbles           byte                            byte, taken off
 *     Q5_K     scales, mins   nibbles, fifths   byte                            byte, taken off
 *     Q6_K     scales         nibbles, twos     signed byte, [2][32]
 *     IQ4_XS   scales         nibbles           signed byte
 *     (1) the third bit; [2][32]: one for each 16 k
 *
 * All integers are unsigned: what a symmetric format takes off (`bias`) comes back through the sums of the row. Nibbles of
 * IQ4_* and MXFP4 stand for the bytes of a table. */
#ifndef SK_CPU_BLOCKS_H
#define SK_CPU_BLOCKS_H
#include "backends/cpu/kernels.h"

enum {
    SK_LINE_BYTES = 128,
    SK_HIGH_BYTES = SK_LINE_BYTES,
    SK_TWO_BIT_BYTES = 2 * SK_LINE_BYTES,
    SK_NIBBLE_BYTES = 4 * SK_LINE_BYTES,
    SK_OCTET_BYTES = 8 * SK_LINE_BYTES,
    SK_SCALE_BYTES = 64, /* 32 f16 */
    SK_Q4_0_PIECE = SK_NIBBLE_BYTES + SK_SCALE_BYTES,
    SK_Q4_1_PIECE = SK_NIBBLE_BYTES + 2 * SK_SCALE_BYTES,
    SK_Q5_0_PIECE = SK_NIBBLE_BYTES + SK_HIGH_BYTES + SK_SCALE_BYTES,
    SK_Q5_1_PIECE = SK_NIBBLE_BYTES + SK_HIGH_BYTES + 2 * SK_SCALE_BYTES,
    SK_Q8_0_PIECE = SK_OCTET_BYTES + SK_SCALE_BYTES,
    SK_MXFP4_PIECE = SK_NIBBLE_BYTES + 32,
    SK_Q2_K_PIECE = SK_TWO_BIT_BYTES + 64,
    SK_Q3_K_PIECE = SK_TWO_BIT_BYTES + SK_HIGH_BYTES + 64,
    SK_Q4_K_PIECE = SK_NIBBLE_BYTES + 64,
    SK_Q5_K_PIECE = SK_NIBBLE_BYTES + SK_HIGH_BYTES + 64,
    SK_Q6_K_PIECE = SK_NIBBLE_BYTES + SK_TWO_BIT_BYTES + 64,
    SK_IQ4_XS_PIECE = SK_NIBBLE_BYTES + 32,
    SK_SUPER = 256, /* elements of a head */
};

typedef struct sk_layout {
    uint32_t head;     /* bytes; 0: there is none */
    uint32_t integers; /* bytes of a piece before its scales */
    uint32_t piece;    /* bytes */
    int32_t bias;      /* what an integer, or a byte of the table, has too much */
    uint32_t most;     /* the largest integer or byte of the table */
    bool halves;       /* a scale for each 16 k */
    bool has_min;
} sk_layout;

static inline sk_layout sk_layout_of(const skald_dtype type) {
    enum { HEAD = SK_SCALE_BYTES, LINE = SK_LINE_BYTES, TWO = SK_TWO_BIT_BYTES, FOUR = SK_NIBBLE_BYTES };
    switch (type) {
    case SKALD_Q4_0: return (sk_layout){0, FOUR, SK_Q4_0_PIECE, 8, 15, false, false};
    case SKALD_Q4_1: return (sk_layout){0, FOUR, SK_Q4_1_PIECE, 0, 15, false, true};
    case SKALD_Q5_0: return (sk_layout){0, FOUR + LINE, SK_Q5_0_PIECE, 16, 31, false, false};
    case SKALD_Q5_1: return (sk_layout){0, FOUR + LINE, SK_Q5_1_PIECE, 0, 31, false, true};
    case SKALD_IQ4_NL: return (sk_layout){0, FOUR, SK_Q4_0_PIECE, 128, 241, false, false};
    case SKALD_MXFP4: return (sk_layout){0, FOUR, SK_MXFP4_PIECE, 12, 24, false, false};
    case SKALD_Q2_K: return (sk_layout){2 * HEAD, TWO, SK_Q2_K_PIECE, 0, 3, true, true};
    case SKALD_Q3_K: return (sk_layout){HEAD, TWO + LINE, SK_Q3_K_PIECE, 4, 7, true, false};
    case SKALD_Q4_K: return (sk_layout){2 * HEAD, FOUR, SK_Q4_K_PIECE, 0, 15, false, true};
    case SKALD_Q5_K: return (sk_layout){2 * HEAD, FOUR + LINE, SK_Q5_K_PIECE, 0, 31, false, true};
    case SKALD_Q6_K: return (sk_layout){HEAD, FOUR + TWO, SK_Q6_K_PIECE, 32, 63, true, false};
    case SKALD_IQ4_XS: return (sk_layout){HEAD, FOUR, SK_IQ4_XS_PIECE, 128, 241, false, false};
    default: return (sk_layout){0, SK_OCTET_BYTES, SK_Q8_0_PIECE, 128, 255, false, false};
    }
}

/* 32 elements of one output of a packed panel, and what can be made of them. */
typedef void sk_take_fn(sk_int_block *w, const void *panel, skald_dtype type, uint32_t block, uint32_t output);
void sk_unpack_by(sk_take_fn *take, float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in);
void sk_expand_by(sk_take_fn *take, uint8_t *to, const sk_form *form, const void *panel, skald_dtype type,
                  uint32_t first, uint32_t n_blocks);
/* The i-th of f16 at any address. */
float sk_half_at(const uint8_t *halves, uint32_t i);

static const uint8_t sk_iq4_bytes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t sk_mxfp4_bytes[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
#endif

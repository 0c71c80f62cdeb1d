/* The packed forms of quantized formats: one stream per panel. Blocks of 32 (Q4_0 ... Q8_0) give a piece for each 32 k:
 *
 *     nibbles  [4 groups][32 outputs][4 k]   low halves: k group g, high halves: k group g + 4     512 bytes
 *     high     [32 outputs][4 k]             bit g: the fifth bit of k group g                     128 bytes, Q5 only
 *     bytes    [8 groups][32 outputs][4 k]   plus 128, instead of nibbles                         1024 bytes, Q8_0 only
 *     scales   [32] f16
 *     mins     [32] f16, added               only formats with a min
 *
 * Blocks of 256 (Q4_K, Q5_K, Q6_K) give a head and eight pieces:
 *
 *     head     scales of scales [32] f16, scales of mins [32] f16 (taken off; not in Q6_K)
 *     piece    nibbles; high (Q5_K); scales [32], mins [32], unsigned bytes
 *     Q6_K     nibbles; [2 halves][32 outputs][4 k], bits 2 g and 2 g + 1 for k group g of the half; scales [2][32],
 *              signed bytes, one for each 16 k
 *
 * All integers are unsigned: what a symmetric format takes off (8, 16, 32, 128) comes back through the sums of the row. */
#ifndef SK_CPU_BLOCKS_H
#define SK_CPU_BLOCKS_H

enum {
    SK_NIBBLE_BYTES = 512,
    SK_HIGH_BYTES = 128,
    SK_OCTET_BYTES = 1024,
    SK_SCALE_BYTES = 64,
    SK_Q4_0_PIECE = SK_NIBBLE_BYTES + SK_SCALE_BYTES,
    SK_Q4_1_PIECE = SK_NIBBLE_BYTES + 2 * SK_SCALE_BYTES,
    SK_Q5_0_PIECE = SK_NIBBLE_BYTES + SK_HIGH_BYTES + SK_SCALE_BYTES,
    SK_Q5_1_PIECE = SK_NIBBLE_BYTES + SK_HIGH_BYTES + 2 * SK_SCALE_BYTES,
    SK_Q8_0_PIECE = SK_OCTET_BYTES + SK_SCALE_BYTES,
    SK_TWO_BIT_BYTES = 256,
    SK_Q4_K_PIECE = SK_NIBBLE_BYTES + 64,
    SK_Q5_K_PIECE = SK_NIBBLE_BYTES + SK_HIGH_BYTES + 64,
    SK_Q6_K_PIECE = SK_NIBBLE_BYTES + SK_TWO_BIT_BYTES + 64,
    SK_SUPER = 256, /* elements of a head */
};
#endif

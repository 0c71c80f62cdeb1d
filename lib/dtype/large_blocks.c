/* Formats of 256 elements whose scales have scales, and the ternary ones. A block is eight groups of 32; in all of
 * them a byte holds elements that are 32 apart. */
#include "dtype/formats.h"

/* 32 bytes hold 128 elements, two bits each: the group chooses bytes and shift. */
static uint8_t two_bits(const uint8_t *x, uint64_t group, unsigned j) {
    return (uint8_t)(x[group / 4 * 32 + j] >> group % 4 * 2 & 3);
}

/* 16 bytes of scale (low half) and minimum (high half) for each 16 elements, 64 bytes, f16 scale, f16 minimum. */
void sk_dtype_expand_q2_k(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_Q2_K_BYTES), *scale = b + group % 8 * 2;
    float d = sk_load_f16(b + 80), m = sk_load_f16(b + 82);
    for (unsigned j = 0; j < 32; j++) to->q[j] = (int8_t)two_bits(b + 16, group % 8, j);
    for (unsigned h = 0; h < 2; h++) {
        to->d[h] = d * (float)(scale[h] & 15);
        to->m[h] = m * (float)(scale[h] >> 4);
    }
}

/* Scale k of 16, six bits less 32: the low four in the first eight bytes, two high bits in the last four. */
static float q3_scale(const uint8_t *scales, unsigned k) {
    int low = scales[k % 8] >> k / 8 * 4 & 15, high = scales[8 + k % 4] >> k / 4 * 2 & 3;
    return (float)((low | high << 4) - 32);
}

/* 32 bytes of third bits (a one means that nothing is taken off), 64 bytes, 12 bytes of scales, f16 scale. */
void sk_dtype_expand_q3_k(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_Q3_K_BYTES);
    unsigned g = (unsigned)(group % 8);
    float d = sk_load_f16(b + 108);
    for (unsigned j = 0; j < 32; j++) to->q[j] = (int8_t)((two_bits(b + 32, g, j) | (b[j] >> g & 1) << 2) - 4);
    sk_set_scales(to, d * q3_scale(b + 96, 2 * g), d * q3_scale(b + 96, 2 * g + 1));
}

/* The head of Q4_K and Q5_K: f16 scale, f16 minimum, 12 bytes with six bits of scale and of minimum per group. Groups
 * 0 to 3 have theirs whole in bytes 0-3 and 4-7; 4 to 7 have four bits in bytes 8-11 and two above those of 0 to 3. */
static void scale_min(sk_int_block *restrict to, const uint8_t *b, unsigned g) {
    const uint8_t *x = b + 4;
    unsigned d = x[g % 4] & 63u, m = x[g % 4 + 4] & 63u;
    if (g >= 4) {
        d = (x[g + 4] & 15u) | x[g - 4] >> 6 << 4;
        m = (unsigned)(x[g + 4] >> 4) | x[g] >> 6 << 4;
    }
    sk_set_scale_min(to, sk_load_f16(b) * (float)d, sk_load_f16(b + 2) * (float)m);
}

/* One half of each byte. Both shifts are constants, because vectors of bytes have no other. */
static void half_bytes(int8_t *restrict q, const uint8_t *x, bool upper) {
    if (upper)
        for (unsigned j = 0; j < 32; j++) q[j] = (int8_t)(x[j] >> 4);
    else
        for (unsigned j = 0; j < 32; j++) q[j] = (int8_t)(x[j] & 15);
}

/* The head, then 128 bytes: 32 for two groups, the low halves first. */
void sk_dtype_expand_q4_k(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_Q4_K_BYTES);
    unsigned g = (unsigned)(group % 8);
    half_bytes(to->q, b + 16 + g / 2 * 32, g % 2);
    scale_min(to, b, g);
}

/* The head, 32 bytes of fifth bits (bit g for group g), 128 bytes as in Q4_K. */
void sk_dtype_expand_q5_k(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_Q5_K_BYTES), *high = b + 16;
    unsigned g = (unsigned)(group % 8);
    uint8_t bit = (uint8_t)(1u << g);
    half_bytes(to->q, b + 48 + g / 2 * 32, g % 2);
    for (unsigned j = 0; j < 32; j++) to->q[j] = (int8_t)(to->q[j] | (high[j] & bit ? 16 : 0));
    scale_min(to, b, g);
}

/* 128 bytes of four low bits, 64 bytes of two high bits, 16 signed scales, f16 scale. */
void sk_dtype_expand_q6_k(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_Q6_K_BYTES);
    unsigned g = (unsigned)(group % 8), shift = g % 4 * 2;
    const uint8_t *high = b + 128 + g / 4 * 32;
    float d = sk_load_f16(b + 208);
    int8_t scale[2];
    half_bytes(to->q, b + g / 4 * 64 + g % 2 * 32, g % 4 / 2);
    for (unsigned j = 0; j < 32; j++) to->q[j] = (int8_t)((to->q[j] | (high[j] >> shift & 3) << 4) - 32);
    memcpy(scale, b + 192 + 2 * g, 2);
    sk_set_scales(to, d * (float)scale[0], d * (float)scale[1]);
}

/* Digit k of five base-3 digits. A byte is the fraction byte / 256, so times 3^k the next digit stands before the
 * point. */
static int8_t trit(uint8_t byte, unsigned k) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    return (int8_t)(((uint8_t)(byte * power[k]) * 3 >> 8) - 1);
}

/* 32 bytes of five digits, 32 elements apart; 16 bytes of five, 16 apart; 4 bytes of four, 4 apart; f16 scale. */
void sk_dtype_expand_tq1_0(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_TQ1_0_BYTES);
    unsigned g = (unsigned)(group % 8);
    float d = sk_load_f16(b + 52);
    for (unsigned j = 0; j < 32; j++) {
        if (g < 5) to->q[j] = trit(b[j], g);
        else if (g < 7 || j < 16) to->q[j] = trit(b[32 + j % 16], (g - 5) * 2 + j / 16);
        else to->q[j] = trit(b[48 + j % 4], (j - 16) / 4);
    }
    sk_set_scales(to, d, d);
}

/* 64 bytes, f16 scale. */
void sk_dtype_expand_tq2_0(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_TQ2_0_BYTES);
    float d = sk_load_f16(b + 64);
    for (unsigned j = 0; j < 32; j++) to->q[j] = (int8_t)(two_bits(b, group % 8, j) - 1);
    sk_set_scales(to, d, d);
}

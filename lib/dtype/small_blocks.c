/* Formats of small blocks with one level of scales: Q*_0, Q*_1, and the four-bit floats MXFP4 and NVFP4. */
#include "dtype/formats.h"

/* 16 bytes hold 32 elements: the low halves are the first 16. */
static void nibbles(int8_t *restrict q, const uint8_t *x, int offset) {
    for (unsigned j = 0; j < 16; j++) q[j] = (int8_t)((x[j] & 15) - offset);
    for (unsigned j = 0; j < 16; j++) q[j + 16] = (int8_t)((x[j] >> 4) - offset);
}

/* As nibbles, with the fifth bit of element j in bit j of `high`. */
static void five_bits(int8_t *restrict q, const uint8_t *x, uint32_t high, int offset) {
    for (unsigned j = 0; j < 16; j++) q[j] = (int8_t)((int)((x[j] & 15u) | (high >> j & 1u) << 4) - offset);
    for (unsigned j = 0; j < 16; j++) q[j + 16] = (int8_t)((int)((x[j] >> 4) | (high >> (j + 16) & 1u) << 4) - offset);
}

/* f16 scale, 16 bytes. */
void sk_dtype_expand_q4_0(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group, SK_Q4_0_BYTES);
    float d = sk_load_f16(b);
    nibbles(to->q, b + 2, 8);
    sk_set_scales(to, d, d);
}

/* f16 scale, f16 minimum, 16 bytes. */
void sk_dtype_expand_q4_1(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group, SK_Q4_1_BYTES);
    nibbles(to->q, b + 4, 0);
    sk_set_scale_min(to, sk_load_f16(b), -sk_load_f16(b + 2));
}

/* f16 scale, 4 bytes of fifth bits, 16 bytes. */
void sk_dtype_expand_q5_0(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group, SK_Q5_0_BYTES);
    float d = sk_load_f16(b);
    five_bits(to->q, b + 6, sk_load32(b + 2), 16);
    sk_set_scales(to, d, d);
}

/* f16 scale, f16 minimum, 4 bytes of fifth bits, 16 bytes. */
void sk_dtype_expand_q5_1(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group, SK_Q5_1_BYTES);
    five_bits(to->q, b + 8, sk_load32(b + 4), 0);
    sk_set_scale_min(to, sk_load_f16(b), -sk_load_f16(b + 2));
}

/* f16 scale, 32 signed bytes. */
void sk_dtype_expand_q8_0(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group, SK_Q8_0_BYTES);
    float d = sk_load_f16(b);
    memcpy(to->q, b + 2, 32);
    sk_set_scales(to, d, d);
}

/* f16 scale, 128 bits: 1 is +1, 0 is -1. */
void sk_dtype_expand_q1_0(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 4, SK_Q1_0_BYTES), *x = b + 2 + group % 4 * 4;
    float d = sk_load_f16(b);
    for (unsigned j = 0; j < 32; j++) to->q[j] = (int8_t)((x[j / 8] >> j % 8 & 1) * 2 - 1);
    sk_set_scales(to, d, d);
}

/* f16 scale, 16 bytes of four neighbours each, lowest bits first. */
void sk_dtype_expand_q2_0(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 2, SK_Q2_0_BYTES), *x = b + 2 + group % 2 * 8;
    float d = sk_load_f16(b);
    for (unsigned j = 0; j < 32; j++) to->q[j] = (int8_t)((x[j / 4] >> j % 4 * 2 & 3) - 1);
    sk_set_scales(to, d, d);
}

/* Twice the numbers of E2M1, so that they are whole. */
static const int8_t doubled_e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* 2^(e - 128), half of the E8M0 number: e = 0 and 1 are subnormal. 255 is NaN in the OCP specification, but GGUF's
 * readers go on counting; so do we. */
static float half_e8m0(uint32_t e) { return sk_float(e < 2 ? 0x00200000u << e : (e - 1) << 23); }

/* E8M0 scale, 16 bytes as in Q4_0. */
void sk_dtype_expand_mxfp4(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group, SK_MXFP4_BYTES);
    float d = half_e8m0(b[0]);
    for (unsigned j = 0; j < 16; j++) {
        to->q[j] = doubled_e2m1[b[1 + j] & 15];
        to->q[j + 16] = doubled_e2m1[b[1 + j] >> 4];
    }
    sk_set_scales(to, d, d);
}

/* Half of an E4M3 number whose sign is not looked at; 0x7f, its NaN, counts as zero, 0xff as 480. */
static float half_e4m3(uint8_t x) {
    uint32_t magnitude = x & 0x7f;
    if (x == 0x7f) return 0.0f;
    if (magnitude < 8) return (float)magnitude * 0x1p-10f;
    return sk_float((magnitude << 20) + (119u << 23));
}

/* Four E4M3 scales, then 8 bytes for each 16 elements: the low halves are the first 8. */
void sk_dtype_expand_nvfp4(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 2, SK_NVFP4_BYTES), *scale = b + group % 2 * 2;
    const uint8_t *x = b + 4 + group % 2 * 16;
    for (unsigned j = 0; j < 32; j++) to->q[j] = doubled_e2m1[x[j / 16 * 8 + j % 8] >> j / 8 % 2 * 4 & 15];
    sk_set_scales(to, half_e4m3(scale[0]), half_e4m3(scale[1]));
}

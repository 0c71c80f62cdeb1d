/* The IQ formats: an index into a codebook stands for eight or four magnitudes, their signs lie elsewhere. Blocks are
 * 256 elements, eight groups of 32; only IQ4_NL has blocks of 32. */
#include "dtype/formats.h"
#include "dtype/grids.h"

/* Seven signs are stored; the eighth makes the number of minuses even. */
static unsigned even_signs(unsigned seven) {
    unsigned parity = seven ^ seven >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return seven | (parity & 1) << 7;
}

static int8_t with_sign(int magnitude, unsigned signs, unsigned j) {
    return (int8_t)(signs >> j & 1 ? -magnitude : magnitude);
}

static void iq2_eight(int8_t *restrict q, unsigned word, unsigned signs) {
    static const uint8_t magnitude[4] = {8, 25, 43, 0}; /* no word holds a 3 */
    for (unsigned j = 0; j < 8; j++) q[j] = with_sign(magnitude[word >> 2 * j & 3], signs, j);
}

static float iq2_scale(float d, unsigned s) { return d * (float)(2 * s + 1) * 0.125f; }

/* f16 scale, then 8 bytes per group: four indices; four times seven signs, four bits of scale. */
void sk_dtype_expand_iq2_xxs(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_IQ2_XXS_BYTES), *x = b + 2 + group % 8 * 8;
    uint32_t tail = sk_load32(x + 4);
    float d = iq2_scale(sk_load_f16(b), tail >> 28);
    for (unsigned k = 0; k < 4; k++) iq2_eight(to->q + 8 * k, sk_iq2xxs_grid[x[k]], even_signs(tail >> 7 * k & 127));
    sk_set_scales(to, d, d);
}

/* f16 scale, 32 words of a nine-bit index and seven signs, 8 bytes of two scales. */
void sk_dtype_expand_iq2_xs(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_IQ2_XS_BYTES), *x = b + 2 + group % 8 * 8;
    unsigned scales = b[66 + group % 8];
    float d = sk_load_f16(b);
    for (unsigned k = 0; k < 4; k++) {
        unsigned word = sk_load16(x + 2 * k);
        iq2_eight(to->q + 8 * k, sk_iq2xs_grid[word & 511], even_signs(word >> 9));
    }
    sk_set_scales(to, iq2_scale(d, scales & 15), iq2_scale(d, scales >> 4));
}

/* f16 scale, 32 low bytes of indices, 32 bytes of signs, 8 bytes of two high bits each, 8 bytes of two scales. */
void sk_dtype_expand_iq2_s(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_IQ2_S_BYTES);
    unsigned g = (unsigned)(group % 8), high = b[66 + g], scales = b[74 + g];
    const uint8_t *low = b + 2 + 4 * g, *signs = b + 34 + 4 * g;
    float d = sk_load_f16(b);
    for (unsigned k = 0; k < 4; k++)
        iq2_eight(to->q + 8 * k, sk_iq2s_grid[low[k] | (high >> 2 * k & 3) << 8], signs[k]);
    sk_set_scales(to, iq2_scale(d, scales & 15), iq2_scale(d, scales >> 4));
}

/* f16 scale, 64 indices, then 4 bytes per group: four times seven signs, four bits of scale. */
void sk_dtype_expand_iq3_xxs(sk_int_block *restrict to, const void *row, uint64_t group) {
    static const uint8_t magnitude[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    const uint8_t *b = sk_block(row, group / 8, SK_IQ3_XXS_BYTES), *x = b + 2 + group % 8 * 8;
    uint32_t tail = sk_load32(b + 66 + group % 8 * 4);
    float d = sk_load_f16(b) * (float)(2 * (tail >> 28) + 1) * 0.25f;
    for (unsigned k = 0; k < 8; k++) {
        unsigned word = sk_iq3xxs_grid[x[k]], signs = even_signs(tail >> k / 2 * 7 & 127) >> k % 2 * 4;
        for (unsigned j = 0; j < 4; j++) to->q[4 * k + j] = with_sign(magnitude[word >> 4 * j & 7], signs, j);
    }
    sk_set_scales(to, d, d);
}

/* f16 scale, 64 low bytes of indices, 8 bytes of ninth bits, 32 bytes of signs, 4 bytes of two scales. */
void sk_dtype_expand_iq3_s(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_IQ3_S_BYTES);
    unsigned g = (unsigned)(group % 8), high = b[66 + g], scale = b[106 + g / 2] >> g % 2 * 4 & 15u;
    const uint8_t *low = b + 2 + 8 * g, *signs = b + 74 + 4 * g;
    float d = sk_load_f16(b) * (float)(2 * scale + 1);
    for (unsigned k = 0; k < 8; k++) {
        unsigned word = sk_iq3s_grid[low[k] | (high >> k & 1) << 8], sign = signs[k / 2] >> k % 2 * 4;
        for (unsigned j = 0; j < 4; j++) to->q[4 * k + j] = with_sign((int)(word >> 4 * j & 7) * 2 + 1, sign, j);
    }
    sk_set_scales(to, d, d);
}

/* The format adds 1/8 to each of eight numbers -1, 0, 1, or takes it off: eighths are whole. */
static void iq1_eight(int8_t *restrict q, unsigned index, bool minus) {
    unsigned word = sk_iq1_grid[index];
    for (unsigned j = 0; j < 8; j++) q[j] = (int8_t)(((int)(word >> 2 * j & 3) - 1) * 8 + (minus ? -1 : 1));
}

/* f16 scale, 32 low bytes of indices, 8 words: four times three high bits, three bits of scale, the minus. */
void sk_dtype_expand_iq1_s(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_IQ1_S_BYTES), *low = b + 2 + group % 8 * 4;
    unsigned head = sk_load16(b + 34 + group % 8 * 2);
    float d = sk_load_f16(b) * (float)(2 * (head >> 12 & 7) + 1) * 0.125f;
    for (unsigned k = 0; k < 4; k++) iq1_eight(to->q + 8 * k, low[k] | (head >> 3 * k & 7) << 8, head >> 15);
    sk_set_scales(to, d, d);
}

/* 32 low bytes of indices, 32 halves of bytes (three high bits, the minus), 4 words of four times three bits of scale
 * whose top halves together are the f16 scale. */
void sk_dtype_expand_iq1_m(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_IQ1_M_BYTES), *low = b + group % 8 * 4,
                  *high = b + 32 + group % 8 * 2;
    unsigned f16 = 0, scales = (unsigned)sk_load16(b + 48 + group % 8 / 2 * 2) >> group % 2 * 6;
    for (unsigned k = 0; k < 4; k++) f16 |= (unsigned)b[49 + 2 * k] >> 4 << 4 * k;
    float d = sk_from_f16((uint16_t)f16) * 0.125f;
    for (unsigned k = 0; k < 4; k++) {
        unsigned half = high[k / 2] >> k % 2 * 4 & 15u;
        iq1_eight(to->q + 8 * k, low[k] | (half & 7) << 8, half >> 3);
    }
    sk_set_scales(to, d * (float)(2 * (scales & 7) + 1), d * (float)(2 * (scales >> 3 & 7) + 1));
}

/* 16 bytes hold 32 elements: the low halves are the first 16. */
static void iq4_group(int8_t *restrict q, const uint8_t *x) {
    static const int8_t value[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    for (unsigned j = 0; j < 16; j++) {
        q[j] = value[x[j] & 15];
        q[j + 16] = value[x[j] >> 4];
    }
}

/* f16 scale, 16 bytes. */
void sk_dtype_expand_iq4_nl(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group, SK_IQ4_NL_BYTES);
    float d = sk_load_f16(b);
    iq4_group(to->q, b + 2);
    sk_set_scales(to, d, d);
}

/* f16 scale, a word of two high bits per group, 4 bytes of low halves of scales, 128 bytes. A scale is less 32. */
void sk_dtype_expand_iq4_xs(sk_int_block *restrict to, const void *row, uint64_t group) {
    const uint8_t *b = sk_block(row, group / 8, SK_IQ4_XS_BYTES);
    unsigned g = (unsigned)(group % 8), low = b[4 + g / 2] >> g % 2 * 4 & 15u, high = sk_load16(b + 2) >> 2 * g & 3u;
    float d = sk_load_f16(b) * (float)((int)(low | high << 4) - 32);
    iq4_group(to->q, b + 8 + 16 * g);
    sk_set_scales(to, d, d);
}

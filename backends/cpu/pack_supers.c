/* Packing of formats with blocks of 256 (blocks.h): the halves of bytes change partners, no value changes. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "dtype/dtype.h"
#include "base/exact.h"
#include "base/memory.h"
#include <string.h>

static uint32_t head_bytes(skald_dtype type) { return type == SKALD_Q6_K ? SK_SCALE_BYTES : 2 * SK_SCALE_BYTES; }

static uint32_t piece_bytes(skald_dtype type) {
    return type == SKALD_Q4_K ? SK_Q4_K_PIECE : type == SKALD_Q5_K ? SK_Q5_K_PIECE : SK_Q6_K_PIECE;
}

uint64_t sk_supers_bytes(skald_dtype type, uint32_t n_in) {
    return (uint64_t)(n_in / SK_SUPER) * (head_bytes(type) + 8u * piece_bytes(type));
}

static uint32_t dword(const uint8_t *from) {
    uint32_t x;
    memcpy(&x, from, 4);
    return x;
}

/* 32 elements stand in the low or the high halves (shift 4) of 32 bytes: k groups g and g + 4 become neighbours. */
static void put_nibbles(uint8_t *piece, const uint8_t *q, uint32_t shift, uint32_t i) {
    for (uint32_t g = 0; g < 4; g++) {
        uint32_t low = dword(q + 4 * g) >> shift & 0x0f0f0f0fu, high = dword(q + 16 + 4 * g) >> shift & 0x0f0f0f0fu;
        low |= high << 4;
        memcpy(piece + (g * SK_PANEL + i) * 4, &low, 4);
    }
}

/* Bit `group` of 32 bytes is the fifth bit of that group's elements. */
static void put_fifth_bits(uint8_t *high, const uint8_t *from, uint32_t group, uint32_t i) {
    uint32_t four = 0;
    for (uint32_t g = 0; g < 8; g++) four |= (dword(from + 4 * g) >> group & 0x01010101u) << g;
    memcpy(high + 4 * i, &four, 4);
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

/* Q4_K and Q5_K: f16 scale, f16 min, 12 bytes of scales and mins, fifth bits (Q5_K), 128 bytes of halves. */
static void put_scaled(uint8_t *head, const uint8_t *block, skald_dtype type, uint32_t i) {
    const uint32_t bytes = piece_bytes(type);
    const uint8_t *q = block + (type == SKALD_Q5_K ? 48 : 16);
    uint8_t *piece = head + head_bytes(type);
    memcpy(head + 2 * i, block, 2);
    memcpy(head + SK_SCALE_BYTES + 2 * i, block + 2, 2);
    for (uint32_t group = 0; group < 8; group++, piece += bytes) {
        put_nibbles(piece, q + group / 2 * 32, group % 2 * 4, i);
        if (type == SKALD_Q5_K) put_fifth_bits(piece + SK_NIBBLE_BYTES, block + 16, group, i);
        put_scale_min(piece + bytes - 64, block + 4, group, i);
    }
}

/* Q6_K: 128 bytes of halves, 64 bytes of two bits, 16 signed scales, f16 scale. */
static void put_six_bits(uint8_t *head, const uint8_t *block, uint32_t i) {
    uint8_t *piece = head + head_bytes(SKALD_Q6_K);
    memcpy(head + 2 * i, block + 208, 2);
    for (uint32_t group = 0; group < 8; group++, piece += SK_Q6_K_PIECE) {
        const uint8_t *two = block + 128 + group / 4 * 32;
        put_nibbles(piece, block + group / 4 * 64 + group % 2 * 32, group % 4 / 2 * 4, i);
        for (uint32_t half = 0; half < 2; half++) {
            uint32_t x = 0;
            for (uint32_t g = 0; g < 4; g++)
                x |= (dword(two + 16 * half + 4 * g) >> group % 4 * 2 & 0x03030303u) << 2 * g;
            memcpy(piece + SK_NIBBLE_BYTES + (half * SK_PANEL + i) * 4, &x, 4);
            piece[SK_NIBBLE_BYTES + SK_TWO_BIT_BYTES + half * SK_PANEL + i] = block[192 + 2 * group + half];
        }
    }
}

void sk_supers_pack(void *panel, skald_dtype type, const void *rows, uint64_t row_bytes, uint32_t n_rows,
                    uint32_t n_in) {
    const size_t file_bytes = sk_dtype_find(type)->bytes, bytes = head_bytes(type) + 8u * piece_bytes(type);
    uint8_t *head = panel;
    for (uint32_t b = 0; b < n_in / SK_SUPER; b++, head += bytes) {
        if (n_rows < SK_PANEL) memset(head, 0, bytes); /* missing outputs are zero */
        for (uint32_t i = 0; i < n_rows; i++) {
            const uint8_t *block = (const uint8_t *)rows + i * row_bytes + b * file_bytes;
            if (type == SKALD_Q6_K) put_six_bits(head, block, i);
            else put_scaled(head, block, type, i);
        }
    }
}

static float half_at(const uint8_t *halves, uint32_t i) {
    uint16_t x;
    memcpy(&x, halves + 2 * i, 2);
    return sk_from_f16(x);
}

static uint32_t nibble_at(const uint8_t *piece, uint32_t i, uint32_t k) {
    return piece[(k / 4 % 4 * SK_PANEL + i) * 4 + k % 4] >> k / 16 * 4 & 15u;
}

/* 32 elements of one output. */
static void take_scaled(sk_int_block *w, const uint8_t *head, skald_dtype type, uint32_t group, uint32_t i) {
    const uint32_t bytes = piece_bytes(type);
    const uint8_t *piece = head + head_bytes(type) + group * bytes;
    w->d[0] = w->d[1] = half_at(head, i) * (float)piece[bytes - 64 + i];
    w->m[0] = w->m[1] = half_at(head + SK_SCALE_BYTES, i) * (float)piece[bytes - 32 + i];
    for (uint32_t k = 0; k < 32; k++) {
        uint32_t q = nibble_at(piece, i, k), at = i * 4 + k % 4;
        if (type == SKALD_Q5_K) q |= (piece[SK_NIBBLE_BYTES + at] >> k / 4 & 1u) << 4;
        w->q[k] = (int8_t)q;
    }
}

static void take_six_bits(sk_int_block *w, const uint8_t *head, uint32_t group, uint32_t i) {
    const uint8_t *piece = head + head_bytes(SKALD_Q6_K) + group * SK_Q6_K_PIECE;
    for (uint32_t h = 0; h < 2; h++) {
        w->d[h] = half_at(head, i) * (float)(int8_t)piece[SK_NIBBLE_BYTES + SK_TWO_BIT_BYTES + h * SK_PANEL + i];
        w->m[h] = 0.0f;
    }
    for (uint32_t k = 0; k < 32; k++) {
        const uint8_t *two = piece + SK_NIBBLE_BYTES + (k / 16 * SK_PANEL + i) * 4 + k % 4;
        w->q[k] = (int8_t)((int32_t)(nibble_at(piece, i, k) | (*two >> k / 4 % 4 * 2 & 3u) << 4) - 32);
    }
}

static void take(sk_int_block *w, const void *panel, skald_dtype type, uint32_t block, uint32_t i) {
    const size_t bytes = head_bytes(type) + 8u * piece_bytes(type);
    const uint8_t *head = (const uint8_t *)panel + block / 8 * bytes;
    if (type == SKALD_Q6_K) take_six_bits(w, head, block % 8, i);
    else take_scaled(w, head, type, block % 8, i);
}

void sk_supers_unpack(float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in) {
    sk_int_block w;
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++) {
        take(&w, panel, type, b, row);
        for (uint32_t k = 0; k < SK_BLOCK; k++) *y++ = w.d[k / 16] * (float)w.q[k] - w.m[k / 16];
    }
}

void sk_supers_expand(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in,
                      uint32_t first, uint32_t n_blocks) {
    (void)n_in;
    sk_int_block w;
    for (uint32_t b = 0; b < n_blocks; b++, to += form->bytes) {
        for (uint32_t i = 0; i < SK_PANEL; i++) {
            take(&w, panel, type, first + b, i);
            sk_expanded_put(to, form, &w, i);
        }
    }
}

/* Matrix products on AVX2: a panel of 32 outputs in four strips of 8 by 1 ... 5 rows. The integer sums of a strip are in
 * registers, the float sums of the panel in the first cache. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx2/begin.h"

#define INLINE static inline __attribute__((always_inline))
#define AHEAD 4096

INLINE void prefetch_piece(const uint8_t *piece, uint32_t bytes) {
    for (uint32_t at = 0; at < bytes; at += 64) _mm_prefetch((const char *)piece + AHEAD + at, _MM_HINT_T0);
}

INLINE __m256i four_k(const sk_q8 *x, uint32_t group) {
    int32_t four;
    memcpy(&four, x->q + 4 * group, 4);
    return _mm256_set1_epi32(four);
}

/* Pairs of 16-bit sums become 32-bit sums. */
INLINE __m256i widen_sums(__m256i words) { return _mm256_madd_epi16(words, _mm256_set1_epi16(1)); }

/* The fifth bits of 4 k of 8 outputs, as 16 or 0 in each byte. */
INLINE __m256i high_bits(const uint8_t *high, uint32_t group, uint32_t strip) {
    const __m256i spread = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    int32_t mask;
    memcpy(&mask, high + 16 * group + 4 * strip, 4);
    __m256i bytes = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(mask), spread), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(bytes, bit), _mm256_set1_epi8(16));
}

/* Unsigned nibbles or five bits. Four products of pairs fit 16 bits for 31 * 127 (31496), eight for 15 * 127 (30480). */
INLINE void strip_nibbles(__m256i sum[SK_TILE_ROWS], const uint8_t *piece, uint32_t strip, const sk_q8 *x,
                          size_t x_stride, const uint32_t n_rows, const bool has_high) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i words[SK_TILE_ROWS];
    for (uint32_t r = 0; r < n_rows; r++) words[r] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (uint32_t g = 0; g < 4; g++) {
        __m256i n = _mm256_loadu_si256((const __m256i *)(piece + 128 * g + 32 * strip));
        __m256i a = _mm256_and_si256(n, low), b = _mm256_and_si256(_mm256_srli_epi16(n, 4), low);
        if (has_high) {
            a = _mm256_or_si256(a, high_bits(piece + SK_NIBBLE_BYTES, g, strip));
            b = _mm256_or_si256(b, high_bits(piece + SK_NIBBLE_BYTES, g + 4, strip));
        }
        for (uint32_t r = 0; r < n_rows; r++) {
            const sk_q8 *row = x + r * x_stride;
            words[r] = _mm256_add_epi16(words[r], _mm256_maddubs_epi16(a, four_k(row, g)));
            words[r] = _mm256_add_epi16(words[r], _mm256_maddubs_epi16(b, four_k(row, g + 4)));
            if (has_high && g == 1) sum[r] = widen_sums(words[r]), words[r] = _mm256_setzero_si256();
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        sum[r] = has_high ? _mm256_add_epi32(sum[r], widen_sums(words[r])) : widen_sums(words[r]);
}

/* Signed bytes: |w| times x with w's sign; a pair is at most 128 * 127 * 2, which fits. */
INLINE void strip_bytes(__m256i sum[SK_TILE_ROWS], const uint8_t *piece, uint32_t strip, const sk_q8 *x,
                        size_t x_stride, const uint32_t n_rows) {
    const __m256i flip = _mm256_set1_epi8(-128);
    for (uint32_t r = 0; r < n_rows; r++) sum[r] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (uint32_t g = 0; g < 8; g++) {
        __m256i w = _mm256_loadu_si256((const __m256i *)(piece + 128 * g + 32 * strip));
        w = _mm256_xor_si256(w, flip);
        __m256i size = _mm256_abs_epi8(w);
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256i a = _mm256_sign_epi8(four_k(x + r * x_stride, g), w);
            sum[r] = _mm256_add_epi32(sum[r], widen_sums(_mm256_maddubs_epi16(size, a)));
        }
    }
}

INLINE __m256 load_halves(const uint8_t *from) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)); }

typedef float panel_sums[SK_TILE_ROWS][SK_PANEL];

/* bits 4, 5 or 8; everything from `n_rows` on is a constant where this is called. */
INLINE void block_strip(panel_sums acc, const uint8_t *piece, uint32_t strip, const sk_q8 *x, size_t x_stride,
                        const uint32_t n_rows, const uint32_t bits, const bool has_min) {
    const uint32_t integers = bits == 8 ? SK_OCTET_BYTES : SK_NIBBLE_BYTES + (bits == 5 ? SK_HIGH_BYTES : 0);
    const int32_t bias = has_min || bits == 8 ? 0 : 1 << (bits - 1);
    __m256i sum[SK_TILE_ROWS];
    if (bits == 8) strip_bytes(sum, piece, strip, x, x_stride, n_rows);
    else strip_nibbles(sum, piece, strip, x, x_stride, n_rows, bits == 5);
    __m256 d = load_halves(piece + integers + 16 * strip);
    __m256 m = has_min ? load_halves(piece + integers + SK_SCALE_BYTES + 16 * strip) : d;
    for (uint32_t r = 0; r < n_rows; r++) {
        const sk_q8 *a = x + r * x_stride;
        if (bias) sum[r] = _mm256_sub_epi32(sum[r], _mm256_set1_epi32(bias * (a->sum[0] + a->sum[1])));
        __m256 old = _mm256_loadu_ps(acc[r] + 8 * strip), both = _mm256_mul_ps(d, _mm256_set1_ps(a->d));
        old = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r]), both, old);
        if (has_min) old = _mm256_fmadd_ps(m, _mm256_set1_ps(a->d_sum), old);
        _mm256_storeu_ps(acc[r] + 8 * strip, old);
    }
}

INLINE void block_tile(float *y, size_t y_stride, const uint8_t *piece, const sk_q8 *x, size_t x_stride, uint32_t n_in,
                       const uint32_t n_rows, const uint32_t bits, const bool has_min) {
    const uint32_t integers = bits == 8 ? SK_OCTET_BYTES : SK_NIBBLE_BYTES + (bits == 5 ? SK_HIGH_BYTES : 0);
    const uint32_t bytes = integers + SK_SCALE_BYTES * (has_min ? 2 : 1);
    panel_sums acc;
    memset(acc, 0, sizeof acc);
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++, piece += bytes, x++) {
        if (n_rows < SK_TILE_ROWS) prefetch_piece(piece, bytes);
#pragma GCC unroll 1
        for (uint32_t strip = 0; strip < 4; strip++)
            block_strip(acc, piece, strip, x, x_stride, n_rows, bits, has_min);
    }
    for (uint32_t r = 0; r < n_rows; r++) memcpy(y + r * y_stride, acc[r], sizeof acc[r]);
}

INLINE void block_rows(float *y, size_t y_stride, const void *panel, const sk_q8 *x, size_t x_stride, uint32_t n_rows,
                       uint32_t n_in, const uint32_t bits, const bool has_min) {
    switch (n_rows) {
    case 1: block_tile(y, y_stride, panel, x, x_stride, n_in, 1, bits, has_min); break;
    case 2: block_tile(y, y_stride, panel, x, x_stride, n_in, 2, bits, has_min); break;
    case 3: block_tile(y, y_stride, panel, x, x_stride, n_in, 3, bits, has_min); break;
    case 4: block_tile(y, y_stride, panel, x, x_stride, n_in, 4, bits, has_min); break;
    default: block_tile(y, y_stride, panel, x, x_stride, n_in, 5, bits, has_min); break;
    }
}

void sk_q4_0_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                       size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 4, false);
}

void sk_q4_1_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                       size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 4, true);
}

void sk_q5_0_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                       size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 5, false);
}

void sk_q5_1_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                       size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 5, true);
}

void sk_q8_0_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                       size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    block_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, 8, false);
}

/* 8 outputs at one k as f32. */
INLINE __m256 load_f32(const void *panel, size_t at) { return _mm256_loadu_ps((const float *)panel + at); }
INLINE __m256 load_f16(const void *panel, size_t at) { return load_halves((const uint8_t *)panel + 2 * at); }
INLINE __m256 load_bf16(const void *panel, size_t at) {
    __m128i x = _mm_loadu_si128((const __m128i *)((const uint8_t *)panel + 2 * at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

typedef __m256 load_fn(const void *panel, size_t at);

/* 16 outputs of `strip` for up to 5 rows, or all 32 of one row: what the registers hold. */
INLINE void float_strip(float *y, size_t y_stride, const void *panel, const float *x, size_t x_stride, uint32_t n_in,
                        uint32_t at, const uint32_t n_rows, const uint32_t n_vecs, load_fn *load) {
    __m256 acc[SK_TILE_ROWS][4], w[4];
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < n_vecs; v++) acc[r][v] = _mm256_setzero_ps();
    for (uint32_t k = 0; k < n_in; k++) {
        for (uint32_t v = 0; v < n_vecs; v++) w[v] = load(panel, (size_t)k * SK_PANEL + at + 8 * v);
        for (uint32_t r = 0; r < n_rows; r++) {
            __m256 a = _mm256_set1_ps(x[r * x_stride + k]);
            for (uint32_t v = 0; v < n_vecs; v++) acc[r][v] = _mm256_fmadd_ps(a, w[v], acc[r][v]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t v = 0; v < n_vecs; v++) _mm256_storeu_ps(y + r * y_stride + at + 8 * v, acc[r][v]);
}

INLINE void float_tile(float *y, size_t y_stride, const void *panel, const float *x, size_t x_stride, uint32_t n_in,
                       const uint32_t n_rows, load_fn *load) {
    const uint32_t n_vecs = n_rows <= 2 ? 4 : 2;
    for (uint32_t at = 0; at < SK_PANEL; at += 8 * n_vecs)
        float_strip(y, y_stride, panel, x, x_stride, n_in, at, n_rows, n_vecs, load);
}

INLINE void float_rows(float *y, size_t y_stride, const void *panel, const float *x, size_t x_stride, uint32_t n_rows,
                       uint32_t n_in, load_fn *load) {
    switch (n_rows) {
    case 1: float_tile(y, y_stride, panel, x, x_stride, n_in, 1, load); break;
    case 2: float_tile(y, y_stride, panel, x, x_stride, n_in, 2, load); break;
    case 3: float_tile(y, y_stride, panel, x, x_stride, n_in, 3, load); break;
    case 4: float_tile(y, y_stride, panel, x, x_stride, n_in, 4, load); break;
    default: float_tile(y, y_stride, panel, x, x_stride, n_in, 5, load); break;
    }
}

void sk_f32_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x,
                      size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f32);
}

void sk_f16_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x,
                      size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_f16);
}

void sk_bf16_tile_avx2(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x,
                       size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    (void)type;
    float_rows(y, y_stride, panel, x, x_stride, n_rows, n_in, load_bf16);
}

#include "backends/cpu/end.h"

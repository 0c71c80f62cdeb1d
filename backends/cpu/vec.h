/* Sixteen floats, the same on every machine: lane i of a vec is element i mod 16 of a row. rows_body.h is written over
 * these functions; a leaf says which form it means (SK_VEC_AVX2, SK_VEC_AVX512, SK_VEC_NEON) after its begin.h. */
#ifndef SK_CPU_VEC_H
#define SK_CPU_VEC_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SK_INLINE static inline __attribute__((always_inline))

#if defined(SK_VEC_AVX512)
/* clang-format off */
typedef __m512 vec;
typedef __mmask16 vec_mask;
#define VEC_TILE_ROWS 6 /* rows and vecs whose sums fit the registers */
#define VEC_TILE_VECS 4

SK_INLINE vec vec_set(float x) { return _mm512_set1_ps(x); }
SK_INLINE vec vec_load(const float *x) { return _mm512_loadu_ps(x); }
SK_INLINE void vec_store(float *x, vec v) { _mm512_storeu_ps(x, v); }
SK_INLINE vec vec_load_f16(const uint16_t *x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)x)); }
SK_INLINE void vec_store_f16(uint16_t *x, vec v) { _mm256_storeu_si256((__m256i *)x, _mm512_cvtps_ph(v, 0)); }
SK_INLINE vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
SK_INLINE vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
SK_INLINE vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
SK_INLINE vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
SK_INLINE vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
SK_INLINE vec vec_sqrt(vec a) { return _mm512_sqrt_ps(a); }
/* a > b ? a : b, so with a NaN b. */
SK_INLINE vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }
SK_INLINE vec_mask vec_less(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
SK_INLINE vec_mask vec_equal(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
SK_INLINE vec vec_select(vec_mask m, vec yes, vec no) { return _mm512_mask_blend_ps(m, no, yes); }
SK_INLINE uint32_t vec_mask_bits(vec_mask m) { return m; }
/* Lanes first <= i < end, 0 <= first <= end <= 16. */
SK_INLINE vec_mask vec_range(uint32_t first, uint32_t end) { return (vec_mask)((1u << end) - (1u << first)); }
/* The first n lanes, the others zero; n <= 16. */
SK_INLINE vec vec_load_first(const float *x, uint32_t n) { return _mm512_maskz_loadu_ps(vec_range(0, n), x); }
SK_INLINE void vec_store_first(float *x, vec v, uint32_t n) { _mm512_mask_storeu_ps(x, vec_range(0, n), v); }
/* p * 2^n for whole n, -126 <= n <= 128, rounded once. */
SK_INLINE vec vec_scale(vec p, vec n) { return _mm512_scalef_ps(p, n); }
/* (a, b) of each pair turns by (cos, sin) of the pair: (a cos - b sin, a sin + b cos). */
SK_INLINE vec vec_turn(vec x, vec cs) {
    vec b = _mm512_mul_ps(_mm512_movehdup_ps(x), _mm512_permute_ps(cs, 0xb1));
    return _mm512_fmaddsub_ps(_mm512_moveldup_ps(x), cs, b);
}
/* Lane i with lane i + 8, 4, 2 or 1. */
SK_INLINE vec vec_swap8(vec a) { return _mm512_shuffle_f32x4(a, a, 0x4e); }
SK_INLINE vec vec_swap4(vec a) { return _mm512_shuffle_f32x4(a, a, 0xb1); }
SK_INLINE vec vec_swap2(vec a) { return _mm512_permute_ps(a, 0x4e); }
SK_INLINE vec vec_swap1(vec a) { return _mm512_permute_ps(a, 0xb1); }
/* 32 elements become those at even and at odd places. */
SK_INLINE void vec_part(vec *even, vec *odd, vec a, vec b) {
    const __m512i at = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    *even = _mm512_permutex2var_ps(a, at, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(at, _mm512_set1_epi32(1)), b);
}
/* Lane i with lane i + 8. */
SK_INLINE __m256 vec_low(vec a) { return _mm512_castps512_ps256(a); }
SK_INLINE __m256 vec_high(vec a) { return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1)); }
/* The lanes rounded to whole numbers, |x| <= 127.5, as bytes; returns their sum. */
SK_INLINE int32_t vec_store_i8(int8_t *q, vec x) {
    __m128i b = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x));
    __m128i sum = _mm_sad_epu8(_mm_xor_si128(b, _mm_set1_epi8(-128)), _mm_setzero_si128());
    _mm_storeu_si128((__m128i *)q, b);
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum))) - 2048;
}
/* The largest magnitude of both as bits: Inf and NaN above all numbers. */
SK_INLINE uint32_t vec_max_magnitude(vec a, vec b) {
    const __m512i clear = _mm512_set1_epi32(0x7fffffff);
    __m512i m = _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(a), clear),
                                 _mm512_and_si512(_mm512_castps_si512(b), clear));
    __m256i h = _mm256_max_epi32(_mm512_castsi512_si256(m), _mm512_extracti64x4_epi64(m, 1));
    __m128i q = _mm_max_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    q = _mm_max_epi32(q, _mm_shuffle_epi32(q, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(q, _mm_shuffle_epi32(q, 0xb1)));
}

#elif defined(SK_VEC_AVX2)
typedef struct vec { __m256 l, h; } vec;
typedef struct vec_mask { __m256 l, h; } vec_mask;
#define VEC_TILE_ROWS 3
#define VEC_TILE_VECS 2

SK_INLINE vec vec_set(float x) { __m256 v = _mm256_set1_ps(x); return (vec){v, v}; }
SK_INLINE vec vec_load(const float *x) { return (vec){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }
SK_INLINE void vec_store(float *x, vec v) { _mm256_storeu_ps(x, v.l), _mm256_storeu_ps(x + 8, v.h); }
SK_INLINE vec vec_load_f16(const uint16_t *x) {
    return (vec){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + 8)))};
}
SK_INLINE void vec_store_f16(uint16_t *x, vec v) {
    _mm_storeu_si128((__m128i *)x, _mm256_cvtps_ph(v.l, 0));
    _mm_storeu_si128((__m128i *)(x + 8), _mm256_cvtps_ph(v.h, 0));
}
SK_INLINE vec vec_add(vec a, vec b) { return (vec){_mm256_add_ps(a.l, b.l), _mm256_add_ps(a.h, b.h)}; }
SK_INLINE vec vec_sub(vec a, vec b) { return (vec){_mm256_sub_ps(a.l, b.l), _mm256_sub_ps(a.h, b.h)}; }
SK_INLINE vec vec_mul(vec a, vec b) { return (vec){_mm256_mul_ps(a.l, b.l), _mm256_mul_ps(a.h, b.h)}; }
SK_INLINE vec vec_div(vec a, vec b) { return (vec){_mm256_div_ps(a.l, b.l), _mm256_div_ps(a.h, b.h)}; }
SK_INLINE vec vec_fma(vec a, vec b, vec c) {
    return (vec){_mm256_fmadd_ps(a.l, b.l, c.l), _mm256_fmadd_ps(a.h, b.h, c.h)};
}
SK_INLINE vec vec_sqrt(vec a) { return (vec){_mm256_sqrt_ps(a.l), _mm256_sqrt_ps(a.h)}; }
SK_INLINE vec vec_max(vec a, vec b) { return (vec){_mm256_max_ps(a.l, b.l), _mm256_max_ps(a.h, b.h)}; }
SK_INLINE vec_mask vec_less(vec a, vec b) {
    return (vec_mask){_mm256_cmp_ps(a.l, b.l, _CMP_LT_OQ), _mm256_cmp_ps(a.h, b.h, _CMP_LT_OQ)};
}
SK_INLINE vec_mask vec_equal(vec a, vec b) {
    return (vec_mask){_mm256_cmp_ps(a.l, b.l, _CMP_EQ_OQ), _mm256_cmp_ps(a.h, b.h, _CMP_EQ_OQ)};
}
SK_INLINE vec vec_select(vec_mask m, vec yes, vec no) {
    return (vec){_mm256_blendv_ps(no.l, yes.l, m.l), _mm256_blendv_ps(no.h, yes.h, m.h)};
}
SK_INLINE uint32_t vec_mask_bits(vec_mask m) {
    return (uint32_t)_mm256_movemask_ps(m.l) | (uint32_t)_mm256_movemask_ps(m.h) << 8;
}
SK_INLINE vec_mask vec_range(uint32_t first, uint32_t end) {
    const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0), next = _mm256_add_epi32(lane, _mm256_set1_epi32(8));
    const __m256i from = _mm256_set1_epi32((int32_t)first - 1), to = _mm256_set1_epi32((int32_t)end);
    return (vec_mask){_mm256_castsi256_ps(_mm256_and_si256(_mm256_cmpgt_epi32(lane, from), _mm256_cmpgt_epi32(to, lane))),
                      _mm256_castsi256_ps(_mm256_and_si256(_mm256_cmpgt_epi32(next, from), _mm256_cmpgt_epi32(to, next)))};
}
SK_INLINE vec vec_load_first(const float *x, uint32_t n) {
    vec_mask m = vec_range(0, n);
    return (vec){_mm256_maskload_ps(x, _mm256_castps_si256(m.l)), _mm256_maskload_ps(x + 8, _mm256_castps_si256(m.h))};
}
SK_INLINE void vec_store_first(float *x, vec v, uint32_t n) {
    vec_mask m = vec_range(0, n);
    _mm256_maskstore_ps(x, _mm256_castps_si256(m.l), v.l);
    _mm256_maskstore_ps(x + 8, _mm256_castps_si256(m.h), v.h);
}
/* Two factors, each a normal number, so that 2^128 and rounding to infinity come out right. */
SK_INLINE __m256 vec_scale_half(__m256 p, __m256 n) {
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i e = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(e, 1);
    __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(e, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b));
}
SK_INLINE vec vec_scale(vec p, vec n) { return (vec){vec_scale_half(p.l, n.l), vec_scale_half(p.h, n.h)}; }
SK_INLINE __m256 vec_turn_half(__m256 x, __m256 cs) {
    __m256 b = _mm256_mul_ps(_mm256_movehdup_ps(x), _mm256_permute_ps(cs, 0xb1));
    return _mm256_fmaddsub_ps(_mm256_moveldup_ps(x), cs, b);
}
SK_INLINE vec vec_turn(vec x, vec cs) { return (vec){vec_turn_half(x.l, cs.l), vec_turn_half(x.h, cs.h)}; }
SK_INLINE vec vec_swap8(vec a) { return (vec){a.h, a.l}; }
SK_INLINE vec vec_swap4(vec a) { return (vec){_mm256_permute2f128_ps(a.l, a.l, 1), _mm256_permute2f128_ps(a.h, a.h, 1)}; }
SK_INLINE vec vec_swap2(vec a) { return (vec){_mm256_permute_ps(a.l, 0x4e), _mm256_permute_ps(a.h, 0x4e)}; }
SK_INLINE vec vec_swap1(vec a) { return (vec){_mm256_permute_ps(a.l, 0xb1), _mm256_permute_ps(a.h, 0xb1)}; }
SK_INLINE __m256 vec_part_half(__m256 even_or_odd) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even_or_odd), 0xd8));
}
SK_INLINE void vec_part(vec *even, vec *odd, vec a, vec b) {
    even->l = vec_part_half(_mm256_shuffle_ps(a.l, a.h, 0x88)), odd->l = vec_part_half(_mm256_shuffle_ps(a.l, a.h, 0xdd));
    even->h = vec_part_half(_mm256_shuffle_ps(b.l, b.h, 0x88)), odd->h = vec_part_half(_mm256_shuffle_ps(b.l, b.h, 0xdd));
}
SK_INLINE __m256 vec_low(vec a) { return a.l; }
SK_INLINE __m256 vec_high(vec a) { return a.h; }
SK_INLINE int32_t vec_store_i8(int8_t *q, vec x) {
    __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.l), _mm256_cvtps_epi32(x.h));
    words = _mm256_permute4x64_epi64(words, 0xd8);
    __m128i b = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    __m128i sum = _mm_sad_epu8(_mm_xor_si128(b, _mm_set1_epi8(-128)), _mm_setzero_si128());
    _mm_storeu_si128((__m128i *)q, b);
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum))) - 2048;
}
SK_INLINE uint32_t vec_max_magnitude(vec a, vec b) {
    const __m256i clear = _mm256_set1_epi32(0x7fffffff);
    __m256i x = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(a.l), clear),
                                 _mm256_and_si256(_mm256_castps_si256(a.h), clear));
    __m256i y = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(b.l), clear),
                                 _mm256_and_si256(_mm256_castps_si256(b.h), clear));
    x = _mm256_max_epi32(x, y);
    __m128i q = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    q = _mm_max_epi32(q, _mm_shuffle_epi32(q, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(q, _mm_shuffle_epi32(q, 0xb1)));
}

#elif defined(SK_VEC_NEON)
typedef struct vec { float32x4_t a, b, c, d; } vec;
typedef struct vec_mask { uint32x4_t a, b, c, d; } vec_mask;
#define VEC_TILE_ROWS 5
#define VEC_TILE_VECS 1

SK_INLINE vec vec_set(float x) { float32x4_t v = vdupq_n_f32(x); return (vec){v, v, v, v}; }
SK_INLINE vec vec_load(const float *x) {
    return (vec){vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)};
}
SK_INLINE void vec_store(float *x, vec v) {
    vst1q_f32(x, v.a), vst1q_f32(x + 4, v.b), vst1q_f32(x + 8, v.c), vst1q_f32(x + 12, v.d);
}
SK_INLINE vec vec_load_f16(const uint16_t *x) {
    float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(x)), high = vreinterpretq_f16_u16(vld1q_u16(x + 8));
    return (vec){vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low),
                 vcvt_f32_f16(vget_low_f16(high)), vcvt_high_f32_f16(high)};
}
SK_INLINE void vec_store_f16(uint16_t *x, vec v) {
    vst1q_u16(x, vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(v.a), v.b)));
    vst1q_u16(x + 8, vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(v.c), v.d)));
}
SK_INLINE vec vec_add(vec x, vec y) {
    return (vec){vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d)};
}
SK_INLINE vec vec_sub(vec x, vec y) {
    return (vec){vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d)};
}
SK_INLINE vec vec_mul(vec x, vec y) {
    return (vec){vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d)};
}
SK_INLINE vec vec_div(vec x, vec y) {
    return (vec){vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d)};
}
SK_INLINE vec vec_fma(vec x, vec y, vec z) {
    return (vec){vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
                 vfmaq_f32(z.d, x.d, y.d)};
}
SK_INLINE vec vec_sqrt(vec x) { return (vec){vsqrtq_f32(x.a), vsqrtq_f32(x.b), vsqrtq_f32(x.c), vsqrtq_f32(x.d)}; }
SK_INLINE vec_mask vec_less(vec x, vec y) {
    return (vec_mask){vcltq_f32(x.a, y.a), vcltq_f32(x.b, y.b), vcltq_f32(x.c, y.c), vcltq_f32(x.d, y.d)};
}
SK_INLINE vec_mask vec_equal(vec x, vec y) {
    return (vec_mask){vceqq_f32(x.a, y.a), vceqq_f32(x.b, y.b), vceqq_f32(x.c, y.c), vceqq_f32(x.d, y.d)};
}
SK_INLINE vec vec_select(vec_mask m, vec yes, vec no) {
    return (vec){vbslq_f32(m.a, yes.a, no.a), vbslq_f32(m.b, yes.b, no.b), vbslq_f32(m.c, yes.c, no.c),
                 vbslq_f32(m.d, yes.d, no.d)};
}
/* FMAX would give the NaN. */
SK_INLINE vec vec_max(vec x, vec y) { return vec_select(vec_less(y, x), x, y); }
SK_INLINE uint32_t vec_mask_bits(vec_mask m) {
    static const uint32_t bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
    uint32x4_t low = vorrq_u32(vandq_u32(m.a, vld1q_u32(bits)), vandq_u32(m.b, vld1q_u32(bits + 4)));
    uint32x4_t high = vorrq_u32(vandq_u32(m.c, vld1q_u32(bits + 8)), vandq_u32(m.d, vld1q_u32(bits + 12)));
    return vaddvq_u32(vorrq_u32(low, high));
}
SK_INLINE uint32x4_t vec_range_four(uint32_t lane, uint32_t first, uint32_t end) {
    static const uint32_t count[4] = {0, 1, 2, 3};
    uint32x4_t at = vaddq_u32(vld1q_u32(count), vdupq_n_u32(lane));
    return vandq_u32(vcgeq_u32(at, vdupq_n_u32(first)), vcltq_u32(at, vdupq_n_u32(end)));
}
SK_INLINE vec_mask vec_range(uint32_t first, uint32_t end) {
    return (vec_mask){vec_range_four(0, first, end), vec_range_four(4, first, end), vec_range_four(8, first, end),
                      vec_range_four(12, first, end)};
}
SK_INLINE vec vec_load_first(const float *x, uint32_t n) {
    float all[16] = {0};
    memcpy(all, x, n * sizeof *x);
    return vec_load(all);
}
SK_INLINE void vec_store_first(float *x, vec v, uint32_t n) {
    float all[16];
    vec_store(all, v);
    memcpy(x, all, n * sizeof *x);
}
/* Two factors, as for AVX2. */
SK_INLINE float32x4_t vec_scale_four(float32x4_t p, float32x4_t n) {
    const int32x4_t bias = vdupq_n_s32(127);
    int32x4_t e = vcvtq_s32_f32(n), half = vshrq_n_s32(e, 1);
    int32x4_t a = vshlq_n_s32(vaddq_s32(half, bias), 23);
    int32x4_t b = vshlq_n_s32(vaddq_s32(vsubq_s32(e, half), bias), 23);
    return vmulq_f32(vmulq_f32(p, vreinterpretq_f32_s32(a)), vreinterpretq_f32_s32(b));
}
SK_INLINE vec vec_scale(vec p, vec n) {
    return (vec){vec_scale_four(p.a, n.a), vec_scale_four(p.b, n.b), vec_scale_four(p.c, n.c),
                 vec_scale_four(p.d, n.d)};
}
SK_INLINE vec vec_swap8(vec x) { return (vec){x.c, x.d, x.a, x.b}; }
SK_INLINE vec vec_swap4(vec x) { return (vec){x.b, x.a, x.d, x.c}; }
SK_INLINE vec vec_swap2(vec x) {
    return (vec){vextq_f32(x.a, x.a, 2), vextq_f32(x.b, x.b, 2), vextq_f32(x.c, x.c, 2), vextq_f32(x.d, x.d, 2)};
}
SK_INLINE vec vec_swap1(vec x) {
    return (vec){vrev64q_f32(x.a), vrev64q_f32(x.b), vrev64q_f32(x.c), vrev64q_f32(x.d)};
}
SK_INLINE float32x4_t vec_turn_four(float32x4_t x, float32x4_t cs) {
    const uint32x4_t minus = vreinterpretq_u32_u64(vdupq_n_u64(0x80000000u)); /* at even places */
    float32x4_t b = vmulq_f32(vtrn2q_f32(x, x), vrev64q_f32(cs));
    b = vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(b), minus));
    return vfmaq_f32(b, vtrn1q_f32(x, x), cs);
}
SK_INLINE vec vec_turn(vec x, vec cs) {
    return (vec){vec_turn_four(x.a, cs.a), vec_turn_four(x.b, cs.b), vec_turn_four(x.c, cs.c),
                 vec_turn_four(x.d, cs.d)};
}
SK_INLINE void vec_part(vec *even, vec *odd, vec x, vec y) {
    *even = (vec){vuzp1q_f32(x.a, x.b), vuzp1q_f32(x.c, x.d), vuzp1q_f32(y.a, y.b), vuzp1q_f32(y.c, y.d)};
    *odd = (vec){vuzp2q_f32(x.a, x.b), vuzp2q_f32(x.c, x.d), vuzp2q_f32(y.a, y.b), vuzp2q_f32(y.c, y.d)};
}
SK_INLINE int32_t vec_store_i8(int8_t *q, vec x) {
    int16x8_t low = vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(x.a)), vcvtnq_s32_f32(x.b));
    int16x8_t high = vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(x.c)), vcvtnq_s32_f32(x.d));
    int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(low), high);
    vst1q_s8(q, bytes);
    return vaddlvq_s8(bytes);
}
SK_INLINE uint32x4_t vec_magnitude(float32x4_t x) { return vreinterpretq_u32_f32(vabsq_f32(x)); }
SK_INLINE uint32_t vec_max_magnitude(vec x, vec y) {
    uint32x4_t a = vmaxq_u32(vec_magnitude(x.a), vec_magnitude(y.a)), b = vmaxq_u32(vec_magnitude(x.b), vec_magnitude(y.b));
    uint32x4_t c = vmaxq_u32(vec_magnitude(x.c), vec_magnitude(y.c)), d = vmaxq_u32(vec_magnitude(x.d), vec_magnitude(y.d));
    return vmaxvq_u32(vmaxq_u32(vmaxq_u32(a, b), vmaxq_u32(c, d)));
}
SK_INLINE float vec_sum(vec x) {
    float32x4_t q = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
    float32x2_t p = vadd_f32(vget_low_f32(q), vget_high_f32(q));
    return vget_lane_f32(p, 0) + vget_lane_f32(p, 1);
}
/* No lane is NaN where this is called, and either zero will do. */
SK_INLINE float vec_max_lane(vec x) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.a, x.b), vmaxq_f32(x.c, x.d)));
}
SK_INLINE float vec_lane0(vec x) { return vgetq_lane_f32(x.a, 0); }
#endif

#if defined(SK_VEC_AVX512) || defined(SK_VEC_AVX2)
/* The lanes fold 8-4-2-1: lane i takes lane i + 8, then i + 4, ... */
SK_INLINE float vec_sum(vec a) {
    __m256 e = _mm256_add_ps(vec_low(a), vec_high(a));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
SK_INLINE float vec_max_lane(vec a) {
    __m256 e = _mm256_max_ps(vec_low(a), vec_high(a));
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
SK_INLINE float vec_lane0(vec a) { return _mm_cvtss_f32(_mm256_castps256_ps128(vec_low(a))); }
#endif
/* clang-format on */

/* The rest is the same for every form. */
/* Nearest whole number, ties to even, for |x| < 2^22. */
SK_INLINE vec vec_nearest(vec x) { return vec_sub(vec_add(x, vec_set(12582912.0f)), vec_set(12582912.0f)); }

SK_INLINE vec vec_step(vec p, vec r, float c) { return vec_fma(p, r, vec_set(c)); }

/* sk_exp2 of base/exact.h for x < 128. */
SK_INLINE vec vec_exp2_below(vec x) {
    vec n = vec_nearest(x), r = vec_sub(x, n), p = vec_set(0x1.444p-13f);
    p = vec_step(p, r, 0x1.5f48c0p-10f);
    p = vec_step(p, r, 0x1.3b2a1cp-7f);
    p = vec_step(p, r, 0x1.c6aeccp-5f);
    p = vec_step(p, r, 0x1.ebfbe0p-3f);
    p = vec_step(p, r, 0x1.62e430p-1f);
    p = vec_scale(vec_step(p, r, 1.0f), n);
    return vec_select(vec_less(x, vec_set(-126.0f)), vec_set(0.0f), p);
}

/* sk_exp of base/exact.h. */
SK_INLINE vec vec_exp(vec x) {
    vec n = vec_nearest(vec_mul(x, vec_set(0x1.715476p+0f)));
    vec r = vec_fma(n, vec_set(-0x1.62e400p-1f), x), p = vec_set(0x1.6d7536p-10f);
    r = vec_fma(n, vec_set(-0x1.7f7d1cp-20f), r);
    p = vec_step(p, r, 0x1.126faap-7f);
    p = vec_step(p, r, 0x1.5554acp-5f);
    p = vec_step(p, r, 0x1.555404p-3f);
    p = vec_step(p, r, 0.5f);
    p = vec_step(p, r, 1.0f);
    p = vec_scale(vec_step(p, r, 1.0f), n);
    p = vec_select(vec_less(x, vec_set(-87.0f)), vec_set(0.0f), p);
    return vec_select(vec_less(x, vec_set(88.75f)), p, vec_max(vec_set(__builtin_inff()), x));
}

SK_INLINE vec silu_lanes(vec x) { return vec_div(x, vec_add(vec_set(1.0f), vec_exp(vec_mul(x, vec_set(-1.0f))))); }

/* The number of rows of a tile becomes a constant of `call`. */
#if VEC_TILE_ROWS == 6
#define MORE_ROWS(call)                                                                                                \
    case 4: call(4); break;                                                                                            \
    case 5: call(5); break;                                                                                            \
    case 6:                                                                                                            \
        call(6);                                                                                                       \
        break;
#elif VEC_TILE_ROWS == 5
#define MORE_ROWS(call)                                                                                                \
    case 4: call(4); break;                                                                                            \
    case 5:                                                                                                            \
        call(5);                                                                                                       \
        break;
#else
#define MORE_ROWS(call)
#endif
#define WITH_ROWS(rows, call)                                                                                          \
    switch (rows) {                                                                                                    \
    case 1: call(1); break;                                                                                            \
    case 2: call(2); break;                                                                                            \
    case 3:                                                                                                            \
        call(3);                                                                                                       \
        break;                                                                                                         \
        MORE_ROWS(call)                                                                                                \
    }

/* Rows of the next tile of `left` that are left: tiles as even as they can be. */
SK_INLINE uint32_t tile_rows(uint32_t left) {
    const uint32_t tiles = (left + VEC_TILE_ROWS - 1) / VEC_TILE_ROWS;
    return (left + tiles - 1) / tiles;
}

SK_INLINE vec vec_minus(vec x) { return vec_mul(x, vec_set(-1.0f)); }

/* sk_tanh of base/exact.h. */
SK_INLINE vec vec_tanh(vec x) {
    const vec_mask below = vec_less(x, vec_set(0.0f));
    const vec a = vec_select(below, vec_minus(x), x), z = vec_mul(x, x), one = vec_set(1.0f);
    vec p = vec_step(vec_set(-0x1.75e1a4p-8f), z, 0x1.522692p-6f);
    p = vec_step(p, z, -0x1.b83c58p-5f);
    p = vec_step(p, z, 0x1.110726p-3f);
    p = vec_step(p, z, -0x1.555532p-2f);
    p = vec_fma(vec_mul(x, z), p, x);
    vec t = vec_sub(one, vec_div(vec_set(2.0f), vec_add(vec_exp(vec_add(a, a)), one)));
    t = vec_select(below, vec_minus(t), t);
    return vec_select(vec_less(a, vec_set(0.625f)), p, t);
}

/* sk_erfc of base/exact.h. */
SK_INLINE vec vec_erfc(vec a) {
    a = vec_select(vec_less(vec_set(10.0f), a), vec_set(10.0f), a);
    const vec h = vec_mul(a, a), rest = vec_fma(a, a, vec_minus(h)), e = vec_exp(vec_minus(h));
    const vec t = vec_div(vec_set(1.0f), vec_fma(a, vec_set(0.5f), vec_set(1.0f)));
    vec p = vec_step(vec_set(-0x1.e344b4p-5f), t, 0x1.2305c6p-2f);
    p = vec_step(p, t, -0x1.f21926p-2f);
    p = vec_step(p, t, 0x1.1bd3f4p-2f);
    p = vec_step(p, t, -0x1.aa1fd8p-6f);
    p = vec_step(p, t, 0x1.9e90a4p-3f);
    p = vec_step(p, t, 0x1.f20366p-3f);
    p = vec_step(p, t, 0x1.212492p-2f);
    p = vec_step(p, t, 0x1.20db66p-2f);
    return vec_mul(vec_fma(vec_minus(rest), e, e), vec_mul(t, p));
}
#endif

/* Sixteen 32-bit integers beside the floats of vec.h, and sums of products of narrower ones; exact on every machine.
 * The same forms: SK_VEC_AVX512, SK_VEC_AVX2, SK_VEC_NEON. */
#ifndef SK_CPU_IVEC_H
#define SK_CPU_IVEC_H
#include "backends/cpu/vec.h"

/* clang-format off */
#if defined(SK_VEC_AVX512)
typedef __m512i ivec;
/* What products of stored bytes with x count too much: IVEC_BIAS times x. */
#define IVEC_BIAS 128

SK_INLINE ivec ivec_set(int32_t x) { return _mm512_set1_epi32(x); }
/* 64 bytes, each a signed one plus 128. */
SK_INLINE ivec ivec_load_biased(const uint8_t *x) { return _mm512_loadu_si512(x); }
/* Each lane takes four products of a biased byte and a signed one, |x| <= 127. */
SK_INLINE ivec ivec_dot4(ivec sum, ivec biased, ivec x) { return _mm512_dpbusd_epi32(sum, biased, x); }
/* 32 signed bytes as 16 bits each. */
SK_INLINE ivec ivec_load_pairs(const uint8_t *x) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)x)); }
/* Each lane takes two products of 16 bits. */
SK_INLINE ivec ivec_dot2(ivec sum, ivec a, ivec b) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); /* gcc 12 copies the sums around its intrinsic */
    return sum;
}
SK_INLINE vec vec_from_ivec(ivec a) { return _mm512_cvtepi32_ps(a); }
/* The lanes rounded to whole numbers of 16 bits. */
SK_INLINE void vec_store_i16(int16_t *to, vec x) {
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x)));
}
SK_INLINE vec vec_load_bf16(const uint16_t *x) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
/* Its bits are those of an f16 that is 2^8 too small; NaN is what f16 has no word for there. */
SK_INLINE vec vec_load_f8(const uint8_t *x) {
    __m256i half = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)x)), 7);
    const __m256i magnitude = _mm256_set1_epi16(0x3f80);
    __mmask16 nan = _mm256_cmpeq_epi16_mask(_mm256_and_si256(half, magnitude), magnitude);
    half = _mm256_and_si256(half, _mm256_set1_epi16((int16_t)0xbfff));
    half = _mm256_mask_set1_epi16(half, nan, 0x7fff);
    return vec_mul(_mm512_cvtph_ps(half), vec_set(256.0f));
}

#elif defined(SK_VEC_AVX2)
typedef struct ivec { __m256i l, h; } ivec;
#define IVEC_BIAS 0

SK_INLINE ivec ivec_set(int32_t x) { __m256i v = _mm256_set1_epi32(x); return (ivec){v, v}; }
SK_INLINE ivec ivec_load_biased(const uint8_t *x) {
    const __m256i bias = _mm256_set1_epi8(-128);
    return (ivec){_mm256_xor_si256(_mm256_loadu_si256((const __m256i *)x), bias),
                  _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(x + 32)), bias)};
}
/* |a| times x with a's sign: two products are at most 2 * 128 * 127, which 16 bits hold. */
SK_INLINE __m256i ivec_dot4_half(__m256i sum, __m256i a, __m256i x) {
    __m256i twos = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(x, a));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(twos, _mm256_set1_epi16(1)));
}
SK_INLINE ivec ivec_dot4(ivec sum, ivec a, ivec x) {
    return (ivec){ivec_dot4_half(sum.l, a.l, x.l), ivec_dot4_half(sum.h, a.h, x.h)};
}
SK_INLINE ivec ivec_load_pairs(const uint8_t *x) {
    return (ivec){_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)x)),
                  _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(x + 16)))};
}
SK_INLINE ivec ivec_dot2(ivec sum, ivec a, ivec b) {
    return (ivec){_mm256_add_epi32(sum.l, _mm256_madd_epi16(a.l, b.l)),
                  _mm256_add_epi32(sum.h, _mm256_madd_epi16(a.h, b.h))};
}
SK_INLINE vec vec_from_ivec(ivec a) { return (vec){_mm256_cvtepi32_ps(a.l), _mm256_cvtepi32_ps(a.h)}; }
SK_INLINE void vec_store_i16(int16_t *to, vec x) {
    __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.l), _mm256_cvtps_epi32(x.h));
    _mm256_storeu_si256((__m256i *)to, _mm256_permute4x64_epi64(words, 0xd8));
}
SK_INLINE __m256 vec_load_bf16_half(const uint16_t *x) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)x));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
SK_INLINE vec vec_load_bf16(const uint16_t *x) { return (vec){vec_load_bf16_half(x), vec_load_bf16_half(x + 8)}; }
/* As above. */
SK_INLINE vec vec_load_f8(const uint8_t *x) {
    __m256i half = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)x)), 7);
    const __m256i magnitude = _mm256_set1_epi16(0x3f80);
    const __m256i nan = _mm256_cmpeq_epi16(_mm256_and_si256(half, magnitude), magnitude);
    half = _mm256_or_si256(_mm256_and_si256(half, _mm256_set1_epi16((int16_t)0xbfff)), nan);
    const vec small = {_mm256_cvtph_ps(_mm256_castsi256_si128(half)), _mm256_cvtph_ps(_mm256_extracti128_si256(half, 1))};
    return vec_mul(small, vec_set(256.0f));
}

#elif defined(SK_VEC_NEON)
typedef struct ivec { int32x4_t a, b, c, d; } ivec;
#define IVEC_BIAS 0

SK_INLINE ivec ivec_set(int32_t x) { int32x4_t v = vdupq_n_s32(x); return (ivec){v, v, v, v}; }
SK_INLINE int32x4_t ivec_unbias(const uint8_t *x) {
    return vreinterpretq_s32_u8(veorq_u8(vld1q_u8(x), vdupq_n_u8(128)));
}
SK_INLINE ivec ivec_load_biased(const uint8_t *x) {
    return (ivec){ivec_unbias(x), ivec_unbias(x + 16), ivec_unbias(x + 32), ivec_unbias(x + 48)};
}
SK_INLINE int32x4_t ivec_dot4_part(int32x4_t sum, int32x4_t a, int32x4_t x) {
    int8x16_t p = vreinterpretq_s8_s32(a), q = vreinterpretq_s8_s32(x);
    int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(p), vget_low_s8(q)));
    return vaddq_s32(sum, vpaddq_s32(low, vpaddlq_s16(vmull_high_s8(p, q))));
}
SK_INLINE ivec ivec_dot4(ivec sum, ivec a, ivec x) {
    return (ivec){ivec_dot4_part(sum.a, a.a, x.a), ivec_dot4_part(sum.b, a.b, x.b), ivec_dot4_part(sum.c, a.c, x.c),
                  ivec_dot4_part(sum.d, a.d, x.d)};
}
SK_INLINE int32x4_t ivec_pairs_part(const uint8_t *x) { return vreinterpretq_s32_s16(vmovl_s8(vld1_s8((const int8_t *)x))); }
SK_INLINE ivec ivec_load_pairs(const uint8_t *x) {
    return (ivec){ivec_pairs_part(x), ivec_pairs_part(x + 8), ivec_pairs_part(x + 16), ivec_pairs_part(x + 24)};
}
SK_INLINE int32x4_t ivec_dot2_part(int32x4_t sum, int32x4_t a, int32x4_t b) {
    int16x8_t p = vreinterpretq_s16_s32(a), q = vreinterpretq_s16_s32(b);
    return vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(p), vget_low_s16(q)), vmull_high_s16(p, q)));
}
SK_INLINE ivec ivec_dot2(ivec sum, ivec a, ivec b) {
    return (ivec){ivec_dot2_part(sum.a, a.a, b.a), ivec_dot2_part(sum.b, a.b, b.b), ivec_dot2_part(sum.c, a.c, b.c),
                  ivec_dot2_part(sum.d, a.d, b.d)};
}
SK_INLINE vec vec_from_ivec(ivec a) {
    return (vec){vcvtq_f32_s32(a.a), vcvtq_f32_s32(a.b), vcvtq_f32_s32(a.c), vcvtq_f32_s32(a.d)};
}
SK_INLINE void vec_store_i16(int16_t *to, vec x) {
    vst1q_s16(to, vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(x.a)), vcvtnq_s32_f32(x.b)));
    vst1q_s16(to + 8, vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(x.c)), vcvtnq_s32_f32(x.d)));
}
SK_INLINE float32x4_t vec_bf16_part(const uint16_t *x) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(x), 16)); }
SK_INLINE vec vec_load_bf16(const uint16_t *x) {
    return (vec){vec_bf16_part(x), vec_bf16_part(x + 4), vec_bf16_part(x + 8), vec_bf16_part(x + 12)};
}
/* As above. */
SK_INLINE int16x8_t vec_f8_half(int8x8_t x) {
    const int16x8_t half = vshll_n_s8(x, 7), magnitude = vdupq_n_s16(0x3f80);
    const uint16x8_t nan = vceqq_s16(vandq_s16(half, magnitude), magnitude);
    return vbslq_s16(nan, vdupq_n_s16(0x7fff), vandq_s16(half, vdupq_n_s16((int16_t)0xbfff)));
}
SK_INLINE vec vec_load_f8(const uint8_t *x) {
    const int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(x));
    const float16x8_t low = vreinterpretq_f16_s16(vec_f8_half(vget_low_s8(bytes)));
    const float16x8_t high = vreinterpretq_f16_s16(vec_f8_half(vget_high_s8(bytes)));
    const vec small = {vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
                       vcvt_high_f32_f16(high)};
    return vec_mul(small, vec_set(256.0f));
}
#endif
/* clang-format on */

/* Four bytes, or two of 16 bits, for every lane. */
SK_INLINE ivec ivec_repeat(const void *x) {
    int32_t word;
    memcpy(&word, x, sizeof word);
    return ivec_set(word);
}
#endif

/* One register of outputs, the same words on every machine: lane i is one output, an integer lane holds four k of it as
 * bytes. tiles_body.h is written over these functions; a leaf says which form it means (SK_LANES_AVX2, SK_LANES_AVXVNNI,
 * SK_LANES_AVX512) after its begin.h. */
#ifndef SK_CPU_LANES_H
#define SK_CPU_LANES_H
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* clang-format off */
#if defined(SK_LANES_AVX512)
typedef __m512i ints;
typedef __m512 floats;
#define LANES 16u
/* Registers whose sums are kept beside those of all rows. */
#define STRIP(n_rows) 2u

INLINE ints ints_load(const uint8_t *x) { return _mm512_loadu_si512(x); }
INLINE ints ints_set(int32_t x) { return _mm512_set1_epi32(x); }
INLINE ints ints_and(ints a, ints b) { return _mm512_and_si512(a, b); }
/* a | b & c */
INLINE ints ints_or_and(ints a, ints b, ints c) { return _mm512_ternarylogic_epi32(a, b, c, 0xf8); }
INLINE ints ints_left(ints a, const int n) { return _mm512_slli_epi16(a, (unsigned)n); }
INLINE ints ints_right(ints a, const int n) { return _mm512_srli_epi16(a, (unsigned)n); }
/* Pairs of 16 bits times pairs, summed. */
INLINE ints ints_pairs(ints a, ints b) { return _mm512_madd_epi16(a, b); }
/* Each byte of a, 0 ... 15, becomes table[a]. */
INLINE ints ints_look_up(const uint8_t table[16], ints a) {
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), a);
}
INLINE ints ints_unsigned(const uint8_t *x) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)x)); }
INLINE ints ints_signed(const uint8_t *x) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)x)); }
/* 2^(e - 128) of OCP's E8M0: 0 and 1 are subnormal. */
INLINE floats floats_e8m0(const uint8_t *x) {
    ints e = ints_unsigned(x), whole = _mm512_slli_epi32(_mm512_sub_epi32(e, ints_set(1)), 23);
    whole = _mm512_max_epi32(whole, ints_set(0x00400000));
    return _mm512_castsi512_ps(_mm512_mask_srli_epi32(whole, _mm512_testn_epi32_mask(e, e), whole, 1));
}
INLINE floats floats_set(float x) { return _mm512_set1_ps(x); }
INLINE floats floats_from(ints a) { return _mm512_cvtepi32_ps(a); }
INLINE floats floats_mul(floats a, floats b) { return _mm512_mul_ps(a, b); }
INLINE floats floats_fma(floats a, floats b, floats c) { return _mm512_fmadd_ps(a, b, c); }
INLINE floats floats_fnma(floats a, floats b, floats c) { return _mm512_fnmadd_ps(a, b, c); }
INLINE void floats_store(float *y, floats a) { _mm512_storeu_ps(y, a); }
INLINE floats floats_f32(const uint8_t *x) { return _mm512_loadu_ps((const float *)(const void *)x); }
INLINE floats floats_f16(const uint8_t *x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)x)); }
INLINE floats floats_bf16(const uint8_t *x) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
INLINE floats floats_e5m2(const uint8_t *x) {
    __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)x));
    return _mm512_cvtph_ps(_mm256_slli_epi16(wide, 8));
}
/* Its bits are those of an f16 that is 2^8 too small; NaN is what f16 has no word for there. */
INLINE floats floats_e4m3(const uint8_t *x) {
    __m256i half = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)x)), 7);
    const __m256i magnitude = _mm256_set1_epi16(0x3f80);
    __mmask16 nan = _mm256_cmpeq_epi16_mask(_mm256_and_si256(half, magnitude), magnitude);
    half = _mm256_and_si256(half, _mm256_set1_epi16((int16_t)0xbfff));
    half = _mm256_mask_set1_epi16(half, nan, 0x7fff);
    return floats_mul(_mm512_cvtph_ps(half), floats_set(256.0f));
}

#else
typedef __m256i ints;
typedef __m256 floats;
#define LANES 8u
#define STRIP(n_rows) ((n_rows) == 1 ? 4u : (n_rows) == 2 ? 2u : 1u)

INLINE ints ints_load(const uint8_t *x) { return _mm256_loadu_si256((const __m256i *)x); }
INLINE ints ints_set(int32_t x) { return _mm256_set1_epi32(x); }
INLINE ints ints_and(ints a, ints b) { return _mm256_and_si256(a, b); }
INLINE ints ints_or_and(ints a, ints b, ints c) { return _mm256_or_si256(a, _mm256_and_si256(b, c)); }
INLINE ints ints_left(ints a, const int n) { return _mm256_slli_epi16(a, n); }
INLINE ints ints_right(ints a, const int n) { return _mm256_srli_epi16(a, n); }
INLINE ints ints_pairs(ints a, ints b) { return _mm256_madd_epi16(a, b); }
INLINE ints ints_look_up(const uint8_t table[16], ints a) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), a);
}
INLINE ints ints_unsigned(const uint8_t *x) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)x)); }
INLINE ints ints_signed(const uint8_t *x) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)x)); }
INLINE floats floats_e8m0(const uint8_t *x) {
    ints e = ints_unsigned(x), whole = _mm256_slli_epi32(_mm256_sub_epi32(e, ints_set(1)), 23);
    ints zero = ints_and(_mm256_cmpeq_epi32(e, ints_set(0)), ints_set(0x00200000));
    return _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_max_epi32(whole, ints_set(0x00400000)), zero));
}
INLINE floats floats_set(float x) { return _mm256_set1_ps(x); }
INLINE floats floats_from(ints a) { return _mm256_cvtepi32_ps(a); }
INLINE floats floats_mul(floats a, floats b) { return _mm256_mul_ps(a, b); }
INLINE floats floats_fma(floats a, floats b, floats c) { return _mm256_fmadd_ps(a, b, c); }
INLINE floats floats_fnma(floats a, floats b, floats c) { return _mm256_fnmadd_ps(a, b, c); }
INLINE void floats_store(float *y, floats a) { _mm256_storeu_ps(y, a); }
INLINE floats floats_f32(const uint8_t *x) { return _mm256_loadu_ps((const float *)(const void *)x); }
INLINE floats floats_f16(const uint8_t *x) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)); }
INLINE floats floats_bf16(const uint8_t *x) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)x));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
INLINE floats floats_e5m2(const uint8_t *x) {
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)x)), 8));
}
INLINE floats floats_e4m3(const uint8_t *x) {
    __m128i half = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)x)), 7);
    const __m128i magnitude = _mm_set1_epi16(0x3f80);
    __m128i nan = _mm_cmpeq_epi16(_mm_and_si128(half, magnitude), magnitude);
    half = _mm_or_si128(_mm_and_si128(half, _mm_set1_epi16((int16_t)0xbfff)), nan);
    return floats_mul(_mm256_cvtph_ps(half), floats_set(256.0f));
}
#endif

/* Sums of products of bytes: w is unsigned and at most `most`, a is signed and at most 127 in magnitude. */
#if defined(SK_LANES_AVX2)
/* Else the compiler adds as a tree, whose leaves do not fit the registers. */
#define IN_ORDER(sum) __asm__("" : "+x"(sum))

typedef struct dots { ints sum, words; } dots;

INLINE dots dots_begin(ints sum) { return (dots){sum, _mm256_setzero_si256()}; }
INLINE ints dots_end(dots s) { return s.sum; }
/* Pairs of products are added in 16 bits while they fit: 2 * most * 127 each. Of bytes with eight bits 128 is taken off
 * here: |w| times a with w's sign, and no pair fits beside another. */
INLINE dots dots_add(dots s, ints w, ints a, const uint32_t most, const uint32_t step, const uint32_t n_steps) {
    const uint32_t period = most > 127 ? 1 : 128 / (most + 1);
    if (most > 127) {
        w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
        a = _mm256_sign_epi8(a, w);
        w = _mm256_abs_epi8(w);
    }
    ints words = _mm256_maddubs_epi16(w, a);
    s.words = step % period == 0 ? words : _mm256_add_epi16(s.words, words);
    IN_ORDER(s.words);
    if (step % period == period - 1 || step == n_steps - 1) {
        s.sum = _mm256_add_epi32(s.sum, ints_pairs(s.words, _mm256_set1_epi16(1)));
        IN_ORDER(s.sum);
    }
    return s;
}
#define DOTS_LOSE_BIAS(most) ((most) > 127)
#else
typedef ints dots;
#define DOTS_LOSE_BIAS(most) false
INLINE dots dots_begin(ints sum) { return sum; }
INLINE ints dots_end(dots s) { return s; }
INLINE dots dots_add(dots s, ints w, ints a, const uint32_t most, const uint32_t step, const uint32_t n_steps) {
    (void)most, (void)step, (void)n_steps;
#if defined(SK_LANES_AVX512)
    return _mm512_dpbusd_epi32(s, w, a);
#else
    return _mm256_dpbusd_avx_epi32(s, w, a);
#endif
}
#endif
/* clang-format on */
#endif

/* Exact floating point: what numerics.md defines may depend on no libm, no FMA hardware and no contraction.
 * Everything here is IEEE 754 binary32/binary64 in round-to-nearest-even, so every machine gives the same bits. */
#ifndef SK_BASE_EXACT_H
#define SK_BASE_EXACT_H
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || (defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0)
#error "skald's numerics need IEEE arithmetic: no -ffast-math, no x87"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

static inline uint32_t sk_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}
static inline float sk_float(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}
static inline uint64_t sk_bits64(double x) {
    uint64_t u;
    memcpy(&u, &x, 8);
    return u;
}
static inline double sk_double(uint64_t u) {
    double x;
    memcpy(&x, &u, 8);
    return x;
}

/* a * b + c with one rounding. Without the instruction: the product of two floats is exact in binary64, the sum is
 * rounded to odd there (Boldo and Melquiond, 2008), and 53 bits are enough to round to 24 correctly. */
static inline float sk_fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
#else
    double p = (double)a * (double)b, s = p + (double)c, t = s - p;
    double error = (p - (s - t)) + ((double)c - t);
    if (error > 0 || error < 0) {
        uint64_t u = sk_bits64(s);
        if (!(u & 1)) u = (error > 0) == (s > 0) ? u + 1 : u - 1;
        s = sk_double(u);
    }
    return (float)s;
#endif
}

/* Nearest integer, ties to even, for |x| < 2^22. */
static inline float sk_nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

/* 2^x: 0 below -126, infinity from 128 on. Chebyshev fit of degree 6 on [-1/2, 1/2], 2e-9 before rounding. */
static inline float sk_exp2(float x) {
    if (!(x >= -126.0f)) return x < -126.0f ? 0.0f : x; /* NaN stays */
    if (x >= 128.0f) return sk_float(0x7f800000u);
    float n = sk_nearest(x), r = x - n, p = 0x1.444p-13f;
    p = sk_fma(p, r, 0x1.5f48c0p-10f);
    p = sk_fma(p, r, 0x1.3b2a1cp-7f);
    p = sk_fma(p, r, 0x1.c6aeccp-5f);
    p = sk_fma(p, r, 0x1.ebfbe0p-3f);
    p = sk_fma(p, r, 0x1.62e430p-1f);
    p = sk_fma(p, r, 1.0f);
    /* n may be 128 when p < 1: two factors, each a normal number */
    int32_t e = (int32_t)n, half = e >> 1;
    return p * sk_float((uint32_t)(half + 127) << 23) * sk_float((uint32_t)(e - half + 127) << 23);
}

/* e^x: 0 below -87, infinity from 88.75 on. ln 2 is taken off in two parts (Cody and Waite, 1980). */
static inline float sk_exp(float x) {
    if (!(x >= -87.0f)) return x < -87.0f ? 0.0f : x;
    if (x >= 88.75f) return sk_float(0x7f800000u);
    float n = sk_nearest(x * 0x1.715476p+0f);
    float r = sk_fma(n, -0x1.62e400p-1f, x), p = 0x1.6d7536p-10f;
    r = sk_fma(n, -0x1.7f7d1cp-20f, r);
    p = sk_fma(p, r, 0x1.126faap-7f);
    p = sk_fma(p, r, 0x1.5554acp-5f);
    p = sk_fma(p, r, 0x1.555404p-3f);
    p = sk_fma(p, r, 0.5f);
    p = sk_fma(p, r, 1.0f);
    p = sk_fma(p, r, 1.0f);
    int32_t e = (int32_t)n, half = e >> 1;
    return p * sk_float((uint32_t)(half + 127) << 23) * sk_float((uint32_t)(e - half + 127) << 23);
}

static inline float sk_sigmoid(float x) { return 1.0f / (1.0f + sk_exp(-x)); }

/* log(1 + e^x) as max(x, 0) + log(1 + t), t = e^-|x|; log(1 + t) = 2 atanh(t / (2 + t)) by its series. */
static inline float sk_softplus(float x) {
    const float t = sk_exp(x > 0 ? -x : x), s = t / (2.0f + t), z = s * s;
    float sum = 1.0f / 15.0f;
    sum = sk_fma(sum, z, 1.0f / 13.0f);
    sum = sk_fma(sum, z, 1.0f / 11.0f);
    sum = sk_fma(sum, z, 1.0f / 9.0f);
    sum = sk_fma(sum, z, 1.0f / 7.0f);
    sum = sk_fma(sum, z, 1.0f / 5.0f);
    sum = sk_fma(sum, z, 1.0f / 3.0f);
    sum = sk_fma(sum, z, 1.0f);
    return sk_fma(2.0f * s, sum, x > 0 ? x : 0.0f);
}

/* tanh(x): below 5/8 an odd polynomial of degree 9 (Remez, 4.4e-9), from there by e^2|x|. */
static inline float sk_tanh(float x) {
    const float a = x < 0 ? -x : x, z = x * x;
    if (a < 0.625f) {
        float p = sk_fma(-0x1.75e1a4p-8f, z, 0x1.522692p-6f);
        p = sk_fma(p, z, -0x1.b83c58p-5f);
        p = sk_fma(p, z, 0x1.110726p-3f);
        p = sk_fma(p, z, -0x1.555532p-2f);
        return sk_fma(x * z, p, x);
    }
    const float t = 1.0f - 2.0f / (sk_exp(a + a) + 1.0f);
    return x < 0 ? -t : t;
}

/* 1 - erf(a) for a >= 0, as e^(-a a) t p(t) with t = 1 / (1 + a / 2); p of degree 8 (Remez, 4.3e-8). What a * a loses in
 * rounding is made good. */
static inline float sk_erfc(float a) {
    if (a > 10.0f) a = 10.0f; /* 0 by then */
    const float h = a * a, rest = sk_fma(a, a, -h), e = sk_exp(-h), t = 1.0f / sk_fma(a, 0.5f, 1.0f);
    float p = sk_fma(-0x1.e344b4p-5f, t, 0x1.2305c6p-2f);
    p = sk_fma(p, t, -0x1.f21926p-2f);
    p = sk_fma(p, t, 0x1.1bd3f4p-2f);
    p = sk_fma(p, t, -0x1.aa1fd8p-6f);
    p = sk_fma(p, t, 0x1.9e90a4p-3f);
    p = sk_fma(p, t, 0x1.f20366p-3f);
    p = sk_fma(p, t, 0x1.212492p-2f);
    p = sk_fma(p, t, 0x1.20db66p-2f);
    return sk_fma(-rest, e, e) * (t * p);
}

/* ---- binary64, for tables made once: rotations, frequencies. Errors of a few units in the last place. */

static inline double sk_log_double(double x) { /* x > 0 and normal */
    uint64_t u = sk_bits64(x);
    int64_t e = (int64_t)(u >> 52) - 1023;
    double m = sk_double((u & 0xfffffffffffffull) | 0x3ff0000000000000ull);
    if (m > 1.4142135623730951) m *= 0.5, e++;
    double s = (m - 1.0) / (m + 1.0), z = s * s, sum = 0.0;
    for (int k = 27; k >= 3; k -= 2) sum = (sum + 1.0 / k) * z; /* atanh series */
    return (double)e * 0.69314718055994531 + 2.0 * (s + s * sum);
}

static inline double sk_exp_double(double x) { /* |x| < 700 */
    double n = (x * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0;
    double r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33, sum = 1.0;
    for (int k = 16; k >= 1; k--) sum = 1.0 + sum * r / k;
    return sum * sk_double((uint64_t)((int64_t)n + 1023) << 52);
}

/* base^exponent for base > 0. */
static inline double sk_power(double base, double exponent) { return sk_exp_double(exponent * sk_log_double(base)); }

/* Correctly rounded, as IEEE 754 asks of every machine; never a call. */
static inline float sk_sqrt(float x) { return __builtin_sqrtf(x); }
static inline double sk_sqrt_double(double x) { return __builtin_sqrt(x); }

/* Sine and cosine for |x| < 2^20: pi/2 is taken off in three parts, then Taylor on [-pi/4, pi/4]. */
static inline void sk_sin_cos(double *sine, double *cosine, double x) {
    double n = (x * 0.63661977236758134 + 6755399441055744.0) - 6755399441055744.0;
    double r = ((x - n * 0x1.921fb544p+0) - n * 0x1.0b4611a6p-34) - n * 0x1.3198a2e037073p-69, z = r * r;
    double s = 1.0, c = 1.0;
    for (int k = 18; k >= 2; k -= 2) {
        s = 1.0 - s * z / (double)(k * (k + 1));
        c = 1.0 - c * z / (double)(k * (k - 1));
    }
    s *= r;
    switch ((int64_t)n & 3) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s; break;
    }
}

/* ---- narrow formats; widening is exact, narrowing rounds to nearest even */

static inline float sk_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = (h >> 10) & 31u, m = h & 0x3ffu;
    if (e == 31) return sk_float(sign | 0x7f800000u | m << 13 | (m ? 0x400000u : 0));
    if (e) return sk_float(sign | (e + 112u) << 23 | m << 13);
    float x = (float)m * 0x1p-24f;
    return sk_float(sign | sk_bits(x));
}

static inline uint16_t sk_to_f16(float x) {
    uint32_t u = sk_bits(x), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | ((a >> 13) & 0x1ffu));
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more round to infinity */
    if (a < 0x38800000u) {                                   /* below 2^-14: let the addition round at 2^-24 */
        return (uint16_t)(sign | (sk_bits(sk_float(a) + 0.5f) - 0x3f000000u));
    }
    return (uint16_t)(sign | ((a + 0xc8000fffu + ((a >> 13) & 1u)) >> 13));
}

static inline float sk_from_bf16(uint16_t h) { return sk_float((uint32_t)h << 16); }

static inline uint16_t sk_to_bf16(float x) {
    uint32_t u = sk_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

/* E4M3FN of the OCP 8-bit specification: bias 7, no infinity, NaN only where all seven bits are ones. */
static inline float sk_from_f8_e4m3(uint8_t x) {
    uint32_t sign = (uint32_t)(x & 0x80) << 24, magnitude = x & 0x7f;
    if (magnitude == 0x7f) return sk_float(sign | 0x7fc00000u);
    if (magnitude < 8) return sk_float(sign | sk_bits((float)magnitude * 0x1p-9f));
    return sk_float(sign | ((magnitude << 20) + (120u << 23)));
}

/* 448 is the largest, of numbers above it too; infinity becomes NaN. */
static inline uint8_t sk_to_f8_e4m3(float x) {
    uint32_t u = sk_bits(x), sign = (u >> 24) & 0x80u, a = u & 0x7fffffffu;
    if (a >= 0x7f800000u) return (uint8_t)(sign | 0x7fu);
    if (a >= 0x43e00000u) return (uint8_t)(sign | 0x7eu);
    if (a < 0x3c800000u) { /* below 2^-6: let the addition round at 2^-9 */
        return (uint8_t)(sign | (sk_bits(sk_float(a) + 0x1p14f) - 0x46800000u));
    }
    return (uint8_t)(sign | ((a - (120u << 23) + 0x7ffffu + ((a >> 20) & 1u)) >> 20));
}
#endif

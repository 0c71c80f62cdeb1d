/* Kernels on rows in plain C: the definition of each (docs/numerics.md). */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Never the function of libm, whatever the compiler's flags. */
static float square_root(float x) {
#if defined(__x86_64__)
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
#else
    return __builtin_sqrtf(x);
#endif
}

/* 16 lanes become one: 8, 4, 2, 1. */
static float fold_lanes(float lane[16]) {
    for (uint32_t half = 8; half > 0; half /= 2)
        for (uint32_t i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

static void quantize_block(sk_q8 *y, const float *x) {
    uint32_t amax_bits = 0; /* magnitudes order as their bits do, Inf and NaN above all numbers */
    memset(y, 0, sizeof *y);
    for (uint32_t i = 0; i < SK_BLOCK; i++) {
        uint32_t magnitude = sk_bits(x[i]) & 0x7fffffffu;
        if (magnitude > amax_bits) amax_bits = magnitude;
    }
    if (amax_bits >= 0x7f800000u) {
        y->d = y->d_sum = sk_float(0x7fc00000u);
        return;
    }
    float amax = sk_float(amax_bits);
    if (amax < 0x1p-100f) return;
    float inverse = 127.0f / amax;
    y->d = amax / 127.0f;
    for (uint32_t i = 0; i < SK_BLOCK; i++) {
        y->q[i] = (int8_t)sk_nearest(x[i] * inverse); /* at most 127 * (1 + 2^-23), which is 127 */
        y->sum[i / 16] = (int16_t)(y->sum[i / 16] + y->q[i]);
    }
    y->d_sum = y->d * (float)(y->sum[0] + y->sum[1]);
}

void sk_quantize_scalar(sk_q8 *y, const float *x, uint32_t n_blocks) {
    for (uint32_t b = 0; b < n_blocks; b++) quantize_block(y + b, x + b * SK_BLOCK);
}

void sk_rms_norm_scalar(float *y, const float *x, const float *w, uint32_t n, float eps) {
    float lane[16] = {0};
    for (uint32_t i = 0; i < n; i++) lane[i % 16] = sk_fma(x[i], x[i], lane[i % 16]);
    float inverse = 1.0f / square_root(fold_lanes(lane) / (float)n + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = x[i] * inverse * w[i];
}

void sk_layer_norm_scalar(float *y, const float *x, const float *w, const float *b, uint32_t n, float eps) {
    float lane[16] = {0}, square[16] = {0};
    for (uint32_t i = 0; i < n; i++) lane[i % 16] += x[i];
    const float mean = fold_lanes(lane) / (float)n;
    for (uint32_t i = 0; i < n; i++) square[i % 16] = sk_fma(x[i] - mean, x[i] - mean, square[i % 16]);
    const float inverse = 1.0f / square_root(fold_lanes(square) / (float)n + eps);
    for (uint32_t i = 0; i < n; i++) {
        const float unit = (x[i] - mean) * inverse;
        y[i] = b ? sk_fma(unit, w[i], b[i]) : unit * w[i];
    }
}

void sk_add_scalar(float *y, const float *a, const float *b, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

void sk_scale_scalar(float *y, const float *a, float s, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) y[i] = a[i] * s;
}

void sk_soft_cap_scalar(float *y, const float *x, float cap, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) y[i] = cap * sk_tanh(x[i] / cap);
}

void sk_softmax_scalar(float *y, const float *x, uint32_t n) {
    float lane[16] = {0}, max = sk_float(0xff800000u);
    for (uint32_t i = 0; i < n; i++)
        if (x[i] > max) max = x[i];
    for (uint32_t i = 0; i < n; i++) {
        y[i] = sk_exp(x[i] - max);
        lane[i % 16] += y[i];
    }
    float sum = fold_lanes(lane);
    for (uint32_t i = 0; i < n; i++) y[i] /= sum;
}

void sk_add_scaled_scalar(float *y, const float *a, float s, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) y[i] = sk_fma(a[i], s, y[i]);
}

static void turn(float *a, float *b, float cosine, float sine) {
    float re = sk_fma(*a, cosine, -(*b * sine)), im = sk_fma(*a, sine, *b * cosine);
    *a = re, *b = im;
}

void sk_rotate_pairs_scalar(float *x, const float *cs, uint32_t n_pairs) {
    for (uint32_t i = 0; i < n_pairs; i++) turn(x + 2 * i, x + 2 * i + 1, cs[2 * i], cs[2 * i + 1]);
}

void sk_rotate_halves_scalar(float *x, const float *cs, uint32_t n_pairs) {
    for (uint32_t i = 0; i < n_pairs; i++) turn(x + i, x + i + n_pairs, cs[2 * i], cs[2 * i + 1]);
}

uint32_t sk_argmax_scalar(const float *x, uint32_t n) {
    float best = sk_float(0xff800000u);
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++)
        if (x[i] > best) best = x[i], at = i;
    return at;
}

void sk_hadamard_scalar(float *y, const float *x, float s, uint32_t n_blocks) {
    for (; n_blocks-- > 0; x += SK_BLOCK, y += SK_BLOCK) {
        float a[SK_BLOCK], b[SK_BLOCK];
        memcpy(a, x, sizeof a);
        for (uint32_t step = SK_BLOCK / 2; step > 0; step /= 2) {
            for (uint32_t i = 0; i < SK_BLOCK; i++) b[i] = i & step ? a[i - step] - a[i] : a[i] + a[i + step];
            memcpy(a, b, sizeof a);
        }
        for (uint32_t i = 0; i < SK_BLOCK; i++) y[i] = a[i] * s;
    }
}

void sk_store_k_f32_scalar(void *to, const float *x, uint32_t n) {
    float *k = to;
    for (uint32_t i = 0; i < n; i++) k[i * SK_PAGE] = x[i];
}

void sk_store_k_f16_scalar(void *to, const float *x, uint32_t n) {
    uint16_t *k = to;
    for (uint32_t i = 0; i < n; i++) k[i * SK_PAGE] = sk_to_f16(x[i]);
}

void sk_store_v_f32_scalar(void *to, const float *x, uint32_t n) { memcpy(to, x, n * sizeof *x); }

void sk_store_v_f16_scalar(void *to, const float *x, uint32_t n) {
    uint16_t *v = to;
    for (uint32_t i = 0; i < n; i++) v[i] = sk_to_f16(x[i]);
}

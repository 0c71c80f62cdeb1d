/* Kernels on rows over the sixteen lanes of vec.h, written once and compiled by each leaf that has a vec. */
#ifndef SK_CPU_ROWS_BODY_H
#define SK_CPU_ROWS_BODY_H
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "base/exact.h"

static void quantize_block(sk_q8 *y, const float *x) {
    vec low = vec_load(x), high = vec_load(x + 16);
    uint32_t amax_bits = vec_max_magnitude(low, high);
    if (amax_bits >= 0x7f800000u || amax_bits < 0x0d800000u) { /* Inf or NaN; below 2^-100 */
        memset(y, 0, sizeof *y);
        if (amax_bits >= 0x7f800000u) y->d = y->d_sum = sk_float(0x7fc00000u);
        return;
    }
    float amax = sk_float(amax_bits), inverse = 127.0f / amax;
    int32_t sum0 = vec_store_i8(y->q, vec_mul(low, vec_set(inverse)));
    int32_t sum1 = vec_store_i8(y->q + 16, vec_mul(high, vec_set(inverse)));
    y->d = amax / 127.0f;
    y->d_sum = y->d * (float)(sum0 + sum1);
    y->sum[0] = (int16_t)sum0;
    y->sum[1] = (int16_t)sum1;
}

static void quantize(sk_q8 *y, const float *x, uint32_t n_blocks) {
    for (uint32_t b = 0; b < n_blocks; b++) quantize_block(y + b, x + (size_t)b * SK_BLOCK);
}

static void rms_norm(float *y, const float *x, const float *w, uint32_t n, float eps) {
    uint32_t i = 0;
    vec sum = vec_set(0.0f);
    for (; n - i >= 16; i += 16) sum = vec_fma(vec_load(x + i), vec_load(x + i), sum);
    if (i < n) sum = vec_fma(vec_load_first(x + i, n - i), vec_load_first(x + i, n - i), sum);
    vec mean = vec_set(vec_sum(sum) / (float)n + eps);
    vec inverse = vec_div(vec_set(1.0f), vec_sqrt(mean));
    for (i = 0; n - i >= 16; i += 16) vec_store(y + i, vec_mul(vec_mul(vec_load(x + i), inverse), vec_load(w + i)));
    if (i < n) {
        vec rest = vec_mul(vec_mul(vec_load_first(x + i, n - i), inverse), vec_load_first(w + i, n - i));
        vec_store_first(y + i, rest, n - i);
    }
}

SK_INLINE vec layer_lanes(vec x, vec mean, vec inverse, vec w, const float *b, uint32_t n) {
    const vec unit = vec_mul(vec_sub(x, mean), inverse);
    if (!b) return vec_mul(unit, w);
    return vec_fma(unit, w, n == 16 ? vec_load(b) : vec_load_first(b, n));
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, uint32_t n, float eps) {
    const uint32_t whole = n - n % 16, rest = n % 16;
    vec sum = vec_set(0.0f), square = vec_set(0.0f);
    for (uint32_t i = 0; i < whole; i += 16) sum = vec_add(sum, vec_load(x + i));
    if (rest) sum = vec_add(sum, vec_load_first(x + whole, rest));
    const vec mean = vec_set(vec_sum(sum) / (float)n);
    for (uint32_t i = 0; i < whole; i += 16) {
        const vec d = vec_sub(vec_load(x + i), mean);
        square = vec_fma(d, d, square);
    }
    if (rest) { /* lanes behind the end stay out */
        const vec d = vec_sub(vec_load_first(x + whole, rest), mean);
        square = vec_select(vec_range(0, rest), vec_fma(d, d, square), square);
    }
    const vec inverse = vec_div(vec_set(1.0f), vec_sqrt(vec_set(vec_sum(square) / (float)n + eps)));
    for (uint32_t i = 0; i < whole; i += 16)
        vec_store(y + i, layer_lanes(vec_load(x + i), mean, inverse, vec_load(w + i), b ? b + i : NULL, 16));
    if (rest) {
        const vec last = vec_load_first(x + whole, rest), weight = vec_load_first(w + whole, rest);
        vec_store_first(y + whole, layer_lanes(last, mean, inverse, weight, b ? b + whole : NULL, rest), rest);
    }
}

static void add(float *y, const float *a, const float *b, uint32_t n) {
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) vec_store(y + i, vec_add(vec_load(a + i), vec_load(b + i)));
    if (i < n) vec_store_first(y + i, vec_add(vec_load_first(a + i, n - i), vec_load_first(b + i, n - i)), n - i);
}

static void scale(float *y, const float *a, float s, uint32_t n) {
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) vec_store(y + i, vec_mul(vec_load(a + i), vec_set(s)));
    if (i < n) vec_store_first(y + i, vec_mul(vec_load_first(a + i, n - i), vec_set(s)), n - i);
}

static void soft_cap(float *y, const float *x, float cap, uint32_t n) {
    const vec by = vec_set(cap);
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) vec_store(y + i, vec_mul(by, vec_tanh(vec_div(vec_load(x + i), by))));
    if (i < n) vec_store_first(y + i, vec_mul(by, vec_tanh(vec_div(vec_load_first(x + i, n - i), by))), n - i);
}

static void softmax(float *y, const float *x, uint32_t n) {
    vec best = vec_set(sk_float(0xff800000u)), sum = vec_set(0.0f);
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) best = vec_max(vec_load(x + i), best);
    float max = vec_max_lane(best);
    for (; i < n; i++)
        if (x[i] > max) max = x[i];
    for (i = 0; n - i >= 16; i += 16) {
        vec p = vec_exp(vec_sub(vec_load(x + i), vec_set(max)));
        vec_store(y + i, p);
        sum = vec_add(sum, p);
    }
    if (i < n) {
        vec_store_first(y + i, vec_exp(vec_sub(vec_load_first(x + i, n - i), vec_set(max))), n - i);
        sum = vec_add(sum, vec_load_first(y + i, n - i));
    }
    const vec all = vec_set(vec_sum(sum));
    for (i = 0; n - i >= 16; i += 16) vec_store(y + i, vec_div(vec_load(y + i), all));
    if (i < n) vec_store_first(y + i, vec_div(vec_load_first(y + i, n - i), all), n - i);
}

static void add_scaled(float *y, const float *a, float s, uint32_t n) {
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) vec_store(y + i, vec_fma(vec_load(a + i), vec_set(s), vec_load(y + i)));
    if (i < n) {
        vec rest = vec_fma(vec_load_first(a + i, n - i), vec_set(s), vec_load_first(y + i, n - i));
        vec_store_first(y + i, rest, n - i);
    }
}

static void rotate_pairs(float *x, const float *cs, uint32_t n_pairs) {
    uint32_t i = 0, n = 2 * n_pairs;
    for (; n - i >= 16; i += 16) vec_store(x + i, vec_turn(vec_load(x + i), vec_load(cs + i)));
    if (i < n) vec_store_first(x + i, vec_turn(vec_load_first(x + i, n - i), vec_load_first(cs + i, n - i)), n - i);
}

SK_INLINE void turn_lanes(vec *a, vec *b, vec cs0, vec cs1) {
    vec cosine, sine;
    vec_part(&cosine, &sine, cs0, cs1);
    vec re = vec_fma(*a, cosine, vec_mul(vec_mul(*b, sine), vec_set(-1.0f)));
    *b = vec_fma(*a, sine, vec_mul(*b, cosine));
    *a = re;
}

static void rotate_halves(float *x, const float *cs, uint32_t n_pairs) {
    uint32_t i = 0;
    for (; n_pairs - i >= 16; i += 16) {
        vec a = vec_load(x + i), b = vec_load(x + n_pairs + i);
        turn_lanes(&a, &b, vec_load(cs + 2 * i), vec_load(cs + 2 * i + 16));
        vec_store(x + i, a), vec_store(x + n_pairs + i, b);
    }
    if (i < n_pairs) {
        uint32_t n = n_pairs - i;
        vec a = vec_load_first(x + i, n), b = vec_load_first(x + n_pairs + i, n);
        float rest[32] = {0};
        memcpy(rest, cs + 2 * i, 2 * n * sizeof *rest);
        turn_lanes(&a, &b, vec_load(rest), vec_load(rest + 16));
        vec_store_first(x + i, a, n), vec_store_first(x + n_pairs + i, b, n);
    }
}

static uint32_t argmax(const float *x, uint32_t n) {
    const float least = sk_float(0xff800000u);
    vec best = vec_set(least);
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) best = vec_max(vec_load(x + i), best);
    float largest = vec_max_lane(best);
    for (; i < n; i++)
        if (x[i] > largest) largest = x[i];
    if (!(largest > least)) return 0;
    for (i = 0; n - i >= 16; i += 16) {
        uint32_t at = vec_mask_bits(vec_equal(vec_load(x + i), vec_set(largest)));
        if (at) return i + (uint32_t)__builtin_ctz(at);
    }
    while (x[i] != largest) i++;
    return i;
}

static void fold(float *max, float *sum, float *out, float max2, float sum2, const float *out2, uint32_t dim_v) {
    const bool later = max2 > *max;
    const float both = later ? max2 : *max, other = later ? *max : max2;
    const vec one = vec_set(1.0f), less = vec_exp2_below(vec_set(other - both)), a = later ? less : one,
              b = later ? one : less;
    uint32_t i = 0;
    *max = both;
    *sum = vec_lane0(vec_fma(vec_set(*sum), a, vec_mul(vec_set(sum2), b)));
    for (; dim_v - i >= 16; i += 16) vec_store(out + i, vec_fma(vec_load(out + i), a, vec_mul(vec_load(out2 + i), b)));
    if (i < dim_v) {
        uint32_t n = dim_v - i;
        vec_store_first(out + i, vec_fma(vec_load_first(out + i, n), a, vec_mul(vec_load_first(out2 + i, n), b)), n);
    }
}

static void divide(float *y, const float *out, float sum, uint32_t n) {
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) vec_store(y + i, vec_div(vec_load(out + i), vec_set(sum)));
    if (i < n) vec_store_first(y + i, vec_div(vec_load_first(out + i, n - i), vec_set(sum)), n - i);
}

/* One stage: lanes i and i + step become their sum and difference. */
SK_INLINE vec hadamard_stage(vec x, vec swapped, const float *signs) { return vec_fma(x, vec_load(signs), swapped); }

static void hadamard(float *y, const float *x, float s, uint32_t n_blocks) {
    static const float signs[4][16] = {{1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1},
                                       {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1},
                                       {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1},
                                       {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1}};
    for (; n_blocks-- > 0; x += SK_BLOCK, y += SK_BLOCK) {
        vec half[2] = {vec_add(vec_load(x), vec_load(x + 16)), vec_sub(vec_load(x), vec_load(x + 16))};
        for (uint32_t i = 0; i < 2; i++) {
            vec v = half[i];
            v = hadamard_stage(v, vec_swap8(v), signs[3]);
            v = hadamard_stage(v, vec_swap4(v), signs[2]);
            v = hadamard_stage(v, vec_swap2(v), signs[1]);
            v = hadamard_stage(v, vec_swap1(v), signs[0]);
            vec_store(y + 16 * i, vec_mul(v, vec_set(s)));
        }
    }
}

static void store_k_f32(void *to, const float *x, uint32_t n) {
    float *k = to;
    for (uint32_t i = 0; i < n; i++) k[(size_t)i * SK_PAGE] = x[i];
}

static void store_k_f16(void *to, const float *x, uint32_t n) {
    uint16_t *k = to, all[16];
    for (uint32_t i = 0; i < n; i += 16) {
        uint32_t part = n - i < 16 ? n - i : 16;
        vec_store_f16(all, part == 16 ? vec_load(x + i) : vec_load_first(x + i, part));
        for (uint32_t j = 0; j < part; j++) k[(size_t)(i + j) * SK_PAGE] = all[j];
    }
}

static void store_v_f32(void *to, const float *x, uint32_t n) { memcpy(to, x, n * sizeof *x); }

static void store_v_f16(void *to, const float *x, uint32_t n) {
    uint16_t *v = to, all[16];
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) vec_store_f16(v + i, vec_load(x + i));
    if (i < n) {
        vec_store_f16(all, vec_load_first(x + i, n - i));
        memcpy(v + i, all, (n - i) * sizeof *v);
    }
}
#endif

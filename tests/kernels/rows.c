/* Every row kernel of kernels.def at every level of this machine: the bits of the scalar leaf, and the scalar leaf
 * against arithmetic in double. With `--bench`: nanoseconds and GB/s of each. */
#define _GNU_SOURCE
#include "kernels/bench.h"

static const uint32_t lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100, 128, 200, 576, 1537};
#define MOST 1537u
static guarded in[3], out[2];
static uint64_t state = 88172645463325252ull;

static float *input(int which, size_t n, int mood) {
    float *x = guarded_take(&in[which], n * sizeof *x);
    fill_floats(x, n, mood, &state);
    return x;
}

static bool bits_kept(void) { return guarded_whole(&out[0]) && guarded_whole(&in[0]) && guarded_whole(&in[1]); }

static void check_quantized(const sk_q8 *y, const float *x, const char *name) {
    double amax = 0;
    int sum = 0;
    for (int i = 0; i < 32; i++)
        if (fabs((double)x[i]) > amax) amax = fabs((double)x[i]);
    for (int i = 0; i < 32; i++) sum += y->q[i];
    CHECK_NEAR(y->d, amax / 127, amax / 127 * FLT_EPSILON, name);
    CHECK_EQUAL(y->sum[0] + y->sum[1], sum);
    CHECK_NEAR(y->d_sum, (double)y->d * sum, fabs((double)y->d * sum) * FLT_EPSILON, name);
    for (int i = 0; i < 32; i++) CHECK_NEAR((double)y->d * y->q[i], (double)x[i], (double)y->d * 0.50001, name);
}

static void test_quantize(sk_quantize_fn *leaf, const char *name) {
    for (uint32_t turn = 0; turn < 400; turn++) {
        uint32_t n = 1 + turn % 5;
        float *x = input(0, n * 32, turn % N_MOODS);
        if (turn % 9 == 0)
            for (uint32_t i = 0; i < n * 32; i++) x[i] *= 0x1p-100f;
        if (turn % 13 == 0) /* a largest magnitude on both sides of 2^-100 */
            for (uint32_t i = 0; i < n * 32; i++) x[i] *= 0x1p-102f;
        if (turn % 11 == 0) memset(x, 0, n * 32 * sizeof *x);
        sk_q8 *y = guarded_take(&out[0], n * sizeof *y), *want = guarded_take(&out[1], n * sizeof *want);
        leaf(y, x, n);
        sk_quantize_scalar(want, x, n);
        for (uint32_t b = 0; b < n; b++) {
            CHECK_BITS(&y[b].d, &want[b].d, 2, name);
            CHECK_SAID(memcmp(y[b].sum, want[b].sum, 36) == 0, "%s: integers differ in turn %u", name, turn);
            if (turn % N_MOODS == CALM && y[b].d > 0x1p-99f) check_quantized(y + b, x + 32 * b, name);
        }
        CHECK(bits_kept());
    }
}

static void test_rms_norm(sk_rms_norm_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int turn = 0; turn < 8 * N_MOODS; turn++) { /* a sum in another order seldom changes the root */
            const int mood = turn % N_MOODS;
            uint32_t n = lengths[l];
            float *x = input(0, n, mood), *w = input(1, n, CALM), *y = guarded_take(&out[0], n * sizeof *y);
            float *want = guarded_take(&out[1], n * sizeof *want);
            leaf(y, x, w, n, 1e-5f);
            sk_rms_norm_scalar(want, x, w, n, 1e-5f);
            CHECK_BITS(y, want, n, name);
            CHECK(bits_kept());
            if (mood != CALM) continue;
            double sum = 0;
            for (uint32_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
            double inverse = 1 / sqrt(sum / n + (double)1e-5f), error = (n / 16.0 + 12) * FLT_EPSILON;
            for (uint32_t i = 0; i < n; i++)
                CHECK_NEAR(y[i], x[i] * inverse * w[i], fabs(x[i] * inverse * w[i]) * error, name);
            leaf(x, x, w, n, 1e-5f); /* in place */
            CHECK_BITS(x, want, n, name);
        }
    }
}

static void check_layer_norm(const float *y, const float *x, const float *w, const float *b, uint32_t n,
                             const char *name) {
    double mean = 0, size = 0, square = 0, error = (n / 16.0 + 12) * FLT_EPSILON;
    for (uint32_t i = 0; i < n; i++) mean += (double)x[i] / n, size += fabs((double)x[i]) / n;
    for (uint32_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean) / n;
    const double inverse = 1 / sqrt(square + (double)1e-5f);
    /* a wrong mean moves each element, and their squares' sum by as much again */
    for (uint32_t i = 0; i < n; i++) {
        const double unit = (x[i] - mean) * inverse, wrong = error * size * inverse;
        CHECK_NEAR(y[i], unit * w[i] + (b ? b[i] : 0),
                   (fabs(unit) * (error + wrong * wrong) + wrong) * fabs(w[i]) + (b ? fabs(b[i]) : 0) * FLT_EPSILON,
                   name);
    }
}

static void test_layer_norm(sk_layer_norm_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int turn = 0; turn < 8 * N_MOODS; turn++) {
            const uint32_t n = lengths[l];
            float *x = input(0, n, turn % N_MOODS), *w = input(1, n, CALM), *b = turn & 2 ? input(2, n, CALM) : NULL;
            float *y = guarded_take(&out[0], n * sizeof *y), *want = guarded_take(&out[1], n * sizeof *want);
            for (uint32_t i = 0; i < n && turn & 4; i++) x[i] += 100.0f; /* far from nought */
            leaf(y, x, w, b, n, 1e-5f);
            sk_layer_norm_scalar(want, x, w, b, n, 1e-5f);
            CHECK_BITS(y, want, n, name);
            CHECK(bits_kept() && guarded_whole(&in[2]));
            if (turn % N_MOODS != CALM) continue;
            check_layer_norm(y, x, w, b, n, name);
            leaf(x, x, w, b, n, 1e-5f); /* in place */
            CHECK_BITS(x, want, n, name);
        }
    }
}

static void test_add(sk_add_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int mood = 0; mood < N_MOODS; mood++) {
            uint32_t n = lengths[l];
            float *a = input(0, n, mood), *b = input(1, n, mood), *y = guarded_take(&out[0], n * sizeof *y);
            leaf(y, a, b, n);
            for (uint32_t i = 0; i < n; i++) {
                float want = a[i] + b[i];
                CHECK_BITS(y + i, &want, 1, name);
            }
            CHECK(bits_kept());
        }
    }
}

static void test_scale(sk_scale_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int mood = 0; mood < N_MOODS; mood++) {
            uint32_t n = lengths[l];
            float *a = input(0, n, mood), *y = guarded_take(&out[0], n * sizeof *y);
            leaf(y, a, 0.3f, n);
            for (uint32_t i = 0; i < n; i++) {
                float want = a[i] * 0.3f;
                CHECK_BITS(y + i, &want, 1, name);
            }
            CHECK(bits_kept());
        }
    }
}

/* No fmax over all: gcc 12 for ARM ends in an internal error there. */
static void check_softmax(const float *y, const float *x, uint32_t n, const char *name) {
    double max = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        if (max < (double)x[i]) max = x[i];
    for (uint32_t i = 0; i < n; i++) sum += exp((double)x[i] - max);
    for (uint32_t i = 0; i < n; i++) {
        double exact = exp((double)x[i] - max) / sum;
        CHECK_NEAR(y[i], exact, exact * (n / 16.0 + 200) * FLT_EPSILON + 1e-37, name); /* x - max is rounded */
    }
}

static void test_softmax(sk_softmax_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int turn = 0; turn < 2 * N_MOODS; turn++) {
            uint32_t n = lengths[l];
            float *x = input(0, n, turn % N_MOODS), *y = guarded_take(&out[0], n * 4);
            float *want = guarded_take(&out[1], n * sizeof *want);
            if (turn >= N_MOODS)
                for (uint32_t i = 0; i < n; i++) x[i] *= 30.0f; /* where exp ends */
            leaf(y, x, n);
            sk_softmax_scalar(want, x, n);
            CHECK_BITS(y, want, n, name);
            CHECK(bits_kept());
            if (turn % N_MOODS != CALM) continue;
            check_softmax(y, x, n, name);
            leaf(x, x, n);
            CHECK_BITS(x, want, n, name);
        }
    }
}

static void test_add_scaled(sk_add_scaled_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int mood = 0; mood < N_MOODS; mood++) {
            uint32_t n = lengths[l];
            float *a = input(0, n, mood), *y = input(1, n, mood), *want = guarded_take(&out[1], n * sizeof *want);
            for (uint32_t i = 0; i < n; i++) want[i] = sk_fma(a[i], 0.3f, y[i]);
            leaf(y, a, 0.3f, n);
            CHECK_BITS(y, want, n, name);
            CHECK(bits_kept());
        }
    }
}

static void check_rotate(sk_rotate_fn *leaf, sk_rotate_fn *scalar, bool halves, const char *name) {
    for (uint32_t n = 1; n < 70; n++) {
        for (int mood = 0; mood < N_MOODS; mood++) {
            float *cs = input(0, 2 * n, mood), *x = input(1, 2 * n, mood), y[140], z[140];
            memcpy(y, x, 2 * n * sizeof *x), memcpy(z, x, 2 * n * sizeof *x);
            leaf(x, cs, n);
            scalar(y, cs, n);
            CHECK_BITS(x, y, 2 * n, name);
            CHECK(guarded_whole(&in[1]));
            for (uint32_t i = 0; i < n && mood == CALM; i++) {
                uint32_t at = halves ? i : 2 * i, to = halves ? i + n : 2 * i + 1;
                double a = z[at], b = z[to], c = cs[2 * i], s = cs[2 * i + 1];
                CHECK_NEAR(x[at], a * c - b * s, (fabs(a * c) + fabs(b * s)) * FLT_EPSILON, name);
                CHECK_NEAR(x[to], a * s + b * c, (fabs(a * s) + fabs(b * c)) * FLT_EPSILON, name);
            }
        }
    }
}
static void test_rotate_pairs(sk_rotate_fn *leaf, const char *name) {
    check_rotate(leaf, sk_rotate_pairs_scalar, false, name);
}
static void test_rotate_halves(sk_rotate_fn *leaf, const char *name) {
    check_rotate(leaf, sk_rotate_halves_scalar, true, name);
}

static void test_argmax(sk_argmax_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int turn = 0; turn < 40; turn++) {
            uint32_t n = lengths[l], want = 0;
            float *x = input(0, n, turn % N_MOODS);
            if (turn % 3 == 0)
                for (uint32_t i = 0; i < n; i++) x[i] = (float)(next_random(&state) >> 62); /* ties */
            if (turn % 8 == 7)
                for (uint32_t i = 0; i < n; i++) x[i] = i % 2 ? -INFINITY : NAN;
            float best = -INFINITY;
            for (uint32_t i = 0; i < n; i++)
                if (x[i] > best) best = x[i], want = i;
            CHECK_SAID(leaf(x, n) == want, "%s of %u: %u, expected %u", name, n, leaf(x, n), want);
        }
    }
}

static void test_fold(sk_fold_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int turn = 0; turn < 30; turn++) {
            uint32_t n = lengths[l];
            float max = uniform(&state) * 20, max2 = uniform(&state) * 20, sum = 1 + uniform(&state), sum2 = 2.0f;
            if (turn % 5 == 4) max = -INFINITY;
            if (turn % 7 == 6) max2 = max * 9;
            float *a = input(0, n, turn % N_MOODS), *b = input(1, n, turn % N_MOODS);
            float *want = guarded_take(&out[1], n * sizeof *want), wants[2] = {max, sum};
            double shift = fmax(max, max2), s = exp2(max - shift), t = exp2(max2 - shift), was[4];
            for (uint32_t i = 0; i < 4; i++) was[i] = a[i % n];
            memcpy(want, a, n * sizeof *want);
            leaf(&max, &sum, a, max2, sum2, b, n);
            sk_fold_scalar(wants, wants + 1, want, max2, sum2, b, n);
            CHECK_BITS(a, want, n, name);
            CHECK_BITS(&max, wants, 1, name);
            CHECK_BITS(&sum, wants + 1, 1, name);
            CHECK(bits_kept());
            for (uint32_t i = 0; i < 4 && i < n && turn % N_MOODS == CALM; i++)
                CHECK_NEAR(a[i], was[i] * s + b[i] * t, (fabs(was[i] * s) + fabs(b[i] * t)) * 8 * FLT_EPSILON + 1e-37,
                           name);
        }
    }
}

static void test_divide(sk_divide_fn *leaf, const char *name) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int mood = 0; mood < N_MOODS; mood++) {
            uint32_t n = lengths[l];
            float *a = input(0, n, mood), *y = guarded_take(&out[0], n * sizeof *y);
            leaf(y, a, 1.7f, n);
            for (uint32_t i = 0; i < n; i++) {
                float want = a[i] / 1.7f;
                CHECK_BITS(y + i, &want, 1, name);
            }
            CHECK(bits_kept());
        }
    }
}

static void test_hadamard(sk_hadamard_fn *leaf, const char *name) {
    for (uint32_t n_blocks = 1; n_blocks <= 5; n_blocks++) {
        const uint32_t n = 32 * n_blocks;
        float *x = input(0, n, CALM), *y = guarded_take(&out[0], n * sizeof *y), want[160];
        leaf(y, x, 0.25f, n_blocks);
        sk_hadamard_scalar(want, x, 0.25f, n_blocks);
        CHECK_BITS(y, want, n, name);
        for (uint32_t i = 0; i < n; i++) {
            double sum = 0, size = 0;
            for (uint32_t j = 0; j < 32; j++) {
                const double term = x[i / 32 * 32 + j] * 0.25;
                sum += __builtin_parity(i % 32 & j) ? -term : term, size += fabs(term);
            }
            CHECK_SAID(fabs(sum - want[i]) <= size * 5 * 0x1p-24, "%s: element %u is %g, exactly %g", name, i,
                       (double)want[i], sum);
        }
        leaf(x, x, 0.25f, n_blocks);
        CHECK_BITS(x, want, n, name);
        CHECK(bits_kept());
    }
}

/* A NaN may keep any payload. */
static bool same_f16(uint16_t a, uint16_t b) { return a == b || ((a & 0x7fff) > 0x7c00 && (b & 0x7fff) > 0x7c00); }

static void check_store(sk_store_fn *leaf, uint32_t stride, bool half, const char *name) {
    size_t size = half ? 2 : 4;
    for (uint32_t n = 1; n < 70; n++) {
        for (int mood = 0; mood < N_MOODS; mood++) {
            float *x = input(0, n, mood);
            for (uint32_t i = 0; i < n; i++) /* around the bounds of f16 too */
                if (mood == WILD && i % 3 == 0)
                    x[i] = sk_float((0x33000000u + (uint32_t)(next_random(&state) % 0x15000000u)) | (i & 1u) << 31);
            size_t bytes = ((size_t)(n - 1) * stride + 1) * size;
            char *to = guarded_take(&out[0], bytes);
            leaf(to, x, n);
            for (size_t i = 0; i < (size_t)(n - 1) * stride + 1; i++) {
                float f;
                uint16_t h;
                if (i % stride) {
                    CHECK_SAID(to[i * size] == (char)CANARY, "%s wrote between its elements", name);
                } else if (half) {
                    memcpy(&h, to + i * size, 2);
                    CHECK_SAID(same_f16(h, sk_to_f16(x[i / stride])), "%s: %a became %04x", name, (double)x[i / stride],
                               h);
                } else {
                    memcpy(&f, to + i * size, 4);
                    CHECK_BITS(&f, x + i / stride, 1, name);
                }
            }
            CHECK(bits_kept());
        }
    }
}
static void test_store_k_f32(sk_store_fn *leaf, const char *name) { check_store(leaf, SK_PAGE, false, name); }
static void test_store_k_f16(sk_store_fn *leaf, const char *name) { check_store(leaf, SK_PAGE, true, name); }
static void test_store_v_f32(sk_store_fn *leaf, const char *name) { check_store(leaf, 1, false, name); }
static void test_store_v_f16(sk_store_fn *leaf, const char *name) { check_store(leaf, 1, true, name); }

/* gates.c looks at these */
static void test_soft_cap(sk_soft_cap_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_silu(sk_gate_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_gelu_tanh(sk_gate_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_gelu(sk_gate_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_relu(sk_gate_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_sigmoid(sk_gate_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_swiglu_clamped(sk_gate_fn *leaf, const char *name) { (void)leaf, (void)name; }
/* matmul.c looks at this, attend.c and delta.c at the others */
static void test_expanded(sk_expanded_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_attend(sk_attend_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_convolve(sk_convolve_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_unit_norm(sk_unit_norm_fn *leaf, const char *name) { (void)leaf, (void)name; }
static void test_delta(sk_delta_fn *leaf, const char *name) { (void)leaf, (void)name; }

/* A fold into nothing shows 2^x of a level as its sum, and SiLU shows e^x: every polynomial at many arguments. */
static void test_sweep(const sk_kernels *k, const char *name) {
    float nothing = 0, zero = 0;
    for (int i = 0; i < 400000; i++) {
        float x = (uniform(&state) - 1) * 63.5f, max = 0, sum = 0, want = sk_exp2(x);
        k->fold(&max, &sum, &nothing, x, 1.0f, &zero, 1);
        CHECK_BITS(&sum, &want, 1, name);
    }
    for (int i = 0; i < 4000; i++) {
        float gate[64], got[64], want[64];
        for (int j = 0; j < 64; j++) gate[j] = uniform(&state) * 100;
        k->silu(got, gate, NULL, 64);
        sk_silu_scalar(want, gate, NULL, 64);
        CHECK_BITS(got, want, 64, name);
    }
}

/* exp2 and exp themselves, against libm. */
static void test_exponentials(void) {
    for (int i = 0; i < 200000; i++) {
        float x = uniform(&state) * 140.0f, y = x * 0.68f;
        if (x >= -126.0f && x < 127.9f) CHECK_NEAR(sk_exp2(x), exp2((double)x), exp2((double)x) * 1.5e-7, "sk_exp2");
        if (y >= -87.0f && y < 88.7f) CHECK_NEAR(sk_exp(y), exp((double)y), exp((double)y) * 1.6e-7, "sk_exp");
    }
}

static void test_dispatch(void) {
    static const char *const names[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm"};
    CHECK_EQUAL(sk_cpu_level("scalar"), 0);
    CHECK_EQUAL(sk_cpu_level("mmx"), -1);
    CHECK_EQUAL(sk_cpu_level(""), sk_cpu_level(NULL));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int32_t level = sk_cpu_level(names[i]);
        if (level < 0) continue;
        CHECK(level <= sk_cpu_level(NULL));
        CHECK(sk_cpu_level_name((uint32_t)level) != NULL);
        sk_kernels k, none;
        memset(&k, 0, sizeof k), memset(&none, 0, sizeof none);
        sk_kernels_fill(&k, (uint32_t)level);
        test_sweep(&k, names[i]);
        void (*const *slot)(void) = (void (*const *)(void)) & k.quantize;
        for (size_t s = 0; s < (sizeof k - offsetof(sk_kernels, quantize)) / sizeof *slot; s++) CHECK(slot[s] != NULL);
    }
    CHECK(!sk_cpu_level_includes(SK_LEVEL_AVX512, SK_LEVEL_NEON));
    CHECK(!sk_cpu_level_includes(SK_LEVEL_NEON, SK_LEVEL_AVX2));
    CHECK(!sk_cpu_level_includes(SK_LEVEL_AVX512, SK_LEVEL_AVXVNNI));
    CHECK(sk_cpu_level_includes(SK_LEVEL_AVX512, SK_LEVEL_AVX2));
}

static void test_digest(void) {
    enum { N = 576 };
    float y[2 * N], max = -1.5f, sum = 3.0f;
    sk_q8 q[N / 32];
    uint64_t digest = 1;
    state = 20260101;
    for (int mood = 0; mood < N_MOODS; mood++) {
        float *a = input(0, N, mood), *b = input(1, N, mood), *c = input(2, N, CALM);
        sk_rms_norm_scalar(y, a, c, N, 1e-6f);
        digest = digest_floats(digest, y, N);
        sk_silu_scalar(y, a, b, N);
        digest = digest_floats(digest, y, N);
        sk_rotate_halves_scalar(a, b, N / 2);
        sk_rotate_pairs_scalar(a, c, N / 2);
        digest = digest_floats(digest, a, N);
        sk_fold_scalar(&max, &sum, b, -0.25f, 2.5f, c, N);
        sk_divide_scalar(y, b, sum, N);
        digest = digest_floats(digest, y, N);
        sk_quantize_scalar(q, c, N / 32);
        for (uint32_t i = 0; i < N; i++) y[i] = q[i / 32].d * (float)q[i / 32].q[i % 32] + q[i / 32].d_sum;
        digest = digest_floats(digest, y, N);
    }
    CHECK_DIGEST(digest, 0xea8d98e558979295ull);
    float *a = input(0, N, CALM), *b = input(1, N, CALM), *c = input(2, N, CALM);
    sk_layer_norm_scalar(y, a, b, c, N - 1, 1e-6f);
    sk_layer_norm_scalar(y + N, a, b, NULL, N, 1e-6f);
    CHECK_DIGEST(digest_floats(digest_floats(1, y, N - 1), y + N, N), 0xc86c0061a79d71cbull);
}

static void say(const char *name, double seconds, double bytes) {
    printf("%-28s %8.1f ns %7.1f GB/s\n", name, seconds * 1e9, bytes / seconds * 1e-9);
}

static void bench(void) {
    enum { N = 1536 };
    float *a = input(0, N, CALM), *b = input(1, N, CALM), *c = input(2, N, CALM), max = 0, sum = 1;
    for (uint32_t i = 0; i < N; i++) c[i] = i % 2 ? 0.6f : 0.8f; /* a turn that keeps lengths */
    float *y = guarded_take(&out[0], N * sizeof *y);
    sk_q8 *q = guarded_take(&out[1], N / 32 * sizeof *q);
    int32_t best = sk_cpu_level(NULL);
    double s;
    for (int32_t level = 0; level <= best; level++) {
        const char *name = sk_cpu_level_name((uint32_t)level);
        if (!name || !machine_has((uint32_t)level)) continue;
        sk_kernels k;
        sk_kernels_fill(&k, (uint32_t)level);
        printf("%s, %d elements\n", name, N);
        BEST_SECONDS(s, k.quantize(q, a, N / 32));
        say("quantize", s, N * 4);
        BEST_SECONDS(s, k.rms_norm(y, a, b, N, 1e-5f));
        say("rms_norm", s, N * 12);
        BEST_SECONDS(s, k.layer_norm(y, a, b, b, N, 1e-5f));
        say("layer_norm", s, N * 12);
        BEST_SECONDS(s, k.add(y, a, b, N));
        say("add", s, N * 12);
        BEST_SECONDS(s, k.silu(y, a, b, N));
        say("silu", s, N * 12);
        BEST_SECONDS(s, k.rotate_pairs(y, c, N / 2));
        say("rotate_pairs", s, N * 12);
        BEST_SECONDS(s, k.rotate_halves(y, c, N / 2));
        say("rotate_halves", s, N * 12);
        BEST_SECONDS(s, (void)k.argmax(a, N));
        say("argmax", s, N * 4);
        BEST_SECONDS(s, k.fold(&max, &sum, y, 0.5f, 1.0f, c, 64));
        say("fold of 64", s, 64 * 12);
        BEST_SECONDS(s, k.store_v_f16(y, a, N));
        say("store_v_f16", s, N * 6);
    }
}

int main(int argc, char **argv) {
    for (int i = 0; i < 3; i++) in[i] = guarded_make(MOST * 8);
    for (int i = 0; i < 2; i++) out[i] = guarded_make(128 * SK_PAGE * 4);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        bench();
        return 0;
    }
    test_dispatch();
    test_exponentials();
#define SK_KERNEL(type, slot, level, leaf)                                                                             \
    if (machine_has(SK_LEVEL_##level)) test_##slot(leaf, #leaf);
#define SK_INT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, expand, tile)
#define SK_FLOAT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, tile)
#include "backends/cpu/kernels.def"
#undef SK_KERNEL
#undef SK_INT_MATMUL
#undef SK_FLOAT_MATMUL
    test_digest();
    return sk_checked();
}

/* Every activation and the soft cap at every level of this machine: the bits of the scalar leaf, and the scalar leaf and
 * its transcendental functions against arithmetic in double. With `--bench`: nanoseconds and GB/s of each. */
#define _GNU_SOURCE
#include "kernels/bench.h"

#define MOST 200u
static guarded gates, ups, out[2];
static uint64_t state = 0x853c49e6748fea9bull;

/* ---- what each computes, in double; `wrong` is the bound of its error where `up` is 1 */

typedef struct activation {
    const char *name;
    size_t slot; /* in sk_kernels */
    sk_gate_fn *scalar;
    double (*exact)(double x);
    double (*wrong)(double x);
    double (*factor)(double up);
} activation;

static double silu(double x) { return x / (1 + exp(-x)); }
static double gelu_tanh(double x) { return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double gelu(double x) { return 0.5 * x * erfc(-x * sqrt(0.5)); }
static double relu(double x) { return x < 0 ? 0 : x; }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double swiglu_clamped(double x) { return fmin(x, 7) / (1 + exp(-1.702 * fmin(x, 7))); }

/* The power takes in the roundings of its exponent, times the exponent. Where it is infinite the result is 0. */
static double by_exp(double x, double value, double exponent) {
    return fabs(value) * (4 + 2 * fmax(-exponent, 0)) * FLT_EPSILON + (x < 0 ? 1e-36 : 0);
}
static double silu_wrong(double x) { return fabs(silu(x)) * 4 * FLT_EPSILON + (x < -80 ? 1e-33 : 0); }
static double gelu_tanh_wrong(double x) {
    return by_exp(x, gelu_tanh(x), 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
}
static double gelu_wrong(double x) { return by_exp(x, gelu(x), x < 0 ? -x * x : 0); }
static double relu_wrong(double x) { return (void)x, 0; }
static double sigmoid_wrong(double x) { return fabs(sigmoid(x)) * 4 * FLT_EPSILON + (x < -80 ? 1e-35 : 0); }
static double swiglu_wrong(double x) { return by_exp(x, swiglu_clamped(x), 1.702 * x); }

static double plain(double up) { return up; }
static double clamped(double up) { return 1 + fmin(fmax(up, -7), 7); }

static const activation activations[] = {
    {"silu", offsetof(sk_kernels, silu), sk_silu_scalar, silu, silu_wrong, plain},
    {"gelu_tanh", offsetof(sk_kernels, gelu_tanh), sk_gelu_tanh_scalar, gelu_tanh, gelu_tanh_wrong, plain},
    {"gelu", offsetof(sk_kernels, gelu), sk_gelu_scalar, gelu, gelu_wrong, plain},
    {"relu", offsetof(sk_kernels, relu), sk_relu_scalar, relu, relu_wrong, plain},
    {"sigmoid", offsetof(sk_kernels, sigmoid), sk_sigmoid_scalar, sigmoid, sigmoid_wrong, plain},
    {"swiglu_clamped", offsetof(sk_kernels, swiglu_clamped), sk_swiglu_clamped_scalar, swiglu_clamped, swiglu_wrong,
     clamped},
};
#define N_ACTIVATIONS (sizeof activations / sizeof *activations)

static sk_gate_fn *leaf_of(const sk_kernels *k, const activation *a) {
    return *(sk_gate_fn *const *)(const void *)((const char *)k + a->slot);
}

static float *draw(guarded *g, uint32_t n, int mood, float spread) {
    float *x = guarded_take(g, n * sizeof *x);
    fill_floats(x, n, mood, &state);
    for (uint32_t i = 0; i < n; i++) x[i] *= spread;
    return x;
}

static void check_exact(const activation *a, const float *y, const float *gate, const float *up, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const double f = up ? a->factor(up[i]) : 1, want = a->exact(gate[i]) * f;
        CHECK_NEAR(y[i], want, a->wrong(gate[i]) * fabs(f) + fabs(want) * 2 * FLT_EPSILON, a->name);
    }
}

/* Spreads reach from around nought to where exp begins and ends. */
static void check_gate(sk_gate_fn *leaf, const activation *a) {
    static const float spreads[] = {0.01f, 1.0f, 5.0f, 40.0f};
    for (uint32_t n = 1; n < MOST; n += n < 70 ? 1 : 43)
        for (int turn = 0; turn < 16; turn++) {
            float *gate = draw(&gates, n, turn % N_MOODS, spreads[turn / 4]), *up = draw(&ups, n, turn % N_MOODS, 4);
            float *y = guarded_take(&out[0], n * sizeof *y), *want = guarded_take(&out[1], n * sizeof *want);
            leaf(y, gate, turn & 2 ? NULL : up, n);
            a->scalar(want, gate, turn & 2 ? NULL : up, n);
            CHECK_BITS(y, want, n, a->name);
            CHECK(guarded_whole(&out[0]) && guarded_whole(&gates) && guarded_whole(&ups));
            if (turn % N_MOODS == CALM) check_exact(a, y, gate, turn & 2 ? NULL : up, n);
            leaf(gate, gate, turn & 2 ? NULL : up, n); /* in place */
            CHECK_BITS(gate, want, n, a->name);
        }
}

/* Every polynomial at many arguments. */
static void check_sweep(sk_gate_fn *leaf, const activation *a) {
    float gate[64], got[64], want[64];
    for (int i = 0; i < 8000; i++) {
        for (int j = 0; j < 64; j++) gate[j] = uniform(&state) * (i % 2 ? 100.0f : 12.0f);
        leaf(got, gate, NULL, 64);
        a->scalar(want, gate, NULL, 64);
        CHECK_BITS(got, want, 64, a->name);
        if (leaf == a->scalar) check_exact(a, got, gate, NULL, 64);
    }
}

static void check_soft_cap(sk_soft_cap_fn *leaf) {
    static const float spreads[] = {0.01f, 1.0f, 30.0f, 1e4f};
    for (uint32_t n = 1; n < MOST; n += n < 70 ? 1 : 43)
        for (int turn = 0; turn < 8; turn++) {
            float *x = draw(&gates, n, turn % N_MOODS, spreads[turn / 2]), *y = guarded_take(&out[0], n * sizeof *y);
            float *want = guarded_take(&out[1], n * sizeof *want);
            leaf(y, x, 30.0f, n);
            sk_soft_cap_scalar(want, x, 30.0f, n);
            CHECK_BITS(y, want, n, "soft_cap");
            CHECK(guarded_whole(&out[0]) && guarded_whole(&gates));
            for (uint32_t i = 0; i < n && turn % N_MOODS == CALM; i++)
                CHECK_NEAR(y[i], 30 * tanh((double)x[i] / 30), fabs(30 * tanh((double)x[i] / 30)) * 4 * FLT_EPSILON,
                           "soft_cap");
        }
}

/* tanh and erfc themselves, against libm. */
static void test_functions(void) {
    for (int i = 0; i < 400000; i++) {
        const float x = uniform(&state) * (i % 4 ? 1.3f : 12.0f),
                    a = fabsf(uniform(&state)) * 9.1f; /* normal numbers */
        CHECK_NEAR(sk_tanh(x), tanh((double)x), fabs(tanh((double)x)) * 1.8e-7, "sk_tanh");
        CHECK_NEAR(sk_erfc(a), erfc((double)a), erfc((double)a) * 4.5e-7, "sk_erfc");
    }
    CHECK(sk_tanh(0) == 0 && isnan(sk_tanh(NAN)) && isnan(sk_erfc(NAN)));
    CHECK(sk_tanh(INFINITY) == 1 && sk_tanh(-90.0f) == -1 && sk_erfc(INFINITY) == 0 && sk_erfc(0) == 1);
}

static void test_digest(void) {
    float *gate = draw(&gates, 192, CALM, 4), *up = draw(&ups, 192, CALM, 4), y[192];
    uint64_t digest = 1;
    for (size_t i = 0; i < N_ACTIVATIONS; i++) {
        activations[i].scalar(y, gate, up, 192);
        digest = digest_floats(digest, y, 192);
    }
    sk_soft_cap_scalar(y, gate, 7, 192);
    CHECK_DIGEST(digest_floats(digest, y, 192), 0x1ee2bc6e17c26930ull);
}

static void bench(const sk_kernels *k, const char *level) {
    enum { N = 192 };
    float *gate = draw(&gates, N, CALM, 1), *up = draw(&ups, N, CALM, 1), *y = guarded_take(&out[0], N * sizeof *y);
    double s;
    printf("%s, %d elements\n", level, N);
    for (size_t i = 0; i < N_ACTIVATIONS; i++) {
        sk_gate_fn *leaf = leaf_of(k, &activations[i]);
        BEST_SECONDS(s, leaf(y, gate, up, N));
        printf("%-28s %8.1f ns %7.1f GB/s\n", activations[i].name, s * 1e9, N * 12 / s * 1e-9);
    }
    BEST_SECONDS(s, k->soft_cap(y, gate, 30.0f, N));
    printf("%-28s %8.1f ns %7.1f GB/s\n", "soft_cap", s * 1e9, N * 8 / s * 1e-9);
}

int main(int argc, char **argv) {
    gates = guarded_make(MOST * 4), ups = guarded_make(MOST * 4);
    for (int i = 0; i < 2; i++) out[i] = guarded_make(MOST * 4);
    test_digest();
    for (int32_t level = 0; level <= sk_cpu_level(NULL); level++) {
        if (!sk_cpu_level_name((uint32_t)level) || !machine_has((uint32_t)level)) continue;
        sk_kernels kernels;
        sk_kernels_fill(&kernels, (uint32_t)level);
        if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
            bench(&kernels, sk_cpu_level_name((uint32_t)level));
            continue;
        }
        for (size_t i = 0; i < N_ACTIVATIONS; i++) {
            check_gate(leaf_of(&kernels, &activations[i]), &activations[i]);
            check_sweep(leaf_of(&kernels, &activations[i]), &activations[i]);
        }
        check_soft_cap(kernels.soft_cap);
    }
    if (argc == 1) test_functions();
    return sk_checked();
}

/* What norms and rotations promise whatever their inputs are, at every level of this machine. Rows are multiplied by powers
 * of two or moved by whole numbers, which lose nothing, so that what differs is the kernel's. */
#define _GNU_SOURCE
#include "kernels/bench.h"
#include "base/exact.h"

#define N     200u
#define PAIRS 24u
#define EPS   1e-30f /* of squares of about a million: nothing */

static uint64_t state = 0x94d049bb133111ebull;

/* Whole numbers within +- 1024, so that sums of them are exact. */
static void fill_whole(float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) x[i] = (float)((int32_t)(next_random(&state) % 2049) - 1024);
}

/* rmsnorm(a x) = rmsnorm(x), to the bit for powers of two, with the other sign for a negative one. */
static void test_rms_scales(const sk_kernels *k) {
    static const float factors[] = {0.25f, 2.0f, -64.0f};
    float x[N], scaled[N], w[N], y[N], z[N];
    fill_whole(x, N), fill_floats(w, N, CALM, &state);
    k->rms_norm(y, x, w, N, EPS);
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        for (uint32_t i = 0; i < N; i++) scaled[i] = x[i] * factors[f];
        k->rms_norm(z, scaled, w, N, EPS);
        for (uint32_t i = 0; i < N; i++) z[i] = factors[f] < 0 ? -z[i] : z[i];
        CHECK_BITS(z, y, N, "rms_norm of a row that was scaled");
    }
}

/* layernorm(a x + c) = layernorm(x). The mean of a moved row is rounded as a larger number is: by half a unit of `c`. */
static void test_layer_moves(const sk_kernels *k) {
    float x[N], moved[N], w[N], b[N], y[N], z[N];
    fill_whole(x, N), fill_floats(w, N, CALM, &state), fill_floats(b, N, CALM, &state);
    k->layer_norm(y, x, w, b, N, EPS);
    double square = 0, mean = 0;
    for (uint32_t i = 0; i < N; i++) mean += (double)x[i] / N;
    for (uint32_t i = 0; i < N; i++) square += ((double)x[i] - mean) * ((double)x[i] - mean) / N;
    for (int turn = 0; turn < 4; turn++) {
        const float a = turn & 1 ? 8.0f : 1.0f, c = turn & 2 ? 4096.0f : 0.0f;
        for (uint32_t i = 0; i < N; i++) moved[i] = x[i] * a + c;
        k->layer_norm(z, moved, w, b, N, EPS);
        const double wrong = 2 * FLT_EPSILON * (1024 + (double)(c / a)) / sqrt(square) + 32 * FLT_EPSILON;
        for (uint32_t i = 0; i < N; i++)
            CHECK_NEAR(z[i], y[i], wrong * (4 * fabs((double)w[i]) + fabs((double)b[i])), "layer_norm of a moved row");
    }
}

static void rotate_to(sk_rotate_fn *rotate, float *x, const double *frequency, double position) {
    float angles[2 * PAIRS];
    for (uint32_t i = 0; i < PAIRS; i++) {
        double sine, cosine;
        sk_sin_cos(&sine, &cosine, position * frequency[i]);
        angles[2 * i] = (float)cosine, angles[2 * i + 1] = (float)sine;
    }
    rotate(x, angles, PAIRS);
}

/* q at m and k at n: their product. */
static double product_at(sk_rotate_fn *rotate, const float *q, const float *k, const double *frequency, double m,
                         double n) {
    float turned[2][2 * PAIRS];
    double sum = 0;
    memcpy(turned[0], q, sizeof turned[0]), memcpy(turned[1], k, sizeof turned[1]);
    rotate_to(rotate, turned[0], frequency, m), rotate_to(rotate, turned[1], frequency, n);
    for (uint32_t i = 0; i < 2 * PAIRS; i++) sum += (double)turned[0][i] * (double)turned[1][i];
    return sum;
}

/* q(m) . k(n) depends on m - n alone, and does depend on it. */
static void test_rotation_is_relative(sk_rotate_fn *rotate) {
    double frequency[PAIRS], squares[2] = {0, 0};
    float q[2 * PAIRS], k[2 * PAIRS];
    for (uint32_t i = 0; i < PAIRS; i++) frequency[i] = pow(10000.0, -(double)i / PAIRS);
    fill_floats(q, 2 * PAIRS, CALM, &state), fill_floats(k, 2 * PAIRS, CALM, &state);
    for (uint32_t i = 0; i < 2 * PAIRS; i++)
        squares[0] += (double)q[i] * (double)q[i], squares[1] += (double)k[i] * (double)k[i];
    const double size = sqrt(squares[0] * squares[1]);
    for (uint32_t gap = 0; gap < 9; gap++) {
        const double want = product_at(rotate, q, k, frequency, gap, 0);
        for (double n = 1; n < 200000; n *= 7)
            CHECK_NEAR(product_at(rotate, q, k, frequency, n + gap, n), want, 8 * FLT_EPSILON * size, "q(m) . k(n)");
        if (gap) CHECK(fabs(want - product_at(rotate, q, k, frequency, 0, 0)) > 1e-5 * size);
    }
}

int main(void) {
    static const char *const names[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int32_t level = sk_cpu_level(names[i]);
        sk_kernels k;
        if (level < 0) continue;
        memset(&k, 0, sizeof k);
        sk_kernels_fill(&k, (uint32_t)level);
        for (int turn = 0; turn < 20; turn++) test_rms_scales(&k), test_layer_moves(&k);
        test_rotation_is_relative(k.rotate_pairs), test_rotation_is_relative(k.rotate_halves);
    }
    return sk_checked();
}

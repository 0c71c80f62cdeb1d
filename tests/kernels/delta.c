/* Linear attention: every leaf has the bits of the scalar leaf however a chunk is cut, and the scalar leaf is near the
 * plain recurrence in double, for the additive form, the delta rule and the gated delta rule. `--bench`: GFLOPS of each. */
#define _GNU_SOURCE
#include "kernels/bench.h"

static uint64_t state = 0x2545f4914f6cdd1dull;

typedef struct mode {
    const char *name;
    bool corrects, decays, has_beta;
} mode;

static const mode modes[] = {{"additive", false, false, false},
                             {"additive, decaying", false, true, true},
                             {"delta rule", true, false, true},
                             {"gated delta rule", true, true, true}};
#define N_MODES (sizeof modes / sizeof *modes)

/* dim_v columns from `column` on of a head of `stride`. */
typedef struct shape {
    uint32_t dim_k, dim_v, stride, column;
} shape;

static const shape shapes[] = {{128, 128, 128, 0}, {16, 16, 16, 0},   {32, 48, 48, 0},
                               {64, 80, 80, 0},    {48, 144, 144, 0}, {128, 32, 128, 96}};
#define N_SHAPES (sizeof shapes / sizeof *shapes)
#define MOST     128u
#define WIDEST   144u
#define LENGTH   71u

/* A sequence from position 0 on, and what comes of it. */
typedef struct sequence {
    float k[LENGTH][MOST], q[LENGTH][MOST], v[LENGTH][WIDEST], decay[LENGTH], beta[LENGTH];
    float out[LENGTH][WIDEST];
    float state[MOST * WIDEST]; /* at the last grid line */
} sequence;

static void make(sequence *s, const shape *d) {
    for (uint32_t t = 0; t < LENGTH; t++) {
        fill_floats(s->k[t], MOST, CALM, &state);
        fill_floats(s->q[t], MOST, CALM, &state);
        fill_floats(s->v[t], WIDEST, CALM, &state);
        sk_unit_norm_scalar(s->k[t], s->k[t], d->dim_k, 1e-6f, 1.0f);
        sk_unit_norm_scalar(s->q[t], s->q[t], d->dim_k, 1e-6f, 1.0f);
        s->decay[t] = t % 11 == 3 ? 0.0f : 1.0f - 0.2f * fabsf(uniform(&state));
        s->beta[t] = fabsf(uniform(&state));
    }
}

/* What a slot holds between calls; rows and room end at an unreadable page. */
static guarded keys, outs, steps, rooms;
static float kept_keys[SK_GRID][MOST], kept_u[SK_GRID * WIDEST], kept_decay[SK_GRID];

/* Bytes of the state that calls took from where it is kept and wrote back, and what a recurrence would have moved for the
 * same rows, both ways for each; of whole chunks behind the first one, which has no state to read. */
static uint64_t state_bytes, recurrent_bytes;

/* Rows [first, first + n) of one chunk. */
static void run_part(sk_delta_fn *leaf, sequence *s, const shape *d, const mode *m, uint32_t first, uint32_t n) {
    const uint32_t begin = first % SK_GRID, end = begin + n;
    float *k = guarded_take(&keys, (size_t)(end + n) * d->dim_k * sizeof *k);
    float *out = guarded_take(&outs, (size_t)n * d->dim_v * sizeof *out);
    float *u = guarded_take(&steps, ((size_t)(end - 1) * d->stride + d->column + d->dim_v) * sizeof *u);
    sk_delta_chunk c = {.first = begin, .end = end, .dim_k = d->dim_k, .dim_v = d->dim_v, .corrects = m->corrects};
    c.room = guarded_take(&rooms, (size_t)2 * SK_GRID * (d->dim_k > d->dim_v ? d->dim_k : d->dim_v) * sizeof *c.room);
    c.k = k, c.stride = d->stride, c.u = u + d->column;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(kept_keys[begin + i], s->k[first + i], sizeof *kept_keys);
        memcpy(k + (size_t)(end + i) * d->dim_k, s->q[first + i], d->dim_k * sizeof *k);
        kept_decay[begin + i] = s->decay[first + i];
        c.v[i] = s->v[first + i] + d->column;
        c.out[i] = out + (size_t)i * d->dim_v;
    }
    for (uint32_t i = 0; i < end; i++) memcpy(k + (size_t)i * d->dim_k, kept_keys[i], d->dim_k * sizeof *k);
    for (uint32_t i = 0; i < begin; i++)
        memcpy(c.u + i * d->stride, kept_u + i * d->stride + d->column, d->dim_v * sizeof *u);
    if (m->decays) c.decay = kept_decay;
    if (m->has_beta) c.beta = s->beta + first;
    if (first >= SK_GRID) c.state = s->state + d->column;
    if (end == SK_GRID) c.next = s->state + d->column;
    leaf(&c);
    if (c.state && first < LENGTH / SK_GRID * SK_GRID) {
        const uint64_t bytes = (uint64_t)d->dim_k * d->dim_v * sizeof(float);
        state_bytes += (1 + (c.next != NULL)) * bytes, recurrent_bytes += 2 * n * bytes;
    }
    for (uint32_t i = 0; i < n; i++) memcpy(s->out[first + i], c.out[i], d->dim_v * sizeof *out);
    for (uint32_t i = begin; i < end; i++)
        memcpy(kept_u + i * d->stride + d->column, c.u + i * d->stride, d->dim_v * sizeof *u);
    CHECK(guarded_whole(&keys) && guarded_whole(&outs) && guarded_whole(&rooms));
}

/* In parts of at most `step` rows, 0: of any length. */
static void run(sk_delta_fn *leaf, sequence *s, const shape *d, const mode *m, uint32_t step) {
    for (uint32_t first = 0, n; first < LENGTH; first += n) {
        n = step ? step : 1 + (uint32_t)(next_random(&state) % SK_GRID);
        if (n > SK_GRID - first % SK_GRID) n = SK_GRID - first % SK_GRID;
        if (n > LENGTH - first) n = LENGTH - first;
        run_part(leaf, s, d, m, first, n);
    }
}

/* One column by the recurrence: S = decay S + k beta (v - k S), out = q S. The error of S grows by what a row rounds,
 * for no row makes it larger: keys have length 1, decays and betas are at most 1. */
static void check_column(const sequence *s, const shape *d, const mode *m, uint32_t column) {
    double line[MOST] = {0}, error = 0, said = 0, in_chunk = 0;
    const double rounds = (d->dim_k + 2.0 * SK_GRID + 8) * FLT_EPSILON;
    for (uint32_t t = 0; t < LENGTH; t++) {
        double of_key = 0, of_query = 0, sum = 0, size = 0;
        if (t % SK_GRID == 0) said = in_chunk = 0;
        for (uint32_t i = 0; i < d->dim_k; i++) {
            if (m->decays) line[i] *= (double)s->decay[t];
            of_key += (double)s->k[t][i] * line[i];
            said = fmax(said, fabs(line[i]) * sqrt(d->dim_k));
        }
        const double v = s->v[t][d->column + column], beta = m->has_beta ? (double)s->beta[t] : 1;
        const double u = beta * (v - (m->corrects ? of_key : 0));
        in_chunk += fabs(u);
        error += rounds * (fabs(v) + said + in_chunk);
        for (uint32_t i = 0; i < d->dim_k; i++) {
            line[i] += u * (double)s->k[t][i];
            of_query += (double)s->q[t][i] * line[i];
            sum += line[i] * line[i];
        }
        size = sqrt(sum);
        CHECK_NEAR(s->out[t][column], of_query, error + rounds * (size + said + in_chunk), m->name);
    }
}

static void test_mode(sk_delta_fn *leaf, const shape *d, const mode *m) {
    static sequence whole, cut;
    static float before[MOST * WIDEST];
    make(&whole, d);
    cut = whole;
    run(sk_delta_scalar, &whole, d, m, SK_GRID);
    memcpy(before, whole.state, sizeof before);
    for (uint32_t step = 0; step <= SK_GRID; step = step < 3 ? step + 1 : step < 7 ? 7 : step + 9) {
        memset(cut.out, 0xff, sizeof cut.out), memset(kept_u, 0xff, sizeof kept_u);
        run(leaf, &cut, d, m, step);
        for (uint32_t t = 0; t < LENGTH; t++) CHECK_BITS(cut.out[t], whole.out[t], d->dim_v, m->name);
        for (uint32_t i = 0; i < d->dim_k; i++)
            CHECK_BITS(cut.state + i * d->stride + d->column, before + i * d->stride + d->column, d->dim_v, m->name);
    }
    for (uint32_t column = 0; column < d->dim_v && leaf == sk_delta_scalar; column++)
        check_column(&whole, d, m, column);
}

static void test_delta(sk_delta_fn *leaf) {
    for (size_t i = 0; i < N_SHAPES; i++)
        for (size_t j = 0; j < N_MODES; j++) test_mode(leaf, &shapes[i], &modes[j]);
}

static void test_unit_norm(sk_unit_norm_fn *leaf) {
    for (uint32_t n = 1; n < 200; n += n < 40 ? 1 : 31) {
        for (int turn = 0; turn < 8 * N_MOODS; turn++) {
            float *x = guarded_take(&keys, n * sizeof *x), *y = guarded_take(&outs, n * sizeof *y);
            float *want = guarded_take(&steps, n * sizeof *want);
            double sum = 0;
            fill_floats(x, n, turn % N_MOODS, &state);
            leaf(y, x, n, 1e-6f, 0.25f);
            sk_unit_norm_scalar(want, x, n, 1e-6f, 0.25f);
            CHECK_BITS(y, want, n, "unit norm");
            for (uint32_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
            for (uint32_t i = 0; i < n && turn % N_MOODS == CALM; i++) {
                const double exact = x[i] / sqrt(sum + (double)1e-6f) / 4;
                CHECK_NEAR(y[i], exact, fabs(exact) * (n / 16.0 + 12) * FLT_EPSILON, "unit norm");
            }
            leaf(x, x, n, 1e-6f, 0.25f); /* in place */
            CHECK_BITS(x, want, n, "unit norm");
            CHECK(guarded_whole(&outs) && guarded_whole(&keys));
        }
    }
}

static void test_convolve(sk_convolve_fn *leaf) {
    for (uint32_t n = 16; n <= 80; n += 16) {
        for (uint32_t turn = 0; turn < 16 * N_MOODS; turn++) {
            float *w = guarded_take(&keys, SK_TAPS * n * sizeof *w), *x = guarded_take(&steps, SK_TAPS * n * sizeof *x);
            float *y = guarded_take(&outs, n * sizeof *y), *want = guarded_take(&rooms, n * sizeof *want);
            const float *taps[SK_TAPS];
            fill_floats(w, SK_TAPS * n, CALM, &state);
            fill_floats(x, SK_TAPS * n, (int)turn % N_MOODS, &state);
            for (uint32_t t = 0; t < SK_TAPS; t++) taps[t] = turn / N_MOODS >> t & 1 ? NULL : x + t * n;
            leaf(y, taps, w, n);
            sk_convolve_scalar(want, taps, w, n);
            CHECK_BITS(y, want, n, "convolve");
            CHECK(guarded_whole(&outs));
            for (uint32_t c = 0; c < n && turn % N_MOODS == CALM; c++) {
                double sum = 0, size = 0;
                for (uint32_t t = 0; t < SK_TAPS; t++)
                    if (taps[t])
                        sum += (double)w[4 * c + t] * taps[t][c], size += fabs((double)w[4 * c + t] * taps[t][c]);
                CHECK_NEAR(y[c], sum / (1 + exp(-sum)), 12 * FLT_EPSILON * (size + 1), "convolve");
            }
        }
    }
}

static void test_softplus(void) {
    for (float x = -80; x < 80; x += 0.0137f) {
        const double exact = log1p(exp(-fabs((double)x))) + (x > 0 ? (double)x : 0);
        CHECK_NEAR(sk_softplus(x), exact, exact * 3 * FLT_EPSILON, "softplus");
        CHECK_NEAR(sk_sigmoid(x), 1 / (1 + exp(-(double)x)), 3 * FLT_EPSILON / (1 + exp(-(double)x)), "sigmoid");
    }
}

/* A chunk in one call moves the state once each way: 2 times for 16 rows instead of 32. Rows one by one must each read all
 * of it, since each has a query of its own, but only the last writes: 17 times. */
static void test_state_bytes(void) {
    static sequence s;
    static const uint32_t cuts[] = {1, 4, SK_GRID}, moved[] = {16 + 1, 4 + 1, 1 + 1};
    make(&s, &shapes[0]);
    for (uint32_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        state_bytes = recurrent_bytes = 0;
        run(sk_delta_scalar, &s, &shapes[0], &modes[3], cuts[i]);
        printf("%2u rows in a call: %.2f times fewer bytes of the state than by recurrence\n", cuts[i],
               (double)recurrent_bytes / (double)state_bytes);
        CHECK_EQUAL(state_bytes * 2 * SK_GRID, recurrent_bytes * moved[i]);
    }
}

static void test_digest(void) {
    static sequence s;
    uint64_t digest = 1;
    state = 20261125;
    for (size_t j = 0; j < N_MODES; j++) {
        make(&s, &shapes[2]);
        run(sk_delta_scalar, &s, &shapes[2], &modes[j], SK_GRID);
        for (uint32_t t = 0; t < LENGTH; t++) digest = digest_floats(digest, s.out[t], shapes[2].dim_v);
    }
    for (float x = -90; x < 90; x += 0.37f) {
        const float both[2] = {sk_softplus(x), sk_sigmoid(x)};
        digest = digest_floats(digest, both, 2);
    }
    CHECK_DIGEST(digest, 0xb8eeffbca205f9eaull);
}

/* A row alone reads the state; sixteen read it once and write it once. */
static void bench(const roofs *roof) {
    static sequence s;
    make(&s, &shapes[0]);
    for (int32_t level = 0; level <= sk_cpu_level(NULL); level++) {
        if (!sk_cpu_level_name((uint32_t)level) || !machine_has((uint32_t)level)) continue;
        sk_kernels kernels;
        sk_kernels_fill(&kernels, (uint32_t)level);
        for (uint32_t n = 1; n <= SK_GRID; n *= 4) {
            double seconds;
            char name[64];
            const uint32_t first = SK_GRID + (n < SK_GRID ? 8 : 0);
            BEST_SECONDS(seconds, run_part(kernels.delta, &s, &shapes[0], &modes[3], first, n));
            snprintf(name, sizeof name, "delta_128/%s", sk_cpu_level_name((uint32_t)level));
            print_speed(name, n, 8.0 * n * 128 * 128, (n < SK_GRID ? 1 : 2) * 128 * 128 * 4.0, seconds, false, roof);
        }
    }
}

int main(int argc, char **argv) {
    keys = guarded_make(2 * SK_GRID * MOST * 4);
    outs = guarded_make(SK_GRID * WIDEST * 4);
    steps = guarded_make(SK_GRID * WIDEST * 4);
    rooms = guarded_make(2 * SK_GRID * WIDEST * 4);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        roof_memory memory;
        if (!roof_memory_open(&memory)) return 1;
        roofs roof = roofs_measure(&memory, 1);
        roof_memory_close(&memory);
        bench(&roof);
        return 0;
    }
    for (int32_t level = 0; level <= sk_cpu_level(NULL); level++) {
        if (!sk_cpu_level_name((uint32_t)level) || !machine_has((uint32_t)level)) continue;
        sk_kernels kernels;
        sk_kernels_fill(&kernels, (uint32_t)level);
        test_delta(kernels.delta);
        test_unit_norm(kernels.unit_norm);
        test_convolve(kernels.convolve);
    }
    test_softplus();
    test_state_bytes();
    test_digest();
    return sk_checked();
}

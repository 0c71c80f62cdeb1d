/* Attention over one block of keys: every leaf has the bits of the scalar leaf, whatever invisible keys hold, and the
 * scalar leaf is near arithmetic in double. `--bench` prints GOPS and shares of the roofs for the
 * shapes that models have, a line of JSON each. */
#define _GNU_SOURCE
#include "kernels/bench.h"

static uint64_t state = 0x9e3779b97f4a7c15ull;
static guarded queries, keys, values, results[2], rooms[2];

typedef struct shape {
    uint32_t rows, dim_k, dim_v;
} shape;

static void put(void *to, size_t at, float x, bool half) {
    if (half) ((uint16_t *)to)[at] = sk_to_f16(x);
    else ((float *)to)[at] = x;
}

static float get(const void *from, size_t at, bool half) {
    return half ? sk_from_f16(((const uint16_t *)from)[at]) : ((const float *)from)[at];
}

/* One block with visible ranges of a kind: 0 everything, 1 causal, 2 window, 3 anything. */
static void make_block(sk_attend_block *a, shape s, int kind, bool half) {
    uint32_t size = half ? 2 : 4, base = (uint32_t)(next_random(&state) % SK_PAGE);
    float *q = guarded_take(&queries, (size_t)s.rows * s.dim_k * sizeof *q);
    void *k = guarded_take(&keys, (size_t)s.dim_k * SK_PAGE * size);
    void *v = guarded_take(&values, (size_t)SK_PAGE * s.dim_v * size);
    *a = (sk_attend_block){.n_rows = s.rows, .dim_k = s.dim_k, .dim_v = s.dim_v, .k = k, .v = v};
    fill_floats(q, (size_t)s.rows * s.dim_k, CALM, &state);
    bool seen[SK_PAGE] = {false};
    for (uint32_t r = 0; r < s.rows; r++) {
        uint32_t x = (uint32_t)(next_random(&state) % SK_PAGE), y = (uint32_t)(next_random(&state) % SK_PAGE);
        a->q[r] = q + (size_t)r * s.dim_k;
        a->begin[r] = kind == 2 ? (base + r / 3) / 2 : kind == 3 ? (x < y ? x : y) : 0;
        a->end[r] = kind == 0 ? SK_PAGE : kind == 3 ? (x < y ? y : x) + 1 : base + r / 3 + 1;
        if (a->end[r] > SK_PAGE) a->end[r] = SK_PAGE;
        if (a->begin[r] >= a->end[r]) a->begin[r] = a->end[r] - 1;
        for (uint32_t i = a->begin[r]; i < a->end[r]; i++) seen[i] = true;
    }
    for (uint32_t i = 0; i < SK_PAGE; i++) {
        for (uint32_t d = 0; d < s.dim_k; d++)
            put(k, (size_t)d * SK_PAGE + i, seen[i] ? uniform(&state) : d % 2 ? NAN : INFINITY, half);
        for (uint32_t d = 0; d < s.dim_v; d++)
            put(v, (size_t)i * s.dim_v + d, seen[i] ? uniform(&state) : d % 2 ? NAN : -INFINITY, half);
    }
}

static void check_row(const sk_attend_block *a, uint32_t r, bool half, const char *name) {
    double score[SK_PAGE], max = -INFINITY, sum = 0, size = 0;
    for (uint32_t i = a->begin[r]; i < a->end[r]; i++) {
        double magnitude = 0;
        score[i] = 0;
        for (uint32_t d = 0; d < a->dim_k; d++) {
            double product = (double)a->q[r][d] * get(a->k, (size_t)d * SK_PAGE + i, half);
            score[i] += product, magnitude += fabs(product);
        }
        max = fmax(max, score[i]), size = fmax(size, magnitude);
    }
    double wrong = size * a->dim_k * FLT_EPSILON; /* of a score, so of a weight as a factor */
    CHECK_NEAR(a->max[r], max, wrong, name);
    for (uint32_t i = a->begin[r]; i < a->end[r]; i++) sum += score[i] = exp2(score[i] - max);
    CHECK_NEAR(a->sum[r], sum, sum * (3 * wrong + 20 * FLT_EPSILON), name);
    for (uint32_t j = 0; j < a->dim_v; j++) {
        double want = 0, magnitude = 0;
        for (uint32_t i = a->begin[r]; i < a->end[r]; i++) {
            double product = score[i] * get(a->v, (size_t)i * a->dim_v + j, half);
            want += product, magnitude += fabs(product);
        }
        CHECK_NEAR(a->out[(size_t)r * a->dim_v + j], want, magnitude * (3 * wrong + 140 * FLT_EPSILON), name);
    }
}

/* max, sum and out of all rows in one buffer that is guarded as a whole. */
static float *run(sk_attend_fn *leaf, sk_attend_block *a, guarded *to) {
    float *all = guarded_take(to, ((size_t)a->dim_v + 2) * a->n_rows * sizeof *all);
    const size_t dim = a->dim_k > a->dim_v ? a->dim_k : a->dim_v;
    a->max = all, a->sum = all + a->n_rows, a->out = all + 2 * a->n_rows;
    a->score = guarded_take(&rooms[0], (size_t)a->n_rows * SK_PAGE * sizeof *a->score);
    a->wide = guarded_take(&rooms[1], SK_PAGE * (dim > 16 ? dim : 16) * sizeof *a->wide);
    a->next = a->k;
    leaf(a);
    CHECK(guarded_whole(to) && guarded_whole(&rooms[0]) && guarded_whole(&rooms[1]));
    return all;
}

static void check_attend(sk_attend_fn *leaf, sk_attend_fn *scalar, bool half, const char *name) {
    static const shape shapes[] = {{1, 64, 64}, {2, 64, 64}, {3, 64, 64},  {4, 80, 80},   {5, 33, 17},   {6, 128, 128},
                                   {7, 16, 5},  {9, 96, 40}, {48, 64, 64}, {15, 72, 256}, {3, 256, 256}, {1, 1, 1}};
    for (size_t i = 0; i < 4 * sizeof shapes / sizeof *shapes; i++) {
        for (int turn = 0; turn < 4; turn++) {
            sk_attend_block a;
            make_block(&a, shapes[i / 4], (int)(i % 4), half);
            size_t n = ((size_t)a.dim_v + 2) * a.n_rows;
            for (uint32_t r = 0; r < a.n_rows && turn == 3; r++) /* scores that vanish, to zeros of either sign */
                for (uint32_t d = 0; d < a.dim_k; d++) ((float *)queries.end)[-1 - (int)(r * a.dim_k + d)] = 0x1p-149f;
            float *want = run(scalar, &a, &results[1]), *got = run(leaf, &a, &results[0]);
            CHECK_BITS(got, want, n, name);
            for (uint32_t r = 0; r < a.n_rows && leaf == scalar && turn == 0; r++) check_row(&a, r, half, name);
        }
    }
}

/* A row alone gives what it gives among others: batch and chunk cannot be seen in the result. */
static void check_alone(sk_attend_fn *leaf, bool half, const char *name) {
    sk_attend_block a, one;
    make_block(&a, (shape){16, 64, 64}, 3, half);
    float *all = run(leaf, &a, &results[0]);
    for (uint32_t r = 0; r < a.n_rows; r++) {
        one = a;
        one.n_rows = 1, one.q[0] = a.q[r], one.begin[0] = a.begin[r], one.end[0] = a.end[r];
        float *got = run(leaf, &one, &results[1]);
        CHECK_BITS(got, all + r, 1, name);
        CHECK_BITS(got + 1, all + a.n_rows + r, 1, name);
        CHECK_BITS(got + 2, all + 2 * a.n_rows + (size_t)r * 64, 64, name);
    }
}

static void test_attend_f32(sk_attend_fn *leaf, const char *name) {
    check_attend(leaf, sk_attend_f32_scalar, false, name);
    check_alone(leaf, false, name);
}
static void test_attend_f16(sk_attend_fn *leaf, const char *name) {
    check_attend(leaf, sk_attend_f16_scalar, true, name);
    check_alone(leaf, true, name);
}

static void test_digest(void) {
    uint64_t digest = 1;
    state = 20260101;
    for (int kind = 0; kind < 4; kind++) {
        sk_attend_block a;
        make_block(&a, (shape){7, 80, 64}, kind, false);
        digest = digest_floats(digest, run(sk_attend_f32_scalar, &a, &results[0]), 7 * 66);
        make_block(&a, (shape){5, 64, 33}, kind, true);
        digest = digest_floats(digest, run(sk_attend_f16_scalar, &a, &results[0]), 5 * 35);
    }
    CHECK_DIGEST(digest, 0x7955387595426bd5ull);
}

static void bench(const roofs *roof) {
    static const shape shapes[] = {{1, 64, 64}, {3, 64, 64}, {48, 64, 64}, {16, 128, 128}, {4, 256, 256}};
    for (int32_t level = 0; level <= sk_cpu_level(NULL); level++) {
        if (!sk_cpu_level_name((uint32_t)level) || !machine_has((uint32_t)level)) continue;
        sk_kernels kernels;
        sk_kernels_fill(&kernels, (uint32_t)level);
        for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
            bool half = i % 2;
            sk_attend_block a;
            make_block(&a, shapes[i / 2], 0, half);
            sk_attend_fn *leaf = half ? kernels.attend_f16 : kernels.attend_f32;
            run(leaf, &a, &results[0]);
            double seconds, flops = 2.0 * SK_PAGE * a.n_rows * (a.dim_k + a.dim_v);
            BEST_SECONDS(seconds, leaf(&a));
            char name[64];
            snprintf(name, sizeof name, "attend_%s_%u/%s", half ? "f16" : "f32", a.dim_k,
                     sk_cpu_level_name((uint32_t)level));
            print_speed(name, a.n_rows, flops, (half ? 2.0 : 4.0) * SK_PAGE * (a.dim_k + a.dim_v), seconds, false, roof);
        }
    }
}

int main(int argc, char **argv) {
    queries = guarded_make(SK_ATTEND_ROWS * 256 * 4);
    keys = guarded_make(256 * SK_PAGE * 4);
    values = guarded_make(256 * SK_PAGE * 4);
    for (int i = 0; i < 2; i++) results[i] = guarded_make(SK_ATTEND_ROWS * 258 * 4);
    rooms[0] = guarded_make(SK_ATTEND_ROWS * SK_PAGE * 4);
    rooms[1] = guarded_make(256 * SK_PAGE * 4);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        roof_memory memory;
        if (!roof_memory_open(&memory)) return 1;
        roofs roof = roofs_measure(&memory, 1);
        roof_memory_close(&memory);
        bench(&roof);
        return 0;
    }
    /* The list names every leaf; a level without one of its own has the leaf below it. */
    for (int32_t level = 0; level <= sk_cpu_level(NULL); level++) {
        if (!sk_cpu_level_name((uint32_t)level) || !machine_has((uint32_t)level)) continue;
        sk_kernels kernels;
        sk_kernels_fill(&kernels, (uint32_t)level);
        test_attend_f32(kernels.attend_f32, sk_cpu_level_name((uint32_t)level));
        test_attend_f16(kernels.attend_f16, sk_cpu_level_name((uint32_t)level));
    }
    test_digest();
    return sk_checked();
}

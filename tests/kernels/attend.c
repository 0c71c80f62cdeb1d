/* Attention over one block of keys: every leaf has the bits of the scalar leaf, whatever invisible keys hold, and the
 * scalar leaf is near arithmetic in double. `--bench` prints GOPS and shares of the roofs for the
 * shapes that models have, a line of JSON each. */
#define _GNU_SOURCE
#include "kernels/bench.h"
#include "backends/cpu/kept.h"

static uint64_t state = 0x9e3779b97f4a7c15ull;
static guarded queries, integers, keys, values, results[2], rooms[3];

#define MOST_DIM 576

typedef struct shape {
    uint32_t rows, dim_k, dim_v;
} shape;

typedef struct kind {
    const char *name;
    skald_dtype k, v;
    bool in_keys; /* values are the first elements of keys */
} kind;

/* Each type as keys and as values, two of unlike types, and each as latents. */
static const kind kinds[] = {{"f32", SKALD_F32, SKALD_F32, false},
                             {"f16", SKALD_F16, SKALD_F16, false},
                             {"bf16", SKALD_BF16, SKALD_BF16, false},
                             {"q8_0", SKALD_Q8_0, SKALD_Q8_0, false},
                             {"q4_0", SKALD_Q4_0, SKALD_Q4_0, false},
                             {"q8_0+f16", SKALD_Q8_0, SKALD_F16, false},
                             {"f32+q4_0", SKALD_F32, SKALD_Q4_0, false},
                             {"latent_f32", SKALD_F32, SKALD_F32, true},
                             {"latent_f16", SKALD_F16, SKALD_F16, true},
                             {"latent_bf16", SKALD_BF16, SKALD_BF16, true},
                             {"latent_q8_0", SKALD_Q8_0, SKALD_Q8_0, true},
                             {"latent_q4_0", SKALD_Q4_0, SKALD_Q4_0, true},
                             {"f8", SKALD_F8_E4M3, SKALD_F8_E4M3, false},
                             {"q4_0+f8", SKALD_Q4_0, SKALD_F8_E4M3, false},
                             {"latent_f8", SKALD_F8_E4M3, SKALD_F8_E4M3, true}};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static bool fits(const kind *t, shape s) {
    if (t->in_keys && s.dim_v > s.dim_k) return false;
    return skald_dtype_bytes(t->k, s.dim_k) && skald_dtype_bytes(t->v, s.dim_v);
}

static void put(void *to, size_t at, float x, skald_dtype type) {
    if (type == SKALD_F32) ((float *)to)[at] = x;
    else if (type == SKALD_F8_E4M3) ((uint8_t *)to)[at] = sk_to_f8_e4m3(x);
    else ((uint16_t *)to)[at] = type == SKALD_F16 ? sk_to_f16(x) : sk_to_bf16(x);
}

static float get(const void *from, size_t at, skald_dtype type) {
    if (type == SKALD_F32) return ((const float *)from)[at];
    if (type == SKALD_F8_E4M3) return sk_from_f8_e4m3(((const uint8_t *)from)[at]);
    const uint16_t x = ((const uint16_t *)from)[at];
    return type == SKALD_F16 ? sk_from_f16(x) : sk_from_bf16(x);
}

/* Any bytes are integers; Q8_0 never has -128. Scales of either sign, those of Q8_0 too. */
static void fill_token(void *kept, skald_dtype type, bool is_key, uint32_t dim, uint32_t key, bool seen, float wrong) {
    for (uint32_t i = 0; i < dim; i++) {
        const float x = seen ? uniform(&state) : i % 2 ? NAN : wrong;
        if (!sk_kept_in_blocks(type)) {
            put(kept, is_key ? (size_t)i * SK_PAGE + key : (size_t)key * dim + i, x, type);
            continue;
        }
        uint8_t byte = (uint8_t)next_random(&state);
        if (type == SKALD_Q8_0 && byte == (is_key ? 0 : 128)) byte++;
        ((uint8_t *)kept)[is_key ? sk_kept_key(type, i, key) : sk_kept_value(type, i, key, dim)] = byte;
        uint16_t *scales = (uint16_t *)(void *)((char *)kept + sk_kept_scales(type, dim));
        if (i % SK_BLOCK == 0) scales[i / SK_BLOCK * SK_PAGE + key] = sk_to_f16(x / 64);
    }
}

static double element(const sk_attend_block *a, bool is_key, uint32_t i, uint32_t key) {
    is_key |= !a->v;
    const void *kept = is_key ? a->k : a->v;
    const skald_dtype type = is_key ? a->k_type : a->v_type;
    const uint32_t dim = is_key ? a->dim_k : a->dim_v;
    if (!sk_kept_in_blocks(type)) return get(kept, is_key ? (size_t)i * SK_PAGE + key : (size_t)key * dim + i, type);
    const uint8_t byte = ((const uint8_t *)kept)[is_key ? sk_kept_key(type, i, key) : sk_kept_value(type, i, key, dim)];
    const uint16_t *scales = (const uint16_t *)(const void *)((const char *)kept + sk_kept_scales(type, dim));
    const double d = sk_from_f16(scales[i / SK_BLOCK * SK_PAGE + key]);
    if (type == SKALD_Q4_0) return d * ((i % 32 < 16 ? byte & 15 : byte >> 4) - 8);
    return d * (is_key ? byte - 128 : (int8_t)byte);
}

static double query(const sk_attend_block *a, uint32_t r, uint32_t i) {
    const sk_q8 *q = &a->quantized[r][i / 32];
    return sk_kept_in_blocks(a->k_type) ? (double)q->d * q->q[i % 32] : a->q[r][i];
}

static void quantize_queries(sk_attend_block *a) {
    const uint32_t n_blocks = a->dim_k / SK_BLOCK;
    sk_q8 *to = guarded_take(&integers, (size_t)a->n_rows * n_blocks * sizeof *to);
    for (uint32_t r = 0; r < a->n_rows && n_blocks; r++, to += n_blocks) {
        a->quantized[r] = to;
        sk_quantize_scalar(to, a->q[r], n_blocks);
    }
}

/* One block with visible ranges of a kind: 0 everything, 1 causal, 2 window, 3 anything. */
static void make_block(sk_attend_block *a, shape s, int range, const kind *t) {
    uint32_t base = (uint32_t)(next_random(&state) % SK_PAGE);
    float *q = guarded_take(&queries, (size_t)s.rows * s.dim_k * sizeof *q);
    void *k = guarded_take(&keys, (size_t)(SK_PAGE * skald_dtype_bytes(t->k, s.dim_k)));
    void *v = guarded_take(&values, (size_t)(SK_PAGE * skald_dtype_bytes(t->v, s.dim_v)));
    *a = (sk_attend_block){
        .n_rows = s.rows, .dim_k = s.dim_k, .dim_v = s.dim_v, .k = k, .v = v, .k_type = t->k, .v_type = t->v};
    fill_floats(q, (size_t)s.rows * s.dim_k, CALM, &state);
    bool seen[SK_PAGE] = {false};
    for (uint32_t r = 0; r < s.rows; r++) {
        uint32_t x = (uint32_t)(next_random(&state) % SK_PAGE), y = (uint32_t)(next_random(&state) % SK_PAGE);
        a->q[r] = q + (size_t)r * s.dim_k;
        a->begin[r] = range == 2 ? (base + r / 3) / 2 : range == 3 ? (x < y ? x : y) : 0;
        a->end[r] = range == 0 ? SK_PAGE : range == 3 ? (x < y ? y : x) + 1 : base + r / 3 + 1;
        if (a->end[r] > SK_PAGE) a->end[r] = SK_PAGE;
        if (a->begin[r] >= a->end[r]) a->begin[r] = a->end[r] - 1;
        for (uint32_t i = a->begin[r]; i < a->end[r]; i++) seen[i] = true;
    }
    for (uint32_t i = 0; i < SK_PAGE; i++) {
        fill_token(k, t->k, true, s.dim_k, i, seen[i], INFINITY);
        fill_token(v, t->v, false, s.dim_v, i, seen[i], -INFINITY);
    }
    if (t->in_keys) a->v = NULL;
    quantize_queries(a);
}

static void check_row(const sk_attend_block *a, uint32_t r, const char *name) {
    double score[SK_PAGE], max = -INFINITY, sum = 0, size = 0;
    for (uint32_t i = a->begin[r]; i < a->end[r]; i++) {
        double magnitude = 0;
        score[i] = 0;
        for (uint32_t d = 0; d < a->dim_k; d++) {
            double product = query(a, r, d) * element(a, true, d, i);
            score[i] += product, magnitude += fabs(product);
        }
        max = fmax(max, score[i]), size = fmax(size, magnitude);
    }
    double wrong = size * a->dim_k * FLT_EPSILON; /* of a score, so of a weight as a factor */
    if (a->cap > 0) {
        for (uint32_t i = a->begin[r]; i < a->end[r]; i++) score[i] = (double)a->cap * tanh(score[i]);
        wrong = (double)a->cap * (wrong + 4 * FLT_EPSILON), max = -INFINITY;
        for (uint32_t i = a->begin[r]; i < a->end[r]; i++) max = fmax(max, score[i]);
    }
    CHECK_NEAR(a->max[r], max, wrong, name);
    for (uint32_t i = a->begin[r]; i < a->end[r]; i++) sum += score[i] = exp2(score[i] - max);
    CHECK_NEAR(a->sum[r], sum, sum * (3 * wrong + 20 * FLT_EPSILON), name);
    for (uint32_t j = 0; j < a->dim_v; j++) {
        double want = 0, magnitude = 0, largest = 0;
        for (uint32_t i = a->begin[r]; i < a->end[r]; i++) {
            double product = score[i] * element(a, false, j, i);
            want += product, magnitude += fabs(product), largest = fmax(largest, score[i]);
        }
        /* a share is at most half of 1 / 32767 of the largest wrong, a scale at most 1/64 here */
        double share = sk_kept_in_blocks(a->v_type) ? largest / 64 * 0.5 / 32767 * 128 * (a->end[r] - a->begin[r]) : 0;
        CHECK_NEAR(a->out[(size_t)r * a->dim_v + j], want, share + magnitude * (3 * wrong + 140 * FLT_EPSILON), name);
    }
}

/* max, sum and out of all rows in one buffer that is guarded as a whole. */
static float *run(sk_attend_fn *leaf, sk_attend_block *a, guarded *to) {
    float *all = guarded_take(to, ((size_t)a->dim_v + 2) * a->n_rows * sizeof *all);
    const size_t dim = a->dim_k > a->dim_v ? a->dim_k : a->dim_v;
    a->max = all, a->sum = all + a->n_rows, a->out = all + 2 * a->n_rows;
    a->score = guarded_take(&rooms[0], (size_t)a->n_rows * SK_PAGE * sizeof *a->score);
    a->wide = guarded_take(&rooms[1], SK_PAGE * (dim > 16 ? dim : 16) * sizeof *a->wide);
    a->share = guarded_take(&rooms[2], (size_t)a->n_rows * SK_PAGE * sizeof *a->share);
    a->next = a->k;
    leaf(a);
    CHECK(guarded_whole(to) && guarded_whole(&rooms[0]) && guarded_whole(&rooms[1]) && guarded_whole(&rooms[2]));
    return all;
}

static void check_attend(sk_attend_fn *leaf, const kind *t) {
    static const shape shapes[] = {{1, 64, 64}, {2, 64, 64}, {3, 64, 64},  {4, 80, 80},   {5, 33, 17},   {6, 128, 128},
                                   {7, 16, 5},  {9, 96, 32}, {48, 64, 64}, {15, 72, 256}, {3, 256, 256}, {1, 1, 1},
                                   {9, 96, 40}, {5, 32, 96}, {48, 96, 64}, {7, 576, 512}};
    for (size_t i = 0; i < 4 * sizeof shapes / sizeof *shapes; i++) {
        for (int turn = 0; turn < 4 && fits(t, shapes[i / 4]); turn++) {
            sk_attend_block a;
            make_block(&a, shapes[i / 4], (int)(i % 4), t);
            size_t n = ((size_t)a.dim_v + 2) * a.n_rows;
            for (uint32_t r = 0; r < a.n_rows && turn == 3; r++) /* scores that vanish, to zeros of either sign */
                for (uint32_t d = 0; d < a.dim_k; d++) ((float *)queries.end)[-1 - (int)(r * a.dim_k + d)] = 0x1p-149f;
            quantize_queries(&a);
            a.cap = turn == 1 ? 2.5f : 0;
            float *want = run(sk_attend_scalar, &a, &results[1]), *got = run(leaf, &a, &results[0]);
            CHECK_BITS(got, want, n, t->name);
            for (uint32_t r = 0; r < a.n_rows && leaf == sk_attend_scalar && turn < 2; r++) check_row(&a, r, t->name);
        }
    }
}

/* Values in blocks that hold an infinity: NaN in their own 32 dims of the rows that see them, and nowhere else. */
static void check_infinite(sk_attend_fn *leaf) {
    sk_attend_block a;
    make_block(&a, (shape){7, 64, 64}, 0, &kinds[3]);
    uint16_t *scales = (uint16_t *)(void *)((char *)values.end - 2 * 2 * SK_PAGE);
    scales[SK_PAGE + 100] = sk_to_f16(NAN);
    for (uint32_t r = 0; r < a.n_rows; r++) a.end[r] = 98 + r;
    run(leaf, &a, &results[0]);
    for (uint32_t r = 0; r < a.n_rows; r++)
        for (uint32_t i = 0; i < 64; i++) CHECK(isnan(a.out[r * 64 + i]) == (i >= 32 && r > 2));
}

/* The same of one value that is NaN, in its own dimension: E4M3 has a single word for it. */
static void check_nan(sk_attend_fn *leaf, uint32_t n_rows) {
    sk_attend_block a;
    make_block(&a, (shape){n_rows, 64, 64}, 0, &kinds[12]);
    uint8_t *v = (uint8_t *)values.end - 64 * SK_PAGE;
    v[100 * 64 + 40] = 0xff;
    for (uint32_t r = 0; r < a.n_rows; r++) a.end[r] = 98 + r;
    run(leaf, &a, &results[0]);
    for (uint32_t r = 0; r < a.n_rows; r++)
        for (uint32_t i = 0; i < 64; i++) CHECK(isnan(a.out[r * 64 + i]) == (i == 40 && r > 2));
}

/* A row alone gives what it gives among others: batch and chunk cannot be seen in the result. */
static void check_alone(sk_attend_fn *leaf, const kind *t) {
    sk_attend_block a, one;
    make_block(&a, (shape){16, 64, 64}, 3, t);
    float *all = run(leaf, &a, &results[0]);
    for (uint32_t r = 0; r < a.n_rows; r++) {
        one = a;
        one.n_rows = 1, one.q[0] = a.q[r], one.quantized[0] = a.quantized[r];
        one.begin[0] = a.begin[r], one.end[0] = a.end[r];
        float *got = run(leaf, &one, &results[1]);
        CHECK_BITS(got, all + r, 1, t->name);
        CHECK_BITS(got + 1, all + a.n_rows + r, 1, t->name);
        CHECK_BITS(got + 2, all + 2 * a.n_rows + (size_t)r * 64, 64, t->name);
    }
}

static void test_attend(sk_attend_fn *leaf) {
    for (size_t i = 0; i < N_KINDS; i++) {
        check_attend(leaf, &kinds[i]);
        check_alone(leaf, &kinds[i]);
    }
    check_infinite(leaf);
    check_nan(leaf, 4);
    check_nan(leaf, 24);
}

static void test_digest(void) {
    uint64_t digest = 1;
    state = 20260101;
    for (int range = 0; range < 4; range++) {
        sk_attend_block a;
        make_block(&a, (shape){7, 80, 64}, range, &kinds[0]);
        digest = digest_floats(digest, run(sk_attend_scalar, &a, &results[0]), 7 * 66);
        make_block(&a, (shape){5, 64, 33}, range, &kinds[1]);
        digest = digest_floats(digest, run(sk_attend_scalar, &a, &results[0]), 5 * 35);
    }
    CHECK_DIGEST(digest, 0x7955387595426bd5ull);
    for (size_t i = 2; i < 5; i++) {
        sk_attend_block a;
        make_block(&a, (shape){5, 64, 32}, (int)i % 4, &kinds[i]);
        digest = digest_floats(digest, run(sk_attend_scalar, &a, &results[0]), 5 * 34);
    }
    CHECK_DIGEST(digest, 0xfbc6a08c535906cbull);
    sk_attend_block a;
    make_block(&a, (shape){5, 64, 32}, 1, &kinds[12]);
    CHECK_DIGEST(digest_floats(1, run(sk_attend_scalar, &a, &results[0]), 5 * 34), 0xb9ff0422d363830full);
}

static void bench_shape(const sk_kernels *kernels, shape s, const kind *t, const roofs *roof) {
    sk_attend_block a;
    make_block(&a, s, 0, t);
    run(kernels->attend, &a, &results[0]);
    double seconds, flops = 2.0 * SK_PAGE * a.n_rows * (a.dim_k + a.dim_v);
    BEST_SECONDS(seconds, kernels->attend(&a));
    char name[64];
    snprintf(name, sizeof name, "attend_%s_%u/%s", t->name, a.dim_k, sk_cpu_level_name(kernels->level));
    const uint64_t value = t->in_keys ? 0 : skald_dtype_bytes(t->v, a.dim_v);
    const double bytes = SK_PAGE * (double)(skald_dtype_bytes(t->k, a.dim_k) + value);
    print_speed(name, a.n_rows, flops, bytes, seconds, false, roof);
}

static void bench(const roofs *roof) {
    static const shape heads[] = {{1, 64, 64}, {3, 64, 64}, {48, 64, 64}, {16, 128, 128}, {4, 256, 256}};
    static const shape latents[] = {{16, 576, 512}, {48, 576, 512}};
    for (int32_t level = 0; level <= sk_cpu_level(NULL); level++) {
        if (!sk_cpu_level_name((uint32_t)level) || !machine_has((uint32_t)level)) continue;
        sk_kernels kernels;
        sk_kernels_fill(&kernels, (uint32_t)level);
        for (size_t i = 0; i < 5 * sizeof heads / sizeof *heads; i++)
            bench_shape(&kernels, heads[i / 5], &kinds[i % 5], roof);
        for (size_t i = 0; i < 5 * sizeof latents / sizeof *latents; i++)
            bench_shape(&kernels, latents[i / 5], &kinds[7 + i % 5], roof);
    }
}

int main(int argc, char **argv) {
    queries = guarded_make(SK_ATTEND_ROWS * MOST_DIM * 4);
    keys = guarded_make(MOST_DIM * SK_PAGE * 4);
    values = guarded_make(MOST_DIM * SK_PAGE * 4);
    for (int i = 0; i < 2; i++) results[i] = guarded_make(SK_ATTEND_ROWS * (MOST_DIM + 2) * 4);
    rooms[0] = guarded_make(SK_ATTEND_ROWS * SK_PAGE * 4);
    rooms[1] = guarded_make(MOST_DIM * SK_PAGE * 4);
    rooms[2] = guarded_make(SK_ATTEND_ROWS * SK_PAGE * 2);
    integers = guarded_make(SK_ATTEND_ROWS * (MOST_DIM / SK_BLOCK) * sizeof(sk_q8));
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
        test_attend(kernels.attend);
    }
    test_digest();
    return sk_checked();
}

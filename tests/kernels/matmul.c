/* Every matmul kind of kernels.def at every level of this machine: packing changes no value, tiles have the bits of the
 * scalar kind, and the scalar kind is near arithmetic in double. `--bench [NAME]` prints GOPS, GB/s and shares of
 * the roofs, a line of JSON each, of all kinds or those with NAME in theirs. */
#define _GNU_SOURCE
#include "kernels/bench.h"
#include "dtype/dtype.h"

#define MOST_IN   1024u
#define MOST_ROWS 70u
static uint64_t state = 0x2545f4914f6cdd1dull;
static guarded rows, panels[2], inputs, groups, slices, results[2];
static float widened[SK_PANEL][MOST_IN];

/* Blocks of random bytes whose scales are calm f16 numbers: what a converter would write, or any bytes at all. */
static void fill_rows(uint8_t *to, const sk_dtype *type, size_t n_bytes, int mood) {
    for (size_t i = 0; i < n_bytes; i++) to[i] = (uint8_t)(next_random(&state) >> 40);
    if (mood == WILD || type->kind == SK_DTYPE_FLOAT) return;
    for (size_t i = 1; i < n_bytes; i += 2) to[i] &= 0xbf; /* wherever a scale lies: an exponent below 2^1 */
}

static void fill_float_rows(uint8_t *to, const sk_dtype *type, size_t n, int mood) {
    for (size_t i = 0; i < n; i++) {
        float x = uniform(&state);
        uint16_t h = type->number == SKALD_F16 ? sk_to_f16(x) : sk_to_bf16(x);
        uint8_t any = (uint8_t)(next_random(&state) >> 41);
        if (mood == WILD && i % 9 == 0) fill_floats(&x, 1, WILD, &state), h = (uint16_t)(sk_bits(x) >> 7);
        if (type->bytes == 4) memcpy(to + 4 * i, &x, 4);
        else if (type->bytes == 2) memcpy(to + 2 * i, &h, 2);
        else to[i] = (uint8_t)(mood == WILD ? any : any & 0xb7);
    }
}

static void make_rows(uint8_t *to, const sk_dtype *type, uint32_t n_rows, uint32_t n_in, int mood) {
    uint64_t bytes = skald_dtype_bytes(type->number, n_in);
    if (type->kind == SK_DTYPE_FLOAT) fill_float_rows(to, type, (size_t)n_rows * n_in, mood);
    else fill_rows(to, type, (size_t)(n_rows * bytes), mood);
}

/* What the chain may differ from exact sums: one rounding per step, each at most half a unit of what has been added. */
static void near_exact(float got, const sk_dtype *type, const uint8_t *row, const void *x, uint32_t n_in,
                       const char *name) {
    double want = 0, size = 0, steps = 4;
    if (type->kind == SK_DTYPE_FLOAT) {
        float w[MOST_IN];
        sk_dtype_to_f32(type, w, row, n_in);
        for (uint32_t k = 0; k < n_in; k++) {
            double product = (double)w[k] * ((const float *)x)[k];
            want += product, size += fabs(product), steps++;
        }
    } else {
        sk_int_block w;
        for (uint32_t b = 0; b < n_in / 32; b++) {
            const sk_q8 *a = (const sk_q8 *)x + b;
            type->expand(&w, row, b);
            for (uint32_t h = 0; h < 2; h++, steps += 2) {
                double dot = 0, sum = 0;
                for (uint32_t k = 16 * h; k < 16 * h + 16; k++) dot += w.q[k] * a->q[k], sum += a->q[k];
                dot *= (double)w.d[h] * a->d, sum *= (double)w.m[h] * a->d;
                want += dot - sum, size += fabs(dot) + fabs(sum);
            }
        }
    }
    if (size < 1e37) CHECK_NEAR(got, want, steps * FLT_EPSILON * size + 1e-30, name); /* MXFP4 goes beyond f32 */
}

/* Any rows at any stride; the last ends before the unreadable page. */
static void *make_input(bool integers, uint32_t n_rows, uint32_t n_in, uint32_t extra, int mood) {
    if (!integers) {
        size_t n = (size_t)(n_rows - 1) * (n_in + extra) + n_in;
        float *x = guarded_take(&inputs, n * sizeof *x);
        fill_floats(x, n, mood, &state);
        return x;
    }
    uint32_t blocks = n_in / 32;
    size_t n = (size_t)(n_rows - 1) * (blocks + extra) + blocks;
    sk_q8 *q = guarded_take(&inputs, n * sizeof *q);
    float x[32];
    for (size_t b = 0; b < n; b++) {
        fill_floats(x, 32, mood == WILD && b % 3 == 0 ? WILD : CALM, &state);
        if (b % 5 == 0)
            for (int i = 0; i < 32; i++) x[i] = i % 3 ? 2.0f : -2.0f; /* the largest integers */
        sk_quantize_scalar(q + b, x, 1);
    }
    return q;
}

static void tile(const sk_matmul *kind, float *y, size_t y_stride, const void *panel, const void *x, size_t x_stride,
                 uint32_t n_rows, uint32_t n_in) {
    const sk_ahead ahead = {6144, 1 + n_rows % 3, (const char *)64}; /* nobody may read there, and nobody does */
    if (kind->int_tile) kind->int_tile(y, y_stride, panel, kind->type, x, x_stride, n_rows, n_in, &ahead);
    else kind->float_tile(y, y_stride, panel, kind->type, x, x_stride, n_rows, n_in, &ahead);
}

static void *pack(const sk_matmul *kind, guarded *to, const uint8_t *from, uint64_t row_bytes, uint32_t n_rows,
                  uint32_t n_in) {
    void *panel = guarded_take(to, (size_t)kind->panel_bytes(kind->type, n_in));
    kind->pack(panel, kind->type, from, row_bytes, n_rows, n_in);
    CHECK_SAID(guarded_whole(to), "%s wrote before its panel", kind->name);
    return panel;
}

static void check_unpack(const sk_matmul *kind, const void *panel, uint32_t n_panel_rows, uint32_t n_in) {
    float y[MOST_IN], zero[MOST_IN] = {0};
    for (uint32_t i = 0; i < SK_PANEL; i++) {
        kind->unpack(y, panel, kind->type, i, n_in);
        if (i < n_panel_rows) CHECK_BITS(y, widened[i], n_in, kind->name);
        for (uint32_t k = 0; k < n_in && i >= n_panel_rows; k++) CHECK_SAID(y[k] == zero[k], "%s: no zero", kind->name);
    }
}

static void check_kind(const sk_matmul *kind, uint32_t n_in, uint32_t n_panel_rows, uint32_t n_rows, int mood) {
    const sk_dtype *type = sk_dtype_find(kind->type);
    const sk_matmul *scalar = sk_matmul_find(kind->type, SK_LEVEL_SCALAR);
    const uint64_t row_bytes = skald_dtype_bytes(kind->type, n_in);
    const uint32_t extra = n_in / 32 % 3, stride = 32 + extra;
    uint8_t *from = guarded_take(&rows, (size_t)(n_panel_rows * row_bytes));
    make_rows(from, type, n_panel_rows, n_in, mood);
    for (uint32_t i = 0; i < n_panel_rows; i++) sk_dtype_to_f32(type, widened[i], from + i * row_bytes, n_in);
    void *panel = pack(kind, &panels[0], from, row_bytes, n_panel_rows, n_in);
    void *plain = pack(scalar, &panels[1], from, row_bytes, n_panel_rows, n_in);
    check_unpack(kind, panel, n_panel_rows, n_in);

    const size_t x_stride = (kind->int_tile ? n_in / 32 : n_in) + extra;
    void *x = make_input(kind->int_tile != NULL, n_rows, n_in, extra, mood);
    size_t n = (size_t)(n_rows - 1) * stride + 32;
    float *y = guarded_take(&results[0], n * sizeof *y), *want = guarded_take(&results[1], n * sizeof *want);
    tile(kind, y, stride, panel, x, x_stride, n_rows, n_in);
    tile(scalar, want, stride, plain, x, x_stride, n_rows, n_in);
    CHECK(guarded_whole(&results[0]));
    CHECK_BITS(y, want, n, kind->name); /* what lies between the rows is the canary in both */
    for (uint32_t r = 0; r < n_rows && kind == scalar && mood == CALM; r++) {
        const char *row = kind->int_tile ? (char *)x + r * x_stride * sizeof(sk_q8) : (char *)x + r * x_stride * 4;
        for (uint32_t i = 0; i < n_panel_rows; i += 5)
            near_exact(y[r * stride + i], type, from + i * row_bytes, row, n_in, kind->name);
    }
}

static void test_kind(const sk_matmul *kind) {
    const sk_dtype *type = sk_dtype_find(kind->type);
    const uint32_t step = type->elements > 32 ? type->elements : 32;
    for (uint32_t n_in = step; n_in <= MOST_IN; n_in = n_in < 4 * step ? n_in + step : 2 * n_in)
        for (uint32_t n_rows = 1; n_rows <= SK_TILE_ROWS; n_rows++)
            for (int mood = 0; mood < N_MOODS; mood++)
                check_kind(kind, n_in, n_rows == 2 ? 1 + (uint32_t)(next_random(&state) % 31) : SK_PANEL, n_rows, mood);
    CHECK_EQUAL(sk_matmul_index(kind), sk_matmul_index(sk_matmul_at(sk_matmul_index(kind))));
}

/* All integers the largest or the smallest that a format has, by rows of one sign: sums of 16 bits must not run over. */
static void test_extremes(const sk_matmul *kind) {
    static const uint8_t bytes[] = {0x00, 0x77, 0x80, 0xff};
    const uint32_t n_in = 256, n_blocks = n_in / 32;
    const uint64_t row_bytes = skald_dtype_bytes(kind->type, n_in);
    const sk_matmul *scalar = sk_matmul_find(kind->type, SK_LEVEL_SCALAR);
    uint8_t *from = guarded_take(&rows, (size_t)(SK_PANEL * row_bytes));
    sk_q8 x[256 / 32];
    float ones[256], y[SK_PANEL], want[SK_PANEL];
    for (uint32_t turn = 0; turn < 2 * sizeof bytes; turn++) {
        for (size_t i = 0; i < SK_PANEL * row_bytes; i++) from[i] = bytes[turn / 2] & (i % 2 ? 0xbf : 0xff);
        for (uint32_t k = 0; k < n_in; k++) ones[k] = turn % 2 ? -1.0f : 1.0f;
        sk_quantize_scalar(x, ones, n_blocks);
        void *panel = pack(kind, &panels[0], from, row_bytes, SK_PANEL, n_in);
        void *plain = pack(scalar, &panels[1], from, row_bytes, SK_PANEL, n_in);
        tile(kind, y, SK_PANEL, panel, x, n_blocks, 1, n_in);
        tile(scalar, want, SK_PANEL, plain, x, n_blocks, 1, n_in);
        CHECK_BITS(y, want, SK_PANEL, kind->name);
    }
}

/* The same row alone and among others: no tile size can be seen in the result. */
static void test_alone(const sk_matmul *kind) {
    const sk_dtype *type = sk_dtype_find(kind->type);
    const uint32_t n_in = 512, width = kind->int_tile ? n_in / 32 : n_in;
    uint8_t *from = guarded_take(&rows, (size_t)(SK_PANEL * skald_dtype_bytes(kind->type, n_in)));
    make_rows(from, type, SK_PANEL, n_in, CALM);
    void *panel = pack(kind, &panels[0], from, skald_dtype_bytes(kind->type, n_in), SK_PANEL, n_in);
    char *x = make_input(kind->int_tile != NULL, SK_TILE_ROWS, n_in, 0, CALM);
    float all[SK_TILE_ROWS][32], one[32];
    tile(kind, all[0], 32, panel, x, width, SK_TILE_ROWS, n_in);
    for (uint32_t r = 0; r < SK_TILE_ROWS; r++) {
        tile(kind, one, 32, panel, x + r * width * (kind->int_tile ? sizeof(sk_q8) : 4), width, 1, n_in);
        CHECK_BITS(one, all[r], 32, kind->name);
    }
}

/* Any n_rows by the tile of a few. */
static void all_rows(const sk_matmul *kind, float *y, size_t y_stride, const void *panel, const sk_q8 *x,
                     size_t x_stride, uint32_t n_rows, uint32_t n_in) {
    for (uint32_t r = 0; r < n_rows; r += SK_TILE_ROWS)
        tile(kind, y + r * y_stride, y_stride, panel, x + r * x_stride, x_stride,
             n_rows - r < SK_TILE_ROWS ? n_rows - r : SK_TILE_ROWS, n_in);
}

/* Expanded in slices of `slice` blocks, many rows: the bits of the scalar tile. */
static void check_expanded(const sk_matmul *kind, const sk_kernels *k, uint32_t n_in, uint32_t n_rows, uint32_t slice,
                           int mood) {
    const sk_dtype *type = sk_dtype_find(kind->type);
    const sk_form form = sk_form_of(kind->type, k->level);
    const sk_matmul *scalar = sk_matmul_find(kind->type, SK_LEVEL_SCALAR);
    const uint32_t extra = n_rows % 3, stride = 32 + 16 * extra, n_blocks = n_in / 32;
    const uint64_t row_bytes = skald_dtype_bytes(kind->type, n_in);
    uint8_t *from = guarded_take(&rows, (size_t)(SK_PANEL * row_bytes));
    make_rows(from, type, SK_PANEL, n_in, mood);
    void *panel = pack(kind, &panels[0], from, row_bytes, SK_PANEL, n_in);
    void *plain = pack(scalar, &panels[1], from, row_bytes, SK_PANEL, n_in);
    const uint32_t x_stride = n_blocks + extra;
    const sk_q8 *x = make_input(true, n_rows, n_in, extra, mood);
    sk_q8 *grouped = guarded_take(&groups, (n_rows + 15) / 16 * 16 * x_stride * sizeof *x);
    for (uint32_t r = 0; r < n_rows; r++)
        sk_group_rows((sk_q8x16 *)(void *)(grouped + r / 16 * 16 * x_stride), x + r * x_stride, r, n_blocks);
    const size_t n = (size_t)(n_rows - 1) * stride + 32;
    float *y = guarded_take(&results[0], n * sizeof *y), *want = guarded_take(&results[1], n * sizeof *want);
    all_rows(scalar, want, stride, plain, x, x_stride, n_rows, n_in);
    for (uint32_t b = 0; b < n_blocks; b += slice) {
        const uint32_t m = n_blocks - b < slice ? n_blocks - b : slice;
        uint8_t *blocks = guarded_take(&slices, (size_t)m * form.bytes);
        kind->expand(blocks, &form, panel, kind->type, n_in, b, m);
        CHECK_SAID(guarded_whole(&slices), "%s wrote before its slice", kind->name);
        k->expanded(y, stride, blocks, &form, form.grouped ? grouped + 16 * b : x + b, x_stride, n_rows, m, b > 0);
    }
    CHECK(guarded_whole(&results[0]));
    CHECK_BITS(y, want, n, kind->name);
}

static void test_expanded(const sk_matmul *kind, const sk_kernels *k) {
    const uint32_t elements = sk_dtype_find(kind->type)->elements, step = elements > 32 ? elements : 32;
    for (uint32_t turn = 0; turn < (k->level ? MOST_ROWS : 8); turn++) {
        const uint32_t n_in = step * (1 + (uint32_t)(next_random(&state) % (MOST_IN / step)));
        const uint32_t slice = 1 + (uint32_t)(next_random(&state) % 40);
        check_expanded(kind, k, n_in, k->level ? turn + 1 : 1 + 9 * turn, slice, turn % 3 == 2 ? WILD : CALM);
    }
}

/* Every kind that can be expanded at every level that runs it. */
static void test_levels(void) {
    for (uint32_t level = 0; level <= SK_LEVEL_I8MM; level++) {
        const char *name = sk_cpu_level_name(level);
        sk_kernels k;
        if (!name || sk_cpu_level(name) != (int32_t)level) continue;
        sk_kernels_fill(&k, level);
        for (uint32_t i = 0; sk_matmul_at(i); i++)
            if (sk_matmul_at(i)->expand && sk_cpu_level_includes(level, sk_matmul_at(i)->level))
                test_expanded(sk_matmul_at(i), &k);
    }
}

static uint64_t digest_kind(uint64_t digest, const sk_matmul *kind, int mood) {
    const uint32_t n_in = 512, width = kind->int_tile ? n_in / 32 : n_in;
    const uint64_t row_bytes = skald_dtype_bytes(kind->type, n_in);
    float y[SK_TILE_ROWS][32];
    uint8_t *from = guarded_take(&rows, (size_t)(SK_PANEL * row_bytes));
    make_rows(from, sk_dtype_find(kind->type), SK_PANEL, n_in, mood);
    void *panel = pack(kind, &panels[0], from, row_bytes, SK_PANEL, n_in);
    void *x = make_input(kind->int_tile != NULL, SK_TILE_ROWS, n_in, 0, mood);
    tile(kind, y[0], 32, panel, x, width, SK_TILE_ROWS, n_in);
    return digest_floats(digest, y[0], SK_TILE_ROWS * 32);
}

static void test_digest(void) {
    uint64_t digest = 1;
    state = 20260101;
    for (uint32_t i = 0; sk_matmul_at(i); i++)
        for (int mood = 0; mood < N_MOODS && sk_matmul_at(i)->level == SK_LEVEL_SCALAR; mood++)
            digest = digest_kind(digest, sk_matmul_at(i), mood);
    CHECK_DIGEST(digest, 0x4c3d1fb7d0697092ull);
}

/* A panel in memory meets so many rows, which ask for what comes behind it as the backend's do. */
static void meet(const sk_matmul *kind, const sk_reach *reach, const char *panel, size_t bytes, const void *x,
                 uint32_t n_in, uint32_t n_rows) {
    float y[SK_TILE_ROWS][32];
    const uint32_t n_passes = (n_rows + SK_TILE_ROWS - 1) / SK_TILE_ROWS, m = n_rows / n_passes;
    for (uint32_t pass = 0; pass < n_passes; pass++) {
        const sk_ahead ahead = sk_ahead_of(reach, panel, bytes, pass, n_passes);
        if (kind->int_tile) kind->int_tile(y[0], 32, panel, kind->type, x, n_in / 32, m, n_in, &ahead);
        else kind->float_tile(y[0], 32, panel, kind->type, x, n_in, m, n_in, &ahead);
    }
}

/* Panels stream from memory that no cache holds, and meet so many rows before the next one comes: the fewest seconds of
 * some runs, per panel. */
static double time_panels(const sk_matmul *kind, const roof_memory *memory, size_t bytes, const void *x, uint32_t n_in,
                          uint32_t n_rows) {
    enum { RUNS = 5 };
    const size_t n_panels = memory->n_bytes / bytes;
    sk_kernels kernels;
    sk_kernels_fill(&kernels, kind->level);
    double best = 1e9;
    for (size_t run = 0, at = 0; run < RUNS; run++) {
        size_t done = 0;
        double begin = seconds_now(), now = begin;
        for (; now - begin < 0.01; now = seconds_now())
            for (uint32_t i = 0; i < 8; i++, done++, at = (at + 1) % n_panels)
                meet(kind, &kernels.reach, (const char *)memory->words + at * bytes, bytes, x, n_in, n_rows);
        if ((now - begin) / (double)done < best) best = (now - begin) / (double)done;
    }
    return best;
}

static void bench(const sk_matmul *kind, const roof_memory *memory) {
    static const uint32_t counts[] = {1, SK_TILE_ROWS, 8 * SK_TILE_ROWS, 64 * SK_TILE_ROWS};
    const uint32_t n_in = MOST_IN;
    const uint64_t row_bytes = skald_dtype_bytes(kind->type, n_in), bytes = kind->panel_bytes(kind->type, n_in);
    uint8_t *from = guarded_take(&rows, (size_t)(SK_PANEL * row_bytes));
    make_rows(from, sk_dtype_find(kind->type), SK_PANEL, n_in, CALM);
    for (size_t at = 0; kind->type == SKALD_MXFP4 && at < SK_PANEL * row_bytes; at += 17)
        from[at] = 120; /* no subnormals */
    void *panel = pack(kind, &panels[0], from, row_bytes, SK_PANEL, n_in);
    for (size_t at = 0; at + bytes <= memory->n_bytes; at += bytes) memcpy((char *)memory->words + at, panel, bytes);
    void *x = make_input(kind->int_tile != NULL, SK_TILE_ROWS, n_in, 0, CALM);
    roofs roof = roofs_measure(memory, 1);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        print_speed(kind->name, counts[i], 2.0 * SK_PANEL * n_in * counts[i], (double)bytes,
                    time_panels(kind, memory, bytes, x, n_in, counts[i]), kind->int_tile != NULL, &roof);
}

int main(int argc, char **argv) {
    bool timing = argc > 1 && strcmp(argv[1], "--bench") == 0;
    roof_memory memory = {0};
    if (timing && !roof_memory_open(&memory)) return 1;
    rows = guarded_make(SK_PANEL * MOST_IN * 4);
    inputs = guarded_make((MOST_ROWS + 1) * MOST_IN * 4);
    groups = guarded_make((MOST_ROWS + 16) * MOST_IN * 4);
    slices = guarded_make(MOST_IN / 32 * 1536);
    for (int i = 0; i < 2; i++) panels[i] = guarded_make(SK_PANEL * MOST_IN * 4);
    for (int i = 0; i < 2; i++) results[i] = guarded_make(MOST_ROWS * 64 * 4);
    for (uint32_t i = 0; sk_matmul_at(i); i++) {
        const sk_matmul *kind = sk_matmul_at(i);
        if (!machine_has(kind->level)) continue;
        if (timing) {
            if (argc < 3 || strstr(kind->name, argv[2])) bench(kind, &memory);
            continue;
        }
        test_kind(kind);
        test_alone(kind);
        if (kind->int_tile) test_extremes(kind);
    }
    if (!timing) test_levels();
    roof_memory_close(&memory);
    if (timing) return 0;
    test_digest();
    CHECK(sk_matmul_find(SKALD_I32, SK_LEVEL_SCALAR) == NULL);
    return sk_checked();
}

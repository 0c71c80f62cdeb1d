/* The operations of experts on the CPU and on the test device, against a direct computation in double: all ways to choose,
 * all forms of weights; and on the CPU the same bits at every level, with any neighbours, paused wherever possible. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/check.h"
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <dlfcn.h>
#include <math.h>
#include <skald/backend.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MOST_ROWS = 130, MOST_EXPERTS = 16, MOST_WIDTH = 512, THREADS = 3 };

typedef struct shape {
    const char *name;
    uint32_t n_experts, n_used, width, n_ff;
    skald_dtype type, down_type;
    skald_activation activation;
    bool biases, adds;
    skald_route route; /* scoring, groups, normalize, scale */
    bool correction;
} shape;

#define ROUTE(kind, groups, used, best, norm, by)                                                                      \
    {                                                                                                                  \
        .scoring = SKALD_SCORING_##kind, .n_groups = groups, .n_groups_used = used, .n_group_best = best,              \
        .normalize = norm, .scale = by                                                                                 \
    }

static const shape shapes[] = {
    {"f32", 8, 3, 80, 40, SKALD_F32, SKALD_F32, SKALD_ACTIVATION_SILU, 0, 1, ROUTE(SOFTMAX, 0, 0, 0, 1, 1.0f), 0},
    {"all of five", 5, 5, 33, 47, SKALD_F16, SKALD_F32, SKALD_ACTIVATION_SILU, 0, 0, ROUTE(SOFTMAX, 0, 0, 0, 0, 1.0f),
     0},
    {"one of one", 1, 1, 64, 96, SKALD_Q8_0, SKALD_Q8_0, SKALD_ACTIVATION_SILU, 0, 1, ROUTE(SIGMOID, 0, 0, 0, 0, 1.0f),
     0},
    {"best of groups", 16, 3, 256, 256, SKALD_Q4_K, SKALD_Q6_K, SKALD_ACTIVATION_GELU, 0, 1,
     ROUTE(SOFTMAX, 4, 2, 1, 0, 16.0f), 0},
    {"best two of groups", 16, 4, 64, 32, SKALD_Q8_0, SKALD_F16, SKALD_ACTIVATION_SILU, 0, 1,
     ROUTE(SIGMOID, 4, 2, 2, 1, 2.5f), 1},
    {"gpt-oss", 8, 2, 96, 64, SKALD_MXFP4, SKALD_MXFP4, SKALD_ACTIVATION_SWIGLU_CLAMPED, 1, 1,
     ROUTE(CHOSEN, 0, 0, 0, 0, 1.0f), 0},
    {"few experts", 2, 1, 512, 288, SKALD_Q4_1, SKALD_Q4_1, SKALD_ACTIVATION_SILU, 1, 0,
     ROUTE(SOFTMAX, 0, 0, 0, 0, 1.0f), 0},
};

/* ---- numbers */

static uint64_t state;

static uint32_t draw(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static float uniform(void) { return (float)draw() * 0x1p-31f - 1.0f; }

typedef struct bank {
    uint32_t n_in, n_out, n_experts;
    skald_dtype type;
    uint64_t row_bytes;
    char *file;  /* as a file has it */
    float *x;    /* its values */
    float *bias; /* [n_experts][n_out], or NULL */
    skald_weight weight;
    skald_rows rows; /* of the bias */
} bank;

static void put_half(char *to, float x) {
    const uint16_t half = sk_to_f16(x);
    memcpy(to, &half, 2);
}

/* Random bits under scales that make a row's products about 1. */
static void fill_row(char *row, const bank *b) {
    const float size = 1.0f / sk_sqrt((float)b->n_in);
    for (uint32_t i = 0; i < b->row_bytes; i++) row[i] = (char)draw();
    for (uint64_t at = 0; at < b->row_bytes;) {
        const float scale = size * (1.5f + uniform());
        switch (b->type) {
        case SKALD_F32: memcpy(row + at, &(float){uniform() * 2 * size}, 4), at += 4; break;
        case SKALD_F16: put_half(row + at, uniform() * 2 * size), at += 2; break;
        case SKALD_Q8_0: put_half(row + at, scale / 74), at += 34; break;
        case SKALD_Q4_1: put_half(row + at, scale / 5), put_half(row + at + 2, scale * -1.5f), at += 20; break;
        case SKALD_Q4_K: put_half(row + at, scale / 257), put_half(row + at + 2, scale * 7.5f / 257), at += 144; break;
        case SKALD_Q6_K: put_half(row + at + 208, scale / 1366), at += 210; break;
        default: row[at] = (char)(121 + draw() % 4), at += 17; break;
        }
    }
}

static bank make_bank(uint32_t n_in, uint32_t n_out, uint32_t n_experts, skald_dtype type, bool biased) {
    bank b = {.n_in = n_in, .n_out = n_out, .n_experts = n_experts, .type = type};
    const size_t n_rows = (size_t)n_out * n_experts;
    b.row_bytes = skald_dtype_bytes(type, n_in);
    b.file = malloc(n_rows * b.row_bytes), b.x = malloc(n_rows * n_in * sizeof(float));
    if (biased) b.bias = malloc(n_rows * sizeof(float));
    for (size_t r = 0; r < n_rows; r++) {
        fill_row(b.file + r * b.row_bytes, &b);
        CHECK_EQUAL(skald_dtype_to_f32(b.x + r * n_in, type, b.file + r * b.row_bytes, n_in), SKALD_OK);
        if (biased) b.bias[r] = uniform();
    }
    return b;
}

static void free_bank(bank *b) { free(b->file), free(b->x), free(b->bias); }

typedef struct work {
    const shape *s;
    bank gate, up, down;
    float correction[MOST_EXPERTS];
    float logits[MOST_ROWS][MOST_EXPERTS], x[MOST_ROWS][MOST_WIDTH], add[MOST_ROWS][MOST_WIDTH];
} work;

static void make_work(work *w, const shape *s) {
    w->s = s;
    w->gate = make_bank(s->width, s->n_ff, s->n_experts, s->type, s->biases);
    w->up = make_bank(s->width, s->n_ff, s->n_experts, s->type, s->biases);
    w->down = make_bank(s->n_ff, s->width, s->n_experts, s->down_type, s->biases);
    for (uint32_t e = 0; e < s->n_experts; e++) w->correction[e] = (float)(draw() % 16) / 7.0f;
    for (uint32_t r = 0; r < MOST_ROWS; r++) {
        for (uint32_t e = 0; e < s->n_experts; e++) w->logits[r][e] = (float)(draw() % 24) / 4.0f - 3.0f; /* ties */
        for (uint32_t i = 0; i < s->width; i++) w->x[r][i] = uniform(), w->add[r][i] = uniform();
    }
}

static void free_work(work *w) { free_bank(&w->gate), free_bank(&w->up), free_bank(&w->down); }

/* ---- what it should be */

typedef struct answer {
    uint32_t ids[MOST_EXPERTS];
    double weights[MOST_EXPERTS], out[MOST_WIDTH];
    double size[MOST_WIDTH]; /* of what was summed up */
} answer;

/* Whether expert a comes before b. */
static bool before(const double *rank, uint32_t a, uint32_t b) {
    return rank[a] > rank[b] || (rank[a] == rank[b] && a < b);
}

static uint32_t place_among(const double *rank, uint32_t e, uint32_t first, uint32_t n) {
    uint32_t place = 0;
    for (uint32_t i = first; i < first + n; i++) place += before(rank, i, e);
    return place;
}

static void soften(double *x, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += x[i] = exp(x[i]);
    for (uint32_t i = 0; i < n; i++) x[i] /= sum;
}

static void choose(answer *a, const work *w, uint32_t r) {
    const shape *s = w->s;
    const uint32_t n = s->n_experts, n_groups = s->route.n_groups ? s->route.n_groups : 1, in_group = n / n_groups;
    double score[MOST_EXPERTS], rank[MOST_EXPERTS], group[MOST_EXPERTS] = {0}, sum = 0;
    for (uint32_t e = 0; e < n; e++) score[e] = (double)w->logits[r][e];
    if (s->route.scoring == SKALD_SCORING_SOFTMAX) soften(score, n);
    for (uint32_t e = 0; e < n; e++) {
        if (s->route.scoring == SKALD_SCORING_SIGMOID) score[e] = 1 / (1 + exp(-score[e]));
        rank[e] = score[e] + (s->correction ? (double)w->correction[e] : 0);
    }
    for (uint32_t e = 0; e < n; e++)
        if (place_among(rank, e, e / in_group * in_group, in_group) < s->route.n_group_best)
            group[e / in_group] += rank[e];
    for (uint32_t e = 0; e < n && n_groups > 1; e++)
        if (place_among(group, e / in_group, 0, n_groups) >= s->route.n_groups_used) rank[e] = -HUGE_VAL;
    for (uint32_t e = 0; e < n; e++) {
        const uint32_t place = place_among(rank, e, 0, n);
        if (place < s->n_used) a->ids[place] = e, a->weights[place] = score[e];
    }
    if (s->route.scoring == SKALD_SCORING_CHOSEN) soften(a->weights, s->n_used);
    for (uint32_t i = 0; i < s->n_used; i++) sum += a->weights[i];
    for (uint32_t i = 0; i < s->n_used; i++) a->weights[i] *= (double)s->route.scale / (s->route.normalize ? sum : 1);
}

static void multiply(double *y, const double *x, const bank *b, uint32_t expert) {
    for (uint32_t o = 0; o < b->n_out; o++) {
        const float *row = b->x + ((size_t)expert * b->n_out + o) * b->n_in;
        y[o] = b->bias ? (double)b->bias[expert * b->n_out + o] : 0;
        for (uint32_t k = 0; k < b->n_in; k++) y[o] += x[k] * (double)row[k];
    }
}

static double activated(skald_activation kind, double gate, double up) {
    if (kind == SKALD_ACTIVATION_GELU) return gate * 0.5 * (1 + erf(gate / sqrt(2))) * up;
    if (kind == SKALD_ACTIVATION_SILU) return gate / (1 + exp(-gate)) * up;
    gate = fmin(gate, 7);
    return gate / (1 + exp(-1.702 * gate)) * (1 + fmax(fmin(up, 7), -7));
}

static void answer_row(answer *a, const work *w, uint32_t r) {
    const shape *s = w->s;
    double x[MOST_WIDTH], gate[MOST_WIDTH], up[MOST_WIDTH], y[MOST_WIDTH];
    choose(a, w, r);
    for (uint32_t i = 0; i < s->width; i++) {
        x[i] = (double)w->x[r][i];
        a->out[i] = s->adds ? (double)w->add[r][i] : 0;
        a->size[i] = fabs(a->out[i]);
    }
    for (uint32_t i = 0; i < s->n_used; i++) {
        multiply(gate, x, &w->gate, a->ids[i]);
        multiply(up, x, &w->up, a->ids[i]);
        for (uint32_t k = 0; k < s->n_ff; k++) gate[k] = activated(s->activation, gate[k], up[k]);
        multiply(y, gate, &w->down, a->ids[i]);
        for (uint32_t o = 0; o < s->width; o++) a->out[o] += a->weights[i] * y[o], a->size[o] += a->weights[i];
    }
}

/* ---- a host without a model */

typedef struct rig {
    skald_host host;
    const skald_backend *b;
    skald_device *device;
    skald_buffer *buffer;
    skald_stream *stream;
    uint64_t used, asked;
    skald_rows x, add, logits, ids, weights, out, correction;
    uint32_t polls;
} rig;

static void *host_alloc(void *self, uint64_t n_bytes, skald_memory_kind kind) {
    (void)kind;
    ((rig *)self)->asked += n_bytes;
    return aligned_alloc(64, (size_t)(n_bytes + 63) / 64 * 64);
}

static void host_free(void *self, void *pointer, uint64_t n_bytes) {
    (void)self, (void)n_bytes;
    free(pointer);
}

static void *host_enter(void *self, uint32_t n_threads) {
    (void)n_threads;
    return self;
}

static void host_run(void *self, void *team, void (*job)(void *, uint32_t), void *arg, uint32_t n_jobs) {
    (void)self, (void)team;
    while (n_jobs) job(arg, --n_jobs);
}

static void host_leave(void *self, void *team) { (void)self, (void)team; }

static skald_poll pause_often(void *self) { return ++((rig *)self)->polls % 5 ? SKALD_POLL_GO : SKALD_POLL_PAUSE; }

static uint64_t take(rig *g, uint64_t n_bytes) {
    const uint64_t at = g->used;
    g->used = (at + n_bytes + 63) & ~(uint64_t)63;
    return at;
}

static skald_rows rows(rig *g, uint32_t n_rows, uint32_t width, skald_extent extent) {
    const uint64_t stride = (width * 4u + 63u) & ~63u;
    return (skald_rows){g->buffer, take(g, n_rows * stride), stride, n_rows, width, SKALD_F32, extent};
}

static void write_rows(rig *g, const skald_rows *to, const float *from, uint32_t n, uint32_t step) {
    for (uint32_t r = 0; r < n; r++)
        CHECK_EQUAL(g->b->buffer_write(to->buffer, to->offset + r * to->stride, from + (size_t)r * step,
                                       to->width * 4u),
                    SKALD_OK);
}

static skald_status read_bank(void *self, void *to, uint32_t first, uint32_t n) {
    const bank *b = self;
    memcpy(to, b->file + first * b->row_bytes, n * b->row_bytes);
    return SKALD_OK;
}

static void place(rig *g, bank *b) {
    uint64_t staging_bytes;
    b->weight = (skald_weight){.buffer = g->buffer, .n_in = b->n_in, .n_out = b->n_out, .type = b->type};
    CHECK_EQUAL(g->b->weight_plan(g->device, &b->weight, &staging_bytes, SKALD_USE_PROJECT), SKALD_OK);
    b->weight.n_bytes = (b->weight.n_bytes + 63) & ~(uint64_t)63;
    b->weight.offset = take(g, b->n_experts * b->weight.n_bytes);
    const skald_reader reader = {b,    read_bank,
                                 NULL, b->row_bytes,
                                 0,    aligned_alloc(64, (staging_bytes + 63) / 64 * 64)};
    for (uint32_t e = 0; e < b->n_experts; e++) {
        skald_weight one = b->weight;
        one.offset += e * b->weight.n_bytes;
        CHECK_EQUAL(g->b->weight_place(g->device, &one, &reader, e * b->n_out), SKALD_OK);
    }
    free(reader.staging);
    b->rows = (skald_rows){0};
    if (!b->bias) return;
    b->rows = rows(g, b->n_experts, b->n_out, SKALD_EXTENT_FIXED);
    write_rows(g, &b->rows, b->bias, b->n_experts, b->n_out);
}

static void open_rig(rig *g, const skald_backend *b, const char *level) {
    skald_report why = {.size = sizeof why};
    *g = (rig){.b = b};
    g->host = (skald_host){.size = sizeof g->host,
                           .n_threads = THREADS,
                           .self = g,
                           .alloc = host_alloc,
                           .free = host_free,
                           .enter = host_enter,
                           .run = host_run,
                           .leave = host_leave,
                           .cpu_level = level};
    CHECK_EQUAL(b->open(&g->device, b, &g->host, level ? NULL : "delay=0", &why), SKALD_OK);
    CHECK_EQUAL(b->buffer_create(&g->buffer, g->device, (uint64_t)16 << 20, SKALD_MEMORY_WEIGHTS), SKALD_OK);
}

static void close_rig(rig *g) {
    g->b->stream_free(g->stream);
    g->b->buffer_free(g->buffer);
    g->b->close(g->device);
}

static void record(rig *g, work *w) {
    const shape *s = w->s;
    uint64_t on_device;
    skald_report why = {.size = sizeof why};
    const skald_stream_plan plan = {.size = sizeof plan,
                                    .n_ops = 2,
                                    .n_rows = MOST_ROWS,
                                    .n_wanted = 1,
                                    .max_width = 32,
                                    .max_head_dim = 16,
                                    .n_threads = THREADS,
                                    .max_experts = s->n_experts,
                                    .max_experts_used = s->n_used,
                                    .max_expert_width = s->width,
                                    .max_expert_ff = s->n_ff};
    g->asked = 0;
    CHECK_EQUAL(g->b->stream_create(&g->stream, g->device, &plan), SKALD_OK);
    CHECK_EQUAL(g->asked, g->b->stream_bytes(g->device, &on_device, &plan));
    place(g, &w->gate), place(g, &w->up), place(g, &w->down);
    g->x = rows(g, MOST_ROWS, s->width, SKALD_EXTENT_ROWS), g->out = rows(g, MOST_ROWS, s->width, SKALD_EXTENT_ROWS);
    g->add = s->adds ? rows(g, MOST_ROWS, s->width, SKALD_EXTENT_ROWS) : (skald_rows){0};
    g->logits = rows(g, MOST_ROWS, s->n_experts, SKALD_EXTENT_ROWS);
    g->ids = rows(g, MOST_ROWS, s->n_used, SKALD_EXTENT_ROWS), g->ids.type = SKALD_I32;
    g->weights = rows(g, MOST_ROWS, s->n_used, SKALD_EXTENT_ROWS);
    g->correction = s->correction ? rows(g, 1, s->n_experts, SKALD_EXTENT_FIXED) : (skald_rows){0};
    if (s->correction) write_rows(g, &g->correction, w->correction, 1, 0);
    skald_route route = s->route;
    route.size = sizeof route, route.correction = g->correction, route.logits = g->logits;
    route.ids = g->ids, route.weights = g->weights;
    const skald_experts experts = {sizeof experts, s->n_experts, s->n_ff,        s->activation, g->x,
                                   g->ids,         g->weights,   w->gate.weight, w->up.weight,  w->down.weight,
                                   w->gate.rows,   w->up.rows,   w->down.rows,   g->add,        g->out};
    CHECK(g->b->refuses(g->device, SKALD_OP_ROUTE, &route) == NULL);
    CHECK(g->b->refuses(g->device, SKALD_OP_EXPERTS, &experts) == NULL);
    g->b->ops.route(g->stream, &route);
    g->b->ops.experts(g->stream, &experts);
    CHECK_SAID(g->b->stream_seal(g->stream, &why) == SKALD_OK, "%s: %s", s->name, why.text);
}

/* ---- running */

typedef struct result {
    int32_t ids[MOST_ROWS][MOST_EXPERTS];
    float weights[MOST_ROWS][MOST_EXPERTS], out[MOST_ROWS][MOST_WIDTH];
} result;

static void read_rows(rig *g, void *to, const skald_rows *from, uint32_t n, uint32_t step) {
    for (uint32_t r = 0; r < n; r++)
        CHECK_EQUAL(g->b->stream_read((char *)to + (size_t)r * step, g->stream, from, r, 1), SKALD_OK);
}

/* Rows [first, first + n) of the work. */
static void run(rig *g, const work *w, result *to, uint32_t first, uint32_t n) {
    static const int32_t tokens[MOST_ROWS];
    static const uint32_t zeros[MOST_ROWS];
    skald_pass pass = {.size = sizeof pass,
                       .n_rows = n,
                       .tokens = tokens,
                       .positions = zeros,
                       .page_list = zeros,
                       .pages = zeros,
                       .wanted = zeros,
                       .poll = pause_often,
                       .poll_self = g};
    write_rows(g, &g->x, w->x[first], n, MOST_WIDTH);
    write_rows(g, &g->logits, w->logits[first], n, MOST_EXPERTS);
    if (w->s->adds) write_rows(g, &g->add, w->add[first], n, MOST_WIDTH);
    CHECK_EQUAL(g->b->stream_start(g->stream, NULL, &pass), SKALD_OK);
    skald_status status;
    while ((status = g->b->stream_run(g->stream)) == SKALD_PENDING) {}
    CHECK_EQUAL(status, SKALD_OK);
    skald_rows ids = g->ids;
    ids.type = SKALD_F32; /* as bits */
    read_rows(g, to->ids[first], &ids, n, sizeof to->ids[0]);
    read_rows(g, to->weights[first], &g->weights, n, sizeof to->weights[0]);
    read_rows(g, to->out[first], &g->out, n, sizeof to->out[0]);
}

static void check_near(const work *w, const result *got, const char *who, bool exact) {
    const shape *s = w->s;
    const double error = exact ? 3e-6 : s->type == SKALD_F32 || s->type == SKALD_F16 ? 1e-5 : 0.2;
    double wrong = 0, all = 0;
    for (uint32_t r = 0; r < MOST_ROWS; r++) {
        answer a;
        answer_row(&a, w, r);
        for (uint32_t i = 0; i < s->n_used; i++) {
            CHECK_SAID((uint32_t)got->ids[r][i] == a.ids[i], "%s, %s: choice %u of row %u is %d, expected %u", who,
                       s->name, i, r, got->ids[r][i], a.ids[i]);
            CHECK_SAID(fabs((double)got->weights[r][i] - a.weights[i]) <= a.weights[i] * 1e-6,
                       "%s, %s: weight %u of row %u is %g, expected %g", who, s->name, i, r, (double)got->weights[r][i],
                       a.weights[i]);
        }
        for (uint32_t o = 0; o < s->width; o++) {
            wrong += pow((double)got->out[r][o] - a.out[o], 2), all += pow(a.out[o], 2);
            CHECK_SAID(fabs((double)got->out[r][o] - a.out[o]) <= error * (a.size[o] + 1),
                       "%s, %s: row %u, element %u is %g, expected %g", who, s->name, r, o, (double)got->out[r][o],
                       a.out[o]);
        }
    }
    /* rows and what is between are quantized to 8 bits: a hundredth or two altogether */
    CHECK_SAID(sqrt(wrong / all) <= (error > 0.1 ? 0.03 : error), "%s, %s: off by %g altogether", who, s->name,
               sqrt(wrong / all));
}

static void check_bits(const shape *s, const result *a, const result *b, const char *what) {
    for (uint32_t r = 0; r < MOST_ROWS; r++)
        CHECK_SAID(!memcmp(a->ids[r], b->ids[r], s->n_used * 4) &&
                       !memcmp(a->weights[r], b->weights[r], s->n_used * 4) &&
                       !memcmp(a->out[r], b->out[r], s->width * 4),
                   "%s, %s: row %u has other bits", what, s->name, r);
}

static void on_cpu(work *w, const char *level, result *want) {
    static const uint32_t cuts[] = {1, 2, 9, 40, MOST_ROWS};
    static result got;
    rig g;
    open_rig(&g, skald_cpu_backend(), level);
    record(&g, w);
    for (uint32_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        memset(&got, 0, sizeof got);
        for (uint32_t first = 0; first < MOST_ROWS; first += cuts[c])
            run(&g, w, &got, first, MOST_ROWS - first < cuts[c] ? MOST_ROWS - first : cuts[c]);
        if (!*want->weights[0]) *want = got;
        check_bits(w->s, &got, want, level);
    }
    check_near(w, &got, level, false);
    close_rig(&g);
}

static void on_device(work *w, const skald_backend *b) {
    static result got;
    rig g;
    open_rig(&g, b, NULL);
    record(&g, w);
    run(&g, w, &got, 0, MOST_ROWS);
    check_near(w, &got, "apart", true);
    close_rig(&g);
}

/* A sentence for each descriptor that cannot be. */
static void check_refusals(const skald_backend *b) {
    rig g;
    open_rig(&g, b, NULL);
    for (int i = 0; i < 8; i++) {
        skald_route op = {.size = sizeof op,
                          .scoring = SKALD_SCORING_SIGMOID,
                          .n_groups = 4,
                          .n_groups_used = 2,
                          .n_group_best = 2,
                          .scale = 1,
                          .logits.width = 16,
                          .ids.width = 4,
                          .weights.width = 4};
        CHECK(b->refuses(g.device, SKALD_OP_ROUTE, &op) == NULL);
        uint32_t *const fields[] = {&op.scoring,      &op.n_groups,     &op.n_groups_used, &op.n_groups_used,
                                    &op.n_group_best, &op.logits.width, &op.ids.width,     &op.ids.width};
        const uint32_t wrong[] = {4, 5, 0, 5, 5, 0, 0, 9};
        *fields[i] = wrong[i];
        CHECK_SAID(b->refuses(g.device, SKALD_OP_ROUTE, &op) != NULL, "%s takes wrong route %d", b->name, i);
    }
    close_rig(&g);
}

int main(void) {
    static const char *const levels[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm"};
    static work w;
    void *plugin = dlopen(SK_TEST_BIN "/tests/skald_device_test.so", RTLD_NOW | RTLD_LOCAL);
    skald_backend_entry_fn entry;
    if (!CHECK(plugin != NULL)) return sk_checked();
    *(void **)(void *)&entry = dlsym(plugin, "skald_backend_entry");
    const skald_backend *apart = entry(SKALD_BACKEND_VERSION);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        static result want;
        state = 88172645463325252ull + i;
        memset(&want, 0, sizeof want);
        make_work(&w, &shapes[i]);
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
            const int32_t level = sk_cpu_level(levels[l]);
            if (level >= 0 && strcmp(sk_cpu_level_name((uint32_t)level), levels[l]) == 0) on_cpu(&w, levels[l], &want);
        }
        on_device(&w, apart);
        free_work(&w);
    }
    check_refusals(skald_cpu_backend());
    check_refusals(apart);
    dlclose(plugin);
    return sk_checked();
}

/* The operations of linear attention on the CPU and on the test device, against the recurrence in double: additive and delta
 * rule, with and without decay and beta, both ways to share keys; two sequences side by side in passes of any length, their
 * slots as a cache gives them; on the CPU the same bits at every level and cut. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/rig.h"
#include <math.h>

enum {
    LENGTH = 75,
    SEQUENCES = 2,
    MOST_ROWS = SEQUENCES * LENGTH,
    SLOTS = 4,
    TAPS = 4,
    MOST_HEADS = 4,
    MOST_DIM = 144
};
enum { MOST_CHANNELS = 2 * 2 * 64 + MOST_HEADS * MOST_DIM };

typedef struct shape {
    const char *name;
    skald_delta_kind kind;
    bool decays, has_beta, tiled, unit;
    uint32_t n_heads, n_k_heads, dim_k, dim_v;
} shape;

static const shape shapes[] = {
    {"additive", SKALD_DELTA_ADDITIVE, false, false, false, true, 2, 2, 32, 32},
    {"additive, decaying", SKALD_DELTA_ADDITIVE, true, true, false, false, 4, 2, 16, 48},
    {"delta rule", SKALD_DELTA_RULE, false, true, false, true, 4, 2, 64, 144},
    {"gated delta rule", SKALD_DELTA_RULE, true, true, false, true, 4, 2, 48, 64},
    {"gated delta rule, tiled", SKALD_DELTA_RULE, true, true, true, true, 4, 2, 64, 80},
    {"of one head", SKALD_DELTA_RULE, true, false, true, true, 1, 1, 16, 16},
};

/* ---- numbers */

static void fill(float *x, size_t n, float mean, float size) {
    for (size_t i = 0; i < n; i++) x[i] = mean + size * rig_uniform();
}

typedef struct text {
    float x[LENGTH][MOST_CHANNELS], alpha[LENGTH][MOST_HEADS], beta[LENGTH][MOST_HEADS];
} text;

typedef struct work {
    const shape *s;
    uint32_t channels, values;
    struct {
        skald_rows x, mixed, alpha, beta, out;
    } at; /* on the device */
    float taps[TAPS * MOST_CHANNELS], rate[MOST_HEADS], bias[MOST_HEADS];
    text texts[SEQUENCES];
} work;

static void make_work(work *w, const shape *s) {
    w->s = s, w->values = s->n_heads * s->dim_v, w->channels = 2 * s->n_k_heads * s->dim_k + w->values;
    fill(w->taps, TAPS * w->channels, 0, 1);
    fill(w->rate, MOST_HEADS, -0.3f, 0.25f), fill(w->bias, MOST_HEADS, 0, 1);
    for (uint32_t q = 0; q < SEQUENCES; q++) {
        fill(w->texts[q].x[0], LENGTH * MOST_CHANNELS, 0, 1);
        fill(w->texts[q].alpha[0], LENGTH * MOST_HEADS, 0, 2);
        fill(w->texts[q].beta[0], LENGTH * MOST_HEADS, 0, 2);
    }
}

/* ---- what it should be */

static double convolved(const work *w, const text *x, uint32_t t, uint32_t c) {
    double sum = 0;
    for (uint32_t tap = 0; tap < TAPS; tap++)
        if (t + tap >= TAPS - 1) sum += (double)w->taps[TAPS * c + tap] * (double)x->x[t + tap - (TAPS - 1)][c];
    return sum / (1 + exp(-sum));
}

/* Keys and queries of row t for a head. */
static void read_keys(double *q, double *k, const work *w, const text *x, uint32_t t, uint32_t h) {
    const shape *s = w->s;
    const uint32_t key = s->tiled ? h % s->n_k_heads : h / (s->n_heads / s->n_k_heads), n = s->dim_k;
    double of_q = 1e-6, of_k = 1e-6;
    for (uint32_t i = 0; i < n; i++) {
        q[i] = convolved(w, x, t, key * n + i), k[i] = convolved(w, x, t, (s->n_k_heads + key) * n + i);
        of_q += q[i] * q[i], of_k += k[i] * k[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        q[i] *= 0.25 / (s->unit ? sqrt(of_q) : 1);
        k[i] /= s->unit ? sqrt(of_k) : 1;
    }
}

/* out[LENGTH][values] of a text. */
static void answer(double *out, const work *w, const text *x, uint32_t h) {
    static double line[64][MOST_DIM];
    const shape *s = w->s;
    memset(line, 0, sizeof line);
    for (uint32_t t = 0; t < LENGTH; t++) {
        double q[64], k[64];
        read_keys(q, k, w, x, t, h);
        const double soft = log1p(exp((double)x->alpha[t][h] + (double)w->bias[h]));
        const double decay = s->decays ? exp((double)w->rate[h] * soft) : 1;
        const double beta = s->has_beta ? 1 / (1 + exp(-(double)x->beta[t][h])) : 1;
        for (uint32_t j = 0; j < s->dim_v; j++) {
            double said = 0, *to = &out[t * w->values + h * s->dim_v + j];
            for (uint32_t i = 0; i < s->dim_k; i++) said += k[i] * (line[i][j] *= decay);
            if (s->kind == SKALD_DELTA_ADDITIVE) said = 0;
            const double v = convolved(w, x, t, 2 * s->n_k_heads * s->dim_k + h * s->dim_v + j);
            for (uint32_t i = *to = 0; i < s->dim_k; i++) *to += q[i] * (line[i][j] += beta * (v - said) * k[i]);
        }
    }
}

/* ---- the operations */

static skald_rows columns(const skald_rows *of, uint32_t first, uint32_t width) {
    skald_rows some = *of;
    some.offset += first * sizeof(float), some.width = width;
    return some;
}

/* The state's share of a slot behind that of the convolution. */
static void open_store(rig *g, const work *w, uint64_t *state_offset, uint64_t *row_offset) {
    const shape *s = w->s;
    static const skald_store_group group = {.n_pages = 1};
    *state_offset = (TAPS - 1) * w->channels * sizeof(float), *row_offset = w->channels * sizeof(float);
    const skald_store_layer layer = {
        .state_bytes = *state_offset + (uint64_t)s->n_heads * s->dim_k * s->dim_v * sizeof(float),
        .row_bytes =
            (uint32_t)((*row_offset + s->n_heads * (s->dim_k + s->dim_v + 1) * sizeof(float) + 63) & ~(uint64_t)63)};
    const skald_store_plan plan = {.size = sizeof plan,
                                   .n_layers = 1,
                                   .layers = &layer,
                                   .groups = &group,
                                   .n_groups = 1,
                                   .n_sequences = SEQUENCES,
                                   .n_list = 1,
                                   .n_slots = SEQUENCES * SLOTS,
                                   .k_type = SKALD_F32,
                                   .v_type = SKALD_F32};
    CHECK_EQUAL(g->b->store_create(&g->store, g->device, &plan), SKALD_OK);
}

static void record(rig *g, work *w) {
    const shape *s = w->s;
    const uint32_t keys = s->n_k_heads * s->dim_k;
    skald_report why = {.size = sizeof why};
    const skald_stream_plan plan = {.size = sizeof plan,
                                    .n_ops = 2,
                                    .n_rows = MOST_ROWS,
                                    .n_wanted = 1,
                                    .max_width = 32,
                                    .max_head_dim = s->dim_k > s->dim_v ? s->dim_k : s->dim_v,
                                    .n_threads = RIG_THREADS};
    skald_convolve convolve = {.size = sizeof convolve, .n_taps = TAPS};
    skald_delta delta = {.size = sizeof delta, .kind = s->kind, .tiled = s->tiled, .scale = 0.25f};
    open_store(g, w, &delta.state_offset, &delta.row_offset);
    CHECK_EQUAL(g->b->stream_create(&g->stream, g->device, &plan), SKALD_OK);
    w->at.x = rig_rows(g, MOST_ROWS, w->channels, SKALD_EXTENT_ROWS),
    w->at.mixed = rig_rows(g, MOST_ROWS, w->channels, SKALD_EXTENT_ROWS);
    w->at.alpha = rig_rows(g, MOST_ROWS, s->n_heads, SKALD_EXTENT_ROWS),
    w->at.beta = rig_rows(g, MOST_ROWS, s->n_heads, SKALD_EXTENT_ROWS);
    w->at.out = rig_rows(g, MOST_ROWS, w->values, SKALD_EXTENT_ROWS);
    convolve.x = w->at.x, convolve.out = w->at.mixed,
    convolve.weight = rig_rows(g, 1, TAPS * w->channels, SKALD_EXTENT_FIXED);
    rig_write_row(g, &convolve.weight, 0, w->taps);
    delta.n_heads = s->n_heads, delta.n_k_heads = s->n_k_heads, delta.head_dim_k = s->dim_k,
    delta.head_dim_v = s->dim_v;
    delta.unit_eps = s->unit ? 1e-6f : 0;
    delta.q = columns(&w->at.mixed, 0, keys), delta.k = columns(&w->at.mixed, keys, keys);
    delta.v = columns(&w->at.mixed, 2 * keys, w->values), delta.out = w->at.out;
    if (s->decays) {
        delta.alpha = w->at.alpha;
        delta.rate = rig_rows(g, 1, s->n_heads, SKALD_EXTENT_FIXED),
        delta.bias = rig_rows(g, 1, s->n_heads, SKALD_EXTENT_FIXED);
        rig_write_row(g, &delta.rate, 0, w->rate), rig_write_row(g, &delta.bias, 0, w->bias);
    }
    if (s->has_beta) delta.beta = w->at.beta;
    CHECK(g->b->refuses(g->device, SKALD_OP_CONVOLVE, &convolve) == NULL);
    CHECK(g->b->refuses(g->device, SKALD_OP_DELTA, &delta) == NULL);
    g->b->ops.convolve(g->stream, &convolve);
    g->b->ops.delta(g->stream, &delta);
    CHECK_SAID(g->b->stream_seal(g->stream, &why) == SKALD_OK, "%s: %s", s->name, why.text);
}

/* ---- running */

/* What a sequence of the cache knows: how far it is, its slot at its last line, and one at the line before, if it has it. */
typedef struct place {
    uint32_t at, slot, before;
} place;

typedef struct tables {
    skald_pass pass;
    uint32_t positions[MOST_ROWS], lists[MOST_ROWS], from[MOST_ROWS], before[MOST_ROWS], to[MOST_ROWS];
} tables;

/* Slots of rows [at, at + n): as they are where they can be, others of the sequence's own where they must. A slot behind
 * which several lines are crossed is used up, so that it may be the last one too. */
static void choose_slots(tables *t, uint32_t q, place *p, uint32_t n) {
    const uint32_t lines = (p->at + n) / SKALD_STATE_GRID - p->at / SKALD_STATE_GRID, first = q * SLOTS;
    const uint32_t from = p->at ? p->slot : SKALD_NO_SLOT;
    const uint32_t fresh = first + (p->slot + 1) % SLOTS, other = first + (p->slot + 2) % SLOTS;
    const uint32_t to = (lines || !p->at) && !(lines > 1 && rig_draw() % 2) ? fresh : p->slot;
    const uint32_t before = !lines ? SKALD_NO_SLOT : lines == 1 && p->at ? p->slot : other;
    for (uint32_t r = t->pass.n_rows; r < t->pass.n_rows + n; r++)
        t->from[r] = from, t->before[r] = before, t->to[r] = to;
    p->slot = to, p->before = before;
}

/* Back into the chunk before the last line. */
static void go_back(place *p) {
    p->at = p->at / SKALD_STATE_GRID * SKALD_STATE_GRID - 1 - rig_draw() % (SKALD_STATE_GRID - 1);
    p->slot = p->before, p->before = SKALD_NO_SLOT;
}

static void enter(rig *g, const work *w, tables *t, uint32_t q, place *p, uint32_t n) {
    choose_slots(t, q, p, n);
    for (uint32_t i = 0; i < n; i++, t->pass.n_rows++, p->at++) {
        const uint32_t r = t->pass.n_rows;
        t->positions[r] = p->at, t->lists[r] = q;
        rig_write_row(g, &w->at.x, r, w->texts[q].x[p->at]);
        rig_write_row(g, &w->at.alpha, r, w->texts[q].alpha[p->at]),
            rig_write_row(g, &w->at.beta, r, w->texts[q].beta[p->at]);
    }
}

typedef float result[SEQUENCES][LENGTH][MOST_HEADS * MOST_DIM];

static void run_pass(rig *g, const work *w, tables *t, float (*to)[LENGTH][MOST_HEADS * MOST_DIM]) {
    static const int32_t tokens[MOST_ROWS];
    static const uint32_t zeros[MOST_ROWS];
    t->pass.size = sizeof t->pass, t->pass.tokens = tokens, t->pass.pages = zeros, t->pass.wanted = zeros;
    t->pass.positions = t->positions, t->pass.page_list = t->lists;
    t->pass.state_from = t->from, t->pass.state_before = t->before, t->pass.state_to = t->to;
    rig_pass(g, &t->pass);
    for (uint32_t r = 0; r < t->pass.n_rows; r++)
        CHECK_EQUAL(g->b->stream_read(to[t->lists[r]][t->positions[r]], g->stream, &w->at.out, r, 1), SKALD_OK);
}

/* Both texts, `step` rows of each in a pass; 0: any number of one, another of the other, and sometimes some again. */
static void run(rig *g, const work *w, result to, uint32_t step) {
    place places[SEQUENCES] = {{0, 0, SKALD_NO_SLOT}, {0, SLOTS, SKALD_NO_SLOT}};
    while (places[0].at < LENGTH || places[1].at < LENGTH) {
        tables t = {0};
        for (uint32_t q = 0; q < SEQUENCES; q++) {
            const uint32_t left = LENGTH - places[q].at, n = step ? step : rig_draw() % 40;
            if (n && left) enter(g, w, &t, q, &places[q], n < left ? n : left);
        }
        if (t.pass.n_rows) run_pass(g, w, &t, to);
        for (uint32_t q = 0; q < SEQUENCES && !step; q++)
            if (places[q].before != SKALD_NO_SLOT && rig_draw() % 4 == 0) go_back(&places[q]);
    }
}

static void check_near(const work *w, result got, const char *who, double error) {
    static double want[LENGTH * MOST_HEADS * MOST_DIM];
    double wrong = 0, all = 0;
    for (uint32_t q = 0; q < SEQUENCES; q++) {
        for (uint32_t h = 0; h < w->s->n_heads; h++) answer(want, w, &w->texts[q], h);
        for (uint32_t t = 0; t < LENGTH; t++)
            for (uint32_t i = 0; i < w->values; i++) {
                const double x = want[t * w->values + i];
                wrong += pow((double)got[q][t][i] - x, 2), all += x * x;
            }
    }
    CHECK_SAID(sqrt(wrong / all) <= error, "%s, %s: off by %g", who, w->s->name, sqrt(wrong / all));
}

static void on_cpu(work *w, const char *level, result want, bool first) {
    static const uint32_t cuts[] = {LENGTH, 1, 7, 16, 17, 40, 0};
    static result got;
    for (uint32_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        rig g;
        rig_open(&g, skald_cpu_backend(), level);
        record(&g, w);
        memset(got, 0xff, sizeof got);
        run(&g, w, got, cuts[c]);
        if (first && c == 0) memcpy(want, got, sizeof got);
        for (uint32_t q = 0; q < SEQUENCES; q++)
            for (uint32_t t = 0; t < LENGTH; t++)
                CHECK_SAID(memcmp(got[q][t], want[q][t], w->values * sizeof(float)) == 0,
                           "%s, %s, by %u: sequence %u, position %u has other bits", level, w->s->name, cuts[c], q, t);
        rig_close(&g);
    }
    check_near(w, got, level, 1e-5);
}

static void on_device(work *w, const skald_backend *b) {
    static result got;
    rig g;
    rig_open(&g, b, NULL);
    record(&g, w);
    run(&g, w, got, 0);
    check_near(w, got, "apart", 1e-6);
    rig_close(&g);
}

/* A sentence for each descriptor that cannot be. */
static void check_refusals(const skald_backend *b) {
    rig g;
    rig_open(&g, b, NULL);
    for (int i = 0; i < 4; i++) {
        skald_delta op = {.size = sizeof op, .kind = SKALD_DELTA_RULE, .n_heads = 4, .n_k_heads = 2};
        op.head_dim_k = op.head_dim_v = 32;
        CHECK(b->refuses(g.device, SKALD_OP_DELTA, &op) == NULL);
        uint32_t *const fields[] = {&op.kind, &op.kind, &op.n_k_heads, &op.n_k_heads};
        const uint32_t wrong[] = {0, 3, 0, 3};
        *fields[i] = wrong[i];
        CHECK_SAID(b->refuses(g.device, SKALD_OP_DELTA, &op) != NULL, "%s takes wrong delta %d", b->name, i);
    }
    rig_close(&g);
}

int main(void) {
    static work w;
    static result want;
    void *plugin;
    const skald_backend *apart = rig_apart(&plugin);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        bool first = true;
        rig_state = 88172645463325252ull + i;
        make_work(&w, &shapes[i]);
        const char *level;
        for (size_t l = 0; (level = rig_level(&l)); first = false) on_cpu(&w, level, want, first);
        on_device(&w, apart);
    }
    check_refusals(skald_cpu_backend());
    check_refusals(apart);
    dlclose(plugin);
    return sk_checked();
}

/* The operations of experts on the CPU and on the test device, against a direct computation in double: all ways to choose,
 * all forms of weights; and on the CPU the same bits at every level, with any neighbours, paused wherever possible. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/rig.h"
#include <math.h>

enum { MOST_ROWS = 130, MOST_EXPERTS = 16, MOST_WIDTH = 512 };

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

typedef struct work {
    const shape *s;
    bank gate, up, down;
    float correction[MOST_EXPERTS];
    struct {
        skald_rows x, add, logits, ids, weights, out, correction;
    } at; /* on the device */
    float logits[MOST_ROWS][MOST_EXPERTS], x[MOST_ROWS][MOST_WIDTH], add[MOST_ROWS][MOST_WIDTH];
} work;

static void make_work(work *w, const shape *s) {
    w->s = s;
    w->gate = bank_make(s->width, s->n_ff, s->n_experts, s->type, s->biases);
    w->up = bank_make(s->width, s->n_ff, s->n_experts, s->type, s->biases);
    w->down = bank_make(s->n_ff, s->width, s->n_experts, s->down_type, s->biases);
    for (uint32_t e = 0; e < s->n_experts; e++) w->correction[e] = (float)(rig_draw() % 16) / 7.0f;
    for (uint32_t r = 0; r < MOST_ROWS; r++) {
        for (uint32_t e = 0; e < s->n_experts; e++) w->logits[r][e] = (float)(rig_draw() % 24) / 4.0f - 3.0f; /* ties */
        for (uint32_t i = 0; i < s->width; i++) w->x[r][i] = rig_uniform(), w->add[r][i] = rig_uniform();
    }
}

static void free_work(work *w) { bank_free(&w->gate), bank_free(&w->up), bank_free(&w->down); }

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
        bank_multiply(gate, x, &w->gate, a->ids[i]);
        bank_multiply(up, x, &w->up, a->ids[i]);
        for (uint32_t k = 0; k < s->n_ff; k++) gate[k] = activated(s->activation, gate[k], up[k]);
        bank_multiply(y, gate, &w->down, a->ids[i]);
        for (uint32_t o = 0; o < s->width; o++) a->out[o] += a->weights[i] * y[o], a->size[o] += a->weights[i];
    }
}

/* ---- the operations */

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
                                    .n_threads = RIG_THREADS,
                                    .max_experts = s->n_experts,
                                    .max_experts_used = s->n_used,
                                    .max_expert_width = s->width,
                                    .max_expert_ff = s->n_ff};
    g->asked = 0;
    CHECK_EQUAL(g->b->stream_create(&g->stream, g->device, &plan), SKALD_OK);
    CHECK_EQUAL(g->asked, g->b->stream_bytes(g->device, &on_device, &plan));
    bank_place(g, &w->gate), bank_place(g, &w->up), bank_place(g, &w->down);
    w->at.x = rig_rows(g, MOST_ROWS, s->width, SKALD_EXTENT_ROWS),
    w->at.out = rig_rows(g, MOST_ROWS, s->width, SKALD_EXTENT_ROWS);
    w->at.add = s->adds ? rig_rows(g, MOST_ROWS, s->width, SKALD_EXTENT_ROWS) : (skald_rows){0};
    w->at.logits = rig_rows(g, MOST_ROWS, s->n_experts, SKALD_EXTENT_ROWS);
    w->at.ids = rig_rows(g, MOST_ROWS, s->n_used, SKALD_EXTENT_ROWS), w->at.ids.type = SKALD_I32;
    w->at.weights = rig_rows(g, MOST_ROWS, s->n_used, SKALD_EXTENT_ROWS);
    w->at.correction = s->correction ? rig_rows(g, 1, s->n_experts, SKALD_EXTENT_FIXED) : (skald_rows){0};
    if (s->correction) rig_write(g, &w->at.correction, w->correction, 1, 0);
    skald_route route = s->route;
    route.size = sizeof route, route.correction = w->at.correction, route.logits = w->at.logits;
    route.ids = w->at.ids, route.weights = w->at.weights;
    const skald_experts experts = {sizeof experts, s->n_experts,  s->n_ff,        s->activation, w->at.x,
                                   w->at.ids,      w->at.weights, w->gate.weight, w->up.weight,  w->down.weight,
                                   w->gate.rows,   w->up.rows,    w->down.rows,   w->at.add,     w->at.out};
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
                       .wanted = zeros};
    rig_write(g, &w->at.x, w->x[first], n, MOST_WIDTH);
    rig_write(g, &w->at.logits, w->logits[first], n, MOST_EXPERTS);
    if (w->s->adds) rig_write(g, &w->at.add, w->add[first], n, MOST_WIDTH);
    rig_pass(g, &pass);
    skald_rows ids = w->at.ids;
    ids.type = SKALD_F32; /* as bits */
    rig_read(g, to->ids[first], &ids, n, sizeof to->ids[0]);
    rig_read(g, to->weights[first], &w->at.weights, n, sizeof to->weights[0]);
    rig_read(g, to->out[first], &w->at.out, n, sizeof to->out[0]);
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
    rig_open(&g, skald_cpu_backend(), level);
    record(&g, w);
    for (uint32_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        memset(&got, 0, sizeof got);
        for (uint32_t first = 0; first < MOST_ROWS; first += cuts[c])
            run(&g, w, &got, first, MOST_ROWS - first < cuts[c] ? MOST_ROWS - first : cuts[c]);
        if (!*want->weights[0]) *want = got;
        check_bits(w->s, &got, want, level);
    }
    check_near(w, &got, level, false);
    rig_close(&g);
}

static void on_device(work *w, const skald_backend *b) {
    static result got;
    rig g;
    rig_open(&g, b, NULL);
    record(&g, w);
    run(&g, w, &got, 0, MOST_ROWS);
    check_near(w, &got, "apart", true);
    rig_close(&g);
}

/* A sentence for each descriptor that cannot be. */
static void check_refusals(const skald_backend *b) {
    rig g;
    rig_open(&g, b, NULL);
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
    rig_close(&g);
}

int main(void) {
    static work w;
    void *plugin;
    const skald_backend *apart = rig_apart(&plugin);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        static result want;
        rig_state = 88172645463325252ull + i;
        memset(&want, 0, sizeof want);
        make_work(&w, &shapes[i]);
        const char *level;
        for (size_t l = 0; (level = rig_level(&l));) on_cpu(&w, level, &want);
        on_device(&w, apart);
        free_work(&w);
    }
    check_refusals(skald_cpu_backend());
    check_refusals(apart);
    dlclose(plugin);
    return sk_checked();
}

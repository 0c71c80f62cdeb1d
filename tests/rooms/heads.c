/* A matrix for each head, on the CPU and on the test device, against a double loop: what stands behind a head's elements is
 * carried along, matrices of every form, widths that are no multiple of a panel; on the CPU the same bits at every level and
 * with any neighbours. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/rig.h"
#include <math.h>

enum { MOST_ROWS = 150, MOST_HEADS = 16, MOST_WIDTH = 4 * 288 };

typedef struct shape {
    const char *name;
    uint32_t n_heads, n_in, n_out, rest;
    skald_dtype type;
} shape;

static const shape shapes[] = {
    {"f32", 4, 16, 32, 16, SKALD_F32},
    {"f32, odd", 3, 17, 45, 5, SKALD_F32},
    {"f16, one head", 1, 40, 20, 0, SKALD_F16},
    {"into latents", 4, 128, 256, 32, SKALD_Q8_0},
    {"out of latents", 4, 256, 64, 0, SKALD_Q4_K},
    {"a last panel", 2, 64, 72, 8, SKALD_Q4_1},
    {"many heads", 16, 32, 33, 1, SKALD_Q8_0},
    {"narrow", 5, 32, 1, 3, SKALD_Q8_0},
};

typedef struct work {
    const shape *s;
    bank matrices;
    struct {
        skald_rows x, out;
    } at; /* on the device */
    float x[MOST_ROWS][MOST_WIDTH];
} work;

static void make_work(work *w, const shape *s) {
    w->s = s;
    w->matrices = bank_make(s->n_in, s->n_out, s->n_heads, s->type, false);
    for (uint32_t r = 0; r < MOST_ROWS; r++)
        for (uint32_t i = 0; i < s->n_heads * (s->n_in + s->rest); i++) w->x[r][i] = rig_uniform();
}

static void record(rig *g, work *w) {
    const shape *s = w->s;
    skald_report why = {.size = sizeof why};
    const uint32_t head = s->n_in + s->rest;
    const skald_stream_plan plan = {.size = sizeof plan,
                                    .n_ops = 1,
                                    .n_rows = MOST_ROWS,
                                    .n_wanted = 1,
                                    .max_width = 32,
                                    .max_head_dim = head,
                                    .n_threads = RIG_THREADS};
    CHECK_EQUAL(g->b->stream_create(&g->stream, g->device, &plan), SKALD_OK);
    bank_place(g, &w->matrices);
    w->at.x = rig_rows(g, MOST_ROWS, s->n_heads * head, SKALD_EXTENT_ROWS);
    w->at.out = rig_rows(g, MOST_ROWS, s->n_heads * (s->n_out + s->rest), SKALD_EXTENT_ROWS);
    const skald_project_heads op = {sizeof op, s->n_heads, w->matrices.weight, w->at.x, w->at.out};
    CHECK(g->b->refuses(g->device, SKALD_OP_PROJECT_HEADS, &op) == NULL);
    g->b->ops.project_heads(g->stream, &op);
    CHECK_SAID(g->b->stream_seal(g->stream, &why) == SKALD_OK, "%s: %s", s->name, why.text);
}

typedef float result[MOST_ROWS][MOST_WIDTH];

/* Rows [first, first + n) of the work. */
static void run(rig *g, const work *w, float (*to)[MOST_WIDTH], uint32_t first, uint32_t n) {
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
    rig_pass(g, &pass);
    rig_read(g, to[first], &w->at.out, n, sizeof to[0]);
}

/* A product is about 1. Rows are rounded to 8 bits on the CPU where matrices are integers. */
static double allowed(const work *w, bool exact) {
    return exact || w->s->type == SKALD_F32 || w->s->type == SKALD_F16 ? 2e-6 : 0.05;
}

static void check_near(const work *w, result got, const char *who, bool exact) {
    const shape *s = w->s;
    double x[MOST_WIDTH], want[MOST_WIDTH], wrong = 0, all = 0;
    for (uint32_t r = 0; r < MOST_ROWS; r++) {
        for (uint32_t h = 0; h < s->n_heads; h++) {
            const float *from = w->x[r] + h * (s->n_in + s->rest), *to = got[r] + h * (s->n_out + s->rest);
            for (uint32_t k = 0; k < s->n_in; k++) x[k] = (double)from[k];
            bank_multiply(want, x, &w->matrices, h);
            for (uint32_t o = 0; o < s->n_out; o++) {
                CHECK_SAID(fabs((double)to[o] - want[o]) <= allowed(w, exact),
                           "%s, %s: row %u, head %u, element %u is %g, expected %g", who, s->name, r, h, o,
                           (double)to[o], want[o]);
                wrong += pow((double)to[o] - want[o], 2), all += want[o] * want[o];
            }
            CHECK_SAID(memcmp(to + s->n_out, from + s->n_in, s->rest * sizeof *to) == 0,
                       "%s, %s: row %u, head %u: other elements behind it", who, s->name, r, h);
        }
    }
    CHECK_SAID(sqrt(wrong / all) <= allowed(w, exact) / 3, "%s, %s: off by %g altogether", who, s->name,
               sqrt(wrong / all));
}

static void on_cpu(work *w, const char *level, result want, bool first) {
    static const uint32_t cuts[] = {MOST_ROWS, 1, 2, 9, 49};
    static result got;
    const uint32_t width = w->s->n_heads * (w->s->n_out + w->s->rest);
    rig g;
    rig_open(&g, skald_cpu_backend(), level);
    record(&g, w);
    for (uint32_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        memset(got, 0xff, sizeof got);
        for (uint32_t at = 0; at < MOST_ROWS; at += cuts[c])
            run(&g, w, got, at, MOST_ROWS - at < cuts[c] ? MOST_ROWS - at : cuts[c]);
        if (first && c == 0) memcpy(want, got, sizeof got);
        for (uint32_t r = 0; r < MOST_ROWS; r++)
            CHECK_SAID(memcmp(got[r], want[r], width * sizeof(float)) == 0, "%s, %s, by %u: row %u has other bits",
                       level, w->s->name, cuts[c], r);
    }
    check_near(w, got, level, false);
    rig_close(&g);
}

static void on_device(work *w, const skald_backend *b) {
    static result got;
    rig g;
    rig_open(&g, b, NULL);
    record(&g, w);
    run(&g, w, got, 0, MOST_ROWS);
    check_near(w, got, "apart", true);
    rig_close(&g);
}

/* A sentence for each descriptor that cannot be. */
static void check_refusals(const skald_backend *b) {
    rig g;
    rig_open(&g, b, NULL);
    static const struct {
        uint32_t n_heads, x, out;
    } wrong[] = {{0, 160, 160}, {4, 159, 287}, {4, 124, 252}, {4, 160, 284}};
    bank matrices = bank_make(32, 64, 4, SKALD_F32, false);
    bank_place(&g, &matrices);
    skald_project_heads op = {sizeof op, 4, matrices.weight, {.width = 4 * 40}, {.width = 4 * 72}};
    CHECK(b->refuses(g.device, SKALD_OP_PROJECT_HEADS, &op) == NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op.n_heads = wrong[i].n_heads, op.x.width = wrong[i].x, op.out.width = wrong[i].out;
        CHECK_SAID(b->refuses(g.device, SKALD_OP_PROJECT_HEADS, &op) != NULL, "%s takes wrong heads %zu", b->name, i);
    }
    bank_free(&matrices);
    rig_close(&g);
}

int main(void) {
    static work w;
    static result want;
    void *plugin;
    const skald_backend *apart = rig_apart(&plugin);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const char *level;
        bool first = true;
        rig_state = 88172645463325252ull + i;
        make_work(&w, &shapes[i]);
        for (size_t l = 0; (level = rig_level(&l)); first = false) on_cpu(&w, level, want, first);
        on_device(&w, apart);
        bank_free(&w.matrices);
    }
    check_refusals(skald_cpu_backend());
    check_refusals(apart);
    dlclose(plugin);
    return sk_checked();
}

/* Experts: rows are sorted by the expert that they go to, and meet its panels together, as the rows of a project do.
 *
 *     choices  row 0: 3 1   row 1: 1 0          places   expert 0 ▪   expert 1 ▪▪   expert 3 ▪
 *     gather   row r ──▶ its places, quantized once
 *     feed     gate and up of an expert's rows ──▶ activation ──▶ hidden, quantized panel by panel
 *     down     hidden ──▶ what each expert gives to each of its rows
 *     join     row r: sum over its places in the order of its choices
 *
 * The sort is done once, before the first phase; what a row gives does not depend on who else is in its expert. */
#include "backends/cpu/cpu.h"
#include <string.h>

#define ROWS_PER_JOB  8u
#define GATHER_BLOCKS 16u /* quantized at once for all places of a row */

static uint32_t most(uint32_t a, uint32_t b) { return a > b ? a : b; }
static uint32_t parts(uint64_t n, uint32_t of) { return (uint32_t)sk_divide_up(n, of); }

static const float *bias_of(const skald_rows *bias, uint32_t expert) {
    return bias->buffer ? (const float *)(void *)(bias->buffer->data + bias->offset + expert * bias->stride) : NULL;
}

/* ---- room */

/* Rows of an expert begin where tiles may take them in groups. */
static uint32_t place_step(uint32_t level) { return level == SK_LEVEL_AMX ? 16 : 1; }

void sk_expert_room_carve(sk_carver *c, sk_expert_room *room, const skald_stream_plan *plan, uint32_t level) {
    const uint64_t choices = sk_mul(plan->n_rows, plan->max_experts_used);
    const uint64_t n_chosen = choices < plan->max_experts ? choices : plan->max_experts;
    const uint64_t places = sk_align(choices + n_chosen * (place_step(level) - 1), place_step(level));
    room->rows_of = sk_carve(c, plan->max_experts, sizeof *room->rows_of, SK_CACHE_LINE);
    room->next = sk_carve(c, plan->max_experts, sizeof *room->next, SK_CACHE_LINE);
    room->chosen = sk_carve(c, n_chosen, sizeof *room->chosen, SK_CACHE_LINE);
    room->place = sk_carve(c, choices, sizeof *room->place, SK_CACHE_LINE);
    room->wide = sk_carve(c, sk_mul(places, sk_align(plan->max_expert_width, 16)), sizeof(float), SK_CACHE_LINE);
    room->hidden = sk_carve(c, sk_mul(places, sk_align(plan->max_expert_ff, 16)), sizeof(float), SK_CACHE_LINE);
}

/* ---- gather */

static uint32_t id_of(const skald_stream *s, const skald_experts *op, uint32_t r, uint32_t i) {
    return sk_least(((const uint32_t *)sk_row(s, &op->ids, r))[i], op->n_experts - 1);
}

/* A counting sort of all choices by expert; rows of one expert stay in their order. */
static void sort_choices(skald_stream *s, const skald_experts *op) {
    sk_expert_room *e = &s->experts;
    const uint32_t n_rows = sk_row_count(s, &op->x), n_used = op->ids.width,
                   step = place_step(s->device->kernels.level);
    memset(e->rows_of, 0, op->n_experts * sizeof *e->rows_of);
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_used; i++) e->rows_of[id_of(s, op, r, i)]++;
    e->n_chosen = 0;
    for (uint32_t id = 0, place = 0; id < op->n_experts; id++) {
        if (e->rows_of[id] == 0) continue;
        e->chosen[e->n_chosen++] = (sk_chosen_expert){.id = id, .first = place, .n_rows = e->rows_of[id]};
        e->next[id] = place;
        place += parts(e->rows_of[id], step) * step;
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_used; i++) e->place[r * n_used + i] = e->next[id_of(s, op, r, i)]++;
}

static uint32_t gather_count(skald_stream *s, const sk_phase *p) {
    sort_choices(s, &p->op.experts);
    return parts(sk_row_count(s, &p->op.experts.x), ROWS_PER_JOB);
}

static void gather_quantized(skald_stream *s, const skald_experts *op, uint32_t r) {
    const sk_expert_room *e = &s->experts;
    const uint32_t n_used = op->ids.width, n_blocks = op->x.width / SK_BLOCK;
    const float *x = sk_row(s, &op->x, r);
    sk_q8 some[GATHER_BLOCKS], *to = (sk_q8 *)(void *)e->wide;
    for (uint32_t n, b = 0; b < n_blocks; b += n) {
        n = sk_least(n_blocks - b, GATHER_BLOCKS);
        s->device->kernels.quantize(some, x + (size_t)b * SK_BLOCK, n);
        for (uint32_t i = 0; i < n_used; i++)
            sk_put_place(s, to, n_blocks, e->place[r * n_used + i], e->rows_of[id_of(s, op, r, i)], some, b, n);
    }
}

static void gather_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_experts *op = &p->op.experts;
    const uint32_t width = op->x.width, n_used = op->ids.width;
    const uint32_t first = job * ROWS_PER_JOB, end = sk_least(first + ROWS_PER_JOB, sk_row_count(s, &op->x));
    for (uint32_t r = first; r < end; r++) {
        if (sk_takes_integers(&op->gate)) {
            gather_quantized(s, op, r);
            continue;
        }
        for (uint32_t i = 0; i < n_used; i++)
            memcpy(s->experts.wide + (size_t)s->experts.place[r * n_used + i] * width, sk_row(s, &op->x, r),
                   width * sizeof(float));
    }
}

/* ---- feed and down: jobs of some panels by some rows of one expert */

#define FEED_ROWS (SK_SUM_ROWS / 2) /* sums of gate and of up share the room */

/* `w` weights of this shape are multiplied together. */
static uint32_t cut_experts(skald_stream *s, const skald_weight *w, uint32_t n_weights, uint32_t most_rows) {
    sk_expert_room *e = &s->experts;
    const uint32_t n_panels = parts(w->n_out, SK_PANEL), macs = n_weights * SK_PANEL * w->n_in;
    uint64_t all = 0;
    for (uint32_t i = 0; i < e->n_chosen; i++) {
        sk_chosen_expert *c = &e->chosen[i];
        const bool many = sk_expands(s, w, c->n_rows);
        const uint32_t step = many ? SK_MANY_ROWS : SK_TILE_ROWS, bound = many ? most_rows : 80;
        c->job_macs = many ? SK_MANY_JOB_MACS : SK_JOB_MACS;
        c->rows_per_job = sk_least(most(c->job_macs / most(macs, 1), step), bound);
        c->rows_per_job = parts(parts(c->n_rows, parts(c->n_rows, c->rows_per_job)), step) * step; /* all alike */
        all += (uint64_t)n_panels * parts(c->n_rows, c->rows_per_job);
    }
    const uint32_t fair = most(parts(all, 8 * s->plan.n_threads), 1);
    uint32_t n_jobs = 0;
    for (uint32_t i = 0; i < e->n_chosen; i++) {
        sk_chosen_expert *c = &e->chosen[i];
        const uint64_t macs_per_panel = (uint64_t)macs * sk_least(c->n_rows, c->rows_per_job);
        c->panels_per_job = most(sk_least((uint32_t)(c->job_macs / macs_per_panel), fair), 1);
        c->panel_jobs = parts(n_panels, c->panels_per_job);
        c->first_job = n_jobs;
        n_jobs += c->panel_jobs * parts(c->n_rows, c->rows_per_job);
    }
    return n_jobs;
}

/* A job's expert, panels and rows; rows count from the expert's first. */
typedef struct task {
    const sk_chosen_expert *expert;
    uint32_t panel, end_panel, row, end_row;
} task;

static task task_at(const skald_stream *s, const skald_weight *w, uint32_t job) {
    const sk_expert_room *e = &s->experts;
    uint32_t low = 0, high = e->n_chosen; /* its expert is one of low ... high - 1 */
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (e->chosen[middle].first_job <= job) low = middle;
        else high = middle;
    }
    const sk_chosen_expert *c = &e->chosen[low];
    task t = {.expert = c};
    job -= c->first_job;
    t.row = job / c->panel_jobs * c->rows_per_job, t.end_row = sk_least(t.row + c->rows_per_job, c->n_rows);
    t.panel = job % c->panel_jobs * c->panels_per_job;
    t.end_panel = sk_least(t.panel + c->panels_per_job, parts(w->n_out, SK_PANEL));
    return t;
}

/* The chains of a panel of the expert's matrix with n rows from row r on, and the bias. */
static void multiply(skald_stream *s, const task *t, const skald_weight *w, const skald_rows *biases, uint32_t panel,
                     uint32_t n, const float *from, uint8_t *slice, float *y, size_t y_stride) {
    const uint64_t panel_bytes = sk_matmul_at(w->layout)->panel_bytes(w->type, w->n_in);
    const char *packed = w->buffer->data + w->offset + t->expert->id * w->n_bytes + panel * panel_bytes;
    const uint32_t at = panel * SK_PANEL, n_out = sk_least(w->n_out - at, SK_PANEL);
    const size_t first = t->expert->first + t->row;
    const float *bias = bias_of(biases, t->expert->id);
    sk_operand x = {.x = from + first * w->n_in, .stride = w->n_in};
    if (sk_takes_integers(w)) x = (sk_operand){.q = (const sk_q8 *)(const void *)from + first * (w->n_in / SK_BLOCK)};
    if (!sk_expands(s, w, t->expert->n_rows)) slice = NULL;
    sk_multiply(s, w, packed, &x, n, slice, y, y_stride);
    for (uint32_t i = 0; bias && i < n; i++)
        s->device->kernels.add(y + i * y_stride, y + i * y_stride, bias + at, n_out);
}

static uint32_t feed_count(skald_stream *s, const sk_phase *p) {
    return cut_experts(s, &p->op.experts.gate, 2, FEED_ROWS);
}

/* n rows of a panel's products, activated, go where down takes them. */
static void feed_panel(skald_stream *s, const sk_phase *p, const task *t, uint32_t panel, uint32_t n, float *gate,
                       const float *up) {
    const skald_experts *op = &p->op.experts;
    const uint32_t at = panel * SK_PANEL, n_out = sk_least(op->n_ff - at, SK_PANEL);
    sk_gate_fn *activate = sk_gate_of(s, op->activation);
    for (uint32_t i = 0; i < n; i++, gate += SK_PANEL, up += SK_PANEL) {
        const uint32_t place = t->expert->first + t->row + i;
        activate(gate, gate, up, n_out);
        if (!sk_takes_integers(&op->down))
            memcpy(s->experts.hidden + (size_t)place * op->n_ff + at, gate, n_out * sizeof *gate);
        else
            sk_quantize_place(s, (sk_q8 *)(void *)s->experts.hidden, op->n_ff / SK_BLOCK, place, t->expert->n_rows,
                              gate, panel, 1);
    }
}

/* Of gate as many panels one after the other as there is room for, then those of up: memory is read faster in one stream
 * than in two by turns. */
static void feed_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    const skald_experts *op = &p->op.experts;
    const task t = task_at(s, &op->gate, job);
    const float *x = s->experts.wide;
    const uint32_t n = t.end_row - t.row, together = FEED_ROWS / n;
    float *gate = room->sums, *up = gate + FEED_ROWS * SK_PANEL;
    for (uint32_t m, panel = t.panel; panel < t.end_panel; panel += m) {
        m = sk_least(t.end_panel - panel, together);
        for (uint32_t i = 0; i < m; i++)
            multiply(s, &t, &op->gate, &op->gate_bias, panel + i, n, x, room->slice, gate + i * n * SK_PANEL, SK_PANEL);
        for (uint32_t i = 0; i < m; i++) {
            multiply(s, &t, &op->up, &op->up_bias, panel + i, n, x, room->slice, up, SK_PANEL);
            feed_panel(s, p, &t, panel + i, n, gate + i * n * SK_PANEL, up);
        }
    }
}

static uint32_t down_count(skald_stream *s, const sk_phase *p) {
    return cut_experts(s, &p->op.experts.down, 1, SK_SUM_ROWS);
}

/* Into the places of x, which nobody needs any more; a last panel that is not whole goes through the room. */
static void down_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    const skald_experts *op = &p->op.experts;
    const sk_expert_room *e = &s->experts;
    const task t = task_at(s, &op->down, job);
    const uint32_t n = t.end_row - t.row, width = op->out.width;
    for (uint32_t panel = t.panel; panel < t.end_panel; panel++) {
        const uint32_t at = panel * SK_PANEL, n_out = sk_least(width - at, SK_PANEL);
        float *y = e->wide + (size_t)(t.expert->first + t.row) * width + at;
        const bool whole = n_out == SK_PANEL;
        multiply(s, &t, &op->down, &op->down_bias, panel, n, e->hidden, room->slice, whole ? y : room->sums,
                 whole ? width : SK_PANEL);
        for (uint32_t i = 0; !whole && i < n; i++)
            memcpy(y + (size_t)i * width, room->sums + i * SK_PANEL, n_out * sizeof *y);
    }
}

/* ---- join */

static uint32_t join_count(skald_stream *s, const sk_phase *p) {
    return parts(sk_row_count(s, &p->op.experts.out), ROWS_PER_JOB);
}

/* Columns [at, at + n) of a row: one chain in the order of its choices, then what it is added to. */
static void join_part(const skald_stream *s, const skald_experts *op, uint32_t r, uint32_t at, uint32_t n, float *sum) {
    const sk_kernels *k = &s->device->kernels;
    const uint32_t n_used = op->ids.width, *place = s->experts.place + r * n_used;
    const float *weight = sk_row(s, &op->weights, r);
    float *out = (float *)sk_row(s, &op->out, r) + at;
    memset(sum, 0, n * sizeof *sum);
    for (uint32_t i = 0; i < n_used; i++)
        k->add_scaled(sum, s->experts.wide + (size_t)place[i] * op->out.width + at, weight[i], n);
    if (op->add.buffer) k->add(out, sum, (const float *)sk_row(s, &op->add, r) + at, n);
    else memcpy(out, sum, n * sizeof *out);
}

static void join_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    const skald_experts *op = &p->op.experts;
    const uint32_t width = op->out.width, room_width = 1024;
    const uint32_t first = job * ROWS_PER_JOB, end = sk_least(first + ROWS_PER_JOB, sk_row_count(s, &op->out));
    for (uint32_t r = first; r < end; r++)
        for (uint32_t at = 0; at < width; at += room_width)
            join_part(s, op, r, at, sk_least(width - at, room_width), room->sums);
}

/* ---- recording */

void sk_cpu_experts(skald_stream *s, const skald_experts *op) {
    static const struct {
        uint32_t (*count)(skald_stream *stream, const sk_phase *phase);
        void (*job)(skald_stream *stream, const sk_phase *phase, uint32_t job, const sk_thread_room *room);
    } steps[SK_EXPERT_PHASES] = {{gather_count, gather_job},
                                 {feed_count, feed_job},
                                 {down_count, down_job},
                                 {join_count, join_job}};
    for (uint32_t i = 0; i < SK_EXPERT_PHASES; i++) {
        sk_phase *p = sk_phase_add(s, op, sk_least(op->size, sizeof *op));
        if (p) p->count = steps[i].count, p->job = steps[i].job;
    }
}

const char *sk_cpu_refuses_experts(const skald_experts *op) {
    if (op->n_experts == 0 || op->n_experts > SK_MOST_EXPERTS) return "so many experts";
    if (op->ids.width == 0 || op->ids.width > op->n_experts) return "so many experts for a row";
    if (op->gate.type != op->up.type) return "gates and ups of different types";
    return sk_refuses_activation(op->activation);
}

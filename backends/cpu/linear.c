/* Linear attention as phases: a job is some columns of one sequence, which no other job reads or writes.
 *
 *     rows of a sequence     ··· 13 14 15 │ 0 ... 15 │ 0 1 2        chunks of SK_GRID positions
 *     their slots            before, as it is          to           (where only one line is crossed)
 *
 * A slot keeps the state at its grid line and the rows since. The chunk in front of the last line that the pass comes to
 * goes into `before`, the one behind it into `to`; `to` also holds the states in between while they are needed. */
#include "backends/cpu/cpu.h"
#include "base/exact.h"
#include <string.h>

#define JOBS_PER_THREAD 8u
/* Of about a hundred microseconds. */
#define JOB_OUTPUTS     (1u << 17)
#define JOB_MACS        (8u << 20)

/* Rows [first, end) of the pass, all of one sequence. */
typedef struct {
    uint32_t first, end, position; /* of `first` */
    uint32_t line;                 /* the last grid line at or before the end */
    uint32_t from, before, to;
} span;

static uint32_t line_of(uint32_t position) { return position - position % SK_GRID; }

static span span_at(const skald_stream *s, uint32_t segment) {
    const skald_pass *p = &s->pass;
    span a = {.first = s->segments[segment], .end = s->segments[segment + 1]};
    a.position = p->positions[a.first];
    a.line = line_of(a.position + a.end - a.first);
    a.from = p->state_from[a.first], a.before = p->state_before[a.first], a.to = p->state_to[a.first];
    return a;
}

/* Where rows of the chunk at `line` are kept, or SKALD_NO_SLOT. */
static uint32_t slot_of(const span *a, uint32_t line) {
    return line == a->line ? a->to : line + SK_GRID == a->line ? a->before : SKALD_NO_SLOT;
}

static uint32_t longest_segment(const skald_stream *s) {
    uint32_t longest = 1;
    for (uint32_t i = 0; i < s->n_segments; i++)
        if (s->segments[i + 1] - s->segments[i] > longest) longest = s->segments[i + 1] - s->segments[i];
    return longest;
}

/* Columns of a job: few enough for its time and for all threads, and whole tiles of a kernel. */
static uint32_t columns_of(const skald_stream *s, uint32_t n_columns, uint32_t others, uint64_t most) {
    const uint64_t fair = (uint64_t)n_columns * others / (JOBS_PER_THREAD * s->plan.n_threads);
    const uint64_t columns = fair < most ? fair : most;
    return columns >= n_columns ? n_columns : sk_least(n_columns, (uint32_t)sk_align(columns ? columns : 1, 64));
}

/* ---- short convolution */

typedef struct {
    const skald_convolve *op;
    span rows;
    uint32_t column, n_columns;
} convolution;

static float *kept_input(const skald_stream *s, const convolution *c, uint32_t slot, uint32_t position) {
    return (float *)(void *)(sk_store_row(s->store, c->op->layer, slot, position) + c->op->row_offset) + c->column;
}

/* The `back`-th of the inputs before the line of a slot, the last one first. */
static float *input_before(const skald_stream *s, const convolution *c, uint32_t slot, uint32_t back) {
    float *inputs = (float *)(void *)(sk_store_state(s->store, c->op->layer, slot) + c->op->state_offset);
    return inputs + (size_t)(SK_TAPS - 1 - back) * c->op->x.width + c->column;
}

/* The input `back` positions before row r; NULL: before the first. */
static const float *input_at(const skald_stream *s, const convolution *c, uint32_t r, uint32_t back) {
    const uint32_t position = s->pass.positions[r], line = line_of(c->rows.position);
    if (back > position) return NULL;
    if (r - c->rows.first >= back) return (const float *)sk_row(s, &c->op->x, r - back) + c->column;
    if (position - back >= line) return kept_input(s, c, c->rows.from, position - back);
    return input_before(s, c, c->rows.from, line - (position - back));
}

/* The inputs before a line that was crossed at row r. */
static void keep_before(const skald_stream *s, const convolution *c, uint32_t slot, uint32_t r) {
    for (uint32_t back = 1; back < SK_TAPS; back++)
        memcpy(input_before(s, c, slot, back), input_at(s, c, r - 1, back - 1), c->n_columns * sizeof(float));
}

static void keep_inputs(const skald_stream *s, const convolution *c) {
    const span *a = &c->rows;
    for (uint32_t r = a->first; r < a->end; r++) {
        const uint32_t position = s->pass.positions[r], slot = slot_of(a, line_of(position));
        if (position % SK_GRID == 0 && r > a->first && slot != SKALD_NO_SLOT) keep_before(s, c, slot, r);
        if (slot != SKALD_NO_SLOT)
            memcpy(kept_input(s, c, slot, position), input_at(s, c, r, 0), c->n_columns * sizeof(float));
    }
    if (a->line == a->position + a->end - a->first) keep_before(s, c, a->to, a->end);
}

static uint32_t convolve_count(skald_stream *s, const sk_phase *p) {
    const uint32_t width = p->op.convolve.x.width;
    s->cut.linear.columns = columns_of(s, width, s->n_segments, JOB_OUTPUTS / longest_segment(s));
    s->cut.linear.parts = (uint32_t)sk_divide_up(width, s->cut.linear.columns);
    return s->n_segments * s->cut.linear.parts;
}

static void convolve_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_convolve *op = &p->op.convolve;
    convolution c = {.op = op, .rows = span_at(s, job / s->cut.linear.parts)};
    c.column = job % s->cut.linear.parts * s->cut.linear.columns;
    c.n_columns = sk_least(op->x.width - c.column, s->cut.linear.columns);
    const float *w = (const float *)(void *)(op->weight.buffer->data + op->weight.offset);
    for (uint32_t r = c.rows.first; r < c.rows.end; r++) {
        const float *x[SK_TAPS];
        for (uint32_t t = 0; t < SK_TAPS; t++) x[t] = input_at(s, &c, r, SK_TAPS - 1 - t);
        s->device->kernels.convolve((float *)sk_row(s, &op->out, r) + c.column, x, w + (size_t)SK_TAPS * c.column,
                                    c.n_columns);
    }
    keep_inputs(s, &c);
}

void sk_cpu_convolve(skald_stream *s, const skald_convolve *op) {
    sk_phase *p = sk_phase_add(s, op, sk_least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = convolve_count, p->job = convolve_job;
}

/* ---- delta */

/* Some columns of one head of one sequence. */
typedef struct {
    const skald_delta *op;
    span rows;
    uint32_t head, key_head, column, n_columns;
    float *keys, *u, *room; /* of the thread */
    float decay[SK_GRID], beta[SK_GRID];
} strip;

static float *state_of(const skald_stream *s, const strip *t, uint32_t slot) {
    float *state = (float *)(void *)(sk_store_state(s->store, t->op->layer, slot) + t->op->state_offset);
    return state + (size_t)t->head * t->op->head_dim_k * t->op->head_dim_v + t->column;
}

/* What a slot keeps of a row. */
typedef struct {
    float *k, *u, *decay;
} kept;

static kept kept_row(const skald_stream *s, const strip *t, uint32_t slot, uint32_t position) {
    const skald_delta *op = t->op;
    float *row = (float *)(void *)(sk_store_row(s->store, op->layer, slot, position) + op->row_offset);
    float *u = row + (size_t)op->n_heads * op->head_dim_k, *decay = u + (size_t)op->n_heads * op->head_dim_v;
    return (kept){row + (size_t)t->head * op->head_dim_k, u + (size_t)t->head * op->head_dim_v + t->column,
                  decay + t->head};
}

/* The next head's numbers lie behind this one's: they come nearer meanwhile. */
static void fetch_next(const float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i += SK_CACHE_LINE / sizeof *x) __builtin_prefetch(x + n + i, 0, 2);
}

/* Row i of the chunk comes from the slot. */
static void load_row(const skald_stream *s, strip *t, uint32_t i, uint32_t position) {
    const kept k = kept_row(s, t, t->rows.from, position);
    memcpy(t->keys + (size_t)i * t->op->head_dim_k, k.k, t->op->head_dim_k * sizeof(float));
    memcpy(t->u + (size_t)i * t->op->head_dim_v + t->column, k.u, t->n_columns * sizeof(float));
    t->decay[i] = *k.decay;
    fetch_next(k.k, t->op->head_dim_k);
    fetch_next(k.u, t->n_columns);
}

/* What all columns of a head share is kept by the job with the first ones. */
static void keep_row(const skald_stream *s, const strip *t, uint32_t i, uint32_t slot, uint32_t position) {
    const kept k = kept_row(s, t, slot, position);
    memcpy(k.u, t->u + (size_t)i * t->op->head_dim_v + t->column, t->n_columns * sizeof(float));
    if (t->column) return;
    memcpy(k.k, t->keys + (size_t)i * t->op->head_dim_k, t->op->head_dim_k * sizeof(float));
    *k.decay = t->decay[i];
}

static const float *part_of(const skald_stream *s, const skald_rows *rows, uint32_t r, uint32_t at) {
    return (const float *)sk_row(s, rows, r) + at;
}

/* Rows [first, end) of the chunk come from the pass, from row r on: keys, then behind all keys the queries. */
static void ready_keys(const skald_stream *s, const strip *t, const sk_delta_chunk *c, uint32_t r) {
    const skald_delta *op = t->op;
    const sk_kernels *kernels = &s->device->kernels;
    const uint32_t n = op->head_dim_k, at = t->key_head * n;
    float *key = t->keys + (size_t)c->first * n, *query = t->keys + (size_t)c->end * n;
    for (const uint32_t end = r + c->end - c->first; r < end; r++, key += n, query += n) {
        if (op->unit_eps > 0) {
            kernels->unit_norm(key, part_of(s, &op->k, r, at), n, op->unit_eps, 1.0f);
            kernels->unit_norm(query, part_of(s, &op->q, r, at), n, op->unit_eps, op->scale);
        } else {
            memcpy(key, part_of(s, &op->k, r, at), n * sizeof *key);
            kernels->scale(query, part_of(s, &op->q, r, at), op->scale, n);
        }
    }
}

static float number(const skald_rows *rows, uint32_t i) {
    return ((const float *)(void *)(rows->buffer->data + rows->offset))[i];
}

static void ready_values(const skald_stream *s, strip *t, sk_delta_chunk *c, uint32_t r) {
    const skald_delta *op = t->op;
    const uint32_t h = t->head, at = h * op->head_dim_v + t->column;
    for (uint32_t i = 0; i < c->end - c->first; i++) {
        float *decay = &t->decay[c->first + i];
        *decay = 1.0f;
        if (c->decay)
            *decay =
                sk_exp(number(&op->rate, h) * sk_softplus(*part_of(s, &op->alpha, r + i, h) + number(&op->bias, h)));
        if (c->beta) t->beta[i] = sk_sigmoid(*part_of(s, &op->beta, r + i, h));
        c->v[i] = part_of(s, &op->v, r + i, at);
        c->out[i] = (float *)sk_row(s, &op->out, r + i) + at;
    }
}

/* The rows of one chunk, from row r of the pass on. */
static void run_chunk(const skald_stream *s, strip *t, sk_delta_chunk *c, uint32_t r) {
    const uint32_t line = line_of(s->pass.positions[r]);
    const uint32_t slot = slot_of(&t->rows, line), next = slot_of(&t->rows, line + SK_GRID);
    c->first = s->pass.positions[r] - line;
    c->end = sk_least(SK_GRID, c->first + t->rows.end - r);
    for (uint32_t i = 0; i < c->first; i++) load_row(s, t, i, line + i);
    ready_keys(s, t, c, r);
    ready_values(s, t, c, r);
    c->next = c->end < SK_GRID ? NULL : state_of(s, t, next == SKALD_NO_SLOT ? t->rows.to : next);
    s->device->kernels.delta(c);
    for (uint32_t i = c->first; i < c->end && slot != SKALD_NO_SLOT; i++) keep_row(s, t, i, slot, line + i);
}

static void run_strip(const skald_stream *s, strip *t) {
    const skald_delta *op = t->op;
    sk_delta_chunk c = {.dim_k = op->head_dim_k, .dim_v = t->n_columns, .corrects = op->kind == SKALD_DELTA_RULE};
    c.k = t->keys, c.u = t->u + t->column, c.room = t->room, c.stride = op->head_dim_v;
    if (op->alpha.width) c.decay = t->decay;
    if (op->beta.width) c.beta = t->beta;
    if (line_of(t->rows.position) > 0) c.state = state_of(s, t, t->rows.from);
    for (uint32_t r = t->rows.first; r < t->rows.end; r += c.end - c.first) {
        run_chunk(s, t, &c, r);
        c.state = c.next;
    }
}

/* Whether every sequence's last slot is another one than its first, so that jobs of one head do not meet in it. */
static bool apart(const skald_stream *s) {
    for (uint32_t i = 0; i < s->n_segments; i++) {
        const span a = span_at(s, i);
        if (a.line > line_of(a.position) && a.from == a.to) return false;
    }
    return true;
}

static uint32_t delta_count(skald_stream *s, const sk_phase *p) {
    const skald_delta *op = &p->op.delta;
    const uint64_t macs = (uint64_t)longest_segment(s) * 3 * op->head_dim_k;
    sk_linear_cut *c = &s->cut.linear;
    c->columns =
        apart(s) ? columns_of(s, op->head_dim_v, s->n_segments * op->n_heads, JOB_MACS / macs) : op->head_dim_v;
    c->parts = op->n_heads * (uint32_t)sk_divide_up(op->head_dim_v, c->columns);
    return s->n_segments * c->parts;
}

static void delta_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    const skald_delta *op = &p->op.delta;
    const uint32_t parts = s->cut.linear.parts / op->n_heads, part = job % s->cut.linear.parts;
    strip t = {.op = op, .rows = span_at(s, job / s->cut.linear.parts), .head = part / parts};
    t.key_head = op->tiled ? t.head % op->n_k_heads : t.head / (op->n_heads / op->n_k_heads);
    t.column = part % parts * s->cut.linear.columns;
    t.n_columns = sk_least(op->head_dim_v - t.column, s->cut.linear.columns);
    t.keys = room->q, t.u = room->block, t.room = room->part; /* each has SK_ATTEND_ROWS rows of the widest head */
    run_strip(s, &t);
}

void sk_cpu_delta(skald_stream *s, const skald_delta *op) {
    sk_phase *p = sk_phase_add(s, op, sk_least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = delta_count, p->job = delta_job;
}

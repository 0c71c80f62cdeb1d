/* The operations as phases: how the work of each is cut into jobs, and which kernel does a job. */
#include "backends/cpu/cpu.h"
#include "base/exact.h"
#include <string.h>

#define ROWS_PER_JOB 8u

static uint32_t most(uint32_t a, uint32_t b) { return a > b ? a : b; }
static uint32_t parts(uint64_t n, uint32_t of) { return (uint32_t)sk_divide_up(n, of); }

/* Rows [*first, *end) of a job that takes ROWS_PER_JOB rows. */
static void rows_of_job(uint32_t *first, uint32_t *end, uint32_t n_rows, uint32_t job) {
    *first = job * ROWS_PER_JOB;
    *end = sk_least(*first + ROWS_PER_JOB, n_rows);
}

/* Adds a phase for one descriptor, `size` bytes of it at most. */
static sk_phase *record(skald_stream *s, const void *op, uint32_t given, size_t known) {
    return sk_phase_add(s, op, sk_least(given, (uint32_t)known));
}

/* ---- embed */

static uint32_t embed_count(skald_stream *s, const sk_phase *p) {
    return parts(sk_row_count(s, &p->op.embed.out), ROWS_PER_JOB);
}

/* Row `index` of a table that is looked up. */
static void look_up(float *y, const skald_weight *table, uint32_t index) {
    const sk_matmul *kind = sk_matmul_at(table->layout);
    const char *panel =
        table->buffer->data + table->offset + index / SK_PANEL * kind->panel_bytes(table->type, table->n_in);
    kind->unpack(y, panel, table->type, index % SK_PANEL, table->n_in);
}

static void embed_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_embed *op = &p->op.embed;
    const uint32_t width = op->out.width;
    uint32_t r, end;
    for (rows_of_job(&r, &end, sk_row_count(s, &op->out), job); r < end; r++) {
        const int32_t id = s->pass.tokens[r];
        float *y = sk_row(s, &op->out, r), *place = s->normed + (size_t)r * width;
        if (id < 0) memcpy(y, s->pass.embeddings + (size_t)(-1 - id) * width, width * sizeof *y);
        else look_up(y, &op->table, (uint32_t)id);
        if (op->scale != 1.0f) s->device->kernels.scale(y, y, op->scale, width);
        if (op->positions.n_in == 0) continue;
        look_up(place, &op->positions, s->pass.positions[r]);
        s->device->kernels.add(y, y, place, width);
    }
}

void sk_cpu_embed(skald_stream *s, const skald_embed *op) {
    sk_phase *p = record(s, op, op->size, sizeof *op);
    if (p) p->count = embed_count, p->job = embed_job;
    if (op->positions.n_in) s->position_limit = op->positions.n_out;
}

/* ---- normalize */

static const float *vector_of(const skald_rows *row) {
    return row->buffer ? (const float *)(void *)(row->buffer->data + row->offset) : NULL;
}

void sk_norm_row(const skald_stream *s, float *y, const float *x, uint32_t n, const skald_norm *norm) {
    const sk_kernels *k = &s->device->kernels;
    const float *w = vector_of(&norm->weight);
    if (norm->kind == SKALD_NORM_LAYER) k->layer_norm(y, x, w, vector_of(&norm->bias), n, norm->eps);
    else k->rms_norm(y, x, w, n, norm->eps);
}

static uint32_t normalize_count(skald_stream *s, const sk_phase *p) {
    return parts(sk_row_count(s, &p->op.normalize.out), ROWS_PER_JOB);
}

static void normalize_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_normalize *op = &p->op.normalize;
    uint32_t r, end;
    for (rows_of_job(&r, &end, sk_row_count(s, &op->out), job); r < end; r++) {
        float *y = sk_row(s, &op->out, r), *normed = op->add.buffer ? s->normed + (size_t)r * op->x.width : y;
        const uint32_t width = op->norm.weight.width;
        for (uint32_t i = 0; i < op->x.width; i += width)
            sk_norm_row(s, normed + i, (const float *)sk_row(s, &op->x, r) + i, width, &op->norm);
        if (op->add.buffer) s->device->kernels.add(y, normed, sk_row(s, &op->add, r), op->x.width);
    }
}

void sk_cpu_normalize(skald_stream *s, const skald_normalize *op) {
    sk_phase *p = record(s, op, op->size, sizeof *op);
    if (p) p->count = normalize_count, p->job = normalize_job;
}

/* ---- project: rows are normed and quantized once, then every panel of every weight meets every row */

static uint32_t ready_count(skald_stream *s, const sk_phase *p) {
    return parts(sk_row_count(s, &p->op.project.x), ROWS_PER_JOB);
}

static void ready_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_project *op = &p->op.project;
    const uint32_t width = op->x.width;
    uint32_t r, end;
    for (rows_of_job(&r, &end, sk_row_count(s, &op->x), job); r < end; r++) {
        const float *x = sk_row(s, &op->x, r);
        if (op->norm.kind != SKALD_NORM_NONE) {
            float *normed = s->normed + (size_t)r * width;
            sk_norm_row(s, normed, x, width, &op->norm);
            x = normed;
        }
        if (p->to) sk_quantize_row(s, p->to, &op->x, r, x, 0, width / SK_BLOCK);
    }
}

static sk_project_cut cut_project(const skald_stream *s, const sk_phase *p) {
    const skald_project *op = &p->op.project;
    sk_project_cut c = {.n_rows = sk_row_count(s, &op->x)};
    for (uint32_t i = 0; i < op->n_weights; i++) c.all_panels += c.panels[i] = parts(op->weight[i].n_out, SK_PANEL);
    if (p->activation) c.all_panels = c.panels[0]; /* a panel of gate and one of up together */
    const uint32_t macs = SK_PANEL * op->x.width * (p->activation ? op->n_weights : 1);
    bool many = false; /* then jobs begin where groups of rows do */
    for (uint32_t i = 0; i < op->n_weights; i++) many |= sk_expands(s, &op->weight[i], c.n_rows);
    const uint32_t step = many ? SK_MANY_ROWS : SK_TILE_ROWS, bound = many ? SK_SUM_ROWS : 80;
    const uint32_t job_macs = many ? SK_MANY_JOB_MACS : SK_JOB_MACS;
    c.rows_per_job = sk_least(most(job_macs / most(macs, 1), step), bound);
    c.rows_per_job = parts(parts(c.n_rows, most(parts(c.n_rows, c.rows_per_job), 1)), step) * step; /* all alike */
    c.row_jobs = parts(c.n_rows, most(c.rows_per_job, 1));
    const uint64_t macs_per_panel = (uint64_t)macs * sk_least(c.n_rows, c.rows_per_job);
    c.panels_per_job = (uint32_t)(job_macs / (macs_per_panel ? macs_per_panel : 1));
    const uint32_t fair = parts((uint64_t)c.all_panels * c.row_jobs, 8 * s->plan.n_threads);
    c.panels_per_job = most(sk_least(c.panels_per_job, fair), 1);
    c.panel_jobs = parts(c.all_panels, c.panels_per_job);
    return c;
}

static uint32_t project_count(skald_stream *s, const sk_phase *p) {
    s->cut.project = cut_project(s, p);
    return s->cut.project.panel_jobs * s->cut.project.row_jobs;
}

/* Row r and those behind it, as a weight of the project meets them. */
static sk_operand operand_at(const skald_stream *s, const sk_phase *p, const skald_weight *w, uint32_t r) {
    const skald_project *op = &p->op.project;
    const uint32_t n_in = w->n_in;
    if (sk_takes_integers(w)) return (sk_operand){.q = p->from + (size_t)r * (n_in / SK_BLOCK)};
    if (op->norm.kind != SKALD_NORM_NONE) return (sk_operand){.x = s->normed + (size_t)r * n_in, .stride = n_in};
    return (sk_operand){.x = sk_row(s, &op->x, r), .stride = op->x.stride / sizeof(float)};
}

/* out = chain, + bias, + add, capped; a whole panel with nothing more to do goes to its place at once. */
static void multiply_panel(skald_stream *s, const sk_phase *p, uint32_t weight, uint32_t panel, uint32_t r,
                           uint32_t end, const sk_thread_room *room) {
    const skald_project *op = &p->op.project;
    const skald_weight *w = &op->weight[weight];
    const skald_rows *out = &op->out[weight], *bias = &op->bias[weight];
    const uint32_t first = panel * SK_PANEL, n_out = sk_least(w->n_out - first, SK_PANEL);
    const char *packed = w->buffer->data + w->offset + panel * sk_matmul_at(w->layout)->panel_bytes(w->type, w->n_in);
    const float *b = bias->buffer ? (const float *)(void *)(bias->buffer->data + bias->offset) + first : NULL;
    const bool at_once = n_out == SK_PANEL && !b && !op->add.buffer && !(op->soft_cap > 0.0f);
    float *place = (float *)sk_row(s, out, r) + first, *sums = at_once ? place : room->sums;
    const size_t stride = at_once ? out->stride / sizeof *place : SK_PANEL;
    const sk_operand x = operand_at(s, p, w, r);
    uint8_t *slice = sk_expands(s, w, sk_row_count(s, &op->x)) ? room->slice : NULL;
    sk_multiply(s, w, packed, &x, end - r, slice, sums, stride);
    for (float *y = sums; !at_once && r < end; r++, y += SK_PANEL) {
        float *to = (float *)sk_row(s, out, r) + first;
        if (b) s->device->kernels.add(y, y, b, n_out);
        if (op->add.buffer) s->device->kernels.add(y, y, (const float *)sk_row(s, &op->add, r) + first, n_out);
        if (op->soft_cap > 0.0f) s->device->kernels.soft_cap(y, y, op->soft_cap, n_out);
        memcpy(to, y, n_out * sizeof *to);
    }
}

sk_gate_fn *sk_gate_of(const skald_stream *s, skald_activation activation) {
    const sk_kernels *k = &s->device->kernels;
    switch (activation) {
    case SKALD_ACTIVATION_GELU_TANH: return k->gelu_tanh;
    case SKALD_ACTIVATION_GELU: return k->gelu;
    case SKALD_ACTIVATION_RELU: return k->relu;
    case SKALD_ACTIVATION_SIGMOID: return k->sigmoid;
    case SKALD_ACTIVATION_SWIGLU_CLAMPED: return k->swiglu_clamped;
    default: return k->silu;
    }
}

/* out[0] = activation(out[0]) * out[1] (or alone, of one weight) while they are near; a whole panel is one block of the
 * next project's rows. */
static void gate_panel(skald_stream *s, const sk_phase *p, uint32_t panel, uint32_t first, uint32_t end) {
    const skald_project *op = &p->op.project;
    const uint32_t at = panel * SK_PANEL, n = sk_least(op->weight[0].n_out - at, SK_PANEL);
    for (uint32_t r = first; r < end; r++) {
        float *gate = (float *)sk_row(s, &op->out[0], r) + at;
        const float *up = op->n_weights == 2 ? (const float *)sk_row(s, &op->out[1], r) + at : NULL;
        sk_gate_of(s, p->activation)(gate, gate, up, n);
        if (p->to) sk_quantize_row(s, p->to, &op->out[0], r, gate, panel, 1);
    }
}

/* Of few rows some panels of gate one after the other, then those of up: memory is read faster in one stream than in two
 * by turns. */
static void gate_panels(skald_stream *s, const sk_phase *p, uint32_t panel, uint32_t end_panel, uint32_t first,
                        uint32_t end, const sk_thread_room *room) {
    const uint32_t together = most(SK_SUM_ROWS / (end - first), 1);
    for (uint32_t m; panel < end_panel; panel += m) {
        m = sk_least(end_panel - panel, together);
        for (uint32_t i = 0; i < m; i++) multiply_panel(s, p, 0, panel + i, first, end, room);
        for (uint32_t i = 0; i < m; i++) {
            if (p->op.project.n_weights == 2) multiply_panel(s, p, 1, panel + i, first, end, room);
            gate_panel(s, p, panel + i, first, end);
        }
    }
}

static void project_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    const sk_project_cut *c = &s->cut.project;
    const uint32_t first_row = job / c->panel_jobs * c->rows_per_job,
                   end_row = sk_least(first_row + c->rows_per_job, c->n_rows);
    const uint32_t first = job % c->panel_jobs * c->panels_per_job,
                   end = sk_least(first + c->panels_per_job, c->all_panels);
    if (p->activation) {
        gate_panels(s, p, first, end, first_row, end_row, room);
        return;
    }
    for (uint32_t i = first; i < end; i++) {
        uint32_t weight = 0, panel = i;
        while (panel >= c->panels[weight]) panel -= c->panels[weight++];
        multiply_panel(s, p, weight, panel, first_row, end_row, room);
    }
}

static bool same_rows(const skald_rows *a, const skald_rows *b) {
    return a->buffer == b->buffer && a->offset == b->offset && a->stride == b->stride && a->width == b->width &&
           a->extent == b->extent;
}

static sk_phase *last_phase(skald_stream *s) { return s->n_phases ? &s->phases[s->n_phases - 1] : NULL; }

/* Where the rows are found quantized: left there by attention or a gate that was joined, or by a phase of their own. */
static const sk_q8 *make_ready(skald_stream *s, const skald_project *op) {
    bool integers = false;
    for (uint32_t i = 0; i < op->n_weights; i++) integers |= sk_takes_integers(&op->weight[i]);
    sk_phase *before = last_phase(s);
    if (op->norm.kind == SKALD_NORM_NONE && before && before->results.width && same_rows(&before->results, &op->x)) {
        if (integers) before->to = s->quantized[before->from == s->quantized[0]];
        return before->to;
    }
    if (integers || op->norm.kind != SKALD_NORM_NONE) {
        sk_phase *ready = record(s, op, op->size, sizeof *op);
        if (ready) ready->count = ready_count, ready->job = ready_job, ready->to = integers ? s->quantized[0] : NULL;
    }
    return s->quantized[0];
}

void sk_cpu_project(skald_stream *s, const skald_project *op) {
    const sk_q8 *from = make_ready(s, op);
    sk_phase *p = record(s, op, op->size, sizeof *op);
    if (p) p->count = project_count, p->job = project_job, p->from = from;
}

/* ---- angles */

static uint32_t angles_count(skald_stream *s, const sk_phase *p) {
    return parts(sk_row_count(s, &p->op.angles.out), ROWS_PER_JOB);
}

static void angles_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_angles *op = &p->op.angles;
    const double *frequency = (const double *)(void *)(op->frequency.buffer->data + op->frequency.offset);
    uint32_t r, end;
    for (rows_of_job(&r, &end, sk_row_count(s, &op->out), job); r < end; r++) {
        float *y = sk_row(s, &op->out, r);
        for (uint32_t i = 0; i < op->frequency.width; i++) {
            double sine, cosine;
            sk_sin_cos(&sine, &cosine, (double)s->pass.positions[r] * frequency[i]);
            y[2 * i] = (float)cosine * op->magnitude;
            y[2 * i + 1] = (float)sine * op->magnitude;
        }
    }
}

void sk_cpu_angles(skald_stream *s, const skald_angles *op) {
    sk_phase *p = record(s, op, op->size, sizeof *op);
    if (p) p->count = angles_count, p->job = angles_job;
}

/* ---- append */

static uint32_t append_count(skald_stream *s, const sk_phase *p) {
    return parts(sk_row_count(s, &p->op.append.q), ROWS_PER_JOB);
}

static void turn_heads(skald_stream *s, const skald_append *op, float *x, uint32_t n_heads, const skald_norm *norm,
                       const float *angles) {
    for (uint32_t h = 0; h < n_heads; h++, x += op->head_dim_k) {
        float *turned = x + op->first_turned;
        if (norm->kind != SKALD_NORM_NONE) sk_norm_row(s, x, x, norm->weight.width, norm);
        if (op->rope == SKALD_ROPE_PAIRS) s->device->kernels.rotate_pairs(turned, angles, op->n_pairs);
        if (op->rope == SKALD_ROPE_HALVES) s->device->kernels.rotate_halves(turned, angles, op->n_pairs);
    }
}

static void append_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_append *op = &p->op.append;
    uint32_t r, end;
    for (rows_of_job(&r, &end, sk_row_count(s, &op->q), job); r < end; r++) {
        const float *angles = op->rope == SKALD_ROPE_NONE ? NULL : sk_row(s, &op->angles, r);
        float *key = sk_row(s, &op->k, r), *value = op->head_dim_v ? sk_row(s, &op->v, r) : key; /* or none */
        turn_heads(s, op, sk_row(s, &op->q, r), op->n_heads, &op->q_norm, angles);
        turn_heads(s, op, key, op->n_kv_heads, &op->k_norm, angles);
        const uint32_t position = s->pass.positions[r];
        const uint32_t page = sk_store_page(s, op->layer, r, position / SK_PAGE);
        for (uint32_t h = 0; h < op->n_kv_heads; h++)
            sk_store_put(s->store, op->layer, page, h, position % SK_PAGE, key + (size_t)h * op->head_dim_k,
                         value + (size_t)h * op->head_dim_v);
    }
}

void sk_cpu_append(skald_stream *s, const skald_append *op) {
    sk_phase *p = record(s, op, op->size, sizeof *op);
    if (p) p->count = append_count, p->job = append_job;
}

/* ---- gate and select */

static uint32_t gate_count(skald_stream *s, const sk_phase *p) {
    return parts(sk_row_count(s, &p->op.gate.out), ROWS_PER_JOB);
}

static void gate_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_gate *op = &p->op.gate;
    uint32_t r, end;
    for (rows_of_job(&r, &end, sk_row_count(s, &op->out), job); r < end; r++) {
        const float *up = op->up.buffer ? sk_row(s, &op->up, r) : NULL;
        sk_gate_of(s, op->activation)(sk_row(s, &op->out, r), sk_row(s, &op->gate, r), up, op->out.width);
    }
}

/* The products of the phase before, whole and with no row added, and nothing else. */
static bool joins(const sk_phase *before, const skald_gate *op) {
    const skald_project *made = &before->op.project;
    if (before->job != project_job || before->activation || made->add.buffer || made->soft_cap > 0.0f) return false;
    const bool all = op->up.buffer ? made->n_weights == 2 && same_rows(&made->out[1], &op->up) : made->n_weights == 1;
    return all && same_rows(&made->out[0], &op->gate) && same_rows(&op->out, &op->gate);
}

void sk_cpu_gate(skald_stream *s, const skald_gate *op) {
    sk_phase *before = last_phase(s);
    if (before && joins(before, op)) {
        before->activation = op->activation;
        before->results = op->out;
        return;
    }
    sk_phase *p = record(s, op, op->size, sizeof *op);
    if (p) p->count = gate_count, p->job = gate_job;
}

static uint32_t select_count(skald_stream *s, const sk_phase *p) {
    return parts(sk_row_count(s, &p->op.select.out), ROWS_PER_JOB);
}

static void select_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    (void)room;
    const skald_select *op = &p->op.select;
    uint32_t r, end;
    for (rows_of_job(&r, &end, sk_row_count(s, &op->out), job); r < end; r++)
        memcpy(sk_row(s, &op->out, r), sk_row(s, &op->x, s->pass.wanted[r]), op->x.width * sizeof(float));
}

void sk_cpu_select(skald_stream *s, const skald_select *op) {
    sk_phase *p = record(s, op, op->size, sizeof *op);
    if (p) p->count = select_count, p->job = select_job;
}

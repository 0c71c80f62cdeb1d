/* Linear attention on the test device: the plain recurrence in double, row by row. What a slot keeps is rounded to f32 before
 * it is used, so that a pass may be cut anywhere. */
#include "device/device.h"
#include <math.h>
#include <string.h>

/* A row of the pass, and where its sequence begins and ends there. */
typedef struct place {
    skald_device *d;
    const device_pass *pass;
    const device_store *store;
    uint32_t r, first, position, line; /* line: the last grid line that the sequence comes to in this pass */
    uint32_t from, before, to;
} place;

static uint32_t number(skald_device *d, device_address table, uint32_t r) {
    return ((const uint32_t *)device_at(d, table))[r];
}

static place place_of(skald_device *d, const device_pass *pass, uint32_t r) {
    const uint32_t *lists = device_at(d, pass->page_list);
    place p = {.d = d, .pass = pass, .store = device_at(d, pass->store), .r = r, .first = r};
    uint32_t end = r + 1;
    while (p.first > 0 && lists[p.first - 1] == lists[r]) p.first--;
    while (end < pass->n_rows && lists[end] == lists[r]) end++;
    p.position = number(d, pass->positions, r);
    p.line = (p.position + end - r) / SKALD_STATE_GRID * SKALD_STATE_GRID;
    p.from = number(d, pass->state_from, r), p.before = number(d, pass->state_before, r);
    p.to = number(d, pass->state_to, r);
    return p;
}

static uint32_t line_of(uint32_t position) { return position / SKALD_STATE_GRID * SKALD_STATE_GRID; }

/* The slot that keeps what happens at or behind a grid line, or SKALD_NO_SLOT. */
static uint32_t slot_of(const place *p, uint32_t line) {
    return line == p->line ? p->to : line + SKALD_STATE_GRID == p->line ? p->before : SKALD_NO_SLOT;
}

static float *row(const place *p, const skald_rows *rows, uint32_t r) {
    return device_at(p->d, rows->offset + (rows->extent == SKALD_EXTENT_FIXED ? 0 : r) * rows->stride);
}

static float *state(const place *p, uint32_t layer, uint32_t slot, uint64_t offset) {
    return device_at(p->d, device_state(p->d, p->store, layer, slot) + offset);
}

static float *kept(const place *p, uint32_t layer, uint32_t slot, uint32_t position, uint64_t offset) {
    return device_at(p->d, device_state_row(p->d, p->store, layer, slot, position % SKALD_STATE_GRID) + offset);
}

/* ---- short convolution */

static float *input_before(const place *p, const skald_convolve *op, uint32_t slot, uint32_t back) {
    return state(p, op->layer, slot, op->state_offset) + (uint64_t)(op->n_taps - 1 - back) * op->x.width;
}

/* The input `back` positions before this row; NULL: before the first. */
static const float *input(const place *p, const skald_convolve *op, uint32_t back) {
    const uint32_t begin = p->position - (p->r - p->first);
    if (back > p->position) return NULL;
    const uint32_t position = p->position - back;
    if (position >= begin) return row(p, &op->x, p->r - back);
    if (position >= line_of(begin)) return kept(p, op->layer, p->from, position, op->row_offset);
    return input_before(p, op, p->from, line_of(begin) - position);
}

static void keep_input(const place *p, const skald_convolve *op) {
    const uint64_t n_bytes = op->x.width * sizeof(float);
    const uint32_t slot = slot_of(p, line_of(p->position)), next = slot_of(p, p->position + 1);
    if (slot != SKALD_NO_SLOT)
        memcpy(kept(p, op->layer, slot, p->position, op->row_offset), row(p, &op->x, p->r), n_bytes);
    if ((p->position + 1) % SKALD_STATE_GRID || next == SKALD_NO_SLOT) return;
    for (uint32_t back = 1; back < op->n_taps; back++)
        memcpy(input_before(p, op, next, back), input(p, op, back - 1), n_bytes);
}

void device_convolve_row(skald_device *d, const device_pass *pass, const skald_convolve *op, uint32_t r) {
    const place p = place_of(d, pass, r);
    const float *weight = row(&p, &op->weight, 0);
    float *out = row(&p, &op->out, r);
    for (uint32_t c = 0; c < op->x.width; c++) {
        double sum = 0;
        for (uint32_t t = 0; t < op->n_taps; t++) {
            const float *x = input(&p, op, op->n_taps - 1 - t);
            if (x) sum += (double)weight[c * op->n_taps + t] * (double)x[c];
        }
        out[c] = (float)(sum / (1 + exp(-sum)));
    }
    keep_input(&p, op);
}

/* ---- delta */

/* What one head keeps of a row. */
typedef struct step {
    float *k, *u, *decay;
} step;

static step step_at(const place *p, const skald_delta *op, uint32_t slot, uint32_t position, uint32_t h) {
    float *k = kept(p, op->layer, slot, position, op->row_offset);
    float *u = k + (uint64_t)op->n_heads * op->head_dim_k, *decay = u + (uint64_t)op->n_heads * op->head_dim_v;
    return (step){k + (uint64_t)h * op->head_dim_k, u + (uint64_t)h * op->head_dim_v, decay + h};
}

static void take_step(double *s, const skald_delta *op, const step *t) {
    for (uint32_t i = 0; i < op->head_dim_k; i++)
        for (uint32_t j = 0; j < op->head_dim_v; j++)
            s[(uint64_t)i * op->head_dim_v + j] =
                s[(uint64_t)i * op->head_dim_v + j] * (double)*t->decay + (double)t->k[i] * (double)t->u[j];
}

static uint64_t head_size(const skald_delta *op) { return (uint64_t)op->head_dim_k * op->head_dim_v; }

/* The state in front of the first row that a pass has of a sequence. */
static void recall(const place *p, const skald_delta *op, double *s, uint32_t h) {
    const uint32_t line = line_of(p->position);
    const float *from = line ? state(p, op->layer, p->from, op->state_offset) + h * head_size(op) : NULL;
    for (uint64_t i = 0; i < head_size(op); i++) s[i] = from ? (double)from[i] : 0;
    for (uint32_t position = line; position < p->position; position++) {
        const step t = step_at(p, op, p->from, position, h);
        take_step(s, op, &t);
    }
}

static void unit(double *to, const float *x, const skald_delta *op, double scale) {
    double sum = op->unit_eps > 0 ? (double)op->unit_eps : 0;
    for (uint32_t i = 0; op->unit_eps > 0 && i < op->head_dim_k; i++) sum += (double)x[i] * (double)x[i];
    for (uint32_t i = 0; i < op->head_dim_k; i++) to[i] = (double)x[i] * (op->unit_eps > 0 ? 1 / sqrt(sum) : 1) * scale;
}

static float decay_of(const place *p, const skald_delta *op, uint32_t h) {
    if (!op->alpha.buffer) return 1;
    const double x = (double)row(p, &op->alpha, p->r)[h] + (double)row(p, &op->bias, 0)[h];
    const double softplus = log1p(exp(-fabs(x))) + (x > 0 ? x : 0);
    return (float)exp((double)row(p, &op->rate, 0)[h] * softplus);
}

/* scratch: a key, a query, then the row as it will be kept: k, u and decay. */
static void run_head(const place *p, const skald_delta *op, double *s, double *scratch, uint32_t h) {
    const uint32_t key_head = op->tiled ? h % op->n_k_heads : h / (op->n_heads / op->n_k_heads);
    const uint64_t at = (uint64_t)key_head * op->head_dim_k, value = (uint64_t)h * op->head_dim_v;
    double *key = scratch, *query = scratch + op->head_dim_k;
    float *own = (float *)(query + op->head_dim_k), decay = decay_of(p, op, h);
    const step t = {own, own + op->head_dim_k, &decay};
    const double beta = op->beta.buffer ? 1 / (1 + exp(-(double)row(p, &op->beta, p->r)[h])) : 1;
    unit(key, row(p, &op->k, p->r) + at, op, 1);
    unit(query, row(p, &op->q, p->r) + at, op, (double)op->scale);
    for (uint32_t i = 0; i < op->head_dim_k; i++) t.k[i] = (float)key[i];
    for (uint32_t j = 0; j < op->head_dim_v; j++) {
        double said = 0;
        for (uint32_t i = 0; i < op->head_dim_k && op->kind == SKALD_DELTA_RULE; i++)
            said += (double)t.k[i] * s[(uint64_t)i * op->head_dim_v + j] * (double)decay;
        t.u[j] = (float)(beta * ((double)row(p, &op->v, p->r)[value + j] - said));
    }
    take_step(s, op, &t);
    for (uint32_t j = 0; j < op->head_dim_v; j++) {
        double sum = 0;
        for (uint32_t i = 0; i < op->head_dim_k; i++) sum += query[i] * s[(uint64_t)i * op->head_dim_v + j];
        row(p, &op->out, p->r)[value + j] = (float)sum;
    }
    const uint32_t slot = slot_of(p, line_of(p->position));
    if (slot == SKALD_NO_SLOT) return;
    const step to = step_at(p, op, slot, p->position, h);
    memcpy(to.k, t.k, op->head_dim_k * sizeof(float));
    memcpy(to.u, t.u, op->head_dim_v * sizeof(float));
    *to.decay = decay;
}

/* The state at a grid line: what is kept there is what goes on. */
static void reach_line(const place *p, const skald_delta *op, double *s, uint32_t h) {
    const uint32_t slot = slot_of(p, p->position + 1);
    float *to = slot == SKALD_NO_SLOT ? NULL : state(p, op->layer, slot, op->state_offset) + h * head_size(op);
    for (uint64_t i = 0; i < head_size(op); i++) {
        const float rounded = (float)s[i];
        s[i] = (double)rounded;
        if (to) to[i] = rounded;
    }
}

uint64_t device_delta_scratch(const skald_delta *op) {
    return op->n_heads * head_size(op) + 3 * (uint64_t)op->head_dim_k + op->head_dim_v;
}

void device_delta_row(skald_device *d, const device_pass *pass, const skald_delta *op, uint32_t r) {
    const place p = place_of(d, pass, r);
    double *states = device_at(d, pass->scratch), *rest = states + op->n_heads * head_size(op);
    for (uint32_t h = 0; h < op->n_heads; h++) {
        double *s = states + h * head_size(op);
        if (r == p.first) recall(&p, op, s, h);
        run_head(&p, op, s, rest, h);
        if ((p.position + 1) % SKALD_STATE_GRID == 0) reach_line(&p, op, s, h);
    }
}

/* ---- failing: what the pass may write into slots is NaN afterwards */

void device_spoil_slots(skald_device *d, const device_pass *pass, uint32_t layer) {
    for (uint32_t r = 0; r < pass->n_rows; r++) {
        const place p = place_of(d, pass, r);
        const skald_store_layer *shape = &((const device_layer *)device_at(d, p.store->layers))[layer].shape;
        const uint32_t slot = slot_of(&p, line_of(p.position)), next = slot_of(&p, p.position + 1);
        if (slot != SKALD_NO_SLOT) memset(kept(&p, layer, slot, p.position, 0), 0xff, shape->row_bytes);
        if ((p.position + 1) % SKALD_STATE_GRID == 0 && next != SKALD_NO_SLOT)
            memset(state(&p, layer, next, 0), 0xff, (size_t)shape->state_bytes);
    }
}

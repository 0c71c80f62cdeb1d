/* Recording on the test device: each descriptor is copied, checked and sent to device memory; nothing is computed. */
#include "device/device.h"
#include <string.h>

/* The descriptor's size, by skald_op_kind. */
static uint32_t known_size(skald_op_kind kind) {
    static const uint32_t sizes[] = {sizeof(skald_embed),   sizeof(skald_normalize),     sizeof(skald_project),
                                     sizeof(skald_angles),  sizeof(skald_append),        sizeof(skald_attend),
                                     sizeof(skald_gate),    sizeof(skald_select),        sizeof(skald_route),
                                     sizeof(skald_experts), sizeof(skald_project_heads), sizeof(skald_convolve),
                                     sizeof(skald_delta),   sizeof(skald_adapt)};
    return kind < sizeof sizes / sizeof *sizes ? sizes[kind] : 0;
}

/* Copies what host and device both know. A tail that only the host knows must be zero: not set. */
static const char *copy(device_op *to, skald_op_kind kind, const void *from) {
    uint32_t known = known_size(kind), given;
    if (known == 0) return "an operation that this device does not know";
    *to = (device_op){.kind = kind};
    memcpy(&given, from, sizeof given);
    for (uint32_t i = known; i < given; i++)
        if (((const unsigned char *)from)[i]) return "an operation with a part that this device does not know";
    memcpy(&to->as, from, given < known ? given : known);
    return NULL;
}

static const char *refuse_norm(const skald_norm *n) {
    return n->kind > SKALD_NORM_LAYER ? "a kind of norm that this device does not know" : NULL;
}

static const char *refuse_weight(const skald_weight *w, uint32_t n_in) {
    if (w->layout != DEVICE_LAYOUT_COLUMNS) return "a product with a weight that was planned for look-up";
    return w->n_in != n_in ? "a weight of another width than its rows" : NULL;
}

static const char *refuse_append(const skald_append *op) {
    const char *why = refuse_norm(&op->q_norm);
    if (!why) why = refuse_norm(&op->k_norm);
    if (!why && op->rope > SKALD_ROPE_HALVES) why = "a kind of rotation that this device does not know";
    if (!why && op->rope && op->first_turned + (uint64_t)2 * op->n_pairs > op->head_dim_k)
        why = "a rotation wider than its head";
    if (!why && (op->q_norm.weight.width > op->head_dim_k || op->k_norm.weight.width > op->head_dim_k))
        why = "a norm wider than its head";
    return why;
}

static const char *refuse_activation(skald_activation kind) {
    return kind < SKALD_ACTIVATION_SILU || kind > SKALD_ACTIVATION_SWIGLU_CLAMPED
               ? "an activation that this device does not know"
               : NULL;
}

static const char *refuse_route(const skald_route *op) {
    const uint32_t n = op->logits.width, n_groups = op->n_groups > 1 ? op->n_groups : 1;
    const uint32_t n_used = n_groups > 1 ? op->n_groups_used : 1;
    if (op->scoring < SKALD_SCORING_SOFTMAX || op->scoring > SKALD_SCORING_CHOSEN)
        return "scores of experts that this device does not know";
    if (n == 0 || n % n_groups || n_used == 0 || n_used > n_groups) return "groups that do not divide their experts";
    if (n_groups > 1 && (op->n_group_best < 1 || op->n_group_best > 2 || op->n_group_best > n / n_groups))
        return "a rank of groups that this device does not know";
    return op->ids.width == 0 || op->ids.width > n / n_groups * n_used ? "more choices than experts" : NULL;
}

static const char *refuse_experts(const skald_experts *op) {
    const char *why = refuse_activation(op->activation);
    if (!why) why = refuse_weight(&op->gate, op->x.width);
    if (!why) why = refuse_weight(&op->up, op->x.width);
    if (!why) why = refuse_weight(&op->down, op->n_ff);
    if (!why && (op->gate.n_out != op->n_ff || op->up.n_out != op->n_ff)) why = "experts of another width than said";
    return why;
}

static const char *refuse_delta(const skald_delta *op) {
    if (op->kind != SKALD_DELTA_ADDITIVE && op->kind != SKALD_DELTA_RULE)
        return "a form of linear attention that this device does not know";
    return op->n_k_heads == 0 || op->n_heads % op->n_k_heads ? "states that do not share keys evenly" : NULL;
}

static const char *refuse(const device_op *op) {
    const char *why = NULL;
    switch (op->kind) {
    case SKALD_OP_NORMALIZE: return refuse_norm(&op->as.normalize.norm);
    case SKALD_OP_PROJECT: {
        const skald_project *p = &op->as.project;
        if (p->n_weights < 1 || p->n_weights > 3) return "a product with no weight or with more than three";
        if (p->add.buffer && p->n_weights != 1) return "rows to add to with more than one weight";
        why = refuse_norm(&p->norm);
        for (uint32_t i = 0; !why && i < p->n_weights; i++) why = refuse_weight(&p->weight[i], p->x.width);
        return why;
    }
    case SKALD_OP_APPEND: return refuse_append(&op->as.append);
    case SKALD_OP_ATTEND:
        return op->as.attend.values_in_keys && op->as.attend.head_dim_v > op->as.attend.head_dim_k
                   ? "values that are longer than the keys they are in"
                   : NULL;
    case SKALD_OP_PROJECT_HEADS: {
        const skald_project_heads *p = &op->as.project_heads;
        uint64_t in = (uint64_t)p->n_heads * p->weight.n_in, out = (uint64_t)p->n_heads * p->weight.n_out;
        if (p->n_heads == 0 || p->x.width < in || p->x.width % p->n_heads || p->out.width - out != p->x.width - in)
            return "heads that are not as wide as their matrices";
        return refuse_weight(&p->weight, p->weight.n_in);
    }
    case SKALD_OP_GATE: return refuse_activation(op->as.gate.activation);
    case SKALD_OP_ROUTE: return refuse_route(&op->as.route);
    case SKALD_OP_EXPERTS: return refuse_experts(&op->as.experts);
    case SKALD_OP_DELTA: return refuse_delta(&op->as.delta);
    case SKALD_OP_ADAPT: return refuse_norm(&op->as.adapt.norm);
    case SKALD_OP_EMBED:
        return (op->as.embed.positions.buffer || op->as.embed.positions.n_in) &&
                       op->as.embed.positions.n_in != op->as.embed.table.n_in
                   ? "learned positions of another width than the table"
                   : NULL;
    default: return why;
    }
}

const char *device_refuses(skald_device *d, skald_op_kind kind, const void *op) {
    device_op own;
    (void)d;
    const char *why = copy(&own, kind, op);
    return why ? why : refuse(&own);
}

/* ---- checks of one recording; after a failure no operation begins, so the first one stays */

static bool fail(skald_stream *s, skald_status status, const char *text) {
    s->failure = status;
    s->failure_text = text;
    return false;
}

static bool begin(skald_stream *s, device_op *own, skald_op_kind kind, const void *op) {
    if (s->failure != SKALD_OK) return false;
    if (s->sealed) return fail(s, SKALD_ARGUMENT, "an operation after stream_seal");
    const char *why = copy(own, kind, op);
    if (!why) why = refuse(own);
    return why ? fail(s, SKALD_UNSUPPORTED, why) : true;
}

/* Rows that a descriptor must have room for. */
static uint32_t most_rows(const skald_stream *s, const skald_rows *r) {
    const skald_stream_plan *p = &s->plan;
    switch (r->extent) {
    case SKALD_EXTENT_ROWS: return p->n_rows;
    case SKALD_EXTENT_WANTED: return p->n_wanted < p->n_rows ? p->n_wanted : p->n_rows;
    case SKALD_EXTENT_LOGITS: return p->n_wanted;
    default: return r->n_rows;
    }
}

/* Wanted rows and logits are equally many; they differ in where the first one lies. */
static bool as_many(skald_extent a, skald_extent b) {
    return a == b ||
           (a + b == SKALD_EXTENT_WANTED + SKALD_EXTENT_LOGITS && a >= SKALD_EXTENT_WANTED && b >= SKALD_EXTENT_WANTED);
}

static bool rows_of(skald_stream *s, skald_rows *r, skald_extent extent, uint64_t width, skald_dtype type) {
    if (!r->buffer) return fail(s, SKALD_ARGUMENT, "rows that are not optional are absent");
    uint64_t n_bytes = type == SKALD_F64 ? 8 : 4, row = r->width * n_bytes, end = r->buffer->n_bytes;
    if (r->buffer->device != s->device) return fail(s, SKALD_ARGUMENT, "rows on another device");
    if (r->type != type) return fail(s, SKALD_ARGUMENT, "rows of a type that the operation does not take");
    if (!as_many(r->extent, extent)) return fail(s, SKALD_ARGUMENT, "rows whose extent does not fit the operation");
    if (r->width != width) return fail(s, SKALD_ARGUMENT, "rows of a width that does not fit the operation");
    if (r->n_rows < most_rows(s, r)) return fail(s, SKALD_ARGUMENT, "rows with less room than a pass may need");
    if (r->offset % n_bytes || r->stride % n_bytes) return fail(s, SKALD_ARGUMENT, "rows that are not aligned");
    if (r->n_rows == 0) return true;
    if (r->n_rows > 1 && r->stride < row) return fail(s, SKALD_ARGUMENT, "rows that overlap each other");
    if (r->offset > end || row > end - r->offset ||
        (r->n_rows > 1 && r->stride > (end - r->offset - row) / (r->n_rows - 1)))
        return fail(s, SKALD_ARGUMENT, "rows behind the end of their buffer");
    r->offset += r->buffer->address;
    return true;
}

static bool rows(skald_stream *s, skald_rows *r, skald_extent extent, uint64_t width) {
    return rows_of(s, r, extent, width, SKALD_F32);
}

static bool one_row(skald_stream *s, skald_rows *r, uint64_t width) { return rows(s, r, SKALD_EXTENT_FIXED, width); }

static bool maybe_row(skald_stream *s, skald_rows *r, uint64_t width) { return !r->buffer || one_row(s, r, width); }

static bool norm(skald_stream *s, skald_norm *n, uint32_t width) {
    if (n->kind == SKALD_NORM_NONE) return true;
    return one_row(s, &n->weight, width) && (n->kind != SKALD_NORM_LAYER || maybe_row(s, &n->bias, width));
}

static skald_status read_mark(skald_device *d, void *arg) {
    const skald_weight *w = arg;
    return *(const uint32_t *)device_at(d, w->offset) == DEVICE_WEIGHT_MARK + w->layout ? SKALD_OK : SKALD_ARGUMENT;
}

static bool weight(skald_stream *s, skald_weight *w) {
    if (!w->buffer || w->buffer->device != s->device) return fail(s, SKALD_ARGUMENT, "a weight that is not here");
    if (w->offset > w->buffer->n_bytes || w->n_bytes > w->buffer->n_bytes - w->offset)
        return fail(s, SKALD_ARGUMENT, "a weight behind the end of its buffer");
    w->offset += w->buffer->address;
    return device_do(s->device, read_mark, w) == SKALD_OK || fail(s, SKALD_ARGUMENT, "a weight that was not placed");
}

static void need_scratch(skald_stream *s, uint64_t doubles) {
    if (doubles > s->scratch_doubles) s->scratch_doubles = doubles;
}

/* ---- sending it to the device */

typedef struct send_args {
    skald_stream *s;
    const device_op *op;
} send_args;

static skald_status send(skald_device *d, void *arg) {
    send_args *a = arg;
    const device_pass *pass = device_at(d, a->s->block);
    ((device_op *)device_at(d, pass->ops))[a->s->n_ops] = *a->op;
    return SKALD_OK;
}

static void push(skald_stream *s, const device_op *op) {
    send_args a = {s, op};
    if (s->n_ops == s->plan.n_ops) fail(s, SKALD_ARGUMENT, "more operations than the plan said");
    else if (device_do(s->device, send, &a) == SKALD_OK) s->n_ops++;
    else fail(s, SKALD_DEVICE, "an operation could not be sent to the device");
}

void device_embed(skald_stream *s, const skald_embed *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_EMBED, given)) return;
    skald_embed *e = &op.as.embed;
    if (!rows(s, &e->out, SKALD_EXTENT_ROWS, e->table.n_in) || !weight(s, &e->table)) return;
    if (e->positions.buffer && !weight(s, &e->positions)) return;
    s->vocabulary = e->table.n_out;
    s->embedding_width = e->table.n_in;
    if (e->positions.buffer) s->position_limit = e->positions.n_out;
    push(s, &op);
}

void device_normalize(skald_stream *s, const skald_normalize *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_NORMALIZE, given)) return;
    skald_normalize *n = &op.as.normalize;
    if (n->add.buffer && !rows(s, &n->add, n->x.extent, n->x.width)) return;
    if (!rows(s, &n->out, n->x.extent, n->x.width) || !rows(s, &n->x, n->x.extent, n->x.width) ||
        !norm(s, &n->norm, n->norm.weight.width))
        return;
    if (n->norm.weight.width == 0 || n->x.width % n->norm.weight.width) {
        fail(s, SKALD_ARGUMENT, "rows that are not a multiple of their norm");
        return;
    }
    need_scratch(s, n->x.width);
    push(s, &op);
}

void device_project(skald_stream *s, const skald_project *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_PROJECT, given)) return;
    skald_project *p = &op.as.project;
    skald_extent extent = p->x.extent;
    if (!rows(s, &p->x, extent, p->x.width) || !norm(s, &p->norm, p->x.width)) return;
    if (p->add.buffer && !rows(s, &p->add, extent, p->weight[0].n_out)) return;
    for (uint32_t i = 0; i < p->n_weights; i++) {
        if (!weight(s, &p->weight[i]) || !rows(s, &p->out[i], extent, p->weight[i].n_out) ||
            !maybe_row(s, &p->bias[i], p->weight[i].n_out))
            return;
        need_scratch(s, (uint64_t)p->x.width + p->weight[i].n_out);
    }
    push(s, &op);
}

void device_angles(skald_stream *s, const skald_angles *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_ANGLES, given)) return;
    skald_angles *a = &op.as.angles;
    if (!rows_of(s, &a->frequency, SKALD_EXTENT_FIXED, a->frequency.width, SKALD_F64) ||
        !rows(s, &a->out, SKALD_EXTENT_ROWS, (uint64_t)2 * a->frequency.width))
        return;
    push(s, &op);
}

void device_append(skald_stream *s, const skald_append *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_APPEND, given)) return;
    skald_append *a = &op.as.append;
    if (!rows(s, &a->q, SKALD_EXTENT_ROWS, (uint64_t)a->n_heads * a->head_dim_k) ||
        !rows(s, &a->k, SKALD_EXTENT_ROWS, (uint64_t)a->n_kv_heads * a->head_dim_k) ||
        !norm(s, &a->q_norm, a->q_norm.weight.width) || !norm(s, &a->k_norm, a->k_norm.weight.width))
        return;
    if (a->head_dim_v && !rows(s, &a->v, SKALD_EXTENT_ROWS, (uint64_t)a->n_kv_heads * a->head_dim_v)) return;
    if (a->rope && !rows(s, &a->angles, SKALD_EXTENT_ROWS, (uint64_t)2 * a->n_pairs)) return;
    need_scratch(s, a->head_dim_k);
    push(s, &op);
}

void device_attend(skald_stream *s, const skald_attend *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_ATTEND, given)) return;
    skald_attend *a = &op.as.attend;
    if (!rows(s, &a->q, SKALD_EXTENT_ROWS, (uint64_t)a->n_heads * a->head_dim_k) ||
        !rows(s, &a->out, SKALD_EXTENT_ROWS, (uint64_t)a->n_heads * a->head_dim_v) ||
        !maybe_row(s, &a->sinks, a->n_heads))
        return;
    need_scratch(s, a->head_dim_v);
    push(s, &op);
}

void device_gate(skald_stream *s, const skald_gate *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_GATE, given)) return;
    skald_gate *g = &op.as.gate;
    skald_extent extent = g->gate.extent;
    if (!rows(s, &g->gate, extent, g->gate.width) || !rows(s, &g->out, extent, g->gate.width) ||
        (g->up.buffer && !rows(s, &g->up, extent, g->gate.width)))
        return;
    push(s, &op);
}

void device_project_heads(skald_stream *s, const skald_project_heads *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_PROJECT_HEADS, given)) return;
    skald_project_heads *p = &op.as.project_heads;
    uint64_t rest = p->x.width - (uint64_t)p->n_heads * p->weight.n_in;
    if (!rows(s, &p->x, p->x.extent, p->x.width) ||
        !rows(s, &p->out, p->x.extent, (uint64_t)p->n_heads * p->weight.n_out + rest))
        return;
    skald_weight last = p->weight; /* if it is there, all are */
    last.offset += (p->n_heads - 1) * last.n_bytes;
    if (weight(s, &p->weight) && weight(s, &last)) push(s, &op);
}

void device_select(skald_stream *s, const skald_select *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_SELECT, given)) return;
    skald_select *e = &op.as.select;
    if (rows(s, &e->x, SKALD_EXTENT_ROWS, e->out.width) && rows(s, &e->out, SKALD_EXTENT_WANTED, e->out.width))
        push(s, &op);
}

/* All matrices of a bank. */
static bool bank(skald_stream *s, skald_weight *w, uint32_t n_experts) {
    if (!w->buffer || w->offset > w->buffer->n_bytes || n_experts == 0 ||
        w->n_bytes > (w->buffer->n_bytes - w->offset) / n_experts)
        return fail(s, SKALD_ARGUMENT, "experts behind the end of their buffer");
    for (uint32_t e = 0; e < n_experts; e++) {
        skald_weight one = *w;
        one.offset += e * w->n_bytes;
        if (!weight(s, &one)) return false;
    }
    w->offset += w->buffer->address;
    return true;
}

static bool maybe_bias(skald_stream *s, skald_rows *bias, uint32_t n_experts, uint64_t width) {
    if (!bias->buffer) return true;
    if (bias->n_rows < n_experts) return fail(s, SKALD_ARGUMENT, "fewer biases than experts");
    return rows(s, bias, SKALD_EXTENT_FIXED, width);
}

void device_route(skald_stream *s, const skald_route *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_ROUTE, given)) return;
    skald_route *t = &op.as.route;
    const uint32_t n_used = t->ids.width;
    if (!rows(s, &t->logits, SKALD_EXTENT_ROWS, t->logits.width) ||
        !rows_of(s, &t->ids, SKALD_EXTENT_ROWS, n_used, SKALD_I32) ||
        !rows(s, &t->weights, SKALD_EXTENT_ROWS, n_used) || !maybe_row(s, &t->correction, t->logits.width))
        return;
    need_scratch(s, 4 * (uint64_t)t->logits.width);
    push(s, &op);
}

void device_experts(skald_stream *s, const skald_experts *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_EXPERTS, given)) return;
    skald_experts *e = &op.as.experts;
    const uint32_t n = e->n_experts, n_used = e->ids.width, width = e->down.n_out;
    if (!rows(s, &e->x, SKALD_EXTENT_ROWS, e->x.width) || !rows_of(s, &e->ids, SKALD_EXTENT_ROWS, n_used, SKALD_I32) ||
        !rows(s, &e->weights, SKALD_EXTENT_ROWS, n_used) || !rows(s, &e->out, SKALD_EXTENT_ROWS, width) ||
        (e->add.buffer && !rows(s, &e->add, SKALD_EXTENT_ROWS, width)))
        return;
    if (!bank(s, &e->gate, n) || !bank(s, &e->up, n) || !bank(s, &e->down, n) ||
        !maybe_bias(s, &e->gate_bias, n, e->n_ff) || !maybe_bias(s, &e->up_bias, n, e->n_ff) ||
        !maybe_bias(s, &e->down_bias, n, width))
        return;
    need_scratch(s, device_experts_scratch(e));
    push(s, &op);
}

void device_convolve(skald_stream *s, const skald_convolve *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_CONVOLVE, given)) return;
    skald_convolve *c = &op.as.convolve;
    const uint32_t width = c->x.width;
    if (rows(s, &c->x, SKALD_EXTENT_ROWS, width) && rows(s, &c->out, SKALD_EXTENT_ROWS, width) &&
        one_row(s, &c->weight, (uint64_t)c->n_taps * width))
        push(s, &op);
}

void device_delta(skald_stream *s, const skald_delta *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_DELTA, given)) return;
    skald_delta *t = &op.as.delta;
    const uint64_t keys = (uint64_t)t->n_k_heads * t->head_dim_k, values = (uint64_t)t->n_heads * t->head_dim_v;
    if (!rows(s, &t->q, SKALD_EXTENT_ROWS, keys) || !rows(s, &t->k, SKALD_EXTENT_ROWS, keys) ||
        !rows(s, &t->v, SKALD_EXTENT_ROWS, values) || !rows(s, &t->out, SKALD_EXTENT_ROWS, values))
        return;
    if (t->beta.buffer && !rows(s, &t->beta, SKALD_EXTENT_ROWS, t->n_heads)) return;
    if (t->alpha.buffer && (!rows(s, &t->alpha, SKALD_EXTENT_ROWS, t->n_heads) || !one_row(s, &t->rate, t->n_heads) ||
                            !one_row(s, &t->bias, t->n_heads)))
        return;
    need_scratch(s, device_delta_scratch(t));
    push(s, &op);
}

void device_adapt(skald_stream *s, const skald_adapt *given) {
    device_op op;
    if (!begin(s, &op, SKALD_OP_ADAPT, given)) return;
    skald_adapt *a = &op.as.adapt;
    if (s->plan.max_rank == 0) {
        fail(s, SKALD_ARGUMENT, "an adapt in a stream without ranks");
        return;
    }
    if (!rows(s, &a->x, SKALD_EXTENT_ROWS, a->x.width) || !norm(s, &a->norm, a->x.width) ||
        !rows(s, &a->out, SKALD_EXTENT_ROWS, a->out.width))
        return;
    op.adapts = s->n_adapts++;
    need_scratch(s, (uint64_t)a->x.width + s->plan.max_rank);
    push(s, &op);
}

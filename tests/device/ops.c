/* The operations as backend.h words them, row by row in double: no row sees another, so neighbours cannot matter. */
#include "device/device.h"
#include <math.h>
#include <string.h>

typedef struct frame {
    skald_device *d;
    const device_pass *pass;
    double *scratch;
} frame;

static uint32_t n_rows_of(const frame *f, const skald_rows *r) {
    if (r->extent == SKALD_EXTENT_ROWS) return f->pass->n_rows;
    return r->extent == SKALD_EXTENT_FIXED ? r->n_rows : f->pass->n_wanted;
}

/* Logits of this pass stand behind those of the step's earlier passes. */
static float *row(const frame *f, const skald_rows *r, uint32_t i) {
    if (r->extent == SKALD_EXTENT_LOGITS) i += f->pass->first_wanted;
    return device_at(f->d, r->offset + i * r->stride);
}

static const uint32_t *table(const frame *f, device_address address) { return device_at(f->d, address); }

static const float *numbers(const frame *f, const skald_weight *w) {
    return (const float *)((const uint32_t *)device_at(f->d, w->offset) + 1);
}

static void apply_norm(const frame *f, const skald_norm *n, double *to, const float *x, uint32_t width) {
    double mean = 0, square = 0;
    for (uint32_t i = 0; i < width; i++) to[i] = x[i];
    if (n->kind == SKALD_NORM_NONE) return;
    for (uint32_t i = 0; n->kind == SKALD_NORM_LAYER && i < width; i++) mean += to[i] / width;
    for (uint32_t i = 0; i < width; i++) square += (to[i] - mean) * (to[i] - mean) / width;
    const float *weight = row(f, &n->weight, 0);
    const float *bias = n->kind == SKALD_NORM_LAYER && n->bias.buffer ? row(f, &n->bias, 0) : NULL;
    for (uint32_t i = 0; i < width; i++)
        to[i] = (to[i] - mean) / sqrt(square + (double)n->eps) * (double)weight[i] + (bias ? (double)bias[i] : 0);
}

static void embed_row(const frame *f, const skald_embed *op, uint32_t r) {
    float *out = row(f, &op->out, r);
    int32_t token = ((const int32_t *)device_at(f->d, f->pass->tokens))[r];
    uint32_t width = op->table.n_in, position = table(f, f->pass->positions)[r];
    const float *given = (const float *)device_at(f->d, f->pass->embeddings) + (uint64_t)r * width;
    for (uint32_t k = 0; k < width; k++) {
        const skald_weight *from[2] = {&op->table, &op->positions};
        uint32_t index[2] = {(uint32_t)token, position};
        double x[2] = {0, 0};
        for (int i = token < 0; i < 1 + (op->positions.buffer != NULL); i++) {
            uint64_t columns = (uint64_t)k * from[i]->n_out + index[i];
            uint64_t backwards = (uint64_t)index[i] * width + (width - 1 - k);
            x[i] = numbers(f, from[i])[from[i]->layout == DEVICE_LAYOUT_COLUMNS ? columns : backwards];
        }
        if (token < 0) x[0] = given[k];
        out[k] = (float)(x[0] * (double)op->scale + x[1]);
    }
}

static void normalize_row(const frame *f, const skald_normalize *op, uint32_t r) {
    float *out = row(f, &op->out, r);
    const float *add = op->add.buffer ? row(f, &op->add, r) : NULL;
    const uint32_t width = op->norm.weight.width;
    for (uint32_t i = 0; i < op->x.width; i += width)
        apply_norm(f, &op->norm, f->scratch + i, row(f, &op->x, r) + i, width);
    for (uint32_t i = 0; i < op->x.width; i++) out[i] = (float)(f->scratch[i] + (add ? (double)add[i] : 0));
}

static double capped(double x, double cap) { return cap > 0 ? cap * tanh(x / cap) : x; }

static void project_row(const frame *f, const skald_project *op, uint32_t r) {
    uint32_t n_in = op->x.width;
    double *x = f->scratch, *sum = f->scratch + n_in;
    apply_norm(f, &op->norm, x, row(f, &op->x, r), n_in);
    for (uint32_t w = 0; w < op->n_weights; w++) {
        uint32_t n_out = op->weight[w].n_out;
        const float *column = numbers(f, &op->weight[w]);
        memset(sum, 0, n_out * sizeof *sum);
        for (uint32_t k = 0; k < n_in; k++, column += n_out)
            for (uint32_t o = 0; o < n_out; o++) sum[o] += x[k] * (double)column[o];
        const float *bias = op->bias[w].buffer ? row(f, &op->bias[w], 0) : NULL;
        const float *add = op->add.buffer ? row(f, &op->add, r) : NULL;
        float *out = row(f, &op->out[w], r);
        for (uint32_t o = 0; o < n_out; o++)
            out[o] = (float)capped(sum[o] + (bias ? (double)bias[o] : 0) + (add ? (double)add[o] : 0), op->soft_cap);
    }
}

static void angles_row(const frame *f, const skald_angles *op, uint32_t r) {
    float *out = row(f, &op->out, r);
    const double *frequency = device_at(f->d, op->frequency.offset);
    for (uint32_t i = 0; i < op->frequency.width; i++) {
        double angle = table(f, f->pass->positions)[r] * frequency[i];
        out[2 * i] = (float)(cos(angle) * (double)op->magnitude);
        out[2 * i + 1] = (float)(sin(angle) * (double)op->magnitude);
    }
}

/* ---- the cache */

static const device_store *store_of(const frame *f) { return device_at(f->d, f->pass->store); }

static uint32_t group_of(const frame *f, uint32_t layer) {
    return ((const device_layer *)device_at(f->d, store_of(f)->layers))[layer].shape.group;
}

static uint32_t page_of(const frame *f, uint32_t layer, uint32_t r, uint32_t position) {
    const device_store *store = store_of(f);
    const uint64_t lists = (uint64_t)group_of(f, layer) * store->n_sequences * store->n_list;
    return table(f, store->table)[lists + table(f, f->pass->page_list)[r] + position / SKALD_PAGE_TOKENS];
}

static void turn(const frame *f, const skald_append *op, double *head, uint32_t r) {
    const float *angle = op->rope ? row(f, &op->angles, r) : NULL;
    head += op->first_turned;
    for (uint32_t i = 0; angle && i < op->n_pairs; i++) {
        uint32_t a = op->rope == SKALD_ROPE_PAIRS ? 2 * i : i,
                 b = op->rope == SKALD_ROPE_PAIRS ? a + 1 : i + op->n_pairs;
        double x = head[a], y = head[b], c = angle[2 * i], s = angle[2 * i + 1];
        head[a] = x * c - y * s;
        head[b] = x * s + y * c;
    }
}

/* A norm of the first elements of a head, as many as it has weights. */
static void norm_first(const frame *f, const skald_norm *n, double *to, const float *head, uint32_t dim) {
    uint32_t width = n->kind == SKALD_NORM_NONE ? 0 : n->weight.width;
    for (uint32_t i = width; i < dim; i++) to[i] = head[i];
    if (width) apply_norm(f, n, to, head, width);
}

static void append_row(const frame *f, const skald_append *op, uint32_t r) {
    const device_store *store = store_of(f);
    uint32_t position = table(f, f->pass->positions)[r], page = page_of(f, op->layer, r, position),
             in_page = position % SKALD_PAGE_TOKENS;
    uint32_t dim = op->head_dim_k;
    for (uint32_t h = 0; h < op->n_heads; h++) {
        float *q = row(f, &op->q, r) + (uint64_t)h * dim;
        norm_first(f, &op->q_norm, f->scratch, q, dim);
        turn(f, op, f->scratch, r);
        for (uint32_t i = 0; i < dim; i++) q[i] = (float)f->scratch[i];
    }
    for (uint32_t h = 0; h < op->n_kv_heads; h++) {
        const float *k = row(f, &op->k, r) + (uint64_t)h * dim;
        const float *v = op->head_dim_v ? row(f, &op->v, r) + (uint64_t)h * op->head_dim_v : NULL;
        device_address to = device_head(f->d, store, op->layer, SKALD_PART_K, h, page, in_page);
        norm_first(f, &op->k_norm, f->scratch, k, dim);
        turn(f, op, f->scratch, r);
        for (uint32_t i = 0; i < dim; i++) device_save(f->d, store->type[SKALD_PART_K], to, i, (float)f->scratch[i]);
        to = device_head(f->d, store, op->layer, SKALD_PART_V, h, page, in_page);
        for (uint32_t i = 0; i < op->head_dim_v; i++) device_save(f->d, store->type[SKALD_PART_V], to, i, v[i]);
    }
}

static double score(const frame *f, const skald_attend *op, const float *q, uint32_t kv_head, uint32_t page,
                    uint32_t position) {
    const device_store *store = store_of(f);
    device_address key = device_head(f->d, store, op->layer, SKALD_PART_K, kv_head, page, position % SKALD_PAGE_TOKENS);
    double dot = 0;
    for (uint32_t i = 0; i < op->head_dim_k; i++)
        dot += (double)q[i] * (double)device_load(f->d, store->type[SKALD_PART_K], key, i);
    return capped(dot * (double)op->scale, op->soft_cap);
}

/* Twice over the visible keys: the largest score, then the weighted sum. */
static void attend_head(const frame *f, const skald_attend *op, uint32_t r, uint32_t head) {
    const device_store *store = store_of(f);
    uint32_t kv_head = head / (op->n_heads / op->n_kv_heads), last = table(f, f->pass->positions)[r],
             dim = op->head_dim_v, part = op->values_in_keys ? SKALD_PART_K : SKALD_PART_V;
    uint32_t first = op->window > 0 && last >= op->window ? last - op->window + 1 : 0;
    const float *q = row(f, &op->q, r) + (uint64_t)head * op->head_dim_k;
    double sink = op->sinks.buffer ? (double)row(f, &op->sinks, 0)[head] : -HUGE_VAL, most = sink, *sum = f->scratch;
    for (uint32_t p = first; p <= last; p++) {
        double x = score(f, op, q, kv_head, page_of(f, op->layer, r, p), p);
        if (!(x <= most)) most = x; /* NaN goes on */
    }
    double total = exp(sink - most);
    memset(sum, 0, dim * sizeof *sum);
    for (uint32_t p = first; p <= last; p++) {
        uint32_t page = page_of(f, op->layer, r, p);
        double share = exp(score(f, op, q, kv_head, page, p) - most);
        device_address value = device_head(f->d, store, op->layer, part, kv_head, page, p % SKALD_PAGE_TOKENS);
        total += share;
        for (uint32_t i = 0; i < dim; i++) sum[i] += share * (double)device_load(f->d, store->type[part], value, i);
    }
    float *out = row(f, &op->out, r) + (uint64_t)head * dim;
    for (uint32_t i = 0; i < dim; i++) out[i] = (float)(sum[i] / total);
}

static skald_status attend_row(const frame *f, const skald_attend *op, uint32_t r) {
    uint32_t last = table(f, f->pass->positions)[r];
    for (uint32_t p = op->window > 0 && last >= op->window ? last - op->window + 1 : 0; p <= last; p++)
        if (page_of(f, op->layer, r, p) >= store_of(f)->units[group_of(f, op->layer)].n) return SKALD_DEVICE;
    for (uint32_t h = 0; h < op->n_heads; h++) attend_head(f, op, r, h);
    return SKALD_OK;
}

/* ---- the rest */

static double least(double a, double b) { return a > b ? b : a; } /* NaN goes on */

static double activate(skald_activation kind, double x) {
    switch (kind) {
    case SKALD_ACTIVATION_SIGMOID: return 1 / (1 + exp(-x));
    case SKALD_ACTIVATION_SWIGLU_CLAMPED: x = least(x, 7); return x / (1 + exp(-1.702 * x));
    case SKALD_ACTIVATION_SILU: return x / (1 + exp(-x));
    case SKALD_ACTIVATION_GELU_TANH: return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
    case SKALD_ACTIVATION_GELU: return 0.5 * x * (1 + erf(x * 0.70710678118654752));
    default: return x < 0 ? 0 : x; /* NaN stays */
    }
}

static double factor(skald_activation kind, double up) {
    return kind == SKALD_ACTIVATION_SWIGLU_CLAMPED ? 1 - least(-least(up, 7), 7) : up;
}

double device_activate(skald_activation kind, double gate, double up) {
    return activate(kind, gate) * factor(kind, up);
}

static void gate_row(const frame *f, const skald_gate *op, uint32_t r) {
    const float *gate = row(f, &op->gate, r), *up = op->up.buffer ? row(f, &op->up, r) : NULL;
    float *out = row(f, &op->out, r);
    for (uint32_t i = 0; i < op->gate.width; i++)
        out[i] = (float)(activate(op->activation, gate[i]) * (up ? factor(op->activation, up[i]) : 1));
}

static void project_heads_row(const frame *f, const skald_project_heads *op, uint32_t r) {
    const uint32_t n_in = op->weight.n_in, n_out = op->weight.n_out, rest = op->x.width / op->n_heads - n_in;
    const float *x = row(f, &op->x, r);
    float *out = row(f, &op->out, r);
    skald_weight matrix = op->weight;
    for (uint32_t h = 0; h < op->n_heads; h++, x += n_in + rest, out += n_out + rest, matrix.offset += matrix.n_bytes) {
        for (uint32_t o = 0; o < n_out; o++) {
            double sum = 0;
            for (uint32_t k = 0; k < n_in; k++) sum += (double)x[k] * (double)numbers(f, &matrix)[k * n_out + o];
            out[o] = (float)sum;
        }
        memcpy(out + n_out, x + n_in, rest * sizeof *out);
    }
}

/* A norm(x) first, then what B makes of it. */
static void adapt_row(const frame *f, const device_op *op, uint32_t r) {
    const skald_adapt *a = &op->as.adapt;
    const uint32_t n_in = a->x.width, n_out = a->out.width;
    const device_low_rank *low = device_low_ranks(f->d, f->pass, op, r);
    double *x = f->scratch, *t = x + n_in;
    float *out = row(f, &a->out, r);
    apply_norm(f, &a->norm, x, row(f, &a->x, r), n_in);
    for (uint32_t i = 0; i < SKALD_SPAN_ADAPTERS; i++) {
        const float *down = device_at(f->d, low[i].a), *up = device_at(f->d, low[i].b);
        if (!low[i].a) continue;
        memset(t, 0, low[i].rank * sizeof *t);
        for (uint32_t k = 0; k < n_in; k++)
            for (uint32_t j = 0; j < low[i].rank; j++) t[j] += x[k] * (double)down[(uint64_t)k * low[i].rank + j];
        for (uint32_t o = 0; o < n_out; o++) {
            double sum = 0;
            for (uint32_t j = 0; j < low[i].rank; j++) sum += t[j] * (double)up[(uint64_t)j * n_out + o];
            out[o] = (float)((double)out[o] + (double)low[i].scale * sum);
        }
    }
}

static void select_row(const frame *f, const skald_select *op, uint32_t i) {
    memcpy(row(f, &op->out, i), row(f, &op->x, table(f, f->pass->wanted)[i]), (size_t)op->x.width * sizeof(float));
}

skald_status device_execute(skald_device *d, const device_pass *pass, const device_op *op) {
    const frame f = {d, pass, device_at(d, pass->scratch)};
    skald_status status = SKALD_OK;
    uint32_t n = pass->n_rows;
    if (op->kind == SKALD_OP_NORMALIZE) n = n_rows_of(&f, &op->as.normalize.x);
    if (op->kind == SKALD_OP_PROJECT) n = n_rows_of(&f, &op->as.project.x);
    if (op->kind == SKALD_OP_GATE) n = n_rows_of(&f, &op->as.gate.gate);
    if (op->kind == SKALD_OP_SELECT) n = pass->n_wanted;
    if (op->kind == SKALD_OP_PROJECT_HEADS) n = n_rows_of(&f, &op->as.project_heads.x);
    for (uint32_t r = 0; r < n && status == SKALD_OK; r++) {
        switch (op->kind) {
        case SKALD_OP_EMBED: embed_row(&f, &op->as.embed, r); break;
        case SKALD_OP_NORMALIZE: normalize_row(&f, &op->as.normalize, r); break;
        case SKALD_OP_PROJECT: project_row(&f, &op->as.project, r); break;
        case SKALD_OP_ANGLES: angles_row(&f, &op->as.angles, r); break;
        case SKALD_OP_APPEND: append_row(&f, &op->as.append, r); break;
        case SKALD_OP_ATTEND: status = attend_row(&f, &op->as.attend, r); break;
        case SKALD_OP_GATE: gate_row(&f, &op->as.gate, r); break;
        case SKALD_OP_SELECT: select_row(&f, &op->as.select, r); break;
        case SKALD_OP_ROUTE: device_route_row(d, f.scratch, &op->as.route, r); break;
        case SKALD_OP_EXPERTS: status = device_experts_row(d, f.scratch, &op->as.experts, r); break;
        case SKALD_OP_PROJECT_HEADS: project_heads_row(&f, &op->as.project_heads, r); break;
        case SKALD_OP_CONVOLVE: device_convolve_row(d, pass, &op->as.convolve, r); break;
        case SKALD_OP_DELTA: device_delta_row(d, pass, &op->as.delta, r); break;
        case SKALD_OP_ADAPT: adapt_row(&f, op, r); break;
        default: status = SKALD_DEVICE;
        }
    }
    return status;
}

/* ---- failing: everything that the operation may write is NaN afterwards */

static void spoil_rows(const frame *f, const skald_rows *r) {
    for (uint32_t i = 0; i < n_rows_of(f, r); i++) memset(row(f, r, i), 0xff, (size_t)r->width * sizeof(float));
}

static void spoil_store(const frame *f, const skald_append *op) {
    const device_store *store = store_of(f);
    for (uint32_t r = 0; r < f->pass->n_rows; r++) {
        uint32_t position = table(f, f->pass->positions)[r], page = page_of(f, op->layer, r, position);
        for (uint32_t i = 0; i < 2 * op->n_kv_heads; i++) {
            uint32_t part = i & 1, dim = part == SKALD_PART_K ? op->head_dim_k : op->head_dim_v;
            device_address to = device_head(f->d, store, op->layer, part, i / 2, page, position % SKALD_PAGE_TOKENS);
            for (uint32_t e = 0; e < dim; e++) device_save(f->d, store->type[part], to, e, NAN);
        }
    }
    spoil_rows(f, &op->q);
}

void device_spoil(skald_device *d, const device_pass *pass, const device_op *op) {
    const frame f = {d, pass, device_at(d, pass->scratch)};
    switch (op->kind) {
    case SKALD_OP_EMBED: spoil_rows(&f, &op->as.embed.out); break;
    case SKALD_OP_NORMALIZE: spoil_rows(&f, &op->as.normalize.out); break;
    case SKALD_OP_PROJECT:
        for (uint32_t i = 0; i < op->as.project.n_weights; i++) spoil_rows(&f, &op->as.project.out[i]);
        break;
    case SKALD_OP_ANGLES: spoil_rows(&f, &op->as.angles.out); break;
    case SKALD_OP_APPEND: spoil_store(&f, &op->as.append); break;
    case SKALD_OP_ATTEND: spoil_rows(&f, &op->as.attend.out); break;
    case SKALD_OP_GATE: spoil_rows(&f, &op->as.gate.out); break;
    case SKALD_OP_ROUTE:
        spoil_rows(&f, &op->as.route.ids);
        spoil_rows(&f, &op->as.route.weights);
        break;
    case SKALD_OP_EXPERTS: spoil_rows(&f, &op->as.experts.out); break;
    case SKALD_OP_PROJECT_HEADS: spoil_rows(&f, &op->as.project_heads.out); break;
    case SKALD_OP_CONVOLVE:
        spoil_rows(&f, &op->as.convolve.out);
        device_spoil_slots(d, pass, op->as.convolve.layer);
        break;
    case SKALD_OP_ADAPT: spoil_rows(&f, &op->as.adapt.out); break;
    case SKALD_OP_DELTA:
        spoil_rows(&f, &op->as.delta.out);
        device_spoil_slots(d, pass, op->as.delta.layer);
        break;
    default: spoil_rows(&f, &op->as.select.out); break;
    }
}

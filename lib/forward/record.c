/* The pass itself. It runs once, when a context is made: every call below writes one operation into the list. */
#include "forward/forward.h"

typedef struct recorder {
    const skald_ops *ops;
    skald_stream *stream;
    const sk_config *config;
    const sk_activations *at;
} recorder;

/* One of the matrices of a project: out = weight x + bias. */
typedef struct target {
    const skald_weight *weight;
    const skald_rows *bias; /* NULL: none */
    const skald_rows *out;
} target;

static void embed(const recorder *r, const skald_weight *table);
static void angles(const recorder *r, const skald_rows *frequency);
static void project(const recorder *r, const skald_rows *norm, const skald_rows *x, uint32_t n, const target *to);
static void append(const recorder *r, uint32_t layer);
static void attend(const recorder *r, uint32_t layer);
static void gate(const recorder *r);
static void join(const recorder *r, const skald_rows *x, const skald_weight *weight, const skald_rows *bias);
static void pick(const recorder *r);

void sk_forward_record(const skald_ops *ops, skald_stream *stream, const skald_model *model, const sk_activations *at) {
    const recorder r = {ops, stream, &model->config, at};
    const sk_trunk *t = &model->trunk;

    embed(&r, &t->embedding); /* x: [rows, width], the stream that all layers add to */
    angles(&r, &t->frequency);
    for (uint32_t l = 0; l < model->config.n_layers; l++) {
        const sk_layer *w = &model->layers[l];
        const target qkv[] = {{&w->q, &w->q_bias, &at->q}, {&w->k, &w->k_bias, &at->k}, {&w->v, &w->v_bias, &at->v}};
        const target feed[] = {{&w->gate, &w->gate_bias, &at->gate}, {&w->up, &w->up_bias, &at->up}};

        project(&r, &w->attention_norm, &at->x, 3, qkv);
        append(&r, l); /* q and k are turned, k and v go to the cache */
        attend(&r, l);
        join(&r, &at->a, &w->o, &w->o_bias); /* x += o a */
        project(&r, &w->feed_norm, &at->x, 2, feed);
        gate(&r);                                     /* gate = silu(gate) * up */
        join(&r, &at->gate, &w->down, &w->down_bias); /* x += down gate */
    }
    pick(&r); /* y: the rows whose logits are wanted */
    project(&r, &t->last_norm, &at->y, 1, &(target){&t->head, NULL, &at->logits});
}

/* ---- one descriptor each */

static void embed(const recorder *r, const skald_weight *table) {
    const skald_embed op = {.size = sizeof op, .scale = 1.0f, .table = *table, .out = r->at->x};
    r->ops->embed(r->stream, &op);
}

static void angles(const recorder *r, const skald_rows *frequency) {
    const skald_angles op = {.size = sizeof op, .magnitude = 1.0f, .frequency = *frequency, .out = r->at->angles};
    r->ops->angles(r->stream, &op);
}

static void project(const recorder *r, const skald_rows *norm, const skald_rows *x, uint32_t n, const target *to) {
    skald_project op = {.size = sizeof op, .n_weights = n, .x = *x};
    op.norm = (skald_norm){.kind = SKALD_NORM_RMS, .eps = r->config->norm_eps, .weight = *norm};
    for (uint32_t i = 0; i < n; i++) {
        op.weight[i] = *to[i].weight;
        op.out[i] = *to[i].out;
        if (to[i].bias) op.bias[i] = *to[i].bias;
    }
    r->ops->project(r->stream, &op);
}

static void join(const recorder *r, const skald_rows *x, const skald_weight *weight, const skald_rows *bias) {
    skald_project op = {.size = sizeof op, .n_weights = 1, .x = *x, .add = r->at->x};
    op.weight[0] = *weight;
    op.bias[0] = *bias;
    op.out[0] = r->at->x;
    r->ops->project(r->stream, &op);
}

static void append(const recorder *r, uint32_t layer) {
    const sk_config *c = r->config;
    skald_append op = {.size = sizeof op, .layer = layer, .q = r->at->q, .k = r->at->k, .v = r->at->v};
    op.n_heads = c->n_heads, op.n_kv_heads = c->n_kv_heads;
    op.head_dim_k = c->head_dim_k, op.head_dim_v = c->head_dim_v;
    op.rope = c->rope, op.n_pairs = c->n_pairs, op.angles = r->at->angles;
    r->ops->append(r->stream, &op);
}

static void attend(const recorder *r, uint32_t layer) {
    const sk_config *c = r->config;
    skald_attend op = {.size = sizeof op, .layer = layer, .scale = c->attention_scale, .q = r->at->q, .out = r->at->a};
    op.n_heads = c->n_heads, op.n_kv_heads = c->n_kv_heads;
    op.head_dim_k = c->head_dim_k, op.head_dim_v = c->head_dim_v;
    r->ops->attend(r->stream, &op);
}

static void gate(const recorder *r) {
    const sk_activations *at = r->at;
    const skald_gate op = {sizeof op, SKALD_ACTIVATION_SILU, at->gate, at->up, at->gate};
    r->ops->gate(r->stream, &op);
}

static void pick(const recorder *r) {
    const skald_select op = {.size = sizeof op, .x = r->at->x, .out = r->at->y};
    r->ops->select(r->stream, &op);
}

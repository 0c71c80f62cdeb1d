/* Softmax attention: MHA, GQA and MQA by head counts (arXiv 1706.03762, 2305.13245). */
#include "forward/record.h"

static void append(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint32_t layer, const skald_rows *q,
                   const skald_rows *k, const skald_rows *v) {
    skald_append op = {.size = sizeof op, .layer = layer, .q = *q, .k = *k, .v = *v};
    op.n_heads = kind->n_heads, op.n_kv_heads = kind->n_kv_heads;
    op.head_dim_k = kind->head_dim_k, op.head_dim_v = kind->head_dim_v;
    if (!kind->norms_whole) op.q_norm = sk_record_norm(r, &w->q_norm), op.k_norm = sk_record_norm(r, &w->k_norm);
    if (kind->rotation != SK_NO_ROTATION) {
        op.rope = r->config->rotation[kind->rotation].rope;
        op.n_pairs = r->config->rotation[kind->rotation].n_pairs;
        op.angles = r->at->angles[kind->rotation];
    }
    r->ops->append(r->stream, &op);
}

static void attend(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint32_t layer, const skald_rows *q,
                   const skald_rows *out) {
    skald_attend op = {.size = sizeof op, .layer = layer, .scale = kind->attention_scale, .q = *q, .out = *out};
    op.n_heads = kind->n_heads, op.n_kv_heads = kind->n_kv_heads;
    op.head_dim_k = kind->head_dim_k, op.head_dim_v = kind->head_dim_v;
    op.window = kind->window, op.soft_cap = kind->soft_cap, op.sinks = w->sinks;
    r->ops->attend(r->stream, &op);
}

static void norm_whole(const sk_recorder *r, const skald_rows *x, const sk_norm_rows *norm) {
    const skald_normalize op = {.size = sizeof op, .norm = sk_record_norm(r, norm), .x = *x, .out = *x};
    r->ops->normalize(r->stream, &op);
}

/* a = sigmoid(gate) * a, in the place of the gate. */
static skald_rows gate(const sk_recorder *r, const skald_rows *gates, const skald_rows *a) {
    const skald_gate op = {sizeof op, SKALD_ACTIVATION_SIGMOID, *gates, *a, *gates};
    r->ops->gate(r->stream, &op);
    return *gates;
}

void sk_mix_attention(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint32_t layer) {
    uint64_t at = r->at->work;
    const skald_rows q = sk_record_rows(r, &at, kind->n_heads * kind->head_dim_k);
    const skald_rows k = sk_record_rows(r, &at, kind->n_kv_heads * kind->head_dim_k);
    const skald_rows v = sk_record_rows(r, &at, kind->n_kv_heads * kind->head_dim_v);
    skald_rows a = sk_record_rows(r, &at, kind->n_heads * kind->head_dim_v);
    const skald_rows gates = kind->has_gate ? sk_record_rows(r, &at, kind->n_heads * kind->head_dim_v) : a;
    const sk_target qkv[] = {{&w->q, &w->q_bias, &q}, {&w->k, &w->k_bias, &k}, {&w->v, &w->v_bias, &v}};

    sk_record_project(r, &w->attention_norm, &r->at->x, 3, qkv);
    if (kind->has_gate) sk_record_project(r, &w->attention_norm, &r->at->x, 1, &(sk_target){&w->q_gate, NULL, &gates});
    if (kind->norms_whole) norm_whole(r, &q, &w->q_norm), norm_whole(r, &k, &w->k_norm);
    append(r, kind, w, layer, &q, &k, &v); /* q and k are turned, k and v go to the cache */
    attend(r, kind, w, layer, &q, &a);
    if (kind->has_gate) a = gate(r, &gates, &a);
    sk_record_join_normed(r, &at, &a, &w->o, &w->o_bias, &w->attention_post_norm); /* x += o a */
}

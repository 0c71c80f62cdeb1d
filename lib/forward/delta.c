/* Linear attention: a short convolution, then the delta rule over states (arXiv 2412.06464), a norm of each head and a
 * gate. */
#include "forward/record.h"

#define UNIT_EPS 1e-6f /* under the root that makes queries and keys unit vectors; no file says it */

/* Columns [first, first + width) of rows. */
static skald_rows columns(const skald_rows *rows, uint32_t first, uint32_t width) {
    skald_rows some = *rows;
    some.offset += first * sizeof(float);
    some.width = width;
    return some;
}

/* Where a layer keeps what. */
typedef struct part {
    uint32_t layer;
    const sk_kind *kind;
    sk_state_sizes kept;
} part;

static void convolve(const sk_recorder *r, const part *p, const skald_rows *taps, const skald_rows *x,
                     const skald_rows *out) {
    const skald_convolve op = {.size = sizeof op,
                               .layer = p->layer,
                               .n_taps = (uint32_t)sk_config_dim(r->config, p->kind, SK_DIM_TAPS),
                               .weight = *taps,
                               .x = *x,
                               .out = *out};
    r->ops->convolve(r->stream, &op);
}

/* `mixed` holds queries, keys and values beside each other. */
static void delta(const sk_recorder *r, const part *p, const sk_layer *w, const skald_rows *mixed,
                  const skald_rows *alpha, const skald_rows *beta, const skald_rows *out) {
    const sk_kind *k = p->kind;
    const uint32_t keys = k->n_kv_heads * k->head_dim_k;
    skald_delta op = {.size = sizeof op, .layer = p->layer, .kind = k->delta, .tiled = k->tiled, .out = *out};
    op.state_offset = p->kept.convolved, op.row_offset = p->kept.convolved_row;
    op.n_heads = k->n_heads, op.n_k_heads = k->n_kv_heads;
    op.head_dim_k = k->head_dim_k, op.head_dim_v = k->head_dim_v;
    op.unit_eps = UNIT_EPS, op.scale = k->attention_scale;
    op.q = columns(mixed, 0, keys), op.k = columns(mixed, keys, keys);
    op.v = columns(mixed, 2 * keys, k->n_heads * k->head_dim_v);
    op.alpha = *alpha, op.rate = w->rate, op.bias = w->alpha_bias, op.beta = *beta;
    r->ops->delta(r->stream, &op);
}

/* out = norm of each head of x, by silu(z). */
static void gate(const sk_recorder *r, const skald_rows *norm, const skald_rows *x, const skald_rows *z) {
    const skald_normalize heads = {.size = sizeof heads,
                                   .norm = sk_record_norm(r, &(sk_norm_rows){.weight = *norm}),
                                   .x = *x,
                                   .out = *x};
    const skald_gate join = {sizeof join, SKALD_ACTIVATION_SILU, *z, *x, *z};
    r->ops->normalize(r->stream, &heads);
    r->ops->gate(r->stream, &join);
}

void sk_mix_delta(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint32_t layer) {
    const part p = {layer, kind, sk_kind_state(kind)};
    const uint32_t channels = (uint32_t)sk_config_dim(r->config, kind, SK_DIM_CHANNELS);
    const uint32_t values = kind->n_heads * kind->head_dim_v;
    uint64_t at = r->at->work;
    const skald_rows raw = sk_record_rows(r, &at, channels), mixed = sk_record_rows(r, &at, channels);
    const skald_rows z = sk_record_rows(r, &at, values), out = sk_record_rows(r, &at, values);
    const skald_rows alpha = sk_record_rows(r, &at, kind->n_heads), beta = sk_record_rows(r, &at, kind->n_heads);
    const sk_target wide[] = {{&w->mixed, NULL, &raw}, {&w->z, NULL, &z}};
    const sk_target narrow[] = {{&w->alpha, NULL, &alpha}, {&w->beta, NULL, &beta}};

    sk_record_project(r, &w->attention_norm, &r->at->x, 2, wide);
    sk_record_project(r, &w->attention_norm, &r->at->x, 2, narrow);
    convolve(r, &p, &w->taps, &raw, &mixed);
    delta(r, &p, w, &mixed, &alpha, &beta, &out);
    gate(r, &w->state_norm, &out, &z);
    sk_record_join(r, &z, &w->o, &w->o_bias); /* x += o (norm(out) * silu(z)) */
}

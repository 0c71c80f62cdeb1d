/* The pass itself. It runs once, when a context is made: every call below writes one operation into the list. */
#include "forward/forward.h"

/* Rows laid one behind the other. */
static skald_rows take(uint64_t *at, skald_buffer *buffer, uint32_t n_rows, uint32_t width, skald_extent extent) {
    const uint64_t stride = sk_align((uint64_t)width * sizeof(float), SK_CACHE_LINE);
    const skald_rows rows = {buffer, *at, stride, n_rows, width, SKALD_F32, extent};
    *at = sk_add(*at, sk_mul(stride, n_rows));
    return rows;
}

void sk_activations_layout(sk_activations *r, const sk_config *c, skald_buffer *buffer, uint32_t n_rows,
                           uint32_t n_logits) {
    uint64_t at = 0;
    r->x = take(&at, buffer, n_rows, c->n_embd, SKALD_EXTENT_ROWS);
    r->angles = take(&at, buffer, n_rows, 2 * c->n_pairs, SKALD_EXTENT_ROWS);
    r->y = take(&at, buffer, n_logits, c->n_embd, SKALD_EXTENT_WANTED);
    r->logits = take(&at, buffer, n_logits, c->n_vocab, SKALD_EXTENT_LOGITS);
    uint64_t mix = at, feed = at; /* a layer first mixes, then feeds: the two never need room at once */
    r->q = take(&mix, buffer, n_rows, sk_config_dim(c, SK_DIM_Q), SKALD_EXTENT_ROWS);
    r->k = take(&mix, buffer, n_rows, sk_config_dim(c, SK_DIM_K), SKALD_EXTENT_ROWS);
    r->v = take(&mix, buffer, n_rows, sk_config_dim(c, SK_DIM_V), SKALD_EXTENT_ROWS);
    r->a = take(&mix, buffer, n_rows, sk_config_dim(c, SK_DIM_O), SKALD_EXTENT_ROWS);
    r->gate = take(&feed, buffer, n_rows, c->n_ff, SKALD_EXTENT_ROWS);
    r->up = take(&feed, buffer, n_rows, c->n_ff, SKALD_EXTENT_ROWS);
    r->n_bytes = mix > feed ? mix : feed;
}

typedef struct {
    const skald_ops *ops;
    skald_stream *stream;
    const sk_config *config;
    const sk_trunk *trunk;
    const sk_activations *rows;
} recorder;

static skald_norm rms(const recorder *r, const skald_rows *weight) {
    return (skald_norm){.kind = SKALD_NORM_RMS, .eps = r->config->norm_eps, .weight = *weight};
}

static void embed(const recorder *r) {
    r->ops->embed(r->stream, &(skald_embed){.size = sizeof(skald_embed),
                                            .scale = 1.0f,
                                            .table = r->trunk->embedding,
                                            .out = r->rows->x});
}

static void angles(const recorder *r) {
    r->ops->angles(r->stream, &(skald_angles){.size = sizeof(skald_angles),
                                              .magnitude = 1.0f,
                                              .frequency = r->trunk->frequency,
                                              .out = r->rows->angles});
}

/* x += attention(norm(x)) */
static void attention(const recorder *r, const sk_layer *w, uint32_t layer) {
    const sk_config *c = r->config;
    const sk_activations *at = r->rows;
    r->ops->project(r->stream, &(skald_project){.size = sizeof(skald_project),
                                                .n_weights = 3,
                                                .norm = rms(r, &w->attention_norm),
                                                .x = at->x,
                                                .weight = {w->q, w->k, w->v},
                                                .bias = {w->q_bias, w->k_bias, w->v_bias},
                                                .out = {at->q, at->k, at->v}});
    r->ops->append(r->stream, &(skald_append){.size = sizeof(skald_append),
                                              .layer = layer,
                                              .n_heads = c->n_heads,
                                              .n_kv_heads = c->n_kv_heads,
                                              .head_dim_k = c->head_dim_k,
                                              .head_dim_v = c->head_dim_v,
                                              .rope = c->rope,
                                              .n_pairs = c->n_pairs,
                                              .angles = at->angles,
                                              .q = at->q,
                                              .k = at->k,
                                              .v = at->v});
    r->ops->attend(r->stream, &(skald_attend){.size = sizeof(skald_attend),
                                              .layer = layer,
                                              .n_heads = c->n_heads,
                                              .n_kv_heads = c->n_kv_heads,
                                              .head_dim_k = c->head_dim_k,
                                              .head_dim_v = c->head_dim_v,
                                              .scale = c->attention_scale,
                                              .q = at->q,
                                              .out = at->a});
    r->ops->project(r->stream, &(skald_project){.size = sizeof(skald_project),
                                                .n_weights = 1,
                                                .x = at->a,
                                                .weight = {w->o},
                                                .bias = {w->o_bias},
                                                .out = {at->x},
                                                .add = at->x});
}

/* x += down(silu(gate(norm(x))) * up(norm(x))) */
static void feed(const recorder *r, const sk_layer *w) {
    const sk_activations *at = r->rows;
    r->ops->project(r->stream, &(skald_project){.size = sizeof(skald_project),
                                                .n_weights = 2,
                                                .norm = rms(r, &w->feed_norm),
                                                .x = at->x,
                                                .weight = {w->gate, w->up},
                                                .bias = {w->gate_bias, w->up_bias},
                                                .out = {at->gate, at->up}});
    r->ops->gate(r->stream, &(skald_gate){.size = sizeof(skald_gate),
                                          .activation = SKALD_ACTIVATION_SILU,
                                          .gate = at->gate,
                                          .up = at->up,
                                          .out = at->gate});
    r->ops->project(r->stream, &(skald_project){.size = sizeof(skald_project),
                                                .n_weights = 1,
                                                .x = at->gate,
                                                .weight = {w->down},
                                                .bias = {w->down_bias},
                                                .out = {at->x},
                                                .add = at->x});
}

static void head(const recorder *r) {
    r->ops->select(r->stream, &(skald_select){.size = sizeof(skald_select), .x = r->rows->x, .out = r->rows->y});
    r->ops->project(r->stream, &(skald_project){.size = sizeof(skald_project),
                                                .n_weights = 1,
                                                .norm = rms(r, &r->trunk->last_norm),
                                                .x = r->rows->y,
                                                .weight = {r->trunk->head},
                                                .out = {r->rows->logits}});
}

void sk_forward_record(const skald_ops *ops, skald_stream *stream, const skald_model *model,
                       const sk_activations *rows) {
    const recorder r = {ops, stream, &model->config, &model->trunk, rows};
    embed(&r);
    angles(&r);
    for (uint32_t l = 0; l < model->config.n_layers; l++) {
        attention(&r, &model->layers[l], l);
        feed(&r, &model->layers[l]);
    }
    head(&r);
}

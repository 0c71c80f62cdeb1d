/* The pass itself. It runs once, when a context is made: every call below writes one operation into the list. */
#include "forward/record.h"
#include "model/adapter.h"

static sk_feed_fn *const feeders[] = {[SK_FEED_DENSE] = sk_feed_dense, [SK_FEED_EXPERTS] = sk_feed_experts};
static sk_mix_fn *const mixers[] = {[SK_MIX_ATTENTION] = sk_mix_attention,
                                    [SK_MIX_LATENT] = sk_mix_latent,
                                    [SK_MIX_LATENT_LOW] = sk_mix_latent,
                                    [SK_MIX_DELTA] = sk_mix_delta};

static void embed(const sk_recorder *r, const sk_trunk *t);
static void angles(const sk_recorder *r, const sk_trunk *t);
static void pick(const sk_recorder *r);
static void logits(const sk_recorder *r, const sk_trunk *t);

static void record(const sk_recorder *r, const sk_trunk *t, const sk_layer *layers, uint32_t stride) {
    embed(r, t); /* x: [rows, width], the stream that all layers add to */
    angles(r, t);
    for (uint32_t l = 0; l < r->config->n_layers; l++) {
        const sk_kind *kind = sk_config_kind(r->config, l);
        const sk_layer *w = layers + (size_t)l * stride;

        mixers[kind->mixer](r, kind, w, l);
        feeders[kind->feeder](r, kind, w);
    }
    pick(r); /* y: the rows whose logits are wanted */
    logits(r, t);
}

void sk_forward_record(const skald_ops *ops, skald_stream *stream, const skald_model *model, const sk_activations *at) {
    const sk_recorder r = {.ops = ops, .stream = stream, .config = &model->config, .at = at, .layers = model->layers};
    record(&r, &model->trunk, model->layers, 1);
}

uint64_t sk_forward_size(const skald_ops *ops, skald_stream *stream, const sk_config *config,
                         const sk_activations *at) {
    static const sk_trunk trunk; /* what is recorded does not depend on where tensors lie */
    static const sk_layer layer;
    uint64_t used = at->work;
    const sk_recorder r = {.ops = ops, .stream = stream, .config = config, .at = at, .layers = &layer, .used = &used};
    record(&r, &trunk, &layer, 0);
    return used;
}

/* ---- one descriptor each */

static void embed(const sk_recorder *r, const sk_trunk *t) {
    const skald_embed op = {.size = sizeof op,
                            .scale = r->config->embed_scale,
                            .table = t->embedding,
                            .positions = t->positions,
                            .out = r->at->x};
    r->ops->embed(r->stream, &op);
}

static void angles(const sk_recorder *r, const sk_trunk *t) {
    for (uint32_t i = 0; i < r->config->n_rotations; i++) {
        const skald_angles op = {.size = sizeof op,
                                 .magnitude = r->config->rotation[i].magnitude,
                                 .frequency = t->frequency[i],
                                 .out = r->at->angles[i]};
        r->ops->angles(r->stream, &op);
    }
}

static void pick(const sk_recorder *r) {
    const skald_select op = {.size = sizeof op, .x = r->at->x, .out = r->at->y};
    r->ops->select(r->stream, &op);
}

static void logits(const sk_recorder *r, const sk_trunk *t) {
    skald_project op = {.size = sizeof op, .n_weights = 1, .x = r->at->y, .soft_cap = r->config->logits_cap};
    op.norm = sk_record_norm(r, &t->last_norm);
    op.weight[0] = t->head;
    op.out[0] = r->at->logits;
    r->ops->project(r->stream, &op);
}

skald_rows sk_record_rows(const sk_recorder *r, uint64_t *at, uint32_t width) {
    const skald_rows rows = sk_activation_rows(at, r->at->x.buffer, r->at->x.n_rows, width, SKALD_EXTENT_ROWS);
    if (r->used && *at > *r->used) *r->used = *at;
    return rows;
}

skald_norm sk_record_norm(const sk_recorder *r, const sk_norm_rows *rows) {
    if (rows->weight.width == 0) return (skald_norm){.kind = SKALD_NORM_NONE};
    return (
        skald_norm){.kind = r->config->norm, .eps = r->config->norm_eps, .weight = rows->weight, .bias = rows->bias};
}

/* What the adapters of a row's sequence add to what `weight` made of x. */
static void adapt(const sk_recorder *r, const skald_norm *norm, const skald_rows *x, const skald_weight *weight,
                  const skald_rows *out) {
    const skald_adapt op = {
        .size = sizeof op, .site = sk_site_of(r->layers, weight), .norm = *norm, .x = *x, .out = *out};
    if (r->at->adapts && op.site != SK_NO_SITE) r->ops->adapt(r->stream, &op);
}

void sk_record_project(const sk_recorder *r, const sk_norm_rows *norm, const skald_rows *x, uint32_t n,
                       const sk_target *to) {
    skald_project op = {.size = sizeof op, .n_weights = n, .x = *x};
    if (norm) op.norm = sk_record_norm(r, norm);
    for (uint32_t i = 0; i < n; i++) {
        op.weight[i] = *to[i].weight;
        op.out[i] = *to[i].out;
        if (to[i].bias) op.bias[i] = *to[i].bias;
    }
    r->ops->project(r->stream, &op);
    for (uint32_t i = 0; i < n; i++) adapt(r, &op.norm, x, to[i].weight, to[i].out);
}

void sk_record_join(const sk_recorder *r, const skald_rows *y, const skald_weight *weight, const skald_rows *bias) {
    skald_project op = {.size = sizeof op, .n_weights = 1, .x = *y, .add = r->at->x};
    op.weight[0] = *weight;
    op.bias[0] = *bias;
    op.out[0] = r->at->x;
    r->ops->project(r->stream, &op);
    adapt(r, &op.norm, y, weight, &r->at->x);
}

void sk_record_join_normed(const sk_recorder *r, uint64_t *at, const skald_rows *y, const skald_weight *weight,
                           const skald_rows *bias, const sk_norm_rows *norm) {
    if (!r->config->joins_normed) {
        sk_record_join(r, y, weight, bias);
        return;
    }
    const skald_rows given = sk_record_rows(r, at, r->config->n_embd);
    const skald_normalize op = {
        .size = sizeof op, .norm = sk_record_norm(r, norm), .x = given, .out = r->at->x, .add = r->at->x};
    sk_record_project(r, NULL, y, 1, &(sk_target){weight, bias, &given});
    r->ops->normalize(r->stream, &op);
}

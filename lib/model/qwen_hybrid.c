/* The qwen35 and qwen3next families: gated attention in every fourth layer, the gated delta rule in the others
 * (arXiv 2412.06464); feed-forward parts are dense in the one, experts and a gated expert of every row in the other. */
#include "base/report.h"
#include "model/model.h"
#include <stddef.h>

/* attn_q holds of each head its query, then its gate. */
#define HYBRID_ROLES                                                                                                   \
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},                                            \
        {"attn_q.weight", SK_LAYER(q), SK_MATRIX(EMBD, Q), SK_EACH(HEAD_K, HEAD_K2), SK_MIXER(ATTENTION)},             \
        {"attn_q.weight",        SK_LAYER(q_gate),         SK_MATRIX(EMBD, Q),                                         \
         .first = SK_DIM_HEAD_K, SK_EACH(HEAD_K, HEAD_K2), SK_MIXER(ATTENTION)},                                       \
        {"attn_k.weight", SK_LAYER(k), SK_MATRIX(EMBD, K), SK_MIXER(ATTENTION)},                                       \
        {"attn_v.weight", SK_LAYER(v), SK_MATRIX(EMBD, V), SK_MIXER(ATTENTION)},                                       \
        {"attn_q_norm.weight", SK_LAYER(q_norm.weight), SK_VECTOR(HEAD_K), SK_MIXER(ATTENTION)},                       \
        {"attn_k_norm.weight", SK_LAYER(k_norm.weight), SK_VECTOR(HEAD_K), SK_MIXER(ATTENTION)},                       \
        {"attn_output.weight", SK_LAYER(o), SK_MATRIX(O, EMBD), SK_MIXER(ATTENTION)},                                  \
        {"attn_qkv.weight", SK_LAYER(mixed), SK_MATRIX(EMBD, CHANNELS), SK_MIXER(DELTA)},                              \
        {"attn_gate.weight", SK_LAYER(z), SK_MATRIX(EMBD, O), SK_MIXER(DELTA)},                                        \
        {"ssm_conv1d.weight", SK_LAYER(taps), SK_FLAT(TAPS, CHANNELS), SK_MIXER(DELTA)},                               \
        {"ssm_a", SK_LAYER(rate), SK_VECTOR(HEADS), SK_MIXER(DELTA)},                                                  \
        {"ssm_dt.bias", SK_LAYER(alpha_bias), SK_VECTOR(HEADS), SK_MIXER(DELTA)},                                      \
        {"ssm_norm.weight", SK_LAYER(state_norm), SK_VECTOR(HEAD_V), SK_MIXER(DELTA)},                                 \
        {"ssm_out.weight", SK_LAYER(o), SK_MATRIX(O, EMBD), SK_MIXER(DELTA)}, {                                        \
        "post_attention_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)                                      \
    }

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer35[] = {
    HYBRID_ROLES,
    {"ssm_alpha.weight", SK_LAYER(alpha), SK_MATRIX(EMBD, HEADS), SK_MIXER(DELTA)},
    {"ssm_beta.weight", SK_LAYER(beta), SK_MATRIX(EMBD, HEADS), SK_MIXER(DELTA)},
    SK_DENSE_ROLES,
    {0},
};

/* ssm_ba holds of each key the betas of its heads, then their alphas. The first converters left queries, keys, values and
 * gates in one tensor, those of each key beside each other. */
static const sk_role layer_next[] = {
    {"ssm_in.weight", .refused = "the layout of an early converter; a file with attn_qkv and attn_gate is needed"},
    HYBRID_ROLES,
    {"ssm_ba.weight", SK_LAYER(beta), SK_MATRIX(EMBD, HEADS), SK_EACH(GROUP, GROUP2), SK_MIXER(DELTA)},
    {"ssm_ba.weight", SK_LAYER(alpha), SK_MATRIX(EMBD, HEADS), .first = SK_DIM_GROUP, SK_EACH(GROUP, GROUP2),
     SK_MIXER(DELTA)},
    SK_EXPERT_ROLES,
    SK_SHARED_EXPERT_ROLES,
    {"ffn_gate_inp_shexp.weight", SK_LAYER(shared_router), SK_MATRIX(EMBD, ONE), SK_FEEDER(EXPERTS)},
    {0},
};

/* With text all sections of the rotation have the same position. */
static skald_status configure35(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_plain(c, g, why);
    c->kind[0].has_gate = true;
    if (status == SKALD_OK) status = sk_config_delta(c, &c->kind[1], g, why);
    c->kind[1].tiled = true;
    return status;
}

static skald_status configure_next(sk_config *c, const sk_gguf *g, skald_report *why) {
    sk_routing *r = &c->kind[0].routing;
    skald_status status = sk_config_plain(c, g, why);
    if (status == SKALD_OK) status = sk_config_experts(&c->kind[0], g, why);
    r->normalize = true, r->shared_gate = true;
    c->kind[0].has_gate = true;
    if (status == SKALD_OK && r->n_ff_shared == 0)
        status = sk_config_fail(g, "expert_shared_feed_forward_length", SKALD_FORMAT, "a width is expected", why);
    return status == SKALD_OK ? sk_config_delta(c, &c->kind[1], g, why) : status;
}

const sk_family sk_family_qwen35 = {"qwen35", configure35, trunk, layer35};
const sk_family sk_family_qwen3next = {"qwen3next", configure_next, trunk, layer_next};

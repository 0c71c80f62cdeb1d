/* The qwen35 family: gated attention in some layers, the gated delta rule in the others, dense feed-forward parts. */
#include "base/report.h"
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {
    {"token_embd.weight", SK_TRUNK(embedding), SK_TABLE(EMBD, VOCAB)},
    {"output.weight", SK_TRUNK(head), SK_MATRIX(EMBD, VOCAB), SK_OPTIONAL},
    {"output_norm.weight", SK_TRUNK(last_norm.weight), SK_VECTOR(EMBD)},
    {0},
};

/* attn_q holds of each head its query, then its gate. */
static const sk_role layer[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    {"attn_q.weight", SK_LAYER(q), SK_MATRIX(EMBD, Q), SK_EACH(HEAD_K, HEAD_K2), SK_MIXER(ATTENTION)},
    {"attn_q.weight", SK_LAYER(q_gate), SK_MATRIX(EMBD, Q), .first = SK_DIM_HEAD_K, SK_EACH(HEAD_K, HEAD_K2),
     SK_MIXER(ATTENTION)},
    {"attn_k.weight", SK_LAYER(k), SK_MATRIX(EMBD, K), SK_MIXER(ATTENTION)},
    {"attn_v.weight", SK_LAYER(v), SK_MATRIX(EMBD, V), SK_MIXER(ATTENTION)},
    {"attn_q_norm.weight", SK_LAYER(q_norm.weight), SK_VECTOR(HEAD_K), SK_MIXER(ATTENTION)},
    {"attn_k_norm.weight", SK_LAYER(k_norm.weight), SK_VECTOR(HEAD_K), SK_MIXER(ATTENTION)},
    {"attn_output.weight", SK_LAYER(o), SK_MATRIX(O, EMBD), SK_MIXER(ATTENTION)},
    {"attn_qkv.weight", SK_LAYER(mixed), SK_MATRIX(EMBD, CHANNELS), SK_MIXER(DELTA)},
    {"attn_gate.weight", SK_LAYER(z), SK_MATRIX(EMBD, O), SK_MIXER(DELTA)},
    {"ssm_alpha.weight", SK_LAYER(alpha), SK_MATRIX(EMBD, HEADS), SK_MIXER(DELTA)},
    {"ssm_beta.weight", SK_LAYER(beta), SK_MATRIX(EMBD, HEADS), SK_MIXER(DELTA)},
    {"ssm_conv1d.weight", SK_LAYER(taps), SK_FLAT(TAPS, CHANNELS), SK_MIXER(DELTA)},
    {"ssm_a", SK_LAYER(rate), SK_VECTOR(HEADS), SK_MIXER(DELTA)},
    {"ssm_dt.bias", SK_LAYER(alpha_bias), SK_VECTOR(HEADS), SK_MIXER(DELTA)},
    {"ssm_norm.weight", SK_LAYER(state_norm), SK_VECTOR(HEAD_V), SK_MIXER(DELTA)},
    {"ssm_out.weight", SK_LAYER(o), SK_MATRIX(O, EMBD), SK_MIXER(DELTA)},
    {"post_attention_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    {"ffn_gate.weight", SK_LAYER(gate), SK_MATRIX(EMBD, FF)},
    {"ffn_up.weight", SK_LAYER(up), SK_MATRIX(EMBD, FF)},
    {"ffn_down.weight", SK_LAYER(down), SK_MATRIX(FF, EMBD)},
    {0},
};

/* With text all sections of the rotation have the same position. */
static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_sizes(c, g, why);
    if (status == SKALD_OK)
        status = sk_config_number(&c->norm_eps, g, "attention.layer_norm_rms_epsilon", 0.0f, 1.0f, true, why);
    if (status == SKALD_OK) status = sk_config_heads(c, &c->kind[0], g, why);
    if (status == SKALD_OK) status = sk_config_rotation(&c->rotation[0], c->kind[0].head_dim_k, g, why);
    if (status == SKALD_OK) status = sk_config_delta(c, &c->kind[1], g, why);
    c->kind[0].has_gate = true;
    c->kind[1].tiled = true;
    return status;
}

const sk_family sk_family_qwen35 = {"qwen35", configure, trunk, layer};

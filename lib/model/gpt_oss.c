/* The gpt-oss family: attention with sinks, a window in every other layer, biases everywhere, experts with a clamped
 * activation that are weighed by a softmax over the chosen ones (arXiv 2508.10925). */
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    SK_HEAD_ROLES,
    SK_HEAD_BIAS_ROLES,
    {"attn_output.bias", SK_LAYER(o_bias), SK_VECTOR(EMBD)},
    {"attn_sinks.weight", SK_LAYER(sinks), SK_VECTOR(HEADS)},
    {"post_attention_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    SK_EXPERT_ROLES,
    {"ffn_gate_inp.bias", SK_LAYER(router_bias), SK_VECTOR(EXPERTS)},
    {"ffn_gate_exps.bias", SK_LAYER(expert_gate_bias), SK_VECTORS(FF_EXPERT, EXPERTS)},
    {"ffn_up_exps.bias", SK_LAYER(expert_up_bias), SK_VECTORS(FF_EXPERT, EXPERTS)},
    {"ffn_down_exps.bias", SK_LAYER(expert_down_bias), SK_VECTORS(EMBD, EXPERTS)},
    {0},
};

static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    sk_kind *k = &c->kind[0];
    skald_status status = sk_config_plain(c, g, why);
    if (status == SKALD_OK) status = sk_config_experts(k, g, why);
    k->activation = SKALD_ACTIVATION_SWIGLU_CLAMPED;
    k->routing.scoring = SKALD_SCORING_CHOSEN;
    return status == SKALD_OK ? sk_config_windows(c, 2, 0, g, why) : status;
}

const sk_family sk_family_gpt_oss = {"gpt-oss", configure, trunk, layer};

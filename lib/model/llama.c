/* The llama family: SmolLM2, Llama 2 and 3, Mistral and what was made after them. */
#include "base/report.h"
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {
    {"token_embd.weight", SK_TRUNK(embedding), SK_TABLE(EMBD, VOCAB)},
    {"output.weight", SK_TRUNK(head), SK_MATRIX(EMBD, VOCAB), SK_OPTIONAL},
    {"output_norm.weight", SK_TRUNK(last_norm.weight), SK_VECTOR(EMBD)},
    {0},
};

static const sk_role layer[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    {"attn_q.weight", SK_LAYER(q), SK_MATRIX(EMBD, Q)},
    {"attn_k.weight", SK_LAYER(k), SK_MATRIX(EMBD, K)},
    {"attn_v.weight", SK_LAYER(v), SK_MATRIX(EMBD, V)},
    {"attn_output.weight", SK_LAYER(o), SK_MATRIX(O, EMBD)},
    {"attn_q.bias", SK_LAYER(q_bias), SK_VECTOR(Q), SK_OPTIONAL},
    {"attn_k.bias", SK_LAYER(k_bias), SK_VECTOR(K), SK_OPTIONAL},
    {"attn_v.bias", SK_LAYER(v_bias), SK_VECTOR(V), SK_OPTIONAL},
    {"attn_output.bias", SK_LAYER(o_bias), SK_VECTOR(EMBD), SK_OPTIONAL},
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    {"ffn_gate.weight", SK_LAYER(gate), SK_MATRIX(EMBD, FF), SK_FEEDER(DENSE)},
    {"ffn_up.weight", SK_LAYER(up), SK_MATRIX(EMBD, FF), SK_FEEDER(DENSE)},
    {"ffn_down.weight", SK_LAYER(down), SK_MATRIX(FF, EMBD), SK_FEEDER(DENSE)},
    {"ffn_gate.bias", SK_LAYER(gate_bias), SK_VECTOR(FF), SK_OPTIONAL, SK_FEEDER(DENSE)},
    {"ffn_up.bias", SK_LAYER(up_bias), SK_VECTOR(FF), SK_OPTIONAL, SK_FEEDER(DENSE)},
    {"ffn_down.bias", SK_LAYER(down_bias), SK_VECTOR(EMBD), SK_OPTIONAL, SK_FEEDER(DENSE)},
    SK_EXPERT_ROLES,
    {0},
};

static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    uint32_t n_experts = 0; /* Mixtral (arXiv 2401.04088) has some */
    skald_status status = sk_config_sizes(c, g, why);
    if (status == SKALD_OK) status = sk_config_count(&n_experts, g, "expert_count", 0, UINT32_MAX, false, why);
    if (status == SKALD_OK && n_experts) status = sk_config_experts(&c->kind[0], g, why);
    c->kind[0].routing.normalize = true;
    if (status == SKALD_OK)
        status = sk_config_number(&c->norm_eps, g, "attention.layer_norm_rms_epsilon", 0.0f, 1.0f, true, why);
    if (status == SKALD_OK) status = sk_config_heads(c, &c->kind[0], g, why);
    if (status == SKALD_OK) status = sk_config_rotation(&c->rotation[0], c->kind[0].head_dim_k, g, why);
    c->rotation[0].rope = SKALD_ROPE_PAIRS;
    c->rotation[0].factors = "rope_freqs.weight"; /* llama3's scaling (arXiv 2407.21783) */
    return status;
}

const sk_family sk_family_llama = {"llama", configure, trunk, layer};

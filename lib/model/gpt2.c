/* The gpt2 family: LayerNorm with biases, learned positions, q, k and v in one tensor, GELU without a gate. */
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {
    SK_TRUNK_ROLES,
    {"output_norm.bias", SK_TRUNK(last_norm.bias), SK_VECTOR(EMBD)},
    {"position_embd.weight", SK_TRUNK(positions), SK_TABLE(EMBD, CONTEXT)},
    {0},
};

static const sk_role layer[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    {"attn_norm.bias", SK_LAYER(attention_norm.bias), SK_VECTOR(EMBD)},
    {"attn_qkv.weight", SK_LAYER(q), SK_MATRIX(EMBD, Q), SK_SLICE(NONE, QKV)},
    {"attn_qkv.weight", SK_LAYER(k), SK_MATRIX(EMBD, K), SK_SLICE(Q, QKV)},
    {"attn_qkv.weight", SK_LAYER(v), SK_MATRIX(EMBD, V), SK_SLICE(QK, QKV)},
    {"attn_qkv.bias", SK_LAYER(q_bias), SK_VECTOR(Q), SK_SLICE(NONE, QKV)},
    {"attn_qkv.bias", SK_LAYER(k_bias), SK_VECTOR(K), SK_SLICE(Q, QKV)},
    {"attn_qkv.bias", SK_LAYER(v_bias), SK_VECTOR(V), SK_SLICE(QK, QKV)},
    {"attn_output.weight", SK_LAYER(o), SK_MATRIX(O, EMBD)},
    {"attn_output.bias", SK_LAYER(o_bias), SK_VECTOR(EMBD)},
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    {"ffn_norm.bias", SK_LAYER(feed_norm.bias), SK_VECTOR(EMBD)},
    {"ffn_up.weight", SK_LAYER(up), SK_MATRIX(EMBD, FF)},
    {"ffn_up.bias", SK_LAYER(up_bias), SK_VECTOR(FF)},
    {"ffn_down.weight", SK_LAYER(down), SK_MATRIX(FF, EMBD)},
    {"ffn_down.bias", SK_LAYER(down_bias), SK_VECTOR(EMBD)},
    {0},
};

static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_sizes(c, g, why);
    if (status == SKALD_OK) status = sk_config_count(&c->n_context, g, "context_length", 1, 1 << 20, true, why);
    if (status == SKALD_OK)
        status = sk_config_number(&c->norm_eps, g, "attention.layer_norm_epsilon", 0.0f, 1.0f, true, why);
    if (status == SKALD_OK) status = sk_config_heads(c, &c->kind[0], g, why);
    c->norm = SKALD_NORM_LAYER;
    c->n_rotations = 0;
    c->kind[0].rotation = SK_NO_ROTATION;
    c->kind[0].activation = SKALD_ACTIVATION_GELU_TANH;
    c->kind[0].ungated = true;
    return status;
}

const sk_family sk_family_gpt2 = {"gpt2", configure, trunk, layer};

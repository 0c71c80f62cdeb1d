/* The llama family: SmolLM2, Llama 2 and 3, Mistral and what was made after them. */
#include "base/exact.h"
#include "base/report.h"
#include "model/model.h"
#include <stddef.h>
#include <string.h>

#define TRUNK(field) (uint32_t) offsetof(sk_trunk, field)
#define LAYER(field) (uint32_t) offsetof(sk_layer, field)

static const sk_role trunk[] = {
    {"token_embd.weight", TRUNK(embedding), 1, 0, SKALD_USE_EMBED, SK_DIM_EMBD, SK_DIM_VOCAB},
    {"output.weight", TRUNK(head), 1, 1, SKALD_USE_PROJECT, SK_DIM_EMBD, SK_DIM_VOCAB},
    {"output_norm.weight", TRUNK(last_norm), 0, 0, 0, 0, SK_DIM_EMBD},
    {0},
};

static const sk_role layer[] = {
    {"attn_norm.weight", LAYER(attention_norm), 0, 0, 0, 0, SK_DIM_EMBD},
    {"attn_q.weight", LAYER(q), 1, 0, SKALD_USE_PROJECT, SK_DIM_EMBD, SK_DIM_Q},
    {"attn_k.weight", LAYER(k), 1, 0, SKALD_USE_PROJECT, SK_DIM_EMBD, SK_DIM_K},
    {"attn_v.weight", LAYER(v), 1, 0, SKALD_USE_PROJECT, SK_DIM_EMBD, SK_DIM_V},
    {"attn_output.weight", LAYER(o), 1, 0, SKALD_USE_PROJECT, SK_DIM_O, SK_DIM_EMBD},
    {"attn_q.bias", LAYER(q_bias), 0, 1, 0, 0, SK_DIM_Q},
    {"attn_k.bias", LAYER(k_bias), 0, 1, 0, 0, SK_DIM_K},
    {"attn_v.bias", LAYER(v_bias), 0, 1, 0, 0, SK_DIM_V},
    {"attn_output.bias", LAYER(o_bias), 0, 1, 0, 0, SK_DIM_EMBD},
    {"ffn_norm.weight", LAYER(feed_norm), 0, 0, 0, 0, SK_DIM_EMBD},
    {"ffn_gate.weight", LAYER(gate), 1, 0, SKALD_USE_PROJECT, SK_DIM_EMBD, SK_DIM_FF},
    {"ffn_up.weight", LAYER(up), 1, 0, SKALD_USE_PROJECT, SK_DIM_EMBD, SK_DIM_FF},
    {"ffn_down.weight", LAYER(down), 1, 0, SKALD_USE_PROJECT, SK_DIM_FF, SK_DIM_EMBD},
    {"ffn_gate.bias", LAYER(gate_bias), 0, 1, 0, 0, SK_DIM_FF},
    {"ffn_up.bias", LAYER(up_bias), 0, 1, 0, 0, SK_DIM_FF},
    {"ffn_down.bias", LAYER(down_bias), 0, 1, 0, 0, SK_DIM_EMBD},
    {0},
};

/* Linear scaling divides positions; llama3's is in the file as the tensor rope_freqs.weight. */
static skald_status configure_rope(sk_config *c, const sk_gguf *g, skald_report *why) {
    float base = 10000.0f, factor = 1.0f;
    uint32_t n_rotated = c->head_dim_k;
    sk_text scaling = {"none", 4};
    skald_status status = sk_config_count(&n_rotated, g, "rope.dimension_count", 2, c->head_dim_k, false, why);
    if (status == SKALD_OK) status = sk_config_number(&base, g, "rope.freq_base", 1.0f, 1e12f, false, why);
    if (status == SKALD_OK) status = sk_gguf_text(g, "llama.rope.scaling.type", &scaling, why);
    if (status == SKALD_ABSENT) status = SKALD_OK;
    if (status != SKALD_OK) return status;
    if (n_rotated % 2) return sk_fail(why, SKALD_FORMAT, "key llama.rope.dimension_count is %u, odd", n_rotated);
    if (scaling.length == 6 && memcmp(scaling.at, "linear", 6) == 0) {
        status = sk_config_number(&factor, g, "rope.scaling.factor", 1e-3f, 1e6f, true, why);
        if (status != SKALD_OK) return status;
    } else if (scaling.length != 4 || memcmp(scaling.at, "none", 4) != 0) {
        return sk_fail(why, SKALD_UNSUPPORTED, "key llama.rope.scaling.type: \"%.*s\" is not known", SK_TEXT(scaling));
    }
    c->rope = SKALD_ROPE_PAIRS;
    c->n_pairs = n_rotated / 2;
    c->rope_base = base;
    c->rope_factor = factor;
    return SKALD_OK;
}

static skald_status configure_heads(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_count(&c->n_heads, g, "attention.head_count", 1, 4096, true, why);
    if (status != SKALD_OK) return status;
    c->n_kv_heads = c->n_heads;
    c->head_dim_k = c->head_dim_v = c->n_embd / c->n_heads;
    status = sk_config_count(&c->n_kv_heads, g, "attention.head_count_kv", 1, c->n_heads, false, why);
    if (status == SKALD_OK) status = sk_config_count(&c->head_dim_k, g, "attention.key_length", 1, 1024, false, why);
    if (status == SKALD_OK) status = sk_config_count(&c->head_dim_v, g, "attention.value_length", 1, 1024, false, why);
    if (status != SKALD_OK) return status;
    if (c->n_heads % c->n_kv_heads)
        return sk_fail(why, SKALD_FORMAT, "key llama.attention.head_count_kv: %u does not divide %u heads",
                       c->n_kv_heads, c->n_heads);
    if (c->head_dim_k == 0 || c->head_dim_k > 1024 || c->head_dim_v == 0 || c->head_dim_v > 1024)
        return sk_fail(why, SKALD_FORMAT, "key llama.attention.head_count: %u heads of a width of %u", c->n_heads,
                       c->n_embd);
    return SKALD_OK;
}

static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    uint32_t n_experts = 0;
    skald_status status = sk_config_count(&c->n_layers, g, "block_count", 1, 4096, true, why);
    if (status == SKALD_OK) status = sk_config_count(&c->n_embd, g, "embedding_length", 1, 1 << 20, true, why);
    if (status == SKALD_OK) status = sk_config_count(&c->n_ff, g, "feed_forward_length", 1, 1 << 22, true, why);
    if (status == SKALD_OK) status = sk_config_count(&c->n_context, g, "context_length", 0, INT32_MAX, false, why);
    if (status == SKALD_OK) status = sk_config_count(&n_experts, g, "expert_count", 0, UINT32_MAX, false, why);
    if (status == SKALD_OK && n_experts)
        status = sk_fail(why, SKALD_UNSUPPORTED, "key llama.expert_count is %u: experts are not offered", n_experts);
    if (status == SKALD_OK)
        status = sk_config_number(&c->norm_eps, g, "attention.layer_norm_rms_epsilon", 0.0f, 1.0f, true, why);
    if (status == SKALD_OK) status = configure_heads(c, g, why);
    if (status == SKALD_OK) status = configure_rope(c, g, why);
    if (status != SKALD_OK) return status;
    c->attention_scale = (float)(1.0 / sk_sqrt_double((double)c->head_dim_k));
    return sk_config_number(&c->attention_scale, g, "attention.scale", 1e-6f, 1e6f, false, why);
}

const sk_family sk_family_llama = {"llama", configure, trunk, layer};

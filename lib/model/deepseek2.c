/* DeepSeek V2 and V3: latent attention with compressed queries or without, a few dense layers, then experts
 * (arXiv 2405.04434, 2412.19437). */
#include "base/exact.h"
#include "base/report.h"
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    {"attn_q.weight", SK_LAYER(q), SK_MATRIX(EMBD, LATENT_Q), SK_MIXER(LATENT)},
    {"attn_q_a.weight", SK_LAYER(q_low), SK_MATRIX(EMBD, Q_RANK), SK_MIXER(LATENT_LOW)},
    {"attn_q_a_norm.weight", SK_LAYER(q_low_norm.weight), SK_VECTOR(Q_RANK), SK_MIXER(LATENT_LOW)},
    {"attn_q_b.weight", SK_LAYER(q), SK_MATRIX(Q_RANK, LATENT_Q), SK_MIXER(LATENT_LOW)},
    {"attn_kv_a_mqa.weight", SK_LAYER(latent), SK_MATRIX(EMBD, K)},
    {"attn_kv_a_norm.weight", SK_LAYER(latent_norm.weight), SK_VECTOR(LATENT)},
    {"attn_k_b.weight", SK_LAYER(into_latent), SK_BANK(HEAD_PLAIN, LATENT, HEADS)},
    {"attn_v_b.weight", SK_LAYER(out_of_latent), SK_BANK(LATENT, HEAD_O, HEADS)},
    {"attn_output.weight", SK_LAYER(o), SK_MATRIX(LATENT_O, EMBD)},
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    SK_DENSE_ROLES,
    {"exp_probs_b.bias", SK_LAYER(correction), SK_VECTOR(EXPERTS), SK_OPTIONAL, SK_FEEDER(EXPERTS)},
    SK_EXPERT_ROLES,
    SK_SHARED_EXPERT_ROLES,
    {0},
};

/* In a file key_length and value_length are those of latents, as attention meets them; ..._mla those of a head before. */
static skald_status read_heads(sk_kind *k, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_count(&k->n_heads, g, "attention.head_count", 1, 1024, true, why);
    if (status == SKALD_OK) status = sk_config_count(&k->q_rank, g, "attention.q_lora_rank", 1, 1 << 16, false, why);
    if (status == SKALD_OK) status = sk_config_count(&k->head_dim_v, g, "attention.kv_lora_rank", 1, 1024, true, why);
    if (status == SKALD_OK) status = sk_config_count(&k->head_dim_q, g, "attention.key_length_mla", 1, 1024, true, why);
    if (status == SKALD_OK)
        status = sk_config_count(&k->head_dim_o, g, "attention.value_length_mla", 1, 1024, true, why);
    k->mixer = k->q_rank ? SK_MIX_LATENT_LOW : SK_MIX_LATENT;
    k->n_kv_heads = 1;
    return status;
}

static skald_status check_lengths(const sk_kind *k, const sk_gguf *g, skald_report *why) {
    uint32_t key = k->head_dim_k, value = k->head_dim_v, kv_heads = 1;
    skald_status status = sk_config_count(&key, g, "attention.key_length", key, key, false, why);
    if (status == SKALD_OK) status = sk_config_count(&value, g, "attention.value_length", value, value, false, why);
    if (status == SKALD_OK) status = sk_config_count(&kv_heads, g, "attention.head_count_kv", 1, 1, false, why);
    return status;
}

/* A part of each head turns, in pairs. YaRN scales scores instead of the turned parts, since not all of a head is turned:
 * mscale is 1 + yarn_log_multiplier * ln(factor), once for queries and once for keys. */
static skald_status read_rotation(sk_config *c, sk_kind *k, const sk_gguf *g, skald_report *why) {
    sk_rotation *r = &c->rotation[0];
    float multiplier = 0.0f;
    if (k->head_dim_q < 2) return sk_config_fail(g, "attention.key_length_mla", SKALD_FORMAT, "it is too small", why);
    skald_status status = sk_config_rotation(r, k->head_dim_q - 1, g, why);
    if (status == SKALD_OK)
        status = sk_config_number(&multiplier, g, "rope.scaling.yarn_log_multiplier", 0.0f, 10.0f, false, why);
    if (status != SKALD_OK) return status;
    const double mscale = r->last_scaled > 0 ? 1.0 + (double)multiplier * sk_log_double(r->factor) : 1.0;
    r->rope = SKALD_ROPE_PAIRS;
    r->magnitude = 1.0f;
    k->head_dim_k = k->head_dim_v + 2 * r->n_pairs;
    k->attention_scale = (float)(mscale * mscale / sk_sqrt_double((double)k->head_dim_q));
    return SKALD_OK;
}

/* The first layers are dense, the others choose experts. */
static skald_status read_layers(sk_config *c, const sk_gguf *g, skald_report *why) {
    uint32_t n_dense = 0;
    skald_status status = sk_config_count(&n_dense, g, "leading_dense_block_count", 0, c->n_layers, false, why);
    if (status != SKALD_OK || n_dense == c->n_layers) return status;
    c->kind[1] = c->kind[0];
    c->n_kinds = 2;
    for (uint32_t i = n_dense; i < c->n_layers; i++) c->kind_of[i] = 1;
    return sk_config_experts(&c->kind[1], g, why);
}

static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    sk_kind *k = &c->kind[0];
    skald_status status = sk_config_sizes(c, g, why);
    if (status == SKALD_OK)
        status = sk_config_number(&c->norm_eps, g, "attention.layer_norm_rms_epsilon", 0.0f, 1.0f, true, why);
    if (status == SKALD_OK) status = read_heads(k, g, why);
    if (status == SKALD_OK) status = read_rotation(c, k, g, why);
    if (status == SKALD_OK) status = check_lengths(k, g, why);
    return status == SKALD_OK ? read_layers(c, g, why) : status;
}

const sk_family sk_family_deepseek2 = {"deepseek2", configure, trunk, layer};

/* The qwen2 and qwen3 families: biases of q, k and v in the one, norms of each query and key head in the other; qwen2moe and
 * qwen3moe are the same with experts. */
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer2[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    SK_HEAD_ROLES,
    SK_HEAD_BIAS_ROLES,
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    SK_DENSE_ROLES,
    SK_EXPERT_ROLES,
    SK_SHARED_EXPERT_ROLES,
    {"ffn_gate_inp_shexp.weight", SK_LAYER(shared_router), SK_MATRIX(EMBD, ONE), SK_FEEDER(EXPERTS)},
    {0},
};

static const sk_role layer3[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    SK_HEAD_ROLES,
    {"attn_q_norm.weight", SK_LAYER(q_norm.weight), SK_VECTOR(HEAD_K)},
    {"attn_k_norm.weight", SK_LAYER(k_norm.weight), SK_VECTOR(HEAD_K)},
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    SK_DENSE_ROLES,
    SK_EXPERT_ROLES,
    {0},
};

/* Weights stay shares of all; one more expert serves every row, as much as a gate of its own says (arXiv 2407.10671). */
static skald_status configure2moe(sk_config *c, const sk_gguf *g, skald_report *why) {
    sk_routing *r = &c->kind[0].routing;
    skald_status status = sk_config_plain(c, g, why);
    if (status == SKALD_OK) status = sk_config_experts(&c->kind[0], g, why);
    r->shared_gate = true;
    if (status == SKALD_OK && r->n_ff_shared == 0)
        status = sk_config_fail(g, "expert_shared_feed_forward_length", SKALD_FORMAT, "a width is expected", why);
    return status;
}

/* Every layer has experts, whose weights sum to one (arXiv 2505.09388). */
static skald_status configure3moe(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_plain(c, g, why);
    if (status == SKALD_OK) status = sk_config_experts(&c->kind[0], g, why);
    c->kind[0].routing.normalize = true;
    return status;
}

const sk_family sk_family_qwen2 = {"qwen2", sk_config_plain, trunk, layer2};
const sk_family sk_family_qwen3 = {"qwen3", sk_config_plain, trunk, layer3};
const sk_family sk_family_qwen3moe = {"qwen3moe", configure3moe, trunk, layer3};
const sk_family sk_family_qwen2moe = {"qwen2moe", configure2moe, trunk, layer2};

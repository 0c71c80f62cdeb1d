/* The qwen2, qwen3 and qwen3moe families: biases of q, k and v in the first, norms of each query and key head in the others,
 * experts in the last. */
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer2[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)}, SK_HEAD_ROLES,  SK_HEAD_BIAS_ROLES,
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},       SK_DENSE_ROLES, {0},
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

/* Every layer has experts, whose weights sum to one (arXiv 2505.09388). */
static skald_status configure_experts(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_plain(c, g, why);
    if (status == SKALD_OK) status = sk_config_experts(&c->kind[0], g, why);
    c->kind[0].routing.normalize = true;
    return status;
}

const sk_family sk_family_qwen2 = {"qwen2", sk_config_plain, trunk, layer2};
const sk_family sk_family_qwen3 = {"qwen3", sk_config_plain, trunk, layer3};
const sk_family sk_family_qwen3moe = {"qwen3moe", configure_experts, trunk, layer3};

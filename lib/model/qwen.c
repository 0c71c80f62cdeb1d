/* The qwen2 and qwen3 families: biases of q, k and v in the one, norms of each query and key head in the other. */
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
    {0},
};

const sk_family sk_family_qwen2 = {"qwen2", sk_config_plain, trunk, layer2};
const sk_family sk_family_qwen3 = {"qwen3", sk_config_plain, trunk, layer3};

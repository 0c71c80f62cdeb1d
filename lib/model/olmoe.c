/* The olmoe family: q and k normed over all heads, experts whose weights stay shares of all (arXiv 2409.02060). */
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    SK_HEAD_ROLES,
    {"attn_q_norm.weight", SK_LAYER(q_norm.weight), SK_VECTOR(Q)},
    {"attn_k_norm.weight", SK_LAYER(k_norm.weight), SK_VECTOR(K)},
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    SK_EXPERT_ROLES,
    {0},
};

static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_plain(c, g, why);
    c->kind[0].norms_whole = true;
    return status == SKALD_OK ? sk_config_experts(&c->kind[0], g, why) : status;
}

const sk_family sk_family_olmoe = {"olmoe", configure, trunk, layer};

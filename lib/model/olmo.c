/* The olmo2 family: norms behind each part and none before it, q and k normed over all heads (arXiv 2501.00656). */
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer[] = {
    SK_HEAD_ROLES,
    {"attn_q_norm.weight", SK_LAYER(q_norm.weight), SK_VECTOR(Q)},
    {"attn_k_norm.weight", SK_LAYER(k_norm.weight), SK_VECTOR(K)},
    {"post_attention_norm.weight", SK_LAYER(attention_post_norm.weight), SK_VECTOR(EMBD)},
    SK_DENSE_ROLES,
    {"post_ffw_norm.weight", SK_LAYER(feed_post_norm.weight), SK_VECTOR(EMBD)},
    {0},
};

/* Layers with windows (OLMo 3) turn without YaRN. */
static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_plain(c, g, why);
    c->joins_normed = true;
    c->kind[0].norms_whole = true;
    if (status == SKALD_OK) status = sk_config_windows(c, 4, 0, g, why);
    if (status != SKALD_OK || c->n_kinds == 1) return status;
    c->n_rotations = 2;
    c->kind[1].rotation = 1;
    c->rotation[1] = (sk_rotation){.rope = SKALD_ROPE_HALVES,
                                   .n_pairs = c->rotation[0].n_pairs,
                                   .base = c->rotation[0].base,
                                   .factor = 1,
                                   .magnitude = 1.0f};
    return SKALD_OK;
}

const sk_family sk_family_olmo2 = {"olmo2", configure, trunk, layer};

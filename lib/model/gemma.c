/* The gemma2 and gemma3 families: scaled embeddings, a norm before and behind each part, windows in most layers; soft caps
 * in the one, norms of query and key heads and a second rotation in the other. */
#include "base/exact.h"
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

#define LAYER_ROLES                                                                                                    \
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)}, SK_HEAD_ROLES,                             \
        {"post_attention_norm.weight", SK_LAYER(attention_post_norm.weight), SK_VECTOR(EMBD)},                         \
        {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)}, SK_DENSE_ROLES, {                            \
        "post_ffw_norm.weight", SK_LAYER(feed_post_norm.weight), SK_VECTOR(EMBD)                                       \
    }

static const sk_role layer2[] = {LAYER_ROLES, {0}};

static const sk_role layer3[] = {
    LAYER_ROLES,
    {"attn_q_norm.weight", SK_LAYER(q_norm.weight), SK_VECTOR(HEAD_K)},
    {"attn_k_norm.weight", SK_LAYER(k_norm.weight), SK_VECTOR(HEAD_K)},
    {0},
};

/* The largest of each generation scales by the width per head, which no key of its files says. */
static skald_status configure(sk_config *c, uint32_t layers_of_27b, const sk_gguf *g, skald_report *why) {
    sk_kind *k = &c->kind[0];
    skald_status status = sk_config_plain(c, g, why);
    if (status != SKALD_OK) return status;
    c->embed_scale = (float)sk_sqrt_double((double)c->n_embd);
    c->joins_normed = true;
    k->activation = SKALD_ACTIVATION_GELU_TANH;
    if (c->n_layers == layers_of_27b)
        k->attention_scale = (float)(1.0 / sk_sqrt_double((double)(c->n_embd / k->n_heads)));
    status = sk_config_number(&k->attention_scale, g, "attention.scale", 1e-6f, 1e6f, false, why);
    if (status == SKALD_OK)
        status = sk_config_number(&k->soft_cap, g, "attn_logit_softcapping", 0.0f, 1e6f, false, why);
    if (status == SKALD_OK)
        status = sk_config_number(&c->logits_cap, g, "final_logit_softcapping", 0.0f, 1e6f, false, why);
    return status;
}

static skald_status configure2(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = configure(c, 46, g, why);
    return status == SKALD_OK ? sk_config_windows(c, 2, 4096, g, why) : status;
}

/* Layers with a window turn by a base of their own and are not stretched. */
static skald_status configure3(sk_config *c, const sk_gguf *g, skald_report *why) {
    float base = 10000.0f;
    skald_status status = configure(c, 62, g, why);
    if (status == SKALD_OK) status = sk_config_windows(c, 6, 0, g, why);
    if (status == SKALD_OK) status = sk_config_number(&base, g, "rope.freq_base_swa", 2.0f, 1e12f, false, why);
    if (status != SKALD_OK || c->n_kinds == 1) return status;
    c->n_rotations = 2;
    c->kind[1].rotation = 1;
    c->rotation[1] = (sk_rotation){
        .rope = SKALD_ROPE_HALVES, .n_pairs = c->rotation[0].n_pairs, .base = base, .factor = 1, .magnitude = 1.0f};
    return SKALD_OK;
}

const sk_family sk_family_gemma2 = {"gemma2", configure2, trunk, layer2};
const sk_family sk_family_gemma3 = {"gemma3", configure3, trunk, layer3};

/* The smollm3 family: llama's layers, of which every fourth does not turn (arXiv 2501.18795). */
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    SK_HEAD_ROLES,
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    SK_DENSE_ROLES,
    {0},
};

static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_plain(c, g, why);
    c->rotation[0].rope = SKALD_ROPE_PAIRS;
    c->kind[1] = c->kind[0];
    c->kind[1].rotation = SK_NO_ROTATION;
    c->n_kinds = 2;
    for (uint32_t i = 3; i < c->n_layers && status == SKALD_OK; i += 4) c->kind_of[i] = 1;
    return status;
}

const sk_family sk_family_smollm3 = {"smollm3", configure, trunk, layer};

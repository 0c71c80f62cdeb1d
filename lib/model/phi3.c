/* The phi3 family: q, k and v in one tensor, gate and up in another; two sets of rotation factors (arXiv 2404.14219). */
#include "model/model.h"
#include <stddef.h>

static const sk_role trunk[] = {SK_TRUNK_ROLES, {0}};

static const sk_role layer[] = {
    {"attn_norm.weight", SK_LAYER(attention_norm.weight), SK_VECTOR(EMBD)},
    {"attn_qkv.weight", SK_LAYER(q), SK_MATRIX(EMBD, Q), SK_SLICE(NONE, QKV)},
    {"attn_qkv.weight", SK_LAYER(k), SK_MATRIX(EMBD, K), SK_SLICE(Q, QKV)},
    {"attn_qkv.weight", SK_LAYER(v), SK_MATRIX(EMBD, V), SK_SLICE(QK, QKV)},
    {"attn_output.weight", SK_LAYER(o), SK_MATRIX(O, EMBD)},
    {"ffn_norm.weight", SK_LAYER(feed_norm.weight), SK_VECTOR(EMBD)},
    {"ffn_up.weight", SK_LAYER(gate), SK_MATRIX(EMBD, FF), SK_SLICE(NONE, FF2)},
    {"ffn_up.weight", SK_LAYER(up), SK_MATRIX(EMBD, FF), SK_SLICE(FF, FF2)},
    {"ffn_down.weight", SK_LAYER(down), SK_MATRIX(FF, EMBD)},
    {0},
};

/* Which factors: those for long texts as soon as more positions will be used than the original context has, and then for
 * all of them, so that a sequence has the same bits however far it has come (arXiv 2402.13753 has the factors). Windows
 * are left out, as other engines do: files say their length but not which layers have one. */
static skald_status configure(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_plain(c, g, why);
    uint32_t original = c->n_context;
    float magnitude = 1.0f;
    if (status == SKALD_OK)
        status = sk_config_count(&original, g, "rope.scaling.original_context_length", 1, INT32_MAX, false, why);
    if (status == SKALD_OK)
        status = sk_config_number(&magnitude, g, "rope.scaling.attn_factor", 1e-3f, 1e3f, false, why);
    const bool is_long = c->n_used_context > original;
    c->rotation[0].magnitude = magnitude;
    c->rotation[0].factors = is_long ? "rope_factors_long.weight" : "rope_factors_short.weight";
    c->rotation[0].others = is_long ? "rope_factors_short.weight" : "rope_factors_long.weight";
    return status;
}

const sk_family sk_family_phi3 = {"phi3", configure, trunk, layer};

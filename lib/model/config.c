/* From metadata to sizes that the rest may trust. */
#include "base/exact.h"
#include "base/report.h"
#include "model/model.h"
#include <string.h>

static const sk_family *const families[] = {
    &sk_family_llama,     &sk_family_gpt2,     &sk_family_qwen2,  &sk_family_qwen3,
    &sk_family_gemma2,    &sk_family_gemma3,   &sk_family_phi3,   &sk_family_olmo2,
    &sk_family_smollm3,   &sk_family_qwen3moe, &sk_family_olmoe,  &sk_family_gpt_oss,
    &sk_family_deepseek2, &sk_family_qwen2moe, &sk_family_qwen35, &sk_family_qwen3next,
};

skald_status sk_family_find(const sk_family **out, const sk_gguf *g, skald_report *why) {
    sk_text name;
    skald_status status = sk_gguf_text(g, "general.architecture", &name, why);
    if (status == SKALD_ABSENT) return sk_fail(why, SKALD_FORMAT, "key general.architecture is missing");
    if (status != SKALD_OK) return status;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const char *known = families[i]->architecture;
        if (strlen(known) == name.length && memcmp(known, name.at, (size_t)name.length) == 0) {
            *out = families[i];
            return SKALD_OK;
        }
    }
    return sk_fail(why, SKALD_UNSUPPORTED, "architecture \"%.*s\" is not known", SK_TEXT(name));
}

static skald_status key_of(char *key, size_t room, const sk_gguf *g, const char *rest, skald_report *why) {
    sk_text architecture;
    skald_status status = sk_gguf_text(g, "general.architecture", &architecture, why);
    return status == SKALD_OK ? sk_gguf_key(key, room, architecture, rest, why) : status;
}

static skald_status absent(bool required, const char *key, skald_report *why) {
    return required ? sk_fail(why, SKALD_FORMAT, "key %s is missing", key) : SKALD_OK;
}

skald_status sk_config_count(uint32_t *out, const sk_gguf *g, const char *rest, uint32_t least, uint32_t most,
                             bool required, skald_report *why) {
    char key[128];
    uint32_t n;
    skald_status status = key_of(key, sizeof key, g, rest, why);
    if (status == SKALD_OK) status = sk_gguf_u32(g, key, &n, why);
    if (status == SKALD_ABSENT) return absent(required, key, why);
    if (status != SKALD_OK) return status;
    if (n < least || n > most)
        return sk_fail(why, SKALD_FORMAT, "key %s is %u, from %u to %u expected", key, n, least, most);
    *out = n;
    return SKALD_OK;
}

skald_status sk_config_number(float *out, const sk_gguf *g, const char *rest, float least, float most, bool required,
                              skald_report *why) {
    char key[128];
    float x;
    skald_status status = key_of(key, sizeof key, g, rest, why);
    if (status == SKALD_OK) status = sk_gguf_f32(g, key, &x, why);
    if (status == SKALD_ABSENT) return absent(required, key, why);
    if (status != SKALD_OK) return status;
    if (!(x >= least && x <= most)) return sk_fail(why, SKALD_FORMAT, "key %s is out of range", key);
    *out = x;
    return SKALD_OK;
}

skald_status sk_config_flag(bool *out, const sk_gguf *g, const char *rest, skald_report *why) {
    char key[128];
    skald_status status = key_of(key, sizeof key, g, rest, why);
    if (status == SKALD_OK) status = sk_gguf_bool(g, key, out, why);
    return status == SKALD_ABSENT ? SKALD_OK : status;
}

skald_status sk_config_per_layer(uint32_t *out, const sk_gguf *g, const char *rest, uint32_t n, skald_report *why) {
    char key[128];
    skald_status status = key_of(key, sizeof key, g, rest, why);
    if (status == SKALD_OK) status = sk_gguf_per_layer(g, key, out, n, why);
    return status == SKALD_ABSENT ? SKALD_OK : status;
}

skald_status sk_config_text(sk_text *out, const sk_gguf *g, const char *rest, skald_report *why) {
    char key[128];
    skald_status status = key_of(key, sizeof key, g, rest, why);
    if (status == SKALD_OK) status = sk_gguf_text(g, key, out, why);
    return status == SKALD_ABSENT ? SKALD_OK : status;
}

skald_status sk_config_fail(const sk_gguf *g, const char *rest, skald_status failure, const char *what,
                            skald_report *why) {
    char key[128];
    skald_status status = key_of(key, sizeof key, g, rest, why);
    return status == SKALD_OK ? sk_fail(why, failure, "key %s: %s", key, what) : status;
}

/* ---- parts of a configure that families share */

skald_status sk_config_sizes(sk_config *c, const sk_gguf *g, skald_report *why) {
    sk_kind *kind = &c->kind[0];
    c->norm = SKALD_NORM_RMS;
    c->embed_scale = 1.0f;
    c->n_kinds = c->n_rotations = 1;
    kind->activation = SKALD_ACTIVATION_SILU;
    skald_status status = sk_config_count(&c->n_layers, g, "block_count", 1, SK_MAX_LAYERS, true, why);
    if (status == SKALD_OK) status = sk_config_count(&c->n_embd, g, "embedding_length", 1, 1 << 20, true, why);
    if (status == SKALD_OK) status = sk_config_count(&kind->n_ff, g, "feed_forward_length", 1, 1 << 22, true, why);
    if (status == SKALD_OK) status = sk_config_count(&c->n_context, g, "context_length", 0, INT32_MAX, false, why);
    if (c->n_used_context == 0) c->n_used_context = c->n_context;
    return status;
}

skald_status sk_config_heads(sk_config *c, sk_kind *k, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_count(&k->n_heads, g, "attention.head_count", 1, 4096, true, why);
    if (status != SKALD_OK) return status;
    k->n_kv_heads = k->n_heads;
    k->head_dim_k = k->head_dim_v = c->n_embd / k->n_heads;
    status = sk_config_count(&k->n_kv_heads, g, "attention.head_count_kv", 1, k->n_heads, false, why);
    if (status == SKALD_OK) status = sk_config_count(&k->head_dim_k, g, "attention.key_length", 1, 1024, false, why);
    if (status == SKALD_OK) status = sk_config_count(&k->head_dim_v, g, "attention.value_length", 1, 1024, false, why);
    if (status != SKALD_OK) return status;
    if (k->n_heads % k->n_kv_heads)
        return sk_config_fail(g, "attention.head_count_kv", SKALD_FORMAT, "it does not divide the query heads", why);
    if (k->head_dim_k == 0 || k->head_dim_k > 1024 || k->head_dim_v == 0 || k->head_dim_v > 1024)
        return sk_config_fail(g, "attention.head_count", SKALD_FORMAT, "heads of 1 to 1024 elements expected", why);
    k->attention_scale = (float)(1.0 / sk_sqrt_double((double)k->head_dim_k));
    return sk_config_number(&k->attention_scale, g, "attention.scale", 1e-6f, 1e6f, false, why);
}

skald_status sk_config_plain(sk_config *c, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_sizes(c, g, why);
    if (status == SKALD_OK)
        status = sk_config_number(&c->norm_eps, g, "attention.layer_norm_rms_epsilon", 0.0f, 1.0f, true, why);
    if (status == SKALD_OK) status = sk_config_heads(c, &c->kind[0], g, why);
    if (status == SKALD_OK) status = sk_config_rotation(&c->rotation[0], c->kind[0].head_dim_k, g, why);
    return status;
}

/* Kind 1 sees a window, kind 0 everything. The key has a flag for each layer, or the period. */
skald_status sk_config_windows(sk_config *c, uint32_t period, uint32_t window, const sk_gguf *g, skald_report *why) {
    uint32_t pattern[SK_MAX_LAYERS];
    for (uint32_t i = 0; i < c->n_layers; i++) pattern[i] = period;
    skald_status status = sk_config_count(&window, g, "attention.sliding_window", 0, INT32_MAX, false, why);
    if (status == SKALD_OK)
        status = sk_config_per_layer(pattern, g, "attention.sliding_window_pattern", c->n_layers, why);
    if (status != SKALD_OK || window == 0) return status;
    c->kind[1] = c->kind[0];
    c->kind[1].window = window;
    c->n_kinds = 2;
    for (uint32_t i = 0; i < c->n_layers; i++)
        c->kind_of[i] = pattern[i] > 1 ? (i + 1) % pattern[i] != 0 : pattern[i] == 1;
    return SKALD_OK;
}

uint64_t sk_config_dim(const sk_config *c, const sk_kind *kind, sk_dim dim) {
    static const sk_kind none;
    const sk_kind *k = kind ? kind : &none;
    const uint64_t q = (uint64_t)k->n_heads * k->head_dim_k, keys = (uint64_t)k->n_kv_heads * k->head_dim_k;
    const uint64_t values = (uint64_t)k->n_kv_heads * k->head_dim_v;
    switch (dim) {
    case SK_DIM_NONE: return 0;
    case SK_DIM_EMBD: return c->n_embd;
    case SK_DIM_VOCAB: return c->n_vocab;
    case SK_DIM_Q: return q;
    case SK_DIM_K: return keys;
    case SK_DIM_V: return values;
    case SK_DIM_O: return (uint64_t)k->n_heads * k->head_dim_v;
    case SK_DIM_QK: return q + keys;
    case SK_DIM_QKV: return q + keys + values;
    case SK_DIM_FF: return k->n_ff;
    case SK_DIM_FF2: return 2 * (uint64_t)k->n_ff;
    case SK_DIM_ONE: return 1;
    case SK_DIM_EXPERTS: return k->routing.n_experts;
    case SK_DIM_FF_EXPERT: return k->routing.n_ff;
    case SK_DIM_FF_SHARED: return k->routing.n_ff_shared;
    case SK_DIM_HEAD_K: return k->head_dim_k;
    case SK_DIM_HEADS: return k->n_heads;
    case SK_DIM_CONTEXT: return c->n_context;
    case SK_DIM_LATENT: return k->head_dim_v;
    case SK_DIM_LATENT_Q: return (uint64_t)k->n_heads * k->head_dim_q;
    case SK_DIM_LATENT_O: return (uint64_t)k->n_heads * k->head_dim_o;
    case SK_DIM_Q_RANK: return k->q_rank;
    case SK_DIM_HEAD_PLAIN: return k->head_dim_q - (k->head_dim_k - k->head_dim_v);
    case SK_DIM_HEAD_O: return k->head_dim_o;
    case SK_DIM_HEAD_K2: return 2 * (uint64_t)k->head_dim_k;
    case SK_DIM_HEAD_V: return k->head_dim_v;
    case SK_DIM_GROUP: return k->n_heads / k->n_kv_heads;
    case SK_DIM_GROUP2: return 2 * (uint64_t)(k->n_heads / k->n_kv_heads);
    case SK_DIM_CHANNELS: return 2 * keys + (uint64_t)k->n_heads * k->head_dim_v;
    case SK_DIM_TAPS: return 4;
    }
    return 0;
}

skald_status sk_model_configure(sk_config *config, const sk_family **family, const sk_files *files, uint32_t n_context,
                                skald_report *why) {
    *config = (sk_config){.n_used_context = n_context};
    skald_status status = sk_family_find(family, &files->part[0], why);
    if (status == SKALD_OK) status = (*family)->configure(config, &files->part[0], why);
    if (status != SKALD_OK) return status;
    const sk_gguf_tensor *embedding = sk_files_find(files, "token_embd.weight");
    if (!embedding) return sk_fail(why, SKALD_FORMAT, "tensor token_embd.weight is missing");
    if (embedding->shape[1] > INT32_MAX)
        return sk_fail(why, SKALD_FORMAT, "tensor token_embd.weight: %llu ids are too many",
                       (unsigned long long)embedding->shape[1]);
    config->n_vocab = (uint32_t)embedding->shape[1];
    return SKALD_OK;
}

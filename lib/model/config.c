/* From metadata to sizes that the rest may trust. */
#include "base/exact.h"
#include "base/report.h"
#include "model/model.h"
#include <string.h>

static const sk_family *const families[] = {&sk_family_llama};

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

static bool says(sk_text text, const char *word) {
    return text.length == strlen(word) && memcmp(text.at, word, (size_t)text.length) == 0;
}

/* Linear scaling divides positions; llama3's is in the file as the tensor rope_freqs.weight. */
skald_status sk_config_rotation(sk_rotation *r, uint32_t head_dim, const sk_gguf *g, skald_report *why) {
    float base = 10000.0f, factor = 1.0f;
    uint32_t n_rotated = head_dim;
    sk_text scaling = {"none", 4};
    skald_status status = sk_config_count(&n_rotated, g, "rope.dimension_count", 2, head_dim, false, why);
    if (status == SKALD_OK) status = sk_config_number(&base, g, "rope.freq_base", 1.0f, 1e12f, false, why);
    if (status == SKALD_OK) status = sk_config_text(&scaling, g, "rope.scaling.type", why);
    if (status != SKALD_OK) return status;
    if (n_rotated % 2) return sk_config_fail(g, "rope.dimension_count", SKALD_FORMAT, "it is odd", why);
    if (says(scaling, "linear")) status = sk_config_number(&factor, g, "rope.scaling.factor", 1e-3f, 1e6f, true, why);
    else if (!says(scaling, "none"))
        status = sk_config_fail(g, "rope.scaling.type", SKALD_UNSUPPORTED, "this scaling is not known", why);
    *r = (sk_rotation){
        .rope = SKALD_ROPE_HALVES, .n_pairs = n_rotated / 2, .base = base, .factor = factor, .magnitude = 1.0f};
    return status;
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
    }
    return 0;
}

skald_status sk_model_configure(sk_config *config, const sk_family **family, const sk_files *files, skald_report *why) {
    *config = (sk_config){0};
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

/* From metadata to sizes that the rest may trust. */
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

uint32_t sk_config_dim(const sk_config *c, sk_dim dim) {
    switch (dim) {
    case SK_DIM_EMBD: return c->n_embd;
    case SK_DIM_VOCAB: return c->n_vocab;
    case SK_DIM_Q: return c->n_heads * c->head_dim_k;
    case SK_DIM_K: return c->n_kv_heads * c->head_dim_k;
    case SK_DIM_V: return c->n_kv_heads * c->head_dim_v;
    case SK_DIM_O: return c->n_heads * c->head_dim_v;
    case SK_DIM_FF: return c->n_ff;
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

#include "model/read_vocab.h"
#include "base/report.h"
#include <string.h>

#define MOST_TOKENS (1u << 24)

typedef struct {
    sk_vocab_kind kind;
    sk_gguf_array tokens, merges, scores, types, charsmap; /* an absent one has no elements */
} arrays;

/* ---- what there is */

static skald_status find_kind(sk_vocab_kind *kind, const sk_gguf *g, skald_report *why) {
    static const struct {
        const char *name;
        sk_vocab_kind kind;
    } known[] = {{"gpt2", SK_VOCAB_BYTE_BPE},
                 {"llama", SK_VOCAB_PIECE_BPE},
                 {"t5", SK_VOCAB_UNIGRAM},
                 {"bert", SK_VOCAB_WORDPIECE}};
    sk_text name;
    skald_status status = sk_gguf_text(g, "tokenizer.ggml.model", &name, why);
    if (status != SKALD_OK) return status;
    if (name.length == 4 && memcmp(name.at, "none", 4) == 0) return SKALD_ABSENT;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == name.length && memcmp(known[i].name, name.at, name.length) == 0)
            return *kind = known[i].kind, SKALD_OK;
    return sk_fail(why, SKALD_UNSUPPORTED, "key tokenizer.ggml.model: \"%.*s\" is not known", SK_TEXT(name));
}

typedef skald_status array_getter(const sk_gguf *g, const char *key, sk_gguf_array *out, skald_report *why);

static skald_status get_array(sk_gguf_array *out, array_getter *get, const sk_gguf *g, const char *key, bool required,
                              skald_report *why) {
    skald_status status = get(g, key, out, why);
    if (status == SKALD_ABSENT && required) return sk_fail(why, SKALD_FORMAT, "key %s is missing", key);
    if (status == SKALD_ABSENT) return *out = (sk_gguf_array){0}, SKALD_OK;
    if (status == SKALD_OK && out->count > MOST_TOKENS)
        return sk_fail(why, SKALD_FORMAT, "key %s: %llu elements are too many", key, (unsigned long long)out->count);
    return status;
}

/* An array with an element for each token, if it is there. */
static skald_status check_count(const sk_gguf_array *array, const sk_gguf_array *tokens, const char *key,
                                skald_report *why) {
    if (!array->at || array->count == tokens->count) return SKALD_OK;
    return sk_fail(why, SKALD_FORMAT, "key %s: %llu elements for %llu tokens", key, (unsigned long long)array->count,
                   (unsigned long long)tokens->count);
}

static skald_status find_arrays(arrays *a, const sk_gguf *g, skald_report *why) {
    static const char types[] = "tokenizer.ggml.token_type", scores[] = "tokenizer.ggml.scores",
                      charsmap[] = "tokenizer.ggml.precompiled_charsmap";
    a->merges = a->scores = a->charsmap = (sk_gguf_array){0};
    skald_status status = find_kind(&a->kind, g, why);
    if (status == SKALD_OK) status = get_array(&a->tokens, sk_gguf_texts, g, "tokenizer.ggml.tokens", true, why);
    if (status == SKALD_OK && !a->tokens.count)
        return sk_fail(why, SKALD_FORMAT, "key tokenizer.ggml.tokens: there are none");
    if (status == SKALD_OK) status = get_array(&a->types, sk_gguf_integers, g, types, false, why);
    if (status == SKALD_OK) status = check_count(&a->types, &a->tokens, types, why);
    if (status != SKALD_OK) return status;
    if (a->kind == SK_VOCAB_BYTE_BPE)
        return get_array(&a->merges, sk_gguf_texts, g, "tokenizer.ggml.merges", true, why);
    if (a->kind == SK_VOCAB_WORDPIECE) return SKALD_OK;
    status = get_array(&a->scores, sk_gguf_floats, g, scores, true, why);
    if (status == SKALD_OK) status = check_count(&a->scores, &a->tokens, scores, why);
    if (status == SKALD_OK) status = get_array(&a->charsmap, sk_gguf_integers, g, charsmap, false, why);
    if (status == SKALD_OK && a->charsmap.count && a->charsmap.type != SK_GGUF_U8 && a->charsmap.type != SK_GGUF_I8)
        return sk_fail(why, SKALD_FORMAT, "key %s: an array of bytes expected", charsmap);
    return status;
}

typedef struct {
    sk_string *tokens, *merges;
    int32_t *types;
    float *scores;
} room;

static room carve(sk_carver *c, const arrays *a) {
    room r;
    r.tokens = sk_carve(c, a->tokens.count, sizeof *r.tokens, SK_CACHE_LINE);
    r.merges = sk_carve(c, a->merges.count, sizeof *r.merges, SK_CACHE_LINE);
    r.types = sk_carve(c, a->types.count, sizeof *r.types, SK_CACHE_LINE);
    r.scores = sk_carve(c, a->scores.count, sizeof *r.scores, SK_CACHE_LINE);
    return r;
}

skald_status sk_read_vocab_room(uint64_t *n_bytes, const sk_gguf *g, skald_report *why) {
    arrays a;
    sk_carver c = {0};
    skald_status status = find_arrays(&a, g, why);
    if (status != SKALD_OK) return status;
    carve(&c, &a);
    *n_bytes = c.used;
    return SKALD_OK;
}

/* ---- reading */

#define OFTEN 1024u /* elements between two looks at the watch: a tenth of a millisecond */

static skald_status fill_strings(sk_string *to, sk_gguf_array texts, sk_watch *watch, skald_report *why) {
    skald_status status = SKALD_OK;
    for (uint64_t i = 0, n = texts.count; i < n && status == SKALD_OK; i++) {
        sk_text text = sk_gguf_next_text(&texts);
        to[i] = (sk_string){text.at, text.length};
        if (i % OFTEN == 0) status = sk_watch_look(watch, why);
    }
    return status;
}

/* Ids by what they are for; -1 in a file means none. */
static skald_status read_roles(sk_vocab_source *source, const sk_gguf *g, skald_report *why) {
    static const struct {
        uint32_t role;
        const char *key;
    } keys[] = {
        {SKALD_TOKEN_BOS, "tokenizer.ggml.bos_token_id"},
        {SKALD_TOKEN_EOS, "tokenizer.ggml.eos_token_id"},
        {SKALD_TOKEN_END_OF_TURN, "tokenizer.ggml.eot_token_id"},
        {SKALD_TOKEN_UNKNOWN, "tokenizer.ggml.unknown_token_id"},
        {SKALD_TOKEN_END_OF_MESSAGE, "tokenizer.ggml.eom_token_id"},
        {SKALD_TOKEN_SEPARATOR, "tokenizer.ggml.seperator_token_id"},
        {SKALD_TOKEN_PADDING, "tokenizer.ggml.padding_token_id"},
        {SKALD_TOKEN_FIM_PREFIX, "tokenizer.ggml.fim_pre_token_id"},
        {SKALD_TOKEN_FIM_SUFFIX, "tokenizer.ggml.fim_suf_token_id"},
        {SKALD_TOKEN_FIM_MIDDLE, "tokenizer.ggml.fim_mid_token_id"},
        {SKALD_TOKEN_FIM_REPO, "tokenizer.ggml.fim_rep_token_id"},
        {SKALD_TOKEN_FIM_FILE, "tokenizer.ggml.fim_sep_token_id"},
        {SKALD_TOKEN_FIM_PADDING, "tokenizer.ggml.fim_pad_token_id"},
        {SKALD_TOKEN_MASK, "tokenizer.ggml.mask_token_id"},
        /* as older files say it; the keys above go first */
        {SKALD_TOKEN_BOS, "tokenizer.ggml.cls_token_id"},
        {SKALD_TOKEN_FIM_PREFIX, "tokenizer.ggml.prefix_token_id"},
        {SKALD_TOKEN_FIM_SUFFIX, "tokenizer.ggml.suffix_token_id"},
        {SKALD_TOKEN_FIM_MIDDLE, "tokenizer.ggml.middle_token_id"},
    };
    for (uint32_t i = 0; i < SK_TOKEN_ROLES; i++) source->role[i] = -1;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        uint32_t id;
        skald_status status = sk_gguf_u32(g, keys[i].key, &id, why);
        if (status == SKALD_ABSENT || (status == SKALD_OK && id == UINT32_MAX)) continue;
        if (status != SKALD_OK) return status;
        if (id >= source->n_tokens)
            return sk_fail(why, SKALD_FORMAT, "key %s is %u, the vocabulary has %u", keys[i].key, id, source->n_tokens);
        if (source->role[keys[i].role] < 0) source->role[keys[i].role] = (int32_t)id;
    }
    return SKALD_OK;
}

static skald_status read_text(sk_string *out, const sk_gguf *g, const char *key, skald_report *why) {
    sk_text text;
    skald_status status = sk_gguf_text(g, key, &text, why);
    if (status == SKALD_OK) *out = (sk_string){text.at, text.length};
    return status == SKALD_ABSENT ? SKALD_OK : status;
}

/* Yes or no; what the file does not say stays as it is. */
static skald_status read_choice(int32_t *out, const sk_gguf *g, const char *key, skald_report *why) {
    bool yes;
    skald_status status = sk_gguf_bool(g, key, &yes, why);
    if (status == SKALD_OK) *out = yes;
    return status == SKALD_ABSENT ? SKALD_OK : status;
}

static skald_status read_rest(sk_vocab_source *source, const sk_gguf *g, skald_report *why) {
    skald_status status = read_text(&source->pre, g, "tokenizer.ggml.pre", why);
    if (status == SKALD_OK) status = read_text(&source->chat_template, g, "tokenizer.chat_template", why);
    if (status == SKALD_OK) status = read_choice(&source->add_bos, g, "tokenizer.ggml.add_bos_token", why);
    if (status == SKALD_OK) status = read_choice(&source->add_eos, g, "tokenizer.ggml.add_eos_token", why);
    if (status == SKALD_OK) status = read_choice(&source->space_prefix, g, "tokenizer.ggml.add_space_prefix", why);
    if (status == SKALD_OK)
        status = read_choice(&source->remove_spaces, g, "tokenizer.ggml.remove_extra_whitespaces", why);
    if (status == SKALD_OK) status = read_choice(&source->lowercase, g, "tokenizer.ggml.normalizer.lowercase", why);
    if (status == SKALD_OK)
        status = read_choice(&source->strip_accents, g, "tokenizer.ggml.normalizer.strip_accents", why);
    return status == SKALD_OK ? read_roles(source, g, why) : status;
}

skald_status sk_read_vocab(sk_vocab_source *source, void *block, const sk_gguf *g, sk_watch *watch, skald_report *why) {
    arrays a;
    sk_carver c = {.base = block};
    skald_status status = find_arrays(&a, g, why);
    if (status != SKALD_OK) return status;
    const room r = carve(&c, &a);
    status = fill_strings(r.tokens, a.tokens, watch, why);
    if (status == SKALD_OK) status = fill_strings(r.merges, a.merges, watch, why);
    if (status != SKALD_OK) return status;
    for (uint64_t i = 0; i < a.types.count; i++) r.types[i] = (int32_t)sk_gguf_integer_at(&a.types, i);
    for (uint64_t i = 0; i < a.scores.count; i++) r.scores[i] = sk_gguf_float_at(&a.scores, i);
    *source = (sk_vocab_source){.kind = a.kind,
                                .n_tokens = (uint32_t)a.tokens.count,
                                .n_merges = (uint32_t)a.merges.count,
                                .tokens = r.tokens,
                                .merges = r.merges,
                                .types = a.types.count ? r.types : NULL,
                                .scores = a.scores.count ? r.scores : NULL,
                                .add_bos = -1,
                                .add_eos = -1,
                                .space_prefix = -1,
                                .remove_spaces = -1,
                                .charsmap = {a.charsmap.at, a.charsmap.count},
                                .lowercase = -1,
                                .strip_accents = -1,
                                .watch = watch};
    return read_rest(source, g, why);
}

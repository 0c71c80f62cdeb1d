/* Vocabularies that lie: each case puts another entry in the place of one of a good file, of each kind of tokenizer. The
 * refusal must name the key, token, merge or byte, and nothing may be kept. */
#define _POSIX_C_SOURCE 200809L
#define SK_ALLOW_LIBC_MEMORY
#include "support/check.h"
#include "support/memory.h"
#include "support/sample_gguf.h"

static host_memory host;

enum { N_TOKENS = 12, MOST = 40 };

/* What stands in the place of a key: nothing, or this form, of `n` elements where it is an array. A file that does not
 * have the key gets one more. */
typedef enum form { NONE, NUMBER, TEXT, BOOL, TEXTS, NUMBERS, FLOATS, BYTES, ONE_NUMBER, ONE_FLOAT, ONE_TEXT } form;

typedef struct bend {
    const char *model, *key; /* behind "tokenizer.ggml.", but chat_template */
    form form;
    uint32_t n;
    double value;
    const char *text;
    skald_status status;
    const char *said;
} bend;

#define F SKALD_FORMAT
#define U SKALD_UNSUPPORTED
#define K "key tokenizer.ggml."

/* clang-format off */
static const bend bends[] = {
    /* the kind, and how it cuts */
    {"gpt2", "model", NUMBER, 0, 5, NULL, F, K "model: a text expected"},
    {"gpt2", "model", TEXT, 0, 0, "", U, K "model: \"\" is not known"},
    {"gpt2", "model", TEXT, 0, 0, "gpt3", U, K "model: \"gpt3\" is not known"},
    {"gpt2", "model", TEXT, 0, 0, "rwkv", U, K "model: \"rwkv\" is not known"},
    {"gpt2", "model", TEXT, 0, 0, "none", U, "the file has no vocabulary"},
    {"gpt2", "model", NONE, 0, 0, NULL, U, "the file has no vocabulary"},
    {"gpt2", "pre", NUMBER, 0, 5, NULL, F, K "pre: a text expected"},
    {"gpt2", "pre", NONE, 0, 0, NULL, U, "tokenizer.ggml.pre: unknown pre-tokenizer \"\""},
    {"gpt2", "pre", TEXT, 0, 0, "klingon", U, "tokenizer.ggml.pre: unknown pre-tokenizer \"klingon\""},
    {"gpt2", "pre", TEXT, 0, 0, "gpt-2 ", U, "tokenizer.ggml.pre: unknown pre-tokenizer \"gpt-2 \""},
    /* tokens */
    {"gpt2", "tokens", NONE, 0, 0, NULL, F, K "tokens is missing"},
    {"llama", "tokens", NONE, 0, 0, NULL, F, K "tokens is missing"},
    {"gpt2", "tokens", TEXT, 0, 0, "a", F, K "tokens: array of text expected"},
    {"gpt2", "tokens", NUMBERS, N_TOKENS, 5, NULL, F, K "tokens: array of text expected"},
    {"bert", "tokens", FLOATS, N_TOKENS, 5, NULL, F, K "tokens: array of text expected"},
    {"gpt2", "tokens", TEXTS, N_TOKENS - 1, 0, "a", F, K "token_type: 12 elements for 11 tokens"},
    {"gpt2", "tokens", TEXTS, N_TOKENS + 1, 0, "a", F, K "token_type: 12 elements for 13 tokens"},
    {"gpt2", "tokens", TEXTS, 0, 0, "a", F, K "tokens: there are none"},
    /* types */
    {"gpt2", "token_type", NUMBER, 0, 5, NULL, F, K "token_type: array of integers expected"},
    {"gpt2", "token_type", TEXTS, N_TOKENS, 0, "1", F, K "token_type: array of integers expected"},
    {"gpt2", "token_type", FLOATS, N_TOKENS, 1, NULL, F, K "token_type: array of integers expected"},
    {"gpt2", "token_type", NUMBERS, N_TOKENS - 1, 1, NULL, F, K "token_type: 11 elements for 12 tokens"},
    {"gpt2", "token_type", NUMBERS, N_TOKENS + 1, 1, NULL, F, K "token_type: 13 elements for 12 tokens"},
    {"gpt2", "token_type", ONE_NUMBER, 7, 7, NULL, F, "token 7: type 7"},
    {"llama", "token_type", ONE_NUMBER, 11, -1, NULL, F, "token 11: type -1"},
    {"t5", "token_type", ONE_NUMBER, 0, 2147483647, NULL, F, "token 0: type 2147483647"},
    {"bert", "token_type", ONE_NUMBER, 3, 255, NULL, F, "token 3: type 255"},
    /* merges */
    {"gpt2", "merges", NONE, 0, 0, NULL, F, K "merges is missing"},
    {"gpt2", "merges", TEXT, 0, 0, "a b", F, K "merges: array of text expected"},
    {"gpt2", "merges", NUMBERS, 3, 1, NULL, F, K "merges: array of text expected"},
    {"gpt2", "merges", TEXTS, 1, 0, "", F, "merge 0: not two parts with a space between"},
    {"gpt2", "merges", TEXTS, 1, 0, " ", F, "merge 0: not two parts with a space between"},
    {"gpt2", "merges", TEXTS, 1, 0, "a", F, "merge 0: not two parts with a space between"},
    {"gpt2", "merges", TEXTS, 1, 0, "a ", F, "merge 0: not two parts with a space between"},
    {"gpt2", "merges", ONE_TEXT, 1, 0, "ab", F, "merge 1: not two parts with a space between"},
    {"gpt2", "merges", ONE_TEXT, 2, 0, "\xc3\xa9", F, "merge 2: not two parts with a space between"},
    /* scores */
    {"llama", "scores", NONE, 0, 0, NULL, F, K "scores is missing"},
    {"t5", "scores", NONE, 0, 0, NULL, F, K "scores is missing"},
    {"llama", "scores", NUMBER, 0, 5, NULL, F, K "scores: array of f32 expected"},
    {"llama", "scores", TEXTS, N_TOKENS, 0, "1", F, K "scores: array of f32 expected"},
    {"llama", "scores", NUMBERS, N_TOKENS, 1, NULL, F, K "scores: array of f32 expected"},
    {"llama", "scores", FLOATS, N_TOKENS - 1, 1, NULL, F, K "scores: 11 elements for 12 tokens"},
    {"t5", "scores", FLOATS, N_TOKENS + 1, 1, NULL, F, K "scores: 13 elements for 12 tokens"},
    {"llama", "scores", ONE_FLOAT, 4, 1e300, NULL, F, "token 4: its score is no finite number"},
    {"t5", "scores", ONE_FLOAT, 9, -1e300, NULL, F, "token 9: its score is no finite number"},
    {"t5", "scores", ONE_FLOAT, 11, 0.0 / 0.0, NULL, F, "token 11: its score is no finite number"},
    /* the map of characters */
    {"t5", "precompiled_charsmap", TEXT, 0, 0, "abcdefgh", F, K "precompiled_charsmap: array of integers expected"},
    {"t5", "precompiled_charsmap", NUMBERS, 8, 1, NULL, F, K "precompiled_charsmap: an array of bytes expected"},
    {"t5", "precompiled_charsmap", BYTES, 3, 0, NULL, F, "precompiled_charsmap: its sizes do not fit"},
    {"t5", "precompiled_charsmap", BYTES, 16, 255, NULL, F, "precompiled_charsmap: its sizes do not fit"},
    {"t5", "precompiled_charsmap", BYTES, 16, 3, NULL, F, "precompiled_charsmap: its sizes do not fit"},
    {"llama", "precompiled_charsmap", BYTES, 5, 9, NULL, F, "precompiled_charsmap: its sizes do not fit"},
    /* ids by what they are for */
    {"gpt2", "bos_token_id", NUMBER, 0, N_TOKENS, NULL, F, K "bos_token_id is 12, the vocabulary has 12"},
    {"llama", "eos_token_id", NUMBER, 0, 4294967294.0, NULL, F, K "eos_token_id is 4294967294, the vocabulary has 12"},
    {"bert", "unknown_token_id", NUMBER, 0, 99, NULL, F, K "unknown_token_id is 99, the vocabulary has 12"},
    {"bert", "cls_token_id", NUMBER, 0, 99, NULL, F, K "cls_token_id is 99, the vocabulary has 12"},
    {"gpt2", "eot_token_id", NUMBER, 0, 99, NULL, F, K "eot_token_id is 99"},
    {"gpt2", "eom_token_id", NUMBER, 0, 99, NULL, F, K "eom_token_id is 99"},
    {"gpt2", "padding_token_id", NUMBER, 0, 99, NULL, F, K "padding_token_id is 99"},
    {"gpt2", "mask_token_id", NUMBER, 0, 99, NULL, F, K "mask_token_id is 99"},
    {"gpt2", "fim_pre_token_id", NUMBER, 0, 99, NULL, F, K "fim_pre_token_id is 99"},
    {"gpt2", "fim_suf_token_id", NUMBER, 0, 99, NULL, F, K "fim_suf_token_id is 99"},
    {"gpt2", "fim_mid_token_id", NUMBER, 0, 99, NULL, F, K "fim_mid_token_id is 99"},
    {"gpt2", "fim_rep_token_id", NUMBER, 0, 99, NULL, F, K "fim_rep_token_id is 99"},
    {"gpt2", "fim_sep_token_id", NUMBER, 0, 99, NULL, F, K "fim_sep_token_id is 99"},
    {"gpt2", "fim_pad_token_id", NUMBER, 0, 99, NULL, F, K "fim_pad_token_id is 99"},
    {"gpt2", "bos_token_id", TEXT, 0, 0, "<s>", F, K "bos_token_id: an integer expected"},
    {"llama", "bos_token_id", FLOATS, 1, 1, NULL, F, K "bos_token_id"},
    {"llama", "bos_token_id", BOOL, 0, 1, NULL, F, K "bos_token_id: an integer expected"},
    /* choices */
    {"gpt2", "add_bos_token", NUMBER, 0, 1, NULL, F, K "add_bos_token: a bool expected"},
    {"llama", "add_eos_token", TEXT, 0, 0, "true", F, K "add_eos_token: a bool expected"},
    {"llama", "add_space_prefix", NUMBER, 0, 1, NULL, F, K "add_space_prefix: a bool expected"},
    {"t5", "remove_extra_whitespaces", NUMBER, 0, 1, NULL, F, K "remove_extra_whitespaces: a bool expected"},
    {"bert", "normalizer.lowercase", NUMBER, 0, 1, NULL, F, K "normalizer.lowercase: a bool expected"},
    {"bert", "normalizer.strip_accents", TEXT, 0, 0, "no", F, K "normalizer.strip_accents: a bool expected"},
    {"gpt2", "chat_template", NUMBER, 0, 1, NULL, F, "key tokenizer.chat_template: a text expected"},
};
/* clang-format on */

/* ---- a good vocabulary of each kind, with one bend */

typedef struct file {
    sk_gguf_writer w;
    const bend *b;
    bool done; /* the bend stands in the place of a key */
} file;

static void put_bend(file *f, const char *key) {
    const bend *b = f->b;
    sk_text texts[MOST];
    int32_t numbers[MOST];
    float floats[MOST];
    char bytes[MOST];
    for (uint32_t i = 0; i < MOST; i++) {
        texts[i] = sample_text(b->text ? b->text : "");
        bytes[i] = (char)(int)(b->form == BYTES ? b->value : 0);
        numbers[i] = b->form == NUMBERS ? (int32_t)b->value : 0;
        floats[i] = b->form == FLOATS ? (float)b->value : 0;
    }
    f->done = true;
    if (b->form == NUMBER) sk_gguf_put_u32(&f->w, key, (uint32_t)b->value);
    if (b->form == TEXT) sk_gguf_put_text(&f->w, key, b->text);
    if (b->form == BOOL) sk_gguf_put_bool(&f->w, key, true);
    if (b->form == TEXTS) sk_gguf_put_texts(&f->w, key, texts, b->n);
    if (b->form == NUMBERS) sk_gguf_put_i32s(&f->w, key, numbers, b->n);
    if (b->form == FLOATS) sk_gguf_put_f32s(&f->w, key, floats, b->n);
    if (b->form == BYTES) sk_gguf_put_entry(&f->w, &(sk_gguf_entry){sample_text(key), SK_GGUF_U8, true, b->n, bytes});
}

/* Whether a bend as a whole goes in the place of this key; then it is put. */
static bool bent(file *f, const char *key) {
    const size_t n = strlen(key), n_own = f->b ? strlen(f->b->key) : 0;
    if (!f->b || f->b->form >= ONE_NUMBER || n_own > n || strcmp(key + n - n_own, f->b->key) != 0) return false;
    if (key[n - n_own - 1] != '.') return false;
    return put_bend(f, key), true;
}

/* The element of an array that a bend names. */
static bool changes(file *f, const char *key, form as) {
    if (!f->b || f->b->form != as || strcmp(key, f->b->key) != 0) return false;
    return f->done = true;
}

static void put_tokens(file *f, bool pieces) {
    static const char *const words[N_TOKENS] = {"<unk>", "<s>", "</s>", "a", "b", "c", "ab", "abc", "d", "e", "f", "g"};
    const sk_text merges[] = {sample_text("a b"), sample_text("ab c"), sample_text("d e")};
    sk_text tokens[N_TOKENS], own_merges[3];
    int32_t types[N_TOKENS];
    float scores[N_TOKENS];
    for (uint32_t i = 0; i < N_TOKENS; i++)
        tokens[i] = sample_text(words[i]), types[i] = i == 0 ? 2 : i < 3 ? 3 : 1, scores[i] = -(float)i;
    memcpy(own_merges, merges, sizeof merges);
    if (changes(f, "token_type", ONE_NUMBER)) types[f->b->n] = (int32_t)f->b->value;
    if (changes(f, "scores", ONE_FLOAT)) scores[f->b->n] = (float)f->b->value;
    if (changes(f, "merges", ONE_TEXT)) own_merges[f->b->n] = sample_text(f->b->text);
    if (!bent(f, "tokenizer.ggml.tokens")) sk_gguf_put_texts(&f->w, "tokenizer.ggml.tokens", tokens, N_TOKENS);
    if (!bent(f, "tokenizer.ggml.token_type")) sk_gguf_put_i32s(&f->w, "tokenizer.ggml.token_type", types, N_TOKENS);
    if (pieces && !bent(f, "tokenizer.ggml.scores")) sk_gguf_put_f32s(&f->w, "tokenizer.ggml.scores", scores, N_TOKENS);
    if (!pieces && !bent(f, "tokenizer.ggml.merges")) sk_gguf_put_texts(&f->w, "tokenizer.ggml.merges", own_merges, 3);
}

static void put_all(file *f, const char *model) {
    const bool pieces = strcmp(model, "llama") == 0 || strcmp(model, "t5") == 0;
    char key[96];
    sk_gguf_put_text(&f->w, "general.architecture", "llama");
    if (!bent(f, "tokenizer.ggml.model")) sk_gguf_put_text(&f->w, "tokenizer.ggml.model", model);
    if (!bent(f, "tokenizer.ggml.pre")) sk_gguf_put_text(&f->w, "tokenizer.ggml.pre", "gpt-2");
    put_tokens(f, pieces);
    if (!bent(f, "tokenizer.ggml.bos_token_id")) sk_gguf_put_u32(&f->w, "tokenizer.ggml.bos_token_id", 1);
    if (!bent(f, "tokenizer.ggml.eos_token_id")) sk_gguf_put_u32(&f->w, "tokenizer.ggml.eos_token_id", 2);
    if (!f->b || f->done) return;
    const bool is_template = strcmp(f->b->key, "chat_template") == 0;
    snprintf(key, sizeof key, "tokenizer.%s%s", is_template ? "" : "ggml.", f->b->key);
    put_bend(f, key);
}

/* The writer is told how many entries come: once they are counted with a number that is too large, then written. */
static void write_file(sample *s, const char *model, const bend *b) {
    uint32_t n_entries = MOST;
    for (int round = 0; round < 2; round++) {
        file f = {.b = b};
        s->n_bytes = 0;
        sk_gguf_begin(&f.w, sample_write, s, n_entries, 0, 32);
        put_all(&f, model);
        if (round == 0) n_entries -= (uint32_t)f.w.entries_left;
        else CHECK_EQUAL(sk_gguf_finish(&f.w, NULL), SKALD_OK);
        CHECK(!b || f.done);
    }
}

static skald_status open_vocabulary(skald_runtime *runtime, const sample *s, skald_report *why) {
    skald_model *model = NULL;
    skald_model_options o;
    skald_model_options_init(&o, sizeof o);
    o.vocabulary_only = 1;
    const skald_source source = {.size = sizeof source, .bytes = s->bytes, .n_bytes = s->n_bytes};
    const skald_status status = skald_model_open(&model, runtime, &o, why, &source, 1);
    CHECK((status == SKALD_OK) == (model != NULL));
    skald_model_release(model);
    return status;
}

static void check_one(skald_runtime *runtime, const char *model, const bend *b) {
    static sample s;
    skald_report why = {.size = sizeof why};
    const uint64_t live = host.live;
    write_file(&s, model, b);
    const skald_status status = open_vocabulary(runtime, &s, &why);
    CHECK_EQUAL(host.live, live);
    if (!b) CHECK_SAID(status == SKALD_OK, "%s is good: %s", model, why.text);
    else
        CHECK_SAID(status == b->status && strstr(why.text, b->said), "%s, %s: %d with \"%s\" expected, %d \"%s\"",
                   model, b->key, b->status, b->said, status, why.text);
}

int main(void) {
    static const char *const models[] = {"gpt2", "llama", "t5", "bert"};
    skald_runtime *runtime = NULL;
    skald_runtime_options options;
    memory_init(&host);
    skald_runtime_options_init(&options, sizeof options);
    options.allocator = &host.allocator;
    options.n_threads = 1;
    CHECK_EQUAL(skald_runtime_create(&runtime, &options, NULL), SKALD_OK);
    for (size_t i = 0; i < 4; i++) check_one(runtime, models[i], NULL);
    for (size_t i = 0; i < sizeof bends / sizeof *bends; i++) check_one(runtime, bends[i].model, &bends[i]);
    skald_runtime_release(runtime);
    CHECK(host.live == 0 && host.n_mistakes == 0);
    printf("%zu vocabularies that are wrong\n", sizeof bends / sizeof *bends);
    return sk_checked();
}

/* Random texts beside the ids of other engines (golden/texts.py made them: the package tokenizers for byte-level and
 * WordPiece vocabularies, sentencepiece for the others), and long texts of one thing. */
#include "support/lines.h"
#include "support/session.h"
#include "model/model.h"
#include "text/decode.h"
#include <time.h>

#define DATA  SK_TEST_DATA "/tokenizer/"
#define LINES 60
#define LONG  (1u << 20)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SECONDS 20.0
#else
#define SECONDS 1.0
#endif

static const skald_allocator *const memory = &sk_libc_allocator;

static void agrees(const sk_vocab *v, const char *style) {
    char path[512];
    snprintf(path, sizeof path, DATA "random-%s.jsonl", style);
    CHECK_EQUAL(test_lines(v, memory, path), LINES);
}

/* No length makes a text slow: a unit over and over. */
static void long_texts(const sk_vocab *v, const char *style) {
    static const char *const units[] = {"a",
                                        " ",
                                        "7",
                                        "\n",
                                        "'",
                                        "a ",
                                        "\xff",
                                        "\xcc\x81",
                                        "\xcc\x81\xcc\xa3",
                                        "e\xcc\x81",
                                        "\xe1\x84\x80\xe1\x85\xa1",
                                        "\xe4\xb8\xad",
                                        "\xe2\x96\x81",
                                        "\xef\xb7\xba"};
    char *text = malloc(LONG);
    int32_t *ids = malloc(18 * LONG * sizeof *ids); /* one character may become 18 */
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        const size_t step = strlen(units[u]), n = LONG / step * step;
        for (size_t i = 0; i < n; i += step) memcpy(text + i, units[u], step);
        uint32_t n_ids = 18 * LONG;
        const clock_t begin = clock();
        CHECK_EQUAL(sk_encode(ids, &n_ids, v, memory, SKALD_ENCODE_SPECIAL, text, n), SKALD_OK);
        const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        CHECK_SAID(seconds < SECONDS, "%s: 1 MiB of \"%s\" took %.2f s", style, units[u], seconds);
    }
    free(text);
    free(ids);
}

/* Form C of a text, as it comes back. The cases are from Unicode Standard Annex 15 and The Unicode Standard, 3.11 and 3.12. */
static void composes(const sk_vocab *v, const char *text, const char *normal) {
    int32_t ids[32];
    char back[32] = "";
    uint32_t n_ids = 32;
    size_t n = sizeof back - 1;
    CHECK_EQUAL(sk_encode(ids, &n_ids, v, memory, 0, text, strlen(text)), SKALD_OK);
    CHECK_EQUAL(sk_decode(back, &n, v, 0, ids, n_ids), SKALD_OK);
    CHECK_TEXT(back, normal);
}

static void composing(const sk_vocab *v) {
    composes(v, u8"e\u0301", u8"\u00e9");
    composes(v, u8"o\u0313\u0301", u8"o\u0313\u0301"); /* blocked by a mark of its class */
    composes(v, u8"a\u0301\u0323", u8"\u1ea1\u0301");
    composes(v, u8"\u1e9b\u0323", u8"\u1e9b\u0323");
    composes(v, u8"\u212b", u8"\u00c5");
    composes(v, u8"\u0344", u8"\u0308\u0301");
    composes(v, u8"\u0958", u8"\u0915\u093c"); /* excluded from composition */
    composes(v, u8"\u1100\u1161\u11a8", u8"\uac01");
    composes(v, u8"\u1100a\u1161", u8"\u1100a\u1161"); /* a starter between */
}

/* Each known way to cut a text, with merges that would cross every cut. */
static void byte_levels(void) {
    static const char *const styles[][2] = {{"gpt2", "gpt-2"},
                                            {"olmo", "olmo"},
                                            {"smollm", "smollm"},
                                            {"llama3", "llama-bpe"},
                                            {"cl100k", "dbrx"},
                                            {"qwen2", "qwen2"},
                                            {"qwen35", "qwen35"},
                                            {"o200k", "gpt-4o"},
                                            {"tekken", "tekken"},
                                            {"deepseek-coder", "deepseek-coder"},
                                            {"deepseek-v3", "deepseek-v3"}};
    test_vocab *t = test_vocab_read(DATA "joined.vocab");
    skald_report why = {.size = sizeof why};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        t->source.pre = (sk_string){styles[i][1], strlen(styles[i][1])};
        CHECK_SAID(test_vocab_build(t, &why) == SKALD_OK, "%s: %s", styles[i][0], why.text);
        agrees(&t->vocab, styles[i][0]);
        long_texts(&t->vocab, styles[i][0]);
        if (strcmp(styles[i][0], "qwen2") == 0) composing(&t->vocab);
    }
    test_vocab_free(t);
}

/* The other kinds, out of files that hold a tokenizer and nothing else. */
static void files(void) {
    static const char *const styles[] = {"llama2", "gemma", "unigram", "bert", "bert-cased"};
    skald_report why = {.size = sizeof why};
    skald_runtime *runtime = NULL;
    skald_runtime_options own;
    skald_runtime_options_init(&own, sizeof own);
    session_must(skald_runtime_create(&runtime, &own, &why), "runtime", &why);
    skald_model_options o;
    skald_model_options_init(&o, sizeof o);
    o.vocabulary_only = 1;
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        char path[512];
        skald_model *model = NULL;
        snprintf(path, sizeof path, DATA "%s.gguf", styles[i]);
        session_must(skald_model_open_path(&model, runtime, path, &o, &why), path, &why);
        agrees(model->vocab, styles[i]);
        long_texts(model->vocab, styles[i]);
        skald_model_release(model);
    }
    skald_runtime_release(runtime);
}

int main(void) {
    byte_levels();
    files();
    return sk_checked();
}

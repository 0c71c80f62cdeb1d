/* libFuzzer target: any bytes as a JSON Schema. What is refused says why; under what is accepted an answer is written that is JSON,
 * is whole and never comes to a dead end; no memory is kept. */
#include "file/json.h"
#include "fuzz/counted.h"
#include "support/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

/* Numbers, texts and members can be read; deeper than the reader goes it may refuse. */
static bool is_json(const char *text, uint32_t n) {
    skald_report why = {.size = sizeof why};
    sk_json root;
    return sk_json_open(&root, text, n, &why) == SKALD_OK || strstr(why.text, "nested too deep");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    static const char *const more[] = {"\":",  "\", \"", "{\"", "\"}",  "}}",  "]]",
                                       "true", "12",     "foo", " the", "a\"", "\303\251"};
    static words w;
    static written out;
    if (!w.n) {
        words_open(&w, more, sizeof more / sizeof *more, -1);
        w.host.memory = &counted_memory;
    }
    skald_report why = {.size = sizeof why};
    const skald_grammar_options o = {.size = sizeof o, .kind = SKALD_GRAMMAR_JSON_SCHEMA, .cache_bytes = 1};
    skald_grammar *g;
    dice d = {n_bytes};
    const skald_status status = sk_grammar_create(&g, &w.host, &o, (const char *)bytes, n_bytes, &why);
    PROMISE((status == SKALD_OK) == (g != NULL));
    if (!g) PROMISE((status == SKALD_FORMAT || status == SKALD_UNSUPPORTED) && why.text[0]);
    if (g && g->least < 1000) {
        write_answer(&out, g, &w.host, &d, NULL, g->least + 16);
        PROMISE(!out.bad && out.whole);
        PROMISE(is_json(out.text, out.n_bytes));
    }
    sk_grammar_free(g);
    PROMISE(live == 0);
    return 0;
}

/* libFuzzer target: any bytes as rules. What is refused has a place; under what is accepted an answer is written that is whole
 * and never comes to a dead end; no memory is kept. */
#include "fuzz/counted.h"
#include "support/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    static const char *const more[] = {"ab", "abc", "the", " the", "]]", "\303\251", "\n", "12", "\"}"};
    static words w;
    static written out;
    if (!w.n) {
        words_open(&w, more, sizeof more / sizeof *more, -1);
        w.host.memory = &counted_memory;
    }
    skald_report why = {.size = sizeof why};
    const skald_grammar_options o = {.size = sizeof o, .cache_bytes = 1};
    skald_grammar *g;
    dice d = {n_bytes};
    const skald_status status = sk_grammar_create(&g, &w.host, &o, (const char *)bytes, n_bytes, &why);
    PROMISE((status == SKALD_OK) == (g != NULL));
    if (!g) PROMISE(status == SKALD_FORMAT || status == SKALD_UNSUPPORTED);
    if (status == SKALD_FORMAT) PROMISE(strncmp(why.text, "grammar line ", 13) == 0);
    if (g && g->least < 1000) {
        write_answer(&out, g, &w.host, &d, NULL, g->least + 16);
        PROMISE(!out.bad && out.whole);
    }
    sk_grammar_free(g);
    PROMISE(live == 0);
    return 0;
}

/* Grammars written as rules, in the manner of BNF (llama.cpp's GBNF is read as it stands):
 *
 *     # a comment
 *     root  ::= "{" pair ("," pair)* "}"
 *     pair  ::= [a-z_]{1,8} "=" number
 *     number ::= "-"? [0-9]+ | "\u03C0"
 *
 * A rule ends with its line, unless brackets are open or the next line goes on with "|". <[17]> is a token by number, <|end|>
 * the special token that is written so. */
#ifndef SK_GRAMMAR_RULES_H
#define SK_GRAMMAR_RULES_H
#include "grammar/expression.h"
#include "text/vocab.h"

/* What a front end reads, and for which vocabulary. */
typedef struct sk_grammar_text {
    const char *text;
    size_t n_bytes;
    const sk_vocab *vocab;
} sk_grammar_text;

/* Number of the rule "root". Failures are in the draft, with line and column. */
uint32_t sk_rules_read(sk_draft *d, const sk_grammar_text *in);
/* " line 3, column 7" of an offset into the text, for sk_program_make. */
void sk_rules_place(char *to, size_t room, const void *in, uint64_t place);
#endif

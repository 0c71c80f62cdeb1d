/* Characters as they stand inside a JSON string (RFC 8259): most by themselves, a quote, a backslash and control characters
 * by their escape. One way to write each, so that what a string says can be told from its bytes. */
#ifndef SK_GRAMMAR_LETTERS_H
#define SK_GRAMMAR_LETTERS_H
#include "grammar/expression.h"

/* One character of the ranges, or of the others. */
sk_expr sk_letters(sk_draft *d, const sk_code_range *ranges, uint32_t n, bool negated);
/* UTF-8 as it is written inside a string: at most 6 bytes for one; returns how many. `to` NULL: only tells. */
size_t sk_letters_write(char *to, const char *text, size_t n_bytes);

/* One of several texts, written so that what they begin with in common is written once. Sorts them. */
typedef struct sk_word {
    const char *text;
    uint32_t n;
} sk_word;
void sk_word_sort(sk_word *words, uint32_t n);
sk_expr sk_word_any(sk_draft *d, sk_word *words, uint32_t n);
#endif

/* Regular expressions (ECMA-262, the part that is regular) over the characters of a JSON string. */
#ifndef SK_GRAMMAR_PATTERN_H
#define SK_GRAMMAR_PATTERN_H
#include "grammar/expression.h"

/* The characters of a string in which the pattern is found somewhere, as JSON Schema wants it, unless ^ and $ bind it.
 * NULL, or why not: malformed, or not offered; then *at is the byte it is about. */
const char *sk_pattern_read(sk_expr *out, size_t *at, sk_draft *d, const char *pattern, size_t n_bytes);
/* Whether a text, as it is written inside a string, is of the pattern; for a draft without failures, in which it leaves one. */
bool sk_pattern_matches(sk_draft *d, const char *pattern, size_t n_pattern, const char *text, size_t n_bytes);
#endif

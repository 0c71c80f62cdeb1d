/* Numbers between bounds, as JSON writes them. */
#ifndef SK_GRAMMAR_NUMBER_H
#define SK_GRAMMAR_NUMBER_H
#include "grammar/expression.h"

#define SK_DIGITS 18u /* most before and behind the point of a bound */

/* A bound: digits exact, as it stands in a text. */
typedef struct sk_decimal {
    bool negative;
    uint64_t whole;
    char fraction[SK_DIGITS + 1]; /* digits behind the point, no zeros at the end; closed by NUL */
} sk_decimal;

/* What a JSON number says; false: more digits than that. */
bool sk_decimal_read(sk_decimal *out, const char *text, size_t n_bytes);
/* Below, at or above 0. */
int sk_decimal_compare(const sk_decimal *a, const sk_decimal *b);

typedef struct sk_bounds {
    bool has_low, has_high, above, below; /* above: not the bound itself; likewise below */
    sk_decimal low, high;
} sk_bounds;

/* Every number; `integer`: without point and exponent. With bounds there is no exponent. */
sk_expr sk_number(sk_draft *d, const sk_bounds *bounds, bool integer);
/* Integers that `by` divides, 1 to 1000. */
sk_expr sk_number_multiple(sk_draft *d, uint32_t by);
#endif

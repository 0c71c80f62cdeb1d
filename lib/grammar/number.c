#include "grammar/number.h"
#include <string.h>

/* ---- bounds */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool sk_decimal_read(sk_decimal *out, const char *text, size_t n_bytes) {
    char digit[64];
    int32_t n = 0, point = 0, exponent = 0;
    size_t i = 0;
    *out = (sk_decimal){.negative = text[0] == '-'};
    bool behind = false;
    for (i = out->negative; i < n_bytes && (is_digit(text[i]) || text[i] == '.'); i++) {
        if (text[i] == '.') behind = true;
        else if (n == 60) return false;
        else digit[n++] = text[i], point += !behind;
    }
    if (i < n_bytes && (text[i] == 'e' || text[i] == 'E')) {
        const bool minus = text[++i] == '-';
        for (i += minus || text[i] == '+'; i < n_bytes && is_digit(text[i]); i++)
            if (exponent < 10000) exponent = exponent * 10 + (text[i] - '0');
        point += minus ? -exponent : exponent;
    }
    while (n && digit[n - 1] == '0') n--; /* zeros at both ends say nothing */
    int32_t first = 0;
    while (first < n && digit[first] == '0') first++;
    if (first == n) return out->negative = false, true;
    if (point - first > (int32_t)SK_DIGITS || n - point > (int32_t)SK_DIGITS) return false;
    for (int32_t k = first; k < point; k++) out->whole = out->whole * 10 + (uint64_t)(k < n ? digit[k] - '0' : 0);
    uint32_t used = 0;
    for (int32_t k = point; k < n; k++) out->fraction[used++] = k < first ? '0' : digit[k];
    return true;
}

static int compare_magnitude(const sk_decimal *a, const sk_decimal *b) {
    if (a->whole != b->whole) return a->whole < b->whole ? -1 : 1;
    return strcmp(a->fraction, b->fraction);
}

int sk_decimal_compare(const sk_decimal *a, const sk_decimal *b) {
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    return a->negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

/* ---- digits */

static sk_expr digit(sk_draft *d, uint32_t low, uint32_t high) {
    const sk_code_range range = {'0' + low, '0' + high};
    return low <= high ? sk_expr_chars(d, &range, 1, false) : SK_EXPR_NOTHING;
}

static sk_expr digits(sk_draft *d, uint32_t least, uint32_t most) {
    return sk_expr_many(d, digit(d, 0, 9), least, most);
}

static uint64_t power(uint32_t n) {
    uint64_t p = 1;
    while (n--) p *= 10;
    return p;
}

/* n digits, of which the number lies between two: the two ends by themselves, all between at once. */
static sk_expr same_length(sk_draft *d, uint64_t low, uint64_t high, uint32_t n) {
    if (n == 0) return SK_EXPR_EMPTY;
    const uint64_t unit = power(n - 1);
    const uint32_t first = (uint32_t)(low / unit), last = (uint32_t)(high / unit);
    if (low % unit == 0 && high % unit == unit - 1)
        return sk_expr_then(d, digit(d, first, last), digits(d, n - 1, n - 1));
    if (first == last) return sk_expr_then(d, digit(d, first, first), same_length(d, low % unit, high % unit, n - 1));
    sk_expr e = sk_expr_then(d, digit(d, first, first), same_length(d, low % unit, unit - 1, n - 1));
    e = sk_expr_or(d, e, sk_expr_then(d, digit(d, last, last), same_length(d, 0, high % unit, n - 1)));
    return last - first < 2 ? e
                            : sk_expr_or(d, e, sk_expr_then(d, digit(d, first + 1, last - 1), digits(d, n - 1, n - 1)));
}

#define NO_END UINT64_MAX

/* Whole numbers from low to high, without zeros in front, of at most 18 digits: readers hold no longer ones. */
static sk_expr whole(sk_draft *d, uint64_t low, uint64_t high) {
    sk_expr e = SK_EXPR_NOTHING;
    for (uint32_t n = 1; n <= SK_DIGITS; n++) {
        const uint64_t first = n == 1 ? 0 : power(n - 1), last = power(n) - 1;
        if (last < low || first > high) continue;
        e = sk_expr_or(d, e, same_length(d, low > first ? low : first, high < last ? high : last, n));
    }
    return e;
}

/* ---- fractions: digits behind the point, as long as they follow a bound they are held to it */

typedef struct fraction {
    const char *low, *high; /* digits of the bounds that are still followed, NULL: none */
    bool above, below;
} fraction;

/* Whether the digits may end here. */
static bool may_stop(fraction f) {
    if (f.low && (*f.low || f.above)) return false;
    return !f.high || *f.high || !f.below;
}

static sk_expr follow(sk_draft *d, fraction f, uint32_t depth);

/* One more digit, of those between two, and then what f says. */
static sk_expr then_follow(sk_draft *d, uint32_t low, uint32_t high, fraction f, uint32_t depth) {
    return low <= high && low <= 9 ? sk_expr_then(d, digit(d, low, high), follow(d, f, depth + 1)) : SK_EXPR_NOTHING;
}

static sk_expr follow(sk_draft *d, fraction f, uint32_t depth) {
    const sk_expr stop = depth && may_stop(f) ? SK_EXPR_EMPTY : SK_EXPR_NOTHING; /* "1." is not JSON */
    if (!f.low && !f.high) return digits(d, depth == 0, UINT32_MAX);
    if (!f.low && !*f.high) return f.below ? SK_EXPR_NOTHING : sk_expr_many(d, digit(d, 0, 0), depth == 0, UINT32_MAX);
    if (depth > 2 * SK_DIGITS) return stop;
    const uint32_t low = f.low && *f.low ? (uint32_t)(*f.low - '0') : 0;
    const uint32_t high = f.high ? *f.high ? (uint32_t)(*f.high - '0') : 0 : 9;
    const char *next_low = f.low && *f.low ? f.low + 1 : f.low, *next_high = f.high && *f.high ? f.high + 1 : f.high;
    /* behind a lower bound's last digit anything is above it, but zeros are no more than it */
    if (f.low && !*f.low && !f.above) return follow(d, (fraction){NULL, f.high, false, f.below}, depth);
    sk_expr e = stop;
    if (f.low && f.high && low == high)
        return sk_expr_or(d, e, then_follow(d, low, low, (fraction){next_low, next_high, f.above, f.below}, depth));
    if (f.low && f.high && low > high) return e;
    const uint32_t first = low + (f.low != NULL),
                   last = f.high ? high - 1 : high; /* high - 1 may wrap: then there is none between */
    if (f.low) e = sk_expr_or(d, e, then_follow(d, low, low, (fraction){next_low, NULL, f.above, false}, depth));
    if (f.high) e = sk_expr_or(d, e, then_follow(d, high, high, (fraction){NULL, next_high, false, f.below}, depth));
    if (last != UINT32_MAX)
        e = sk_expr_or(d, e, then_follow(d, first, last, (fraction){NULL, NULL, false, false}, depth));
    return e;
}

/* The point and what is behind it, at least one digit; or nothing, where that is allowed. */
static sk_expr point(sk_draft *d, fraction f) {
    const sk_expr none = may_stop(f) ? SK_EXPR_EMPTY : SK_EXPR_NOTHING;
    return sk_expr_or(d, none, sk_expr_then(d, sk_expr_word(d, "."), follow(d, f, 0)));
}

/* ---- magnitudes and signs */

typedef struct magnitudes {
    const sk_decimal *low, *high; /* NULL: 0, and no end */
    bool above, below;
} magnitudes;

static sk_expr integers(sk_draft *d, magnitudes m) {
    uint64_t low = m.low ? m.low->whole : 0, high = m.high ? m.high->whole : NO_END;
    if (m.low && (m.above || m.low->fraction[0])) low++;
    if (m.high && m.below && !m.high->fraction[0]) {
        if (high == 0) return SK_EXPR_NOTHING;
        high--;
    }
    return low <= high ? whole(d, low, high) : SK_EXPR_NOTHING;
}

static sk_expr decimals(sk_draft *d, magnitudes m) {
    const fraction at_low = {m.low ? m.low->fraction : NULL, NULL, m.above, false};
    const fraction at_high = {NULL, m.high ? m.high->fraction : NULL, false, m.below},
                   free = {NULL, NULL, false, false};
    uint64_t low = m.low ? m.low->whole : 0, high = m.high ? m.high->whole : NO_END;
    sk_expr e = SK_EXPR_NOTHING;
    if (m.low && m.high && low == high)
        return sk_expr_then(d, whole(d, low, low),
                            point(d, (fraction){m.low->fraction, m.high->fraction, m.above, m.below}));
    if (m.low) e = sk_expr_then(d, whole(d, low, low), point(d, at_low)), low++;
    if (m.high) {
        e = sk_expr_or(d, e, sk_expr_then(d, whole(d, high, high), point(d, at_high)));
        if (high-- == 0) return e;
    }
    return low <= high ? sk_expr_or(d, e, sk_expr_then(d, whole(d, low, high), point(d, free))) : e;
}

static sk_expr unbounded(sk_draft *d, bool integer) {
    const sk_expr whole_part = sk_expr_then(d, sk_expr_maybe(d, sk_expr_word(d, "-")), whole(d, 0, NO_END));
    if (integer) return whole_part;
    const sk_expr behind = sk_expr_then(d, sk_expr_word(d, "."), digits(d, 1, UINT32_MAX));
    static const sk_code_range mark[] = {{'e', 'e'}, {'E', 'E'}}, sign[] = {{'+', '+'}, {'-', '-'}};
    sk_expr exponent =
        sk_expr_then(d, sk_expr_chars(d, mark, 2, false), sk_expr_maybe(d, sk_expr_chars(d, sign, 2, false)));
    exponent = sk_expr_then(d, exponent, digits(d, 1, 2));
    return sk_expr_then(d, sk_expr_then(d, whole_part, sk_expr_maybe(d, behind)), sk_expr_maybe(d, exponent));
}

sk_expr sk_number(sk_draft *d, const sk_bounds *b, bool integer) {
    if (!b->has_low && !b->has_high) return unbounded(d, integer);
    magnitudes plus = {NULL, NULL, false, false}, minus = plus;
    bool has_plus = true, has_minus = true;
    if (b->has_low && sk_decimal_compare(&b->low, &b->high) > 0 && b->has_high) return SK_EXPR_NOTHING;
    if (b->has_low && b->low.negative) minus.high = &b->low, minus.below = b->above;
    else if (b->has_low) plus.low = &b->low, plus.above = b->above, has_minus = false;
    if (b->has_high && b->high.negative) minus.low = &b->high, minus.above = b->below, has_plus = false;
    else if (b->has_high) plus.high = &b->high, plus.below = b->below;
    /* -0 is 0: it must not slip in where 0 is forbidden */
    static const sk_decimal zero = {false, 0, ""};
    if (has_minus && !minus.low) minus.low = &zero, minus.above = true;
    sk_expr e = SK_EXPR_NOTHING;
    if (has_plus) e = integer ? integers(d, plus) : decimals(d, plus);
    if (!has_minus) return e;
    return sk_expr_or(d, e, sk_expr_then(d, sk_expr_word(d, "-"), integer ? integers(d, minus) : decimals(d, minus)));
}

/* A rule for each remainder: what may follow digits that leave it. */
sk_expr sk_number_multiple(sk_draft *d, uint32_t by) {
    const uint32_t first = d->rules.n;
    for (uint32_t i = 0; i < by; i++) sk_rule_new(d, "a multiple", 10, UINT64_MAX);
    for (uint32_t i = 0; i < by && d->status == SKALD_OK; i++) {
        sk_expr e = i == 0 ? SK_EXPR_EMPTY : SK_EXPR_NOTHING;
        for (uint32_t k = 0; k < 10; k++)
            e = sk_expr_or(d, e, sk_expr_then(d, digit(d, k, k), sk_expr_rule(d, first + (i * 10 + k) % by)));
        sk_rule_define(d, first + i, e);
    }
    sk_expr e = sk_expr_word(d, "0");
    for (uint32_t k = 1; k < 10; k++)
        e = sk_expr_or(d, e,
                       sk_expr_then(d, sk_expr_then(d, sk_expr_maybe(d, sk_expr_word(d, "-")), digit(d, k, k)),
                                    sk_expr_rule(d, first + k % by)));
    return e;
}

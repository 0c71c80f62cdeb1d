/* Numbers: bounds and multiples, of all parts of a claim. */
#include "grammar/schema.h"

static bool read_bound(sk_decimal *out, sk_schema *s, const sk_claim_part *part, const char *keyword) {
    sk_json v;
    if (!sk_schema_find(s, part, keyword, &v)) return false;
    if (sk_json_kind_of(v) != SK_JSON_NUMBER) {
        sk_schema_refuse(s, SKALD_FORMAT, part->at, keyword, "a number is expected");
        return false;
    }
    size_t n = 0;
    while (v.at + n < v.end && ((v.at[n] >= '0' && v.at[n] <= '9') || v.at[n] == '-' || v.at[n] == '+' ||
                                v.at[n] == '.' || v.at[n] == 'e' || v.at[n] == 'E'))
        n++;
    if (sk_decimal_read(out, v.at, n)) return true;
    sk_schema_refuse(s, SKALD_UNSUPPORTED, part->at, keyword, "more than 18 digits before or behind the point");
    return false;
}

static void narrow_low(sk_bounds *b, const sk_decimal *low, bool above) {
    const int order = b->has_low ? sk_decimal_compare(low, &b->low) : 1;
    if (order > 0) b->low = *low, b->above = above;
    else if (order == 0) b->above |= above;
    b->has_low = true;
}

static void narrow_high(sk_bounds *b, const sk_decimal *high, bool below) {
    const int order = b->has_high ? sk_decimal_compare(high, &b->high) : -1;
    if (order < 0) b->high = *high, b->below = below;
    else if (order == 0) b->below |= below;
    b->has_high = true;
}

static sk_bounds read_bounds(sk_schema *s, const sk_claim *c) {
    sk_bounds b = {0};
    sk_decimal x;
    for (uint32_t i = 0; i < c->n; i++) {
        if (read_bound(&x, s, &c->part[i], "minimum")) narrow_low(&b, &x, false);
        if (read_bound(&x, s, &c->part[i], "exclusiveMinimum")) narrow_low(&b, &x, true);
        if (read_bound(&x, s, &c->part[i], "maximum")) narrow_high(&b, &x, false);
        if (read_bound(&x, s, &c->part[i], "exclusiveMaximum")) narrow_high(&b, &x, true);
    }
    return b;
}

/* The one multipleOf; NULL: none. */
static const sk_claim_part *find_multiple(sk_schema *s, const sk_claim *c, sk_decimal *by) {
    const sk_claim_part *found = NULL;
    sk_decimal x;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!read_bound(&x, s, &c->part[i], "multipleOf")) continue;
        if (found && sk_decimal_compare(&x, by) != 0)
            sk_schema_refuse(s, SKALD_UNSUPPORTED, c->part[i].at, "multipleOf", "two that differ are not offered");
        found = &c->part[i];
        *by = x;
    }
    return found;
}

/* 1, 0.1, 0.01, ... divide every integer. */
static bool is_tenth(const sk_decimal *x) {
    uint32_t i = 0;
    if (x->whole) return x->whole == 1 && !x->fraction[0];
    while (x->fraction[i] == '0') i++;
    return x->fraction[i] == '1' && !x->fraction[i + 1];
}

sk_expr sk_schema_number(sk_schema *s, const sk_claim *c, sk_types types) {
    const sk_bounds b = read_bounds(s, c);
    const bool integer = !(types & SK_TYPE_FRACTION);
    if (!(types & SK_TYPE_INTEGER))
        return sk_schema_refuse(s, SKALD_UNSUPPORTED, c->part[0].at, "not", "numbers that are no integers");
    sk_decimal by = {0};
    const sk_claim_part *at = find_multiple(s, c, &by);
    if (!at || s->d->status != SKALD_OK) return sk_number(s->d, &b, integer);
    if (by.negative || (by.whole == 0 && !by.fraction[0]))
        return sk_schema_refuse(s, SKALD_FORMAT, at->at, "multipleOf", "a number above 0 is expected");
    if ((by.whole == 1 && !by.fraction[0]) || (integer && is_tenth(&by))) return sk_number(s->d, &b, true);
    if (b.has_low || b.has_high)
        return sk_schema_refuse(s, SKALD_UNSUPPORTED, at->at, "multipleOf", "not offered beside bounds");
    if (by.fraction[0] || by.whole > 1000) /* who checks 0.3 = 3 * 0.1 in floating point finds that it is none */
        return sk_schema_refuse(s, SKALD_UNSUPPORTED, at->at, "multipleOf", "offered for whole numbers up to 1000");
    return sk_number_multiple(s->d, (uint32_t)by.whole);
}

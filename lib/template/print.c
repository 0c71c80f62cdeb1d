/* Values as text: str() and repr() as Python writes them, JSON as json.dumps does. */
#include "template/value.h"
#include "base/exact.h"
#include "file/json.h"
#include "text/unicode.h"
#include <string.h>

/* ---- floats: the shortest digits that read back as the same number */

enum { LIMBS = 84, DIGITS = 20 };

static bool is_zero(const uint32_t n[LIMBS]) {
    for (int i = 0; i < LIMBS; i++)
        if (n[i]) return false;
    return true;
}

static uint32_t multiply_add(uint32_t n[LIMBS], uint32_t by, uint32_t add) {
    uint64_t carry = add;
    for (int i = 0; i < LIMBS; i++) {
        carry += (uint64_t)n[i] * by;
        n[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return (uint32_t)carry;
}

static uint32_t divide(uint32_t n[LIMBS], uint32_t by) {
    uint64_t rest = 0;
    for (int i = LIMBS; i-- > 0;) {
        rest = rest << 32 | n[i];
        n[i] = (uint32_t)(rest / by);
        rest %= by;
    }
    return (uint32_t)rest;
}

/* The whole number mantissa * 2^shift; shift is at most 1023 and the number is below 2^(32 * LIMBS). */
static void load(uint32_t n[LIMBS], uint64_t mantissa, int shift) {
    memset(n, 0, LIMBS * sizeof *n);
    for (int i = 0; i < 64; i++)
        if (mantissa >> i & 1) n[(i + shift) / 32] |= 1u << (i + shift) % 32;
}

/* The first DIGITS decimal digits of a positive x, the last one odd when more follow: x = 0.d0 d1 d2 ... * 10^point.
 * x = m * 2^e is the whole number m * 5^-e * 10^e where e is negative: 1074 factors of 5 and 53 bits fit. */
static int digits_of(char digits[DIGITS], double x) {
    char all[800];
    uint32_t n[LIMBS];
    uint64_t bits = sk_bits64(x);
    int e = (int)(bits >> 52 & 0x7ff), count = 0, exponent;
    uint64_t mantissa = bits & 0xfffffffffffffu;
    if (e) mantissa |= (uint64_t)1 << 52;
    else e = 1;
    exponent = e - 1075;
    load(n, mantissa, exponent > 0 ? exponent : 0);
    for (int i = exponent; i < 0; i++) multiply_add(n, 5, 0);
    while (!is_zero(n)) all[count++] = (char)divide(n, 10);
    bool more = false;
    for (int i = 0; i < DIGITS; i++) digits[i] = count > i ? all[count - 1 - i] : 0;
    for (int i = DIGITS; i < count; i++) more |= all[count - 1 - i] != 0;
    if (more) digits[DIGITS - 1] |= 1;
    return count + (exponent < 0 ? exponent : 0);
}

/* The first n digits, rounded to nearest, ties to even; *point moves when a carry runs out. */
static void round_digits(char out[DIGITS], const char digits[DIGITS], int n, int *point) {
    bool above = digits[n] > 5, tie = digits[n] == 5;
    for (int i = n + 1; i < DIGITS && tie; i++)
        if (digits[i]) above = true, tie = false;
    memcpy(out, digits, (size_t)n);
    if (!above && !(tie && digits[n - 1] & 1)) return;
    int i = n - 1;
    while (i >= 0 && out[i] == 9) out[i--] = 0;
    if (i >= 0) out[i]++;
    else out[0] = 1, ++*point;
}

static double value_of(const char *digits, int n, int point) {
    char text[48];
    int at = 0;
    double x = 0;
    for (int i = 0; i < n; i++) text[at++] = (char)('0' + digits[i]);
    at += (int)sk_format(text + at, sizeof text - (size_t)at, "e%d", point - n);
    sk_json_to_double((sk_json){text, text + at}, &x);
    return x;
}

/* As repr: digits with a point, or with an exponent below 1e-4 and from 1e16 on. */
static uint32_t lay_out_float(char *to, const char *digits, int n, int point) {
    uint32_t at = 0;
    if (point > 16 || point < -3) {
        to[at++] = (char)('0' + digits[0]);
        if (n > 1) to[at++] = '.';
        for (int i = 1; i < n; i++) to[at++] = (char)('0' + digits[i]);
        int e = point - 1, size = e < 0 ? -e : e;
        return at + (uint32_t)sk_format(to + at, 8, "e%c%s%d", e < 0 ? '-' : '+', size < 10 ? "0" : "", size);
    }
    for (int i = point < 0 ? point : 0; i < n || i < point + 1; i++) {
        if (i == point) {
            if (at == 0) to[at++] = '0';
            to[at++] = '.';
        }
        to[at++] = i < 0 || i >= n ? '0' : (char)('0' + digits[i]);
        if (i == point && i >= n) break;
    }
    return at;
}

bool sk_put_float(sk_run *r, sk_builder *b, double x, sk_origin origin) {
    char digits[DIGITS], shortest[DIGITS], text[64];
    uint64_t bits = sk_bits64(x);
    double size = sk_double(bits & 0x7fffffffffffffffu);
    if (bits >> 63 && x == x && !sk_put(r, b, "-", 1, origin)) return false;
    if (size != size) return sk_put_word(r, b, "nan", origin);
    if (size > 1.7976931348623157e308) return sk_put_word(r, b, "inf", origin);
    if (size == 0) return sk_put_word(r, b, "0.0", origin);
    int point = digits_of(digits, size), n = 0, rounded;
    do {
        rounded = point;
        round_digits(shortest, digits, ++n, &rounded);
    } while (n < 17 && value_of(shortest, n, rounded) != size);
    while (n > 1 && shortest[n - 1] == 0) n--;
    return sk_run_work(r, 64) && sk_put(r, b, text, lay_out_float(text, shortest, n, rounded), origin);
}

/* ---- repr of texts */

static bool is_printable(uint32_t code) {
    uint32_t kind = sk_unicode_kind(code);
    return code == ' ' || !(kind == SK_UNICODE_Zs || kind == SK_UNICODE_Zl || kind == SK_UNICODE_Zp ||
                            (kind >= SK_UNICODE_Cc && kind <= SK_UNICODE_Cn) || kind == SK_UNICODE_SPACE_CONTROL);
}

static bool put_hex(sk_run *r, sk_builder *b, char letter, uint32_t code, int n, sk_origin origin) {
    char text[12] = {'\\', letter};
    for (int i = 0; i < n; i++) text[2 + i] = "0123456789abcdef"[code >> 4 * (n - 1 - i) & 15];
    return sk_put(r, b, text, 2 + (uint64_t)n, origin);
}

static bool put_repr_char(sk_run *r, sk_builder *b, sk_value text, uint32_t at, char quote) {
    uint32_t code = sk_char_at(text, at), n = sk_char_length(text, at);
    sk_origin origin = text.marks ? (sk_origin)text.marks[at] : (sk_origin)text.origin;
    const char *named = code < 0x80 && code ? strchr("\n\r\t", (int)code) : NULL;
    char pair[2] = {'\\', (char)code};
    if (named) pair[1] = "nrt"[code == '\n' ? 0 : code == '\r' ? 1 : 2];
    if (named || code == '\\' || code == (uint32_t)quote) return sk_put(r, b, pair, 2, origin);
    if (is_printable(code)) return sk_put(r, b, text.as.text + at, n, origin);
    if (code < 0x100) return put_hex(r, b, 'x', code, 2, origin);
    return code < 0x10000 ? put_hex(r, b, 'u', code, 4, origin) : put_hex(r, b, 'U', code, 8, origin);
}

static bool put_repr_text(sk_run *r, sk_builder *b, sk_value text) {
    bool single = text.n && memchr(text.as.text, '\'', text.n), twin = text.n && memchr(text.as.text, '"', text.n);
    char quote = single && !twin ? '"' : '\'';
    bool ok = sk_put(r, b, &quote, 1, SK_FROM_DATA);
    for (uint32_t at = 0; ok && at < text.n; at += sk_char_length(text, at)) ok = put_repr_char(r, b, text, at, quote);
    return ok && sk_put(r, b, &quote, 1, SK_FROM_DATA);
}

static bool put_members(sk_run *r, sk_builder *b, sk_value v) {
    const bool tuple = v.kind == SK_TUPLE;
    const sk_list *list = v.as.list;
    bool ok = sk_put_word(r, b, tuple ? "(" : "[", SK_FROM_DATA);
    for (uint32_t i = 0; ok && i < list->n; i++)
        ok = (i == 0 || sk_put_word(r, b, ", ", SK_FROM_DATA)) && sk_put_repr(r, b, list->at[i]);
    return ok && sk_put_word(r, b, !tuple ? "]" : list->n == 1 ? ",)" : ")", SK_FROM_DATA);
}

static bool put_pairs(sk_run *r, sk_builder *b, const sk_dict *d) {
    bool ok = sk_put_word(r, b, "{", SK_FROM_DATA);
    for (uint32_t i = 0; ok && i < d->n; i++)
        ok = (i == 0 || sk_put_word(r, b, ", ", SK_FROM_DATA)) && sk_put_repr(r, b, d->at[2 * i]) &&
             sk_put_word(r, b, ": ", SK_FROM_DATA) && sk_put_repr(r, b, d->at[2 * i + 1]);
    return ok && sk_put_word(r, b, "}", SK_FROM_DATA);
}

bool sk_put_repr(sk_run *r, sk_builder *b, sk_value v) {
    switch (v.kind) {
    case SK_STR: return put_repr_text(r, b, v);
    case SK_UNDEFINED: return sk_put_word(r, b, "Undefined", SK_FROM_TEMPLATE);
    case SK_LIST:
    case SK_TUPLE: return put_members(r, b, v);
    case SK_DICT: return put_pairs(r, b, v.as.dict);
    default: return sk_put_str(r, b, v);
    }
}

bool sk_put_str(sk_run *r, sk_builder *b, sk_value v) {
    switch (v.kind) {
    case SK_UNDEFINED: return true;
    case SK_NONE: return sk_put_word(r, b, "None", SK_FROM_TEMPLATE);
    case SK_BOOL: return sk_put_word(r, b, v.as.whole ? "True" : "False", SK_FROM_TEMPLATE);
    case SK_INT: return sk_put_int(r, b, v.as.whole, SK_FROM_TEMPLATE);
    case SK_FLOAT: return sk_put_float(r, b, v.as.real, SK_FROM_TEMPLATE);
    case SK_STR: return sk_put_text(r, b, v);
    case SK_LIST:
    case SK_TUPLE:
    case SK_DICT: return sk_put_repr(r, b, v);
    default: return sk_run_fail(r, SKALD_FORMAT, "%s cannot be written", sk_value_type(v));
    }
}

bool sk_value_str(sk_run *r, sk_value *out, sk_value v) {
    sk_builder b = {0};
    if (v.kind == SK_STR) return *out = v, true;
    if (!sk_put_str(r, &b, v)) return false;
    *out = sk_built(&b);
    return true;
}

/* ---- JSON */

#define DATA SK_FROM_DATA

static bool put_json_char(sk_run *r, sk_builder *b, sk_value text, uint32_t at, bool ascii) {
    static const char named[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    uint32_t code = sk_char_at(text, at);
    const char *name = code < 0x80 && code ? strchr(named, (int)code) : NULL;
    char pair[2] = {'\\', name ? letters[name - named] : 0};
    if (name) return sk_put(r, b, pair, 2, DATA);
    if (code < 0x20 || (ascii && code > 0x7e && code < 0x10000)) return put_hex(r, b, 'u', code, 4, DATA);
    if (!ascii || code < 0x7f) return sk_put(r, b, text.as.text + at, sk_char_length(text, at), DATA);
    code -= 0x10000;
    return put_hex(r, b, 'u', 0xd800 + (code >> 10), 4, DATA) && put_hex(r, b, 'u', 0xdc00 + (code & 0x3ff), 4, DATA);
}

static bool put_json_text(sk_run *r, sk_builder *b, sk_value text, bool ascii) {
    bool ok = sk_put(r, b, "\"", 1, DATA);
    for (uint32_t at = 0; ok && at < text.n; at += sk_char_length(text, at)) ok = put_json_char(r, b, text, at, ascii);
    return ok && sk_put(r, b, "\"", 1, DATA);
}

static bool put_json_line(sk_run *r, sk_builder *b, const sk_json_style *style, uint32_t level) {
    if (!style->indent) return true;
    bool ok = sk_put(r, b, "\n", 1, DATA);
    for (uint32_t i = 0; ok && i < level; i++) ok = sk_put(r, b, style->indent, style->n_indent, DATA);
    return ok;
}

static bool put_json(sk_run *r, sk_builder *b, sk_value v, const sk_json_style *style, uint32_t level);

/* In front of member i. */
static bool put_json_head(sk_run *r, sk_builder *b, const sk_json_style *style, uint32_t level, uint32_t i) {
    return (i == 0 || sk_put(r, b, style->between.as.text, style->between.n, DATA)) &&
           put_json_line(r, b, style, level + 1);
}

static bool put_json_list(sk_run *r, sk_builder *b, const sk_list *list, const sk_json_style *style, uint32_t level) {
    if (list->n == 0) return sk_put(r, b, "[]", 2, DATA);
    bool ok = sk_put(r, b, "[", 1, DATA);
    for (uint32_t i = 0; ok && i < list->n; i++)
        ok = put_json_head(r, b, style, level, i) && put_json(r, b, list->at[i], style, level + 1);
    return ok && put_json_line(r, b, style, level) && sk_put(r, b, "]", 1, DATA);
}

/* A key that is no text is written as the text of its value. */
static bool put_json_key(sk_run *r, sk_builder *b, sk_value key, const sk_json_style *style) {
    if (key.kind == SK_STR) return put_json_text(r, b, key, style->ascii);
    return sk_put(r, b, "\"", 1, DATA) && put_json(r, b, key, style, 0) && sk_put(r, b, "\"", 1, DATA);
}

/* The first of the keys behind `last` in ascending order; equal keys do not happen. */
static bool next_sorted(sk_run *r, const sk_dict *d, const sk_value *last, uint32_t *out) {
    uint32_t best = UINT32_MAX;
    if (!sk_run_work(r, d->n)) return false;
    for (uint32_t i = 0; i < d->n; i++) {
        int order = 1;
        if (last && !sk_value_order(r, &order, d->at[2 * i], *last)) return false;
        if (order <= 0) continue;
        if (best != UINT32_MAX && !sk_value_order(r, &order, d->at[2 * best], d->at[2 * i])) return false;
        if (best == UINT32_MAX || order > 0) best = i;
    }
    *out = best;
    return true;
}

static bool put_json_dict(sk_run *r, sk_builder *b, const sk_dict *d, const sk_json_style *style, uint32_t level) {
    const sk_value *last = NULL;
    if (d->n == 0) return sk_put(r, b, "{}", 2, DATA);
    bool ok = sk_put(r, b, "{", 1, DATA);
    for (uint32_t i = 0, at = 0; ok && i < d->n; i++, at++) {
        if (style->sorted && !next_sorted(r, d, last, &at)) return false;
        last = &d->at[2 * at];
        ok = put_json_head(r, b, style, level, i) && put_json_key(r, b, *last, style) &&
             sk_put(r, b, style->colon.as.text, style->colon.n, DATA) &&
             put_json(r, b, d->at[2 * at + 1], style, level + 1);
    }
    return ok && put_json_line(r, b, style, level) && sk_put(r, b, "}", 1, DATA);
}

static bool put_json_float(sk_run *r, sk_builder *b, double x) {
    if (x != x) return sk_put_word(r, b, "NaN", DATA);
    if (x > 1.7976931348623157e308) return sk_put_word(r, b, "Infinity", DATA);
    if (x < -1.7976931348623157e308) return sk_put_word(r, b, "-Infinity", DATA);
    return sk_put_float(r, b, x, DATA);
}

static bool put_json(sk_run *r, sk_builder *b, sk_value v, const sk_json_style *style, uint32_t level) {
    switch (v.kind) {
    case SK_NONE: return sk_put(r, b, "null", 4, DATA);
    case SK_BOOL: return sk_put_word(r, b, v.as.whole ? "true" : "false", DATA);
    case SK_INT: return sk_put_int(r, b, v.as.whole, DATA);
    case SK_FLOAT: return put_json_float(r, b, v.as.real);
    case SK_STR: return put_json_text(r, b, v, style->ascii);
    case SK_LIST:
    case SK_TUPLE: return put_json_list(r, b, v.as.list, style, level);
    case SK_DICT: return put_json_dict(r, b, v.as.dict, style, level);
    default: return sk_run_fail(r, SKALD_FORMAT, "%s has no JSON", sk_value_type(v));
    }
}

bool sk_put_json(sk_run *r, sk_builder *b, sk_value v, const sk_json_style *style) {
    return put_json(r, b, v, style, 0);
}

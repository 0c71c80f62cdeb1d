/* Strings: lengths, patterns, formats. */
#include "base/report.h"
#include "grammar/letters.h"
#include "grammar/pattern.h"
#include "grammar/schema.h"
#include <string.h>

#define MOST_PATTERN 4096u

#define YEAR  "(000[1-9]|00[1-9]\\d|0[1-9]\\d{2}|[1-9]\\d{3})"
#define DAY   "(02-(0[1-9]|1\\d|2[0-8])|(0[469]|11)-(0[1-9]|[12]\\d|30)|(0[13578]|1[02])-(0[1-9]|[12]\\d|3[01]))"
#define CLOCK "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define LABEL "[a-z]([a-z0-9-]{0,30}[a-z0-9])?"
#define HOST  LABEL "(\\." LABEL "){0,4}"
#define BYTE  "(\\d|[1-9]\\d|1\\d{2}|2[0-4]\\d|25[0-5])"
#define GROUP "[0-9a-fA-F]{1,4}"
#define URI   "[a-z][a-z0-9+-]{1,10}://" HOST "(:[1-9]\\d{0,3})?(/[A-Za-z0-9._~-]*){0,8}"
#define POINT "(/([^/~]|~[01])*)*"

/* A part of each format's language, all of it valid; days up to 28 in February, hosts of small letters. */
static const struct {
    const char *name, *pattern;
} formats[] = {
    {"date", "^" YEAR "-" DAY "$"},
    {"time", "^" CLOCK "$"},
    {"date-time", "^" YEAR "-" DAY "T" CLOCK "$"},
    {"duration",
     "^P(\\d{1,4}W|\\d{1,4}Y(\\d{1,2}M(\\d{1,2}D)?)?|\\d{1,2}M(\\d{1,2}D)?|\\d{1,3}D(T\\d{1,2}H(\\d{1,2}M)?)?|T\\d{1,2}H(\\d{1,2}M(\\d{1,2}S)?)?|T\\d{1,4}S)$"},
    {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
    {"email", "^[a-z0-9]{1,20}([._+-][a-z0-9]{1,10}){0,3}@" HOST "$"},
    {"idn-email", "^[a-z0-9]{1,20}([._+-][a-z0-9]{1,10}){0,3}@" HOST "$"},
    {"hostname", "^" HOST "$"},
    {"idn-hostname", "^" HOST "$"},
    {"ipv4", "^" BYTE "(\\." BYTE "){3}$"},
    {"ipv6", "^" GROUP "(:" GROUP "){7}$"},
    {"uri", "^" URI "$"},
    {"uri-reference", "^" URI "$"},
    {"iri", "^" URI "$"},
    {"iri-reference", "^" URI "$"},
    {"uri-template", "^" URI "$"},
    {"json-pointer", "^" POINT "$"},
    {"relative-json-pointer", "^(0|[1-9]\\d{0,5})(#|" POINT ")$"},
};

static sk_expr read_pattern(sk_schema *s, const char *at, const char *keyword, const char *pattern, size_t n) {
    sk_expr e;
    size_t where;
    const char *why = sk_pattern_read(&e, &where, s->d, pattern, n);
    if (!why) return e;
    char what[200];
    sk_format(what, sizeof what, "byte %zu of the pattern: %s", where, why);
    return sk_schema_refuse(s, SKALD_UNSUPPORTED, at, keyword, what);
}

static sk_expr of_pattern(sk_schema *s, const char *at, sk_json v) {
    if (sk_json_kind_of(v) != SK_JSON_TEXT)
        return sk_schema_refuse(s, SKALD_FORMAT, at, "pattern", "a text is expected");
    sk_vector text = {.size = 1};
    const size_t n = sk_json_to_text(v, NULL, 0);
    if (n > MOST_PATTERN) return sk_schema_refuse(s, SKALD_UNSUPPORTED, at, "pattern", "more than 4096 bytes");
    char *pattern = sk_vector_add(s->d, &text, (uint32_t)n + 1);
    sk_expr e = SK_EXPR_NOTHING;
    if (pattern) {
        sk_json_to_text(v, pattern, n);
        e = read_pattern(s, at, "pattern", pattern, n);
    }
    sk_vector_free(s->d, &text);
    return e;
}

static sk_expr of_format(sk_schema *s, const char *at, sk_json v) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (sk_json_is(v, formats[i].name))
            return read_pattern(s, at, "format", formats[i].pattern, strlen(formats[i].pattern));
    return sk_schema_refuse(s, SKALD_UNSUPPORTED, at, "format", "no format of this name is offered");
}

/* Any character of a string, also by \/ and \uXXXX where that is no half of a pair. */
static sk_expr any_letter(sk_draft *d) {
    static const sk_code_range hex[] = {{'0', '9'}, {'a', 'f'}, {'A', 'F'}}, low[] = {{'0', '7'}},
                               first[] = {{'0', '9'}, {'a', 'c'}, {'A', 'C'}, {'e', 'f'}, {'E', 'F'}},
                               dd[] = {{'d', 'd'}, {'D', 'D'}};
    const sk_expr digit = sk_expr_chars(d, hex, 3, false), two = sk_expr_many(d, digit, 2, 2);
    const sk_expr whole = sk_expr_then(d, sk_expr_chars(d, first, 5, false), sk_expr_many(d, digit, 3, 3));
    const sk_expr below =
        sk_expr_then(d, sk_expr_then(d, sk_expr_chars(d, dd, 2, false), sk_expr_chars(d, low, 1, false)), two);
    const sk_expr escape = sk_expr_then(d, sk_expr_word(d, "u"), sk_expr_or(d, whole, below));
    const sk_expr special = sk_expr_then(d, sk_expr_word(d, "\\"), sk_expr_or(d, sk_expr_word(d, "/"), escape));
    return sk_expr_shared(d, "a letter", sk_expr_or(d, sk_letters(d, NULL, 0, true), special));
}

static sk_expr quoted(sk_draft *d, sk_expr e) {
    return sk_expr_then(d, sk_expr_then(d, sk_expr_word(d, "\""), e), sk_expr_word(d, "\""));
}

sk_expr sk_schema_text(sk_schema *s, const sk_claim *c) {
    uint32_t least = 0, most = UINT32_MAX, n = 0;
    sk_claim_count(s, c, "minLength", true, &least);
    sk_claim_count(s, c, "maxLength", false, &most);
    sk_expr e = SK_EXPR_EMPTY;
    for (uint32_t i = 0; i < c->n; i++) {
        static const char *const both[] = {"pattern", "format"};
        for (int k = 0; k < 2; k++) {
            sk_json v;
            if (!sk_schema_find(s, &c->part[i], both[k], &v)) continue;
            if (n++ || least || most != UINT32_MAX)
                return sk_schema_refuse(s, SKALD_UNSUPPORTED, c->part[i].at, both[k],
                                        "not offered beside a length, a second pattern or a format");
            e = k ? of_format(s, c->part[i].at, v) : of_pattern(s, c->part[i].at, v);
        }
    }
    if (n) return quoted(s->d, e);
    if (most < least) return SK_EXPR_NOTHING;
    if (!s->any_text) s->any_text = any_letter(s->d);
    return quoted(s->d, sk_expr_many(s->d, s->any_text, least, most));
}

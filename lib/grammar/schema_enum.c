/* enum and const: the values themselves, each written in one way. */
#include "grammar/letters.h"
#include "grammar/schema.h"
#include <string.h>

#define MOST_VALUES 4096u

/* ---- equality (JSON Schema, 4.2.2): numbers by value, objects in any order */

static size_t number_length(sk_json v) {
    size_t n = 0;
    while (v.at + n < v.end && v.at[n] && strchr("0123456789+-.eE", v.at[n])) n++;
    return n;
}

static SK_OWN_FRAME bool same_text(sk_json a, sk_json b) {
    char x[256], y[256];
    const size_t n = sk_json_to_text(a, x, sizeof x), m = sk_json_to_text(b, y, sizeof y);
    if (n != m) return false;
    return n <= sizeof x && memcmp(x, y, n) == 0; /* longer ones count as different */
}

static SK_OWN_FRAME bool same_number(sk_json a, sk_json b) {
    sk_decimal x, y;
    const size_t n = number_length(a), m = number_length(b);
    if (sk_decimal_read(&x, a.at, n) && sk_decimal_read(&y, b.at, m)) return sk_decimal_compare(&x, &y) == 0;
    return n == m && memcmp(a.at, b.at, n) == 0;
}

static bool same(sk_json a, sk_json b);

static uint32_t count(sk_json v) {
    uint32_t n = 0;
    for (sk_json walk = sk_json_begin(v), one; sk_json_next(&walk, NULL, &one);) n++;
    return n;
}

static bool has_member(sk_json object, sk_json key, sk_json value) {
    for (sk_json walk = sk_json_begin(object), k, v; sk_json_next(&walk, &k, &v);)
        if (same_text(k, key)) return same(v, value);
    return false;
}

static bool same_members(sk_json a, sk_json b) {
    sk_json walk = sk_json_begin(a), other = sk_json_begin(b), key, x, y;
    if (count(a) != count(b)) return false;
    while (sk_json_next(&walk, &key, &x)) {
        if (sk_json_kind_of(a) == SK_JSON_OBJECT ? !has_member(b, key, x)
                                                 : !sk_json_next(&other, NULL, &y) || !same(x, y))
            return false;
    }
    return true;
}

static bool same(sk_json a, sk_json b) {
    const sk_json_kind kind = sk_json_kind_of(a);
    if (kind != sk_json_kind_of(b)) return false;
    switch (kind) {
    case SK_JSON_NULL: return true;
    case SK_JSON_BOOL: return *a.at == *b.at;
    case SK_JSON_TEXT: return same_text(a, b);
    case SK_JSON_NUMBER: return same_number(a, b);
    case SK_JSON_LIST:
    case SK_JSON_OBJECT: return same_members(a, b);
    }
    return false;
}

/* ---- which values hold */

static sk_types type_of(sk_json v) {
    int64_t whole;
    switch (sk_json_kind_of(v)) {
    case SK_JSON_NULL: return SK_TYPE_NULL;
    case SK_JSON_BOOL: return SK_TYPE_BOOL;
    case SK_JSON_TEXT: return SK_TYPE_TEXT;
    case SK_JSON_LIST: return SK_TYPE_LIST;
    case SK_JSON_OBJECT: return SK_TYPE_OBJECT;
    case SK_JSON_NUMBER: break;
    }
    return sk_json_to_i64(v, &whole) ? SK_TYPE_INTEGER : SK_TYPE_FRACTION;
}

static bool is_listed(sk_json list, sk_json v) {
    for (sk_json walk = sk_json_begin(list), one; sk_json_next(&walk, NULL, &one);)
        if (same(one, v)) return true;
    return false;
}

/* Whether a value is of every enum and const, and of the types. `own`: the part it comes from, NULL: none of these. */
static bool holds(sk_schema *s, const sk_claim *c, sk_types types, sk_json v, const sk_claim_part *own) {
    sk_json other;
    if (!(type_of(v) & types)) return false;
    for (uint32_t i = 0; i < c->n && sk_draft_goes_on(s->d); i++) {
        if (&c->part[i] == own) continue;
        if (sk_schema_find(s, &c->part[i], "enum", &other) && !is_listed(other, v)) return false;
        if (sk_schema_find(s, &c->part[i], "const", &other) && !same(other, v)) return false;
    }
    return true;
}

/* What else is asked of the values: of those types that have some here it must be nothing we would have to check. */
static void check_beside(sk_schema *s, const sk_claim *c, sk_types types) {
    static const struct {
        const char *name;
        sk_types types;
    } beside[] = {{"minimum", 12},
                  {"maximum", 12},
                  {"exclusiveMinimum", 12},
                  {"exclusiveMaximum", 12},
                  {"multipleOf", 12},
                  {"minLength", 16},
                  {"maxLength", 16},
                  {"pattern", 16},
                  {"format", 16},
                  {"prefixItems", 32},
                  {"items", 32},
                  {"minItems", 32},
                  {"maxItems", 32},
                  {"properties", 64},
                  {"patternProperties", 64},
                  {"additionalProperties", 64},
                  {"required", 64},
                  {"minProperties", 64},
                  {"maxProperties", 64}};
    for (uint32_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < sizeof beside / sizeof *beside; k++) {
            sk_json v;
            if (beside[k].types & types && sk_schema_find(s, &c->part[i], beside[k].name, &v))
                sk_schema_refuse(s, SKALD_UNSUPPORTED, c->part[i].at, beside[k].name,
                                 "not offered beside enum or const");
        }
}

/* ---- writing */

static void put(sk_draft *d, sk_vector *to, const char *text, size_t n) {
    char *at = sk_vector_add(d, to, (uint32_t)n);
    if (at) memcpy(at, text, n);
}

static void write_text(sk_draft *d, sk_vector *to, sk_json v) {
    const size_t n = sk_json_to_text(v, NULL, 0);
    sk_vector text = {.size = 1};
    char *plain = sk_vector_add(d, &text, (uint32_t)n + 1);
    put(d, to, "\"", 1);
    if (plain) {
        sk_json_to_text(v, plain, n);
        char *at = sk_vector_add(d, to, (uint32_t)sk_letters_write(NULL, plain, n));
        if (at) sk_letters_write(at, plain, n);
    }
    put(d, to, "\"", 1);
    sk_vector_free(d, &text);
}

/* Without space between its parts. */
static void write_value(sk_draft *d, sk_vector *to, sk_json v) {
    const sk_json_kind kind = sk_json_kind_of(v);
    if (kind == SK_JSON_TEXT) {
        write_text(d, to, v);
    } else if (kind == SK_JSON_LIST || kind == SK_JSON_OBJECT) {
        bool first = true;
        put(d, to, kind == SK_JSON_LIST ? "[" : "{", 1);
        for (sk_json walk = sk_json_begin(v), key, one; sk_json_next(&walk, &key, &one); first = false) {
            if (!first) put(d, to, ",", 1);
            if (kind == SK_JSON_OBJECT) write_text(d, to, key), put(d, to, ":", 1);
            write_value(d, to, one);
        }
        put(d, to, kind == SK_JSON_LIST ? "]" : "}", 1);
    } else if (kind == SK_JSON_NUMBER) {
        put(d, to, v.at, number_length(v));
    } else {
        put(d, to, v.at, *v.at == 'f' ? 5 : 4);
    }
}

typedef struct values {
    sk_vector bytes, words; /* words: sk_word, for now with an offset in place of its text */
    sk_types types;
} values;

static void add_value(sk_schema *s, const sk_claim *c, sk_types types, values *all, sk_json v,
                      const sk_claim_part *own) {
    if (!holds(s, c, types, v, own)) return;
    const uint32_t first = all->bytes.n;
    write_value(s->d, &all->bytes, v);
    sk_word *to = sk_vector_add(s->d, &all->words, 1);
    if (to) *to = (sk_word){(const char *)(uintptr_t)first, all->bytes.n - first};
    all->types |= type_of(v);
}

/* The part whose values are gone through; NULL: there is none. */
static const sk_claim_part *find_values(sk_schema *s, const sk_claim *c, sk_json *list, bool *is_const) {
    for (uint32_t i = 0; i < c->n; i++) {
        *is_const = sk_schema_find(s, &c->part[i], "const", list);
        if (*is_const) return &c->part[i];
        if (!sk_schema_find(s, &c->part[i], "enum", list)) continue;
        if (sk_json_kind_of(*list) != SK_JSON_LIST)
            sk_schema_refuse(s, SKALD_FORMAT, c->part[i].at, "enum", "a list of values is expected");
        else if (count(*list) > MOST_VALUES)
            sk_schema_refuse(s, SKALD_UNSUPPORTED, c->part[i].at, "enum", "more than 4096 values");
        else return &c->part[i];
    }
    return NULL;
}

bool sk_schema_enum(sk_expr *out, sk_schema *s, const sk_claim *c) {
    values all = {.bytes = {.size = 1}, .words = {.size = sizeof(sk_word)}};
    sk_json list, one;
    bool is_const;
    *out = SK_EXPR_NOTHING;
    const sk_claim_part *own = find_values(s, c, &list, &is_const);
    if (!own) return false;
    const sk_types types = sk_claim_types(s, c);
    if (is_const) add_value(s, c, types, &all, list, NULL); /* an enum may stand beside it */
    else
        for (sk_json walk = sk_json_begin(list); sk_json_next(&walk, NULL, &one) && s->d->status == SKALD_OK;)
            add_value(s, c, types, &all, one, own);
    check_beside(s, c, all.types);
    sk_word *word = all.words.at;
    for (uint32_t i = 0; i < all.words.n; i++) word[i].text = (const char *)all.bytes.at + (uintptr_t)word[i].text;
    if (s->d->status == SKALD_OK) *out = sk_word_any(s->d, word, all.words.n);
    sk_vector_free(s->d, &all.bytes);
    sk_vector_free(s->d, &all.words);
    return true;
}

/* ---- whether two claims have a value in common */

/* Both have values, and none of one holds for the other. */
static bool values_differ(sk_schema *s, const sk_claim *a, const sk_claim *b) {
    sk_json list, one;
    bool is_const;
    const sk_claim_part *own = find_values(s, a, &list, &is_const);
    if (!own) return false;
    sk_json ignored;
    bool other;
    if (!find_values(s, b, &ignored, &other)) return false;
    if (is_const) return !holds(s, b, sk_claim_types(s, b), list, NULL);
    for (sk_json walk = sk_json_begin(list); sk_json_next(&walk, NULL, &one);)
        if (holds(s, a, sk_claim_types(s, a), one, own) && holds(s, b, sk_claim_types(s, b), one, NULL)) return false;
    return true;
}

static bool requires(sk_schema *s, const sk_claim *c, sk_json key) {
    sk_json list;
    for (uint32_t i = 0; i < c->n; i++)
        if (sk_schema_find(s, &c->part[i], "required", &list) && is_listed(list, key)) return true;
    return false;
}

static sk_claim member(sk_schema *s, const sk_claim *c, sk_json key) {
    sk_claim m = {0};
    sk_json all;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!sk_schema_find(s, &c->part[i], "properties", &all)) continue;
        for (sk_json walk = sk_json_begin(all), k, v; sk_json_next(&walk, &k, &v);)
            if (same_text(k, key)) sk_claim_add(s, &m, v);
    }
    return m;
}

/* A property that both require, whose values differ: what tells the alternatives of a oneOf apart as a rule. */
static bool told_apart(sk_schema *s, const sk_claim *a, const sk_claim *b) {
    for (uint32_t i = 0; i < a->n; i++) {
        sk_json list, key;
        if (!sk_schema_find(s, &a->part[i], "required", &list)) continue;
        for (sk_json walk = sk_json_begin(list); sk_json_next(&walk, NULL, &key);) {
            if (!requires(s, b, key)) continue;
            const sk_claim x = member(s, a, key), y = member(s, b, key);
            if (values_differ(s, &x, &y) || !(sk_claim_types(s, &x) & sk_claim_types(s, &y))) return true;
        }
    }
    return false;
}

bool sk_schema_disjoint(sk_schema *s, const sk_claim *a, const sk_claim *b) {
    if (a->never || b->never) return true;
    const sk_types types = sk_claim_types(s, a) & sk_claim_types(s, b);
    return !types || values_differ(s, a, b) || (types == SK_TYPE_OBJECT && told_apart(s, a, b));
}

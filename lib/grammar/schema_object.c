/* Objects: the listed properties in the order of the schema, then others, within minProperties and maxProperties. */
#include "base/report.h"
#include "base/utf8.h"
#include "grammar/letters.h"
#include "grammar/pattern.h"
#include "grammar/schema.h"
#include "text/unicode.h"
#include <string.h>

#define MOST_PROPERTIES 1024u
#define MOST_KEY        128u
#define MOST_MEMBERS    256u /* that are counted */

typedef struct property {
    sk_json key;
    bool required;
    sk_expr pair; /* key, colon, value; NOTHING: it must not be there */
} property;

typedef struct object {
    sk_schema *s;
    const sk_claim *c;
    sk_vector properties;
    uint32_t least, most; /* most UINT32_MAX: no end */
    sk_expr other;        /* pair of a key that is not listed */
} object;

static property *at(const object *o, uint32_t i) { return (property *)o->properties.at + i; }

static bool same_key(sk_json a, sk_json b) {
    char x[MOST_KEY], y[MOST_KEY];
    const size_t n = sk_json_to_text(a, x, sizeof x), m = sk_json_to_text(b, y, sizeof y);
    return n == m && n <= sizeof x && memcmp(x, y, n) == 0;
}

/* ---- which keys are listed */

static void list_key(object *o, const char *where, sk_json key, bool required) {
    for (uint32_t i = 0; i < o->properties.n; i++)
        if (same_key(at(o, i)->key, key)) {
            at(o, i)->required |= required;
            return;
        }
    if (sk_json_to_text(key, NULL, 0) > MOST_KEY || o->properties.n == MOST_PROPERTIES) {
        sk_schema_refuse(o->s, SKALD_UNSUPPORTED, where, "properties",
                         "more than 1024, or a key of more than 128 bytes");
        return;
    }
    property *to = sk_vector_add(o->s->d, &o->properties, 1);
    if (to) *to = (property){.key = key, .required = required};
}

static void list_keys(object *o) {
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < o->c->n; i++) {
            const char *where = o->c->part[i].at;
            sk_json all, key, value;
            if (!sk_schema_find(o->s, &o->c->part[i], pass ? "required" : "properties", &all)) continue;
            if (sk_json_kind_of(all) != (pass ? SK_JSON_LIST : SK_JSON_OBJECT)) {
                sk_schema_refuse(o->s, SKALD_FORMAT, where, pass ? "required" : "properties",
                                 pass ? "a list of keys is expected" : "an object of schemas is expected");
                return;
            }
            for (sk_json walk = sk_json_begin(all); sk_json_next(&walk, &key, &value) && o->s->d->status == SKALD_OK;) {
                if (pass && sk_json_kind_of(value) != SK_JSON_TEXT)
                    sk_schema_refuse(o->s, SKALD_FORMAT, where, "required", "a list of keys is expected");
                else list_key(o, where, pass ? value : key, pass);
            }
        }
}

/* ---- keys that are not listed */

/* Room for the longest key as it is written, with both quotes. */
enum { MOST_WRITTEN = 6 * MOST_KEY + 2 };

static uint32_t write_key(char *to, sk_json key) {
    char plain[MOST_KEY];
    const size_t n = sk_json_to_text(key, plain, sizeof plain);
    return (uint32_t)sk_letters_write(to, plain, n);
}

/* A key as characters, for the trie of those that are taken. */
typedef struct taken {
    const sk_word *word; /* [n] sorted, of one beginning */
    uint32_t n, from;
} taken;

static sk_expr letters(sk_draft *d) {
    return sk_expr_shared(d, "letters",
                          sk_expr_many(d, sk_expr_shared(d, "a letter", sk_letters(d, NULL, 0, true)), 0, UINT32_MAX));
}

/* What may follow t.from bytes of the keys in t, so that none of them comes out, up to the closing quote. */
static sk_expr other_than(sk_draft *d, taken t, sk_expr any, uint32_t depth) {
    sk_code_range first[256] = {{0, 0}};
    uint32_t n = 0, i = 0;
    sk_expr e = SK_EXPR_NOTHING;
    while (i < t.n && t.word[i].n == t.from) i++;
    const bool may_end = i == 0;
    while (i < t.n && n < 250 && depth < 2 * MOST_KEY) {
        uint32_t code, end = i + 1;
        const char *at = t.word[i].text + t.from;
        const uint32_t length = sk_utf8_next(&code, (const uint8_t *)at, t.word[i].n - t.from);
        while (end < t.n && t.word[end].n >= t.from + length && memcmp(t.word[end].text + t.from, at, length) == 0)
            end++;
        const sk_expr rest = other_than(d, (taken){t.word + i, end - i, t.from + length}, any, depth + 1);
        first[n] = (sk_code_range){code, code};
        const sk_expr this = sk_letters(d, first + n++, 1, false);
        e = sk_expr_or(d, e, sk_expr_then(d, this, sk_expr_shared(d, "another key", rest)));
        i = end;
    }
    e = sk_expr_or(d, e, sk_expr_then(d, sk_letters(d, first, n, true), any));
    return may_end ? sk_expr_or(d, e, SK_EXPR_EMPTY) : e;
}

/* Every key that is not listed. */
static sk_expr other_key(object *o) {
    sk_draft *d = o->s->d;
    sk_vector bytes = {.size = 1}, words = {.size = sizeof(sk_word)};
    const uint32_t n = o->properties.n;
    char *text = sk_vector_add(d, &bytes, n * MOST_KEY);
    sk_word *word = sk_vector_add(d, &words, n);
    sk_expr e = SK_EXPR_NOTHING;
    if ((text && word) || n == 0) {
        for (uint32_t i = 0; i < n; i++) {
            const size_t length = sk_json_to_text(at(o, i)->key, text + (size_t)i * MOST_KEY, MOST_KEY);
            word[i] = (sk_word){text + (size_t)i * MOST_KEY, (uint32_t)length};
        }
        sk_word_sort(word, n);
        e = other_than(d, (taken){word, n, 0}, letters(d), 0);
    }
    sk_vector_free(d, &bytes);
    sk_vector_free(d, &words);
    return e;
}

/* ---- what must hold for the value of a key */

/* Patterns of a part that the key matches; true: there is one. */
static bool add_patterns(object *o, sk_claim *value, const sk_claim_part *part, const char *key, uint32_t n) {
    sk_json all, pattern, one;
    bool found = false;
    if (!sk_schema_find(o->s, part, "patternProperties", &all)) return false;
    for (sk_json walk = sk_json_begin(all); sk_json_next(&walk, &pattern, &one) && o->s->d->status == SKALD_OK;) {
        char text[512];
        const size_t length = sk_json_to_text(pattern, text, sizeof text);
        if (length > sizeof text || !sk_pattern_matches(o->s->d, text, length, key, n)) continue;
        sk_claim_add(o->s, value, one);
        found = true;
    }
    return found;
}

static sk_claim value_of(object *o, sk_json key) {
    sk_claim value = {0};
    char written[MOST_WRITTEN];
    const uint32_t n = write_key(written, key);
    for (uint32_t i = 0; i < o->c->n; i++) {
        sk_json all, other;
        bool found = false;
        if (sk_schema_find(o->s, &o->c->part[i], "properties", &all))
            for (sk_json walk = sk_json_begin(all), k, v; sk_json_next(&walk, &k, &v);)
                if (same_key(k, key)) sk_claim_add(o->s, &value, v), found = true;
        found |= add_patterns(o, &value, &o->c->part[i], written, n);
        if (!found && sk_schema_find(o->s, &o->c->part[i], "additionalProperties", &other))
            sk_claim_add(o->s, &value, other);
    }
    return value;
}

static sk_expr pair(object *o, sk_expr key, sk_expr value) {
    sk_draft *d = o->s->d;
    const sk_expr quote = sk_expr_word(d, "\"");
    const sk_expr colon = sk_expr_then(d, sk_expr_word(d, "\":"), o->s->space);
    return sk_expr_then(d, sk_expr_then(d, sk_expr_then(d, quote, key), colon), value);
}

/* The one pattern of all parts; false: there is none. Several could hold for one key at once: they are refused. */
static bool find_pattern(object *o, const char **where, sk_json *pattern) {
    bool found = false;
    for (uint32_t i = 0; i < o->c->n; i++) {
        sk_json all, one;
        if (!sk_schema_find(o->s, &o->c->part[i], "patternProperties", &all)) continue;
        for (sk_json walk = sk_json_begin(all), key; sk_json_next(&walk, &key, &one); found = true) {
            if (found)
                sk_schema_refuse(o->s, SKALD_UNSUPPORTED, o->c->part[i].at, "patternProperties",
                                 "more than one pattern for an object");
            *pattern = key, *where = o->c->part[i].at;
        }
    }
    return found;
}

/* Keys of a pattern; those of no pattern are left out then. Where a listed key is of the pattern too, none but the listed ones. */
static sk_expr pattern_pair(object *o, const char *where, sk_json pattern) {
    char text[512], written[MOST_WRITTEN];
    size_t at_byte;
    sk_expr key;
    const size_t n = sk_json_to_text(pattern, text, sizeof text);
    const char *why =
        n > sizeof text ? "a pattern of more than 512 bytes" : sk_pattern_read(&key, &at_byte, o->s->d, text, n);
    if (why) return sk_schema_refuse(o->s, SKALD_UNSUPPORTED, where, "patternProperties", why);
    for (uint32_t i = 0; i < o->properties.n && o->s->d->status == SKALD_OK; i++)
        if (sk_pattern_matches(o->s->d, text, n, written, write_key(written, at(o, i)->key))) return SK_EXPR_NOTHING;
    sk_claim value = {0};
    for (uint32_t i = 0; i < o->c->n; i++) {
        sk_json all, other;
        if (o->c->part[i].at == where && sk_schema_find(o->s, &o->c->part[i], "patternProperties", &all)) {
            for (sk_json walk = sk_json_begin(all), k, v; sk_json_next(&walk, &k, &v);) sk_claim_add(o->s, &value, v);
        } else if (sk_schema_find(o->s, &o->c->part[i], "additionalProperties", &other)) {
            sk_claim_add(o->s, &value, other);
        }
    }
    return value.never ? SK_EXPR_NOTHING : pair(o, key, sk_claim_value(o->s, &value));
}

static sk_expr other_pair(object *o) {
    const char *where;
    sk_json pattern, other;
    if (find_pattern(o, &where, &pattern)) return pattern_pair(o, where, pattern);
    sk_claim value = {0};
    for (uint32_t i = 0; i < o->c->n; i++)
        if (sk_schema_find(o->s, &o->c->part[i], "additionalProperties", &other)) sk_claim_add(o->s, &value, other);
    return value.never ? SK_EXPR_NOTHING : pair(o, other_key(o), sk_claim_value(o->s, &value));
}

/* ---- members, from the last to the first: what may follow `n` of them */

static sk_expr behind(object *o, uint32_t n, sk_expr e) {
    if (n == 0) return e;
    return sk_expr_then(o->s->d, sk_expr_then(o->s->d, sk_expr_word(o->s->d, ","), o->s->space), e);
}

/* Others, when n members are there already. Two of them may bear the same key and be one: of these only the first counts
 * towards `least`, all of them towards `most`. */
static sk_expr others(object *o, uint32_t n) {
    sk_draft *d = o->s->d;
    if (o->other == SK_EXPR_NOTHING || n >= o->most) return n >= o->least ? SK_EXPR_EMPTY : SK_EXPR_NOTHING;
    if (n + 1 < o->least) return SK_EXPR_NOTHING;
    const uint32_t more = o->most == UINT32_MAX ? o->most : o->most - n - 1;
    const sk_expr e = sk_expr_then(d, behind(o, n, o->other), sk_expr_many(d, behind(o, 1, o->other), 0, more));
    return n >= o->least ? sk_expr_or(d, e, SK_EXPR_EMPTY) : e;
}

/* after[n] says what follows when n members are there, counted up to `cap`. */
static sk_expr members(object *o) {
    sk_draft *d = o->s->d;
    const uint32_t cap = o->most != UINT32_MAX ? o->most : o->least ? o->least : 1;
    sk_vector after = {.size = sizeof(sk_expr)};
    sk_expr *rest = sk_vector_add(d, &after, cap + 1);
    for (uint32_t n = 0; rest && n <= cap; n++) rest[n] = sk_expr_shared(d, "members", others(o, n));
    for (uint32_t i = o->properties.n; rest && i-- > 0;)
        for (uint32_t n = 0; n <= cap && d->status == SKALD_OK; n++) { /* upwards: rest[n + 1] is still that behind i */
            const property *p = at(o, i);
            const uint32_t more = n < cap ? n + 1 : cap;
            sk_expr e = n < o->most ? sk_expr_then(d, behind(o, n, p->pair), rest[more]) : SK_EXPR_NOTHING;
            if (!p->required) e = sk_expr_or(d, e, rest[n]);
            rest[n] = sk_expr_shared(d, "members", e);
        }
    const sk_expr e = rest ? rest[0] : SK_EXPR_NOTHING;
    sk_vector_free(d, &after);
    return e;
}

sk_expr sk_schema_object(sk_schema *s, const sk_claim *c) {
    object o = {.s = s, .c = c, .properties = {.size = sizeof(property)}, .most = UINT32_MAX};
    sk_draft *d = s->d;
    sk_claim_count(s, c, "minProperties", true, &o.least);
    sk_claim_count(s, c, "maxProperties", false, &o.most);
    list_keys(&o);
    for (uint32_t i = 0; i < o.properties.n && d->status == SKALD_OK; i++) {
        char written[MOST_WRITTEN];
        const sk_claim value = value_of(&o, at(&o, i)->key);
        const sk_expr key = sk_expr_text(d, written, write_key(written, at(&o, i)->key));
        const sk_expr said = pair(&o, key, sk_claim_value(s, &value));
        at(&o, i)->pair = said;
    }
    if (d->status == SKALD_OK) o.other = other_pair(&o);
    if (d->status == SKALD_OK && o.least > o.properties.n + 1)
        sk_schema_refuse(s, SKALD_UNSUPPORTED, c->n ? c->part[0].at : s->root.at, "minProperties",
                         "more than one above the listed keys");
    if (o.most != UINT32_MAX && o.most > MOST_MEMBERS) o.most = MOST_MEMBERS; /* fewer are allowed too */
    const sk_expr inside = d->status == SKALD_OK && o.least <= o.most ? members(&o) : SK_EXPR_NOTHING;
    sk_vector_free(d, &o.properties);
    const sk_expr begin = sk_expr_then(d, sk_expr_word(d, "{"), s->space);
    return sk_expr_then(d, sk_expr_then(d, begin, inside), sk_expr_then(d, s->space, sk_expr_word(d, "}")));
}

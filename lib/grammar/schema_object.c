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
    uint32_t hash;
    bool required;
    sk_expr pair; /* key, colon, value; NOTHING: it must not be there */
} property;

/* What a part of the claim says of a key. */
typedef struct saying {
    sk_json key, value;
    uint32_t hash, part;
} saying;

typedef struct object {
    sk_schema *s;
    const sk_claim *c;
    sk_vector properties, sayings;
    sk_json patterns[SK_CLAIM_PARTS],
        others[SK_CLAIM_PARTS]; /* patternProperties, additionalProperties; at NULL: none */
    uint32_t least, most;       /* most UINT32_MAX: no end */
    sk_expr other;              /* pair of a key that is not listed */
} object;

static property *at(const object *o, uint32_t i) { return (property *)o->properties.at + i; }

static bool same_key(sk_json a, sk_json b) {
    char x[MOST_KEY], y[MOST_KEY];
    const size_t n = sk_json_to_text(a, x, sizeof x), m = sk_json_to_text(b, y, sizeof y);
    return n == m && n <= sizeof x && memcmp(x, y, n) == 0;
}

/* ---- which keys are listed */

/* Two thousand keys are compared with each other: most of them only by this (FNV-1a). */
static uint32_t hash_of(sk_json key) {
    char text[MOST_KEY];
    const size_t n = sk_json_to_text(key, text, sizeof text);
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < n && i < sizeof text; i++) hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return hash;
}

static void list_key(object *o, const char *where, sk_json key, uint32_t hash, bool required) {
    for (uint32_t i = 0; i < o->properties.n; i++)
        if (at(o, i)->hash == hash && same_key(at(o, i)->key, key)) {
            at(o, i)->required |= required;
            return;
        }
    if (sk_json_to_text(key, NULL, 0) > MOST_KEY || o->properties.n == MOST_PROPERTIES) {
        sk_schema_refuse(o->s, SKALD_UNSUPPORTED, where, "properties",
                         "more than 1024, or a key of more than 128 bytes");
        return;
    }
    property *to = sk_vector_add(o->s->d, &o->properties, 1);
    if (to) *to = (property){.key = key, .hash = hash, .required = required};
}

static void list_one(object *o, uint32_t part, sk_json key, const sk_json *value) {
    const uint32_t hash = hash_of(key);
    list_key(o, o->c->part[part].at, key, hash, !value);
    saying *to = value ? sk_vector_add(o->s->d, &o->sayings, 1) : NULL;
    if (to) *to = (saying){.key = key, .value = *value, .hash = hash, .part = part};
}

static SK_OWN_FRAME void list_keys(object *o) {
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
                else list_one(o, i, pass ? value : key, pass ? NULL : &value);
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

/* Keys of one beginning, and what may follow it so that none of them comes out. Branches lie in memory of the host, one for
 * each letter that is being looked behind: keys are longer than stacks are deep. */
typedef struct branch {
    const sk_word *word;            /* [n] sorted */
    uint32_t n, from;               /* from: bytes of the beginning */
    uint32_t at, end, first_letter; /* words before `at` are done, those before `end` have the last of the letters */
    sk_expr e;
} branch;

typedef struct trie {
    sk_vector branches, letters; /* letters of all branches, as ranges */
} trie;

#define MOST_LETTERS 250u /* of one branch */

static void enter(sk_draft *d, trie *t, const sk_word *word, uint32_t n, uint32_t from) {
    branch *b = sk_vector_add(d, &t->branches, 1);
    if (b) *b = (branch){.word = word, .n = n, .from = from, .first_letter = t->letters.n};
}

static branch *top(const trie *t) { return (branch *)t->branches.at + t->branches.n - 1; }

/* To the words that go on with the next letter. */
static void descend(object *o, trie *t) {
    branch *b = top(t);
    uint32_t code;
    const char *next = b->word[b->at].text + b->from;
    const uint32_t length = sk_utf8_next(&code, (const uint8_t *)next, b->word[b->at].n - b->from);
    sk_code_range *letter = sk_vector_add(o->s->d, &t->letters, 1);
    if (!letter) return;
    *letter = (sk_code_range){code, code};
    if (t->letters.n - b->first_letter > MOST_LETTERS)
        sk_schema_refuse(o->s, SKALD_UNSUPPORTED, o->c->part[0].at, "properties",
                         "keys with one beginning that go on with more than 250 letters");
    for (b->end = b->at + 1; b->end < b->n; b->end++) {
        const sk_word *w = &b->word[b->end];
        if (w->n < b->from + length || memcmp(w->text + b->from, next, length) != 0) break;
    }
    enter(o->s->d, t, b->word + b->at, b->end - b->at, b->from + length);
}

static sk_expr other_than(object *o, const sk_word *word, uint32_t n) {
    sk_draft *d = o->s->d;
    trie t = {{.size = sizeof(branch)}, {.size = sizeof(sk_code_range)}};
    const sk_expr letter = sk_expr_shared(d, "a letter", sk_letters(d, NULL, 0, true));
    const sk_expr any = sk_expr_shared(d, "letters", sk_expr_many(d, letter, 0, UINT32_MAX));
    sk_expr e = SK_EXPR_NOTHING;
    for (enter(d, &t, word, n, 0); d->status == SKALD_OK && t.branches.n;) {
        branch *b = top(&t);
        while (b->at < b->n && b->word[b->at].n == b->from) b->at++;
        if (b->at < b->n) {
            descend(o, &t);
            continue;
        }
        const uint32_t n_letters = t.letters.n - b->first_letter;
        const sk_code_range *letters = n_letters ? (sk_code_range *)t.letters.at + b->first_letter : NULL;
        e = sk_expr_or(d, b->e, sk_expr_then(d, sk_letters(d, letters, n_letters, true), any));
        if (b->n == 0 || b->word[0].n > b->from) e = sk_expr_or(d, e, SK_EXPR_EMPTY);
        t.letters.n = b->first_letter;
        if (--t.branches.n == 0) break;
        b = top(&t);
        const sk_expr this = sk_letters(d, (sk_code_range *)t.letters.at + t.letters.n - 1, 1, false);
        b->e = sk_expr_or(d, b->e, sk_expr_then(d, this, sk_expr_shared(d, "another key", e)));
        b->at = b->end;
    }
    sk_vector_free(d, &t.branches);
    sk_vector_free(d, &t.letters);
    return e;
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
        e = other_than(o, word, n);
    }
    sk_vector_free(d, &bytes);
    sk_vector_free(d, &words);
    return e;
}

/* ---- what must hold for the value of a key */

/* Patterns of a part that the key matches; true: there is one. */
static bool add_patterns(object *o, sk_claim *value, uint32_t part, const char *key, uint32_t n) {
    sk_json pattern, one;
    bool found = false;
    if (!o->patterns[part].at) return false;
    for (sk_json walk = sk_json_begin(o->patterns[part]);
         sk_json_next(&walk, &pattern, &one) && o->s->d->status == SKALD_OK;) {
        char text[512];
        const size_t length = sk_json_to_text(pattern, text, sizeof text);
        if (length > sizeof text || !sk_pattern_matches(o->s->d, text, length, key, n)) continue;
        sk_claim_add(o->s, value, one);
        found = true;
    }
    return found;
}

static SK_OWN_FRAME sk_claim value_of(object *o, const property *p) {
    sk_claim value = {0};
    char written[MOST_WRITTEN];
    const uint32_t n = write_key(written, p->key);
    const saying *said = o->sayings.at;
    for (uint32_t i = 0, k = 0; i < o->c->n; i++) {
        bool found = false;
        for (; k < o->sayings.n && said[k].part == i; k++)
            if (said[k].hash == p->hash && same_key(said[k].key, p->key))
                sk_claim_add(o->s, &value, said[k].value), found = true;
        found |= add_patterns(o, &value, i, written, n);
        if (!found && o->others[i].at) sk_claim_add(o->s, &value, o->others[i]);
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
        sk_json one;
        if (!o->patterns[i].at) continue;
        for (sk_json walk = sk_json_begin(o->patterns[i]), key; sk_json_next(&walk, &key, &one); found = true) {
            if (found)
                sk_schema_refuse(o->s, SKALD_UNSUPPORTED, o->c->part[i].at, "patternProperties",
                                 "more than one pattern for an object");
            *pattern = key, *where = o->c->part[i].at;
        }
    }
    return found;
}

/* Keys of a pattern; those of no pattern are left out then. Where a listed key is of the pattern too, none but the listed ones. */
static SK_OWN_FRAME sk_expr pattern_pair(object *o, const char *where, sk_json pattern) {
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
        if (o->c->part[i].at == where && o->patterns[i].at) {
            for (sk_json walk = sk_json_begin(o->patterns[i]), k, v; sk_json_next(&walk, &k, &v);)
                sk_claim_add(o->s, &value, v);
        } else if (o->others[i].at) {
            sk_claim_add(o->s, &value, o->others[i]);
        }
    }
    return value.never ? SK_EXPR_NOTHING : pair(o, key, sk_claim_value(o->s, &value));
}

static SK_OWN_FRAME sk_expr other_pair(object *o) {
    const char *where;
    sk_json pattern;
    if (find_pattern(o, &where, &pattern)) return pattern_pair(o, where, pattern);
    sk_claim value = {0};
    for (uint32_t i = 0; i < o->c->n; i++)
        if (o->others[i].at) sk_claim_add(o->s, &value, o->others[i]);
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
    object o = {.s = s,
                .c = c,
                .properties = {.size = sizeof(property)},
                .sayings = {.size = sizeof(saying)},
                .most = UINT32_MAX};
    sk_draft *d = s->d;
    sk_claim_count(s, c, "minProperties", true, &o.least);
    sk_claim_count(s, c, "maxProperties", false, &o.most);
    for (uint32_t i = 0; i < c->n; i++) {
        sk_schema_find(s, &c->part[i], "patternProperties", &o.patterns[i]);
        sk_schema_find(s, &c->part[i], "additionalProperties", &o.others[i]);
    }
    list_keys(&o);
    for (uint32_t i = 0; i < o.properties.n && d->status == SKALD_OK; i++) {
        char written[MOST_WRITTEN];
        const sk_claim value = value_of(&o, at(&o, i));
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
    sk_vector_free(d, &o.sayings);
    const sk_expr begin = sk_expr_then(d, sk_expr_word(d, "{"), s->space);
    return sk_expr_then(d, sk_expr_then(d, begin, inside), sk_expr_then(d, s->space, sk_expr_word(d, "}")));
}

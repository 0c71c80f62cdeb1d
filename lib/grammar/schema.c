#include "grammar/schema.h"
#include "base/report.h"
#include <string.h>

typedef struct claim_rule {
    uint32_t rule, hash;
    sk_claim claim;
} claim_rule;

#define MOST_CLAIMS 4096u

/* ---- keywords */

enum { HOLDS, NOT_OFFERED }; /* in some forms; in none */

/* Keywords that are not offered in all their forms. The others are read by those who make values, or ask for nothing. */
static const struct {
    const char *name;
    int what;
} keywords[] = {
    {"if", HOLDS},
    {"contains", HOLDS},
    {"uniqueItems", HOLDS},
    {"not", HOLDS},
    {"propertyNames", HOLDS},
    {"dependentRequired", HOLDS},
    {"dependentSchemas", HOLDS},
    {"unevaluatedItems", HOLDS},
    {"unevaluatedProperties", HOLDS},
    {"patternProperties", HOLDS},
    {"$dynamicRef", NOT_OFFERED},
    {"$recursiveRef", NOT_OFFERED},
    {"$vocabulary", NOT_OFFERED},
    {"dependencies", NOT_OFFERED},
    {"additionalItems", NOT_OFFERED},
};

sk_json sk_schema_json(const sk_schema *s, const char *at) { return (sk_json){at, s->root.end}; }

/* The members of a schema that was asked for a keyword: alternatives are compared two by two, and each question would walk
 * over all that stands in the schema. */
typedef struct object {
    const char *at;    /* NULL: an empty slot */
    uint32_t first, n; /* of `members` */
} object;

typedef struct member {
    sk_json key, value;
} member;

static object *slot_of(const sk_schema *s, const char *at) {
    object *slots = s->objects.at;
    for (uint64_t i = (uint64_t)(at - s->root.at) * 0x9e3779b97f4a7c15u >> 32;; i++) {
        object *o = &slots[i & (s->objects.n - 1)];
        if (!o->at || o->at == at) return o;
    }
}

/* Room for one more, in a power of two of slots of which at most half are taken. */
static bool make_slots(sk_schema *s) {
    sk_vector old = s->objects, more = {.size = sizeof(object)};
    if (2 * (s->n_objects + 1) <= old.n) return true;
    object *slots = sk_vector_add(s->d, &more, old.n ? 2 * old.n : 64);
    if (!slots) return false;
    memset(slots, 0, more.n * sizeof *slots);
    s->objects = more;
    for (uint32_t i = 0; i < old.n; i++) {
        const object *o = (const object *)old.at + i;
        if (o->at) *slot_of(s, o->at) = *o;
    }
    sk_vector_free(s->d, &old);
    return true;
}

/* NULL after a failure. */
static const object *object_of(sk_schema *s, const char *at) {
    if (!make_slots(s)) return NULL;
    object *o = slot_of(s, at);
    if (o->at) return o;
    *o = (object){at, s->members.n, 0};
    s->n_objects++;
    if (*at != '{') return o;
    for (sk_json walk = sk_json_begin(sk_schema_json(s, at)), key, value; sk_json_next(&walk, &key, &value); o->n++) {
        member *to = sk_vector_add(s->d, &s->members, 1);
        if (!to) return NULL;
        *to = (member){key, value};
    }
    return o;
}

/* Of equal keys the last, as everywhere. */
static bool find(sk_schema *s, sk_json schema, const char *keyword, sk_json *out) {
    const object *o = object_of(s, schema.at);
    const member *all = s->members.at;
    for (uint32_t i = o ? o->first + o->n : 0; o && i-- > o->first;)
        if (sk_json_is(all[i].key, keyword)) return *out = all[i].value, true;
    return false;
}

bool sk_schema_find(sk_schema *s, const sk_claim_part *part, const char *keyword, sk_json *out) {
    return find(s, sk_schema_json(s, part->at), keyword, out);
}

SK_OWN_FRAME sk_expr sk_schema_refuse(sk_schema *s, skald_status status, const char *at, const char *keyword,
                                      const char *what) {
    char place[256];
    if (s->d->status != SKALD_OK) return SK_EXPR_NOTHING;
    sk_schema_pointer(place, sizeof place, s, at);
    s->d->status =
        sk_fail_at(s->d->why, status, (uint64_t)(at - s->root.at), "JSON schema, %s at %s: %s", keyword, place, what);
    return SK_EXPR_NOTHING;
}

static void not_offered(sk_schema *s, const char *at, const char *keyword, const char *what) {
    sk_schema_refuse(s, SKALD_UNSUPPORTED, at, keyword, what);
}

static bool is_schema(sk_json v) { return sk_json_kind_of(v) == SK_JSON_OBJECT || sk_json_kind_of(v) == SK_JSON_BOOL; }
static bool is_true(sk_json v) { return sk_json_kind_of(v) == SK_JSON_BOOL && *v.at == 't'; }
static bool is_empty(sk_json v) {
    sk_json walk = sk_json_begin(v), one;
    return !sk_json_next(&walk, NULL, &one);
}

/* Keywords that hold only in simple forms; the others are looked for by those who make values. */
static void check_keyword(sk_schema *s, const char *at, const char *name, sk_json v) {
    sk_json other;
    const sk_json schema = sk_schema_json(s, at);
    const bool anything = is_true(v) || (sk_json_kind_of(v) == SK_JSON_OBJECT && is_empty(v));
    if (strcmp(name, "if") == 0) {
        if (find(s, schema, "then", &other) || find(s, schema, "else", &other))
            not_offered(s, at, "if", "conditions are not offered; anyOf can say the same");
    } else if (strcmp(name, "uniqueItems") == 0) {
        uint32_t most = 2;
        if (is_true(v) && (sk_json_u32(schema, "maxItems", &most, NULL) != SKALD_OK || most > 1))
            not_offered(s, at, name, "that items differ cannot be made sure of");
    } else if (strcmp(name, "propertyNames") == 0 || strcmp(name, "unevaluatedItems") == 0 ||
               strcmp(name, "unevaluatedProperties") == 0) {
        if (!anything) not_offered(s, at, name, "offered only where it allows everything");
    } else if (strcmp(name, "dependentRequired") == 0 || strcmp(name, "dependentSchemas") == 0) {
        if (!is_empty(v)) not_offered(s, at, name, "conditions are not offered; anyOf can say the same");
    } else if (strcmp(name, "contains") == 0) {
        uint32_t least = 1;
        sk_json_u32(schema, "minContains", &least, NULL);
        if (least || find(s, schema, "maxContains", &other))
            not_offered(s, at, name, "that some item is so cannot be made sure of");
    }
}

static void check_keywords(sk_schema *s, sk_json schema) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        sk_json v;
        if (!find(s, schema, keywords[i].name, &v)) continue;
        if (keywords[i].what == NOT_OFFERED) not_offered(s, schema.at, keywords[i].name, "not offered");
        else check_keyword(s, schema.at, keywords[i].name, v);
    }
    sk_json v;
    if (find(s, schema, "$schema", &v) && !sk_json_is(v, "https://json-schema.org/draft/2020-12/schema") &&
        !sk_json_is(v, "https://json-schema.org/draft/2019-09/schema") &&
        !sk_json_is(v, "http://json-schema.org/draft-07/schema#"))
        not_offered(s, schema.at, "$schema", "only draft 2020-12, and what 2019-09 and 07 have in common with it");
}

/* ---- claims */

static void add_list(sk_schema *s, sk_claim *c, sk_json schema, const char *keyword) {
    sk_json all, walk, one;
    if (!find(s, schema, keyword, &all)) return;
    if (sk_json_kind_of(all) != SK_JSON_LIST || is_empty(all)) {
        sk_schema_refuse(s, SKALD_FORMAT, schema.at, keyword, "a list of schemas is expected");
        return;
    }
    for (walk = sk_json_begin(all); sk_json_next(&walk, NULL, &one) && s->d->status == SKALD_OK;)
        sk_claim_add(s, c, one);
}

void sk_claim_add(sk_schema *s, sk_claim *c, sk_json schema) {
    sk_json ref, target;
    if (!is_schema(schema)) {
        sk_schema_refuse(s, SKALD_FORMAT, schema.at, "a schema", "an object, true or false is expected");
        return;
    }
    if (sk_json_kind_of(schema) == SK_JSON_BOOL) {
        if (*schema.at == 'f') c->never = true;
        return;
    }
    for (uint32_t i = 0; i < c->n; i++)
        if (c->part[i].at == schema.at) return;
    if (c->n == SK_CLAIM_PARTS) {
        not_offered(s, schema.at, "allOf", "more than 24 schemas for one value");
        return;
    }
    c->part[c->n++] = (sk_claim_part){schema.at, 0};
    check_keywords(s, schema);
    if (find(s, schema, "$ref", &ref) && sk_schema_refer(s, schema.at, ref, &target)) sk_claim_add(s, c, target);
    add_list(s, c, schema, "allOf");
}

static uint32_t hash_of(const sk_claim *c) {
    uint64_t x = c->n * 2 + c->never;
    for (uint32_t i = 0; i < c->n; i++)
        x = (x ^ (uint64_t)(uintptr_t)c->part[i].at ^ c->part[i].done) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(x >> 32);
}

static bool same(const sk_claim *a, const sk_claim *b) {
    if (a->n != b->n || a->never != b->never) return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->part[i].at != b->part[i].at || a->part[i].done != b->part[i].done) return false;
    return true;
}

sk_expr sk_claim_value(sk_schema *s, const sk_claim *c) {
    if (c->never || s->d->status != SKALD_OK) return SK_EXPR_NOTHING;
    const uint32_t hash = hash_of(c);
    claim_rule *known = s->claims.at;
    for (uint32_t i = 0; i < s->claims.n; i++)
        if (known[i].hash == hash && same(&known[i].claim, c)) return sk_expr_rule(s->d, known[i].rule);
    if (s->claims.n == MOST_CLAIMS)
        return sk_schema_refuse(s, SKALD_UNSUPPORTED, c->n ? c->part[0].at : s->root.at, "allOf",
                                "too many combinations of schemas");
    const char *last = c->n ? c->part[c->n - 1].at : s->root.at; /* named by its place, if anybody wants to know */
    const uint32_t rule = sk_rule_new(s->d, NULL, 0, (uint64_t)(last - s->root.at));
    claim_rule *to = sk_vector_add(s->d, &s->claims, 1);
    if (!to) return SK_EXPR_NOTHING;
    *to = (claim_rule){.rule = rule, .hash = hash, .claim = *c};
    return sk_expr_rule(s->d, rule);
}

bool sk_claim_count(sk_schema *s, const sk_claim *c, const char *keyword, bool largest, uint32_t *out) {
    bool found = false;
    for (uint32_t i = 0; i < c->n; i++) {
        sk_json v;
        int64_t n;
        if (!sk_schema_find(s, &c->part[i], keyword, &v)) continue;
        if (!sk_json_to_i64(v, &n) || n < 0) {
            sk_schema_refuse(s, SKALD_FORMAT, c->part[i].at, keyword, "a whole number from 0 on is expected");
            return false;
        }
        if (n > 10000) {
            if (!largest) continue; /* no answer is so long: it holds by itself */
            not_offered(s, c->part[i].at, keyword, "more than 10000");
            return false;
        }
        if (!found || (largest ? (uint32_t)n > *out : (uint32_t)n < *out)) *out = (uint32_t)n;
        found = true;
    }
    return found;
}

/* ---- types */

static const struct {
    const char *name;
    sk_types types;
} type_names[] = {{"null", SK_TYPE_NULL},       {"boolean", SK_TYPE_BOOL},
                  {"integer", SK_TYPE_INTEGER}, {"number", SK_TYPE_INTEGER | SK_TYPE_FRACTION},
                  {"string", SK_TYPE_TEXT},     {"array", SK_TYPE_LIST},
                  {"object", SK_TYPE_OBJECT}};

static sk_types one_type(sk_schema *s, const char *at, sk_json v) {
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        if (sk_json_is(v, type_names[i].name)) return type_names[i].types;
    sk_schema_refuse(s, SKALD_FORMAT, at, "type", "no type has this name");
    return 0;
}

static sk_types read_types(sk_schema *s, const char *at, sk_json v) {
    sk_types types = 0;
    sk_json walk = sk_json_begin(v), one;
    if (sk_json_kind_of(v) != SK_JSON_LIST) return one_type(s, at, v);
    while (sk_json_next(&walk, NULL, &one)) types |= one_type(s, at, one);
    return types;
}

/* not is offered for types, for everything and for nothing. */
static sk_types without(sk_schema *s, const char *at, sk_json not ) {
    sk_json walk = sk_json_begin(not ), key, v;
    if (!is_schema(not )) return sk_schema_refuse(s, SKALD_FORMAT, at, "not", "a schema is expected");
    if (sk_json_kind_of(not ) == SK_JSON_BOOL) return is_true(not ) ? 0 : SK_TYPE_ALL;
    sk_types types = 0;
    while (sk_json_next(&walk, &key, &v)) {
        if (sk_json_is(key, "$comment") || sk_json_is(key, "title") || sk_json_is(key, "description")) continue;
        if (!sk_json_is(key, "type"))
            return sk_schema_refuse(s, SKALD_UNSUPPORTED, at, "not", "offered only for types");
        types = SK_TYPE_ALL & ~read_types(s, at, v);
    }
    return types;
}

sk_types sk_claim_types(sk_schema *s, const sk_claim *c) {
    sk_types types = c->never ? 0 : SK_TYPE_ALL;
    for (uint32_t i = 0; i < c->n; i++) {
        sk_json v;
        if (sk_schema_find(s, &c->part[i], "type", &v)) types &= read_types(s, c->part[i].at, v);
        if (sk_schema_find(s, &c->part[i], "not", &v)) types &= without(s, c->part[i].at, v);
    }
    return types;
}

/* ---- a claim's rule */

/* anyOf and oneOf: the claim with each of the alternatives in turn. */
static bool take_apart(sk_expr *out, sk_schema *s, const sk_claim *c, const char *keyword, uint32_t done) {
    for (uint32_t i = 0; i < c->n; i++) {
        sk_json all, one;
        if (c->part[i].done & done || !sk_schema_find(s, &c->part[i], keyword, &all)) continue;
        if (sk_json_kind_of(all) != SK_JSON_LIST || is_empty(all)) {
            sk_schema_refuse(s, SKALD_FORMAT, c->part[i].at, keyword, "a list of schemas is expected");
            return true;
        }
        *out = SK_EXPR_NOTHING;
        for (sk_json walk = sk_json_begin(all); sk_json_next(&walk, NULL, &one) && s->d->status == SKALD_OK;) {
            sk_claim with = *c;
            with.part[i].done |= done;
            sk_claim_add(s, &with, one);
            for (sk_json rest = walk, other; done == SK_DONE_ONE && sk_json_next(&rest, NULL, &other);) {
                sk_claim beside = *c;
                beside.part[i].done |= done;
                sk_claim_add(s, &beside, other);
                if (!sk_schema_disjoint(s, &with, &beside))
                    not_offered(s, c->part[i].at, keyword,
                                "that no two alternatives hold at once cannot be made sure of; use anyOf");
            }
            *out = sk_expr_or(s->d, *out, sk_claim_value(s, &with));
        }
        return true;
    }
    return false;
}

static sk_expr say_claim(sk_schema *s, const sk_claim *c) {
    sk_expr e = SK_EXPR_NOTHING; /* of a list that is refused */
    if (take_apart(&e, s, c, "oneOf", SK_DONE_ONE) || take_apart(&e, s, c, "anyOf", SK_DONE_ANY)) return e;
    if (sk_schema_enum(&e, s, c)) return e;
    const sk_types types = sk_claim_types(s, c);
    e = SK_EXPR_NOTHING;
    if (types & SK_TYPE_NULL) e = sk_expr_or(s->d, e, sk_expr_word(s->d, "null"));
    if (types & SK_TYPE_BOOL)
        e = sk_expr_or(s->d, sk_expr_or(s->d, e, sk_expr_word(s->d, "true")), sk_expr_word(s->d, "false"));
    if (types & (SK_TYPE_INTEGER | SK_TYPE_FRACTION)) e = sk_expr_or(s->d, e, sk_schema_number(s, c, types));
    if (types & SK_TYPE_TEXT) e = sk_expr_or(s->d, e, sk_schema_text(s, c));
    if (types & SK_TYPE_LIST) e = sk_expr_or(s->d, e, sk_schema_list(s, c));
    if (types & SK_TYPE_OBJECT) e = sk_expr_or(s->d, e, sk_schema_object(s, c));
    return e;
}

/* " " or a line and its indent, at most. */
static sk_expr say_space(sk_draft *d) {
    const sk_expr indent = sk_expr_many(d, sk_expr_word(d, " "), 0, 24);
    const sk_expr line = sk_expr_then(d, sk_expr_word(d, "\n"), indent);
    return sk_expr_shared(d, "space", sk_expr_maybe(d, sk_expr_or(d, sk_expr_word(d, " "), line)));
}

sk_expr sk_schema_value(sk_draft *d, sk_json document, sk_json schema) {
    sk_schema s = {.d = d,
                   .root = document,
                   .claims = {.size = sizeof(claim_rule)},
                   .members = {.size = sizeof(member)},
                   .objects = {.size = sizeof(object)}};
    sk_claim first = {0};
    s.space = say_space(d);
    sk_claim_add(&s, &first, schema);
    const sk_expr root = sk_claim_value(&s, &first);
    for (uint32_t i = 0; i < s.claims.n && d->status == SKALD_OK; i++) {
        const claim_rule r = ((const claim_rule *)s.claims.at)[i];
        const sk_expr body = say_claim(&s, &r.claim);
        sk_rule_define(d, r.rule, body);
    }
    sk_vector_free(d, &s.claims);
    sk_vector_free(d, &s.members);
    sk_vector_free(d, &s.objects);
    if (d->status == SKALD_OK && first.never)
        sk_schema_refuse(&s, SKALD_FORMAT, schema.at, "false", "nothing is valid");
    return root;
}

uint32_t sk_schema_read(sk_draft *d, const sk_grammar_text *in) {
    sk_json root;
    const uint32_t rule = sk_rule_new(d, "#", 1, UINT64_MAX);
    if (d->status == SKALD_OK) d->status = sk_json_open(&root, in->text, in->n_bytes, d->why);
    if (d->status == SKALD_OK) sk_rule_define(d, rule, sk_schema_value(d, root, root));
    return rule;
}

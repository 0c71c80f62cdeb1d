/* JSON Schema (draft 2020-12) as expressions: the JSON texts that are valid, written in one way.
 *
 *     schema ─▶ all that must hold for a value at once (a claim) ─▶ a rule for each claim
 *
 * A claim is a list of schemas: allOf and $ref add to it, anyOf and oneOf make several of one. Claims that are met again are
 * the same rule, so a schema may refer to itself. What cannot be made sure of is refused with keyword and JSON pointer. */
#ifndef SK_GRAMMAR_SCHEMA_H
#define SK_GRAMMAR_SCHEMA_H
#include "file/json.h"
#include "grammar/number.h"
#include "grammar/rules.h"

#define SK_CLAIM_PARTS 24u

typedef struct sk_claim_part {
    const char *at; /* the schema, an object */
    uint32_t done;  /* SK_DONE_... keywords that were taken apart already */
} sk_claim_part;

enum { SK_DONE_ANY = 1, SK_DONE_ONE = 2 };

typedef struct sk_claim {
    uint32_t n;
    bool never; /* nothing is valid */
    sk_claim_part part[SK_CLAIM_PARTS];
} sk_claim;

typedef struct sk_schema {
    sk_draft *d;
    sk_json root;
    sk_vector claims;           /* sk_claim_rule, in the order in which they are met */
    sk_vector members, objects; /* what was asked for keywords before: schema.c */
    uint32_t n_objects;
    enum { SK_ID_UNKNOWN, SK_ID_NONE, SK_ID_INSIDE } inner_id; /* whether a schema inside has an $id of its own */
    sk_expr space, any_text;                                   /* shared */
} sk_schema;

typedef uint32_t sk_types;
enum {
    SK_TYPE_NULL = 1,
    SK_TYPE_BOOL = 2,
    SK_TYPE_INTEGER = 4,
    SK_TYPE_FRACTION = 8, /* numbers that are no integers; "number" is both */
    SK_TYPE_TEXT = 16,
    SK_TYPE_LIST = 32,
    SK_TYPE_OBJECT = 64,
    SK_TYPE_ALL = 127
};

/* Number of the rule for the whole schema. Failures are in the draft. */
uint32_t sk_schema_read(sk_draft *d, const sk_grammar_text *in);
/* The same for a schema inside a JSON text, e.g. of a tool; more than one may be read into a draft. */
sk_expr sk_schema_value(sk_draft *d, sk_json document, sk_json schema);

/* ---- between the files that read schemas */

/* The first failure, with where `at` is in the document. Returns SK_EXPR_NOTHING. */
sk_expr sk_schema_refuse(sk_schema *s, skald_status status, const char *at, const char *keyword, const char *what);
sk_json sk_schema_json(const sk_schema *s, const char *at);
/* The keyword of a part; false: it is not there. */
bool sk_schema_find(sk_schema *s, const sk_claim_part *part, const char *keyword, sk_json *out);
/* One more schema that must hold, with all it refers to. */
void sk_claim_add(sk_schema *s, sk_claim *c, sk_json schema);
/* What a claim says, as a call of its rule. */
sk_expr sk_claim_value(sk_schema *s, const sk_claim *c);
/* A keyword's whole number from 0 to 10000, the largest or smallest of all parts; false: nowhere. */
bool sk_claim_count(sk_schema *s, const sk_claim *c, const char *keyword, bool largest, uint32_t *out);
sk_types sk_claim_types(sk_schema *s, const sk_claim *c);

sk_expr sk_schema_text(sk_schema *s, const sk_claim *c);                   /* schema_text.c: strings */
sk_expr sk_schema_list(sk_schema *s, const sk_claim *c);                   /* schema_list.c: arrays */
sk_expr sk_schema_object(sk_schema *s, const sk_claim *c);                 /* schema_object.c */
sk_expr sk_schema_number(sk_schema *s, const sk_claim *c, sk_types types); /* schema_number.c */
/* schema_enum.c: enum and const. False: there are none. */
bool sk_schema_enum(sk_expr *out, sk_schema *s, const sk_claim *c);
/* Whether no value is both, as far as can be told. */
bool sk_schema_disjoint(sk_schema *s, const sk_claim *a, const sk_claim *b);
/* schema_refer.c: the target of a $ref; false: refused. */
bool sk_schema_refer(sk_schema *s, const char *at, sk_json ref, sk_json *out);
/* A sk_place_fn over a sk_grammar_text: the pointer to what is so many bytes behind the document's beginning. */
void sk_schema_place(char *to, size_t room, const void *in, uint64_t place);
/* The pointer to a place in the document, "#/properties/a". */
void sk_schema_pointer(char *to, size_t room, const sk_schema *s, const char *at);
#endif

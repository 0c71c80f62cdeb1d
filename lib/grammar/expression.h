/* A grammar while it is read: expressions over characters, as the front ends (rules.c, schema.c) write them down.
 *
 *     text ─ front end ─▶ expressions ─ program.c ─▶ operations over bytes
 *
 * Expressions are numbers, made once and used as often as one likes. The first failure stays in the draft and everything
 * after it gives SK_EXPR_NOTHING, so that a front end asks once, at its end. */
#ifndef SK_GRAMMAR_EXPRESSION_H
#define SK_GRAMMAR_EXPRESSION_H
#include "base/memory.h"
#include "base/watch.h"

#define SK_GRAMMAR_DEPTH 48u        /* of nested groups and schemas */
#define SK_DRAFT_NODES   (1u << 20) /* most expressions, ranges, bytes of texts, rules */
#define SK_CHARS_ALL     0x10ffffu

/* A large frame of its own: it must not become part of a caller's that recurses, for a host's stack is small. */
#define SK_OWN_FRAME __attribute__((noinline))

typedef uint32_t sk_expr;
enum { SK_EXPR_NOTHING = 0, SK_EXPR_EMPTY = 1 }; /* no text at all; the text of no bytes */

typedef enum sk_expr_kind {
    SK_IS_NOTHING,
    SK_IS_EMPTY,
    SK_IS_TEXT,  /* bytes a ... a + b of the draft */
    SK_IS_CHARS, /* one character of the ranges a ... a + b */
    SK_IS_TOKEN, /* the token a and no text */
    SK_IS_THEN,  /* a, then b */
    SK_IS_OR,
    SK_IS_MANY, /* a at least `least` and at most `most` times */
    SK_IS_RULE  /* what rule a says */
} sk_expr_kind;

typedef struct sk_expr_node {
    sk_expr_kind kind;
    uint32_t a, b, least, most; /* most UINT32_MAX: no end */
} sk_expr_node;

typedef struct sk_code_range {
    uint32_t low, high; /* code points, both belong to it */
} sk_code_range;

typedef struct sk_rule {
    uint32_t name, n_name; /* in the draft's bytes */
    sk_expr body;
    bool defined;
    uint64_t place;         /* where it is first named: an offset into the text */
    uint32_t start, number; /* program.c: its first operation; how many rules were written before it, plus 1 */
} sk_rule;

/* An array that grows. */
typedef struct sk_vector {
    void *at;
    uint32_t n, room, size;
} sk_vector;

typedef struct sk_draft {
    const skald_allocator *memory;
    sk_watch *watch; /* of who waits for it */
    skald_report *why;
    skald_status status; /* of the first failure */
    sk_vector nodes, ranges, bytes, rules;
    uint64_t place; /* of the rule that is being written, which shared parts of it have too; UINT64_MAX: none */
} sk_draft;

skald_status sk_draft_open(sk_draft *d, const skald_allocator *memory, sk_watch *watch, skald_report *why);
void sk_draft_close(sk_draft *d);
/* False: something has failed, or whoever waits has enough. For loops that write nothing; sk_vector_add asks by itself. */
bool sk_draft_goes_on(sk_draft *d);
/* n more elements, NULL: no memory, too many, or cancelled. */
void *sk_vector_add(sk_draft *d, sk_vector *v, uint32_t n);
void sk_vector_free(sk_draft *d, sk_vector *v);

static inline sk_rule *sk_rule_at(const sk_draft *d, uint32_t i) { return (sk_rule *)d->rules.at + i; }
static inline const sk_expr_node *sk_expr_at(const sk_draft *d, sk_expr e) {
    return (const sk_expr_node *)d->nodes.at + e;
}

sk_expr sk_expr_text(sk_draft *d, const char *bytes, uint32_t n);
sk_expr sk_expr_word(sk_draft *d, const char *text);
/* Ranges in any order, also overlapping. `negated`: every other character. */
sk_expr sk_expr_chars(sk_draft *d, const sk_code_range *ranges, uint32_t n, bool negated);
sk_expr sk_expr_token(sk_draft *d, uint32_t id);
sk_expr sk_expr_then(sk_draft *d, sk_expr a, sk_expr b);
sk_expr sk_expr_or(sk_draft *d, sk_expr a, sk_expr b);
sk_expr sk_expr_many(sk_draft *d, sk_expr a, uint32_t least, uint32_t most);
static inline sk_expr sk_expr_maybe(sk_draft *d, sk_expr a) { return sk_expr_many(d, a, 0, 1); }
sk_expr sk_expr_rule(sk_draft *d, uint32_t rule);
/* A rule that is defined later; UINT32_MAX after a failure. */
uint32_t sk_rule_new(sk_draft *d, const char *name, uint32_t n_name, uint64_t place);
void sk_rule_define(sk_draft *d, uint32_t rule, sk_expr body);
/* A rule that says `body`, so that what is used often is written once. */
sk_expr sk_expr_shared(sk_draft *d, const char *name, sk_expr body);

/* Sorts ranges, joins them, and if `negated` turns them into the others; returns how many there are. `ranges` has room for n + 1. */
uint32_t sk_ranges_normalize(sk_code_range *ranges, uint32_t n, bool negated);
#endif

/* A grammar as operations over bytes: a machine with a stack, where several ways may be open at once (Thompson 1968,
 * with calls). What a rule says ends in END; a call whose next operation is END needs no place on the stack, so what
 * recurs at its end recurs for ever.
 *
 * Two measures are settled for each operation, and with them nothing can lead astray: how deep the stack must still grow
 * to bring its rule to an end, and how many bytes that takes along the shallowest way. A way is open only while depth and
 * need stay within SK_STACK together: from every open way the end can be reached, one byte after the other. */
#ifndef SK_GRAMMAR_PROGRAM_H
#define SK_GRAMMAR_PROGRAM_H
#include "grammar/expression.h"

#define SK_STACK     256u       /* places on a way's stack */
#define SK_OPS       (1u << 19) /* most operations of a grammar */
#define SK_UNREACHED UINT32_MAX /* a measure: from here there is no end */

typedef enum sk_op_kind {
    SK_OP_END,
    SK_OP_RANGE, /* a byte from low to high */
    SK_OP_TOKEN, /* the token `other` */
    SK_OP_FORK,  /* next, or other; next is the one that comes to an end sooner */
    SK_OP_CALL   /* the rule that begins at other, then next */
} sk_op_kind;

typedef struct sk_op {
    uint8_t kind, low, high;
    uint32_t next, other;
} sk_op;

typedef struct sk_program {
    sk_op *op; /* [n_ops], the first is END */
    uint32_t *need, *bytes;
    uint32_t n_ops, start;
} sk_program;

/* `alone`: the bytes that can be written one by one. The arrays lie in vectors of the draft's memory, freed with
 * sk_program_free. Refuses with the rule: undefined, left recursion, no text that ends, too large. `place_of` says where,
 * for a person. */
typedef void sk_place_fn(char *to, size_t room, const void *user, uint64_t place);
skald_status sk_program_make(sk_program *p, sk_draft *d, uint32_t root, const bool alone[256], sk_place_fn *place_of,
                             const void *user);
void sk_program_free(sk_program *p, const skald_allocator *memory);

/* settle.c: fills need and bytes. False: no memory. *nullable gets for each operation whether its rule can end without a byte. */
bool sk_program_settle(sk_program *p, sk_draft *d, const bool alone[256], bool *nullable);
#endif

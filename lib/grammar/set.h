/* Where a text may be in its grammar: all ways that are open, each an operation and a stack.
 *
 * A set is written as words, so that it can be kept, copied and compared:
 *
 *     may end | depth, n, places to go back to (innermost first), n operations | depth, n, ... | ...
 *
 * Ways that share a stack stand together. If there are more ways than words, the later ones are dropped: what is then
 * written is still of the grammar, and the way that is nearest to the end is never dropped. */
#ifndef SK_GRAMMAR_SET_H
#define SK_GRAMMAR_SET_H
#include "grammar/program.h"

#define SK_SET_WORDS 2048u

typedef struct sk_set {
    uint32_t n_words;
    uint32_t word[SK_SET_WORDS];
} sk_set;

#define SK_SET_NODES 8192u  /* places on all stacks while a set is made */
#define SK_SET_SEEN  16384u /* slots for what was looked at */

typedef struct sk_set_node {
    uint32_t back;         /* operation to go back to; of node 0, the empty stack, none */
    uint32_t parent;       /* the rest of the stack */
    uint32_t depth, bytes; /* places, and bytes to the end of them all */
    uint32_t first, last;  /* leaves with this stack, plus 1 */
} sk_set_node;

typedef struct sk_way {
    uint32_t node, op;
} sk_way;

/* Room to make a set in. */
typedef struct sk_set_work {
    uint32_t n_nodes, n_leaves, n_todo, n_seen, stamp, n_words;
    bool may_end, full;
    bool dropped; /* ever: ways for which there was no room */
    sk_set_node node[SK_SET_NODES];
    sk_way leaf[SK_SET_WORDS];
    uint32_t after[SK_SET_WORDS]; /* the next leaf of the same stack, plus 1 */
    sk_way todo[SK_SET_SEEN];
    struct {
        uint32_t stamp, node, op;
    } seen[SK_SET_SEEN], slot[SK_SET_SEEN]; /* ways, and nodes by what they hold */
} sk_set_work;

/* The ways at the beginning. */
void sk_set_begin(sk_set *out, sk_set_work *w, const sk_program *p);
/* The ways after a byte; false: there is none. `from` may be `out`, also below. */
bool sk_set_byte(sk_set *out, sk_set_work *w, const sk_program *p, const sk_set *from, uint8_t byte);
/* The ways after a token: those of `from` that wait for it by name, and, where `before` is not NULL, those of `before`, to
 * which all but its last byte have led, that take this byte. A token may be both, and what follows may differ. */
bool sk_set_token(sk_set *out, sk_set_work *w, const sk_program *p, const sk_set *from, uint32_t id,
                  const sk_set *before, uint8_t last);
/* Whether a way waits for this token by name. */
bool sk_set_waits(const sk_set *s, const sk_program *p, uint32_t id);

static inline bool sk_set_may_end(const sk_set *s) { return s->word[0] != 0; }
static inline bool sk_set_must_end(const sk_set *s) { return s->n_words == 1; }
/* Bytes that surely suffice to come to the end. */
uint32_t sk_set_least(const sk_set *s, const sk_program *p);
/* Calls `look` with each operation that waits for a byte or a token. */
void sk_set_each(const sk_set *s, const sk_program *p, void (*look)(void *user, const sk_op *op), void *user);
#endif

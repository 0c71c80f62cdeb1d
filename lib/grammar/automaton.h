/* Sets that were met, where bytes lead from them, and the masks of those that a token was asked for: in a bounded arena. */
#ifndef SK_GRAMMAR_AUTOMATON_H
#define SK_GRAMMAR_AUTOMATON_H
#include "grammar/grammar.h"

#define SK_ITEM_BUCKETS 4096u

#define SK_RANKED 8192u

/* Tokens of a mask whose bytes to the end are not those of the set: what is left when time runs short. */
typedef struct sk_ranked {
    uint32_t id, least;
} sk_ranked;

typedef struct sk_automaton {
    const sk_program *p;
    const sk_trie *trie;
    const sk_vocab *vocab;
    uint32_t n_logits, n_bits; /* words of a mask */
    uint32_t n_classes;
    uint8_t class_of[256]; /* bytes that no operation tells apart */
    uint32_t epoch;        /* how often the arena began anew, from 1 */
    uint32_t used, n_units;
    char *arena;                  /* [n_units] of 16 bytes, the first two taken */
    uint32_t *buckets;            /* [SK_ITEM_BUCKETS] */
    uint32_t *bits;               /* [n_bits] a mask while it is made */
    sk_ranked *near, *far;        /* [SK_RANKED] likewise its tokens that lead nearer to the end, and farther from it */
    uint32_t n_near, n_far, most; /* how many, also above SK_RANKED; the most bytes that one leaves */
    sk_set_work *work;
    sk_set *set, *begin; /* scratch, and where a walk began */
    uint32_t item_at[SK_TRIE_LONGEST + 1];
    uint8_t byte_at[SK_TRIE_LONGEST + 1];
} sk_automaton;

/* Takes its memory; the arena has at least what one walk needs. */
void sk_automaton_carve(sk_automaton *a, sk_carver *c, const sk_grammar_host *host, uint64_t cache_bytes);
void sk_automaton_open(sk_automaton *a, const sk_program *p);
/* The mask of where `m` is. */
const uint32_t *sk_automaton_mask(sk_automaton *a, sk_matcher *m, uint32_t n_left);
/* `m` goes on by bytes; false: they lead nowhere, and it stays. */
bool sk_automaton_go(sk_automaton *a, sk_matcher *m, const uint8_t *bytes, uint32_t n_bytes);
/* By a token: its name and its bytes. */
bool sk_automaton_take(sk_automaton *a, sk_matcher *m, uint32_t id);
#endif

/* Which tokens may come next: a grammar compiled for one vocabulary, and where an answer is in it.
 *
 *     text ─ rules.c | schema.c ─▶ expressions ─ program.c ─▶ operations
 *     where an answer is (set.h) ─ automaton.c, a walk over the vocabulary's trie ─▶ mask over all tokens
 *
 * After Willard and Louf 2023 (arXiv 2307.09702: masks by state) and XGrammar 2024 (arXiv 2411.15100: a machine with a
 * stack over bytes). Here states are made while they are needed, as RE2 makes a DFA of a regular expression: a bounded arena
 * keeps sets, where each byte leads, and masks; when it is full it begins anew. Nothing that is asked depends on what is kept. */
#ifndef SK_GRAMMAR_GRAMMAR_H
#define SK_GRAMMAR_GRAMMAR_H
#include "base/os/thread.h"
#include "grammar/set.h"
#include "text/trie.h"
#include <stdatomic.h>

/* What a grammar is compiled for. All of it but the watch outlives the grammar. */
typedef struct sk_grammar_host {
    skald_model *model; /* kept for who holds the grammar; nothing is asked of it */
    const skald_allocator *memory;
    const sk_vocab *vocab;
    const sk_trie *trie;
    sk_watch *watch;   /* of the call that compiles; NULL: nobody waits */
    uint32_t n_logits; /* a row of logits; ids from vocab->n_tokens on are never allowed */
} sk_grammar_host;

/* Where one answer is: plain data, copied to fork. */
typedef struct sk_matcher {
    uint32_t item, epoch; /* of the set, while it is kept; epoch 0: not */
    bool ended;           /* an id that ends the answer was taken */
    sk_set set;
} sk_matcher;

struct skald_grammar {
    atomic_uint owners;
    skald_model *model;
    const skald_allocator *memory;
    uint64_t block_bytes;
    sk_program program;
    uint32_t least;  /* tokens of its shortest text, at most */
    sk_os_gate lock; /* of the automaton: matchers of several threads share it */
    bool has_lock;
    struct sk_automaton *automaton;
};

/* With one owner. FORMAT, UNSUPPORTED with what and where. */
skald_status sk_grammar_create(skald_grammar **out, const sk_grammar_host *host, const skald_grammar_options *o,
                               const char *text, size_t n_bytes, skald_report *why);
void sk_grammar_free(skald_grammar *g);

void sk_matcher_begin(sk_matcher *m, skald_grammar *g);
/* logits to `to` (the same array, or another), those of tokens that may not come become -INFINITY. n_left: tokens that
 * the answer may still have; only those are left by which it can come to its end in time, if it can at all. */
void sk_matcher_mask(float *to, sk_matcher *m, skald_grammar *g, const float *logits, uint32_t n_left);
/* False: `id` may not come here, and nothing changed. */
bool sk_matcher_accept(sk_matcher *m, skald_grammar *g, int32_t id);
static inline bool sk_matcher_may_end(const sk_matcher *m) { return m->ended || sk_set_may_end(&m->set); }
/* Nothing can follow but the end. */
static inline bool sk_matcher_must_end(const sk_matcher *m) { return m->ended || sk_set_must_end(&m->set); }
/* Tokens with which the answer surely can come to its end. */
uint32_t sk_matcher_least(const sk_matcher *m, const skald_grammar *g);
#endif

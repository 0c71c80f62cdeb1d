/* A vocabulary as a trie of bytes, for whoever asks which tokens may come next (lib/grammar).
 *
 * Nodes lie in the order of a walk that goes down first, so a walk is a loop and passing over a branch is a jump:
 *
 *     "a" "ab" "ac" "b"      node  0 a   1 b   2 c   3 b
 *                            skip  3     2     3     4        */
#ifndef SK_TEXT_TRIE_H
#define SK_TEXT_TRIE_H
#include "text/vocab.h"

#define SK_TRIE_LONGEST 256u /* longer tokens are left out */

typedef struct sk_trie {
    uint64_t block_bytes;
    uint32_t n_nodes, n_ids;
    uint32_t *skip;  /* [n_nodes] the first node that is not below this one */
    uint32_t *first; /* [n_nodes + 1] in ids: the tokens that end here */
    uint16_t *depth; /* [n_nodes] how many bytes lead here, from 1 */
    uint8_t *byte;   /* [n_nodes] the last of them */
    uint32_t *ids;   /* [n_ids] in order of their bytes */
    bool alone[256]; /* bytes that are a token by themselves */
} sk_trie;

/* Whether a token writes text and is in the trie. */
bool sk_trie_writes(const sk_vocab *vocab, uint32_t id);
/* Of the tokens that write text: normal ones, bytes, the user's own; not those at which generation stops. In one block.
 * CANCELLED by the watch, which may be NULL. */
skald_status sk_trie_create(sk_trie **out, const sk_vocab *vocab, const skald_allocator *memory, sk_watch *watch,
                            skald_report *why);
void sk_trie_free(sk_trie *trie, const skald_allocator *memory);
#endif

/* Tokens in the order of their bytes: a text narrows the range of candidates byte by byte. */
#ifndef SK_TEXT_SORTED_H
#define SK_TEXT_SORTED_H
#include "text/vocab.h"

typedef struct sk_range {
    uint32_t low, high; /* of the sorted ids, high excluded */
} sk_range;

/* Equal bytes lie in the order of their ids. CANCELLED: in some order. */
skald_status sk_sort_tokens(const sk_vocab *vocab, uint32_t *ids, uint32_t n, sk_watch *watch, skald_report *why);

/* Of the tokens in `range`, which agree in their first `depth` bytes, those that have `byte` next. */
sk_range sk_narrow(const sk_vocab *vocab, const uint32_t *sorted, sk_range range, uint32_t depth, uint8_t byte);
#endif

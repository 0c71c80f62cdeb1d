/* Numbers of pages or slots, each free or held by a count of owners. */
#ifndef SK_CACHE_COUNTED_H
#define SK_CACHE_COUNTED_H
#include "base/memory.h"

#define SK_NONE UINT32_MAX /* no page, no slot */

typedef struct sk_counted {
    uint32_t n, n_free;
    uint32_t *free;   /* [n], the first n_free are free */
    uint32_t *owners; /* [n] */
} sk_counted;

/* Tables for numbers 0 ... n - 1. */
void sk_counted_carve(sk_counted *c, sk_carver *carver, uint32_t n);
/* All free, 0 is taken first. */
void sk_counted_begin(sk_counted *c);

/* A free one, now with one owner; SK_NONE: none is free. */
uint32_t sk_counted_take(sk_counted *c);
/* One owner less; free again after the last. SK_NONE is nothing. */
void sk_counted_drop(sk_counted *c, uint32_t number);
uint32_t sk_counted_shared(const sk_counted *c);

static inline void sk_counted_share(sk_counted *c, uint32_t number) {
    if (number != SK_NONE) c->owners[number]++;
}
static inline bool sk_counted_is_shared(const sk_counted *c, uint32_t number) { return c->owners[number] > 1; }
#endif

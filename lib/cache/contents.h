/* What a sequence holds as a row of bytes that no page can be seen in: for each layer its keys, then its values, as
 * [KV head][position][element] of the stored type, from the first position kept; or its states, the one at the line before
 * first, each followed by its rows. The walk is the same in both directions. */
#ifndef SK_CACHE_CONTENTS_H
#define SK_CACHE_CONTENTS_H
#include "cache/cache.h"

/* Where the bytes go or come from, and the sum of those that passed. One of the two calls is NULL. */
typedef struct sk_passage {
    skald_status (*write)(void *user, const void *from, size_t n_bytes);
    skald_status (*read)(void *user, void *to, size_t n_bytes);
    void *user;
    uint64_t sum;
} sk_passage;

skald_status sk_passage_move(sk_passage *p, void *bytes, size_t n_bytes);

/* What the contents depend on besides the cache. */
typedef struct sk_extent {
    uint32_t length;
    uint32_t least;    /* a rewind reaches back to here; 0: to anywhere */
    uint32_t n_states; /* 0, 1 or 2: with the one at the line before */
} sk_extent;

sk_extent sk_cache_extent(const skald_kv_cache *cache, const sk_sequence *s);
/* Can a sequence of this cache be so? */
bool sk_extent_is_possible(const skald_kv_cache *cache, const sk_extent *e);
uint64_t sk_contents_bytes(const skald_kv_cache *cache, const sk_extent *e);
/* Of the buffer that both calls below want. */
uint64_t sk_contents_room(const skald_kv_cache *cache, const sk_extent *e);

skald_status sk_contents_save(skald_kv_cache *cache, sk_sequence *s, sk_passage *p, void *room);
/* Into a sequence that sk_cache_open_filled made. After a failure it holds anything and is to be released. */
skald_status sk_contents_restore(skald_kv_cache *cache, sk_sequence *s, const sk_extent *e, sk_passage *p, void *room);

/* A new sequence with pages and slots for `e`, to be filled. FULL: not so many are free; nothing was taken. */
skald_status sk_cache_open_filled(skald_seq *out, skald_kv_cache *cache, const sk_extent *e);
#endif

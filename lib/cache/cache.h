/* What sequences hold: pages of SKALD_PAGE_TOKENS positions, counted references, a list of pages for each sequence.
 *
 *     sequence 1   [ 4 ][ 7 ][ 2 ]          length 300: the third page is used up to 44
 *     sequence 2   [ 4 ][ 7 ][ 9 ]          forked from 1 at 260: page 2 was copied to 9 before the first write
 *
 * A step prepares (pages behind the length, the tail copied when shared), then commits (an integer store) or aborts.
 * Nothing of a prepared step can be seen until it is committed. Bookkeeping only: the contents belong to the device. */
#ifndef SK_CACHE_CACHE_H
#define SK_CACHE_CACHE_H
#include "base/runtime.h"

#define SK_NO_PAGE UINT32_MAX

typedef struct sk_sequence {
    uint32_t generation;  /* tells a released handle from a living one */
    uint32_t length;      /* committed tokens */
    uint32_t reserved;    /* tokens that the caller asked room for, 0 or more than length */
    uint32_t n_pages;     /* in the list */
    uint32_t shared_tail; /* while a step is prepared: the page that was copied, SK_NO_PAGE: none */
    uint8_t living;
    uint8_t stepping; /* prepared and not yet committed or aborted */
} sk_sequence;

struct skald_kv_cache {
    atomic_uint busy;
    atomic_uint paused; /* a step is under way between two calls */
    skald_model *model;
    const skald_backend *backend;
    skald_store *store;
    uint64_t block_bytes;
    uint64_t bytes_per_token;
    skald_dtype k_type, v_type;
    uint32_t n_pages, n_sequences;
    uint32_t n_free;
    uint32_t *free_pages;   /* [n_pages], the first n_free are free */
    uint32_t *owners;       /* [n_pages] sequences that hold the page */
    uint32_t *lists;        /* [n_sequences][n_pages] */
    sk_sequence *sequences; /* [n_sequences] */
};

/* Carves the handle and its tables; every page free. NULL while measuring. */
skald_kv_cache *sk_cache_carve(sk_carver *c, uint32_t n_pages, uint32_t n_sequences);

/* The sequence of a handle; NULL when it was released or never was. */
sk_sequence *sk_cache_find(skald_kv_cache *cache, skald_seq seq);
/* Where its page list begins in cache->lists. */
uint32_t sk_cache_list(const skald_kv_cache *cache, const sk_sequence *s);

skald_status sk_cache_open(skald_seq *out, skald_kv_cache *cache);
skald_status sk_cache_reserve(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens);
skald_status sk_cache_fork(skald_seq *out, skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens);
void sk_cache_rewind(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens);
void sk_cache_release(skald_kv_cache *cache, sk_sequence *s);

/* How many free pages a step of n_tokens more would take. UINT64_MAX: more than the cache will ever have. */
uint64_t sk_cache_need(const skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens);
/* Takes them; only after sk_cache_need said they are there. DEVICE: the tail could not be copied, nothing changed. */
skald_status sk_cache_prepare(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens);
void sk_cache_commit(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens);
/* Undoes what was prepared and not committed, of every sequence. */
void sk_cache_abort_all(skald_kv_cache *cache);

void sk_cache_count(skald_kv_cache_stats *stats, const skald_kv_cache *cache);
#endif

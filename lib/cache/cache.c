/* Pages and who holds them. */
#include "cache/cache.h"

static uint32_t pages_for(uint64_t n_tokens) { return (uint32_t)sk_divide_up(n_tokens, SKALD_PAGE_TOKENS); }

skald_kv_cache *sk_cache_carve(sk_carver *c, uint32_t n_pages, uint32_t n_sequences) {
    skald_kv_cache *cache = sk_carve(c, 1, sizeof *cache, SK_CACHE_LINE);
    sk_sequence *sequences = sk_carve(c, n_sequences, sizeof *sequences, SK_CACHE_LINE);
    uint32_t *free_pages = sk_carve(c, n_pages, sizeof *free_pages, SK_CACHE_LINE);
    uint32_t *owners = sk_carve(c, n_pages, sizeof *owners, SK_CACHE_LINE);
    uint32_t *lists = sk_carve(c, sk_mul(n_sequences, n_pages), sizeof *lists, SK_CACHE_LINE);
    if (!cache) return NULL;
    cache->n_pages = cache->n_free = n_pages;
    cache->n_sequences = n_sequences;
    cache->sequences = sequences;
    cache->free_pages = free_pages;
    cache->owners = owners;
    cache->lists = lists;
    for (uint32_t i = 0; i < n_pages; i++) free_pages[i] = n_pages - 1 - i; /* page 0 is taken first */
    return cache;
}

uint32_t sk_cache_list(const skald_kv_cache *cache, const sk_sequence *s) {
    return (uint32_t)(s - cache->sequences) * cache->n_pages;
}

static uint32_t *list_of(const skald_kv_cache *cache, const sk_sequence *s) {
    return cache->lists + sk_cache_list(cache, s);
}

/* A handle is the generation above 16 bits of index + 1. */
sk_sequence *sk_cache_find(skald_kv_cache *cache, skald_seq seq) {
    uint32_t index = (seq & 0xffffu) - 1;
    if (index >= cache->n_sequences) return NULL;
    sk_sequence *s = &cache->sequences[index];
    return s->living && (s->generation & 0xffffu) == seq >> 16 ? s : NULL;
}

static skald_seq handle_of(const skald_kv_cache *cache, const sk_sequence *s) {
    return (s->generation & 0xffffu) << 16 | (uint32_t)(s - cache->sequences + 1);
}

static uint32_t take_page(skald_kv_cache *cache) {
    uint32_t page = cache->free_pages[--cache->n_free];
    cache->owners[page] = 1;
    return page;
}

static void drop_page(skald_kv_cache *cache, uint32_t page) {
    if (--cache->owners[page] == 0) cache->free_pages[cache->n_free++] = page;
}

/* Gives back the pages behind the first `keep`. */
static void trim(skald_kv_cache *cache, sk_sequence *s, uint32_t keep) {
    while (s->n_pages > keep) drop_page(cache, list_of(cache, s)[--s->n_pages]);
}

/* A new, empty sequence; NULL when all live. */
static sk_sequence *begin_sequence(skald_kv_cache *cache) {
    for (uint32_t i = 0; i < cache->n_sequences; i++) {
        sk_sequence *s = &cache->sequences[i];
        if (s->living) continue;
        *s = (sk_sequence){.generation = s->generation + 1, .living = 1, .shared_tail = SK_NO_PAGE};
        return s;
    }
    return NULL;
}

skald_status sk_cache_open(skald_seq *out, skald_kv_cache *cache) {
    sk_sequence *s = begin_sequence(cache);
    if (!s) return SKALD_FULL;
    *out = handle_of(cache, s);
    return SKALD_OK;
}

/* The tail page may belong to two sequences: it is copied before the first write. */
static bool tail_is_shared(const skald_kv_cache *cache, const sk_sequence *s) {
    return s->length % SKALD_PAGE_TOKENS != 0 && cache->owners[list_of(cache, s)[s->length / SKALD_PAGE_TOKENS]] > 1;
}

uint64_t sk_cache_need(const skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens) {
    uint64_t length = (uint64_t)s->length + n_tokens;
    if (length > (uint64_t)cache->n_pages * SKALD_PAGE_TOKENS) return UINT64_MAX;
    uint32_t pages = pages_for(length);
    return (pages > s->n_pages ? pages - s->n_pages : 0u) + (n_tokens && tail_is_shared(cache, s));
}

skald_status sk_cache_prepare(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    uint32_t *list = list_of(cache, s);
    s->shared_tail = SK_NO_PAGE;
    if (n_tokens && tail_is_shared(cache, s)) {
        uint32_t index = s->length / SKALD_PAGE_TOKENS, copy = take_page(cache);
        skald_status status =
            cache->backend->page_copy(cache->store, copy, cache->store, list[index], s->length % SKALD_PAGE_TOKENS);
        if (status != SKALD_OK) {
            drop_page(cache, copy);
            return status;
        }
        s->shared_tail = list[index];
        list[index] = copy;
    }
    while (s->n_pages < pages_for((uint64_t)s->length + n_tokens)) list[s->n_pages++] = take_page(cache);
    s->stepping = 1;
    return SKALD_OK;
}

void sk_cache_commit(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    if (s->shared_tail != SK_NO_PAGE) drop_page(cache, s->shared_tail);
    s->shared_tail = SK_NO_PAGE;
    s->stepping = 0;
    s->length += n_tokens;
    if (s->reserved <= s->length) s->reserved = 0;
}

static void abort_one(skald_kv_cache *cache, sk_sequence *s) {
    if (s->shared_tail != SK_NO_PAGE) {
        uint32_t *tail = &list_of(cache, s)[s->length / SKALD_PAGE_TOKENS];
        drop_page(cache, *tail);
        *tail = s->shared_tail;
        s->shared_tail = SK_NO_PAGE;
    }
    s->stepping = 0;
    trim(cache, s, pages_for(s->reserved > s->length ? s->reserved : s->length));
}

void sk_cache_abort_all(skald_kv_cache *cache) {
    for (uint32_t i = 0; i < cache->n_sequences; i++)
        if (cache->sequences[i].stepping) abort_one(cache, &cache->sequences[i]);
}

skald_status sk_cache_reserve(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    if (sk_cache_need(cache, s, n_tokens) > cache->n_free) return SKALD_FULL;
    skald_status status = sk_cache_prepare(cache, s, n_tokens);
    if (status != SKALD_OK) return status;
    uint64_t room = (uint64_t)s->length + n_tokens;
    sk_cache_commit(cache, s, 0);
    if (room > s->length && room > s->reserved) s->reserved = (uint32_t)room;
    return SKALD_OK;
}

skald_status sk_cache_fork(skald_seq *out, skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens) {
    sk_sequence *child = begin_sequence(cache);
    if (!child) return SKALD_FULL;
    const uint32_t *from = list_of(cache, s);
    uint32_t *to = list_of(cache, child);
    child->length = n_tokens;
    child->n_pages = pages_for(n_tokens);
    for (uint32_t i = 0; i < child->n_pages; i++) cache->owners[to[i] = from[i]]++;
    *out = handle_of(cache, child);
    return SKALD_OK;
}

void sk_cache_rewind(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    s->length = n_tokens;
    s->reserved = 0;
    trim(cache, s, pages_for(n_tokens));
}

void sk_cache_release(skald_kv_cache *cache, sk_sequence *s) {
    sk_cache_rewind(cache, s, 0);
    s->living = 0;
}

void sk_cache_count(skald_kv_cache_stats *stats, const skald_kv_cache *cache) {
    uint32_t shared = 0, living = 0;
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < cache->n_pages; i++) shared += cache->owners[i] > 1;
    for (uint32_t i = 0; i < cache->n_sequences; i++) {
        if (!cache->sequences[i].living) continue;
        living++;
        tokens += cache->sequences[i].length;
    }
    stats->n_pages = cache->n_pages;
    stats->n_pages_free = cache->n_free;
    stats->n_pages_shared = shared;
    stats->n_sequences = living;
    stats->n_sequences_max = cache->n_sequences;
    stats->n_tokens = tokens;
    stats->bytes = cache->bytes_per_token * SKALD_PAGE_TOKENS * cache->n_pages;
    stats->bytes_per_token = cache->bytes_per_token;
}

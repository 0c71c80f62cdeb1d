/* Page lists: what one sequence holds of one group. */
#include "cache/cache.h"

static uint32_t *list_of(const skald_kv_cache *cache, const sk_group *g, uint32_t i) {
    return g->lists + (size_t)i * cache->n_list;
}

static uint32_t length_of(const skald_kv_cache *cache, uint32_t i) { return cache->sequences[i].length; }

uint32_t sk_pages_first_seen(const sk_group *g, uint32_t n_tokens) {
    return g->window && n_tokens >= g->window ? (n_tokens - (g->window - 1)) / SKALD_PAGE_TOKENS : 0;
}

uint32_t sk_pages_first_kept(const sk_group *g, uint32_t n_tokens) {
    return n_tokens > SK_REWIND ? sk_pages_first_seen(g, n_tokens - SK_REWIND) : 0;
}

/* Gives back entries [from, to). */
static void give_back(sk_group *g, uint32_t *list, uint32_t from, uint32_t to) {
    for (uint32_t p = from; p < to; p++) {
        sk_counted_drop(&g->pages, list[p]);
        list[p] = SK_NONE;
    }
}

bool sk_pages_tail_is_shared(const skald_kv_cache *cache, const sk_group *g, uint32_t i) {
    const uint32_t length = length_of(cache, i);
    return length % SKALD_PAGE_TOKENS != 0 &&
           sk_counted_is_shared(&g->pages, list_of(cache, g, i)[length / SKALD_PAGE_TOKENS]);
}

skald_status sk_pages_own_tail(skald_kv_cache *cache, uint32_t group, uint32_t i) {
    sk_group *g = &cache->groups[group];
    const uint32_t length = length_of(cache, i);
    uint32_t *tail = &list_of(cache, g, i)[length / SKALD_PAGE_TOKENS];
    g->holdings[i].shared_tail = SK_NONE;
    if (!sk_pages_tail_is_shared(cache, g, i)) return SKALD_OK;
    const uint32_t copy = sk_counted_take(&g->pages);
    if (copy == SK_NONE) return SKALD_FULL;
    g->holdings[i].shared_tail = *tail;
    *tail = copy;
    return SKALD_OK;
}

skald_status sk_pages_copy_tail(skald_kv_cache *cache, uint32_t layer, uint32_t i) {
    const sk_group *g = &cache->groups[cache->layers[layer].group];
    const uint32_t length = length_of(cache, i), shared = g->holdings[i].shared_tail;
    if (shared == SK_NONE) return SKALD_END;
    return cache->backend->layer_copy(cache->store, list_of(cache, g, i)[length / SKALD_PAGE_TOKENS], shared, layer,
                                      length % SKALD_PAGE_TOKENS);
}

void sk_pages_extend(skald_kv_cache *cache, sk_group *g, uint32_t i, uint32_t end) {
    sk_holding *h = &g->holdings[i];
    while (h->end < end && g->pages.n_free) list_of(cache, g, i)[h->end++] = sk_counted_take(&g->pages);
}

void sk_pages_pass_by(skald_kv_cache *cache, sk_group *g, uint32_t i, uint32_t end) {
    const sk_holding *h = &g->holdings[i];
    const uint32_t length = length_of(cache, i);
    const uint32_t own = h->shared_tail == SK_NONE ? sk_pages_for(length) : length / SKALD_PAGE_TOKENS;
    give_back(g, list_of(cache, g, i), own, end);
}

void sk_pages_trim(skald_kv_cache *cache, sk_group *g, uint32_t i, uint32_t end) {
    sk_holding *h = &g->holdings[i];
    if (h->end > end) give_back(g, list_of(cache, g, i), end > h->begin ? end : h->begin, h->end), h->end = end;
    if (h->begin > end) h->begin = end;
}

void sk_pages_commit(skald_kv_cache *cache, sk_group *g, uint32_t i) {
    sk_holding *h = &g->holdings[i];
    const uint32_t kept = sk_pages_first_kept(g, cache->sequences[i].target);
    sk_counted_drop(&g->pages, h->shared_tail);
    h->shared_tail = SK_NONE;
    if (kept <= h->begin) return;
    give_back(g, list_of(cache, g, i), h->begin, kept);
    h->begin = kept;
}

void sk_pages_abort(skald_kv_cache *cache, sk_group *g, uint32_t i) {
    sk_holding *h = &g->holdings[i];
    const sk_sequence *s = &cache->sequences[i];
    if (h->shared_tail != SK_NONE) {
        uint32_t *tail = &list_of(cache, g, i)[s->length / SKALD_PAGE_TOKENS];
        sk_counted_drop(&g->pages, *tail);
        *tail = h->shared_tail;
        h->shared_tail = SK_NONE;
    }
    sk_pages_trim(cache, g, i, sk_pages_for(g->window || s->reserved < s->length ? s->length : s->reserved));
}

void sk_pages_share(skald_kv_cache *cache, sk_group *g, uint32_t to, uint32_t from, uint32_t n_tokens) {
    const uint32_t *source = list_of(cache, g, from);
    uint32_t *target = list_of(cache, g, to);
    const uint32_t begin = g->holdings[from].begin, end = sk_pages_for(n_tokens);
    g->holdings[to] = (sk_holding){begin < end ? begin : end, end, SK_NONE};
    for (uint32_t p = begin; p < end; p++) sk_counted_share(&g->pages, target[p] = source[p]);
}

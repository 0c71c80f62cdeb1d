/* Sequences: opened, forked, rewound, released, and what a step does to them. */
#include "cache/cache.h"
#include <string.h>

uint32_t sk_cache_list(const skald_kv_cache *cache, const sk_sequence *s) {
    return (uint32_t)(s - cache->sequences) * cache->n_list;
}

static uint32_t index_of(const skald_kv_cache *cache, const sk_sequence *s) { return (uint32_t)(s - cache->sequences); }

/* A handle is the generation above 16 bits of index + 1. */
sk_sequence *sk_cache_find(skald_kv_cache *cache, skald_seq seq) {
    uint32_t index = (seq & 0xffffu) - 1;
    if (index >= cache->n_sequences) return NULL;
    sk_sequence *s = &cache->sequences[index];
    return s->living && (s->generation & 0xffffu) == seq >> 16 ? s : NULL;
}

static skald_seq handle_of(const skald_kv_cache *cache, const sk_sequence *s) {
    return (s->generation & 0xffffu) << 16 | (index_of(cache, s) + 1);
}

/* A new, empty sequence; NULL when all live. */
static sk_sequence *begin_sequence(skald_kv_cache *cache) {
    static const uint32_t none[2] = {SK_NONE, SK_NONE};
    for (uint32_t i = 0; i < cache->n_sequences; i++) {
        sk_sequence *s = &cache->sequences[i];
        if (s->living) continue;
        *s = (sk_sequence){.generation = s->generation + 1, .living = 1};
        memcpy(s->slot, none, sizeof none);
        memcpy(s->work, none, sizeof none);
        for (uint32_t g = 0; g < cache->n_groups; g++) cache->groups[g].holdings[i] = (sk_holding){0, 0, SK_NONE};
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

/* ---- a step */

uint64_t sk_cache_need(const skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens) {
    const uint64_t length = (uint64_t)s->length + n_tokens;
    if (length > (uint64_t)cache->n_list * SKALD_PAGE_TOKENS) return UINT64_MAX;
    const sk_group *all = &cache->groups[0];
    const uint32_t i = index_of(cache, s), pages = sk_pages_for(length), held = all->holdings[i].end;
    return (pages > held ? pages - held : 0u) + (n_tokens && sk_pages_tail_is_shared(cache, all, i));
}

/* Room in group 0 for n_tokens more, which sk_cache_need has counted. */
static skald_status take_room(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    const uint32_t i = index_of(cache, s);
    skald_status status = n_tokens ? sk_pages_own_tail(cache, 0, i) : SKALD_OK;
    if (status == SKALD_OK) sk_pages_extend(cache, &cache->groups[0], i, sk_pages_for((uint64_t)s->length + n_tokens));
    return status;
}

skald_status sk_cache_prepare(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    s->stepping = 1;
    s->target = s->length + n_tokens;
    skald_status status = take_room(cache, s, n_tokens);
    for (uint32_t g = 1; g < cache->n_groups && status == SKALD_OK; g++)
        status = sk_pages_own_tail(cache, g, index_of(cache, s));
    return status;
}

skald_status sk_cache_enter_pass(skald_kv_cache *cache, sk_sequence *s, uint32_t first, uint32_t *n_rows) {
    const uint32_t i = index_of(cache, s);
    for (uint32_t g = 1; g < cache->n_groups; g++) {
        sk_group *group = &cache->groups[g];
        sk_pages_extend(cache, group, i, sk_pages_for((uint64_t)first + *n_rows));
        const uint32_t room = group->holdings[i].end * SKALD_PAGE_TOKENS - first;
        if (*n_rows > room) *n_rows = room;
    }
    if (*n_rows == 0) return SKALD_OK;
    if (first == s->length) s->n_uncopied = cache->n_layers; /* behind its first pass all is its own */
    return sk_slots_enter_pass(cache, s, first, first + *n_rows);
}

skald_status sk_cache_copy_next(skald_kv_cache *cache, sk_sequence *s) {
    skald_status status = SKALD_END;
    while (status == SKALD_END && s->n_uncopied) {
        const uint32_t layer = --s->n_uncopied;
        if (cache->layers[layer].state_bytes) status = sk_slots_copy(cache, s, layer);
        else status = sk_pages_copy_tail(cache, layer, index_of(cache, s));
    }
    return status;
}

void sk_cache_leave_pass(skald_kv_cache *cache, sk_sequence *s, uint32_t next) {
    const uint64_t keeps = (uint64_t)next + SK_REWIND;
    const uint32_t length = keeps < s->target ? (uint32_t)keeps : s->target;
    for (uint32_t g = 1; g < cache->n_groups; g++) {
        sk_group *group = &cache->groups[g];
        sk_pages_pass_by(cache, group, index_of(cache, s), sk_pages_first_kept(group, length));
    }
}

void sk_cache_commit(skald_kv_cache *cache, sk_sequence *s) {
    for (uint32_t g = 0; g < cache->n_groups; g++) sk_pages_commit(cache, &cache->groups[g], index_of(cache, s));
    sk_slots_commit(cache, s);
    s->stepping = 0;
    s->length = s->target;
    if (s->reserved <= s->length) s->reserved = 0;
}

void sk_cache_abort_all(skald_kv_cache *cache) {
    for (uint32_t i = 0; i < cache->n_sequences; i++) {
        sk_sequence *s = &cache->sequences[i];
        if (!s->stepping) continue;
        for (uint32_t g = 0; g < cache->n_groups; g++) sk_pages_abort(cache, &cache->groups[g], i);
        sk_slots_abort(cache, s);
        s->stepping = 0, s->n_uncopied = 0;
    }
}

/* ---- between steps */

skald_status sk_cache_reserve(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    if (sk_cache_need(cache, s, n_tokens) > cache->groups[0].pages.n_free) return SKALD_FULL;
    const uint32_t i = index_of(cache, s);
    skald_status status = take_room(cache, s, n_tokens);
    for (uint32_t layer = 0; status == SKALD_OK && layer < cache->n_layers; layer++) {
        if (cache->layers[layer].state_bytes || cache->layers[layer].group != 0) continue;
        const skald_status copied = sk_pages_copy_tail(cache, layer, i);
        if (copied != SKALD_END) status = copied;
    }
    if (status != SKALD_OK) {
        sk_pages_abort(cache, &cache->groups[0], i);
        return status;
    }
    s->target = s->length;
    sk_pages_commit(cache, &cache->groups[0], i);
    const uint32_t room = s->length + n_tokens;
    if (room > s->length && room > s->reserved) s->reserved = room;
    return SKALD_OK;
}

bool sk_cache_reaches(const skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens) {
    if (n_tokens && n_tokens < s->least) return false;
    for (uint32_t g = 0; n_tokens && g < cache->n_groups; g++) {
        const sk_group *group = &cache->groups[g];
        if (sk_pages_first_seen(group, n_tokens) < group->holdings[index_of(cache, s)].begin) return false;
    }
    return sk_slots_reach(cache, s, n_tokens);
}

skald_status sk_cache_fork(skald_seq *out, skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens) {
    sk_sequence *child = begin_sequence(cache);
    if (!child) return SKALD_FULL;
    for (uint32_t g = 0; g < cache->n_groups; g++)
        sk_pages_share(cache, &cache->groups[g], index_of(cache, child), index_of(cache, s), n_tokens);
    sk_slots_share(cache, child, s, n_tokens);
    child->length = n_tokens;
    child->least = n_tokens ? s->least : 0;
    *out = handle_of(cache, child);
    return SKALD_OK;
}

void sk_cache_rewind(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    for (uint32_t g = 0; g < cache->n_groups; g++)
        sk_pages_trim(cache, &cache->groups[g], index_of(cache, s), sk_pages_for(n_tokens));
    sk_slots_rewind(cache, s, n_tokens);
    s->length = n_tokens;
    if (n_tokens == 0) s->least = 0;
    s->reserved = 0;
}

void sk_cache_release(skald_kv_cache *cache, sk_sequence *s) {
    sk_cache_rewind(cache, s, 0);
    s->living = 0;
}

void sk_cache_count(skald_kv_cache_stats *stats, const skald_kv_cache *cache) {
    const sk_counted *pages = &cache->groups[0].pages;
    stats->n_pages = pages->n;
    stats->n_pages_free = pages->n_free;
    stats->n_pages_shared = sk_counted_shared(pages);
    stats->n_sequences_max = cache->n_sequences;
    for (uint32_t i = 0; i < cache->n_sequences; i++) {
        if (!cache->sequences[i].living) continue;
        stats->n_sequences++;
        stats->n_tokens += cache->sequences[i].length;
    }
    for (uint32_t g = 1; g < cache->n_groups; g++) {
        stats->n_window_pages += cache->groups[g].pages.n;
        stats->n_window_pages_free += cache->groups[g].pages.n_free;
    }
    stats->n_slots = cache->slots.n;
    stats->n_slots_free = cache->slots.n_free;
    stats->bytes = cache->page_bytes;
    stats->bytes_per_token = cache->bytes_per_token;
}

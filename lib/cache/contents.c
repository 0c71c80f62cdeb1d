#include "cache/contents.h"
#include "base/sum.h"
#include <string.h>

skald_status sk_passage_move(sk_passage *p, void *bytes, size_t n_bytes) {
    if (n_bytes == 0) return SKALD_OK;
    const skald_status status = p->write ? p->write(p->user, bytes, n_bytes) : p->read(p->user, bytes, n_bytes);
    p->sum = sk_sum(p->sum, bytes, n_bytes);
    return status;
}

/* ---- extents */

static uint32_t line_of(uint32_t n_tokens) { return n_tokens - n_tokens % SKALD_STATE_GRID; }

sk_extent sk_cache_extent(const skald_kv_cache *cache, const sk_sequence *s) {
    const size_t i = (size_t)(s - cache->sequences);
    sk_extent e = {.length = s->length, .least = s->least};
    for (uint32_t g = 1; g < cache->n_groups; g++) {
        const sk_group *group = &cache->groups[g];
        const uint32_t begin = group->holdings[i].begin * SKALD_PAGE_TOKENS, least = begin + group->window - 1;
        if (begin && least > e.least) e.least = least;
    }
    for (uint32_t k = 0; k < 2; k++) e.n_states += s->slot[k] != SK_NONE;
    return e;
}

bool sk_extent_is_possible(const skald_kv_cache *cache, const sk_extent *e) {
    if (e->length > cache->n_list * SKALD_PAGE_TOKENS || e->least > e->length) return false;
    if (cache->slots.n == 0 || e->length == 0) return e->n_states == 0;
    return e->n_states == 1 || (e->n_states == 2 && line_of(e->length) > 0);
}

/* The first position of a layer that a row behind `least` tokens sees. */
static uint32_t first_of(const skald_store_layer *l, uint32_t least) {
    return l->window && least >= l->window ? least - (l->window - 1) : 0;
}

static uint64_t token_bytes(const skald_kv_cache *cache, const skald_store_layer *l, uint32_t part) {
    return part == SKALD_PART_K ? skald_dtype_bytes(cache->k_type, l->head_dim_k)
                                : skald_dtype_bytes(cache->v_type, l->head_dim_v);
}

static uint64_t part_bytes(const skald_kv_cache *cache, const sk_extent *e, const skald_store_layer *l, uint32_t part) {
    return sk_mul((uint64_t)l->n_kv_heads * (e->length - first_of(l, e->least)), token_bytes(cache, l, part));
}

/* Rows of a slot: all of the line before, those up to the length of the last. */
static uint32_t rows_of(const sk_extent *e, bool before) {
    return before ? SKALD_STATE_GRID : e->length % SKALD_STATE_GRID;
}

uint64_t sk_contents_bytes(const skald_kv_cache *cache, const sk_extent *e) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < cache->n_layers; i++) {
        const skald_store_layer *l = &cache->layers[i];
        for (uint32_t part = SKALD_PART_K; !l->state_bytes && part <= SKALD_PART_V; part++)
            n = sk_add(n, part_bytes(cache, e, l, part));
        for (uint32_t k = 0; l->state_bytes && k < e->n_states; k++)
            n = sk_add(n, sk_add(l->state_bytes, (uint64_t)l->row_bytes * rows_of(e, k != 0)));
    }
    return n;
}

/* ---- the walk */

typedef struct walk {
    skald_kv_cache *cache;
    const sk_sequence *s;
    const sk_extent *e;
    sk_passage *p;
    char *whole; /* one part of a layer */
    char *page;  /* what of it lies in a page */
} walk;

/* Bytes of the largest part, then of the largest page. */
static void measure(uint64_t room[2], const skald_kv_cache *cache, const sk_extent *e) {
    room[0] = room[1] = 1;
    for (uint32_t i = 0; i < cache->n_layers; i++) {
        const skald_store_layer *l = &cache->layers[i];
        const uint64_t rows = (uint64_t)l->row_bytes * SKALD_STATE_GRID;
        if (l->state_bytes > room[0]) room[0] = l->state_bytes;
        if (rows > room[0]) room[0] = rows;
        for (uint32_t part = SKALD_PART_K; part <= SKALD_PART_V; part++) {
            const uint64_t whole = part_bytes(cache, e, l, part);
            const uint64_t page = l->n_kv_heads * SKALD_PAGE_TOKENS * token_bytes(cache, l, part);
            if (whole > room[0]) room[0] = whole;
            if (page > room[1]) room[1] = page;
        }
    }
}

uint64_t sk_contents_room(const skald_kv_cache *cache, const sk_extent *e) {
    uint64_t room[2];
    measure(room, cache, e);
    return sk_add(room[0], room[1]);
}

static skald_status move_part(walk *w, const skald_store_part *part, void *host) {
    const skald_backend *b = w->cache->backend;
    return w->p->write ? b->part_read(host, w->cache->store, part) : b->part_write(w->cache->store, part, host);
}

/* Positions [first, first + n) of each head, between the page and their place among all, [KV head][n_kept]. */
static void move_heads(walk *w, const skald_store_layer *l, uint32_t part, uint32_t first, uint32_t n) {
    const uint64_t bytes = token_bytes(w->cache, l, part);
    const uint32_t kept_from = first_of(l, w->e->least), n_kept = w->e->length - kept_from;
    for (uint32_t h = 0; h < l->n_kv_heads; h++) {
        char *whole = w->whole + ((uint64_t)h * n_kept + (first - kept_from)) * bytes;
        char *page = w->page + (uint64_t)h * n * bytes;
        memcpy(w->p->write ? whole : page, w->p->write ? page : whole, (size_t)(n * bytes));
    }
}

/* Of what was saved, a cache that keeps less takes what it keeps. */
static skald_status move_pages(walk *w, uint32_t layer, uint32_t part) {
    const skald_store_layer *l = &w->cache->layers[layer];
    const sk_group *g = &w->cache->groups[l->group];
    const size_t i = (size_t)(w->s - w->cache->sequences);
    const uint32_t begin = g->holdings[i].begin * SKALD_PAGE_TOKENS, kept_from = first_of(l, w->e->least);
    skald_status status = SKALD_OK;
    for (uint32_t at = begin > kept_from ? begin : kept_from, n; at < w->e->length && status == SKALD_OK; at += n) {
        n = SKALD_PAGE_TOKENS - at % SKALD_PAGE_TOKENS;
        if (n > w->e->length - at) n = w->e->length - at;
        const uint32_t page = g->lists[i * w->cache->n_list + at / SKALD_PAGE_TOKENS];
        const skald_store_part where = {sizeof where, layer, part, page, at % SKALD_PAGE_TOKENS, n};
        if (w->p->read) move_heads(w, l, part, at, n);
        status = move_part(w, &where, w->page);
        if (w->p->write) move_heads(w, l, part, at, n);
    }
    return status;
}

static skald_status move_keys_or_values(walk *w, uint32_t layer, uint32_t part) {
    const size_t n_bytes = (size_t)part_bytes(w->cache, w->e, &w->cache->layers[layer], part);
    if (n_bytes == 0) return SKALD_OK;
    skald_status status = w->p->write ? move_pages(w, layer, part) : sk_passage_move(w->p, w->whole, n_bytes);
    if (status != SKALD_OK) return status;
    return w->p->write ? sk_passage_move(w->p, w->whole, n_bytes) : move_pages(w, layer, part);
}

static skald_status move_of_slot(walk *w, const skald_store_part *where, uint64_t n_bytes) {
    if (n_bytes == 0) return SKALD_OK;
    skald_status status = w->p->write ? move_part(w, where, w->whole) : SKALD_OK;
    if (status == SKALD_OK) status = sk_passage_move(w->p, w->whole, (size_t)n_bytes);
    return status == SKALD_OK && w->p->read ? move_part(w, where, w->whole) : status;
}

static skald_status move_slot(walk *w, uint32_t layer, bool before) {
    const skald_store_layer *l = &w->cache->layers[layer];
    const uint32_t slot = w->s->slot[before], n = rows_of(w->e, before);
    const skald_store_part state = {sizeof state, layer, SKALD_PART_STATE, slot, 0, 0};
    const skald_store_part rows = {sizeof rows, layer, SKALD_PART_ROWS, slot, 0, n};
    skald_status status = move_of_slot(w, &state, l->state_bytes);
    return status == SKALD_OK ? move_of_slot(w, &rows, (uint64_t)l->row_bytes * n) : status;
}

static skald_status move_layer(walk *w, uint32_t layer) {
    skald_status status = SKALD_OK;
    if (w->cache->layers[layer].state_bytes) {
        if (w->e->n_states == 2) status = move_slot(w, layer, true);
        return status == SKALD_OK && w->e->n_states ? move_slot(w, layer, false) : status;
    }
    status = move_keys_or_values(w, layer, SKALD_PART_K);
    return status == SKALD_OK ? move_keys_or_values(w, layer, SKALD_PART_V) : status;
}

static skald_status go(skald_kv_cache *cache, const sk_sequence *s, const sk_extent *e, sk_passage *p, char *room) {
    uint64_t bytes[2];
    skald_status status = SKALD_OK;
    measure(bytes, cache, e);
    walk w = {.cache = cache, .s = s, .e = e, .p = p, .whole = room, .page = room + bytes[0]};
    for (uint32_t i = 0; i < cache->n_layers && status == SKALD_OK; i++) status = move_layer(&w, i);
    return status;
}

skald_status sk_contents_save(skald_kv_cache *cache, sk_sequence *s, sk_passage *p, void *room) {
    const sk_extent e = sk_cache_extent(cache, s);
    return go(cache, s, &e, p, room);
}

skald_status sk_contents_restore(skald_kv_cache *cache, sk_sequence *s, const sk_extent *e, sk_passage *p, void *room) {
    return go(cache, s, e, p, room);
}

/* ---- a sequence to be filled */

/* A group begins where a sequence of this length would, or later, where less was saved. */
static void take_pages(skald_kv_cache *cache, uint32_t group, uint32_t i, const sk_extent *e) {
    sk_group *g = &cache->groups[group];
    const uint32_t kept = sk_pages_first_kept(g, e->length), saved = sk_pages_first_seen(g, e->least);
    const uint32_t begin = kept > saved ? kept : saved;
    g->holdings[i] = (sk_holding){begin, begin, SK_NONE};
    sk_pages_extend(cache, g, i, sk_pages_for(e->length));
}

skald_status sk_cache_open_filled(skald_seq *out, skald_kv_cache *cache, const sk_extent *e) {
    if (sk_pages_for(e->length) > cache->groups[0].pages.n_free) return SKALD_FULL;
    skald_status status = sk_cache_open(out, cache);
    if (status != SKALD_OK) return status;
    sk_sequence *s = sk_cache_find(cache, *out);
    for (uint32_t g = 0; g < cache->n_groups; g++) take_pages(cache, g, (uint32_t)(s - cache->sequences), e);
    for (uint32_t k = 0; k < e->n_states; k++) s->slot[k] = s->work[k] = sk_counted_take(&cache->slots);
    s->length = e->length;
    s->least = e->least;
    return SKALD_OK;
}

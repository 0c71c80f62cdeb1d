/* Sequences that are useful beyond their request: what one has read, the next that begins alike need not compute. Texts
 * themselves are compared, and the adapters they were read under, so nothing is shared by mistake; all of an engine is of one
 * model and one type of cache. */
#include "engine/engine.h"
#include "base/exact.h"

/* Fewer ids in common are not worth a copied page. */
#define LEAST_SHARED 16u

/* What was read under other adapters, or the same with other scales or in another order, has other bits. */
static bool read_alike(const sk_adapted *a, const sk_adapted *b) {
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = a->number[i] == b->number[i] && sk_bits(a->by[i].scale) == sk_bits(b->by[i].scale);
    return same;
}

static bool is_source(const sk_request *r) { return r->now.seq && r->now.n_read; }

/* The request that has read most of what r begins with; *n ids of it. At least one id is left to compute: its logits are
 * wanted. *coming: a request that runs will soon have read many more of them. */
static sk_request *find_source(const skald_engine *e, const sk_request *r, uint32_t *n, bool *coming) {
    sk_request *best = NULL;
    uint32_t soon = 0;
    *n = 0;
    for (uint32_t i = 0; i < e->n_entries; i++) {
        sk_request *other = &e->entries[i];
        if (!is_source(other) && other->now.state != SK_REQUEST_RUNNING) continue;
        if (!read_alike(&r->adapted, &other->adapted)) continue;
        const uint32_t most = other->now.n_text < r->now.n_text ? other->now.n_text : r->now.n_text - 1;
        const uint32_t common = sk_text_common(e, r, other, most);
        const uint32_t read = common < other->now.n_read ? common : other->now.n_read;
        if (other->now.state == SK_REQUEST_RUNNING && common > soon) soon = common;
        if (read > *n) *n = read, best = other;
    }
    if (*n < LEAST_SHARED) *n = 0, best = NULL;
    *coming = soon >= *n + LEAST_SHARED;
    return best;
}

/* Gives up the sequence that was of no use for longest; `not` stays. */
static bool evict(skald_engine *e, const sk_request * not ) {
    sk_request *oldest = NULL;
    for (uint32_t i = 0; i < e->n_entries; i++) {
        sk_request *r = &e->entries[i];
        if (r == not || !r->now.seq || (r->now.state != SK_REQUEST_ENDED && r->now.state != SK_REQUEST_KEPT)) continue;
        if (!oldest || r->now.used < oldest->now.used) oldest = r;
    }
    if (!oldest) return false;
    if (oldest->now.state == SK_REQUEST_KEPT) sk_engine_free_entry(e, oldest);
    else sk_prefix_drop(e, oldest);
    return true;
}

bool sk_prefix_evict(skald_engine *e) { return evict(e, NULL); }

void sk_prefix_drop(skald_engine *e, sk_request *r) {
    if (r->now.seq && e->step == SK_STEP_RUNS) e->dropped[e->n_dropped++] = r->now.seq;
    else if (r->now.seq) skald_kv_cache_release(e->cache, r->now.seq);
    r->now.seq = 0;
    r->now.n_read = 0;
}

void sk_prefix_release_dropped(skald_engine *e) {
    while (e->n_dropped) skald_kv_cache_release(e->cache, e->dropped[--e->n_dropped]);
}

/* An empty sequence, or one that begins like `source`. */
static skald_status open_sequence(skald_engine *e, sk_request *r, sk_request *source, uint32_t n) {
    skald_status status = SKALD_ABSENT;
    r->now.n_read = 0;
    if (source) status = skald_kv_cache_fork(&r->now.seq, e->cache, source->now.seq, n);
    if (status == SKALD_OK) {
        r->now.n_read = n;
        source->now.used = e->stats.n_steps;
        return status;
    }
    if (status == SKALD_FULL) return status;
    return skald_kv_cache_open(&r->now.seq, e->cache); /* it cannot be shared at this place */
}

skald_status sk_prefix_admit(skald_engine *e, sk_request *r) {
    uint32_t n = 0;
    bool coming = false;
    sk_request *source = e->options.no_sharing ? NULL : find_source(e, r, &n, &coming);
    if (coming) return SKALD_PENDING;
    skald_status status = open_sequence(e, r, source, n);
    while (status == SKALD_FULL && evict(e, source)) status = open_sequence(e, r, source, n);
    if (status != SKALD_OK) return r->now.seq = 0, SKALD_FULL;
    status = skald_kv_cache_reserve(e->cache, r->now.seq, r->now.n_text - r->now.n_read);
    while (status == SKALD_FULL && evict(e, NULL)) /* the fork keeps what it shares */
        status = skald_kv_cache_reserve(e->cache, r->now.seq, r->now.n_text - r->now.n_read);
    if (status != SKALD_OK) return sk_prefix_drop(e, r), status;
    e->stats.n_prompt_shared += r->now.n_read;
    return SKALD_OK;
}

/* Blocks behind what the sequence has read are of no use any more. */
static void trim_text(skald_engine *e, sk_request *r) {
    const uint32_t n = (uint32_t)sk_divide_up(r->now.n_read, SK_TEXT_BLOCK);
    sk_os_gate_lock(&e->lock);
    while (r->n_blocks > n) e->free_blocks[e->n_free_blocks++] = r->blocks[--r->n_blocks];
    sk_os_gate_unlock(&e->lock);
    r->now.n_text = r->now.n_read;
}

bool sk_prefix_keep(skald_engine *e, sk_request *r) {
    if (e->options.no_sharing || !is_source(r) || r->now.n_read < LEAST_SHARED) return false;
    trim_text(e, r);
    while (e->n_kept && (e->n_kept == e->options.n_kept || e->n_kept_blocks + r->n_blocks > e->kept_blocks_max))
        if (!evict(e, r)) return false;
    r->now.state = SK_REQUEST_KEPT;
    e->n_kept++;
    sk_os_gate_lock(&e->lock);
    e->n_living--;
    e->n_kept_blocks += r->n_blocks;
    r->id = 0; /* nobody can ask for it any more */
    sk_os_gate_unlock(&e->lock);
    return true;
}

/* State slots: one sequence's states at its last two grid lines.
 *
 *     slot[1]  at line 80   rows 80 ... 95     kept so that a rewind into this chunk is possible
 *     slot[0]  at line 96   rows 96 ... 99     length 100; a rewind inside this chunk is a length
 *
 * A step leaves both as they are up to the committed length. Rows behind it are written into slot[0] itself if nobody
 * shares it; a state at a new line goes to a slot of the step's own. */
#include "cache/cache.h"

static bool is_own(const sk_sequence *s, uint32_t slot) {
    return slot != SK_NONE && slot != s->slot[0] && slot != s->slot[1];
}

static void drop_own(skald_kv_cache *cache, sk_sequence *s, uint32_t slot) {
    if (is_own(s, slot)) sk_counted_drop(&cache->slots, slot);
}

/* Makes work[0] a slot that rows may be written into: one that no other sequence has. */
static skald_status own_current(skald_kv_cache *cache, sk_sequence *s) {
    const uint32_t shared = s->work[0];
    if (shared != SK_NONE && !sk_counted_is_shared(&cache->slots, shared)) return SKALD_OK;
    const uint32_t own = sk_counted_take(&cache->slots);
    if (own == SK_NONE) return SKALD_FULL;
    s->work[0] = own;
    s->copy_from = shared, s->copy_to = own;
    return SKALD_OK;
}

static skald_status stay_in_chunk(skald_kv_cache *cache, sk_sequence *s, uint32_t first) {
    skald_status status = own_current(cache, s);
    s->state_from = first ? s->work[0] : SK_NONE;
    s->state_before = SK_NONE;
    s->state_to = s->work[0];
    return status;
}

static skald_status cross_one_line(skald_kv_cache *cache, sk_sequence *s, uint32_t first) {
    skald_status status = own_current(cache, s);
    if (status != SKALD_OK) return status;
    drop_own(cache, s, s->work[1]);
    s->work[1] = s->work[0];
    s->work[0] = sk_counted_take(&cache->slots);
    s->state_from = first ? s->work[1] : SK_NONE;
    s->state_before = s->work[1];
    s->state_to = s->work[0];
    return s->work[0] == SK_NONE ? SKALD_FULL : SKALD_OK;
}

static skald_status cross_lines(skald_kv_cache *cache, sk_sequence *s) {
    s->state_from = s->work[0];
    drop_own(cache, s, s->work[1]);
    s->work[1] = sk_counted_take(&cache->slots);
    if (!is_own(s, s->work[0])) s->work[0] = sk_counted_take(&cache->slots);
    s->state_before = s->work[1];
    s->state_to = s->work[0];
    return s->work[0] == SK_NONE || s->work[1] == SK_NONE ? SKALD_FULL : SKALD_OK;
}

skald_status sk_slots_enter_pass(skald_kv_cache *cache, sk_sequence *s, uint32_t first, uint32_t end) {
    s->copy_from = SK_NONE;
    if (cache->slots.n == 0) return SKALD_OK;
    switch (end / SKALD_STATE_GRID - first / SKALD_STATE_GRID) {
    case 0: return stay_in_chunk(cache, s, first);
    case 1: return cross_one_line(cache, s, first);
    default: return cross_lines(cache, s);
    }
}

skald_status sk_slots_copy(skald_kv_cache *cache, const sk_sequence *s, uint32_t layer) {
    if (s->copy_from == SK_NONE) return SKALD_END;
    return cache->backend->layer_copy(cache->store, s->copy_to, s->copy_from, layer, s->length % SKALD_STATE_GRID);
}

void sk_slots_commit(skald_kv_cache *cache, sk_sequence *s) {
    for (uint32_t i = 0; i < 2; i++)
        if (s->slot[i] != s->work[0] && s->slot[i] != s->work[1]) sk_counted_drop(&cache->slots, s->slot[i]);
    for (uint32_t i = 0; i < 2; i++) s->slot[i] = s->work[i];
}

void sk_slots_abort(skald_kv_cache *cache, sk_sequence *s) {
    for (uint32_t i = 0; i < 2; i++) drop_own(cache, s, s->work[i]);
    for (uint32_t i = 0; i < 2; i++) s->work[i] = s->slot[i];
}

/* How many grid lines lie between n_tokens and the length. */
static uint32_t lines_back(const sk_sequence *s, uint32_t n_tokens) {
    return s->length / SKALD_STATE_GRID - n_tokens / SKALD_STATE_GRID;
}

bool sk_slots_reach(const skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens) {
    const uint32_t lines = lines_back(s, n_tokens);
    return cache->slots.n == 0 || n_tokens == 0 || lines == 0 || (lines == 1 && s->slot[1] != SK_NONE);
}

void sk_slots_share(skald_kv_cache *cache, sk_sequence *to, const sk_sequence *from, uint32_t n_tokens) {
    const uint32_t lines = lines_back(from, n_tokens);
    to->slot[0] = n_tokens == 0 ? SK_NONE : from->slot[lines != 0];
    to->slot[1] = n_tokens == 0 || lines ? SK_NONE : from->slot[1];
    for (uint32_t i = 0; i < 2; i++) sk_counted_share(&cache->slots, to->work[i] = to->slot[i]);
}

void sk_slots_rewind(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens) {
    const sk_sequence before = *s;
    sk_slots_share(cache, s, &before, n_tokens);
    for (uint32_t i = 0; i < 2; i++) sk_counted_drop(&cache->slots, before.slot[i]);
}

/* How many pages and slots a cache has, so that only group 0 can ever be full.
 *
 * With a window of w, a sequence keeps the pages of the last w - 1 + SK_REWIND positions. During a step it keeps those for
 * an abort, and as many again behind them, of the positions that the passes have come to: twice in all. The rows of a pass
 * come on top, once for all sequences. Of states it keeps two, and a step makes two. */
#include "cache/cache.h"
#include <string.h>

/* So many positions, wherever they begin, lie in at most so many pages. */
static uint64_t pages_touched(uint64_t n) { return (n + 2 * SKALD_PAGE_TOKENS - 2) / SKALD_PAGE_TOKENS; }

static uint64_t window_pages(uint32_t window, uint32_t n_sequences) {
    const uint64_t kept = pages_touched((uint64_t)window - 1 + SK_REWIND);
    return 2 * kept * n_sequences + SK_PASS_ROWS / SKALD_PAGE_TOKENS;
}

/* The group of a window; 0 where that would save nothing, or there are as many as can be. */
static uint32_t group_of(skald_store_plan *plan, skald_store_group *groups, uint32_t window) {
    const uint64_t n_pages = window ? window_pages(window, plan->n_sequences) : UINT64_MAX;
    if (n_pages >= plan->n_list) return 0;
    for (uint32_t g = 1; g < plan->n_groups; g++)
        if (groups[g].window == window) return g;
    if (plan->n_groups == SK_MAX_GROUPS) return 0;
    groups[plan->n_groups] = (skald_store_group){window, (uint32_t)n_pages};
    return plan->n_groups++;
}

void sk_cache_divide(skald_store_plan *plan, skald_store_layer *layers, skald_store_group *groups) {
    groups[0] = (skald_store_group){0, plan->n_list};
    plan->groups = groups;
    plan->n_groups = 1;
    plan->n_slots = 0;
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        layers[i].group = layers[i].state_bytes ? 0 : group_of(plan, groups, layers[i].window);
        if (layers[i].state_bytes) plan->n_slots = 4 * plan->n_sequences;
    }
}

static void begin(skald_kv_cache *cache, const skald_store_plan *plan) {
    cache->n_sequences = plan->n_sequences;
    cache->n_groups = plan->n_groups;
    cache->n_list = plan->n_list;
    for (uint32_t g = 0; g < plan->n_groups; g++) {
        cache->groups[g].window = plan->groups[g].window;
        sk_counted_begin(&cache->groups[g].pages);
    }
    sk_counted_begin(&cache->slots);
    memset(cache->lists, 0xff, plan->n_groups * (size_t)plan->n_sequences * plan->n_list * sizeof *cache->lists);
}

skald_kv_cache *sk_cache_carve(sk_carver *c, const skald_store_plan *plan) {
    skald_kv_cache measured, *cache = sk_carve(c, 1, sizeof *cache, SK_CACHE_LINE), *to = cache ? cache : &measured;
    const uint64_t list = sk_mul(plan->n_sequences, plan->n_list);
    to->sequences = sk_carve(c, plan->n_sequences, sizeof *to->sequences, SK_CACHE_LINE);
    to->lists = sk_carve(c, sk_mul(plan->n_groups, list), sizeof *to->lists, SK_CACHE_LINE);
    for (uint32_t g = 0; g < plan->n_groups; g++) {
        sk_group *group = &to->groups[g];
        sk_counted_carve(&group->pages, c, plan->groups[g].n_pages);
        group->holdings = sk_carve(c, plan->n_sequences, sizeof *group->holdings, SK_CACHE_LINE);
        group->lists = to->lists ? to->lists + g * list : NULL;
    }
    sk_counted_carve(&to->slots, c, plan->n_slots);
    if (cache) begin(cache, plan);
    return cache;
}

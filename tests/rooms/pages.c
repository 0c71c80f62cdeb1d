/* What pages are for: texts of very different lengths take what they need, and no more than half a page beyond it. */
#include "support/check.h"
#include "support/world.h"
#include <stdbool.h>

enum { SHORTEST = 50, LONGEST = 4000, RESERVED = 8, TURNS = 16 };

static uint32_t random_below(uint32_t n) {
    static uint64_t state = 88172645463325252u;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

/* Evenly over octaves, so that short texts are the most, as they are among requests. */
static uint32_t draw_length(void) {
    for (;;) {
        const uint32_t octave = (uint32_t)SHORTEST << random_below(7), n = octave + random_below(octave);
        if (n <= LONGEST) return n;
    }
}

/* Room for one more text of n ids. */
static bool fits(world *w, uint32_t n) {
    skald_seq seq;
    CHECK_EQUAL(skald_kv_cache_open(&seq, w->cache), SKALD_OK);
    const skald_status status = skald_kv_cache_reserve(w->cache, seq, n);
    CHECK(status == SKALD_OK || status == SKALD_FULL);
    return status == SKALD_OK;
}

/* What a cache says that it holds. */
static void sequences_are_counted(void) {
    world w;
    skald_seq seq[3];
    skald_kv_cache_stats stats = {.size = sizeof stats};
    CHECK_EQUAL(world_open(&w, &(world_options){.n_tokens = 1024, .n_sequences = 5}), SKALD_OK);
    for (int i = 0; i < 2; i++) CHECK_EQUAL(skald_kv_cache_open(&seq[i], w.cache), SKALD_OK);
    CHECK_EQUAL(world_read(&w, seq[0], 0, 200), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_fork(&seq[2], w.cache, seq[0], 150), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_release(w.cache, seq[1]), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_get_stats(&stats, w.cache), SKALD_OK);
    CHECK(stats.n_sequences == 2 && stats.n_sequences_max == 5 && stats.n_tokens == 350);
    CHECK(stats.n_pages - stats.n_pages_free == 2 && stats.n_pages_shared == 2);
    world_close(&w);
}

/* In the pages of 8 texts of the longest. */
static void many_of_ragged_lengths_fit(void) {
    uint64_t n_texts = 0, n_held = 0, n_pages = 0;
    world w;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        skald_kv_cache_stats stats = {.size = sizeof stats};
        CHECK_EQUAL(world_open(&w, &(world_options){.n_tokens = RESERVED * LONGEST, .n_sequences = 1024}), SKALD_OK);
        for (uint32_t n = draw_length(); fits(&w, n); n = draw_length()) n_texts++, n_held += n;
        CHECK_EQUAL(skald_kv_cache_get_stats(&stats, w.cache), SKALD_OK);
        n_pages += stats.n_pages - stats.n_pages_free;
        world_close(&w);
    }
    const double texts = (double)n_texts / TURNS;
    const double unused = (double)(n_pages * SKALD_PAGE_TOKENS - n_held) / (double)n_texts;
    printf("%.1f texts in the pages of %d, %.1f tokens of each unused\n", texts, RESERVED, unused);
    CHECK(texts >= 4 * RESERVED);
    CHECK(2 * unused <= SKALD_PAGE_TOKENS);
}

int main(void) {
    many_of_ragged_lengths_fit();
    sequences_are_counted();
    return sk_checked();
}

#include "text/charsmap.h"
#include <string.h>

/* Unicode's own compatibility decompositions have 4 bytes of key and 33 of text at most. Bounds keep a made-up map, whose
 * trie may run in a circle, from making a text slow. */
#define LONGEST_KEY  128u
#define LONGEST_TEXT 1024u

static uint32_t load(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool texts_fit(const uint8_t *texts, uint64_t n_bytes) {
    for (uint64_t i = 0, begin = 0; i < n_bytes; i++) {
        if (texts[i] == 0) begin = i + 1;
        else if (i - begin >= LONGEST_TEXT) return false;
    }
    return texts[n_bytes - 1] == 0;
}

bool sk_charsmap_open(sk_charsmap *map, const uint8_t *bytes, uint64_t n_bytes) {
    *map = (sk_charsmap){0};
    if (n_bytes == 0) return true;
    if (n_bytes < 4 || n_bytes - 4 > UINT32_MAX) return false;
    const uint64_t trie_bytes = load(bytes);
    if (trie_bytes == 0 || trie_bytes % 4 || trie_bytes >= n_bytes - 4) return false;
    if (!texts_fit(bytes + 4 + trie_bytes, n_bytes - 4 - trie_bytes)) return false;
    *map = (sk_charsmap){bytes + 4, trie_bytes / 4, bytes + 4 + trie_bytes, n_bytes - 4 - trie_bytes};
    return true;
}

static uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

uint32_t sk_charsmap_find(const sk_charsmap *map, const uint8_t *text, size_t n_bytes, const uint8_t **to,
                          uint32_t *n_to) {
    uint32_t found = 0, place = map->n_units ? offset_of(load(map->trie)) : 0;
    for (size_t i = 0; i < n_bytes && i < LONGEST_KEY; i++) {
        place ^= text[i];
        if (place >= map->n_units) break;
        const uint32_t unit = load(map->trie + 4 * (size_t)place);
        if ((unit & 0x800000ffu) != text[i]) break;
        place ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (place >= map->n_units) break;
        const uint32_t value = load(map->trie + 4 * (size_t)place) & 0x7fffffffu;
        if (value >= map->n_texts) break;
        found = (uint32_t)i + 1;
        *to = map->texts + value;
    }
    if (found) *n_to = (uint32_t)strlen((const char *)*to);
    return found;
}

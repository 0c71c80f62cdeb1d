/* The map of characters that SentencePiece compiles into a model: strings of bytes to what they become.
 *
 *     u32 bytes of the trie | trie: u32 units of a double array | texts, each ending with NUL
 *
 * The trie is that of Darts-clone: a unit holds the label that leads to it, whether a value follows, and the offset that is
 * XORed with the place of a unit and the next byte to find the next place. */
#ifndef SK_TEXT_CHARSMAP_H
#define SK_TEXT_CHARSMAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sk_charsmap {
    const uint8_t *trie; /* [n_units] of 4 bytes, little-endian, unaligned */
    uint64_t n_units;
    const uint8_t *texts; /* [n_texts], the last byte is NUL */
    uint64_t n_texts;
} sk_charsmap;

/* False: the bytes are no map, or one with a text of more than 1024 bytes. An empty map has no units. */
bool sk_charsmap_open(sk_charsmap *map, const uint8_t *bytes, uint64_t n_bytes);

/* The longest beginning of `text`, of at most 128 bytes, that the map has: how many bytes it has, 0: none; and what it becomes. */
uint32_t sk_charsmap_find(const sk_charsmap *map, const uint8_t *text, size_t n_bytes, const uint8_t **to,
                          uint32_t *n_to);
#endif

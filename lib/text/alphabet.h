/* How the files of a tokenizer spell the bytes of a token. */
#ifndef SK_TEXT_ALPHABET_H
#define SK_TEXT_ALPHABET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sk_alphabet {
    SK_ALPHABET_PLAIN,      /* as they are */
    SK_ALPHABET_BYTE_LEVEL, /* every byte as a printable character (GPT-2's bytes_to_unicode) */
    SK_ALPHABET_SPACES,     /* a space as U+2581 (SentencePiece) */
    SK_ALPHABET_WORDS,      /* a space in front of what begins a word as U+2581 (WordPiece in GGUF) */
    SK_ALPHABET_BYTE,       /* one byte as "<0xAB>" (SentencePiece) */
} sk_alphabet;

#define SK_SPACE_MARK "\xe2\x96\x81" /* U+2581 */

/* Writes the bytes that `text` stands for, at most as many as it has itself, and tells how many. A text outside its
 * alphabet stands for itself. */
uint32_t sk_unspell(uint8_t *to, sk_alphabet alphabet, const char *text, uint64_t n_bytes);

/* Bytes up to the next U+2581 from `text` on; n_bytes: there is none. */
size_t sk_space_mark(const uint8_t *text, size_t n_bytes);
#endif

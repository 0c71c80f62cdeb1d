/* Ids to text, whole or as it comes. */
#ifndef SK_TEXT_DECODE_H
#define SK_TEXT_DECODE_H
#include "text/vocab.h"

/* The contract of skald_decode: the tokens' bytes as they are, so that a text encoded comes back byte for byte. Unknown
 * and unused tokens are silent as control tokens are. */
skald_status sk_decode(char *text, size_t *n_bytes, const sk_vocab *vocab, skald_decode_flags flags, const int32_t *ids,
                       uint32_t n_ids);

/* The contract of skald_decoder_push. What comes out is always UTF-8: each run of bytes that begins a character and
 * cannot end it, and each byte that begins none, comes out as one U+FFFD. */
skald_status sk_decoder_push(char *text, size_t *n_bytes, skald_decoder *decoder, const sk_vocab *vocab, int32_t id);
#endif

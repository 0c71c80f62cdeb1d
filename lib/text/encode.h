/* Text to ids: special tokens are cut out, the rest falls into words, and a word's bytes are merged into tokens. */
#ifndef SK_TEXT_ENCODE_H
#define SK_TEXT_ENCODE_H
#include "text/vocab.h"

/* The contract of skald_encode. A byte for which a byte-level vocabulary has no token is left out, as in the tokenizers
 * that they come from. ARGUMENT also for texts of 2 GiB and more. `memory` lends room for words of more than 128 bytes
 * and for a text that is normalized, and has it back on return. */
skald_status sk_encode(int32_t *ids, uint32_t *n_ids, const sk_vocab *vocab, const skald_allocator *memory,
                       skald_encode_flags flags, const char *text, size_t n_bytes);
/* The contract of skald_encode_guarded. */
skald_status sk_encode_guarded(int32_t *ids, uint32_t *n_ids, const sk_vocab *vocab, const skald_allocator *memory,
                               skald_encode_flags flags, const char *text, const uint8_t *stranger, size_t n_bytes);
#endif

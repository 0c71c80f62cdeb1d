/* The keys of a tokenizer in a GGUF header become the source of a vocabulary. */
#ifndef SK_MODEL_READ_VOCAB_H
#define SK_MODEL_READ_VOCAB_H
#include "file/gguf.h"
#include "text/vocab.h"

/* Bytes that reading needs for its arrays. ABSENT: no tokenizer. UNSUPPORTED: of another kind. FORMAT naming the key. */
skald_status sk_read_vocab_room(uint64_t *n_bytes, const sk_gguf *g, skald_report *why);

/* Fills `source` with arrays in `room` and texts in the header. UNSUPPORTED, FORMAT: naming the key. */
skald_status sk_read_vocab(sk_vocab_source *source, void *room, const sk_gguf *g, sk_watch *watch, skald_report *why);
#endif

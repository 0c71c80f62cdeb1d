/* Tokens that may stand where certain bytes must come next. */
#ifndef SK_TEXT_PREFIX_H
#define SK_TEXT_PREFIX_H
#include "text/vocab.h"

/* Forbids (-INFINITY) every id but those whose bytes are a beginning of `wanted` or begin with it: words and bytes, no
 * control tokens. Ids behind the vocabulary are forbidden too. n_bytes is at least 1. */
void sk_vocab_require(float *logits, uint32_t n_logits, const sk_vocab *vocab, const uint8_t *wanted, size_t n_bytes);
#endif

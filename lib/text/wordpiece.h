/* WordPiece (BERT, arXiv 1810.04805): each word is cut into the longest tokens from left to right. */
#ifndef SK_TEXT_WORDPIECE_H
#define SK_TEXT_WORDPIECE_H
#include "text/normalize.h"

/* Words as BERT's basic tokenizer makes them, each with a space in front. MEMORY. */
skald_status sk_wordpiece_normalize(sk_work *work, sk_plain *plain);
/* One of those words, with its space. */
void sk_wordpiece_word(sk_work *work, const uint8_t *word, uint32_t n_bytes);
#endif

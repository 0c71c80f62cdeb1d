/* Byte pair encoding (Sennrich et al., arXiv 1508.07909) of one word: of all neighbours the pair of the lowest rank is
 * merged first, of equal ranks the leftmost. */
#ifndef SK_TEXT_BPE_H
#define SK_TEXT_BPE_H
#include "text/work.h"

skald_status sk_bpe_word(sk_work *work, const uint8_t *word, uint32_t n_bytes);
#endif

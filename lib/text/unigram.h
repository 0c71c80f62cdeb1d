/* Unigram language model (Kudo, arXiv 1804.10959): of all ways to cut a text into tokens the one with the highest sum of
 * scores, by Viterbi's algorithm. */
#ifndef SK_TEXT_UNIGRAM_H
#define SK_TEXT_UNIGRAM_H
#include "text/work.h"

skald_status sk_unigram_word(sk_work *work, const uint8_t *word, uint32_t n_bytes);
#endif

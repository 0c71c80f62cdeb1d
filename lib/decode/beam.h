/* Ranking of beams: the best continuations of all, and the score that a finished one has. Pure. */
#ifndef SK_DECODE_BEAM_H
#define SK_DECODE_BEAM_H
#include "base/memory.h"

typedef struct sk_continuation {
    double score; /* sum of log-probabilities, of the beam and this id */
    uint32_t beam;
    int32_t id;
} sk_continuation;

/* Offers all continuations of one beam, whose sum is `score`, to the best `most` so far: best first, of equals the lower
 * beam and id first. Beams are offered in order. */
void sk_beam_offer(sk_continuation *best, uint32_t *n, uint32_t most, uint32_t beam, double score, const float *logits,
                   uint32_t n_vocab);
/* sum / n_ids^penalty (as transformers; Wu et al., arXiv 1609.08144, with another base). n_ids is at least 1. */
double sk_beam_score(double sum, uint32_t n_ids, double penalty);
#endif

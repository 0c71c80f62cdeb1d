/* How likely ids are: logarithms of their shares of the model's own distribution, before bias, penalties and temperature. */
#ifndef SK_DECODE_LOGPROB_H
#define SK_DECODE_LOGPROB_H
#include "base/memory.h"

/* The logarithm of the sum of e^logit, in binary64; no logit is NaN. An infinite largest logit is the sum. */
double sk_log_sum(const float *logits, uint32_t n_vocab);
/* out[0] is `id`'s; behind it the n most likely, best first, of equals the lower id first. n is at most n_vocab. */
void sk_logprobs(skald_logprob *out, uint32_t n, int32_t id, const float *logits, uint32_t n_vocab);
#endif

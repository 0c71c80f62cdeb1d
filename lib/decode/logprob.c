/* Logarithms of probabilities, and the n most likely ids. */
#include "decode/logprob.h"
#include "base/exact.h"
#include "decode/sample.h"
#include <float.h>

double sk_log_sum(const float *logits, uint32_t n_vocab) {
    const double max = (double)logits[sk_argmax(logits, n_vocab)];
    double sum = 0.0;
    if (max > (double)FLT_MAX) return max;
    for (uint32_t i = 0; i < n_vocab; i++)
        if ((double)logits[i] > max - 80.0) sum += sk_exp_double((double)logits[i] - max);
    return max + sk_log_double(sum);
}

static skald_logprob logprob_of(const float *logits, int32_t id, double sum) {
    const double logit = (double)logits[id];
    return (skald_logprob){id, logit < sum ? (float)(logit - sum) : 0.0f}; /* infinite ones share everything */
}

void sk_logprobs(skald_logprob *out, uint32_t n, int32_t id, const float *logits, uint32_t n_vocab) {
    const double sum = sk_log_sum(logits, n_vocab);
    skald_logprob *best = out + 1;
    uint32_t n_best = 0;
    out[0] = logprob_of(logits, id, sum);
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (n == 0 || (n_best == n && !(logits[i] > logits[best[n - 1].id]))) continue;
        uint32_t at = n_best < n ? n_best++ : n - 1;
        for (; at && logits[i] > logits[best[at - 1].id]; at--) best[at] = best[at - 1];
        best[at].id = (int32_t)i;
    }
    for (uint32_t i = 0; i < n; i++) best[i] = logprob_of(logits, best[i].id, sum);
}

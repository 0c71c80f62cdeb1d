/* Ranking of beams. */
#include "decode/beam.h"
#include "base/exact.h"
#include "decode/logprob.h"

void sk_beam_offer(sk_continuation *best, uint32_t *n, uint32_t most, uint32_t beam, double score, const float *logits,
                   uint32_t n_vocab) {
    const double base = score - sk_log_sum(logits, n_vocab);
    for (uint32_t id = 0; id < n_vocab; id++) {
        const double sum = base + (double)logits[id];
        if (*n == most && !(sum > best[most - 1].score)) continue;
        uint32_t at = *n < most ? (*n)++ : most - 1;
        for (; at && sum > best[at - 1].score; at--) best[at] = best[at - 1];
        best[at] = (sk_continuation){sum, beam, (int32_t)id};
    }
}

double sk_beam_score(double sum, uint32_t n_ids, double penalty) { return sum / sk_power((double)n_ids, penalty); }

/* From a row of logits to one id: pure, in scratch made beforehand. */
#ifndef SK_DECODE_SAMPLE_H
#define SK_DECODE_SAMPLE_H
#include "base/memory.h"

typedef struct sk_sampler {
    skald_sampler_options options; /* bias points into the sampler's own block */
    uint32_t n_vocab;
    /* Scratch, [n_vocab] each; empty where the options never need it. */
    float *logits;   /* after bias and penalties; weights once they are drawn from */
    uint32_t *order; /* candidates, best first; before that, how often an id was seen */
    uint32_t *spare; /* the other side of the sort */
} sk_sampler;

/* ARGUMENT with the field that is out of its range. */
skald_status sk_sampler_check(const skald_sampler_options *options, uint32_t n_vocab, skald_report *why);

/* Takes the sampler's arrays from `c` and copies options and bias into them. For checked options. While `c` only
 * measures, the result is good for nothing. */
sk_sampler sk_sampler_layout(sk_carver *c, const skald_sampler_options *options, uint32_t n_vocab);

/* skald_sampler_choose for n_vocab logits. Ids in `history` that are not in the vocabulary are passed over. The lowest
 * id of those with an infinite logit is chosen without a draw. */
skald_status sk_sampler_choose(int32_t *id, const sk_sampler *s, const float *logits, uint64_t position,
                               const int32_t *history, uint32_t n_history);

/* The lowest index of the largest number; NaN never wins. -1: nothing but NaN. */
int32_t sk_argmax(const float *x, uint32_t n);
#endif

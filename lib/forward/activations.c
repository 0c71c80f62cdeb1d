/* Where activations live: rows of one buffer, laid out once for all layers. */
#include "forward/forward.h"

/* Rows laid one behind the other. */
static skald_rows take(uint64_t *at, skald_buffer *buffer, uint32_t n_rows, uint32_t width, skald_extent extent) {
    const uint64_t stride = sk_align((uint64_t)width * sizeof(float), SK_CACHE_LINE);
    const skald_rows rows = {buffer, *at, stride, n_rows, width, SKALD_F32, extent};
    *at = sk_add(*at, sk_mul(stride, n_rows));
    return rows;
}

void sk_activations_layout(sk_activations *r, const sk_config *c, skald_buffer *buffer, uint32_t n_rows,
                           uint32_t n_logits) {
    uint64_t at = 0;
    r->x = take(&at, buffer, n_rows, c->n_embd, SKALD_EXTENT_ROWS);
    r->angles = take(&at, buffer, n_rows, 2 * c->n_pairs, SKALD_EXTENT_ROWS);
    r->y = take(&at, buffer, n_logits, c->n_embd, SKALD_EXTENT_WANTED);
    r->logits = take(&at, buffer, n_logits, c->n_vocab, SKALD_EXTENT_LOGITS);
    uint64_t mix = at, feed = at; /* a layer first mixes, then feeds: the two never need room at once */
    r->q = take(&mix, buffer, n_rows, sk_config_dim(c, SK_DIM_Q), SKALD_EXTENT_ROWS);
    r->k = take(&mix, buffer, n_rows, sk_config_dim(c, SK_DIM_K), SKALD_EXTENT_ROWS);
    r->v = take(&mix, buffer, n_rows, sk_config_dim(c, SK_DIM_V), SKALD_EXTENT_ROWS);
    r->a = take(&mix, buffer, n_rows, sk_config_dim(c, SK_DIM_O), SKALD_EXTENT_ROWS);
    r->gate = take(&feed, buffer, n_rows, c->n_ff, SKALD_EXTENT_ROWS);
    r->up = take(&feed, buffer, n_rows, c->n_ff, SKALD_EXTENT_ROWS);
    r->n_bytes = mix > feed ? mix : feed;
}

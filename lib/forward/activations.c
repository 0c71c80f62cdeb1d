/* Where activations live: rows of one buffer, laid out once; what only one part of a layer needs shares the work room. */
#include "forward/forward.h"

skald_rows sk_activation_rows(uint64_t *at, skald_buffer *buffer, uint32_t n_rows, uint32_t width,
                              skald_extent extent) {
    const uint64_t stride = sk_align((uint64_t)width * sizeof(float), SK_CACHE_LINE);
    const skald_rows rows = {buffer, *at, stride, n_rows, width, SKALD_F32, extent};
    *at = sk_add(*at, sk_mul(stride, n_rows));
    return rows;
}

void sk_activations_layout(sk_activations *r, const sk_config *c, skald_buffer *buffer, uint32_t n_rows,
                           uint32_t n_logits) {
    uint64_t at = 0;
    *r = (sk_activations){0};
    r->x = sk_activation_rows(&at, buffer, n_rows, c->n_embd, SKALD_EXTENT_ROWS);
    for (uint32_t i = 0; i < c->n_rotations; i++)
        r->angles[i] = sk_activation_rows(&at, buffer, n_rows, 2 * c->rotation[i].n_pairs, SKALD_EXTENT_ROWS);
    r->y = sk_activation_rows(&at, buffer, n_logits, c->n_embd, SKALD_EXTENT_WANTED);
    r->logits = sk_activation_rows(&at, buffer, n_logits, c->n_vocab, SKALD_EXTENT_LOGITS);
    r->work = at;
}

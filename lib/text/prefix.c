/* Tokens that may stand where certain bytes must come next. */
#include "text/prefix.h"
#include <math.h>
#include <string.h>

static bool is_word(const sk_vocab *v, uint32_t id) {
    return v->type[id] == SK_TOKEN_NORMAL || v->type[id] == SK_TOKEN_USER || v->type[id] == SK_TOKEN_BYTE;
}

void sk_vocab_require(float *logits, uint32_t n_logits, const sk_vocab *v, const uint8_t *wanted, size_t n_bytes) {
    for (uint32_t id = 0; id < n_logits; id++) {
        const uint32_t length = id < v->n_tokens ? sk_vocab_length(v, id) : 0;
        const size_t common = length < n_bytes ? length : n_bytes;
        const bool agrees = length && is_word(v, id) && memcmp(v->bytes + v->start[id], wanted, common) == 0;
        if (!agrees) logits[id] = -INFINITY;
    }
}

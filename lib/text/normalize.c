#include "text/normalize.h"
#include "text/alphabet.h"
#include <string.h>

/* U+2581 in a text is a space to SentencePiece, because it writes spaces so. */
static skald_status normalize_spaces(sk_work *w, sk_plain *plain, bool prefix) {
    if (!prefix && sk_space_mark(plain->text, plain->n_bytes) == plain->n_bytes) return SKALD_OK;
    uint8_t *to = sk_borrow(w, &w->text, plain->n_bytes + 1ull);
    if (!to) return SKALD_MEMORY;
    to[0] = ' ';
    const uint32_t n = sk_unspell(to + prefix, SK_ALPHABET_SPACES, (const char *)plain->text, plain->n_bytes);
    *plain = (sk_plain){to, n + (size_t)prefix};
    return SKALD_OK;
}

skald_status sk_normalize(sk_work *w, sk_plain *plain, bool begins) {
    const sk_vocab *v = w->vocab;
    if (v->kind == SK_VOCAB_BYTE_BPE || plain->n_bytes == 0) return SKALD_OK;
    return normalize_spaces(w, plain, begins && v->space_prefix);
}

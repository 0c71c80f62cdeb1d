#include "text/normalize.h"
#include "text/alphabet.h"
#include "text/nfc.h"
#include "text/unicode.h"
#include "text/wordpiece.h"
#include <string.h>

/* ---- SentencePiece: characters by its map, then the rules about spaces */

typedef struct {
    uint8_t *to;        /* NULL: only the length is wanted */
    size_t n, n_spaces; /* of them at the end */
} writer;

static void put(writer *w, const uint8_t *bytes, size_t n) {
    if (w->to) memcpy(w->to + w->n, bytes, n);
    w->n += n;
    w->n_spaces = n == 1 && bytes[0] == ' ' ? w->n_spaces + 1 : 0;
}

/* What the next character, or more of them, become; returns their length. U+2581 is a space, as SentencePiece writes it. */
static uint32_t next_mapped(const sk_vocab *v, const uint8_t *text, size_t n_bytes, sk_plain *to) {
    uint32_t code, n_to, length = sk_charsmap_find(&v->charsmap, text, n_bytes, &to->text, &n_to);
    if (length) return to->n_bytes = n_to, length;
    length = sk_utf8_next(&code, text, n_bytes);
    *to = code == 0x2581 ? (sk_plain){(const uint8_t *)" ", 1} : (sk_plain){text, length};
    return length;
}

static size_t put_pieces(const sk_vocab *v, uint8_t *to, sk_plain plain) {
    writer w = {to, 0, 0};
    bool after_space = v->remove_spaces, begun = false;
    sk_plain mapped;
    for (size_t at = 0; at < plain.n_bytes;) {
        at += next_mapped(v, plain.text + at, plain.n_bytes - at, &mapped);
        for (; after_space && mapped.n_bytes && mapped.text[0] == ' '; mapped.n_bytes--) mapped.text++;
        if (mapped.n_bytes == 0) continue;
        if (!begun && v->space_prefix) put(&w, (const uint8_t *)" ", 1);
        begun = true;
        for (size_t i = 0; i < mapped.n_bytes; i++) put(&w, mapped.text + i, 1);
        after_space = v->remove_spaces && mapped.text[mapped.n_bytes - 1] == ' ';
    }
    return w.n - (v->remove_spaces ? w.n_spaces : 0);
}

static skald_status normalize_pieces(sk_work *w, sk_plain *plain) {
    const sk_vocab *v = w->vocab;
    const bool any_change = v->space_prefix || v->remove_spaces || v->charsmap.n_units;
    if (!any_change && sk_space_mark(plain->text, plain->n_bytes) == plain->n_bytes) return SKALD_OK;
    const size_t n = put_pieces(v, NULL, *plain);
    uint8_t *to = n ? sk_borrow(w, &w->text, n + 1ull) : NULL; /* a space at the end may be written and not counted */
    if (n && !to) return SKALD_MEMORY;
    if (n) put_pieces(v, to, *plain);
    *plain = (sk_plain){to, n};
    return SKALD_OK;
}

skald_status sk_normalize(sk_work *w, sk_plain *plain) {
    switch (w->vocab->kind) {
    case SK_VOCAB_BYTE_BPE: return w->vocab->nfc ? sk_nfc(w, plain) : SKALD_OK;
    case SK_VOCAB_WORDPIECE: return sk_wordpiece_normalize(w, plain);
    default: return normalize_pieces(w, plain);
    }
}

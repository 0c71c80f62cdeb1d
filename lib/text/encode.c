/* A text, left to right: special tokens are cut out, what stands between falls into words, words become tokens. */
#include "text/encode.h"
#include "text/bpe.h"
#include "text/normalize.h"

#define LONGEST_TEXT 0x7fffffffu

/* ---- what stands between special tokens */

static skald_status encode_word(sk_work *w, const uint8_t *word, size_t n) {
    const int32_t whole = w->vocab->ignore_merges ? sk_vocab_find(w->vocab, word, n) : -1;
    if (whole >= 0) return sk_give_id(w, whole), SKALD_OK;
    return sk_bpe_word(w, word, (uint32_t)n);
}

static skald_status encode_split(sk_work *w, sk_plain plain) {
    sk_words words;
    const uint8_t *word;
    size_t n;
    skald_status s = SKALD_OK;
    sk_words_begin(&words, w->vocab->split, w->vocab->n_splits, plain.text, plain.n_bytes);
    while (s == SKALD_OK && sk_words_next(&words, &word, &n)) s = encode_word(w, word, n);
    return s;
}

/* SentencePiece has no words. Where two bytes meet that stand side by side in no token, no merge can reach across: the
 * text may be cut there. */
static skald_status encode_joined(sk_work *w, sk_plain plain) {
    const uint8_t *joins = w->vocab->joins, *text = plain.text;
    skald_status s = SKALD_OK;
    for (size_t begin = 0, end; begin < plain.n_bytes && s == SKALD_OK; begin = end) {
        end = begin + 1;
        while (end < plain.n_bytes && joins[text[end - 1] * 32u + text[end] / 8u] >> text[end] % 8 & 1) end++;
        s = sk_bpe_word(w, text + begin, (uint32_t)(end - begin));
    }
    return s;
}

static skald_status encode_plain(sk_work *w, const uint8_t *text, size_t n_bytes, bool begins) {
    sk_plain plain = {text, n_bytes};
    skald_status s = sk_normalize(w, &plain, begins);
    if (s != SKALD_OK) return s;
    return w->vocab->kind == SK_VOCAB_BYTE_BPE ? encode_split(w, plain) : encode_joined(w, plain);
}

/* ---- a text */

static skald_status encode_text(sk_work *w, bool control, const uint8_t *text, size_t n_bytes) {
    const sk_vocab *v = w->vocab;
    size_t plain = 0, at = 0, length;
    bool begins = true;
    skald_status s = SKALD_OK;
    while (at < n_bytes && s == SKALD_OK) {
        const bool may = v->special_begins[text[at] / 8] >> text[at] % 8 & 1;
        const int32_t id = may ? sk_vocab_special(v, control, text + at, n_bytes - at, &length) : -1;
        if (id < 0) {
            at++;
            continue;
        }
        if (at > plain) s = encode_plain(w, text + plain, at - plain, begins);
        sk_give_id(w, id);
        begins = v->type[id] != SK_TOKEN_USER;
        plain = at += length;
    }
    return s == SKALD_OK && plain < n_bytes ? encode_plain(w, text + plain, n_bytes - plain, begins) : s;
}

skald_status sk_encode(int32_t *ids, uint32_t *n_ids, const sk_vocab *vocab, const skald_allocator *memory,
                       skald_encode_flags flags, const char *text, size_t n_bytes) {
    if (!n_ids || (!ids && *n_ids) || (!text && n_bytes) || n_bytes > LONGEST_TEXT) return SKALD_ARGUMENT;
    if (flags & ~(skald_encode_flags)(SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS)) return SKALD_ARGUMENT;
    sk_work w;
    sk_work_begin(&w, vocab, memory, ids, *n_ids);
    if (flags & SKALD_ENCODE_BOS && vocab->add_bos) sk_give_id(&w, vocab->role[SKALD_TOKEN_BOS]);
    const skald_status s = encode_text(&w, flags & SKALD_ENCODE_SPECIAL, (const uint8_t *)text, n_bytes);
    sk_work_end(&w);
    if (s != SKALD_OK) return s;
    *n_ids = w.n_ids;
    return w.n_ids <= w.room ? SKALD_OK : SKALD_SHORT;
}

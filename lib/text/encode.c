/* A text, left to right: special tokens are cut out, what stands between falls into words, words become tokens. */
#include "text/encode.h"
#include "text/bpe.h"
#include "text/normalize.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

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

/* SentencePiece has no words. Where two bytes meet that stand side by side in no token, none can reach across: the text
 * may be cut there. */
static skald_status encode_joined(sk_work *w, sk_plain plain) {
    const uint8_t *joins = w->vocab->joins, *text = plain.text;
    const bool unigram = w->vocab->kind == SK_VOCAB_UNIGRAM;
    skald_status s = SKALD_OK;
    for (size_t begin = 0, end; begin < plain.n_bytes && s == SKALD_OK; begin = end) {
        end = begin + 1;
        while (end < plain.n_bytes && joins[text[end - 1] * 32u + text[end] / 8u] >> text[end] % 8 & 1) end++;
        const uint32_t n = (uint32_t)(end - begin);
        s = unigram ? sk_unigram_word(w, text + begin, n) : sk_bpe_word(w, text + begin, n);
    }
    return s;
}

/* Each word has a space in front. */
static void encode_spaced(sk_work *w, sk_plain plain) {
    for (size_t begin = 0, end; begin < plain.n_bytes; begin = end) {
        for (end = begin + 1; end < plain.n_bytes && plain.text[end] != ' ';) end++;
        sk_wordpiece_word(w, plain.text + begin, (uint32_t)(end - begin));
    }
}

static skald_status encode_plain(sk_work *w, const uint8_t *text, size_t n_bytes) {
    sk_plain plain = {text, n_bytes};
    w->score = 0;
    skald_status s = n_bytes ? sk_normalize(w, &plain) : SKALD_OK;
    if (s != SKALD_OK) return s;
    if (w->vocab->kind == SK_VOCAB_BYTE_BPE) return encode_split(w, plain);
    if (w->vocab->kind != SK_VOCAB_WORDPIECE) return encode_joined(w, plain);
    encode_spaced(w, plain);
    return SKALD_OK;
}

/* ---- a text */

typedef struct {
    const uint8_t *text, *stranger; /* stranger may be NULL */
    size_t n_bytes;
    size_t own; /* where the host's own bytes end that have been looked at last */
    bool control;
} whole;

/* The special token at `at`, -1: none. A control token must end where the host's own bytes do, a user's need not, unless it ends
 * answers: some files have <|im_end|> among a user's. */
static int32_t special_at(const sk_vocab *v, whole *w, size_t at, size_t *length) {
    const uint8_t *text = w->text + at;
    const size_t n = w->n_bytes - at;
    size_t shorter;
    if (!(v->special_begins[text[0] / 8] >> text[0] % 8 & 1)) return -1;
    if (!w->control || !w->stranger) return sk_vocab_special(v, w->control, text, n, length);
    if (w->own < at) w->own = at;
    while (w->own < w->n_bytes && !w->stranger[w->own]) w->own++;
    const int32_t control = sk_vocab_special(v, true, text, w->own - at, &shorter);
    int32_t user = sk_vocab_special(v, false, text, n, length);
    if (user >= 0 && *length > w->own - at && sk_vocab_is_end(v, user)) user = -1;
    if (control < 0 || (user >= 0 && *length > shorter)) return user;
    *length = shorter;
    return control;
}

static skald_status encode_text(sk_work *work, whole *w) {
    size_t plain = 0, at = 0, length;
    skald_status s = SKALD_OK;
    while (at < w->n_bytes && s == SKALD_OK) {
        const int32_t id = special_at(work->vocab, w, at, &length);
        if (id < 0) {
            at++;
            continue;
        }
        s = encode_plain(work, w->text + plain, at - plain);
        sk_give_id(work, id);
        plain = at += length;
    }
    return s == SKALD_OK ? encode_plain(work, w->text + plain, at - plain) : s;
}

static bool begins_with(const sk_vocab *v, whole *w, int32_t id) {
    size_t length;
    return w->n_bytes > 0 && special_at(v, w, 0, &length) == id;
}

#define KNOWN_FLAGS (skald_encode_flags)(SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS | SKALD_ENCODE_EOS)

skald_status sk_encode_guarded(int32_t *ids, uint32_t *n_ids, const sk_vocab *v, const skald_allocator *memory,
                               skald_encode_flags flags, const char *text, const uint8_t *stranger, size_t n_bytes) {
    if (!n_ids || (!ids && *n_ids) || (!text && n_bytes) || n_bytes > LONGEST_TEXT) return SKALD_ARGUMENT;
    if (flags & ~KNOWN_FLAGS) return SKALD_ARGUMENT;
    whole w = {(const uint8_t *)text, stranger, n_bytes, 0, flags & SKALD_ENCODE_SPECIAL};
    const int32_t bos = v->role[SKALD_TOKEN_BOS];
    sk_work work;
    sk_work_begin(&work, v, memory, ids, *n_ids);
    if (flags & SKALD_ENCODE_BOS && v->add_bos && !begins_with(v, &w, bos)) sk_give_id(&work, bos);
    const skald_status s = encode_text(&work, &w);
    sk_work_end(&work);
    if (s != SKALD_OK) return s;
    if (flags & SKALD_ENCODE_EOS && v->add_eos) sk_give_id(&work, v->role[SKALD_TOKEN_EOS]);
    *n_ids = work.n_ids;
    return work.n_ids <= work.room ? SKALD_OK : SKALD_SHORT;
}

skald_status sk_encode(int32_t *ids, uint32_t *n_ids, const sk_vocab *vocab, const skald_allocator *memory,
                       skald_encode_flags flags, const char *text, size_t n_bytes) {
    return sk_encode_guarded(ids, n_ids, vocab, memory, flags, text, NULL, n_bytes);
}

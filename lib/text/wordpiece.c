#include "text/wordpiece.h"
#include "text/normal.h"
#include "text/unicode.h"

#define LONGEST_WORD 100u /* characters; a longer one is unknown */

/* ---- words */

typedef struct {
    uint8_t *to; /* NULL: only the length is wanted */
    size_t n;
    bool inside; /* a word has begun */
} writer;

static bool is_white(uint32_t code, uint32_t kind) {
    return kind == SK_UNICODE_Zs || kind == SK_UNICODE_Zl || kind == SK_UNICODE_Zp || code == '\t' || code == '\n' ||
           code == '\r';
}

static bool is_other(uint32_t kind) {
    return kind == SK_UNICODE_Cc || kind == SK_UNICODE_SPACE_CONTROL || kind == SK_UNICODE_Cf ||
           kind == SK_UNICODE_Cs || kind == SK_UNICODE_Co || kind == SK_UNICODE_Cn;
}

static bool is_punctuation(uint32_t code, uint32_t kind) {
    if (code < 0x80)
        return code > ' ' && code < 0x7f && kind != SK_UNICODE_Lu && kind != SK_UNICODE_Ll && kind != SK_UNICODE_Nd;
    return kind >= SK_UNICODE_Pc && kind <= SK_UNICODE_Po;
}

/* The blocks of ideographs that stand for a word each. */
static bool is_ideograph(uint32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static void put_code(writer *w, uint32_t code) {
    const bool alone = is_punctuation(code, sk_unicode_kind(code));
    if (alone || !w->inside) {
        if (w->to) w->to[w->n] = ' ';
        w->n++;
    }
    w->n += sk_utf8_put(w->to ? w->to + w->n : NULL, code);
    w->inside = !alone;
}

/* Without accents a character is what is left of its decomposition when the marks are gone. */
static void put_character(const sk_vocab *v, writer *w, uint32_t code) {
    uint32_t codes[SK_DECOMPOSED] = {code};
    const uint32_t n = v->strip_accents ? sk_decompose(codes, code) : 1;
    for (uint32_t i = 0; i < n; i++) {
        if (v->strip_accents && sk_unicode_kind(codes[i]) == SK_UNICODE_Mn) continue;
        put_code(w, v->lowercase ? sk_lower(codes[i]) : codes[i]);
        if (v->lowercase && codes[i] == 0x130) put_code(w, 0x307); /* the one that becomes two */
    }
}

static size_t put_words(const sk_vocab *v, uint8_t *to, sk_plain plain) {
    writer w = {to, 0, false};
    uint32_t code, length;
    for (size_t at = 0; at < plain.n_bytes; at += length) {
        length = sk_utf8_next(&code, plain.text + at, plain.n_bytes - at);
        const uint32_t kind = sk_unicode_kind(code);
        if (code == 0 || code == SK_UTF8_INVALID || (is_other(kind) && !is_white(code, kind))) continue;
        if (is_white(code, kind)) {
            w.inside = false;
            continue;
        }
        if (is_ideograph(code)) w.inside = false;
        put_character(v, &w, code);
        if (is_ideograph(code)) w.inside = false;
    }
    return w.n;
}

skald_status sk_wordpiece_normalize(sk_work *w, sk_plain *plain) {
    const size_t n = put_words(w->vocab, NULL, *plain);
    uint8_t *to = n ? sk_borrow(w, &w->text, n) : NULL;
    if (n && !to) return SKALD_MEMORY;
    if (n) put_words(w->vocab, to, *plain);
    *plain = (sk_plain){to, n};
    return SKALD_OK;
}

/* ---- tokens */

static bool continues(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/* The longest token at the beginning of the word, -1: none. */
static int32_t longest_token(const sk_vocab *v, const uint8_t *word, uint32_t n, uint32_t *length) {
    for (*length = n < v->longest ? n : v->longest; *length > 0; --*length) {
        if (*length < n && continues(word[*length])) continue;
        const int32_t id = sk_vocab_find(v, word, *length);
        if (id >= 0) return id;
    }
    return -1;
}

void sk_wordpiece_word(sk_work *w, const uint8_t *word, uint32_t n_bytes) {
    const uint32_t before = w->n_ids;
    uint32_t n_characters = 0, length;
    for (uint32_t i = 1; i < n_bytes; i++) n_characters += !continues(word[i]);
    bool known = n_characters <= LONGEST_WORD;
    for (uint32_t at = 0; at < n_bytes && known; at += length) {
        const int32_t id = longest_token(w->vocab, word + at, n_bytes - at, &length);
        known = id >= 0;
        if (known) sk_give_id(w, id);
    }
    if (known) return;
    w->n_ids = before; /* a word is known as a whole or not at all */
    if (w->vocab->role[SKALD_TOKEN_UNKNOWN] >= 0) sk_give_id(w, w->vocab->role[SKALD_TOKEN_UNKNOWN]);
}

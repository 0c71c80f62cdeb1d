/* A text is cut before each starter that nothing before it can change, and each part is worked on alone. Most parts are
 * one character; one of n characters takes n steps, because marks are sorted by counting their classes. */
#include "text/nfc.h"
#include "text/normal.h"
#include "text/unicode.h"
#include <string.h>

#define FIRST_MARK 0x300u /* all below are starters in form C that join nothing before them */
#define CLASS(c)   ((c) >> 24)
#define CODE(c)    ((c)&0xffffffu)

typedef struct {
    const uint8_t *text;
    size_t n_bytes;
    size_t end;       /* of the part */
    uint32_t n_codes; /* of the part, decomposed */
    bool normal;      /* the part is in form C */
} part;

/* The part that begins at `at`, where the last one ended. */
static void find_part(part *p, size_t at) {
    uint32_t code, last = 0, fallen[SK_DECOMPOSED];
    p->n_codes = 0;
    p->normal = true;
    for (p->end = at; p->end < p->n_bytes;) {
        const uint32_t length = sk_utf8_next(&code, p->text + p->end, p->n_bytes - p->end);
        const sk_normal_kind kind = code < FIRST_MARK ? (sk_normal_kind){0} : sk_normal_kind_of(code);
        const bool stray = length == 1 && code >= 0x80; /* a byte of no character: a part of its own */
        if (p->end > at && kind.class == 0 && !kind.joins) return;
        if (kind.joins || (kind.class && kind.class < last)) p->normal = false;
        last = kind.class;
        p->n_codes += sk_decompose(fallen, code);
        p->end += length;
        if (stray) return;
    }
}

/* Stable, by class, between starters. `spare` is as long. */
static void order(uint32_t *codes, uint32_t *spare, uint32_t n) {
    for (uint32_t begin = 0, end; begin < n; begin = end + 1) {
        for (end = begin; end < n && CLASS(codes[end]);) end++;
        if (end - begin < 2) continue;
        uint32_t count[256] = {0}, sum = 0;
        for (uint32_t i = begin; i < end; i++) count[CLASS(codes[i])]++;
        for (uint32_t c = 0; c < 256; c++) {
            const uint32_t before = sum;
            sum += count[c];
            count[c] = before;
        }
        memcpy(spare, codes + begin, (end - begin) * sizeof *codes);
        for (uint32_t i = 0; i < end - begin; i++) codes[begin + count[CLASS(spare[i])]++] = spare[i];
    }
}

/* Joins each character to the last starter unless one between them has its class or a higher one. Returns how many are
 * left. */
static uint32_t compose(uint32_t *codes, uint32_t n) {
    uint32_t kept = 0, starter = UINT32_MAX;
    int64_t last = -1; /* class of what stands behind the starter, -1: nothing */
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t class = CLASS(codes[i]);
        const uint32_t joined =
            starter < n && last < (int64_t) class ? sk_compose(CODE(codes[starter]), CODE(codes[i])) : 0;
        if (joined) {
            codes[starter] = joined;
            continue;
        }
        if (class == 0) starter = kept;
        last = class == 0 ? -1 : (int64_t) class;
        codes[kept++] = codes[i];
    }
    return kept;
}

/* Writes a part in form C behind `to` (NULL: only its length is wanted). `codes` has room for it twice. */
static size_t put_part(uint8_t *to, const part *p, size_t at, uint32_t *codes) {
    if (p->normal) {
        if (to) memcpy(to, p->text + at, p->end - at);
        return p->end - at;
    }
    uint32_t n = 0, code;
    for (size_t length; at < p->end; at += length) {
        length = sk_utf8_next(&code, p->text + at, p->n_bytes - at);
        for (uint32_t left = sk_decompose(codes + n, code); left > 0; left--, n++)
            codes[n] |= (uint32_t)sk_normal_kind_of(codes[n]).class << 24;
    }
    order(codes, codes + n, n);
    n = compose(codes, n);
    size_t n_bytes = 0;
    for (uint32_t i = 0; i < n; i++) n_bytes += sk_utf8_put(to ? to + n_bytes : NULL, CODE(codes[i]));
    return n_bytes;
}

static size_t put_all(uint8_t *to, part *p, uint32_t *codes) {
    size_t n_bytes = 0;
    for (size_t at = 0; at < p->n_bytes; at = p->end) {
        find_part(p, at);
        n_bytes += put_part(to ? to + n_bytes : NULL, p, at, codes);
    }
    return n_bytes;
}

/* Code points of the longest part that changes; 0: none does. */
static uint32_t longest_change(part *p) {
    uint32_t longest = 0;
    for (size_t at = 0; at < p->n_bytes; at = p->end) {
        if (p->text[at] < 0x80 && (at + 1 == p->n_bytes || p->text[at + 1] < 0x80)) {
            p->end = at + 1; /* what most texts are made of */
            continue;
        }
        find_part(p, at);
        if (!p->normal && p->n_codes > longest) longest = p->n_codes;
    }
    return longest;
}

skald_status sk_nfc(sk_work *w, sk_plain *plain) {
    part p = {.text = plain->text, .n_bytes = plain->n_bytes};
    const uint32_t longest = longest_change(&p);
    if (longest == 0) return SKALD_OK;
    const bool is_short = 2 * longest + SK_DECOMPOSED <= sizeof w->stack / sizeof *w->stack;
    uint32_t *codes = is_short ? w->stack : sk_borrow(w, &w->word, (2ull * longest + SK_DECOMPOSED) * sizeof *codes);
    if (!codes) return SKALD_MEMORY;
    const size_t n_bytes = put_all(NULL, &p, codes);
    uint8_t *to = sk_borrow(w, &w->text, n_bytes);
    if (!to) return SKALD_MEMORY;
    *plain = (sk_plain){to, put_all(to, &p, codes)};
    return SKALD_OK;
}

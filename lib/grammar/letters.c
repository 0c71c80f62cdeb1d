#include "grammar/letters.h"
#include "base/utf8.h"
#include <string.h>

/* The escape of a character that needs one; 0: it stands by itself. */
static uint32_t escape_of(uint32_t code, char out[6]) {
    static const char hex[] = "0123456789abcdef", plain[] = "\b\f\n\r\t\"\\", letter[] = "bfnrt\"\\";
    const char *at = code && code < 0x80 ? strchr(plain, (int)code) : NULL;
    out[0] = '\\';
    if (at) return out[1] = letter[at - plain], 2;
    if (code >= 0x20) return 0;
    memcpy(out + 1, "u00", 3);
    out[4] = hex[code >> 4], out[5] = hex[code & 15];
    return 6;
}

sk_expr sk_letters(sk_draft *d, const sk_code_range *ranges, uint32_t n, bool negated) {
    sk_code_range all[300];
    uint32_t n_plain = 0;
    sk_code_range plain[300];
    if (n > 250) n = 250; /* the readers of classes allow fewer */
    if (n) memcpy(all, ranges, n * sizeof *all);
    n = sk_ranges_normalize(all, n, negated);
    sk_expr e = SK_EXPR_NOTHING;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t next = all[i].low;
        char text[6];
        for (uint32_t code = all[i].low; code <= all[i].high && code <= '\\'; code++) {
            const uint32_t length = escape_of(code, text);
            if (!length) continue;
            if (code > next) plain[n_plain++] = (sk_code_range){next, code - 1};
            next = code + 1;
            e = sk_expr_or(d, e, sk_expr_text(d, text, length));
        }
        if (next <= all[i].high) plain[n_plain++] = (sk_code_range){next, all[i].high};
    }
    return n_plain ? sk_expr_or(d, sk_expr_chars(d, plain, n_plain, false), e) : e;
}

size_t sk_letters_write(char *to, const char *text, size_t n_bytes) {
    size_t length = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        char escape[6];
        const uint32_t n = escape_of((unsigned char)text[i], escape);
        if (to) memcpy(to + length, n ? escape : text + i, n ? n : 1);
        length += n ? n : 1;
    }
    return length;
}

/* ---- several texts */

static int before(const sk_word *a, const sk_word *b) {
    const int order = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

void sk_word_sort(sk_word *w, uint32_t n) { /* heap sort */
    for (uint32_t built = n / 2, end = n; end > 1;) {
        if (built) {
            built--;
        } else {
            const sk_word top = w[0];
            w[0] = w[--end];
            w[end] = top;
        }
        for (uint32_t root = built, child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && before(&w[child], &w[child + 1]) < 0) child++;
            if (before(&w[root], &w[child]) >= 0) break;
            const sk_word swap = w[root];
            w[root] = w[child], w[child] = swap;
        }
    }
}

/* Sorted words that agree in their first `from` bytes. */
static sk_expr factor(sk_draft *d, const sk_word *w, uint32_t n, uint32_t from, uint32_t depth) {
    sk_expr e = SK_EXPR_NOTHING;
    uint32_t i = 0;
    for (; i < n && w[i].n == from; i++) e = SK_EXPR_EMPTY;
    while (i < n && d->status == SKALD_OK) {
        uint32_t end = i + 1, shared = w[i].n;
        while (end < n && w[end].text[from] == w[i].text[from]) end++;
        for (uint32_t k = from; k < shared; k++) /* sorted: the first and the last differ first */
            if (k >= w[end - 1].n || w[end - 1].text[k] != w[i].text[k]) shared = k;
        const bool splits = end - i > 1 && depth < SK_GRAMMAR_DEPTH;
        if (!splits && end - i > 1) end = i + 1;
        if (!splits) shared = w[i].n;
        sk_expr tail = splits ? factor(d, w + i, end - i, shared, depth + 1) : SK_EXPR_EMPTY;
        e = sk_expr_or(d, e, sk_expr_then(d, sk_expr_text(d, w[i].text + from, shared - from), tail));
        i = end;
    }
    return e;
}

sk_expr sk_word_any(sk_draft *d, sk_word *words, uint32_t n) {
    sk_word_sort(words, n);
    return factor(d, words, n, 0, 0);
}

/* Texts: put together with the origin of each byte, cut, searched, stripped, in upper and lower case. */
#include "template/value.h"
#include "base/utf8.h"
#include "template/cases.h"
#include "text/unicode.h"
#include <string.h>

/* ---- building */

static bool grow(sk_run *r, sk_builder *b, uint64_t n) {
    uint64_t room = b->room ? b->room : 64;
    while (room < n) room *= 2;
    if (room > UINT32_MAX / 2) return sk_run_fail(r, SKALD_FORMAT, "a text grows too long");
    char *bytes = sk_run_take(r, 2 * room);
    if (!bytes) return false;
    uint8_t *marks = (uint8_t *)bytes + room;
    if (b->n) memcpy(bytes, b->bytes, b->n), memcpy(marks, b->marks, b->n);
    b->bytes = bytes;
    b->marks = marks;
    b->room = (uint32_t)room;
    return true;
}

static bool make_room(sk_run *r, sk_builder *b, uint64_t n) {
    return sk_run_work(r, n / 64) && (b->n + n <= b->room || grow(r, b, b->n + n));
}

bool sk_put(sk_run *r, sk_builder *b, const char *bytes, uint64_t n, sk_origin origin) {
    if (n == 0) return true;
    if (!make_room(r, b, n)) return false;
    memcpy(b->bytes + b->n, bytes, (size_t)n);
    memset(b->marks + b->n, origin == SK_FROM_DATA, (size_t)n);
    b->n += (uint32_t)n;
    b->seen |= origin == SK_FROM_DATA ? 2 : 1;
    return true;
}

bool sk_put_word(sk_run *r, sk_builder *b, const char *text, sk_origin origin) {
    return sk_put(r, b, text, strlen(text), origin);
}

bool sk_put_text(sk_run *r, sk_builder *b, sk_value text) {
    if (text.origin != SK_FROM_BOTH) return sk_put(r, b, text.as.text, text.n, (sk_origin)text.origin);
    if (!make_room(r, b, text.n)) return false;
    memcpy(b->bytes + b->n, text.as.text, text.n);
    memcpy(b->marks + b->n, text.marks, text.n);
    b->n += text.n;
    b->seen |= 3;
    return true;
}

bool sk_put_int(sk_run *r, sk_builder *b, int64_t n, sk_origin origin) {
    char digits[24];
    uint32_t k = sizeof digits;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do digits[--k] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (n < 0) digits[--k] = '-';
    return sk_put(r, b, digits + k, sizeof digits - k, origin);
}

sk_value sk_built(const sk_builder *b) {
    sk_value v = sk_value_text(b->bytes ? b->bytes : "", b->n, SK_FROM_TEMPLATE);
    if (b->seen == 2) v.origin = SK_FROM_DATA;
    if (b->seen == 3) v.origin = SK_FROM_BOTH, v.marks = b->marks;
    return v;
}

/* ---- characters */

uint32_t sk_char_length(sk_value text, uint32_t at) {
    size_t n = sk_utf8_length((const unsigned char *)text.as.text + at, text.n - at);
    return n ? (uint32_t)n : 1;
}

uint32_t sk_char_at(sk_value text, uint32_t at) {
    uint32_t code;
    sk_utf8_next(&code, (const uint8_t *)text.as.text + at, text.n - at);
    return code;
}

uint32_t sk_text_chars(sk_value text) {
    uint32_t n = 0;
    for (uint32_t at = 0; at < text.n; n++) at += sk_char_length(text, at);
    return n;
}

/* As str.isspace: Unicode's white space and the separators 0x1c ... 0x1f. */
bool sk_char_is_space(uint32_t code) {
    if (code < 0x80) return code == ' ' || (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x1f);
    uint32_t kind = sk_unicode_kind(code);
    return kind == SK_UNICODE_Zs || kind == SK_UNICODE_Zl || kind == SK_UNICODE_Zp || code == 0x85;
}

/* White space where `chars` is NULL. */
static bool strips(sk_run *r, const sk_value *chars, uint32_t code) {
    if (!chars) return sk_char_is_space(code);
    if (!sk_run_work(r, chars->n / 16)) return false;
    for (uint32_t at = 0; at < chars->n; at += sk_char_length(*chars, at))
        if (sk_char_at(*chars, at) == code) return true;
    return false;
}

static uint32_t last_char(sk_value text) {
    uint32_t at = text.n - 1;
    while (at > 0 && text.n - at < 4 && ((unsigned char)text.as.text[at] & 0xc0) == 0x80) at--;
    return sk_char_length(text, at) == text.n - at ? at : text.n - 1;
}

static sk_value strip(sk_run *r, sk_value text, const sk_value *chars, bool left, bool right) {
    while (left && text.n && strips(r, chars, sk_char_at(text, 0))) {
        uint32_t n = sk_char_length(text, 0);
        text = sk_value_part(text, n, text.n - n);
    }
    while (right && text.n && strips(r, chars, sk_char_at(text, last_char(text)))) text.n = last_char(text);
    return text;
}

sk_value sk_text_strip(sk_value text, bool left, bool right) { return strip(NULL, text, NULL, left, right); }

bool sk_text_strip_of(sk_run *r, sk_value *out, sk_value text, sk_value chars, bool left, bool right) {
    *out = strip(r, text, &chars, left, right);
    return sk_run_work(r, (text.n - out->n) / 4);
}

bool sk_text_stands(sk_run *r, sk_value text, sk_value part, uint32_t from) {
    return from <= text.n && part.n <= text.n - from && sk_run_work(r, part.n / 64) &&
           memcmp(text.as.text + from, part.as.text, part.n) == 0;
}

uint32_t sk_text_find(sk_run *r, sk_value text, sk_value part, uint32_t from) {
    if (part.n == 0) return from <= text.n ? from : UINT32_MAX;
    while (from < text.n && part.n <= text.n - from) {
        const char *hit = memchr(text.as.text + from, part.as.text[0], text.n - from - part.n + 1);
        if (!hit) break;
        from = (uint32_t)(hit - text.as.text);
        if (sk_text_stands(r, text, part, from)) return from;
        if (r->status != SKALD_OK) break;
        from++;
    }
    return UINT32_MAX;
}

static bool ends_line(uint32_t code) {
    return (code >= 0x0a && code <= 0x0d) || (code >= 0x1c && code <= 0x1e) || code == 0x85 || code == 0x2028 ||
           code == 0x2029;
}

bool sk_text_line(sk_value text, uint32_t *at, sk_value *line) {
    uint32_t begin = *at, i = begin;
    if (begin >= text.n) return false;
    while (i < text.n && !ends_line(sk_char_at(text, i))) i += sk_char_length(text, i);
    *line = sk_value_part(text, begin, i - begin);
    if (i < text.n) {
        bool pair = text.as.text[i] == '\r' && i + 1 < text.n && text.as.text[i + 1] == '\n';
        i += pair ? 2 : sk_char_length(text, i);
    }
    *at = i;
    return true;
}

/* ---- cases: ASCII in place, the rest by a table of ranges */

static uint32_t other_case(uint32_t code, enum sk_case to) {
    if (code < 0x80) {
        if (to == SK_UPPER) return code >= 'a' && code <= 'z' ? code - 32 : code;
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    }
    const sk_case_range *ranges = to == SK_UPPER ? sk_to_upper : sk_to_lower;
    size_t low = 0, high = to == SK_UPPER ? SK_N_TO_UPPER : SK_N_TO_LOWER;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].last < code) low = middle + 1;
        else high = middle;
    }
    const size_t n = to == SK_UPPER ? SK_N_TO_UPPER : SK_N_TO_LOWER;
    if (low == n || code < ranges[low].first || (code - ranges[low].first) % ranges[low].step) return code;
    return (uint32_t)((int32_t)code + ranges[low].delta);
}

bool sk_put_case(sk_run *r, sk_builder *b, sk_value text, enum sk_case to) {
    for (uint32_t at = 0, n; at < text.n; at += n) {
        char out[4];
        n = sk_char_length(text, at);
        uint32_t code = sk_char_at(text, at), other = other_case(code, to);
        sk_origin origin = text.marks ? (sk_origin)text.marks[at] : (sk_origin)text.origin;
        bool put = other == code ? sk_put(r, b, text.as.text + at, n, origin)
                                 : sk_put(r, b, out, sk_utf8_encode(other, out), origin);
        if (!put) return false;
    }
    return sk_run_work(r, text.n / 16);
}

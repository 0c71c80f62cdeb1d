/* Running a split expression: one table look-up per character. */
#include "text/split.h"

static uint32_t class_at(const sk_split *split, const uint8_t *text, size_t n_bytes, uint32_t *length) {
    uint32_t code, low = 0, high = split->n_segments;
    *length = sk_utf8_next(&code, text, n_bytes);
    if (code < 128) return split->ascii[code];
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (split->segment[middle] <= code) low = middle;
        else high = middle;
    }
    return split->class_of[split->row[low]][sk_unicode_kind(code)];
}

size_t sk_split_match(const sk_split *split, const uint8_t *text, size_t n_bytes) {
    size_t at = 0, end = 0;
    uint32_t state = 1, length;
    while (state && at < n_bytes) {
        uint32_t cell = split->next[state * split->n_classes + class_at(split, text + at, n_bytes - at, &length)];
        if (cell & 0x80u) end = at;
        state = cell & 0x7fu;
        at += length;
    }
    if (state && split->next[(state + 1) * split->n_classes - 1] & 0x80u) end = at;
    return end;
}

size_t sk_split_piece(const sk_split *split, const uint8_t *text, size_t n_bytes) {
    size_t at = 0, match = sk_split_match(split, text, n_bytes);
    if (match) return match;
    uint32_t code;
    do at += sk_utf8_next(&code, text + at, n_bytes - at);
    while (at < n_bytes && sk_split_match(split, text + at, n_bytes - at) == 0);
    return at;
}

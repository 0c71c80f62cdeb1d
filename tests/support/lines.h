/* Reads what golden/texts.py and the reference of tokenizers wrote: per line a JSON object with "text", "ids" and
 * "ids_special"; and holds a vocabulary against it. */
#ifndef SK_TESTS_LINES_H
#define SK_TESTS_LINES_H
#include "support/check.h"
#include "support/vocab.h"
#include "text/encode.h"

static inline uint32_t test_hex4(const char *at) {
    char digits[5] = {at[0], at[1], at[2], at[3], 0};
    return (uint32_t)strtoul(digits, NULL, 16);
}

static inline size_t test_put_utf8(char *to, uint32_t c) {
    if (c < 0x80) return to[0] = (char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((0xf00u >> n & 0xf0u) | c);
    return n;
}

/* A JSON string behind its quote; returns its length in `to`. */
static inline size_t test_json_text(char *to, const char **at) {
    size_t n = 0;
    for (; **at != '"'; ++*at) {
        if (**at != '\\') {
            to[n++] = **at;
            continue;
        }
        char c = *++*at;
        uint32_t code = c == 'n' ? 10 : c == 't' ? 9 : c == 'r' ? 13 : c == 'b' ? 8 : c == 'f' ? 12 : (uint32_t)c;
        if (c == 'u') {
            code = test_hex4(*at + 1);
            *at += 4;
            if (code >= 0xd800 && code < 0xdc00) {
                code = 0x10000 + ((code - 0xd800) << 10) + (test_hex4(*at + 3) - 0xdc00);
                *at += 6;
            }
        }
        n += test_put_utf8(to + n, code);
    }
    ++*at;
    return n;
}

static inline uint32_t test_ids(int32_t *ids, const char *line, const char *name) {
    const char *at = strstr(line, name);
    uint32_t n = 0;
    if (!CHECK(at != NULL)) return 0;
    at = strchr(at, '[');
    while (*at != ']') {
        char *end;
        long id = strtol(at + 1, &end, 10);
        if (end == at + 1) break;
        ids[n++] = (int32_t)id;
        at = end;
    }
    return n;
}

/* All lines in both fields; returns how many there are. */
static inline size_t test_lines(const sk_vocab *v, const skald_allocator *memory, const char *path) {
    size_t n_file, lines = 0;
    char *file = test_read(path, &n_file);
    static char text[1 << 16];
    static int32_t want[1 << 14], got[1 << 14];
    if (!CHECK_SAID(file != NULL, "no file %s", path)) return 0;
    for (char *line = file, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++) {
        *end = 0;
        const char *at = strstr(line, "\"text\": \"") + 9;
        size_t n = test_json_text(text, &at);
        for (uint32_t special = 0; special < 2; special++) {
            uint32_t n_want = test_ids(want, at, special ? "\"ids_special\"" : "\"ids\""), n_got = 1 << 14;
            CHECK_EQUAL(sk_encode(got, &n_got, v, memory, special ? SKALD_ENCODE_SPECIAL : 0, text, n), SKALD_OK);
            CHECK_SAID(n_got == n_want && memcmp(got, want, n_want * sizeof *want) == 0, "%s, line %zu, special %u",
                       path, lines + 1, special);
        }
    }
    free(file);
    return lines;
}
#endif

/* Bytes out of the three spellings in which tokens stand in files. */
#include "text/alphabet.h"
#include "base/hex.h"
#include "text/unicode.h"
#include <string.h>

/* ---- byte level */

static bool stands_for_itself(uint32_t c) {
    return (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff);
}

/* The byte that a character stands for, -1: none. The others follow from U+0100 on in the order of the bytes. */
static int32_t byte_of(uint32_t code) {
    if (code < 0x100) return stands_for_itself(code) ? (int32_t)code : -1;
    uint32_t n = code - 0x100;
    if (n < 33) return (int32_t)n;
    if (n < 67) return (int32_t)(n - 33 + 0x7f);
    return n == 67 ? 0xad : -1;
}

/* False: a character is outside the alphabet. */
static bool unspell_byte_level(uint8_t *to, uint32_t *n, const uint8_t *from, uint64_t n_bytes) {
    for (uint64_t at = 0; at < n_bytes;) {
        uint32_t code = from[at], length = 1;
        int32_t byte = (int32_t)code;
        if (code < 0x21 || code > 0x7e) { /* what most texts are made of stands for itself */
            if (code >= 0x80) length = sk_utf8_next(&code, from + at, n_bytes - at);
            byte = byte_of(code);
        }
        if (byte < 0) return false;
        to[(*n)++] = (uint8_t)byte;
        at += length;
    }
    return true;
}

/* ---- SentencePiece */

size_t sk_space_mark(const uint8_t *text, size_t n_bytes) {
    for (size_t at = 0; at + 3 <= n_bytes; at++) {
        const uint8_t *mark = memchr(text + at, 0xe2, n_bytes - 2 - at);
        if (!mark) return n_bytes;
        if (memcmp(mark, SK_SPACE_MARK, 3) == 0) return (size_t)(mark - text);
        at = (size_t)(mark - text);
    }
    return n_bytes;
}

static uint32_t unspell_spaces(uint8_t *to, const uint8_t *from, uint64_t n_bytes) {
    uint32_t n = 0;
    for (uint64_t at = 0; at < n_bytes;) {
        size_t plain = sk_space_mark(from + at, n_bytes - at);
        memcpy(to + n, from + at, plain);
        n += (uint32_t)plain;
        at += plain;
        if (at == n_bytes) break;
        to[n++] = ' ';
        at += 3;
    }
    return n;
}

static uint32_t unspell_word(uint8_t *to, const uint8_t *from, uint64_t n_bytes) {
    const bool begins = n_bytes >= 3 && memcmp(from, SK_SPACE_MARK, 3) == 0;
    if (begins) *to++ = ' ', from += 3, n_bytes -= 3;
    memcpy(to, from, (size_t)n_bytes);
    return (uint32_t)n_bytes + begins;
}

static bool unspell_byte(uint8_t *to, const uint8_t *from, uint64_t n_bytes) {
    if (n_bytes != 6 || memcmp(from, "<0x", 3) != 0 || from[5] != '>') return false;
    int32_t high = sk_hex((char)from[3]), low = sk_hex((char)from[4]);
    if (high < 0 || low < 0) return false;
    *to = (uint8_t)(high * 16 + low);
    return true;
}

uint32_t sk_unspell(uint8_t *to, sk_alphabet alphabet, const char *text, uint64_t n_bytes) {
    const uint8_t *from = (const uint8_t *)text;
    uint32_t n = 0;
    if (n_bytes == 0) return 0;
    if (alphabet == SK_ALPHABET_SPACES) return unspell_spaces(to, from, n_bytes);
    if (alphabet == SK_ALPHABET_WORDS) return unspell_word(to, from, n_bytes);
    if (alphabet == SK_ALPHABET_BYTE && unspell_byte(to, from, n_bytes)) return 1;
    if (alphabet == SK_ALPHABET_BYTE_LEVEL && unspell_byte_level(to, &n, from, n_bytes)) return n;
    memcpy(to, text, (size_t)n_bytes);
    return (uint32_t)n_bytes;
}

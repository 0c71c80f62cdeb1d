/* The table of general categories, and UTF-8 without its overlong forms, surrogates and numbers above U+10FFFF. */
#include "text/unicode.h"
#include "base/utf8.h"
#include "text/unicode_table.h"

uint32_t sk_unicode_kind(uint32_t code) {
    uint32_t middle = unicode_middle[unicode_top[code >> 9] * 32u + (code >> 4 & 31u)];
    return unicode_leaf[middle * 16u + (code & 15u)];
}

uint32_t sk_utf8_needs(uint8_t lead) {
    return lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}

int sk_utf8_continues(const uint8_t *bytes, uint32_t n, uint8_t byte) {
    if (n >= sk_utf8_needs(bytes[0]) || (byte & 0xc0) != 0x80) return 0;
    if (n > 1) return 1;
    switch (bytes[0]) { /* the second byte keeps out overlong forms, surrogates and what lies above U+10FFFF */
    case 0xe0: return byte >= 0xa0;
    case 0xed: return byte < 0xa0;
    case 0xf0: return byte >= 0x90;
    case 0xf4: return byte < 0x90;
    default: return 1;
    }
}

uint32_t sk_utf8_next(uint32_t *code, const uint8_t *bytes, size_t n) {
    uint32_t length = (uint32_t)sk_utf8_length(bytes, n), value = bytes[0];
    if (length == 0) return *code = SK_UTF8_INVALID, 1;
    if (length > 1) value &= 0x7fu >> length;
    for (uint32_t i = 1; i < length; i++) value = value << 6 | (bytes[i] & 0x3fu);
    return *code = value, length;
}

uint32_t sk_utf8_put(uint8_t *to, uint32_t code) {
    const uint32_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (!to) return n;
    for (uint32_t i = n - 1; i > 0; i--, code >>= 6) to[i] = (uint8_t)(0x80 | (code & 0x3f));
    to[0] = (uint8_t)(n == 1 ? code : (0xf00u >> n & 0xf0u) | code);
    return n;
}

/* Checking comes first and is the only place that doubts; everything behind it walks over text known to be JSON. */
#include "file/json.h"
#include "base/exact.h"
#include "base/hex.h"
#include "base/report.h"
#include "base/utf8.h"
#include <string.h>

/* ---- checking */

typedef struct check {
    const char *begin, *at, *end;
    skald_report *why;
    skald_status status;
} check;

static bool wrong(check *c, const char *what) {
    unsigned long long offset = (unsigned long long)(c->at - c->begin);
    c->status = sk_fail_at(c->why, SKALD_FORMAT, offset, "JSON at byte %llu: %s", offset, what);
    return false;
}

static const char *past_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

/* The next byte that is not space, 0 at the end (a NUL in the text is as wrong as the end). */
static char peek(check *c) {
    c->at = past_space(c->at, c->end);
    return c->at < c->end ? *c->at : 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool check_escape(check *c) {
    if (c->end - c->at < 2) return wrong(c, "the text does not end");
    if (c->at[1] == 'u') {
        if (c->end - c->at < 6) return wrong(c, "the text does not end");
        for (int i = 2; i < 6; i++)
            if (sk_hex(c->at[i]) < 0) return wrong(c, "\\u needs four hexadecimal digits");
        c->at += 6;
        return true;
    }
    if (!c->at[1] || !strchr("\"\\/bfnrt", c->at[1])) return wrong(c, "unknown escape");
    c->at += 2;
    return true;
}

static bool check_text(check *c) {
    for (c->at++; c->at < c->end && *c->at != '"';) {
        unsigned char byte = (unsigned char)*c->at;
        if (byte < 0x20) return wrong(c, "a control character in a text");
        if (byte == '\\') {
            if (!check_escape(c)) return false;
            continue;
        }
        size_t n = sk_utf8_length((const unsigned char *)c->at, (size_t)(c->end - c->at));
        if (n == 0) return wrong(c, "not UTF-8");
        c->at += n;
    }
    if (c->at == c->end) return wrong(c, "the text does not end");
    c->at++;
    return true;
}

static bool check_digits(check *c) {
    const char *first = c->at;
    while (c->at < c->end && is_digit(*c->at)) c->at++;
    return c->at > first ? true : wrong(c, "a digit is missing");
}

static bool check_number(check *c) {
    if (*c->at == '-') c->at++;
    if (c->at + 1 < c->end && c->at[0] == '0' && is_digit(c->at[1])) return wrong(c, "a number begins with 0");
    if (!check_digits(c)) return false;
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!check_digits(c)) return false;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        return check_digits(c);
    }
    return true;
}

static bool check_word(check *c, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return wrong(c, "a value is missing");
    c->at += n;
    return true;
}

static bool check_value(check *c, uint32_t depth);

static bool check_members(check *c, uint32_t depth, char close) {
    if (depth == SK_JSON_MAX_DEPTH) return wrong(c, "nested too deep");
    c->at++;
    if (peek(c) == close) return c->at++, true;
    for (;;) {
        if (close == '}') {
            if (peek(c) != '"') return wrong(c, "a key is missing");
            if (!check_text(c)) return false;
            if (peek(c) != ':') return wrong(c, "a colon is missing");
            c->at++;
        }
        if (!check_value(c, depth + 1)) return false;
        char next = peek(c);
        if (next != ',' && next != close)
            return wrong(c, close == '}' ? "a comma or } is missing" : "a comma or ] is missing");
        c->at++;
        if (next == close) return true;
    }
}

static bool check_value(check *c, uint32_t depth) {
    char first = peek(c);
    switch (first) {
    case '{': return check_members(c, depth, '}');
    case '[': return check_members(c, depth, ']');
    case '"': return check_text(c);
    case 't': return check_word(c, "true");
    case 'f': return check_word(c, "false");
    case 'n': return check_word(c, "null");
    }
    return first == '-' || is_digit(first) ? check_number(c) : wrong(c, "a value is missing");
}

skald_status sk_json_open(sk_json *root, const char *text, uint64_t n_bytes, skald_report *why) {
    check c = {.begin = text, .at = text, .end = text + n_bytes, .why = why};
    root->at = past_space(text, c.end);
    root->end = c.end;
    if (!check_value(&c, 0)) return c.status;
    peek(&c);
    if (c.at != c.end) wrong(&c, "more text behind the value");
    return c.status;
}

/* ---- walking over what is known to be JSON */

sk_json_kind sk_json_kind_of(sk_json value) {
    switch (*value.at) {
    case '{': return SK_JSON_OBJECT;
    case '[': return SK_JSON_LIST;
    case '"': return SK_JSON_TEXT;
    case 'n': return SK_JSON_NULL;
    case 't':
    case 'f': return SK_JSON_BOOL;
    }
    return SK_JSON_NUMBER;
}

static const char *past_text(const char *p) {
    for (p++; *p != '"'; p++)
        if (*p == '\\') p++;
    return p + 1;
}

static bool is_between(char c) { return c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool is_bracket(char c) { return c == '{' || c == '}' || c == '[' || c == ']'; }

static const char *past_value(const char *p, const char *end) {
    uint32_t depth = 0;
    do {
        if (*p == '"') {
            p = past_text(p);
            continue;
        }
        if (*p == '{' || *p == '[') depth++;
        if (*p == '}' || *p == ']') depth--;
        bool plain = !is_bracket(*p) && !is_between(*p);
        p++;
        while (plain && p < end && *p != '"' && !is_bracket(*p) && !is_between(*p))
            p++; /* the rest of a number or word */
    } while (depth);
    return p;
}

sk_json sk_json_begin(sk_json value) {
    sk_json_kind kind = sk_json_kind_of(value);
    bool walks = kind == SK_JSON_LIST || kind == SK_JSON_OBJECT;
    return (sk_json){walks ? past_space(value.at + 1, value.end) : value.end, value.end};
}

bool sk_json_next(sk_json *walk, sk_json *key, sk_json *value) {
    const char *p = walk->at, *end = walk->end;
    if (p >= end || *p == ']' || *p == '}') return false;
    const char *after = past_space(past_value(p, end), end);
    if (after < end && *after == ':') { /* only a key has one behind it */
        if (key) *key = (sk_json){p, end};
        p = past_space(after + 1, end);
        after = past_space(past_value(p, end), end);
    }
    *value = (sk_json){p, end};
    if (after < end && *after == ',') after = past_space(after + 1, end);
    walk->at = after;
    return true;
}

/* ---- text */

static uint32_t four(const char *p) {
    return (uint32_t)(sk_hex(p[0]) << 12 | sk_hex(p[1]) << 8 | sk_hex(p[2]) << 4 | sk_hex(p[3]));
}

/* One byte or one escape of a text; 0 bytes at the closing quote. */
static size_t next_piece(const char **at, char out[4]) {
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *p = *at;
    if (*p == '"') return 0;
    if (*p != '\\') return out[0] = *p, *at = p + 1, 1;
    const char *letter = strchr(letters, p[1]);
    *at = p + 2;
    if (p[1] != 'u') return out[0] = letter ? meanings[letter - letters] : p[1], 1;
    uint32_t code = four(p + 2);
    *at = p + 6;
    if (code >= 0xd800 && code < 0xdc00 && p[6] == '\\' && p[7] == 'u') {
        uint32_t low = four(p + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            *at = p + 12;
            return sk_utf8_encode(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), out);
        }
    }
    return sk_utf8_encode(code >= 0xd800 && code < 0xe000 ? 0xfffd : code, out);
}

size_t sk_json_to_text(sk_json value, char *out, size_t room) {
    size_t length = 0;
    char piece[4];
    if (sk_json_kind_of(value) != SK_JSON_TEXT) return 0;
    value.at++;
    for (size_t n; (n = next_piece(&value.at, piece)) != 0; length += n)
        for (size_t i = 0; i < n; i++)
            if (length + i < room) out[length + i] = piece[i];
    return length;
}

bool sk_json_is(sk_json text, const char *what) {
    char piece[4];
    if (sk_json_kind_of(text) != SK_JSON_TEXT) return false;
    text.at++;
    for (size_t n; (n = next_piece(&text.at, piece)) != 0; what += n)
        for (size_t i = 0; i < n; i++)
            if (!what[i] || what[i] != piece[i]) return false;
    return *what == 0;
}

/* ---- numbers */

/* digits * 10^exponent; `more` when digits behind the 19th were left out. */
typedef struct {
    uint64_t digits;
    int32_t exponent;
    bool negative, more;
} decimal;

static decimal load_decimal(sk_json value) {
    decimal d = {0};
    const char *p = value.at, *end = value.end;
    bool fraction = false;
    if (*p == '-') d.negative = true, p++;
    for (; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            fraction = true;
        } else if (d.digits < 1000000000000000000u) {
            d.digits = d.digits * 10 + (uint64_t)(*p - '0');
            d.exponent -= fraction && d.exponent > -1000000;
        } else {
            d.more |= *p != '0';
            if (!fraction && d.exponent < 1000000) d.exponent++;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        bool minus = p[1] == '-';
        int32_t e = 0;
        for (p += p[1] == '-' || p[1] == '+' ? 2 : 1; p < end && is_digit(*p); p++)
            if (e < 10000000) e = e * 10 + (*p - '0');
        d.exponent += minus ? -e : e;
    }
    return d;
}

bool sk_json_to_i64(sk_json value, int64_t *out) {
    if (sk_json_kind_of(value) != SK_JSON_NUMBER) return false;
    decimal d = load_decimal(value);
    if (d.digits == 0) d.exponent = 0;
    for (; d.exponent < 0 && d.digits % 10 == 0; d.exponent++) d.digits /= 10;
    for (; d.exponent > 0 && d.digits <= UINT64_MAX / 10; d.exponent--) d.digits *= 10;
    if (d.more || d.exponent || d.digits > (uint64_t)INT64_MAX + d.negative) return false;
    *out = d.negative ? (int64_t)(0 - d.digits) : (int64_t)d.digits;
    return true;
}

/* A whole number of 44 limbs, lowest first: 2^64 digits * 10^310 and 2^1280 digits both fit. */
enum { LIMBS = 44 };

static void multiply(uint32_t limb[LIMBS], uint32_t by) {
    uint64_t carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        carry += (uint64_t)limb[i] * by;
        limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static bool divide(uint32_t limb[LIMBS], uint32_t by) { /* true when something remains */
    uint64_t rest = 0;
    for (int i = LIMBS; i-- > 0;) {
        rest = rest << 32 | limb[i];
        limb[i] = (uint32_t)(rest / by);
        rest %= by;
    }
    return rest != 0;
}

static uint64_t bit(const uint32_t limb[LIMBS], int at) { return limb[at / 32] >> at % 32 & 1; }

/* limb * 2^-shift to 53 bits (fewer below 2^-1022), ties to even. False: too large. */
static bool round_to_double(const uint32_t limb[LIMBS], int shift, bool rest, uint64_t *out) {
    int top = LIMBS * 32 - 1;
    while (!bit(limb, top)) top--;
    int exponent = top - shift, n_bits = exponent >= -1022 ? 53 : 53 + 1022 + exponent;
    *out = 0;
    if (n_bits < 0) return true;
    for (int i = 0; i < n_bits; i++) *out = *out << 1 | bit(limb, top - i);
    for (int i = 0; i < top - n_bits; i++) rest |= bit(limb, i) != 0;
    if (bit(limb, top - n_bits) && (rest || (*out & 1))) ++*out;
    if (exponent >= -1022)
        *out += (uint64_t)(exponent + 1022) << 52; /* a carry out of the 53 bits lands in the exponent */
    return *out < 0x7ff0000000000000u;
}

bool sk_json_to_double(sk_json value, double *out) {
    uint32_t limb[LIMBS] = {0};
    if (sk_json_kind_of(value) != SK_JSON_NUMBER) return false;
    decimal d = load_decimal(value);
    uint64_t bits = 0, sign = (uint64_t)d.negative << 63;
    if (d.digits && d.exponent > 310) return false;
    if (d.digits && d.exponent > -345) {
        int shift = d.exponent < 0 ? 1280 : 64;
        limb[shift / 32] = (uint32_t)d.digits;
        limb[shift / 32 + 1] = (uint32_t)(d.digits >> 32);
        for (; d.exponent > 0; d.exponent--) multiply(limb, 10);
        for (; d.exponent < 0; d.exponent++) d.more |= divide(limb, 10);
        if (!round_to_double(limb, shift, d.more, &bits)) return false;
    }
    *out = sk_double(sign | bits);
    return true;
}

/* ---- members by key */

skald_status sk_json_find(sk_json object, const char *key, sk_json *out) {
    skald_status s = SKALD_ABSENT;
    sk_json walk = sk_json_begin(object), name, value;
    if (sk_json_kind_of(object) != SK_JSON_OBJECT) return s;
    while (sk_json_next(&walk, &name, &value))
        if (sk_json_is(name, key)) *out = value, s = SKALD_OK;
    return s;
}

static skald_status member(sk_json object, const char *key, sk_json *out) {
    skald_status s = sk_json_find(object, key, out);
    return s == SKALD_OK && sk_json_kind_of(*out) == SK_JSON_NULL ? SKALD_ABSENT : s;
}

static skald_status mistyped(const char *key, const char *expected, sk_json found, skald_report *why) {
    size_t n = (size_t)(found.end - found.at);
    return sk_fail(why, SKALD_FORMAT, "JSON key %s: %s expected, found %.*s", key, expected, (int)(n < 24 ? n : 24),
                   found.at);
}

skald_status sk_json_i64(sk_json object, const char *key, int64_t *out, skald_report *why) {
    sk_json value;
    skald_status s = member(object, key, &value);
    if (s == SKALD_OK && !sk_json_to_i64(value, out)) s = mistyped(key, "an integer", value, why);
    return s;
}

skald_status sk_json_u32(sk_json object, const char *key, uint32_t *out, skald_report *why) {
    sk_json value;
    int64_t n = 0;
    skald_status s = member(object, key, &value);
    if (s != SKALD_OK) return s;
    if (!sk_json_to_i64(value, &n) || n < 0 || n > UINT32_MAX)
        return mistyped(key, "an integer from 0 to 4294967295", value, why);
    *out = (uint32_t)n;
    return SKALD_OK;
}

skald_status sk_json_double(sk_json object, const char *key, double *out, skald_report *why) {
    sk_json value;
    skald_status s = member(object, key, &value);
    if (s == SKALD_OK && !sk_json_to_double(value, out)) s = mistyped(key, "a number", value, why);
    return s;
}

skald_status sk_json_bool(sk_json object, const char *key, bool *out, skald_report *why) {
    sk_json value;
    skald_status s = member(object, key, &value);
    if (s != SKALD_OK) return s;
    if (sk_json_kind_of(value) != SK_JSON_BOOL) return mistyped(key, "true or false", value, why);
    *out = *value.at == 't';
    return SKALD_OK;
}

skald_status sk_json_text(sk_json object, const char *key, char *out, size_t room, skald_report *why) {
    sk_json value;
    skald_status s = member(object, key, &value);
    if (s != SKALD_OK) return s;
    if (sk_json_kind_of(value) != SK_JSON_TEXT) return mistyped(key, "a text", value, why);
    size_t n = sk_json_to_text(value, NULL, 0);
    if (n >= room)
        return sk_fail(why, SKALD_FORMAT, "JSON key %s: a text of %zu bytes, %zu are allowed", key, n, room - 1);
    sk_json_to_text(value, out, room);
    if (memchr(out, 0, n)) return sk_fail(why, SKALD_FORMAT, "JSON key %s: the text contains a NUL", key);
    out[n] = 0;
    return SKALD_OK;
}

/* The rules of Jinja's lexer: tags outside, tokens inside, and which white space around a tag is not text. */
#include "template/lexer.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "file/json.h"
#include <string.h>

static char peek(const sk_lexer *x, uint32_t ahead) { return ahead < x->n - x->at ? x->source[x->at + ahead] : 0; }

static bool wrong(sk_lexer *x, uint32_t where, const char *what) {
    x->run->where = where;
    return sk_run_fail(x->run, SKALD_FORMAT, "%s", what);
}

/* Bytes of the white space at `at`, 0: none. */
static uint32_t space_at(const sk_lexer *x, uint32_t at, uint32_t end) {
    if (at >= end) return 0;
    sk_value rest = sk_value_text(x->source, end, SK_FROM_TEMPLATE);
    return sk_char_is_space(sk_char_at(rest, at)) ? sk_char_length(rest, at) : 0;
}

static void skip_space(sk_lexer *x) {
    for (uint32_t n; (n = space_at(x, x->at, x->n)) != 0;) x->at += n;
}

/* Takes bytes of a token; the last token decides whether a line begins. */
static void take(sk_lexer *x, uint32_t n) {
    x->at += n;
    if (n) x->line_begins = x->source[x->at - 1] == '\n';
}

static bool starts(const sk_lexer *x, const char *word) {
    size_t n = strlen(word);
    return n <= x->n - x->at && memcmp(x->source + x->at, word, n) == 0;
}

/* ---- outside of tags */

/* Where the next tag begins. */
static uint32_t find_tag(const sk_lexer *x) {
    for (uint32_t i = x->at; i + 1 < x->n; i++)
        if (x->source[i] == '{' && (x->source[i + 1] == '{' || x->source[i + 1] == '%' || x->source[i + 1] == '#'))
            return i;
    return x->n;
}

/* The end of the text in front of the tag at `tag`, whose third byte may be a sign. */
static uint32_t text_end(const sk_lexer *x, uint32_t tag) {
    char kind = tag + 1 < x->n ? x->source[tag + 1] : 0, sign = tag + 2 < x->n ? x->source[tag + 2] : 0;
    uint32_t line = tag;
    if (sign == '-') return x->at + sk_text_strip(sk_value_text(x->source + x->at, tag - x->at, 0), 0, 1).n;
    if (sign == '+' || kind == '{' || !kind) return tag;
    while (line > x->at && x->source[line - 1] != '\n') line--;
    if (line == x->at && !x->line_begins) return tag;
    for (uint32_t i = line, n; i < tag; i += n)
        if ((n = space_at(x, i, tag)) == 0) return tag;
    return line;
}

/* "-%}" with the white space behind it, "+%}", or "%}" with one newline; 0: not here. */
static uint32_t block_end_at(const sk_lexer *x, uint32_t at, char kind) {
    uint32_t i = at + (at < x->n && (x->source[at] == '-' || x->source[at] == '+'));
    if (i + 1 >= x->n || x->source[i] != kind || x->source[i + 1] != '}') return 0;
    i += 2;
    if (x->source[at] == '-')
        for (uint32_t n; (n = space_at(x, i, x->n)) != 0;) i += n;
    else if (x->source[at] != '+' && i < x->n && x->source[i] == '\n') i++;
    return i - at;
}

static bool skip_comment(sk_lexer *x) {
    uint32_t begin = x->at;
    take(x, 2);
    if (peek(x, 0) == '-' || peek(x, 0) == '+') take(x, 1);
    for (uint32_t i = x->at, n; i < x->n; i++)
        if ((n = block_end_at(x, i, '#')) != 0) {
            x->at = i;
            take(x, n);
            return true;
        }
    return wrong(x, begin, "the comment does not end");
}

/* Bytes of "{% word %}" at `at`, 0: another tag. `tail`: what follows is handled as behind a block. */
static uint32_t word_tag_at(const sk_lexer *x, uint32_t at, const char *word, bool tail) {
    uint32_t i = at + 2, n, length = (uint32_t)strlen(word);
    if (i > x->n || x->source[at] != '{' || x->source[at + 1] != '%') return 0;
    if (i < x->n && (x->source[i] == '-' || x->source[i] == '+')) i++;
    while ((n = space_at(x, i, x->n)) != 0) i += n;
    if (x->n - i < length || memcmp(x->source + i, word, length) != 0) return 0;
    for (i += length; (n = space_at(x, i, x->n)) != 0;) i += n;
    n = block_end_at(x, i, '%');
    if (n && !tail && x->source[i] != '-') n = x->source[i] == '+' ? 0 : 2;
    return n ? i + n - at : 0;
}

static bool raw_text(sk_lexer *x, sk_token *out, uint32_t n_head) {
    uint32_t begin = x->at, n;
    take(x, n_head);
    for (uint32_t i = x->at; i + 1 < x->n; i++)
        if ((n = word_tag_at(x, i, "endraw", true)) != 0) {
            *out = (sk_token){.kind = SK_T_TEXT, .where = x->at, .text = x->source + x->at};
            out->n = text_end(x, i) - x->at;
            x->at = i;
            take(x, n);
            return true;
        }
    return wrong(x, begin, "the raw block does not end");
}

static bool next_outside(sk_lexer *x, sk_token *out) {
    while (x->at < x->n) {
        uint32_t tag = find_tag(x), end = text_end(x, tag), n_raw;
        *out = (sk_token){.kind = SK_T_TEXT, .where = x->at, .text = x->source + x->at, .n = end - x->at};
        take(x, tag - x->at);
        if (out->n) return true;
        if (x->at == x->n) break;
        if (peek(x, 1) == '#') {
            if (!skip_comment(x)) return false;
            continue;
        }
        if ((n_raw = word_tag_at(x, x->at, "raw", false)) != 0) {
            if (!raw_text(x, out, n_raw)) return false;
            if (out->n) return true;
            continue;
        }
        x->tag = peek(x, 1);
        x->tag_at = x->at;
        *out = (sk_token){.kind = x->tag == '{' ? SK_T_PRINT_BEGIN : SK_T_BLOCK_BEGIN, .where = x->at};
        take(x, 2);
        if (peek(x, 0) == '-' || peek(x, 0) == '+') take(x, 1);
        return true;
    }
    *out = (sk_token){.kind = SK_T_END, .where = x->n};
    return true;
}

/* ---- inside a tag */

static bool end_of_tag(sk_lexer *x, sk_token *out) {
    uint32_t n;
    if (x->depth) return false;
    if (x->tag == '%') n = block_end_at(x, x->at, '%');
    else if (starts(x, "}}")) n = 2;
    else n = peek(x, 0) == '-' ? block_end_at(x, x->at, '}') : 0;
    if (n == 0) return false;
    *out = (sk_token){.kind = x->tag == '%' ? SK_T_BLOCK_END : SK_T_PRINT_END, .where = x->at};
    take(x, n);
    x->tag = 0;
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool whole_number(sk_lexer *x, sk_token *out) {
    uint64_t n = 0;
    uint32_t base = 10, i = 0;
    char kind = (char)(peek(x, 1) | 0x20);
    if (peek(x, 0) == '0' && (kind == 'x' || kind == 'o' || kind == 'b'))
        base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2, i = 2;
    else if (peek(x, 0) == '0' && is_digit(peek(x, 1)) && peek(x, 1) != '0')
        return wrong(x, x->at, "a number begins with 0");
    for (;; i++) {
        int digit = sk_hex(peek(x, i));
        if (peek(x, i) == '_' && sk_hex(peek(x, i + 1)) >= 0) continue;
        if (digit < 0 || digit >= (int)base) break;
        if (n > (INT64_MAX - (uint64_t)digit) / base) return wrong(x, x->at, "the number is too large");
        n = n * base + (uint64_t)digit;
    }
    *out = (sk_token){.kind = SK_T_INT, .where = x->at, .whole = (int64_t)n};
    take(x, i);
    return true;
}

static bool number(sk_lexer *x, sk_token *out) {
    uint32_t i = 0, whole;
    while (is_digit(peek(x, i))) i++;
    whole = i;
    if (peek(x, i) == '.' && is_digit(peek(x, i + 1)))
        for (i++; is_digit(peek(x, i));) i++;
    if ((peek(x, i) | 0x20) == 'e') {
        uint32_t e = i + 1 + (peek(x, i + 1) == '+' || peek(x, i + 1) == '-');
        if (is_digit(peek(x, e)))
            for (i = e; is_digit(peek(x, i));) i++;
    }
    if (i == whole) return whole_number(x, out);
    *out = (sk_token){.kind = SK_T_FLOAT, .where = x->at};
    if (!sk_json_to_double((sk_json){x->source + x->at, x->source + x->at + i}, &out->real))
        return wrong(x, x->at, "the number is too large");
    take(x, i);
    return true;
}

static void give_char(sk_lexer *x, uint32_t code) {
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) code = 0xfffd;
    x->n_strings += (uint32_t)sk_utf8_encode(code, x->strings + x->n_strings);
}

/* The character of up to `most` digits behind `at`; fewer than `least` are none. */
static bool escaped_number(sk_lexer *x, uint32_t at, uint32_t base, uint32_t least, uint32_t most, uint32_t *end) {
    uint32_t code = 0, i = 0;
    for (int digit; i < most && (digit = sk_hex(peek(x, at + i))) >= 0 && digit < (int)base; i++)
        code = code * base + (uint32_t)digit;
    if (i < least) return false;
    give_char(x, code);
    *end = at + i;
    return true;
}

/* Behind a backslash at `at`; returns where the string goes on. An unknown escape stays as it stands. */
static bool escape(sk_lexer *x, uint32_t at, uint32_t *end) {
    static const char letters[] = "ntrabfv\\'\"", meanings[] = "\n\t\r\a\b\f\v\\'\"";
    char c = peek(x, at);
    const char *letter = c ? strchr(letters, c) : NULL;
    *end = at + 1;
    if (letter) return give_char(x, (uint32_t)meanings[letter - letters]), true;
    if (c == '\n') return true;
    if (c >= '0' && c <= '7') return escaped_number(x, at, 8, 1, 3, end);
    if (c == 'x') return escaped_number(x, at + 1, 16, 2, 2, end);
    if (c == 'u') return escaped_number(x, at + 1, 16, 4, 4, end);
    if (c == 'U') return escaped_number(x, at + 1, 16, 8, 8, end);
    if (c == 'N') return false;
    x->strings[x->n_strings++] = '\\';
    *end = at;
    return true;
}

static bool string(sk_lexer *x, sk_token *out) {
    char quote = peek(x, 0);
    uint32_t begin = x->n_strings, i = 1, end;
    while (i < x->n - x->at && peek(x, i) != quote) {
        if (peek(x, i) != '\\') x->strings[x->n_strings++] = peek(x, i++);
        else if (i + 1 >= x->n - x->at) break;
        else if (!escape(x, i + 1, &end)) return wrong(x, x->at + i, "the escape is not one");
        else i = end;
    }
    if (i >= x->n - x->at) return wrong(x, x->at, "the string does not end");
    *out = (sk_token){.kind = SK_T_STRING, .where = x->at, .text = x->strings + begin, .n = x->n_strings - begin};
    take(x, i + 1);
    return true;
}

/* Brackets close in the order in which they were opened. */
static bool bracket(sk_lexer *x, char c) {
    char other = c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : 0;
    char missing[] = "\")\" is missing";
    if (other) {
        if (x->depth == sizeof x->open) return wrong(x, x->at, "brackets are nested too deep");
        x->open[x->depth++] = other;
    }
    if (c != ')' && c != ']' && c != '}') return true;
    if (x->depth == 0) return wrong(x, x->at, "a bracket closes that was not opened");
    missing[1] = x->open[--x->depth];
    return missing[1] == c || wrong(x, x->at, missing);
}

static bool sign(sk_lexer *x, sk_token *out) {
    static const char *const signs[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!starts(x, signs[i])) continue;
        if (!bracket(x, signs[i][0])) return false;
        *out = (sk_token){.kind = SK_T_SIGN, .where = x->at, .text = signs[i], .n = (uint32_t)strlen(signs[i])};
        take(x, out->n);
        return true;
    }
    return wrong(x, x->at, "this character means nothing here");
}

static bool next_inside(sk_lexer *x, sk_token *out) {
    skip_space(x);
    if (x->at == x->n) return wrong(x, x->tag_at, "the tag does not end");
    if (end_of_tag(x, out)) return true;
    char c = peek(x, 0);
    if (is_digit(c)) return number(x, out);
    if (c == '\'' || c == '"') return string(x, out);
    if (!is_word(c)) return sign(x, out);
    uint32_t i = 1;
    while (is_word(peek(x, i))) i++;
    *out = (sk_token){.kind = SK_T_NAME, .where = x->at, .text = x->source + x->at, .n = i};
    take(x, i);
    return true;
}

bool sk_lexer_next(sk_lexer *x, sk_token *out) { return x->tag ? next_inside(x, out) : next_outside(x, out); }

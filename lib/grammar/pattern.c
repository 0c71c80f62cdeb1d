#include "grammar/pattern.h"
#include "base/hex.h"
#include "base/report.h"
#include "base/utf8.h"
#include "grammar/letters.h"
#include "grammar/set.h"
#include "text/unicode.h"
#include <string.h>

typedef struct reader {
    sk_draft *d;
    const char *begin, *at, *end;
    const char *why; /* the first thing that is wrong, NULL: nothing */
    size_t where;
    sk_expr any; /* any characters, as many as one likes */
} reader;

static uint32_t wrong(reader *r, const char *what) {
    if (!r->why) r->why = what, r->where = (size_t)(r->at - r->begin);
    r->at = r->end;
    return 0;
}

static char peek(const reader *r) { return r->at < r->end ? *r->at : 0; }

static bool take(reader *r, const char *what) {
    const size_t n = strlen(what);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, what, n) != 0) return false;
    r->at += n;
    return true;
}

/* ---- classes */

#define MOST_RANGES 200u

typedef struct class {
    sk_code_range range[MOST_RANGES + 8];
    uint32_t n;
} class;

static void add(reader *r, class *c, uint32_t low, uint32_t high) {
    if (c->n >= MOST_RANGES) wrong(r, "a class of more than 200 ranges");
    else c->range[c->n++] = (sk_code_range){low, high};
}

static const sk_code_range digits[] = {{'0', '9'}}, words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                           spaces[] = {{9, 13},          {32, 32},         {0xa0, 0xa0},     {0x1680, 0x1680},
                                       {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                                       {0x3000, 0x3000}, {0xfeff, 0xfeff}};

/* \d \w \s and their opposites; false: another escape, and nothing was read. */
static bool add_named(reader *r, class *c) {
    const char letter = r->at + 1 < r->end ? r->at[1] : 0, small = (char)(letter | 32);
    const sk_code_range *from = small == 'd' ? digits : small == 'w' ? words : spaces;
    const uint32_t n = small == 'd' ? 1 : small == 'w' ? 4 : sizeof spaces / sizeof *spaces;
    sk_code_range other[16];
    if (peek(r) != '\\' || !letter || !strchr("dDwWsS", letter)) return false;
    r->at += 2;
    memcpy(other, from, n * sizeof *other);
    const uint32_t count = sk_ranges_normalize(other, n, letter != small);
    for (uint32_t i = 0; i < count; i++) add(r, c, other[i].low, other[i].high);
    return true;
}

static uint32_t read_hex(reader *r, int n) {
    uint32_t code = 0;
    for (int i = 0; i < n; i++, r->at++) {
        if (sk_hex(peek(r)) < 0) return wrong(r, "a hexadecimal digit is missing");
        code = code * 16 + (uint32_t)sk_hex(*r->at);
    }
    return code;
}

static uint32_t read_unicode(reader *r) {
    uint32_t code = 0;
    if (!take(r, "{")) {
        code = read_hex(r, 4);
        if (code >= 0xd800 && code < 0xdc00 && take(r, "\\u")) {
            const uint32_t low = read_hex(r, 4);
            if (low < 0xdc00 || low > 0xdfff) return wrong(r, "no such character");
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    } else {
        for (int i = 0; i < 6 && sk_hex(peek(r)) >= 0; i++) code = code * 16 + (uint32_t)sk_hex(*r->at++);
        if (!take(r, "}")) return wrong(r, "a } is missing");
    }
    return code <= SK_CHARS_ALL && (code < 0xd800 || code > 0xdfff) ? code : wrong(r, "no such character");
}

/* One character, escapes understood. */
static uint32_t read_char(reader *r, bool in_class) {
    static const char letters[] = "nrtfv0", meanings[] = "\n\r\t\f\v";
    uint32_t code;
    if (peek(r) != '\\') {
        const size_t n = sk_utf8_length((const unsigned char *)r->at, (size_t)(r->end - r->at));
        if (n == 0) return wrong(r, "not UTF-8");
        sk_utf8_next(&code, (const uint8_t *)r->at, n);
        r->at += n;
        return code;
    }
    const char c = r->at + 1 < r->end ? r->at[1] : 0, *letter = c ? strchr(letters, c) : NULL;
    if (c == 'b' && in_class) return r->at += 2, 8;
    if (c == 'c' && r->at + 2 < r->end) return r->at += 3, (uint32_t)(r->at[-1] & 31);
    if (c == 'p' || c == 'P') return wrong(r, "\\p is not offered");
    if (c == 'b' || c == 'B') return wrong(r, "borders of words are not offered");
    if ((c >= '1' && c <= '9') || c == 'k') return wrong(r, "references back are not regular");
    r->at += c ? 2 : 1;
    if (letter) return (uint32_t)meanings[letter - letters];
    if (c == 'x') return read_hex(r, 2);
    if (c == 'u') return read_unicode(r);
    if (c && strchr("^$\\.*+?()[]{}|/-\"'<>=!:,#&@~%;_ ", c)) return (uint32_t)c;
    return wrong(r, "unknown escape");
}

static SK_OWN_FRAME sk_expr read_class(reader *r) {
    class c = {.n = 0};
    r->at++;
    const bool negated = take(r, "^");
    while (!r->why && !take(r, "]")) {
        if (r->at == r->end) return wrong(r, "the class does not end");
        if (add_named(r, &c)) continue;
        const uint32_t low = read_char(r, true);
        uint32_t high = low;
        if (peek(r) == '-' && r->at + 1 < r->end && r->at[1] != ']') {
            r->at++;
            class named = {.n = 0};
            if (add_named(r, &named)) return wrong(r, "a range that ends with a class");
            high = read_char(r, true);
        }
        if (high < low) return wrong(r, "a range that ends before it begins");
        add(r, &c, low, high);
    }
    return sk_letters(r->d, c.range, c.n, negated);
}

/* ---- expressions */

static sk_expr read_alternatives(reader *r, uint32_t depth);

static sk_expr read_group(reader *r, uint32_t depth) {
    if (depth == SK_GRAMMAR_DEPTH) return wrong(r, "nested too deep");
    r->at++;
    if (take(r, "?") && !take(r, ":")) {
        if (!take(r, "<") || peek(r) == '=' || peek(r) == '!') return wrong(r, "looking ahead or back is not offered");
        while (r->at < r->end && *r->at++ != '>') {}
    }
    const sk_expr e = read_alternatives(r, depth + 1);
    return take(r, ")") ? e : wrong(r, "a ) is missing");
}

/* A character, or an escape that stands for many. */
static SK_OWN_FRAME sk_expr read_letter(reader *r) {
    class c = {.n = 0};
    if (!add_named(r, &c)) {
        const uint32_t code = read_char(r, false);
        add(r, &c, code, code);
    }
    return r->why ? SK_EXPR_NOTHING : sk_letters(r->d, c.range, c.n, false);
}

static sk_expr read_item(reader *r, uint32_t depth) {
    static const sk_code_range lines[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
    switch (peek(r)) {
    case '(': return read_group(r, depth);
    case '[': return read_class(r);
    case '.': return r->at++, sk_letters(r->d, lines, 3, true);
    case '^':
    case '$': return wrong(r, "^ and $ are offered at the ends of a pattern only");
    case '*':
    case '+':
    case '?': return wrong(r, "nothing to repeat");
    }
    return read_letter(r);
}

static uint32_t read_count(reader *r) {
    uint32_t n = 0;
    for (; peek(r) >= '0' && peek(r) <= '9'; r->at++) {
        n = n * 10 + (uint32_t)(*r->at - '0');
        if (n > 65536) return wrong(r, "a repetition of more than 65536");
    }
    return n;
}

static sk_expr read_braces(reader *r, sk_expr e) {
    const char *first = ++r->at;
    const uint32_t least = read_count(r);
    uint32_t most = least;
    if (r->at == first) return wrong(r, "{ needs a number");
    if (take(r, ",")) most = peek(r) == '}' ? UINT32_MAX : read_count(r);
    if (!take(r, "}")) return wrong(r, "a } is missing");
    if (most < least) return wrong(r, "at most fewer than at least");
    return sk_expr_many(r->d, e, least, most);
}

static sk_expr read_repeated(reader *r, uint32_t depth) {
    sk_expr e = read_item(r, depth);
    const char c = peek(r);
    if (r->why || !c || !strchr("*+?{", c)) return e;
    if (c == '{') {
        e = read_braces(r, e);
    } else {
        r->at++;
        e = sk_expr_many(r->d, e, c == '+', c == '?' ? 1 : UINT32_MAX);
    }
    take(r, "?"); /* as few as possible: the same strings */
    return e;
}

/* At the top ^ and $ bind what otherwise may stand anywhere. */
static sk_expr read_sequence(reader *r, uint32_t depth) {
    const bool top = depth == 0, bound = top && take(r, "^");
    sk_expr e = !top || bound ? SK_EXPR_EMPTY : r->any;
    while (!r->why && r->at < r->end && *r->at != '|' && *r->at != ')') {
        if (top && *r->at == '$' && (r->at + 1 == r->end || r->at[1] == '|')) return r->at++, e;
        e = sk_expr_then(r->d, e, read_repeated(r, depth));
    }
    return top ? sk_expr_then(r->d, e, r->any) : e;
}

static sk_expr read_alternatives(reader *r, uint32_t depth) {
    sk_expr e = read_sequence(r, depth);
    while (!r->why && take(r, "|")) e = sk_expr_or(r->d, e, read_sequence(r, depth));
    return e;
}

const char *sk_pattern_read(sk_expr *out, size_t *at, sk_draft *d, const char *pattern, size_t n_bytes) {
    reader r = {.d = d, .begin = pattern, .at = pattern, .end = pattern + n_bytes};
    r.any =
        sk_expr_shared(d, "any text",
                       sk_expr_many(d, sk_expr_shared(d, "a character", sk_letters(d, NULL, 0, true)), 0, UINT32_MAX));
    *out = read_alternatives(&r, 0);
    if (!r.why && r.at < r.end) wrong(&r, "a ( is missing");
    *at = r.where;
    return r.why;
}

typedef struct trial {
    sk_set_work work;
    sk_set set;
} trial;

bool sk_pattern_matches(sk_draft *d, const char *pattern, size_t n_pattern, const char *text, size_t n_bytes) {
    bool alone[256], holds = false;
    sk_draft own;
    sk_program p;
    sk_expr e;
    size_t where;
    memset(alone, 1, sizeof alone);
    trial *t = sk_allocate_zeroed(d->memory, 1, sizeof *t, SKALD_MEMORY_LOAD);
    if (!t) return d->status = sk_fail(d->why, SKALD_MEMORY, "no memory to try a pattern"), false;
    d->status = sk_draft_open(&own, d->memory, d->watch, d->why);
    if (d->status == SKALD_OK && !sk_pattern_read(&e, &where, &own, pattern, n_pattern)) {
        const uint32_t rule = sk_rule_new(&own, "a pattern", 9, UINT64_MAX);
        sk_rule_define(&own, rule, e);
        /* a pattern of nothing is no failure here */
        holds = sk_program_make(&p, &own, rule, alone, NULL, NULL) == SKALD_OK;
        if (own.status == SKALD_MEMORY || own.status == SKALD_CANCELLED) d->status = own.status;
        if (holds) sk_set_begin(&t->set, &t->work, &p);
        for (size_t i = 0; holds && i < n_bytes; i++)
            holds = sk_set_byte(&t->set, &t->work, &p, &t->set, (uint8_t)text[i]);
        holds = holds && sk_set_may_end(&t->set);
        sk_program_free(&p, d->memory);
    }
    sk_draft_close(&own);
    sk_release(d->memory, t, sizeof *t);
    return holds;
}

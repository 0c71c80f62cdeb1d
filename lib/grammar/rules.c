#include "grammar/rules.h"
#include "base/hex.h"
#include "base/report.h"
#include "base/utf8.h"
#include "text/unicode.h"
#include <string.h>

typedef struct reader {
    sk_draft *d;
    const sk_grammar_text *in;
    const char *at, *end;
    sk_vector slots; /* rules by their names: number + 1 at its hash or behind, 0: empty; a power of two of them */
} reader;

/* ---- where */

void sk_rules_place(char *to, size_t room, const void *in, uint64_t place) {
    const sk_grammar_text *t = in;
    uint32_t line = 1, column = 1;
    for (uint64_t i = 0; i < place && i < t->n_bytes; i++) {
        const bool ends = t->text[i] == '\n', continues = ((unsigned char)t->text[i] & 0xc0) == 0x80;
        line += ends;
        column = ends ? 1 : column + !continues;
    }
    sk_format(to, room, " line %u, column %u", line, column);
}

static sk_expr wrong(reader *r, const char *what) {
    char place[64];
    const uint64_t offset = (uint64_t)(r->at - r->in->text);
    sk_rules_place(place, sizeof place, r->in, offset);
    if (r->d->status == SKALD_OK)
        r->d->status = sk_fail_at(r->d->why, SKALD_FORMAT, offset, "grammar%s: %s", place, what);
    return SK_EXPR_NOTHING;
}

/* ---- letters */

static char peek(const reader *r) { return r->at < r->end ? *r->at : 0; }

static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool begins(const reader *r, const char *what) {
    const size_t n = strlen(what);
    return (size_t)(r->end - r->at) >= n && memcmp(r->at, what, n) == 0;
}

static void pass_space(reader *r, bool lines) {
    for (; r->at < r->end; r->at++) {
        if (*r->at == '#')
            while (r->at < r->end && *r->at != '\n') r->at++;
        const char c = peek(r);
        if (c != ' ' && c != '\t' && c != '\r' && !(lines && c == '\n')) return;
    }
}

static uint32_t read_name(reader *r) {
    const char *first = r->at;
    while (r->at < r->end && is_name(*r->at)) r->at++;
    return (uint32_t)(r->at - first);
}

static uint32_t read_hex(reader *r, int n) {
    uint32_t code = 0;
    for (int i = 0; i < n; i++, r->at++) {
        if (sk_hex(peek(r)) < 0) return wrong(r, "a hexadecimal digit is missing");
        code = code * 16 + (uint32_t)sk_hex(*r->at);
    }
    if (code > SK_CHARS_ALL || (code >= 0xd800 && code < 0xe000)) wrong(r, "no such character");
    return code;
}

static uint32_t read_escape(reader *r) {
    static const char letters[] = "nrt", meanings[] = "\n\r\t";
    const char c = r->at++ < r->end ? peek(r) : 0;
    const char *letter = c ? strchr(letters, c) : NULL;
    if (r->at < r->end) r->at++;
    if (letter) return (uint32_t)meanings[letter - letters];
    if (c == 'x' || c == 'u' || c == 'U') return read_hex(r, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    if (c && strchr("\"\\[]-^./", c)) return (uint32_t)c;
    return wrong(r, "unknown escape");
}

/* The next character of a text or class, escapes understood. */
static uint32_t read_char(reader *r) {
    uint32_t code;
    if (peek(r) == '\\') return read_escape(r);
    const size_t n = sk_utf8_length((const unsigned char *)r->at, (size_t)(r->end - r->at));
    if (n == 0) return wrong(r, "not UTF-8");
    sk_utf8_next(&code, (const uint8_t *)r->at, n);
    r->at += n;
    return code;
}

/* ---- what stands by itself */

static sk_expr read_text(reader *r) {
    sk_expr all = SK_EXPR_EMPTY;
    char part[64];
    size_t n = 0;
    for (r->at++; r->d->status == SKALD_OK && peek(r) != '"';) {
        if (r->at == r->end || *r->at == '\n') return wrong(r, "the text does not end");
        n += sk_utf8_encode(read_char(r), part + n);
        if (n + 4 <= sizeof part) continue;
        all = sk_expr_then(r->d, all, sk_expr_text(r->d, part, (uint32_t)n));
        n = 0;
    }
    r->at++;
    return sk_expr_then(r->d, all, sk_expr_text(r->d, part, (uint32_t)n));
}

static SK_OWN_FRAME sk_expr read_class(reader *r) {
    sk_code_range range[256];
    uint32_t n = 0;
    r->at++;
    const bool negated = peek(r) == '^';
    if (negated) r->at++;
    while (r->d->status == SKALD_OK && peek(r) != ']') {
        if (r->at == r->end || *r->at == '\n') return wrong(r, "the class does not end");
        if (n == sizeof range / sizeof *range - 1) return wrong(r, "a class of more than 255 ranges");
        const uint32_t low = read_char(r);
        uint32_t high = low;
        if (peek(r) == '-' && r->at + 1 < r->end && r->at[1] != ']') {
            r->at++;
            high = read_char(r);
        }
        if (high < low) return wrong(r, "a range that ends before it begins");
        range[n++] = (sk_code_range){low, high};
    }
    r->at++;
    if (n == 0 && !negated) return wrong(r, "a class of no characters");
    return sk_expr_chars(r->d, range, n, negated);
}

/* A token that ends answers is no part of a text: who accepts it has come to the end. */
static sk_expr token(reader *r, uint32_t id) {
    if (sk_vocab_is_end(r->in->vocab, (int32_t)id))
        return wrong(r, "this token ends answers, as the end of the rules does");
    return sk_expr_token(r->d, id);
}

/* <[17]>, or the special token that is written so. */
static sk_expr read_token(reader *r) {
    const sk_vocab *v = r->in->vocab;
    if (begins(r, "<[")) {
        uint64_t id = 0;
        const char *first = r->at += 2;
        for (; peek(r) >= '0' && peek(r) <= '9' && id < v->n_tokens; r->at++) id = id * 10 + (uint64_t)(*r->at - '0');
        if (r->at == first || !begins(r, "]>")) return wrong(r, "a token is written <[number]>");
        if (id >= v->n_tokens) return wrong(r, "the vocabulary has no such token");
        r->at += 2;
        return token(r, (uint32_t)id);
    }
    size_t n = 1, length = 0;
    while (r->at + n < r->end && r->at[n] != '>' && r->at[n] != '\n') n++;
    const int32_t id =
        sk_vocab_special(v, true, (const uint8_t *)r->at, n < (size_t)(r->end - r->at) ? n + 1 : n, &length);
    if (id < 0 || length != n + 1) return wrong(r, "the vocabulary has no such special token");
    r->at += length;
    return token(r, (uint32_t)id);
}

static bool is_named(const reader *r, uint32_t rule, const char *name, uint32_t n) {
    const sk_rule *known = sk_rule_at(r->d, rule);
    return known->n_name == n && memcmp((const char *)r->d->bytes.at + known->name, name, n) == 0;
}

/* Where the rule of this name is, or would be (FNV-1a). */
static uint32_t *slot_of(const reader *r, const char *name, uint32_t n) {
    uint32_t *slots = r->slots.at, hash = 2166136261u;
    for (uint32_t i = 0; i < n; i++) hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    for (hash ^= hash >> 15;; hash++) {
        uint32_t *slot = &slots[hash & (r->slots.n - 1)];
        if (!*slot || is_named(r, *slot - 1, name, n)) return slot;
    }
}

/* Room for one more name; at most half of the slots are taken. */
static bool make_slots(reader *r) {
    if (2 * (r->d->rules.n + 1) <= r->slots.n) return true;
    const uint32_t n = r->slots.n ? 2 * r->slots.n : 64;
    sk_vector_free(r->d, &r->slots);
    uint32_t *slots = sk_vector_add(r->d, &r->slots, n);
    if (!slots) return false;
    memset(slots, 0, n * sizeof *slots);
    for (uint32_t i = 0; i < r->d->rules.n; i++) {
        const sk_rule *known = sk_rule_at(r->d, i);
        *slot_of(r, (const char *)r->d->bytes.at + known->name, known->n_name) = i + 1;
    }
    return true;
}

/* The rule of this name, made when it is named first; `name` lies in the text. */
static uint32_t find_rule(reader *r, const char *name, uint32_t n) {
    if (!make_slots(r)) return UINT32_MAX;
    uint32_t *slot = slot_of(r, name, n);
    if (!*slot) *slot = sk_rule_new(r->d, name, n, (uint64_t)(name - r->in->text)) + 1; /* 0 after a failure */
    return *slot - 1;
}

static sk_expr read_alternatives(reader *r, uint32_t depth);

static sk_expr read_group(reader *r, uint32_t depth) {
    if (depth == SK_GRAMMAR_DEPTH) return wrong(r, "nested too deep");
    r->at++;
    const sk_expr e = read_alternatives(r, depth + 1);
    if (r->d->status == SKALD_OK && peek(r) != ')') return wrong(r, "a ) is missing");
    r->at++;
    return e;
}

static sk_expr read_item(reader *r, uint32_t depth) {
    static const sk_code_range any = {0, SK_CHARS_ALL};
    const char *name = r->at;
    switch (*r->at) {
    case '"': return read_text(r);
    case '[': return read_class(r);
    case '(': return read_group(r, depth);
    case '<': return read_token(r);
    case '.': return r->at++, sk_expr_chars(r->d, &any, 1, false);
    }
    const uint32_t n = read_name(r);
    return n ? sk_expr_rule(r->d, find_rule(r, name, n)) : wrong(r, "a text, a class, a rule or a group is expected");
}

/* ---- how often */

#define MOST_COPIES 65536u

static uint32_t read_count(reader *r, uint32_t absent) {
    const char *first = r->at;
    uint32_t n = 0;
    for (; peek(r) >= '0' && peek(r) <= '9'; r->at++) {
        n = n * 10 + (uint32_t)(*r->at - '0');
        if (n > MOST_COPIES) return wrong(r, "a repetition of more than 65536");
    }
    return r->at == first ? absent : n;
}

static sk_expr read_braces(reader *r, sk_expr e) {
    r->at++;
    pass_space(r, false);
    const char *first = r->at;
    const uint32_t least = read_count(r, 0);
    const bool none = r->at == first;
    uint32_t most = least;
    pass_space(r, false);
    if (peek(r) == ',') {
        r->at++;
        pass_space(r, false);
        most = read_count(r, UINT32_MAX);
    } else if (none) {
        return wrong(r, "{ needs a number");
    }
    pass_space(r, false);
    if (r->d->status == SKALD_OK && peek(r) != '}') return wrong(r, "a } is missing");
    if (most < least) return wrong(r, "at most fewer than at least");
    r->at++;
    return sk_expr_many(r->d, e, least, most);
}

static sk_expr read_repeated(reader *r, uint32_t depth) {
    sk_expr e = read_item(r, depth);
    for (;;) {
        pass_space(r, depth > 0);
        const char c = peek(r);
        if (r->d->status != SKALD_OK || !c || !strchr("*+?{", c)) return e;
        if (c == '{') {
            e = read_braces(r, e);
        } else {
            r->at++;
            e = sk_expr_many(r->d, e, c == '+', c == '?' ? 1 : UINT32_MAX);
        }
    }
}

/* ---- rules */

static bool goes_on(const reader *r) {
    const char c = peek(r);
    return c && c != '|' && c != ')' && c != '\n';
}

static sk_expr read_sequence(reader *r, uint32_t depth) {
    sk_expr e = SK_EXPR_EMPTY;
    pass_space(r, depth > 0);
    while (r->d->status == SKALD_OK && goes_on(r)) e = sk_expr_then(r->d, e, read_repeated(r, depth));
    return e;
}

/* Whether the next line that says anything goes on with "|". */
static bool next_line_goes_on(reader *r) {
    const char *here = r->at;
    pass_space(r, true);
    if (peek(r) == '|') return true;
    r->at = here;
    return false;
}

static sk_expr read_alternatives(reader *r, uint32_t depth) {
    sk_expr e = read_sequence(r, depth);
    while (r->d->status == SKALD_OK && (peek(r) == '|' || next_line_goes_on(r))) {
        r->at++;
        pass_space(r, true);
        e = sk_expr_or(r->d, e, read_sequence(r, depth));
    }
    return e;
}

static void read_rule(reader *r) {
    const char *name = r->at;
    const uint32_t n = read_name(r);
    if (n == 0) {
        wrong(r, "a rule's name is expected");
        return;
    }
    const uint32_t rule = find_rule(r, name, n);
    pass_space(r, false);
    if (!begins(r, "::=")) {
        wrong(r, "::= is expected");
    } else if (r->d->status == SKALD_OK && sk_rule_at(r->d, rule)->defined) {
        r->at = name;
        wrong(r, "a rule that is there already");
    } else {
        r->at += 3;
        pass_space(r, true);
        sk_rule_define(r->d, rule, read_alternatives(r, 0));
        if (r->d->status == SKALD_OK && peek(r) && *r->at != '\n') wrong(r, "an unexpected character");
    }
}

uint32_t sk_rules_read(sk_draft *d, const sk_grammar_text *in) {
    reader r = {d, in, in->text, in->text + in->n_bytes, {.size = sizeof(uint32_t)}};
    for (pass_space(&r, true); r.at < r.end && d->status == SKALD_OK; pass_space(&r, true)) {
        if (!*r.at) wrong(&r, "a NUL in the grammar");
        else read_rule(&r);
    }
    const uint32_t *root = r.slots.n ? slot_of(&r, "root", 4) : NULL;
    const uint32_t rule = root && *root ? *root - 1 : 0;
    r.at = in->text;
    if (!root || !*root) wrong(&r, "there is no rule root");
    sk_vector_free(d, &r.slots);
    return rule;
}

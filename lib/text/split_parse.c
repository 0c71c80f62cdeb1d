/* Reads a split expression into instructions for a machine that tries alternatives in order. */
#include "text/split_parse.h"
#include "base/report.h"
#include <string.h>

#define DEEPEST     16u
#define MOST_COPIES 64u

typedef struct {
    sk_split_code *code;
    const uint8_t *text;
    size_t n_bytes, at;
    uint32_t depth;
    bool fold; /* inside (?i: */
    skald_report *why;
} parser;

static skald_status malformed(const parser *p, const char *what) {
    return sk_fail(p->why, SKALD_FORMAT, "split expression, byte %zu: %s", p->at, what);
}

static skald_status refused(const parser *p, const char *what) {
    return sk_fail(p->why, SKALD_UNSUPPORTED, "split expression, byte %zu: %s", p->at, what);
}

static uint32_t peek(const parser *p, size_t ahead) {
    return p->at + ahead < p->n_bytes ? p->text[p->at + ahead] : 0x100u; /* no byte is 0x100 */
}

static bool take(parser *p, const char *text) {
    size_t n = strlen(text);
    if (n > p->n_bytes - p->at || memcmp(p->text + p->at, text, n) != 0) return false;
    p->at += n;
    return true;
}

/* ---- instructions */

static skald_status emit(parser *p, uint32_t op, uint32_t set, int first, int other) {
    sk_split_code *c = p->code;
    if (c->n_steps == SK_SPLIT_CODE) return refused(p, "the expression is too long");
    c->step[c->n_steps++] = (sk_split_step){(uint8_t)op, (uint8_t)set, (int16_t)first, (int16_t)other};
    return SKALD_OK;
}

/* A fork in front of what stands from `at` on. */
static skald_status insert_fork(parser *p, uint32_t at, int first, int other) {
    skald_status s = emit(p, SK_SPLIT_FORK, 0, 0, 0);
    if (s != SKALD_OK) return s;
    sk_split_step *step = p->code->step + at;
    memmove(step + 1, step, (p->code->n_steps - 1 - at) * sizeof *step);
    *step = (sk_split_step){SK_SPLIT_FORK, 0, (int16_t)first, (int16_t)other};
    return SKALD_OK;
}

static skald_status copy(parser *p, uint32_t at, uint32_t n) {
    sk_split_code *c = p->code;
    if (n > SK_SPLIT_CODE - c->n_steps) return refused(p, "the expression is too long");
    memcpy(c->step + c->n_steps, c->step + at, n * sizeof *c->step);
    c->n_steps += n;
    return SKALD_OK;
}

/* ---- sets of characters */

static skald_status open_set(parser *p) {
    sk_split_code *c = p->code;
    if (c->n_sets == SK_SPLIT_SETS) return refused(p, "more than 64 sets of characters");
    c->set[c->n_sets++] = (sk_split_set){0, (uint16_t)c->n_ranges, 0, false};
    return SKALD_OK;
}

static skald_status add_range(parser *p, uint32_t low, uint32_t high) {
    sk_split_code *c = p->code;
    if (c->n_ranges == SK_SPLIT_RANGES) return refused(p, "more than 192 ranges of characters");
    c->range[c->n_ranges].low = low;
    c->range[c->n_ranges++].high = high;
    c->set[c->n_sets - 1].n_ranges++;
    return SKALD_OK;
}

/* The other case of the ASCII letters from `low` to `high`; two characters further up fold to ASCII letters too. */
static skald_status add_folded(parser *p, uint32_t low, uint32_t high) {
    if (high >= 128) return refused(p, "letters outside ASCII without regard to case");
    for (uint32_t c = low; c <= high; c++) {
        uint32_t letter = c | 32u;
        if (letter < 'a' || letter > 'z') continue;
        skald_status s = add_range(p, c ^ 32u, c ^ 32u);
        if (s == SKALD_OK && letter == 's') s = add_range(p, 0x17f, 0x17f);
        if (s == SKALD_OK && letter == 'k') s = add_range(p, 0x212a, 0x212a);
        if (s != SKALD_OK) return s;
    }
    return SKALD_OK;
}

static skald_status add_characters(parser *p, uint32_t low, uint32_t high) {
    skald_status s = add_range(p, low, high);
    return s == SKALD_OK && p->fold ? add_folded(p, low, high) : s;
}

static uint32_t space_kinds(void) {
    return 1u << SK_UNICODE_Zs | 1u << SK_UNICODE_Zl | 1u << SK_UNICODE_Zp | 1u << SK_UNICODE_SPACE_CONTROL;
}

/* The kinds of a property such as Lu or L; 0: no such property. */
static uint32_t property_kinds(const uint8_t *name, size_t n) {
#define NAME(name) #name,
    static const char names[][3] = {SK_UNICODE_KINDS(NAME)};
#undef NAME
    uint32_t kinds = 0;
    for (uint32_t k = 0; k < sizeof names / sizeof *names; k++)
        if ((n == 1 || n == 2) && memcmp(name, names[k], n) == 0) kinds |= 1u << k;
    if (kinds >> SK_UNICODE_Cc & 1u) kinds |= 1u << SK_UNICODE_SPACE_CONTROL;
    return kinds;
}

/* Equal sets become one, so that few bits tell all sets a character is in. */
static uint32_t close_set(parser *p) {
    sk_split_code *c = p->code;
    uint32_t last = c->n_sets - 1;
    const sk_split_set *new = c->set + last;
    for (uint32_t i = 0; i < last; i++) {
        const sk_split_set *old = c->set + i;
        if (old->kinds != new->kinds || old->negated != new->negated || old->n_ranges != new->n_ranges) continue;
        if (memcmp(c->range + old->range, c->range + new->range, new->n_ranges * sizeof *c->range) != 0) continue;
        c->n_ranges = new->range;
        c->n_sets = last;
        return i;
    }
    return last;
}

/* \p{..} or \P{..} behind the letter. */
static skald_status read_property(parser *p, uint32_t *kinds) {
    size_t n = 1;
    if (!take(p, "{")) return refused(p, "a property without braces");
    while (n < 3 && peek(p, n) != '}' && peek(p, n) < 0x100) n++;
    *kinds = peek(p, n) == '}' ? property_kinds(p->text + p->at, n) : 0;
    if (*kinds == 0) return refused(p, "a property that is not a general category");
    p->at += n + 1;
    return SKALD_OK;
}

/* What stands behind a backslash: kinds of characters, or one character when kinds is 0. */
static skald_status read_escape(parser *p, uint32_t *kinds, uint32_t *code) {
    const uint32_t all = (1u << SK_UNICODE_N_KINDS) - 1;
    uint32_t letter = peek(p, 0);
    if (letter == 0x100) return malformed(p, "nothing behind the backslash");
    p->at++;
    *kinds = 0;
    *code = letter;
    switch (letter) {
    case 'r': *code = '\r'; return SKALD_OK;
    case 'n': *code = '\n'; return SKALD_OK;
    case 't': *code = '\t'; return SKALD_OK;
    case 's': *kinds = space_kinds(); return SKALD_OK;
    case 'S': *kinds = all & ~space_kinds(); return SKALD_OK;
    case 'd': *kinds = 1u << SK_UNICODE_Nd; return SKALD_OK;
    case 'D': *kinds = all & ~(1u << SK_UNICODE_Nd); return SKALD_OK;
    case 'p':
    case 'P': {
        skald_status s = read_property(p, kinds);
        if (s == SKALD_OK && p->fold) return refused(p, "a property without regard to case");
        if (letter == 'P') *kinds = all & ~*kinds;
        return s;
    }
    default: break;
    }
    bool word = (letter | 32u) >= 'a' && (letter | 32u) <= 'z';
    if (word || (letter >= '0' && letter <= '9') || letter >= 0x80) return p->at--, refused(p, "an unknown escape");
    return SKALD_OK;
}

static skald_status read_character(parser *p, uint32_t *kinds, uint32_t *code) {
    if (take(p, "\\")) return read_escape(p, kinds, code);
    *kinds = 0;
    uint32_t n = sk_utf8_next(code, p->text + p->at, p->n_bytes - p->at);
    if (n == 1 && *code >= 0x80) return malformed(p, "not UTF-8");
    p->at += n;
    return SKALD_OK;
}

/* One member of [..]: a character, a range or an escape that stands for kinds. */
static skald_status read_member(parser *p) {
    uint32_t kinds, low, high;
    if (peek(p, 0) == '[' || (peek(p, 0) == '&' && peek(p, 1) == '&')) return refused(p, "a set inside a set");
    skald_status s = read_character(p, &kinds, &low);
    if (s != SKALD_OK) return s;
    high = low;
    if (kinds == 0 && peek(p, 0) == '-' && peek(p, 1) != ']') {
        p->at++;
        if (peek(p, 0) == 0x100) return malformed(p, "an open range");
        s = read_character(p, &kinds, &high);
        if (s != SKALD_OK) return s;
        if (kinds != 0 || high < low) return malformed(p, "a range from more to less");
    }
    if (kinds == 0) return add_characters(p, low, high);
    p->code->set[p->code->n_sets - 1].kinds |= kinds;
    return SKALD_OK;
}

/* A set: [..], an escape, or a character that stands for itself. */
static skald_status read_set(parser *p, uint32_t *set) {
    skald_status s = open_set(p);
    if (s != SKALD_OK) return s;
    if (take(p, "[")) {
        p->code->set[p->code->n_sets - 1].negated = take(p, "^");
        if (peek(p, 0) == ']') return refused(p, "a set that begins with its bracket");
        while (s == SKALD_OK && peek(p, 0) != ']')
            s = peek(p, 0) == 0x100 ? malformed(p, "an open set") : read_member(p);
        p->at++;
    } else {
        uint32_t kinds, code, c = peek(p, 0);
        if (c == '.' || c == '^' || c == '*' || c == '+' || c == '?' || c == '{' || c == '}' || c == ']' || c > 0xff)
            return refused(p, "no such construct here");
        s = read_character(p, &kinds, &code);
        if (s == SKALD_OK && kinds == 0) s = add_characters(p, code, code);
        p->code->set[p->code->n_sets - 1].kinds = kinds;
    }
    if (s == SKALD_OK) *set = close_set(p);
    return s;
}

/* ---- structure */

static skald_status read_alternatives(parser *p);

static skald_status read_group(parser *p) {
    bool fold = p->fold;
    if (take(p, "?i:")) p->fold = true;
    else if (peek(p, 0) == '?' && !take(p, "?:")) return refused(p, "a group of this kind");
    if (++p->depth > DEEPEST) return refused(p, "groups more than 16 deep");
    skald_status s = read_alternatives(p);
    if (s == SKALD_OK && !take(p, ")")) s = malformed(p, "an open group");
    p->depth--;
    p->fold = fold;
    return s;
}

static skald_status read_ahead(parser *p, uint32_t op) {
    uint32_t set = 0;
    if (peek(p, 0) == '(' || peek(p, 0) == ')' || peek(p, 0) == '|' || peek(p, 0) == '$')
        return refused(p, "looking ahead for more than one character");
    skald_status s = read_set(p, &set);
    if (s == SKALD_OK && !take(p, ")")) return refused(p, "looking ahead for more than one character");
    return s == SKALD_OK ? emit(p, op, set, 0, 0) : s;
}

/* The end of the text: there is no character ahead. */
static skald_status read_end(parser *p) {
    skald_status s = open_set(p);
    if (s != SKALD_OK) return s;
    p->code->set[p->code->n_sets - 1].negated = true;
    return emit(p, SK_SPLIT_NOT_AHEAD, close_set(p), 0, 0);
}

static skald_status read_atom(parser *p) {
    uint32_t set = 0;
    if (take(p, "(?=")) return read_ahead(p, SK_SPLIT_AHEAD);
    if (take(p, "(?!")) return read_ahead(p, SK_SPLIT_NOT_AHEAD);
    if (take(p, "(")) return read_group(p);
    if (take(p, "$")) return read_end(p);
    skald_status s = read_set(p, &set);
    return s == SKALD_OK ? emit(p, SK_SPLIT_SET, set, 0, 0) : s;
}

static skald_status read_number(parser *p, uint32_t *number) {
    if (peek(p, 0) < '0' || peek(p, 0) > '9') return refused(p, "a repetition without a count");
    for (*number = 0; peek(p, 0) >= '0' && peek(p, 0) <= '9'; p->at++) {
        *number = *number * 10 + (peek(p, 0) - '0');
        if (*number > MOST_COPIES) return refused(p, "more than 64 repetitions");
    }
    return SKALD_OK;
}

/* How often the atom before stands there; most is UINT32_MAX for any number. */
static skald_status read_counts(parser *p, uint32_t *least, uint32_t *most) {
    skald_status s = SKALD_OK;
    *least = *most = 1;
    if (take(p, "*")) *least = 0, *most = UINT32_MAX;
    else if (take(p, "+")) *most = UINT32_MAX;
    else if (take(p, "?")) *least = 0;
    else if (take(p, "{")) {
        s = read_number(p, least);
        *most = *least;
        if (s == SKALD_OK && take(p, ",")) {
            if (peek(p, 0) == '}') *most = UINT32_MAX;
            else s = read_number(p, most);
        }
        if (s == SKALD_OK && (!take(p, "}") || *most < *least)) s = malformed(p, "a repetition like {3,1}");
    } else return SKALD_OK;
    if (s == SKALD_OK && (peek(p, 0) == '?' || peek(p, 0) == '+' || peek(p, 0) == '*' || peek(p, 0) == '{'))
        return refused(p, "lazy, possessive or double repetition");
    return s;
}

/* The atom's steps stand from `at` on; they become `least` copies and optional ones up to `most`. */
static skald_status repeat(parser *p, uint32_t at, uint32_t least, uint32_t most) {
    sk_split_code *c = p->code;
    uint32_t n = c->n_steps - at, copies = most == UINT32_MAX ? (least ? least : 1) : most;
    skald_status s = SKALD_OK;
    if (most == 0) return c->n_steps = at, SKALD_OK;
    for (uint32_t i = 1; i < copies && s == SKALD_OK; i++) s = copy(p, at, n);
    if (s == SKALD_OK && most == UINT32_MAX && least) return emit(p, SK_SPLIT_FORK, 0, -(int)n, 1);
    if (s == SKALD_OK && most == UINT32_MAX) {
        s = insert_fork(p, at, 1, (int)n + 2);
        return s == SKALD_OK ? emit(p, SK_SPLIT_JUMP, 0, -(int)n - 1, 0) : s;
    }
    for (uint32_t i = most; i > least && s == SKALD_OK; i--) s = insert_fork(p, at + (i - 1) * n, 1, (int)n + 1);
    return s;
}

static skald_status read_sequence(parser *p) {
    skald_status s = SKALD_OK;
    while (s == SKALD_OK && p->at < p->n_bytes && peek(p, 0) != '|' && peek(p, 0) != ')') {
        uint32_t at = p->code->n_steps, least = 1, most = 1;
        s = read_atom(p);
        if (s == SKALD_OK) s = read_counts(p, &least, &most);
        if (s == SKALD_OK) s = repeat(p, at, least, most);
    }
    return s;
}

/* a|b|c is FORK a JUMP FORK b JUMP c; until the end is known the jumps are a chain through `other`. */
static skald_status read_alternatives(parser *p) {
    sk_split_code *c = p->code;
    uint32_t at = c->n_steps;
    int chain = -1;
    skald_status s = read_sequence(p);
    while (s == SKALD_OK && take(p, "|")) {
        s = insert_fork(p, at, 1, (int)(c->n_steps - at) + 2);
        if (s == SKALD_OK) s = emit(p, SK_SPLIT_JUMP, 0, 0, chain);
        chain = (int)c->n_steps - 1;
        at = c->n_steps;
        if (s == SKALD_OK) s = read_sequence(p);
    }
    while (s == SKALD_OK && chain >= 0) {
        sk_split_step *jump = c->step + chain;
        jump->first = (int16_t)((int)c->n_steps - chain);
        chain = jump->other;
        jump->other = 0;
    }
    return s;
}

skald_status sk_split_parse(sk_split_code *code, const char *expression, size_t n_bytes, skald_report *why) {
    parser p = {code, (const uint8_t *)expression, n_bytes, 0, 0, false, why};
    code->n_steps = code->n_sets = code->n_ranges = 0;
    skald_status s = read_alternatives(&p);
    if (s == SKALD_OK && p.at < n_bytes) return malformed(&p, "a closing bracket too many");
    return s == SKALD_OK ? emit(&p, SK_SPLIT_MATCH, 0, 0, 0) : s;
}

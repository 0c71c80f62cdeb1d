/* Turns the instructions of a split expression into an automaton: a state is the ordered list of places where the
 * machine would stand, cut behind the first match, because what stands later can no longer win. */
#include "text/split.h"
#include "text/split_parse.h"
#include "base/report.h"
#include <string.h>

#define MOST_CLASSES 64u
#define LIST_ROOM    2048u
#define UNKNOWN      UINT32_MAX /* class of a character that is not looked at yet */

typedef struct {
    sk_split_code code;
    uint64_t member[MOST_CLASSES]; /* of a class: a bit per set */
    uint16_t list[LIST_ROOM];      /* all states' places, one list behind the other */
    uint16_t first[SK_SPLIT_STATES + 1];
    uint16_t place[SK_SPLIT_CODE];
    uint16_t stack[2 * SK_SPLIT_CODE + 2];
    bool seen[SK_SPLIT_CODE];
    sk_split *out;
    skald_report *why;
} compiler;

/* ---- classes: characters that no set tells apart */

static uint64_t members(const sk_split_code *code, uint32_t kind, uint32_t character) {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < code->n_sets; i++) {
        const sk_split_set *set = code->set + i;
        bool in = set->kinds >> kind & 1u;
        for (uint32_t r = set->range; r < (uint32_t)set->range + set->n_ranges; r++)
            in = in || (character >= code->range[r].low && character <= code->range[r].high);
        bits |= (uint64_t)(in != set->negated) << i;
    }
    return bits;
}

static skald_status find_class(compiler *c, uint64_t member, uint8_t *number) {
    uint32_t i = 0;
    while (i < c->out->n_classes && c->member[i] != member) i++;
    if (i == MOST_CLASSES - 1) return sk_fail(c->why, SKALD_UNSUPPORTED, "split expression: too many different sets");
    if (i == c->out->n_classes) c->member[c->out->n_classes++] = member;
    *number = (uint8_t)i;
    return SKALD_OK;
}

static skald_status add_segment(compiler *c, uint32_t start) {
    sk_split *out = c->out;
    uint32_t i = out->n_segments;
    if (start <= 128 || start > 0x10ffff) return SKALD_OK;
    while (i > 0 && out->segment[i - 1] > start) i--;
    if (out->segment[i - 1] == start) return SKALD_OK;
    if (out->n_segments == SK_SPLIT_SEGMENTS)
        return sk_fail(c->why, SKALD_UNSUPPORTED, "split expression: too many ranges");
    memmove(out->segment + i + 1, out->segment + i, (out->n_segments++ - i) * sizeof *out->segment);
    out->segment[i] = start;
    return SKALD_OK;
}

/* The segments between the ends of all ranges; those that lie in the same ranges share a row. */
static skald_status make_rows(compiler *c) {
    sk_split *out = c->out;
    uint64_t key[SK_SPLIT_ROWS];
    uint32_t n_rows = 0;
    skald_status s = SKALD_OK;
    out->segment[0] = 128;
    out->n_segments = 1;
    for (uint32_t r = 0; r < c->code.n_ranges && s == SKALD_OK; r++) {
        s = add_segment(c, c->code.range[r].low);
        if (s == SKALD_OK) s = add_segment(c, c->code.range[r].high + 1);
    }
    for (uint32_t i = 0; i < out->n_segments && s == SKALD_OK; i++) {
        uint64_t member = members(&c->code, 31, out->segment[i]); /* no set has the kind 31: ranges alone */
        uint32_t row = 0;
        while (row < n_rows && key[row] != member) row++;
        if (row == SK_SPLIT_ROWS) return sk_fail(c->why, SKALD_UNSUPPORTED, "split expression: too many ranges");
        out->row[i] = (uint8_t)row;
        if (row < n_rows) continue;
        key[n_rows++] = member;
        for (uint32_t kind = 0; kind < SK_UNICODE_N_KINDS && s == SKALD_OK; kind++)
            s = find_class(c, members(&c->code, kind, out->segment[i]), &out->class_of[row][kind]);
    }
    return s;
}

static skald_status make_classes(compiler *c) {
    skald_status s = SKALD_OK;
    c->out->n_classes = 0;
    for (uint32_t a = 0; a < 128 && s == SKALD_OK; a++)
        s = find_class(c, members(&c->code, sk_unicode_kind(a), a), &c->out->ascii[a]);
    if (s == SKALD_OK) s = make_rows(c);
    c->member[c->out->n_classes++] = 0; /* behind the end no set has a member */
    return s;
}

/* ---- states */

/* Puts the places that `place` leads to without a character behind the list that ends at *n, each once, in order of
 * preference. Looking ahead is decided when `class` is known, else it stays in the list. True: a match stands there. */
static bool follow(compiler *c, uint32_t place, uint32_t class, uint16_t *list, uint32_t *n) {
    uint32_t depth = 0;
    c->stack[depth++] = (uint16_t)place;
    while (depth > 0) {
        uint32_t at = c->stack[--depth];
        const sk_split_step *step = c->code.step + at;
        if (c->seen[at]) continue;
        c->seen[at] = true;
        switch (step->op) {
        case SK_SPLIT_FORK:
            c->stack[depth++] = (uint16_t)((int)at + step->other);
            c->stack[depth++] = (uint16_t)((int)at + step->first);
            continue;
        case SK_SPLIT_JUMP: c->stack[depth++] = (uint16_t)((int)at + step->first); continue;
        case SK_SPLIT_AHEAD:
        case SK_SPLIT_NOT_AHEAD:
            if (class == UNKNOWN) break;
            if ((c->member[class] >> step->set & 1u) == (step->op == SK_SPLIT_AHEAD))
                c->stack[depth++] = (uint16_t)(at + 1);
            continue;
        default: break;
        }
        list[(*n)++] = (uint16_t)at;
        if (step->op == SK_SPLIT_MATCH) return true;
    }
    return false;
}

/* The number of the state whose list of n places stands behind all others; a new one is kept. */
static skald_status find_state(compiler *c, uint32_t n, uint32_t *number) {
    sk_split *out = c->out;
    const uint16_t *list = c->list + c->first[out->n_states];
    for (*number = 0; *number < out->n_states; ++*number) {
        const uint16_t *old = c->list + c->first[*number];
        if (c->list + c->first[*number + 1] - old == (ptrdiff_t)n && memcmp(old, list, n * sizeof *list) == 0)
            return SKALD_OK;
    }
    uint32_t end = c->first[out->n_states] + n;
    if (out->n_states == SK_SPLIT_STATES || (out->n_states + 1) * out->n_classes > SK_SPLIT_CELLS ||
        end > LIST_ROOM - SK_SPLIT_CODE)
        return sk_fail(c->why, SKALD_UNSUPPORTED, "split expression: more than %u states", out->n_states);
    c->first[++out->n_states] = (uint16_t)end;
    return SKALD_OK;
}

static skald_status make_cell(compiler *c, uint32_t state, uint32_t class) {
    uint32_t n_places = 0, n = 0, to;
    bool match = false;
    memset(c->seen, 0, sizeof c->seen);
    for (uint32_t i = c->first[state]; i < c->first[state + 1] && !match; i++)
        match = follow(c, c->list[i], class, c->place, &n_places);
    memset(c->seen, 0, sizeof c->seen);
    uint16_t *list = c->list + c->first[c->out->n_states];
    for (uint32_t i = 0; i < n_places; i++) {
        const sk_split_step *step = c->code.step + c->place[i];
        if (step->op != SK_SPLIT_SET || !(c->member[class] >> step->set & 1u)) continue;
        if (follow(c, c->place[i] + 1u, UNKNOWN, list, &n)) break;
    }
    skald_status s = find_state(c, n, &to);
    c->out->next[state * c->out->n_classes + class] = (uint8_t)(to | (match ? 0x80u : 0));
    return s;
}

static skald_status make_states(compiler *c) {
    uint32_t n = 0, start;
    c->out->n_states = 0;
    c->first[0] = 0;
    skald_status s = find_state(c, 0, &start);
    memset(c->seen, 0, sizeof c->seen);
    follow(c, 0, UNKNOWN, c->list, &n);
    if (s == SKALD_OK) s = find_state(c, n, &start);
    for (uint32_t state = 0; state < c->out->n_states && s == SKALD_OK; state++)
        for (uint32_t class = 0; class < c->out->n_classes && s == SKALD_OK; class ++) s = make_cell(c, state, class);
    return s;
}

skald_status sk_split_compile(sk_split *split, const char *expression, size_t n_bytes, skald_report *why) {
    compiler c;
    c.out = split;
    c.why = why;
    skald_status s = sk_split_parse(&c.code, expression, n_bytes, why);
    if (s == SKALD_OK) s = make_classes(&c);
    return s == SKALD_OK ? make_states(&c) : s;
}

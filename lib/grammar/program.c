/* From expressions to operations. Each is written in front of what follows it, so every target is there before it is
 * named; only loops go back to a fork that was put down before its body. */
#include "grammar/program.h"
#include "base/report.h"
#include "base/utf8.h"
#include <string.h>

typedef struct writer {
    sk_draft *d;
    sk_vector ops, queue; /* queue: rules in the order of their first use */
    sk_place_fn *place_of;
    const void *user;
} writer;

static uint32_t put(writer *w, sk_op op) {
    if (w->ops.n == SK_OPS && w->d->status == SKALD_OK)
        w->d->status =
            sk_fail(w->d->why, SKALD_UNSUPPORTED, "the grammar is too large: more than %u operations", SK_OPS);
    sk_op *to = sk_vector_add(w->d, &w->ops, 1);
    if (!to) return 0;
    *to = op;
    return w->ops.n - 1;
}

static uint32_t put_range(writer *w, uint8_t low, uint8_t high, uint32_t next) {
    return put(w, (sk_op){.kind = SK_OP_RANGE, .low = low, .high = high, .next = next});
}

static uint32_t put_fork(writer *w, uint32_t next, uint32_t other) {
    return put(w, (sk_op){.kind = SK_OP_FORK, .next = next, .other = other});
}

/* ---- characters as ranges of bytes */

typedef struct choice {
    bool any;
    uint32_t op;
} choice;

static choice join(writer *w, choice a, uint32_t op) { return (choice){true, a.any ? put_fork(w, a.op, op) : op}; }

static bool all(const uint8_t *bytes, uint32_t n, uint8_t what) {
    for (uint32_t i = 0; i < n; i++)
        if (bytes[i] != what) return false;
    return true;
}

/* Characters of n bytes between two, whose first bytes may differ: the two ends by themselves, all that lies between
 * at once. `rest[k]`: any k bytes that continue a character, then what follows. */
static uint32_t between(writer *w, const uint8_t *low, const uint8_t *high, uint32_t n, const uint32_t rest[4]) {
    static const uint8_t least[3] = {0x80, 0x80, 0x80}, most[3] = {0xbf, 0xbf, 0xbf};
    if (n == 1) return put_range(w, low[0], high[0], rest[0]);
    if (low[0] == high[0]) return put_range(w, low[0], low[0], between(w, low + 1, high + 1, n - 1, rest));
    uint32_t first = low[0], last = high[0];
    choice c = {false, 0};
    if (!all(low + 1, n - 1, 0x80)) {
        c = join(w, c, put_range(w, low[0], low[0], between(w, low + 1, most, n - 1, rest)));
        first++;
    }
    if (!all(high + 1, n - 1, 0xbf)) {
        c = join(w, c, put_range(w, high[0], high[0], between(w, least, high + 1, n - 1, rest)));
        last--;
    }
    if (first <= last) c = join(w, c, put_range(w, (uint8_t)first, (uint8_t)last, rest[n - 1]));
    return c.op;
}

static uint32_t put_chars(writer *w, const sk_expr_node *node, uint32_t next) {
    static const sk_code_range same_length[] = {
        {0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, SK_CHARS_ALL}};
    uint32_t rest[4] = {next};
    const sk_code_range *ranges = (const sk_code_range *)w->d->ranges.at + node->a;
    const uint32_t longest = ranges[node->b - 1].high;
    const int n_rest = longest < 0x80 ? 0 : longest < 0x800 ? 1 : longest < 0x10000 ? 2 : 3;
    for (int i = 1; i <= n_rest; i++) rest[i] = put_range(w, 0x80, 0xbf, rest[i - 1]);
    choice c = {false, 0};
    for (uint32_t i = 0; i < node->b; i++)
        for (size_t k = 0; k < sizeof same_length / sizeof *same_length; k++) {
            const uint32_t low = ranges[i].low > same_length[k].low ? ranges[i].low : same_length[k].low;
            const uint32_t high = ranges[i].high < same_length[k].high ? ranges[i].high : same_length[k].high;
            char first[4], last[4];
            if (low > high) continue;
            const uint32_t n = (uint32_t)sk_utf8_encode(low, first);
            sk_utf8_encode(high, last);
            c = join(w, c, between(w, (uint8_t *)first, (uint8_t *)last, n, rest));
        }
    return c.any ? c.op : put_range(w, 1, 0, 0); /* surrogates alone are no characters */
}

/* ---- expressions */

static uint32_t put_expr(writer *w, sk_expr e, uint32_t next, uint32_t depth);

static uint32_t put_text(writer *w, const sk_expr_node *node, uint32_t next) {
    for (uint32_t i = node->b; i-- > 0 && w->d->status == SKALD_OK;) {
        const uint8_t byte = ((const uint8_t *)w->d->bytes.at)[node->a + i];
        next = put_range(w, byte, byte, next);
    }
    return next;
}

static uint32_t put_call(writer *w, uint32_t rule, uint32_t next) {
    sk_rule *r = sk_rule_at(w->d, rule);
    if (!r->number) {
        uint32_t *to = sk_vector_add(w->d, &w->queue, 1);
        if (!to) return 0;
        *to = rule;
        r->number = w->queue.n;
    }
    return put(w, (sk_op){.kind = SK_OP_CALL, .next = next, .other = rule});
}

/* One operation: a copy is no longer than a call. */
static bool is_short(const writer *w, sk_expr e) {
    const sk_expr_node *node = sk_expr_at(w->d, e);
    if (node->kind == SK_IS_CHARS && node->b == 1) return ((const sk_code_range *)w->d->ranges.at)[node->a].high < 0x80;
    return node->kind == SK_IS_RULE || (node->kind == SK_IS_TEXT && node->b == 1);
}

static uint32_t put_many(writer *w, const sk_expr_node *node, uint32_t next, uint32_t depth) {
    const bool ends = node->most != UINT32_MAX;
    const uint32_t copies = ends ? node->most : node->least;
    sk_expr each = node->a;
    if (copies > 2 && !is_short(w, each)) each = sk_expr_shared(w->d, "a repetition", each);
    uint32_t at = next;
    if (!ends) {
        at = put_fork(w, 0, next);
        const uint32_t body = put_expr(w, each, at, depth);
        if (w->d->status == SKALD_OK) ((sk_op *)w->ops.at)[at].next = body;
    }
    for (uint32_t i = copies; i-- > 0 && w->d->status == SKALD_OK;) {
        at = put_expr(w, each, at, depth);
        if (i >= node->least) at = put_fork(w, at, next);
    }
    return at;
}

/* The operation that begins `e` and goes on to `next`. */
static uint32_t put_expr(writer *w, sk_expr e, uint32_t next, uint32_t depth) {
    if (w->d->status != SKALD_OK) return 0;
    if (depth == 4 * SK_GRAMMAR_DEPTH) {
        w->d->status = sk_fail(w->d->why, SKALD_UNSUPPORTED, "the grammar is nested too deep");
        return 0;
    }
    const sk_expr_node node = *sk_expr_at(w->d, e);
    switch (node.kind) {
    case SK_IS_NOTHING: return put_range(w, 1, 0, 0);
    case SK_IS_EMPTY: return next;
    case SK_IS_TEXT: return put_text(w, &node, next);
    case SK_IS_CHARS: return put_chars(w, &node, next);
    case SK_IS_TOKEN: return put(w, (sk_op){.kind = SK_OP_TOKEN, .next = next, .other = node.a});
    case SK_IS_THEN: return put_expr(w, node.a, put_expr(w, node.b, next, depth + 1), depth);
    case SK_IS_OR: {
        const uint32_t other = put_expr(w, node.b, next, depth + 1);
        return put_fork(w, put_expr(w, node.a, next, depth), other);
    }
    case SK_IS_MANY: return put_many(w, &node, next, depth + 1);
    case SK_IS_RULE: return put_call(w, node.a, next);
    }
    return 0;
}

static skald_status refuse(writer *w, const sk_rule *r, const char *what) {
    char place[160] = "";
    if (w->place_of && r->place != UINT64_MAX) w->place_of(place, sizeof place, w->user, r->place);
    if (!r->n_name) w->d->status = sk_fail_at(w->d->why, SKALD_FORMAT, r->place, "grammar: rule%s: %s", place, what);
    else
        w->d->status = sk_fail_at(w->d->why, SKALD_FORMAT, r->place, "grammar%s: rule %.*s: %s", place, (int)r->n_name,
                                  (const char *)w->d->bytes.at + r->name, what);
    return w->d->status;
}

static void put_rules(writer *w, uint32_t root) {
    put_call(w, root, 0); /* a stand-in that is dropped: it only asks for the root */
    w->ops.n = 0;
    put(w, (sk_op){.kind = SK_OP_END});
    for (uint32_t i = 0; i < w->queue.n && w->d->status == SKALD_OK; i++) {
        const uint32_t rule = ((const uint32_t *)w->queue.at)[i];
        if (!sk_rule_at(w->d, rule)->defined) {
            refuse(w, sk_rule_at(w->d, rule), "used, but not defined");
            return;
        }
        w->d->place = sk_rule_at(w->d, rule)->place;
        const uint32_t start = put_expr(w, sk_rule_at(w->d, rule)->body, 0, 0);
        sk_rule_at(w->d, rule)->start = start;
    }
    sk_op *op = w->ops.at;
    for (uint32_t i = 0; i < w->ops.n && w->d->status == SKALD_OK; i++)
        if (op[i].kind == SK_OP_CALL) op[i].other = sk_rule_at(w->d, op[i].other)->start;
}

/* ---- left recursion: a rule that can come to itself without a byte would never decide */

typedef struct left {
    const sk_program *p;
    const bool *nullable;
    uint32_t *rule_at;     /* [n_ops] number of the rule that begins there, 0: none */
    uint32_t *seen, *todo; /* [n_ops] */
    sk_vector edges;       /* numbers of rules that a rule comes to first */
    uint32_t *first;       /* [n_rules + 2] in edges, by number */
} left;

static void list_edges(left *l, sk_draft *d, uint32_t number, uint32_t start) {
    uint32_t n = 0;
    l->todo[n++] = start;
    l->seen[start] = number;
    while (n) {
        const uint32_t at = l->todo[--n];
        const sk_op *op = &l->p->op[at];
        uint32_t to[2], n_to = 0;
        if (op->kind == SK_OP_FORK) to[n_to++] = op->next, to[n_to++] = op->other;
        if (op->kind == SK_OP_CALL) {
            uint32_t *edge = sk_vector_add(d, &l->edges, 1);
            if (edge) *edge = l->rule_at[op->other];
            if (l->nullable[op->other]) to[n_to++] = op->next;
        }
        while (n_to)
            if (l->seen[to[--n_to]] != number) l->todo[n++] = to[n_to], l->seen[to[n_to]] = number;
    }
}

/* A number of a rule on a circle, 0: there is none. color: 0 new, 1 on the way, 2 done. */
static uint32_t circle(left *l, uint32_t n_rules, uint8_t *color, uint32_t *path, uint32_t *next) {
    const uint32_t *edge = l->edges.at;
    for (uint32_t root = 1; root <= n_rules; root++) {
        uint32_t n = 0;
        if (color[root]) continue;
        path[n++] = root, color[root] = 1, next[root] = l->first[root];
        while (n) {
            const uint32_t at = path[n - 1];
            if (next[at] == l->first[at + 1]) {
                color[at] = 2, n--;
                continue;
            }
            const uint32_t to = edge[next[at]++];
            if (to == 0 || color[to] == 2) continue; /* 0: the rule of no bytes */
            if (color[to] == 1) return to;
            path[n++] = to, color[to] = 1, next[to] = l->first[to];
        }
    }
    return 0;
}

static void check_left(writer *w, const sk_program *p, const bool *nullable) {
    const uint32_t n_rules = w->queue.n, *queue = w->queue.at;
    left l = {.p = p, .nullable = nullable, .edges = {.size = sizeof(uint32_t)}};
    uint8_t *color = NULL;
    uint32_t *path = NULL, *next = NULL;
    sk_carver c = {0};
    for (int pass = 0; pass < 2; pass++) {
        l.rule_at = sk_carve(&c, p->n_ops, sizeof *l.rule_at, SK_CACHE_LINE);
        l.seen = sk_carve(&c, p->n_ops, sizeof *l.seen, SK_CACHE_LINE);
        l.todo = sk_carve(&c, p->n_ops, sizeof *l.todo, SK_CACHE_LINE);
        l.first = sk_carve(&c, n_rules + 2, sizeof *l.first, SK_CACHE_LINE);
        path = sk_carve(&c, n_rules + 1, sizeof *path, SK_CACHE_LINE);
        next = sk_carve(&c, n_rules + 1, sizeof *next, SK_CACHE_LINE);
        color = sk_carve(&c, n_rules + 1, sizeof *color, SK_CACHE_LINE);
        if (pass == 0) c = (sk_carver){.base = sk_allocate_zeroed(w->d->memory, 1, c.used, SKALD_MEMORY_LOAD)};
        if (!c.base) {
            w->d->status = sk_fail(w->d->why, SKALD_MEMORY, "no memory to check a grammar");
            return;
        }
    }
    for (uint32_t i = 0; i < n_rules; i++) {
        const uint32_t start = sk_rule_at(w->d, queue[i])->start;
        if (start) l.rule_at[start] = i + 1;
    }
    for (uint32_t i = 0; i < n_rules && sk_draft_goes_on(w->d); i++) {
        l.first[i + 1] = l.edges.n;
        list_edges(&l, w->d, i + 1, sk_rule_at(w->d, queue[i])->start);
    }
    l.first[n_rules + 1] = l.edges.n;
    const uint32_t found = w->d->status == SKALD_OK ? circle(&l, n_rules, color, path, next) : 0;
    sk_vector_free(w->d, &l.edges);
    sk_release(w->d->memory, c.base, c.used);
    if (found) refuse(w, sk_rule_at(w->d, queue[found - 1]), "begins with itself (left recursion)");
}

/* ---- all of it */

/* The rule at which it is seen that there is no end: of those without one, the last that was written, which the others use. */
static void check_end(writer *w, const sk_program *p, const bool alone[256]) {
    const uint32_t *queue = w->queue.at;
    if (p->need[p->start] <= SK_STACK) return;
    if (p->need[p->start] != SK_UNREACHED) {
        w->d->status =
            sk_fail(w->d->why, SKALD_UNSUPPORTED, "grammar: no text of it ends within a depth of %u", SK_STACK);
        return;
    }
    for (uint32_t i = w->queue.n; i-- > 0;) {
        const sk_rule *r = sk_rule_at(w->d, queue[i]);
        if (p->need[r->start] != SK_UNREACHED) continue;
        for (uint32_t k = 0; k < p->n_ops; k++) {
            const sk_op *op = &p->op[k];
            if (op->kind != SK_OP_RANGE || op->low != op->high || alone[op->low]) continue;
            char what[80];
            sk_format(what, sizeof what, "no text of it can be written: byte 0x%x is no token", op->low);
            refuse(w, r, what);
            return;
        }
        refuse(w, r, "no text of it ever ends");
        return;
    }
}

static skald_status measure(writer *w, sk_program *p, const bool alone[256]) {
    const uint64_t bytes = p->n_ops;
    bool *nullable = sk_allocate(w->d->memory, 1, bytes, SKALD_MEMORY_LOAD);
    if (!nullable || !sk_program_settle(p, w->d, alone, nullable))
        w->d->status = sk_fail(w->d->why, SKALD_MEMORY, "no memory to measure a grammar");
    if (w->d->status == SKALD_OK) check_left(w, p, nullable);
    if (w->d->status == SKALD_OK) check_end(w, p, alone);
    sk_release(w->d->memory, nullable, bytes);
    return w->d->status;
}

static sk_program layout(sk_carver *c, uint32_t n_ops) {
    sk_program p = {.n_ops = n_ops};
    p.op = sk_carve(c, n_ops, sizeof *p.op, SK_CACHE_LINE);
    p.need = sk_carve(c, n_ops, sizeof *p.need, SK_CACHE_LINE);
    p.bytes = sk_carve(c, n_ops, sizeof *p.bytes, SK_CACHE_LINE);
    return p;
}

skald_status sk_program_make(sk_program *p, sk_draft *d, uint32_t root, const bool alone[256], sk_place_fn *place_of,
                             const void *user) {
    writer w = {
        .d = d, .ops = {.size = sizeof(sk_op)}, .queue = {.size = sizeof root}, .place_of = place_of, .user = user};
    *p = (sk_program){0};
    if (d->status == SKALD_OK) put_rules(&w, root);
    if (d->status == SKALD_OK) {
        sk_carver c = {0};
        layout(&c, w.ops.n);
        c = (sk_carver){.base = sk_allocate(d->memory, 1, c.used, SKALD_MEMORY_HANDLE)};
        if (c.base) {
            *p = layout(&c, w.ops.n);
            memcpy(p->op, w.ops.at, w.ops.n * sizeof *p->op);
            p->start = sk_rule_at(d, root)->start;
            measure(&w, p, alone);
        } else {
            d->status = sk_fail(d->why, SKALD_MEMORY, "no memory for a grammar");
        }
    }
    if (d->status != SKALD_OK) sk_program_free(p, d->memory);
    sk_vector_free(d, &w.ops);
    sk_vector_free(d, &w.queue);
    return d->status;
}

void sk_program_free(sk_program *p, const skald_allocator *memory) {
    sk_carver c = {0};
    if (!p->op) return;
    layout(&c, p->n_ops);
    sk_release(memory, p->op, c.used);
    *p = (sk_program){0};
}

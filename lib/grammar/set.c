/* One step of all ways at once: those that take the byte go on, through forks, calls and ends, to what waits next. */
#include "grammar/set.h"
#include <string.h>

static uint32_t hash_of(uint32_t a, uint32_t b) {
    uint64_t x = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    return (uint32_t)(x * 0xbf58476d1ce4e5b9u >> 40) & (SK_SET_SEEN - 1);
}

static void open_work(sk_set_work *w) {
    if (++w->stamp == 0) memset(w, 0, sizeof *w), w->stamp = 1;
    w->n_nodes = 1, w->n_leaves = w->n_todo = w->n_seen = 0, w->n_words = 1;
    w->may_end = w->full = false;
    w->node[0] = (sk_set_node){0};
}

static uint32_t sum(uint32_t a, uint32_t b) { return a > SK_UNREACHED - 1 - b ? SK_UNREACHED - 1 : a + b; }

/* The stack of `parent` with one more place. Half of the slots stay free, so every search ends. */
static uint32_t push_place(sk_set_work *w, const sk_program *p, uint32_t back, uint32_t parent) {
    uint32_t i = hash_of(back, parent);
    for (; w->slot[i].stamp == w->stamp; i = (i + 1) & (SK_SET_SEEN - 1)) {
        const sk_set_node *n = &w->node[w->slot[i].node];
        if (n->back == back && n->parent == parent) return w->slot[i].node;
    }
    w->slot[i].stamp = w->stamp, w->slot[i].node = w->n_nodes;
    w->node[w->n_nodes] = (sk_set_node){.back = back,
                                        .parent = parent,
                                        .depth = w->node[parent].depth + 1,
                                        .bytes = sum(w->node[parent].bytes, p->bytes[back])};
    return w->n_nodes++;
}

/* True the first time. */
static bool mark(sk_set_work *w, sk_way way) {
    uint32_t i = hash_of(way.op, way.node);
    for (; w->seen[i].stamp == w->stamp; i = (i + 1) & (SK_SET_SEEN - 1))
        if (w->seen[i].node == way.node && w->seen[i].op == way.op) return false;
    w->seen[i].stamp = w->stamp, w->seen[i].node = way.node, w->seen[i].op = way.op;
    w->n_seen++;
    return true;
}

static void add_leaf(sk_set_work *w, sk_way way) {
    sk_set_node *n = &w->node[way.node];
    const uint32_t words = 1 + (n->first ? 0 : 2 + n->depth);
    if (w->n_words + words > SK_SET_WORDS) {
        w->dropped = true;
        return;
    }
    w->n_words += words;
    w->leaf[w->n_leaves++] = way;
    w->after[w->n_leaves - 1] = 0;
    if (n->first) w->after[n->last - 1] = w->n_leaves;
    else n->first = w->n_leaves;
    n->last = w->n_leaves;
}

/* Little room is left: from now on only the way that surely leads on is followed. What need not write anything is then
 * passed over, so the stack grows only towards the next byte. */
static bool is_full(const sk_set_work *w) {
    return w->n_seen >= SK_SET_SEEN / 2 || w->n_todo >= SK_SET_SEEN - 4 ||
           w->n_nodes >= SK_SET_NODES - 2 * SK_STACK - 4;
}

static bool is_open(const sk_set_work *w, const sk_program *p, sk_way way) {
    const uint32_t need = p->need[way.op];
    return need <= SK_STACK && w->node[way.node].depth + need <= SK_STACK;
}

static void plan(sk_set_work *w, const sk_program *p, uint32_t node, uint32_t op) {
    const sk_way way = {node, op};
    if (is_open(w, p, way)) w->todo[w->n_todo++] = way;
}

static void follow(sk_set_work *w, const sk_program *p, sk_way way) {
    const sk_op *op = &p->op[way.op];
    switch ((sk_op_kind)op->kind) {
    case SK_OP_RANGE:
    case SK_OP_TOKEN: add_leaf(w, way); return;
    case SK_OP_FORK:
        if (!w->full) plan(w, p, way.node, op->other);
        plan(w, p, way.node, op->next); /* looked at first: it surely leads to an end */
        return;
    case SK_OP_CALL:
        if (w->full && p->bytes[op->other] == 0) plan(w, p, way.node, op->next);
        else plan(w, p, op->next ? push_place(w, p, op->next, way.node) : way.node, op->other);
        return;
    case SK_OP_END:
        if (way.node == 0) w->may_end = true;
        else plan(w, p, w->node[way.node].parent, w->node[way.node].back);
    }
}

/* All that `node`, `op` comes to without a byte. */
static void explore(sk_set_work *w, const sk_program *p, uint32_t node, uint32_t op) {
    plan(w, p, node, op);
    while (w->n_todo) {
        const sk_way way = w->todo[--w->n_todo];
        if (!w->full && is_full(w)) w->full = w->dropped = true;
        if (w->full && (w->n_leaves || w->may_end)) w->n_todo = 0;
        else if (w->full || mark(w, way)) follow(w, p, way);
    }
}

static bool close_set(sk_set *out, const sk_set_work *w) {
    uint32_t n = 0;
    out->word[n++] = w->may_end;
    for (uint32_t i = 0; i < w->n_leaves; i++) {
        const sk_set_node *node = &w->node[w->leaf[i].node];
        if (node->first != i + 1) continue;
        uint32_t *count = &out->word[n + 1];
        out->word[n++] = node->depth, n++;
        for (const sk_set_node *at = node; at->depth; at = &w->node[at->parent]) out->word[n++] = at->back;
        *count = 0;
        for (uint32_t leaf = node->first; leaf; leaf = w->after[leaf - 1], ++*count)
            out->word[n++] = w->leaf[leaf - 1].op;
    }
    out->n_words = n;
    return w->may_end || w->n_leaves;
}

void sk_set_begin(sk_set *out, sk_set_work *w, const sk_program *p) {
    open_work(w);
    explore(w, p, 0, p->start);
    close_set(out, w);
}

/* One stack of a set that is read. */
typedef struct group {
    uint32_t depth, n;
    const uint32_t *back, *op;
} group;

static group group_at(const sk_set *s, uint32_t i) {
    const uint32_t depth = s->word[i], *back = &s->word[i + 2];
    return (group){depth, s->word[i + 1], back, back + depth};
}

static uint32_t length_of(group g) { return 2 + g.depth + g.n; }

static uint32_t stack_bytes(group g, const sk_program *p) {
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < g.depth; i++) bytes = sum(bytes, p->bytes[g.back[i]]);
    return bytes;
}

static bool takes(const sk_op *op, sk_op_kind kind, uint32_t what) {
    if ((sk_op_kind)op->kind != kind) return false;
    return kind == SK_OP_TOKEN ? op->other == what : op->low <= what && what <= op->high;
}

static uint32_t rebuild(sk_set_work *w, const sk_program *p, group g) {
    uint32_t node = 0;
    for (uint32_t i = g.depth; i-- > 0;) node = push_place(w, p, g.back[i], node);
    return node;
}

/* The ways of a set that take a byte, or a token. */
typedef struct source {
    const sk_set *from;
    sk_op_kind kind;
    uint32_t what;
} source;

typedef struct nearest {
    group group;
    uint32_t next, least;
} nearest;

static void look_for_nearest(nearest *best, const sk_program *p, source s) {
    for (uint32_t i = 1; i < s.from->n_words;) {
        const group g = group_at(s.from, i);
        const uint32_t below = stack_bytes(g, p);
        for (uint32_t k = 0; k < g.n; k++) {
            const sk_op *op = &p->op[g.op[k]];
            if (!takes(op, s.kind, s.what) || sum(below, p->bytes[op->next]) >= best->least) continue;
            *best = (nearest){g, op->next, sum(below, p->bytes[op->next])};
        }
        i += length_of(g);
    }
}

static void take_all(sk_set_work *w, const sk_program *p, source s) {
    for (uint32_t i = 1; i < s.from->n_words && !w->full;) {
        const group g = group_at(s.from, i);
        for (uint32_t k = 0; k < g.n && !w->full; k++) {
            const sk_op *op = &p->op[g.op[k]];
            if (takes(op, s.kind, s.what)) explore(w, p, rebuild(w, p, g), op->next);
        }
        i += length_of(g);
    }
}

/* The way that is nearest to the end goes first: what is dropped for want of room is never the nearest. */
static bool step(sk_set *out, sk_set_work *w, const sk_program *p, const source *s, uint32_t n) {
    nearest best = {.least = SK_UNREACHED};
    open_work(w);
    for (uint32_t i = 0; i < n; i++) look_for_nearest(&best, p, s[i]);
    if (best.least != SK_UNREACHED) explore(w, p, rebuild(w, p, best.group), best.next);
    for (uint32_t i = 0; i < n; i++) take_all(w, p, s[i]);
    return close_set(out, w);
}

bool sk_set_byte(sk_set *out, sk_set_work *w, const sk_program *p, const sk_set *from, uint8_t byte) {
    const source s = {from, SK_OP_RANGE, byte};
    return step(out, w, p, &s, 1);
}

bool sk_set_token(sk_set *out, sk_set_work *w, const sk_program *p, const sk_set *from, uint32_t id,
                  const sk_set *before, uint8_t last) {
    const source s[] = {{from, SK_OP_TOKEN, id}, {before, SK_OP_RANGE, last}};
    return step(out, w, p, s, before ? 2 : 1);
}

bool sk_set_waits(const sk_set *s, const sk_program *p, uint32_t id) {
    for (uint32_t i = 1; i < s->n_words;) {
        const group g = group_at(s, i);
        for (uint32_t k = 0; k < g.n; k++)
            if (takes(&p->op[g.op[k]], SK_OP_TOKEN, id)) return true;
        i += length_of(g);
    }
    return false;
}

uint32_t sk_set_least(const sk_set *s, const sk_program *p) {
    uint32_t least = sk_set_may_end(s) ? 0 : SK_UNREACHED;
    for (uint32_t i = 1; i < s->n_words;) {
        const group g = group_at(s, i);
        const uint32_t below = stack_bytes(g, p);
        for (uint32_t k = 0; k < g.n; k++)
            if (sum(below, p->bytes[g.op[k]]) < least) least = sum(below, p->bytes[g.op[k]]);
        i += length_of(g);
    }
    return least;
}

void sk_set_each(const sk_set *s, const sk_program *p, void (*look)(void *user, const sk_op *op), void *user) {
    for (uint32_t i = 1; i < s->n_words;) {
        const group g = group_at(s, i);
        for (uint32_t k = 0; k < g.n; k++) look(user, &p->op[g.op[k]]);
        i += length_of(g);
    }
}

/* How deep and how far it is to the end of a rule, for every operation: Knuth 1977, "A generalization of Dijkstra's
 * algorithm". Operations are settled in order of their measure, from END backwards; those that are never reached have no
 * end. A fork is settled by the better of its two ways, which becomes its first, a call by both the rule and what follows. */
#include "grammar/program.h"

typedef enum measure {
    FAR_ANYHOW,  /* bytes, however deep: 0 where nothing need be written */
    DEEP,        /* places on the stack */
    FAR_SHALLOW, /* bytes, on ways that are as shallow as can be */
} measure;

typedef struct entry {
    uint32_t key, op, from;
} entry;

typedef struct settling {
    sk_program *p;
    const bool *alone;
    measure measure;
    uint32_t *value; /* [n_ops] */
    uint32_t *first; /* [n_ops + 1] in users */
    uint32_t *users; /* operations that go to one */
    entry *heap;
    uint32_t n_heap;
    sk_draft *d; /* that the program comes from */
} settling;

#define OFTEN 1024u /* operations between two looks at the watch */

static void push(settling *s, uint32_t key, uint32_t op, uint32_t from) {
    uint32_t i = s->n_heap++;
    for (; i && s->heap[(i - 1) / 2].key > key; i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = (entry){key, op, from};
}

static entry pop(settling *s) {
    const entry top = s->heap[0], last = s->heap[--s->n_heap];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
        if (child + 1 < s->n_heap && s->heap[child + 1].key < s->heap[child].key) child++;
        if (s->heap[child].key >= last.key) break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

static bool can_write(const settling *s, const sk_op *op) {
    for (uint32_t byte = op->low; byte <= op->high; byte++)
        if (s->alone[byte]) return true;
    return false;
}

static uint32_t of_call(const settling *s, const sk_op *op) {
    const uint32_t in = s->value[op->other], then = s->value[op->next];
    if (in == SK_UNREACHED || then == SK_UNREACHED) return SK_UNREACHED;
    if (s->measure != DEEP) return in > SK_UNREACHED - 1 - then ? SK_UNREACHED - 1 : in + then;
    const uint32_t deeper = in + (op->next != 0); /* a call at the end of a rule takes no place */
    return deeper > then ? deeper : then;
}

/* What `user` measures now that `from` is settled; SK_UNREACHED: not yet, or not this way. */
static uint32_t reached(const settling *s, uint32_t user, uint32_t from) {
    const sk_op *op = &s->p->op[user];
    const uint32_t value = s->value[from];
    switch ((sk_op_kind)op->kind) {
    case SK_OP_RANGE:
        if (!can_write(s, op)) return SK_UNREACHED;
        /* fall through */
    case SK_OP_TOKEN: return value + (s->measure != DEEP && value < SK_UNREACHED - 1);
    case SK_OP_FORK: return s->measure == FAR_SHALLOW && s->p->need[from] != s->p->need[user] ? SK_UNREACHED : value;
    case SK_OP_CALL: return of_call(s, op);
    case SK_OP_END: break;
    }
    return SK_UNREACHED;
}

/* A fork's `next` is the way by which it was settled: whoever keeps to it comes to an end. */
static void put_better_first(sk_op *op, uint32_t from) {
    if (op->kind != SK_OP_FORK || op->next == from) return;
    op->other = op->next;
    op->next = from;
}

static void run(settling *s, measure m, uint32_t *value) {
    s->measure = m, s->value = value, s->n_heap = 0;
    for (uint32_t i = 0; i < s->p->n_ops; i++) value[i] = SK_UNREACHED;
    push(s, 0, 0, 0);
    for (uint32_t n = 1; s->n_heap && (n % OFTEN || sk_draft_goes_on(s->d)); n++) {
        const entry e = pop(s);
        if (value[e.op] != SK_UNREACHED) continue;
        value[e.op] = e.key;
        if (m == FAR_SHALLOW) put_better_first(&s->p->op[e.op], e.from);
        for (uint32_t i = s->first[e.op]; i < s->first[e.op + 1]; i++) {
            const uint32_t user = s->users[i];
            if (value[user] != SK_UNREACHED) continue;
            const uint32_t key = reached(s, user, e.op);
            if (key != SK_UNREACHED) push(s, key, user, e.op);
        }
    }
}

static uint32_t goes_to(const sk_op *op, uint32_t to[2]) {
    to[0] = op->next, to[1] = op->other;
    return op->kind == SK_OP_END ? 0 : op->kind == SK_OP_FORK || op->kind == SK_OP_CALL ? 2 : 1;
}

static void list_users(settling *s) {
    uint32_t to[2];
    for (uint32_t i = 0; i < s->p->n_ops; i++)
        for (uint32_t k = goes_to(&s->p->op[i], to); k-- > 0;) s->first[to[k] + 1]++;
    for (uint32_t i = 0; i < s->p->n_ops; i++) s->first[i + 1] += s->first[i];
    for (uint32_t i = s->p->n_ops; i-- > 0;)
        for (uint32_t k = goes_to(&s->p->op[i], to); k-- > 0;) s->users[--s->first[to[k] + 1]] = i;
    /* each list was filled from its end: first[i + 1] is now where list i begins */
    for (uint32_t i = 0; i < s->p->n_ops; i++) s->first[i] = s->first[i + 1];
    s->first[s->p->n_ops] = 0;
    for (uint32_t i = 0; i < s->p->n_ops; i++) s->first[s->p->n_ops] += goes_to(&s->p->op[i], to);
}

bool sk_program_settle(sk_program *p, sk_draft *d, const bool alone[256], bool *nullable) {
    const uint32_t n = p->n_ops;
    sk_carver c = {0};
    for (int pass = 0; pass < 2; pass++) {
        settling s = {.p = p, .alone = alone, .d = d};
        s.first = sk_carve(&c, n + (uint64_t)1, sizeof *s.first, SK_CACHE_LINE);
        s.users = sk_carve(&c, sk_mul(n, 2), sizeof *s.users, SK_CACHE_LINE);
        s.heap = sk_carve(&c, sk_mul(n, 2) + 1, sizeof *s.heap, SK_CACHE_LINE);
        if (pass == 0) {
            const uint64_t bytes = c.used;
            c = (sk_carver){.base = sk_allocate_zeroed(d->memory, 1, bytes, SKALD_MEMORY_LOAD)};
            if (!c.base) return false;
            continue;
        }
        list_users(&s);
        run(&s, FAR_ANYHOW, p->bytes);
        for (uint32_t i = 0; i < n; i++) nullable[i] = p->bytes[i] == 0;
        run(&s, DEEP, p->need);
        run(&s, FAR_SHALLOW, p->bytes);
        sk_release(d->memory, c.base, c.used);
    }
    return true;
}

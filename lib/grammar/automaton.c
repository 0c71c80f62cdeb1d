#include "grammar/automaton.h"
#include <string.h>

#define UNIT      16u
#define NOT_KNOWN 0u /* where a byte leads */
#define NOWHERE   1u
#define NO_ROOM   0u

typedef struct item {
    uint32_t hash, chain;   /* the next item of its bucket */
    uint32_t least;         /* bytes to the end */
    uint32_t mask;          /* in units, 0: not made */
    uint32_t most;          /* of the tokens in the mask: the most bytes that one leaves to the end */
    uint32_t n_near, n_far; /* behind the mask; n_far above SK_RANKED: there were too many to keep */
    uint32_t n_words;
    uint32_t next[]; /* [n_classes], then the words of the set */
} item;

static item *at(const sk_automaton *a, uint32_t unit) { return (item *)(void *)(a->arena + (size_t)unit * UNIT); }
static uint32_t *words_of(const sk_automaton *a, item *i) { return i->next + a->n_classes; }

static uint32_t units(uint64_t bytes) { return (uint32_t)sk_divide_up(bytes, UNIT); }

static uint32_t item_units(const sk_automaton *a, uint32_t n_words) {
    return units(sizeof(item) + ((uint64_t)a->n_classes + n_words) * sizeof(uint32_t));
}

/* ---- memory */

/* A walk holds at most one item for each byte of the longest token, and its mask. */
static uint64_t least_units(const sk_automaton *a) {
    const uint64_t largest = units(sizeof(item) + (256 + SK_SET_WORDS) * sizeof(uint32_t));
    return 2 + largest * (SK_TRIE_LONGEST + 2) +
           units((uint64_t)a->n_bits * sizeof(uint32_t) + 2 * SK_RANKED * sizeof(sk_ranked));
}

void sk_automaton_carve(sk_automaton *a, sk_carver *c, const sk_grammar_host *host, uint64_t cache_bytes) {
    a->vocab = host->vocab, a->trie = host->trie, a->n_logits = host->n_logits;
    a->n_bits = (host->n_logits + 31) / 32;
    uint64_t n = cache_bytes / UNIT;
    if (n < least_units(a)) n = least_units(a);
    if (n > UINT32_MAX) n = UINT32_MAX;
    a->n_units = (uint32_t)n;
    a->arena = sk_carve(c, n, UNIT, SK_CACHE_LINE);
    a->buckets = sk_carve(c, SK_ITEM_BUCKETS, sizeof *a->buckets, SK_CACHE_LINE);
    a->bits = sk_carve(c, a->n_bits, sizeof *a->bits, SK_CACHE_LINE);
    a->near = sk_carve(c, SK_RANKED, sizeof *a->near, SK_CACHE_LINE);
    a->far = sk_carve(c, SK_RANKED, sizeof *a->far, SK_CACHE_LINE);
    a->work = sk_carve(c, 1, sizeof *a->work, SK_CACHE_LINE);
    a->set = sk_carve(c, 1, sizeof *a->set, SK_CACHE_LINE);
    a->begin = sk_carve(c, 1, sizeof *a->begin, SK_CACHE_LINE);
}

static void begin_anew(sk_automaton *a) {
    memset(a->buckets, 0, SK_ITEM_BUCKETS * sizeof *a->buckets);
    a->used = 2; /* 0 and 1 mean something else */
    if (++a->epoch == 0) a->epoch = 1;
}

void sk_automaton_open(sk_automaton *a, const sk_program *p) {
    bool begins[257] = {true};
    a->p = p;
    for (uint32_t i = 0; i < p->n_ops; i++)
        if (p->op[i].kind == SK_OP_RANGE) begins[p->op[i].low] = begins[p->op[i].high + 1] = true;
    a->n_classes = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        a->n_classes += begins[byte];
        a->class_of[byte] = (uint8_t)(a->n_classes - 1);
    }
    memset(a->work, 0, sizeof *a->work);
    begin_anew(a);
}

/* ---- items */

static uint32_t hash_of(const sk_set *s) {
    uint64_t x = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < s->n_words; i++) x = (x ^ s->word[i]) * 0x100000001b3u;
    return (uint32_t)(x ^ x >> 32);
}

static uint32_t find(const sk_automaton *a, const sk_set *s, uint32_t hash) {
    uint32_t unit = a->buckets[hash % SK_ITEM_BUCKETS];
    for (; unit; unit = at(a, unit)->chain) {
        item *i = at(a, unit);
        if (i->hash == hash && i->n_words == s->n_words &&
            memcmp(words_of(a, i), s->word, s->n_words * sizeof *s->word) == 0)
            break;
    }
    return unit;
}

/* The item of a set, made when there is none; NO_ROOM: the arena is full. */
static uint32_t keep(sk_automaton *a, const sk_set *s) {
    const uint32_t hash = hash_of(s), n = item_units(a, s->n_words);
    uint32_t unit = find(a, s, hash), *bucket = &a->buckets[hash % SK_ITEM_BUCKETS];
    if (unit) return unit;
    if (n > a->n_units - a->used) return NO_ROOM;
    unit = a->used;
    a->used += n;
    item *i = at(a, unit);
    *i = (item){.hash = hash, .chain = *bucket, .least = sk_set_least(s, a->p), .n_words = s->n_words};
    memset(i->next, 0, a->n_classes * sizeof *i->next);
    memcpy(words_of(a, i), s->word, s->n_words * sizeof *s->word);
    *bucket = unit;
    return unit;
}

static void load(sk_set *to, const sk_automaton *a, uint32_t unit) {
    item *i = at(a, unit);
    to->n_words = i->n_words;
    memcpy(to->word, words_of(a, i), i->n_words * sizeof *to->word);
}

/* An item, NOWHERE, or NO_ROOM. */
static uint32_t next_of(sk_automaton *a, uint32_t unit, uint8_t byte) {
    uint32_t *next = &at(a, unit)->next[a->class_of[byte]];
    if (*next != NOT_KNOWN) return *next;
    load(a->set, a, unit);
    const uint32_t to = sk_set_byte(a->set, a->work, a->p, a->set, byte) ? keep(a, a->set) : NOWHERE;
    return *next = to; /* NO_ROOM is NOT_KNOWN */
}

static uint32_t keep_surely(sk_automaton *a, const sk_set *s) {
    uint32_t unit = keep(a, s);
    if (unit != NO_ROOM) return unit;
    begin_anew(a);
    return keep(a, s);
}

static uint32_t item_of(sk_automaton *a, sk_matcher *m) {
    if (m->epoch != a->epoch) m->item = keep_surely(a, &m->set);
    m->epoch = a->epoch;
    return m->item;
}

/* ---- masks */

static void allow(sk_automaton *a, uint32_t id) {
    if (id < a->n_logits) a->bits[id / 32] |= 1u << id % 32;
}

static bool is_allowed(const sk_automaton *a, uint32_t id) {
    return id < a->n_logits && a->bits[id / 32] >> id % 32 & 1;
}

static void forbid(sk_automaton *a, uint32_t id) {
    if (id < a->n_logits) a->bits[id / 32] &= ~(1u << id % 32);
}

static void rank(sk_ranked *list, uint32_t *n, uint32_t id, uint32_t least) {
    if (*n < SK_RANKED) list[*n] = (sk_ranked){id, least};
    ++*n;
}

/* Allows a token that leaves `least` bytes, where `base` are left before it. */
static void allow_ranked(sk_automaton *a, uint32_t id, uint32_t least, uint32_t base) {
    allow(a, id);
    if (least > a->most) a->most = least;
    if (least < base) rank(a->near, &a->n_near, id, least);
    if (least > base) rank(a->far, &a->n_far, id, least);
}

/* The arena began anew in the middle of a walk: what leads to this depth is made again. */
static uint32_t go_again(sk_automaton *a, uint32_t depth) {
    begin_anew(a);
    a->item_at[0] = keep(a, a->begin);
    for (uint32_t i = 1; i <= depth; i++) a->item_at[i] = next_of(a, a->item_at[i - 1], a->byte_at[i]);
    return a->item_at[depth];
}

/* Allows the tokens after which at most `limit` bytes are left to the end. */
static void walk(sk_automaton *a, uint32_t limit, uint32_t base) {
    const sk_trie *t = a->trie;
    for (uint32_t node = 0; node < t->n_nodes;) {
        const uint32_t depth = t->depth[node];
        a->byte_at[depth] = t->byte[node];
        uint32_t to = next_of(a, a->item_at[depth - 1], t->byte[node]);
        if (to == NO_ROOM) to = go_again(a, depth);
        if (to == NOWHERE) {
            node = t->skip[node];
            continue;
        }
        a->item_at[depth] = to;
        const uint32_t first = t->first[node], end = t->first[++node], least = first < end ? at(a, to)->least : 0;
        if (first == end || least > limit) continue;
        for (uint32_t i = first; i < end; i++)
            if (!is_allowed(a, t->ids[i])) allow_ranked(a, t->ids[i], least, base);
    }
}

typedef struct tokens {
    sk_automaton *a;
    uint32_t limit, base;
} tokens;

/* To a->set: all ways after a token that is waited for by name. */
static bool take_named(sk_automaton *a, const sk_set *from, uint32_t id) {
    const uint32_t n = sk_trie_writes(a->vocab, id) ? sk_vocab_length(a->vocab, id) : 0;
    const uint8_t *bytes = a->vocab->bytes + a->vocab->start[id];
    bool writes = n > 0;
    *a->set = *from;
    for (uint32_t i = 0; i + 1 < n && writes; i++) writes = sk_set_byte(a->set, a->work, a->p, a->set, bytes[i]);
    return sk_set_token(a->set, a->work, a->p, from, id, writes ? a->set : NULL, writes ? bytes[n - 1] : 0);
}

static void allow_named(void *user, const sk_op *op) {
    tokens *t = user;
    if (op->kind != SK_OP_TOKEN || is_allowed(t->a, op->other) || !take_named(t->a, t->a->begin, op->other)) return;
    const uint32_t least = sk_set_least(t->a->set, t->a->p);
    if (least <= t->limit) allow_ranked(t->a, op->other, least, t->base);
}

static void make_mask(sk_automaton *a, uint32_t unit, uint32_t limit) {
    const uint32_t base = at(a, unit)->least;
    memset(a->bits, 0, a->n_bits * sizeof *a->bits);
    a->n_near = a->n_far = a->most = 0;
    load(a->begin, a, unit);
    a->item_at[0] = unit;
    tokens t = {a, limit, base};
    sk_set_each(a->begin, a->p, allow_named, &t); /* first: what their bytes lead to is in it */
    walk(a, limit, base);
    if (sk_set_may_end(a->begin))
        for (uint32_t i = 0; i < a->vocab->n_ends; i++) allow(a, (uint32_t)a->vocab->end[i]);
}

static uint32_t *bits_of(const sk_automaton *a, const item *i) {
    return (uint32_t *)(void *)(a->arena + (size_t)i->mask * UNIT);
}

static sk_ranked *ranked_of(const sk_automaton *a, const item *i) {
    return (sk_ranked *)(void *)(bits_of(a, i) + a->n_bits + a->n_bits % 2);
}

/* Makes a set's mask and keeps it with it. */
static item *with_mask(sk_automaton *a, sk_matcher *m) {
    item *i = at(a, item_of(a, m));
    if (i->mask) return i;
    make_mask(a, m->item, SK_UNREACHED);
    const bool fits = a->n_near <= SK_RANKED && a->n_far <= SK_RANKED;
    const uint64_t n_ranked = fits ? (uint64_t)a->n_near + a->n_far : 0;
    const uint32_t n = units(((uint64_t)a->n_bits + 1) * sizeof *a->bits + n_ranked * sizeof(sk_ranked));
    if (n > a->n_units - a->used) begin_anew(a);
    i = at(a, item_of(a, m)); /* the walk may have begun anew too */
    i->mask = a->used, i->most = a->most;
    i->n_near = a->n_near, i->n_far = fits ? a->n_far : UINT32_MAX;
    a->used += n;
    memcpy(bits_of(a, i), a->bits, a->n_bits * sizeof *a->bits);
    if (fits) memcpy(ranked_of(a, i), a->near, a->n_near * sizeof *a->near);
    if (fits) memcpy(ranked_of(a, i) + a->n_near, a->far, a->n_far * sizeof *a->far);
    return i;
}

/* Of a kept mask, the tokens that leave at most `limit` bytes: all but some that lead away from the end, or, when the end
 * has to come nearer with each token, only those that lead to it. */
static void shorten(sk_automaton *a, const item *i, uint32_t limit) {
    const sk_ranked *near = ranked_of(a, i), *far = near + i->n_near;
    if (limit >= i->least) {
        memcpy(a->bits, bits_of(a, i), a->n_bits * sizeof *a->bits);
        for (uint32_t k = 0; k < i->n_far; k++)
            if (far[k].least > limit) forbid(a, far[k].id);
        return;
    }
    memset(a->bits, 0, a->n_bits * sizeof *a->bits);
    for (uint32_t k = 0; k < i->n_near; k++)
        if (near[k].least <= limit) allow(a, near[k].id);
}

static bool any(const sk_automaton *a) {
    for (uint32_t i = 0; i < a->n_bits; i++)
        if (a->bits[i]) return true;
    return false;
}

const uint32_t *sk_automaton_mask(sk_automaton *a, sk_matcher *m, uint32_t n_left) {
    const item *i = with_mask(a, m);
    if (n_left == 0 || i->most <= n_left - 1) return bits_of(a, i);
    if (i->n_far != UINT32_MAX) shorten(a, i, n_left - 1);
    else make_mask(a, m->item, n_left - 1);
    return any(a) ? a->bits : bits_of(a, with_mask(a, m)); /* none: it is too late */
}

/* ---- going on */

bool sk_automaton_go(sk_automaton *a, sk_matcher *m, const uint8_t *bytes, uint32_t n_bytes) {
    uint32_t unit = item_of(a, m), i = 0;
    for (; i < n_bytes && unit != NO_ROOM; i++) {
        unit = next_of(a, unit, bytes[i]);
        if (unit == NOWHERE) return false;
    }
    if (unit != NO_ROOM) {
        load(&m->set, a, unit);
        m->item = unit;
        return true;
    }
    /* the arena is full: by hand */
    *a->begin = m->set;
    for (i = 0; i < n_bytes; i++)
        if (!sk_set_byte(a->begin, a->work, a->p, a->begin, bytes[i])) return false;
    m->set = *a->begin;
    m->epoch = 0;
    return true;
}

bool sk_automaton_take(sk_automaton *a, sk_matcher *m, uint32_t id) {
    const sk_vocab *v = a->vocab;
    if (!sk_set_waits(&m->set, a->p, id))
        return sk_trie_writes(v, id) && sk_automaton_go(a, m, v->bytes + v->start[id], sk_vocab_length(v, id));
    if (!take_named(a, &m->set, id)) return false;
    m->set = *a->set;
    m->epoch = 0;
    return true;
}

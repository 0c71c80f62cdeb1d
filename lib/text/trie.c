/* Sorts the tokens; each then adds the nodes by which it is longer than what it has in common with the one before. */
#include "text/trie.h"
#include "base/report.h"
#include "text/sorted.h"
#include <string.h>

#define OFTEN 1024u /* tokens between two looks at the watch: a tenth of a millisecond */

bool sk_trie_writes(const sk_vocab *v, uint32_t id) {
    const uint32_t type = v->type[id], n = sk_vocab_length(v, id);
    const bool text = type == SK_TOKEN_NORMAL || type == SK_TOKEN_USER || type == SK_TOKEN_BYTE;
    return text && n && n <= SK_TRIE_LONGEST && !sk_vocab_is_end(v, (int32_t)id);
}

static uint32_t common(const sk_vocab *v, uint32_t a, uint32_t b) {
    const uint32_t n = sk_vocab_length(v, a), m = sk_vocab_length(v, b);
    uint32_t i = 0;
    while (i < n && i < m && v->bytes[v->start[a] + i] == v->bytes[v->start[b] + i]) i++;
    return i;
}

/* Nodes up to `n` bytes are open: those of more have nothing below them any more. */
static void close_nodes(sk_trie *t, const uint32_t *open, uint32_t n_open, uint32_t n) {
    for (; n_open > n; n_open--) t->skip[open[n_open - 1]] = t->n_nodes;
}

static void add(sk_trie *t, const sk_vocab *v, uint32_t *open, uint32_t at, uint32_t shared) {
    const uint32_t id = t->ids[at], n = sk_vocab_length(v, id);
    for (uint32_t i = shared; i < n; i++) {
        const uint32_t node = open[i] = t->n_nodes++;
        t->byte[node] = v->bytes[v->start[id] + i];
        t->depth[node] = (uint16_t)(i + 1);
        t->first[node] = at;
    }
    if (n == 1) t->alone[v->bytes[v->start[id]]] = true;
}

static skald_status fill(sk_trie *t, const sk_vocab *v, sk_watch *watch, skald_report *why) {
    uint32_t open[SK_TRIE_LONGEST];
    skald_status status = SKALD_OK;
    t->n_nodes = 0;
    for (uint32_t i = 0, n = 0; i < t->n_ids && status == SKALD_OK; n = sk_vocab_length(v, t->ids[i++])) {
        const uint32_t shared = i ? common(v, t->ids[i - 1], t->ids[i]) : 0;
        close_nodes(t, open, n, shared);
        add(t, v, open, i, shared);
        if (i % OFTEN == 0) status = sk_watch_look(watch, why);
    }
    if (t->n_ids) close_nodes(t, open, sk_vocab_length(v, t->ids[t->n_ids - 1]), 0);
    t->first[t->n_nodes] = t->n_ids;
    return status;
}

static sk_trie *layout(sk_carver *c, uint32_t n_ids, uint32_t n_nodes) {
    sk_trie *t = sk_carve(c, 1, sizeof *t, SK_CACHE_LINE);
    sk_trie parts = {.n_ids = n_ids};
    parts.skip = sk_carve(c, n_nodes, sizeof *parts.skip, SK_CACHE_LINE);
    parts.first = sk_carve(c, n_nodes + (uint64_t)1, sizeof *parts.first, SK_CACHE_LINE);
    parts.depth = sk_carve(c, n_nodes, sizeof *parts.depth, SK_CACHE_LINE);
    parts.byte = sk_carve(c, n_nodes, sizeof *parts.byte, SK_CACHE_LINE);
    parts.ids = sk_carve(c, n_ids, sizeof *parts.ids, SK_CACHE_LINE);
    if (t) *t = parts;
    return t;
}

static skald_status count_nodes(uint32_t *n_nodes, const sk_vocab *v, const uint32_t *ids, uint32_t n_ids,
                                sk_watch *watch, skald_report *why) {
    skald_status status = SKALD_OK;
    *n_nodes = 0;
    for (uint32_t i = 0; i < n_ids && status == SKALD_OK; i++) {
        *n_nodes += sk_vocab_length(v, ids[i]) - (i ? common(v, ids[i - 1], ids[i]) : 0);
        if (i % OFTEN == 0) status = sk_watch_look(watch, why);
    }
    return status;
}

static skald_status make(sk_trie **out, const sk_vocab *v, const skald_allocator *memory, const uint32_t *ids,
                         uint32_t n_ids, sk_watch *watch, skald_report *why) {
    uint32_t n_nodes;
    skald_status status = count_nodes(&n_nodes, v, ids, n_ids, watch, why);
    if (status != SKALD_OK) return status;
    sk_carver c = {0};
    layout(&c, n_ids, n_nodes);
    const uint64_t bytes = c.broken ? UINT64_MAX : c.used;
    c = (sk_carver){.base = sk_allocate(memory, 1, bytes, SKALD_MEMORY_HANDLE)};
    sk_trie *t = c.base ? layout(&c, n_ids, n_nodes) : NULL;
    if (!t) return sk_fail(why, SKALD_MEMORY, "no memory for a trie of %u nodes", n_nodes);
    t->block_bytes = bytes;
    memcpy(t->ids, ids, n_ids * sizeof *ids);
    status = fill(t, v, watch, why);
    if (status == SKALD_OK) *out = t;
    else sk_trie_free(t, memory);
    return status;
}

skald_status sk_trie_create(sk_trie **out, const sk_vocab *v, const skald_allocator *memory, sk_watch *watch,
                            skald_report *why) {
    uint32_t n_ids = 0;
    uint32_t *ids = sk_allocate(memory, v->n_tokens, sizeof *ids, SKALD_MEMORY_LOAD);
    *out = NULL;
    if (!ids) return sk_fail(why, SKALD_MEMORY, "no memory to sort a vocabulary of %u", v->n_tokens);
    for (uint32_t id = 0; id < v->n_tokens; id++)
        if (sk_trie_writes(v, id)) ids[n_ids++] = id;
    skald_status status = sk_sort_tokens(v, ids, n_ids, watch, why);
    if (status == SKALD_OK) status = make(out, v, memory, ids, n_ids, watch, why);
    sk_release(memory, ids, (uint64_t)v->n_tokens * sizeof *ids);
    return status;
}

void sk_trie_free(sk_trie *t, const skald_allocator *memory) {
    if (t) sk_release(memory, t, t->block_bytes);
}

/* The cache against a model of what must hold: random sequences are opened, stepped, aborted, forked, saved, restored, rewound and released
 * while a device of plain arrays checks that every row finds what it may see, and nothing else. What nobody may see is
 * spoilt before each pass; every page and slot is counted after each call. */
#include "batch/batch.h"
#include "base/sum.h"
#include "cache/contents.h"
#include "support/check.h"

#define N_SEQUENCES 4u
#define N_LIST      48u /* pages of group 0 */
#define N_LAYERS    4u
#define MOST        (N_LIST * SKALD_PAGE_TOKENS)
#define SPOILT      (-1)

/* The last window is so wide that it saves nothing: its layer joins group 0. */
static skald_store_layer layers[N_LAYERS + 1] = {{1, 1, 1, 0, 0, 0, 0},
                                                 {1, 1, 1, 16, 0, 0, 0},
                                                 {1, 1, 1, 200, 0, 0, 0},
                                                 {1, 1, 1, 2000, 0, 0, 0},
                                                 {.state_bytes = 8, .row_bytes = 4}};

/* ---- the device: a position holds the id of its token, a state is a hash of all ids before its line */

struct skald_store {
    int32_t pages[SK_MAX_GROUPS][256][SKALD_PAGE_TOKENS];
    struct {
        uint64_t state;
        int32_t rows[SKALD_STATE_GRID];
    } slots[4 * N_SEQUENCES];
};

static struct skald_store device;
static uint32_t copies_until_failure = UINT32_MAX;

static skald_status layer_copy(skald_store *store, uint32_t to, uint32_t from, uint32_t layer, uint32_t n) {
    if (copies_until_failure-- == 0) return SKALD_DEVICE;
    if (layers[layer].state_bytes) {
        store->slots[to].state = store->slots[from].state;
        memcpy(store->slots[to].rows, store->slots[from].rows, n * sizeof(int32_t));
        return SKALD_OK;
    }
    memcpy(store->pages[layers[layer].group][to], store->pages[layers[layer].group][from], n * sizeof(int32_t));
    return SKALD_OK;
}

/* A key, and the value too, is the id. */
static skald_status move_part(struct skald_store *store, const skald_store_part *p, void *host, bool reading) {
    void *kept = &device.pages[layers[p->layer].group][p->page][p->first];
    size_t n_bytes = p->n * sizeof(int32_t);
    if (copies_until_failure-- == 0) return SKALD_DEVICE;
    if (p->part == SKALD_PART_STATE) kept = &store->slots[p->page].state, n_bytes = sizeof(uint64_t);
    if (p->part == SKALD_PART_ROWS) kept = &store->slots[p->page].rows[p->first];
    memcpy(reading ? host : kept, reading ? kept : host, n_bytes);
    return SKALD_OK;
}

static skald_status part_read(void *to, skald_store *store, const skald_store_part *part) {
    return move_part(store, part, to, true);
}

static skald_status part_write(skald_store *store, const skald_store_part *part, const void *from) {
    return move_part(store, part, (void *)(uintptr_t)from, false);
}

/* ---- the model: the text of each sequence, and the longest it has been */

typedef struct text {
    skald_seq seq; /* 0: none */
    uint32_t length, longest;
    int32_t ids[MOST];
} text;

static text texts[N_SEQUENCES];
static skald_kv_cache *cache;
static sk_batch batch;
static uint64_t chance = 88172645463325252u;

static uint32_t draw(uint32_t n) {
    chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
    return (uint32_t)(chance >> 33) % n;
}

static uint64_t hash_of(const text *t, uint32_t n) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < n; i++) hash = (hash ^ ((uint32_t)t->ids[i] + 1)) * 0x100000001b3u;
    return hash;
}

static text *text_of(uint32_t list) {
    for (uint32_t i = 0; i < N_SEQUENCES; i++)
        if (texts[i].seq && sk_cache_list(cache, sk_cache_find(cache, texts[i].seq)) == list) return &texts[i];
    return NULL;
}

static uint32_t line_of(uint32_t position) { return position - position % SKALD_STATE_GRID; }

/* ---- a pass on the device, as backend.h words it */

static int32_t *place(const skald_pass *p, uint32_t group, uint32_t r, uint32_t position) {
    const uint32_t page = p->pages[group * N_SEQUENCES * N_LIST + p->page_list[r] + position / SKALD_PAGE_TOKENS];
    if (!CHECK_SAID(page < cache->groups[group].pages.n, "group %u, position %u: page %u", group, position, page))
        return &device.pages[0][255][0];
    return &device.pages[group][page][position % SKALD_PAGE_TOKENS];
}

/* A row sees what its widest layer sees. */
static void see(const skald_pass *p, uint32_t group, uint32_t r, uint32_t window) {
    const text *t = text_of(p->page_list[r]);
    const uint32_t last = p->positions[r];
    for (uint32_t at = window && last >= window ? last - window + 1 : 0; at <= last; at++) {
        const int32_t found = *place(p, group, r, at);
        if (!CHECK_SAID(found == t->ids[at], "row at %u sees %d at %u in group %u, not %d", last, found, at, group,
                        t->ids[at]))
            return;
    }
}

static void attend(const skald_pass *p) {
    for (uint32_t r = 0; r < p->n_rows; r++)
        for (uint32_t g = 0; g < cache->n_groups; g++) *place(p, g, r, p->positions[r]) = p->tokens[r];
    for (uint32_t r = 0; r < p->n_rows; r += 1 + draw(40))
        for (uint32_t l = 0; l < N_LAYERS; l++) see(p, layers[l].group, r, layers[l].window);
}

/* What a kept slot must hold of [line, end). */
static void check_slot(const text *t, uint32_t slot, uint32_t line, uint32_t end, const char *what) {
    if (!CHECK_SAID(slot < cache->slots.n, "%s of line %u: slot %u", what, line, slot)) return;
    CHECK_SAID(device.slots[slot].state == hash_of(t, line), "%s: the state at %u", what, line);
    for (uint32_t p = line; p < end; p++)
        CHECK_SAID(device.slots[slot].rows[p % SKALD_STATE_GRID] == t->ids[p], "%s of line %u: row %u", what, line, p);
}

static void put_slot(const text *t, uint32_t slot, uint32_t line, uint32_t first, uint32_t end) {
    device.slots[slot].state = hash_of(t, line);
    for (uint32_t p = first > line ? first : line; p < end; p++)
        device.slots[slot].rows[p % SKALD_STATE_GRID] = t->ids[p];
}

/* Rows [r, r + n) are [a, b) of one sequence. */
static void delta(const skald_pass *p, uint32_t r, uint32_t n) {
    const text *t = text_of(p->page_list[r]);
    const uint32_t a = p->positions[r], b = a + n, line = line_of(b);
    const uint32_t from = p->state_from[r], before = p->state_before[r], to = p->state_to[r];
    if (a == 0) CHECK_EQUAL(from, SKALD_NO_SLOT);
    else check_slot(t, from, line_of(a), a, "from");
    CHECK_EQUAL(before != SKALD_NO_SLOT, a < line);
    CHECK(to < cache->slots.n && to != before && (before == SKALD_NO_SLOT || before < cache->slots.n));
    if (line == line_of(a) && a) CHECK_EQUAL(from, to);
    if (line == line_of(a) + SKALD_STATE_GRID && a) CHECK(before == from && to != from);
    /* Only what the contract lets it write: a kept slot's rows before a stay. */
    if (before != SKALD_NO_SLOT) put_slot(t, before, line - SKALD_STATE_GRID, before == from ? a : 0, line);
    put_slot(t, to, line, to == from && line_of(a) == line ? a : 0, b);
}

static void run_pass(const skald_pass *p) {
    attend(p);
    for (uint32_t r = 0, n; p->state_to && r < p->n_rows; r += n) {
        for (n = 1; r + n < p->n_rows && p->page_list[r + n] == p->page_list[r];) n++;
        delta(p, r, n);
    }
}

/* ---- spoiling and counting */

static void spoil_pages(uint32_t group, bool between_steps) {
    static uint32_t used[256][2]; /* positions [from, to) of each page that somebody holds */
    const sk_group *g = &cache->groups[group];
    for (uint32_t page = 0; page < g->pages.n; page++) used[page][0] = SKALD_PAGE_TOKENS, used[page][1] = 0;
    for (uint32_t i = 0; between_steps && i < N_SEQUENCES; i++) {
        const sk_sequence *s = &cache->sequences[i];
        for (uint32_t p = g->holdings[i].begin; s->living && p * SKALD_PAGE_TOKENS < s->length; p++) {
            const uint32_t page = g->lists[i * N_LIST + p], left = s->length - p * SKALD_PAGE_TOKENS;
            const uint32_t to = left < SKALD_PAGE_TOKENS ? left : SKALD_PAGE_TOKENS;
            used[page][0] = 0;
            if (to > used[page][1]) used[page][1] = to;
        }
    }
    for (uint32_t page = 0; page < g->pages.n; page++)
        for (uint32_t p = 0; p < SKALD_PAGE_TOKENS; p++)
            if (g->pages.owners[page] == 0 || (between_steps && (p < used[page][0] || p >= used[page][1])))
                device.pages[group][page][p] = SPOILT;
}

static void spoil_slots(bool between_steps) {
    for (uint32_t slot = 0; slot < cache->slots.n; slot++) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < N_SEQUENCES; i++) {
            const sk_sequence *s = &cache->sequences[i];
            if (!s->living) continue;
            if (s->slot[0] == slot && s->length % SKALD_STATE_GRID > kept) kept = s->length % SKALD_STATE_GRID;
            if (s->slot[1] == slot) kept = SKALD_STATE_GRID;
        }
        if (cache->slots.owners[slot] == 0) device.slots[slot].state = 0xdead;
        else if (!between_steps) continue;
        for (uint32_t row = kept; row < SKALD_STATE_GRID; row++) device.slots[slot].rows[row] = SPOILT;
    }
}

/* Free pages and slots; between steps also what lies behind every committed length. */
static void spoil(bool between_steps) {
    for (uint32_t g = 0; g < cache->n_groups; g++) spoil_pages(g, between_steps);
    spoil_slots(between_steps);
}

/* Owners are those who hold, and what is free stands once in the list of free ones. */
static void check_owners(const sk_counted *c, const uint32_t *held, const char *what) {
    uint32_t n_held = 0;
    static uint8_t is_free[1024];
    memset(is_free, 0, sizeof is_free);
    for (uint32_t i = 0; i < c->n_free; i++)
        CHECK_SAID(is_free[c->free[i]]++ == 0, "%s %u is free twice", what, c->free[i]);
    for (uint32_t i = 0; i < c->n; i++) {
        CHECK_SAID(c->owners[i] == held[i], "%s %u: %u owners, %u hold it", what, i, c->owners[i], held[i]);
        CHECK_SAID((held[i] == 0) == is_free[i], "%s %u: held by %u, free %u", what, i, held[i], is_free[i]);
        n_held += held[i] != 0;
    }
    CHECK_EQUAL(c->n_free + n_held, c->n);
}

static void check_group(uint32_t group) {
    static uint32_t held[1024];
    sk_group *g = &cache->groups[group];
    memset(held, 0, sizeof held);
    for (uint32_t i = 0; i < N_SEQUENCES; i++) {
        const sk_sequence *s = &cache->sequences[i];
        const sk_holding *h = &g->holdings[i];
        if (!s->living) continue;
        CHECK(h->shared_tail == SK_NONE && h->begin <= h->end);
        CHECK_SAID(h->end == sk_pages_for(group || s->reserved < s->length ? s->length : s->reserved) &&
                       (group || h->begin == 0),
                   "group %u holds [%u, %u) of %u tokens", group, h->begin, h->end, s->length);
        CHECK(h->begin * SKALD_PAGE_TOKENS <= (g->window && s->length >= g->window ? s->length - g->window + 1 : 0));
        for (uint32_t p = 0; p < N_LIST; p++) {
            const uint32_t page = g->lists[i * N_LIST + p];
            const bool holds = p >= h->begin && p < h->end;
            if (CHECK_SAID(holds == (page != SK_NONE), "group %u, entry %u of [%u, %u)", group, p, h->begin, h->end) &&
                holds)
                held[page]++;
        }
    }
    check_owners(&g->pages, held, "page");
}

static void check_counts(void) {
    static uint32_t held[1024];
    memset(held, 0, sizeof held);
    for (uint32_t g = 0; g < cache->n_groups; g++) check_group(g);
    for (uint32_t i = 0; i < N_SEQUENCES; i++) {
        const sk_sequence *s = &cache->sequences[i];
        if (!s->living) continue;
        CHECK(!s->stepping && s->work[0] == s->slot[0] && s->work[1] == s->slot[1]);
        CHECK_EQUAL(s->slot[0] != SK_NONE, cache->slots.n && s->length);
        for (uint32_t k = 0; k < 2; k++)
            if (s->slot[k] != SK_NONE) held[s->slot[k]]++;
    }
    check_owners(&cache->slots, held, "slot");
    for (uint32_t i = 0; i < N_SEQUENCES; i++) {
        const sk_sequence *s = texts[i].seq ? sk_cache_find(cache, texts[i].seq) : NULL;
        if (!texts[i].seq) continue;
        CHECK(s && s->length == texts[i].length);
        if (s->slot[0] != SK_NONE) check_slot(&texts[i], s->slot[0], line_of(s->length), s->length, "kept");
        if (s->slot[1] != SK_NONE)
            check_slot(&texts[i], s->slot[1], line_of(s->length) - SKALD_STATE_GRID, line_of(s->length), "kept before");
    }
}

/* ---- what is done at random */

static uint32_t n_steps, n_aborted, n_full, n_failed, n_gone, n_rewound, n_restored, n_passes;

static text *any_text(bool living) {
    text *t = &texts[draw(N_SEQUENCES)];
    return (t->seq != 0) == living ? t : NULL;
}

static void open_one(void) {
    text *t = any_text(false);
    if (!t) return;
    t->length = t->longest = 0;
    CHECK_EQUAL(sk_cache_open(&t->seq, cache), SKALD_OK);
}

static void release_one(void) {
    text *t = any_text(true);
    if (!t) return;
    sk_cache_release(cache, sk_cache_find(cache, t->seq));
    CHECK(sk_cache_find(cache, t->seq) == NULL);
    t->seq = 0;
}

/* Mostly near the end, where it must be possible. */
static uint32_t draw_length(const text *t) {
    if (draw(8) == 0) return 0;
    const uint32_t back = draw(3) ? draw(150) : draw(t->length + 1);
    return back < t->length ? t->length - back : 0;
}

/* Must this be possible? A page's tokens behind the longest it has been, or a grid line's where it has states. */
static bool promised(const text *t, uint32_t n) {
    const uint32_t reach = cache->slots.n ? SKALD_STATE_GRID : SK_REWIND;
    return n == 0 || n + reach >= t->longest || (cache->n_groups == 1 && cache->slots.n == 0);
}

static bool check_reach(const text *t, uint32_t n) {
    const bool reaches = sk_cache_reaches(cache, sk_cache_find(cache, t->seq), n);
    CHECK_SAID(reaches || !promised(t, n), "%u of %u tokens, once %u, cannot be kept", n, t->length, t->longest);
    if (!reaches) n_gone++;
    return reaches;
}

static void fork_one(void) {
    text *from = any_text(true), *to = any_text(false);
    if (!from || !to) return;
    const uint32_t n = draw_length(from);
    if (!check_reach(from, n)) return;
    *to = *from;
    to->length = n;
    if (n == 0) to->longest = 0;
    CHECK_EQUAL(sk_cache_fork(&to->seq, cache, sk_cache_find(cache, from->seq), n), SKALD_OK);
}

static char saved[1 << 20], room[1 << 20];
static size_t saved_at;

static skald_status save_bytes(void *user, const void *from, size_t n_bytes) {
    (void)user;
    memcpy(saved + saved_at, from, n_bytes);
    saved_at += n_bytes;
    return SKALD_OK;
}

static skald_status give_bytes(void *user, void *to, size_t n_bytes) {
    (void)user;
    memcpy(to, saved + saved_at, n_bytes);
    saved_at += n_bytes;
    return SKALD_OK;
}

/* A copy by way of bytes is as good as a fork; it may fail on the way, and is then no more. */
static void restore_one(void) {
    text *from = any_text(true), *to = any_text(false);
    if (!from || !to) return;
    sk_sequence *s = sk_cache_find(cache, from->seq);
    sk_passage out = {.write = save_bytes, .sum = SK_SUM_BEGIN}, in = {.read = give_bytes, .sum = SK_SUM_BEGIN};
    const sk_extent e = sk_cache_extent(cache, s);
    skald_seq seq;
    CHECK(sk_contents_room(cache, &e) <= sizeof room && sk_contents_bytes(cache, &e) <= sizeof saved);
    CHECK(sk_extent_is_possible(cache, &e));
    saved_at = 0;
    CHECK_EQUAL(sk_contents_save(cache, s, &out, room), SKALD_OK);
    CHECK_EQUAL(saved_at, sk_contents_bytes(cache, &e));
    saved_at = 0;
    const bool fits = sk_pages_for(e.length) <= cache->groups[0].pages.n_free;
    const skald_status status = sk_cache_open_filled(&seq, cache, &e);
    CHECK_EQUAL(status, fits ? SKALD_OK : SKALD_FULL);
    if (status != SKALD_OK) return;
    s = sk_cache_find(cache, seq);
    copies_until_failure = draw(4) ? UINT32_MAX : draw(4);
    const skald_status filled = sk_contents_restore(cache, s, &e, &in, room);
    CHECK(filled == SKALD_OK || (filled == SKALD_DEVICE && copies_until_failure == UINT32_MAX));
    copies_until_failure = UINT32_MAX;
    if (filled != SKALD_OK) {
        sk_cache_release(cache, s);
        return;
    }
    CHECK(in.sum == out.sum);
    const sk_extent again = sk_cache_extent(cache, s);
    CHECK(again.length == e.length && again.least >= e.least && again.n_states == e.n_states);
    *to = *from;
    to->seq = seq;
    n_restored++;
    if (e.least == 0 || cache->slots.n || draw(2)) return; /* else to the very border of what was saved */
    CHECK(sk_cache_reaches(cache, s, e.least) || again.least > e.least);
    CHECK(!sk_cache_reaches(cache, s, e.least - 1));
    if (again.least > e.least) return;
    sk_cache_rewind(cache, s, e.least);
    to->length = e.least;
}

static void rewind_one(void) {
    text *t = any_text(true);
    if (!t) return;
    const uint32_t n = draw_length(t);
    if (!check_reach(t, n)) return;
    sk_cache_rewind(cache, sk_cache_find(cache, t->seq), n);
    t->length = n;
    if (n == 0) t->longest = 0;
    n_rewound++;
}

static void reserve_one(void) {
    text *t = any_text(true);
    if (!t) return;
    const uint32_t n = draw(1000), free = cache->groups[0].pages.n_free;
    const sk_sequence *s = sk_cache_find(cache, t->seq);
    const uint64_t need = sk_cache_need(cache, s, n);
    CHECK_EQUAL(sk_cache_reserve(cache, sk_cache_find(cache, t->seq), n), need > free ? SKALD_FULL : SKALD_OK);
    if (need <= free) CHECK(n == 0 || sk_cache_need(cache, s, n) == 0);
}

static uint32_t draw_tokens(void) {
    static const uint32_t few[] = {1, 1, 1, 2, 5, 15, 16, 17, 33};
    const uint32_t kind = draw(12);
    return kind < 9 ? few[kind] : kind < 11 ? 1 + draw(400) : 1 + draw(5500);
}

/* Spans of some sequences; their ids are written behind the texts. Returns how many, 0 when they would not fit. */
static uint32_t draw_spans(skald_span *spans, text **of) {
    uint32_t n = 0;
    uint64_t need = 0;
    for (uint32_t i = 0; i < N_SEQUENCES; i++) {
        text *t = &texts[i];
        if (!t->seq || draw(3) == 0) continue;
        uint32_t n_tokens = draw_tokens();
        if (t->length + n_tokens > MOST) continue;
        for (uint32_t k = 0; k < n_tokens; k++) t->ids[t->length + k] = (int32_t)draw(100000);
        spans[n] =
            (skald_span){.size = sizeof *spans, .seq = t->seq, .tokens = t->ids + t->length, .n_tokens = n_tokens};
        need += sk_cache_need(cache, sk_cache_find(cache, t->seq), n_tokens);
        of[n++] = t;
    }
    if (need <= cache->groups[0].pages.n_free) return n;
    n_full++;
    return 0;
}

/* Up to the end, or to a pass after which the step is forgotten; a copy may fail. */
static skald_status go(uint32_t n_spans, uint32_t stop_at) {
    for (uint32_t i = 0; i < n_spans; i++) {
        skald_status status =
            sk_cache_prepare(cache, sk_cache_find(cache, batch.spans[i].seq), batch.spans[i].n_tokens);
        if (status != SKALD_OK) return status;
    }
    for (uint32_t pass = 0;; pass++) {
        skald_status status = sk_batch_next(&batch, cache);
        if (status != SKALD_OK) return status;
        for (uint32_t i = 0; i < n_spans; i++) {
            status = SKALD_OK;
            while (status == SKALD_OK) status = sk_cache_copy_next(cache, sk_cache_find(cache, batch.spans[i].seq));
            if (status != SKALD_END) return status;
        }
        spoil(false);
        run_pass(&batch.pass);
        n_passes++;
        if (pass == stop_at) return SKALD_CANCELLED;
    }
}

static void step(void) {
    skald_span spans[N_SEQUENCES];
    text *of[N_SEQUENCES];
    const uint32_t n_spans = draw_spans(spans, of);
    if (n_spans == 0) return;
    CHECK_EQUAL(sk_batch_open(&batch, cache, spans, n_spans, 100000, NULL), SKALD_OK);
    copies_until_failure = draw(8) ? UINT32_MAX : draw(4);
    const skald_status status = go(n_spans, draw(3) ? UINT32_MAX : draw(5));
    CHECK_SAID(status == SKALD_END || status == SKALD_CANCELLED ||
                   (status == SKALD_DEVICE && copies_until_failure + 1 == 0),
               "a step ends with %d", status);
    copies_until_failure = UINT32_MAX;
    if (status == SKALD_DEVICE) n_failed++;
    if (status != SKALD_END) {
        sk_cache_abort_all(cache);
        n_aborted++;
        return;
    }
    for (uint32_t i = 0; i < n_spans; i++) {
        sk_cache_commit(cache, sk_cache_find(cache, spans[i].seq));
        of[i]->length += spans[i].n_tokens;
        if (of[i]->length > of[i]->longest) of[i]->longest = of[i]->length;
    }
    n_steps++;
}

static void live(uint32_t n_layers, uint32_t n_rows, uint32_t n_operations) {
    skald_store_group groups[SK_MAX_GROUPS];
    skald_store_plan plan = {
        .size = sizeof plan, .n_layers = n_layers, .layers = layers, .n_list = N_LIST, .n_sequences = N_SEQUENCES};
    static const skald_backend backend = {.size = sizeof backend,
                                          .layer_copy = layer_copy,
                                          .part_read = part_read,
                                          .part_write = part_write};
    static _Alignas(64) char memory[1 << 20];
    sk_cache_divide(&plan, layers, groups);
    sk_carver measured = {0}, c = {.base = memory};
    sk_cache_carve(&measured, &plan);
    CHECK(measured.used < sizeof memory / 2);
    memset(memory, 0, sizeof memory);
    cache = sk_cache_carve(&c, &plan);
    CHECK_EQUAL(c.used, measured.used);
    sk_batch_carve(&batch, &c, n_rows, 64, 0);
    CHECK(c.used < sizeof memory);
    cache->backend = &backend;
    cache->store = &device;
    cache->layers = layers;
    cache->n_layers = n_layers;
    cache->k_type = cache->v_type = SKALD_F32;
    memset(texts, 0, sizeof texts);
    n_steps = n_aborted = n_full = n_failed = n_gone = n_rewound = n_restored = n_passes = 0;
    void (*const operations[])(void) = {open_one,    open_one, release_one, fork_one, restore_one, rewind_one,
                                        reserve_one, step,     step,        step,     step,        step};
    for (uint32_t i = 0; i < n_operations && sk_checks_failed == 0; i++) {
        operations[draw(sizeof operations / sizeof *operations)]();
        spoil(true);
        check_counts();
    }
    printf(
        "%u groups, %u slots, %u rows: %u steps of %u passes, %u aborted, %u by a copy, %u too long; %u rewound, %u gone, %u restored\n",
        cache->n_groups, cache->slots.n, n_rows, n_steps, n_passes, n_aborted, n_failed, n_full, n_rewound, n_gone,
        n_restored);
    CHECK(n_steps > n_operations / 8 && n_aborted > 50 && n_full > 10 && n_rewound > 50 && n_restored > 10);
    for (uint32_t i = 0; i < N_SEQUENCES; i++)
        if (texts[i].seq) sk_cache_release(cache, sk_cache_find(cache, texts[i].seq));
    for (uint32_t g = 0; g < cache->n_groups; g++) CHECK_EQUAL(cache->groups[g].pages.n_free, cache->groups[g].pages.n);
    CHECK_EQUAL(cache->slots.n_free, cache->slots.n);
}

/* Gemma 3 1B, f16, one sequence of 32 768 tokens: a KV head of 256, every sixth layer sees everything, the others 512. */
static void count_gemma3(void) {
    enum { N = 26, TOKEN = 2 * 256 * 2 };
    skald_store_layer shape[N];
    skald_store_group groups[SK_MAX_GROUPS];
    skald_store_plan plan = {.size = sizeof plan, .n_layers = N, .layers = shape, .n_list = 256, .n_sequences = 1};
    uint64_t n_bytes = 0;
    for (uint32_t i = 0; i < N; i++) shape[i] = (skald_store_layer){1, 256, 256, i % 6 == 5 ? 0 : 512, 0, 0, 0};
    sk_cache_divide(&plan, shape, groups);
    for (uint32_t i = 0; i < N; i++) n_bytes += (uint64_t)groups[shape[i].group].n_pages * SKALD_PAGE_TOKENS * TOKEN;
    CHECK_EQUAL(groups[0].n_pages, 256);
    CHECK_EQUAL(groups[1].n_pages, 16);
    CHECK_EQUAL(n_bytes, 180355072); /* 872 415 232 without windows */
}

int main(void) {
    count_gemma3();
    live(1, 100, 3000);            /* pages alone */
    live(N_LAYERS, 64, 6000);      /* windows */
    live(N_LAYERS, 6000, 6000);    /* passes that a window cuts */
    live(N_LAYERS + 1, 100, 6000); /* states too */
    CHECK_EQUAL(cache->n_groups, 3);
    CHECK_EQUAL(layers[3].group, 0);
    live(N_LAYERS + 1, 7, 3000);
    return sk_checked();
}

/* Caches: which pages each sequence must hold, and the calls on them. */
#ifndef SK_FUZZ_CALLS_CACHE_H
#define SK_FUZZ_CALLS_CACHE_H
#include "fuzz/calls/world.h"

/* ---- pages as the header tells of them: shared by a fork until one writes */

static uint32_t pages_for(uint32_t n) { return (n + SKALD_PAGE_TOKENS - 1) / SKALD_PAGE_TOKENS; }

static uint32_t n_free(const store *t) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_pages; i++) n += t->owners[i] == 0;
    return n;
}

static uint32_t take_page(store *t) {
    uint32_t i = 0;
    while (t->owners[i]) i++;
    t->owners[i] = 1;
    return i;
}

static bool has_shared_tail(const store *t, const sequence *s) {
    return s->length % SKALD_PAGE_TOKENS && t->owners[s->pages[s->length / SKALD_PAGE_TOKENS]] > 1;
}

/* Pages that n ids more would take. */
static uint32_t need(const store *t, const sequence *s, uint32_t n) {
    const uint32_t pages = pages_for(s->length + n);
    return (pages > s->n_held ? pages - s->n_held : 0) + (n && has_shared_tail(t, s));
}

/* False: there are not so many. */
static bool take_room(store *t, sequence *s, uint32_t n) {
    if (need(t, s, n) > n_free(t)) return false;
    if (n && has_shared_tail(t, s)) {
        uint32_t *tail = &s->pages[s->length / SKALD_PAGE_TOKENS];
        t->owners[*tail]--;
        *tail = take_page(t);
    }
    while (s->n_held < pages_for(s->length + n)) s->pages[s->n_held++] = take_page(t);
    return true;
}

static void trim(store *t, sequence *s, uint32_t n) {
    while (s->n_held > pages_for(n)) t->owners[s->pages[--s->n_held]]--;
    s->length = n;
}

/* Is a sequence that lives sure to reach back so far? */
static bool reaches(const sequence *s, uint32_t n) {
    static const uint32_t back[TINY_KINDS] = {
        [TINY_PLAIN] = UINT32_MAX, [TINY_WINDOW] = SKALD_PAGE_TOKENS, [TINY_STATE] = 16};
    return n == 0 || s->longest - n <= back[world.kind] || world.kind == TINY_PLAIN;
}

static set gone_or(skald_status status, const sequence *s, uint32_t n) {
    return one(status) | (reaches(s, n) ? 0 : one(SKALD_GONE));
}

/* ---- what the library tells must be that */

static void check_sequences(store *t) {
    for (uint32_t i = 0; i < N_HANDLES; i++) {
        const sequence *s = &t->sequences[i];
        uint32_t n = 7777;
        const skald_status status = skald_kv_cache_length(&n, t->cache, s->seq);
        if (t->is_paused) PROMISE(status == SKALD_BUSY && n == 7777);
        else if (s->lives) PROMISE(status == SKALD_OK && n == s->length);
        else PROMISE(status == SKALD_ARGUMENT && n == 7777);
    }
}

/* `failed`: the call before this one has changed nothing at all. */
static void check_store(store *t, bool failed) {
    skald_kv_cache_stats now = {.size = sizeof now};
    const skald_status status = skald_kv_cache_get_stats(&now, t->cache);
    check_sequences(t);
    if (t->is_paused) {
        PROMISE(status == SKALD_BUSY);
        return;
    }
    PROMISE(status == SKALD_OK && now.size == sizeof now);
    uint32_t n_shared = 0, n_living = 0;
    uint64_t n_tokens = 0;
    for (uint32_t i = 0; i < t->n_pages; i++) n_shared += t->owners[i] > 1;
    for (uint32_t i = 0; i < N_HANDLES; i++)
        if (t->sequences[i].lives) n_living++, n_tokens += t->sequences[i].length;
    PROMISE(now.n_pages == t->n_pages && now.n_pages_free == n_free(t) && now.n_pages_shared == n_shared);
    PROMISE(now.n_sequences == n_living && now.n_sequences_max == t->n_sequences && now.n_tokens == n_tokens);
    PROMISE(now.n_window_pages_free <= now.n_window_pages && now.n_slots_free <= now.n_slots);
    if (n_tokens == 0) PROMISE(now.n_window_pages_free == now.n_window_pages && now.n_slots_free == now.n_slots);
    if (failed) PROMISE(memcmp(&now, &t->stats, sizeof now) == 0);
    t->stats = now;
}

static void after(store *t, skald_status status) { check_store(t, status != SKALD_OK && status != SKALD_PENDING); }

/* ---- handles */

static store *some_store(uint8_t byte) { return &world.stores[byte % N_CACHES]; }

/* One that lives, one that was released, or one that never was. */
static sequence *some_sequence(store *t, uint8_t byte) { return &t->sequences[byte % N_HANDLES]; }

static sequence *room_for_handle(store *t) {
    for (uint32_t i = 0; i < N_HANDLES; i++)
        if (!t->sequences[i].seq) return &t->sequences[i];
    for (uint32_t i = 0; i < N_HANDLES; i++)
        if (!t->sequences[i].lives) return &t->sequences[i];
    return NULL; /* cannot be: a cache allows fewer to live */
}

static uint32_t n_living(const store *t) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_HANDLES; i++) n += t->sequences[i].lives;
    return n;
}

/* What must come of a call that makes a sequence. */
static set made(const store *t, set otherwise) {
    return t->is_paused ? one(SKALD_BUSY) : n_living(t) == t->n_sequences ? one(SKALD_FULL) : otherwise;
}

/* A new handle is no other's. */
static sequence *add_sequence(store *t, skald_seq seq) {
    for (uint32_t i = 0; i < N_HANDLES; i++) PROMISE(!t->sequences[i].lives || t->sequences[i].seq != seq);
    sequence *s = room_for_handle(t);
    PROMISE(seq && s);
    *s = (sequence){.seq = seq, .lives = true};
    return s;
}

/* ---- calls */

static void op_open(void) {
    store *t = some_store(next());
    skald_seq seq = 0;
    const skald_status status = skald_kv_cache_open(&seq, t->cache);
    if (!t->cache) {
        expect(status, one(SKALD_ARGUMENT));
        return;
    }
    expect(status, made(t, one(SKALD_OK)));
    PROMISE((status == SKALD_OK) == (seq != 0));
    if (seq) add_sequence(t, seq);
    after(t, status);
}

static uint32_t some_length(const sequence *s, uint8_t byte) {
    return byte < 240 ? (s->length > 200 && byte & 1 ? s->length - byte % 20 : byte * s->length / 240)
                      : s->length + (byte - 246u);
}

static void op_fork(void) {
    store *t = some_store(next());
    sequence *from = some_sequence(t, next());
    const uint32_t n = some_length(from, next());
    skald_seq seq = 0;
    const skald_status status = skald_kv_cache_fork(&seq, t->cache, from->seq, n);
    if (!t->cache) {
        expect(status, one(SKALD_ARGUMENT));
        return;
    }
    if (t->is_paused) expect(status, one(SKALD_BUSY));
    else if (!from->lives || n > from->length) expect(status, one(SKALD_ARGUMENT));
    else expect(status, made(t, gone_or(SKALD_OK, from, n)) | (reaches(from, n) ? 0 : one(SKALD_GONE)));
    PROMISE((status == SKALD_OK) == (seq != 0));
    if (seq) {
        sequence *s = add_sequence(t, seq);
        s->length = n, s->longest = from->longest, s->n_held = pages_for(n);
        memcpy(s->text, from->text, n * sizeof *s->text);
        for (uint32_t i = 0; i < s->n_held; i++) t->owners[s->pages[i] = from->pages[i]]++;
    }
    after(t, status);
}

static void op_rewind(void) {
    store *t = some_store(next());
    sequence *s = some_sequence(t, next());
    const uint32_t n = some_length(s, next());
    const skald_status status = skald_kv_cache_rewind(t->cache, s->seq, n);
    if (!t->cache) {
        expect(status, one(SKALD_ARGUMENT));
        return;
    }
    if (t->is_paused) expect(status, one(SKALD_BUSY));
    else if (!s->lives || n > s->length) expect(status, one(SKALD_ARGUMENT));
    else expect(status, gone_or(SKALD_OK, s, n));
    if (status == SKALD_OK) trim(t, s, n);
    after(t, status);
}

static void op_release(void) {
    store *t = some_store(next());
    sequence *s = some_sequence(t, next());
    const skald_status status = skald_kv_cache_release(t->cache, s->seq);
    if (!t->cache) {
        expect(status, one(SKALD_ARGUMENT));
        return;
    }
    expect(status, one(t->is_paused ? SKALD_BUSY : s->lives ? SKALD_OK : SKALD_ARGUMENT));
    if (status == SKALD_OK) trim(t, s, 0), s->lives = false;
    after(t, status);
}

static void op_reserve(void) {
    static const uint32_t many[] = {UINT32_MAX, UINT32_MAX - 1, INT32_MAX, 100000, 3073, 2000};
    store *t = some_store(next());
    sequence *s = some_sequence(t, next());
    const uint8_t byte = next();
    const uint32_t n = byte < 250 ? byte * 3u : many[byte - 250];
    const skald_status status = skald_kv_cache_reserve(t->cache, s->seq, n);
    if (!t->cache) {
        expect(status, one(SKALD_ARGUMENT));
        return;
    }
    if (t->is_paused) expect(status, one(SKALD_BUSY));
    else if (!s->lives) expect(status, one(SKALD_ARGUMENT));
    else if (n > MOST_PAGES * SKALD_PAGE_TOKENS) expect(status, one(SKALD_FULL));
    else expect(status, one(take_room(t, s, n) ? SKALD_OK : SKALD_FULL));
    after(t, status);
}

/* ---- saved sequences */

#define N_SAVED    4u /* the last two are those of begin_saved, and stay */
#define SAVED_ROOM (1u << 17)

typedef struct saved {
    skald_dtype type;
    sequence s;
    size_t n_bytes;
    char bytes[SAVED_ROOM];
} saved;

static saved kept[N_SAVED / 2], lasting[TINY_KINDS][N_SAVED / 2];

typedef struct passage {
    skald_kv_cache *cache; /* that is at work */
    saved *of;
    size_t at, end;            /* bytes that have passed; where reading ends */
    uint32_t n_calls, fail_at; /* the so manieth call fails; 0: none */
    uint32_t flip;             /* this byte is read wrong; UINT32_MAX: none */
} passage;

/* One thread at a time: a callback finds its cache in use. */
static void try_cache(skald_kv_cache *cache) {
    uint32_t n;
    skald_seq seq = 0;
    PROMISE(skald_kv_cache_length(&n, cache, 1) == SKALD_BUSY && skald_kv_cache_open(&seq, cache) == SKALD_BUSY);
    PROMISE(skald_kv_cache_free(cache) == SKALD_BUSY && seq == 0);
}

static skald_status pass_out(void *user, const void *from, size_t n) {
    passage *p = user;
    try_cache(p->cache);
    if (++p->n_calls == p->fail_at) return foreign;
    PROMISE(n <= SAVED_ROOM - p->at);
    memcpy(p->of->bytes + p->at, from, n);
    p->at += n;
    return SKALD_OK;
}

static skald_status pass_in(void *user, void *to, size_t n) {
    passage *p = user;
    try_cache(p->cache);
    if (++p->n_calls == p->fail_at) return foreign;
    if (n > p->end - p->at) return SKALD_READ;
    memcpy(to, p->of->bytes + p->at, n);
    if (p->flip - p->at < n) ((char *)to)[p->flip - p->at] ^= 1;
    p->at += n;
    return SKALD_OK;
}

static void op_save(void) {
    store *t = some_store(next());
    sequence *s = some_sequence(t, next());
    const uint8_t how = next();
    saved *to = &kept[how % 2];
    passage p = {.cache = t->cache, .of = to, .fail_at = how & 0x80 ? how >> 4 & 7 : 0};
    skald_report why = fresh_report();
    uint64_t n_told = 0, n = 0;
    to->n_bytes = 0;
    const skald_status told = skald_kv_cache_save(&n_told, t->cache, s->seq, NULL, NULL, NULL);
    const uint64_t before = live;
    ask_begin();
    const skald_status status = skald_kv_cache_save(&n, t->cache, s->seq, pass_out, &p, &why);
    ask_end();
    PROMISE(live == before);
    if (!t->cache) {
        expect_why(status, one(SKALD_ARGUMENT), &why);
        return;
    }
    const skald_status wanted = t->is_paused ? SKALD_BUSY : s->lives ? SKALD_OK : SKALD_ARGUMENT;
    PROMISE(told == wanted);
    if (wanted != SKALD_OK) expect_why(status, one(wanted), &why);
    else if (p.fail_at && p.n_calls >= p.fail_at) PROMISE(status == foreign && p.n_calls == p.fail_at);
    else expect_why(status, asked(one(SKALD_OK)), &why);
    if (status == SKALD_OK) PROMISE(n == n_told && p.at == n);
    if (status == SKALD_OK) to->type = t->type, to->s = *s, to->n_bytes = p.at;
    check_store(t, true);
}

static bool is_damaged(const passage *p) {
    return p->of->n_bytes == 0 || p->end < p->of->n_bytes || p->flip < p->of->n_bytes;
}

static void restored(store *t, const saved *from, skald_seq seq) {
    sequence *s = add_sequence(t, seq);
    const sequence empty = *s;
    *s = from->s;
    s->seq = seq, s->lives = true, s->length = empty.length, s->n_held = 0;
    PROMISE(take_room(t, s, from->s.length));
    s->length = from->s.length;
}

static void op_restore(void) {
    store *t = some_store(next());
    const uint8_t from = next(), how = next();
    passage p = {.cache = t->cache, .flip = UINT32_MAX};
    p.of = from % N_SAVED < 2 ? &kept[from % 2] : &lasting[world.kind][from % 2];
    p.end = p.of->n_bytes;
    if (how >> 6 == 1) p.fail_at = how % 4 + 1;
    if (how >> 6 == 2) p.flip = how % 64 < 48 ? how % 64 : (uint32_t)(p.end * (how % 64 - 47u) / 17);
    if (how >> 6 == 3) p.end = p.end * (how % 64) / 64;
    skald_report why = fresh_report();
    skald_seq seq = 0;
    const uint64_t before = live;
    ask_begin();
    const skald_status status = skald_kv_cache_restore(&seq, t->cache, pass_in, &p, &why);
    ask_end();
    PROMISE(live == before && (status == SKALD_OK) == (seq != 0));
    if (!t->cache) {
        expect_why(status, one(SKALD_ARGUMENT), &why);
        return;
    }
    const uint32_t pages = pages_for(p.of->s.length);
    set allowed = made(t, pages > n_free(t) ? one(SKALD_FULL) : one(SKALD_OK));
    if (p.of->type != t->type || pages > t->n_pages) allowed = one(SKALD_UNSUPPORTED) | (allowed & ~one(SKALD_OK));
    if (is_damaged(&p)) allowed = one(SKALD_FORMAT) | one(SKALD_UNSUPPORTED) | one(SKALD_FULL) | one(SKALD_READ);
    if (t->is_paused) allowed = one(SKALD_BUSY);
    if (p.fail_at && p.n_calls >= p.fail_at) PROMISE(status == foreign);
    else expect_why(status, asked(allowed), &why);
    if (seq) restored(t, p.of, seq);
    after(t, status);
}

/* ---- coming and going */

/* What is wrong with them; 0: nothing. */
static set bend_options(skald_kv_cache_options *o, uint8_t how) {
    switch (how) {
    case 255: o->size = 3; break;
    case 254: o->size = 4097; break;
    case 253: o->k_type = 99; break;
    case 252: o->v_type = SKALD_Q4_K; return one(SKALD_UNSUPPORTED);
    case 251: o->n_sequences = 65536; break;
    case 250: o->n_tokens = UINT64_MAX; break;
    default: return 0;
    }
    return one(SKALD_ARGUMENT);
}

static void make_store(store *t, uint8_t how) {
    const bool is_window = world.kind == TINY_WINDOW;
    struct {
        skald_kv_cache_options known;
        uint64_t later; /* an option that this library does not know */
    } o;
    skald_report why = fresh_report();
    skald_kv_cache_options_init(&o.known, how < 248 ? sizeof o.known : sizeof o);
    *t = (store){.type = types[how >> 2 & 1], .n_sequences = 1 + how % 4, .n_pages = 3 + (how >> 3) % 4};
    if (is_window) t->n_sequences = 3, t->n_pages = MOST_PAGES; /* so that the window has pages of its own */
    o.known.n_sequences = t->n_sequences, o.known.n_tokens = t->n_pages * SKALD_PAGE_TOKENS - how % 100;
    o.known.k_type = o.known.v_type = t->type;
    o.later = how == 249;
    const set wrong = how == 249 ? one(SKALD_ARGUMENT) : bend_options(&o.known, how);
    const uint64_t before = live;
    ask_begin();
    const skald_status status = skald_kv_cache_create(&t->cache, world.model, &o.known, &why);
    ask_end();
    expect_why(status, asked(wrong ? wrong : one(SKALD_OK)), &why);
    PROMISE((status == SKALD_OK) == (t->cache != NULL));
    if (!t->cache) PROMISE(live == before);
    else check_store(t, false);
}

static void free_store(store *t) {
    ask_begin();
    const skald_status status = skald_kv_cache_free(t->cache);
    ask_end();
    expect(status, one(t->is_paused ? SKALD_BUSY : SKALD_OK));
    if (t->is_paused) check_store(t, true);
    else t->cache = NULL, memset(t->sequences, 0, sizeof t->sequences);
}

static void op_cache(void) {
    const uint8_t which = next(), how = next();
    store *t = some_store(which);
    if (t->cache) free_store(t);
    else if (world.model) make_store(t, how);
}
#endif

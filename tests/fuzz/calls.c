/* libFuzzer target: calls in any order, right and wrong ones. Bytes are a program: its kind of model, then calls and
 * what they are given. Beside it stands what must hold: which status comes, what each sequence holds and in how many pages,
 * the bits of every row of logits (those of the same ids alone), every id that a request is told. A call that fails has
 * changed nothing and says why; a step asks for no memory; in the end none is kept. */
#include "fuzz/calls/ops.h"
#include "fuzz/calls/requests.h"
#include "fuzz/calls/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

/* ---- what all programs share */

/* Sequences of 126 and 250 ids: a page that is nearly full is not far then. */
static void save_beginnings(tiny_kind kind) {
    tiny_oracle *o = &oracles[kind][0];
    for (uint32_t i = 0; i < 2; i++) {
        saved *to = &lasting[kind][i];
        passage p = {.cache = o->cache, .of = to};
        to->s.length = to->s.longest = i ? 250 : 126;
        for (uint32_t at = 0; at < to->s.length; at++) to->s.text[at] = id_at(0, at);
        tiny_logits(o, to->s.text, to->s.length);
        PROMISE(skald_kv_cache_save(NULL, o->cache, o->seq, pass_out, &p, NULL) == SKALD_OK);
        to->type = SKALD_F16, to->n_bytes = p.at;
    }
}

static skald_grammar *make_grammar(skald_model *model, skald_report *why) {
    static const char rules[] = "root ::= (\"t\" | \"se\") [a-m]{0,40} \"x\"? \"yz\" [b-d]{0,9}";
    const skald_grammar_options o = {.size = sizeof o, .kind = SKALD_GRAMMAR_RULES, .cache_bytes = 1 << 15};
    skald_grammar *grammar = NULL;
    ask_begin();
    const skald_status status = skald_grammar_create(&grammar, model, rules, sizeof rules - 1, &o, why);
    ask_end();
    expect_why(status, asked(one(SKALD_OK)), why);
    PROMISE((status == SKALD_OK) == (grammar != NULL));
    return grammar;
}

static void open_model(skald_runtime **runtime, skald_model **model, tiny_kind kind) {
    const skald_source source = {.size = sizeof source, .bytes = files[kind].bytes, .n_bytes = files[kind].n_bytes};
    const skald_runtime_options alone = {.size = sizeof alone, .n_threads = 1, .allocator = &host_memory};
    ask_begin();
    PROMISE(skald_runtime_create(runtime, &alone, NULL) == SKALD_OK);
    PROMISE(skald_model_open(model, *runtime, NULL, NULL, &source, 1) == SKALD_OK);
    ask_end();
}

static void begin_all(void) {
    static skald_runtime *runtimes[TINY_KINDS];
    for (tiny_kind kind = 0; kind < TINY_KINDS; kind++) {
        tiny_write(&files[kind], kind);
        for (uint32_t i = 0; i < 2; i++) tiny_open(&oracles[kind][i], &files[kind], types[i]);
        save_beginnings(kind);
        open_model(&runtimes[kind], &models[kind], kind);
        skald_report why = fresh_report();
        skald_grammar *grammar = make_grammar(models[kind], &why); /* what the first one makes stays with the model */
        ask_begin();
        skald_grammar_release(grammar);
        ask_end();
    }
    PROMISE(skald_sampler_create(&choosers[0], oracles[0][0].model, NULL, NULL) == SKALD_OK);
    PROMISE(skald_sampler_create(&choosers[1], oracles[0][0].model, &warm, NULL) == SKALD_OK);
}

/* ---- grammars and matchers */

static void op_grammar(void) {
    skald_report why = fresh_report();
    if (!world.grammar && world.model) {
        world.grammar = make_grammar(world.model, &why);
        return;
    }
    ask_begin();
    skald_grammar_release(world.grammar);
    ask_end();
    world.grammar = NULL;
}

static void op_matcher(void) {
    skald_matcher **m = next() & 1 ? &world.other : &world.matcher;
    skald_report why = fresh_report();
    ask_begin();
    if (*m) {
        skald_matcher_free(*m), *m = NULL;
    } else if (world.grammar) {
        const skald_status status = skald_matcher_create(m, world.grammar, &why);
        expect_why(status, asked(one(SKALD_OK)), &why);
    }
    ask_end();
}

/* A token may come exactly when the mask leaves it; one that may not leaves the matcher as it was. */
static void op_accept(void) {
    const int32_t id = (int32_t)(next() % (N_WORDS + 2)) - 1;
    float zeros[N_WORDS] = {0}, row[N_WORDS], again[N_WORDS];
    if (!world.matcher) {
        expect(skald_matcher_accept(NULL, id), one(SKALD_ARGUMENT));
        return;
    }
    const skald_status whole = skald_matcher_mask(row, world.matcher, zeros, 0);
    expect(whole, one(SKALD_OK) | one(SKALD_END));
    const bool is_id = id >= 0 && id < (int32_t)N_WORDS, may_come = is_id && row[id] >= 0;
    if (is_id && id == WORD_END && whole == SKALD_OK) PROMISE(may_come == (skald_matcher_may_end(world.matcher) == 1));
    const skald_status status = skald_matcher_accept(world.matcher, id);
    expect(status, may_come ? one(SKALD_OK) | one(SKALD_END) : one(SKALD_ARGUMENT));
    PROMISE(skald_matcher_mask(again, world.matcher, zeros, 0) == (may_come ? status : whole));
    if (!may_come) PROMISE(memcmp(row, again, sizeof row) == 0);
    if (!world.other) return;
    const skald_status copied = skald_matcher_copy(world.other, world.matcher);
    expect(copied, one(SKALD_OK) | one(SKALD_ARGUMENT)); /* it may be of another grammar */
    if (copied != SKALD_OK) return;
    PROMISE(skald_matcher_mask(row, world.other, zeros, 0) == (may_come ? status : whole));
    PROMISE(memcmp(row, again, sizeof row) == 0);
}

/* ---- owners, refusals, and what nothing can be done with */

static void op_owners(void) {
    const uint8_t how = next();
    ask_begin();
    if (how & 1 && world.runtime) skald_runtime_release(world.runtime), world.runtime = NULL;
    else if (how & 2 && world.model) skald_model_retain(world.model), world.n_owned++;
    else if (world.n_owned) skald_model_release(world.model), world.n_owned--;
    if (!world.n_owned) world.model = NULL;
    ask_end();
}

static void op_refuse(void) { host.refuse_in = next() % 12; }

/* Each of these breaks the contract, or does nothing. */
static void op_nothing(void) {
    store *t = some_store(next());
    const set wrong = one(SKALD_ARGUMENT) | (t->is_paused ? one(SKALD_BUSY) : 0);
    struct {
        uint32_t size, n_pages, n_pages_free;
    } narrow = {.size = 8, .n_pages_free = 7777};
    skald_kv_cache_stats *few = (skald_kv_cache_stats *)(void *)&narrow;
    skald_seq seq;
    uint32_t n;
    const int32_t id = 1;
    const skald_span span = {.size = sizeof span, .seq = oracles[world.kind][0].seq, .tokens = &id, .n_tokens = 1};
    desk *d = &world.desks[0];
    switch (next() % 13) {
    case 0: expect(skald_kv_cache_open(NULL, t->cache), wrong); break;
    case 1: expect(skald_kv_cache_length(NULL, t->cache, 1), wrong); break;
    case 2: expect(skald_kv_cache_get_stats(NULL, t->cache), wrong); break;
    case 3: expect(skald_kv_cache_fork(NULL, t->cache, t->sequences[0].seq, 0), wrong); break;
    case 4: expect(skald_kv_cache_restore(&seq, t->cache, NULL, NULL, NULL), wrong); break;
    case 5: expect(skald_step(NULL, t->cache, NULL, NULL, NULL, 0), wrong); break;
    case 6: expect(skald_kv_cache_length(&n, NULL, 1), wrong); break;
    case 7:
        expect(skald_kv_cache_free(NULL), one(SKALD_OK)), expect(skald_context_free(NULL), one(SKALD_OK));
        expect(skald_engine_free(NULL), one(SKALD_OK)), skald_sampler_free(NULL), skald_matcher_free(NULL);
        skald_grammar_release(NULL), skald_model_release(NULL), skald_runtime_release(NULL);
        break;
    case 8:
        if (t->cache && !t->is_paused)
            PROMISE(skald_kv_cache_get_stats(few, t->cache) == SKALD_OK && narrow.n_pages == t->n_pages);
        break;
    case 9:
        narrow.size = 3;
        expect(skald_kv_cache_get_stats(few, t->cache), wrong);
        break;
    case 10: PROMISE(!skald_logits(NULL, 0) && skald_logits_argmax(NULL, 0) == -1); break;
    case 11: /* a cache of another model */
        expect(skald_step(d->context, oracles[world.kind][0].cache, NULL, NULL, &span, 1),
               one(SKALD_ARGUMENT) | (d->store ? one(SKALD_BUSY) : 0));
        break;
    default: expect(skald_engine_step(NULL, 0, NULL), one(SKALD_ARGUMENT));
    }
    PROMISE(narrow.n_pages_free == 7777);
    if (t->cache) check_store(t, true);
}

/* Sequences go on with the bits that they must have. */
static void op_look(void) {
    for (uint32_t i = 0; i < N_CACHES; i++) {
        store *t = &world.stores[i];
        desk *d = world.desks[0].context && !world.desks[0].store ? &world.desks[0] : &world.desks[1];
        if (!t->cache || t->is_paused || !d->context || d->store) continue;
        for (uint32_t k = 0; k < N_HANDLES; k++) {
            sequence *s = &t->sequences[k];
            wish w;
            skald_report why = fresh_report();
            if (!s->lives || s->length == TINY_TEXT) continue;
            d->n_spans = 1, d->of[0] = s, d->ids[0][0] = id_at(0, s->length);
            d->spans[0] = (skald_span){.size = sizeof *d->spans, .seq = s->seq, .tokens = d->ids[0], .n_tokens = 1};
            make_wish(&w, d, t, 0);
            const set full = room_for(d, t);
            const skald_status status = skald_step(d->context, t->cache, NULL, &why, d->spans, 1);
            if (status == SKALD_OK) went(d, t, &w, status, &why);
            PROMISE(full ? full & one(status) : status == SKALD_OK);
        }
    }
}

/* ---- the program */

static void (*const ops[N_CALLS])(void) = {
#define OP(name) op_##name,
    CALLS_OPS(OP)
#undef OP
};

/* The first four are what most programs are made of. */
static void call(uint8_t byte) { ops[byte < N_CALLS ? byte : byte % 4](); }

static void begin(uint8_t how) {
    memset(&world, 0, sizeof world);
    memset(&office, 0, sizeof office);
    for (uint32_t i = 0; i < N_SAVED / 2; i++) kept[i].n_bytes = 0;
    program.work = WORK;
    host.refuse_in = 0;
    world.live_before = live;
    world.kind = how % TINY_KINDS;
    if (how >= 250) open_model(&world.runtime, &world.model, world.kind);
    else world.model = models[world.kind], skald_model_retain(world.model);
    world.n_owned = 1;
    if (how & 4) make_store(&world.stores[0], how >> 3 & 15), make_desk(&world.desks[0], how >> 2 & 3);
    if (how >= 128 && how < 250) make_store(&world.stores[1], how), make_desk(&world.desks[1], 1);
}

/* Everything goes, in one of many orders; a cache with a paused step goes behind its context. */
static void end(uint8_t order) {
    for (uint32_t i = 0; i < 8; i++) {
        ask_begin();
        switch ((i * 3 + order) % 8) {
        case 0: skald_grammar_release(world.grammar); break;
        case 1: skald_matcher_free(world.matcher), skald_matcher_free(world.other); break;
        case 2: skald_sampler_free(world.sampler); break;
        case 3:
            while (world.n_owned) skald_model_release(world.model), world.n_owned--;
            break;
        case 4: skald_runtime_release(world.runtime); break;
        case 5: free_office(); break;
        case 6:
            for (uint32_t k = 0; k < N_CONTEXTS; k++)
                if (world.desks[k].context) free_desk(&world.desks[k]);
            break;
        default:
            for (uint32_t k = 0; k < N_CACHES; k++)
                if (world.stores[k].cache) free_store(&world.stores[k]);
        }
    }
    for (uint32_t k = 0; k < N_CACHES; k++)
        if (world.stores[k].cache) free_store(&world.stores[k]);
    ask_end();
    PROMISE(live == world.live_before);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    if (!models[0]) begin_all();
    program.at = bytes, program.end = bytes + n_bytes;
    begin(next());
    for (uint32_t i = 0; i < MOST_OPS && program.at < program.end; i++) call(next());
    op_look();
    end(next() + (uint8_t)n_bytes);
    return 0;
}

#include "grammar/grammar.h"
#include "base/report.h"
#include "grammar/automaton.h"
#include "grammar/rules.h"
#include "grammar/schema.h"
#include "grammar/tools.h"
#include <math.h>
#include <string.h>

#define CACHE_BYTES ((uint64_t)16 << 20)

static skald_grammar *layout(sk_carver *c, const sk_grammar_host *host, uint64_t cache_bytes) {
    skald_grammar *g = sk_carve(c, 1, sizeof *g, SK_CACHE_LINE);
    sk_automaton *automaton = sk_carve(c, 1, sizeof *automaton, SK_CACHE_LINE), parts = {0};
    sk_automaton_carve(&parts, c, host, cache_bytes);
    if (!g) return NULL;
    *automaton = parts;
    *g = (skald_grammar){.model = host->model, .memory = host->memory, .automaton = automaton};
    return g;
}

static skald_status compile(sk_program *p, const sk_grammar_host *host, const skald_grammar_options *o,
                            const sk_grammar_text *in, skald_report *why) {
    sk_draft d;
    uint32_t root = 0;
    skald_status status = sk_draft_open(&d, host->memory, host->watch, why);
    const bool rules = o->kind == SKALD_GRAMMAR_RULES;
    if (status == SKALD_OK && rules) root = sk_rules_read(&d, in);
    if (status == SKALD_OK && o->kind == SKALD_GRAMMAR_JSON_SCHEMA) root = sk_schema_read(&d, in);
    if (status == SKALD_OK && o->kind == SKALD_GRAMMAR_TOOLS) root = sk_tools_read(&d, in, o->family);
    status = sk_program_make(p, &d, root, host->trie->alone, rules ? sk_rules_place : sk_schema_place, in);
    sk_draft_close(&d);
    return status;
}

static skald_status make(skald_grammar **out, const sk_grammar_host *host, uint64_t cache_bytes,
                         const sk_program *program, skald_report *why) {
    sk_carver c = {0};
    layout(&c, host, cache_bytes);
    const uint64_t bytes = c.broken ? UINT64_MAX : c.used;
    c = (sk_carver){.base = sk_allocate(host->memory, 1, bytes, SKALD_MEMORY_HANDLE)};
    if (!c.base) return sk_fail(why, SKALD_MEMORY, "no memory for a grammar: %llu bytes", (unsigned long long)bytes);
    skald_grammar *g = layout(&c, host, cache_bytes);
    g->block_bytes = bytes;
    g->has_lock = sk_os_gate_open(&g->lock);
    if (!g->has_lock) {
        sk_grammar_free(g);
        return sk_fail(why, SKALD_MEMORY, "the system has no lock for a grammar");
    }
    g->program = *program;
    g->least = program->bytes[program->start];
    atomic_init(&g->owners, 1);
    sk_automaton_open(g->automaton, &g->program);
    *out = g;
    return SKALD_OK;
}

skald_status sk_grammar_create(skald_grammar **out, const sk_grammar_host *host, const skald_grammar_options *o,
                               const char *text, size_t n_bytes, skald_report *why) {
    const sk_grammar_text in = {text, n_bytes, host->vocab};
    sk_program program;
    *out = NULL;
    skald_status status = compile(&program, host, o, &in, why);
    if (status == SKALD_OK) status = make(out, host, o->cache_bytes ? o->cache_bytes : CACHE_BYTES, &program, why);
    if (status != SKALD_OK) sk_program_free(&program, host->memory);
    return status;
}

void sk_grammar_free(skald_grammar *g) {
    if (!g) return;
    if (g->has_lock) sk_os_gate_close(&g->lock);
    sk_program_free(&g->program, g->memory);
    sk_release(g->memory, g, g->block_bytes);
}

/* ---- matchers */

void sk_matcher_begin(sk_matcher *m, skald_grammar *g) {
    m->epoch = 0, m->ended = false;
    sk_os_gate_lock(&g->lock);
    sk_set_begin(&m->set, g->automaton->work, &g->program);
    sk_os_gate_unlock(&g->lock);
}

uint32_t sk_matcher_least(const sk_matcher *m, const skald_grammar *g) {
    return m->ended ? 0 : sk_set_least(&m->set, &g->program);
}

/* 32 logits of one word of the mask. */
static void mask_word(float *to, const float *from, uint32_t n, uint32_t bits) {
    for (uint32_t i = 0; i < n; i++) to[i] = bits >> i & 1 ? from[i] : -INFINITY;
}

static void forbid(float *to, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) to[i] = -INFINITY;
}

static void apply(float *to, const float *from, const uint32_t *bits, uint32_t n) {
    for (uint32_t i = 0; i < n; i += 32) {
        const uint32_t count = n - i < 32 ? n - i : 32, word = bits[i / 32];
        if (word == 0) forbid(to + i, count);
        else if (word == UINT32_MAX) memmove(to + i, from + i, count * sizeof *to);
        else mask_word(to + i, from + i, count, word);
    }
}

void sk_matcher_mask(float *to, sk_matcher *m, skald_grammar *g, const float *logits, uint32_t n_left) {
    if (m->ended) {
        forbid(to, g->automaton->n_logits);
        return;
    }
    sk_os_gate_lock(&g->lock);
    apply(to, logits, sk_automaton_mask(g->automaton, m, n_left), g->automaton->n_logits);
    sk_os_gate_unlock(&g->lock);
}

bool sk_matcher_accept(sk_matcher *m, skald_grammar *g, int32_t id) {
    const sk_vocab *v = g->automaton->vocab;
    if (m->ended || id < 0 || (uint32_t)id >= v->n_tokens) return false;
    if (sk_vocab_is_end(v, id)) return sk_set_may_end(&m->set) ? (m->ended = true) : false;
    sk_os_gate_lock(&g->lock);
    const bool taken = sk_automaton_take(g->automaton, m, (uint32_t)id);
    sk_os_gate_unlock(&g->lock);
    return taken;
}

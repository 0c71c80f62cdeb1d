/* The door to lib/grammar. */
#include "grammar/grammar.h"
#include "answer/answer.h"
#include "api/template.h"
#include "base/fpmode.h"
#include "base/report.h"
#include "model/model.h"

struct skald_matcher {
    atomic_uint busy;
    skald_grammar *grammar; /* one of its owners */
    sk_matcher state;
};

static const skald_grammar_options defaults = {.size = sizeof defaults};

void skald_grammar_options_init(skald_grammar_options *options, uint32_t size) {
    sk_options_init(options, size, &defaults, sizeof defaults);
}

static skald_status create(skald_grammar **out, skald_model *model, const char *text, size_t n_bytes,
                           const skald_grammar_options *o, skald_report *why) {
    sk_watch watch;
    sk_grammar_host host = {.model = model, .memory = sk_model_memory(model), .vocab = model->vocab, .watch = &watch};
    const uint32_t n_vocab = model->config.n_vocab;
    sk_watch_begin(&watch, o->progress, o->progress_user, "the grammar");
    skald_status status = sk_model_trie(&host.trie, model, &watch, why);
    if (status != SKALD_OK) return status;
    host.n_logits = n_vocab ? n_vocab : model->vocab->n_tokens;
    status = sk_grammar_create(out, &host, o, text, n_bytes, why);
    if (status == SKALD_OK) skald_model_retain(model);
    return status;
}

skald_status skald_grammar_create(skald_grammar **out, skald_model *model, const char *text, size_t n_bytes,
                                  const skald_grammar_options *options, skald_report *why) {
    if (!out || !model || !text) return sk_fail(why, SKALD_ARGUMENT, "skald_grammar_create: an argument is NULL");
    *out = NULL;
    skald_grammar_options o;
    skald_status status = sk_options_copy(&o, sizeof o, &defaults, options, "skald_grammar_options", why);
    if (status != SKALD_OK) return status;
    if (o.kind > SKALD_GRAMMAR_TOOLS)
        return sk_fail(why, SKALD_UNSUPPORTED, "skald_grammar_options: no kind of grammar has the number %u", o.kind);
    if (!o.family) {
        const sk_string layout = sk_api_template(model);
        o.family = sk_answer_name(sk_answer_detect(layout.text, (size_t)layout.n_bytes));
    }
    uint64_t mode = sk_fp_enter();
    status = create(out, model, text, n_bytes, &o, why);
    sk_fp_leave(mode);
    return status;
}

void skald_grammar_retain(skald_grammar *g) {
    if (g) atomic_fetch_add(&g->owners, 1);
}

void skald_grammar_release(skald_grammar *g) {
    if (!g || atomic_fetch_sub(&g->owners, 1) != 1) return;
    skald_model *model = g->model;
    sk_grammar_free(g);
    skald_model_release(model);
}

/* ---- matchers */

skald_status skald_matcher_create(skald_matcher **out, skald_grammar *g, skald_report *why) {
    if (!out || !g) return sk_fail(why, SKALD_ARGUMENT, "skald_matcher_create: out or grammar is NULL");
    *out = NULL;
    skald_matcher *m = sk_allocate(g->memory, 1, sizeof *m, SKALD_MEMORY_HANDLE);
    if (!m) return sk_fail(why, SKALD_MEMORY, "no memory for a matcher");
    atomic_init(&m->busy, 0);
    m->grammar = g;
    skald_grammar_retain(g);
    sk_matcher_begin(&m->state, g);
    *out = m;
    return SKALD_OK;
}

skald_status skald_matcher_copy(skald_matcher *to, const skald_matcher *from) {
    if (!to || !from || to->grammar != from->grammar) return SKALD_ARGUMENT;
    if (sk_enter(&to->busy) != SKALD_OK) return SKALD_BUSY;
    to->state = from->state;
    sk_leave(&to->busy);
    return SKALD_OK;
}

void skald_matcher_free(skald_matcher *m) {
    if (!m) return;
    skald_grammar *g = m->grammar;
    sk_release(g->memory, m, sizeof *m);
    skald_grammar_release(g);
}

static skald_status status_of(const skald_matcher *m) { return sk_matcher_must_end(&m->state) ? SKALD_END : SKALD_OK; }

skald_status skald_matcher_mask(float *to, skald_matcher *m, const float *logits, uint32_t n_left) {
    if (!to || !m || !logits) return SKALD_ARGUMENT;
    if (sk_enter(&m->busy) != SKALD_OK) return SKALD_BUSY;
    sk_matcher_mask(to, &m->state, m->grammar, logits, n_left);
    const skald_status status = status_of(m);
    sk_leave(&m->busy);
    return status;
}

skald_status skald_matcher_accept(skald_matcher *m, int32_t id) {
    if (!m) return SKALD_ARGUMENT;
    if (sk_enter(&m->busy) != SKALD_OK) return SKALD_BUSY;
    const skald_status status = sk_matcher_accept(&m->state, m->grammar, id) ? status_of(m) : SKALD_ARGUMENT;
    sk_leave(&m->busy);
    return status;
}

int32_t skald_matcher_may_end(const skald_matcher *m) { return m && sk_matcher_may_end(&m->state); }

uint32_t skald_matcher_least(const skald_matcher *m) { return m ? sk_matcher_least(&m->state, m->grammar) : 0; }

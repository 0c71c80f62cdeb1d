/* Requests with a grammar: a matcher while they run, a mask before each choice. */
#include "engine/engine.h"

void sk_constrain_start(skald_engine *e, sk_request *r) {
    if (!r->grammar || r->now.matcher) return;
    r->now.matcher = e->free_matchers[--e->n_free_matchers];
    sk_matcher_begin(r->now.matcher, r->grammar);
    for (uint32_t i = r->n_prompt; i < r->now.n_text; i++)
        sk_matcher_accept(r->now.matcher, r->grammar, sk_text_id(e, r, i));
}

void sk_constrain_stop(skald_engine *e, sk_request *r) {
    if (!r->now.matcher) return;
    e->free_matchers[e->n_free_matchers++] = r->now.matcher;
    r->now.matcher = NULL;
}

const float *sk_constrain_mask(skald_engine *e, sk_request *r, const float *logits) {
    if (!r->grammar) return logits;
    sk_matcher_mask(e->logits, r->now.matcher, r->grammar, logits, r->n_most - r->now.n_text);
    return e->logits;
}

bool sk_constrain_take(sk_request *r, int32_t id) {
    if (!r->grammar) return false;
    return sk_matcher_accept(r->now.matcher, r->grammar, id) && sk_matcher_must_end(r->now.matcher);
}

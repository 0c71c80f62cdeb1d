/* Feed-forward parts of which every row uses a few: x += sum of weight * expert(norm x)   (arXiv 1701.06538), and then what
 * the expert of all rows gives (arXiv 2401.06066). */
#include "forward/record.h"

/* Rows for the choices that a router's logits become. */
typedef struct choices {
    skald_rows logits, ids, weights;
} choices;

static choices take_choices(const sk_recorder *r, uint64_t *at, uint32_t n_experts, uint32_t n_used) {
    choices c = {.logits = sk_record_rows(r, at, n_experts)};
    c.ids = sk_record_rows(r, at, n_used), c.ids.type = SKALD_I32;
    c.weights = sk_record_rows(r, at, n_used);
    return c;
}

static void normalize(const sk_recorder *r, const sk_norm_rows *norm, const skald_rows *out) {
    const skald_normalize op = {.size = sizeof op, .norm = sk_record_norm(r, norm), .x = r->at->x, .out = *out};
    r->ops->normalize(r->stream, &op);
}

/* The sum goes to the stream x. */
static void apply(const sk_recorder *r, skald_experts *op, const skald_rows *x, const choices *c) {
    op->size = sizeof *op;
    op->x = *x, op->ids = c->ids, op->weights = c->weights;
    op->add = op->out = r->at->x;
    r->ops->experts(r->stream, op);
}

static void routed(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint64_t at, const skald_rows *x) {
    const sk_routing *k = &kind->routing;
    const choices c = take_choices(r, &at, k->n_experts, k->n_used);
    skald_route route = {.size = sizeof route, .scoring = k->scoring, .logits = c.logits, .correction = w->correction};
    route.n_groups = k->n_groups, route.n_groups_used = k->n_groups_used, route.n_group_best = k->n_group_best;
    route.normalize = k->normalize, route.scale = k->scale, route.ids = c.ids, route.weights = c.weights;
    skald_experts op = {.n_experts = k->n_experts, .n_ff = k->n_ff, .activation = kind->activation};
    op.gate = w->expert_gate, op.up = w->expert_up, op.down = w->expert_down;
    op.gate_bias = w->expert_gate_bias, op.up_bias = w->expert_up_bias, op.down_bias = w->expert_down_bias;

    sk_record_project(r, NULL, x, 1, &(sk_target){&w->router, &w->router_bias, &c.logits});
    r->ops->route(r->stream, &route);
    apply(r, &op, x, &c);
}

/* One expert that every row chooses, with the sigmoid of its logit as weight. */
static void shared_by_gate(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint64_t at,
                           const skald_rows *x) {
    const choices c = take_choices(r, &at, 1, 1);
    const skald_route route = {.size = sizeof route,
                               .scoring = SKALD_SCORING_SIGMOID,
                               .scale = 1.0f,
                               .logits = c.logits,
                               .ids = c.ids,
                               .weights = c.weights};
    skald_experts op = {.n_experts = 1, .n_ff = kind->routing.n_ff_shared, .activation = kind->activation};
    op.gate = w->shared_gate, op.up = w->shared_up, op.down = w->shared_down;

    sk_record_project(r, NULL, x, 1, &(sk_target){&w->shared_router, NULL, &c.logits});
    r->ops->route(r->stream, &route);
    apply(r, &op, x, &c);
}

static void shared(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint64_t at, const skald_rows *x) {
    const uint32_t n_ff = kind->routing.n_ff_shared;
    const skald_rows gate = sk_record_rows(r, &at, n_ff), up = sk_record_rows(r, &at, n_ff), none = {0};
    const sk_target to[] = {{&w->shared_gate, NULL, &gate}, {&w->shared_up, NULL, &up}};
    const skald_gate join = {sizeof join, kind->activation, gate, up, gate};

    sk_record_project(r, NULL, x, 2, to);
    r->ops->gate(r->stream, &join);
    sk_record_join(r, &gate, &w->shared_down, &none);
}

void sk_feed_experts(const sk_recorder *r, const sk_kind *kind, const sk_layer *w) {
    uint64_t at = r->at->work;
    const skald_rows x = sk_record_rows(r, &at, r->config->n_embd); /* normed once for all */

    normalize(r, &w->feed_norm, &x);
    routed(r, kind, w, at, &x);
    if (kind->routing.n_ff_shared == 0) return;
    if (kind->routing.shared_gate) shared_by_gate(r, kind, w, at, &x);
    else shared(r, kind, w, at, &x);
}

/* The feed-forward part of every row by itself: x += down (activation(gate x) * up x)   (arXiv 2002.05202), or
 * x += down activation(up x). */
#include "forward/record.h"

void sk_feed_dense(const sk_recorder *r, const sk_kind *kind, const sk_layer *w) {
    uint64_t at = r->at->work;
    const skald_rows up = sk_record_rows(r, &at, kind->n_ff);
    const skald_rows gate = kind->ungated ? up : sk_record_rows(r, &at, kind->n_ff);
    const sk_target to[] = {{&w->gate, &w->gate_bias, &gate}, {&w->up, &w->up_bias, &up}};
    skald_gate join = {.size = sizeof join, .activation = kind->activation, .gate = gate, .out = gate};
    if (!kind->ungated) join.up = up;

    sk_record_project(r, &w->feed_norm, &r->at->x, kind->ungated ? 1 : 2, kind->ungated ? to + 1 : to);
    r->ops->gate(r->stream, &join);
    sk_record_join_normed(r, &at, &gate, &w->down, &w->down_bias, &w->feed_post_norm);
}

/* The feed-forward part of every row by itself: x += down (activation(gate x) * up x)   (arXiv 2002.05202). */
#include "forward/record.h"

void sk_feed_dense(const sk_recorder *r, const sk_kind *kind, const sk_layer *w) {
    uint64_t at = r->at->work;
    const skald_rows gate = sk_record_rows(r, &at, kind->n_ff), up = sk_record_rows(r, &at, kind->n_ff);
    const sk_target to[] = {{&w->gate, &w->gate_bias, &gate}, {&w->up, &w->up_bias, &up}};
    const skald_gate join = {sizeof join, kind->activation, gate, up, gate};

    sk_record_project(r, &w->feed_norm, &r->at->x, 2, to);
    r->ops->gate(r->stream, &join);
    sk_record_join(r, &gate, &w->down, &w->down_bias);
}

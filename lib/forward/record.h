/* What the files of the recording share: the recorder, rows for activations, and the operations that every mixer and
 * feeder is made of. One file for each mixer (attention.c) and for each feeder (dense.c). */
#ifndef SK_FORWARD_RECORD_H
#define SK_FORWARD_RECORD_H
#include "forward/forward.h"

typedef struct sk_recorder {
    const skald_ops *ops;
    skald_stream *stream;
    const sk_config *config;
    const sk_activations *at;
    const sk_layer *layers; /* where the weights of all layers lie */
    uint64_t *used;         /* the end of the rows that were taken so far, in bytes; NULL: nobody asks */
} sk_recorder;

/* One of the matrices of a project: out = weight x + bias. */
typedef struct sk_target {
    const skald_weight *weight;
    const skald_rows *bias; /* NULL: none */
    const skald_rows *out;
} sk_target;

/* A layer's parts: both add to the stream x. `layer` is its index in the cache. */
typedef void sk_mix_fn(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint32_t layer);
typedef void sk_feed_fn(const sk_recorder *r, const sk_kind *kind, const sk_layer *w);
sk_feed_fn sk_feed_dense, sk_feed_experts;
sk_mix_fn sk_mix_attention, sk_mix_latent, sk_mix_delta;

/* Rows for the part under way: *at is where free room begins; parts begin at r->at->work, one after the other in the same
 * room. */
skald_rows sk_record_rows(const sk_recorder *r, uint64_t *at, uint32_t width);
/* The norm of the model with these weights; NONE where they are absent from the family. */
skald_norm sk_record_norm(const sk_recorder *r, const sk_norm_rows *rows);
/* to[i].out = to[i].weight norm(x) + to[i].bias; `norm` NULL: of x as it is. */
void sk_record_project(const sk_recorder *r, const sk_norm_rows *norm, const skald_rows *x, uint32_t n,
                       const sk_target *to);
/* x += weight y + bias, x the stream. */
void sk_record_join(const sk_recorder *r, const skald_rows *y, const skald_weight *weight, const skald_rows *bias);
/* x += norm(weight y + bias) in models that norm what joins the stream, else as above; *at is where free room begins. */
void sk_record_join_normed(const sk_recorder *r, uint64_t *at, const skald_rows *y, const skald_weight *weight,
                           const skald_rows *bias, const sk_norm_rows *norm);
#endif

/* Latent attention (MLA, arXiv 2405.04434) in the absorbed form: each head's query goes into the space of latents, where
 * one key serves all heads and holds their values.
 *
 *     x ──▶ q   [heads][plain | turned] ──▶ [heads][latent | turned] ─┐
 *       ──▶ key [latent | turned] ──▶ cache ──────────────────────────┴▶ [heads][latent] ──▶ [heads][value] ──▶ x */
#include "forward/record.h"

static void project_heads(const sk_recorder *r, const sk_kind *kind, const skald_weight *weight, const skald_rows *x,
                          const skald_rows *out) {
    const skald_project_heads op = {sizeof op, kind->n_heads, *weight, *x, *out};
    r->ops->project_heads(r->stream, &op);
}

static void queries_and_key(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint64_t at,
                            const skald_rows *q, const skald_rows *key) {
    const sk_target k = {&w->latent, NULL, key};
    if (kind->mixer == SK_MIX_LATENT) {
        sk_record_project(r, &w->attention_norm, &r->at->x, 2, (sk_target[]){{&w->q, NULL, q}, k});
        return;
    }
    const skald_rows low = sk_record_rows(r, &at, kind->q_rank); /* queries are compressed too */
    sk_record_project(r, &w->attention_norm, &r->at->x, 2, (sk_target[]){{&w->q_low, NULL, &low}, k});
    sk_record_project(r, &w->q_low_norm, &low, 1, &(sk_target){&w->q, NULL, q});
}

static void append(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint32_t layer, const skald_rows *q,
                   const skald_rows *key) {
    const sk_rotation *rotation = &r->config->rotation[kind->rotation];
    const skald_append op = {.size = sizeof op,
                             .layer = layer,
                             .n_heads = kind->n_heads,
                             .n_kv_heads = 1,
                             .head_dim_k = kind->head_dim_k,
                             .rope = rotation->rope,
                             .n_pairs = rotation->n_pairs,
                             .first_turned = kind->head_dim_v,
                             .angles = r->at->angles[kind->rotation],
                             .k_norm = sk_record_norm(r, &w->latent_norm),
                             .q = *q,
                             .k = *key};
    r->ops->append(r->stream, &op);
}

static void attend(const sk_recorder *r, const sk_kind *kind, uint32_t layer, const skald_rows *q,
                   const skald_rows *out) {
    const skald_attend op = {.size = sizeof op,
                             .layer = layer,
                             .n_heads = kind->n_heads,
                             .n_kv_heads = 1,
                             .head_dim_k = kind->head_dim_k,
                             .head_dim_v = kind->head_dim_v,
                             .scale = kind->attention_scale,
                             .values_in_keys = 1,
                             .q = *q,
                             .out = *out};
    r->ops->attend(r->stream, &op);
}

void sk_mix_latent(const sk_recorder *r, const sk_kind *kind, const sk_layer *w, uint32_t layer) {
    uint64_t at = r->at->work;
    const skald_rows key = sk_record_rows(r, &at, kind->head_dim_k);
    const skald_rows q = sk_record_rows(r, &at, kind->n_heads * kind->head_dim_q);
    const skald_rows query = sk_record_rows(r, &at, kind->n_heads * kind->head_dim_k);
    const skald_rows found = sk_record_rows(r, &at, kind->n_heads * kind->head_dim_v);
    const skald_rows value = sk_record_rows(r, &at, kind->n_heads * kind->head_dim_o), none = {0};

    queries_and_key(r, kind, w, at, &q, &key);
    project_heads(r, kind, &w->into_latent, &q, &query);
    append(r, kind, w, layer, &query, &key); /* the latent is normed, what stands behind it is turned */
    attend(r, kind, layer, &query, &found);
    project_heads(r, kind, &w->out_of_latent, &found, &value);
    sk_record_join(r, &value, &w->o, &none);
}

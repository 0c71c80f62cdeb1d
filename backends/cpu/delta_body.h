/* Linear attention on the lanes of vec.h, compiled by each leaf that has a vec. A chunk of one head:
 *
 *     recalled[keys, queries][dim_v] = x state     tiles of rows by columns in registers, dim_k ascending
 *     u, out                                       row by row for some columns, earlier rows ascending
 *     next[dim_k][dim_v]                           tiles of lines by columns in registers, rows ascending
 */
#ifndef SK_CPU_DELTA_BODY_H
#define SK_CPU_DELTA_BODY_H
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "base/exact.h"

/* 64 weights of 16 channels become 16 of each tap. */
SK_INLINE void part_taps(vec tap[SK_TAPS], const float *w) {
    vec even[2], odd[2];
    vec_part(&even[0], &odd[0], vec_load(w), vec_load(w + 16));
    vec_part(&even[1], &odd[1], vec_load(w + 32), vec_load(w + 48));
    vec_part(&tap[0], &tap[2], even[0], even[1]);
    vec_part(&tap[1], &tap[3], odd[0], odd[1]);
}

static void convolve(float *y, const float *const x[SK_TAPS], const float *w, uint32_t n) {
    for (uint32_t c = 0; c < n; c += 16) {
        vec tap[SK_TAPS], sum = vec_set(0.0f);
        part_taps(tap, w + (size_t)SK_TAPS * c);
        for (uint32_t t = 0; t < SK_TAPS; t++)
            if (x[t]) sum = vec_fma(tap[t], vec_load(x[t] + c), sum);
        vec_store(y + c, silu_lanes(sum));
    }
}

SK_INLINE float dot(const float *a, const float *b, uint32_t n) {
    uint32_t i = 0;
    vec sum = vec_set(0.0f);
    for (; n - i >= 16; i += 16) sum = vec_fma(vec_load(a + i), vec_load(b + i), sum);
    if (i < n) sum = vec_fma(vec_load_first(a + i, n - i), vec_load_first(b + i, n - i), sum);
    return vec_sum(sum);
}

static void unit_norm(float *y, const float *x, uint32_t n, float eps, float s) {
    const vec inverse = vec_div(vec_set(1.0f), vec_sqrt(vec_set(dot(x, x, n) + eps))), scale = vec_set(s);
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) vec_store(y + i, vec_mul(vec_mul(vec_load(x + i), inverse), scale));
    if (i < n) vec_store_first(y + i, vec_mul(vec_mul(vec_load_first(x + i, n - i), inverse), scale), n - i);
}

/* Elements ahead of what is read by one row alone: the state comes from far away then, and the next head's follows it. */
#define STATE_AHEAD 2048u

/* `vecs` columns of sixteen from `at` on; `rows` and `vecs` are constants where these are called. */
SK_INLINE void recall_tile(const sk_delta_chunk *c, const float *x, float *to, uint32_t at, const uint32_t rows,
                           const uint32_t vecs) {
    vec sum[VEC_TILE_ROWS][2 * VEC_TILE_VECS], s[2 * VEC_TILE_VECS];
    const float *state = c->state + at;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++) sum[r][v] = vec_set(0.0f);
    for (uint32_t d = 0; d < c->dim_k; d++, state += c->stride) {
        for (uint32_t v = 0; v < vecs && rows <= 2; v++) __builtin_prefetch(state + STATE_AHEAD + 16 * v, 0, 2);
        for (uint32_t v = 0; v < vecs; v++) s[v] = vec_load(state + 16 * v);
        for (uint32_t r = 0; r < rows; r++) {
            const vec scalar = vec_set(x[r * c->dim_k + d]);
            for (uint32_t v = 0; v < vecs; v++) sum[r][v] = vec_fma(scalar, s[v], sum[r][v]);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++) vec_store(to + r * c->dim_v + at + 16 * v, sum[r][v]);
}

/* Columns that a tile takes from `at` on, in sixteens: one where fewer than `most` are left. */
SK_INLINE uint32_t tile_vecs(const sk_delta_chunk *c, uint32_t at, const uint32_t most) {
    return c->dim_v - at >= 16 * most ? most : 1;
}

/* What the state says of n rows of x. Two rows, a key and a query, take twice the columns at once. */
static void recall(const sk_delta_chunk *c, const float *x, float *to, uint32_t n) {
    const uint32_t twice = 2 * VEC_TILE_VECS;
    uint32_t at = 0;
    for (; n == 2 && VEC_TILE_ROWS > 3 && c->dim_v - at >= 16 * twice; at += 16 * twice)
        recall_tile(c, x, to, at, 2, twice);
    for (uint32_t vecs; at < c->dim_v; at += 16 * vecs) {
        vecs = tile_vecs(c, at, VEC_TILE_VECS);
        for (uint32_t r = 0, lines; r < n; r += lines) {
            lines = tile_rows(n - r);
#define RECALL(count)     recall_tile(c, x + (size_t)r * c->dim_k, to + (size_t)r * c->dim_v, at, count, VEC_TILE_VECS)
#define RECALL_ONE(count) recall_tile(c, x + (size_t)r * c->dim_k, to + (size_t)r * c->dim_v, at, count, 1)
            if (vecs == VEC_TILE_VECS) {
                WITH_ROWS(lines, RECALL)
            } else {
                WITH_ROWS(lines, RECALL_ONE)
            }
#undef RECALL
#undef RECALL_ONE
        }
    }
}

/* How much rows 0 ... j say of a row's key and query, and how much of the state is kept until then. */
typedef struct shares {
    float of_key[SK_GRID], of_query[SK_GRID], kept;
} shares;

static void find_shares(shares *s, const sk_delta_chunk *c, uint32_t i) {
    const float *key = c->k + (size_t)i * c->dim_k, *query = key + (size_t)(c->end - c->first) * c->dim_k;
    s->kept = 1;
    for (uint32_t j = i + 1; j-- > 0;) {
        const float *other = c->k + (size_t)j * c->dim_k;
        if (c->corrects) s->of_key[j] = s->kept * dot(other, key, c->dim_k);
        s->of_query[j] = s->kept * dot(other, query, c->dim_k);
        if (c->decay) s->kept *= c->decay[j];
    }
}

/* u and out of row i in `vecs` columns of sixteen. */
SK_INLINE void row_tile(const sk_delta_chunk *c, const shares *s, uint32_t i, uint32_t at, const uint32_t vecs) {
    const uint32_t n = c->end - c->first, r = i - c->first;
    const vec kept = vec_set(s->kept), beta = vec_set(c->beta ? c->beta[r] : 1.0f);
    const float *of_key = c->room + (size_t)r * c->dim_v + at, *of_query = of_key + (size_t)n * c->dim_v;
    float *u = c->u + at;
    vec x[VEC_TILE_VECS], y[VEC_TILE_VECS];
    for (uint32_t v = 0; v < vecs; v++) {
        y[v] = c->state ? vec_mul(kept, vec_load(of_query + 16 * v)) : vec_set(0.0f);
        x[v] = c->state && c->corrects ? vec_mul(kept, vec_load(of_key + 16 * v)) : vec_set(0.0f);
    }
    for (uint32_t j = 0; j < i; j++, u += c->stride) {
        for (uint32_t v = 0; v < vecs; v++) {
            if (c->corrects) x[v] = vec_fma(vec_set(s->of_key[j]), vec_load(u + 16 * v), x[v]);
            y[v] = vec_fma(vec_set(s->of_query[j]), vec_load(u + 16 * v), y[v]);
        }
    }
    for (uint32_t v = 0; v < vecs; v++) {
        const vec mine = vec_mul(vec_sub(vec_load(c->v[r] + at + 16 * v), x[v]), beta);
        vec_store(u + 16 * v, mine);
        vec_store(c->out[r] + at + 16 * v, vec_fma(vec_set(s->of_query[i]), mine, y[v]));
    }
}

static void add_rows(const sk_delta_chunk *c) {
    shares s[SK_GRID];
    for (uint32_t i = c->first; i < c->end; i++) find_shares(&s[i - c->first], c, i);
    for (uint32_t at = 0, vecs; at < c->dim_v; at += 16 * vecs) {
        vecs = tile_vecs(c, at, VEC_TILE_VECS);
        for (uint32_t i = c->first; i < c->end; i++) {
            if (vecs == VEC_TILE_VECS) row_tile(c, &s[i - c->first], i, at, VEC_TILE_VECS);
            else row_tile(c, &s[i - c->first], i, at, 1);
        }
    }
}

/* `lines` lines of the next state in `vecs` columns of sixteen; w: the keys, decayed to the chunk's end. */
SK_INLINE void advance_tile(const sk_delta_chunk *c, const float *w, float kept, uint32_t d, uint32_t at,
                            const uint32_t lines, const uint32_t vecs) {
    vec s[VEC_TILE_ROWS][VEC_TILE_VECS], u[VEC_TILE_VECS];
    for (uint32_t l = 0; l < lines; l++)
        for (uint32_t v = 0; v < vecs; v++)
            s[l][v] = c->state ? vec_mul(vec_set(kept), vec_load(c->state + (d + l) * c->stride + at + 16 * v))
                               : vec_set(0.0f);
    for (uint32_t j = 0; j < c->end; j++) {
        for (uint32_t v = 0; v < vecs; v++) u[v] = vec_load(c->u + j * c->stride + at + 16 * v);
        for (uint32_t l = 0; l < lines; l++) {
            const vec key = vec_set(w[(size_t)j * c->dim_k + d + l]);
            for (uint32_t v = 0; v < vecs; v++) s[l][v] = vec_fma(key, u[v], s[l][v]);
        }
    }
    for (uint32_t l = 0; l < lines; l++)
        for (uint32_t v = 0; v < vecs; v++) vec_store(c->next + (d + l) * c->stride + at + 16 * v, s[l][v]);
}

static void advance(const sk_delta_chunk *c) {
    float kept = 1, *w = c->room;
    for (uint32_t j = c->end; j-- > 0;) {
        for (uint32_t d = 0; d < c->dim_k; d += 16)
            vec_store(w + (size_t)j * c->dim_k + d, vec_mul(vec_set(kept), vec_load(c->k + (size_t)j * c->dim_k + d)));
        if (c->decay) kept *= c->decay[j];
    }
    for (uint32_t at = 0, vecs; at < c->dim_v; at += 16 * vecs) {
        vecs = tile_vecs(c, at, VEC_TILE_VECS);
        for (uint32_t d = 0, lines; d < c->dim_k; d += lines) {
            lines = tile_rows(c->dim_k - d);
#define ADVANCE(count)     advance_tile(c, w, kept, d, at, count, VEC_TILE_VECS)
#define ADVANCE_ONE(count) advance_tile(c, w, kept, d, at, count, 1)
            if (vecs == VEC_TILE_VECS) {
                WITH_ROWS(lines, ADVANCE)
            } else {
                WITH_ROWS(lines, ADVANCE_ONE)
            }
#undef ADVANCE
#undef ADVANCE_ONE
        }
    }
}

static void delta(const sk_delta_chunk *c) {
    const uint32_t n = c->end - c->first,
                   skipped = c->corrects ? 0 : n; /* without a correction no key asks the state */
    if (c->state)
        recall(c, c->k + (size_t)(c->first + skipped) * c->dim_k, c->room + (size_t)skipped * c->dim_v,
               2 * n - skipped);
    add_rows(c);
    if (c->next) advance(c);
}
#endif

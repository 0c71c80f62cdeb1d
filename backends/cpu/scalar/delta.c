/* Linear attention in plain C: short convolution, unit norm, and one head's rows of a chunk; the definition. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"

void sk_convolve_scalar(float *y, const float *const x[SK_TAPS], const float *w, uint32_t n) {
    for (uint32_t c = 0; c < n; c++) {
        float sum = 0;
        for (uint32_t t = 0; t < SK_TAPS; t++)
            if (x[t]) sum = sk_fma(w[SK_TAPS * c + t], x[t][c], sum);
        y[c] = sum / (1.0f + sk_exp(-sum));
    }
}

/* 16 lanes, folded 8-4-2-1. */
static float dot(const float *a, const float *b, uint32_t n) {
    float lane[16] = {0};
    for (uint32_t i = 0; i < n; i++) lane[i % 16] = sk_fma(a[i], b[i], lane[i % 16]);
    for (uint32_t half = 8; half > 0; half /= 2)
        for (uint32_t i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

void sk_unit_norm_scalar(float *y, const float *x, uint32_t n, float eps, float s) {
    const float inverse = 1.0f / sk_sqrt(dot(x, x, n) + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = x[i] * inverse * s;
}

static const float *key(const sk_delta_chunk *c, uint32_t row) { return c->k + (size_t)row * c->dim_k; }
static const float *query(const sk_delta_chunk *c, uint32_t row) { return key(c, c->end + row - c->first); }

/* What the state at the chunk's begin says of a key or query, in one column. */
static float recall(const sk_delta_chunk *c, const float *x, uint32_t column) {
    float sum = 0;
    for (uint32_t d = 0; c->state && d < c->dim_k; d++) sum = sk_fma(x[d], c->state[d * c->stride + column], sum);
    return sum;
}

static void row(const sk_delta_chunk *c, uint32_t i) {
    float kept = 1, of_key[SK_GRID], of_query[SK_GRID]; /* how much row j says of this row's key and query */
    for (uint32_t j = i + 1; j-- > 0;) {
        of_key[j] = kept * dot(key(c, j), key(c, i), c->dim_k);
        of_query[j] = kept * dot(key(c, j), query(c, i), c->dim_k);
        if (c->decay) kept *= c->decay[j];
    }
    const float beta = c->beta ? c->beta[i - c->first] : 1.0f;
    for (uint32_t column = 0; column < c->dim_v; column++) {
        float x = 0, y = kept * recall(c, query(c, i), column);
        if (c->corrects) x = kept * recall(c, key(c, i), column);
        for (uint32_t j = 0; j < i; j++) {
            if (c->corrects) x = sk_fma(of_key[j], c->u[j * c->stride + column], x);
            y = sk_fma(of_query[j], c->u[j * c->stride + column], y);
        }
        const float u = (c->v[i - c->first][column] - x) * beta;
        c->u[i * c->stride + column] = u;
        c->out[i - c->first][column] = sk_fma(of_query[i], u, y);
    }
}

/* The state behind the last row. */
static void advance(const sk_delta_chunk *c) {
    float kept[SK_GRID + 1];
    kept[c->end] = 1;
    for (uint32_t j = c->end; j-- > 0;) kept[j] = c->decay ? kept[j + 1] * c->decay[j] : kept[j + 1];
    for (uint32_t d = 0; d < c->dim_k; d++) {
        for (uint32_t column = 0; column < c->dim_v; column++) {
            float s = c->state ? kept[0] * c->state[d * c->stride + column] : 0;
            for (uint32_t j = 0; j < c->end; j++)
                s = sk_fma(kept[j + 1] * key(c, j)[d], c->u[j * c->stride + column], s);
            c->next[d * c->stride + column] = s;
        }
    }
}

void sk_delta_scalar(const sk_delta_chunk *c) {
    for (uint32_t i = c->first; i < c->end; i++) row(c, i);
    if (c->next) advance(c);
}

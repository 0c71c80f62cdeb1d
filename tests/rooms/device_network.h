/* A small network for tests/rooms/device.c: its numbers, and what it computes, in double and one token after another. */
#ifndef SK_TESTS_ROOMS_DEVICE_NETWORK_H
#define SK_TESTS_ROOMS_DEVICE_NETWORK_H
#include "base/exact.h"
#include <math.h>
#include <skald/backend.h>

enum {
    LAYERS = 2,
    WIDTH = 12,
    HEADS = 4,
    KV_HEADS = 2,
    DIM_K = 6,
    DIM_V = 4,
    PAIRS = 2,
    FF = 8,
    VOCAB = 10,
    TOKENS = 135, /* more than a page */
    ROWS = 5,     /* of a pass */
    LOGITS = 12,  /* of a step */
    PAGES = 6,
    SEQUENCES = 3,
    OPS = 4 + LAYERS * 10 + 1,
};
static const float scale = 1.5f, eps = 1e-5f, magnitude = 1.1f, soft_cap = 2.0f, logits_cap = 3.0f;
static const uint32_t window = 3; /* of layer 1, as are the cap and a norm behind attention; layer 0 has sinks */

/* ---- the network's numbers */

enum { TABLE, POSITIONS, HEAD, Q, K, V, OUT, GATE, UP, DOWN, N_TENSORS = DOWN + 1 + (DOWN - Q + 1) };
enum { LAST_NORM, MIX_NORM, Q_BIAS, K_BIAS, V_BIAS, Q_NORM, K_NORM, SINKS, FEED_NORM, FEED_BIAS, N_VECTORS = 19 };

typedef struct tensor {
    uint32_t n_out, n_in;
    skald_dtype type;
    float x[TOKENS * WIDTH];
    uint16_t half[TOKENS * WIDTH];
    skald_weight weight;
} tensor;

typedef struct vector {
    uint32_t n;
    float x[HEADS * DIM_K];
    skald_rows rows;
} vector;

typedef struct network {
    tensor tensors[N_TENSORS];
    vector vectors[N_VECTORS];
    double frequency[PAIRS];
} network;

static tensor *weight_of(network *n, int role, int layer) { return &n->tensors[role + layer * (DOWN - Q + 1)]; }
static vector *vector_of(network *n, int role, int layer) {
    return &n->vectors[role + layer * (FEED_BIAS - MIX_NORM + 1)];
}

static float draw(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

static void fill_tensor(tensor *t, uint32_t n_out, uint32_t n_in, uint32_t *state) {
    t->n_out = n_out;
    t->n_in = n_in;
    t->type = *state & 0x100000u ? SKALD_F16 : SKALD_F32;
    for (uint32_t i = 0; i < n_out * n_in; i++) {
        t->half[i] = sk_to_f16(t->x[i] = draw(state));
        if (t->type == SKALD_F16) t->x[i] = sk_from_f16(t->half[i]);
    }
}

static void fill_network(network *n) {
    static const uint32_t shape[DOWN + 1][2] = {{VOCAB, WIDTH},
                                                {TOKENS, WIDTH},
                                                {VOCAB, WIDTH},
                                                {HEADS * DIM_K, WIDTH},
                                                {KV_HEADS * DIM_K, WIDTH},
                                                {KV_HEADS * DIM_V, WIDTH},
                                                {WIDTH, HEADS * DIM_V},
                                                {FF, WIDTH},
                                                {FF, WIDTH},
                                                {WIDTH, FF}};
    static const uint32_t length[FEED_BIAS + 1] = {
        WIDTH, WIDTH, HEADS * DIM_K, KV_HEADS * DIM_K, KV_HEADS * DIM_V, DIM_K, DIM_K, HEADS, WIDTH, WIDTH};
    uint32_t state = 7;
    for (int layer = 0; layer < LAYERS; layer++) {
        for (int i = layer ? Q : TABLE; i <= DOWN; i++)
            fill_tensor(weight_of(n, i, layer), shape[i][0], shape[i][1], &state);
        for (int i = layer ? MIX_NORM : LAST_NORM; i <= FEED_BIAS; i++) {
            vector *v = vector_of(n, i, layer);
            v->n = length[i];
            for (uint32_t k = 0; k < v->n; k++) v->x[k] = draw(&state);
        }
    }
    for (int i = 0; i < PAIRS; i++) n->frequency[i] = 0.7 / (1 + 3 * i);
}

static int32_t token_at(uint32_t seq, uint32_t position) {
    return (int32_t)((position * 7 + position / 3 + seq * 5) % VOCAB);
}

/* ---- the direct computation: one text from its beginning, in double */

typedef struct oracle {
    double k[LAYERS][TOKENS][KV_HEADS][DIM_K], v[LAYERS][TOKENS][KV_HEADS][DIM_V];
    double logits[TOKENS][VOCAB];
} oracle;

static void norm(double *to, const double *x, const float *weight, const float *bias, int n) {
    double mean = 0, square = 0;
    for (int i = 0; bias && i < n; i++) mean += x[i] / n;
    for (int i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean) / n;
    for (int i = 0; i < n; i++)
        to[i] = (x[i] - mean) / sqrt(square + (double)eps) * (double)weight[i] + (bias ? (double)bias[i] : 0);
}

static void product(double *to, const tensor *t, const double *x, const float *bias) {
    for (uint32_t o = 0; o < t->n_out; o++) {
        to[o] = bias ? (double)bias[o] : 0;
        for (uint32_t k = 0; k < t->n_in; k++) to[o] += (double)t->x[o * t->n_in + k] * x[k];
    }
}

static void turn(network *n, double *head, const float *weight, int layer, uint32_t position) {
    norm(head, head, weight, NULL, DIM_K);
    for (int i = 0; i < PAIRS; i++) {
        int a = layer == 0 ? 2 * i : i, b = layer == 0 ? 2 * i + 1 : i + PAIRS;
        double c = cos(position * n->frequency[i]), s = sin(position * n->frequency[i]), x = head[a], y = head[b];
        head[a] = (double)magnitude * (x * c - y * s);
        head[b] = (double)magnitude * (x * s + y * c);
    }
}

static double rounded(double x, skald_dtype type) {
    return type == SKALD_F16 ? (double)sk_from_f16(sk_to_f16((float)x)) : x;
}

static void mix(network *n, oracle *o, double *out, double *q, int layer, uint32_t p) {
    uint32_t first = layer == 1 && p + 1 > window ? p + 1 - window : 0;
    for (int h = 0; h < HEADS; h++) {
        int kv = h / (HEADS / KV_HEADS);
        double total = layer == 0 ? exp((double)vector_of(n, SINKS, 0)->x[h]) : 0, sum[DIM_V] = {0};
        for (uint32_t at = first; at <= p; at++) {
            double s = 0;
            for (int i = 0; i < DIM_K; i++) s += 0.4 * q[h * DIM_K + i] * o->k[layer][at][kv][i];
            if (layer == 1) s = (double)soft_cap * tanh(s / (double)soft_cap);
            total += exp(s);
            for (int i = 0; i < DIM_V; i++) sum[i] += exp(s) * o->v[layer][at][kv][i];
        }
        for (int i = 0; i < DIM_V; i++) out[h * DIM_V + i] = sum[i] / total;
    }
}

static double gelu_tanh(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}
static double least(double a, double b) { return a < b ? a : b; }

/* Three one after the other; the first also takes `up`. */
static double activated(int layer, double x, double up) {
    if (layer == 0) {
        x = x / (1 + exp(-x)) * up;
        x = 0.5 * x * (1 + erf(x / sqrt(2)));
        return 1 / (1 + exp(-x));
    }
    x = gelu_tanh(x) * up;
    x = x > 0 ? x : 0;
    return least(x, 7) / (1 + exp(-1.702 * least(x, 7)));
}

static void layer_of(network *n, oracle *o, double *x, int l, uint32_t p, skald_dtype k_type, skald_dtype v_type) {
    double h[WIDTH], q[HEADS * DIM_K], k[KV_HEADS * DIM_K], v[KV_HEADS * DIM_V], mixed[HEADS * DIM_V], y[WIDTH], g[FF],
        u[FF];
    norm(h, x, vector_of(n, MIX_NORM, l)->x, NULL, WIDTH);
    product(q, weight_of(n, Q, l), h, vector_of(n, Q_BIAS, l)->x);
    product(k, weight_of(n, K, l), h, vector_of(n, K_BIAS, l)->x);
    product(v, weight_of(n, V, l), h, vector_of(n, V_BIAS, l)->x);
    for (int i = 0; i < HEADS; i++) turn(n, q + i * DIM_K, vector_of(n, Q_NORM, l)->x, l, p);
    for (int i = 0; i < KV_HEADS; i++) {
        turn(n, k + i * DIM_K, vector_of(n, K_NORM, l)->x, l, p);
        for (int e = 0; e < DIM_K; e++) o->k[l][p][i][e] = rounded(k[i * DIM_K + e], k_type);
        for (int e = 0; e < DIM_V; e++) o->v[l][p][i][e] = rounded(v[i * DIM_V + e], v_type);
    }
    mix(n, o, mixed, q, l, p);
    product(y, weight_of(n, OUT, l), mixed, NULL);
    if (l == 1) norm(y, y, vector_of(n, MIX_NORM, l)->x, NULL, WIDTH);
    for (int i = 0; i < WIDTH; i++) x[i] += y[i];
    norm(h, x, vector_of(n, FEED_NORM, l)->x, vector_of(n, FEED_BIAS, l)->x, WIDTH);
    product(g, weight_of(n, GATE, l), h, NULL);
    product(u, weight_of(n, UP, l), h, NULL);
    for (int i = 0; i < FF; i++) g[i] = activated(l, g[i], u[i]);
    product(y, weight_of(n, DOWN, l), g, NULL);
    for (int i = 0; i < WIDTH; i++) x[i] += y[i];
}

static void compute(network *n, oracle *o, uint32_t seq, skald_dtype k_type, skald_dtype v_type) {
    for (uint32_t p = 0; p < TOKENS; p++) {
        double x[WIDTH], h[WIDTH];
        for (int i = 0; i < WIDTH; i++)
            x[i] = (double)scale * (double)n->tensors[TABLE].x[token_at(seq, p) * WIDTH + i] +
                   (double)n->tensors[POSITIONS].x[p * WIDTH + (uint32_t)i];
        for (int l = 0; l < LAYERS; l++) layer_of(n, o, x, l, p, k_type, v_type);
        norm(h, x, n->vectors[LAST_NORM].x, NULL, WIDTH);
        product(o->logits[p], &n->tensors[HEAD], h, NULL);
        for (int i = 0; i < VOCAB; i++)
            o->logits[p][i] = (double)logits_cap * tanh(o->logits[p][i] / (double)logits_cap);
    }
}
#endif

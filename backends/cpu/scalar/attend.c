/* Attention over one block of keys in plain C, and the fold of blocks: the definition (docs/numerics.md). */
#include "backends/cpu/kernels.h"
#include "base/exact.h"

typedef void load_fn(float *to, const void *from, size_t at, uint32_t n);

static void load_f32(float *to, const void *from, size_t at, uint32_t n) {
    const float *x = (const float *)from + at;
    for (uint32_t i = 0; i < n; i++) to[i] = x[i];
}

static void load_f16(float *to, const void *from, size_t at, uint32_t n) {
    const uint16_t *x = (const uint16_t *)from + at;
    for (uint32_t i = 0; i < n; i++) to[i] = sk_from_f16(x[i]);
}

/* score[0 ... n - 1] of the keys from `begin` on. */
static void score_row(float *score, const sk_attend_block *a, uint32_t r, load_fn *load) {
    uint32_t begin = a->begin[r], n = a->end[r] - begin;
    float k[SK_PAGE];
    for (uint32_t i = 0; i < n; i++) score[i] = 0;
    for (uint32_t d = 0; d < a->dim_k; d++) {
        load(k, a->k, (size_t)d * SK_PAGE + begin, n);
        for (uint32_t i = 0; i < n; i++) score[i] = sk_fma(a->q[r][d], k[i], score[i]);
    }
}

/* Scores become 2^(score - max); the sum runs in 16 lanes by the key's place in the block. */
static void weigh(float *score, const sk_attend_block *a, uint32_t r) {
    uint32_t begin = a->begin[r], n = a->end[r] - begin;
    float max = sk_float(0xff800000u), lane[16] = {0};
    for (uint32_t i = 0; i < n; i++)
        if (score[i] > max) max = score[i];
    a->max[r] = max + 0.0f; /* one zero, not two */
    for (uint32_t i = 0; i < n; i++) {
        score[i] = sk_exp2(score[i] - a->max[r]);
        lane[(begin + i) % 16] += score[i];
    }
    for (uint32_t half = 8; half > 0; half /= 2)
        for (uint32_t i = 0; i < half; i++) lane[i] += lane[i + half];
    a->sum[r] = lane[0];
}

static void mix_row(float *out, const float *p, const sk_attend_block *a, uint32_t r, load_fn *load) {
    uint32_t begin = a->begin[r], n = a->end[r] - begin;
    float v[SK_PAGE];
    for (uint32_t j = 0; j < a->dim_v; j++) out[j] = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < a->dim_v; j += SK_PAGE) {
            uint32_t part = a->dim_v - j < SK_PAGE ? a->dim_v - j : SK_PAGE;
            load(v, a->v, (size_t)(begin + i) * a->dim_v + j, part);
            for (uint32_t c = 0; c < part; c++) out[j + c] = sk_fma(p[i], v[c], out[j + c]);
        }
    }
}

static void attend(const sk_attend_block *a, load_fn *load) {
    float score[SK_PAGE];
    for (uint32_t r = 0; r < a->n_rows; r++) {
        score_row(score, a, r, load);
        weigh(score, a, r);
        mix_row(a->out + (size_t)r * a->dim_v, score, a, r, load);
    }
}

void sk_attend_f32_scalar(const sk_attend_block *block) { attend(block, load_f32); }
void sk_attend_f16_scalar(const sk_attend_block *block) { attend(block, load_f16); }

void sk_fold_scalar(float *max, float *sum, float *out, float max2, float sum2, const float *out2, uint32_t dim_v) {
    float both = max2 > *max ? max2 : *max, a = sk_exp2(*max - both), b = sk_exp2(max2 - both);
    *max = both;
    *sum = sk_fma(*sum, a, sum2 * b);
    for (uint32_t j = 0; j < dim_v; j++) out[j] = sk_fma(out[j], a, out2[j] * b);
}

void sk_divide_scalar(float *y, const float *out, float sum, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) y[i] = out[i] / sum;
}

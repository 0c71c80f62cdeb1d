/* Attention over one block of keys in plain C, and the fold of blocks: the definition (docs/numerics.md). */
#include "backends/cpu/kept.h"
#include "base/exact.h"

static void load(float *to, const void *from, skald_dtype type, size_t at, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) switch (type) {
        case SKALD_F32: to[i] = ((const float *)from)[at + i]; break;
        case SKALD_F16: to[i] = sk_from_f16(((const uint16_t *)from)[at + i]); break;
        case SKALD_BF16: to[i] = sk_from_bf16(((const uint16_t *)from)[at + i]); break;
        default: to[i] = sk_from_f8_e4m3(((const uint8_t *)from)[at + i]); break;
        }
}

/* score[0 ... n - 1] of the keys from `begin` on. */
static void score_floats(float *score, const sk_attend_block *a, uint32_t r) {
    uint32_t begin = a->begin[r], n = a->end[r] - begin;
    float k[SK_PAGE];
    for (uint32_t i = 0; i < n; i++) score[i] = 0;
    for (uint32_t d = 0; d < a->dim_k; d++) {
        load(k, a->k, a->k_type, (size_t)d * SK_PAGE + begin, n);
        for (uint32_t i = 0; i < n; i++) score[i] = sk_fma(a->q[r][d], k[i], score[i]);
    }
}

/* The integer in a byte of Q4_0: its low half for elements 0 to 15 of a block, its high half for the others. */
static int32_t half_of(uint8_t byte, uint32_t element) { return (element % 32 < 16 ? byte & 15 : byte >> 4) - 8; }

static int32_t key_integer(const sk_attend_block *a, uint32_t element, uint32_t key) {
    const uint8_t byte = ((const uint8_t *)a->k)[sk_kept_key(a->k_type, element, key)];
    return a->k_type == SKALD_Q4_0 ? half_of(byte, element) : byte - 128;
}

static int32_t value_integer(const sk_attend_block *a, uint32_t element, uint32_t key) {
    if (!a->v) return key_integer(a, element, key);
    const uint8_t byte = ((const uint8_t *)a->v)[sk_kept_value(a->v_type, element, key, a->dim_v)];
    return a->v_type == SKALD_Q4_0 ? half_of(byte, element) : (int8_t)byte;
}

static float scale_of(const void *kept, skald_dtype type, uint32_t dim, uint32_t block, uint32_t key) {
    const char *scales = (const char *)kept + sk_kept_scales(type, dim);
    return sk_from_f16(((const uint16_t *)(const void *)scales)[block * SK_PAGE + key]);
}

static float value_scale(const sk_attend_block *a, uint32_t block, uint32_t key) {
    return a->v ? scale_of(a->v, a->v_type, a->dim_v, block, key) : scale_of(a->k, a->k_type, a->dim_k, block, key);
}

static void score_blocks(float *score, const sk_attend_block *a, uint32_t r) {
    uint32_t begin = a->begin[r], n = a->end[r] - begin;
    for (uint32_t i = 0; i < n; i++) {
        score[i] = 0;
        for (uint32_t b = 0; b < a->dim_k / SK_BLOCK; b++) {
            const sk_q8 *q = &a->quantized[r][b];
            const float d = scale_of(a->k, a->k_type, a->dim_k, b, begin + i);
            int32_t sum = 0;
            for (uint32_t j = 0; j < SK_BLOCK; j++) sum += q->q[j] * key_integer(a, b * SK_BLOCK + j, begin + i);
            score[i] = sk_fma((float)sum, q->d * d, score[i]);
        }
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

/* Elements [first, first + n) of a value; those of a key lie SK_PAGE apart. */
static void load_value(float *to, const sk_attend_block *a, uint32_t key, uint32_t first, uint32_t n) {
    if (a->v) load(to, a->v, a->v_type, (size_t)key * a->dim_v + first, n);
    for (uint32_t i = 0; !a->v && i < n; i++) load(to + i, a->k, a->k_type, (size_t)(first + i) * SK_PAGE + key, 1);
}

static void mix_floats(float *out, const float *p, const sk_attend_block *a, uint32_t r) {
    uint32_t begin = a->begin[r], n = a->end[r] - begin;
    float v[SK_PAGE];
    for (uint32_t j = 0; j < a->dim_v; j++) out[j] = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < a->dim_v; j += SK_PAGE) {
            uint32_t part = a->dim_v - j < SK_PAGE ? a->dim_v - j : SK_PAGE;
            load_value(v, a, begin + i, j, part);
            for (uint32_t c = 0; c < part; c++) out[j + c] = sk_fma(p[i], v[c], out[j + c]);
        }
    }
}

/* Shares of the keys in a block of 32 dims: p times the key's scale, as integers of at most 32767. Returns what one of
 * them is worth. */
static float share(int32_t *to, const float *p, const sk_attend_block *a, uint32_t r, uint32_t block) {
    uint32_t begin = a->begin[r], n = a->end[r] - begin;
    float w[SK_PAGE], most = 0;
    for (uint32_t i = 0; i < n; i++) {
        w[i] = p[i] * value_scale(a, block, begin + i);
        const float size = w[i] < 0 ? -w[i] : w[i];
        if (!(size < sk_float(0x7f800000u))) return sk_float(0x7fc00000u);
        if (size > most) most = size;
    }
    if (most < 0x1p-100f) return 0;
    const float inverse = 32767.0f / most;
    for (uint32_t i = 0; i < n; i++) to[i] = (int32_t)sk_nearest(w[i] * inverse);
    return most / 32767.0f;
}

static void mix_blocks(float *out, const float *p, const sk_attend_block *a, uint32_t r) {
    uint32_t begin = a->begin[r], n = a->end[r] - begin;
    for (uint32_t b = 0; b < a->dim_v / SK_BLOCK; b++) {
        int32_t shares[SK_PAGE] = {0};
        const float worth = share(shares, p, a, r, b);
        for (uint32_t j = b * SK_BLOCK; j < (b + 1) * SK_BLOCK; j++) {
            int32_t sum = 0;
            for (uint32_t i = 0; i < n; i++) sum += shares[i] * value_integer(a, j, begin + i);
            out[j] = (float)sum * worth;
        }
    }
}

void sk_attend_scalar(const sk_attend_block *a) {
    float score[SK_PAGE];
    for (uint32_t r = 0; r < a->n_rows; r++) {
        (sk_kept_in_blocks(a->k_type) ? score_blocks : score_floats)(score, a, r);
        for (uint32_t i = 0; a->cap > 0.0f && i < a->end[r] - a->begin[r]; i++) score[i] = a->cap * sk_tanh(score[i]);
        weigh(score, a, r);
        (sk_kept_in_blocks(a->v_type) ? mix_blocks : mix_floats)(a->out + (size_t)r * a->dim_v, score, a, r);
    }
}

void sk_fold_scalar(float *max, float *sum, float *out, float max2, float sum2, const float *out2, uint32_t dim_v) {
    float both = max2 > *max ? max2 : *max, a = sk_exp2(*max - both), b = sk_exp2(max2 - both);
    *max = both;
    *sum = sk_fma(*sum, a, sum2 * b);
    for (uint32_t j = 0; j < dim_v; j++) out[j] = sk_fma(out[j], a, out2[j] * b);
}

void sk_divide_scalar(float *y, const float *out, float sum, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) y[i] = out[i] / sum;
}

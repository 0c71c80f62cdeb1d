/* Attention over one block of keys and values that are stored as Q8_0 or Q4_0, in integers; part of attend_body.h.
 *
 *     score = sum over blocks of 32 of (q k) d_q d_k      q quantized by the caller, as a row that meets weights
 *     share = p d_v as 16 bits of the row's largest       so that scales of keys do not stand in the sum
 *     out   = (share v) times the largest / 32767         one sum for all keys of the block
 */
#ifndef SK_CPU_ATTEND_BLOCKS_BODY_H
#define SK_CPU_ATTEND_BLOCKS_BODY_H
#include "backends/cpu/ivec.h"
#include "backends/cpu/kept.h"

#define BLOCK_VECS ((VEC_TILE_VECS + 1) / 2)

/* Bytes as Q8_0 has them, and scales. */
typedef struct blocks {
    const uint8_t *bytes;
    const uint16_t *scales;
} blocks;

/* ---- Q4_0 to the bytes of Q8_0 */

static void open_keys(uint8_t *to, const uint8_t *from, const char *next, uint32_t dim) {
    const size_t n = 4 * SK_PAGE; /* bytes of four elements */
    for (uint32_t group = 0; group < dim / 8; group++, from += n) {
        uint8_t *low = to + (group / 4 * 8 + group % 4) * n, *high = low + 4 * n;
        fetch(next + group * n, 4 * SK_PAGE);
        for (size_t i = 0; i < n; i++)
            low[i] = (uint8_t)((from[i] & 15) + 120), high[i] = (uint8_t)((from[i] >> 4) + 120);
    }
}

static void open_values(uint8_t *to, const uint8_t *from, const char *next, uint32_t dim) {
    for (uint32_t block = 0; block < SK_PAGE / 2 * dim / 32; block++, from += 32, to += 64) {
        if (block % 2 == 0) fetch(next + block * 32, 64);
        for (uint32_t i = 0; i < 32; i++)
            to[i] = (uint8_t)((from[i] & 15) - 8), to[32 + i] = (uint8_t)((from[i] >> 4) - 8);
    }
}

/* Keys as Q8_0 has them become values: of each element two keys beside each other, signed. Sixteen keys at a time, so that
 * a line that is read is used up. */
static void turn_keys(uint8_t *to, const uint8_t *from, uint32_t dim) {
    for (size_t key = 0; key < SK_PAGE; key += 16)
        for (size_t group = 0; group < dim / 4; group++)
            for (size_t pair = 0; pair < 8; pair++) {
                const uint8_t *two = from + (group * SK_PAGE + key + 2 * pair) * 4;
                uint8_t *place = to + ((key / 2 + pair) * dim + 4 * group) * 2;
                for (uint32_t i = 0; i < 4; i++) place[2 * i] = two[i] ^ 128, place[2 * i + 1] = two[4 + i] ^ 128;
            }
}

/* Values that are elements of keys; those of Q4_0 were opened when the scores were made. */
static blocks turn_blocks(const sk_attend_block *a) {
    const uint8_t *keys = a->k_type == SKALD_Q4_0 ? (const uint8_t *)a->wide : a->k;
    uint8_t *bytes = (uint8_t *)a->wide + (size_t)SK_PAGE * a->dim_k;
    turn_keys(bytes, keys, a->dim_v);
    return (blocks){bytes, (const uint16_t *)(const void *)((const char *)a->k + sk_kept_scales(a->k_type, a->dim_k))};
}

SK_INLINE blocks open_blocks(const sk_attend_block *a, bool keys) {
    const skald_dtype type = keys ? a->k_type : a->v_type;
    const uint32_t dim = keys ? a->dim_k : a->dim_v;
    const uint8_t *from = keys ? a->k : a->v;
    blocks b = {from, (const uint16_t *)(const void *)(from + sk_kept_scales(type, dim))};
    if (type != SKALD_Q4_0) return b;
    uint8_t *bytes = (uint8_t *)a->wide;
    if (keys) open_keys(bytes, from, a->next, dim);
    else open_values(bytes, from, a->next + ((const char *)a->v - (const char *)a->k), dim);
    b.bytes = bytes;
    return b;
}

/* ---- scores */

SK_INLINE void score_blocks_tile(const sk_attend_block *a, uint32_t row, uint32_t key, blocks k, const char *next,
                                 const uint32_t rows, const uint32_t vecs, bool ahead) {
    vec total[VEC_TILE_ROWS][2 * BLOCK_VECS];
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++) total[r][v] = vec_set(0.0f);
    for (uint32_t b = 0; b < a->dim_k / 32; b++) {
        ivec sum[VEC_TILE_ROWS][2 * BLOCK_VECS], x[2 * BLOCK_VECS];
        for (uint32_t r = 0; r < rows; r++) {
            const sk_q8 *q = a->quantized[row + r] + b;
            for (uint32_t v = 0; v < vecs; v++) sum[r][v] = ivec_set(-IVEC_BIAS * (q->sum[0] + q->sum[1]));
        }
        for (uint32_t g = 0; g < 8; g++) {
            const size_t at = (size_t)(b * 8 + g) * SK_PAGE + key;
            if (ahead) fetch(next + (b * 8 + g) * 64 * vecs, 64 * vecs);
            for (uint32_t v = 0; v < vecs; v++) x[v] = ivec_load_biased(k.bytes + (at + 16 * v) * 4);
            for (uint32_t r = 0; r < rows; r++) {
                ivec four = ivec_repeat(a->quantized[row + r][b].q + 4 * g);
                for (uint32_t v = 0; v < vecs; v++) sum[r][v] = ivec_dot4(sum[r][v], x[v], four);
            }
        }
        for (uint32_t v = 0; v < vecs; v++) {
            vec d = vec_load_f16(k.scales + b * SK_PAGE + key + 16 * v);
            for (uint32_t r = 0; r < rows; r++)
                total[r][v] =
                    vec_fma(vec_from_ivec(sum[r][v]), vec_mul(vec_set(a->quantized[row + r][b].d), d), total[r][v]);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++) vec_store(a->score + (row + r) * SK_PAGE + key + 16 * v, total[r][v]);
}

SK_INLINE void score_blocks_rows(const sk_attend_block *a, uint32_t row, part keys, blocks k, const uint32_t rows) {
    const uint32_t vecs = rows <= VEC_TILE_ROWS / 2 ? 2 * BLOCK_VECS : BLOCK_VECS;
    const bool ahead = row == 0 && a->k_type == SKALD_Q8_0;
    for (uint32_t key = keys.begin - keys.begin % (16 * vecs); key < keys.end; key += 16 * vecs)
        score_blocks_tile(a, row, key, k, a->next + key * a->dim_k, rows, vecs, ahead);
}

static void score_blocks(const sk_attend_block *a, part keys) {
    const blocks k = open_blocks(a, true);
    for (uint32_t row = 0, rows; row < a->n_rows; row += rows) {
        rows = next_rows(a, row);
#define SCORE(n) score_blocks_rows(a, row, keys, k, n)
        WITH_ROWS(rows, SCORE)
#undef SCORE
    }
}

/* ---- values */

/* Lanes of the vec at `key` that a row sees which begins and ends there. */
SK_INLINE vec_mask seen_lanes(uint32_t begin, uint32_t end, uint32_t key) {
    const uint32_t from = key >= begin ? 0 : begin - key, to = key >= end ? 0 : end - key;
    return vec_range(from < 16 ? from : 16, to < 16 ? to : 16);
}

/* The row's weights times the scales d of a block of values, as integers of 32767 at most; returns what one of them is
 * worth. Keys that the row does not see get none. `whole` is a constant: every key is seen. */
SK_INLINE float share_seen(const sk_attend_block *a, uint32_t row, part keys, const float *d, const bool whole) {
    const uint32_t begin = whole ? 0 : a->begin[row], end = whole ? SK_PAGE : a->end[row];
    const uint32_t first = whole ? 0 : keys.begin - keys.begin % 16, last = whole ? SK_PAGE : keys.end;
    const float *p = a->score + (size_t)row * SK_PAGE;
    int16_t *to = a->share + (size_t)row * SK_PAGE;
    vec best = vec_set(0.0f), all = vec_set(0.0f);
    for (uint32_t key = whole ? 0 : begin - begin % 16; key < end; key += 16) {
        vec w = vec_mul(vec_load(p + key), vec_load(d + key));
        if (!whole) w = vec_select(seen_lanes(begin, end, key), w, vec_set(0.0f));
        vec size = vec_max(w, vec_mul(w, vec_set(-1.0f)));
        best = vec_max(size, best);
        all = vec_add(all, size);
    }
    const float most = vec_max_lane(best), inverse = most >= 0x1p-100f ? 32767.0f / most : 0.0f;
    for (uint32_t key = first; key < last; key += 16) {
        vec w = vec_mul(vec_mul(vec_load(p + key), vec_load(d + key)), vec_set(inverse));
        if (!whole) w = vec_select(seen_lanes(begin, end, key), w, vec_set(0.0f));
        vec_store_i16(to + key, w);
    }
    if (!(vec_sum(all) < sk_float(0x7f800000u))) return sk_float(0x7fc00000u);
    return most >= 0x1p-100f ? most / 32767.0f : 0.0f;
}

static float share(const sk_attend_block *a, uint32_t row, part keys, const float *d) {
    if (a->begin[row] == 0 && a->end[row] == SK_PAGE) return share_seen(a, row, keys, d, true);
    return share_seen(a, row, keys, d, false);
}

/* out[rows][at ... at + 31] */
SK_INLINE void mix_blocks_tile(const sk_attend_block *a, uint32_t row, part keys, uint32_t at, blocks v,
                               const char *next, const float *worth, const uint32_t rows, bool ahead) {
    ivec sum[VEC_TILE_ROWS][2], x[2];
    const int16_t *shares = a->share + (size_t)row * SK_PAGE;
    for (uint32_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = ivec_set(0);
    for (size_t pair = keys.begin / 2; pair < (keys.end + 1) / 2; pair++) {
        const uint8_t *bytes = v.bytes + (pair * a->dim_v + at) * 2;
        if (ahead) fetch(next + pair * 64, 64);
        for (uint32_t i = 0; i < 2; i++) x[i] = ivec_load_pairs(bytes + 32 * i);
        for (uint32_t r = 0; r < rows; r++) {
            ivec two = ivec_repeat(shares + (size_t)r * SK_PAGE + 2 * pair);
            for (uint32_t i = 0; i < 2; i++) sum[r][i] = ivec_dot2(sum[r][i], x[i], two);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < 2; i++)
            vec_store(a->out + (size_t)(row + r) * a->dim_v + at + 16 * i,
                      vec_mul(vec_from_ivec(sum[r][i]), vec_set(worth[row + r])));
}

static void mix_blocks(const sk_attend_block *a, part keys) {
    const blocks v = a->v ? open_blocks(a, false) : turn_blocks(a);
    const char *next = a->next + ((const char *)a->v - (const char *)a->k);
    for (uint32_t at = 0; at < a->dim_v; at += 32, next += SK_PAGE * 32) {
        float d[SK_PAGE], worth[SK_ATTEND_ROWS];
        for (uint32_t key = 0; key < SK_PAGE; key += 16)
            vec_store(d + key, vec_load_f16(v.scales + at / 32 * SK_PAGE + key));
        for (uint32_t r = 0; r < a->n_rows; r++) worth[r] = share(a, r, keys, d);
        for (uint32_t row = 0, rows; row < a->n_rows; row += rows) {
            const bool ahead = row == 0 && a->v && a->v_type == SKALD_Q8_0;
            rows = next_rows(a, row);
#define MIX(n) mix_blocks_tile(a, row, keys, at, v, next, worth, n, ahead)
            WITH_ROWS(rows, MIX)
#undef MIX
        }
    }
}
#endif

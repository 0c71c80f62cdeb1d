/* Attention over one block of keys on the lanes of vec.h, compiled by each leaf that has a vec.
 *
 *     score[rows][keys] = q k        tiles of rows by keys in registers, k ascending
 *     p = 2^(score - max)            row by row
 *     out[rows][dims] = p v          tiles of rows by dims in registers, keys ascending
 */
#ifndef SK_CPU_ATTEND_BODY_H
#define SK_CPU_ATTEND_BODY_H
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "base/exact.h"

typedef float score_row[SK_PAGE];

SK_INLINE vec load_kept(const void *from, size_t at, bool half) {
    return half ? vec_load_f16((const uint16_t *)from + at) : vec_load((const float *)from + at);
}

SK_INLINE vec load_kept_first(const void *from, size_t at, uint32_t n, bool half) {
    return half ? vec_load_f16_first((const uint16_t *)from + at, n) : vec_load_first((const float *)from + at, n);
}

/* `rows`, `vecs` and `half` are constants where this is called. */
SK_INLINE void score_tile(score_row *score, const sk_attend_block *a, uint32_t row, uint32_t key, const uint32_t rows,
                          const uint32_t vecs, bool half) {
    vec sum[VEC_TILE_ROWS][2 * VEC_TILE_VECS], k[2 * VEC_TILE_VECS];
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++) sum[r][v] = vec_set(0.0f);
    for (uint32_t d = 0; d < a->dim_k; d++) {
        for (uint32_t v = 0; v < vecs; v++) k[v] = load_kept(a->k, (size_t)d * SK_PAGE + key + 16 * v, half);
        for (uint32_t r = 0; r < rows; r++) {
            vec q = vec_set(a->q[row + r][d]);
            for (uint32_t v = 0; v < vecs; v++) sum[r][v] = vec_fma(q, k[v], sum[r][v]);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++) vec_store(score[row + r] + key + 16 * v, sum[r][v]);
}

/* The keys that any of the rows sees, in whole tiles: what lies around them is computed and never looked at. */
SK_INLINE void score_rows(score_row *score, const sk_attend_block *a, uint32_t row, const uint32_t rows,
                          const uint32_t vecs, bool half) {
    uint32_t first = SK_PAGE, end = 0;
    for (uint32_t r = row; r < row + rows; r++) {
        first = a->begin[r] < first ? a->begin[r] : first;
        end = a->end[r] > end ? a->end[r] : end;
    }
    for (uint32_t key = first - first % (16 * vecs); key < end; key += 16 * vecs)
        score_tile(score, a, row, key, rows, vecs, half);
}

/* Scores become weights; those of invisible keys in a touched vec become zero. */
static void weigh(float *score, const sk_attend_block *a, uint32_t row) {
    const uint32_t begin = a->begin[row], end = a->end[row];
    const vec least = vec_set(sk_float(0xff800000u));
    vec best = least, sum = vec_set(0.0f);
    for (uint32_t key = begin - begin % 16; key < end; key += 16) {
        vec_mask seen = vec_range(key < begin ? begin - key : 0, end - key < 16 ? end - key : 16);
        best = vec_max(vec_select(seen, vec_load(score + key), least), best);
    }
    float max = vec_max_lane(best) + 0.0f; /* one zero, not two */
    for (uint32_t key = begin - begin % 16; key < end; key += 16) {
        vec_mask seen = vec_range(key < begin ? begin - key : 0, end - key < 16 ? end - key : 16);
        vec p = vec_exp2(vec_sub(vec_load(score + key), vec_set(max)));
        p = vec_select(seen, p, vec_set(0.0f));
        vec_store(score + key, p);
        sum = vec_add(sum, p);
    }
    a->max[row] = max;
    a->sum[row] = vec_sum(sum);
}

typedef struct mix_range {
    uint32_t row, key, end; /* rows from `row` on, keys key ... end - 1 */
} mix_range;

/* out[rows][at ... at + 16 * vecs - 1] goes on with the keys of the range. */
SK_INLINE void mix_tile(const sk_attend_block *a, score_row *p, mix_range m, uint32_t at, const uint32_t rows,
                        const uint32_t vecs, bool half) {
    vec sum[VEC_TILE_ROWS][VEC_TILE_VECS], v[VEC_TILE_VECS];
    float *out = a->out + (size_t)m.row * a->dim_v + at;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < vecs; i++) sum[r][i] = vec_load(out + (size_t)r * a->dim_v + 16 * i);
    for (uint32_t key = m.key; key < m.end; key++) {
        for (uint32_t i = 0; i < vecs; i++) v[i] = load_kept(a->v, (size_t)key * a->dim_v + at + 16 * i, half);
        for (uint32_t r = 0; r < rows; r++) {
            vec weight = vec_set(p[m.row + r][key]);
            for (uint32_t i = 0; i < vecs; i++) sum[r][i] = vec_fma(weight, v[i], sum[r][i]);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < vecs; i++) vec_store(out + (size_t)r * a->dim_v + 16 * i, sum[r][i]);
}

/* The last dims of a head that is no multiple of 16. */
static void mix_rest(const sk_attend_block *a, score_row *p, mix_range m, uint32_t at, uint32_t rows, bool half) {
    const uint32_t n = a->dim_v - at;
    for (uint32_t r = m.row; r < m.row + rows; r++) {
        float *out = a->out + (size_t)r * a->dim_v + at;
        vec sum = vec_load_first(out, n);
        for (uint32_t key = m.key; key < m.end; key++)
            sum = vec_fma(vec_set(p[r][key]), load_kept_first(a->v, (size_t)key * a->dim_v + at, n, half), sum);
        vec_store_first(out, sum, n);
    }
}

SK_INLINE void mix_range_rows(const sk_attend_block *a, score_row *p, mix_range m, const uint32_t rows, bool half) {
    uint32_t at = 0;
    if (m.key >= m.end) return;
    for (; a->dim_v - at >= 16 * VEC_TILE_VECS; at += 16 * VEC_TILE_VECS)
        mix_tile(a, p, m, at, rows, VEC_TILE_VECS, half);
    for (; a->dim_v - at >= 16; at += 16) mix_tile(a, p, m, at, rows, 1, half);
    if (at < a->dim_v) mix_rest(a, p, m, at, rows, half);
}

/* A row meets only keys that it sees (a key beside them may hold NaN): what all rows see goes together, between the
 * keys before and behind that only some of them see. */
SK_INLINE void mix_rows(const sk_attend_block *a, score_row *p, uint32_t row, const uint32_t rows, bool half) {
    uint32_t first = 0, end = SK_PAGE;
    for (uint32_t r = row; r < row + rows; r++) {
        first = a->begin[r] > first ? a->begin[r] : first;
        end = a->end[r] < end ? a->end[r] : end;
    }
    if (end < first) end = first;
    for (uint32_t r = row; r < row + rows; r++) {
        uint32_t before = a->end[r] < first ? a->end[r] : first;
        mix_range_rows(a, p, (mix_range){r, a->begin[r], before}, 1, half);
    }
    mix_range_rows(a, p, (mix_range){row, first, end}, rows, half);
    for (uint32_t r = row; r < row + rows; r++) {
        uint32_t behind = a->begin[r] > end ? a->begin[r] : end;
        mix_range_rows(a, p, (mix_range){r, behind, a->end[r]}, 1, half);
    }
}

/* Few rows take twice the keys at once, so that enough sums are under way. */
SK_INLINE void attend_rows(score_row *score, const sk_attend_block *a, uint32_t row, const uint32_t rows, bool half) {
    score_rows(score, a, row, rows, rows <= VEC_TILE_ROWS / 2 ? 2 * VEC_TILE_VECS : VEC_TILE_VECS, half);
    for (uint32_t r = row; r < row + rows; r++) weigh(score[r], a, r);
    mix_rows(a, score, row, rows, half);
}

SK_INLINE void attend(const sk_attend_block *a, bool half) {
    score_row score[SK_ATTEND_ROWS];
    memset(a->out, 0, (size_t)a->n_rows * a->dim_v * sizeof *a->out);
    for (uint32_t row = 0; row < a->n_rows;) {
        uint32_t rows = a->n_rows - row < VEC_TILE_ROWS ? a->n_rows - row : VEC_TILE_ROWS;
        switch (rows) {
        case 1: attend_rows(score, a, row, 1, half); break;
        case 2: attend_rows(score, a, row, 2, half); break;
        case 3: attend_rows(score, a, row, 3, half); break;
#if VEC_TILE_ROWS > 3
        case 4: attend_rows(score, a, row, 4, half); break;
        case 5: attend_rows(score, a, row, 5, half); break;
#endif
#if VEC_TILE_ROWS > 5
        case 6: attend_rows(score, a, row, 6, half); break;
#endif
        }
        row += rows;
    }
}
#endif

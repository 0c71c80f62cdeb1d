/* Attention over one block of keys on the lanes of vec.h, compiled by each leaf that has a vec.
 *
 *     score[rows][keys] = q k        tiles of rows by keys in registers, k ascending
 *     p = 2^(score - max)            row by row
 *     out[rows][dims] = p v          tiles of rows by dims in registers, keys ascending
 *
 * A few rows widen keys and values in registers. More rows share a widened tile, which stays in the nearest cache. */
#ifndef SK_CPU_ATTEND_BODY_H
#define SK_CPU_ATTEND_BODY_H
#include "backends/cpu/kernels.h"
#include "backends/cpu/ivec.h"
#include "base/exact.h"

#define WIDE_LANES (16 * VEC_TILE_VECS)

/* Where the lanes of a tile begin: `step` elements from one dimension of the keys (or one value) to the next. */
typedef struct lanes {
    const void *at;
    size_t step;
} lanes;

typedef struct part {
    uint32_t begin, end;
} part;

SK_INLINE vec load_kept(const void *from, size_t at, skald_dtype type) {
    switch (type) {
    case SKALD_F16: return vec_load_f16((const uint16_t *)from + at);
    case SKALD_BF16: return vec_load_bf16((const uint16_t *)from + at);
    case SKALD_F8_E4M3: return vec_load_f8((const uint8_t *)from + at);
    default: return vec_load((const float *)from + at);
    }
}

SK_INLINE vec load_kept_first(const void *from, size_t at, uint32_t n, skald_dtype type) {
    uint16_t words[16] = {0};
    if (type == SKALD_F32) return vec_load_first((const float *)from + at, n);
    if (type == SKALD_F8_E4M3) {
        uint8_t bytes[16] = {0};
        memcpy(bytes, (const uint8_t *)from + at, n);
        return vec_load_f8(bytes);
    }
    memcpy(words, (const uint16_t *)from + at, n * sizeof *words);
    return type == SKALD_F16 ? vec_load_f16(words) : vec_load_bf16(words);
}

SK_INLINE size_t kept_bytes(size_t n, skald_dtype type) {
    return n * (type == SKALD_F32 ? sizeof(float) : type == SKALD_F8_E4M3 ? 1 : sizeof(uint16_t));
}

/* What is read after this comes nearer meanwhile. Any address: nothing is accessed. */
SK_INLINE void fetch(const char *at, const uint32_t bytes) {
    for (uint32_t line = 0; line < bytes; line += 64) __builtin_prefetch(at + line, 0, 2);
}

/* n times `vecs` lanes as f32, one after the other. */
SK_INLINE void widen(float *to, lanes from, const char *next, uint32_t n, const uint32_t vecs, skald_dtype type) {
    for (uint32_t i = 0; i < n; i++, to += 16 * vecs, next += kept_bytes(16 * vecs, type)) {
        fetch(next, (uint32_t)kept_bytes(16 * vecs, type));
        for (uint32_t v = 0; v < vecs; v++) vec_store(to + 16 * v, load_kept(from.at, i * from.step + 16 * v, type));
    }
}

/* Squares of 16 keys by 16 elements, keys in lanes, become elements in lanes. Each round takes the lowest bit of a number's
 * place (vec, lane) to the top, so that after four the halves of the place have changed sides. */
SK_INLINE void turn_square(float *to, size_t step, const void *keys, size_t at, skald_dtype type) {
    vec x[16], y[16];
    for (uint32_t i = 0; i < 16; i++) x[i] = load_kept(keys, at + i * SK_PAGE, type);
    for (uint32_t twice = 0; twice < 2; twice++) {
        for (uint32_t i = 0; i < 8; i++) vec_part(&y[i], &y[8 + i], x[2 * i], x[2 * i + 1]);
        for (uint32_t i = 0; i < 8; i++) vec_part(&x[i], &x[8 + i], y[2 * i], y[2 * i + 1]);
    }
    for (uint32_t i = 0; i < 16; i++) vec_store(to + i * step, x[i]);
}

/* Values that are elements of keys: 16 * vecs of them from element `at` on, key after key. */
SK_INLINE void widen_turned(float *to, const sk_attend_block *a, part keys, uint32_t at, const uint32_t vecs,
                            skald_dtype type) {
    for (uint32_t key = keys.begin - keys.begin % 16; key < keys.end; key += 16)
        for (uint32_t v = 0; v < vecs; v++)
            turn_square(to + (size_t)key * 16 * vecs + 16 * v, 16 * vecs, a->k, (size_t)(at + 16 * v) * SK_PAGE + key,
                        type);
}

static uint32_t next_rows(const sk_attend_block *a, uint32_t row) { return tile_rows(a->n_rows - row); }

/* ---- scores */

/* `rows`, `vecs`, `type` and `ahead` are constants where this is called; `next` is fetched when `ahead`. */
SK_INLINE void score_tile(const sk_attend_block *a, uint32_t row, uint32_t key, lanes k, const char *next,
                          const uint32_t rows, const uint32_t vecs, skald_dtype type, bool ahead) {
    vec sum[VEC_TILE_ROWS][2 * VEC_TILE_VECS], x[2 * VEC_TILE_VECS];
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++) sum[r][v] = vec_set(0.0f);
    for (size_t d = 0; d < a->dim_k; d++) {
        if (ahead) fetch(next + d * kept_bytes(16 * vecs, type), (uint32_t)kept_bytes(16 * vecs, type));
        for (uint32_t v = 0; v < vecs; v++) x[v] = load_kept(k.at, d * k.step + 16 * v, type);
        for (uint32_t r = 0; r < rows; r++) {
            vec q = vec_set(a->q[row + r][d]);
            for (uint32_t v = 0; v < vecs; v++) sum[r][v] = vec_fma(q, x[v], sum[r][v]);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++) vec_store(a->score + (row + r) * SK_PAGE + key + 16 * v, sum[r][v]);
}

SK_INLINE lanes keys_at(const sk_attend_block *a, uint32_t key, skald_dtype type) {
    return (lanes){(const char *)a->k + kept_bytes(key, type), SK_PAGE};
}

SK_INLINE const char *next_keys(const sk_attend_block *a, uint32_t key, skald_dtype type) {
    return a->next + kept_bytes((size_t)key * a->dim_k, type);
}

/* Few rows take twice the keys at once, so that enough sums are under way. */
SK_INLINE void score_few(const sk_attend_block *a, part keys, const uint32_t rows, skald_dtype type) {
    const uint32_t vecs = rows <= VEC_TILE_ROWS / 2 ? 2 * VEC_TILE_VECS : VEC_TILE_VECS;
    for (uint32_t key = keys.begin - keys.begin % (16 * vecs); key < keys.end; key += 16 * vecs)
        score_tile(a, 0, key, keys_at(a, key, type), next_keys(a, key, type), rows, vecs, type, true);
}

SK_INLINE void score_many(const sk_attend_block *a, part keys, skald_dtype type) {
    const lanes wide = {a->wide, WIDE_LANES};
    for (uint32_t key = keys.begin - keys.begin % WIDE_LANES; key < keys.end; key += WIDE_LANES) {
        widen(a->wide, keys_at(a, key, type), next_keys(a, key, type), a->dim_k, VEC_TILE_VECS, type);
        for (uint32_t row = 0, rows; row < a->n_rows; row += rows) {
            rows = next_rows(a, row);
#define SCORE(n) score_tile(a, row, key, wide, NULL, n, VEC_TILE_VECS, SKALD_F32, false)
            WITH_ROWS(rows, SCORE)
#undef SCORE
        }
    }
}

/* ---- weights */

/* Every lane that weigh will look at; those of invisible keys may hold anything, then as now. */
static void cap_scores(const sk_attend_block *a) {
    const vec cap = vec_set(a->cap);
    for (uint32_t r = 0; r < a->n_rows; r++)
        for (uint32_t key = a->begin[r] - a->begin[r] % 16; key < a->end[r]; key += 16) {
            float *x = a->score + (size_t)r * SK_PAGE + key;
            vec_store(x, vec_mul(cap, vec_tanh(vec_load(x))));
        }
}

/* Scores become weights; those of invisible keys in a touched vec become zero. `whole` is a constant: every key is seen. */
SK_INLINE void weigh_seen(const sk_attend_block *a, uint32_t row, const bool whole) {
    const uint32_t begin = whole ? 0 : a->begin[row], end = whole ? SK_PAGE : a->end[row];
    const vec least = vec_set(sk_float(0xff800000u));
    float *score = a->score + row * SK_PAGE;
    vec best = least, sum = vec_set(0.0f);
    for (uint32_t key = begin - begin % 16; key < end; key += 16) {
        vec x = vec_load(score + key);
        if (!whole) x = vec_select(vec_range(key < begin ? begin - key : 0, end - key < 16 ? end - key : 16), x, least);
        best = vec_max(x, best);
    }
    const float max = vec_max_lane(best) + 0.0f; /* one zero, not two */
    for (uint32_t key = begin - begin % 16; key < end; key += 16) {
        vec p = vec_exp2_below(vec_sub(vec_load(score + key), vec_set(max)));
        if (!whole)
            p = vec_select(vec_range(key < begin ? begin - key : 0, end - key < 16 ? end - key : 16), p, vec_set(0.0f));
        vec_store(score + key, p);
        sum = vec_add(sum, p);
    }
    a->max[row] = max;
    a->sum[row] = vec_sum(sum);
}

static void weigh(const sk_attend_block *a, uint32_t rows) {
    for (uint32_t r = 0; r < rows; r++)
        if (a->begin[r] == 0 && a->end[r] == SK_PAGE) weigh_seen(a, r, true);
        else weigh_seen(a, r, false);
}

/* ---- values */

/* out[rows][at ... at + 16 * vecs - 1] goes on with some keys; v begins at key 0. */
SK_INLINE void mix_tile(const sk_attend_block *a, uint32_t row, part keys, uint32_t at, lanes v, const char *next,
                        const uint32_t rows, const uint32_t vecs, skald_dtype type, bool ahead) {
    vec sum[VEC_TILE_ROWS][VEC_TILE_VECS], x[VEC_TILE_VECS];
    float *out = a->out + (size_t)row * a->dim_v + at;
    const float *p = a->score + (size_t)row * SK_PAGE;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < vecs; i++) sum[r][i] = vec_load(out + (size_t)r * a->dim_v + 16 * i);
    for (size_t key = keys.begin; key < keys.end; key++) {
        if (ahead) fetch(next + key * kept_bytes(16 * vecs, type), (uint32_t)kept_bytes(16 * vecs, type));
        for (uint32_t i = 0; i < vecs; i++) x[i] = load_kept(v.at, key * v.step + 16 * i, type);
        for (uint32_t r = 0; r < rows; r++) {
            vec weight = vec_set(p[(size_t)r * SK_PAGE + key]);
            for (uint32_t i = 0; i < vecs; i++) sum[r][i] = vec_fma(weight, x[i], sum[r][i]);
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < vecs; i++) vec_store(out + (size_t)r * a->dim_v + 16 * i, sum[r][i]);
}

/* Keys that all of the rows see; empty where there are none. */
static part seen_by_all(const sk_attend_block *a, uint32_t row, uint32_t rows) {
    part all = {0, SK_PAGE};
    for (uint32_t r = row; r < row + rows; r++) {
        all.begin = a->begin[r] > all.begin ? a->begin[r] : all.begin;
        all.end = a->end[r] < all.end ? a->end[r] : all.end;
    }
    if (all.end < all.begin) all.end = all.begin;
    return all;
}

/* A row meets only keys that it sees (a key beside them may hold NaN): what all rows see goes together, between the
 * keys before and behind that only some of them see. */
SK_INLINE void mix_rows(const sk_attend_block *a, uint32_t row, uint32_t at, lanes v, const char *next,
                        const uint32_t rows, const uint32_t vecs, skald_dtype type, bool ahead) {
    const part all = seen_by_all(a, row, rows);
    for (uint32_t r = row; r < row + rows; r++) {
        const part before = {a->begin[r], a->end[r] < all.begin ? a->end[r] : all.begin};
        if (before.begin < before.end) mix_tile(a, r, before, at, v, NULL, 1, vecs, type, false);
    }
    if (all.begin < all.end) mix_tile(a, row, all, at, v, next, rows, vecs, type, ahead);
    for (uint32_t r = row; r < row + rows; r++) {
        const part behind = {a->begin[r] > all.end ? a->begin[r] : all.end, a->end[r]};
        if (behind.begin < behind.end) mix_tile(a, r, behind, at, v, NULL, 1, vecs, type, false);
    }
}

SK_INLINE lanes values_at(const sk_attend_block *a, uint32_t key, uint32_t at, skald_dtype type) {
    return (lanes){(const char *)a->v + kept_bytes((size_t)key * a->dim_v + at, type), a->dim_v};
}

/* V lies behind K, there as here. */
SK_INLINE const char *next_values(const sk_attend_block *a, uint32_t at, skald_dtype type) {
    return a->next + ((const char *)a->v - (const char *)a->k) + kept_bytes((size_t)SK_PAGE * at, type);
}

SK_INLINE void mix_few(const sk_attend_block *a, uint32_t at, const uint32_t rows, const uint32_t vecs,
                       skald_dtype type) {
    mix_rows(a, 0, at, values_at(a, 0, at, type), next_values(a, at, type), rows, vecs, type, true);
}

SK_INLINE void mix_many(const sk_attend_block *a, part keys, uint32_t at, const uint32_t vecs, skald_dtype type) {
    const lanes wide = {a->wide, 16 * vecs};
    if (!a->v) widen_turned(a->wide, a, keys, at, vecs, type);
    else
        widen(a->wide + keys.begin * wide.step, values_at(a, keys.begin, at, type), next_values(a, at, type),
              keys.end - keys.begin, vecs, type);
    for (uint32_t row = 0, rows; row < a->n_rows; row += rows) {
        rows = next_rows(a, row);
#define MIX(n) mix_rows(a, row, at, wide, NULL, n, vecs, SKALD_F32, false)
        WITH_ROWS(rows, MIX)
#undef MIX
    }
}

SK_INLINE vec load_rest(const sk_attend_block *a, uint32_t key, uint32_t at, uint32_t n, skald_dtype type) {
    if (a->v) return load_kept_first(a->v, (size_t)key * a->dim_v + at, n, type);
    float rest[16] = {0}, one[16];
    for (uint32_t i = 0; i < n; i++) {
        vec_store(one, load_kept_first(a->k, (size_t)(at + i) * SK_PAGE + key, 1, type));
        rest[i] = one[0];
    }
    return vec_load(rest);
}

/* The last dims of a head that is no multiple of 16. */
static void mix_rest(const sk_attend_block *a, uint32_t at, skald_dtype type) {
    const uint32_t n = a->dim_v - at;
    for (uint32_t r = 0; r < a->n_rows; r++) {
        vec sum = vec_set(0.0f);
        for (uint32_t key = a->begin[r]; key < a->end[r]; key++)
            sum = vec_fma(vec_set(a->score[r * SK_PAGE + key]), load_rest(a, key, at, n, type), sum);
        vec_store_first(a->out + (size_t)r * a->dim_v + at, sum, n);
    }
}

#include "backends/cpu/attend_blocks_body.h"

/* ---- all of it */

SK_INLINE void score(const sk_attend_block *a, part keys, skald_dtype type) {
    if (a->n_rows > VEC_TILE_ROWS) {
        score_many(a, keys, type);
        return;
    }
#define FEW(n) score_few(a, keys, n, type)
    WITH_ROWS(a->n_rows, FEW)
#undef FEW
}

SK_INLINE void mix_dims(const sk_attend_block *a, part keys, uint32_t at, const uint32_t vecs, skald_dtype type) {
    if (a->n_rows > VEC_TILE_ROWS || !a->v) {
        mix_many(a, keys, at, vecs, type);
        return;
    }
#define FEW(n) mix_few(a, at, n, vecs, type)
    WITH_ROWS(a->n_rows, FEW)
#undef FEW
}

SK_INLINE void mix(const sk_attend_block *a, part keys, skald_dtype type) {
    uint32_t at = 0;
    memset(a->out, 0, (size_t)a->n_rows * a->dim_v * sizeof *a->out);
    for (; a->dim_v - at >= WIDE_LANES; at += WIDE_LANES) mix_dims(a, keys, at, VEC_TILE_VECS, type);
    for (; a->dim_v - at >= 16; at += 16) mix_dims(a, keys, at, 1, type);
    if (at < a->dim_v) mix_rest(a, at, type);
}

/* Keys that any of the rows sees. */
static part seen_by_any(const sk_attend_block *a) {
    part any = {SK_PAGE, 0};
    for (uint32_t r = 0; r < a->n_rows; r++) {
        any.begin = a->begin[r] < any.begin ? a->begin[r] : any.begin;
        any.end = a->end[r] > any.end ? a->end[r] : any.end;
    }
    return any;
}

static void attend(const sk_attend_block *a) {
    const part keys = seen_by_any(a);
    switch (a->k_type) {
    case SKALD_F32: score(a, keys, SKALD_F32); break;
    case SKALD_F16: score(a, keys, SKALD_F16); break;
    case SKALD_BF16: score(a, keys, SKALD_BF16); break;
    case SKALD_F8_E4M3: score(a, keys, SKALD_F8_E4M3); break;
    default: score_blocks(a, keys); break;
    }
    if (a->cap > 0.0f) cap_scores(a);
    weigh(a, a->n_rows);
    switch (a->v_type) {
    case SKALD_F32: mix(a, keys, SKALD_F32); break;
    case SKALD_F16: mix(a, keys, SKALD_F16); break;
    case SKALD_BF16: mix(a, keys, SKALD_BF16); break;
    case SKALD_F8_E4M3: mix(a, keys, SKALD_F8_E4M3); break;
    default: mix_blocks(a, keys); break;
    }
}
#endif

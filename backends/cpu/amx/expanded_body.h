/* An expanded panel times any number of rows: tiles make the integer sums of 16 rows by 16 outputs for one scale, AVX-512
 * takes them into the chains. Written over tiles.h and compiled twice: with the instructions, and with their model.
 *
 *     tile 0, 1  sums, 16 rows [16 outputs]      2, 3  activations, 16 rows [32 k]      4, 5  weights, 8 groups [16][4 k]
 *
 * While the sums of one step are taken in, the tiles of the next are under way. Beside tiles a core has one 512-bit
 * multiplier and not two, adds keep both ports: without mins integers become floats by two adds. */
#ifndef SK_CPU_AMX_EXPANDED_BODY_H
#define SK_CPU_AMX_EXPANDED_BODY_H
#include "backends/cpu/amx/tiles.h"
#include "backends/cpu/kernels.h"

#define INLINE     static inline __attribute__((always_inline))
#define TILE_ROWS  16u
#define TILE_OUT   16u
#define Q_BYTES    1024u
#define LINE_BYTES 128u

static const tile_shapes whole_shapes = {.palette = 1,
                                         .row_bytes = {64, 64, 32, 32, 64, 64},
                                         .n_rows = {16, 16, 16, 16, 8, 8}};
static const tile_shapes half_shapes = {.palette = 1,
                                        .row_bytes = {64, 64, 16, 16, 64, 64},
                                        .n_rows = {16, 16, 16, 16, 4, 4}};

/* What a min is multiplied with: d_sum, or the product for 16 k. */
INLINE const float *row_sums(float room[TILE_ROWS], const sk_q8x16 *x, const bool halves, uint32_t half) {
    if (!halves) return x->d_sum;
    const __m512i sum = _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)x->sum[half]));
    _mm512_store_ps(room, _mm512_mul_ps(_mm512_load_ps(x->d), _mm512_cvtepi32_ps(sum)));
    return room;
}

/* |x| < 2^22: 2^23 * 1.5 + x is a float by its bits. */
INLINE __m512 float_by_adds(__m512i x) {
    const __m512i magic = _mm512_set1_epi32(0x4b400000);
    return _mm512_sub_ps(_mm512_castsi512_ps(_mm512_add_epi32(x, magic)), _mm512_castsi512_ps(magic));
}

/* The sums of a step into the chains. */
INLINE void take_in(__m512 acc[TILE_ROWS], const int32_t *sums, const float *scales, const sk_q8x16 *x,
                    const bool halves, const bool has_min, uint32_t half) {
    _Alignas(64) float room[TILE_ROWS];
    const float *sum = has_min ? row_sums(room, x, halves, half) : NULL;
    const __m512 w = _mm512_load_ps(scales);
    const __m512 m = has_min ? _mm512_load_ps(scales + SK_PANEL * (halves ? 2 : 1)) : w;
#pragma GCC unroll 16
    for (uint32_t r = 0; r < TILE_ROWS; r++) {
        const __m512i bits = _mm512_load_si512(sums + TILE_OUT * r);
        const __m512 isum = has_min ? _mm512_cvtepi32_ps(bits) : float_by_adds(bits);
        acc[r] = _mm512_fmadd_ps(isum, _mm512_mul_ps(w, _mm512_set1_ps(x->d[r])), acc[r]);
        if (has_min) acc[r] = _mm512_fmadd_ps(m, _mm512_set1_ps(sum[r]), acc[r]);
    }
}

/* 16 outputs from `blocks` on. A step is a block, or a half of one. */
INLINE void multiply_side(float *y, size_t y_stride, const uint8_t *blocks, uint32_t bytes, const sk_q8x16 *x,
                          uint32_t n_blocks, uint32_t side, bool goes_on, tiles *t, const bool halves,
                          const bool has_min) {
    _Alignas(64) int32_t sums[2][TILE_ROWS * TILE_OUT];
    const uint32_t n = halves ? 2 * n_blocks : n_blocks;
    (void)t;
    __m512 acc[TILE_ROWS];
#pragma GCC unroll 16
    for (uint32_t r = 0; r < TILE_ROWS; r++) {
        const float *from = y + r * y_stride + TILE_OUT * side;
        acc[r] = goes_on ? _mm512_loadu_ps(from) : _mm512_setzero_ps();
        if (!goes_on) _mm_prefetch((const char *)from, _MM_HINT_T0); /* stores of tiles would queue behind its miss */
    }
#define BLOCK_OF(u) (halves ? (u) / 2 : (u))
#define HALF_OF(u)  (halves ? (u) % 2 : 0)
#define START(u, which, activations, weights)                                                                          \
    TILE_ZERO(t, which);                                                                                               \
    TILE_LOAD(t, activations, x[BLOCK_OF(u)].q[0] + 16 * HALF_OF(u), 32);                                              \
    TILE_LOAD(t, weights, blocks + (size_t)BLOCK_OF(u) * bytes + LINE_BYTES * 4 * HALF_OF(u) + 64 * side, LINE_BYTES); \
    TILE_DOT_SIGNED(t, which, activations, weights);                                                                   \
    TILE_STORE(t, which, sums[which], 64)
#define FINISH(u, which)                                                                                               \
    take_in(acc, sums[which],                                                                                          \
            (const float *)(const void *)(blocks + (size_t)BLOCK_OF(u) * bytes + Q_BYTES) + SK_PANEL * HALF_OF(u) +    \
                TILE_OUT * side,                                                                                       \
            x + BLOCK_OF(u), halves, has_min, HALF_OF(u))
    START(0, 0, 2, 4);
    for (uint32_t u = 0; u < n; u += 2) {
        if (u + 1 < n) {
            START(u + 1, 1, 3, 5);
        }
        FINISH(u, 0);
        if (u + 2 < n) {
            START(u + 2, 0, 2, 4);
        }
        if (u + 1 < n) FINISH(u + 1, 1);
    }
#undef START
#undef FINISH
#undef BLOCK_OF
#undef HALF_OF
#pragma GCC unroll 16
    for (uint32_t r = 0; r < TILE_ROWS; r++) _mm512_storeu_ps(y + r * y_stride + TILE_OUT * side, acc[r]);
}

INLINE void all_rows(float *y, size_t y_stride, const uint8_t *blocks, uint32_t bytes, const sk_q8 *x, size_t x_stride,
                     uint32_t n_rows, uint32_t n_blocks, bool goes_on, const bool halves, const bool has_min) {
    tiles t;
    TILES_BEGIN(&t, halves ? &half_shapes : &whole_shapes);
    TILE_FENCE();
    for (uint32_t r = 0; r < n_rows; r += TILE_ROWS, y += TILE_ROWS * y_stride, x += TILE_ROWS * x_stride) {
        const uint32_t n = n_rows - r < TILE_ROWS ? n_rows - r : TILE_ROWS;
        _Alignas(64) float few[TILE_ROWS * SK_PANEL];
        float *to = n < TILE_ROWS ? few : y;
        if (n < TILE_ROWS) {
            memset(few, 0, sizeof few);
            for (uint32_t i = 0; i < n && goes_on; i++)
                memcpy(few + i * SK_PANEL, y + i * y_stride, SK_PANEL * sizeof *y);
        }
        for (uint32_t side = 0; side < 2; side++)
            multiply_side(to, n < TILE_ROWS ? SK_PANEL : y_stride, blocks, bytes, (const sk_q8x16 *)(const void *)x,
                          n_blocks, side, goes_on, &t, halves, has_min);
        for (uint32_t i = 0; i < n && n < TILE_ROWS; i++)
            memcpy(y + i * y_stride, few + i * SK_PANEL, SK_PANEL * sizeof *y);
    }
    TILES_END(&t);
}

INLINE void multiply_expanded(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                              size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    const uint32_t bytes = form->bytes;
    if (form->halves && form->has_min)
        all_rows(y, y_stride, blocks, bytes, x, x_stride, n_rows, n_blocks, goes_on, true, true);
    else if (form->halves) all_rows(y, y_stride, blocks, bytes, x, x_stride, n_rows, n_blocks, goes_on, true, false);
    else if (form->has_min) all_rows(y, y_stride, blocks, bytes, x, x_stride, n_rows, n_blocks, goes_on, false, true);
    else all_rows(y, y_stride, blocks, bytes, x, x_stride, n_rows, n_blocks, goes_on, false, false);
}
#endif

/* The few instructions on tiles that expanded_body.h needs, and the same in plain C (SK_TILES_MODEL) for machines without
 * them. A tile is at most 16 rows of 64 bytes; the number of a tile is a literal. */
#ifndef SK_CPU_AMX_TILES_H
#define SK_CPU_AMX_TILES_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* As LDTILECFG reads it. */
typedef struct tile_shapes {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t n_rows[16];
} tile_shapes;

#if defined(SK_TILES_MODEL)
typedef struct tiles {
    tile_shapes shapes;
    int8_t row[8][16][64];
} tiles;

static inline void model_load(tiles *t, uint32_t n, const void *from, size_t stride) {
    for (uint32_t i = 0; i < t->shapes.n_rows[n]; i++)
        memcpy(t->row[n][i], (const char *)from + i * stride, t->shapes.row_bytes[n]);
}
static inline void model_store(const tiles *t, uint32_t n, void *to, size_t stride) {
    for (uint32_t i = 0; i < t->shapes.n_rows[n]; i++)
        memcpy((char *)to + i * stride, t->row[n][i], t->shapes.row_bytes[n]);
}
static inline void model_dot(tiles *t, uint32_t c, uint32_t a, uint32_t b) {
    for (uint32_t i = 0; i < t->shapes.n_rows[c]; i++) {
        int32_t sum[16];
        memcpy(sum, t->row[c][i], sizeof sum);
        for (uint32_t k = 0; k < t->shapes.row_bytes[a]; k++)
            for (uint32_t j = 0; j < 16; j++) sum[j] += t->row[a][i][k] * t->row[b][k / 4][4 * j + k % 4];
        memcpy(t->row[c][i], sum, sizeof sum);
    }
}
#define TILES_BEGIN(t, s)             ((t)->shapes = *(s))
#define TILES_END(t)                  memset(t, 0, sizeof *(t))
#define TILE_ZERO(t, n)               memset((t)->row[n], 0, sizeof(t)->row[n])
#define TILE_LOAD(t, n, from, stride) model_load(t, n, from, stride)
#define TILE_STORE(t, n, to, stride)  model_store(t, n, to, stride)
#define TILE_DOT_SIGNED(t, c, a, b)   model_dot(t, c, a, b)
#else
typedef struct tiles {
    char none; /* they are the thread's own */
} tiles;
#define TILES_BEGIN(t, s)             ((void)(t), _tile_loadconfig(s))
#define TILES_END(t)                  _tile_release()
#define TILE_ZERO(t, n)               _tile_zero(n)
#if defined(_WIN32) && !defined(__clang__)
/* gcc's own cast the stride to long, which has 32 bits there. */
#define TILE_LOAD(t, n, from, stride)                                                                                  \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #n : : "r"(from), "r"((size_t)(stride)))
#define TILE_STORE(t, n, to, stride)                                                                                   \
    __asm__ volatile("tilestored %%tmm" #n ", (%0,%1,1)" : : "r"(to), "r"((size_t)(stride)) : "memory")
#else
#define TILE_LOAD(t, n, from, stride) _tile_loadd(n, from, stride)
#define TILE_STORE(t, n, to, stride)  _tile_stored(n, to, stride)
#endif
#define TILE_DOT_SIGNED(t, c, a, b)   _tile_dpbssd(c, a, b)
#endif
/* Compilers do not know which memory a tile is loaded from: what was written before must be there. */
#define TILE_FENCE() atomic_signal_fence(memory_order_seq_cst)
#endif

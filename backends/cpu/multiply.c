/* Panels of weights meet rows: the part that every operation with weights shares. */
#include "backends/cpu/cpu.h"
#include <string.h>

bool sk_takes_integers(const skald_weight *w) { return sk_matmul_at(w->layout)->int_tile != NULL; }

/* The scalar leaf would gain nothing, and with 32 registers tiles that unpack as they go keep up for longer. */
bool sk_expands(const skald_stream *s, const skald_weight *w, uint32_t n_rows) {
    const sk_kernels *k = &s->device->kernels;
    const uint32_t least = k->level == SK_LEVEL_AVX512 ? 2 * SK_MANY_ROWS : SK_MANY_ROWS;
    return n_rows >= least && sk_matmul_at(w->layout)->expand && k->expanded != sk_expanded_scalar;
}

/* Every integer kind can be expanded where tiles multiply, so all that many rows meet takes them in groups. */
static bool in_groups(const skald_stream *s, uint32_t n_rows) {
    return s->device->kernels.level == SK_LEVEL_AMX && n_rows >= SK_MANY_ROWS;
}

void sk_put_place(const skald_stream *s, sk_q8 *to, uint32_t n_blocks, uint32_t r, uint32_t n_rows, const sk_q8 *blocks,
                  uint32_t first, uint32_t n) {
    if (in_groups(s, n_rows))
        sk_group_rows((sk_q8x16 *)(void *)(to + (size_t)(r / 16 * 16) * n_blocks) + first, blocks, r, n);
    else memcpy(to + (size_t)r * n_blocks + first, blocks, n * sizeof *blocks);
}

void sk_quantize_place(const skald_stream *s, sk_q8 *to, uint32_t n_blocks, uint32_t r, uint32_t n_rows, const float *x,
                       uint32_t first, uint32_t n) {
    if (!in_groups(s, n_rows)) {
        s->device->kernels.quantize(to + (size_t)r * n_blocks + first, x, n);
        return;
    }
    sk_q8 some[16];
    for (uint32_t m, end = first + n; first < end; first += m, x += (size_t)m * SK_BLOCK) {
        m = sk_least(end - first, 16);
        s->device->kernels.quantize(some, x, m);
        sk_put_place(s, to, n_blocks, r, n_rows, some, first, m);
    }
}

void sk_quantize_row(skald_stream *s, sk_q8 *to, const skald_rows *rows, uint32_t r, const float *x, uint32_t first,
                     uint32_t n) {
    sk_quantize_place(s, to, rows->width / SK_BLOCK, r, sk_row_count(s, rows), x, first, n);
}

/* Tiles as even as they can be. */
static void multiply_tiles(const skald_stream *s, const skald_weight *w, const char *packed, const sk_operand *x,
                           uint32_t n, float *y, size_t y_stride) {
    const sk_matmul *kind = sk_matmul_at(w->layout);
    const uint32_t n_in = w->n_in, n_blocks = n_in / SK_BLOCK, n_passes = (uint32_t)sk_divide_up(n, SK_TILE_ROWS);
    const uint64_t panel_bytes = kind->panel_bytes(w->type, n_in);
    for (uint32_t pass = 0, r = 0, m; pass < n_passes; pass++, r += m, y += m * y_stride) {
        const sk_ahead ahead = sk_ahead_of(&s->device->kernels.reach, packed, panel_bytes, pass, n_passes);
        m = (uint32_t)sk_divide_up(n - r, n_passes - pass);
        if (x->q) kind->int_tile(y, y_stride, packed, w->type, x->q + (size_t)r * n_blocks, n_blocks, m, n_in, &ahead);
        else kind->float_tile(y, y_stride, packed, w->type, x->x + r * x->stride, x->stride, m, n_in, &ahead);
    }
}

/* Rows that meet a slice between two requests for what comes after it: tiles' rows, and as many as groups need. */
#define AHEAD_ROWS       10u
#define AHEAD_GROUP_ROWS 16u

static void ask_ahead(const char *from, const char *end) {
    for (; from < end; from += SK_CACHE_LINE) __builtin_prefetch(from, 0, 2);
}

/* While a slice is multiplied the packed bytes behind it are asked for, some with every few rows: expanding alone would
 * wait for memory. Behind the last slice of a panel lies the next panel. */
static void multiply_expanded(const skald_stream *s, const skald_weight *w, const char *packed, const sk_operand *x,
                              uint32_t n, uint8_t *slice, float *y, size_t y_stride) {
    const sk_matmul *kind = sk_matmul_at(w->layout);
    const uint32_t n_blocks = w->n_in / SK_BLOCK;
    const sk_form form = sk_form_of(w->type, s->device->kernels.level);
    const uint32_t step = form.grouped ? AHEAD_GROUP_ROWS : AHEAD_ROWS;
    const uint64_t panel_bytes = kind->panel_bytes(w->type, w->n_in);
    for (uint32_t m, b = 0; b < n_blocks; b += m) {
        m = sk_least(n_blocks - b, SK_SLICE_BLOCKS);
        const char *next = packed + panel_bytes * (b + m) / n_blocks;
        const uint64_t n_bytes = panel_bytes * m / n_blocks;
        kind->expand(slice, &form, packed, w->type, w->n_in, b, m);
        for (uint32_t r = 0, end; r < n; r = end) {
            end = sk_least(r + step, n);
            ask_ahead(next + n_bytes * r / n, next + n_bytes * end / n);
            s->device->kernels.expanded(y + r * y_stride, y_stride, slice, &form,
                                        x->q + (size_t)r * n_blocks + (form.grouped ? 16 * b : b), n_blocks, end - r, m,
                                        b > 0);
        }
    }
}

void sk_multiply(const skald_stream *s, const skald_weight *w, const void *packed, const sk_operand *x, uint32_t n,
                 uint8_t *slice, float *y, size_t y_stride) {
    if (slice) multiply_expanded(s, w, packed, x, n, slice, y, y_stride);
    else multiply_tiles(s, w, packed, x, n, y, y_stride);
}

void sk_multiply_matrix(const skald_stream *s, const skald_weight *w, const char *packed, const sk_operand *x, float *y,
                        size_t stride, uint32_t n, const sk_thread_room *room) {
    const uint64_t panel_bytes = sk_matmul_at(w->layout)->panel_bytes(w->type, w->n_in);
    uint8_t *slice = sk_expands(s, w, n) ? room->slice : NULL;
    for (uint32_t at = 0; at < w->n_out; at += SK_PANEL, packed += panel_bytes) {
        const uint32_t n_out = sk_least(w->n_out - at, SK_PANEL);
        if (n_out == SK_PANEL) {
            sk_multiply(s, w, packed, x, n, slice, y + at, stride);
            continue;
        }
        sk_multiply(s, w, packed, x, n, slice, room->sums, SK_PANEL);
        for (uint32_t r = 0; r < n; r++) memcpy(y + r * stride + at, room->sums + r * SK_PANEL, n_out * sizeof *y);
    }
}

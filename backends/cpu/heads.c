/* One small matrix for each head. A job is a head and some rows, which it makes ready by itself: they are as many as a
 * thread has room for in attention. */
#include "backends/cpu/cpu.h"
#include <string.h>

#define ROWS_PER_JOB SK_ATTEND_ROWS

static uint32_t heads_count(skald_stream *s, const sk_phase *p) {
    const skald_project_heads *op = &p->op.project_heads;
    return op->n_heads * (uint32_t)sk_divide_up(sk_row_count(s, &op->x), ROWS_PER_JOB);
}

/* The part of a head that its matrix takes, of n rows from x on; in integers where it takes those. */
static sk_operand make_ready(const skald_stream *s, const skald_project_heads *op, const float *x, uint32_t n,
                             const sk_thread_room *room) {
    const skald_weight *w = &op->weight;
    const size_t stride = op->x.stride / sizeof *x;
    const uint32_t n_blocks = w->n_in / SK_BLOCK;
    if (!sk_takes_integers(w)) return (sk_operand){.x = x, .stride = stride};
    for (uint32_t r = 0; r < n; r++) sk_quantize_place(s, room->quantized, n_blocks, r, n, x + r * stride, 0, n_blocks);
    return (sk_operand){.q = room->quantized};
}

static void heads_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    const skald_project_heads *op = &p->op.project_heads;
    const skald_weight *w = &op->weight;
    const uint32_t head = job % op->n_heads, first = job / op->n_heads * ROWS_PER_JOB;
    const uint32_t n = sk_least(sk_row_count(s, &op->x) - first, ROWS_PER_JOB),
                   rest = op->x.width / op->n_heads - w->n_in;
    const float *x = (const float *)sk_row(s, &op->x, first) + (size_t)head * (w->n_in + rest);
    float *y = (float *)sk_row(s, &op->out, first) + (size_t)head * (w->n_out + rest);
    const size_t x_stride = op->x.stride / sizeof *x, y_stride = op->out.stride / sizeof *y;
    const sk_operand ready = make_ready(s, op, x, n, room);
    sk_multiply_matrix(s, w, w->buffer->data + w->offset + head * w->n_bytes, &ready, y, y_stride, n, room);
    for (uint32_t r = 0; r < n; r++) memcpy(y + r * y_stride + w->n_out, x + r * x_stride + w->n_in, rest * sizeof *y);
}

void sk_cpu_project_heads(skald_stream *s, const skald_project_heads *op) {
    sk_phase *p = sk_phase_add(s, op, sk_least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = heads_count, p->job = heads_job;
}

/* Adapters of sequences: a low-rank matrix beside a weight, for the rows of some sequences (LoRA, arXiv 2106.09685). */
#include "backends/cpu/cpu.h"

#define ROWS_PER_JOB SK_ADAPT_ROWS

static uint32_t adapt_count(skald_stream *s, const sk_phase *p) {
    return s->pass.adaptations ? (uint32_t)sk_divide_up(sk_row_count(s, &p->op.adapt.x), ROWS_PER_JOB) : 0;
}

/* How many rows from `r` on have the same adaptations. */
static uint32_t run_of(const skald_pass *pass, uint32_t r, uint32_t end) {
    uint32_t n = 1;
    while (r + n < end && pass->first_adaptation[r + n] == pass->first_adaptation[r] &&
           pass->n_adaptations[r + n] == pass->n_adaptations[r])
        n++;
    return n;
}

static sk_operand make_ready(skald_stream *s, const skald_adapt *op, uint32_t r, uint32_t n) {
    const size_t width = op->x.width;
    if (op->norm.kind == SKALD_NORM_NONE)
        return (sk_operand){.x = sk_row(s, &op->x, r), .stride = op->x.stride / sizeof(float)};
    float *normed = s->normed + r * width;
    for (uint32_t i = 0; i < n; i++)
        sk_norm_row(s, normed + i * width, sk_row(s, &op->x, r + i), op->x.width, &op->norm);
    return (sk_operand){.x = normed, .stride = width};
}

/* out += scale b t, panel by panel. */
static void add_scaled(skald_stream *s, const skald_rows *out, const skald_weight *b, float scale, const sk_operand *t,
                       uint32_t r, uint32_t n, float *sums) {
    const sk_kernels *k = &s->device->kernels;
    const char *packed = b->buffer->data + b->offset;
    const uint64_t panel_bytes = sk_matmul_at(b->layout)->panel_bytes(b->type, b->n_in);
    for (uint32_t at = 0; at < b->n_out; at += SK_PANEL, packed += panel_bytes) {
        const uint32_t n_out = sk_least(b->n_out - at, SK_PANEL);
        sk_multiply(s, b, packed, t, n, NULL, sums, SK_PANEL);
        for (uint32_t i = 0; i < n; i++) {
            float *y = (float *)sk_row(s, out, r + i) + at, *v = sums + (size_t)i * SK_PANEL;
            k->scale(v, v, scale, n_out);
            k->add(y, y, v, n_out);
        }
    }
}

static void adapt_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    const skald_adapt *op = &p->op.adapt;
    const size_t stride = sk_align(s->plan.max_rank, SK_PANEL);
    const uint32_t first = job * ROWS_PER_JOB, end = sk_least(first + ROWS_PER_JOB, sk_row_count(s, &op->x));
    for (uint32_t n, r = first; r < end; r += n) {
        n = run_of(&s->pass, r, end);
        const skald_adaptation *a = s->pass.adaptations + s->pass.first_adaptation[r];
        if (s->pass.n_adaptations[r] == 0) continue;
        const sk_operand x = make_ready(s, op, r, n), t = {.x = room->ranks, .stride = stride};
        for (uint32_t i = 0; i < s->pass.n_adaptations[r]; i++) {
            const skald_low_rank *low = &a[i].sites[op->site];
            if (!low->a.buffer) continue;
            sk_multiply_matrix(s, &low->a, low->a.buffer->data + low->a.offset, &x, room->ranks, stride, n, room);
            add_scaled(s, &op->out, &low->b, a[i].scale * low->scale, &t, r, n, room->sums);
        }
    }
}

void sk_cpu_adapt(skald_stream *s, const skald_adapt *op) {
    sk_phase *p = sk_phase_add(s, op, sk_least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = adapt_count, p->job = adapt_job;
}

/* Adapters on the test device: a step's low ranks go up at start, for every adapt operation and row. */
#include "device/device.h"

static uint64_t place_of(uint32_t most_rows, uint32_t adapts, uint32_t r) {
    return ((uint64_t)adapts * most_rows + r) * SKALD_SPAN_ADAPTERS;
}

uint64_t device_low_rank_bytes(const skald_stream *s) {
    return place_of(s->plan.n_rows, s->n_adapts, 0) * sizeof(device_low_rank);
}

const device_low_rank *device_low_ranks(const skald_device *d, const device_pass *pass, const device_op *op,
                                        uint32_t r) {
    return (const device_low_rank *)(const void *)(d->region + pass->low_ranks) +
           place_of(pass->most_rows, op->adapts, r);
}

static device_address address_of(const skald_stream *s, const skald_weight *w, uint32_t n_in, uint32_t n_out) {
    const bool fits = w->buffer && w->buffer->device == s->device && w->n_in == n_in && w->n_out == n_out &&
                      w->layout == DEVICE_LAYOUT_COLUMNS && w->offset <= w->buffer->n_bytes &&
                      w->n_bytes <= w->buffer->n_bytes - w->offset;
    return fits ? w->buffer->address + w->offset + sizeof(uint32_t) : 0;
}

/* One adaptation of a row at the site of an operation. */
static skald_status take_one(device_low_rank *to, const skald_stream *s, const skald_adapt *op,
                             const skald_adaptation *from) {
    if (op->site >= from->n_sites) return SKALD_ARGUMENT;
    const skald_low_rank *low = &from->sites[op->site];
    if (!low->a.buffer) return SKALD_OK;
    *to =
        (device_low_rank){address_of(s, &low->a, op->x.width, low->a.n_out),
                          address_of(s, &low->b, low->a.n_out, op->out.width), low->a.n_out, low->scale * from->scale};
    return to->a && to->b && to->rank <= s->plan.max_rank ? SKALD_OK : SKALD_ARGUMENT;
}

skald_status device_take_low_ranks(skald_stream *s, const device_pass *pass, const skald_pass *from) {
    const device_op *ops = device_at(s->device, pass->ops);
    device_low_rank *all = device_at(s->device, pass->low_ranks);
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < pass->n_ops; i++) {
        if (ops[i].kind != SKALD_OP_ADAPT) continue;
        for (uint32_t r = 0; r < from->n_rows; r++) {
            device_low_rank *to = all + place_of(pass->most_rows, ops[i].adapts, r);
            const uint32_t n = from->adaptations ? from->n_adaptations[r] : 0;
            if (n > SKALD_SPAN_ADAPTERS) return SKALD_ARGUMENT;
            for (uint32_t k = 0; k < SKALD_SPAN_ADAPTERS; k++) to[k] = (device_low_rank){0};
            for (uint32_t k = 0; k < n && status == SKALD_OK; k++)
                status = take_one(&to[k], s, &ops[i].as.adapt, &from->adaptations[from->first_adaptation[r] + k]);
        }
    }
    return status;
}

/* Weights in panels of 32 outputs, packed once at load. */
#include "backends/cpu/cpu.h"

skald_status sk_cpu_weight_plan(skald_device *device, skald_weight *w, uint64_t *staging_bytes, uint32_t uses) {
    (void)uses; /* a panel serves both looking up and multiplying */
    const sk_matmul *kind = sk_matmul_find(w->type, device->kernels.level);
    if (!kind) return SKALD_UNSUPPORTED;
    w->layout = sk_matmul_index(kind);
    w->n_bytes = sk_mul(sk_divide_up(w->n_out, SK_PANEL), kind->panel_bytes(w->type, w->n_in));
    *staging_bytes = sk_mul(SK_PANEL, skald_dtype_bytes(w->type, w->n_in));
    return SKALD_OK;
}

skald_status sk_cpu_weight_place(skald_device *device, const skald_weight *w, const skald_reader *reader,
                                 uint32_t first) {
    (void)device;
    const sk_matmul *kind = sk_matmul_at(w->layout);
    const uint64_t panel_bytes = kind->panel_bytes(w->type, w->n_in);
    char *panel = w->buffer->data + w->offset;
    for (uint32_t at = 0; at < w->n_out; at += SK_PANEL, panel += panel_bytes) {
        uint32_t n = w->n_out - at < SK_PANEL ? w->n_out - at : SK_PANEL;
        const void *rows = reader->staging;
        if (reader->view) {
            rows = (const char *)reader->view + (uint64_t)(first + at) * reader->row_bytes;
        } else {
            skald_status status = reader->read(reader->self, reader->staging, first + at, n);
            if (status != SKALD_OK) return status;
        }
        kind->pack(panel, w->type, rows, reader->row_bytes, n, w->n_in);
    }
    return SKALD_OK;
}

const char *sk_cpu_weight_kernel(skald_device *device, const skald_weight *w) {
    (void)device;
    return sk_matmul_at(w->layout)->name;
}

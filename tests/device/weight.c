/* Weights of the test device: f32 whatever the file has, columns together for products, rows backwards for tables that
 * are only looked up, and a mark in front that tells a weight from anything else. */
#include "device/device.h"
#include <string.h>

#define WHOLE_BLOCKS 256u                 /* every format's block divides this */
#define STAGED_BYTES ((uint64_t)64 << 10) /* rows go up together in about this much */

static uint32_t rows_together(uint64_t row_bytes) {
    return row_bytes < STAGED_BYTES ? (uint32_t)(STAGED_BYTES / row_bytes) : 1;
}

skald_status device_weight_plan(skald_device *d, skald_weight *w, uint64_t *staging_bytes, uint32_t uses) {
    (void)d;
    float probe[WHOLE_BLOCKS];
    static const unsigned char nothing[WHOLE_BLOCKS * 8];
    uint64_t row_bytes = skald_dtype_bytes(w->type, w->n_in);
    if (row_bytes == 0 || w->n_out == 0) return SKALD_UNSUPPORTED;
    if (skald_dtype_to_f32(probe, w->type, nothing, WHOLE_BLOCKS) != SKALD_OK) return SKALD_UNSUPPORTED;
    w->layout = uses & SKALD_USE_PROJECT ? DEVICE_LAYOUT_COLUMNS : DEVICE_LAYOUT_BACKWARDS;
    w->n_bytes = sizeof(uint32_t) + (uint64_t)w->n_in * w->n_out * sizeof(float);
    *staging_bytes = rows_together(row_bytes) * row_bytes;
    return SKALD_OK;
}

typedef struct place_args {
    const skald_weight *w;
    const unsigned char *rows; /* of the file, in host memory */
    uint64_t row_bytes;
    uint32_t first, n; /* rows of the weight */
} place_args;

static skald_status place_row(skald_weight w, float *to, const unsigned char *row, uint32_t index) {
    float part[WHOLE_BLOCKS];
    for (uint32_t k = 0; k < w.n_in; k += WHOLE_BLOCKS) {
        uint32_t n = w.n_in - k < WHOLE_BLOCKS ? w.n_in - k : WHOLE_BLOCKS;
        skald_status status = skald_dtype_to_f32(part, w.type, row + skald_dtype_bytes(w.type, k), n);
        if (status != SKALD_OK) return status;
        for (uint32_t j = 0; j < n; j++) {
            if (w.layout == DEVICE_LAYOUT_COLUMNS) to[(uint64_t)(k + j) * w.n_out + index] = part[j];
            else to[(uint64_t)index * w.n_in + (w.n_in - 1 - k - j)] = part[j];
        }
    }
    return SKALD_OK;
}

static skald_status place_rows(skald_device *d, void *arg) {
    place_args *a = arg;
    uint32_t *mark = device_at(d, a->w->buffer->address + a->w->offset);
    *mark = DEVICE_WEIGHT_MARK + a->w->layout;
    for (uint32_t r = 0; r < a->n; r++) {
        skald_status status = place_row(*a->w, (float *)(mark + 1), a->rows + r * a->row_bytes, a->first + r);
        if (status != SKALD_OK) return status;
    }
    return SKALD_OK;
}

skald_status device_weight_place(skald_device *d, const skald_weight *w, const skald_reader *reader, uint32_t first) {
    uint64_t row_bytes = skald_dtype_bytes(w->type, w->n_in);
    if (!w->buffer || w->buffer->device != d || w->offset % sizeof(float) || row_bytes != reader->row_bytes ||
        w->offset > w->buffer->n_bytes || w->n_bytes > w->buffer->n_bytes - w->offset)
        return SKALD_ARGUMENT;
    if (device_fires(d, &d->placed, &d->fail_place)) return SKALD_DEVICE;
    place_args a = {.w = w, .row_bytes = row_bytes};
    for (; a.first < w->n_out; a.first += a.n) {
        a.n = rows_together(row_bytes);
        if (a.n > w->n_out - a.first) a.n = w->n_out - a.first;
        a.rows = reader->staging;
        skald_status status = SKALD_OK;
        if (reader->view) a.rows = (const unsigned char *)reader->view + ((uint64_t)first + a.first) * row_bytes;
        else status = reader->read(reader->self, reader->staging, first + a.first, a.n);
        if (status == SKALD_OK) status = device_do(d, place_rows, &a);
        if (status != SKALD_OK) return status;
    }
    return SKALD_OK;
}

const char *device_weight_kernel(skald_device *d, const skald_weight *w) {
    (void)d;
    return w->layout == DEVICE_LAYOUT_COLUMNS ? "columns/apart" : "";
}

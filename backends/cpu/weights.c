/* Weights in panels of 32 outputs, packed once at load, by as many threads as are free. */
#include "backends/cpu/cpu.h"

/* Rows of one panel as the file has them. */
static uint64_t staging_of_thread(const skald_weight *w) {
    return sk_align(sk_mul(SK_PANEL, skald_dtype_bytes(w->type, w->n_in)), SK_CACHE_LINE);
}

skald_status sk_cpu_weight_plan(skald_device *device, skald_weight *w, uint64_t *staging_bytes, uint32_t uses) {
    (void)uses; /* a panel serves both looking up and multiplying */
    const sk_matmul *kind = sk_matmul_find(w->type, device->kernels.level);
    if (!kind) return SKALD_UNSUPPORTED;
    w->layout = sk_matmul_index(kind);
    w->n_bytes = sk_mul(sk_divide_up(w->n_out, SK_PANEL), kind->panel_bytes(w->type, w->n_in));
    *staging_bytes = sk_mul(device->host->n_threads, staging_of_thread(w));
    return SKALD_OK;
}

typedef struct {
    const skald_weight *w;
    const skald_reader *reader;
    uint32_t first;
    atomic_uint next;  /* panel to be packed */
    atomic_int status; /* the first failure */
} packing;

static skald_status pack_panel(const packing *p, uint32_t panel, void *staging) {
    const skald_weight *w = p->w;
    const sk_matmul *kind = sk_matmul_at(w->layout);
    const uint32_t at = panel * SK_PANEL, n = w->n_out - at < SK_PANEL ? w->n_out - at : SK_PANEL;
    const void *rows = staging;
    if (p->reader->view) {
        rows = (const char *)p->reader->view + (uint64_t)(p->first + at) * p->reader->row_bytes;
    } else {
        skald_status status = p->reader->read(p->reader->self, staging, p->first + at, n);
        if (status != SKALD_OK) return status;
    }
    kind->pack(w->buffer->data + w->offset + panel * kind->panel_bytes(w->type, w->n_in), w->type, rows,
               p->reader->row_bytes, n, w->n_in);
    return SKALD_OK;
}

static void pack_share(void *arg, uint32_t thread) {
    packing *p = arg;
    const uint32_t n = (uint32_t)sk_divide_up(p->w->n_out, SK_PANEL);
    char *staging = p->reader->view ? NULL : (char *)p->reader->staging + thread * staging_of_thread(p->w);
    for (uint32_t panel; atomic_load(&p->status) == SKALD_OK && (panel = atomic_fetch_add(&p->next, 1)) < n;) {
        int none = SKALD_OK;
        skald_status status = pack_panel(p, panel, staging);
        if (status != SKALD_OK) atomic_compare_exchange_strong(&p->status, &none, status);
    }
}

skald_status sk_cpu_weight_place(skald_device *device, const skald_weight *w, const skald_reader *reader,
                                 uint32_t first) {
    const skald_host *host = device->host;
    const bool shared = reader->view || reader->concurrent;
    packing p = {.w = w, .reader = reader, .first = first};
    void *team = shared ? host->enter(host->self, host->n_threads) : NULL;
    if (shared) host->run(host->self, team, pack_share, &p, host->n_threads);
    else pack_share(&p, 0);
    if (shared) host->leave(host->self, team);
    return atomic_load(&p.status);
}

const char *sk_cpu_weight_kernel(skald_device *device, const skald_weight *w) {
    (void)device;
    return sk_matmul_at(w->layout)->name;
}

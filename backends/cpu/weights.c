/* Weights in panels of 32 outputs, packed once at load, by as many threads as are free. */
#include "backends/cpu/cpu.h"

#define PIECE_BYTES ((uint64_t)256 << 10) /* of the file, read at once: stays in a near cache until it is packed */

/* Panels that a thread takes at once: a piece, but not so much that another thread would wait for it at the end. */
static uint32_t panels_at_once(const skald_weight *w, uint32_t n_threads) {
    const uint64_t bytes = sk_mul(SK_PANEL, skald_dtype_bytes(w->type, w->n_in));
    const uint64_t fair = sk_divide_up(w->n_out, SK_PANEL) / (4 * n_threads), n = PIECE_BYTES / bytes;
    return n < fair ? (uint32_t)(n ? n : 1) : fair ? (uint32_t)fair : 1;
}

/* Rows of those panels as the file has them. */
static uint64_t staging_of_thread(const skald_weight *w, uint32_t n_threads) {
    const uint64_t panel = sk_mul(SK_PANEL, skald_dtype_bytes(w->type, w->n_in));
    return sk_align(sk_mul(panels_at_once(w, n_threads), panel), SK_CACHE_LINE);
}

/* Rows as the file has them are the panels of the raw kinds, if the last panel is whole. */
static skald_status plan_in_place(skald_weight *w, uint64_t *staging_bytes) {
    if (w->n_out % SK_PANEL) return SKALD_UNSUPPORTED;
    for (uint32_t i = 0; sk_matmul_at(i); i++) {
        const sk_matmul *kind = sk_matmul_at(i);
        if (kind->type != w->type || kind->pack != sk_raw_pack) continue;
        w->layout = i;
        w->n_bytes = sk_mul(w->n_out, skald_dtype_bytes(w->type, w->n_in));
        *staging_bytes = 0;
        return SKALD_OK;
    }
    return SKALD_UNSUPPORTED;
}

/* A panel serves both looking up and multiplying. */
skald_status sk_cpu_weight_plan(skald_device *device, skald_weight *w, uint64_t *staging_bytes, uint32_t uses) {
    if (uses & SKALD_USE_IN_PLACE) return plan_in_place(w, staging_bytes);
    const sk_matmul *kind = sk_matmul_find(w->type, device->kernels.level);
    if (!kind) return SKALD_UNSUPPORTED;
    w->layout = sk_matmul_index(kind);
    w->n_bytes = sk_mul(sk_divide_up(w->n_out, SK_PANEL), kind->panel_bytes(w->type, w->n_in));
    *staging_bytes = sk_mul(device->host->n_threads, staging_of_thread(w, device->host->n_threads));
    return SKALD_OK;
}

typedef struct {
    const skald_weight *w;
    const skald_reader *reader;
    uint32_t first, n_threads;
    atomic_uint next;  /* panel to be packed */
    atomic_int status; /* the first failure */
} packing;

/* Panels [at, end). */
static skald_status pack_panels(const packing *p, uint32_t at, uint32_t end, void *staging) {
    const skald_weight *w = p->w;
    const sk_matmul *kind = sk_matmul_at(w->layout);
    const uint64_t row_bytes = p->reader->row_bytes, panel_bytes = kind->panel_bytes(w->type, w->n_in);
    const uint32_t first = at * SK_PANEL, n = sk_least(end * SK_PANEL, w->n_out) - first;
    const char *rows = staging;
    if (p->reader->view) {
        rows = (const char *)p->reader->view + (uint64_t)(p->first + first) * row_bytes;
    } else {
        skald_status status = p->reader->read(p->reader->self, staging, p->first + first, n);
        if (status != SKALD_OK) return status;
    }
    for (uint32_t r = 0; r < n; r += SK_PANEL, at++)
        kind->pack(w->buffer->data + w->offset + at * panel_bytes, w->type, rows + r * row_bytes, row_bytes,
                   sk_least(n - r, SK_PANEL), w->n_in);
    return SKALD_OK;
}

static void pack_share(void *arg, uint32_t thread) {
    packing *p = arg;
    const uint32_t n = (uint32_t)sk_divide_up(p->w->n_out, SK_PANEL), step = panels_at_once(p->w, p->n_threads);
    char *staging =
        p->reader->view ? NULL : (char *)p->reader->staging + thread * staging_of_thread(p->w, p->n_threads);
    for (uint32_t at; atomic_load(&p->status) == SKALD_OK && (at = atomic_fetch_add(&p->next, step)) < n;) {
        int none = SKALD_OK;
        skald_status status = pack_panels(p, at, sk_least(at + step, n), staging);
        if (status != SKALD_OK) atomic_compare_exchange_strong(&p->status, &none, status);
    }
}

skald_status sk_cpu_weight_place(skald_device *device, const skald_weight *w, const skald_reader *reader,
                                 uint32_t first) {
    const skald_host *host = device->host;
    const bool shared = reader->view || reader->concurrent;
    packing p = {.w = w, .reader = reader, .first = first, .n_threads = host->n_threads};
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

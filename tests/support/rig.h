/* A host without a model: a device, a buffer of rows and matrices, a stream of a few operations, paused at every fifth job.
 * Everything it allocates begins as NaN. The test includes it after allowing itself libc's memory. */
#ifndef SK_TESTS_RIG_H
#define SK_TESTS_RIG_H
#include "support/check.h"
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <dlfcn.h>
#include <skald/backend.h>
#include <stdbool.h>
#include <stdlib.h>

enum { RIG_THREADS = 3 };

typedef struct rig {
    skald_host host;
    const skald_backend *b;
    skald_device *device;
    skald_buffer *buffer;
    skald_store *store;
    skald_stream *stream;
    uint64_t used, asked; /* of the buffer; of the host */
    uint32_t polls;
} rig;

/* ---- the host */

static inline void *rig_alloc(void *self, uint64_t n_bytes, skald_memory_kind kind) {
    (void)kind;
    ((rig *)self)->asked += n_bytes;
    void *at = aligned_alloc(64, (size_t)(n_bytes + 63) / 64 * 64);
    return at ? memset(at, 0xff, (size_t)n_bytes) : NULL;
}

static inline void rig_free(void *self, void *pointer, uint64_t n_bytes) {
    (void)self, (void)n_bytes;
    free(pointer);
}

static inline void *rig_enter(void *self, uint32_t n_threads) {
    (void)n_threads;
    return self;
}

static inline void rig_run(void *self, void *team, void (*job)(void *, uint32_t), void *arg, uint32_t n_jobs) {
    (void)self, (void)team;
    while (n_jobs) job(arg, --n_jobs);
}

static inline void rig_leave(void *self, void *team) { (void)self, (void)team; }

static inline skald_poll rig_poll(void *self) { return ++((rig *)self)->polls % 5 ? SKALD_POLL_GO : SKALD_POLL_PAUSE; }

/* `level` of the CPU, NULL: the test device. */
static inline void rig_open(rig *g, const skald_backend *b, const char *level) {
    skald_report why = {.size = sizeof why};
    *g = (rig){.b = b};
    g->host = (skald_host){.size = sizeof g->host,
                           .n_threads = RIG_THREADS,
                           .self = g,
                           .alloc = rig_alloc,
                           .free = rig_free,
                           .enter = rig_enter,
                           .run = rig_run,
                           .leave = rig_leave,
                           .cpu_level = level};
    CHECK_EQUAL(b->open(&g->device, b, &g->host, level ? NULL : "delay=0", &why), SKALD_OK);
    CHECK_EQUAL(b->buffer_create(&g->buffer, g->device, (uint64_t)16 << 20, SKALD_MEMORY_WEIGHTS), SKALD_OK);
}

static inline void rig_close(rig *g) {
    g->b->stream_free(g->stream);
    if (g->store) g->b->store_free(g->store);
    g->b->buffer_free(g->buffer);
    g->b->close(g->device);
}

/* ---- rows */

static inline uint64_t rig_take(rig *g, uint64_t n_bytes) {
    const uint64_t at = g->used;
    g->used = (at + n_bytes + 63) & ~(uint64_t)63;
    return at;
}

static inline skald_rows rig_rows(rig *g, uint32_t n_rows, uint32_t width, skald_extent extent) {
    const uint64_t stride = (width * 4u + 63u) & ~63u;
    return (skald_rows){g->buffer, rig_take(g, n_rows * stride), stride, n_rows, width, SKALD_F32, extent};
}

static inline void rig_write_row(rig *g, const skald_rows *to, uint32_t r, const float *from) {
    CHECK_EQUAL(g->b->buffer_write(to->buffer, to->offset + r * to->stride, from, to->width * 4u), SKALD_OK);
}

/* Rows [0, n), `step` floats apart at `from`. */
static inline void rig_write(rig *g, const skald_rows *to, const float *from, uint32_t n, uint32_t step) {
    for (uint32_t r = 0; r < n; r++) rig_write_row(g, to, r, from + (size_t)r * step);
}

/* `step` bytes apart at `to`. */
static inline void rig_read(rig *g, void *to, const skald_rows *from, uint32_t n, uint32_t step) {
    for (uint32_t r = 0; r < n; r++)
        CHECK_EQUAL(g->b->stream_read((char *)to + (size_t)r * step, g->stream, from, r, 1), SKALD_OK);
}

/* One pass, however often it pauses. */
static inline void rig_pass(rig *g, skald_pass *pass) {
    skald_status status;
    pass->poll = rig_poll, pass->poll_self = g;
    CHECK_EQUAL(g->b->stream_start(g->stream, g->store, pass), SKALD_OK);
    while ((status = g->b->stream_run(g->stream)) == SKALD_PENDING) {}
    CHECK_EQUAL(status, SKALD_OK);
}

/* ---- numbers */

static uint64_t rig_state;

static inline uint32_t rig_draw(void) {
    rig_state ^= rig_state << 13, rig_state ^= rig_state >> 7, rig_state ^= rig_state << 17;
    return (uint32_t)(rig_state >> 32);
}

static inline float rig_uniform(void) { return (float)rig_draw() * 0x1p-31f - 1.0f; }

/* ---- matrices of one shape, n of them */

typedef struct bank {
    uint32_t n_in, n_out, n;
    skald_dtype type;
    uint64_t row_bytes;
    char *file;  /* as a file has it */
    float *x;    /* its values */
    float *bias; /* [n][n_out], or NULL */
    skald_weight weight;
    skald_rows rows; /* of the bias */
} bank;

static inline void put_half(char *to, float x) {
    const uint16_t half = sk_to_f16(x);
    memcpy(to, &half, 2);
}

/* Random bits under scales that make a row's products about 1. */
static inline void bank_fill_row(char *row, const bank *b) {
    const float size = 1.0f / sk_sqrt((float)b->n_in);
    for (uint32_t i = 0; i < b->row_bytes; i++) row[i] = (char)rig_draw();
    for (uint64_t at = 0; at < b->row_bytes;) {
        const float scale = size * (1.5f + rig_uniform());
        switch (b->type) {
        case SKALD_F32: memcpy(row + at, &(float){rig_uniform() * 2 * size}, 4), at += 4; break;
        case SKALD_F16: put_half(row + at, rig_uniform() * 2 * size), at += 2; break;
        case SKALD_Q8_0: put_half(row + at, scale / 74), at += 34; break;
        case SKALD_Q4_1: put_half(row + at, scale / 5), put_half(row + at + 2, scale * -1.5f), at += 20; break;
        case SKALD_Q4_K: put_half(row + at, scale / 257), put_half(row + at + 2, scale * 7.5f / 257), at += 144; break;
        case SKALD_Q6_K: put_half(row + at + 208, scale / 1366), at += 210; break;
        default: row[at] = (char)(121 + rig_draw() % 4), at += 17; break;
        }
    }
}

static inline bank bank_make(uint32_t n_in, uint32_t n_out, uint32_t n, skald_dtype type, bool biased) {
    bank b = {.n_in = n_in, .n_out = n_out, .n = n, .type = type};
    const size_t n_rows = (size_t)n_out * n;
    b.row_bytes = skald_dtype_bytes(type, n_in);
    b.file = malloc(n_rows * b.row_bytes), b.x = malloc(n_rows * n_in * sizeof(float));
    if (biased) b.bias = malloc(n_rows * sizeof(float));
    for (size_t r = 0; r < n_rows; r++) {
        bank_fill_row(b.file + r * b.row_bytes, &b);
        CHECK_EQUAL(skald_dtype_to_f32(b.x + r * n_in, type, b.file + r * b.row_bytes, n_in), SKALD_OK);
        if (biased) b.bias[r] = rig_uniform();
    }
    return b;
}

static inline void bank_free(bank *b) { free(b->file), free(b->x), free(b->bias); }

static inline skald_status bank_read(void *self, void *to, uint32_t first, uint32_t n) {
    const bank *b = self;
    memcpy(to, b->file + first * b->row_bytes, n * b->row_bytes);
    return SKALD_OK;
}

static inline void bank_place(rig *g, bank *b) {
    uint64_t staging_bytes;
    b->weight = (skald_weight){.buffer = g->buffer, .n_in = b->n_in, .n_out = b->n_out, .type = b->type};
    CHECK_EQUAL(g->b->weight_plan(g->device, &b->weight, &staging_bytes, SKALD_USE_PROJECT), SKALD_OK);
    b->weight.n_bytes = (b->weight.n_bytes + 63) & ~(uint64_t)63;
    b->weight.offset = rig_take(g, b->n * b->weight.n_bytes);
    const skald_reader reader = {b,    bank_read,
                                 NULL, b->row_bytes,
                                 0,    aligned_alloc(64, (staging_bytes + 63) / 64 * 64)};
    for (uint32_t i = 0; i < b->n; i++) {
        skald_weight one = b->weight;
        one.offset += i * b->weight.n_bytes;
        CHECK_EQUAL(g->b->weight_place(g->device, &one, &reader, i * b->n_out), SKALD_OK);
    }
    free(reader.staging);
    b->rows = (skald_rows){0};
    if (!b->bias) return;
    b->rows = rig_rows(g, b->n, b->n_out, SKALD_EXTENT_FIXED);
    rig_write(g, &b->rows, b->bias, b->n, b->n_out);
}

/* What matrix i makes of x, in double. */
static inline void bank_multiply(double *y, const double *x, const bank *b, uint32_t i) {
    for (uint32_t o = 0; o < b->n_out; o++) {
        const float *row = b->x + ((size_t)i * b->n_out + o) * b->n_in;
        y[o] = b->bias ? (double)b->bias[i * b->n_out + o] : 0;
        for (uint32_t k = 0; k < b->n_in; k++) y[o] += x[k] * (double)row[k];
    }
}

/* ---- devices */

/* The levels of the CPU that this machine has, one after the other from *at = 0 on; NULL: no more. */
static inline const char *rig_level(size_t *at) {
    static const char *const levels[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm"};
    while (*at < sizeof levels / sizeof *levels) {
        const char *name = levels[(*at)++];
        const int32_t level = sk_cpu_level(name);
        if (level >= 0 && strcmp(sk_cpu_level_name((uint32_t)level), name) == 0) return name;
    }
    return NULL;
}

/* The second device; *plugin is for dlclose. */
static inline const skald_backend *rig_apart(void **plugin) {
    skald_backend_entry_fn entry;
    *plugin = dlopen(SK_TEST_BIN "/tests/skald_device_test.so", RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(*plugin != NULL)) exit(sk_checked());
    *(void **)(void *)&entry = dlsym(*plugin, "skald_backend_entry");
    return entry(SKALD_BACKEND_VERSION);
}
#endif

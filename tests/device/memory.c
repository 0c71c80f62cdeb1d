/* Memory of the test device: a chain of blocks in the region, first fit, and the buffers of the host. The chain itself
 * lies in the region, so only the worker can walk it. */
#include "device/device.h"
#include <string.h>

typedef struct block {
    uint64_t n_bytes; /* behind this header */
    uint64_t used;
    uint64_t padding[6]; /* so that what lies behind it is at a multiple of 64 */
} block;

static block *block_at(skald_device *d, uint64_t at) { return device_at(d, at); }

void device_memory_begin(skald_device *d) { block_at(d, 0)->n_bytes = d->region_bytes - sizeof(block); }

static uint64_t behind(skald_device *d, uint64_t at) { return at + sizeof(block) + block_at(d, at)->n_bytes; }

static void join_free(skald_device *d, uint64_t at) {
    for (uint64_t next; (next = behind(d, at)) < d->region_bytes && !block_at(d, next)->used;)
        block_at(d, at)->n_bytes += sizeof(block) + block_at(d, next)->n_bytes;
}

typedef struct take_args {
    device_address *out;
    uint64_t n_bytes;
} take_args;

static skald_status take(skald_device *d, void *arg) {
    take_args *a = arg;
    for (uint64_t at = 0; at < d->region_bytes; at = behind(d, at)) {
        block *b = block_at(d, at);
        if (b->used) continue;
        join_free(d, at);
        if (b->n_bytes < a->n_bytes) continue;
        if (b->n_bytes - a->n_bytes > sizeof(block)) {
            uint64_t left = b->n_bytes - a->n_bytes - sizeof(block);
            b->n_bytes = a->n_bytes;
            *block_at(d, behind(d, at)) = (block){.n_bytes = left};
        }
        b->used = 1;
        *a->out = at + sizeof(block);
        memset(device_at(d, *a->out), 0xff, (size_t)a->n_bytes);
        return SKALD_OK;
    }
    return SKALD_MEMORY;
}

skald_status device_take(device_address *out, skald_device *d, uint64_t n_bytes) {
    if (n_bytes > d->region_bytes) return SKALD_MEMORY;
    take_args a = {out, (n_bytes + 63) & ~(uint64_t)63};
    return device_do(d, take, &a);
}

static skald_status give(skald_device *d, void *arg) {
    block_at(d, *(device_address *)arg - sizeof(block))->used = 0;
    return SKALD_OK;
}

void device_give(skald_device *d, device_address address) {
    if (address) device_do(d, give, &address);
}

/* ---- buffers */

uint64_t device_buffer_bytes(skald_device *d, uint64_t *on_device, uint64_t n_bytes) {
    (void)d;
    *on_device = (n_bytes + 63) & ~(uint64_t)63;
    return sizeof(skald_buffer);
}

skald_status device_buffer_create(skald_buffer **out, skald_device *d, uint64_t n_bytes, skald_memory_kind kind) {
    *out = NULL;
    skald_buffer *b = device_host_block(d, sizeof *b, kind);
    if (!b) return SKALD_MEMORY;
    *b = (skald_buffer){.device = d, .n_bytes = n_bytes};
    skald_status status = device_take(&b->address, d, n_bytes);
    if (status == SKALD_OK) *out = b;
    else device_buffer_free(b);
    return status;
}

void device_buffer_free(skald_buffer *b) {
    if (!b) return;
    device_give(b->device, b->address);
    b->device->host->free(b->device->host->self, b, sizeof *b);
}

typedef struct write_args {
    device_address to;
    const void *from;
    uint64_t n_bytes;
} write_args;

static skald_status write_bytes(skald_device *d, void *arg) {
    write_args *a = arg;
    memcpy(device_at(d, a->to), a->from, (size_t)a->n_bytes);
    return SKALD_OK;
}

skald_status device_buffer_write(skald_buffer *b, uint64_t offset, const void *from, uint64_t n_bytes) {
    if (offset > b->n_bytes || n_bytes > b->n_bytes - offset) return SKALD_ARGUMENT;
    if (n_bytes == 0) return SKALD_OK;
    write_args a = {b->address + offset, from, n_bytes};
    return device_do(b->device, write_bytes, &a);
}

void *device_buffer_address(skald_buffer *b) {
    (void)b;
    return NULL;
}

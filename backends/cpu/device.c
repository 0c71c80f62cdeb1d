/* The CPU as a device: its table, and memory that is the host's. */
#include "backends/cpu/cpu.h"
#include "base/report.h"
#include <string.h>

static skald_status open_device(skald_device **out, const skald_backend *backend, const skald_host *host,
                                const char *config, skald_report *why) {
    (void)backend, (void)config;
    int32_t level = sk_cpu_level(host->cpu_level);
    if (level < 0) return sk_fail(why, SKALD_ARGUMENT, "cpu level \"%s\" is not known here", host->cpu_level);
    skald_device *device = host->alloc(host->self, sizeof *device, SKALD_MEMORY_HANDLE);
    if (!device) return sk_fail(why, SKALD_MEMORY, "no memory for the cpu device");
    memset(device, 0, sizeof *device);
    device->host = host;
    sk_kernels_fill(&device->kernels, (uint32_t)level);
    *out = device;
    return SKALD_OK;
}

static void close_device(skald_device *device) { device->host->free(device->host->self, device, sizeof *device); }

static void get_info(skald_device_info *info, skald_device *device) {
    const skald_device_info mine = {sizeof mine, 1, sk_cpu_level_name(device->kernels.level)};
    sk_struct_give(info, &mine, sizeof mine, "skald_device_info", NULL);
}

static skald_status kernel(const char **operation, const char **name, skald_device *device, uint32_t index) {
    return sk_kernel_at(operation, name, device->kernels.level, index) ? SKALD_OK : SKALD_END;
}

static const void *get_interface(skald_device *device, const char *name, uint32_t version) {
    (void)device, (void)name, (void)version;
    return NULL;
}

static uint64_t buffer_bytes(skald_device *device, uint64_t *on_device, uint64_t n_bytes) {
    (void)device;
    *on_device = 0;
    return sk_add(sizeof(skald_buffer), n_bytes);
}

static skald_status buffer_create(skald_buffer **out, skald_device *device, uint64_t n_bytes, skald_memory_kind kind) {
    uint64_t none;
    skald_buffer *b = device->host->alloc(device->host->self, buffer_bytes(device, &none, n_bytes), kind);
    if (!b) return SKALD_MEMORY;
    *b = (skald_buffer){.device = device, .n_bytes = n_bytes, .data = (char *)(b + 1)};
    *out = b;
    return SKALD_OK;
}

static skald_status buffer_wrap(skald_buffer **out, skald_device *device, const void *address, uint64_t n_bytes) {
    skald_status status = buffer_create(out, device, 0, SKALD_MEMORY_HANDLE);
    if (status != SKALD_OK) return status;
    (*out)->n_bytes = n_bytes;
    (*out)->data = (char *)(uintptr_t)address;
    return SKALD_OK;
}

static void buffer_free(skald_buffer *b) {
    uint64_t none;
    if (!b) return;
    const uint64_t own = b->data == (char *)(b + 1) ? b->n_bytes : 0;
    b->device->host->free(b->device->host->self, b, buffer_bytes(b->device, &none, own));
}

static skald_status buffer_write(skald_buffer *b, uint64_t offset, const void *from, uint64_t n_bytes) {
    if (offset > b->n_bytes || n_bytes > b->n_bytes - offset) return SKALD_ARGUMENT;
    memcpy(b->data + offset, from, (size_t)n_bytes);
    return SKALD_OK;
}

static void *buffer_address(skald_buffer *b) { return b->data; }

const skald_backend *skald_cpu_backend(void) {
    static const skald_backend backend = {
        .size = sizeof backend,
        .version = SKALD_BACKEND_VERSION,
        .name = "cpu",
        .open = open_device,
        .close = close_device,
        .get_info = get_info,
        .refuses = sk_cpu_refuses,
        .kernel = kernel,
        .get_interface = get_interface,
        .buffer_bytes = buffer_bytes,
        .buffer_create = buffer_create,
        .buffer_free = buffer_free,
        .buffer_write = buffer_write,
        .buffer_address = buffer_address,
        .buffer_wrap = buffer_wrap,
        .weight_plan = sk_cpu_weight_plan,
        .weight_place = sk_cpu_weight_place,
        .weight_kernel = sk_cpu_weight_kernel,
        .store_bytes = sk_cpu_store_bytes,
        .store_create = sk_cpu_store_create,
        .store_free = sk_cpu_store_free,
        .layer_copy = sk_cpu_layer_copy,
        .part_read = sk_cpu_part_read,
        .part_write = sk_cpu_part_write,
        .stream_bytes = sk_cpu_stream_bytes,
        .stream_create = sk_cpu_stream_create,
        .stream_free = sk_cpu_stream_free,
        .stream_seal = sk_cpu_stream_seal,
        .stream_start = sk_cpu_stream_start,
        .stream_run = sk_cpu_stream_run,
        .stream_drop = sk_cpu_stream_drop,
        .stream_read = sk_cpu_stream_read,
        .ops = {sizeof(skald_ops), 0, sk_cpu_embed, sk_cpu_normalize, sk_cpu_project, sk_cpu_angles, sk_cpu_append,
                sk_cpu_attend, sk_cpu_gate, sk_cpu_select, sk_cpu_route, sk_cpu_experts, sk_cpu_project_heads,
                sk_cpu_convolve, sk_cpu_delta, sk_cpu_adapt},
    };
    return &backend;
}

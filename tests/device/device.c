/* The test device's table, its worker thread and its configuration. */
#include "device/device.h"
#include <fenv.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

skald_status device_say(skald_report *why, skald_status status, const char *text) {
    size_t head = offsetof(skald_report, text), room = why && why->size > head ? why->size - head : 0, n = 0;
    if (room == 0) return status;
    if (room > sizeof why->text) room = sizeof why->text;
    why->status = status;
    why->offset = UINT64_MAX;
    while (n + 1 < room && text[n]) n++;
    memcpy(why->text, text, n);
    why->text[n] = 0;
    return status;
}

void *device_host_block(skald_device *d, uint64_t n_bytes, skald_memory_kind kind) {
    void *p = d->host->alloc(d->host->self, n_bytes, kind);
    if (p) memset(p, 0, (size_t)n_bytes);
    return p;
}

/* ---- the worker */

static skald_status run_unlocked(skald_device *d, device_job *job, void *arg) {
    if (mprotect(d->region, (size_t)d->region_bytes, PROT_READ | PROT_WRITE) != 0) return SKALD_DEVICE;
    skald_status status = job(d, arg);
    return mprotect(d->region, (size_t)d->region_bytes, PROT_NONE) == 0 ? status : SKALD_DEVICE;
}

static void *work(void *arg) {
    skald_device *d = arg;
    fesetenv(FE_DFL_ENV); /* a thread inherits its maker's rounding and traps */
    pthread_mutex_lock(&d->lock);
    for (;;) {
        while (!d->closing && (!d->job || d->finished)) pthread_cond_wait(&d->changed, &d->lock);
        if (d->closing) break;
        pthread_mutex_unlock(&d->lock);
        skald_status status = run_unlocked(d, d->job, d->job_arg);
        pthread_mutex_lock(&d->lock);
        d->job_status = status;
        d->finished = true;
        pthread_cond_broadcast(&d->changed);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

skald_status device_do(skald_device *d, device_job *job, void *arg) {
    pthread_mutex_lock(&d->lock);
    while (d->job) pthread_cond_wait(&d->changed, &d->lock);
    d->job = job;
    d->job_arg = arg;
    pthread_cond_broadcast(&d->changed);
    while (!d->finished) pthread_cond_wait(&d->changed, &d->lock);
    skald_status status = d->job_status;
    d->job = NULL;
    d->finished = false;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    return status;
}

bool device_fires(skald_device *d, uint64_t *count, const uint64_t *fail_at) {
    pthread_mutex_lock(&d->lock);
    bool fires = ++*count == *fail_at;
    pthread_mutex_unlock(&d->lock);
    return fires;
}

/* The host's signal handlers must not run here: the worker blocks everything. */
static bool start_worker(skald_device *d) {
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_mutex_init(&d->lock, NULL) != 0) return false;
    if (pthread_cond_init(&d->changed, NULL) == 0) {
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int failed = pthread_create(&d->worker, NULL, work, d);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!failed) return true;
        pthread_cond_destroy(&d->changed);
    }
    pthread_mutex_destroy(&d->lock);
    return false;
}

/* ---- opening: config is a list of key=number, separated by commas or spaces */

static bool is_key(const char *text, size_t n, const char *key) { return strlen(key) == n && !memcmp(text, key, n); }

static bool configure(skald_device *d, const char *config) {
    for (const char *c = config ? config : ""; *c;) {
        size_t n = strcspn(c, "=");
        uint64_t megabytes = 0;
        uint64_t *to = is_key(c, n, "fail_op")      ? &d->fail_op
                       : is_key(c, n, "fail_start") ? &d->fail_start
                       : is_key(c, n, "fail_place") ? &d->fail_place
                       : is_key(c, n, "delay")      ? &d->delay
                       : is_key(c, n, "seed")       ? &d->random
                       : is_key(c, n, "memory")     ? &megabytes
                                                    : NULL;
        if (!to || c[n] != '=') return false;
        const char *first = c += n + 1;
        for (*to = 0; *c >= '0' && *c <= '9'; c++) *to = *to * 10 + (uint64_t)(*c - '0');
        if (c == first || c - first > 12) return false;
        if (megabytes) d->region_bytes = megabytes << 20;
        while (*c == ',' || *c == ' ') c++;
    }
    return true;
}

static skald_status begin_memory(skald_device *d, void *arg) {
    (void)arg;
    device_memory_begin(d);
    return SKALD_OK;
}

static void close_device(skald_device *d) {
    pthread_mutex_lock(&d->lock);
    d->closing = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->worker, NULL);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    munmap(d->region, (size_t)d->region_bytes);
    d->host->free(d->host->self, d, sizeof *d);
}

static skald_status open_device(skald_device **out, const skald_backend *backend, const skald_host *host,
                                const char *config, skald_report *why) {
    *out = NULL;
    if (backend->version != SKALD_BACKEND_VERSION || host->size < offsetof(skald_host, enter))
        return device_say(why, SKALD_UNSUPPORTED, "test device: a host of another version");
    skald_device settings = {.host = host, .delay = 3, .random = 1, .region_bytes = (uint64_t)4 << 30};
    if (!configure(&settings, config))
        return device_say(why, SKALD_ARGUMENT,
                          "test device: config is a list of fail_op, fail_start, fail_place, "
                          "delay, seed, memory (MiB), each with =number");
    skald_device *d = host->alloc(host->self, sizeof *d, SKALD_MEMORY_HANDLE);
    if (!d) return device_say(why, SKALD_MEMORY, "test device: no memory for its handle");
    *d = settings;
    void *region = mmap(NULL, (size_t)d->region_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    d->region = region;
    /* Every op opens and shuts all of it, which is quick where pages are large; without them it is only slower. */
    if (region != MAP_FAILED) (void)madvise(region, (size_t)d->region_bytes, MADV_HUGEPAGE);
    if (region != MAP_FAILED && start_worker(d)) {
        skald_status status = device_do(d, begin_memory, NULL);
        if (status == SKALD_OK) return *out = d, SKALD_OK;
        close_device(d);
        return device_say(why, status, "test device: its memory cannot be protected");
    }
    if (region != MAP_FAILED) munmap(region, (size_t)d->region_bytes);
    host->free(host->self, d, sizeof *d);
    return device_say(why, SKALD_MEMORY, "test device: no address space or no thread");
}

/* ---- what it says about itself */

static void get_info(skald_device_info *info, skald_device *d) {
    (void)d;
    skald_device_info own = {.size = info->size, .host_memory = 0, .level = "apart"};
    memcpy(info, &own, info->size < sizeof own ? info->size : sizeof own);
}

static void set_fail_after(skald_device *d, uint64_t n_ops) {
    pthread_mutex_lock(&d->lock);
    d->fail_op = n_ops ? d->executed + n_ops : 0;
    pthread_mutex_unlock(&d->lock);
}

static uint64_t executed(skald_device *d) {
    pthread_mutex_lock(&d->lock);
    uint64_t n = d->executed;
    pthread_mutex_unlock(&d->lock);
    return n;
}

static void *region(skald_device *d, uint64_t *n_bytes) {
    *n_bytes = d->region_bytes;
    return d->region;
}

static skald_status kernel(const char **operation, const char **name, skald_device *d, uint32_t index) {
    (void)d;
    if (index) return SKALD_END;
    *operation = "every operation", *name = "apart";
    return SKALD_OK;
}

static const void *get_interface(skald_device *d, const char *name, uint32_t version) {
    static const device_fault fault = {sizeof fault, 0, set_fail_after, executed, region};
    (void)d;
    return version == 1 && strcmp(name, DEVICE_FAULT_NAME) == 0 ? &fault : NULL;
}

SKALD_PLUGIN_EXPORT const skald_backend *skald_backend_entry(uint32_t version);

const skald_backend *skald_backend_entry(uint32_t version) {
    static const skald_backend table = {
        .size = sizeof table,
        .version = SKALD_BACKEND_VERSION,
        .name = "apart",
        .open = open_device,
        .close = close_device,
        .get_info = get_info,
        .refuses = device_refuses,
        .kernel = kernel,
        .get_interface = get_interface,
        .buffer_bytes = device_buffer_bytes,
        .buffer_create = device_buffer_create,
        .buffer_free = device_buffer_free,
        .buffer_write = device_buffer_write,
        .buffer_address = device_buffer_address,
        .weight_plan = device_weight_plan,
        .weight_place = device_weight_place,
        .weight_kernel = device_weight_kernel,
        .store_bytes = device_store_bytes,
        .store_create = device_store_create,
        .store_free = device_store_free,
        .layer_copy = device_layer_copy,
        .part_read = device_part_read,
        .part_write = device_part_write,
        .stream_bytes = device_stream_bytes,
        .stream_create = device_stream_create,
        .stream_free = device_stream_free,
        .stream_seal = device_stream_seal,
        .stream_start = device_stream_start,
        .stream_run = device_stream_run,
        .stream_drop = device_stream_drop,
        .stream_read = device_stream_read,
        .ops = {sizeof(skald_ops), 0, device_embed, device_normalize, device_project, device_angles, device_append,
                device_attend, device_gate, device_select, device_route, device_experts, device_project_heads,
                device_convolve, device_delta, device_adapt},
    };
    return version == SKALD_BACKEND_VERSION ? &table : NULL;
}

/* The door to what the host lends: memory, workers, log, devices. */
#include "base/fpmode.h"
#include "base/os/os.h"
#include "base/report.h"
#include "base/runtime.h"
#include <string.h>

#define MAX_THREADS 1024u

uint32_t skald_numerics_version(void) { return 1; }

void skald_runtime_options_init(skald_runtime_options *options, uint32_t size) {
    static const skald_runtime_options defaults = {.size = sizeof defaults};
    sk_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- what a device sees of its host */

static void *host_alloc(void *self, uint64_t n_bytes, skald_memory_kind kind) {
    return sk_allocate(&((skald_runtime *)self)->memory, 1, n_bytes, kind);
}

static void host_free(void *self, void *pointer, uint64_t n_bytes) {
    sk_release(&((skald_runtime *)self)->memory, pointer, n_bytes);
}

static void *host_enter(void *self, uint32_t n_threads) {
    return sk_pool_enter(((skald_runtime *)self)->pool, n_threads);
}

static void host_run(void *self, void *team, void (*job)(void *arg, uint32_t index), void *arg, uint32_t n_jobs) {
    sk_pool_run(((skald_runtime *)self)->pool, team, job, arg, n_jobs);
}

static void host_leave(void *self, void *team) { sk_pool_leave(((skald_runtime *)self)->pool, team); }

static uint64_t host_nanoseconds(void *self) {
    (void)self;
    return sk_os_nanoseconds();
}

static void host_log(void *self, int32_t level, const char *text) {
    const skald_runtime *runtime = self;
    if (runtime->log) runtime->log(runtime->log_user, level, text);
}

static void make_host(skald_runtime *r) {
    r->host = (skald_host){sizeof r->host,
                           sk_pool_threads(r->pool),
                           r,
                           host_alloc,
                           host_free,
                           host_enter,
                           host_run,
                           host_leave,
                           host_nanoseconds,
                           host_log,
                           r->cpu_level[0] ? r->cpu_level : NULL};
}

static skald_status open_device(skald_runtime *r, const skald_backend *backend, void *library, const char *config,
                                skald_report *why) {
    if (r->n_devices == SK_MAX_DEVICES)
        return sk_fail(why, SKALD_FULL, "%u devices are loaded already", SK_MAX_DEVICES);
    sk_device_slot *slot = &r->devices[r->n_devices];
    skald_status status = backend->open(&slot->device, backend, &r->host, config, why);
    if (status != SKALD_OK) return status;
    slot->backend = backend;
    slot->library = library;
    r->n_devices++;
    return SKALD_OK;
}

static void free_runtime(skald_runtime *r) {
    while (r->n_devices) {
        sk_device_slot *slot = &r->devices[--r->n_devices];
        slot->backend->close(slot->device);
        if (slot->library) sk_os_library_close(slot->library);
    }
    sk_pool_stop(r->pool);
    const skald_allocator memory = r->memory;
    sk_release(&memory, r, r->block_bytes);
}

static skald_status check(const skald_runtime_options *o, skald_report *why) {
    if (o->allocator && (!o->allocator->alloc || !o->allocator->free))
        return sk_fail(why, SKALD_ARGUMENT, "allocator: alloc and free are both needed");
    if (o->executor && (!o->executor->run || !o->executor->n_threads || o->executor->n_threads > MAX_THREADS))
        return sk_fail(why, SKALD_ARGUMENT, "executor: run, and n_threads from 1 to %u, are needed", MAX_THREADS);
    if (o->n_threads > MAX_THREADS)
        return sk_fail(why, SKALD_ARGUMENT, "n_threads is %u, at most %u expected", o->n_threads, MAX_THREADS);
    if (o->small_pages > 1 || o->reserved) return sk_fail(why, SKALD_ARGUMENT, "small_pages is 0 or 1, reserved is 0");
    if (o->cpu_level && strlen(o->cpu_level) >= sizeof((skald_runtime *)0)->cpu_level)
        return sk_fail(why, SKALD_ARGUMENT, "cpu level \"%s\" is not known", o->cpu_level);
    return SKALD_OK;
}

static uint32_t thread_count(const skald_runtime_options *o) {
    uint32_t n = o->n_threads ? o->n_threads : o->executor ? o->executor->n_threads : sk_os_processors();
    if (o->executor && n > o->executor->n_threads) n = o->executor->n_threads;
    return n < MAX_THREADS ? n : MAX_THREADS;
}

static skald_runtime *carve(sk_carver *c, uint32_t n_threads) {
    skald_runtime *r = sk_carve(c, 1, sizeof *r, SK_CACHE_LINE);
    sk_pool *pool = sk_pool_carve(c, n_threads);
    if (r) r->pool = pool;
    return r;
}

skald_status skald_runtime_create(skald_runtime **out, const skald_runtime_options *options, skald_report *why) {
    static const skald_runtime_options defaults = {.size = sizeof defaults};
    skald_runtime_options o;
    if (!out) return sk_fail(why, SKALD_ARGUMENT, "skald_runtime_create: out is NULL");
    *out = NULL;
    skald_status status = sk_options_copy(&o, sizeof o, &defaults, options, "skald_runtime_options", why);
    if (status == SKALD_OK) status = check(&o, why);
    if (status != SKALD_OK) return status;
    const skald_allocator *memory = o.allocator ? o.allocator : o.small_pages ? &sk_libc_allocator : &sk_huge_allocator;
    sk_carver c = {0};
    carve(&c, thread_count(&o));
    const uint64_t n_bytes = c.used;
    c = (sk_carver){.base = sk_allocate_zeroed(memory, 1, n_bytes, SKALD_MEMORY_HANDLE)};
    if (!c.base) return sk_fail(why, SKALD_MEMORY, "no memory for a runtime: %llu bytes", (unsigned long long)n_bytes);
    skald_runtime *r = carve(&c, thread_count(&o));
    atomic_init(&r->owners, 1);
    r->memory = *memory;
    r->block_bytes = n_bytes;
    r->log = o.log, r->log_user = o.log_user;
    if (o.cpu_level) memcpy(r->cpu_level, o.cpu_level, strlen(o.cpu_level) + 1);
    make_host(r);
    status = sk_pool_start(r->pool, o.executor);
    if (status != SKALD_OK) sk_fail(why, status, "a worker thread could not be made");
    if (status == SKALD_OK) status = open_device(r, skald_cpu_backend(), NULL, NULL, why);
    if (status == SKALD_OK) *out = r;
    else free_runtime(r);
    return status;
}

void skald_runtime_release(skald_runtime *runtime) {
    if (runtime && atomic_fetch_sub(&runtime->owners, 1) == 1) free_runtime(runtime);
}

/* The entry is looked up as data: ISO C has no cast from a data pointer to a function pointer. */
static const skald_backend *enter_plugin(void *library) {
    void *symbol = sk_os_library_symbol(library, "skald_backend_entry");
    skald_backend_entry_fn entry;
    if (!symbol) return NULL;
    memcpy(&entry, &symbol, sizeof entry);
    return entry(SKALD_BACKEND_VERSION);
}

static skald_status check_plugin(const skald_backend *b, const char *path, skald_report *why) {
    if (!b) return sk_fail(why, SKALD_UNSUPPORTED, "%s: no backend of version %u", path, SKALD_BACKEND_VERSION);
    if (b->version != SKALD_BACKEND_VERSION || b->size < sizeof *b || b->ops.size < sizeof b->ops || !b->name)
        return sk_fail(why, SKALD_UNSUPPORTED, "%s: backend version %u, table of %u bytes", path, b->version, b->size);
    return SKALD_OK;
}

skald_status skald_runtime_load_backend(skald_runtime *runtime, const char *path, const char *config,
                                        skald_report *why) {
    if (!runtime || !path) return sk_fail(why, SKALD_ARGUMENT, "skald_runtime_load_backend: an argument is NULL");
    void *library = sk_os_library_open(path, why);
    if (!library) return SKALD_READ;
    const skald_backend *backend = enter_plugin(library);
    skald_status status = check_plugin(backend, path, why);
    if (status == SKALD_OK) status = open_device(runtime, backend, library, config, why);
    if (status != SKALD_OK) sk_os_library_close(library);
    return status;
}

/* What the system refuses: reads, mappings, threads. Each comes out as a status, nothing is kept, and a file that shrinks
 * after it was opened is never looked at again. */
#define _DEFAULT_SOURCE
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static host_memory memory;

/* ---- calls that fail on request (linked with --wrap) */

static long n_mmaps, fail_mmap, n_starts, fail_start, n_joins;

void *__real_mmap(void *at, size_t n, int protection, int flags, int file, long offset);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int file, long offset);
void *__wrap_mmap64(void *at, size_t n, int protection, int flags, int file, long offset);
int __real_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*start)(void *), void *arg);
int __real_pthread_join(pthread_t id, void **result);
int __wrap_pthread_join(pthread_t id, void **result);

void *__wrap_mmap(void *at, size_t n, int protection, int flags, int file, long offset) {
    if (++n_mmaps == fail_mmap) return (void *)-1;
    return __real_mmap(at, n, protection, flags, file, offset);
}

void *__wrap_mmap64(void *at, size_t n, int protection, int flags, int file, long offset) {
    return __wrap_mmap(at, n, protection, flags, file, offset);
}

int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*start)(void *), void *arg) {
    if (++n_starts == fail_start) return 11; /* EAGAIN */
    return __real_pthread_create(id, attributes, start, arg);
}

int __wrap_pthread_join(pthread_t id, void **result) { return n_joins++, __real_pthread_join(id, result); }

/* ---- a file in memory whose nth read fails; workers may read at once */

typedef struct shaky_file {
    const char *bytes;
    size_t n_bytes;
    atomic_long n_reads;
    atomic_bool strayed; /* a read reached behind the file */
    long fail_at;
    skald_status status;
} shaky_file;

static skald_status shaky_read(void *user, void *to, uint64_t offset, size_t n_bytes) {
    shaky_file *f = user;
    if (atomic_fetch_add(&f->n_reads, 1) + 1 == f->fail_at) return f->status;
    if (offset > f->n_bytes || n_bytes > f->n_bytes - offset) {
        atomic_store(&f->strayed, true);
        return SKALD_READ;
    }
    memcpy(to, f->bytes + offset, n_bytes);
    return SKALD_OK;
}

static char *read_file(const char *path, size_t *n_bytes) {
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(4u << 20);
    *n_bytes = file && bytes ? fread(bytes, 1, 4u << 20, file) : 0;
    if (file) fclose(file);
    return bytes;
}

static skald_runtime *make_runtime(void) {
    skald_runtime *runtime = NULL;
    skald_runtime_options o;
    memory_init(&memory);
    skald_runtime_options_init(&o, sizeof o);
    o.allocator = &memory.allocator;
    o.n_threads = 2;
    CHECK_EQUAL(skald_runtime_create(&runtime, &o, NULL), SKALD_OK);
    return runtime;
}

/* Opens with read `at` failing; true when that read was reached. */
static bool open_with_failure(skald_runtime *runtime, shaky_file *f, long at, skald_status fail_with,
                              uint32_t concurrent) {
    skald_report why = {.size = sizeof why};
    skald_model *model = NULL;
    const uint64_t before = memory.live;
    atomic_store(&f->n_reads, 0);
    f->fail_at = at, f->status = fail_with;
    const skald_source source = {
        .size = sizeof source, .read = shaky_read, .user = f, .n_bytes = f->n_bytes, .concurrent = concurrent};
    skald_status status = skald_model_open(&model, runtime, NULL, &why, &source, 1);
    const bool reached = f->n_reads >= at;
    CHECK(!f->strayed);
    CHECK_SAID(status == (reached ? fail_with : SKALD_OK), "read %ld failed with %d: status %d", at, fail_with, status);
    CHECK((model != NULL) == !reached);
    if (reached) CHECK_SAID(why.status == fail_with && why.text[0], "read %ld failed: \"%s\"", at, why.text);
    skald_model_release(model);
    CHECK_SAID(memory.live == before, "read %ld failed: %lld bytes kept", at, (long long)(memory.live - before));
    return reached;
}

static void check_reads(void) {
    static const skald_status statuses[] = {SKALD_READ, SKALD_CANCELLED, -1000};
    shaky_file f = {.fail_at = 0};
    char *bytes = read_file(WORLD_MODEL, &f.n_bytes);
    f.bytes = bytes;
    skald_runtime *runtime = make_runtime();
    long n = 1;
    for (; open_with_failure(runtime, &f, n, SKALD_READ, 0); n++) {}
    CHECK_SAID(n > 10, "only %ld reads", n);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        for (long at = 1; at < n; at += n / 5 + 1) CHECK(open_with_failure(runtime, &f, at, statuses[i], 1));
    for (long at = 1;; at++) {
        skald_memory_plan plan = {.size = sizeof plan};
        const skald_source source = {.size = sizeof source, .read = shaky_read, .user = &f, .n_bytes = f.n_bytes};
        const uint64_t before = memory.live;
        atomic_store(&f.n_reads, 0);
        f.fail_at = at, f.status = SKALD_READ;
        skald_status status = skald_memory_get_plan(&plan, runtime, NULL, NULL, NULL, NULL, &source, 1);
        CHECK_EQUAL(memory.live, before);
        CHECK_EQUAL(status, f.n_reads >= at ? SKALD_READ : SKALD_OK);
        if (status == SKALD_OK) break;
    }
    skald_runtime_release(runtime);
    CHECK_EQUAL(memory.live, 0);
    CHECK_EQUAL(memory.n_mistakes, 0);
    printf("%ld reads failed\n", n - 1);
    free(bytes);
}

/* ---- mappings and handles of files */

static int open_files(void) {
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) n++;
    if (folder) closedir(folder);
    return n;
}

static void check_mappings(uint32_t in_place) {
    skald_runtime *runtime = make_runtime();
    skald_model *model = NULL;
    const skald_source source = {.size = sizeof source, .path = WORLD_MODEL, .map = !in_place};
    skald_model_options o;
    skald_model_options_init(&o, sizeof o);
    o.in_place = in_place;
    const uint64_t before = memory.live;
    const int files = open_files();
    n_mmaps = 0;
    for (fail_mmap = 1; fail_mmap < 10; fail_mmap++) {
        n_mmaps = 0;
        skald_status status = skald_model_open(&model, runtime, &o, NULL, &source, 1);
        skald_model_release(model);
        CHECK_EQUAL(memory.live, before);
        CHECK_EQUAL(open_files(), files);
        CHECK_EQUAL(status, n_mmaps >= fail_mmap ? SKALD_READ : SKALD_OK);
        if (status == SKALD_OK) break;
    }
    CHECK(fail_mmap > 1);
    fail_mmap = 0;
    skald_runtime_release(runtime);
    CHECK_EQUAL(memory.live, 0);
}

/* A file that is none of ours is not kept open either. */
static void check_strangers(void) {
    static const char *const names[] = {"/hashes.txt", "/tiny/nowhere.gguf", "/tiny"};
    skald_runtime *runtime = make_runtime();
    const int files = open_files();
    const uint64_t before = memory.live;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        skald_model *model = NULL;
        char path[512];
        snprintf(path, sizeof path, "%s%s", SK_TEST_DATA, names[i]);
        CHECK(skald_model_open_path(&model, runtime, path, NULL, NULL) != SKALD_OK && !model);
        CHECK_EQUAL(open_files(), files);
        CHECK_EQUAL(memory.live, before);
    }
    skald_runtime_release(runtime);
}

/* ---- threads */

static void check_threads(void) {
    for (long at = 1;; at++) {
        skald_runtime *runtime = NULL;
        skald_runtime_options o;
        skald_report why = {.size = sizeof why};
        memory_init(&memory);
        skald_runtime_options_init(&o, sizeof o);
        o.allocator = &memory.allocator;
        o.n_threads = 5;
        n_starts = n_joins = 0, fail_start = at;
        skald_status status = skald_runtime_create(&runtime, &o, &why);
        const bool reached = n_starts >= at;
        CHECK_SAID(status == (reached ? SKALD_MEMORY : SKALD_OK), "thread %ld cannot be made: status %d", at, status);
        if (reached) CHECK(runtime == NULL && why.status == SKALD_MEMORY);
        skald_runtime_release(runtime);
        CHECK_EQUAL(n_joins, reached ? at - 1 : 4);
        CHECK_EQUAL(memory.live, 0);
        if (!reached) break;
    }
    fail_start = 0;
}

/* ---- after open the file is the host's again */

static void check_truncation(void) {
    char path[] = "/tmp/skald-truncate-XXXXXX";
    world w;
    size_t n_bytes;
    char *bytes = read_file(WORLD_MODEL, &n_bytes);
    int file = mkstemp(path);
    CHECK(file >= 0 && write(file, bytes, n_bytes) == (ssize_t)n_bytes);
    CHECK_EQUAL(world_open(&w, &(world_options){.n_threads = 2}), SKALD_OK);
    const uint64_t want = world_answer(&w, 150, 3);
    CHECK(want != 0);
    const int files = open_files();
    skald_model *model = NULL;
    CHECK_EQUAL(skald_model_open_path(&model, w.runtime, path, NULL, NULL), SKALD_OK);
    CHECK_EQUAL(open_files(), files);
    CHECK_EQUAL(ftruncate(file, 0), 0);
    world other, cut = {.model = model, .info = w.info};
    CHECK_EQUAL(world_share(&other, &cut, &(world_options){.n_threads = 2}), SKALD_OK);
    CHECK(world_answer(&other, 150, 3) == want);
    CHECK(skald_model_metadata_key(model, 0) != NULL);
    world_close(&other);
    skald_model_release(model);
    CHECK_EQUAL(skald_model_open_path(&model, w.runtime, path, NULL, NULL), SKALD_FORMAT);
    world_close(&w);
    close(file);
    unlink(path);
    free(bytes);
}

int main(void) {
    check_reads();
    check_mappings(0);
    check_mappings(1);
    check_strangers();
    check_threads();
    check_truncation();
    return sk_checked();
}

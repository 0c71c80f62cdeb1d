#define SK_ALLOW_LIBC_MEMORY
#include "base/memory.h"
#include "base/report.h"
#include "base/os/os.h"
#include <string.h>

void *sk_allocate(const skald_allocator *memory, uint64_t count, uint64_t size, skald_memory_kind kind) {
    uint64_t bytes = sk_mul(count, size);
    if (bytes == 0 || bytes > PTRDIFF_MAX) return NULL;
    return memory->alloc(memory->user, (size_t)bytes, SK_CACHE_LINE, kind);
}

void *sk_allocate_zeroed(const skald_allocator *memory, uint64_t count, uint64_t size, skald_memory_kind kind) {
    void *p = sk_allocate(memory, count, size, kind);
    if (p) memset(p, 0, (size_t)(count * size));
    return p;
}

void sk_release(const skald_allocator *memory, void *pointer, uint64_t bytes) {
    if (pointer) memory->free(memory->user, pointer, (size_t)bytes, SK_CACHE_LINE);
}

static void *libc_alloc(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    (void)user, (void)kind;
    return sk_os_aligned_alloc(bytes, alignment);
}

static void libc_free(void *user, void *pointer, size_t bytes, size_t alignment) {
    (void)user, (void)bytes, (void)alignment;
    sk_os_aligned_free(pointer);
}

const skald_allocator sk_libc_allocator = {libc_alloc, libc_free, NULL};

#define LARGE_BYTES ((size_t)4 << 20)

static void *huge_alloc(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    /* Weights are written by a load, which looks between two jobs whether it shall stop. Pages of a cache and scratch are first
     * written within a step, where the system would clear 2 MB at once: 5 ms of a virtual machine. */
    return bytes < LARGE_BYTES ? libc_alloc(user, bytes, alignment, kind)
                               : sk_os_large_alloc(bytes, kind == SKALD_MEMORY_WEIGHTS);
}

static void huge_free(void *user, void *pointer, size_t bytes, size_t alignment) {
    if (bytes < LARGE_BYTES) libc_free(user, pointer, bytes, alignment);
    else sk_os_large_free(pointer, bytes);
}

const skald_allocator sk_huge_allocator = {huge_alloc, huge_free, NULL};

void *sk_carve(sk_carver *c, uint64_t count, uint64_t size, uint64_t alignment) {
    uint64_t start = sk_align(c->used, alignment), end = sk_add(start, sk_mul(count, size));
    if (start < c->used || end > PTRDIFF_MAX) c->broken = true;
    if (c->broken) return c->used = UINT64_MAX / 2, NULL;
    c->used = end;
    return c->base ? c->base + start : NULL;
}

skald_status sk_options_copy(void *to, uint32_t size, const void *defaults, const void *from, const char *name,
                             skald_report *why) {
    memcpy(to, defaults, size);
    if (!from) return SKALD_OK;
    uint32_t given;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > 4096)
        return sk_fail(why, SKALD_ARGUMENT, "%s: size is %u, set it with %s_init", name, given, name);
    for (uint32_t i = size; i < given; i++)
        if (((const unsigned char *)from)[i])
            return sk_fail(why, SKALD_ARGUMENT, "%s: an option of a newer version is set (byte %u)", name, i);
    memcpy(to, from, given < size ? given : size);
    memcpy(to, &size, sizeof size);
    return SKALD_OK;
}

void sk_options_init(void *to, uint32_t size, const void *defaults, uint32_t known) {
    if (!to || size < sizeof size) return;
    memset(to, 0, size);
    memcpy(to, defaults, size < known ? size : known);
    memcpy(to, &size, sizeof size);
}

skald_status sk_struct_give(void *to, const void *from, uint32_t size, const char *name, skald_report *why) {
    uint32_t given;
    memcpy(&given, to, sizeof given);
    if (given < sizeof given || given > 4096)
        return sk_fail(why, SKALD_ARGUMENT, "%s: size is %u, set it to sizeof %s", name, given, name);
    memcpy(to, from, given < size ? given : size);
    memcpy(to, &given, sizeof given);
    if (given > size) memset((char *)to + size, 0, given - size);
    return SKALD_OK;
}

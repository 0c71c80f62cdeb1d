/* What targets of one room share: a promise that stops the run when it is broken, and memory that counts what is lent. */
#ifndef SK_FUZZ_COUNTED_H
#define SK_FUZZ_COUNTED_H
#define SK_ALLOW_LIBC_MEMORY
#include "base/os/os.h"
#include <skald/skald.h>

#define PROMISE(holds) ((holds) ? (void)0 : __builtin_trap())

static uint64_t live; /* bytes that are lent */

static void *counted_lend(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    void *at = sk_os_aligned_alloc(bytes, alignment);
    (void)user, (void)kind;
    if (at) live += bytes;
    return at;
}

static void counted_take(void *user, void *pointer, size_t bytes, size_t alignment) {
    (void)user, (void)alignment;
    live -= bytes;
    sk_os_aligned_free(pointer);
}

static const skald_allocator counted_memory = {counted_lend, counted_take, NULL};
#endif

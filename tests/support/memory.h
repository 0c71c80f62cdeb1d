/* The memory of a host that counts what it lends by kind, checks what comes back, and refuses when told to. */
#ifndef SK_TESTS_MEMORY_H
#define SK_TESTS_MEMORY_H
#include "base/os/os.h"
#include <pthread.h>
#include <skald/skald.h>
#include <stdbool.h>
#include <stdlib.h>

#define MEMORY_KINDS  5u
#define MEMORY_BLOCKS 4096u

typedef struct memory_block {
    void *pointer;
    size_t bytes, alignment;
    skald_memory_kind kind;
} memory_block;

typedef struct host_memory {
    skald_allocator allocator; /* give its address to a runtime */
    pthread_mutex_t lock;
    long n_asked;
    long refuse_at; /* number, from 1, of the request that is refused; 0: none */
    bool refuse_on; /* all later ones too */
    long n_refused;
    long n_mistakes; /* blocks given back that were not lent, or with other numbers; unknown kinds */
    uint64_t live, peak;
    uint64_t live_of[MEMORY_KINDS], peak_of[MEMORY_KINDS];
    memory_block blocks[MEMORY_BLOCKS];
} host_memory;

static inline memory_block *memory_find(host_memory *m, const void *pointer) {
    for (uint32_t i = 0; i < MEMORY_BLOCKS; i++)
        if (m->blocks[i].pointer == pointer) return &m->blocks[i];
    return NULL;
}

static inline void *memory_lend(host_memory *m, size_t bytes, size_t alignment, skald_memory_kind kind) {
    memory_block *block = memory_find(m, NULL);
    void *pointer = NULL;
    m->n_asked++;
    if (m->n_asked == m->refuse_at || (m->refuse_on && m->refuse_at && m->n_asked > m->refuse_at)) {
        m->n_refused++;
        return NULL;
    }
    if (kind >= MEMORY_KINDS || !block || !(pointer = sk_os_aligned_alloc(bytes, alignment))) {
        m->n_mistakes++;
        return NULL;
    }
    for (size_t i = 0; i < bytes; i++) ((unsigned char *)pointer)[i] = 0xa5; /* nobody may count on zeros */
    *block = (memory_block){pointer, bytes, alignment, kind};
    m->live += bytes;
    m->live_of[kind] += bytes;
    if (m->live > m->peak) m->peak = m->live;
    if (m->live_of[kind] > m->peak_of[kind]) m->peak_of[kind] = m->live_of[kind];
    return pointer;
}

static inline void memory_take(host_memory *m, void *pointer, size_t bytes, size_t alignment) {
    memory_block *block = pointer ? memory_find(m, pointer) : NULL;
    if (!block || block->bytes != bytes || block->alignment != alignment) {
        m->n_mistakes++;
        return;
    }
    m->live -= bytes;
    m->live_of[block->kind] -= bytes;
    block->pointer = NULL;
    sk_os_aligned_free(pointer);
}

static inline void *memory_alloc(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    host_memory *m = user;
    pthread_mutex_lock(&m->lock);
    void *pointer = memory_lend(m, bytes, alignment, kind);
    pthread_mutex_unlock(&m->lock);
    return pointer;
}

static inline void memory_free(void *user, void *pointer, size_t bytes, size_t alignment) {
    host_memory *m = user;
    pthread_mutex_lock(&m->lock);
    memory_take(m, pointer, bytes, alignment);
    pthread_mutex_unlock(&m->lock);
}

static inline void memory_init(host_memory *m) {
    *m = (host_memory){.allocator = {memory_alloc, memory_free, m}};
    pthread_mutex_init(&m->lock, NULL);
}

/* Peaks begin again from what is out now. */
static inline void memory_mark(host_memory *m) {
    m->peak = m->live;
    for (uint32_t i = 0; i < MEMORY_KINDS; i++) m->peak_of[i] = m->live_of[i];
}
#endif

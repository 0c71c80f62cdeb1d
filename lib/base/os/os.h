/* The only door to the operating system: memory, files, threads, time, processors. */
#ifndef SK_BASE_OS_H
#define SK_BASE_OS_H
#include <skald/skald.h>
#include <stdbool.h>

/* Aligned blocks from libc, NULL when there is no memory. */
void *sk_os_aligned_alloc(size_t bytes, size_t alignment);
void sk_os_aligned_free(void *pointer);
/* A block of the system's own, for megabytes. huge: in huge pages where the system has them and a program may ask. Only those
 * that lie in the block whole are huge, so no more than the block is ever resident. Freed, it is gone. */
void *sk_os_large_alloc(size_t bytes, bool huge);
void sk_os_large_free(void *pointer, size_t bytes); /* not NULL, and the same number */

/* ---- files */
typedef struct sk_os_file {
    intptr_t handle; /* -1 while closed */
    uint64_t bytes;
} sk_os_file;

/* `path` is UTF-8 on every system. READ with a sentence when it cannot be opened or is not a plain file. */
skald_status sk_os_file_open(sk_os_file *file, const char *path, skald_report *why);
/* Exactly n_bytes from `offset`, or READ. Any number of threads at once. */
skald_status sk_os_file_read(const sk_os_file *file, void *to, uint64_t offset, size_t n_bytes);
void sk_os_file_close(sk_os_file *file);
/* The whole file as memory, read only; NULL when it cannot be mapped. Valid after the file is closed. */
void *sk_os_file_map(const sk_os_file *file);
void sk_os_unmap(void *pointer, uint64_t bytes);
bool sk_os_is_folder(const char *path);

/* ---- time and processors */
uint64_t sk_os_nanoseconds(void); /* monotonic */
uint32_t sk_os_processors(void);  /* that this process may use: affinity and quota counted; at least 1 */
uint64_t sk_os_process(void);     /* changes in a child after fork */
uint64_t sk_os_thread(void);      /* differs between living threads */
void sk_os_pause(void);           /* a spinning thread's breath */
bool sk_os_allow_tiles(void);     /* AMX: whether this process may use tiles, once it has asked */

/* ---- shared libraries; NULL where the system has none */
void *sk_os_library_open(const char *path, skald_report *why);
void *sk_os_library_symbol(void *library, const char *name);
void sk_os_library_close(void *library);
#endif

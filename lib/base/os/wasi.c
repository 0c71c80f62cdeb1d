/* The operating system behind os.h on WASI, where a program has one thread, the folders that it was given, and neither
 * mappings nor shared libraries. */
#if defined(__wasi__)
#define _POSIX_C_SOURCE 200809L
#include "base/os/os.h"
#include "base/report.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void *sk_os_aligned_alloc(size_t bytes, size_t alignment) {
    void *block = NULL;
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    return posix_memalign(&block, alignment, bytes) ? NULL : block;
}

void sk_os_aligned_free(void *pointer) { free(pointer); }

void *sk_os_large_alloc(size_t bytes, bool huge) {
    (void)huge;
    return sk_os_aligned_alloc(bytes, 64);
}

void sk_os_large_free(void *pointer, size_t bytes) {
    (void)bytes;
    free(pointer);
}

/* ---- files */

static const char *reason(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR: return "there is no such file";
    case EACCES:
    case EPERM:
    case ENOTCAPABLE: return "access is not allowed";
    case EMFILE:
    case ENFILE: return "too many files are open";
    case ENAMETOOLONG: return "the name is too long";
    case ENOMEM: return "the system has no memory";
    case EIO: return "the device reports an error";
    }
    return "the system refuses";
}

skald_status sk_os_file_open(sk_os_file *file, const char *path, skald_report *why) {
    file->handle = -1;
    file->bytes = 0;
    const int handle = open(path, O_RDONLY | O_NONBLOCK);
    if (handle < 0) return sk_fail(why, SKALD_READ, "%s: %s (error %d)", path, reason(errno), errno);
    struct stat about;
    if (fstat(handle, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size < 0) {
        close(handle);
        return sk_fail(why, SKALD_READ, "%s: not a plain file", path);
    }
    file->handle = handle;
    file->bytes = (uint64_t)about.st_size;
    return SKALD_OK;
}

skald_status sk_os_file_read(const sk_os_file *file, void *to, uint64_t offset, size_t n_bytes) {
    for (size_t done = 0; done < n_bytes;) {
        const size_t step = n_bytes - done < (1u << 30) ? n_bytes - done : 1u << 30;
        const ssize_t n = pread((int)file->handle, (char *)to + done, step, (off_t)(offset + done));
        if (n > 0) done += (size_t)n;
        else if (n == 0 || errno != EINTR) return SKALD_READ;
    }
    return SKALD_OK;
}

void sk_os_file_close(sk_os_file *file) {
    if (file->handle >= 0) close((int)file->handle);
    file->handle = -1;
}

void *sk_os_file_map(const sk_os_file *file) { return (void)file, NULL; }

void sk_os_unmap(void *pointer, uint64_t bytes) { (void)pointer, (void)bytes; }

bool sk_os_is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* ---- time and processors */

uint64_t sk_os_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t sk_os_processors(void) { return 1; }
uint64_t sk_os_process(void) { return 1; }
uint64_t sk_os_thread(void) { return 1; }
void sk_os_pause(void) {}
bool sk_os_allow_tiles(void) { return false; }

/* ---- shared libraries */

void *sk_os_library_open(const char *path, skald_report *why) {
    sk_fail(why, SKALD_READ, "%s: cannot be loaded: this system has no shared libraries", path);
    return NULL;
}

void *sk_os_library_symbol(void *library, const char *name) { return (void)library, (void)name, NULL; }
void sk_os_library_close(void *library) { (void)library; }
#else
typedef int sk_os_wasi_is_elsewhere;
#endif

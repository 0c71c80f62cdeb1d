/* The operating system behind os.h on Linux, macOS and the BSDs. */
#if !defined(_WIN32) && !defined(__wasi__)
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT_S */
#endif
#include "base/os/os.h"
#include "base/report.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif

void *sk_os_aligned_alloc(size_t bytes, size_t alignment) {
    void *block = NULL;
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    return posix_memalign(&block, alignment, bytes) ? NULL : block;
}

void sk_os_aligned_free(void *pointer) { free(pointer); }

#define HUGE_PAGE ((size_t)2 << 20)

static size_t whole_pages(size_t bytes) { return (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1); }

void *sk_os_large_alloc(size_t bytes, bool huge) {
    if (bytes > PTRDIFF_MAX - 2 * HUGE_PAGE) return NULL;
    const size_t used = whole_pages(bytes);
    char *room = mmap(NULL, used + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return NULL;
    const size_t before = (0 - (uintptr_t)room) & (HUGE_PAGE - 1);
    if (before) munmap(room, before);
    munmap(room + before + used, HUGE_PAGE - before);
#if defined(MADV_HUGEPAGE)
    /* a wish: where it is refused, pages are as the system likes */
    madvise(room + before, bytes & ~(HUGE_PAGE - 1), huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)huge;
#endif
    return room + before;
}

void sk_os_large_free(void *pointer, size_t bytes) { munmap(pointer, whole_pages(bytes)); }

/* ---- files */

/* strerror depends on the locale, and its buffer is shared. */
static const char *reason(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR: return "there is no such file";
    case EACCES:
    case EPERM: return "access is not allowed";
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
    int handle = -1;
    do handle = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a pipe must not block */
    while (handle < 0 && errno == EINTR);
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
        size_t step = n_bytes - done < (1u << 30) ? n_bytes - done : 1u << 30; /* some systems refuse 2 GiB at once */
        ssize_t n = pread((int)file->handle, (char *)to + done, step, (off_t)(offset + done));
        if (n > 0) done += (size_t)n;
        else if (n == 0 || errno != EINTR) return SKALD_READ;
    }
    return SKALD_OK;
}

void sk_os_file_close(sk_os_file *file) {
    if (file->handle >= 0) close((int)file->handle);
    file->handle = -1;
}

void *sk_os_file_map(const sk_os_file *file) {
    if (file->bytes == 0 || file->bytes > PTRDIFF_MAX) return NULL;
    void *p = mmap(NULL, (size_t)file->bytes, PROT_READ, MAP_PRIVATE, (int)file->handle, 0);
    return p == MAP_FAILED ? NULL : p;
}

void sk_os_unmap(void *pointer, uint64_t bytes) {
    if (pointer) munmap(pointer, (size_t)bytes);
}

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

#if defined(__linux__)
/* A small file of the kernel as text; its length, 0 when there is none. */
static size_t read_small(const char *path, char *text, size_t room) {
    int handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0) return 0;
    ssize_t n = read(handle, text, room - 1);
    close(handle);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

static const char *number(const char *p, uint64_t *n) {
    for (*n = 0; *p >= '0' && *p <= '9' && *n < 1000000000000u; p++) *n = *n * 10 + (uint64_t)(*p - '0');
    return p;
}

/* cgroup v2 writes "max 100000" or "150000 100000": microseconds of processor time per period. */
static uint32_t quota_of(const char *folder) {
    char path[640], text[64];
    if (sk_format(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", folder) >= sizeof path) return UINT32_MAX;
    if (!read_small(path, text, sizeof text) || text[0] < '0' || text[0] > '9') return UINT32_MAX;
    uint64_t quota, period;
    const char *p = number(text, &quota);
    number(*p == ' ' ? p + 1 : p, &period);
    uint64_t whole = period ? (quota + period - 1) / period : UINT32_MAX;
    return whole == 0 ? 1 : whole < UINT32_MAX ? (uint32_t)whole : UINT32_MAX;
}

/* The narrowest quota from this process's group up to the root that it can see. */
static uint32_t quota(void) {
    char text[1024], *folder = NULL;
    uint32_t least = quota_of("");
    if (!read_small("/proc/self/cgroup", text, sizeof text)) return least;
    for (char *line = text; line && !folder; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, "0::", 3) == 0) folder = line + 3;
    }
    if (!folder) return least;
    folder[strcspn(folder, "\n")] = 0;
    for (char *slash; (slash = strrchr(folder, '/')) != NULL && folder[1]; *slash = 0) {
        uint32_t here = quota_of(folder);
        if (here < least) least = here;
    }
    return least;
}

static uint32_t allowed(void) {
    cpu_set_t set[16]; /* 16384 processors */
    if (sched_getaffinity(0, sizeof set, set) != 0) return 1;
    uint32_t n = (uint32_t)CPU_COUNT_S(sizeof set, set), most = quota();
    return n < most ? n : most;
}
#else
static uint32_t allowed(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (uint32_t)n : 1;
}
#endif

uint32_t sk_os_processors(void) {
    uint32_t n = allowed();
    return n ? n : 1;
}

uint64_t sk_os_process(void) { return (uint64_t)getpid(); }

uint64_t sk_os_thread(void) {
    pthread_t self = pthread_self();
    uint64_t id = 0;
    memcpy(&id, &self, sizeof self < sizeof id ? sizeof self : sizeof id);
    return id;
}

void sk_os_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#if defined(__linux__) && defined(__x86_64__)
/* arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA): libc has no function for it, and syscall() would set errno. */
bool sk_os_allow_tiles(void) {
    long result;
    __asm__ __volatile__("syscall" : "=a"(result) : "a"(158L), "D"(0x1023L), "S"(18L) : "rcx", "r11", "memory");
    return result == 0;
}
#else
bool sk_os_allow_tiles(void) { return false; }
#endif

/* ---- shared libraries */

void *sk_os_library_open(const char *path, skald_report *why) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *text = dlerror();
        sk_fail(why, SKALD_READ, "%s: cannot be loaded: %s", path, text ? text : "no reason given");
    }
    return library;
}

void *sk_os_library_symbol(void *library, const char *name) { return dlsym(library, name); }

void sk_os_library_close(void *library) {
    if (library) dlclose(library);
}
#else
typedef int sk_os_posix_is_elsewhere;
#endif

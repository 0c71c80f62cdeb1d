/* The operating system behind os.h on Windows 8 and later. Every path goes through the wide calls: the narrow ones read
 * it in the code page of the user. */
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0602
#include "base/os/os.h"
#include "base/report.h"
#include <windows.h>
#include <malloc.h>
#include <string.h>

#define PATH_ROOM 2048 /* UTF-16 units; behind the prefix \\?\ the system takes them all, without it 259 */

void *sk_os_aligned_alloc(size_t bytes, size_t alignment) { return _aligned_malloc(bytes, alignment); }
void sk_os_aligned_free(void *pointer) { _aligned_free(pointer); }

/* Large pages need a privilege that programs do not have; these are the system's small ones, zero when first touched. */
void *sk_os_large_alloc(size_t bytes, bool huge) {
    (void)huge;
    return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void sk_os_large_free(void *pointer, size_t bytes) {
    (void)bytes;
    VirtualFree(pointer, 0, MEM_RELEASE);
}

/* ---- files */

static const char *reason(DWORD error) {
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME: return "there is no such file";
    case ERROR_ACCESS_DENIED: return "access is not allowed";
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION: return "another program keeps it for itself";
    case ERROR_TOO_MANY_OPEN_FILES: return "too many files are open";
    case ERROR_FILENAME_EXCED_RANGE: return "the name is too long";
    case ERROR_NOT_ENOUGH_MEMORY: return "the system has no memory";
    case ERROR_CRC:
    case ERROR_IO_DEVICE: return "the device reports an error";
    }
    return "the system refuses";
}

static bool widen(wchar_t wide[PATH_ROOM], const char *path, skald_report *why) {
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, PATH_ROOM) > 0) return true;
    const bool is_long = GetLastError() == ERROR_INSUFFICIENT_BUFFER;
    sk_fail(why, SKALD_READ, "%s: %s", path, is_long ? "the name is too long" : "the name is not UTF-8");
    return false;
}

static bool is_folder(const wchar_t *wide) {
    const DWORD about = GetFileAttributesW(wide);
    return about != INVALID_FILE_ATTRIBUTES && about & FILE_ATTRIBUTE_DIRECTORY;
}

skald_status sk_os_file_open(sk_os_file *file, const char *path, skald_report *why) {
    wchar_t wide[PATH_ROOM];
    LARGE_INTEGER bytes;
    file->handle = -1;
    file->bytes = 0;
    if (!widen(wide, path, why)) return SKALD_READ;
    if (is_folder(wide)) return sk_fail(why, SKALD_READ, "%s: not a plain file", path);
    HANDLE handle = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                                OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        const DWORD error = GetLastError();
        return sk_fail(why, SKALD_READ, "%s: %s (error %u)", path, reason(error), (unsigned)error);
    }
    if (GetFileType(handle) != FILE_TYPE_DISK || !GetFileSizeEx(handle, &bytes)) {
        CloseHandle(handle);
        return sk_fail(why, SKALD_READ, "%s: not a plain file", path);
    }
    file->handle = (intptr_t)handle;
    file->bytes = (uint64_t)bytes.QuadPart;
    return SKALD_OK;
}

skald_status sk_os_file_read(const sk_os_file *file, void *to, uint64_t offset, size_t n_bytes) {
    for (size_t done = 0; done < n_bytes;) {
        const uint64_t at = offset + done;
        OVERLAPPED place = {.Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32)};
        DWORD step = n_bytes - done < (1u << 30) ? (DWORD)(n_bytes - done) : 1u << 30, n = 0;
        if (!ReadFile((HANDLE)file->handle, (char *)to + done, step, &n, &place) || n == 0) return SKALD_READ;
        done += n;
    }
    return SKALD_OK;
}

void sk_os_file_close(sk_os_file *file) {
    if (file->handle != -1) CloseHandle((HANDLE)file->handle);
    file->handle = -1;
}

/* The view keeps the mapping, and the mapping the file. */
void *sk_os_file_map(const sk_os_file *file) {
    if (file->bytes == 0 || file->bytes > PTRDIFF_MAX) return NULL;
    HANDLE mapping = CreateFileMappingW((HANDLE)file->handle, NULL, PAGE_READONLY, 0, 0, NULL);
    if (!mapping) return NULL;
    void *view = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, (size_t)file->bytes);
    CloseHandle(mapping);
    return view;
}

void sk_os_unmap(void *pointer, uint64_t bytes) {
    (void)bytes;
    if (pointer) UnmapViewOfFile(pointer);
}

bool sk_os_is_folder(const char *path) {
    wchar_t wide[PATH_ROOM];
    return widen(wide, path, NULL) && is_folder(wide);
}

/* ---- time and processors */

uint64_t sk_os_nanoseconds(void) {
    LARGE_INTEGER now, each_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&each_second);
    const uint64_t ticks = (uint64_t)now.QuadPart, rate = (uint64_t)each_second.QuadPart;
    return ticks / rate * 1000000000u + ticks % rate * 1000000000u / rate;
}

/* The mask is of one group of 64 processors; it is 0 for a process that runs in several, which are all of them. */
uint32_t sk_os_processors(void) {
    DWORD_PTR mine = 0, all = 0;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &mine, &all)) return 1;
    const uint32_t n = mine ? (uint32_t)__builtin_popcountll(mine) : GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return n ? n : 1;
}

uint64_t sk_os_process(void) { return GetCurrentProcessId(); }
uint64_t sk_os_thread(void) { return GetCurrentThreadId(); }
void sk_os_pause(void) { YieldProcessor(); }
bool sk_os_allow_tiles(void) { return false; } /* not asked for here: the level below is taken */

/* ---- shared libraries */

/* A library that is missing or broken must not open a window of the system's. */
void *sk_os_library_open(const char *path, skald_report *why) {
    wchar_t wide[PATH_ROOM];
    DWORD before = 0;
    if (!widen(wide, path, why)) return NULL;
    SetThreadErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX, &before);
    HMODULE library = LoadLibraryW(wide);
    const DWORD error = GetLastError();
    SetThreadErrorMode(before, NULL);
    if (!library) sk_fail(why, SKALD_READ, "%s: cannot be loaded: error %u", path, (unsigned)error);
    return library;
}

void *sk_os_library_symbol(void *library, const char *name) {
    FARPROC found = GetProcAddress(library, name);
    void *symbol;
    memcpy(&symbol, &found, sizeof symbol);
    return symbol;
}

void sk_os_library_close(void *library) {
    if (library) FreeLibrary(library);
}
#else
typedef int sk_os_windows_is_elsewhere;
#endif

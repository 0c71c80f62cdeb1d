/* Threads of the system: start, join, and a gate to sleep at. Sizes are checked against the system's own in the .c. */
#ifndef SK_BASE_OS_THREAD_H
#define SK_BASE_OS_THREAD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sanitizer keeps every variable of what is inlined apart: a frame of 300 bytes becomes half a megabyte. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SK_OS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SK_OS_SANITIZED 1
#endif
#endif
#if defined(SK_OS_SANITIZED)
#define SK_OS_THREAD_STACK ((size_t)4 * 1024 * 1024)
#else
#define SK_OS_THREAD_STACK ((size_t)256 * 1024)
#endif

/* A lock with a place to wait at. */
typedef struct sk_os_gate {
    uint64_t space[24];
} sk_os_gate;

bool sk_os_gate_open(sk_os_gate *gate);
void sk_os_gate_close(sk_os_gate *gate);
void sk_os_gate_lock(sk_os_gate *gate);
void sk_os_gate_unlock(sk_os_gate *gate);
void sk_os_gate_wait(sk_os_gate *gate); /* locked; may return for no reason */
void sk_os_gate_wake(sk_os_gate *gate); /* all who wait */

typedef struct sk_os_thread_handle {
    uint64_t space[2];
} sk_os_thread_handle;

/* Runs main(arg) on a new thread that blocks all signals. False: the system has no thread for us. */
bool sk_os_thread_start(sk_os_thread_handle *thread, void (*main)(void *arg), void *arg);
void sk_os_thread_join(sk_os_thread_handle *thread);
#endif

/* Threads behind thread.h on Windows. */
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0602
#include "base/os/thread.h"
#include <windows.h>
#include <string.h>

typedef struct {
    SRWLOCK lock;
    CONDITION_VARIABLE condition;
} gate_parts;
_Static_assert(sizeof(gate_parts) <= sizeof(sk_os_gate), "sk_os_gate is too small here");
_Static_assert(sizeof(HANDLE) <= sizeof(sk_os_thread_handle), "sk_os_thread_handle is too small here");

typedef struct {
    void (*main)(void *arg);
    void *arg;
    sk_os_gate ready; /* the starter's frame is gone once `started` is seen */
    bool started;
} start_letter;

static gate_parts *parts(sk_os_gate *gate) { return (gate_parts *)(void *)gate; }

bool sk_os_gate_open(sk_os_gate *gate) {
    InitializeSRWLock(&parts(gate)->lock);
    InitializeConditionVariable(&parts(gate)->condition);
    return true;
}

void sk_os_gate_close(sk_os_gate *gate) { (void)gate; } /* neither part holds anything of the system */
void sk_os_gate_lock(sk_os_gate *gate) { AcquireSRWLockExclusive(&parts(gate)->lock); }
void sk_os_gate_unlock(sk_os_gate *gate) { ReleaseSRWLockExclusive(&parts(gate)->lock); }

void sk_os_gate_wait(sk_os_gate *gate) {
    SleepConditionVariableSRW(&parts(gate)->condition, &parts(gate)->lock, INFINITE, 0);
}

void sk_os_gate_wake(sk_os_gate *gate) { WakeAllConditionVariable(&parts(gate)->condition); }

static DWORD WINAPI enter(void *from) {
    start_letter *letter = from;
    void (*main)(void *) = letter->main;
    void *arg = letter->arg;
    sk_os_gate_lock(&letter->ready);
    letter->started = true;
    sk_os_gate_wake(&letter->ready);
    sk_os_gate_unlock(&letter->ready);
    main(arg);
    return 0;
}

bool sk_os_thread_start(sk_os_thread_handle *thread, void (*main)(void *arg), void *arg) {
    start_letter letter = {.main = main, .arg = arg};
    sk_os_gate_open(&letter.ready);
    HANDLE handle = CreateThread(NULL, SK_OS_THREAD_STACK, enter, &letter, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (!handle) return false;
    memcpy(thread, &handle, sizeof handle);
    sk_os_gate_lock(&letter.ready);
    while (!letter.started) sk_os_gate_wait(&letter.ready);
    sk_os_gate_unlock(&letter.ready);
    return true;
}

void sk_os_thread_join(sk_os_thread_handle *thread) {
    HANDLE handle;
    memcpy(&handle, thread, sizeof handle);
    WaitForSingleObject(handle, INFINITE);
    CloseHandle(handle);
}
#else
typedef int sk_os_thread_windows_is_elsewhere;
#endif

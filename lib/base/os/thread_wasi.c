/* Threads behind thread.h on WASI: there is one, so nothing waits and no other can be started. */
#if defined(__wasi__)
#include "base/os/thread.h"

bool sk_os_gate_open(sk_os_gate *gate) { return (void)gate, true; }
void sk_os_gate_close(sk_os_gate *gate) { (void)gate; }
void sk_os_gate_lock(sk_os_gate *gate) { (void)gate; }
void sk_os_gate_unlock(sk_os_gate *gate) { (void)gate; }
void sk_os_gate_wait(sk_os_gate *gate) { (void)gate; }
void sk_os_gate_wake(sk_os_gate *gate) { (void)gate; }

bool sk_os_thread_start(sk_os_thread_handle *thread, void (*main)(void *arg), void *arg) {
    return (void)thread, (void)main, (void)arg, false;
}

void sk_os_thread_join(sk_os_thread_handle *thread) { (void)thread; }
#else
typedef int sk_os_thread_wasi_is_elsewhere;
#endif

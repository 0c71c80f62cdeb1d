/* Threads behind thread.h on Linux, macOS and the BSDs. */
#if !defined(_WIN32) && !defined(__wasi__)
#define _POSIX_C_SOURCE 200809L
#include "base/os/thread.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
} gate_parts;
_Static_assert(sizeof(gate_parts) <= sizeof(sk_os_gate), "sk_os_gate is too small here");

typedef struct {
    void (*main)(void *arg);
    void *arg;
    sk_os_gate ready; /* the starter's frame is gone once `started` is seen */
    bool started;
} start_letter;

static gate_parts *parts(sk_os_gate *gate) { return (gate_parts *)(void *)gate; }

bool sk_os_gate_open(sk_os_gate *gate) {
    if (pthread_mutex_init(&parts(gate)->mutex, NULL) != 0) return false;
    if (pthread_cond_init(&parts(gate)->condition, NULL) == 0) return true;
    pthread_mutex_destroy(&parts(gate)->mutex);
    return false;
}

void sk_os_gate_close(sk_os_gate *gate) {
    pthread_cond_destroy(&parts(gate)->condition);
    pthread_mutex_destroy(&parts(gate)->mutex);
}

void sk_os_gate_lock(sk_os_gate *gate) { pthread_mutex_lock(&parts(gate)->mutex); }
void sk_os_gate_unlock(sk_os_gate *gate) { pthread_mutex_unlock(&parts(gate)->mutex); }
void sk_os_gate_wait(sk_os_gate *gate) { pthread_cond_wait(&parts(gate)->condition, &parts(gate)->mutex); }
void sk_os_gate_wake(sk_os_gate *gate) { pthread_cond_broadcast(&parts(gate)->condition); }

static void *enter(void *from) {
    start_letter *letter = from;
    void (*main)(void *) = letter->main;
    void *arg = letter->arg;
    sk_os_gate_lock(&letter->ready);
    letter->started = true;
    sk_os_gate_wake(&letter->ready);
    sk_os_gate_unlock(&letter->ready);
    main(arg);
    return NULL;
}

static bool create(sk_os_thread_handle *thread, start_letter *letter) {
    pthread_attr_t attributes;
    pthread_t id;
    if (pthread_attr_init(&attributes) != 0) return false;
    sigset_t all, before;
    sigfillset(&all);
    bool ok = pthread_attr_setstacksize(&attributes, SK_OS_THREAD_STACK) == 0 &&
              pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    if (ok) {
        ok = pthread_create(&id, &attributes, enter, letter) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    if (ok) memcpy(thread, &id, sizeof id);
    return ok;
}

bool sk_os_thread_start(sk_os_thread_handle *thread, void (*main)(void *arg), void *arg) {
    _Static_assert(sizeof(pthread_t) <= sizeof(sk_os_thread_handle), "sk_os_thread_handle is too small here");
    start_letter letter = {.main = main, .arg = arg};
    if (!sk_os_gate_open(&letter.ready)) return false;
    bool ok = create(thread, &letter);
    if (ok) {
        sk_os_gate_lock(&letter.ready);
        while (!letter.started) sk_os_gate_wait(&letter.ready);
        sk_os_gate_unlock(&letter.ready);
    }
    sk_os_gate_close(&letter.ready);
    return ok;
}

void sk_os_thread_join(sk_os_thread_handle *thread) {
    pthread_t id;
    memcpy(&id, thread, sizeof id);
    pthread_join(id, NULL);
}
#else
typedef int sk_os_thread_posix_is_elsewhere;
#endif

/* The host that waits for a long call: it is told how far the call has come, and may cancel it. */
#ifndef SK_BASE_WATCH_H
#define SK_BASE_WATCH_H
#include <skald/skald.h>
#include <stdatomic.h>

typedef struct sk_watch {
    skald_progress_fn progress; /* NULL: nobody waits */
    void *user;
    const char *call; /* "the load": for the sentence of a call that was cancelled */
    uint64_t thread;  /* that made the call: told there only */
    uint64_t next;    /* when it is told again, in nanoseconds */
    uint64_t all;     /* bytes that there are to do, 0: not known yet; `done` of them are done */
    atomic_uint_least64_t done;
} sk_watch;

void sk_watch_begin(sk_watch *watch, skald_progress_fn progress, void *user, const char *call);
/* CANCELLED: the host has enough. It is asked at most once a millisecond, so this may stand in every loop. A watch that is
 * NULL or all zeros lets everything pass, and so do other threads than the host's. */
skald_status sk_watch_look(sk_watch *watch, skald_report *why);
/* The last word: all is done. CANCELLED likewise. */
skald_status sk_watch_end(sk_watch *watch, skald_report *why);

/* What takes milliseconds in one piece, piece by piece. */
skald_status sk_watch_copy(sk_watch *watch, void *to, const void *from, uint64_t n_bytes, skald_report *why);
skald_status sk_watch_fill(sk_watch *watch, void *to, int byte, uint64_t n_bytes, skald_report *why);
#endif

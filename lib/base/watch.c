#include "base/watch.h"
#include "base/os/os.h"
#include "base/report.h"
#include <string.h>

#define PAUSE_NANOSECONDS 1000000u
#define PIECE_BYTES       ((uint64_t)256 << 10) /* in pages that nobody has written yet: some tenths of a millisecond */

void sk_watch_begin(sk_watch *w, skald_progress_fn progress, void *user, const char *call) {
    *w = (sk_watch){.progress = progress, .user = user, .call = call, .thread = sk_os_thread()};
}

static skald_status tell(sk_watch *w, float done, skald_report *why) {
    if (!w->progress(w->user, done)) return SKALD_OK;
    return sk_fail(why, SKALD_CANCELLED, "%s was cancelled", w->call);
}

skald_status sk_watch_look(sk_watch *w, skald_report *why) {
    if (!w || !w->progress || sk_os_thread() != w->thread) return SKALD_OK;
    const uint64_t now = sk_os_nanoseconds();
    if (now < w->next) return SKALD_OK;
    w->next = now + PAUSE_NANOSECONDS;
    return tell(w, w->all ? (float)((double)atomic_load(&w->done) / (double)w->all) : 0.0f, why);
}

skald_status sk_watch_end(sk_watch *w, skald_report *why) { return w && w->progress ? tell(w, 1.0f, why) : SKALD_OK; }

static uint64_t piece(uint64_t left) { return left < PIECE_BYTES ? left : PIECE_BYTES; }

skald_status sk_watch_copy(sk_watch *w, void *to, const void *from, uint64_t n_bytes, skald_report *why) {
    skald_status status = SKALD_OK;
    for (uint64_t at = 0; at < n_bytes && status == SKALD_OK; at += PIECE_BYTES) {
        memcpy((char *)to + at, (const char *)from + at, (size_t)piece(n_bytes - at));
        status = sk_watch_look(w, why);
    }
    return status;
}

skald_status sk_watch_fill(sk_watch *w, void *to, int byte, uint64_t n_bytes, skald_report *why) {
    skald_status status = SKALD_OK;
    for (uint64_t at = 0; at < n_bytes && status == SKALD_OK; at += PIECE_BYTES) {
        memset((char *)to + at, byte, (size_t)piece(n_bytes - at));
        status = sk_watch_look(w, why);
    }
    return status;
}

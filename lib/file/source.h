/* Bytes of one untrusted file, wherever they come from: read, mapped, in memory, or from the host's callback. */
#ifndef SK_FILE_SOURCE_H
#define SK_FILE_SOURCE_H
#include "base/os/os.h"
#include "base/watch.h"

typedef struct sk_source {
    uint64_t n_bytes;
    const char *view; /* all bytes, when they are mapped or in memory; else NULL */
    void *mapping;    /* what close has to unmap, or NULL */
    sk_os_file file;  /* when is_file */
    skald_status (*read)(void *user, void *to, uint64_t offset, size_t n_bytes);
    void *user;
    sk_watch *watch; /* asked while something is read; NULL: nobody waits */
    bool is_file;    /* read by path, and still open */
    bool concurrent; /* several threads may read at once */
} sk_source;

/* Copies part `index` of an array whose stride is parts[0].size, and checks that it names exactly one origin. */
skald_status sk_source_part(skald_source *out, const skald_source *parts, uint32_t index, skald_report *why);

/* `from` must have come from sk_source_part. After a failure there is nothing to close. */
skald_status sk_source_open(sk_source *out, const skald_source *from, skald_report *why);
/* Gives back what open took; a source of zeros or closed before is nothing. */
void sk_source_close(sk_source *source);
/* `to` becomes the owner, for whom nobody waits; `from` is as if closed. */
void sk_source_move(sk_source *to, sk_source *from);

/* Exactly n_bytes from `offset`. FORMAT: the file is not so long. READ or the callback's status: it cannot be read.
 * CANCELLED by the watch. */
skald_status sk_source_read(const sk_source *source, void *to, uint64_t offset, size_t n_bytes, skald_report *why);
/* The bytes themselves while the source is open; NULL when they can only be read, or are not there. */
const void *sk_source_view(const sk_source *source, uint64_t offset, uint64_t n_bytes);
#endif

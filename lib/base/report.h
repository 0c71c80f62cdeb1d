/* Saying why: a sentence with what and where, in the caller's own memory. */
#ifndef SK_BASE_REPORT_H
#define SK_BASE_REPORT_H
#include <skald/skald.h>
#include <stdarg.h>
#include <stddef.h>

#if defined(__MINGW32__) && !defined(__clang__)
#define SK_PRINTF(text, first) __attribute__((__format__(__gnu_printf__, text, first))) /* printf would be msvcrt's */
#elif defined(__GNUC__)
#define SK_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define SK_PRINTF(text, first)
#endif

/* Fills `why` (may be NULL) and returns `status`: return sk_fail(why, SKALD_FORMAT, "tensor %s: ...", name). */
skald_status sk_fail(skald_report *why, skald_status status, const char *format, ...) SK_PRINTF(3, 4);
/* As sk_fail, with the byte offset in the file that the sentence is about. */
skald_status sk_fail_at(skald_report *why, skald_status status, uint64_t offset, const char *format, ...)
    SK_PRINTF(4, 5);

/* Formats without libc (no locale): %s %.*s %c %d %u %x with the lengths l, ll, z, and %%. Always ends with NUL, cut at
 * a UTF-8 border; bytes below space or that are not UTF-8 come out as '?', so a hostile name cannot act on a terminal.
 * Returns the length that would have been written. */
size_t sk_format(char *out, size_t room, const char *format, ...) SK_PRINTF(3, 4);
size_t sk_format_list(char *out, size_t room, const char *format, va_list list);
#endif

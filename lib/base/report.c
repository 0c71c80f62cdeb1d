#include "base/report.h"
#include "base/utf8.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    char *out;
    size_t room, length;
} sink;

static void put(sink *s, char c) {
    if (s->length + 1 < s->room) s->out[s->length] = c;
    s->length++;
}

static void put_text(sink *s, const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0, step; i < n; i += step ? step : 1) {
        step = p[i] < 0x20 || p[i] == 0x7f ? 0 : sk_utf8_length(p + i, n - i);
        if (step == 0) put(s, '?');
        for (size_t k = 0; k < step; k++) put(s, text[i + k]);
    }
}

static void put_number(sink *s, uint64_t n, unsigned base, bool minus) {
    char digits[24];
    size_t k = sizeof digits;
    do digits[--k] = "0123456789abcdef"[n % base];
    while ((n /= base) != 0);
    if (minus) digits[--k] = '-';
    while (k < sizeof digits) put(s, digits[k++]);
}

static size_t bounded_length(const char *text, size_t limit) {
    size_t n = 0;
    while (n < limit && text[n]) n++;
    return n;
}

/* Takes a partial character off the end of a text that was cut. */
static void close_text(sink *s) {
    if (s->room == 0) return;
    size_t n = s->length < s->room ? s->length : s->room - 1;
    if (s->length >= s->room) {
        size_t k = n;
        while (k > 0 && n - k < 4 && ((unsigned char)s->out[k - 1] & 0xc0) == 0x80) k--;
        if (k > 0 && (unsigned char)s->out[k - 1] >= 0xc0 &&
            sk_utf8_length((const unsigned char *)s->out + k - 1, n - (k - 1)) == 0)
            n = k - 1;
    }
    s->out[n] = 0;
}

size_t sk_format_list(char *out, size_t room, const char *format, va_list list) {
    sink s = {out, room, 0};
    for (const char *f = format; *f; f++) {
        if (*f != '%') {
            put(&s, *f);
            continue;
        }
        size_t limit = SIZE_MAX, longs = 0;
        bool sized = false;
        f++;
        if (f[0] == '.' && f[1] == '*') {
            int n = va_arg(list, int);
            limit = n < 0 ? 0 : (size_t)n;
            f += 2;
        }
        for (; *f == 'l'; f++) longs++;
        if (*f == 'z') sized = true, f++;
        if (*f == 's') {
            const char *text = va_arg(list, const char *);
            if (!text) text = "(none)";
            put_text(&s, text, bounded_length(text, limit));
        } else if (*f == 'c') {
            char c = (char)va_arg(list, int);
            put_text(&s, &c, 1);
        } else if (*f == 'd') {
            long long n = longs > 1 ? va_arg(list, long long) : longs ? va_arg(list, long) : va_arg(list, int);
            put_number(&s, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10, n < 0);
        } else if (*f == 'u' || *f == 'x') {
            uint64_t n = sized       ? va_arg(list, size_t)
                         : longs > 1 ? va_arg(list, unsigned long long)
                         : longs     ? va_arg(list, unsigned long)
                                     : va_arg(list, unsigned);
            put_number(&s, n, *f == 'x' ? 16 : 10, false);
        } else {
            put(&s, *f);
        }
    }
    close_text(&s);
    return s.length;
}

size_t sk_format(char *out, size_t room, const char *format, ...) {
    va_list list;
    va_start(list, format);
    size_t n = sk_format_list(out, room, format, list);
    va_end(list);
    return n;
}

/* An older host's report may be shorter: nothing is written behind its size. */
static skald_status fill(skald_report *why, skald_status status, uint64_t offset, const char *format, va_list list) {
    const size_t head = offsetof(skald_report, text);
    if (!why || why->size <= head) return status;
    why->status = status;
    why->offset = offset;
    size_t room = why->size - head;
    sk_format_list(why->text, room < sizeof why->text ? room : sizeof why->text, format, list);
    return status;
}

skald_status sk_fail(skald_report *why, skald_status status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fill(why, status, UINT64_MAX, format, list);
    va_end(list);
    return status;
}

skald_status sk_fail_at(skald_report *why, skald_status status, uint64_t offset, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fill(why, status, offset, format, list);
    va_end(list);
    return status;
}

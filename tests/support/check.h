/* A test is a program: CHECK what must hold, `return sk_checked()` at the end. A failed check is told and counted. */
#ifndef SK_TESTS_CHECK_H
#define SK_TESTS_CHECK_H
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static long sk_checks_done, sk_checks_failed;

#if defined(__MINGW_PRINTF_FORMAT)
#define SK_CHECK_FORMAT __MINGW_PRINTF_FORMAT
#else
#define SK_CHECK_FORMAT printf
#endif

/* `note` says with what values, in printf's way. */
__attribute__((format(SK_CHECK_FORMAT, 4, 5))) static inline int sk_check(int holds, const char *file, int line,
                                                                          const char *note, ...) {
    sk_checks_done++;
    if (holds) return 1;
    if (++sk_checks_failed > 20) return 0;
    va_list list;
    va_start(list, note);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, note, list);
    fputc('\n', stderr);
    va_end(list);
    return 0;
}

#define CHECK(holds)           sk_check(!!(holds), __FILE__, __LINE__, "%s", #holds)
#define CHECK_SAID(holds, ...) sk_check(!!(holds), __FILE__, __LINE__, __VA_ARGS__)
#define CHECK_EQUAL(got, want) sk_check_equal((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define CHECK_TEXT(got, want)  sk_check_text((got), (want), #got, __FILE__, __LINE__)

static inline int sk_check_equal(long long got, long long want, const char *what, const char *file, int line) {
    return sk_check(got == want, file, line, "%s is %lld, expected %lld", what, got, want);
}

static inline int sk_check_text(const char *got, const char *want, const char *what, const char *file, int line) {
    return sk_check(strcmp(got, want) == 0, file, line, "%s is \"%s\", expected \"%s\"", what, got, want);
}

static inline int sk_checked(void) {
    printf("%ld checks, %ld failed\n", sk_checks_done, sk_checks_failed);
    return sk_checks_failed != 0;
}
#endif

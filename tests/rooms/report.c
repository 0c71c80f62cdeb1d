/* The guest's manners in lib/base: sentences without libc, option structs of any age, sizes that cannot wrap. */
#include "support/check.h"
#include "base/memory.h"
#include "base/report.h"
#include <limits.h>
#include <stdint.h>
#include <string.h>

static void check_format(void) {
    char out[64];
    CHECK_EQUAL((int)sk_format(out, sizeof out, "%s is %d, not %u%%", "it", -5, 7u), 16);
    CHECK_TEXT(out, "it is -5, not 7%");
    sk_format(out, sizeof out, "%lld %llu", LLONG_MIN, ULLONG_MAX);
    CHECK_TEXT(out, "-9223372036854775808 18446744073709551615");
    sk_format(out, sizeof out, "%ld %lu %zu %x", -1L, 1UL, (size_t)3, 0xbeefu);
    CHECK_TEXT(out, "-1 1 3 beef");
    const char *volatile nothing = NULL;
    sk_format(out, sizeof out, "%.*s|%c|%s", 3, "abcdef", 'x', nothing);
    CHECK_TEXT(out, "abc|x|(none)");
    sk_format(out, sizeof out, "%s", "a\033[2Jb\n\x7f\xff\xc3(\xc3\xa9");
    CHECK_TEXT(out, "a?[2Jb\?\?\?\?(\xc3\xa9");
    sk_format(out, sizeof out, "%.*s", 1, "\xc3\xa9");
    CHECK_TEXT(out, "?");
}

/* Too little room: the length is still told, the end is a NUL, and no character is cut in two. */
static void check_cut(void) {
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t whole[] = {0, 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t room = 0; room < sizeof whole / sizeof whole[0]; room++) {
        char out[16];
        memset(out, 0x55, sizeof out);
        size_t n = sk_format(out, room, "%s", text);
        CHECK_SAID(n == sizeof text - 1, "room %zu: length %zu", room, n);
        CHECK_SAID(room == 0 ? out[0] == 0x55 : strlen(out) == whole[room], "room %zu: \"%.*s\"", room, (int)room, out);
        CHECK_SAID(out[room] == 0x55, "room %zu: written behind it", room);
    }
}

static void check_report(void) {
    skald_report why = {.size = sizeof why};
    CHECK_EQUAL(sk_fail(&why, SKALD_FORMAT, "tensor %s", "x"), SKALD_FORMAT);
    CHECK(why.status == SKALD_FORMAT && why.offset == UINT64_MAX);
    CHECK_TEXT(why.text, "tensor x");
    sk_fail_at(&why, SKALD_READ, 123, "here");
    CHECK(why.status == SKALD_READ && why.offset == 123);
    CHECK_EQUAL(sk_fail(NULL, SKALD_MEMORY, "%s", "nobody listens"), SKALD_MEMORY);

    /* a host of an older header has less room; one that forgot the size is left alone */
    memset(why.text, 0x55, sizeof why.text);
    why.size = (uint32_t)offsetof(skald_report, text) + 8;
    sk_fail(&why, SKALD_FORMAT, "a long sentence");
    CHECK(memcmp(why.text, "a long ", 8) == 0 && why.text[8] == 0x55);
    why.size = 0;
    why.status = 99;
    sk_fail(&why, SKALD_FORMAT, "nothing");
    CHECK(why.status == 99 && why.text[0] == 'a');
    why.size = UINT32_MAX;
    memset(why.text, 'x', sizeof why.text);
    sk_fail(&why, SKALD_FORMAT, "%.*s%.*s", 496, why.text, 1, "y");
    CHECK(memchr(why.text, 0, sizeof why.text) == why.text + sizeof why.text - 1);
}

typedef struct options {
    uint32_t size, first, second, third;
} options;

static void check_options(void) {
    static const options defaults = {sizeof(options), 10, 20, 30};
    skald_report why = {.size = sizeof why};
    options own, given = {sizeof given, 1, 2, 3};
    CHECK(sk_options_copy(&own, sizeof own, &defaults, NULL, "o", &why) == SKALD_OK && own.third == 30);
    CHECK(sk_options_copy(&own, sizeof own, &defaults, &given, "o", &why) == SKALD_OK && own.first == 1 &&
          own.third == 3);
    given.size = 8; /* from a header that knew only the first */
    CHECK_EQUAL(sk_options_copy(&own, sizeof own, &defaults, &given, "o", &why), SKALD_OK);
    CHECK(own.size == sizeof own && own.first == 1 && own.second == 20 && own.third == 30);
    struct {
        options known;
        uint32_t later[2];
    } newer = {{sizeof newer, 1, 2, 3}, {0, 0}};
    CHECK_EQUAL(sk_options_copy(&own, sizeof own, &defaults, &newer, "o", &why), SKALD_OK);
    CHECK(own.size == sizeof own && own.third == 3);
    newer.later[1] = 1 << 8;
    CHECK_EQUAL(sk_options_copy(&own, sizeof own, &defaults, &newer, "thing_options", &why), SKALD_ARGUMENT);
    CHECK_TEXT(why.text, "thing_options: an option of a newer version is set (byte 21)");
    for (uint32_t bad = 0; bad < 4; bad++) {
        given.size = bad;
        CHECK_EQUAL(sk_options_copy(&own, sizeof own, &defaults, &given, "o", &why), SKALD_ARGUMENT);
    }
    given.size = 4097;
    CHECK_EQUAL(sk_options_copy(&own, sizeof own, &defaults, &given, "o", &why), SKALD_ARGUMENT);
}

static void check_give(void) {
    const options from = {sizeof from, 1, 2, 3};
    options to = {8, 7, 7, 7};
    CHECK_EQUAL(sk_struct_give(&to, &from, sizeof from, "o", NULL), SKALD_OK);
    CHECK(to.size == 8 && to.first == 1 && to.second == 7 && to.third == 7);
    struct {
        options known;
        uint32_t later;
    } newer = {{sizeof newer, 7, 7, 7}, 7};
    CHECK_EQUAL(sk_struct_give(&newer, &from, sizeof from, "o", NULL), SKALD_OK);
    CHECK(newer.known.size == sizeof newer && newer.known.third == 3 && newer.later == 0);
    to.size = 0;
    CHECK_EQUAL(sk_struct_give(&to, &from, sizeof from, "o", NULL), SKALD_ARGUMENT);
}

static void check_sizes(void) {
    static char block[256];
    CHECK(sk_mul(1ull << 32, 1ull << 32) == UINT64_MAX && sk_mul(0, UINT64_MAX) == 0 && sk_mul(3, 5) == 15);
    CHECK(sk_add(UINT64_MAX, 1) == UINT64_MAX && sk_add(1, 2) == 3);
    CHECK(sk_align(0, 64) == 0 && sk_align(1, 64) == 64 && sk_align(64, 64) == 64);
    CHECK(sk_divide_up(0, 8) == 0 && sk_divide_up(9, 8) == 2 && sk_divide_up(UINT64_MAX, 2) == 1ull << 63);
    CHECK(sk_allocate(&sk_libc_allocator, UINT64_MAX, 2, SKALD_MEMORY_HANDLE) == NULL);
    CHECK(sk_allocate(&sk_libc_allocator, 0, 2, SKALD_MEMORY_HANDLE) == NULL);

    sk_carver counted = {0}, placed = {.base = block};
    CHECK(sk_carve(&counted, 3, 1, 1) == NULL && sk_carve(&counted, 2, 8, 16) == NULL);
    CHECK_EQUAL(counted.used, 32);
    CHECK(sk_carve(&placed, 3, 1, 1) == block && sk_carve(&placed, 2, 8, 16) == block + 16);
    CHECK(placed.used == counted.used && !placed.broken);
    CHECK(sk_carve(&placed, UINT64_MAX / 2, 4, 1) == NULL && placed.broken);
    CHECK(sk_carve(&placed, 1, 1, 1) == NULL && placed.broken);
    sk_carver tall = {.used = UINT64_MAX - 3};
    CHECK(sk_carve(&tall, 0, 1, 64) == NULL && tall.broken);
}

static void check_status(void) {
    CHECK_TEXT(skald_status_text(SKALD_OK), "done");
    CHECK_TEXT(skald_status_text(12345), "unknown status");
    CHECK(skald_version() >> 16 == SKALD_VERSION_MAJOR);
}

int main(void) {
    check_format();
    check_cut();
    check_report();
    check_options();
    check_give();
    check_sizes();
    check_status();
    return sk_checked();
}

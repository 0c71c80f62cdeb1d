/* Maps of characters: one laid out by hand as Darts-clone does, and what is no map. */
#include "text/charsmap.h"
#include "support/check.h"
#include <string.h>
#include <time.h>

#define UNITS 512u

typedef struct {
    uint8_t bytes[4 + 4 * UNITS + 2048];
    uint64_t n_bytes;
} map;

static void put(uint8_t *to, uint32_t unit) {
    for (uint32_t i = 0; i < 4; i++) to[i] = (uint8_t)(unit >> 8 * i);
}

/* The unit at `place`, which `label` leads to; `next` is where its value stands, and the units behind it by their bytes. */
static void put_unit(map *m, uint32_t place, char label, uint32_t next, bool has_value) {
    put(m->bytes + 4 + 4 * place, (uint8_t)label | (uint32_t)has_value << 8 | (place ^ next) << 10);
}

static void put_value(map *m, uint32_t place, uint32_t at) { put(m->bytes + 4 + 4 * place, 0x80000000u | at); }

/* A becomes "b", AA two bytes, Z nothing, V a text that is not there; C runs in a circle, L leaves the trie. */
static map whole_map(void) {
    static const char texts[] = "b\0\xc3\xa9\0"; /* at 0, 2; the last one, at 5, is empty */
    map m = {.n_bytes = 4 + 4 * UNITS + sizeof texts};
    put(m.bytes, 4 * UNITS);
    put_unit(&m, 0, 0, 256, false);
    put_unit(&m, 256 ^ 'A', 'A', 128, true);
    put_value(&m, 128, 0);
    put_unit(&m, 128 ^ 'A', 'A', 10, true);
    put_value(&m, 10, 2);
    put_unit(&m, 256 ^ 'Z', 'Z', 11, true);
    put_value(&m, 11, 5);
    put_unit(&m, 256 ^ 'V', 'V', 12, true);
    put_value(&m, 12, sizeof texts);
    put_unit(&m, 256 ^ 'C', 'C', 256, false);
    put_unit(&m, 256 ^ 'L', 'L', UNITS, true);
    memcpy(m.bytes + 4 + 4 * UNITS, texts, sizeof texts);
    return m;
}

static void finds(const sk_charsmap *c, const char *text, uint32_t length, const char *becomes) {
    const uint8_t *to = NULL;
    uint32_t n_to = 99;
    CHECK_SAID(sk_charsmap_find(c, (const uint8_t *)text, strlen(text), &to, &n_to) == length, "\"%s\"", text);
    if (length) CHECK_SAID(n_to == strlen(becomes) && memcmp(to, becomes, n_to) == 0, "\"%s\"", text);
}

static void finding(void) {
    const map m = whole_map();
    sk_charsmap c;
    CHECK(sk_charsmap_open(&c, m.bytes, m.n_bytes) && c.n_units == UNITS && c.n_texts == 6);
    finds(&c, "A", 1, "b");
    finds(&c, "AB", 1, "b");
    finds(&c, "AA", 2, "\xc3\xa9");
    finds(&c, "AAA", 2, "\xc3\xa9");
    finds(&c, "ZA", 1, "");
    finds(&c, "B", 0, "");
    finds(&c, "", 0, "");
    finds(&c, "V", 0, "");
    finds(&c, "L", 0, "");
    finds(&c, "CCA", 1 + 1 + 1, "b"); /* the circle's way out */
    CHECK(sk_charsmap_open(&c, NULL, 0));
    finds(&c, "A", 0, "");
}

/* However long the text, a look at it ends. */
static void circles(void) {
    static char text[1 << 20];
    const map m = whole_map();
    sk_charsmap c;
    const uint8_t *to;
    uint32_t n_to, found = 0;
    memset(text, 'C', sizeof text);
    CHECK(sk_charsmap_open(&c, m.bytes, m.n_bytes));
    const clock_t begin = clock();
    for (size_t at = 0; at < sizeof text; at++)
        found += sk_charsmap_find(&c, (const uint8_t *)text + at, sizeof text - at, &to, &n_to);
    CHECK_EQUAL(found, 0);
    CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 10);
}

static void refused(map m, uint64_t n_bytes) {
    sk_charsmap c;
    CHECK_SAID(!sk_charsmap_open(&c, m.bytes, n_bytes), "%u bytes of trie, %u in all", m.bytes[0] | m.bytes[1] << 8,
               (unsigned)n_bytes);
    CHECK_EQUAL(c.n_units, 0);
}

static void malformed(void) {
    map m = whole_map();
    for (uint64_t n = 1; n < 4 + 4 * UNITS + 1; n++) refused(m, n); /* no text */
    refused(m, m.n_bytes - 2);                                      /* its end is missing */
    put(m.bytes, 0), refused(m, m.n_bytes);
    put(m.bytes, 4 * UNITS - 1), refused(m, m.n_bytes);
    put(m.bytes, UINT32_MAX - 3), refused(m, m.n_bytes);
    for (uint32_t n = 1024; n <= 1025; n++) { /* bytes of a text */
        sk_charsmap c;
        m = whole_map();
        memset(m.bytes + 4 + 4 * UNITS, 'x', n);
        m.bytes[4 + 4 * UNITS + n] = 0;
        CHECK_EQUAL(sk_charsmap_open(&c, m.bytes, 4 + 4 * UNITS + n + 1), n == 1024);
    }
}

int main(void) {
    finding();
    circles();
    malformed();
    return sk_checked();
}

/* Bytes to tokens and back: ids of a reference tokenizer, identity on bytes, streaming, hostile lengths and inputs. */
#include "base/os/os.h"
#include "support/check.h"
#include "support/lines.h"
#include "text/decode.h"
#include "text/encode.h"
#include <time.h>

#define DATA SK_TEST_DATA "/tokenizer/"
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SK_SLOWER 20
#else
#define SK_SLOWER 1
#endif

static uint64_t seed = 1;
static uint32_t any(uint32_t n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

/* The host's allocator: counts what lives, fails at a given call. */
typedef struct {
    long live, calls, fail_at;
    uint64_t most;
} host;

static void *host_alloc(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    host *h = user;
    (void)kind;
    if (++h->calls == h->fail_at) return NULL;
    if (bytes > h->most) h->most = bytes;
    h->live += (long)bytes;
    return sk_os_aligned_alloc(bytes, alignment);
}

static void host_free(void *user, void *pointer, size_t bytes, size_t alignment) {
    (void)alignment;
    ((host *)user)->live -= (long)bytes;
    sk_os_aligned_free(pointer);
}

static host the_host;
static const skald_allocator memory = {host_alloc, host_free, &the_host};

static test_vocab *built(const char *path) {
    skald_report why = {.size = sizeof why};
    test_vocab *t = test_vocab_read(path);
    CHECK_SAID(test_vocab_build(t, &why) == SKALD_OK, "%s: %s", path, why.text);
    return t;
}

/* ---- there and back */

static size_t some_bytes(uint8_t *to, size_t n, uint32_t way) {
    static const char *parts[] = {" ",        "  ",   "\n",       "a",          "the",
                                  "'s",       "7",    "2025",     "\xc3\xa9",   "\xe4\xb8\xad",
                                  "<|",       "|>",   "im_start", "<|im_end|>", "\xf0\x9f\x98\x80",
                                  "\xe0\xa4", "\xff", "\xcc\x81"};
    size_t at = 0;
    while (at + 16 < n) {
        const char *part = parts[any(sizeof parts / sizeof *parts)];
        if (way == 0) to[at++] = (uint8_t)any(256);
        else if (way == 1) at += test_put_utf8((char *)to + at, any(0x2581)); /* which comes back as a space */
        else memcpy(to + at, part, strlen(part)), at += strlen(part);
    }
    return at;
}

static void there_and_back(const sk_vocab *v, skald_encode_flags flags) {
    static uint8_t text[400], back[400];
    static int32_t ids[400];
    for (uint32_t round = 0; round < 6000; round++) {
        size_t n = some_bytes(text, 20 + any(300), round % 3), n_back = sizeof back;
        uint32_t n_ids = 400;
        CHECK_EQUAL(sk_encode(ids, &n_ids, v, &memory, flags, (char *)text, n), SKALD_OK);
        CHECK_EQUAL(sk_decode((char *)back, &n_back, v, SKALD_DECODE_SPECIAL, ids, n_ids), SKALD_OK);
        if (!CHECK_SAID(n_back == n && memcmp(text, back, n) == 0, "round %u", round)) return;
    }
}

/* ---- streaming */

/* What a stream must give: the text with U+FFFD for each run of bytes that begins a character and cannot end it. */
static size_t repaired(char *to, const uint8_t *text, size_t n) {
    size_t at = 0, length = 0;
    while (at < n) {
        uint32_t code, step = sk_utf8_next(&code, text + at, n - at);
        bool whole = step > 1 || text[at] < 0x80;
        if (!whole)
            while (at + step < n && sk_utf8_continues(text + at, step, text[at + step])) step++;
        memcpy(to + length, whole ? (const char *)text + at : "\xef\xbf\xbd", whole ? step : 3);
        length += whole ? step : 3;
        at += step;
    }
    return length;
}

/* Pushes the ids and checks that each call gives whole characters, and SHORT leaves all as it was. */
static size_t stream(char *to, const sk_vocab *v, const int32_t *ids, uint32_t n_ids) {
    skald_decoder d = {.flags = SKALD_DECODE_SPECIAL};
    size_t length = 0;
    for (uint32_t i = 0; i <= n_ids; i++) {
        int32_t id = i < n_ids ? ids[i] : -1;
        size_t need = 0, room;
        skald_decoder before = d;
        skald_status s = sk_decoder_push(NULL, &need, &d, v, id);
        CHECK_EQUAL(s, need ? SKALD_SHORT : SKALD_OK);
        if (need) {
            CHECK(memcmp(&before, &d, sizeof d) == 0);
            room = need - 1;
            CHECK_EQUAL(sk_decoder_push(to + length, &room, &d, v, id), SKALD_SHORT);
            CHECK(room == need && memcmp(&before, &d, sizeof d) == 0);
            CHECK_EQUAL(sk_decoder_push(to + length, &room, &d, v, id), SKALD_OK);
            CHECK_EQUAL(room, need);
        }
        for (size_t at = length; at < length + need;) {
            uint32_t code, step = sk_utf8_next(&code, (uint8_t *)to + at, length + need - at);
            CHECK(step > 1 || (uint8_t)to[at] < 0x80);
            at += step;
        }
        length += need;
    }
    CHECK_EQUAL(d.n_pending, 0);
    return length;
}

static void streaming(const sk_vocab *v) {
    static uint8_t text[80];
    static char want[300], got[300];
    static int32_t ids[80];
    for (uint32_t round = 0; round < 3000; round++) {
        size_t n = some_bytes(text, 20 + any(50), round % 3), n_want = repaired(want, text, n);
        uint32_t n_ids = 80, per_byte = round % 2;
        CHECK_EQUAL(sk_encode(ids, &n_ids, v, &memory, 0, (char *)text, n), SKALD_OK);
        for (uint32_t i = 0; per_byte && i < n; i++) ids[i] = v->byte_id[text[i]];
        size_t n_got = stream(got, v, ids, per_byte ? (uint32_t)n : n_ids);
        if (!CHECK_SAID(n_got == n_want && memcmp(got, want, n_want) == 0, "round %u", round)) return;
    }
    skald_decoder d = {.n_pending = 4}, flag = {.flags = 2};
    size_t room = sizeof got;
    CHECK_EQUAL(sk_decoder_push(got, &room, &d, v, 0), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_decoder_push(got, &room, &flag, v, 0), SKALD_ARGUMENT);
    d.n_pending = 0;
    CHECK_EQUAL(sk_decoder_push(got, &room, &d, v, (int32_t)v->n_tokens), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_decoder_push(got, &room, &d, v, -2), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_decoder_push(got, &room, NULL, v, 0), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_decoder_push(got, NULL, &d, v, 0), SKALD_ARGUMENT);
}

/* ---- sizes, flags, roles */

static void sizes(const sk_vocab *v) {
    const char *text = "Hello, world! How are you?";
    int32_t all[32], some[32];
    uint32_t n_all = 32, n = 0;
    CHECK_EQUAL(sk_encode(all, &n_all, v, &memory, 0, text, strlen(text)), SKALD_OK);
    CHECK_EQUAL(sk_encode(NULL, &n, v, &memory, 0, text, strlen(text)), SKALD_SHORT);
    CHECK_EQUAL(n, n_all);
    memset(some, 0x55, sizeof some);
    n = n_all - 1;
    CHECK_EQUAL(sk_encode(some, &n, v, &memory, 0, text, strlen(text)), SKALD_SHORT);
    CHECK_EQUAL(n, n_all);
    CHECK(memcmp(some, all, (n_all - 1) * sizeof *all) == 0 && some[n_all - 1] == 0x55555555);
    n = 32;
    CHECK_EQUAL(sk_encode(some, &n, v, &memory, 0, NULL, 0), SKALD_OK);
    CHECK_EQUAL(n, 0);
    CHECK_EQUAL(sk_encode(some, NULL, v, &memory, 0, text, 3), SKALD_ARGUMENT);
    n = 3;
    CHECK_EQUAL(sk_encode(NULL, &n, v, &memory, 0, text, 3), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_encode(some, &n, v, &memory, 0, NULL, 3), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_encode(some, &n, v, &memory, 8, text, 3), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_encode(some, &n, v, &memory, 0, text, (size_t)1 << 31), SKALD_ARGUMENT);
    CHECK_EQUAL(n, 3);

    char back[64];
    size_t length = 0, whole = strlen(text);
    CHECK_EQUAL(sk_decode(NULL, &length, v, 0, all, n_all), SKALD_SHORT);
    CHECK_EQUAL(length, whole);
    memset(back, '#', sizeof back);
    length = 10;
    CHECK_EQUAL(sk_decode(back, &length, v, 0, all, n_all), SKALD_SHORT);
    CHECK(length == whole && memcmp(back, text, 10) == 0 && back[10] == '#');
    length = whole;
    CHECK_EQUAL(sk_decode(back, &length, v, 0, all, n_all), SKALD_OK);
    CHECK(length == whole && memcmp(back, text, whole) == 0 && back[whole] == '#');
    for (int32_t wrong = -1; wrong <= (int32_t)v->n_tokens; wrong += (int32_t)v->n_tokens + 1)
        CHECK_EQUAL(sk_decode(back, &length, v, 0, &wrong, 1), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_decode(back, &length, v, 4, all, 1), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_decode(back, &length, v, 0, NULL, 1), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_decode(back, NULL, v, 0, all, 1), SKALD_ARGUMENT);
}

static void roles(test_vocab *t) {
    char back[32];
    size_t length = sizeof back;
    int32_t ids[] = {1, t->vocab.byte_id['x'], 2};
    CHECK_EQUAL(sk_decode(back, &length, &t->vocab, 0, ids, 3), SKALD_OK);
    CHECK(length == 1 && back[0] == 'x');
    length = sizeof back;
    CHECK_EQUAL(sk_decode(back, &length, &t->vocab, SKALD_DECODE_SPECIAL, ids, 3), SKALD_OK);
    CHECK(length == 23 && memcmp(back, "<|im_start|>x<|im_end|>", 23) == 0);
    CHECK_EQUAL(t->vocab.role[SKALD_TOKEN_END_OF_TURN], 2); /* the layout's, because the file names none */
    CHECK(sk_vocab_is_end(&t->vocab, 2) && !sk_vocab_is_end(&t->vocab, 1) && !sk_vocab_is_end(&t->vocab, -1));

    skald_report why = {.size = sizeof why};
    uint32_t n = 3;
    CHECK_EQUAL(sk_encode(ids, &n, &t->vocab, &memory, SKALD_ENCODE_BOS, "x", 1), SKALD_OK);
    CHECK_EQUAL(n, 1);
    t->source.add_bos = 1;
    CHECK_EQUAL(test_vocab_build(t, &why), SKALD_OK);
    n = 3;
    CHECK_EQUAL(sk_encode(ids, &n, &t->vocab, &memory, SKALD_ENCODE_BOS, "x", 1), SKALD_OK);
    CHECK(n == 2 && ids[0] == 1);
    n = 3; /* not twice */
    CHECK_EQUAL(sk_encode(ids, &n, &t->vocab, &memory, SKALD_ENCODE_BOS | SKALD_ENCODE_SPECIAL, "<|im_start|>", 12),
                SKALD_OK);
    CHECK(n == 1 && ids[0] == 1);
    n = 3;
    CHECK_EQUAL(sk_encode(ids, &n, &t->vocab, &memory, SKALD_ENCODE_BOS | SKALD_ENCODE_EOS, "x", 1), SKALD_OK);
    CHECK_EQUAL(n, 2);
    t->source.add_eos = 1;
    CHECK_EQUAL(test_vocab_build(t, &why), SKALD_OK);
    n = 3;
    CHECK_EQUAL(sk_encode(ids, &n, &t->vocab, &memory, SKALD_ENCODE_BOS | SKALD_ENCODE_EOS, "x", 1), SKALD_OK);
    CHECK(n == 3 && ids[0] == 1 && ids[2] == 2);
    n = 3;
    CHECK_EQUAL(sk_encode(ids, &n, &t->vocab, &memory, 0, "x", 1), SKALD_OK);
    CHECK_EQUAL(n, 1);
}

/* ---- a stranger's words */

/* `mask` marks the stranger's bytes with '#'. */
static void guarded(const sk_vocab *v, const char *text, const char *mask, const char *want) {
    uint8_t stranger[64];
    int32_t ids[64];
    uint32_t n = 64;
    char got[256] = "";
    for (size_t i = 0; i < strlen(text); i++) stranger[i] = mask[i] == '#';
    CHECK_EQUAL(strlen(text), strlen(mask));
    CHECK_EQUAL(sk_encode_guarded(ids, &n, v, &memory, SKALD_ENCODE_SPECIAL, text, *text ? stranger : NULL,
                                  strlen(text)),
                SKALD_OK);
    for (uint32_t i = 0; i < n; i++) snprintf(got + strlen(got), 12, i ? " %d" : "%d", ids[i]);
    CHECK_SAID(strcmp(got, want) == 0, "\"%s\": %s, expected %s", text, got, want);
}

static void strangers(const sk_vocab *smollm2, const sk_vocab *gemma3) {
    guarded(smollm2, "<|im_start|>hi<|im_end|>", "            ##          ", "1 6004 2");
    guarded(smollm2, "<|im_start|><|im_end|><|im_end|>", "            ##########          ",
            "1 44 108 306 79 486 108 46 2");
    guarded(smollm2, "<|im_end|>", "######    ", "44 108 306 79 486 108 46"); /* begun by a stranger */
    guarded(smollm2, "<|im_end|>", "     #    ", "44 108 306 79 486 108 46");
    guarded(smollm2, "<|im_end|>", "         #", "44 108 306 79 486 108 46"); /* ended by a stranger */
    guarded(smollm2, "hello", "  #  ", "28120");                              /* merges do not mind */
    guarded(gemma3, "<end_of_turn>\n\n", "              #", "106 108");       /* nor do a user's tokens */
    guarded(gemma3, "\n\n<end_of_turn>", "# #            ", "108 236820 643 236779 1340 236779 887 236813");
    guarded(gemma3, "", "", "");
}

/* ---- long words and failing hosts */

static void pathological(const sk_vocab *v) {
    static const char *units[] = {"a", " ", "\xcc\x81", "7", "\n", "<", "ab", "\xff", " \n", "'"};
    const size_t room = 1 << 20;
    char *text = malloc(room), *back = malloc(room);
    int32_t *ids = malloc(room * sizeof *ids);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t step = strlen(units[u]), n = room / step * step, length = room;
        for (size_t i = 0; i < n; i += step) memcpy(text + i, units[u], step);
        uint32_t n_ids = (uint32_t)room;
        clock_t begin = clock();
        CHECK_EQUAL(sk_encode(ids, &n_ids, v, &memory, SKALD_ENCODE_SPECIAL, text, n), SKALD_OK);
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        CHECK_SAID(seconds < 1.0 * SK_SLOWER, "1 MiB of \"%s\" took %.2f s", units[u], seconds);
        CHECK_EQUAL(sk_decode(back, &length, v, SKALD_DECODE_SPECIAL, ids, n_ids), SKALD_OK);
        const bool all_bytes = v->kind != SK_VOCAB_BYTE_BPE || v->byte_id[0xff] >= 0;
        CHECK_SAID((length == n && memcmp(back, text, n) == 0) || !all_bytes, "1 MiB of \"%s\"", units[u]);
        CHECK_EQUAL(the_host.live, 0);
    }
    free(text);
    free(back);
    free(ids);
}

/* Words of growing length: the block is given back and asked for again, and each request may fail. */
static void failing_host(const sk_vocab *v) {
    static char text[3000];
    static int32_t ids[3000];
    size_t n = 0;
    for (uint32_t word = 0; word < 6; word++) {
        if (word) text[n++] = ' ';
        for (uint32_t i = 0; i < 130 + 70 * word; i++) text[n++] = "east"[any(4)];
    }
    for (long at = 1;; at++) {
        the_host = (host){0};
        the_host.fail_at = at;
        uint32_t n_ids = 3000;
        skald_status s = sk_encode(ids, &n_ids, v, &memory, 0, text, n);
        CHECK_EQUAL(the_host.live, 0);
        if (the_host.calls < at) {
            CHECK_EQUAL(s, SKALD_OK);
            CHECK_SAID(at > 3, "only %ld allocations", at);
            break;
        }
        CHECK_EQUAL(s, SKALD_MEMORY);
        CHECK_EQUAL(n_ids, 3000);
    }
    the_host = (host){0};
}

int main(void) {
    test_vocab *smollm2 = built(DATA "smollm2.vocab"), *tiny = built(DATA "tiny.vocab");
    test_vocab *gemma3 = built(DATA "gemma3.vocab");
    CHECK_EQUAL(test_lines(&smollm2->vocab, &memory, DATA "smollm2.jsonl"), 600);
    CHECK_EQUAL(test_lines(&gemma3->vocab, &memory, DATA "gemma3.jsonl"), 600);
    for (uint32_t b = 0; b < 256; b++) CHECK(tiny->vocab.byte_id[b] >= 0 && gemma3->vocab.byte_id[b] >= 0);
    there_and_back(&tiny->vocab, 0);
    there_and_back(&tiny->vocab, SKALD_ENCODE_SPECIAL);
    there_and_back(&gemma3->vocab, 0);
    there_and_back(&gemma3->vocab, SKALD_ENCODE_SPECIAL);
    streaming(&tiny->vocab);
    streaming(&gemma3->vocab);
    sizes(&smollm2->vocab);
    sizes(&gemma3->vocab);
    pathological(&smollm2->vocab);
    pathological(&tiny->vocab);
    pathological(&gemma3->vocab);
    failing_host(&smollm2->vocab);
    failing_host(&gemma3->vocab);
    strangers(&smollm2->vocab, &gemma3->vocab);
    roles(smollm2);
    test_vocab_free(smollm2);
    test_vocab_free(tiny);
    test_vocab_free(gemma3);
    return sk_checked();
}

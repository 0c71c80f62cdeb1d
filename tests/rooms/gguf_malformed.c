/* Files that lie. Each case bends one place of a good file; the reader must refuse it with a sentence that names the
 * key, tensor or place, and leave nothing behind. The shapes of published attacks on GGUF loaders are among them: empty
 * key (a 37-byte file), dimensions whose product wraps, an alignment of 2^31, too many dimensions, lengths and counts
 * near 2^64, arrays of another type than the reader assumes. */
#include "support/check.h"
#include "support/sample_gguf.h"
#include "base/report.h"
#include "file/little.h"

static counting count;
static const skald_allocator memory = {counting_alloc, counting_free, &count};

static skald_status read_all(void *user, void *to, uint64_t offset, size_t n_bytes) {
    memcpy(to, (const char *)user + offset, n_bytes);
    return SKALD_OK;
}

/* Opens from an exact copy (so that a sanitizer sees any step outside) and through a callback; both must agree. */
static skald_status open_bytes(const char *bytes, size_t n_bytes, skald_report *why) {
    char *copy = sk_libc_allocator.alloc(NULL, n_bytes + 1, 1, 0), *exact = copy + 1;
    memcpy(exact, bytes, n_bytes);
    skald_source from[] = {{.size = sizeof from[0], .bytes = exact, .n_bytes = n_bytes},
                           {.size = sizeof from[0], .read = read_all, .user = exact, .n_bytes = n_bytes}};
    skald_status got[2];
    for (int i = 0; i < 2; i++) {
        sk_files f;
        count = (counting){0};
        *why = (skald_report){.size = sizeof *why, .offset = UINT64_MAX};
        got[i] = sk_files_open(&f, &memory, &from[i], 1, 0, NULL, why);
        CHECK(got[i] == SKALD_OK || f.block == NULL);
        sk_files_close(&f);
        CHECK_EQUAL(count.live, 0);
    }
    CHECK_EQUAL(got[0], got[1]);
    sk_libc_allocator.free(NULL, copy, n_bytes + 1, 1);
    return got[0];
}

static void refused(const char *bytes, size_t n_bytes, skald_status status, const char *word, const char *note) {
    skald_report why;
    skald_status s = open_bytes(bytes, n_bytes, &why);
    CHECK_SAID(s == status && strstr(why.text, word), "%s: %d with \"%s\" expected, %d \"%s\"", note, status, word, s,
               why.text);
    CHECK(s == SKALD_OK || why.status == s);
}

static void accepted(const char *bytes, size_t n_bytes, const char *note) {
    skald_report why;
    skald_status s = open_bytes(bytes, n_bytes, &why);
    CHECK_SAID(s == SKALD_OK, "%s is good: %d \"%s\"", note, s, why.text);
}

static size_t place(const sample *s, const char *anchor) {
    size_t n = strlen(anchor);
    for (size_t i = 0; i + n <= s->n_bytes; i++)
        if (memcmp(s->bytes + i, anchor, n) == 0) return i;
    CHECK_SAID(0, "no \"%s\" in the sample", anchor);
    return 0;
}

/* From the end of a key: type 0, value 4, of an array element type 4, count 8, elements 16. Before it: length -8.
 * From the end of a tensor's name: dimensions 0, sizes 4 ..., for two of them type 20, offset 24. */
typedef struct bend {
    const char *note, *anchor; /* "" is the beginning of the file */
    int shift;                 /* from the anchor's end; below 0 from its beginning */
    uint32_t n_bytes;
    uint64_t value;
    skald_status status;
    const char *word;
} bend;

#define F SKALD_FORMAT
#define U SKALD_UNSUPPORTED

static const bend bends[] = {
    {"magic", "", 0, 1, 'g', F, "not a GGUF file"},
    {"version 0", "", 4, 4, 0, U, "version"},
    {"version 1", "", 4, 4, 1, U, "version 1"},
    {"version 4", "", 4, 4, 4, U, "version 4"},
    {"version 3 of the other byte order", "", 4, 4, 0x03000000, U, "big-endian"},
    {"2^64 - 1 tensors", "", 8, 8, UINT64_MAX, F, "18446744073709551615 tensors"},
    {"2^63 tensors", "", 8, 8, (uint64_t)1 << 63, F, "9223372036854775808 tensors"},
    {"2^32 tensors", "", 8, 8, (uint64_t)1 << 32, F, "4294967296 tensors"},
    {"one tensor too many", "", 8, 8, 4, F, "tensor"},
    {"2^64 - 1 keys", "", 16, 8, UINT64_MAX, F, "18446744073709551615 keys"},
    {"2^63 keys", "", 16, 8, (uint64_t)1 << 63, F, "9223372036854775808 keys"},
    {"2^60 keys: times 16 wraps to 0", "", 16, 8, (uint64_t)1 << 60, F, "keys"},
    {"one key too many", "", 16, 8, 19, F, "tensor 0"},
    {"one key too few", "", 16, 8, 17, F, "split.tensors.count"},
    {"empty key", "general.architecture", -8, 8, 0, F, "key 0: the name is empty"},
    {"key of 2^64 - 1 bytes", "general.name", -8, 8, UINT64_MAX, F, "key 1: a name of 18446744073709551615"},
    {"key of 65536 bytes", "general.name", -8, 8, 65536, F, "key 1: a name of 65536"},
    {"key longer than the file", "general.name", -8, 8, 65535, F, "key 1"},
    {"control character in a key", "general.nam", 0, 1, 7, F, "key general.nam?"},
    {"NUL at a key's end", "general.nam", 0, 1, 0, F, "key general.nam"},
    {"a key that is not UTF-8", "general.nam", 0, 1, 0xff, F, "key general.nam?"},
    {"value type 13", "llama.block_count", 0, 4, 13, F, "llama.block_count: value type 13"},
    {"value type 2^32 - 1", "llama.block_count", 0, 4, UINT32_MAX, F, "llama.block_count: value type 4294967295"},
    {"u32 read as text", "llama.block_count", 0, 4, SK_GGUF_TEXT, F, "llama.block_count"},
    {"u32 read as array", "llama.block_count", 0, 4, SK_GGUF_ARRAY, F, "key 3"},
    {"text of 2^64 - 1 bytes", "general.name", 4, 8, UINT64_MAX, F, "general.name"},
    {"text of 2^63 bytes", "general.name", 4, 8, (uint64_t)1 << 63, F, "general.name"},
    {"text to the file's end and one more", "general.name", 4, 8, 100000, F, "general.name"},
    {"array of arrays", "tokens", 4, 4, SK_GGUF_ARRAY, F, "tokens: an array of arrays"},
    {"array of type 13", "tokens", 4, 4, 13, F, "tokens: value type 13"},
    {"array of 2^64 - 1 texts", "tokens", 8, 8, UINT64_MAX, F, "tokens: 18446744073709551615"},
    {"array of 2^61 texts: times 8 wraps to 0", "tokens", 8, 8, (uint64_t)1 << 61, F, "tokens: 2305843009213693952"},
    {"array of 2^62 floats: times 4 wraps to 0", "scores", 8, 8, (uint64_t)1 << 62, F, "scores: 4611686018427387904"},
    {"array of 1000 floats", "scores", 8, 8, 1000, F, "scores: 1000 values"},
    {"text inside an array too long", "tokens", 16, 8, UINT64_MAX - 7, F, "tokens"},
    {"array confusion: floats said to be texts", "scores", 4, 4, SK_GGUF_TEXT, F, "scores"},
    {"array confusion: i32 said to be u64", "kinds", 4, 4, SK_GGUF_U64, F, ""},
    {"bool 2", "llama.flag", 4, 1, 2, F, "llama.flag: 2 is not a bool"},
    {"bool 255", "llama.flag", 4, 1, 255, F, "llama.flag: 255"},
    {"bool 2 in an array", "flags", 17, 1, 2, F, "flags: 2 is not a bool"},
    {"split.no is a float", "split.no", 0, 4, SK_GGUF_F32, F, "split.no: an integer expected, f32"},
    {"split.no is 1 of 1", "split.no", 4, 4, 1, F, "split.no"},
    {"split.no is huge", "split.no", 4, 4, UINT32_MAX, F, "split.no"},
    {"split.count is 70000", "split.count", 4, 4, 70000, F, "split.count"},
    {"split.count is 2 with one file", "split.count", 4, 4, 2, F, "split.count"},
    {"split.tensors.count is wrong", "split.tensors.count", 4, 4, 4, F, "split.tensors.count"},
    {"split.tensors.count is negative", "split.tensors.count", 4, 4, UINT32_MAX, F,
     "split.tensors.count: the value is negative"},
    {"empty tensor name", "b.weight", -8, 8, 0, F, "tensor 1: the name is empty"},
    {"tensor name of 65 bytes", "b.weight", -8, 8, 65, F, "tensor 1: a name of 65"},
    {"tensor name of 2^64 - 1 bytes", "b.weight", -8, 8, UINT64_MAX, F, "tensor 1: a name of"},
    {"NUL in a tensor name", "b.weigh", 0, 1, 0, F, "tensor b.weigh"},
    {"escape character in a tensor name", "b.weigh", 0, 1, 27, F, "tensor b.weigh?"},
    {"no dimensions", "b.weight", 0, 4, 0, F, "tensor b.weight: 0 dimensions"},
    {"5 dimensions", "b.weight", 0, 4, 5, F, "tensor b.weight: 5 dimensions"},
    {"2^32 - 1 dimensions", "b.weight", 0, 4, UINT32_MAX, F, "tensor b.weight: 4294967295 dimensions"},
    {"a dimension too many", "b.weight", 0, 4, 3, F, "tensor b.weight"},
    {"a dimension too few", "b.weight", 0, 4, 1, F, "tensor"},
    {"dimension 0", "b.weight", 4, 8, 0, F, "tensor b.weight: dimension 0 is 0"},
    {"second dimension 0", "b.weight", 12, 8, 0, F, "tensor b.weight: dimension 1 is 0"},
    {"dimension -1", "b.weight", 4, 8, UINT64_MAX, F, "tensor b.weight: more elements"},
    {"dimension 2^63", "b.weight", 12, 8, (uint64_t)1 << 63, F, "tensor b.weight: more elements"},
    {"product wraps to 0", "b.weight", 12, 8, (uint64_t)1 << 59, F, "tensor b.weight: more elements"},
    {"product wraps to 32", "b.weight", 12, 8, ((uint64_t)1 << 59) + 1, F, "tensor b.weight: more elements"},
    {"bytes wrap", "a.weight", 12, 8, (uint64_t)1 << 60, F, "tensor a.weight: more elements"},
    {"more rows than the file holds", "b.weight", 12, 8, 100, F, "tensor b.weight"},
    {"half a block", "b.weight", 4, 8, 16, F, "tensor b.weight: rows of 16 elements"},
    {"whole blocks in all, not in a row", "b.weight", 4, 8, 48, F, "tensor b.weight: rows of 48"},
    {"a row of 33", "b.weight", 4, 8, 33, F, "tensor b.weight: rows of 33"},
    {"tensor type 4, withdrawn", "b.weight", 20, 4, 4, U, "tensor b.weight: type number 4 is not known"},
    {"tensor type 31, withdrawn", "b.weight", 20, 4, 31, U, "tensor b.weight: type number 31"},
    {"tensor type 1000", "b.weight", 20, 4, 1000, U, "tensor b.weight: type number 1000"},
    {"tensor type of another file format", "b.weight", 20, 4, SKALD_F8_E4M3, U, "tensor b.weight: type number 256"},
    {"tensor type -1", "b.weight", 20, 4, UINT32_MAX, U, "tensor b.weight: type number 4294967295"},
    {"a wider type", "b.weight", 20, 4, SKALD_F64, F, "tensor"},
    {"a type with longer blocks", "b.weight", 20, 4, SKALD_Q4_K, F,
     "tensor b.weight: rows of 32 elements are not whole blocks of Q4_K"},
    {"offset not aligned", "b.weight", 24, 8, 33, F, "tensor b.weight: offset 33"},
    {"offset beyond the file", "b.weight", 24, 8, 32768, F, "tensor b.weight: 102 bytes at"},
    {"offset 2^64 - 32", "b.weight", 24, 8, UINT64_MAX - 31, F, "tensor b.weight: 102 bytes at 18446744073709551615"},
    {"offset 2^63", "b.weight", 24, 8, (uint64_t)1 << 63, F, "tensor b.weight"},
    {"the last bytes beyond the file", "c.weight", 32, 8, 192, F, "tensor c.weight"},
    {"the same place twice", "b.weight", 24, 8, 0, F, "overlaps tensor"},
    {"the tail of another tensor", "c.weight", 32, 8, 96, F, "tensor c.weight: it overlaps tensor b.weight"},
    {"the head of another tensor", "a.weight", 12, 8, 3, F, "tensor b.weight: it overlaps tensor a.weight"},
};

static void check_bends(void) {
    sample good, s;
    sample_make(&good, 32);
    for (size_t i = 0; i < sizeof bends / sizeof bends[0]; i++) {
        const bend *b = &bends[i];
        s = good;
        size_t at = place(&s, b->anchor) + (b->shift < 0 ? 0 : strlen(b->anchor));
        sk_store(s.bytes + (size_t)((long)at + b->shift), b->value, b->n_bytes);
        refused(s.bytes, s.n_bytes, b->status, b->word, b->note);
    }
}

/* ---- what takes more than one place */

static void replaced(const char *anchor, const char *by, const char *word) {
    sample s;
    sample_make(&s, 32);
    memcpy(s.bytes + place(&s, anchor), by, strlen(anchor));
    refused(s.bytes, s.n_bytes, SKALD_FORMAT, word, by);
}

static void check_duplicates(void) {
    replaced("tiny", "half", "key half: it is there twice");
    replaced("scores", "tokens", "key tokens: it is there twice");
    replaced("c.weight", "b.weight", "tensor b.weight: it is there twice");
    replaced("c.weight", "a.weight", "tensor a.weight: it is there twice");
}

static void check_alignment(void) {
    static const uint32_t bad[] = {0, 3, 48, 131072, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sample s = {.n_bytes = 0};
        sk_gguf_writer w;
        sk_gguf_begin(&w, sample_write, &s, 1, 0, 32);
        sk_gguf_put_u32(&w, "general.alignment", bad[i]);
        CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_OK);
        refused(s.bytes, s.n_bytes, SKALD_FORMAT, "general.alignment", "alignment");
    }
    sample s = {.n_bytes = 0};
    sk_gguf_writer w;
    sk_gguf_begin(&w, sample_write, &s, 1, 0, 32);
    sk_gguf_put_text(&w, "general.alignment", "32");
    sk_gguf_finish(&w, NULL);
    refused(s.bytes, s.n_bytes, SKALD_FORMAT, "general.alignment: an integer expected, text", "alignment as text");
    for (int as_bool = 0; as_bool < 2; as_bool++) {
        s.n_bytes = 0;
        sk_gguf_begin(&w, sample_write, &s, 1, 0, 32);
        if (as_bool) sk_gguf_put_bool(&w, "general.alignment", true);
        else sk_gguf_put_f32(&w, "general.alignment", 64);
        sk_gguf_finish(&w, NULL);
        refused(s.bytes, s.n_bytes, SKALD_FORMAT, "general.alignment: an integer expected", "alignment as no integer");
    }
    s.n_bytes = 0;
    sk_gguf_begin(&w, sample_write, &s, 2, 0, 32);
    sk_gguf_put_u32(&w, "general.alignment", 32);
    sk_gguf_put_u64(&w, "general.alignment", 64);
    sk_gguf_finish(&w, NULL);
    refused(s.bytes, s.n_bytes, SKALD_FORMAT, "general.alignment: it is there twice", "alignment twice");
}

static void check_tiny_files(void) {
    char empty_key[38] = "GGUF\3";
    sk_store(empty_key + 16, 1, 8);
    sk_store(empty_key + 32, SK_GGUF_U8, 4); /* its length, at 24, is 0 */
    refused(empty_key, 37, SKALD_FORMAT, "1 keys and 0 tensors do not fit", "37 bytes with an empty key");
    refused(empty_key, 38, SKALD_FORMAT, "key 0: the name is empty", "38 bytes with an empty key");
    refused("", 0, SKALD_FORMAT, "it ends at byte 0", "an empty file");
    refused("GGUF", 4, SKALD_FORMAT, "it ends at byte 4", "the magic alone");
    accepted("GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, "a file of nothing");
}

/* ---- every place */

/* Trailing padding behind the last tensor may be missing, nothing else. */
static void check_truncation(void) {
    sample s;
    skald_report why;
    sample_make(&s, 32);
    size_t data_end = s.n_bytes - 16;
    for (size_t n = 0; n < data_end; n++) {
        skald_status got = open_bytes(s.bytes, n, &why);
        CHECK_SAID(got == SKALD_FORMAT && why.text[0], "cut at byte %zu: %d \"%s\"", n, got, why.text);
        CHECK_SAID(strstr(why.text, "end") || strstr(why.text, "fit") || strstr(why.text, "hold"),
                   "cut at byte %zu: \"%s\"", n, why.text);
    }
    for (size_t n = data_end; n <= s.n_bytes; n++) accepted(s.bytes, n, "without all of the padding");
}

static void check_every_byte(void) {
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    sample good, s;
    skald_report why;
    sample_make(&good, 32);
    for (size_t at = 0; at < good.n_bytes - 192; at++)
        for (size_t v = 0; v < sizeof values; v++) {
            s = good;
            s.bytes[at] = (char)values[v];
            skald_status got = open_bytes(s.bytes, s.n_bytes, &why);
            CHECK_SAID(got == SKALD_OK || ((got == SKALD_FORMAT || got == SKALD_UNSUPPORTED) && why.text[0]),
                       "byte %zu as %u: %d \"%s\"", at, (unsigned)values[v], got, why.text);
        }
}

/* A file that changes between two readings: nothing is believed because an earlier reading said so. */
typedef struct changing {
    const sample *before, *after;
    int reads_left;
} changing;

static skald_status changing_read(void *user, void *to, uint64_t offset, size_t n_bytes) {
    changing *c = user;
    memcpy(to, (c->reads_left-- > 0 ? c->before : c->after)->bytes + offset, n_bytes);
    return SKALD_OK;
}

static void check_changing(void) {
    sample good, other;
    sample_make(&good, 32);
    for (size_t i = 0; i < sizeof bends / sizeof bends[0]; i++)
        for (int reads = 1; reads < 4; reads++) {
            other = good;
            size_t at = place(&other, bends[i].anchor) + (bends[i].shift < 0 ? 0 : strlen(bends[i].anchor));
            sk_store(other.bytes + (size_t)((long)at + bends[i].shift), bends[i].value, bends[i].n_bytes);
            changing c = {&good, &other, reads};
            skald_source from = {.size = sizeof from, .read = changing_read, .user = &c, .n_bytes = good.n_bytes};
            sk_files f;
            count = (counting){0};
            skald_status got = sk_files_open(&f, &memory, &from, 1, 0, NULL, NULL);
            CHECK_SAID(c.reads_left >= 0 ? got == SKALD_OK : got != SKALD_OK, "%s after %d reads", bends[i].note,
                       reads);
            sk_files_close(&f);
            CHECK_EQUAL(count.live, 0);
        }
}

/* Both are good files, but what was measured has no room for the tables of the other. */
static void check_growing(void) {
    sample small, large;
    sample_make(&small, 32);
    sample_make(&large, 64);
    for (int reads = 1; reads < 3; reads++) {
        changing c = {&small, &large, reads};
        skald_source from = {.size = sizeof from, .read = changing_read, .user = &c, .n_bytes = small.n_bytes};
        skald_report why = {.size = sizeof why};
        sk_files f;
        count = (counting){0};
        skald_status got = sk_files_open(&f, &memory, &from, 1, 0, NULL, &why);
        CHECK_SAID(got == SKALD_FORMAT && (reads > 1 || strstr(why.text, "changed")), "%d \"%s\"", got, why.text);
        CHECK_EQUAL(count.live, 0);
    }
}

/* A host's number for a length is as untrusted as the file. */
static void check_lying_length(void) {
    sample s;
    sample_make(&s, 32);
    changing c = {&s, &s, 0};
    skald_source from = {.size = sizeof from, .read = changing_read, .user = &c, .n_bytes = UINT64_MAX};
    skald_report why = {.size = sizeof why};
    sk_files f;
    CHECK_EQUAL(sk_files_open(&f, &memory, &from, 1, 0, NULL, &why), SKALD_FORMAT);
    CHECK(strstr(why.text, "18446744073709551615") != NULL);
}

static void check_controls(void) {
    sample s;
    sample_make(&s, 32);
    accepted(s.bytes, s.n_bytes, "version 3");
    s.bytes[4] = 2;
    accepted(s.bytes, s.n_bytes, "version 2");
    for (uint32_t alignment = 1; alignment < 2048; alignment *= 2) {
        sample_make(&s, alignment);
        accepted(s.bytes, s.n_bytes, "alignment");
    }
    sample_make(&s, 32);
    sk_store(s.bytes + place(&s, "b.weight") + 8 + 20, SKALD_Q5_0, 4); /* fewer bytes than there is room for */
    accepted(s.bytes, s.n_bytes, "a hole between two tensors");
    sample_make(&s, 32);
    sk_store(s.bytes + place(&s, "a.weight") + 8 + 24, 160, 8);
    sk_store(s.bytes + place(&s, "c.weight") + 8 + 32, 0, 8);
    accepted(s.bytes, s.n_bytes, "tensors in another order than their data");
    sample_make(&s, 32);
    memcpy(s.bytes + place(&s, "alpha"), "\xff\xfe\0\1\2", 5);
    accepted(s.bytes, s.n_bytes, "any bytes in a text value");
    sample_make(&s, 32);
    memcpy(s.bytes + place(&s, "c.weight"), "\xc3\xa9.wei\xc3\xa9", 8);
    accepted(s.bytes, s.n_bytes, "a name beyond ASCII");
}

int main(void) {
    check_controls();
    check_bends();
    check_duplicates();
    check_alignment();
    check_tiny_files();
    check_truncation();
    check_every_byte();
    check_changing();
    check_growing();
    check_lying_length();
    return sk_checked();
}

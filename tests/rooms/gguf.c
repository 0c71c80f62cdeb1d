/* The GGUF room with files that are as they must be: every origin, every getter, and the writer's round trip. */
#define _POSIX_C_SOURCE 200809L /* fileno */
#include "support/check.h"
#include "support/sample_gguf.h"
#include "base/report.h"
#include "file/little.h"

static counting count;
static const skald_allocator memory = {counting_alloc, counting_free, &count};

static void check_values(const sk_gguf *g) {
    skald_report why = {.size = sizeof why, .text = "untouched"};
    uint32_t u = 77, layers[2];
    uint64_t wide = 0;
    int32_t i = 0;
    float f = 0;
    bool flag = false;
    sk_text text;
    sk_gguf_array array;
    char key[64];
    CHECK_EQUAL(sk_gguf_u32(g, "llama.nothing", &u, &why), SKALD_ABSENT);
    CHECK_EQUAL(u, 77);
    CHECK_TEXT(why.text, "untouched");
    CHECK(sk_gguf_text(g, "general.architecture", &text, &why) == SKALD_OK && text.length == 5);
    CHECK_EQUAL(sk_gguf_key(key, sizeof key, text, "block_count", &why), SKALD_OK);
    CHECK_TEXT(key, "llama.block_count");
    CHECK_EQUAL(sk_gguf_key(key, 17, text, "block_count", NULL), SKALD_FORMAT);
    CHECK_EQUAL(sk_gguf_key(key, 18, text, "block_count", NULL), SKALD_OK);
    CHECK(sk_gguf_u32(g, "llama.block_count", &u, &why) == SKALD_OK && u == 2);
    CHECK(sk_gguf_u32(g, "llama.context_length", &u, &why) == SKALD_OK && u == 4096);
    CHECK(sk_gguf_i32(g, "llama.delta", &i, &why) == SKALD_OK && i == -7);
    CHECK(sk_gguf_i32(g, "tiny", &i, &why) == SKALD_OK && i == -5);
    CHECK(sk_gguf_u64(g, "big", &wide, &why) == SKALD_OK && wide == (uint64_t)1 << 32);
    CHECK(sk_gguf_f32(g, "llama.epsilon", &f, &why) == SKALD_OK && f == 1e-5f);
    CHECK(sk_gguf_f32(g, "half", &f, &why) == SKALD_OK && f == 0.5f);
    CHECK(sk_gguf_f32(g, "tiny", &f, &why) == SKALD_OK && f == -5.0f);
    CHECK(sk_gguf_bool(g, "llama.flag", &flag, &why) == SKALD_OK && flag);
    CHECK(sk_gguf_texts(g, "tokens", &array, &why) == SKALD_OK && array.count == 3);
    text = sk_gguf_next_text(&array);
    CHECK(text.length == 5 && memcmp(text.at, "alpha", 5) == 0);
    text = sk_gguf_next_text(&array);
    CHECK(text.length == 3 && memcmp(text.at, "b\0c", 3) == 0);
    text = sk_gguf_next_text(&array);
    CHECK_EQUAL(text.length, 0);
    CHECK(sk_gguf_floats(g, "scores", &array, &why) == SKALD_OK && array.count == 3);
    CHECK(sk_gguf_float_at(&array, 0) == 0.5f && sk_gguf_float_at(&array, 2) == 2.0f);
    CHECK(sk_gguf_integers(g, "kinds", &array, &why) == SKALD_OK && array.count == 3);
    CHECK(sk_gguf_integer_at(&array, 0) == 1 && sk_gguf_integer_at(&array, 1) == -3);
    CHECK(sk_gguf_per_layer(g, "llama.heads", layers, 2, &why) == SKALD_OK && layers[0] == 4 && layers[1] == 2);
    CHECK(sk_gguf_per_layer(g, "llama.block_count", layers, 2, &why) == SKALD_OK && layers[0] == 2 && layers[1] == 2);
    CHECK(sk_gguf_per_layer(g, "flags", layers, 2, &why) == SKALD_OK && layers[0] == 1 && layers[1] == 0);
    CHECK_TEXT(why.text, "untouched");
}

/* A wrong type or range: FORMAT, the key named, the output as it was. */
static void check_refusals(const sk_gguf *g) {
    uint32_t u = 77, layers[3] = {9, 9, 9};
    int32_t i = 77;
    float f = 77;
    bool flag = false;
    sk_text text = {"x", 1};
    sk_gguf_array array = {0};
    char said[496];
#define REFUSED(call, word)                                                                                            \
    do {                                                                                                               \
        skald_report why = {.size = sizeof why};                                                                       \
        skald_status s = call;                                                                                         \
        memcpy(said, why.text, sizeof said);                                                                           \
        CHECK_SAID(s == SKALD_FORMAT && strstr(said, word), "%s gives %d \"%s\"", #call, s, said);                     \
    } while (0)
    REFUSED(sk_gguf_u32(g, "llama.delta", &u, &why), "llama.delta: -7");
    REFUSED(sk_gguf_u32(g, "big", &u, &why), "big: 4294967296");
    REFUSED(sk_gguf_u32(g, "llama.epsilon", &u, &why), "llama.epsilon: an integer expected, f32");
    REFUSED(sk_gguf_u32(g, "llama.flag", &u, &why), "llama.flag");
    REFUSED(sk_gguf_u32(g, "kinds", &u, &why), "kinds: an integer expected, array of i32");
    REFUSED(sk_gguf_i32(g, "big", &i, &why), "big");
    REFUSED(sk_gguf_f32(g, "general.name", &f, &why), "general.name: a number expected, text");
    REFUSED(sk_gguf_f32(g, "scores", &f, &why), "scores");
    REFUSED(sk_gguf_bool(g, "llama.block_count", &flag, &why), "llama.block_count");
    REFUSED(sk_gguf_text(g, "tokens", &text, &why), "tokens");
    REFUSED(sk_gguf_text(g, "llama.epsilon", &text, &why), "llama.epsilon");
    REFUSED(sk_gguf_texts(g, "general.name", &array, &why), "general.name");
    REFUSED(sk_gguf_texts(g, "scores", &array, &why), "scores");
    REFUSED(sk_gguf_floats(g, "kinds", &array, &why), "kinds");
    REFUSED(sk_gguf_floats(g, "llama.epsilon", &array, &why), "llama.epsilon");
    REFUSED(sk_gguf_integers(g, "tokens", &array, &why), "tokens");
    REFUSED(sk_gguf_per_layer(g, "llama.heads", layers, 3, &why), "llama.heads: 3 values expected, 2");
    REFUSED(sk_gguf_per_layer(g, "kinds", layers, 3, &why), "kinds: -3");
    REFUSED(sk_gguf_per_layer(g, "tokens", layers, 3, &why), "tokens");
    CHECK(u == 77 && i == 77 && f == 77 && !flag && text.length == 1 && array.at == NULL);
    CHECK(layers[0] == 9 && layers[1] == 9 && layers[2] == 9);
}

static void check_tensors(const sk_files *f, uint64_t alignment) {
    char bytes[102];
    const sk_gguf_tensor *b = sk_files_find(f, "b.weight");
    CHECK_EQUAL(f->n_tensors, 3);
    CHECK(sk_files_find(f, "a.weigh") == NULL && sk_files_find(f, "a.weight.") == NULL && sk_files_find(f, "") == NULL);
    if (!CHECK(b && b == sk_gguf_find_tensor(&f->part[b->part], "b.weight"))) return;
    CHECK(b->type == SKALD_Q8_0 && b->n_dims == 2 && b->shape[0] == 32 && b->shape[1] == 3 && b->shape[2] == 1);
    CHECK(b->n_bytes == 102 && b->offset % alignment == 0);
    CHECK_EQUAL(sk_files_read(f, bytes, b, 0, 102, NULL), SKALD_OK);
    for (int i = 0; i < 102; i++) CHECK_EQUAL(bytes[i], '2');
    CHECK_EQUAL(sk_files_read(f, bytes, b, 1, 102, NULL), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_files_read(f, bytes, b, UINT64_MAX, 2, NULL), SKALD_ARGUMENT);
}

/* One block, of the size that is told, given back; and everything readable. */
static void check_source(const skald_source *source, uint64_t alignment, const char *note) {
    skald_report why = {.size = sizeof why};
    sk_files f;
    count = (counting){0};
    skald_status s = sk_files_open(&f, &memory, source, 1, 0, NULL, &why);
    if (!CHECK_SAID(s == SKALD_OK, "%s: %s", note, why.text)) return;
    CHECK(count.live == f.block_bytes && count.peak == f.block_bytes);
    CHECK_EQUAL(f.part[0].size.n_entries, alignment == 32 ? 18 : 19);
    check_values(&f.part[0]);
    check_refusals(&f.part[0]);
    check_tensors(&f, alignment);
    CHECK((sk_source_view(&f.source[0], 0, 4) != NULL) == (source->bytes || source->map));
    CHECK(sk_source_view(&f.source[0], f.source[0].n_bytes, 1) == NULL);
    CHECK_EQUAL(sk_source_read(&f.source[0], NULL, f.source[0].n_bytes, 0, &why), SKALD_OK);
    CHECK_EQUAL(sk_source_read(&f.source[0], NULL, f.source[0].n_bytes, 1, &why), SKALD_FORMAT);
    CHECK(strstr(why.text, "the file ends at byte") != NULL);
    sk_files_close(&f);
    CHECK_EQUAL(count.live, 0);
}

/* Numbers that a file may hold but no model can mean. */
static void check_not_finite(void) {
    static const struct {
        const char *key;
        uint64_t value;
        uint32_t n_bytes;
    } bad[] = {{"llama.epsilon", 0x7f800000, 4},
               {"llama.epsilon", 0xff800000, 4},
               {"llama.epsilon", 0x7fc00000, 4},
               {"half", 0x7ff0000000000000, 8},
               {"half", 0x7e37e43c8800759c /* 1e300 */, 8},
               {"half", 0xfe37e43c8800759c, 8}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        skald_report why = {.size = sizeof why};
        sample s;
        sk_files f;
        float out = 77;
        sample_make(&s, 32);
        skald_source from = sample_source(&s);
        for (size_t at = 0, n = strlen(bad[i].key); at + n < s.n_bytes; at++)
            if (memcmp(s.bytes + at, bad[i].key, n) == 0) sk_store(s.bytes + at + n + 4, bad[i].value, bad[i].n_bytes);
        if (!CHECK(sk_files_open(&f, &memory, &from, 1, 0, NULL, &why) == SKALD_OK)) continue;
        CHECK(sk_gguf_f32(&f.part[0], bad[i].key, &out, &why) == SKALD_FORMAT && strstr(why.text, bad[i].key) &&
              out == 77);
        sk_files_close(&f);
    }
}

/* ---- origins */

static void put_file(const char *path, const void *bytes, size_t n_bytes) {
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, n_bytes, file) == n_bytes);
    if (file) fclose(file);
}

typedef struct host {
    const sample *file;
    uint64_t fail_from; /* reads that touch bytes from here on fail */
} host;

static skald_status host_read(void *user, void *to, uint64_t offset, size_t n_bytes) {
    const host *h = user;
    if (!CHECK(offset + n_bytes <= h->file->n_bytes)) return SKALD_READ;
    if (offset + n_bytes > h->fail_from) return SKALD_DEVICE;
    memcpy(to, h->file->bytes + offset, n_bytes);
    return SKALD_OK;
}

/* The number that the system gives to the next file: it grows when one was not closed. */
static int next_file(const char *path) {
    FILE *file = fopen(path, "rb");
    int number = file ? fileno(file) : -1;
    if (file) fclose(file);
    return number;
}

static void check_origins(void) {
    static const char path[] = SK_TEST_BIN "/gguf-origin.gguf";
    sample s;
    sample_make(&s, 32);
    host h = {&s, UINT64_MAX};
    skald_source from[] = {sample_source(&s),
                           {.size = sizeof from[0], .path = path},
                           {.size = sizeof from[0], .path = path, .map = 1},
                           {.size = sizeof from[0], .read = host_read, .user = &h, .n_bytes = s.n_bytes}};
    put_file(path, s.bytes, s.n_bytes);
    int before = next_file(path);
    check_source(&from[0], 32, "memory");
    check_source(&from[1], 32, "path");
    check_source(&from[2], 32, "mapped");
    int after = next_file(path);
    CHECK_EQUAL(after, before);
    check_source(&from[3], 32, "callback");
    s.bytes[4] = 2;
    check_source(&from[0], 32, "version 2");
    for (uint32_t alignment = 1; alignment <= 1024; alignment *= 2) {
        sample_make(&s, alignment);
        from[0] = sample_source(&s);
        check_source(&from[0], alignment, "alignment");
    }
    remove(path);
}

/* A reading that fails comes out with the status of the host, wherever it happens. */
static void check_read_failures(void) {
    sample s;
    sample_make(&s, 32);
    for (uint64_t at = 0; at < s.n_bytes; at += 97) {
        host h = {&s, at};
        skald_source from = {.size = sizeof from, .read = host_read, .user = &h, .n_bytes = s.n_bytes};
        skald_report why = {.size = sizeof why};
        sk_files f;
        count = (counting){0};
        skald_status got = sk_files_open(&f, &memory, &from, 1, 0, NULL, &why);
        CHECK(got == SKALD_DEVICE && strstr(why.text, "cannot be read"));
        CHECK(count.live == 0 && f.block == NULL);
    }
}

static void check_bad_sources(void) {
    char c = 0;
    skald_report why = {.size = sizeof why};
    sk_files f;
    skald_source bad[] = {{.size = sizeof bad[0]},
                          {.size = sizeof bad[0], .path = "x", .bytes = &c},
                          {.size = sizeof bad[0], .bytes = &c, .n_bytes = 1, .map = 1},
                          {.size = sizeof bad[0], .path = "x", .map = 2},
                          {.size = sizeof bad[0], .path = "x", .reserved = 1},
                          {.size = 3, .path = "x"},
                          {.size = 8, .path = "x"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_SAID(sk_files_open(&f, &memory, &bad[i], 1, 0, NULL, &why) == SKALD_ARGUMENT, "bad source %zu", i);
    CHECK_EQUAL(sk_files_open(&f, &memory, bad, 0, 0, NULL, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_files_open(&f, &memory, NULL, 1, 0, NULL, &why), SKALD_ARGUMENT);
    bad[0].path = SK_TEST_BIN "/no-such-file.gguf";
    CHECK_EQUAL(sk_files_open(&f, &memory, bad, 1, 0, NULL, &why), SKALD_READ);
    CHECK(strstr(why.text, "no-such-file") != NULL);
    bad[0].path = SK_TEST_BIN;
    CHECK_EQUAL(sk_files_open(&f, &memory, bad, 1, 0, NULL, &why), SKALD_READ);

    /* a struct from a newer header: a longer stride is walked, an unknown option that is set is refused */
    sample s;
    sample_make(&s, 32);
    struct {
        skald_source known;
        uint64_t unknown;
    } newer = {sample_source(&s), 0};
    newer.known.size = sizeof newer;
    check_source(&newer.known, 32, "newer struct");
    newer.unknown = 1;
    CHECK_EQUAL(sk_files_open(&f, &memory, &newer.known, 1, 0, NULL, &why), SKALD_ARGUMENT);
}

/* ---- split files */

/* Part `index` has tensors t<2*index> and t<2*index+1>, each 8 floats of value 10 * index and one more. */
static void make_part(sample *s, uint32_t index, uint32_t n_parts, uint32_t said_index, uint32_t said_total) {
    const uint64_t shape[] = {8};
    sk_gguf_writer w;
    s->n_bytes = 0;
    sk_gguf_begin(&w, sample_write, s, 3, 2, 32);
    sk_gguf_put_u32(&w, "split.no", said_index);
    sk_gguf_put_u32(&w, "split.count", n_parts);
    sk_gguf_put_i32(&w, "split.tensors.count", (int32_t)said_total);
    for (uint32_t t = 0; t < 2; t++) {
        char name[3] = {'t', (char)('0' + 2 * index + t), 0};
        sk_gguf_declare(&w, sample_text(name), SKALD_F32, 1, shape);
    }
    for (uint32_t t = 0; t < 2; t++) sample_tensor(&w, 32, (char)(10 * index + t));
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_OK);
}

static void check_merged(const skald_source *parts, uint32_t n_parts, const char *note) {
    skald_report why = {.size = sizeof why};
    sk_files f;
    count = (counting){0};
    skald_status s = sk_files_open(&f, &memory, parts, n_parts, 0, NULL, &why);
    if (!CHECK_SAID(s == SKALD_OK, "%s: %s", note, why.text)) return;
    CHECK(f.n_parts == 3 && f.n_tensors == 6 && count.peak == f.block_bytes);
    for (uint32_t i = 0; i < 6; i++) {
        char name[3] = {'t', (char)('0' + i), 0}, byte = 0;
        const sk_gguf_tensor *t = sk_files_find(&f, name);
        if (!CHECK(t && t == f.tensor[i] && t->part == i / 2)) continue;
        CHECK(sk_files_read(&f, &byte, t, 31, 1, &why) == SKALD_OK && byte == (char)(10 * (i / 2) + i % 2));
    }
    sk_source kept;
    sk_source_move(&kept, &f.source[1]);
    sk_files_close(&f);
    char magic[4];
    CHECK(sk_source_read(&kept, magic, 0, 4, &why) == SKALD_OK && memcmp(magic, "GGUF", 4) == 0);
    sk_source_close(&kept);
    CHECK_EQUAL(count.live, 0);
}

static void refuse_parts(const skald_source *parts, uint32_t n_parts, const char *word) {
    skald_report why = {.size = sizeof why};
    sk_files f;
    count = (counting){0};
    skald_status s = sk_files_open(&f, &memory, parts, n_parts, 0, NULL, &why);
    CHECK_SAID(s == SKALD_FORMAT && strstr(why.text, word), "\"%s\" expected, %d \"%s\"", word, s, why.text);
    CHECK_EQUAL(count.live, 0);
}

static void check_split(void) {
    static const char *path[] = {SK_TEST_BIN "/gguf-split-00001-of-00003.gguf",
                                 SK_TEST_BIN "/gguf-split-00002-of-00003.gguf",
                                 SK_TEST_BIN "/gguf-split-00003-of-00003.gguf"};
    static sample s[3], other;
    skald_source in_memory[3], from = {.size = sizeof from, .path = path[0]};
    for (uint32_t i = 0; i < 3; i++) {
        make_part(&s[i], i, 3, i, 6);
        put_file(path[i], s[i].bytes, s[i].n_bytes);
        in_memory[i] = sample_source(&s[i]);
    }
    check_merged(&from, 1, "found beside the first");
    from.map = 1;
    check_merged(&from, 1, "mapped");
    check_merged(in_memory, 3, "list");

    refuse_parts(in_memory, 1, "3 parts, 1 are given");
    refuse_parts(in_memory, 2, "3 parts, 2 are given");
    from.path = path[1];
    refuse_parts(&from, 1, "part 1 of 3");
    skald_source order[] = {in_memory[0], in_memory[2], in_memory[1]},
                 twice[] = {in_memory[0], in_memory[1], in_memory[1]};
    refuse_parts(order, 3, "part 2 of 3");
    refuse_parts(twice, 3, "part 3 of 3");
    skald_source changed[] = {in_memory[0], in_memory[1], sample_source(&other)};
    make_part(&other, 2, 3, 2, 7);
    changed[2] = sample_source(&other);
    refuse_parts(changed, 3, "split.tensors.count");
    make_part(&other, 1, 3, 2, 6);
    changed[2] = sample_source(&other);
    refuse_parts(changed, 3, "tensor t2: it is in part 2 and in part 3");
    make_part(&other, 2, 4, 2, 6);
    changed[2] = sample_source(&other);
    refuse_parts(changed, 3, "part 3 of 3");
    sample_make(&other, 32);
    changed[2] = sample_source(&other);
    refuse_parts(changed, 3, "part 3 of 3");
    for (uint32_t i = 0; i < 3; i++) remove(path[i]);
}

static void check_split_path(void) {
    char out[64];
    CHECK(sk_split_path(out, sizeof out, "a/b-00001-of-00012.gguf", 11, 12, NULL) == SKALD_OK);
    CHECK_TEXT(out, "a/b-00012-of-00012.gguf");
    CHECK_EQUAL(sk_split_path(out, sizeof out, "a/b-00001-of-12345.gguf", 9876, 12345, NULL), SKALD_OK);
    CHECK_TEXT(out, "a/b-09877-of-12345.gguf");
    CHECK_EQUAL(sk_split_path(out, 24, "a/b-00001-of-00012.gguf", 0, 12, NULL), SKALD_OK);
    CHECK_EQUAL(sk_split_path(out, 23, "a/b-00001-of-00012.gguf", 0, 12, NULL), SKALD_FORMAT);
    CHECK_EQUAL(sk_split_path(out, sizeof out, "a/b-00001-of-00012.gguf", 12, 12, NULL), SKALD_FORMAT);
    CHECK_EQUAL(sk_split_path(out, sizeof out, "a/b-00002-of-00012.gguf", 1, 12, NULL), SKALD_FORMAT);
    CHECK_EQUAL(sk_split_path(out, sizeof out, "a/b-00001-of-00013.gguf", 1, 12, NULL), SKALD_FORMAT);
    CHECK_EQUAL(sk_split_path(out, sizeof out, "b.gguf", 1, 12, NULL), SKALD_FORMAT);
    CHECK_EQUAL(sk_split_path(out, sizeof out, "", 1, 12, NULL), SKALD_FORMAT);
}

/* ---- many keys: found in reasonable time, duplicates too */

enum { MANY = 65000 };
typedef struct many {
    size_t n_bytes;
    char bytes[MANY * 32];
} many;

static skald_status append(void *user, const void *bytes, size_t n_bytes) {
    many *m = user;
    if (n_bytes > sizeof m->bytes - m->n_bytes) return SKALD_FULL;
    memcpy(m->bytes + m->n_bytes, bytes, n_bytes);
    m->n_bytes += n_bytes;
    return SKALD_OK;
}

static void check_many(void) {
    static many m;
    sk_gguf_writer w;
    sk_files f;
    char key[16];
    sk_gguf_begin(&w, append, &m, MANY, 0, 32);
    for (uint32_t i = 0; i < MANY; i++) {
        sk_format(key, sizeof key, "key.%u", i * 40503u % MANY);
        sk_gguf_put_u32(&w, key, i * 40503u % MANY);
    }
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_OK);
    skald_source from = {.size = sizeof from, .bytes = m.bytes, .n_bytes = m.n_bytes};
    if (!CHECK(sk_files_open(&f, &memory, &from, 1, 0, NULL, NULL) == SKALD_OK)) return;
    for (uint32_t i = 0, got = 0; i < MANY; i++) {
        sk_format(key, sizeof key, "key.%u", i);
        CHECK(sk_gguf_u32(&f.part[0], key, &got, NULL) == SKALD_OK && got == i);
    }
    sk_files_close(&f);
}

/* A header copied elsewhere parses again over the copy, and a changed copy is refused. */
static void check_second_parse(void) {
    static char block[16384];
    sample s;
    sk_files f;
    sk_gguf again;
    sk_carver c = {.base = block};
    skald_report why = {.size = sizeof why};
    sample_make(&s, 32);
    skald_source from = sample_source(&s);
    if (!CHECK(sk_files_open(&f, &memory, &from, 1, 0, NULL, &why) == SKALD_OK)) return;
    sk_gguf_layout(&again, &f.part[0].size, &c);
    char *header = sk_carve(&c, again.size.header_bytes, 1, 1);
    memcpy(header, f.part[0].header, (size_t)again.size.header_bytes);
    sk_files_close(&f);
    CHECK_EQUAL(sk_gguf_parse(&again, header, 0, NULL, &why), SKALD_OK);
    check_values(&again);
    header[16]--; /* one key less */
    CHECK_EQUAL(sk_gguf_parse(&again, header, 0, NULL, &why), SKALD_FORMAT);
    CHECK(strstr(why.text, "changed") != NULL);
}

static void check_writer_refuses(void) {
    const uint64_t shape[] = {32}, odd[] = {33};
    sample s = {.n_bytes = 0};
    sk_gguf_writer w;
    sk_gguf_begin(&w, sample_write, &s, 1, 0, 32);
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_ARGUMENT); /* a key is missing */
    sk_gguf_begin(&w, sample_write, &s, 0, 0, 32);
    sk_gguf_put_u32(&w, "one", 1);
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_ARGUMENT); /* a key too many */
    sk_gguf_begin(&w, sample_write, &s, 0, 1, 32);
    sk_gguf_declare(&w, sample_text("t"), SKALD_Q8_0, 1, odd);
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_ARGUMENT); /* not whole blocks */
    sk_gguf_begin(&w, sample_write, &s, 0, 1, 32);
    sk_gguf_declare(&w, sample_text("t"), SKALD_F32, 1, shape);
    sample_tensor(&w, 100, 0);
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_OK); /* 128 with padding, as declared */
    sk_gguf_begin(&w, sample_write, &s, 0, 1, 32);
    sk_gguf_declare(&w, sample_text("t"), SKALD_F32, 1, shape);
    sample_tensor(&w, 90, 0);
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_ARGUMENT);
    s.n_bytes = sizeof s.bytes - 10;
    sk_gguf_begin(&w, sample_write, &s, 0, 0, 32);
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_FULL); /* what the callback said */
}

int main(void) {
    check_not_finite();
    check_origins();
    check_read_failures();
    check_bad_sources();
    check_split();
    check_split_path();
    check_many();
    check_second_parse();
    check_writer_refuses();
    return sk_checked();
}

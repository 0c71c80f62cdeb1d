/* libFuzzer target: any bytes as a GGUF file. What is accepted must keep the reader's promises, not only not crash. */
#include "file/files.h"
#include "base/report.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define PROMISE(holds) ((holds) ? (void)0 : __builtin_trap())

volatile uint64_t sk_fuzz_seen; /* keeps the readings alive */

/* Reads every byte that a text claims, so that the sanitizer sees where it lies. */
static uint64_t touch(sk_text text, uint64_t sum) {
    for (uint64_t i = 0; i < text.length; i++) sum += (unsigned char)text.at[i];
    return sum;
}

static uint64_t read_entry(const sk_gguf *g, const sk_gguf_entry *e, const char *key) {
    uint64_t sum = 0, u64;
    uint32_t u32, layers[8];
    int32_t i32;
    float f32;
    bool flag;
    sk_text text;
    sk_gguf_array array;
    skald_report why = {.size = sizeof why};
    PROMISE(sk_gguf_find(g, key) == e);
    if (sk_gguf_u32(g, key, &u32, &why) == SKALD_OK) PROMISE(sk_gguf_u64(g, key, &u64, &why) == SKALD_OK && u64 == u32);
    if (sk_gguf_i32(g, key, &i32, &why) == SKALD_OK) PROMISE(sk_gguf_f32(g, key, &f32, &why) == SKALD_OK);
    if (sk_gguf_f32(g, key, &f32, &why) == SKALD_OK) PROMISE(f32 - f32 == 0);
    if (sk_gguf_bool(g, key, &flag, &why) == SKALD_OK) sum += flag;
    if (sk_gguf_text(g, key, &text, &why) == SKALD_OK) sum = touch(text, sum);
    if (sk_gguf_per_layer(g, key, layers, 8, &why) == SKALD_OK) sum += layers[7];
    if (sk_gguf_texts(g, key, &array, &why) == SKALD_OK)
        for (uint64_t i = 0; i < array.count; i++) sum = touch(sk_gguf_next_text(&array), sum);
    if (sk_gguf_floats(g, key, &array, &why) == SKALD_OK)
        for (uint64_t i = 0; i < array.count; i++) sum += sk_gguf_float_at(&array, i) > 0;
    if (sk_gguf_integers(g, key, &array, &why) == SKALD_OK)
        for (uint64_t i = 0; i < array.count; i++) sum += (uint64_t)sk_gguf_integer_at(&array, i);
    return sum;
}

static uint64_t read_tensor(const sk_files *f, const sk_gguf_tensor *t, uint64_t n_bytes) {
    char name[80], byte;
    uint64_t elements = 1;
    for (int d = 0; d < 4; d++) elements *= t->shape[d];
    sk_format(name, sizeof name, "%.*s", SK_TEXT(t->name));
    PROMISE(t->name.length && t->name.length < sizeof name && sk_files_find(f, name) == t);
    PROMISE(t->offset <= n_bytes && t->n_bytes <= n_bytes - t->offset && t->n_bytes);
    PROMISE(skald_dtype_bytes(t->type, elements) == t->n_bytes);
    PROMISE(sk_files_read(f, &byte, t, t->n_bytes - 1, 1, NULL) == SKALD_OK);
    PROMISE(sk_files_read(f, &byte, t, t->n_bytes, 1, NULL) == SKALD_ARGUMENT);
    return (unsigned char)byte;
}

/* No two tensors share a byte, said in the simplest way. */
static void check_apart(const sk_files *f) {
    for (uint32_t i = 0; i < f->n_tensors && i < 64; i++)
        for (uint32_t k = 0; k < i; k++) {
            const sk_gguf_tensor *a = f->tensor[i], *b = f->tensor[k];
            PROMISE(a->offset + a->n_bytes <= b->offset || b->offset + b->n_bytes <= a->offset);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    static char key[65536];
    skald_source source = {.size = sizeof source, .bytes = bytes, .n_bytes = n_bytes};
    skald_report why = {.size = sizeof why};
    sk_files f;
    skald_status s = sk_files_open(&f, &sk_libc_allocator, &source, 1, 0, NULL, &why);
    if (s != SKALD_OK) {
        PROMISE(f.block == NULL && why.status == s && why.text[0] && memchr(why.text, 0, sizeof why.text));
        PROMISE(s == SKALD_FORMAT || s == SKALD_UNSUPPORTED);
        return 0;
    }
    PROMISE(f.block_bytes < 8 * n_bytes + 4096);
    for (uint32_t i = 0; i < f.part[0].size.n_entries; i++) {
        const sk_gguf_entry *e = &f.part[0].entry[i];
        memcpy(key, e->key.at, (size_t)e->key.length);
        key[e->key.length] = 0;
        sk_fuzz_seen += read_entry(&f.part[0], e, key);
    }
    for (uint32_t i = 0; i < f.n_tensors; i++) sk_fuzz_seen += read_tensor(&f, f.tensor[i], n_bytes);
    check_apart(&f);
    sk_files_close(&f);
    return 0;
}

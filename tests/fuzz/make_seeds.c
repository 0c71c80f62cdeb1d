/* Writes small valid files for the fuzz targets to begin with: make_seeds FOLDER. Every value type, tensor format and
 * version is among the GGUF ones, so that mutations start behind the first checks. */
#include "support/sample_gguf.h"
#include <stdio.h>

static int put(const char *folder, const char *name, const void *bytes, size_t n_bytes) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file) return 1;
    size_t n = fwrite(bytes, 1, n_bytes, file);
    return fclose(file) != 0 || n != n_bytes;
}

/* One entry of each type, alone and as an array of two, and one tensor of each format. */
static void make_types(sample *s) {
    static const char zeros[16];
    uint32_t n_formats = 0;
    sk_gguf_writer w;
    for (uint32_t type = 0; type < 256; type++) n_formats += skald_dtype_name(type) != NULL;
    s->n_bytes = 0;
    sk_gguf_begin(&w, sample_write, s, 24, n_formats, 1);
    for (uint32_t type = 0; type <= SK_GGUF_F64; type++) {
        char one[] = "one.a", two[] = "two.a";
        one[4] = two[4] = (char)('a' + type);
        if (type == SK_GGUF_ARRAY) continue;
        sk_gguf_put_entry(&w, &(sk_gguf_entry){sample_text(one), type, false, 1, zeros});
        sk_gguf_put_entry(&w, &(sk_gguf_entry){sample_text(two), type, true, 2, zeros});
    }
    for (uint32_t type = 0; type < 256; type++) {
        const uint64_t shape[] = {256};
        if (skald_dtype_name(type)) sk_gguf_declare(&w, sample_text(skald_dtype_name(type)), type, 1, shape);
    }
    for (uint64_t left = w.declared; left && w.status == SKALD_OK; left--) sk_gguf_data(&w, zeros, 1);
    if (sk_gguf_finish(&w, NULL) != SKALD_OK) s->n_bytes = 0;
}

int main(int argc, char **argv) {
    static const char json[] = "{\"a\": [1, -2.5e-3, true, null, \"\\u00e9\\n\\ud83d\\ude00\"], \"b\": {\"c\": {}}}";
    static sample s;
    int failed = 0;
    if (argc != 2) return 2;
    for (uint32_t alignment = 1; alignment <= 256; alignment *= 4) {
        char name[32];
        sample_make(&s, alignment);
        snprintf(name, sizeof name, "aligned-%u.gguf", alignment);
        failed |= put(argv[1], name, s.bytes, s.n_bytes);
    }
    sample_make(&s, 32);
    s.bytes[4] = 2;
    failed |= put(argv[1], "version2.gguf", s.bytes, s.n_bytes);
    make_types(&s);
    failed |= put(argv[1], "types.gguf", s.bytes, s.n_bytes);
    failed |= put(argv[1], "config.json", json, sizeof json - 1);
    return failed;
}

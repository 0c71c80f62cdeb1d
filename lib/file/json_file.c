#include "file/json_file.h"
#include "base/report.h"
#include "file/source.h"

#define MOST_BYTES (1u << 20)

static skald_status read_all(sk_json_file *out, const sk_source *file, const char *name, skald_report *why) {
    const uint64_t n = file->n_bytes;
    if (n == 0 || n > MOST_BYTES)
        return sk_fail(why, SKALD_FORMAT, "%s: %llu bytes are no config", name, (unsigned long long)n);
    out->text = sk_allocate(out->memory, 1, n, SKALD_MEMORY_LOAD), out->n_bytes = n;
    if (!out->text) return sk_fail(why, SKALD_MEMORY, "no memory to read %s", name);
    const skald_status status = sk_source_read(file, out->text, 0, (size_t)n, why);
    return status == SKALD_OK ? sk_json_open(&out->root, out->text, n, why) : status;
}

skald_status sk_json_file_open(sk_json_file *out, const skald_allocator *memory, const skald_source *source,
                               const char *name, skald_report *why) {
    *out = (sk_json_file){.memory = memory};
    skald_source from;
    sk_source file = {0};
    skald_status status = sk_source_part(&from, source, 0, why);
    if (status == SKALD_OK) status = sk_source_open(&file, &from, why);
    if (status == SKALD_OK) status = read_all(out, &file, name, why);
    sk_source_close(&file);
    if (status != SKALD_OK) sk_json_file_close(out);
    return status;
}

void sk_json_file_close(sk_json_file *file) {
    if (file->text) sk_release(file->memory, file->text, file->n_bytes);
    *file = (sk_json_file){0};
}

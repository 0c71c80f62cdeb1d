/* One door for four origins of bytes, so that no reader behind it cares which it is. */
#include "file/source.h"
#include "base/memory.h"
#include "base/report.h"
#include <string.h>

typedef unsigned long long wide;

#define PIECE_BYTES ((size_t)1 << 20)

skald_status sk_source_part(skald_source *out, const skald_source *parts, uint32_t index, skald_report *why) {
    static const skald_source defaults = {.size = sizeof defaults};
    if (!parts) return sk_fail(why, SKALD_ARGUMENT, "skald_source: no part is given");
    const char *part = (const char *)parts + (size_t)parts->size * index;
    uint32_t size;
    memcpy(&size, part, sizeof size);
    if (size != parts->size || size < offsetof(skald_source, path) + sizeof(char *))
        return sk_fail(why, SKALD_ARGUMENT, "skald_source %u: size is %u, set it to sizeof(skald_source)", index, size);
    skald_status s = sk_options_copy(out, sizeof *out, &defaults, part, "skald_source", why);
    if (s != SKALD_OK) return s;
    if ((out->path != NULL) + (out->bytes != NULL) + (out->read != NULL) != 1)
        return sk_fail(why, SKALD_ARGUMENT, "skald_source %u: set exactly one of path, bytes and read", index);
    if (out->map > 1 || (out->map && !out->path) || out->concurrent > 1 || out->reserved)
        return sk_fail(why, SKALD_ARGUMENT,
                       "skald_source %u: map (only of a path) and concurrent are 0 or 1, reserved is 0", index);
    return SKALD_OK;
}

static skald_status open_path(sk_source *out, const skald_source *from, skald_report *why) {
    skald_status s = sk_os_file_open(&out->file, from->path, why);
    if (s != SKALD_OK) return s;
    out->n_bytes = out->file.bytes;
    out->concurrent = true;
    out->is_file = !from->map;
    if (out->is_file) return SKALD_OK;
    out->mapping = sk_os_file_map(&out->file);
    out->view = out->mapping;
    sk_os_file_close(&out->file);
    return out->view ? SKALD_OK : sk_fail(why, SKALD_READ, "%s: cannot be mapped", from->path);
}

skald_status sk_source_open(sk_source *out, const skald_source *from, skald_report *why) {
    *out = (sk_source){0};
    if (from->path) return open_path(out, from, why);
    out->n_bytes = from->n_bytes;
    out->view = from->bytes;
    out->read = from->read;
    out->user = from->user;
    out->concurrent = from->bytes || from->concurrent;
    return SKALD_OK;
}

void sk_source_close(sk_source *source) {
    if (source->mapping) sk_os_unmap(source->mapping, source->n_bytes);
    if (source->is_file) sk_os_file_close(&source->file);
    *source = (sk_source){0};
}

void sk_source_move(sk_source *to, sk_source *from) {
    *to = *from;
    *from = (sk_source){0};
    to->watch = NULL;
}

static bool inside(const sk_source *source, uint64_t offset, uint64_t n_bytes) {
    return offset <= source->n_bytes && n_bytes <= source->n_bytes - offset;
}

static skald_status read_piece(const sk_source *source, void *to, uint64_t offset, size_t n_bytes, skald_report *why) {
    skald_status s = source->read ? source->read(source->user, to, offset, n_bytes)
                                  : sk_os_file_read(&source->file, to, offset, n_bytes);
    if (s == SKALD_OK) return sk_watch_look(source->watch, why);
    return sk_fail_at(why, s, offset, "%llu bytes at %llu cannot be read (%s)", (wide)n_bytes, (wide)offset,
                      skald_status_text(s));
}

skald_status sk_source_read(const sk_source *source, void *to, uint64_t offset, size_t n_bytes, skald_report *why) {
    if (!inside(source, offset, n_bytes))
        return sk_fail_at(why, SKALD_FORMAT, offset, "the file ends at byte %llu, %llu bytes at %llu are needed",
                          (wide)source->n_bytes, (wide)n_bytes, (wide)offset);
    if (source->view) return sk_watch_copy(source->watch, to, source->view + offset, n_bytes, why);
    skald_status status = SKALD_OK;
    for (size_t n; n_bytes && status == SKALD_OK; to = (char *)to + n, offset += n, n_bytes -= n) {
        n = n_bytes < PIECE_BYTES ? n_bytes : PIECE_BYTES;
        status = read_piece(source, to, offset, n, why);
    }
    return status;
}

const void *sk_source_view(const sk_source *source, uint64_t offset, uint64_t n_bytes) {
    return source->view && inside(source, offset, n_bytes) ? source->view + offset : NULL;
}

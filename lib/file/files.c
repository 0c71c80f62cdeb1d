/* Two rounds over the parts: the first measures them all, the second reads the headers into the one block whose size is
 * then known. Between the rounds nothing is kept but the sum, so any number of parts needs no memory of its own. */
#include "file/files.h"
#include "base/report.h"
#include "file/sort.h"
#include <string.h>

typedef unsigned long long wide;

enum { PATH_ROOM = 4096 };

/* Where part i comes from: the caller's list, or names made from the first. */
typedef struct origin {
    const skald_source *parts;
    uint32_t n_parts, n_given;
    uint64_t split_tensors; /* as the first part said in the first round */
    sk_watch *watch;
    bool map; /* those with a path */
    skald_source first;
    char path[PATH_ROOM];
} origin;

static const char split_end[] = "-00001-of-00000.gguf";

static void five_digits(char *out, uint32_t n) {
    for (int i = 5; i-- > 0; n /= 10) out[i] = (char)('0' + n % 10);
}

skald_status sk_split_path(char *out, size_t room, const char *first, uint32_t index, uint32_t count,
                           skald_report *why) {
    size_t n = strlen(first), tail = sizeof split_end - 1;
    char want[sizeof split_end];
    memcpy(want, split_end, sizeof want);
    five_digits(want + 10, count);
    if (count > 99999 || index >= count || n < tail || memcmp(first + n - tail, want, tail) != 0)
        return sk_fail(why, SKALD_FORMAT, "%s: the first of %u parts is named ...%s", first, count, want);
    if (n >= room) return sk_fail(why, SKALD_FORMAT, "a path of %zu bytes is too long", n);
    memcpy(out, first, n + 1);
    five_digits(out + n - tail + 1, index + 1);
    return SKALD_OK;
}

static skald_status open_part(sk_source *out, sk_gguf_size *size, origin *from, uint32_t index, skald_report *why) {
    skald_source source = from->first;
    skald_status s = SKALD_OK;
    if (index && from->n_given == 1) {
        s = sk_split_path(from->path, sizeof from->path, from->first.path, index, from->n_parts, why);
        source.path = from->path;
    } else if (index) {
        s = sk_source_part(&source, from->parts, index, why);
    }
    if (from->map && source.path) source.map = 1;
    if (s == SKALD_OK) s = sk_source_open(out, &source, why);
    if (s != SKALD_OK) return s;
    out->watch = from->watch;
    s = sk_gguf_measure(size, out, why);
    if (s != SKALD_OK) sk_source_close(out);
    return s;
}

/* How many parts there are, from the first one. */
static skald_status count_parts(origin *from, const sk_gguf_size *first, skald_report *why) {
    uint32_t said = first->split_count ? first->split_count : 1;
    if (from->n_given == 1 && said > 1 && from->first.path) from->n_parts = said;
    from->split_tensors = first->split_tensors;
    if (from->n_parts != said)
        return sk_fail(why, SKALD_FORMAT, "key split.count: the model has %u parts, %u are given", said, from->n_parts);
    return SKALD_OK;
}

static skald_status check_part(const origin *from, const sk_gguf_size *size, uint32_t index, skald_report *why) {
    uint32_t said = size->split_count ? size->split_count : 1;
    if (size->split_index != index || said != from->n_parts)
        return sk_fail(why, SKALD_FORMAT, "part %u of %u: keys split.no and split.count say number %u of %u (from 0)",
                       index + 1, from->n_parts, size->split_index, said);
    if (size->split_tensors != from->split_tensors)
        return sk_fail(why, SKALD_FORMAT, "part %u of %u: key split.tensors.count is %llu, in part 1 it is %llu",
                       index + 1, from->n_parts, (wide)size->split_tensors, (wide)from->split_tensors);
    return SKALD_OK;
}

/* The order in the block: lists of known length, then per part its tables and its header. */
static void lay_out_lists(sk_files *f, sk_carver *c) {
    f->source = sk_carve(c, f->n_parts, sizeof *f->source, SK_CACHE_LINE);
    f->part = sk_carve(c, f->n_parts, sizeof *f->part, SK_CACHE_LINE);
    f->tensor = sk_carve(c, f->n_tensors, sizeof *f->tensor, SK_CACHE_LINE);
    f->by_name = sk_carve(c, f->n_tensors, sizeof *f->by_name, SK_CACHE_LINE);
}

static char *lay_out_part(sk_gguf *g, const sk_gguf_size *size, sk_carver *c) {
    sk_gguf_layout(g, size, c);
    return sk_carve(c, size->header_bytes, 1, 1);
}

/* First round. Lists come first in the block but their length is known last: parts are counted from a cache line on. */
static skald_status measure(sk_files *f, origin *from, skald_report *why) {
    sk_carver parts = {0}, lists = {0};
    uint64_t n_tensors = 0;
    for (uint32_t i = 0; i < from->n_parts; i++) {
        sk_source source;
        sk_gguf_size size;
        sk_gguf tables;
        skald_status s = open_part(&source, &size, from, i, why);
        if (s != SKALD_OK) return s;
        sk_source_close(&source);
        if (i == 0) s = count_parts(from, &size, why);
        if (s == SKALD_OK) s = check_part(from, &size, i, why);
        if (s != SKALD_OK) return s;
        lay_out_part(&tables, &size, &parts);
        n_tensors += size.n_tensors;
    }
    if (n_tensors > UINT32_MAX / 2 || (from->split_tensors && from->split_tensors != n_tensors))
        return sk_fail(why, SKALD_FORMAT, "key split.tensors.count: %llu tensors expected, %llu found",
                       (wide)from->split_tensors, (wide)n_tensors);
    f->n_parts = from->n_parts;
    f->n_tensors = (uint32_t)n_tensors;
    lay_out_lists(f, &lists);
    f->block_bytes =
        parts.broken || lists.broken ? UINT64_MAX : sk_add(sk_align(lists.used, SK_CACHE_LINE), parts.used);
    return SKALD_OK;
}

/* Second round, for one part. The file may have changed: its tables must still fit behind what was carved before. */
static skald_status read_part(sk_files *f, origin *from, uint32_t i, uint32_t *n_tensors, sk_carver *c,
                              skald_report *why) {
    sk_gguf_size size;
    sk_carver probe = {.used = c->used};
    skald_status s = open_part(&f->source[i], &size, from, i, why);
    if (s != SKALD_OK) return s;
    lay_out_part(&f->part[i], &size, &probe);
    if (probe.broken || probe.used > f->block_bytes || size.n_tensors > f->n_tensors - *n_tensors)
        return sk_fail(why, SKALD_FORMAT, "part %u of %u: the file changed while it was read", i + 1, f->n_parts);
    char *header = lay_out_part(&f->part[i], &size, c);
    s = sk_source_read(&f->source[i], header, 0, (size_t)size.header_bytes, why);
    if (s == SKALD_OK) s = sk_gguf_parse(&f->part[i], header, i, f->watch, why);
    if (s == SKALD_OK) s = check_part(from, &size, i, why);
    for (uint32_t k = 0; s == SKALD_OK && k < size.n_tensors; k++) f->tensor[(*n_tensors)++] = &f->part[i].tensor[k];
    return s;
}

static int name_order(const void *user, uint32_t a, uint32_t b) {
    const sk_files *f = user;
    return sk_text_compare(f->tensor[a]->name, f->tensor[b]->name);
}

skald_status sk_files_index(sk_files *f, skald_report *why) {
    skald_status status = sk_sort(f->by_name, f->n_tensors, name_order, f, f->watch, why);
    if (status != SKALD_OK) return status;
    for (uint32_t i = 1; i < f->n_tensors; i++) {
        const sk_gguf_tensor *a = f->tensor[f->by_name[i - 1]], *b = f->tensor[f->by_name[i]];
        if (sk_text_compare(a->name, b->name) != 0) continue;
        if (a->part == b->part)
            return sk_fail(why, SKALD_FORMAT, "tensor %.*s: its name occurs twice in the file", SK_TEXT(b->name));
        return sk_fail(why, SKALD_FORMAT, "tensor %.*s: it is in part %u and in part %u", SK_TEXT(b->name), a->part + 1,
                       b->part + 1);
    }
    return SKALD_OK;
}

static skald_status read_all(sk_files *f, origin *from, skald_report *why) {
    f->block = sk_allocate(f->memory, 1, f->block_bytes, SKALD_MEMORY_LOAD);
    if (!f->block) return sk_fail(why, SKALD_MEMORY, "no memory for the header (%llu bytes)", (wide)f->block_bytes);
    sk_carver c = {.base = f->block};
    lay_out_lists(f, &c);
    memset(f->source, 0, f->n_parts * sizeof *f->source);
    c.used = sk_align(c.used, SK_CACHE_LINE);
    uint32_t n_tensors = 0;
    skald_status s = SKALD_OK;
    for (uint32_t i = 0; i < f->n_parts && s == SKALD_OK; i++) s = read_part(f, from, i, &n_tensors, &c, why);
    if (s == SKALD_OK && n_tensors != f->n_tensors)
        s = sk_fail(why, SKALD_FORMAT, "the files changed while they were read");
    return s == SKALD_OK ? sk_files_index(f, why) : s;
}

skald_status sk_files_open(sk_files *out, const skald_allocator *memory, const skald_source *parts, uint32_t n_parts,
                           bool map, sk_watch *watch, skald_report *why) {
    *out = (sk_files){.memory = memory, .watch = watch};
    origin from = {.parts = parts, .n_parts = n_parts, .n_given = n_parts, .map = map, .watch = watch};
    if (n_parts == 0 || n_parts > 99999)
        return sk_fail(why, SKALD_ARGUMENT, "skald_source: %u parts are given", n_parts);
    skald_status s = sk_source_part(&from.first, parts, 0, why);
    if (s == SKALD_OK) s = measure(out, &from, why);
    if (s == SKALD_OK) s = read_all(out, &from, why);
    if (s != SKALD_OK) sk_files_close(out);
    return s;
}

void sk_files_close(sk_files *files) {
    for (uint32_t i = 0; files->block && i < files->n_parts; i++) sk_source_close(&files->source[i]);
    if (files->block) sk_release(files->memory, files->block, files->block_bytes);
    *files = (sk_files){0};
}

const sk_gguf_tensor *sk_files_find(const sk_files *files, const char *name) {
    sk_text want = {name, strlen(name)};
    for (uint32_t low = 0, high = files->n_tensors; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const sk_gguf_tensor *t = files->tensor[files->by_name[middle]];
        int order = sk_text_compare(want, t->name);
        if (order == 0) return t;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

skald_status sk_files_read(const sk_files *files, void *to, const sk_gguf_tensor *tensor, uint64_t offset,
                           size_t n_bytes, skald_report *why) {
    if (offset > tensor->n_bytes || n_bytes > tensor->n_bytes - offset)
        return sk_fail(why, SKALD_ARGUMENT, "tensor %.*s: %llu bytes at %llu of %llu are asked for",
                       SK_TEXT(tensor->name), (wide)n_bytes, (wide)offset, (wide)tensor->n_bytes);
    return sk_source_read(&files->source[tensor->part], to, tensor->offset + offset, n_bytes, why);
}

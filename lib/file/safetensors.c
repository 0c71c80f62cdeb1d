/* The header is read into the block that the tables lie in as well: an entry takes more bytes there than ENTRY_BYTES, so
 * its length bounds how many there are before anything of it is believed. */
#include "file/safetensors.h"
#include "base/report.h"
#include "file/json.h"
#include "file/little.h"
#include <string.h>

#define LENGTH_BYTES  8u
#define MOST_HEADER   (16u << 20)
#define ENTRY_BYTES   32u /* less than {"":{"dtype":"","shape":[],"data_offsets":[0,0]}} */
#define MOST_ELEMENTS ((uint64_t)1 << 48)

typedef unsigned long long wide;

typedef struct header {
    char *text;
    uint64_t n_bytes, data, n_data; /* data: where in the file the tensors begin */
    sk_gguf_tensor *tensor;
    uint32_t most;
} header;

static const struct {
    const char *name;
    skald_dtype type;
} types[] = {
    {"F32", SKALD_F32},         {"F16", SKALD_F16},         {"BF16", SKALD_BF16},
    {"F8_E4M3", SKALD_F8_E4M3}, {"F8_E5M2", SKALD_F8_E5M2},
};

/* ---- one tensor */

static skald_status bad(const sk_gguf_tensor *t, skald_status status, const char *what, skald_report *why) {
    return sk_fail(why, status, "tensor %.*s: %s", SK_TEXT(t->name), what);
}

static skald_status take_type(sk_gguf_tensor *t, sk_json entry, skald_report *why) {
    sk_json value;
    if (sk_json_find(entry, "dtype", &value) != SKALD_OK) return bad(t, SKALD_FORMAT, "it has no dtype", why);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (sk_json_is(value, types[i].name)) return t->type = types[i].type, SKALD_OK;
    return bad(t, SKALD_UNSUPPORTED, "dtype F32, F16, BF16, F8_E4M3 or F8_E5M2 expected", why);
}

/* In the file the fastest dimension is the last. *n_elements is at most MOST_ELEMENTS. */
static skald_status take_shape(sk_gguf_tensor *t, uint64_t *n_elements, sk_json entry, skald_report *why) {
    sk_json list, value;
    uint64_t shape[SK_GGUF_MAX_DIMS];
    if (sk_json_find(entry, "shape", &list) != SKALD_OK || sk_json_kind_of(list) != SK_JSON_LIST)
        return bad(t, SKALD_FORMAT, "it has no shape", why);
    *n_elements = 1;
    for (sk_json walk = sk_json_begin(list); sk_json_next(&walk, NULL, &value);) {
        int64_t length = 0;
        if (t->n_dims == SK_GGUF_MAX_DIMS) return bad(t, SKALD_UNSUPPORTED, "it has more than 4 dimensions", why);
        if (!sk_json_to_i64(value, &length) || length < 1 || (uint64_t)length > MOST_ELEMENTS / *n_elements)
            return bad(t, SKALD_FORMAT, "a length in its shape is no count", why);
        shape[t->n_dims++] = (uint64_t)length;
        *n_elements *= (uint64_t)length;
    }
    for (uint32_t i = 0; i < SK_GGUF_MAX_DIMS; i++) t->shape[i] = i < t->n_dims ? shape[t->n_dims - 1 - i] : 1;
    return SKALD_OK;
}

static skald_status take_range(sk_gguf_tensor *t, uint64_t n_elements, const header *h, sk_json entry,
                               skald_report *why) {
    sk_json list, value;
    int64_t range[2] = {0};
    uint32_t n = 0;
    if (sk_json_find(entry, "data_offsets", &list) != SKALD_OK)
        return bad(t, SKALD_FORMAT, "it has no data_offsets", why);
    for (sk_json walk = sk_json_begin(list); sk_json_next(&walk, NULL, &value); n++)
        if (n >= 2 || !sk_json_to_i64(value, &range[n])) return bad(t, SKALD_FORMAT, "data_offsets are no range", why);
    if (n != 2 || range[0] < 0 || range[1] < range[0] || (uint64_t)range[1] > h->n_data)
        return bad(t, SKALD_FORMAT, "data_offsets lie outside the file", why);
    t->offset = h->data + (uint64_t)range[0];
    t->n_bytes = (uint64_t)(range[1] - range[0]);
    if (t->n_bytes != skald_dtype_bytes(t->type, n_elements))
        return sk_fail(why, SKALD_FORMAT, "tensor %.*s: %llu elements do not take %llu bytes", SK_TEXT(t->name),
                       (wide)n_elements, (wide)t->n_bytes);
    return SKALD_OK;
}

/* The name stays where it is in the header. */
static skald_status take_tensor(sk_gguf_tensor *t, const header *h, sk_json key, sk_json entry, skald_report *why) {
    const char *name = key.at + 1, *end = memchr(name, '"', (size_t)(key.end - name));
    uint64_t n_elements = 0;
    *t = (sk_gguf_tensor){.name = {name, (uint64_t)(end - name)}};
    if (memchr(name, '\\', (size_t)t->name.length)) return bad(t, SKALD_UNSUPPORTED, "an escape in the name", why);
    skald_status status = take_type(t, entry, why);
    if (status == SKALD_OK) status = take_shape(t, &n_elements, entry, why);
    return status == SKALD_OK ? take_range(t, n_elements, h, entry, why) : status;
}

/* ---- the header */

static skald_status take_tensors(sk_files *f, const header *h, skald_report *why) {
    sk_json root, key, value;
    skald_status status = sk_json_open(&root, h->text, h->n_bytes, why);
    if (status != SKALD_OK) return status;
    if (sk_json_kind_of(root) != SK_JSON_OBJECT) return sk_fail(why, SKALD_FORMAT, "the header is no JSON object");
    for (sk_json walk = sk_json_begin(root); sk_json_next(&walk, &key, &value) && status == SKALD_OK;) {
        if (sk_json_is(key, "__metadata__")) continue;
        if (f->n_tensors == h->most) return sk_fail(why, SKALD_FORMAT, "the header has entries that are no tensors");
        f->tensor[f->n_tensors] = &h->tensor[f->n_tensors];
        status = take_tensor(&h->tensor[f->n_tensors++], h, key, value, why);
    }
    return status;
}

static skald_status measure(header *h, const sk_source *source, skald_report *why) {
    char length[LENGTH_BYTES];
    skald_status status = sk_source_read(source, length, 0, sizeof length, why);
    if (status != SKALD_OK) return status;
    h->n_bytes = sk_load(length, LENGTH_BYTES);
    if (h->n_bytes < 2 || h->n_bytes > MOST_HEADER || h->n_bytes > source->n_bytes - LENGTH_BYTES)
        return sk_fail(why, SKALD_FORMAT, "no safetensors file: a header of %llu bytes", (wide)h->n_bytes);
    h->data = LENGTH_BYTES + h->n_bytes;
    h->n_data = source->n_bytes - h->data;
    h->most = (uint32_t)(h->n_bytes / ENTRY_BYTES) + 1;
    return SKALD_OK;
}

static void lay_out(sk_files *f, header *h, sk_carver *c) {
    f->source = sk_carve(c, 1, sizeof *f->source, SK_CACHE_LINE);
    f->tensor = sk_carve(c, h->most, sizeof *f->tensor, SK_CACHE_LINE);
    f->by_name = sk_carve(c, h->most, sizeof *f->by_name, SK_CACHE_LINE);
    h->tensor = sk_carve(c, h->most, sizeof *h->tensor, SK_CACHE_LINE);
    h->text = sk_carve(c, h->n_bytes, 1, 1);
}

static skald_status read_all(sk_files *f, header *h, sk_source *source, skald_report *why) {
    sk_carver c = {0};
    lay_out(f, h, &c);
    f->block_bytes = c.used;
    f->block = sk_allocate(f->memory, 1, f->block_bytes, SKALD_MEMORY_LOAD);
    if (!f->block) return sk_fail(why, SKALD_MEMORY, "no memory for the header (%llu bytes)", (wide)f->block_bytes);
    c = (sk_carver){.base = f->block};
    lay_out(f, h, &c);
    sk_source_move(&f->source[0], source);
    f->n_parts = 1;
    skald_status status = sk_source_read(&f->source[0], h->text, LENGTH_BYTES, (size_t)h->n_bytes, why);
    if (status == SKALD_OK) status = take_tensors(f, h, why);
    return status == SKALD_OK ? sk_files_index(f, why) : status;
}

skald_status sk_safetensors_open(sk_files *out, const skald_allocator *memory, const skald_source *source,
                                 skald_report *why) {
    *out = (sk_files){.memory = memory};
    skald_source from;
    sk_source file = {0};
    header h = {0};
    skald_status status = sk_source_part(&from, source, 0, why);
    if (status == SKALD_OK) status = sk_source_open(&file, &from, why);
    if (status == SKALD_OK) status = measure(&h, &file, why);
    if (status == SKALD_OK) status = read_all(out, &h, &file, why);
    sk_source_close(&file);
    if (status != SKALD_OK) sk_files_close(out);
    return status;
}

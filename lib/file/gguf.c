/* Reading a GGUF header that nobody vouches for. One walk serves both passes: measuring looks through a small window
 * that moves over the source, parsing has the whole header in memory and also keeps what it sees.
 *
 *     "GGUF" version n_tensors n_entries | entries: key type value | tensors: name dims type offset | padding | data */
#include "file/gguf.h"
#include "base/report.h"
#include "base/utf8.h"
#include "file/little.h"
#include "file/sort.h"
#include <string.h>

typedef unsigned long long wide;

enum { WINDOW = 8192, SUBJECT = 144, NAMED = 120, TEXTS = 4096 };
enum { ALIGNMENT, SPLIT_INDEX, SPLIT_COUNT, SPLIT_TENSORS, SETTINGS }; /* what the reading itself depends on */
static const uint64_t longest_key = 65535, longest_name = 64;
static const uint64_t largest_header = 1u << 30, largest_file = (uint64_t)1 << 56;
static const uint32_t largest_alignment = 65536, most_parts = 65535;
static const uint64_t preamble_bytes = 24, least_entry = 14, least_tensor = 33; /* the shortest that can be written */

typedef struct walk {
    const sk_source *source; /* NULL: everything is in the window */
    char *refill;            /* [WINDOW] with a source */
    const char *window;
    uint64_t window_begin, window_end; /* what of the file the window shows */
    uint64_t at, end;
    skald_status status;
    sk_watch *watch;
    skald_report *why;
    uint64_t set[SETTINGS];
    char subject[SUBJECT]; /* "key general.name": what the sentence is about, "" before the first */
} walk;

static bool refuse(walk *w, skald_status status, const char *format, ...) SK_PRINTF(3, 4);
static bool refuse(walk *w, skald_status status, const char *format, ...) {
    char text[256];
    va_list list;
    va_start(list, format);
    sk_format_list(text, sizeof text, format, list);
    va_end(list);
    w->status = sk_fail_at(w->why, status, w->at, "%s%s%s", w->subject, w->subject[0] ? ": " : "", text);
    return false;
}

static uint64_t left(const walk *w) { return w->end - w->at; }

static bool has(walk *w, uint64_t n) {
    if (n <= left(w)) return true;
    return refuse(w, SKALD_FORMAT, "%llu bytes are needed at byte %llu, the file ends at %llu", (wide)n, (wide)w->at,
                  (wide)w->end);
}

/* The next n <= WINDOW bytes, until the next call; NULL once refused. */
static const char *take(walk *w, uint64_t n) {
    if (!has(w, n)) return NULL;
    if (w->at < w->window_begin || w->at + n > w->window_end) {
        uint64_t fill = left(w) < WINDOW ? left(w) : WINDOW;
        w->status = sk_source_read(w->source, w->refill, w->at, (size_t)fill, w->why);
        if (w->status != SKALD_OK) return NULL;
        w->window = w->refill;
        w->window_begin = w->at;
        w->window_end = w->at + fill;
    }
    const char *p = w->window + (w->at - w->window_begin);
    w->at += n;
    return p;
}

static bool goes_on(walk *w) { return (w->status = sk_watch_look(w->watch, w->why)) == SKALD_OK; }

static bool skip(walk *w, uint64_t n) {
    if (!has(w, n)) return false;
    w->at += n;
    return true;
}

static bool number(walk *w, uint64_t *out, uint32_t n_bytes) {
    const char *p = take(w, n_bytes);
    if (p) *out = sk_load(p, n_bytes);
    return p != NULL;
}

/* Where the walk stands, in memory. While measuring the address may lie outside the window: nobody follows it. */
static const char *here(const walk *w) { return w->source ? NULL : w->window + w->at; }

/* ---- names and types */

static bool clean(sk_text text) {
    const unsigned char *p = (const unsigned char *)text.at;
    for (uint64_t i = 0, step; i < text.length; i += step) {
        step = p[i] < 0x20 || p[i] == 0x7f ? 0 : sk_utf8_length(p + i, (size_t)(text.length - i));
        if (step == 0) return false;
    }
    return true;
}

/* A key or tensor name; sentences speak of it from now on. Its text is complete only when parsing. */
static bool name(walk *w, sk_text *out, const char *kind, uint64_t number_of, uint64_t longest) {
    uint64_t length;
    sk_format(w->subject, sizeof w->subject, "%s %llu", kind, (wide)number_of);
    if (!number(w, &length, 8)) return false;
    if (length == 0) return refuse(w, SKALD_FORMAT, "the name is empty");
    if (length > longest)
        return refuse(w, SKALD_FORMAT, "a name of %llu bytes, at most %llu are allowed", (wide)length, (wide)longest);
    uint64_t shown = length < NAMED ? length : NAMED;
    out->at = take(w, shown);
    out->length = length;
    if (!out->at || !skip(w, length - shown)) return false;
    sk_format(w->subject, sizeof w->subject, "%s %.*s", kind, (int)shown, out->at);
    if (!clean((sk_text){out->at, w->source && length > NAMED ? 0 : length}))
        return refuse(w, SKALD_FORMAT, "the name is not UTF-8 or has control characters");
    return true;
}

uint32_t sk_gguf_type_bytes(uint32_t type) {
    static const unsigned char bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof bytes ? bytes[type] : 0;
}

const char *sk_gguf_type_name(uint32_t type) {
    static const char names[][6] = {"u8",   "i8",   "u16",   "i16", "u32", "i32", "f32",
                                    "bool", "text", "array", "u64", "i64", "f64"};
    return type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

/* ---- values */

static bool bools(walk *w, uint64_t count) {
    for (uint64_t step; count; count -= step) {
        step = count < WINDOW ? count : WINDOW;
        const char *p = take(w, step);
        if (!p) return false;
        for (uint64_t i = 0; i < step; i++)
            if (p[i] & ~1) return refuse(w, SKALD_FORMAT, "%u is not a bool", (unsigned)(unsigned char)p[i]);
    }
    return true;
}

/* Those that lie in the window whole are passed in a short loop: a vocabulary has a hundred thousand. Returns how many. */
static uint64_t pass_texts(walk *w, uint64_t count) {
    if (w->at < w->window_begin || w->at > w->window_end) return 0;
    uint64_t room = w->window_end - w->at, length, n = 0;
    for (const char *p = w->window + (w->at - w->window_begin); n < count && room >= 8; n++) {
        length = sk_load(p, 8);
        if (length > room - 8) break;
        p += 8 + length, room -= 8 + length;
    }
    w->at = w->window_end - room;
    return n;
}

static bool texts(walk *w, uint64_t count) {
    for (uint64_t n, length; count; count -= n) {
        n = pass_texts(w, count < TEXTS ? count : TEXTS);
        if (n == 0 && (!number(w, &length, 8) || !skip(w, length))) return false;
        n += n == 0;
        if (!goes_on(w)) return false;
    }
    return true;
}

static bool values(walk *w, uint32_t type, uint64_t count) {
    uint64_t least = type == SK_GGUF_TEXT ? 8 : sk_gguf_type_bytes(type);
    if (least == 0) return refuse(w, SKALD_FORMAT, "value type %u is not known", type);
    if (count > left(w) / least)
        return refuse(w, SKALD_FORMAT, "%llu values of type %s do not fit into the %llu bytes left", (wide)count,
                      sk_gguf_type_name(type), (wide)left(w));
    if (count > largest_header / least) return refuse(w, SKALD_UNSUPPORTED, "the header is larger than 1 GiB");
    if (type == SK_GGUF_TEXT) return texts(w, count);
    return type == SK_GGUF_BOOL ? bools(w, count) : skip(w, count * least);
}

static uint64_t *setting(walk *w, sk_text key) {
    static const char names[SETTINGS][20] = {"general.alignment", "split.no", "split.count", "split.tensors.count"};
    for (int i = 0; i < SETTINGS; i++)
        if (key.length == strlen(names[i]) && memcmp(key.at, names[i], (size_t)key.length) == 0) return &w->set[i];
    return NULL;
}

/* Looks at the value ahead: a setting is an integer that is not negative. */
static bool setting_value(walk *w, uint64_t *out, uint32_t type) {
    uint32_t n = sk_gguf_type_bytes(type);
    if (n == 0 || type == SK_GGUF_F32 || type == SK_GGUF_F64 || type == SK_GGUF_BOOL)
        return refuse(w, SKALD_FORMAT, "an integer expected, %s found", sk_gguf_type_name(type));
    if (!number(w, out, n)) return false;
    w->at -= n; /* still inside the window */
    bool is_signed = type == SK_GGUF_I8 || type == SK_GGUF_I16 || type == SK_GGUF_I32 || type == SK_GGUF_I64;
    return is_signed && *out >> (8 * n - 1) ? refuse(w, SKALD_FORMAT, "the value is negative") : true;
}

static bool entry(walk *w, sk_gguf_entry *out, uint64_t index) {
    sk_gguf_entry e = {.count = 1};
    uint64_t type = 0, element = 0;
    if (!name(w, &e.key, "key", index, longest_key)) return false;
    uint64_t *set = e.key.length < NAMED ? setting(w, e.key) : NULL;
    if (!number(w, &type, 4)) return false;
    if (set && !setting_value(w, set, (uint32_t)type)) return false;
    e.is_array = type == SK_GGUF_ARRAY;
    if (e.is_array && (!number(w, &element, 4) || !number(w, &e.count, 8))) return false;
    if (element == SK_GGUF_ARRAY) return refuse(w, SKALD_FORMAT, "an array of arrays is not allowed");
    e.type = (uint32_t)(e.is_array ? element : type);
    e.value = here(w);
    if (!values(w, e.type, e.count) || !goes_on(w)) return false;
    if (w->at > largest_header) return refuse(w, SKALD_UNSUPPORTED, "the header is larger than 1 GiB");
    if (out) *out = e;
    return true;
}

/* ---- tensors */

static bool tensor_bytes(walk *w, sk_gguf_tensor *t, uint64_t file_bytes) {
    uint64_t elements = 1, row;
    for (uint32_t d = 0; d < t->n_dims; d++) elements = sk_mul(elements, t->shape[d]);
    if (elements / 8 > file_bytes) /* no format has more than 8 elements in a byte; nothing overflows below this */
        return refuse(w, SKALD_FORMAT, "more elements than a file of %llu bytes can hold", (wide)file_bytes);
    if (t->type >= 256 || !skald_dtype_name(t->type)) /* from 256 on: formats of other files */
        return refuse(w, SKALD_UNSUPPORTED, "type number %u is not known", (unsigned)t->type);
    row = skald_dtype_bytes(t->type, t->shape[0]);
    if (row == 0)
        return refuse(w, SKALD_FORMAT, "rows of %llu elements are not whole blocks of %s", (wide)t->shape[0],
                      skald_dtype_name(t->type));
    t->n_bytes = row * (elements / t->shape[0]);
    return true;
}

static bool tensor(walk *w, sk_gguf_tensor *out, uint64_t index, const sk_gguf_size *size) {
    sk_gguf_tensor t = {.shape = {1, 1, 1, 1}};
    uint64_t n_dims, type;
    if (!name(w, &t.name, "tensor", index, longest_name) || !number(w, &n_dims, 4)) return false;
    if (n_dims < 1 || n_dims > SK_GGUF_MAX_DIMS)
        return refuse(w, SKALD_FORMAT, "%llu dimensions, 1 to %u are allowed", (wide)n_dims, SK_GGUF_MAX_DIMS);
    t.n_dims = (uint32_t)n_dims;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (!number(w, &t.shape[d], 8)) return false;
        if (t.shape[d] == 0) return refuse(w, SKALD_FORMAT, "dimension %u is 0", d);
    }
    if (!number(w, &type, 4) || !number(w, &t.offset, 8)) return false;
    t.type = (skald_dtype)type;
    if (t.offset % size->alignment)
        return refuse(w, SKALD_FORMAT, "offset %llu is not a multiple of the alignment %u", (wide)t.offset,
                      size->alignment);
    if (!tensor_bytes(w, &t, size->file_bytes) || !goes_on(w)) return false;
    if (w->at > largest_header) return refuse(w, SKALD_UNSUPPORTED, "the header is larger than 1 GiB");
    if (out) *out = t;
    return true;
}

/* ---- the walk */

static bool preamble(walk *w, sk_gguf_size *out) {
    uint64_t version, n_tensors, n_entries;
    const char *magic = take(w, 4);
    if (!magic) return false;
    if (memcmp(magic, "GGUF", 4) != 0) return refuse(w, SKALD_FORMAT, "not a GGUF file: it does not begin with GGUF");
    if (!number(w, &version, 4)) return false;
    if (version == 0 || (version & 0xffff) == 0)
        return refuse(w, SKALD_UNSUPPORTED, "the GGUF file is big-endian or has no version (%llu)", (wide)version);
    if (version < 2 || version > 3)
        return refuse(w, SKALD_UNSUPPORTED, "GGUF version %llu, 2 and 3 are supported", (wide)version);
    if (!number(w, &n_tensors, 8) || !number(w, &n_entries, 8)) return false;
    uint64_t room = left(w);
    if (n_entries > room / least_entry || n_tensors > (room - n_entries * least_entry) / least_tensor ||
        n_entries > UINT32_MAX / 2 || n_tensors > UINT32_MAX / 2)
        return refuse(w, SKALD_FORMAT, "%llu keys and %llu tensors do not fit into the %llu bytes left",
                      (wide)n_entries, (wide)n_tensors, (wide)room);
    out->version = (uint32_t)version;
    out->n_entries = (uint32_t)n_entries;
    out->n_tensors = (uint32_t)n_tensors;
    return true;
}

static bool settings(walk *w, sk_gguf_size *out) {
    uint64_t alignment = w->set[ALIGNMENT], index = w->set[SPLIT_INDEX], count = w->set[SPLIT_COUNT];
    w->subject[0] = 0;
    if (alignment == 0 || alignment > largest_alignment || (alignment & (alignment - 1)))
        return refuse(w, SKALD_FORMAT, "key general.alignment: %llu is not a power of two up to %u", (wide)alignment,
                      largest_alignment);
    if (count > most_parts || (index && index >= count))
        return refuse(w, SKALD_FORMAT, "keys split.no and split.count: number %llu of %llu parts", (wide)index,
                      (wide)count);
    out->alignment = (uint32_t)alignment;
    out->split_index = (uint32_t)index;
    out->split_count = (uint32_t)count;
    out->split_tensors = w->set[SPLIT_TENSORS];
    return true;
}

/* `tables`, when given, has room for exactly what its size says. */
static bool header(walk *w, sk_gguf_size *out, sk_gguf *tables) {
    w->set[ALIGNMENT] = 32;
    if (!preamble(w, out)) return false;
    if (tables && (out->n_entries != tables->size.n_entries || out->n_tensors != tables->size.n_tensors))
        return refuse(w, SKALD_FORMAT, "the header changed while it was read");
    for (uint32_t i = 0; i < out->n_entries; i++)
        if (!entry(w, tables ? &tables->entry[i] : NULL, i)) return false;
    if (!settings(w, out)) return false;
    for (uint32_t i = 0; i < out->n_tensors; i++)
        if (!tensor(w, tables ? &tables->tensor[i] : NULL, i, out)) return false;
    w->subject[0] = 0;
    out->header_bytes = w->at;
    out->data_offset = sk_align(w->at, out->alignment);
    return true;
}

skald_status sk_gguf_measure(sk_gguf_size *out, const sk_source *source, skald_report *why) {
    char window[WINDOW];
    *out = (sk_gguf_size){.file_bytes = source->n_bytes};
    if (source->n_bytes > largest_file)
        return sk_fail(why, SKALD_FORMAT, "a file of %llu bytes cannot be", (wide)source->n_bytes);
    if (source->n_bytes < preamble_bytes)
        return sk_fail_at(why, SKALD_FORMAT, source->n_bytes, "not a GGUF file: it ends at byte %llu",
                          (wide)source->n_bytes);
    walk w = {.source = source, .refill = window, .end = source->n_bytes, .watch = source->watch, .why = why};
    header(&w, out, NULL);
    return w.status;
}

void sk_gguf_layout(sk_gguf *g, const sk_gguf_size *size, sk_carver *c) {
    *g = (sk_gguf){.size = *size};
    g->tensor = sk_carve(c, size->n_tensors, sizeof *g->tensor, sizeof(uint64_t));
    g->entry = sk_carve(c, size->n_entries, sizeof *g->entry, sizeof(uint64_t));
    g->entry_by_key = sk_carve(c, size->n_entries, sizeof *g->entry_by_key, sizeof(uint64_t));
    g->tensor_by_name = sk_carve(c, size->n_tensors, sizeof *g->tensor_by_name, sizeof(uint64_t));
}

/* ---- what can only be checked with all of the tables */

int sk_text_compare(sk_text a, sk_text b) {
    uint64_t n = a.length < b.length ? a.length : b.length;
    int order = n ? memcmp(a.at, b.at, (size_t)n) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static int key_order(const void *user, uint32_t a, uint32_t b) {
    const sk_gguf_entry *entries = user;
    return sk_text_compare(entries[a].key, entries[b].key);
}

static int name_order(const void *user, uint32_t a, uint32_t b) {
    const sk_gguf_tensor *tensors = user;
    return sk_text_compare(tensors[a].name, tensors[b].name);
}

static int offset_order(const void *user, uint32_t a, uint32_t b) {
    const sk_gguf_tensor *tensors = user;
    return (tensors[a].offset > tensors[b].offset) - (tensors[a].offset < tensors[b].offset);
}

static skald_status unique_keys(sk_gguf *g, sk_watch *watch, skald_report *why) {
    skald_status status = sk_sort(g->entry_by_key, g->size.n_entries, key_order, g->entry, watch, why);
    if (status != SKALD_OK) return status;
    for (uint32_t i = 1; i < g->size.n_entries; i++) {
        const sk_gguf_entry *a = &g->entry[g->entry_by_key[i - 1]], *b = &g->entry[g->entry_by_key[i]];
        if (sk_text_compare(a->key, b->key) == 0)
            return sk_fail_at(why, SKALD_FORMAT, (uint64_t)(b->value - g->header), "key %.*s: it is there twice",
                              SK_TEXT(b->key));
    }
    return SKALD_OK;
}

static skald_status ranges(sk_gguf *g, uint32_t part, sk_watch *watch, skald_report *why) {
    for (uint32_t i = 0; i < g->size.n_tensors; i++) {
        sk_gguf_tensor *t = &g->tensor[i];
        t->part = part;
        t->offset = sk_add(t->offset, g->size.data_offset);
        if (sk_add(t->offset, t->n_bytes) > g->size.file_bytes)
            return sk_fail_at(why, SKALD_FORMAT, t->offset, "tensor %.*s: %llu bytes at %llu, the file ends at %llu",
                              SK_TEXT(t->name), (wide)t->n_bytes, (wide)t->offset, (wide)g->size.file_bytes);
    }
    uint32_t *by_offset = g->tensor_by_name; /* sorted by name only afterwards */
    skald_status status = sk_sort(by_offset, g->size.n_tensors, offset_order, g->tensor, watch, why);
    if (status != SKALD_OK) return status;
    for (uint32_t i = 1; i < g->size.n_tensors; i++) {
        const sk_gguf_tensor *a = &g->tensor[by_offset[i - 1]], *b = &g->tensor[by_offset[i]];
        if (b->offset - a->offset < a->n_bytes)
            return sk_fail_at(why, SKALD_FORMAT, b->offset, "tensor %.*s: it overlaps tensor %.*s", SK_TEXT(b->name),
                              SK_TEXT(a->name));
    }
    return SKALD_OK;
}

static skald_status unique_names(sk_gguf *g, sk_watch *watch, skald_report *why) {
    skald_status status = sk_sort(g->tensor_by_name, g->size.n_tensors, name_order, g->tensor, watch, why);
    if (status != SKALD_OK) return status;
    for (uint32_t i = 1; i < g->size.n_tensors; i++) {
        const sk_gguf_tensor *a = &g->tensor[g->tensor_by_name[i - 1]], *b = &g->tensor[g->tensor_by_name[i]];
        if (sk_text_compare(a->name, b->name) == 0)
            return sk_fail_at(why, SKALD_FORMAT, b->offset, "tensor %.*s: it is there twice", SK_TEXT(b->name));
    }
    return SKALD_OK;
}

skald_status sk_gguf_parse(sk_gguf *g, const char *header_copy, uint32_t part, sk_watch *watch, skald_report *why) {
    walk w = {.window = header_copy,
              .window_end = g->size.header_bytes,
              .end = g->size.header_bytes,
              .watch = watch,
              .why = why};
    sk_gguf_size seen = {.file_bytes = g->size.file_bytes};
    g->header = header_copy;
    if (!header(&w, &seen, g)) return w.status;
    if (memcmp(&seen, &g->size, sizeof seen) != 0) /* it has no padding */
        return sk_fail(why, SKALD_FORMAT, "the header changed while it was read");
    skald_status s = unique_keys(g, watch, why);
    if (s == SKALD_OK) s = ranges(g, part, watch, why);
    return s == SKALD_OK ? unique_names(g, watch, why) : s;
}

skald_status sk_gguf_copy(sk_gguf *to, char *header, const sk_gguf *from, sk_watch *watch, skald_report *why) {
    to->header = header;
    for (uint32_t i = 0; i < from->size.n_entries; i++) {
        to->entry[i] = from->entry[i];
        to->entry[i].key.at = header + (from->entry[i].key.at - from->header);
        to->entry[i].value = header + (from->entry[i].value - from->header);
        to->entry_by_key[i] = from->entry_by_key[i];
    }
    for (uint32_t i = 0; i < from->size.n_tensors; i++) {
        to->tensor[i] = from->tensor[i];
        to->tensor[i].name.at = header + (from->tensor[i].name.at - from->header);
        to->tensor_by_name[i] = from->tensor_by_name[i];
    }
    return sk_watch_copy(watch, header, from->header, from->size.header_bytes, why);
}

/* GGUF version 2 and 3: an untrusted header becomes tables in which every pointer, count and range has been checked.
 *
 *     source -- measure --> sizes -- layout --> room in a block -- parse --> tables over the header in memory
 *
 * Parsing asks for no memory; a model keeps a copy of header and tables in its own block. */
#ifndef SK_FILE_GGUF_H
#define SK_FILE_GGUF_H
#include "base/memory.h"
#include "file/source.h"

/* Types of metadata values, numbered as in the file. */
enum {
    SK_GGUF_U8 = 0,
    SK_GGUF_I8 = 1,
    SK_GGUF_U16 = 2,
    SK_GGUF_I16 = 3,
    SK_GGUF_U32 = 4,
    SK_GGUF_I32 = 5,
    SK_GGUF_F32 = 6,
    SK_GGUF_BOOL = 7,
    SK_GGUF_TEXT = 8,
    SK_GGUF_ARRAY = 9,
    SK_GGUF_U64 = 10,
    SK_GGUF_I64 = 11,
    SK_GGUF_F64 = 12,
};

#define SK_GGUF_MAX_DIMS 4u

/* Text in the file has a length and no NUL. Values may hold any bytes; keys and tensor names are UTF-8 without control
 * characters. For reports: "%.*s", SK_TEXT(text). */
typedef struct sk_text {
    const char *at;
    uint64_t length;
} sk_text;
#define SK_TEXT(text) (int)((text).length < 200 ? (text).length : 200), (text).at

/* What measuring found: all that a layout depends on. */
typedef struct sk_gguf_size {
    uint64_t file_bytes;
    uint64_t header_bytes; /* of the file's beginning; the padding behind them is not counted */
    uint64_t data_offset;  /* where the offsets of tensors count from */
    uint32_t n_entries;
    uint32_t n_tensors;
    uint32_t version;
    uint32_t alignment;
    /* Of a split file; 0 where the file does not say. */
    uint32_t split_index;
    uint32_t split_count;
    uint64_t split_tensors;
} sk_gguf_size;

typedef struct sk_gguf_entry {
    sk_text key;
    uint32_t type; /* of the value, or of each element of an array; never SK_GGUF_ARRAY */
    bool is_array;
    uint64_t count;    /* elements; 1 for a single value */
    const char *value; /* the raw bytes of the first element, unaligned and little-endian */
} sk_gguf_entry;

typedef struct sk_gguf_tensor {
    sk_text name;
    skald_dtype type;
    uint32_t n_dims;
    uint64_t shape[SK_GGUF_MAX_DIMS]; /* fastest first, 1 where unused */
    uint64_t offset;                  /* in its file, not in the data */
    uint64_t n_bytes; /* offset + n_bytes is inside the file, and no tensor shares a byte with another */
    uint32_t part;    /* which file of a split model */
} sk_gguf_tensor;

typedef struct sk_gguf {
    sk_gguf_size size;
    const char *header;       /* size.header_bytes, owned by the caller */
    sk_gguf_entry *entry;     /* [n_entries], as in the file */
    sk_gguf_tensor *tensor;   /* [n_tensors], as in the file */
    uint32_t *entry_by_key;   /* [n_entries], sorted */
    uint32_t *tensor_by_name; /* [n_tensors], sorted */
} sk_gguf;

/* Walks the header in small pieces. FORMAT or UNSUPPORTED with a sentence; READ. */
skald_status sk_gguf_measure(sk_gguf_size *out, const sk_source *source, skald_report *why);
/* Takes room for the tables (not for the header); with an empty carver it only counts. */
void sk_gguf_layout(sk_gguf *g, const sk_gguf_size *size, sk_carver *c);
/* Checks `header` and fills the tables that layout has placed. Measured or not, nothing in `header` is believed: it may
 * have changed since. `part` goes into the tensors. */
skald_status sk_gguf_parse(sk_gguf *g, const char *header, uint32_t part, sk_watch *watch, skald_report *why);
/* Copies a parsed header and its tables to `header` and the room that layout has placed in `to` for the same size. */
skald_status sk_gguf_copy(sk_gguf *to, char *header, const sk_gguf *from, sk_watch *watch, skald_report *why);

/* ---- values. A getter answers ABSENT without a sentence when there is no such key, and FORMAT naming the key when the
 * value is of another type or does not fit; *out is then unchanged. */

const sk_gguf_entry *sk_gguf_find(const sk_gguf *g, const char *key);          /* NULL: absent */
const sk_gguf_tensor *sk_gguf_find_tensor(const sk_gguf *g, const char *name); /* NULL: absent */

/* Writes e.g. "llama.attention.head_count" for ("llama", "attention.head_count"). FORMAT: longer than `room`. */
skald_status sk_gguf_key(char *out, size_t room, sk_text architecture, const char *rest, skald_report *why);

/* Any integer type that holds the value. */
skald_status sk_gguf_u32(const sk_gguf *g, const char *key, uint32_t *out, skald_report *why);
skald_status sk_gguf_i32(const sk_gguf *g, const char *key, int32_t *out, skald_report *why);
skald_status sk_gguf_u64(const sk_gguf *g, const char *key, uint64_t *out, skald_report *why);
/* Any number type; finite. */
skald_status sk_gguf_f32(const sk_gguf *g, const char *key, float *out, skald_report *why);
skald_status sk_gguf_bool(const sk_gguf *g, const char *key, bool *out, skald_report *why);
skald_status sk_gguf_text(const sk_gguf *g, const char *key, sk_text *out, skald_report *why);

/* An array as it lies in the header. */
typedef struct sk_gguf_array {
    uint32_t type;
    uint64_t count;
    const char *at; /* of texts: the next one */
} sk_gguf_array;

skald_status sk_gguf_texts(const sk_gguf *g, const char *key, sk_gguf_array *out, skald_report *why);
skald_status sk_gguf_floats(const sk_gguf *g, const char *key, sk_gguf_array *out, skald_report *why);
skald_status sk_gguf_integers(const sk_gguf *g, const char *key, sk_gguf_array *out, skald_report *why);
/* Takes the next text off an array; call it at most `count` times. */
sk_text sk_gguf_next_text(sk_gguf_array *texts);
/* Element `i` < count. */
float sk_gguf_float_at(const sk_gguf_array *floats, uint64_t i);
int64_t sk_gguf_integer_at(const sk_gguf_array *integers, uint64_t i); /* u64 beyond INT64_MAX becomes INT64_MAX */

/* One number per layer: a single value goes to all n, of an array (bool counts as 0 and 1) the first n are taken. */
skald_status sk_gguf_per_layer(const sk_gguf *g, const char *key, uint32_t *out, uint32_t n, skald_report *why);

/* Bytes of one value of a fixed size; 0 for text, arrays and unknown types. And a word for it. */
uint32_t sk_gguf_type_bytes(uint32_t type);
const char *sk_gguf_type_name(uint32_t type);

/* Below, at or above 0 in the order of bytes. */
int sk_text_compare(sk_text a, sk_text b);
#endif

/* The other direction: what this writes, the reader accepts. */
#include "file/gguf_write.h"
#include "base/report.h"
#include "file/little.h"
#include <string.h>

static void put(sk_gguf_writer *w, const void *bytes, size_t n_bytes) {
    if (w->status != SKALD_OK || n_bytes == 0) return;
    w->status = w->write(w->user, bytes, n_bytes);
    w->at += n_bytes;
}

static void number(sk_gguf_writer *w, uint64_t n, uint32_t n_bytes) {
    char bytes[8];
    sk_store(bytes, n, n_bytes);
    put(w, bytes, n_bytes);
}

static void text(sk_gguf_writer *w, const char *at, uint64_t length) {
    number(w, length, 8);
    put(w, at, (size_t)length);
}

static void pad(sk_gguf_writer *w) {
    static const char zeros[256];
    for (uint64_t n = sk_align(w->at, w->alignment) - w->at, step; n && w->status == SKALD_OK; n -= step) {
        step = n < sizeof zeros ? n : sizeof zeros;
        put(w, zeros, (size_t)step);
    }
}

void sk_gguf_begin(sk_gguf_writer *w, skald_status (*write)(void *, const void *, size_t), void *user,
                   uint32_t n_entries, uint32_t n_tensors, uint32_t alignment) {
    bool told = alignment != 32;
    *w = (sk_gguf_writer){.write = write, .user = user, .alignment = alignment};
    w->entries_left = (uint64_t)n_entries + told;
    w->tensors_left = n_tensors;
    if (alignment == 0 || (alignment & (alignment - 1))) w->status = SKALD_ARGUMENT;
    put(w, "GGUF", 4);
    number(w, 3, 4);
    number(w, n_tensors, 8);
    number(w, w->entries_left, 8);
    if (told) sk_gguf_put_u32(w, "general.alignment", alignment);
}

/* ---- entries */

static void open_entry(sk_gguf_writer *w, sk_text key, uint32_t type) {
    if (w->entries_left == 0) w->status = SKALD_ARGUMENT;
    else w->entries_left--;
    text(w, key.at, key.length);
    number(w, type, 4);
}

static void open_array(sk_gguf_writer *w, sk_text key, uint32_t type, uint64_t count) {
    open_entry(w, key, SK_GGUF_ARRAY);
    number(w, type, 4);
    number(w, count, 8);
}

static sk_text text_of(const char *at) { return (sk_text){at, strlen(at)}; }

static uint32_t bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

void sk_gguf_put_u32(sk_gguf_writer *w, const char *key, uint32_t value) {
    open_entry(w, text_of(key), SK_GGUF_U32);
    number(w, value, 4);
}

void sk_gguf_put_u64(sk_gguf_writer *w, const char *key, uint64_t value) {
    open_entry(w, text_of(key), SK_GGUF_U64);
    number(w, value, 8);
}

void sk_gguf_put_i32(sk_gguf_writer *w, const char *key, int32_t value) {
    open_entry(w, text_of(key), SK_GGUF_I32);
    number(w, (uint32_t)value, 4);
}

void sk_gguf_put_f32(sk_gguf_writer *w, const char *key, float value) {
    open_entry(w, text_of(key), SK_GGUF_F32);
    number(w, bits(value), 4);
}

void sk_gguf_put_bool(sk_gguf_writer *w, const char *key, bool value) {
    open_entry(w, text_of(key), SK_GGUF_BOOL);
    number(w, value, 1);
}

void sk_gguf_put_text(sk_gguf_writer *w, const char *key, const char *value) {
    open_entry(w, text_of(key), SK_GGUF_TEXT);
    text(w, value, strlen(value));
}

void sk_gguf_put_texts(sk_gguf_writer *w, const char *key, const sk_text *values, uint64_t count) {
    open_array(w, text_of(key), SK_GGUF_TEXT, count);
    for (uint64_t i = 0; i < count; i++) text(w, values[i].at, values[i].length);
}

void sk_gguf_put_f32s(sk_gguf_writer *w, const char *key, const float *values, uint64_t count) {
    open_array(w, text_of(key), SK_GGUF_F32, count);
    for (uint64_t i = 0; i < count; i++) number(w, bits(values[i]), 4);
}

void sk_gguf_put_i32s(sk_gguf_writer *w, const char *key, const int32_t *values, uint64_t count) {
    open_array(w, text_of(key), SK_GGUF_I32, count);
    for (uint64_t i = 0; i < count; i++) number(w, (uint32_t)values[i], 4);
}

void sk_gguf_put_entry(sk_gguf_writer *w, const sk_gguf_entry *entry) {
    sk_gguf_array texts = {entry->type, entry->count, entry->value};
    uint64_t n_bytes = entry->count * sk_gguf_type_bytes(entry->type);
    if (entry->type == SK_GGUF_TEXT) {
        for (uint64_t i = 0; i < entry->count; i++) sk_gguf_next_text(&texts);
        n_bytes = (uint64_t)(texts.at - entry->value);
    }
    if (entry->is_array) open_array(w, entry->key, entry->type, entry->count);
    else open_entry(w, entry->key, entry->type);
    put(w, entry->value, (size_t)n_bytes);
}

/* ---- tensors */

void sk_gguf_declare(sk_gguf_writer *w, sk_text name, skald_dtype type, uint32_t n_dims, const uint64_t *shape) {
    uint64_t n_bytes = n_dims && n_dims <= SK_GGUF_MAX_DIMS ? skald_dtype_bytes(type, shape[0]) : 0;
    for (uint32_t d = 1; n_bytes && d < n_dims; d++) n_bytes = sk_mul(n_bytes, shape[d]);
    if (w->entries_left || w->tensors_left == 0 || n_bytes == 0 || type >= 256) {
        w->status = SKALD_ARGUMENT;
        return;
    }
    w->tensors_left--;
    text(w, name.at, name.length);
    number(w, n_dims, 4);
    for (uint32_t d = 0; d < n_dims; d++) number(w, shape[d], 8);
    number(w, type, 4);
    number(w, w->declared, 8);
    w->declared = sk_align(sk_add(w->declared, n_bytes), w->alignment);
}

static void begin_data(sk_gguf_writer *w) {
    if (w->data_at) return;
    if (w->entries_left || w->tensors_left) w->status = SKALD_ARGUMENT;
    pad(w);
    w->data_at = w->at;
}

void sk_gguf_data(sk_gguf_writer *w, const void *bytes, size_t n_bytes) {
    begin_data(w);
    put(w, bytes, n_bytes);
}

void sk_gguf_end_tensor(sk_gguf_writer *w) { pad(w); }

skald_status sk_gguf_finish(sk_gguf_writer *w, skald_report *why) {
    begin_data(w);
    if (w->status == SKALD_OK && w->at - w->data_at != w->declared) w->status = SKALD_ARGUMENT;
    if (w->status == SKALD_OK) return SKALD_OK;
    return sk_fail_at(why, w->status, w->at,
                      "writing GGUF: %llu keys and %llu tensors missing, %llu of %llu bytes of data",
                      (unsigned long long)w->entries_left, (unsigned long long)w->tensors_left,
                      (unsigned long long)(w->data_at ? w->at - w->data_at : 0), (unsigned long long)w->declared);
}

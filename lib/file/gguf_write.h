/* Writing GGUF version 3 as a stream: nothing is kept, so the caller counts first and then says things in file order.
 *
 *     begin · n_entries puts · n_tensors declarations · for each tensor its bytes and end · finish
 *
 * The first failure stays in `status`; the calls after it do nothing, and finish returns it. */
#ifndef SK_FILE_GGUF_WRITE_H
#define SK_FILE_GGUF_WRITE_H
#include "file/gguf.h"

typedef struct sk_gguf_writer {
    skald_status (*write)(void *user, const void *bytes, size_t n_bytes);
    void *user;
    uint64_t at;           /* bytes written */
    uint64_t entries_left; /* still to be put */
    uint64_t tensors_left; /* still to be declared */
    uint64_t declared;     /* bytes of data that the declared tensors take, padding included */
    uint64_t data_at;      /* where the data began; 0 before */
    uint32_t alignment;
    skald_status status;
} sk_gguf_writer;

/* `alignment` 32 is the format's default; another one is put as general.alignment, which n_entries does not count. */
void sk_gguf_begin(sk_gguf_writer *w, skald_status (*write)(void *, const void *, size_t), void *user,
                   uint32_t n_entries, uint32_t n_tensors, uint32_t alignment);

void sk_gguf_put_u32(sk_gguf_writer *w, const char *key, uint32_t value);
void sk_gguf_put_u64(sk_gguf_writer *w, const char *key, uint64_t value);
void sk_gguf_put_i32(sk_gguf_writer *w, const char *key, int32_t value);
void sk_gguf_put_f32(sk_gguf_writer *w, const char *key, float value);
void sk_gguf_put_bool(sk_gguf_writer *w, const char *key, bool value);
void sk_gguf_put_text(sk_gguf_writer *w, const char *key, const char *value);
void sk_gguf_put_texts(sk_gguf_writer *w, const char *key, const sk_text *values, uint64_t count);
void sk_gguf_put_f32s(sk_gguf_writer *w, const char *key, const float *values, uint64_t count);
void sk_gguf_put_i32s(sk_gguf_writer *w, const char *key, const int32_t *values, uint64_t count);
/* An entry as it was read from another file, byte for byte. */
void sk_gguf_put_entry(sk_gguf_writer *w, const sk_gguf_entry *entry);

/* Tensors lie in the data in the order in which they are declared. */
void sk_gguf_declare(sk_gguf_writer *w, sk_text name, skald_dtype type, uint32_t n_dims, const uint64_t *shape);
/* Bytes of the tensor whose turn it is, in any number of pieces; end pads it. */
void sk_gguf_data(sk_gguf_writer *w, const void *bytes, size_t n_bytes);
void sk_gguf_end_tensor(sk_gguf_writer *w);

/* ARGUMENT: fewer or more was written than begun and declared. */
skald_status sk_gguf_finish(sk_gguf_writer *w, skald_report *why);
#endif

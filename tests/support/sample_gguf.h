/* A small GGUF file in memory, made by the writer: what tests read, bend and cut. */
#ifndef SK_TESTS_SAMPLE_GGUF_H
#define SK_TESTS_SAMPLE_GGUF_H
#include "file/files.h"
#include "file/gguf_write.h"
#include <string.h>

typedef struct sample {
    char bytes[65536];
    size_t n_bytes;
} sample;

static inline skald_status sample_write(void *user, const void *bytes, size_t n_bytes) {
    sample *s = user;
    if (n_bytes > sizeof s->bytes - s->n_bytes) return SKALD_FULL;
    memcpy(s->bytes + s->n_bytes, bytes, n_bytes);
    s->n_bytes += n_bytes;
    return SKALD_OK;
}

static inline sk_text sample_text(const char *at) { return (sk_text){at, strlen(at)}; }

static inline void sample_tensor(sk_gguf_writer *w, uint64_t n_bytes, char fill) {
    char row[256];
    memset(row, fill, sizeof row);
    sk_gguf_data(w, row, (size_t)n_bytes);
    sk_gguf_end_tensor(w);
}

/* Eighteen keys of every kind, three tensors: a [4, 2] F32 of '1', b [32, 3] Q8_0 of '2', c [2, 2, 2] F16 of '3'. */
static inline void sample_make(sample *s, uint32_t alignment) {
    static const float scores[] = {0.5f, -1.0f, 2.0f};
    static const int32_t kinds[] = {1, -3, 6}, heads[] = {4, 2};
    static const char flags[] = {1, 0}, tiny[] = {(char)-5}, big[8] = {0, 0, 0, 0, 1},
                      half[8] = {0, 0, 0, 0, 0, 0, (char)0xe0, 0x3f};
    const sk_text tokens[] = {sample_text("alpha"), {"b\0c", 3}, sample_text("")};
    const uint64_t a[] = {4, 2}, b[] = {32, 3}, c[] = {2, 2, 2};
    sk_gguf_writer w;
    s->n_bytes = 0;
    sk_gguf_begin(&w, sample_write, s, 18, 3, alignment);
    sk_gguf_put_text(&w, "general.architecture", "llama");
    sk_gguf_put_text(&w, "general.name", "a small \xc3\xa9xample");
    sk_gguf_put_u32(&w, "llama.block_count", 2);
    sk_gguf_put_u64(&w, "llama.context_length", 4096);
    sk_gguf_put_i32(&w, "llama.delta", -7);
    sk_gguf_put_f32(&w, "llama.epsilon", 1e-5f);
    sk_gguf_put_bool(&w, "llama.flag", true);
    sk_gguf_put_texts(&w, "tokens", tokens, 3);
    sk_gguf_put_f32s(&w, "scores", scores, 3);
    sk_gguf_put_i32s(&w, "kinds", kinds, 3);
    sk_gguf_put_i32s(&w, "llama.heads", heads, 2);
    sk_gguf_put_entry(&w, &(sk_gguf_entry){sample_text("flags"), SK_GGUF_BOOL, true, 2, flags});
    sk_gguf_put_entry(&w, &(sk_gguf_entry){sample_text("tiny"), SK_GGUF_I8, false, 1, tiny});
    sk_gguf_put_entry(&w, &(sk_gguf_entry){sample_text("big"), SK_GGUF_I64, false, 1, big});
    sk_gguf_put_entry(&w, &(sk_gguf_entry){sample_text("half"), SK_GGUF_F64, false, 1, half});
    sk_gguf_put_u32(&w, "split.no", 0);
    sk_gguf_put_u32(&w, "split.count", 1);
    sk_gguf_put_i32(&w, "split.tensors.count", 3);
    sk_gguf_declare(&w, sample_text("a.weight"), SKALD_F32, 2, a);
    sk_gguf_declare(&w, sample_text("b.weight"), SKALD_Q8_0, 2, b);
    sk_gguf_declare(&w, sample_text("c.weight"), SKALD_F16, 3, c);
    sample_tensor(&w, 32, '1');
    sample_tensor(&w, 102, '2');
    sample_tensor(&w, 16, '3');
    if (sk_gguf_finish(&w, NULL) != SKALD_OK) s->n_bytes = 0;
}

/* Blocks that are out, so that a test can expect none, and the most bytes at a time. */
typedef struct counting {
    uint64_t live, peak;
} counting;

static inline void *counting_alloc(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    counting *c = user;
    c->live += bytes;
    if (c->live > c->peak) c->peak = c->live;
    return sk_libc_allocator.alloc(NULL, bytes, alignment, kind);
}

static inline void counting_free(void *user, void *pointer, size_t bytes, size_t alignment) {
    ((counting *)user)->live -= bytes;
    sk_libc_allocator.free(NULL, pointer, bytes, alignment);
}

static inline skald_source sample_source(const sample *s) {
    return (skald_source){.size = sizeof(skald_source), .bytes = s->bytes, .n_bytes = s->n_bytes};
}
#endif

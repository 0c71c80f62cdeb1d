/* Adapters made of a model's file: random low ranks for its matrices, written as GGUF or added to the matrices themselves. */
#ifndef SK_TESTS_ADAPTER_WRITER_H
#define SK_TESTS_ADAPTER_WRITER_H
#include "base/exact.h"
#include "base/random.h"
#include "file/files.h"
#include "file/gguf_write.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct adapter_shape {
    uint32_t seed, rank;
    float alpha;      /* 0: the file does not say */
    skald_dtype type; /* F32 or F16, in which all numbers are exact */
    uint32_t every;   /* of the matrices */
} adapter_shape;

typedef struct adapter_bytes {
    char *bytes;
    size_t n, room;
} adapter_bytes;

/* Matrices that rows of a layer are multiplied with, one for all rows; *met counts them from 0. */
static inline bool adapter_takes(const sk_gguf_tensor *t, uint32_t *met, const adapter_shape *a) {
    if (t->n_dims != 2 || t->name.length < 12 || memcmp(t->name.at, "blk.", 4) != 0) return false;
    for (uint64_t i = 0; i + 6 <= t->name.length; i++)
        if (memcmp(t->name.at + i, "conv1d", 6) == 0 || memcmp(t->name.at + i, "_shexp", 6) == 0) return false;
    return (*met)++ % a->every == 0;
}

/* Element `i` of A (matrix 0) or B (1). */
static inline float adapter_value(const adapter_shape *a, uint32_t tensor, uint32_t matrix, uint64_t i) {
    return (float)((int32_t)(sk_random(a->seed, (uint64_t)tensor << 32 | i, matrix) * 33) - 16) / 128.0f;
}

static inline skald_status adapter_put(void *user, const void *from, size_t n) {
    adapter_bytes *to = user;
    if (to->n + n > to->room) to->bytes = realloc(to->bytes, to->room = 2 * (to->n + n));
    memcpy(to->bytes + to->n, from, n);
    to->n += n;
    return SKALD_OK;
}

static inline void adapter_data(sk_gguf_writer *w, const adapter_shape *a, uint32_t tensor, uint32_t matrix,
                                uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        const float x = adapter_value(a, tensor, matrix, i);
        const uint16_t half = sk_to_f16(x);
        if (a->type == SKALD_F16) sk_gguf_data(w, &half, sizeof half);
        else sk_gguf_data(w, &x, sizeof x);
    }
    sk_gguf_end_tensor(w);
}

static inline adapter_bytes adapter_write(const sk_files *model, const adapter_shape *a, const char *architecture) {
    adapter_bytes out = {0};
    sk_gguf_writer w;
    uint32_t n = 0, met = 0;
    for (uint32_t i = 0; i < model->n_tensors; i++) n += adapter_takes(model->tensor[i], &met, a);
    sk_gguf_begin(&w, adapter_put, &out, a->alpha != 0 ? 4 : 3, 2 * n, 32);
    sk_gguf_put_text(&w, "general.architecture", architecture);
    sk_gguf_put_text(&w, "general.type", "adapter");
    sk_gguf_put_text(&w, "adapter.type", "lora");
    if (a->alpha != 0) sk_gguf_put_f32(&w, "adapter.lora.alpha", a->alpha);
    for (uint32_t pass = 0; pass < 2; pass++) { /* declarations, then data */
        met = 0;
        for (uint32_t i = 0; i < model->n_tensors; i++) {
            const sk_gguf_tensor *t = model->tensor[i];
            if (!adapter_takes(t, &met, a)) continue;
            for (uint32_t m = 0; m < 2; m++) {
                char name[160];
                const uint64_t shape[2] = {m ? a->rank : t->shape[0], m ? t->shape[1] : a->rank};
                snprintf(name, sizeof name, "%.*s.lora_%c", SK_TEXT(t->name), m ? 'b' : 'a');
                if (pass) adapter_data(&w, a, i, m, shape[0] * shape[1]);
                else sk_gguf_declare(&w, (sk_text){name, strlen(name)}, a->type, 2, shape);
            }
        }
    }
    if (sk_gguf_finish(&w, NULL) != SKALD_OK) abort();
    return out;
}

/* W += scale * alpha / rank * B A in the f32 matrices of a model's bytes, summed in double. */
static inline void adapter_merge(char *bytes, const sk_files *model, const adapter_shape *a, float scale) {
    const double s = (double)scale * (a->alpha != 0 ? (double)a->alpha / a->rank : 1);
    uint32_t met = 0;
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        const sk_gguf_tensor *t = model->tensor[i];
        if (!adapter_takes(t, &met, a)) continue;
        for (uint64_t o = 0; o < t->shape[1]; o++)
            for (uint64_t k = 0; k < t->shape[0]; k++) {
                char *at = bytes + t->offset + (o * t->shape[0] + k) * sizeof(float);
                double sum = 0;
                float x;
                for (uint64_t r = 0; r < a->rank; r++)
                    sum += (double)adapter_value(a, i, 1, o * a->rank + r) *
                           (double)adapter_value(a, i, 0, r * t->shape[0] + k);
                memcpy(&x, at, sizeof x);
                x = (float)((double)x + s * sum);
                memcpy(at, &x, sizeof x);
            }
    }
}
#endif

/* Three models of two layers, 32 wide, with a tokenizer of 40 words, as files in memory: one that keeps all it reads,
 * one whose first layer sees a window of 16, one whose first layer is of the delta rule. What steps give is known
 * beforehand: each row of a text's logits is computed once, by a step of the whole text with nothing beside it. */
#ifndef SK_FUZZ_TINY_H
#define SK_FUZZ_TINY_H
#include "base/exact.h"
#include "base/random.h"
#include "fuzz/counted.h"
#include "fuzz/words.h"
#include <stdio.h>
#include <string.h>

#define TINY_WIDTH 32u
#define TINY_TEXT  320u /* longest text that rows are asked for */
#define TINY_ROWS  32768u

typedef enum tiny_kind { TINY_PLAIN, TINY_WINDOW, TINY_STATE, TINY_KINDS } tiny_kind;

/* ---- files */

typedef struct tiny_file {
    char bytes[1 << 17];
    size_t n_bytes;
} tiny_file;

typedef struct tiny_tensor {
    const char *name;
    uint32_t n_in, n_out; /* n_out 0: a vector around `centre` */
    float centre, spread;
} tiny_tensor;

#define TINY_MATRIX(name, in, out)                                                                                     \
    { name ".weight", in, out, 0, 0.35f }
#define TINY_NORM(name, n)                                                                                             \
    { name ".weight", n, 0, 1, 0.25f }
#define TINY_ATTENTION(l)                                                                                              \
    TINY_NORM("blk." l ".attn_norm", 32), TINY_MATRIX("blk." l ".attn_q", 32, 64),                                     \
        TINY_MATRIX("blk." l ".attn_k", 32, 32), TINY_MATRIX("blk." l ".attn_v", 32, 32),                              \
        TINY_MATRIX("blk." l ".attn_output", 64, 32)
#define TINY_FEED(l)                                                                                                   \
    TINY_MATRIX("blk." l ".ffn_gate", 32, 32), TINY_MATRIX("blk." l ".ffn_up", 32, 32),                                \
        TINY_MATRIX("blk." l ".ffn_down", 32, 32)
#define TINY_ENDS                                                                                                      \
    TINY_MATRIX("token_embd", TINY_WIDTH, N_WORDS), TINY_NORM("output_norm", 32),                                      \
        TINY_MATRIX("output", TINY_WIDTH, N_WORDS)

static const tiny_tensor tiny_plain[] = {TINY_ENDS,
                                         TINY_ATTENTION("0"),
                                         TINY_NORM("blk.0.ffn_norm", 32),
                                         TINY_FEED("0"),
                                         TINY_ATTENTION("1"),
                                         TINY_NORM("blk.1.ffn_norm", 32),
                                         TINY_FEED("1"),
                                         {0}};

#define TINY_POSTS(l)                                                                                                  \
    TINY_NORM("blk." l ".post_attention_norm", 32), TINY_NORM("blk." l ".ffn_norm", 32),                               \
        TINY_NORM("blk." l ".post_ffw_norm", 32)
static const tiny_tensor tiny_window[] = {TINY_ENDS,           TINY_ATTENTION("0"), TINY_POSTS("0"), TINY_FEED("0"),
                                          TINY_ATTENTION("1"), TINY_POSTS("1"),     TINY_FEED("1"),  {0}};

static const tiny_tensor tiny_state[] = {TINY_ENDS,
                                         TINY_NORM("blk.0.attn_norm", 32),
                                         TINY_MATRIX("blk.0.attn_qkv", 32, 96),
                                         TINY_MATRIX("blk.0.attn_gate", 32, 32),
                                         TINY_MATRIX("blk.0.ssm_alpha", 32, 1),
                                         TINY_MATRIX("blk.0.ssm_beta", 32, 1),
                                         TINY_MATRIX("blk.0.ssm_conv1d", 4, 96),
                                         {"blk.0.ssm_a", 1, 0, -0.5f, 0.2f},
                                         {"blk.0.ssm_dt.bias", 1, 0, -2, 0.5f},
                                         TINY_NORM("blk.0.ssm_norm", 32),
                                         TINY_MATRIX("blk.0.ssm_out", 32, 32),
                                         TINY_NORM("blk.0.post_attention_norm", 32),
                                         TINY_FEED("0"),
                                         TINY_NORM("blk.1.attn_norm", 32),
                                         TINY_MATRIX("blk.1.attn_q", 32, 128),
                                         TINY_MATRIX("blk.1.attn_k", 32, 32),
                                         TINY_MATRIX("blk.1.attn_v", 32, 32),
                                         TINY_NORM("blk.1.attn_q_norm", 32),
                                         TINY_NORM("blk.1.attn_k_norm", 32),
                                         TINY_MATRIX("blk.1.attn_output", 64, 32),
                                         TINY_NORM("blk.1.post_attention_norm", 32),
                                         TINY_FEED("1"),
                                         {0}};

typedef struct tiny_recipe {
    const char *architecture;
    const tiny_tensor *tensors;
    uint32_t n_counts;
    const char *counts[11];
    uint32_t values[11];
} tiny_recipe;

#define TINY_COUNTS                                                                                                    \
    "block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",                \
        "attention.head_count_kv", "attention.key_length", "attention.value_length"

static const tiny_recipe tiny_recipes[TINY_KINDS] = {
    [TINY_PLAIN] = {"llama", tiny_plain, 8, {TINY_COUNTS}, {2, 512, 32, 32, 2, 1, 32, 32}},
    [TINY_WINDOW] =
        {"gemma2", tiny_window, 9, {TINY_COUNTS, "attention.sliding_window"}, {2, 512, 32, 32, 2, 1, 32, 32, 16}},
    [TINY_STATE] = {"qwen35", tiny_state, 8, {TINY_COUNTS}, {2, 512, 32, 32, 2, 1, 32, 32}},
};

static skald_status tiny_put(void *user, const void *bytes, size_t n_bytes) {
    tiny_file *f = user;
    PROMISE(n_bytes <= sizeof f->bytes - f->n_bytes);
    memcpy(f->bytes + f->n_bytes, bytes, n_bytes);
    f->n_bytes += n_bytes;
    return SKALD_OK;
}

static void tiny_put_data(sk_gguf_writer *w, const tiny_tensor *t, uint32_t number) {
    const uint32_t n = t->n_in * (t->n_out ? t->n_out : 1);
    for (uint32_t i = 0; i < n; i++) {
        const float x = t->centre + t->spread * (float)(2 * sk_random(number, i, 0) - 1);
        sk_gguf_data(w, &x, sizeof x);
    }
    sk_gguf_end_tensor(w);
}

static void tiny_write(tiny_file *f, tiny_kind kind) {
    const tiny_recipe *r = &tiny_recipes[kind];
    sk_gguf_writer w;
    char key[64];
    uint32_t n_tensors = 0;
    while (r->tensors[n_tensors].name) n_tensors++;
    f->n_bytes = 0;
    sk_gguf_begin(&w, tiny_put, f, r->n_counts + (kind == TINY_STATE ? 15 : 9), n_tensors, 32);
    sk_gguf_put_text(&w, "general.architecture", r->architecture);
    for (uint32_t i = 0; i < r->n_counts; i++) {
        snprintf(key, sizeof key, "%s.%s", r->architecture, r->counts[i]);
        sk_gguf_put_u32(&w, key, r->values[i]);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", r->architecture);
    sk_gguf_put_f32(&w, key, 1e-5f);
    if (kind == TINY_STATE) {
        sk_gguf_put_u32(&w, "qwen35.full_attention_interval", 2);
        sk_gguf_put_u32(&w, "qwen35.ssm.conv_kernel", 4);
        sk_gguf_put_u32(&w, "qwen35.ssm.state_size", 32);
        sk_gguf_put_u32(&w, "qwen35.ssm.group_count", 1);
        sk_gguf_put_u32(&w, "qwen35.ssm.time_step_rank", 1);
        sk_gguf_put_u32(&w, "qwen35.ssm.inner_size", 32);
    }
    put_words(&w);
    for (uint32_t i = 0; i < n_tensors; i++) {
        const tiny_tensor *t = &r->tensors[i];
        sk_gguf_declare(&w, sample_text(t->name), SKALD_F32, t->n_out ? 2 : 1, (const uint64_t[]){t->n_in, t->n_out});
    }
    for (uint32_t i = 0; i < n_tensors; i++) tiny_put_data(&w, &r->tensors[i], i);
    PROMISE(sk_gguf_finish(&w, NULL) == SKALD_OK);
}

/* ---- rows of logits */

typedef struct tiny_row {
    uint64_t text; /* sum of the ids up to the row's; 0: no row is here */
    float logits[N_WORDS];
} tiny_row;

typedef struct tiny_oracle {
    skald_model *model;
    skald_kv_cache *cache;
    skald_context *context;
    skald_seq seq;
    tiny_row rows[TINY_ROWS];
} tiny_oracle;

static uint64_t tiny_sum(uint64_t sum, int32_t id) {
    return (sum + (uint64_t)id + 1) * 0x9e3779b97f4a7c15u ^ sum >> 29;
}

static void tiny_open(tiny_oracle *o, const tiny_file *file, skald_dtype type) {
    const skald_source source = {.size = sizeof source, .bytes = file->bytes, .n_bytes = file->n_bytes};
    const skald_runtime_options alone = {.size = sizeof alone, .n_threads = 1};
    const skald_kv_cache_options k = {.size = sizeof k, .n_tokens = TINY_TEXT, .k_type = type, .v_type = type};
    const skald_context_options c = {.size = sizeof c, .n_rows = 64, .n_logits = TINY_TEXT};
    skald_runtime *runtime;
    PROMISE(skald_runtime_create(&runtime, &alone, NULL) == SKALD_OK);
    PROMISE(skald_model_open(&o->model, runtime, NULL, NULL, &source, 1) == SKALD_OK);
    PROMISE(skald_kv_cache_create(&o->cache, o->model, &k, NULL) == SKALD_OK);
    PROMISE(skald_context_create(&o->context, o->model, &c, NULL) == SKALD_OK);
    PROMISE(skald_kv_cache_open(&o->seq, o->cache) == SKALD_OK);
    skald_runtime_release(runtime);
}

/* The logits behind n ids. All rows of a text that is new come with it. */
static const float *tiny_logits(tiny_oracle *o, const int32_t *ids, uint32_t n) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) sum = tiny_sum(sum, ids[i]);
    const tiny_row *row = &o->rows[sum % TINY_ROWS];
    if (row->text == sum) return row->logits;
    const skald_span span = {
        .size = sizeof span, .seq = o->seq, .tokens = ids, .n_tokens = n, .logits = SKALD_LOGITS_ALL};
    PROMISE(skald_kv_cache_rewind(o->cache, o->seq, 0) == SKALD_OK);
    PROMISE(skald_step(o->context, o->cache, NULL, NULL, &span, 1) == SKALD_OK);
    sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum = tiny_sum(sum, ids[i]);
        o->rows[sum % TINY_ROWS].text = sum;
        memcpy(o->rows[sum % TINY_ROWS].logits, skald_logits(o->context, i), sizeof row->logits);
    }
    return row->logits;
}
#endif

/* Weights are random bits under chosen scales, each block a function of (tensor, block) alone. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/model_writer.h"
#include "base/exact.h"
#include "base/random.h"
#include "file/gguf_write.h"
#include <stdio.h>
#include <stdlib.h>

#define N_LAYERS 4

typedef struct tensor {
    const char *name;
    uint32_t n_in, n_out; /* n_out 0: a vector */
    float gain;           /* standard deviation of an output whose inputs have 1; of a vector its mean, 0: 1 */
    skald_dtype type[N_LAYERS];
    uint32_t n_experts; /* as many matrices; 0: one */
} tensor;

/* A layer is what mixes and what is fed, up to a tensor without a name. */
static const tensor attention_tensors[] = {
    {"attn_norm.weight", 512, 0, 0, {SKALD_F32, SKALD_F32, SKALD_F32, SKALD_F32}, 0},
    {"attn_q.weight", 512, 512, 1.5f, {SKALD_Q4_1, SKALD_Q5_0, SKALD_Q4_K, SKALD_Q8_0}, 0},
    {"attn_k.weight", 512, 128, 1.5f, {SKALD_Q8_0, SKALD_F16, SKALD_Q6_K, SKALD_Q4_1}, 0},
    {"attn_v.weight", 512, 128, 1.0f, {SKALD_Q5_0, SKALD_F32, SKALD_Q4_1, SKALD_Q4_K}, 0},
    {"attn_output.weight", 512, 512, 1.0f, {SKALD_Q4_K, SKALD_Q8_0, SKALD_Q5_0, SKALD_F16}, 0},
    {"ffn_norm.weight", 512, 0, 0, {SKALD_F32, SKALD_F32, SKALD_F32, SKALD_F32}, 0},
    {0},
};

/* Three layers of the gated delta rule, 8 states of 32 by 32 over 4 keys, then gated attention with 8 heads of 64. */
static const tensor delta_tensors[] = {
    {"attn_norm.weight", 512, 0, 0, {SKALD_F32, SKALD_F32, SKALD_F32}, 0},
    {"attn_qkv.weight", 512, 512, 1.0f, {SKALD_Q4_K, SKALD_Q5_0, SKALD_Q8_0}, 0},
    {"attn_gate.weight", 512, 256, 1.5f, {SKALD_Q8_0, SKALD_F16, SKALD_Q4_1}, 0},
    {"ssm_alpha.weight", 512, 8, 1.0f, {SKALD_F32, SKALD_F32, SKALD_Q8_0}, 0},
    {"ssm_beta.weight", 512, 8, 1.0f, {SKALD_F32, SKALD_Q8_0, SKALD_F32}, 0},
    {"ssm_conv1d.weight", 4, 512, 1.5f, {SKALD_F32, SKALD_F32, SKALD_F32}, 0},
    {"ssm_a", 8, 0, -0.5f, {SKALD_F32, SKALD_F32, SKALD_F32}, 0},
    {"ssm_dt.bias", 8, 0, -2.0f, {SKALD_F32, SKALD_F32, SKALD_F32}, 0},
    {"ssm_norm.weight", 32, 0, 0, {SKALD_F32, SKALD_F32, SKALD_F32}, 0},
    {"ssm_out.weight", 256, 512, 1.5f, {SKALD_Q6_K, SKALD_Q4_K, SKALD_F16}, 0},
    {"post_attention_norm.weight", 512, 0, 0, {SKALD_F32, SKALD_F32, SKALD_F32}, 0},
    {0},
};

static const tensor gated_tensors[] = {
    {"attn_norm.weight", 512, 0, 0, {[3] = SKALD_F32}, 0},
    {"attn_q.weight", 512, 1024, 1.5f, {[3] = SKALD_Q4_K}, 0},
    {"attn_k.weight", 512, 128, 1.5f, {[3] = SKALD_Q6_K}, 0},
    {"attn_v.weight", 512, 128, 1.0f, {[3] = SKALD_Q5_0}, 0},
    {"attn_q_norm.weight", 64, 0, 0, {[3] = SKALD_F32}, 0},
    {"attn_k_norm.weight", 64, 0, 0, {[3] = SKALD_F32}, 0},
    {"attn_output.weight", 512, 512, 1.5f, {[3] = SKALD_Q8_0}, 0},
    {"post_attention_norm.weight", 512, 0, 0, {[3] = SKALD_F32}, 0},
    {0},
};

static const tensor dense_tensors[] = {
    {"ffn_gate.weight", 512, 768, 1.0f, {SKALD_Q4_1, SKALD_Q4_K, SKALD_Q6_K, SKALD_Q5_0}, 0},
    {"ffn_up.weight", 512, 768, 1.0f, {SKALD_Q5_0, SKALD_Q4_K, SKALD_Q8_0, SKALD_F16}, 0},
    {"ffn_down.weight", 768, 512, 1.0f, {SKALD_Q6_K, SKALD_Q4_1, SKALD_Q5_0, SKALD_Q8_0}, 0},
    {0},
};

static const tensor expert_tensors[] = {
    {"ffn_gate_inp.weight", 512, 8, 2.0f, {SKALD_F32, SKALD_F32, SKALD_F32, SKALD_Q8_0}, 0},
    {"ffn_gate_exps.weight", 512, 256, 1.0f, {SKALD_Q4_1, SKALD_Q4_K, SKALD_F16, SKALD_Q5_0}, 8},
    {"ffn_up_exps.weight", 512, 256, 1.0f, {SKALD_Q4_1, SKALD_Q4_K, SKALD_F16, SKALD_Q5_0}, 8},
    {"ffn_down_exps.weight", 256, 512, 1.5f, {SKALD_Q6_K, SKALD_Q8_0, SKALD_Q4_K, SKALD_F32}, 8},
    {0},
};

static const tensor *mixed(test_model which, uint32_t layer) {
    if (which != TEST_MODEL_DELTA) return attention_tensors;
    return layer + 1 < N_LAYERS ? delta_tensors : gated_tensors;
}

static const tensor *fed(test_model which) { return which == TEST_MODEL_EXPERTS ? expert_tensors : dense_tensors; }

static const tensor embedding = {"token_embd.weight", 512, TEST_MODEL_VOCABULARY, 22.6f, {SKALD_Q8_0}, 0};
static const tensor last_norm = {"output_norm.weight", 512, 0, 0, {SKALD_F32}, 0};
static const tensor head = {"output.weight", 512, TEST_MODEL_VOCABULARY, 2.0f, {SKALD_Q6_K}, 0};

/* Where a block keeps its f16 scale and minimum, and what random quants come to. */
typedef struct block_form {
    skald_dtype type;
    int32_t scale_at, minimum_at;
    double minimum;   /* in scales, so that weights have a mean of 0 */
    double deviation; /* of a weight, in scales */
} block_form;

static const block_form forms[] = {
    {SKALD_Q4_1, 0, 2, -7.5, 4.6}, {SKALD_Q5_0, 0, -1, 0, 9.2},    {SKALD_Q8_0, 0, -1, 0, 74},
    {SKALD_Q4_K, 0, 2, 7.5, 257},  {SKALD_Q6_K, 208, -1, 0, 1366},
};

static void random_words(uint32_t out[4], uint32_t tensor_number, uint32_t block, uint32_t part) {
    const uint32_t counter[4] = {block, part, tensor_number, 0}, key[2] = {0x736b616c, 0x64};
    sk_philox(out, counter, key);
}

static void put_half(unsigned char *to, double x) {
    const uint16_t half = sk_to_f16((float)x);
    to[0] = (unsigned char)half, to[1] = (unsigned char)(half >> 8);
}

static void put_words(unsigned char *to, const uint32_t *words, uint32_t n_bytes) {
    for (uint32_t i = 0; i < n_bytes; i++) to[i] = (unsigned char)(words[i / 4] >> i % 4 * 8);
}

static double unit(uint32_t word) { return (double)word * 0x1p-32; }

/* About normal: a sum of four. */
static double around_zero(const uint32_t r[4]) {
    return (unit(r[0]) + unit(r[1]) + unit(r[2]) + unit(r[3]) - 2.0) * 1.7320508;
}

static void write_floats(sk_gguf_writer *w, const tensor *t, skald_dtype type, uint32_t number, uint64_t n) {
    const double deviation = (double)t->gain / sk_sqrt_double((double)t->n_in);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t r[4];
        unsigned char bytes[4];
        random_words(r, number, (uint32_t)i, 0);
        const double mean = t->gain != 0 ? (double)t->gain : 1.0;
        const double x = t->n_out ? around_zero(r) * deviation : mean * (1.0 + around_zero(r) * 0.1);
        const uint32_t bits = sk_bits((float)x);
        if (type == SKALD_F16) put_half(bytes, x);
        else put_words(bytes, &bits, 4);
        sk_gguf_data(w, bytes, type == SKALD_F16 ? 2 : 4);
    }
}

static void write_blocks(sk_gguf_writer *w, const tensor *t, const block_form *form, uint32_t number, uint64_t n) {
    const uint32_t elements = skald_dtype_bytes(form->type, 32) ? 32 : 256;
    const uint32_t n_bytes = (uint32_t)skald_dtype_bytes(form->type, elements);
    const double deviation = (double)t->gain / sk_sqrt_double((double)t->n_in);
    for (uint32_t b = 0; b < n / elements; b++) {
        unsigned char bytes[256];
        uint32_t r[4];
        for (uint32_t at = 0; at < n_bytes; at += 16) {
            random_words(r, number, b, at);
            put_words(bytes + at, r, n_bytes - at < 16 ? n_bytes - at : 16);
        }
        random_words(r, number, b, 1);
        const double scale = deviation / form->deviation * (0.5 + unit(r[0]));
        put_half(bytes + form->scale_at, scale);
        if (form->minimum_at >= 0) put_half(bytes + form->minimum_at, scale * form->minimum);
        sk_gguf_data(w, bytes, n_bytes);
    }
}

static void write_tensor(sk_gguf_writer *w, const tensor *t, uint32_t layer, uint32_t number) {
    const skald_dtype type = t->type[layer];
    const uint64_t n = (uint64_t)t->n_in * (t->n_out ? t->n_out : 1) * (t->n_experts ? t->n_experts : 1);
    const block_form *form = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].type == type) form = &forms[i];
    if (form) write_blocks(w, t, form, number, n);
    else write_floats(w, t, type, number, n);
    sk_gguf_end_tensor(w);
}

static void declare(sk_gguf_writer *w, const tensor *t, int32_t layer) {
    char name[64];
    const uint64_t shape[3] = {t->n_in, t->n_out, t->n_experts};
    const int length = layer < 0 ? snprintf(name, sizeof name, "%s", t->name)
                                 : snprintf(name, sizeof name, "blk.%d.%s", (int)layer, t->name);
    sk_gguf_declare(w, (sk_text){name, (uint64_t)length}, t->type[layer < 0 ? 0 : layer],
                    t->n_experts ? 3
                    : t->n_out   ? 2
                                 : 1,
                    shape);
}

typedef struct describing {
    sk_gguf_writer *writer;
    const char *architecture;
} describing;

static const char *key_of(char key[64], const describing *d, const char *rest) {
    snprintf(key, 64, "%s.%s", d->architecture, rest);
    return key;
}

static void put_count(const describing *d, const char *rest, uint32_t value) {
    char key[64];
    sk_gguf_put_u32(d->writer, key_of(key, d, rest), value);
}

static void put_number(const describing *d, const char *rest, float value) {
    char key[64];
    sk_gguf_put_f32(d->writer, key_of(key, d, rest), value);
}

static const uint32_t n_keys[] = {[TEST_MODEL_DENSE] = 10, [TEST_MODEL_EXPERTS] = 12, [TEST_MODEL_DELTA] = 15};

static void describe(sk_gguf_writer *w, test_model which) {
    const describing d = {w, which == TEST_MODEL_DELTA ? "qwen35" : "llama"};
    sk_gguf_put_text(w, "general.architecture", d.architecture);
    sk_gguf_put_text(w, "general.name", "random weights");
    put_count(&d, "block_count", N_LAYERS);
    put_count(&d, "context_length", 2048);
    put_count(&d, "embedding_length", TEST_MODEL_WIDTH);
    put_count(&d, "feed_forward_length", which == TEST_MODEL_EXPERTS ? 256 : 768);
    put_count(&d, "attention.head_count", 8);
    put_count(&d, "attention.head_count_kv", 2);
    put_number(&d, "attention.layer_norm_rms_epsilon", 1e-5f);
    put_number(&d, "rope.freq_base", 10000.0f);
    if (which == TEST_MODEL_EXPERTS) {
        put_count(&d, "expert_count", 8);
        put_count(&d, "expert_used_count", 3);
    } else if (which == TEST_MODEL_DELTA) {
        put_count(&d, "ssm.conv_kernel", 4);
        put_count(&d, "ssm.state_size", 32);
        put_count(&d, "ssm.group_count", 4);
        put_count(&d, "ssm.time_step_rank", 8);
        put_count(&d, "ssm.inner_size", 256);
    }
}

static uint32_t count(const tensor *t) {
    uint32_t n = 0;
    while (t[n].name) n++;
    return n;
}

skald_status test_model_write(test_model which, skald_status (*write)(void *, const void *, size_t), void *user) {
    sk_gguf_writer w;
    uint32_t number = 0, n_tensors = 3;
    const tensor *part[N_LAYERS][2];
    for (uint32_t l = 0; l < N_LAYERS; l++) {
        part[l][0] = mixed(which, l), part[l][1] = fed(which);
        n_tensors += count(part[l][0]) + count(part[l][1]);
    }
    sk_gguf_begin(&w, write, user, n_keys[which], n_tensors, 32);
    describe(&w, which);
    declare(&w, &embedding, -1);
    for (uint32_t l = 0; l < N_LAYERS; l++)
        for (size_t i = 0; i < 2; i++)
            for (const tensor *t = part[l][i]; t->name; t++) declare(&w, t, (int32_t)l);
    declare(&w, &last_norm, -1);
    declare(&w, &head, -1);
    write_tensor(&w, &embedding, 0, number++);
    for (uint32_t l = 0; l < N_LAYERS; l++)
        for (size_t i = 0; i < 2; i++)
            for (const tensor *t = part[l][i]; t->name; t++) write_tensor(&w, t, l, number++);
    write_tensor(&w, &last_norm, 0, number++);
    write_tensor(&w, &head, 0, number);
    return sk_gguf_finish(&w, NULL);
}

typedef struct growing {
    char *bytes;
    size_t n, room;
} growing;

static skald_status grow(void *user, const void *bytes, size_t n_bytes) {
    growing *g = user;
    if (n_bytes > g->room - g->n) {
        g->room = 2 * g->room + n_bytes + 65536;
        g->bytes = realloc(g->bytes, g->room);
        if (!g->bytes) return SKALD_MEMORY;
    }
    memcpy(g->bytes + g->n, bytes, n_bytes);
    g->n += n_bytes;
    return SKALD_OK;
}

char *test_model_make(test_model which, size_t *n_bytes) {
    growing g = {0};
    const skald_status status = test_model_write(which, grow, &g);
    if (status != SKALD_OK) fprintf(stderr, "the model cannot be made: %s\n", skald_status_text(status)), exit(2);
    *n_bytes = g.n;
    return g.bytes;
}

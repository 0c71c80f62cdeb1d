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
    float gain;           /* standard deviation of an output whose inputs have 1; of a vector around 0;
                   0: a vector around 1, below 0: around this */
    skald_dtype type[N_LAYERS];
    uint32_t n_experts; /* as many matrices; 0: one */
} tensor;

/* A number of the architecture's; 0: it is `x`. */
typedef struct entry {
    const char *name;
    uint32_t n;
    float x;
    const char *text;
} entry;

#define FLOATS                                                                                                         \
    { SKALD_F32, SKALD_F32, SKALD_F32, SKALD_F32 }
#define NORM(name)                                                                                                     \
    { name ".weight", 512, 0, 0, FLOATS, 0 }
#define BIAS(name, n)                                                                                                  \
    { name ".bias", n, 0, 0.2f, FLOATS, 0 }

/* ---- parts of layers: lists that end with a tensor without a name */

#define QUERIES                                                                                                        \
    { "attn_q.weight", 512, 512, 1.5f, {SKALD_Q4_1, SKALD_Q5_0, SKALD_Q4_K, SKALD_Q8_0}, 0 }
#define KEYS                                                                                                           \
    { "attn_k.weight", 512, 128, 1.5f, {SKALD_Q8_0, SKALD_F16, SKALD_Q6_K, SKALD_Q4_1}, 0 }
#define VALUES                                                                                                         \
    { "attn_v.weight", 512, 128, 1.0f, {SKALD_Q5_0, SKALD_F32, SKALD_Q4_1, SKALD_Q4_K}, 0 }
#define OUTPUTS                                                                                                        \
    { "attn_output.weight", 512, 512, 1.0f, {SKALD_Q4_K, SKALD_Q8_0, SKALD_Q5_0, SKALD_F16}, 0 }

static const tensor attention[] = {NORM("attn_norm"), QUERIES, KEYS, VALUES, OUTPUTS, NORM("ffn_norm"), {0}};

static const tensor attention_positions[] = {
    NORM("attn_norm"),
    BIAS("attn_norm", 512),
    {"attn_qkv.weight", 512, 1536, 1.3f, {SKALD_Q5_0, SKALD_Q4_K, SKALD_F16, SKALD_Q8_0}, 0},
    BIAS("attn_qkv", 1536),
    OUTPUTS,
    BIAS("attn_output", 512),
    NORM("ffn_norm"),
    BIAS("ffn_norm", 512),
    {0},
};

static const tensor attention_caps[] = {NORM("attn_norm"),           QUERIES,          KEYS, VALUES, OUTPUTS,
                                        NORM("post_attention_norm"), NORM("ffn_norm"), {0}};

static const tensor attention_sinks[] = {
    NORM("attn_norm"),           QUERIES,
    BIAS("attn_q", 512),         KEYS,
    BIAS("attn_k", 128),         VALUES,
    BIAS("attn_v", 128),         OUTPUTS,
    BIAS("attn_output", 512),    {"attn_sinks.weight", 8, 0, 2.0f, FLOATS, 0},
    NORM("post_attention_norm"), {0},
};

static const tensor attention_latent[] = {
    NORM("attn_norm"),
    {"attn_q_a.weight", 512, 256, 1.0f, {SKALD_Q4_K, SKALD_Q8_0, SKALD_F16, SKALD_Q5_0}, 0},
    {"attn_q_a_norm.weight", 256, 0, 0, FLOATS, 0},
    {"attn_q_b.weight", 256, 384, 1.5f, {SKALD_Q5_0, SKALD_Q4_K, SKALD_Q6_K, SKALD_F32}, 0},
    {"attn_kv_a_mqa.weight", 512, 160, 1.5f, {SKALD_Q8_0, SKALD_Q4_1, SKALD_Q4_K, SKALD_F16}, 0},
    {"attn_kv_a_norm.weight", 128, 0, 0, FLOATS, 0},
    {"attn_k_b.weight", 64, 128, 1.2f, {SKALD_Q8_0, SKALD_F16, SKALD_Q5_0, SKALD_F32}, 4},
    {"attn_v_b.weight", 128, 64, 1.0f, {SKALD_Q4_1, SKALD_Q8_0, SKALD_F16, SKALD_Q5_0}, 4},
    {"attn_output.weight", 256, 512, 1.0f, {SKALD_Q6_K, SKALD_Q4_K, SKALD_Q8_0, SKALD_F16}, 0},
    NORM("ffn_norm"),
    {0},
};

/* Three layers of the gated delta rule, 8 states of 32 by 32 over 4 keys, then gated attention with 8 heads of 64. */
static const tensor attention_delta[] = {
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

static const tensor attention_gated[] = {
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

#define UP                                                                                                             \
    { "ffn_up.weight", 512, 768, 1.0f, {SKALD_Q5_0, SKALD_Q4_K, SKALD_Q8_0, SKALD_F16}, 0 }
#define DOWN                                                                                                           \
    { "ffn_down.weight", 768, 512, 1.0f, {SKALD_Q6_K, SKALD_Q4_1, SKALD_Q5_0, SKALD_Q8_0}, 0 }
#define GATE                                                                                                           \
    { "ffn_gate.weight", 512, 768, 1.0f, {SKALD_Q4_1, SKALD_Q4_K, SKALD_Q6_K, SKALD_Q5_0}, 0 }

static const tensor fed[] = {GATE, UP, DOWN, {0}};
static const tensor fed_positions[] = {UP, BIAS("ffn_up", 768), DOWN, BIAS("ffn_down", 512), {0}};
static const tensor fed_caps[] = {GATE, UP, DOWN, NORM("post_ffw_norm"), {0}};

#define ROUTER                                                                                                         \
    { "ffn_gate_inp.weight", 512, 8, 2.0f, {SKALD_F32, SKALD_F32, SKALD_F32, SKALD_Q8_0}, 0 }
#define GATES                                                                                                          \
    { "ffn_gate_exps.weight", 512, 256, 1.0f, {SKALD_Q4_1, SKALD_Q4_K, SKALD_F16, SKALD_Q5_0}, 8 }
#define UPS                                                                                                            \
    { "ffn_up_exps.weight", 512, 256, 1.0f, {SKALD_Q4_1, SKALD_Q4_K, SKALD_F16, SKALD_Q5_0}, 8 }
#define DOWNS                                                                                                          \
    { "ffn_down_exps.weight", 256, 512, 1.5f, {SKALD_Q6_K, SKALD_Q8_0, SKALD_Q4_K, SKALD_F32}, 8 }

static const tensor fed_experts[] = {ROUTER, GATES, UPS, DOWNS, {0}};
static const tensor fed_sinks[] = {
    ROUTER, BIAS("ffn_gate_inp", 8),
    GATES,  {"ffn_gate_exps.bias", 256, 8, 4.0f, FLOATS, 0},
    UPS,    {"ffn_up_exps.bias", 256, 8, 4.0f, FLOATS, 0},
    DOWNS,  {"ffn_down_exps.bias", 512, 8, 4.0f, FLOATS, 0},
    {0},
};

/* ---- before and behind the layers */

#define EMBEDDING(gain)                                                                                                \
    { "token_embd.weight", 512, TEST_MODEL_VOCABULARY, gain, {SKALD_Q8_0}, 0 }
#define HEAD                                                                                                           \
    { "output.weight", 512, TEST_MODEL_VOCABULARY, 2.0f, {SKALD_Q6_K}, 0 }

static const tensor first[] = {EMBEDDING(22.6f), {0}};
static const tensor first_caps[] = {EMBEDDING(1.0f), {0}}; /* the family scales by the root of the width */
static const tensor first_positions[] = {EMBEDDING(22.6f),
                                         {"position_embd.weight", 512, 2048, 16.0f, {SKALD_F16}, 0},
                                         {0}};
static const tensor last[] = {NORM("output_norm"), HEAD, {0}};
static const tensor last_positions[] = {NORM("output_norm"), BIAS("output_norm", 512), HEAD, {0}};

/* ---- keys behind those that all have */

#define RMS                                                                                                            \
    { "attention.layer_norm_rms_epsilon", 0, 1e-5f, NULL }
#define BASE                                                                                                           \
    { "rope.freq_base", 0, 10000.0f, NULL }
#define YARN                                                                                                           \
    {"rope.scaling.type", 0, 0, "yarn"}, {"rope.scaling.factor", 0, 4.0f, NULL}, {                                     \
        "rope.scaling.original_context_length", 512, 0, NULL                                                           \
    }
#define EXPERTS                                                                                                        \
    {"expert_count", 8, 0, NULL}, { "expert_used_count", 3, 0, NULL }
#define WINDOW                                                                                                         \
    { "attention.sliding_window", 200, 0, NULL }

static const entry keys[] = {RMS, BASE, {0}};
static const entry keys_experts[] = {RMS, BASE, EXPERTS, {0}};
static const entry keys_positions[] = {{"attention.layer_norm_epsilon", 0, 1e-5f, NULL}, {0}};
static const entry keys_caps[] = {
    RMS, BASE, WINDOW, {"attn_logit_softcapping", 0, 4.0f, NULL}, {"final_logit_softcapping", 0, 8.0f, NULL}, {0}};
static const entry keys_sinks[] = {RMS, BASE, YARN, EXPERTS, {"expert_feed_forward_length", 256, 0, NULL}, WINDOW, {0}};
static const entry keys_delta[] = {
    RMS,
    BASE,
    {"ssm.conv_kernel", 4, 0, NULL},
    {"ssm.state_size", 32, 0, NULL},
    {"ssm.group_count", 4, 0, NULL},
    {"ssm.time_step_rank", 8, 0, NULL},
    {"ssm.inner_size", 256, 0, NULL},
    {0},
};
static const entry keys_latent[] = {
    RMS,
    BASE,
    YARN,
    {"rope.scaling.yarn_log_multiplier", 0, 0.1f, NULL},
    {"rope.dimension_count", 32, 0, NULL},
    {"leading_dense_block_count", 4, 0, NULL},
    {"attention.q_lora_rank", 256, 0, NULL},
    {"attention.kv_lora_rank", 128, 0, NULL},
    {"attention.key_length_mla", 96, 0, NULL},
    {"attention.value_length_mla", 64, 0, NULL},
    {0},
};

typedef struct recipe {
    const char *architecture;
    uint32_t n_ff, n_heads, n_kv_heads;
    const entry *keys;
    const tensor *first, *layer[2], *last;
    const tensor *last_mixer; /* of the last layer in place of layer[0]; NULL: the same */
} recipe;

static const recipe recipes[TEST_MODEL_END] = {
    [TEST_MODEL_DENSE] = {"llama", 768, 8, 2, keys, first, {attention, fed}, last, NULL},
    [TEST_MODEL_EXPERTS] = {"llama", 256, 8, 2, keys_experts, first, {attention, fed_experts}, last, NULL},
    [TEST_MODEL_POSITIONS] = {"gpt2",
                              768,
                              8,
                              8,
                              keys_positions,
                              first_positions,
                              {attention_positions, fed_positions},
                              last_positions,
                              NULL},
    [TEST_MODEL_CAPS] = {"gemma2", 768, 8, 2, keys_caps, first_caps, {attention_caps, fed_caps}, last, NULL},
    [TEST_MODEL_SINKS] = {"gpt-oss", 256, 8, 2, keys_sinks, first, {attention_sinks, fed_sinks}, last, NULL},
    [TEST_MODEL_DELTA] = {"qwen35", 768, 8, 2, keys_delta, first, {attention_delta, fed}, last, attention_gated},
    [TEST_MODEL_LATENT] = {"deepseek2", 768, 4, 1, keys_latent, first, {attention_latent, fed}, last, NULL},
};

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
        const bool around_mean = !t->n_out && t->gain <= 0.0f;
        const double mean = t->gain < 0.0f ? (double)t->gain : 1.0;
        const double spread = around_zero(r) * (t->n_out ? deviation : around_mean ? 0.1 : (double)t->gain);
        const double x = around_mean ? mean * (1.0 + spread) : spread;
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

static void write_tensor(sk_gguf_writer *w, const tensor *t, int32_t layer, uint32_t number) {
    const skald_dtype type = t->type[layer < 0 ? 0 : layer];
    const uint64_t n = (uint64_t)t->n_in * (t->n_out ? t->n_out : 1) * (t->n_experts ? t->n_experts : 1);
    const block_form *form = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].type == type) form = &forms[i];
    if (form) write_blocks(w, t, form, number, n);
    else write_floats(w, t, type, number, n);
    sk_gguf_end_tensor(w);
}

static void declare(sk_gguf_writer *w, const tensor *t, int32_t layer, uint32_t number) {
    (void)number;
    char name[64];
    const uint64_t shape[3] = {t->n_in, t->n_out, t->n_experts};
    const uint32_t n_dims = t->n_experts ? 3 : t->n_out ? 2 : 1;
    const int length = layer < 0 ? snprintf(name, sizeof name, "%s", t->name)
                                 : snprintf(name, sizeof name, "blk.%d.%s", (int)layer, t->name);
    sk_gguf_declare(w, (sk_text){name, (uint64_t)length}, t->type[layer < 0 ? 0 : layer], n_dims, shape);
}

#define N_KEYS 8 /* that all have */

static void describe(sk_gguf_writer *w, const recipe *r) {
    const entry common[] = {{"block_count", N_LAYERS, 0, NULL},
                            {"context_length", 2048, 0, NULL},
                            {"embedding_length", TEST_MODEL_WIDTH, 0, NULL},
                            {"feed_forward_length", r->n_ff, 0, NULL},
                            {"attention.head_count", r->n_heads, 0, NULL},
                            {"attention.head_count_kv", r->n_kv_heads, 0, NULL},
                            {0}};
    const entry *const lists[] = {common, r->keys};
    sk_gguf_put_text(w, "general.architecture", r->architecture);
    sk_gguf_put_text(w, "general.name", "random weights");
    for (size_t i = 0; i < 2; i++)
        for (const entry *k = lists[i]; k->name; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%s", r->architecture, k->name);
            if (k->text) sk_gguf_put_text(w, name, k->text);
            else if (k->n) sk_gguf_put_u32(w, name, k->n);
            else sk_gguf_put_f32(w, name, k->x);
        }
}

static uint32_t count_keys(const entry *k) {
    uint32_t n = 0;
    while (k[n].name) n++;
    return n;
}

typedef void visit_fn(sk_gguf_writer *w, const tensor *t, int32_t layer, uint32_t number);

static const tensor *mixer_of(const recipe *r, int32_t layer) {
    return layer + 1 == N_LAYERS && r->last_mixer ? r->last_mixer : r->layer[0];
}

/* In the order of the file; the first layer is 0. Returns how many. */
static uint32_t each_tensor(sk_gguf_writer *w, const recipe *r, visit_fn *visit) {
    uint32_t number = 0;
    for (const tensor *t = r->first; t->name; t++) visit(w, t, -1, number++);
    for (int32_t l = 0; l < N_LAYERS; l++) {
        for (const tensor *t = mixer_of(r, l); t->name; t++) visit(w, t, l, number++);
        for (const tensor *t = r->layer[1]; t->name; t++) visit(w, t, l, number++);
    }
    for (const tensor *t = r->last; t->name; t++) visit(w, t, -1, number++);
    return number;
}

static void only_count(sk_gguf_writer *w, const tensor *t, int32_t layer, uint32_t number) {
    (void)w, (void)t, (void)layer, (void)number;
}

skald_status test_model_write(test_model which, skald_status (*write)(void *, const void *, size_t), void *user) {
    const recipe *r = &recipes[which];
    sk_gguf_writer w;
    sk_gguf_begin(&w, write, user, N_KEYS + count_keys(r->keys), each_tensor(&w, r, only_count), 32);
    describe(&w, r);
    each_tensor(&w, r, declare);
    each_tensor(&w, r, write_tensor);
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

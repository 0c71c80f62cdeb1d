/* Writes small valid files for the fuzz targets to begin with: make_seeds FOLDER, which has a folder for each target.
 * Every value type, tensor format and version is among the GGUF ones, so that mutations start behind the first checks. */
#include "fuzz/calls/ops.h"
#include "fuzz/words.h"
#include "support/sample_gguf.h"
#include <stdio.h>

static int put(const char *folder, const char *name, const void *bytes, size_t n_bytes) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file) return 1;
    size_t n = fwrite(bytes, 1, n_bytes, file);
    return fclose(file) != 0 || n != n_bytes || n == 0;
}

/* One entry of each type, alone and as an array of two, and one tensor of each format. */
static void make_types(sample *s) {
    static const char zeros[16];
    uint32_t n_formats = 0;
    sk_gguf_writer w;
    for (uint32_t type = 0; type < 256; type++) n_formats += skald_dtype_name(type) != NULL;
    s->n_bytes = 0;
    sk_gguf_begin(&w, sample_write, s, 24, n_formats, 1);
    for (uint32_t type = 0; type <= SK_GGUF_F64; type++) {
        char one[] = "one.a", two[] = "two.a";
        one[4] = two[4] = (char)('a' + type);
        if (type == SK_GGUF_ARRAY) continue;
        sk_gguf_put_entry(&w, &(sk_gguf_entry){sample_text(one), type, false, 1, zeros});
        sk_gguf_put_entry(&w, &(sk_gguf_entry){sample_text(two), type, true, 2, zeros});
    }
    for (uint32_t type = 0; type < 256; type++) {
        const uint64_t shape[] = {256};
        if (skald_dtype_name(type)) sk_gguf_declare(&w, sample_text(skald_dtype_name(type)), type, 1, shape);
    }
    for (uint64_t left = w.declared; left && w.status == SKALD_OK; left--) sk_gguf_data(&w, zeros, 1);
    if (sk_gguf_finish(&w, NULL) != SKALD_OK) s->n_bytes = 0;
}

/* A whole model: one layer, two query heads of 16 and one for keys and values, 32 wide inside the feed-forward part. */
#define N_TENSORS 11u

typedef struct weight {
    const char *name;
    uint32_t n_in, n_out; /* n_out 0: a vector of F32 */
} weight;

/* `type` is for the projections; with 1, rows of 256 carry K formats too. */
static void make_model(sample *s, skald_dtype type, uint32_t width, bool words) {
    const weight weights[N_TENSORS] = {
        {"token_embd.weight", width, N_WORDS}, {"blk.0.attn_norm.weight", width, 0},
        {"blk.0.attn_q.weight", width, 32},    {"blk.0.attn_k.weight", width, 16},
        {"blk.0.attn_v.weight", width, 16},    {"blk.0.attn_output.weight", 32, width},
        {"blk.0.ffn_norm.weight", width, 0},   {"blk.0.ffn_gate.weight", width, 32},
        {"blk.0.ffn_up.weight", width, 32},    {"blk.0.ffn_down.weight", 32, width},
        {"output_norm.weight", width, 0},
    };
    sk_gguf_writer w;
    s->n_bytes = 0;
    sk_gguf_begin(&w, sample_write, s, words ? 18 : 10, N_TENSORS, 32);
    sk_gguf_put_text(&w, "general.architecture", "llama");
    sk_gguf_put_u32(&w, "llama.block_count", 1);
    sk_gguf_put_u32(&w, "llama.context_length", 256);
    sk_gguf_put_u32(&w, "llama.embedding_length", width);
    sk_gguf_put_u32(&w, "llama.feed_forward_length", 32);
    sk_gguf_put_u32(&w, "llama.attention.head_count", 2);
    sk_gguf_put_u32(&w, "llama.attention.head_count_kv", 1);
    sk_gguf_put_u32(&w, "llama.attention.key_length", 16);
    sk_gguf_put_u32(&w, "llama.attention.value_length", 16);
    sk_gguf_put_f32(&w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    if (words) {
        put_words(&w);
        sk_gguf_put_text(&w, "tokenizer.chat_template", "{{'<|im_start|>' + '<|im_end|>'}}");
    }
    for (uint32_t i = 0; i < N_TENSORS; i++) {
        const weight *t = &weights[i];
        const uint64_t shape[] = {t->n_in, t->n_out};
        const skald_dtype own = !t->n_out ? SKALD_F32 : skald_dtype_bytes(type, t->n_in) ? type : SKALD_Q4_0;
        sk_gguf_declare(&w, sample_text(t->name), own, t->n_out ? 2 : 1, shape);
    }
    for (uint64_t left = w.declared; left && w.status == SKALD_OK; left--) sk_gguf_data(&w, ",", 1);
    if (sk_gguf_finish(&w, NULL) != SKALD_OK) s->n_bytes = 0;
}

/* A layer of gpt-oss: two experts, of which a row uses one; Q4_0 where there are matrices. */
static void make_experts(sample *s) {
    static const weight weights[] = {
        {"token_embd.weight", 32, N_WORDS},
        {"output_norm.weight", 32, 0},
        {"blk.0.attn_norm.weight", 32, 0},
        {"blk.0.attn_q.weight", 32, 32},
        {"blk.0.attn_k.weight", 32, 16},
        {"blk.0.attn_v.weight", 32, 16},
        {"blk.0.attn_output.weight", 32, 32},
        {"blk.0.attn_q.bias", 32, 0},
        {"blk.0.attn_k.bias", 16, 0},
        {"blk.0.attn_v.bias", 16, 0},
        {"blk.0.attn_output.bias", 32, 0},
        {"blk.0.attn_sinks.weight", 2, 0},
        {"blk.0.post_attention_norm.weight", 32, 0},
        {"blk.0.ffn_gate_inp.weight", 32, 2},
        {"blk.0.ffn_gate_inp.bias", 2, 0},
        {"blk.0.ffn_gate_exps.weight", 32, 32},
        {"blk.0.ffn_up_exps.weight", 32, 32},
        {"blk.0.ffn_down_exps.weight", 32, 32},
        {"blk.0.ffn_gate_exps.bias", 32, 2},
        {"blk.0.ffn_up_exps.bias", 32, 2},
        {"blk.0.ffn_down_exps.bias", 32, 2},
    };
    static const char *const counts[] = {"block_count",          "context_length",         "embedding_length",
                                         "feed_forward_length",  "attention.head_count",   "attention.head_count_kv",
                                         "attention.key_length", "attention.value_length", "attention.sliding_window",
                                         "expert_count",         "expert_used_count",      "expert_feed_forward_length",
                                         "expert_gating_func",   "expert_group_count",     "expert_group_used_count",
                                         "expert_shared_count"};
    static const uint32_t values[] = {1, 256, 32, 32, 2, 1, 16, 16, 16, 2, 1, 32, 1, 1, 1, 0};
    const uint32_t n_counts = sizeof values / sizeof *values, n_tensors = sizeof weights / sizeof *weights;
    sk_gguf_writer w;
    s->n_bytes = 0;
    sk_gguf_begin(&w, sample_write, s, n_counts + 2, n_tensors, 32);
    sk_gguf_put_text(&w, "general.architecture", "gpt-oss");
    for (uint32_t i = 0; i < n_counts; i++) {
        char key[64];
        snprintf(key, sizeof key, "gpt-oss.%s", counts[i]);
        sk_gguf_put_u32(&w, key, values[i]);
    }
    sk_gguf_put_f32(&w, "gpt-oss.attention.layer_norm_rms_epsilon", 1e-5f);
    for (uint32_t i = 0; i < n_tensors; i++) {
        const weight *t = &weights[i];
        const bool bank = strstr(t->name, "exps.weight") != NULL, matrix = t->n_out && strstr(t->name, "weight");
        const uint64_t shape[] = {t->n_in, t->n_out, 2};
        sk_gguf_declare(&w, sample_text(t->name), matrix ? SKALD_Q4_0 : SKALD_F32, bank ? 3 : t->n_out ? 2 : 1, shape);
    }
    for (uint64_t left = w.declared; left && w.status == SKALD_OK; left--) sk_gguf_data(&w, ",", 1);
    if (sk_gguf_finish(&w, NULL) != SKALD_OK) s->n_bytes = 0;
}

static int put_models(const char *folder, sample *s) {
    static const skald_dtype narrow[] = {SKALD_F32, SKALD_F16, SKALD_Q8_0, SKALD_Q4_1, SKALD_Q5_0};
    int failed = 0;
    for (uint32_t i = 0; i < 7; i++) {
        const skald_dtype type = i < 5 ? narrow[i] : i == 5 ? SKALD_Q4_K : SKALD_Q6_K;
        char name[64];
        snprintf(name, sizeof name, "%s.gguf", skald_dtype_name(type));
        make_model(s, type, i < 5 ? 32 : 256, i % 2 == 0);
        failed |= put(folder, name, s->bytes, s->n_bytes);
    }
    make_experts(s);
    return failed | put(folder, "experts.gguf", s->bytes, s->n_bytes);
}

/* For the model of the target: rank 2 beside three matrices, of F16 and F32. */
static void make_adapter(sample *s) {
    static const weight weights[] = {{"blk.0.attn_q.weight", 108, 108},
                                     {"blk.1.ffn_up.weight", 108, 140},
                                     {"blk.1.attn_output.weight", 108, 108}};
    sk_gguf_writer w;
    s->n_bytes = 0;
    sk_gguf_begin(&w, sample_write, s, 4, 6, 32);
    sk_gguf_put_text(&w, "general.type", "adapter");
    sk_gguf_put_text(&w, "general.architecture", "llama");
    sk_gguf_put_text(&w, "adapter.type", "lora");
    sk_gguf_put_f32(&w, "adapter.lora.alpha", 4);
    for (int i = 0; i < 6; i++) {
        char name[64];
        const weight *t = &weights[i / 2];
        const uint64_t a[] = {t->n_in, 2}, b[] = {2, t->n_out};
        snprintf(name, sizeof name, "%s.lora_%c", t->name, "ab"[i % 2]);
        sk_gguf_declare(&w, sample_text(name), i / 2 ? SKALD_F32 : SKALD_F16, 2, i % 2 ? b : a);
    }
    for (uint64_t left = w.declared; left && w.status == SKALD_OK; left--) sk_gguf_data(&w, ".", 1);
    if (sk_gguf_finish(&w, NULL) != SKALD_OK) s->n_bytes = 0;
}

/* Programs of calls. The first byte, 156 to 158, is the model; two caches and two contexts come with it. */
#define WHOLE 246 /* as a length */
#define PAUSE 1   /* as how far a step goes */
#define LONG  3   /* the longer of the saved sequences */
/* clang-format off */
/* A fork that both write, one of the steps given up; a sequence that is saved, restored and rewound. */
static const uint8_t calls_of_cache[] = {
    CALL_open, 0, CALL_step, 0, 0, 0, 17, 32, CALL_fork, 0, 0, WHOLE, CALL_step, 4, PAUSE, 0, 5, 0, 225, 7, 0, 17,
    CALL_cancel, 0, CALL_step, 4, PAUSE, 0, 5, 0, 225, 7, 0, 248, CALL_save, 0, 0, 0, CALL_release, 0, 0,
    CALL_restore, 0, 0, 0, CALL_rewind, 0, 2, 230, CALL_reserve, 0, 1, 60, CALL_logits, 0, 0, CALL_look};
/* Two contexts with one cache; a room that was reserved and given back. */
static const uint8_t calls_of_two[] = {
    CALL_open, 0, CALL_step, 0, PAUSE, 0, 20, 0, 0, CALL_step, 1, 0, 0, 5, 0, CALL_open, 0, CALL_cache, 0, 0,
    CALL_nothing, 0, 11, CALL_continue, 0, 251, CALL_continue, 0, 8, CALL_step, 1, 0, 0, 5, 0, CALL_nothing, 0, 11,
    CALL_step, 1, 0, 0, 25, 32, CALL_reserve, 0, 0, 60, CALL_rewind, 0, 0, 0, CALL_step, 0, PAUSE, 0, 235, 0, 0, CALL_cancel, 0, CALL_look};
/* Pages that are nearly full, shared, and used up. */
static const uint8_t calls_of_pages[] = {
    CALL_restore, 0, LONG, 0, CALL_fork, 0, 0, WHOLE, CALL_step, 4, PAUSE, 0, 10, 0, 225, 12, 0, 9,
    CALL_context, 0, 0, CALL_context, 0, 2, CALL_fork, 0, 1, 120, CALL_step, 8, 0, 0, 9, 0, 225, 3, 0, 2, 11, 0,
    CALL_rewind, 0, 0, 0, CALL_look};
/* Requests that share a beginning and have too few pages together; one is not wanted any more. */
static const uint8_t calls_of_requests[] = {
    CALL_engine, 11, CALL_grammar, CALL_submit, 0x25, 2, 0, CALL_submit, 0x65, 2, 0, CALL_submit, 0xa5, 6, 1,
    CALL_work, 2, CALL_work, 0xf3, CALL_forgo, 1, CALL_work, 2, CALL_work, 2};
static const uint8_t calls_of_drafts[] = {
    CALL_engine, 0x8a, CALL_submit, 0x21, 2, 0, CALL_submit, 0x25, 0, 0, CALL_work, 2,
    CALL_engine, 0, CALL_engine, 0x2a, CALL_submit, 0x25, 2, 0, CALL_work, 2, CALL_work, 0x83};
static const uint8_t calls_of_others[] = {
    CALL_grammar, CALL_matcher, 0, CALL_matcher, 1, CALL_accept, 3, CALL_sampler, 6, CALL_refuse, 2,
    CALL_cache, 1, 3, CALL_cache, 1, 3, CALL_owners, 0, CALL_nothing, 0, 7};
/* clang-format on */

static int put_calls(const char *folder) {
    static const struct {
        const char *name;
        const uint8_t *at;
        size_t n;
    } all[] = {{"cache", calls_of_cache, sizeof calls_of_cache},
               {"two", calls_of_two, sizeof calls_of_two},
               {"pages", calls_of_pages, sizeof calls_of_pages},
               {"requests", calls_of_requests, sizeof calls_of_requests},
               {"drafts", calls_of_drafts, sizeof calls_of_drafts},
               {"others", calls_of_others, sizeof calls_of_others}};
    int failed = 0;
    for (uint32_t i = 0; i < 3 * sizeof all / sizeof *all; i++) {
        uint8_t program[128] = {(uint8_t)(156 + i % 3)};
        char name[32];
        memcpy(program + 1, all[i / 3].at, all[i / 3].n);
        snprintf(name, sizeof name, "%s-%u", all[i / 3].name, i % 3);
        failed |= put(folder, name, program, 1 + all[i / 3].n);
    }
    return failed;
}

int main(int argc, char **argv) {
    static const char json[] = "{\"a\": [1, -2.5e-3, true, null, \"\\u00e9\\n\\ud83d\\ude00\"], \"b\": {\"c\": {}}}";
    static const char text[] = "\x03the  the\xc3\xa9\xc3\xa9 12 in <|end|><u><u>x", split[] = "\x04\x08\\p{L}+|.the 12";
    static sample s;
    char gguf[480], model[480], folder[480];
    int failed = 0;
    if (argc != 2) return 2;
    snprintf(gguf, sizeof gguf, "%s/gguf", argv[1]);
    snprintf(model, sizeof model, "%s/model", argv[1]);
    for (uint32_t alignment = 1; alignment <= 256; alignment *= 4) {
        char name[32];
        sample_make(&s, alignment);
        snprintf(name, sizeof name, "aligned-%u.gguf", alignment);
        failed |= put(gguf, name, s.bytes, s.n_bytes);
    }
    sample_make(&s, 32);
    s.bytes[4] = 2;
    failed |= put(gguf, "version2.gguf", s.bytes, s.n_bytes);
    make_types(&s);
    failed |= put(gguf, "types.gguf", s.bytes, s.n_bytes);
    failed |= put_models(model, &s);
    make_adapter(&s);
    snprintf(folder, sizeof folder, "%s/adapter", argv[1]);
    failed |= put(folder, "three.gguf", s.bytes, s.n_bytes);
    snprintf(folder, sizeof folder, "%s/json", argv[1]);
    failed |= put(folder, "config.json", json, sizeof json - 1);
    snprintf(folder, sizeof folder, "%s/text", argv[1]);
    failed |= put(folder, "text", text, sizeof text - 1) | put(folder, "split", split, sizeof split - 1);
    snprintf(folder, sizeof folder, "%s/calls", argv[1]);
    failed |= put_calls(folder);
    return failed;
}

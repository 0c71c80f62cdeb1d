/* Files of adapters: what is malformed is refused by key or tensor, and nothing is left; what calls refuse. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/session.h"
#include <math.h>
#include "file/gguf_write.h"

#define N_MOST 4

/* One tensor of a file: zeros. */
typedef struct piece {
    const char *name;
    uint64_t shape[3];
    uint32_t n_dims;
} piece;

typedef struct file {
    const char *title, *type, *kind, *architecture;
    piece tensor[N_MOST];
    skald_status status;
    const char *says; /* NULL: it opens */
} file;

#define Q_A "blk.0.attn_q.weight.lora_a"
#define Q_B "blk.0.attn_q.weight.lora_b"
#define GOOD                                                                                                           \
    {                                                                                                                  \
        {Q_A, {108, 3}, 2}, { Q_B, {3, 108}, 2 }                                                                       \
    }

static const file files[] = {
    {"control", "adapter", "lora", "llama", GOOD, SKALD_OK, NULL},
    {"no type", NULL, "lora", "llama", GOOD, SKALD_FORMAT, "key general.type is missing"},
    {"a model", "model", "lora", "llama", GOOD, SKALD_UNSUPPORTED, "general.type is \"model\""},
    {"another kind", "adapter", "vera", "llama", GOOD, SKALD_UNSUPPORTED, "adapter.type is \"vera\""},
    {"another family", "adapter", "lora", "gemma2", GOOD, SKALD_UNSUPPORTED, "general.architecture is \"gemma2\""},
    {"nothing", "adapter", "lora", "llama", {{0}}, SKALD_FORMAT, "no tensors"},
    {"no b", "adapter", "lora", "llama", {{Q_A, {108, 3}, 2}}, SKALD_FORMAT, Q_B " is missing"},
    {"no a", "adapter", "lora", "llama", {{Q_B, {3, 108}, 2}}, SKALD_FORMAT, Q_A " is missing"},
    {"another rank",
     "adapter",
     "lora",
     "llama",
     {{Q_A, {108, 3}, 2}, {Q_B, {4, 108}, 2}},
     SKALD_FORMAT,
     Q_B ": 3 x 108"},
    {"narrow a", "adapter", "lora", "llama", {{Q_A, {32, 3}, 2}, {Q_B, {3, 108}, 2}}, SKALD_FORMAT, "rows of 108"},
    {"short b", "adapter", "lora", "llama", {{Q_A, {108, 3}, 2}, {Q_B, {3, 107}, 2}}, SKALD_FORMAT, "3 x 107 found"},
    {"large rank", "adapter", "lora", "llama", {{Q_A, {108, 513}, 2}, {Q_B, {513, 108}, 2}}, SKALD_FORMAT, "513"},
    {"three dimensions", "adapter", "lora", "llama", {{Q_A, {108, 3, 2}, 3}, {Q_B, {3, 108}, 2}}, SKALD_FORMAT, Q_A},
    {"a norm", "adapter", "lora", "llama", {{"blk.0.attn_norm.weight", {64}, 1}}, SKALD_UNSUPPORTED, "attn_norm"},
    {"no such layer",
     "adapter",
     "lora",
     "llama",
     {{"blk.900.attn_q.weight.lora_a", {64, 3}, 2}, {"blk.900.attn_q.weight.lora_b", {3, 64}, 2}},
     SKALD_UNSUPPORTED,
     "blk.900"},
    {"the layer behind the last",
     "adapter",
     "lora",
     "llama",
     {{"blk.2.attn_q.weight.lora_a", {108, 3}, 2}, {"blk.2.attn_q.weight.lora_b", {3, 108}, 2}},
     SKALD_UNSUPPORTED,
     "blk.2.attn_q"},
    {"a letter for a layer",
     "adapter",
     "lora",
     "llama",
     {{"blk.:.attn_q.weight.lora_a", {108, 3}, 2}, {"blk.:.attn_q.weight.lora_b", {3, 108}, 2}},
     SKALD_UNSUPPORTED,
     "blk.:.attn_q"},
    {"no point",
     "adapter",
     "lora",
     "llama",
     {{"blk.0:attn_q.weight.lora_a", {108, 3}, 2}, {"blk.0:attn_q.weight.lora_b", {3, 108}, 2}},
     SKALD_UNSUPPORTED,
     "blk.0:attn_q"},
    {"layers without end",
     "adapter",
     "lora",
     "llama",
     {{"blk.99999999999.attn_q.weight.lora_a", {64, 3}, 2}, {"blk.99999999999.attn_q.weight.lora_b", {3, 64}, 2}},
     SKALD_UNSUPPORTED,
     "blk.99999999999"},
    {"embeddings",
     "adapter",
     "lora",
     "llama",
     {{"token_embd.weight.lora_a", {64, 3}, 2}, {"token_embd.weight.lora_b", {3, 64}, 2}},
     SKALD_UNSUPPORTED,
     "token_embd"},
    {"experts",
     "adapter",
     "lora",
     "llama",
     {{"blk.0.ffn_up_exps.weight.lora_a", {64, 3}, 2}, {"blk.0.ffn_up_exps.weight.lora_b", {3, 64}, 2}},
     SKALD_UNSUPPORTED,
     "ffn_up_exps"},
    {"only an end",
     "adapter",
     "lora",
     "llama",
     {{".lora_a", {64, 3}, 2}, {".lora_b", {3, 64}, 2}},
     SKALD_UNSUPPORTED,
     ".lora_a"},
};

typedef struct bytes {
    char at[1 << 19];
    size_t n;
} bytes;

static skald_status put(void *user, const void *from, size_t n) {
    bytes *b = user;
    if (n > sizeof b->at - b->n) return SKALD_MEMORY;
    memcpy(b->at + b->n, from, n);
    b->n += n;
    return SKALD_OK;
}

static uint64_t elements(const piece *p) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < p->n_dims; i++) n *= p->shape[i];
    return n;
}

/* `integers`: the tensor whose elements are, NULL: none. */
static void write_file(bytes *b, const file *f, const char *integers) {
    sk_gguf_writer w;
    uint32_t n = 0;
    b->n = 0;
    while (n < N_MOST && f->tensor[n].name) n++;
    sk_gguf_begin(&w, put, b, f->type ? 3 : 2, n, 32);
    sk_gguf_put_text(&w, "general.architecture", f->architecture);
    if (f->type) sk_gguf_put_text(&w, "general.type", f->type);
    sk_gguf_put_text(&w, "adapter.type", f->kind);
    for (uint32_t i = 0; i < n; i++) {
        const piece *p = &f->tensor[i];
        const skald_dtype type = integers && strcmp(p->name, integers) == 0 ? SKALD_I32 : SKALD_F32;
        sk_gguf_declare(&w, (sk_text){p->name, strlen(p->name)}, type, p->n_dims, p->shape);
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint64_t k = 0; k < elements(&f->tensor[i]); k++) sk_gguf_data(&w, &(float){0}, sizeof(float));
        sk_gguf_end_tensor(&w);
    }
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_OK);
}

static skald_status try_open(skald_adapter **out, skald_model *model, const char *at, size_t n, skald_report *why) {
    const skald_source source = {.size = sizeof source, .bytes = at, .n_bytes = n};
    return skald_adapter_open(out, model, &source, why);
}

static void try_files(skald_model *model) {
    static bytes b;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const file *f = &files[i];
        skald_adapter *adapter = (skald_adapter *)(void *)&b;
        skald_report why = {.size = sizeof why};
        write_file(&b, f, NULL);
        CHECK_SAID(try_open(&adapter, model, b.at, b.n, &why) == f->status, "%s: %s", f->title, why.text);
        CHECK((adapter != NULL) == (f->status == SKALD_OK));
        if (f->says) CHECK_SAID(strstr(why.text, f->says) != NULL, "%s: \"%s\"", f->title, why.text);
        skald_adapter_release(adapter);
    }
}

static void try_integers(skald_model *model) {
    static const char *const names[] = {Q_A, Q_B};
    static bytes b;
    for (int i = 0; i < 2; i++) {
        skald_adapter *adapter;
        skald_report why = {.size = sizeof why};
        write_file(&b, &files[0], names[i]);
        CHECK_EQUAL(try_open(&adapter, model, b.at, b.n, &why), SKALD_FORMAT);
        CHECK_SAID(strstr(why.text, names[i]) && strstr(why.text, "integers"), "\"%s\"", why.text);
    }
}

static void try_every_end(skald_model *model) {
    static bytes b;
    write_file(&b, &files[0], NULL);
    const size_t padding = 32 - elements(&files[0].tensor[1]) * sizeof(float) % 32; /* behind the last tensor */
    for (size_t n = 0; n < b.n - padding; n++) {
        skald_adapter *adapter;
        skald_report why = {.size = sizeof why};
        const skald_status status = try_open(&adapter, model, b.at, n, &why);
        CHECK_SAID(status != SKALD_OK && adapter == NULL && why.text[0], "%zu of %zu bytes open", n, b.n);
    }
}

/* ---- steps that name one wrongly change nothing */

static skald_status step(session *s, skald_seq seq, const skald_span_adapter *given, uint32_t n, skald_report *why) {
    static const int32_t token = 5;
    const skald_span span = {
        .size = sizeof span, .seq = seq, .tokens = &token, .n_tokens = 1, .adapters = given, .n_adapters = n};
    return skald_step(s->context, s->cache, NULL, why, &span, 1);
}

static void try_steps(const char *path, session *s) {
    static bytes b;
    skald_report why = {.size = sizeof why};
    skald_adapter *adapter, *foreign;
    skald_seq seq;
    session other = session_open(&(session_options){.path = path, .n_tokens = 128, .n_sequences = 1});
    write_file(&b, &files[0], NULL);
    session_must(try_open(&adapter, s->model, b.at, b.n, &why), "adapter", &why);
    session_must(try_open(&foreign, other.model, b.at, b.n, &why), "adapter", &why);
    CHECK_EQUAL(skald_kv_cache_open(&seq, s->cache), SKALD_OK);
    const skald_span_adapter five[5] = {
        {adapter, 1, 0}, {adapter, 1, 0}, {adapter, 1, 0}, {adapter, 1, 0}, {adapter, 1, 0}};
    CHECK_EQUAL(step(s, seq, five, 5, &why), SKALD_ARGUMENT);
    CHECK(strstr(why.text, "span 0: 5 adapters") != NULL);
    CHECK_EQUAL(step(s, seq, NULL, 1, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(step(s, seq, &(skald_span_adapter){NULL, 1, 0}, 1, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(step(s, seq, &(skald_span_adapter){foreign, 1, 0}, 1, &why), SKALD_ARGUMENT);
    CHECK(strstr(why.text, "another model") != NULL);
    CHECK_EQUAL(step(s, seq, &(skald_span_adapter){adapter, INFINITY, 0}, 1, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(step(s, seq, &(skald_span_adapter){adapter, NAN, 0}, 1, &why), SKALD_ARGUMENT);
    CHECK(strstr(why.text, "scale of adapter 0 is not finite") != NULL);
    CHECK_EQUAL(session_length(s, seq), 0);
    CHECK_EQUAL(step(s, seq, five, 4, &why), SKALD_OK);
    CHECK_EQUAL(session_length(s, seq), 1);

    skald_seq there;
    CHECK_EQUAL(skald_kv_cache_open(&there, other.cache), SKALD_OK);
    CHECK_EQUAL(step(&other, there, &(skald_span_adapter){foreign, 1, 0}, 1, &why), SKALD_ARGUMENT);
    CHECK(strstr(why.text, "rank 3") != NULL); /* that context was made for none */
    skald_adapter_retain(foreign);
    skald_adapter_release(foreign);
    session_close(&other); /* the adapter keeps its model */
    skald_adapter_release(foreign);
    skald_adapter_release(adapter);
    skald_adapter_release(NULL);
}

int main(void) {
    const char *path = SK_TEST_DATA "/tiny/llama_gqa_tied/model-f32.gguf";
    skald_report why = {.size = sizeof why};
    skald_adapter *adapter;
    session s = session_open(&(session_options){.path = path, .n_tokens = 128, .n_sequences = 1, .max_rank = 3});
    try_files(s.model);
    try_integers(s.model);
    try_every_end(s.model);
    try_steps(path, &s);
    CHECK_EQUAL(skald_adapter_open_path(&adapter, s.model, "/no/such/file", &why), SKALD_READ);
    CHECK_EQUAL(skald_adapter_open_path(&adapter, s.model, NULL, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_adapter_open(NULL, s.model, NULL, &why), SKALD_ARGUMENT);
    skald_context_options o = {.size = sizeof o, .max_rank = 513};
    skald_context *context;
    CHECK_EQUAL(skald_context_create(&context, s.model, &o, &why), SKALD_ARGUMENT);
    session_close(&s);
    return sk_checked();
}

/* Adapters of safetensors with their adapter_config.json: what is malformed or more than this library computes is refused by
 * key or tensor, and nothing is left. golden.peft has those that PEFT wrote. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/session.h"

#define CONFIG "{\"peft_type\":\"LORA\",\"lora_alpha\":6,\"bias\":\"none\",\"use_dora\":false,\"alpha_pattern\":{}}"
#define LAYER  "base_model.model.model.layers.0."
#define Q_A    LAYER "self_attn.q_proj.lora_A.weight"
#define Q_B    LAYER "self_attn.q_proj.lora_B.weight"
/* 3 x 108 and 108 x 3 floats of 4 bytes */
#define TENSOR(name, rows, columns, from, to)                                                                          \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" rows "," columns "],\"data_offsets\":[" from "," to "]}"
#define A TENSOR(Q_A, "3", "108", "0", "1296")
#define B TENSOR(Q_B, "108", "3", "1296", "2592")
/* Both tensors of a matrix, of the shapes of A and B. */
#define PAIR(module)                                                                                                   \
    TENSOR(module ".lora_A.weight", "3", "108", "0", "1296")                                                           \
    "," TENSOR(module ".lora_B.weight", "108", "3", "1296", "2592")
#define GOOD "{\"__metadata__\":{\"format\":\"pt\"}," A "," B "}"

#define N_DATA 2592u

typedef struct config {
    const char *text;
    skald_status status;
    const char *says; /* NULL: it opens */
} config;

static const config configs[] = {
    {CONFIG, SKALD_OK, NULL},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":0.5,\"use_rslora\":true,\"r\":3,\"new_number\":7,\"bias\":\"none\","
     "\"init_lora_weights\":\"gaussian\",\"eva_config\":{\"rho\":2},\"alora_invocation_tokens\":null}",
     SKALD_OK, NULL},
    {"", SKALD_FORMAT, "adapter_config.json: 0 bytes"},
    {"{\"peft_type\":", SKALD_FORMAT, "JSON at byte 13"},
    {"[]", SKALD_UNSUPPORTED, "peft_type"},
    {"{\"lora_alpha\":6}", SKALD_UNSUPPORTED, "peft_type"},
    {"{\"peft_type\":\"IA3\",\"lora_alpha\":6}", SKALD_UNSUPPORTED, "peft_type"},
    {"{\"peft_type\":\"LORA\"}", SKALD_FORMAT, "lora_alpha is missing"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":\"6\"}", SKALD_FORMAT, "lora_alpha"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":0}", SKALD_FORMAT, "lora_alpha: above 0"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":1e9}", SKALD_FORMAT, "lora_alpha: above 0"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":6,\"use_rslora\":1}", SKALD_FORMAT, "use_rslora"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":6,\"use_dora\":true}", SKALD_UNSUPPORTED, "use_dora is set"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":6,\"alpha_pattern\":{\"q\":1}}", SKALD_UNSUPPORTED,
     "alpha_pattern is set"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":6,\"modules_to_save\":[\"lm_head\"]}", SKALD_UNSUPPORTED,
     "modules_to_save"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":6,\"new_way\":\"x\"}", SKALD_UNSUPPORTED, "new_way is set"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":6,\"bias\":\"all\"}", SKALD_UNSUPPORTED, "bias"},
    {"{\"peft_type\":\"LORA\",\"lora_alpha\":6,\"init_lora_weights\":\"pissa\"}", SKALD_UNSUPPORTED,
     "init_lora_weights"},
};

typedef struct header {
    const char *title, *text;
    skald_status status;
    const char *says;
} header;

#define ONE(dtype, shape, range) "{\"x\":{" dtype shape range "}}"
#define TYPE                     "\"dtype\":\"F32\""
#define SHAPE                    ",\"shape\":[2,3]"
#define RANGE                    ",\"data_offsets\":[0,24]"

static const header headers[] = {
    {"control", GOOD, SKALD_OK, NULL},
    {"spaces", " { " A " ,\n" B " } ", SKALD_OK, NULL},
    {"no object", "[1]", SKALD_FORMAT, "no JSON object"},
    {"no JSON", "{\"a\"}", SKALD_FORMAT, "JSON at byte 4"},
    {"nothing", "{}", SKALD_FORMAT, "no tensors"},
    {"metadata alone", "{\"__metadata__\":{}}", SKALD_FORMAT, "no tensors"},
    {"no tensors", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", SKALD_FORMAT, "tensor a: it has no dtype"},
    {"no dtype", ONE("\"y\":1", SHAPE, RANGE), SKALD_FORMAT, "tensor x: it has no dtype"},
    {"integers", ONE("\"dtype\":\"I64\"", SHAPE, RANGE), SKALD_UNSUPPORTED, "tensor x: dtype F32"},
    {"a number for a type", ONE("\"dtype\":5", SHAPE, RANGE), SKALD_UNSUPPORTED, "tensor x: dtype F32"},
    {"no shape", ONE(TYPE, "", RANGE), SKALD_FORMAT, "tensor x: it has no shape"},
    {"a number for a shape", ONE(TYPE, ",\"shape\":6", RANGE), SKALD_FORMAT, "tensor x: it has no shape"},
    {"nothing long", ONE(TYPE, ",\"shape\":[2,0]", RANGE), SKALD_FORMAT, "tensor x: a length"},
    {"less than nothing", ONE(TYPE, ",\"shape\":[-2,3]", RANGE), SKALD_FORMAT, "tensor x: a length"},
    {"half a row", ONE(TYPE, ",\"shape\":[2.5]", RANGE), SKALD_FORMAT, "tensor x: a length"},
    {"too many elements", ONE(TYPE, ",\"shape\":[16777216,16777217]", RANGE), SKALD_FORMAT, "tensor x: a length"},
    {"five dimensions", ONE(TYPE, ",\"shape\":[1,1,1,2,3]", RANGE), SKALD_UNSUPPORTED, "tensor x: it has more"},
    {"no place", ONE(TYPE, SHAPE, ""), SKALD_FORMAT, "tensor x: it has no data_offsets"},
    {"one end", ONE(TYPE, SHAPE, ",\"data_offsets\":[24]"), SKALD_FORMAT, "tensor x: data_offsets"},
    {"three ends", ONE(TYPE, SHAPE, ",\"data_offsets\":[0,24,24]"), SKALD_FORMAT, "tensor x: data_offsets"},
    {"texts for ends", ONE(TYPE, SHAPE, ",\"data_offsets\":[\"0\",24]"), SKALD_FORMAT, "tensor x: data_offsets"},
    {"backwards", ONE(TYPE, SHAPE, ",\"data_offsets\":[24,0]"), SKALD_FORMAT, "tensor x: data_offsets"},
    {"before the data", ONE(TYPE, SHAPE, ",\"data_offsets\":[-24,0]"), SKALD_FORMAT, "tensor x: data_offsets"},
    {"behind the file", ONE(TYPE, SHAPE, ",\"data_offsets\":[2569,2593]"), SKALD_FORMAT, "lie outside"},
    {"too few bytes", ONE(TYPE, SHAPE, ",\"data_offsets\":[0,23]"), SKALD_FORMAT, "6 elements do not take 23 bytes"},
    {"an escape", "{\"x\\u0061\":{" TYPE SHAPE RANGE "}}", SKALD_UNSUPPORTED, "an escape in the name"},
    {"an end that is escaped", "{\"x\\\"\":{" TYPE SHAPE RANGE "}}", SKALD_UNSUPPORTED, "an escape in the name"},
    {"twice", "{" A "," A "," B "}", SKALD_FORMAT, Q_A ": its name occurs twice in the file"},
    {"no b", "{" A "}", SKALD_FORMAT, Q_B " is missing"},
    {"no a", "{" B "}", SKALD_FORMAT, Q_A " is missing"},
    {"no factor", "{" TENSOR(LAYER "self_attn.q_proj.weight", "3", "108", "0", "1296") "}", SKALD_UNSUPPORTED,
     "NAME.lora_A.weight"},
    {"a magnitude", "{" A "," B "," TENSOR(LAYER "self_attn.q_proj.lora_magnitude_vector", "1", "2", "0", "8") "}",
     SKALD_UNSUPPORTED, "lora_magnitude_vector"},
    {"another module", "{" PAIR(LAYER "self_attn.x_proj") "}", SKALD_UNSUPPORTED, "x_proj.lora_A.weight: no matrix"},
    {"a module of another family", "{" PAIR(LAYER "attn.c_attn") "}", SKALD_UNSUPPORTED,
     "c_attn.lora_A.weight: no matrix"},
    {"experts", "{" PAIR(LAYER "mlp.experts") "}", SKALD_UNSUPPORTED, "experts.lora_A.weight: no matrix"},
    {"the head", "{" PAIR("base_model.model.lm_head") "}", SKALD_UNSUPPORTED, "lm_head.lora_A.weight: no matrix"},
    {"no such layer", "{" PAIR("m.layers.77.self_attn.q_proj") "}", SKALD_UNSUPPORTED, "layers.77"},
    {"the layer behind the last", "{" PAIR("m.layers.2.self_attn.q_proj") "}", SKALD_UNSUPPORTED, "layers.2"},
    {"layers without end", "{" PAIR("m.layers.77777.self_attn.q_proj") "}", SKALD_UNSUPPORTED, "layers.77777"},
    {"no number", "{" PAIR("m.layers.q_proj") "}", SKALD_UNSUPPORTED, "no matrix"},
    {"two of one matrix", "{" A "," B "," PAIR("m.layers.0.self_attn.q_proj") "}", SKALD_FORMAT,
     "another one changes the same"},
    {"another width", "{" TENSOR(Q_A, "3", "107", "0", "1284") "," B "}", SKALD_FORMAT, "rows of 108 expected"},
    {"another rank", "{" A "," TENSOR(Q_B, "108", "2", "1296", "2160") "}", SKALD_FORMAT, "3 x 108 expected"},
};

typedef struct bytes {
    size_t n;
    char at[8192];
} bytes;

static void write_tensors(bytes *b, const char *text) {
    const size_t n = strlen(text);
    memset(b->at, 0, sizeof b->at);
    for (int i = 0; i < 8; i++) b->at[i] = (char)(unsigned char)(n >> 8 * i);
    memcpy(b->at + 8, text, n);
    b->n = 8 + n + N_DATA;
}

static skald_status try_open(skald_model *model, const char *at, size_t n, const char *text, skald_report *why) {
    const skald_source tensors = {.size = sizeof tensors, .bytes = at, .n_bytes = n};
    const skald_source own = {.size = sizeof own, .bytes = text, .n_bytes = strlen(text)};
    skald_adapter *adapter = (skald_adapter *)(void *)why;
    *why = (skald_report){.size = sizeof *why};
    const skald_status status = skald_adapter_open_peft(&adapter, model, &tensors, &own, why);
    CHECK((adapter != NULL) == (status == SKALD_OK));
    CHECK_SAID(status == SKALD_OK || (why->status == status && why->text[0]), "%d without a sentence", status);
    if (adapter) skald_adapter_release(adapter);
    return status;
}

static void try_configs(skald_model *model) {
    static bytes b;
    skald_report why;
    write_tensors(&b, GOOD);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        const config *c = &configs[i];
        CHECK_SAID(try_open(model, b.at, b.n, c->text, &why) == c->status, "%s: %s", c->text, why.text);
        if (c->says) CHECK_SAID(strstr(why.text, c->says) != NULL, "%s: \"%s\"", c->text, why.text);
    }
    static char large[(1u << 20) + 2];
    memset(large, ' ', sizeof large - 1);
    memcpy(large, CONFIG, sizeof CONFIG - 1);
    CHECK_EQUAL(try_open(model, b.at, b.n, large, &why), SKALD_FORMAT);
    CHECK(strstr(why.text, "adapter_config.json: 1048577 bytes") != NULL);
    large[1u << 20] = 0;
    CHECK_EQUAL(try_open(model, b.at, b.n, large, &why), SKALD_OK);
}

static void try_headers(skald_model *model) {
    static bytes b;
    skald_report why;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const header *h = &headers[i];
        write_tensors(&b, h->text);
        CHECK_SAID(try_open(model, b.at, b.n, CONFIG, &why) == h->status, "%s: %s", h->title, why.text);
        if (h->says) CHECK_SAID(strstr(why.text, h->says) != NULL, "%s: \"%s\"", h->title, why.text);
    }
}

/* Lengths of the header that the file has not, or nobody wants; every beginning of a good file. */
static void try_lengths(skald_model *model) {
    static const uint64_t lengths[] = {0,         1, 1u << 24, (1u << 24) + 1, (uint64_t)1 << 32, (uint64_t)1 << 63,
                                       UINT64_MAX};
    static bytes b;
    skald_report why;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        write_tensors(&b, GOOD);
        for (int i = 0; i < 8; i++) b.at[i] = (char)(unsigned char)(lengths[k] >> 8 * i);
        CHECK_EQUAL(try_open(model, b.at, b.n, CONFIG, &why), SKALD_FORMAT);
        CHECK_SAID(strstr(why.text, "a header of ") != NULL, "\"%s\"", why.text);
    }
    write_tensors(&b, GOOD);
    for (size_t n = 0; n < b.n; n++)
        CHECK_SAID(try_open(model, b.at, n, CONFIG, &why) != SKALD_OK, "%zu of %zu bytes open", n, b.n);
}

/* Each byte of the header another one: whole, or refused with a sentence. */
static void try_bytes(skald_model *model) {
    static const char others[] = {0, '"', '\\', '{', '}', '[', ',', '9', '-', 'e', (char)0xff};
    static bytes b;
    skald_report why;
    write_tensors(&b, GOOD);
    const size_t n = b.n - N_DATA;
    for (size_t at = 8; at < n; at++)
        for (size_t k = 0; k < sizeof others; k++) {
            const char old = b.at[at];
            b.at[at] = others[k];
            try_open(model, b.at, b.n, CONFIG, &why);
            b.at[at] = old;
        }
}

static void try_paths(skald_model *model) {
    skald_report why = {.size = sizeof why};
    skald_adapter *adapter;
    static char path[5000];
    memset(path, 'x', sizeof path - 1);
    CHECK_EQUAL(skald_adapter_open_path(&adapter, model, path, &why), SKALD_READ);
    CHECK(strstr(why.text, "too long") != NULL);
    CHECK_EQUAL(skald_adapter_open_path(&adapter, model, SK_TEST_DATA, &why), SKALD_READ);
    CHECK_SAID(strstr(why.text, "/data/adapter_config.json") != NULL, "\"%s\"", why.text);
    CHECK_EQUAL(skald_adapter_open_path(&adapter, model, SK_TEST_DATA "/peft/gpt2/none.safetensors", &why), SKALD_READ);
    CHECK_SAID(strstr(why.text, "/gpt2/none.safetensors") != NULL, "\"%s\"", why.text);
    CHECK_EQUAL(skald_adapter_open_path(&adapter, model, SK_TEST_DATA "/peft/gpt2", &why), SKALD_UNSUPPORTED);
    CHECK_SAID(strstr(why.text, "transformer.h.0.attn.c_attn.lora_A.weight: no matrix") != NULL, "\"%s\"", why.text);
    const skald_source none = {.size = sizeof none};
    CHECK_EQUAL(skald_adapter_open_peft(&adapter, model, NULL, &none, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_adapter_open_peft(&adapter, model, &none, NULL, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_adapter_open_peft(&adapter, model, &none, &none, &why), SKALD_ARGUMENT);
}

int main(void) {
    const char *path = SK_TEST_DATA "/tiny/llama_gqa_tied/model-f32.gguf";
    session s = session_open(&(session_options){.path = path, .n_tokens = 128, .n_sequences = 1, .max_rank = 3});
    try_configs(s.model);
    try_headers(s.model);
    try_lengths(s.model);
    try_bytes(s.model);
    try_paths(s.model);
    session_close(&s);
    return sk_checked();
}

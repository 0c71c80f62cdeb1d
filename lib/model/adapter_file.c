/* GGUF has tensors NAME.lora_a and NAME.lora_b for a matrix NAME. PEFT names modules of transformers,
 * "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", and keeps in adapter_config.json how much they count and
 * what else was trained, which is refused here. */
#include "model/adapter_file.h"
#include "base/exact.h"
#include "base/report.h"
#include "file/json_file.h"
#include "file/safetensors.h"
#include <string.h>

/* ---- GGUF */

static skald_status check_text(const sk_gguf *g, const char *key, const char *want, skald_report *why) {
    sk_text found;
    skald_status status = sk_gguf_text(g, key, &found, why);
    if (status == SKALD_ABSENT) return sk_fail(why, SKALD_FORMAT, "key %s is missing", key);
    if (status != SKALD_OK) return status;
    if (found.length == strlen(want) && memcmp(found.at, want, (size_t)found.length) == 0) return SKALD_OK;
    return sk_fail(why, SKALD_UNSUPPORTED, "key %s is \"%.*s\", \"%s\" expected", key, SK_TEXT(found), want);
}

skald_status sk_adapter_file_gguf(sk_adapter_file *out, const skald_allocator *memory, const skald_source *source,
                                  const char *architecture, skald_report *why) {
    *out = (sk_adapter_file){.alpha = 0.0f};
    skald_status status = sk_files_open(&out->files, memory, source, 1, false, NULL, why);
    const sk_gguf *g = out->files.part;
    if (status == SKALD_OK) status = check_text(g, "general.type", "adapter", why);
    if (status == SKALD_OK) status = check_text(g, "adapter.type", "lora", why);
    if (status == SKALD_OK) status = check_text(g, "general.architecture", architecture, why);
    if (status == SKALD_OK) status = sk_gguf_f32(g, "adapter.lora.alpha", &out->alpha, why);
    if (status == SKALD_ABSENT) status = SKALD_OK;
    if (status != SKALD_OK) sk_adapter_file_close(out);
    return status;
}

/* ---- adapter_config.json */

static bool is_one_of(sk_json value, const char *const *texts) {
    for (; *texts; texts++)
        if (sk_json_is(value, *texts)) return true;
    return false;
}

/* Keys are many and become more: those here say nothing of what an adapter computes, or are looked at elsewhere. */
static const char *const known[] = {"peft_type",
                                    "lora_alpha",
                                    "use_rslora",
                                    "bias",
                                    "r",
                                    "rank_pattern",
                                    "auto_mapping",
                                    "base_model_name_or_path",
                                    "revision",
                                    "task_type",
                                    "peft_version",
                                    "inference_mode",
                                    "fan_in_fan_out",
                                    "target_modules",
                                    "exclude_modules",
                                    "target_parameters",
                                    "layers_pattern",
                                    "layers_to_transform",
                                    "megatron_config",
                                    "megatron_core",
                                    "eva_config",
                                    "init_lora_weights",
                                    "loftq_config",
                                    NULL};

/* true, a text, or a list or object with something in it: more was wanted than a product beside a matrix. */
static bool wants_more(sk_json value) {
    sk_json walk = sk_json_begin(value), member;
    switch (sk_json_kind_of(value)) {
    case SK_JSON_BOOL: return *value.at == 't';
    case SK_JSON_TEXT: return true;
    case SK_JSON_LIST:
    case SK_JSON_OBJECT: return sk_json_next(&walk, NULL, &member);
    default: return false;
    }
}

/* Of the ways to begin a training those are left that keep the model's own weights. */
static skald_status check_keys(sk_json root, skald_report *why) {
    static const char *const starts[] = {"gaussian", "eva", "orthogonal", NULL}, *const biases[] = {"none", NULL};
    sk_json key, value;
    for (sk_json walk = sk_json_begin(root); sk_json_next(&walk, &key, &value);) {
        char name[64];
        size_t n = sk_json_to_text(key, name, sizeof name);
        if (n > sizeof name) n = sizeof name;
        if (!is_one_of(key, known) && wants_more(value))
            return sk_fail(why, SKALD_UNSUPPORTED, "adapter_config.json: key %.*s is set", (int)n, name);
        if (sk_json_is(key, "bias") && !is_one_of(value, biases))
            return sk_fail(why, SKALD_UNSUPPORTED, "adapter_config.json: key bias: \"none\" expected");
        if (sk_json_is(key, "init_lora_weights") && sk_json_kind_of(value) == SK_JSON_TEXT && !is_one_of(value, starts))
            return sk_fail(why, SKALD_UNSUPPORTED,
                           "adapter_config.json: key init_lora_weights: a start that changes the model's weights too");
    }
    return SKALD_OK;
}

static skald_status take_config(sk_adapter_file *out, sk_json root, skald_report *why) {
    sk_json value;
    double alpha = 0;
    if (sk_json_find(root, "peft_type", &value) != SKALD_OK || !sk_json_is(value, "LORA"))
        return sk_fail(why, SKALD_UNSUPPORTED, "adapter_config.json: key peft_type: \"LORA\" expected");
    skald_status status = check_keys(root, why);
    if (status == SKALD_OK) status = sk_json_double(root, "lora_alpha", &alpha, why);
    if (status == SKALD_ABSENT) return sk_fail(why, SKALD_FORMAT, "adapter_config.json: key lora_alpha is missing");
    if (status == SKALD_OK) status = sk_json_bool(root, "use_rslora", &out->by_root, why);
    if (status != SKALD_OK && status != SKALD_ABSENT) return status;
    if (!(alpha > 0 && alpha < 1e6))
        return sk_fail(why, SKALD_FORMAT, "adapter_config.json: key lora_alpha: above 0 and below 1000000 expected");
    out->alpha = (float)alpha;
    return SKALD_OK;
}

skald_status sk_adapter_file_peft(sk_adapter_file *out, const skald_allocator *memory, const skald_source *tensors,
                                  const skald_source *config, skald_report *why) {
    *out = (sk_adapter_file){.is_peft = true};
    sk_json_file json;
    skald_status status = sk_json_file_open(&json, memory, config, "adapter_config.json", why);
    if (status == SKALD_OK) status = take_config(out, json.root, why);
    sk_json_file_close(&json);
    return status == SKALD_OK ? sk_safetensors_open(&out->files, memory, tensors, why) : status;
}

/* ---- names */

/* Modules of transformers whose weight is a matrix of the file, row by row; experts and what is cut in other pieces are not. */
static const struct {
    const char *module, *matrix;
} modules[] = {
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_a_proj", "attn_q_a"},
    {"self_attn.q_b_proj", "attn_q_b"},
    {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"mlp.gate", "ffn_gate_inp"},
    {"mlp.router", "ffn_gate_inp"},
    {"block_sparse_moe.gate", "ffn_gate_inp"},
    {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
    {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
    {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
    {"attn.c_attn", "attn_qkv"},
    {"attn.c_proj", "attn_output"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.c_proj", "ffn_down"},
};

/* "...layers.N.MODULE" or "...h.N.MODULE" to "blk.N.MATRIX.weight". */
static bool name_matrix(char *out, size_t room, const char *path) {
    const char *layer = strstr(path, ".layers."), *digits = layer ? layer + strlen(".layers.") : NULL;
    if (!layer) layer = strstr(path, ".h."), digits = layer ? layer + strlen(".h.") : NULL;
    if (!layer) return false;
    const size_t n_digits = strspn(digits, "0123456789");
    if (n_digits == 0 || n_digits > 4 || digits[n_digits] != '.') return false;
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(digits + n_digits + 1, modules[i].module) == 0) {
            sk_format(out, room, "blk.%.*s.%s.weight", (int)n_digits, digits, modules[i].matrix);
            return true;
        }
    return false;
}

static bool cut_end(char *name, const char *end) {
    const size_t n = strlen(name), length = strlen(end);
    if (n < length || memcmp(name + n - length, end, length) != 0) return false;
    name[n - length] = 0;
    return true;
}

skald_status sk_adapter_file_name(sk_factor *out, const sk_adapter_file *file, sk_text name, skald_report *why) {
    const char *const a = file->is_peft ? ".lora_A.weight" : ".lora_a", *const b = file->is_peft ? ".lora_B.weight"
                                                                                                 : ".lora_b";
    char stem[sizeof out->other];
    if (name.length < sizeof stem) {
        memcpy(stem, name.at, (size_t)name.length);
        stem[name.length] = 0;
        out->is_a = cut_end(stem, a);
        if (out->is_a || cut_end(stem, b)) {
            sk_format(out->other, sizeof out->other, "%s%s", stem, out->is_a ? b : a);
            if (file->is_peft ? name_matrix(out->matrix, sizeof out->matrix, stem)
                              : sk_format(out->matrix, sizeof out->matrix, "%s", stem) < sizeof out->matrix)
                return SKALD_OK;
            return sk_fail(why, SKALD_UNSUPPORTED, "tensor %.*s: no matrix that adapters can change has this name",
                           SK_TEXT(name));
        }
    }
    return sk_fail(why, SKALD_UNSUPPORTED, "tensor %.*s: NAME%s and NAME%s expected", SK_TEXT(name), a, b);
}

float sk_adapter_file_scale(const sk_adapter_file *file, uint64_t rank) {
    if (file->alpha == 0.0f) return 1.0f;
    return file->alpha / (file->by_root ? (float)sk_sqrt_double((double)rank) : (float)rank);
}

void sk_adapter_file_close(sk_adapter_file *file) { sk_files_close(&file->files); }

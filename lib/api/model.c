/* The door to lib/model: opening, looking, describing. */
#include "api/metadata.h"
#include "base/fpmode.h"
#include "base/report.h"
#include "file/json_file.h"
#include "forward/forward.h"
#include "model/model.h"
#include <string.h>

static const skald_model_options defaults = {.size = sizeof defaults};

void skald_model_options_init(skald_model_options *options, uint32_t size) {
    sk_options_init(options, size, &defaults, sizeof defaults);
}

/* Records the pass on no device and asks the real one about every operation. */
static skald_status check_ops(const skald_model *m, skald_report *why) {
    sk_activations rows;
    sk_trace trace = {.wanted = UINT32_MAX, .backend = m->backend, .device = m->device};
    sk_activations_layout(&rows, &m->config, NULL, 1, 1);
    sk_forward_trace(&trace, m, &rows);
    if (!trace.refused) return SKALD_OK;
    return sk_fail(why, SKALD_UNSUPPORTED, "device %s does not offer %s", m->backend->name, trace.refused);
}

skald_status skald_model_open(skald_model **out, skald_runtime *runtime, const skald_model_options *options,
                              skald_report *why, const skald_source *parts, uint32_t n_parts) {
    if (!out || !runtime || !parts || !n_parts)
        return sk_fail(why, SKALD_ARGUMENT, "skald_model_open: %s",
                       parts && n_parts ? "out or runtime is NULL" : "no source");
    *out = NULL;
    skald_model_options o;
    skald_status status = sk_options_copy(&o, sizeof o, &defaults, options, "skald_model_options", why);
    if (status != SKALD_OK) return status;
    uint64_t mode = sk_fp_enter();
    status = sk_model_open(out, runtime, &o, check_ops, parts, n_parts, why);
    sk_fp_leave(mode);
    return status;
}

skald_status skald_model_open_path(skald_model **out, skald_runtime *runtime, const char *path,
                                   const skald_model_options *options, skald_report *why) {
    if (!path) return sk_fail(why, SKALD_ARGUMENT, "skald_model_open_path: path is NULL");
    const skald_source source = {.size = sizeof source, .path = path};
    return skald_model_open(out, runtime, options, why, &source, 1);
}

/* ---- information */

static const skald_model_info nothing_known = {.size = sizeof nothing_known,
                                               .architecture = "",
                                               .name = "",
                                               .device = ""};

/* Where kinds of layers take turns, the sizes of the first. */
static skald_model_info describe(const sk_config *c) {
    const sk_kind *kind = &c->kind[0];
    skald_model_info info = nothing_known;
    info.n_layers = c->n_layers, info.n_embd = c->n_embd, info.n_vocab = c->n_vocab, info.n_context = c->n_context;
    info.n_heads = kind->n_heads, info.n_kv_heads = kind->n_kv_heads;
    info.head_dim_k = kind->head_dim_k, info.head_dim_v = kind->head_dim_v;
    info.n_ff = kind->n_ff;
    if (kind->head_dim_q) {
        info.latent_dim = kind->head_dim_v, info.latent_rope_dim = kind->head_dim_k - kind->head_dim_v;
        info.n_kv_heads = kind->n_heads, info.head_dim_k = kind->head_dim_q, info.head_dim_v = kind->head_dim_o;
    }
    return info;
}

skald_status skald_model_get_info(skald_model_info *info, const skald_model *model) {
    if (!info || !model) return SKALD_ARGUMENT;
    skald_model_info all = describe(&model->config);
    all.n_parameters = model->n_parameters;
    all.n_file_bytes = model->n_file_bytes;
    all.architecture = model->architecture;
    all.name = model->name;
    all.device = model->backend->name;
    if (!all.n_vocab && model->vocab) all.n_vocab = model->vocab->n_tokens;
    return sk_struct_give(info, &all, sizeof all, "skald_model_info", NULL);
}

const char *skald_model_metadata_key(const skald_model *model, uint32_t index) {
    return model && index < model->n_keys ? model->keys[index] : NULL;
}

skald_status skald_model_metadata(char *text, size_t *n_bytes, const skald_model *model, const char *key) {
    if (!n_bytes || !model || !key || (*n_bytes && !text)) return SKALD_ARGUMENT;
    const sk_gguf_entry *entry = sk_gguf_find(&model->part[0], key);
    if (!entry) return SKALD_ABSENT;
    uint64_t mode = sk_fp_enter();
    skald_status status = sk_metadata_text(text, n_bytes, entry);
    sk_fp_leave(mode);
    return status;
}

skald_status skald_model_tensor(skald_tensor_info *info, const skald_model *model, uint32_t index) {
    if (!info || !model) return SKALD_ARGUMENT;
    if (index >= model->n_tensors) return SKALD_END;
    const sk_model_tensor *t = &model->tensors[index];
    const skald_tensor_info all = {.size = sizeof all,
                                   .type = t->file->type,
                                   .shape = {t->file->shape[0], t->file->shape[1], t->file->shape[2],
                                             t->file->shape[3]},
                                   .n_bytes = t->file->n_bytes,
                                   .name = t->name,
                                   .type_name = skald_dtype_name(t->file->type),
                                   .kernel = t->kernel};
    return sk_struct_give(info, &all, sizeof all, "skald_tensor_info", NULL);
}

skald_status skald_model_kernel(const char **operation, const char **kernel, const skald_model *model, uint32_t index) {
    if (!operation || !kernel || !model) return SKALD_ARGUMENT;
    return model->backend->kernel(operation, kernel, model->device, index);
}

/* ---- sizes without opening */

/* A count of config.json in [1, most]; ABSENT keeps *out. */
static skald_status config_count(uint32_t *out, sk_json json, const char *key, uint32_t most, bool required,
                                 skald_report *why) {
    uint32_t n;
    skald_status status = sk_json_u32(json, key, &n, why);
    if (status == SKALD_ABSENT) return required ? sk_fail(why, SKALD_FORMAT, "key %s is missing", key) : SKALD_OK;
    if (status != SKALD_OK) return status;
    if (n < 1 || n > most) return sk_fail(why, SKALD_FORMAT, "key %s is %u, from 1 to %u expected", key, n, most);
    *out = n;
    return SKALD_OK;
}

static skald_status read_config(skald_model_info *info, sk_json json, skald_report *why) {
    skald_model_info c = nothing_known;
    skald_status status = config_count(&c.n_layers, json, "num_hidden_layers", 4096, true, why);
    if (status == SKALD_OK) status = config_count(&c.n_heads, json, "num_attention_heads", 4096, true, why);
    if (status == SKALD_OK) status = config_count(&c.n_embd, json, "hidden_size", 1 << 20, true, why);
    if (status != SKALD_OK) return status;
    c.n_kv_heads = c.n_heads;
    c.head_dim_k = c.n_embd / c.n_heads;
    status = config_count(&c.n_kv_heads, json, "num_key_value_heads", c.n_heads, false, why);
    if (status == SKALD_OK) status = config_count(&c.head_dim_k, json, "head_dim", 65536, false, why);
    c.head_dim_v = c.head_dim_k;
    if (status == SKALD_OK) status = config_count(&c.head_dim_v, json, "v_head_dim", 65536, false, why);
    if (status == SKALD_OK) status = config_count(&c.latent_dim, json, "kv_lora_rank", 65536, false, why);
    if (status == SKALD_OK) status = config_count(&c.latent_rope_dim, json, "qk_rope_head_dim", 65536, false, why);
    uint32_t unrotated = 0; /* MLA: a key head is its plain part and its rotated part */
    if (status == SKALD_OK) status = config_count(&unrotated, json, "qk_nope_head_dim", 65536, false, why);
    if (unrotated) c.head_dim_k = unrotated + c.latent_rope_dim;
    if (status == SKALD_OK) status = config_count(&c.n_ff, json, "intermediate_size", 1 << 22, false, why);
    if (status == SKALD_OK) status = config_count(&c.n_vocab, json, "vocab_size", INT32_MAX, false, why);
    if (status == SKALD_OK) status = config_count(&c.n_context, json, "max_position_embeddings", INT32_MAX, false, why);
    return status == SKALD_OK ? sk_struct_give(info, &c, sizeof c, "skald_model_info", why) : status;
}

static skald_status inspect_config(skald_model_info *info, skald_runtime *runtime, const char *path,
                                   skald_report *why) {
    sk_json_file config;
    const skald_source from = {.size = sizeof from, .path = path};
    skald_status status = sk_json_file_open(&config, &runtime->memory, &from, path, why);
    if (status != SKALD_OK) return status;
    status = read_config(info, config.root, why);
    sk_json_file_close(&config);
    return status;
}

static skald_status inspect_gguf(skald_model_info *info, skald_runtime *runtime, const char *path, skald_report *why) {
    sk_files files;
    sk_config config;
    const sk_family *family;
    const skald_source from = {.size = sizeof from, .path = path};
    skald_status status = sk_files_open(&files, &runtime->memory, &from, 1, 0, NULL, why);
    if (status != SKALD_OK) return status;
    status = sk_model_configure(&config, &family, &files, 0, why);
    sk_files_close(&files);
    const skald_model_info all = describe(&config);
    return status == SKALD_OK ? sk_struct_give(info, &all, sizeof all, "skald_model_info", why) : status;
}

static skald_status inspect(skald_model_info *info, skald_runtime *runtime, const char *path, skald_report *why) {
    char inside[4096];
    if (sk_os_is_folder(path)) {
        size_t n = strlen(path);
        if (n + sizeof "/config.json" > sizeof inside) return sk_fail(why, SKALD_READ, "the path is too long");
        memcpy(inside, path, n);
        memcpy(inside + n, "/config.json", sizeof "/config.json");
        return inspect_config(info, runtime, inside, why);
    }
    size_t n = strlen(path);
    if (n >= 5 && memcmp(path + n - 5, ".json", 5) == 0) return inspect_config(info, runtime, path, why);
    return inspect_gguf(info, runtime, path, why);
}

skald_status skald_model_inspect(skald_model_info *info, skald_runtime *runtime, const char *path, skald_report *why) {
    if (!info || !runtime || !path) return sk_fail(why, SKALD_ARGUMENT, "skald_model_inspect: an argument is NULL");
    uint64_t mode = sk_fp_enter();
    skald_status status = inspect(info, runtime, path, why);
    sk_fp_leave(mode);
    return status;
}

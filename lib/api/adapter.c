/* The door to adapters. */
#include "model/adapter.h"
#include "base/fpmode.h"
#include "base/report.h"
#include <string.h>

#define MOST_PATH 4096u

static skald_status open_adapter(skald_adapter **out, skald_model *model, const skald_source *source,
                                 const skald_source *config, skald_report *why) {
    *out = NULL;
    if (!model->weights) return sk_fail(why, SKALD_ARGUMENT, "the model was opened for its vocabulary only");
    const uint64_t mode = sk_fp_enter();
    const skald_status status = sk_adapter_open(out, model, source, config, why);
    sk_fp_leave(mode);
    return status;
}

skald_status skald_adapter_open(skald_adapter **out, skald_model *model, const skald_source *source,
                                skald_report *why) {
    if (!out || !model || !source) return sk_fail(why, SKALD_ARGUMENT, "skald_adapter_open: an argument is NULL");
    return open_adapter(out, model, source, NULL, why);
}

skald_status skald_adapter_open_peft(skald_adapter **out, skald_model *model, const skald_source *tensors,
                                     const skald_source *config, skald_report *why) {
    if (!out || !model || !tensors || !config)
        return sk_fail(why, SKALD_ARGUMENT, "skald_adapter_open_peft: an argument is NULL");
    return open_adapter(out, model, tensors, config, why);
}

/* Puts a name behind the first n bytes of a path. */
static const char *join(char *out, const char *path, size_t n, const char *name) {
    memcpy(out, path, n);
    memcpy(out + n, name, strlen(name) + 1);
    return out;
}

static skald_status open_peft(skald_adapter **out, skald_model *model, const char *tensors, const char *config,
                              skald_report *why) {
    const skald_source parts[2] = {{.size = sizeof *parts, .path = tensors}, {.size = sizeof *parts, .path = config}};
    return skald_adapter_open_peft(out, model, &parts[0], &parts[1], why);
}

skald_status skald_adapter_open_path(skald_adapter **out, skald_model *model, const char *path, skald_report *why) {
    static const char end[] = ".safetensors", tensors_name[] = "/adapter_model.safetensors",
                      config_name[] = "/adapter_config.json";
    char tensors[MOST_PATH], config[MOST_PATH];
    if (!path) return sk_fail(why, SKALD_ARGUMENT, "skald_adapter_open_path: path is NULL");
    size_t n = strlen(path);
    if (n >= MOST_PATH - sizeof tensors_name) return sk_fail(why, SKALD_READ, "the path is too long");
    if (sk_os_is_folder(path))
        return open_peft(out, model, join(tensors, path, n, tensors_name), join(config, path, n, config_name), why);
    if (n >= sizeof end && strcmp(path + n - (sizeof end - 1), end) == 0) {
        while (n && path[n - 1] != '/' && path[n - 1] != '\\') n--;
        return open_peft(out, model, path, join(config, path, n, config_name + 1), why);
    }
    const skald_source source = {.size = sizeof source, .path = path};
    return skald_adapter_open(out, model, &source, why);
}

void skald_adapter_retain(skald_adapter *adapter) {
    if (adapter) atomic_fetch_add(&adapter->owners, 1);
}

void skald_adapter_release(skald_adapter *adapter) {
    if (adapter && atomic_fetch_sub(&adapter->owners, 1) == 1) sk_adapter_free(adapter);
}

skald_status skald_adapter_get_info(skald_adapter_info *info, const skald_adapter *adapter) {
    if (!info || !adapter) return SKALD_ARGUMENT;
    const skald_adapter_info own = {.size = sizeof own,
                                    .rank = adapter->rank,
                                    .n_changed = adapter->n_changed,
                                    .n_parameters = adapter->n_parameters};
    return sk_struct_give(info, &own, sizeof own, "skald_adapter_info", NULL);
}

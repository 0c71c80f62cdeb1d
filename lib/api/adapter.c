/* The door to adapters. */
#include "model/adapter.h"
#include "base/fpmode.h"
#include "base/report.h"

skald_status skald_adapter_open(skald_adapter **out, skald_model *model, const skald_source *source,
                                skald_report *why) {
    if (!out || !model || !source) return sk_fail(why, SKALD_ARGUMENT, "skald_adapter_open: an argument is NULL");
    *out = NULL;
    if (!model->weights) return sk_fail(why, SKALD_ARGUMENT, "the model was opened for its vocabulary only");
    uint64_t mode = sk_fp_enter();
    const skald_status status = sk_adapter_open(out, model, source, why);
    sk_fp_leave(mode);
    return status;
}

skald_status skald_adapter_open_path(skald_adapter **out, skald_model *model, const char *path, skald_report *why) {
    if (!path) return sk_fail(why, SKALD_ARGUMENT, "skald_adapter_open_path: path is NULL");
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

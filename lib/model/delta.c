/* Sizes of layers with linear attention, and which layers these are; shared by the families that mix both kinds. */
#include "base/exact.h"
#include "base/memory.h"
#include "model/model.h"

/* Layers whose state is recurrent: said for each, or all but every n-th. */
static skald_status configure_layers(sk_config *c, const sk_gguf *g, skald_report *why) {
    uint32_t interval = 4, recurrent[SK_MAX_LAYERS];
    skald_status status = sk_config_count(&interval, g, "full_attention_interval", 1, SK_MAX_LAYERS, false, why);
    for (uint32_t i = 0; i < c->n_layers; i++) recurrent[i] = (i + 1) % interval != 0;
    if (status == SKALD_OK) status = sk_config_per_layer(recurrent, g, "attention.recurrent_layers", c->n_layers, why);
    for (uint32_t i = 0; i < c->n_layers && status == SKALD_OK; i++) c->kind_of[i] = recurrent[i] != 0;
    return status;
}

static skald_status configure_sizes(sk_kind *k, const sk_gguf *g, skald_report *why) {
    uint32_t n_taps, inner;
    skald_status status = sk_config_count(&n_taps, g, "ssm.conv_kernel", 4, 4, true, why);
    if (status == SKALD_OK) status = sk_config_count(&k->head_dim_k, g, "ssm.state_size", 16, 512, true, why);
    if (status == SKALD_OK) status = sk_config_count(&k->n_kv_heads, g, "ssm.group_count", 1, 1024, true, why);
    if (status == SKALD_OK) status = sk_config_count(&k->n_heads, g, "ssm.time_step_rank", 1, 1024, true, why);
    if (status == SKALD_OK) status = sk_config_count(&inner, g, "ssm.inner_size", 1, 1 << 20, true, why);
    if (status != SKALD_OK) return status;
    if (k->head_dim_k % 16)
        return sk_config_fail(g, "ssm.state_size", SKALD_UNSUPPORTED, "a multiple of 16 expected", why);
    if (k->n_heads % k->n_kv_heads)
        return sk_config_fail(g, "ssm.group_count", SKALD_FORMAT, "it does not divide ssm.time_step_rank", why);
    if (inner != k->n_heads * k->head_dim_k)
        return sk_config_fail(g, "ssm.inner_size", SKALD_FORMAT, "it is not ssm.time_step_rank states", why);
    k->head_dim_v = k->head_dim_k;
    return SKALD_OK;
}

skald_status sk_config_delta(sk_config *c, sk_kind *k, const sk_gguf *g, skald_report *why) {
    *k = c->kind[0];
    k->mixer = SK_MIX_DELTA;
    k->delta = SKALD_DELTA_RULE;
    k->rotation = SK_NO_ROTATION;
    k->has_gate = false;
    c->n_kinds = 2;
    skald_status status = configure_sizes(k, g, why);
    if (status == SKALD_OK) status = configure_layers(c, g, why);
    k->attention_scale = (float)(1.0 / sk_sqrt_double((double)k->head_dim_k));
    return status;
}

sk_state_sizes sk_kind_state(const sk_kind *k) {
    const uint64_t channels = sk_config_dim(NULL, k, SK_DIM_CHANNELS), taps = sk_config_dim(NULL, k, SK_DIM_TAPS);
    const uint64_t head = (uint64_t)k->head_dim_k + k->head_dim_v + 1; /* a key, a value and a decay */
    sk_state_sizes s = {.convolved = (taps - 1) * channels * sizeof(float)};
    s.state_bytes = s.convolved + (uint64_t)k->n_heads * k->head_dim_k * k->head_dim_v * sizeof(float);
    s.convolved_row = (uint32_t)(channels * sizeof(float));
    s.row_bytes = (uint32_t)sk_align(s.convolved_row + k->n_heads * head * sizeof(float), 64);
    return s;
}

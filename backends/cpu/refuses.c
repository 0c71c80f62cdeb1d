/* What this backend cannot do, said when a model is placed and not in the middle of a step. */
#include "backends/cpu/cpu.h"

static const char *refuses_norm(const skald_norm *norm) {
    return norm->kind > SKALD_NORM_LAYER ? "a kind of norm of a newer version" : NULL;
}

static const char *refuses_append(const skald_append *op) {
    if (op->rope > SKALD_ROPE_HALVES) return "this rotation";
    const char *why = refuses_norm(&op->q_norm);
    return why ? why : refuses_norm(&op->k_norm);
}

const char *sk_refuses_activation(skald_activation activation) {
    return activation < SKALD_ACTIVATION_SILU || activation > SKALD_ACTIVATION_SWIGLU_CLAMPED
               ? "an activation of a newer version"
               : NULL;
}

static const char *refuses_heads(const skald_project_heads *op) {
    const uint64_t in = (uint64_t)op->n_heads * op->weight.n_in, out = (uint64_t)op->n_heads * op->weight.n_out;
    return op->n_heads == 0 || op->x.width % op->n_heads || op->x.width < in || op->out.width - out != op->x.width - in
               ? "heads whose matrices do not fit their rows"
               : NULL;
}

static const char *refuses_normalize(const skald_normalize *op) {
    const uint32_t width = op->norm.weight.width;
    return width == 0 || op->x.width % width ? "rows that are not a multiple of their norm" : refuses_norm(&op->norm);
}

static const char *refuses_delta(const skald_delta *op) {
    if (op->kind != SKALD_DELTA_ADDITIVE && op->kind != SKALD_DELTA_RULE) return "this form of linear attention";
    if (op->n_k_heads == 0 || op->n_heads % op->n_k_heads) return "heads that do not divide";
    if (op->head_dim_k % 16 || op->head_dim_v % 16) return "states whose lines are not a multiple of 16";
    return NULL;
}

static const char *refuses_convolve(const skald_convolve *op) {
    if (op->n_taps != SK_TAPS) return "a short convolution of this many taps";
    return op->x.width % 16 ? "a short convolution of channels that are not a multiple of 16" : NULL;
}

const char *sk_cpu_refuses(skald_device *device, skald_op_kind kind, const void *op) {
    (void)device;
    const skald_project *project = op;
    const skald_attend *attend = op;
    switch (kind) {
    case SKALD_OP_NORMALIZE: return refuses_normalize(op);
    case SKALD_OP_PROJECT:
        return project->n_weights < 1 || project->n_weights > 3 ? "a project of this many weights"
                                                                : refuses_norm(&project->norm);
    case SKALD_OP_APPEND: return refuses_append(op);
    case SKALD_OP_ATTEND:
        if (attend->n_kv_heads == 0 || attend->n_heads % attend->n_kv_heads) return "heads that do not divide";
        if (attend->values_in_keys && attend->head_dim_v > attend->head_dim_k) return "values longer than their keys";
        return NULL;
    case SKALD_OP_GATE: return sk_refuses_activation(((const skald_gate *)op)->activation);
    case SKALD_OP_ROUTE: return sk_cpu_refuses_route(op);
    case SKALD_OP_EXPERTS: return sk_cpu_refuses_experts(op);
    case SKALD_OP_PROJECT_HEADS: return refuses_heads(op);
    case SKALD_OP_CONVOLVE: return refuses_convolve(op);
    case SKALD_OP_DELTA: return refuses_delta(op);
    case SKALD_OP_ADAPT: return refuses_norm(&((const skald_adapt *)op)->norm);
    case SKALD_OP_EMBED:
    case SKALD_OP_ANGLES:
    case SKALD_OP_SELECT: return NULL;
    default: return "an operation of a newer version";
    }
}

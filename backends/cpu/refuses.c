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

const char *sk_cpu_refuses(skald_device *device, skald_op_kind kind, const void *op) {
    (void)device;
    const skald_project *project = op;
    const skald_attend *attend = op;
    switch (kind) {
    case SKALD_OP_NORMALIZE: return refuses_norm(&((const skald_normalize *)op)->norm);
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
    case SKALD_OP_EMBED:
    case SKALD_OP_ANGLES:
    case SKALD_OP_SELECT: return NULL;
    default: return "an operation of a newer version";
    }
}

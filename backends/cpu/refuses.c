/* What this backend cannot do, said when a model is placed and not in the middle of a step. */
#include "backends/cpu/cpu.h"

static const char *refuses_norm(const skald_norm *norm) { return norm->kind > SKALD_NORM_RMS ? "LayerNorm" : NULL; }

const char *sk_cpu_refuses(skald_device *device, skald_op_kind kind, const void *op) {
    (void)device;
    const skald_embed *embed = op;
    const skald_project *project = op;
    const skald_attend *attend = op;
    const skald_append *append = op;
    switch (kind) {
    case SKALD_OP_EMBED: return embed->positions.n_in ? "learned positions" : NULL;
    case SKALD_OP_NORMALIZE: return refuses_norm(&((const skald_normalize *)op)->norm);
    case SKALD_OP_PROJECT:
        return project->n_weights < 1 || project->n_weights > 3 ? "a project of this many weights"
                                                                : refuses_norm(&project->norm);
    case SKALD_OP_APPEND: return append->rope > SKALD_ROPE_HALVES ? "this rotation" : refuses_norm(&append->k_norm);
    case SKALD_OP_ATTEND:
        if (attend->soft_cap != 0.0f) return "soft caps on attention scores";
        if (attend->sinks.width) return "attention sinks";
        if (attend->n_kv_heads == 0 || attend->n_heads % attend->n_kv_heads) return "heads that do not divide";
        if (attend->values_in_keys && attend->head_dim_v > attend->head_dim_k) return "values longer than their keys";
        return NULL;
    case SKALD_OP_GATE:
        return ((const skald_gate *)op)->activation != SKALD_ACTIVATION_SILU ? "activations other than SiLU" : NULL;
    case SKALD_OP_ANGLES:
    case SKALD_OP_SELECT: return NULL;
    default: return "an operation of a newer version";
    }
}

/* Experts in metadata: how many there are, and how rows choose among them. */
#include "base/report.h"
#include "model/model.h"

#define MOST_EXPERTS 4096u
#define MOST_FF      (1u << 22)

/* Softmax and sigmoid have the numbers 1 and 2 in files, 3 is softmax over the chosen ones. */
static skald_status read_scoring(sk_routing *r, const sk_gguf *g, skald_report *why) {
    return sk_config_count(&r->scoring, g, "expert_gating_func", SKALD_SCORING_SOFTMAX, SKALD_SCORING_CHOSEN, false,
                           why);
}

/* A group is as good as its best expert where scores are shares of one (arXiv 2405.04434), as its best two where they are
 * not (arXiv 2412.19437). */
static skald_status read_groups(sk_routing *r, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_count(&r->n_groups, g, "expert_group_count", 0, r->n_experts, false, why);
    if (status == SKALD_OK && r->n_groups > 1)
        status = sk_config_count(&r->n_groups_used, g, "expert_group_used_count", 1, r->n_groups, true, why);
    if (status != SKALD_OK || r->n_groups <= 1) return status;
    const uint32_t n = r->n_experts / r->n_groups;
    r->n_group_best = r->scoring == SKALD_SCORING_SIGMOID ? 2 : 1;
    if (r->n_experts % r->n_groups)
        return sk_config_fail(g, "expert_group_count", SKALD_FORMAT, "it does not divide the experts", why);
    if (r->n_group_best > n)
        return sk_config_fail(g, "expert_group_count", SKALD_FORMAT, "groups of two experts or more expected", why);
    if (n * r->n_groups_used < r->n_used)
        return sk_config_fail(g, "expert_group_used_count", SKALD_FORMAT, "fewer experts than a row uses", why);
    return SKALD_OK;
}

static skald_status read_weights(sk_routing *r, const sk_gguf *g, skald_report *why) {
    skald_status status = sk_config_flag(&r->normalize, g, "expert_weights_norm", why);
    if (status == SKALD_OK) status = sk_config_number(&r->scale, g, "expert_weights_scale", 0.0f, 1e6f, false, why);
    if (r->scale == 0.0f) r->scale = 1.0f; /* as files say it that have none */
    return status;
}

/* Some files tell the width of what all rows share, others of how many experts it is made. */
static skald_status read_shared(sk_routing *r, const sk_gguf *g, skald_report *why) {
    uint32_t n = 0;
    skald_status status = sk_config_count(&n, g, "expert_shared_count", 0, MOST_FF / r->n_ff, false, why);
    r->n_ff_shared = n * r->n_ff;
    if (status != SKALD_OK) return status;
    return sk_config_count(&r->n_ff_shared, g, "expert_shared_feed_forward_length", 0, MOST_FF, false, why);
}

skald_status sk_config_experts(sk_kind *kind, const sk_gguf *g, skald_report *why) {
    sk_routing *r = &kind->routing;
    *r = (sk_routing){.n_ff = kind->n_ff, .scoring = SKALD_SCORING_SOFTMAX, .scale = 1.0f};
    kind->feeder = SK_FEED_EXPERTS;
    skald_status status = sk_config_count(&r->n_experts, g, "expert_count", 1, MOST_EXPERTS, true, why);
    if (status == SKALD_OK) status = sk_config_count(&r->n_used, g, "expert_used_count", 1, r->n_experts, true, why);
    if (status == SKALD_OK) status = sk_config_count(&r->n_ff, g, "expert_feed_forward_length", 1, MOST_FF, false, why);
    if (status == SKALD_OK) status = read_scoring(r, g, why);
    if (status == SKALD_OK) status = read_groups(r, g, why);
    if (status == SKALD_OK) status = read_weights(r, g, why);
    return status == SKALD_OK ? read_shared(r, g, why) : status;
}

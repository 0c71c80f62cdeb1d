/* How heads turn with their position (RoPE, arXiv 2104.09864), and what stretches it over longer texts. */
#include "base/exact.h"
#include "base/report.h"
#include "model/model.h"
#include <string.h>

static bool says(sk_text text, const char *word) {
    return text.length == strlen(word) && memcmp(text.at, word, (size_t)text.length) == 0;
}

static double floor_of(double x) { /* |x| < 2^62 */
    const double whole = (double)(int64_t)x;
    return whole > x ? whole - 1 : whole;
}

/* The pair that turns `turns` times within `length` positions. */
static double pair_of(const sk_rotation *r, double length, double turns) {
    return r->n_pairs * sk_log_double(length / (turns * 6.283185307179586)) / sk_log_double(r->base);
}

/* YaRN: pairs that turn often within the original context stay, those that turn seldom are stretched; the ramp between
 * them begins and ends at whole pairs. Longer texts sharpen the softmax by 0.1 ln(factor) (arXiv 2309.00071, 3.4). */
static skald_status configure_yarn(sk_rotation *r, const sk_gguf *g, skald_report *why) {
    float fast = 32.0f, slow = 1.0f, attention = 1.0f;
    uint32_t original = 0;
    skald_status status =
        sk_config_count(&original, g, "rope.scaling.original_context_length", 1, INT32_MAX, true, why);
    if (status == SKALD_OK) status = sk_config_number(&fast, g, "rope.scaling.yarn_beta_fast", 1e-3f, 1e6f, false, why);
    if (status == SKALD_OK) status = sk_config_number(&slow, g, "rope.scaling.yarn_beta_slow", 1e-3f, 1e6f, false, why);
    if (status == SKALD_OK)
        status = sk_config_number(&attention, g, "rope.scaling.attn_factor", 1e-3f, 1e3f, false, why);
    if (status != SKALD_OK) return status;
    const double first = floor_of(pair_of(r, original, fast)), last = -floor_of(-pair_of(r, original, slow));
    r->first_scaled = first > 0 ? first : 0;
    r->last_scaled = last < 2.0 * r->n_pairs - 1 ? last : 2.0 * r->n_pairs - 1;
    if (r->last_scaled <= r->first_scaled) r->last_scaled = r->first_scaled + 0.001;
    r->magnitude = attention * (float)(1.0 + 0.1 * sk_log_double(r->factor));
    return SKALD_OK;
}

skald_status sk_config_rotation(sk_rotation *r, uint32_t head_dim, const sk_gguf *g, skald_report *why) {
    float base = 10000.0f, factor = 1.0f;
    uint32_t n_rotated = head_dim;
    sk_text scaling = {"none", 4};
    skald_status status = sk_config_count(&n_rotated, g, "rope.dimension_count", 2, head_dim, false, why);
    if (status == SKALD_OK) status = sk_config_number(&base, g, "rope.freq_base", 2.0f, 1e12f, false, why);
    if (status == SKALD_OK) status = sk_config_text(&scaling, g, "rope.scaling.type", why);
    if (status != SKALD_OK) return status;
    if (n_rotated % 2) return sk_config_fail(g, "rope.dimension_count", SKALD_FORMAT, "it is odd", why);
    const bool yarn = says(scaling, "yarn");
    if (yarn || says(scaling, "linear"))
        status = sk_config_number(&factor, g, "rope.scaling.factor", yarn ? 1.0f : 1e-3f, 1e6f, true, why);
    else if (!says(scaling, "none"))
        status = sk_config_fail(g, "rope.scaling.type", SKALD_UNSUPPORTED, "this scaling is not known", why);
    *r = (sk_rotation){
        .rope = SKALD_ROPE_HALVES, .n_pairs = n_rotated / 2, .base = base, .factor = factor, .magnitude = 1.0f};
    return status == SKALD_OK && yarn ? configure_yarn(r, g, why) : status;
}

/* base^(-2i / n_rotated) / factors[i], then divided by the factor as far as the pair is stretched. */
void sk_rotation_frequencies(double *frequency, const sk_rotation *r, const float *factors) {
    for (uint32_t i = 0; i < r->n_pairs; i++) {
        const double plain = sk_power(r->base, -(double)i / r->n_pairs) / (factors ? (double)factors[i] : 1.0);
        double share = r->last_scaled > 0 ? (i - r->first_scaled) / (r->last_scaled - r->first_scaled) : 1;
        share = share < 0 ? 0 : share > 1 ? 1 : share;
        frequency[i] = plain / r->factor * share + plain * (1 - share);
    }
}

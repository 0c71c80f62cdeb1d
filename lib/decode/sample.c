/* Chooses an id: bias, penalties, temperature, top_k, top_p, min_p, draw.
 *
 * A platform may differ in nothing, so the order of every sum is part of the definition. Weights are
 * e^((logit - largest) / temperature) rounded to f32; they are added in binary64, one after the other:
 *   without truncation       in ascending id, for the total and for the draw;
 *   after any truncation     best first: logit descending, then id ascending;
 *   the mass top_p shares    best first when top_k chose the candidates, else of all ids in ascending id.
 */
#include "decode/sample.h"
#include "base/exact.h"
#include "base/random.h"
#include "base/report.h"
#include <float.h>
#include <math.h>
#include <string.h>

static bool finite_number(float x) { return x >= -FLT_MAX && x <= FLT_MAX; }
static bool share_number(float x) { return x >= 0.0f && x <= 1.0f; }

static bool cuts_count(const skald_sampler_options *o, uint32_t n_vocab) { return o->top_k && o->top_k < n_vocab; }
static bool cuts_mass(const skald_sampler_options *o) { return o->top_p > 0.0f && o->top_p < 1.0f; }

static bool truncates(const skald_sampler_options *o, uint32_t n_vocab) {
    return o->temperature > 0.0f && (cuts_count(o, n_vocab) || cuts_mass(o) || o->min_p > 0.0f);
}

static bool penalizes(const skald_sampler_options *o) {
    bool repetition = o->repetition > 0.0f && (o->repetition < 1.0f || o->repetition > 1.0f);
    return repetition || o->frequency < 0.0f || o->frequency > 0.0f || o->presence < 0.0f || o->presence > 0.0f;
}

static skald_status check_bias(const skald_sampler_options *o, uint32_t n_vocab, skald_report *why) {
    if (o->n_bias && !o->bias) return sk_fail(why, SKALD_ARGUMENT, "sampler: n_bias is %u, bias is NULL", o->n_bias);
    for (uint32_t i = 0; i < o->n_bias; i++) {
        const skald_logit_bias *b = &o->bias[i];
        if (b->id < 0 || (uint32_t)b->id >= n_vocab)
            return sk_fail(why, SKALD_ARGUMENT, "sampler: bias[%u].id is %d, the vocabulary has %u", i, (int)b->id,
                           n_vocab);
        if (!(b->bias <= FLT_MAX))
            return sk_fail(why, SKALD_ARGUMENT, "sampler: bias[%u].bias is neither finite nor -INFINITY", i);
    }
    return SKALD_OK;
}

skald_status sk_sampler_check(const skald_sampler_options *o, uint32_t n_vocab, skald_report *why) {
    if (n_vocab == 0 || n_vocab > INT32_MAX)
        return sk_fail(why, SKALD_ARGUMENT, "sampler: a vocabulary of %u ids", n_vocab);
    if (!finite_number(o->temperature) || o->temperature < 0.0f)
        return sk_fail(why, SKALD_ARGUMENT, "sampler: temperature is negative or not finite");
    if (!share_number(o->top_p)) return sk_fail(why, SKALD_ARGUMENT, "sampler: top_p is not between 0 and 1");
    if (!share_number(o->min_p)) return sk_fail(why, SKALD_ARGUMENT, "sampler: min_p is not between 0 and 1");
    if (!finite_number(o->repetition) || o->repetition < 0.0f)
        return sk_fail(why, SKALD_ARGUMENT, "sampler: repetition is negative or not finite");
    if (!finite_number(o->frequency)) return sk_fail(why, SKALD_ARGUMENT, "sampler: frequency is not finite");
    if (!finite_number(o->presence)) return sk_fail(why, SKALD_ARGUMENT, "sampler: presence is not finite");
    if (o->reserved) return sk_fail(why, SKALD_ARGUMENT, "sampler: reserved is %u, it must be 0", o->reserved);
    return check_bias(o, n_vocab, why);
}

sk_sampler sk_sampler_layout(sk_carver *c, const skald_sampler_options *o, uint32_t n_vocab) {
    bool cut = truncates(o, n_vocab), seen = penalizes(o), changed = o->temperature > 0.0f || seen || o->n_bias;
    sk_sampler s = {.options = *o, .n_vocab = n_vocab};
    skald_logit_bias *bias = sk_carve(c, o->n_bias, sizeof *bias, SK_CACHE_LINE);
    s.logits = sk_carve(c, changed ? n_vocab : 0, sizeof *s.logits, SK_CACHE_LINE);
    s.order = sk_carve(c, cut || seen ? n_vocab : 0, sizeof *s.order, SK_CACHE_LINE);
    s.spare = sk_carve(c, cut ? n_vocab : 0, sizeof *s.spare, SK_CACHE_LINE);
    if (bias && o->n_bias) memcpy(bias, o->bias, o->n_bias * sizeof *bias);
    s.options.bias = bias;
    if (o->penalty_window == 0) s.options.penalty_window = 64;
    return s;
}

/* ---- the largest */

/* -INFINITY for nothing but NaN. Lanes, because a chain of maxima waits for each of them. */
static float largest(const float *x, uint32_t n) {
    enum { LANES = 16 };
    float lane[LANES];
    for (int j = 0; j < LANES; j++) lane[j] = -INFINITY;
    uint32_t i = 0;
    for (; n - i >= LANES; i += LANES)
        for (int j = 0; j < LANES; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (; i < n; i++) lane[0] = x[i] > lane[0] ? x[i] : lane[0];
    for (int j = 1; j < LANES; j++) lane[0] = lane[j] > lane[0] ? lane[j] : lane[0];
    return lane[0];
}

int32_t sk_argmax(const float *x, uint32_t n) {
    float max = largest(x, n);
    for (uint32_t i = 0; i < n; i++)
        if (x[i] >= max) return (int32_t)i;
    return -1;
}

static bool has_nan(const float *x, uint32_t n) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) found |= (sk_bits(x[i]) & 0x7fffffffu) > 0x7f800000u;
    return found;
}

/* ---- bias and penalties */

static void add_bias(float *x, const skald_sampler_options *o) {
    for (uint32_t i = 0; i < o->n_bias; i++) {
        float *to = &x[o->bias[i].id], bias = o->bias[i].bias;
        *to = bias < -FLT_MAX ? bias : *to + bias; /* an infinite logit is forbidden too, instead of NaN */
    }
}

/* In binary64, where nothing overflows, then rounded once; a finite logit stays finite. */
static float penalized(float logit, uint32_t count, const skald_sampler_options *o) {
    if (!finite_number(logit)) return logit;
    double x = logit;
    if (o->repetition > 0.0f) x = x > 0.0 ? x / o->repetition : x * o->repetition;
    x -= (double)count * o->frequency + o->presence;
    return x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : (float)x;
}

/* `count` needs no clearing before or after: only the entries of seen ids are touched, and cleared first. */
static void penalize(float *x, uint32_t *count, const sk_sampler *s, const int32_t *seen, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if ((uint32_t)seen[i] < s->n_vocab) count[seen[i]] = 0;
    for (uint32_t i = 0; i < n; i++)
        if ((uint32_t)seen[i] < s->n_vocab) count[seen[i]]++;
    for (uint32_t i = 0; i < n; i++) {
        if ((uint32_t)seen[i] >= s->n_vocab || count[seen[i]] == 0) continue;
        x[seen[i]] = penalized(x[seen[i]], count[seen[i]], &s->options);
        count[seen[i]] = 0;
    }
}

/* ---- weights */

typedef struct {
    double max, inverse; /* the largest logit, 1 / temperature */
    float low;           /* logits below weigh nothing: about e^-80 */
} heat;

static heat heat_of(float max, float temperature) {
    double low = (double)max - 80.0 * (double)temperature;
    return (heat){max, 1.0 / (double)temperature, low > -FLT_MAX ? (float)low : -FLT_MAX};
}

/* e^((logit - max) / temperature), 1 for the largest. Plain binary64 and Taylor to degree 8 (2e-10 on
 * [-ln 2 / 2, ln 2 / 2]), because sk_exp is slow without FMA hardware and this runs over whole vocabularies. The
 * selection is of f32 and by a mask, so that compilers vectorise the loops around it. */
static inline float weight(float logit, heat h) {
    uint32_t counts = 0 - (uint32_t)(logit >= h.low);
    double y = ((double)(logit > h.low ? logit : h.low) - h.max) * h.inverse;
    double shifted = y * 1.4426950408889634 + 6755399441055744.0, n = shifted - 6755399441055744.0;
    double r = (y - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33, p = 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    /* the low bits of `shifted` are n in two's complement */
    float w = (float)(p * sk_double((sk_bits64(shifted) + 1023) << 52));
    return sk_float(sk_bits(w) & counts);
}

/* Weights of all n logits, in place when `keep`; returns their sum. In blocks, so that weighing is not held up by the
 * chain of additions. */
static double weigh_all(float *x, uint32_t n, heat h, bool keep) {
    enum { BLOCK = 256 };
    float block[BLOCK];
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i += BLOCK) {
        uint32_t count = n - i < BLOCK ? n - i : BLOCK;
        for (uint32_t j = 0; j < count; j++) block[j] = weight(x[i + j], h);
        for (uint32_t j = 0; j < count; j++) sum += block[j];
        if (keep) memcpy(x + i, block, count * sizeof *x);
    }
    return sum;
}

static double total(const float *weights, const uint32_t *order, uint32_t n) {
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) sum += weights[order[i]];
    return sum;
}

/* ---- truncation */

/* Ascending keys are descending logits; the two zeros are one. */
static inline uint32_t key_of(float x) {
    uint32_t u = sk_bits(x + 0.0f);
    return u >> 31 ? u : ~u & 0x7fffffffu;
}

static float logit_of(uint32_t key) { return sk_float(key >> 31 ? key : ~key & 0x7fffffffu); }

/* A logit that at least k finite ones reach, if there are so many, and few more: the end of the k-th one's bucket. */
static float floor_of_count(const float *x, uint32_t n, uint32_t k) {
    enum { BITS = 11 };
    uint32_t count[1u << BITS] = {0}, bucket = 0, last = key_of(-FLT_MAX);
    for (uint32_t i = 0; i < n; i++) count[key_of(x[i]) >> (32 - BITS)]++;
    for (uint32_t reached = count[0]; reached < k;) reached += count[++bucket];
    uint32_t end = bucket << (32 - BITS) | (UINT32_MAX >> BITS);
    return logit_of(end < last ? end : last);
}

/* The logit whose weight is `share`. */
static double floor_of_weight(double share, heat h) { return h.max + sk_log_double(share) / h.inverse; }

/* The ids whose logits reach `floor`, ascending. */
static uint32_t gather(uint32_t *order, const float *x, uint32_t n, double floor) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) {
        order[found] = i;
        found += x[i] >= floor;
    }
    return found;
}

/* Best first. Stable by bytes of the key, so that equal logits stay in ascending id; four passes end where they began. */
static void sort(uint32_t *order, uint32_t *spare, const float *x, uint32_t n) {
    for (int shift = 0; shift < 32; shift += 8) {
        uint32_t start[257] = {0};
        for (uint32_t i = 0; i < n; i++) start[(key_of(x[order[i]]) >> shift & 255u) + 1]++;
        for (int j = 1; j < 256; j++) start[j] += start[j - 1];
        for (uint32_t i = 0; i < n; i++) spare[start[key_of(x[order[i]]) >> shift & 255u]++] = order[i];
        uint32_t *swap = order;
        order = spare;
        spare = swap;
    }
}

/* How many of the sorted candidates are needed for `mass`. */
static uint32_t prefix_of_mass(const float *weights, const uint32_t *order, uint32_t n, double mass) {
    double sum = 0.0;
    uint32_t i = 0;
    while (i < n && sum < mass) sum += weights[order[i++]];
    return i;
}

/* Leaves the candidates in `order`, best first, and their weights in `logits`; returns how many they are. */
static uint32_t cut_tail(const sk_sampler *s, heat h) {
    const skald_sampler_options *o = &s->options;
    float *x = s->logits;
    double least = o->min_p > 0.0f ? floor_of_weight(o->min_p, h) : -FLT_MAX, floor = least, mass = 0.0;
    bool by_count = cuts_count(o, s->n_vocab), by_mass = cuts_mass(o);
    if (by_count) {
        floor = floor_of_count(x, s->n_vocab, o->top_k);
    } else if (by_mass) {
        /* All ids below this weight together have at most half of what top_p may leave out: never sort them. The other
         * half, at least 3e-8 of the mass, is far above the rounding of the sums. */
        mass = weigh_all(x, s->n_vocab, h, false);
        double needless = floor_of_weight(0.5 * (1.0 - (double)o->top_p) * mass / s->n_vocab, h);
        if (needless > floor) floor = needless;
    }
    uint32_t n = gather(s->order, x, s->n_vocab, floor), likely = 0;
    sort(s->order, s->spare, x, n);
    if (by_count && n > o->top_k) n = o->top_k;
    while (likely < n && x[s->order[likely]] >= least) likely++;
    for (uint32_t i = 0; i < n; i++) x[s->order[i]] = weight(x[s->order[i]], h);
    if (!by_mass) return likely;
    if (by_count) mass = total(x, s->order, n);
    uint32_t needed = prefix_of_mass(x, s->order, n, (double)o->top_p * mass);
    return needed < likely ? needed : likely;
}

/* ---- the draw */

/* The candidate in whose stretch of the line of weights u * sum lies; `order` NULL: all ids. u <= 1 - 2^-53 makes
 * u * sum smaller than sum in binary64 too, so that the walk ends at a weight above 0. */
static uint32_t pick(const float *weights, const uint32_t *order, uint32_t n, double sum, double u) {
    double target = u * sum, passed = 0.0;
    uint32_t i = 0;
    while (i + 1 < n && (passed += weights[order ? order[i] : i]) <= target) i++;
    return order ? order[i] : i;
}

static uint32_t draw(const sk_sampler *s, float max, uint64_t position) {
    const skald_sampler_options *o = &s->options;
    const heat h = heat_of(max, o->temperature);
    double u = sk_random(o->seed, position, 0);
    if (!truncates(o, s->n_vocab)) {
        double sum = weigh_all(s->logits, s->n_vocab, h, true);
        return pick(s->logits, NULL, s->n_vocab, sum, u);
    }
    uint32_t n = cut_tail(s, h);
    return pick(s->logits, s->order, n, total(s->logits, s->order, n), u);
}

skald_status sk_sampler_choose(int32_t *id, const sk_sampler *s, const float *logits, uint64_t position,
                               const int32_t *history, uint32_t n_history) {
    const skald_sampler_options *o = &s->options;
    bool seen = penalizes(o);
    if (has_nan(logits, s->n_vocab)) return SKALD_ARGUMENT;
    if (o->temperature > 0.0f || seen || o->n_bias) {
        logits = memcpy(s->logits, logits, s->n_vocab * sizeof *logits);
        add_bias(s->logits, o);
        uint32_t n = n_history < o->penalty_window ? n_history : o->penalty_window;
        if (seen && n) penalize(s->logits, s->order, s, history + (n_history - n), n);
    }
    int32_t best = sk_argmax(logits, s->n_vocab);
    float max = logits[best];
    if (max < -FLT_MAX) return SKALD_ARGUMENT;
    *id = o->temperature > 0.0f && max <= FLT_MAX ? (int32_t)draw(s, max, position) : best;
    return SKALD_OK;
}

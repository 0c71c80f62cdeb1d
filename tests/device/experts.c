/* Experts on the test device: choices and what they give, row by row in double. */
#include "device/device.h"
#include <math.h>
#include <string.h>

static float *row(skald_device *d, const skald_rows *rows, uint32_t r) {
    return device_at(d, rows->offset + r * rows->stride);
}

/* ---- route */

/* The largest, the lower one of equals. */
static uint32_t best_of(const double *x, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static void soften(double *x, uint32_t n) {
    double most = x[best_of(x, n)], sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += x[i] = exp(x[i] - most);
    for (uint32_t i = 0; i < n; i++) x[i] /= sum;
}

static void leave_groups(const skald_route *op, double *rank, double *group) {
    const uint32_t n = op->logits.width / op->n_groups;
    for (uint32_t g = 0; g < op->n_groups; g++) {
        const uint32_t best = best_of(rank + g * n, n);
        double second = -HUGE_VAL;
        for (uint32_t i = 0; i < n; i++)
            if (i != best && rank[g * n + i] > second) second = rank[g * n + i];
        group[g] = rank[g * n + best] + (op->n_group_best == 2 ? second : 0);
    }
    for (uint32_t left = op->n_groups; left > op->n_groups_used;
         left--) { /* the worst goes, the higher one of equals */
        uint32_t worst = 0;
        for (uint32_t g = 1; g < op->n_groups; g++)
            if (group[g] < HUGE_VAL && (group[worst] == HUGE_VAL || group[g] <= group[worst])) worst = g;
        group[worst] = HUGE_VAL;
        for (uint32_t i = 0; i < n; i++) rank[worst * n + i] = -HUGE_VAL;
    }
}

void device_route_row(skald_device *d, double *scratch, const skald_route *op, uint32_t r) {
    const uint32_t n = op->logits.width, n_used = op->ids.width;
    double *score = scratch, *rank = score + n, *weight = rank + n, *group = weight + n, sum = 0;
    int32_t *id = (int32_t *)(void *)row(d, &op->ids, r);
    for (uint32_t i = 0; i < n; i++) score[i] = (double)row(d, &op->logits, r)[i];
    if (op->scoring == SKALD_SCORING_SOFTMAX) soften(score, n);
    for (uint32_t i = 0; i < n; i++) {
        if (op->scoring == SKALD_SCORING_SIGMOID) score[i] = 1 / (1 + exp(-score[i]));
        rank[i] = score[i] + (op->correction.buffer ? (double)row(d, &op->correction, 0)[i] : 0);
    }
    if (op->n_groups > 1) leave_groups(op, rank, group);
    for (uint32_t i = 0; i < n_used; i++) {
        id[i] = (int32_t)best_of(rank, n);
        weight[i] = score[id[i]];
        rank[id[i]] = -HUGE_VAL;
    }
    if (op->scoring == SKALD_SCORING_CHOSEN) soften(weight, n_used);
    for (uint32_t i = 0; i < n_used; i++) sum += weight[i];
    for (uint32_t i = 0; i < n_used; i++)
        row(d, &op->weights, r)[i] = (float)(weight[i] / (op->normalize ? sum + 1e-20 : 1) * (double)op->scale);
}

/* ---- experts */

/* y = W x + bias of one expert. */
static void multiply(skald_device *d, double *y, const double *x, const skald_weight *w, const skald_rows *bias,
                     uint32_t expert) {
    const uint32_t *mark = device_at(d, w->offset + expert * w->n_bytes);
    const float *column = (const float *)(mark + 1), *b = bias->buffer ? row(d, bias, expert) : NULL;
    for (uint32_t o = 0; o < w->n_out; o++) y[o] = 0;
    for (uint32_t k = 0; k < w->n_in; k++, column += w->n_out)
        for (uint32_t o = 0; o < w->n_out; o++) y[o] += x[k] * (double)column[o];
    for (uint32_t o = 0; b && o < w->n_out; o++) y[o] += (double)b[o];
}

uint64_t device_experts_scratch(const skald_experts *op) {
    return (uint64_t)op->x.width + 2 * (uint64_t)op->n_ff + 2 * (uint64_t)op->out.width;
}

skald_status device_experts_row(skald_device *d, double *scratch, const skald_experts *op, uint32_t r) {
    const uint32_t width = op->out.width;
    double *x = scratch, *gate = x + op->x.width, *up = gate + op->n_ff, *y = up + op->n_ff, *sum = y + width;
    for (uint32_t k = 0; k < op->x.width; k++) x[k] = (double)row(d, &op->x, r)[k];
    for (uint32_t o = 0; o < width; o++) sum[o] = op->add.buffer ? (double)row(d, &op->add, r)[o] : 0;
    for (uint32_t i = 0; i < op->ids.width; i++) {
        const int32_t id = ((const int32_t *)(const void *)row(d, &op->ids, r))[i];
        if (id < 0 || (uint32_t)id >= op->n_experts) return SKALD_DEVICE;
        multiply(d, gate, x, &op->gate, &op->gate_bias, (uint32_t)id);
        multiply(d, up, x, &op->up, &op->up_bias, (uint32_t)id);
        for (uint32_t k = 0; k < op->n_ff; k++) gate[k] = device_activate(op->activation, gate[k], up[k]);
        multiply(d, y, gate, &op->down, &op->down_bias, (uint32_t)id);
        for (uint32_t o = 0; o < width; o++) sum[o] += (double)row(d, &op->weights, r)[i] * y[o];
    }
    for (uint32_t o = 0; o < width; o++) row(d, &op->out, r)[o] = (float)sum[o];
    return SKALD_OK;
}

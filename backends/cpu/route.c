/* Logits of experts become choices and their weights. */
#include "backends/cpu/cpu.h"
#include "base/exact.h"
#include <string.h>

#define ROWS_PER_JOB 8u

static uint32_t route_count(skald_stream *s, const sk_phase *p) {
    return (uint32_t)sk_divide_up(sk_row_count(s, &p->op.route.logits), ROWS_PER_JOB);
}

/* score: of every expert; rank: what experts are compared by. */
static void score_experts(const skald_stream *s, const skald_route *op, const float *logits, float *score,
                          float *rank) {
    const sk_kernels *k = &s->device->kernels;
    const uint32_t n = op->logits.width;
    if (op->scoring == SKALD_SCORING_SOFTMAX) k->softmax(score, logits, n);
    else if (op->scoring == SKALD_SCORING_SIGMOID) k->sigmoid(score, logits, NULL, n);
    else memcpy(score, logits, n * sizeof *score);
    if (op->correction.buffer) k->add(rank, score, sk_row(s, &op->correction, 0), n);
    else memcpy(rank, score, n * sizeof *rank);
}

static float group_rank(const float *rank, uint32_t n, uint32_t n_best) {
    float first = rank[0], second = sk_float(0xff800000u);
    for (uint32_t i = 1; i < n; i++) {
        if (rank[i] > first) second = first, first = rank[i];
        else if (rank[i] > second) second = rank[i];
    }
    return n_best == 1 ? first : first + second;
}

/* Experts outside the best groups fall behind all others. */
static void keep_groups(const skald_stream *s, const skald_route *op, float *rank, const sk_thread_room *room) {
    const float least = sk_float(0xff800000u);
    const uint32_t n = op->logits.width / op->n_groups;
    float *group = room->score;
    int16_t *kept = room->share;
    for (uint32_t g = 0; g < op->n_groups; g++) {
        group[g] = group_rank(rank + g * n, n, op->n_group_best);
        kept[g] = 0;
    }
    for (uint32_t i = 0; i < op->n_groups_used; i++) {
        const uint32_t g = s->device->kernels.argmax(group, op->n_groups);
        kept[g] = 1, group[g] = least;
    }
    for (uint32_t e = 0; e < op->logits.width; e++)
        if (!kept[e / n]) rank[e] = least;
}

static void choose(const skald_stream *s, const skald_route *op, uint32_t r, const sk_thread_room *room) {
    const sk_kernels *k = &s->device->kernels;
    const uint32_t n_used = op->ids.width;
    float *score = room->sums, *rank = score + SK_MOST_EXPERTS, *weight = sk_row(s, &op->weights, r), sum = 0.0f;
    int32_t *id = sk_row(s, &op->ids, r);
    score_experts(s, op, sk_row(s, &op->logits, r), score, rank);
    if (op->n_groups > 1) keep_groups(s, op, rank, room);
    for (uint32_t i = 0; i < n_used; i++) {
        const uint32_t best = k->argmax(rank, op->logits.width);
        id[i] = (int32_t)best, weight[i] = score[best];
        rank[best] = sk_float(0xff800000u);
    }
    if (op->scoring == SKALD_SCORING_CHOSEN) k->softmax(weight, weight, n_used);
    for (uint32_t i = 0; op->normalize && i < n_used; i++) sum += weight[i];
    for (uint32_t i = 0; op->normalize && i < n_used; i++) weight[i] /= sum + 1e-20f;
    k->scale(weight, weight, op->scale, n_used);
}

static void route_job(skald_stream *s, const sk_phase *p, uint32_t job, const sk_thread_room *room) {
    const skald_route *op = &p->op.route;
    const uint32_t first = job * ROWS_PER_JOB, end = sk_least(first + ROWS_PER_JOB, sk_row_count(s, &op->logits));
    for (uint32_t r = first; r < end; r++) choose(s, op, r, room);
}

void sk_cpu_route(skald_stream *s, const skald_route *op) {
    sk_phase *p = sk_phase_add(s, op, sk_least(op->size, sizeof *op));
    if (p) p->count = route_count, p->job = route_job;
}

const char *sk_cpu_refuses_route(const skald_route *op) {
    const uint32_t n = op->logits.width;
    if (op->scoring < SKALD_SCORING_SOFTMAX || op->scoring > SKALD_SCORING_CHOSEN) return "this scoring of experts";
    if (n == 0 || n > SK_MOST_EXPERTS) return "so many experts";
    if (op->ids.width == 0 || op->ids.width > n) return "so many experts for a row";
    if (op->n_groups <= 1) return NULL;
    if (n % op->n_groups || op->n_groups_used == 0 || op->n_groups_used > op->n_groups)
        return "these groups of experts";
    if (op->n_group_best < 1 || op->n_group_best > 2 || op->n_group_best > n / op->n_groups)
        return "this rank of groups";
    return op->ids.width > n / op->n_groups * op->n_groups_used ? "more experts for a row than its groups have" : NULL;
}

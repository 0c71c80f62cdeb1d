/* A recorded pass and its cursor: phases in order, the jobs of a phase in any order on any thread.
 *
 *     phase 0      phase 1            phase 2
 *     ▪▪▪▪▪▪  ─▶   ▪▪▪▪▪▪▪▪▪▪▪▪  ─▶   ▪▪▪▪          a pause stops taking jobs; the cursor is (phase, next jobs,
 *                                                   attention between two pages)
 *
 * Each thread has a share of a phase's jobs, the same part of them in every phase, so that rows stay in its cache. One that
 * is done with its own takes from the others' shares. */
#include "backends/cpu/cpu.h"
#include "base/report.h"
#include <string.h>

/* A project is two phases: the rows are made ready, then multiplied. Attention too: splits, then their fold. */
#define PHASES_PER_OP 2u

static uint32_t phase_room(const skald_stream_plan *plan) {
    return plan->n_ops * (plan->max_experts ? SK_EXPERT_PHASES : PHASES_PER_OP);
}

static skald_stream *carve(sk_carver *c, const skald_stream_plan *plan, uint32_t level) {
    const uint64_t rows = sk_align(plan->n_rows, 16), width = sk_align(plan->max_width, SK_BLOCK);
    const uint64_t dim = sk_align(plan->max_head_dim, 16), tile = SK_ATTEND_ROWS * dim;
    const uint64_t score = SK_ATTEND_ROWS * SK_PAGE, wide = SK_PAGE * dim, sums = SK_SUM_ROWS * SK_PANEL;
    const uint64_t ranks = SK_ADAPT_ROWS * sk_align(plan->max_rank, SK_PANEL);
    const uint64_t room = 4 * tile + score + wide + sums + SK_SLICE_BYTES / sizeof(float) + ranks;
    const uint64_t blocks = SK_ATTEND_ROWS * sk_divide_up(dim, SK_BLOCK);
    skald_stream *s = sk_carve(c, 1, sizeof *s, SK_CACHE_LINE);
    sk_phase *phases = sk_carve(c, phase_room(plan), sizeof *phases, SK_CACHE_LINE);
    sk_q8 *quantized = sk_carve(c, sk_mul(rows, width / SK_BLOCK), sizeof *quantized, SK_CACHE_LINE);
    sk_q8 *next_quantized = sk_carve(c, sk_mul(rows, width / SK_BLOCK), sizeof *next_quantized, SK_CACHE_LINE);
    float *normed = sk_carve(c, sk_mul(rows, width), sizeof *normed, SK_CACHE_LINE);
    uint32_t *segments = sk_carve(c, rows + 1, sizeof *segments, SK_CACHE_LINE);
    uint32_t *segment_tiles = sk_carve(c, rows + 1, sizeof *segment_tiles, SK_CACHE_LINE);
    sk_thread_room *rooms = sk_carve(c, plan->n_threads, sizeof *rooms, SK_CACHE_LINE);
    sk_attend_cursor *cursors = sk_carve(c, plan->n_threads, sizeof *cursors, SK_CACHE_LINE);
    sk_share *shares = sk_carve(c, plan->n_threads, sizeof *shares, SK_CACHE_LINE);
    float *own = sk_carve(c, sk_mul(plan->n_threads, room), sizeof *own, SK_CACHE_LINE);
    sk_q8 *queries = sk_carve(c, sk_mul(plan->n_threads, blocks), sizeof *queries, SK_CACHE_LINE);
    int16_t *share = sk_carve(c, sk_mul(plan->n_threads, score), sizeof *share, SK_CACHE_LINE);
    sk_split_rows splits;
    splits.max = sk_carve(c, SK_SPLIT_ROWS, sizeof(float), SK_CACHE_LINE);
    splits.sum = sk_carve(c, SK_SPLIT_ROWS, sizeof(float), SK_CACHE_LINE);
    splits.out = sk_carve(c, sk_mul(SK_SPLIT_ROWS, plan->max_head_dim), sizeof(float), SK_CACHE_LINE);
    sk_expert_room experts;
    sk_expert_room_carve(c, &experts, plan, level);
    if (!s) return NULL;
    *s = (skald_stream){.plan = *plan,
                        .phase_room = phase_room(plan),
                        .phases = phases,
                        .quantized = {quantized, next_quantized},
                        .normed = normed,
                        .segments = segments,
                        .segment_tiles = segment_tiles,
                        .rooms = rooms,
                        .shares = shares,
                        .splits = splits,
                        .experts = experts};
    for (uint32_t i = 0; i < plan->n_threads; i++) {
        sk_thread_room *r = &rooms[i];
        r->q = own, r->block = r->q + tile, r->part = r->block + tile, r->all = r->part + tile;
        r->score = r->all + tile, r->wide = r->score + score, r->sums = r->wide + wide;
        r->slice = (uint8_t *)(r->sums + sums);
        r->ranks = r->sums + sums + SK_SLICE_BYTES / sizeof(float);
        r->quantized = queries + i * blocks, r->share = share + i * score;
        r->cursor = &cursors[i];
        own += room;
    }
    return s;
}

uint64_t sk_cpu_stream_bytes(skald_device *device, uint64_t *on_device, const skald_stream_plan *plan) {
    *on_device = 0;
    sk_carver c = {0};
    carve(&c, plan, device->kernels.level);
    return c.broken ? UINT64_MAX : c.used;
}

skald_status sk_cpu_stream_create(skald_stream **out, skald_device *device, const skald_stream_plan *plan) {
    uint64_t none, n = sk_cpu_stream_bytes(device, &none, plan);
    sk_carver c = {.base = device->host->alloc(device->host->self, n, SKALD_MEMORY_SCRATCH)};
    if (!c.base) return SKALD_MEMORY;
    skald_stream *s = carve(&c, plan, device->kernels.level);
    s->device = device;
    s->block_bytes = n;
    *out = s;
    return SKALD_OK;
}

void sk_cpu_stream_free(skald_stream *s) {
    if (s) s->device->host->free(s->device->host->self, s, s->block_bytes);
}

sk_phase *sk_phase_add(skald_stream *s, const void *op, uint32_t op_bytes) {
    if (s->n_phases == s->phase_room && s->failed == SKALD_OK) {
        s->failed = SKALD_ARGUMENT;
        s->failure = "more operations were recorded than planned";
    }
    if (s->failed != SKALD_OK) return NULL;
    sk_phase *phase = &s->phases[s->n_phases++];
    memset(phase, 0, sizeof *phase);
    memcpy(&phase->op, op, op_bytes);
    return phase;
}

skald_status sk_cpu_stream_seal(skald_stream *s, skald_report *why) {
    return s->failed == SKALD_OK ? SKALD_OK : sk_fail(why, s->failed, "cpu: %s", s->failure);
}

uint32_t sk_row_count(const skald_stream *s, const skald_rows *rows) {
    switch (rows->extent) {
    case SKALD_EXTENT_FIXED: return rows->n_rows;
    case SKALD_EXTENT_ROWS: return s->pass.n_rows;
    default: return s->pass.n_wanted;
    }
}

/* Runs of rows that share a page list. */
static void find_segments(skald_stream *s) {
    s->n_segments = 0;
    for (uint32_t r = 0; r < s->pass.n_rows; r++)
        if (r == 0 || s->pass.page_list[r] != s->pass.page_list[r - 1]) s->segments[s->n_segments++] = r;
    s->segments[s->n_segments] = s->pass.n_rows;
}

static void share_out(skald_stream *s) {
    const uint32_t n_threads = s->plan.n_threads;
    const sk_phase *phase = &s->phases[s->phase];
    const uint64_t n = s->phase < s->n_phases ? phase->count(s, phase) : 0;
    for (uint32_t t = 0; t < n_threads; t++) {
        atomic_store_explicit(&s->shares[t].next, (uint32_t)(n * t / n_threads), memory_order_relaxed);
        s->shares[t].end = (uint32_t)(n * (t + 1) / n_threads);
    }
}

skald_status sk_cpu_stream_start(skald_stream *s, skald_store *store, const skald_pass *pass) {
    if (pass->n_rows > s->plan.n_rows || pass->first_wanted + pass->n_wanted > s->plan.n_wanted) return SKALD_ARGUMENT;
    for (uint32_t r = 0; s->position_limit && r < pass->n_rows; r++)
        if (pass->positions[r] >= s->position_limit) return SKALD_ARGUMENT;
    s->store = store;
    s->pass = *pass;
    s->phase = 0;
    for (uint32_t t = 0; t < s->plan.n_threads; t++) {
        atomic_store(&s->rooms[t].cursor->stopped, 0);
        s->rooms[t].cursor->goes_on = false;
    }
    find_segments(s);
    share_out(s);
    return SKALD_OK;
}

static uint32_t jobs_left(const skald_stream *s) {
    uint32_t left = 0;
    for (uint32_t t = 0; t < s->plan.n_threads; t++) {
        const uint32_t next = atomic_load(&s->shares[t].next);
        if (next < s->shares[t].end) left += s->shares[t].end - next;
        left += atomic_load(&s->rooms[t].cursor->stopped) != 0;
    }
    return left;
}

bool sk_stream_stops(skald_stream *s) {
    const skald_poll poll = s->pass.poll ? s->pass.poll(s->pass.poll_self) : SKALD_POLL_GO;
    if (poll != SKALD_POLL_GO) atomic_store_explicit(&s->stop, poll, memory_order_relaxed);
    return atomic_load_explicit(&s->stop, memory_order_relaxed) != SKALD_POLL_GO;
}

static void run_job(skald_stream *s, uint32_t job, const sk_thread_room *room) {
    const sk_phase *phase = &s->phases[s->phase];
    phase->job(s, phase, job, room);
    if (room->cursor->goes_on) atomic_store(&room->cursor->stopped, job + 1);
    else sk_stream_stops(s);
}

static bool may_go(const skald_stream *s) {
    return atomic_load_explicit(&s->stop, memory_order_relaxed) == SKALD_POLL_GO;
}

/* Jobs of one share until there is none, or somebody asks to stop. */
static void take_jobs(skald_stream *s, sk_share *share, const sk_thread_room *room) {
    while (may_go(s)) {
        if (atomic_load_explicit(&share->next, memory_order_relaxed) >= share->end) return;
        uint32_t job = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
        if (job >= share->end) return;
        run_job(s, job, room);
    }
}

/* A job that was stopped is in this thread's room, and has to leave it before another one comes. */
static void work_phase(void *arg, uint32_t thread) {
    skald_stream *s = arg;
    const uint32_t stopped = may_go(s) ? atomic_exchange(&s->rooms[thread].cursor->stopped, 0) : 0;
    if (stopped) run_job(s, stopped - 1, &s->rooms[thread]);
    for (uint32_t i = 0, t = thread; i < s->plan.n_threads; i++, t = t + 1 < s->plan.n_threads ? t + 1 : 0)
        take_jobs(s, &s->shares[t], &s->rooms[thread]);
}

/* As many as there are jobs, and those in whose rooms one was stopped. */
static uint32_t threads_wanted(const skald_stream *s, uint32_t n_jobs) {
    uint32_t n = sk_least(n_jobs, s->plan.n_threads);
    for (uint32_t t = n; t < s->plan.n_threads; t++)
        if (atomic_load(&s->rooms[t].cursor->stopped)) n = t + 1;
    return n;
}

/* True when every job of the phase is done. */
static bool run_phase(skald_stream *s, void *team) {
    const skald_host *host = s->device->host;
    const uint32_t left = jobs_left(s);
    if (left) host->run(host->self, team, work_phase, s, threads_wanted(s, left));
    if (jobs_left(s)) return false;
    s->phase++;
    share_out(s);
    return true;
}

skald_status sk_cpu_stream_run(skald_stream *s) {
    const skald_host *host = s->device->host;
    void *team = host->enter(host->self, s->plan.n_threads);
    atomic_store(&s->stop, SKALD_POLL_GO);
    while (s->phase < s->n_phases && run_phase(s, team))
        if (atomic_load(&s->stop) != SKALD_POLL_GO) break;
    host->leave(host->self, team);
    if (s->phase == s->n_phases) return SKALD_OK;
    return atomic_load(&s->stop) == SKALD_POLL_PAUSE ? SKALD_PENDING : SKALD_CANCELLED;
}

void sk_cpu_stream_drop(skald_stream *s) { s->store = NULL; }

skald_status sk_cpu_stream_read(void *to, skald_stream *s, const skald_rows *rows, uint32_t first, uint32_t n) {
    (void)s;
    if (first > rows->n_rows || n > rows->n_rows - first) return SKALD_ARGUMENT;
    const char *from = rows->buffer->data + rows->offset + first * rows->stride;
    const uint64_t bytes = skald_dtype_bytes(rows->type, rows->width);
    for (uint32_t r = 0; r < n; r++) memcpy((char *)to + r * bytes, from + r * rows->stride, (size_t)bytes);
    return SKALD_OK;
}

/* Attention over pages: blocks of 128 keys, each as if it were alone, folded left to right in splits of four.
 *
 *     keys    |  page 0 |  page 1 |  page 2 |  page 3 ‖  page 4 |  page 5 | ...
 *             └───────────── split 0 ────────────────┘└──────── split 1 ─ ...
 *
 * A job is a tile: consecutive rows of one sequence by the query heads of one KV head, SK_ATTEND_ROWS rows at most. */
#include "backends/cpu/cpu.h"

#define BLOCKS_PER_SPLIT 4u
#define LOG2_E           1.44269504088896341f

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Query heads that a tile takes of one KV head, tokens that it takes, and tiles per KV head and token group. */
typedef struct {
    uint32_t heads, tokens, head_tiles;
} shape;

static shape shape_of(const skald_attend *op) {
    uint32_t group = op->n_heads / op->n_kv_heads;
    shape t = {.heads = least(group, SK_ATTEND_ROWS)};
    t.tokens = SK_ATTEND_ROWS / t.heads;
    t.head_tiles = op->n_kv_heads * (uint32_t)sk_divide_up(group, t.heads);
    return t;
}

static uint32_t count(const skald_stream *s, const sk_phase *p) {
    const shape t = shape_of(&p->op.attend);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_segments; i++)
        n += (uint32_t)sk_divide_up(s->segments[i + 1] - s->segments[i], t.tokens);
    return n * t.head_tiles;
}

/* Rows of a token tile: counted through the segments, so that none crosses from one sequence to another. */
static void tile_rows(const skald_stream *s, uint32_t *first, uint32_t *end, uint32_t tile, uint32_t tokens) {
    uint32_t i = 0;
    for (;; i++) {
        uint32_t n = (uint32_t)sk_divide_up(s->segments[i + 1] - s->segments[i], tokens);
        if (tile < n) break;
        tile -= n;
    }
    *first = s->segments[i] + tile * tokens;
    *end = least(*first + tokens, s->segments[i + 1]);
}

/* What a tile has seen so far: per row the largest score, the sum of exponentials, and the weighted values. */
typedef struct {
    float max[SK_ATTEND_ROWS], sum[SK_ATTEND_ROWS];
    bool any[SK_ATTEND_ROWS];
    float *out;
} seen;

static void fold(const sk_kernels *k, seen *to, uint32_t row, float max, float sum, const float *out, uint32_t dim) {
    float *mine = to->out + (size_t)row * dim;
    if (to->any[row]) {
        k->fold(&to->max[row], &to->sum[row], mine, max, sum, out, dim);
        return;
    }
    to->max[row] = max, to->sum[row] = sum, to->any[row] = true;
    for (uint32_t i = 0; i < dim; i++) mine[i] = out[i];
}

/* Visible positions of a row: [from, to). */
static void visible(const skald_attend *op, uint32_t position, uint32_t *from, uint32_t *to) {
    *to = position + 1;
    *from = op->window && *to > op->window ? *to - op->window : 0;
}

typedef struct {
    const skald_attend *op;
    uint32_t first_row, n_tokens, heads, first_head, kv_head;
} tile;

/* One page into the split: rows that see nothing of it are left out. */
static void attend_page(skald_stream *s, const tile *t, seen *split, uint32_t page_index, const sk_thread_room *room) {
    const skald_attend *op = t->op;
    const sk_kernels *k = &s->device->kernels;
    const uint32_t start = page_index * SK_PAGE, page = s->pass.pages[s->pass.page_list[t->first_row] + page_index];
    float max[SK_ATTEND_ROWS], sum[SK_ATTEND_ROWS];
    uint32_t row_of[SK_ATTEND_ROWS];
    sk_attend_block block = {
        .dim_k = op->head_dim_k, .dim_v = op->head_dim_v, .max = max, .sum = sum, .out = room->block};
    block.k = sk_store_k(s->store, op->layer, page, t->kv_head);
    block.v = sk_store_v(s->store, op->layer, page, t->kv_head);
    for (uint32_t i = 0; i < t->n_tokens; i++) {
        uint32_t from, to;
        visible(op, s->pass.positions[t->first_row + i], &from, &to);
        if (to <= start || from >= start + SK_PAGE) continue;
        for (uint32_t h = 0; h < t->heads; h++) {
            uint32_t n = block.n_rows++, row = i * t->heads + h;
            row_of[n] = row;
            block.q[n] = room->q + (size_t)row * op->head_dim_k;
            block.begin[n] = from > start ? from - start : 0;
            block.end[n] = least(to - start, SK_PAGE);
        }
    }
    if (block.n_rows == 0) return;
    (s->store->k_type == SKALD_F32 ? k->attend_f32 : k->attend_f16)(&block);
    for (uint32_t n = 0; n < block.n_rows; n++)
        fold(k, split, row_of[n], max[n], sum[n], block.out + (size_t)n * op->head_dim_v, op->head_dim_v);
}

static void scale_queries(skald_stream *s, const tile *t, float *q) {
    const skald_attend *op = t->op;
    for (uint32_t i = 0; i < t->n_tokens; i++) {
        const float *x = (const float *)sk_row(s, &op->q, t->first_row + i) + (size_t)t->first_head * op->head_dim_k;
        s->device->kernels.scale(q + (size_t)i * t->heads * op->head_dim_k, x, op->scale * LOG2_E,
                                 t->heads * op->head_dim_k);
    }
}

static void run_tile(skald_stream *s, const tile *t, const sk_thread_room *room) {
    const skald_attend *op = t->op;
    const sk_kernels *k = &s->device->kernels;
    const uint32_t n_rows = t->n_tokens * t->heads, dim = op->head_dim_v;
    seen all = {.out = room->all};
    uint32_t from, to, unused;
    visible(op, s->pass.positions[t->first_row], &from, &unused);
    visible(op, s->pass.positions[t->first_row + t->n_tokens - 1], &unused, &to);
    scale_queries(s, t, room->q);
    const uint32_t first_page = from / SK_PAGE, last_page = (to - 1) / SK_PAGE;
    for (uint32_t i = first_page / BLOCKS_PER_SPLIT; i <= last_page / BLOCKS_PER_SPLIT; i++) {
        seen split = {.out = room->part};
        for (uint32_t page = i * BLOCKS_PER_SPLIT; page < (i + 1) * BLOCKS_PER_SPLIT && page <= last_page; page++)
            if (page >= first_page) attend_page(s, t, &split, page, room);
        for (uint32_t r = 0; r < n_rows; r++)
            if (split.any[r]) fold(k, &all, r, split.max[r], split.sum[r], split.out + (size_t)r * dim, dim);
    }
    for (uint32_t r = 0; r < n_rows; r++) {
        float *y =
            (float *)sk_row(s, &op->out, t->first_row + r / t->heads) + (size_t)(t->first_head + r % t->heads) * dim;
        k->divide(y, all.out + (size_t)r * dim, all.sum[r], dim);
    }
}

static void job(skald_stream *s, const sk_phase *p, uint32_t index, const sk_thread_room *room) {
    const skald_attend *op = &p->op.attend;
    const shape cut = shape_of(op);
    const uint32_t group = op->n_heads / op->n_kv_heads, tiles = cut.head_tiles / op->n_kv_heads;
    const uint32_t head_tile = index % cut.head_tiles;
    tile t = {.op = op, .kv_head = head_tile / tiles};
    uint32_t end;
    tile_rows(s, &t.first_row, &end, index / cut.head_tiles, cut.tokens);
    t.n_tokens = end - t.first_row;
    t.first_head = t.kv_head * group + head_tile % tiles * cut.heads;
    t.heads = least(cut.heads, (t.kv_head + 1) * group - t.first_head);
    run_tile(s, &t, room);
}

void sk_cpu_attend(skald_stream *s, const skald_attend *op) {
    sk_phase *p = sk_phase_add(s, op, least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = count, p->job = job;
}

/* Attention over pages: blocks of 128 keys, each as if it were alone, folded left to right in splits of four.
 *
 *     keys    |  page 0 |  page 1 |  page 2 |  page 3 ‖  page 4 |  page 5 | ...
 *             └───────────── split 0 ────────────────┘└──────── split 1 ─ ...
 *
 * A tile is consecutive rows of one sequence by the query heads of one KV head, SK_ATTEND_ROWS rows at most. */
#include "backends/cpu/cpu.h"
#include <string.h>

#define BLOCKS_PER_SPLIT 4u
#define LOG2_E           1.44269504088896341f

/* Query heads that a tile takes of one KV head, tokens that it takes, and tiles per KV head and token group. */
typedef struct {
    uint32_t heads, tokens, head_tiles;
} shape;

static shape shape_of(const skald_attend *op) {
    uint32_t group = op->n_heads / op->n_kv_heads;
    shape t = {.heads = sk_least(group, SK_ATTEND_ROWS)};
    t.tokens = SK_ATTEND_ROWS / t.heads;
    t.head_tiles = op->n_kv_heads * (uint32_t)sk_divide_up(group, t.heads);
    return t;
}

static uint32_t tile_count(const skald_stream *s, const skald_attend *op) {
    const shape t = shape_of(op);
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
    *end = sk_least(*first + tokens, s->segments[i + 1]);
}

/* What a tile has seen so far: per row the largest score, the sum of exponentials (at least 1 once a key was seen, so 0 is
 * nothing), and the weighted values. */
typedef struct {
    float max[SK_ATTEND_ROWS], sum[SK_ATTEND_ROWS];
    float *out;
} seen;

static void fold(const sk_kernels *k, seen *to, uint32_t row, float max, float sum, const float *out, uint32_t dim) {
    float *mine = to->out + (size_t)row * dim;
    if (to->sum[row] != 0) {
        k->fold(&to->max[row], &to->sum[row], mine, max, sum, out, dim);
        return;
    }
    to->max[row] = max, to->sum[row] = sum;
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
            block.end[n] = sk_least(to - start, SK_PAGE);
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

/* Pages [first, end) of a tile that some row of it sees. */
static void visible_pages(const skald_stream *s, const tile *t, uint32_t *first, uint32_t *end) {
    uint32_t from, to, unused;
    visible(t->op, s->pass.positions[t->first_row], &from, &unused);
    visible(t->op, s->pass.positions[t->first_row + t->n_tokens - 1], &unused, &to);
    *first = from / SK_PAGE;
    *end = (to - 1) / SK_PAGE + 1;
}

/* The pages of one split, folded left to right; nothing is seen where none of them is visible. */
static void attend_split(skald_stream *s, const tile *t, seen *split, uint32_t index, const sk_thread_room *room) {
    uint32_t first, end;
    visible_pages(s, t, &first, &end);
    for (uint32_t page = index * BLOCKS_PER_SPLIT; page < (index + 1) * BLOCKS_PER_SPLIT && page < end; page++)
        if (page >= first) attend_page(s, t, split, page, room);
}

static void add_split(skald_stream *s, const tile *t, seen *all, const float *max, const float *sum, const float *out) {
    for (uint32_t r = 0; r < t->n_tokens * t->heads; r++)
        if (sum[r] != 0)
            fold(&s->device->kernels, all, r, max[r], sum[r], out + (size_t)r * t->op->head_dim_v, t->op->head_dim_v);
}

static void finish_tile(skald_stream *s, const tile *t, const seen *all) {
    const uint32_t dim = t->op->head_dim_v;
    for (uint32_t r = 0; r < t->n_tokens * t->heads; r++) {
        float *y =
            (float *)sk_row(s, &t->op->out, t->first_row + r / t->heads) + (size_t)(t->first_head + r % t->heads) * dim;
        s->device->kernels.divide(y, all->out + (size_t)r * dim, all->sum[r], dim);
    }
}

static tile tile_at(const skald_stream *s, const skald_attend *op, uint32_t index) {
    const shape cut = shape_of(op);
    const uint32_t group = op->n_heads / op->n_kv_heads, tiles = cut.head_tiles / op->n_kv_heads;
    const uint32_t head_tile = index % cut.head_tiles;
    tile t = {.op = op, .kv_head = head_tile / tiles};
    uint32_t end;
    tile_rows(s, &t.first_row, &end, index / cut.head_tiles, cut.tokens);
    t.n_tokens = end - t.first_row;
    t.first_head = t.kv_head * group + head_tile % tiles * cut.heads;
    t.heads = sk_least(cut.heads, (t.kv_head + 1) * group - t.first_head);
    return t;
}

/* ---- jobs. With many tiles a job is a tile. With few of them, as when one sequence is long and adds one token, a job is
 * a split of a tile, and a second phase folds the splits in the same order: the bits are the same. */

/* Splits that a tile may have in this pass; 1: the tiles are jobs as they are. */
static uint32_t splits_of(const skald_stream *s, const skald_attend *op) {
    const uint32_t n_tiles = tile_count(s, op);
    uint32_t longest = 0;
    if (n_tiles >= 4 * s->plan.n_threads) return 1;
    for (uint32_t r = 0; r < s->pass.n_rows; r++)
        if (s->pass.positions[r] > longest) longest = s->pass.positions[r];
    const uint32_t splits = longest / SK_PAGE / BLOCKS_PER_SPLIT + 1;
    return (uint64_t)n_tiles * splits * SK_ATTEND_ROWS <= SK_SPLIT_ROWS ? splits : 1;
}

static uint32_t attend_count(const skald_stream *s, const sk_phase *p) {
    return tile_count(s, &p->op.attend) * splits_of(s, &p->op.attend);
}

static void attend_job(skald_stream *s, const sk_phase *p, uint32_t index, const sk_thread_room *room) {
    const uint32_t splits = splits_of(s, &p->op.attend);
    const tile t = tile_at(s, &p->op.attend, index / splits);
    scale_queries(s, &t, room->q);
    if (splits > 1) {
        sk_split_rows *to = &s->splits;
        const size_t first = (size_t)index * SK_ATTEND_ROWS;
        seen split = {.out = to->out + first * p->op.attend.head_dim_v};
        attend_split(s, &t, &split, index % splits, room);
        memcpy(to->max + first, split.max, sizeof split.max);
        memcpy(to->sum + first, split.sum, sizeof split.sum);
        return;
    }
    uint32_t page, end;
    seen all = {.out = room->all};
    visible_pages(s, &t, &page, &end);
    for (uint32_t i = page / BLOCKS_PER_SPLIT; i * BLOCKS_PER_SPLIT < end; i++) {
        seen split = {.out = room->part};
        attend_split(s, &t, &split, i, room);
        add_split(s, &t, &all, split.max, split.sum, split.out);
    }
    finish_tile(s, &t, &all);
}

static uint32_t merge_count(const skald_stream *s, const sk_phase *p) {
    return splits_of(s, &p->op.attend) > 1 ? tile_count(s, &p->op.attend) : 0;
}

static void merge_job(skald_stream *s, const sk_phase *p, uint32_t index, const sk_thread_room *room) {
    const uint32_t splits = splits_of(s, &p->op.attend);
    const tile t = tile_at(s, &p->op.attend, index);
    seen all = {.out = room->all};
    for (uint32_t i = 0; i < splits; i++) {
        const size_t first = ((size_t)index * splits + i) * SK_ATTEND_ROWS;
        add_split(s, &t, &all, s->splits.max + first, s->splits.sum + first,
                  s->splits.out + first * p->op.attend.head_dim_v);
    }
    finish_tile(s, &t, &all);
}

void sk_cpu_attend(skald_stream *s, const skald_attend *op) {
    sk_phase *p = sk_phase_add(s, op, sk_least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = attend_count, p->job = attend_job;
    p = sk_phase_add(s, op, sk_least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = merge_count, p->job = merge_job;
}

/* Attention over pages: blocks of 128 keys, each as if it were alone, folded left to right in splits of four.
 *
 *     keys    |  page 0 |  page 1 |  page 2 |  page 3 ‖  page 4 |  page 5 | ...
 *             └───────────── split 0 ────────────────┘└──────── split 1 ─ ...
 *
 * A tile is consecutive rows of one sequence by the query heads of one KV head, SK_ATTEND_ROWS rows at most. Behind
 * thousands of keys it takes milliseconds: it can be stopped between two pages, and goes on there. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/kept.h"
#include <string.h>

#define BLOCKS_PER_SPLIT 4u
/* Enough that threads end together, few enough that a job's first page is seldom. */
#define JOBS_PER_THREAD  8u
#define LOG2_E           1.44269504088896341f

/* Rows of a token tile: counted through the segments, so that none crosses from one sequence to another. */
static void tile_rows(const skald_stream *s, uint32_t *first, uint32_t *end, uint32_t tile) {
    uint32_t low = 0, high = s->n_segments; /* its segment is one of low ... high - 1 */
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (s->segment_tiles[middle] <= tile) low = middle;
        else high = middle;
    }
    const uint32_t tokens = s->cut.attend.tokens;
    *first = s->segments[low] + (tile - s->segment_tiles[low]) * tokens;
    *end = sk_least(*first + tokens, s->segments[low + 1]);
}

static void fold(const sk_kernels *k, sk_seen *to, uint32_t row, float max, float sum, const float *out, uint32_t dim) {
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
    sk_q8 *to; /* where outputs go quantized too, or NULL */
} tile;

/* The keys of a page; values lie behind them. */
static const char *keys_of(const skald_stream *s, const tile *t, uint32_t page_index) {
    const uint32_t page = sk_store_page(s, t->op->layer, t->first_row, page_index);
    return sk_store_k(s->store, t->op->layer, page, t->kv_head);
}

static skald_dtype value_type(const skald_stream *s, const skald_attend *op) {
    return op->values_in_keys ? s->store->k_type : s->store->v_type;
}

/* One page with its keys into the split: rows that see nothing of it are left out. `next` are the keys read after it. */
static void attend_page(skald_stream *s, const tile *t, sk_seen *split, uint32_t page_index, const char *keys,
                        const char *next, const sk_thread_room *room) {
    const skald_attend *op = t->op;
    const sk_kernels *k = &s->device->kernels;
    const uint32_t start = page_index * SK_PAGE;
    float max[SK_ATTEND_ROWS], sum[SK_ATTEND_ROWS];
    uint32_t row_of[SK_ATTEND_ROWS];
    sk_attend_block block = {.dim_k = op->head_dim_k,
                             .dim_v = op->head_dim_v,
                             .max = max,
                             .sum = sum,
                             .out = room->block,
                             .k = keys,
                             .next = next,
                             .k_type = s->store->k_type,
                             .v_type = value_type(s, op),
                             .cap = op->soft_cap * LOG2_E,
                             .score = room->score,
                             .share = room->share,
                             .wide = room->wide};
    block.v = op->values_in_keys ? NULL : keys + s->store->layers[op->layer].k_bytes;
    for (uint32_t i = 0; i < t->n_tokens; i++) {
        uint32_t from, to;
        visible(op, s->pass.positions[t->first_row + i], &from, &to);
        if (to <= start || from >= start + SK_PAGE) continue;
        for (uint32_t h = 0; h < t->heads; h++) {
            uint32_t n = block.n_rows++, row = i * t->heads + h;
            row_of[n] = row;
            block.q[n] = room->q + (size_t)row * op->head_dim_k;
            block.quantized[n] = room->quantized + (size_t)row * (op->head_dim_k / SK_BLOCK);
            block.begin[n] = from > start ? from - start : 0;
            block.end[n] = sk_least(to - start, SK_PAGE);
        }
    }
    if (block.n_rows == 0) return;
    k->attend(&block);
    for (uint32_t n = 0; n < block.n_rows; n++)
        fold(k, split, row_of[n], max[n], sum[n], block.out + (size_t)n * op->head_dim_v, op->head_dim_v);
}

/* Queries in units of log2, or of the cap where there is one; in integers too where they meet keys in blocks. */
static void scale_queries(skald_stream *s, const tile *t, const sk_thread_room *room) {
    const skald_attend *op = t->op;
    const float scale = op->soft_cap > 0.0f ? op->scale / op->soft_cap : op->scale * LOG2_E;
    const sk_kernels *k = &s->device->kernels;
    const uint32_t n = t->heads * op->head_dim_k;
    for (uint32_t i = 0; i < t->n_tokens; i++) {
        const float *x = (const float *)sk_row(s, &op->q, t->first_row + i) + (size_t)t->first_head * op->head_dim_k;
        float *q = room->q + (size_t)i * n;
        k->scale(q, x, scale, n);
        if (!sk_kept_in_blocks(s->store->k_type)) continue;
        k->hadamard(q, q, SK_MEET_SCALE, n / SK_BLOCK);
        k->quantize(room->quantized + (size_t)i * (n / SK_BLOCK), q, n / SK_BLOCK);
    }
}

typedef struct {
    uint32_t first, end;
} page_range;

/* Pages of a tile that some row of it sees. */
static page_range visible_pages(const skald_stream *s, const tile *t) {
    uint32_t from, to, unused;
    visible(t->op, s->pass.positions[t->first_row], &from, &unused);
    visible(t->op, s->pass.positions[t->first_row + t->n_tokens - 1], &unused, &to);
    return (page_range){from / SK_PAGE, (to - 1) / SK_PAGE + 1};
}

/* The pages of the split at the cursor, folded left to right, from the cursor's on; nothing is seen where none of them is
 * in the range. False: stopped. */
static bool attend_split(skald_stream *s, const tile *t, page_range pages, const sk_thread_room *room) {
    sk_attend_cursor *at = room->cursor;
    const uint32_t first = at->split * BLOCKS_PER_SPLIT, end = sk_least(first + BLOCKS_PER_SPLIT, pages.end);
    uint32_t page = first < pages.first ? pages.first : first;
    if (page < at->page) page = at->page;
    const char *next = page < end ? keys_of(s, t, page) : NULL;
    while (page < end) {
        const char *keys = next;
        const uint32_t index = page++;
        if (page < pages.end) next = keys_of(s, t, page);
        attend_page(s, t, &at->part, index, keys, next, room);
        if (page < pages.end && sk_stream_stops(s)) return at->page = page, false;
    }
    return true;
}

static void add_split(skald_stream *s, const tile *t, sk_seen *all, const float *max, const float *sum,
                      const float *out) {
    for (uint32_t r = 0; r < t->n_tokens * t->heads; r++)
        if (sum[r] != 0)
            fold(&s->device->kernels, all, r, max[r], sum[r], out + (size_t)r * t->op->head_dim_v, t->op->head_dim_v);
}

/* Each head's sink, as the last block: a score that takes its part of the sum and brings no value. */
static void add_sinks(skald_stream *s, const tile *t, sk_seen *all, const sk_thread_room *room) {
    const skald_rows *sinks = &t->op->sinks;
    const uint32_t dim = t->op->head_dim_v;
    const float *sink = (const float *)(void *)(sinks->buffer->data + sinks->offset) + t->first_head;
    memset(room->block, 0, dim * sizeof *room->block);
    for (uint32_t r = 0; r < t->n_tokens * t->heads; r++)
        fold(&s->device->kernels, all, r, sink[r % t->heads] * LOG2_E, 1.0f, room->block, dim);
}

static void finish_tile(skald_stream *s, const tile *t, sk_seen *all, const sk_thread_room *room) {
    const sk_kernels *k = &s->device->kernels;
    const uint32_t dim = t->op->head_dim_v;
    if (t->op->sinks.buffer) add_sinks(s, t, all, room);
    for (uint32_t r = 0; r < t->n_tokens * t->heads; r++) {
        const uint32_t row = t->first_row + r / t->heads, head = t->first_head + r % t->heads;
        float *y = (float *)sk_row(s, &t->op->out, row) + (size_t)head * dim;
        k->divide(y, all->out + (size_t)r * dim, all->sum[r], dim);
        if (sk_kept_in_blocks(value_type(s, t->op))) k->hadamard(y, y, SK_MEET_SCALE, dim / SK_BLOCK);
        if (t->to) sk_quantize_row(s, t->to, &t->op->out, row, y, head * (dim / SK_BLOCK), dim / SK_BLOCK);
    }
}

static tile tile_at(const skald_stream *s, const skald_attend *op, sk_q8 *to, uint32_t index) {
    const sk_attend_cut *c = &s->cut.attend;
    const uint32_t group = op->n_heads / op->n_kv_heads, tiles = c->head_tiles / op->n_kv_heads;
    const uint32_t head_tile = index % c->head_tiles;
    tile t = {.op = op, .kv_head = head_tile / tiles, .to = to};
    uint32_t end;
    tile_rows(s, &t.first_row, &end, index / c->head_tiles);
    t.n_tokens = end - t.first_row;
    t.first_head = t.kv_head * group + head_tile % tiles * c->heads;
    t.heads = sk_least(c->heads, (t.kv_head + 1) * group - t.first_head);
    return t;
}

/* ---- jobs. With many tiles a job is a tile. With few of them, as when one sequence is long and adds one token, a job is
 * some splits of a tile, and a second phase folds the splits in the same order: the bits are the same. */

static void cut_tiles(skald_stream *s, const skald_attend *op) {
    sk_attend_cut *c = &s->cut.attend;
    const uint32_t group = op->n_heads / op->n_kv_heads;
    c->heads = sk_least(group, SK_ATTEND_ROWS);
    c->tokens = SK_ATTEND_ROWS / c->heads;
    c->head_tiles = op->n_kv_heads * (uint32_t)sk_divide_up(group, c->heads);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_segments; i++) {
        s->segment_tiles[i] = n;
        n += (uint32_t)sk_divide_up(s->segments[i + 1] - s->segments[i], c->tokens);
    }
    s->segment_tiles[s->n_segments] = n;
    c->tiles = n * c->head_tiles;
}

static void cut_splits(skald_stream *s) {
    sk_attend_cut *c = &s->cut.attend;
    uint32_t longest = 0, position = 0;
    c->parts = 1;
    if (c->tiles == 0 || c->tiles >= 4 * s->plan.n_threads) return;
    for (uint32_t i = 0; i < s->n_segments; i++) {
        const uint32_t n = s->segments[i + 1] - s->segments[i], last = s->pass.positions[s->segments[i + 1] - 1];
        if (n > longest) longest = n;
        if (last > position) position = last;
    }
    c->rows = c->heads * sk_least(c->tokens, longest);
    c->splits = position / SK_PAGE / BLOCKS_PER_SPLIT + 1;
    if ((uint64_t)c->tiles * c->splits * c->rows > SK_SPLIT_ROWS) return;
    const uint32_t wanted = (uint32_t)sk_divide_up(JOBS_PER_THREAD * s->plan.n_threads, c->tiles);
    c->per_job = c->splits > wanted ? c->splits / wanted : 1;
    c->parts = (uint32_t)sk_divide_up(c->splits, c->per_job);
}

static uint32_t attend_count(skald_stream *s, const sk_phase *p) {
    cut_tiles(s, &p->op.attend);
    cut_splits(s);
    return s->cut.attend.tiles * s->cut.attend.parts;
}

/* False: stopped. */
static bool attend_tile(skald_stream *s, const tile *t, const sk_thread_room *room) {
    sk_attend_cursor *at = room->cursor;
    const page_range pages = visible_pages(s, t);
    if (!at->goes_on) at->split = pages.first / BLOCKS_PER_SPLIT;
    for (; at->split * BLOCKS_PER_SPLIT < pages.end; at->split++) {
        at->part.out = room->part;
        if (!attend_split(s, t, pages, room)) return false;
        add_split(s, t, &at->all, at->part.max, at->part.sum, at->part.out);
        memset(at->part.sum, 0, sizeof at->part.sum);
    }
    finish_tile(s, t, &at->all, room);
    return true;
}

/* False: stopped. */
static bool attend_part(skald_stream *s, const tile *t, uint32_t index, uint32_t part, const sk_thread_room *room) {
    const sk_attend_cut *c = &s->cut.attend;
    sk_attend_cursor *at = room->cursor;
    const uint32_t first = part * c->per_job, end = sk_least(first + c->per_job, c->splits);
    const page_range pages = visible_pages(s, t);
    if (!at->goes_on) at->split = first;
    for (; at->split < end; at->split++) {
        const size_t row = ((size_t)index * c->splits + at->split) * c->rows;
        at->part.out = s->splits.out + row * t->op->head_dim_v;
        if (!attend_split(s, t, pages, room)) return false;
        memcpy(s->splits.max + row, at->part.max, c->rows * sizeof *at->part.max);
        memcpy(s->splits.sum + row, at->part.sum, c->rows * sizeof *at->part.sum);
        memset(at->part.sum, 0, sizeof at->part.sum);
    }
    return true;
}

static void attend_job(skald_stream *s, const sk_phase *p, uint32_t index, const sk_thread_room *room) {
    const uint32_t parts = s->cut.attend.parts;
    const tile t = tile_at(s, &p->op.attend, p[1].to, index / parts); /* what follows is told to the merge */
    sk_attend_cursor *at = room->cursor;
    if (!at->goes_on) {
        scale_queries(s, &t, room);
        at->page = 0;
        at->all.out = room->all;
        memset(at->part.sum, 0, sizeof at->part.sum);
        memset(at->all.sum, 0, sizeof at->all.sum);
    }
    at->goes_on = !(parts > 1 ? attend_part(s, &t, index / parts, index % parts, room) : attend_tile(s, &t, room));
}

/* The cut of the phase before, which was its attention, still stands. */
static uint32_t merge_count(skald_stream *s, const sk_phase *p) {
    (void)p;
    return s->cut.attend.parts > 1 ? s->cut.attend.tiles : 0;
}

static void merge_job(skald_stream *s, const sk_phase *p, uint32_t index, const sk_thread_room *room) {
    const sk_attend_cut *c = &s->cut.attend;
    const tile t = tile_at(s, &p->op.attend, p->to, index);
    sk_seen all = {.out = room->all};
    for (uint32_t i = 0; i < c->splits; i++) {
        const size_t at = ((size_t)index * c->splits + i) * c->rows;
        add_split(s, &t, &all, s->splits.max + at, s->splits.sum + at, s->splits.out + at * p->op.attend.head_dim_v);
    }
    finish_tile(s, &t, &all, room);
}

void sk_cpu_attend(skald_stream *s, const skald_attend *op) {
    sk_phase *p = sk_phase_add(s, op, sk_least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = attend_count, p->job = attend_job;
    p = sk_phase_add(s, op, sk_least(op->size, (uint32_t)sizeof *op));
    if (p) p->count = merge_count, p->job = merge_job, p->results = op->head_dim_v % SK_BLOCK ? p->results : op->out;
}

/* A pass on the test device: tables go up at start, the worker takes one operation after another while the host asks
 * its own side between them whether to go on. */
#include "device/device.h"
#include <string.h>
#include <time.h>

/* Places of the tables in the stream's block. Returns the block's bytes. */
static uint64_t lay_out(device_pass *pass, device_address block, const skald_stream_plan *p) {
    uint64_t at = block + ((sizeof *pass + 63) & ~(uint64_t)63);
    *pass = (device_pass){.ops = at};
    pass->tokens = at += p->n_ops * sizeof(device_op);
    pass->positions = at += (uint64_t)4 * p->n_rows;
    pass->page_list = at += (uint64_t)4 * p->n_rows;
    pass->state_from = at += (uint64_t)4 * p->n_rows;
    pass->state_before = at += (uint64_t)4 * p->n_rows;
    pass->state_to = at += (uint64_t)4 * p->n_rows;
    pass->wanted = at += (uint64_t)4 * p->n_rows;
    return at + (uint64_t)4 * p->n_wanted - block;
}

/* Scratch, which only the recorded list tells, comes on top. */
uint64_t device_stream_bytes(skald_device *d, uint64_t *on_device, const skald_stream_plan *plan) {
    device_pass measured;
    (void)d;
    *on_device = lay_out(&measured, 0, plan);
    return sizeof(skald_stream);
}

static skald_status describe(skald_device *d, void *arg) {
    skald_stream *s = arg;
    lay_out(device_at(d, s->block), s->block, &s->plan);
    return SKALD_OK;
}

skald_status device_stream_create(skald_stream **out, skald_device *d, const skald_stream_plan *plan) {
    *out = NULL;
    skald_stream *s = device_host_block(d, sizeof *s, SKALD_MEMORY_SCRATCH);
    if (!s) return SKALD_MEMORY;
    s->device = d;
    memcpy(&s->plan, plan, plan->size < sizeof s->plan ? plan->size : sizeof s->plan);
    device_pass measured;
    skald_status status = device_take(&s->block, d, lay_out(&measured, 0, &s->plan));
    if (status == SKALD_OK) status = device_do(d, describe, s);
    if (status == SKALD_OK) *out = s;
    else device_stream_free(s);
    return status;
}

void device_stream_free(skald_stream *s) {
    if (!s) return;
    device_give(s->device, s->late_block);
    device_give(s->device, s->block);
    s->device->host->free(s->device->host->self, s, sizeof *s);
}

/* What only the whole list tells: scratch, and room for embedding rows. */
static skald_status complete(skald_device *d, void *arg) {
    const skald_stream *s = arg;
    device_pass *pass = device_at(d, s->block);
    pass->n_ops = s->n_ops;
    pass->vocabulary = s->vocabulary;
    pass->position_limit = s->position_limit;
    pass->embedding_width = s->embedding_width;
    pass->scratch = s->late_block;
    pass->low_ranks = s->late_block + s->scratch_doubles * sizeof(double);
    pass->embeddings = pass->low_ranks + device_low_rank_bytes(s);
    pass->most_rows = s->plan.n_rows;
    return SKALD_OK;
}

skald_status device_stream_seal(skald_stream *s, skald_report *why) {
    if (s->failure != SKALD_OK) return device_say(why, s->failure, s->failure_text);
    if (s->sealed) return device_say(why, SKALD_ARGUMENT, "the stream is sealed already");
    uint64_t n_bytes = s->scratch_doubles * sizeof(double) + device_low_rank_bytes(s) +
                       (uint64_t)4 * s->embedding_width * s->plan.n_rows;
    skald_status status = device_take(&s->late_block, s->device, n_bytes);
    if (status == SKALD_OK) status = device_do(s->device, complete, s);
    if (status != SKALD_OK) return device_say(why, status, "the device has no memory for the pass");
    s->sealed = true;
    return SKALD_OK;
}

/* ---- start */

typedef struct start_args {
    skald_stream *s;
    skald_store *store;
    const skald_pass *from;
} start_args;

/* The page lists of a row, as far as they reach, into the device's table. */
static skald_status take_pages(skald_device *d, const device_store *store, const skald_pass *from, uint32_t r) {
    uint32_t n = from->positions[r] / SKALD_PAGE_TOKENS + 1;
    uint64_t lists = (uint64_t)store->n_sequences * store->n_list, first = from->page_list[r];
    if (first + n > lists) return SKALD_ARGUMENT;
    for (uint32_t g = 0; g < store->n_groups; g++, first += lists) {
        memcpy((uint32_t *)device_at(d, store->table) + first, from->pages + first, (size_t)n * 4);
        if (from->pages[first + n - 1] >= store->units[g].n) return SKALD_ARGUMENT;
    }
    return SKALD_OK;
}

static skald_status take_row(skald_device *d, const device_pass *pass, const skald_pass *from, uint32_t r) {
    int32_t token = from->tokens[r];
    uint64_t width = pass->embedding_width;
    if (width == 0) return SKALD_OK; /* nothing is looked up */
    if (pass->position_limit && from->positions[r] >= pass->position_limit) return SKALD_ARGUMENT;
    if (token >= 0) return (uint32_t)token < pass->vocabulary ? SKALD_OK : SKALD_ARGUMENT;
    if (!from->embeddings) return SKALD_ARGUMENT;
    float *to = (float *)device_at(d, pass->embeddings) + r * width;
    memcpy(to, from->embeddings + (uint64_t)(-1 - (int64_t)token) * width, (size_t)width * sizeof *to);
    return SKALD_OK;
}

/* The slots of a row, all of which must be there but `from` at position 0 and `before` where no line is crossed. */
static skald_status take_slots(skald_device *d, const device_pass *pass, const skald_pass *from, uint32_t r,
                               uint32_t n_slots) {
    const uint32_t *given[] = {from->state_from, from->state_before, from->state_to};
    const device_address to[] = {pass->state_from, pass->state_before, pass->state_to};
    if (!from->state_from || !from->state_before || !from->state_to) return SKALD_ARGUMENT;
    for (int i = 0; i < 3; i++) {
        if (given[i][r] >= n_slots && (given[i][r] != SKALD_NO_SLOT || i == 2)) return SKALD_ARGUMENT;
        ((uint32_t *)device_at(d, to[i]))[r] = given[i][r];
    }
    return SKALD_OK;
}

/* What the operation expects of the layer, or nothing. */
static bool fits_state(const device_op *op, const skald_store_layer *l) {
    const uint64_t four = sizeof(float);
    if (op->kind == SKALD_OP_CONVOLVE) {
        const skald_convolve *c = &op->as.convolve;
        return c->state_offset + four * (c->n_taps - 1) * c->x.width <= l->state_bytes &&
               c->row_offset + four * c->x.width <= l->row_bytes;
    }
    const skald_delta *t = &op->as.delta;
    const uint64_t head = (uint64_t)t->head_dim_k * t->head_dim_v, row = (uint64_t)t->head_dim_k + t->head_dim_v + 1;
    return t->state_offset + four * t->n_heads * head <= l->state_bytes &&
           t->row_offset + four * t->n_heads * row <= l->row_bytes;
}

/* The store must have the layer with the shape that the operation was recorded for. */
static bool fits(skald_device *d, const device_store *store, const device_op *op) {
    bool append = op->kind == SKALD_OP_APPEND, state = op->kind == SKALD_OP_CONVOLVE || op->kind == SKALD_OP_DELTA;
    if (!append && !state && op->kind != SKALD_OP_ATTEND) return true;
    uint32_t layer = append                          ? op->as.append.layer
                     : op->kind == SKALD_OP_CONVOLVE ? op->as.convolve.layer
                     : state                         ? op->as.delta.layer
                                                     : op->as.attend.layer;
    if (!store || layer >= store->n_layers) return false;
    const skald_store_layer *l = &((const device_layer *)device_at(d, store->layers))[layer].shape;
    if (state) return fits_state(op, l);
    const uint32_t kept_v = append                         ? op->as.append.head_dim_v
                            : op->as.attend.values_in_keys ? 0 /* of latents only keys are kept */
                                                           : op->as.attend.head_dim_v;
    return l->n_kv_heads == (append ? op->as.append.n_kv_heads : op->as.attend.n_kv_heads) &&
           l->head_dim_k == (append ? op->as.append.head_dim_k : op->as.attend.head_dim_k) && l->head_dim_v == kept_v;
}

static skald_status start(skald_device *d, void *arg) {
    start_args *a = arg;
    const skald_pass *from = a->from;
    device_pass *pass = device_at(d, a->s->block);
    const device_store *store = a->store ? device_at(d, a->store->block) : NULL;
    const device_op *ops = device_at(d, pass->ops);
    for (uint32_t i = 0; i < pass->n_ops; i++)
        if (!fits(d, store, &ops[i])) return SKALD_ARGUMENT;
    for (uint32_t i = 0; i < from->n_wanted; i++)
        if (from->wanted[i] >= from->n_rows) return SKALD_ARGUMENT;
    for (uint32_t r = 0; r < from->n_rows; r++) {
        skald_status status = take_row(d, pass, from, r);
        if (status == SKALD_OK && store) status = take_pages(d, store, from, r);
        if (status == SKALD_OK && store && store->units[store->n_groups].n)
            status = take_slots(d, pass, from, r, store->units[store->n_groups].n);
        if (status != SKALD_OK) return status;
    }
    skald_status status = device_take_low_ranks(a->s, pass, from);
    if (status != SKALD_OK) return status;
    pass->store = store ? a->store->block : 0;
    pass->n_rows = from->n_rows;
    pass->n_wanted = from->n_wanted;
    pass->first_wanted = from->first_wanted;
    memcpy(device_at(d, pass->tokens), from->tokens, (size_t)4 * from->n_rows);
    memcpy(device_at(d, pass->positions), from->positions, (size_t)4 * from->n_rows);
    if (store) memcpy(device_at(d, pass->page_list), from->page_list, (size_t)4 * from->n_rows);
    if (from->n_wanted) memcpy(device_at(d, pass->wanted), from->wanted, (size_t)4 * from->n_wanted);
    return SKALD_OK;
}

skald_status device_stream_start(skald_stream *s, skald_store *store, const skald_pass *given) {
    skald_pass pass = {0};
    memcpy(&pass, given, given->size < sizeof pass ? given->size : sizeof pass);
    if (s->under_way) return SKALD_BUSY;
    if (!s->sealed || (store && store->device != s->device) || pass.n_rows > s->plan.n_rows ||
        pass.first_wanted > s->plan.n_wanted || pass.n_wanted > s->plan.n_wanted - pass.first_wanted)
        return SKALD_ARGUMENT;
    if (device_fires(s->device, &s->device->started, &s->device->fail_start)) return SKALD_DEVICE;
    start_args a = {s, store, &pass};
    skald_status status = device_do(s->device, start, &a);
    if (status != SKALD_OK) return status;
    s->under_way = true;
    s->cursor = 0;
    s->poll = pass.poll;
    s->poll_self = pass.poll_self;
    return SKALD_OK;
}

/* ---- run */

/* A while of its own before each operation, as a device has. */
static void dawdle(skald_device *d) {
    d->random ^= d->random << 13, d->random ^= d->random >> 7, d->random ^= d->random << 17;
    if (d->delay == 0) return;
    struct timespec t = {0, (long)(d->random % (d->delay % 1000 + 1) * 1000)};
    nanosleep(&t, NULL);
}

static skald_status run_one(skald_device *d, void *arg) {
    const skald_stream *s = arg;
    const device_pass *pass = device_at(d, s->block);
    const device_op *op = (const device_op *)device_at(d, pass->ops) + s->cursor;
    dawdle(d);
    if (!device_fires(d, &d->executed, &d->fail_op)) return device_execute(d, pass, op);
    device_spoil(d, pass, op);
    return SKALD_DEVICE;
}

/* At least one operation a call, so that no budget is too small to get to the end. */
skald_status device_stream_run(skald_stream *s) {
    if (!s->under_way) return SKALD_ARGUMENT;
    skald_status status = SKALD_OK;
    while (s->cursor < s->n_ops && status == SKALD_OK) {
        status = device_do(s->device, run_one, s);
        if (status != SKALD_OK || ++s->cursor == s->n_ops || !s->poll) continue;
        skald_poll wish = s->poll(s->poll_self);
        if (wish == SKALD_POLL_PAUSE) return SKALD_PENDING;
        if (wish == SKALD_POLL_CANCEL) status = SKALD_CANCELLED;
    }
    s->under_way = false;
    return status;
}

void device_stream_drop(skald_stream *s) { s->under_way = false; }

/* ---- results */

typedef struct read_args {
    float *to;
    const skald_rows *rows;
    uint32_t first, n;
} read_args;

static skald_status read_rows(skald_device *d, void *arg) {
    read_args *a = arg;
    const skald_rows *r = a->rows;
    for (uint32_t i = 0; i < a->n; i++)
        memcpy(a->to + (uint64_t)i * r->width,
               device_at(d, r->buffer->address + r->offset + (uint64_t)(a->first + i) * r->stride),
               (size_t)r->width * sizeof(float));
    return SKALD_OK;
}

skald_status device_stream_read(void *to, skald_stream *s, const skald_rows *r, uint32_t first, uint32_t n) {
    if (n == 0) return SKALD_OK;
    if (!r->buffer || r->buffer->device != s->device || r->type != SKALD_F32 || first > r->n_rows ||
        n > r->n_rows - first ||
        r->offset + (uint64_t)(first + n - 1) * r->stride + 4ull * r->width > r->buffer->n_bytes)
        return SKALD_ARGUMENT;
    read_args a = {to, r, first, n};
    return device_do(s->device, read_rows, &a);
}

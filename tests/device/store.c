/* Cache pages of the test device: V before K, heads from last to first, positions interleaved, elements backwards; in slots
 * rows before states and from last to first. */
#include "device/device.h"
#include "base/exact.h"
#include <string.h>

static uint64_t element_bytes(skald_dtype type) {
    return type == SKALD_F8_E4M3 ? 1 : type == SKALD_F16 ? 2 : type == SKALD_F32 ? 4 : 0;
}

static uint32_t dimension(const device_layer *l, uint32_t part) {
    return part == SKALD_PART_K ? l->shape.head_dim_k : l->shape.head_dim_v;
}

static uint64_t part_bytes(const device_layer *l, uint32_t part, skald_dtype type) {
    uint64_t n = (uint64_t)l->shape.n_kv_heads * SKALD_PAGE_TOKENS * dimension(l, part) * element_bytes(type);
    return (n + 63) & ~(uint64_t)63;
}

static uint32_t units_of(const skald_store_layer *l, uint32_t n_groups) { return l->state_bytes ? n_groups : l->group; }

static uint64_t up(uint64_t n) { return (n + 63) & ~(uint64_t)63; }

/* Where each layer's parts lie in the pages of one group, or in a slot. Returns the bytes of one. */
static uint64_t lay_out(device_layer *layers, const skald_store_plan *plan, uint32_t units) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        device_layer own = {.shape = plan->layers[i]};
        if (units_of(&own.shape, plan->n_groups) != units) continue;
        own.offset[SKALD_PART_V] = at;
        at += part_bytes(&own, SKALD_PART_V, plan->v_type);
        own.offset[SKALD_PART_K] = at;
        at += part_bytes(&own, SKALD_PART_K, plan->k_type);
        own.offset[SKALD_PART_ROWS] = at;
        at += up((uint64_t)SKALD_STATE_GRID * own.shape.row_bytes);
        own.offset[SKALD_PART_STATE] = at;
        at += up(own.shape.state_bytes);
        if (layers) layers[i] = own;
    }
    return at;
}

/* The store from a block at `block`. Returns the block's bytes. */
static uint64_t describe(device_store *s, device_address block, const skald_store_plan *p) {
    *s = (device_store){.n_layers = p->n_layers,
                        .n_groups = p->n_groups,
                        .n_sequences = p->n_sequences,
                        .n_list = p->n_list,
                        .type = {p->k_type, p->v_type},
                        .layers = block + sizeof *s,
                        .table = block + sizeof *s + p->n_layers * sizeof(device_layer)};
    uint64_t at = up(s->table + (uint64_t)4 * p->n_groups * p->n_sequences * p->n_list);
    for (uint32_t u = 0; u <= p->n_groups; u++) {
        s->units[u] = (device_units){u < p->n_groups ? p->groups[u].n_pages : p->n_slots, lay_out(NULL, p, u), at};
        at += s->units[u].n * s->units[u].n_bytes;
    }
    return at - block;
}

typedef struct create_args {
    const skald_store_plan *plan;
    const skald_store *store;
} create_args;

static skald_status write_tables(skald_device *d, void *arg) {
    const create_args *a = arg;
    const device_store *s = &a->store->described;
    memcpy(device_at(d, a->store->block), s, sizeof *s);
    for (uint32_t u = 0; u <= s->n_groups; u++) lay_out(device_at(d, s->layers), a->plan, u);
    return SKALD_OK;
}

uint64_t device_store_bytes(skald_device *d, uint64_t *on_device, const skald_store_plan *plan) {
    (void)d;
    device_store measured;
    *on_device = plan->n_groups <= DEVICE_GROUPS ? describe(&measured, 0, plan) : UINT64_MAX;
    return sizeof(skald_store);
}

skald_status device_store_create(skald_store **out, skald_device *d, const skald_store_plan *plan) {
    *out = NULL;
    if (!element_bytes(plan->k_type) || !element_bytes(plan->v_type) || plan->n_groups > DEVICE_GROUPS)
        return SKALD_UNSUPPORTED;
    skald_store *s = device_host_block(d, sizeof *s, SKALD_MEMORY_CACHE);
    if (!s) return SKALD_MEMORY;
    s->device = d;
    const uint64_t n_bytes = describe(&s->described, 0, plan);
    skald_status status = n_bytes <= d->region_bytes ? device_take(&s->block, d, n_bytes) : SKALD_MEMORY;
    if (status == SKALD_OK) {
        create_args a = {plan, s};
        describe(&s->described, s->block, plan);
        status = device_do(d, write_tables, &a);
    }
    if (status == SKALD_OK) *out = s;
    else device_store_free(s);
    return status;
}

void device_store_free(skald_store *s) {
    if (!s) return;
    device_give(s->device, s->block);
    s->device->host->free(s->device->host->self, s, sizeof *s);
}

/* ---- elements */

static const device_layer *layer_at(skald_device *d, const device_store *s, uint32_t layer) {
    return (const device_layer *)device_at(d, s->layers) + layer;
}

static device_address unit_at(const device_store *s, const device_layer *l, uint32_t index) {
    const device_units *units = &s->units[units_of(&l->shape, s->n_groups)];
    return units->first + index * units->n_bytes;
}

device_address device_head(skald_device *d, const device_store *s, uint32_t layer, uint32_t part, uint32_t head,
                           uint32_t page, uint32_t position) {
    const device_layer *l = layer_at(d, s, layer);
    uint64_t slot = position * 37u % SKALD_PAGE_TOKENS, last = l->shape.n_kv_heads - 1, dim = dimension(l, part);
    uint64_t vector = ((last - head) * SKALD_PAGE_TOKENS + slot) * dim;
    return unit_at(s, l, page) + l->offset[part] + (vector + dim - 1) * element_bytes(s->type[part]);
}

device_address device_state(skald_device *d, const device_store *s, uint32_t layer, uint32_t slot) {
    const device_layer *l = layer_at(d, s, layer);
    return unit_at(s, l, slot) + l->offset[SKALD_PART_STATE];
}

device_address device_state_row(skald_device *d, const device_store *s, uint32_t layer, uint32_t slot,
                                uint32_t position) {
    const device_layer *l = layer_at(d, s, layer);
    const uint32_t row = SKALD_STATE_GRID - 1 - position % SKALD_STATE_GRID;
    return unit_at(s, l, slot) + l->offset[SKALD_PART_ROWS] + (uint64_t)row * l->shape.row_bytes;
}

float device_load(skald_device *d, skald_dtype type, device_address head, uint32_t i) {
    const void *p = device_at(d, head - i * element_bytes(type));
    if (type == SKALD_F8_E4M3) return sk_from_f8_e4m3(*(const uint8_t *)p);
    return type == SKALD_F16 ? sk_from_f16(*(const uint16_t *)p) : *(const float *)p;
}

void device_save(skald_device *d, skald_dtype type, device_address head, uint32_t i, float x) {
    void *p = device_at(d, head - i * element_bytes(type));
    if (type == SKALD_F8_E4M3) *(uint8_t *)p = sk_to_f8_e4m3(x);
    else if (type == SKALD_F16) *(uint16_t *)p = sk_to_f16(x);
    else *(float *)p = x;
}

/* ---- copies */

typedef struct copy_args {
    device_address store;
    uint32_t to, from, layer, n;
} copy_args;

/* The first n positions of a layer with pages. */
static void copy_heads(skald_device *d, const copy_args *a) {
    const device_store *s = device_at(d, a->store);
    const device_layer *layer = layer_at(d, s, a->layer);
    for (uint32_t i = 0; i < 2 * layer->shape.n_kv_heads * a->n; i++) {
        uint32_t part = i & 1, head = i / 2 / a->n, p = i / 2 % a->n;
        uint64_t n_bytes = dimension(layer, part) * element_bytes(s->type[part]);
        uint64_t back = n_bytes - element_bytes(s->type[part]); /* from element 0 to the lowest byte */
        memmove(device_at(d, device_head(d, s, a->layer, part, head, a->to, p) - back),
                device_at(d, device_head(d, s, a->layer, part, head, a->from, p) - back), (size_t)n_bytes);
    }
}

static void copy_state(skald_device *d, const copy_args *a) {
    const device_store *s = device_at(d, a->store);
    const skald_store_layer *shape = &layer_at(d, s, a->layer)->shape;
    memmove(device_at(d, device_state(d, s, a->layer, a->to)), device_at(d, device_state(d, s, a->layer, a->from)),
            (size_t)shape->state_bytes);
    for (uint32_t p = 0; p < a->n; p++)
        memmove(device_at(d, device_state_row(d, s, a->layer, a->to, p)),
                device_at(d, device_state_row(d, s, a->layer, a->from, p)), shape->row_bytes);
}

static skald_status copy_layer(skald_device *d, void *arg) {
    const copy_args *a = arg;
    const device_store *s = device_at(d, a->store);
    const skald_store_layer *shape = &layer_at(d, s, a->layer)->shape;
    const uint32_t n = s->units[units_of(shape, s->n_groups)].n;
    if (a->to >= n || a->from >= n || a->n > (shape->state_bytes ? SKALD_STATE_GRID : SKALD_PAGE_TOKENS))
        return SKALD_ARGUMENT;
    if (shape->state_bytes) copy_state(d, a);
    else copy_heads(d, a);
    return SKALD_OK;
}

skald_status device_layer_copy(skald_store *store, uint32_t to, uint32_t from, uint32_t layer, uint32_t n) {
    if (layer >= store->described.n_layers) return SKALD_ARGUMENT;
    copy_args a = {store->block, to, from, layer, n};
    return device_do(store->device, copy_layer, &a);
}

/* ---- parts */

typedef struct part_args {
    skald_store *store;
    skald_store_part part;
    unsigned char *to;         /* canonical order, or NULL */
    const unsigned char *from; /* likewise */
} part_args;

/* Bytes [at, at + n) of the canonical order. */
static void move(skald_device *d, const part_args *a, uint64_t at, device_address address, uint64_t n) {
    if (a->to) memcpy(a->to + at, device_at(d, address), (size_t)n);
    else memcpy(device_at(d, address), a->from + at, (size_t)n);
}

static void move_heads(skald_device *d, const part_args *a) {
    const skald_store_part *p = &a->part;
    const device_store *s = device_at(d, a->store->block);
    const device_layer *l = layer_at(d, s, p->layer);
    uint64_t dim = dimension(l, p->part), n_bytes = element_bytes(s->type[p->part]);
    for (uint64_t i = 0; i < l->shape.n_kv_heads * p->n * dim; i++) {
        uint32_t head = (uint32_t)(i / dim / p->n), position = p->first + (uint32_t)(i / dim % p->n);
        device_address at = device_head(d, s, p->layer, p->part, head, p->page, position) - i % dim * n_bytes;
        move(d, a, i * n_bytes, at, n_bytes);
    }
}

static skald_status move_part(skald_device *d, void *arg) {
    const part_args *a = arg;
    const skald_store_part *p = &a->part;
    const device_store *s = device_at(d, a->store->block);
    const skald_store_layer *shape = &layer_at(d, s, p->layer)->shape;
    const bool state = p->part >= SKALD_PART_STATE;
    const uint32_t room = p->part == SKALD_PART_STATE ? 0 : state ? SKALD_STATE_GRID : SKALD_PAGE_TOKENS;
    if (state != (shape->state_bytes != 0) || p->page >= s->units[units_of(shape, s->n_groups)].n || p->first > room ||
        p->n > room - p->first)
        return SKALD_ARGUMENT;
    if (!state) move_heads(d, a);
    if (p->part == SKALD_PART_STATE) move(d, a, 0, device_state(d, s, p->layer, p->page), shape->state_bytes);
    for (uint32_t i = 0; p->part == SKALD_PART_ROWS && i < p->n; i++)
        move(d, a, (uint64_t)i * shape->row_bytes, device_state_row(d, s, p->layer, p->page, p->first + i),
             shape->row_bytes);
    return SKALD_OK;
}

static skald_status part(skald_store *s, const skald_store_part *given, void *to, const void *from) {
    part_args a = {.store = s, .to = to, .from = from};
    memcpy(&a.part, given, given->size < sizeof a.part ? given->size : sizeof a.part);
    if (a.part.layer >= s->described.n_layers || a.part.part > SKALD_PART_ROWS) return SKALD_ARGUMENT;
    return device_do(s->device, move_part, &a);
}

skald_status device_part_read(void *to, skald_store *s, const skald_store_part *p) { return part(s, p, to, NULL); }

skald_status device_part_write(skald_store *s, const skald_store_part *p, const void *from) {
    return part(s, p, NULL, from);
}

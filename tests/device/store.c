/* Cache pages of the test device: V before K, heads from last to first, positions interleaved, elements backwards. */
#include "device/device.h"
#include "base/exact.h"
#include <string.h>

static uint64_t element_bytes(skald_dtype type) { return type == SKALD_F16 ? 2 : type == SKALD_F32 ? 4 : 0; }

static uint32_t dimension(const device_layer *l, uint32_t part) {
    return part == SKALD_PART_K ? l->shape.head_dim_k : l->shape.head_dim_v;
}

static uint64_t part_bytes(const device_layer *l, uint32_t part, skald_dtype type) {
    uint64_t n = (uint64_t)l->shape.n_kv_heads * SKALD_PAGE_TOKENS * dimension(l, part) * element_bytes(type);
    return (n + 63) & ~(uint64_t)63;
}

/* Where each layer's parts lie in a page. Returns the bytes of a page. */
static uint64_t lay_out(device_layer *layers, const skald_store_plan *plan) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        device_layer own = {.shape = plan->layers[i]};
        own.offset[SKALD_PART_V] = at;
        at += part_bytes(&own, SKALD_PART_V, plan->v_type);
        own.offset[SKALD_PART_K] = at;
        at += part_bytes(&own, SKALD_PART_K, plan->k_type);
        if (layers) layers[i] = own;
    }
    return at;
}

typedef struct create_args {
    const skald_store_plan *plan;
    skald_store *store;
    uint64_t page_bytes;
} create_args;

static uint64_t tables_bytes(const skald_store_plan *p) {
    uint64_t n = sizeof(device_store) + p->n_layers * sizeof(device_layer) + (uint64_t)4 * p->n_sequences * p->n_pages;
    return (n + 63) & ~(uint64_t)63;
}

static skald_status describe(skald_device *d, void *arg) {
    create_args *a = arg;
    const skald_store_plan *p = a->plan;
    device_store *s = device_at(d, a->store->block);
    *s = (device_store){.n_pages = p->n_pages,
                        .n_layers = p->n_layers,
                        .n_sequences = p->n_sequences,
                        .type = {p->k_type, p->v_type},
                        .page_bytes = a->page_bytes,
                        .layers = a->store->block + sizeof *s,
                        .table = a->store->block + sizeof *s + p->n_layers * sizeof(device_layer),
                        .pages = a->store->block + tables_bytes(p)};
    lay_out(device_at(d, s->layers), p);
    return SKALD_OK;
}

uint64_t device_store_bytes(skald_device *d, uint64_t *on_device, const skald_store_plan *plan) {
    (void)d;
    *on_device = tables_bytes(plan) + plan->n_pages * lay_out(NULL, plan);
    return sizeof(skald_store);
}

skald_status device_store_create(skald_store **out, skald_device *d, const skald_store_plan *plan) {
    *out = NULL;
    if (!element_bytes(plan->k_type) || !element_bytes(plan->v_type)) return SKALD_UNSUPPORTED;
    skald_store *s = device_host_block(d, sizeof *s, SKALD_MEMORY_CACHE);
    if (!s) return SKALD_MEMORY;
    s->device = d;
    s->n_pages = plan->n_pages;
    s->n_layers = plan->n_layers;
    s->n_sequences = plan->n_sequences;
    create_args a = {plan, s, lay_out(NULL, plan)};
    skald_status status = SKALD_MEMORY;
    if (a.page_bytes <= d->region_bytes)
        status = device_take(&s->block, d, tables_bytes(plan) + plan->n_pages * a.page_bytes);
    if (status == SKALD_OK) status = device_do(d, describe, &a);
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

device_address device_head(skald_device *d, const device_store *s, uint32_t layer, uint32_t part, uint32_t head,
                           uint32_t page, uint32_t position) {
    const device_layer *l = (const device_layer *)device_at(d, s->layers) + layer;
    uint64_t slot = position * 37u % SKALD_PAGE_TOKENS, last = l->shape.n_kv_heads - 1, dim = dimension(l, part);
    uint64_t vector = ((last - head) * SKALD_PAGE_TOKENS + slot) * dim;
    return s->pages + page * s->page_bytes + l->offset[part] + (vector + dim - 1) * element_bytes(s->type[part]);
}

float device_load(skald_device *d, skald_dtype type, device_address head, uint32_t i) {
    const void *p = device_at(d, head - i * element_bytes(type));
    return type == SKALD_F16 ? sk_from_f16(*(const uint16_t *)p) : *(const float *)p;
}

void device_save(skald_device *d, skald_dtype type, device_address head, uint32_t i, float x) {
    void *p = device_at(d, head - i * element_bytes(type));
    if (type == SKALD_F16) *(uint16_t *)p = sk_to_f16(x);
    else *(float *)p = x;
}

/* ---- copies */

typedef struct copy_args {
    device_address to, from; /* stores */
    uint32_t to_page, from_page, n;
} copy_args;

static skald_status copy_page(skald_device *d, void *arg) {
    copy_args *a = arg;
    const device_store *to = device_at(d, a->to), *from = device_at(d, a->from);
    if (to->page_bytes != from->page_bytes || to->n_layers != from->n_layers) return SKALD_ARGUMENT;
    for (uint32_t l = 0; l < to->n_layers; l++) {
        const device_layer *layer = (const device_layer *)device_at(d, to->layers) + l;
        for (uint32_t i = 0; i < 2 * layer->shape.n_kv_heads * a->n; i++) {
            uint32_t part = i & 1, head = i / 2 / a->n, p = i / 2 % a->n;
            uint64_t n_bytes = dimension(layer, part) * element_bytes(to->type[part]);
            uint64_t back = n_bytes - element_bytes(to->type[part]); /* from element 0 to the lowest byte */
            memmove(device_at(d, device_head(d, to, l, part, head, a->to_page, p) - back),
                    device_at(d, device_head(d, from, l, part, head, a->from_page, p) - back), (size_t)n_bytes);
        }
    }
    return SKALD_OK;
}

skald_status device_page_copy(skald_store *to_store, uint32_t to, skald_store *from_store, uint32_t from, uint32_t n) {
    if (to_store->device != from_store->device || to >= to_store->n_pages || from >= from_store->n_pages ||
        n > SKALD_PAGE_TOKENS)
        return SKALD_ARGUMENT;
    copy_args a = {to_store->block, from_store->block, to, from, n};
    return device_do(to_store->device, copy_page, &a);
}

typedef struct part_args {
    skald_store *store;
    skald_store_part part;
    unsigned char *to;         /* canonical order, or NULL */
    const unsigned char *from; /* likewise */
} part_args;

static skald_status move_part(skald_device *d, void *arg) {
    part_args *a = arg;
    const skald_store_part *p = &a->part;
    const device_store *s = device_at(d, a->store->block);
    const device_layer *l = (const device_layer *)device_at(d, s->layers) + p->layer;
    uint64_t dim = dimension(l, p->part), n_bytes = element_bytes(s->type[p->part]);
    for (uint64_t i = 0; i < l->shape.n_kv_heads * p->n * dim; i++) {
        uint32_t head = (uint32_t)(i / dim / p->n), position = p->first + (uint32_t)(i / dim % p->n);
        device_address at = device_head(d, s, p->layer, p->part, head, p->page, position) - i % dim * n_bytes;
        if (a->to) memcpy(a->to + i * n_bytes, device_at(d, at), (size_t)n_bytes);
        else memcpy(device_at(d, at), a->from + i * n_bytes, (size_t)n_bytes);
    }
    return SKALD_OK;
}

static skald_status part(skald_store *s, const skald_store_part *given, void *to, const void *from) {
    part_args a = {.store = s, .to = to, .from = from};
    memcpy(&a.part, given, given->size < sizeof a.part ? given->size : sizeof a.part);
    const skald_store_part *p = &a.part;
    if (p->layer >= s->n_layers || p->part > SKALD_PART_V || p->page >= s->n_pages || p->first > SKALD_PAGE_TOKENS ||
        p->n > SKALD_PAGE_TOKENS - p->first)
        return SKALD_ARGUMENT;
    return device_do(s->device, move_part, &a);
}

skald_status device_part_read(void *to, skald_store *s, const skald_store_part *p) { return part(s, p, to, NULL); }

skald_status device_part_write(skald_store *s, const skald_store_part *p, const void *from) {
    return part(s, p, NULL, from);
}

/* Pages of keys and values, and slots with states. Keys lie transposed, so that 128 of them are lanes beside each other. */
#include "backends/cpu/cpu.h"
#include "backends/cpu/kept.h"
#include "base/exact.h"
#include <string.h>

static bool has_type(skald_dtype type) {
    return type == SKALD_F32 || type == SKALD_F16 || type == SKALD_BF16 || type == SKALD_F8_E4M3 ||
           sk_kept_in_blocks(type);
}

static uint32_t units_of(const skald_store_plan *plan, const skald_store_layer *shape) {
    return shape->state_bytes ? plan->n_groups : shape->group;
}

static sk_store_layer size_layer(const skald_store_plan *plan, const skald_store_layer *shape) {
    sk_store_layer l = {.shape = *shape};
    l.list = (uint64_t)shape->group * plan->n_sequences * plan->n_list;
    if (shape->state_bytes) {
        l.rows = sk_align(shape->state_bytes, SK_CACHE_LINE);
        l.row_stride = sk_align(shape->row_bytes, SK_CACHE_LINE);
    } else {
        l.k_bytes = SK_PAGE * skald_dtype_bytes(plan->k_type, shape->head_dim_k);
        l.v_bytes = SK_PAGE * skald_dtype_bytes(plan->v_type, shape->head_dim_v);
    }
    return l;
}

/* Places the layers of one group, or those with states. Returns the bytes of a page or slot. */
static uint64_t place_layers(sk_store_layer *layers, const skald_store_plan *plan, uint32_t index,
                             const sk_store_units *units) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        if (units_of(plan, &plan->layers[i]) != index) continue;
        sk_store_layer l = size_layer(plan, &plan->layers[i]);
        l.units = units;
        l.offset = at;
        l.n_bytes =
            sk_add(sk_mul(l.shape.n_kv_heads, l.k_bytes + l.v_bytes), sk_add(l.rows, SKALD_STATE_GRID * l.row_stride));
        if (layers) layers[i] = l;
        at = sk_add(at, l.n_bytes);
    }
    return at;
}

static skald_store *carve(sk_carver *c, const skald_store_plan *plan) {
    skald_store *store = sk_carve(c, 1, sizeof *store, SK_CACHE_LINE);
    sk_store_layer *layers = sk_carve(c, plan->n_layers, sizeof *layers, SK_CACHE_LINE);
    sk_store_units *units = sk_carve(c, plan->n_groups + 1, sizeof *units, SK_CACHE_LINE);
    for (uint32_t i = 0; i <= plan->n_groups; i++) {
        const uint32_t n = i < plan->n_groups ? plan->groups[i].n_pages : plan->n_slots;
        const uint64_t n_bytes = place_layers(layers, plan, i, units ? &units[i] : NULL);
        char *first = sk_carve(c, n, n_bytes, SK_CACHE_LINE);
        if (units) units[i] = (sk_store_units){n, n_bytes, first};
    }
    if (store) *store = (skald_store){.layers = layers, .units = units};
    return store;
}

uint64_t sk_cpu_store_bytes(skald_device *device, uint64_t *on_device, const skald_store_plan *plan) {
    (void)device;
    *on_device = 0;
    sk_carver c = {0};
    carve(&c, plan);
    return c.broken ? UINT64_MAX : c.used;
}

/* Heads are whole blocks of the type; values may be a part of the keys. */
static bool has_shapes(const skald_store_plan *plan) {
    if (!has_type(plan->k_type) || !has_type(plan->v_type)) return false;
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        const skald_store_layer *l = &plan->layers[i];
        if (!l->state_bytes && (!skald_dtype_bytes(plan->k_type, l->head_dim_k) ||
                                (l->head_dim_v && !skald_dtype_bytes(plan->v_type, l->head_dim_v))))
            return false;
    }
    return true;
}

skald_status sk_cpu_store_create(skald_store **out, skald_device *device, const skald_store_plan *plan) {
    if (!has_shapes(plan)) return SKALD_UNSUPPORTED;
    uint64_t none, n = sk_cpu_store_bytes(device, &none, plan);
    sk_carver c = {.base = device->host->alloc(device->host->self, n, SKALD_MEMORY_CACHE)};
    if (!c.base) return SKALD_MEMORY;
    skald_store *store = carve(&c, plan);
    store->device = device;
    store->block_bytes = n;
    store->k_type = plan->k_type, store->v_type = plan->v_type;
    store->n_layers = plan->n_layers, store->n_groups = plan->n_groups;
    *out = store;
    return SKALD_OK;
}

void sk_cpu_store_free(skald_store *store) {
    if (store) store->device->host->free(store->device->host->self, store, store->block_bytes);
}

static char *unit_at(const sk_store_units *units, uint32_t index) { return units->first + index * units->n_bytes; }

uint32_t sk_store_page(const skald_stream *s, uint32_t layer, uint32_t r, uint32_t index) {
    return s->pass.pages[s->store->layers[layer].list + s->pass.page_list[r] + index];
}

char *sk_store_k(const skald_store *store, uint32_t layer, uint32_t page, uint32_t kv_head) {
    const sk_store_layer *l = &store->layers[layer];
    return unit_at(l->units, page) + l->offset + kv_head * (l->k_bytes + l->v_bytes);
}

char *sk_store_v(const skald_store *store, uint32_t layer, uint32_t page, uint32_t kv_head) {
    return sk_store_k(store, layer, page, kv_head) + store->layers[layer].k_bytes;
}

char *sk_store_state(const skald_store *store, uint32_t layer, uint32_t slot) {
    const sk_store_layer *l = &store->layers[layer];
    return unit_at(l->units, slot) + l->offset;
}

char *sk_store_row(const skald_store *store, uint32_t layer, uint32_t slot, uint32_t position) {
    const sk_store_layer *l = &store->layers[layer];
    return sk_store_state(store, layer, slot) + l->rows + position % SKALD_STATE_GRID * l->row_stride;
}

/* Keys are transposed, and rows are few beside states: all that the layer keeps is one copy, what lies behind n is nobody's. */
skald_status sk_cpu_layer_copy(skald_store *store, uint32_t to, uint32_t from, uint32_t layer, uint32_t n) {
    (void)n;
    if (layer >= store->n_layers) return SKALD_ARGUMENT;
    const sk_store_layer *l = &store->layers[layer];
    if (to >= l->units->n || from >= l->units->n) return SKALD_ARGUMENT;
    memcpy(unit_at(l->units, to) + l->offset, unit_at(l->units, from) + l->offset, (size_t)l->n_bytes);
    return SKALD_OK;
}

/* ---- one token of one head, as the format has it on disk: blocks of f16 scale and integers, or plain elements */

#define BLOCK_ROOM (sizeof(uint16_t) + SK_BLOCK)

/* Where a token's elements lie in a head's part of a page. */
typedef struct place {
    char *head;
    skald_dtype type;
    bool keys;
    uint32_t dim, position;
} place;

static char *byte_of(const place *p, uint32_t element) {
    return p->head + (p->keys ? sk_kept_key(p->type, element, p->position)
                              : sk_kept_value(p->type, element, p->position, p->dim));
}

static char *scale_of(const place *p, uint32_t block) {
    return p->head + sk_kept_scales(p->type, p->dim) + (block * SK_PAGE + p->position) * sizeof(uint16_t);
}

/* Stored keys of Q8_0 are unsigned: the sign bit is turned. */
static uint8_t turn(const place *p) { return p->keys && p->type == SKALD_Q8_0 ? 0x80 : 0; }

static uint32_t bytes_of_block(skald_dtype type) { return type == SKALD_Q4_0 ? 16 : 32; }

static void put_block(const place *p, uint32_t block, const uint8_t *from) {
    memcpy(scale_of(p, block), from, sizeof(uint16_t));
    for (uint32_t i = 0; i < bytes_of_block(p->type); i++) {
        const uint8_t byte = from[sizeof(uint16_t) + i] ^ turn(p);
        memcpy(byte_of(p, block * SK_BLOCK + i), &byte, 1);
    }
}

static void get_block(uint8_t *to, const place *p, uint32_t block) {
    memcpy(to, scale_of(p, block), sizeof(uint16_t));
    for (uint32_t i = 0; i < bytes_of_block(p->type); i++) {
        memcpy(to + sizeof(uint16_t) + i, byte_of(p, block * SK_BLOCK + i), 1);
        to[sizeof(uint16_t) + i] ^= turn(p);
    }
}

static void move_token(const place *p, uint8_t *host, bool reading) {
    if (sk_kept_in_blocks(p->type)) {
        for (uint32_t b = 0; b < p->dim / SK_BLOCK; b++, host += skald_dtype_bytes(p->type, SK_BLOCK))
            if (reading) get_block(host, p, b);
            else put_block(p, b, host);
        return;
    }
    const size_t size = (size_t)skald_dtype_bytes(p->type, 1);
    for (uint32_t i = 0; i < p->dim; i++, host += size) {
        char *element =
            p->head + size * (p->keys ? (size_t)i * SK_PAGE + p->position : (size_t)p->position * p->dim + i);
        memcpy(reading ? host : (uint8_t *)element, reading ? (uint8_t *)element : host, size);
    }
}

/* ---- a row becomes a token: each block by its own 32 elements, mixed by a Hadamard matrix so that none is an outlier */

/* d and integers as activations have them, d then rounded to f16. */
static void quantize_q8_0(uint8_t *to, const sk_kernels *kernels, const float *x) {
    sk_q8 q;
    kernels->quantize(&q, x, 1);
    const uint16_t d = sk_to_f16(q.d);
    memcpy(to, &d, sizeof d);
    memcpy(to + sizeof d, q.q, sizeof q.q);
}

/* The element of largest magnitude, the first of equals, becomes -8. */
static void quantize_q4_0(uint8_t *to, const float *x) {
    float most = 0, d = 0, inverse = 0;
    for (uint32_t i = 0; i < SK_BLOCK; i++) {
        const float size = x[i] < 0 ? -x[i] : x[i];
        if (!(size < sk_float(0x7f800000u))) d = sk_float(0x7fc00000u);
        if (size > (most < 0 ? -most : most)) most = x[i];
    }
    if (d == 0 && (most >= 0x1p-100f || most <= -0x1p-100f)) d = most / -8.0f, inverse = -8.0f / most;
    const uint16_t half = sk_to_f16(d);
    memcpy(to, &half, sizeof half);
    for (uint32_t i = 0; i < 16; i++) {
        const float low = inverse == 0 ? 8.5f : x[i] * inverse + 8.5f;
        const float high = inverse == 0 ? 8.5f : x[16 + i] * inverse + 8.5f;
        to[sizeof half + i] = (uint8_t)((low < 15 ? (uint32_t)low : 15) | (high < 15 ? (uint32_t)high : 15) << 4);
    }
}

static void put_blocks(const place *p, const sk_kernels *kernels, const float *x) {
    for (uint32_t b = 0; b < p->dim / SK_BLOCK; b++) {
        uint8_t block[BLOCK_ROOM];
        float mixed[SK_BLOCK];
        kernels->hadamard(mixed, x + b * SK_BLOCK, SK_KEPT_SCALE, 1);
        if (p->type == SKALD_Q8_0) quantize_q8_0(block, kernels, mixed);
        else quantize_q4_0(block, mixed);
        put_block(p, b, block);
    }
}

static void put_bf16(const place *p, const float *x) {
    uint16_t *to = (uint16_t *)(void *)p->head + (p->keys ? p->position : p->position * (size_t)p->dim);
    for (uint32_t i = 0; i < p->dim; i++) to[i * (p->keys ? SK_PAGE : 1u)] = sk_to_bf16(x[i]);
}

static void put_f8(const place *p, const float *x) {
    uint8_t *to = (uint8_t *)p->head + (p->keys ? p->position : p->position * (size_t)p->dim);
    for (uint32_t i = 0; i < p->dim; i++) to[i * (p->keys ? SK_PAGE : 1u)] = sk_to_f8_e4m3(x[i]);
}

static void put(const place *p, const sk_kernels *kernels, const float *x, sk_store_fn *f32, sk_store_fn *f16) {
    const size_t first = p->keys ? p->position : (size_t)p->position * p->dim;
    switch (p->type) {
    case SKALD_F32: f32(p->head + first * sizeof(float), x, p->dim); break;
    case SKALD_F16: f16(p->head + first * sizeof(uint16_t), x, p->dim); break;
    case SKALD_BF16: put_bf16(p, x); break;
    case SKALD_F8_E4M3: put_f8(p, x); break;
    default: put_blocks(p, kernels, x); break;
    }
}

void sk_store_put(skald_store *store, uint32_t layer, uint32_t page, uint32_t kv_head, uint32_t position,
                  const float *key, const float *value) {
    const sk_kernels *kernels = &store->device->kernels;
    const skald_store_layer *shape = &store->layers[layer].shape;
    const place k = {sk_store_k(store, layer, page, kv_head), store->k_type, true, shape->head_dim_k, position};
    const place v = {sk_store_v(store, layer, page, kv_head), store->v_type, false, shape->head_dim_v, position};
    put(&k, kernels, key, kernels->store_k_f32, kernels->store_k_f16);
    if (shape->head_dim_v) put(&v, kernels, value, kernels->store_v_f32, kernels->store_v_f16);
}

/* ---- parts: canonical order [KV head][position][element] */

static void move_heads(skald_store *store, const skald_store_part *part, uint8_t *host, bool reading) {
    const skald_store_layer *shape = &store->layers[part->layer].shape;
    place p = {.keys = part->part == SKALD_PART_K};
    p.type = p.keys ? store->k_type : store->v_type;
    p.dim = p.keys ? shape->head_dim_k : shape->head_dim_v;
    const uint64_t token_bytes = skald_dtype_bytes(p.type, p.dim);
    for (uint32_t h = 0; h < shape->n_kv_heads; h++) {
        p.head = p.keys ? sk_store_k(store, part->layer, part->page, h) : sk_store_v(store, part->layer, part->page, h);
        for (p.position = part->first; p.position < part->first + part->n; p.position++, host += token_bytes)
            move_token(&p, host, reading);
    }
}

static void move_bytes(void *kept, void *host, uint64_t n_bytes, bool reading) {
    memcpy(reading ? host : kept, reading ? kept : host, (size_t)n_bytes);
}

static void move_state(skald_store *store, const skald_store_part *part, uint8_t *host, bool reading) {
    const skald_store_layer *shape = &store->layers[part->layer].shape;
    if (part->part == SKALD_PART_STATE)
        move_bytes(sk_store_state(store, part->layer, part->page), host, shape->state_bytes, reading);
    else
        for (uint32_t i = part->first; i < part->first + part->n; i++, host += shape->row_bytes)
            move_bytes(sk_store_row(store, part->layer, part->page, i), host, shape->row_bytes, reading);
}

static skald_status move_part(skald_store *store, const skald_store_part *part, uint8_t *host, bool reading) {
    if (part->layer >= store->n_layers || part->part > SKALD_PART_ROWS) return SKALD_ARGUMENT;
    const sk_store_layer *l = &store->layers[part->layer];
    const bool state = part->part >= SKALD_PART_STATE;
    const uint32_t room = part->part == SKALD_PART_STATE ? 0 : state ? SKALD_STATE_GRID : SK_PAGE;
    if (state != (l->shape.state_bytes != 0) || part->page >= l->units->n || part->first > room ||
        part->n > room - part->first)
        return SKALD_ARGUMENT;
    if (state) move_state(store, part, host, reading);
    else move_heads(store, part, host, reading);
    return SKALD_OK;
}

skald_status sk_cpu_part_read(void *to, skald_store *store, const skald_store_part *part) {
    return move_part(store, part, to, true);
}

skald_status sk_cpu_part_write(skald_store *store, const skald_store_part *part, const void *from) {
    return move_part(store, part, (uint8_t *)(uintptr_t)from, false);
}

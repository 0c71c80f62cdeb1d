/* Pages of keys and values. Keys lie transposed, so that 128 of them are lanes beside each other. */
#include "backends/cpu/cpu.h"
#include <string.h>

uint32_t sk_store_element(skald_dtype type) { return type == SKALD_F32 ? 4u : type == SKALD_F16 ? 2u : 0u; }

static void plan_layers(sk_store_layer *layers, uint64_t *page_bytes, const skald_store_plan *plan) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        const skald_store_layer *shape = &plan->layers[i];
        uint64_t k = (uint64_t)SK_PAGE * shape->head_dim_k * sk_store_element(plan->k_type);
        uint64_t v = (uint64_t)SK_PAGE * shape->head_dim_v * sk_store_element(plan->v_type);
        if (layers) layers[i] = (sk_store_layer){*shape, at, k, v};
        at = sk_add(at, sk_mul(shape->n_kv_heads, k + v));
    }
    *page_bytes = at;
}

static skald_store *carve(sk_carver *c, const skald_store_plan *plan) {
    uint64_t page_bytes;
    skald_store *store = sk_carve(c, 1, sizeof *store, SK_CACHE_LINE);
    sk_store_layer *layers = sk_carve(c, plan->n_layers, sizeof *layers, SK_CACHE_LINE);
    plan_layers(layers, &page_bytes, plan);
    char *pages = sk_carve(c, plan->n_pages, page_bytes, SK_CACHE_LINE);
    if (store) *store = (skald_store){.page_bytes = page_bytes, .layers = layers, .pages = pages};
    return store;
}

uint64_t sk_cpu_store_bytes(skald_device *device, uint64_t *on_device, const skald_store_plan *plan) {
    (void)device;
    *on_device = 0;
    sk_carver c = {0};
    carve(&c, plan);
    return c.broken ? UINT64_MAX : c.used;
}

skald_status sk_cpu_store_create(skald_store **out, skald_device *device, const skald_store_plan *plan) {
    if (!sk_store_element(plan->k_type) || plan->k_type != plan->v_type) return SKALD_UNSUPPORTED;
    uint64_t none, n = sk_cpu_store_bytes(device, &none, plan);
    sk_carver c = {.base = device->host->alloc(device->host->self, n, SKALD_MEMORY_CACHE)};
    if (!c.base) return SKALD_MEMORY;
    skald_store *store = carve(&c, plan);
    store->device = device;
    store->block_bytes = n;
    store->k_type = plan->k_type, store->v_type = plan->v_type;
    store->n_layers = plan->n_layers, store->n_pages = plan->n_pages;
    *out = store;
    return SKALD_OK;
}

void sk_cpu_store_free(skald_store *store) {
    if (store) store->device->host->free(store->device->host->self, store, store->block_bytes);
}

char *sk_store_k(const skald_store *store, uint32_t layer, uint32_t page, uint32_t kv_head) {
    const sk_store_layer *l = &store->layers[layer];
    return store->pages + page * store->page_bytes + l->offset + kv_head * (l->k_bytes + l->v_bytes);
}

char *sk_store_v(const skald_store *store, uint32_t layer, uint32_t page, uint32_t kv_head) {
    return sk_store_k(store, layer, page, kv_head) + store->layers[layer].k_bytes;
}

skald_status sk_cpu_page_copy(skald_store *to_store, uint32_t to, skald_store *from_store, uint32_t from, uint32_t n) {
    (void)n; /* keys are transposed: the whole page is one copy, what lies behind n is nobody's */
    memcpy(to_store->pages + to * to_store->page_bytes, from_store->pages + from * from_store->page_bytes,
           (size_t)from_store->page_bytes);
    return SKALD_OK;
}

/* Walks a part in canonical order [KV head][position][element] and moves each element one way or the other. */
static skald_status move_part(skald_store *store, const skald_store_part *part, char *host, bool reading) {
    if (part->layer >= store->n_layers || part->page >= store->n_pages || part->part > SKALD_PART_V ||
        part->first > SK_PAGE || part->n > SK_PAGE - part->first)
        return SKALD_ARGUMENT;
    const skald_store_layer *shape = &store->layers[part->layer].shape;
    const bool keys = part->part == SKALD_PART_K;
    const uint32_t dim = keys ? shape->head_dim_k : shape->head_dim_v;
    const uint32_t size = sk_store_element(keys ? store->k_type : store->v_type);
    for (uint32_t h = 0; h < shape->n_kv_heads; h++) {
        char *head =
            keys ? sk_store_k(store, part->layer, part->page, h) : sk_store_v(store, part->layer, part->page, h);
        for (uint32_t p = part->first; p < part->first + part->n; p++)
            for (uint32_t i = 0; i < dim; i++, host += size) {
                char *element = head + (size_t)size * (keys ? (size_t)i * SK_PAGE + p : (size_t)p * dim + i);
                memcpy(reading ? host : element, reading ? element : host, size);
            }
    }
    return SKALD_OK;
}

skald_status sk_cpu_part_read(void *to, skald_store *store, const skald_store_part *part) {
    return move_part(store, part, to, true);
}

skald_status sk_cpu_part_write(skald_store *store, const skald_store_part *part, const void *from) {
    return move_part(store, part, (char *)(uintptr_t)from, false);
}

/* The door to lib/cache: one thread at a time, pages on the model's device. */
#include "base/report.h"
#include "cache/cache.h"
#include "model/model.h"
#include "api/enter.h"
#include "api/plan.h"
#include <string.h>

static const skald_kv_cache_options defaults = {.size = sizeof defaults, .k_type = SKALD_F16, .v_type = SKALD_F16};

void skald_kv_cache_options_init(skald_kv_cache_options *options, uint32_t size) {
    sk_options_init(options, size, &defaults, sizeof defaults);
}

uint64_t skald_kv_bytes_per_token(const skald_model_info *shape, skald_dtype k_type, skald_dtype v_type) {
    skald_model_info s = {.size = sizeof s};
    if (!shape || shape->size < offsetof(skald_model_info, latent_rope_dim) + sizeof s.latent_rope_dim) return 0;
    s = *shape;
    if (s.latent_dim) {
        const uint64_t latent = skald_dtype_bytes(k_type, (uint64_t)s.latent_dim + s.latent_rope_dim);
        return sk_mul(s.n_layers, latent);
    }
    const uint64_t k = skald_dtype_bytes(k_type, s.head_dim_k), v = skald_dtype_bytes(v_type, s.head_dim_v);
    return k && v ? sk_mul(s.n_layers, sk_mul(s.n_kv_heads, k + v)) : 0;
}

/* Everything but the layers. */
static skald_store_plan store_plan(const sk_config *c, const skald_kv_cache_options *o) {
    const uint64_t tokens = o->n_tokens ? o->n_tokens : c->n_context && c->n_context < 4096 ? c->n_context : 4096;
    const uint64_t pages = sk_divide_up(tokens, SKALD_PAGE_TOKENS);
    return (skald_store_plan){.size = sizeof(skald_store_plan),
                              .n_layers = c->n_layers,
                              .n_list = pages > UINT32_MAX ? UINT32_MAX : (uint32_t)pages,
                              .n_sequences = o->n_sequences ? o->n_sequences : 1,
                              .k_type = o->k_type,
                              .v_type = o->v_type};
}

/* What pages keep of a head: states are in no page, and latents hold their values. */
static uint32_t kept_dim_k(const sk_kind *k) { return k->mixer == SK_MIX_DELTA ? 0 : k->head_dim_k; }
static uint32_t kept_dim_v(const sk_kind *k) { return k->mixer == SK_MIX_DELTA || k->head_dim_q ? 0 : k->head_dim_v; }

static void set_layers(skald_store_plan *plan, skald_store_layer *layers, skald_store_group *groups,
                       const sk_config *c) {
    for (uint32_t i = 0; i < c->n_layers; i++) {
        const sk_kind *k = sk_config_kind(c, i);
        if (k->mixer == SK_MIX_DELTA) {
            const sk_state_sizes state = sk_kind_state(k);
            layers[i] = (skald_store_layer){.state_bytes = state.state_bytes, .row_bytes = state.row_bytes};
            continue;
        }
        layers[i] = (skald_store_layer){.n_kv_heads = k->n_kv_heads,
                                        .head_dim_k = k->head_dim_k,
                                        .head_dim_v = kept_dim_v(k),
                                        .window = k->window};
    }
    plan->layers = layers;
    sk_cache_divide(plan, layers, groups);
}

static uint64_t token_bytes(const skald_store_plan *plan, const skald_store_layer *layer) {
    return sk_mul(layer->n_kv_heads, skald_dtype_bytes(plan->k_type, layer->head_dim_k) +
                                         skald_dtype_bytes(plan->v_type, layer->head_dim_v));
}

/* While every layer sees it. */
static uint64_t bytes_per_token(const skald_store_plan *plan) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < plan->n_layers; i++) n = sk_add(n, token_bytes(plan, &plan->layers[i]));
    return n;
}

/* Of all pages and slots, without what a device adds to align them. */
static uint64_t content_bytes(const skald_store_plan *plan) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        const skald_store_layer *l = &plan->layers[i];
        const uint64_t slot = sk_add(l->state_bytes, (uint64_t)l->row_bytes * SKALD_STATE_GRID);
        const uint64_t page = sk_mul(token_bytes(plan, l), SKALD_PAGE_TOKENS);
        n = sk_add(n, l->state_bytes ? sk_mul(plan->n_slots, slot) : sk_mul(plan->groups[l->group].n_pages, page));
    }
    return n;
}

/* Every token of a head has scales of its own, so a head is whole blocks. A head_dim of 0 keeps none. */
static skald_status check_type(const char *name, skald_dtype type, uint32_t head_dim, skald_report *why) {
    if (!skald_dtype_name(type)) return sk_fail(why, SKALD_ARGUMENT, "%s is %u, which no type is", name, type);
    if (head_dim == 0 || skald_dtype_bytes(type, head_dim)) return SKALD_OK;
    return sk_fail(why, SKALD_UNSUPPORTED, "%s is %s, and a head of %u elements is not whole blocks of it", name,
                   skald_dtype_name(type), head_dim);
}

static skald_status check(const skald_store_plan *p, const sk_config *c, skald_report *why) {
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < c->n_kinds && status == SKALD_OK; i++) {
        status = check_type("k_type", p->k_type, kept_dim_k(&c->kind[i]), why);
        if (status == SKALD_OK) status = check_type("v_type", p->v_type, kept_dim_v(&c->kind[i]), why);
    }
    if (status != SKALD_OK) return status;
    if (p->n_sequences > 65535)
        return sk_fail(why, SKALD_ARGUMENT, "n_sequences is %u, at most 65535 expected", p->n_sequences);
    if ((uint64_t)p->n_list * p->n_sequences > UINT32_MAX / SK_MAX_GROUPS || p->n_list > INT32_MAX / SKALD_PAGE_TOKENS)
        return sk_fail(why, SKALD_ARGUMENT, "n_tokens asks for %u pages, more than a cache can have", p->n_list);
    return SKALD_OK;
}

/* The handle's block: bookkeeping, then the layers' geometry. */
static skald_kv_cache *carve(sk_carver *c, skald_store_layer **layers, const skald_store_plan *p) {
    skald_kv_cache *cache = sk_cache_carve(c, p);
    *layers = sk_carve(c, p->n_layers, sizeof **layers, SK_CACHE_LINE);
    return cache;
}

skald_status sk_cache_plan(sk_cache_sizes *out, const skald_backend *backend, skald_device *device,
                           const sk_config *config, const skald_kv_cache_options *options,
                           const skald_allocator *memory, skald_report *why) {
    skald_kv_cache_options o;
    skald_status status = sk_options_copy(&o, sizeof o, &defaults, options, "skald_kv_cache_options", why);
    if (status != SKALD_OK) return status;
    skald_store_plan store = store_plan(config, &o);
    status = check(&store, config, why);
    if (status != SKALD_OK) return status;
    const uint64_t n = sk_mul(config->n_layers, sizeof(skald_store_layer));
    skald_store_layer *layers = sk_allocate(memory, 1, n, SKALD_MEMORY_LOAD), *unused;
    if (!layers) return sk_fail(why, SKALD_MEMORY, "no memory to plan a cache");
    skald_store_group groups[SK_MAX_GROUPS];
    set_layers(&store, layers, groups, config);
    sk_carver c = {0};
    carve(&c, &unused, &store);
    *out = (sk_cache_sizes){.handle_bytes = c.used,
                            .bytes_per_token = bytes_per_token(&store),
                            .page_bytes = content_bytes(&store),
                            .store = store};
    memcpy(out->groups, groups, sizeof groups);
    out->store_bytes = backend->store_bytes(device, &out->device_bytes, &store);
    sk_release(memory, layers, n);
    return SKALD_OK;
}

static skald_status make(skald_kv_cache **out, skald_model *model, const skald_kv_cache_options *o,
                         const sk_cache_sizes *sizes, skald_report *why) {
    sk_carver c = {.base = sk_allocate_zeroed(sk_model_memory(model), 1, sizes->handle_bytes, SKALD_MEMORY_HANDLE)};
    if (!c.base) return sk_fail(why, SKALD_MEMORY, "no memory for a cache");
    skald_store_plan store = sizes->store;
    skald_store_group groups[SK_MAX_GROUPS];
    skald_store_layer *layers;
    store.groups = sizes->groups;
    skald_kv_cache *cache = carve(&c, &layers, &store);
    set_layers(&store, layers, groups, &model->config);
    cache->n_layers = store.n_layers;
    cache->layers = layers;
    cache->block_bytes = sizes->handle_bytes;
    cache->bytes_per_token = sizes->bytes_per_token;
    cache->page_bytes = sizes->page_bytes;
    cache->k_type = o->k_type, cache->v_type = o->v_type;
    cache->model = model;
    cache->backend = model->backend;
    skald_model_retain(model);
    skald_status status = model->backend->store_create(&cache->store, model->device, &store);
    if (status == SKALD_OK) {
        *out = cache;
        return SKALD_OK;
    }
    skald_kv_cache_free(cache);
    if (status == SKALD_UNSUPPORTED)
        return sk_fail(why, status, "k_type or v_type: %s has no such pages", model->backend->name);
    return sk_fail(why, status, "no memory for %u pages, %llu bytes", store.n_list,
                   (unsigned long long)sk_add(sizes->store_bytes, sizes->device_bytes));
}

skald_status skald_kv_cache_create(skald_kv_cache **out, skald_model *model, const skald_kv_cache_options *options,
                                   skald_report *why) {
    if (!out || !model) return sk_fail(why, SKALD_ARGUMENT, "skald_kv_cache_create: out or model is NULL");
    *out = NULL;
    skald_kv_cache_options o;
    sk_cache_sizes sizes;
    skald_status status = sk_options_copy(&o, sizeof o, &defaults, options, "skald_kv_cache_options", why);
    if (status == SKALD_OK && !model->weights)
        status = sk_fail(why, SKALD_ARGUMENT, "the model was opened for its vocabulary only");
    if (status == SKALD_OK)
        status =
            sk_cache_plan(&sizes, model->backend, model->device, &model->config, options, sk_model_memory(model), why);
    return status == SKALD_OK ? make(out, model, &o, &sizes, why) : status;
}

skald_status skald_kv_cache_free(skald_kv_cache *cache) {
    if (!cache) return SKALD_OK;
    if (sk_enter(&cache->busy) != SKALD_OK) return SKALD_BUSY;
    if (atomic_load(&cache->paused)) {
        sk_leave(&cache->busy);
        return SKALD_BUSY;
    }
    skald_model *model = cache->model;
    if (cache->store) cache->backend->store_free(cache->store);
    sk_release(sk_model_memory(model), cache, cache->block_bytes);
    skald_model_release(model);
    return SKALD_OK;
}

/* ---- sequences */

skald_status skald_kv_cache_open(skald_seq *out, skald_kv_cache *cache) {
    if (!out) return SKALD_ARGUMENT;
    skald_status status = enter(cache);
    return status == SKALD_OK ? leave(cache, sk_cache_open(out, cache)) : status;
}

skald_status skald_kv_cache_reserve(skald_kv_cache *cache, skald_seq seq, uint32_t n_tokens) {
    skald_status status = enter(cache);
    if (status != SKALD_OK) return status;
    sk_sequence *s = sk_cache_find(cache, seq);
    return leave(cache, s ? sk_cache_reserve(cache, s, n_tokens) : SKALD_ARGUMENT);
}

skald_status skald_kv_cache_fork(skald_seq *out, skald_kv_cache *cache, skald_seq seq, uint32_t n_tokens) {
    if (!out) return SKALD_ARGUMENT;
    skald_status status = enter(cache);
    if (status != SKALD_OK) return status;
    sk_sequence *s = sk_cache_find(cache, seq);
    if (!s || n_tokens > s->length) return leave(cache, SKALD_ARGUMENT);
    return leave(cache, sk_cache_reaches(cache, s, n_tokens) ? sk_cache_fork(out, cache, s, n_tokens) : SKALD_GONE);
}

skald_status skald_kv_cache_rewind(skald_kv_cache *cache, skald_seq seq, uint32_t n_tokens) {
    skald_status status = enter(cache);
    if (status != SKALD_OK) return status;
    sk_sequence *s = sk_cache_find(cache, seq);
    if (!s || n_tokens > s->length) return leave(cache, SKALD_ARGUMENT);
    if (!sk_cache_reaches(cache, s, n_tokens)) return leave(cache, SKALD_GONE);
    sk_cache_rewind(cache, s, n_tokens);
    return leave(cache, SKALD_OK);
}

skald_status skald_kv_cache_release(skald_kv_cache *cache, skald_seq seq) {
    skald_status status = enter(cache);
    if (status != SKALD_OK) return status;
    sk_sequence *s = sk_cache_find(cache, seq);
    if (!s) return leave(cache, SKALD_ARGUMENT);
    sk_cache_release(cache, s);
    return leave(cache, SKALD_OK);
}

skald_status skald_kv_cache_length(uint32_t *n_tokens, skald_kv_cache *cache, skald_seq seq) {
    if (!n_tokens) return SKALD_ARGUMENT;
    skald_status status = enter(cache);
    if (status != SKALD_OK) return status;
    sk_sequence *s = sk_cache_find(cache, seq);
    if (s) *n_tokens = s->length;
    return leave(cache, s ? SKALD_OK : SKALD_ARGUMENT);
}

skald_status skald_kv_cache_get_stats(skald_kv_cache_stats *stats, skald_kv_cache *cache) {
    if (!stats) return SKALD_ARGUMENT;
    skald_status status = enter(cache);
    if (status != SKALD_OK) return status;
    skald_kv_cache_stats all = {.size = sizeof all};
    sk_cache_count(&all, cache);
    return leave(cache, sk_struct_give(stats, &all, sizeof all, "skald_kv_cache_stats", NULL));
}

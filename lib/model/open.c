/* Opening a model: everything is measured first, then asked for at once, then filled.
 *
 *     files ──▶ sizes ──▶ staging ──▶ handle ──▶ weights on the device
 *     (scratch)           (scratch)   (one block)  (one buffer)
 */
#include "base/report.h"
#include "base/sum.h"
#include "model/model.h"
#include "model/read_vocab.h"
#include <string.h>

typedef struct {
    skald_runtime *runtime;
    const sk_device_slot *slot;
    const skald_model_options *options;
    skald_report *why;
    sk_watch watch;
    sk_files files;
    const sk_family *family;
    sk_config config;
    sk_placing placing;
    void *staging;
    uint64_t staging_bytes, model_bytes, wraps_bytes;
    bool has_vocab;
    sk_vocab_source vocab;
} opening;

/* ---- vocabulary: arrays over the file's header, made in the staging */

static skald_status want_vocab_staging(opening *o) {
    uint64_t n_bytes;
    skald_status status = sk_read_vocab_room(&n_bytes, &o->files.part[0], o->why);
    if (status == SKALD_ABSENT && o->options->vocabulary_only)
        return sk_fail(o->why, SKALD_UNSUPPORTED, "the file has no vocabulary");
    if (status == SKALD_ABSENT) return SKALD_OK;
    if (status != SKALD_OK) return status;
    o->has_vocab = true;
    if (n_bytes > o->staging_bytes) o->staging_bytes = n_bytes;
    return SKALD_OK;
}

static skald_status read_vocab(opening *o) {
    if (!o->has_vocab) return SKALD_OK;
    skald_status status = sk_read_vocab(&o->vocab, o->staging, &o->files.part[0], &o->watch, o->why);
    o->vocab.split = o->options->split;
    if (status == SKALD_OK && !o->options->vocabulary_only && o->vocab.n_tokens > o->config.n_vocab)
        return sk_fail(o->why, SKALD_FORMAT, "key tokenizer.ggml.tokens: %u tokens, token_embd.weight has %u",
                       o->vocab.n_tokens, o->config.n_vocab);
    return status;
}

/* ---- the handle's block */

static const char *carve_text(sk_carver *c, sk_text text) {
    char *copy = sk_carve(c, sk_add(text.length, 1), 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text.at, (size_t)text.length);
    copy[text.length] = 0;
    return copy;
}

/* Whoever frees a model that was made in part looks at these. */
static void *carve_zeros(sk_carver *c, uint64_t count, uint64_t size) {
    void *p = sk_carve(c, count, size, SK_CACHE_LINE);
    if (p) memset(p, 0, (size_t)(count * size));
    return p;
}

static skald_status carve_part(sk_carver *c, skald_model *m, uint32_t index, const opening *o) {
    const sk_gguf *from = &o->files.part[index];
    sk_gguf part;
    char *header = sk_carve(c, from->size.header_bytes, 1, SK_CACHE_LINE);
    sk_gguf_layout(&part, &from->size, c);
    if (!m) return SKALD_OK;
    m->part[index] = part;
    return sk_gguf_copy(&m->part[index], header, from, o->files.watch, o->why);
}

/* Every tensor of every part, with a name that ends in NUL. */
static void carve_tensors(sk_carver *c, skald_model *m, const opening *o) {
    sk_model_tensor *tensors = sk_carve(c, o->files.n_tensors, sizeof *tensors, SK_CACHE_LINE);
    for (uint32_t i = 0; i < o->files.n_tensors; i++) {
        const char *name = carve_text(c, o->files.tensor[i]->name);
        if (tensors) tensors[i] = (sk_model_tensor){name, NULL, ""};
    }
    if (!m) return;
    m->tensors = tensors;
    m->n_tensors = o->files.n_tensors;
    for (uint32_t p = 0, i = 0; p < m->n_parts; p++)
        for (uint32_t t = 0; t < m->part[p].size.n_tensors; t++) tensors[i++].file = &m->part[p].tensor[t];
}

static void carve_keys(sk_carver *c, skald_model *m, const sk_gguf *g) {
    const char **keys = sk_carve(c, g->size.n_entries, sizeof *keys, SK_CACHE_LINE);
    for (uint32_t i = 0; i < g->size.n_entries; i++) {
        const char *key = carve_text(c, g->entry[i].key);
        if (keys) keys[i] = key;
    }
    if (m) m->keys = keys, m->n_keys = g->size.n_entries;
}

static sk_text text_or_none(const sk_gguf *g, const char *key) {
    sk_text text = {"", 0};
    return sk_gguf_text(g, key, &text, NULL) == SKALD_OK ? text : (sk_text){"", 0};
}

static skald_status carve_vocab(sk_carver *c, skald_model *m, opening *o) {
    if (!o->has_vocab) return SKALD_OK;
    sk_vocab *vocab = sk_carve(c, 1, sizeof *vocab, SK_CACHE_LINE), measured;
    skald_status status = sk_vocab_lay_out(vocab ? vocab : &measured, c, &o->vocab, o->why);
    if (status != SKALD_OK || !m) return status;
    m->vocab = vocab;
    return sk_vocab_fill(vocab, &o->vocab, o->why);
}

/* With an empty carver it measures; with the block it makes everything of the handle but weights. */
static skald_status carve_model(sk_carver *c, opening *o) {
    const sk_gguf *first = &o->files.part[0];
    const uint32_t n_layers = o->options->vocabulary_only ? 0 : o->config.n_layers;
    skald_model *m = carve_zeros(c, 1, sizeof *m);
    sk_layer *layers = carve_zeros(c, n_layers, sizeof *layers);
    sk_gguf *parts = carve_zeros(c, o->files.n_parts, sizeof *parts);
    skald_buffer **places = carve_zeros(c, o->files.n_parts, sizeof *places);
    sk_source *sources = carve_zeros(c, o->files.n_parts, sizeof *sources);
    if (m) m->layers = layers, m->part = parts, m->n_parts = o->files.n_parts, m->config = o->config;
    if (m) m->in_place = places, m->source = sources;
    for (uint32_t i = 0; i < o->files.n_parts; i++) {
        skald_status status = carve_part(c, m, i, o);
        if (status != SKALD_OK) return status;
    }
    const char *architecture = carve_text(c, text_or_none(first, "general.architecture"));
    const char *name = carve_text(c, text_or_none(first, "general.name"));
    if (m) m->architecture = architecture, m->name = name;
    carve_keys(c, m, first);
    carve_tensors(c, m, o);
    return carve_vocab(c, m, o);
}

/* ---- the way of both calls */

static skald_status find_device(opening *o) {
    const char *name = o->options->device ? o->options->device : "cpu";
    for (uint32_t i = 0; i < o->runtime->n_devices && !o->slot; i++)
        if (strcmp(o->runtime->devices[i].backend->name, name) == 0) o->slot = &o->runtime->devices[i];
    return o->slot ? SKALD_OK : sk_fail(o->why, SKALD_ABSENT, "no device \"%s\" is loaded", name);
}

static bool in_place(const opening *o) { return o->options->in_place && !o->options->vocabulary_only; }
static bool wraps(const opening *o) { return in_place(o) && o->slot->backend->buffer_wrap; }

static skald_status open_files(opening *o, const skald_source *parts, uint32_t n_parts) {
    if (o->options->in_place > 1) return sk_fail(o->why, SKALD_ARGUMENT, "skald_model_options: in_place is 0 or 1");
    skald_status status = sk_files_open(&o->files, &o->runtime->memory, parts, n_parts, in_place(o), &o->watch, o->why);
    for (uint32_t i = 0; status == SKALD_OK && in_place(o) && i < o->files.n_parts; i++)
        if (!o->files.source[i].view)
            status = sk_fail(o->why, SKALD_ARGUMENT, "in_place: source %u can only be read, it lies nowhere", i);
    return status;
}

static skald_status take_staging(opening *o) {
    if (!o->staging_bytes) return SKALD_OK;
    o->staging = sk_allocate(&o->runtime->memory, 1, o->staging_bytes, SKALD_MEMORY_LOAD);
    return o->staging ? SKALD_OK
                      : sk_fail(o->why, SKALD_MEMORY, "no memory to load with: %llu bytes",
                                (unsigned long long)o->staging_bytes);
}

static skald_status measure(opening *o, const skald_source *parts, uint32_t n_parts) {
    skald_status status = find_device(o);
    if (status == SKALD_OK) status = open_files(o, parts, n_parts);
    if (status != SKALD_OK) return status;
    if (!o->options->vocabulary_only) {
        status = sk_model_configure(&o->config, &o->family, &o->files, o->options->n_context, o->why);
        o->placing = (sk_placing){.pool = o->runtime->pool,
                                  .backend = o->slot->backend,
                                  .device = o->slot->device,
                                  .config = &o->config,
                                  .files = &o->files,
                                  .in_place = o->options->in_place,
                                  .why = o->why};
        if (status == SKALD_OK) status = sk_place_plan(&o->placing, o->family);
        o->staging_bytes = o->placing.staging_bytes;
    }
    if (status == SKALD_OK) status = want_vocab_staging(o);
    if (status == SKALD_OK) status = take_staging(o);
    if (status == SKALD_OK) status = read_vocab(o);
    sk_carver c = {0};
    uint64_t none;
    if (status == SKALD_OK) status = carve_model(&c, o);
    o->model_bytes = c.used;
    if (wraps(o)) o->wraps_bytes = sk_mul(o->files.n_parts, o->slot->backend->buffer_bytes(o->slot->device, &none, 0));
    return status;
}

static void close_opening(opening *o) {
    sk_release(&o->runtime->memory, o->staging, o->staging_bytes);
    sk_files_close(&o->files);
}

skald_status sk_model_measure(sk_model_sizes *out, skald_runtime *runtime, const skald_model_options *options,
                              const skald_source *parts, uint32_t n_parts, skald_report *why) {
    opening o = {.runtime = runtime, .options = options, .why = why};
    skald_status status = measure(&o, parts, n_parts);
    if (status == SKALD_OK) {
        *out = (sk_model_sizes){.model_bytes = sk_add(o.model_bytes, o.wraps_bytes),
                                .files_bytes = o.files.block_bytes,
                                .staging_bytes = o.staging_bytes,
                                .config = o.config,
                                .slot = o.slot};
        for (uint32_t i = 0; i < o.files.n_parts; i++)
            if (o.files.source[i].mapping) out->mapped_bytes = sk_add(out->mapped_bytes, o.files.source[i].n_bytes);
        if (!options->vocabulary_only)
            out->weights_bytes =
                o.slot->backend->buffer_bytes(o.slot->device, &out->device_bytes, o.placing.weights_bytes);
    }
    close_opening(&o);
    return status;
}

#define IN_PLACE (SKALD_USE_PROJECT | SKALD_USE_IN_PLACE)

/* A table of the trunk whose rows are looked up, and no more. */
static bool is_looked_up(const opening *o, const char *name) {
    for (const sk_role *r = o->family->trunk; r->name; r++)
        if (r->uses == SKALD_USE_EMBED && strcmp(r->name, name) == 0) return !sk_place_is_head(&o->files, r->name);
    return false;
}

static void name_kernels(skald_model *m, const opening *o) {
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        const sk_gguf_tensor *t = m->tensors[i].file;
        skald_weight w = {.n_in = (uint32_t)t->shape[0], .n_out = (uint32_t)t->shape[1], .type = t->type};
        uint64_t staging;
        const bool is_matrix = /* or a bank of them */
            t->n_dims >= 2 && t->n_dims <= 3 &&
            ((wraps(o) && m->backend->weight_plan(m->device, &w, &staging, IN_PLACE) == SKALD_OK) ||
             m->backend->weight_plan(m->device, &w, &staging, SKALD_USE_PROJECT) == SKALD_OK);
        if (is_matrix && !o->options->vocabulary_only && !is_looked_up(o, m->tensors[i].name))
            m->tensors[i].kernel = m->backend->weight_kernel(m->device, &w);
        m->n_file_bytes += t->n_bytes;
        m->n_parameters += t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3];
    }
}

/* The middle of each tensor: headers of two models that were tuned apart may be equal. */
static skald_status sample_tensors(skald_model *m, const opening *o) {
    skald_status status = SKALD_OK;
    m->sample_sum = SK_SUM_BEGIN;
    for (uint32_t i = 0; !o->options->vocabulary_only && i < m->n_tensors && status == SKALD_OK; i++) {
        const sk_gguf_tensor *t = o->files.tensor[i];
        char sample[64] = {0};
        const uint64_t half = t->n_bytes / 2, left = t->n_bytes - half;
        const size_t n = left < sizeof sample ? (size_t)left : sizeof sample;
        status = sk_source_read(&o->files.source[t->part], sample, t->offset + half, n, o->why);
        m->sample_sum = sk_sum(m->sample_sum, sample, sizeof sample);
    }
    return status;
}

uint64_t sk_model_fingerprint(const skald_model *model) {
    uint64_t sum = model->sample_sum;
    for (uint32_t i = 0; i < model->n_parts; i++)
        sum = sk_sum(sum, model->part[i].header, (size_t)model->part[i].size.header_bytes);
    for (uint32_t r = 0; r < model->config.n_rotations; r++) { /* which the host's options may choose */
        const char *factors = model->config.rotation[r].factors;
        if (factors) sum = sk_sum(sum, factors, strlen(factors));
    }
    return sum;
}

/* The files become buffers, and the model keeps them open. */
static skald_status wrap_files(skald_model *m, opening *o) {
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < m->n_parts && status == SKALD_OK; i++) {
        const sk_source *s = &o->files.source[i];
        status = m->backend->buffer_wrap(&m->in_place[i], m->device, s->view, s->n_bytes);
    }
    o->placing.files_at = m->in_place;
    return status == SKALD_OK ? status : sk_fail(o->why, status, "no memory for the files' places");
}

static skald_status load_weights(skald_model *m, opening *o, sk_model_check *check) {
    if (o->options->vocabulary_only) return SKALD_OK;
    o->placing.trunk = &m->trunk;
    o->placing.layers = m->layers;
    skald_status status = sk_place_plan(&o->placing, o->family);
    if (status == SKALD_OK) status = check(m, o->why);
    if (status != SKALD_OK) return status;
    status = m->backend->buffer_create(&m->weights, m->device, o->placing.weights_bytes, SKALD_MEMORY_WEIGHTS);
    if (status != SKALD_OK)
        return sk_fail(o->why, status, "no memory for the weights: %llu bytes",
                       (unsigned long long)o->placing.weights_bytes);
    if (wraps(o)) status = wrap_files(m, o);
    if (status != SKALD_OK) return status;
    sk_pool_be_patient(m->runtime->pool, true);
    status = sk_place_load(&o->placing, o->family, m->weights, o->staging);
    sk_pool_be_patient(m->runtime->pool, false);
    for (uint32_t i = 0; status == SKALD_OK && wraps(o) && i < m->n_parts; i++)
        sk_source_move(&m->source[i], &o->files.source[i]);
    return status;
}

static void free_model(skald_model *m) {
    skald_runtime *runtime = m->runtime;
    if (m->weights) m->backend->buffer_free(m->weights);
    for (uint32_t i = 0; i < m->n_parts; i++) {
        if (m->in_place[i]) m->backend->buffer_free(m->in_place[i]);
        sk_source_close(&m->source[i]);
    }
    sk_trie_free(atomic_load(&m->trie), &runtime->memory);
    sk_release(&runtime->memory, m, m->block_bytes);
    skald_runtime_release(runtime);
}

static skald_status make(skald_model **out, opening *o, sk_model_check *check) {
    sk_carver c = {.base = sk_allocate(&o->runtime->memory, 1, o->model_bytes, SKALD_MEMORY_HANDLE)};
    if (!c.base)
        return sk_fail(o->why, SKALD_MEMORY, "no memory for the model: %llu bytes", (unsigned long long)o->model_bytes);
    skald_model *m = (skald_model *)(void *)c.base;
    skald_status status = carve_model(&c, o);
    atomic_init(&m->owners, 1);
    m->runtime = o->runtime;
    m->backend = o->slot->backend;
    m->device = o->slot->device;
    m->block_bytes = o->model_bytes;
    sk_runtime_retain(o->runtime);
    if (status == SKALD_OK) name_kernels(m, o);
    if (status == SKALD_OK) status = sample_tensors(m, o);
    if (status == SKALD_OK) status = load_weights(m, o, check);
    if (status == SKALD_OK) status = sk_watch_end(&o->watch, o->why);
    if (status == SKALD_OK) *out = m;
    else free_model(m);
    return status;
}

skald_status sk_model_open(skald_model **out, skald_runtime *runtime, const skald_model_options *options,
                           sk_model_check *check, const skald_source *parts, uint32_t n_parts, skald_report *why) {
    opening o = {.runtime = runtime, .options = options, .why = why};
    sk_watch_begin(&o.watch, options->progress, options->progress_user, "the load");
    skald_status status = measure(&o, parts, n_parts);
    if (status == SKALD_OK) status = make(out, &o, check);
    close_opening(&o);
    return status;
}

void skald_model_retain(skald_model *model) {
    if (model) atomic_fetch_add(&model->owners, 1);
}

void skald_model_release(skald_model *model) {
    if (model && atomic_fetch_sub(&model->owners, 1) == 1) free_model(model);
}

const skald_allocator *sk_model_memory(const skald_model *model) { return &model->runtime->memory; }

/* Two threads may both make one; the second gives its own back. */
skald_status sk_model_trie(const sk_trie **out, skald_model *m, sk_watch *watch, skald_report *why) {
    sk_trie *made = atomic_load(&m->trie), *there = NULL;
    if (!m->vocab) return sk_fail(why, SKALD_UNSUPPORTED, "the model has no tokenizer");
    if (!made) {
        const skald_status status = sk_trie_create(&made, m->vocab, sk_model_memory(m), watch, why);
        if (status != SKALD_OK) return status;
        if (!atomic_compare_exchange_strong(&m->trie, &there, made)) {
            sk_trie_free(made, sk_model_memory(m));
            made = there;
        }
    }
    *out = made;
    return SKALD_OK;
}

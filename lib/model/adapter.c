/* An adapter's file to its places on the device. Of a matrix of the model there are two tensors, A [rank, n_in] and
 * B [n_out, rank]; one walk over them measures, a second one loads. They are multiplied as f32. */
#include "model/adapter.h"
#include "base/report.h"
#include "model/adapter_file.h"
#include <string.h>

#define PLACE_ALIGNMENT 64u
#define RAW_ELEMENTS    8192u /* read at once, whole blocks of any type */
#define RAW_BYTES       (RAW_ELEMENTS * sizeof(float))

static const uint16_t fields[] = {
    offsetof(sk_layer, q),           offsetof(sk_layer, k),
    offsetof(sk_layer, v),           offsetof(sk_layer, o),
    offsetof(sk_layer, q_low),       offsetof(sk_layer, latent),
    offsetof(sk_layer, q_gate),      offsetof(sk_layer, mixed),
    offsetof(sk_layer, z),           offsetof(sk_layer, alpha),
    offsetof(sk_layer, beta),        offsetof(sk_layer, gate),
    offsetof(sk_layer, up),          offsetof(sk_layer, down),
    offsetof(sk_layer, router),      offsetof(sk_layer, shared_router),
    offsetof(sk_layer, shared_gate), offsetof(sk_layer, shared_up),
    offsetof(sk_layer, shared_down),
};
#define N_FIELDS (uint32_t)(sizeof fields / sizeof *fields)

static uint32_t field_at(size_t where) {
    for (uint32_t i = 0; i < N_FIELDS; i++)
        if (fields[i] == where) return i;
    return SK_NO_SITE;
}

/* A shared expert that a gate weighs is multiplied as experts are, by an operation of their own. */
static bool is_expert(const sk_kind *kind, size_t where) {
    return kind->routing.shared_gate &&
           (where == offsetof(sk_layer, shared_gate) || where == offsetof(sk_layer, shared_up) ||
            where == offsetof(sk_layer, shared_down));
}

uint32_t sk_site_of(const sk_layer *layers, const skald_weight *weight) {
    const size_t at = (size_t)((const char *)weight - (const char *)layers);
    const uint32_t field = field_at(at % sizeof *layers);
    return field == SK_NO_SITE ? SK_NO_SITE : (uint32_t)(at / sizeof *layers) * N_FIELDS + field;
}

uint32_t sk_site_count(const sk_config *c) { return c->n_layers * N_FIELDS; }

/* ---- opening */

typedef struct opening {
    skald_model *model;
    const sk_family *family;
    sk_adapter_file file;
    uint64_t weights_bytes, staging_bytes;
    char *staging;          /* RAW_BYTES as the file has them, and behind those what weight_place asked for */
    skald_adapter *adapter; /* NULL while measuring */
    skald_report *why;
} opening;

/* A pair of tensors met at a site: a whole matrix of the model, or a slice of one as in sk_role. */
typedef struct pair {
    const sk_gguf_tensor *a, *b;
    uint32_t site;
    uint64_t in, out, whole, first, take, every;
    uint64_t halved; /* elements of a head whose rows lie in halves but turn in pairs here; 0: as they are */
} pair;

static skald_status bad_tensor(const opening *o, const sk_gguf_tensor *t, const char *what) {
    return sk_fail(o->why, SKALD_FORMAT, "tensor %.*s: %s", SK_TEXT(t->name), what);
}

static bool is_real(skald_dtype type) { return skald_dtype_to_f32(NULL, type, NULL, 0) == SKALD_OK; }

static skald_status check_shapes(const opening *o, const pair *p) {
    const uint64_t rank = p->a->shape[1];
    if (p->a->n_dims > 2 || p->a->shape[0] != p->in)
        return sk_fail(o->why, SKALD_FORMAT, "tensor %.*s: rows of %llu expected, %llu found", SK_TEXT(p->a->name),
                       (unsigned long long)p->in, (unsigned long long)p->a->shape[0]);
    if (rank == 0 || rank > SK_MAX_RANK)
        return sk_fail(o->why, SKALD_FORMAT, "tensor %.*s: the rank is %llu, from 1 to %u expected",
                       SK_TEXT(p->a->name), (unsigned long long)rank, SK_MAX_RANK);
    if (p->b->n_dims > 2 || p->b->shape[0] != rank || p->b->shape[1] != p->whole)
        return sk_fail(o->why, SKALD_FORMAT, "tensor %.*s: %llu x %llu expected, %llu x %llu found",
                       SK_TEXT(p->b->name), (unsigned long long)rank, (unsigned long long)p->whole,
                       (unsigned long long)p->b->shape[0], (unsigned long long)p->b->shape[1]);
    if (!is_real(p->a->type)) return bad_tensor(o, p->a, "its elements are integers");
    if (!is_real(p->b->type)) return bad_tensor(o, p->b, "its elements are integers");
    if (!skald_dtype_bytes(p->a->type, p->in)) return bad_tensor(o, p->a, "its rows are not whole blocks");
    return skald_dtype_bytes(p->b->type, rank) ? SKALD_OK : bad_tensor(o, p->b, "its rows are not whole blocks");
}

static skald_status plan_weight(opening *o, skald_weight *w, uint64_t n_in, uint64_t n_out) {
    uint64_t staging = 0;
    *w = (skald_weight){.n_in = (uint32_t)n_in, .n_out = (uint32_t)n_out, .type = SKALD_F32};
    if (o->model->backend->weight_plan(o->model->device, w, &staging, SKALD_USE_PROJECT) != SKALD_OK)
        return sk_fail(o->why, SKALD_UNSUPPORTED, "device %s does not multiply with f32", o->model->backend->name);
    if (staging > o->staging_bytes) o->staging_bytes = staging;
    w->offset = o->weights_bytes;
    o->weights_bytes = sk_align(sk_add(o->weights_bytes, w->n_bytes), PLACE_ALIGNMENT);
    return SKALD_OK;
}

/* ---- loading */

typedef struct row_reader {
    const opening *o;
    const sk_gguf_tensor *tensor;
    const pair *slice; /* NULL: all rows, one behind the other */
    uint64_t width;
} row_reader;

/* n elements of the tensor from element `from` on, as f32. */
static skald_status read_elements(const row_reader *r, float *to, uint64_t from, uint64_t n) {
    const skald_dtype type = r->tensor->type;
    skald_status status = SKALD_OK;
    for (uint64_t at = 0, some; at < n && status == SKALD_OK; at += some) {
        some = n - at < RAW_ELEMENTS ? n - at : RAW_ELEMENTS;
        status = sk_files_read(&r->o->file.files, r->o->staging, r->tensor, skald_dtype_bytes(type, from + at),
                               (size_t)skald_dtype_bytes(type, some), r->o->why);
        if (status == SKALD_OK) status = skald_dtype_to_f32(to + at, type, r->o->staging, some);
    }
    return status;
}

/* Rows of a slice with gaps lie together run by run. */
static uint64_t row_in_file(const pair *p, uint64_t row) {
    if (p->every) row = row / p->take * p->every + row % p->take;
    if (p->halved) row = row - row % p->halved + row % 2 * (p->halved / 2) + row % p->halved / 2;
    return p->first + row;
}

static skald_status read_rows(void *self, void *to, uint32_t first, uint32_t n_rows) {
    const row_reader *r = self;
    const pair *p = r->slice;
    if (!p) return read_elements(r, to, first * r->width, n_rows * r->width);
    if (!p->every && !p->halved) return read_elements(r, to, (p->first + first) * r->width, n_rows * r->width);
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < n_rows && status == SKALD_OK; i++)
        status = read_elements(r, (float *)to + i * r->width, row_in_file(p, first + i) * r->width, r->width);
    return status;
}

static skald_status load_weight(opening *o, skald_weight *w, const sk_gguf_tensor *tensor, const pair *slice) {
    row_reader self = {o, tensor, slice, w->n_in};
    const skald_reader reader = {.self = &self,
                                 .read = read_rows,
                                 .row_bytes = (uint64_t)w->n_in * sizeof(float),
                                 .staging = o->staging + RAW_BYTES};
    w->buffer = o->adapter->weights;
    return o->model->backend->weight_place(o->model->device, w, &reader, 0);
}

static skald_status visit(opening *o, const pair *p) {
    skald_low_rank low = {.scale = sk_adapter_file_scale(&o->file, p->a->shape[1])};
    skald_status status = check_shapes(o, p);
    if (status == SKALD_OK) status = plan_weight(o, &low.a, p->in, p->a->shape[1]);
    if (status == SKALD_OK) status = plan_weight(o, &low.b, p->a->shape[1], p->out);
    if (status != SKALD_OK || !o->adapter) return status;
    status = load_weight(o, &low.a, p->a, NULL);
    if (status == SKALD_OK) status = load_weight(o, &low.b, p->b, p);
    if (status == SKALD_DEVICE) return bad_tensor(o, p->a, "the device failed");
    skald_adapter *a = o->adapter;
    if (a->sites[p->site].a.n_out) return bad_tensor(o, p->a, "another one changes the same matrix");
    if (low.a.n_out > a->rank) a->rank = low.a.n_out;
    a->n_changed++;
    a->n_parameters += (uint64_t)low.a.n_out * low.a.n_in + (uint64_t)low.b.n_out * low.b.n_in;
    a->sites[p->site] = low;
    return status;
}

/* ---- the walk */

/* "blk.N.REST": N, and *rest; SK_NO_SITE: not of a layer. */
static uint32_t layer_of(const char *name, const char **rest) {
    uint32_t n = 0;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9') return SK_NO_SITE;
    const char *c = name + 4;
    for (; *c >= '0' && *c <= '9' && n < SK_MAX_LAYERS; c++) n = 10 * n + (uint32_t)(*c - '0');
    *rest = c + 1;
    return *c == '.' ? n : SK_NO_SITE;
}

/* Where heads turn in pairs the model's file has the rows of q and k so, but transformers has not. */
static uint64_t halved_rows(const opening *o, const sk_kind *kind, size_t where) {
    const bool turns = where == offsetof(sk_layer, q) || where == offsetof(sk_layer, k);
    const bool pairs = o->model->config.n_rotations && o->model->config.rotation[0].rope == SKALD_ROPE_PAIRS;
    return o->file.is_peft && turns && pairs && kind->mixer == SK_MIX_ATTENTION ? kind->head_dim_k : 0;
}

static skald_status visit_role(opening *o, const sk_role *role, uint32_t layer, const sk_gguf_tensor *a,
                               const sk_gguf_tensor *b) {
    const sk_config *c = &o->model->config;
    const sk_kind *kind = sk_config_kind(c, layer);
    pair p = {.a = a, .b = b, .site = layer * N_FIELDS + field_at(role->where)};
    p.in = sk_config_dim(c, kind, role->in), p.out = sk_config_dim(c, kind, role->out);
    p.first = sk_config_dim(c, kind, role->first);
    p.whole = role->whole ? sk_config_dim(c, kind, role->whole) : p.out;
    p.take = sk_config_dim(c, kind, role->take), p.every = sk_config_dim(c, kind, role->every);
    p.halved = halved_rows(o, kind, role->where);
    if (p.every) p.whole = p.out / p.take * p.every;
    return visit(o, &p);
}

static bool is_named(const sk_role *r, const char *rest, const sk_kind *kind) {
    return r->form == SK_FORM_MATRIX && field_at(r->where) != SK_NO_SITE && strcmp(r->name, rest) == 0 &&
           sk_role_is_for(r, kind) && !is_expert(kind, r->where);
}

/* All roles that the matrix `name` has: one, or one for each of its slices. */
static skald_status visit_matrix(opening *o, const char *name, const sk_gguf_tensor *a, const sk_gguf_tensor *b) {
    const sk_config *c = &o->model->config;
    const char *rest;
    const uint32_t layer = layer_of(name, &rest);
    bool met = false;
    if (layer < c->n_layers)
        for (const sk_role *r = o->family->layer; r->name; r++) {
            if (!is_named(r, rest, sk_config_kind(c, layer))) continue;
            skald_status status = visit_role(o, r, layer, a, b);
            if (status != SKALD_OK) return status;
            met = true;
        }
    return met ? SKALD_OK
               : sk_fail(o->why, SKALD_UNSUPPORTED, "tensor %.*s: no matrix that adapters can change has this name",
                         SK_TEXT(a->name));
}

static skald_status walk(opening *o) {
    const sk_files *files = &o->file.files;
    for (uint32_t i = 0; i < files->n_tensors; i++) {
        const sk_gguf_tensor *t = files->tensor[i];
        sk_factor factor;
        skald_status status = sk_adapter_file_name(&factor, &o->file, t->name, o->why);
        if (status != SKALD_OK) return status;
        const sk_gguf_tensor *other = sk_files_find(files, factor.other);
        if (!other) return sk_fail(o->why, SKALD_FORMAT, "tensor %s is missing", factor.other);
        if (factor.is_a) status = visit_matrix(o, factor.matrix, t, other);
        if (status != SKALD_OK) return status;
    }
    return files->n_tensors ? SKALD_OK : sk_fail(o->why, SKALD_FORMAT, "the adapter has no tensors");
}

/* ---- memory */

static skald_adapter *carve(sk_carver *c, const skald_model *m) {
    skald_adapter *a = sk_carve(c, 1, sizeof *a, SK_CACHE_LINE);
    skald_low_rank *sites = sk_carve(c, sk_site_count(&m->config), sizeof *sites, SK_CACHE_LINE);
    if (a) a->sites = sites, a->n_sites = sk_site_count(&m->config);
    return a;
}

static skald_status make(skald_adapter **out, opening *o) {
    skald_model *m = o->model;
    sk_carver c = {0};
    carve(&c, m);
    const uint64_t bytes = c.used;
    c = (sk_carver){.base = sk_allocate_zeroed(sk_model_memory(m), 1, bytes, SKALD_MEMORY_HANDLE)};
    if (!c.base) return sk_fail(o->why, SKALD_MEMORY, "no memory for an adapter");
    skald_adapter *a = o->adapter = carve(&c, m);
    atomic_init(&a->owners, 1);
    a->model = m, a->block_bytes = bytes;
    a->number = atomic_fetch_add(&m->n_adapters, 1) + 1;
    skald_model_retain(m);
    skald_status status = m->backend->buffer_create(&a->weights, m->device, o->weights_bytes, SKALD_MEMORY_WEIGHTS);
    if (status != SKALD_OK) status = sk_fail(o->why, status, "no memory for the adapter's weights");
    o->weights_bytes = 0; /* the second walk counts again */
    if (status == SKALD_OK) status = walk(o);
    if (status == SKALD_OK) *out = a;
    else sk_adapter_free(a);
    return status;
}

void sk_adapter_free(skald_adapter *a) {
    skald_model *m = a->model;
    if (a->weights) m->backend->buffer_free(a->weights);
    sk_release(sk_model_memory(m), a, a->block_bytes);
    skald_model_release(m);
}

static skald_status load(skald_adapter **out, opening *o) {
    const skald_allocator *memory = sk_model_memory(o->model);
    skald_status status = sk_family_find(&o->family, &o->model->part[0], o->why);
    if (status == SKALD_OK) status = walk(o);
    if (status != SKALD_OK) return status;
    o->staging = sk_allocate(memory, 1, RAW_BYTES + o->staging_bytes, SKALD_MEMORY_LOAD);
    status = o->staging ? make(out, o) : sk_fail(o->why, SKALD_MEMORY, "no memory to load an adapter with");
    sk_release(memory, o->staging, RAW_BYTES + o->staging_bytes);
    return status;
}

skald_status sk_adapter_open(skald_adapter **out, skald_model *model, const skald_source *source,
                             const skald_source *config, skald_report *why) {
    opening o = {.model = model, .why = why};
    const skald_allocator *memory = sk_model_memory(model);
    skald_status status = config ? sk_adapter_file_peft(&o.file, memory, source, config, why)
                                 : sk_adapter_file_gguf(&o.file, memory, source, model->architecture, why);
    if (status == SKALD_OK) status = load(out, &o);
    sk_adapter_file_close(&o.file);
    return status;
}

/* Tensors to their places on the device: one walk over the roles that first measures, then packs. */
#include "base/exact.h"
#include "base/os/os.h"
#include "base/report.h"
#include "model/model.h"
#include <string.h>

#define PLACE_ALIGNMENT      64u
#define PROGRESS_NANOSECONDS 1000000u

/* A role met in the file. `slot` is where its skald_weight or skald_rows goes; scratch while only measuring. */
typedef struct {
    const sk_role *role;
    const char *name;
    const sk_gguf_tensor *tensor;
    void *slot;
} met;

typedef skald_status visit_fn(sk_placing *p, const met *m, void *visitor);

static skald_status check_shape(const sk_placing *p, const met *m) {
    const sk_gguf_tensor *t = m->tensor;
    uint64_t in = m->role->is_matrix ? sk_config_dim(p->config, m->role->in) : sk_config_dim(p->config, m->role->out);
    uint64_t out = m->role->is_matrix ? sk_config_dim(p->config, m->role->out) : 1;
    if (t->shape[0] == in && t->shape[1] == out && t->shape[2] == 1 && t->shape[3] == 1) return SKALD_OK;
    return sk_fail(p->why, SKALD_FORMAT, "tensor %s: %llu x %llu expected, %llu x %llu%s found", m->name,
                   (unsigned long long)in, (unsigned long long)out, (unsigned long long)t->shape[0],
                   (unsigned long long)t->shape[1], t->n_dims > 2 ? " and more dimensions" : "");
}

static skald_status visit_role(sk_placing *p, const sk_role *role, const char *name, void *slot, visit_fn *visit,
                               void *visitor) {
    met m = {role, name, sk_files_find(p->files, name), slot};
    if (!m.tensor) return role->is_optional ? SKALD_OK : sk_fail(p->why, SKALD_FORMAT, "tensor %s is missing", name);
    skald_status status = check_shape(p, &m);
    return status == SKALD_OK ? visit(p, &m, visitor) : status;
}

static skald_status walk(sk_placing *p, const sk_family *family, visit_fn *visit, void *visitor) {
    union {
        sk_trunk trunk;
        sk_layer layer;
    } scratch;
    char name[96];
    for (const sk_role *r = family->trunk; r->name; r++) {
        char *base = p->trunk ? (char *)p->trunk : (char *)&scratch;
        skald_status status = visit_role(p, r, r->name, base + r->where, visit, visitor);
        if (status != SKALD_OK) return status;
    }
    for (uint32_t i = 0; i < p->config->n_layers; i++)
        for (const sk_role *r = family->layer; r->name; r++) {
            char *base = p->layers ? (char *)&p->layers[i] : (char *)&scratch;
            sk_format(name, sizeof name, "blk.%u.%s", i, r->name);
            skald_status status = visit_role(p, r, name, base + r->where, visit, visitor);
            if (status != SKALD_OK) return status;
        }
    return SKALD_OK;
}

static uint64_t take(sk_placing *p, uint64_t n_bytes) {
    uint64_t at = p->weights_bytes;
    p->weights_bytes = sk_align(sk_add(at, n_bytes), PLACE_ALIGNMENT);
    return at;
}

static void want_staging(sk_placing *p, uint64_t n_bytes) {
    if (n_bytes > p->staging_bytes) p->staging_bytes = n_bytes;
}

static bool is_float(skald_dtype type) { return type == SKALD_F32 || type == SKALD_F16 || type == SKALD_BF16; }

static skald_status plan_vector(sk_placing *p, const met *m) {
    const uint32_t n = (uint32_t)m->tensor->shape[0];
    if (!is_float(m->tensor->type))
        return sk_fail(p->why, SKALD_UNSUPPORTED, "tensor %s: a vector of type %s", m->name,
                       skald_dtype_name(m->tensor->type));
    const skald_rows rows = {.offset = take(p, n * sizeof(float)),
                             .stride = n * sizeof(float),
                             .n_rows = 1,
                             .width = n};
    memcpy(m->slot, &rows, sizeof rows);
    want_staging(p, 2u * n * sizeof(float));
    return SKALD_OK;
}

/* Where the file has it, if that was asked for and the device can. */
static bool lies_in_place(const sk_placing *p, skald_weight *w, const sk_gguf_tensor *tensor) {
    uint64_t none;
    skald_weight here = *w;
    if (!p->in_place || !p->backend->buffer_wrap ||
        p->backend->weight_plan(p->device, &here, &none, SKALD_USE_PROJECT | SKALD_USE_EMBED | SKALD_USE_IN_PLACE))
        return false;
    here.offset = tensor->offset;
    *w = here;
    return true;
}

static skald_status plan_matrix(sk_placing *p, const met *m, uint32_t uses) {
    skald_weight w = {.n_in = (uint32_t)m->tensor->shape[0],
                      .n_out = (uint32_t)m->tensor->shape[1],
                      .type = m->tensor->type};
    uint64_t staging = 0;
    if (skald_dtype_bytes(w.type, w.n_in) == 0)
        return sk_fail(p->why, SKALD_FORMAT, "tensor %s: rows of %u are not whole blocks of %s", m->name, w.n_in,
                       skald_dtype_name(w.type));
    if (lies_in_place(p, &w, m->tensor)) {
        memcpy(m->slot, &w, sizeof w);
        return SKALD_OK;
    }
    if (p->backend->weight_plan(p->device, &w, &staging, uses) != SKALD_OK)
        return sk_fail(p->why, SKALD_UNSUPPORTED, "tensor %s: type %s is not offered by %s", m->name,
                       skald_dtype_name(w.type), p->backend->name);
    want_staging(p, staging);
    w.offset = take(p, w.n_bytes);
    memcpy(m->slot, &w, sizeof w);
    return SKALD_OK;
}

static skald_status plan_one(sk_placing *p, const met *m, void *visitor) {
    (void)visitor;
    p->n_used++;
    if (!m->role->is_matrix) return plan_vector(p, m);
    const bool tied = strcmp(m->name, "token_embd.weight") == 0 && !sk_files_find(p->files, "output.weight");
    return plan_matrix(p, m, m->role->uses | (tied ? SKALD_USE_PROJECT : 0u));
}

/* llama3's scaling: a vector that divides the rotation frequencies (arXiv 2407.21783); 1 for every pair when absent. */
static const sk_gguf_tensor *frequency_factors(const sk_placing *p) {
    return sk_files_find(p->files, "rope_freqs.weight");
}

static skald_status plan_frequencies(sk_placing *p) {
    const uint32_t n = p->config->n_pairs;
    const sk_gguf_tensor *factors = frequency_factors(p);
    const skald_rows rows = {.offset = take(p, n * sizeof(double)),
                             .stride = n * sizeof(double),
                             .n_rows = 1,
                             .width = n,
                             .type = SKALD_F64};
    if (p->trunk) p->trunk->frequency = rows;
    want_staging(p, n * (sizeof(double) + sizeof(float)));
    if (!factors) return SKALD_OK;
    p->n_used++;
    if (factors->type != SKALD_F32 || factors->shape[0] != n || factors->n_bytes != n * sizeof(float))
        return sk_fail(p->why, SKALD_FORMAT, "tensor rope_freqs.weight: %u of F32 expected", n);
    return SKALD_OK;
}

static bool has_role(const sk_role *roles, sk_text name) {
    for (const sk_role *r = roles; r->name; r++)
        if (strlen(r->name) == name.length && memcmp(r->name, name.at, (size_t)name.length) == 0) return true;
    return false;
}

/* "blk.12.attn_q.weight" to "attn_q.weight"; an empty text when it does not begin so, or there is no such layer. */
static sk_text behind_layer(sk_text name, uint32_t n_layers) {
    const sk_text none = {name.at, 0};
    uint64_t i = 4, layer = 0;
    if (name.length < 6 || memcmp(name.at, "blk.", 4) != 0) return none;
    for (; i < name.length && i < 12 && name.at[i] >= '0' && name.at[i] <= '9'; i++)
        layer = layer * 10 + (uint64_t)(name.at[i] - '0');
    if (i == 4 || (name.at[4] == '0' && i > 5) || i == name.length || name.at[i] != '.' || layer >= n_layers)
        return none;
    return (sk_text){name.at + i + 1, name.length - i - 1};
}

/* A tensor that no role wants means a network that would compute something else. */
static skald_status name_the_unused(sk_placing *p, const sk_family *family) {
    for (uint32_t i = 0; i < p->files->n_tensors; i++) {
        const sk_text name = p->files->tensor[i]->name;
        if (has_role(family->trunk, name) || has_role(family->layer, behind_layer(name, p->config->n_layers)) ||
            (name.length == 17 && memcmp(name.at, "rope_freqs.weight", 17) == 0))
            continue;
        return sk_fail(p->why, SKALD_UNSUPPORTED, "tensor %.*s has no place in architecture %s", SK_TEXT(name),
                       family->architecture);
    }
    return sk_fail(p->why, SKALD_FORMAT, "the tensors are not those of architecture %s", family->architecture);
}

skald_status sk_place_plan(sk_placing *p, const sk_family *family) {
    p->weights_bytes = p->staging_bytes = 0;
    p->n_used = 0;
    skald_status status = walk(p, family, plan_one, NULL);
    if (status == SKALD_OK) status = plan_frequencies(p);
    if (status == SKALD_OK && p->n_used != p->files->n_tensors) status = name_the_unused(p, family);
    if (status != SKALD_OK) return status;
    if (p->trunk && !p->trunk->head.n_bytes) p->trunk->head = p->trunk->embedding;
    return p->weights_bytes > PTRDIFF_MAX ? sk_fail(p->why, SKALD_MEMORY, "the weights are larger than memory")
                                          : SKALD_OK;
}

/* ---- loading */

typedef struct {
    skald_buffer *buffer;
    void *staging;
    const skald_model_options *options;
    uint64_t thread; /* the host's: only there it is told how far the load is */
    uint64_t next;   /* when it is told again, in nanoseconds */
    uint64_t all;    /* bytes of the file, and how many are read */
    atomic_uint_least64_t done;
    atomic_uint told; /* a failure is in the report already */
} loading;

typedef struct {
    const sk_placing *placing;
    const sk_gguf_tensor *tensor;
    loading *load;
    uint64_t row_bytes;
} row_reader;

static skald_status report_progress(loading *l, bool at_once) {
    if (!l->options->progress) return SKALD_OK;
    const uint64_t now = sk_os_nanoseconds();
    if (sk_os_thread() != l->thread || (now < l->next && !at_once)) return SKALD_OK;
    l->next = now + PROGRESS_NANOSECONDS;
    float done = l->all ? (float)((double)atomic_load(&l->done) / (double)l->all) : 1.0f;
    return l->options->progress(l->options->progress_user, done) ? SKALD_CANCELLED : SKALD_OK;
}

/* On any worker; the first failure has the report. */
static skald_status read_rows(void *self, void *to, uint32_t first, uint32_t n_rows) {
    row_reader *r = self;
    const uint64_t n = n_rows * r->row_bytes;
    skald_report why = {.size = sizeof why};
    skald_status status = report_progress(r->load, false);
    if (status != SKALD_OK) return status;
    status = sk_files_read(r->placing->files, to, r->tensor, first * r->row_bytes, (size_t)n, &why);
    atomic_fetch_add(&r->load->done, n);
    if (status != SKALD_OK && !atomic_exchange(&r->load->told, 1))
        sk_fail_at(r->placing->why, status, why.offset, "%s", why.text);
    return status;
}

static skald_status load_matrix(sk_placing *p, const met *m, loading *l) {
    skald_weight w;
    memcpy(&w, m->slot, sizeof w);
    const bool in_place = lies_in_place(p, &w, m->tensor);
    w.buffer = in_place ? p->files_at[m->tensor->part] : l->buffer;
    memcpy(m->slot, &w, sizeof w);
    if (in_place) return SKALD_OK;
    row_reader self = {p, m->tensor, l, skald_dtype_bytes(w.type, w.n_in)};
    const sk_source *source = &p->files->source[m->tensor->part];
    const skald_reader reader = {.self = &self,
                                 .read = read_rows,
                                 .row_bytes = self.row_bytes,
                                 .staging = l->staging,
                                 .concurrent = source->concurrent};
    skald_status status = p->backend->weight_place(p->device, &w, &reader, 0);
    return status == SKALD_DEVICE ? sk_fail(p->why, status, "tensor %s: the device failed", m->name) : status;
}

static skald_status load_vector(sk_placing *p, const met *m, loading *l) {
    skald_rows rows;
    memcpy(&rows, m->slot, sizeof rows);
    rows.buffer = l->buffer;
    memcpy(m->slot, &rows, sizeof rows);
    float *x = l->staging;
    void *raw = x + rows.width;
    row_reader self = {p, m->tensor, l, m->tensor->n_bytes};
    skald_status status = read_rows(&self, raw, 0, 1);
    if (status == SKALD_OK) status = skald_dtype_to_f32(x, m->tensor->type, raw, rows.width);
    return status == SKALD_OK ? p->backend->buffer_write(l->buffer, rows.offset, x, rows.width * sizeof *x) : status;
}

static skald_status load_one(sk_placing *p, const met *m, void *visitor) {
    return m->role->is_matrix ? load_matrix(p, m, visitor) : load_vector(p, m, visitor);
}

/* frequency[i] = base^(-2i / n_rotated) / factor / factors[i]   (arXiv 2104.09864) */
static skald_status load_frequencies(sk_placing *p, loading *l) {
    const sk_config *c = p->config;
    const sk_gguf_tensor *factors = frequency_factors(p);
    double *frequency = l->staging;
    float *factor = (float *)(frequency + c->n_pairs);
    if (factors) {
        row_reader self = {p, factors, l, factors->n_bytes};
        skald_status status = read_rows(&self, factor, 0, 1);
        if (status != SKALD_OK) return status;
    }
    for (uint32_t i = 0; i < c->n_pairs; i++) {
        if (factors && !(factor[i] > 0.0f && factor[i] < 1e12f))
            return sk_fail(p->why, SKALD_FORMAT, "tensor rope_freqs.weight: element %u is out of range", i);
        frequency[i] = sk_power(c->rope_base, -(double)i / c->n_pairs) / c->rope_factor;
        if (factors) frequency[i] /= (double)factor[i];
    }
    p->trunk->frequency.buffer = l->buffer;
    return p->backend->buffer_write(l->buffer, p->trunk->frequency.offset, frequency, c->n_pairs * sizeof *frequency);
}

skald_status sk_place_load(sk_placing *p, const sk_family *family, skald_buffer *buffer, void *staging,
                           const skald_model_options *options) {
    loading l = {.buffer = buffer, .staging = staging, .options = options, .thread = sk_os_thread()};
    for (uint32_t i = 0; i < p->files->n_tensors; i++) l.all += p->files->tensor[i]->n_bytes;
    skald_status status = walk(p, family, load_one, &l);
    if (status == SKALD_OK) status = load_frequencies(p, &l);
    if (status == SKALD_OK) status = report_progress(&l, true);
    if (status == SKALD_CANCELLED) return sk_fail(p->why, status, "the load was cancelled");
    if (!p->trunk->head.buffer) p->trunk->head = p->trunk->embedding;
    return status;
}

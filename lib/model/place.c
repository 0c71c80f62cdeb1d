/* Tensors to their places on the device: one walk over the roles that first measures, then packs. */
#include "base/report.h"
#include "model/model.h"
#include <string.h>

#define PLACE_ALIGNMENT 64u
#define LARGEST_PAGE    (2u << 20)

/* A role met in the file. `slot` is where its skald_weight or skald_rows goes; scratch while only measuring. */
typedef struct {
    const sk_role *role;
    const char *name;
    const sk_gguf_tensor *tensor;
    void *slot;
    uint64_t in, out, count; /* one matrix or vector, and how many there are */
    uint64_t first, whole;   /* its rows within the tensor, and all of those */
    uint64_t take, every;    /* of each `every` rows only so many, from `first` on; 0: they lie together */
} met;

typedef skald_status visit_fn(sk_placing *p, const met *m, void *visitor);

static skald_status check_shape(const sk_placing *p, const met *m) {
    const sk_gguf_tensor *t = m->tensor;
    const bool is_vector = m->role->form == SK_FORM_VECTOR;
    const uint64_t want[3] = {is_vector ? m->whole : m->in, is_vector ? m->count : m->whole, is_vector ? 1 : m->count};
    if (t->shape[0] == want[0] && t->shape[1] == want[1] && t->shape[2] == want[2] && t->shape[3] == 1) return SKALD_OK;
    return sk_fail(p->why, SKALD_FORMAT, "tensor %s: %llu x %llu x %llu expected, %llu x %llu x %llu%s found", m->name,
                   (unsigned long long)want[0], (unsigned long long)want[1], (unsigned long long)want[2],
                   (unsigned long long)t->shape[0], (unsigned long long)t->shape[1], (unsigned long long)t->shape[2],
                   t->n_dims > 3 ? " and more" : "");
}

static skald_status visit_role(sk_placing *p, const sk_role *role, const sk_kind *kind, const char *name, void *slot,
                               visit_fn *visit, void *visitor) {
    const sk_config *c = p->config;
    met m = {.role = role, .name = name, .tensor = sk_files_find(p->files, name), .slot = slot};
    if (role->refused)
        return m.tensor ? sk_fail(p->why, SKALD_UNSUPPORTED, "tensor %s: %s", name, role->refused) : SKALD_OK;
    if (!m.tensor) return role->is_optional ? SKALD_OK : sk_fail(p->why, SKALD_FORMAT, "tensor %s is missing", name);
    m.in = sk_config_dim(c, kind, role->in), m.out = sk_config_dim(c, kind, role->out);
    m.count = role->count ? sk_config_dim(c, kind, role->count) : 1;
    m.first = sk_config_dim(c, kind, role->first);
    m.whole = role->whole ? sk_config_dim(c, kind, role->whole) : m.out;
    m.take = sk_config_dim(c, kind, role->take), m.every = sk_config_dim(c, kind, role->every);
    if (m.every) m.whole = m.out / m.take * m.every;
    skald_status status = check_shape(p, &m);
    if (role->form == SK_FORM_FLAT) m.out *= m.in;
    return status == SKALD_OK ? visit(p, &m, visitor) : status;
}

bool sk_role_is_for(const sk_role *role, const sk_kind *kind) {
    return (!role->mixers || role->mixers >> kind->mixer & 1) && (!role->feeders || role->feeders >> kind->feeder & 1);
}

static skald_status walk(sk_placing *p, const sk_family *family, visit_fn *visit, void *visitor) {
    union {
        sk_trunk trunk;
        sk_layer layer;
    } scratch;
    char name[96];
    for (const sk_role *r = family->trunk; r->name; r++) {
        char *base = p->trunk ? (char *)p->trunk : (char *)&scratch;
        skald_status status = visit_role(p, r, NULL, r->name, base + r->where, visit, visitor);
        if (status != SKALD_OK) return status;
    }
    for (uint32_t i = 0; i < p->config->n_layers; i++)
        for (const sk_role *r = family->layer; r->name; r++) {
            const sk_kind *kind = sk_config_kind(p->config, i);
            char *base = p->layers ? (char *)&p->layers[i] : (char *)&scratch;
            if (!sk_role_is_for(r, kind)) continue;
            sk_format(name, sizeof name, "blk.%u.%s", i, r->name);
            skald_status status = visit_role(p, r, kind, name, base + r->where, visit, visitor);
            if (status != SKALD_OK) return status;
        }
    return SKALD_OK;
}

static bool is_vector(const sk_role *role) { return role->form == SK_FORM_VECTOR || role->form == SK_FORM_FLAT; }

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
    const uint64_t stride = m->count > 1 ? sk_align(m->out * sizeof(float), PLACE_ALIGNMENT) : m->out * sizeof(float);
    if (!is_float(m->tensor->type))
        return sk_fail(p->why, SKALD_UNSUPPORTED, "tensor %s: a vector of type %s", m->name,
                       skald_dtype_name(m->tensor->type));
    const skald_rows rows = {.offset = take(p, sk_mul(m->count, stride)),
                             .stride = stride,
                             .n_rows = (uint32_t)m->count,
                             .width = (uint32_t)m->out};
    memcpy(m->slot, &rows, sizeof rows);
    want_staging(p, 2u * m->out * sizeof(float));
    return SKALD_OK;
}

/* Where the file has it, if that was asked for and the device can. */
static bool lies_in_place(const sk_placing *p, skald_weight *w, const met *m) {
    uint64_t none;
    skald_weight here = *w;
    if (!p->in_place || m->every || !p->backend->buffer_wrap ||
        p->backend->weight_plan(p->device, &here, &none, SKALD_USE_PROJECT | SKALD_USE_EMBED | SKALD_USE_IN_PLACE))
        return false;
    here.offset = m->tensor->offset + m->first * skald_dtype_bytes(w->type, w->n_in);
    *w = here;
    return true;
}

static skald_status plan_matrix(sk_placing *p, const met *m, uint32_t uses) {
    skald_weight w = {.n_in = (uint32_t)m->in, .n_out = (uint32_t)m->out, .type = m->tensor->type};
    uint64_t staging = 0;
    if (skald_dtype_bytes(w.type, w.n_in) == 0)
        return sk_fail(p->why, SKALD_FORMAT, "tensor %s: rows of %u are not whole blocks of %s", m->name, w.n_in,
                       skald_dtype_name(w.type));
    if (lies_in_place(p, &w, m)) {
        memcpy(m->slot, &w, sizeof w);
        return SKALD_OK;
    }
    if (p->backend->weight_plan(p->device, &w, &staging, uses) != SKALD_OK)
        return sk_fail(p->why, SKALD_UNSUPPORTED, "tensor %s: type %s is not offered by %s", m->name,
                       skald_dtype_name(w.type), p->backend->name);
    want_staging(p, staging);
    w.n_bytes = m->count > 1 ? sk_align(w.n_bytes, PLACE_ALIGNMENT) : w.n_bytes;
    w.offset = take(p, sk_mul(m->count, w.n_bytes));
    memcpy(m->slot, &w, sizeof w);
    return SKALD_OK;
}

bool sk_place_is_head(const sk_files *files, const char *name) {
    return strcmp(name, "token_embd.weight") == 0 && !sk_files_find(files, "output.weight");
}

static skald_status plan_one(sk_placing *p, const met *m, void *visitor) {
    (void)visitor;
    p->n_used += m->first == 0; /* the other slices are of a tensor that was counted */
    if (is_vector(m->role)) return plan_vector(p, m);
    return plan_matrix(p, m, m->role->uses | (sk_place_is_head(p->files, m->name) ? SKALD_USE_PROJECT : 0u));
}

/* A vector that divides the rotation's frequencies, NULL: there is none. */
static const sk_gguf_tensor *factors_of(const sk_placing *p, const char *name) {
    return name ? sk_files_find(p->files, name) : NULL;
}

static skald_status plan_factors(sk_placing *p, const sk_rotation *r, const char *name) {
    const sk_gguf_tensor *t = factors_of(p, name);
    if (!t) return SKALD_OK;
    p->n_used++;
    if (t->type == SKALD_F32 && t->shape[0] == r->n_pairs && t->n_bytes == r->n_pairs * sizeof(float)) return SKALD_OK;
    return sk_fail(p->why, SKALD_FORMAT, "tensor %s: %u of F32 expected", name, r->n_pairs);
}

static skald_status plan_frequencies(sk_placing *p) {
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < p->config->n_rotations && status == SKALD_OK; i++) {
        const sk_rotation *r = &p->config->rotation[i];
        const skald_rows rows = {.offset = take(p, r->n_pairs * sizeof(double)),
                                 .stride = r->n_pairs * sizeof(double),
                                 .n_rows = 1,
                                 .width = r->n_pairs,
                                 .type = SKALD_F64};
        if (p->trunk) p->trunk->frequency[i] = rows;
        want_staging(p, r->n_pairs * (sizeof(double) + sizeof(float)));
        status = plan_factors(p, r, r->factors);
        if (status == SKALD_OK) status = plan_factors(p, r, r->others);
    }
    return status;
}

static bool same_name(const char *known, sk_text name) {
    return known && strlen(known) == name.length && memcmp(known, name.at, (size_t)name.length) == 0;
}

static bool is_factors(const sk_config *c, sk_text name) {
    for (uint32_t i = 0; i < c->n_rotations; i++)
        if (same_name(c->rotation[i].factors, name) || same_name(c->rotation[i].others, name)) return true;
    return false;
}

/* `kind` NULL: outside the layers. */
static bool has_role(const sk_role *roles, const sk_kind *kind, sk_text name) {
    for (const sk_role *r = roles; r->name; r++)
        if (same_name(r->name, name) && (!kind || sk_role_is_for(r, kind))) return true;
    return false;
}

/* "blk.12.attn_q.weight" to "attn_q.weight" and 12; an empty text when it does not begin so, or there is no such layer. */
static sk_text behind_layer(uint64_t *index, sk_text name, uint32_t n_layers) {
    const sk_text none = {name.at, 0};
    uint64_t i = 4, layer = 0;
    if (name.length < 6 || memcmp(name.at, "blk.", 4) != 0) return none;
    for (; i < name.length && i < 12 && name.at[i] >= '0' && name.at[i] <= '9'; i++)
        layer = layer * 10 + (uint64_t)(name.at[i] - '0');
    if (i == 4 || (name.at[4] == '0' && i > 5) || i == name.length || name.at[i] != '.' || layer >= n_layers)
        return none;
    *index = layer;
    return (sk_text){name.at + i + 1, name.length - i - 1};
}

/* A tensor that no role wants means a network that would compute something else. */
static skald_status name_the_unused(sk_placing *p, const sk_family *family) {
    for (uint32_t i = 0; i < p->files->n_tensors; i++) {
        const sk_text name = p->files->tensor[i]->name;
        uint64_t layer = 0;
        const sk_text rest = behind_layer(&layer, name, p->config->n_layers);
        if (has_role(family->trunk, NULL, name) ||
            has_role(family->layer, sk_config_kind(p->config, (uint32_t)layer), rest) || is_factors(p->config, name))
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
    sk_watch *watch;
    atomic_uint failed;  /* the first failure is in the report */
    skald_status status; /* of it */
    char *fresh;         /* memory that nobody has written, NULL: not the host's */
    uint64_t made;       /* bytes of it whose pages there are */
} loading;

typedef struct {
    const sk_placing *placing;
    const sk_gguf_tensor *tensor;
    loading *load;
    uint64_t row_bytes;
    uint64_t take, every, skip; /* of rows that do not lie together: of each `every` so many, behind `skip` */
} row_reader;

static void make_page(void *arg, uint32_t index) {
    char *fresh = arg;
    fresh[index * (uint64_t)LARGEST_PAGE] = 0;
}

/* The system clears a page when it is first written. Threads that pack side by side meet in the same huge page, and each
 * would clear one, of which a single one is used: so before they pack up to `end` they take different ones, some
 * milliseconds long. */
static skald_status make_pages(sk_placing *p, loading *l, uint64_t end) {
    skald_status status = SKALD_OK;
    if (!l->fresh || l->made >= end) return status;
    const uint32_t n_threads = sk_pool_threads(p->pool);
    sk_team *team = sk_pool_enter(p->pool, n_threads);
    while (l->made < end && status == SKALD_OK) {
        const uint64_t n = sk_divide_up(end - l->made, LARGEST_PAGE);
        const uint32_t some = n < n_threads ? (uint32_t)n : n_threads;
        sk_pool_run(p->pool, team, make_page, l->fresh + l->made, some);
        l->made += some * (uint64_t)LARGEST_PAGE;
        status = sk_watch_look(l->watch, p->why);
    }
    sk_pool_leave(p->pool, team);
    return status;
}

/* On any worker. */
static skald_status read_rows(void *self, void *to, uint32_t first, uint32_t n_rows) {
    const row_reader *r = self;
    const uint64_t n = n_rows * r->row_bytes;
    skald_report why = {.size = sizeof why};
    skald_status status = sk_files_read(r->placing->files, to, r->tensor, first * r->row_bytes, (size_t)n, &why);
    atomic_fetch_add(&r->load->watch->done, n);
    if (status != SKALD_OK && !atomic_exchange(&r->load->failed, 1))
        r->load->status = sk_fail_at(r->placing->why, status, why.offset, "%s", why.text);
    return status;
}

/* Rows of a slice whose rows do not lie together, run by run. */
static skald_status gather_rows(void *self, void *to, uint32_t first, uint32_t n_rows) {
    const row_reader *r = self;
    skald_status status = SKALD_OK;
    for (uint32_t n, at = first; at < first + n_rows && status == SKALD_OK; at += n) {
        const uint64_t left = r->take - at % r->take, all = first + n_rows - at;
        n = (uint32_t)(left < all ? left : all);
        status = read_rows(self, (char *)to + (at - first) * r->row_bytes,
                           (uint32_t)(r->skip + at / r->take * r->every + at % r->take), n);
    }
    return status;
}

static skald_status load_matrix(sk_placing *p, const met *m, loading *l) {
    skald_weight w;
    memcpy(&w, m->slot, sizeof w);
    const bool in_place = lies_in_place(p, &w, m);
    w.buffer = in_place ? p->files_at[m->tensor->part] : l->buffer;
    memcpy(m->slot, &w, sizeof w);
    if (in_place) return SKALD_OK;
    row_reader self = {p, m->tensor, l, skald_dtype_bytes(w.type, w.n_in), m->take, m->every, m->first};
    const sk_source *source = &p->files->source[m->tensor->part];
    const skald_reader reader = {.self = &self,
                                 .read = m->every ? gather_rows : read_rows,
                                 .row_bytes = self.row_bytes,
                                 .staging = l->staging,
                                 .concurrent = source->concurrent};
    skald_status status = make_pages(p, l, w.offset + m->count * w.n_bytes);
    for (uint64_t i = 0; i < m->count && status == SKALD_OK; i++, w.offset += w.n_bytes)
        status = p->backend->weight_place(p->device, &w, &reader, m->every ? 0 : (uint32_t)(m->first + i * m->whole));
    return status == SKALD_DEVICE ? sk_fail(p->why, status, "tensor %s: the device failed", m->name) : status;
}

static skald_status load_vector(sk_placing *p, const met *m, loading *l) {
    skald_rows rows;
    memcpy(&rows, m->slot, sizeof rows);
    rows.buffer = l->buffer;
    memcpy(m->slot, &rows, sizeof rows);
    float *x = l->staging;
    void *raw = x + rows.width;
    const uint64_t element = skald_dtype_bytes(m->tensor->type, 1);
    row_reader self = {.placing = p, .tensor = m->tensor, .load = l, .row_bytes = element};
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < rows.n_rows && status == SKALD_OK; i++) {
        status = read_rows(&self, raw, (uint32_t)(m->first + i * m->whole), rows.width);
        if (status == SKALD_OK) status = skald_dtype_to_f32(x, m->tensor->type, raw, rows.width);
        if (status == SKALD_OK)
            status = p->backend->buffer_write(l->buffer, rows.offset + i * rows.stride, x, rows.width * sizeof *x);
    }
    return status;
}

static skald_status load_one(sk_placing *p, const met *m, void *visitor) {
    loading *l = visitor;
    skald_status status = sk_watch_look(l->watch, p->why); /* a host's executor may read all rows on other threads */
    if (status != SKALD_OK) return status;
    return is_vector(m->role) ? load_vector(p, m, l) : load_matrix(p, m, l);
}

static skald_status read_factors(sk_placing *p, float *to, const sk_gguf_tensor *tensor, const char *name, loading *l) {
    row_reader self = {.placing = p, .tensor = tensor, .load = l, .row_bytes = tensor->n_bytes};
    skald_status status = read_rows(&self, to, 0, 1);
    for (uint64_t i = 0; i < tensor->shape[0] && status == SKALD_OK; i++)
        if (!(to[i] > 0.0f && to[i] < 1e12f))
            status = sk_fail(p->why, SKALD_FORMAT, "tensor %s: element %u is out of range", name, (uint32_t)i);
    return status;
}

static skald_status load_frequencies(sk_placing *p, loading *l) {
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < p->config->n_rotations && status == SKALD_OK; i++) {
        const sk_rotation *r = &p->config->rotation[i];
        const sk_gguf_tensor *tensor = factors_of(p, r->factors);
        double *frequency = l->staging;
        float *factors = (float *)(frequency + r->n_pairs);
        if (tensor) status = read_factors(p, factors, tensor, r->factors, l);
        if (status != SKALD_OK) return status;
        sk_rotation_frequencies(frequency, r, tensor ? factors : NULL);
        p->trunk->frequency[i].buffer = l->buffer;
        status = p->backend->buffer_write(l->buffer, p->trunk->frequency[i].offset, frequency,
                                          r->n_pairs * sizeof *frequency);
    }
    return status;
}

skald_status sk_place_load(sk_placing *p, const sk_family *family, skald_buffer *buffer, void *staging) {
    loading l = {.buffer = buffer, .staging = staging, .watch = p->files->watch};
    l.fresh = p->backend->buffer_address(buffer);
    for (uint32_t i = 0; i < p->files->n_tensors; i++) l.watch->all += p->files->tensor[i]->n_bytes;
    skald_status status = walk(p, family, load_one, &l);
    if (status == SKALD_OK) status = load_frequencies(p, &l);
    if (atomic_load(&l.failed)) return l.status;
    if (!p->trunk->head.buffer) p->trunk->head = p->trunk->embedding;
    return status;
}

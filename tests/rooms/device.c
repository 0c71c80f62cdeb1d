/* backend.h as a device author meets it: the test device is loaded, given a small network and driven without the core;
 * its numbers are compared with a direct computation, its bits with its own under cutting, pausing and failing. */
#include "support/check.h"
#include "device/fault.h"
#include "rooms/device_network.h"
#include "rooms/device_rig.h"
#include <dlfcn.h>
#include <stdbool.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- weights and rows on the device */

static skald_status read_tensor(void *self, void *to, uint32_t first, uint32_t n) {
    const tensor *t = self;
    if (t->type == SKALD_F16) memcpy(to, t->half + first * t->n_in, (size_t)n * t->n_in * 2);
    else memcpy(to, t->x + first * t->n_in, (size_t)n * t->n_in * 4);
    return SKALD_OK;
}

static skald_status place(rig *g, tensor *t, uint32_t uses) {
    uint64_t staging_bytes;
    t->weight = (skald_weight){.n_in = t->n_in, .n_out = t->n_out, .type = t->type};
    skald_status status = g->b->weight_plan(g->device, &t->weight, &staging_bytes, uses);
    if (status != SKALD_OK) return status;
    t->weight.buffer = g->constants;
    t->weight.offset = g->constants_used;
    g->constants_used += (t->weight.n_bytes + 63) & ~(uint64_t)63;
    skald_reader reader = {.self = t, .read = read_tensor, .row_bytes = skald_dtype_bytes(t->type, t->n_in)};
    if (t->n_out == FF) reader.view = t->type == SKALD_F16 ? (void *)t->half : (void *)t->x;
    else reader.staging = malloc((size_t)staging_bytes);
    status = g->b->weight_place(g->device, &t->weight, &reader, 0);
    free(reader.staging);
    return status;
}

static skald_rows constant(rig *g, const void *from, uint32_t width, skald_dtype type) {
    uint32_t n_bytes = width * (type == SKALD_F64 ? 8 : 4);
    skald_rows r = {.buffer = g->constants,
                    .offset = g->constants_used,
                    .stride = n_bytes,
                    .n_rows = 1,
                    .width = width,
                    .type = type};
    CHECK_EQUAL(g->b->buffer_write(g->constants, r.offset, from, n_bytes), SKALD_OK);
    g->constants_used += (n_bytes + 63) & ~63u;
    return r;
}

static skald_rows scratch(rig *g, uint32_t width, skald_extent extent) {
    uint32_t n_rows = extent == SKALD_EXTENT_LOGITS ? LOGITS : ROWS, stride = width * 4 + 20;
    skald_rows r = {.buffer = g->room,
                    .offset = g->room_used,
                    .stride = stride,
                    .n_rows = n_rows,
                    .width = width,
                    .type = SKALD_F32,
                    .extent = extent};
    g->room_used += (uint64_t)n_rows * stride;
    return r;
}

static skald_status fill_device(rig *g, network *n) {
    uint64_t on_device;
    long before = g->asked;
    skald_status status = g->b->buffer_create(&g->constants, g->device, 64 << 10, SKALD_MEMORY_WEIGHTS);
    if (status == SKALD_OK)
        CHECK_EQUAL((uint64_t)(g->asked - before), g->b->buffer_bytes(g->device, &on_device, 64 << 10));
    if (status == SKALD_OK) status = g->b->buffer_create(&g->room, g->device, 16 << 10, SKALD_MEMORY_SCRATCH);
    for (int i = 0; status == SKALD_OK && i < N_TENSORS; i++)
        status = place(g, &n->tensors[i], i <= POSITIONS ? SKALD_USE_EMBED : SKALD_USE_PROJECT);
    for (int i = 0; status == SKALD_OK && i < N_VECTORS; i++)
        n->vectors[i].rows = constant(g, n->vectors[i].x, n->vectors[i].n, SKALD_F32);
    return status;
}

/* A descriptor is the caller's again once its function is back: it is overwritten at once. */
#define RECORD(slot, kind, ...)                                                                                        \
    do {                                                                                                               \
        kind descriptor = {.size = sizeof descriptor, __VA_ARGS__};                                                    \
        g->b->ops.slot(g->stream, &descriptor);                                                                        \
        memset(&descriptor, 0xa5, sizeof descriptor);                                                                  \
    } while (0)

static skald_norm rms(const vector *v) { return (skald_norm){.kind = SKALD_NORM_RMS, .eps = eps, .weight = v->rows}; }

static void record_layer(rig *g, network *n, skald_rows x, skald_rows angles, int l) {
    skald_rows q = scratch(g, HEADS * DIM_K, SKALD_EXTENT_ROWS), k = scratch(g, KV_HEADS * DIM_K, SKALD_EXTENT_ROWS);
    skald_rows v = scratch(g, KV_HEADS * DIM_V, SKALD_EXTENT_ROWS),
               mixed = scratch(g, HEADS * DIM_V, SKALD_EXTENT_ROWS);
    skald_rows h = scratch(g, WIDTH, SKALD_EXTENT_ROWS), gate = scratch(g, FF, SKALD_EXTENT_ROWS),
               up = scratch(g, FF, SKALD_EXTENT_ROWS);
    RECORD(project, skald_project, .n_weights = 3, .norm = rms(vector_of(n, MIX_NORM, l)), .x = x,
           .weight = {weight_of(n, Q, l)->weight, weight_of(n, K, l)->weight, weight_of(n, V, l)->weight},
           .bias = {vector_of(n, Q_BIAS, l)->rows, vector_of(n, K_BIAS, l)->rows, vector_of(n, V_BIAS, l)->rows},
           .out = {q, k, v});
    RECORD(append, skald_append, .layer = (uint32_t)l, .n_heads = HEADS, .n_kv_heads = KV_HEADS, .head_dim_k = DIM_K,
           .head_dim_v = DIM_V, .rope = l ? SKALD_ROPE_HALVES : SKALD_ROPE_PAIRS, .n_pairs = PAIRS, .angles = angles,
           .q_norm = rms(vector_of(n, Q_NORM, l)), .k_norm = rms(vector_of(n, K_NORM, l)), .q = q, .k = k, .v = v);
    RECORD(attend, skald_attend, .layer = (uint32_t)l, .n_heads = HEADS, .n_kv_heads = KV_HEADS, .head_dim_k = DIM_K,
           .head_dim_v = DIM_V, .scale = 0.4f, .soft_cap = l ? soft_cap : 0, .window = l ? window : 0,
           .sinks = l ? (skald_rows){0} : vector_of(n, SINKS, l)->rows, .q = q, .out = mixed);
    if (l == 0)
        RECORD(project, skald_project, .n_weights = 1, .x = mixed, .weight = {weight_of(n, OUT, l)->weight}, .out = {x},
               .add = x);
    if (l == 1) {
        RECORD(project, skald_project, .n_weights = 1, .x = mixed, .weight = {weight_of(n, OUT, l)->weight},
               .out = {h});
        RECORD(normalize, skald_normalize, .norm = rms(vector_of(n, MIX_NORM, l)), .x = h, .out = x, .add = x);
    }
    RECORD(normalize, skald_normalize, .x = x, .out = h,
           .norm = {SKALD_NORM_LAYER, eps, vector_of(n, FEED_NORM, l)->rows, vector_of(n, FEED_BIAS, l)->rows});
    RECORD(project, skald_project, .n_weights = 2, .x = h, .out = {gate, up},
           .weight = {weight_of(n, GATE, l)->weight, weight_of(n, UP, l)->weight});
    RECORD(gate, skald_gate, .activation = l ? SKALD_ACTIVATION_GELU_TANH : SKALD_ACTIVATION_SILU, .gate = gate,
           .up = up, .out = gate);
    RECORD(gate, skald_gate, .activation = l ? SKALD_ACTIVATION_RELU : SKALD_ACTIVATION_GELU, .gate = gate,
           .out = gate);
    RECORD(gate, skald_gate, .activation = l ? SKALD_ACTIVATION_SWIGLU_CLAMPED : SKALD_ACTIVATION_SIGMOID, .gate = gate,
           .out = gate);
    RECORD(project, skald_project, .n_weights = 1, .x = gate, .weight = {weight_of(n, DOWN, l)->weight}, .out = {x},
           .add = x);
}

static skald_status record(rig *g, network *n, skald_report *why) {
    uint64_t on_device;
    skald_stream_plan plan = {.size = sizeof plan,
                              .n_ops = OPS,
                              .n_rows = ROWS,
                              .n_wanted = LOGITS,
                              .max_width = WIDTH,
                              .max_head_dim = DIM_K,
                              .n_threads = 1};
    long before = g->asked;
    skald_status status = g->b->stream_create(&g->stream, g->device, &plan);
    if (status != SKALD_OK) return status;
    CHECK_EQUAL((uint64_t)(g->asked - before), g->b->stream_bytes(g->device, &on_device, &plan));
    skald_rows frequency = constant(g, n->frequency, PAIRS, SKALD_F64);
    skald_rows x = scratch(g, WIDTH, SKALD_EXTENT_ROWS), angles = scratch(g, 2 * PAIRS, SKALD_EXTENT_ROWS);
    skald_rows last = scratch(g, WIDTH, SKALD_EXTENT_WANTED);
    g->logits = scratch(g, VOCAB, SKALD_EXTENT_LOGITS);
    before = g->asked;
    RECORD(embed, skald_embed, .scale = scale, .table = n->tensors[TABLE].weight,
           .positions = n->tensors[POSITIONS].weight, .out = x);
    RECORD(angles, skald_angles, .magnitude = magnitude, .frequency = frequency, .out = angles);
    for (int l = 0; l < LAYERS; l++) record_layer(g, n, x, angles, l);
    RECORD(select, skald_select, .x = x, .out = last);
    RECORD(project, skald_project, .n_weights = 1, .norm = rms(&n->vectors[LAST_NORM]), .x = last,
           .weight = {n->tensors[HEAD].weight}, .out = {g->logits}, .soft_cap = logits_cap);
    status = g->b->stream_seal(g->stream, why);
    CHECK_EQUAL(g->asked, before);
    return status;
}

static skald_status make_store(rig *g, skald_dtype k_type, skald_dtype v_type) {
    uint64_t on_device;
    skald_store_layer layers[LAYERS] = {{KV_HEADS, DIM_K, DIM_V, 0, 0, 0, 0},
                                        {KV_HEADS, DIM_K, DIM_V, window, 0, 0, 0}};
    const skald_store_group groups[] = {{0, PAGES}};
    skald_store_plan plan = {.size = sizeof plan,
                             .n_layers = LAYERS,
                             .layers = layers,
                             .groups = groups,
                             .n_groups = 1,
                             .n_list = PAGES,
                             .n_sequences = SEQUENCES,
                             .k_type = k_type,
                             .v_type = v_type};
    static const uint32_t pages[SEQUENCES][2] = {{3, 0}, {5, 1}, {4, 2}};
    memset(g->pages, 0xff, sizeof g->pages);
    for (int s = 0; s < SEQUENCES; s++) memcpy(g->pages + s * PAGES, pages[s], sizeof pages[s]);
    long before = g->asked;
    skald_status status = g->b->store_create(&g->store, g->device, &plan);
    if (status == SKALD_OK) CHECK_EQUAL((uint64_t)(g->asked - before), g->b->store_bytes(g->device, &on_device, &plan));
    return status;
}

static skald_status make(rig *g, network *n, const skald_backend *b, const char *config) {
    skald_report why = {.size = sizeof why};
    skald_status status = open_rig(g, b, config, &why);
    if (status == SKALD_OK) status = fill_device(g, n);
    if (status == SKALD_OK) status = make_store(g, SKALD_F32, SKALD_F32);
    if (status == SKALD_OK) status = record(g, n, &why);
    return status;
}

/* ---- passes */

typedef struct some {
    uint32_t seq, first, n;
} some;

typedef struct tables {
    int32_t tokens[ROWS];
    uint32_t positions[ROWS], page_list[ROWS], wanted[ROWS];
    skald_pass pass;
} tables;

static void fill_pass(rig *g, tables *t, const some *spans, int n_spans, uint32_t first_wanted) {
    uint32_t r = 0;
    for (int i = 0; i < n_spans; i++) {
        for (uint32_t k = 0; k < spans[i].n; k++, r++) {
            t->positions[r] = spans[i].first + k;
            t->tokens[r] = token_at(spans[i].seq, t->positions[r]);
            t->page_list[r] = spans[i].seq * PAGES;
            t->wanted[r] = r;
        }
    }
    t->pass = (skald_pass){.size = sizeof t->pass,
                           .n_rows = r,
                           .n_wanted = r,
                           .first_wanted = first_wanted,
                           .tokens = t->tokens,
                           .positions = t->positions,
                           .page_list = t->page_list,
                           .pages = g->pages,
                           .wanted = t->wanted,
                           .poll = poll,
                           .poll_self = g};
    g->polls = 0;
}

static skald_status start(rig *g, tables *t, const some *spans, int n_spans, uint32_t first_wanted) {
    fill_pass(g, t, spans, n_spans, first_wanted);
    return g->b->stream_start(g->stream, g->store, &t->pass);
}

static skald_status go(rig *g, const some *spans, int n_spans, float *logits) {
    tables t;
    skald_status status = start(g, &t, spans, n_spans, 0);
    if (status == SKALD_OK) status = g->b->stream_run(g->stream);
    if (status == SKALD_OK && logits) status = g->b->stream_read(logits, g->stream, &g->logits, 0, t.pass.n_rows);
    return status;
}

/* The whole text of `seq`, at most `step` tokens a pass. */
static void read_text(rig *g, uint32_t seq, uint32_t step, float (*logits)[VOCAB]) {
    for (uint32_t p = 0; p < TOKENS; p += step) {
        some span = {seq, p, TOKENS - p < step ? TOKENS - p : step};
        CHECK_EQUAL(go(g, &span, 1, logits[p]), SKALD_OK);
    }
}

static void near_oracle(float (*logits)[VOCAB], const oracle *o, const char *what) {
    double worst = 0;
    for (int i = 0; i < TOKENS * VOCAB; i++) {
        double gap = fabs((double)logits[i / VOCAB][i % VOCAB] - o->logits[i / VOCAB][i % VOCAB]);
        if (!(gap <= worst)) worst = gap;
    }
    CHECK_SAID(worst < 1e-4, "%s: logits differ by %g", what, worst);
}

static bool same(const float *a, const float *b, uint32_t n_rows) {
    return memcmp(a, b, n_rows * VOCAB * sizeof *a) == 0;
}

/* ---- what must hold */

static void check_numbers(const skald_backend *b, network *n, float (*first)[VOCAB]) {
    static oracle o;
    static float logits[TOKENS][VOCAB];
    rig g;
    CHECK_EQUAL(make(&g, n, b, "seed=5"), SKALD_OK);
    compute(n, &o, 0, SKALD_F32, SKALD_F32);
    read_text(&g, 0, ROWS, first);
    near_oracle(first, &o, "five by five");
    read_text(&g, 0, 3, logits);
    CHECK(same(logits[0], first[0], TOKENS));
    CHECK(g.b->buffer_address(g.constants) == NULL && g.b->buffer_address(g.room) == NULL);

    g.b->store_free(g.store);
    CHECK_EQUAL(make_store(&g, SKALD_F16, SKALD_F32), SKALD_OK);
    compute(n, &o, 1, SKALD_F16, SKALD_F32);
    read_text(&g, 1, 4, logits);
    near_oracle(logits, &o, "keys in f16");
    close_rig(&g);
}

/* Two texts together, rows of both in one pass, against each alone. */
static void check_neighbours(rig *g, float (*first)[VOCAB]) {
    float logits[ROWS][VOCAB], other[10][VOCAB];
    for (uint32_t p = 0; p < 10; p += 2) {
        some both[] = {{1, p, 2}, {0, p, 2}};
        CHECK_EQUAL(go(g, both, 2, logits[0]), SKALD_OK);
        CHECK(same(logits[2], first[p], 2));
        memcpy(other[p], logits[0], 2 * sizeof *logits);
    }
    for (uint32_t p = 0; p < 10; p++)
        CHECK(go(g, &(some){1, p, 1}, 1, logits[0]) == SKALD_OK && same(logits[0], other[p], 1));
}

/* Tokens 5 and 6 after 0 ... 4, again and again: whatever happened to the pass before, the bits are these. */
static const some head = {0, 0, 5}, tail = {0, 5, 2};

static void check_again(rig *g, float (*first)[VOCAB], const char *what, long at) {
    float logits[ROWS][VOCAB];
    g->pause_at = g->cancel_at = 0;
    CHECK_SAID(go(g, &tail, 1, logits[0]) == SKALD_OK && same(logits[0], first[5], 2), "%s at %ld: other bits", what,
               at);
}

static void check_interruptions(rig *g, const device_fault *fault, float (*first)[VOCAB]) {
    tables t;
    float logits[ROWS][VOCAB];
    CHECK_EQUAL(go(g, &head, 1, NULL), SKALD_OK);
    for (long at = 1; at < OPS; at++) {
        g->pause_at = at;
        CHECK_EQUAL(start(g, &t, &tail, 1, 0), SKALD_OK);
        CHECK_EQUAL(g->b->stream_run(g->stream), SKALD_PENDING);
        CHECK_EQUAL(g->b->stream_start(g->stream, g->store, &t.pass), SKALD_BUSY);
        CHECK_EQUAL(g->b->stream_run(g->stream), SKALD_OK);
        CHECK_EQUAL(g->b->stream_read(logits, g->stream, &g->logits, 0, 2), SKALD_OK);
        CHECK(same(logits[0], first[5], 2));

        CHECK_EQUAL(start(g, &t, &tail, 1, 0), SKALD_OK);
        CHECK_EQUAL(g->b->stream_run(g->stream), SKALD_PENDING);
        g->b->stream_drop(g->stream);
        CHECK_EQUAL(g->b->stream_run(g->stream), SKALD_ARGUMENT);
        check_again(g, first, "dropped", at);

        g->cancel_at = at;
        CHECK_EQUAL(go(g, &tail, 1, NULL), SKALD_CANCELLED);
        check_again(g, first, "cancelled", at);

        uint64_t before = fault->executed(g->device);
        fault->set_fail_after(g->device, (uint64_t)at);
        CHECK_EQUAL(go(g, &tail, 1, NULL), SKALD_DEVICE);
        CHECK_EQUAL(fault->executed(g->device) - before, (uint64_t)at);
        check_again(g, first, "failed", at);
    }
}

/* Later passes of a step put their wanted rows behind those of earlier ones. */
static void check_wanted(rig *g, float (*first)[VOCAB]) {
    tables t;
    float logits[LOGITS][VOCAB];
    CHECK_EQUAL(start(g, &t, &head, 1, 0), SKALD_OK);
    CHECK_EQUAL(g->b->stream_run(g->stream), SKALD_OK);
    CHECK_EQUAL(start(g, &t, &tail, 1, 5), SKALD_OK);
    CHECK_EQUAL(g->b->stream_run(g->stream), SKALD_OK);
    CHECK_EQUAL(g->b->stream_read(logits, g->stream, &g->logits, 0, 7), SKALD_OK);
    CHECK(same(logits[0], first[0], 7));
    CHECK_EQUAL(start(g, &t, &tail, 1, LOGITS - 1), SKALD_ARGUMENT);
    check_again(g, first, "refused", 0);
}

static void check_embeddings(rig *g, const network *n, float (*first)[VOCAB]) {
    tables t;
    float logits[ROWS][VOCAB], rows[VOCAB][WIDTH];
    memcpy(rows, n->tensors[TABLE].x, sizeof rows);
    fill_pass(g, &t, &tail, 1, 0);
    t.tokens[1] = -1 - t.tokens[1];
    t.pass.embeddings = rows[0];
    CHECK_EQUAL(g->b->stream_start(g->stream, g->store, &t.pass), SKALD_OK);
    memset(rows, 0xff, sizeof rows);
    CHECK_EQUAL(g->b->stream_run(g->stream), SKALD_OK);
    CHECK_EQUAL(g->b->stream_read(logits, g->stream, &g->logits, 0, 2), SKALD_OK);
    CHECK(same(logits[0], first[5], 2));
}

static void check_pages(rig *g, const network *n, float (*first)[VOCAB]) {
    static oracle o;
    float logits[ROWS][VOCAB], keys[KV_HEADS][5][DIM_K], buffer[KV_HEADS * 5 * DIM_K];
    skald_store_part part = {.size = sizeof part, .layer = 1, .part = SKALD_PART_K, .page = 3, .first = 0, .n = 5};
    compute((network *)n, &o, 0, SKALD_F32, SKALD_F32);
    CHECK_EQUAL(g->b->part_read(keys, g->store, &part), SKALD_OK);
    for (int i = 0; i < KV_HEADS * 5 * DIM_K; i++) {
        int h = i / 5 / DIM_K, p = i / DIM_K % 5, e = i % DIM_K;
        CHECK_SAID(fabs((double)keys[h][p][e] - o.k[1][p][h][e]) < 1e-5, "key of head %d at %d: element %d", h, p, e);
    }
    for (uint32_t i = 0; i < 2 * LAYERS; i++) {
        part = (skald_store_part){.size = sizeof part, .layer = i / 2, .part = i & 1, .page = 3, .n = 5};
        CHECK_EQUAL(g->b->part_read(buffer, g->store, &part), SKALD_OK);
        part.page = 2;
        CHECK_EQUAL(g->b->part_write(g->store, &part, buffer), SKALD_OK);
    }
    for (uint32_t i = 0; i < LAYERS; i++) CHECK_EQUAL(g->b->layer_copy(g->store, 4, 3, i, 5), SKALD_OK);
    for (uint32_t page = 2; page <= 4; page += 2) {
        g->pages[0] = page;
        CHECK_EQUAL(go(g, &tail, 1, logits[0]), SKALD_OK);
        CHECK(same(logits[0], first[5], 2));
    }
    g->pages[0] = 3;
    part.first = SKALD_PAGE_TOKENS - 2;
    CHECK_EQUAL(g->b->part_read(buffer, g->store, &part), SKALD_ARGUMENT);
    CHECK_EQUAL(g->b->layer_copy(g->store, PAGES, 3, 0, 5), SKALD_ARGUMENT);
    CHECK_EQUAL(g->b->layer_copy(g->store, 4, 3, LAYERS, 5), SKALD_ARGUMENT);
}

static void check_bad_tables(rig *g) {
    tables t;
    for (int kind = 0; kind < 5; kind++) {
        fill_pass(g, &t, &tail, 1, 0);
        if (kind == 0) t.tokens[1] = VOCAB;
        if (kind == 1) t.tokens[1] = -1;
        if (kind == 2) t.positions[1] = TOKENS;
        if (kind == 3) t.page_list[1] = SEQUENCES * PAGES;
        if (kind == 4) t.wanted[1] = ROWS;
        CHECK_SAID(g->b->stream_start(g->stream, g->store, &t.pass) == SKALD_ARGUMENT, "bad table %d is taken", kind);
    }
}

/* The device's memory is nobody else's: a child that reads it dies. */
static void check_apart(rig *g, const device_fault *fault) {
    uint64_t n_bytes;
    const volatile unsigned char *region = fault->region(g->device, &n_bytes);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL);
        _exit(region[4096] == 0xa5 ? 1 : 0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* The first failure of a recording stays, and seal tells it. */
static void check_bad_recording(const skald_backend *b, network *n) {
    rig g;
    skald_report why = {.size = sizeof why};
    skald_stream_plan plan = {.size = sizeof plan, .n_ops = OPS, .n_rows = ROWS, .n_wanted = LOGITS};
    CHECK_EQUAL(open_rig(&g, b, "delay=0,memory=16", &why), SKALD_OK);
    CHECK_EQUAL(fill_device(&g, n), SKALD_OK);
    CHECK_EQUAL(b->stream_create(&g.stream, g.device, &plan), SKALD_OK);
    skald_rows x = scratch(&g, WIDTH, SKALD_EXTENT_ROWS), far = x, narrow = x;
    far.offset = (16 << 10) - 8;
    narrow.width = WIDTH - 4;
    skald_gate gate = {.size = sizeof gate, .activation = SKALD_ACTIVATION_RELU, .gate = x, .out = x};
    b->ops.gate(g.stream, &gate);
    gate.out = far;
    b->ops.gate(g.stream, &gate);
    gate.out = narrow;
    b->ops.gate(g.stream, &gate);
    CHECK_EQUAL(b->stream_seal(g.stream, &why), SKALD_ARGUMENT);
    CHECK_TEXT(why.text, "rows behind the end of their buffer");
    CHECK_EQUAL(b->stream_start(g.stream, NULL, &(skald_pass){.size = sizeof(skald_pass)}), SKALD_ARGUMENT);

    struct {
        skald_gate known;
        uint64_t unknown;
    } longer = {gate, 0};
    longer.known.size = sizeof longer;
    CHECK(b->refuses(g.device, SKALD_OP_GATE, &longer) == NULL);
    longer.unknown = 1;
    CHECK(b->refuses(g.device, SKALD_OP_GATE, &longer) != NULL);
    gate.activation = 99;
    CHECK(b->refuses(g.device, SKALD_OP_GATE, &gate) != NULL);
    CHECK(b->refuses(g.device, 99, &gate) != NULL);
    close_rig(&g);
}

static void check_faults(const skald_backend *b, network *n) {
    rig g;
    tables t;
    skald_report why = {.size = sizeof why};
    skald_status status = SKALD_MEMORY;
    for (long at = 1; status == SKALD_MEMORY; at++) {
        g = (rig){0};
        CHECK_EQUAL(open_rig(&g, b, "delay=0,memory=16", &why), SKALD_OK);
        g.fail_in = at;
        status = fill_device(&g, n);
        if (status == SKALD_OK) status = make_store(&g, SKALD_F32, SKALD_F16);
        if (status == SKALD_OK) status = record(&g, n, &why);
        CHECK(status == (at <= 4 ? SKALD_MEMORY : SKALD_OK));
        close_rig(&g);
    }
    CHECK_EQUAL(make(&g, n, b, "delay=0,memory=16,fail_place=3"), SKALD_DEVICE);
    close_rig(&g);
    CHECK_EQUAL(make(&g, n, b, "delay=0,fail_start=2 fail_op=30"), SKALD_OK);
    CHECK_EQUAL(go(&g, &head, 1, NULL), SKALD_OK);
    CHECK_EQUAL(start(&g, &t, &tail, 1, 0), SKALD_DEVICE);
    CHECK_EQUAL(go(&g, &tail, 1, NULL), SKALD_DEVICE);
    CHECK_EQUAL(go(&g, &tail, 1, NULL), SKALD_OK);
    skald_buffer *big = (skald_buffer *)&g;
    CHECK_EQUAL(b->buffer_create(&big, g.device, (uint64_t)1 << 40, SKALD_MEMORY_WEIGHTS), SKALD_MEMORY);
    CHECK(big == NULL);
    close_rig(&g);
    CHECK_EQUAL(open_rig(&g, b, "delay=0,colour=7", &why), SKALD_ARGUMENT);
    CHECK(g.live == 0 && why.status == SKALD_ARGUMENT && why.text[0]);
}

/* The same operations on the CPU: what no model of the golden data has too. */
static void check_cpu(network *n, const char *level) {
    static oracle o;
    static float logits[TOKENS][VOCAB], again[TOKENS][VOCAB], rows[VOCAB][WIDTH];
    rig g;
    CHECK_EQUAL(make(&g, n, skald_cpu_backend(), level), SKALD_OK);
    compute(n, &o, 0, SKALD_F32, SKALD_F32);
    read_text(&g, 0, ROWS, logits);
    near_oracle(logits, &o, level ? level : "the best level");
    read_text(&g, 0, 2, again);
    CHECK(same(logits[0], again[0], TOKENS));

    tables t;
    memcpy(rows, n->tensors[TABLE].x, sizeof rows);
    fill_pass(&g, &t, &tail, 1, 0);
    t.tokens[1] = -1 - t.tokens[1];
    t.pass.embeddings = rows[0];
    CHECK_EQUAL(g.b->stream_start(g.stream, g.store, &t.pass), SKALD_OK);
    CHECK_EQUAL(g.b->stream_run(g.stream), SKALD_OK);
    CHECK_EQUAL(g.b->stream_read(again, g.stream, &g.logits, 0, 2), SKALD_OK);
    CHECK(same(again[0], logits[5], 2));
    t.positions[1] = TOKENS; /* one more than were learned */
    CHECK_EQUAL(g.b->stream_start(g.stream, g.store, &t.pass), SKALD_ARGUMENT);
    close_rig(&g);
}

int main(void) {
    static network n;
    static float first[TOKENS][VOCAB];
    void *library = dlopen(SK_TEST_BIN "/tests/skald_device_test.so", RTLD_NOW | RTLD_LOCAL);
    if (!CHECK_SAID(library != NULL, "the plug-in does not load: %s", dlerror())) return sk_checked();
    skald_backend_entry_fn entry;
    *(void **)&entry = dlsym(library, "skald_backend_entry");
    CHECK(entry(SKALD_BACKEND_VERSION + 1) == NULL);
    const skald_backend *b = entry(SKALD_BACKEND_VERSION);
    CHECK_EQUAL(b->size, sizeof *b);
    fill_network(&n);
    check_cpu(&n, "scalar");
    check_cpu(&n, NULL);
    check_numbers(b, &n, first);
    check_bad_recording(b, &n);
    check_faults(b, &n);

    rig g;
    CHECK_EQUAL(make(&g, &n, b, "delay=1,memory=16"), SKALD_OK);
    const device_fault *fault = b->get_interface(g.device, DEVICE_FAULT_NAME, 1);
    CHECK(b->get_interface(g.device, DEVICE_FAULT_NAME, 2) == NULL);
    long asked = g.asked;
    check_neighbours(&g, first);
    check_interruptions(&g, fault, first);
    check_wanted(&g, first);
    check_embeddings(&g, &n, first);
    check_pages(&g, &n, first);
    check_bad_tables(&g);
    CHECK_EQUAL(g.asked, asked);
    check_apart(&g, fault);
    close_rig(&g);
    dlclose(library);
    return sk_checked();
}

/* The CPU backend from inside: what device.c, weights.c, store.c, stream.c and ops.c share. */
#ifndef SK_CPU_CPU_H
#define SK_CPU_CPU_H
#include "backends/cpu/kernels.h"
#include "base/memory.h"
#include <stdatomic.h>

static inline uint32_t sk_least(uint32_t a, uint32_t b) { return a < b ? a : b; }

struct skald_device {
    const skald_host *host;
    sk_kernels kernels;
};

struct skald_buffer {
    skald_device *device;
    uint64_t n_bytes;
    _Alignas(SK_CACHE_LINE) char *data; /* behind this struct, or memory of the host that was wrapped */
};

/* The pages of a group, or the slots, one after the other. A page is [layer][KV head]{ K [dim_k][SK_PAGE], V [SK_PAGE][dim_v] }
 * over the layers of its group, quantized ones as kept.h says; a slot is [layer]{ state, rows [SKALD_STATE_GRID] }. */
typedef struct sk_store_units {
    uint32_t n;
    uint64_t n_bytes; /* of one */
    char *first;
} sk_store_units;

typedef struct sk_store_layer {
    skald_store_layer shape;
    const sk_store_units *units;
    uint64_t offset, n_bytes;  /* in a page or slot */
    uint64_t k_bytes, v_bytes; /* of one head */
    uint64_t rows, row_stride; /* of a state: where they begin behind it */
    uint64_t list;             /* where the group's lists begin in the pages of a pass */
} sk_store_layer;

struct skald_store {
    skald_device *device;
    uint64_t block_bytes;
    skald_dtype k_type, v_type;
    uint32_t n_layers, n_groups;
    sk_store_layer *layers;
    sk_store_units *units; /* [n_groups + 1], the last are the slots */
};

char *sk_store_k(const skald_store *store, uint32_t layer, uint32_t page, uint32_t kv_head);
char *sk_store_v(const skald_store *store, uint32_t layer, uint32_t page, uint32_t kv_head);
/* Entry `index` of row r's page list. */
uint32_t sk_store_page(const skald_stream *stream, uint32_t layer, uint32_t r, uint32_t index);
/* A layer's state in a slot, and its row of a position since. */
char *sk_store_state(const skald_store *store, uint32_t layer, uint32_t slot);
char *sk_store_row(const skald_store *store, uint32_t layer, uint32_t slot, uint32_t position);
/* One head of one token goes to its place in a page, in the store's types. */
void sk_store_put(skald_store *store, uint32_t layer, uint32_t page, uint32_t kv_head, uint32_t position,
                  const float *key, const float *value);

/* Most rows that a panel meets in a job, and blocks of it that are expanded at once: 36 to 48 KB. */
#define SK_SUM_ROWS     256u
#define SK_SLICE_BLOCKS 32u
#define SK_SLICE_BYTES  (SK_SLICE_BLOCKS * (32u + 16u) * SK_PANEL)

#define SK_ADAPT_ROWS 8u

/* What rows of a tile have seen so far: per row the largest score, the sum of exponentials (at least 1 once a key was seen,
 * so 0 is nothing), and the weighted values. */
typedef struct sk_seen {
    float max[SK_ATTEND_ROWS], sum[SK_ATTEND_ROWS];
    float *out;
} sk_seen;

/* Where an attention job stands. It may be stopped between two pages, and then goes on in the room where it was, whichever
 * thread comes. */
typedef struct sk_attend_cursor {
    atomic_uint stopped; /* the job that was stopped, + 1; 0: none */
    bool goes_on;        /* what lies below is of a job under way */
    uint32_t split, page;
    sk_seen part, all; /* of the split, of the splits before it */
} sk_attend_cursor;

/* Room of one thread, for an attention tile SK_ATTEND_ROWS rows each. */
typedef struct sk_thread_room {
    float *q;         /* [rows][max_head_dim], scaled */
    sk_q8 *quantized; /* [rows][max_head_dim / 32], the same in integers; or what goes through a head's matrix */
    float *block, *part, *all; /* [rows][max_head_dim]: out of a block, of a split of blocks, of everything */
    float *score;              /* [rows][SK_PAGE] */
    int16_t *share;            /* likewise */
    float *wide;               /* [SK_PAGE][max_head_dim] */
    float *sums;               /* [SK_SUM_ROWS][SK_PANEL] of a project */
    uint8_t *slice;            /* SK_SLICE_BLOCKS blocks of an expanded panel */
    float *ranks;              /* [SK_ADAPT_ROWS][max_rank], whole panels: rows in the rank of an adapter */
    sk_attend_cursor *cursor;
} sk_thread_room;

/* Rows of tiles whose splits are jobs of their own: a bound, whatever the context's length. */
#define SK_SPLIT_ROWS 4096u

typedef struct sk_split_rows {
    float *max, *sum; /* [SK_SPLIT_ROWS] */
    float *out;       /* [SK_SPLIT_ROWS][max_head_dim] */
} sk_split_rows;

/* An expert that somebody chose: the places of its rows, and how it is cut into jobs. */
typedef struct sk_chosen_expert {
    uint32_t id, first, n_rows;
    uint32_t job_macs, rows_per_job, panels_per_job, panel_jobs, first_job;
} sk_chosen_expert;

#define SK_MOST_EXPERTS  4096u
#define SK_EXPERT_PHASES 4u

/* Room of the experts under way: rows in the order of their experts, each at its place. */
typedef struct sk_expert_room {
    uint32_t n_chosen;
    uint32_t *rows_of, *next; /* [max_experts] rows of each, and where the next one goes while they are sorted */
    sk_chosen_expert *chosen; /* ascending */
    uint32_t *place;          /* [n_rows][max_experts_used] of each choice */
    float *wide;              /* [places][max_expert_width]: x, as sk_q8 for integer kinds; then what experts give */
    float *hidden;            /* [places][max_expert_ff] likewise */
} sk_expert_room;

/* Jobs next ... end - 1 of a phase: first those of one thread, then anybody's. */
typedef struct sk_share {
    _Alignas(SK_CACHE_LINE) atomic_uint next;
    uint32_t end;
} sk_share;

/* How a project is cut: jobs of `panels_per_job` panels by `rows_per_job` rows. */
typedef struct sk_project_cut {
    uint32_t panels[3]; /* of each weight */
    uint32_t all_panels, n_rows;
    uint32_t panels_per_job, rows_per_job, panel_jobs, row_jobs;
} sk_project_cut;

/* How attention is cut: tiles of rows, each one job or several parts of its splits. */
typedef struct sk_attend_cut {
    uint32_t heads, tokens, head_tiles; /* of a tile: query heads of one KV head, most tokens; tiles of a token group */
    uint32_t tiles, rows;               /* all of them; the most rows of one */
    uint32_t splits, per_job, parts;    /* of a tile: splits, splits a job takes, jobs; 1 part: the tile is a job */
} sk_attend_cut;

/* How linear attention is cut: jobs of `columns` columns of one sequence, `parts` of them for each. */
typedef struct sk_linear_cut {
    uint32_t columns, parts;
} sk_linear_cut;

typedef struct sk_phase sk_phase;

/* Part of an operation whose jobs are independent; phases run one after the other. */
struct sk_phase {
    /* How many jobs in this pass; what they share it leaves in stream->cut. */
    uint32_t (*count)(skald_stream *stream, const sk_phase *phase);
    void (*job)(skald_stream *stream, const sk_phase *phase, uint32_t job, const sk_thread_room *room);
    const sk_q8 *from;           /* project: its rows, quantized by an earlier phase */
    skald_rows results;          /* which a project behind it may find quantized; width 0: none */
    sk_q8 *to;                   /* where they go quantized too, NULL: nowhere */
    skald_activation activation; /* project: of a gate that joined it, 0: none did */
    union {
        skald_embed embed;
        skald_normalize normalize;
        skald_project project;
        skald_angles angles;
        skald_append append;
        skald_attend attend;
        skald_gate gate;
        skald_select select;
        skald_route route;
        skald_experts experts;
        skald_project_heads project_heads;
        skald_convolve convolve;
        skald_delta delta;
        skald_adapt adapt;
    } op;
};

struct skald_stream {
    skald_device *device;
    uint64_t block_bytes;
    skald_stream_plan plan;
    skald_status failed; /* the first failure while recording */
    const char *failure;
    uint32_t n_phases, phase_room;
    sk_phase *phases;
    sk_q8 *quantized[2]; /* [n_rows][max_width / 32] of the project under way, and of the next */
    float *normed;       /* [n_rows][max_width] likewise */
    uint32_t *segments;  /* [n_rows + 1] first row of each run of rows of one sequence, and the end */
    uint32_t n_segments;
    uint32_t *segment_tiles; /* [n_segments + 1] first token tile of each, of the attention under way, and the end */
    uint32_t position_limit; /* of learned positions, 0: none */
    sk_thread_room *rooms;   /* [n_threads] */
    sk_split_rows splits;    /* of the attention under way */
    sk_expert_room experts;
    /* the pass under way, and the cursor in it */
    skald_store *store;
    skald_pass pass;
    uint32_t phase;
    sk_share *shares; /* [n_threads] of the phase's jobs */
    union {
        sk_project_cut project;
        sk_attend_cut attend;
        sk_linear_cut linear;
    } cut; /* of the phase */
    atomic_uint stop;
};

/* Whether jobs end where they can: the host is asked, and what it told another thread counts too. */
bool sk_stream_stops(skald_stream *stream);
/* Rows of a descriptor in this pass. */
uint32_t sk_row_count(const skald_stream *stream, const skald_rows *rows);
static inline void *sk_row(const skald_stream *stream, const skald_rows *rows, uint32_t r) {
    if (rows->extent == SKALD_EXTENT_LOGITS) r += stream->pass.first_wanted;
    return rows->buffer->data + rows->offset + (uint64_t)r * rows->stride;
}

void sk_norm_row(const skald_stream *stream, float *y, const float *x, uint32_t n, const skald_norm *norm);
sk_gate_fn *sk_gate_of(const skald_stream *stream, skald_activation activation);
const char *sk_refuses_activation(skald_activation activation);

void sk_expert_room_carve(sk_carver *carver, sk_expert_room *room, const skald_stream_plan *plan, uint32_t level);

/* ---- multiply.c: what every operation with weights is made of */

/* A job of about a hundred microseconds: short enough to pause at, long enough to share. */
#define SK_JOB_MACS      (2u << 20)
/* From here on, or from twice as many, a panel is expanded once for many rows, and a job is larger for it; fewer rows
 * unpack as they go. */
#define SK_MANY_ROWS     32u
#define SK_MANY_JOB_MACS (8u << 20)

/* Rows that meet a panel: quantized ones behind each other for integer kinds, else f32 with a stride in elements. */
typedef struct sk_operand {
    const sk_q8 *q;
    const float *x;
    size_t stride;
} sk_operand;

bool sk_takes_integers(const skald_weight *weight);
/* Whether so many rows meet the weight's panels in their expanded form. */
bool sk_expands(const skald_stream *stream, const skald_weight *weight, uint32_t n_rows);
/* y[r * y_stride + i], i < 32: the chains of n rows with a packed panel; expanded slice by slice where there is room for
 * a slice. */
void sk_multiply(const skald_stream *stream, const skald_weight *weight, const void *packed, const sk_operand *x,
                 uint32_t n, uint8_t *slice, float *y, size_t y_stride);
/* y[r * y_stride + i], i < n_out: those of n rows with all panels of a matrix; `room` has sums for a last one that is not whole. */
void sk_multiply_matrix(const skald_stream *stream, const skald_weight *weight, const char *packed, const sk_operand *x,
                        float *y, size_t y_stride, uint32_t n, const sk_thread_room *room);
/* Blocks [first, first + n) of row r of those at `to`, n_blocks each: quantized from x as the panels that meet so many
 * rows expect them. */
void sk_quantize_place(const skald_stream *stream, sk_q8 *to, uint32_t n_blocks, uint32_t r, uint32_t n_rows,
                       const float *x, uint32_t first, uint32_t n);
/* Blocks that are quantized already, likewise. */
void sk_put_place(const skald_stream *stream, sk_q8 *to, uint32_t n_blocks, uint32_t r, uint32_t n_rows,
                  const sk_q8 *blocks, uint32_t first, uint32_t n);
/* Quantizes for row r of `rows`. */
void sk_quantize_row(skald_stream *stream, sk_q8 *to, const skald_rows *rows, uint32_t r, const float *x,
                     uint32_t first, uint32_t n);

/* Adds a phase to the list; NULL once something failed. The op is copied in, as much of it as the caller's size says. */
sk_phase *sk_phase_add(skald_stream *stream, const void *op, uint32_t op_bytes);

/* What this backend cannot do, as a sentence; NULL: it can. */
const char *sk_cpu_refuses(skald_device *device, skald_op_kind kind, const void *op);
const char *sk_cpu_refuses_route(const skald_route *op);
const char *sk_cpu_refuses_experts(const skald_experts *op);
void sk_cpu_embed(skald_stream *stream, const skald_embed *op);
void sk_cpu_normalize(skald_stream *stream, const skald_normalize *op);
void sk_cpu_project(skald_stream *stream, const skald_project *op);
void sk_cpu_angles(skald_stream *stream, const skald_angles *op);
void sk_cpu_append(skald_stream *stream, const skald_append *op);
void sk_cpu_attend(skald_stream *stream, const skald_attend *op);
void sk_cpu_gate(skald_stream *stream, const skald_gate *op);
void sk_cpu_select(skald_stream *stream, const skald_select *op);
void sk_cpu_route(skald_stream *stream, const skald_route *op);
void sk_cpu_experts(skald_stream *stream, const skald_experts *op);
void sk_cpu_project_heads(skald_stream *stream, const skald_project_heads *op);
void sk_cpu_convolve(skald_stream *stream, const skald_convolve *op);
void sk_cpu_delta(skald_stream *stream, const skald_delta *op);
void sk_cpu_adapt(skald_stream *stream, const skald_adapt *op);

skald_status sk_cpu_weight_plan(skald_device *device, skald_weight *w, uint64_t *staging_bytes, uint32_t uses);
skald_status sk_cpu_weight_place(skald_device *device, const skald_weight *w, const skald_reader *reader,
                                 uint32_t first);
const char *sk_cpu_weight_kernel(skald_device *device, const skald_weight *w);

uint64_t sk_cpu_store_bytes(skald_device *device, uint64_t *on_device, const skald_store_plan *plan);
skald_status sk_cpu_store_create(skald_store **out, skald_device *device, const skald_store_plan *plan);
void sk_cpu_store_free(skald_store *store);
skald_status sk_cpu_layer_copy(skald_store *store, uint32_t to, uint32_t from, uint32_t layer, uint32_t n);
skald_status sk_cpu_part_read(void *to, skald_store *store, const skald_store_part *part);
skald_status sk_cpu_part_write(skald_store *store, const skald_store_part *part, const void *from);

uint64_t sk_cpu_stream_bytes(skald_device *device, uint64_t *on_device, const skald_stream_plan *plan);
skald_status sk_cpu_stream_create(skald_stream **out, skald_device *device, const skald_stream_plan *plan);
void sk_cpu_stream_free(skald_stream *stream);
skald_status sk_cpu_stream_seal(skald_stream *stream, skald_report *why);
skald_status sk_cpu_stream_start(skald_stream *stream, skald_store *store, const skald_pass *pass);
skald_status sk_cpu_stream_run(skald_stream *stream);
void sk_cpu_stream_drop(skald_stream *stream);
skald_status sk_cpu_stream_read(void *to, skald_stream *stream, const skald_rows *rows, uint32_t first, uint32_t n);

#endif

/* What the files of the test device share.
 *
 *     host threads --job--> worker thread --> region: PROT_NONE except while the worker runs a job
 *
 * The host side of a handle holds addresses only: offsets into the region, which mean nothing until the worker adds the
 * region's base. */
#ifndef SK_TESTS_DEVICE_DEVICE_H
#define SK_TESTS_DEVICE_DEVICE_H
#include "device/fault.h"
#include <pthread.h>
#include <stdbool.h>

typedef uint64_t device_address; /* 0: none */
typedef skald_status device_job(skald_device *d, void *arg);

struct skald_device {
    const skald_host *host;
    unsigned char *region;
    uint64_t region_bytes;
    pthread_t worker;
    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed; /* of `job`, `finished` and `closing` */
    device_job *job;
    void *job_arg;
    skald_status job_status;
    bool finished, closing;
    uint64_t random;
    uint64_t delay; /* microseconds, the most before an operation */
    uint64_t executed, started, placed;
    uint64_t fail_op, fail_start, fail_place; /* which one of them fails, counted from 1; 0: none */
};

struct skald_buffer {
    skald_device *device;
    device_address address;
    uint64_t n_bytes;
};

/* A layer's share of a page or slot and where it begins in it. */
typedef struct device_layer {
    skald_store_layer shape;
    uint64_t offset[4]; /* by SKALD_PART_... */
} device_layer;

/* The pages of a group, or the slots. */
typedef struct device_units {
    uint32_t n;
    uint64_t n_bytes; /* of one */
    device_address first;
} device_units;

#define DEVICE_GROUPS 6u

/* In device memory. */
typedef struct device_store {
    uint32_t n_layers, n_groups, n_sequences, n_list;
    skald_dtype type[2];                   /* by SKALD_PART_... */
    device_units units[DEVICE_GROUPS + 1]; /* groups, then at n_groups slots */
    device_address layers, table;          /* table: the page lists of the pass under way, as skald_pass has them */
} device_store;

struct skald_store {
    skald_device *device;
    device_address block; /* of a device_store */
    device_store described;
};

/* A recorded operation. The descriptor's row and weight offsets are turned into device addresses. */
typedef struct device_op {
    skald_op_kind kind;
    union {
        uint32_t size;
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
    } as;
    uint32_t adapts; /* which of the adapt operations it is */
} device_op;

/* What a row's adaptation has at a site; an absent one has no address. */
typedef struct device_low_rank {
    device_address a, b; /* past their marks */
    uint32_t rank;
    float scale;
} device_low_rank;

/* The tables of a pass, in device memory. */
typedef struct device_pass {
    uint32_t n_rows, n_wanted, first_wanted, n_ops, most_rows;
    uint32_t vocabulary, position_limit, embedding_width; /* of the embed operation; 0: none */
    device_address ops, tokens, positions, page_list, wanted;
    device_address state_from, state_before, state_to;
    device_address scratch;    /* doubles */
    device_address low_ranks;  /* [adapt operations][n_rows of the plan][SKALD_SPAN_ADAPTERS] */
    device_address embeddings; /* [n_rows, embedding_width] */
    device_address store;      /* a device_store */
} device_pass;

struct skald_stream {
    skald_device *device;
    skald_stream_plan plan;
    device_address block, late_block; /* a device_pass and its tables; what is known after recording */
    uint32_t n_ops, cursor;
    uint64_t scratch_doubles;
    uint32_t n_adapts;
    uint32_t vocabulary, position_limit, embedding_width;
    bool sealed, under_way;
    skald_status failure;
    const char *failure_text;
    skald_poll (*poll)(void *poll_self);
    void *poll_self;
};

/* device.c */
static inline void *device_at(skald_device *d, device_address address) { return d->region + address; }
skald_status device_do(skald_device *d, device_job *job, void *arg); /* on the worker; returns when it is done */
skald_status device_say(skald_report *why, skald_status status, const char *text);
bool device_fires(skald_device *d, uint64_t *count, const uint64_t *fail_at); /* counts; true: this one is to fail */
void *device_host_block(skald_device *d, uint64_t n_bytes, skald_memory_kind kind); /* zeroed, of the host */

/* memory.c */
void device_memory_begin(skald_device *d);
skald_status device_take(device_address *out, skald_device *d, uint64_t n_bytes); /* full of NaN */
void device_give(skald_device *d, device_address address);
uint64_t device_buffer_bytes(skald_device *d, uint64_t *on_device, uint64_t n_bytes);
skald_status device_buffer_create(skald_buffer **out, skald_device *d, uint64_t n_bytes, skald_memory_kind kind);
void device_buffer_free(skald_buffer *buffer);
skald_status device_buffer_write(skald_buffer *buffer, uint64_t offset, const void *from, uint64_t n_bytes);
void *device_buffer_address(skald_buffer *buffer);

/* weight.c */
enum {
    DEVICE_LAYOUT_COLUMNS = 1,   /* a mark, then [n_in][n_out] of f32 */
    DEVICE_LAYOUT_BACKWARDS = 2, /* a mark, then [n_out][n_in] of f32, each row from its last element to the first */
};
#define DEVICE_WEIGHT_MARK 0x534b4400u /* plus the layout */
skald_status device_weight_plan(skald_device *d, skald_weight *w, uint64_t *staging_bytes, uint32_t uses);
skald_status device_weight_place(skald_device *d, const skald_weight *w, const skald_reader *reader, uint32_t first);
const char *device_weight_kernel(skald_device *d, const skald_weight *w);

/* store.c */
uint64_t device_store_bytes(skald_device *d, uint64_t *on_device, const skald_store_plan *plan);
skald_status device_store_create(skald_store **out, skald_device *d, const skald_store_plan *plan);
void device_store_free(skald_store *store);
skald_status device_layer_copy(skald_store *store, uint32_t to, uint32_t from, uint32_t layer, uint32_t n);
skald_status device_part_read(void *to, skald_store *store, const skald_store_part *part);
skald_status device_part_write(skald_store *store, const skald_store_part *part, const void *from);
/* On the worker: element 0 of a head at a position, and elements there. */
device_address device_head(skald_device *d, const device_store *store, uint32_t layer, uint32_t part, uint32_t head,
                           uint32_t page, uint32_t position);
/* A layer's state in a slot, or its row of a position since. */
device_address device_state(skald_device *d, const device_store *store, uint32_t layer, uint32_t slot);
device_address device_state_row(skald_device *d, const device_store *store, uint32_t layer, uint32_t slot,
                                uint32_t position);
float device_load(skald_device *d, skald_dtype type, device_address head, uint32_t i);
void device_save(skald_device *d, skald_dtype type, device_address head, uint32_t i, float x);

/* record.c */
void device_embed(skald_stream *s, const skald_embed *op);
void device_normalize(skald_stream *s, const skald_normalize *op);
void device_project(skald_stream *s, const skald_project *op);
void device_angles(skald_stream *s, const skald_angles *op);
void device_append(skald_stream *s, const skald_append *op);
void device_attend(skald_stream *s, const skald_attend *op);
void device_gate(skald_stream *s, const skald_gate *op);
void device_select(skald_stream *s, const skald_select *op);
void device_route(skald_stream *s, const skald_route *op);
void device_experts(skald_stream *s, const skald_experts *op);
void device_project_heads(skald_stream *s, const skald_project_heads *op);
void device_convolve(skald_stream *s, const skald_convolve *op);
void device_delta(skald_stream *s, const skald_delta *op);
void device_adapt(skald_stream *s, const skald_adapt *op);
const char *device_refuses(skald_device *d, skald_op_kind kind, const void *op);

/* stream.c */
uint64_t device_stream_bytes(skald_device *d, uint64_t *on_device, const skald_stream_plan *plan);
skald_status device_stream_create(skald_stream **out, skald_device *d, const skald_stream_plan *plan);
void device_stream_free(skald_stream *s);
skald_status device_stream_seal(skald_stream *s, skald_report *why);
skald_status device_stream_start(skald_stream *s, skald_store *store, const skald_pass *pass);
skald_status device_stream_run(skald_stream *s);
void device_stream_drop(skald_stream *s);
skald_status device_stream_read(void *to, skald_stream *s, const skald_rows *rows, uint32_t first, uint32_t n);

/* adapt.c: room for the low ranks of all rows; on the worker those of a pass, from the host's tables */
uint64_t device_low_rank_bytes(const skald_stream *s);
skald_status device_take_low_ranks(skald_stream *s, const device_pass *pass, const skald_pass *from);
const device_low_rank *device_low_ranks(const skald_device *d, const device_pass *pass, const device_op *op,
                                        uint32_t r);

/* experts.c: on the worker */
void device_route_row(skald_device *d, double *scratch, const skald_route *op, uint32_t r);
skald_status device_experts_row(skald_device *d, double *scratch, const skald_experts *op, uint32_t r);
uint64_t device_experts_scratch(const skald_experts *op); /* doubles */

/* linear.c: on the worker */
void device_convolve_row(skald_device *d, const device_pass *pass, const skald_convolve *op, uint32_t r);
void device_delta_row(skald_device *d, const device_pass *pass, const skald_delta *op, uint32_t r);
uint64_t device_delta_scratch(const skald_delta *op); /* doubles */
void device_spoil_slots(skald_device *d, const device_pass *pass, uint32_t layer);

/* ops.c: on the worker */
double device_activate(skald_activation kind, double gate, double up);
skald_status device_execute(skald_device *d, const device_pass *pass, const device_op *op);
void device_spoil(skald_device *d, const device_pass *pass, const device_op *op); /* what a failed one leaves behind */
#endif

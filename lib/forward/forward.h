/* The forward pass: recorded once as a list of operations, replayed for every pass of a step. */
#ifndef SK_FORWARD_FORWARD_H
#define SK_FORWARD_FORWARD_H
#include "batch/batch.h"
#include "cache/cache.h"
#include "model/model.h"

/* Where activations live: rows of one buffer, the same for every layer. */
typedef struct sk_activations {
    skald_rows x;                        /* the residual stream, [n_rows, n_embd] */
    skald_rows angles[SK_MAX_ROTATIONS]; /* rotation of each row */
    skald_rows y;                        /* rows whose logits are wanted, [n_logits, n_embd] */
    skald_rows logits;                   /* [n_logits, n_vocab] */
    uint64_t work;                       /* where the room of mixers and feeders begins, in bytes */
    bool adapts;                         /* spans may name adapters */
} sk_activations;

/* `buffer` may be NULL while only measuring. */
void sk_activations_layout(sk_activations *out, const sk_config *config, skald_buffer *buffer, uint32_t n_rows,
                           uint32_t n_logits);
/* Rows at *at of a buffer, each on cache lines of its own; *at moves behind them. */
skald_rows sk_activation_rows(uint64_t *at, skald_buffer *buffer, uint32_t n_rows, uint32_t width, skald_extent extent);

/* Writes the pass of `model` into `stream` through the table `ops`. */
void sk_forward_record(const skald_ops *ops, skald_stream *stream, const skald_model *model, const sk_activations *at);
/* The same without tensors, for who only wants to know sizes: the bytes of the buffer of activations. */
uint64_t sk_forward_size(const skald_ops *ops, skald_stream *stream, const sk_config *config, const sk_activations *at);

/* ---- looking at a pass without a device: the same recording into a tracer */

typedef struct sk_trace {
    uint32_t n_ops;  /* recorded so far */
    uint32_t wanted; /* write the text of this op, UINT32_MAX: of none */
    char *text;
    size_t room, length;          /* length without NUL */
    const skald_backend *backend; /* asked what it refuses and for names of kernels; may be NULL */
    skald_device *device;
    const char *refused; /* its first refusal */
    uint32_t max_width;  /* widest x of a project */
    uint32_t max_head_dim;
    uint32_t max_experts, max_experts_used, max_expert_width, max_expert_ff; /* as in skald_stream_plan */
} sk_trace;

void sk_forward_trace(sk_trace *trace, const skald_model *model, const sk_activations *rows);

/* What a context of so many rows takes: bytes of activations, and how many operations of what sizes. */
typedef struct sk_forward_sizes {
    uint64_t activation_bytes;
    uint32_t n_ops, max_width, max_head_dim;
    uint32_t max_experts, max_experts_used, max_expert_width, max_expert_ff;
} sk_forward_sizes;

sk_forward_sizes sk_forward_measure(const sk_config *config, uint32_t n_rows, uint32_t n_logits, bool adapts);

/* ---- running: a step is one or more passes, committed together */

/* Asked by the device between jobs; one per step, any worker. */
typedef struct sk_poll {
    const skald_host *host;
    uint64_t thread;   /* that made the call: progress is told there only */
    uint64_t deadline; /* nanoseconds, 0: none */
    uint64_t next_progress;
    skald_progress_fn progress;
    void *progress_user;
    float done;
    bool cancelled; /* the host said so; written on `thread` only */
} sk_poll;

typedef enum sk_run_stage {
    SK_RUN_BETWEEN, /* no pass is made up */
    SK_RUN_COPIES,  /* one is: first what it will write of shared pages is copied */
    SK_RUN_PASS     /* then the device runs it */
} sk_run_stage;

typedef struct sk_run {
    const skald_model *model;
    skald_stream *stream;
    sk_activations rows;
    float *host_logits;    /* copy for a device whose memory is not the host's, [n_logits, n_vocab]; else NULL */
    skald_kv_cache *cache; /* NULL: no step is under way */
    sk_batch batch;
    sk_run_stage stage;
    uint32_t n_logits; /* rows of the last finished step */
    sk_poll poll;
} sk_run;

/* Checks the spans and takes their pages. After anything but OK nothing is under way. */
skald_status sk_run_begin(sk_run *run, skald_kv_cache *cache, const skald_span *spans, uint32_t n_spans,
                          skald_report *why);
/* Goes on to the end, and commits. PENDING: call again; any other failure: nothing is under way any more. */
skald_status sk_run_go(sk_run *run, const skald_step_options *options, skald_report *why);
/* Forgets the step under way. */
void sk_run_drop(sk_run *run);

/* Row `index` of the last finished step; NULL: no such row. */
const float *sk_run_logits(const sk_run *run, uint32_t index);
#endif

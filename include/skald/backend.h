/* skald/backend.h - for device authors. Users of skald need skald.h only.
 *
 * A backend is one constant table of functions. skald opens it once per runtime (a device), asks what it supports when a
 * model is placed, lets it pack the weights its own way, and gives it the forward pass as a list of operations:
 *
 *     record once    stream_create, ops.embed, ops.project, ops.attend, ... , stream_seal
 *     every step     stream_start (tables: ids, positions, page lists), stream_run, stream_read
 *
 * Rules
 *  - Recording fills a list; nothing is computed. A step replays the list over that step's rows. A device may compile the
 *    list, capture it as a graph, or join neighbours, as long as the results are those of the operations in order.
 *  - Op functions return nothing: the stream keeps its first failure, later ops pass by, and stream_seal tells.
 *  - Descriptors begin with their size and may grow; a backend copies what it needs before it returns. skald_rows,
 *    skald_norm, skald_weight, skald_reader and skald_store_layer lie inside others and are frozen with this version.
 *  - An optional part is absent when its width (rows) or n_in (weights) is 0; in questions buffers are still NULL.
 *  - Offsets and strides of rows and offsets of packed weights are multiples of 64 bytes; weights in place lie as they
 *    lie. Nothing is zero until it is written.
 *  - No function but open and the ..._create ones may ask the host for memory; device memory may also be taken in
 *    stream_seal, never in a step.
 *  - Threads: calls on one stream, store or buffer come from one thread at a time, on different ones at once. The host
 *    calls nothing while open or close runs. After a fork a device need not work in the child, but must not hang there.
 *  - A step writes only behind the committed length of its sequences, so dropping it is doing nothing.
 *  - Shapes: a "row" is one token's vector. Numbers are f32 unless a type says otherwise.
 *
 * docs/backend.md is the guide; tests/device/ holds a complete second backend that shares no memory with its host.
 */
#ifndef SKALD_BACKEND_H
#define SKALD_BACKEND_H

#include <skald/skald.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SKALD_BACKEND_VERSION 4u /* of the tables and structs below */

/* Before a plug-in's skald_backend_entry, whatever skald itself was built like. */
#if defined(_WIN32)
#define SKALD_PLUGIN_EXPORT __declspec(dllexport)
#else
#define SKALD_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

typedef struct skald_device skald_device;   /* an opened backend; its own struct */
typedef struct skald_buffer skald_buffer;   /* memory of the device; opaque to the host */
typedef struct skald_store skald_store;     /* pages and state slots of a cache */
typedef struct skald_stream skald_stream;   /* a recorded pass and the step it is in */
typedef struct skald_backend skald_backend; /* a kind of device: its functions */

/* ---- what the host offers a device --------------------------------------------------------------------------------- */

/* The runtime, as a device sees it. */
typedef struct skald_host {
    uint32_t size;
    uint32_t n_threads; /* that may work at once, the caller's included */
    void *self;         /* first argument of the functions below */
    void *(*alloc)(void *self, uint64_t n_bytes, skald_memory_kind kind); /* 64-byte aligned, NULL: no memory */
    void (*free)(void *self, void *pointer, uint64_t n_bytes);            /* gets the size that alloc got */
    /* enter takes up to n_threads - 1 free workers until leave (NULL: none is free, which is no error). run calls
     * job(arg, 0 .. n_jobs - 1) on them and the calling thread and returns when all have returned. No memory is asked
     * for, and the jobs may not call `run`. */
    void *(*enter)(void *self, uint32_t n_threads);
    void (*run)(void *self, void *team, void (*job)(void *arg, uint32_t index), void *arg, uint32_t n_jobs);
    void (*leave)(void *self, void *team);
    uint64_t (*nanoseconds)(void *self);                      /* monotonic */
    void (*log)(void *self, int32_t level, const char *text); /* as skald_log_fn */
    const char *cpu_level; /* the highest instruction set allowed, NULL: the machine's best */
} skald_host;

/* ---- tensors ------------------------------------------------------------------------------------------------------- */

/* How many rows an operation works on is known only in a step. */
typedef uint32_t skald_extent;
enum {
    SKALD_EXTENT_FIXED = 0,  /* n_rows of the descriptor */
    SKALD_EXTENT_ROWS = 1,   /* the rows of the pass */
    SKALD_EXTENT_WANTED = 2, /* the rows whose logits are wanted */
    SKALD_EXTENT_LOGITS = 3, /* the same, the first of them at row first_wanted of the pass */
};

/* Rows of numbers in a buffer: row r begins at offset + r * stride bytes. */
typedef struct skald_rows {
    skald_buffer *buffer; /* NULL: absent */
    uint64_t offset;      /* bytes */
    uint64_t stride;      /* bytes from row to row */
    uint32_t n_rows;      /* room */
    uint32_t width;       /* elements of a row */
    skald_dtype type;     /* F32; F64 for rotation frequencies, I32 for numbers of experts */
    skald_extent extent;  /* how many there are in a step */
} skald_rows;

/* A matrix that the backend packed: n_out rows of n_in elements, y = W x. */
typedef struct skald_weight {
    skald_buffer *buffer; /* NULL: absent */
    uint64_t offset;      /* bytes */
    uint64_t n_bytes;     /* packed */
    uint32_t n_in, n_out;
    skald_dtype type; /* in the file */
    uint32_t layout;  /* the backend's own mark, set by weight_plan */
} skald_weight;

/* What a weight will be used for; a backend may pack a table it only looks up in differently. Bits of a set. */
enum {
    SKALD_USE_PROJECT = 1, /* multiplied with rows */
    SKALD_USE_EMBED = 2,   /* looked up by id */
    /* Not to be packed: buffer and offset will say where the file's own rows lie, one behind the other, in a buffer made
     * by buffer_wrap. Asked only where that is not NULL. */
    SKALD_USE_IN_PLACE = 4,
};

/* Bytes of one tensor as the file has them, row after row. */
typedef struct skald_reader {
    void *self; /* first argument of `read` */
    /* Rows [first, first + n) to `to`, n * row_bytes bytes. Any thread when `concurrent`. */
    skald_status (*read)(void *self, void *to, uint32_t first, uint32_t n_rows);
    const void *view;    /* the whole tensor in memory (mapped or given), or NULL */
    uint64_t row_bytes;  /* of a row in the file */
    uint32_t concurrent; /* 1: several threads may read at once */
    void *staging;       /* scratch for packing, as large as weight_plan asked, 64-byte aligned */
} skald_reader;

/* ---- operations ---------------------------------------------------------------------------------------------------- */

/* Which norm. */
typedef uint32_t skald_norm_kind;
enum {
    SKALD_NORM_NONE = 0,
    SKALD_NORM_RMS = 1,   /* x / sqrt(mean(x^2) + eps) * weight               arXiv 1910.07467 */
    SKALD_NORM_LAYER = 2, /* (x - mean) / sqrt(var + eps) * weight + bias     arXiv 1607.06450 */
};

/* A norm of rows, as a part of operations. */
typedef struct skald_norm {
    skald_norm_kind kind; /* which */
    float eps;            /* of its formula */
    skald_rows weight;    /* one row */
    skald_rows bias;      /* one row, LAYER only, optional */
} skald_norm;

/* out[r] = scale * table[token of r], or scale * the given embedding row; + positions[position of r] where present. */
typedef struct skald_embed {
    uint32_t size;
    float scale;
    skald_weight table;
    skald_weight positions; /* learned absolute positions, optional */
    skald_rows out;
} skald_embed;

/* out[r] = norm(x[r]) + add[r]. x may be several times as wide as the norm's weight: each stretch is normed by itself. */
typedef struct skald_normalize {
    uint32_t size;
    uint32_t reserved;
    skald_norm norm;
    skald_rows x, out; /* may be the same rows */
    skald_rows add;    /* optional; out may be the same rows */
} skald_normalize;

/* out[i][r] = weight[i] norm(x[r]) + bias[i] + add[r] for each of up to three weights (Q, K, V; gate, up). The sum of one
 * output is one chain in ascending k, the bias is added after it, then `add` (only with one weight). soft_cap > 0: what
 * comes out then becomes cap * tanh(out / cap). out may be the same rows as add, never as x. */
typedef struct skald_project {
    uint32_t size;
    uint32_t n_weights; /* 1 ... 3 */
    skald_norm norm;    /* of x, or NONE */
    skald_rows x;
    skald_weight weight[3];
    skald_rows bias[3]; /* one row each, optional */
    skald_rows out[3];
    skald_rows add; /* optional */
    float soft_cap;
    uint32_t reserved;
} skald_project;

/* out[r] = cos and sin of position(r) * frequency[i], pairs (cos, sin), times `magnitude`. Made once a step for all layers
 * that rotate alike (RoPE, arXiv 2104.09864; scaled variants bring their own frequencies, YaRN its magnitude). */
typedef struct skald_angles {
    uint32_t size;
    float magnitude;
    skald_rows frequency; /* one row of F64, width n_pairs */
    skald_rows out;       /* width 2 * n_pairs */
} skald_angles;

/* Which elements of a head turn together. */
typedef uint32_t skald_rope_kind;
enum {
    SKALD_ROPE_NONE = 0,
    SKALD_ROPE_PAIRS = 1,  /* element 2i turns with 2i + 1 */
    SKALD_ROPE_HALVES = 2, /* element i turns with i + n_pairs */
};

/* Per head: q and k are normed (optional) and turned, then k and v go to the cache behind the committed length. q stays
 * in place. The stored element depends on its own token alone. */
typedef struct skald_append {
    uint32_t size;
    uint32_t layer;                  /* of the store */
    uint32_t n_heads, n_kv_heads;    /* of queries, and of keys and values */
    uint32_t head_dim_k, head_dim_v; /* head_dim_v 0: keys only, `v` is absent */
    skald_rope_kind rope;            /* which elements turn together */
    uint32_t n_pairs;                /* turned pairs of each head */
    skald_rows angles;               /* as skald_angles gives them */
    skald_norm q_norm, k_norm;       /* over the first elements of a head, as many as the weight is wide, or NONE */
    skald_rows q, k, v;              /* [n_heads * head_dim_k], [n_kv_heads * head_dim_k], [n_kv_heads * head_dim_v] */
    uint32_t first_turned;           /* element of each head where its pairs begin; latents stand before it */
    uint32_t reserved;
} skald_append;

/* out[r] = softmax(scale * q k) v over the visible keys of r's own sequence: positions p with p <= position(r), and
 * p > position(r) - window where window > 0. Head h reads KV head h / (n_heads / n_kv_heads): MHA, GQA and MQA alike
 * (arXiv 2305.13245). soft_cap > 0: scores become cap * tanh(score / cap). sinks: one logit per head that joins the
 * softmax and carries no value. values_in_keys: the layer's pages hold keys only, and a value is the first head_dim_v
 * elements of its key: attention over latents (MLA, arXiv 2405.04434), whose heads all read one. */
typedef struct skald_attend {
    uint32_t size;
    uint32_t layer;
    uint32_t n_heads, n_kv_heads;
    uint32_t head_dim_k, head_dim_v; /* elements of a key and of a value */
    float scale;
    float soft_cap;
    uint32_t window;
    uint32_t values_in_keys; /* 1: the store's layer has head_dim_v 0; 0: values lie for themselves */
    skald_rows sinks;        /* [n_heads], optional */
    skald_rows q, out;       /* [n_heads * head_dim_k], [n_heads * head_dim_v] */
} skald_attend;

/* One matrix for each head: out[r][h] = weight[h] x[r][h], h < n_heads. A head of x is n_in elements and what stands behind
 * them; that goes behind the n_out elements of out as it is. `weight` is the first of n_heads matrices, n_bytes apart.
 * Latent attention: queries go into the space of latents, outputs come out of it (arXiv 2405.04434, 2.1.2). */
typedef struct skald_project_heads {
    uint32_t size;
    uint32_t n_heads;
    skald_weight weight;
    skald_rows x, out; /* [n_heads * (n_in + rest)], [n_heads * (n_out + rest)] */
} skald_project_heads;

/* ---- linear attention: a state instead of keys and values. What an operation keeps of a sequence lies in a slot of the
 * store: in its state, as of a grid line G (a multiple of SKALD_STATE_GRID positions), and in rows, one of each position
 * from G on. A row of the pass is a function of the state at its own grid line and of the rows since, so the way a prompt
 * is cut cannot be seen. The state at position 0 is zero and its slot may hold anything. Both halves of a slot are f32 and
 * canonical; `state_offset` and `row_offset`, in bytes, say where in them an operation's share begins. */

/* out[r][c] = silu(sum of weight[c][t] x[row of position(r) - (n_taps - 1) + t][c] over taps t), rows of r's own sequence; taps
 * before position 0 take no part. Keeps: state [n_taps - 1][width], the inputs before the grid line; row [width], the input. */
typedef struct skald_convolve {
    uint32_t size;
    uint32_t layer;  /* of the store */
    uint32_t n_taps; /* 4 */
    uint32_t reserved;
    uint64_t state_offset, row_offset; /* bytes, see above */
    skald_rows weight;                 /* one row: [width of x][n_taps] */
    skald_rows x, out;                 /* not the same rows */
} skald_convolve;

/* How a state takes in a key and a value. */
typedef uint32_t skald_delta_kind;
enum {
    SKALD_DELTA_ADDITIVE =
        1, /* S = decay S + beta v k^T                        arXiv 2006.16236; with a decay 2307.08621 */
    SKALD_DELTA_RULE =
        2, /* S = decay S + beta (v - decay S k) k^T          arXiv 2406.06484; with a decay 2412.06464 */
};

/* out[r][head] = S q after the state S of the head took in r's k and v. Head h reads key head h / (n_heads / n_k_heads), or
 * h % n_k_heads where `tiled`. decay = exp(rate[h] * softplus(alpha[r][h] + bias[h])), 1 without alpha; beta = sigmoid(beta[r][h]),
 * 1 without. unit_eps > 0: q and k are x / sqrt(sum(x^2) + unit_eps), else as they are; q is multiplied by `scale`.
 * Head dimensions are multiples of 16. Keeps: state [n_heads][head_dim_k][head_dim_v]; row, with u = beta (v - decay S k) what
 * the row added along its key: k [n_heads][head_dim_k], u [n_heads][head_dim_v], decay [n_heads]. */
typedef struct skald_delta {
    uint32_t size;
    uint32_t layer;        /* of the store */
    skald_delta_kind kind; /* the recurrence */
    uint32_t tiled;
    uint64_t state_offset, row_offset; /* bytes, see above */
    uint32_t n_heads, n_k_heads;
    uint32_t head_dim_k, head_dim_v;
    float unit_eps, scale;
    skald_rows q, k, v;           /* [n_k_heads * head_dim_k], likewise, [n_heads * head_dim_v] */
    skald_rows alpha, rate, bias; /* [n_heads], optional together; rate and bias are one row */
    skald_rows beta;              /* [n_heads], optional */
    skald_rows out;               /* [n_heads * head_dim_v] */
} skald_delta;

/* What is applied to each element of a gate. */
typedef uint32_t skald_activation;
enum {
    SKALD_ACTIVATION_SILU = 1,      /* x / (1 + e^-x) */
    SKALD_ACTIVATION_GELU_TANH = 2, /* arXiv 1606.08415, tanh form */
    SKALD_ACTIVATION_GELU = 3,      /* by erf */
    SKALD_ACTIVATION_RELU = 4,
    SKALD_ACTIVATION_SIGMOID = 5, /* 1 / (1 + e^-x) */
    /* x' / (1 + e^(-1.702 x')) with x' = min(x, 7); times 1 + min(max(up, -7), 7) instead of `up`   arXiv 2508.10925 */
    SKALD_ACTIVATION_SWIGLU_CLAMPED = 6,
};

/* out[r] = activation(gate[r]) * up[r]; without `up` the activation alone (arXiv 2002.05202). Both are used up: a device
 * may do this while it makes them, and `up` holds nothing afterwards. */
typedef struct skald_gate {
    uint32_t size;
    skald_activation activation;
    skald_rows gate, up, out; /* out may be gate */
} skald_gate;

/* out[i] = x[row of the i-th wanted logits]; extent of out is WANTED. */
typedef struct skald_select {
    uint32_t size;
    uint32_t reserved;
    skald_rows x, out;
} skald_select;

/* How a logit of a router becomes a score. */
typedef uint32_t skald_scoring;
enum {
    SKALD_SCORING_SOFTMAX = 1, /* over all experts */
    SKALD_SCORING_SIGMOID = 2, /* of each by itself */
    SKALD_SCORING_CHOSEN = 3,  /* softmax over those that were chosen by their logits */
};

/* Logits of experts become choices: ids[r][i] is the expert with the i-th largest score + correction, the lower one of
 * equals, and weights[r][i] its score (without correction), divided by their sum + 1e-20 where `normalize`, times `scale`.
 * With groups only experts of the n_groups_used best groups can be chosen: a group is n_experts / n_groups neighbours, and
 * as good as the sum of its `n_group_best` largest score + correction (1: arXiv 2405.04434, 2: arXiv 2412.19437). ids are
 * always below n_experts; a row with NaN may name one twice. */
typedef struct skald_route {
    uint32_t size;
    skald_scoring scoring; /* of a logit */
    uint32_t n_groups;     /* 0: none */
    uint32_t n_groups_used, n_group_best;
    uint32_t normalize;
    float scale;
    uint32_t reserved;
    skald_rows correction;   /* [n_experts], one row, optional */
    skald_rows logits;       /* [n_experts] */
    skald_rows ids, weights; /* [n_used], I32 and F32 */
} skald_route;

/* out[r] = sum over i of weights[r][i] * y(ids[r][i]) + add[r], with y(e) = down[e] h + down_bias[e] and
 * h = activation(gate[e] x[r] + gate_bias[e]) * (up[e] x[r] + up_bias[e]), the sum in ascending i (arXiv 1701.06538). Each
 * weight is the first of n_experts matrices of one shape that lie n_bytes apart. An expert that no row chose is not read.
 * out may be the same rows as add, never as x. */
typedef struct skald_experts {
    uint32_t size;
    uint32_t n_experts;
    uint32_t n_ff; /* width of h */
    skald_activation activation;
    skald_rows x;
    skald_rows ids, weights;                  /* as route gives them */
    skald_weight gate, up, down;              /* n_embd -> n_ff, n_embd -> n_ff, n_ff -> n_embd */
    skald_rows gate_bias, up_bias, down_bias; /* a row for each expert, FIXED, optional */
    skald_rows add;                           /* optional */
    skald_rows out;
} skald_experts;

/* B A beside a weight, with A [rank, n_in] and B [n_out, rank]. Both absent: nothing. */
typedef struct skald_low_rank {
    skald_weight a, b; /* A and B */
    float scale;       /* alpha / rank */
    uint32_t reserved;
} skald_low_rank;

/* An adapter of a sequence (LoRA, arXiv 2106.09685): what it has at each site of the pass. */
typedef struct skald_adaptation {
    const skald_low_rank *sites; /* [n_sites] */
    uint32_t n_sites;            /* of the model */
    float scale;                 /* the sequence's own */
} skald_adaptation;

/* out[r] = out[r] + s * (B (A norm(x[r]))) for each adaptation of row r, in their order, that has something at `site`; s is
 * the product of both scales. Sums are chains in ascending k, as in project. Stands behind the project whose outputs it
 * changes; only in streams whose plan has a rank. */
typedef struct skald_adapt {
    uint32_t size;
    uint32_t site;
    skald_norm norm; /* of x, or NONE */
    skald_rows x, out;
} skald_adapt;

/* The table of operations: embed, normalize, project, angles, append, attend, gate, select, route, experts, project_heads, convolve,
 * delta and adapt put what the struct of that name says into the list. Slots are appended, never moved; a missing slot is an
 * operation this device does not have. */
typedef struct skald_ops {
    uint32_t size;
    uint32_t reserved;
    void (*embed)(skald_stream *stream, const skald_embed *op);
    void (*normalize)(skald_stream *stream, const skald_normalize *op);
    void (*project)(skald_stream *stream, const skald_project *op);
    void (*angles)(skald_stream *stream, const skald_angles *op);
    void (*append)(skald_stream *stream, const skald_append *op);
    void (*attend)(skald_stream *stream, const skald_attend *op);
    void (*gate)(skald_stream *stream, const skald_gate *op);
    void (*select)(skald_stream *stream, const skald_select *op);
    void (*route)(skald_stream *stream, const skald_route *op);
    void (*experts)(skald_stream *stream, const skald_experts *op);
    void (*project_heads)(skald_stream *stream, const skald_project_heads *op);
    void (*convolve)(skald_stream *stream, const skald_convolve *op);
    void (*delta)(skald_stream *stream, const skald_delta *op);
    void (*adapt)(skald_stream *stream, const skald_adapt *op);
} skald_ops;

/* Which operation a descriptor is for, in questions about support. */
typedef uint32_t skald_op_kind;
enum {
    SKALD_OP_EMBED = 0,
    SKALD_OP_NORMALIZE = 1,
    SKALD_OP_PROJECT = 2,
    SKALD_OP_ANGLES = 3,
    SKALD_OP_APPEND = 4,
    SKALD_OP_ATTEND = 5,
    SKALD_OP_GATE = 6,
    SKALD_OP_SELECT = 7,
    SKALD_OP_ROUTE = 8,
    SKALD_OP_EXPERTS = 9,
    SKALD_OP_PROJECT_HEADS = 10,
    SKALD_OP_CONVOLVE = 11,
    SKALD_OP_DELTA = 12,
    SKALD_OP_ADAPT = 13,
};

/* ---- cache pages and state slots ------------------------------------------------------------------------------------ */

/* What a layer keeps of a sequence: keys and values of SKALD_PAGE_TOKENS positions in each page of its group, or a state in
 * slots (linear attention), which has no pages: n_kv_heads is 0. */
typedef struct skald_store_layer {
    uint32_t n_kv_heads;
    uint32_t head_dim_k, head_dim_v; /* head_dim_v 0: keys alone, of which values are a part (skald_attend) */
    uint32_t window;                 /* 0: sees everything */
    uint32_t group;                  /* of pages */
    uint32_t row_bytes;              /* in a slot, of one position since its grid line */
    uint64_t state_bytes;            /* in a slot, at its grid line; 0: this layer has pages */
} skald_store_layer;

/* Layers that see equally far share page lists, and a page holds the layers of one group. Group 0 keeps every position and
 * may have no layer; pages of the others come back once they lie outside every window. */
typedef struct skald_store_group {
    uint32_t window;  /* the widest of its layers, 0: sees everything */
    uint32_t n_pages; /* numbered from 0 in each group */
} skald_store_group;

/* How large a store shall be. */
typedef struct skald_store_plan {
    uint32_t size;
    uint32_t n_layers;               /* of the model */
    const skald_store_layer *layers; /* [n_layers] */
    const skald_store_group *groups; /* [n_groups] */
    uint32_t n_groups;               /* at least 1 */
    uint32_t n_sequences;            /* the most at a time */
    uint32_t n_list;                 /* entries of a page list; a sequence has one in each group */
    uint32_t n_slots;                /* 0: no layer has a state */
    skald_dtype k_type, v_type;      /* of keys and of values in pages */
} skald_store_plan;

/* A slot holds, for every layer with a state, the state at a grid line (a position that is a multiple of SKALD_STATE_GRID)
 * and the inputs of the positions since, position p at p % SKALD_STATE_GRID. So a row is a function of what lies in the slot
 * whether its chunk arrives whole or token by token, and the state moves once a chunk. */
#define SKALD_STATE_GRID 16u
#define SKALD_NO_SLOT    UINT32_MAX

enum {
    SKALD_PART_K = 0,
    SKALD_PART_V = 1,
    SKALD_PART_STATE = 2,
    SKALD_PART_ROWS = 3,
};

/* A stretch of a page in canonical order: [n_kv_heads][n][head_dim] elements of the stored type, in blocks as on disk. Of a
 * slot: its state, state_bytes, or n rows of row_bytes; their canonical order is that of the operation that made them. */
typedef struct skald_store_part {
    uint32_t size;
    uint32_t layer;    /* of the store */
    uint32_t part;     /* SKALD_PART_... */
    uint32_t page;     /* or slot */
    uint32_t first, n; /* positions within the page, or since the grid line; 0 of a state */
} skald_store_part;

/* ---- a step -------------------------------------------------------------------------------------------------------- */

/* How big a step may get: the stream's tables have this room. */
typedef struct skald_stream_plan {
    uint32_t size;
    uint32_t n_ops;        /* that will be recorded, exactly */
    uint32_t n_rows;       /* of one pass */
    uint32_t n_wanted;     /* of all passes of a step: room of LOGITS rows, and at least that of WANTED rows */
    uint32_t max_width;    /* widest x of a project */
    uint32_t max_head_dim; /* of what attends, and of a head of x in project_heads */
    uint32_t n_threads;    /* to use at most */
    /* The most of any experts operation; 0 without one. */
    uint32_t max_experts, max_experts_used; /* experts, and those of a row */
    uint32_t max_expert_width;              /* width of x or out */
    uint32_t max_expert_ff;                 /* width inside an expert */
    uint32_t max_rank;                      /* of adaptations; 0: none */
} skald_stream_plan;

/* What the host wants, when it is asked between jobs. */
typedef uint32_t skald_poll;
enum {
    SKALD_POLL_GO = 0,
    SKALD_POLL_PAUSE = 1,  /* stop soon at a place to go on from: stream_run returns PENDING */
    SKALD_POLL_CANCEL = 2, /* stop soon and forget: stream_run returns CANCELLED */
};

/* One pass. Every row names its own page lists: in group g position p of the row's sequence lies in page
 * pages[g * n_sequences * n_list + page_list[r] + p / SKALD_PAGE_TOKENS] at p % SKALD_PAGE_TOKENS. `pages` is the cache's
 * table, [n_groups][n_sequences][n_list] (skald_store_plan); a device with its own memory takes up the lists that rows
 * name. Entries are valid from the first position that the group's window lets a row see to the row's own; others may be
 * no page. Rows of one sequence stand together and ascend.
 *
 * States of a sequence whose rows in this pass are [a, b), with grid lines at multiples of SKALD_STATE_GRID:
 *   state_from     holds the state at the last line at or before a, and the rows from there to a; SKALD_NO_SLOT: a is 0,
 *                  the state is all zero
 *   state_to       gets the state at the last line G at or before b, and the rows from G to b
 *   state_before   gets the state at the line before G with all its rows where [a, b) reaches G from before it, else
 *                  SKALD_NO_SLOT
 * Where a slot is state_from too and stands at that line already, only rows of this pass are missing in it. That is
 * state_to when no line is crossed, and state_before when one is; when more are, state_to may be state_from, whose content
 * is then used up. Rows below a in a kept slot, and slots that are not named, stay as they are. The three arrays are NULL
 * where the store has no slots. All arrays stay as they are until the pass ends. */
typedef struct skald_pass {
    uint32_t size;
    uint32_t n_rows, n_wanted; /* rows of the pass, and of them those whose logits are wanted */
    uint32_t first_wanted;     /* row of the logits that the first wanted row goes to */
    const int32_t *tokens;     /* [n_rows] id, or -1 - i for row i of `embeddings` */
    const float *embeddings;   /* [n_embeddings, width], or NULL */
    const uint32_t *positions; /* [n_rows] */
    const uint32_t *page_list; /* [n_rows] where the row's list begins in a group's part of `pages` */
    const uint32_t *pages;     /* [n_groups * n_sequences * n_list of the store] */
    const uint32_t *wanted;    /* [n_wanted] rows, ascending */
    const uint32_t *state_from, *state_before, *state_to; /* [n_rows], the same for all rows of a sequence */
    uint32_t n_embeddings;
    uint32_t reserved;
    skald_poll (*poll)(void *poll_self); /* asked between jobs, from any worker; may be NULL */
    void *poll_self;                     /* its argument */
    /* Row r has adaptations[first_adaptation[r]] and those behind it, n_adaptations[r] of them: the same ones for all rows of a
     * sequence. NULL: no row has any. */
    const skald_adaptation *adaptations;
    const uint32_t *first_adaptation, *n_adaptations; /* [n_rows] */
} skald_pass;

/* ---- the backend --------------------------------------------------------------------------------------------------- */

/* What a device is. */
typedef struct skald_device_info {
    uint32_t size;
    uint32_t host_memory; /* 1: buffers are host memory that `buffer_address` gives */
    const char *level;    /* instruction set or device name */
} skald_device_info;

/* A table of functions: a kind of device. */
struct skald_backend {
    uint32_t size;
    uint32_t version; /* SKALD_BACKEND_VERSION */
    const char *name; /* "cpu", "cuda" */

    skald_status (*open)(skald_device **out, const skald_backend *backend, const skald_host *host, const char *config,
                         skald_report *why);                         /* `host` outlives the device */
    void (*close)(skald_device *device);                             /* after all that was made from it was freed */
    void (*get_info)(skald_device_info *info, skald_device *device); /* fills info->size bytes */
    /* Can this device do exactly this operation? Asked when a model is placed, with weights planned but not placed.
     * NULL: yes; otherwise a static sentence saying why not. */
    const char *(*refuses)(skald_device *device, skald_op_kind kind, const void *op);
    /* What runs: names of operations or their parts and of the kernels chosen for them, static; END behind the last. */
    skald_status (*kernel)(const char **operation, const char **name, skald_device *device, uint32_t index);
    /* Later tables (collectives, training) by name and version; NULL: not here. */
    const void *(*get_interface)(skald_device *device, const char *name, uint32_t version);

    /* The ..._bytes functions return what the ..._create ones will ask of the host's allocator, to the byte, and tell what
     * they take on the device, 0 where that is host memory. UINT64_MAX: more than can be. */
    uint64_t (*buffer_bytes)(skald_device *device, uint64_t *on_device, uint64_t n_bytes);
    skald_status (*buffer_create)(skald_buffer **out, skald_device *device, uint64_t n_bytes, skald_memory_kind kind);
    void (*buffer_free)(skald_buffer *buffer);
    skald_status (*buffer_write)(skald_buffer *buffer, uint64_t offset, const void *from, uint64_t n_bytes);
    void *(*buffer_address)(skald_buffer *buffer); /* NULL: not host memory */
    /* Memory of the host as a buffer that is only read, for weights in place. It stays until buffer_free, which leaves it
     * as it is. Asks the host's allocator for buffer_bytes of 0 bytes, kind HANDLE. NULL: this device packs all weights. */
    skald_status (*buffer_wrap)(skald_buffer **out, skald_device *device, const void *address, uint64_t n_bytes);

    /* Weights. weight_plan fills in n_bytes and layout of a weight whose shape and type are set, for the given uses, and
     * tells the scratch that weight_place will want in its reader; UNSUPPORTED: not this type, or not in place. weight_place packs rows
     * [first, first + w->n_out) of the tensor into w->buffer at w->offset (a multiple of 64). */
    skald_status (*weight_plan)(skald_device *device, skald_weight *w, uint64_t *staging_bytes, uint32_t uses);
    skald_status (*weight_place)(skald_device *device, const skald_weight *w, const skald_reader *reader,
                                 uint32_t first);
    const char *(*weight_kernel)(skald_device *device,
                                 const skald_weight *w); /* static name, "" where none multiplies */

    /* Pages and slots. */
    uint64_t (*store_bytes)(skald_device *device, uint64_t *on_device, const skald_store_plan *plan);
    skald_status (*store_create)(skald_store **out, skald_device *device, const skald_store_plan *plan);
    void (*store_free)(skald_store *store);
    /* What one layer keeps in page or slot `from` to page or slot `to`: the first n positions, or the state and the first n
     * rows since its grid line. By layers, so that a host is asked in between. */
    skald_status (*layer_copy)(skald_store *store, uint32_t to, uint32_t from, uint32_t layer, uint32_t n);
    skald_status (*part_read)(void *to, skald_store *store, const skald_store_part *part);
    skald_status (*part_write)(skald_store *store, const skald_store_part *part, const void *from);

    /* A recorded pass. */
    uint64_t (*stream_bytes)(skald_device *device, uint64_t *on_device, const skald_stream_plan *plan);
    skald_status (*stream_create)(skald_stream **out, skald_device *device, const skald_stream_plan *plan);
    void (*stream_free)(skald_stream *stream);
    skald_status (*stream_seal)(skald_stream *stream,
                                skald_report *why); /* after the last op; tells the first failure */
    /* Begins a pass: takes up the tables, binds the store. ARGUMENT: more rows than planned. */
    skald_status (*stream_start)(skald_stream *stream, skald_store *store, const skald_pass *pass);
    /* Goes on until the end (OK), PENDING, CANCELLED or DEVICE; at least one job is done before a pause is obeyed. After OK
     * every write of the pass can be read; after CANCELLED or DEVICE the pass is over, and stream_drop does no harm. */
    skald_status (*stream_run)(skald_stream *stream);
    void (*stream_drop)(skald_stream *stream); /* forgets the pass that is under way */
    /* Rows [first, first + n) of `rows` to the host's memory, one behind the other without a stride. */
    skald_status (*stream_read)(void *to, skald_stream *stream, const skald_rows *rows, uint32_t first, uint32_t n);

    skald_ops ops; /* what can be recorded */
};

/* The CPU: part of the library. */
SKALD_API const skald_backend *skald_cpu_backend(void);

/* What a plug-in exports (with SKALD_PLUGIN_EXPORT) under the name "skald_backend_entry": its table, or NULL when it cannot serve `version`. */
typedef const skald_backend *(*skald_backend_entry_fn)(uint32_t version);

#ifdef __cplusplus
}
#endif
#endif

/* What a network is: its sizes, the roles of its tensors, and where the device keeps them. */
#ifndef SK_MODEL_MODEL_H
#define SK_MODEL_MODEL_H
#include "base/runtime.h"
#include "file/files.h"
#include "text/trie.h"
#include "text/vocab.h"

#define SK_MAX_LAYERS    1024u
#define SK_MAX_KINDS     8u /* of layers in one model */
#define SK_MAX_ROTATIONS 2u /* of positions in one model */
#define SK_NO_ROTATION   UINT32_MAX

/* How rows of one sequence look at each other, and what every row does by itself. lib/forward has a file for each. */
typedef enum sk_mixer {
    SK_MIX_ATTENTION,
    SK_MIX_LATENT,
    SK_MIX_LATENT_LOW, /* with compressed queries */
    SK_MIX_DELTA,      /* linear attention */
} sk_mixer;
typedef enum sk_feeder { SK_FEED_DENSE, SK_FEED_EXPERTS } sk_feeder;

/* Experts, and how rows choose among them; skald_route says what the choices mean. */
typedef struct sk_routing {
    uint32_t n_experts, n_used;
    uint32_t n_ff;        /* width inside an expert */
    uint32_t n_ff_shared; /* inside the expert of every row, 0: none */
    bool shared_gate;     /* which counts as much as the sigmoid of a logit of its own */
    skald_scoring scoring;
    uint32_t n_groups, n_groups_used, n_group_best;
    bool normalize;
    float scale;
} sk_routing;

/* What layers of one kind have in common: most models have one kind, some two that take turns. */
typedef struct sk_kind {
    sk_mixer mixer;
    sk_feeder feeder;
    /* attention */
    uint32_t n_heads, n_kv_heads, head_dim_k, head_dim_v;
    uint32_t window;   /* positions a row sees, 0: all */
    uint32_t rotation; /* index in sk_config.rotation, or SK_NO_ROTATION */
    float attention_scale;
    float soft_cap;   /* of scores, 0: none */
    bool norms_whole; /* q and k are normed over all heads together, not each head by itself */
    /* latent attention: a key is head_dim_k elements, the first head_dim_v are the latent, n_kv_heads is 1; a head has
     * queries and outputs of these lengths before and after. */
    uint32_t head_dim_q, head_dim_o;
    uint32_t q_rank; /* elements of a compressed query */
    bool has_gate;   /* what attention gives meets a sigmoid */
    /* linear attention: n_heads states of head_dim_k by head_dim_v over n_kv_heads keys; also attention_scale */
    skald_delta_kind delta;
    bool tiled; /* head h reads key h % n_kv_heads */
    /* feed-forward */
    uint32_t n_ff;
    skald_activation activation;
    sk_routing routing; /* of experts */
    bool ungated;       /* activation(up x), without a second product */
} sk_kind;

/* How heads turn with their position (RoPE, arXiv 2104.09864). */
typedef struct sk_rotation {
    skald_rope_kind rope;
    uint32_t n_pairs;    /* turned pairs of a head */
    double base, factor; /* positions are divided by the factor (linear scaling) */
    /* YaRN (arXiv 2309.00071): pairs before the first turn as they are, those behind the last by the factor more slowly,
     * the others in between. Both 0: all by the factor. */
    double first_scaled, last_scaled;
    float magnitude;
    const char *factors, *others; /* tensors that divide frequencies: the one that does where it is there, one unused */
} sk_rotation;

/* Sizes and constants, as the file says them; filled in and checked by the family. */
typedef struct sk_config {
    uint32_t n_layers, n_embd, n_vocab, n_context;
    skald_norm_kind norm;
    float norm_eps;
    float embed_scale;
    float logits_cap;        /* 0: none */
    bool joins_normed;       /* what a part of a layer gives is normed before it is added to the stream */
    uint32_t n_used_context; /* positions that will be used; what the host said, or the file */
    uint32_t n_kinds, n_rotations;
    sk_kind kind[SK_MAX_KINDS];
    sk_rotation rotation[SK_MAX_ROTATIONS];
    uint8_t kind_of[SK_MAX_LAYERS]; /* index in `kind`, of each layer */
} sk_config;

static inline const sk_kind *sk_config_kind(const sk_config *c, uint32_t layer) { return &c->kind[c->kind_of[layer]]; }

/* Bytes of what a layer with linear attention keeps in a slot: its state and each row since, of both first what the short
 * convolution keeps. */
typedef struct sk_state_sizes {
    uint64_t convolved, state_bytes;
    uint32_t convolved_row, row_bytes;
} sk_state_sizes;

sk_state_sizes sk_kind_state(const sk_kind *kind);

/* Weight and bias of a norm; an absent one has no buffer and no width. */
typedef struct sk_norm_rows {
    skald_rows weight, bias;
} sk_norm_rows;

/* One layer's tensors. An absent one has no buffer and no size. */
typedef struct sk_layer {
    sk_norm_rows attention_norm, feed_norm;
    sk_norm_rows attention_post_norm, feed_post_norm; /* of what they give */
    skald_weight q, k, v, o;
    skald_rows q_bias, k_bias, v_bias, o_bias;
    sk_norm_rows q_norm, k_norm;
    skald_rows sinks;                                       /* a logit of each head */
    skald_weight q_low, latent, into_latent, out_of_latent; /* latent attention; the last two are banks of heads */
    sk_norm_rows q_low_norm, latent_norm;
    skald_weight q_gate;                /* of gated attention */
    skald_weight mixed, z, alpha, beta; /* linear attention: q, k and v beside each other; the gate of what it gives */
    skald_rows taps, rate, alpha_bias, state_norm; /* taps: of the short convolution, [channel][tap] in one row */
    skald_weight gate, up, down;
    skald_rows gate_bias, up_bias, down_bias;
    skald_weight router; /* experts: width -> logits */
    skald_rows router_bias, correction;
    skald_weight expert_gate, expert_up, expert_down; /* banks */
    skald_rows expert_gate_bias, expert_up_bias, expert_down_bias;
    skald_weight shared_router, shared_gate, shared_up, shared_down; /* of the expert of every row */
} sk_layer;

/* Tensors outside the layers. */
typedef struct sk_trunk {
    skald_weight embedding, head; /* the same one when the file ties them */
    skald_weight positions;       /* learned, as many as the context is long */
    sk_norm_rows last_norm;
    skald_rows frequency[SK_MAX_ROTATIONS]; /* of rotation, F64 */
} sk_trunk;

typedef struct sk_model_tensor {
    const char *name;
    const sk_gguf_tensor *file;
    const char *kernel;
} sk_model_tensor;

struct skald_model {
    atomic_uint owners;
    _Atomic uint64_t n_adapters; /* opened so far */
    skald_runtime *runtime;
    const skald_backend *backend;
    skald_device *device;
    uint64_t block_bytes;
    sk_config config;
    const char *architecture, *name;
    sk_trunk trunk;
    sk_layer *layers;        /* [n_layers] */
    skald_buffer *weights;   /* packed */
    skald_buffer **in_place; /* [n_parts] the files themselves, or NULLs */
    sk_source *source;       /* [n_parts] what they lie in */
    sk_vocab *vocab;         /* NULL: the file has no tokenizer */
    _Atomic(sk_trie *) trie; /* of the vocabulary; NULL until a grammar asks for it */
    uint32_t n_parts;
    sk_gguf *part; /* [n_parts] over copies of the headers in this block */
    uint32_t n_keys;
    const char **keys; /* [n_keys] of part 0 */
    uint32_t n_tensors;
    sk_model_tensor *tensors; /* [n_tensors] */
    uint64_t n_parameters, n_file_bytes;
    uint64_t sample_sum; /* of some bytes of each tensor */
};

/* ---- families: rows of data and a function that reads the sizes */

/* Lengths that shapes are made of, each of one kind of layer. */
typedef enum sk_dim {
    SK_DIM_NONE, /* 0 */
    SK_DIM_EMBD,
    SK_DIM_VOCAB,
    SK_DIM_Q, /* of all query heads; likewise K, V, and O of what attention gives */
    SK_DIM_K,
    SK_DIM_V,
    SK_DIM_O,
    SK_DIM_QK, /* Q and K beside each other, and so on: parts of tensors that hold several matrices */
    SK_DIM_QKV,
    SK_DIM_FF,
    SK_DIM_FF2,
    SK_DIM_ONE,
    SK_DIM_EXPERTS,
    SK_DIM_FF_EXPERT,
    SK_DIM_FF_SHARED,
    SK_DIM_HEAD_K, /* of one head */
    SK_DIM_HEADS,  /* how many */
    SK_DIM_CONTEXT,
    SK_DIM_LATENT,     /* latent attention: a latent */
    SK_DIM_LATENT_Q,   /* queries of all heads */
    SK_DIM_LATENT_O,   /* outputs of all heads */
    SK_DIM_Q_RANK,     /* a compressed query */
    SK_DIM_HEAD_PLAIN, /* what of a head's query does not turn */
    SK_DIM_HEAD_O,     /* an output of one head */
    SK_DIM_HEAD_K2,    /* twice HEAD_K: a query and its gate */
    SK_DIM_HEAD_V,
    SK_DIM_GROUP, /* heads of one key, and twice as many */
    SK_DIM_GROUP2,
    SK_DIM_CHANNELS, /* of a short convolution: keys twice and the values of all heads */
    SK_DIM_TAPS,
} sk_dim;

typedef enum sk_form {
    SK_FORM_VECTOR, /* skald_rows of one row; with `count` of as many */
    SK_FORM_MATRIX, /* skald_weight */
    SK_FORM_FLAT,   /* a matrix of floats as skald_rows of one row, the tensor's rows one behind the other */
    SK_FORM_BANK,   /* skald_weight of the first of `count` matrices; the others lie n_bytes apart */
} sk_form;

/* What a tensor, or a slice of one, is for: its name, where it goes, and the shape it must have. */
typedef struct sk_role {
    const char *name; /* behind "blk.N." for layers */
    uint16_t where;   /* offset of the field in sk_layer or sk_trunk */
    uint8_t form;     /* SK_FORM_... */
    uint8_t is_optional;
    uint8_t uses;            /* SKALD_USE_... of a matrix */
    uint8_t in, out;         /* sk_dim; a vector has only `out` */
    uint8_t first, whole;    /* sk_dim, of a slice: rows before it, and rows of the tensor */
    uint8_t take, every;     /* sk_dim, of a slice with gaps: of each `every` rows so many, from `first` on */
    uint8_t count;           /* sk_dim of a bank, or of several vectors */
    uint8_t mixers, feeders; /* bits: of layers with these only; 0: of all */
    const char *refused;     /* why a file that has this tensor cannot be read; nothing else is said then */
} sk_role;

#define SK_TRUNK(field) .where = (uint16_t)offsetof(sk_trunk, field)
#define SK_LAYER(field) .where = (uint16_t)offsetof(sk_layer, field)
#define SK_MATRIX(i, o) .form = SK_FORM_MATRIX, .uses = SKALD_USE_PROJECT, .in = SK_DIM_##i, .out = SK_DIM_##o
#define SK_TABLE(i, o)  .form = SK_FORM_MATRIX, .uses = SKALD_USE_EMBED, .in = SK_DIM_##i, .out = SK_DIM_##o
#define SK_BANK(i, o, n)                                                                                               \
    .form = SK_FORM_BANK, .uses = SKALD_USE_PROJECT, .in = SK_DIM_##i, .out = SK_DIM_##o, .count = SK_DIM_##n
#define SK_VECTOR(o)     .form = SK_FORM_VECTOR, .out = SK_DIM_##o
#define SK_VECTORS(o, n) .form = SK_FORM_VECTOR, .out = SK_DIM_##o, .count = SK_DIM_##n
#define SK_SLICE(f, w)   .first = SK_DIM_##f, .whole = SK_DIM_##w
#define SK_EACH(t, e)    .take = SK_DIM_##t, .every = SK_DIM_##e
#define SK_FLAT(i, o)    .form = SK_FORM_FLAT, .in = SK_DIM_##i, .out = SK_DIM_##o
#define SK_OPTIONAL      .is_optional = 1
#define SK_MIXER(m)      .mixers = 1u << SK_MIX_##m
#define SK_FEEDER(f)     .feeders = 1u << SK_FEED_##f

/* Tensors of experts that all families with them name alike. */
#define SK_EXPERT_ROLES                                                                                                \
    {"ffn_gate_inp.weight", SK_LAYER(router), SK_MATRIX(EMBD, EXPERTS), SK_FEEDER(EXPERTS)},                           \
        {"ffn_gate_exps.weight", SK_LAYER(expert_gate), SK_BANK(EMBD, FF_EXPERT, EXPERTS), SK_FEEDER(EXPERTS)},        \
        {"ffn_up_exps.weight", SK_LAYER(expert_up), SK_BANK(EMBD, FF_EXPERT, EXPERTS), SK_FEEDER(EXPERTS)}, {          \
        "ffn_down_exps.weight", SK_LAYER(expert_down), SK_BANK(FF_EXPERT, EMBD, EXPERTS), SK_FEEDER(EXPERTS)           \
    }
#define SK_SHARED_EXPERT_ROLES                                                                                         \
    {"ffn_gate_shexp.weight", SK_LAYER(shared_gate), SK_MATRIX(EMBD, FF_SHARED), SK_FEEDER(EXPERTS)},                  \
        {"ffn_up_shexp.weight", SK_LAYER(shared_up), SK_MATRIX(EMBD, FF_SHARED), SK_FEEDER(EXPERTS)}, {                \
        "ffn_down_shexp.weight", SK_LAYER(shared_down), SK_MATRIX(FF_SHARED, EMBD), SK_FEEDER(EXPERTS)                 \
    }

/* Tensors that many families name alike. */
#define SK_TRUNK_ROLES                                                                                                 \
    {"token_embd.weight", SK_TRUNK(embedding), SK_TABLE(EMBD, VOCAB)},                                                 \
        {"output.weight", SK_TRUNK(head), SK_MATRIX(EMBD, VOCAB), SK_OPTIONAL}, {                                      \
        "output_norm.weight", SK_TRUNK(last_norm.weight), SK_VECTOR(EMBD)                                              \
    }
#define SK_HEAD_ROLES                                                                                                  \
    {"attn_q.weight", SK_LAYER(q), SK_MATRIX(EMBD, Q)}, {"attn_k.weight", SK_LAYER(k), SK_MATRIX(EMBD, K)},            \
        {"attn_v.weight", SK_LAYER(v), SK_MATRIX(EMBD, V)}, {                                                          \
        "attn_output.weight", SK_LAYER(o), SK_MATRIX(O, EMBD)                                                          \
    }
#define SK_HEAD_BIAS_ROLES                                                                                             \
    {"attn_q.bias", SK_LAYER(q_bias), SK_VECTOR(Q), SK_OPTIONAL},                                                      \
        {"attn_k.bias", SK_LAYER(k_bias), SK_VECTOR(K), SK_OPTIONAL}, {                                                \
        "attn_v.bias", SK_LAYER(v_bias), SK_VECTOR(V), SK_OPTIONAL                                                     \
    }
#define SK_DENSE_ROLES                                                                                                 \
    {"ffn_gate.weight", SK_LAYER(gate), SK_MATRIX(EMBD, FF), SK_FEEDER(DENSE)},                                        \
        {"ffn_up.weight", SK_LAYER(up), SK_MATRIX(EMBD, FF), SK_FEEDER(DENSE)}, {                                      \
        "ffn_down.weight", SK_LAYER(down), SK_MATRIX(FF, EMBD), SK_FEEDER(DENSE)                                       \
    }

typedef struct sk_family {
    const char *architecture;
    skald_status (*configure)(sk_config *config, const sk_gguf *g, skald_report *why);
    const sk_role *trunk, *layer; /* end with a role without a name */
} sk_family;

/* Whether layers of the kind have the role. */
bool sk_role_is_for(const sk_role *role, const sk_kind *kind);

/* The family of a file. UNSUPPORTED naming the architecture; FORMAT: no architecture. */
skald_status sk_family_find(const sk_family **out, const sk_gguf *g, skald_report *why);
extern const sk_family sk_family_llama, sk_family_gpt2, sk_family_qwen2, sk_family_qwen3, sk_family_gemma2,
    sk_family_gemma3, sk_family_phi3, sk_family_olmo2, sk_family_smollm3, sk_family_qwen3moe, sk_family_olmoe,
    sk_family_gpt_oss, sk_family_deepseek2, sk_family_qwen2moe, sk_family_qwen35, sk_family_qwen3next;

/* Reads and checks the sizes: the family's configure, then n_vocab by the embedding's shape. n_context: positions that
 * will be used, 0: as many as the file says. */
skald_status sk_model_configure(sk_config *config, const sk_family **family, const sk_files *files, uint32_t n_context,
                                skald_report *why);
/* `kind` may be NULL for lengths that are the same in all layers. */
uint64_t sk_config_dim(const sk_config *config, const sk_kind *kind, sk_dim dim);

/* Key "<architecture>.<rest>". A count or number in [least, most]; when it is absent, *out is kept, or FORMAT if it is
 * required. */
skald_status sk_config_count(uint32_t *out, const sk_gguf *g, const char *rest, uint32_t least, uint32_t most,
                             bool required, skald_report *why);
skald_status sk_config_number(float *out, const sk_gguf *g, const char *rest, float least, float most, bool required,
                              skald_report *why);
skald_status sk_config_flag(bool *out, const sk_gguf *g, const char *rest, skald_report *why); /* never required */
/* One number for each of n layers, as sk_gguf_per_layer; kept when it is absent. */
skald_status sk_config_per_layer(uint32_t *out, const sk_gguf *g, const char *rest, uint32_t n, skald_report *why);
skald_status sk_config_text(sk_text *out, const sk_gguf *g, const char *rest, skald_report *why);
/* FORMAT or UNSUPPORTED with "key <architecture>.<rest>" and what a family says of it. */
skald_status sk_config_fail(const sk_gguf *g, const char *rest, skald_status status, const char *what,
                            skald_report *why);

/* Parts of a family's configure. Sizes: layers, width, context, and one kind for all layers, with its width inside the
 * feed-forward part. Heads: of the kind. Delta: of a kind with linear attention. Rotation: of heads of head_dim, with
 * linear scaling or YaRN (rope.c). Windows: a second kind like the first but with a window, for all layers but every
 * period-th, or as the file says. */
skald_status sk_config_plain(sk_config *c, const sk_gguf *g,
                             skald_report *why); /* sizes, RMS norm, heads, rotation 0 */
skald_status sk_config_sizes(sk_config *c, const sk_gguf *g, skald_report *why);
skald_status sk_config_heads(sk_config *c, sk_kind *kind, const sk_gguf *g, skald_report *why);
skald_status sk_config_delta(sk_config *c, sk_kind *kind, const sk_gguf *g, skald_report *why);
skald_status sk_config_rotation(sk_rotation *r, uint32_t head_dim, const sk_gguf *g, skald_report *why);
skald_status sk_config_windows(sk_config *c, uint32_t period, uint32_t window, const sk_gguf *g, skald_report *why);
/* What positions are multiplied with, for each pair, divided by factors[i] where there are some. */
void sk_rotation_frequencies(double *frequency, const sk_rotation *r, const float *factors);

/* Makes the kind one of experts by the keys expert_...: where they are absent, scores are a softmax, weights stay as they
 * are, the width is the kind's n_ff, and nothing is shared. */
skald_status sk_config_experts(sk_kind *kind, const sk_gguf *g, skald_report *why);

/* ---- placing: the same walk over the roles measures, lays out and loads */

typedef struct sk_placing {
    sk_pool *pool; /* the runtime's */
    const skald_backend *backend;
    skald_device *device;
    const sk_config *config;
    const sk_files *files;
    sk_trunk *trunk;
    sk_layer *layers;        /* NULL while only measuring */
    bool in_place;           /* weights stay where they are, where the device can */
    skald_buffer **files_at; /* [n_parts] of those, while loading */
    uint64_t weights_bytes, staging_bytes;
    uint32_t n_used; /* tensors of the file that have a role */
    skald_report *why;
} sk_placing;

/* Whether a table of rows is multiplied with too: that of a file without output.weight. */
bool sk_place_is_head(const sk_files *files, const char *name);
/* Finds every role's tensor, checks its shape, and gives it a place. FORMAT or UNSUPPORTED naming the tensor. */
skald_status sk_place_plan(sk_placing *p, const sk_family *family);
/* Reads and packs into `buffer`; staging has p->staging_bytes. CANCELLED by the files' watch. */
skald_status sk_place_load(sk_placing *p, const sk_family *family, skald_buffer *buffer, void *staging);

/* ---- opening */

/* What opening will ask the allocator for; the plan call and the open call both come through here. */
typedef struct sk_model_sizes {
    uint64_t model_bytes, weights_bytes, files_bytes, staging_bytes;
    uint64_t device_bytes, mapped_bytes;
    sk_config config;
    const sk_device_slot *slot; /* that the options name */
} sk_model_sizes;

skald_status sk_model_measure(sk_model_sizes *out, skald_runtime *runtime, const skald_model_options *options,
                              const skald_source *parts, uint32_t n_parts, skald_report *why);
/* Asked when the model is placed and nothing is loaded yet: can its device run it? */
typedef skald_status sk_model_check(const skald_model *model, skald_report *why);

skald_status sk_model_open(skald_model **out, skald_runtime *runtime, const skald_model_options *options,
                           sk_model_check *check, const skald_source *parts, uint32_t n_parts, skald_report *why);

const skald_allocator *sk_model_memory(const skald_model *model);
/* The trie of the vocabulary, made when it is asked for first. CANCELLED by the watch. Any thread. */
skald_status sk_model_trie(const sk_trie **out, skald_model *model, sk_watch *watch, skald_report *why);
/* Tells models apart whose sequences are not each other's: by their headers and a sample of each tensor. */
uint64_t sk_model_fingerprint(const skald_model *model);
#endif

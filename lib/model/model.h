/* What a network is: its sizes, the roles of its tensors, and where the device keeps them. */
#ifndef SK_MODEL_MODEL_H
#define SK_MODEL_MODEL_H
#include "base/runtime.h"
#include "file/files.h"
#include "text/vocab.h"

/* Sizes and constants, as the file says them; filled in and checked by the family. */
typedef struct sk_config {
    uint32_t n_layers, n_embd, n_ff, n_vocab, n_context;
    uint32_t n_heads, n_kv_heads, head_dim_k, head_dim_v;
    float norm_eps, attention_scale;
    skald_rope_kind rope;
    uint32_t n_pairs;              /* rotated pairs of a head */
    double rope_base, rope_factor; /* positions are divided by the factor (linear scaling) */
    uint32_t latent_dim, latent_rope_dim;
} sk_config;

/* One layer's tensors. An absent one has no buffer and no size. */
typedef struct sk_layer {
    skald_rows attention_norm, feed_norm;
    skald_weight q, k, v, o;
    skald_rows q_bias, k_bias, v_bias, o_bias;
    skald_weight gate, up, down;
    skald_rows gate_bias, up_bias, down_bias;
} sk_layer;

/* Tensors outside the layers. */
typedef struct sk_trunk {
    skald_weight embedding, head; /* the same one when the file ties them */
    skald_rows last_norm;
    skald_rows frequency; /* of rotation, F64 */
} sk_trunk;

typedef struct sk_model_tensor {
    const char *name;
    const sk_gguf_tensor *file;
    const char *kernel;
} sk_model_tensor;

struct skald_model {
    atomic_uint owners;
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
    uint32_t n_parts;
    sk_gguf *part; /* [n_parts] over copies of the headers in this block */
    uint32_t n_keys;
    const char **keys; /* [n_keys] of part 0 */
    uint32_t n_tensors;
    sk_model_tensor *tensors; /* [n_tensors] */
    uint64_t n_parameters, n_file_bytes;
};

/* ---- families: a row of data and a function that reads the sizes */

typedef enum sk_dim { SK_DIM_EMBD, SK_DIM_VOCAB, SK_DIM_Q, SK_DIM_K, SK_DIM_V, SK_DIM_O, SK_DIM_FF } sk_dim;

/* What a tensor is for: its name, where it goes, and the shape it must have. */
typedef struct sk_role {
    const char *name;  /* behind "blk.N." for layers */
    uint32_t where;    /* offset of the field in sk_layer or sk_trunk */
    uint8_t is_matrix; /* skald_weight, else skald_rows of one row */
    uint8_t is_optional;
    uint8_t uses;    /* SKALD_USE_... of a matrix */
    uint8_t in, out; /* sk_dim; a vector has only `out` */
} sk_role;

typedef struct sk_family {
    const char *architecture;
    skald_status (*configure)(sk_config *config, const sk_gguf *g, skald_report *why);
    const sk_role *trunk, *layer; /* end with a role without a name */
} sk_family;

/* The family of a file. UNSUPPORTED naming the architecture; FORMAT: no architecture. */
skald_status sk_family_find(const sk_family **out, const sk_gguf *g, skald_report *why);
extern const sk_family sk_family_llama;

/* Reads and checks the sizes: the family's configure, then n_vocab by the embedding's shape. */
skald_status sk_model_configure(sk_config *config, const sk_family **family, const sk_files *files, skald_report *why);
uint32_t sk_config_dim(const sk_config *config, sk_dim dim);

/* "key <architecture>.<rest>": a count in [least, most]; ABSENT keeps *out when `required` is false. */
skald_status sk_config_count(uint32_t *out, const sk_gguf *g, const char *rest, uint32_t least, uint32_t most,
                             bool required, skald_report *why);
skald_status sk_config_number(float *out, const sk_gguf *g, const char *rest, float least, float most, bool required,
                              skald_report *why);

/* ---- placing: the same walk over the roles measures, lays out and loads */

typedef struct sk_placing {
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

/* Finds every role's tensor, checks its shape, and gives it a place. FORMAT or UNSUPPORTED naming the tensor. */
skald_status sk_place_plan(sk_placing *p, const sk_family *family);
/* Reads and packs into `buffer`; staging has p->staging_bytes. `progress` may cancel. */
skald_status sk_place_load(sk_placing *p, const sk_family *family, skald_buffer *buffer, void *staging,
                           const skald_model_options *options);

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
#endif

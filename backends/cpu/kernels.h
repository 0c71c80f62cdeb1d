/* The contracts of the leaves: raw pointers in, raw pointers out. docs/numerics.md says what each computes, to the bit;
 * scalar/ is its executable form, and every other level must give the same bits.
 *
 * Matmul: weights are packed in panels of 32 outputs. A tile multiplies one panel with 1 ... SK_TILE_ROWS rows.
 *
 *              k ──▶
 *     panel  ┌────────────┐ 32 outputs        y[row][0..31] = chain over k, one per output, ascending
 *            └────────────┘
 */
#ifndef SK_CPU_KERNELS_H
#define SK_CPU_KERNELS_H
#include <skald/backend.h>
#include "dtype/dtype.h"
#include <stdbool.h>

#define SK_PANEL       32u /* outputs of a panel */
#define SK_BLOCK       32u /* elements that share one activation scale */
#define SK_TILE_ROWS   5u  /* most rows a tile takes */
#define SK_ATTEND_ROWS 48u /* most rows an attention tile takes */
#define SK_PAGE        SKALD_PAGE_TOKENS
#define SK_GRID        SKALD_STATE_GRID
#define SK_TAPS        4u /* of a short convolution */

/* 32 elements of an activation row: element i is d * q[i]. */
typedef struct sk_q8 {
    float d;        /* amax / 127 */
    float d_sum;    /* d * (float)(sum[0] + sum[1]), for formats with a min */
    int16_t sum[2]; /* of q[0..15] and q[16..31] */
    int8_t q[32];
} sk_q8;

/* The same of 16 neighbouring rows, in as many bytes: tiles take integers from many rows at once. */
typedef struct sk_q8x16 {
    int8_t q[16][32];
    float d[16], d_sum[16];
    int16_t sum[2][16];
} sk_q8x16;

/* y = x in blocks of 32: q = nearest-even(x * (127 / amax)); a block with Inf or NaN gets d = NaN, q = 0. */
typedef void sk_quantize_fn(sk_q8 *y, const float *x, uint32_t n_blocks);

/* y[i] = x[i] * inv * w[i], inv = 1 / sqrt(mean(x^2) + eps). Any n; y may be x. */
typedef void sk_rms_norm_fn(float *y, const float *x, const float *w, uint32_t n, float eps);
/* y[i] = (x[i] - mean) * inv * w[i] + b[i], inv = 1 / sqrt(mean((x - mean)^2) + eps); b may be NULL. Any n; y may be x. */
typedef void sk_layer_norm_fn(float *y, const float *x, const float *w, const float *b, uint32_t n, float eps);
/* y[i] = a[i] + b[i]. y may be a or b. */
typedef void sk_add_fn(float *y, const float *a, const float *b, uint32_t n);
/* y[i] = a[i] * s. y may be a. */
typedef void sk_scale_fn(float *y, const float *a, float s, uint32_t n);
/* y[i] = cap * tanh(x[i] / cap). y may be x. */
typedef void sk_soft_cap_fn(float *y, const float *x, float cap, uint32_t n);
/* y[i] = activation(gate[i]) * up[i], or activation(gate[i]) when up is NULL. y may be gate. */
typedef void sk_gate_fn(float *y, const float *gate, const float *up, uint32_t n);
/* One head: pair i = (x[2i], x[2i+1]) or (x[i], x[i + n_pairs]) turns by cs[2i] = cos, cs[2i+1] = sin. */
typedef void sk_rotate_fn(float *x, const float *cs, uint32_t n_pairs);
/* y = e^(x - max) / sum over n of e^(x - max). y may be x. */
typedef void sk_softmax_fn(float *y, const float *x, uint32_t n);
/* y[i] += a[i] * s with one rounding. */
typedef void sk_add_scaled_fn(float *y, const float *a, float s, uint32_t n);
/* The index of the largest, the lower of equals; NaN never wins; 0 when nothing is above minus infinity. */
typedef uint32_t sk_argmax_fn(const float *x, uint32_t n);

/* One block of SK_PAGE keys for up to SK_ATTEND_ROWS query rows of one KV head, each as if no other block existed.
 * Keys [begin[r], end[r]) of the block are visible to row r (begin < end); what lies outside may be anything, NaN too. */
typedef struct sk_attend_block {
    const float *q[SK_ATTEND_ROWS]; /* [dim_k], times scale * log2(e) */
    uint32_t begin[SK_ATTEND_ROWS], end[SK_ATTEND_ROWS];
    const sk_q8 *quantized[SK_ATTEND_ROWS]; /* q in blocks of 32, where k_type is Q8_0 or Q4_0 */
    uint32_t n_rows, dim_k, dim_v;
    skald_dtype k_type, v_type;
    float cap;     /* > 0: a score becomes cap * tanh(score) */
    const void *k; /* [dim_k][SK_PAGE] in the store's type; kept.h says how quantized ones lie */
    const void
        *v; /* [SK_PAGE][dim_v] likewise; NULL: a value is the first dim_v elements of its key, and v_type k_type */
    const char *next; /* the k that is read after this one; the same for a block that is the last */
    float *max, *sum; /* [n_rows] */
    float *out;       /* [n_rows][dim_v], not yet divided by sum */
    float *score;     /* room for [n_rows][SK_PAGE] */
    int16_t *share;   /* room for [n_rows][SK_PAGE] */
    float *wide;      /* room for [SK_PAGE][the larger dim, at least 16] */
} sk_attend_block;
typedef void sk_attend_fn(const sk_attend_block *block);

/* (max, sum, out) of one row takes in a later (max2, sum2, out2): the online softmax of arXiv 1805.02867. */
typedef void sk_fold_fn(float *max, float *sum, float *out, float max2, float sum2, const float *out2, uint32_t dim_v);
/* y[i] = out[i] / sum. */
typedef void sk_divide_fn(float *y, const float *out, float sum, uint32_t n);
/* y = (H x) * s for blocks of 32, H the Hadamard matrix: H H = 32, so a dot product of two such rows is 32 s s times that
 * of the rows themselves, and no element is much larger than the others. y may be x. */
typedef void sk_hadamard_fn(float *y, const float *x, float s, uint32_t n_blocks);

/* y[c] = silu(the chain over taps t of w[4 c + t] * x[t][c]); x[t] NULL: that tap takes no part. n is a multiple of 16. */
typedef void sk_convolve_fn(float *y, const float *const x[SK_TAPS], const float *w, uint32_t n);
/* y[i] = (x[i] * inverse) * s, inverse = 1 / sqrt(sum(x^2) + eps). Any n; y may be x. */
typedef void sk_unit_norm_fn(float *y, const float *x, uint32_t n, float eps, float s);

/* One head's rows [first, end) of a chunk of SK_GRID positions; rows before `first` were done earlier. Each row is a function
 * of the state at the chunk's begin and of the rows before it, whatever `first` and `end` are. Dimensions are multiples of
 * 16; dim_v may be a part of the head's, for its columns do not meet. */
typedef struct sk_delta_chunk {
    uint32_t first, end, dim_k, dim_v;
    bool corrects;  /* the delta rule: what the state already says of a key is taken off its value */
    const float *k; /* [end + end - first][dim_k]: keys of rows 0 ... end - 1, then queries of rows first ... end - 1 */
    const float *decay; /* [end], or NULL: none */
    const float *beta;  /* [end - first], or NULL: 1 */
    const float *v[SK_GRID];
    float *out[SK_GRID]; /* of row first + i */
    size_t stride;       /* floats from line to line of state, next and u */
    const float *state;  /* [dim_k], or NULL: zero */
    float *next;         /* likewise at the chunk's end, may be `state`; NULL: not wanted */
    float *u;            /* [end]: what each row adds along its key; those before `first` are given */
    float *room;         /* for [2 SK_GRID][the larger dimension] */
} sk_delta_chunk;
typedef void sk_delta_fn(const sk_delta_chunk *chunk);

/* n elements to the cache's type: K goes to k[i * SK_PAGE] (a column), V to consecutive elements. */
typedef void sk_store_fn(void *to, const float *x, uint32_t n);

/* How far in front of what they read tiles ask for a stream of panels, in bytes: `near` into the first cache, `far` into
 * the second; 0: they do not. How many requests a core has under way, and so which of these it likes, is its maker's. */
typedef struct sk_reach {
    uint32_t near, far;
} sk_reach;

/* What a tile asks the caches for while it multiplies: with each piece of its panel what lies `near` bytes behind, and
 * lines from `far` on, as many as make a panel in `passes` tiles. Nothing is accessed; NULL: nothing is asked. */
typedef struct sk_ahead {
    uint32_t near, passes;
    const char *far;
} sk_ahead;

/* y[r * y_stride + i], i < 32, r < n_rows: the chain of output i of the panel with row r, x + r * x_stride. */
typedef void sk_int_tile_fn(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                            size_t x_stride, uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead);
typedef void sk_float_tile_fn(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x,
                              size_t x_stride, uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead);

/* Bytes of a panel of a layout. */
typedef uint64_t sk_panel_bytes_fn(skald_dtype type, uint32_t n_in);
/* n_rows <= 32 rows as the file has them; the panel's other outputs become zero. */
typedef void sk_pack_fn(void *panel, skald_dtype type, const void *rows, uint64_t row_bytes, uint32_t n_rows,
                        uint32_t n_in);
/* Output `row` of the panel as f32, exactly as dtype defines it. */
typedef void sk_unpack_fn(float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in);

/* Many rows: the integers of a panel are taken out of their packing once, into a form that all formats share, and meet
 * every row there. For each block of 32 k it holds
 *
 *     integers  [8 groups of 4 k][32 outputs][4 k]   q ^ flip, as bytes                           1024 bytes
 *     scales    [32] f32, or [2][32]                 for 32 k or for each 16
 *     mins      [32] f32, or [2][32]                 added (a format that takes them off changes their sign)
 *
 * and is made in slices of k, so that it stays in a near cache; the chains go on from slice to slice. */
typedef struct sk_form {
    bool halves;    /* scales and mins for each 16 k */
    bool has_min;   /* then q is never negative, and flip is 0 */
    bool grouped;   /* rows come as sk_q8x16: row 16 g, block b at ((const sk_q8x16 *)(x + 16 * g * x_stride))[b] */
    uint8_t flip;   /* 0x80: bytes are q + 128, for products of unsigned with signed; 0: q itself */
    uint32_t bytes; /* of a block, a multiple of 64 */
} sk_form;

/* Blocks [first, first + n) of a panel; `to` is 64-byte aligned. */
typedef void sk_expand_fn(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in,
                          uint32_t first, uint32_t n_blocks);
/* y[r * y_stride + i], i < 32, any n_rows: the chain over n_blocks blocks, which begins at +0 or goes on from y. Grouped
 * rows are 64-byte aligned; those of the last group that are not asked for may hold anything. */
typedef void sk_expanded_fn(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                            size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on);

/* A kind of matmul: layout, packing and tile belong together and never meet a stranger's. */
typedef struct sk_matmul {
    const char *name; /* "q4_1/avx2" */
    skald_dtype type;
    uint32_t level; /* SK_LEVEL_... it needs */
    sk_panel_bytes_fn *panel_bytes;
    sk_pack_fn *pack;
    sk_unpack_fn *unpack;
    sk_expand_fn *expand;         /* integer kinds; NULL: its tile serves many rows too */
    sk_int_tile_fn *int_tile;     /* integer kinds: rows quantized to sk_q8 */
    sk_float_tile_fn *float_tile; /* kinds on f32 rows; exactly one of the two is set */
} sk_matmul;

/* Instruction sets, weakest first; a level includes those before it on the same architecture. */
enum {
    SK_LEVEL_SCALAR = 0,
    SK_LEVEL_AVX2 = 1, /* with FMA and F16C */
    SK_LEVEL_AVXVNNI = 2,
    SK_LEVEL_AVX512 = 3, /* F, BW, VL, VNNI */
    SK_LEVEL_AMX = 4,
    SK_LEVEL_NEON = 8,
    SK_LEVEL_DOTPROD = 9,
    SK_LEVEL_I8MM = 10,
};

/* What one level runs with; filled from kernels.def, where later lines win if the machine can. */
typedef struct sk_kernels {
    uint32_t level;
    sk_reach reach;
    sk_quantize_fn *quantize;
    sk_rms_norm_fn *rms_norm;
    sk_layer_norm_fn *layer_norm;
    sk_add_fn *add;
    sk_scale_fn *scale;
    sk_soft_cap_fn *soft_cap;
    sk_gate_fn *silu, *gelu_tanh, *gelu, *relu, *sigmoid, *swiglu_clamped;
    sk_softmax_fn *softmax;
    sk_add_scaled_fn *add_scaled;
    sk_rotate_fn *rotate_pairs, *rotate_halves;
    sk_argmax_fn *argmax;
    sk_expanded_fn *expanded;
    sk_attend_fn *attend;
    sk_fold_fn *fold;
    sk_divide_fn *divide;
    sk_hadamard_fn *hadamard;
    sk_convolve_fn *convolve;
    sk_unit_norm_fn *unit_norm;
    sk_delta_fn *delta;
    sk_store_fn *store_k_f32, *store_k_f16, *store_v_f32, *store_v_f16;
} sk_kernels;

/* The best level of this machine, at most `limit` (NULL or "": no limit); -1 for a name that this architecture does
 * not have. Only levels with a leaf of their own are answered. */
int32_t sk_cpu_level(const char *limit);
/* Whether a kernel that needs `need` runs at `level`. */
bool sk_cpu_level_includes(uint32_t level, uint32_t need);
const char *sk_cpu_level_name(uint32_t level);
void sk_kernels_fill(sk_kernels *kernels, uint32_t level);
/* What tile `pass` of n_passes that a panel meets asks for. A single one goes through the panel at the speed of memory, and
 * asks for what comes soon. Of several all but the first find the panel in a cache: each asks for its share of the next. */
sk_ahead sk_ahead_of(const sk_reach *reach, const char *panel, uint64_t panel_bytes, uint32_t pass, uint32_t n_passes);
/* The index-th slot that `level` fills and the leaf in it, by name; false behind the last. */
bool sk_kernel_at(const char **slot, const char **leaf, uint32_t level, uint32_t index);
/* The kind for a type at a level; NULL: none. The index is what skald_weight.layout keeps. */
const sk_matmul *sk_matmul_find(skald_dtype type, uint32_t level);
/* NULL from the number of kinds on. */
const sk_matmul *sk_matmul_at(uint32_t index);
uint32_t sk_matmul_index(const sk_matmul *kind);
/* The form in which panels of an integer format are expanded at a level. */
sk_form sk_form_of(skald_dtype type, uint32_t level);
/* n blocks of a row into place r % 16 of its group. */
void sk_group_rows(sk_q8x16 *group, const sk_q8 *row, uint32_t r, uint32_t n_blocks);
/* Puts 32 elements of one output into an expanded block. */
void sk_expanded_put(uint8_t *block, const sk_form *form, const sk_int_block *w, uint32_t output);

sk_expand_fn sk_raw_expand, sk_blocks_expand, sk_supers_expand, sk_packed_expand_neon, sk_packed_expand_avx512;
#define SK_KERNEL(type, slot, level, leaf) type leaf;
#define SK_INT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, expand, tile)                                     \
    sk_panel_bytes_fn panel_bytes;                                                                                     \
    sk_pack_fn pack;                                                                                                   \
    sk_unpack_fn unpack;                                                                                               \
    sk_int_tile_fn tile;
#define SK_FLOAT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, tile)                                           \
    sk_panel_bytes_fn panel_bytes;                                                                                     \
    sk_pack_fn pack;                                                                                                   \
    sk_unpack_fn unpack;                                                                                               \
    sk_float_tile_fn tile;
#include "backends/cpu/kernels.def"
#undef SK_KERNEL
#undef SK_INT_MATMUL
#undef SK_FLOAT_MATMUL

#endif

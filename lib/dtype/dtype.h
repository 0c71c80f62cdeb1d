/* Element formats: what a block holds, how it becomes f32, and the integer form that quantized products use. */
#ifndef SK_DTYPE_DTYPE_H
#define SK_DTYPE_DTYPE_H
#include <skald/skald.h>
#include <stdbool.h>

typedef enum sk_dtype_kind {
    SK_DTYPE_FLOAT,     /* one number an element: F*, BF16 */
    SK_DTYPE_INTEGER,   /* I*: ids and sizes, never weights */
    SK_DTYPE_QUANTIZED, /* blocks with scales */
} sk_dtype_kind;

#define SK_INT_GROUP 32u /* elements of an sk_int_block; divides every quantized block */

/* 32 neighbours of a row as exact integers: element j is d[j / 16] * q[j] - m[j / 16]. d and m are products of the
 * file's own numbers and exact in f32. |q| <= 127, but a Q8_0 file may hold -128. */
typedef struct sk_int_block {
    int8_t q[32];
    float d[2];
    float m[2];
} sk_int_block;

/* Elements [32 * group, 32 * group + 32) of a row, which is whole blocks back to back at any alignment. */
typedef void sk_dtype_expand_fn(sk_int_block *restrict to, const void *row, uint64_t group);
/* n elements of a float format as f32; widening is exact, F64 rounds to nearest even. */
typedef void sk_dtype_widen_fn(float *restrict to, const void *from, uint64_t n);

typedef struct sk_dtype {
    const char *name;
    skald_dtype number;
    uint32_t elements; /* of a block */
    uint32_t bytes;    /* of a block */
    sk_dtype_kind kind;
    bool halves;                /* d or m of the two 16s of a group may differ */
    bool has_min;               /* m may be other than zero */
    sk_dtype_widen_fn *widen;   /* SK_DTYPE_FLOAT, else NULL */
    sk_dtype_expand_fn *expand; /* SK_DTYPE_QUANTIZED, else NULL */
} sk_dtype;

/* NULL: no such format. */
const sk_dtype *sk_dtype_find(skald_dtype number);

/* n elements, whole blocks, of a float or quantized format; any alignment of `from`. */
void sk_dtype_to_f32(const sk_dtype *type, float *to, const void *from, uint64_t n);

#endif

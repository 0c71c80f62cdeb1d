/* The table of element formats, and the public questions about it. */
#include "dtype/formats.h"
#include "base/fpmode.h"
#include "base/memory.h"

enum {
#define ROW_INDEX(name, number, elements, bytes) name##_ROW,
    SKALD_DTYPE_LIST(ROW_INDEX)
#undef ROW_INDEX
};

#define ROW(name, kind, halves, has_min, widen, expand)                                                                \
    [name##_ROW] = {#name, SKALD_##name, SK_##name##_ELEMENTS, SK_##name##_BYTES, kind, halves, has_min, widen, expand}
#define FLOAT(name, widen)           ROW(name, SK_DTYPE_FLOAT, false, false, widen, NULL)
#define INTEGER(name)                ROW(name, SK_DTYPE_INTEGER, false, false, NULL, NULL)
#define ONE_SCALE(name, expand)      ROW(name, SK_DTYPE_QUANTIZED, false, false, NULL, expand)
#define SCALE_MIN(name, expand)      ROW(name, SK_DTYPE_QUANTIZED, false, true, NULL, expand)
#define TWO_SCALES(name, expand)     ROW(name, SK_DTYPE_QUANTIZED, true, false, NULL, expand)
#define TWO_SCALES_MIN(name, expand) ROW(name, SK_DTYPE_QUANTIZED, true, true, NULL, expand)

/* Beside each quantized format: q, and d where it is not the block's scale times the group's. */
/* clang-format off */
static const sk_dtype rows[] = {
    FLOAT(F32, sk_dtype_widen_f32),
    FLOAT(F16, sk_dtype_widen_f16),
    ONE_SCALE(Q4_0, sk_dtype_expand_q4_0),       /* -8 .. 7 */
    SCALE_MIN(Q4_1, sk_dtype_expand_q4_1),       /* 0 .. 15; m is minus the file's minimum */
    ONE_SCALE(Q5_0, sk_dtype_expand_q5_0),       /* -16 .. 15 */
    SCALE_MIN(Q5_1, sk_dtype_expand_q5_1),       /* 0 .. 31; m as in Q4_1 */
    ONE_SCALE(Q8_0, sk_dtype_expand_q8_0),       /* -128 .. 127 */
    TWO_SCALES_MIN(Q2_K, sk_dtype_expand_q2_k),  /* 0 .. 3 */
    TWO_SCALES(Q3_K, sk_dtype_expand_q3_k),      /* -4 .. 3 */
    SCALE_MIN(Q4_K, sk_dtype_expand_q4_k),       /* 0 .. 15 */
    SCALE_MIN(Q5_K, sk_dtype_expand_q5_k),       /* 0 .. 31 */
    TWO_SCALES(Q6_K, sk_dtype_expand_q6_k),      /* -32 .. 31 */
    ONE_SCALE(IQ2_XXS, sk_dtype_expand_iq2_xxs), /* signed 8, 25, 43; d = scale * (2 s + 1) / 8 in all of IQ2 */
    TWO_SCALES(IQ2_XS, sk_dtype_expand_iq2_xs),  /* the same numbers */
    ONE_SCALE(IQ3_XXS, sk_dtype_expand_iq3_xxs), /* signed 4, 12 .. 52, 62; d = scale * (2 s + 1) / 4 */
    ONE_SCALE(IQ1_S, sk_dtype_expand_iq1_s),     /* 8 g + 1 or 8 g - 1 for g = -1, 0, 1; d = scale * (2 s + 1) / 8 */
    ONE_SCALE(IQ4_NL, sk_dtype_expand_iq4_nl),   /* sixteen numbers from -127 to 113 */
    ONE_SCALE(IQ3_S, sk_dtype_expand_iq3_s),     /* signed 1, 3 .. 15; d = scale * (2 s + 1) */
    TWO_SCALES(IQ2_S, sk_dtype_expand_iq2_s),    /* as IQ2_XS */
    ONE_SCALE(IQ4_XS, sk_dtype_expand_iq4_xs),   /* as IQ4_NL */
    INTEGER(I8),
    INTEGER(I16),
    INTEGER(I32),
    INTEGER(I64),
    FLOAT(F64, sk_dtype_widen_f64),
    TWO_SCALES(IQ1_M, sk_dtype_expand_iq1_m),    /* as IQ1_S; the sign of the 1 changes every 8 elements */
    FLOAT(BF16, sk_dtype_widen_bf16),
    ONE_SCALE(TQ1_0, sk_dtype_expand_tq1_0),     /* -1 .. 1 */
    ONE_SCALE(TQ2_0, sk_dtype_expand_tq2_0),     /* -1 .. 2 */
    ONE_SCALE(MXFP4, sk_dtype_expand_mxfp4),     /* twice the E2M1 number: 0, 1, 2, 3, 4, 6, 8, 12 and minus; d half */
    TWO_SCALES(NVFP4, sk_dtype_expand_nvfp4),    /* as MXFP4 */
    ONE_SCALE(Q1_0, sk_dtype_expand_q1_0),       /* -1, 1 */
    ONE_SCALE(Q2_0, sk_dtype_expand_q2_0),       /* -1 .. 2 */
    FLOAT(F8_E4M3, sk_dtype_widen_f8_e4m3),
    FLOAT(F8_E5M2, sk_dtype_widen_f8_e5m2),
};
/* clang-format on */

const sk_dtype *sk_dtype_find(skald_dtype number) {
    switch (number) {
#define FIND(name, number, elements, bytes)                                                                            \
    case number: return &rows[name##_ROW];
        SKALD_DTYPE_LIST(FIND)
#undef FIND
    default: return NULL;
    }
}

void sk_dtype_to_f32(const sk_dtype *type, float *to, const void *from, uint64_t n) {
    if (type->widen) {
        type->widen(to, from, n);
        return;
    }
    sk_int_block block;
    for (uint64_t group = 0; group < n / SK_INT_GROUP; group++, to += SK_INT_GROUP) {
        type->expand(&block, from, group);
        for (unsigned j = 0; j < 16; j++) to[j] = block.d[0] * (float)block.q[j] - block.m[0];
        for (unsigned j = 16; j < 32; j++) to[j] = block.d[1] * (float)block.q[j] - block.m[1];
    }
}

const char *skald_dtype_name(skald_dtype type) {
    const sk_dtype *row = sk_dtype_find(type);
    return row ? row->name : NULL;
}

uint64_t skald_dtype_bytes(skald_dtype type, uint64_t n) {
    const sk_dtype *row = sk_dtype_find(type);
    if (!row || n % row->elements) return 0;
    uint64_t bytes = sk_mul(n / row->elements, row->bytes);
    return bytes == UINT64_MAX ? 0 : bytes;
}

skald_status skald_dtype_to_f32(float *to, skald_dtype type, const void *from, uint64_t n) {
    const sk_dtype *row = sk_dtype_find(type);
    if (!row || row->kind == SK_DTYPE_INTEGER) return SKALD_ARGUMENT;
    if (n == 0) return SKALD_OK;
    if (!to || !from || skald_dtype_bytes(type, n) == 0) return SKALD_ARGUMENT;
    uint64_t mode = sk_fp_enter();
    sk_dtype_to_f32(row, to, from, n);
    sk_fp_leave(mode);
    return SKALD_OK;
}

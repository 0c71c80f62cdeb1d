/* What the files of this room share: sizes from the public list, loads at any alignment, one function per format. */
#ifndef SK_DTYPE_FORMATS_H
#define SK_DTYPE_FORMATS_H
#include "dtype/dtype.h"
#include "base/exact.h"

enum {
#define SK_SIZES(name, number, elements, bytes) SK_##name##_ELEMENTS = elements, SK_##name##_BYTES = bytes,
    SKALD_DTYPE_LIST(SK_SIZES)
#undef SK_SIZES
};

static inline uint16_t sk_load16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t sk_load32(const uint8_t *p) { return sk_load16(p) | (uint32_t)sk_load16(p + 2) << 16; }
static inline uint64_t sk_load64(const uint8_t *p) { return sk_load32(p) | (uint64_t)sk_load32(p + 4) << 32; }
static inline float sk_load_f16(const uint8_t *p) { return sk_from_f16(sk_load16(p)); }

static inline const uint8_t *sk_block(const void *row, uint64_t block, uint32_t bytes) {
    return (const uint8_t *)row + block * bytes;
}

static inline void sk_set_scales(sk_int_block *to, float first, float second) {
    to->d[0] = first, to->d[1] = second;
    to->m[0] = 0.0f, to->m[1] = 0.0f;
}

static inline void sk_set_scale_min(sk_int_block *to, float d, float m) {
    to->d[0] = d, to->d[1] = d;
    to->m[0] = m, to->m[1] = m;
}

sk_dtype_widen_fn sk_dtype_widen_f32, sk_dtype_widen_f16, sk_dtype_widen_bf16, sk_dtype_widen_f64,
    sk_dtype_widen_f8_e4m3, sk_dtype_widen_f8_e5m2;

sk_dtype_expand_fn sk_dtype_expand_q4_0, sk_dtype_expand_q4_1, sk_dtype_expand_q5_0, sk_dtype_expand_q5_1,
    sk_dtype_expand_q8_0, sk_dtype_expand_q1_0, sk_dtype_expand_q2_0, sk_dtype_expand_mxfp4, sk_dtype_expand_nvfp4,
    sk_dtype_expand_q2_k, sk_dtype_expand_q3_k, sk_dtype_expand_q4_k, sk_dtype_expand_q5_k, sk_dtype_expand_q6_k,
    sk_dtype_expand_tq1_0, sk_dtype_expand_tq2_0, sk_dtype_expand_iq1_s, sk_dtype_expand_iq1_m, sk_dtype_expand_iq2_xxs,
    sk_dtype_expand_iq2_xs, sk_dtype_expand_iq2_s, sk_dtype_expand_iq3_xxs, sk_dtype_expand_iq3_s,
    sk_dtype_expand_iq4_nl, sk_dtype_expand_iq4_xs;

#endif

/* Float formats: one number an element, widened to f32. */
#include "dtype/formats.h"

void sk_dtype_widen_f32(float *restrict to, const void *from, uint64_t n) {
    const uint8_t *x = from;
    for (uint64_t i = 0; i < n; i++) to[i] = sk_float(sk_load32(x + 4 * i));
}

void sk_dtype_widen_f16(float *restrict to, const void *from, uint64_t n) {
    const uint8_t *x = from;
    for (uint64_t i = 0; i < n; i++) to[i] = sk_load_f16(x + 2 * i);
}

void sk_dtype_widen_bf16(float *restrict to, const void *from, uint64_t n) {
    const uint8_t *x = from;
    for (uint64_t i = 0; i < n; i++) to[i] = sk_from_bf16(sk_load16(x + 2 * i));
}

void sk_dtype_widen_f64(float *restrict to, const void *from, uint64_t n) {
    const uint8_t *x = from;
    for (uint64_t i = 0; i < n; i++) to[i] = (float)sk_double(sk_load64(x + 8 * i));
}

void sk_dtype_widen_f8_e4m3(float *restrict to, const void *from, uint64_t n) {
    const uint8_t *x = from;
    for (uint64_t i = 0; i < n; i++) to[i] = sk_from_f8_e4m3(x[i]);
}

/* E5M2 is the upper half of an f16. */
void sk_dtype_widen_f8_e5m2(float *restrict to, const void *from, uint64_t n) {
    const uint8_t *x = from;
    for (uint64_t i = 0; i < n; i++) to[i] = sk_from_f16((uint16_t)(x[i] << 8));
}

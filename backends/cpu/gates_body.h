/* Activations over the sixteen lanes of vec.h, written once and compiled by each leaf that has a vec. */
#ifndef SK_CPU_GATES_BODY_H
#define SK_CPU_GATES_BODY_H
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"

SK_INLINE vec silu_up(vec gate, vec up) { return vec_mul(silu_lanes(gate), up); }

SK_INLINE vec gelu_tanh_up(vec x, vec up) {
    const vec u2 = vec_mul(x, vec_fma(vec_mul(x, x), vec_set(0x1.2444f2p-4f), vec_set(0x1.988454p+0f)));
    return vec_mul(vec_div(x, vec_add(vec_set(1.0f), vec_exp(vec_minus(u2)))), up);
}

SK_INLINE vec gelu_up(vec x, vec up) {
    const vec_mask below = vec_less(x, vec_set(0.0f));
    const vec a = vec_mul(vec_select(below, vec_minus(x), x), vec_set(0x1.6a09e6p-1f));
    const vec tail = vec_mul(vec_set(0.5f), vec_erfc(a));
    return vec_mul(vec_mul(x, vec_select(below, tail, vec_sub(vec_set(1.0f), tail))), up);
}

SK_INLINE vec relu_up(vec gate, vec up) {
    return vec_mul(vec_select(vec_less(gate, vec_set(0.0f)), vec_set(0.0f), gate), up);
}

SK_INLINE vec sigmoid_up(vec gate, vec up) {
    return vec_mul(vec_div(vec_set(1.0f), vec_add(vec_set(1.0f), vec_exp(vec_minus(gate)))), up);
}

/* `up` is one more than what was given, or one. */
SK_INLINE vec swiglu_clamped_up(vec gate, vec up) {
    const vec limit = vec_set(7.0f), g = vec_select(vec_less(limit, gate), limit, gate);
    return vec_mul(vec_div(g, vec_add(vec_set(1.0f), vec_exp(vec_mul(g, vec_set(-1.702f))))), up);
}

SK_INLINE vec taken_up(vec up) { return up; }

SK_INLINE vec clamped_up(vec up) {
    const vec most = vec_set(7.0f), least = vec_set(-7.0f);
    up = vec_select(vec_less(most, up), most, up);
    return vec_add(vec_select(vec_less(up, least), least, up), vec_set(1.0f));
}

/* `lanes` and `take` are constants where this is called. */
SK_INLINE void gate_row(float *y, const float *gate, const float *up, uint32_t n, vec lanes(vec, vec), vec take(vec)) {
    const vec one = vec_set(1.0f);
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) vec_store(y + i, lanes(vec_load(gate + i), up ? take(vec_load(up + i)) : one));
    if (i < n) {
        const vec last = up ? take(vec_load_first(up + i, n - i)) : one;
        vec_store_first(y + i, lanes(vec_load_first(gate + i, n - i), last), n - i);
    }
}

static void silu(float *y, const float *gate, const float *up, uint32_t n) {
    gate_row(y, gate, up, n, silu_up, taken_up);
}
static void gelu_tanh(float *y, const float *gate, const float *up, uint32_t n) {
    gate_row(y, gate, up, n, gelu_tanh_up, taken_up);
}
static void gelu(float *y, const float *gate, const float *up, uint32_t n) {
    gate_row(y, gate, up, n, gelu_up, taken_up);
}
static void relu(float *y, const float *gate, const float *up, uint32_t n) {
    gate_row(y, gate, up, n, relu_up, taken_up);
}
static void sigmoid(float *y, const float *gate, const float *up, uint32_t n) {
    gate_row(y, gate, up, n, sigmoid_up, taken_up);
}
static void swiglu_clamped(float *y, const float *gate, const float *up, uint32_t n) {
    gate_row(y, gate, up, n, swiglu_clamped_up, clamped_up);
}
#endif

/* Activations in plain C: the definition of each (docs/numerics.md). */
#include "backends/cpu/kernels.h"
#include "base/exact.h"

void sk_silu_scalar(float *y, const float *gate, const float *up, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const float silu = gate[i] / (1.0f + sk_exp(-gate[i]));
        y[i] = up ? silu * up[i] : silu;
    }
}

/* x / 2 * (1 + tanh(u)) is x / (1 + e^-2u). */
void sk_gelu_tanh_scalar(float *y, const float *gate, const float *up, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const float x = gate[i], u2 = x * sk_fma(x * x, 0x1.2444f2p-4f, 0x1.988454p+0f);
        const float gelu = x / (1.0f + sk_exp(-u2));
        y[i] = up ? gelu * up[i] : gelu;
    }
}

void sk_gelu_scalar(float *y, const float *gate, const float *up, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const float x = gate[i], tail = 0.5f * sk_erfc((x < 0 ? -x : x) * 0x1.6a09e6p-1f);
        const float gelu = x * (x < 0 ? tail : 1.0f - tail);
        y[i] = up ? gelu * up[i] : gelu;
    }
}

void sk_relu_scalar(float *y, const float *gate, const float *up, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const float relu = gate[i] < 0 ? 0 : gate[i];
        y[i] = up ? relu * up[i] : relu;
    }
}

void sk_sigmoid_scalar(float *y, const float *gate, const float *up, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const float sigmoid = sk_sigmoid(gate[i]);
        y[i] = up ? sigmoid * up[i] : sigmoid;
    }
}

static float at_most(float x, float limit) { return x > limit ? limit : x; }

void sk_swiglu_clamped_scalar(float *y, const float *gate, const float *up, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const float g = at_most(gate[i], 7.0f), swish = g / (1.0f + sk_exp(g * -1.702f));
        const float u = up ? at_most(up[i], 7.0f) : 0;
        y[i] = swish * ((u < -7.0f ? -7.0f : u) + 1.0f);
    }
}

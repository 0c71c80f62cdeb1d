/* The row kernels for NEON, which every 64-bit ARM has. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <arm_neon.h>
#include <string.h>
#define SK_VEC_NEON
#include "backends/cpu/rows_body.h"
#include "backends/cpu/gates_body.h"
#include "backends/cpu/attend_body.h"

void sk_quantize_neon(sk_q8 *y, const float *x, uint32_t n_blocks) { quantize(y, x, n_blocks); }
void sk_rms_norm_neon(float *y, const float *x, const float *w, uint32_t n, float eps) { rms_norm(y, x, w, n, eps); }
void sk_layer_norm_neon(float *y, const float *x, const float *w, const float *b, uint32_t n, float eps) {
    layer_norm(y, x, w, b, n, eps);
}
void sk_add_neon(float *y, const float *a, const float *b, uint32_t n) { add(y, a, b, n); }
void sk_scale_neon(float *y, const float *a, float s, uint32_t n) { scale(y, a, s, n); }
void sk_soft_cap_neon(float *y, const float *x, float cap, uint32_t n) { soft_cap(y, x, cap, n); }
void sk_silu_neon(float *y, const float *gate, const float *up, uint32_t n) { silu(y, gate, up, n); }
void sk_softmax_neon(float *y, const float *x, uint32_t n) { softmax(y, x, n); }
void sk_add_scaled_neon(float *y, const float *a, float s, uint32_t n) { add_scaled(y, a, s, n); }
void sk_gelu_tanh_neon(float *y, const float *gate, const float *up, uint32_t n) { gelu_tanh(y, gate, up, n); }
void sk_gelu_neon(float *y, const float *gate, const float *up, uint32_t n) { gelu(y, gate, up, n); }
void sk_relu_neon(float *y, const float *gate, const float *up, uint32_t n) { relu(y, gate, up, n); }
void sk_sigmoid_neon(float *y, const float *gate, const float *up, uint32_t n) { sigmoid(y, gate, up, n); }
void sk_swiglu_clamped_neon(float *y, const float *gate, const float *up, uint32_t n) {
    swiglu_clamped(y, gate, up, n);
}
void sk_rotate_pairs_neon(float *x, const float *cs, uint32_t n_pairs) { rotate_pairs(x, cs, n_pairs); }
void sk_rotate_halves_neon(float *x, const float *cs, uint32_t n_pairs) { rotate_halves(x, cs, n_pairs); }
uint32_t sk_argmax_neon(const float *x, uint32_t n) { return argmax(x, n); }
void sk_attend_neon(const sk_attend_block *block) { attend(block); }
void sk_fold_neon(float *max, float *sum, float *out, float max2, float sum2, const float *out2, uint32_t dim_v) {
    fold(max, sum, out, max2, sum2, out2, dim_v);
}
void sk_divide_neon(float *y, const float *out, float sum, uint32_t n) { divide(y, out, sum, n); }
void sk_hadamard_neon(float *y, const float *x, float s, uint32_t n_blocks) { hadamard(y, x, s, n_blocks); }
void sk_store_k_f32_neon(void *to, const float *x, uint32_t n) { store_k_f32(to, x, n); }
void sk_store_k_f16_neon(void *to, const float *x, uint32_t n) { store_k_f16(to, x, n); }
void sk_store_v_f32_neon(void *to, const float *x, uint32_t n) { store_v_f32(to, x, n); }
void sk_store_v_f16_neon(void *to, const float *x, uint32_t n) { store_v_f16(to, x, n); }

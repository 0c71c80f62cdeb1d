/* The row kernels for AVX-512. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx512/begin.h"
#define SK_VEC_AVX512
#include "backends/cpu/rows_body.h"
#include "backends/cpu/gates_body.h"
#include "backends/cpu/attend_body.h"

void sk_quantize_avx512(sk_q8 *y, const float *x, uint32_t n_blocks) { quantize(y, x, n_blocks); }
void sk_rms_norm_avx512(float *y, const float *x, const float *w, uint32_t n, float eps) { rms_norm(y, x, w, n, eps); }
void sk_layer_norm_avx512(float *y, const float *x, const float *w, const float *b, uint32_t n, float eps) {
    layer_norm(y, x, w, b, n, eps);
}
void sk_add_avx512(float *y, const float *a, const float *b, uint32_t n) { add(y, a, b, n); }
void sk_scale_avx512(float *y, const float *a, float s, uint32_t n) { scale(y, a, s, n); }
void sk_soft_cap_avx512(float *y, const float *x, float cap, uint32_t n) { soft_cap(y, x, cap, n); }
void sk_silu_avx512(float *y, const float *gate, const float *up, uint32_t n) { silu(y, gate, up, n); }
void sk_softmax_avx512(float *y, const float *x, uint32_t n) { softmax(y, x, n); }
void sk_add_scaled_avx512(float *y, const float *a, float s, uint32_t n) { add_scaled(y, a, s, n); }
void sk_gelu_tanh_avx512(float *y, const float *gate, const float *up, uint32_t n) { gelu_tanh(y, gate, up, n); }
void sk_gelu_avx512(float *y, const float *gate, const float *up, uint32_t n) { gelu(y, gate, up, n); }
void sk_relu_avx512(float *y, const float *gate, const float *up, uint32_t n) { relu(y, gate, up, n); }
void sk_sigmoid_avx512(float *y, const float *gate, const float *up, uint32_t n) { sigmoid(y, gate, up, n); }
void sk_swiglu_clamped_avx512(float *y, const float *gate, const float *up, uint32_t n) {
    swiglu_clamped(y, gate, up, n);
}
void sk_rotate_pairs_avx512(float *x, const float *cs, uint32_t n_pairs) { rotate_pairs(x, cs, n_pairs); }
void sk_rotate_halves_avx512(float *x, const float *cs, uint32_t n_pairs) { rotate_halves(x, cs, n_pairs); }
uint32_t sk_argmax_avx512(const float *x, uint32_t n) { return argmax(x, n); }
void sk_attend_avx512(const sk_attend_block *block) { attend(block); }
void sk_fold_avx512(float *max, float *sum, float *out, float max2, float sum2, const float *out2, uint32_t dim_v) {
    fold(max, sum, out, max2, sum2, out2, dim_v);
}
void sk_divide_avx512(float *y, const float *out, float sum, uint32_t n) { divide(y, out, sum, n); }
void sk_hadamard_avx512(float *y, const float *x, float s, uint32_t n_blocks) { hadamard(y, x, s, n_blocks); }
void sk_store_k_f32_avx512(void *to, const float *x, uint32_t n) { store_k_f32(to, x, n); }
void sk_store_k_f16_avx512(void *to, const float *x, uint32_t n) { store_k_f16(to, x, n); }
void sk_store_v_f32_avx512(void *to, const float *x, uint32_t n) { store_v_f32(to, x, n); }
void sk_store_v_f16_avx512(void *to, const float *x, uint32_t n) { store_v_f16(to, x, n); }

#include "backends/cpu/end.h"

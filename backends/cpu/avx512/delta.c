/* Linear attention for AVX-512. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx512/begin.h"
#define SK_VEC_AVX512
#include "backends/cpu/delta_body.h"

void sk_convolve_avx512(float *y, const float *const x[SK_TAPS], const float *w, uint32_t n) { convolve(y, x, w, n); }
void sk_unit_norm_avx512(float *y, const float *x, uint32_t n, float eps, float s) { unit_norm(y, x, n, eps, s); }
void sk_delta_avx512(const sk_delta_chunk *chunk) { delta(chunk); }

#include "backends/cpu/end.h"

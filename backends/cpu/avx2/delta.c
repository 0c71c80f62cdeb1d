/* Linear attention for AVX2. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx2/begin.h"
#define SK_VEC_AVX2
#include "backends/cpu/delta_body.h"

void sk_convolve_avx2(float *y, const float *const x[SK_TAPS], const float *w, uint32_t n) { convolve(y, x, w, n); }
void sk_unit_norm_avx2(float *y, const float *x, uint32_t n, float eps, float s) { unit_norm(y, x, n, eps, s); }
void sk_delta_avx2(const sk_delta_chunk *chunk) { delta(chunk); }

#include "backends/cpu/end.h"

/* Linear attention for NEON. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <arm_neon.h>
#include <string.h>
#define SK_VEC_NEON
#include "backends/cpu/delta_body.h"

void sk_convolve_neon(float *y, const float *const x[SK_TAPS], const float *w, uint32_t n) { convolve(y, x, w, n); }
void sk_unit_norm_neon(float *y, const float *x, uint32_t n, float eps, float s) { unit_norm(y, x, n, eps, s); }
void sk_delta_neon(const sk_delta_chunk *chunk) { delta(chunk); }

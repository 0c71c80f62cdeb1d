/* Matrix products on AVX2: formats with blocks of 256. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx2/begin.h"
#define SK_LANES_AVX2
#include "backends/cpu/tiles_body.h"

INT_TILE(Q2_K, sk_q2_k_tile_avx2)
INT_TILE(Q3_K, sk_q3_k_tile_avx2)
INT_TILE(Q4_K, sk_q4_k_tile_avx2)
INT_TILE(Q5_K, sk_q5_k_tile_avx2)
INT_TILE(Q6_K, sk_q6_k_tile_avx2)
INT_TILE(IQ4_XS, sk_iq4_xs_tile_avx2)

#include "backends/cpu/end.h"

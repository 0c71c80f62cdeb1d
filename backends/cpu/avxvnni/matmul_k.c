/* Matrix products on AVX-VNNI: formats with blocks of 256. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avxvnni/begin.h"
#define SK_LANES_AVXVNNI
#include "backends/cpu/tiles_body.h"

INT_TILE(Q2_K, sk_q2_k_tile_avxvnni)
INT_TILE(Q3_K, sk_q3_k_tile_avxvnni)
INT_TILE(Q4_K, sk_q4_k_tile_avxvnni)
INT_TILE(Q5_K, sk_q5_k_tile_avxvnni)
INT_TILE(Q6_K, sk_q6_k_tile_avxvnni)
INT_TILE(IQ4_XS, sk_iq4_xs_tile_avxvnni)

#include "backends/cpu/end.h"

/* Matrix products on AVX-VNNI: formats with blocks of 32. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avxvnni/begin.h"
#define SK_LANES_AVXVNNI
#include "backends/cpu/tiles_body.h"

INT_TILE(Q4_0, sk_q4_0_tile_avxvnni)
INT_TILE(Q4_1, sk_q4_1_tile_avxvnni)
INT_TILE(Q5_0, sk_q5_0_tile_avxvnni)
INT_TILE(Q5_1, sk_q5_1_tile_avxvnni)
INT_TILE(Q8_0, sk_q8_0_tile_avxvnni)
INT_TILE(IQ4_NL, sk_iq4_nl_tile_avxvnni)
INT_TILE(MXFP4, sk_mxfp4_tile_avxvnni)

#include "backends/cpu/end.h"

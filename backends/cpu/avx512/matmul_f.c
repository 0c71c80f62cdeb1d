/* Matrix products on AVX-512: float formats. */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>
#include "backends/cpu/avx512/begin.h"
#define SK_LANES_AVX512
#include "backends/cpu/tiles_body.h"

FLOAT_TILE(F32, sk_f32_tile_avx512)
FLOAT_TILE(F16, sk_f16_tile_avx512)
FLOAT_TILE(BF16, sk_bf16_tile_avx512)
FLOAT_TILE(F8_E4M3, sk_f8_e4m3_tile_avx512)
FLOAT_TILE(F8_E5M2, sk_f8_e5m2_tile_avx512)

#include "backends/cpu/end.h"

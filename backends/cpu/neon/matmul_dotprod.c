/* Matrix products by dot products of four bytes (ARMv8.2). */
#include "backends/cpu/neon/begin_dotprod.h"
#include "backends/cpu/neon/matmul_body.h"

void sk_packed_tile_dotprod(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                            size_t x_stride, uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)ahead;
    packed_tile(y, y_stride, panel, type, x, x_stride, n_rows, n_in);
}

void sk_expanded_dotprod(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    for (uint32_t r = 0, n; r < n_rows; r += n) {
        n = n_rows - r < MOST_ROWS ? n_rows - r : MOST_ROWS;
        expanded_rows(y + r * y_stride, y_stride, blocks, form, x + r * x_stride, x_stride, n, n_blocks, goes_on);
    }
}

#include "backends/cpu/end.h"

/* Matrix products by products of matrices of bytes (ARMv8.6): two rows at once; a row alone has its dot products. */
#include "backends/cpu/neon/begin_i8mm.h"
#include "backends/cpu/neon/matmul_body.h"

void sk_packed_tile_i8mm(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x,
                         size_t x_stride, uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    if (n_rows == 1) sk_packed_tile_dotprod(y, y_stride, panel, type, x, x_stride, n_rows, n_in, ahead);
    else packed_tile(y, y_stride, panel, type, x, x_stride, n_rows, n_in);
}

/* Sixes, and what is left in at most two parts of which none is a row alone. */
void sk_expanded_i8mm(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                      size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    if (n_rows == 1) {
        sk_expanded_dotprod(y, y_stride, blocks, form, x, x_stride, n_rows, n_blocks, goes_on);
        return;
    }
    for (uint32_t r = 0, n; r < n_rows; r += n) {
        n = n_rows - r <= MOST_ROWS ? n_rows - r : n_rows - r == MOST_ROWS + 1 ? MOST_ROWS - 2 : MOST_ROWS;
        expanded_rows(y + r * y_stride, y_stride, blocks, form, x + r * x_stride, x_stride, n, n_blocks, goes_on);
    }
}

#include "backends/cpu/end.h"

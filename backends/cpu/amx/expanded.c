/* Products of expanded panels on AMX: 16 rows by 16 outputs in one instruction. */
#include "backends/cpu/kernels.h"
#include <string.h>
#include "backends/cpu/amx/begin.h"
#include "backends/cpu/amx/expanded_body.h"

void sk_expanded_amx(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                     size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    multiply_expanded(y, y_stride, blocks, form, x, x_stride, n_rows, n_blocks, goes_on);
}

#include "backends/cpu/end.h"

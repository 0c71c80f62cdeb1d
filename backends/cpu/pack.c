/* Layouts of panels: rows of the file rearranged so that 32 outputs are read as one stream. Values never change.
 *
 *     raw       32 rows as the file has them, one after the other
 *     columns   [k][32], for formats of one number an element
 */
#include "backends/cpu/kernels.h"
#include "base/memory.h"
#include "dtype/dtype.h"
#include <string.h>

uint64_t sk_raw_bytes(skald_dtype type, uint32_t n_in) { return sk_mul(SK_PANEL, skald_dtype_bytes(type, n_in)); }

void sk_raw_pack(void *panel, skald_dtype type, const void *rows, uint64_t row_bytes, uint32_t n_rows, uint32_t n_in) {
    uint64_t bytes = skald_dtype_bytes(type, n_in);
    char *to = panel;
    for (uint32_t i = 0; i < n_rows; i++, to += bytes) memcpy(to, (const char *)rows + i * row_bytes, (size_t)bytes);
    memset(to, 0, (size_t)(bytes * (SK_PANEL - n_rows))); /* zero bytes are zeros in every format */
}

void sk_raw_unpack(float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in) {
    const char *from = (const char *)panel + row * skald_dtype_bytes(type, n_in);
    sk_dtype_to_f32(sk_dtype_find(type), y, from, n_in);
}

uint64_t sk_columns_bytes(skald_dtype type, uint32_t n_in) { return sk_mul(SK_PANEL, skald_dtype_bytes(type, n_in)); }

void sk_columns_pack(void *panel, skald_dtype type, const void *rows, uint64_t row_bytes, uint32_t n_rows,
                     uint32_t n_in) {
    size_t size = sk_dtype_find(type)->bytes;
    char *to = panel;
    for (uint32_t k = 0; k < n_in; k++, to += SK_PANEL * size) {
        for (uint32_t i = 0; i < n_rows; i++)
            memcpy(to + i * size, (const char *)rows + i * row_bytes + k * size, size);
        memset(to + n_rows * size, 0, (SK_PANEL - n_rows) * size);
    }
}

void sk_columns_unpack(float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in) {
    const sk_dtype *format = sk_dtype_find(type);
    const char *from = (const char *)panel + row * (size_t)format->bytes;
    for (uint32_t k = 0; k < n_in; k++) format->widen(y + k, from + (size_t)k * SK_PANEL * format->bytes, 1);
}

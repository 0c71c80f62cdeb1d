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

void sk_raw_expand(uint8_t *to, const sk_form *form, const void *panel, skald_dtype type, uint32_t n_in, uint32_t first,
                   uint32_t n_blocks) {
    const sk_dtype *format = sk_dtype_find(type);
    const uint64_t bytes = skald_dtype_bytes(type, n_in);
    sk_int_block w;
    for (uint32_t b = 0; b < n_blocks; b++, to += form->bytes) {
        for (uint32_t i = 0; i < SK_PANEL; i++) {
            format->expand(&w, (const char *)panel + i * bytes, first + b);
            sk_expanded_put(to, form, &w, i);
        }
    }
}

uint64_t sk_columns_bytes(skald_dtype type, uint32_t n_in) { return sk_mul(SK_PANEL, skald_dtype_bytes(type, n_in)); }

/* `size` is a constant where this is called, so that a copy is a move. */
static inline void transpose(char *to, const char *from, uint64_t row_bytes, uint32_t n_rows, uint32_t n_in,
                             const size_t size) {
    for (uint32_t k = 0; k < n_in; k++, to += SK_PANEL * size, from += size)
        for (uint32_t i = 0; i < n_rows; i++) memcpy(to + i * size, from + i * row_bytes, size);
}

void sk_columns_pack(void *panel, skald_dtype type, const void *rows, uint64_t row_bytes, uint32_t n_rows,
                     uint32_t n_in) {
    if (n_rows < SK_PANEL) memset(panel, 0, (size_t)sk_columns_bytes(type, n_in));
    switch (sk_dtype_find(type)->bytes) {
    case 1: transpose(panel, rows, row_bytes, n_rows, n_in, 1); break;
    case 2: transpose(panel, rows, row_bytes, n_rows, n_in, 2); break;
    default: transpose(panel, rows, row_bytes, n_rows, n_in, 4); break;
    }
}

void sk_columns_unpack(float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in) {
    const sk_dtype *format = sk_dtype_find(type);
    const char *from = (const char *)panel + row * (size_t)format->bytes;
    for (uint32_t k = 0; k < n_in; k++) format->widen(y + k, from + (size_t)k * SK_PANEL * format->bytes, 1);
}

/* Matrix products in plain C: the definition of both chains (docs/numerics.md). */
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include "dtype/dtype.h"
#include <string.h>

static int32_t dot16(const int8_t *a, const int8_t *b) {
    int32_t sum = 0;
    for (uint32_t j = 0; j < 16; j++) sum += (int16_t)(a[j] * b[j]);
    return sum;
}

/* One scale and one min for all 32. */
static float add_whole(float acc, const sk_int_block *w, const sk_q8 *x, bool has_min) {
    int32_t sum = dot16(w->q, x->q) + dot16(w->q + 16, x->q + 16);
    acc = sk_fma((float)sum, w->d[0] * x->d, acc);
    return has_min ? sk_fma(-w->m[0], x->d_sum, acc) : acc;
}

/* A scale and a min for each 16. */
static float add_halves(float acc, const sk_int_block *w, const sk_q8 *x, bool has_min) {
    for (uint32_t h = 0; h < 2; h++) {
        acc = sk_fma((float)dot16(w->q + 16 * h, x->q + 16 * h), w->d[h] * x->d, acc);
        if (has_min) acc = sk_fma(-w->m[h], x->d * (float)x->sum[h], acc);
    }
    return acc;
}

void sk_raw_tile_scalar(float *y, size_t y_stride, const void *panel, skald_dtype type, const sk_q8 *x, size_t x_stride,
                        uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)ahead;
    const sk_dtype *format = sk_dtype_find(type);
    const uint64_t row_bytes = skald_dtype_bytes(type, n_in);
    sk_int_block w;
    for (uint32_t i = 0; i < SK_PANEL; i++) {
        const char *row = (const char *)panel + i * row_bytes;
        float acc[SK_TILE_ROWS] = {0};
        for (uint32_t b = 0; b < n_in / SK_BLOCK; b++) {
            format->expand(&w, row, b);
            for (uint32_t r = 0; r < n_rows; r++) {
                const sk_q8 *a = x + r * x_stride + b;
                acc[r] = format->halves ? add_halves(acc[r], &w, a, format->has_min)
                                        : add_whole(acc[r], &w, a, format->has_min);
            }
        }
        for (uint32_t r = 0; r < n_rows; r++) y[r * y_stride + i] = acc[r];
    }
}

/* Output i of an expanded block as a block of its row has it. */
static void take(sk_int_block *w, const uint8_t *block, const sk_form *form, uint32_t i) {
    const float *scales = (const float *)(const void *)(block + 32 * SK_PANEL) + i;
    const uint32_t second = form->halves ? SK_PANEL : 0, mins = SK_PANEL + second;
    for (uint32_t k = 0; k < 32; k++) w->q[k] = (int8_t)(block[(k / 4 * SK_PANEL + i) * 4 + k % 4] ^ form->flip);
    w->d[0] = scales[0], w->d[1] = scales[second];
    w->m[0] = form->has_min ? -scales[mins] : 0.0f, w->m[1] = form->has_min ? -scales[mins + second] : 0.0f;
}

void sk_expanded_scalar(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                        size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    sk_int_block w;
    for (uint32_t r = 0; r < n_rows && !goes_on; r++) memset(y + r * y_stride, 0, SK_PANEL * sizeof *y);
    for (uint32_t b = 0; b < n_blocks; b++, blocks += form->bytes, x++) {
        for (uint32_t i = 0; i < SK_PANEL; i++) {
            take(&w, blocks, form, i);
            for (uint32_t r = 0; r < n_rows; r++) {
                float *acc = y + r * y_stride + i;
                *acc = form->halves ? add_halves(*acc, &w, x + r * x_stride, form->has_min)
                                    : add_whole(*acc, &w, x + r * x_stride, form->has_min);
            }
        }
    }
}

void sk_columns_tile_scalar(float *y, size_t y_stride, const void *panel, skald_dtype type, const float *x,
                            size_t x_stride, uint32_t n_rows, uint32_t n_in, const sk_ahead *ahead) {
    (void)ahead;
    const sk_dtype *format = sk_dtype_find(type);
    const char *column = panel;
    float acc[SK_TILE_ROWS][SK_PANEL] = {{0}}, w[SK_PANEL];
    for (uint32_t k = 0; k < n_in; k++, column += (size_t)SK_PANEL * format->bytes) {
        format->widen(w, column, SK_PANEL);
        for (uint32_t r = 0; r < n_rows; r++) {
            float value = x[r * x_stride + k];
            for (uint32_t i = 0; i < SK_PANEL; i++) acc[r][i] = sk_fma(value, w[i], acc[r][i]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++) memcpy(y + r * y_stride, acc[r], sizeof acc[r]);
}

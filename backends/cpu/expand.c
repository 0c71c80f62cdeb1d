/* The form that all integer formats share where many rows meet a panel; kernels.h shows it. */
#include "backends/cpu/blocks.h"
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include <string.h>

sk_form sk_form_of(skald_dtype type, uint32_t level) {
    const sk_dtype *format = sk_dtype_find(type);
    /* dpbusd multiplies unsigned with signed; tiles of AMX and ARM's dot products take both signed. */
    const bool is_unsigned = level >= SK_LEVEL_AVX2 && level <= SK_LEVEL_AVX512;
    sk_form form = {.halves = format->halves, .has_min = format->has_min};
    form.flip = is_unsigned && !form.has_min ? 0x80 : 0;
    form.grouped = level == SK_LEVEL_AMX;
    form.bytes = SK_OCTET_BYTES + SK_PANEL * 4 * (form.halves ? 2 : 1) * (form.has_min ? 2 : 1);
    return form;
}

void sk_expanded_put(uint8_t *block, const sk_form *form, const sk_int_block *w, uint32_t output) {
    const uint32_t scales = form->halves ? 2 : 1;
    for (uint32_t k = 0; k < SK_BLOCK; k++)
        block[(k / 4 * SK_PANEL + output) * 4 + k % 4] = (uint8_t)(w->q[k] ^ form->flip);
    float *to = (float *)(void *)(block + SK_OCTET_BYTES) + output;
    for (uint32_t h = 0; h < scales; h++) {
        to[h * SK_PANEL] = w->d[h];
        if (form->has_min) to[(scales + h) * SK_PANEL] = -w->m[h];
    }
}

void sk_unpack_by(sk_take_fn *take, float *y, const void *panel, skald_dtype type, uint32_t row, uint32_t n_in) {
    sk_int_block w;
    for (uint32_t b = 0; b < n_in / SK_BLOCK; b++) {
        take(&w, panel, type, b, row);
        for (uint32_t k = 0; k < SK_BLOCK; k++) *y++ = w.d[k / 16] * (float)w.q[k] - w.m[k / 16];
    }
}

void sk_expand_by(sk_take_fn *take, uint8_t *to, const sk_form *form, const void *panel, skald_dtype type,
                  uint32_t first, uint32_t n_blocks) {
    sk_int_block w;
    for (uint32_t b = 0; b < n_blocks; b++, to += form->bytes) {
        for (uint32_t i = 0; i < SK_PANEL; i++) {
            take(&w, panel, type, first + b, i);
            sk_expanded_put(to, form, &w, i);
        }
    }
}

float sk_half_at(const uint8_t *halves, uint32_t i) {
    uint16_t x;
    memcpy(&x, halves + 2 * i, 2);
    return sk_from_f16(x);
}

_Static_assert(sizeof(sk_q8x16) == 16 * sizeof(sk_q8), "rows in groups take the place of rows");

void sk_group_rows(sk_q8x16 *group, const sk_q8 *row, uint32_t r, uint32_t n_blocks) {
    const uint32_t i = r % 16;
    for (uint32_t b = 0; b < n_blocks; b++, group++, row++) {
        memcpy(group->q[i], row->q, sizeof row->q);
        group->d[i] = row->d, group->d_sum[i] = row->d_sum;
        group->sum[0][i] = row->sum[0], group->sum[1][i] = row->sum[1];
    }
}

/* The kernel on tiles over their model in C, on every machine with AVX-512: the bits of the scalar leaf. */
#define _GNU_SOURCE
#include "kernels/bench.h"
#if defined(__x86_64__)
#include "backends/cpu/avx512/begin.h"
#define SK_TILES_MODEL
#include "backends/cpu/amx/expanded_body.h"

static void expanded_model(float *y, size_t y_stride, const uint8_t *blocks, const sk_form *form, const sk_q8 *x,
                           size_t x_stride, uint32_t n_rows, uint32_t n_blocks, bool goes_on) {
    multiply_expanded(y, y_stride, blocks, form, x, x_stride, n_rows, n_blocks, goes_on);
}
#include "backends/cpu/end.h"

#define MOST_BLOCKS 20u
#define MOST_ROWS   40u
static uint64_t state = 0x2545f4914f6cdd1dull;
static guarded blocks, inputs, groups, results[2];

/* Any bytes that are no integers of a min, and any scales. */
static uint8_t *make_blocks(const sk_form *form, uint32_t n_blocks, int mood) {
    uint8_t *to = guarded_take(&blocks, (size_t)n_blocks * form->bytes);
    for (uint32_t b = 0; b < n_blocks; b++) {
        uint8_t *block = to + (size_t)b * form->bytes;
        for (uint32_t i = 0; i < 1024; i++) {
            block[i] = (uint8_t)(next_random(&state) >> 40);
            if (form->has_min) block[i] &= 127;
        }
        fill_floats((float *)(void *)(block + 1024), (form->bytes - 1024) / 4, mood, &state);
    }
    return to;
}

static sk_q8 *make_rows(uint32_t n, int mood) {
    sk_q8 *q = guarded_take(&inputs, n * sizeof *q);
    float x[32];
    for (uint32_t b = 0; b < n; b++) {
        fill_floats(x, 32, mood, &state);
        if (b % 5 == 0)
            for (int i = 0; i < 32; i++) x[i] = i % 3 ? 2.0f : -2.0f;
        sk_quantize_scalar(q + b, x, 1);
    }
    return q;
}

static void check(const sk_form *form, uint32_t n_rows, uint32_t n_blocks, bool goes_on, int mood) {
    const uint32_t stride = 32 + 16 * (n_rows % 2), x_stride = n_blocks + n_rows % 3;
    const size_t n = (size_t)(n_rows - 1) * stride + 32;
    const uint8_t *w = make_blocks(form, n_blocks, mood);
    const sk_q8 *x = make_rows((n_rows - 1) * x_stride + n_blocks, mood);
    float *y = guarded_take(&results[0], n * sizeof *y), *want = guarded_take(&results[1], n * sizeof *want);
    for (uint32_t r = 0; r < n_rows && goes_on; r++) {
        fill_floats(y + r * stride, 32, CALM, &state);
        memcpy(want + r * stride, y + r * stride, 32 * sizeof *y);
    }
    sk_q8 *grouped = guarded_take(&groups, (n_rows + 15) / 16 * 16 * x_stride * sizeof *x);
    for (uint32_t r = 0; r < n_rows; r++)
        sk_group_rows((sk_q8x16 *)(void *)(grouped + r / 16 * 16 * x_stride), x + r * x_stride, r, n_blocks);
    expanded_model(y, stride, w, form, grouped, x_stride, n_rows, n_blocks, goes_on);
    sk_expanded_scalar(want, stride, w, form, x, x_stride, n_rows, n_blocks, goes_on);
    CHECK(guarded_whole(&results[0]));
    CHECK_BITS(y, want, n, "model of tiles");
}

int main(void) {
    blocks = guarded_make(MOST_BLOCKS * 1536);
    inputs = guarded_make((MOST_BLOCKS + 3) * MOST_ROWS * sizeof(sk_q8));
    groups = guarded_make((MOST_BLOCKS + 3) * (MOST_ROWS + 16) * sizeof(sk_q8));
    for (int i = 0; i < 2; i++) results[i] = guarded_make(MOST_ROWS * 48 * 4);
    for (uint32_t turn = 0; turn < 160 && machine_has(SK_LEVEL_AVX512); turn++) {
        sk_form form = {.halves = turn & 1, .has_min = turn >> 1 & 1};
        form.bytes = 1024 + 128 * (form.halves ? 2 : 1) * (form.has_min ? 2 : 1);
        check(&form, 1 + turn / 4, 1 + (uint32_t)(next_random(&state) % MOST_BLOCKS), turn % 3 == 0, turn % N_MOODS);
    }
    return sk_checked();
}
#else
int main(void) { return 0; }
#endif

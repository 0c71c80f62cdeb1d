/* Element formats against blocks whose values two other implementations agree on, bit for bit. */
#include "base/exact.h"
#include "dtype/dtype.h"
#include "dtype/grids.h"
#include "support/check.h"
#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { BLOCKS = 64 };

static uint32_t bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

static uint8_t *read_file(const char *name, const char *suffix, size_t *n_bytes) {
    char path[1024];
    snprintf(path, sizeof path, "%s/dequant/%s.%s", SK_TEST_DATA, name, suffix);
    FILE *f = fopen(path, "rb");
    if (!CHECK_SAID(f != NULL, "cannot open %s", path)) exit(1);
    fseek(f, 0, SEEK_END);
    *n_bytes = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*n_bytes);
    if (!bytes || fread(bytes, 1, *n_bytes, f) != *n_bytes) exit(1);
    fclose(f);
    return bytes;
}

/* Element `j` of a group in double, where the product is exact. */
static double integer_value(const sk_int_block *b, unsigned j) {
    return (double)b->d[j / 16] * b->q[j] - (double)b->m[j / 16];
}

static void check_group(const sk_dtype *type, const sk_int_block *b, const float *want) {
    if (!type->has_min) CHECK_SAID(bits(b->m[0]) == 0 && bits(b->m[1]) == 0, "%s has a minimum", type->name);
    if (!type->halves)
        CHECK_SAID(bits(b->d[0]) == bits(b->d[1]) && bits(b->m[0]) == bits(b->m[1]), "%s has halves", type->name);
    for (unsigned j = 0; j < 32; j++) {
        double value = integer_value(b, j);
        double room = type->has_min ? fabs(want[j]) * 0x1p-24 : 0.0;
        bool near = type->has_min ? fabs(value - want[j]) <= room : bits((float)value) == bits(want[j]);
        CHECK_SAID(near, "%s: element %u is %.9g, expected %.9g", type->name, j, value, want[j]);
        CHECK_SAID(b->q[j] != -128 || type->number == SKALD_Q8_0, "%s: q is -128", type->name);
    }
}

static void check_golden(const char *name, skald_dtype number) {
    const sk_dtype *type = sk_dtype_find(number);
    size_t n_bytes, golden_bytes;
    uint8_t *blocks = read_file(name, "bin", &n_bytes), *golden = read_file(name, "npy", &golden_bytes);
    size_t header = 10 + (golden[8] | (size_t)golden[9] << 8), n = (golden_bytes - header) / 4;
    float *want = malloc(n * 4), *got = malloc(n * 4);
    uint8_t *odd = malloc(n_bytes + 1);
    if (!type || !want || !got || !odd) exit(1);
    memcpy(want, golden + header, n * 4);

    CHECK_EQUAL(skald_dtype_bytes(number, n), n_bytes);
    memcpy(odd + 1, blocks, n_bytes);
    CHECK_EQUAL(skald_dtype_to_f32(got, number, odd + 1, n), SKALD_OK);
    for (size_t i = 0; i < n; i++)
        CHECK_SAID(bits(got[i]) == bits(want[i]), "%s: value %zu is %.9g, expected %.9g", name, i, got[i], want[i]);

    bool halves = false, has_min = false;
    for (size_t group = 0; type->expand && group < n / 32; group++) {
        sk_int_block b;
        type->expand(&b, blocks, group);
        check_group(type, &b, want + 32 * group);
        if (b.d[0] != b.d[1] || b.m[0] != b.m[1]) halves = true;
        if (b.m[0] != 0 || b.m[1] != 0) has_min = true;
    }
    CHECK_SAID(halves == type->halves && has_min == type->has_min, "%s: the flags promise too much", name);
    free(blocks), free(golden), free(want), free(got), free(odd);
}

/* Every format that the public list names has a row that agrees with it, and every quantized one has golden values. */
static void every_row(void) {
#define ROW(format, number_, elements_, bytes_)                                                                        \
    {                                                                                                                  \
        const sk_dtype *type = sk_dtype_find(number_);                                                                 \
        CHECK(type && type->number == number_ && type->elements == elements_ && type->bytes == bytes_);                \
        CHECK_TEXT(skald_dtype_name(number_), #format);                                                                \
        CHECK((type->kind == SK_DTYPE_FLOAT) == (type->widen != NULL));                                                \
        CHECK((type->kind == SK_DTYPE_QUANTIZED) == (type->expand != NULL));                                           \
        CHECK((type->kind == SK_DTYPE_QUANTIZED) == (elements_ > 1));                                                  \
        if (elements_ > 1) check_golden(#format, number_);                                                             \
    }
    SKALD_DTYPE_LIST(ROW)
#undef ROW
    check_golden("F16", SKALD_F16);
    check_golden("BF16", SKALD_BF16);
}

static void sizes_and_refusals(void) {
    float y[256];
    uint8_t x[256] = {0};
    CHECK_EQUAL(skald_dtype_bytes(SKALD_Q4_K, 256), 144);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_Q4_K, 512), 288);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_Q4_K, 128), 0);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_Q4_0, 33), 0);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_Q4_0, 0), 0);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_F32, 3), 12);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_F32, UINT64_MAX / 4), UINT64_MAX - 3);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_F32, UINT64_MAX / 4 + 1), 0);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_I64, UINT64_MAX), 0);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_Q8_0, UINT64_MAX / 32 * 32), 0);
    CHECK_EQUAL(skald_dtype_bytes(SKALD_Q4_0, UINT64_MAX / 32 * 32), UINT64_MAX / 32 * 18);
    static const uint32_t unknown[] = {4, 5, 9, 15, 31, 33, 36, 38, 43, 255, 258, SKALD_DTYPE_NONE, UINT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK(skald_dtype_name(unknown[i]) == NULL && sk_dtype_find(unknown[i]) == NULL);
        CHECK_EQUAL(skald_dtype_bytes(unknown[i], 256), 0);
        CHECK_EQUAL(skald_dtype_to_f32(y, unknown[i], x, 256), SKALD_ARGUMENT);
    }
    CHECK_EQUAL(skald_dtype_to_f32(y, SKALD_I32, x, 4), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_dtype_to_f32(y, SKALD_I8, x, 0), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_dtype_to_f32(y, SKALD_Q4_0, x, 31), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_dtype_to_f32(NULL, SKALD_F32, x, 4), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_dtype_to_f32(y, SKALD_F32, NULL, 4), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_dtype_to_f32(NULL, SKALD_F32, NULL, 0), SKALD_OK);
}

/* The value of a small IEEE float from its fields; `special` says whether the top exponent is Inf and NaN. */
static float small_float(unsigned code, int exponent_bits, int mantissa_bits, bool special) {
    unsigned m = code & ((1u << mantissa_bits) - 1), top = (1u << exponent_bits) - 1;
    unsigned e = code >> mantissa_bits & top;
    int bias = (int)(top >> 1);
    float sign = code >> (mantissa_bits + exponent_bits) & 1 ? -1.0f : 1.0f;
    if (special && e == top) return m ? NAN : sign * INFINITY;
    if (e == 0) return sign * (float)ldexp(m, 1 - bias - mantissa_bits);
    return sign * (float)ldexp(m + (1u << mantissa_bits), (int)e - bias - mantissa_bits);
}

static void same(const char *what, unsigned code, float got, float want) {
    CHECK_SAID(isnan(want) ? isnan(got) : bits(got) == bits(want), "%s %x is %.9g, expected %.9g", what, code, got,
               want);
}

static void every_small_float(void) {
    for (unsigned code = 0; code < 0x10000; code++) {
        uint8_t x[2] = {(uint8_t)code, (uint8_t)(code >> 8)};
        float y;
        CHECK_EQUAL(skald_dtype_to_f32(&y, SKALD_F16, x, 1), SKALD_OK);
        same("F16", code, y, small_float(code, 5, 10, true));
        CHECK_EQUAL(skald_dtype_to_f32(&y, SKALD_BF16, x, 1), SKALD_OK);
        same("BF16", code, y, small_float(code, 8, 7, true));
    }
    for (unsigned code = 0; code < 256; code++) {
        uint8_t x = (uint8_t)code;
        float y;
        CHECK_EQUAL(skald_dtype_to_f32(&y, SKALD_F8_E5M2, &x, 1), SKALD_OK);
        same("F8_E5M2", code, y, small_float(code, 5, 2, true));
        CHECK_EQUAL(skald_dtype_to_f32(&y, SKALD_F8_E4M3, &x, 1), SKALD_OK);
        same("F8_E4M3", code, y, (code & 0x7f) == 0x7f ? NAN : small_float(code, 4, 3, false));
    }
    float largest[2];
    CHECK_EQUAL(skald_dtype_to_f32(&largest[0], SKALD_F8_E4M3, "\x7e", 1), SKALD_OK);
    CHECK_EQUAL(skald_dtype_to_f32(&largest[1], SKALD_F8_E5M2, "\x7b", 1), SKALD_OK);
    CHECK(largest[0] == 448.0f && largest[1] == 57344.0f);
}

/* Each number of E4M3 comes back, what lies between two goes to the nearer and from the middle to the even one. */
static void narrowed_e4m3(void) {
    for (unsigned code = 0; code < 0x7f; code++) {
        const float x = sk_from_f8_e4m3((uint8_t)code), next = code < 0x7e ? sk_from_f8_e4m3((uint8_t)(code + 1)) : 480;
        const float middle = x + (next - x) / 2;
        const unsigned above = code < 0x7e ? code + 1 : code;
        CHECK_EQUAL(sk_to_f8_e4m3(x), code);
        CHECK_EQUAL(sk_to_f8_e4m3(-x), code | 0x80);
        CHECK_EQUAL(sk_to_f8_e4m3(nextafterf(middle, x)), code);
        CHECK_EQUAL(sk_to_f8_e4m3(middle), code % 2 ? above : code);
        CHECK_EQUAL(sk_to_f8_e4m3(nextafterf(middle, 500)), above);
    }
    CHECK_EQUAL(sk_to_f8_e4m3(1e30f), 0x7e);
    CHECK_EQUAL(sk_to_f8_e4m3(-1e30f), 0xfe);
    CHECK_EQUAL(sk_to_f8_e4m3(0x1p-149f), 0);
    CHECK_EQUAL(sk_to_f8_e4m3(INFINITY) & 0x7f, 0x7f);
    CHECK_EQUAL(sk_to_f8_e4m3(NAN) & 0x7f, 0x7f);
}

static void wide_floats(void) {
    const double x[] = {1.0, -0.1, 1.0 + 0x1p-24, 1.0 + 0x1p-24 + 0x1p-50, 0x1p-149, 0x1p-150, -1e300, -0.0};
    const float want[] = {1.0f, -0.1f, 1.0f, 1.0f + 0x1p-23f, 0x1p-149f, 0.0f, -INFINITY, -0.0f};
    float y[8];
    CHECK_EQUAL(skald_dtype_to_f32(y, SKALD_F64, x, 8), SKALD_OK);
    for (unsigned i = 0; i < 8; i++) same("F64", i, y[i], want[i]);
    CHECK_EQUAL(skald_dtype_to_f32(y, SKALD_F32, want, 8), SKALD_OK);
    CHECK(memcmp(y, want, sizeof y) == 0);
}

/* MXFP4's scale runs from subnormal to beyond f32; NVFP4's ignores its sign. */
static void block_floats(void) {
    uint8_t mx[17] = {0}, nv[36] = {0};
    float y[64];
    mx[1] = 0x21;
    for (unsigned e = 0; e < 256; e++) {
        mx[0] = (uint8_t)e;
        CHECK_EQUAL(skald_dtype_to_f32(y, SKALD_MXFP4, mx, 32), SKALD_OK);
        same("MXFP4", e, y[0], (float)ldexp(0.5, (int)e - 127));
        same("MXFP4", e, y[16], (float)ldexp(1.0, (int)e - 127));
    }
    nv[4] = 0x02;
    for (unsigned e = 0; e < 256; e++) {
        nv[0] = (uint8_t)e;
        CHECK_EQUAL(skald_dtype_to_f32(y, SKALD_NVFP4, nv, 64), SKALD_OK);
        same("NVFP4", e, y[0], e == 0x7f ? 0.0f : small_float(e & 0x7f, 4, 3, false));
    }
}

/* The caller rounds upwards and flushes subnormals: the values are the same, and the mode is the caller's afterwards. */
static void hostile_mode(void) {
    const double wide[] = {1.0 + 0x1p-30, 0x1p-149, -0.1};
    uint8_t q4_1[20] = {0x01, 0x3c, 0x01, 0x00, 0x02}, mx[17] = {0, 0x02};
    float y[3], q[32], x[32];
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    const unsigned mode = _mm_getcsr() | 0x8040;
    _mm_setcsr(mode);
#endif
    skald_dtype_to_f32(y, SKALD_F64, wide, 3);
    skald_dtype_to_f32(q, SKALD_Q4_1, q4_1, 32);
    skald_dtype_to_f32(x, SKALD_MXFP4, mx, 32);
#if defined(__x86_64__)
    const unsigned after = _mm_getcsr();
    CHECK_EQUAL(after & 0xe040, mode & 0xe040);
    _mm_setcsr(mode & ~0x8040u);
#endif
    CHECK_EQUAL(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    same("F64", 0, y[0], 1.0f);
    same("F64", 1, y[1], 0x1p-149f);
    same("F64", 2, y[2], -0.1f);
    same("Q4_1", 0, q[0], 2.0f + 0x1p-9f); /* 2 + 2^-9 + 2^-24 */
    same("MXFP4", 0, x[0], 0x1p-127f);
}

/* The golden blocks do not meet every row of a codebook; that rows ascend and digits are in range holds for all. */
static void check_grid(const char *name, const uint16_t *grid, unsigned rows, unsigned digit_bits, unsigned digits) {
    for (unsigned i = 0; i < rows; i++) {
        CHECK_SAID(i == 0 || grid[i] > grid[i - 1], "%s: row %u is not above the one before it", name, i);
        for (unsigned at = 0; at < 16; at += digit_bits)
            CHECK_SAID((grid[i] >> at & ((1u << digit_bits) - 1)) < digits, "%s: row %u has no such digit", name, i);
    }
}

static void codebooks(void) {
    check_grid("iq2xxs", sk_iq2xxs_grid, 256, 2, 3);
    check_grid("iq2xs", sk_iq2xs_grid, 512, 2, 3);
    check_grid("iq2s", sk_iq2s_grid, 1024, 2, 3);
    check_grid("iq3xxs", sk_iq3xxs_grid, 256, 4, 8);
    check_grid("iq3s", sk_iq3s_grid, 512, 4, 8);
    check_grid("iq1", sk_iq1_grid, 2048, 2, 3);
}

int main(void) {
    every_row();
    hostile_mode();
    codebooks();
    sizes_and_refusals();
    every_small_float();
    narrowed_e4m3();
    wide_floats();
    block_floats();
    return sk_checked();
}

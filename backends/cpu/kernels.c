/* Dispatch: what the machine can, and the leaves for it. */
#include "backends/cpu/kernels.h"
#include "base/os/os.h"
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include "base/os/arm.h"
#endif

typedef struct level_name {
    const char *name;
    uint32_t level;
} level_name;

static const level_name level_names[] = {
    {"scalar", SK_LEVEL_SCALAR},
#if defined(__x86_64__)
    {"avx2", SK_LEVEL_AVX2},     {"avxvnni", SK_LEVEL_AVXVNNI}, {"avx512", SK_LEVEL_AVX512}, {"amx", SK_LEVEL_AMX},
#elif defined(__aarch64__)
    {"neon", SK_LEVEL_NEON},
    {"dotprod", SK_LEVEL_DOTPROD},
    {"i8mm", SK_LEVEL_I8MM},
#endif
};
#define N_LEVEL_NAMES (sizeof level_names / sizeof *level_names)

#if defined(__x86_64__)
/* The registers that the operating system saves: bits 1-2 xmm and ymm, 5-7 zmm and masks, 17-18 tiles. */
static uint32_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool all(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }

/* Leaves that the build leaves out (SKALD_WITHOUT in docs/building.md). */
#if defined(SKALD_WITHOUT_AVX512)
#define HAS_AVX512 false
#else
#define HAS_AVX512 true
#endif
#if defined(SKALD_WITHOUT_AVXVNNI)
#define HAS_AVXVNNI false
#else
#define HAS_AVXVNNI true
#endif

/* The best of this machine, AVX-VNNI told apart: AVX-512 does not include it, servers had the second first. */
static uint32_t best_level(bool *has_avxvnni) {
    uint32_t a, b, c, d, features;
    *has_avxvnni = false;
    if (!__get_cpuid(1, &a, &b, &features, &d)) return SK_LEVEL_SCALAR;
    if (!all(features, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return SK_LEVEL_SCALAR;
    const uint32_t saved = saved_registers(), more = a;
    if (!all(saved, 0x06) || !all(b, bit_AVX2)) return SK_LEVEL_SCALAR;
    const bool wide =
        HAS_AVX512 && all(saved, 0xe6) && all(b, bit_AVX512F | bit_AVX512BW | bit_AVX512VL) && all(c, bit_AVX512VNNI);
    const bool tiles = wide && all(saved, 0x60000) && all(d, 1u << 24 | 1u << 25);
    if (more >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) *has_avxvnni = HAS_AVXVNNI && all(a, 1u << 4);
    return tiles ? SK_LEVEL_AMX : wide ? SK_LEVEL_AVX512 : *has_avxvnni ? SK_LEVEL_AVXVNNI : SK_LEVEL_AVX2;
}
#elif defined(__aarch64__)
static uint32_t best_level(bool *has_avxvnni) {
    const uint32_t features = sk_os_arm_features();
    *has_avxvnni = false;
    if (!(features & SK_OS_ARM_DOTPROD)) return SK_LEVEL_NEON;
    return features & SK_OS_ARM_I8MM ? SK_LEVEL_I8MM : SK_LEVEL_DOTPROD;
}
#else
static uint32_t best_level(bool *has_avxvnni) {
    *has_avxvnni = false;
    return SK_LEVEL_SCALAR;
}
#endif

bool sk_cpu_level_includes(uint32_t level, uint32_t need) {
    if (need == SK_LEVEL_SCALAR) return true;
    if ((need >= SK_LEVEL_NEON) != (level >= SK_LEVEL_NEON)) return false;
    return need <= level && (need != SK_LEVEL_AVXVNNI || level == SK_LEVEL_AVXVNNI);
}

/* Tiles are asked for by whom they are meant for only: the system then makes more room in signal frames. */
static int32_t permitted(uint32_t level) {
    return (int32_t)(level == SK_LEVEL_AMX && !sk_os_allow_tiles() ? SK_LEVEL_AVX512 : level);
}

int32_t sk_cpu_level(const char *limit) {
    bool has_avxvnni;
    const uint32_t best = best_level(&has_avxvnni);
    if (!limit || !*limit) return permitted(best);
    for (size_t i = 0; i < N_LEVEL_NAMES; i++) {
        if (strcmp(limit, level_names[i].name) != 0) continue;
        uint32_t level = level_names[i].level;
        if (level == SK_LEVEL_AVXVNNI && !has_avxvnni) level = SK_LEVEL_AVX2;
        return permitted(level < best ? level : best);
    }
    return -1;
}

const char *sk_cpu_level_name(uint32_t level) {
    for (size_t i = 0; i < N_LEVEL_NAMES; i++)
        if (level_names[i].level == level) return level_names[i].name;
    return NULL;
}

/* By the maker, for a measurement of some milliseconds would depend on neighbours: docs/speed.md has those of Zen 5, where a
 * second request for a line costs more than it gains, and of a Xeon with AMX, where two are better than any one. */
static sk_reach reach_of_machine(void) {
#if defined(__x86_64__)
    uint32_t most, b, c, d;
    if (__get_cpuid(0, &most, &b, &c, &d) && b == signature_AMD_ebx && c == signature_AMD_ecx)
        return (sk_reach){.near = 6144};
#endif
    return (sk_reach){.near = 2048, .far = 10240};
}

sk_ahead sk_ahead_of(const sk_reach *reach, const char *panel, uint64_t panel_bytes, uint32_t pass, uint32_t n_passes) {
    if (n_passes == 1) return (sk_ahead){reach->near, 1, reach->far ? panel + reach->far : NULL};
    return (sk_ahead){0, n_passes, panel + panel_bytes + panel_bytes * pass / n_passes};
}

void sk_kernels_fill(sk_kernels *kernels, uint32_t level) {
    kernels->level = level;
    kernels->reach = reach_of_machine();
#define SK_KERNEL(type, slot, need, leaf)                                                                              \
    if (sk_cpu_level_includes(level, SK_LEVEL_##need)) kernels->slot = leaf;
#define SK_INT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, expand, tile)
#define SK_FLOAT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, tile)
#include "backends/cpu/kernels.def"
#undef SK_KERNEL
#undef SK_INT_MATMUL
#undef SK_FLOAT_MATMUL
}

typedef struct leaf_name {
    const char *slot;
    uint32_t level;
    const char *leaf;
} leaf_name;

static const leaf_name leaf_names[] = {
#define SK_KERNEL(type, slot, level, leaf) {#slot, SK_LEVEL_##level, #leaf},
#define SK_INT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, expand, tile)
#define SK_FLOAT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, tile)
#include "backends/cpu/kernels.def"
#undef SK_KERNEL
#undef SK_INT_MATMUL
#undef SK_FLOAT_MATMUL
};
#define N_LEAVES (sizeof leaf_names / sizeof *leaf_names)

/* A later line of the same slot wins where the level includes it. */
static bool wins(size_t i, uint32_t level) {
    if (!sk_cpu_level_includes(level, leaf_names[i].level)) return false;
    for (size_t later = i + 1; later < N_LEAVES; later++)
        if (strcmp(leaf_names[later].slot, leaf_names[i].slot) == 0 &&
            sk_cpu_level_includes(level, leaf_names[later].level))
            return false;
    return true;
}

bool sk_kernel_at(const char **slot, const char **leaf, uint32_t level, uint32_t index) {
    for (size_t i = 0; i < N_LEAVES; i++) {
        if (!wins(i, level) || index-- != 0) continue;
        *slot = leaf_names[i].slot;
        *leaf = leaf_names[i].leaf;
        return true;
    }
    return false;
}

static const sk_matmul kinds[] = {
#define SK_KERNEL(type, slot, level, leaf)
#define SK_INT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, expand, tile)                                     \
    {name, SKALD_##dtype, SK_LEVEL_##level, panel_bytes, pack, unpack, expand, tile, NULL},
#define SK_FLOAT_MATMUL(name, dtype, level, panel_bytes, pack, unpack, tile)                                           \
    {name, SKALD_##dtype, SK_LEVEL_##level, panel_bytes, pack, unpack, NULL, NULL, tile},
#include "backends/cpu/kernels.def"
#undef SK_KERNEL
#undef SK_INT_MATMUL
#undef SK_FLOAT_MATMUL
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

const sk_matmul *sk_matmul_find(skald_dtype type, uint32_t level) {
    for (size_t i = N_KINDS; i-- > 0;)
        if (kinds[i].type == type && sk_cpu_level_includes(level, kinds[i].level)) return &kinds[i];
    return NULL;
}

const sk_matmul *sk_matmul_at(uint32_t index) { return index < N_KINDS ? &kinds[index] : NULL; }

uint32_t sk_matmul_index(const sk_matmul *kind) { return (uint32_t)(kind - kinds); }

/* What the kernel tests share: memory that ends at an unreadable page, hostile numbers, bits, and a clock. */
#ifndef SK_TESTS_KERNELS_BENCH_H
#define SK_TESTS_KERNELS_BENCH_H
#include "backends/cpu/kernels.h"
#include "base/exact.h"
#include "examples/skald/roofs.h"
#include "support/check.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CANARY      0xa5
#define CANARY_SIZE 64u

/* A buffer whose last byte lies before an unreadable page; CANARY_SIZE bytes before the first are watched. */
typedef struct guarded {
    char *base, *end;
    size_t bytes; /* given out last */
} guarded;

static inline guarded guarded_make(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), all = (bytes + CANARY_SIZE + page - 1) / page * page;
    char *base = mmap(NULL, all + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + all, page, PROT_NONE)) exit(3);
    memset(base, CANARY, all);
    return (guarded){base, base + all, 0};
}

/* The last `bytes` of it, filled with the canary. */
static inline void *guarded_take(guarded *g, size_t bytes) {
    if (bytes + CANARY_SIZE > (size_t)(g->end - g->base)) exit(4);
    g->bytes = bytes;
    memset(g->end - bytes - CANARY_SIZE, CANARY, bytes + CANARY_SIZE);
    return g->end - bytes;
}

static inline bool guarded_whole(const guarded *g) {
    const char *at = g->end - g->bytes - CANARY_SIZE;
    for (size_t i = 0; i < CANARY_SIZE; i++)
        if ((unsigned char)at[i] != CANARY) return false;
    return true;
}

static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1dull;
}

static inline float uniform(uint64_t *state) { return (float)(next_random(state) >> 40) * 0x1p-23f - 1.0f; }

enum { CALM, WILD, N_MOODS }; /* numbers around 1; or with all that IEEE has among them */

static inline void fill_floats(float *x, size_t n, int mood, uint64_t *state) {
    static const uint32_t odd[] = {0x80000000u, 0u,          0x7f800000u, 0xff800000u, 0x7fc00000u, 1u,
                                   0x807fffffu, 0x00800000u, 0x7f7fffffu, 0xff7fffffu, 0x0d800000u, 0x42b17218u};
    for (size_t i = 0; i < n; i++) {
        x[i] = uniform(state) * 3.0f;
        if (mood == WILD && next_random(state) % 7 == 0) x[i] = sk_float(odd[(next_random(state) >> 33) % 12]);
        if (mood == WILD && next_random(state) % 5 == 0) x[i] = sk_float((uint32_t)(next_random(state) >> 32));
    }
}

/* Equal bits; NaN equals NaN. Returns the first place that differs, or n. */
static inline size_t first_difference(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (sk_bits(a[i]) != sk_bits(b[i]) && !(a[i] != a[i] && b[i] != b[i])) return i;
    return n;
}

/* The bits of results as one number: machines of all kinds must come to the same (numerics version 1). */
static inline uint64_t digest_floats(uint64_t digest, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) digest = (digest ^ (x[i] != x[i] ? 0x7fc00000u : sk_bits(x[i]))) * 0x100000001b3ull;
    return digest;
}
#define CHECK_DIGEST(got, want)                                                                                        \
    CHECK_SAID((got) == (want), "the digest is 0x%016llxull: other bits than numerics version 1",                      \
               (unsigned long long)(got))

#define CHECK_BITS(got, want, n, name)                                                                                 \
    do {                                                                                                               \
        size_t sk_at = first_difference(got, want, n);                                                                 \
        CHECK_SAID(sk_at == (n), "%s: [%zu of %zu] is %a, expected %a", name, sk_at, (size_t)(n),                      \
                   sk_at < (n) ? (double)(got)[sk_at] : 0.0, sk_at < (n) ? (double)(want)[sk_at] : 0.0);               \
    } while (0)

#define CHECK_NEAR(got, want, bound, name)                                                                             \
    CHECK_SAID(fabs((double)(got) - (want)) <= (bound), "%s: %.9g, expected %.9g within %.3g", name, (double)(got),    \
               (double)(want), (double)(bound))

/* Whether this machine runs leaves of the level; not every one is part of its best. */
static inline bool machine_has(uint32_t level) {
    const char *name = sk_cpu_level_name(level);
    return name && sk_cpu_level_includes((uint32_t)sk_cpu_level(name), level);
}

static inline double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
/* Best seconds per turn of several short runs. */
#define BEST_SECONDS(best, statement)                                                                                  \
    do {                                                                                                               \
        (best) = 1e9;                                                                                                  \
        for (int sk_try = 0; sk_try < 7; sk_try++) {                                                                   \
            long sk_turns = 0;                                                                                         \
            double sk_start = seconds_now(), sk_now;                                                                   \
            do {                                                                                                       \
                for (int sk_i = 0; sk_i < 16; sk_i++) {                                                                \
                    statement;                                                                                         \
                }                                                                                                      \
                sk_turns += 16;                                                                                        \
                sk_now = seconds_now();                                                                                \
            } while (sk_now - sk_start < 0.01);                                                                        \
            if ((sk_now - sk_start) / (double)sk_turns < (best)) (best) = (sk_now - sk_start) / (double)sk_turns;      \
        }                                                                                                              \
    } while (0)

/* One measurement as a line of JSON: operations and bytes of `seconds`, and their shares of one thread's roofs. */
static inline void print_speed(const char *kernel, uint32_t n_rows, double ops, double bytes, double seconds,
                               bool integers, const roofs *roof) {
    double multiply = integers ? roof->int8_ops_per_second : roof->fma_ops_per_second;
    printf("{\"kernel\": \"%s\", \"rows\": %u, \"gops\": %.4g, \"gb_per_second\": %.4g, \"ops_per_byte\": %.4g, "
           "\"multiply\": \"%s\", \"multiply_roof_gops\": %.4g, \"read_roof_gb_per_second\": %.4g, "
           "\"multiply_roof_share\": %.3f, \"read_roof_share\": %.3f}\n",
           kernel, n_rows, ops / seconds * 1e-9, bytes / seconds * 1e-9, ops / bytes, integers ? "int8" : "fma",
           multiply * 1e-9, roof->read_bytes_per_second * 1e-9, ops / seconds / multiply,
           bytes / seconds / roof->read_bytes_per_second);
    fflush(stdout);
}
#endif

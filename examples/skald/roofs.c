/* Roofs: how fast these threads read memory, multiply bytes and floats, and meet each other. Nothing of the library is used. */
#include "roofs.h"
#include "clock.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { MOST_THREADS = 256, LINE = 64, ACCUMULATORS = 12, ROUNDS = 2048 };

/* ---- multiplying: twelve accumulators in registers, which hide the latency of the units ---- */

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

/* The compiler may know nothing about `x`: nothing is moved out of the loop, and accumulators that begin alike stay apart. */
#define UNKNOWN(x, where) __asm__ volatile("" : "+" where(x))

/* Each returns the operations it did. */
typedef uint64_t multiply_loop(void);

#if defined(__x86_64__)
#define ZERO_512(i)                                                                                                    \
    __m512i s##i = _mm512_setzero_si512();                                                                             \
    UNKNOWN(s##i, "v");
#define DOT_512(i)  s##i = _mm512_dpbusd_epi32(s##i, a, b);
#define KEEP_512(i) UNKNOWN(s##i, "v");
__attribute__((target("avx512f,avx512bw,avx512vnni"))) static uint64_t int8_avx512(void) {
    __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
    TWELVE(ZERO_512)
    for (int i = 0; i < ROUNDS; i++) {
        UNKNOWN(a, "v");
        TWELVE(DOT_512)
    }
    TWELVE(KEEP_512)
    return (uint64_t)ROUNDS * ACCUMULATORS * 64 * 2;
}

#define ZERO_256(i)                                                                                                    \
    __m256i s##i = _mm256_setzero_si256();                                                                             \
    UNKNOWN(s##i, "x");
#define KEEP_256(i) UNKNOWN(s##i, "x");
#define DOT_VNNI(i) s##i = _mm256_dpbusd_avx_epi32(s##i, a, b);
__attribute__((target("avx2,avxvnni"))) static uint64_t int8_avxvnni(void) {
    __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5);
    TWELVE(ZERO_256)
    for (int i = 0; i < ROUNDS; i++) {
        UNKNOWN(a, "x");
        TWELVE(DOT_VNNI)
    }
    TWELVE(KEEP_256)
    return (uint64_t)ROUNDS * ACCUMULATORS * 32 * 2;
}

/* Pairs of bytes are multiplied and added in 16 bits, pairs of those in 32. */
#define DOT_AVX2(i)                                                                                                    \
    UNKNOWN(a, "x");                                                                                                   \
    s##i = _mm256_add_epi32(s##i, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
__attribute__((target("avx2"))) static uint64_t int8_avx2(void) {
    __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5), ones = _mm256_set1_epi16(1);
    TWELVE(ZERO_256)
    for (int i = 0; i < ROUNDS; i++) {
        TWELVE(DOT_AVX2)
    }
    TWELVE(KEEP_256)
    return (uint64_t)ROUNDS * ACCUMULATORS * 32 * 2;
}

#define ZERO_F512(i)                                                                                                   \
    __m512 s##i = _mm512_setzero_ps();                                                                                 \
    UNKNOWN(s##i, "v");
#define FMA_512(i) s##i = _mm512_fmadd_ps(a, b, s##i);
__attribute__((target("avx512f"))) static uint64_t fma_avx512(void) {
    __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
    TWELVE(ZERO_F512)
    for (int i = 0; i < ROUNDS; i++) {
        UNKNOWN(a, "v");
        TWELVE(FMA_512)
    }
    TWELVE(KEEP_512)
    return (uint64_t)ROUNDS * ACCUMULATORS * 16 * 2;
}

#define ZERO_F256(i)                                                                                                   \
    __m256 s##i = _mm256_setzero_ps();                                                                                 \
    UNKNOWN(s##i, "x");
#define FMA_256(i) s##i = _mm256_fmadd_ps(a, b, s##i);
__attribute__((target("avx2,fma"))) static uint64_t fma_avx2(void) {
    __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
    TWELVE(ZERO_F256)
    for (int i = 0; i < ROUNDS; i++) {
        UNKNOWN(a, "x");
        TWELVE(FMA_256)
    }
    TWELVE(KEEP_256)
    return (uint64_t)ROUNDS * ACCUMULATORS * 8 * 2;
}

static int has_avxvnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}
#endif

/* Any machine: what the compiler makes of bytes in plain C. */
static uint64_t int8_plain(void) {
    enum { N = 256 };
    static const signed char b[N] = {1, -2, 3, -4, 5, -6, 7, -8};
    signed char a[N];
    int32_t sum = 0;
    memset(a, 3, sizeof a);
    for (int round = 0; round < ROUNDS / 8; round++) {
        __asm__ volatile("" : : "r"(a) : "memory");
        for (int i = 0; i < N; i++) sum += a[i] * b[i];
    }
    UNKNOWN(sum, "r");
    return (uint64_t)(ROUNDS / 8) * N * 2;
}

static uint64_t fma_plain(void) {
    enum { N = 64 };
    float s[N] = {0}, a = 0.5f;
    for (int round = 0; round < ROUNDS / 8; round++) {
        __asm__ volatile("" : "+m"(a));
        for (int i = 0; i < N; i++) s[i] += a * 0.25f;
    }
    __asm__ volatile("" : : "r"(s) : "memory");
    return (uint64_t)(ROUNDS / 8) * N * 2;
}

static multiply_loop *choose_fma_loop(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return fma_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return fma_avx2;
#endif
    return fma_plain;
}

static multiply_loop *choose_int8_loop(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) return int8_avx512;
    if (__builtin_cpu_supports("avx2")) return has_avxvnni() ? int8_avxvnni : int8_avx2;
#endif
    return int8_plain;
}

/* ---- reading memory: asked for a little ahead, which is worth a quarter where the processor's own guesses are shy ---- */

enum { AHEAD = 1024 / sizeof(uint64_t) };

static uint64_t read_plain(const uint64_t *words, size_t n) {
    uint64_t s[8] = {0};
    for (size_t i = 0; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += words[i + (size_t)k];
    return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t read_avx2(const uint64_t *words, size_t n) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t i = 0; i + 16 <= n; i += 16) {
        const __m256i *at = (const __m256i *)(const void *)(words + i);
        _mm_prefetch((const char *)(words + i + AHEAD), _MM_HINT_T0);
        _mm_prefetch((const char *)(words + i + AHEAD + 8), _MM_HINT_T0);
        s0 = _mm256_add_epi64(s0, _mm256_load_si256(at));
        s1 = _mm256_add_epi64(s1, _mm256_load_si256(at + 1));
        s2 = _mm256_add_epi64(s2, _mm256_load_si256(at + 2));
        s3 = _mm256_add_epi64(s3, _mm256_load_si256(at + 3));
    }
    s0 = _mm256_add_epi64(_mm256_add_epi64(s0, s1), _mm256_add_epi64(s2, s3));
    return (uint64_t)_mm256_extract_epi64(s0, 0) + (uint64_t)_mm256_extract_epi64(s0, 3);
}
#endif

static uint64_t read_words(const uint64_t *words, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return read_avx2(words, n);
#endif
    return read_plain(words, n);
}

int roof_memory_open(roof_memory *memory) {
    const size_t huge = (size_t)2 << 20;
    memory->n_bytes = (size_t)256 << 20;
#ifdef _SC_LEVEL3_CACHE_SIZE
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (cache > 0 && (size_t)cache / 4 * 5 > memory->n_bytes) memory->n_bytes = (size_t)cache / 4 * 5;
#endif
#ifdef _SC_PHYS_PAGES
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0 && (uint64_t)pages * (uint64_t)page / 4 < memory->n_bytes)
        memory->n_bytes = (size_t)((uint64_t)pages * (uint64_t)page / 4);
#endif
    memory->n_bytes &= ~(huge - 1);
    memory->words = aligned_alloc(huge, memory->n_bytes);
    if (!memory->words) return 0;
#ifdef MADV_HUGEPAGE
    (void)madvise(memory->words, memory->n_bytes, MADV_HUGEPAGE); /* the kernel clears them sooner */
#endif
    /* Untouched pages would all be the same one. */
    for (size_t i = 0; i < memory->n_bytes / sizeof(uint64_t); i += 512) memory->words[i] = 1;
    return 1;
}

void roof_memory_close(roof_memory *memory) { free(memory->words); }

/* ---- threads that do the same at the same time ---- */

typedef struct flag {
    _Alignas(LINE) atomic_uint round;
} flag;

typedef struct crew {
    const roof_memory *memory;
    uint32_t n_threads;
    flag flags[MOST_THREADS];
    struct member {
        struct crew *crew;
        uint32_t index;
        pthread_t thread;
        roofs found;
    } members[MOST_THREADS];
} crew;

/* The other thread may share this core, or wait for it. */
static void wait_a_little(int spins) {
    if (spins > 2000) sched_yield();
#if defined(__x86_64__)
    else if (spins > 64) _mm_pause();
#endif
}

/* Waits until everybody has come here `round` times. Each thread writes only its own line. */
static void meet(crew *c, uint32_t self, unsigned round) {
    atomic_store_explicit(&c->flags[self].round, round, memory_order_release);
    for (uint32_t i = 0; i < c->n_threads; i++) {
        for (int spins = 0; (int)(atomic_load_explicit(&c->flags[i].round, memory_order_acquire) - round) < 0; spins++)
            wait_a_little(spins);
    }
}

/* The quickest of some runs: a thread that is put to sleep in between says nothing about the link. */
static double measure_barrier(crew *c, uint32_t self, unsigned *round) {
    enum { RUNS = 16, MEETINGS = 256 };
    double best = 1e9;
    for (int run = 0; run < RUNS; run++) {
        double begin = seconds_now();
        for (int i = 0; i < MEETINGS; i++) meet(c, self, ++*round);
        double one = (seconds_now() - begin) * 1e9 / MEETINGS;
        if (one < best) best = one;
    }
    return c->n_threads > 1 ? best : 0;
}

static double measure_reading(const crew *c, uint32_t self) {
    enum { PIECE = 1 << 20 };
    size_t pieces = c->memory->n_bytes / PIECE, from = pieces * self / c->n_threads, n = pieces / c->n_threads;
    if (n == 0) return 0;
    double begin = seconds_now(), now = begin;
    size_t done = 0;
    uint64_t sum = 0;
    for (; now - begin < 0.05; done++, now = seconds_now())
        sum += read_words(c->memory->words + (from + done % n) * (PIECE / sizeof(uint64_t)), PIECE / sizeof(uint64_t));
    UNKNOWN(sum, "r");
    return (double)done * PIECE / (now - begin);
}

static double measure_multiplying(multiply_loop *loop) {
    double begin = seconds_now(), now = begin;
    uint64_t done = 0;
    for (; now - begin < 0.02; now = seconds_now()) done += loop();
    return (double)done / (now - begin);
}

static void *work(void *argument) {
    struct member *m = argument;
    crew *c = m->crew;
    unsigned round = 1;
    meet(c, m->index, round);
    m->found.read_bytes_per_second = measure_reading(c, m->index);
    meet(c, m->index, ++round);
    m->found.int8_ops_per_second = measure_multiplying(choose_int8_loop());
    m->found.fma_ops_per_second = measure_multiplying(choose_fma_loop());
    /* Last: by now the system has given new threads processors of their own. */
    m->found.barrier_nanoseconds = measure_barrier(c, m->index, &round);
    return NULL;
}

/* Threads are made before any starts to work: a smaller crew than asked for would wait for those that are missing. */
static uint32_t gather(crew *c, uint32_t n_threads) {
    c->n_threads = n_threads;
    for (uint32_t i = 0; i < n_threads; i++) c->members[i] = (struct member){.crew = c, .index = i};
    uint32_t made = 1;
    while (made < n_threads && pthread_create(&c->members[made].thread, NULL, work, &c->members[made]) == 0) made++;
    for (uint32_t i = made; i < n_threads; i++) atomic_store(&c->flags[i].round, 1u << 30); /* they never come */
    return made;
}

roofs roofs_measure(const roof_memory *memory, uint32_t n_threads) {
    roofs all = {0};
    crew *c = aligned_alloc(LINE, (sizeof *c + LINE - 1) / LINE * LINE);
    if (!c) return all;
    memset(c, 0, sizeof *c);
    c->memory = memory;
    uint32_t made = gather(c, n_threads < MOST_THREADS ? n_threads : MOST_THREADS);
    work(&c->members[0]);
    for (uint32_t i = 1; i < made; i++) pthread_join(c->members[i].thread, NULL);
    for (uint32_t i = 0; i < made; i++) {
        all.read_bytes_per_second += c->members[i].found.read_bytes_per_second;
        all.int8_ops_per_second += c->members[i].found.int8_ops_per_second;
        all.fma_ops_per_second += c->members[i].found.fma_ops_per_second;
    }
    all.barrier_nanoseconds = c->members[0].found.barrier_nanoseconds;
    free(c);
    return all;
}

/* A roof of its own for memory: how fast threads read, copy and add up arrays that no cache holds, in plain loops that
 * the compiler turns into vectors. It knows nothing of the library, nor of the roofs that `skald bench` measures.
 *
 *     stream [THREADS [MEBIBYTES]]      one line of JSON; the arrays are 640 MiB together */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { MOST_THREADS = 256, TURNS = 3, KINDS = 3, HUGE_PAGE = 2 << 20 };

/* Bytes that cross the processor's border for each element: a copy reads one array and writes another. */
static const struct kind {
    const char *name;
    double bytes;
} kinds[KINDS] = {{"read", 8}, {"copy", 16}, {"triad", 24}};

typedef struct share {
    pthread_t thread;
    pthread_barrier_t *start;
    uint64_t *a, *b, *c;
    size_t n;
    uint64_t sum;
    double begin[KINDS][TURNS], end[KINDS][TURNS];
} share;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t read_all(const uint64_t *restrict a, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i];
    return sum;
}

static void copy_all(uint64_t *restrict to, const uint64_t *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = from[i] + 1; /* not a memcpy, whose stores may pass the caches */
}

static void add_all(uint64_t *restrict to, const uint64_t *restrict x, const uint64_t *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = x[i] + 3 * y[i];
}

static void *work(void *argument) {
    share *s = argument;
    for (size_t i = 0; i < s->n; i++) s->a[i] = i, s->b[i] = 1, s->c[i] = 2; /* touched by the thread that reads them */
    for (int turn = 0; turn < TURNS; turn++) {
        for (int kind = 0; kind < KINDS; kind++) {
            pthread_barrier_wait(s->start);
            s->begin[kind][turn] = now();
            if (kind == 0) s->sum += read_all(s->a, s->n) + read_all(s->b, s->n) + read_all(s->c, s->n);
            if (kind == 1) copy_all(s->c, s->a, s->n);
            if (kind == 2) add_all(s->a, s->b, s->c, s->n);
            s->end[kind][turn] = now();
        }
    }
    return NULL;
}

/* From the first that began to the last that came: the best turn. */
static double best_rate(const share *shares, int n_threads, int kind) {
    double best = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        double begin = shares[0].begin[kind][turn], end = shares[0].end[kind][turn], elements = 0;
        for (int i = 0; i < n_threads; i++) {
            const share *s = &shares[i];
            if (s->begin[kind][turn] < begin) begin = s->begin[kind][turn];
            if (s->end[kind][turn] > end) end = s->end[kind][turn];
            elements += (double)s->n * (kind == 0 ? 3 : 1);
        }
        double rate = elements * kinds[kind].bytes / (end - begin);
        if (rate > best) best = rate;
    }
    return best;
}

static int run(share *shares, int n_threads) {
    pthread_barrier_t start;
    if (pthread_barrier_init(&start, NULL, (unsigned)n_threads)) return 0;
    for (int i = 0; i < n_threads; i++) {
        shares[i].start = &start;
        if (pthread_create(&shares[i].thread, NULL, work, &shares[i])) exit(1);
    }
    for (int i = 0; i < n_threads; i++) pthread_join(shares[i].thread, NULL);
    return pthread_barrier_destroy(&start) == 0;
}

int main(int argc, char **argv) {
    int n_threads = argc > 1 ? atoi(argv[1]) : 1, mebibytes = argc > 2 ? atoi(argv[2]) : 640;
    if (n_threads < 1 || n_threads > MOST_THREADS || mebibytes < 1) {
        fprintf(stderr, "usage: stream [THREADS [MEBIBYTES]]\n");
        return 2;
    }
    size_t n = ((size_t)mebibytes << 20) / sizeof(uint64_t) / 3, each = n / (size_t)n_threads;
    size_t bytes = (3 * n * sizeof(uint64_t) + HUGE_PAGE) / HUGE_PAGE * HUGE_PAGE;
    uint64_t *memory = aligned_alloc(HUGE_PAGE, bytes);
    share *shares = calloc((size_t)n_threads, sizeof *shares);
    if (!memory || !shares) return fprintf(stderr, "stream: no memory\n"), 1;
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    for (int i = 0; i < n_threads; i++) {
        uint64_t *from = memory + (size_t)i * each;
        shares[i] = (share){.a = from, .b = from + n, .c = from + 2 * n, .n = each};
    }
    if (!run(shares, n_threads)) return 1;
    uint64_t sum = 0; /* printed, so that reading cannot be left out */
    for (int i = 0; i < n_threads; i++) sum += shares[i].sum;
    printf("{\"threads\": %d", n_threads);
    for (int kind = 0; kind < KINDS; kind++)
        printf(", \"%s\": %.4g", kinds[kind].name, best_rate(shares, n_threads, kind));
    printf(", \"sum\": %llu}\n", (unsigned long long)sum);
    free(memory);
    free(shares);
    return 0;
}

/* Fixed pieces of work at the AVX2 level, whose instructions valgrind counts (instructions.py): each kernel once, one
 * decode step and one prefill of 64 tokens on a small drawn model, one thread. Prints the compiler, then a name for
 * each time that sk_measured ran. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/model_writer.h"
#include "support/session.h"
#include "backends/cpu/kernels.h"
#include "dtype/dtype.h"

enum { WIDTH = 1024, PREFILL = 64, MOST_ROWS = 5 };

#define SAY(x)  #x
#define TEXT(x) SAY(x)
#if defined(__clang__)
#define COMPILER "clang-" TEXT(__clang_major__)
#else
#define COMPILER "gcc-" TEXT(__GNUC__)
#endif

typedef void work_fn(void *with);

/* What is counted. Called through a pointer that the compiler cannot know, so that it stays a function. */
void sk_measured(work_fn *work, void *with);
void sk_measured(work_fn *work, void *with) { work(with); }
static void (*volatile measured)(work_fn *work, void *with) = sk_measured;

static float a[4 * WIDTH * MOST_ROWS], b[4 * WIDTH * MOST_ROWS], y[4 * WIDTH * MOST_ROWS];
static sk_q8 quantized[MOST_ROWS * WIDTH / 32];
static _Alignas(64) unsigned char panel[32 * 4 * WIDTH], rows[32 * 4 * WIDTH];
static _Alignas(64) uint16_t keys[64 * SK_PAGE], values[64 * SK_PAGE];
static _Alignas(64) float score[SK_ATTEND_ROWS * SK_PAGE], wide[SK_PAGE * 64];
static sk_kernels kernels;

/* ---- kernels */

typedef struct tile {
    const sk_matmul *kind;
    uint32_t n_rows;
} tile;

static void run_tile(void *with) {
    const tile *t = with;
    const sk_ahead ahead = {2048, 1, (const char *)panel + 10240};
    if (t->kind->int_tile)
        t->kind->int_tile(y, 32, panel, t->kind->type, quantized, WIDTH / 32, t->n_rows, WIDTH, &ahead);
    else t->kind->float_tile(y, 32, panel, t->kind->type, a, WIDTH, t->n_rows, WIDTH, &ahead);
}

static void measure_matmul(const sk_matmul *kind) {
    memset(rows, 0x11, sizeof rows);
    kind->pack(panel, kind->type, rows, skald_dtype_bytes(kind->type, WIDTH), 32, WIDTH);
    for (uint32_t n = 1; n <= MOST_ROWS; n += MOST_ROWS - 1) {
        tile t = {kind, n};
        measured(run_tile, &t);
        printf("%s %u rows\n", kind->name, n);
    }
}

static void run_quantize(void *with) { (void)with, kernels.quantize(quantized, a, WIDTH / 32); }
static void run_rms_norm(void *with) { (void)with, kernels.rms_norm(y, a, b, WIDTH, 1e-5f); }
static void run_silu(void *with) { (void)with, kernels.silu(y, a, b, WIDTH); }
static void run_rotate(void *with) { (void)with, kernels.rotate_halves(y, a, WIDTH / 2); }
static void run_argmax(void *with) { *(uint32_t *)with = kernels.argmax(a, WIDTH); }
static void run_attend(void *with) { kernels.attend(with); }

static void measure_rows(void) {
    uint32_t best = 0;
    static const struct {
        const char *name;
        work_fn *run;
    } all[] = {{"quantize", run_quantize},
               {"rms_norm", run_rms_norm},
               {"silu", run_silu},
               {"rotate", run_rotate},
               {"argmax", run_argmax}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        measured(all[i].run, &best);
        printf("%s of %d\n", all[i].name, WIDTH);
    }
}

static void measure_attend(uint32_t n_rows) {
    sk_attend_block block = {.n_rows = n_rows,
                             .dim_k = 64,
                             .dim_v = 64,
                             .k_type = SKALD_F16,
                             .v_type = SKALD_F16,
                             .k = keys,
                             .v = values,
                             .next = (const char *)keys,
                             .score = score,
                             .wide = wide};
    for (uint32_t r = 0; r < n_rows; r++) block.q[r] = a + 64 * r, block.end[r] = SK_PAGE;
    block.max = y, block.sum = y + SK_ATTEND_ROWS, block.out = y + 2 * SK_ATTEND_ROWS;
    measured(run_attend, &block);
    printf("attend_f16 %u rows\n", n_rows);
}

/* ---- steps of a model */

typedef struct step {
    session *s;
    skald_seq seq;
    int32_t tokens[PREFILL];
    uint32_t n;
} step;

static void run_step(void *with) {
    step *t = with;
    skald_report why = {.size = sizeof why};
    skald_span span = {.size = sizeof span, .seq = t->seq, .tokens = t->tokens, .n_tokens = t->n};
    session_must(skald_step(t->s->context, t->s->cache, NULL, &why, &span, 1), "step", &why);
}

/* The first prefill and decode only warm up. */
static void measure_steps(void) {
    size_t n_bytes;
    char *model = test_model_make(TEST_MODEL_DENSE, &n_bytes);
    const session_options o = {.bytes = model,
                               .n_bytes = n_bytes,
                               .level = "avx2",
                               .type = SKALD_F16,
                               .n_threads = 1,
                               .n_tokens = 256,
                               .n_sequences = 1,
                               .n_rows = PREFILL,
                               .n_logits = 1};
    session s = session_open(&o);
    step prefill = {.s = &s, .n = PREFILL};
    CHECK_EQUAL(skald_kv_cache_open(&prefill.seq, s.cache), SKALD_OK);
    for (uint32_t i = 0; i < PREFILL; i++) prefill.tokens[i] = (int32_t)(7 * i * i + 3) % TEST_MODEL_VOCABULARY;
    step decode = prefill;
    decode.n = 1;
    run_step(&prefill);
    run_step(&decode);
    CHECK_EQUAL(skald_kv_cache_rewind(s.cache, prefill.seq, 0), SKALD_OK);
    measured(run_step, &prefill);
    printf("prefill of %d\n", PREFILL);
    measured(run_step, &decode);
    printf("decode step behind %d\n", PREFILL);
    session_close(&s);
    free(model);
}

int main(void) {
    puts(COMPILER);
    if (sk_cpu_level("avx2") != SK_LEVEL_AVX2) return 77;
    for (size_t i = 0; i < sizeof a / sizeof *a; i++) a[i] = (float)(i % 17) - 8.0f, b[i] = (float)(i % 5) * 0.25f;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) keys[i] = values[i] = (uint16_t)(0x2000 + i % 0x1800);
    sk_kernels_fill(&kernels, SK_LEVEL_AVX2);
    for (uint32_t r = 0; r < MOST_ROWS; r++) kernels.quantize(quantized + r * WIDTH / 32, a + r * WIDTH, WIDTH / 32);
    for (uint32_t i = 0; sk_matmul_at(i); i++)
        if (sk_matmul_at(i)->level == SK_LEVEL_AVX2) measure_matmul(sk_matmul_at(i));
    measure_rows();
    measure_attend(1);
    measure_attend(15);
    measure_steps();
    return sk_checks_failed != 0;
}

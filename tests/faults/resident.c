/* The plan tells the truth to the system too: resident memory stays within 5 % or 8 MiB of it, in huge pages and in small
 * ones. The model, about 70 MB of Q8_0, is made while it is read. */
#define _DEFAULT_SOURCE
#include "base/report.h"
#include "file/gguf_write.h"
#include "support/check.h"
#include "support/world.h"
#include <sys/mman.h>
#include <unistd.h>

#define LAYERS     4u
#define WIDTH      1024u
#define FEED       4096u
#define VOCABULARY 8192u

/* The header as bytes; whatever lies behind it is the pattern below. */
typedef struct drawn_file {
    char header[1 << 14];
    size_t n_header;
    uint64_t n_bytes;
} drawn_file;

static skald_status keep(void *user, const void *bytes, size_t n_bytes) {
    drawn_file *f = user;
    size_t room = sizeof f->header - f->n_header, n = n_bytes < room ? n_bytes : room;
    memcpy(f->header + f->n_header, bytes, n);
    f->n_header += n;
    f->n_bytes += n_bytes;
    return SKALD_OK;
}

/* Every byte 0x14: scales of 0.001, and for F32 a number near 1e-26. */
static skald_status draw(void *user, void *to, uint64_t offset, size_t n_bytes) {
    const drawn_file *f = user;
    memset(to, 0x14, n_bytes);
    if (offset < f->n_header) {
        size_t n = f->n_header - (size_t)offset;
        memcpy(to, f->header + offset, n < n_bytes ? n : n_bytes);
    }
    return SKALD_OK;
}

static void declare(sk_gguf_writer *w, const char *name, uint64_t n_in, uint64_t n_out, uint64_t *n_data) {
    const uint64_t shape[] = {n_in, n_out};
    const skald_dtype type = n_out ? SKALD_Q8_0 : SKALD_F32;
    sk_gguf_declare(w, (sk_text){name, strlen(name)}, type, n_out ? 2 : 1, shape);
    *n_data += sk_align(skald_dtype_bytes(type, n_in * (n_out ? n_out : 1)), 32);
}

static void make(drawn_file *f) {
    static const struct {
        const char *name;
        uint32_t n_in, n_out;
    } parts[] = {{"attn_norm", WIDTH, 0},   {"attn_q", WIDTH, WIDTH},      {"attn_k", WIDTH, WIDTH},
                 {"attn_v", WIDTH, WIDTH},  {"attn_output", WIDTH, WIDTH}, {"ffn_norm", WIDTH, 0},
                 {"ffn_gate", WIDTH, FEED}, {"ffn_up", WIDTH, FEED},       {"ffn_down", FEED, WIDTH}};
    const uint32_t n_parts = sizeof parts / sizeof *parts;
    sk_gguf_writer w;
    uint64_t n_data = 0;
    *f = (drawn_file){.n_header = 0};
    sk_gguf_begin(&w, keep, f, 8, 2 + n_parts * LAYERS, 32);
    sk_gguf_put_text(&w, "general.architecture", "llama");
    sk_gguf_put_u32(&w, "llama.block_count", LAYERS);
    sk_gguf_put_u32(&w, "llama.context_length", 2048);
    sk_gguf_put_u32(&w, "llama.embedding_length", WIDTH);
    sk_gguf_put_u32(&w, "llama.feed_forward_length", FEED);
    sk_gguf_put_u32(&w, "llama.attention.head_count", 16);
    sk_gguf_put_u32(&w, "llama.attention.head_count_kv", 16);
    sk_gguf_put_f32(&w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    declare(&w, "token_embd.weight", WIDTH, VOCABULARY, &n_data);
    declare(&w, "output_norm.weight", WIDTH, 0, &n_data);
    for (uint32_t i = 0; i < LAYERS * n_parts; i++) {
        char name[64];
        sk_format(name, sizeof name, "blk.%u.%s.weight", i / n_parts, parts[i % n_parts].name);
        declare(&w, name, parts[i % n_parts].n_in, parts[i % n_parts].n_out, &n_data);
    }
    CHECK_EQUAL(w.status, SKALD_OK);
    f->n_header = (size_t)sk_align(f->n_header, 32);
    f->n_bytes = f->n_header + n_data;
    CHECK(f->n_header < sizeof f->header);
}

static uint64_t resident(void) {
    unsigned long long all = 0, here = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%llu %llu", &all, &here) != 2) here = 0;
    if (file) fclose(file);
    return here * (uint64_t)sysconf(_SC_PAGESIZE);
}

static drawn_file drawing;

/* ---- how often the system is asked for huge pages (linked with --wrap) */

static long n_wishes;

int __real_madvise(void *at, size_t n_bytes, int advice);
int __wrap_madvise(void *at, size_t n_bytes, int advice);
int __wrap_madvise(void *at, size_t n_bytes, int advice) {
    n_wishes += advice == MADV_HUGEPAGE;
    return __real_madvise(at, n_bytes, advice);
}

static void check(uint32_t small_pages) {
    skald_runtime *runtime = NULL;
    skald_runtime_options o;
    skald_memory_plan plan = {.size = sizeof plan};
    world w = {.info = {.size = sizeof w.info}};
    skald_runtime_options_init(&o, sizeof o);
    o.n_threads = 2;
    o.small_pages = small_pages;
    CHECK_EQUAL(skald_runtime_create(&runtime, &o, NULL), SKALD_OK);
    const skald_source source = {.size = sizeof source, .read = draw, .user = &drawing, .n_bytes = drawing.n_bytes};
    skald_report why = {.size = sizeof why};
    CHECK_EQUAL(skald_memory_get_plan(&plan, runtime, NULL, NULL, NULL, &why, &source, 1), SKALD_OK);
    const uint64_t before = resident();
    n_wishes = 0;
    CHECK_SAID(skald_model_open(&w.model, runtime, NULL, &why, &source, 1) == SKALD_OK, "%s", why.text);
    CHECK_EQUAL(skald_model_get_info(&w.info, w.model), SKALD_OK);
    CHECK((n_wishes > 0) == !small_pages);
    n_wishes = 0;
    CHECK_EQUAL(skald_kv_cache_create(&w.cache, w.model, NULL, &why), SKALD_OK);
    CHECK_EQUAL(skald_context_create(&w.context, w.model, NULL, &why), SKALD_OK);
    CHECK_EQUAL(n_wishes, 0); /* what steps are the first to write */
    CHECK(world_answer(&w, 600, 2) != 0);
    const uint64_t used = resident() - before;
    const uint64_t planned = plan.model_bytes + plan.weights_bytes + plan.cache_bytes + plan.context_bytes;
    const uint64_t slack = planned / 20 > 8u << 20 ? planned / 20 : 8u << 20;
    printf("planned %llu KiB, resident %llu KiB\n", (unsigned long long)(planned >> 10),
           (unsigned long long)(used >> 10));
    CHECK(plan.weights_bytes > 64u << 20);
    CHECK(used <= planned + slack);
    CHECK(used > plan.weights_bytes); /* the measure measures */
    world_close(&w);
    skald_runtime_release(runtime);
    CHECK(resident() <= before + (8u << 20)); /* what was large is the system's again */
}

int main(void) {
    skald_runtime *runtime;
    const skald_runtime_options strange = {.size = sizeof strange, .small_pages = 2};
    CHECK_EQUAL(skald_runtime_create(&runtime, &strange, NULL), SKALD_ARGUMENT);
    if (resident() == 0 || WORLD_SANITIZED) return printf("skipped: resident memory cannot be told here\n"), 0;
    make(&drawing);
    check(0);
    check(1);
    return sk_checked();
}

/* Weights that stay where they lie in the file: the same bits at every level, a plan that is exact, a file that is mapped as
 * long as the model lives and no longer, and nothing kept after a failure. */
#define _DEFAULT_SOURCE
#include "support/memory.h"
#include "support/model_writer.h"
#include "support/session.h"
#include <stdbool.h>
#include <unistd.h>

static char *model; /* the file in memory, and as a file */
static size_t n_model;
static char path[] = "/tmp/skald-in-place-XXXXXX";
static host_memory memory;

/* A number that stands for the logits of a prompt and of some single tokens behind it. */
static uint64_t answer(session *s) {
    skald_seq seq;
    int32_t ids[12];
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < 12; i++) ids[i] = (int32_t)((i * 2654435761u >> 8) % TEST_MODEL_VOCABULARY);
    CHECK_EQUAL(skald_kv_cache_open(&seq, s->cache), SKALD_OK);
    for (uint32_t at = 0, n = 10; at < 12; at += n, n = 1) {
        const skald_span span = {.size = sizeof span, .seq = seq, .tokens = ids + at, .n_tokens = n};
        if (!CHECK(skald_step(s->context, s->cache, NULL, NULL, &span, 1) == SKALD_OK)) return 0;
        const unsigned char *row = (const unsigned char *)skald_logits(s->context, 0);
        for (size_t i = 0; i < s->n_vocab * sizeof(float); i++) hash = (hash ^ row[i]) * 0x100000001b3u;
    }
    return hash;
}

static uint64_t answer_of(const session_options *o) {
    session s = session_open(o);
    const uint64_t hash = answer(&s);
    session_close(&s);
    return hash;
}

static bool known(const char *level) {
    skald_runtime *runtime = NULL;
    skald_runtime_options o;
    skald_runtime_options_init(&o, sizeof o);
    o.cpu_level = level;
    const bool made = skald_runtime_create(&runtime, &o, NULL) == SKALD_OK;
    skald_runtime_release(runtime);
    return made;
}

static void check_bits(void) {
    static const char *const levels[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm"};
    session_options o = {.path = path, .level = "scalar", .n_threads = 1, .n_tokens = 128};
    const uint64_t want = answer_of(&o);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (!known(levels[i])) continue;
        for (uint32_t threads = 1; threads < 4; threads += 2) {
            o = (session_options){
                .path = path, .level = levels[i], .n_threads = threads, .n_tokens = 128, .in_place = 1};
            CHECK_SAID(answer_of(&o) == want, "%s: other bits from the mapped file", levels[i]);
            o.path = NULL, o.bytes = model, o.n_bytes = n_model;
            CHECK_SAID(answer_of(&o) == want, "%s: other bits from bytes", levels[i]);
        }
    }
}

/* ---- memory and mappings */

static uint32_t count_mappings(void) {
    char line[512];
    uint32_t n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) n += strstr(line, path) != NULL;
    if (maps) fclose(maps);
    return n;
}

static skald_runtime *make_runtime(void) {
    skald_runtime *runtime = NULL;
    skald_runtime_options o;
    memory_init(&memory);
    skald_runtime_options_init(&o, sizeof o);
    o.allocator = &memory.allocator, o.n_threads = 2;
    CHECK_EQUAL(skald_runtime_create(&runtime, &o, NULL), SKALD_OK);
    return runtime;
}

static void check_plan(const skald_source *source) {
    skald_runtime *runtime = make_runtime();
    skald_model *opened = NULL;
    skald_model_options o;
    skald_memory_plan packed = {.size = sizeof packed}, plan = {.size = sizeof plan};
    const uint64_t own = memory.live;
    const uint32_t mapped_before = count_mappings();
    skald_model_options_init(&o, sizeof o);
    CHECK_EQUAL(skald_memory_get_plan(&packed, runtime, &o, NULL, NULL, NULL, source, 1), SKALD_OK);
    o.in_place = 1;
    CHECK_EQUAL(skald_memory_get_plan(&plan, runtime, &o, NULL, NULL, NULL, source, 1), SKALD_OK);
    CHECK(plan.weights_bytes < packed.weights_bytes);
    CHECK_EQUAL(packed.mapped_bytes, 0);
    CHECK_EQUAL(plan.mapped_bytes, source->path ? n_model : 0);
    CHECK_EQUAL(count_mappings(), mapped_before);
    memory_mark(&memory);
    CHECK_EQUAL(skald_model_open(&opened, runtime, &o, NULL, source, 1), SKALD_OK);
    CHECK_EQUAL(memory.live_of[SKALD_MEMORY_WEIGHTS], plan.weights_bytes);
    CHECK_EQUAL(memory.live - own, plan.model_bytes + plan.weights_bytes);
    CHECK_EQUAL(memory.peak - own, plan.model_bytes + plan.weights_bytes + plan.load_bytes);
    CHECK(!source->path || count_mappings() > mapped_before);
    skald_model_release(opened);
    CHECK_EQUAL(count_mappings(), mapped_before);
    CHECK_EQUAL(memory.live, own);
    skald_runtime_release(runtime);
    CHECK_EQUAL(memory.live, 0);
    CHECK_EQUAL(memory.n_mistakes, 0);
}

static void check_refusals(const skald_source *source) {
    skald_runtime *runtime = make_runtime();
    const uint64_t own = memory.live;
    const uint32_t mapped_before = count_mappings();
    const long before = memory.n_asked;
    skald_model_options o;
    skald_model_options_init(&o, sizeof o);
    o.in_place = 1;
    for (long at = 1;; at++) {
        skald_model *opened = NULL;
        const long n_refused = memory.n_refused;
        memory.refuse_at = memory.n_asked + at;
        const skald_status status = skald_model_open(&opened, runtime, &o, NULL, source, 1);
        skald_model_release(opened);
        CHECK_EQUAL(status, memory.n_refused > n_refused ? SKALD_MEMORY : SKALD_OK);
        CHECK_EQUAL(memory.live, own);
        CHECK_EQUAL(count_mappings(), mapped_before);
        if (status == SKALD_OK) break;
    }
    CHECK(memory.n_asked - before > 10);
    skald_runtime_release(runtime);
    CHECK_EQUAL(memory.live, 0);
}

static skald_status read_model(void *user, void *to, uint64_t offset, size_t n_bytes) {
    (void)user;
    memcpy(to, model + offset, n_bytes);
    return SKALD_OK;
}

static void check_arguments(void) {
    skald_runtime *runtime = make_runtime();
    skald_model *opened = NULL;
    skald_model_options o;
    const uint64_t own = memory.live;
    const skald_source source = {.size = sizeof source, .read = read_model, .n_bytes = n_model};
    skald_model_options_init(&o, sizeof o);
    CHECK_EQUAL(skald_model_open(&opened, runtime, &o, NULL, &source, 1), SKALD_OK);
    skald_model_release(opened);
    o.in_place = 1;
    CHECK_EQUAL(skald_model_open(&opened, runtime, &o, NULL, &source, 1), SKALD_ARGUMENT);
    o.in_place = 2;
    CHECK_EQUAL(skald_model_open_path(&opened, runtime, path, &o, NULL), SKALD_ARGUMENT);
    CHECK_EQUAL(memory.live, own);
    skald_runtime_release(runtime);
}

/* Its name may go, the mapped file stays. */
static void check_unlinked(void) {
    const session_options o = {.path = path, .n_threads = 2, .n_tokens = 128, .in_place = 1};
    session s = session_open(&o);
    const uint64_t want = answer_of(&o);
    unlink(path);
    CHECK(answer(&s) == want);
    session_close(&s);
}

static void check_model(test_model which) {
    const skald_source file = {.size = sizeof file, .path = path};
    model = test_model_make(which, &n_model);
    const skald_source bytes = {.size = sizeof bytes, .bytes = model, .n_bytes = n_model};
    memset(path + strlen(path) - 6, 'X', 6); /* as mkstemp wants it */
    const int handle = mkstemp(path);
    if (!CHECK(handle >= 0 && write(handle, model, n_model) == (ssize_t)n_model)) return;
    check_bits();
    check_plan(&file);
    check_plan(&bytes);
    check_refusals(&file);
    check_arguments();
    check_unlinked();
    close(handle);
    free(model);
}

int main(void) {
    check_model(TEST_MODEL_DENSE);
    check_model(TEST_MODEL_EXPERTS);
    return sk_checked();
}

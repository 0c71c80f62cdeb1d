/* A second device from a plug-in: each request for memory of a life on it is refused, once and from then on; what was
 * made before stays usable, nothing is left, and the logits are those of an untroubled life. */
#define _POSIX_C_SOURCE 200809L
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"
#include <dlfcn.h>

#define PLUGIN(name) SK_TEST_BIN "/tests/" name ".so"

static host_memory memory;

typedef struct life {
    world w;
    skald_seq seq;
    skald_report why;
    bool loaded;
} life;

static skald_status make_runtime(life *l) {
    skald_runtime_options o;
    skald_runtime_options_init(&o, sizeof o);
    o.allocator = &memory.allocator;
    o.n_threads = 2;
    return skald_runtime_create(&l->w.runtime, &o, &l->why);
}

static skald_status load(life *l) {
    return skald_runtime_load_backend(l->w.runtime, PLUGIN("skald_device_test"), NULL, &l->why);
}

static skald_status open_model(life *l) {
    skald_model_options o;
    const skald_source source = {.size = sizeof source, .path = WORLD_MODEL};
    skald_model_options_init(&o, sizeof o);
    o.device = "apart";
    const skald_status status = skald_model_open(&l->w.model, l->w.runtime, &o, &l->why, &source, 1);
    return status == SKALD_OK ? skald_model_get_info(&l->w.info, l->w.model) : status;
}

static skald_status make_cache(life *l) { return skald_kv_cache_create(&l->w.cache, l->w.model, NULL, &l->why); }

static skald_status make_context(life *l) { return skald_context_create(&l->w.context, l->w.model, NULL, &l->why); }

static skald_status read_text(life *l) {
    skald_status status = skald_kv_cache_open(&l->seq, l->w.cache);
    return status == SKALD_OK ? world_read(&l->w, l->seq, 0, 20) : status;
}

static skald_status (*const calls[])(life *l) = {make_runtime, load, open_model, make_cache, make_context, read_text};

/* A life with request `refuse_at` refused. True when it was reached. */
static bool live(uint64_t *hash, long refuse_at, bool refuse_on) {
    life l = {.w = {.info = {.size = sizeof l.w.info}}, .why = {.size = sizeof l.why}};
    memory_init(&memory);
    memory.refuse_at = refuse_at;
    memory.refuse_on = refuse_on;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const long n_refused = memory.n_refused;
        const uint64_t live_before = memory.live;
        skald_status status = calls[i](&l);
        if (memory.n_refused > n_refused) {
            CHECK_SAID(status == SKALD_MEMORY && l.why.text[0], "call %zu, request %ld: status %d, %s", i, refuse_at,
                       status, l.why.text);
            CHECK_SAID(memory.live == live_before, "call %zu, request %ld: bytes are kept", i, refuse_at);
            memory.refuse_on = false;
            if (status != SKALD_OK) status = calls[i](&l);
        }
        if (!CHECK_SAID(status == SKALD_OK, "call %zu, request %ld: status %d, %s", i, refuse_at, status, l.why.text))
            break;
    }
    *hash = l.w.context ? world_hash(&l.w, 0) : 0;
    world_close(&l.w);
    CHECK_EQUAL(memory.live, 0);
    CHECK_EQUAL(memory.n_mistakes, 0);
    return memory.n_refused > 0;
}

static bool is_loaded(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (library) dlclose(library);
    return library != NULL;
}

/* A plug-in of another version, or whose table is none: refused by name, before anything of it is called, and unloaded. */
static void check_tables(skald_runtime *runtime) {
    static const char *const kinds[] = {"none", "version", "size", "ops", "name"};
    skald_report why = {.size = sizeof why};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        setenv("SKALD_STRANGER", kinds[i], 1);
        why.text[0] = 0;
        CHECK_SAID(skald_runtime_load_backend(runtime, PLUGIN("skald_stranger"), NULL, &why) == SKALD_UNSUPPORTED,
                   "%s: %s", kinds[i], why.text);
        CHECK_SAID(strstr(why.text, "skald_stranger.so"), "%s: %s", kinds[i], why.text);
        CHECK_SAID(!is_loaded(PLUGIN("skald_stranger")), "%s", kinds[i]);
    }
}

/* What is no plug-in is refused by name, and the runtime takes the next one. */
static void check_strangers(void) {
    life l = {.why = {.size = sizeof l.why}};
    memory_init(&memory);
    CHECK_EQUAL(make_runtime(&l), SKALD_OK);
    const uint64_t own = memory.live;
    CHECK_EQUAL(skald_runtime_load_backend(l.w.runtime, "no-such-device.so", NULL, &l.why), SKALD_READ);
    CHECK_SAID(strstr(l.why.text, "no-such-device.so"), "%s", l.why.text);
    CHECK_EQUAL(skald_runtime_load_backend(l.w.runtime, WORLD_MODEL, NULL, &l.why), SKALD_READ);
    CHECK_EQUAL(skald_runtime_load_backend(l.w.runtime, NULL, NULL, &l.why), SKALD_ARGUMENT);
    check_tables(l.w.runtime);
    CHECK_EQUAL(skald_runtime_load_backend(l.w.runtime, PLUGIN("skald_device_test"), "no_such_key=1", &l.why),
                SKALD_ARGUMENT);
    CHECK(!is_loaded(PLUGIN("skald_device_test")));
    CHECK_EQUAL(memory.live, own);
    CHECK_EQUAL(load(&l), SKALD_OK);
    CHECK(is_loaded(PLUGIN("skald_device_test")));
    skald_runtime_release(l.w.runtime);
    CHECK(!is_loaded(PLUGIN("skald_device_test")));
    CHECK_EQUAL(memory.live, 0);
}

int main(void) {
    uint64_t want = 0, got;
    CHECK(!live(&want, 0, false));
    CHECK(want != 0);
    for (int on = 0; on <= 1; on++) {
        long n = 1;
        for (; live(&got, n, on); n++) CHECK(got == want);
        CHECK_SAID(n > 6, "only %ld requests were refused", n - 1);
        printf("%ld requests refused, %s\n", n - 1, on ? "and all that came later" : "each once");
    }
    check_strangers();
    return sk_checked();
}

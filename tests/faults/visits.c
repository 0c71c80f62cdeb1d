/* A host that comes and goes: a thousand times the library is loaded, a model is read, a few tokens are written, and all
 * of it is let go; threads, files, mappings and memory are then what they were. Two copies of the library live side by
 * side, and a process may end with everything still open.
 *
 *     visits [LIBRARY [PREFIX]]      a second copy, built with -DSKALD_PREFIX=PREFIX; else a copy of the first one's file */
#define _DEFAULT_SOURCE
#include "support/check.h"
#include "support/world.h"
#include <dirent.h>
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_VISITS  1000
#define N_EARLIER 50 /* visits before the first count: libc keeps a few stacks and arenas */

/* What a host looks up in a library that it has loaded itself. */
typedef struct copy {
    void *library;
    __typeof__(skald_runtime_create) *runtime_create;
    __typeof__(skald_runtime_release) *runtime_release;
    __typeof__(skald_runtime_options_init) *runtime_options_init;
    __typeof__(skald_model_open_path) *model_open_path;
    __typeof__(skald_model_release) *model_release;
    __typeof__(skald_generate) *generate;
} copy;

static void find(void *to, const copy *c, const char *prefix, const char *name) {
    char whole[128];
    snprintf(whole, sizeof whole, "%s%s", prefix, name);
    void *symbol = dlsym(c->library, whole);
    CHECK_SAID(symbol != NULL, "%s is not there", whole);
    memcpy(to, &symbol, sizeof symbol);
}

static int load(copy *c, const char *path, const char *prefix) {
    c->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK_SAID(c->library != NULL, "%s", dlerror())) return 0;
    find(&c->runtime_create, c, prefix, "skald_runtime_create");
    find(&c->runtime_release, c, prefix, "skald_runtime_release");
    find(&c->runtime_options_init, c, prefix, "skald_runtime_options_init");
    find(&c->model_open_path, c, prefix, "skald_model_open_path");
    find(&c->model_release, c, prefix, "skald_model_release");
    find(&c->generate, c, prefix, "skald_generate");
    return sk_checks_failed == 0;
}

typedef struct answer {
    char text[256];
    size_t n;
} answer;

static int32_t collect(void *user, const char *text, size_t n_bytes) {
    answer *a = user;
    if (n_bytes > sizeof a->text - a->n) return 1;
    memcpy(a->text + a->n, text, n_bytes);
    a->n += n_bytes;
    return 0;
}

typedef struct guest {
    skald_runtime *runtime;
    skald_model *model;
    answer said;
} guest;

static void arrive(guest *g, const copy *c) {
    skald_report why = {.size = sizeof why};
    skald_runtime_options o;
    skald_generate_options ask = {.size = sizeof ask, .n_tokens = 4, .n_context = 64};
    *g = (guest){0};
    c->runtime_options_init(&o, sizeof o);
    o.n_threads = 3;
    CHECK_SAID(c->runtime_create(&g->runtime, &o, &why) == SKALD_OK, "%s", why.text);
    CHECK_SAID(c->model_open_path(&g->model, g->runtime, WORLD_MODEL, NULL, &why) == SKALD_OK, "%s", why.text);
    CHECK_SAID(c->generate(g->model, "return the tokens", &ask, collect, &g->said, &why) == SKALD_OK, "%s", why.text);
}

static void leave(guest *g, const copy *c) {
    c->model_release(g->model);
    c->runtime_release(g->runtime);
}

/* ---- a thousand visits */

typedef struct traces {
    long threads, files, mappings, pages;
} traces;

static long entries(const char *folder) {
    long n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n - 2; /* "." and ".." */
}

static long lines(const char *path) {
    long n = 0;
    FILE *f = fopen(path, "r");
    for (int c; f && (c = getc(f)) != EOF;) n += c == '\n';
    if (f) fclose(f);
    return n;
}

static traces look(void) {
    traces t = {entries("/proc/self/task"), entries("/proc/self/fd"), lines("/proc/self/maps"), 0};
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%*d %ld", &t.pages) == 1);
    if (f) fclose(f);
    return t;
}

static void check_visits(const char *path) {
    traces before = look(); /* for the pages of libc that only looking needs */
    answer first = {.n = 0};
    for (int i = 0; i < N_VISITS; i++) {
        copy c;
        guest g;
        if (i == N_EARLIER) before = look();
        if (!load(&c, path, "")) return;
        arrive(&g, &c);
        if (i == 0) first = g.said;
        CHECK(g.said.n == first.n && memcmp(g.said.text, first.text, first.n) == 0);
        leave(&g, &c);
        CHECK_EQUAL(dlclose(c.library), 0);
    }
    const traces after = look();
    CHECK(first.n > 0);
    CHECK_EQUAL(after.threads, before.threads);
    CHECK_EQUAL(after.files, before.files);
    CHECK_EQUAL(after.mappings, before.mappings);
    CHECK_SAID(after.pages <= before.pages + 64, "%ld pages before, %ld after", before.pages, after.pages);
    printf("%d visits: %ld threads, %ld files, %ld mappings, %ld and %ld pages\n", N_VISITS, after.threads, after.files,
           after.mappings, before.pages, after.pages);
}

/* ---- two copies */

static int copy_file(const char *from, const char *to) {
    char piece[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    if (!in || !out) return 0;
    for (size_t n; (n = fread(piece, 1, sizeof piece, in)) > 0;)
        if (fwrite(piece, 1, n, out) != n) return 0;
    return fclose(in) == 0 && fclose(out) == 0;
}

/* Both are in use when either is let go. */
static void check_two(const char *path, const char *other, const char *prefix) {
    copy a, b;
    guest ga, gb;
    if (!load(&a, path, "") || !load(&b, other, prefix)) return;
    CHECK(a.library != b.library && a.generate != b.generate);
    arrive(&ga, &a);
    arrive(&gb, &b);
    CHECK(ga.said.n > 0 && ga.said.n == gb.said.n && memcmp(ga.said.text, gb.said.text, ga.said.n) == 0);
    leave(&ga, &a);
    CHECK_EQUAL(dlclose(a.library), 0);
    leave(&gb, &b);
    arrive(&gb, &b);
    leave(&gb, &b);
    CHECK_EQUAL(dlclose(b.library), 0);
}

/* ---- an end with everything open, workers asleep and awake */

static void check_exit(const char *path) {
    for (int i = 0; i < 20; i++) {
        int how = 0;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            copy c;
            guest g;
            if (!load(&c, path, "")) exit(2);
            arrive(&g, &c);
            if (i % 2) usleep(2000);
            exit(sk_checks_failed ? 3 : 0);
        }
        CHECK(child > 0 && waitpid(child, &how, 0) == child);
        CHECK_SAID(WIFEXITED(how) && WEXITSTATUS(how) == 0, "a child ended with %x", (unsigned)how);
    }
}

int main(int argc, char **argv) {
    const char *other = argc > 1 ? argv[1] : SK_TEST_BIN "/tests/skald_second_copy.so";
    if (argc <= 1) CHECK(copy_file(SK_TEST_LIBRARY, other));
    check_exit(SK_TEST_LIBRARY);
    check_two(SK_TEST_LIBRARY, other, argc > 2 ? argv[2] : "");
    if (argc <= 1) remove(other);
    check_visits(SK_TEST_LIBRARY);
    return sk_checked();
}

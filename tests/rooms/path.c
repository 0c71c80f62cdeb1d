/* Paths are UTF-8 on every system, in whatever page of codes its user has; what cannot be opened is refused with a name. */
#include "support/check.h"
#include "support/world.h"
#include <stdio.h>
#if defined(_WIN32)
#include <wchar.h>
#endif

#define NAME "skald-path-\xc3\xa6\xc3\xb8\xc3\xa5-\xd0\xbf\xd1\x83\xd1\x82\xd1\x8c-\xe8\xb7\xaf-\xf0\x9f\x90\x89.gguf"
#define WIDE L"skald-path-\u00e6\u00f8\u00e5-\u043f\u0443\u0442\u044c-\u8def-\U0001f409.gguf"

/* The system's own way to make and unmake a file of this name. */
#if defined(_WIN32)
static FILE *create(void) { return _wfopen(WIDE, L"wb"); }
static void discard(void) { _wremove(WIDE); }
#else
static FILE *create(void) { return fopen(NAME, "wb"); }
static void discard(void) { remove(NAME); }
#endif

static int copy(const char *from) {
    char piece[4096];
    FILE *in = fopen(from, "rb"), *out = create();
    if (!in || !out) return 0;
    for (size_t n; (n = fread(piece, 1, sizeof piece, in)) > 0;)
        if (fwrite(piece, 1, n, out) != n) return 0;
    return fclose(in) == 0 && fclose(out) == 0;
}

static void check_open(skald_runtime *runtime, uint32_t map) {
    skald_source source = {.size = sizeof source, .path = NAME, .map = map};
    skald_model *model = NULL;
    skald_report why = {.size = sizeof why};
    CHECK_SAID(skald_model_open(&model, runtime, NULL, &why, &source, 1) == SKALD_OK, "%s", why.text);
    skald_model_release(model);
}

static void check_refused(skald_runtime *runtime, const char *path, const char *says) {
    skald_model *model = NULL;
    skald_report why = {.size = sizeof why};
    CHECK_EQUAL(skald_model_open_path(&model, runtime, path, NULL, &why), SKALD_READ);
    CHECK(!model);
    CHECK_SAID(strstr(why.text, says), "%s", why.text);
}

/* A name of a megabyte, whatever the system's own bound is. */
static void check_long(skald_runtime *runtime) {
    char *path = malloc(1 << 20);
    memset(path, 'a', (1 << 20) - 1);
    path[(1 << 20) - 1] = 0;
    check_refused(runtime, path, "");
    free(path);
}

int main(void) {
    skald_runtime *runtime = NULL;
    CHECK_EQUAL(skald_runtime_create(&runtime, NULL, NULL), SKALD_OK);
    check_refused(runtime, NAME, "there is no such file");
    CHECK(copy(WORLD_MODEL));
    check_open(runtime, 0);
    check_open(runtime, 1);
    discard();
    check_refused(runtime, NAME, "there is no such file");
    check_refused(runtime, "no-such-folder/model.gguf", "there is no such file");
    check_refused(runtime, SK_TEST_DATA, "not a plain file");
    check_refused(runtime, "\xff\xfe.gguf", "");
    check_long(runtime);
    skald_runtime_release(runtime);
    return sk_checked();
}

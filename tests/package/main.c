/* A host that found the library: header and library are of one version, and a runtime can be made. */
#include <skald/skald.h>
#include <stdio.h>

int main(void) {
    const uint32_t header = SKALD_VERSION_MAJOR << 16 | SKALD_VERSION_MINOR << 8 | SKALD_VERSION_PATCH;
    skald_report why = {.size = sizeof why};
    skald_runtime *runtime = NULL;
    if (skald_version() != header) return fputs("header and library differ\n", stderr), 1;
    if (skald_runtime_create(&runtime, NULL, &why) != SKALD_OK) return fprintf(stderr, "%s\n", why.text), 1;
    skald_runtime_release(runtime);
    return 0;
}

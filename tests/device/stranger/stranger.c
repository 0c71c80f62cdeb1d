/* A plug-in whose table is wrong in the way that SKALD_STRANGER names: nothing of it may be called. */
#include <skald/backend.h>
#include <stdlib.h>
#include <string.h>

static skald_status open_device(skald_device **out, const skald_backend *backend, const skald_host *host,
                                const char *config, skald_report *why) {
    (void)out, (void)backend, (void)host, (void)config, (void)why;
    abort();
}

SKALD_PLUGIN_EXPORT const skald_backend *skald_backend_entry(uint32_t version);

const skald_backend *skald_backend_entry(uint32_t version) {
    static skald_backend table;
    const char *wrong = getenv("SKALD_STRANGER");
    if (!wrong || !strcmp(wrong, "none")) return NULL;
    table = (skald_backend){.size = sizeof table,
                            .version = version,
                            .name = "stranger",
                            .open = open_device,
                            .ops = {.size = sizeof table.ops}};
    if (!strcmp(wrong, "version")) table.version++;
    if (!strcmp(wrong, "size")) table.size--;
    if (!strcmp(wrong, "ops")) table.ops.size--;
    if (!strcmp(wrong, "name")) table.name = NULL;
    return &table;
}

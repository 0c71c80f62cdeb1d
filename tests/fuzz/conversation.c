/* libFuzzer target: a template of a known model, chosen by the first byte, on any bytes as its JSON. What is refused has a
 * place; a byte that the template does not contain counts as the conversation's; no memory is kept. */
#include "fuzz/counted.h"
#include "template/template.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define MOST           ((uint64_t)4 << 20)
#define MOST_TEMPLATES 64u

typedef struct known {
    sk_template *code;
    bool holds[256]; /* bytes of its text */
} known;

static known templates[MOST_TEMPLATES];
static uint32_t n_templates;

static void open_one(known *k, const char *path) {
    static char text[64 << 10];
    FILE *file = fopen(path, "rb");
    PROMISE(file != NULL);
    const size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    for (size_t i = 0; i < n; i++) k->holds[(uint8_t)text[i]] = true;
    PROMISE(sk_template_create(&k->code, &counted_memory, text, n, NULL) == SKALD_OK);
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* In the order of their names, so that a finding stays one. */
static void open_all(void) {
    static char paths[MOST_TEMPLATES][512];
    DIR *folder = opendir(SK_TEST_DATA "/chat");
    PROMISE(folder != NULL);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strstr(entry->d_name, ".jinja") && n_templates < MOST_TEMPLATES)
            snprintf(paths[n_templates++], sizeof *paths, "%s/chat/%s", SK_TEST_DATA, entry->d_name);
    closedir(folder);
    qsort(paths, n_templates, sizeof *paths, by_name);
    for (uint32_t i = 0; i < n_templates; i++) open_one(&templates[i], paths[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    if (!n_templates) open_all();
    if (n_bytes < 1) return 0;
    const known *k = &templates[bytes[0] % n_templates];
    const uint64_t before = live;
    skald_report why = {.size = sizeof why};
    sk_template_output out;
    const sk_template_input in = {.json = (const char *)bytes + 1,
                                  .n_json_bytes = n_bytes - 1,
                                  .open = 1,
                                  .local_seconds = 1770091506,
                                  .n_steps_most = 200000,
                                  .n_bytes_most = MOST};
    if (sk_template_run(&out, k->code, &counted_memory, &in, &why) == SKALD_OK) {
        PROMISE(out.n_bytes <= MOST);
        for (size_t i = 0; i < out.n_bytes; i++) {
            const uint8_t byte = (uint8_t)out.text[i];
            PROMISE(out.from_data[i] <= 1 && (byte < 0x7f || k->holds[byte] || out.from_data[i] == 1));
        }
    } else PROMISE(strncmp(why.text, "template line ", 14) == 0 || strncmp(why.text, "JSON at byte ", 13) == 0);
    sk_template_output_free(&out, &counted_memory);
    PROMISE(live == before);
    return 0;
}

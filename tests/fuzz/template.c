/* libFuzzer target: a template, a NUL, and the JSON it is run on. What is refused has a place; what is written has a mark
 * for every byte; steps and bytes stay within their limits; no memory is kept. */
#include "fuzz/counted.h"
#include "template/template.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define MOST ((uint64_t)4 << 20)

volatile uint64_t sk_fuzz_seen; /* keeps the readings alive */

static void run(const sk_template *t, const skald_allocator *memory, const char *json, size_t n) {
    skald_report why = {.size = sizeof why};
    sk_template_output out;
    const sk_template_input in = {.json = json,
                                  .n_json_bytes = n,
                                  .open = 1,
                                  .local_seconds = 1770091506,
                                  .n_steps_most = 200000,
                                  .n_bytes_most = MOST};
    const skald_status status = sk_template_run(&out, t, memory, &in, &why);
    if (status == SKALD_OK) {
        PROMISE(out.n_bytes <= MOST);
        for (size_t i = 0; i < out.n_bytes; i++) {
            PROMISE(out.from_data[i] <= 1);
            sk_fuzz_seen += (uint8_t)out.text[i];
        }
    } else PROMISE(strncmp(why.text, "template line ", 14) == 0 || strncmp(why.text, "JSON at byte ", 13) == 0);
    sk_template_output_free(&out, memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    skald_report why = {.size = sizeof why};
    const char *text = (const char *)bytes, *end = n_bytes ? memchr(text, 0, n_bytes) : NULL;
    const size_t n = end ? (size_t)(end - text) : n_bytes;
    sk_template *t;
    const skald_status status = sk_template_create(&t, &counted_memory, text, n, &why);
    PROMISE((status == SKALD_OK) == (t != NULL));
    if (t) run(t, &counted_memory, text + n + (end != NULL), n_bytes - n - (end != NULL));
    else PROMISE(strncmp(why.text, "template line ", 14) == 0);
    sk_template_free(t, &counted_memory);
    PROMISE(live == 0);
    return 0;
}

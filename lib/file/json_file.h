/* A small file of JSON, read whole. */
#ifndef SK_FILE_JSON_FILE_H
#define SK_FILE_JSON_FILE_H
#include "base/memory.h"
#include "file/json.h"

typedef struct sk_json_file {
    sk_json root;
    char *text;
    uint64_t n_bytes;
    const skald_allocator *memory;
} sk_json_file;

/* `name`: of the file, for the sentence. FORMAT: empty, more than 1 MiB, or no JSON. One block of kind LOAD is asked for;
 * after a failure nothing is left. */
skald_status sk_json_file_open(sk_json_file *out, const skald_allocator *memory, const skald_source *source,
                               const char *name, skald_report *why);
void sk_json_file_close(sk_json_file *file);
#endif

/* safetensors: eight bytes that say how long the header is, the header in JSON, and the bytes of the tensors. What an
 * untrusted header says becomes a table in which every name, shape and range has been checked. */
#ifndef SK_FILE_SAFETENSORS_H
#define SK_FILE_SAFETENSORS_H
#include "file/files.h"

/* Opens one file; it has no keys, so out->part is NULL. Elements are F32, F16, BF16, F8_E4M3 or F8_E5M2, every tensor lies
 * inside the file. FORMAT or UNSUPPORTED with a sentence; one block of kind LOAD is asked for, after a failure nothing is
 * left. */
skald_status sk_safetensors_open(sk_files *out, const skald_allocator *memory, const skald_source *source,
                                 skald_report *why);
#endif

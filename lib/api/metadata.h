/* A value of a file's metadata as text for people. */
#ifndef SK_API_METADATA_H
#define SK_API_METADATA_H
#include "file/gguf.h"

/* The contract of skald_model_metadata. */
skald_status sk_metadata_text(char *text, size_t *n_bytes, const sk_gguf_entry *entry);
#endif

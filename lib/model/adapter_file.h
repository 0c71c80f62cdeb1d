/* The files that adapters come in, and what both kinds say alike: GGUF, and safetensors with the adapter_config.json that
 * PEFT writes beside it. */
#ifndef SK_MODEL_ADAPTER_FILE_H
#define SK_MODEL_ADAPTER_FILE_H
#include "file/files.h"

typedef struct sk_adapter_file {
    sk_files files;
    float alpha;  /* B (A x) counts alpha / rank times; 0: once */
    bool by_root; /* alpha / sqrt(rank) times (arXiv 2312.03732) */
    bool is_peft; /* the rows of a head lie as transformers has them: first halves of its pairs, then second ones */
} sk_adapter_file;

/* What the name of a tensor says. */
typedef struct sk_factor {
    char matrix[128]; /* in a model's GGUF */
    char other[256];  /* the name of its partner in the file */
    bool is_a;
} sk_factor;

/* Of the architecture. FORMAT or UNSUPPORTED naming key or tensor; nothing is left then. */
skald_status sk_adapter_file_gguf(sk_adapter_file *out, const skald_allocator *memory, const skald_source *source,
                                  const char *architecture, skald_report *why);
skald_status sk_adapter_file_peft(sk_adapter_file *out, const skald_allocator *memory, const skald_source *tensors,
                                  const skald_source *config, skald_report *why);
/* Of a file that was opened; one of zeros is nothing. */
void sk_adapter_file_close(sk_adapter_file *file);

skald_status sk_adapter_file_name(sk_factor *out, const sk_adapter_file *file, sk_text name, skald_report *why);
/* What B (A x) is multiplied with. */
float sk_adapter_file_scale(const sk_adapter_file *file, uint64_t rank);
#endif

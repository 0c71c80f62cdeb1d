/* What a text becomes before it falls into words, as its tokenizer asks. */
#ifndef SK_TEXT_NORMALIZE_H
#define SK_TEXT_NORMALIZE_H
#include "text/work.h"

typedef struct sk_plain {
    const uint8_t *text;
    size_t n_bytes;
} sk_plain;

/* A text without special tokens; `begins`: a space may be put in front of it. A text that has to change is written into
 * work->text. MEMORY: no room for it. */
skald_status sk_normalize(sk_work *work, sk_plain *plain, bool begins);
#endif

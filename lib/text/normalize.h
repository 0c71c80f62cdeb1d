/* What a text becomes before it falls into words, as its tokenizer asks. */
#ifndef SK_TEXT_NORMALIZE_H
#define SK_TEXT_NORMALIZE_H
#include "text/work.h"

/* A text without special tokens. Each stretch between two of them is normalized as a text of its own. */
typedef struct sk_plain {
    const uint8_t *text;
    size_t n_bytes;
} sk_plain;

/* A text that has to change is written into work->text. MEMORY: no room for it. */
skald_status sk_normalize(sk_work *work, sk_plain *plain);
#endif

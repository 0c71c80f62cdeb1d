/* Which words a text is cut into: the split expressions behind the names of tokenizer.ggml.pre. */
#ifndef SK_TEXT_PRE_H
#define SK_TEXT_PRE_H
#include "text/split.h"
#include <stdbool.h>

#define SK_PRE_MOST 6u

typedef struct sk_pre {
    const char *expression[SK_PRE_MOST]; /* applied one after the other, each to the pieces of the one before */
    bool ignore_merges;                  /* a word that is a token is taken whole */
    bool add_bos;                        /* where the file does not say */
    bool nfc;                            /* the text is normalized first (nfc.h) */
} sk_pre;

/* NULL: no such name. */
const sk_pre *sk_pre_find(const char *name, size_t n_bytes);
uint32_t sk_pre_count(const sk_pre *pre);

/* The walk over the words of a text. */
typedef struct sk_words {
    const sk_split *split; /* [n_splits] */
    const uint8_t *text;
    uint32_t n_splits, level;
    size_t at[SK_PRE_MOST], end[SK_PRE_MOST];
} sk_words;

void sk_words_begin(sk_words *words, const sk_split *split, uint32_t n_splits, const uint8_t *text, size_t n_bytes);
/* The next word; false: there is no more. */
bool sk_words_next(sk_words *words, const uint8_t **word, size_t *n_bytes);
#endif

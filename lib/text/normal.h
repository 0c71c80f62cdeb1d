/* Normalization of characters (Unicode Standard Annex 15): decomposing, ordering and composing them. */
#ifndef SK_TEXT_NORMAL_H
#define SK_TEXT_NORMAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sk_normal_kind {
    uint8_t class; /* canonical combining class; 0: a starter */
    bool joins;    /* NFC changes it, or may join it to the character before */
    bool falls;    /* it decomposes */
} sk_normal_kind;

#define SK_DECOMPOSED 4u /* code points that one becomes at most */

/* The kind of `code`, which is below 0x110000. */
sk_normal_kind sk_normal_kind_of(uint32_t code);

/* The canonical decomposition of `code`, all the way; returns how many code points it has. */
uint32_t sk_decompose(uint32_t to[SK_DECOMPOSED], uint32_t code);

/* `code` in lower case, where that is one code point. */
uint32_t sk_lower(uint32_t code);

/* What two code points compose to, 0: nothing. */
uint32_t sk_compose(uint32_t first, uint32_t second);
#endif

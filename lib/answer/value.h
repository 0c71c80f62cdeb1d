/* A JSON value that comes byte by byte: which byte is its last, and whether what came is JSON (RFC 8259). */
#ifndef SK_ANSWER_VALUE_H
#define SK_ANSWER_VALUE_H
#include <stdbool.h>
#include <stdint.h>

#define SK_VALUE_DEPTH 64u /* deeper is no JSON to lib/file either */

typedef struct sk_growing_value {
    uint32_t depth;
    bool in_text, escaped;
    bool wrong;    /* what came is no JSON; where it ends is told by its brackets all the same */
    uint8_t want;  /* what may come next outside of texts and words */
    uint8_t n_hex; /* digits of \u that are still to come */
    uint8_t word;  /* a number's part, or the rest of true, false, null */
    const char *rest;
    uint64_t is_object; /* a bit for each level, the innermost the lowest; a list's is 0 */
} sk_growing_value;

typedef enum sk_value_step {
    SK_VALUE_IN,     /* the byte belongs to the value */
    SK_VALUE_LAST,   /* the same, and ends it */
    SK_VALUE_BEHIND, /* the value ended before it */
} sk_value_step;

void sk_value_begin(sk_growing_value *v);
sk_value_step sk_value_byte(sk_growing_value *v, char byte);
/* Whether it has ended and is JSON; also when nothing has come. */
bool sk_value_whole(const sk_growing_value *v);
#endif

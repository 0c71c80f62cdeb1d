/* A call written as JSON, byte by byte: {"name": "f", "arguments": {...}}, alone or in a list. */
#ifndef SK_ANSWER_CALL_H
#define SK_ANSWER_CALL_H
#include "answer/value.h"
#include <skald/skald.h>

#define SK_CALL_NAME 256u

/* What a byte of a call turned out to be. */
typedef enum sk_call_step {
    SK_CALL_MORE,     /* nothing to tell */
    SK_CALL_NAMED,    /* the name is whole */
    SK_CALL_ARGUMENT, /* the byte belongs to the arguments */
    SK_CALL_ENDED,    /* the object is whole */
    SK_CALL_OVER,     /* the list is whole */
    SK_CALL_WRONG,    /* this is no call */
} sk_call_step;

typedef struct sk_call {
    uint8_t state;
    bool list, named, escaped;
    bool argued, wrong; /* its arguments have begun; they were no JSON */
    uint32_t n_key, n_name;
    sk_growing_value value;           /* that is being read */
    char key[16], name[SK_CALL_NAME]; /* the name as JSON spells it, quotes too */
} sk_call;

void sk_call_begin(sk_call *c);
sk_call_step sk_call_byte(sk_call *c, char byte);
#endif

/* A call written as JSON, byte by byte: {"name": "f", "arguments": {...}}, alone or in a list. */
#ifndef SK_ANSWER_CALL_H
#define SK_ANSWER_CALL_H
#include <skald/skald.h>
#include <stdbool.h>

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
    bool list, named, in_text, escaped;
    uint32_t depth, n_key, n_name;
    char key[16], name[SK_CALL_NAME]; /* the name as JSON spells it, quotes too */
} sk_call;

void sk_call_begin(sk_call *c);
sk_call_step sk_call_byte(sk_call *c, char byte);

/* A JSON value: whether `byte` belongs to it, and is its last. Begin with sk_value_begin. */
typedef enum sk_value_step { SK_VALUE_IN, SK_VALUE_LAST, SK_VALUE_BEHIND } sk_value_step;
void sk_value_begin(sk_call *c);
sk_value_step sk_value_byte(sk_call *c, char byte);
#endif

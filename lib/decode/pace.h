/* How many ids to draft: as many as were right lately and a few more, none for a while where none was right. Pure. */
#ifndef SK_DECODE_PACE_H
#define SK_DECODE_PACE_H
#include <stdint.h>

/* Zeroed before a text. */
typedef struct sk_pace {
    uint16_t n;     /* ids of the next draft; 0: none was asked for yet, or it rests */
    uint16_t rest;  /* steps without a draft that are left */
    uint16_t rests; /* how long the last rest was */
} sk_pace;

/* Ids that a step should draft, at most `most`; called once a step. */
uint32_t sk_pace_ask(sk_pace *pace, uint32_t most);
/* Of n_drafted ids, at least one, the first n_right were what was chosen. */
void sk_pace_tell(sk_pace *pace, uint32_t n_drafted, uint32_t n_right);
#endif

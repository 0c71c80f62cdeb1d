/* How many ids to draft.
 *
 * All right: twice as many. Some: as many as were right and one. None: a quarter, and from a draft of one id on a rest, each
 * twice as long as the one before. A row of a draft costs a small part of a step and saves a whole one when it is right, so
 * few right ones pay for many wrong ones, and a text that is never guessed costs FIRST + 1 rows, then one row in a rest. */
#include "decode/pace.h"

enum { FIRST = 4, SHORTEST = 16, LONGEST = 512 };

uint32_t sk_pace_ask(sk_pace *p, uint32_t most) {
    if (p->rest) {
        p->rest--;
        return 0;
    }
    if (p->n == 0) p->n = p->rests ? 1 : FIRST;
    return p->n < most ? p->n : most;
}

void sk_pace_tell(sk_pace *p, uint32_t n_drafted, uint32_t n_right) {
    if (n_right == n_drafted) {
        p->n = (uint16_t)(2 * n_drafted);
    } else if (n_right) {
        p->n = (uint16_t)(n_right + 1);
    } else {
        p->n = (uint16_t)(n_drafted / 4);
    }
    if (n_right >= FIRST) p->rests = 0;
    if (p->n) return;
    p->rests = p->rests == 0 ? SHORTEST : p->rests < LONGEST ? (uint16_t)(2 * p->rests) : LONGEST;
    p->rest = p->rests;
}

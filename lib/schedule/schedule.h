/* Who runs in the next step, with how many ids. Pure: plain numbers in, plain numbers out. */
#ifndef SK_SCHEDULE_SCHEDULE_H
#define SK_SCHEDULE_SCHEDULE_H
#include <stdbool.h>
#include <stdint.h>

typedef struct sk_turn {
    uint32_t n_left;    /* ids that are not read yet, at least 1 */
    bool answers;       /* the one id that is left is of its answer: it runs in every step */
    bool is_warm;       /* runs only when nobody else does */
    uint32_t n_drafted; /* ids that may follow the one that answers */
    uint32_t n;         /* out: ids in this step, 0: it waits */
} sk_turn;

/* Turns stand in order of importance. Of n_rows rows, answers take one each first; beside them prompts take n_prompt_rows
 * at most, so that a long prompt costs every answer little; alone they take all. What is left, and at most n_draft_rows, is for
 * drafts. */
void sk_schedule(sk_turn *turns, uint32_t n_turns, uint32_t n_rows, uint32_t n_prompt_rows, uint32_t n_draft_rows);
#endif

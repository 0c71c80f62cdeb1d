/* Who runs in a step: some cases by hand, and many drawn ones against a schedule that hands out row after row. */
#include "base/random.h"
#include "schedule/schedule.h"
#include "support/check.h"

enum { MOST = 6 };

static uint32_t counter;

static uint32_t below(uint32_t n) { return (uint32_t)(sk_random(3, counter++, 0) * n); }

static void by_hand(void) {
    sk_turn t[] = {{.n_left = 500},
                   {.n_left = 1, .answers = true},
                   {.n_left = 30},
                   {.n_left = 9, .is_warm = true},
                   {.n_left = 1, .answers = true, .n_drafted = 3}};
    sk_schedule(t, 5, 96, 40, 32);
    CHECK(t[0].n == 40 && t[1].n == 1 && t[2].n == 0 && t[3].n == 0 && t[4].n == 4);
    t[1].answers = t[4].answers = false;
    sk_schedule(t, 5, 96, 40, 32);
    CHECK(t[0].n == 96 && t[1].n == 0 && t[2].n == 0 && t[3].n == 0 && t[4].n == 0);
    sk_schedule(t + 3, 1, 96, 40, 32);
    CHECK_EQUAL(t[3].n, 9);
    t[1].answers = t[4].answers = true;
    sk_schedule(t, 5, 1, 40, 32);
    CHECK(t[0].n == 0 && t[1].n == 1 && t[4].n == 0);
}

/* ---- the slow one: each row goes to the first who may have it */

typedef enum part { ANSWER, PROMPT, WARM, DRAFT } part;

static bool may_have(const sk_turn *t, part p) {
    switch (p) {
    case ANSWER: return t->answers && t->n == 0;
    case PROMPT: return !t->answers && !t->is_warm && t->n < t->n_left;
    case WARM: return !t->answers && t->is_warm && t->n < t->n_left;
    case DRAFT: return t->answers && t->n && t->n <= t->n_drafted;
    }
    return false;
}

static uint32_t hand_out(sk_turn *t, uint32_t n_turns, part p, uint32_t n_rows, uint32_t most) {
    uint32_t given = 0;
    for (uint32_t i = 0; i < n_turns; i++)
        for (; given < n_rows && given < most && may_have(&t[i], p); given++) t[i].n++;
    return given;
}

static void one_by_one(sk_turn *t, uint32_t n, uint32_t n_rows, uint32_t n_prompt_rows, uint32_t n_draft_rows) {
    for (uint32_t i = 0; i < n; i++) t[i].n = 0;
    const uint32_t answers = hand_out(t, n, ANSWER, n_rows, n_rows), left = n_rows - answers;
    const uint32_t prompts = hand_out(t, n, PROMPT, left, answers ? n_prompt_rows : left);
    if (answers + prompts) hand_out(t, n, DRAFT, left - prompts, n_draft_rows);
    else hand_out(t, n, WARM, n_rows, n_rows);
}

static void drawn(void) {
    for (uint32_t round = 0; round < 20000; round++) {
        sk_turn got[MOST + 1], want[MOST + 1];
        const uint32_t n = below(MOST + 1), n_rows = 1 + below(12), n_prompt_rows = 1 + below(8), n_drafts = below(6);
        for (uint32_t i = 0; i <= MOST; i++) {
            const bool answers = below(2);
            got[i] = (sk_turn){answers ? 1 : 1 + below(9), answers, !answers && below(3) == 0, below(4), 77};
        }
        memcpy(want, got, sizeof want);
        sk_schedule(got, n, n_rows, n_prompt_rows, n_drafts);
        one_by_one(want, n, n_rows, n_prompt_rows, n_drafts);
        for (uint32_t i = 0; i <= MOST; i++) /* those behind the last one stay as they are */
            CHECK_SAID(got[i].n == want[i].n, "round %u: turn %u of %u gets %u rows, expected %u", round, i, n,
                       got[i].n, want[i].n);
    }
}

int main(void) {
    by_hand();
    drawn();
    return sk_checked();
}

#include "schedule/schedule.h"

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static uint32_t take_answers(sk_turn *turns, uint32_t n_turns, uint32_t n_rows) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < n_turns; i++) {
        turns[i].n = turns[i].answers && taken < n_rows;
        taken += turns[i].n;
    }
    return taken;
}

static uint32_t take_prompts(sk_turn *turns, uint32_t n_turns, uint32_t n_rows, bool warm) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < n_turns; i++) {
        if (turns[i].answers || turns[i].is_warm != warm) continue;
        turns[i].n = least(turns[i].n_left, n_rows - taken);
        taken += turns[i].n;
    }
    return taken;
}

static void take_drafts(sk_turn *turns, uint32_t n_turns, uint32_t n_rows) {
    for (uint32_t i = 0; i < n_turns; i++) {
        const uint32_t n = turns[i].n && turns[i].answers ? least(turns[i].n_drafted, n_rows) : 0;
        turns[i].n += n;
        n_rows -= n;
    }
}

void sk_schedule(sk_turn *turns, uint32_t n_turns, uint32_t n_rows, uint32_t n_prompt_rows, uint32_t n_draft_rows) {
    const uint32_t answers = take_answers(turns, n_turns, n_rows), left = n_rows - answers;
    const uint32_t prompts = take_prompts(turns, n_turns, answers ? least(left, n_prompt_rows) : left, false);
    if (answers + prompts == 0) take_prompts(turns, n_turns, n_rows, true);
    else take_drafts(turns, n_turns, least(left - prompts, n_draft_rows));
}

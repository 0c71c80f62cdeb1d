/* The families of layouts, as data: which tag does what in which mode, and by which mark a template is known. */
#include "answer/answer.h"
#include <string.h>

enum { PLAIN = 1, HERMES = 2, LLAMA = 4, MISTRAL = 8, DEEPSEEK = 16, HARMONY = 32 };

/* The first whose mark a template bears; the last has none. */
static const struct {
    const char *name, *mark;
    uint32_t family;
} families[] = {
    {"harmony", "<|channel|>", HARMONY},
    {"deepseek",
     "<\xef\xbd\x9ctool\xe2\x96\x81"
     "calls\xe2\x96\x81"
     "begin\xef\xbd\x9c>",
     DEEPSEEK},
    {"mistral", "[TOOL_CALLS]", MISTRAL},
    {"hermes", "<tool_call>", HERMES},
    {"llama3", "<|python_tag|>", LLAMA},
    {"llama3", "\"parameters\": dictionary of argument", LLAMA},
    {"plain", "", PLAIN},
};
#define N_FAMILIES (sizeof families / sizeof *families)

#define IN(mode) (1u << SK_MODE_##mode)
#define OPEN     (IN(START) | IN(CONTENT) | IN(BETWEEN))
#define THINKS   (PLAIN | HERMES | LLAMA | MISTRAL | DEEPSEEK)
#define SPOKEN   (OPEN | IN(REASONING) | IN(RAW))
#define BAR      "\xef\xbd\x9c"
#define GAP      "\xe2\x96\x81"

static const struct {
    uint32_t families, modes;
    const char *text;
    sk_action action;
} tags[] = {
    {THINKS, IN(START), "<think>", SK_ACT_THINK},
    {THINKS, IN(REASONING), "</think>", SK_ACT_THOUGHT},
    {MISTRAL, IN(START), "[THINK]", SK_ACT_THINK},
    {MISTRAL, IN(REASONING), "[/THINK]", SK_ACT_THOUGHT},
    {HERMES, OPEN, "<tool_call>", SK_ACT_CALL},
    {HERMES, IN(BETWEEN), "</tool_call>", SK_ACT_CLOSE},
    {LLAMA, OPEN, "<|python_tag|>", SK_ACT_CALL},
    {MISTRAL, OPEN, "[TOOL_CALLS]", SK_ACT_CALL},
    {MISTRAL, IN(NAME), "[ARGS]", SK_ACT_ARGUMENTS},
    {MISTRAL, IN(NAME), "[CALL_ID]", SK_ACT_FENCE},
    {DEEPSEEK, OPEN, "<" BAR "tool" GAP "calls" GAP "begin" BAR ">", SK_ACT_CLOSE},
    {DEEPSEEK, IN(BETWEEN), "<" BAR "tool" GAP "call" GAP "begin" BAR ">", SK_ACT_NAME},
    {DEEPSEEK, IN(NAME), "<" BAR "tool" GAP "sep" BAR ">", SK_ACT_LINE},
    {DEEPSEEK, IN(BETWEEN), "```", SK_ACT_CLOSE},
    {DEEPSEEK, IN(BETWEEN), "<" BAR "tool" GAP "call" GAP "end" BAR ">", SK_ACT_CLOSE},
    {DEEPSEEK, IN(BETWEEN), "<" BAR "tool" GAP "calls" GAP "end" BAR ">", SK_ACT_CLOSE},
    {HARMONY, SPOKEN, "<|start|>", SK_ACT_HEADER},
    {HARMONY, SPOKEN, "<|channel|>", SK_ACT_HEADER},
    {HARMONY, SPOKEN, "<|end|>", SK_ACT_CLOSE},
    {HARMONY, SPOKEN, "<|return|>", SK_ACT_CLOSE},
    {HARMONY, SPOKEN, "<|call|>", SK_ACT_CLOSE},
    {HARMONY, IN(HEADER), "<|channel|>", SK_ACT_CHANNEL},
    {HARMONY, IN(HEADER), "<|constrain|>", SK_ACT_SPACE},
    {HARMONY, IN(HEADER), "<|message|>", SK_ACT_MESSAGE},
};
#define N_TAGS (sizeof tags / sizeof *tags)

uint32_t sk_answer_family(const char *name) {
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (strcmp(families[i].name, name) == 0) return families[i].family;
    return 0;
}

static bool holds(const char *text, size_t n_bytes, const char *part) {
    const size_t n = strlen(part);
    for (size_t i = 0; n <= n_bytes && i <= n_bytes - n; i++)
        if (memcmp(text + i, part, n) == 0) return true;
    return false;
}

uint32_t sk_answer_detect(const char *template_text, size_t n_bytes) {
    size_t i = 0;
    while (i + 1 < N_FAMILIES && !holds(template_text, n_bytes, families[i].mark)) i++;
    return families[i].family;
}

const char *sk_answer_name(uint32_t family) {
    size_t i = 0;
    while (i + 1 < N_FAMILIES && families[i].family != family) i++;
    return families[i].name;
}

bool sk_answer_bare(uint32_t family) { return family == LLAMA; }

sk_action sk_answer_tag(uint32_t family, sk_mode mode, const char *text, uint32_t n, bool *longer) {
    sk_action action = SK_ACT_NONE;
    *longer = false;
    for (size_t i = 0; i < N_TAGS; i++) {
        const size_t length = strlen(tags[i].text);
        if (!(tags[i].families & family) || !(tags[i].modes >> mode & 1) || n > length) continue;
        if (memcmp(tags[i].text, text, n) != 0) continue;
        if (n == length) action = tags[i].action;
        else *longer = true;
    }
    return action;
}

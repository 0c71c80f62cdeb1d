/* A call of one of several tools, as a family of models writes it, with arguments that are valid against its parameters. */
#ifndef SK_GRAMMAR_TOOLS_H
#define SK_GRAMMAR_TOOLS_H
#include "grammar/rules.h"

/* `in` is a list of tools, each {"type": "function", "function": {"name", "parameters"}} or what is inside; `family` a name of
 * lib/answer. Number of the rule for the call. */
uint32_t sk_tools_read(sk_draft *d, const sk_grammar_text *in, const char *family);
#endif

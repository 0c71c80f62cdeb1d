/* A conversation on the terminal. */
#ifndef SKALD_PROGRAM_CHAT_H
#define SKALD_PROGRAM_CHAT_H
#include "answer.h"

/* Until Ctrl-D, Ctrl-C twice at the prompt, or the context is full. `a` is set up for an empty sequence. */
int chat(answer *a);

#endif

/* A conversation on the terminal. */
#ifndef SKALD_PROGRAM_CHAT_H
#define SKALD_PROGRAM_CHAT_H
#include "answer.h"

typedef struct chat_options {
    const char *system;   /* said first; NULL: nothing */
    const char *template; /* a file with a template; NULL: the model's own */
    const char *tools;    /* a file with a list of tools, as JSON; NULL: none */
    int json_events;      /* events of answers instead of their text; input may be JSON */
} chat_options;

/* Until Ctrl-D, Ctrl-C twice at the prompt, or the context is full. `a` is set up for an empty sequence. */
int chat(answer *a, const chat_options *o);

#endif

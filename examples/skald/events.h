/* What an answer means: lines of JSON on stdout while it is written, then the message that the conversation keeps of it. */
#ifndef SKALD_PROGRAM_EVENTS_H
#define SKALD_PROGRAM_EVENTS_H
#include "answer.h"

typedef struct kept_text {
    char *at;
    size_t n, room;
} kept_text;

typedef struct kept_call {
    kept_text name, arguments;
    uint32_t id;
    int ended;
} kept_call;

typedef struct events {
    skald_answer *parser; /* of the answer that is written now */
    kept_text content, reasoning;
    kept_call *calls;
    uint32_t n_calls, n_ids; /* of this answer, and of the whole conversation */
    int no_memory;
} events;

/* Begins an answer to a conversation that ends with `ids`. 0, or the code to exit with after a complaint. */
int events_begin(events *e, const session *s, const int32_t *ids, uint32_t n_ids);
/* Says why the answer ended; *message gets what it was as a message of JSON, freed by the caller. */
int events_end(events *e, const answer *a, char **message);
void events_close(events *e);

#endif

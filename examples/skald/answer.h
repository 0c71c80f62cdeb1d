/* The loop of every answer: tokens through the model, a token chosen, its text written, again. */
#ifndef SKALD_PROGRAM_ANSWER_H
#define SKALD_PROGRAM_ANSWER_H
#include "session.h"
#include <signal.h>

typedef enum answer_end {
    ANSWER_FINISHED, /* the model said so */
    ANSWER_LIMIT,    /* n_most tokens are out */
    ANSWER_FULL,     /* no room for the next token */
    ANSWER_STOPPED,  /* by the person */
} answer_end;

typedef struct answer {
    session *session;
    skald_sampler *sampler;
    skald_seq seq;
    uint32_t room;   /* tokens that the sequence may hold */
    uint32_t n_most; /* tokens of an answer; 0: as many as there is room */
    int ignore_end;
    skald_matcher *begin,
        *matcher;   /* of the grammar that answers keep to, at its beginning and where one is; NULL: none */
    float *allowed; /* a row of logits without those that it forbids */
    const volatile sig_atomic_t *stop; /* not 0: stop as soon as possible; NULL: nobody asks */
    skald_answer *parser;              /* hears the text in place of stdout, control tokens too; NULL: none */

    /* What became of it. */
    answer_end end;
    int read;       /* the prompt is in the cache */
    int32_t unread; /* the last token of an answer that was cut off: written, but not in the cache; -1: none */
    uint32_t n_tokens;
    int32_t *ids; /* [n_tokens], and the text they are; freed with answer_close */
    char *text;
    size_t n_text, text_room, ids_room;
    double read_seconds, first_time, last_time; /* how long, and when */
} answer;

/* Answers keep to the grammar in a file: rules, or a JSON Schema. 0, or the code to exit with. */
int answer_constrain(answer *a, skald_grammar_kind kind, const char *path);
/* Appends `ids` to the sequence and writes the answer to stdout or the parser. 0, or the code to exit with after a complaint. */
int answer_write(answer *a, const int32_t *ids, uint32_t n_ids);
void answer_close(answer *a);

#endif

/* Answers of an engine or a beam search: drafts, a stop, several texts side by side. */
#ifndef SKALD_PROGRAM_AHEAD_H
#define SKALD_PROGRAM_AHEAD_H
#include "answer.h"

typedef struct ahead_options {
    const char *draft, *stop; /* NULL: none */
    int lookup;
    uint32_t n_beams; /* 0: none */
    const skald_sampler_options *sampler;
    skald_dtype cache_type;
} ahead_options;

/* Their lines in a table of options; those of drafts also for `skald batch`. */
#define DRAFT_OPTIONS(lookup, draft)                                                                                   \
    {"--lookup",                                                                                                       \
     OPTION_FLAG,                                                                                                      \
     lookup,                                                                                                           \
     NULL,                                                                                                             \
     "draft what followed the last words before: faster where a text repeats itself, the same answer",                 \
     0,                                                                                                                \
     0},                                                                                                               \
    {                                                                                                                  \
        "--draft", OPTION_TEXT, draft, "MODEL", "draft with a small model of the same vocabulary: the same answer", 0, \
            0                                                                                                          \
    }
#define AHEAD_OPTIONS(o)                                                                                               \
    DRAFT_OPTIONS(&(o)->lookup, &(o)->draft),                                                                          \
        {"--stop", OPTION_TEXT, &(o)->stop, "TEXT", "the answer ends before TEXT", 0, 0}, {                            \
        "--beams", OPTION_COUNT, &(o)->n_beams, "K", "search with K beams, at most 64, for the likeliest answer", 1,   \
            64                                                                                                         \
    }

/* Is any of them set? */
int ahead_is_wanted(const ahead_options *o);
/* Writes the answer to stdout; `a` holds session, limits, and then what became of it. 0, or the code to exit with. */
int ahead_write(answer *a, const ahead_options *o, const int32_t *ids, uint32_t n_ids);

#endif

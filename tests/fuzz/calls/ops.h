/* The calls that a program is made of, each with the bytes behind its number. */
#ifndef SK_FUZZ_CALLS_OPS_H
#define SK_FUZZ_CALLS_OPS_H

/* X(name): what follows its number */
#define CALLS_OPS(X)                                                                                                   \
    X(step) /* context + 2 cache + 4 (spans - 1), how far; for each span: sequence, length, rows and mistakes;      \
                   with a pause: how it goes on */  \
    X(work) /* of the engine: turns, time, whether it is heard */                                                      \
    X(fork) /* cache, sequence, length */                                                                              \
    X(rewind)   /* likewise */                                                                                         \
    X(open)     /* cache */                                                                                            \
    X(release)  /* cache, sequence */                                                                                  \
    X(reserve)  /* cache, sequence, tokens */                                                                          \
    X(save)     /* cache, sequence, where to and whether it fails */                                                   \
    X(restore)  /* cache, where from, damage */                                                                        \
    X(continue) /* context, how */                                                                                     \
    X(cancel)   /* context */                                                                                          \
    X(logits)   /* context, row */                                                                                     \
    X(sampler)  /* options */                                                                                          \
    X(cache)    /* which, options */                                                                                   \
    X(context)  /* which, options */                                                                                   \
    X(grammar)                                                                                                         \
    X(matcher) /* which */                                                                                             \
    X(accept)  /* id */                                                                                                \
    X(owners)  /* whose */                                                                                             \
    X(refuse)  /* which request for memory */                                                                          \
    X(nothing) /* cache, which mistake */                                                                              \
    X(engine)  /* options */                                                                                           \
    X(submit)  /* lengths, options, grammar */                                                                         \
    X(forgo)   /* request */                                                                                           \
    X(look)

enum {
#define CALLS_ENUM(name) CALL_##name,
    CALLS_OPS(CALLS_ENUM)
#undef CALLS_ENUM
        N_CALLS
};
#endif

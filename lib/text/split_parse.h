/* Between the two halves of the compiler: an expression as instructions over sets of characters. */
#ifndef SK_TEXT_SPLIT_PARSE_H
#define SK_TEXT_SPLIT_PARSE_H
#include "text/unicode.h"
#include <skald/skald.h>
#include <stdbool.h>

#define SK_SPLIT_CODE   384u
#define SK_SPLIT_SETS   64u
#define SK_SPLIT_RANGES 192u

enum { SK_SPLIT_SET, SK_SPLIT_AHEAD, SK_SPLIT_NOT_AHEAD, SK_SPLIT_FORK, SK_SPLIT_JUMP, SK_SPLIT_MATCH };

typedef struct sk_split_step {
    uint8_t op;
    uint8_t set;   /* of SET, AHEAD, NOT_AHEAD */
    int16_t first; /* FORK and JUMP go here, counted from this step: a piece of code can be copied */
    int16_t other; /* FORK, when the first way fails */
} sk_split_step;

typedef struct sk_split_set {
    uint32_t kinds; /* a bit per kind of character */
    uint16_t range, n_ranges;
    bool negated;
} sk_split_set;

typedef struct sk_split_code {
    sk_split_step step[SK_SPLIT_CODE];
    sk_split_set set[SK_SPLIT_SETS];
    struct {
        uint32_t low, high;
    } range[SK_SPLIT_RANGES]; /* both ends belong to it */
    uint32_t n_steps, n_sets, n_ranges;
} sk_split_code;

skald_status sk_split_parse(sk_split_code *code, const char *expression, size_t n_bytes, skald_report *why);
#endif

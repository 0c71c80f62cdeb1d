/* Split expressions: the regular expressions that cut a text into words before the merges of a byte-level BPE.
 *
 * An expression becomes an automaton whose states are ordered lists of places in it, so that the first alternative wins
 * and repetition is greedy, as in a backtracking engine, but each character of a match is looked at once.
 *
 * Known: literals, \r \n \t, escaped punctuation, \s \S \d \D, \p{..} \P{..} with general categories, [..] [^..] with
 * ranges, (..) (?:..) (?i:..) over ASCII letters, (?=..) and (?!..) over one character, $ for the end of the text,
 * | ? * + {n} {n,} {n,m}. All else is refused by name: lazy and possessive repetition, scripts, backreferences. */
#ifndef SK_TEXT_SPLIT_H
#define SK_TEXT_SPLIT_H
#include "text/unicode.h"
#include <skald/skald.h>

#define SK_SPLIT_STATES   127u /* the top bit of a cell says that a match ends before the character */
#define SK_SPLIT_CELLS    2048u
#define SK_SPLIT_SEGMENTS 256u
#define SK_SPLIT_ROWS     8u

typedef struct sk_split {
    uint32_t n_states, n_classes; /* the last class is the end of the text */
    uint32_t n_segments;
    uint8_t ascii[128];                  /* class of a character below 128 */
    uint32_t segment[SK_SPLIT_SEGMENTS]; /* first code point of each; all of them share membership in ranges */
    uint8_t row[SK_SPLIT_SEGMENTS];      /* of a segment in class_of */
    uint8_t class_of[SK_SPLIT_ROWS][SK_UNICODE_N_KINDS];
    uint8_t next[SK_SPLIT_CELLS]; /* [n_states, n_classes]; state 0 is dead, state 1 the start */
} sk_split;

/* Compiles `n_bytes` of `expression`. UNSUPPORTED: a construct outside the list above, or too many states.
 * FORMAT: not an expression. Both name the byte. */
skald_status sk_split_compile(sk_split *split, const char *expression, size_t n_bytes, skald_report *why);

/* Bytes of the match that begins at `text`; 0: none does. Bytes that are not UTF-8 count as U+FFFD each. */
size_t sk_split_match(const sk_split *split, const uint8_t *text, size_t n_bytes);

/* Length of the first piece of `text` (n_bytes at least 1): a match, or what stands before the next match. */
size_t sk_split_piece(const sk_split *split, const uint8_t *text, size_t n_bytes);
#endif

/* Strings that end an answer, in a text that comes piece by piece: what may be the beginning of one is held back, and no
 * more. Each string is an automaton (Knuth, Morris, Pratt, 1977); held bytes are the beginning of a string, so they need no
 * memory of their own. */
#ifndef SK_DECODE_STOP_H
#define SK_DECODE_STOP_H
#include "base/memory.h"

#define SK_STOPS      8u
#define SK_STOP_BYTES 256u /* of all strings together */

typedef struct sk_stops {
    uint32_t n;
    uint16_t begin[SK_STOPS + 1];
    uint8_t bytes[SK_STOP_BYTES];
    uint16_t border[SK_STOP_BYTES]; /* longest proper beginning of a string that also ends its bytes up to here */
} sk_stops;

/* Zeroed before a text. */
typedef struct sk_stop_state {
    uint16_t matched[SK_STOPS]; /* bytes of each string that the text ends with */
} sk_stop_state;

/* Copies the strings. ARGUMENT: too many or too long, an empty one, or one that is not UTF-8; names it. */
skald_status sk_stops_set(sk_stops *s, const char *const *strings, uint32_t n, skald_report *why);
/* Takes n_bytes more of the text and writes what is safe to show into `out`, which has room for SK_STOP_BYTES + n_bytes.
 * -1, or the string that the text now holds: the one that ends first, of those that end together the longest; what comes
 * behind it is passed over. */
int32_t sk_stops_push(char *out, size_t *n_out, const sk_stops *s, sk_stop_state *state, const char *text,
                      size_t n_bytes);
/* The text is over: what was held back, at most SK_STOP_BYTES. */
size_t sk_stops_end(char *out, const sk_stops *s, const sk_stop_state *state);
#endif

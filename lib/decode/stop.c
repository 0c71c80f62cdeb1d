/* Stop strings in a text that comes piece by piece. */
#include "decode/stop.h"
#include "base/report.h"
#include "base/utf8.h"
#include <string.h>

static uint32_t length_of(const sk_stops *s, uint32_t i) { return (uint32_t)s->begin[i + 1] - s->begin[i]; }

/* The next state of string i at `matched` bytes when `byte` comes. */
static uint16_t advance(const sk_stops *s, uint32_t i, uint16_t matched, uint8_t byte) {
    const uint8_t *bytes = s->bytes + s->begin[i];
    const uint16_t *border = s->border + s->begin[i];
    while (matched && bytes[matched] != byte) matched = border[matched - 1];
    return (uint16_t)(matched + (bytes[matched] == byte));
}

static bool is_text(const char *string, size_t n_bytes) {
    for (size_t i = 0, n; i < n_bytes; i += n) {
        n = sk_utf8_length((const unsigned char *)string + i, n_bytes - i);
        if (n == 0) return false;
    }
    return true;
}

skald_status sk_stops_set(sk_stops *s, const char *const *strings, uint32_t n, skald_report *why) {
    memset(s, 0, sizeof *s);
    if (n > SK_STOPS || (n && !strings))
        return sk_fail(why, SKALD_ARGUMENT, "stops: %u strings, at most %u expected", n, SK_STOPS);
    for (uint32_t i = 0; i < n; i++) {
        const size_t length = strings[i] ? strlen(strings[i]) : 0, used = s->begin[i];
        if (length == 0 || length > SK_STOP_BYTES - used || !is_text(strings[i], length))
            return sk_fail(why, SKALD_ARGUMENT, "stops[%u]: UTF-8 is expected, 1 to %u bytes in all", i, SK_STOP_BYTES);
        memcpy(s->bytes + used, strings[i], length);
        s->begin[i + 1] = (uint16_t)(used + length);
        s->n = i + 1;
        for (uint32_t k = 1; k < length; k++)
            s->border[used + k] = advance(s, i, s->border[used + k - 1], s->bytes[used + k]);
    }
    return SKALD_OK;
}

/* The string of which most is matched: the held bytes are its beginning. */
static uint32_t longest(const sk_stops *s, const sk_stop_state *state) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < s->n; i++)
        if (state->matched[i] > state->matched[best]) best = i;
    return best;
}

/* One byte. Held bytes and the new one: what no string needs any more goes to `out`. */
static int32_t push_byte(char *out, size_t *n_out, const sk_stops *s, sk_stop_state *state, char byte) {
    const uint32_t holder = longest(s, state), n_held = state->matched[holder];
    int32_t met = -1;
    uint32_t keeps = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const uint32_t matched = state->matched[i] = advance(s, i, state->matched[i], (uint8_t)byte);
        const bool whole = matched == length_of(s, i);
        if (whole && (met < 0 || matched > length_of(s, (uint32_t)met))) met = (int32_t)i;
        if (matched > keeps) keeps = matched;
    }
    if (met >= 0) keeps = length_of(s, (uint32_t)met);
    const uint32_t gone = n_held + 1 - keeps, of_held = gone < n_held ? gone : n_held;
    memcpy(out + *n_out, s->bytes + s->begin[holder], of_held);
    if (gone > n_held) out[*n_out + n_held] = byte;
    *n_out += gone;
    return met;
}

int32_t sk_stops_push(char *out, size_t *n_out, const sk_stops *s, sk_stop_state *state, const char *text,
                      size_t n_bytes) {
    int32_t met = -1;
    *n_out = 0;
    if (s->n == 0) {
        memcpy(out, text, n_bytes);
        *n_out = n_bytes;
        return met;
    }
    for (size_t i = 0; i < n_bytes && met < 0; i++) met = push_byte(out, n_out, s, state, text[i]);
    return met;
}

size_t sk_stops_end(char *out, const sk_stops *s, const sk_stop_state *state) {
    if (s->n == 0) return 0;
    const uint32_t holder = longest(s, state), n_held = state->matched[holder];
    memcpy(out, s->bytes + s->begin[holder], n_held);
    return n_held;
}

/* JSON (RFC 8259) in memory, untrusted: one call checks the whole text, after it walking cannot fail. No memory is
 * asked for; a value is a place in the caller's bytes, which must stay as they are. */
#ifndef SK_FILE_JSON_H
#define SK_FILE_JSON_H
#include <skald/skald.h>
#include <stdbool.h>

#define SK_JSON_MAX_DEPTH 64u

typedef enum sk_json_kind {
    SK_JSON_NULL,
    SK_JSON_BOOL,
    SK_JSON_NUMBER,
    SK_JSON_TEXT,
    SK_JSON_LIST,
    SK_JSON_OBJECT,
} sk_json_kind;

typedef struct sk_json {
    const char *at;  /* first byte of the value; of a walk: where it goes on */
    const char *end; /* behind the text */
} sk_json;

/* FORMAT with a byte offset: not JSON, not UTF-8, or nested deeper than SK_JSON_MAX_DEPTH. */
skald_status sk_json_open(sk_json *root, const char *text, uint64_t n_bytes, skald_report *why);
sk_json_kind sk_json_kind_of(sk_json value);

/* Walks a list or an object:  sk_json walk = sk_json_begin(list);  while (sk_json_next(&walk, NULL, &value)) ...
 * Of other values there is nothing to walk. `key` may be NULL; in a list it is left alone. */
sk_json sk_json_begin(sk_json value);
bool sk_json_next(sk_json *walk, sk_json *key, sk_json *value);

/* The member of an object; of equal keys the last. ABSENT without a sentence: no such key, or not an object. */
skald_status sk_json_find(sk_json object, const char *key, sk_json *out);
/* Whether a text value says exactly this, escapes understood. */
bool sk_json_is(sk_json text, const char *what);

/* Members of an object by key. ABSENT without a sentence: no such key, or null. FORMAT naming the key: of another kind
 * or out of range. *out is then unchanged. */
skald_status sk_json_u32(sk_json object, const char *key, uint32_t *out, skald_report *why);
skald_status sk_json_i64(sk_json object, const char *key, int64_t *out, skald_report *why);
skald_status sk_json_double(sk_json object, const char *key, double *out, skald_report *why);
skald_status sk_json_bool(sk_json object, const char *key, bool *out, skald_report *why);
/* With a closing NUL; a NUL inside, or more than `room` bytes: FORMAT. */
skald_status sk_json_text(sk_json object, const char *key, char *out, size_t room, skald_report *why);

/* Values themselves; false: of another kind or out of range. A number with a fraction or exponent is an integer when
 * its value is one. */
bool sk_json_to_i64(sk_json value, int64_t *out);
/* The nearest double to the first 19 digits, whatever the locale. */
bool sk_json_to_double(sk_json value, double *out);
/* Unescaped UTF-8 without a closing NUL; returns the length needed, writes at most `room` bytes. Unpaired surrogates
 * become U+FFFD. 0 for other kinds. */
size_t sk_json_to_text(sk_json value, char *out, size_t room);
#endif

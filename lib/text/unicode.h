/* Characters: strict UTF-8 (RFC 3629), and the general category of every code point. */
#ifndef SK_TEXT_UNICODE_H
#define SK_TEXT_UNICODE_H
#include <stddef.h>
#include <stdint.h>

/* General categories in the order of the table that make_unicode.py writes. Zs, Zl, Zp and the control characters of
 * the last kind are what Unicode calls White_Space; the other control characters are Cc. */
/* clang-format off */
#define SK_UNICODE_KINDS(X)                                                                                            \
    X(Lu) X(Ll) X(Lt) X(Lm) X(Lo) X(Mn) X(Mc) X(Me) X(Nd) X(Nl) X(No) X(Pc) X(Pd) X(Ps) X(Pe) X(Pi) X(Pf) X(Po)        \
    X(Sm) X(Sc) X(Sk) X(So) X(Zs) X(Zl) X(Zp) X(Cc) X(Cf) X(Cs) X(Co) X(Cn)
/* clang-format on */
enum {
#define SK_UNICODE_ENUM(name) SK_UNICODE_##name,
    SK_UNICODE_KINDS(SK_UNICODE_ENUM)
#undef SK_UNICODE_ENUM
        SK_UNICODE_SPACE_CONTROL, /* U+0009 ... U+000D and U+0085 */
    SK_UNICODE_N_KINDS
};

#define SK_UTF8_INVALID 0xfffdu /* stands for a byte that is not part of any character */

/* The kind of `code`, which is below 0x110000. */
uint32_t sk_unicode_kind(uint32_t code);

/* The character at `bytes` (n of them, at least 1) and its length; a byte that begins no character has length 1. */
uint32_t sk_utf8_next(uint32_t *code, const uint8_t *bytes, size_t n);

/* Writes `code`, which is no surrogate, to `to` (NULL: nothing) and tells its length. */
uint32_t sk_utf8_put(uint8_t *to, uint32_t code);

/* Whether `byte` may follow the first `n` bytes (at least 1) of a character that is not complete. */
int sk_utf8_continues(const uint8_t *bytes, uint32_t n, uint8_t byte);

/* How many bytes a character has that begins with `lead`; 0: none does. */
uint32_t sk_utf8_needs(uint8_t lead);
#endif

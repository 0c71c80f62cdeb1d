/* Two things at once: brackets tell where the value ends, whatever else it holds, and a small automaton tells whether all of
 * it is JSON. */
#include "answer/value.h"
#include <string.h>

enum { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, BEHIND };
enum { NO_WORD, LITERAL, MINUS, ZERO, DIGITS, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, EXPONENT_DIGITS };

void sk_value_begin(sk_growing_value *v) { *v = (sk_growing_value){.want = VALUE}; }

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/* ---- texts */

static void check_escape(sk_growing_value *v, char byte) {
    if (v->n_hex) {
        v->wrong |= !is_hex(byte);
        v->n_hex--;
    } else if (v->escaped && byte == 'u') v->n_hex = 4;
    else if (v->escaped) v->wrong |= !byte || !strchr("\"\\/bfnrt", byte);
    else v->wrong |= (unsigned char)byte < 0x20;
}

static sk_value_step text_byte(sk_growing_value *v, char byte) {
    const bool ends = byte == '"' && !v->escaped;
    if (ends) v->wrong |= v->n_hex > 0;
    else check_escape(v, byte);
    v->escaped = byte == '\\' && !v->escaped;
    if (!ends) return SK_VALUE_IN;
    v->in_text = false;
    v->want = v->want == KEY || v->want == KEY_OR_END ? COLON : BEHIND;
    return v->depth ? SK_VALUE_IN : SK_VALUE_LAST;
}

/* ---- numbers, true, false, null */

static void begin_word(sk_growing_value *v, char byte) {
    v->wrong |= v->want != VALUE && v->want != VALUE_OR_END;
    v->want = BEHIND;
    v->word = byte == '-' ? MINUS : byte == '0' ? ZERO : is_digit(byte) ? DIGITS : LITERAL;
    v->rest = byte == 't' ? "rue" : byte == 'f' ? "alse" : byte == 'n' ? "ull" : NULL;
    if (v->word == LITERAL && !v->rest) v->wrong = true, v->rest = "";
}

/* The part of a number that goes on with this byte; NO_WORD: none does. */
static uint8_t number_part(uint8_t part, char byte) {
    const bool e = byte == 'e' || byte == 'E', digit = is_digit(byte);
    switch (part) {
    case MINUS: return byte == '0' ? ZERO : digit ? DIGITS : NO_WORD;
    case ZERO: return byte == '.' ? POINT : e ? EXPONENT : NO_WORD;
    case DIGITS: return digit ? DIGITS : byte == '.' ? POINT : e ? EXPONENT : NO_WORD;
    case POINT: return digit ? FRACTION : NO_WORD;
    case FRACTION: return digit ? FRACTION : e ? EXPONENT : NO_WORD;
    case EXPONENT: return digit ? EXPONENT_DIGITS : byte == '+' || byte == '-' ? EXPONENT_SIGN : NO_WORD;
    default: return digit ? EXPONENT_DIGITS : NO_WORD;
    }
}

static void word_byte(sk_growing_value *v, char byte) {
    if (v->word == LITERAL) {
        if (*v->rest == byte && byte) v->rest++;
        else v->wrong = true;
        return;
    }
    v->word = number_part(v->word, byte);
    if (v->word == NO_WORD) v->wrong = true, v->word = LITERAL, v->rest = "";
}

static bool word_is_whole(const sk_growing_value *v) {
    if (v->word == LITERAL) return *v->rest == 0;
    return v->word == NO_WORD || v->word == ZERO || v->word == DIGITS || v->word == FRACTION ||
           v->word == EXPONENT_DIGITS;
}

static void end_word(sk_growing_value *v) {
    v->wrong |= !word_is_whole(v);
    v->word = NO_WORD;
}

/* ---- brackets, commas, colons */

static void open_bracket(sk_growing_value *v, bool object) {
    v->wrong |= (v->want != VALUE && v->want != VALUE_OR_END) || v->depth >= SK_VALUE_DEPTH;
    v->is_object = v->is_object << 1 | object;
    v->want = object ? KEY_OR_END : VALUE_OR_END;
    v->depth++;
}

static sk_value_step close_bracket(sk_growing_value *v, bool object) {
    v->wrong |= (v->want != BEHIND && v->want != (object ? KEY_OR_END : VALUE_OR_END)) || (v->is_object & 1) != object;
    v->is_object >>= 1;
    v->want = BEHIND;
    return --v->depth ? SK_VALUE_IN : SK_VALUE_LAST;
}

static void sign_byte(sk_growing_value *v, char byte) {
    v->wrong |= v->want != (byte == ':' ? COLON : BEHIND) || !v->depth;
    v->want = byte == ':' || !(v->is_object & 1) ? VALUE : KEY;
}

sk_value_step sk_value_byte(sk_growing_value *v, char byte) {
    if (v->in_text) return text_byte(v, byte);
    const bool closes = byte == '}' || byte == ']', ends = closes || byte == ',' || is_space(byte);
    const bool sign = strchr("\"{[]}:, \t\n\r", byte) != NULL && byte;
    if (v->word && sign) end_word(v);
    if (!v->depth && ends) {
        v->wrong |= v->want == VALUE && !is_space(byte); /* nothing has come, and nothing will */
        return SK_VALUE_BEHIND;
    }
    if (byte == '"') {
        v->wrong |= v->want == COLON || v->want == BEHIND;
        v->in_text = true;
    } else if (byte == '{' || byte == '[') open_bracket(v, byte == '{');
    else if (closes) return close_bracket(v, byte == '}');
    else if (byte == ',' || byte == ':') sign_byte(v, byte);
    else if (v->word) word_byte(v, byte);
    else if (!is_space(byte)) begin_word(v, byte);
    return SK_VALUE_IN;
}

bool sk_value_whole(const sk_growing_value *v) {
    if (!v->wrong && !v->depth && !v->in_text && v->want == VALUE) return true;
    return !v->wrong && !v->depth && !v->in_text && v->want == BEHIND && word_is_whole(v);
}

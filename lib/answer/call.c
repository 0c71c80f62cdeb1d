/* Objects of calls. Only what has to be known is looked at: keys, the name, and where values end. */
#include "answer/call.h"
#include <string.h>

enum { BEGIN, KEY_OR_END, KEY, COLON, VALUE, NAME, ARGUMENTS, OTHER, BEHIND, BETWEEN };

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

void sk_call_begin(sk_call *c) { *c = (sk_call){.state = BEGIN}; }

/* ---- an object */

static bool key_is(const sk_call *c, const char *what) {
    return c->n_key == strlen(what) && memcmp(c->key, what, c->n_key) == 0;
}

static sk_call_step begin_value(sk_call *c, char byte) {
    sk_value_begin(&c->value);
    if (key_is(c, "name") && byte == '"') {
        c->state = NAME, c->name[0] = '"', c->n_name = 1, c->escaped = false;
        return SK_CALL_MORE;
    }
    const bool arguments = key_is(c, "arguments") || key_is(c, "parameters");
    if (arguments && (!c->named || c->argued)) return SK_CALL_WRONG; /* whose arguments are they, and which? */
    c->argued |= arguments;
    c->state = arguments ? ARGUMENTS : OTHER;
    return sk_call_byte(c, byte);
}

static sk_call_step name_byte(sk_call *c, char byte) {
    if (c->n_name == SK_CALL_NAME) return SK_CALL_WRONG;
    c->name[c->n_name++] = byte;
    if (byte == '"' && !c->escaped) return c->state = BEHIND, c->named = true, SK_CALL_NAMED;
    c->escaped = byte == '\\' && !c->escaped;
    return SK_CALL_MORE;
}

static sk_call_step end_object(sk_call *c) {
    if (!c->named) return SK_CALL_WRONG;
    c->state = BETWEEN;
    return SK_CALL_ENDED;
}

static sk_call_step value_step(sk_call *c, char byte) {
    const sk_call_step in = c->state == ARGUMENTS ? SK_CALL_ARGUMENT : SK_CALL_MORE;
    const sk_value_step step = sk_value_byte(&c->value, byte);
    if (step == SK_VALUE_IN) return in;
    if (c->state == ARGUMENTS) c->wrong = !sk_value_whole(&c->value);
    c->state = BEHIND;
    return step == SK_VALUE_LAST ? in : sk_call_byte(c, byte);
}

sk_call_step sk_call_byte(sk_call *c, char byte) {
    if (c->state == NAME) return name_byte(c, byte);
    if (c->state == ARGUMENTS || c->state == OTHER) return value_step(c, byte);
    if (c->state == KEY) {
        if (byte == '"') return c->state = COLON, SK_CALL_MORE;
        if (c->n_key < sizeof c->key) c->key[c->n_key++] = byte;
        return SK_CALL_MORE;
    }
    if (is_space(byte)) return SK_CALL_MORE;
    switch (c->state) {
    case BEGIN:
        if (byte == '[' && !c->list) return c->list = true, SK_CALL_MORE;
        if (byte != '{') return SK_CALL_WRONG;
        return c->state = KEY_OR_END, SK_CALL_MORE;
    case KEY_OR_END:
        if (byte == '"') return c->state = KEY, c->n_key = 0, SK_CALL_MORE;
        return byte == '}' ? end_object(c) : SK_CALL_WRONG;
    case COLON: return byte == ':' ? (c->state = VALUE, SK_CALL_MORE) : SK_CALL_WRONG;
    case VALUE: return begin_value(c, byte);
    case BEHIND:
        if (byte == ',') return c->state = KEY_OR_END, SK_CALL_MORE;
        return byte == '}' ? end_object(c) : SK_CALL_WRONG;
    default: /* BETWEEN objects of a list */
        if (c->list && byte == ',') return c->state = BEGIN, c->named = c->argued = c->wrong = false, SK_CALL_MORE;
        return c->list && byte == ']' ? SK_CALL_OVER : SK_CALL_WRONG;
    }
}

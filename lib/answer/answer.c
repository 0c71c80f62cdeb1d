/* Modes and events. A byte either ends a tag, waits in one that may yet come, or is said in the mode of the moment. */
#include "answer/answer.h"
#include "file/json.h"
#include <string.h>

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* ---- saying */

static void tell(sk_answer *a, skald_answer_event kind, const char *text, size_t n) {
    if (!a->stopped && a->say(a->user, kind, text, n) != 0) a->stopped = true;
}

static void flush(sk_answer *a) {
    if (a->n_out) tell(a, a->kind, a->out, a->n_out);
    a->n_out = 0;
}

/* What was pushed as whole characters is said as whole characters. */
static void say(sk_answer *a, skald_answer_event kind, char byte) {
    const bool begins = ((unsigned char)byte & 0xc0) != 0x80, full = a->n_out + 4u > SK_ANSWER_OUT;
    if (a->n_out && (a->kind != kind || (full && begins) || a->n_out == SK_ANSWER_OUT)) flush(a);
    a->kind = kind;
    a->out[a->n_out++] = byte;
}

static void say_all(sk_answer *a, skald_answer_event kind, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) say(a, kind, text[i]);
}

static void open_call(sk_answer *a, const char *name, size_t n) {
    while (n && is_space(name[n - 1])) n--;
    for (; n && is_space(*name); n--) name++;
    flush(a);
    tell(a, SKALD_ANSWER_CALL, name, n);
    a->in_call = true;
    a->n_held = 0;
}

/* Whether what was said of the arguments is JSON. Code is spelled as JSON here. */
static bool is_whole(const sk_answer *a) {
    if (a->mode == SK_MODE_OBJECT) return !a->call.wrong;
    return a->mode == SK_MODE_CODE || sk_value_whole(&a->call.value);
}

static void end_call(sk_answer *a) {
    flush(a);
    if (a->in_call && is_whole(a)) tell(a, SKALD_ANSWER_CALL_END, "", 0);
    a->in_call = false;
}

static void enter(sk_answer *a, sk_mode mode) {
    a->mode = mode;
    a->skip_space = mode == SK_MODE_REASONING || mode == SK_MODE_ARGUMENTS || mode == SK_MODE_RAW;
    a->whole = a->skip_brackets = false;
    a->n_name = 0;
}

static void enter_behind_call(sk_answer *a) {
    enter(a, SK_MODE_BETWEEN);
    a->skip_brackets = true;
}

/* ---- the head of a call: kept until its name is known, for it may be none */

static void give_up(sk_answer *a) {
    const uint32_t n = a->n_held;
    a->n_held = 0;
    enter(a, SK_MODE_CONTENT);
    say_all(a, SKALD_ANSWER_CONTENT, a->held, n);
}

/* False: there is no room for more, and the head was content. */
static bool hold(sk_answer *a, char byte) {
    if (a->n_held == SK_ANSWER_HELD) {
        give_up(a);
        say(a, SKALD_ANSWER_CONTENT, byte);
        return false;
    }
    a->held[a->n_held++] = byte;
    return true;
}

/* A name in JSON's spelling. */
static bool open_spelled(sk_answer *a) {
    char name[SK_CALL_NAME];
    sk_json value;
    if (sk_json_open(&value, a->call.name, a->call.n_name, NULL) != SKALD_OK) return false;
    open_call(a, name, sk_json_to_text(value, name, sizeof name));
    return true;
}

static void object_byte(sk_answer *a, char byte) {
    if (!a->in_call && !hold(a, byte)) return;
    switch (sk_call_byte(&a->call, byte)) {
    case SK_CALL_NAMED:
        if (a->in_call) return; /* said twice */
        if (!open_spelled(a)) give_up(a);
        return;
    case SK_CALL_ARGUMENT: say(a, SKALD_ANSWER_ARGUMENTS, byte); return;
    case SK_CALL_ENDED:
        end_call(a);
        a->n_held = 0;
        if (!a->call.list) enter_behind_call(a);
        return;
    case SK_CALL_OVER:
        a->n_held = 0;
        enter_behind_call(a);
        return;
    case SK_CALL_WRONG:
        if (!a->in_call) {
            give_up(a);
            return;
        }
        a->in_call = false; /* it is never said to have ended */
        enter_behind_call(a);
        return;
    default: return;
    }
}

/* ---- forms without an object */

static void code_byte(sk_answer *a, char byte) {
    static const char hex[] = "0123456789abcdef";
    const unsigned char c = (unsigned char)byte;
    if (c == '\n') say_all(a, SKALD_ANSWER_ARGUMENTS, "\\n", 2);
    else if (c == '"' || c == '\\') say(a, SKALD_ANSWER_ARGUMENTS, '\\'), say(a, SKALD_ANSWER_ARGUMENTS, byte);
    else if (c < ' ') {
        const char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        say_all(a, SKALD_ANSWER_ARGUMENTS, escape, sizeof escape);
    } else say(a, SKALD_ANSWER_ARGUMENTS, byte);
}

static void open_code(sk_answer *a) {
    open_call(a, "python", 6);
    say_all(a, SKALD_ANSWER_ARGUMENTS, "{\"code\": \"", 10);
    enter(a, SK_MODE_CODE);
}

static void opened_byte(sk_answer *a, char byte) {
    if (is_space(byte)) {
        hold(a, byte);
        return;
    }
    const bool object = byte == '{' || byte == '[';
    if (object) {
        sk_call_begin(&a->call);
        enter(a, SK_MODE_OBJECT);
        object_byte(a, byte);
    } else if (sk_answer_bare(a->family)) {
        open_code(a);
        code_byte(a, byte);
    } else if (a->held[0] == '[') {
        enter(a, SK_MODE_NAME);
        if (hold(a, byte)) a->name[a->n_name++] = byte;
    } else if (hold(a, byte)) give_up(a);
}

static void name_byte(sk_answer *a, char byte) {
    if (!hold(a, byte)) return;
    if (a->n_name == SK_CALL_NAME) give_up(a);
    else a->name[a->n_name++] = byte;
}

static void open_arguments(sk_answer *a) {
    open_call(a, a->name, a->n_name);
    sk_value_begin(&a->call.value);
    enter(a, SK_MODE_ARGUMENTS);
}

static void open_fence(sk_answer *a) {
    open_call(a, a->name, a->n_name);
    sk_value_begin(&a->call.value);
    enter(a, SK_MODE_FENCE);
}

static void arguments_byte(sk_answer *a, char byte) {
    if (a->skip_space && is_space(byte)) return;
    a->skip_space = false;
    const sk_value_step step = sk_value_byte(&a->call.value, byte);
    if (step != SK_VALUE_BEHIND) say(a, SKALD_ANSWER_ARGUMENTS, byte);
    if (step == SK_VALUE_IN) return;
    end_call(a);
    enter_behind_call(a);
}

/* V3 says "function", then the name and a fence of JSON on lines of their own; V3.1 has said the name already. */
static void line_byte(sk_answer *a, char byte) {
    if (byte == '{') {
        open_arguments(a);
        arguments_byte(a, byte);
        return;
    }
    if (!hold(a, byte) || (is_space(byte) && !a->skip_space)) return;
    if (byte == '\n') open_fence(a);
    else if (!a->skip_space) {
        a->n_name = 0;
        a->skip_space = true; /* the line has begun */
        a->name[a->n_name++] = byte;
    } else if (a->n_name == SK_CALL_NAME) give_up(a);
    else a->name[a->n_name++] = byte;
}

static void fence_byte(sk_answer *a, char byte) {
    if (byte != '{') return;
    enter(a, SK_MODE_ARGUMENTS);
    arguments_byte(a, byte);
}

/* ---- harmony: a header of words; behind the mark 1 stands the channel */

static const char *find(const sk_answer *a, const char *what) {
    const size_t n = strlen(what);
    for (uint32_t i = 0; i + n <= a->n_held; i++)
        if (memcmp(a->held + i, what, n) == 0) return a->held + i + n;
    return NULL;
}

static size_t word(const sk_answer *a, const char *at) {
    size_t n = 0;
    while (at + n < a->held + a->n_held && !is_space(at[n]) && at[n] != 1) n++;
    return n;
}

static void end_header(sk_answer *a) {
    const char *to = find(a, "to="), *channel = find(a, "\1");
    if (to) {
        size_t n = word(a, to);
        if (n > 10 && memcmp(to, "functions.", 10) == 0) to += 10, n -= 10;
        open_call(a, to, n);
        sk_value_begin(&a->call.value);
        enter(a, SK_MODE_RAW);
    } else {
        const bool thinks = channel && word(a, channel) == 8 && memcmp(channel, "analysis", 8) == 0;
        enter(a, thinks ? SK_MODE_REASONING : SK_MODE_CONTENT);
        a->skip_space = false;
    }
    a->n_held = 0;
}

/* The tag that ends it may be one that ends the whole answer, which nobody pushes: the value itself tells. */
static void raw_byte(sk_answer *a, char byte) {
    if (a->skip_space && is_space(byte)) return;
    a->skip_space = false;
    say(a, SKALD_ANSWER_ARGUMENTS, byte);
    const sk_value_step step = a->whole ? SK_VALUE_BEHIND : sk_value_byte(&a->call.value, byte);
    a->whole |= step == SK_VALUE_LAST;
    if (step == SK_VALUE_BEHIND) a->call.value.wrong |= !is_space(byte);
}

/* ---- a byte, a tag */

static void text_byte(sk_answer *a, char byte) {
    const bool space = is_space(byte);
    switch (a->mode) {
    case SK_MODE_START:
        if (space && a->n_held < 64) {
            a->held[a->n_held++] = byte;
            return;
        }
        if (byte == '{' && sk_answer_bare(a->family)) {
            opened_byte(a, byte);
            return;
        }
        give_up(a);
        say(a, SKALD_ANSWER_CONTENT, byte);
        return;
    case SK_MODE_REASONING:
        if (space && a->skip_space) return;
        a->skip_space = false;
        say(a, SKALD_ANSWER_REASONING, byte);
        return;
    case SK_MODE_BETWEEN:
        if (space || (a->skip_brackets && (byte == '}' || byte == ']'))) return;
        enter(a, SK_MODE_CONTENT);
        say(a, SKALD_ANSWER_CONTENT, byte);
        return;
    case SK_MODE_OPENED: opened_byte(a, byte); return;
    case SK_MODE_OBJECT: object_byte(a, byte); return;
    case SK_MODE_NAME: name_byte(a, byte); return;
    case SK_MODE_LINE: line_byte(a, byte); return;
    case SK_MODE_FENCE: fence_byte(a, byte); return;
    case SK_MODE_ARGUMENTS: arguments_byte(a, byte); return;
    case SK_MODE_CODE: code_byte(a, byte); return;
    case SK_MODE_HEADER:
        if (a->n_held < SK_ANSWER_HELD) a->held[a->n_held++] = byte;
        return;
    case SK_MODE_RAW: raw_byte(a, byte); return;
    default: say(a, SKALD_ANSWER_CONTENT, byte); return;
    }
}

static void act(sk_answer *a, sk_action action) {
    switch (action) {
    case SK_ACT_THINK:
        a->n_held = 0;
        enter(a, SK_MODE_REASONING);
        return;
    case SK_ACT_THOUGHT: enter(a, SK_MODE_BETWEEN); return;
    case SK_ACT_CALL:
    case SK_ACT_NAME:
        a->n_held = a->n_tag;
        memcpy(a->held, a->tag, a->n_tag);
        enter(a, action == SK_ACT_CALL ? SK_MODE_OPENED : SK_MODE_NAME);
        return;
    case SK_ACT_LINE:
        a->mode = SK_MODE_LINE;
        a->skip_space = false;
        return;
    case SK_ACT_ARGUMENTS: open_arguments(a); return;
    case SK_ACT_FENCE: open_fence(a); return;
    case SK_ACT_CLOSE:
        end_call(a);
        a->n_held = 0;
        enter(a, SK_MODE_BETWEEN);
        return;
    case SK_ACT_HEADER:
        end_call(a);
        a->n_held = 0;
        enter(a, SK_MODE_HEADER);
        if (a->tag[2] == 'c') text_byte(a, 1);
        return;
    case SK_ACT_CHANNEL: text_byte(a, 1); return;
    case SK_ACT_SPACE: text_byte(a, ' '); return;
    case SK_ACT_MESSAGE: end_header(a); return;
    default: return;
    }
}

/* Bytes that no longer begin a tag are said, the oldest first. */
static void settle(sk_answer *a) {
    while (a->n_tag) {
        bool longer;
        const sk_action action = sk_answer_tag(a->family, a->mode, a->tag, a->n_tag, &longer);
        if (longer) return;
        if (action) {
            act(a, action);
            a->n_tag = 0;
            return;
        }
        const char first = a->tag[0];
        memmove(a->tag, a->tag + 1, --a->n_tag);
        text_byte(a, first);
    }
}

void sk_answer_begin(sk_answer *a, uint32_t family, bool reasoning, skald_answer_fn say_to, void *user) {
    *a = (sk_answer){.family = family, .say = say_to, .user = user};
    enter(a, reasoning ? SK_MODE_REASONING : SK_MODE_START);
}

void sk_answer_push(sk_answer *a, const char *text, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes && !a->stopped; i++) {
        a->tag[a->n_tag++] = text[i];
        settle(a);
    }
    flush(a);
}

/* What waited for more is what it is; a call that was not whole is never said to have ended. */
void sk_answer_end(sk_answer *a) {
    for (uint32_t i = 0; i < a->n_tag; i++) text_byte(a, a->tag[i]);
    a->n_tag = 0;
    if (a->mode == SK_MODE_CODE) {
        say_all(a, SKALD_ANSWER_ARGUMENTS, "\"}", 2);
        end_call(a);
    } else if (a->mode == SK_MODE_RAW && a->whole) end_call(a);
    else if (a->n_held && a->mode != SK_MODE_HEADER) give_up(a);
    flush(a);
    tell(a, SKALD_ANSWER_END, "", 0);
}

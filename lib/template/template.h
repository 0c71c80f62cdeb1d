/* Chat templates: the part of Jinja that models' templates use, compiled once and run on a caller's conversation.
 *
 *     template text ─ lexer ─ compiler ─▶ code          once, one block
 *     conversation (JSON) ─▶ values ─ machine(code) ─▶ text, and of each byte where it came from
 *
 * Every byte that is written knows whether the template or the conversation said it, through all that a template does
 * with texts: a message that spells a control token can be encoded as what it is, words of a stranger. */
#ifndef SK_TEMPLATE_TEMPLATE_H
#define SK_TEMPLATE_TEMPLATE_H
#include "base/memory.h"

#define SK_TEMPLATE_MAX_BYTES (256u << 10)

typedef struct sk_template sk_template;

/* Compiles. FORMAT or UNSUPPORTED with line and column: what is wrong, or not offered. The text is copied. */
skald_status sk_template_create(sk_template **out, const skald_allocator *memory, const char *text, size_t n_bytes,
                                skald_report *why);
void sk_template_free(sk_template *t, const skald_allocator *memory);

/* A variable of the host, e.g. bos_token: its text counts as the template's own. */
typedef struct sk_template_variable {
    const char *name;
    const char *text; /* NULL: undefined */
    size_t n_bytes;
} sk_template_variable;

/* Zero limits are the defaults. */
typedef struct sk_template_input {
    const char *json; /* an object of variables: messages, tools, ...; may be empty */
    size_t n_json_bytes;
    const skald_message *messages; /* become `messages` where the JSON has none */
    uint32_t n_messages;
    const sk_template_variable *variables;
    uint32_t n_variables;
    uint32_t open;         /* add_generation_prompt */
    int64_t local_seconds; /* for strftime_now; 0: there is none */
    uint64_t n_steps_most, n_bytes_most;
} sk_template_input;

typedef struct sk_template_output {
    const char *text;
    const uint8_t *from_data; /* [n_bytes] 1: of the conversation, 0: of the template */
    size_t n_bytes;
    struct sk_arena_chunk *chunks; /* what it lies in */
} sk_template_output;

/* ARGUMENT: the template refuses the conversation (raise_exception), or the JSON is no object of variables. FORMAT: the
 * template cannot be run on it, or a limit is reached; UNSUPPORTED; MEMORY. Sentences name line and column. */
skald_status sk_template_run(sk_template_output *out, const sk_template *t, const skald_allocator *memory,
                             const sk_template_input *input, skald_report *why);
void sk_template_output_free(sk_template_output *out, const skald_allocator *memory);
#endif

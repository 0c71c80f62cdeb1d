/* Layouts of conversations: what stands around a message's role and text. */
#ifndef SK_TEXT_CHAT_H
#define SK_TEXT_CHAT_H
#include <skald/skald.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct sk_chat {
    const char *marker; /* a template that holds this text and none of the rows above it has this layout */
    const char *begin;  /* before the first message */
    const char *before_role, *after_role, *after_text;
    const char *default_system; /* said where the first message is not a system's; NULL: nothing is */
    const char *end_of_turn;    /* the token that ends an answer */
    bool trim;                  /* white space around a text is left out */
} sk_chat;

/* NULL: no known layout. */
const sk_chat *sk_chat_find(const char *template_text, size_t n_bytes);

/* All messages in this layout, by the contract of skald_chat_format; `chat` may be NULL. `stranger`, as long as `text`, may be
 * NULL: 1 where a message speaks. */
skald_status sk_chat_format(char *text, uint8_t *stranger, size_t *n_bytes, const sk_chat *chat, uint32_t open,
                            const skald_message *messages, uint32_t n_messages);
#endif

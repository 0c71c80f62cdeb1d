/* The layouts that are known, and writing a conversation in one of them. */
#include "text/chat.h"
#include <string.h>

#define CHATML "", "<|im_start|>", "\n", "<|im_end|>\n"
#define LLAMA3 "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>"

/* A row with a default message is found by that message, so it stands above the plain row of its layout. */
static const sk_chat layouts[] = {
    {"You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>", CHATML,
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face", "<|im_end|>", false},
    {"You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", CHATML,
     "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "<|im_end|>", false},
    {"<|im_start|>system\nYou are a helpful assistant.<|im_end|>", CHATML, "You are a helpful assistant.", "<|im_end|>",
     false},
    {"<|im_start|>system\\nYou are a helpful assistant.<|im_end|>", CHATML, "You are a helpful assistant.",
     "<|im_end|>", false},
    {"<|im_start|>", CHATML, NULL, "<|im_end|>", false},
    {"<|start_header_id|>", LLAMA3, NULL, "<|eot_id|>", true},
};

static bool holds(const char *text, size_t n_bytes, const char *part) {
    size_t n = strlen(part);
    for (size_t i = 0; n <= n_bytes && i <= n_bytes - n; i++)
        if (text[i] == part[0] && memcmp(text + i, part, n) == 0) return true;
    return false;
}

const sk_chat *sk_chat_find(const char *template_text, size_t n_bytes) {
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (holds(template_text, n_bytes, layouts[i].marker)) return layouts + i;
    return NULL;
}

typedef struct {
    char *text;
    uint8_t *stranger;
    size_t room, length;
} writer;

static void put_from(writer *w, const char *text, size_t n, bool stranger) {
    const size_t left = w->length < w->room ? w->room - w->length : 0, fits = n < left ? n : left;
    if (fits) memcpy(w->text + w->length, text, fits);
    if (fits && w->stranger) memset(w->stranger + w->length, stranger, fits);
    w->length += n;
}

static void put(writer *w, const char *text, size_t n) { put_from(w, text, n, false); }

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void put_message(writer *w, const sk_chat *chat, const char *role, const char *text) {
    size_t n = strlen(text);
    for (; chat->trim && n > 0 && is_space(text[n - 1]); n--) continue;
    for (; chat->trim && n > 0 && is_space(text[0]); n--) text++;
    put(w, chat->before_role, strlen(chat->before_role));
    put_from(w, role, strlen(role), true);
    put(w, chat->after_role, strlen(chat->after_role));
    put_from(w, text, n, true);
    put(w, chat->after_text, strlen(chat->after_text));
}

skald_status sk_chat_format(char *text, uint8_t *stranger, size_t *n_bytes, const sk_chat *chat, uint32_t open,
                            const skald_message *messages, uint32_t n_messages) {
    if (!n_bytes || (!text && *n_bytes) || (!messages && n_messages) || open > 1) return SKALD_ARGUMENT;
    for (uint32_t i = 0; i < n_messages; i++)
        if (!messages[i].role || !messages[i].text) return SKALD_ARGUMENT;
    if (!chat) return SKALD_UNSUPPORTED;
    writer w = {text, stranger, *n_bytes, 0};
    put(&w, chat->begin, strlen(chat->begin));
    if (n_messages > 0 && chat->default_system && strcmp(messages[0].role, "system") != 0)
        put_message(&w, chat, "system", chat->default_system);
    for (uint32_t i = 0; i < n_messages; i++) put_message(&w, chat, messages[i].role, messages[i].text);
    if (open) {
        put(&w, chat->before_role, strlen(chat->before_role));
        put(&w, "assistant", strlen("assistant"));
        put(&w, chat->after_role, strlen(chat->after_role));
    }
    bool fits = w.length <= *n_bytes;
    *n_bytes = w.length;
    return fits ? SKALD_OK : SKALD_SHORT;
}

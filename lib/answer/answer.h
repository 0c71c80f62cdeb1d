/* The way back: what a model writes becomes content, reasoning and calls of tools while it is written.
 *
 *     text ─ tags of the family ─▶ mode ─▶ events
 *
 * A byte goes through once. What may become a tag, or the head of a call that may yet be none, waits in two small
 * buffers; nothing else is kept, so the memory is fixed and a text may be cut anywhere. */
#ifndef SK_ANSWER_ANSWER_H
#define SK_ANSWER_ANSWER_H
#include "answer/call.h"

#define SK_ANSWER_TAG  40u  /* bytes of the longest tag, at least */
#define SK_ANSWER_HELD 640u /* of a call's head: its tag, its name and what stands around */
#define SK_ANSWER_OUT  512u

typedef enum sk_mode {
    SK_MODE_START,   /* nothing but white space yet */
    SK_MODE_CONTENT, /* text for the reader */
    SK_MODE_REASONING,
    SK_MODE_BETWEEN,   /* behind a call or a message: white space means nothing */
    SK_MODE_OPENED,    /* behind a tag of calls: the next byte tells which form */
    SK_MODE_OBJECT,    /* {"name": ..., "arguments": ...}, alone or in a list */
    SK_MODE_NAME,      /* a bare name, until a tag */
    SK_MODE_LINE,      /* DeepSeek V3: the name fills a line */
    SK_MODE_FENCE,     /* up to the arguments */
    SK_MODE_ARGUMENTS, /* a JSON value behind a bare name */
    SK_MODE_CODE,      /* Llama 3: code for its interpreter, written as {"code": "..."} */
    SK_MODE_HEADER,    /* harmony: who speaks to whom */
    SK_MODE_RAW,       /* harmony: arguments until a tag */
} sk_mode;

typedef struct sk_answer {
    skald_answer_fn say;
    void *user;
    uint32_t family; /* a bit of families.c */
    sk_mode mode;
    bool in_call, skip_space, stopped;
    bool skip_brackets; /* behind a call: models close one too many */
    bool whole;         /* harmony: the arguments' value has ended */
    sk_call call;
    skald_answer_event kind; /* of what is in out */
    uint32_t n_tag, n_held, n_out, n_name;
    char tag[SK_ANSWER_TAG], held[SK_ANSWER_HELD], out[SK_ANSWER_OUT], name[SK_CALL_NAME];
} sk_answer;

typedef enum sk_action {
    SK_ACT_NONE,
    SK_ACT_THINK,
    SK_ACT_THOUGHT,
    SK_ACT_CALL,
    SK_ACT_NAME,
    SK_ACT_LINE,
    SK_ACT_ARGUMENTS,
    SK_ACT_FENCE,
    SK_ACT_CLOSE,
    SK_ACT_HEADER,
    SK_ACT_CHANNEL,
    SK_ACT_SPACE,
    SK_ACT_MESSAGE,
} sk_action;

/* The bit of a family by its name, or of the one whose marks a template bears; 0: no such name. */
uint32_t sk_answer_family(const char *name);
uint32_t sk_answer_detect(const char *template_text, size_t n_bytes);
/* The name of a family's bit. */
const char *sk_answer_name(uint32_t family);
/* What `text` does in this family and mode. *longer: it begins a longer tag too. */
sk_action sk_answer_tag(uint32_t family, sk_mode mode, const char *text, uint32_t n, bool *longer);
/* Whether a call needs no tag: an answer that begins with a brace (Llama 3). */
bool sk_answer_bare(uint32_t family);

void sk_answer_begin(sk_answer *a, uint32_t family, bool reasoning, skald_answer_fn say, void *user);
void sk_answer_push(sk_answer *a, const char *text, size_t n_bytes);
void sk_answer_end(sk_answer *a);
#endif

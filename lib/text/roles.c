#include "text/roles.h"
#include <string.h>

/* The first row of a role that is there gives its id. */
static const struct {
    skald_token_role role;
    const char *text;
} roles[] = {
    {SKALD_TOKEN_BOS, "<s>"},
    {SKALD_TOKEN_BOS, "<bos>"},
    {SKALD_TOKEN_BOS, "[CLS]"},
    {SKALD_TOKEN_EOS, "</s>"},
    {SKALD_TOKEN_EOS, "<eos>"},
    {SKALD_TOKEN_UNKNOWN, "<unk>"},
    {SKALD_TOKEN_UNKNOWN, "[UNK]"},
    {SKALD_TOKEN_SEPARATOR, "[SEP]"},
    {SKALD_TOKEN_PADDING, "<pad>"},
    {SKALD_TOKEN_PADDING, "[PAD]"},
    {SKALD_TOKEN_END_OF_TURN, "<|eot_id|>"},
    {SKALD_TOKEN_END_OF_TURN, "<|im_end|>"},
    {SKALD_TOKEN_END_OF_TURN, "<end_of_turn>"},
    {SKALD_TOKEN_END_OF_TURN, "<turn|>"},
    {SKALD_TOKEN_END_OF_TURN, "<|return|>"},
    {SKALD_TOKEN_END_OF_TURN, "<|end|>"},
    {SKALD_TOKEN_END_OF_TURN, "<end_of_utterance>"},
    {SKALD_TOKEN_END_OF_TURN, "[EOT]"},
    {SKALD_TOKEN_END_OF_MESSAGE, "<|eom_id|>"},
    {SKALD_TOKEN_FIM_PREFIX, "<|fim_prefix|>"},
    {SKALD_TOKEN_FIM_PREFIX, "<fim_prefix>"},
    {SKALD_TOKEN_FIM_PREFIX, "<fim-prefix>"},
    {SKALD_TOKEN_FIM_PREFIX, "<｜fim▁begin｜>"},
    {SKALD_TOKEN_FIM_PREFIX, "<|code_prefix|>"},
    {SKALD_TOKEN_FIM_PREFIX, "<PRE>"},
    {SKALD_TOKEN_FIM_PREFIX, "▁<PRE>"},
    {SKALD_TOKEN_FIM_SUFFIX, "<|fim_suffix|>"},
    {SKALD_TOKEN_FIM_SUFFIX, "<fim_suffix>"},
    {SKALD_TOKEN_FIM_SUFFIX, "<fim-suffix>"},
    {SKALD_TOKEN_FIM_SUFFIX, "<｜fim▁hole｜>"},
    {SKALD_TOKEN_FIM_SUFFIX, "<|code_suffix|>"},
    {SKALD_TOKEN_FIM_SUFFIX, "<SUF>"},
    {SKALD_TOKEN_FIM_SUFFIX, "▁<SUF>"},
    {SKALD_TOKEN_FIM_MIDDLE, "<|fim_middle|>"},
    {SKALD_TOKEN_FIM_MIDDLE, "<fim_middle>"},
    {SKALD_TOKEN_FIM_MIDDLE, "<fim-middle>"},
    {SKALD_TOKEN_FIM_MIDDLE, "<｜fim▁end｜>"},
    {SKALD_TOKEN_FIM_MIDDLE, "<|code_middle|>"},
    {SKALD_TOKEN_FIM_MIDDLE, "<MID>"},
    {SKALD_TOKEN_FIM_MIDDLE, "▁<MID>"},
    {SKALD_TOKEN_FIM_PADDING, "<|fim_pad|>"},
    {SKALD_TOKEN_FIM_PADDING, "<fim_pad>"},
    {SKALD_TOKEN_FIM_PADDING, "<fim-pad>"},
    {SKALD_TOKEN_FIM_REPO, "<|fim_repo|>"},
    {SKALD_TOKEN_FIM_REPO, "<|repo_name|>"},
    {SKALD_TOKEN_FIM_REPO, "<reponame>"},
    {SKALD_TOKEN_FIM_FILE, "<|file_sep|>"},
};

/* Texts at which generation stops, whatever their role. */
static const char *const ends[] = {
    "<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<turn|>", "<|return|>", "<|call|>",         "<|calls|>",
    "<|flush|>",  "<|eom_id|>", "<|endoftext|>", "</s>",    "<eos>",      "<|end_of_text|>",  "<end_of_utterance>",
    "<EOT>",      "_<EOT>",     "[EOT]",         "[EOS]",   "[e~[",       "<|tool_response>", "<｜end▁of▁sentence｜>",
};

static const uint32_t end_roles[] = {SKALD_TOKEN_EOS,         SKALD_TOKEN_END_OF_TURN, SKALD_TOKEN_END_OF_MESSAGE,
                                     SKALD_TOKEN_FIM_PADDING, SKALD_TOKEN_FIM_REPO,    SKALD_TOKEN_FIM_FILE};

/* The control token with exactly this text, -1: none. A user's one may be anything: Gemma's "</s>" is a tag of HTML. */
static int32_t control(const sk_vocab *v, const char *text) {
    size_t length = 0;
    const size_t n = strlen(text);
    const int32_t id = sk_vocab_special(v, true, (const uint8_t *)text, n, &length);
    return id >= 0 && length == n && v->type[id] != SK_TOKEN_USER ? id : -1;
}

static void add_end(sk_vocab *v, int32_t id) {
    if (id < 0 || sk_vocab_is_end(v, id) || v->n_ends == SK_VOCAB_ENDS) return;
    v->end[v->n_ends++] = id;
}

void sk_find_roles(sk_vocab *v) {
    if (v->chat && v->role[SKALD_TOKEN_END_OF_TURN] < 0)
        v->role[SKALD_TOKEN_END_OF_TURN] = control(v, v->chat->end_of_turn);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (v->role[roles[i].role] < 0) v->role[roles[i].role] = control(v, roles[i].text);
    for (size_t i = 0; i < sizeof end_roles / sizeof *end_roles; i++) add_end(v, v->role[end_roles[i]]);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) add_end(v, control(v, ends[i]));
    /* ends a message between others where "<|return|>" or "<|call|>" ends the answer (gpt-oss) */
    if (control(v, "<|call|>") < 0 && control(v, "<|calls|>") < 0) add_end(v, control(v, "<|end|>"));
}

int32_t sk_vocab_is_end(const sk_vocab *v, int32_t id) {
    for (uint32_t i = 0; i < v->n_ends; i++)
        if (v->end[i] == id) return 1;
    return 0;
}

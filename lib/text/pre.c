/* The split expressions of known tokenizers, as their authors publish them, and the walk over the words they make. */
#include "text/pre.h"
#include <string.h>

#define GPT2_WORDS "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CL100K(digits)                                                                                                 \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(suffix, digits)                                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" suffix           \
    "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define CJK "[\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+" /* U+4E00-9FA5 0800-4E00 AC00-D7FF */

static const sk_pre gpt2 = {{GPT2_WORDS}, false, false};
static const sk_pre digits_gpt2 = {{"\\p{N}", GPT2_WORDS}, false, false};
static const sk_pre llama3 = {{CL100K("\\p{N}{1,3}")}, true, true};
static const sk_pre cl100k = {{CL100K("\\p{N}{1,3}")}, false, false};
static const sk_pre qwen2 = {{CL100K("\\p{N}")}, false, false};
static const sk_pre qwen35 = {{CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                                            "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES},
                              false, false};
static const sk_pre gpt4o = {{O200K(CONTRACTIONS "?", "\\p{N}{1,3}")}, false, false};
static const sk_pre tekken = {{O200K("", "\\p{N}")}, true, true};
static const sk_pre deepseek_coder = {{"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}, false, false};
static const sk_pre deepseek_v3 = {
    {"\\p{N}{1,3}", "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+",
     "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
     "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACES},
    false, false};
static const sk_pre plain = {{"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_WORDS, "\\p{N}+", "[0-9][0-9][0-9]"}, false, false};

static const struct {
    const char *name;
    const sk_pre *pre;
} names[] = {
    {"gpt-2", &gpt2},         {"gpt2", &gpt2},           {"phi-2", &gpt2},          {"mpt", &gpt2},
    {"olmo", &gpt2},          {"smollm", &digits_gpt2},  {"starcoder", &digits_gpt2}, {"refact", &digits_gpt2},
    {"command-r", &digits_gpt2}, {"codeshell", &digits_gpt2}, {"llama-bpe", &llama3}, {"llama3", &llama3},
    {"llama-v3", &llama3},    {"dbrx", &cl100k},         {"smaug-bpe", &cl100k},    {"qwen2", &qwen2},
    {"deepseek-r1-qwen", &qwen2}, {"stablelm2", &qwen2}, {"qwen35", &qwen35},       {"gpt-4o", &gpt4o},
    {"tekken", &tekken},      {"deepseek-coder", &deepseek_coder}, {"deepseek-v3", &deepseek_v3},
    {"default", &plain},
};

const sk_pre *sk_pre_find(const char *name, size_t n_bytes) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == n_bytes && memcmp(names[i].name, name, n_bytes) == 0) return names[i].pre;
    return NULL;
}

uint32_t sk_pre_count(const sk_pre *pre) {
    uint32_t n = 0;
    while (n < SK_PRE_MOST && pre->expression[n]) n++;
    return n;
}

void sk_words_begin(sk_words *words, const sk_split *split, uint32_t n_splits, const uint8_t *text, size_t n_bytes) {
    *words = (sk_words){split, text, n_splits, 0, {0}, {n_bytes}};
}

bool sk_words_next(sk_words *words, const uint8_t **word, size_t *n_bytes) {
    for (;;) {
        uint32_t level = words->level;
        size_t start = words->at[level];
        if (start == words->end[level]) {
            if (level == 0) return false;
            words->level--;
            continue;
        }
        size_t n = sk_split_piece(words->split + level, words->text + start, words->end[level] - start);
        words->at[level] = start + n;
        if (level + 1 == words->n_splits) return *word = words->text + start, *n_bytes = n, true;
        words->level++;
        words->at[level + 1] = start;
        words->end[level + 1] = start + n;
    }
}

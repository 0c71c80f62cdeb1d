/* The split expressions of known tokenizers, as their authors publish them, and the walk over the words they make. */
#include "text/pre.h"
#include <string.h>

#define GPT2_WORDS     "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CONTRACTIONS   "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES         "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CL100K(digits) CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define UPPER          "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER          "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(suffix, digits)                                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" suffix           \
    "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define CJK u8"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
/* The letters that DeepSeek's tokenizer lists: the cased ones of an older Unicode, with gaps. */
#define CASED_LETTERS                                                                                                  \
    u8"\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"        \
    u8"\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"         \
    u8"\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"       \
    u8"\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"               \
    u8"\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"              \
    u8"\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"          \
    u8"\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"         \
    u8"\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"        \
    u8"\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"                 \
    u8"\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df"                           \
    u8"\U0001e900-\U0001e943"

static const sk_pre gpt2 = {.expression = {GPT2_WORDS}};
static const sk_pre gpt_neox = {.expression = {GPT2_WORDS}, .nfc = true};
static const sk_pre digits_gpt2 = {.expression = {"\\p{N}", GPT2_WORDS}};
static const sk_pre llama3 = {.expression = {CL100K("\\p{N}{1,3}")}, .ignore_merges = true, .add_bos = true};
static const sk_pre cl100k = {.expression = {CL100K("\\p{N}{1,3}")}};
static const sk_pre stablelm2 = {.expression = {CL100K("\\p{N}")}};
static const sk_pre qwen2 = {.expression = {CL100K("\\p{N}")}, .nfc = true};
static const sk_pre qwen35 = {.expression = {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                                                          "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES},
                              .nfc = true};
static const sk_pre gpt4o = {.expression = {O200K(CONTRACTIONS "?", "\\p{N}{1,3}")}};
static const sk_pre tekken = {.expression = {O200K("", "\\p{N}")}, .ignore_merges = true, .add_bos = true};
static const sk_pre deepseek_coder = {.expression = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}};
static const sk_pre falcon = {.expression = {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2_WORDS, "[0-9][0-9][0-9]"}};
/* Its fourth expression is published as \s+$, which would look at a run of spaces once for each of them; this one makes
 * the same pieces: all up to the last character that is no space, and the spaces behind it. */
static const sk_pre deepseek_llm = {
    .expression = {"[\\r\\n]", "\\s?[A-Za-z" CASED_LETTERS "]+",
                   u8"\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", "[\\s\\S]*\\S|\\s+", CJK,
                   "\\p{N}+"}};
static const sk_pre deepseek_v3 = {
    .expression = {"\\p{N}{1,3}", u8"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                   "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                   "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACES}};
static const sk_pre plain = {.expression = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_WORDS, "\\p{N}+", "[0-9][0-9][0-9]"}};

static const struct {
    const char *name;
    const sk_pre *pre;
} names[] = {
    {"gpt-2", &gpt2},
    {"gpt2", &gpt2},
    {"phi-2", &gpt2},
    {"mpt", &gpt_neox},
    {"olmo", &gpt_neox},
    {"falcon", &falcon},
    {"exaone", &digits_gpt2},
    {"smollm", &digits_gpt2},
    {"starcoder", &digits_gpt2},
    {"refact", &digits_gpt2},
    {"command-r", &digits_gpt2},
    {"codeshell", &digits_gpt2},
    {"llama-bpe", &llama3},
    {"llama3", &llama3},
    {"llama-v3", &llama3},
    {"falcon3", &llama3},
    {"falcon-h1", &llama3},
    {"pixtral", &llama3},
    {"lfm2", &llama3},
    {"dbrx", &cl100k},
    {"smaug-bpe", &cl100k},
    {"qwen2", &qwen2},
    {"deepseek-r1-qwen", &qwen2},
    {"stablelm2", &stablelm2},
    {"qwen35", &qwen35},
    {"gpt-4o", &gpt4o},
    {"llama4", &gpt4o},
    {"tekken", &tekken},
    {"deepseek-coder", &deepseek_coder},
    {"deepseek-llm", &deepseek_llm},
    {"deepseek-v3", &deepseek_v3},
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

/* The tokenizer of the small models here: letters, pairs of them, three words that merge, a space and two tokens of control. */
#ifndef SK_FUZZ_WORDS_H
#define SK_FUZZ_WORDS_H
#include "support/sample_gguf.h"

#define N_WORDS    40u
#define WORD_BEGIN 3
#define WORD_END   4 /* ends a text */

static inline void put_words(sk_gguf_writer *w) {
    static const char *const others[] = {"th", "the", "se", "<|im_start|>", "<|im_end|>", "\xc4\xa0"};
    static char letters[N_WORDS][4];
    static int32_t types[N_WORDS];
    const sk_text merges[] = {sample_text("t h"), sample_text("th e"), sample_text("s e")};
    sk_text tokens[N_WORDS];
    for (uint32_t i = 0; i < N_WORDS; i++) {
        letters[i][0] = (char)('a' + i % 26), letters[i][1] = i < 26 ? 0 : letters[i][0];
        tokens[i] = sample_text(i < 6 ? others[i] : letters[i]);
        types[i] = i == WORD_BEGIN || i == WORD_END ? 3 : 1;
    }
    sk_gguf_put_text(w, "tokenizer.ggml.model", "gpt2");
    sk_gguf_put_text(w, "tokenizer.ggml.pre", "smollm");
    sk_gguf_put_texts(w, "tokenizer.ggml.tokens", tokens, N_WORDS);
    sk_gguf_put_i32s(w, "tokenizer.ggml.token_type", types, N_WORDS);
    sk_gguf_put_texts(w, "tokenizer.ggml.merges", merges, 3);
    sk_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", WORD_BEGIN);
    sk_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", WORD_END);
}
#endif

/* A small vocabulary for grammars, and answers written by them from logits of any kind. */
#ifndef SK_TESTS_GRAMMAR_H
#define SK_TESTS_GRAMMAR_H
#define SK_ALLOW_LIBC_MEMORY
#include "base/os/os.h"
#include "grammar/automaton.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Every byte is a token, "</s>" ends, "<tool_call>" is a control token, and some texts are tokens of more bytes. */
enum { WORDS_END = 1, WORDS_CALL = 2, WORDS_BYTE = 3, WORDS_MOST = 1024 };

typedef struct words {
    sk_vocab vocab;
    void *block;
    sk_trie *trie;
    sk_string token[WORDS_MOST];
    int32_t type[WORDS_MOST];
    float score[WORDS_MOST];
    char spelling[256][8];
    uint32_t n;
    sk_grammar_host host;
} words;

static inline void words_add(words *w, const char *text, int32_t type) {
    w->token[w->n] = (sk_string){text, strlen(text)};
    w->type[w->n] = type;
    w->score[w->n] = -(float)w->n;
    w->n++;
}

/* `missing`: a byte that no token is, -1: none. */
static inline void words_open(words *w, const char *const *more, uint32_t n_more, int missing) {
    static const char digits[] = "0123456789ABCDEF";
    memset(w, 0, sizeof *w);
    words_add(w, "<unk>", SK_TOKEN_UNKNOWN);
    words_add(w, "</s>", SK_TOKEN_CONTROL);
    words_add(w, "<tool_call>", SK_TOKEN_CONTROL);
    for (int i = 0; i < 256; i++) {
        memcpy(w->spelling[i], "<0x00>", 7);
        w->spelling[i][3] = digits[i / 16], w->spelling[i][4] = digits[i % 16];
        words_add(w, w->spelling[i], i == missing ? SK_TOKEN_UNUSED : SK_TOKEN_BYTE);
    }
    for (uint32_t i = 0; i < n_more; i++) words_add(w, more[i], SK_TOKEN_NORMAL);
    sk_vocab_source s = {.kind = SK_VOCAB_PIECE_BPE,
                         .n_tokens = w->n,
                         .tokens = w->token,
                         .types = w->type,
                         .scores = w->score,
                         .add_bos = -1,
                         .add_eos = -1,
                         .space_prefix = 0};
    for (uint32_t i = 0; i < SK_TOKEN_ROLES; i++) s.role[i] = -1;
    s.role[SKALD_TOKEN_UNKNOWN] = 0;
    s.role[SKALD_TOKEN_EOS] = WORDS_END;
    sk_carver c = {0};
    sk_vocab_lay_out(&w->vocab, &c, &s, NULL);
    w->block = sk_os_aligned_alloc(sk_align(c.used, SK_CACHE_LINE), SK_CACHE_LINE);
    c = (sk_carver){.base = w->block};
    sk_vocab_lay_out(&w->vocab, &c, &s, NULL);
    if (sk_vocab_fill(&w->vocab, &s, NULL) != SKALD_OK) exit(2);
    if (sk_trie_create(&w->trie, &w->vocab, &sk_libc_allocator, NULL, NULL) != SKALD_OK) exit(2);
    w->host =
        (sk_grammar_host){.memory = &sk_libc_allocator, .vocab = &w->vocab, .trie = w->trie, .n_logits = w->n + 5};
}

static inline void words_close(words *w) {
    sk_trie_free(w->trie, &sk_libc_allocator);
    sk_os_aligned_free(w->block);
}

/* How an answer went. */
typedef struct written {
    char text[1 << 15];
    uint32_t n_bytes, n_tokens;
    bool whole;      /* the grammar may end here */
    const char *bad; /* what went wrong, NULL: nothing */
} written;

typedef struct dice {
    uint64_t state;
} dice;

static inline uint32_t roll(dice *d) {
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(d->state >> 33);
}

/* Writes an answer of at most n_left tokens, each the largest of random logits; `bent` are added to them. */
static inline void write_answer(written *out, skald_grammar *g, const sk_grammar_host *host, dice *d, const float *bent,
                                uint32_t n_left) {
    static sk_matcher m;
    float *logits = malloc(host->n_logits * sizeof *logits);
    out->n_bytes = out->n_tokens = 0, out->bad = NULL;
    sk_matcher_begin(&m, g);
    for (;;) {
        uint32_t best = 0;
        out->whole = sk_matcher_may_end(&m);
        if (sk_matcher_must_end(&m) || out->n_tokens == n_left) break;
        for (uint32_t i = 0; i < host->n_logits; i++) logits[i] = (float)(roll(d) % 4096) + (bent ? bent[i] : 0);
        sk_matcher_mask(logits, &m, g, logits, n_left - out->n_tokens);
        for (uint32_t i = 1; i < host->n_logits; i++)
            if (logits[i] > logits[best]) best = i;
        if (logits[best] < -1e30f) out->bad = "nothing may come";
        else if (!sk_matcher_accept(&m, g, (int32_t)best)) out->bad = "what may come is not taken";
        if (out->bad || m.ended) break;
        const uint32_t n = sk_vocab_length(host->vocab, best);
        if (out->n_bytes + n > sizeof out->text) out->bad = "too long";
        if (out->bad) break;
        memcpy(out->text + out->n_bytes, host->vocab->bytes + host->vocab->start[best], n);
        out->n_bytes += n, out->n_tokens++;
    }
    free(logits);
}

static inline bool begins_with(const char *text, size_t n, const char *what) {
    for (; *what; text++, what++, n--)
        if (n == 0 || *text != *what) return false;
    return true;
}

/* Whether a text is of the grammar, byte by byte but for the control token: 1 whole, 0 a beginning, -1 at no text of it. */
static inline int matches(skald_grammar *g, const char *text, size_t n) {
    static sk_matcher m;
    sk_matcher_begin(&m, g);
    for (size_t i = 0; i < n; i++) {
        if (begins_with(text + i, n - i, "<tool_call>") && sk_matcher_accept(&m, g, WORDS_CALL)) i += 10;
        else if (!sk_automaton_go(g->automaton, &m, (const uint8_t *)text + i, 1)) return -1;
    }
    return sk_matcher_may_end(&m);
}
#endif

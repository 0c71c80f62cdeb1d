/* Reads the vocabularies of golden/data/tokenizer (golden/make_vocab.py tells the form) and builds them. */
#ifndef SK_TESTS_VOCAB_H
#define SK_TESTS_VOCAB_H
#define SK_ALLOW_LIBC_MEMORY
#include "base/os/os.h"
#include "text/vocab.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_vocab {
    sk_vocab_source source;
    sk_vocab vocab;
    uint64_t n_bytes; /* of the block */
    void *block;
    char *file, *texts;
    sk_string *tokens, *merges;
    int32_t *types;
    float *scores;
} test_vocab;

static inline char *test_read(const char *path, size_t *n_bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *n_bytes = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n_bytes + 1);
    if (fread(bytes, 1, *n_bytes, f) != *n_bytes) exit(2);
    bytes[*n_bytes] = 0;
    fclose(f);
    return bytes;
}

static inline uint32_t test_u16(const char **at) {
    const unsigned char *p = (const unsigned char *)*at;
    *at += 2;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t test_u32(const char **at) {
    uint32_t low = test_u16(at);
    return low | test_u16(at) << 16;
}

static inline sk_string test_string(const char **at) {
    uint32_t n = test_u16(at);
    *at += n;
    return (sk_string){*at - n, n};
}

/* The texts of merges, and of tokens that merges make, stand in `texts`. */
static inline void test_vocab_merges(test_vocab *t, const char *at) {
    char *to = t->texts;
    uint32_t made = 0;
    for (uint32_t m = 0; m < t->source.n_merges; m++) {
        sk_string left = t->tokens[test_u16(&at)], right = t->tokens[test_u16(&at)];
        t->merges[m] = (sk_string){to, left.n_bytes + 1 + right.n_bytes};
        memcpy(to, left.text, left.n_bytes);
        to[left.n_bytes] = ' ';
        memcpy(to + left.n_bytes + 1, right.text, right.n_bytes);
        to += t->merges[m].n_bytes;
        while (made < t->source.n_tokens && t->tokens[made].text) made++;
        t->tokens[made] = (sk_string){to, left.n_bytes + right.n_bytes};
        memcpy(to, left.text, left.n_bytes);
        memcpy(to + left.n_bytes, right.text, right.n_bytes);
        to += t->tokens[made].n_bytes;
    }
}

static inline int32_t test_i32(const char **at) { return (int32_t)test_u32(at); }

static inline void test_vocab_roles(sk_vocab_source *s, const char **at) {
    for (uint32_t r = 0; r < SK_TOKEN_ROLES; r++) s->role[r] = -1;
    s->role[SKALD_TOKEN_BOS] = test_i32(at);
    s->role[SKALD_TOKEN_EOS] = test_i32(at);
    s->role[SKALD_TOKEN_UNKNOWN] = test_i32(at);
    s->role[SKALD_TOKEN_PADDING] = test_i32(at);
}

/* "SKVOCAB1" */
static inline void test_vocab_whole(test_vocab *t, const char *at) {
    sk_vocab_source *s = &t->source;
    s->n_tokens = test_u32(&at);
    s->n_merges = test_u32(&at);
    test_vocab_roles(s, &at);
    s->pre = test_string(&at);
    s->chat_template = test_string(&at);
    s->add_bos = s->add_eos = s->space_prefix = -1;
    s->tokens = t->tokens = calloc(s->n_tokens, sizeof *t->tokens);
    s->types = t->types = calloc(s->n_tokens, sizeof *t->types);
    s->merges = t->merges = calloc(s->n_merges, sizeof *t->merges);
    t->texts = malloc(64u * s->n_merges + 1024);
    const unsigned char *type = (const unsigned char *)at;
    at += s->n_tokens;
    for (uint32_t i = 0; i < s->n_tokens; i++) {
        t->types[i] = type[i] & 127;
        if (type[i] < 128) t->tokens[i] = test_string(&at);
    }
    test_vocab_merges(t, at);
}

/* "SKVOCAB2": the tokens that were left out are unused and empty. */
static inline void test_vocab_cut(test_vocab *t, const char *at) {
    sk_vocab_source *s = &t->source;
    s->kind = test_u32(&at);
    s->n_tokens = test_u32(&at);
    uint32_t n_kept = test_u32(&at);
    test_vocab_roles(s, &at);
    s->add_bos = test_i32(&at);
    s->add_eos = -1;
    s->space_prefix = test_i32(&at);
    s->chat_template = test_string(&at);
    s->tokens = t->tokens = calloc(s->n_tokens, sizeof *t->tokens);
    s->types = t->types = calloc(s->n_tokens, sizeof *t->types);
    s->scores = t->scores = calloc(s->n_tokens, sizeof *t->scores);
    for (uint32_t i = 0; i < s->n_tokens; i++) t->types[i] = SK_TOKEN_UNUSED;
    for (; n_kept > 0; n_kept--) {
        uint32_t id = test_u32(&at), score;
        t->types[id] = test_i32(&at);
        score = test_u32(&at);
        memcpy(t->scores + id, &score, sizeof score);
        t->tokens[id] = test_string(&at);
    }
}

static inline test_vocab *test_vocab_read(const char *path) {
    size_t n_bytes;
    test_vocab *t = calloc(1, sizeof *t);
    t->file = test_read(path, &n_bytes);
    if (t->file && memcmp(t->file, "SKVOCAB1", 8) == 0) test_vocab_whole(t, t->file + 8);
    else if (t->file && memcmp(t->file, "SKVOCAB2", 8) == 0) test_vocab_cut(t, t->file + 8);
    else return fprintf(stderr, "no vocabulary in %s\n", path), exit(2), NULL;
    return t;
}

/* Lays out and fills as the model does; the block is exactly as long as measured, so that a sanitizer sees more. */
static inline skald_status test_vocab_build(test_vocab *t, skald_report *why) {
    sk_carver c = {NULL, 0, false};
    skald_status s = sk_vocab_lay_out(&t->vocab, &c, &t->source, why);
    if (s != SKALD_OK) return s;
    t->n_bytes = c.used;
    sk_os_aligned_free(t->block);
    t->block = sk_os_aligned_alloc(sk_align(c.used, SK_CACHE_LINE), SK_CACHE_LINE);
    c = (sk_carver){t->block, 0, false};
    sk_vocab_lay_out(&t->vocab, &c, &t->source, why);
    return sk_vocab_fill(&t->vocab, &t->source, why);
}

static inline void test_vocab_free(test_vocab *t) {
    sk_os_aligned_free(t->block);
    free(t->file);
    free(t->texts);
    free(t->tokens);
    free(t->merges);
    free(t->types);
    free(t->scores);
    free(t);
}
#endif

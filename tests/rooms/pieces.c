/* SentencePiece's vocabularies: small random ones against an encoder written the plain way, the rules about spaces, and
 * what their source must not say. */
#include "support/check.h"
#include "support/vocab.h"
#include "text/decode.h"
#include "text/encode.h"
#include <math.h>

static uint64_t seed = 11;
static uint32_t any(uint32_t n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

#define MARK   "\xe2\x96\x81"
#define MOST   64u
#define LETTER 6u

/* A vocabulary under construction; texts are written with U+2581. */
typedef struct {
    test_vocab t;
    sk_string tokens[MOST];
    char texts[MOST][32];
    int32_t types[MOST];
    float scores[MOST];
} pieces;

static int32_t add(pieces *p, const char *text, int32_t type, float score) {
    const uint32_t id = p->t.source.n_tokens++;
    strcpy(p->texts[id], text);
    p->types[id] = type;
    p->scores[id] = score;
    return (int32_t)id;
}

static pieces *begin(sk_vocab_kind kind) {
    pieces *p = calloc(1, sizeof *p);
    p->t.source = (sk_vocab_source){
        .kind = kind, .tokens = p->tokens, .types = p->types, .scores = p->scores, .add_bos = -1, .space_prefix = 0};
    for (uint32_t r = 0; r < SK_TOKEN_ROLES; r++) p->t.source.role[r] = -1;
    p->t.source.role[SKALD_TOKEN_UNKNOWN] = add(p, "<unk>", SK_TOKEN_UNKNOWN, 0);
    return p;
}

static const sk_vocab *build(pieces *p) {
    skald_report why = {.size = sizeof why};
    for (uint32_t i = 0; i < p->t.source.n_tokens; i++) p->tokens[i] = (sk_string){p->texts[i], strlen(p->texts[i])};
    CHECK_SAID(test_vocab_build(&p->t, &why) == SKALD_OK, "%s", why.text);
    return &p->t.vocab;
}

static void end(pieces *p) {
    free(p->t.block);
    free(p);
}

/* ---- the plain way: all pairs looked at before each merge */

static const char *const letters[LETTER] = {"a", "b", "\xc3\xa9", MARK, "c", "\xe4\xb8\xad"};

static int32_t find(const pieces *p, const char *text, size_t n) {
    for (uint32_t i = 0; i < p->t.source.n_tokens; i++)
        if (p->types[i] == SK_TOKEN_NORMAL && strlen(p->texts[i]) == n && memcmp(p->texts[i], text, n) == 0)
            return (int32_t)i;
    return -1;
}

static uint32_t plain_bpe(int32_t *ids, const pieces *p, const char *text, const uint32_t *start, uint32_t n) {
    uint32_t at[80], n_at = n, n_ids = 0;
    memcpy(at, start, (n + 1) * sizeof *at);
    for (;;) {
        uint32_t best = UINT32_MAX;
        float score = 0;
        for (uint32_t i = 0; i + 1 < n_at; i++) {
            const int32_t id = find(p, text + at[i], at[i + 2] - at[i]);
            if (id < 0 || (best != UINT32_MAX && p->scores[id] <= score)) continue;
            best = i;
            score = p->scores[id];
        }
        if (best == UINT32_MAX) break;
        memmove(at + best + 1, at + best + 2, (n_at - best - 1) * sizeof *at);
        n_at--;
    }
    for (uint32_t i = 0; i < n_at; i++) {
        const int32_t id = find(p, text + at[i], at[i + 1] - at[i]);
        if (id >= 0 || n_ids == 0 || ids[n_ids - 1] != 0) ids[n_ids++] = id < 0 ? 0 : id;
    }
    return n_ids;
}

static pieces *random_pieces(sk_vocab_kind kind) {
    pieces *p = begin(kind);
    for (uint32_t i = 0; i < LETTER; i++)
        if (any(5)) add(p, letters[i], SK_TOKEN_NORMAL, (float)any(4));
    for (uint32_t i = 0; i < 24; i++) {
        char text[32] = "";
        for (uint32_t k = 2 + any(3); k > 0; k--) strcat(text, letters[any(i % 2 ? 3 : LETTER)]);
        if (find(p, text, strlen(text)) < 0)
            add(p, text, SK_TOKEN_NORMAL, ((float)any(6) - 3) * (any(2) ? 1.0f : -1.0f));
    }
    return p;
}

static void against_plain(void) {
    uint32_t start[81], n_long = 0;
    char marked[400], text[400];
    int32_t want[80], got[80];
    for (uint32_t round = 0; round < 4000; round++) {
        pieces *p = random_pieces(SK_VOCAB_PIECE_BPE);
        const sk_vocab *v = build(p);
        for (uint32_t try = 0; try < 8; try++) {
            uint32_t n = any(78), n_marked = 0, n_text = 0, n_got = 80;
            for (uint32_t i = 0; i < n; i++) {
                const uint32_t l = any(LETTER);
                start[i] = n_marked;
                n_marked += (uint32_t)strlen(strcpy(marked + n_marked, letters[l]));
                n_text += (uint32_t)strlen(strcpy(text + n_text, l == 3 && any(4) ? " " : letters[l]));
            }
            start[n] = n_marked;
            const uint32_t n_want = plain_bpe(want, p, marked, start, n);
            CHECK_EQUAL(sk_encode(got, &n_got, v, &sk_libc_allocator, 0, text, n_text), SKALD_OK);
            if (!CHECK_SAID(n_got == n_want && memcmp(got, want, n_got * sizeof *got) == 0, "round %u: \"%s\"", round,
                            n ? text : ""))
                return;
            n_long += n_got > 0 && n_got * 4 < n * 3;
        }
        end(p);
    }
    CHECK_SAID(n_long > 1000, "only %u texts with many merges", n_long);
}

/* ---- spaces, special tokens, characters without a token */

static void encodes(const sk_vocab *v, skald_encode_flags flags, const char *text, const char *want) {
    int32_t ids[32];
    char got[256] = "";
    uint32_t n = 32;
    CHECK_EQUAL(sk_encode(ids, &n, v, &sk_libc_allocator, flags, text, strlen(text)), SKALD_OK);
    for (uint32_t i = 0; i < n; i++) snprintf(got + strlen(got), 8, i ? " %d" : "%d", ids[i]);
    CHECK_SAID(strcmp(got, want) == 0, "\"%s\": %s, expected %s", text, got, want);
}

static pieces *llama2_like(void) {
    pieces *p = begin(SK_VOCAB_PIECE_BPE);                   /* 0 */
    p->t.source.role[SKALD_TOKEN_BOS] = add(p, "<s>", 3, 0); /* 1 */
    p->t.source.role[SKALD_TOKEN_EOS] = add(p, "</s>", 3, 0);
    add(p, "<0x0A>", SK_TOKEN_BYTE, 0);
    add(p, "<0xc3>", SK_TOKEN_BYTE, 0);
    add(p, MARK, 1, -9); /* 5 */
    add(p, "h", 1, -9);  /* 6 */
    add(p, "i", 1, -9);  /* 7 */
    add(p, "hi", 1, -2); /* 8 */
    add(p, MARK "h", 1, -1);
    add(p, MARK "hi", 1, -3); /* 10 */
    add(p, "[x]", 4, 0);      /* 11 */
    add(p, "  ", 4, 0);       /* 12: as GGUF writes a user's token */
    return p;
}

static void spaces(void) {
    pieces *p = llama2_like();
    const sk_vocab *v = build(p);
    encodes(v, 0, "hi hi", "8 10");
    encodes(v, 0, "hi" MARK "hi", "8 10");
    encodes(v, 0, "hi  hi", "8 12 8");
    encodes(v, 0, "hi" MARK " hi", "8 12 8"); /* the user's two spaces in either writing */
    encodes(v, 0, "hi" MARK MARK "hi", "8 12 8");
    encodes(v, 0, "i\n\xc3", "7 3 4");      /* bytes for what has no token */
    encodes(v, 0, "iz\xc3\xa9z", "7 0");    /* not where a byte is missing; one for all that stand together */
    encodes(v, 0, "i\nzz\ni", "7 3 0 3 7"); /* which bytes interrupt */
    encodes(v, 0, "[x]hi", "11 8");
    encodes(v, SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS, "hi</s>hi", "1 8 2 8");
    end(p);

    p = llama2_like();
    p->t.source.space_prefix = 1;
    v = build(p);
    encodes(v, 0, "hi hi", "10 10");
    encodes(v, 0, " hi", "5 10"); /* the user's tokens are cut out before */
    encodes(v, 0, "", "");
    encodes(v, 0, "[x]hi[x]", "11 10 11"); /* each stretch is a text of its own */
    encodes(v, SKALD_ENCODE_SPECIAL, "<s>hi</s>hi", "1 10 2 10");
    char back[32];
    size_t n = sizeof back;
    const int32_t ids[] = {1, 10, 3, 4};
    CHECK_EQUAL(sk_decode(back, &n, v, 0, ids, 4), SKALD_OK);
    CHECK(n == 5 && memcmp(back, " hi\n\xc3", 5) == 0);
    const int32_t more[] = {1, 10, 10, 2, 10, 11, 10, 12};
    n = sizeof back;
    CHECK_EQUAL(sk_decode(back, &n, v, SKALD_DECODE_BEGIN, more, 8), SKALD_OK);
    CHECK(n == 14 && memcmp(back, "hi hihi[x]hi  ", 14) == 0);
    n = sizeof back;
    CHECK_EQUAL(sk_decode(back, &n, v, SKALD_DECODE_BEGIN, more + 7, 1), SKALD_OK);
    CHECK(n == 2 && memcmp(back, "  ", 2) == 0);
    end(p);
}

/* ---- roles by the texts of tokens, and where generation stops */

static void named_roles(void) {
    pieces *p = begin(SK_VOCAB_PIECE_BPE);
    add(p, "</s>", SK_TOKEN_USER, 0); /* 1: a tag of HTML */
    add(p, "<eos>", 3, 0);
    add(p, "<end_of_turn>", 3, 0); /* 3 */
    add(p, "<|fim_prefix|>", 3, 0);
    add(p, "<fim_suffix>", 3, 0);
    add(p,
        "<\xef\xbd\x9c"
        "fim" MARK "end\xef\xbd\x9c>",
        3, 0); /* 6 */
    add(p, "<|file_sep|>", 3, 0);
    add(p, "<|end|>", 3, 0); /* 8 */
    add(p, "<bos>", 3, 0);
    const sk_vocab *v = build(p);
    static const int32_t role[SK_TOKEN_ROLES] = {9, 2, 3, 0, -1, -1, 4, 5, 6, -1, 7, -1, -1, -1};
    for (uint32_t r = 0; r < SK_TOKEN_ROLES; r++)
        CHECK_SAID(v->role[r] == role[r], "role %u: %d, expected %d", r, v->role[r], role[r]);
    for (int32_t id = -1; id < 10; id++)
        CHECK_SAID(sk_vocab_is_end(v, id) == (id == 2 || id == 3 || id == 7 || id == 8), "id %d", id);
    end(p);

    p = begin(SK_VOCAB_PIECE_BPE); /* gpt-oss: a message's end is not the answer's */
    add(p, "<|return|>", 3, 0);
    add(p, "<|call|>", 3, 0);
    add(p, "<|end|>", 3, 0);
    p->t.source.role[SKALD_TOKEN_EOS] = 1;
    v = build(p);
    CHECK(sk_vocab_is_end(v, 1) && sk_vocab_is_end(v, 2) && !sk_vocab_is_end(v, 3));
    CHECK_EQUAL(v->n_ends, 2);
    end(p);
}

/* ---- sources */

static void refused(pieces *p, skald_status want, const char *part) {
    skald_report why = {.size = sizeof why};
    for (uint32_t i = 0; i < p->t.source.n_tokens; i++) p->tokens[i] = (sk_string){p->texts[i], strlen(p->texts[i])};
    const skald_status got = test_vocab_build(&p->t, &why);
    CHECK_SAID(got == want && strstr(why.text, part), "%d \"%s\", expected %d \"%s\"", got, why.text, want, part);
    end(p);
}

static void sources(void) {
    pieces *p = llama2_like();
    p->scores[6] = NAN, refused(p, SKALD_FORMAT, "token 6: its score");
    p = llama2_like(), p->scores[12] = -INFINITY, refused(p, SKALD_FORMAT, "token 12: its score");
    p = llama2_like(), p->t.source.scores = NULL, refused(p, SKALD_FORMAT, "scores");
    p = llama2_like(), p->types[7] = 9, refused(p, SKALD_FORMAT, "token 7: type 9");
    p = llama2_like(), p->t.source.role[SKALD_TOKEN_EOS] = 13, refused(p, SKALD_FORMAT, "id 13 of 13");

    static char huge[2000];
    memset(huge, 'h', sizeof huge);
    for (uint32_t n = 1024; n <= 1025; n++) {
        skald_report why = {.size = sizeof why};
        p = llama2_like();
        for (uint32_t i = 0; i < p->t.source.n_tokens; i++)
            p->tokens[i] = (sk_string){p->texts[i], strlen(p->texts[i])};
        p->tokens[9] = (sk_string){huge, n};
        CHECK_EQUAL(test_vocab_build(&p->t, &why), n == 1024 ? SKALD_OK : SKALD_FORMAT);
        CHECK(n == 1024 || strstr(why.text, "token 9: a piece of more than 1024 bytes"));
        end(p);
    }
}

int main(void) {
    against_plain();
    spaces();
    named_roles();
    sources();
    return sk_checked();
}

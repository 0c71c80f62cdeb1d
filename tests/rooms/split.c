/* Split expressions against a backtracking matcher written the plain way, the words of known tokenizers, and what a
 * vocabulary's source must not say. */
#include "support/check.h"
#include "support/vocab.h"
#include "text/chat.h"
#include "text/unicode.h"

static uint64_t seed = 7;
static uint32_t any(uint32_t n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static skald_status compiled(sk_split *split, const char *expression) {
    return sk_split_compile(split, expression, strlen(expression), NULL);
}

/* ---- characters */

static void characters(void) {
    static const struct {
        uint32_t code, kind;
    } known[] = {{'A', SK_UNICODE_Lu},
                 {'z', SK_UNICODE_Ll},
                 {'0', SK_UNICODE_Nd},
                 {' ', SK_UNICODE_Zs},
                 {'_', SK_UNICODE_Pc},
                 {'\n', SK_UNICODE_SPACE_CONTROL},
                 {0x85, SK_UNICODE_SPACE_CONTROL},
                 {0x1b, SK_UNICODE_Cc},
                 {0x1c5, SK_UNICODE_Lt},
                 {0xbd, SK_UNICODE_No},
                 {0x2160, SK_UNICODE_Nl},
                 {0x301, SK_UNICODE_Mn},
                 {0x2028, SK_UNICODE_Zl},
                 {0x200d, SK_UNICODE_Cf},
                 {0x4e2d, SK_UNICODE_Lo},
                 {0x1f600, SK_UNICODE_So},
                 {0xfffd, SK_UNICODE_So},
                 {0xd800, SK_UNICODE_Cs},
                 {0xe000, SK_UNICODE_Co},
                 {0x10ffff, SK_UNICODE_Cn},
                 {0x3a2, SK_UNICODE_Cn}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK_SAID(sk_unicode_kind(known[i].code) == known[i].kind, "U+%04X is of kind %u", known[i].code,
                   sk_unicode_kind(known[i].code));
    static const struct {
        const char *bytes;
        uint32_t length, code;
    } forms[] = {{"\x7f", 1, 0x7f},
                 {"\xc2\x80", 2, 0x80},
                 {"\xe0\xa0\x80", 3, 0x800},
                 {"\xed\x9f\xbf", 3, 0xd7ff},
                 {"\xee\x80\x80", 3, 0xe000},
                 {"\xf0\x90\x80\x80", 4, 0x10000},
                 {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
                 {"\xc1\xbf", 1, 0xfffd},
                 {"\xe0\x9f\xbf", 1, 0xfffd},
                 {"\xed\xa0\x80", 1, 0xfffd},
                 {"\xf0\x8f\xbf\xbf", 1, 0xfffd},
                 {"\xf4\x90\x80\x80", 1, 0xfffd},
                 {"\xf5\x80\x80\x80", 1, 0xfffd},
                 {"\x80", 1, 0xfffd},
                 {"\xe4\xb8", 1, 0xfffd}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint32_t code, n = sk_utf8_next(&code, (const uint8_t *)forms[i].bytes, strlen(forms[i].bytes));
        CHECK_SAID(n == forms[i].length && code == forms[i].code, "form %zu: U+%04X of %u bytes", i, code, n);
    }
    for (uint32_t lead = 0x80; lead < 0x100; lead++) /* a second byte may follow where some character has it */
        for (uint32_t second = 0; second < 0x100; second++) {
            uint8_t bytes[4] = {(uint8_t)lead, (uint8_t)second, 0x80, 0x80};
            uint32_t code, needs = sk_utf8_needs(bytes[0]);
            bool whole = needs > 1 && sk_utf8_next(&code, bytes, needs) == needs;
            CHECK_SAID(!sk_utf8_continues(bytes, 1, bytes[1]) == !whole, "%02x %02x", lead, second);
        }
}

/* ---- the same language, tried the plain way: over the letters a b c and space */

typedef struct plain {
    enum { ONE, AHEAD, NOT_AHEAD, THEN, EITHER, REPEAT } kind;
    const char *set; /* of ONE, AHEAD, NOT_AHEAD: its letters */
    uint32_t least, most;
    struct plain *a, *b;
} plain;

typedef struct rest { /* what must follow */
    const plain *node;
    uint32_t count; /* of a REPEAT: how many stand already */
    const char *begin;
    const struct rest *next;
} rest;

static long steps;

static const char *follow(const char *at, const rest *next);

static const char *repeat(const plain *p, uint32_t count, const char *begin, const char *at, const rest *next) {
    bool again = count < p->most && (count < p->least || !begin || at > begin);
    rest more = {p, count + 1, at, next};
    rest inside = {p->a, 0, NULL, &more};
    const char *end = again ? follow(at, &inside) : NULL;
    if (end) return end;
    return count >= p->least ? follow(at, next) : NULL;
}

/* The end of the first way that leads to the end, in the order in which a backtracking engine tries. */
static const char *follow(const char *at, const rest *r) {
    if (!r) return at;
    if (++steps > 200000) return NULL;
    const plain *p = r->node;
    bool in = (p->kind == ONE || p->kind == AHEAD || p->kind == NOT_AHEAD) && *at && strchr(p->set, *at);
    switch (p->kind) {
    case ONE: return in ? follow(at + 1, r->next) : NULL;
    case AHEAD: return in ? follow(at, r->next) : NULL;
    case NOT_AHEAD: return in ? NULL : follow(at, r->next);
    case THEN: {
        rest b = {p->b, 0, NULL, r->next}, a = {p->a, 0, NULL, &b};
        return follow(at, &a);
    }
    case EITHER: {
        rest a = {p->a, 0, NULL, r->next}, b = {p->b, 0, NULL, r->next};
        const char *end = follow(at, &a);
        return end ? end : follow(at, &b);
    }
    default: return repeat(p, r->count, r->begin, at, r->next);
    }
}

static plain nodes[64];
static uint32_t n_nodes;

static bool nullable(const plain *p) {
    if (p->kind == ONE) return false;
    if (p->kind == THEN) return nullable(p->a) && nullable(p->b);
    if (p->kind == EITHER) return nullable(p->a) || nullable(p->b);
    return p->kind != REPEAT || p->least == 0 || nullable(p->a);
}

/* A random expression, as text and as a tree. What is repeated is never empty: there engines differ. */
static plain *grow(char *text, uint32_t depth) {
    static const struct {
        const char *text, *set;
    } sets[] = {{"a", "a"},   {"b", "b"},        {"[ab]", "ab"},    {"[^a]", "bc "},      {"\\S", "abc"},
                {"\\s", " "}, {"\\p{L}", "abc"}, {"[b-c ]", "bc "}, {"[^\\s\\p{L}]", ""}, {"\\P{L}", " "}};
    static const struct {
        const char *text;
        uint32_t least, most;
    } counts[] = {{"*", 0, 1000}, {"+", 1, 1000}, {"?", 0, 1}, {"{2}", 2, 2}, {"{1,3}", 1, 3}, {"{2,}", 2, 1000}};
    plain *p = nodes + n_nodes++;
    uint32_t kind = depth == 0 || n_nodes > 40 ? 0 : any(8), i = any(sizeof sets / sizeof *sets);
    *p = (plain){ONE, sets[i].set, 0, 0, NULL, NULL};
    if (kind <= 1) {
        strcat(text, sets[i].text);
    } else if (kind == 2) {
        bool negative = any(2);
        p->kind = negative ? NOT_AHEAD : AHEAD;
        strcat(strcat(strcat(text, negative ? "(?!" : "(?="), sets[i].text), ")");
    } else if (kind <= 4) {
        strcat(text, "(?:");
        p->kind = THEN;
        p->a = grow(text, depth - 1);
        strcat(text, ")(");
        p->b = grow(text, depth - 1);
        strcat(text, ")");
    } else if (kind == 5) {
        strcat(text, "(?:");
        p->kind = EITHER;
        p->a = grow(text, depth - 1);
        strcat(text, "|");
        p->b = grow(text, depth - 1);
        strcat(text, ")");
    } else {
        i = any(sizeof counts / sizeof *counts);
        strcat(text, "(?:");
        p->kind = REPEAT;
        p->a = grow(text, depth - 1);
        strcat(text, ")");
        if (nullable(p->a)) return *p = *p->a, p;
        strcat(text, counts[i].text);
        p->least = counts[i].least;
        p->most = counts[i].most;
    }
    return p;
}

static void against_plain(void) {
    long compared = 0;
    for (uint32_t round = 0; round < 20000; round++) {
        char expression[2048] = "", text[24];
        sk_split split;
        n_nodes = 0;
        rest all = {grow(expression, 4), 0, NULL, NULL};
        if (compiled(&split, expression) != SKALD_OK) continue;
        for (uint32_t try = 0; try < 8; try++) {
            uint32_t n = any(20);
            for (uint32_t i = 0; i < n; i++) text[i] = "abc a"[any(5)];
            text[n] = 0;
            steps = 0;
            const char *end = follow(text, &all);
            if (steps > 200000) continue;
            size_t want = end ? (size_t)(end - text) : 0, got = sk_split_match(&split, (uint8_t *)text, n);
            compared++;
            if (!CHECK_SAID(got == want, "%s on \"%s\": %zu, expected %zu", expression, text, got, want)) return;
        }
    }
    CHECK_SAID(compared > 100000, "only %ld compared", compared);
}

/* ---- words of known tokenizers; '|' stands between the words */

static void words_of(const char *name, const char *marked) {
    static sk_split split[SK_PRE_MOST];
    const sk_pre *pre = sk_pre_find(name, strlen(name));
    if (!CHECK_SAID(pre != NULL, "%s is unknown", name)) return;
    for (uint32_t i = 0; i < sk_pre_count(pre); i++) CHECK_EQUAL(compiled(split + i, pre->expression[i]), SKALD_OK);
    char text[256], got[512];
    size_t n = 0, n_got = 0, k;
    for (const char *c = marked; *c; c++)
        if (*c != '|') text[n++] = *c;
    sk_words words;
    const uint8_t *word;
    sk_words_begin(&words, split, sk_pre_count(pre), (const uint8_t *)text, n);
    while (sk_words_next(&words, &word, &k)) {
        if (n_got) got[n_got++] = '|';
        memcpy(got + n_got, word, k);
        n_got += k;
    }
    got[n_got] = 0;
    CHECK_SAID(strcmp(got, marked) == 0, "%s: \"%s\", expected \"%s\"", name, got, marked);
}

static void known_words(void) {
    words_of("gpt-2", "It|'s|  | 12345| o|'|LL|\t\n|\n|x|!?| \xc3\xa9t\xc3\xa9|   ");
    words_of("smollm", "a| |1|2|3| b|  |4| |5| c");
    words_of("llama-bpe", "It|'S| fine| |123|45| (|hi|)\n\n|  \n|  | x|!| \t|\tb");
    words_of("qwen2", "don|'T| |1|2| a|\n| b|...\n|c|'\xc5\xbf| e");
    words_of("qwen35", "a\xcc\x81"
                       "b| |1|2|'s");
    words_of("gpt-4o", "Hello|World| HTMLParser's| |123|4| ...//\n|x");
    words_of("tekken", "Hello|World|'s| |1|2");
    words_of("deepseek-coder", "\n|\n| a| ,|1|2|\xe4\xb8\xad\xe6\x96\x87|x");
    words_of("deepseek-v3", "123|4|\xe4\xb8\xad\xe6\x96\x87|.Net| ok| !!\n|  | x");
    words_of("default", "a|,| b|=|c| |123|4|!?");
}

/* ---- refusals */

static void refusals(void) {
    static const struct {
        const char *text;
        skald_status status;
    } bad[] = {{"(", SKALD_FORMAT},
               {")", SKALD_FORMAT},
               {"a)", SKALD_FORMAT},
               {"[a", SKALD_FORMAT},
               {"[b-a]", SKALD_FORMAT},
               {"a{3,2}", SKALD_FORMAT},
               {"\\", SKALD_FORMAT},
               {"\xff", SKALD_FORMAT},
               {"[\xc3]", SKALD_FORMAT},
               {"a{2", SKALD_FORMAT},
               {"[a-", SKALD_FORMAT},
               {"[a-\\s]", SKALD_FORMAT},
               {"a++", SKALD_UNSUPPORTED},
               {"a*?", SKALD_UNSUPPORTED},
               {"a?+", SKALD_UNSUPPORTED},
               {"a{65}", SKALD_UNSUPPORTED},
               {"*", SKALD_UNSUPPORTED},
               {"a{x}", SKALD_UNSUPPORTED},
               {".", SKALD_UNSUPPORTED},
               {"^a", SKALD_UNSUPPORTED},
               {"\\b", SKALD_UNSUPPORTED},
               {"\\1", SKALD_UNSUPPORTED},
               {"\\p{Han}", SKALD_UNSUPPORTED},
               {"\\pL", SKALD_UNSUPPORTED},
               {"\\p{", SKALD_UNSUPPORTED},
               {"(?<=a)b", SKALD_UNSUPPORTED},
               {"(?!ab)", SKALD_UNSUPPORTED},
               {"(?=(a))", SKALD_UNSUPPORTED},
               {"(?=)", SKALD_UNSUPPORTED},
               {"[]a]", SKALD_UNSUPPORTED},
               {"[a[b]]", SKALD_UNSUPPORTED},
               {"[a&&b]", SKALD_UNSUPPORTED},
               {"(?i:\xc3\xa9)", SKALD_UNSUPPORTED},
               {"(?i:\\p{Lu})", SKALD_UNSUPPORTED},
               {"((a{60}){60}){60}", SKALD_UNSUPPORTED},
               {"((((((((((((((((( a)))))))))))))))))", SKALD_UNSUPPORTED},
               {"[ab]*a[ab]{8}", SKALD_UNSUPPORTED}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sk_split split;
        skald_report why = {.size = sizeof why};
        skald_status s = sk_split_compile(&split, bad[i].text, strlen(bad[i].text), &why);
        CHECK_SAID(s == bad[i].status && why.text[0], "%s: %d \"%s\"", bad[i].text, s, why.text);
    }
    sk_split split;
    CHECK_EQUAL(compiled(&split, ""), SKALD_OK);
    CHECK_EQUAL(sk_split_match(&split, (const uint8_t *)"a", 1), 0);
    CHECK_EQUAL(compiled(&split, "(?i:k+)"), SKALD_OK);
    CHECK_EQUAL(sk_split_match(&split, (const uint8_t *)"kK\xe2\x84\xaa.", 6), 5);
    CHECK_EQUAL(compiled(&split, "\\d+$"), SKALD_OK);
    CHECK_EQUAL(sk_split_match(&split, (const uint8_t *)"123", 3), 3);
    CHECK_EQUAL(sk_split_match(&split, (const uint8_t *)"123a", 4), 0);
}

/* ---- sources of a vocabulary */

static sk_string string(const char *text) { return (sk_string){text, strlen(text)}; }

typedef struct {
    test_vocab t;
    sk_string tokens[6], merges[2];
    int32_t types[6];
} small;

static small *small_source(void) {
    small *s = calloc(1, sizeof *s);
    const char *tokens[] = {"a", "b", "ab", "<x>", "<x>y", "abab"}, *merges[] = {"a b", "ab ab"};
    for (uint32_t i = 0; i < 6; i++) s->tokens[i] = string(tokens[i]), s->types[i] = i == 3 ? 3 : i == 4 ? 4 : 1;
    for (uint32_t i = 0; i < 2; i++) s->merges[i] = string(merges[i]);
    s->t.source = (sk_vocab_source){.n_tokens = 6,
                                    .n_merges = 2,
                                    .tokens = s->tokens,
                                    .types = s->types,
                                    .merges = s->merges,
                                    .pre = string("gpt-2"),
                                    .add_bos = -1,
                                    .add_eos = -1};
    for (uint32_t r = 0; r < SK_TOKEN_ROLES; r++) s->t.source.role[r] = -1;
    return s;
}

/* Builds and tells whether it failed as expected, with a sentence that holds `part`. */
static void sourced(small *s, skald_status want, const char *part) {
    skald_report why = {.size = sizeof why};
    skald_status got = test_vocab_build(&s->t, &why);
    CHECK_SAID(got == want && strstr(why.text, part), "%d \"%s\", expected %d \"%s\"", got, why.text, want, part);
    free(s->t.block);
    free(s);
}

static void sources(void) {
    small *s = small_source();
    skald_report why = {.size = sizeof why};
    CHECK_EQUAL(test_vocab_build(&s->t, &why), SKALD_OK);
    const sk_vocab *v = &s->t.vocab;
    CHECK_EQUAL(sk_vocab_find(v, (const uint8_t *)"abab", 4), 5);
    CHECK_EQUAL(sk_vocab_find(v, (const uint8_t *)"<x>", 3), -1); /* control text is no word */
    CHECK_EQUAL(sk_vocab_find(v, (const uint8_t *)"<x>y", 4), 4);
    size_t length = 0;
    CHECK_EQUAL(sk_vocab_special(v, true, (const uint8_t *)"<x>yz", 5, &length), 4);
    CHECK_EQUAL(length, 4);
    CHECK_EQUAL(sk_vocab_special(v, true, (const uint8_t *)"<x>z", 4, &length), 3);
    CHECK_EQUAL(length, 3);
    CHECK_EQUAL(sk_vocab_special(v, false, (const uint8_t *)"<x>z", 4, &length), -1);
    CHECK_EQUAL(sk_vocab_special(v, true, (const uint8_t *)"<x", 2, &length), -1);
    const sk_vocab_merge *m = sk_vocab_merge_of(v, 0, 1);
    CHECK(m && m->rank == 0 && m->id == 2 && !sk_vocab_merge_of(v, 1, 0));
    sourced(s, SKALD_OK, "");

    /* a vocabulary that was cut down: a merge of what is no token, or that makes none, is left out */
    static const char *const idle[] = {"a c", "c a", "b a"};
    for (uint32_t i = 0; i < 3; i++) {
        s = small_source(), s->merges[0] = string(idle[i]);
        CHECK_EQUAL(test_vocab_build(&s->t, &why), SKALD_OK);
        CHECK(!sk_vocab_merge_of(&s->t.vocab, 0, 1) && !sk_vocab_merge_of(&s->t.vocab, 1, 0));
        CHECK(sk_vocab_merge_of(&s->t.vocab, 2, 2) != NULL);
        free(s->t.block);
        free(s);
    }
    s = small_source(), s->merges[0] = string("ab"), sourced(s, SKALD_FORMAT, "merge 0: not two parts");
    s = small_source(), s->merges[0] = string("a "), sourced(s, SKALD_FORMAT, "merge 0: not two parts");
    s = small_source(), s->merges[0] = (sk_string){NULL, 0}, sourced(s, SKALD_FORMAT, "merge 0: not two parts");
    s = small_source(), s->types[2] = 7, sourced(s, SKALD_FORMAT, "token 2: type 7");
    s = small_source(), s->types[2] = -1, sourced(s, SKALD_FORMAT, "token 2: type -1");
    s = small_source(), s->t.source.role[1] = 6, sourced(s, SKALD_FORMAT, "token role 1: id 6 of 6");
    s = small_source(), s->t.source.role[0] = -2, sourced(s, SKALD_FORMAT, "token role 0: id -2");
    s = small_source(), s->t.source.pre = string("klingon"), sourced(s, SKALD_UNSUPPORTED, "\"klingon\"");
    s = small_source(), s->t.source.pre = (sk_string){NULL, 0}, sourced(s, SKALD_UNSUPPORTED, "pre-tokenizer \"\"");
    s = small_source(), s->t.source.split = "(", sourced(s, SKALD_FORMAT, "split expression");
    s = small_source(), s->t.source.kind = 1, s->t.source.split = "a";
    sourced(s, SKALD_ARGUMENT, "byte-level vocabularies only");
    s = small_source(), s->t.source.kind = 9, sourced(s, SKALD_UNSUPPORTED, "kind");
    s = small_source(), s->t.source.n_merges = 1u << 25, sourced(s, SKALD_FORMAT, "merges");
    s = small_source(), s->tokens[0].n_bytes = UINT64_MAX, sourced(s, SKALD_FORMAT, "4 GiB");
    s = small_source(), s->t.source.n_tokens = s->t.source.n_merges = 0, sourced(s, SKALD_OK, "");
}

/* The caller's expression cuts whatever the file says. */
static void own_split(void) {
    skald_report why = {.size = sizeof why};
    for (uint32_t i = 0; i < 2; i++) {
        small *s = small_source();
        s->t.source.pre = string(i ? "klingon" : "gpt-2");
        s->t.source.split = "a|b+";
        CHECK_EQUAL(test_vocab_build(&s->t, &why), SKALD_OK);
        CHECK_EQUAL(s->t.vocab.n_splits, 1);
        CHECK_EQUAL(sk_split_piece(s->t.vocab.split, (const uint8_t *)"ab", 2), 1);
        free(s->t.block);
        free(s);
    }
}

/* ---- conversations */

static void says(const char *marker, uint32_t open, uint32_t n, const char *want) {
    static const skald_message said[] = {{"user", " Hi "}, {"assistant", "Hello"}, {"system", "Be brief"}};
    char got[512] = "";
    size_t room = sizeof got - 1, need = 0;
    const sk_chat *chat = sk_chat_find(marker, strlen(marker));
    const skald_message *messages = n == 1 ? said + 2 : said;
    CHECK_EQUAL(sk_chat_format(got, NULL, &room, chat, open, messages, n), SKALD_OK);
    got[room] = 0;
    CHECK_TEXT(got, want);
    CHECK_EQUAL(sk_chat_format(NULL, NULL, &need, chat, open, messages, n), room ? SKALD_SHORT : SKALD_OK);
    CHECK_EQUAL(need, room);
    if (room < 2) return;
    memset(got, '#', sizeof got);
    need = room - 1;
    CHECK_EQUAL(sk_chat_format(got, NULL, &need, chat, open, messages, n), SKALD_SHORT);
    CHECK(need == room && memcmp(got, want, room - 1) == 0 && got[room - 1] == '#');
}

static void conversations(void) {
    const char *smollm =
        "'<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>'";
    const char *chatml = "{{'<|im_start|>' + message['role']}}", *llama3 = "'<|start_header_id|>' + role";
    says(smollm, 1, 2,
         "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
         "<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>assistant\n");
    says(smollm, 0, 1, "<|im_start|>system\nBe brief<|im_end|>\n");
    says(chatml, 0, 2, "<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n");
    says(llama3, 1, 2,
         "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant"
         "<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
    size_t n = 0;
    skald_message wrong[] = {{"user", NULL}, {NULL, "x"}, {"user", "x"}};
    const sk_chat *chat = sk_chat_find(chatml, strlen(chatml));
    CHECK_EQUAL(sk_chat_format(NULL, NULL, &n, chat, 0, wrong, 1), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_chat_format(NULL, NULL, &n, chat, 0, wrong + 1, 1), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_chat_format(NULL, NULL, NULL, chat, 0, wrong + 2, 1), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_chat_format(NULL, NULL, &n, chat, 0, NULL, 1), SKALD_ARGUMENT);
    CHECK_EQUAL(sk_chat_format(NULL, NULL, &n, NULL, 0, wrong + 2, 1), SKALD_UNSUPPORTED);
    CHECK(sk_chat_find("[INST]", 6) == NULL && sk_chat_find(NULL, 0) == NULL);
}

int main(void) {
    characters();
    against_plain();
    known_words();
    refusals();
    sources();
    own_split();
    conversations();
    return sk_checked();
}

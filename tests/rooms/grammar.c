/* Rules: what they accept, byte by byte; what is refused, and where; and that no grammar leads to a place without a way on,
 * whatever the logits: 2 000 random ones, their texts recognized by a matcher of another kind. */
#include "support/grammar.h"
#include "support/check.h"

static words w;

static skald_grammar *compile(const char *text, skald_report *why) {
    const skald_grammar_options o = {.size = sizeof o};
    skald_grammar *g;
    sk_grammar_create(&g, &w.host, &o, text, strlen(text), why);
    return g;
}

/* ---- languages */

static const struct {
    const char *rules, *yes, *no; /* texts, each ended by \001 */
} languages[] = {
    {"root ::= \"a\" | \"bc\"", "a\001bc\001", "\001b\001ab\001c\001bca\001"},
    {"root ::= \"ab\"* \"c\"", "c\001abc\001ababc\001", "ac\001ab\001cc\001"},
    {"root ::= [a-c]+ [^a-c]?", "a\001abc\001ab!\001ab\303\251\001", "!\001abca!!\001ab\303\001"},
    {"root ::= \"x\"{2,4}", "xx\001xxx\001xxxx\001", "x\001xxxxx\001"},
    {"root ::= \"x\"{3}", "xxx\001", "xx\001xxxx\001"},
    {"root ::= \"x\"{2,}", "xx\001xxxxxxxxx\001", "x\001"},
    {"root ::= \"x\"{,2} \"y\"", "y\001xy\001xxy\001", "xxxy\001"},
    {"root ::= (\"a\" | \"b\" (\"c\" | \"d\"))+ # a comment\n\n# another\n", "a\001bc\001abdbc\001", "b\001ac\001"},
    {"root ::= item (\",\" item)*\nitem ::= [0-9]+ |\n \"(\" root \")\"\n", "1\0011,22\001(1,(2,3)),4\001((((5))))\001",
     "\001,\001(1\001()\0011,\001(1))\001"},
    {"root ::= \"a\"\n  | \"b\"\n  | \"c\"\n", "a\001b\001c\001", "d\001"},
    {"root ::= list\nlist ::= \"a\" list | \"\"\n", "\001a\001aaaaaaaaaaaa\001", "b\001"},
    {"root ::= \"a\" root \"b\" | \"\"", "\001ab\001aaabbb\001", "a\001aab\001ba\001"},
    {"root ::= [\\u00e9-\\u00ef\\u4e00-\\u9fff] | \"\\U0001F600\"",
     "\303\251\001\344\270\200\001\351\277\277\001\360\237\230\200\001",
     "e\001\303\260\001\351\277\001\352\200\200\001"},
    {"root ::= .{2}", "ab\001\303\251\344\270\200\001", "a\001abc\001\355\240\200a\001\377a\001"},
    {"root ::= \"\\\"\\\\\\x41\\n\\t\"", "\"\\A\n\t\001", "\"\001"},
    {"root ::= (\"a\"?)* \"b\"", "b\001aab\001", "a\001"},
    {"root ::= a b a b\na ::= \"x\"?\nb ::= a a\n", "\001x\001xxxxxx\001", "xxxxxxx\001"},
    {"root ::= (\"ab\" | \"a\") (\"bc\" | \"c\") ", "abbc\001abc\001ac\001", "ab\001abcc\001"},
    {"root ::= [^\\x00-\\U0010FFFE]", "\364\217\277\277\001", "a\001"},
    {"root ::= [-a\\]^]+", "-a]^\001", "b\001"},
};

static void accepts(void) {
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++) {
        skald_report why = {.size = sizeof why};
        skald_grammar *g = compile(languages[i].rules, &why);
        if (!CHECK_SAID(g != NULL, "%s: %s", languages[i].rules, why.text)) continue;
        for (int good = 0; good < 2; good++)
            for (const char *t = good ? languages[i].yes : languages[i].no; *t;) {
                const size_t n = strcspn(t, "\001");
                CHECK_SAID((matches(g, t, n) == 1) == good, "%s: \"%.*s\"", languages[i].rules, (int)n, t);
                t += n + 1;
            }
        sk_grammar_free(g);
    }
}

/* ---- what is refused */

static const struct {
    const char *rules, *why;
} refused[] = {
    {"", "line 1, column 1: there is no rule root"},
    {"a ::= \"x\"", "line 1, column 1: there is no rule root"},
    {"root ::= other", "line 1, column 10: rule other: used, but not defined"},
    {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: a rule that is there already"},
    {"root ::= \"a", "line 1, column 12: the text does not end"},
    {"root ::= [a", "line 1, column 12: the class does not end"},
    {"root ::= []", "line 1, column 12: a class of no characters"},
    {"root ::= [z-a]", "line 1, column 14: a range that ends before it begins"},
    {"root ::= (\"a\"\n  \"b\"", "line 2, column 6: a ) is missing"},
    {"root ::= \"a\")", "line 1, column 13: an unexpected character"},
    {"root ::= \"a\" }", "line 1, column 14: a text, a class, a rule or a group is expected"},
    {"root ::= * \"a\"", "line 1, column 10: a text, a class, a rule or a group is expected"},
    {"root ::= \"a\"{x}", "{ needs a number"},
    {"root ::= \"a\"{3,2}", "at most fewer than at least"},
    {"root ::= \"a\"{2", "a } is missing"},
    {"root ::= \"a\"{99999999}", "more than 65536"},
    {"root ::= \"\\q\"", "unknown escape"},
    {"root ::= \"\\u12g4\"", "line 1, column 15: a hexadecimal digit is missing"},
    {"root ::= \"\\ud800\"", "no such character"},
    {"root ::= \"\\U00110000\"", "no such character"},
    {"root := \"a\"", "line 1, column 6: ::= is expected"},
    {"?", "line 1, column 1: a rule's name is expected"},
    {"root ::= \"\303\"", "line 1, column 11: not UTF-8"},
    {"root ::= <[2000]>", "the vocabulary has no such token"},
    {"root ::= <[2]", "a token is written <[number]>"},
    {"root ::= <|nothing|>", "the vocabulary has no such special token"},
    {"root ::= \"a\" <[1]> \"b\"", "line 1, column 19: this token ends answers"},
    {"root ::= </s>", "this token ends answers"},
    {"root ::= root \"a\" | \"b\"", "line 1, column 1: rule root: begins with itself (left recursion)"},
    {"root ::= a \"x\"\na ::= b? c\nb ::= \"q\"\nc ::= a \"y\" | \"z\"\n", "begins with itself"},
    {"root ::= \"a\" root", "line 1, column 1: rule root: no text of it ever ends"},
    {"root ::= \"a\" b\nb ::= \"c\" b", "line 1, column 14: rule b: no text of it ever ends"},
    {"root ::= \"a\" (root \"b\"){3}", "line 1, column 1: rule a repetition: no text of it ever ends"},
    {"root ::= (root \"b\"){3}", "line 1, column 1: rule root: begins with itself (left recursion)"},
    {"root ::= (((((((((((((((((((((((((((((((((((((((((((((((((\"a\")))))))))))))))))))))))))))))))))))))))))))))))))",
     "nested too deep"},
    {"root ::= a{65536} a{65536} a{65536} a{65536} a{65536} a{65536} a{65536} a{65536}\na ::= \"b\"", "too large"},
};

static void refuses(void) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        skald_report why = {.size = sizeof why};
        skald_grammar *g = compile(refused[i].rules, &why);
        CHECK_SAID(g == NULL, "accepted: %s", refused[i].rules);
        CHECK_SAID(strstr(why.text, refused[i].why) != NULL, "%s: \"%s\", expected \"%s\"", refused[i].rules, why.text,
                   refused[i].why);
        sk_grammar_free(g);
    }
}

/* A good grammar cut at every byte: refused with a place, or accepted. */
static void cut_anywhere(void) {
    static const char good[] = "root ::= \"a\\u00e9\" (b | [^a-z\\]] <[2]>){2,3}\nb ::= \"c\"* | <tool_call> # end\n";
    for (size_t n = 0; n < sizeof good; n++) {
        skald_report why = {.size = sizeof why};
        const skald_grammar_options o = {.size = sizeof o};
        skald_grammar *g;
        const skald_status status = sk_grammar_create(&g, &w.host, &o, good, n, &why);
        CHECK((status == SKALD_OK) == (g != NULL));
        if (!g) CHECK_SAID(strncmp(why.text, "grammar line ", 13) == 0, "%zu bytes: %s", n, why.text);
        sk_grammar_free(g);
    }
}

/* ---- tokens */

static void special_tokens(void) {
    static sk_matcher m, before;
    float logits[WORDS_MOST + 5] = {0};
    skald_grammar *g = compile("root ::= \"a\" <tool_call> [0-9]+ | \"<tool_call>\" <[3]>", NULL);
    sk_matcher_begin(&m, g);
    sk_matcher_mask(logits, &m, g, logits, 0);
    for (uint32_t i = 0; i < w.host.n_logits; i++) {
        const bool allowed = i == WORDS_BYTE + 'a' || i == WORDS_BYTE + '<';
        CHECK_SAID((logits[i] >= 0) == allowed, "token %u at the beginning", i);
    }
    before = m;
    CHECK(!sk_matcher_accept(&m, g, WORDS_CALL));
    CHECK(!sk_matcher_accept(&m, g, WORDS_END));
    CHECK(!sk_matcher_accept(&m, g, -1) && !sk_matcher_accept(&m, g, (int32_t)w.n));
    CHECK(memcmp(m.set.word, before.set.word, before.set.n_words * sizeof *m.set.word) == 0);
    CHECK(sk_matcher_accept(&m, g, WORDS_BYTE + 'a'));
    CHECK_EQUAL(sk_matcher_least(&m, g), 2);
    CHECK(sk_matcher_accept(&m, g, WORDS_CALL));
    before = m;
    CHECK(sk_matcher_accept(&m, g, WORDS_BYTE + '7'));
    CHECK(sk_matcher_may_end(&m) && !sk_matcher_must_end(&m));
    CHECK(sk_matcher_accept(&m, g, WORDS_END) && sk_matcher_must_end(&m));
    CHECK(!sk_matcher_accept(&m, g, WORDS_BYTE + '7') && !sk_matcher_accept(&m, g, WORDS_END));
    CHECK(!sk_matcher_may_end(&before));
    sk_grammar_free(g);
}

/* A token that a rule names may also write bytes that another way waits for: both ways stay open, and the nearer counts. */
static void named_and_written(void) {
    static const char *const rules_of[] = {"root ::= [a-c] | <[%u]> \"a long way to the end\"",
                                           "root ::= <[%u]> | [a-c] \"a long way to the end\"",
                                           "root ::= x* \"b\"\nx ::= <[%u]> x? | [a-c] x? | \"aaa\"",
                                           "root ::= [a-c] x* (x | \"ab\"){2,7}\nx ::= <[%u]> x? | root"};
    static sk_matcher m, by_name;
    static written out;
    dice d = {11};
    for (size_t i = 0; i < sizeof rules_of / sizeof *rules_of; i++)
        for (uint32_t arena = 0; arena < 2; arena++) {
            char text[200];
            snprintf(text, sizeof text, rules_of[i], WORDS_BYTE + 'a');
            skald_grammar *g = compile(text, NULL);
            if (arena) g->automaton->n_units = 6000;
            sk_matcher_begin(&m, g);
            by_name = m;
            CHECK(sk_matcher_accept(&by_name, g, WORDS_BYTE + 'a'));
            if (i < 2) CHECK_SAID(sk_matcher_may_end(&by_name), "%s: the nearer way is lost", text);
            if (i < 2)
                CHECK_SAID(sk_matcher_accept(&by_name, g, WORDS_BYTE + 'a'), "%s: the farther way is lost", text);
            for (int how = 0; how < 100; how++) {
                write_answer(&out, g, &w.host, &d, NULL, g->least + roll(&d) % 8);
                CHECK_SAID(!out.bad && out.whole, "%s\n%s, cut at \"%.*s\"", text, out.bad ? out.bad : "not whole",
                           (int)out.n_bytes, out.text);
            }
            sk_grammar_free(g);
        }
}

/* The mask allows exactly the tokens that are accepted. */
static void masks(void) {
    static sk_matcher m, copy;
    float logits[WORDS_MOST + 5];
    skald_grammar *g = compile("root ::= (\"the\" [a-z ]{0,3} \"\\n\"? | \"[\" root \"]\" | <tool_call>)+", NULL);
    sk_matcher_begin(&m, g);
    dice d = {7};
    for (int step = 0; step < 300; step++) {
        uint32_t n_allowed = 0, chosen = 0;
        memset(logits, 0, sizeof logits);
        sk_matcher_mask(logits, &m, g, logits, 0);
        for (uint32_t i = 0; i < w.n; i++) {
            copy = m;
            const bool taken = sk_matcher_accept(&copy, g, (int32_t)i);
            CHECK_SAID(taken == (logits[i] >= 0), "step %d: token %u", step, i);
            if (taken && i != WORDS_END && roll(&d) % ++n_allowed == 0) chosen = i;
        }
        CHECK(n_allowed > 0 && sk_matcher_accept(&m, g, (int32_t)chosen));
    }
    sk_grammar_free(g);
}

/* A stack has an end: who only ever wants to go deeper is turned back there, and comes home. What recurs at its end needs none. */
static void deep(void) {
    static written out;
    float bent[WORDS_MOST + 5] = {0};
    dice d = {5};
    bent[WORDS_BYTE + '('] = 1e6f;
    skald_grammar *g = compile("root ::= \"(\" root \")\" | \"x\"", NULL);
    write_answer(&out, g, &w.host, &d, bent, 5000);
    CHECK_SAID(!out.bad && out.whole, "%s after %u tokens", out.bad ? out.bad : "cut", out.n_tokens);
    CHECK_EQUAL(out.n_bytes, 2 * SK_STACK + 1);
    sk_grammar_free(g);
    g = compile("root ::= \"(\" root | \")\"", NULL);
    write_answer(&out, g, &w.host, &d, bent, 1000);
    CHECK(!out.bad && out.whole && out.n_bytes == 1000);
    sk_grammar_free(g);
}

/* ---- random grammars */

enum { MOST_NODES = 256, MOST_RULES = 5, MOST_TEXT = 512 };
enum { IS_TEXT, IS_CLASS, IS_THEN, IS_OR, IS_MANY, IS_RULE };

/* A grammar as the test sees it. */
typedef struct node {
    int kind, a, b;
    uint32_t least, most;
    char text[4];
} node;

static node nodes[MOST_NODES];
static int n_nodes, rules[MOST_RULES];
static char rules_text[1 << 14];
static size_t n_rules_text;

static int new_node(node n) {
    nodes[n_nodes] = n;
    return n_nodes++;
}

static int random_node(dice *d, int depth) {
    const uint32_t kind = roll(d) % (depth > 4 || n_nodes > MOST_NODES - 40 ? 3 : 8);
    node n = {.kind = IS_TEXT};
    if (kind < 2) {
        n.kind = (int)kind;
        for (uint32_t i = 0, count = kind == IS_TEXT ? 1 + roll(d) % 3 : 2; i < count; i++)
            n.text[i] = (char)('a' + roll(d) % 4);
        if (n.kind == IS_CLASS && n.text[1] < n.text[0]) n.text[1] = n.text[0];
        return new_node(n);
    }
    if (kind == 2) return n.kind = IS_RULE, n.a = (int)(roll(d) % MOST_RULES), new_node(n);
    n.kind = kind < 5 ? IS_THEN : kind < 7 ? IS_OR : IS_MANY;
    n.a = random_node(d, depth + 1);
    if (n.kind != IS_MANY) n.b = random_node(d, depth + 1);
    n.least = roll(d) % 3, n.most = roll(d) % 2 ? UINT32_MAX : n.least + roll(d) % 3;
    if (n.kind == IS_MANY && n.most == 0) n.most = 1;
    return new_node(n);
}

static void say(const char *text) {
    const size_t n = strlen(text);
    memcpy(rules_text + n_rules_text, text, n + 1);
    n_rules_text += n;
}

static void say_node(int at) {
    const node *n = &nodes[at];
    char part[64];
    if (n->kind == IS_TEXT) snprintf(part, sizeof part, "\"%s\"", n->text);
    if (n->kind == IS_CLASS) snprintf(part, sizeof part, "[%c-%c]", n->text[0], n->text[1]);
    if (n->kind == IS_RULE) snprintf(part, sizeof part, n->a ? "r%d" : "root", n->a);
    if (n->kind <= IS_CLASS || n->kind == IS_RULE) {
        say(part);
        return;
    }
    say("(");
    say_node(n->a);
    if (n->kind == IS_MANY) {
        snprintf(part, sizeof part, n->most == UINT32_MAX ? "){%u,}" : "){%u,%u}", n->least, n->most);
        say(part);
        return;
    }
    say(n->kind == IS_THEN ? " " : " | ");
    say_node(n->b);
    say(")");
}

static void random_grammar(dice *d) {
    n_nodes = 0, n_rules_text = 0;
    for (int i = 0; i < MOST_RULES; i++) rules[i] = random_node(d, 0);
    for (int i = 0; i < MOST_RULES; i++) {
        char head[16];
        snprintf(head, sizeof head, i ? "\nr%d ::= " : "root ::= ", i);
        say(head);
        say_node(rules[i]);
    }
}

/* Where a node that begins at a place may end: a bit for each place of the text. Computed once for each (node, place). */
typedef struct places {
    uint64_t word[(MOST_TEXT + 64) / 64];
} places;

static places known[MOST_NODES][MOST_TEXT + 1];
static unsigned char is_known[MOST_NODES][MOST_TEXT + 1];
static const char *text;
static uint32_t n_text;

static const places *ends(int at, uint32_t from);

static void unite(places *a, const places *b) {
    for (size_t i = 0; i < sizeof a->word / sizeof *a->word; i++) a->word[i] |= b->word[i];
}

static void after_all(places *out, int at, const places *from) {
    for (uint32_t i = 0; i <= n_text; i++)
        if (from->word[i / 64] >> i % 64 & 1) unite(out, ends(at, i));
}

static void repeat(places *out, const node *n, uint32_t from) {
    places now = {{0}};
    now.word[from / 64] |= 1ull << from % 64;
    /* as often as there are places: a repetition of nothing brings nothing new */
    const uint32_t most = n->most == UINT32_MAX ? n->least + n_text + 1 : n->most;
    for (uint32_t i = 0; i <= most; i++) {
        places then = {{0}};
        if (i >= n->least) unite(out, &now);
        if (i < most) after_all(&then, n->a, &now);
        if (memcmp(&now, &then, sizeof now) == 0 && i >= n->least) return;
        now = then;
    }
}

static const places *ends(int at, uint32_t from) {
    const node *n = &nodes[at];
    places out = {{0}};
    if (is_known[at][from]) return &known[at][from];
    if (n->kind == IS_TEXT) {
        const uint32_t length = (uint32_t)strlen(n->text);
        if (from + length <= n_text && memcmp(text + from, n->text, length) == 0)
            out.word[(from + length) / 64] |= 1ull << (from + length) % 64;
    } else if (n->kind == IS_CLASS) {
        if (from < n_text && text[from] >= n->text[0] && text[from] <= n->text[1])
            out.word[(from + 1) / 64] |= 1ull << (from + 1) % 64;
    } else if (n->kind == IS_OR) {
        unite(&out, ends(n->a, from));
        unite(&out, ends(n->b, from));
    } else if (n->kind == IS_THEN) {
        const places first = *ends(n->a, from);
        after_all(&out, n->b, &first);
    } else if (n->kind == IS_RULE) {
        unite(&out, ends(rules[n->a], from));
    } else {
        repeat(&out, n, from);
    }
    known[at][from] = out, is_known[at][from] = 1;
    return &known[at][from];
}

static bool recognizes(const char *bytes, uint32_t n) {
    text = bytes, n_text = n;
    memset(is_known, 0, sizeof is_known);
    return ends(rules[0], 0)->word[n / 64] >> n % 64 & 1;
}

static void random_grammars(uint32_t n_wanted) {
    static written out;
    dice d = {20261125};
    uint32_t n_done = 0, n_refused = 0, n_short = 0, n_dropped = 0;
    float bent[WORDS_MOST + 5] = {0};
    for (uint32_t i = 0; i < w.host.n_logits; i++) bent[i] = i == WORDS_END ? -1e6f : 0; /* never ends by itself */
    while (n_done < n_wanted) {
        random_grammar(&d);
        skald_report why = {.size = sizeof why};
        skald_grammar *g = compile(rules_text, &why);
        if (!g) {
            CHECK_SAID(strstr(why.text, "left recursion") || strstr(why.text, "ever ends"), "%s: %s", rules_text,
                       why.text);
            CHECK(++n_refused < 100 * n_wanted);
            continue;
        }
        if (n_done % 2)
            g->automaton->n_units = 6000; /* an arena that is often full: 96 KiB, seven of the largest sets */
        for (int how = 0; how < 2; how++) {
            const uint32_t n_left = g->least + roll(&d) % 60;
            if (g->least > 200) continue;
            write_answer(&out, g, &w.host, &d, how ? bent : NULL, n_left);
            CHECK_SAID(!out.bad, "%s\n%s after \"%.*s\"", rules_text, out.bad, (int)out.n_bytes, out.text);
            CHECK_SAID(out.whole, "%s\ncut at \"%.*s\"", rules_text, (int)out.n_bytes, out.text);
            if (out.n_bytes > MOST_TEXT) continue;
            CHECK_SAID(recognizes(out.text, out.n_bytes), "%s\nnot of it: \"%.*s\"", rules_text, (int)out.n_bytes,
                       out.text);
            n_short++;
            /* one byte changed: both say the same */
            if (out.n_bytes) out.text[roll(&d) % out.n_bytes] = (char)('a' + roll(&d) % 4);
            const bool is_of_it = recognizes(out.text, out.n_bytes), matched = matches(g, out.text, out.n_bytes) == 1;
            n_dropped += g->automaton->work->dropped;
            CHECK_SAID(g->automaton->work->dropped ? is_of_it || !matched : is_of_it == matched,
                       "%s\nthe two differ about \"%.*s\"", rules_text, (int)out.n_bytes, out.text);
        }
        sk_grammar_free(g);
        n_done++;
    }
    CHECK(n_short > n_wanted);
    CHECK(n_dropped < n_wanted / 4);
    printf("%u grammars, %u refused, %u texts, %u with ways dropped\n", n_done, n_refused, n_short, n_dropped);
}

static void missing_byte(void) {
    static words less;
    skald_report why = {.size = sizeof why};
    const skald_grammar_options o = {.size = sizeof o};
    skald_grammar *g;
    words_open(&less, NULL, 0, 'q');
    sk_grammar_create(&g, &less.host, &o, "root ::= \"aq\"", 13, &why);
    CHECK(g == NULL);
    CHECK_SAID(strstr(why.text, "byte 0x71 is no token") != NULL, "%s", why.text);
    sk_grammar_create(&g, &less.host, &o, "root ::= \"a\" (\"q\" | [p-r])", 26, &why);
    CHECK(g != NULL && matches(g, "ap", 2) == 1);
    sk_grammar_free(g);
    words_close(&less);
}

int main(void) {
    static const char *const more[] = {"ab",   "abc", "the", " the",     "a]",
                                       "]]",   "th",  "cd",  "dcb",      "aa",
                                       "aaaa", "bb",  "bbd", "\303\251", "\303\251\303\251",
                                       "[the", "\n",  "12",  "3.",       "\"}",
                                       "ca",   "acac"};
    words_open(&w, more, sizeof more / sizeof *more, -1);
    accepts();
    refuses();
    cut_anywhere();
    special_tokens();
    named_and_written();
    masks();
    missing_byte();
    deep();
    random_grammars(2000);
    words_close(&w);
    return sk_checked();
}

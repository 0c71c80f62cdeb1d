/* JSON Schema: which texts are valid, what is refused, and with which place. `test_rooms_schema SCHEMAS TEXTS N`,
 * through tests/golden/schemas.py, writes N answers for each schema of a file of lines, from logits of three kinds. */
#include "answer/answer.h"
#include "support/grammar.h"
#include "support/check.h"

static words w;

static skald_grammar *compile(const char *text, size_t n, skald_report *why) {
    const skald_grammar_options o = {.size = sizeof o, .kind = SKALD_GRAMMAR_JSON_SCHEMA, .cache_bytes = 1};
    skald_grammar *g;
    sk_grammar_create(&g, &w.host, &o, text, n, why);
    return g;
}

/* ---- what is valid */

static const struct {
    const char *schema, *yes, *no; /* texts, each ended by \001 */
} schemas[] = {
    {"{\"type\":\"integer\",\"minimum\":1.5,\"maximum\":10.5}", "2\00110\001", "1\00111\001"},
    {"{\"type\":\"string\",\"pattern\":\"^[^a]$\"}", "\"\\u001f\"\001\"\x7f\"\001", "\"\x1f\"\001\"\\u0020\"\001"},
    {"{\"type\":\"integer\",\"minimum\":-5,\"maximum\":123}", "-5\0010\00199\001123\001100\001-1\001",
     "-6\001124\001-0\00100\0011.0\001200\001"},
    {"{\"type\":\"integer\",\"exclusiveMinimum\":9}", "10\00111\00199999\001", "9\0010\001-1\001"},
    {"{\"type\":\"integer\",\"maximum\":-1}", "-1\001-10\001-987\001", "0\0011\001-0\001"},
    {"{\"type\":\"number\",\"minimum\":1.25,\"exclusiveMaximum\":3}",
     "1.25\0011.3\0012\0012.999\0011.250\0011.2501\001", "1.2\0013\0013.0\0011\0011.24999\0011.\001"},
    {"{\"type\":\"number\",\"exclusiveMinimum\":0,\"maximum\":0.5}", "0.5\0010.1\0010.001\0010.50\001",
     "0\0010.0\0010.51\0010.\001-0.1\001"},
    {"{\"type\":\"number\"}", "0\001-1.5\0011e5\0012.5E-10\001", "01\001.5\0011.\001+1\001"},
    {"{\"type\":\"integer\",\"multipleOf\":7}", "0\00114\001-21\001700\001", "1\00115\001-0\001"},
    {"{\"type\":\"string\",\"minLength\":1,\"maxLength\":3}",
     "\"a\"\001\"\303\251b\344\270\200\"\001\"\\n\\u0041\\/\"\001",
     "\"\"\001\"abcd\"\001\"\\ud800\"\001\"\n\"\001\"\\x\"\001"},
    {"{\"type\":\"string\",\"pattern\":\"^a\\\\d+|z$\"}", "\"a1\"\001\"a12xyz\"\001\"qqz\"\001",
     "\"b\"\001\"az1\"\001"},
    {"{\"type\":\"string\",\"pattern\":\"^[^a\\\\\\\"]$\"}", "\"b\"\001\"\\\\\"\001\"\\n\"\001",
     "\"a\"\001\"\\\"\"\001"},
    {"{\"type\":\"string\",\"format\":\"date\"}", "\"2024-02-28\"\001\"1999-12-31\"\001",
     "\"2024-02-30\"\001\"0000-01-01\"\001\"2024-13-01\"\001"},
    {"{\"type\":\"string\",\"format\":\"uuid\"}", "\"2eb8aa08-aa98-11ea-b4aa-73b441d16380\"\001", "\"2eb8aa08\"\001"},
    {"{\"enum\":[\"ab\",\"abc\",\"b\\\"\",1,1.5,null,[1,{\"x\":true}]]}",
     "\"ab\"\001\"abc\"\001\"b\\\"\"\0011\0011.5\001null\001[1,{\"x\":true}]\001", "\"a\"\0012\001\"b\"\001[1]\001"},
    {"{\"type\":\"string\",\"enum\":[\"a\",1],\"const\":\"a\"}", "\"a\"\001", "1\001"},
    {"{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":1,\"maxItems\":3}",
     "[null]\001[null,null]\001[ null, null,\n  null ]\001", "[]\001[null,null,null,null]\001[1]\001[null,]\001"},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"null\"},{\"type\":\"boolean\"}],\"items\":false}",
     "[]\001[null]\001[null,true]\001", "[true]\001[null,true,1]\001"},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"null\"}],\"items\":{\"type\":\"integer\"},\"minItems\":2}",
     "[null,1]\001[null,1,2,3]\001", "[null]\001[]\001[1,1]\001"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"boolean\"}},\"required\":[\"b\"],\"additionalProperties\":false}",
     "{\"b\":true}\001{\"a\":null,\"b\":false}\001{ \"a\": null, \"b\": false }\001",
     "{}\001{\"a\":null}\001{\"b\":true,\"c\":1}\001{\"b\":1}\001{,\"b\":true}\001{\"b\":true,}\001"},
    {"{\"type\":\"object\",\"properties\":{\"ab\":{\"type\":\"null\"}},\"additionalProperties\":{\"type\":\"integer\"}}",
     "{}\001{\"ab\":null}\001{\"a\":1}\001{\"abc\":2,\"x\":3}\001{\"ab\":null,\"\":1}\001{\"\303\251\":1}\001",
     "{\"ab\":1}\001{\"\\u0061b\":1}\001{\"x\":null}\001"},
    {"{\"type\":\"object\",\"patternProperties\":{\"^x\":{\"type\":\"null\"}},\"additionalProperties\":false}",
     "{}\001{\"x\":null,\"xy\":null}\001", "{\"y\":null}\001{\"x\":1}\001"},
    {"{\"type\":\"object\",\"properties\":{\"xa\":{\"type\":[\"null\",\"integer\"]}},\"patternProperties\":{\"^x\":{\"type\":\"null\"}}}",
     "{}\001{\"xa\":null}\001", "{\"xa\":1}\001"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"null\"}},\"additionalProperties\":false,\"minProperties\":1,\"maxProperties\":1}",
     "{\"a\":null}\001{\"b\":null}\001", "{}\001{\"a\":null,\"b\":null}\001"},
    {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"integer\",\"minimum\":3}],\"maximum\":5}", "null\0013\0015\001",
     "2\0016\001"},
    {"{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"boolean\"}]}", "null\001true\001", "1\001"},
    {"{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"a\"}},\"required\":[\"k\"],\"additionalProperties\":false},{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"b\"}},\"required\":[\"k\"],\"additionalProperties\":false}]}",
     "{\"k\":\"a\"}\001{\"k\":\"b\"}\001", "{\"k\":\"c\"}\001{}\001"},
    {"{\"allOf\":[{\"type\":[\"integer\",\"string\"]},{\"minimum\":3}],\"type\":[\"integer\",\"null\"]}", "3\001",
     "2\001null\001\"a\"\001"},
    {"{\"$ref\":\"#/$defs/list\",\"$defs\":{\"list\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/list\"}}]}}}",
     "null\001[]\001[[null],[[]]]\001", "1\001[[]\001[1]\001"},
    {"{\"$defs\":{\"a/b~c\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/a~1b~0c\"}", "null\001", "1\001"},
    {"{\"$defs\":{\"x\":{\"$anchor\":\"here\",\"type\":\"null\"}},\"$ref\":\"#here\"}", "null\001", "1\001"},
    {"{\"not\":{\"type\":[\"object\",\"array\",\"string\"]},\"type\":[\"array\",\"null\"]}", "null\001", "[]\001"},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\x41\\\\u0042\\\\u{43}\\\\u{1F600}$\"}", "\"ABC\360\237\230\200\"\001", "\"ABCD\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\ud83d\\\\ude00$\"}", "\"\360\237\230\200\"\001", "\"a\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^[\\\\b\\\\cA\\\\n\\\\t0-9a\\\\-z\\\\]]+$\"}", "\"\\b\\u0001\\n\\t5a-z]\"\001", "\"b\"\001\"\\u0002\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^(?:a|b)(?<n>c)?d*?$\"}", "\"ac\"\001\"bddd\"\001\"a\"\001", "\"c\"\001\"abd\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^.a\\\\.\\\\/\\\\-$\"}", "\"xa./-\"\001", "\"\\na./-\"\001\"xab/-\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^a{2}b{1,}c{0,2}$\"}", "\"aab\"\001\"aabbbcc\"\001", "\"ab\"\001\"aa\"\001\"aabccc\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\w\\\\W\\\\d\\\\D\\\\s\\\\S$\"}", "\"a-1x y\"\001", "\"aa1x y\"\001\"a-1xyy\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^[^\\\\w]$\"}", "\"-\"\001", "\"a\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^[\\\\s\\\\S]$\"}", "\"-\"\001\"\\n\"\001", "\"\"\001"},
    {"{\"type\": \"string\", \"pattern\": \"^(a|)$|^xy$\"}", "\"\"\001\"a\"\001\"xy\"\001", "\"x\"\001"},
    {"{\"$ref\":\"#/prefixItems/1\",\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"null\"}],\"$defs\":{}}", "null\001", "1\001"},
    {"{\"enum\":[true,false,{\"a\":1},null]}", "true\001false\001{\"a\":1}\001null\001", "0\001{}\001"},
    {"{\"type\":[\"boolean\",\"object\"],\"enum\":[true,{\"a\":1},3]}", "true\001{\"a\":1}\001", "3\001"},
    {"{\"oneOf\":[{\"enum\":[\"a\",\"b\"]},{\"enum\":[\"c\"]}]}", "\"a\"\001\"c\"\001", "\"d\"\001"},
    {"{\"anyOf\":[{\"type\":\"integer\",\"minimum\":2,\"exclusiveMinimum\":2},{\"type\":\"integer\",\"maximum\":-3,\"exclusiveMaximum\":-3}]}", "3\001-4\001", "2\001-3\0010\001"},
    {"{\"allOf\":[{\"minimum\":2},{\"exclusiveMinimum\":2},{\"maximum\":5},{\"exclusiveMaximum\":5}],\"type\":\"integer\"}", "3\0014\001", "2\0015\001"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}},\"patternProperties\":{\"^a\":{}},\"additionalProperties\":false,\"required\":[\"a\"]}", "{\"a\":null}\001", "{}\001{\"a\":null,\"ab\":1}\001{\"a\":1}\001"},
    {"true", "{}\001[1,{\"a\":[]}]\001\"x\"\001-1e3\001", "{\001nul\001"},
};

static void accepts(void) {
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        skald_report why = {.size = sizeof why};
        skald_grammar *g = compile(schemas[i].schema, strlen(schemas[i].schema), &why);
        if (!CHECK_SAID(g != NULL, "%s: %s", schemas[i].schema, why.text)) continue;
        for (int good = 0; good < 2; good++)
            for (const char *t = good ? schemas[i].yes : schemas[i].no; *t;) {
                const size_t n = strcspn(t, "\001");
                CHECK_SAID((matches(g, t, n) == 1) == good, "%s: %.*s", schemas[i].schema, (int)n, t);
                t += n + 1;
            }
        sk_grammar_free(g);
    }
}

/* ---- what is refused */

static const struct {
    const char *schema, *why;
} refused[] = {
    {"{", "JSON at byte 1"},
    {"3", "a schema at #: an object, true or false is expected"},
    {"{\"properties\":{\"a\":{\"type\":\"text\"}},\"type\":\"object\"}",
     "type at #/properties/a: no type has this name"},
    {"{\"if\":{\"const\":0},\"then\":{\"minimum\":1}}", "if at #: conditions are not offered"},
    {"{\"items\":{\"uniqueItems\":true},\"type\":\"array\"}", "uniqueItems at #/items"},
    {"{\"contains\":{\"const\":5}}", "contains at #"},
    {"{\"allOf\":[{},{\"unevaluatedProperties\":false}]}", "unevaluatedProperties at #/allOf/1"},
    {"{\"type\":\"string\",\"pattern\":\"^(?=a)\"}", "pattern at #: byte 3 of the pattern: looking ahead"},
    {"{\"type\":\"string\",\"pattern\":\"a{\"}", "pattern at #: byte 2 of the pattern: { needs a number"},
    {"{\"type\":\"string\",\"pattern\":\"a\",\"maxLength\":3}", "pattern at #: not offered beside a length"},
    {"{\"type\":\"string\",\"format\":\"color\"}", "format at #: no format of this name"},
    {"{\"$ref\":\"other.json\"}", "$ref at #: only references inside the document"},
    {"{\"$ref\":\"#/$defs/x\"}", "$ref at #: there is nothing at this place"},
    {"{\"oneOf\":[{\"minimum\":1},{\"maximum\":2}]}", "oneOf at #: that no two alternatives hold at once"},
    {"{\"oneOf\":[]}", "oneOf at #: a list of schemas is expected"},
    {"{\"not\":{\"minimum\":3}}", "not at #: offered only for types"},
    {"{\"minLength\":-1,\"type\":\"string\"}", "minLength at #: a whole number from 0 on"},
    {"{\"minLength\":20000,\"type\":\"string\"}", "minLength at #: more than 10000"},
    {"{\"multipleOf\":0.3,\"type\":\"number\"}", "multipleOf at #: offered for whole numbers"},
    {"{\"type\":\"object\",\"patternProperties\":{\"a\":{},\"b\":{}}}",
     "patternProperties at #: more than one pattern"},
    {"{\"type\":\"object\",\"minProperties\":3}", "minProperties at #: more than one above"},
    {"{\"type\":\"string\",\"enum\":[\"a\"],\"minLength\":3}", "minLength at #: not offered beside enum"},
    {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "dependentRequired at #"},
    {"{\"dependencies\":{\"a\":[\"b\"]}}", "dependencies at #: not offered"},
    {"{\"$dynamicRef\":\"#x\"}", "$dynamicRef at #: not offered"},
    {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", "$schema at #: only draft 2020-12"},
    {"false", "false at #: nothing is valid"},
    {"{\"type\":\"string\",\"const\":1}", "rule #: no text of it ever ends"},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\u12$\"}", "pattern at #: byte 5 of the pattern: a hexadecimal digit is missing"},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\u{12$\"}", "a } is missing"},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\u{110000}$\"}", "no such character"},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\ud800$\"}", "no such character"},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\udbff\\\\u0041$\"}", "no such character"},
    {"{\"type\": \"string\", \"pattern\": \"a^b\"}", "^ and $ are offered at the ends"},
    {"{\"type\": \"string\", \"pattern\": \"*a\"}", "nothing to repeat"},
    {"{\"type\": \"string\", \"pattern\": \"(a\"}", "a ) is missing"},
    {"{\"type\": \"string\", \"pattern\": \"a)\"}", "a ( is missing"},
    {"{\"type\": \"string\", \"pattern\": \"[a\"}", "the class does not end"},
    {"{\"type\": \"string\", \"pattern\": \"[z-a]\"}", "a range that ends before it begins"},
    {"{\"type\": \"string\", \"pattern\": \"[a-\\\\d]\"}", "a range that ends with a class"},
    {"{\"type\": \"string\", \"pattern\": \"\\\\p{L}\"}", "\\p is not offered"},
    {"{\"type\": \"string\", \"pattern\": \"\\\\bx\"}", "borders of words"},
    {"{\"type\": \"string\", \"pattern\": \"(a)\\\\1\"}", "references back"},
    {"{\"type\": \"string\", \"pattern\": \"\\\\y\"}", "unknown escape"},
    {"{\"type\": \"string\", \"pattern\": \"a\\\\\"}", "unknown escape"},
    {"{\"type\": \"string\", \"pattern\": \"a{2,1}\"}", "at most fewer than at least"},
    {"{\"type\": \"string\", \"pattern\": \"a{1\"}", "a } is missing"},
    {"{\"type\": \"string\", \"pattern\": \"a{70000}\"}", "a repetition of more than 65536"},
    {"{\"type\": \"string\", \"pattern\": \"(?<=a)b\"}", "looking ahead or back"},
    {"{\"type\": \"string\", \"pattern\": \"(?<!a)b\"}", "looking ahead or back"},
    {"{\"type\": \"string\", \"pattern\": \"(?!a)b\"}", "looking ahead or back"},
    {"{\"type\": \"string\", \"pattern\": \"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a\"}", "nested too deep"},
    {"{\"minimum\":\"x\"}", "minimum at #: a number is expected"},
    {"{\"type\":\"number\",\"minimum\":1234567890123456789012}", "more than 18 digits"},
    {"{\"allOf\":[{\"multipleOf\":2},{\"multipleOf\":3}],\"type\":\"integer\"}", "two that differ are not offered"},
    {"{\"type\":\"integer\",\"multipleOf\":0}", "a number above 0 is expected"},
    {"{\"type\":\"integer\",\"multipleOf\":3,\"minimum\":1}", "not offered beside bounds"},
    {"{\"not\":{\"type\":\"integer\"},\"type\":\"number\"}", "numbers that are no integers"},
    {"{\"type\":\"object\",\"properties\":[1]}", "an object of schemas is expected"},
    {"{\"type\":\"object\",\"required\":3}", "a list of keys is expected"},
    {"{\"type\":\"object\",\"required\":[3]}", "a list of keys is expected"},
    {"{\"enum\":3}", "a list of values is expected"},
    {"{\"oneOf\":[{\"enum\":[\"a\",\"b\"]},{\"enum\":[\"b\"]}]}", "that no two alternatives hold at once"},
    {"{\"$ref\":3}", "a text of less than 512 bytes is expected"},
    {"{\"$ref\":\"#/prefixItems/7\",\"prefixItems\":[{}]}", "there is nothing at this place"},
    {"{\"type\":3}", "type at #"},
    {"{\"anyOf\":{}}", "anyOf at #: a list of schemas is expected"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}", "no text of it ever ends"},
};

static void refuses(void) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        skald_report why = {.size = sizeof why};
        skald_grammar *g = compile(refused[i].schema, strlen(refused[i].schema), &why);
        CHECK_SAID(g == NULL, "accepted: %s", refused[i].schema);
        CHECK_SAID(strstr(why.text, refused[i].why) != NULL, "%s: \"%s\", expected \"%s\"", refused[i].schema, why.text,
                   refused[i].why);
        sk_grammar_free(g);
    }
}

/* ---- tools */

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get\",\"parameters\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":"
    "\"integer\"}},\"required\":[\"n\"],\"additionalProperties\":false}}},{\"name\":\"now\"}]";

static const struct {
    const char *family, *yes, *no;
} calls[] = {
    {"hermes", "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"n\":1}}\n</tool_call>",
     "<tool_call>\n{\"name\": \"now\", \"arguments\": {\"n\":1}}\n</tool_call>"},
    {"llama3", "{\"name\": \"now\", \"parameters\": {}}", "{\"name\": \"get\", \"parameters\": {}}"},
    {"mistral", "[TOOL_CALLS][{\"name\": \"get\", \"arguments\": { \"n\": -3 }}]",
     "[TOOL_CALLS][{\"name\": \"got\", \"arguments\": {}}]"},
    {"deepseek",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "now"},
    {"harmony", "<|channel|>commentary to=functions.get <|constrain|>json<|message|>{\"n\":0}", "<|channel|>analysis"},
};

static skald_grammar *compile_tools(const char *family, const char *text, skald_report *why) {
    const skald_grammar_options o = {.size = sizeof o, .kind = SKALD_GRAMMAR_TOOLS, .family = family};
    skald_grammar *g;
    sk_grammar_create(&g, &w.host, &o, text, strlen(text), why);
    return g;
}

typedef struct heard {
    char name[64], arguments[256];
    int whole;
} heard;

static int32_t hear(void *user, skald_answer_event event, const char *text, size_t n) {
    heard *h = user;
    if (event == SKALD_ANSWER_CALL) strncat(h->name, text, n);
    if (event == SKALD_ANSWER_ARGUMENTS) strncat(h->arguments, text, n);
    h->whole |= event == SKALD_ANSWER_CALL_END;
    return 0;
}

/* What a grammar of tools writes is what lib/answer reads as a call. */
static void is_read(const char *family, const char *text, size_t n) {
    heard h = {{0}, {0}, 0};
    sk_answer answer;
    sk_answer_begin(&answer, sk_answer_family(family), false, hear, &h);
    sk_answer_push(&answer, text, n);
    sk_answer_end(&answer);
    CHECK_SAID(strcmp(h.name, "get") == 0 || strcmp(h.name, "now") == 0, "%s: %s reads \"%s\"", text, family, h.name);
    CHECK_SAID(h.arguments[0] == '{', "%s: the arguments are \"%s\"", family, h.arguments);
    CHECK_SAID(h.whole || strcmp(family, "harmony") == 0, "%s: the call is not whole", family);
}

static void tools_of_families(void) {
    skald_report why = {.size = sizeof why};
    static written out;
    dice d = {3};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        skald_grammar *g = compile_tools(calls[i].family, tools, &why);
        if (!CHECK_SAID(g != NULL, "%s: %s", calls[i].family, why.text)) continue;
        CHECK_SAID(matches(g, calls[i].yes, strlen(calls[i].yes)) == 1, "%s", calls[i].yes);
        CHECK_SAID(matches(g, calls[i].no, strlen(calls[i].no)) != 1, "%s", calls[i].no);
        is_read(calls[i].family, calls[i].yes, strlen(calls[i].yes));
        for (int k = 0; k < 20; k++) {
            write_answer(&out, g, &w.host, &d, NULL, g->least + 30);
            CHECK(!out.bad && out.whole);
            out.text[out.n_bytes] = 0;
            is_read(calls[i].family, out.text, out.n_bytes);
        }
        sk_grammar_free(g);
    }
    static sk_matcher m;
    skald_grammar *g = compile_tools("hermes", tools, &why); /* a tag is the token where there is one */
    sk_matcher_begin(&m, g);
    CHECK(!sk_matcher_accept(&m, g, WORDS_BYTE + '<') && sk_matcher_accept(&m, g, WORDS_CALL));
    sk_grammar_free(g);
    CHECK(!compile_tools("plain", tools, &why) && strstr(why.text, "the family plain has no form of calls"));
    CHECK(!compile_tools("hermes", "[]", &why) && strstr(why.text, "not an empty one"));
    CHECK(!compile_tools("hermes", "[{\"name\":\"a b\"}]", &why) && strstr(why.text, "tools at #/0: a name of"));
    CHECK(!compile_tools("hermes", "[{\"name\":\"a\",\"parameters\":{}}]", &why) && strstr(why.text, "type object"));
    CHECK(!compile_tools("hermes", "[{\"name\":\"a\",\"parameters\":{\"type\":\"object\",\"if\":{},\"then\":{}}}]",
                         &why) &&
          strstr(why.text, "if at #/0/parameters"));
}

/* ---- answers for tests/golden/schemas.py */

static void put_json(FILE *f, const char *text, size_t n) {
    fputc('"', f);
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') fprintf(f, "\\%c", c);
        else if (c < 0x20) fprintf(f, "\\u%04x", c);
        else fputc(c, f);
    }
    fputc('"', f);
}

/* Random logits; the smallest first, as if the model wanted anything but this; and such that never want to end. */
static void write_answers(FILE *f, skald_grammar *g, dice *d, int n) {
    static written out;
    static float bent[WORDS_MOST + 5];
    for (int i = 0; i < n; i++) {
        for (uint32_t k = 0; k < w.host.n_logits; k++)
            bent[k] = i % 3 == 1 ? (float)k * 50 : i % 3 == 2 ? -(float)(roll(d) % 16) * 1000 : 0;
        bent[WORDS_END] = i % 3 ? -1e6f : 0;
        const uint32_t n_left = g->least + (i < 3 ? 0 : roll(d) % 400);
        write_answer(&out, g, &w.host, d, bent, n_left > 20000 ? 20000 : n_left);
        fprintf(f, i ? "," : "");
        put_json(f, out.bad ? out.bad : out.text, out.bad ? strlen(out.bad) : out.n_bytes);
    }
}

static int answer_lines(const char *from, const char *to, int n) {
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    static char line[1 << 16];
    dice d = {1};
    if (!in || !out) return 2;
    while (fgets(line, sizeof line, in)) {
        skald_report why = {.size = sizeof why};
        skald_grammar *g = compile(line, strlen(line), &why);
        fprintf(out, "{\"why\":");
        put_json(out, g ? "" : why.text, g ? 0 : strlen(why.text));
        fprintf(out, ",\"texts\":[");
        if (g) write_answers(out, g, &d, n);
        fprintf(out, "]}\n");
        sk_grammar_free(g);
    }
    fclose(in);
    return fclose(out) != 0;
}

int main(int argc, char **argv) {
    static const char *const more[] = {"\":",  "\", \"", "\",\"", "{\"",      "\"}",  "}}",  "]]",  ": ",
                                       ", ",   "true",   "null",  "12",       "345",  "foo", "bar", "\": \"",
                                       "[{\"", " the",   "a\"",   "\303\251", "\n  ", "0.",  "e5"};
    words_open(&w, more, sizeof more / sizeof *more, -1);
    if (argc == 4) return answer_lines(argv[1], argv[2], atoi(argv[3]));
    accepts();
    refuses();
    tools_of_families();
    words_close(&w);
    return sk_checked();
}

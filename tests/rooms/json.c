/* JSON: what is accepted, what is refused and where, and numbers that are the nearest double. */
#include "support/check.h"
#include "file/json.h"
#include <stdlib.h>
#include <string.h>

static skald_status open_text(sk_json *root, const char *text, skald_report *why) {
    *why = (skald_report){.size = sizeof *why};
    return sk_json_open(root, text, strlen(text), why);
}

static void check_refusals(void) {
    static const struct {
        const char *text;
        uint64_t offset;
        const char *word;
    } bad[] = {
        {"", 0, "a value is missing"},
        {" \n", 2, "a value is missing"},
        {"{", 1, "a key is missing"},
        {"[", 1, "a value is missing"},
        {"[1", 2, "a comma or ]"},
        {"[1,]", 3, "a value is missing"},
        {"[,1]", 1, "a value is missing"},
        {"{\"a\"}", 4, "a colon"},
        {"{\"a\":}", 5, "a value is missing"},
        {"{\"a\":1,}", 7, "a key"},
        {"{a:1}", 1, "a key"},
        {"{\"a\":1 \"b\":2}", 7, "a comma or }"},
        {"[1}", 2, "a comma or ]"},
        {"{\"a\":1]", 6, "a comma or }"},
        {"1 2", 2, "more text"},
        {"{}x", 2, "more text"},
        {"tru", 0, "a value is missing"},
        {"truE", 0, "a value is missing"},
        {"nul", 0, "a value is missing"},
        {"NaN", 0, "a value is missing"},
        {"-Infinity", 1, "a digit"},
        {"01", 0, "begins with 0"},
        {"-01", 1, "begins with 0"},
        {"-", 1, "a digit"},
        {"1.", 2, "a digit"},
        {".5", 0, "a value is missing"},
        {"+1", 0, "a value is missing"},
        {"1e", 2, "a digit"},
        {"1e+", 3, "a digit"},
        {"0x10", 1, "more text"},
        {"\"", 1, "does not end"},
        {"\"a", 2, "does not end"},
        {"\"\\", 1, "does not end"},
        {"\"\\\"", 3, "does not end"},
        {"\"\\x\"", 1, "unknown escape"},
        {"\"\\u12\"", 1, "does not end"},
        {"\"\\u12g4\"", 1, "four hex"},
        {"\"\n\"", 1, "control character"},
        {"\"\xff\"", 1, "not UTF-8"},
        {"\"\xc3\"", 1, "not UTF-8"},
        {"\"\xed\xa0\x80\"", 1, "not UTF-8"},
        {"'a'", 0, "a value is missing"},
        {"[1 /* c */]", 3, "a comma or ]"},
        {"\xef\xbb\xbf{}", 0, "a value"},
        {"{\"a\":1,,\"b\":2}", 7, "a key"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        skald_report why;
        sk_json root;
        skald_status s = open_text(&root, bad[i].text, &why);
        CHECK_SAID(s == SKALD_FORMAT && why.offset == bad[i].offset && strstr(why.text, bad[i].word),
                   "%s: \"%s\" at %llu expected, %d \"%s\"", bad[i].text, bad[i].word,
                   (unsigned long long)bad[i].offset, s, why.text);
    }
    skald_report why = {.size = sizeof why};
    sk_json root;
    CHECK_EQUAL(sk_json_open(&root, "1\0", 2, &why), SKALD_FORMAT);
    CHECK_EQUAL(sk_json_open(&root, "\"\\\0\"", 4, &why), SKALD_FORMAT);
}

/* Every beginning of a good text is refused. */
static void check_truncation(void) {
    static const char good[] = "{\"a\": [1, -2.5e-3, true, null, \"\\u00e9\\n\xc3\xa9\"], \"b\": {\"c\": {}}}";
    skald_report why = {.size = sizeof why};
    sk_json root;
    CHECK_EQUAL(sk_json_open(&root, good, sizeof good - 1, &why), SKALD_OK);
    for (size_t n = 0; n + 1 < sizeof good; n++)
        CHECK_SAID(sk_json_open(&root, good, n, &why) == SKALD_FORMAT, "cut at byte %zu", n);
}

static void check_depth(void) {
    char text[2 * SK_JSON_MAX_DEPTH + 4];
    skald_report why;
    sk_json root;
    for (uint32_t depth = SK_JSON_MAX_DEPTH - 1; depth <= SK_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = 0;
        skald_status s = open_text(&root, text, &why);
        CHECK_EQUAL(s, depth <= SK_JSON_MAX_DEPTH ? SKALD_OK : SKALD_FORMAT);
    }
    CHECK(strstr(why.text, "nested too deep") != NULL);
}

static void check_members(void) {
    static const char text[] = " { \"n\" : 12 ,\"f\":0.5,\"t\":true,\"u\":false, \"z\":null,"
                               "\"s\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\ud83dx\","
                               "\"list\":[1,[2,{\"n\":5}],\"x:y\",{}],\"n\":13,"
                               "\"e\":1e3,\"neg\":-1,\"big\":4294967296,\"nul\":\"a\\u0000b\",\"k\\u0065y\":7} ";
    skald_report why;
    sk_json root, list, item;
    uint32_t u = 77;
    int64_t i = 0;
    double d = 0;
    bool flag = false;
    char out[64];
    if (!CHECK(open_text(&root, text, &why) == SKALD_OK)) return;
    CHECK_EQUAL(sk_json_kind_of(root), SK_JSON_OBJECT);
    CHECK(sk_json_u32(root, "n", &u, &why) == SKALD_OK && u == 13); /* of equal keys the last */
    CHECK(sk_json_u32(root, "e", &u, &why) == SKALD_OK && u == 1000);
    CHECK(sk_json_u32(root, "key", &u, &why) == SKALD_OK && u == 7);
    CHECK(sk_json_i64(root, "neg", &i, &why) == SKALD_OK && i == -1);
    CHECK(sk_json_i64(root, "big", &i, &why) == SKALD_OK && i == 4294967296);
    CHECK(sk_json_double(root, "f", &d, &why) == SKALD_OK && d == 0.5);
    CHECK(sk_json_double(root, "n", &d, &why) == SKALD_OK && d == 13);
    CHECK(sk_json_bool(root, "t", &flag, &why) == SKALD_OK && flag);
    CHECK(sk_json_bool(root, "u", &flag, &why) == SKALD_OK && !flag);
    CHECK_EQUAL(sk_json_text(root, "s", out, sizeof out, &why), SKALD_OK);
    CHECK_TEXT(out, "a\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbdx");
    CHECK_EQUAL(sk_json_text(root, "s", out, strlen(out) + 1, &why), SKALD_OK);
    CHECK_EQUAL(sk_json_text(root, "s", out, strlen(out), &why), SKALD_FORMAT);
    CHECK_TEXT(why.text, "JSON key s: a text of 23 bytes, 22 are allowed");
    CHECK(sk_json_text(root, "nul", out, sizeof out, &why) == SKALD_FORMAT && strstr(why.text, "nul"));
    why.text[0] = 0;
    u = 77;
    CHECK_EQUAL(sk_json_u32(root, "z", &u, &why), SKALD_ABSENT);
    CHECK_EQUAL(sk_json_u32(root, "nothing", &u, &why), SKALD_ABSENT);
    CHECK(why.text[0] == 0);
    CHECK(sk_json_u32(root, "neg", &u, &why) == SKALD_FORMAT && strstr(why.text, "neg"));
    CHECK(sk_json_u32(root, "big", &u, &why) == SKALD_FORMAT && strstr(why.text, "big"));
    CHECK(sk_json_u32(root, "f", &u, &why) == SKALD_FORMAT && strstr(why.text, "f: an integer"));
    CHECK(sk_json_u32(root, "s", &u, &why) == SKALD_FORMAT && strstr(why.text, "key s"));
    CHECK(sk_json_bool(root, "n", &flag, &why) == SKALD_FORMAT && strstr(why.text, "key n"));
    CHECK(sk_json_double(root, "list", &d, &why) == SKALD_FORMAT && strstr(why.text, "list"));
    CHECK(sk_json_text(root, "n", out, sizeof out, &why) == SKALD_FORMAT && strstr(why.text, "key n"));
    CHECK_EQUAL(u, 77);

    CHECK_EQUAL(sk_json_find(root, "list", &list), SKALD_OK);
    sk_json walk = sk_json_begin(list);
    CHECK(sk_json_next(&walk, NULL, &item) && sk_json_to_i64(item, &i) && i == 1);
    CHECK(sk_json_next(&walk, NULL, &item) && sk_json_kind_of(item) == SK_JSON_LIST);
    CHECK(sk_json_next(&walk, NULL, &item) && sk_json_is(item, "x:y") && !sk_json_is(item, "x:") &&
          !sk_json_is(item, "x:yz"));
    CHECK(sk_json_next(&walk, NULL, &item) && sk_json_kind_of(item) == SK_JSON_OBJECT);
    CHECK_EQUAL(sk_json_find(item, "n", &item), SKALD_ABSENT);
    CHECK(!sk_json_next(&walk, NULL, &item) && !sk_json_next(&walk, NULL, &item));
    CHECK_EQUAL(sk_json_find(list, "n", &item), SKALD_ABSENT);
    walk = sk_json_begin(item);
    uint32_t n = 0;
    for (walk = sk_json_begin(root); sk_json_next(&walk, NULL, &item);) n++;
    CHECK_EQUAL(n, 13);
}

static void check_integers(void) {
    static const struct {
        const char *text;
        bool holds;
        int64_t value;
    } cases[] = {{"0", true, 0},
                 {"-0", true, 0},
                 {"0e99999999999", true, 0},
                 {"9223372036854775807", true, INT64_MAX},
                 {"9223372036854775808", false, 0},
                 {"-9223372036854775808", true, INT64_MIN},
                 {"-9223372036854775809", false, 0},
                 {"18446744073709551616", false, 0},
                 {"100000000000000000000000", false, 0},
                 {"1.0", true, 1},
                 {"1.5", false, 0},
                 {"15e-1", false, 0},
                 {"150e-1", true, 15},
                 {"1e18", true, 1000000000000000000},
                 {"1e19", false, 0},
                 {"1e99999999999999999999", false, 0},
                 {"12345678901234567890123e-20", false, 0},
                 {"\"1\"", false, 0},
                 {"null", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        skald_report why;
        sk_json root;
        int64_t got = 0;
        if (!CHECK(open_text(&root, cases[i].text, &why) == SKALD_OK)) continue;
        bool holds = sk_json_to_i64(root, &got);
        CHECK_SAID(holds == cases[i].holds && got == cases[i].value, "%s: %d %lld", cases[i].text, holds,
                   (long long)got);
    }
}

static void check_double(const char *text) {
    skald_report why;
    sk_json root;
    double got = 0, want = strtod(text, NULL);
    if (!CHECK(open_text(&root, text, &why) == SKALD_OK)) return;
    bool holds = sk_json_to_double(root, &got), finite = want - want == 0;
    CHECK_SAID(holds == finite && (!finite || memcmp(&got, &want, sizeof got) == 0), "%s: %a, expected %a", text, got,
               want);
}

static void check_doubles(void) {
    static const char *const texts[] = {"0",
                                        "-0",
                                        "1",
                                        "0.1",
                                        "1e-05",
                                        "1e-6",
                                        "500000.0",
                                        "0.02",
                                        "1.0299999713897705",
                                        "1e22",
                                        "1e23",
                                        "9007199254740993",
                                        "9007199254740992.5",
                                        "9007199254740994.99",
                                        "9007199254740993.0000001",
                                        "2.2250738585072014e-308",
                                        "2.2250738585072011e-308",
                                        "4.9406564584124654e-324",
                                        "2.47e-324",
                                        "2.4703282292062327e-324",
                                        "2.4703282292062328e-324",
                                        "1e-400",
                                        "1.7976931348623157e308",
                                        "1.7976931348623159e308",
                                        "1e309",
                                        "1e999999999999",
                                        "0e999999999999",
                                        "1e-999999999999",
                                        "123456789012345678901234567890",
                                        "0.000000000000000000000000000001",
                                        "0.3333333333333333333333333333",
                                        "-3.14159265358979"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) check_double(texts[i]);
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) { /* 17 digits name any double */
        double value;
        char text[64];
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = random ^ random >> 29;
        memcpy(&value, &bits, sizeof value);
        if (value - value != 0) continue;
        snprintf(text, sizeof text, "%.17g", value);
        check_double(text);
        snprintf(text, sizeof text, "%.*e", i % 19, value);
        check_double(text);
    }
}

int main(void) {
    check_refusals();
    check_truncation();
    check_depth();
    check_members();
    check_integers();
    check_doubles();
    return sk_checked();
}

/* Answers of known families (tests/golden/make_answers.py) as events: whole, byte by byte, and cut at every byte. */
#include "answer/answer.h"
#include "base/utf8.h"
#include "file/json.h"
#define SK_ALLOW_LIBC_MEMORY
#include "support/check.h"
#include "support/vocab.h"

typedef struct heard {
    char text[8192];
    size_t n;
    char last;
    uint32_t n_ends;
    long stop_after;
    char arguments[4096]; /* of the call in work */
    size_t n_arguments;
    uint32_t n_calls_ended, n_split; /* bytes of characters that were split */
} heard;

/* A call that has ended has arguments that are JSON, or none. */
static void hear_call(heard *h, skald_answer_event kind, const char *text, size_t n) {
    sk_json value;
    if (kind == SKALD_ANSWER_CALL) h->n_arguments = 0;
    if (kind == SKALD_ANSWER_ARGUMENTS && n <= sizeof h->arguments - h->n_arguments) {
        memcpy(h->arguments + h->n_arguments, text, n);
        h->n_arguments += n;
    }
    if (kind != SKALD_ANSWER_CALL_END) return;
    h->n_calls_ended++;
    CHECK_SAID(!h->n_arguments || sk_json_open(&value, h->arguments, h->n_arguments, NULL) == SKALD_OK,
               "a call has ended with the arguments %.*s", (int)h->n_arguments, h->arguments);
}

/* A letter, a text, US; pieces of one text are joined. */
static int32_t hear(void *user, skald_answer_event kind, const char *text, size_t n) {
    static const char letters[] = {'C', 'R', 'T', 'A', 'Z'};
    heard *h = user;
    if (h->stop_after && --h->stop_after == 0) return 1;
    if (kind == SKALD_ANSWER_END) return h->n_ends++, 0;
    hear_call(h, kind, text, n);
    for (size_t at = 0, size; at < n; at += size ? size : 1)
        if (!(size = sk_utf8_length((const unsigned char *)text + at, n - at))) h->n_split++;
    const char letter = letters[kind];
    const bool joins = letter == h->last && (letter == 'C' || letter == 'R' || letter == 'A');
    if (h->n + n + 2 > sizeof h->text) return 1;
    if (joins) h->n--;
    else h->text[h->n++] = letter;
    memcpy(h->text + h->n, text, n);
    h->n += n;
    h->text[h->n++] = 31;
    h->last = letter;
    return 0;
}

/* What is heard of an answer's beginning is never taken back: it is the beginning of what is heard of the whole, so that
 * nothing of a tag that is not there in full was content. */
static void check_beginning(const char *family, const char *text, size_t n, const char *want) {
    static sk_answer a;
    heard h = {.n = 0};
    sk_answer_begin(&a, sk_answer_family(family), false, hear, &h);
    sk_answer_push(&a, text, n);
    const size_t n_said = h.n ? h.n - 1 : 0; /* without the US of a text that may go on */
    CHECK_SAID(strncmp(h.text, want, n_said) == 0, "%s, the first %zu of \"%s\": \"%.*s\" is no beginning of \"%s\"",
               family, n, text, (int)n_said, h.text, want);
}

static void check_one(const char *family, const char *text, size_t n, const char *want, size_t n_want) {
    static sk_answer a;
    const uint32_t bit = sk_answer_family(family);
    CHECK_SAID(bit != 0, "%s is no family", family);
    for (size_t cut = 0; cut <= n + 1; cut++) { /* the last time byte by byte */
        heard h = {.n = 0};
        sk_answer_begin(&a, bit, false, hear, &h);
        if (cut <= n) {
            sk_answer_push(&a, text, cut);
            sk_answer_push(&a, text + cut, n - cut);
        } else
            for (size_t i = 0; i < n; i++) sk_answer_push(&a, text + i, 1);
        sk_answer_end(&a);
        h.text[h.n] = 0;
        if (cut <= n) check_beginning(family, text, cut, want);
        const bool same = h.n == n_want && memcmp(h.text, want, n_want) == 0 && h.n_ends == 1;
        if (!CHECK_SAID(same, "%s, cut at %zu of \"%s\": \"%s\" expected, \"%s\"", family, cut, text, want, h.text))
            return;
    }
}

static char *field(char **at, char end) {
    char *begin = *at, *stop = strchr(begin, end);
    if (!stop) return NULL;
    *stop = 0;
    *at = stop + 1;
    return begin;
}

static void check_answers(void) {
    static const char *const families[] = {"plain", "hermes", "llama3", "mistral", "deepseek", "harmony"};
    size_t n;
    uint32_t n_answers = 0, n_cuts = 0, n_of[6] = {0};
    char *all = test_read(SK_TEST_DATA "/answers.txt", &n), *at = all;
    for (char *family; all && (family = field(&at, 29)) != NULL; n_answers++) {
        const char *text = field(&at, 29), *want = field(&at, 30);
        if (!CHECK(text && want)) break;
        check_one(family, text, strlen(text), want, strlen(want));
        n_cuts += (uint32_t)strlen(text) + 1;
        for (int i = 0; i < 6; i++) n_of[i] += strcmp(family, families[i]) == 0;
    }
    CHECK(n_answers >= 200);
    printf("%u answers, cut at %u places:", n_answers, n_cuts);
    for (int i = 0; i < 6; i++) {
        CHECK_SAID(n_of[i] >= 30, "%u answers of %s", n_of[i], families[i]);
        printf(" %s %u", families[i], n_of[i]);
    }
    puts("");
    free(all);
}

/* Names without end, heads without end and depths without end take no memory. */
static void check_bounds(void) {
    static const struct {
        const char *family, *begin, *more;
    } endless[] = {
        {"hermes", "<tool_call>{\"name\": \"", "n"},
        {"hermes", "<tool_call>", " "},
        {"hermes", "<tool_call>{\"", "k"},
        {"mistral", "[TOOL_CALLS]", "n"},
        {"deepseek",
         "<\xef\xbd\x9ctool\xe2\x96\x81"
         "calls\xe2\x96\x81"
         "begin\xef\xbd\x9c>",
         "<"},
        {"harmony", "<|channel|>", "h"},
        {"llama3", "", " "},
        {"llama3", "{\"name\": \"f\", \"parameters\": ", "[{"},
    };
    static sk_answer a;
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        heard h = {.n = 0};
        sk_answer_begin(&a, sk_answer_family(endless[i].family), false, hear, &h);
        sk_answer_push(&a, endless[i].begin, strlen(endless[i].begin));
        for (uint32_t n = 0; n < 3000; n++) sk_answer_push(&a, endless[i].more, strlen(endless[i].more));
        sk_answer_end(&a);
        CHECK_EQUAL(h.n_ends, 1);
    }
}

static void check_rest(void) {
    static sk_answer a;
    heard h = {.n = 0};
    sk_answer_begin(&a, sk_answer_family("hermes"), true, hear, &h);
    sk_answer_push(&a, "\nso</think>\nok", 14);
    sk_answer_end(&a);
    CHECK(h.n == 8 && memcmp(h.text, "Rso\37Cok\37", 8) == 0);
    h = (heard){.stop_after = 2};
    sk_answer_begin(&a, sk_answer_family("plain"), false, hear, &h);
    for (int i = 0; i < 5; i++) sk_answer_push(&a, "x", 1);
    sk_answer_end(&a);
    CHECK(h.n == 3 && h.n_ends == 0 && h.stop_after == 0);
    char wide[3000];
    for (size_t i = 0; i < sizeof wide; i += 3) memcpy(wide + i, "\xe6\x97\xa5", 3);
    h = (heard){.n = 0};
    sk_answer_begin(&a, sk_answer_family("plain"), false, hear, &h);
    sk_answer_push(&a, wide, sizeof wide);
    sk_answer_end(&a);
    CHECK(h.n == sizeof wide + 2 && h.n_split == 0 && memcmp(h.text + 1, wide, sizeof wide) == 0);
    CHECK_EQUAL(sk_answer_family("nobody"), 0);
    const char *tool = "{{ '<tool_call>' }}", *channel = "x<|channel|>", *none = "{{ messages }}";
    CHECK_EQUAL(sk_answer_detect(tool, strlen(tool)), sk_answer_family("hermes"));
    CHECK_EQUAL(sk_answer_detect(channel, strlen(channel)), sk_answer_family("harmony"));
    CHECK_EQUAL(sk_answer_detect(none, strlen(none)), sk_answer_family("plain"));
    CHECK_EQUAL(sk_answer_detect(NULL, 0), sk_answer_family("plain"));
}

int main(void) {
    check_answers();
    check_bounds();
    check_rest();
    return sk_checked();
}

/* Chat templates of known models against the package jinja2: a recorded set of conversations for each template of
 * data/chat, by sha256 (chat.py records it). With a template and a date as arguments it writes what the conversations on
 * stdin become, for chat.py to compare with: ACK and a text, or NAK and a sentence, and RS. */
#define SK_ALLOW_LIBC_MEMORY
#include "base/memory.h"
#include "examples/skald/sha256.h"
#include "support/check.h"
#include "support/vocab.h"
#include "template/template.h"

#define NOW 1770091506 /* 2026-02-03 04:05:06, as in chat.py */

static sk_template *open_template(const char *path) {
    skald_report why = {.size = sizeof why};
    sk_template *t = NULL;
    size_t n = 0;
    char *text = test_read(path, &n);
    if (!CHECK_SAID(text != NULL, "%s cannot be read", path)) return NULL;
    skald_status status = sk_template_create(&t, &sk_libc_allocator, text, n, &why);
    CHECK_SAID(status == SKALD_OK, "%s: %s", path, why.text);
    free(text);
    return t;
}

static skald_status run(sk_template_output *out, const sk_template *t, const char *json, size_t n, int64_t now,
                        skald_report *why) {
    const sk_template_input in = {.json = json, .n_json_bytes = n, .local_seconds = now};
    return sk_template_run(out, t, &sk_libc_allocator, &in, why);
}

static int answer_stdin(const char *path, int64_t now) {
    sk_template *t = open_template(path);
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while (t && (n = getline(&line, &room, stdin)) > 0) {
        skald_report why = {.size = sizeof why};
        sk_template_output out;
        bool ok = run(&out, t, line, (size_t)n, now, &why) == SKALD_OK;
        putchar(ok ? 6 : 21);
        fwrite(ok ? out.text : why.text, 1, ok ? out.n_bytes : strlen(why.text), stdout);
        putchar(30);
        sk_template_output_free(&out, &sk_libc_allocator);
    }
    free(line);
    sk_template_free(t, &sk_libc_allocator);
    return t == NULL;
}

/* ---- the recorded set */

static void check_one(const sk_template *t, const char *name, uint32_t number, const char *json, size_t n,
                      const char *want) {
    skald_report why = {.size = sizeof why};
    sk_template_output out;
    char got[65] = "refused";
    skald_status status = run(&out, t, json, n, NOW, &why);
    if (status == SKALD_OK) sha256(got, out.text, out.n_bytes);
    else CHECK_SAID(strncmp(why.text, "template line ", 14) == 0, "%s: \"%s\" has no place", name, why.text);
    CHECK_SAID(strncmp(got, want, strlen(got)) == 0, "%s, conversation %u: %s", name, number,
               status == SKALD_OK ? "another text" : why.text);
    sk_template_output_free(&out, &sk_libc_allocator);
}

static char *next_line(char **at) {
    char *line = *at, *end = strchr(line, '\n');
    if (!end) return NULL;
    *end = 0;
    *at = end + 1;
    return line;
}

static uint32_t check_template(const char *name, char **expected, const char *conversations) {
    char path[512];
    snprintf(path, sizeof path, "%s/chat/%s", SK_TEST_DATA, name);
    sk_template *t = open_template(path);
    uint32_t n = 0;
    for (const char *line = conversations, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, n++) {
        const char *want = next_line(expected);
        if (!CHECK_SAID(want != NULL, "%s: an expectation is missing", name)) break;
        if (t) check_one(t, name, n, line, (size_t)(end - line), want);
    }
    sk_template_free(t, &sk_libc_allocator);
    return n;
}

int main(int argc, char **argv) {
    if (argc == 3) return answer_stdin(argv[1], strtoll(argv[2], NULL, 10));
    size_t n;
    uint32_t n_templates = 0, n_runs = 0;
    char *conversations = test_read(SK_TEST_DATA "/chat/conversations.jsonl", &n);
    char *expected = test_read(SK_TEST_DATA "/chat/expected.txt", &n), *at = expected;
    CHECK(conversations && expected);
    for (const char *name; conversations && expected && (name = next_line(&at)) != NULL; n_templates++)
        n_runs += check_template(name, &at, conversations);
    CHECK(n_templates >= 12 && n_runs >= 20 * n_templates);
    free(conversations);
    free(expected);
    return sk_checked();
}

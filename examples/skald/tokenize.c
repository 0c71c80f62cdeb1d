/* skald tokenize: text to token ids, nothing put in front or behind. */
#include "commands.h"
#include "json.h"
#include "options.h"
#include "session.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_ids(const session *s, skald_encode_flags flags, const char *text, size_t n_bytes) {
    int32_t *ids;
    uint32_t n_ids;
    int code = session_encode(s, &ids, &n_ids, flags, text, n_bytes);
    if (code) return code;
    json_write_ids(stdout, ids, n_ids);
    putchar('\n');
    free(ids);
    return 0;
}

static int tokenize_line(const session *s, skald_encode_flags flags, char *line, const char *name, size_t number,
                         FILE *out) {
    size_t n_bytes;
    const char *wrong = json_take_text(line, &n_bytes);
    if (wrong) return failure("tokenize", "%s, line %zu: %s", name, number, wrong);
    int32_t *ids;
    uint32_t n_ids;
    int code = session_encode(s, &ids, &n_ids, flags, line, n_bytes);
    if (code) return code;
    fputs("{\"ids\": ", out);
    json_write_ids(out, ids, n_ids);
    fputs("}\n", out);
    free(ids);
    return 0;
}

static int tokenize_lines(const session *s, skald_encode_flags flags, char *text, const char *const names[2]) {
    FILE *out = strcmp(names[1], "-") == 0 ? stdout : fopen(names[1], "wb");
    if (!out) return failure("tokenize", "%s: %s", names[1], strerror(errno));
    int code = 0;
    size_t number = 1;
    for (char *line = text, *next; code == 0 && *line; line = next, number++) {
        char *end = strchr(line, '\n');
        next = end ? end + 1 : strchr(line, '\0');
        if (end) *end = '\0';
        code = tokenize_line(s, flags, line, names[0], number, out);
    }
    int written = !ferror(out);
    if (out != stdout && fclose(out) != 0) written = 0;
    return code ? code : written ? 0 : failure("tokenize", "%s: %s", names[1], strerror(errno));
}

int command_tokenize(int argc, char **argv) {
    const char *model = NULL, *text = NULL, *lines[2] = {NULL, NULL};
    int special = 0;
    const option table[] = {
        {"-m", OPTION_TEXT, &model, "MODEL", "a GGUF file; only its vocabulary is read", 0, 0},
        {"--special", OPTION_FLAG, &special, NULL, "control tokens written in the text become their ids", 0, 0},
        {"--jsonl", OPTION_PAIR, lines, "IN OUT",
         "{\"text\": ...} lines in, {\"ids\": [...]} lines out; - is stdin, stdout", 0, 0},
        {0},
    };
    const command_line line = {
        .command = "tokenize",
        .usage = "-m MODEL [--special] [TEXT | --jsonl IN OUT]",
        .about = "Prints the token ids of TEXT, or of stdin, as a JSON list. Nothing is put in front or behind.",
        .options = table,
        .argument = &text,
    };
    int code = options_read(&line, argc, argv);
    if (code != GO_ON) return code;
    if (!model) return usage_error("tokenize", "-m MODEL is missing");
    if (text && lines[0]) return usage_error("tokenize", "either a text or --jsonl");
    skald_encode_flags flags = special ? SKALD_ENCODE_SPECIAL : 0;
    session s;
    char *bytes = NULL;
    size_t n_bytes;
    code = session_start(&s, "tokenize", 1, (session_memory){0, 0});
    if (code == 0) code = session_open(&s, model, 1);
    if (code == 0 && text) code = print_ids(&s, flags, text, strlen(text));
    else if (code == 0) code = file_read("tokenize", lines[0] ? lines[0] : "-", &bytes, &n_bytes);
    if (code == 0 && lines[0] && strlen(bytes) != n_bytes)
        code = failure("tokenize", "%s: byte %zu is NUL", lines[0], strlen(bytes));
    if (code == 0 && bytes)
        code = lines[0] ? tokenize_lines(&s, flags, bytes, lines) : print_ids(&s, flags, bytes, n_bytes);
    free(bytes);
    session_close(&s);
    return code ? code : output_end("tokenize");
}

/* Reads command lines strictly: an unknown option, a missing value or a bad number is a usage error. */
#include "options.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(const char *command, const char *format, va_list list) {
    fflush(stdout);
    fprintf(stderr, "skald%s%s: ", *command ? " " : "", command);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
}

int usage_error(const char *command, const char *format, ...) {
    va_list list;
    va_start(list, format);
    complain(command, format, list);
    va_end(list);
    fprintf(stderr, "Try: skald %s%s--help\n", command, *command ? " " : "");
    return EXIT_USAGE;
}

int failure(const char *command, const char *format, ...) {
    va_list list;
    va_start(list, format);
    complain(command, format, list);
    va_end(list);
    return EXIT_FAILURE;
}

int skald_failure(const char *command, skald_status status, const skald_report *why) {
    return failure(command, "%s", why->text[0] ? why->text : skald_status_text(status));
}

/* Digits only, so that "-1", "+1", " 1", "1e3" and "" are refused; returns what follows them, NULL when refused. */
static const char *read_digits(uint64_t *value, const char *text) {
    if (*text < '0' || *text > '9') return NULL;
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno ? NULL : end;
}

static int read_count(uint32_t *to, const option *o, const char *text) {
    uint64_t value;
    const char *end = read_digits(&value, text);
    if (!end || *end || value < o->least || value > INT32_MAX) return 0;
    *to = (uint32_t)value;
    return 1;
}

static int read_counts(counts *to, const option *o, const char *text) {
    counts list = {0};
    for (;; text++) {
        uint64_t value;
        text = read_digits(&value, text);
        if (!text || value < o->least || value > INT32_MAX || list.n == MOST_COUNTS) return 0;
        list.at[list.n++] = (uint32_t)value;
        if (*text == '\0') break;
        if (*text != ',') return 0;
    }
    *to = list;
    return 1;
}

static int read_text(texts *to, const char *text) {
    if (to->n == MOST_TEXTS) return 0;
    to->at[to->n++] = text;
    return 1;
}

static int read_seed(uint64_t *to, const char *text) {
    const char *end = read_digits(to, text);
    return end && !*end;
}

static int read_real(float *to, const option *o, const char *text) {
    if ((*text < '0' || *text > '9') && *text != '.') return 0;
    char *end;
    float value = strtof(text, &end);
    if (*end || !isfinite(value) || value > o->most) return 0;
    *to = value;
    return 1;
}

static int read_cache_type(skald_dtype *to, const char *text) {
    static const struct {
        const char *name;
        skald_dtype type;
    } types[] = {{"f16", SKALD_F16},         {"f32", SKALD_F32},   {"bf16", SKALD_BF16},
                 {"f8_e4m3", SKALD_F8_E4M3}, {"q8_0", SKALD_Q8_0}, {"q4_0", SKALD_Q4_0}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(text, types[i].name) != 0) continue;
        *to = types[i].type;
        return 1;
    }
    return 0;
}

static int read_value(const option *o, const char *text) {
    switch (o->kind) {
    case OPTION_COUNT: return read_count(o->to, o, text);
    case OPTION_COUNTS: return read_counts(o->to, o, text);
    case OPTION_TEXTS: return read_text(o->to, text);
    case OPTION_SEED: return read_seed(o->to, text);
    case OPTION_REAL: return read_real(o->to, o, text);
    case OPTION_CACHE_TYPE: return read_cache_type(o->to, text);
    case OPTION_TEXT: *(const char **)o->to = text; return 1;
    case OPTION_FLAG:
    case OPTION_PAIR: break;
    }
    return 0;
}

static void print_help(const command_line *line) {
    printf("usage: skald %s %s\n\n%s\n\n", line->command, line->usage, line->about);
    for (const option *o = line->options; o->name; o++) {
        printf("  %s%s%-*s  %s\n", o->name, o->value ? " " : "", (int)(22 - strlen(o->name) - (o->value != NULL)),
               o->value ? o->value : "", o->help);
    }
    printf("  %-22s  %s\n", "--help", "this page");
}

/* "--name=value" is "--name value"; then *value points behind the sign. */
static const option *find_option(const command_line *line, const char *text, const char **value) {
    for (const option *o = line->options; o->name; o++) {
        size_t n = strlen(o->name);
        *value = NULL;
        if (strcmp(text, o->name) == 0) return o;
        if (n > 2 && strncmp(text, o->name, n) == 0 && text[n] == '=') {
            *value = text + n + 1;
            return o;
        }
    }
    return NULL;
}

/* Reads one option with its values, *i is the last of them afterwards. */
static int read_option(const command_line *line, int argc, char **argv, int *i) {
    const char *value;
    const option *o = find_option(line, argv[*i], &value);
    if (!o) return usage_error(line->command, "unknown option %s", argv[*i]);
    if (o->kind == OPTION_FLAG) {
        if (value) return usage_error(line->command, "%s takes no value", o->name);
        *(int *)o->to = 1;
        return GO_ON;
    }
    int wanted = o->kind == OPTION_PAIR ? 2 : 1;
    if (!value && argc - *i <= wanted) return usage_error(line->command, "%s needs %s", o->name, o->value);
    if (o->kind == OPTION_PAIR) {
        if (value) return usage_error(line->command, "%s needs %s", o->name, o->value);
        ((const char **)o->to)[0] = argv[++*i];
        ((const char **)o->to)[1] = argv[++*i];
        return GO_ON;
    }
    if (!value) value = argv[++*i];
    if (!read_value(o, value)) return usage_error(line->command, "%s cannot be \"%s\": %s", o->name, value, o->help);
    return GO_ON;
}

int options_read(const command_line *line, int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(line);
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--") == 0) break;
    }
    int only_arguments = 0, n_arguments = 0;
    for (int i = 0; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = 1;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1]) {
            int code = read_option(line, argc, argv, &i);
            if (code != GO_ON) return code;
        } else {
            if (!line->argument) return usage_error(line->command, "unexpected argument \"%s\"", argv[i]);
            if (n_arguments == (line->n_arguments ? line->n_arguments : 1))
                return usage_error(line->command,
                                   line->n_arguments ? "too many arguments: \"%s\""
                                                     : "one text at a time; put it in quotes (\"%s\")",
                                   argv[i]);
            line->argument[n_arguments++] = argv[i];
        }
    }
    return GO_ON;
}

/* A conversation on the terminal. Each turn lays out the whole conversation and encodes it; what the cache holds already,
 * from the first token to the first that differs, is not read again:
 *
 *     | user: ... assistant: | an answer | end of turn, user: ... assistant: | an answer |
 *       read in the first      written     read in the second turn
 *
 * With events or tools the conversation goes to the template as one object of JSON, else as structs.
 *
 * Ctrl-C stops an answer. A step is appended as a whole or not at all, so the cache then holds what was written but for
 * one token, which is read with the next turn. */
#include "chat.h"
#include "events.h"
#include "json.h"
#include "options.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

typedef struct conversation {
    answer *answer;
    skald_template *layout;
    char *tools; /* JSON; NULL: none */
    int json_events;
    events events;
    skald_message *messages; /* texts of their own; without a role it is a message of JSON */
    uint32_t n_messages, n_held;
    int32_t *held; /* [room of the answer] the ids in the cache, the first n_held */
} conversation;

static int no_memory(const conversation *c) {
    return failure(c->answer->session->command, "no memory for the conversation");
}

/* `own` is the conversation's from here on; NULL: there was no memory for it. */
static int take_message(conversation *c, const char *role, char *own) {
    skald_message *all = realloc(c->messages, (c->n_messages + (size_t)1) * sizeof *all);
    if (all) c->messages = all;
    if (!all || !own) {
        free(own);
        return no_memory(c);
    }
    all[c->n_messages++] = (skald_message){role, own};
    return 0;
}

static int add_message(conversation *c, const char *role, const char *text) {
    return take_message(c, role, strdup(text));
}

static void forget_message(conversation *c) { free((char *)c->messages[--c->n_messages].text); }

static int64_t local_seconds(void) {
    const time_t now = time(NULL);
    struct tm here;
    return localtime_r(&now, &here) ? (int64_t)now + here.tm_gmtoff : 0;
}

/* NULL: no memory. Freed by the caller. */
static char *as_json(const conversation *c, size_t *n_bytes) {
    char *text = NULL;
    FILE *file = open_memstream(&text, n_bytes);
    if (!file) return NULL;
    fputs("{\"messages\": [", file);
    for (uint32_t i = 0; i < c->n_messages; i++) {
        const skald_message *m = &c->messages[i];
        if (i) fputs(", ", file);
        if (m->role) fprintf(file, "{\"role\": \"%s\", \"content\": ", m->role);
        if (m->role) json_write_text(file, m->text);
        fputs(m->role ? "}" : m->text, file);
    }
    fputs("]", file);
    if (c->tools) fprintf(file, ", \"tools\": %s", c->tools);
    fputs("}", file);
    const int failed = ferror(file);
    if (fclose(file) == 0 && !failed) return text;
    free(text);
    return NULL;
}

static int encode_input(const conversation *c, const skald_template_input *in, int32_t **ids, uint32_t *n_ids) {
    const session *s = c->answer->session;
    skald_report why = {.size = sizeof why};
    *n_ids = 0;
    skald_status status = skald_template_encode(NULL, n_ids, c->layout, in, &why);
    *ids = malloc((*n_ids + (size_t)1) * sizeof **ids);
    if (!*ids) return no_memory(c);
    if (status == SKALD_SHORT) status = skald_template_encode(*ids, n_ids, c->layout, in, &why);
    if (status == SKALD_OK && *n_ids) return 0;
    free(*ids);
    return status == SKALD_OK ? failure(s->command, "the conversation is empty")
                              : skald_failure(s->command, status, &why);
}

/* The ids of the whole conversation, freed by the caller. */
static int encode(const conversation *c, int32_t **ids, uint32_t *n_ids) {
    skald_template_input in = {.size = sizeof in, .open = 1, .local_seconds = local_seconds()};
    if (!c->tools && !c->json_events) {
        in.messages = c->messages, in.n_messages = c->n_messages;
        return encode_input(c, &in, ids, n_ids);
    }
    char *json = as_json(c, &in.n_json_bytes);
    if (!json) return no_memory(c);
    in.json = json;
    const int code = encode_input(c, &in, ids, n_ids);
    free(json);
    return code;
}

/* The cache keeps what `ids` begins with, but at least one is read. Windows reach back only so far: then all is read. */
static skald_status rewind_to(conversation *c, const int32_t *ids, uint32_t n_ids) {
    answer *a = c->answer;
    uint32_t n = 0;
    while (n < c->n_held && n + 1 < n_ids && c->held[n] == ids[n]) n++;
    skald_status status = skald_kv_cache_rewind(a->session->cache, a->seq, n);
    if (status == SKALD_GONE) {
        n = 0;
        status = skald_kv_cache_release(a->session->cache, a->seq);
        if (status == SKALD_OK) status = skald_kv_cache_open(&a->seq, a->session->cache);
    }
    if (status == SKALD_OK) c->n_held = n;
    return status;
}

static void tell_end(const answer *a) {
    if (a->end == ANSWER_LIMIT) fprintf(stderr, "(cut off after %u tokens: -n allows more)\n", a->n_tokens);
    if (a->end == ANSWER_STOPPED) fputs(a->read ? "(stopped)\n" : "(stopped before it was read; not said)\n", stderr);
}

/* What the cache holds after an answer: all that was read, and what was written but for the unread token. */
static void note_held(conversation *c, const int32_t *ids, uint32_t n_ids) {
    const answer *a = c->answer;
    const uint32_t n_written = a->n_tokens - (a->unread >= 0);
    memcpy(c->held, ids, n_ids * sizeof *ids);
    if (n_written) memcpy(c->held + n_ids, a->ids, n_written * sizeof *ids);
    c->n_held = n_ids + n_written;
}

/* Reads what is new and writes the answer. */
static int answer_ids(conversation *c, const int32_t *ids, uint32_t n_ids) {
    answer *a = c->answer;
    const skald_status status = rewind_to(c, ids, n_ids);
    if (status != SKALD_OK) return failure(a->session->command, "the cache: %s", skald_status_text(status));
    int code = c->json_events ? events_begin(&c->events, a->session, ids, n_ids) : 0;
    a->parser = c->events.parser;
    if (code == 0) code = answer_write(a, ids + c->n_held, n_ids - c->n_held);
    if (code == 0 && a->read) note_held(c, ids, n_ids);
    return code;
}

/* The conversation keeps the answer, or forgets what was asked before it was read. */
static int keep_answer(conversation *c) {
    const answer *a = c->answer;
    char *message = NULL;
    const int code = c->json_events ? events_end(&c->events, a, &message) : 0;
    if (code == 0 && a->read)
        return message ? take_message(c, NULL, message) : add_message(c, "assistant", a->text ? a->text : "");
    free(message);
    forget_message(c);
    return code;
}

/* Lays out, reads what is new and answers. 0 to go on, else the code to exit with; *over is set when the context is full. */
static int answer_line(conversation *c, const char *line, int *over) {
    answer *a = c->answer;
    int32_t *ids = NULL;
    uint32_t n_ids = 0;
    int code = add_message(c, c->json_events && *line == '{' ? NULL : "user", line);
    if (code == 0) code = encode(c, &ids, &n_ids);
    if (code) return code;
    *over = n_ids > a->room;
    if (*over) a->end = ANSWER_FULL, a->read = 0, a->n_tokens = 0;
    else code = answer_ids(c, ids, n_ids);
    if (code == 0) code = keep_answer(c);
    *over |= a->read && a->end == ANSWER_FULL;
    if (code == 0 && !*over) tell_end(a);
    free(ids);
    return code;
}

/* 1 with a line, 0 at the end of the input or after two interrupts in a row. */
static int read_line(char **line, size_t *room) {
    int terminal = isatty(STDIN_FILENO), interrupts = 0;
    for (;;) {
        if (terminal) fputs("> ", stderr);
        interrupted = 0;
        errno = 0;
        ssize_t n = getline(line, room, stdin);
        if (n < 0 && errno == EINTR && interrupted && ++interrupts < 2) {
            clearerr(stdin);
            fputs("\n(Ctrl-C again or Ctrl-D ends)\n", stderr);
            continue;
        }
        if (n < 0) {
            if (terminal) fputc('\n', stderr);
            return 0;
        }
        while (n > 0 && ((*line)[n - 1] == '\n' || (*line)[n - 1] == '\r')) (*line)[--n] = '\0';
        if (n > 0) return 1;
        interrupts = 0;
    }
}

static void watch_interrupts(void) {
    struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART: reading a line returns */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

static int open_layout(conversation *c, const chat_options *o) {
    const session *s = c->answer->session;
    skald_report why = {.size = sizeof why};
    char *text = NULL;
    size_t n_bytes = 0;
    int code = o->template ? file_read(s->command, o->template, &text, &n_bytes) : 0;
    if (code) return code;
    const skald_status status = skald_template_create(&c->layout, s->model, text, n_bytes, &why);
    free(text);
    return status == SKALD_OK ? 0 : skald_failure(s->command, status, &why);
}

/* By a template that looks at nothing: what is refused then is the JSON. */
static int check_tools(const conversation *c, const char *path) {
    const session *s = c->answer->session;
    skald_report why = {.size = sizeof why};
    skald_template *none = NULL;
    char text[8];
    size_t n = sizeof text;
    skald_template_input in = {.size = sizeof in};
    char *json = as_json(c, &in.n_json_bytes);
    in.json = json;
    skald_status status = json ? skald_template_create(&none, s->model, " ", 1, &why) : SKALD_MEMORY;
    if (status == SKALD_OK) status = skald_template_render(text, NULL, &n, none, &in, &why);
    skald_template_free(none);
    free(json);
    return status == SKALD_OK ? 0 : failure(s->command, "the tools of %s: %s", path, why.text);
}

static int begin(conversation *c, const chat_options *o) {
    size_t n;
    int code = open_layout(c, o);
    if (code == 0 && o->tools) code = file_read(c->answer->session->command, o->tools, &c->tools, &n);
    if (code == 0 && o->tools) code = check_tools(c, o->tools);
    if (code) return code;
    c->json_events = o->json_events;
    c->held = malloc(c->answer->room * sizeof *c->held);
    if (!c->held) return no_memory(c);
    return o->system ? add_message(c, "system", o->system) : 0;
}

static void end(conversation *c) {
    while (c->n_messages) forget_message(c);
    free(c->messages);
    free(c->held);
    free(c->tools);
    events_close(&c->events);
    skald_template_free(c->layout);
}

int chat(answer *a, const chat_options *o) {
    conversation c = {.answer = a};
    char *line = NULL;
    size_t room = 0;
    int code = begin(&c, o), over = 0;
    a->stop = &interrupted;
    watch_interrupts();
    while (code == 0 && !over && read_line(&line, &room)) code = answer_line(&c, line, &over);
    if (over)
        fprintf(stderr, "The conversation has filled the context of %u tokens and ends here; -c makes more room.\n",
                a->room);
    free(line);
    end(&c);
    return code;
}

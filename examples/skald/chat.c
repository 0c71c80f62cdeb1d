/* A conversation on the terminal. The cache keeps all that was said, so that a turn reads only what is new:
 *
 *     | user: ... assistant: | an answer | end of turn, user: ... assistant: | an answer |
 *       read in the first      written     read in the second turn
 *
 * Ctrl-C stops an answer. A step is appended as a whole or not at all, so the cache then holds what was written but for
 * one token, which is read in front of the next turn. */
#include "chat.h"
#include "options.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

typedef struct conversation {
    answer *answer;
    int answered; /* the cache ends in an answer that nothing has closed yet */
} conversation;

static char *format(const conversation *c, uint32_t first, const skald_message *messages, uint32_t n_messages,
                    skald_status *status) {
    const skald_model *model = c->answer->session->model;
    size_t n_bytes = 0;
    *status = skald_chat_format(NULL, &n_bytes, model, 1, first, messages, n_messages);
    if (*status != SKALD_SHORT && *status != SKALD_OK) return NULL;
    char *text = malloc(n_bytes + 1);
    *status = text ? skald_chat_format(text, &n_bytes, model, 1, first, messages, n_messages) : SKALD_MEMORY;
    if (*status == SKALD_OK) {
        text[n_bytes] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

/* What has to be read for `line`. Behind an answer that is all that follows the answer in the layout: format an empty
 * answer and the new line, and leave out the answer's beginning, which is in the cache. */
static char *text_of_turn(const conversation *c, const char *line, skald_status *status) {
    const skald_message said[] = {{"user", line}};
    if (!c->answered) return format(c, 0, said, 1, status);
    const skald_message messages[] = {{"user", "..."}, {"assistant", ""}, {"user", line}};
    char *opening = format(c, 1, messages, 1, status);
    char *text = opening ? format(c, 1, messages, 3, status) : NULL;
    if (text) {
        size_t n = strlen(opening);
        if (strncmp(text, opening, n) != 0) n = 0;
        memmove(text, text + n, strlen(text + n) + 1);
    }
    free(opening);
    return text;
}

static void tell_end(const answer *a) {
    if (a->end == ANSWER_LIMIT) fprintf(stderr, "(cut off after %u tokens: -n allows more)\n", a->n_tokens);
    if (a->end == ANSWER_STOPPED) fputs(a->read ? "(stopped)\n" : "(stopped before it was read; not said)\n", stderr);
}

/* Reads the line's tokens with the unread one in front and answers. 0 to go on, else the code to exit with; *over is
 * set when the context is full. */
static int answer_line(conversation *c, const char *text, int *over) {
    answer *a = c->answer;
    int32_t *ids;
    uint32_t n_ids, n_held;
    int32_t unread = a->unread;
    int code = session_encode(a->session, &ids, &n_ids, SKALD_ENCODE_SPECIAL, text, strlen(text));
    if (code) return code;
    int32_t *all = malloc((n_ids + (size_t)1) * sizeof *all);
    if (!all) {
        free(ids);
        return failure(a->session->command, "no memory for the tokens of the text");
    }
    uint32_t n_front = unread >= 0;
    all[0] = unread;
    if (n_ids) memcpy(all + n_front, ids, n_ids * sizeof *ids);
    free(ids);
    *over = skald_kv_cache_length(&n_held, a->session->cache, a->seq) != SKALD_OK || n_ids + n_front > a->room - n_held;
    if (!*over) {
        code = answer_write(a, all, n_ids + n_front);
        if (a->read) c->answered = 1;
        else a->unread = unread;
        *over = a->read && a->end == ANSWER_FULL;
        tell_end(a);
    }
    free(all);
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

int chat(answer *a) {
    conversation c = {.answer = a};
    char *line = NULL;
    size_t room = 0;
    int code = 0, over = 0;
    a->stop = &interrupted;
    a->unread = -1;
    watch_interrupts();
    while (code == 0 && !over && read_line(&line, &room)) {
        skald_status status;
        char *text = text_of_turn(&c, line, &status);
        if (text) code = answer_line(&c, text, &over);
        else if (status == SKALD_UNSUPPORTED)
            code = failure(a->session->command, "this model has no conversation layout that skald knows: use -p");
        else code = failure(a->session->command, "the line cannot be laid out: %s", skald_status_text(status));
        free(text);
    }
    if (over)
        fprintf(stderr, "The conversation has filled the context of %u tokens and ends here; -c makes more room.\n",
                a->room);
    free(line);
    return code;
}

/* Events of the answer parser as JSON, a line each:
 *
 *     {"event": "content", "text": "It is"}               reasoning likewise
 *     {"event": "call", "id": "call00001", "name": "f"}   the name is whole
 *     {"event": "arguments", "text": "{\"city\": "}       they grow
 *     {"event": "call_end"}                               only of a call that was not cut off
 *     {"event": "end", "reason": "finished", "tokens": 9} */
#include "events.h"
#include "json.h"
#include "options.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is kept */

static void keep(events *e, kept_text *t, const char *bytes, size_t n) {
    if (t->n + n > t->room) {
        const size_t room = 2 * (t->n + n) + 64;
        char *more = realloc(t->at, room);
        if (!more) {
            e->no_memory = 1;
            return;
        }
        t->at = more, t->room = room;
    }
    if (n) memcpy(t->at + t->n, bytes, n);
    t->n += n;
}

static void keep_call(events *e, const char *name, size_t n) {
    kept_call *all = realloc(e->calls, (e->n_calls + (size_t)1) * sizeof *all);
    if (!all) {
        e->no_memory = 1;
        return;
    }
    e->calls = all;
    all[e->n_calls] = (kept_call){.id = e->n_ids};
    keep(e, &all[e->n_calls++].name, name, n);
}

static void keep_event(events *e, skald_answer_event event, const char *bytes, size_t n) {
    kept_call *last = e->n_calls ? &e->calls[e->n_calls - 1] : NULL;
    if (event == SKALD_ANSWER_CONTENT) keep(e, &e->content, bytes, n);
    else if (event == SKALD_ANSWER_REASONING) keep(e, &e->reasoning, bytes, n);
    else if (event == SKALD_ANSWER_CALL) keep_call(e, bytes, n);
    else if (event == SKALD_ANSWER_ARGUMENTS && last) keep(e, &last->arguments, bytes, n);
    else if (event == SKALD_ANSWER_CALL_END && last) last->ended = 1;
}

static void forget(events *e) {
    for (uint32_t i = 0; i < e->n_calls; i++) {
        free(e->calls[i].name.at);
        free(e->calls[i].arguments.at);
    }
    e->n_calls = 0;
    e->content.n = e->reasoning.n = 0;
}

/* ---- what is said */

static int32_t say(void *user, skald_answer_event event, const char *bytes, size_t n) {
    static const char *const names[] = {"content", "reasoning", "call", "arguments", "call_end"};
    events *e = user;
    if (event == SKALD_ANSWER_END) return 0; /* the line that tells the reason stands for it */
    printf("{\"event\": \"%s\"", names[event]);
    if (event == SKALD_ANSWER_CALL) printf(", \"id\": \"call%05u\", \"name\": ", (unsigned)++e->n_ids);
    else if (event != SKALD_ANSWER_CALL_END) printf(", \"text\": ");
    if (event != SKALD_ANSWER_CALL_END) json_write_bytes(stdout, bytes, n);
    puts("}");
    fflush(stdout);
    keep_event(e, event, bytes, n);
    return 0;
}

/* Some layouts open the reasoning themselves: then its end is all that the answer has of it. */
static int ends_in_reasoning(const session *s, const int32_t *ids, uint32_t n_ids) {
    static const char opening[] = "<think>";
    char text[256];
    size_t n = sizeof text;
    const uint32_t n_last = n_ids < 8 ? n_ids : 8;
    if (skald_decode(text, &n, s->model, SKALD_DECODE_SPECIAL, ids + n_ids - n_last, n_last) != SKALD_OK) return 0;
    while (n && strchr(" \t\r\n", text[n - 1])) n--;
    return n >= sizeof opening - 1 && memcmp(text + n - (sizeof opening - 1), opening, sizeof opening - 1) == 0;
}

int events_begin(events *e, const session *s, const int32_t *ids, uint32_t n_ids) {
    skald_report why = {.size = sizeof why};
    const skald_status status =
        skald_answer_create(&e->parser, s->model, NULL, (uint32_t)ends_in_reasoning(s, ids, n_ids), say, e, &why);
    return status == SKALD_OK ? 0 : skald_failure(s->command, status, &why);
}

/* ---- the message */

/* Calls that were cut off are none: their arguments are no JSON. */
static void write_calls(const events *e, FILE *file) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n_calls; i++) {
        const kept_call *c = &e->calls[i];
        if (!c->ended) continue;
        fputs(n++ ? ", " : ", \"tool_calls\": [", file);
        fprintf(file, "{\"id\": \"call%05u\", \"type\": \"function\", \"function\": {\"name\": ", (unsigned)c->id);
        json_write_bytes(file, c->name.at, c->name.n);
        fputs(", \"arguments\": ", file);
        fwrite(c->arguments.n ? c->arguments.at : "{}", 1, c->arguments.n ? c->arguments.n : 2, file);
        fputs("}}", file);
    }
    if (n) fputc(']', file);
}

static char *message_of(const events *e) {
    char *text = NULL;
    size_t n;
    FILE *file = open_memstream(&text, &n);
    if (!file) return NULL;
    fputs("{\"role\": \"assistant\", \"content\": ", file);
    json_write_bytes(file, e->content.at, e->content.n);
    if (e->reasoning.n) fputs(", \"reasoning_content\": ", file);
    if (e->reasoning.n) json_write_bytes(file, e->reasoning.at, e->reasoning.n);
    write_calls(e, file);
    fputc('}', file);
    const int failed = ferror(file);
    if (fclose(file) == 0 && !failed) return text;
    free(text);
    return NULL;
}

int events_end(events *e, const answer *a, char **message) {
    static const char *const reasons[] = {"finished", "limit", "full", "stopped"};
    *message = NULL;
    if (e->parser) skald_answer_end(e->parser);
    printf("{\"event\": \"end\", \"reason\": \"%s\", \"tokens\": %u}\n", reasons[a->end], a->n_tokens);
    fflush(stdout);
    if (!e->no_memory) *message = message_of(e);
    skald_answer_free(e->parser);
    e->parser = NULL;
    forget(e);
    return *message ? 0 : failure(a->session->command, "no memory for the conversation");
}

void events_close(events *e) {
    skald_answer_free(e->parser);
    forget(e);
    free(e->calls);
    free(e->content.at);
    free(e->reasoning.at);
}

/* Requests that arrive while others run, through skald_engine: when each of their ids came, as one JSON object. trace.py writes
 * the arrivals and reads the answer.
 *
 *     skald_serve MODEL TRACE [NAME=NUMBER ...]
 *
 * threads, running, requests, kept, tokens, text, rows, prompt_rows, no_sharing are the engine's options; microseconds are what
 * each step may take, 0: one pass. A line of TRACE is
 *
 *     AFTER AT CANCEL N_TOKENS ID ...
 *
 * a request that comes AT microseconds after the start (AFTER -1), or after request AFTER has ended; cancelled when the engine
 * has read CANCEL ids of prompts since it came (0: never); of N_TOKENS ids, whatever the model says. */
#define _POSIX_C_SOURCE 200809L
#include <skald/skald.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNKNOWN 1e9 /* seconds */

enum { MOST_STEPS = 1 << 20 };

typedef struct arrival {
    long after, at, cancel;
    uint32_t n_prompt, n_tokens, n_came;
    int32_t *prompt;
    skald_request_id id;                 /* 0: has not come */
    double came, ended, *times;          /* seconds from the start; ended 0: not yet */
    uint64_t read_before, shared_before; /* ids of prompts, of all requests, when it came */
    uint64_t read, shared;               /* since then, until it ended */
    uint32_t beside;                     /* requests that ran when it ended, itself left out */
} arrival;

typedef struct host {
    skald_runtime *runtime;
    skald_model *model;
    skald_engine *engine;
    arrival *all;
    size_t n, n_ended;
    uint32_t microseconds, most_running;
    double start;
    double *late; /* seconds that a step took beyond its budget, [n_late] */
    size_t n_late;
} host;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what, const skald_report *why) {
    fprintf(stderr, "skald_serve: %s%s%s\n", what, why ? ": " : "", why ? why->text : "");
    exit(1);
}

static void *get(size_t n, size_t bytes) {
    void *p = calloc(n ? n : 1, bytes);
    if (!p) fail("no memory", NULL);
    return p;
}

/* ---- the trace */

static uint32_t read_ids(int32_t *ids, char *at) {
    uint32_t n = 0;
    for (char *end;; at = end, n++) {
        const long id = strtol(at, &end, 10);
        if (end == at) return n;
        ids[n] = (int32_t)id;
    }
}

static void read_line(arrival *a, char *line) {
    char *at = line;
    a->after = strtol(at, &at, 10), a->at = strtol(at, &at, 10), a->cancel = strtol(at, &at, 10);
    a->n_tokens = (uint32_t)strtoul(at, &at, 10);
    a->prompt = get(strlen(at) / 2 + 1, sizeof *a->prompt);
    a->n_prompt = read_ids(a->prompt, at);
    a->times = get(a->n_tokens, sizeof *a->times);
}

static void read_trace(host *h, const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, most = 0;
    if (!file) fail(path, NULL);
    while (getline(&line, &room, file) > 0) {
        if (h->n == most) {
            h->all = realloc(h->all, (most = 2 * most + 16) * sizeof *h->all);
            if (!h->all) fail("no memory", NULL);
        }
        h->all[h->n] = (arrival){.after = -1};
        read_line(&h->all[h->n++], line);
    }
    free(line);
    fclose(file);
}

/* ---- the engine */

static void set_option(host *h, skald_runtime_options *runtime, skald_engine_options *o, char *word) {
    char *value = strchr(word, '=');
    const unsigned long n = value ? strtoul(value + 1, NULL, 10) : 0;
    const struct {
        const char *name;
        uint32_t *small;
        uint64_t *large;
    } names[] = {
        {"threads", &o->n_threads, NULL},
        {"running", &o->n_running, NULL},
        {"requests", &o->n_requests, NULL},
        {"kept", &o->n_kept, NULL},
        {"tokens", NULL, &o->n_tokens},
        {"text", NULL, &o->n_text},
        {"rows", &o->n_rows, NULL},
        {"no_sharing", &o->no_sharing, NULL},
        {"prompt_rows", &o->n_prompt_rows, NULL},
        {"microseconds", &h->microseconds, NULL},
        {"small_pages", &runtime->small_pages, NULL},
    };
    if (!value) fail(word, NULL);
    *value = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, word) != 0) continue;
        if (names[i].small) *names[i].small = (uint32_t)n;
        else *names[i].large = n;
        return;
    }
    fail(word, NULL);
}

static void open_engine(host *h, const char *path, char **words, int n_words) {
    skald_report why = {.size = sizeof why};
    skald_runtime_options runtime;
    skald_engine_options o;
    skald_runtime_options_init(&runtime, sizeof runtime);
    skald_engine_options_init(&o, sizeof o);
    for (int i = 0; i < n_words; i++) set_option(h, &runtime, &o, words[i]);
    runtime.n_threads = o.n_threads;
    if (skald_runtime_create(&h->runtime, &runtime, &why) != SKALD_OK) fail("runtime", &why);
    if (skald_model_open_path(&h->model, h->runtime, path, NULL, &why) != SKALD_OK) fail(path, &why);
    if (skald_engine_create(&h->engine, h->model, &o, &why) != SKALD_OK) fail("engine", &why);
}

static skald_engine_stats stats_of(const host *h) {
    skald_engine_stats stats = {.size = sizeof stats};
    if (skald_engine_get_stats(&stats, h->engine) != SKALD_OK) fail("stats", NULL);
    return stats;
}

/* ---- what happens */

/* Seconds from the start at which it comes. */
static double due(const host *h, const arrival *a) {
    const double from = a->after < 0 ? 0 : h->all[a->after].ended;
    return a->after >= 0 && from == 0 ? UNKNOWN : from + 1e-6 * (double)a->at;
}

static void submit(host *h, arrival *a) {
    skald_report why = {.size = sizeof why};
    const skald_engine_stats s = stats_of(h);
    const skald_request request = {
        .size = sizeof request, .prompt = a->prompt, .n_prompt = a->n_prompt, .n_tokens = a->n_tokens, .ignore_end = 1};
    a->came = now() - h->start;
    a->read_before = s.n_prompt_read, a->shared_before = s.n_prompt_shared;
    if (skald_engine_submit(&a->id, h->engine, &request, &why) != SKALD_OK) fail("submit", &why);
}

/* Returns the seconds until the next one comes. */
static double submit_due(host *h) {
    double next = UNKNOWN;
    for (size_t i = 0; i < h->n; i++) {
        if (h->all[i].id) continue;
        const double at = due(h, &h->all[i]), left = at - (now() - h->start);
        if (at >= UNKNOWN) continue;
        if (left <= 0) submit(h, &h->all[i]);
        else if (left < next) next = left;
    }
    return next;
}

static void cancel_some(host *h) {
    for (size_t i = 0; i < h->n; i++) {
        arrival *a = &h->all[i];
        if (!a->cancel || !a->id || a->ended > 0) continue;
        if (stats_of(h).n_prompt_read - a->read_before < (uint64_t)a->cancel) continue;
        skald_engine_cancel(h->engine, a->id);
        a->cancel = 0;
    }
}

static void take_events(host *h) {
    skald_event event = {.size = sizeof event};
    while (skald_engine_poll(&event, h->engine) == SKALD_OK) {
        arrival *a = h->all;
        while (a->id != event.request) a++;
        const double at = now() - h->start;
        if (event.kind == SKALD_EVENT_TOKEN) {
            a->times[a->n_came++] = at;
            continue;
        }
        const skald_engine_stats s = stats_of(h);
        if (event.kind == SKALD_EVENT_FAILED) fail("a request failed", NULL);
        a->ended = at;
        a->read = s.n_prompt_read - a->read_before, a->shared = s.n_prompt_shared - a->shared_before;
        a->beside = s.n_running;
        h->n_ended++;
    }
}

static void rest(double seconds) {
    const struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static void run(host *h) {
    skald_report why = {.size = sizeof why};
    h->late = get(MOST_STEPS, sizeof *h->late);
    for (h->start = now(); h->n_ended < h->n;) {
        const double next = submit_due(h), before = now();
        const skald_status status = skald_engine_step(h->engine, h->microseconds, &why);
        const double late = now() - before - 1e-6 * h->microseconds;
        if (status < 0) fail("step", &why);
        if (status != SKALD_END && h->n_late < MOST_STEPS) h->late[h->n_late++] = late;
        cancel_some(h);
        take_events(h);
        const uint32_t n_running = stats_of(h).n_running;
        if (n_running > h->most_running) h->most_running = n_running;
        if (status == SKALD_END && next < UNKNOWN) rest(next);
    }
}

/* ---- what is said */

static void say_numbers(const char *name, const double *numbers, size_t n) {
    printf("\"%s\": [", name);
    for (size_t i = 0; i < n; i++) printf("%s%.6f", i ? ", " : "", numbers[i]);
    printf("]");
}

static void say(const host *h) {
    const skald_engine_stats s = stats_of(h);
    printf("{\"requests\": [");
    for (size_t i = 0; i < h->n; i++) {
        const arrival *a = &h->all[i];
        printf(
            "%s\n{\"prompt\": %u, \"came\": %.6f, \"ended\": %.6f, \"read\": %llu, \"shared\": %llu, \"beside\": %u, ",
            i ? "," : "", a->n_prompt, a->came, a->ended, (unsigned long long)a->read, (unsigned long long)a->shared,
            a->beside);
        say_numbers("times", a->times, a->n_came);
        printf("}");
    }
    printf("],\n\"steps\": %llu, \"preempted\": %llu, \"most_running\": %u, \"pages\": %u,\n",
           (unsigned long long)s.n_steps, (unsigned long long)s.n_preempted, h->most_running, s.n_pages);
    say_numbers("late", h->microseconds ? h->late : NULL, h->microseconds ? h->n_late : 0);
    printf("}\n");
}

int main(int argc, char **argv) {
    host h = {.n = 0};
    if (argc < 3) return fprintf(stderr, "usage: skald_serve MODEL TRACE [NAME=NUMBER ...]\n"), 2;
    read_trace(&h, argv[2]);
    open_engine(&h, argv[1], argv + 3, argc - 3);
    run(&h);
    say(&h);
    skald_engine_free(h.engine);
    skald_model_release(h.model);
    skald_runtime_release(h.runtime);
    for (size_t i = 0; i < h.n; i++) free(h.all[i].prompt), free(h.all[i].times);
    free(h.all), free(h.late);
    return 0;
}

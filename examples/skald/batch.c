/* skald batch: many prompts from a file, many answers at once, one line each, in order. A run that was killed goes on where
 * the file of answers ends. */
#include "ahead.h"
#include "commands.h"
#include "json.h"
#include "options.h"
#include "session.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct batch_options {
    const char *model, *draft, *files[2]; /* files: in, out */
    uint32_t threads, n_most, n_running, room;
    int ignore_end, lookup;
    skald_sampler_options sampler;
    skald_dtype cache_type;
    session_memory memory;
    texts adapters;
} batch_options;

/* A line of the input and what is known of its answer. */
typedef struct job {
    skald_request_id id; /* 0: not submitted */
    int32_t *prompt;     /* until it is submitted */
    skald_decoder decoder;
    char *text;
    size_t n_bytes, room;
    uint32_t n_prompt, n_answer;
    const char *end; /* NULL: not ended */
} job;

typedef struct batch {
    session *session;
    const batch_options *o;
    skald_engine *engine;
    skald_model *draft;
    FILE *out;
    char **lines;
    job *jobs;
    size_t n_jobs, n_submitted, n_written, n_skipped;
    progress bar;
} batch;

static int read_options(batch_options *o, int argc, char **argv) {
    const option table[] = {
        {"-m", OPTION_TEXT, &o->model, "MODEL", "a GGUF file", 0, 0},
        {"-n", OPTION_COUNT, &o->n_most, "N", "at most N tokens of each answer (128)", 1, 0},
        {"-c", OPTION_COUNT, &o->room, "TOKENS", "room of the cache for all that run (--running times 1024)", 1, 0},
        {"--running", OPTION_COUNT, &o->n_running, "N", "answers that are written at once (32)", 1, 0},
        SAMPLER_OPTIONS(&o->sampler),
        {"-t", OPTION_COUNT, &o->threads, "THREADS", "threads (the processors there are)", 1, 0},
        {"--kv", OPTION_CACHE_TYPE, &o->cache_type, "TYPE",
         "type of the cache: f32, f16, bf16, f8_e4m3, q8_0, q4_0 (f16)", 0, 0},
        DRAFT_OPTIONS(&o->lookup, &o->draft),
        ADAPTER_OPTION(&o->adapters),
        {"--ignore-eos", OPTION_FLAG, &o->ignore_end, NULL, "go on when the model ends", 0, 0},
        SESSION_MEMORY_OPTIONS(&o->memory),
        {0},
    };
    const command_line line = {
        .command = "batch",
        .usage = "-m MODEL [options] IN.jsonl OUT.jsonl",
        .about =
            "Continues the \"text\" of each line of IN; line n of OUT is {\"text\": answer, \"end\": why, \"ids\": how many}.\n"
            "If OUT has lines already, the run goes on behind them: the answers are those of one run.",
        .options = table,
        .argument = o->files,
        .n_arguments = 2,
    };
    int code = options_read(&line, argc, argv);
    if (code != GO_ON) return code;
    if (!o->model) return usage_error("batch", "-m MODEL is missing");
    if (!o->files[1]) return usage_error("batch", "IN.jsonl and OUT.jsonl are missing");
    if (o->lookup && o->draft) return usage_error("batch", "one of --lookup and --draft");
    return GO_ON;
}

/* ---- files */

/* The lines of a text, which are cut apart in it; freed by the caller. */
static char **split_lines(char *text, size_t *n) {
    size_t room = 1;
    for (const char *c = text; *c; c++) room += *c == '\n';
    char **lines = calloc(room, sizeof *lines);
    *n = 0;
    for (char *line = text, *next; lines && *line; line = next) {
        char *end = strchr(line, '\n');
        next = end ? end + 1 : strchr(line, '\0');
        if (end) *end = '\0';
        lines[(*n)++] = line;
    }
    return lines;
}

/* Opens the file of answers behind its last whole line, and counts those. */
static int open_answers(batch *b, const char *path) {
    long keep = 0;
    int c;
    b->out = fopen(path, "r+b");
    if (!b->out) b->out = fopen(path, "w+b");
    if (!b->out) return failure("batch", "%s: %s", path, strerror(errno));
    while ((c = getc(b->out)) != EOF)
        if (c == '\n') b->n_skipped++, keep = ftell(b->out);
    if (fseek(b->out, keep, SEEK_SET) != 0 || ftruncate(fileno(b->out), keep) != 0)
        return failure("batch", "%s: %s", path, strerror(errno));
    return 0;
}

static int write_answers(batch *b) {
    for (; b->n_written < b->n_submitted && b->jobs[b->n_written].end; b->n_written++) {
        job *j = &b->jobs[b->n_written];
        fputs("{\"text\": ", b->out);
        json_write_bytes(b->out, j->text ? j->text : "", j->n_bytes);
        fprintf(b->out, ", \"end\": \"%s\", \"ids\": %u}\n", j->end, j->n_answer);
        free(j->text);
        j->text = NULL;
    }
    return fflush(b->out) == 0 ? 0 : failure("batch", "%s: %s", b->o->files[1], strerror(errno));
}

/* ---- requests */

static int encode(batch *b, size_t index) {
    job *j = &b->jobs[index];
    size_t n_bytes;
    const char *wrong = json_take_text(b->lines[index], &n_bytes);
    if (wrong) return failure("batch", "%s, line %zu: %s", b->o->files[0], index + 1, wrong);
    return session_encode(b->session, &j->prompt, &j->n_prompt, SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS,
                          b->lines[index], n_bytes);
}

/* GO_ON: the engine has no room for it yet. */
static int submit(batch *b, size_t index) {
    job *j = &b->jobs[index];
    skald_report why = {.size = sizeof why};
    int code = j->prompt ? 0 : encode(b, index);
    if (code) return code;
    const skald_request request = {.size = sizeof request,
                                   .prompt = j->prompt,
                                   .n_prompt = j->n_prompt,
                                   .n_tokens = b->o->n_most,
                                   .sampler = &b->o->sampler,
                                   .ignore_end = (uint32_t)b->o->ignore_end,
                                   .adapters = b->session->adapters,
                                   .n_adapters = b->session->n_adapters};
    skald_status status = skald_engine_submit(&j->id, b->engine, &request, &why);
    if (status == SKALD_FULL) return GO_ON;
    if (status != SKALD_OK) return failure("batch", "%s, line %zu: %s", b->o->files[0], index + 1, why.text);
    free(j->prompt);
    j->prompt = NULL;
    return 0;
}

/* As many as the engine takes. */
static int submit_more(batch *b) {
    while (b->n_submitted < b->n_jobs && b->n_submitted - b->n_written < 4 * (size_t)b->o->n_running) {
        int code = submit(b, b->n_submitted);
        if (code) return code == GO_ON ? 0 : code;
        b->n_submitted++;
    }
    return 0;
}

static int append(job *j, const char *text, size_t n) {
    if (j->n_bytes + n + 1 > j->room) {
        char *larger = realloc(j->text, j->room = 2 * (j->n_bytes + n + 1));
        if (!larger) return failure("batch", "no memory for an answer");
        j->text = larger;
    }
    memcpy(j->text + j->n_bytes, text, n);
    j->text[j->n_bytes += n] = '\0';
    return 0;
}

/* An id of an answer; -1: its end. */
static int add_id(batch *b, job *j, int32_t id) {
    char text[1024];
    size_t n = sizeof text;
    skald_report why = {.size = sizeof why, .text = "an id that has no text"};
    skald_status status = skald_decoder_push(text, &n, &j->decoder, b->session->model, id);
    if (status != SKALD_OK) return skald_failure("batch", status, &why);
    j->n_answer += id >= 0;
    return append(j, text, n);
}

static int take_events(batch *b) {
    static const char *const ends[] = {"", "", "stop", "length", "cancelled", "deadline", "failed"};
    skald_event event = {.size = sizeof event};
    int code = 0;
    while (code == 0 && skald_engine_poll(&event, b->engine) == SKALD_OK) {
        size_t i = b->n_written;
        while (b->jobs[i].id != event.request) i++;
        code = add_id(b, &b->jobs[i], event.kind == SKALD_EVENT_TOKEN ? event.id : -1);
        if (event.kind != SKALD_EVENT_TOKEN) b->jobs[i].end = ends[event.kind];
    }
    return code;
}

static int run(batch *b) {
    skald_report why = {.size = sizeof why};
    char note[64];
    int code = 0;
    b->bar = progress_begin("answering");
    while (code == 0 && b->n_written < b->n_jobs) {
        code = submit_more(b);
        if (code) break;
        skald_status status = skald_engine_step(b->engine, 0, &why);
        if (status != SKALD_OK && status != SKALD_END) code = skald_failure("batch", status, &why);
        if (code == 0) code = take_events(b);
        if (code == 0) code = write_answers(b);
        snprintf(note, sizeof note, "%zu of %zu", b->n_written, b->n_jobs);
        progress_show(&b->bar, (double)b->n_written / (double)b->n_jobs, note);
    }
    progress_end(&b->bar);
    skald_engine_stats stats = {.size = sizeof stats};
    if (skald_engine_get_stats(&stats, b->engine) == SKALD_OK && stats.n_drafted)
        fprintf(stderr, "drafts: %llu tokens, %llu right\n", (unsigned long long)stats.n_drafted,
                (unsigned long long)stats.n_right);
    return code;
}

static int make_engine(batch *b) {
    skald_engine_options o;
    skald_report why = {.size = sizeof why};
    skald_engine_options_init(&o, sizeof o);
    o.n_running = b->o->n_running;
    o.n_requests = 8 * b->o->n_running < 32768 ? 8 * b->o->n_running : 32768;
    o.n_tokens = b->o->room ? b->o->room : (uint64_t)b->o->n_running * 1024;
    o.n_rows = b->o->n_running > 512 ? b->o->n_running : 512;
    o.k_type = o.v_type = b->o->cache_type;
    o.lookup = (uint32_t)b->o->lookup;
    o.max_rank = b->session->max_rank;
    skald_status status = SKALD_OK;
    if (b->o->draft) status = skald_model_open_path(&b->draft, b->session->runtime, b->o->draft, NULL, &why);
    o.draft = b->draft;
    if (status == SKALD_OK) status = skald_engine_create(&b->engine, b->session->model, &o, &why);
    return status == SKALD_OK ? 0 : skald_failure("batch", status, &why);
}

static int answer_lines(session *s, const batch_options *o, char *text) {
    batch b = {.session = s, .o = o};
    b.lines = split_lines(text, &b.n_jobs);
    b.jobs = calloc(b.n_jobs + 1, sizeof *b.jobs);
    int code = b.lines && b.jobs ? open_answers(&b, o->files[1]) : failure("batch", "no memory for so many lines");
    if (code == 0 && b.n_skipped > b.n_jobs)
        code = failure("batch", "%s has %zu lines, %s only %zu: they do not belong together", o->files[1], b.n_skipped,
                       o->files[0], b.n_jobs);
    b.n_written = b.n_submitted = b.n_skipped;
    if (code == 0) code = make_engine(&b);
    if (code == 0) code = run(&b);
    skald_engine_free(b.engine);
    skald_model_release(b.draft);
    for (size_t i = 0; b.jobs && i < b.n_jobs; i++) free(b.jobs[i].text), free(b.jobs[i].prompt);
    if (b.out && fclose(b.out) != 0 && code == 0) code = failure("batch", "%s: %s", o->files[1], strerror(errno));
    free(b.jobs);
    free(b.lines);
    return code;
}

int command_batch(int argc, char **argv) {
    batch_options o = {.cache_type = SKALD_F16, .n_most = 128, .n_running = 32};
    skald_sampler_options_init(&o.sampler, sizeof o.sampler);
    int code = read_options(&o, argc, argv);
    if (code != GO_ON) return code;
    session s;
    char *text = NULL;
    size_t n_bytes;
    code = session_start(&s, "batch", o.threads, o.memory);
    if (code == 0) code = file_read("batch", o.files[0], &text, &n_bytes);
    if (code == 0 && strlen(text) != n_bytes) code = failure("batch", "%s: byte %zu is NUL", o.files[0], strlen(text));
    if (code == 0) code = session_open(&s, o.model, 0);
    if (code == 0) code = session_adapt(&s, &o.adapters);
    if (code == 0) code = answer_lines(&s, &o, text);
    free(text);
    session_close(&s);
    return code;
}

/* skald run: continues a text, or holds a conversation. */
#include "ahead.h"
#include "chat.h"
#include "commands.h"
#include "options.h"
#include "session.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct run_options {
    const char *model, *prompt, *file, *rules, *schema;
    int chat, ignore_end;
    chat_options talk;
    ahead_options ahead;
    uint32_t n_most, threads, room;
    skald_sampler_options sampler;
    skald_dtype cache_type;
    session_memory memory;
    texts adapters;
} run_options;

static int read_options(run_options *o, int argc, char **argv) {
    const option table[] = {
        {"-m", OPTION_TEXT, &o->model, "MODEL", "a GGUF file", 0, 0},
        {"-p", OPTION_TEXT, &o->prompt, "TEXT", "continue this text as it stands", 0, 0},
        {"-f", OPTION_TEXT, &o->file, "FILE", "continue the text of a file; - is stdin, as is none of -p, -f, --chat",
         0, 0},
        {"--chat", OPTION_FLAG, &o->chat, NULL, "a conversation; Ctrl-C stops an answer, Ctrl-D ends", 0, 0},
        {"--system", OPTION_TEXT, &o->talk.system, "TEXT", "what a conversation begins with", 0, 0},
        {"--template", OPTION_TEXT, &o->talk.template, "FILE", "lay conversations out so, in place of the model's way",
         0, 0},
        {"--tools", OPTION_TEXT, &o->talk.tools, "FILE", "tools that the model may call, as a list of JSON", 0, 0},
        {"--json-events", OPTION_FLAG, &o->talk.json_events, NULL,
         "an answer's events, a line of JSON each; lines of {...} on stdin are messages", 0, 0},
        {"-n", OPTION_COUNT, &o->n_most, "N", "at most N tokens of answer (until the model ends)", 1, 0},
        SAMPLER_OPTIONS(&o->sampler),
        {"-t", OPTION_COUNT, &o->threads, "THREADS", "threads (the processors there are)", 1, 0},
        {"-c", OPTION_COUNT, &o->room, "CONTEXT", "room in tokens (what is needed, up to the model's context)", 1, 0},
        {"--kv", OPTION_CACHE_TYPE, &o->cache_type, "TYPE",
         "type of the cache: f32, f16, bf16, f8_e4m3, q8_0, q4_0 (f16)", 0, 0},
        {"--grammar", OPTION_TEXT, &o->rules, "FILE", "answer with a text of the rules in a file (docs/constraints.md)",
         0, 0},
        {"--json-schema", OPTION_TEXT, &o->schema, "FILE",
         "answer with JSON that is valid against the schema in a file", 0, 0},
        {"--ignore-eos", OPTION_FLAG, &o->ignore_end, NULL, "go on when the model ends", 0, 0},
        ADAPTER_OPTION(&o->adapters),
        AHEAD_OPTIONS(&o->ahead),
        SESSION_MEMORY_OPTIONS(&o->memory),
        {0},
    };
    const command_line line = {
        .command = "run",
        .usage = "-m MODEL [-p TEXT | -f FILE | --chat] [options]",
        .about =
            "Continues a text, or holds a conversation. The answer goes to stdout, statistics go to stderr.\n"
            "Greedy unless --temp is given. SKALD_CPU=scalar|avx2|avxvnni|avx512|amx (ARM: scalar|neon|dotprod|i8mm)\n"
            "bounds the instruction set.\n\n"
            "With --json-events stdout has lines of {\"event\": content|reasoning|arguments, \"text\"}, {call, \"id\", \"name\"},\n"
            "{call_end} and {end, \"reason\": finished|limit|full|stopped, \"tokens\"}; a line on stdin that begins with {\n"
            "is a message: {\"role\": \"tool\", \"content\": \"...\", \"tool_call_id\": \"call00001\"}.",
        .options = table,
    };
    int code = options_read(&line, argc, argv);
    if (code != GO_ON) return code;
    if (!o->model) return usage_error("run", "-m MODEL is missing");
    if (o->rules && o->schema) return usage_error("run", "one of --grammar and --json-schema at a time");
    if ((o->prompt != NULL) + (o->file != NULL) + o->chat > 1)
        return usage_error("run", "one of -p, -f and --chat at a time");
    if (!o->chat && (o->talk.system || o->talk.template || o->talk.tools || o->talk.json_events))
        return usage_error("run", "--system, --template, --tools and --json-events are for --chat");
    if (o->chat && ahead_is_wanted(&o->ahead))
        return usage_error("run", "--lookup, --draft, --stop and --beams are for -p and -f");
    if ((o->ahead.lookup || o->ahead.stop || o->ahead.draft || o->adapters.n) && o->ahead.n_beams)
        return usage_error("run", "--beams goes alone");
    if (o->ahead.lookup && o->ahead.draft) return usage_error("run", "one of --lookup and --draft");
    if (!o->prompt && !o->file && !o->chat) {
        if (isatty(STDIN_FILENO)) return usage_error("run", "-p TEXT, -f FILE or --chat is missing");
        o->file = "-";
    }
    return GO_ON;
}

/* Room for the prompt and its answer, but not more than the model was trained for. A conversation has many answers. */
static uint32_t choose_room(const run_options *o, uint32_t n_trained, uint32_t n_prompt) {
    enum { USUAL = 4096, ANSWER = 1024 };
    if (o->room) return o->room;
    int known = o->n_most && !o->chat;
    uint64_t room = (uint64_t)n_prompt + (known ? o->n_most : ANSWER);
    if (!known && room < USUAL) room = USUAL;
    if (n_trained && room > n_trained) room = n_trained;
    return room > INT32_MAX ? INT32_MAX : (uint32_t)room;
}

static int prepare(answer *a, const run_options *o, uint32_t n_prompt) {
    session *s = a->session;
    a->room = choose_room(o, s->info.n_context, n_prompt);
    a->n_most = o->n_most;
    a->ignore_end = o->ignore_end;
    skald_kv_cache_options cache;
    skald_kv_cache_options_init(&cache, sizeof cache);
    cache.n_tokens = a->room;
    cache.k_type = cache.v_type = o->cache_type;
    skald_context_options context;
    skald_context_options_init(&context, sizeof context);
    context.n_logits = 1;
    int code = session_prepare(s, &cache, &context);
    if (code) return code;
    skald_report why = {.size = sizeof why};
    skald_status status = skald_sampler_create(&a->sampler, s->model, &o->sampler, &why);
    if (status == SKALD_OK) status = skald_kv_cache_open(&a->seq, s->cache);
    if (status != SKALD_OK) return skald_failure(s->command, status, &why);
    if (o->rules) return answer_constrain(a, SKALD_GRAMMAR_RULES, o->rules);
    return o->schema ? answer_constrain(a, SKALD_GRAMMAR_JSON_SCHEMA, o->schema) : 0;
}

static double per_second(double n, double seconds) { return seconds > 0 ? n / seconds : 0; }

static void print_statistics(const answer *a, uint32_t n_prompt, double started) {
    if (a->end == ANSWER_FULL)
        fprintf(stderr, "The context of %u tokens is full and the answer ends here; -c makes more room.\n", a->room);
    double answer_seconds = a->last_time - a->first_time;
    uint32_t n_steps = a->n_tokens ? a->n_tokens - 1 : 0;
    fprintf(stderr, "load %.1f ms | prompt %u tokens, %.1f tokens/s | answer %u tokens, %.1f tokens/s",
            a->session->load_seconds * 1e3, n_prompt, per_second(n_prompt, a->read_seconds), a->n_tokens,
            per_second(n_steps, answer_seconds));
    if (a->n_tokens) fprintf(stderr, " | first token after %.1f ms", (a->first_time - started) * 1e3);
    fputc('\n', stderr);
}

/* An engine or a search has a cache of its own. */
static int continue_ahead(answer *a, const run_options *o, uint32_t room, const int32_t *ids, uint32_t n_ids) {
    ahead_options ahead = o->ahead;
    ahead.sampler = &o->sampler, ahead.cache_type = o->cache_type;
    a->room = room;
    a->n_most = o->n_most;
    a->ignore_end = o->ignore_end;
    return ahead_write(a, &ahead, ids, n_ids);
}

static int continue_text(answer *a, const run_options *o, const char *text, size_t n_bytes, double started) {
    session *s = a->session;
    int32_t *ids;
    uint32_t n_ids;
    int code = session_encode(s, &ids, &n_ids, SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS, text, n_bytes);
    if (code) return code;
    uint32_t room = choose_room(o, s->info.n_context, n_ids);
    if (n_ids == 0) code = failure(s->command, "the prompt is empty");
    else if (n_ids > room)
        code = failure(s->command, "the prompt is %u tokens long, the context has room for %u: -c makes more room",
                       n_ids, room);
    else if (ahead_is_wanted(&o->ahead)) code = continue_ahead(a, o, room, ids, n_ids);
    else code = prepare(a, o, n_ids);
    if (code == 0 && !ahead_is_wanted(&o->ahead)) code = answer_write(a, ids, n_ids);
    if (code == 0) print_statistics(a, n_ids, started);
    free(ids);
    return code;
}

static int run_prompt(answer *a, const run_options *o, double started) {
    if (o->prompt) return continue_text(a, o, o->prompt, strlen(o->prompt), started);
    char *text;
    size_t n_bytes;
    int code = file_read("run", o->file, &text, &n_bytes);
    if (code) return code;
    code = continue_text(a, o, text, n_bytes, started);
    free(text);
    return code;
}

int command_run(int argc, char **argv) {
    double started = seconds_now();
    run_options o = {.cache_type = SKALD_F16};
    skald_sampler_options_init(&o.sampler, sizeof o.sampler);
    int code = read_options(&o, argc, argv);
    if (code != GO_ON) return code;
    session s;
    answer a = {.session = &s};
    code = session_start(&s, "run", o.threads, o.memory);
    if (code == 0) code = session_open(&s, o.model, 0);
    if (code == 0) code = session_adapt(&s, &o.adapters);
    if (code == 0 && o.chat) {
        code = prepare(&a, &o, 0);
        if (code == 0) code = chat(&a, &o.talk);
    } else if (code == 0) {
        code = run_prompt(&a, &o, started);
    }
    skald_sampler_free(a.sampler);
    answer_close(&a);
    session_close(&s);
    return code ? code : output_end("run");
}

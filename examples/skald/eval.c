/* skald eval: logits of every position of a list of ids, written as they come. */
#include "commands.h"
#include "json.h"
#include "npy.h"
#include "options.h"
#include "session.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct eval_options {
    const char *model, *tokens, *logits;
    uint32_t threads, chunk;
    skald_dtype cache_type;
    session_memory memory;
    texts adapters;
} eval_options;

static int read_options(eval_options *o, int argc, char **argv) {
    const option table[] = {
        {"-m", OPTION_TEXT, &o->model, "MODEL", "a GGUF file", 0, 0},
        {"--tokens", OPTION_TEXT, &o->tokens, "IDS.json", "a JSON list of token ids; - is stdin", 0, 0},
        {"--logits", OPTION_TEXT, &o->logits, "OUT.npy", "receives f32 [n_tokens, n_vocab]", 0, 0},
        {"-t", OPTION_COUNT, &o->threads, "N", "threads (the processors there are)", 1, 0},
        {"--chunk", OPTION_COUNT, &o->chunk, "N", "tokens in one step (512, or what 64 MiB of logits hold)", 1, 0},
        {"--kv", OPTION_CACHE_TYPE, &o->cache_type, "TYPE",
         "type of the cache: f32, f16, bf16, f8_e4m3, q8_0, q4_0 (f16)", 0, 0},
        ADAPTER_OPTION(&o->adapters),
        SESSION_MEMORY_OPTIONS(&o->memory),
        {0},
    };
    const command_line line = {
        .command = "eval",
        .usage = "-m MODEL --tokens IDS.json --logits OUT.npy [options]",
        .about =
            "Writes the logits of all positions. No token is put in front; the bits do not depend on -t and --chunk.",
        .options = table,
    };
    int code = options_read(&line, argc, argv);
    if (code != GO_ON) return code;
    if (!o->model) return usage_error("eval", "-m MODEL is missing");
    if (!o->tokens) return usage_error("eval", "--tokens IDS.json is missing");
    if (!o->logits) return usage_error("eval", "--logits OUT.npy is missing");
    return GO_ON;
}

static int read_tokens(id_lists *lists, const char *path) {
    char *text;
    size_t n_bytes;
    int code = file_read("eval", path, &text, &n_bytes);
    if (code) return code;
    const char *wrong = json_read_ids(lists, text);
    free(text);
    if (!wrong && lists->nested) wrong = "one list of ids is expected, not a list of lists";
    if (!wrong && lists->ends[0] == 0) wrong = "the list of ids is empty";
    if (!wrong && lists->ends[0] > INT32_MAX) wrong = "the list of ids is too long";
    return wrong ? failure("eval", "%s: %s", path, wrong) : 0;
}

static int write_logits(session *s, const int32_t *ids, uint32_t n_ids, uint32_t chunk, FILE *file) {
    skald_seq seq;
    skald_report why = {.size = sizeof why};
    skald_status status = skald_kv_cache_open(&seq, s->cache);
    int written = npy_write_header(file, n_ids, s->info.n_vocab);
    progress bar = progress_begin("evaluating");
    for (uint32_t at = 0; status == SKALD_OK && written && at < n_ids;) {
        uint32_t n = n_ids - at < chunk ? n_ids - at : chunk;
        status = session_step(s, seq, ids + at, n, SKALD_LOGITS_ALL, &why);
        for (uint32_t i = 0; status == SKALD_OK && written && i < n; i++)
            written = npy_write_rows(file, skald_logits(s->context, i), s->info.n_vocab);
        at += n;
        progress_show(&bar, (double)at / n_ids, "");
    }
    progress_end(&bar);
    if (status != SKALD_OK) return skald_failure("eval", status, &why);
    return written && fflush(file) == 0 ? 0 : failure("eval", "the logits cannot be written: %s", strerror(errno));
}

/* Half a file is worse than none. */
static void remove_file(const char *path) {
    struct stat about;
    if (stat(path, &about) == 0 && S_ISREG(about.st_mode)) remove(path);
}

static int evaluate(session *s, const eval_options *o, const int32_t *ids, uint32_t n_ids) {
    uint32_t chunk = session_logits_rows(s, o->chunk ? o->chunk : 512);
    if (chunk > n_ids) chunk = n_ids;
    skald_kv_cache_options cache;
    skald_kv_cache_options_init(&cache, sizeof cache);
    cache.n_tokens = n_ids;
    cache.k_type = cache.v_type = o->cache_type;
    skald_context_options context;
    skald_context_options_init(&context, sizeof context);
    context.n_rows = chunk < 512 ? chunk : 512;
    context.n_logits = chunk;
    int code = session_prepare(s, &cache, &context);
    if (code) return code;
    FILE *file = fopen(o->logits, "wb");
    if (!file) return failure("eval", "%s: %s", o->logits, strerror(errno));
    code = write_logits(s, ids, n_ids, chunk, file);
    if (fclose(file) != 0 && code == 0) code = failure("eval", "%s: %s", o->logits, strerror(errno));
    if (code) remove_file(o->logits);
    return code;
}

int command_eval(int argc, char **argv) {
    eval_options o = {.cache_type = SKALD_F16};
    int code = read_options(&o, argc, argv);
    if (code != GO_ON) return code;
    session s;
    id_lists lists = {0};
    code = session_start(&s, "eval", o.threads, o.memory);
    if (code == 0) code = read_tokens(&lists, o.tokens);
    if (code == 0) code = session_open(&s, o.model, 0);
    if (code == 0) code = session_adapt(&s, &o.adapters);
    if (code == 0) code = evaluate(&s, &o, lists.ids, (uint32_t)lists.ends[0]);
    id_lists_free(&lists);
    session_close(&s);
    return code;
}

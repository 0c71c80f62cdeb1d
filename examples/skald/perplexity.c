/* skald perplexity: exp of the mean -log p of a text's tokens, in windows that do not overlap. The second half of each
 * window is scored, so that every scored token has at least half a window before it; figures compare with those of
 * other programs that cut a text in the same way. */
#include "commands.h"
#include "options.h"
#include "session.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct perplexity_options {
    const char *model, *file;
    uint32_t window, threads;
    int json;
    skald_dtype cache_type;
    session_memory memory;
    texts adapters;
} perplexity_options;

typedef struct score {
    double sum; /* of -log p */
    uint64_t n;
} score;

static int read_options(perplexity_options *o, int argc, char **argv) {
    const option table[] = {
        {"-m", OPTION_TEXT, &o->model, "MODEL", "a GGUF file", 0, 0},
        {"-f", OPTION_TEXT, &o->file, "TEXT", "a text file; - is stdin", 0, 0},
        {"--context", OPTION_COUNT, &o->window, "N", "tokens of a window (512)", 4, 0},
        {"-t", OPTION_COUNT, &o->threads, "N", "threads (the processors there are)", 1, 0},
        {"--kv", OPTION_CACHE_TYPE, &o->cache_type, "TYPE",
         "type of the cache: f32, f16, bf16, f8_e4m3, q8_0, q4_0 (f16)", 0, 0},
        {"--json", OPTION_FLAG, &o->json, NULL, "print a JSON object", 0, 0},
        ADAPTER_OPTION(&o->adapters),
        SESSION_MEMORY_OPTIONS(&o->memory),
        {0},
    };
    const command_line line = {
        .command = "perplexity",
        .usage = "-m MODEL -f TEXT [options]",
        .about =
            "Cuts the text into windows of N tokens that do not overlap and scores the second half of each; a text\n"
            "shorter than that is one window. Where the model asks for a begin token it replaces a window's first.",
        .options = table,
    };
    int code = options_read(&line, argc, argv);
    if (code != GO_ON) return code;
    if (!o->model) return usage_error("perplexity", "-m MODEL is missing");
    if (!o->file) return usage_error("perplexity", "-f TEXT is missing");
    return GO_ON;
}

/* -log p of `id`: log-sum-exp of the row minus its logit. */
static double surprise(const float *logits, uint32_t n_vocab, int32_t id) {
    double largest = (double)logits[0], sum = 0;
    for (uint32_t i = 1; i < n_vocab; i++)
        if ((double)logits[i] > largest) largest = (double)logits[i];
    for (uint32_t i = 0; i < n_vocab; i++) sum += exp((double)logits[i] - largest);
    return largest + log(sum) - (double)logits[id];
}

/* Adds the tokens behind `begin` of one window in an empty sequence. */
static skald_status score_window(score *total, session *s, skald_seq seq, const int32_t *ids, uint32_t n_ids,
                                 uint32_t begin, uint32_t chunk, skald_report *why) {
    skald_status status = begin ? session_step(s, seq, ids, begin, SKALD_LOGITS_NONE, why) : SKALD_OK;
    for (uint32_t at = begin, n; status == SKALD_OK && at < n_ids - 1; at += n) {
        n = n_ids - 1 - at < chunk ? n_ids - 1 - at : chunk;
        status = session_step(s, seq, ids + at, n, SKALD_LOGITS_ALL, why);
        for (uint32_t i = 0; status == SKALD_OK && i < n; i++, total->n++)
            total->sum += surprise(skald_logits(s->context, i), s->info.n_vocab, ids[at + i + 1]);
    }
    return status;
}

/* -1 unless the model asks for a token at the beginning. */
static int32_t begin_token(const session *s) {
    int32_t id;
    uint32_t n = 1;
    return skald_encode(&id, &n, s->model, SKALD_ENCODE_BOS, "", 0) == SKALD_OK && n == 1 ? id : -1;
}

static int score_text(score *total, session *s, int32_t *ids, uint32_t n_ids, uint32_t window, uint32_t chunk) {
    skald_seq seq;
    skald_report why = {.size = sizeof why};
    skald_status status = skald_kv_cache_open(&seq, s->cache);
    int32_t begin = begin_token(s);
    progress bar = progress_begin("scoring");
    for (uint32_t at = 0; status == SKALD_OK && n_ids - at >= window; at += window) {
        if (begin >= 0) ids[at] = begin;
        status = skald_kv_cache_rewind(s->cache, seq, 0);
        if (status == SKALD_OK) status = score_window(total, s, seq, ids + at, window, window / 2, chunk, &why);
        char note[48];
        snprintf(note, sizeof note, "perplexity %.4f", total->n ? exp(total->sum / (double)total->n) : 0);
        progress_show(&bar, (double)(at + window) / n_ids, note);
    }
    progress_end(&bar);
    return status == SKALD_OK ? 0 : skald_failure("perplexity", status, &why);
}

static void print_score(const score *total, uint32_t window, uint32_t n_windows, int json) {
    double perplexity = exp(total->sum / (double)total->n);
    if (json)
        printf("{\"perplexity\": %.17g, \"mean_nll\": %.17g, \"tokens\": %llu, \"context\": %u, \"windows\": %u}\n",
               perplexity, total->sum / (double)total->n, (unsigned long long)total->n, window, n_windows);
    else
        printf("perplexity %.4f over %llu tokens in %u windows of %u\n", perplexity, (unsigned long long)total->n,
               n_windows, window);
}

static int measure(session *s, const perplexity_options *o, const char *text, size_t n_bytes) {
    int32_t *ids;
    uint32_t n_ids;
    int code = session_encode(s, &ids, &n_ids, 0, text, n_bytes);
    if (code) return code;
    uint32_t window = n_ids < o->window ? n_ids : o->window, chunk = session_logits_rows(s, 512);
    skald_kv_cache_options cache;
    skald_kv_cache_options_init(&cache, sizeof cache);
    cache.n_tokens = window;
    cache.k_type = cache.v_type = o->cache_type;
    skald_context_options context;
    skald_context_options_init(&context, sizeof context);
    context.n_logits = chunk;
    score total = {0};
    code = n_ids < 4 ? failure("perplexity", "%s: a text of at least 4 tokens is needed", o->file)
                     : session_prepare(s, &cache, &context);
    if (code == 0) code = score_text(&total, s, ids, n_ids, window, chunk);
    if (code == 0) print_score(&total, window, n_ids / window, o->json);
    free(ids);
    return code;
}

int command_perplexity(int argc, char **argv) {
    perplexity_options o = {.cache_type = SKALD_F16, .window = 512};
    int code = read_options(&o, argc, argv);
    if (code != GO_ON) return code;
    session s;
    char *text = NULL;
    size_t n_bytes;
    code = session_start(&s, "perplexity", o.threads, o.memory);
    if (code == 0) code = file_read("perplexity", o.file, &text, &n_bytes);
    if (code == 0) code = session_open(&s, o.model, 0);
    if (code == 0) code = session_adapt(&s, &o.adapters);
    if (code == 0) code = measure(&s, &o, text, n_bytes);
    free(text);
    session_close(&s);
    return code ? code : output_end("perplexity");
}

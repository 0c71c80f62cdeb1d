/* What every subcommand opens: a runtime, a model with a progress bar, and a cache with a context when it runs. */
#ifndef SKALD_PROGRAM_SESSION_H
#define SKALD_PROGRAM_SESSION_H
#include "clock.h"
#include "options.h"
#include <skald/skald.h>
#include <stddef.h>

/* A bar on stderr, if that is a terminal and the work takes long enough to be worth one. */
typedef struct progress {
    const char *label;
    double started;
    int shown;
} progress;

progress progress_begin(const char *label);
void progress_show(progress *p, double done, const char *note);
void progress_end(progress *p);
/* A skald_progress_fn for a `progress`. */
int32_t progress_callback(void *user, float done);

/* Lines of how an answer is drawn. */
#define SAMPLER_OPTIONS(s)                                                                                             \
    {"--temp", OPTION_REAL, &(s)->temperature, "T", "draw at temperature T (0: the most likely token)", 0, 1e6F},      \
        {"--top-k", OPTION_COUNT, &(s)->top_k, "K", "draw from the K most likely (0: all)", 0, 0},                     \
        {"--top-p", OPTION_REAL, &(s)->top_p, "P", "draw from the smallest set that holds P (1: all)", 0, 1},          \
        {"--min-p", OPTION_REAL, &(s)->min_p, "P", "drop what is below P of the most likely (0: none)", 0, 1}, {       \
        "--seed", OPTION_SEED, &(s)->seed, "S", "the draw's seed (0)", 0, 0                                            \
    }

/* How memory is used; zeros are the defaults. */
typedef struct session_memory {
    int no_pack, small_pages;
} session_memory;

/* Their lines in a table of options. */
#define SESSION_MEMORY_OPTIONS(memory)                                                                                 \
    {"--no-pack",                                                                                                      \
     OPTION_FLAG,                                                                                                      \
     &(memory)->no_pack,                                                                                               \
     NULL,                                                                                                             \
     "weights stay in the mapped file: less memory, slower; who shortens it kills us (SIGBUS)",                        \
     0,                                                                                                                \
     0},                                                                                                               \
    {                                                                                                                  \
        "--small-pages", OPTION_FLAG, &(memory)->small_pages, NULL, "do not ask the system for huge pages", 0, 0       \
    }

/* The line of adapters. */
#define ADAPTER_OPTION(files)                                                                                          \
    { "--lora", OPTION_TEXTS, files, "FILE[:SCALE]", "an adapter (GGUF) beside the weights, up to four times", 0, 0 }

typedef struct session {
    const char *command; /* for error messages */
    int no_pack;
    skald_runtime *runtime;
    skald_model *model;
    skald_kv_cache *cache;
    skald_context *context;
    skald_span_adapter adapters[SKALD_SPAN_ADAPTERS]; /* [n_adapters] of all tokens */
    skald_adapter *opened[SKALD_SPAN_ADAPTERS];
    uint32_t n_adapters, max_rank;
    skald_model_info info;
    double load_seconds;
} session;

/* Exit codes: 0, or what usage_error and failure give after their complaint. A session closes from any half. */
int session_start(session *s, const char *command, uint32_t n_threads, session_memory memory);
int session_open(session *s, const char *path, uint32_t vocabulary_only);
/* Adapters for what the model reads and writes, each FILE or FILE:SCALE; after the model is open. */
int session_adapt(session *s, const texts *files);
int session_prepare(session *s, const skald_kv_cache_options *cache, const skald_context_options *context);
void session_close(session *s);

/* One sequence's tokens with the adapters, whose last row of logits is wanted. */
skald_span session_span(const session *s, skald_seq seq, const int32_t *ids, uint32_t n_ids);
/* Through the model. */
skald_status session_step(session *s, skald_seq seq, const int32_t *ids, uint32_t n_ids, uint32_t logits,
                          skald_report *why);

/* Freed by the caller. */
int session_encode(const session *s, int32_t **ids, uint32_t *n_ids, skald_encode_flags flags, const char *text,
                   size_t n_bytes);

/* How many rows of logits fit into 64 MiB, at least one and at most `most`. */
uint32_t session_logits_rows(const session *s, uint32_t most);

/* A whole file, "-" is stdin; freed by the caller; one NUL is put behind it. */
int file_read(const char *command, const char *path, char **bytes, size_t *n_bytes);

/* What was written to stdout has arrived? */
int output_end(const char *command);

#endif

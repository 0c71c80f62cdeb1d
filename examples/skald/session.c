/* Opens what a subcommand needs, shows how far that is, and says in one sentence why it did not work. */
#include "session.h"
#include "options.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

progress progress_begin(const char *label) { return (progress){.label = label, .started = seconds_now()}; }

void progress_show(progress *p, double done, const char *note) {
    enum { WIDTH = 30 };
    static const char bar[] = "##############################";
    if (!p->shown && (!isatty(STDERR_FILENO) || seconds_now() - p->started < 0.2)) return;
    p->shown = 1;
    int full = done < 0 ? 0 : done > 1 ? WIDTH : (int)(done * WIDTH);
    fprintf(stderr, "\r%s [%.*s%*s] %3d%% %s\033[K", p->label, full, bar, WIDTH - full, "", (int)(done * 100), note);
}

void progress_end(progress *p) {
    if (p->shown) fputs("\r\033[K", stderr);
    p->shown = 0;
}

int32_t progress_callback(void *user, float done) {
    progress_show(user, (double)done, "");
    return 0;
}

int session_start(session *s, const char *command, uint32_t n_threads, session_memory memory) {
    *s = (session){.command = command, .no_pack = memory.no_pack, .info = {.size = sizeof s->info}};
    skald_runtime_options options;
    skald_runtime_options_init(&options, sizeof options);
    options.n_threads = n_threads;
    options.small_pages = (uint32_t)memory.small_pages;
    const char *level = getenv("SKALD_CPU");
    if (level && *level) options.cpu_level = level;
    skald_report why = {.size = sizeof why};
    skald_status status = skald_runtime_create(&s->runtime, &options, &why);
    if (status == SKALD_ARGUMENT && options.cpu_level)
        return usage_error(command, "SKALD_CPU cannot be \"%s\": %s", level, why.text);
    return status == SKALD_OK ? 0 : skald_failure(command, status, &why);
}

int session_open(session *s, const char *path, uint32_t vocabulary_only) {
    progress bar = progress_begin("loading");
    skald_model_options options;
    skald_model_options_init(&options, sizeof options);
    options.vocabulary_only = vocabulary_only;
    options.in_place = (uint32_t)s->no_pack;
    options.progress = progress_callback;
    options.progress_user = &bar;
    skald_report why = {.size = sizeof why};
    skald_status status = skald_model_open_path(&s->model, s->runtime, path, &options, &why);
    progress_end(&bar);
    s->load_seconds = seconds_now() - bar.started;
    if (status == SKALD_OK) status = skald_model_get_info(&s->info, s->model);
    return status == SKALD_OK ? 0 : skald_failure(s->command, status, &why);
}

/* The scale behind the last colon, where a number stands; *n_path: what is before it. */
static float scale_of(const char *file, size_t *n_path) {
    const char *colon = strrchr(file, ':');
    char *end = NULL;
    const float scale = colon ? strtof(colon + 1, &end) : 1;
    const int is_number = colon && end != colon + 1 && *end == '\0' && isfinite(scale);
    *n_path = is_number ? (size_t)(colon - file) : strlen(file);
    return is_number ? scale : 1;
}

static int open_adapter(session *s, const char *file) {
    skald_span_adapter *to = &s->adapters[s->n_adapters];
    skald_adapter *adapter = NULL;
    skald_adapter_info info = {.size = sizeof info};
    skald_report why = {.size = sizeof why};
    size_t n_path;
    to->scale = scale_of(file, &n_path);
    char *path = malloc(n_path + 1);
    if (!path) return failure(s->command, "no memory for a path");
    memcpy(path, file, n_path);
    path[n_path] = '\0';
    skald_status status = skald_adapter_open_path(&adapter, s->model, path, &why);
    if (status == SKALD_OK) status = skald_adapter_get_info(&info, adapter);
    const int code = status == SKALD_OK ? 0 : failure(s->command, "--lora %s: %s", path, why.text);
    free(path);
    if (code) return code;
    to->adapter = s->opened[s->n_adapters++] = adapter;
    if (info.rank > s->max_rank) s->max_rank = info.rank;
    return 0;
}

int session_adapt(session *s, const texts *files) {
    int code = 0;
    for (uint32_t i = 0; i < files->n && code == 0; i++) code = open_adapter(s, files->at[i]);
    return code;
}

int session_prepare(session *s, const skald_kv_cache_options *cache, const skald_context_options *options) {
    skald_report why = {.size = sizeof why};
    skald_context_options context;
    skald_context_options_init(&context, sizeof context);
    if (options) context = *options;
    context.max_rank = s->max_rank;
    skald_status status = skald_kv_cache_create(&s->cache, s->model, cache, &why);
    if (status == SKALD_OK) status = skald_context_create(&s->context, s->model, &context, &why);
    return status == SKALD_OK ? 0 : skald_failure(s->command, status, &why);
}

void session_close(session *s) {
    skald_context_free(s->context);
    skald_kv_cache_free(s->cache);
    for (uint32_t i = 0; i < s->n_adapters; i++) skald_adapter_release(s->opened[i]);
    skald_model_release(s->model);
    skald_runtime_release(s->runtime);
}

skald_span session_span(const session *s, skald_seq seq, const int32_t *ids, uint32_t n_ids) {
    return (skald_span){.size = sizeof(skald_span),
                        .seq = seq,
                        .tokens = ids,
                        .n_tokens = n_ids,
                        .adapters = s->adapters,
                        .n_adapters = s->n_adapters};
}

skald_status session_step(session *s, skald_seq seq, const int32_t *ids, uint32_t n_ids, uint32_t logits,
                          skald_report *why) {
    skald_span span = session_span(s, seq, ids, n_ids);
    span.logits = logits;
    return skald_step(s->context, s->cache, NULL, why, &span, 1);
}

int session_encode(const session *s, int32_t **ids, uint32_t *n_ids, skald_encode_flags flags, const char *text,
                   size_t n_bytes) {
    *ids = NULL;
    if (n_bytes > INT32_MAX - 16) return failure(s->command, "the text is longer than 2 GiB");
    *n_ids = (uint32_t)n_bytes + 16; /* a token is seldom less than a byte */
    for (;;) {
        int32_t *room = realloc(*ids, *n_ids * sizeof **ids);
        if (!room) break;
        *ids = room;
        skald_status status = skald_encode(*ids, n_ids, s->model, flags, text, n_bytes);
        if (status == SKALD_OK) return 0;
        if (status == SKALD_SHORT) continue;
        free(*ids);
        return failure(s->command, "the text cannot be encoded: %s", skald_status_text(status));
    }
    free(*ids);
    return failure(s->command, "no memory for the tokens of the text");
}

uint32_t session_logits_rows(const session *s, uint32_t most) {
    const uint64_t budget = 64u << 20;
    uint64_t rows = s->info.n_vocab ? budget / ((uint64_t)s->info.n_vocab * sizeof(float)) : 1;
    return rows < 1 ? 1 : rows < most ? (uint32_t)rows : most;
}

static char *read_stream(FILE *file, size_t *n_bytes) {
    char *bytes = NULL;
    *n_bytes = 0;
    for (size_t room = 1 << 16;; room *= 2) {
        char *more = realloc(bytes, room);
        if (!more) break;
        bytes = more;
        *n_bytes += fread(bytes + *n_bytes, 1, room - 1 - *n_bytes, file);
        if (*n_bytes < room - 1) {
            bytes[*n_bytes] = '\0';
            if (!ferror(file)) return bytes;
            break;
        }
    }
    free(bytes);
    return NULL;
}

int file_read(const char *command, const char *path, char **bytes, size_t *n_bytes) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file) return failure(command, "%s: %s", path, strerror(errno));
    errno = 0;
    *bytes = read_stream(file, n_bytes);
    int reason = errno;
    if (file != stdin) fclose(file);
    return *bytes ? 0 : failure(command, "%s: %s", path, strerror(reason));
}

int output_end(const char *command) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    return failure(command, "stdout: %s", strerror(errno));
}

/* One answer: prompt in, tokens out until the model ends, a limit is reached, the room is full or somebody stops it. */
#include "answer.h"
#include "options.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct step_watch {
    progress *bar;
    const volatile sig_atomic_t *stop;
} step_watch;

static int32_t watch_step(void *user, float done) {
    step_watch *watch = user;
    if (watch->bar) progress_show(watch->bar, (double)done, "");
    return watch->stop && *watch->stop;
}

static skald_status step(answer *a, const int32_t *ids, uint32_t n_ids, progress *bar, skald_report *why) {
    step_watch watch = {bar, a->stop};
    skald_step_options options;
    skald_step_options_init(&options, sizeof options);
    options.progress = watch_step;
    options.progress_user = &watch;
    const skald_span span = session_span(a->session, a->seq, ids, n_ids);
    return skald_step(a->session->context, a->session->cache, &options, why, &span, 1);
}

/* Room for n more elements behind the first `used`; NULL: none. */
static void *grown(void *old, size_t *room, size_t used, size_t n, size_t size) {
    if (used + n <= *room) return old;
    const size_t more = 2 * (used + n) + 64;
    void *new = realloc(old, more * size);
    if (new) *room = more;
    return new;
}

static skald_status keep_text(answer *a, const char *text, size_t n_bytes) {
    char *all = grown(a->text, &a->text_room, a->n_text, n_bytes + 1, 1);
    if (!all) return SKALD_MEMORY;
    a->text = all;
    memcpy(all + a->n_text, text, n_bytes);
    all[a->n_text += n_bytes] = '\0';
    return SKALD_OK;
}

static skald_status keep_id(answer *a, int32_t id) {
    int32_t *all = grown(a->ids, &a->ids_room, a->n_tokens, 1, sizeof *all);
    if (!all) return SKALD_MEMORY;
    a->ids = all;
    all[a->n_tokens] = id;
    return SKALD_OK;
}

void answer_close(answer *a) {
    skald_matcher_free(a->begin);
    skald_matcher_free(a->matcher);
    free(a->allowed);
    free(a->ids);
    free(a->text);
}

static skald_status put_text(answer *a, const char *text, size_t n_bytes) {
    if (a->parser) return skald_answer_push(a->parser, text, n_bytes);
    fwrite(text, 1, n_bytes, stdout);
    fflush(stdout);
    return keep_text(a, text, n_bytes);
}

/* The complete characters after `id`; -1 for those of a character that never became complete. */
static skald_status write_token(answer *a, skald_decoder *decoder, int32_t id) {
    char small[256], *text = small;
    size_t n_bytes = sizeof small;
    skald_status status = skald_decoder_push(text, &n_bytes, decoder, a->session->model, id);
    if (status == SKALD_SHORT) {
        text = malloc(n_bytes);
        status = text ? skald_decoder_push(text, &n_bytes, decoder, a->session->model, id) : SKALD_MEMORY;
    }
    if (status == SKALD_OK) status = put_text(a, text, n_bytes);
    if (text != small) free(text);
    return status;
}

int answer_constrain(answer *a, skald_grammar_kind kind, const char *path) {
    const session *s = a->session;
    skald_report why = {.size = sizeof why};
    skald_grammar_options options;
    skald_grammar *grammar = NULL;
    char *text;
    size_t n_bytes;
    int code = file_read(s->command, path, &text, &n_bytes);
    if (code) return code;
    skald_grammar_options_init(&options, sizeof options);
    options.kind = kind;
    skald_status status = skald_grammar_create(&grammar, s->model, text, n_bytes, &options, &why);
    if (status == SKALD_OK) status = skald_matcher_create(&a->begin, grammar, &why);
    if (status == SKALD_OK) status = skald_matcher_create(&a->matcher, grammar, &why);
    a->allowed = malloc(s->info.n_vocab * sizeof *a->allowed);
    skald_grammar_release(grammar);
    free(text);
    if (status == SKALD_OK && !a->allowed) return failure(s->command, "no memory for a row of logits");
    return status == SKALD_OK ? 0 : skald_failure(s->command, status, &why);
}

/* The next id; END: an id that nothing can follow. What is left of -n and of the room is what the grammar has to come to its end. */
static skald_status choose(const answer *a, int32_t *id, uint32_t n_held) {
    const float *logits = skald_logits(a->session->context, 0);
    uint32_t n_left = a->room - n_held + 1;
    if (a->n_most && a->n_most - a->n_tokens < n_left) n_left = a->n_most - a->n_tokens;
    if (a->matcher) {
        skald_status status = skald_matcher_mask(a->allowed, a->matcher, logits, n_left);
        if (status < 0) return status;
        logits = a->allowed;
    }
    skald_status status = skald_sampler_choose(id, a->sampler, logits, n_held, NULL, 0);
    return status == SKALD_OK && a->matcher ? skald_matcher_accept(a->matcher, *id) : status;
}

/* Chooses and writes tokens; the logits of what was read last are there. */
static skald_status write_tokens(answer *a, skald_decoder *decoder, skald_report *why) {
    for (;;) {
        uint32_t n_held;
        skald_status status = skald_kv_cache_length(&n_held, a->session->cache, a->seq);
        if (status != SKALD_OK) return status;
        int32_t id;
        status = choose(a, &id, n_held);
        if (status < 0) return status;
        const int whole = status == SKALD_END;
        if ((!a->ignore_end || a->matcher) && skald_model_is_end(a->session->model, id)) {
            a->end = ANSWER_FINISHED;
            return SKALD_OK;
        }
        status = keep_id(a, id);
        if (status == SKALD_OK) status = write_token(a, decoder, id);
        if (status != SKALD_OK) return status;
        a->last_time = seconds_now();
        if (a->n_tokens++ == 0) a->first_time = a->last_time;
        a->unread = id;
        if (a->stop && *a->stop) a->end = ANSWER_STOPPED;
        else if (whole) a->end = ANSWER_FINISHED;
        else if (a->n_tokens == a->n_most) a->end = ANSWER_LIMIT;
        else if (n_held == a->room) a->end = ANSWER_FULL;
        else {
            status = step(a, &id, 1, NULL, why);
            if (status == SKALD_OK) {
                a->unread = -1;
                continue;
            }
            if (status != SKALD_CANCELLED) return status;
            a->end = ANSWER_STOPPED;
        }
        return SKALD_OK;
    }
}

int answer_write(answer *a, const int32_t *ids, uint32_t n_ids) {
    skald_report why = {.size = sizeof why};
    skald_decoder decoder = {.flags = a->parser ? SKALD_DECODE_SPECIAL : 0};
    a->n_tokens = 0;
    a->n_text = 0;
    a->unread = -1;
    if (a->matcher) skald_matcher_copy(a->matcher, a->begin);
    progress bar = progress_begin("reading the prompt");
    skald_status status = step(a, ids, n_ids, &bar, &why);
    progress_end(&bar);
    a->read_seconds = seconds_now() - bar.started;
    a->read = status == SKALD_OK;
    if (status == SKALD_CANCELLED) {
        a->end = ANSWER_STOPPED;
        return 0;
    }
    if (status == SKALD_OK) status = write_tokens(a, &decoder, &why);
    if (a->read) {
        skald_status flushed = write_token(a, &decoder, -1);
        if (status == SKALD_OK) status = flushed;
        if (!a->parser) fputc('\n', stdout);
    }
    return status == SKALD_OK ? 0 : skald_failure(a->session->command, status, &why);
}

/* Answers of an engine or a beam search. */
#include "ahead.h"
#include "options.h"
#include <stdio.h>

int ahead_is_wanted(const ahead_options *o) { return o->lookup || o->draft || o->stop || o->n_beams; }

/* ---- an engine of one request */

static int make_engine(skald_engine **out, const answer *a, const ahead_options *o, skald_model *draft) {
    skald_engine_options e;
    skald_report why = {.size = sizeof why};
    skald_engine_options_init(&e, sizeof e);
    e.n_running = e.n_requests = e.no_sharing = 1;
    e.n_tokens = e.n_text = a->room;
    e.k_type = e.v_type = o->cache_type;
    e.lookup = (uint32_t)o->lookup, e.draft = draft;
    e.max_rank = a->session->max_rank;
    skald_status status = skald_engine_create(out, a->session->model, &e, &why);
    return status == SKALD_OK ? 0 : skald_failure("run", status, &why);
}

static void hear(answer *a, const skald_event *event) {
    fwrite(event->text, 1, event->n_bytes, stdout);
    fflush(stdout);
    if (event->kind == SKALD_EVENT_TOKEN) {
        a->last_time = seconds_now();
        if (a->n_tokens++ == 0) a->first_time = a->last_time;
        return;
    }
    a->end = event->kind == SKALD_EVENT_STOP ? ANSWER_FINISHED : a->n_tokens == a->n_most ? ANSWER_LIMIT : ANSWER_FULL;
    if (event->n_drafted) fprintf(stderr, "drafts: %u tokens, %u right\n", event->n_drafted, event->n_right);
}

static int run_engine(answer *a, skald_engine *engine, const ahead_options *o, const int32_t *ids, uint32_t n_ids) {
    const uint32_t left = a->room - n_ids;
    const skald_request request = {.size = sizeof request,
                                   .prompt = ids,
                                   .n_prompt = n_ids,
                                   .n_tokens = a->n_most && a->n_most < left ? a->n_most : left,
                                   .sampler = o->sampler,
                                   .ignore_end = (uint32_t)a->ignore_end,
                                   .stops = &o->stop,
                                   .n_stops = o->stop != NULL,
                                   .adapters = a->session->adapters,
                                   .n_adapters = a->session->n_adapters};
    skald_request_id id;
    skald_event event = {.size = sizeof event};
    skald_report why = {.size = sizeof why};
    const double started = seconds_now();
    skald_status status = skald_engine_submit(&id, engine, &request, &why);
    while (status == SKALD_OK) {
        status = skald_engine_step(engine, 0, &why);
        while (skald_engine_poll(&event, engine) == SKALD_OK) hear(a, &event);
    }
    fputc('\n', stdout);
    a->read_seconds = a->first_time - started;
    if (status == SKALD_END && event.kind == SKALD_EVENT_FAILED) return failure("run", "no token can be chosen");
    return status == SKALD_END ? 0 : skald_failure("run", status, &why);
}

static int with_engine(answer *a, const ahead_options *o, const int32_t *ids, uint32_t n_ids) {
    skald_engine *engine = NULL;
    skald_model *draft = NULL;
    skald_report why = {.size = sizeof why};
    skald_status status =
        o->draft ? skald_model_open_path(&draft, a->session->runtime, o->draft, NULL, &why) : SKALD_OK;
    int code = status == SKALD_OK ? make_engine(&engine, a, o, draft) : skald_failure("run", status, &why);
    if (code == 0) code = run_engine(a, engine, o, ids, n_ids);
    skald_engine_free(engine);
    skald_model_release(draft);
    return code;
}

/* ---- beams */

static int write_text(const skald_model *model, const skald_beam *beam) {
    char text[4096];
    skald_decoder decoder = {0};
    for (uint32_t i = 0; i <= beam->n_ids; i++) {
        size_t n_bytes = sizeof text;
        skald_status status = skald_decoder_push(text, &n_bytes, &decoder, model, i < beam->n_ids ? beam->ids[i] : -1);
        if (status != SKALD_OK) return failure("run", "%s", skald_status_text(status));
        fwrite(text, 1, n_bytes, stdout);
    }
    fputc('\n', stdout);
    return 0;
}

static int with_beams(answer *a, const ahead_options *o, const int32_t *ids, uint32_t n_ids) {
    enum { USUAL = 128 };
    const uint32_t left = a->room - n_ids, most = a->n_most ? a->n_most : USUAL;
    skald_beam_options options;
    skald_beams *found;
    skald_beam beam = {.size = sizeof beam};
    skald_report why = {.size = sizeof why};
    skald_beam_options_init(&options, sizeof options);
    options.n_beams = o->n_beams, options.n_tokens = most < left ? most : left;
    options.ignore_end = (uint32_t)a->ignore_end;
    options.k_type = options.v_type = o->cache_type;
    const double started = a->first_time = seconds_now();
    skald_status status = skald_beams_search(&found, a->session->model, &options, ids, n_ids, &why);
    if (status != SKALD_OK) return skald_failure("run", status, &why);
    skald_beams_get(&beam, found, 0);
    a->last_time = seconds_now();
    a->read_seconds = a->last_time - started;
    a->n_tokens = beam.n_ids;
    a->end = beam.ended ? ANSWER_FINISHED : ANSWER_LIMIT;
    fprintf(stderr, "score %.4f\n", (double)beam.score);
    int code = write_text(a->session->model, &beam);
    skald_beams_free(found);
    return code;
}

int ahead_write(answer *a, const ahead_options *o, const int32_t *ids, uint32_t n_ids) {
    if (n_ids == a->room) return failure("run", "the prompt fills the context: -c makes more room");
    return o->n_beams ? with_beams(a, o, ids, n_ids) : with_engine(a, o, ids, n_ids);
}

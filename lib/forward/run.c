/* Running a step: pages are taken, passes go through the device, and only then a few integers are stored. */
#include "base/os/os.h"
#include "base/report.h"
#include "forward/forward.h"

#define PROGRESS_NANOSECONDS 1000000u

static skald_poll ask(void *self) {
    sk_poll *p = self;
    if (!p->deadline && !p->progress) return SKALD_POLL_GO;
    const uint64_t now = p->host->nanoseconds(p->host->self);
    if (p->progress && sk_os_thread() == p->thread && now >= p->next_progress) {
        p->next_progress = now + PROGRESS_NANOSECONDS;
        if (p->progress(p->progress_user, p->done)) return p->cancelled = true, SKALD_POLL_CANCEL;
    }
    return p->deadline && now >= p->deadline ? SKALD_POLL_PAUSE : SKALD_POLL_GO;
}

static sk_sequence *sequence_of(const sk_run *run, uint32_t span) {
    return sk_cache_find(run->cache, sk_span_at(run->batch.spans, span)->seq);
}

/* All pages or none: counted for all spans before the first is taken. */
static skald_status take_pages(sk_run *run, skald_report *why) {
    const sk_batch *b = &run->batch;
    uint64_t need = 0;
    for (uint32_t i = 0; i < b->n_spans; i++)
        need = sk_add(need, sk_cache_need(run->cache, sequence_of(run, i), sk_span_at(b->spans, i)->n_tokens));
    if (need > run->cache->groups[0].pages.n_free)
        return sk_fail(why, SKALD_FULL, "the step needs %llu pages of %u tokens, %u are free",
                       (unsigned long long)(need > UINT32_MAX ? UINT32_MAX : need), SKALD_PAGE_TOKENS,
                       run->cache->groups[0].pages.n_free);
    for (uint32_t i = 0; i < b->n_spans; i++) {
        skald_status status = sk_cache_prepare(run->cache, sequence_of(run, i), sk_span_at(b->spans, i)->n_tokens);
        if (status != SKALD_OK) return sk_fail(why, status, "the cache has no page for a window"); /* plan.c counts */
    }
    return SKALD_OK;
}

void sk_run_drop(sk_run *run) {
    if (!run->cache) return;
    if (run->stage == SK_RUN_PASS) run->model->backend->stream_drop(run->stream);
    sk_cache_abort_all(run->cache); /* without a look at the spans: a host that gave up may have left them */
    atomic_store(&run->cache->paused, 0);
    run->stage = SK_RUN_BETWEEN;
    run->cache = NULL;
}

/* Learned positions end somewhere. */
static skald_status check_positions(const sk_run *run, skald_kv_cache *cache, const skald_span *spans, uint32_t n_spans,
                                    skald_report *why) {
    const uint32_t most = run->model->trunk.positions.n_out;
    for (uint32_t i = 0; most && i < n_spans; i++) {
        const skald_span *span = sk_span_at(spans, i);
        const uint32_t length = sk_cache_find(cache, span->seq)->length;
        if (length > most || span->n_tokens > most - length)
            return sk_fail(why, SKALD_ARGUMENT, "span %u: %u tokens at position %u, the model has learned %u positions",
                           i, span->n_tokens, length, most);
    }
    return SKALD_OK;
}

skald_status sk_run_begin(sk_run *run, skald_kv_cache *cache, const skald_span *spans, uint32_t n_spans,
                          skald_report *why) {
    skald_status status = sk_batch_open(&run->batch, cache, spans, n_spans, run->model->config.n_vocab, why);
    if (status == SKALD_OK) status = check_positions(run, cache, spans, n_spans, why);
    if (status != SKALD_OK) return status;
    run->cache = cache;
    run->stage = SK_RUN_BETWEEN;
    status = take_pages(run, why);
    if (status == SKALD_OK) run->n_logits = 0; /* a step that did not begin leaves the rows of the one before */
    else sk_run_drop(run);
    return status;
}

static void set_poll(sk_run *run, const skald_step_options *o) {
    const skald_host *host = &run->model->runtime->host;
    const uint64_t now = host->nanoseconds(host->self);
    run->poll = (sk_poll){.host = host,
                          .thread = sk_os_thread(),
                          .progress = o->progress,
                          .progress_user = o->progress_user,
                          .next_progress = now};
    if (o->microseconds) run->poll.deadline = now + (uint64_t)o->microseconds * 1000;
}

/* What sequences share and the pass will write. In a large model that is some megabytes for each, so the host is asked
 * behind each layer. */
static skald_status copy_shared(sk_run *run) {
    for (uint32_t i = 0; i < run->batch.n_spans; i++) {
        sk_sequence *s = sequence_of(run, i);
        for (skald_status status; (status = sk_cache_copy_next(run->cache, s)) != SKALD_END;) {
            if (status != SKALD_OK) return status;
            const skald_poll answer = ask(&run->poll);
            if (answer != SKALD_POLL_GO) return answer == SKALD_POLL_PAUSE ? SKALD_PENDING : SKALD_CANCELLED;
        }
    }
    return SKALD_OK;
}

/* One pass from wherever it stands. */
static skald_status go_pass(sk_run *run) {
    const skald_backend *backend = run->model->backend;
    if (run->stage == SK_RUN_COPIES) {
        run->batch.pass.poll = ask;
        run->batch.pass.poll_self = &run->poll;
        skald_status status = backend->stream_start(run->stream, run->cache->store, &run->batch.pass);
        if (status != SKALD_OK) return status;
        run->stage = SK_RUN_PASS;
    }
    run->poll.done = (float)((double)run->batch.n_done / (double)run->batch.n_tokens);
    skald_status status = backend->stream_run(run->stream);
    if (run->poll.cancelled) return SKALD_CANCELLED; /* asked for at the last job of a pass */
    if (status != SKALD_PENDING && status != SKALD_OK) return status;
    if (status == SKALD_OK) {
        run->stage = SK_RUN_BETWEEN;
        const skald_pass *p = &run->batch.pass;
        if (run->host_logits && p->n_wanted)
            status = backend->stream_read(run->host_logits + (size_t)p->first_wanted * run->model->config.n_vocab,
                                          run->stream, &run->rows.logits, p->first_wanted, p->n_wanted);
    }
    return status;
}

static void commit(sk_run *run) {
    const sk_batch *b = &run->batch;
    for (uint32_t i = 0; i < b->n_spans; i++) sk_cache_commit(run->cache, sequence_of(run, i));
    run->n_logits = b->pass.first_wanted;
    atomic_store(&run->cache->paused, 0);
    run->cache = NULL;
}

skald_status sk_run_go(sk_run *run, const skald_step_options *options, skald_report *why) {
    set_poll(run, options);
    for (;;) {
        skald_status status = run->stage == SK_RUN_BETWEEN ? sk_batch_next(&run->batch, run->cache) : SKALD_OK;
        if (status == SKALD_END) break;
        if (status == SKALD_OK && run->stage == SK_RUN_BETWEEN) run->stage = SK_RUN_COPIES;
        if (status == SKALD_OK && run->stage == SK_RUN_COPIES) status = copy_shared(run);
        if (status == SKALD_OK) status = go_pass(run);
        if (status == SKALD_PENDING) {
            atomic_store(&run->cache->paused, 1);
            return status;
        }
        if (status != SKALD_OK) {
            sk_run_drop(run);
            return sk_fail(why, status, status == SKALD_CANCELLED ? "the step was cancelled" : "the device failed");
        }
    }
    commit(run);
    return SKALD_OK;
}

const float *sk_run_logits(const sk_run *run, uint32_t index) {
    if (index >= run->n_logits) return NULL;
    if (run->host_logits) return run->host_logits + (size_t)index * run->model->config.n_vocab;
    const skald_rows *rows = &run->rows.logits;
    const char *base = run->model->backend->buffer_address(rows->buffer);
    return (const float *)(const void *)(base + rows->offset + index * rows->stride);
}

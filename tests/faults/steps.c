/* A step that fails has never been: after a cancel at any point, FULL, or a device that fails, the cache counts as before
 * and the next logits have the bits of a cache that never saw the call. What lies behind the committed lengths is
 * poisoned with NaN before the next step, so that nobody can have left something useful there, or read it. */
#define _POSIX_C_SOURCE 200809L
#include "support/check.h"
#include "support/world.h"
#include "cache/cache.h"
#include "model/model.h"
#include <stdbool.h>
#include <time.h>

#define N_PAGES  12u
#define N_SPANS  3u
#define N_LOGITS 32u /* of a context, by default */

/* a: 200 tokens; b: forked from a at 190, then 30 of its own; c: empty. Pages 0 and 1 shared, b's tail its own. */
typedef struct scene {
    world w;
    skald_seq seq[N_SPANS];
    int32_t ids[N_SPANS][512];
    skald_span span[N_SPANS];
    uint64_t before; /* hash of the counts */
} scene;

/* ---- poison */

static uint8_t nan_bytes[1 << 20]; /* a NaN in every float format */

static void poison_part(skald_kv_cache *cache, uint32_t layer, uint32_t part, uint32_t page, uint32_t first,
                        uint32_t n) {
    const skald_store_part where = {sizeof where, layer, part, page, first, n};
    CHECK_EQUAL(cache->backend->part_write(cache->store, &where, nan_bytes), SKALD_OK);
}

static void poison_page(skald_kv_cache *cache, uint32_t group, uint32_t page, uint32_t first) {
    for (uint32_t i = 0; i < cache->n_layers; i++) {
        const skald_store_layer *layer = &cache->layers[i];
        if (layer->state_bytes || layer->group != group || first == SKALD_PAGE_TOKENS) continue;
        CHECK(sizeof(float) * SKALD_PAGE_TOKENS * layer->n_kv_heads * layer->head_dim_k <= sizeof nan_bytes);
        poison_part(cache, i, SKALD_PART_K, page, first, SKALD_PAGE_TOKENS - first);
        if (layer->head_dim_v) poison_part(cache, i, SKALD_PART_V, page, first, SKALD_PAGE_TOKENS - first);
    }
}

static void poison_slot(skald_kv_cache *cache, uint32_t slot) {
    for (uint32_t i = 0; i < cache->n_layers; i++) {
        const skald_store_layer *layer = &cache->layers[i];
        if (!layer->state_bytes) continue;
        CHECK(layer->state_bytes <= sizeof nan_bytes && SKALD_STATE_GRID * layer->row_bytes <= sizeof nan_bytes);
        poison_part(cache, i, SKALD_PART_STATE, slot, 0, 0);
        poison_part(cache, i, SKALD_PART_ROWS, slot, 0, SKALD_STATE_GRID);
    }
}

/* Free pages, and each page behind the longest that anybody holds of it. */
static void poison_group(skald_kv_cache *cache, uint32_t group) {
    uint32_t used[512] = {0};
    const sk_group *g = &cache->groups[group];
    CHECK(g->pages.n <= 512);
    for (uint32_t i = 0; i < cache->n_sequences; i++) {
        const sk_sequence *s = &cache->sequences[i];
        const uint32_t *list = g->lists + sk_cache_list(cache, s);
        for (uint32_t p = g->holdings[i].begin; s->living && p * SKALD_PAGE_TOKENS < s->length; p++) {
            uint32_t n = s->length - p * SKALD_PAGE_TOKENS;
            if (n > SKALD_PAGE_TOKENS) n = SKALD_PAGE_TOKENS;
            if (list[p] != SK_NONE && n > used[list[p]]) used[list[p]] = n;
        }
    }
    for (uint32_t page = 0; page < g->pages.n; page++) poison_page(cache, group, page, used[page]);
}

/* Everything that no sequence has committed. */
static void poison(skald_kv_cache *cache) {
    memset(nan_bytes, 0xff, sizeof nan_bytes);
    for (uint32_t group = 0; group < cache->n_groups; group++) poison_group(cache, group);
    for (uint32_t slot = 0; slot < cache->slots.n; slot++)
        if (cache->slots.owners[slot] == 0) poison_slot(cache, slot);
}

/* ---- the scene */

static uint64_t counts(scene *s) {
    skald_kv_cache_stats stats = {.size = sizeof stats};
    CHECK_EQUAL(skald_kv_cache_get_stats(&stats, s->w.cache), SKALD_OK);
    uint64_t all =
        stats.n_pages_free + 100u * stats.n_pages_shared + 10000u * stats.n_sequences + 1000000u * stats.n_tokens;
    for (uint32_t i = 0; i < N_SPANS; i++) {
        uint32_t length = 0;
        CHECK_EQUAL(skald_kv_cache_length(&length, s->w.cache, s->seq[i]), SKALD_OK);
        all = all * 31 + length;
    }
    return all;
}

static void set_span(scene *s, uint32_t i, uint32_t first, uint32_t n) {
    s->span[i] = (skald_span){.size = sizeof s->span[i],
                              .seq = s->seq[i],
                              .tokens = world_text(s->ids[i], &s->w, first, n),
                              .n_tokens = n};
}

/* Over one page for each, so that the step takes pages, copies a tail and needs many passes. */
static void set_long_spans(scene *s) {
    set_span(s, 0, 1000, 70);
    set_span(s, 1, 2000, 140);
    set_span(s, 2, 3000, 300);
}

/* The scene that tells what is right has no poison: whoever reads what is not his reads something else there. */
static void make_scene(scene *s, skald_model *model, bool poisoned) {
    const world_options o = {.n_rows = 64, .n_sequences = N_SPANS, .n_tokens = N_PAGES * SKALD_PAGE_TOKENS};
    world from = {.model = model, .info = {.size = sizeof from.info}};
    CHECK_EQUAL(skald_model_get_info(&from.info, model), SKALD_OK);
    CHECK_EQUAL(world_share(&s->w, &from, &o), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_open(&s->seq[0], s->w.cache), SKALD_OK);
    if (poisoned) poison(s->w.cache);
    CHECK_EQUAL(world_read(&s->w, s->seq[0], 0, 200), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_fork(&s->seq[1], s->w.cache, s->seq[0], 190), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_open(&s->seq[2], s->w.cache), SKALD_OK);
    set_long_spans(s);
    s->before = counts(s);
}

static void open_scene(scene *s, skald_model *model) { make_scene(s, model, true); }

static uint64_t three_rows(const scene *s) {
    return world_hash(&s->w, 0) ^ world_hash(&s->w, 1) * 3 ^ world_hash(&s->w, 2) * 5;
}

/* One more step of another kind; then all is put back as it was. */
static uint64_t next_bits(scene *s) {
    skald_span kept[N_SPANS];
    memcpy(kept, s->span, sizeof kept);
    set_span(s, 0, 500, 3);
    set_span(s, 1, 600, 1);
    set_span(s, 2, 700, 10);
    CHECK_EQUAL(skald_step(s->w.context, s->w.cache, NULL, NULL, s->span, N_SPANS), SKALD_OK);
    const uint64_t bits = three_rows(s);
    CHECK_EQUAL(skald_kv_cache_rewind(s->w.cache, s->seq[0], 200), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_release(s->w.cache, s->seq[1]), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_fork(&s->seq[1], s->w.cache, s->seq[0], 190), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_rewind(s->w.cache, s->seq[2], 0), SKALD_OK);
    memcpy(s->span, kept, sizeof kept);
    set_long_spans(s);
    return bits;
}

static uint64_t next_wanted, long_wanted;

/* What holds after every failure. */
static void check_untouched(scene *s, const char *how, uint32_t at) {
    CHECK_SAID(counts(s) == s->before, "%s at %u: the cache counts otherwise", how, at);
    poison(s->w.cache);
    CHECK_SAID(next_bits(s) == next_wanted, "%s at %u: the next step has other bits", how, at);
    CHECK_SAID(counts(s) == s->before, "%s at %u: counts after the next step", how, at);
}

static void check_repeated(scene *s, const char *how) {
    poison(s->w.cache);
    CHECK_SAID(skald_step(s->w.context, s->w.cache, NULL, NULL, s->span, N_SPANS) == SKALD_OK, "%s: repeated", how);
    CHECK_SAID(three_rows(s) == long_wanted, "%s: the repeated step has other bits", how);
}

static void close_scene(scene *s) { world_close(&s->w); }

/* ---- pauses, and cancels at each of them */

static skald_status pause_times(scene *s, uint32_t n, uint32_t *n_pauses) {
    skald_step_options o;
    skald_step_options_init(&o, sizeof o);
    o.microseconds = 1;
    skald_status status = skald_step(s->w.context, s->w.cache, &o, NULL, s->span, N_SPANS);
    for (*n_pauses = 0; status == SKALD_PENDING && ++*n_pauses < n;)
        status = skald_step_continue(s->w.context, &o, NULL);
    return status;
}

static void check_cancel_at_pauses(skald_model *model) {
    scene s;
    uint32_t at = 1, n;
    open_scene(&s, model);
    for (;; at += 1 + at / 16) {
        skald_status status = pause_times(&s, at, &n);
        if (status == SKALD_OK) break;
        CHECK_EQUAL(status, SKALD_PENDING);
        uint32_t length;
        CHECK_EQUAL(skald_kv_cache_length(&length, s.w.cache, s.seq[0]), SKALD_BUSY);
        CHECK_EQUAL(skald_kv_cache_free(s.w.cache), SKALD_BUSY);
        CHECK_EQUAL(skald_step(s.w.context, s.w.cache, NULL, NULL, s.span, N_SPANS), SKALD_BUSY);
        CHECK(skald_logits(s.w.context, 0) == NULL);
        CHECK_EQUAL(skald_step_cancel(s.w.context), SKALD_OK);
        check_untouched(&s, "cancelled pause", at);
    }
    CHECK_SAID(three_rows(&s) == long_wanted, "paused %u times: other bits", n);
    CHECK_SAID(n > 20, "only %u pauses", n);
    printf("%u pauses\n", n);
    close_scene(&s);
}

/* ---- the progress call says stop */

typedef struct stopper {
    uint32_t n_calls, stop_at;
} stopper;

/* Longer than the pace of the calls, so that the next place to ask at asks. */
static int32_t stop(void *user, float done) {
    stopper *p = user;
    const struct timespec pace = {0, 1100000};
    CHECK(done >= 0.0f && done <= 1.0f);
    nanosleep(&pace, NULL);
    return ++p->n_calls == p->stop_at;
}

static void check_cancel_by_progress(skald_model *model) {
    scene s;
    uint32_t n_stopped = 0;
    open_scene(&s, model);
    for (uint32_t at = 1;; at += 1 + at / 4) {
        stopper p = {.stop_at = at};
        skald_step_options o;
        skald_step_options_init(&o, sizeof o);
        o.progress = stop, o.progress_user = &p;
        skald_status status = skald_step(s.w.context, s.w.cache, &o, NULL, s.span, N_SPANS);
        CHECK_SAID(status == (p.n_calls >= at ? SKALD_CANCELLED : SKALD_OK), "stopped at call %u of %u: status %d", at,
                   p.n_calls, status);
        if (status == SKALD_OK) break;
        n_stopped++;
        check_untouched(&s, "stopped by progress", at);
    }
    CHECK_SAID(n_stopped > 5, "only %u stops", n_stopped);
    close_scene(&s);
}

/* Passes of one row: the last place to ask at of each pass is stopped at too. */
static void check_cancel_between_passes(skald_model *model) {
    scene s;
    skald_context_options one_row;
    open_scene(&s, model);
    skald_context_free(s.w.context);
    skald_context_options_init(&one_row, sizeof one_row);
    one_row.n_rows = one_row.n_threads = 1;
    CHECK_EQUAL(skald_context_create(&s.w.context, model, &one_row, NULL), SKALD_OK);
    for (uint32_t at = 1;; at++) {
        stopper p = {.stop_at = at};
        skald_step_options o;
        skald_step_options_init(&o, sizeof o);
        o.progress = stop, o.progress_user = &p;
        skald_status status;
        set_span(&s, 1, 2000, 2);
        status = skald_step(s.w.context, s.w.cache, &o, NULL, &s.span[1], 1);
        CHECK_SAID(status == (p.n_calls >= at ? SKALD_CANCELLED : SKALD_OK), "stopped at call %u of %u: status %d", at,
                   p.n_calls, status);
        if (status == SKALD_OK) break;
        CHECK_EQUAL(counts(&s), s.before);
    }
    close_scene(&s);
}

/* ---- no room */

static void check_full(skald_model *model) {
    scene s;
    open_scene(&s, model);
    for (uint32_t n = 1; n < N_SPANS; n++) { /* the last span is the one too many, or all together are */
        set_span(&s, 0, 100, 400);
        set_span(&s, 1, 100, 490);
        set_span(&s, 2, 100, n == 1 ? 512 : 511);
        skald_report why = {.size = sizeof why};
        CHECK_EQUAL(skald_step(s.w.context, s.w.cache, NULL, &why, s.span, N_SPANS), SKALD_FULL);
        CHECK(why.status == SKALD_FULL && why.text[0]);
        set_long_spans(&s);
        check_untouched(&s, "FULL", n);
    }
    uint32_t more;
    CHECK_EQUAL(skald_kv_cache_open(&more, s.w.cache), SKALD_FULL);
    CHECK_EQUAL(skald_kv_cache_reserve(s.w.cache, s.seq[2], N_PAGES * SKALD_PAGE_TOKENS), SKALD_FULL);
    check_untouched(&s, "reserve FULL", 0);
    check_repeated(&s, "FULL");
    const uint64_t kept = three_rows(&s);
    set_span(&s, 2, 0, 512);
    s.span[0].n_tokens = 512, s.span[0].tokens = s.span[2].tokens;
    CHECK_EQUAL(skald_step(s.w.context, s.w.cache, NULL, NULL, s.span, N_SPANS), SKALD_FULL);
    CHECK_SAID(three_rows(&s) == kept, "a step that was FULL took the logits of the one before");
    close_scene(&s);
}

/* ---- spans that break the contract */

static void check_arguments(skald_model *model) {
    scene s;
    open_scene(&s, model);
    static float rows[300 * 512];
    CHECK(s.w.info.n_embd <= 512);
    for (uint32_t kind = 0; kind < 11; kind++) {
        set_long_spans(&s);
        if (kind == 0) s.ids[1][139] = (int32_t)s.w.info.n_vocab;
        if (kind == 1) s.ids[2][299] = -1;
        if (kind == 2) s.span[2].seq = s.seq[0];
        if (kind == 3) s.span[1].seq = 77;
        if (kind == 4) s.span[2].logits = SKALD_LOGITS_ALL;
        if (kind == 5) s.span[1].n_tokens = 0;
        if (kind == 6) s.ids[2][299] = INT32_MIN;
        if (kind == 7) s.span[2].logits = SKALD_LOGITS_ALL, s.span[2].n_tokens = N_LOGITS - (N_SPANS - 1) + 1;
        if (kind == 8) s.span[1].embeddings = rows;
        if (kind == 9) s.span[1].tokens = NULL;
        if (kind == 10) s.span[1].logits = SKALD_LOGITS_ALL + 1;
        CHECK_SAID(skald_step(s.w.context, s.w.cache, NULL, NULL, s.span, N_SPANS) == SKALD_ARGUMENT, "kind %u", kind);
        set_long_spans(&s);
        check_untouched(&s, "ARGUMENT", kind);
    }
    check_repeated(&s, "ARGUMENT");
    close_scene(&s);
}

/* ---- a device that fails: the CPU with one call replaced */

static uint32_t n_until_failure;
static const skald_backend *whole;

static skald_status failing_run(skald_stream *stream) {
    skald_status status = whole->stream_run(stream);
    return n_until_failure-- ? status : SKALD_DEVICE;
}

static skald_status failing_start(skald_stream *stream, skald_store *store, const skald_pass *pass) {
    return n_until_failure-- ? whole->stream_start(stream, store, pass) : SKALD_DEVICE;
}

static skald_status failing_copy(skald_store *store, uint32_t to, uint32_t from, uint32_t layer, uint32_t n) {
    return n_until_failure-- ? whole->layer_copy(store, to, from, layer, n) : SKALD_DEVICE;
}

static void check_device(skald_model *model, uint32_t which, const char *how) {
    scene s;
    whole = model->backend;
    open_scene(&s, model);
    skald_backend broken = *whole;
    if (which == 0) broken.stream_run = failing_run;
    if (which == 1) broken.stream_start = failing_start;
    if (which >= 2) broken.layer_copy = failing_copy;
    for (uint32_t at = 0;; at++) {
        n_until_failure = at;
        if (which == 3) set_span(&s, 1, 2000, 3); /* a slot is copied where few rows follow what two share */
        model->backend = s.w.cache->backend = &broken;
        skald_status status = skald_step(s.w.context, s.w.cache, NULL, NULL, s.span, N_SPANS);
        model->backend = s.w.cache->backend = whole;
        if (status == SKALD_OK) {
            CHECK_SAID(at > 0, "%s: never called", how);
            CHECK_SAID(which == 3 || three_rows(&s) == long_wanted, "%s: other bits", how);
            break;
        }
        CHECK_EQUAL(status, SKALD_DEVICE);
        check_untouched(&s, how, at);
    }
    close_scene(&s);
}

/* A model whose cache has pages, pages of windows, or slots with states; the first in all places where a step can stop. */
static void check_model(const char *name, bool is_thorough, bool has_slots) {
    char path[512];
    scene s;
    world w = {.info = {.size = sizeof w.info}};
    skald_runtime_options runtime;
    skald_runtime_options_init(&runtime, sizeof runtime);
    runtime.n_threads = 2;
    snprintf(path, sizeof path, "%s/tiny/%s/model-f32.gguf", SK_TEST_DATA, name);
    CHECK_EQUAL(skald_runtime_create(&w.runtime, &runtime, NULL), SKALD_OK);
    CHECK_EQUAL(skald_model_open_path(&w.model, w.runtime, path, NULL, NULL), SKALD_OK);
    make_scene(&s, w.model, false);
    CHECK_EQUAL(s.w.cache->slots.n > 0, has_slots);
    next_wanted = next_bits(&s);
    CHECK_EQUAL(counts(&s), s.before);
    CHECK_EQUAL(skald_step(s.w.context, s.w.cache, NULL, NULL, s.span, N_SPANS), SKALD_OK);
    long_wanted = three_rows(&s);
    CHECK(next_wanted && long_wanted && next_wanted != long_wanted);
    close_scene(&s);
    if (is_thorough) {
        check_cancel_at_pauses(w.model);
        check_cancel_between_passes(w.model);
        check_arguments(w.model);
    }
    check_cancel_by_progress(w.model);
    check_full(w.model);
    check_device(w.model, 0, "stream_run");
    check_device(w.model, 1, "stream_start");
    check_device(w.model, 2, "layer_copy");
    if (has_slots) check_device(w.model, 3, "layer_copy of states");
    world_close(&w);
}

int main(void) {
    check_model("llama_gqa_tied", true, false);
    check_model("gemma3", false, false);
    check_model("qwen3next", false, true);
    return sk_checked();
}

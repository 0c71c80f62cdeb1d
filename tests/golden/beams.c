/* Beam search against transformers' generate(num_beams): the same ids, the same scores (data/beams.txt, make_beams.py). */
#define SK_ALLOW_LIBC_MEMORY
#define _POSIX_C_SOURCE 200809L
#include "support/check.h"
#include <math.h>
#include <skald/skald.h>
#include <stdlib.h>

enum { MOST_IDS = 64 };

typedef struct search {
    char model[32];
    skald_beam_options o;
    int32_t prompt[MOST_IDS];
    uint32_t n_prompt;
} search;

static uint32_t read_ids(int32_t *ids, const char *text) {
    uint32_t n = 0;
    for (char *end; n < MOST_IDS; text = end) {
        ids[n] = (int32_t)strtol(text, &end, 10);
        if (end == text) return n;
        n++;
    }
    return n;
}

static int read_search(search *s, const char *part) {
    int read = 0;
    skald_beam_options_init(&s->o, sizeof s->o);
    s->o.k_type = s->o.v_type = SKALD_F32;
    if (sscanf(part, "%31s %u %f %u %u%n", s->model, &s->o.n_beams, &s->o.length_penalty, &s->o.stop, &s->o.n_tokens,
               &read) != 5)
        return 0;
    s->n_prompt = read_ids(s->prompt, part + read);
    return 1;
}

static skald_model *open_model(skald_runtime *runtime, const char *name) {
    char path[512];
    skald_model *model = NULL;
    snprintf(path, sizeof path, SK_TEST_DATA "/tiny/%s/model-f32.gguf", name);
    CHECK_EQUAL(skald_model_open_path(&model, runtime, path, NULL, NULL), SKALD_OK);
    return model;
}

static void compare(const skald_beams *found, const search *s, char *rest, int line) {
    skald_beam beam = {.size = sizeof beam};
    for (uint32_t i = 0; i < s->o.n_beams; i++) {
        char *part = strtok_r(NULL, "|", &rest), *ids_of;
        int32_t ids[MOST_IDS];
        if (!CHECK(part != NULL) || !CHECK_EQUAL(skald_beams_get(&beam, found, i), SKALD_OK)) return;
        const double score = strtod(part, &ids_of);
        const uint32_t ended = (uint32_t)strtoul(ids_of, &ids_of, 10), n = read_ids(ids, ids_of);
        CHECK_SAID(beam.n_ids == n && memcmp(beam.ids, ids, n * sizeof *ids) == 0 && beam.ended == ended,
                   "line %d: %s, %u beams, text %u has other ids", line, s->model, s->o.n_beams, i);
        if (s->o.n_beams > 1) /* transformers gives the greedy answer none */
            CHECK_SAID(fabs((double)beam.score - score) < 1e-4, "line %d: score %g, expected %g", line,
                       (double)beam.score, score);
    }
    CHECK_EQUAL(skald_beams_get(&beam, found, s->o.n_beams), SKALD_END);
}

/* One beam is what a step and the arg-max of its logits give. */
static void is_greedy(skald_model *model, const search *s, const skald_beams *found) {
    skald_kv_cache_options co;
    skald_kv_cache *cache;
    skald_context *context;
    skald_seq seq;
    skald_beam beam = {.size = sizeof beam};
    skald_kv_cache_options_init(&co, sizeof co);
    co.k_type = co.v_type = SKALD_F32;
    CHECK_EQUAL(skald_kv_cache_create(&cache, model, &co, NULL), SKALD_OK);
    CHECK_EQUAL(skald_context_create(&context, model, NULL, NULL), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_open(&seq, cache), SKALD_OK);
    CHECK_EQUAL(skald_beams_get(&beam, found, 0), SKALD_OK);
    skald_span span = {.size = sizeof span, .seq = seq, .tokens = s->prompt, .n_tokens = s->n_prompt};
    for (uint32_t i = 0; i < beam.n_ids + beam.ended; i++) {
        CHECK_EQUAL(skald_step(context, cache, NULL, NULL, &span, 1), SKALD_OK);
        const int32_t id = skald_logits_argmax(context, 0);
        if (i == beam.n_ids) CHECK(skald_model_is_end(model, id));
        else CHECK_EQUAL(beam.ids[i], id);
        span.tokens = &beam.ids[i], span.n_tokens = 1;
    }
    skald_context_free(context);
    skald_kv_cache_free(cache);
}

static void says_no(skald_model *model) {
    skald_beams *found;
    skald_beam_options o;
    const int32_t prompt = 5;
    skald_beam_options_init(&o, sizeof o);
    CHECK_EQUAL(skald_beams_search(&found, model, &o, &prompt, 1, NULL), SKALD_ARGUMENT); /* no tokens */
    o.n_tokens = 5;
    CHECK_EQUAL(skald_beams_search(&found, model, &o, &prompt, 0, NULL), SKALD_ARGUMENT);
    o.n_beams = 65;
    CHECK_EQUAL(skald_beams_search(&found, model, &o, &prompt, 1, NULL), SKALD_ARGUMENT);
    o.n_beams = 4, o.stop = 3;
    CHECK_EQUAL(skald_beams_search(&found, model, &o, &prompt, 1, NULL), SKALD_ARGUMENT);
    const int32_t bad = -1;
    o.stop = 0;
    CHECK_EQUAL(skald_beams_search(&found, model, &o, &bad, 1, NULL), SKALD_ARGUMENT);
    CHECK(found == NULL);
}

/* The score of a text, read at once in a cache of its own. */
static double score_of(skald_model *model, const int32_t *prompt, uint32_t n_prompt, const skald_beam *beam) {
    int32_t ids[200];
    double score = 0;
    skald_kv_cache *cache;
    skald_context *context;
    skald_context_options co;
    skald_model_info info = {.size = sizeof info};
    skald_seq seq;
    skald_context_options_init(&co, sizeof co);
    co.n_logits = 200;
    CHECK_EQUAL(skald_model_get_info(&info, model), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_create(&cache, model, NULL, NULL), SKALD_OK);
    CHECK_EQUAL(skald_context_create(&context, model, &co, NULL), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_open(&seq, cache), SKALD_OK);
    memcpy(ids, prompt, n_prompt * sizeof *ids);
    memcpy(ids + n_prompt, beam->ids, beam->n_ids * sizeof *ids);
    const skald_span span = {
        .size = sizeof span, .seq = seq, .tokens = ids, .n_tokens = n_prompt + beam->n_ids, .logits = SKALD_LOGITS_ALL};
    CHECK_EQUAL(skald_step(context, cache, NULL, NULL, &span, 1), SKALD_OK);
    for (uint32_t i = 0; i < beam->n_ids; i++) {
        const float *x = skald_logits(context, n_prompt + i - 1);
        double sum = 0;
        for (uint32_t k = 0; k < info.n_vocab; k++) sum += exp((double)x[k]);
        score += (double)x[beam->ids[i]] - log(sum);
    }
    skald_context_free(context);
    skald_kv_cache_free(cache);
    return score / beam->n_ids;
}

/* Answers that cross from a page into the next, in forks: each has the score that its text has when it is read alone. */
static void crosses_pages(skald_model *model, uint32_t n_vocab) {
    int32_t prompt[120];
    skald_beam_options o;
    skald_beam beam = {.size = sizeof beam};
    skald_beams *found;
    skald_beam_options_init(&o, sizeof o);
    o.n_beams = 6, o.n_tokens = 30, o.ignore_end = 1;
    for (uint32_t i = 0; i < 120; i++) prompt[i] = (int32_t)((i * 2654435761u >> 8) % n_vocab);
    if (!CHECK_EQUAL(skald_beams_search(&found, model, &o, prompt, 120, NULL), SKALD_OK)) return;
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_EQUAL(skald_beams_get(&beam, found, i), SKALD_OK);
        CHECK(beam.n_ids == 30 && !beam.ended);
        const double score = score_of(model, prompt, 120, &beam);
        CHECK_SAID(fabs(score - (double)beam.score) < 1e-5, "text %u: score %g, alone %g", i, (double)beam.score,
                   score);
    }
    skald_beams_free(found);
}

int main(void) {
    char line[4096];
    FILE *file = fopen(SK_TEST_DATA "/beams.txt", "r");
    skald_runtime *runtime;
    skald_model *model = NULL;
    char name[32] = "";
    if (!CHECK(file != NULL)) return sk_checked();
    CHECK_EQUAL(skald_runtime_create(&runtime, NULL, NULL), SKALD_OK);
    int n = 0;
    for (; fgets(line, sizeof line, file); n++) {
        char *rest, *first = strtok_r(line, "|", &rest);
        search s;
        skald_beams *found;
        if (!CHECK(first && read_search(&s, first))) break;
        if (strcmp(name, s.model) != 0) {
            skald_model_release(model);
            model = open_model(runtime, s.model);
            memcpy(name, s.model, sizeof name);
        }
        if (!CHECK_EQUAL(skald_beams_search(&found, model, &s.o, s.prompt, s.n_prompt, NULL), SKALD_OK)) break;
        compare(found, &s, rest, n + 1);
        if (s.o.n_beams == 1) is_greedy(model, &s, found);
        skald_beams_free(found);
    }
    CHECK_EQUAL(n, 3 * 20 * 4 + 6 * 3);
    skald_model_info info = {.size = sizeof info};
    CHECK_EQUAL(skald_model_get_info(&info, model), SKALD_OK);
    says_no(model);
    crosses_pages(model, info.n_vocab);
    skald_model_release(model);
    skald_runtime_release(runtime);
    fclose(file);
    return sk_checked();
}

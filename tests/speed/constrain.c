/* What a grammar costs for each token: skald_constrain MODEL.gguf, whose vocabulary counts. Three schemas, random logits; the
 * first answer finds nothing kept, the later ones most of what they need. By hand. */
#include <skald/skald.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name, *schema;
} schemas[] = {
    {"call of a tool",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"enum\":[\"get_weather\",\"get_time\",\"search\"]},\"arguments\":{\"type\":"
     "\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":14},\"units\":"
     "{\"enum\":[\"metric\",\"imperial\"]}},\"required\":[\"city\"],\"additionalProperties\":false}},\"required\":[\"name\",\"arguments\"],"
     "\"additionalProperties\":false}"},
    {"nested lists",
     "{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"format\":\"uuid\"},\"name\":{"
     "\"type\":\"string\"},\"parts\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"}}},\"required\":[\"id\",\"name\",\"parts\"],"
     "\"additionalProperties\":false}}}"},
    {"any JSON", "true"},
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct bench {
    skald_matcher *begin, *matcher;
    float *logits, *masked;
    uint32_t n_vocab, random;
    double *micros; /* of each token */
    size_t n;
} bench;

static uint32_t roll(bench *b) { return b->random = b->random * 1664525u + 1013904223u, b->random >> 8; }

/* Logits as of a model that is sure: some thousands are far above the rest. */
static void draw(bench *b) {
    for (uint32_t i = 0; i < b->n_vocab; i++) b->logits[i] = (float)(roll(b) % 1000);
}

static void answer(bench *b, uint32_t n_tokens) {
    skald_status status = SKALD_OK;
    skald_matcher_copy(b->matcher, b->begin);
    for (uint32_t i = 0; i < n_tokens && status == SKALD_OK; i++) {
        uint32_t best = 0;
        draw(b);
        double from = now();
        skald_matcher_mask(b->masked, b->matcher, b->logits, n_tokens - i);
        double spent = now() - from;
        for (uint32_t k = 1; k < b->n_vocab; k++)
            if (b->masked[k] > b->masked[best]) best = k;
        from = now();
        status = skald_matcher_accept(b->matcher, (int32_t)best);
        b->micros[b->n++] = spent + now() - from;
    }
}

static void report(bench *b, const char *when) {
    double sum = 0;
    for (size_t i = 0; i < b->n; i++) sum += b->micros[i];
    qsort(b->micros, b->n, sizeof *b->micros, by_size);
    printf("  %-22s %6zu tokens: mean %8.1f us, median %7.1f, 99 of 100 below %8.1f\n", when, b->n, sum / (double)b->n,
           b->micros[b->n / 2], b->micros[b->n * 99 / 100]);
    b->n = 0;
}

static int measure(skald_model *model, bench *b, const char *name, const char *schema) {
    skald_grammar *g;
    skald_report why = {.size = sizeof why};
    skald_grammar_options o;
    skald_grammar_options_init(&o, sizeof o);
    o.kind = SKALD_GRAMMAR_JSON_SCHEMA;
    double from = now();
    if (skald_grammar_create(&g, model, schema, strlen(schema), &o, &why) != SKALD_OK)
        return fprintf(stderr, "%s\n", why.text), 1;
    printf("%s: compiled in %.1f ms\n", name, (now() - from) * 1e-3);
    skald_matcher_create(&b->begin, g, NULL);
    skald_matcher_create(&b->matcher, g, NULL);
    answer(b, 200);
    report(b, "first answer");
    for (int i = 0; i < 40; i++) answer(b, 200);
    report(b, "the next 40");
    for (int i = 0; i < 40; i++) answer(b, 200);
    report(b, "after these");
    skald_matcher_free(b->begin);
    skald_matcher_free(b->matcher);
    skald_grammar_release(g);
    return 0;
}

int main(int argc, char **argv) {
    skald_runtime *runtime;
    skald_model *model;
    skald_report why = {.size = sizeof why};
    skald_model_options o;
    skald_model_info info = {.size = sizeof info};
    skald_model_options_init(&o, sizeof o);
    o.vocabulary_only = 1;
    if (argc != 2) return fprintf(stderr, "usage: skald_constrain MODEL.gguf\n"), 2;
    if (skald_runtime_create(&runtime, NULL, &why) != SKALD_OK) return 1;
    if (skald_model_open_path(&model, runtime, argv[1], &o, &why) != SKALD_OK)
        return fprintf(stderr, "%s\n", why.text), 1;
    skald_model_get_info(&info, model);
    bench b = {.n_vocab = info.n_vocab, .random = 1};
    b.logits = malloc(info.n_vocab * sizeof *b.logits), b.masked = malloc(info.n_vocab * sizeof *b.masked);
    b.micros = malloc(65536 * sizeof *b.micros);
    printf("vocabulary of %u\n", info.n_vocab);
    int code = 0;
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas && !code; i++)
        code = measure(model, &b, schemas[i].name, schemas[i].schema);
    free(b.logits), free(b.masked), free(b.micros);
    skald_model_release(model);
    skald_runtime_release(runtime);
    return code;
}

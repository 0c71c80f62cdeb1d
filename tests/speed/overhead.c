/* The loop that overhead.py holds the bindings against: 10 000 tokens, each a step, a choice and its text. Prints microseconds a
 * token and the sum of the ids. usage: overhead MODEL.gguf */
#define _POSIX_C_SOURCE 200809L
#include <skald/skald.h>
#include <stdio.h>
#include <time.h>

enum { N_TOKENS = 10000, N_LENGTH = 1000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

int main(int argc, char **argv) {
    const skald_runtime_options one = {.size = sizeof one, .n_threads = 1};
    skald_kv_cache_options room;
    skald_runtime *runtime = NULL;
    skald_model *model = NULL;
    skald_kv_cache *cache = NULL;
    skald_context *context = NULL;
    skald_sampler *sampler = NULL;
    skald_seq seq = 0;
    skald_decoder decoder = {.flags = 0};
    skald_kv_cache_options_init(&room, sizeof room);
    room.n_tokens = N_LENGTH;
    if (argc != 2 || skald_runtime_create(&runtime, &one, NULL) != SKALD_OK ||
        skald_model_open_path(&model, runtime, argv[1], NULL, NULL) != SKALD_OK ||
        skald_kv_cache_create(&cache, model, &room, NULL) != SKALD_OK ||
        skald_context_create(&context, model, NULL, NULL) != SKALD_OK ||
        skald_sampler_create(&sampler, model, NULL, NULL) != SKALD_OK || skald_kv_cache_open(&seq, cache) != SKALD_OK)
        return 1;
    int32_t id = 1;
    long sum = 0;
    const double begin = now();
    for (uint32_t i = 0; i < N_TOKENS; i++) {
        char text[512];
        size_t n = sizeof text;
        if (i % N_LENGTH == 0 && skald_kv_cache_rewind(cache, seq, 0) != SKALD_OK) return 1;
        const skald_span span = {.size = sizeof span, .seq = seq, .tokens = &id, .n_tokens = 1};
        if (skald_step(context, cache, NULL, NULL, &span, 1) != SKALD_OK ||
            skald_sampler_choose(&id, sampler, skald_logits(context, 0), i % N_LENGTH + 1, NULL, 0) != SKALD_OK ||
            skald_decoder_push(text, &n, &decoder, model, id) != SKALD_OK)
            return 1;
        sum += id;
    }
    printf("%.3f %ld\n", (now() - begin) / N_TOKENS, sum);
    return 0;
}

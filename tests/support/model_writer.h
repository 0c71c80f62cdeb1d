/* Models of random weights as GGUF files, the same bytes on every machine: what tests of bits run on. */
#ifndef SK_TESTS_MODEL_WRITER_H
#define SK_TESTS_MODEL_WRITER_H
#include <skald/skald.h>

/* Four layers 512 wide, 768 in a dense feed-forward part, 3 of 8 experts of 256 in another; no tokenizer. Every layer has
 * other formats: integer and float weights meet in one projection. Logits have a standard deviation of about 2. */
#define TEST_MODEL_VOCABULARY 1003
#define TEST_MODEL_WIDTH      512

typedef enum test_model {
    TEST_MODEL_DENSE,     /* llama: 8 query and 2 KV heads of 64 */
    TEST_MODEL_EXPERTS,   /* the same with experts */
    TEST_MODEL_POSITIONS, /* gpt2: LayerNorm, learned positions, biases, GELU without a gate */
    TEST_MODEL_CAPS,      /* gemma2: soft caps, windows of 200 in every other layer, norms behind the parts */
    TEST_MODEL_SINKS,     /* gpt-oss: sinks, windows of 200, biases of experts, YaRN */
    TEST_MODEL_DELTA,     /* qwen35: three layers of the gated delta rule before one of gated attention */
    TEST_MODEL_LATENT,    /* deepseek2: 4 heads of 64 + 32, latents of 128, queries compressed to 256, YaRN */
    TEST_MODEL_END,
} test_model;

skald_status test_model_write(test_model which, skald_status (*write)(void *user, const void *bytes, size_t n_bytes),
                              void *user);

/* The file in memory, from malloc; exits when there is none. */
char *test_model_make(test_model which, size_t *n_bytes);
#endif

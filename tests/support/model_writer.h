/* A llama model of random weights as a GGUF file, the same bytes on every machine: what tests of bits run on. */
#ifndef SK_TESTS_MODEL_WRITER_H
#define SK_TESTS_MODEL_WRITER_H
#include <skald/skald.h>

/* Four layers 512 wide, 8 query and 2 KV heads of 64, 768 in the feed-forward part; no tokenizer. Every layer has
 * other formats: integer and float weights meet in one projection. Logits have a standard deviation of about 2. */
#define TEST_MODEL_VOCABULARY 1003
#define TEST_MODEL_WIDTH      512

skald_status test_model_write(skald_status (*write)(void *user, const void *bytes, size_t n_bytes), void *user);

/* The file in memory, from malloc; exits when there is none. */
char *test_model_make(size_t *n_bytes);
#endif

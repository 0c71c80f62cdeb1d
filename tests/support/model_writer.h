/* Models of random weights as GGUF files, the same bytes on every machine: what tests of bits run on. */
#ifndef SK_TESTS_MODEL_WRITER_H
#define SK_TESTS_MODEL_WRITER_H
#include <skald/skald.h>

/* Four layers 512 wide, 8 query and 2 KV heads of 64, 768 in the feed-forward part; no tokenizer. Every layer has
 * other formats: integer and float weights meet in one projection. Logits have a standard deviation of about 2. */
#define TEST_MODEL_VOCABULARY 1003
#define TEST_MODEL_WIDTH      512

/* EXPERTS: with another feed-forward part, 8 experts of 256, of which a row uses 3. DELTA: three layers of the gated delta
 * rule before one of gated attention. */
typedef enum test_model { TEST_MODEL_DENSE, TEST_MODEL_EXPERTS, TEST_MODEL_DELTA } test_model;

skald_status test_model_write(test_model which, skald_status (*write)(void *user, const void *bytes, size_t n_bytes),
                              void *user);

/* The file in memory, from malloc; exits when there is none. */
char *test_model_make(test_model which, size_t *n_bytes);
#endif

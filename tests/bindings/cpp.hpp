/* What the tests of skald.hpp share. */
#ifndef SK_TESTS_CPP_HPP
#define SK_TESTS_CPP_HPP
#include "skald.hpp"
#include <cstdint>
#include <cstdio>

extern int faults;
#define CHECK(holds)                                                                                                   \
    do {                                                                                                               \
        if (!(holds)) std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds), faults++;                       \
    } while (0)

/* A host's memory that counts. */
struct counted_memory {
    int blocks = 0;
    uint64_t bytes = 0, peak = 0;
    void *alloc(size_t n, size_t alignment, skald_memory_kind kind);
    void free(void *pointer, size_t n, size_t alignment);
};

/* Ids as text, whole characters. */
std::string spoken(const skald::model &model, const skald::ids &ids);
std::string read_file(const char *path);
/* The ids of a prompt, and of the greedy answer by a loop of one's own under the adapters. */
skald::ids prompt_ids(const skald::model &model, std::string_view text);
skald::ids greedy(const skald::model &model, const skald::ids &prompt, uint32_t n,
                  skald::view<skald_span_adapter> adapters = {});

void test_model(const skald::runtime &runtime, const skald::model &model, const char *path);
void test_host(const char *path);
void test_loop(skald::model model);
void test_saved(const skald::model &model);
void test_paused(const skald::model &model);
void test_grammars(const skald::model &model);
void test_first_grammar(const skald::model &model);
void test_beams(const skald::model &model);
void test_adapters(const skald::model &model);
void test_chat(const skald::runtime &runtime, const skald::model &model, const char *path);
void test_engine(const skald::model &model);
#endif

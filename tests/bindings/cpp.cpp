/* skald.hpp at work on a small model; built with exceptions and without. usage: cpp MODEL.gguf */
#include "cpp.hpp"
#include <cstdlib>

int faults;

void *counted_memory::alloc(size_t n, size_t alignment, skald_memory_kind) {
    blocks++;
    bytes += n;
    peak = bytes > peak ? bytes : peak;
    return std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment);
}

void counted_memory::free(void *pointer, size_t n, size_t) {
    blocks--;
    bytes -= n;
    std::free(pointer);
}

std::string read_file(const char *path) {
    std::string text;
    if (FILE *file = std::fopen(path, "rb")) {
        for (int c; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
        std::fclose(file);
    }
    return text;
}

std::string spoken(const skald::model &model, const skald::ids &ids) {
    skald::decoder decoder(model);
    std::string text;
    for (int32_t id : ids) text += decoder.push(id);
    return text += decoder.push(-1);
}

skald::ids prompt_ids(const skald::model &model, std::string_view text) {
    return *model.encode(text, SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS);
}

skald::ids greedy(const skald::model &model, const skald::ids &prompt, uint32_t n,
                  skald::view<skald_span_adapter> adapters) {
    auto options = skald::context_options();
    options.max_rank = 2;
    skald::cache cache = *skald::cache::create(model);
    skald::context context = *skald::context::create(model, options);
    skald::sequence seq = *cache.open();
    skald::ids answer;
    CHECK(context.feed(cache, seq, prompt, SKALD_LOGITS_LAST, adapters));
    while (!model.is_end(context.argmax())) {
        answer.push_back(context.argmax());
        if (answer.size() == n) break;
        CHECK(context.feed(cache, seq, {&answer.back(), 1}, SKALD_LOGITS_LAST, adapters));
    }
    return answer;
}

static void test_errors(const skald::runtime &runtime) {
    auto nothing = skald::model::open(runtime, "/nowhere/model.gguf");
    CHECK(!nothing && nothing.status() == SKALD_READ && *nothing.why());
#if defined(__cpp_exceptions)
    bool thrown = false;
    try {
        skald::model::open(runtime, "/nowhere/model.gguf").value();
    } catch (const skald::error &e) {
        thrown = e.status == SKALD_READ && std::string(nothing.why()) == e.what();
    }
    CHECK(thrown);
#endif
}

/* A copy is one more owner, and the last one frees. */
static void test_owners(skald::model model, const counted_memory &memory) {
    const int before = memory.blocks;
    { const skald::model copy = model; }
    CHECK(memory.blocks == before);
    { const skald::model last = std::move(model); }
    CHECK(memory.blocks < before);
}

static int run(const char *path, counted_memory &memory) {
    const skald_allocator lent = skald::allocator(memory);
    auto options = skald::runtime_options();
    options.allocator = &lent;
    auto runtime = skald::runtime::create(options);
    CHECK(runtime);
    auto model = skald::model::open(*runtime, path);
    CHECK(model);
    if (!model) return 1;
    test_owners(*skald::model::open(*runtime, path), memory);
    test_first_grammar(*skald::model::open(*runtime, path));
    test_errors(*runtime);
    test_model(*runtime, *model, path);
    test_host(path);
    test_loop(*model);
    test_saved(*model);
    test_paused(*model);
    test_grammars(*model);
    test_beams(*model);
    test_adapters(*model);
    test_chat(*runtime, *model, path);
    test_engine(*model);
    return 0;
}

int main(int argc, char **argv) {
    counted_memory memory;
    if (argc != 2 || run(argv[1], memory)) return 2;
    CHECK(memory.blocks == 0);
    std::printf("%d faults\n", faults);
    return faults != 0;
}

/* skald.hpp at work on a small model; built with exceptions and without. usage: cpp MODEL.gguf */
#include "skald.hpp"
#include <algorithm>
#include <cstdio>
#include <cstdlib>

static int faults;
#define CHECK(holds)                                                                                                   \
    do {                                                                                                               \
        if (!(holds)) std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds), faults++;                       \
    } while (0)

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

static std::string answer(const skald::model &model, uint32_t n) {
    std::string text;
    auto options = skald::generate_options();
    options.n_tokens = n;
    CHECK(model.generate(
        "the sea", [&](std::string_view piece) { return text += piece, true; }, options));
    return text;
}

static void test_text(const skald::model &model) {
    const std::string text = "the sea, d\xc3\xa9j\xc3\xa0 vu";
    auto ids = model.encode(text);
    CHECK(ids && *model.decode(*ids) == text);
    skald::decoder decoder(model);
    std::string pieces;
    for (int32_t id : *ids) pieces += decoder.push(id);
    pieces += decoder.push(-1);
    CHECK(pieces == text);
    auto layout = skald::layout::create(model, "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}");
    CHECK(layout);
    const std::vector<skald_message> messages = {{"user", "hi"}};
    CHECK(*layout->render(skald::layout::input(messages)) == "<user>hi");
    CHECK(*layout->encode(skald::layout::input(messages)) == *model.encode("<user>hi", SKALD_ENCODE_SPECIAL));
    CHECK(!skald::layout::create(model, "{% for %}"));
}

/* The answer of skald_generate by a loop of one's own; the model's first owner may be gone. */
static void test_loop(skald::model model) {
    auto cache = std::move(*skald::cache::create(model));
    auto context = std::move(*skald::context::create(model));
    auto sampler = std::move(*skald::sampler::create(model));
    auto seq = std::move(*cache.open());
    skald::ids ids = *model.encode("the sea", SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS);
    skald::decoder decoder(model);
    std::string text;
    size_t read = 0;
    for (int i = 0; i < 24; i++) {
        CHECK(context.feed(cache, seq, {ids.data() + read, ids.size() - read}));
        read = ids.size();
        const skald::row row = context.logits();
        const int32_t id = *sampler.choose(row.data, ids.size(), ids);
        CHECK(id == context.argmax() && row[static_cast<size_t>(id)] == *std::max_element(row.begin(), row.end()));
        if (model.is_end(id)) break;
        ids.push_back(id);
        text += decoder.push(id);
    }
    text += decoder.push(-1);
    CHECK(text == answer(model, 24));
    CHECK(!context.logits(1));

    auto again = cache.restore(*seq.save());
    CHECK(!again && again.status() == SKALD_FULL); /* one sequence at a time by default */
    auto options = skald::cache_options();
    options.n_sequences = 2;
    auto wide = std::move(*skald::cache::create(model, options));
    auto restored = std::move(*wide.restore(*seq.save()));
    CHECK(restored.length() == seq.length());
    CHECK(restored.rewind(2));
    auto fork = std::move(*restored.fork(1));
    CHECK(fork.length() == 1 && wide.stats().n_sequences == 2);
    fork = skald::sequence();
    CHECK(wide.stats().n_sequences == 1);
}

static void test_engine(const skald::model &model) {
    auto engine = std::move(*skald::engine::create(model));
    const skald::ids prompt = *model.encode("the sea", SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS);
    auto one = engine.submit(skald::request(prompt, 24));
    auto two = engine.submit(skald::request(prompt, 200));
    CHECK(one && two && engine.cancel(*two));
    skald::decoder decoder(model);
    std::string text;
    skald_event event;
    skald_status status = SKALD_OK;
    while (status == SKALD_OK) {
        status = engine.step().status();
        while (engine.poll(event))
            if (event.request == *one && event.kind == SKALD_EVENT_TOKEN) text += decoder.push(event.id);
    }
    text += decoder.push(-1);
    CHECK(status == SKALD_END && text == answer(model, 24) && engine.stats().n_ended == 2);
}

static int live; /* blocks of the library */

static void *take(void *, size_t bytes, size_t alignment, skald_memory_kind) {
    live++;
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}
static void give(void *, void *pointer, size_t, size_t) {
    live--;
    std::free(pointer);
}

/* A copy is one more owner, and the last one frees. */
static void test_owners(skald::model model) {
    const int before = live;
    { const skald::model copy = model; }
    CHECK(live == before);
    { const skald::model last = std::move(model); }
    CHECK(live < before);
}

static int run(const char *path) {
    const skald_allocator memory = {take, give, nullptr};
    auto options = skald::runtime_options();
    options.allocator = &memory;
    auto runtime = skald::runtime::create(options);
    CHECK(runtime);
    test_owners(std::move(*skald::model::open(*runtime, path)));
    test_errors(*runtime);
    auto model = skald::model::open(*runtime, path);
    CHECK(model);
    if (!model) return 1;
    test_text(*model);
    test_loop(*model);
    test_engine(*model);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2 || run(argv[1])) return 2;
    CHECK(live == 0);
    std::printf("%d faults\n", faults);
    return faults != 0;
}

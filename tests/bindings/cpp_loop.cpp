/* A loop of one's own: steps, sequences that are forked, saved and restored, steps that pause. */
#include "cpp.hpp"
#include <algorithm>
#include <cmath>
#include <cstring>

static bool same(skald::row a, skald::row b) {
    return a && b && a.size == b.size && std::memcmp(a.data, b.data, a.size * sizeof(float)) == 0;
}

/* The greedy answer with a sampler; the model's first owner may be gone. */
void test_loop(skald::model model) {
    skald::cache cache = *skald::cache::create(model);
    skald::context context = *skald::context::create(model);
    skald::sampler sampler = *skald::sampler::create(model);
    skald::sequence seq = *cache.open();
    skald::ids ids = prompt_ids(model, "the sea");
    const skald::ids want = greedy(model, ids, 24);
    const size_t n_prompt = ids.size();
    size_t read = 0;
    for (size_t i = 0; i < want.size(); i++) {
        CHECK(context.feed(cache, seq, {ids.data() + read, ids.size() - read}));
        read = ids.size();
        const skald::row row = context.logits();
        const int32_t id = *sampler.choose(row, ids.size(), ids);
        CHECK(row.size == model.info().n_vocab && id == context.argmax());
        CHECK(row[static_cast<size_t>(id)] == *std::max_element(row.begin(), row.end()));
        ids.push_back(id);
    }
    CHECK(std::equal(want.begin(), want.end(), ids.begin() + static_cast<std::ptrdiff_t>(n_prompt)));
    CHECK(!context.logits(1) && context.logits(1).size == 0 && context.argmax(1) == -1);
    const auto ops = context.ops();
    CHECK(ops.size() > 10 && ops[0].find('\0') == std::string::npos && !ops.back().empty());

    auto options = skald::sampler_options();
    const skald_logit_bias never = {context.argmax(), -HUGE_VALF};
    options.bias = &never;
    options.n_bias = 1;
    CHECK(*skald::sampler::create(model, options)->choose(context.logits(), 0) != never.id);
    CHECK(sampler.choose({context.logits().data, 1}, 0).status() == SKALD_ARGUMENT);
    options.temperature = -1;
    CHECK(skald::sampler::create(model, options).status() == SKALD_ARGUMENT);
    CHECK(context.feed(cache, seq, {1, 2, 3}, SKALD_LOGITS_ALL) && context.logits(2) && !context.logits(3));
    const std::vector<float> rows(2 * model.info().n_embd, 0.5f);
    const uint32_t before = seq.length();
    CHECK(context.step(cache, {skald::embedded_span(seq, rows.data(), 2, SKALD_LOGITS_ALL)}) && context.logits(1));
    CHECK(seq.length() == before + 2);
    CHECK(context.feed(cache, seq, {-1}).status() == SKALD_ARGUMENT && context.logits());
}

/* A sequence goes on with the same bits after a fork, a rewind, and as bytes in another cache. */
void test_saved(const skald::model &model) {
    auto options = skald::cache_options();
    options.n_sequences = 2;
    options.n_tokens = 1024;
    skald::cache cache = *skald::cache::create(model, options), other = *skald::cache::create(model, options);
    skald::context context = *skald::context::create(model), beside = *skald::context::create(model);
    const skald::ids ids = prompt_ids(model, "the sea was calm and the birds");
    skald::sequence seq = *cache.open();
    CHECK(seq.reserve(200) && seq.reserve(1000000).status() == SKALD_FULL);
    CHECK(context.feed(cache, seq, {ids.data(), ids.size() - 1}, SKALD_LOGITS_NONE) && !context.logits());

    const std::string saved = *seq.save();
    CHECK(saved.size() == *seq.saved_bytes());
    skald::sequence restored = *other.restore(saved), fork = *seq.fork(seq.length());
    CHECK(restored.length() == ids.size() - 1 && cache.stats().n_sequences == 2 && cache.stats().n_pages_shared == 1);
    CHECK(cache.open().status() == SKALD_FULL);
    CHECK(context.feed(cache, seq, {ids.back()}) && beside.feed(other, restored, {ids.back()}));
    CHECK(same(context.logits(), beside.logits()));
    CHECK(beside.feed(cache, fork, {ids.back()}) && same(context.logits(), beside.logits()));
    CHECK(restored.rewind(3) && restored.length() == 3 && restored.rewind(4).status() == SKALD_ARGUMENT);
    CHECK(beside.feed(other, restored, {ids.data() + 3, ids.size() - 3}) && same(context.logits(), beside.logits()));

    CHECK(other.restore(saved.substr(0, saved.size() - 1)).status() == SKALD_READ);
    std::string damaged = saved;
    damaged[damaged.size() / 2] ^= 1;
    CHECK(other.restore(damaged).status() == SKALD_FORMAT && other.stats().n_sequences == 1);
    CHECK(seq.save_to([](const void *, size_t) -> skald_status { return SKALD_READ; }).status() == SKALD_READ);
#if defined(__cpp_exceptions)
    int thrown = 0;
    try {
        seq.save_to([](const void *, size_t) -> skald_status { throw 1; });
    } catch (int n) {
        thrown += n;
    }
    try {
        other.restore_from([](void *, size_t) -> skald_status { throw 2; });
    } catch (int n) {
        thrown += n;
    }
    CHECK(thrown == 3 && other.stats().n_sequences == 1);
#endif

    fork = skald::sequence();
    CHECK(cache.stats().n_sequences == 1);
    skald::sequence moved = std::move(seq);
    CHECK(moved.length() == ids.size() && cache.stats().n_sequences == 1);
    cache = skald::cache(); /* its sequence keeps it */
    CHECK(moved.length() == ids.size() && moved.rewind(1));
}

static skald::result<void> begin(skald::context &context, const skald::cache &cache, const skald::sequence &seq,
                                 const skald::ids &ids) {
    auto options = skald::step_options();
    options.microseconds = 1;
    return context.step(cache, {skald::span(seq, ids)}, options);
}

/* A step that pauses ends with the same bits, can be forgotten, and keeps its cache however they go. */
void test_paused(const skald::model &model) {
    skald::ids ids(200);
    for (size_t i = 0; i < ids.size(); i++) ids[i] = static_cast<int32_t>(i * 7 % 90 + 1);
    skald::cache cache = *skald::cache::create(model), other = *skald::cache::create(model);
    skald::context whole = *skald::context::create(model), pieces = *skald::context::create(model);
    skald::sequence one = *cache.open(), two = *other.open();
    CHECK(whole.feed(cache, one, ids));
    auto went = begin(pieces, other, two, ids);
    CHECK(went.status() == SKALD_PENDING && *went.why() && two.rewind(0).status() == SKALD_BUSY);
    CHECK(pieces.cancel() && two.length() == 0);
    went = begin(pieces, other, two, ids);
    auto soon = skald::step_options();
    soon.microseconds = 1;
    int n = 0;
    for (; went.status() == SKALD_PENDING; n++) went = pieces.go_on(soon);
    CHECK(went && n > 1 && same(whole.logits(), pieces.logits()));
    CHECK(pieces.go_on().status() == SKALD_ARGUMENT);

    auto stop = [](float) { return false; };
    auto options = skald::step_options();
    skald::set_progress(options, stop);
    CHECK(two.rewind(0) && pieces.step(other, {skald::span(two, ids)}, options).status() == SKALD_CANCELLED);
    CHECK(two.length() == 0);

    for (int way = 0; way < 2;
         way++) { /* the step needs its cache until the context goes; the host's memory is counted at the end */
        CHECK(begin(pieces, other, two, ids).status() == SKALD_PENDING);
        CHECK(pieces.go_on(soon).status() == SKALD_PENDING);
        two = skald::sequence();
        other = skald::cache();
        if (way) break;
        pieces = *skald::context::create(model);
        other = *skald::cache::create(model);
        two = *other.open();
    }
}

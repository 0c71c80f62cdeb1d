/* overhead.c through skald.hpp. */
#include "skald.hpp"
#include <chrono>
#include <cstdio>

int main(int argc, char **argv) {
    constexpr uint32_t n_tokens = 10000, n_length = 1000;
    auto one = skald::runtime_options();
    auto room = skald::cache_options();
    one.n_threads = 1;
    room.n_tokens = n_length;
    if (argc != 2) return 2;
    auto runtime = skald::runtime::create(one).value();
    auto model = skald::model::open(runtime, argv[1]).value();
    auto cache = skald::cache::create(model, room).value();
    auto context = skald::context::create(model).value();
    auto sampler = skald::sampler::create(model).value();
    auto seq = cache.open().value();
    skald::decoder decoder(model);
    int32_t id = 1;
    long sum = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (uint32_t i = 0; i < n_tokens; i++) {
        if (i % n_length == 0) seq.rewind(0).check();
        context.feed(cache, seq, {&id, 1}).check();
        id = sampler.choose(context.logits(), i % n_length + 1).value();
        decoder.push(id);
        sum += id;
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    std::printf("%.3f %ld\n", took.count() / n_tokens, sum);
}

/* Many requests at once. */
#include "cpp.hpp"
#include <cmath>
#include <map>

namespace {
/* What was told of each request. */
struct told {
    skald::ids ids;
    std::string text;
    skald_event end{};
    std::vector<skald_logprob> top; /* of the first id */
    float logprob = 0;
};
} // namespace

static std::map<skald_request_id, told> all(skald::engine &engine) {
    std::map<skald_request_id, told> heard;
    CHECK(engine.run([&](const skald_event &e) {
        told &t = heard[e.request];
        t.text += skald::text_of(e);
        if (e.kind != SKALD_EVENT_TOKEN) {
            t.end = e;
            return;
        }
        if (t.ids.empty()) {
            t.top.assign(skald::top_of(e).begin(), skald::top_of(e).end());
            t.logprob = e.logprob;
        }
        t.ids.push_back(e.id);
    }));
    return heard;
}

static void test_requests(const skald::model &model) {
    auto options = skald::engine_options();
    options.n_top = 3;
    skald::engine engine = *skald::engine::create(model, options);
    const skald::ids prompt = prompt_ids(model, "the sea"), want = greedy(model, prompt, 24);
    const auto one = engine.submit(skald::request(prompt, 24)), two = engine.submit(skald::request(prompt, 200));
    CHECK(engine.cancel(*two) && engine.cancel(12345).status() == SKALD_ABSENT);

    skald::request named(prompt, 24);
    named.n_top = 3;
    const auto top = engine.submit(named);
    const std::string text = spoken(model, want);
    CHECK(text.find("en") < text.size() - 2);
    const auto stopped = engine.submit(skald::request(prompt, 24).until({"never said", "en"}));
    const auto begun = engine.submit(skald::request(prompt, 24).beginning("quiet"));
    const auto healed = engine.submit(skald::request(prompt, 24).beginning("", 1));
    auto grammar = skald::grammar::rules(model, "root ::= \"a\" [0-9]{3} | \"b\"");
    auto draw = skald::sampler_options();
    draw.temperature = 1;
    draw.seed = 3;
    const auto drawn = engine.submit(skald::request(prompt, 24).drawn(draw));
    const auto same = engine.submit(skald::request(prompt, 24).drawn(draw));
    const auto ruled = engine.submit(skald::request(prompt, 24).drawn(draw).within(*grammar));
    grammar = skald::detail::outcome(SKALD_ABSENT); /* the request keeps its own share */
    size_t n_looked = 0;
    auto look = [&](float *logits, uint32_t n_vocab, uint64_t position, skald::ids_view before) {
        CHECK(position == prompt.size() + n_looked && before.size >= 1 && n_vocab == model.info().n_vocab);
        logits[want[0]] = -HUGE_VALF;
        n_looked++;
    };
    const auto staged = engine.submit(skald::request(prompt, 24).staged(look));
    CHECK(one && two && top && stopped && begun && healed && drawn && same && ruled && staged);
    CHECK(engine.submit(skald::request({-1}, 24)).status() == SKALD_ARGUMENT);

    auto heard = all(engine);
    CHECK(heard[*one].ids == want && heard[*one].text == text && heard[*one].top.empty());
    CHECK(heard[*two].end.kind == SKALD_EVENT_CANCELLED);
    const told &t = heard[*top];
    CHECK(t.ids == want && t.top.size() == 3 && t.top[0].id == want[0] && t.top[0].logprob == t.logprob);
    CHECK(t.logprob < 0 && t.top[0].logprob >= t.top[1].logprob && t.top[1].logprob >= t.top[2].logprob);
    CHECK(heard[*stopped].text == text.substr(0, text.find("en")));
    CHECK(heard[*stopped].end.kind == SKALD_EVENT_STOP && heard[*stopped].end.stop == 1);
    CHECK(heard[*begun].text.substr(0, 5) == "quiet" && heard[*begun].ids != want);
    CHECK(heard[*healed].text.substr(0, 1) == model.decode({prompt.back()})->substr(0, 1));
    CHECK(heard[*drawn].ids != want && heard[*drawn].ids == heard[*same].ids);
    const std::string &said = heard[*ruled].text;
    CHECK(said == "b" || (said.size() == 4 && said[0] == 'a'));
    CHECK(n_looked == heard[*staged].ids.size() && n_looked > 0);
    for (int32_t id : heard[*staged].ids) CHECK(id != want[0]);
    CHECK(engine.stats().n_ended == engine.stats().n_submitted && engine.stats().n_submitted == 10);
}

/* A prompt read ahead is found by who begins with it; an exception of the hearer leaves the rest to the next run. */
static void test_ahead(const skald::model &model) {
    skald::engine engine = *skald::engine::create(model);
    const skald::ids prompt = prompt_ids(model, "the sea was calm and the birds were silent"),
                     want = greedy(model, prompt, 9);
    const auto warm = engine.warm(prompt);
    const told read = all(engine)[*warm];
    CHECK(read.end.kind == SKALD_EVENT_LENGTH && read.ids.empty());
    const auto one = engine.submit(skald::request(prompt, 9));
#if defined(__cpp_exceptions)
    bool thrown = false;
    try {
        engine.run([](const skald_event &) { throw 1; });
    } catch (int) {
        thrown = true;
    }
    auto heard = all(engine);
    CHECK(thrown && heard[*one].ids == skald::ids(want.begin() + 1, want.end()));
#else
    CHECK(all(engine)[*one].ids == want);
#endif
    CHECK(engine.stats().n_prompt_shared == prompt.size() - 1);
    CHECK(engine.step().status() == SKALD_END);
    CHECK(engine.submit(skald::request(skald::ids(200, 5), 200)));
    int n_paused = 0;
    for (skald_status s = SKALD_OK; s != SKALD_END; n_paused += s == SKALD_PENDING) s = engine.step(1).status();
    CHECK(n_paused > 0);
}

static void test_drafts(const skald::model &model) {
    const skald::ids prompt = prompt_ids(model, "the sea"), want = greedy(model, prompt, 60);
    for (int small = 0; small < 2; small++) {
        auto options = skald::engine_options();
        options.lookup = !small;
        options.draft = small ? model.get() : nullptr;
        skald::engine engine = *skald::engine::create(model, options);
        const auto one = engine.submit(skald::request(prompt, 60));
        const told t = all(engine)[*one];
        CHECK(t.ids == want);
        CHECK(small ? t.end.n_drafted > 0 && t.end.n_right == t.end.n_drafted : t.end.n_right <= t.end.n_drafted);
        CHECK(engine.stats().n_drafted == t.end.n_drafted && (!small || engine.stats().n_steps < want.size()));
    }
}

void test_engine(const skald::model &model) {
    test_requests(model);
    test_ahead(model);
    test_drafts(model);
}

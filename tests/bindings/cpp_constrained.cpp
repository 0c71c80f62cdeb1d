/* Answers under grammars and schemas, and beams. */
#include "cpp.hpp"
#include <algorithm>
#include <cmath>
#include <cstring>

/* An answer by a loop of one's own with logits that change with `seed`, and what the matcher lets it say. */
static std::string constrained(const skald::model &model, const skald::grammar &grammar, uint64_t seed, uint32_t n) {
    auto options = skald::sampler_options();
    options.temperature = 2;
    options.seed = seed;
    skald::cache cache = *skald::cache::create(model);
    skald::context context = *skald::context::create(model);
    skald::sampler sampler = *skald::sampler::create(model, options);
    skald::sequence seq = *cache.open();
    skald::matcher matcher = *skald::matcher::create(grammar);
    std::vector<float> allowed(model.info().n_vocab);
    const skald::ids prompt = prompt_ids(model, "the sea");
    skald::ids said;
    CHECK(context.feed(cache, seq, prompt));
    while (said.size() < n) {
        const auto masked = matcher.mask(allowed.data(), context.logits(), n - static_cast<uint32_t>(said.size()));
        CHECK(masked || masked.status() == SKALD_END);
        const int32_t id = *sampler.choose(allowed, prompt.size() + said.size());
        if (model.is_end(id)) break;
        CHECK(masked);
        said.push_back(id);
        const auto accepted = matcher.accept(id);
        CHECK(accepted || accepted.status() == SKALD_END);
        if (accepted.status() == SKALD_END) break;
        CHECK(context.feed(cache, seq, {id}));
    }
    CHECK(matcher.may_end());
    return *model.decode(said);
}

static std::string without_spaces(std::string text) {
    text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\n'; }), text.end());
    return text;
}

static const char schema[] =
    "{\"type\": \"object\", \"properties\": {\"mood\": {\"enum\": [\"calm\", \"angry\"]}, \"hp\": "
    "{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 99}}, \"required\": [\"mood\", \"hp\"], "
    "\"additionalProperties\": false}";

static bool valid(const std::string &answer) {
    char mood[16];
    int hp = -1, end = 0;
    const std::string text = without_spaces(answer);
    std::sscanf(text.c_str(), "{\"mood\":\"%15[a-z]\",\"hp\":%d}%n", mood, &hp, &end);
    return end == static_cast<int>(text.size()) && hp >= 0 && hp <= 99 &&
           (std::strcmp(mood, "calm") == 0 || std::strcmp(mood, "angry") == 0);
}

void test_grammars(const skald::model &model) {
    auto rules = skald::grammar::rules(model, "root ::= \"a\" [0-9]{3} | \"b\"");
    auto object = skald::grammar::json_schema(model, schema);
    CHECK(rules && object);
    auto endless = skald::grammar::rules(model, "root ::= [0-9]+ \"z\"");
    std::vector<std::string> heard;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        const std::string text = constrained(model, *rules, seed, 12);
        CHECK(text == "b" || (text.size() == 4 && text[0] == 'a'));
        CHECK(constrained(model, *endless, seed, 4).back() == 'z'); /* in time */
        heard.push_back(constrained(model, *object, seed, 64));
        CHECK(valid(heard.back()));
    }
    std::sort(heard.begin(), heard.end());
    CHECK(heard.front() != heard.back());
    const std::string call = constrained(
        model,
        *skald::grammar::tools(model,
                               "[{\"name\": \"look\", \"parameters\": {\"type\": \"object\", \"properties\": {}, "
                               "\"additionalProperties\": false}}]",
                               "hermes"),
        1, 80);
    CHECK(without_spaces(call).find("{\"name\":\"look\",\"arguments\":{") != std::string::npos);

    const auto bad = skald::grammar::rules(model, "root ::= \"a\" other");
    CHECK(bad.status() == SKALD_FORMAT && std::strstr(bad.why(), "other"));
    CHECK(skald::grammar::json_schema(model, "{\"contains\": {\"type\": \"null\"}}").status() == SKALD_UNSUPPORTED);
    CHECK(skald::grammar::tools(model, "[]", "klingon").status() == SKALD_UNSUPPORTED);

    /* A matcher keeps its grammar; a copy has come as far. */
    skald::matcher one = *skald::matcher::create(*rules), two = *skald::matcher::create(*rules);
    skald::matcher other = *skald::matcher::create(*object);
    rules = skald::detail::outcome(SKALD_ABSENT);
    const int32_t a = (*model.encode("a"))[0], b = (*model.encode("b"))[0];
    CHECK(one.least() >= 1 && !one.may_end() && one.accept(a) && one.least() <= 3);
    CHECK(one.accept(a).status() == SKALD_ARGUMENT && two.accept(b).status() == SKALD_END && two.may_end());
    CHECK(two.copy(one) && !two.may_end() && two.accept(b).status() == SKALD_ARGUMENT);
    CHECK(other.copy(one).status() == SKALD_ARGUMENT);
    std::vector<float> row(model.info().n_vocab, 0.0f);
    CHECK(one.mask(row.data(), {row.data(), 1}).status() == SKALD_ARGUMENT);
    CHECK(one.mask(row.data(), row) && std::isinf(row[static_cast<size_t>(a)]) &&
          row[static_cast<size_t>((*model.encode("7"))[0])] == 0);
}

/* Asked with the first grammar of a model; one that was cancelled leaves the next to be the first. */
void test_first_grammar(const skald::model &model) {
    int n_heard = 0;
    auto stop = [](float) { return false; };
    auto more = [&](float done) { return n_heard++, done == 0; };
    auto options = skald::grammar_options();
    skald::set_progress(options, stop);
    CHECK(skald::grammar::create(model, "root ::= \"b\"", options).status() == SKALD_CANCELLED);
    skald::set_progress(options, more);
    auto grammar = skald::grammar::create(model, "root ::= \"b\"", options);
    CHECK(grammar && n_heard > 0 && skald::matcher::create(*grammar)->least() > 0);
}

void test_beams(const skald::model &model) {
    const skald::ids prompt = prompt_ids(model, "the sea");
    auto options = skald::beam_options();
    options.n_beams = 1;
    options.n_tokens = 20;
    const skald::beams one = *skald::beams::search(model, prompt, options);
    const skald::ids want = greedy(model, prompt, 20);
    CHECK(one.size() == 1 && skald::ids(one[0].ids.begin(), one[0].ids.end()) == want);
    CHECK(one[0].ended == (want.size() < 20) && one[0].score < 0);

    options.n_beams = 4;
    options.length_penalty = 0;
    options.ignore_end = 1;
    skald::beams found = *skald::beams::search(model, prompt, options);
    const skald::beams moved = std::move(found);
    CHECK(moved.size() == 4);
    float last = 0;
    for (const skald::beam &b : moved) {
        CHECK(b.ids.size == 20 && b.score <= last && !b.ended && model.decode(b.ids));
        last = b.score;
    }
    options.n_beams = 1;
    CHECK(moved[0].score >= (*skald::beams::search(model, prompt, options))[0].score);

    auto stop = [](float) { return false; };
    skald::set_progress(options, stop);
    CHECK(skald::beams::search(model, prompt, options).status() == SKALD_CANCELLED);
    CHECK(skald::beams::search(model, {}, options).status() == SKALD_ARGUMENT);
}

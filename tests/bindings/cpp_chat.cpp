/* Layouts of conversations, and what answers mean. */
#include "cpp.hpp"
#include <cstring>

static const char shape[] = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
                            "{% if add_generation_prompt %}<assistant>{% endif %}{# <tool_call> #}";

/* The model's file with a chat template: one key more, of 32 * n bytes, so that nothing behind it moves out of line. */
static std::string with_template(const char *path) {
    std::string file = read_file(path), entry, text = shape;
    const std::string key = "tokenizer.chat_template";
    while ((8 + key.size() + 4 + 8 + text.size()) % 32) text.insert(text.size() - 2, " ");
    const auto put = [&](auto x) { entry.append(reinterpret_cast<const char *>(&x), sizeof x); };
    put(static_cast<uint64_t>(key.size()));
    entry += key;
    put(static_cast<uint32_t>(8));
    put(static_cast<uint64_t>(text.size()));
    uint64_t n;
    std::memcpy(&n, &file[16], sizeof n);
    n++;
    std::memcpy(&file[16], &n, sizeof n);
    return file.insert(24, entry + text);
}

static void test_layouts(const skald::model &model, const skald::model &talks) {
    auto layout = skald::layout::create(model, shape);
    CHECK(layout);
    const std::vector<skald_message> messages = {{"user", "hi </s>"}};
    const auto input = skald::layout::input(messages);
    const std::string want = "<user>hi </s>\n<assistant>";
    CHECK(*layout->render(input) == want);
    auto guarded = layout->render_guarded(input);
    CHECK(guarded && guarded->text == want && guarded->stranger.size() == want.size());
    for (size_t i = 0; i < want.size(); i++)
        CHECK(guarded->stranger[i] == (i >= 6 && i < 13)); /* what the user said, or how he is called */
    auto ids = layout->encode(input);
    CHECK(ids && *ids == *model.encode_guarded(guarded->text, guarded->stranger, SKALD_ENCODE_SPECIAL));
    CHECK(*layout->render(skald::layout::input({}, "{\"messages\": [{\"role\": \"tool\", \"content\": \"7\"}]}")) ==
          "<tool>7\n<assistant>");
    const std::string wide(6000, 'x');
    CHECK(layout->render(skald::layout::input({{"user", wide.c_str()}}))->size() == wide.size() + 18);
    CHECK(layout->render_guarded(skald::layout::input({{"user", wide.c_str()}}))->stranger.size() == wide.size() + 18);

    const auto bad = skald::layout::create(model, "{% for %}");
    CHECK(bad.status() == SKALD_FORMAT && std::strstr(bad.why(), "line 1, column 8"));
    CHECK(skald::layout::create(model).status() == SKALD_UNSUPPORTED);
    CHECK(skald::chat_format(model, messages).status() == SKALD_UNSUPPORTED);
    CHECK(*skald::layout::create(talks)->render(input) == want && *skald::chat_format(talks, messages) == want);
    const std::vector<skald_message> more = {{"user", "hi"}, {"assistant", "well"}, {"user", "so"}};
    CHECK(*skald::chat_format(talks, more, false, 2) == "<user>so\n");
}

static void test_answers(const skald::model &model, const skald::model &talks) {
    const std::string said = "<think>hm</think>Well.\n<tool_call>{\"name\": \"look\", \"arguments\": {\"at\": "
                             "\"sea\"}}</tool_call>";
    auto answer = skald::answer::create(model, "hermes");
    CHECK(answer && skald::answer::create(talks)); /* by the mark in its template */
    for (int again = 0; again < 2; again++) {
        std::string text[6];
        int n_ends = 0;
        const auto say = [&](skald_answer_event event, std::string_view piece) {
            text[event] += piece;
            n_ends += event == SKALD_ANSWER_CALL_END || event == SKALD_ANSWER_END;
            return true;
        };
        for (const char &letter : said) CHECK(answer->push({&letter, 1}, say));
        CHECK(answer->end(say));
        CHECK(text[SKALD_ANSWER_REASONING] == "hm" && text[SKALD_ANSWER_CALL] == "look" && n_ends == 2);
        CHECK(text[SKALD_ANSWER_CONTENT].substr(0, 5) == "Well.");
        CHECK(text[SKALD_ANSWER_ARGUMENTS] == "{\"at\": \"sea\"}");
    }
    std::string reasoned;
    const auto reasons = [&](skald_answer_event event, std::string_view piece) {
        if (event == SKALD_ANSWER_REASONING) reasoned += piece;
        return true;
    };
    CHECK(skald::answer::create(model, "hermes", true)->push("so", reasons) && reasoned == "so");

    int heard = 0;
    const auto enough = [&](skald_answer_event, std::string_view) { return ++heard, false; };
    CHECK(answer->push("one", enough) && answer->push("two", enough) && answer->end(enough) && heard == 1);
    skald_status inside = SKALD_OK;
    CHECK(answer->push("one", [&](skald_answer_event, std::string_view) {
        inside = answer->push("two", enough).status();
        return true;
    }));
    CHECK(inside == SKALD_BUSY && heard == 1);
#if defined(__cpp_exceptions)
    bool thrown = false;
    try {
        answer->push("more", [](skald_answer_event, std::string_view) -> bool { throw 1; });
    } catch (int) {
        thrown = true;
    }
    CHECK(thrown && answer->end(enough) && heard == 1);
#endif
    const auto none = skald::answer::create(model, "klingon");
    CHECK(none.status() == SKALD_UNSUPPORTED && *none.why());
    CHECK(skald::answer().push("", enough).status() == SKALD_ARGUMENT);
}

void test_chat(const skald::runtime &runtime, const skald::model &model, const char *path) {
    const std::string file = with_template(path);
    auto talks = skald::model::open(runtime, {skald::memory_source(file.data(), file.size())});
    CHECK(talks);
    if (!talks) return;
    test_layouts(model, *talks);
    test_answers(model, *talks);
}

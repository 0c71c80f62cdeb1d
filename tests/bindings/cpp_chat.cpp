/* Layouts of conversations, and what answers mean. */
#include "cpp.hpp"
#include <cmath>
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
    const std::string nothing; /* has an address, and is the default all the same */
    CHECK(*skald::layout::create(talks, nothing)->render(skald::layout::input(messages, nothing)) == want);
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
    int n_outer = 0, n_busy = 0;
    CHECK(answer->push("<think>one</think>two", [&](skald_answer_event, std::string_view) {
        n_busy += answer->push("three", enough).status() == SKALD_BUSY;
        return ++n_outer > 0;
    }));
    CHECK(n_outer > 1 && n_busy == n_outer && heard == 1);
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

/* Each turn is the answer that a fresh conversation of the same messages gives, and reads only what is new. */
static void test_conversations(const skald::model &talks) {
    skald::conversation_options options;
    options.n_tokens = 12;
    options.n_context = 512;
    auto made = skald::conversation::create(talks, options);
    CHECK(made);
    skald::conversation chat = *std::move(made);
    std::string heard;
    int n_ends = 0;
    const auto hear = [&](skald_answer_event event, std::string_view piece) {
        if (event == SKALD_ANSWER_CONTENT) heard += piece;
        n_ends += event == SKALD_ANSWER_END;
        return true;
    };
    chat.say("system", "be \"brief\"\n\\");
    chat.say("user", "the sea?");
    CHECK(chat.reply(hear) && n_ends == 1 && chat.content() == heard && !heard.empty() && chat.messages().size() == 3);
    const std::vector<skald_message> said = {{"system", "be \"brief\"\n\\"}, {"user", "the sea?"}};
    const skald::ids prompt = *skald::layout::create(talks)->encode(skald::layout::input(said));
    CHECK(heard == spoken(talks, greedy(talks, prompt, 12)));
    CHECK(chat.length() == prompt.size() + (chat.ended() ? 0 : 11));

    const uint32_t before = chat.length();
    chat.say("user", "and the birds?");
    int n_pieces = 0;
    CHECK(chat.reply([&](skald_answer_event, std::string_view) { return ++n_pieces < 3; }));
    CHECK(chat.length() > before && n_pieces == 3 && !chat.ended());
    CHECK(chat.n_read() < chat.length() + 12u); /* at most the answer's tokens are read again, as text */
    const uint32_t stopped = chat.length();
    skald::conversation fresh = *skald::conversation::create(talks, options);
    for (size_t i = 0; i + 1 < chat.messages().size(); i++) fresh.say_json(chat.messages()[i]);
    heard.clear();
    CHECK(fresh.reply(hear) && heard.substr(0, chat.content().size()) == chat.content());
    chat.forget();
    CHECK(chat.reply(hear) && chat.messages() == fresh.messages() && chat.length() == fresh.length());
    CHECK(stopped < fresh.length());
    for (int turn = 0; turn < 2; turn++) { /* another question instead: what is held of the first is not read for it */
        if (!turn) chat.forget(), chat.forget();
        chat.say("user", turn ? "well" : "or the fish, how are they?");
        fresh = *skald::conversation::create(talks, options);
        for (const std::string &message : chat.messages()) fresh.say_json(message);
        CHECK(chat.reply(hear) && fresh.reply(hear) && chat.messages() == fresh.messages());
    }

    auto ruled = skald::grammar::rules(talks, "root ::= \"<think>a</think>\" [0-9]{4}");
    options.n_tokens = 60;
    chat = *skald::conversation::create(talks, options);
    chat.say("user", "a number");
    CHECK(chat.reply(hear, &*ruled) && chat.content().size() == 4 && chat.reasoning() == "a" && chat.ended());
    CHECK(chat.messages()[1] ==
          "{\"role\": \"assistant\", \"content\": \"" + chat.content() + "\", \"reasoning_content\": \"a\"}");
    const std::string tools = "[{\"name\": \"look\", \"parameters\": {\"type\": \"object\", \"properties\": {\"at\": "
                              "{\"const\": \"sea\"}}, \"required\": [\"at\"], \"additionalProperties\": false}}]";
    options.tools = tools;
    options.n_tokens = 200;
    options.layout = "{{ tools[0].name }}{% for m in messages %}{{ m.role }}{{ m.content }}{% if m.tool_calls %}"
                     "{{ m.tool_calls[0].function.arguments.at }}{% endif %}{% endfor %}<tool_call>";
    options.family = "hermes";
    chat = *skald::conversation::create(talks, options);
    chat.say("user", "look");
    const skald::grammar calls = *skald::grammar::tools(talks, tools, "hermes");
    CHECK(chat.reply(hear, &calls));
    CHECK(chat.calls().size() == 1 && chat.calls()[0].name == "look");
    CHECK(*skald::layout::create(talks, options.layout)
               ->render(skald::layout::input({}, "{\"tools\": " + tools + ", \"messages\": [" + chat.messages()[1] +
                                                     "]}")) == "lookassistantsea<tool_call>");

    const size_t n_messages = chat.messages().size();
#if defined(__cpp_exceptions)
    bool thrown = false;
    try {
        chat.reply([](skald_answer_event, std::string_view) -> bool { throw 1; });
    } catch (int) {
        thrown = true;
    }
    CHECK(thrown && chat.messages().size() == n_messages);
#endif
    chat.say("user", std::string(6000, 'x'));
    CHECK(chat.reply(hear).status() == SKALD_FULL && chat.messages().size() == n_messages + 1);
    chat.forget();
    options.layout = "{{ raise_exception('never') }}";
    chat = *skald::conversation::create(talks, options);
    const auto refused = chat.reply(hear);
    CHECK(refused.status() == SKALD_ARGUMENT && std::strstr(refused.why(), "never"));
    options.layout = "{{ messages[0].content }}<think>\n";
    chat = *skald::conversation::create(talks, options);
    chat.say("user", "so");
    CHECK(chat.reply([](skald_answer_event, std::string_view) { return false; }));
    CHECK(!chat.reasoning().empty() && chat.content().empty());

    const skald::grammar endless = *skald::grammar::rules(talks, "root ::= [0-9]+ \"z\"");
    options.layout = "{{ strftime_now('%Y') }}{{ messages[0].content }}";
    options.local_seconds = 86400 * 365;
    options.n_tokens = 4;
    chat = *skald::conversation::create(talks, options);
    std::string wide;
    while (talks.encode(wide)->size() < 300) wide += "1 2 3 4 5 ";
    chat.say("user", wide); /* more than the model's own context */
    CHECK(chat.reply(hear, &endless) && chat.content().back() == 'z' && chat.length() > 300);

    options.n_context = 40; /* and pages hold more */
    chat = *skald::conversation::create(talks, options);
    chat.say("user", "1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9");
    CHECK(chat.reply(hear).status() == SKALD_FULL && chat.length() == 0);
    chat.forget();
    const skald_logit_bias never = {(*talks.encode("b"))[0], -HUGE_VALF};
    options.sampler.bias = &never;
    options.sampler.n_bias = 1;
    chat = *skald::conversation::create(talks, options);
    chat.say("user", "so");
    const skald::grammar b = *skald::grammar::rules(talks, "root ::= \"b\"");
    CHECK(chat.reply(hear, &b).status() == SKALD_ARGUMENT && chat.messages().size() == 1);
    options.family = "klingon";
    chat = *skald::conversation::create(talks, options);
    chat.say("user", "so");
    CHECK(chat.reply(hear).status() == SKALD_UNSUPPORTED);
    options.layout = "{% for %}";
    CHECK(skald::conversation::create(talks, options).status() == SKALD_FORMAT);
}

void test_chat(const skald::runtime &runtime, const skald::model &model, const char *path) {
    const std::string file = with_template(path);
    auto talks = skald::model::open(runtime, {skald::memory_source(file.data(), file.size())});
    CHECK(talks);
    if (!talks) return;
    test_layouts(model, *talks);
    test_answers(model, *talks);
    test_conversations(*talks);
}

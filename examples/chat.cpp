/* chat: a conversation on the terminal in C++. Each line is what the user says, each answer comes as it is written; what the cache
 * holds of the conversation is not read again. Ctrl-C stops an answer, Ctrl-D ends.
 *
 * usage: chat MODEL.gguf [TOKENS_OF_AN_ANSWER (512) [LAYOUT.jinja]] */
#include <skald.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

static volatile std::sig_atomic_t interrupted;

static std::string file(const char *path) {
    std::ifstream from(path, std::ios::binary);
    if (!from) throw std::runtime_error(std::string(path) + ": cannot be read");
    return std::string(std::istreambuf_iterator<char>(from), {});
}

static skald::conversation open(int argc, char **argv) {
    const auto runtime = skald::runtime::create().value();
    const auto model = skald::model::open(runtime, argv[1]).value();
    const std::string layout = argc > 3 ? file(argv[3]) : "";
    skald::conversation_options options;
    options.n_tokens = argc > 2 ? static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)) : 512;
    options.layout = layout; /* copied, and the model and the runtime live on in the conversation */
    return skald::conversation::create(model, options).value();
}

/* Content goes to where it may be piped on, what the model says to itself does not. */
static bool hear(skald_answer_event event, std::string_view piece) {
    if (event == SKALD_ANSWER_CONTENT) std::cout << piece << std::flush;
    else if (event == SKALD_ANSWER_REASONING) std::cerr << piece;
    return !interrupted;
}

static void talk(skald::conversation &chat) {
    for (std::string line; std::cerr << "> ", std::getline(std::cin, line);) {
        if (line.empty()) continue;
        interrupted = 0;
        chat.say("user", line);
        chat.reply(hear).check();
        std::cout << std::endl;
        for (const skald::tool_call &call : chat.calls()) std::cerr << call.name << " " << call.arguments << "\n";
    }
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) return std::cerr << "usage: chat MODEL.gguf [TOKENS [LAYOUT.jinja]]\n", 2;
    std::signal(SIGINT, [](int) { interrupted = 1; });
    try {
        skald::conversation chat = open(argc, argv);
        talk(chat);
    } catch (const std::exception &e) {
        std::cerr << "chat: " << e.what() << "\n";
        return 1;
    }
    return 0;
}

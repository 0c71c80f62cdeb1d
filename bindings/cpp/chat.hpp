/* Conversations: how they are laid out, and what an answer means. */
#ifndef SKALD_CHAT_HPP
#define SKALD_CHAT_HPP

#include "context.hpp"
#include "grammar.hpp"
#include <atomic>

namespace skald {

/* A text, and for each byte 1 where the conversation said it and 0 where the template did. */
struct guarded_text {
    std::string text;
    std::vector<uint8_t> stranger;
};

/* The layout of conversations: the file's, or the caller's own (Jinja). Never changes; threads share it. */
class layout : public detail::owner<skald_template, skald_template_free> {
  public:
    /* `text` empty: that of the file. */
    static result<layout> create(const model &m, std::string_view text = {}) {
        return made<layout>([&](auto *out, auto *why) {
            return skald_template_create(out, m.get(), text.empty() ? nullptr : text.data(), text.size(), why);
        });
    }
    /* With the answer's beginning; messages and JSON stay the caller's. */
    static skald_template_input input(view<skald_message> messages, std::string_view json = {}) {
        skald_template_input in = detail::options(skald_template_input_init);
        in.open = 1;
        in.messages = messages.data;
        in.n_messages = static_cast<uint32_t>(messages.size);
        in.json = json.empty() ? nullptr : json.data();
        in.n_json_bytes = json.size();
        return in;
    }
    /* ARGUMENT: the template refuses this conversation, with its own sentence. */
    result<std::string> render(const skald_template_input &in) const {
        detail::report why;
        return detail::filled<std::string, size_t>(4096, why, [&](char *to, size_t *n) {
            return skald_template_render(to, nullptr, n, get(), &in, &why);
        });
    }
    /* As model::encode_guarded takes it. */
    result<guarded_text> render_guarded(const skald_template_input &in) const {
        detail::report why;
        guarded_text out;
        auto text = detail::filled<std::string, size_t>(4096, why, [&](char *to, size_t *n) {
            out.stranger.resize(*n);
            const skald_status s = skald_template_render(to, out.stranger.data(), n, get(), &in, &why);
            if (s == SKALD_OK) out.stranger.resize(*n);
            return s;
        });
        if (!text) return text;
        out.text = std::move(*text);
        return out;
    }
    /* As ids: control tokens come from the template alone, whatever the messages spell. */
    result<ids> encode(const skald_template_input &in) const {
        detail::report why;
        return detail::filled<ids, uint32_t>(1024, why, [&](int32_t *to, uint32_t *n) {
            return skald_template_encode(to, n, get(), &in, &why);
        });
    }
};

/* Messages as text by the file's layout, without what the `first` ones alone become: only for messages that may spell control
 * tokens. */
inline result<std::string> chat_format(const model &m, view<skald_message> messages, bool open = true,
                                       uint32_t first = 0) {
    return detail::filled<std::string, size_t>(4096, {}, [&](char *to, size_t *n) {
        return skald_chat_format(to, n, m.get(), open, first, messages.data, static_cast<uint32_t>(messages.size));
    });
}

/* An answer while it is written, as what it means. One thread at a time; the library asks for no memory after create. */
class answer : public detail::owner<skald_answer, skald_answer_free> {
  public:
    /* `family` NULL: found by the file's template; `reasoning`: the conversation ends inside the reasoning. */
    static result<answer> create(const model &m, const char *family = nullptr, bool reasoning = false) {
        auto hearer = std::make_unique<target>();
        auto a = made<answer>([&](auto *out, auto *why) {
            return skald_answer_create(out, m.get(), family, reasoning, hear, hearer.get(), why);
        });
        if (a) a->target_ = std::move(hearer);
        return a;
    }
    /* More of the answer, decoded with SKALD_DECODE_SPECIAL. say(skald_answer_event, std::string_view) hears what it means; false, or
     * an exception, which comes out of here: it hears no more of this answer. */
    template <class Say> result<void> push(std::string_view text, Say &&say) {
        return with(say, [&] { return skald_answer_push(get(), text.data(), text.size()); });
    }
    /* The answer is over; pushing begins another. */
    template <class Say> result<void> end(Say &&say) {
        return with(say, [&] { return skald_answer_end(get()); });
    }

  private:
    /* Who hears the call that is under way; a second one is told BUSY, as by the library. */
    struct target {
        std::atomic_flag busy = ATOMIC_FLAG_INIT;
        void *heard;
        bool (*call)(void *heard, skald_answer_event event, std::string_view text);
    };
    static int32_t hear(void *user, skald_answer_event event, const char *text, size_t n) noexcept {
        const target &to = *static_cast<target *>(user);
        return to.call(to.heard, event, std::string_view(text, n)) ? 0 : 1;
    }
    template <class Say, class Call> result<void> with(Say &say, Call &&call) {
        if (!target_) return SKALD_ARGUMENT;
        if (target_->busy.test_and_set()) return SKALD_BUSY;
        auto heard = detail::listen(say);
        target_->heard = &heard;
        target_->call = [](void *user, skald_answer_event event, std::string_view text) {
            return static_cast<decltype(heard) *>(user)->call(false, event, text);
        };
        const skald_status s = call();
        target_->busy.clear();
        heard.rethrow();
        return s;
    }
    std::unique_ptr<target> target_;
};

} // namespace skald
#endif

/* A conversation with its cache: layout, answer, cache, context and sampler at work together. */
#ifndef SKALD_CONVERSATION_HPP
#define SKALD_CONVERSATION_HPP

#include "chat.hpp"
#include <algorithm>

namespace skald {

/* How a conversation shall be. Texts are copied. */
struct conversation_options {
    uint32_t n_context = 0; /* room in tokens; 0: the model's context, at most 4096 */
    uint32_t n_tokens = 0;  /* of an answer, at most; 0: as many as there is room */
    skald_sampler_options sampler = sampler_options();
    std::string_view layout;      /* Jinja; empty: the file's */
    std::string_view tools;       /* JSON: a list of tools; empty: none */
    const char *family = nullptr; /* as answer::create */
    int64_t local_seconds = 0;    /* as skald_template_input */
};

/* A tool that the model wants to be called. The arguments are JSON as the model wrote it: trust them as little as a text. */
struct tool_call {
    std::string name, arguments;
};

/* What was said, and the model's answers to it; each turn reads only what is new. One thread at a time. */
class conversation {
  public:
    static result<conversation> create(const model &m, const conversation_options &o = {}) {
        conversation c;
        const uint32_t trained = m.info().n_context;
        c.model_ = m;
        c.room_ = o.n_context ? o.n_context : trained && trained < 4096 ? trained : 4096;
        c.most_ = o.n_tokens ? o.n_tokens : c.room_;
        c.tools_ = o.tools;
        c.named_ = o.family != nullptr;
        c.family_ = o.family ? o.family : "";
        c.local_seconds_ = o.local_seconds;
        skald_kv_cache_options room = cache_options();
        room.n_tokens = c.room_;
        skald_context_options rows = context_options();
        rows.n_logits = 1;
        if (auto made = layout::create(m, o.layout)) c.layout_ = *std::move(made);
        else return made;
        if (auto made = sampler::create(m, o.sampler)) c.sampler_ = *std::move(made);
        else return made;
        if (auto made = cache::create(m, room)) c.cache_ = *std::move(made);
        else return made;
        if (auto made = context::create(m, rows)) c.context_ = *std::move(made);
        else return made;
        if (auto made = c.cache_.open()) c.seq_ = *std::move(made);
        else return made;
        return c;
    }

    /* Somebody says something: "system", "user", or "tool" with what it gave back. Read with the next reply. */
    void say(std::string_view role, std::string_view text) {
        messages_.push_back("{\"role\": " + quoted(role) + ", \"content\": " + quoted(text) + "}");
    }
    /* A message of JSON, as the layout takes it. */
    void say_json(std::string_view message) { messages_.emplace_back(message); }
    /* Takes back the last message. */
    void forget() { messages_.pop_back(); }
    const std::vector<std::string> &messages() const { return messages_; }

    /* The model answers: hear(skald_answer_event, std::string_view) gives true to go on. What was said until it did not, or until the
     * tokens were used up, becomes a message. Under a grammar, if one is given. FULL: the conversation has no room for an answer. After
     * a failure or an exception the messages are what they were; content() has what was said. */
    template <class Hear> result<void> reply(Hear &&hear, const grammar *within = nullptr) {
        auto text = laid_out();
        if (!text) return text;
        auto means = answer::create(model_, named_ ? family_.c_str() : nullptr, ends_in_reasoning(*text));
        if (!means) return means;
        matcher limits;
        if (within) {
            auto made = matcher::create(*within);
            if (!made) return made;
            limits = *std::move(made);
        }
        heard_ = {};
        const result<void> read = read_new(*text);
        if (!read) return read;
        const result<void> written = write(*text, *means, limits, hear);
        if (written) messages_.push_back(as_message());
        return written;
    }
    /* Of the last answer: its content and reasoning, the tools it calls, and whether the model ended it. */
    const std::string &content() const { return heard_.content; }
    const std::string &reasoning() const { return heard_.reasoning; }
    const std::vector<tool_call> &calls() const { return heard_.calls; }
    bool ended() const { return heard_.ended; }
    /* Tokens in the cache, and those that went through the model since the beginning. */
    uint32_t length() const { return seq_.length(); }
    uint64_t n_read() const { return n_read_; }

  private:
    struct heard {
        std::string content, reasoning;
        std::vector<tool_call> calls;
        tool_call open; /* one that is not whole yet */
        bool ended = false;
    };

    static std::string quoted(std::string_view text) {
        static const char digits[] = "0123456789abcdef";
        std::string out = "\"";
        for (char c : text) {
            const unsigned char byte = static_cast<unsigned char>(c);
            if (byte < 0x20) out.append("\\u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
            else if (c == '"' || c == '\\') out.append(1, '\\').append(1, c);
            else out += c;
        }
        return out += '"';
    }
    result<ids> laid_out() const {
        std::string json = "{\"messages\": [";
        for (const std::string &m : messages_) json.append(&m == messages_.data() ? "" : ", ").append(m);
        json += "]";
        if (!tools_.empty()) json.append(", \"tools\": ").append(tools_);
        json += "}";
        skald_template_input in = layout::input({}, json);
        in.local_seconds = local_seconds_;
        auto text = layout_.encode(in);
        if (text && text->empty()) return detail::outcome(SKALD_ARGUMENT);
        if (text && text->size() >= room_) return detail::outcome(SKALD_FULL);
        return text;
    }
    /* Some layouts open the reasoning themselves: then its end is all that the answer has of it. */
    bool ends_in_reasoning(const ids &text) const {
        static const std::string_view opening = "<think>";
        const size_t n = std::min<size_t>(text.size(), 8);
        const auto tail = model_.decode({text.data() + text.size() - n, n}, SKALD_DECODE_SPECIAL);
        if (!tail) return false;
        const size_t last = tail->find_last_not_of(" \t\r\n");
        return last != std::string::npos && last + 1 >= opening.size() &&
               tail->compare(last + 1 - opening.size(), opening.size(), opening) == 0;
    }
    /* Windows reach back only so far: then all is read. */
    result<void> read_new(const ids &text) {
        size_t same = 0;
        while (same < held_.size() && same + 1 < text.size() && held_[same] == text[same]) same++;
        result<void> done = seq_.rewind(static_cast<uint32_t>(same));
        if (done.status() == SKALD_GONE) done = seq_.rewind(static_cast<uint32_t>(same = 0));
        if (!done) return done;
        held_.resize(same);
        return feed({text.data() + same, text.size() - same});
    }
    result<void> feed(ids_view tokens) {
        result<void> done = context_.feed(cache_, seq_, tokens);
        if (!done) return done;
        n_read_ += tokens.size;
        held_.insert(held_.end(), tokens.begin(), tokens.end());
        return done;
    }
    template <class Hear> result<void> write(ids &text, answer &means, matcher &limits, Hear &hear) {
        decoder said(model_, SKALD_DECODE_SPECIAL);
        bool going = true;
        const auto keep = [&](skald_answer_event event, std::string_view piece) {
            note(event, piece);
            return going = hear(event, piece);
        };
        const uint32_t most = std::min(most_, room_ - static_cast<uint32_t>(text.size()));
        for (uint32_t i = 0; i < most && going && !heard_.ended; i++) {
            if (i) {
                const auto fed = feed({text.back()});
                if (!fed) return fed;
            }
            const auto id = choose(text, limits, most - i);
            if (!id) return id;
            heard_.ended = model_.is_end(*id);
            if (heard_.ended) break;
            if (limits.get()) heard_.ended = limits.accept(*id).status() == SKALD_END;
            text.push_back(*id);
            const auto pushed = means.push(said.push(*id), keep);
            if (!pushed) return pushed;
        }
        const auto pushed = means.push(said.push(-1), keep);
        return pushed ? means.end(keep) : pushed;
    }
    result<int32_t> choose(const ids &text, matcher &limits, uint32_t n_left) {
        row logits = context_.logits();
        if (limits.get()) {
            allowed_.resize(logits.size);
            const auto masked = limits.mask(allowed_.data(), logits, n_left);
            if (!masked && masked.status() != SKALD_END) return masked;
            logits = allowed_;
        }
        return sampler_.choose(logits, text.size(), text);
    }
    void note(skald_answer_event event, std::string_view piece) {
        if (event == SKALD_ANSWER_CONTENT) heard_.content += piece;
        else if (event == SKALD_ANSWER_REASONING) heard_.reasoning += piece;
        else if (event == SKALD_ANSWER_CALL) heard_.open = {std::string(piece), ""};
        else if (event == SKALD_ANSWER_ARGUMENTS) heard_.open.arguments += piece;
        else if (event == SKALD_ANSWER_CALL_END) heard_.calls.push_back(heard_.open);
    }
    std::string as_message() const {
        std::string m = "{\"role\": \"assistant\", \"content\": " + quoted(heard_.content);
        if (!heard_.reasoning.empty()) m += ", \"reasoning_content\": " + quoted(heard_.reasoning);
        for (const tool_call &c : heard_.calls)
            m.append(&c == heard_.calls.data() ? ", \"tool_calls\": [" : ", ")
                .append("{\"type\": \"function\", \"function\": {\"name\": ")
                .append(quoted(c.name) + ", \"arguments\": " + (c.arguments.empty() ? "{}" : c.arguments) + "}}");
        return m.append(heard_.calls.empty() ? "}" : "]}");
    }

    model model_;
    layout layout_;
    sampler sampler_;
    cache cache_;
    context context_;
    sequence seq_;
    std::vector<std::string> messages_; /* JSON */
    std::string tools_, family_;
    bool named_ = false; /* the family */
    int64_t local_seconds_ = 0;
    uint32_t room_ = 0, most_ = 0;
    uint64_t n_read_ = 0;
    ids held_;                   /* in the cache */
    std::vector<float> allowed_; /* by a grammar */
    heard heard_;
};

} // namespace skald
#endif

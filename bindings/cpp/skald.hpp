/* skald.hpp - skald.h for C++17: handles that free themselves, results in place of statuses, no run time of its own.
 *
 *     auto runtime = skald::runtime::create().value();
 *     auto model = skald::model::open(runtime, "model.gguf").value();
 *     model.generate("The sea is", [](std::string_view text) { std::cout << text; return true; }).check();
 *
 * A fallible call gives a result<T>: look at it as a bool, take *r or r->..., or read r.status() and r.why(). value() and
 * check() throw skald::error; without exceptions (-fno-exceptions) these two do not exist, and nothing else is missing.
 * A handle made from another keeps that one alive inside the library, so they may go in any order. Names, rules and units are
 * those of skald.h, whose structs are used as they are; get() gives the C handle for calls that are not here. */
#ifndef SKALD_HPP
#define SKALD_HPP

#include <skald/skald.h>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#if defined(__cpp_exceptions)
#include <stdexcept>
#endif

namespace skald {

using status = skald_status;

#if defined(__cpp_exceptions)
struct error : std::runtime_error {
    skald_status status;
    error(skald_status s, const std::string &why) : std::runtime_error(why), status(s) {}
};
#endif

namespace detail {
struct report : skald_report {
    report() : skald_report{} { size = sizeof(skald_report); }
};

/* What both kinds of result have: how it went, and the sentence. */
class outcome {
  public:
    outcome() = default;
    outcome(skald_status s, const report &r)
        : status_(s), why_(s == SKALD_OK ? ""
                           : r.text[0]   ? r.text
                                         : skald_status_text(s)) {}
    explicit outcome(skald_status s) : outcome(s, report()) {}
    explicit operator bool() const { return status_ == SKALD_OK; }
    skald_status status() const { return status_; }
    const std::string &why() const { return why_; }
#if defined(__cpp_exceptions)
    void check() const {
        if (status_ != SKALD_OK) throw error(status_, why_);
    }
#endif

  private:
    skald_status status_ = SKALD_OK;
    std::string why_;
};

/* A unique pointer to a C handle. */
template <class T, auto Free> struct freer {
    void operator()(T *t) const { (void)Free(t); }
};
template <class T, auto Free> using handle = std::unique_ptr<T, freer<T, Free>>;

template <class O> O options(void (*init)(O *, uint32_t)) {
    O o;
    init(&o, sizeof o);
    return o;
}
} // namespace detail

/* A value, or why there is none. */
template <class T> class result : public detail::outcome {
  public:
    result(T &&value) : value_(std::move(value)) {}
    result(const detail::outcome &failed) : outcome(failed) {}
    T &operator*() { return value_; }
    T *operator->() { return &value_; }
#if defined(__cpp_exceptions)
    T value() && {
        check();
        return std::move(value_);
    }
#endif

  private:
    T value_{};
};
template <> class result<void> : public detail::outcome {
  public:
    result(skald_status s = SKALD_OK, const detail::report &r = {}) : outcome(s, r) {}
};

/* Defaults of each option struct, as the library has them. */
inline skald_runtime_options runtime_options() { return detail::options(skald_runtime_options_init); }
inline skald_model_options model_options() { return detail::options(skald_model_options_init); }
inline skald_kv_cache_options cache_options() { return detail::options(skald_kv_cache_options_init); }
inline skald_context_options context_options() { return detail::options(skald_context_options_init); }
inline skald_sampler_options sampler_options() { return detail::options(skald_sampler_options_init); }
inline skald_engine_options engine_options() { return detail::options(skald_engine_options_init); }
inline skald_generate_options generate_options() { return detail::options(skald_generate_options_init); }
inline skald_step_options step_options() { return detail::options(skald_step_options_init); }

class runtime {
  public:
    runtime() = default;
    static result<runtime> create(const skald_runtime_options &o = runtime_options()) {
        skald_runtime *out = nullptr;
        detail::report why;
        const skald_status s = skald_runtime_create(&out, &o, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return runtime(out);
    }
    skald_runtime *get() const { return own_.get(); }

  private:
    explicit runtime(skald_runtime *r) : own_(r) {}
    detail::handle<skald_runtime, skald_runtime_release> own_;
};

using ids = std::vector<int32_t>;

/* Weights and vocabulary: threads share it, and a copy is one more owner. */
class model {
  public:
    model() = default;
    model(model &&) = default;
    model(const model &other) : own_(other.get()) {
        if (own_) skald_model_retain(own_.get());
    }
    model &operator=(model other) {
        own_.swap(other.own_);
        return *this;
    }
    static result<model> open(const runtime &r, const char *path, const skald_model_options &o = model_options()) {
        detail::report why;
        skald_model *out = nullptr;
        const skald_status s = skald_model_open_path(&out, r.get(), path, &o, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return model(out);
    }
    static result<model> open(const runtime &r, const std::vector<skald_source> &parts,
                              const skald_model_options &o = model_options()) {
        detail::report why;
        skald_model *out = nullptr;
        const skald_status s =
            skald_model_open(&out, r.get(), &o, &why, parts.data(), static_cast<uint32_t>(parts.size()));
        if (s != SKALD_OK) return detail::outcome(s, why);
        return model(out);
    }
    skald_model *get() const { return own_.get(); }

    skald_model_info info() const {
        skald_model_info i{};
        i.size = sizeof i;
        skald_model_get_info(&i, get());
        return i;
    }
    bool is_end(int32_t id) const { return skald_model_is_end(get(), id) != 0; }
    int32_t token(skald_token_role role) const { return skald_model_token(get(), role); }

    result<ids> encode(std::string_view text, skald_encode_flags flags = 0) const {
        ids out(text.size() + 16);
        uint32_t n = static_cast<uint32_t>(out.size());
        skald_status s = skald_encode(out.data(), &n, get(), flags, text.data(), text.size());
        if (s == SKALD_SHORT) {
            out.resize(n);
            s = skald_encode(out.data(), &n, get(), flags, text.data(), text.size());
        }
        if (s != SKALD_OK) return detail::outcome(s);
        out.resize(n);
        return out;
    }
    result<std::string> decode(const ids &tokens, skald_decode_flags flags = 0) const {
        std::string out(tokens.size() * 8 + 16, '\0');
        size_t n = out.size();
        skald_status s =
            skald_decode(out.data(), &n, get(), flags, tokens.data(), static_cast<uint32_t>(tokens.size()));
        if (s == SKALD_SHORT) {
            out.resize(n);
            s = skald_decode(out.data(), &n, get(), flags, tokens.data(), static_cast<uint32_t>(tokens.size()));
        }
        if (s != SKALD_OK) return detail::outcome(s);
        out.resize(n);
        return out;
    }
    /* Prompt in, text out; `say(std::string_view)` gives true to go on. It must not throw: C is between it and the caller. */
    template <class Say>
    result<void> generate(const char *prompt, Say &&say, const skald_generate_options &o = generate_options()) const {
        using function = std::remove_reference_t<Say>;
        detail::report why;
        const auto hear = [](void *user, const char *text, size_t n) noexcept -> int32_t {
            return (*static_cast<function *>(user))(std::string_view(text, n)) ? 0 : 1;
        };
        const skald_status s =
            skald_generate(get(), prompt, &o, hear, const_cast<void *>(static_cast<const void *>(&say)), &why);
        return result<void>(s, why);
    }

  private:
    explicit model(skald_model *m) : own_(m) {}
    detail::handle<skald_model, skald_model_release> own_;
};

/* Ids to text one by one, whole characters. */
class decoder {
  public:
    explicit decoder(const model &m, skald_decode_flags flags = 0) : model_(m) { state_.flags = flags; }
    /* Valid until the next push; id -1 ends the text. */
    std::string_view push(int32_t id) {
        size_t n = text_.size();
        if (skald_decoder_push(text_.data(), &n, &state_, model_.get(), id) == SKALD_SHORT) {
            text_.resize(n);
            skald_decoder_push(text_.data(), &n, &state_, model_.get(), id);
        }
        return std::string_view(text_.data(), n);
    }

  private:
    model model_;
    skald_decoder state_{};
    std::string text_ = std::string(512, '\0');
};

class cache;

/* One text in a cache, released with this object; it must not outlive the cache. */
class sequence {
  public:
    sequence() = default;
    sequence(sequence &&other) noexcept : cache_(std::exchange(other.cache_, nullptr)), seq_(other.seq_) {}
    sequence &operator=(sequence &&other) noexcept {
        std::swap(cache_, other.cache_);
        std::swap(seq_, other.seq_);
        return *this;
    }
    ~sequence() {
        if (cache_) skald_kv_cache_release(cache_, seq_);
    }
    skald_seq number() const { return seq_; }
    uint32_t length() const {
        uint32_t n = 0;
        skald_kv_cache_length(&n, cache_, seq_);
        return n;
    }
    result<void> reserve(uint32_t n) { return skald_kv_cache_reserve(cache_, seq_, n); }
    result<void> rewind(uint32_t n) { return skald_kv_cache_rewind(cache_, seq_, n); }
    result<sequence> fork(uint32_t n) const {
        skald_seq out = 0;
        const skald_status s = skald_kv_cache_fork(&out, cache_, seq_, n);
        if (s != SKALD_OK) return detail::outcome(s);
        return sequence(cache_, out);
    }
    result<std::string> save() const {
        std::string out;
        detail::report why;
        uint64_t n = 0;
        skald_status s = skald_kv_cache_save(&n, cache_, seq_, nullptr, nullptr, &why);
        if (s == SKALD_OK) {
            out.reserve(static_cast<size_t>(n)); /* so that nothing can fail inside the callback */
            const auto take = [](void *user, const void *from, size_t bytes) noexcept -> skald_status {
                static_cast<std::string *>(user)->append(static_cast<const char *>(from), bytes);
                return SKALD_OK;
            };
            s = skald_kv_cache_save(nullptr, cache_, seq_, take, &out, &why);
        }
        if (s != SKALD_OK) return detail::outcome(s, why);
        return out;
    }

  private:
    friend class cache;
    sequence(skald_kv_cache *c, skald_seq s) : cache_(c), seq_(s) {}
    skald_kv_cache *cache_ = nullptr;
    skald_seq seq_ = 0;
};

class cache {
  public:
    cache() = default;
    static result<cache> create(const model &m, const skald_kv_cache_options &o = cache_options()) {
        skald_kv_cache *out = nullptr;
        detail::report why;
        const skald_status s = skald_kv_cache_create(&out, m.get(), &o, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return cache(out);
    }
    skald_kv_cache *get() const { return own_.get(); }
    result<sequence> open() {
        skald_seq out = 0;
        const skald_status s = skald_kv_cache_open(&out, get());
        if (s != SKALD_OK) return detail::outcome(s);
        return sequence(get(), out);
    }
    result<sequence> restore(std::string_view saved) {
        skald_seq out = 0;
        detail::report why;
        const auto give = [](void *user, void *to, size_t n) noexcept -> skald_status {
            auto &rest = *static_cast<std::string_view *>(user);
            if (rest.size() < n) return SKALD_READ;
            std::memcpy(to, rest.data(), n);
            rest.remove_prefix(n);
            return SKALD_OK;
        };
        const skald_status s = skald_kv_cache_restore(&out, get(), give, &saved, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return sequence(get(), out);
    }
    skald_kv_cache_stats stats() const {
        skald_kv_cache_stats t{};
        t.size = sizeof t;
        skald_kv_cache_get_stats(&t, get());
        return t;
    }

  private:
    explicit cache(skald_kv_cache *c) : own_(c) {}
    detail::handle<skald_kv_cache, skald_kv_cache_free> own_;
};

class sampler {
  public:
    sampler() = default;
    static result<sampler> create(const model &m, const skald_sampler_options &o = sampler_options()) {
        skald_sampler *out = nullptr;
        detail::report why;
        const skald_status s = skald_sampler_create(&out, m.get(), &o, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return sampler(out);
    }
    skald_sampler *get() const { return own_.get(); }
    result<int32_t> choose(const float *logits, uint64_t position, const ids &history = {}) {
        int32_t id = -1;
        const skald_status s =
            skald_sampler_choose(&id, get(), logits, position, history.data(), static_cast<uint32_t>(history.size()));
        if (s != SKALD_OK) return detail::outcome(s);
        return id;
    }

  private:
    explicit sampler(skald_sampler *s) : own_(s) {}
    detail::handle<skald_sampler, skald_sampler_free> own_;
};

/* A row of logits: the context's memory, until its next step. */
struct row {
    const float *data = nullptr;
    size_t size = 0;
    const float *begin() const { return data; }
    const float *end() const { return data + size; }
    float operator[](size_t i) const { return data[i]; }
    explicit operator bool() const { return data != nullptr; }
};

inline skald_span span(const sequence &s, const int32_t *tokens, uint32_t n, uint32_t logits = SKALD_LOGITS_LAST) {
    return {sizeof(skald_span), s.number(), tokens, nullptr, n, logits, nullptr, 0, 0};
}

class context {
  public:
    context() = default;
    static result<context> create(const model &m, const skald_context_options &o = context_options()) {
        skald_context *out = nullptr;
        detail::report why;
        const skald_status s = skald_context_create(&out, m.get(), &o, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return context(out, m.info().n_vocab);
    }
    skald_context *get() const { return own_.get(); }
    /* All of the spans, or nothing. status() PENDING: go_on() or cancel(); until then the spans' memory must be there. */
    result<void> step(const cache &c, const skald_span *spans, uint32_t n,
                      const skald_step_options &o = step_options()) {
        detail::report why;
        const skald_status s = skald_step(get(), c.get(), &o, &why, spans, n);
        return result<void>(s, why);
    }
    result<void> feed(const cache &c, const sequence &s, const int32_t *tokens, uint32_t n) {
        const skald_span one = span(s, tokens, n);
        return step(c, &one, 1);
    }
    result<void> go_on(const skald_step_options &o = step_options()) {
        detail::report why;
        const skald_status s = skald_step_continue(get(), &o, &why);
        return result<void>(s, why);
    }
    result<void> cancel() { return skald_step_cancel(get()); }
    row logits(uint32_t index = 0) const { return {skald_logits(get(), index), n_vocab_}; }
    int32_t argmax(uint32_t index = 0) const { return skald_logits_argmax(get(), index); }

  private:
    context(skald_context *c, uint32_t n_vocab) : own_(c), n_vocab_(n_vocab) {}
    detail::handle<skald_context, skald_context_free> own_;
    uint32_t n_vocab_ = 0;
};

/* The layout of conversations: the file's, or the caller's own (Jinja). */
class layout {
  public:
    layout() = default;
    static result<layout> create(const model &m, std::string_view text = {}) {
        skald_template *out = nullptr;
        detail::report why;
        const skald_status s = skald_template_create(&out, m.get(), text.data(), text.size(), &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return layout(out);
    }
    skald_template *get() const { return own_.get(); }
    static skald_template_input input(const std::vector<skald_message> &messages, std::string_view json = {}) {
        skald_template_input in = detail::options(skald_template_input_init);
        in.open = 1;
        in.messages = messages.data();
        in.n_messages = static_cast<uint32_t>(messages.size());
        in.json = json.data();
        in.n_json_bytes = json.size();
        return in;
    }
    result<std::string> render(const skald_template_input &in) const {
        std::string out(4096, '\0');
        size_t n = out.size();
        detail::report why;
        skald_status s = skald_template_render(out.data(), nullptr, &n, get(), &in, &why);
        if (s == SKALD_SHORT) {
            out.resize(n);
            s = skald_template_render(out.data(), nullptr, &n, get(), &in, &why);
        }
        if (s != SKALD_OK) return detail::outcome(s, why);
        out.resize(n);
        return out;
    }
    result<ids> encode(const skald_template_input &in) const {
        ids out(1024);
        uint32_t n = static_cast<uint32_t>(out.size());
        detail::report why;
        skald_status s = skald_template_encode(out.data(), &n, get(), &in, &why);
        if (s == SKALD_SHORT) {
            out.resize(n);
            s = skald_template_encode(out.data(), &n, get(), &in, &why);
        }
        if (s != SKALD_OK) return detail::outcome(s, why);
        out.resize(n);
        return out;
    }

  private:
    explicit layout(skald_template *t) : own_(t) {}
    detail::handle<skald_template, skald_template_free> own_;
};

/* Many requests at once: submit and cancel from any thread, step and poll from one. */
class engine {
  public:
    engine() = default;
    static result<engine> create(const model &m, const skald_engine_options &o = engine_options()) {
        skald_engine *out = nullptr;
        detail::report why;
        const skald_status s = skald_engine_create(&out, m.get(), &o, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return engine(out);
    }
    skald_engine *get() const { return own_.get(); }
    static skald_request request(const ids &prompt, uint32_t n_tokens) {
        skald_request r{};
        r.size = sizeof r;
        r.prompt = prompt.data();
        r.n_prompt = static_cast<uint32_t>(prompt.size());
        r.n_tokens = n_tokens;
        return r;
    }
    result<skald_request_id> submit(const skald_request &r) {
        skald_request_id id = 0;
        detail::report why;
        const skald_status s = skald_engine_submit(&id, get(), &r, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return id;
    }
    result<void> cancel(skald_request_id id) { return skald_engine_cancel(get(), id); }
    /* OK, or status() PENDING or END. */
    result<void> step(uint32_t microseconds = 0) {
        detail::report why;
        const skald_status s = skald_engine_step(get(), microseconds, &why);
        return result<void>(s, why);
    }
    /* False: nothing new. */
    bool poll(skald_event &event) {
        event = {};
        event.size = sizeof event;
        return skald_engine_poll(&event, get()) == SKALD_OK;
    }
    skald_engine_stats stats() const {
        skald_engine_stats t{};
        t.size = sizeof t;
        skald_engine_get_stats(&t, get());
        return t;
    }

  private:
    explicit engine(skald_engine *e) : own_(e) {}
    detail::handle<skald_engine, skald_engine_free> own_;
};

} // namespace skald
#endif

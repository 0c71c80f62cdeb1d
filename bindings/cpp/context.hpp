/* A loop of one's own: cache and sequences, context and spans, sampler. */
#ifndef SKALD_CONTEXT_HPP
#define SKALD_CONTEXT_HPP

#include "model.hpp"
#include <cstring>

namespace skald {

/* One text in a cache, released with this object, and not while a paused step uses the cache: then it stays until the cache goes.
 * One thread at a time, together with its cache, which it keeps alive. */
class sequence {
  public:
    sequence() = default;
    sequence(sequence &&other) noexcept : cache_(std::move(other.cache_)), seq_(other.seq_) {}
    sequence &operator=(sequence &&other) noexcept {
        std::swap(cache_, other.cache_);
        std::swap(seq_, other.seq_);
        return *this;
    }
    ~sequence() {
        if (cache_) skald_kv_cache_release(cache_.get(), seq_);
    }
    skald_seq number() const { return seq_; }
    uint32_t length() const {
        uint32_t n = 0;
        skald_kv_cache_length(&n, cache_.get(), seq_);
        return n;
    }
    /* Room for n tokens more, so that a later step cannot be FULL. FULL: nothing was taken. */
    result<void> reserve(uint32_t n) { return skald_kv_cache_reserve(cache_.get(), seq_, n); }
    /* Forgets all but the first n tokens. GONE: a window or state reaches back only so far; nothing changed. */
    result<void> rewind(uint32_t n) { return skald_kv_cache_rewind(cache_.get(), seq_, n); }
    /* A new sequence with the first n tokens, which shares their pages. */
    result<sequence> fork(uint32_t n) const {
        skald_seq out = 0;
        const skald_status s = skald_kv_cache_fork(&out, cache_.get(), seq_, n);
        if (s != SKALD_OK) return detail::outcome(s);
        return sequence(cache_, out);
    }
    /* Bytes that save gives. */
    result<uint64_t> saved_bytes() const {
        uint64_t n = 0;
        detail::report why;
        const skald_status s = skald_kv_cache_save(&n, cache_.get(), seq_, nullptr, nullptr, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return n;
    }
    /* write(const void *from, size_t n) takes them in pieces; what it gives but OK, or throws, ends the call with that. */
    template <class Write> result<void> save_to(Write &&write) const {
        auto taken = detail::listen(write);
        const auto take = [](void *user, const void *from, size_t n) noexcept -> skald_status {
            return static_cast<decltype(taken) *>(user)->template call<skald_status>(SKALD_CANCELLED, from, n);
        };
        detail::report why;
        const skald_status s = skald_kv_cache_save(nullptr, cache_.get(), seq_, take, &taken, &why);
        taken.rethrow();
        return result<void>(s, why);
    }
    result<std::string> save() const {
        std::string out;
        auto n = saved_bytes();
        if (!n) return n;
        out.reserve(static_cast<size_t>(*n));
        const auto done = save_to([&](const void *from, size_t bytes) -> skald_status {
            return out.append(static_cast<const char *>(from), bytes), SKALD_OK;
        });
        if (!done) return done;
        return out;
    }

  private:
    friend class cache;
    sequence(std::shared_ptr<skald_kv_cache> c, skald_seq s) : cache_(std::move(c)), seq_(s) {}
    std::shared_ptr<skald_kv_cache> cache_;
    skald_seq seq_ = 0;
};

/* Pages of many sequences. One thread at a time. It goes when its sequences and a paused step that uses it are gone too. */
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
    /* An empty sequence. FULL: as many as allowed live already. */
    result<sequence> open() {
        skald_seq out = 0;
        const skald_status s = skald_kv_cache_open(&out, get());
        if (s != SKALD_OK) return detail::outcome(s);
        return sequence(own_, out);
    }
    /* A new sequence from what was saved: the next logits have the same bits. read(void *to, size_t n) gives the next n bytes; what
     * it gives but OK, or throws, ends the call with that. A damaged one is refused; nothing changes unless all is right. */
    template <class Read> result<sequence> restore_from(Read &&read) {
        auto given = detail::listen(read);
        const auto give = [](void *user, void *to, size_t n) noexcept -> skald_status {
            return static_cast<decltype(given) *>(user)->template call<skald_status>(SKALD_CANCELLED, to, n);
        };
        skald_seq out = 0;
        detail::report why;
        const skald_status s = skald_kv_cache_restore(&out, get(), give, &given, &why);
        given.rethrow();
        if (s != SKALD_OK) return detail::outcome(s, why);
        return sequence(own_, out);
    }
    result<sequence> restore(std::string_view saved) {
        return restore_from([&](void *to, size_t n) -> skald_status {
            if (saved.size() < n) return SKALD_READ;
            std::memcpy(to, saved.data(), n);
            saved.remove_prefix(n);
            return SKALD_OK;
        });
    }
    skald_kv_cache_stats stats() const {
        skald_kv_cache_stats t = detail::sized<skald_kv_cache_stats>();
        skald_kv_cache_get_stats(&t, get());
        return t;
    }

  private:
    friend class context;
    explicit cache(skald_kv_cache *c) : own_(c, detail::freer<skald_kv_cache, skald_kv_cache_free>()) {}
    std::shared_ptr<skald_kv_cache> own_;
};

/* How a token is chosen from logits. One thread at a time. */
class sampler : public detail::owner<skald_sampler, skald_sampler_free> {
  public:
    static result<sampler> create(const model &m, const skald_sampler_options &o = sampler_options()) {
        auto s = made<sampler>([&](auto *out, auto *why) { return skald_sampler_create(out, m.get(), &o, why); });
        if (s) s->n_vocab_ = m.info().n_vocab;
        return s;
    }
    /* The id for `position`; `history` is the text so far. ARGUMENT: a row of another length, a logit that is NaN, or every id is
     * forbidden. */
    result<int32_t> choose(row logits, uint64_t position, ids_view history = {}) {
        int32_t id = -1;
        if (logits.size != n_vocab_) return detail::outcome(SKALD_ARGUMENT);
        const skald_status s =
            skald_sampler_choose(&id, get(), logits.data, position, history.data, static_cast<uint32_t>(history.size));
        if (s != SKALD_OK) return detail::outcome(s);
        return id;
    }

  private:
    uint32_t n_vocab_ = 0;
};

/* More tokens of one sequence for a step; all of it is the caller's memory until the step ends. */
inline skald_span span(const sequence &s, ids_view tokens, uint32_t logits = SKALD_LOGITS_LAST,
                       view<skald_span_adapter> adapters = {}) {
    skald_span one = detail::sized<skald_span>();
    one.seq = s.number();
    one.tokens = tokens.data;
    one.n_tokens = static_cast<uint32_t>(tokens.size);
    one.logits = logits;
    one.adapters = adapters.data;
    one.n_adapters = static_cast<uint32_t>(adapters.size);
    return one;
}
/* The same with n rows of n_embd floats in place of ids. */
inline skald_span embedded_span(const sequence &s, const float *rows, uint32_t n, uint32_t logits = SKALD_LOGITS_LAST,
                                view<skald_span_adapter> adapters = {}) {
    skald_span one = span(s, {}, logits, adapters);
    one.embeddings = rows;
    one.n_tokens = n;
    return one;
}

/* Scratch and one stream of passes through the model. One thread at a time. */
class context : public detail::owner<skald_context, skald_context_free> {
  public:
    static result<context> create(const model &m, const skald_context_options &o = context_options()) {
        auto made_one =
            made<context>([&](auto *out, auto *why) { return skald_context_create(out, m.get(), &o, why); });
        if (made_one) made_one->n_vocab_ = m.info().n_vocab;
        return made_one;
    }
    ~context() { own_.reset(); } /* cancels a paused step, and only then lets go of its cache */
    context() = default;
    context(context &&) = default;
    context &operator=(context &&other) noexcept {
        own_ = std::move(other.own_);
        paused_ = std::move(other.paused_);
        spans_ = std::move(other.spans_);
        n_vocab_ = other.n_vocab_;
        return *this;
    }

    /* All of the spans, or nothing. status() PENDING: go_on() or cancel(); until then what the spans point to must be there. */
    result<void> step(const cache &c, view<skald_span> spans, const skald_step_options &o = step_options()) {
        detail::report why;
        if (o.microseconds && !paused_) {
            spans_.assign(spans.begin(), spans.end());
            spans = spans_;
        }
        const skald_status s = skald_step(get(), c.get(), &o, &why, spans.data, static_cast<uint32_t>(spans.size));
        if (s == SKALD_PENDING) paused_ = c.own_;
        return result<void>(s, why);
    }
    /* The short step: appends ids to one sequence. */
    result<void> feed(const cache &c, const sequence &s, ids_view tokens, uint32_t logits = SKALD_LOGITS_LAST,
                      view<skald_span_adapter> adapters = {}) {
        const skald_span one = span(s, tokens, logits, adapters);
        return step(c, {&one, 1});
    }
    result<void> go_on(const skald_step_options &o = step_options()) {
        detail::report why;
        const skald_status s = skald_step_continue(get(), &o, &why);
        if (s != SKALD_PENDING && s != SKALD_BUSY) paused_.reset();
        return result<void>(s, why);
    }
    result<void> cancel() {
        const skald_status s = skald_step_cancel(get());
        if (s == SKALD_OK) paused_.reset();
        return s;
    }
    /* Row `index` of the last finished step, not copied; false: no such row. The id with its largest logit, -1: no such row. */
    row logits(uint32_t index = 0) const {
        const float *at = skald_logits(get(), index);
        return {at, at ? n_vocab_ : 0u};
    }
    int32_t argmax(uint32_t index = 0) const { return skald_logits_argmax(get(), index); }
    /* Lines of the recorded pass. */
    std::vector<std::string> ops() const {
        std::vector<std::string> lines;
        for (;;) {
            auto line = detail::filled<std::string, size_t>(128, {}, [&](char *to, size_t *n) {
                return skald_context_op(to, n, get(), static_cast<uint32_t>(lines.size()));
            });
            if (!line) return lines;
            line->pop_back(); /* the closing NUL */
            lines.push_back(std::move(*line));
        }
    }

  private:
    std::shared_ptr<skald_kv_cache> paused_; /* of a paused step */
    std::vector<skald_span> spans_;          /* likewise */
    uint32_t n_vocab_ = 0;
};

} // namespace skald
#endif

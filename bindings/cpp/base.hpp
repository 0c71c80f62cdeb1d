/* What every part of skald.hpp is made of: results, errors, views, owners of handles. */
#ifndef SKALD_BASE_HPP
#define SKALD_BASE_HPP

#include <skald/skald.h>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#if defined(__cpp_exceptions)
#include <exception>
#include <stdexcept>
#endif

namespace skald {

using status = skald_status;

#if defined(__cpp_exceptions)
/* What value() and check() throw: what() is the library's sentence. */
struct error : std::runtime_error {
    skald_status status;
    error(skald_status s, const char *why) : std::runtime_error(why), status(s) {}
};
#endif

/* Somebody else's elements, read only: of a vector, an array, whatever has them one behind the other. A list in braces lives as long as
 * the call it is written in. */
template <class T> struct view {
    const T *data = nullptr;
    size_t size = 0;
    view() = default;
    view(const T *from, size_t n) : data(from), size(n) {}
    template <class From,
              class = std::enable_if_t<std::is_same_v<const T *, decltype(std::data(std::declval<const From &>()))>>>
    view(const From &from) : data(std::data(from)), size(std::size(from)) {}
    view(std::initializer_list<T> from) : size(from.size()) { data = from.begin(); }
    const T *begin() const { return data; }
    const T *end() const { return data + size; }
    const T &operator[](size_t i) const { return data[i]; }
    explicit operator bool() const { return data != nullptr; }
};

using ids = std::vector<int32_t>;
using ids_view = view<int32_t>;
using row = view<float>; /* of logits: the context's memory, until its next step */

namespace detail {
struct report : skald_report {
    report() : skald_report{} { size = sizeof(skald_report); }
};

/* What both kinds of result have: how it went, and the sentence. */
class outcome {
  public:
    outcome() = default;
    outcome(skald_status s, const report &r) : status_(s), why_(s == SKALD_OK ? "" : r.text) {}
    explicit outcome(skald_status s) : status_(s) {}
    explicit operator bool() const { return status_ == SKALD_OK; }
    skald_status status() const { return status_; }
    /* A sentence for a person, "" after success; lives as long as the result. */
    const char *why() const {
        return status_ == SKALD_OK ? "" : why_.empty() ? skald_status_text(status_) : why_.c_str();
    }
#if defined(__cpp_exceptions)
    /* Throws unless it is OK: also for FULL, PENDING and END. */
    void check() const {
        if (status_ != SKALD_OK) throw error(status_, why());
    }
#endif

  private:
    skald_status status_ = SKALD_OK;
    std::string why_;
};
} // namespace detail

/* A value, or why there is none. */
template <class T> class result : public detail::outcome {
  public:
    result(T &&value) : value_(std::move(value)) {}
    result(const detail::outcome &failed) : outcome(failed) {}
    T &operator*() & { return value_; }
    const T &operator*() const & { return value_; }
    T operator*() && { return std::move(value_); }
    T *operator->() { return &value_; }
    const T *operator->() const { return &value_; }
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
    result(const detail::outcome &went) : outcome(went) {}
};

namespace detail {
/* A unique pointer to a C handle. */
template <class T, auto Free> struct freer {
    void operator()(T *t) const { (void)Free(t); }
};

/* The one owner of a C handle; moved, not copied. One made by default, or moved from, holds NULL. */
template <class T, auto Free> class owner {
  public:
    T *get() const { return own_.get(); }

  protected:
    template <class Self, class Make> static result<Self> made(Make &&make) {
        T *out = nullptr;
        report why;
        const skald_status s = make(&out, &why);
        if (s != SKALD_OK) return outcome(s, why);
        Self self;
        self.own_.reset(out);
        return self;
    }
    std::unique_ptr<T, freer<T, Free>> own_;
};

/* One of the owners of a C handle that threads share: a copy is one more. */
template <class T, auto Retain, auto Release> class shared : public owner<T, Release> {
  public:
    shared() = default;
    shared(shared &&) = default;
    shared(const shared &other) {
        this->own_.reset(other.get());
        if (this->own_) Retain(this->get());
    }
    shared &operator=(shared other) {
        this->own_.swap(other.own_);
        return *this;
    }
};

template <class O> O options(void (*init)(O *, uint32_t)) {
    O o;
    init(&o, sizeof o);
    return o;
}

/* A struct that the library fills: its size is set. */
template <class T> T sized() {
    T t{};
    t.size = sizeof t;
    return t;
}

/* What `fill` writes, which is told the room and tells the length; it is called again where the guess was too short. */
template <class Box, class N, class Fill> result<Box> filled(size_t guess, const report &why, Fill &&fill) {
    Box out(guess, typename Box::value_type());
    N n = static_cast<N>(guess);
    skald_status s = fill(out.data(), &n);
    if (s == SKALD_SHORT) {
        out.resize(n);
        s = fill(out.data(), &n);
    }
    if (s != SKALD_OK) return outcome(s, why);
    out.resize(n);
    return out;
}

/* A callable behind a C callback's `user`. What it throws waits until C has returned. */
template <class F> class callback {
  public:
    explicit callback(F &f) : f_(std::addressof(f)) {}
    template <class R, class... A> R call(R failed, A &&...a) noexcept {
#if defined(__cpp_exceptions)
        try {
            return static_cast<R>((*f_)(std::forward<A>(a)...));
        } catch (...) {
            thrown_ = std::current_exception();
            return failed;
        }
#else
        (void)failed;
        return static_cast<R>((*f_)(std::forward<A>(a)...));
#endif
    }
    void rethrow() {
#if defined(__cpp_exceptions)
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
#endif
    }

  private:
    F *f_;
#if defined(__cpp_exceptions)
    std::exception_ptr thrown_;
#endif
};
template <class F> callback<std::remove_reference_t<F>> listen(F &&f) {
    return callback<std::remove_reference_t<F>>(f);
}
} // namespace detail

/* The version of the library that runs, major << 16 | minor << 8 | patch; and the number of the bits it computes. */
inline uint32_t version() { return skald_version(); }
inline uint32_t numerics_version() { return skald_numerics_version(); }

} // namespace skald
#endif

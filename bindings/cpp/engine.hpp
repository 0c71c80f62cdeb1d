/* Many requests at once. */
#ifndef SKALD_ENGINE_HPP
#define SKALD_ENGINE_HPP

#include "grammar.hpp"

namespace skald {

/* What an answer is asked for: a skald_request, with its fields at hand. What it points to is the caller's until it is submitted,
 * which copies it; only a stage stays the caller's until the request's end was told. */
struct request : skald_request {
    request(ids_view prompt_ids, uint32_t most) : skald_request{} {
        size = sizeof(skald_request);
        prompt = prompt_ids.data;
        n_prompt = static_cast<uint32_t>(prompt_ids.size);
        n_tokens = most;
    }
    request &drawn(const skald_sampler_options &o) {
        sampler = &o;
        return *this;
    }
    request &within(const skald::grammar &g) {
        grammar = g.get();
        return *this;
    }
    request &adapted(view<skald_span_adapter> list) {
        adapters = list.data;
        n_adapters = static_cast<uint32_t>(list.size);
        return *this;
    }
    request &until(view<const char *> list) {
        stops = list.data;
        n_stops = static_cast<uint32_t>(list.size);
        return *this;
    }
    /* The answer begins with `text`; the last `heal` ids of the prompt are taken back and go before it. */
    request &beginning(std::string_view text, uint32_t heal = 0) {
        prefix = text.data();
        n_prefix = static_cast<uint32_t>(text.size());
        n_heal = heal;
        return *this;
    }
    /* look(float *logits, uint32_t n_vocab, uint64_t position, ids_view text) may change the logits of each id before the grammar and
     * the sampler look. Called by the engine's step; may not throw. */
    template <class Look> request &staged(Look &look) {
        stage = [](void *user, float *logits, uint32_t n, uint64_t at, const int32_t *text, uint32_t n_text) noexcept {
            (*static_cast<Look *>(user))(logits, n, at, ids_view(text, n_text));
        };
        stage_user = &look;
        return *this;
    }
};

/* What an event adds to the text, and the most likely ids of a TOKEN: the engine's memory, until its next call but submit and
 * cancel. */
inline std::string_view text_of(const skald_event &e) { return {e.text ? e.text : "", e.n_bytes}; }
inline view<skald_logprob> top_of(const skald_event &e) { return {e.top, e.n_top}; }

/* Submit and cancel from any thread; step, poll, run and stats from one at a time. All memory is asked for when it is made. */
class engine : public detail::owner<skald_engine, skald_engine_free> {
  public:
    static result<engine> create(const model &m, const skald_engine_options &o = engine_options()) {
        return made<engine>([&](auto *out, auto *why) { return skald_engine_create(out, m.get(), &o, why); });
    }
    /* FULL: no room for it until another has ended. */
    result<skald_request_id> submit(const skald_request &r) {
        skald_request_id id = 0;
        detail::report why;
        const skald_status s = skald_engine_submit(&id, get(), &r, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return id;
    }
    /* Reads a prompt when nothing else is to do, and keeps it for requests that begin with it; its end is told as a LENGTH. */
    result<skald_request_id> warm(ids_view prompt) { return submit(request(prompt, 0)); }
    /* ABSENT: it has ended. */
    result<void> cancel(skald_request_id id) { return skald_engine_cancel(get(), id); }
    /* One pass, or work for about so many microseconds. OK, or status() PENDING: the time is used up, END: nothing to do. */
    result<void> step(uint32_t microseconds = 0) {
        detail::report why;
        const skald_status s = skald_engine_step(get(), microseconds, &why);
        return result<void>(s, why);
    }
    /* False: nothing new. */
    bool poll(skald_event &event) {
        event = detail::sized<skald_event>();
        return skald_engine_poll(&event, get()) == SKALD_OK;
    }
    /* Steps, and tells on(const skald_event &) what happens, until there is nothing to do. It may submit, cancel and throw: the
     * rest is told when it is run again. */
    template <class On> result<void> run(On &&on) {
        for (;;) {
            const result<void> went = step();
            for (skald_event event; poll(event);) on(event);
            if (went.status() == SKALD_END) return {};
            if (!went) return went;
        }
    }
    skald_engine_stats stats() const {
        skald_engine_stats t = detail::sized<skald_engine_stats>();
        skald_engine_get_stats(&t, get());
        return t;
    }
};

} // namespace skald
#endif

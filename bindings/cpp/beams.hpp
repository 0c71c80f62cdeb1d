/* The likeliest texts behind a prompt. */
#ifndef SKALD_BEAMS_HPP
#define SKALD_BEAMS_HPP

#include "model.hpp"

namespace skald {

/* A text that a search has found; its ids are the search's memory. */
struct beam {
    ids_view ids; /* without the one that ended it */
    float score;
    bool ended; /* by the model, and not by n_tokens */
};

/* A finished search, the best text first. Never changes; threads share it. */
class beams : public detail::owner<skald_beams, skald_beams_free> {
  public:
    /* CANCELLED: by the options' progress. ARGUMENT: also a logit that is NaN. Any thread. */
    static result<beams> search(const model &m, ids_view prompt, const skald_beam_options &o) {
        auto found = made<beams>([&](auto *out, auto *why) {
            return skald_beams_search(out, m.get(), &o, prompt.data, static_cast<uint32_t>(prompt.size), why);
        });
        if (!found) return found;
        auto one = detail::sized<skald_beam>();
        while (skald_beams_get(&one, found->get(), static_cast<uint32_t>(found->size())) == SKALD_OK)
            found->all_.push_back({{one.ids, one.n_ids}, one.score, one.ended != 0});
        return found;
    }
    size_t size() const { return all_.size(); }
    const beam &operator[](size_t i) const { return all_[i]; }
    std::vector<beam>::const_iterator begin() const { return all_.begin(); }
    std::vector<beam>::const_iterator end() const { return all_.end(); }

  private:
    std::vector<beam> all_;
};

} // namespace skald
#endif

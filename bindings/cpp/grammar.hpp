/* What an answer may say, and how far one has come. */
#ifndef SKALD_GRAMMAR_HPP
#define SKALD_GRAMMAR_HPP

#include "model.hpp"

namespace skald {

/* Compiled for the vocabulary of one model: threads share it, and a copy is one more owner. The text is not kept; FORMAT and
 * UNSUPPORTED say where in it. */
class grammar : public detail::shared<skald_grammar, skald_grammar_retain, skald_grammar_release> {
  public:
    /* CANCELLED: by the options' progress; the first grammar of a model takes time, and a large one. */
    static result<grammar> create(const model &m, std::string_view text, const skald_grammar_options &o) {
        auto g = made<grammar>([&](auto *out, auto *why) {
            return skald_grammar_create(out, m.get(), text.data(), text.size(), &o, why);
        });
        if (g) g->n_vocab_ = m.info().n_vocab;
        return g;
    }
    /* Rules in the manner of BNF. */
    static result<grammar> rules(const model &m, std::string_view text) { return create(m, text, grammar_options()); }
    /* JSON that is valid against a schema. */
    static result<grammar> json_schema(const model &m, std::string_view schema) {
        skald_grammar_options o = grammar_options();
        o.kind = SKALD_GRAMMAR_JSON_SCHEMA;
        return create(m, schema, o);
    }
    /* A call of one of the tools in a JSON list, as `family` writes calls; NULL: found by the file's template. */
    static result<grammar> tools(const model &m, std::string_view list, const char *family = nullptr) {
        skald_grammar_options o = grammar_options();
        o.kind = SKALD_GRAMMAR_TOOLS;
        o.family = family;
        return create(m, list, o);
    }

  private:
    friend class matcher;
    uint32_t n_vocab_ = 0;
};

/* One answer on its way through a grammar, which it keeps alive. One thread at a time; asks for no memory once made. */
class matcher : public detail::owner<skald_matcher, skald_matcher_free> {
  public:
    static result<matcher> create(const grammar &g) {
        auto m = made<matcher>([&](auto *out, auto *why) { return skald_matcher_create(out, g.get(), why); });
        if (m) m->n_vocab_ = g.n_vocab_;
        return m;
    }
    /* Becomes as far as another of the same grammar. ARGUMENT: of another grammar, and nothing changed. */
    result<void> copy(const matcher &from) { return skald_matcher_copy(get(), from.get()); }
    /* The row's logits to `to`, which may be the row itself, with -INFINITY for what may not come next; n_left: tokens that the answer
     * may still have, 0: no bound. status() END: written too, and the text is whole: only ids that end it are left.
     * ARGUMENT: a row of another length. */
    result<void> mask(float *to, row logits, uint32_t n_left = 0) {
        if (logits.size != n_vocab_) return SKALD_ARGUMENT;
        return skald_matcher_mask(to, get(), logits.data, n_left);
    }
    /* The answer goes on with `id`. status() END: and now nothing can follow. ARGUMENT: it may not come here; nothing changed. */
    result<void> accept(int32_t id) { return skald_matcher_accept(get(), id); }
    /* Whether the text is one of the grammar as it is, and tokens that surely suffice to bring it to an end. */
    bool may_end() const { return skald_matcher_may_end(get()) != 0; }
    uint32_t least() const { return skald_matcher_least(get()); }

  private:
    uint32_t n_vocab_ = 0;
};

} // namespace skald
#endif

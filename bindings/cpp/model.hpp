/* Weights and vocabulary, text to ids and back, the short way to an answer, adapters. */
#ifndef SKALD_MODEL_HPP
#define SKALD_MODEL_HPP

#include "runtime.hpp"

namespace skald {

/* Weights and vocabulary: threads share it, and a copy is one more owner. */
class model : public detail::shared<skald_model, skald_model_retain, skald_model_release> {
  public:
    static result<model> open(const runtime &r, const char *path, const skald_model_options &o = model_options()) {
        return made<model>([&](auto *out, auto *why) { return skald_model_open_path(out, r.get(), path, &o, why); });
    }
    /* The first part of a file, or all in order. */
    static result<model> open(const runtime &r, view<skald_source> parts,
                              const skald_model_options &o = model_options()) {
        return made<model>([&](auto *out, auto *why) {
            return skald_model_open(out, r.get(), &o, why, parts.data, static_cast<uint32_t>(parts.size));
        });
    }

    /* Strings here and below are the model's. */
    skald_model_info info() const {
        skald_model_info i = detail::sized<skald_model_info>();
        skald_model_get_info(&i, get());
        return i;
    }
    /* Keys of the file, and the value of one as text; ABSENT: no such key. */
    std::vector<const char *> metadata_keys() const {
        std::vector<const char *> keys;
        while (const char *key = skald_model_metadata_key(get(), static_cast<uint32_t>(keys.size())))
            keys.push_back(key);
        return keys;
    }
    result<std::string> metadata(const char *key) const {
        auto text = detail::filled<std::string, size_t>(64, {}, [&](char *to, size_t *n) {
            return skald_model_metadata(to, n, get(), key);
        });
        if (text) text->pop_back(); /* the closing NUL */
        return text;
    }
    std::vector<skald_tensor_info> tensors() const {
        std::vector<skald_tensor_info> all;
        auto one = detail::sized<skald_tensor_info>();
        while (skald_model_tensor(&one, get(), static_cast<uint32_t>(all.size())) == SKALD_OK) all.push_back(one);
        return all;
    }
    /* Names of operations and of the kernels that the device has chosen for them. */
    std::vector<std::pair<const char *, const char *>> kernels() const {
        std::vector<std::pair<const char *, const char *>> all;
        std::pair<const char *, const char *> one;
        while (skald_model_kernel(&one.first, &one.second, get(), static_cast<uint32_t>(all.size())) == SKALD_OK)
            all.push_back(one);
        return all;
    }

    /* The id of a role, -1: none; whether generation stops at an id, and the ids at which it does. */
    int32_t token(skald_token_role role) const { return skald_model_token(get(), role); }
    bool is_end(int32_t id) const { return skald_model_is_end(get(), id) != 0; }
    ids ends() const {
        ids all;
        for (int32_t id; (id = skald_model_end(get(), static_cast<uint32_t>(all.size()))) >= 0;) all.push_back(id);
        return all;
    }

    result<ids> encode(std::string_view text, skald_encode_flags flags = 0) const {
        return detail::filled<ids, uint32_t>(text.size() + 16, {}, [&](int32_t *to, uint32_t *n) {
            return skald_encode(to, n, get(), flags, text.data(), text.size());
        });
    }
    /* stranger[i] is not 0 where a stranger wrote byte i: no control token is read there. As long as the text, or ARGUMENT. */
    result<ids> encode_guarded(std::string_view text, view<uint8_t> stranger, skald_encode_flags flags) const {
        if (stranger.size != text.size()) return detail::outcome(SKALD_ARGUMENT);
        return detail::filled<ids, uint32_t>(text.size() + 16, {}, [&](int32_t *to, uint32_t *n) {
            return skald_encode_guarded(to, n, get(), flags, text.data(), stranger.data, text.size());
        });
    }
    result<std::string> decode(ids_view tokens, skald_decode_flags flags = 0) const {
        return detail::filled<std::string, size_t>(tokens.size * 8 + 16, {}, [&](char *to, size_t *n) {
            return skald_decode(to, n, get(), flags, tokens.data, static_cast<uint32_t>(tokens.size));
        });
    }

    /* Prompt in, text out; `say(std::string_view)` gives true to go on. What it throws comes out of here. */
    template <class Say>
    result<void> generate(const char *prompt, Say &&say, const skald_generate_options &o = generate_options()) const {
        auto heard = detail::listen(say);
        const auto hear = [](void *user, const char *text, size_t n) noexcept -> int32_t {
            return static_cast<decltype(heard) *>(user)->call(false, std::string_view(text, n)) ? 0 : 1;
        };
        detail::report why;
        const skald_status s = skald_generate(get(), prompt, &o, hear, &heard, &why);
        heard.rethrow();
        return result<void>(s, why);
    }
};

/* Ids to text one by one, whole characters. One thread at a time. */
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

/* Low-rank matrices beside a model's weights: threads share it, and a copy is one more owner. Contexts and engines name it in
 * spans and requests when their max_rank is no less than its rank. */
class adapter : public detail::shared<skald_adapter, skald_adapter_retain, skald_adapter_release> {
  public:
    static result<adapter> open(const model &m, const char *path) {
        return made<adapter>([&](auto *out, auto *why) { return skald_adapter_open_path(out, m.get(), path, why); });
    }
    static result<adapter> open(const model &m, const skald_source &from) {
        return made<adapter>([&](auto *out, auto *why) { return skald_adapter_open(out, m.get(), &from, why); });
    }
    /* The two files of PEFT: adapter_model.safetensors and adapter_config.json. */
    static result<adapter> open_peft(const model &m, const skald_source &tensors, const skald_source &config) {
        return made<adapter>(
            [&](auto *out, auto *why) { return skald_adapter_open_peft(out, m.get(), &tensors, &config, why); });
    }
    skald_adapter_info info() const {
        skald_adapter_info i = detail::sized<skald_adapter_info>();
        skald_adapter_get_info(&i, get());
        return i;
    }
    /* As a span or a request names it; this object must live until the step ends, or the request is submitted. */
    skald_span_adapter scaled(float scale = 1) const { return {get(), scale, 0}; }
};

} // namespace skald
#endif

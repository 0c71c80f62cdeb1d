/* What the host lends, where a model comes from, what it will cost. */
#ifndef SKALD_RUNTIME_HPP
#define SKALD_RUNTIME_HPP

#include "base.hpp"

namespace skald {

/* Defaults of each option struct, as the library has them. */
inline skald_runtime_options runtime_options() { return detail::options(skald_runtime_options_init); }
inline skald_model_options model_options() { return detail::options(skald_model_options_init); }
inline skald_kv_cache_options cache_options() { return detail::options(skald_kv_cache_options_init); }
inline skald_context_options context_options() { return detail::options(skald_context_options_init); }
inline skald_step_options step_options() { return detail::options(skald_step_options_init); }
inline skald_sampler_options sampler_options() { return detail::options(skald_sampler_options_init); }
inline skald_engine_options engine_options() { return detail::options(skald_engine_options_init); }
inline skald_generate_options generate_options() { return detail::options(skald_generate_options_init); }
inline skald_grammar_options grammar_options() { return detail::options(skald_grammar_options_init); }
inline skald_beam_options beam_options() { return detail::options(skald_beam_options_init); }

/* The host's memory: m.alloc(bytes, alignment, kind) and m.free(pointer, bytes, alignment), from any thread that calls skald.
 * `m` outlives all that is made from the runtime; neither call may throw. */
template <class M> skald_allocator allocator(M &m) {
    return {[](void *user, size_t bytes, size_t alignment, skald_memory_kind kind) noexcept -> void * {
                return static_cast<M *>(user)->alloc(bytes, alignment, kind);
            },
            [](void *user, void *pointer, size_t bytes, size_t alignment) noexcept {
                static_cast<M *>(user)->free(pointer, bytes, alignment);
            },
            &m};
}

/* The host's job system: e(job, n) runs job(0) ... job(n - 1) on any threads and returns when all have returned. `e` outlives
 * all that is made from the runtime, and may not throw. */
template <class E> skald_executor executor(E &e, uint32_t n_threads) {
    return {[](void *user, void (*job)(void *, uint32_t), void *arg, uint32_t n) noexcept {
                (*static_cast<E *>(user))([job, arg](uint32_t i) { job(arg, i); }, n);
            },
            &e, n_threads};
}

/* log(level, std::string_view) hears what the runtime has to say, on the thread that made the call; it outlives the runtime and
 * may not throw. */
template <class Log> void set_log(skald_runtime_options &o, Log &log) {
    o.log = [](void *user, int32_t level, const char *text) noexcept {
        (*static_cast<Log *>(user))(level, std::string_view(text));
    };
    o.log_user = &log;
}

/* more(done) of any options that have a progress: true to go on, false to cancel. It outlives the call and may not throw. */
template <class Options, class More> void set_progress(Options &o, More &more) {
    o.progress = [](void *user, float done) noexcept -> int32_t { return (*static_cast<More *>(user))(done) ? 0 : 1; };
    o.progress_user = &more;
}

/* A file by its path, or in memory that stays as it is until the model is open (in place: until it is freed). */
inline skald_source path_source(const char *path, bool map = false) {
    skald_source s = detail::sized<skald_source>();
    s.path = path;
    s.map = map;
    return s;
}
inline skald_source memory_source(const void *bytes, uint64_t n) {
    skald_source s = detail::sized<skald_source>();
    s.bytes = bytes;
    s.n_bytes = n;
    return s;
}
/* read(void *to, uint64_t offset, size_t n) gives a status and may not throw; it outlives the open. Concurrent: called on several
 * threads at once. */
template <class Read> skald_source reader_source(Read &read, uint64_t n, bool concurrent = false) {
    skald_source s = detail::sized<skald_source>();
    s.read = [](void *user, void *to, uint64_t offset, size_t bytes) noexcept -> skald_status {
        return (*static_cast<Read *>(user))(to, offset, bytes);
    };
    s.user = &read;
    s.n_bytes = n;
    s.concurrent = concurrent;
    return s;
}

/* Memory, threads, devices and a log. Threads share it. */
class runtime : public detail::owner<skald_runtime, skald_runtime_release> {
  public:
    static result<runtime> create(const skald_runtime_options &o = runtime_options()) {
        return made<runtime>([&](auto *out, auto *why) { return skald_runtime_create(out, &o, why); });
    }
    /* A device of a plug-in, for models opened from here. Not while another thread uses the runtime. */
    result<void> load_backend(const char *path, const char *config = nullptr) {
        detail::report why;
        const skald_status s = skald_runtime_load_backend(get(), path, config, &why);
        return result<void>(s, why);
    }
    /* The sizes alone, of a GGUF file, a folder with a config.json, or a config.json. Any thread. */
    result<skald_model_info> inspect(const char *path) const {
        detail::report why;
        skald_model_info info = detail::sized<skald_model_info>();
        const skald_status s = skald_model_inspect(&info, get(), path, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return info;
    }
    /* Of a model, a cache and a context, from the header of the file. */
    result<skald_memory_plan> plan(view<skald_source> parts, const skald_model_options &m = model_options(),
                                   const skald_kv_cache_options &k = cache_options(),
                                   const skald_context_options &c = context_options()) const {
        return planned([&](skald_memory_plan *plan, skald_report *why) {
            return skald_memory_get_plan(plan, get(), &m, &k, &c, why, parts.data, static_cast<uint32_t>(parts.size));
        });
    }
    /* Of a model and an engine. */
    result<skald_memory_plan> plan_engine(view<skald_source> parts, const skald_model_options &m = model_options(),
                                          const skald_engine_options &e = engine_options()) const {
        return planned([&](skald_memory_plan *plan, skald_report *why) {
            return skald_engine_get_plan(plan, get(), &m, &e, why, parts.data, static_cast<uint32_t>(parts.size));
        });
    }

  private:
    template <class Ask> static result<skald_memory_plan> planned(Ask &&ask) {
        detail::report why;
        skald_memory_plan plan = detail::sized<skald_memory_plan>();
        const skald_status s = ask(&plan, &why);
        if (s != SKALD_OK) return detail::outcome(s, why);
        return plan;
    }
};

/* What one token costs in a cache, from sizes alone; 0: no whole blocks there. Any thread. */
inline uint64_t kv_bytes_per_token(const skald_model_info &shape, skald_dtype k_type = SKALD_F16,
                                   skald_dtype v_type = SKALD_F16) {
    return skald_kv_bytes_per_token(&shape, k_type, v_type);
}

/* Formats: the name (NULL for an unknown one), the bytes of n elements (0: no whole blocks), n elements as floats. Any thread. */
inline const char *dtype_name(skald_dtype type) { return skald_dtype_name(type); }
inline uint64_t dtype_bytes(skald_dtype type, uint64_t n) { return skald_dtype_bytes(type, n); }
inline result<void> to_f32(float *to, skald_dtype type, const void *from, uint64_t n) {
    return skald_dtype_to_f32(to, type, from, n);
}

} // namespace skald
#endif

/* What a host lends, what a model tells, and text. */
#include "cpp.hpp"
#include <cmath>
#include <cstring>

static void test_told(const skald::model &model) {
    const skald_model_info info = model.info();
    CHECK(std::strcmp(info.architecture, "llama") == 0 && info.n_layers == 2);
    CHECK(*model.metadata("general.architecture") == "llama" && *model.metadata("general.name") == "tiny");
    CHECK(model.metadata("no.such.key").status() == SKALD_ABSENT);
    const auto keys = model.metadata_keys();
    bool all = !keys.empty();
    for (const char *key : keys) all = all && model.metadata(key);
    CHECK(all && skald_model_metadata_key(model.get(), static_cast<uint32_t>(keys.size())) == nullptr);

    uint64_t n_bytes = 0, n_parameters = 0;
    for (const skald_tensor_info &t : model.tensors()) {
        n_bytes += t.n_bytes;
        n_parameters += t.shape[0] * t.shape[1] * t.shape[2] * t.shape[3];
        CHECK(std::strcmp(t.type_name, skald::dtype_name(t.type)) == 0);
    }
    CHECK(n_bytes == info.n_file_bytes && n_parameters == info.n_parameters);
    CHECK(!model.kernels().empty() && *model.kernels().back().first && *model.kernels().back().second);

    CHECK(!model.ends().empty() && !model.is_end((*model.encode("a"))[0]));
    for (int32_t id : model.ends()) CHECK(model.is_end(id));
    CHECK(model.token(SKALD_TOKEN_MASK) == -1);
}

static void test_text(const skald::model &model) {
    const std::string text = "the sea, d\xc3\xa9j\xc3\xa0 vu";
    auto ids = model.encode(text);
    CHECK(ids && *model.decode(*ids) == text);
    CHECK(model.encode("")->empty() && *model.decode({}) == "");
    CHECK(*model.decode({(*ids)[0], (*ids)[1]}) + *model.decode({ids->data() + 2, ids->size() - 2}) == text);
    CHECK(spoken(model, *ids) == text);

    const std::string end = *model.decode({model.token(SKALD_TOKEN_EOS)}, SKALD_DECODE_SPECIAL);
    const std::vector<uint8_t> hosts(end.size()), strangers(end.size(), 1);
    CHECK(*model.encode_guarded(end, hosts, SKALD_ENCODE_SPECIAL) == skald::ids{model.token(SKALD_TOKEN_EOS)});
    CHECK(*model.encode_guarded(end, strangers, SKALD_ENCODE_SPECIAL) == *model.encode(end));
    CHECK(model.encode_guarded(end, {1, 2}, SKALD_ENCODE_SPECIAL).status() == SKALD_ARGUMENT);
}

static std::string said(const skald::model &model, uint32_t n) {
    std::string text;
    auto options = skald::generate_options();
    options.n_tokens = n;
    CHECK(model.generate(
        "the sea", [&](std::string_view piece) { return text += piece, true; }, options));
    return text;
}

static void test_generate(const skald::model &model) {
    CHECK(said(model, 24) == spoken(model, greedy(model, prompt_ids(model, "the sea"), 24)));
    int heard = 0;
    CHECK(model.generate("the sea", [&](std::string_view) { return ++heard < 2; }) && heard == 2);
#if defined(__cpp_exceptions)
    bool thrown = false;
    try {
        model.generate("the sea", [&](std::string_view) -> bool { throw ++heard; });
    } catch (int n) {
        thrown = n == 3 && heard == 3;
    }
    CHECK(thrown);
#endif
}

static void test_formats(const skald::runtime &runtime, const skald::model &model, const char *path) {
    const skald_model_info info = model.info();
    auto sizes = runtime.inspect(path);
    CHECK(sizes && sizes->n_vocab == info.n_vocab && sizes->n_embd == info.n_embd && !*sizes->name);
    CHECK(runtime.inspect("/nowhere").status() == SKALD_READ);
    skald_model_info uneven = *sizes;
    uneven.head_dim_v = 3 * info.head_dim_k;
    CHECK(skald::kv_bytes_per_token(uneven, SKALD_F32, SKALD_F16) ==
          info.n_layers * info.n_kv_heads * (info.head_dim_k * 4u + uneven.head_dim_v * 2u));
    CHECK(skald::dtype_bytes(SKALD_Q8_0, 64) == 68 && skald::dtype_bytes(SKALD_Q8_0, 63) == 0);
    const uint16_t halves[2] = {0x3c00, 0xc000};
    float to[2];
    CHECK(skald::to_f32(to, SKALD_F16, halves, 2) && to[0] == 1 && to[1] == -2);
    CHECK(skald::version() >> 16 == SKALD_VERSION_MAJOR && skald::numerics_version() > 0);
    CHECK(runtime.plan({skald::path_source("/nowhere")}).status() == SKALD_READ);
}

void test_model(const skald::runtime &runtime, const skald::model &model, const char *path) {
    test_told(model);
    test_text(model);
    test_generate(model);
    test_formats(runtime, model, path);
}

/* The plan is what the host's memory is asked for; the host's own jobs, log, file and progress are used. */
void test_host(const char *path) {
    counted_memory memory;
    const skald_allocator lent = skald::allocator(memory);
    int n_runs = 0, n_reads = 0, n_told = 0;
    auto jobs = [&](auto job, uint32_t n) {
        for (uint32_t i = n; i-- > 0;) job(i);
        n_runs++;
    };
    const skald_executor own = skald::executor(jobs, 2);
    auto log = [&](int32_t level, std::string_view text) { n_told += level >= 1 && !text.empty(); };
    auto options = skald::runtime_options();
    options.allocator = &lent;
    options.executor = &own;
    skald::set_log(options, log);
    CHECK(options.log_user == &log);
    options.log(options.log_user, 2, "heard");
    CHECK(n_told == 1);

    skald::runtime runtime = *skald::runtime::create(options);
    CHECK(runtime.load_backend("/nowhere/plugin.so").status() < 0);
    const std::string file = read_file(path);
    auto read = [&](void *to, uint64_t offset, size_t n) -> skald_status {
        n_reads++;
        if (offset + n > file.size()) return SKALD_READ;
        return std::memcpy(to, file.data() + offset, n), SKALD_OK;
    };
    const skald_source sources[] = {skald::path_source(path), skald::path_source(path, true),
                                    skald::memory_source(file.data(), file.size()),
                                    skald::reader_source(read, file.size())};
    auto wide = skald::cache_options();
    wide.n_sequences = 3;
    for (const skald_source &source : sources) {
        memory.peak = memory.bytes;
        const uint64_t before = memory.bytes;
        auto plan = runtime.plan({source}, skald::model_options(), wide);
        CHECK(plan && memory.bytes == before);
        memory.peak = before;
        auto model = skald::model::open(runtime, {source});
        CHECK(model);
        auto cache = skald::cache::create(*model, wide);
        auto context = skald::context::create(*model);
        CHECK(cache && context && memory.peak - before == plan->peak_bytes && plan->cache_bytes > 0);
        auto engine_plan = runtime.plan_engine({source});
        CHECK(engine_plan && engine_plan->engine_bytes > 0 && engine_plan->model_bytes == plan->model_bytes);
    }
    CHECK(n_runs > 0 && n_reads > 0 && memory.bytes < memory.peak);

    float last = 0;
    int n_progress = 0;
    auto more = [&](float done) { return n_progress++, last = done, true; };
    auto stop = [&](float) { return false; };
    auto told = skald::model_options();
    skald::set_progress(told, more);
    CHECK(skald::model::open(runtime, path, told) && n_progress > 0 && last > 0);
    skald::set_progress(told, stop);
    CHECK(skald::model::open(runtime, path, told).status() == SKALD_CANCELLED);
    told = skald::model_options();
    told.vocabulary_only = 1;
    auto words = skald::model::open(runtime, path, told);
    CHECK(words && words->encode("the sea") && !skald::context::create(*words));
}

/* Adapters in steps and in requests. */
#include "cpp.hpp"
#include <cmath>
#include <cstring>

namespace {
/* As GGUF lays it out, little end first. */
struct writer {
    std::string out;
    template <class T> void put(T x) {
        char bytes[sizeof x];
        std::memcpy(bytes, &x, sizeof x);
        out.append(bytes, sizeof x);
    }
    void text(const std::string &s) {
        put<uint64_t>(s.size());
        out += s;
    }
    void pad() { out.resize((out.size() + 31) / 32 * 32); }
};
} // namespace

static std::string adapter_file() {
    const uint64_t shapes[2][2] = {{108, 2}, {2, 140}};
    writer w;
    w.out = "GGUF";
    w.put<uint32_t>(3);
    w.put<uint64_t>(2);
    w.put<uint64_t>(4);
    static const char *const pairs[][2] = {{"general.type", "adapter"},
                                           {"general.architecture", "llama"},
                                           {"adapter.type", "lora"}};
    for (const auto &pair : pairs) {
        w.text(pair[0]);
        w.put<uint32_t>(8);
        w.text(pair[1]);
    }
    w.text("adapter.lora.alpha");
    w.put<uint32_t>(6);
    w.put(4.0f);
    for (int i = 0; i < 2; i++) {
        w.text(i ? "blk.0.ffn_up.weight.lora_b" : "blk.0.ffn_up.weight.lora_a");
        w.put<uint32_t>(2);
        w.put(shapes[i][0]);
        w.put(shapes[i][1]);
        w.put<uint32_t>(0);
        w.put<uint64_t>(i * (108 * 2 * 4u)); /* a multiple of 32 */
    }
    w.pad();
    for (const auto &shape : shapes)
        for (uint64_t i = 0; i < shape[0] * shape[1]; i++) w.put(static_cast<float>(i * 37 % 101) / 40.0f - 1.25f);
    w.pad();
    return w.out;
}

void test_adapters(const skald::model &model) {
    const std::string file = adapter_file();
    auto opened = skald::adapter::open(model, skald::memory_source(file.data(), file.size()));
    CHECK(opened);
    skald::adapter adapter = *std::move(opened);
    CHECK(adapter.info().rank == 2 && adapter.info().n_changed == 1 && adapter.info().n_parameters == 2 * (108 + 140));
    const auto refused = skald::adapter::open(model, skald::memory_source(file.data(), file.size() - 32));
    CHECK(refused.status() == SKALD_FORMAT && *refused.why());
    CHECK(skald::adapter::open(model, "/nowhere/adapter.gguf").status() == SKALD_READ);

    const char *const path = "bindings_cpp_adapter.gguf";
    if (FILE *to = std::fopen(path, "wb")) {
        std::fwrite(file.data(), 1, file.size(), to);
        std::fclose(to);
    }
    const auto again = skald::adapter::open(model, path);
    CHECK(again && again->info().n_parameters == adapter.info().n_parameters);
    std::remove(path);

    static const char header[] =
        R"({"m.layers.0.self_attn.o_proj.lora_A.weight":{"dtype":"F32","shape":[1,108],"data_offsets":[0,432]},)"
        R"("m.layers.0.self_attn.o_proj.lora_B.weight":{"dtype":"F32","shape":[108,1],"data_offsets":[432,864]}})";
    static const char config[] = R"({"peft_type":"LORA","lora_alpha":2})";
    writer tensors;
    tensors.put<uint64_t>(sizeof header - 1);
    tensors.out += header;
    tensors.out.append(864, 0);
    const auto peft = skald::adapter::open_peft(model, skald::memory_source(tensors.out.data(), tensors.out.size()),
                                                skald::memory_source(config, sizeof config - 1));
    CHECK(peft && peft->info().rank == 1 && peft->info().n_parameters == 216);

    const skald::ids prompt = prompt_ids(model, "the sea");
    const skald::ids plain = greedy(model, prompt, 24), adapted = greedy(model, prompt, 24, {adapter.scaled()});
    CHECK(adapted != plain && greedy(model, prompt, 24, {adapter.scaled(0)}) == plain);
    CHECK(greedy(model, prompt, 24, {again->scaled(0.5f), adapter.scaled(0.5f)}) != plain);

    /* In requests: the engine is an owner of its own once they are submitted. */
    auto options = skald::engine_options();
    options.max_rank = 2;
    skald::engine engine = *skald::engine::create(model, options);
    skald::ids answers[3];
    skald_request_id id[3];
    const float scales[3] = {1, 0, 0};
    {
        const skald::adapter lent = std::move(adapter);
        for (int i = 0; i < 3; i++) {
            const std::vector<skald_span_adapter> by(i < 2, lent.scaled(scales[i]));
            id[i] = *engine.submit(skald::request(prompt, 24).adapted(by));
        }
        const skald_span_adapter wild = lent.scaled(NAN);
        CHECK(engine.submit(skald::request(prompt, 24).adapted({&wild, 1})).status() == SKALD_ARGUMENT);
    }
    CHECK(engine.run([&](const skald_event &e) {
        for (int i = 0; i < 3; i++)
            if (e.request == id[i] && e.kind == SKALD_EVENT_TOKEN) answers[i].push_back(e.id);
    }));
    CHECK(answers[0] == adapted && answers[1] == plain && answers[2] == plain);
}

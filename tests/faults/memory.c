/* Memory is the host's: each request may be refused, the plan is exact, and no request comes during a step. */
#define _POSIX_C_SOURCE 200809L
#define SK_ALLOW_LIBC_MEMORY
#include "support/adapter_writer.h"
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"

static host_memory memory;

/* ---- every request refused once */

/* One host's life, up to a text and its last id. A refused call is made again when the host has found memory: whatever
 * was made before it must have stayed usable. */
typedef struct life {
    world w;
    skald_sampler *sampler;
    skald_engine *engine;
    skald_template *layout;
    skald_answer *answer;
    skald_adapter *adapter;
    skald_grammar *grammar;
    skald_matcher *matcher;
    skald_beams *beams;
    uint32_t n_heard, n_calls;
    skald_seq seq[3];
    skald_report why;
    int32_t last;
    size_t n_text;
    char text[256];
    size_t n_saved, n_read;
    char saved[1 << 18];
} life;

static int32_t collect(void *user, const char *text, size_t n_bytes) {
    life *l = user;
    if (n_bytes > sizeof l->text - l->n_text) return 1;
    memcpy(l->text + l->n_text, text, n_bytes);
    l->n_text += n_bytes;
    return 0;
}

static skald_status make_runtime(life *l) {
    skald_runtime_options o;
    skald_runtime_options_init(&o, sizeof o);
    o.allocator = &memory.allocator;
    o.n_threads = 2;
    return skald_runtime_create(&l->w.runtime, &o, &l->why);
}

static skald_status plan(life *l) {
    skald_memory_plan p = {.size = sizeof p};
    const skald_source source = {.size = sizeof source, .path = WORLD_MODEL};
    return skald_memory_get_plan(&p, l->w.runtime, NULL, NULL, NULL, &l->why, &source, 1);
}

static skald_status inspect(life *l) { return skald_model_inspect(&l->w.info, l->w.runtime, WORLD_MODEL, &l->why); }

static skald_status open_model(life *l) {
    return skald_model_open_path(&l->w.model, l->w.runtime, WORLD_MODEL, NULL, &l->why);
}

static skald_status open_vocabulary(life *l) {
    skald_model *model = NULL;
    skald_model_options o;
    skald_model_options_init(&o, sizeof o);
    o.vocabulary_only = 1;
    skald_status status = skald_model_open_path(&model, l->w.runtime, WORLD_MODEL, &o, &l->why);
    if (status != SKALD_OK) CHECK(model == NULL);
    skald_model_release(model);
    return status;
}

static skald_status make_cache(life *l) {
    skald_kv_cache_options o;
    skald_kv_cache_options_init(&o, sizeof o);
    o.n_tokens = 640, o.n_sequences = 3;
    return skald_kv_cache_create(&l->w.cache, l->w.model, &o, &l->why);
}

static skald_status make_context(life *l) {
    skald_context_options o;
    skald_context_options_init(&o, sizeof o);
    o.n_rows = 64;
    return skald_context_create(&l->w.context, l->w.model, &o, &l->why);
}

static skald_status make_sampler(life *l) {
    static const skald_logit_bias bias[] = {{3, -1.0f}, {5, 1.0f}};
    skald_sampler_options o;
    skald_sampler_options_init(&o, sizeof o);
    o.temperature = 0.8f, o.top_k = 40, o.top_p = 0.9f, o.repetition = 1.1f, o.seed = 7;
    o.bias = bias, o.n_bias = 2;
    return skald_sampler_create(&l->sampler, l->w.model, &o, &l->why);
}

static skald_status open_sequence(life *l) { return skald_kv_cache_open(&l->seq[0], l->w.cache); }
static skald_status read_prompt(life *l) { return world_read(&l->w, l->seq[0], 0, 200); }
static skald_status fork_sequence(life *l) { return skald_kv_cache_fork(&l->seq[1], l->w.cache, l->seq[0], 150); }
static skald_status read_fork(life *l) { return world_read(&l->w, l->seq[1], 500, 3); }

static skald_status put(void *user, const void *from, size_t n_bytes) {
    life *l = user;
    if (n_bytes > sizeof l->saved - l->n_saved) return SKALD_SHORT;
    memcpy(l->saved + l->n_saved, from, n_bytes);
    l->n_saved += n_bytes;
    return SKALD_OK;
}

static skald_status get(void *user, void *to, size_t n_bytes) {
    life *l = user;
    if (n_bytes > l->n_saved - l->n_read) return SKALD_END;
    memcpy(to, l->saved + l->n_read, n_bytes);
    l->n_read += n_bytes;
    return SKALD_OK;
}

static skald_status save(life *l) {
    l->n_saved = 0;
    return skald_kv_cache_save(NULL, l->w.cache, l->seq[0], put, l, &l->why);
}

static skald_status restore(life *l) {
    l->n_read = 0;
    return skald_kv_cache_restore(&l->seq[2], l->w.cache, get, l, &l->why);
}

static skald_status choose(life *l) {
    return skald_sampler_choose(&l->last, l->sampler, skald_logits(l->w.context, 0), 153, NULL, 0);
}

static skald_status encode(life *l) {
    char text[3000];
    int32_t ids[3000];
    uint32_t n_ids = 3000;
    memset(text, 'a', sizeof text);
    const skald_status status = skald_encode(ids, &n_ids, l->w.model, 0, text, sizeof text);
    n_ids = 3000;
    return status != SKALD_OK ? status : skald_encode_guarded(ids, &n_ids, l->w.model, 0, text, NULL, sizeof text);
}

static skald_status generate(life *l) {
    skald_generate_options o;
    skald_generate_options_init(&o, sizeof o);
    o.n_tokens = 12, o.n_context = 256;
    l->n_text = 0;
    return skald_generate(l->w.model, "return the tokens", &o, collect, l, &l->why);
}

/* An engine asks for everything when it is made: two requests that share a beginning ask for nothing. */
static skald_status make_engine(life *l) {
    skald_engine_options o;
    skald_engine_options_init(&o, sizeof o);
    o.n_running = 2, o.n_tokens = 640, o.n_rows = 64, o.max_rank = 4;
    return skald_engine_create(&l->engine, l->w.model, &o, &l->why);
}

static skald_status run_requests(life *l, const skald_span_adapter *adapters, uint32_t n_adapters) {
    int32_t ids[200];
    skald_request request = {.size = sizeof request,
                             .prompt = world_text(ids, &l->w, 0, 200),
                             .n_tokens = 5,
                             .adapters = adapters,
                             .n_adapters = n_adapters};
    skald_request_id id;
    skald_event event = {.size = sizeof event};
    skald_status status = SKALD_OK;
    for (request.n_prompt = 190; request.n_prompt <= 200 && status == SKALD_OK; request.n_prompt += 10)
        status = skald_engine_submit(&id, l->engine, &request, &l->why);
    while (status == SKALD_OK) status = skald_engine_step(l->engine, 0, &l->why);
    while (skald_engine_poll(&event, l->engine) == SKALD_OK)
        if (event.kind == SKALD_EVENT_TOKEN) l->last = event.id;
    return status == SKALD_END ? SKALD_OK : status;
}

static skald_status run_engine(life *l) { return run_requests(l, NULL, 0); }

/* A conversation with a tool through a template of the host's own, and the way back. What grows in a run asks more than once. */
static skald_status make_layout(life *l) {
    static const char text[] = "{% macro f(x) %}{{ x.role ~ ': ' ~ x.content * 9999 }}{% endmacro %}"
                               "{% for m in messages %}{{ f(m) }}{% endfor %}{{ tools | tojson }}{{ '<tool_call>' }}";
    return skald_template_create(&l->layout, l->w.model, text, sizeof text - 1, &l->why);
}

static const char conversation[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"hello \"}], \"tools\": [{\"name\": \"f\"}]}";

static skald_status lay_out(life *l) {
    static char text[1 << 17];
    static uint8_t stranger[1 << 17];
    size_t n = sizeof text;
    const skald_template_input in = {.size = sizeof in, .json = conversation, .n_json_bytes = sizeof conversation - 1};
    const skald_status status = skald_template_render(text, stranger, &n, l->layout, &in, &l->why);
    if (status == SKALD_OK) l->last = (int32_t)n;
    return status;
}

static skald_status encode_layout(life *l) {
    static int32_t ids[1 << 17];
    uint32_t n_ids = 1 << 17;
    const skald_template_input in = {.size = sizeof in, .json = conversation, .n_json_bytes = sizeof conversation - 1};
    const skald_status status = skald_template_encode(ids, &n_ids, l->layout, &in, &l->why);
    if (status == SKALD_OK) l->last += (int32_t)n_ids;
    return status;
}

static int32_t hear(void *user, skald_answer_event event, const char *text, size_t n_bytes) {
    life *l = user;
    (void)text;
    l->last += (int32_t)(event * 1000 + n_bytes);
    l->n_heard += (uint32_t)n_bytes;
    l->n_calls += event == SKALD_ANSWER_CALL_END;
    return 0;
}

static skald_status make_answer(life *l) {
    return skald_answer_create(&l->answer, l->w.model, "hermes", 0, hear, l, &l->why);
}

/* Pushing asks for nothing, however the text is cut. */
static skald_status read_answer(life *l) {
    static const char text[] = "Well.<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": [1, 2]}}</tool_call>";
    const long n_asked = memory.n_asked;
    skald_status status = SKALD_OK;
    for (size_t i = 0; i < sizeof text - 1 && status == SKALD_OK; i++)
        status = skald_answer_push(l->answer, text + i, 1);
    if (status == SKALD_OK) status = skald_answer_end(l->answer);
    CHECK_EQUAL(memory.n_asked, n_asked);
    CHECK_SAID(l->n_calls == 1 && l->n_heard > 5, "%u bytes, %u calls", l->n_heard, l->n_calls);
    return status;
}

static adapter_bytes adapter; /* made for the model once, with memory of the test's own */

static void write_adapter(void) {
    sk_files files;
    const skald_source source = {.size = sizeof source, .path = WORLD_MODEL};
    CHECK_EQUAL(sk_files_open(&files, &sk_libc_allocator, &source, 1, false, NULL, NULL), SKALD_OK);
    adapter = adapter_write(&files, &(adapter_shape){.seed = 1, .rank = 4, .alpha = 8, .type = SKALD_F16, .every = 1},
                            "llama");
    sk_files_close(&files);
}

static skald_status open_adapter(life *l) {
    const skald_source source = {.size = sizeof source, .bytes = adapter.bytes, .n_bytes = adapter.n};
    return skald_adapter_open(&l->adapter, l->w.model, &source, &l->why);
}

/* The fork goes on with it. */
static skald_status read_adapted(life *l) {
    skald_context *context = NULL;
    skald_context_options o;
    skald_adapter_info info = {.size = sizeof info};
    int32_t id = 7;
    skald_context_options_init(&o, sizeof o);
    o.n_rows = 64, o.max_rank = 8;
    CHECK_EQUAL(skald_adapter_get_info(&info, l->adapter), SKALD_OK);
    CHECK(info.rank == 4 && info.n_changed > 0);
    skald_adapter_retain(l->adapter);
    const skald_span_adapter with = {.adapter = l->adapter, .scale = 1};
    const skald_span span = {
        .size = sizeof span, .seq = l->seq[1], .tokens = &id, .n_tokens = 1, .adapters = &with, .n_adapters = 1};
    skald_status status = skald_context_create(&context, l->w.model, &o, &l->why);
    if (status == SKALD_OK) status = skald_step(context, l->w.cache, NULL, &l->why, &span, 1);
    if (status == SKALD_OK) l->last += skald_logits_argmax(context, 0);
    skald_context_free(context);
    skald_adapter_release(l->adapter);
    return status;
}

static skald_status run_adapted(life *l) {
    return run_requests(l, &(skald_span_adapter){.adapter = l->adapter, .scale = 1}, 1);
}

static skald_status open_adapter_path(life *l) {
    skald_adapter *none = NULL;
    const skald_status status = skald_adapter_open_path(&none, l->w.model, WORLD_MODEL, &l->why);
    CHECK(none == NULL);
    return status == SKALD_FORMAT || status == SKALD_UNSUPPORTED ? SKALD_OK : status; /* a model is none */
}

/* Of zeros, opened and let go. */
static skald_status open_adapter_peft(life *l) {
    static const char config[] = "{\"peft_type\":\"LORA\",\"lora_alpha\":6}";
    static const char header[] =
        "{\"m.layers.0.self_attn.o_proj.lora_A.weight\":{\"dtype\":\"F16\",\"shape\":[2,108],\"data_offsets\":[0,432]},"
        "\"m.layers.0.self_attn.o_proj.lora_B.weight\":{\"dtype\":\"F16\",\"shape\":[108,2],\"data_offsets\":[432,864]}}";
    static char tensors[8 + sizeof header - 1 + 864];
    const skald_source from[2] = {{.size = sizeof *from, .bytes = tensors, .n_bytes = sizeof tensors},
                                  {.size = sizeof *from, .bytes = config, .n_bytes = sizeof config - 1}};
    skald_adapter *own = NULL;
    tensors[0] = (char)(unsigned char)((sizeof header - 1) & 255), tensors[1] = (char)((sizeof header - 1) >> 8);
    memcpy(tensors + 8, header, sizeof header - 1);
    const skald_status status = skald_adapter_open_peft(&own, l->w.model, &from[0], &from[1], &l->why);
    CHECK((own != NULL) == (status == SKALD_OK));
    skald_adapter_release(own);
    return status;
}

/* The first grammar makes the trie of the vocabulary, which is the model's from then on. */
static skald_status make_trie(life *l) {
    skald_grammar *grammar = NULL;
    const skald_grammar_options o = {.size = sizeof o, .cache_bytes = 1u << 20};
    const skald_status status = skald_grammar_create(&grammar, l->w.model, "root ::= .", 10, &o, &l->why);
    skald_grammar_release(grammar);
    return status;
}

static skald_status make_grammar(life *l) {
    static const char schema[] =
        "{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"enum\":[\"x\",[1,{\"a\":null}]]},\"ka\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}},"
        "\"additionalProperties\":{\"anyOf\":[{\"type\":\"number\",\"minimum\":0.5},{\"$ref\":\"#\"}]}}";
    skald_grammar_options o;
    skald_grammar_options_init(&o, sizeof o);
    o.kind = SKALD_GRAMMAR_JSON_SCHEMA, o.cache_bytes = 1u << 20;
    return skald_grammar_create(&l->grammar, l->w.model, schema, sizeof schema - 1, &o, &l->why);
}

static skald_status make_matcher(life *l) {
    skald_grammar_retain(l->grammar);
    const skald_status status = skald_matcher_create(&l->matcher, l->grammar, &l->why);
    skald_grammar_release(l->grammar);
    return status;
}

/* Masks live in the grammar's arena: following an answer asks for nothing but the copy's one block. */
static skald_status follow(life *l) {
    static float row[4096];
    skald_matcher *copy = NULL;
    skald_status status = skald_matcher_create(&copy, l->grammar, &l->why);
    if (status != SKALD_OK) return status;
    const long n_asked = memory.n_asked;
    CHECK_EQUAL(skald_matcher_copy(copy, l->matcher), SKALD_OK);
    for (int i = 0; i < 30; i++) {
        int32_t id = -1;
        memset(row, 0, sizeof row);
        if ((status = skald_matcher_mask(row, copy, row, 200)) != SKALD_OK) break;
        for (uint32_t k = 0; k < l->w.info.n_vocab; k++)
            if (row[k] == 0 && (id < 0 || k % 5 == (uint32_t)i % 5)) id = (int32_t)k;
        if (skald_model_is_end(l->w.model, id)) break;
        status = skald_matcher_accept(copy, id);
        l->last += id + (int32_t)skald_matcher_least(copy) + skald_matcher_may_end(copy);
        if (status != SKALD_OK) break;
    }
    CHECK_EQUAL(memory.n_asked, n_asked);
    skald_matcher_free(copy);
    return status == SKALD_END ? SKALD_OK : status;
}

static skald_status search(life *l) {
    int32_t ids[40];
    skald_beam beam = {.size = sizeof beam};
    skald_beam_options o;
    skald_beam_options_init(&o, sizeof o);
    o.n_beams = 2, o.n_tokens = 4;
    const skald_status status =
        skald_beams_search(&l->beams, l->w.model, &o, world_text(ids, &l->w, 0, 40), 40, &l->why);
    if (status != SKALD_OK) return status;
    CHECK_EQUAL(skald_beams_get(&beam, l->beams, 0), SKALD_OK);
    for (uint32_t i = 0; i < beam.n_ids; i++) l->last += beam.ids[i];
    return status;
}

static const struct {
    const char *name;
    skald_status (*call)(life *l);
} calls[] = {
    {"skald_runtime_create", make_runtime},
    {"skald_memory_get_plan", plan},
    {"skald_model_inspect", inspect},
    {"skald_model_open, vocabulary", open_vocabulary},
    {"skald_model_open", open_model},
    {"skald_kv_cache_create", make_cache},
    {"skald_context_create", make_context},
    {"skald_sampler_create", make_sampler},
    {"skald_kv_cache_open", open_sequence},
    {"skald_step", read_prompt},
    {"skald_kv_cache_fork", fork_sequence},
    {"skald_step, fork", read_fork},
    {"skald_sampler_choose", choose},
    {"skald_kv_cache_save", save},
    {"skald_kv_cache_restore", restore},
    {"skald_encode", encode},
    {"skald_generate", generate},
    {"skald_engine_create", make_engine},
    {"skald_engine_step", run_engine},
    {"skald_template_create", make_layout},
    {"skald_template_render", lay_out},
    {"skald_template_encode", encode_layout},
    {"skald_answer_create", make_answer},
    {"skald_answer_push", read_answer},
    {"skald_adapter_open", open_adapter},
    {"skald_adapter_open_path", open_adapter_path},
    {"skald_adapter_open_peft", open_adapter_peft},
    {"skald_step, adapted", read_adapted},
    {"skald_engine_step, adapted", run_adapted},
    {"skald_grammar_create, first", make_trie},
    {"skald_grammar_create", make_grammar},
    {"skald_matcher_create", make_matcher},
    {"skald_matcher_mask", follow},
    {"skald_beams_search", search},
};

static void refused(const life *l, const char *name, uint64_t live_before) {
    const bool keeps_trie = strcmp(name, "skald_grammar_create, first") == 0; /* until the model goes */
    CHECK_SAID(memory.live == live_before || keeps_trie, "%s was refused request %ld and kept %lld bytes", name,
               memory.refuse_at, (long long)(memory.live - live_before));
    if (strcmp(name, "skald_encode") == 0) return; /* it has no report */
    CHECK_SAID(l->why.status == SKALD_MEMORY && l->why.text[0], "%s: the report says \"%s\"", name, l->why.text);
}

/* Runs a life with request `refuse_at` refused. True when it was reached. */
static bool live(life *l, long refuse_at, bool refuse_on) {
    *l = (life){.w = {.info = {.size = sizeof l->w.info}}, .why = {.size = sizeof l->why}};
    memory_init(&memory);
    memory.refuse_at = refuse_at;
    memory.refuse_on = refuse_on;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const long n_refused = memory.n_refused;
        const uint64_t live_before = memory.live;
        skald_status status = calls[i].call(l);
        if (memory.n_refused > n_refused) {
            CHECK_SAID(status == SKALD_MEMORY, "%s, request %ld refused: status %d", calls[i].name, refuse_at, status);
            refused(l, calls[i].name, live_before);
            memory.refuse_on = false;
            if (status != SKALD_OK) status = calls[i].call(l);
        }
        CHECK_SAID(status == SKALD_OK, "%s, request %ld refused: status %d, %s", calls[i].name, refuse_at, status,
                   l->why.text);
        if (status != SKALD_OK) break;
    }
    skald_beams_free(l->beams);
    skald_matcher_free(l->matcher);
    skald_grammar_release(l->grammar);
    skald_adapter_release(l->adapter);
    CHECK_EQUAL(skald_engine_free(l->engine), SKALD_OK);
    skald_template_free(l->layout);
    skald_answer_free(l->answer);
    skald_sampler_free(l->sampler);
    world_close(&l->w);
    CHECK_SAID(memory.live == 0, "request %ld refused: %lld bytes are still out", refuse_at, (long long)memory.live);
    CHECK_EQUAL(memory.n_mistakes, 0);
    return memory.n_refused > 0;
}

static void check_refusals(bool refuse_on) {
    life reference, l;
    long n = 1;
    CHECK(!live(&reference, 0, false));
    CHECK(reference.n_text > 0);
    for (; live(&l, n, refuse_on); n++) {
        CHECK_EQUAL(l.last, reference.last);
        CHECK(l.n_text == reference.n_text && memcmp(l.text, reference.text, l.n_text) == 0);
    }
    CHECK_SAID(n > 20, "only %ld requests were refused", n - 1);
    printf("%ld requests refused, %s\n", n - 1, refuse_on ? "and all that came later" : "each once");
}

/* ---- the plan */

typedef struct wish {
    const char *path;
    uint32_t n_threads, n_rows, n_logits, n_sequences, n_tokens;
    skald_dtype type;
    uint32_t vocabulary_only; /* then loading is the peak */
} wish;

/* Bytes that came out between two points, by kind, in one line. */
static void check_out(const char *what, const uint64_t before[MEMORY_KINDS], skald_memory_kind a, skald_memory_kind b,
                      uint64_t want) {
    uint64_t out = memory.live_of[a] - before[a];
    if (b != a) out += memory.live_of[b] - before[b];
    CHECK_SAID(out == want, "%s is %llu, %llu were asked for", what, (unsigned long long)want, (unsigned long long)out);
}

static void check_plan(const wish *o) {
    skald_runtime *runtime = NULL;
    skald_model *model = NULL;
    skald_kv_cache *cache = NULL;
    skald_context *context = NULL;
    skald_memory_plan plan = {.size = sizeof plan};
    skald_runtime_options r;
    skald_model_options m;
    skald_kv_cache_options k;
    skald_context_options c;
    uint64_t before[MEMORY_KINDS];
    const skald_source source = {.size = sizeof source, .path = o->path};
    memory_init(&memory);
    skald_runtime_options_init(&r, sizeof r);
    skald_model_options_init(&m, sizeof m);
    skald_kv_cache_options_init(&k, sizeof k);
    skald_context_options_init(&c, sizeof c);
    m.vocabulary_only = o->vocabulary_only;
    r.allocator = &memory.allocator, r.n_threads = o->n_threads;
    k.n_sequences = o->n_sequences, k.n_tokens = o->n_tokens, k.k_type = k.v_type = o->type;
    c.n_rows = o->n_rows, c.n_logits = o->n_logits;
    CHECK_EQUAL(skald_runtime_create(&runtime, &r, NULL), SKALD_OK);
    const uint64_t own = memory.live;
    CHECK_EQUAL(skald_memory_get_plan(&plan, runtime, &m, &k, &c, NULL, &source, 1), SKALD_OK);
    CHECK_EQUAL(memory.live, own);

    memory_mark(&memory);
    memcpy(before, memory.live_of, sizeof before);
    CHECK_EQUAL(skald_model_open(&model, runtime, &m, NULL, &source, 1), SKALD_OK);
    check_out("model_bytes", before, SKALD_MEMORY_HANDLE, SKALD_MEMORY_HANDLE, plan.model_bytes);
    check_out("weights_bytes", before, SKALD_MEMORY_WEIGHTS, SKALD_MEMORY_WEIGHTS, plan.weights_bytes);
    CHECK_EQUAL(memory.peak_of[SKALD_MEMORY_LOAD], plan.load_bytes);
    memcpy(before, memory.live_of, sizeof before);
    const skald_status made = o->vocabulary_only ? SKALD_ARGUMENT : SKALD_OK;
    CHECK_EQUAL(skald_kv_cache_create(&cache, model, &k, NULL), made);
    check_out("cache_bytes", before, SKALD_MEMORY_HANDLE, SKALD_MEMORY_CACHE, plan.cache_bytes);
    memcpy(before, memory.live_of, sizeof before);
    CHECK_EQUAL(skald_context_create(&context, model, &c, NULL), made);
    check_out("context_bytes", before, SKALD_MEMORY_HANDLE, SKALD_MEMORY_SCRATCH, plan.context_bytes);
    CHECK_SAID(memory.peak - own == plan.peak_bytes, "peak_bytes is %llu, the peak was %llu",
               (unsigned long long)plan.peak_bytes, (unsigned long long)(memory.peak - own));
    CHECK_EQUAL(memory.live_of[SKALD_MEMORY_LOAD], 0);
    CHECK_EQUAL(plan.mapped_bytes, 0);
    CHECK_EQUAL(plan.device_bytes, 0);

    skald_context_free(context);
    skald_kv_cache_free(cache);
    skald_model_release(model);
    skald_runtime_release(runtime);
    CHECK_EQUAL(memory.live, 0);
    CHECK_EQUAL(memory.n_mistakes, 0);
}

/* The same of an engine: what it, its cache and its context ask for, and the peak. */
static void check_engine_plan(const char *path, const skald_engine_options *o) {
    skald_runtime *runtime = NULL;
    skald_model *model = NULL;
    skald_engine *engine = NULL;
    skald_memory_plan plan = {.size = sizeof plan};
    skald_runtime_options r;
    const skald_source source = {.size = sizeof source, .path = path};
    memory_init(&memory);
    skald_runtime_options_init(&r, sizeof r);
    r.allocator = &memory.allocator, r.n_threads = 2;
    CHECK_EQUAL(skald_runtime_create(&runtime, &r, NULL), SKALD_OK);
    const uint64_t own = memory.live;
    CHECK_EQUAL(skald_engine_get_plan(&plan, runtime, NULL, o, NULL, &source, 1), SKALD_OK);
    CHECK_EQUAL(memory.live, own);
    memory_mark(&memory);
    CHECK_EQUAL(skald_model_open(&model, runtime, NULL, NULL, &source, 1), SKALD_OK);
    const uint64_t opened = memory.live;
    CHECK_EQUAL(skald_engine_create(&engine, model, o, NULL), SKALD_OK);
    CHECK(plan.engine_bytes > 0 && plan.cache_bytes > 0 && plan.context_bytes > 0);
    CHECK_EQUAL(memory.live - opened, plan.engine_bytes + plan.cache_bytes + plan.context_bytes);
    CHECK_EQUAL(memory.peak - own, plan.peak_bytes);
    CHECK_EQUAL(skald_engine_free(engine), SKALD_OK);
    skald_model_release(model);
    skald_runtime_release(runtime);
    CHECK_EQUAL(memory.live, 0);
}

static void check_engine_plans(void) {
    skald_engine_options o;
    skald_engine_options_init(&o, sizeof o);
    check_engine_plan(WORLD_MODEL, NULL);
    o.n_running = 3, o.n_kept = 9, o.n_requests = 70, o.n_tokens = 1000, o.n_text = 777, o.n_rows = 31;
    o.k_type = SKALD_BF16, o.v_type = SKALD_F32;
    check_engine_plan(WORLD_MODEL, &o);
    o.no_sharing = 1;
    check_engine_plan(WORLD_OTHER_MODEL, &o);
    o.n_rows = 1; /* each that runs needs one */
    skald_runtime *runtime = NULL;
    skald_memory_plan plan = {.size = sizeof plan};
    const skald_source source = {.size = sizeof source, .path = WORLD_MODEL};
    CHECK_EQUAL(skald_runtime_create(&runtime, NULL, NULL), SKALD_OK);
    CHECK_EQUAL(skald_engine_get_plan(&plan, runtime, NULL, &o, NULL, &source, 1), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_engine_get_plan(NULL, runtime, NULL, NULL, NULL, &source, 1), SKALD_ARGUMENT);
    skald_runtime_release(runtime);
}

static void check_plans(void) {
    static const wish wishes[] = {
        {WORLD_MODEL, 1, 0, 0, 0, 0, SKALD_F16, 0},
        {WORLD_MODEL, 2, 0, 0, 3, 1000, SKALD_F32, 0},
        {WORLD_MODEL, 4, 1, 1, 1, 1, SKALD_F16, 0},
        {WORLD_OTHER_MODEL, 3, 7, 40, 17, 128, SKALD_F16, 0},
        {WORLD_OTHER_MODEL, 2, 2048, 1, 2, 5000, SKALD_F32, 0},
        {WORLD_MODEL, 1, 0, 0, 0, 0, SKALD_F16, 1},
    };
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) check_plan(&wishes[i]);
}

/* ---- nothing is asked for during a step: counted by the linker's --wrap, behind the library's back */

static long n_calls; /* of libc's memory functions */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
int __real_posix_memalign(void **p, size_t alignment, size_t n);
void *__real_mmap(void *at, size_t n, int protection, int flags, int file, long offset);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
int __wrap_posix_memalign(void **p, size_t alignment, size_t n);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int file, long offset);
void *__wrap_mmap64(void *at, size_t n, int protection, int flags, int file, long offset);

void *__wrap_malloc(size_t n) { return n_calls++, __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return n_calls++, __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return n_calls++, __real_realloc(p, n); }
void __wrap_free(void *p) { n_calls++, __real_free(p); }
int __wrap_posix_memalign(void **p, size_t alignment, size_t n) {
    return n_calls++, __real_posix_memalign(p, alignment, n);
}
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int file, long offset) {
    return n_calls++, __real_mmap(at, n, protection, flags, file, offset);
}
void *__wrap_mmap64(void *at, size_t n, int protection, int flags, int file, long offset) {
    return __wrap_mmap(at, n, protection, flags, file, offset);
}

static void check_steps(void) {
    world w;
    skald_seq seq, fork;
    skald_sampler *sampler = NULL;
    int32_t id = 0;
    memory_init(&memory);
    CHECK_EQUAL(world_open(&w, &(world_options){.memory = &memory.allocator, .n_rows = 64, .n_sequences = 2}),
                SKALD_OK);
    CHECK_EQUAL(skald_sampler_create(&sampler, w.model, NULL, NULL), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_open(&seq, w.cache), SKALD_OK);
    CHECK(n_calls > 0); /* the count counts */
    const long asked = memory.n_asked, called = n_calls;
    skald_status status = world_read(&w, seq, 0, 200);
    for (uint32_t i = 0; i < 64 && status == SKALD_OK; i++) {
        const skald_span span = {.size = sizeof span, .seq = seq, .tokens = &id, .n_tokens = 1};
        status = skald_sampler_choose(&id, sampler, skald_logits(w.context, 0), i, NULL, 0);
        if (status == SKALD_OK) status = skald_step(w.context, w.cache, NULL, NULL, &span, 1);
    }
    if (status == SKALD_OK) status = skald_kv_cache_fork(&fork, w.cache, seq, 100);
    if (status == SKALD_OK) status = world_read(&w, fork, 0, 40);
    if (status == SKALD_OK) status = skald_kv_cache_rewind(w.cache, seq, 3);
    CHECK_EQUAL(status, SKALD_OK);
    CHECK_EQUAL(memory.n_asked - asked, 0);
    CHECK_EQUAL(n_calls - called, 0);
    skald_sampler_free(sampler);
    world_close(&w);
    CHECK_EQUAL(memory.live, 0);
}

int main(void) {
    write_adapter();
    check_refusals(false);
    check_refusals(true);
    check_plans();
    check_engine_plans();
    check_steps();
    return sk_checked();
}

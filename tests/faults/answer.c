/* An answer's only request for memory refused: MEMORY with a sentence, nothing kept; the next one hears every event, and
 * pushing asks for nothing. */
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"

static host_memory memory;

typedef struct heard {
    uint32_t n, n_bytes, n_calls;
} heard;

static int32_t say(void *user, skald_answer_event event, const char *text, size_t n_bytes) {
    heard *h = user;
    (void)text;
    h->n++;
    h->n_bytes += (uint32_t)n_bytes;
    h->n_calls += event == SKALD_ANSWER_CALL_END;
    return 0;
}

static void check_create(skald_model *model) {
    static const char text[] = "Well.<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": [1, 2]}}</tool_call>";
    skald_report why = {.size = sizeof why};
    skald_answer *answer = NULL;
    heard h = {0};
    const uint64_t before = memory.live;
    memory.refuse_at = memory.n_asked + 1;
    CHECK_EQUAL(skald_answer_create(&answer, model, "hermes", 0, say, &h, &why), SKALD_MEMORY);
    CHECK(!answer && why.text[0]);
    CHECK_EQUAL(memory.live, before);
    CHECK_EQUAL(skald_answer_create(&answer, model, "hermes", 0, say, &h, &why), SKALD_OK);
    const long n_asked = memory.n_asked;
    for (size_t i = 0; i < sizeof text - 1; i++) CHECK_EQUAL(skald_answer_push(answer, text + i, 1), SKALD_OK);
    CHECK_EQUAL(skald_answer_end(answer), SKALD_OK);
    CHECK_EQUAL(memory.n_asked, n_asked);
    CHECK_SAID(h.n_calls == 1 && h.n_bytes > 5, "%u events, %u calls", h.n, h.n_calls);
    skald_answer_free(answer);
    CHECK_EQUAL(memory.live, before);
}

int main(void) {
    skald_runtime *runtime = NULL;
    skald_model *model = NULL;
    skald_runtime_options o;
    memory_init(&memory);
    skald_runtime_options_init(&o, sizeof o);
    o.allocator = &memory.allocator;
    CHECK_EQUAL(skald_runtime_create(&runtime, &o, NULL), SKALD_OK);
    CHECK_EQUAL(skald_model_open_path(&model, runtime, WORLD_MODEL, NULL, NULL), SKALD_OK);
    check_create(model);
    skald_model_release(model);
    skald_runtime_release(runtime);
    CHECK_EQUAL(memory.live, 0);
    CHECK_EQUAL(memory.n_mistakes, 0);
    return sk_checked();
}

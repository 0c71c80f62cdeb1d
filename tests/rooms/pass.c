/* The recorded pass as a person sees it, and the room that a context asks a device for it. */
#include "api/plan.h"
#include "support/check.h"

#define MODEL SK_TEST_DATA "/tiny/llama_mqa_bias/model-f32.gguf"

/* A device that only listens to what it is asked for. */
static uint32_t planned_ops;

static void no_info(skald_device_info *info, skald_device *device) { (void)info, (void)device; }

static uint64_t no_buffer(skald_device *device, uint64_t *on_device, uint64_t n_bytes) {
    (void)device, (void)n_bytes;
    *on_device = 0;
    return 0;
}

static uint64_t listen(skald_device *device, uint64_t *on_device, const skald_stream_plan *plan) {
    (void)device;
    *on_device = 0;
    planned_ops = plan->n_ops;
    return 0;
}

static uint32_t count_lines(const skald_context *context) {
    uint32_t n = 0;
    size_t n_bytes = 0;
    while (skald_context_op(NULL, &n_bytes, context, n) == SKALD_SHORT) n_bytes = 0, n++;
    CHECK_EQUAL(skald_context_op(NULL, &n_bytes, context, n), SKALD_END);
    CHECK_EQUAL(skald_context_op(NULL, &n_bytes, context, UINT32_MAX), SKALD_END);
    return n;
}

static void the_plan_counts_what_is_recorded(skald_runtime *runtime, skald_model *model, skald_context *context) {
    static const skald_backend listener = {.get_info = no_info, .buffer_bytes = no_buffer, .stream_bytes = listen};
    sk_context_sizes sizes;
    CHECK_EQUAL(sk_context_plan(&sizes, &listener, NULL, &model->config, runtime, NULL, NULL), SKALD_OK);
    CHECK_EQUAL(planned_ops, count_lines(context));
    CHECK(planned_ops > 4 * model->config.n_layers);
}

static void lines_say_what_happens(const skald_context *context) {
    static const char *const lines[] = {
        "0 embed: 320 ids of F32 -> 96",
        "1 angles: 12 pairs",
        "2 project: rms norm, 96 -> ",
        "3 append: layer 0, 1 KV heads of 24 and 24, turned in pairs",
        "4 attend: layer 0, MQA ",
        "5 project: ",
        "6 project: rms norm, 96 -> ",
        "7 gate: silu, ",
        "8 project: ",
        "9 project: rms norm, 96 -> ",
        "10 append: layer 1, ",
    };
    for (uint32_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[256], shorter[8];
        size_t n_bytes = sizeof text, too_few = sizeof shorter;
        CHECK_EQUAL(skald_context_op(text, &n_bytes, context, i), SKALD_OK);
        CHECK_EQUAL(n_bytes, strlen(text) + 1);
        CHECK_SAID(strncmp(text, lines[i], strlen(lines[i])) == 0, "\"%s\" is not \"%s...\"", text, lines[i]);
        CHECK_EQUAL(skald_context_op(shorter, &too_few, context, i), SKALD_SHORT);
        CHECK_EQUAL(too_few, n_bytes);
        CHECK(memchr(shorter, 0, sizeof shorter) != NULL);
    }
    char text[256];
    size_t n_bytes = sizeof text;
    CHECK_EQUAL(skald_context_op(text, &n_bytes, context, 2), SKALD_OK);
    CHECK(strstr(text, "bias") != NULL && strstr(text, "f32/") != NULL);
    CHECK_EQUAL(skald_context_op(text, NULL, context, 0), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_context_op(NULL, &n_bytes, context, 0), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_context_op(text, &n_bytes, NULL, 0), SKALD_ARGUMENT);
}

int main(void) {
    skald_runtime *runtime = NULL;
    skald_model *model = NULL;
    skald_context *context = NULL;
    CHECK_EQUAL(skald_runtime_create(&runtime, NULL, NULL), SKALD_OK);
    CHECK_EQUAL(skald_model_open_path(&model, runtime, MODEL, NULL, NULL), SKALD_OK);
    if (!CHECK_EQUAL(skald_context_create(&context, model, NULL, NULL), SKALD_OK)) return sk_checked();
    the_plan_counts_what_is_recorded(runtime, model, context);
    lines_say_what_happens(context);
    skald_context_free(context);
    skald_model_release(model);
    skald_runtime_release(runtime);
    return sk_checked();
}

/* The door to lib/answer: a parser as a handle. */
#include "answer/answer.h"
#include "api/template.h"
#include "base/report.h"
#include "base/runtime.h"

struct skald_answer {
    atomic_uint busy;
    skald_model *model; /* one of its owners */
    bool reasoning;
    sk_answer state;
};

/* The family by name, or by the marks of the file's template. */
static uint32_t family_of(const skald_model *model, const char *name) {
    if (name) return sk_answer_family(name);
    const sk_string text = sk_api_template(model);
    return sk_answer_detect(text.text, (size_t)text.n_bytes);
}

skald_status skald_answer_create(skald_answer **out, skald_model *model, const char *family, uint32_t reasoning,
                                 skald_answer_fn say, void *user, skald_report *why) {
    if (!out || !model || !say || reasoning > 1)
        return sk_fail(why, SKALD_ARGUMENT, "skald_answer_create: an argument is NULL, or reasoning is not 0 or 1");
    *out = NULL;
    const uint32_t bit = family_of(model, family);
    if (!bit) return sk_fail(why, SKALD_UNSUPPORTED, "no family of answers is named %s", family);
    skald_answer *a = sk_allocate(sk_model_memory(model), 1, sizeof *a, SKALD_MEMORY_HANDLE);
    if (!a) return sk_fail(why, SKALD_MEMORY, "no memory to read answers with");
    atomic_init(&a->busy, 0);
    a->model = model;
    a->reasoning = reasoning;
    sk_answer_begin(&a->state, bit, a->reasoning, say, user);
    skald_model_retain(model);
    *out = a;
    return SKALD_OK;
}

skald_status skald_answer_push(skald_answer *a, const char *text, size_t n_bytes) {
    if (!a || (n_bytes && !text)) return SKALD_ARGUMENT;
    if (sk_enter(&a->busy) != SKALD_OK) return SKALD_BUSY;
    sk_answer_push(&a->state, text, n_bytes);
    sk_leave(&a->busy);
    return SKALD_OK;
}

skald_status skald_answer_end(skald_answer *a) {
    if (!a) return SKALD_ARGUMENT;
    if (sk_enter(&a->busy) != SKALD_OK) return SKALD_BUSY;
    sk_answer_end(&a->state);
    sk_answer_begin(&a->state, a->state.family, a->reasoning, a->state.say, a->state.user);
    sk_leave(&a->busy);
    return SKALD_OK;
}

void skald_answer_free(skald_answer *a) {
    if (!a) return;
    skald_model *model = a->model;
    sk_release(sk_model_memory(model), a, sizeof *a);
    skald_model_release(model);
}

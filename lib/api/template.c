/* The door to lib/template: a model's own layout of conversations, as a handle. */
#include "api/template.h"
#include "base/fpmode.h"
#include "base/report.h"
#include "template/template.h"
#include "template/value.h"
#include "text/encode.h"
#include <string.h>

struct skald_template {
    skald_model *model; /* one of its owners */
    sk_template *code;  /* NULL: the layout of model->vocab->chat */
};

static const skald_template_input defaults = {.size = sizeof defaults};

void skald_template_input_init(skald_template_input *input, uint32_t size) {
    sk_options_init(input, size, &defaults, sizeof defaults);
}

/* ---- making */

sk_string sk_api_template(const skald_model *model) {
    const sk_gguf_entry *e = sk_gguf_find(&model->part[0], "tokenizer.chat_template");
    if (!e || e->is_array || e->type != SK_GGUF_TEXT) return (sk_string){"", 0};
    sk_gguf_array one = {e->type, 1, e->value};
    const sk_text text = sk_gguf_next_text(&one);
    return (sk_string){text.at, text.length};
}

/* A file's template that this library cannot compile may still have a layout that it knows. */
static skald_status compile(sk_template **code, const skald_model *model, const char *text, size_t n_bytes,
                            skald_report *why) {
    const sk_string from = text ? (sk_string){text, n_bytes} : sk_api_template(model);
    skald_report wrong = {.size = sizeof wrong};
    if (from.n_bytes == 0) return sk_fail(why, SKALD_UNSUPPORTED, "the model has no chat template");
    const skald_status status =
        sk_template_create(code, sk_model_memory(model), from.text, (size_t)from.n_bytes, &wrong);
    if (status == SKALD_OK || (status != SKALD_MEMORY && !text && model->vocab->chat)) return SKALD_OK;
    return sk_fail_at(why, status, wrong.offset, "%s", wrong.text);
}

static skald_status make(skald_template **out, skald_model *model, const char *text, size_t n_bytes,
                         skald_report *why) {
    const skald_allocator *memory = sk_model_memory(model);
    sk_template *code = NULL;
    const skald_status status = compile(&code, model, text, n_bytes, why);
    if (status != SKALD_OK) return status;
    skald_template *t = sk_allocate(memory, 1, sizeof *t, SKALD_MEMORY_HANDLE);
    if (!t) {
        sk_template_free(code, memory);
        return sk_fail(why, SKALD_MEMORY, "no memory for a template's handle");
    }
    *t = (skald_template){model, code};
    skald_model_retain(model);
    *out = t;
    return SKALD_OK;
}

skald_status skald_template_create(skald_template **out, skald_model *model, const char *text, size_t n_bytes,
                                   skald_report *why) {
    if (!out || !model) return sk_fail(why, SKALD_ARGUMENT, "skald_template_create: out or model is NULL");
    *out = NULL;
    if (!model->vocab) return sk_fail(why, SKALD_UNSUPPORTED, "the model has no tokenizer");
    const uint64_t mode = sk_fp_enter();
    const skald_status status = make(out, model, text, n_bytes, why);
    sk_fp_leave(mode);
    return status;
}

void skald_template_free(skald_template *t) {
    if (!t) return;
    skald_model *model = t->model;
    sk_template_free(t->code, sk_model_memory(model));
    sk_release(sk_model_memory(model), t, sizeof *t);
    skald_model_release(model);
}

/* ---- a conversation in it */

/* Texts that a template may ask for; what it writes of them counts as its own. */
static sk_template_variable token_variable(const char *name, const sk_vocab *v, skald_token_role role) {
    const int32_t id = v->role[role];
    if (id < 0) return (sk_template_variable){name, NULL, 0};
    return (sk_template_variable){name, (const char *)v->bytes + v->start[id], sk_vocab_length(v, (uint32_t)id)};
}

static skald_status run_code(sk_template_output *out, const skald_template *t, const skald_template_input *in,
                             skald_report *why) {
    const sk_vocab *v = t->model->vocab;
    const sk_template_variable variables[] = {
        token_variable("bos_token", v, SKALD_TOKEN_BOS),
        token_variable("eos_token", v, SKALD_TOKEN_EOS),
        token_variable("unk_token", v, SKALD_TOKEN_UNKNOWN),
        token_variable("pad_token", v, SKALD_TOKEN_PADDING),
    };
    const sk_template_input all = {.json = in->json,
                                   .n_json_bytes = in->n_json_bytes,
                                   .messages = in->messages,
                                   .n_messages = in->n_messages,
                                   .variables = variables,
                                   .n_variables = sizeof variables / sizeof *variables,
                                   .open = in->open,
                                   .local_seconds = in->local_seconds};
    return sk_template_run(out, t->code, sk_model_memory(t->model), &all, why);
}

/* A text and its marks in one block. */
static skald_status run_layout(sk_template_output *out, const skald_template *t, const skald_template_input *in,
                               skald_report *why) {
    const sk_chat *chat = t->model->vocab->chat;
    size_t n = 0;
    if (in->n_json_bytes) return sk_fail(why, SKALD_UNSUPPORTED, "this model's layout is known for messages only");
    skald_status status = sk_chat_format(NULL, NULL, &n, chat, in->open, in->messages, in->n_messages);
    if (status != SKALD_SHORT) return status;
    const uint64_t head = sizeof(sk_arena_chunk), n_block = sk_add(head, sk_mul(2, n));
    char *block = sk_allocate(sk_model_memory(t->model), 1, n_block, SKALD_MEMORY_SCRATCH);
    if (!block) return sk_fail(why, SKALD_MEMORY, "no memory for the conversation");
    out->chunks = (sk_arena_chunk *)(void *)block;
    *out->chunks = (sk_arena_chunk){NULL, n_block};
    out->text = block + head;
    out->from_data = (uint8_t *)block + head + n;
    out->n_bytes = n;
    return sk_chat_format(block + head, (uint8_t *)block + head + n, &n, chat, in->open, in->messages, in->n_messages);
}

static skald_status check(skald_template_input *own, const skald_template_input *in, skald_report *why) {
    skald_status status = sk_options_copy(own, sizeof *own, &defaults, in, "skald_template_input", why);
    if (status != SKALD_OK) return status;
    bool whole = own->open <= 1 && (own->messages || !own->n_messages) && (own->json || !own->n_json_bytes);
    for (uint32_t i = 0; whole && i < own->n_messages; i++) whole = own->messages[i].role && own->messages[i].text;
    return whole ? SKALD_OK : sk_fail(why, SKALD_ARGUMENT, "the input of the template is incomplete");
}

static skald_status lay_out(sk_template_output *out, const skald_template *t, const skald_template_input *in,
                            skald_report *why) {
    skald_template_input own;
    *out = (sk_template_output){.text = ""};
    const skald_status status = check(&own, in, why);
    if (status != SKALD_OK) return status;
    return t->code ? run_code(out, t, &own, why) : run_layout(out, t, &own, why);
}

static skald_status render(char *text, uint8_t *stranger, size_t *n_bytes, const skald_template *t,
                           const skald_template_input *in, skald_report *why) {
    sk_template_output out;
    skald_status status = lay_out(&out, t, in, why);
    if (status == SKALD_OK) {
        const size_t n = out.n_bytes < *n_bytes ? out.n_bytes : *n_bytes;
        if (n && text) memcpy(text, out.text, n);
        if (n && stranger) memcpy(stranger, out.from_data, n);
        status = out.n_bytes <= *n_bytes ? SKALD_OK : SKALD_SHORT;
        *n_bytes = out.n_bytes;
    }
    sk_template_output_free(&out, sk_model_memory(t->model));
    return status;
}

skald_status skald_template_render(char *text, uint8_t *stranger, size_t *n_bytes, const skald_template *t,
                                   const skald_template_input *input, skald_report *why) {
    if (!n_bytes || !t || (*n_bytes && !text))
        return sk_fail(why, SKALD_ARGUMENT, "skald_template_render: an argument is NULL");
    const uint64_t mode = sk_fp_enter();
    const skald_status status = render(text, stranger, n_bytes, t, input, why);
    sk_fp_leave(mode);
    return status;
}

static skald_status encode(int32_t *ids, uint32_t *n_ids, const skald_template *t, const skald_template_input *in,
                           skald_report *why) {
    const skald_allocator *memory = sk_model_memory(t->model);
    sk_template_output out;
    skald_status status = lay_out(&out, t, in, why);
    if (status == SKALD_OK) {
        status = sk_encode_guarded(ids, n_ids, t->model->vocab, memory, SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS,
                                   out.text, out.from_data, out.n_bytes);
        if (status < 0) sk_fail(why, status, "the conversation cannot be encoded");
    }
    sk_template_output_free(&out, memory);
    return status;
}

skald_status skald_template_encode(int32_t *ids, uint32_t *n_ids, const skald_template *t,
                                   const skald_template_input *input, skald_report *why) {
    if (!n_ids || !t || (*n_ids && !ids))
        return sk_fail(why, SKALD_ARGUMENT, "skald_template_encode: an argument is NULL");
    const uint64_t mode = sk_fp_enter();
    const skald_status status = encode(ids, n_ids, t, input, why);
    sk_fp_leave(mode);
    return status;
}

/* ---- without a handle */

static bool begins_with(const sk_template_output *whole, const sk_template_output *part) {
    return part->n_bytes <= whole->n_bytes && memcmp(whole->text, part->text, part->n_bytes) == 0;
}

/* What the first messages take in the layout is left out. */
static skald_status format(char *text, size_t *n_bytes, const skald_template *t, const skald_template_input *in,
                           uint32_t first) {
    const skald_allocator *memory = sk_model_memory(t->model);
    const skald_template_input before = {.size = sizeof before, .messages = in->messages, .n_messages = first};
    sk_template_output whole, part = {.text = ""};
    skald_status status = lay_out(&whole, t, in, NULL);
    if (status == SKALD_OK && first) status = lay_out(&part, t, &before, NULL);
    if (status == SKALD_OK && !begins_with(&whole, &part)) status = SKALD_UNSUPPORTED;
    if (status == SKALD_OK) {
        const size_t n = whole.n_bytes - part.n_bytes, room = *n_bytes;
        if (room) memcpy(text, whole.text + part.n_bytes, n < room ? n : room);
        *n_bytes = n;
        status = n <= room ? SKALD_OK : SKALD_SHORT;
    }
    sk_template_output_free(&whole, memory);
    sk_template_output_free(&part, memory);
    return status;
}

skald_status skald_chat_format(char *text, size_t *n_bytes, const skald_model *model, uint32_t open, uint32_t first,
                               const skald_message *messages, uint32_t n_messages) {
    const skald_template_input in = {.size = sizeof in, .open = open, .messages = messages, .n_messages = n_messages};
    skald_template t = {(skald_model *)model, NULL}; /* for this call: nobody becomes an owner */
    if (!n_bytes || !model || (*n_bytes && !text) || first > n_messages) return SKALD_ARGUMENT;
    if (!model->vocab) return SKALD_UNSUPPORTED;
    const uint64_t mode = sk_fp_enter();
    skald_status status = compile(&t.code, model, NULL, 0, NULL);
    if (status == SKALD_OK) status = format(text, n_bytes, &t, &in, first);
    sk_template_free(t.code, sk_model_memory(model));
    sk_fp_leave(mode);
    return status;
}

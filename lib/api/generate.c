/* The short way: prompt in, text out, made of the public calls that a host would use itself. */
#include "base/fpmode.h"
#include "base/report.h"
#include "decode/stop.h"
#include "model/model.h"
#include "text/prefix.h"
#include <string.h>

typedef struct {
    skald_model *model;
    const skald_generate_options *o;
    skald_text_fn say;
    void *user;
    skald_report *why;
    uint32_t room; /* of the cache, in tokens */
    skald_kv_cache *cache;
    skald_context *context;
    skald_sampler *sampler;
    skald_seq seq;
    int32_t *tokens; /* [room]: the prompt, then the answer */
    uint32_t n_tokens;
    skald_decoder decoder;
    sk_stops stops;
    sk_stop_state stop;
    float *logits;           /* [n_vocab] with o->heal */
    const uint8_t *required; /* [n_required] bytes that the answer must have yet, of the token that was taken back */
    uint32_t n_required;
    size_t n_silent; /* bytes of the answer that the prompt has said already */
} generation;

static const skald_generate_options defaults = {.size = sizeof defaults};

void skald_generate_options_init(skald_generate_options *options, uint32_t size) {
    sk_options_init(options, size, &defaults, sizeof defaults);
}

static skald_status make(generation *g) {
    skald_kv_cache_options cache;
    skald_context_options context;
    const skald_allocator *memory = sk_model_memory(g->model);
    skald_kv_cache_options_init(&cache, sizeof cache);
    skald_context_options_init(&context, sizeof context);
    cache.n_tokens = g->room;
    context.n_logits = 1;
    g->tokens = sk_allocate(memory, g->room, sizeof *g->tokens, SKALD_MEMORY_SCRATCH);
    if (g->o->heal) g->logits = sk_allocate(memory, g->model->config.n_vocab, sizeof *g->logits, SKALD_MEMORY_SCRATCH);
    if (!g->tokens || (g->o->heal && !g->logits))
        return sk_fail(g->why, SKALD_MEMORY, "no memory for %u tokens", g->room);
    skald_status status = skald_kv_cache_create(&g->cache, g->model, &cache, g->why);
    if (status == SKALD_OK) status = skald_context_create(&g->context, g->model, &context, g->why);
    if (status == SKALD_OK) status = skald_sampler_create(&g->sampler, g->model, g->o->sampler, g->why);
    return status == SKALD_OK ? skald_kv_cache_open(&g->seq, g->cache) : status;
}

static void unmake(generation *g) {
    const skald_allocator *memory = sk_model_memory(g->model);
    skald_sampler_free(g->sampler);
    skald_context_free(g->context);
    skald_kv_cache_free(g->cache);
    sk_release(memory, g->tokens, (uint64_t)g->room * sizeof *g->tokens);
    if (g->logits) sk_release(memory, g->logits, (uint64_t)g->model->config.n_vocab * sizeof *g->logits);
}

/* What a user says cannot be more than words: its bytes never become control tokens. */
static skald_status encode_chat(generation *g, const char *prompt) {
#if defined(SKALD_WITHOUT_TEMPLATE)
    (void)prompt;
    return sk_fail(g->why, SKALD_UNSUPPORTED, "chat: this library was built without templates");
#else
    const skald_message message = {"user", prompt};
    const skald_template_input in = {.size = sizeof in, .open = 1, .messages = &message, .n_messages = 1};
    skald_template *t;
    skald_status status = skald_template_create(&t, g->model, NULL, 0, g->why);
    if (status != SKALD_OK) return status;
    status = skald_template_encode(g->tokens, &g->n_tokens, t, &in, g->why);
    skald_template_free(t);
    return status;
#endif
}

static skald_status encode_text(generation *g, const char *prompt) {
    const skald_encode_flags flags = SKALD_ENCODE_SPECIAL | SKALD_ENCODE_BOS;
    const skald_status status = skald_encode(g->tokens, &g->n_tokens, g->model, flags, prompt, strlen(prompt));
    return status >= 0 ? status : sk_fail(g->why, status, "the prompt cannot be encoded");
}

static skald_status read_prompt(generation *g, const char *prompt) {
    g->n_tokens = g->room;
    const skald_status status = g->o->chat ? encode_chat(g, prompt) : encode_text(g, prompt);
    if (status == SKALD_SHORT)
        return sk_fail(g->why, SKALD_FULL, "the prompt has %u tokens, there is room for %u", g->n_tokens, g->room);
    if (status != SKALD_OK) return status;
    return g->n_tokens ? SKALD_OK : sk_fail(g->why, SKALD_ARGUMENT, "the prompt is empty");
}

/* The prompt's last token, if its text begins at a character, is chosen again: by its bytes, so it may become longer. */
static void take_back(generation *g) {
    const sk_vocab *v = g->model->vocab;
    const uint32_t id = (uint32_t)g->tokens[g->n_tokens - 1], n = sk_vocab_length(v, id);
    const uint8_t *bytes = v->bytes + v->start[id];
    if (g->n_tokens < 2 || n == 0 || v->type[id] != SK_TOKEN_NORMAL || (bytes[0] & 0xc0) == 0x80) return;
    g->required = bytes;
    g->n_silent = g->n_required = n;
    g->n_tokens--;
}

static skald_status choose(generation *g, int32_t *id) {
    const float *logits = skald_logits(g->context, 0);
    if (g->n_required) {
        memcpy(g->logits, logits, g->model->config.n_vocab * sizeof *logits);
        sk_vocab_require(g->logits, g->model->config.n_vocab, g->model->vocab, g->required, g->n_required);
        logits = g->logits;
    }
    skald_status status = skald_sampler_choose(id, g->sampler, logits, g->n_tokens, g->tokens, g->n_tokens);
    if (status != SKALD_OK || g->n_required == 0) return status;
    const uint32_t n = sk_vocab_length(g->model->vocab, (uint32_t)*id), used = n < g->n_required ? n : g->n_required;
    g->required += used, g->n_required -= used;
    return status;
}

/* Gives out the text of one id, -1 for what is left; END when the host has enough or a stop is met. */
static skald_status say(generation *g, int32_t id) {
    char decoded[512], text[512 + SK_STOP_BYTES];
    size_t n = sizeof decoded;
    skald_status status = skald_decoder_push(decoded, &n, &g->decoder, g->model, id);
    if (status != SKALD_OK) return status;
    const size_t silent = n < g->n_silent ? n : g->n_silent;
    g->n_silent -= silent;
    const int32_t stop = sk_stops_push(text, &n, &g->stops, &g->stop, decoded + silent, n - silent);
    if (id < 0 && stop < 0) n += sk_stops_end(text + n, &g->stops, &g->stop);
    const bool enough = n && g->say(g->user, text, n);
    return enough || stop >= 0 ? SKALD_END : SKALD_OK;
}

static skald_status answer(generation *g) {
    skald_span span = {.size = sizeof span, .seq = g->seq, .tokens = g->tokens, .n_tokens = g->n_tokens};
    const uint32_t limit =
        g->o->n_tokens && g->o->n_tokens < g->room - g->n_tokens ? g->o->n_tokens : g->room - g->n_tokens;
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < limit && status == SKALD_OK; i++) {
        int32_t id;
        status = skald_step(g->context, g->cache, NULL, g->why, &span, 1);
        if (status == SKALD_OK) status = choose(g, &id);
        if (status != SKALD_OK || skald_model_is_end(g->model, id)) break;
        g->tokens[g->n_tokens] = id;
        span.tokens = &g->tokens[g->n_tokens++];
        span.n_tokens = 1;
        status = say(g, id);
    }
    if (status == SKALD_OK) status = say(g, -1);
    return status == SKALD_END ? SKALD_OK : status;
}

skald_status skald_generate(skald_model *model, const char *prompt, const skald_generate_options *options,
                            skald_text_fn text, void *user, skald_report *why) {
    if (!model || !prompt || !text)
        return sk_fail(why, SKALD_ARGUMENT, "skald_generate: model, prompt or text is NULL");
    skald_generate_options o;
    skald_status status = sk_options_copy(&o, sizeof o, &defaults, options, "skald_generate_options", why);
    if (status != SKALD_OK) return status;
    if (!model->vocab) return sk_fail(why, SKALD_UNSUPPORTED, "the model has no tokenizer");
    const uint32_t trained = model->config.n_context;
    generation g = {.model = model,
                    .o = &o,
                    .say = text,
                    .user = user,
                    .why = why,
                    .room = o.n_context                 ? o.n_context
                            : trained && trained < 4096 ? trained
                                                        : 4096};
    if (o.heal > 1 || (o.heal && o.chat))
        return sk_fail(why, SKALD_ARGUMENT, "skald_generate_options: heal is 0 or 1, and not with chat");
    status = sk_stops_set(&g.stops, o.stops, o.n_stops, why);
    if (status == SKALD_OK) status = make(&g);
    if (status == SKALD_OK) status = read_prompt(&g, prompt);
    if (status == SKALD_OK && o.heal) take_back(&g);
    if (status == SKALD_OK) status = answer(&g);
    unmake(&g);
    return status;
}

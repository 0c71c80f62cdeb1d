/* An answer as text: what it must begin with, what ends it, and what each id adds to it. */
#include "engine/engine.h"
#include "base/report.h"
#include "text/prefix.h"
#include <string.h>

/* The bytes of the ids that are taken back, then those of the caller. */
static skald_status set_required(sk_said_rules *rules, const sk_vocab *v, const skald_request *q, skald_report *why) {
    const uint32_t kept = q->n_prompt - q->n_heal;
    for (uint32_t i = kept; i < q->n_prompt; i++) {
        const uint32_t id = (uint32_t)q->prompt[i], n = id < v->n_tokens ? sk_vocab_length(v, id) : 0;
        if (n == 0 || v->type[id] == SK_TOKEN_CONTROL || v->type[id] == SK_TOKEN_UNKNOWN)
            return sk_fail(why, SKALD_ARGUMENT, "skald_request: prompt[%u] is %u, no text that can be taken back", i,
                           id);
        if (n > SKALD_REQUEST_PREFIX - rules->n_required)
            return sk_fail(why, SKALD_ARGUMENT, "skald_request: n_heal takes back more than %u bytes",
                           SKALD_REQUEST_PREFIX);
        memcpy(rules->required + rules->n_required, v->bytes + v->start[id], n);
        rules->n_required += n;
    }
    if (q->n_prefix > SKALD_REQUEST_PREFIX - rules->n_required)
        return sk_fail(why, SKALD_ARGUMENT, "skald_request: a prefix of %u bytes, there is room for %u", q->n_prefix,
                       SKALD_REQUEST_PREFIX - rules->n_required);
    if (q->n_prefix) memcpy(rules->required + rules->n_required, q->prefix, q->n_prefix);
    rules->n_required += q->n_prefix;
    return SKALD_OK;
}

skald_status sk_said_set(sk_said_rules *rules, const skald_model *model, const skald_request *q, skald_report *why) {
    rules->n_required = 0;
    if (!model->vocab && (q->n_stops || q->n_prefix || q->n_heal))
        return sk_fail(why, SKALD_UNSUPPORTED,
                       "skald_request: stops and prefixes need a tokenizer, the model has none");
    if (q->n_heal >= q->n_prompt || (q->n_prefix && !q->prefix))
        return sk_fail(why, SKALD_ARGUMENT, "skald_request: n_heal leaves no id of the prompt, or prefix is NULL");
    skald_status status = sk_stops_set(&rules->stops, q->stops, q->n_stops, why);
    return status == SKALD_OK && model->vocab ? set_required(rules, model->vocab, q, why) : status;
}

void sk_said_forbid(const skald_engine *e, const sk_request *r, float *logits) {
    const sk_said_rules *rules = &r->rules;
    sk_vocab_require(logits, e->n_vocab, e->model->vocab, rules->required + r->now.n_required,
                     rules->n_required - r->now.n_required);
}

void sk_said_count(const skald_engine *e, sk_request *r, int32_t id) {
    const uint32_t left = r->rules.n_required - r->now.n_required;
    if (left == 0) return;
    const uint32_t n = sk_vocab_length(e->model->vocab, (uint32_t)id);
    r->now.n_required += n < left ? n : left;
}

skald_status sk_said_check(const skald_model *model, skald_report *why) {
    for (uint32_t id = 0; model->vocab && id < model->vocab->n_tokens; id++)
        if (sk_vocab_length(model->vocab, id) > SK_TOKEN_BYTES)
            return sk_fail(why, SKALD_UNSUPPORTED, "token %u is longer than %u bytes", id, SK_TOKEN_BYTES);
    return SKALD_OK;
}

int32_t sk_said_push(skald_engine *e, size_t *n_bytes, const sk_request *r, sk_saying *saying, int32_t id) {
    size_t n = (SK_SAID_ROOM - SK_STOP_BYTES) / 2;
    char *text = e->said + SK_SAID_ROOM - n; /* decoded behind, what may be shown in front */
    *n_bytes = 0;
    if (!e->model->vocab || skald_decoder_push(text, &n, &saying->decoder, e->model, id) != SKALD_OK) return -1;
    const int32_t stop = sk_stops_push(e->said, n_bytes, &r->rules.stops, &saying->stop, text, n);
    if (stop < 0 && id < 0) *n_bytes += sk_stops_end(e->said + *n_bytes, &r->rules.stops, &saying->stop);
    return stop;
}

/* The door to lib/text: every call is a view of a model's vocabulary. */
#include "base/report.h"
#include "model/model.h"
#include "text/decode.h"
#include "text/encode.h"

skald_status skald_encode(int32_t *ids, uint32_t *n_ids, const skald_model *model, skald_encode_flags flags,
                          const char *text, size_t n_bytes) {
    return skald_encode_guarded(ids, n_ids, model, flags, text, NULL, n_bytes);
}

skald_status skald_encode_guarded(int32_t *ids, uint32_t *n_ids, const skald_model *model, skald_encode_flags flags,
                                  const char *text, const uint8_t *stranger, size_t n_bytes) {
    if (!n_ids || !model || (*n_ids && !ids) || (n_bytes && !text)) return SKALD_ARGUMENT;
    if (!model->vocab) return SKALD_UNSUPPORTED;
    return sk_encode_guarded(ids, n_ids, model->vocab, sk_model_memory(model), flags, text, stranger, n_bytes);
}

skald_status skald_decode(char *text, size_t *n_bytes, const skald_model *model, skald_decode_flags flags,
                          const int32_t *ids, uint32_t n_ids) {
    if (!n_bytes || !model || (*n_bytes && !text) || (n_ids && !ids)) return SKALD_ARGUMENT;
    if (!model->vocab) return SKALD_UNSUPPORTED;
    return sk_decode(text, n_bytes, model->vocab, flags, ids, n_ids);
}

skald_status skald_decoder_push(char *text, size_t *n_bytes, skald_decoder *decoder, const skald_model *model,
                                int32_t id) {
    if (!n_bytes || !decoder || !model || (*n_bytes && !text)) return SKALD_ARGUMENT;
    if (!model->vocab) return SKALD_UNSUPPORTED;
    return sk_decoder_push(text, n_bytes, decoder, model->vocab, id);
}

int32_t skald_model_token(const skald_model *model, skald_token_role role) {
    return model && model->vocab && role < SK_TOKEN_ROLES ? model->vocab->role[role] : -1;
}

int32_t skald_model_end(const skald_model *model, uint32_t index) {
    return model && model->vocab && index < model->vocab->n_ends ? model->vocab->end[index] : -1;
}

int32_t skald_model_is_end(const skald_model *model, int32_t id) {
    return model && model->vocab ? sk_vocab_is_end(model->vocab, id) : 0;
}

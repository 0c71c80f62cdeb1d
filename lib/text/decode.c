/* Writes tokens out; a streaming decoder holds back the bytes of a character until it is complete. */
#include "text/decode.h"
#include <string.h>

typedef struct {
    const uint8_t *bytes;
    uint32_t n_bytes;
} piece;

static piece piece_of(const sk_vocab *v, skald_decode_flags flags, int32_t id) {
    uint32_t type = v->type[id];
    bool silent = type == SK_TOKEN_CONTROL || type == SK_TOKEN_UNKNOWN || type == SK_TOKEN_UNUSED;
    if (silent && !(flags & SKALD_DECODE_SPECIAL)) return (piece){v->bytes, 0};
    return (piece){v->bytes + v->start[id], v->start[id + 1] - v->start[id]};
}

/* Encoding puts a space in front of each stretch between special tokens. */
static piece without_prefix(const sk_vocab *v, piece p, int32_t id) {
    if (v->type[id] != SK_TOKEN_NORMAL || p.n_bytes == 0 || p.bytes[0] != ' ') return p;
    return (piece){p.bytes + 1, p.n_bytes - 1};
}

static bool known_flags(skald_decode_flags flags, skald_decode_flags known) { return (flags & ~known) == 0; }

skald_status sk_decode(char *text, size_t *n_bytes, const sk_vocab *v, skald_decode_flags flags, const int32_t *ids,
                       uint32_t n_ids) {
    if (!n_bytes || (!text && *n_bytes) || (!ids && n_ids) ||
        !known_flags(flags, SKALD_DECODE_SPECIAL | SKALD_DECODE_BEGIN))
        return SKALD_ARGUMENT;
    for (uint32_t i = 0; i < n_ids; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= v->n_tokens) return SKALD_ARGUMENT;
    size_t room = *n_bytes, length = 0;
    bool begins = true;
    for (uint32_t i = 0; i < n_ids; i++) {
        piece p = piece_of(v, flags, ids[i]);
        if (begins && flags & SKALD_DECODE_BEGIN && v->space_prefix) p = without_prefix(v, p, ids[i]);
        begins = v->type[ids[i]] == SK_TOKEN_CONTROL || v->type[ids[i]] == SK_TOKEN_USER;
        size_t fits = length < room ? room - length : 0;
        if (fits > p.n_bytes) fits = p.n_bytes;
        if (fits) memcpy(text + length, p.bytes, fits);
        length += p.n_bytes;
    }
    *n_bytes = length;
    return length <= room ? SKALD_OK : SKALD_SHORT;
}

/* ---- one by one */

typedef struct {
    char *text; /* NULL: only the length is wanted */
    size_t length;
} writer;

static void put(writer *w, const void *bytes, size_t n) {
    if (w->text) memcpy(w->text + w->length, bytes, n);
    w->length += n;
}

static void give_up(writer *w, skald_decoder *d) {
    if (d->n_pending) put(w, "\xef\xbf\xbd", 3);
    d->n_pending = 0;
}

static void push_byte(writer *w, skald_decoder *d, uint8_t byte) {
    if (d->n_pending && !sk_utf8_continues(d->pending, d->n_pending, byte)) give_up(w, d);
    d->pending[d->n_pending++] = byte;
    uint32_t length = sk_utf8_needs(d->pending[0]);
    if (length == 0) {
        give_up(w, d);
    } else if (d->n_pending == length) {
        put(w, d->pending, length);
        d->n_pending = 0;
    }
}

static skald_decoder push(writer *w, skald_decoder d, piece p, bool end) {
    for (uint32_t i = 0; i < p.n_bytes; i++) push_byte(w, &d, p.bytes[i]);
    if (end) give_up(w, &d);
    return d;
}

skald_status sk_decoder_push(char *text, size_t *n_bytes, skald_decoder *decoder, const sk_vocab *v, int32_t id) {
    if (!n_bytes || (!text && *n_bytes) || !decoder || id < -1 || id >= (int64_t)v->n_tokens) return SKALD_ARGUMENT;
    if (decoder->n_pending > 3 || !known_flags(decoder->flags, SKALD_DECODE_SPECIAL)) return SKALD_ARGUMENT;
    piece p = id < 0 ? (piece){NULL, 0} : piece_of(v, decoder->flags, id);
    writer measure = {NULL, 0};
    skald_decoder after = push(&measure, *decoder, p, id < 0);
    size_t room = *n_bytes;
    *n_bytes = measure.length;
    if (measure.length > room) return SKALD_SHORT;
    if (measure.length) push(&(writer){text, 0}, *decoder, p, id < 0);
    *decoder = after;
    return SKALD_OK;
}

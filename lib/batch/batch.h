/* The letter between rooms: which tokens stand where, as plain arrays that were checked once. A batch is cut into passes
 * of at most n_rows rows; the cut never changes a result. */
#ifndef SK_BATCH_BATCH_H
#define SK_BATCH_BATCH_H
#include "cache/cache.h"
#include "model/adapter.h"

typedef struct sk_batch {
    uint32_t n_rows_max, n_logits_max; /* room of a pass, and of the logits of all passes */
    int32_t *tokens;                   /* [n_rows_max] */
    uint32_t *positions, *page_list, *wanted;
    uint32_t *state_from, *state_before, *state_to;
    uint32_t max_rank;             /* of adapters that spans may name; 0: none may */
    skald_adaptation *adaptations; /* [n_rows_max][SKALD_SPAN_ADAPTERS] */
    uint32_t *first_adaptation, *n_adaptations;
    uint32_t n_given; /* of `adaptations`, in the last pass */
    /* the spans, the caller's memory until the step ends */
    const skald_span *spans;
    uint32_t n_spans;
    uint32_t span, token; /* first one that is in no pass yet */
    uint32_t first_span;  /* that has rows in the last pass */
    uint64_t n_done, n_tokens;
    skald_pass pass; /* the last one filled; first_wanted counts on */
} sk_batch;

void sk_batch_carve(sk_batch *b, sk_carver *c, uint32_t n_rows, uint32_t n_logits, uint32_t max_rank);

/* Element `i` of an array of spans whose stride is the caller's. */
const skald_span *sk_span_at(const skald_span *spans, uint32_t i);

/* Checks spans against cache and vocabulary: ids, sequences, room for logits. ARGUMENT naming the span. */
skald_status sk_batch_open(sk_batch *b, skald_kv_cache *cache, const skald_span *spans, uint32_t n_spans,
                           uint32_t n_vocab, skald_report *why);
/* Ends the last pass and fills the next; END when every token has had its pass. The sequences must have been prepared.
 * DEVICE: a slot could not be copied. */
skald_status sk_batch_next(sk_batch *b, skald_kv_cache *cache);
#endif

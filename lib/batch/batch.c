#include "batch/batch.h"
#include "base/report.h"
#include <math.h>

void sk_batch_carve(sk_batch *b, sk_carver *c, uint32_t n_rows, uint32_t n_logits, uint32_t max_rank) {
    const uint64_t n_adapted = max_rank ? n_rows : 0;
    *b = (sk_batch){.n_rows_max = n_rows, .n_logits_max = n_logits, .max_rank = max_rank};
    b->tokens = sk_carve(c, n_rows, sizeof *b->tokens, SK_CACHE_LINE);
    b->positions = sk_carve(c, n_rows, sizeof *b->positions, SK_CACHE_LINE);
    b->page_list = sk_carve(c, n_rows, sizeof *b->page_list, SK_CACHE_LINE);
    b->wanted = sk_carve(c, n_rows, sizeof *b->wanted, SK_CACHE_LINE);
    b->state_from = sk_carve(c, n_rows, sizeof *b->state_from, SK_CACHE_LINE);
    b->state_before = sk_carve(c, n_rows, sizeof *b->state_before, SK_CACHE_LINE);
    b->state_to = sk_carve(c, n_rows, sizeof *b->state_to, SK_CACHE_LINE);
    b->adaptations = sk_carve(c, n_adapted * SKALD_SPAN_ADAPTERS, sizeof *b->adaptations, SK_CACHE_LINE);
    b->first_adaptation = sk_carve(c, n_adapted, sizeof *b->first_adaptation, SK_CACHE_LINE);
    b->n_adaptations = sk_carve(c, n_adapted, sizeof *b->n_adaptations, SK_CACHE_LINE);
}

/* Of callers that know no adapters. */
#define LEAST_SPAN offsetof(skald_span, adapters)

const skald_span *sk_span_at(const skald_span *spans, uint32_t i) {
    return (const skald_span *)(const void *)((const char *)spans + (size_t)i * spans->size);
}

static uint32_t wanted_of(const skald_span *span) {
    return span->logits == SKALD_LOGITS_ALL ? span->n_tokens : span->logits == SKALD_LOGITS_LAST ? 1u : 0u;
}

/* How many a span names; callers of older headers know none. */
static uint32_t n_adapters_of(const skald_span *spans, const skald_span *span) {
    return spans->size >= sizeof *spans ? span->n_adapters : 0;
}

static skald_status check_adapters(const sk_batch *b, const skald_kv_cache *cache, const skald_span *span, uint32_t i,
                                   uint32_t n, skald_report *why) {
    if (n > SKALD_SPAN_ADAPTERS || (n && !span->adapters))
        return sk_fail(why, SKALD_ARGUMENT, "span %u: %u adapters%s, at most %u expected", i, n,
                       span->adapters ? "" : " at NULL", SKALD_SPAN_ADAPTERS);
    for (uint32_t k = 0; k < n; k++) {
        const skald_adapter *a = span->adapters[k].adapter;
        if (!a || a->model != cache->model)
            return sk_fail(why, SKALD_ARGUMENT, "span %u: adapter %u is %s", i, k, a ? "of another model" : "NULL");
        if (a->rank > b->max_rank)
            return sk_fail(why, SKALD_ARGUMENT, "span %u: adapter %u has rank %u, the context was made for %u", i, k,
                           a->rank, b->max_rank);
        if (!isfinite(span->adapters[k].scale))
            return sk_fail(why, SKALD_ARGUMENT, "span %u: the scale of adapter %u is not finite", i, k);
    }
    return SKALD_OK;
}

static skald_status check_span(skald_kv_cache *cache, const skald_span *span, uint32_t i, uint32_t n_vocab,
                               skald_report *why) {
    const sk_sequence *s = sk_cache_find(cache, span->seq);
    if (!s) return sk_fail(why, SKALD_ARGUMENT, "span %u: the cache has no sequence %u", i, span->seq);
    if (s->stepping) return sk_fail(why, SKALD_ARGUMENT, "span %u: sequence %u is there twice", i, span->seq);
    if (span->n_tokens == 0) return sk_fail(why, SKALD_ARGUMENT, "span %u has no tokens", i);
    if (!span->tokens == !span->embeddings)
        return sk_fail(why, SKALD_ARGUMENT, "span %u: tokens or embeddings, one of the two", i);
    if (span->logits > SKALD_LOGITS_ALL)
        return sk_fail(why, SKALD_ARGUMENT, "span %u: logits is %u, 0 to 2 expected", i, span->logits);
    if (span->n_tokens > INT32_MAX - s->length)
        return sk_fail(why, SKALD_ARGUMENT, "span %u: %u tokens are too many", i, span->n_tokens);
    for (uint32_t t = 0; span->tokens && t < span->n_tokens; t++)
        if (span->tokens[t] < 0 || (uint32_t)span->tokens[t] >= n_vocab)
            return sk_fail(why, SKALD_ARGUMENT, "span %u: token %u is %d, from 0 to %u expected", i, t, span->tokens[t],
                           n_vocab - 1);
    return SKALD_OK;
}

skald_status sk_batch_open(sk_batch *b, skald_kv_cache *cache, const skald_span *spans, uint32_t n_spans,
                           uint32_t n_vocab, skald_report *why) {
    if (n_spans == 0 || !spans) return sk_fail(why, SKALD_ARGUMENT, "a step needs a span");
    if (spans->size < LEAST_SPAN || spans->size > 4096 || spans->size % sizeof(void *))
        return sk_fail(why, SKALD_ARGUMENT, "span 0: size is %u, set it to sizeof(skald_span)", spans->size);
    skald_status status = SKALD_OK;
    uint64_t wanted = 0, n_tokens = 0;
    uint32_t i = 0;
    for (; i < n_spans && status == SKALD_OK; i++) {
        const skald_span *span = sk_span_at(spans, i);
        status = check_span(cache, span, i, n_vocab, why);
        if (status == SKALD_OK) status = check_adapters(b, cache, span, i, n_adapters_of(spans, span), why);
        if (status != SKALD_OK) break;
        sk_cache_find(cache, span->seq)->stepping = 1; /* a second span of it is then seen */
        wanted += wanted_of(span);
        n_tokens += span->n_tokens;
    }
    for (uint32_t k = 0; k < i; k++) sk_cache_find(cache, sk_span_at(spans, k)->seq)->stepping = 0;
    if (status != SKALD_OK) return status;
    if (wanted > b->n_logits_max)
        return sk_fail(why, SKALD_ARGUMENT, "%llu rows of logits are wanted, the context has room for %u",
                       (unsigned long long)wanted, b->n_logits_max);
    b->spans = spans;
    b->n_spans = n_spans;
    b->span = b->token = b->first_span = 0;
    b->n_done = 0, b->n_tokens = n_tokens;
    b->pass = (skald_pass){.size = sizeof b->pass,
                           .tokens = b->tokens,
                           .positions = b->positions,
                           .page_list = b->page_list,
                           .wanted = b->wanted,
                           .pages = cache->lists,
                           .state_from = cache->slots.n ? b->state_from : NULL,
                           .state_before = cache->slots.n ? b->state_before : NULL,
                           .state_to = cache->slots.n ? b->state_to : NULL,
                           .first_adaptation = b->first_adaptation,
                           .n_adaptations = b->n_adaptations};
    return SKALD_OK;
}

/* Those of a span, in front of its rows of this pass; how many there are. */
static uint32_t give_adaptations(sk_batch *b, const skald_span *span) {
    const uint32_t n = n_adapters_of(b->spans, span);
    for (uint32_t i = 0; i < n; i++) {
        const skald_span_adapter *use = &span->adapters[i];
        b->adaptations[b->n_given + i] =
            (skald_adaptation){.sites = use->adapter->sites, .n_sites = use->adapter->n_sites, .scale = use->scale};
    }
    if (n) b->pass.adaptations = b->adaptations;
    return n;
}

static void add_row(sk_batch *b, const skald_kv_cache *cache, const sk_sequence *s, const skald_span *span) {
    skald_pass *p = &b->pass;
    const uint32_t r = p->n_rows++, token = b->token++;
    b->tokens[r] = span->tokens ? span->tokens[token] : -1 - (int32_t)token;
    b->positions[r] = s->length + token;
    b->page_list[r] = sk_cache_list(cache, s);
    b->state_from[r] = s->state_from, b->state_before[r] = s->state_before, b->state_to[r] = s->state_to;
    if (span->logits == SKALD_LOGITS_ALL || (span->logits == SKALD_LOGITS_LAST && b->token == span->n_tokens))
        b->wanted[p->n_wanted++] = r;
}

/* Rows of one span into the pass, as many as there is room for; END when no more spans have. A pass holds rows of one kind:
 * ids or embeddings. */
static skald_status add_rows(sk_batch *b, skald_kv_cache *cache, const skald_span *span) {
    sk_sequence *s = sk_cache_find(cache, span->seq);
    skald_pass *p = &b->pass;
    const uint32_t room = b->n_rows_max - p->n_rows, left = span->n_tokens - b->token;
    uint32_t n = left < room ? left : room;
    if (n == 0 || (p->n_rows && (p->embeddings || span->embeddings))) return SKALD_END;
    skald_status status = sk_cache_enter_pass(cache, s, s->length + b->token, &n);
    if (status != SKALD_OK) return status;
    p->embeddings = span->embeddings;
    p->n_embeddings = span->embeddings ? span->n_tokens : 0;
    const uint32_t n_adapted = give_adaptations(b, span), first = p->n_rows;
    for (uint32_t i = 0; i < n; i++) add_row(b, cache, s, span);
    for (uint32_t r = first; b->max_rank && r < p->n_rows; r++)
        b->first_adaptation[r] = b->n_given, b->n_adaptations[r] = n_adapted;
    b->n_given += n_adapted;
    if (n < left) return SKALD_END;
    b->token = 0;
    b->span++;
    return SKALD_OK;
}

/* The pass that was is over: what it alone could see comes back. */
static void leave_pass(sk_batch *b, skald_kv_cache *cache) {
    for (uint32_t i = b->first_span; i < b->n_spans && i <= b->span; i++) {
        const skald_span *span = sk_span_at(b->spans, i);
        sk_sequence *s = sk_cache_find(cache, span->seq);
        sk_cache_leave_pass(cache, s, s->length + (i < b->span ? span->n_tokens : b->token));
    }
    b->n_done += b->pass.n_rows;
    b->pass.first_wanted += b->pass.n_wanted;
    b->pass.n_rows = b->pass.n_wanted = 0;
    b->pass.embeddings = NULL;
    b->pass.adaptations = NULL;
    b->n_given = 0;
    b->first_span = b->span;
}

skald_status sk_batch_next(sk_batch *b, skald_kv_cache *cache) {
    skald_status status = SKALD_OK;
    leave_pass(b, cache);
    if (b->span == b->n_spans) return SKALD_END;
    while (b->span < b->n_spans && status == SKALD_OK) status = add_rows(b, cache, sk_span_at(b->spans, b->span));
    if (status != SKALD_OK && status != SKALD_END) return status;
    return b->pass.n_rows ? SKALD_OK : SKALD_FULL; /* FULL cannot be: plan.c counts */
}

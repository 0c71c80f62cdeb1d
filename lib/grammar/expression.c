#include "grammar/expression.h"
#include "base/report.h"
#include <string.h>

/* ---- arrays that grow */

#define OFTEN 64u /* elements of an array between two looks at the watch */

bool sk_draft_goes_on(sk_draft *d) {
    if (d->status == SKALD_OK) d->status = sk_watch_look(d->watch, d->why);
    return d->status == SKALD_OK;
}

void *sk_vector_add(sk_draft *d, sk_vector *v, uint32_t n) {
    if (d->status != SKALD_OK || (v->n % OFTEN == 0 && !sk_draft_goes_on(d))) return NULL;
    if (n == 0) return v->at; /* may be NULL */
    if (n > SK_DRAFT_NODES - v->n) {
        d->status = sk_fail(d->why, SKALD_UNSUPPORTED, "the grammar is too large: more than %u parts", SK_DRAFT_NODES);
        return NULL;
    }
    if (v->n + n > v->room) {
        const uint32_t room = v->n + n < 64 ? 64 : 2 * (v->n + n);
        void *at = sk_allocate(d->memory, room, v->size, SKALD_MEMORY_LOAD);
        if (!at) return d->status = sk_fail(d->why, SKALD_MEMORY, "no memory to read a grammar"), NULL;
        if (v->n) memcpy(at, v->at, (size_t)v->n * v->size);
        sk_release(d->memory, v->at, (uint64_t)v->room * v->size);
        v->at = at, v->room = room;
    }
    v->n += n;
    return (char *)v->at + (size_t)(v->n - n) * v->size;
}

void sk_vector_free(sk_draft *d, sk_vector *v) {
    sk_release(d->memory, v->at, (uint64_t)v->room * v->size);
    v->at = NULL, v->n = v->room = 0;
}

skald_status sk_draft_open(sk_draft *d, const skald_allocator *memory, sk_watch *watch, skald_report *why) {
    *d = (sk_draft){.memory = memory,
                    .watch = watch,
                    .why = why,
                    .nodes = {.size = sizeof(sk_expr_node)},
                    .ranges = {.size = sizeof(sk_code_range)},
                    .bytes = {.size = 1},
                    .rules = {.size = sizeof(sk_rule)},
                    .place = UINT64_MAX};
    sk_expr_node *first = sk_vector_add(d, &d->nodes, 2);
    if (first) first[0] = (sk_expr_node){.kind = SK_IS_NOTHING}, first[1] = (sk_expr_node){.kind = SK_IS_EMPTY};
    return d->status;
}

void sk_draft_close(sk_draft *d) {
    sk_vector_free(d, &d->nodes);
    sk_vector_free(d, &d->ranges);
    sk_vector_free(d, &d->bytes);
    sk_vector_free(d, &d->rules);
}

/* ---- expressions */

static sk_expr add(sk_draft *d, sk_expr_node node) {
    sk_expr_node *to = sk_vector_add(d, &d->nodes, 1);
    if (!to) return SK_EXPR_NOTHING;
    *to = node;
    return d->nodes.n - 1;
}

static uint32_t add_bytes(sk_draft *d, const char *bytes, uint32_t n) {
    char *to = sk_vector_add(d, &d->bytes, n);
    if (!to) return 0;
    if (n) memcpy(to, bytes, n);
    return d->bytes.n - n;
}

sk_expr sk_expr_text(sk_draft *d, const char *bytes, uint32_t n) {
    if (n == 0) return SK_EXPR_EMPTY;
    const uint32_t at = add_bytes(d, bytes, n);
    return add(d, (sk_expr_node){.kind = SK_IS_TEXT, .a = at, .b = n});
}

sk_expr sk_expr_word(sk_draft *d, const char *text) { return sk_expr_text(d, text, (uint32_t)strlen(text)); }

uint32_t sk_ranges_normalize(sk_code_range *r, uint32_t n, bool negated) {
    for (uint32_t i = 1; i < n; i++) { /* insertion: classes are short */
        const sk_code_range x = r[i];
        uint32_t k = i;
        for (; k && r[k - 1].low > x.low; k--) r[k] = r[k - 1];
        r[k] = x;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (used && r[i].low <= r[used - 1].high + 1) {
            if (r[i].high > r[used - 1].high) r[used - 1].high = r[i].high;
        } else {
            r[used++] = r[i];
        }
    }
    if (!negated) return used;
    uint32_t next = 0, gaps = 0;
    for (uint32_t i = 0; i < used; i++) {
        const sk_code_range x = r[i];
        if (x.low > next) r[gaps++] = (sk_code_range){next, x.low - 1};
        next = x.high + 1;
    }
    if (next <= SK_CHARS_ALL) r[gaps++] = (sk_code_range){next, SK_CHARS_ALL};
    return gaps;
}

sk_expr sk_expr_chars(sk_draft *d, const sk_code_range *ranges, uint32_t n, bool negated) {
    sk_code_range *to = sk_vector_add(d, &d->ranges, n + 1);
    if (!to) return SK_EXPR_NOTHING;
    if (n) memcpy(to, ranges, n * sizeof *to);
    const uint32_t at = d->ranges.n - (n + 1), used = sk_ranges_normalize(to, n, negated);
    d->ranges.n = at + used;
    return used ? add(d, (sk_expr_node){.kind = SK_IS_CHARS, .a = at, .b = used}) : SK_EXPR_NOTHING;
}

sk_expr sk_expr_token(sk_draft *d, uint32_t id) { return add(d, (sk_expr_node){.kind = SK_IS_TOKEN, .a = id}); }

sk_expr sk_expr_then(sk_draft *d, sk_expr a, sk_expr b) {
    if (a == SK_EXPR_NOTHING || b == SK_EXPR_NOTHING) return SK_EXPR_NOTHING;
    if (a == SK_EXPR_EMPTY) return b;
    if (b == SK_EXPR_EMPTY) return a;
    return add(d, (sk_expr_node){.kind = SK_IS_THEN, .a = a, .b = b});
}

sk_expr sk_expr_or(sk_draft *d, sk_expr a, sk_expr b) {
    if (a == SK_EXPR_NOTHING || a == b) return b;
    if (b == SK_EXPR_NOTHING) return a;
    return add(d, (sk_expr_node){.kind = SK_IS_OR, .a = a, .b = b});
}

sk_expr sk_expr_many(sk_draft *d, sk_expr a, uint32_t least, uint32_t most) {
    if (most == 0 || a == SK_EXPR_EMPTY) return SK_EXPR_EMPTY;
    if (a == SK_EXPR_NOTHING) return least ? SK_EXPR_NOTHING : SK_EXPR_EMPTY;
    if (least == 1 && most == 1) return a;
    return add(d, (sk_expr_node){.kind = SK_IS_MANY, .a = a, .least = least, .most = most});
}

/* ---- rules */

uint32_t sk_rule_new(sk_draft *d, const char *name, uint32_t n_name, uint64_t place) {
    const uint32_t at = add_bytes(d, name, n_name);
    sk_rule *rule = sk_vector_add(d, &d->rules, 1);
    if (!rule) return UINT32_MAX;
    *rule = (sk_rule){.name = at, .n_name = n_name, .place = place};
    return d->rules.n - 1;
}

void sk_rule_define(sk_draft *d, uint32_t rule, sk_expr body) {
    if (rule >= d->rules.n) return;
    sk_rule_at(d, rule)->body = body;
    sk_rule_at(d, rule)->defined = true;
}

sk_expr sk_expr_rule(sk_draft *d, uint32_t rule) {
    return rule < d->rules.n ? add(d, (sk_expr_node){.kind = SK_IS_RULE, .a = rule}) : SK_EXPR_NOTHING;
}

sk_expr sk_expr_shared(sk_draft *d, const char *name, sk_expr body) {
    if (body <= SK_EXPR_EMPTY) return body;
    const uint32_t rule = sk_rule_new(d, name, (uint32_t)strlen(name), d->place);
    sk_rule_define(d, rule, body);
    return sk_expr_rule(d, rule);
}

/* Arrays: prefixItems, then items, within minItems and maxItems. */
#include "grammar/schema.h"

/* What must hold for item `index`, or for those behind all prefixes (UINT32_MAX). */
static sk_expr item(sk_schema *s, const sk_claim *c, uint32_t index) {
    sk_claim value = {0};
    for (uint32_t i = 0; i < c->n; i++) {
        sk_json prefix, one, rest;
        uint32_t k = 0;
        bool found = false;
        if (index != UINT32_MAX && sk_schema_find(s, &c->part[i], "prefixItems", &prefix))
            for (sk_json walk = sk_json_begin(prefix); !found && sk_json_next(&walk, NULL, &one); k++)
                found = k == index;
        if (found) sk_claim_add(s, &value, one);
        else if (sk_schema_find(s, &c->part[i], "items", &rest)) sk_claim_add(s, &value, rest);
    }
    return sk_claim_value(s, &value);
}

static uint32_t longest_prefix(sk_schema *s, const sk_claim *c) {
    uint32_t longest = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        sk_json prefix, one;
        uint32_t n = 0;
        if (!sk_schema_find(s, &c->part[i], "prefixItems", &prefix)) continue;
        if (sk_json_kind_of(prefix) != SK_JSON_LIST) {
            sk_schema_refuse(s, SKALD_FORMAT, c->part[i].at, "prefixItems", "a list of schemas is expected");
            return 0;
        }
        for (sk_json walk = sk_json_begin(prefix); sk_json_next(&walk, NULL, &one);) n++;
        if (n > longest) longest = n;
    }
    return longest;
}

static sk_expr behind_comma(sk_schema *s, uint32_t index, sk_expr e) {
    if (index == 0) return e;
    return sk_expr_then(s->d, sk_expr_then(s->d, sk_expr_word(s->d, ","), s->space), e);
}

/* From the end: the items behind the prefixes, then each prefix before what follows it. */
static sk_expr items(sk_schema *s, const sk_claim *c, uint32_t least, uint32_t most) {
    const uint32_t n = longest_prefix(s, c);
    const sk_expr rest = item(s, c, UINT32_MAX);
    const uint32_t more = most == UINT32_MAX ? most : most > n ? most - n : 0, need = least > n ? least - n : 0;
    sk_expr e;
    if (n) {
        e = sk_expr_many(s->d, behind_comma(s, 1, rest), need, more);
    } else { /* the first has no comma */
        const uint32_t others = more == UINT32_MAX ? more : more ? more - 1 : 0;
        e = sk_expr_then(s->d, rest, sk_expr_many(s->d, behind_comma(s, 1, rest), need ? need - 1 : 0, others));
        if (more == 0) e = SK_EXPR_NOTHING;
        return need ? e : sk_expr_or(s->d, e, SK_EXPR_EMPTY);
    }
    for (uint32_t i = n; i-- > 0 && s->d->status == SKALD_OK;) {
        const sk_expr one = behind_comma(s, i, item(s, c, i));
        e = i < most ? sk_expr_then(s->d, one, e) : SK_EXPR_NOTHING;
        if (i >= least) e = sk_expr_or(s->d, e, SK_EXPR_EMPTY);
        e = sk_expr_shared(s->d, "items", e);
    }
    return e;
}

sk_expr sk_schema_list(sk_schema *s, const sk_claim *c) {
    uint32_t least = 0, most = UINT32_MAX;
    sk_claim_count(s, c, "minItems", true, &least);
    sk_claim_count(s, c, "maxItems", false, &most);
    if (most < least) return SK_EXPR_NOTHING;
    const sk_expr begin = sk_expr_then(s->d, sk_expr_word(s->d, "["), s->space);
    const sk_expr end = sk_expr_then(s->d, s->space, sk_expr_word(s->d, "]"));
    return sk_expr_then(s->d, sk_expr_then(s->d, begin, items(s, c, least, most)), end);
}

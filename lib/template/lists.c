/* Filters that go through lists: first, join, map, select, sort, ... Where Jinja gives a generator this gives a list. */
#include "template/filters.h"
#include <string.h>

/* ---- attributes of items: "function.name", or a number */

static bool is_digits(sk_value part) {
    for (uint32_t i = 0; i < part.n; i++)
        if (part.as.text[i] < '0' || part.as.text[i] > '9') return false;
    return part.n > 0 && part.n < 10;
}

static int64_t number_of(sk_value part) {
    int64_t n = 0;
    for (uint32_t i = 0; i < part.n; i++) n = 10 * n + (part.as.text[i] - '0');
    return n;
}

static bool item_attribute(sk_run *r, sk_value *out, sk_value item, sk_value path) {
    if (path.kind != SK_STR) return sk_item(r, out, item, path);
    for (uint32_t at = 0, end; at <= path.n; at = end + 1) {
        end = sk_text_find(r, path, sk_value_word("."), at);
        if (end == UINT32_MAX) end = path.n;
        sk_value part = sk_value_part(path, at, end - at);
        if (is_digits(part)) part = sk_value_int(number_of(part));
        if (!sk_item(r, &item, item, part)) return false;
    }
    return *out = item, true;
}

/* The item itself, its attribute where one is named, in lower case unless cases count. */
static bool key_of(sk_run *r, sk_value *out, sk_value item, const sk_value *path, bool cases) {
    sk_builder b = {0};
    *out = item;
    if (path && path->kind != SK_NONE && !item_attribute(r, out, item, *path)) return false;
    if (cases || out->kind != SK_STR) return true;
    if (!sk_put_case(r, &b, *out, SK_LOWER)) return false;
    return *out = sk_built(&b), true;
}

/* ---- choosing */

static bool end_item(sk_run *r, sk_value *out, sk_value v, bool last) {
    static const char first_of[] = "the first item of nothing", last_of[] = "the last item of nothing";
    const sk_list *items;
    if (!sk_value_items(r, &items, v)) return false;
    *out = last ? sk_value_undefined(last_of, sizeof last_of - 1) : sk_value_undefined(first_of, sizeof first_of - 1);
    if (items->n) *out = items->at[last ? items->n - 1 : 0];
    return true;
}

static bool first(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return end_item(r, out, v, false);
}

static bool last(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return end_item(r, out, v, true);
}

/* Arguments from the n-th on. */
static sk_arguments behind(const sk_arguments *a, uint32_t n) {
    sk_arguments rest = *a;
    if (n > rest.n) n = rest.n;
    rest.at += n;
    rest.n -= n;
    return rest;
}

static bool holds(sk_run *r, bool *out, sk_value v, const sk_arguments *a) {
    sk_arguments rest = behind(a, 1);
    if (a->n == 0) return *out = sk_value_true(v), true;
    if (a->at[0].kind != SK_STR) return sk_run_fail(r, SKALD_FORMAT, "the name of a test is expected");
    return sk_call_test(r, out, a->at[0], v, &rest);
}

/* What is false, None too, has no items. */
static bool items_or_none(sk_run *r, const sk_list **out, sk_value v) {
    static const sk_list none;
    if (!sk_value_true(v)) return *out = &none, true;
    return sk_value_items(r, out, v);
}

static bool choose(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a, bool by_attribute, bool wanted) {
    const sk_list *items;
    sk_arguments rest = behind(a, by_attribute);
    if (by_attribute && a->n == 0) return sk_run_fail(r, SKALD_FORMAT, "the name of an attribute is missing");
    if (!items_or_none(r, &items, v)) return false;
    sk_list *chosen = sk_list_begin(r, items->n);
    for (uint32_t i = 0; chosen && i < items->n; i++) {
        sk_value tested = items->at[i];
        bool yes;
        if (by_attribute && !item_attribute(r, &tested, tested, a->at[0])) return false;
        if (!holds(r, &yes, tested, &rest) || !sk_run_work(r, 1)) return false;
        if (yes == wanted) chosen->at[chosen->n++] = items->at[i];
    }
    return chosen && sk_list_end(r, out, chosen, SK_LIST);
}

static bool keep(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return choose(r, out, v, a, false, true);
}
static bool drop(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return choose(r, out, v, a, false, false);
}
static bool keep_by(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return choose(r, out, v, a, true, true);
}
static bool drop_by(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return choose(r, out, v, a, true, false);
}

/* map(attribute="x", default=y), or map("filter", arguments). */
static bool map_one(sk_run *r, sk_value *out, sk_value item, const sk_arguments *a) {
    const sk_value *path = sk_argument(a, UINT32_MAX, "attribute"), *absent = sk_argument(a, UINT32_MAX, "default");
    sk_arguments rest = behind(a, 1);
    if (a->n) return sk_call_filter(r, out, a->at[0], item, &rest);
    if (!path) return sk_run_fail(r, SKALD_FORMAT, "map takes a filter or an attribute");
    if (!item_attribute(r, out, item, *path)) return false;
    if (out->kind == SK_UNDEFINED && absent) *out = *absent;
    return true;
}

static bool map(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_list *items;
    if (a->n && a->at[0].kind != SK_STR) return sk_run_fail(r, SKALD_FORMAT, "the name of a filter is expected");
    if (a->n && sk_value_is(a->at[0], "map")) return sk_run_fail(r, SKALD_UNSUPPORTED, "map of map is not offered");
    if (!items_or_none(r, &items, v)) return false;
    sk_list *mapped = sk_list_begin(r, items->n);
    for (; mapped && mapped->n < items->n; mapped->n++)
        if (!map_one(r, &mapped->at[mapped->n], items->at[mapped->n], a) || !sk_run_work(r, 1)) return false;
    return mapped && sk_list_end(r, out, mapped, SK_LIST);
}

/* ---- joining, turning round */

bool sk_text_join(sk_run *r, sk_value *out, sk_value between, const sk_list *items) {
    sk_builder b = {0};
    for (uint32_t i = 0; i < items->n; i++)
        if ((i && !sk_put_text(r, &b, between)) || !sk_put_str(r, &b, items->at[i]) || !sk_run_work(r, 1)) return false;
    return *out = sk_built(&b), true;
}

static bool join(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *given = sk_argument(a, 0, "d"), *path = sk_argument(a, 1, "attribute");
    sk_value between = sk_value_word("");
    const sk_list *items;
    if ((given && !sk_value_str(r, &between, *given)) || !sk_value_items(r, &items, v)) return false;
    if (!path || path->kind == SK_NONE) return sk_text_join(r, out, between, items);
    sk_list *parts = sk_list_begin(r, items->n);
    for (; parts && parts->n < items->n; parts->n++)
        if (!item_attribute(r, &parts->at[parts->n], items->at[parts->n], *path)) return false;
    return parts && sk_text_join(r, out, between, parts);
}

static bool list(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_list *items;
    (void)a;
    if (!sk_value_items(r, &items, v)) return false;
    return *out = (sk_value){.kind = SK_LIST, .as.list = items}, true;
}

static bool reverse(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_list *items;
    (void)a;
    if (!sk_value_items(r, &items, v)) return false;
    sk_list *turned = sk_list_begin(r, items->n);
    for (; turned && turned->n < items->n; turned->n++) turned->at[turned->n] = items->at[items->n - 1 - turned->n];
    if (!turned) return false;
    if (v.kind == SK_STR) return sk_text_join(r, out, sk_value_word(""), turned);
    return sk_list_end(r, out, turned, SK_LIST);
}

/* ---- sorting: merges of ever longer runs, stable */

static bool merge(sk_run *r, const sk_value *keys, const uint32_t *from, uint32_t *to, const uint32_t end[3],
                  bool down) {
    uint32_t a = end[0], b = end[1];
    for (uint32_t i = end[0]; i < end[2]; i++) {
        int order = a < end[1] ? -1 : 1;
        if (a < end[1] && b < end[2]) {
            if (!sk_value_order(r, &order, keys[from[a]], keys[from[b]]) || !sk_run_work(r, 1)) return false;
            if (down) order = -order;
        }
        to[i] = order <= 0 ? from[a++] : from[b++];
    }
    return true;
}

/* The order of keys as indices, NULL: refused. */
static uint32_t *sorted(sk_run *r, const sk_value *keys, uint32_t n, bool down) {
    uint32_t *from = sk_run_take(r, sk_mul(n, sizeof *from)), *to = from ? sk_run_take(r, sk_mul(n, sizeof *to)) : NULL;
    if (!to) return NULL;
    for (uint32_t i = 0; i < n; i++) from[i] = i;
    for (uint64_t run = 1; run < n; run *= 2) {
        for (uint64_t at = 0; at < n; at += 2 * run) {
            uint64_t middle = at + run < n ? at + run : n, end = middle + run < n ? middle + run : n;
            const uint32_t ends[3] = {(uint32_t)at, (uint32_t)middle, (uint32_t)end};
            if (!merge(r, keys, from, to, ends, down)) return NULL;
        }
        uint32_t *other = from;
        from = to;
        to = other;
    }
    return from;
}

/* Items in the order of the keys that `path` or `index` of a pair names. */
static bool sort_items(sk_run *r, sk_value *out, const sk_list *items, const sk_value *path, bool cases, bool down) {
    sk_value *keys = sk_run_take(r, sk_mul(items->n, sizeof *keys));
    for (uint32_t i = 0; keys && i < items->n; i++)
        if (!key_of(r, &keys[i], items->at[i], path, cases)) return false;
    uint32_t *order = keys ? sorted(r, keys, items->n, down) : NULL;
    sk_list *list_of = order ? sk_list_begin(r, items->n) : NULL;
    for (; list_of && list_of->n < items->n; list_of->n++) list_of->at[list_of->n] = items->at[order[list_of->n]];
    return list_of && sk_list_end(r, out, list_of, SK_LIST);
}

static bool sort(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_list *items;
    return sk_value_items(r, &items, v) &&
           sort_items(r, out, items, sk_argument(a, 2, "attribute"), sk_argument_true(a, 1, "case_sensitive", false),
                      sk_argument_true(a, 0, "reverse", false));
}

static bool dictsort(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *by = sk_argument(a, 1, "by");
    sk_value pairs, path = sk_value_int(by && sk_value_is(*by, "value"));
    if (v.kind != SK_DICT) return sk_run_fail(r, SKALD_FORMAT, "dictsort of %s", sk_value_type(v));
    return sk_dict_items(r, &pairs, v.as.dict) &&
           sort_items(r, out, pairs.as.list, &path, sk_argument_true(a, 0, "case_sensitive", false),
                      sk_argument_true(a, 2, "reverse", false));
}

static bool items(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    if (v.kind == SK_UNDEFINED) return list(r, out, v, a);
    if (v.kind != SK_DICT) return sk_run_fail(r, SKALD_FORMAT, "items of %s", sk_value_type(v));
    return sk_dict_items(r, out, v.as.dict);
}

static bool unique(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_list *all;
    bool cases = sk_argument_true(a, 0, "case_sensitive", false);
    if (!sk_value_items(r, &all, v)) return false;
    sk_list *kept = sk_list_begin(r, all->n), *keys = kept ? sk_list_begin(r, all->n) : NULL;
    for (uint32_t i = 0; keys && i < all->n; i++) {
        sk_value key;
        uint32_t k = 0;
        if (!key_of(r, &key, all->at[i], sk_argument(a, 1, "attribute"), cases) || !sk_run_work(r, kept->n))
            return false;
        while (k < kept->n && !sk_value_same(r, keys->at[k], key)) k++;
        if (k < kept->n) continue;
        keys->at[kept->n] = key;
        kept->at[kept->n++] = all->at[i];
    }
    return keys && sk_list_end(r, out, kept, SK_LIST);
}

static bool extreme(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a, int wanted) {
    static const char nothing[] = "the extreme of nothing";
    bool cases = sk_argument_true(a, 0, "case_sensitive", false);
    const sk_value *path = sk_argument(a, 1, "attribute");
    const sk_list *all;
    sk_value best = SK_VALUE_NONE, key;
    if (!sk_value_items(r, &all, v)) return false;
    *out = sk_value_undefined(nothing, sizeof nothing - 1);
    for (uint32_t i = 0; i < all->n; i++) {
        int order = wanted;
        if (!key_of(r, &key, all->at[i], path, cases)) return false;
        if (i && !sk_value_order(r, &order, key, best)) return false;
        if (order != wanted) continue;
        best = key;
        *out = all->at[i];
    }
    return sk_run_work(r, all->n);
}

static bool least(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) { return extreme(r, out, v, a, -1); }
static bool most(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) { return extreme(r, out, v, a, 1); }

static bool sum(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *path = sk_argument(a, 0, "attribute"), *start = sk_argument(a, 1, "start");
    const sk_list *all;
    if (!sk_value_items(r, &all, v)) return false;
    *out = start ? *start : sk_value_int(0);
    for (uint32_t i = 0; i < all->n; i++) {
        sk_value one;
        if (!key_of(r, &one, all->at[i], path, true) || !sk_binary(r, out, SK_ADD, *out, one)) return false;
    }
    return sk_run_work(r, all->n);
}

const sk_named_filter sk_list_filters[] = {
    {"first", first},        {"last", last},     {"select", keep},
    {"reject", drop},        {"map", map},       {"selectattr", keep_by},
    {"rejectattr", drop_by}, {"join", join},     {"list", list},
    {"reverse", reverse},    {"sort", sort},     {"dictsort", dictsort},
    {"items", items},        {"unique", unique}, {"min", least},
    {"max", most},           {"sum", sum},       {NULL, NULL},
};

/* Values and what Python says of them: truth, equality, order, length, what a loop goes through. */
#include "template/value.h"
#include <string.h>

sk_value sk_value_undefined(const char *what, uint32_t n_bytes) {
    return (sk_value){.kind = SK_UNDEFINED, .n = n_bytes, .as.text = what};
}
sk_value sk_value_bool(bool b) { return (sk_value){.kind = SK_BOOL, .as.whole = b}; }
sk_value sk_value_int(int64_t n) { return (sk_value){.kind = SK_INT, .as.whole = n}; }
sk_value sk_value_float(double x) { return (sk_value){.kind = SK_FLOAT, .as.real = x}; }
sk_value sk_value_text(const char *text, uint32_t n_bytes, sk_origin origin) {
    return (sk_value){.kind = SK_STR, .origin = (uint8_t)origin, .n = n_bytes, .as.text = text};
}
sk_value sk_value_word(const char *text) { return sk_value_text(text, (uint32_t)strlen(text), SK_FROM_TEMPLATE); }

sk_value sk_value_part(sk_value text, uint32_t from, uint32_t n) {
    text.as.text += from;
    if (text.marks) text.marks += from;
    text.n = n;
    return text;
}

/* ---- lists */

sk_list *sk_list_begin(sk_run *r, uint32_t n) {
    sk_list *list = sk_run_work(r, n / 4) ? sk_run_take(r, sizeof *list) : NULL;
    if (!list) return NULL;
    list->at = sk_run_take(r, sk_mul(n, sizeof *list->at));
    return list->at ? list : NULL;
}

static uint32_t depth_of(sk_value v) {
    if (v.kind == SK_LIST || v.kind == SK_TUPLE) return v.as.list->depth;
    return v.kind == SK_DICT ? v.as.dict->depth : 0;
}

static bool deeper(sk_run *r, uint32_t *depth, sk_value inside) {
    uint32_t d = depth_of(inside) + 1;
    if (d > *depth) *depth = d;
    if (d <= SK_VALUE_MAX_DEPTH) return true;
    return sk_run_fail(r, SKALD_FORMAT, "values in values more than %u deep", SK_VALUE_MAX_DEPTH);
}

bool sk_list_end(sk_run *r, sk_value *out, sk_list *list, sk_value_kind kind) {
    list->depth = 1;
    for (uint32_t i = 0; i < list->n; i++)
        if (!deeper(r, &list->depth, list->at[i])) return false;
    *out = (sk_value){.kind = (uint8_t)kind, .as.list = list};
    return true;
}

bool sk_value_pair(sk_run *r, sk_value *out, sk_value a, sk_value b) {
    sk_list *pair = sk_list_begin(r, 2);
    if (!pair) return false;
    pair->at[pair->n++] = a;
    pair->at[pair->n++] = b;
    return sk_list_end(r, out, pair, SK_TUPLE);
}

/* ---- dicts: few keys, looked through one by one */

sk_dict *sk_dict_new(sk_run *r, uint32_t room) {
    sk_dict *d = sk_run_take(r, sizeof *d);
    if (!d) return NULL;
    d->room = room ? room : 4;
    d->depth = 1;
    d->at = sk_run_take(r, sk_mul(d->room, 2 * sizeof *d->at));
    return d->at ? d : NULL;
}

static sk_value *find(sk_run *r, const sk_dict *d, sk_value key) {
    if (!sk_run_work(r, d->n / 16)) return NULL;
    for (uint32_t i = 0; i < d->n; i++)
        if (sk_value_same(r, d->at[2 * i], key)) return &d->at[2 * i + 1];
    return NULL;
}

bool sk_dict_set(sk_run *r, sk_dict *d, sk_value key, sk_value value) {
    if (key.kind > SK_STR || key.kind == SK_UNDEFINED)
        return sk_run_fail(r, SKALD_FORMAT, "%s cannot be a key", sk_value_type(key));
    if (!deeper(r, &d->depth, value)) return false;
    sk_value *old = find(r, d, key);
    if (old) return *old = value, true;
    if (r->status != SKALD_OK) return false;
    if (d->n == d->room) {
        sk_value *more = sk_run_take(r, sk_mul(d->room, 4 * sizeof *more));
        if (!more) return false;
        memcpy(more, d->at, 2 * sizeof *more * d->n);
        d->at = more;
        d->room *= 2;
    }
    d->at[2 * d->n] = key;
    d->at[2 * d->n++ + 1] = value;
    return true;
}

const sk_value *sk_dict_get(sk_run *r, const sk_dict *d, sk_value key) { return find(r, d, key); }
const sk_value *sk_dict_word(sk_run *r, const sk_dict *d, const char *key) { return find(r, d, sk_value_word(key)); }

bool sk_dict_items(sk_run *r, sk_value *out, const sk_dict *d) {
    sk_list *items = sk_list_begin(r, d->n);
    if (!items) return false;
    for (; items->n < d->n; items->n++)
        if (!sk_value_pair(r, &items->at[items->n], d->at[2 * items->n], d->at[2 * items->n + 1])) return false;
    return sk_list_end(r, out, items, SK_LIST);
}

/* ---- truth, equality, order */

bool sk_value_true(sk_value v) {
    switch (v.kind) {
    case SK_UNDEFINED:
    case SK_NONE: return false;
    case SK_BOOL:
    case SK_INT: return v.as.whole != 0;
    case SK_FLOAT: return v.as.real != 0;
    case SK_STR: return v.n != 0;
    case SK_LIST:
    case SK_TUPLE: return v.as.list->n != 0;
    case SK_DICT: return v.as.dict->n != 0;
    default: return true;
    }
}

static bool is_number(sk_value v) { return v.kind == SK_BOOL || v.kind == SK_INT || v.kind == SK_FLOAT; }
static double real_of(sk_value v) { return v.kind == SK_FLOAT ? v.as.real : (double)v.as.whole; }

static bool same_lists(sk_run *r, const sk_list *a, const sk_list *b) {
    if (a->n != b->n || !sk_run_work(r, a->n)) return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (!sk_value_same(r, a->at[i], b->at[i])) return false;
    return true;
}

static bool same_dicts(sk_run *r, const sk_dict *a, const sk_dict *b) {
    if (a->n != b->n || !sk_run_work(r, a->n)) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        const sk_value *other = sk_dict_get(r, b, a->at[2 * i]);
        if (!other || !sk_value_same(r, a->at[2 * i + 1], *other)) return false;
    }
    return true;
}

bool sk_value_same(sk_run *r, sk_value a, sk_value b) {
    if (is_number(a) && is_number(b))
        return a.kind == SK_FLOAT || b.kind == SK_FLOAT ? real_of(a) == real_of(b) : a.as.whole == b.as.whole;
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case SK_UNDEFINED:
    case SK_NONE: return true;
    case SK_STR: return a.n == b.n && sk_text_stands(r, a, b, 0);
    case SK_LIST:
    case SK_TUPLE: return same_lists(r, a.as.list, b.as.list);
    case SK_DICT: return same_dicts(r, a.as.dict, b.as.dict);
    case SK_METHOD: return false;
    case SK_GLOBAL: return a.as.whole == b.as.whole;
    default: return a.as.dict == b.as.dict; /* the same object */
    }
}

static int order_of(double a, double b) { return a < b ? -1 : a > b; }

static int text_order(sk_value a, sk_value b) {
    int order = memcmp(a.as.text, b.as.text, a.n < b.n ? a.n : b.n);
    return order ? (order < 0 ? -1 : 1) : a.n < b.n ? -1 : a.n > b.n;
}

/* The first items that differ decide, then the lengths. */
static bool list_order(sk_run *r, int *order, const sk_list *a, const sk_list *b) {
    for (uint32_t i = 0; i < a->n && i < b->n; i++) {
        if (!sk_run_work(r, 1)) return false;
        if (!sk_value_same(r, a->at[i], b->at[i])) return sk_value_order(r, order, a->at[i], b->at[i]);
    }
    *order = a->n < b->n ? -1 : a->n > b->n;
    return true;
}

bool sk_value_order(sk_run *r, int *order, sk_value a, sk_value b) {
    if (is_number(a) && is_number(b)) {
        if (a.kind == SK_FLOAT || b.kind == SK_FLOAT) *order = order_of(real_of(a), real_of(b));
        else *order = a.as.whole < b.as.whole ? -1 : a.as.whole > b.as.whole;
        return true;
    }
    if (a.kind == SK_STR && b.kind == SK_STR)
        return *order = text_order(a, b), sk_run_work(r, (a.n < b.n ? a.n : b.n) / 64);
    if (a.kind == b.kind && (a.kind == SK_LIST || a.kind == SK_TUPLE))
        return list_order(r, order, a.as.list, b.as.list);
    return sk_run_fail(r, SKALD_FORMAT, "%s and %s have no order", sk_value_type(a), sk_value_type(b));
}

bool sk_value_is(sk_value text, const char *what) {
    return text.kind == SK_STR && text.n == strlen(what) && memcmp(text.as.text, what, text.n) == 0;
}

const char *sk_value_type(sk_value v) {
    static const char *const names[] = {
        "an undefined value", "None",   "a bool",  "an int",   "a float",   "a str", "a list", "a tuple", "a dict",
        "a namespace",        "a loop", "a macro", "a method", "a function"};
    return names[v.kind];
}

/* ---- what a value goes through */

static bool chars_of(sk_run *r, const sk_list **out, sk_value text) {
    sk_list *list = sk_list_begin(r, sk_text_chars(text));
    if (!list) return false;
    for (uint32_t at = 0, n; at < text.n; at += n) {
        n = sk_char_length(text, at);
        list->at[list->n++] = sk_value_part(text, at, n);
    }
    list->depth = 1;
    *out = list;
    return true;
}

bool sk_value_items(sk_run *r, const sk_list **out, sk_value v) {
    if (v.kind == SK_LIST || v.kind == SK_TUPLE) return *out = v.as.list, true;
    if (v.kind == SK_STR) return chars_of(r, out, v);
    if (v.kind != SK_DICT && v.kind != SK_UNDEFINED)
        return sk_run_fail(r, SKALD_FORMAT, "%s cannot be gone through", sk_value_type(v));
    uint32_t n = v.kind == SK_DICT ? v.as.dict->n : 0;
    sk_list *keys = sk_list_begin(r, n);
    if (!keys) return false;
    for (; keys->n < n; keys->n++) keys->at[keys->n] = v.as.dict->at[2 * keys->n];
    keys->depth = 1;
    *out = keys;
    return true;
}

bool sk_value_length(sk_run *r, uint32_t *n, sk_value v) {
    switch (v.kind) {
    case SK_UNDEFINED: return *n = 0, true;
    case SK_STR: return *n = sk_text_chars(v), sk_run_work(r, v.n / 16);
    case SK_LIST:
    case SK_TUPLE: return *n = v.as.list->n, true;
    case SK_DICT: return *n = v.as.dict->n, true;
    default: return sk_run_fail(r, SKALD_FORMAT, "%s has no length", sk_value_type(v));
    }
}

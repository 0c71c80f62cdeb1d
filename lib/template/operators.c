/* Operators, attributes, items and slices, as Python has them. */
#include "template/machine.h"
#include <string.h>

/* ---- arguments of calls */

const sk_value *sk_argument(const sk_arguments *a, uint32_t index, const char *name) {
    if (index < a->n) return &a->at[index];
    for (uint32_t i = 0; name && i < a->n_named; i++)
        if (sk_value_is(a->named[2 * i], name)) return &a->named[2 * i + 1];
    return NULL;
}

bool sk_argument_int(sk_run *r, const sk_arguments *a, uint32_t index, const char *name, int64_t *out) {
    const sk_value *v = sk_argument(a, index, name);
    if (!v) return true;
    if (v->kind != SK_INT && v->kind != SK_BOOL)
        return sk_run_fail(r, SKALD_FORMAT, "an int is expected, %s is given", sk_value_type(*v));
    *out = v->as.whole;
    return true;
}

bool sk_argument_true(const sk_arguments *a, uint32_t index, const char *name, bool otherwise) {
    const sk_value *v = sk_argument(a, index, name);
    return v ? sk_value_true(*v) : otherwise;
}

/* ---- attributes and items: what is not there is undefined */

static bool of_undefined(sk_run *r, sk_value v) {
    return sk_run_fail(r, SKALD_FORMAT, "\"%.*s\" is undefined", (int)v.n, v.as.text);
}

static bool loop_attribute(sk_value *out, const sk_loop *loop, sk_value name) {
    const int64_t i = loop->index, n = loop->items->n;
    const struct {
        const char *name;
        sk_value value;
    } numbers[] = {{"index", sk_value_int(i + 1)},    {"index0", sk_value_int(i)},
                   {"revindex", sk_value_int(n - i)}, {"revindex0", sk_value_int(n - i - 1)},
                   {"first", sk_value_bool(i == 0)},  {"last", sk_value_bool(i == n - 1)},
                   {"length", sk_value_int(n)},       {"depth", sk_value_int(1)},
                   {"depth0", sk_value_int(0)}};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        if (sk_value_is(name, numbers[k].name)) return *out = numbers[k].value, true;
    if (sk_value_is(name, "previtem") && i > 0) *out = loop->items->at[i - 1];
    if (sk_value_is(name, "nextitem") && i + 1 < n) *out = loop->items->at[i + 1];
    return true;
}

static bool bound_method(sk_run *r, sk_value *out, sk_value v, sk_value name) {
    sk_method *m = sk_run_take(r, sizeof *m);
    if (!m) return false;
    *m = (sk_method){v, name};
    *out = (sk_value){.kind = SK_METHOD, .as.method = m};
    return true;
}

bool sk_attribute(sk_run *r, sk_value *out, sk_value v, sk_value name) {
    if (v.kind == SK_UNDEFINED) return of_undefined(r, v);
    *out = sk_value_undefined(name.as.text, name.n);
    if (sk_method_exists(v, name)) return bound_method(r, out, v, name);
    if (v.kind == SK_LOOP) return loop_attribute(out, v.as.loop, name);
    if (v.kind == SK_MACRO)
        return sk_run_fail(r, SKALD_UNSUPPORTED, "\"%.*s\" of a macro is not offered", (int)name.n, name.as.text);
    if (v.kind != SK_DICT && v.kind != SK_NAMESPACE) return true;
    const sk_value *found = sk_dict_get(r, v.as.dict, name);
    if (found) *out = *found;
    return r->status == SKALD_OK;
}

/* Offset of character `index` of a text, counted from its end when negative; false: there is none. */
static bool char_offset(sk_value text, int64_t index, uint32_t *at) {
    if (index < 0) index += sk_text_chars(text);
    if (index < 0) return false;
    for (*at = 0; *at < text.n && index > 0; index--) *at += sk_char_length(text, *at);
    return *at < text.n;
}

static bool indexed(sk_run *r, sk_value *out, sk_value v, int64_t index) {
    uint32_t at;
    if (v.kind == SK_STR && char_offset(v, index, &at)) *out = sk_value_part(v, at, sk_char_length(v, at));
    if (v.kind == SK_STR) return sk_run_work(r, v.n / 16);
    if (index < 0) index += v.as.list->n;
    if (index >= 0 && index < v.as.list->n) *out = v.as.list->at[index];
    return true;
}

bool sk_item(sk_run *r, sk_value *out, sk_value v, sk_value key) {
    static const char item[] = "item";
    if (v.kind == SK_UNDEFINED) return of_undefined(r, v);
    *out = key.kind == SK_STR ? sk_value_undefined(key.as.text, key.n) : sk_value_undefined(item, sizeof item - 1);
    if ((v.kind == SK_LIST || v.kind == SK_TUPLE || v.kind == SK_STR) && (key.kind == SK_INT || key.kind == SK_BOOL))
        return indexed(r, out, v, key.as.whole);
    if (v.kind == SK_DICT && key.kind <= SK_STR && key.kind != SK_UNDEFINED) {
        const sk_value *found = sk_dict_get(r, v.as.dict, key);
        if (found) return *out = *found, true;
        if (r->status != SKALD_OK) return false;
    }
    return key.kind == SK_STR ? sk_attribute(r, out, v, key) : true;
}

/* Python's slice of a sequence of n: *from, then every *step-th, *count of them. */
static bool slice_range(sk_run *r, const sk_value limits[3], int64_t n, int64_t *from, int64_t *step, int64_t *count) {
    int64_t limit[2];
    for (int i = 0; i < 3; i++)
        if (limits[i].kind != SK_NONE && limits[i].kind != SK_INT && limits[i].kind != SK_BOOL)
            return sk_run_fail(r, SKALD_FORMAT, "a slice goes by ints, not by %s", sk_value_type(limits[i]));
    *step = limits[2].kind == SK_NONE ? 1 : limits[2].as.whole;
    if (*step == 0) return sk_run_fail(r, SKALD_FORMAT, "the step of a slice is 0");
    if (*step > n) *step = n + 1;
    if (*step < -n) *step = -n - 1;
    const int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? n - 1 : n;
    for (int i = 0; i < 2; i++) {
        int64_t at = limits[i].as.whole;
        if (limits[i].kind == SK_NONE) at = (*step < 0) == (i == 0) ? high : low;
        else if (at < 0) at = at < -n + low ? low : at + n < low ? low : at + n;
        limit[i] = at > high ? high : at;
    }
    *from = limit[0];
    int64_t span = *step < 0 ? limit[0] - limit[1] : limit[1] - limit[0], size = *step < 0 ? -*step : *step;
    *count = span <= 0 ? 0 : (span - 1) / size + 1;
    return true;
}

static bool slice_text(sk_run *r, sk_value *out, sk_value v, int64_t from, int64_t step, int64_t count) {
    const sk_list *chars;
    sk_builder b = {0};
    uint32_t at = 0, end;
    if (step == 1) {
        for (; from > 0; from--) at += sk_char_length(v, at);
        for (end = at; count > 0; count--) end += sk_char_length(v, end);
        *out = sk_value_part(v, at, end - at);
        return true;
    }
    if (!sk_value_items(r, &chars, v)) return false;
    for (int64_t i = 0; i < count; i++)
        if (!sk_put_text(r, &b, chars->at[from + i * step])) return false;
    *out = sk_built(&b);
    return true;
}

bool sk_slice(sk_run *r, sk_value *out, sk_value v, const sk_value limits[3]) {
    static const char slice[] = "slice";
    int64_t from, step, count;
    if (v.kind == SK_UNDEFINED) return of_undefined(r, v);
    *out = sk_value_undefined(slice, sizeof slice - 1);
    if (v.kind != SK_LIST && v.kind != SK_TUPLE && v.kind != SK_STR) return true;
    uint32_t n;
    if (!sk_value_length(r, &n, v) || !slice_range(r, limits, n, &from, &step, &count)) return false;
    if (v.kind == SK_STR) return slice_text(r, out, v, from, step, count);
    sk_list *list = sk_list_begin(r, (uint32_t)count);
    if (!list) return false;
    for (; list->n < count; list->n++) list->at[list->n] = v.as.list->at[from + (int64_t)list->n * step];
    return sk_list_end(r, out, list, (sk_value_kind)v.kind);
}

/* ---- numbers */

static bool too_large(sk_run *r) { return sk_run_fail(r, SKALD_FORMAT, "a number grows too large"); }

static bool divide_whole(sk_run *r, int64_t *out, sk_operator op, int64_t a, int64_t b) {
    if (b == 0) return sk_run_fail(r, SKALD_FORMAT, "a division by zero");
    if (b == -1) { /* INT64_MIN / -1 does not fit */
        if (op == SK_DIVIDE_FLOOR && a == INT64_MIN) return too_large(r);
        return *out = op == SK_MODULO ? 0 : -a, true;
    }
    int64_t rest = a % b, quotient = a / b;
    if (rest && (rest < 0) != (b < 0)) rest += b, quotient--;
    *out = op == SK_MODULO ? rest : quotient;
    return true;
}

static bool multiply_whole(sk_run *r, int64_t *out, int64_t a, int64_t b) {
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    if (y && x > INT64_MAX / y) return too_large(r);
    *out = (a < 0) != (b < 0) ? -(int64_t)(x * y) : (int64_t)(x * y);
    return true;
}

static bool power_whole(sk_run *r, int64_t *out, int64_t a, int64_t b) {
    if (b < 0) return sk_run_fail(r, SKALD_UNSUPPORTED, "powers below zero are not offered");
    for (*out = 1; b > 0 && !(*out == 0 || (*out == 1 && a == 1)); b--)
        if (!multiply_whole(r, out, *out, a) || !sk_run_work(r, 1)) return false;
    return true;
}

static bool whole(sk_run *r, sk_value *out, sk_operator op, int64_t a, int64_t b) {
    int64_t result = 0;
    bool ok = true;
    if (op == SK_ADD || op == SK_SUBTRACT) {
        if (op == SK_SUBTRACT && b == INT64_MIN) return too_large(r);
        if (op == SK_SUBTRACT) b = -b;
        if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return too_large(r);
        result = a + b;
    } else if (op == SK_MULTIPLY) ok = multiply_whole(r, &result, a, b);
    else if (op == SK_POWER) ok = power_whole(r, &result, a, b);
    else ok = divide_whole(r, &result, op, a, b);
    *out = sk_value_int(result);
    return ok;
}

static bool real(sk_run *r, sk_value *out, sk_operator op, double a, double b) {
    switch (op) {
    case SK_ADD: return *out = sk_value_float(a + b), true;
    case SK_SUBTRACT: return *out = sk_value_float(a - b), true;
    case SK_MULTIPLY: return *out = sk_value_float(a * b), true;
    case SK_DIVIDE:
        if (b == 0) return sk_run_fail(r, SKALD_FORMAT, "a division by zero");
        return *out = sk_value_float(a / b), true;
    default: return sk_run_fail(r, SKALD_UNSUPPORTED, "this operator is not offered for floats");
    }
}

static bool is_whole(sk_value v) { return v.kind == SK_INT || v.kind == SK_BOOL; }
static double real_of(sk_value v) { return v.kind == SK_FLOAT ? v.as.real : (double)v.as.whole; }

/* ---- sequences */

static bool joined(sk_run *r, sk_value *out, const sk_value *v, sk_value_kind kind) {
    const sk_list *a = v[0].as.list, *b = v[1].as.list;
    sk_list *list = sk_list_begin(r, a->n + b->n);
    if (!list) return false;
    memcpy(list->at, a->at, a->n * sizeof *a->at);
    memcpy(list->at + a->n, b->at, b->n * sizeof *b->at);
    list->n = a->n + b->n;
    return sk_list_end(r, out, list, kind);
}

static bool repeated(sk_run *r, sk_value *out, sk_value v, int64_t times) {
    sk_builder b = {0};
    if (v.kind == SK_STR) {
        if (v.n == 0) times = 0;
        for (; times > 0; times--)
            if (!sk_put_text(r, &b, v) || !sk_run_work(r, 1)) return false;
        return *out = sk_built(&b), true;
    }
    const sk_list *from = v.as.list;
    if (times < 0) times = 0;
    if (times > 0 && from->n > UINT32_MAX / 64 / (uint64_t)times) return too_large(r);
    sk_list *list = sk_list_begin(r, from->n * (uint32_t)times);
    if (!list) return false;
    for (; times > 0; times--, list->n += from->n) memcpy(list->at + list->n, from->at, from->n * sizeof *from->at);
    return sk_list_end(r, out, list, (sk_value_kind)v.kind);
}

bool sk_contains(sk_run *r, bool *out, sk_value item, sk_value in) {
    const sk_list *items;
    *out = false;
    if (in.kind == SK_STR) {
        if (item.kind != SK_STR) return sk_run_fail(r, SKALD_FORMAT, "%s cannot be in a str", sk_value_type(item));
        *out = sk_text_find(r, in, item, 0) != UINT32_MAX;
        return sk_run_work(r, in.n / 32);
    }
    if (in.kind == SK_DICT) return *out = sk_dict_get(r, in.as.dict, item) != NULL, r->status == SKALD_OK;
    if (!sk_value_items(r, &items, in)) return false;
    for (uint32_t i = 0; i < items->n && !*out; i++) *out = sk_value_same(r, items->at[i], item);
    return sk_run_work(r, items->n / 4);
}

/* ---- all of them */

static bool compare(sk_run *r, sk_value *out, sk_operator op, sk_value a, sk_value b) {
    bool yes;
    int order = 0;
    if (op == SK_IN || op == SK_NOT_IN) {
        if (!sk_contains(r, &yes, a, b)) return false;
        return *out = sk_value_bool(yes == (op == SK_IN)), true;
    }
    if (op == SK_EQUAL || op == SK_UNEQUAL) {
        *out = sk_value_bool(sk_value_same(r, a, b) == (op == SK_EQUAL));
        return r->status == SKALD_OK;
    }
    if (!sk_value_order(r, &order, a, b)) return false;
    yes = op == SK_LESS ? order < 0 : op == SK_LESS_EQUAL ? order <= 0 : op == SK_GREATER ? order > 0 : order >= 0;
    return *out = sk_value_bool(yes), true;
}

static bool put_escaped(sk_run *r, sk_builder *b, sk_value text) {
    static const char signs[] = "&<>'\"";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    for (uint32_t at = 0; at < text.n; at++) {
        const char *sign = text.as.text[at] ? strchr(signs, text.as.text[at]) : NULL;
        sk_value one = sk_value_part(text, at, 1);
        if (sign) one = sk_value_word(names[sign - signs]);
        if (!sk_put_text(r, b, one)) return false;
    }
    return true;
}

static bool add_texts(sk_run *r, sk_value *out, sk_value a, sk_value b) {
    sk_builder text = {0};
    bool put_a = b.safe && !a.safe ? put_escaped(r, &text, a) : sk_put_text(r, &text, a);
    bool put_b = put_a && (a.safe && !b.safe ? put_escaped(r, &text, b) : sk_put_text(r, &text, b));
    *out = sk_built(&text);
    out->safe = a.safe || b.safe;
    return put_b;
}

static bool is_list(sk_value v) { return v.kind == SK_LIST || v.kind == SK_TUPLE; }

bool sk_binary(sk_run *r, sk_value *out, sk_operator op, sk_value a, sk_value b) {
    if (op >= SK_EQUAL) return compare(r, out, op, a, b);
    if (a.kind == SK_UNDEFINED) return of_undefined(r, a);
    if (b.kind == SK_UNDEFINED && !(op == SK_MODULO && a.kind == SK_STR)) return of_undefined(r, b);
    if (is_whole(a) && is_whole(b) && op != SK_DIVIDE) return whole(r, out, op, a.as.whole, b.as.whole);
    if ((is_whole(a) || a.kind == SK_FLOAT) && (is_whole(b) || b.kind == SK_FLOAT))
        return real(r, out, op, real_of(a), real_of(b));
    if (op == SK_ADD && a.kind == SK_STR && b.kind == SK_STR) {
        return add_texts(r, out, a, b);
    }
    const sk_value both[2] = {a, b};
    if (op == SK_ADD && is_list(a) && a.kind == b.kind) return joined(r, out, both, (sk_value_kind)a.kind);
    if (op == SK_MULTIPLY && (a.kind == SK_STR || is_list(a)) && is_whole(b)) return repeated(r, out, a, b.as.whole);
    if (op == SK_MULTIPLY && (b.kind == SK_STR || is_list(b)) && is_whole(a)) return repeated(r, out, b, a.as.whole);
    if (op == SK_MODULO && a.kind == SK_STR) {
        if (b.kind == SK_TUPLE) return sk_percent(r, out, a, b.as.list->at, b.as.list->n);
        return sk_percent(r, out, a, &b, 1);
    }
    return sk_run_fail(r, SKALD_FORMAT, "the operator does not work on %s and %s", sk_value_type(a), sk_value_type(b));
}

bool sk_percent(sk_run *r, sk_value *out, sk_value format, const sk_value *args, uint32_t n) {
    sk_builder b = {0};
    uint32_t used = 0;
    if (!sk_run_work(r, format.n / 16)) return false;
    for (uint32_t at = 0; at < format.n; at++) {
        char kind = at + 1 < format.n ? format.as.text[at + 1] : 0;
        if (format.as.text[at] != '%') {
            if (!sk_put_text(r, &b, sk_value_part(format, at, 1))) return false;
            continue;
        }
        at++;
        if (kind == '%') {
            if (!sk_put_text(r, &b, sk_value_part(format, at, 1))) return false;
            continue;
        }
        if (kind != 's' && kind != 'd' && kind != 'r')
            return sk_run_fail(r, SKALD_UNSUPPORTED, "of formats only %%s, %%d, %%r are offered");
        if (used == n) return sk_run_fail(r, SKALD_FORMAT, "too few values for the format");
        sk_value v = args[used++];
        if (kind == 'd' && !is_whole(v)) return sk_run_fail(r, SKALD_FORMAT, "%%d of %s", sk_value_type(v));
        if (kind == 'd') v.kind = SK_INT;
        if (!(kind == 'r' ? sk_put_repr(r, &b, v) : sk_put_str(r, &b, v))) return false;
    }
    if (used < n) return sk_run_fail(r, SKALD_FORMAT, "too many values for the format");
    return *out = sk_built(&b), true;
}

/* Filters that make one value of one: texts, numbers, JSON. Those that go through lists are in lists.c. */
#include "template/filters.h"
#include "base/exact.h"
#include "file/json.h"
#include <string.h>

/* ---- texts */

static bool text_case(sk_run *r, sk_value *out, sk_value v, enum sk_case to) {
    sk_builder b = {0};
    if (!sk_value_str(r, &v, v) || !sk_put_case(r, &b, v, to)) return false;
    return *out = sk_built(&b), true;
}

static bool upper(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return text_case(r, out, v, SK_UPPER);
}

static bool lower(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return text_case(r, out, v, SK_LOWER);
}

bool sk_text_capitalized(sk_run *r, sk_value *out, sk_value v) {
    sk_builder b = {0};
    uint32_t n = v.n ? sk_char_length(v, 0) : 0;
    if (!sk_put_case(r, &b, sk_value_part(v, 0, n), SK_UPPER) ||
        !sk_put_case(r, &b, sk_value_part(v, n, v.n - n), SK_LOWER))
        return false;
    return *out = sk_built(&b), true;
}

static bool capitalize(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return sk_value_str(r, &v, v) && sk_text_capitalized(r, out, v);
}

/* A word begins behind - ( { [ < and white space. */
static bool title(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_builder b = {0};
    bool begins = true;
    (void)a;
    if (!sk_value_str(r, &v, v)) return false;
    for (uint32_t at = 0, n; at < v.n; at += n) {
        n = sk_char_length(v, at);
        uint32_t code = sk_char_at(v, at);
        if (!sk_put_case(r, &b, sk_value_part(v, at, n), begins ? SK_UPPER : SK_LOWER)) return false;
        begins = sk_char_is_space(code) || (code < 0x80 && code && strchr("-({[<", (int)code));
    }
    return *out = sk_built(&b), true;
}

static bool trim(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *chars = sk_argument(a, 0, "chars");
    if (!sk_value_str(r, &v, v)) return false;
    if (chars && chars->kind == SK_STR) return sk_text_strip_of(r, out, v, *chars, true, true);
    *out = sk_text_strip(v, true, true);
    return sk_run_work(r, (v.n - out->n) / 4);
}

bool sk_text_replace(sk_run *r, sk_value *out, sk_value v, sk_value old, sk_value new, int64_t most) {
    sk_builder b = {0};
    uint32_t from = 0, at;
    for (; most != 0 && (at = sk_text_find(r, v, old, from)) != UINT32_MAX; most--) {
        uint32_t step = old.n ? 0 : at < v.n ? sk_char_length(v, at) : 0; /* nothing is found before every character */
        if (!sk_put_text(r, &b, sk_value_part(v, from, at - from)) || !sk_put_text(r, &b, new) ||
            !sk_put_text(r, &b, sk_value_part(v, at, step)) || !sk_run_work(r, 1))
            return false;
        from = at + old.n + step;
        if (old.n == 0 && step == 0) break;
    }
    if (!sk_put_text(r, &b, sk_value_part(v, from, v.n - from)) || !sk_run_work(r, v.n / 32)) return false;
    return *out = sk_built(&b), true;
}

static bool replace(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *old = sk_argument(a, 0, "old"), *new = sk_argument(a, 1, "new");
    int64_t most = -1;
    if (!old || !new) return sk_run_fail(r, SKALD_FORMAT, "replace takes two texts");
    const sk_value *count = sk_argument(a, 2, "count");
    if (count && count->kind != SK_NONE && !sk_argument_int(r, a, 2, "count", &most)) return false;
    sk_value from, to;
    return sk_value_str(r, &v, v) && sk_value_str(r, &from, *old) && sk_value_str(r, &to, *new) &&
           sk_text_replace(r, out, v, from, to, most);
}

static bool string(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return sk_value_str(r, out, v);
}

static bool put_indent(sk_run *r, sk_builder *b, const sk_value *by, int64_t width) {
    if (by && by->kind == SK_STR) return sk_put_text(r, b, *by);
    for (; width > 0; width--)
        if (!sk_put(r, b, " ", 1, SK_FROM_TEMPLATE)) return false;
    return true;
}

static bool indent(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *by = sk_argument(a, 0, "width");
    int64_t width = 4;
    bool first = sk_argument_true(a, 1, "first", false), blank = sk_argument_true(a, 2, "blank", false);
    sk_builder b = {0}, lines = {0};
    sk_value line;
    uint32_t at = 0;
    if (!(by && by->kind == SK_STR) && !sk_argument_int(r, a, 0, "width", &width)) return false;
    if (width > 1024) return sk_run_fail(r, SKALD_FORMAT, "an indent of more than 1024");
    /* A newline at the end begins one more line. */
    if (!sk_value_str(r, &v, v) || !sk_put_text(r, &lines, v) || !sk_put(r, &lines, "\n", 1, SK_FROM_TEMPLATE))
        return false;
    v = sk_built(&lines);
    for (uint32_t i = 0; sk_text_line(v, &at, &line); i++) {
        if (i && !sk_put(r, &b, "\n", 1, SK_FROM_TEMPLATE)) return false;
        if ((i == 0 ? first : line.n || blank) && !put_indent(r, &b, by, width)) return false;
        if (!sk_put_text(r, &b, line)) return false;
    }
    return *out = sk_built(&b), true;
}

static bool format(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    if (a->n_named) return sk_run_fail(r, SKALD_UNSUPPORTED, "format by names is not offered");
    return sk_value_str(r, &v, v) && sk_percent(r, out, v, a->at, a->n);
}

static bool safe(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    if (!sk_value_str(r, out, v)) return false;
    return out->safe = true;
}

/* ---- numbers */

/* Of the text of a number: digits with a sign, a fraction, an exponent. */
static bool read_number(sk_value text, bool *whole, int64_t *n, double *x) {
    text = sk_text_strip(text, true, true);
    const char *p = text.as.text, *end = p + text.n, *begin = p + (text.n && *p == '+');
    if (p < end && (*p == '+' || *p == '-')) p++;
    const char *digits = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    size_t before = (size_t)(p - digits);
    *whole = p == end;
    if (p < end && *p == '.')
        for (p++; p < end && *p >= '0' && *p <= '9';) p++;
    if (before == 0) return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p += p + 1 < end && (p[1] == '+' || p[1] == '-') ? 2 : 1;
        if (p == end) return false;
        while (p < end && *p >= '0' && *p <= '9') p++;
    }
    if (p != end) return false;
    sk_json number = {begin, end};
    if (*whole && sk_json_to_i64(number, n)) return *x = (double)*n, true;
    *whole = false;
    return sk_json_to_double(number, x);
}

static bool to_int(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *otherwise = sk_argument(a, 0, "default");
    bool whole = false, ok = true;
    int64_t n = 0;
    double x = 0;
    if (v.kind == SK_UNDEFINED) return sk_run_fail(r, SKALD_FORMAT, "\"%.*s\" is undefined", (int)v.n, v.as.text);
    if (sk_argument(a, 1, "base")) return sk_run_fail(r, SKALD_UNSUPPORTED, "int with a base is not offered");
    if (v.kind == SK_INT || v.kind == SK_BOOL) whole = true, n = v.as.whole;
    else if (v.kind == SK_FLOAT) x = v.as.real;
    else ok = v.kind == SK_STR && read_number(v, &whole, &n, &x);
    if (v.kind == SK_STR && !sk_run_work(r, v.n / 16)) return false;
    if (ok && !whole && !(x > -9e18 && x < 9e18)) ok = false;
    if (ok) *out = sk_value_int(whole ? n : (int64_t)x);
    else *out = otherwise ? *otherwise : sk_value_int(0);
    return true;
}

static bool to_float(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *otherwise = sk_argument(a, 0, "default");
    bool whole;
    int64_t n;
    double x = 0;
    if (v.kind == SK_UNDEFINED) return sk_run_fail(r, SKALD_FORMAT, "\"%.*s\" is undefined", (int)v.n, v.as.text);
    *out = otherwise ? *otherwise : sk_value_float(0);
    if (v.kind == SK_INT || v.kind == SK_BOOL) *out = sk_value_float((double)v.as.whole);
    else if (v.kind == SK_FLOAT) *out = v;
    else if (v.kind == SK_STR && read_number(v, &whole, &n, &x)) *out = sk_value_float(x);
    return v.kind != SK_STR || sk_run_work(r, v.n / 16);
}

static bool absolute(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    if (v.kind == SK_FLOAT) return *out = sk_value_float(sk_double(sk_bits64(v.as.real) & INT64_MAX)), true;
    if (v.kind != SK_INT || v.as.whole >= 0) return sk_binary(r, out, SK_ADD, v, sk_value_int(0));
    return sk_binary(r, out, SK_SUBTRACT, sk_value_int(0), v);
}

/* ---- anything */

static bool otherwise(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *given = sk_argument(a, 0, "default_value");
    bool absent = v.kind == SK_UNDEFINED || (sk_argument_true(a, 1, "boolean", false) && !sk_value_true(v));
    (void)r;
    *out = !absent ? v : given ? *given : sk_value_word("");
    return true;
}

static bool length(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    uint32_t n = 0;
    (void)a;
    if (!sk_value_length(r, &n, v)) return false;
    return *out = sk_value_int(n), true;
}

static bool attribute(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_value *name = sk_argument(a, 0, "name");
    if (!name || name->kind != SK_STR) return sk_run_fail(r, SKALD_FORMAT, "attr takes a name");
    return sk_attribute(r, out, v, *name);
}

static bool read_style(sk_run *r, const sk_arguments *a, sk_json_style *style, char spaces[64]) {
    const sk_value *by = sk_argument(a, 1, "indent"), *separators = sk_argument(a, 2, "separators");
    int64_t width = 0;
    style->ascii = sk_argument_true(a, 0, "ensure_ascii", false);
    style->sorted = sk_argument_true(a, 3, "sort_keys", false);
    if (by && by->kind == SK_STR) style->indent = by->as.text, style->n_indent = by->n;
    else if (by && by->kind != SK_NONE) {
        if (!sk_argument_int(r, a, 1, "indent", &width)) return false;
        if (width > 64) return sk_run_fail(r, SKALD_FORMAT, "an indent of more than 64");
        memset(spaces, ' ', 64);
        style->indent = spaces, style->n_indent = width > 0 ? (uint32_t)width : 0;
    }
    style->between = sk_value_word(style->indent ? "," : ", ");
    style->colon = sk_value_word(": ");
    if (!separators || separators->kind == SK_NONE) return true;
    if ((separators->kind != SK_TUPLE && separators->kind != SK_LIST) || separators->as.list->n != 2 ||
        separators->as.list->at[0].kind != SK_STR || separators->as.list->at[1].kind != SK_STR)
        return sk_run_fail(r, SKALD_FORMAT, "separators are two texts");
    style->between = separators->as.list->at[0];
    style->colon = separators->as.list->at[1];
    return true;
}

/* As transformers has it: json.dumps, and nothing escaped for HTML. */
static bool tojson(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    char spaces[64];
    sk_json_style style = {0};
    sk_builder b = {0};
    if (!read_style(r, a, &style, spaces) || !sk_put_json(r, &b, v, &style)) return false;
    return *out = sk_built(&b), true;
}

static const sk_named_filter filters[] = {
    {"upper", upper},     {"lower", lower},    {"capitalize", capitalize}, {"title", title},       {"trim", trim},
    {"replace", replace}, {"string", string},  {"indent", indent},         {"format", format},     {"safe", safe},
    {"int", to_int},      {"float", to_float}, {"abs", absolute},          {"default", otherwise}, {"d", otherwise},
    {"length", length},   {"count", length},   {"attr", attribute},        {"tojson", tojson},
};

static sk_filter_fn *find(sk_value name) {
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (sk_value_is(name, filters[i].name)) return filters[i].apply;
    for (size_t i = 0; sk_list_filters[i].name; i++)
        if (sk_value_is(name, sk_list_filters[i].name)) return sk_list_filters[i].apply;
    return NULL;
}

bool sk_filter_exists(sk_value name) { return find(name) != NULL; }

bool sk_call_filter(sk_run *r, sk_value *out, sk_value name, sk_value v, const sk_arguments *a) {
    sk_filter_fn *apply = find(name);
    if (apply) return apply(r, out, v, a);
    return sk_run_fail(r, SKALD_UNSUPPORTED, "filter \"%.*s\" is not offered", (int)name.n, name.as.text);
}

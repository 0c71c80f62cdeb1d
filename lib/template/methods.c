/* Methods of texts, dicts and lists. Those that would change a value are refused, as in transformers' sandbox. */
#include "template/machine.h"
#include "text/unicode.h"
#include <string.h>

typedef bool method(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a);

static bool text_argument(sk_run *r, const sk_arguments *a, uint32_t index, const char *name, sk_value *out) {
    const sk_value *v = sk_argument(a, index, name);
    if (!v || v->kind != SK_STR)
        return sk_run_fail(r, SKALD_FORMAT, "a str is expected, %s is given", v ? sk_value_type(*v) : "nothing");
    return *out = *v, true;
}

/* ---- texts: ends */

static bool strip_sides(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a, bool left, bool right) {
    const sk_value *chars = sk_argument(a, 0, NULL);
    sk_value text;
    if (chars && chars->kind == SK_NONE) chars = NULL;
    if (chars) return text_argument(r, a, 0, NULL, &text) && sk_text_strip_of(r, out, v, text, left, right);
    *out = sk_text_strip(v, left, right);
    return sk_run_work(r, (v.n - out->n) / 4);
}

static bool strip(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return strip_sides(r, out, v, a, true, true);
}
static bool lstrip(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return strip_sides(r, out, v, a, true, false);
}
static bool rstrip(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return strip_sides(r, out, v, a, false, true);
}

static bool has_end(sk_run *r, sk_value v, sk_value part, bool at_end) {
    return part.n <= v.n && sk_text_stands(r, v, part, at_end ? v.n - part.n : 0);
}

/* One text, or a tuple of which one fits. */
static bool fits(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a, bool at_end) {
    const sk_value *given = sk_argument(a, 0, NULL);
    bool yes = false;
    if (!given || a->n != 1 || (given->kind != SK_STR && given->kind != SK_TUPLE))
        return sk_run_fail(r, SKALD_FORMAT, "a str or a tuple of them is expected");
    if (given->kind == SK_STR) return *out = sk_value_bool(has_end(r, v, *given, at_end)), true;
    for (uint32_t i = 0; i < given->as.list->n; i++) {
        if (given->as.list->at[i].kind != SK_STR) return sk_run_fail(r, SKALD_FORMAT, "a tuple of strs is expected");
        yes |= has_end(r, v, given->as.list->at[i], at_end);
    }
    return *out = sk_value_bool(yes), true;
}

static bool startswith(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return fits(r, out, v, a, false);
}
static bool endswith(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) { return fits(r, out, v, a, true); }

static bool removeprefix(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_value part;
    if (!text_argument(r, a, 0, NULL, &part)) return false;
    return *out = has_end(r, v, part, false) ? sk_value_part(v, part.n, v.n - part.n) : v, true;
}

static bool removesuffix(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_value part;
    if (!text_argument(r, a, 0, NULL, &part)) return false;
    return *out = has_end(r, v, part, true) ? sk_value_part(v, 0, v.n - part.n) : v, true;
}

/* ---- texts: parts */

/* Pieces are put in front of each other when they come from the right. */
static bool add_piece(sk_run *r, sk_list **list, uint32_t *room, sk_value piece) {
    if ((*list)->n == *room) {
        sk_list *more = sk_list_begin(r, 2 * *room);
        if (!more) return false;
        memcpy(more->at, (*list)->at, (*list)->n * sizeof *more->at);
        more->n = (*list)->n;
        *list = more;
        *room *= 2;
    }
    (*list)->at[(*list)->n++] = piece;
    return true;
}

/* Offset of the last `part` that ends at or before `end`. */
static uint32_t find_last(sk_run *r, sk_value v, sk_value part, uint32_t end) {
    for (uint32_t at = part.n <= end ? end - part.n + 1 : 0; at-- > 0 && r->status == SKALD_OK;)
        if (sk_text_stands(r, v, part, at)) return at;
    return UINT32_MAX;
}

static bool split_by(sk_run *r, sk_list **list, uint32_t *room, sk_value v, sk_value by, int64_t most) {
    uint32_t from = 0, at;
    for (; most != 0 && (at = sk_text_find(r, v, by, from)) != UINT32_MAX; most--, from = at + by.n)
        if (!add_piece(r, list, room, sk_value_part(v, from, at - from))) return false;
    return add_piece(r, list, room, sk_value_part(v, from, v.n - from));
}

static bool split_by_last(sk_run *r, sk_list **list, uint32_t *room, sk_value v, sk_value by, int64_t most) {
    uint32_t end = v.n, at;
    for (; most != 0 && (at = find_last(r, v, by, end)) != UINT32_MAX; most--, end = at)
        if (!add_piece(r, list, room, sk_value_part(v, at + by.n, end - at - by.n))) return false;
    if (!add_piece(r, list, room, sk_value_part(v, 0, end))) return false;
    for (uint32_t i = 0; i < (*list)->n / 2; i++) {
        sk_value kept = (*list)->at[i];
        (*list)->at[i] = (*list)->at[(*list)->n - 1 - i];
        (*list)->at[(*list)->n - 1 - i] = kept;
    }
    return true;
}

static bool split_words(sk_run *r, sk_list **list, uint32_t *room, sk_value v, int64_t most) {
    for (v = sk_text_strip(v, true, false); v.n; most--) {
        uint32_t at = 0;
        if (most == 0) return add_piece(r, list, room, v);
        while (at < v.n && !sk_char_is_space(sk_char_at(v, at))) at += sk_char_length(v, at);
        if (!add_piece(r, list, room, sk_value_part(v, 0, at))) return false;
        v = sk_text_strip(sk_value_part(v, at, v.n - at), true, false);
    }
    return true;
}

static bool split_any(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a, bool last) {
    const sk_value *by = sk_argument(a, 0, "sep");
    int64_t most = -1;
    uint32_t room = 8;
    sk_list *list = sk_list_begin(r, room);
    if (!list || !sk_argument_int(r, a, 1, "maxsplit", &most) || !sk_run_work(r, v.n / 16)) return false;
    bool words = !by || by->kind == SK_NONE;
    if (!words && (by->kind != SK_STR || by->n == 0))
        return sk_run_fail(r, SKALD_FORMAT, "a separator that is not empty is expected");
    if (words && last && most >= 0)
        return sk_run_fail(r, SKALD_UNSUPPORTED, "rsplit by white space with a limit is not offered");
    bool ok = words ? split_words(r, &list, &room, v, most)
                    : (last ? split_by_last : split_by)(r, &list, &room, v, *by, most);
    return ok && sk_list_end(r, out, list, SK_LIST);
}

static bool split(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return split_any(r, out, v, a, false);
}
static bool rsplit(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    return split_any(r, out, v, a, true);
}

static bool splitlines(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    bool ends = sk_argument_true(a, 0, "keepends", false);
    uint32_t at = 0, begin = 0, room = 8;
    sk_list *list = sk_list_begin(r, room);
    for (sk_value line; list && sk_text_line(v, &at, &line); begin = at)
        if (!add_piece(r, &list, &room, ends ? sk_value_part(v, begin, at - begin) : line)) return false;
    return list && sk_run_work(r, v.n / 16) && sk_list_end(r, out, list, SK_LIST);
}

static bool partition_at(sk_run *r, sk_value *out, sk_value v, uint32_t at, uint32_t n, bool last) {
    sk_list *list = sk_list_begin(r, 3);
    if (!list) return false;
    list->n = 3;
    for (int i = 0; i < 3; i++) list->at[i] = sk_value_word("");
    if (at == UINT32_MAX) list->at[last ? 2 : 0] = v;
    else {
        list->at[0] = sk_value_part(v, 0, at);
        list->at[1] = sk_value_part(v, at, n);
        list->at[2] = sk_value_part(v, at + n, v.n - at - n);
    }
    return sk_list_end(r, out, list, SK_TUPLE);
}

static bool partition(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_value by;
    return text_argument(r, a, 0, NULL, &by) && partition_at(r, out, v, sk_text_find(r, v, by, 0), by.n, false);
}

static bool rpartition(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_value by;
    return text_argument(r, a, 0, NULL, &by) && partition_at(r, out, v, find_last(r, v, by, v.n), by.n, true);
}

static bool join(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_list *items;
    if (a->n != 1) return sk_run_fail(r, SKALD_FORMAT, "join takes one argument");
    if (!sk_value_items(r, &items, a->at[0])) return false;
    for (uint32_t i = 0; i < items->n; i++)
        if (items->at[i].kind != SK_STR)
            return sk_run_fail(r, SKALD_FORMAT, "join of strs, not of %s", sk_value_type(items->at[i]));
    return sk_text_join(r, out, v, items);
}

/* ---- texts: search */

static bool char_index(sk_value *out, sk_value v, uint32_t at) {
    *out = sk_value_int(at == UINT32_MAX ? -1 : (int64_t)sk_text_chars(sk_value_part(v, 0, at)));
    return true;
}

static bool find(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_value part;
    return text_argument(r, a, 0, NULL, &part) && sk_run_work(r, v.n / 16) &&
           char_index(out, v, sk_text_find(r, v, part, 0));
}

static bool rfind(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_value part;
    return text_argument(r, a, 0, NULL, &part) && sk_run_work(r, v.n / 16) &&
           char_index(out, v, find_last(r, v, part, v.n));
}

static bool index_of(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    if (!find(r, out, v, a)) return false;
    return out->as.whole >= 0 ? true : sk_run_fail(r, SKALD_FORMAT, "the text is not found");
}

static bool count(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_value part;
    int64_t n = 0;
    if (!text_argument(r, a, 0, NULL, &part) || !sk_run_work(r, v.n / 16)) return false;
    if (part.n == 0) return *out = sk_value_int((int64_t)sk_text_chars(v) + 1), true;
    for (uint32_t at = 0; (at = sk_text_find(r, v, part, at)) != UINT32_MAX; at += part.n) n++;
    return *out = sk_value_int(n), true;
}

static bool replace(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_value old, new;
    int64_t most = -1;
    return text_argument(r, a, 0, NULL, &old) && text_argument(r, a, 1, NULL, &new) &&
           sk_argument_int(r, a, 2, "count", &most) && sk_text_replace(r, out, v, old, new, most);
}

/* ---- texts: cases and kinds of letters */

static bool upper(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_builder b = {0};
    (void)a;
    if (!sk_put_case(r, &b, v, SK_UPPER)) return false;
    return *out = sk_built(&b), true;
}

static bool lower(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_builder b = {0};
    (void)a;
    if (!sk_put_case(r, &b, v, SK_LOWER)) return false;
    return *out = sk_built(&b), true;
}

static bool capitalize(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return sk_text_capitalized(r, out, v);
}

static bool is_cased(uint32_t code) {
    uint32_t kind = sk_unicode_kind(code);
    return kind == SK_UNICODE_Lu || kind == SK_UNICODE_Ll || kind == SK_UNICODE_Lt;
}

/* A letter behind one that has no case begins a word. */
static bool title(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_builder b = {0};
    bool inside = false;
    (void)a;
    for (uint32_t at = 0, n; at < v.n; at += n) {
        n = sk_char_length(v, at);
        if (!sk_put_case(r, &b, sk_value_part(v, at, n), inside ? SK_LOWER : SK_UPPER)) return false;
        inside = is_cased(sk_char_at(v, at));
    }
    return *out = sk_built(&b), true;
}

enum letters { DIGITS, LETTERS, LETTERS_DIGITS, SPACES };

static bool is_of(uint32_t code, enum letters wanted) {
    uint32_t kind = sk_unicode_kind(code);
    bool letter = kind <= SK_UNICODE_Lo, digit = kind == SK_UNICODE_Nd;
    if (wanted == SPACES) return sk_char_is_space(code);
    return (letter && wanted != DIGITS) || (digit && wanted != LETTERS);
}

static bool all_of(sk_value *out, sk_value v, enum letters wanted) {
    bool all = v.n > 0;
    for (uint32_t at = 0; at < v.n && all; at += sk_char_length(v, at)) all = is_of(sk_char_at(v, at), wanted);
    return *out = sk_value_bool(all), true;
}

#define ALL_OF(name, wanted)                                                                                           \
    static bool name(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {                                    \
        (void)a;                                                                                                       \
        return sk_run_work(r, v.n / 16) && all_of(out, v, wanted);                                                     \
    }
ALL_OF(isdigit_of, DIGITS)
ALL_OF(isalpha_of, LETTERS)
ALL_OF(isalnum_of, LETTERS_DIGITS)
ALL_OF(isspace_of, SPACES)

/* ---- texts: "{} {0} {name}".format(...) */

static const sk_value *field(const sk_arguments *a, sk_value name, uint32_t *next) {
    uint32_t index = 0;
    if (name.n == 0) return sk_argument(a, (*next)++, NULL);
    if (name.as.text[0] < '0' || name.as.text[0] > '9') {
        for (uint32_t i = 0; i < a->n_named; i++) {
            sk_value known = a->named[2 * i];
            if (known.n == name.n && memcmp(known.as.text, name.as.text, name.n) == 0) return &a->named[2 * i + 1];
        }
        return NULL;
    }
    for (uint32_t i = 0; i < name.n && index < 1000; i++) index = 10 * index + (uint32_t)(name.as.text[i] - '0');
    return sk_argument(a, index, NULL);
}

static bool format(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    sk_builder b = {0};
    uint32_t next = 0;
    if (!sk_run_work(r, v.n / 2)) return false;
    for (uint32_t at = 0, end; at < v.n; at = end) {
        char c = v.as.text[at];
        bool twice = (c == '{' || c == '}') && at + 1 < v.n && v.as.text[at + 1] == c;
        end = at + 1 + twice;
        if (twice || (c != '{' && c != '}')) {
            if (!sk_put_text(r, &b, sk_value_part(v, at, 1))) return false;
            continue;
        }
        uint32_t close = c == '{' ? sk_text_find(r, v, sk_value_word("}"), at) : UINT32_MAX;
        if (close == UINT32_MAX) return sk_run_fail(r, SKALD_FORMAT, "a brace of the format stands alone");
        sk_value name = sk_value_part(v, at + 1, close - at - 1);
        if (name.n && (memchr(name.as.text, ':', name.n) || memchr(name.as.text, '.', name.n) ||
                       memchr(name.as.text, '[', name.n) || memchr(name.as.text, '!', name.n)))
            return sk_run_fail(r, SKALD_UNSUPPORTED, "of formats only {}, {0} and {name} are offered");
        const sk_value *given = field(a, name, &next);
        if (!given)
            return sk_run_fail(r, SKALD_FORMAT, "the format has no value for \"%.*s\"", (int)name.n, name.as.text);
        if (!sk_put_str(r, &b, *given)) return false;
        end = close + 1;
    }
    return *out = sk_built(&b), true;
}

/* ---- dicts and lists */

static bool get(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    if (a->n == 0 || a->n > 2 || a->n_named) return sk_run_fail(r, SKALD_FORMAT, "get takes one or two arguments");
    const sk_value *found = sk_dict_get(r, v.as.dict, a->at[0]);
    *out = found ? *found : a->n == 2 ? a->at[1] : SK_VALUE_NONE;
    return r->status == SKALD_OK;
}

static bool items(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return sk_dict_items(r, out, v.as.dict);
}

static bool keys(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_list *list;
    (void)a;
    if (!sk_value_items(r, &list, v)) return false;
    return *out = (sk_value){.kind = SK_LIST, .as.list = list}, true;
}

static bool values(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    const sk_dict *d = v.as.dict;
    sk_list *list = sk_list_begin(r, d->n);
    (void)a;
    for (; list && list->n < d->n; list->n++) list->at[list->n] = d->at[2 * list->n + 1];
    return list && sk_list_end(r, out, list, SK_LIST);
}

static bool copy(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)r, (void)a;
    return *out = v, true; /* nothing can tell them apart: neither changes */
}

static bool list_index(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    if (a->n != 1) return sk_run_fail(r, SKALD_FORMAT, "index takes one argument");
    if (!sk_run_work(r, v.as.list->n / 4)) return false;
    for (uint32_t i = 0; i < v.as.list->n; i++)
        if (sk_value_same(r, v.as.list->at[i], a->at[0])) return *out = sk_value_int(i), true;
    return sk_run_fail(r, SKALD_FORMAT, "the value is not in the list");
}

static bool list_count(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    int64_t n = 0;
    if (a->n != 1) return sk_run_fail(r, SKALD_FORMAT, "count takes one argument");
    for (uint32_t i = 0; i < v.as.list->n; i++) n += sk_value_same(r, v.as.list->at[i], a->at[0]);
    return *out = sk_value_int(n), sk_run_work(r, v.as.list->n);
}

static bool cycle(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    if (a->n == 0) return sk_run_fail(r, SKALD_FORMAT, "nothing to cycle through");
    return *out = a->at[v.as.loop->index % a->n], true;
}

static bool changes(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)out, (void)a;
    return sk_run_fail(r, SKALD_UNSUPPORTED, "%s may not be changed", sk_value_type(v));
}

static bool absent(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a) {
    (void)out, (void)a;
    return sk_run_fail(r, SKALD_UNSUPPORTED, "this method of %s is not offered", sk_value_type(v));
}

/* ---- by kind and name */

static const struct {
    uint8_t kind;
    const char *name;
    method *call;
} methods[] = {
    {SK_STR, "strip", strip},
    {SK_STR, "lstrip", lstrip},
    {SK_STR, "rstrip", rstrip},
    {SK_STR, "startswith", startswith},
    {SK_STR, "endswith", endswith},
    {SK_STR, "removeprefix", removeprefix},
    {SK_STR, "removesuffix", removesuffix},
    {SK_STR, "split", split},
    {SK_STR, "rsplit", rsplit},
    {SK_STR, "splitlines", splitlines},
    {SK_STR, "partition", partition},
    {SK_STR, "rpartition", rpartition},
    {SK_STR, "join", join},
    {SK_STR, "find", find},
    {SK_STR, "rfind", rfind},
    {SK_STR, "index", index_of},
    {SK_STR, "count", count},
    {SK_STR, "replace", replace},
    {SK_STR, "upper", upper},
    {SK_STR, "lower", lower},
    {SK_STR, "capitalize", capitalize},
    {SK_STR, "title", title},
    {SK_STR, "isdigit", isdigit_of},
    {SK_STR, "isalpha", isalpha_of},
    {SK_STR, "isalnum", isalnum_of},
    {SK_STR, "isspace", isspace_of},
    {SK_STR, "format", format},
    {SK_STR, "casefold", absent},
    {SK_STR, "center", absent},
    {SK_STR, "encode", absent},
    {SK_STR, "expandtabs", absent},
    {SK_STR, "format_map", absent},
    {SK_STR, "isascii", absent},
    {SK_STR, "isdecimal", absent},
    {SK_STR, "isidentifier", absent},
    {SK_STR, "islower", absent},
    {SK_STR, "isnumeric", absent},
    {SK_STR, "isprintable", absent},
    {SK_STR, "istitle", absent},
    {SK_STR, "isupper", absent},
    {SK_STR, "ljust", absent},
    {SK_STR, "maketrans", absent},
    {SK_STR, "rindex", absent},
    {SK_STR, "rjust", absent},
    {SK_STR, "swapcase", absent},
    {SK_STR, "translate", absent},
    {SK_STR, "zfill", absent},
    {SK_DICT, "get", get},
    {SK_DICT, "items", items},
    {SK_DICT, "keys", keys},
    {SK_DICT, "values", values},
    {SK_DICT, "copy", copy},
    {SK_DICT, "clear", changes},
    {SK_DICT, "pop", changes},
    {SK_DICT, "popitem", changes},
    {SK_DICT, "setdefault", changes},
    {SK_DICT, "update", changes},
    {SK_DICT, "fromkeys", absent},
    {SK_LIST, "index", list_index},
    {SK_LIST, "count", list_count},
    {SK_LIST, "copy", copy},
    {SK_LIST, "append", changes},
    {SK_LIST, "clear", changes},
    {SK_LIST, "extend", changes},
    {SK_LIST, "insert", changes},
    {SK_LIST, "pop", changes},
    {SK_LIST, "remove", changes},
    {SK_LIST, "reverse", changes},
    {SK_LIST, "sort", changes},
    {SK_TUPLE, "index", list_index},
    {SK_TUPLE, "count", list_count},
    {SK_LOOP, "cycle", cycle},
    {SK_LOOP, "changed", absent},
};

static method *find_method(uint8_t kind, sk_value name) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].kind == kind && sk_value_is(name, methods[i].name)) return methods[i].call;
    return NULL;
}

bool sk_method_exists(sk_value v, sk_value name) { return find_method(v.kind, name) != NULL; }

bool sk_call_method(sk_run *r, sk_value *out, const sk_method *m, const sk_arguments *a) {
    return find_method(m->self.kind, m->name)(r, out, m->self, a);
}

/* Tests: what may stand behind "is". */
#include "template/machine.h"
#include <string.h>

typedef bool check(sk_run *r, bool *out, sk_value v, const sk_arguments *a);

static bool argument(sk_run *r, const sk_arguments *a, sk_value *out) {
    if (a->n != 1 || a->n_named) return sk_run_fail(r, SKALD_FORMAT, "the test takes one argument");
    return *out = a->at[0], true;
}

#define CHECK_KIND(name, holds)                                                                                        \
    static bool name(sk_run *r, bool *out, sk_value v, const sk_arguments *a) {                                        \
        (void)r, (void)a;                                                                                              \
        return *out = (holds), true;                                                                                   \
    }
CHECK_KIND(is_defined, v.kind != SK_UNDEFINED)
CHECK_KIND(is_undefined, v.kind == SK_UNDEFINED)
CHECK_KIND(is_none, v.kind == SK_NONE)
CHECK_KIND(is_boolean, v.kind == SK_BOOL)
CHECK_KIND(is_true, v.kind == SK_BOOL && v.as.whole)
CHECK_KIND(is_false, v.kind == SK_BOOL && !v.as.whole)
CHECK_KIND(is_integer, v.kind == SK_INT)
CHECK_KIND(is_float, v.kind == SK_FLOAT)
CHECK_KIND(is_number, v.kind == SK_INT || v.kind == SK_FLOAT || v.kind == SK_BOOL)
CHECK_KIND(is_string, v.kind == SK_STR)
CHECK_KIND(is_mapping, v.kind == SK_DICT)
CHECK_KIND(is_sequence,
           v.kind == SK_STR || v.kind == SK_LIST || v.kind == SK_TUPLE || v.kind == SK_DICT || v.kind == SK_UNDEFINED)
CHECK_KIND(is_iterable, v.kind == SK_STR || v.kind == SK_LIST || v.kind == SK_TUPLE || v.kind == SK_DICT ||
                            v.kind == SK_UNDEFINED || v.kind == SK_LOOP)
CHECK_KIND(is_callable, v.kind == SK_MACRO || v.kind == SK_METHOD || v.kind == SK_GLOBAL || v.kind == SK_UNDEFINED ||
                            v.kind == SK_LOOP)

static bool modulo(sk_run *r, bool *out, sk_value v, int64_t by, int64_t rest) {
    sk_value result;
    if (!sk_binary(r, &result, SK_MODULO, v, sk_value_int(by))) return false;
    return *out = result.kind == SK_INT && result.as.whole == rest, true;
}

static bool is_odd(sk_run *r, bool *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return modulo(r, out, v, 2, 1);
}

static bool is_even(sk_run *r, bool *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return modulo(r, out, v, 2, 0);
}

static bool is_divisible(sk_run *r, bool *out, sk_value v, const sk_arguments *a) {
    sk_value by;
    if (!argument(r, a, &by)) return false;
    if (by.kind != SK_INT) return sk_run_fail(r, SKALD_FORMAT, "divisible by %s", sk_value_type(by));
    return modulo(r, out, v, by.as.whole, 0);
}

static bool operator(sk_run *r, bool *out, sk_operator op, sk_value v, const sk_arguments *a) {
    sk_value other, result;
    if (!argument(r, a, &other) || !sk_binary(r, &result, op, v, other)) return false;
    return *out = sk_value_true(result), true;
}

#define CHECK_OPERATOR(name, op)                                                                                       \
    static bool name(sk_run *r, bool *out, sk_value v, const sk_arguments *a) { return operator(r, out, op, v, a); }
CHECK_OPERATOR(is_equal, SK_EQUAL)
CHECK_OPERATOR(is_unequal, SK_UNEQUAL)
CHECK_OPERATOR(is_less, SK_LESS)
CHECK_OPERATOR(is_less_equal, SK_LESS_EQUAL)
CHECK_OPERATOR(is_greater, SK_GREATER)
CHECK_OPERATOR(is_greater_equal, SK_GREATER_EQUAL)
CHECK_OPERATOR(is_in, SK_IN)

/* The same object: for what has no identity here, the same kind and value. */
static bool is_same(sk_run *r, bool *out, sk_value v, const sk_arguments *a) {
    sk_value other;
    if (!argument(r, a, &other)) return false;
    return *out = v.kind == other.kind && sk_value_same(r, v, other), r->status == SKALD_OK;
}

/* As str.islower and str.isupper: some letter has a case, and none the other. */
static bool has_case(sk_run *r, bool *out, sk_value v, enum sk_case to) {
    sk_builder same = {0}, other = {0};
    sk_value text;
    if (!sk_value_str(r, &text, v) || !sk_put_case(r, &same, text, to) ||
        !sk_put_case(r, &other, text, to == SK_UPPER ? SK_LOWER : SK_UPPER))
        return false;
    *out = sk_value_same(r, sk_built(&same), text) && !sk_value_same(r, sk_built(&other), text);
    return true;
}

static bool is_lower(sk_run *r, bool *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return has_case(r, out, v, SK_LOWER);
}

static bool is_upper(sk_run *r, bool *out, sk_value v, const sk_arguments *a) {
    (void)a;
    return has_case(r, out, v, SK_UPPER);
}

static const struct {
    const char *name;
    check *holds;
} tests[] = {
    {"defined", is_defined},
    {"undefined", is_undefined},
    {"none", is_none},
    {"boolean", is_boolean},
    {"true", is_true},
    {"false", is_false},
    {"integer", is_integer},
    {"float", is_float},
    {"number", is_number},
    {"string", is_string},
    {"mapping", is_mapping},
    {"sequence", is_sequence},
    {"iterable", is_iterable},
    {"callable", is_callable},
    {"odd", is_odd},
    {"even", is_even},
    {"divisibleby", is_divisible},
    {"sameas", is_same},
    {"lower", is_lower},
    {"upper", is_upper},
    {"in", is_in},
    {"eq", is_equal},
    {"equalto", is_equal},
    {"==", is_equal},
    {"ne", is_unequal},
    {"!=", is_unequal},
    {"lt", is_less},
    {"lessthan", is_less},
    {"<", is_less},
    {"le", is_less_equal},
    {"<=", is_less_equal},
    {"gt", is_greater},
    {"greaterthan", is_greater},
    {">", is_greater},
    {"ge", is_greater_equal},
    {">=", is_greater_equal},
};

bool sk_test_exists(sk_value name) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (sk_value_is(name, tests[i].name)) return true;
    return false;
}

bool sk_call_test(sk_run *r, bool *out, sk_value name, sk_value v, const sk_arguments *a) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (sk_value_is(name, tests[i].name)) return tests[i].holds(r, out, v, a);
    return sk_run_fail(r, SKALD_UNSUPPORTED, "test \"%.*s\" is not offered", (int)name.n, name.as.text);
}

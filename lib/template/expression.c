/* Expressions, by Jinja's grammar:
 *
 *     a if b else c  ◁  or  ◁  and  ◁  not  ◁  < > in ...  ◁  + -  ◁  ~  ◁  * / // %  ◁  **  ◁  - +, x.y, x[y], x(y), x|f, x is t */
#include "template/compiler.h"
#include <string.h>

#define MAX_ARGUMENTS 64u

static bool primary(sk_compiler *c);
static bool binary(sk_compiler *c, uint32_t level);
static bool unary(sk_compiler *c, bool filters);

static bool emit_constant(sk_compiler *c, sk_value v, uint32_t where) {
    uint32_t index;
    return sk_constant(c, &index, v) && sk_emit(c, SK_OP_CONST, 0, (int32_t)index, where);
}

static sk_value token_text(const sk_token *t) { return sk_value_text(t->text, t->n, SK_FROM_TEMPLATE); }

/* ---- conditions */

static bool negation(sk_compiler *c) {
    uint32_t where = c->now.where, n = 0;
    for (; sk_take_name(c, "not"); n++) continue;
    if (c->run.status != SKALD_OK || !binary(c, 0)) return false;
    for (; n > 0; n--)
        if (!sk_emit(c, SK_OP_NOT, 0, 0, where)) return false;
    return true;
}

static bool conjunction(sk_compiler *c) {
    if (!negation(c)) return false;
    while (sk_name_is(c, "and")) {
        uint32_t jump = c->n_code;
        if (!sk_emit(c, SK_OP_AND, 0, 0, c->now.where) || !sk_next_token(c) || !negation(c)) return false;
        sk_land(c, jump);
    }
    return true;
}

static bool disjunction(sk_compiler *c) {
    if (!conjunction(c)) return false;
    while (sk_name_is(c, "or")) {
        uint32_t jump = c->n_code;
        if (!sk_emit(c, SK_OP_OR, 0, 0, c->now.where) || !sk_next_token(c) || !conjunction(c)) return false;
        sk_land(c, jump);
    }
    return true;
}

static void reverse(sk_instruction *code, uint32_t n) {
    for (uint32_t i = 0; i < n / 2; i++) {
        sk_instruction kept = code[i];
        code[i] = code[n - 1 - i];
        code[n - 1 - i] = kept;
    }
}

/* What stands at [middle, end) comes before what stands at [begin, middle). Jumps inside either are relative. */
static void rotate(sk_compiler *c, uint32_t begin, uint32_t middle) {
    reverse(c->code + begin, middle - begin);
    reverse(c->code + middle, c->n_code - middle);
    reverse(c->code + begin, c->n_code - begin);
}

/* Behind the `a` of "a if b else c", whose code begins at `begin`: b, jump to c, a, jump to the end, c. */
static bool conditional(sk_compiler *c, uint32_t begin) {
    uint32_t where = c->now.where, middle = c->n_code;
    if (!sk_next_token(c) || !disjunction(c) || !sk_emit(c, SK_OP_JUMP_FALSE, 0, 0, where)) return false;
    rotate(c, begin, middle);
    uint32_t no = begin + (c->n_code - middle) - 1, end = c->n_code;
    if (!sk_emit(c, SK_OP_JUMP, 0, 0, where)) return false;
    sk_land(c, no);
    if (sk_take_name(c, "else")) {
        c->n_conditions++;
        if (!sk_expression(c)) return false;
        c->n_conditions--;
    } else {
        static const char missing[] = "the inline if without else";
        if (!emit_constant(c, sk_value_undefined(missing, sizeof missing - 1), where)) return false;
    }
    sk_land(c, end);
    return true;
}

bool sk_expression(sk_compiler *c) {
    uint32_t begin = c->n_code, n_more = 0;
    if (c->nesting == SK_MAX_NESTING) return sk_compile_fail(c, "expressions are nested too deep");
    c->nesting++;
    bool ok = disjunction(c);
    for (; ok && sk_name_is(c, "if"); n_more++) { /* each moves the code of all before it */
        if (n_more == SK_MAX_NESTING) return sk_compile_fail(c, "expressions are nested too deep");
        ok = conditional(c, begin);
    }
    c->nesting--;
    return ok;
}

static bool ends_tuple(const sk_compiler *c) {
    return c->now.kind == SK_T_PRINT_END || c->now.kind == SK_T_BLOCK_END || sk_sign_is(c, ")");
}

bool sk_expressions(sk_compiler *c, bool conditional_too) {
    uint32_t n = 0, where = c->now.where;
    bool tuple = false;
    while (!ends_tuple(c)) {
        if (!(conditional_too ? sk_expression(c) : disjunction(c))) return false;
        n++;
        if (!sk_take_sign(c, ",")) break;
        tuple = true;
    }
    if (c->run.status != SKALD_OK) return false;
    if (n == 0 && !sk_sign_is(c, ")")) return sk_compile_fail(c, "an expression is missing");
    return (n == 1 && !tuple) || sk_emit(c, SK_OP_TUPLE, 0, (int32_t)n, where);
}

/* ---- operators */

typedef struct {
    const char *sign;
    uint8_t level, operator;
} operator;

static const operator operators[] = {
    {"==", 0, SK_EQUAL},   {"!=", 0, SK_UNEQUAL},       {"<", 0, SK_LESS},          {"<=", 0, SK_LESS_EQUAL},
    {">", 0, SK_GREATER},  {">=", 0, SK_GREATER_EQUAL}, {"+", 1, SK_ADD},           {"-", 1, SK_SUBTRACT},
    {"*", 3, SK_MULTIPLY}, {"/", 3, SK_DIVIDE},         {"//", 3, SK_DIVIDE_FLOOR}, {"%", 3, SK_MODULO},
    {"**", 4, SK_POWER},
};
enum { COMPARE, SUM, CONCAT, PRODUCT, POWER, UNARY };

/* The operator of this level that stands here, and takes it; -1: none. */
static int take_operator(sk_compiler *c, uint32_t level) {
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].level == level && sk_take_sign(c, operators[i].sign)) return operators[i].operator;
    if (level != COMPARE) return -1;
    if (sk_take_name(c, "in")) return SK_IN;
    bool twice =
        sk_name_is(c, "not") && c->ahead.kind == SK_T_NAME && c->ahead.n == 2 && memcmp(c->ahead.text, "in", 2) == 0;
    return twice && sk_next_token(c) && sk_next_token(c) ? SK_NOT_IN : -1;
}

/* a < b < c is a < b and b < c with b once: each but the last comparison keeps its right side, and a false one leads
 * to the end, where what was kept is dropped. */
static bool comparison(sk_compiler *c) {
    uint32_t last = 0, where;
    if (!binary(c, SUM)) return false;
    where = c->now.where;
    for (int op = take_operator(c, COMPARE), next; op >= 0; op = next) {
        if (!binary(c, SUM)) return false;
        uint32_t here = c->now.where, jump = c->n_code + 1;
        next = take_operator(c, COMPARE);
        if (!sk_emit(c, next < 0 ? SK_OP_BINARY : SK_OP_CHAIN, 0, op, where)) return false;
        if (next >= 0 && !sk_emit(c, SK_OP_AND, 0, (int32_t)last, where)) return false;
        if (next >= 0) last = jump;
        where = here;
    }
    if (last && !sk_emit(c, SK_OP_JUMP, 0, 2, where)) return false;
    for (uint32_t jump = last, before; jump; jump = before) {
        before = (uint32_t)c->code[jump].operand;
        sk_land(c, jump);
    }
    return c->run.status == SKALD_OK && (!last || sk_emit(c, SK_OP_DROP_UNDER, 0, 0, where));
}

static bool concatenation(sk_compiler *c) {
    uint32_t n = 1, where = c->now.where;
    if (!binary(c, PRODUCT)) return false;
    for (; sk_take_sign(c, "~"); n++)
        if (!binary(c, PRODUCT)) return false;
    return c->run.status == SKALD_OK && (n == 1 || sk_emit(c, SK_OP_CONCAT, 0, (int32_t)n, where));
}

static bool binary(sk_compiler *c, uint32_t level) {
    if (level == UNARY) return unary(c, true);
    if (level == COMPARE) return comparison(c);
    if (level == CONCAT) return concatenation(c);
    if (!binary(c, level + 1)) return false;
    uint32_t where = c->now.where;
    for (int op; (op = take_operator(c, level)) >= 0; where = c->now.where)
        if (!binary(c, level + 1) || !sk_emit(c, SK_OP_BINARY, 0, op, where)) return false;
    return c->run.status == SKALD_OK;
}

/* ---- calls, filters, tests */

/* "name=value": the name as a constant, then the value. */
static bool named_argument(sk_compiler *c) {
    if (!emit_constant(c, token_text(&c->now), c->now.where)) return false;
    return sk_next_token(c) && sk_next_token(c) && sk_expression(c);
}

static bool arguments(sk_compiler *c, uint32_t *n, uint32_t *n_named) {
    *n = *n_named = 0;
    if (!sk_expect_sign(c, "(")) return false;
    while (!sk_sign_is(c, ")")) {
        bool named = c->now.kind == SK_T_NAME && c->ahead.kind == SK_T_SIGN && c->ahead.n == 1 && *c->ahead.text == '=';
        if (sk_sign_is(c, "*") || sk_sign_is(c, "**")) return sk_compile_fail(c, "unpacked arguments are not offered");
        if (!named && *n_named) return sk_compile_fail(c, "an argument without a name behind one with a name");
        if (*n + *n_named == MAX_ARGUMENTS) return sk_compile_fail(c, "too many arguments");
        if (!(named ? named_argument(c) : sk_expression(c))) return false;
        if (named) ++*n_named;
        else ++*n;
        if (!sk_sign_is(c, ")") && !sk_expect_sign(c, ",")) return false;
    }
    return sk_next_token(c);
}

static bool call(sk_compiler *c) {
    uint32_t n, n_named, where = c->now.where;
    return arguments(c, &n, &n_named) && sk_emit(c, SK_OP_CALL, n, (int32_t)n_named, where);
}

static bool unknown(sk_compiler *c, const sk_token *t, const char *what) {
    c->run.where = t->where;
    return sk_run_fail(&c->run, SKALD_UNSUPPORTED, "%s \"%.*s\" is not offered", what, (int)t->n, t->text);
}

static bool filter(sk_compiler *c) {
    sk_token name = c->now;
    uint32_t n = 0, n_named = 0;
    if (name.kind != SK_T_NAME) return sk_compile_fail(c, "the name of a filter is missing");
    if (!c->n_conditions && !sk_filter_exists(token_text(&name))) return unknown(c, &name, "filter");
    if (!sk_next_token(c) || (sk_sign_is(c, "(") && !arguments(c, &n, &n_named))) return false;
    return emit_constant(c, token_text(&name), name.where) && sk_emit(c, SK_OP_FILTER, n, (int32_t)n_named, name.where);
}

/* "is divisibleby 3": one argument may stand without brackets. */
static bool test_argument(const sk_compiler *c) {
    if (c->now.kind == SK_T_NAME) return !sk_name_is(c, "else") && !sk_name_is(c, "or") && !sk_name_is(c, "and");
    return c->now.kind == SK_T_STRING || c->now.kind == SK_T_INT || c->now.kind == SK_T_FLOAT || sk_sign_is(c, "[") ||
           sk_sign_is(c, "{");
}

static bool postfix(sk_compiler *c);

static bool test(sk_compiler *c) {
    uint32_t n = 0, n_named = 0;
    bool negated = sk_take_name(c, "not");
    sk_token name = c->now;
    if (name.kind != SK_T_NAME) return sk_compile_fail(c, "the name of a test is missing");
    if (!c->n_conditions && !sk_test_exists(token_text(&name))) return unknown(c, &name, "test");
    if (!sk_next_token(c)) return false;
    if (sk_sign_is(c, "(")) {
        if (!arguments(c, &n, &n_named)) return false;
    } else if (test_argument(c)) {
        if (sk_name_is(c, "is")) return sk_compile_fail(c, "tests cannot be chained");
        if (!primary(c) || !postfix(c)) return false;
        n = 1;
    }
    return emit_constant(c, token_text(&name), name.where) && sk_emit(c, SK_OP_TEST, n, (int32_t)n_named, name.where) &&
           (!negated || sk_emit(c, SK_OP_NOT, 0, 0, name.where));
}

bool sk_filters(sk_compiler *c) {
    while (sk_take_sign(c, "|"))
        if (!filter(c)) return false;
    return c->run.status == SKALD_OK;
}

/* ---- x.y, x[y], x[a:b:c] */

static bool limit(sk_compiler *c) {
    if (sk_sign_is(c, ":") || sk_sign_is(c, "]")) return emit_constant(c, SK_VALUE_NONE, c->now.where);
    return sk_expression(c);
}

static bool subscript(sk_compiler *c) {
    uint32_t where = c->now.where;
    if (sk_sign_is(c, "]")) return sk_compile_fail(c, "an index is missing");
    if (!limit(c)) return false;
    if (!sk_take_sign(c, ":")) return sk_expect_sign(c, "]") && sk_emit(c, SK_OP_ITEM, 0, 0, where);
    if (!limit(c)) return false;
    if (sk_take_sign(c, ":") ? !limit(c) : !emit_constant(c, SK_VALUE_NONE, where)) return false;
    return sk_expect_sign(c, "]") && sk_emit(c, SK_OP_SLICE, 0, 0, where);
}

static bool attribute(sk_compiler *c) {
    sk_token name = c->now;
    uint32_t index;
    if (name.kind == SK_T_INT)
        return sk_next_token(c) && emit_constant(c, sk_value_int(name.whole), name.where) &&
               sk_emit(c, SK_OP_ITEM, 0, 0, name.where);
    if (name.kind != SK_T_NAME) return sk_compile_fail(c, "a name or number is missing behind the point");
    return sk_next_token(c) && sk_constant(c, &index, token_text(&name)) &&
           sk_emit(c, SK_OP_ATTRIBUTE, 0, (int32_t)index, name.where);
}

static bool postfix(sk_compiler *c) {
    while (c->run.status == SKALD_OK) {
        if (sk_take_sign(c, ".")) attribute(c);
        else if (sk_take_sign(c, "[")) subscript(c);
        else if (sk_sign_is(c, "(")) call(c);
        else return true;
    }
    return false;
}

static bool filters_and_tests(sk_compiler *c) {
    while (c->run.status == SKALD_OK) {
        if (sk_take_sign(c, "|")) filter(c);
        else if (sk_take_name(c, "is")) test(c);
        else if (sk_sign_is(c, "(")) call(c);
        else return true;
    }
    return false;
}

static bool unary(sk_compiler *c, bool filters) {
    uint32_t where = c->now.where;
    bool minus = sk_sign_is(c, "-");
    if (minus || sk_sign_is(c, "+")) {
        if (c->nesting == SK_MAX_NESTING) return sk_compile_fail(c, "expressions are nested too deep");
        c->nesting++;
        bool ok = sk_next_token(c) && unary(c, false) && sk_emit(c, minus ? SK_OP_NEGATE : SK_OP_PLUS, 0, 0, where);
        c->nesting--;
        if (!ok) return false;
    } else if (!primary(c)) {
        return false;
    }
    return postfix(c) && (!filters || filters_and_tests(c));
}

/* ---- literals and names */

static bool list(sk_compiler *c) {
    uint32_t n = 0, where = c->now.where;
    while (!sk_sign_is(c, "]")) {
        if (n && !sk_expect_sign(c, ",")) return false;
        if (sk_sign_is(c, "]")) break;
        if (!sk_expression(c)) return false;
        n++;
    }
    return sk_next_token(c) && sk_emit(c, SK_OP_LIST, 0, (int32_t)n, where);
}

static bool dict(sk_compiler *c) {
    uint32_t n = 0, where = c->now.where;
    while (!sk_sign_is(c, "}")) {
        if (n && !sk_expect_sign(c, ",")) return false;
        if (sk_sign_is(c, "}")) break;
        if (!sk_expression(c) || !sk_expect_sign(c, ":") || !sk_expression(c)) return false;
        n++;
    }
    return sk_next_token(c) && sk_emit(c, SK_OP_DICT, 0, (int32_t)n, where);
}

/* "a" "b" is "ab": what the strings say lies side by side. */
static bool strings(sk_compiler *c) {
    sk_token first = c->now;
    if (!sk_next_token(c)) return false;
    while (c->now.kind == SK_T_STRING) {
        first.n += c->now.n;
        if (!sk_next_token(c)) return false;
    }
    return emit_constant(c, token_text(&first), first.where);
}

/* Whether the name is a parameter of a macro that is open here. */
static bool is_parameter(const sk_compiler *c, const sk_token *t) {
    for (uint32_t i = 0; i < c->n_blocks; i++) {
        if (c->blocks[i].kind != SK_B_MACRO || c->blocks[i].ends >= c->n_macros) continue; /* its head is in work */
        const sk_macro *m = &c->macros[c->blocks[i].ends];
        for (uint32_t k = 0; k < m->n_parameters; k++) {
            const sk_value *p = &c->constants[c->names[c->parameters[m->first + k]]];
            if (p->n == t->n && memcmp(p->as.text, t->text, t->n) == 0) return true;
        }
    }
    return false;
}

/* What Jinja puts into a macro beside its parameters. */
static bool is_implied(const sk_compiler *c, const sk_token *t) {
    static const char *const names[] = {"varargs", "kwargs", "caller"};
    bool inside = false;
    for (uint32_t i = 0; i < c->n_blocks; i++) inside |= c->blocks[i].kind == SK_B_MACRO;
    for (size_t i = 0; inside && i < sizeof names / sizeof *names; i++)
        if (sk_name_is(c, names[i])) return !is_parameter(c, t);
    return false;
}

static bool word(sk_compiler *c) {
    static const struct {
        const char *name;
        sk_value value;
    } words[] = {{"true", {.kind = SK_BOOL, .as.whole = 1}},
                 {"True", {.kind = SK_BOOL, .as.whole = 1}},
                 {"false", {.kind = SK_BOOL, .as.whole = 0}},
                 {"False", {.kind = SK_BOOL, .as.whole = 0}},
                 {"none", {.kind = SK_NONE}},
                 {"None", {.kind = SK_NONE}}};
    sk_token t = c->now;
    uint32_t index;
    if (is_implied(c, &t)) return unknown(c, &t, "a macro's");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (sk_name_is(c, words[i].name)) return sk_next_token(c) && emit_constant(c, words[i].value, t.where);
    return sk_next_token(c) && sk_name(c, &index, &t) && sk_emit(c, SK_OP_LOAD, 0, (int32_t)index, t.where);
}

static bool primary(sk_compiler *c) {
    sk_token t = c->now;
    if (t.kind == SK_T_NAME) return word(c);
    if (t.kind == SK_T_STRING) return strings(c);
    if (t.kind == SK_T_INT) return sk_next_token(c) && emit_constant(c, sk_value_int(t.whole), t.where);
    if (t.kind == SK_T_FLOAT) return sk_next_token(c) && emit_constant(c, sk_value_float(t.real), t.where);
    if (sk_take_sign(c, "(")) return sk_expressions(c, true) && sk_expect_sign(c, ")");
    if (sk_take_sign(c, "[")) return list(c);
    if (sk_take_sign(c, "{")) return dict(c);
    return sk_compile_fail(c, "a value is missing");
}

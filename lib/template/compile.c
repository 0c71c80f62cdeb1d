/* Tags to code, and the finished code into one block. */
#include "template/compiler.h"
#include "base/utf8.h"
#include <string.h>

/* ---- what both halves of the compiler use */

bool sk_compile_fail(sk_compiler *c, const char *what) {
    c->run.where = c->now.where;
    if (c->now.n)
        return sk_run_fail(&c->run, SKALD_FORMAT, "%s at \"%.*s\"", what, (int)(c->now.n < 40 ? c->now.n : 40),
                           c->now.text);
    return sk_run_fail(&c->run, SKALD_FORMAT, "%s", what);
}

bool sk_next_token(sk_compiler *c) {
    c->now = c->ahead;
    if (!c->has_waiting) return sk_lexer_next(&c->lexer, &c->ahead);
    c->ahead = c->waiting;
    c->has_waiting = false;
    return true;
}

static bool says(const sk_token *t, const char *what) {
    return t->n == strlen(what) && memcmp(t->text, what, t->n) == 0;
}

bool sk_sign_is(const sk_compiler *c, const char *sign) { return c->now.kind == SK_T_SIGN && says(&c->now, sign); }
bool sk_name_is(const sk_compiler *c, const char *name) { return c->now.kind == SK_T_NAME && says(&c->now, name); }
bool sk_take_sign(sk_compiler *c, const char *sign) { return sk_sign_is(c, sign) && sk_next_token(c); }
bool sk_take_name(sk_compiler *c, const char *name) { return sk_name_is(c, name) && sk_next_token(c); }

bool sk_expect_sign(sk_compiler *c, const char *sign) {
    char what[24];
    if (sk_sign_is(c, sign)) return sk_next_token(c);
    sk_format(what, sizeof what, "\"%s\" is missing", sign);
    return sk_compile_fail(c, what);
}

bool sk_grow(sk_compiler *c, void *array, uint32_t n, uint32_t *room, size_t size) {
    void **at = array;
    if (n < *room) return true;
    uint32_t more = *room ? 2 * *room : 64;
    void *larger = sk_run_take(&c->run, sk_mul(more, size));
    if (!larger) return false;
    if (n) memcpy(larger, *at, n * size);
    *at = larger;
    *room = more;
    return true;
}

bool sk_emit(sk_compiler *c, sk_op op, uint32_t few, int32_t operand, uint32_t where) {
    if (c->run.status != SKALD_OK || !sk_grow(c, &c->code, c->n_code, &c->code_room, sizeof *c->code)) return false;
    c->code[c->n_code++] = (sk_instruction){(uint8_t)op, (uint16_t)few, operand, where};
    return true;
}

bool sk_constant(sk_compiler *c, uint32_t *index, sk_value v) {
    if (!sk_grow(c, &c->constants, c->n_constants, &c->constants_room, sizeof *c->constants)) return false;
    *index = c->n_constants;
    c->constants[c->n_constants++] = v;
    return true;
}

bool sk_name(sk_compiler *c, uint32_t *index, const sk_token *t) {
    for (uint32_t i = 0; i < c->n_names; i++) {
        const sk_value *known = &c->constants[c->names[i]];
        if (known->n == t->n && memcmp(known->as.text, t->text, t->n) == 0) return *index = i, true;
    }
    if (c->n_names == SK_MAX_NAMES) return sk_compile_fail(c, "too many names");
    if (!sk_grow(c, &c->names, c->n_names, &c->names_room, sizeof *c->names)) return false;
    *index = c->n_names;
    return sk_constant(c, &c->names[c->n_names++], sk_value_text(t->text, t->n, SK_FROM_TEMPLATE));
}

void sk_land(sk_compiler *c, uint32_t index) {
    if (index < c->n_code) c->code[index].operand = (int32_t)(c->n_code - index);
}

/* ---- blocks */

static sk_block *open_block(sk_compiler *c, sk_block_kind kind) {
    if (c->n_blocks == SK_MAX_BLOCKS) return sk_compile_fail(c, "tags are nested too deep"), NULL;
    sk_block *b = &c->blocks[c->n_blocks++];
    *b = (sk_block){.kind = (uint8_t)kind, .where = c->tag};
    return b;
}

static sk_block *inner_block(sk_compiler *c) { return c->n_blocks ? &c->blocks[c->n_blocks - 1] : NULL; }

/* The innermost block when it is of this kind. */
static sk_block *block_of(sk_compiler *c, sk_block_kind kind) {
    sk_block *b = inner_block(c);
    if (b && b->kind == kind) return b;
    sk_compile_fail(c, "this tag closes or continues nothing");
    return NULL;
}

static bool end_tag(sk_compiler *c) {
    return c->now.kind == SK_T_BLOCK_END ? sk_next_token(c) : sk_compile_fail(c, "the end of the tag is expected");
}

/* ---- if */

static bool tag_if(sk_compiler *c, uint32_t where) {
    sk_block *b = open_block(c, SK_B_IF);
    if (!b) return false;
    c->n_conditions++;
    if (!sk_expressions(c, false)) return false;
    b->jump = c->n_code;
    return sk_emit(c, SK_OP_JUMP_FALSE, 0, 0, where);
}

/* Ends a branch: jump to the end of all, and the condition before it leads here. */
static bool end_branch(sk_compiler *c, sk_block *b, uint32_t where) {
    uint32_t jump = c->n_code;
    if (b->otherwise) return sk_compile_fail(c, "a branch behind else");
    if (!sk_emit(c, SK_OP_JUMP, 0, (int32_t)b->ends, where)) return false;
    b->ends = jump;
    sk_land(c, b->jump);
    return true;
}

static bool tag_elif(sk_compiler *c, uint32_t where) {
    sk_block *b = block_of(c, SK_B_IF);
    if (!b || !end_branch(c, b, where) || !sk_expressions(c, false)) return false;
    b->jump = c->n_code;
    return sk_emit(c, SK_OP_JUMP_FALSE, 0, 0, where);
}

/* Each jump of the chain leads to what is emitted next. */
static void land_all(sk_compiler *c, uint32_t jump) {
    for (uint32_t before; jump; jump = before) {
        before = (uint32_t)c->code[jump].operand;
        sk_land(c, jump);
    }
}

static bool tag_endif(sk_compiler *c, uint32_t where) {
    sk_block *b = block_of(c, SK_B_IF);
    (void)where;
    if (!b) return false;
    if (!b->otherwise) sk_land(c, b->jump);
    land_all(c, b->ends);
    c->n_blocks--;
    c->n_conditions--;
    return true;
}

/* ---- names that are set: one, or several that a value is unpacked into */

enum { MAX_TARGETS = 16 };

typedef struct {
    uint32_t n, name[MAX_TARGETS];
    bool tuple;
} targets;

static bool read_target(sk_compiler *c, targets *t) {
    if (c->now.kind != SK_T_NAME) return sk_compile_fail(c, "a name is missing");
    if (t->n == MAX_TARGETS) return sk_compile_fail(c, "too many names");
    return sk_name(c, &t->name[t->n++], &c->now) && sk_next_token(c);
}

static bool read_targets(sk_compiler *c, targets *t) {
    t->n = 0;
    bool brackets = sk_take_sign(c, "(");
    if (!read_target(c, t)) return false;
    t->tuple = sk_sign_is(c, ",");
    while (sk_take_sign(c, ","))
        if (c->now.kind == SK_T_NAME && !sk_name_is(c, "in") && !read_target(c, t)) return false;
    return c->run.status == SKALD_OK && (!brackets || sk_expect_sign(c, ")"));
}

static bool store_targets(sk_compiler *c, const targets *t, uint32_t where) {
    if (t->tuple && !sk_emit(c, SK_OP_UNPACK, 0, (int32_t)t->n, where)) return false;
    for (uint32_t i = 0; i < t->n; i++)
        if (!sk_emit(c, SK_OP_STORE, 0, (int32_t)t->name[i], where)) return false;
    return true;
}

/* ---- for */

/* A loop that only keeps the items its condition holds for. */
static bool filter_items(sk_compiler *c, const targets *t, uint32_t where) {
    uint32_t next;
    if (!sk_emit(c, SK_OP_LOOP, 0, 0, where)) return false;
    next = c->n_code;
    if (!sk_emit(c, SK_OP_NEXT, 1, 0, where) || !store_targets(c, t, where) || !sk_expression(c) ||
        !sk_emit(c, SK_OP_KEEP, 0, 0, where) || !sk_emit(c, SK_OP_JUMP, 0, (int32_t)next - (int32_t)c->n_code, where))
        return false;
    sk_land(c, next);
    return sk_emit(c, SK_OP_KEPT, 0, 0, where);
}

static bool tag_for(sk_compiler *c, uint32_t where) {
    targets t;
    sk_block *b = open_block(c, SK_B_FOR);
    if (!b || !read_targets(c, &t)) return false;
    if (!sk_take_name(c, "in")) return sk_compile_fail(c, "\"in\" is missing");
    if (!sk_expressions(c, false)) return false;
    if (sk_take_name(c, "if") && !filter_items(c, &t, where)) return false;
    if (sk_name_is(c, "recursive")) return sk_compile_fail(c, "recursive loops are not offered");
    if (!sk_emit(c, SK_OP_LOOP, 0, 0, where)) return false;
    b->jump = c->n_code;
    return sk_emit(c, SK_OP_NEXT, 0, 0, where) && store_targets(c, &t, where);
}

/* Back to the next item; behind the last one, and from breaks, the loop ends here. */
static bool end_loop(sk_compiler *c, sk_block *b, uint32_t where) {
    if (!sk_emit(c, SK_OP_JUMP, 0, (int32_t)b->jump - (int32_t)c->n_code, where)) return false;
    sk_land(c, b->jump);
    land_all(c, b->ends);
    b->end = c->n_code;
    return sk_emit(c, SK_OP_LOOP_END, 0, 1, where);
}

static bool tag_endfor(sk_compiler *c, uint32_t where) {
    sk_block *b = block_of(c, SK_B_FOR);
    if (!b) return false;
    if (b->otherwise) sk_land(c, b->end);
    else if (!end_loop(c, b, where)) return false;
    c->n_blocks--;
    return true;
}

static bool tag_else(sk_compiler *c, uint32_t where) {
    sk_block *b = inner_block(c);
    if (!b || (b->kind != SK_B_IF && b->kind != SK_B_FOR) || b->otherwise)
        return sk_compile_fail(c, "else continues nothing");
    if (!(b->kind == SK_B_IF ? end_branch(c, b, where) : end_loop(c, b, where))) return false;
    b->otherwise = true;
    return true;
}

/* The loop that break and continue mean: only branches lie between. */
static sk_block *loop_around(sk_compiler *c) {
    for (uint32_t i = c->n_blocks; i-- > 0;) {
        sk_block *b = &c->blocks[i];
        if (b->kind == SK_B_FOR && !b->otherwise) return b;
        if (b->kind != SK_B_IF && b->kind != SK_B_WITH) break;
    }
    sk_compile_fail(c, "no loop to leave or continue");
    return NULL;
}

static bool tag_break(sk_compiler *c, uint32_t where) {
    sk_block *b = loop_around(c);
    uint32_t jump = c->n_code;
    if (!b || !sk_emit(c, SK_OP_BREAK, 0, (int32_t)b->ends, where)) return false;
    b->ends = jump;
    return true;
}

static bool tag_continue(sk_compiler *c, uint32_t where) {
    sk_block *b = loop_around(c);
    return b && sk_emit(c, SK_OP_CONTINUE, 0, (int32_t)b->jump - (int32_t)c->n_code, where);
}

/* ---- set */

static bool set_attribute(sk_compiler *c, uint32_t where) {
    uint32_t name, attribute;
    if (!sk_name(c, &name, &c->now) || !sk_next_token(c) || !sk_expect_sign(c, ".")) return false;
    if (c->now.kind != SK_T_NAME) return sk_compile_fail(c, "a name is missing behind the point");
    if (!sk_constant(c, &attribute, sk_value_text(c->now.text, c->now.n, SK_FROM_TEMPLATE)) || !sk_next_token(c))
        return false;
    if (attribute > UINT16_MAX) return sk_compile_fail(c, "too many constants");
    return sk_expect_sign(c, "=") && sk_expressions(c, true) &&
           sk_emit(c, SK_OP_STORE_IN, attribute, (int32_t)name, where);
}

/* The filters of "{% set x | f %}" stand in front of what they work on: their code waits at the end of the block. */
static bool hold_filters(sk_compiler *c, sk_block *b) {
    uint32_t begin = c->n_code;
    if (!sk_filters(c)) return false;
    b->n_filters = c->n_code - begin;
    b->filters = begin;
    return true;
}

static bool begin_capture(sk_compiler *c, sk_block *b, uint32_t where) {
    uint32_t jump = c->n_code;
    if (!sk_emit(c, SK_OP_JUMP, 0, 0, where) || !hold_filters(c, b)) return false;
    sk_land(c, jump);
    return sk_emit(c, SK_OP_CAPTURE, 0, 0, where);
}

static bool end_capture(sk_compiler *c, const sk_block *b, uint32_t where) {
    if (!sk_emit(c, SK_OP_CAPTURED, 0, 0, where)) return false;
    for (uint32_t i = 0; i < b->n_filters; i++) {
        sk_instruction copy = c->code[b->filters + i];
        if (!sk_emit(c, (sk_op)copy.op, copy.few, copy.operand, copy.where)) return false;
    }
    return true;
}

static bool tag_set(sk_compiler *c, uint32_t where) {
    targets t;
    if (c->now.kind == SK_T_NAME && c->ahead.kind == SK_T_SIGN && *c->ahead.text == '.') return set_attribute(c, where);
    if (!read_targets(c, &t)) return false;
    if (sk_take_sign(c, "=")) return sk_expressions(c, true) && store_targets(c, &t, where);
    if (t.tuple) return sk_compile_fail(c, "\"=\" is missing");
    sk_block *b = open_block(c, SK_B_SET);
    if (!b) return false;
    b->name = t.name[0];
    return begin_capture(c, b, where);
}

static bool tag_endset(sk_compiler *c, uint32_t where) {
    sk_block *b = block_of(c, SK_B_SET);
    if (!b || !end_capture(c, b, where) || !sk_emit(c, SK_OP_STORE, 0, (int32_t)b->name, where)) return false;
    c->n_blocks--;
    return true;
}

/* ---- filter, generation, with */

static bool tag_filter(sk_compiler *c, uint32_t where) {
    sk_block *b = open_block(c, SK_B_FILTER);
    /* "{% filter f %}" begins as "| f" would go on. */
    static const sk_token bar = {.kind = SK_T_SIGN, .text = "|", .n = 1};
    if (!b) return false;
    if (c->now.kind != SK_T_NAME) return sk_compile_fail(c, "the name of a filter is missing");
    c->waiting = c->ahead;
    c->ahead = c->now;
    c->now = bar;
    c->has_waiting = true;
    return begin_capture(c, b, where);
}

static bool tag_endfilter(sk_compiler *c, uint32_t where) {
    sk_block *b = block_of(c, SK_B_FILTER);
    if (!b || !end_capture(c, b, where) || !sk_emit(c, SK_OP_PRINT, 0, 0, where)) return false;
    c->n_blocks--;
    return true;
}

/* What the model itself said: only training looks at it, and names set inside end with it. */
static bool tag_generation(sk_compiler *c, uint32_t where) {
    return open_block(c, SK_B_GENERATION) && sk_emit(c, SK_OP_SCOPE, 0, 0, where);
}

static bool tag_endgeneration(sk_compiler *c, uint32_t where) {
    if (!block_of(c, SK_B_GENERATION) || !sk_emit(c, SK_OP_UNSCOPE, 0, 0, where)) return false;
    c->n_blocks--;
    return true;
}

static bool tag_with(sk_compiler *c, uint32_t where) {
    targets t;
    if (!open_block(c, SK_B_WITH)) return false;
    uint32_t name[MAX_TARGETS], n = 0;
    while (c->now.kind == SK_T_NAME) {
        if (!read_targets(c, &t)) return false;
        if (t.tuple || n == MAX_TARGETS) return sk_compile_fail(c, "too many names");
        name[n++] = t.name[0];
        if (!sk_expect_sign(c, "=") || !sk_expression(c)) return false;
        if (!sk_take_sign(c, ",")) break;
    }
    if (c->run.status != SKALD_OK || !sk_emit(c, SK_OP_SCOPE, 0, 0, where)) return false;
    while (n > 0)
        if (!sk_emit(c, SK_OP_STORE, 0, (int32_t)name[--n], where)) return false;
    return true;
}

static bool tag_endwith(sk_compiler *c, uint32_t where) {
    if (!block_of(c, SK_B_WITH) || !sk_emit(c, SK_OP_UNSCOPE, 0, 0, where)) return false;
    c->n_blocks--;
    return true;
}

/* ---- macro */

static bool parameter(sk_compiler *c, sk_macro *m, uint32_t where) {
    uint32_t name, jump;
    if (c->now.kind != SK_T_NAME) return sk_compile_fail(c, "a parameter is missing");
    if (!sk_name(c, &name, &c->now) || !sk_next_token(c)) return false;
    if (!sk_grow(c, &c->parameters, c->n_parameters, &c->parameters_room, sizeof *c->parameters)) return false;
    c->parameters[c->n_parameters++] = (uint16_t)name;
    m->n_parameters++;
    if (!sk_take_sign(c, "=")) return c->run.status == SKALD_OK;
    jump = c->n_code;
    if (!sk_emit(c, SK_OP_BOUND, name, 0, where) || !sk_expression(c) ||
        !sk_emit(c, SK_OP_STORE, 0, (int32_t)name, where))
        return false;
    sk_land(c, jump);
    return true;
}

static bool tag_macro(sk_compiler *c, uint32_t where) {
    sk_macro m = {.first = c->n_parameters};
    sk_block *b = open_block(c, SK_B_MACRO);
    if (!b) return false;
    b->ends = UINT32_MAX;
    if (c->now.kind != SK_T_NAME) return sk_compile_fail(c, "the macro's name is missing");
    if (!sk_name(c, &b->name, &c->now) || !sk_next_token(c) || !sk_expect_sign(c, "(")) return false;
    b->jump = c->n_code;
    if (!sk_emit(c, SK_OP_JUMP, 0, 0, where)) return false;
    m.name = c->names[b->name];
    m.begin = c->n_code;
    while (!sk_sign_is(c, ")")) {
        if (m.n_parameters && !sk_expect_sign(c, ",")) return false;
        if (!parameter(c, &m, where)) return false;
    }
    b->ends = c->n_macros;
    if (!sk_grow(c, &c->macros, c->n_macros, &c->macros_room, sizeof *c->macros)) return false;
    c->macros[c->n_macros++] = m;
    return sk_next_token(c);
}

static bool tag_endmacro(sk_compiler *c, uint32_t where) {
    sk_block *b = block_of(c, SK_B_MACRO);
    if (!b || !sk_emit(c, SK_OP_RETURN, 0, 0, where)) return false;
    sk_land(c, b->jump);
    c->n_blocks--;
    return sk_emit(c, SK_OP_MACRO, 0, (int32_t)b->ends, where) && sk_emit(c, SK_OP_STORE, 0, (int32_t)b->name, where);
}

/* ---- all tags */

static bool tag(sk_compiler *c) {
    static const struct {
        const char *name;
        bool (*compile)(sk_compiler *c, uint32_t where);
    } tags[] = {
        {"if", tag_if},
        {"elif", tag_elif},
        {"else", tag_else},
        {"endif", tag_endif},
        {"for", tag_for},
        {"endfor", tag_endfor},
        {"set", tag_set},
        {"endset", tag_endset},
        {"macro", tag_macro},
        {"endmacro", tag_endmacro},
        {"break", tag_break},
        {"continue", tag_continue},
        {"filter", tag_filter},
        {"endfilter", tag_endfilter},
        {"with", tag_with},
        {"endwith", tag_endwith},
        {"generation", tag_generation},
        {"endgeneration", tag_endgeneration},
    };
    static const char *const absent[] = {"include", "import", "from", "extends", "block", "call", "autoescape", "do"};
    const uint32_t where = c->tag = c->now.where;
    if (!sk_next_token(c)) return false;
    if (c->now.kind != SK_T_NAME) return sk_compile_fail(c, "the name of a tag is missing");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (!sk_name_is(c, tags[i].name)) continue;
        return sk_next_token(c) && tags[i].compile(c, where) && end_tag(c);
    }
    c->run.where = c->now.where;
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (sk_name_is(c, absent[i]))
            return sk_run_fail(&c->run, SKALD_UNSUPPORTED, "the tag \"%s\" is not offered", absent[i]);
    return sk_compile_fail(c, "unknown tag");
}

static bool print(sk_compiler *c) {
    uint32_t where = c->now.where;
    if (!sk_next_token(c) || !sk_expressions(c, true)) return false;
    if (c->now.kind != SK_T_PRINT_END) return sk_compile_fail(c, "\"}}\" is missing");
    return sk_next_token(c) && sk_emit(c, SK_OP_PRINT, 0, 0, where);
}

static bool text(sk_compiler *c) {
    uint32_t index;
    return sk_constant(c, &index, sk_value_text(c->now.text, c->now.n, SK_FROM_TEMPLATE)) &&
           sk_emit(c, SK_OP_TEXT, 0, (int32_t)index, c->now.where) && sk_next_token(c);
}

static bool compile(sk_compiler *c) {
    bool ok = sk_lexer_next(&c->lexer, &c->ahead) && sk_next_token(c);
    while (ok && c->now.kind != SK_T_END)
        ok = c->now.kind == SK_T_TEXT ? text(c) : c->now.kind == SK_T_PRINT_BEGIN ? print(c) : tag(c);
    if (!ok) return false;
    if (c->n_blocks) {
        c->run.where = inner_block(c)->where;
        return sk_run_fail(&c->run, SKALD_FORMAT, "this block does not end");
    }
    return sk_emit(c, SK_OP_END, 0, 0, c->now.where);
}

/* ---- the block */

/* Newlines are \n, and one at the very end is not text. */
static uint32_t normalize(char *to, const char *from, size_t n) {
    uint32_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (from[i] == '\r' && i + 1 < n && from[i + 1] == '\n') continue;
        to[k++] = from[i] == '\r' ? '\n' : from[i];
    }
    return k > 0 && to[k - 1] == '\n' ? k - 1 : k;
}

static bool check_utf8(sk_compiler *c) {
    for (uint32_t at = 0, n; at < c->lexer.n; at += n) {
        n = (uint32_t)sk_utf8_length((const unsigned char *)c->lexer.source + at, c->lexer.n - at);
        c->run.where = at;
        if (n == 0) return sk_run_fail(&c->run, SKALD_FORMAT, "this byte is no UTF-8");
    }
    return true;
}

static sk_template *lay_out(sk_carver *carver, const sk_compiler *c) {
    sk_template *t = sk_carve(carver, 1, sizeof *t, 16);
    char *source = sk_carve(carver, c->lexer.n, 1, 16), *strings = sk_carve(carver, c->lexer.n_strings, 1, 16);
    sk_instruction *code = sk_carve(carver, c->n_code, sizeof *code, 16);
    sk_value *constants = sk_carve(carver, c->n_constants, sizeof *constants, 16);
    uint32_t *names = sk_carve(carver, c->n_names, sizeof *names, 16);
    sk_macro *macros = sk_carve(carver, c->n_macros, sizeof *macros, 16);
    uint16_t *parameters = sk_carve(carver, c->n_parameters, sizeof *parameters, 16);
    if (!t) return NULL;
    if (c->lexer.n) memcpy(source, c->lexer.source, c->lexer.n);
    if (c->lexer.n_strings) memcpy(strings, c->lexer.strings, c->lexer.n_strings);
    memcpy(code, c->code, c->n_code * sizeof *code);
    if (c->n_names) memcpy(names, c->names, c->n_names * sizeof *names);
    if (c->n_macros) memcpy(macros, c->macros, c->n_macros * sizeof *macros);
    if (c->n_parameters) memcpy(parameters, c->parameters, c->n_parameters * sizeof *parameters);
    for (uint32_t i = 0; i < c->n_constants; i++) {
        sk_value v = c->constants[i];
        uint64_t in_source = (uint64_t)(uintptr_t)v.as.text - (uint64_t)(uintptr_t)c->lexer.source;
        uint64_t in_strings = (uint64_t)(uintptr_t)v.as.text - (uint64_t)(uintptr_t)c->lexer.strings;
        if (v.kind == SK_STR && in_source < c->lexer.n) v.as.text = source + in_source;
        else if (v.kind == SK_STR && in_strings < c->lexer.n_strings) v.as.text = strings + in_strings;
        else if (v.kind == SK_STR) v.as.text = "";
        constants[i] = v;
    }
    for (uint32_t i = 0; i < c->n_macros; i++) macros[i].of = t;
    *t = (sk_template){carver->used,    source, c->lexer.n, c->n_code, c->n_constants, c->n_names, c->n_macros,
                       c->n_parameters, code,   constants,  names,     macros,         parameters};
    return t;
}

static skald_status finish(sk_template **out, const sk_compiler *c, const skald_allocator *memory, skald_report *why) {
    sk_carver carver = {0};
    lay_out(&carver, c);
    carver.base = sk_allocate(memory, 1, carver.used, SKALD_MEMORY_HANDLE);
    if (!carver.base) return sk_fail(why, SKALD_MEMORY, "no memory for the template");
    carver.used = 0;
    *out = lay_out(&carver, c);
    return SKALD_OK;
}

skald_status sk_template_create(sk_template **out, const skald_allocator *memory, const char *text_of, size_t n_bytes,
                                skald_report *why) {
    *out = NULL;
    if (n_bytes > SK_TEMPLATE_MAX_BYTES)
        return sk_fail(why, SKALD_FORMAT, "a template of %zu bytes, %u are allowed", n_bytes, SK_TEMPLATE_MAX_BYTES);
    sk_run run = {.memory = memory,
                  .most_bytes = 256 * (uint64_t)SK_TEMPLATE_MAX_BYTES,
                  .most_steps = UINT64_MAX,
                  .why = why,
                  .source = ""};
    sk_compiler *c = sk_run_take(&run, sizeof *c);
    char *source = c ? sk_run_take(&run, n_bytes) : NULL, *strings = source ? sk_run_take(&run, n_bytes) : NULL;
    skald_status status = run.status;
    if (strings) {
        c->run = run;
        c->run.source = source;
        c->lexer = (sk_lexer){.source = source,
                              .n = normalize(source, text_of, n_bytes),
                              .strings = strings,
                              .line_begins = true,
                              .run = &c->run};
        status = check_utf8(c) && compile(c) ? finish(out, c, memory, why) : c->run.status;
        run = c->run;
    }
    sk_template_output done = {.chunks = run.chunks};
    sk_template_output_free(&done, memory);
    return status;
}

void sk_template_free(sk_template *t, const skald_allocator *memory) {
    if (t) sk_release(memory, t, t->n_bytes_block);
}

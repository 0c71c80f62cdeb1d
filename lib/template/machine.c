/* Runs the code of a template: a stack of values, scopes of names, loops, and texts that output goes into. Nothing here
 * recurses, whatever macros do; everything is bounded. */
#include "template/machine.h"
#include <string.h>

enum { MAX_VALUES = 1024, MAX_LOOPS = 128, MAX_CAPTURES = 128, MAX_CALLS = 48 };

#define USUAL_STEPS ((uint64_t)50 << 20)
#define USUAL_BYTES ((uint64_t)256 << 20)

typedef struct {
    uint32_t back;
    sk_scope *scope;
} call;

typedef struct {
    sk_builder out;
    sk_scope *scope; /* outside */
} capture;

typedef struct machine {
    sk_run run;
    const sk_template *t;
    uint32_t n, pc, n_loops, n_captures, n_calls, loop_name;
    sk_scope *scope;
    sk_value values[MAX_VALUES];
    sk_loop *loops[MAX_LOOPS];
    capture captures[MAX_CAPTURES]; /* the first one is the whole output */
    call calls[MAX_CALLS];
} machine;

static bool push(machine *m, sk_value v) {
    if (m->n == MAX_VALUES) return sk_run_fail(&m->run, SKALD_FORMAT, "more than %u values in work", MAX_VALUES);
    m->values[m->n++] = v;
    return true;
}

static sk_value pop(machine *m) { return m->values[--m->n]; }

/* ---- names */

static const sk_value *name_of(const sk_template *t, uint32_t name) { return &t->constants[t->names[name]]; }

/* What a scope says of a name, NULL: nothing. *n_seen counts what was looked at. */
static sk_binding *find_binding(const sk_scope *scope, uint32_t name, uint32_t *n_seen) {
    for (sk_binding *b = scope->first; b; b = b->next, ++*n_seen)
        if (b->name == name) return b;
    return NULL;
}

static bool bind(machine *m, sk_scope *scope, uint32_t name, sk_value v) {
    uint32_t n_seen = 0;
    sk_binding *b = find_binding(scope, name, &n_seen);
    if (!sk_run_work(&m->run, n_seen / 16)) return false;
    if (b) return b->value = v, true;
    b = sk_run_take(&m->run, sizeof *b);
    if (!b) return false;
    *b = (sk_binding){scope->first, name, v};
    scope->first = b;
    return true;
}

static sk_value load(machine *m, uint32_t name) {
    const sk_binding *found = NULL;
    uint32_t n_seen = 0;
    for (const sk_scope *s = m->scope; s && !found; s = s->parent) found = find_binding(s, name, &n_seen);
    sk_run_work(&m->run, n_seen / 16); /* where that was too much, the next instruction does not begin */
    if (found) return found->value;
    const sk_value *text = name_of(m->t, name);
    return sk_value_undefined(text->as.text, text->n);
}

static bool enter_scope(machine *m, sk_scope *parent) {
    sk_scope *scope = sk_run_take(&m->run, sizeof *scope);
    if (!scope) return false;
    scope->parent = parent;
    m->scope = scope;
    return true;
}

static bool store_in(machine *m, uint32_t name, sk_value key, sk_value v) {
    sk_value space = load(m, name);
    if (space.kind != SK_NAMESPACE)
        return sk_run_fail(&m->run, SKALD_FORMAT, "attributes are set on a namespace, \"%.*s\" is %s",
                           (int)name_of(m->t, name)->n, name_of(m->t, name)->as.text, sk_value_type(space));
    return sk_dict_set(&m->run, space.as.dict, key, v);
}

/* ---- output */

static bool begin_capture(machine *m) {
    if (m->n_captures == MAX_CAPTURES)
        return sk_run_fail(&m->run, SKALD_FORMAT, "blocks and macros are nested too deep");
    m->captures[m->n_captures++] = (capture){.scope = m->scope};
    return true;
}

static bool end_capture(machine *m) {
    capture *c = &m->captures[--m->n_captures];
    m->scope = c->scope;
    return push(m, sk_built(&c->out));
}

static sk_builder *output(machine *m) { return &m->captures[m->n_captures - 1].out; }

static bool concatenate(machine *m, uint32_t n) {
    sk_builder b = {0};
    for (uint32_t i = 0; i < n; i++)
        if (!sk_put_str(&m->run, &b, m->values[m->n - n + i])) return false;
    m->n -= n;
    return push(m, sk_built(&b));
}

/* ---- containers */

static bool make_list(machine *m, uint32_t n, sk_value_kind kind) {
    sk_list *list = sk_list_begin(&m->run, n);
    sk_value v;
    if (!list) return false;
    m->n -= n;
    memcpy(list->at, m->values + m->n, n * sizeof *list->at);
    list->n = n;
    return sk_list_end(&m->run, &v, list, kind) && push(m, v);
}

static bool make_dict(machine *m, uint32_t n) {
    sk_dict *d = sk_dict_new(&m->run, n);
    if (!d) return false;
    m->n -= 2 * n;
    for (uint32_t i = 0; i < n; i++)
        if (!sk_dict_set(&m->run, d, m->values[m->n + 2 * i], m->values[m->n + 2 * i + 1])) return false;
    return push(m, (sk_value){.kind = SK_DICT, .as.dict = d});
}

static bool unpack(machine *m, uint32_t n) {
    const sk_list *items;
    if (!sk_value_items(&m->run, &items, pop(m))) return false;
    if (items->n != n) return sk_run_fail(&m->run, SKALD_FORMAT, "%u values for %u names", items->n, n);
    for (uint32_t i = n; i-- > 0;)
        if (!push(m, items->at[i])) return false;
    return true;
}

/* ---- loops */

static bool begin_loop(machine *m) {
    if (m->n_loops == MAX_LOOPS) return sk_run_fail(&m->run, SKALD_FORMAT, "loops are nested too deep");
    sk_loop *loop = sk_run_take(&m->run, sizeof *loop);
    if (!loop || !sk_value_items(&m->run, &loop->items, pop(m))) return false;
    loop->index = UINT32_MAX;
    loop->outer = m->scope;
    m->loops[m->n_loops++] = loop;
    return true;
}

/* The next item in a scope of its own; at the end the scope outside is back, and *more is false. */
static bool next_item(machine *m, bool plain, bool *more) {
    sk_loop *loop = m->loops[m->n_loops - 1];
    *more = ++loop->index < loop->items->n;
    m->scope = loop->outer;
    if (!*more) return true;
    if (!enter_scope(m, loop->outer) || !push(m, loop->items->at[loop->index])) return false;
    return plain || m->loop_name == UINT32_MAX ||
           bind(m, m->scope, m->loop_name, (sk_value){.kind = SK_LOOP, .as.loop = loop});
}

static bool keep_item(machine *m) {
    sk_loop *loop = m->loops[m->n_loops - 1];
    if (!loop->kept) loop->kept = sk_run_take(&m->run, sk_mul(loop->items->n, sizeof *loop->kept));
    if (!loop->kept) return false;
    if (sk_value_true(pop(m))) loop->kept[loop->n_kept++] = loop->items->at[loop->index];
    return true;
}

static bool end_keeping(machine *m) {
    sk_loop *loop = m->loops[--m->n_loops];
    sk_list *list = sk_list_begin(&m->run, 0);
    sk_value v;
    if (!list) return false;
    list->at = loop->kept;
    list->n = loop->n_kept;
    return sk_list_end(&m->run, &v, list, SK_LIST) && push(m, v);
}

/* ---- calls */

static uint32_t parameter_named(const sk_template *t, const sk_macro *macro, sk_value name) {
    for (uint32_t i = 0; i < macro->n_parameters; i++) {
        const sk_value *p = name_of(t, t->parameters[macro->first + i]);
        if (p->n == name.n && memcmp(p->as.text, name.as.text, name.n) == 0) return i;
    }
    return UINT32_MAX;
}

/* A parameter that nobody gave is undefined, and marked so that its default takes its place. */
static bool bind_parameters(machine *m, const sk_macro *macro, const sk_arguments *a) {
    const uint16_t *names = m->t->parameters + macro->first;
    if (a->n > macro->n_parameters)
        return sk_run_fail(&m->run, SKALD_FORMAT, "the macro takes %u arguments, %u are given", macro->n_parameters,
                           a->n);
    for (uint32_t i = 0; i < macro->n_parameters; i++) {
        const sk_value *text = name_of(m->t, names[i]);
        sk_value v = i < a->n ? a->at[i] : sk_value_undefined(text->as.text, text->n);
        if (i >= a->n) v.origin = 1;
        if (!bind(m, m->scope, names[i], v)) return false;
    }
    for (uint32_t i = 0; i < a->n_named; i++) {
        sk_value name = a->named[2 * i];
        uint32_t at = parameter_named(m->t, macro, name);
        if (at == UINT32_MAX || at < a->n)
            return sk_run_fail(&m->run, SKALD_FORMAT, "the macro takes no argument \"%.*s\" here", (int)name.n,
                               name.as.text);
        if (!bind(m, m->scope, names[at], a->named[2 * i + 1])) return false;
    }
    return true;
}

static bool call_macro(machine *m, const sk_macro *macro, const sk_arguments *a) {
    if (m->n_calls == MAX_CALLS) return sk_run_fail(&m->run, SKALD_FORMAT, "macros call each other too deep");
    if (!begin_capture(m)) return false;
    m->calls[m->n_calls++] = (call){m->pc, m->scope};
    if (!enter_scope(m, macro->scope) || !bind_parameters(m, macro, a)) return false;
    m->pc = macro->begin;
    return true;
}

static bool end_macro(machine *m) {
    call *c = &m->calls[--m->n_calls];
    m->pc = c->back;
    return end_capture(m);
}

/* Arguments on top of the stack, which stay there until the call is made. */
static sk_arguments take_arguments(const machine *m, const sk_instruction *i) {
    uint32_t named = 2 * (uint32_t)i->operand;
    const sk_value *top = m->values + m->n;
    return (sk_arguments){top - named - i->few, top - named, i->few, (uint32_t)i->operand};
}

static bool call_value(machine *m, const sk_instruction *i) {
    sk_arguments a = take_arguments(m, i);
    sk_value callee = a.at[-1], result;
    m->n = (uint32_t)(a.at - 1 - m->values);
    if (callee.kind == SK_MACRO) return call_macro(m, callee.as.macro, &a);
    if (callee.kind == SK_METHOD) return sk_call_method(&m->run, &result, callee.as.method, &a) && push(m, result);
    if (callee.kind == SK_GLOBAL) return sk_call_global(&m->run, &result, callee, &a) && push(m, result);
    if (callee.kind == SK_UNDEFINED)
        return sk_run_fail(&m->run, SKALD_FORMAT, "\"%.*s\" is undefined and cannot be called", (int)callee.n,
                           callee.as.text);
    return sk_run_fail(&m->run, SKALD_FORMAT, "%s cannot be called", sk_value_type(callee));
}

static bool filter_value(machine *m, const sk_instruction *i) {
    sk_value name = pop(m), result;
    sk_arguments a = take_arguments(m, i);
    m->n = (uint32_t)(a.at - 1 - m->values);
    return sk_call_filter(&m->run, &result, name, a.at[-1], &a) && push(m, result);
}

static bool test_value(machine *m, const sk_instruction *i) {
    sk_value name = pop(m);
    bool result;
    sk_arguments a = take_arguments(m, i);
    m->n = (uint32_t)(a.at - 1 - m->values);
    return sk_call_test(&m->run, &result, name, a.at[-1], &a) && push(m, sk_value_bool(result));
}

static bool make_macro(machine *m, uint32_t index) {
    sk_macro *macro = sk_run_take(&m->run, sizeof *macro);
    if (!macro) return false;
    *macro = m->t->macros[index];
    macro->scope = m->scope;
    return push(m, (sk_value){.kind = SK_MACRO, .as.macro = macro});
}

/* ---- instructions */

static bool negate(machine *m, bool minus) {
    sk_value v = pop(m), result;
    if (minus && v.kind == SK_FLOAT) return push(m, sk_value_float(-v.as.real)); /* 0 - x has no -0.0 */
    if (minus) return sk_binary(&m->run, &result, SK_SUBTRACT, sk_value_int(0), v) && push(m, result);
    return sk_binary(&m->run, &result, SK_ADD, v, sk_value_int(0)) && push(m, result);
}

static bool binary(machine *m, sk_operator op, bool keep) {
    sk_value b = pop(m), a = pop(m), result;
    return (!keep || push(m, b)) && sk_binary(&m->run, &result, op, a, b) && push(m, result);
}

static bool item(machine *m) {
    sk_value key = pop(m), v = pop(m), result;
    return sk_item(&m->run, &result, v, key) && push(m, result);
}

static bool slice(machine *m) {
    sk_value result;
    m->n -= 4;
    return sk_slice(&m->run, &result, m->values[m->n], m->values + m->n + 1) && push(m, result);
}

static bool attribute(machine *m, uint32_t constant) {
    sk_value result;
    return sk_attribute(&m->run, &result, pop(m), m->t->constants[constant]) && push(m, result);
}

static bool is_bound(machine *m, uint32_t name) {
    sk_value v = load(m, name);
    return v.kind != SK_UNDEFINED || v.origin != 1;
}

/* What moves the place where the code goes on. */
static bool jump(machine *m, const sk_instruction *i) {
    bool taken = true;
    sk_loop *loop = m->n_loops ? m->loops[m->n_loops - 1] : NULL;
    switch (i->op) {
    case SK_OP_JUMP_FALSE: taken = !sk_value_true(pop(m)); break;
    case SK_OP_AND:
    case SK_OP_OR:
        taken = sk_value_true(m->values[m->n - 1]) == (i->op == SK_OP_OR);
        if (!taken) m->n--;
        break;
    case SK_OP_NEXT: {
        bool more;
        if (!next_item(m, i->few, &more)) return false;
        taken = !more;
        break;
    }
    case SK_OP_LOOP_END:
        m->n_loops--;
        m->scope = loop->outer;
        taken = loop->items->n > 0;
        break;
    case SK_OP_BOUND: taken = is_bound(m, i->few); break;
    default: break; /* JUMP, BREAK, CONTINUE */
    }
    if (taken) m->pc = (uint32_t)((int64_t)m->pc - 1 + i->operand);
    return true;
}

static bool run_one(machine *m, const sk_instruction *i) {
    const uint32_t n = (uint32_t)i->operand;
    switch ((sk_op)i->op) {
    case SK_OP_TEXT: return sk_put_text(&m->run, output(m), m->t->constants[n]);
    case SK_OP_PRINT: return sk_put_str(&m->run, output(m), pop(m));
    case SK_OP_CONST: return push(m, m->t->constants[n]);
    case SK_OP_LOAD: return push(m, load(m, n));
    case SK_OP_STORE: return bind(m, m->scope, n, pop(m));
    case SK_OP_STORE_IN: return store_in(m, n, m->t->constants[i->few], pop(m));
    case SK_OP_ATTRIBUTE: return attribute(m, n);
    case SK_OP_ITEM: return item(m);
    case SK_OP_SLICE: return slice(m);
    case SK_OP_CALL: return call_value(m, i);
    case SK_OP_FILTER: return filter_value(m, i);
    case SK_OP_TEST: return test_value(m, i);
    case SK_OP_BINARY: return binary(m, (sk_operator)n, false);
    case SK_OP_CHAIN: return binary(m, (sk_operator)n, true);
    case SK_OP_CONCAT: return concatenate(m, n);
    case SK_OP_NOT: return push(m, sk_value_bool(!sk_value_true(pop(m))));
    case SK_OP_NEGATE: return negate(m, true);
    case SK_OP_PLUS: return negate(m, false);
    case SK_OP_DROP_UNDER: return m->values[m->n - 2] = m->values[m->n - 1], m->n--, true;
    case SK_OP_DROP: return m->n--, true;
    case SK_OP_LIST: return make_list(m, n, SK_LIST);
    case SK_OP_TUPLE: return make_list(m, n, SK_TUPLE);
    case SK_OP_DICT: return make_dict(m, n);
    case SK_OP_UNPACK: return unpack(m, n);
    case SK_OP_LOOP: return begin_loop(m);
    case SK_OP_KEEP: return keep_item(m);
    case SK_OP_KEPT: return end_keeping(m);
    case SK_OP_SCOPE: return enter_scope(m, m->scope);
    case SK_OP_UNSCOPE: return m->scope = m->scope->parent, true;
    case SK_OP_CAPTURE: return begin_capture(m) && enter_scope(m, m->scope);
    case SK_OP_CAPTURED: return end_capture(m);
    case SK_OP_MACRO: return make_macro(m, n);
    case SK_OP_RETURN: return end_macro(m);
    case SK_OP_END: return false;
    default: return jump(m, i);
    }
}

static bool run(machine *m) {
    const sk_instruction *i;
    do {
        i = &m->t->code[m->pc++];
        m->run.where = i->where;
    } while (sk_run_work(&m->run, 1) && run_one(m, i));
    return m->run.status == SKALD_OK;
}

/* ---- variables of the conversation and of the host */

static bool set_variable(machine *m, sk_value name, sk_value v) {
    for (uint32_t i = 0; i < m->t->n_names; i++)
        if (sk_value_same(&m->run, *name_of(m->t, i), name)) return bind(m, m->scope, i, v);
    return true; /* nothing in the template can see it */
}

static bool set_globals(machine *m) {
    static const char *const names[] = {
#define SK_GLOBAL_NAME(name) #name,
        SK_GLOBALS_LIST(SK_GLOBAL_NAME)
#undef SK_GLOBAL_NAME
    };
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (i == SK_GLOBAL_strftime_now && !m->run.local_seconds) continue;
        if (!set_variable(m, sk_value_word(names[i]), (sk_value){.kind = SK_GLOBAL, .as.whole = i})) return false;
    }
    return true;
}

/* As transformers calls a template: tools and documents are None where nobody gives them. */
static bool set_input(machine *m, const sk_template_input *in) {
    sk_value v, data = {.kind = SK_DICT};
    if (!set_globals(m) || !set_variable(m, sk_value_word("tools"), SK_VALUE_NONE) ||
        !set_variable(m, sk_value_word("documents"), SK_VALUE_NONE) ||
        !set_variable(m, sk_value_word("add_generation_prompt"), sk_value_bool(in->open)) ||
        !sk_data_messages(&m->run, &v, in->messages, in->n_messages) || !set_variable(m, sk_value_word("messages"), v))
        return false;
    for (uint32_t i = 0; i < in->n_variables; i++) {
        const sk_template_variable *own = &in->variables[i];
        if (own->text && !set_variable(m, sk_value_word(own->name),
                                       sk_value_text(own->text, (uint32_t)own->n_bytes, SK_FROM_TEMPLATE)))
            return false;
    }
    if (in->n_json_bytes == 0) return true;
    if (!sk_data_load(&m->run, &data, in->json, in->n_json_bytes)) return false;
    for (uint32_t i = 0; i < data.as.dict->n; i++)
        if (!set_variable(m, data.as.dict->at[2 * i], data.as.dict->at[2 * i + 1])) return false;
    return true;
}

static uint32_t find_name(const sk_template *t, const char *name) {
    for (uint32_t i = 0; i < t->n_names; i++)
        if (sk_value_is(*name_of(t, i), name)) return i;
    return UINT32_MAX;
}

/* The marks of a text with one origin are written out. */
static bool give(machine *m, sk_template_output *out) {
    const sk_builder *b = &m->captures[0].out;
    *out = (sk_template_output){.text = b->bytes ? b->bytes : "", .from_data = b->marks, .n_bytes = b->n};
    return true;
}

skald_status sk_template_run(sk_template_output *out, const sk_template *t, const skald_allocator *memory,
                             const sk_template_input *in, skald_report *why) {
    sk_run first = {.memory = memory,
                    .most_bytes = in->n_bytes_most ? in->n_bytes_most : USUAL_BYTES,
                    .most_steps = in->n_steps_most ? in->n_steps_most : USUAL_STEPS,
                    .why = why,
                    .source = t->source,
                    .local_seconds = in->local_seconds};
    *out = (sk_template_output){.text = ""};
    machine *m = sk_run_take(&first, sizeof *m);
    skald_status status = first.status;
    if (m) {
        m->run = first;
        m->t = t;
        m->loop_name = find_name(t, "loop");
        bool ok = begin_capture(m) && enter_scope(m, NULL) && set_input(m, in) && run(m);
        status = m->run.status;
        first = m->run;
        if (ok) give(m, out);
    }
    out->chunks = first.chunks;
    if (status != SKALD_OK) sk_template_output_free(out, memory);
    return status;
}

void sk_template_output_free(sk_template_output *out, const skald_allocator *memory) {
    for (sk_arena_chunk *c = out->chunks, *next; c; c = next) {
        next = c->next;
        sk_release(memory, c, c->n_bytes);
    }
    *out = (sk_template_output){.text = ""};
}

/* Code of a compiled template, and the doors between the files that run it. */
#ifndef SK_TEMPLATE_MACHINE_H
#define SK_TEMPLATE_MACHINE_H
#include "template/template.h"
#include "template/value.h"

/* What an instruction takes from the stack, what it puts there, and its operand.  */
typedef enum sk_op {
    SK_OP_TEXT,       /* -> output             constant */
    SK_OP_PRINT,      /* value -> output */
    SK_OP_CONST,      /* -> value              constant */
    SK_OP_LOAD,       /* -> value              name */
    SK_OP_STORE,      /* value ->              name */
    SK_OP_STORE_IN,   /* value ->              name of a namespace; few: constant of the attribute */
    SK_OP_ATTRIBUTE,  /* value -> value        constant */
    SK_OP_ITEM,       /* value, key -> value */
    SK_OP_SLICE,      /* value, from, to, step -> value */
    SK_OP_CALL,       /* callee, arguments -> value; few: positional, operand: named (pairs of name and value) */
    SK_OP_FILTER,     /* value, arguments, name -> value; as call */
    SK_OP_TEST,       /* value, arguments, name -> bool; as call */
    SK_OP_BINARY,     /* a, b -> value         operator */
    SK_OP_CONCAT,     /* n values -> text      n */
    SK_OP_NOT,        /* value -> bool */
    SK_OP_NEGATE,     /* value -> value */
    SK_OP_PLUS,       /* value -> value */
    SK_OP_CHAIN,      /* a, b -> b, bool       operator: a < b < c keeps b */
    SK_OP_DROP_UNDER, /* a, b -> b */
    SK_OP_DROP,       /* a -> */
    SK_OP_JUMP,       /*                       distance, as of all jumps */
    SK_OP_JUMP_FALSE, /* value -> */
    SK_OP_AND,        /* value -> value and jump when false, nothing when true */
    SK_OP_OR,         /* the other way round */
    SK_OP_LIST,       /* n values -> list      n */
    SK_OP_TUPLE,      /* n values -> tuple     n */
    SK_OP_DICT,       /* n pairs -> dict       n */
    SK_OP_UNPACK,     /* value -> n values, the first on top */
    SK_OP_LOOP,       /* value -> */
    SK_OP_NEXT,       /* -> item, or jump to the loop's end */
    SK_OP_KEEP,       /* bool ->               the item is kept or not */
    SK_OP_KEPT,       /* -> list               of the kept; the loop is over */
    SK_OP_LOOP_END,   /* jump when there was an item: over `else` */
    SK_OP_BREAK,      /* jump to LOOP_END */
    SK_OP_CONTINUE,   /* jump to NEXT */
    SK_OP_SCOPE,      /* names set from here on end at UNSCOPE */
    SK_OP_UNSCOPE,
    SK_OP_CAPTURE,  /* output goes into a text, in a scope of its own */
    SK_OP_CAPTURED, /* -> text */
    SK_OP_MACRO,    /* -> macro              index */
    SK_OP_BOUND,    /* jump when the parameter has a value; few: parameter's name */
    SK_OP_RETURN,
    SK_OP_END,
} sk_op;

typedef enum sk_operator {
    SK_ADD,
    SK_SUBTRACT,
    SK_MULTIPLY,
    SK_DIVIDE,
    SK_DIVIDE_FLOOR,
    SK_MODULO,
    SK_POWER,
    SK_EQUAL,
    SK_UNEQUAL,
    SK_LESS,
    SK_LESS_EQUAL,
    SK_GREATER,
    SK_GREATER_EQUAL,
    SK_IN,
    SK_NOT_IN,
} sk_operator;

typedef struct sk_instruction {
    uint8_t op;
    uint16_t few;
    int32_t operand;
    uint32_t where; /* in the source */
} sk_instruction;

typedef struct sk_macro {
    uint32_t name;                /* constant */
    uint32_t first, n_parameters; /* names in t->parameters */
    uint32_t begin;               /* of its code */
    struct sk_scope *scope;       /* where it was defined: set by the machine */
    const sk_template *of;
} sk_macro;

#define SK_MAX_NAMES 1024u

struct sk_template {
    uint64_t n_bytes_block;
    const char *source;
    uint32_t n_source, n_code, n_constants, n_names, n_macros, n_parameters;
    const sk_instruction *code;
    const sk_value *constants;
    const uint32_t *names; /* [n_names] constants */
    const sk_macro *macros;
    const uint16_t *parameters; /* names */
};

/* ---- running */

typedef struct sk_binding {
    struct sk_binding *next;
    uint32_t name;
    sk_value value;
} sk_binding;

typedef struct sk_scope {
    struct sk_scope *parent;
    sk_binding *first;
} sk_scope;

typedef struct sk_arguments {
    const sk_value *at, *named; /* [n]; [n_named] pairs of name and value */
    uint32_t n, n_named;
} sk_arguments;

/* The argument at `index` or of this name, NULL: not given. */
const sk_value *sk_argument(const sk_arguments *a, uint32_t index, const char *name);
/* False, and failed: an argument that is not a whole number, or out of range. Absent: *out stays. */
bool sk_argument_int(sk_run *r, const sk_arguments *a, uint32_t index, const char *name, int64_t *out);
bool sk_argument_true(const sk_arguments *a, uint32_t index, const char *name, bool otherwise);

bool sk_attribute(sk_run *r, sk_value *out, sk_value v, sk_value name);
bool sk_item(sk_run *r, sk_value *out, sk_value v, sk_value key);
bool sk_slice(sk_run *r, sk_value *out, sk_value v, const sk_value limits[3]);
bool sk_binary(sk_run *r, sk_value *out, sk_operator op, sk_value a, sk_value b);
bool sk_contains(sk_run *r, bool *out, sk_value item, sk_value in);
/* Python's "..." % (...) for %s, %d, %r and %%. */
bool sk_percent(sk_run *r, sk_value *out, sk_value format, const sk_value *args, uint32_t n);

bool sk_call_filter(sk_run *r, sk_value *out, sk_value name, sk_value v, const sk_arguments *a);
bool sk_filter_exists(sk_value name);
bool sk_call_test(sk_run *r, bool *out, sk_value name, sk_value v, const sk_arguments *a);
bool sk_test_exists(sk_value name);
/* Whether values of v's kind have a method of this name, offered or not. */
bool sk_method_exists(sk_value v, sk_value name);
bool sk_call_method(sk_run *r, sk_value *out, const sk_method *m, const sk_arguments *a);
bool sk_text_replace(sk_run *r, sk_value *out, sk_value v, sk_value old, sk_value new, int64_t most);
bool sk_text_join(sk_run *r, sk_value *out, sk_value between, const sk_list *items);
bool sk_text_capitalized(sk_run *r, sk_value *out, sk_value v);

#define SK_GLOBALS_LIST(X) X(range) X(namespace) X(dict) X(raise_exception) X(strftime_now)
enum {
#define SK_GLOBAL_ENUM(name) SK_GLOBAL_##name,
    SK_GLOBALS_LIST(SK_GLOBAL_ENUM)
#undef SK_GLOBAL_ENUM
};
bool sk_call_global(sk_run *r, sk_value *out, sk_value which, const sk_arguments *a);
bool sk_date(sk_run *r, sk_value *out, sk_value format);

/* JSON to values. */
bool sk_data_load(sk_run *r, sk_value *out, const char *json, size_t n_bytes);
bool sk_data_messages(sk_run *r, sk_value *out, const skald_message *messages, uint32_t n);
#endif

/* Tokens to code in one walk: expression.c for what has a value, compile.c for tags. */
#ifndef SK_TEMPLATE_COMPILER_H
#define SK_TEMPLATE_COMPILER_H
#include "template/lexer.h"
#include "template/machine.h"

#define SK_MAX_NESTING 18u /* of expressions: the compiler recurses on the caller's stack */

typedef enum sk_block_kind {
    SK_B_IF,
    SK_B_FOR,
    SK_B_SET,
    SK_B_MACRO,
    SK_B_FILTER,
    SK_B_GENERATION,
    SK_B_WITH
} sk_block_kind;

/* A tag that an end tag will close. Indices of code. */
typedef struct sk_block {
    uint8_t kind;
    bool otherwise; /* its `else` has been */
    uint32_t where;
    uint32_t jump;               /* IF: to the next branch; FOR: its NEXT; MACRO: over it */
    uint32_t ends;               /* IF: jumps to the end, FOR: breaks; each holds the one before it; 0: none. MACRO: its number */
    uint32_t end;                /* FOR with else: its LOOP_END */
    uint32_t name;               /* MACRO, SET: what is stored */
    uint32_t filters, n_filters; /* SET, FILTER: their code, moved behind the block */
} sk_block;

enum { SK_MAX_BLOCKS = 64 };

typedef struct sk_compiler {
    sk_run run;
    sk_lexer lexer;
    sk_token now, ahead, waiting; /* one that was put back waits behind `ahead` */
    bool has_waiting;
    sk_instruction *code;
    sk_value *constants;
    uint32_t *names;
    sk_macro *macros;
    uint16_t *parameters;
    uint32_t n_code, n_constants, n_names, n_macros, n_parameters;
    uint32_t code_room, constants_room, names_room, macros_room, parameters_room;
    uint32_t nesting;
    uint32_t tag;          /* where the tag in work begins */
    uint32_t n_conditions; /* `if`s around: in them an unknown filter fails only when it is reached, as in Jinja */
    uint32_t n_blocks;
    sk_block blocks[SK_MAX_BLOCKS];
} sk_compiler;

bool sk_compile_fail(sk_compiler *c, const char *what); /* at the token that is now */
bool sk_next_token(sk_compiler *c);
bool sk_sign_is(const sk_compiler *c, const char *sign);
bool sk_name_is(const sk_compiler *c, const char *name);
/* Takes the token when it is this one. */
bool sk_take_sign(sk_compiler *c, const char *sign);
bool sk_take_name(sk_compiler *c, const char *name);
bool sk_expect_sign(sk_compiler *c, const char *sign);

/* All of these are false when memory is out. */
bool sk_emit(sk_compiler *c, sk_op op, uint32_t few, int32_t operand, uint32_t where);
bool sk_constant(sk_compiler *c, uint32_t *index, sk_value v);
bool sk_name(sk_compiler *c, uint32_t *index, const sk_token *t);
/* Makes the jump at `index` lead to what is emitted next. */
void sk_land(sk_compiler *c, uint32_t index);
/* Room for one more of an array that grows. */
bool sk_grow(sk_compiler *c, void *array, uint32_t n, uint32_t *room, size_t size);

/* An expression; one without `a if b else c` at its top; one with commas, which is a tuple. */
bool sk_expression(sk_compiler *c);
bool sk_expressions(sk_compiler *c, bool conditional);
/* Filters on the value on top of the stack: "| f | g(x)". */
bool sk_filters(sk_compiler *c);
#endif

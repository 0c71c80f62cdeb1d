/* Template text to tokens, with Jinja's rules for white space as transformers sets them: a newline behind a block tag
 * goes (trim_blocks), white space before one goes when nothing else stands there (lstrip_blocks). */
#ifndef SK_TEMPLATE_LEXER_H
#define SK_TEMPLATE_LEXER_H
#include "template/value.h"

typedef enum sk_token_kind {
    SK_T_END,
    SK_T_TEXT,        /* outside of tags, never empty */
    SK_T_PRINT_BEGIN, /* {{ */
    SK_T_PRINT_END,
    SK_T_BLOCK_BEGIN, /* {% */
    SK_T_BLOCK_END,
    SK_T_NAME,
    SK_T_STRING,
    SK_T_INT,
    SK_T_FLOAT,
    SK_T_SIGN, /* an operator or bracket */
} sk_token_kind;

typedef struct sk_token {
    sk_token_kind kind;
    uint32_t where;   /* its first byte */
    const char *text; /* of a text, name, string (escapes understood) or sign */
    uint32_t n;
    int64_t whole;
    double real;
} sk_token;

typedef struct sk_lexer {
    const char *source;
    uint32_t n, at;
    char *strings; /* [n] room for what strings say */
    uint32_t n_strings;
    char open[64];    /* brackets inside a tag that wait for their other half */
    uint32_t depth;   /* how many */
    char tag;         /* '{' or '%' inside a tag, 0 outside */
    uint32_t tag_at;  /* where it began */
    bool line_begins; /* the last token ended with a newline */
    sk_run *run;      /* for failures */
} sk_lexer;

/* False: not a template, and the run has failed. */
bool sk_lexer_next(sk_lexer *x, sk_token *out);
#endif

/* Values of a running template: Python's, as far as templates see them. They live in the arena of their run and never
 * change, but for namespaces. */
#ifndef SK_TEMPLATE_VALUE_H
#define SK_TEMPLATE_VALUE_H
#include "base/memory.h"
#include "base/report.h"

#define SK_VALUE_MAX_DEPTH 80u /* of containers in containers: what walks a value may recurse */

/* ---- memory of one run, and its first failure */

typedef struct sk_arena_chunk {
    struct sk_arena_chunk *next;
    uint64_t n_bytes; /* with this head */
} sk_arena_chunk;

typedef struct sk_run {
    const skald_allocator *memory;
    sk_arena_chunk *chunks;
    char *at, *end;               /* what is left of the newest chunk */
    uint64_t n_bytes, most_bytes; /* of all chunks */
    uint64_t n_steps, most_steps;
    skald_report *why;
    skald_status status;
    const char *source; /* the template, for line and column */
    uint32_t where;     /* offset of what is being done */
    int64_t local_seconds;
} sk_run;

/* NULL: refused, and the run has failed. Zeroed, aligned for every value. */
void *sk_run_take(sk_run *r, uint64_t n_bytes);
/* Counts work that is not an instruction. False: the limit is reached, and the run has failed. */
bool sk_run_work(sk_run *r, uint64_t n_steps);
/* Says what failed, once, with line and column: return sk_run_fail(r, SKALD_FORMAT, ...) is return false. */
void sk_run_say(sk_run *r, skald_status status, const char *format, ...) SK_PRINTF(3, 4);
#define sk_run_fail(...) (sk_run_say(__VA_ARGS__), false)
/* Line and column, from 1, of a byte. */
void sk_template_place(const char *source, uint32_t offset, uint32_t *line, uint32_t *column);

/* ---- values */

typedef enum sk_value_kind {
    SK_UNDEFINED, /* its text: what is undefined */
    SK_NONE,
    SK_BOOL,
    SK_INT,
    SK_FLOAT,
    SK_STR,
    SK_LIST,
    SK_TUPLE,
    SK_DICT,
    SK_NAMESPACE,
    SK_LOOP,
    SK_MACRO,
    SK_METHOD, /* of a value, not yet called */
    SK_GLOBAL, /* a function that every template has */
} sk_value_kind;

typedef enum sk_origin { SK_FROM_TEMPLATE, SK_FROM_DATA, SK_FROM_BOTH } sk_origin;

typedef struct sk_value {
    uint8_t kind;
    uint8_t origin; /* of a text's bytes */
    bool safe;      /* a text that went through `safe`: what is added to it by + is escaped for HTML, as Jinja does */
    uint32_t n;     /* bytes of a text */
    const uint8_t *marks; /* [n] 1: from data; where origin is SK_FROM_BOTH */
    union {
        int64_t whole; /* bool too */
        double real;
        const char *text;
        const struct sk_list *list; /* tuples too */
        struct sk_dict *dict;       /* namespaces too */
        struct sk_loop *loop;
        const struct sk_macro *macro;
        const struct sk_method *method;
    } as;
} sk_value;

typedef struct sk_list {
    uint32_t n, depth;
    sk_value *at;
} sk_list;

typedef struct sk_dict {
    uint32_t n, room, depth;
    sk_value *at; /* key, value, key, value, ... in the order of their coming */
} sk_dict;

typedef struct sk_loop {
    const sk_list *items;
    uint32_t index; /* of the item in work */
    struct sk_scope *outer;
    sk_value *kept; /* a loop with `if` is two: the first keeps, the second runs */
    uint32_t n_kept;
} sk_loop;

typedef struct sk_method {
    sk_value self;
    sk_value name;
} sk_method;

#define SK_VALUE_NONE ((sk_value){.kind = SK_NONE})

sk_value sk_value_undefined(const char *what, uint32_t n_bytes);
sk_value sk_value_bool(bool b);
sk_value sk_value_int(int64_t n);
sk_value sk_value_float(double x);
sk_value sk_value_text(const char *text, uint32_t n_bytes, sk_origin origin);
sk_value sk_value_word(const char *text); /* of the template */
/* Bytes `from` ... `from + n` of a text. */
sk_value sk_value_part(sk_value text, uint32_t from, uint32_t n);

/* A list with room for n items; NULL: refused. sk_list_end measures its depth when the items are in. */
sk_list *sk_list_begin(sk_run *r, uint32_t n);
bool sk_list_end(sk_run *r, sk_value *out, sk_list *list, sk_value_kind kind);
bool sk_value_pair(sk_run *r, sk_value *out, sk_value a, sk_value b);
sk_dict *sk_dict_new(sk_run *r, uint32_t room);
/* Sets a key, which is a text, number, bool or None. */
bool sk_dict_set(sk_run *r, sk_dict *d, sk_value key, sk_value value);
/* NULL: absent, or the run has failed. */
const sk_value *sk_dict_get(sk_run *r, const sk_dict *d, sk_value key);
const sk_value *sk_dict_word(sk_run *r, const sk_dict *d, const char *key);

bool sk_value_true(sk_value v);
bool sk_value_same(sk_run *r, sk_value a, sk_value b);
/* -1, 0 or 1; false: these two have no order, and the run has failed. */
bool sk_value_order(sk_run *r, int *order, sk_value a, sk_value b);
/* Whether a text says this. */
bool sk_value_is(sk_value text, const char *what);
const char *sk_value_type(sk_value v);
/* What a loop over v goes through. False: v cannot be gone through, and the run has failed. */
bool sk_value_items(sk_run *r, const sk_list **out, sk_value v);
/* What len() says; false: it has no length, and the run has failed. */
bool sk_value_length(sk_run *r, uint32_t *n, sk_value v);
/* Key and value as tuples. */
bool sk_dict_items(sk_run *r, sk_value *out, const sk_dict *d);

/* ---- making texts */

typedef struct sk_builder {
    char *bytes;
    uint8_t *marks;
    uint32_t n, room;
    uint8_t seen; /* 1: bytes of the template, 2: of data */
} sk_builder;

bool sk_put(sk_run *r, sk_builder *b, const char *bytes, uint64_t n, sk_origin origin);
bool sk_put_word(sk_run *r, sk_builder *b, const char *text, sk_origin origin);
bool sk_put_text(sk_run *r, sk_builder *b, sk_value text);
bool sk_put_int(sk_run *r, sk_builder *b, int64_t n, sk_origin origin);
/* As Python's str(), repr() and repr() of a float. */
bool sk_put_str(sk_run *r, sk_builder *b, sk_value v);
bool sk_put_repr(sk_run *r, sk_builder *b, sk_value v);
bool sk_put_float(sk_run *r, sk_builder *b, double x, sk_origin origin);
sk_value sk_built(const sk_builder *b);
/* str(v) as a value. */
bool sk_value_str(sk_run *r, sk_value *out, sk_value v);

typedef struct sk_json_style {
    const char *indent; /* NULL: on one line */
    uint32_t n_indent;
    sk_value between, colon; /* separators */
    bool ascii, sorted;
} sk_json_style;
/* As json.dumps. Every byte counts as data. */
bool sk_put_json(sk_run *r, sk_builder *b, sk_value v, const sk_json_style *style);

/* ---- characters of texts */

/* Length of the character at `at`; a byte that begins none counts as one. */
uint32_t sk_char_length(sk_value text, uint32_t at);
uint32_t sk_char_at(sk_value text, uint32_t at); /* its code point */
uint32_t sk_text_chars(sk_value text);           /* how many */
bool sk_char_is_space(uint32_t code);
sk_value sk_text_strip(sk_value text, bool left, bool right);
/* Of these characters; what is compared counts as work. */
bool sk_text_strip_of(sk_run *r, sk_value *out, sk_value text, sk_value chars, bool left, bool right);
enum sk_case { SK_UPPER, SK_LOWER };
bool sk_put_case(sk_run *r, sk_builder *b, sk_value text, enum sk_case to);
/* Offset of `part` at or behind `from`, UINT32_MAX: nowhere, or the run has failed: what is compared counts as work. */
uint32_t sk_text_find(sk_run *r, sk_value text, sk_value part, uint32_t from);
/* Whether the same bytes stand at `from`; counts as work. */
bool sk_text_stands(sk_run *r, sk_value text, sk_value part, uint32_t from);
/* The line at *at and its end (0 to 2 bytes), as str.splitlines; false at the end. */
bool sk_text_line(sk_value text, uint32_t *at, sk_value *line);
#endif

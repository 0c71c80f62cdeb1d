#include "grammar/tools.h"
#include "base/report.h"
#include "grammar/letters.h"
#include "grammar/schema.h"
#include <string.h>

#define MOST_NAME 64u

/* How a family writes a call: what stands before the name, between name and arguments, and behind; lib/answer reads the same. Tags
 * between \001 and \002 are special tokens where the vocabulary has them. */
static const struct {
    const char *family, *tag; /* tag: a special token that the form needs; NULL: none */
    const char *before, *between, *behind;
} forms[] = {
    {"hermes", NULL, "\001<tool_call>\002\n{\"name\": \"", "\", \"arguments\": ", "}\n\001</tool_call>\002"},
    {"llama3", NULL, "{\"name\": \"", "\", \"parameters\": ", "}"},
    {"mistral", "[ARGS]", "\001[TOOL_CALLS]\002", "\001[ARGS]\002", ""},
    {"mistral", NULL, "\001[TOOL_CALLS]\002[{\"name\": \"", "\", \"arguments\": ", "}]"},
    {"deepseek", NULL, "\001<｜tool▁calls▁begin｜>\002\001<｜tool▁call▁begin｜>\002function\001<｜tool▁sep｜>\002",
     "\n```json\n", "\n```\001<｜tool▁call▁end｜>\002\001<｜tool▁calls▁end｜>\002"},
    {"harmony", NULL, "\001<|channel|>\002commentary to=functions.", " \001<|constrain|>\002json\001<|message|>\002",
     ""},
};

/* The special token with exactly this text, -1: none, or one that ends answers. */
static int32_t special(const sk_vocab *v, const char *text, size_t n) {
    size_t length = 0;
    const int32_t id = n ? sk_vocab_special(v, true, (const uint8_t *)text, n, &length) : -1;
    return length == n && !sk_vocab_is_end(v, id) ? id : -1;
}

static sk_expr say(sk_draft *d, const sk_vocab *v, const char *text) {
    sk_expr e = SK_EXPR_EMPTY;
    while (*text) {
        const bool tag = *text == '\001';
        text += tag;
        const size_t n = strcspn(text, "\001\002");
        const int32_t id = tag ? special(v, text, n) : -1;
        e = sk_expr_then(d, e, id >= 0 ? sk_expr_token(d, (uint32_t)id) : sk_expr_text(d, text, (uint32_t)n));
        text += n + tag;
    }
    return e;
}

static sk_expr wrong(sk_draft *d, uint32_t tool, const char *what) {
    if (d->status == SKALD_OK) d->status = sk_fail(d->why, SKALD_FORMAT, "JSON schema, tools at #/%u: %s", tool, what);
    return SK_EXPR_NOTHING;
}

static bool is_name(const char *name, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char c = name[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !(c && strchr("_-.", c))) return false;
    }
    return n > 0;
}

/* "name": and its arguments, an object by all means. */
static sk_expr one_tool(sk_draft *d, const sk_vocab *v, sk_json document, sk_json tool, uint32_t index,
                        const char *between) {
    sk_json function, name, parameters;
    char text[MOST_NAME];
    if (sk_json_find(tool, "function", &function) != SKALD_OK) function = tool;
    if (sk_json_find(function, "name", &name) != SKALD_OK || sk_json_kind_of(name) != SK_JSON_TEXT)
        return wrong(d, index, "a function with a name is expected");
    const size_t n = sk_json_to_text(name, text, sizeof text);
    if (n > sizeof text || !is_name(text, n))
        return wrong(d, index, "a name of at most 64 letters, digits, _, - and . is expected");
    sk_expr arguments = sk_expr_word(d, "{}");
    if (sk_json_find(function, "parameters", &parameters) == SKALD_OK) {
        sk_json type;
        if (sk_json_find(parameters, "type", &type) != SKALD_OK || !sk_json_is(type, "object"))
            return wrong(d, index, "parameters of the type object are expected");
        arguments = sk_schema_value(d, document, parameters);
    }
    return sk_expr_then(d, sk_expr_then(d, sk_expr_text(d, text, (uint32_t)n), say(d, v, between)), arguments);
}

uint32_t sk_tools_read(sk_draft *d, const sk_grammar_text *in, const char *family) {
    const uint32_t rule = sk_rule_new(d, "#", 1, UINT64_MAX);
    sk_json tools, one;
    size_t form = 0;
    uint32_t n = 0;
    const size_t n_forms = sizeof forms / sizeof *forms;
    while (form < n_forms && (strcmp(forms[form].family, family) != 0 ||
                              (forms[form].tag && special(in->vocab, forms[form].tag, strlen(forms[form].tag)) < 0)))
        form++;
    if (form == n_forms) {
        d->status = sk_fail(d->why, SKALD_UNSUPPORTED, "tools: the family %s has no form of calls", family);
        return rule;
    }
    if (d->status == SKALD_OK) d->status = sk_json_open(&tools, in->text, in->n_bytes, d->why);
    if (d->status != SKALD_OK) return rule;
    if (sk_json_kind_of(tools) != SK_JSON_LIST) wrong(d, 0, "a list of tools is expected");
    sk_expr all = SK_EXPR_NOTHING;
    for (sk_json walk = sk_json_begin(tools); sk_json_next(&walk, NULL, &one) && d->status == SKALD_OK; n++)
        all = sk_expr_or(d, all, one_tool(d, in->vocab, tools, one, n, forms[form].between));
    if (d->status == SKALD_OK && n == 0) wrong(d, 0, "a list of tools is expected, not an empty one");
    const sk_expr before = say(d, in->vocab, forms[form].before), behind = say(d, in->vocab, forms[form].behind);
    sk_rule_define(d, rule, sk_expr_then(d, sk_expr_then(d, before, all), behind));
    return rule;
}

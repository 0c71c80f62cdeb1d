/* The caller's JSON as values. Its texts are data; of a message's role, which the caller chooses, plain words are not. What
 * is called "role" anywhere else, in a tool's arguments for example, is as much data as the rest. */
#include "template/machine.h"
#include "base/utf8.h"
#include "file/json.h"
#include <string.h>

static bool refuse(sk_run *r, const char *what, sk_json value, const char *json) {
    unsigned long long offset = (unsigned long long)(value.at - json);
    r->status = sk_fail_at(r->why, SKALD_ARGUMENT, offset, "JSON at byte %llu: %s", offset, what);
    return false;
}

static bool is_plain_word(const char *text, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
    }
    return true;
}

/* A template may put a role between brackets to make a control token, "<|" + role + "|>": a word cannot do so alone. */
static void trust_role(sk_value *role) {
    if (role->kind == SK_STR && is_plain_word(role->as.text, role->n)) role->origin = SK_FROM_TEMPLATE;
}

static bool load_text(sk_run *r, sk_value *out, sk_json value) {
    size_t n = sk_json_to_text(value, NULL, 0);
    char *text = sk_run_take(r, n);
    if (!text) return false;
    if (n > UINT32_MAX / 4) return sk_run_fail(r, SKALD_FORMAT, "a text of %zu bytes is too long", n);
    sk_json_to_text(value, text, n);
    *out = sk_value_text(text, (uint32_t)n, SK_FROM_DATA);
    return true;
}

static bool load_number(sk_run *r, sk_value *out, sk_json value, const char *json) {
    const char *p = value.at;
    while (p < value.end && ((*p >= '0' && *p <= '9') || *p == '-')) p++;
    bool whole = p == value.end || (*p != '.' && *p != 'e' && *p != 'E');
    int64_t n;
    double x;
    if (whole && sk_json_to_i64(value, &n)) return *out = sk_value_int(n), true;
    if (!whole && sk_json_to_double(value, &x)) return *out = sk_value_float(x), true;
    return refuse(r, "the number is too large", value, json);
}

static bool load(sk_run *r, sk_value *out, sk_json value, const char *json);

static bool load_list(sk_run *r, sk_value *out, sk_json value, const char *json) {
    sk_json walk = sk_json_begin(value), item;
    uint32_t n = 0;
    for (sk_json count = walk; sk_json_next(&count, NULL, &item);) n++;
    sk_list *list = sk_list_begin(r, n);
    while (list && sk_json_next(&walk, NULL, &item)) {
        if (!load(r, &list->at[list->n], item, json)) return false;
        list->n++;
    }
    return list && sk_list_end(r, out, list, SK_LIST);
}

static bool load_dict(sk_run *r, sk_value *out, sk_json value, const char *json) {
    sk_json walk = sk_json_begin(value), name, item;
    sk_dict *d = sk_dict_new(r, 0);
    while (d && sk_json_next(&walk, &name, &item)) {
        sk_value key, v;
        if (!load_text(r, &key, name) || !load(r, &v, item, json)) return false;
        if (!sk_dict_set(r, d, key, v)) return false;
    }
    *out = (sk_value){.kind = SK_DICT, .as.dict = d};
    return d != NULL;
}

static bool load(sk_run *r, sk_value *out, sk_json value, const char *json) {
    switch (sk_json_kind_of(value)) {
    case SK_JSON_NULL: return *out = SK_VALUE_NONE, true;
    case SK_JSON_BOOL: return *out = sk_value_bool(*value.at == 't'), true;
    case SK_JSON_NUMBER: return load_number(r, out, value, json);
    case SK_JSON_TEXT: return load_text(r, out, value);
    case SK_JSON_LIST: return load_list(r, out, value, json);
    default: return load_dict(r, out, value, json);
    }
}

static void trust_roles(sk_run *r, sk_value root) {
    const sk_value *messages = sk_dict_word(r, root.as.dict, "messages");
    for (uint32_t i = 0; messages && messages->kind == SK_LIST && i < messages->as.list->n; i++) {
        const sk_value m = messages->as.list->at[i];
        for (uint32_t k = 0; m.kind == SK_DICT && k < m.as.dict->n; k++)
            if (sk_value_is(m.as.dict->at[2 * k], "role")) trust_role(&m.as.dict->at[2 * k + 1]);
    }
}

bool sk_data_load(sk_run *r, sk_value *out, const char *json, size_t n_bytes) {
    skald_report wrong = {.size = sizeof wrong};
    sk_json root;
    if (sk_json_open(&root, json, n_bytes, &wrong) != SKALD_OK) { /* no file speaks here, but the caller */
        r->status = sk_fail_at(r->why, SKALD_ARGUMENT, wrong.offset, "%s", wrong.text);
        return false;
    }
    if (sk_json_kind_of(root) != SK_JSON_OBJECT) return refuse(r, "an object of variables is expected", root, json);
    if (!load(r, out, root, json)) return false;
    trust_roles(r, *out);
    return r->status == SKALD_OK;
}

static bool said(sk_run *r, sk_value *out, const char *text) {
    const size_t n = strlen(text);
    if (n > UINT32_MAX / 4) return sk_run_fail(r, SKALD_FORMAT, "a text of %zu bytes is too long", n);
    return *out = sk_value_text(text, (uint32_t)n, SK_FROM_DATA), true;
}

bool sk_data_messages(sk_run *r, sk_value *out, const skald_message *messages, uint32_t n) {
    sk_list *list = sk_list_begin(r, n);
    if (!list) return false;
    for (; list->n < n; list->n++) {
        sk_value role, content;
        sk_dict *d = sk_dict_new(r, 2);
        if (!d || !said(r, &role, messages[list->n].role) || !said(r, &content, messages[list->n].text)) return false;
        trust_role(&role);
        if (!sk_dict_set(r, d, sk_value_word("role"), role) || !sk_dict_set(r, d, sk_value_word("content"), content))
            return false;
        list->at[list->n] = (sk_value){.kind = SK_DICT, .as.dict = d};
    }
    return sk_list_end(r, out, list, SK_LIST);
}

/* References inside a document: pointers (RFC 6901) and anchors. */
#include "base/hex.h"
#include "base/report.h"
#include "grammar/schema.h"
#include <string.h>

/* ---- from a place to its pointer */

typedef struct trail {
    char *to;
    size_t room, n;
} trail;

static void say(trail *t, const char *text, size_t n) {
    for (size_t i = 0; i < n && t->n + 1 < t->room; i++) t->to[t->n++] = text[i];
}

static void say_key(trail *t, sk_json key) {
    char name[64];
    size_t n = sk_json_to_text(key, name, sizeof name);
    if (n > sizeof name) n = sizeof name;
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '~' || name[i] == '/') say(t, name[i] == '~' ? "~0" : "~1", 2);
        else say(t, name + i, 1);
    }
}

/* The value at `at` is this one or inside it: values inside lie behind its beginning, those after it behind its end. */
void sk_schema_pointer(char *to, size_t room, const sk_schema *s, const char *at) {
    trail t = {to, room, 0};
    sk_json here = s->root;
    say(&t, "#", 1);
    while (here.at != at) {
        sk_json walk = sk_json_begin(here), key, value, in = here, in_key = here;
        uint32_t index = 0, in_index = 0;
        while (sk_json_next(&walk, &key, &value) && value.at <= at) in = value, in_key = key, in_index = index++;
        if (in.at == here.at) break;
        say(&t, "/", 1);
        char number[16];
        if (sk_json_kind_of(here) == SK_JSON_OBJECT) say_key(&t, in_key);
        else say(&t, number, sk_format(number, sizeof number, "%u", in_index));
        here = in;
    }
    if (room) to[t.n] = 0;
}

void sk_schema_place(char *to, size_t room, const void *in, uint64_t place) {
    const sk_grammar_text *t = in;
    sk_schema s = {0};
    if (sk_json_open(&s.root, t->text, t->n_bytes, NULL) != SKALD_OK) return;
    const size_t n = sk_format(to, room, " ");
    sk_schema_pointer(to + n, room - n, &s, s.root.at + place);
}

/* ---- from a reference to its place */

static void unescape_uri(char *text) {
    char *to = text;
    for (const char *p = text; *p; to++) {
        const bool coded = *p == '%' && sk_hex(p[1]) >= 0 && sk_hex(p[2]) >= 0;
        *to = coded ? (char)(sk_hex(p[1]) * 16 + sk_hex(p[2])) : *p;
        p += coded ? 3 : 1;
    }
    *to = 0;
}

/* One step of a pointer: `name` ends at a slash or NUL. */
static bool go(sk_json *here, char *name) {
    char *to = name;
    for (const char *p = name; *p; to++, p++) *to = *p == '~' && p[1] ? (++p, *p == '1' ? '/' : '~') : *p;
    *to = 0;
    if (sk_json_kind_of(*here) == SK_JSON_OBJECT) return sk_json_find(*here, name, here) == SKALD_OK;
    uint32_t index = 0, k = 0;
    for (const char *p = name; *p; p++)
        index = *p >= '0' && *p <= '9' && index < 100000 ? index * 10 + (uint32_t)(*p - '0') : 1000000;
    for (sk_json walk = sk_json_begin(*here), one; sk_json_next(&walk, NULL, &one); k++)
        if (k == index) return *here = one, true;
    return false;
}

static bool follow(sk_json *here, char *pointer) {
    while (pointer) {
        char *end = strchr(pointer, '/');
        if (end) *end = 0;
        if (!go(here, pointer)) return false;
        pointer = end ? end + 1 : NULL;
    }
    return true;
}

/* The schema that bears an anchor; looks at all objects. */
static bool find_anchor(sk_json here, const char *name, sk_json *out) {
    sk_json walk = sk_json_begin(here), value, anchor;
    if (sk_json_find(here, "$anchor", &anchor) == SKALD_OK && sk_json_is(anchor, name)) return *out = here, true;
    if (sk_json_find(here, "$dynamicAnchor", &anchor) == SKALD_OK && sk_json_is(anchor, name)) return *out = here, true;
    while (sk_json_next(&walk, NULL, &value))
        if (find_anchor(value, name, out)) return true;
    return false;
}

/* Whether an object inside has an $id of its own: then a reference may mean another document. */
static bool has_inner_id(sk_json here, bool outermost) {
    sk_json walk = sk_json_begin(here), value, id;
    if (!outermost && sk_json_find(here, "$id", &id) == SKALD_OK && sk_json_kind_of(id) == SK_JSON_TEXT) return true;
    while (sk_json_next(&walk, NULL, &value))
        if (has_inner_id(value, false)) return true;
    return false;
}

static bool refuse(sk_schema *s, const char *at, const char *what) {
    return sk_schema_refuse(s, SKALD_UNSUPPORTED, at, "$ref", what) != SK_EXPR_NOTHING;
}

bool sk_schema_refer(sk_schema *s, const char *at, sk_json ref, sk_json *out) {
    char text[512];
    const size_t n = sk_json_to_text(ref, text, sizeof text - 1);
    if (sk_json_kind_of(ref) != SK_JSON_TEXT || n >= sizeof text)
        return refuse(s, at, "a text of less than 512 bytes is expected");
    text[n] = 0;
    char *fragment = strchr(text, '#');
    sk_json id;
    if (fragment) *fragment++ = 0;
    *out = s->root;
    if (text[0] && (sk_json_find(s->root, "$id", &id) != SKALD_OK || !sk_json_is(id, text)))
        return refuse(s, at, "only references inside the document are followed");
    if (s->inner_id == SK_ID_UNKNOWN) s->inner_id = has_inner_id(s->root, true) ? SK_ID_INSIDE : SK_ID_NONE;
    if (s->inner_id == SK_ID_INSIDE) return refuse(s, at, "not followed where a schema inside has an $id of its own");
    if (!fragment || !*fragment) return true;
    unescape_uri(fragment);
    if (*fragment != '/' ? find_anchor(s->root, fragment, out) : follow(out, fragment + 1)) return true;
    return refuse(s, at, "there is nothing at this place of the document");
}

/* Asking a parsed GGUF header for values: types are checked here, so that nobody behind reads a float as a length. */
#include "file/gguf.h"
#include "base/report.h"
#include "file/little.h"
#include <float.h>
#include <string.h>

typedef unsigned long long wide;

const sk_gguf_entry *sk_gguf_find(const sk_gguf *g, const char *key) {
    sk_text want = {key, strlen(key)};
    for (uint32_t low = 0, high = g->size.n_entries; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const sk_gguf_entry *e = &g->entry[g->entry_by_key[middle]];
        int order = sk_text_compare(want, e->key);
        if (order == 0) return e;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

const sk_gguf_tensor *sk_gguf_find_tensor(const sk_gguf *g, const char *name) {
    sk_text want = {name, strlen(name)};
    for (uint32_t low = 0, high = g->size.n_tensors; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const sk_gguf_tensor *t = &g->tensor[g->tensor_by_name[middle]];
        int order = sk_text_compare(want, t->name);
        if (order == 0) return t;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

skald_status sk_gguf_key(char *out, size_t room, sk_text architecture, const char *rest, skald_report *why) {
    if (architecture.length < 200 && sk_format(out, room, "%.*s.%s", SK_TEXT(architecture), rest) < room)
        return SKALD_OK;
    if (room) out[0] = 0;
    return sk_fail(why, SKALD_FORMAT, "key general.architecture: %llu bytes are too long", (wide)architecture.length);
}

/* ---- numbers */

/* Sign and size apart, so that u64 and i64 both fit. */
typedef struct {
    bool negative;
    uint64_t size;
} integer;

static bool is_integer(uint32_t type) {
    return sk_gguf_type_bytes(type) && type != SK_GGUF_F32 && type != SK_GGUF_F64 && type != SK_GGUF_BOOL;
}

static integer load_integer(uint32_t type, const char *at) {
    uint32_t n = sk_gguf_type_bytes(type);
    uint64_t u = sk_load(at, n);
    bool is_signed = type == SK_GGUF_I8 || type == SK_GGUF_I16 || type == SK_GGUF_I32 || type == SK_GGUF_I64;
    if (!is_signed || !(u >> (8 * n - 1))) return (integer){false, u};
    if (n < 8) u |= UINT64_MAX << 8 * n;
    return (integer){true, 0 - u};
}

static double load_float(uint32_t type, const char *at) {
    uint64_t u = sk_load(at, sk_gguf_type_bytes(type));
    if (type == SK_GGUF_F64) {
        double d;
        memcpy(&d, &u, sizeof d);
        return d;
    }
    uint32_t half = (uint32_t)u;
    float f;
    memcpy(&f, &half, sizeof f);
    return f;
}

static skald_status mistyped(const sk_gguf *g, const sk_gguf_entry *e, const char *expected, skald_report *why) {
    return sk_fail_at(why, SKALD_FORMAT, (uint64_t)(e->value - g->header), "key %.*s: %s expected, %s%s found",
                      SK_TEXT(e->key), expected, e->is_array ? "array of " : "", sk_gguf_type_name(e->type));
}

static skald_status misfit(const sk_gguf *g, const sk_gguf_entry *e, integer n, skald_report *why) {
    return sk_fail_at(why, SKALD_FORMAT, (uint64_t)(e->value - g->header), "key %.*s: %s%llu is out of range",
                      SK_TEXT(e->key), n.negative ? "-" : "", (wide)n.size);
}

static skald_status one_integer(const sk_gguf *g, const char *key, integer *out, uint64_t least_negative, uint64_t most,
                                skald_report *why) {
    const sk_gguf_entry *e = sk_gguf_find(g, key);
    if (!e) return SKALD_ABSENT;
    if (e->is_array || !is_integer(e->type)) return mistyped(g, e, "an integer", why);
    integer n = load_integer(e->type, e->value);
    if (n.size > (n.negative ? least_negative : most)) return misfit(g, e, n, why);
    *out = n;
    return SKALD_OK;
}

skald_status sk_gguf_u32(const sk_gguf *g, const char *key, uint32_t *out, skald_report *why) {
    integer n = {0};
    skald_status s = one_integer(g, key, &n, 0, UINT32_MAX, why);
    if (s == SKALD_OK) *out = (uint32_t)n.size;
    return s;
}

skald_status sk_gguf_u64(const sk_gguf *g, const char *key, uint64_t *out, skald_report *why) {
    integer n = {0};
    skald_status s = one_integer(g, key, &n, 0, UINT64_MAX, why);
    if (s == SKALD_OK) *out = n.size;
    return s;
}

static int64_t with_sign(integer n) {
    if (n.size > INT64_MAX) return n.negative ? INT64_MIN : INT64_MAX;
    return n.negative ? -(int64_t)n.size : (int64_t)n.size;
}

skald_status sk_gguf_i32(const sk_gguf *g, const char *key, int32_t *out, skald_report *why) {
    integer n = {0};
    skald_status s = one_integer(g, key, &n, (uint64_t)INT32_MAX + 1, INT32_MAX, why);
    if (s == SKALD_OK) *out = (int32_t)with_sign(n);
    return s;
}

skald_status sk_gguf_f32(const sk_gguf *g, const char *key, float *out, skald_report *why) {
    const sk_gguf_entry *e = sk_gguf_find(g, key);
    if (!e) return SKALD_ABSENT;
    bool whole = is_integer(e->type);
    if (e->is_array || !(whole || e->type == SK_GGUF_F32 || e->type == SK_GGUF_F64))
        return mistyped(g, e, "a number", why);
    integer n = whole ? load_integer(e->type, e->value) : (integer){false, 0};
    double x = whole ? (double)n.size : load_float(e->type, e->value);
    if (!(x >= -(double)FLT_MAX && x <= (double)FLT_MAX))
        return sk_fail_at(why, SKALD_FORMAT, (uint64_t)(e->value - g->header),
                          "key %.*s: the number is infinite, undefined or too large", SK_TEXT(e->key));
    *out = (float)(n.negative ? -x : x);
    return SKALD_OK;
}

skald_status sk_gguf_bool(const sk_gguf *g, const char *key, bool *out, skald_report *why) {
    const sk_gguf_entry *e = sk_gguf_find(g, key);
    if (!e) return SKALD_ABSENT;
    if (e->is_array || e->type != SK_GGUF_BOOL) return mistyped(g, e, "a bool", why);
    *out = e->value[0] != 0;
    return SKALD_OK;
}

/* ---- text and arrays */

skald_status sk_gguf_text(const sk_gguf *g, const char *key, sk_text *out, skald_report *why) {
    const sk_gguf_entry *e = sk_gguf_find(g, key);
    if (!e) return SKALD_ABSENT;
    if (e->is_array || e->type != SK_GGUF_TEXT) return mistyped(g, e, "a text", why);
    *out = (sk_text){e->value + 8, sk_load(e->value, 8)};
    return SKALD_OK;
}

skald_status sk_gguf_texts(const sk_gguf *g, const char *key, sk_gguf_array *out, skald_report *why) {
    const sk_gguf_entry *e = sk_gguf_find(g, key);
    if (!e) return SKALD_ABSENT;
    if (!e->is_array || e->type != SK_GGUF_TEXT) return mistyped(g, e, "array of text", why);
    *out = (sk_gguf_array){e->type, e->count, e->value};
    return SKALD_OK;
}

skald_status sk_gguf_floats(const sk_gguf *g, const char *key, sk_gguf_array *out, skald_report *why) {
    const sk_gguf_entry *e = sk_gguf_find(g, key);
    if (!e) return SKALD_ABSENT;
    if (!e->is_array || (e->type != SK_GGUF_F32 && e->type != SK_GGUF_F64)) return mistyped(g, e, "array of f32", why);
    *out = (sk_gguf_array){e->type, e->count, e->value};
    return SKALD_OK;
}

skald_status sk_gguf_integers(const sk_gguf *g, const char *key, sk_gguf_array *out, skald_report *why) {
    const sk_gguf_entry *e = sk_gguf_find(g, key);
    if (!e) return SKALD_ABSENT;
    if (!e->is_array || !is_integer(e->type)) return mistyped(g, e, "array of integers", why);
    *out = (sk_gguf_array){e->type, e->count, e->value};
    return SKALD_OK;
}

sk_text sk_gguf_next_text(sk_gguf_array *texts) {
    sk_text text = {texts->at + 8, sk_load(texts->at, 8)};
    texts->at = text.at + text.length;
    return text;
}

/* Rounds like a cast, and says infinity where a cast would be undefined. */
static float narrow(double x) {
    if (x > (double)FLT_MAX || x < -(double)FLT_MAX) {
        uint32_t infinity = x > 0 ? 0x7f800000u : 0xff800000u;
        float f;
        memcpy(&f, &infinity, sizeof f);
        return f;
    }
    return (float)x;
}

float sk_gguf_float_at(const sk_gguf_array *floats, uint64_t i) {
    return narrow(load_float(floats->type, floats->at + i * sk_gguf_type_bytes(floats->type)));
}

int64_t sk_gguf_integer_at(const sk_gguf_array *integers, uint64_t i) {
    return with_sign(load_integer(integers->type, integers->at + i * sk_gguf_type_bytes(integers->type)));
}

skald_status sk_gguf_per_layer(const sk_gguf *g, const char *key, uint32_t *out, uint32_t n, skald_report *why) {
    const sk_gguf_entry *e = sk_gguf_find(g, key);
    if (!e) return SKALD_ABSENT;
    if (!is_integer(e->type) && e->type != SK_GGUF_BOOL) return mistyped(g, e, "an integer or one per layer", why);
    if (e->is_array && e->count < n)
        return sk_fail_at(why, SKALD_FORMAT, (uint64_t)(e->value - g->header),
                          "key %.*s: %u values expected, %llu found", SK_TEXT(e->key), n, (wide)e->count);
    uint64_t stride = e->is_array ? sk_gguf_type_bytes(e->type) : 0, given = e->is_array ? n : 1;
    for (uint64_t i = 0; i < given; i++) {
        integer number = load_integer(e->type, e->value + i * stride);
        if (number.negative || number.size > UINT32_MAX) return misfit(g, e, number, why);
    }
    for (uint64_t i = 0; i < n; i++) out[i] = (uint32_t)load_integer(e->type, e->value + i * stride).size;
    return SKALD_OK;
}

#include "api/metadata.h"
#include "base/report.h"
#include "file/little.h"
#include <string.h>

/* Nine digits tell every f32 apart; no locale has a say. */
static size_t format_number(char *out, size_t room, double x) {
    if (x != x) return sk_format(out, room, "nan");
    if (x - x != 0) return sk_format(out, room, x > 0 ? "inf" : "-inf");
    const char *sign = x < 0 ? "-" : "";
    double a = x < 0 ? -x : x;
    int exponent = 0;
    if (a == 0) return sk_format(out, room, "%s0", sign);
    for (; a >= 1e9; a /= 10) exponent++;
    for (; a < 1e8; a *= 10) exponent--;
    uint64_t digits = (uint64_t)(a + 0.5);
    while (digits % 10 == 0) digits /= 10, exponent++;
    if (exponent >= 0 && exponent <= 9) {
        for (; exponent > 0; exponent--) digits *= 10;
        return sk_format(out, room, "%s%llu", sign, (unsigned long long)digits);
    }
    if (exponent < 0 && exponent >= -17) {
        uint64_t whole = digits, part = 0, power = 1;
        for (; exponent < 0; exponent++) part += whole % 10 * power, whole /= 10, power *= 10;
        char zeros[24] = "";
        size_t n = 0;
        for (uint64_t p = power / 10; p > 1 && part < p; p /= 10) zeros[n++] = '0';
        zeros[n] = 0;
        return sk_format(out, room, "%s%llu.%s%llu", sign, (unsigned long long)whole, zeros, (unsigned long long)part);
    }
    return sk_format(out, room, "%s%llue%d", sign, (unsigned long long)digits, exponent);
}

static size_t format_value(char *out, size_t room, const sk_gguf_entry *e) {
    const sk_gguf_array one = {e->type, 1, e->value};
    if (e->is_array)
        return sk_format(out, room, "[%llu values of type %s]", (unsigned long long)e->count,
                         sk_gguf_type_name(e->type));
    switch (e->type) {
    case SK_GGUF_F32:
    case SK_GGUF_F64: return format_number(out, room, (double)sk_gguf_float_at(&one, 0));
    case SK_GGUF_BOOL: return sk_format(out, room, *e->value ? "true" : "false");
    case SK_GGUF_U64: return sk_format(out, room, "%llu", (unsigned long long)sk_load(e->value, 8));
    default: return sk_format(out, room, "%lld", (long long)sk_gguf_integer_at(&one, 0));
    }
}

/* A text's own bytes: it may have lines and control characters (chat templates do). */
static skald_status give_text(char *text, size_t *n_bytes, const sk_gguf_entry *e) {
    sk_gguf_array array = {e->type, 1, e->value};
    const sk_text value = sk_gguf_next_text(&array);
    const size_t room = *n_bytes, need = (size_t)value.length + 1;
    *n_bytes = need;
    if (room < need) return SKALD_SHORT;
    memcpy(text, value.at, (size_t)value.length);
    text[value.length] = 0;
    return SKALD_OK;
}

skald_status sk_metadata_text(char *text, size_t *n_bytes, const sk_gguf_entry *e) {
    if (!e->is_array && e->type == SK_GGUF_TEXT) return give_text(text, n_bytes, e);
    const size_t room = *n_bytes;
    *n_bytes = format_value(text, room, e) + 1;
    return *n_bytes <= room ? SKALD_OK : SKALD_SHORT;
}

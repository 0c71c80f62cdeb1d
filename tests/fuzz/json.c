/* libFuzzer target: any bytes as JSON. What is accepted can be walked to its last value. */
#include "file/json.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define PROMISE(holds) ((holds) ? (void)0 : __builtin_trap())

volatile uint64_t sk_fuzz_seen; /* keeps the readings alive */

static uint64_t walk(sk_json value, uint32_t depth) {
    char text[64];
    int64_t whole;
    double number;
    uint64_t seen = sk_json_to_text(value, text, sizeof text);
    PROMISE(depth <= SK_JSON_MAX_DEPTH && value.at < value.end);
    if (sk_json_to_i64(value, &whole) && whole > -(1ll << 53) && whole < 1ll << 53)
        PROMISE(sk_json_to_double(value, &number) && number == (double)whole);
    sk_json rest = sk_json_begin(value), key, member;
    bool object = sk_json_kind_of(value) == SK_JSON_OBJECT;
    while (sk_json_next(&rest, &key, &member)) {
        if (object) PROMISE(sk_json_kind_of(key) == SK_JSON_TEXT);
        seen += walk(member, depth + 1);
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    skald_report why = {.size = sizeof why};
    sk_json root;
    char name[64];
    uint32_t number;
    skald_status s = sk_json_open(&root, (const char *)bytes, n_bytes, &why);
    PROMISE(s == SKALD_OK || (s == SKALD_FORMAT && why.text[0] && why.offset <= n_bytes));
    if (s != SKALD_OK) return 0;
    sk_fuzz_seen += walk(root, 0);
    sk_fuzz_seen +=
        (uint64_t)sk_json_u32(root, "a", &number, &why) + (uint64_t)sk_json_text(root, "a", name, sizeof name, &why);
    return 0;
}

/* libFuzzer target: any bytes as an answer of any family, in one piece, in two, and byte by byte. The events are the same,
 * a call is named before it has arguments, ends only when it began and its arguments are JSON, and the end is said once. */
#include "answer/answer.h"
#include "base/utf8.h"
#include "file/json.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define PROMISE(holds) ((holds) ? (void)0 : __builtin_trap())

typedef struct heard {
    uint64_t hash;
    uint32_t n_ends, n_bytes;
    int last, in_call;
} heard;

static char arguments[64 << 10];
static size_t n_arguments;

/* Of a text that is UTF-8. */
static void check_arguments(void) {
    sk_json value;
    for (size_t at = 0, n; at < n_arguments; at += n) {
        n = sk_utf8_length((const unsigned char *)arguments + at, n_arguments - at);
        if (n == 0) return;
    }
    PROMISE(n_arguments == 0 || sk_json_open(&value, arguments, n_arguments, NULL) == SKALD_OK);
}

static void mix(heard *h, uint8_t byte) { h->hash = (h->hash ^ byte) * 0x100000001b3u; }

static int32_t hear(void *user, skald_answer_event event, const char *text, size_t n) {
    heard *h = user;
    PROMISE(event <= SKALD_ANSWER_END && h->n_ends == 0);
    PROMISE(h->in_call || (event != SKALD_ANSWER_ARGUMENTS && event != SKALD_ANSWER_CALL_END));
    if (event == SKALD_ANSWER_CALL) n_arguments = 0;
    if (event == SKALD_ANSWER_CALL_END) check_arguments();
    if (event == SKALD_ANSWER_ARGUMENTS) {
        PROMISE(n <= sizeof arguments - n_arguments);
        memcpy(arguments + n_arguments, text, n);
        n_arguments += n;
    }
    if (event == SKALD_ANSWER_CALL) h->in_call = 1;
    else if (event != SKALD_ANSWER_ARGUMENTS) h->in_call = 0;
    h->n_ends += event == SKALD_ANSWER_END;
    if (h->last != (int)event || event == SKALD_ANSWER_CALL) mix(h, (uint8_t)(200 + event));
    for (size_t i = 0; i < n; i++) mix(h, (uint8_t)text[i]);
    h->n_bytes += (uint32_t)n;
    h->last = (int)event;
    return 0;
}

static heard read_answer(uint32_t family, const char *text, size_t n, size_t cut, size_t step) {
    static sk_answer a;
    heard h = {.hash = 0xcbf29ce484222325u, .last = -1};
    sk_answer_begin(&a, family, family & 1, hear, &h);
    sk_answer_push(&a, text, cut);
    for (size_t at = cut; at < n; at += step) sk_answer_push(&a, text + at, at + step <= n ? step : n - at);
    sk_answer_end(&a);
    PROMISE(h.n_ends == 1 && h.n_bytes <= 6 * n + 32);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes) {
    static const char *const families[] = {"plain", "hermes", "llama3", "mistral", "deepseek", "harmony"};
    if (n_bytes < 2) return 0;
    const uint32_t family = sk_answer_family(families[bytes[0] % 6]);
    const char *text = (const char *)bytes + 2;
    const size_t n = n_bytes - 2, cut = n ? bytes[1] * n / 255 : 0;
    const heard whole = read_answer(family, text, n, n, 1), two = read_answer(family, text, n, cut, n + 1),
                single = read_answer(family, text, n, 0, 1);
    PROMISE(whole.hash == two.hash && whole.hash == single.hash);
    return 0;
}

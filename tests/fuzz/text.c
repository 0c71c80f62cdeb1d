/* Any bytes: as a text they come back whole, in one piece and streamed; as a split expression they are refused or make
 * an automaton that cuts a text without losing or inventing a byte. */
#include "text/decode.h"
#include "text/encode.h"
#include <stdbool.h>
#include <string.h>

#define ROOM 4096

/* All bytes, some merges of each length, a control token, two user's tokens of which one begins the other. */
static const char *const merges[] = {"t h",
                                     "th e",
                                     "\xc4\xa0 the",
                                     "a a",
                                     "aa aa",
                                     "\xc4\xa0 \xc4\xa0",
                                     "i n",
                                     "1 2",
                                     "\xc3\xa9 \xc3\xa9",
                                     "< |",
                                     "\xc4\xa0the \xc4\xa0the"};
static const struct {
    const char *text;
    int32_t type;
} others[] = {{"<|end|>", 3}, {"<u>", 4}, {"<u><u>x", 4}, {"pad", 5}};
#define N_MERGES (sizeof merges / sizeof *merges)
#define N_OTHERS (sizeof others / sizeof *others)
#define N_TOKENS (256 + N_MERGES + N_OTHERS)

static char texts[N_TOKENS][16];
static sk_string tokens[N_TOKENS], merge_texts[N_MERGES];
static int32_t types[N_TOKENS];
static sk_vocab vocabulary;
static _Alignas(64) char block[1 << 18];

static void must(int holds) {
    if (!holds) __builtin_trap();
}

static size_t put_letter(char *to, unsigned byte) {
    unsigned code = byte;
    if (byte < 0x21) code = 0x100 + byte;
    else if (byte >= 0x7f && byte < 0xa1) code = 0x100 + byte - 0x7f + 0x21;
    else if (byte == 0xad) code = 0x143;
    if (code < 0x80) return to[0] = (char)code, 1;
    to[0] = (char)(0xc0 | code >> 6);
    to[1] = (char)(0x80 | (code & 0x3f));
    return 2;
}

static void build(void) {
    sk_vocab_source s = {.n_tokens = N_TOKENS,
                         .n_merges = N_MERGES,
                         .tokens = tokens,
                         .types = types,
                         .merges = merge_texts,
                         .pre = {"gpt-4o", 6},
                         .add_bos = 1};
    for (unsigned r = 0; r < SK_TOKEN_ROLES; r++) s.role[r] = -1;
    s.role[SKALD_TOKEN_BOS] = N_TOKENS - N_OTHERS;
    for (unsigned i = 0; i < N_TOKENS; i++) {
        size_t n = 0;
        types[i] = 1;
        if (i < 256) n = put_letter(texts[i], i);
        else if (i < 256 + N_MERGES)
            for (const char *c = merges[i - 256]; *c; c++) *c == ' ' ? 0 : (texts[i][n++] = *c);
        else n = strlen(strcpy(texts[i], others[i - 256 - N_MERGES].text)), types[i] = others[i - 256 - N_MERGES].type;
        tokens[i] = (sk_string){texts[i], n};
    }
    for (unsigned i = 0; i < N_MERGES; i++) merge_texts[i] = (sk_string){merges[i], strlen(merges[i])};
    sk_carver c = {block, 0, false};
    must(sk_vocab_lay_out(&vocabulary, &c, &s, NULL) == SKALD_OK && c.used <= sizeof block);
    must(sk_vocab_fill(&vocabulary, &s, NULL) == SKALD_OK);
}

static void stream(const int32_t *ids, uint32_t n_ids, const char *text, size_t n_bytes) {
    static char out[3 * ROOM + 8];
    skald_decoder d = {.flags = SKALD_DECODE_SPECIAL};
    size_t at = 0, length = 0;
    for (uint32_t i = 0; i <= n_ids; i++) {
        size_t room = sizeof out - length;
        must(sk_decoder_push(out + length, &room, &d, &vocabulary, i < n_ids ? ids[i] : -1) == SKALD_OK);
        length += room;
    }
    for (size_t o = 0; o < length;) { /* characters stand as they were, each U+FFFD for 1 to 3 bytes that are none */
        uint32_t code, n = sk_utf8_next(&code, (const uint8_t *)out + o, length - o);
        must(n > 1 || (uint8_t)out[o] < 0x80);
        must(at < n_bytes);
        uint32_t same = n_bytes - at >= n && memcmp(out + o, text + at, n) == 0 ? n : 0;
        must(same || code == 0xfffd);
        if (!same) {
            same = 1;
            while (at + same < n_bytes && sk_utf8_continues((const uint8_t *)text + at, same, (uint8_t)text[at + same]))
                same++;
        }
        at += same;
        o += n;
    }
    must(at == n_bytes);
}

/* A text that begins with it gets no second one. */
static bool gets_bos(uint32_t flags, const char *text, size_t n_bytes) {
    const sk_string bos = tokens[N_TOKENS - N_OTHERS];
    const bool is_there = n_bytes >= bos.n_bytes && memcmp(text, bos.text, bos.n_bytes) == 0;
    return flags & SKALD_ENCODE_BOS && !(flags & SKALD_ENCODE_SPECIAL && is_there);
}

static void there_and_back(uint32_t flags, const char *text, size_t n_bytes) {
    static int32_t ids[ROOM + 1], few[8];
    static char back[ROOM + 16];
    uint32_t n_ids = ROOM + 1, n_few = 8, bos = gets_bos(flags, text, n_bytes);
    must(sk_encode(ids, &n_ids, &vocabulary, &sk_libc_allocator, flags, text, n_bytes) == SKALD_OK);
    must(n_ids <= n_bytes + bos);
    skald_status s = sk_encode(few, &n_few, &vocabulary, &sk_libc_allocator, flags, text, n_bytes);
    must(n_few == n_ids && s == (n_ids > 8 ? SKALD_SHORT : SKALD_OK));
    must(memcmp(few, ids, (n_ids < 8 ? n_ids : 8) * sizeof *ids) == 0);
    size_t length = sizeof back;
    must(sk_decode(back, &length, &vocabulary, SKALD_DECODE_SPECIAL, ids + bos, n_ids - bos) == SKALD_OK);
    must(length == n_bytes && memcmp(back, text, n_bytes) == 0);
    stream(ids + bos, n_ids - bos, text, n_bytes);
}

static void split(const char *expression, size_t n_expression, const uint8_t *text, size_t n_bytes) {
    static sk_split compiled[2];
    memset(compiled, 0xff, sizeof compiled);
    skald_report why = {.size = sizeof why};
    skald_status s = sk_split_compile(compiled, expression, n_expression, &why);
    must(s == SKALD_OK || ((s == SKALD_FORMAT || s == SKALD_UNSUPPORTED) && why.text[0]));
    if (s != SKALD_OK) return;
    must(compiled->n_states * compiled->n_classes <= SK_SPLIT_CELLS);
    compiled[1] = compiled[0];
    sk_words words;
    const uint8_t *word, *at = text;
    size_t n;
    sk_words_begin(&words, compiled, 2, text, n_bytes);
    while (sk_words_next(&words, &word, &n)) {
        must(word == at && n > 0 && n <= n_bytes - (size_t)(at - text));
        at += n;
    }
    must(at == text + n_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!vocabulary.n_tokens) build();
    if (size < 2 || size > ROOM) return 0;
    if (data[0] & 4) {
        size_t n = data[1] < size - 2 ? data[1] : size - 2;
        split((const char *)data + 2, n, data + 2 + n, size - 2 - n);
    } else {
        there_and_back(data[0] & 3u, (const char *)data + 1, size - 1);
    }
    return 0;
}

/* A stranger's tokenizer: kind, tokens, types, scores, merges, roles and a map of characters out of the input's first bytes,
 * a text out of the rest. What is accepted encodes the text to ids of its own, the same ones each time, and they decode;
 * byte-level tokens for all bytes give them back. Nothing stays borrowed. */
#include "text/decode.h"
#include "text/encode.h"
#include <stdlib.h>
#include <string.h>

#define MOST 400
#define ROOM 4096

typedef struct {
    const uint8_t *at;
    size_t n;
} cursor;

typedef struct {
    sk_vocab_source s;
    sk_string tokens[MOST], merges[64];
    int32_t types[MOST];
    float scores[MOST];
    bool all_bytes;
} source;

static char byte_texts[256][8];
static long live;

static void *lend(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    (void)user, (void)kind;
    if (bytes > 64u << 20) return NULL;
    live += (long)bytes;
    return aligned_alloc(alignment, sk_align(bytes, alignment));
}

static void take_back(void *user, void *pointer, size_t bytes, size_t alignment) {
    (void)user, (void)alignment;
    if (pointer) live -= (long)bytes;
    free(pointer);
}

static const skald_allocator memory = {lend, take_back, NULL};

static void must(int holds) {
    if (!holds) __builtin_trap();
}

/* ---- reading the input */

static uint32_t byte(cursor *c) { return c->n ? c->n--, *c->at++ : 0; }

static sk_string bytes(cursor *c, size_t n) {
    if (n > c->n) n = c->n;
    sk_string text = {(const char *)c->at, n};
    c->at += n, c->n -= n;
    return text;
}

static void put_letter(char *to, unsigned code) { /* GPT-2's letter of a byte, or SentencePiece's spelling */
    if (code < 0x21) code += 0x100;
    else if (code >= 0x7f && code < 0xa1) code += 0x100 - 0x7f + 0x21;
    else if (code == 0xad) code = 0x143;
    if (code >= 0x80) *to++ = (char)(0xc0 | code >> 6), code = 0x80 | (code & 0x3f);
    to[0] = (char)code, to[1] = 0;
}

static void add(source *o, sk_string text, int32_t type, float score) {
    const uint32_t id = o->s.n_tokens++;
    o->tokens[id] = text, o->types[id] = type, o->scores[id] = score;
}

static void add_bytes(source *o) {
    static const char digits[] = "0123456789ABCDEF";
    const bool letters = o->s.kind == SK_VOCAB_BYTE_BPE;
    for (unsigned b = 0; b < 256; b++) {
        char *to = byte_texts[b];
        if (letters) put_letter(to, b);
        else memcpy(to, (char[]){'<', '0', 'x', digits[b >> 4], digits[b & 15], '>', 0}, 7);
        add(o, (sk_string){to, strlen(to)}, letters ? SK_TOKEN_NORMAL : SK_TOKEN_BYTE, 0);
    }
}

static void read_source(source *o, cursor *c) {
    static const char *const names[] = {"gpt-2",        "llama-bpe", "qwen2",  "gpt-4o",
                                        "deepseek-llm", "default",   "falcon", "?"};
    memset(o, 0, sizeof *o);
    const uint32_t how = byte(c), name = byte(c) % 8;
    o->s = (sk_vocab_source){.kind = how & 7u,
                             .tokens = o->tokens,
                             .types = o->types,
                             .scores = o->scores,
                             .merges = o->merges,
                             .pre = {names[name], strlen(names[name])}};
    o->s.add_bos = (int32_t)(how >> 3 & 1), o->s.add_eos = (int32_t)(how >> 4 & 1);
    o->all_bytes = how >> 5 & 1;
    o->s.space_prefix = (int32_t)(how >> 6 & 1), o->s.remove_spaces = (int32_t)(how >> 7);
    o->s.lowercase = (int32_t)(name & 1), o->s.strip_accents = (int32_t)(name >> 1 & 1);
    if (o->all_bytes) add_bytes(o);
    for (uint32_t n = byte(c) % 128; n > 0 && c->n; n--) {
        const uint32_t type = byte(c), length = byte(c) % 40;
        float score = (float)type - 128;
        if (type >= 248 && c->n >= 4) memcpy(&score, bytes(c, 4).text, 4); /* any number, and what is none */
        add(o, bytes(c, length), (int32_t)(type % 9), score);
    }
    for (uint32_t n = byte(c) % 64; n > 0 && c->n; n--) o->merges[o->s.n_merges++] = bytes(c, byte(c) % 24);
    for (uint32_t r = 0; r < SK_TOKEN_ROLES; r++) o->s.role[r] = (int8_t)byte(c);
    o->s.charsmap = bytes(c, byte(c) * 16u);
}

/* ---- promises */

static void use(const sk_vocab *v, bool whole, skald_encode_flags flags, const char *text, size_t n) {
    static int32_t ids[ROOM], again[ROOM];
    static char back[1 << 18];
    uint32_t n_ids = ROOM, n_again = 0;
    skald_status s = sk_encode(ids, &n_ids, v, &memory, flags, text, n);
    must(live == 0 && (s == SKALD_OK || s == SKALD_SHORT || s == SKALD_MEMORY));
    if (s == SKALD_MEMORY) return;
    must((s == SKALD_SHORT) == (n_ids > ROOM));
    skald_status counted = sk_encode(NULL, &n_again, v, &memory, flags, text, n);
    must(n_again == n_ids && counted == (n_ids ? SKALD_SHORT : SKALD_OK));
    if (s != SKALD_OK) return;
    n_again = ROOM;
    must(sk_encode(again, &n_again, v, &memory, flags, text, n) == SKALD_OK);
    must(memcmp(ids, again, n_ids * sizeof *ids) == 0);
    for (uint32_t i = 0; i < n_ids; i++) must(ids[i] >= 0 && (uint32_t)ids[i] < v->n_tokens);
    size_t length = sizeof back;
    s = sk_decode(back, &length, v, SKALD_DECODE_SPECIAL, ids, n_ids);
    must(s == SKALD_OK || s == SKALD_SHORT);
    const bool changed = v->nfc || flags & (SKALD_ENCODE_BOS | SKALD_ENCODE_EOS);
    must(!whole || changed || (length == n && memcmp(back, text, n) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static source o;
    cursor c = {data, size};
    const skald_encode_flags flags = byte(&c) & 7u;
    read_source(&o, &c);
    sk_vocab v;
    skald_report why = {.size = sizeof why};
    sk_carver carver = {NULL, 0, false};
    skald_status s = sk_vocab_lay_out(&v, &carver, &o.s, &why);
    const uint64_t n_block = carver.used;
    must(s != SKALD_OK || n_block < 4u << 20);
    void *block = s == SKALD_OK ? aligned_alloc(SK_CACHE_LINE, sk_align(n_block, SK_CACHE_LINE)) : NULL;
    if (block) {
        carver = (sk_carver){block, 0, false};
        must(sk_vocab_lay_out(&v, &carver, &o.s, &why) == SKALD_OK && carver.used == n_block);
        s = sk_vocab_fill(&v, &o.s, &why);
    }
    must(s == SKALD_OK || ((s == SKALD_FORMAT || s == SKALD_UNSUPPORTED) && why.text[0]));
    if (s == SKALD_OK) use(&v, o.all_bytes && v.kind == SK_VOCAB_BYTE_BPE, flags, (const char *)c.at, c.n);
    free(block);
    return 0;
}

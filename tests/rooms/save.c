/* Sequences as bytes and back: every kind of cache, in a cache of another shape and in another process, damaged in every
 * way, refused by name. With arguments it is the other process: MODEL TYPE TYPE FILE, and prints a hash of what comes next. */
#define _POSIX_C_SOURCE 200809L
#define SK_ALLOW_LIBC_MEMORY
#include "base/sum.h"
#include "file/little.h"
#include "support/session.h"
#include <stdbool.h>

#define SAVED  "save_test_sequence.bin"
#define HEADER 64u

typedef struct bytes {
    char *at;
    size_t n, room;
    size_t next; /* to be read */
    long n_calls, fail_at;
} bytes;

static skald_status put(void *user, const void *from, size_t n) {
    bytes *b = user;
    if (++b->n_calls == b->fail_at) return -1000;
    if (b->n + n > b->room) b->at = realloc(b->at, b->room = 2 * (b->n + n));
    memcpy(b->at + b->n, from, n);
    b->n += n;
    return SKALD_OK;
}

static skald_status get(void *user, void *to, size_t n) {
    bytes *b = user;
    if (++b->n_calls == b->fail_at) return -1000;
    if (n > b->n - b->next) return SKALD_END;
    memcpy(to, b->at + b->next, n);
    b->next += n;
    return SKALD_OK;
}

/* ---- a model, and what its cache holds */

typedef struct kind {
    const char *model;
    skald_dtype k_type, v_type;
    uint32_t n_tokens; /* of the sequence that is saved */
} kind;

static session open_kind(const kind *k, uint32_t n_sequences, uint32_t n_tokens) {
    char path[512];
    snprintf(path, sizeof path, "%s/tiny/%s/model-f32.gguf", SK_TEST_DATA, k->model);
    session s = session_open(&(session_options){.path = path, .n_threads = 2, .n_tokens = 128});
    skald_kv_cache_options o;
    skald_report why = {.size = sizeof why};
    skald_kv_cache_options_init(&o, sizeof o);
    o.k_type = k->k_type, o.v_type = k->v_type, o.n_sequences = n_sequences, o.n_tokens = n_tokens;
    CHECK_EQUAL(skald_kv_cache_free(s.cache), SKALD_OK);
    s.cache = NULL;
    session_must(skald_kv_cache_create(&s.cache, s.model, &o, &why), "cache", &why);
    return s;
}

static skald_status take(session *s, skald_seq seq, uint32_t first, uint32_t n) {
    static int32_t ids[4096];
    for (uint32_t i = 0; i < n; i++) ids[i] = (int32_t)((((first + i) * 2654435761u) >> 8) % s->n_vocab);
    const skald_span span = {.size = sizeof span, .seq = seq, .tokens = ids, .n_tokens = n};
    return skald_step(s->context, s->cache, NULL, NULL, &span, 1);
}

/* Of the bits of the logits behind three steps; the sequence is as before. Fifteen ids: states reach back that far. */
static uint64_t next(session *s, skald_seq seq) {
    static const uint32_t sizes[] = {1, 5, 9};
    const uint32_t length = session_length(s, seq);
    uint64_t sum = SK_SUM_BEGIN;
    for (uint32_t i = 0, at = 0; i < 3; at += sizes[i++]) {
        CHECK_EQUAL(take(s, seq, 7000 + at, sizes[i]), SKALD_OK);
        sum = sk_sum(sum, skald_logits(s->context, 0), s->n_vocab * sizeof(float));
    }
    CHECK_EQUAL(skald_kv_cache_rewind(s->cache, seq, length), SKALD_OK);
    return sum;
}

static skald_seq read_some(session *s, uint32_t first, uint32_t n) {
    skald_seq seq = 0;
    CHECK_EQUAL(skald_kv_cache_open(&seq, s->cache), SKALD_OK);
    if (n) CHECK_EQUAL(take(s, seq, first, n), SKALD_OK);
    return seq;
}

static void save(bytes *b, session *s, skald_seq seq) {
    uint64_t told = 0, written = 0;
    *b = (bytes){0};
    CHECK_EQUAL(skald_kv_cache_save(&told, s->cache, seq, NULL, NULL, NULL), SKALD_OK);
    CHECK_EQUAL(skald_kv_cache_save(&written, s->cache, seq, put, b, NULL), SKALD_OK);
    CHECK(told == written && told == b->n);
}

static skald_status restore(skald_seq *out, session *s, bytes *b, skald_report *why) {
    b->next = 0;
    return skald_kv_cache_restore(out, s->cache, get, b, why);
}

/* ---- each kind: another shape of cache, another process, the same bytes again */

static uint64_t ask_process(const char *program, const kind *k, const bytes *b) {
    char command[2048];
    unsigned long long hash = 0;
    FILE *f = fopen(SAVED, "wb");
    CHECK(f && fwrite(b->at, b->n, 1, f) == 1 && fclose(f) == 0);
    snprintf(command, sizeof command, "\"%s\" %s %u %u " SAVED, program, k->model, k->k_type, k->v_type);
    FILE *other = popen(command, "r");
    CHECK(other && fscanf(other, "%llx", &hash) == 1);
    if (other) CHECK_EQUAL(pclose(other), 0);
    remove(SAVED);
    return hash;
}

static int other_process(char **argv) {
    const kind k = {argv[1], (skald_dtype)atoi(argv[2]), (skald_dtype)atoi(argv[3]), 0};
    bytes b = {.at = malloc(1 << 24)};
    FILE *f = fopen(argv[4], "rb");
    if (!f || !b.at) return 2;
    b.n = fread(b.at, 1, 1 << 24, f);
    fclose(f);
    session s = open_kind(&k, 2, 4096);
    skald_seq seq;
    if (restore(&seq, &s, &b, NULL) != SKALD_OK) return 3;
    printf("%llx\n", (unsigned long long)next(&s, seq));
    session_close(&s);
    free(b.at);
    return sk_checks_failed != 0;
}

static void check_back(session *a, skald_seq from, session *b, skald_seq to, const char *name) {
    const uint32_t length = session_length(a, from);
    for (uint32_t n = length; n > 0; n -= n < 61 ? n : 61) {
        skald_seq x = 0, y = 0;
        const skald_status can = skald_kv_cache_fork(&x, a->cache, from, n);
        skald_status could = skald_kv_cache_fork(&y, b->cache, to, length); /* a child's reach is its parent's */
        if (could == SKALD_OK) could = skald_kv_cache_rewind(b->cache, y, n);
        /* A cache of another shape may keep less than it was given, but no less than is promised. */
        CHECK_SAID(can == could || (could == SKALD_GONE && n + SKALD_PAGE_TOKENS < length),
                   "%s: forked at %u: %d, restored %d", name, n, can, could);
        if (can == SKALD_OK && could == SKALD_OK) CHECK_EQUAL(next(a, x), next(b, y));
        if (can == SKALD_OK) CHECK_EQUAL(skald_kv_cache_release(a->cache, x), SKALD_OK);
        if (y) CHECK_EQUAL(skald_kv_cache_release(b->cache, y), SKALD_OK);
    }
}

static void check_shape(const kind *k, const bytes *saved, session *from, skald_seq seq, uint32_t n_sequences) {
    bytes again, b = *saved;
    skald_seq to = 0;
    session s = open_kind(k, n_sequences, 4096);
    read_some(&s, 5000, 200); /* so that pages have other numbers */
    CHECK_EQUAL(restore(&to, &s, &b, NULL), SKALD_OK);
    CHECK_EQUAL(b.next, b.n);
    CHECK_EQUAL(session_length(&s, to), k->n_tokens);
    CHECK_SAID(next(&s, to) == next(from, seq), "%s: other bits behind %u tokens", k->model, k->n_tokens);
    save(&again, &s, to);
    if (again.n == saved->n) CHECK(memcmp(again.at, saved->at, saved->n) == 0);
    else CHECK_SAID(again.n < saved->n, "%s: %zu bytes saved, %zu restored", k->model, saved->n, again.n);
    check_back(from, seq, &s, to, k->model);
    free(again.at);
    session_close(&s);
}

static void check_kind(const char *program, const kind *k, uint32_t n_sequences) {
    bytes saved;
    session s = open_kind(k, n_sequences, 4096);
    const skald_seq seq = read_some(&s, 0, k->n_tokens);
    save(&saved, &s, seq);
    check_shape(k, &saved, &s, seq, 3);
    check_shape(k, &saved, &s, seq, 20);
    CHECK_EQUAL(ask_process(program, k, &saved), next(&s, seq));
    printf("%-15s %s, %s: %u tokens in %zu bytes\n", k->model, skald_dtype_name(k->k_type), skald_dtype_name(k->v_type),
           k->n_tokens, saved.n);
    free(saved.at);
    session_close(&s);
}

/* ---- what is not right changes nothing */

typedef struct victim {
    session s;
    skald_seq seq;
    skald_kv_cache_stats stats;
    uint64_t next;
} victim;

static victim open_victim(const kind *k) {
    victim v = {.s = open_kind(k, 3, 1024)};
    v.seq = read_some(&v.s, 300, 150);
    v.next = next(&v.s, v.seq);
    session_state(&v.stats, &v.s);
    return v;
}

static void check_unharmed(victim *v, const char *what, size_t at) {
    skald_kv_cache_stats stats;
    session_state(&stats, &v->s);
    CHECK_SAID(memcmp(&stats, &v->stats, sizeof stats) == 0, "%s at %zu: the cache counts otherwise", what, at);
}

static void check_refused(victim *v, bytes *b, const char *what, size_t at) {
    skald_report why = {.size = sizeof why};
    skald_seq seq = 77;
    const skald_status status = restore(&seq, &v->s, b, &why);
    CHECK_SAID(status != SKALD_OK && seq == 77 && why.status == status && why.text[0], "%s at %zu: status %d, \"%s\"",
               what, at, status, why.text);
    if (status == SKALD_OK) skald_kv_cache_release(v->s.cache, seq);
    check_unharmed(v, what, at);
}

static void close_victim(victim *v) {
    CHECK_EQUAL(next(&v->s, v->seq), v->next);
    session_close(&v->s);
}

static void check_truncated(victim *v, const bytes *saved) {
    bytes b = *saved;
    for (b.n = 0; b.n < saved->n; b.n++) check_refused(v, &b, "cut", b.n);
}

static void check_mutated(victim *v, const bytes *saved) {
    uint64_t chance = 88172645463325252u;
    bytes b = {.at = malloc(saved->n), .n = saved->n};
    for (uint32_t i = 0; i < 2000; i++) {
        memcpy(b.at, saved->at, saved->n);
        for (uint32_t n = 1 + i % 4; n; n--) {
            chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
            const size_t at = (size_t)(chance >> 20) % (i % 3 ? saved->n : HEADER);
            b.at[at] = (char)(b.at[at] ^ (1 << (chance & 7)));
        }
        if (memcmp(b.at, saved->at, saved->n) != 0) check_refused(v, &b, "mutated", i);
    }
    free(b.at);
}

/* Numbers that contradict the cache, with a sum that is right: all pieces are whole words, so it goes over all at once. */
static void check_forged(victim *v, const bytes *saved) {
    static const uint32_t numbers[] = {0, 1, 2, 3, 127, 128, 1023, 1024, 1025, 0x7fffffff, 0x80000000u, UINT32_MAX};
    bytes b = {.at = malloc(saved->n), .n = saved->n};
    for (uint32_t field = 0; field < HEADER; field += 4) {
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            memcpy(b.at, saved->at, saved->n);
            if (sk_load(b.at + field, 4) == numbers[i]) continue;
            sk_store(b.at + field, numbers[i], 4);
            sk_store(b.at + b.n - 8, sk_sum(SK_SUM_BEGIN, b.at, b.n - 8), 8);
            if (field == 36 && numbers[i] <= sk_load(saved->at + 32, 4))
                continue; /* least: another promise, not a lie */
            check_refused(v, &b, "forged", field);
        }
    }
    memcpy(b.at, saved->at, saved->n);
    b.at[b.n - 9] = (char)(b.at[b.n - 9] ^ 1);
    sk_store(b.at + b.n - 8, sk_sum(SK_SUM_BEGIN, b.at, b.n - 8), 8);
    skald_seq seq = 0;
    CHECK_EQUAL(restore(&seq, &v->s, &b, NULL), SKALD_OK); /* the sum is what was thought */
    CHECK_EQUAL(skald_kv_cache_release(v->s.cache, seq), SKALD_OK);
    free(b.at);
}

static void check_callbacks(victim *v, const bytes *saved) {
    skald_report why = {.size = sizeof why};
    bytes in = *saved;
    for (in.fail_at = 1;; in.fail_at++) {
        skald_seq seq = 0;
        in.n_calls = 0;
        const skald_status status = restore(&seq, &v->s, &in, &why);
        if (in.n_calls < in.fail_at) {
            CHECK_EQUAL(status, SKALD_OK);
            CHECK_EQUAL(skald_kv_cache_release(v->s.cache, seq), SKALD_OK);
            break;
        }
        CHECK(status == -1000 && why.status == -1000 && why.text[0]);
        check_unharmed(v, "read failed", (size_t)in.fail_at);
    }
    CHECK(in.fail_at > 4);
    for (long at = 1; at < in.fail_at; at++) {
        bytes out = {.fail_at = at};
        CHECK_EQUAL(skald_kv_cache_save(NULL, v->s.cache, v->seq, put, &out, &why), -1000);
        check_unharmed(v, "write failed", (size_t)at);
        free(out.at);
    }
    CHECK_EQUAL(skald_kv_cache_save(NULL, v->s.cache, 99, put, &in, &why), SKALD_ARGUMENT);
    CHECK_EQUAL(skald_kv_cache_restore(NULL, v->s.cache, get, &in, &why), SKALD_ARGUMENT);
}

/* While all sequences live, or too few pages are free. */
static void check_full(const kind *k, const bytes *saved) {
    bytes b = *saved;
    victim v = open_victim(k);
    const skald_seq more = read_some(&v.s, 0, 700);
    session_state(&v.stats, &v.s);
    skald_seq seq = 0;
    CHECK_EQUAL(restore(&seq, &v.s, &b, NULL), k->n_tokens > 0 ? SKALD_FULL : SKALD_OK);
    check_unharmed(&v, "FULL", 0);
    CHECK_EQUAL(skald_kv_cache_release(v.s.cache, more), SKALD_OK);
    read_some(&v.s, 0, 0), read_some(&v.s, 0, 0);
    session_state(&v.stats, &v.s);
    CHECK_EQUAL(restore(&seq, &v.s, &b, NULL), SKALD_FULL);
    check_unharmed(&v, "FULL", 1);
    close_victim(&v);
}

static void check_strangers(const bytes *saved) {
    static const kind others[] = {{"llama_mha", SKALD_F32, SKALD_F32, 0},
                                  {"llama_gqa_tied", SKALD_F16, SKALD_F32, 0},
                                  {"llama_gqa_tied", SKALD_F32, SKALD_BF16, 0}};
    bytes b = *saved;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        victim v = open_victim(&others[i]);
        skald_seq seq = 0;
        CHECK_EQUAL(restore(&seq, &v.s, &b, NULL), SKALD_UNSUPPORTED);
        check_refused(&v, &b, "another's", i);
        close_victim(&v);
    }
}

/* One byte of one tensor differs: the header does not tell. */
static void check_tuned(const bytes *saved) {
    char path[512];
    bytes file = {.at = malloc(1 << 24)}, b = *saved;
    snprintf(path, sizeof path, "%s/tiny/llama_gqa_tied/model-f32.gguf", SK_TEST_DATA);
    FILE *f = fopen(path, "rb");
    if (!f) exit(2);
    file.n = fread(file.at, 1, 1 << 24, f);
    fclose(f);
    for (size_t i = file.n / 2; i < file.n; i += 4) file.at[i] ^= 1; /* the lowest bit of weights */
    for (uint32_t in_place = 0; in_place < 2; in_place++) {
        session s = session_open(&(session_options){
            .bytes = file.at, .n_bytes = file.n, .n_threads = 2, .n_tokens = 1024, .in_place = in_place});
        skald_seq seq = 0;
        CHECK_EQUAL(restore(&seq, &s, &b, NULL), SKALD_UNSUPPORTED);
        session_close(&s);
    }
    free(file.at);
}

static void check_types(void) {
    static const struct {
        const char *model, *why;
        skald_dtype k_type, v_type;
        skald_status status;
    } cases[] = {{"llama_gqa_tied", "k_type is Q8_0, and a head of 12", SKALD_Q8_0, SKALD_F16, SKALD_UNSUPPORTED},
                 {"llama_gqa_tied", "v_type is Q4_0, and a head of 12", SKALD_F16, SKALD_Q4_0, SKALD_UNSUPPORTED},
                 {"llama_gqa_tied", "k_type is 7777, which no type is", 7777, SKALD_F16, SKALD_ARGUMENT},
                 {"deepseek2_v3", "v_type is 7777, which no type is", SKALD_F16, 7777, SKALD_ARGUMENT},
                 {"qwen35", "v_type is 7777, which no type is", SKALD_F16, 7777, SKALD_ARGUMENT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        session s = open_kind(&(kind){cases[i].model, SKALD_F32, SKALD_F32, 0}, 1, 128);
        skald_kv_cache *none;
        skald_kv_cache_options o;
        skald_report why = {.size = sizeof why};
        skald_kv_cache_options_init(&o, sizeof o);
        o.k_type = cases[i].k_type, o.v_type = cases[i].v_type;
        CHECK_EQUAL(skald_kv_cache_create(&none, s.model, &o, &why), cases[i].status);
        CHECK_SAID(strstr(why.text, cases[i].why), "%s", why.text);
        session_close(&s);
    }
}

int main(int argc, char **argv) {
    static const kind kinds[] = {
        {"llama_gqa_tied", SKALD_F32, SKALD_F32, 300},   {"llama_gqa_tied", SKALD_F16, SKALD_F16, 256},
        {"llama_mqa_bias", SKALD_BF16, SKALD_BF16, 129}, {"qwen3", SKALD_Q8_0, SKALD_Q8_0, 200},
        {"qwen3", SKALD_Q4_0, SKALD_Q4_0, 200},          {"qwen3", SKALD_Q8_0, SKALD_F16, 5},
        {"deepseek2_lite", SKALD_F32, SKALD_F32, 300},   {"deepseek2_v3", SKALD_F16, SKALD_F16, 140},
        {"gemma3", SKALD_F32, SKALD_F32, 1000},          {"gemma2", SKALD_F16, SKALD_F16, 140},
        {"gpt_oss", SKALD_F16, SKALD_BF16, 1500},        {"llama_mha", SKALD_F8_E4M3, SKALD_F8_E4M3, 200},
        {"qwen3next", SKALD_F16, SKALD_F16, 300},        {"qwen35", SKALD_F32, SKALD_F32, 77},
        {"qwen35", SKALD_Q8_0, SKALD_Q4_0, 200}}; /* states 16 wide, in no page */
    if (argc == 5) return other_process(argv);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (uint32_t n_sequences = 2; n_sequences <= 20; n_sequences += 18)
            check_kind(argv[0], &kinds[i], n_sequences);
    bytes small, large;
    session s = open_kind(&kinds[0], 1, 1024);
    skald_seq seq = read_some(&s, 0, 5);
    save(&small, &s, seq);
    CHECK_EQUAL(take(&s, seq, 5, 295), SKALD_OK);
    save(&large, &s, seq);
    session_close(&s);
    victim v = open_victim(&kinds[0]);
    check_truncated(&v, &small);
    check_mutated(&v, &small);
    check_mutated(&v, &large);
    check_forged(&v, &small);
    check_callbacks(&v, &large);
    close_victim(&v);
    check_full(&kinds[0], &large);
    check_strangers(&small);
    check_tuned(&small);
    check_types();
    free(small.at), free(large.at);
    return sk_checked();
}

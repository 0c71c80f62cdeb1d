/* Loads and grammars that the host calls off, at every place where it is asked: the clock stands still but when somebody looks at
 * it (linked with --wrap), so it is asked at each. Nothing is left of such a call, and the next one is as if it had not been. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"
#include "file/gguf_write.h"
#include <stdatomic.h>

static host_memory memory;

uint64_t __wrap_sk_os_nanoseconds(void);
uint64_t __wrap_sk_os_nanoseconds(void) {
    static atomic_uint_least64_t now;
    return atomic_fetch_add(&now, 2000000) + 2000000;
}

typedef struct host {
    long stop_at, n_asked; /* stops the call when it is asked so often; 0: never */
    float done;
    bool back; /* of `done` */
} host;

static int32_t ask(void *user, float done) {
    host *h = user;
    if (done < h->done || done < 0 || done > 1) h->back = true;
    h->done = done;
    return ++h->n_asked == h->stop_at;
}

/* ---- a vocabulary of many tokens, and no weights */

enum {
    LETTERS = 26,
    SINGLES = '~' - '!' + 1,
    MERGES = LETTERS * LETTERS * 20,
    TOKENS = SINGLES + MERGES,
    BYTES = 1 << 20
};

typedef struct file {
    char bytes[BYTES];
    size_t n_bytes;
} file;

static skald_status write_file(void *user, const void *bytes, size_t n_bytes) {
    file *f = user;
    if (n_bytes > sizeof f->bytes - f->n_bytes) return SKALD_FULL;
    memcpy(f->bytes + f->n_bytes, bytes, n_bytes);
    f->n_bytes += n_bytes;
    return SKALD_OK;
}

static sk_text text_of(const char *at) { return (sk_text){at, strlen(at)}; }

/* "!" ... "~", then "aaA" ... "zzT", which come of one letter and two, which there need not be. */
static void make_vocabulary(file *f, const char *kind) {
    static char spelling[TOKENS][4], merging[MERGES][6];
    static sk_text tokens[TOKENS], merges[MERGES];
    static float scores[TOKENS];
    const bool bytes = strcmp(kind, "gpt2") == 0;
    uint32_t n = 0;
    for (char c = '!'; c <= '~'; c++) spelling[n++][0] = c;
    for (uint32_t i = 0; i < MERGES; i++, n++) {
        const char a = (char)('a' + i % LETTERS), b = (char)('a' + i / LETTERS % LETTERS),
                   c = (char)('A' + i / LETTERS / LETTERS);
        memcpy(spelling[n], (char[]){a, b, c, 0}, 4);
        memcpy(merging[i], (char[]){a, ' ', b, c, 0}, 5);
        merges[i] = text_of(merging[i]);
    }
    for (uint32_t i = 0; i < TOKENS; i++) tokens[i] = text_of(spelling[i]), scores[i] = -(float)i;
    sk_gguf_writer w;
    f->n_bytes = 0;
    sk_gguf_begin(&w, write_file, f, bytes ? 5 : 4, 0, 32);
    sk_gguf_put_text(&w, "general.architecture", "llama");
    sk_gguf_put_text(&w, "tokenizer.ggml.model", kind);
    sk_gguf_put_texts(&w, "tokenizer.ggml.tokens", tokens, TOKENS);
    if (bytes) {
        sk_gguf_put_text(&w, "tokenizer.ggml.pre", "gpt-2");
        sk_gguf_put_texts(&w, "tokenizer.ggml.merges", merges, MERGES);
    } else {
        sk_gguf_put_f32s(&w, "tokenizer.ggml.scores", scores, TOKENS);
    }
    CHECK_EQUAL(sk_gguf_finish(&w, NULL), SKALD_OK);
}

/* ---- loads */

static skald_status open_model(skald_model **out, skald_runtime *runtime, const skald_source *from, bool vocabulary,
                               host *h, skald_report *why) {
    skald_model_options o;
    skald_model_options_init(&o, sizeof o);
    o.vocabulary_only = vocabulary;
    o.progress = ask, o.progress_user = h;
    why->size = sizeof *why;
    return skald_model_open(out, runtime, &o, why, from, 1);
}

/* Called off at each place in turn; returns how many there are. */
static long call_off_loads(skald_runtime *runtime, const skald_source *from, bool vocabulary, const char *name) {
    const uint64_t before = memory.live;
    skald_model *model = NULL;
    skald_report why;
    for (long k = 1;; k++) {
        host h = {.stop_at = k};
        const skald_status status = open_model(&model, runtime, from, vocabulary, &h, &why);
        CHECK_SAID(!h.back, "%s, place %ld: the load goes back", name, k);
        if (status == SKALD_OK) {
            CHECK_SAID(h.n_asked == k - 1 && h.done == 1.0f, "%s: asked %ld times up to %g", name, h.n_asked, h.done);
            skald_model_release(model);
            CHECK_EQUAL(memory.live, before);
            return h.n_asked;
        }
        if (!CHECK_SAID(status == SKALD_CANCELLED && !model && h.n_asked == k && memory.live == before,
                        "%s, place %ld: %s, %llu bytes", name, k, skald_status_text(status),
                        (unsigned long long)(memory.live - before)))
            return 0;
        CHECK_EQUAL(why.status, SKALD_CANCELLED);
        CHECK_TEXT(why.text, "the load was cancelled");
    }
}

/* ---- what a model says afterwards */

typedef struct answer {
    char text[1024];
    size_t n_bytes;
} answer;

static int32_t take_text(void *user, const char *text, size_t n_bytes) {
    answer *a = user;
    if (n_bytes > sizeof a->text - a->n_bytes) return 1;
    memcpy(a->text + a->n_bytes, text, n_bytes);
    a->n_bytes += n_bytes;
    return 0;
}

static void ask_model(answer *a, skald_runtime *runtime, const skald_source *from) {
    skald_model *model = NULL;
    skald_generate_options o;
    skald_generate_options_init(&o, sizeof o);
    o.n_tokens = 12;
    a->n_bytes = 0;
    CHECK_EQUAL(skald_model_open(&model, runtime, NULL, NULL, from, 1), SKALD_OK);
    CHECK_EQUAL(skald_generate(model, "the sea", &o, take_text, a, NULL), SKALD_OK);
    skald_model_release(model);
}

/* With two threads the places are others each time. */
static void check_weights(skald_runtime *runtime, skald_runtime *other) {
    const skald_source from = {.size = sizeof from, .path = WORLD_MODEL};
    static answer before, after;
    ask_model(&before, runtime, &from);
    const long n = call_off_loads(runtime, &from, false, "weights");
    CHECK_SAID(n >= 401, "weights: asked %ld times", n);
    printf("weights: %ld places\n", n);
    skald_model *model = NULL;
    skald_report why;
    const uint64_t live = memory.live;
    for (long k = 1; k < 200; k += 7) {
        host h = {.stop_at = k};
        const skald_status status = open_model(&model, other, &from, false, &h, &why);
        CHECK_SAID(status == (h.n_asked < k ? SKALD_OK : SKALD_CANCELLED), "%ld of %ld: %s", h.n_asked, k,
                   skald_status_text(status));
        skald_model_release(model);
        CHECK_EQUAL(memory.live, live);
    }
    ask_model(&after, other, &from);
    CHECK(before.n_bytes > 0 && before.n_bytes == after.n_bytes &&
          memcmp(before.text, after.text, before.n_bytes) == 0);
}

/* Asked at least this often: once for each 8 KiB of the header, and in each loop once for 1024 of the tokens and merges. One of
 * these places less is seen. */
static void check_vocabularies(skald_runtime *runtime) {
    static const struct {
        const char *kind;
        long least;
    } all[] = {{"gpt2", 421}, {"llama", 232}, {"t5", 258}, {"bert", 218}};
    static file f;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        make_vocabulary(&f, all[i].kind);
        const skald_source from = {.size = sizeof from, .bytes = f.bytes, .n_bytes = f.n_bytes};
        const long n = call_off_loads(runtime, &from, true, all[i].kind);
        CHECK_SAID(n >= all[i].least, "%s: asked %ld times", all[i].kind, n);
        printf("%s: %ld places\n", all[i].kind, n);
    }
}

/* ---- grammars */

typedef struct wanted {
    const char *name;
    skald_grammar_kind kind;
    long least; /* places */
    char text[1 << 17];
    size_t n_bytes;
} wanted;

static void say(wanted *w, const char *format, int number) {
    w->n_bytes += (size_t)snprintf(w->text + w->n_bytes, sizeof w->text - w->n_bytes, format, number, number, number);
}

static void make_wanted(wanted all[4]) {
    all[0] = (wanted){.name = "rules", .kind = SKALD_GRAMMAR_RULES, .least = 80};
    all[1] = (wanted){.name = "enum", .kind = SKALD_GRAMMAR_JSON_SCHEMA, .least = 640};
    all[2] = (wanted){.name = "properties", .kind = SKALD_GRAMMAR_JSON_SCHEMA, .least = 470};
    all[3] = (wanted){.name = "a pattern", .kind = SKALD_GRAMMAR_JSON_SCHEMA, .least = 150};
    say(&all[0], "root ::= r0\n", 0);
    for (int i = 0; i < 300; i++) say(&all[0], i < 299 ? "r%d ::= \"%d\" | s%d\n" : "r%d ::= \"%d\"\n", i);
    for (int i = 0; i < 299; i++) say(&all[0], "s%d ::= \"a%d\" [b-z]?\n", i);
    say(&all[1], "{\"enum\": [%d", 0);
    for (int i = 1; i < 300; i++) say(&all[1], ", \"value %d\"", i);
    say(&all[1], "]}", 0);
    say(&all[2], "{\"properties\": {\"p\": {}", 0);
    for (int i = 0; i < 30; i++) say(&all[2], ", \"p%d\": {\"type\": \"string\"}", i);
    say(&all[2], "}}", 0);
    say(&all[3],
        "{\"type\": \"object\", \"properties\": {\"abc\": {}, \"abd\": {}}, \"patternProperties\": {\"^a(b|c){1,30}$\": {}}}",
        0);
}

static skald_status compile(skald_grammar **out, skald_model *model, const wanted *w, host *h, skald_report *why) {
    skald_grammar_options o;
    skald_grammar_options_init(&o, sizeof o);
    o.kind = w->kind;
    if (h) o.progress = ask, o.progress_user = h;
    why->size = sizeof *why;
    return skald_grammar_create(out, model, w->text, w->n_bytes, &o, why);
}

/* The model's vocabulary is a trie before; returns how many places there are. */
static long call_off_grammars(skald_model *model, const wanted *w) {
    skald_grammar *g = NULL;
    skald_report why;
    CHECK_EQUAL(compile(&g, model, w, NULL, &why), SKALD_OK);
    skald_grammar_release(g);
    const uint64_t before = memory.live;
    for (long k = 1;; k++) {
        host h = {.stop_at = k};
        const skald_status status = compile(&g, model, w, &h, &why);
        if (status != SKALD_CANCELLED) {
            CHECK_SAID(status == SKALD_OK && h.n_asked == k - 1, "%s: %s, asked %ld times", w->name, why.text,
                       h.n_asked);
            skald_grammar_release(g);
            CHECK_EQUAL(memory.live, before);
            return h.n_asked;
        }
        if (!CHECK_SAID(!g && h.n_asked == k && memory.live == before, "%s, place %ld: %llu bytes", w->name, k,
                        (unsigned long long)(memory.live - before)))
            return 0;
        CHECK_TEXT(why.text, "the grammar was cancelled");
        CHECK_EQUAL(why.status, SKALD_CANCELLED);
    }
}

/* Of a model of its own each time. Once the trie is there it stays with the model. */
static long call_off_first(skald_runtime *runtime, const skald_source *from, const wanted *w) {
    const uint64_t before = memory.live;
    skald_model_options o;
    skald_report why;
    long whole = 0; /* places, when the trie is made too */
    skald_model_options_init(&o, sizeof o);
    o.vocabulary_only = 1;
    for (long k = 1;; k++) {
        skald_model *model = NULL;
        skald_grammar *g = NULL, *again = NULL;
        CHECK_EQUAL(skald_model_open(&model, runtime, &o, NULL, from, 1), SKALD_OK);
        const uint64_t opened = memory.live;
        host h = {.stop_at = k}, later = {0};
        const skald_status status = compile(&g, model, w, &h, &why);
        const bool none = memory.live == opened;
        CHECK_EQUAL(compile(&again, model, w, &later, &why), SKALD_OK);
        if (k == 1) whole = later.n_asked;
        if (status == SKALD_CANCELLED)
            CHECK_SAID(!g && h.n_asked == k && (later.n_asked == whole) == none, "place %ld of the first, %ld later", k,
                       later.n_asked);
        skald_grammar_release(g);
        skald_grammar_release(again);
        skald_model_release(model);
        if (!CHECK_EQUAL(memory.live, before)) return 0;
        if (status != SKALD_CANCELLED) return h.n_asked;
    }
}

static void check_grammars(skald_runtime *runtime) {
    static wanted all[4];
    static file f;
    make_vocabulary(&f, "llama");
    const skald_source from = {.size = sizeof from, .bytes = f.bytes, .n_bytes = f.n_bytes};
    make_wanted(all);
    const uint64_t before = memory.live;
    const long n = call_off_first(runtime, &from, &all[3]);
    CHECK_SAID(n >= 206, "a first grammar: asked %ld times", n);
    printf("first grammar: %ld places\n", n);
    skald_model *model = NULL;
    skald_model_options o;
    skald_model_options_init(&o, sizeof o);
    o.vocabulary_only = 1;
    CHECK_EQUAL(skald_model_open(&model, runtime, &o, NULL, &from, 1), SKALD_OK);
    for (int i = 0; i < 4; i++) {
        const long places = call_off_grammars(model, &all[i]);
        CHECK_SAID(places >= all[i].least, "%s: asked %ld times", all[i].name, places);
        printf("%s: %ld places\n", all[i].name, places);
    }
    skald_model_release(model);
    CHECK_EQUAL(memory.live, before);
}

int main(void) {
    skald_runtime *runtime = NULL, *other = NULL;
    skald_runtime_options o;
    memory_init(&memory);
    skald_runtime_options_init(&o, sizeof o);
    o.allocator = &memory.allocator, o.n_threads = 1;
    CHECK_EQUAL(skald_runtime_create(&runtime, &o, NULL), SKALD_OK);
    o.n_threads = 2;
    CHECK_EQUAL(skald_runtime_create(&other, &o, NULL), SKALD_OK);
    check_weights(runtime, other);
    check_vocabularies(runtime);
    check_grammars(runtime);
    skald_runtime_release(runtime);
    skald_runtime_release(other);
    CHECK_EQUAL(memory.live, 0);
    CHECK_EQUAL(memory.n_mistakes, 0);
    return sk_checked();
}

/* A model's file, a few bytes of its header and tables changed: refused with a sentence, or harmless.
 *
 *     mutate [MODEL.gguf [MUTATIONS [SEED]]]      a tiny model, 1000, 1; every fiftieth is none, and then the answer is the
 *                                                 first one
 *
 * An accepted mutant reads and writes a text, encodes and decodes; all memory comes back, none takes more than ten
 * seconds of the processor. The weights stay where the file lies, so that thousands can be opened. */
#include "base/os/os.h"
#include "support/check.h"
#include "file/gguf.h"
#include <skald/skald.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define MOST_BYTES ((uint64_t)512 << 20) /* a mutant that wants more is told that there is none */
#define N_IDS      8u
#define N_CONTROLS 50 /* one mutation in so many is none */

static uint64_t state;

/* xorshift64*, Vigna 2016. */
static uint64_t draw(void) {
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
}

/* ---- the host's memory: counted and bounded */

static uint64_t live;

static void *lend(void *user, size_t bytes, size_t alignment, skald_memory_kind kind) {
    (void)user, (void)kind;
    if (bytes > MOST_BYTES - live) return NULL;
    void *pointer = sk_os_aligned_alloc(bytes, alignment);
    if (pointer) live += bytes;
    return pointer;
}

static void take(void *user, void *pointer, size_t bytes, size_t alignment) {
    (void)user, (void)alignment;
    live -= bytes;
    sk_os_aligned_free(pointer);
}

/* ---- what a model does */

typedef struct outcome {
    skald_status status;
    uint64_t hash; /* of the last row */
    skald_report why;
} outcome;

static void speak(outcome *o, skald_model *model, uint32_t n_vocab) {
    static const char text[] = "A house of letters, 1234 \xe2\x82\xac.";
    char back[4096];
    int32_t ids[256];
    uint32_t n_ids = 256;
    size_t n_back = sizeof back;
    if (skald_encode(ids, &n_ids, model, SKALD_ENCODE_SPECIAL, text, sizeof text - 1) != SKALD_OK) return;
    for (uint32_t i = 0; i < n_ids; i++) {
        CHECK(ids[i] >= 0 && (uint32_t)ids[i] < n_vocab);
        o->hash = (o->hash ^ (uint64_t)ids[i]) * 0x100000001b3u;
    }
    if (skald_decode(back, &n_back, model, SKALD_DECODE_SPECIAL, ids, n_ids) == SKALD_OK) o->hash += n_back;
}

static skald_status step(outcome *o, skald_kv_cache *cache, skald_context *context, uint32_t n_vocab) {
    int32_t ids[N_IDS];
    skald_seq seq;
    for (uint32_t i = 0; i < N_IDS; i++) ids[i] = (int32_t)((uint64_t)i * 977 % n_vocab);
    skald_span span = {.size = sizeof span, .tokens = ids, .n_tokens = N_IDS};
    skald_status status = skald_kv_cache_open(&seq, cache);
    span.seq = seq;
    if (status == SKALD_OK) status = skald_step(context, cache, NULL, &o->why, &span, 1);
    if (status != SKALD_OK) return status;
    const unsigned char *row = (const unsigned char *)skald_logits(context, 0);
    o->hash = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < (uint64_t)n_vocab * sizeof(float); i++) o->hash = (o->hash ^ row[i]) * 0x100000001b3u;
    return SKALD_OK;
}

static skald_status use(outcome *o, skald_model *model) {
    skald_kv_cache *cache = NULL;
    skald_context *context = NULL;
    skald_kv_cache_options k;
    skald_context_options c;
    skald_model_info info = {.size = sizeof info};
    skald_kv_cache_options_init(&k, sizeof k);
    skald_context_options_init(&c, sizeof c);
    k.n_tokens = 128, c.n_rows = 8, c.n_logits = 1;
    skald_model_get_info(&info, model);
    skald_status status = skald_kv_cache_create(&cache, model, &k, &o->why);
    if (status == SKALD_OK) status = skald_context_create(&context, model, &c, &o->why);
    if (status == SKALD_OK) status = step(o, cache, context, info.n_vocab);
    if (status == SKALD_OK) speak(o, model, info.n_vocab);
    skald_context_free(context);
    skald_kv_cache_free(cache);
    return status;
}

static outcome try(skald_runtime *runtime, const char *file, uint64_t n_bytes) {
    outcome o = {.why = {.size = sizeof o.why}};
    skald_model *model = NULL;
    skald_model_options options;
    const skald_source source = {.size = sizeof source, .bytes = file, .n_bytes = n_bytes};
    const uint64_t before = live;
    const clock_t begin = clock();
    skald_model_options_init(&options, sizeof options);
    options.in_place = 1;
    o.status = skald_model_open(&model, runtime, &options, &o.why, &source, 1);
    if (o.status == SKALD_OK) o.status = use(&o, model);
    else CHECK_SAID(model == NULL && o.why.text[0], "status %d without a sentence", o.status);
    skald_model_release(model);
    CHECK_SAID(live == before, "%lld bytes are kept: %s", (long long)(live - before), o.why.text);
    CHECK_SAID((clock() - begin) / CLOCKS_PER_SEC < 10, "longer than ten seconds: %s", o.why.text);
    return o;
}

/* ---- mutations */

typedef struct region {
    uint64_t header, tensors; /* the header ends, the table of tensors begins about there */
} region;

/* A third each: counts and keys at the beginning, the table of tensors at the end, anywhere between. */
static uint64_t place(const region *r) {
    switch (draw() % 3) {
    case 0: return draw() % 4096;
    case 1: return r->tensors + draw() % (r->header - r->tensors);
    default: return draw() % r->header;
    }
}

#define N_SPOTS 4

typedef struct spot {
    uint64_t at;
    char before[8];
} spot;

static const uint64_t edges[] = {0,          1,          2,          31,          32,          0x7f,       0xff,
                                 0x7fff,     0xffff,     0x7fffffff, 0x80000000u, 0xffffffffu, 1ull << 32, 1ull << 40,
                                 1ull << 62, 1ull << 63, UINT64_MAX, 0x7f800000,  0x7fc00000,  0xff800000};

static void change(char *at, const char *other) {
    const uint64_t edge = edges[draw() % (sizeof edges / sizeof *edges)];
    switch (draw() % 8) {
    case 0:
    case 1:
    case 2: *at ^= (char)(1 << draw() % 8); break;
    case 3: *at = (char)draw(); break;
    case 4: memcpy(at, &edge, 4); break; /* files and these machines are little-endian */
    case 5: memcpy(at, &edge, 8); break;
    case 6: memmove(at, other, 8); break;
    default: memset(at, 0, 8);
    }
}

static uint32_t mutate(char *file, const region *r, spot spots[N_SPOTS]) {
    const uint32_t n = draw() % 2 ? 1 : 1 + (uint32_t)(draw() % N_SPOTS);
    for (uint32_t i = 0; i < n; i++) {
        spots[i].at = place(r);
        memcpy(spots[i].before, file + spots[i].at, 8);
        change(file + spots[i].at, file + place(r));
    }
    return n;
}

static void restore(char *file, const spot *spots, uint32_t n) {
    while (n-- > 0) memcpy(file + spots[n].at, spots[n].before, 8);
}

/* ---- */

static char *read_file(const char *path, sk_os_file *file) {
    skald_report why = {.size = sizeof why};
    if (sk_os_file_open(file, path, &why) != SKALD_OK) return fprintf(stderr, "%s\n", why.text), NULL;
    char *bytes = sk_os_aligned_alloc((size_t)file->bytes, 64);
    if (bytes && sk_os_file_read(file, bytes, 0, (size_t)file->bytes) != SKALD_OK) bytes = NULL;
    sk_os_file_close(file);
    return bytes;
}

static bool find_region(region *r, const char *bytes, uint64_t n_bytes) {
    const skald_source from = {.size = sizeof from, .bytes = bytes, .n_bytes = n_bytes};
    sk_source source;
    sk_gguf_size size;
    if (sk_source_open(&source, &from, NULL) != SKALD_OK) return false;
    const bool good = sk_gguf_measure(&size, &source, NULL) == SKALD_OK;
    sk_source_close(&source);
    r->header = size.data_offset - 8;
    r->tensors = r->header - (uint64_t)size.n_tensors * 60; /* a row has about sixty bytes */
    return good;
}

int main(int argc, char **argv) {
    const long n_mutations = argc > 2 ? strtol(argv[2], NULL, 10) : 1000;
    long n_refused = 0, n_changed = 0, n_controls = 0;
    sk_os_file about;
    char *file = read_file(argc > 1 ? argv[1] : SK_TEST_DATA "/tiny/llama_gqa_tied/model-f32.gguf", &about);
    region r;
    skald_runtime *runtime = NULL;
    skald_runtime_options o;
    const skald_allocator memory = {lend, take, NULL};
    if (!file || !find_region(&r, file, about.bytes)) return 2;
    skald_runtime_options_init(&o, sizeof o);
    o.n_threads = 1, o.allocator = &memory;
    CHECK_EQUAL(skald_runtime_create(&runtime, &o, NULL), SKALD_OK);
    state = argc > 3 ? strtoull(argv[3], NULL, 10) | 1 : 1;
    const outcome want = try(runtime, file, about.bytes);
    CHECK_SAID(want.status == SKALD_OK, "%s", want.why.text);
    for (long i = 1; i <= n_mutations; i++) {
        spot spots[N_SPOTS];
        const bool control = i % N_CONTROLS == 0;
        const uint32_t n = control ? 0 : mutate(file, &r, spots);
        const outcome got = try(runtime, file, about.bytes);
        restore(file, spots, n);
        if (control) CHECK(got.status == SKALD_OK && got.hash == want.hash), n_controls++;
        else if (got.status != SKALD_OK) n_refused++;
        else n_changed += got.hash != want.hash;
    }
    printf("%ld mutations: %ld refused, %ld accepted with other answers, %ld with the same; %ld controls\n",
           n_mutations, n_refused, n_changed, n_mutations - n_refused - n_changed - n_controls, n_controls);
    skald_runtime_release(runtime);
    CHECK_EQUAL(live, 0);
    sk_os_aligned_free(file);
    return sk_checked();
}

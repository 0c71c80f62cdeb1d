/* Adapters beside the weights against the same adapters added to the weights of an f32 model; and each sequence of a mixed
 * step, some with adapters and one without, against the sequence alone. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/adapter_writer.h"
#include "support/golden.h"

#define N_TOKENS 24
#define N_USES   5 /* kinds of sequences */

static const adapter_shape shapes[3] = {{.seed = 1, .rank = 4, .alpha = 8, .type = SKALD_F16, .every = 1},
                                        {.seed = 2, .rank = 1, .type = SKALD_F32, .every = 3},
                                        {.seed = 3, .rank = 40, .alpha = 20, .type = SKALD_F32, .every = 2}};
/* Which adapters a sequence uses, by index of `shapes`, and their scales. */
static const struct use {
    uint32_t n, adapter[2];
    float scale[2];
} uses[N_USES] = {{0}, {1, {0}, {1}}, {1, {1}, {0.5f}}, {1, {2}, {-0.75f}}, {2, {2, 0}, {0.5f, 2}}};

typedef struct subject {
    const char *name, *architecture;
    char *bytes;
    size_t n_bytes;
    sk_files files;
    uint32_t n_vocab;
    int32_t tokens[N_TOKENS];
    float *want[N_USES]; /* of merged models */
    float *bits[N_USES]; /* alone, on the device under test */
} subject;

static session open_at(const subject *s, const device *d, const char *bytes, uint32_t max_rank) {
    return session_open(&(session_options){.bytes = bytes,
                                           .n_bytes = s->n_bytes,
                                           .plugin = d->plugin,
                                           .config = d->config,
                                           .device = d->name,
                                           .level = d->level,
                                           .n_threads = 2,
                                           .n_tokens = 1024,
                                           .n_sequences = N_USES,
                                           .n_rows = 64,
                                           .n_logits = N_USES * N_TOKENS,
                                           .max_rank = max_rank});
}

static const float *row_of(session *s, uint32_t i) {
    const float *row = skald_logits(s->context, i);
    if (!row) fprintf(stderr, "no row %u\n", i), exit(2);
    return row;
}

/* All tokens of one sequence in a step. */
static void read_alone(float *to, const subject *s, session *run, const skald_span_adapter *adapters, uint32_t n) {
    skald_span span = {.size = sizeof span, .tokens = s->tokens, .n_tokens = N_TOKENS, .logits = SKALD_LOGITS_ALL};
    span.adapters = adapters, span.n_adapters = n;
    CHECK_EQUAL(skald_kv_cache_open(&span.seq, run->cache), SKALD_OK);
    CHECK_EQUAL(skald_step(run->context, run->cache, NULL, NULL, &span, 1), SKALD_OK);
    for (uint32_t i = 0; i < N_TOKENS; i++)
        memcpy(to + (size_t)i * s->n_vocab, row_of(run, i), s->n_vocab * sizeof *to);
    CHECK_EQUAL(skald_kv_cache_release(run->cache, span.seq), SKALD_OK);
}

static void want_merged(subject *s) {
    const device cpu = {.name = "cpu"};
    char *merged = malloc(s->n_bytes);
    for (uint32_t u = 0; u < N_USES; u++) {
        memcpy(merged, s->bytes, s->n_bytes);
        for (uint32_t i = 0; i < uses[u].n; i++)
            adapter_merge(merged, &s->files, &shapes[uses[u].adapter[i]], uses[u].scale[i]);
        session run = open_at(s, &cpu, merged, 0);
        s->n_vocab = run.n_vocab;
        s->want[u] = malloc((size_t)N_TOKENS * s->n_vocab * sizeof(float));
        s->bits[u] = malloc((size_t)N_TOKENS * s->n_vocab * sizeof(float));
        read_alone(s->want[u], s, &run, NULL, 0);
        session_close(&run);
    }
    free(merged);
}

/* The largest difference, over the standard deviation of `b`. */
static double distance(const subject *s, const float *a, const float *b) {
    const size_t n = (size_t)N_TOKENS * s->n_vocab;
    double sum = 0, squares = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)a[i] - (double)b[i]);
        sum += (double)b[i], squares += (double)b[i] * (double)b[i];
        if (!(off <= most)) most = off; /* NaN stays */
    }
    return most / sqrt(squares / (double)n - sum / (double)n * (sum / (double)n));
}

/* ---- on one device */

typedef struct adapted {
    session run;
    skald_adapter *adapter[3];
    skald_span_adapter given[N_USES][2];
} adapted;

static void open_adapted(adapted *a, const subject *s, const device *d) {
    a->run = open_at(s, d, s->bytes, 40);
    for (uint32_t i = 0; i < 3; i++) {
        adapter_bytes file = adapter_write(&s->files, &shapes[i], s->architecture);
        skald_report why = {.size = sizeof why};
        const skald_source source = {.size = sizeof source, .bytes = file.bytes, .n_bytes = file.n};
        session_must(skald_adapter_open(&a->adapter[i], a->run.model, &source, &why), "adapter", &why);
        skald_adapter_info info = {.size = sizeof info};
        CHECK_EQUAL(skald_adapter_get_info(&info, a->adapter[i]), SKALD_OK);
        CHECK_EQUAL(info.rank, shapes[i].rank);
        CHECK(info.n_changed > 0 && info.n_parameters >= info.n_changed * shapes[i].rank);
        memset(file.bytes, 0xff, file.n); /* it is not used again */
        free(file.bytes);
    }
    for (uint32_t u = 0; u < N_USES; u++)
        for (uint32_t i = 0; i < uses[u].n; i++)
            a->given[u][i] = (skald_span_adapter){.adapter = a->adapter[uses[u].adapter[i]], .scale = uses[u].scale[i]};
}

static void close_adapted(adapted *a) {
    for (uint32_t i = 0; i < 3; i++) skald_adapter_release(a->adapter[i]);
    session_close(&a->run);
}

/* Several sequences in each step, pieces of other lengths each time. */
static void read_together(const subject *s, adapted *a, const char *device_name, const uint32_t *sizes) {
    skald_span spans[N_USES];
    uint32_t at[N_USES] = {0};
    for (uint32_t u = 0; u < N_USES; u++) {
        spans[u] = (skald_span){.size = sizeof *spans, .logits = SKALD_LOGITS_ALL};
        CHECK_EQUAL(skald_kv_cache_open(&spans[u].seq, a->run.cache), SKALD_OK);
    }
    for (uint32_t round = 0;; round++) {
        skald_span now[N_USES];
        uint32_t who[N_USES], n = 0, row = 0;
        for (uint32_t k = 0; k < N_USES; k++) {
            const uint32_t u = (k + round) % N_USES, left = N_TOKENS - at[u], size = sizes[u];
            if (left == 0) continue;
            now[n] = spans[u];
            now[n].tokens = s->tokens + at[u], now[n].n_tokens = size < left ? size : left;
            now[n].adapters = a->given[u], now[n].n_adapters = uses[u].n;
            who[n++] = u;
        }
        if (n == 0) break;
        if (!CHECK_EQUAL(skald_step(a->run.context, a->run.cache, NULL, NULL, now, n), SKALD_OK)) break;
        for (uint32_t k = 0; k < n; k++)
            for (uint32_t t = 0; t < now[k].n_tokens; t++, row++) {
                const float *want = s->bits[who[k]] + (size_t)(at[who[k]] + t) * s->n_vocab;
                CHECK_SAID(memcmp(row_of(&a->run, row), want, s->n_vocab * sizeof *want) == 0,
                           "%s on %s: sequence %u, position %u has other bits in company", s->name, device_name, who[k],
                           at[who[k]] + t);
            }
        for (uint32_t k = 0; k < n; k++) at[who[k]] += now[k].n_tokens;
    }
    for (uint32_t u = 0; u < N_USES; u++) CHECK_EQUAL(skald_kv_cache_release(a->run.cache, spans[u].seq), SKALD_OK);
}

static void try_device(subject *s, const device *d) {
    adapted a;
    double off = 0, least_change = 1e9;
    float *other = malloc((size_t)N_TOKENS * s->n_vocab * sizeof *other);
    open_adapted(&a, s, d);
    for (uint32_t u = 0; u < N_USES; u++) {
        read_alone(other, s, &a.run, a.given[u], uses[u].n);
        const double now = distance(s, other, s->want[u]), change = distance(s, other, s->want[0]);
        if (d->level) /* plain C after the best level */
            CHECK(memcmp(other, s->bits[u], (size_t)N_TOKENS * s->n_vocab * sizeof *other) == 0);
        memcpy(s->bits[u], other, (size_t)N_TOKENS * s->n_vocab * sizeof *other);
        if (!(now <= off)) off = now;
        if (u && change < least_change) least_change = change;
    }
    CHECK_SAID(off <= 1e-4, "%s on %s: off by %g of the deviation", s->name, d->name, off);
    CHECK_SAID(least_change > 0.05, "%s on %s: an adapter changes nothing", s->name, d->name);
    read_together(s, &a, d->name, (uint32_t[]){N_TOKENS, N_TOKENS, N_TOKENS, N_TOKENS, N_TOKENS});
    read_together(s, &a, d->name, (uint32_t[]){7, 1, 5, 2, 11});
    printf("%-16s %-6s off by %.1e of the deviation, adapters change at least %.2f\n", s->name,
           d->level ? d->level : d->name, off, least_change);
    close_adapted(&a);
    free(other);
    if (d->plugin) return;
    session plain = open_at(s, d, s->bytes, 0); /* whose operations are joined */
    float *bits = malloc((size_t)N_TOKENS * s->n_vocab * sizeof *bits);
    read_alone(bits, s, &plain, NULL, 0);
    CHECK_SAID(memcmp(bits, s->bits[0], (size_t)N_TOKENS * s->n_vocab * sizeof *bits) == 0,
               "%s: a sequence without adapters has other bits in a context with them", s->name);
    free(bits);
    session_close(&plain);
}

int main(int argc, char **argv) {
    static const char *const names[][2] = {{"llama_gqa_tied", "llama"}, {"gpt2", "gpt2"},
                                           {"gemma3", "gemma3"},        {"phi3", "phi3"},
                                           {"qwen2moe", "qwen2moe"},    {"deepseek2_lite", "deepseek2"},
                                           {"qwen35", "qwen35"}};
    static const device devices[] = {{.name = "cpu"},
                                     {.name = "cpu", .level = "scalar"},
                                     {"apart", PLUGIN, "delay=0", NULL}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        subject s = {.name = names[i][0], .architecture = names[i][1]};
        if (argc > 1 && strcmp(argv[1], s.name)) continue;
        s.bytes = read_file(s.name, "model-f32.gguf", &s.n_bytes);
        const skald_source source = {.size = sizeof source, .bytes = s.bytes, .n_bytes = s.n_bytes};
        session_must(sk_files_open(&s.files, &sk_libc_allocator, &source, 1, false, NULL, NULL), s.name,
                     &(skald_report){.size = sizeof(skald_report)});
        for (uint32_t t = 0; t < N_TOKENS; t++) s.tokens[t] = (int32_t)(sk_random(9, t, 0) * 200);
        want_merged(&s);
        for (size_t d = 0; d < sizeof devices / sizeof *devices; d++) try_device(&s, &devices[d]);
        for (uint32_t u = 0; u < N_USES; u++) free(s.want[u]), free(s.bits[u]);
        sk_files_close(&s.files);
        free(s.bytes);
    }
    return sk_checked();
}

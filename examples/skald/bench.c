/* skald bench: tokens per second of prompts and of answers, each beside the roofs of the machine in the same second.
 *
 * A case is a number of sequences at a depth: they are filled once, and every thread count measures prefill (one
 * sequence) and decode from there, going back to the depth each time. */
#include "commands.h"
#include "json.h"
#include "options.h"
#include "roofs.h"
#include "session.h"
#include "sha256.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_ROWS = 512, MOST_REPEATS = 100 };

typedef struct bench {
    const char *model, *tokens;
    uint32_t n_prompt, n_decode, repeats;
    counts batches, depths, threads;
    int json, depths_given;
    skald_dtype cache_type;

    session session;
    skald_context *contexts[MOST_COUNTS]; /* one for each thread count */
    roof_memory memory;
    struct {
        uint32_t threads;
        roofs roofs;
    } last; /* look at the roofs */
    id_lists ids;
    uint32_t n_records;

    /* What one token costs: bytes of weights read, and products of the body and of the output head. */
    uint64_t weight_bytes, body_products, head_products;
    uint64_t expert_bytes; /* of all experts; a row needs as many of them as the model says */
    double expert_share;
    session_memory wishes;
} bench;

/* The sequences of one case. */
typedef struct sequences {
    uint32_t n, depth;
    skald_seq *seqs;
    skald_span *spans;
    int32_t *next;   /* one id for each */
    int32_t *prompt; /* `depth` or n_prompt ids, whichever is more */
} sequences;

typedef struct record {
    const char *test;
    uint32_t threads, batch, depth, tokens;
    double rates[MOST_REPEATS]; /* tokens per second, sorted in the end */
    double bytes_per_token, products_per_token;
    roofs roofs;
} record;

static int read_options(bench *b, int argc, char **argv) {
    const option table[] = {
        {"-m", OPTION_TEXT, &b->model, "MODEL", "a GGUF file", 0, 0},
        {"-p", OPTION_COUNT, &b->n_prompt, "N", "prefill: tokens of one sequence (512; 0 leaves it out)", 0, 0},
        {"-n", OPTION_COUNT, &b->n_decode, "N", "decode: steps of all sequences (64; 0 leaves it out)", 0, 0},
        {"-b", OPTION_COUNTS, &b->batches, "LIST", "sequences at the first depth (1,8,32)", 1, 0},
        {"-d", OPTION_COUNTS, &b->depths, "LIST", "tokens before, not timed (0,7000 where the model can)", 0, 0},
        {"-t", OPTION_COUNTS, &b->threads, "LIST", "threads (1,2 where there are two processors)", 1, 0},
        {"-r", OPTION_COUNT, &b->repeats, "N", "repetitions (3)", 1, 0},
        {"--kv", OPTION_CACHE_TYPE, &b->cache_type, "TYPE",
         "type of the cache: f32, f16, bf16, f8_e4m3, q8_0, q4_0 (f16)", 0, 0},
        {"--json", OPTION_FLAG, &b->json, NULL, "print a JSON array", 0, 0},
        {"--tokens", OPTION_TEXT, &b->tokens, "IDS.json",
         "use these ids (a list, or one for each sequence), print sha256 of the last logits", 0, 0},
        SESSION_MEMORY_OPTIONS(&b->wishes),
        {0},
    };
    const command_line line = {
        .command = "bench",
        .usage = "-m MODEL [options]",
        .about =
            "Measures prefill (N tokens of one sequence at each depth) and decode (N steps; the batches of -b at the\n"
            "first depth, one sequence at the others). Shares are of this machine's roofs for reading memory and for\n"
            "multiplying bytes, measured around each figure.",
        .options = table,
    };
    int code = options_read(&line, argc, argv);
    if (code != GO_ON) return code;
    if (!b->model) return usage_error("bench", "-m MODEL is missing");
    if (b->repeats > MOST_REPEATS) return usage_error("bench", "-r can be %d at most", MOST_REPEATS);
    return GO_ON;
}

static void set_defaults(bench *b) {
    b->depths_given = b->depths.n > 0;
    if (!b->depths_given) b->depths = (counts){2, {0, 7000}};
    if (b->batches.n == 0) b->batches = (counts){3, {1, 8, 32}};
    if (b->threads.n == 0) b->threads = (counts){sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 1, {1, 2}};
}

static uint32_t largest(const counts *list) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < list->n; i++)
        if (list->at[i] > most) most = list->at[i];
    return most;
}

/* Without -d only depths that the model was trained for. */
static void drop_depths(bench *b) {
    uint32_t n_most = b->n_prompt > b->n_decode ? b->n_prompt : b->n_decode, n_context = b->session.info.n_context;
    while (!b->depths_given && n_context && b->depths.n > 1 && b->depths.at[b->depths.n - 1] + n_most > n_context) {
        b->depths.n--;
        fprintf(stderr, "(depth %u is beyond the model's context of %u: left out)\n", b->depths.at[b->depths.n],
                n_context);
    }
}

/* ---- ids ---- */

/* The ids of sequence `sequence` from `from` on: the given ones, or a sequence of its own without order. */
static void fill_ids(const bench *b, int32_t *to, uint32_t sequence, uint32_t from, uint32_t n) {
    if (b->tokens) {
        size_t begin = b->ids.nested && sequence ? b->ids.ends[sequence - 1] : 0;
        memcpy(to, b->ids.ids + begin + from, n * sizeof *to);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t x = ((uint64_t)sequence << 32 | (from + i)) * 0x9e3779b97f4a7c15u;
        to[i] = (int32_t)((x ^ x >> 32) % b->session.info.n_vocab);
    }
}

static int check_list(const bench *b, uint32_t sequence, uint64_t needed) {
    if (b->ids.nested && sequence >= b->ids.n_lists)
        return failure("bench", "%s: %u lists are needed, %zu found", b->tokens, sequence + 1, b->ids.n_lists);
    size_t list = b->ids.nested ? sequence : 0, begin = list ? b->ids.ends[list - 1] : 0;
    size_t found = b->ids.ends[list] - begin;
    if (found >= needed) return 0;
    return failure("bench", "%s: list %zu has %zu ids, these depths, -p and -n need %llu", b->tokens, list + 1, found,
                   (unsigned long long)needed);
}

static int read_ids(bench *b) {
    char *text;
    size_t n_bytes;
    int code = file_read("bench", b->tokens, &text, &n_bytes);
    if (code) return code;
    const char *wrong = json_read_ids(&b->ids, text);
    free(text);
    if (wrong) return failure("bench", "%s: %s", b->tokens, wrong);
    uint64_t n_most = b->n_prompt > b->n_decode ? b->n_prompt : b->n_decode;
    code = check_list(b, 0, largest(&b->depths) + n_most);
    for (uint32_t i = 1; code == 0 && b->n_decode && i < largest(&b->batches); i++)
        code = check_list(b, i, (uint64_t)b->depths.at[0] + b->n_decode);
    return code;
}

/* ---- records ---- */

static int compare_rates(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_hashes(const bench *b, const skald_context *context, uint32_t n) {
    if (b->json) printf(", \"sha256\": [");
    for (uint32_t i = 0; i < n; i++) {
        char text[65];
        sha256(text, skald_logits(context, i), (size_t)b->session.info.n_vocab * sizeof(float));
        printf(b->json ? "%s\"%s\"" : "%s    %s\n", b->json && i ? ", " : "", text);
    }
    if (b->json) putchar(']');
}

static void print_record(bench *b, record *r, const skald_context *context) {
    qsort(r->rates, b->repeats, sizeof *r->rates, compare_rates);
    double least = r->rates[0], most = r->rates[b->repeats - 1];
    double median = (r->rates[(b->repeats - 1) / 2] + r->rates[b->repeats / 2]) / 2;
    double read = r->roofs.read_bytes_per_second, int8 = r->roofs.int8_ops_per_second;
    double read_share = read > 0 ? median * r->bytes_per_token / read : 0;
    double int8_share = int8 > 0 ? median * 2 * r->products_per_token / int8 : 0;
    if (b->json) {
        printf("%s{\"test\": \"%s\", \"threads\": %u, \"batch\": %u, \"depth\": %u, \"tokens\": %u, "
               "\"tokens_per_second\": {\"min\": %.6g, \"median\": %.6g, \"max\": %.6g}, \"bytes_per_token\": %.9g, "
               "\"read_roof_share\": %.4g, \"int8_roof_share\": %.4g, \"barrier_ns\": %.4g, \"read_roof\": %.4g, "
               "\"int8_roof\": %.4g",
               b->n_records ? ",\n " : "", r->test, r->threads, r->batch, r->depth, r->tokens, least, median, most,
               r->bytes_per_token, read_share, int8_share, r->roofs.barrier_nanoseconds, read, int8);
    } else {
        if (b->n_records == 0)
            printf(
                "                                        tokens per second       read roof    int8 roof   barrier\n"
                "test    threads batch depth tokens  median     min     max    GB/s  share   TOPS  share       ns\n");
        printf("%-8s%7u %5u %5u %6u %7.1f %7.1f %7.1f %7.1f %5.0f%% %6.2f %5.0f%% %8.0f\n", r->test, r->threads,
               r->batch, r->depth, r->tokens, median, least, most, read * 1e-9, read_share * 100, int8 * 1e-12,
               int8_share * 100, r->roofs.barrier_nanoseconds);
    }
    if (b->tokens) print_hashes(b, context, r->batch);
    if (b->json) putchar('}');
    fflush(stdout);
    b->n_records++;
}

/* The machine changes its mind within seconds: the better of before and after is the roof. */
static void measure_roofs(bench *b, record *r) {
    roofs now = roofs_measure(&b->memory, r->threads), *at = &r->roofs;
    b->last.threads = r->threads;
    b->last.roofs = now;
    if (now.read_bytes_per_second > at->read_bytes_per_second) at->read_bytes_per_second = now.read_bytes_per_second;
    if (now.int8_ops_per_second > at->int8_ops_per_second) at->int8_ops_per_second = now.int8_ops_per_second;
    at->barrier_nanoseconds = (at->barrier_nanoseconds + now.barrier_nanoseconds) / 2;
}

/* ---- measuring ---- */

static skald_status rewind_all(bench *b, const sequences *q) {
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; status == SKALD_OK && i < q->n; i++)
        status = skald_kv_cache_rewind(b->session.cache, q->seqs[i], q->depth);
    return status;
}

static skald_status run_prompt(bench *b, const sequences *q, skald_context *context, uint32_t n, skald_report *why) {
    fill_ids(b, q->prompt, 0, q->depth, n);
    skald_span span = {.size = sizeof span, .seq = q->seqs[0], .tokens = q->prompt, .n_tokens = n};
    return skald_step(context, b->session.cache, NULL, why, &span, 1);
}

static skald_status run_steps(bench *b, const sequences *q, skald_context *context, uint32_t n, skald_report *why) {
    skald_status status = SKALD_OK;
    for (uint32_t at = 0; status == SKALD_OK && at < n; at++) {
        for (uint32_t i = 0; i < q->n; i++) fill_ids(b, &q->next[i], i, q->depth + at, 1);
        status = skald_step(context, b->session.cache, NULL, why, q->spans, q->n);
    }
    return status;
}

typedef skald_status timed_run(bench *b, const sequences *q, skald_context *context, uint32_t n, skald_report *why);

/* Between two looks at the roofs: the whole run once, untimed, so that every page of the cache and of the scratch has been
 * touched, the workers are awake and the caches hold what a run leaves in them; then the repetitions. The look after one
 * figure is the look before the next on as many threads. */
static int measure(bench *b, const sequences *q, uint32_t thread_index, record *r, timed_run *run, uint32_t n) {
    skald_report why = {.size = sizeof why};
    skald_context *context = b->contexts[thread_index];
    if (b->last.threads == r->threads) r->roofs = b->last.roofs;
    else r->roofs = roofs_measure(&b->memory, r->threads);
    skald_status status = run(b, q, context, n, &why);
    for (uint32_t i = 0; status == SKALD_OK && i < b->repeats; i++) {
        status = rewind_all(b, q);
        if (status != SKALD_OK) break;
        double begin = seconds_now();
        status = run(b, q, context, n, &why);
        r->rates[i] = r->tokens / (seconds_now() - begin);
    }
    measure_roofs(b, r);
    if (status == SKALD_OK) print_record(b, r, context);
    if (status == SKALD_OK) status = rewind_all(b, q);
    return status == SKALD_OK ? 0 : skald_failure("bench", status, &why);
}

static double cache_bytes(const bench *b) {
    return (double)skald_kv_bytes_per_token(&b->session.info, b->cache_type, b->cache_type);
}

/* Bytes of weights that a step of n rows reads, when rows choose their experts by chance. */
static double bytes_read(const bench *b, uint32_t n) {
    double untouched = 1;
    for (uint32_t i = 0; i < n; i++) untouched *= 1 - b->expert_share;
    return (double)b->weight_bytes + (double)b->expert_bytes * (1 - untouched);
}

/* Every piece of rows reads the weights once, and the cache up to where it stands. */
static int measure_prefill(bench *b, const sequences *q, uint32_t thread_index) {
    record r = {.test = "prefill",
                .threads = b->threads.at[thread_index],
                .batch = 1,
                .depth = q->depth,
                .tokens = b->n_prompt};
    double bytes = 0;
    for (uint32_t at = 0; at < b->n_prompt; at += PIECE_ROWS) {
        uint32_t end = at + PIECE_ROWS < b->n_prompt ? at + PIECE_ROWS : b->n_prompt;
        bytes += bytes_read(b, end - at) + cache_bytes(b) * ((double)q->depth + end);
    }
    r.bytes_per_token = bytes / b->n_prompt;
    r.products_per_token = (double)b->body_products + (double)b->head_products / b->n_prompt;
    return measure(b, q, thread_index, &r, run_prompt, b->n_prompt);
}

/* Every step reads the weights once and the cache of each sequence. */
static int measure_decode(bench *b, const sequences *q, uint32_t thread_index) {
    record r = {.test = "decode",
                .threads = b->threads.at[thread_index],
                .batch = q->n,
                .depth = q->depth,
                .tokens = q->n * b->n_decode};
    r.bytes_per_token = bytes_read(b, q->n) / q->n + cache_bytes(b) * (q->depth + (b->n_decode + 1) / 2.0);
    r.products_per_token = (double)b->body_products + (double)b->head_products;
    return measure(b, q, thread_index, &r, run_steps, b->n_decode);
}

/* ---- cases ---- */

static void close_sequences(bench *b, sequences *q) {
    skald_kv_cache_free(b->session.cache);
    b->session.cache = NULL;
    free(q->seqs);
    free(q->spans);
    free(q->next);
    free(q->prompt);
}

static skald_status make_cache(bench *b, const sequences *q, skald_report *why) {
    uint64_t n_most = b->n_prompt > b->n_decode ? b->n_prompt : b->n_decode;
    if (n_most < 8) n_most = 8;
    uint64_t pages = (q->depth + n_most + SKALD_PAGE_TOKENS - 1) / SKALD_PAGE_TOKENS;
    skald_kv_cache_options options;
    skald_kv_cache_options_init(&options, sizeof options);
    options.n_sequences = q->n;
    options.n_tokens = pages * SKALD_PAGE_TOKENS * q->n;
    options.k_type = options.v_type = b->cache_type;
    return skald_kv_cache_create(&b->session.cache, b->session.model, &options, why);
}

/* The prompts of all sequences, as fast as the most threads can; each reads its own, so that no page is shared. */
static skald_status fill_depth(bench *b, const sequences *q, skald_report *why) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < b->threads.n; i++)
        if (b->threads.at[i] > b->threads.at[most]) most = i;
    char label[48];
    snprintf(label, sizeof label, "filling %u x %u", q->n, q->depth);
    skald_status status = SKALD_OK;
    skald_step_options options;
    skald_step_options_init(&options, sizeof options);
    options.progress = progress_callback;
    for (uint32_t i = 0; status == SKALD_OK && i < q->n; i++) {
        status = skald_kv_cache_open(&q->seqs[i], b->session.cache);
        q->spans[i] = (skald_span){.size = sizeof *q->spans, .seq = q->seqs[i], .tokens = &q->next[i], .n_tokens = 1};
        if (status != SKALD_OK || q->depth == 0) continue;
        fill_ids(b, q->prompt, i, 0, q->depth);
        skald_span span = {.size = sizeof span,
                           .seq = q->seqs[i],
                           .tokens = q->prompt,
                           .n_tokens = q->depth,
                           .logits = SKALD_LOGITS_NONE};
        progress bar = progress_begin(label);
        options.progress_user = &bar;
        status = skald_step(b->contexts[most], b->session.cache, &options, why, &span, 1);
        progress_end(&bar);
    }
    return status;
}

static int open_sequences(bench *b, sequences *q, uint32_t batch, uint32_t depth) {
    if (depth > 0) b->last.threads = 0; /* filling takes its time */
    uint32_t n_prompt = depth > b->n_prompt ? depth : b->n_prompt;
    *q = (sequences){.n = batch, .depth = depth};
    q->seqs = calloc(batch, sizeof *q->seqs);
    q->spans = calloc(batch, sizeof *q->spans);
    q->next = calloc(batch, sizeof *q->next);
    q->prompt = calloc((size_t)n_prompt + 1, sizeof *q->prompt);
    if (!q->seqs || !q->spans || !q->next || !q->prompt) return failure("bench", "no memory");
    skald_report why = {.size = sizeof why};
    skald_status status = make_cache(b, q, &why);
    if (status == SKALD_OK) status = fill_depth(b, q, &why);
    return status == SKALD_OK ? 0 : skald_failure("bench", status, &why);
}

static int run_case(bench *b, uint32_t batch, uint32_t depth, int prefill, int decode) {
    if (!prefill && !decode) return 0;
    sequences q;
    int code = open_sequences(b, &q, batch, depth);
    for (uint32_t t = 0; code == 0 && prefill && t < b->threads.n; t++) code = measure_prefill(b, &q, t);
    for (uint32_t t = 0; code == 0 && decode && t < b->threads.n; t++) code = measure_decode(b, &q, t);
    close_sequences(b, &q);
    return code;
}

static int run_cases(bench *b) {
    int code = 0, prefill = b->n_prompt > 0, decode = b->n_decode > 0, alone_at_first = 0;
    for (uint32_t i = 0; i < b->batches.n; i++) alone_at_first |= b->batches.at[i] == 1;
    for (uint32_t d = 0; code == 0 && d < b->depths.n; d++)
        code = run_case(b, 1, b->depths.at[d], prefill, decode && (d > 0 || alone_at_first));
    for (uint32_t i = 0; code == 0 && i < b->batches.n; i++)
        code = run_case(b, b->batches.at[i], b->depths.at[0], 0, decode && b->batches.at[i] > 1);
    return code;
}

static double experts_used(const bench *b) {
    char key[128], text[32] = "1";
    size_t n_bytes = sizeof text;
    snprintf(key, sizeof key, "%s.expert_used_count", b->session.info.architecture);
    skald_model_metadata(text, &n_bytes, b->session.model, key);
    return strtod(text, NULL);
}

/* A matrix that a kernel multiplies with is read once a step; the output head is as long as the vocabulary. */
static void count_weights(bench *b) {
    skald_tensor_info t = {.size = sizeof t};
    for (uint32_t i = 0; skald_model_tensor(&t, b->session.model, i) == SKALD_OK; i++) {
        if (!*t.kernel || t.shape[1] == 1) continue;
        uint64_t n = t.shape[0] * t.shape[1] * t.shape[2] * t.shape[3];
        if (t.shape[2] > 1) {
            const double share = experts_used(b) / (double)t.shape[2];
            b->expert_share = share < 1 ? share : 1;
            b->expert_bytes += t.n_bytes;
            b->body_products += (uint64_t)((double)n * b->expert_share);
            continue;
        }
        *(t.shape[1] == b->session.info.n_vocab ? &b->head_products : &b->body_products) += n;
        b->weight_bytes += t.n_bytes;
    }
}

static int make_contexts(bench *b) {
    skald_report why = {.size = sizeof why};
    skald_status status = SKALD_OK;
    skald_context_options options;
    skald_context_options_init(&options, sizeof options);
    options.n_rows = PIECE_ROWS;
    options.n_logits = largest(&b->batches);
    for (uint32_t t = 0; status == SKALD_OK && t < b->threads.n; t++) {
        options.n_threads = b->threads.at[t];
        status = skald_context_create(&b->contexts[t], b->session.model, &options, &why);
    }
    return status == SKALD_OK ? 0 : skald_failure("bench", status, &why);
}

static int run_bench(bench *b) {
    int code = session_start(&b->session, "bench", largest(&b->threads), b->wishes);
    if (code == 0) code = session_open(&b->session, b->model, 0);
    if (code) return code;
    drop_depths(b);
    count_weights(b);
    if (b->tokens) code = read_ids(b);
    if (code == 0) code = make_contexts(b);
    if (code == 0 && !roof_memory_open(&b->memory)) code = failure("bench", "no memory to measure the roofs with");
    if (code) return code;
    if (b->json) putchar('[');
    code = run_cases(b);
    if (b->json) puts("]");
    return code;
}

int command_bench(int argc, char **argv) {
    bench b = {.n_prompt = 512, .n_decode = 64, .repeats = 3, .cache_type = SKALD_F16};
    int code = read_options(&b, argc, argv);
    if (code != GO_ON) return code;
    set_defaults(&b);
    code = run_bench(&b);
    roof_memory_close(&b.memory);
    for (uint32_t t = 0; t < b.threads.n; t++) skald_context_free(b.contexts[t]);
    id_lists_free(&b.ids);
    session_close(&b.session);
    return code ? code : output_end("bench");
}

/* Requests that name adapters: each has the ids and the bits that it has alone, beginnings are shared under the same adapters only,
 * and what cannot be named is refused. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/adapter_writer.h"
#include "support/wishes.h"
#include <math.h>

static wish want[MOST_REQUESTS], got[MOST_REQUESTS];

enum { N_ADAPTERS = 3, N_USES = 7 };

/* Which adapters a request names, and their scales: none, each alone, one with another scale, two in both orders. */
static const struct {
    uint32_t n, adapter[2];
    float scale[2];
} uses[N_USES] = {{0, {0}, {0}},      {1, {0}, {1}},          {1, {1}, {1}},         {1, {2}, {0.5f}},
                  {1, {0}, {-0.75f}}, {2, {0, 1}, {1, 0.5f}}, {2, {1, 0}, {0.5f, 1}}};

static void open_adapters(skald_adapter **adapters, skald_model *model) {
    static const uint32_t rank[N_ADAPTERS] = {1, 4, 40};
    const skald_source path = {.size = sizeof path, .path = WORLD_MODEL};
    sk_files files;
    CHECK_EQUAL(sk_files_open(&files, &sk_libc_allocator, &path, 1, false, NULL, NULL), SKALD_OK);
    for (uint32_t i = 0; i < N_ADAPTERS; i++) {
        const adapter_shape shape = {.seed = i + 1, .rank = rank[i], .alpha = 8, .type = SKALD_F16, .every = 1};
        adapter_bytes file = adapter_write(&files, &shape, "llama");
        const skald_source source = {.size = sizeof source, .bytes = file.bytes, .n_bytes = file.n};
        CHECK_EQUAL(skald_adapter_open(&adapters[i], model, &source, NULL), SKALD_OK);
        free(file.bytes);
    }
    sk_files_close(&files);
}

static void name_adapters(wish *q, skald_adapter **adapters, uint32_t use) {
    q->n_by = uses[use].n;
    for (uint32_t i = 0; i < q->n_by; i++)
        q->by[i] = (skald_span_adapter){.adapter = adapters[uses[use].adapter[i]], .scale = uses[use].scale[i]};
}

/* Requests of the same prompts under every use, all in one batch, with and without the room and the sharing: each has the bits it
 * has alone. The caller's adapters are gone when the first step is made. */
static void adapted_as_alone(void) {
    static const struct {
        const char *name;
        uint32_t n_running, n_tokens, no_sharing, lookup;
    } ways[] = {{"adapters, all at once", 28, 16384, 0, 0},
                {"adapters, nothing shared", 28, 16384, 1, 0},
                {"adapters, few pages", 8, 1024, 0, 0},
                {"adapters, drafts", 28, 16384, 0, 1}};
    enum { N = 4 * N_USES };
    uint64_t n_preempted = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        skald_adapter *adapters[N_ADAPTERS];
        skald_engine_options o = options_of(ways[i].n_running, ways[i].n_tokens);
        o.no_sharing = ways[i].no_sharing, o.lookup = ways[i].lookup, o.max_rank = 40;
        engine e = open_engine(&o);
        const uint64_t without = e.memory->live;
        open_adapters(adapters, e.w.model);
        make_wishes(&e.w, got, N, 200);
        for (uint32_t k = 0; k < N; k++) {
            for (uint32_t t = 0; t < 120; t++) got[k].prompt[t] = world_id(&e.w, t);
            got[k].n_prompt = 100 + k / N_USES, got[k].n_tokens = 60;
            name_adapters(&got[k], adapters, k % N_USES);
        }
        if (i == 0) {
            memcpy(want, got, sizeof want);
            for (uint32_t k = 0; k < N; k++) run_alone(&e.w, &want[k]);
            for (uint32_t k = 0; k < N_USES; k++)
                for (uint32_t j = 0; j < k; j++)
                    CHECK_SAID(want[k].bits != want[j].bits, "uses %u and %u are the same", j, k);
        }
        for (uint32_t k = 0; k < N; k++) CHECK_EQUAL(submit(&e, &got[k]), SKALD_OK);
        for (uint32_t k = 0; k < N_ADAPTERS; k++) skald_adapter_release(adapters[k]);
        run_all(&e, got, N, 0);
        compare(got, want, N, ways[i].name);
        CHECK_EQUAL(e.memory->live, without); /* nobody's adapter is kept behind the last end that was told */
        n_preempted += stats_of(&e).n_preempted;
        close_engine(&e);
    }
    CHECK(n_preempted > 0);
}

/* A beginning is found by requests of the same adapters, in order and with their scales, and by no others; also when the adapter
 * it was read under is gone and another may lie at its address. */
static void shares_under_the_same_adapters(void) {
    enum { LENGTH = 140 };
    skald_adapter *adapters[N_ADAPTERS];
    skald_engine_options o = options_of(2, 8192);
    o.n_kept = 32, o.max_rank = 40;
    engine e = open_engine(&o);
    open_adapters(adapters, e.w.model);
    for (uint32_t i = 0; i < 3 * N_USES; i++) {
        const uint64_t before = stats_of(&e).n_prompt_shared;
        const bool again = i >= N_USES && (i < 2 * N_USES || uses[i % N_USES].n == 0);
        if (i == 2 * N_USES) {
            for (uint32_t k = 0; k < N_ADAPTERS; k++) skald_adapter_release(adapters[k]);
            open_adapters(adapters, e.w.model);
        }
        got[0] = (wish){.n_prompt = LENGTH, .n_tokens = 3};
        for (uint32_t k = 0; k < LENGTH; k++) got[0].prompt[k] = world_id(&e.w, k);
        name_adapters(&got[0], adapters, i % N_USES);
        want[0] = got[0];
        run_alone(&e.w, &want[0]);
        CHECK_EQUAL(submit(&e, &got[0]), SKALD_OK);
        run_all(&e, got, 1, 0);
        compare(got, want, 1, "a beginning under adapters");
        CHECK_SAID(stats_of(&e).n_prompt_shared - before == (again ? LENGTH - 1 : 0), "request %u shares %llu", i,
                   (unsigned long long)(stats_of(&e).n_prompt_shared - before));
    }
    for (uint32_t k = 0; k < N_ADAPTERS; k++) skald_adapter_release(adapters[k]);
    close_engine(&e);
}

static void refuses_adapters(void) {
    skald_report why = {.size = sizeof why};
    skald_adapter *adapters[N_ADAPTERS], *foreign[N_ADAPTERS];
    skald_engine_options o = options_of(2, 1024);
    world other;
    o.max_rank = 4;
    engine e = open_engine(&o);
    CHECK_EQUAL(world_open(&other, &(world_options){.n_tokens = 128}), SKALD_OK);
    open_adapters(adapters, e.w.model);
    open_adapters(foreign, other.model);
    const struct {
        uint32_t n;
        skald_span_adapter by[5];
        const char *said;
    } bad[] = {
        {5,
         {{adapters[0], 1, 0}, {adapters[0], 1, 0}, {adapters[0], 1, 0}, {adapters[0], 1, 0}, {adapters[0], 1, 0}},
         "5 adapters, at most 4"},
        {2, {{adapters[0], 1, 0}, {NULL, 1, 0}}, "adapter 1 is NULL"},
        {1, {{foreign[0], 1, 0}}, "adapter 0 is of another model"},
        {1, {{adapters[2], 1, 0}}, "adapter 0 has rank 40, the engine was made for 4"},
        {1, {{adapters[0], (float)INFINITY, 0}}, "scale of adapter 0 is not finite"}};
    memset(got[0].prompt, 0, sizeof got[0].prompt);
    skald_request r = {.size = sizeof r, .prompt = got[0].prompt, .n_prompt = 10, .n_tokens = 10};
    skald_request_id id;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r.adapters = bad[i].by, r.n_adapters = bad[i].n;
        CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
        CHECK_SAID(strstr(why.text, bad[i].said) != NULL, "%s", why.text);
    }
    r.adapters = NULL, r.n_adapters = 1;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
    CHECK_SAID(strstr(why.text, "1 adapters at NULL") != NULL, "%s", why.text);
    r.n_adapters = 0, r.reserved_2 = 1;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_ARGUMENT);
    r.reserved_2 = 0, r.adapters = &bad[0].by[0], r.n_adapters = 1;
    CHECK_EQUAL(skald_engine_submit(&id, e.at, &r, &why), SKALD_OK); /* and the engine is freed before its end */
    for (uint32_t k = 0; k < N_ADAPTERS; k++) skald_adapter_release(adapters[k]), skald_adapter_release(foreign[k]);
    world_close(&other);
    close_engine(&e);
}

int main(void) {
    adapted_as_alone();
    shares_under_the_same_adapters();
    refuses_adapters();
    return sk_checked();
}

/* Adapters that PEFT wrote, beside small models of eight families, against the logits that transformers gives with them; by the
 * folder, by the file of tensors, and from memory. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/golden.h"

#define TEXT 1 /* the one whose logits are there */

static char *peft_file(const char *name, const char *file, char *path, size_t *n_bytes) {
    char below[128];
    snprintf(path, 512, "%s/peft/%s/%s", SK_TEST_DATA, name, file);
    snprintf(below, sizeof below, "../peft/%s", name);
    return read_file(below, file, n_bytes);
}

static void run(const golden *g, session *s, const skald_adapter *adapter, const float *want, const float *plain) {
    const skald_span_adapter use = {.adapter = adapter, .scale = 1.0f};
    skald_span span = {.size = sizeof span,
                       .tokens = g->tokens[TEXT],
                       .n_tokens = g->n[TEXT],
                       .logits = SKALD_LOGITS_ALL};
    span.adapters = &use, span.n_adapters = 1;
    CHECK_EQUAL(skald_kv_cache_open(&span.seq, s->cache), SKALD_OK);
    if (!CHECK_EQUAL(skald_step(s->context, s->cache, NULL, NULL, &span, 1), SKALD_OK)) return;
    double sum = 0, squares = 0, most = 0, moved = 0, n = 0;
    for (uint32_t t = 0; t < g->n[TEXT]; t++) {
        const float *row = skald_logits(s->context, t);
        for (uint32_t i = 0; i < g->n_vocab; i++, n++) {
            const double w = want[(size_t)t * g->n_vocab + i], off = fabs(row[i] - w);
            sum += w, squares += w * w;
            if (!(off <= most)) most = off;
            if (fabs(w - plain[(size_t)t * g->n_vocab + i]) > moved)
                moved = fabs(w - plain[(size_t)t * g->n_vocab + i]);
        }
    }
    const double deviation = sqrt(squares / n - sum / n * (sum / n));
    CHECK_SAID(most <= 1e-4 * deviation, "%s: %.1e of the deviation away", g->name, most / deviation);
    CHECK_SAID(moved > 2 * deviation, "%s: the adapter changes little", g->name);
    CHECK_EQUAL(skald_kv_cache_release(s->cache, span.seq), SKALD_OK);
}

static void beside(const char *name, uint32_t rank) {
    golden g;
    open_golden(&g, name);
    session s = session_open(&(session_options){.path = g.path,
                                                .n_threads = 2,
                                                .n_tokens = 128,
                                                .n_sequences = 1,
                                                .n_rows = MOST,
                                                .n_logits = MOST,
                                                .max_rank = 16});
    char path[512], tensors_path[512];
    size_t n_config, n_tensors, n_logits;
    char *logits = peft_file(name, "logits.npy", path, &n_logits);
    char *config = peft_file(name, "adapter_config.json", path, &n_config);
    char *tensors = peft_file(name, "adapter_model.safetensors", tensors_path, &n_tensors);
    const size_t begin = n_logits - (size_t)g.n[TEXT] * g.n_vocab * sizeof(float);
    const skald_source from[2] = {{.size = sizeof *from, .bytes = tensors, .n_bytes = n_tensors},
                                  {.size = sizeof *from, .bytes = config, .n_bytes = n_config}};
    char folder[512];
    snprintf(folder, sizeof folder, "%s/peft/%s", SK_TEST_DATA, name);
    for (int way = 0; way < 3; way++) {
        skald_adapter *adapter = NULL;
        skald_report why = {.size = sizeof why};
        const skald_status status = way == 0   ? skald_adapter_open_peft(&adapter, s.model, &from[0], &from[1], &why)
                                    : way == 1 ? skald_adapter_open_path(&adapter, s.model, folder, &why)
                                               : skald_adapter_open_path(&adapter, s.model, tensors_path, &why);
        session_must(status, "adapter", &why);
        skald_adapter_info info = {.size = sizeof info};
        CHECK_EQUAL(skald_adapter_get_info(&info, adapter), SKALD_OK);
        CHECK_EQUAL(info.rank, rank);
        run(&g, &s, adapter, (const float *)(const void *)(logits + begin), g.want[TEXT]);
        skald_adapter_release(adapter);
    }
    free(logits), free(config), free(tensors);
    session_close(&s);
    close_golden(&g);
}

int main(void) {
    beside("llama_gqa_tied", 4);
    beside("smollm3", 5);
    beside("mixtral", 2);
    beside("gpt2", 3);
    beside("phi3", 4);
    beside("gemma3", 7);
    beside("qwen3next", 4);
    beside("deepseek2_lite", 4);
    return sk_checked();
}

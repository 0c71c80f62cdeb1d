/* skald info: what a model is and what it costs, for people and as JSON. */
#include "commands.h"
#include "json.h"
#include "options.h"
#include "session.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct info_options {
    const char *model;
    int json, ops;
    uint32_t room;
    skald_dtype cache_type;
    session_memory memory;
} info_options;

/* The tensors of one format that one kernel multiplies with. */
typedef struct tensor_group {
    const char *type, *kernel;
    uint32_t count;
    uint64_t n_bytes;
} tensor_group;

enum { MOST_GROUPS = 64 };

typedef struct tensor_groups {
    uint32_t n;
    tensor_group at[MOST_GROUPS];
} tensor_groups;

static int read_options(info_options *o, int argc, char **argv) {
    const option table[] = {
        {"-m", OPTION_TEXT, &o->model, "MODEL", "a GGUF file; for sizes alone a config.json, or its folder", 0, 0},
        {"--json", OPTION_FLAG, &o->json, NULL, "print a JSON object", 0, 0},
        {"-c", OPTION_COUNT, &o->room, "CONTEXT", "room of the planned cache (the model's context, at most 4096)", 1,
         0},
        {"--kv", OPTION_CACHE_TYPE, &o->cache_type, "TYPE",
         "type of the cache: f32, f16, bf16, f8_e4m3, q8_0, q4_0 (f16)", 0, 0},
        {"--ops", OPTION_FLAG, &o->ops, NULL, "print the recorded pass line by line", 0, 0},
        SESSION_MEMORY_OPTIONS(&o->memory),
        {0},
    };
    const command_line line = {
        .command = "info",
        .usage = "-m MODEL [--json] [-c CONTEXT] [--kv TYPE] [--ops]",
        .about =
            "Prints sizes, tensors by format, the kernels chosen, the memory plan and what a token costs in a cache.",
        .options = table,
    };
    int code = options_read(&line, argc, argv);
    if (code != GO_ON) return code;
    return o->model ? GO_ON : usage_error("info", "-m MODEL is missing");
}

static int only_sizes(const char *path) {
    struct stat about;
    size_t n = strlen(path);
    return (n >= 5 && strcmp(path + n - 5, ".json") == 0) || (stat(path, &about) == 0 && S_ISDIR(about.st_mode));
}

/* ---- cache rows: the model as it is, and the same sizes with other kinds of attention ---- */

typedef struct cache_row {
    const char *name;
    uint64_t n_bytes;
} cache_row;

enum { N_ROWS = 5 };

static uint64_t bytes_with_heads(const skald_model_info *info, skald_dtype type, uint32_t n_heads) {
    skald_model_info shape = *info;
    /* In a latent model the key head is a value head's width with the rotated part beside it. */
    if (shape.latent_dim) shape.head_dim_k = shape.head_dim_v;
    shape.latent_dim = shape.latent_rope_dim = 0;
    shape.n_kv_heads = n_heads;
    return skald_kv_bytes_per_token(&shape, type, type);
}

static void fill_rows(cache_row rows[N_ROWS], const skald_model_info *info, skald_dtype type) {
    skald_model_info latent = *info;
    if (!latent.latent_dim) {
        latent.latent_dim = 512;
        latent.latent_rope_dim = 64;
    }
    rows[0] = (cache_row){"model", skald_kv_bytes_per_token(info, type, type)};
    rows[1] = (cache_row){"MHA", bytes_with_heads(info, type, info->n_heads)};
    rows[2] = (cache_row){"GQA-8", bytes_with_heads(info, type, 8)};
    rows[3] = (cache_row){"MQA", bytes_with_heads(info, type, 1)};
    rows[4] = (cache_row){"MLA", skald_kv_bytes_per_token(&latent, type, type)};
}

static void name_attention(char *text, size_t n_bytes, const skald_model_info *info) {
    if (info->latent_dim) snprintf(text, n_bytes, "MLA %u+%u", info->latent_dim, info->latent_rope_dim);
    else if (info->n_kv_heads == info->n_heads) snprintf(text, n_bytes, "MHA");
    else if (info->n_kv_heads == 1) snprintf(text, n_bytes, "MQA");
    else snprintf(text, n_bytes, "GQA-%u", info->n_kv_heads);
}

/* As --kv writes it. */
static const char *cache_type_name(skald_dtype type) {
    switch (type) {
    case SKALD_F32: return "f32";
    case SKALD_BF16: return "bf16";
    case SKALD_F8_E4M3: return "f8_e4m3";
    case SKALD_Q8_0: return "q8_0";
    case SKALD_Q4_0: return "q4_0";
    default: return "f16";
    }
}

static void print_rows(const skald_model_info *info, skald_dtype type, int json) {
    cache_row rows[N_ROWS];
    char attention[32];
    fill_rows(rows, info, type);
    name_attention(attention, sizeof attention, info);
    uint32_t latent = info->latent_dim ? info->latent_dim : 512;
    uint32_t rope = info->latent_dim ? info->latent_rope_dim : 64;
    if (json) {
        printf("  \"cache\": {\"type\": \"%s\", \"attention\": \"%s\", \"bytes_per_token\": {", cache_type_name(type),
               attention);
        for (int i = 0; i < N_ROWS; i++)
            printf("%s\"%s\": %llu", i ? ", " : "", rows[i].name, (unsigned long long)rows[i].n_bytes);
        printf("}}");
        return;
    }
    printf("\ncache in %s, bytes per token\n", cache_type_name(type));
    static const char *const notes[N_ROWS] = {"this model", "as many key and value heads as query heads",
                                              "8 key and value heads", "1 key and value head", "latent"};
    for (int i = 0; i < N_ROWS; i++) {
        printf("  %-8s%12llu  %s", rows[i].name, (unsigned long long)rows[i].n_bytes, notes[i]);
        if (i == 0) printf(" (%s)", attention);
        if (i == N_ROWS - 1) printf(" of %u + %u", latent, rope);
        putchar('\n');
    }
}

/* ---- sizes ---- */

static void print_sizes(const skald_model_info *i, int json) {
    const struct {
        const char *key, *label;
        unsigned long long value;
    } sizes[] = {
        {"n_layers", "layers", i->n_layers},
        {"n_embd", "width", i->n_embd},
        {"n_heads", "query heads", i->n_heads},
        {"n_kv_heads", "key and value heads", i->n_kv_heads},
        {"head_dim_k", "key head", i->head_dim_k},
        {"head_dim_v", "value head", i->head_dim_v},
        {"n_ff", "feed-forward width", i->n_ff},
        {"n_vocab", "vocabulary", i->n_vocab},
        {"n_context", "context", i->n_context},
        {"latent_dim", "latent", i->latent_dim},
        {"latent_rope_dim", "rotated beside it", i->latent_rope_dim},
        {"n_parameters", "parameters", i->n_parameters},
        {"n_file_bytes", "bytes of tensors", i->n_file_bytes},
    };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        if (json) printf("  \"%s\": %llu,\n", sizes[k].key, sizes[k].value);
        else if (sizes[k].value) printf("%-22s%llu\n", sizes[k].label, sizes[k].value);
    }
}

static void print_field(const char *key, const char *value, int json) {
    if (!json) {
        if (*value) printf("%-22s%s\n", key, value);
        return;
    }
    printf("  \"%s\": ", key);
    json_write_text(stdout, value);
    fputs(",\n", stdout);
}

static void print_version(int json) {
    uint32_t v = skald_version();
    if (json)
        printf("  \"version\": \"%u.%u.%u\",\n  \"numerics\": %u,\n", v >> 16, v >> 8 & 255, v & 255,
               skald_numerics_version());
    else printf("%-22s%u\n", "numerics", skald_numerics_version());
}

/* ---- tensors, kernels, memory, recorded pass ---- */

static void group_tensors(tensor_groups *groups, const skald_model *model) {
    skald_tensor_info t = {.size = sizeof t};
    groups->n = 0;
    for (uint32_t index = 0; skald_model_tensor(&t, model, index) == SKALD_OK; index++) {
        uint32_t g = 0;
        while (g < groups->n && (strcmp(groups->at[g].type, t.type_name) || strcmp(groups->at[g].kernel, t.kernel)))
            g++;
        if (g == MOST_GROUPS) continue; /* more formats times kernels than there are */
        if (g == groups->n) groups->at[groups->n++] = (tensor_group){.type = t.type_name, .kernel = t.kernel};
        groups->at[g].count++;
        groups->at[g].n_bytes += t.n_bytes;
    }
}

static void print_tensors(const tensor_groups *groups, int json) {
    printf(json ? "  \"tensors\": [" : "\ntensors   count         bytes  kernel\n");
    for (uint32_t i = 0; i < groups->n; i++) {
        const tensor_group *g = &groups->at[i];
        printf(json ? "%s{\"type\": \"%s\", \"count\": %u, \"bytes\": %llu, \"kernel\": \"%s\"}"
                    : "%s  %-8s%5u %13llu  %s\n",
               json && i ? ", " : "", g->type, g->count, (unsigned long long)g->n_bytes, g->kernel);
    }
    if (json) printf("],\n");
}

/* Those that multiply are named beside their tensors too. */
static void print_kernels(const tensor_groups *groups, const skald_model *model, int json) {
    const char *operation, *kernel;
    printf(json ? "  \"kernels\": [" : "\nkernels\n");
    for (uint32_t i = 0; json && i < groups->n; i++)
        if (*groups->at[i].kernel)
            printf("{\"operation\": \"project\", \"type\": \"%s\", \"kernel\": \"%s\"}, ", groups->at[i].type,
                   groups->at[i].kernel);
    for (uint32_t i = 0; skald_model_kernel(&operation, &kernel, model, i) == SKALD_OK; i++)
        printf(json ? "%s{\"operation\": \"%s\", \"kernel\": \"%s\"}" : "%s  %-14s  %s\n", json && i ? ", " : "",
               operation, kernel);
    if (json) printf("],\n");
}

static void print_plan(const skald_memory_plan *plan, int json) {
    const struct {
        const char *key, *label;
        uint64_t value;
    } parts[] = {
        {"model_bytes", "model", plan->model_bytes},
        {"weights_bytes", "weights", plan->weights_bytes},
        {"load_bytes", "while loading", plan->load_bytes},
        {"cache_bytes", "cache", plan->cache_bytes},
        {"context_bytes", "context", plan->context_bytes},
        {"peak_bytes", "most at a time", plan->peak_bytes},
        {"mapped_bytes", "mapped", plan->mapped_bytes},
        {"stack_bytes", "thread stacks", plan->stack_bytes},
        {"device_bytes", "on the device", plan->device_bytes},
        {"cache_bytes_per_token", "cache per token", plan->cache_bytes_per_token},
    };
    printf(json ? "  \"memory\": {" : "\nmemory, bytes\n");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (json) printf("%s\"%s\": %llu", i ? ", " : "", parts[i].key, (unsigned long long)parts[i].value);
        else printf("  %-18s%14llu\n", parts[i].label, (unsigned long long)parts[i].value);
    }
    if (json) printf("},\n");
}

static int print_ops(session *s, const info_options *o) {
    skald_kv_cache_options cache;
    skald_kv_cache_options_init(&cache, sizeof cache);
    cache.n_tokens = 1;
    cache.k_type = cache.v_type = o->cache_type;
    int code = session_prepare(s, &cache, NULL);
    if (code) return code;
    printf(o->json ? "  \"ops\": [" : "\nrecorded pass\n");
    for (uint32_t index = 0;; index++) {
        char text[512];
        size_t n_bytes = sizeof text;
        skald_status status = skald_context_op(text, &n_bytes, s->context, index);
        if (status == SKALD_END) break;
        if (status != SKALD_OK) return failure("info", "line %u of the pass: %s", index, skald_status_text(status));
        if (o->json) {
            fputs(index ? ", " : "", stdout);
            json_write_text(stdout, text);
        } else {
            printf("  %s\n", text);
        }
    }
    if (o->json) printf("],\n");
    return 0;
}

static int make_plan(skald_memory_plan *plan, const session *s, const info_options *o) {
    skald_kv_cache_options cache;
    skald_kv_cache_options_init(&cache, sizeof cache);
    cache.n_tokens = o->room;
    cache.k_type = cache.v_type = o->cache_type;
    skald_model_options model;
    skald_model_options_init(&model, sizeof model);
    model.in_place = (uint32_t)o->memory.no_pack;
    skald_source file = {.size = sizeof file, .path = o->model};
    skald_report why = {.size = sizeof why};
    *plan = (skald_memory_plan){.size = sizeof *plan};
    skald_status status = skald_memory_get_plan(plan, s->runtime, &model, &cache, NULL, &why, &file, 1);
    return status == SKALD_OK ? 0 : skald_failure("info", status, &why);
}

static int print_model(session *s, const info_options *o) {
    skald_memory_plan plan;
    tensor_groups groups;
    int code = make_plan(&plan, s, o);
    if (code == 0) code = session_open(s, o->model, 0);
    if (code) return code;
    if (o->json) puts("{");
    print_field("architecture", s->info.architecture, o->json);
    print_field("name", s->info.name, o->json);
    print_field("device", s->info.device, o->json);
    print_version(o->json);
    print_sizes(&s->info, o->json);
    group_tensors(&groups, s->model);
    print_tensors(&groups, o->json);
    print_kernels(&groups, s->model, o->json);
    print_plan(&plan, o->json);
    if (o->ops) code = print_ops(s, o);
    print_rows(&s->info, o->cache_type, o->json);
    if (o->json) puts("\n}");
    return code;
}

static int print_inspected(session *s, const info_options *o) {
    skald_report why = {.size = sizeof why};
    skald_status status = skald_model_inspect(&s->info, s->runtime, o->model, &why);
    if (status != SKALD_OK) return skald_failure("info", status, &why);
    if (o->ops) return usage_error("info", "--ops needs a model with weights");
    if (o->json) puts("{");
    print_version(o->json);
    print_sizes(&s->info, o->json);
    print_rows(&s->info, o->cache_type, o->json);
    if (o->json) puts("\n}");
    return 0;
}

int command_info(int argc, char **argv) {
    info_options o = {.cache_type = SKALD_F16};
    int code = read_options(&o, argc, argv);
    if (code != GO_ON) return code;
    session s;
    code = session_start(&s, "info", 0, o.memory);
    if (code == 0) code = only_sizes(o.model) ? print_inspected(&s, &o) : print_model(&s, &o);
    session_close(&s);
    return code ? code : output_end("info");
}

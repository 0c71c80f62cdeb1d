/* A model of every family against the logits of another engine: at the machine's best level, in plain C, and on a device
 * whose memory is not the host's; whole, in chunks, token by token, alone and together. With a name as argument only that
 * model is tried. Under a sanitizer, which needs many minutes for all of it, plain C is left out, and the other ways on the
 * second device. */
#define SK_ALLOW_LIBC_MEMORY
#include "support/golden.h"
#include "support/world.h"

int main(int argc, char **argv) {
    static const char *const names[] = {"gpt2",          "gpt2_sinusoids", "qwen2",        "qwen3",
                                        "gemma2",        "gemma3",         "phi3",         "smollm3",
                                        "mixtral",       "qwen3moe",       "olmoe",        "gpt_oss",
                                        "gpt_oss_mxfp4", "deepseek2_lite", "deepseek2_v3", "qwen2moe",
                                        "qwen35",        "qwen3next",      "olmo2",        "phi3_short",
                                        "llama_linear",  "llama_yarn",     "phi3_long"};
    static const device devices[] = {{.name = "cpu"},
                                     {.name = "cpu", .level = "scalar"},
                                     {"apart", PLUGIN, "delay=0", NULL}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        golden g;
        if (argc > 1 && strcmp(argv[1], names[i])) continue;
        open_golden(&g, names[i]);
        g.n_context = strcmp(names[i], "phi3_short") == 0 ? MOST : 0; /* inside its original context of 128 */
        g.quantizes = strstr(names[i], "mxfp4") != NULL;
        for (size_t d = 0; d < sizeof devices / sizeof *devices; d++) {
            if (WORLD_SANITIZED && devices[d].level) continue;
            if (!devices[d].level) first_run(&g, &devices[d]); /* plain C has the bits of the best level */
            if (!WORLD_SANITIZED || !devices[d].plugin) other_runs(&g, &devices[d]);
        }
        close_golden(&g);
    }
    return sk_checked();
}

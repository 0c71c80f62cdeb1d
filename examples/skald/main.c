/* skald: the program in the hand. All that it does it does through skald.h. */
#include "commands.h"
#include "options.h"
#include <skald/skald.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} commands[] = {
    {"run", command_run, "continue a text, or hold a conversation"},
    {"batch", command_batch, "continue the texts of a file, many at once"},
    {"info", command_info, "what a model is: sizes, formats, kernels, memory"},
    {"tokenize", command_tokenize, "text to token ids"},
    {"eval", command_eval, "logits of all positions to a .npy file"},
    {"perplexity", command_perplexity, "how well a model foretells a text"},
    {"bench", command_bench, "tokens per second beside the machine's roofs"},
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(FILE *file) {
    fputs("usage: skald COMMAND [options]\n\n", file);
    for (int i = 0; i < N_COMMANDS; i++) fprintf(file, "  %-12s%s\n", commands[i].name, commands[i].about);
    fputs("\nskald COMMAND --help lists a command's options; skald --version tells the version.\n", file);
}

static int print_version(void) {
    uint32_t version = skald_version();
    printf("skald %u.%u.%u, numerics %u\n", version >> 16, version >> 8 & 255, version & 255, skald_numerics_version());
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0) return print_version();
    if (strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0)
        return usage_error("", "there is no command \"%s\"", argv[1]);
    print_usage(stdout);
    return EXIT_SUCCESS;
}

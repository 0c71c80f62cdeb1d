/* What a fuzz target once met, run again without a fuzzer: replay PACK calls the target it is linked with for each input of a
 * pack: 4 bytes that say how long it is (little-endian), and its bytes. A broken promise ends the run. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static uint8_t *read_whole(const char *path, size_t *n_bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*n_bytes + 1);
    if (bytes && fread(bytes, 1, *n_bytes, file) != *n_bytes) free(bytes), bytes = NULL;
    fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    size_t n_bytes = 0, n_inputs = 0;
    uint8_t *pack = argc == 2 ? read_whole(argv[1], &n_bytes) : NULL;
    if (!pack) return fprintf(stderr, "usage: %s PACK\n", argv[0]), 2;
    for (size_t at = 0; at < n_bytes; n_inputs++) {
        size_t n = 0;
        for (size_t i = 0; i < 4 && at < n_bytes; i++) n |= (size_t)pack[at++] << 8 * i;
        if (n > n_bytes - at) return fprintf(stderr, "%s: input %zu goes beyond the end\n", argv[1], n_inputs), 2;
        uint8_t *input = malloc(n ? n : 1); /* of its own, so that a sanitizer sees its end */
        if (!input) return 2;
        for (size_t i = 0; i < n; i++) input[i] = pack[at + i];
        LLVMFuzzerTestOneInput(input, n);
        free(input);
        at += n;
    }
    free(pack);
    printf("%zu inputs\n", n_inputs);
    return n_inputs == 0;
}

/* hello: prompt in, text out. */
#include <skald/skald.h>
#include <stdio.h>

static int32_t print(void *user, const char *text, size_t n_bytes) {
    fwrite(text, 1, n_bytes, user);
    return fflush(user);
}

int main(int argc, char **argv) {
    if (argc != 3) return fputs("usage: hello MODEL.gguf PROMPT\n", stderr), 2;
    skald_runtime *runtime = NULL;
    skald_model *model = NULL;
    skald_report why = {.size = sizeof why};
    skald_generate_options options = {.size = sizeof options, .n_tokens = 128};
    skald_status status = skald_runtime_create(&runtime, NULL, &why);
    if (status == SKALD_OK) status = skald_model_open_path(&model, runtime, argv[1], NULL, &why);
    if (status == SKALD_OK) status = skald_generate(model, argv[2], &options, print, stdout, &why);
    if (status != SKALD_OK) fprintf(stderr, "hello: %s\n", why.text);
    skald_model_release(model);
    skald_runtime_release(runtime);
    return status != SKALD_OK;
}

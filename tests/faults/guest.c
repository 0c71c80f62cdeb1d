/* A polite guest: the host's floating-point mode, locale, signals, stack and forks change no bit and are left as they
 * were. One life of the library is lived in each of those places and its bits are compared. */
#define _DEFAULT_SOURCE
#include "support/check.h"
#include "support/world.h"
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the mode of this thread, without the flags of what has happened */

#if defined(__x86_64__)
#include <xmmintrin.h>
#define MODE_CONTROL 0xffc0u
static uint64_t get_mode(void) { return _mm_getcsr() & MODE_CONTROL; }
static void set_mode(uint64_t mode) { _mm_setcsr((uint32_t)mode); }
static const struct {
    const char *name;
    uint64_t mode;
} modes[] = {{"as usual", 0x1f80},      {"FTZ and DAZ", 0x9fc0},           {"round up", 0x5f80},
             {"round to zero", 0x7f80}, {"every exception traps", 0x0000}, {"all at once", 0xc040}};
#elif defined(__aarch64__)
static uint64_t get_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static void set_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
static const struct {
    const char *name;
    uint64_t mode;
} modes[] = {{"as usual", 0},
             {"flush to zero", 1u << 24},
             {"round up", 1u << 22},
             {"round to zero", 3u << 22},
             {"default NaN", 1u << 25}};
#else
static uint64_t get_mode(void) { return 0; }
static void set_mode(uint64_t mode) { (void)mode; }
static const struct {
    const char *name;
    uint64_t mode;
} modes[] = {{"as usual", 0}};
#endif

static void on_trap(int number) {
    static const char text[] = "a public call let a floating-point exception of the host's mode through\n";
    (void)number;
    _exit(write(2, text, sizeof text - 1) > 0 ? 3 : 4);
}

/* ---- a life: everything that computes, and what came out */

typedef struct life {
    uint64_t mode;
    const skald_executor *executor;
    uint64_t bits;      /* of all logits and ids */
    uint32_t n_changed; /* calls after which the mode was another */
    const char *failed; /* the first call that failed */
} life;

static void done(life *l, const char *call, skald_status status) {
    if (get_mode() != l->mode) l->n_changed++;
    if (status != SKALD_OK && !l->failed) l->failed = call;
}

static void mix(life *l, uint64_t x) { l->bits = (l->bits ^ x) * 0x100000001b3u; }

static int32_t hear(void *user, const char *text, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) mix(user, (unsigned char)text[i]);
    return 0;
}

static int32_t go_on(void *user, float progress) {
    (void)user, (void)progress;
    return 0;
}

static void look(life *l, world *w) {
    char text[256];
    size_t n = sizeof text;
    float widened[32];
    unsigned char block[34];
    skald_memory_plan plan = {.size = sizeof plan};
    skald_model_info info = {.size = sizeof info};
    const skald_source source = {.size = sizeof source, .path = WORLD_MODEL};
    memset(block, 0x11, sizeof block);
    done(l, "plan", skald_memory_get_plan(&plan, w->runtime, NULL, NULL, NULL, NULL, &source, 1));
    done(l, "inspect", skald_model_inspect(&info, w->runtime, WORLD_MODEL, NULL));
    mix(l, skald_kv_bytes_per_token(&info, SKALD_F16, SKALD_F16));
    done(l, "bytes_per_token", SKALD_OK);
    done(l, "op", skald_context_op(text, &n, w->context, 3));
    n = sizeof text;
    done(l, "metadata", skald_model_metadata(text, &n, w->model, "llama.rope.freq_base"));
    hear(l, text, n - 1);
    done(l, "to_f32", skald_dtype_to_f32(widened, SKALD_Q8_0, block, 32));
    block[0] = 1, block[1] = 0; /* a scale below the normal numbers */
    done(l, "to_f32", skald_dtype_to_f32(widened, SKALD_Q8_0, block, 32));
    for (int i = 0; i < 32; i++) {
        uint32_t bits;
        memcpy(&bits, &widened[i], sizeof bits);
        mix(l, bits);
    }
}

static int32_t hear_event(void *user, skald_answer_event event, const char *text, size_t n_bytes) {
    mix(user, event);
    return hear(user, text, n_bytes);
}

/* As deep as expressions and values may be: what walks them recurses. */
static void lay_out_deep(life *l, world *w) {
    enum { DEEP = 60, NESTED = 16 };
    static char text[16384];
    char layout[256] = "{{ a | tojson(indent=1) }}{{ a }}{{ a == a }}{{ ", json[256] = "{\"a\": ";
    size_t n = sizeof text;
    skald_template *t = NULL;
    for (int i = 0; i < NESTED; i++) strcat(layout, "f(");
    strcat(layout, "1");
    for (int i = 0; i < NESTED; i++) strcat(layout, ")");
    strcat(layout, " if 0 }}");
    for (int i = 0; i < DEEP; i++) strcat(json, "[");
    strcat(json, "1.5");
    for (int i = 0; i < DEEP; i++) strcat(json, "]");
    strcat(json, "}");
    const skald_template_input in = {.size = sizeof in, .json = json, .n_json_bytes = strlen(json)};
    done(l, "deep template", skald_template_create(&t, w->model, layout, strlen(layout), NULL));
    done(l, "deep render", skald_template_render(text, NULL, &n, t, &in, NULL));
    hear(l, text, n);
    skald_template_free(t);
}

static void repeat(char *text, const char *part, int n) {
    while (n-- > 0) strcat(text, part);
}

/* Compiles a text and follows it for some ids. */
static void follow(life *l, world *w, skald_grammar_kind kind, const char *text) {
    enum { MOST = 1024 };
    const skald_grammar_options o = {.size = sizeof o, .kind = kind, .cache_bytes = 4u << 20};
    static float row[MOST];
    skald_grammar *grammar = NULL;
    skald_matcher *matcher = NULL;
    done(l, "grammar", skald_grammar_create(&grammar, w->model, text, strlen(text), &o, NULL));
    done(l, "matcher", skald_matcher_create(&matcher, grammar, NULL));
    for (uint32_t i = 0; i < 40 && !l->failed; i++) {
        int32_t id = -1;
        memset(row, 0, sizeof row);
        const skald_status status = skald_matcher_mask(row, matcher, row, 400);
        done(l, "mask", status == SKALD_END ? SKALD_OK : status);
        if (status == SKALD_END) break;
        for (uint32_t k = 0; k < w->info.n_vocab; k++) {
            mix(l, row[k] == 0);
            if (row[k] == 0 && (id < 0 || k % 7 == i % 7)) id = (int32_t)k;
        }
        if (skald_model_is_end(w->model, id)) break;
        const skald_status taken = skald_matcher_accept(matcher, id);
        done(l, "accept", taken == SKALD_END ? SKALD_OK : taken);
        mix(l, skald_matcher_least(matcher));
    }
    skald_matcher_free(matcher);
    skald_grammar_release(grammar);
    done(l, "free", SKALD_OK);
}

/* As deep as groups, keys, values and schemas may be, and as long. */
static void constrain(life *l, world *w) {
    enum { GROUPS = 46, VALUES = 56, ALL = 20 };
    static char text[8192];
    strcpy(text,
           "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"^");
    repeat(text, "(", GROUPS);
    strcat(text, "[a-f]|x");
    repeat(text, ")?", GROUPS);
    strcat(text, "$\"},\"b\":{\"enum\":[");
    repeat(text, "[", VALUES);
    repeat(text, "]", VALUES);
    strcat(text, ",{\"c\":1.5}]},\"d\":");
    repeat(text, "{\"allOf\":[", ALL);
    strcat(text, "{\"minimum\":1}");
    repeat(text, "]}", ALL);
    for (int i = 1; i < 8; i++) {
        strcat(text, ",\"");
        repeat(text, "k\303\251", 5 * i);
        strcat(text, "\":true");
    }
    strcat(
        text,
        "},\"additionalProperties\":{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}]}}");
    follow(l, w, SKALD_GRAMMAR_JSON_SCHEMA, text);
    strcpy(text, "{\"type\":\"object\",\"patternProperties\":{\"^");
    repeat(text, "(", GROUPS);
    strcat(text, "a");
    repeat(text, ")", GROUPS);
    strcat(text, "$\":{\"type\":\"integer\",\"minimum\":-12345,\"maximum\":999999}},\"properties\":{\"b\":{}}}");
    follow(l, w, SKALD_GRAMMAR_JSON_SCHEMA, text);
    strcpy(text, "root ::= ");
    repeat(text, "(", GROUPS);
    strcat(text, "\"a\" | [^x-z] root?");
    repeat(text, ")?", GROUPS);
    follow(l, w, SKALD_GRAMMAR_RULES, text);
}

/* Numbers are read, reckoned with and written; the smallest ones need the mode that a template is run in. */
static void converse(life *l, world *w) {
    static const char layout[] =
        "{{ x * 0.1 }} {{ y | tojson }} {{ '1e-310' | float * 3 }} {{ 2.5 / 0.3 }}{{ messages[0].content }}";
    static const char json[] =
        "{\"x\": 0.7, \"y\": [1e-320, 123456789.123, 5e-324], \"messages\": [{\"content\": \"a 3,14\"}]}";
    static const char said[] =
        "<think>so</think>1<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1.5e-3}}</tool_call>";
    skald_template *t = NULL;
    skald_answer *answer = NULL;
    char text[512];
    size_t n = sizeof text;
    int32_t ids[512];
    uint32_t n_ids = 512;
    const skald_template_input in = {.size = sizeof in, .json = json, .n_json_bytes = sizeof json - 1};
    done(l, "template", skald_template_create(&t, w->model, layout, sizeof layout - 1, NULL));
    done(l, "render", skald_template_render(text, NULL, &n, t, &in, NULL));
    hear(l, text, n);
    done(l, "encode", skald_template_encode(ids, &n_ids, t, &in, NULL));
    for (uint32_t i = 0; i < n_ids; i++) mix(l, (uint64_t)ids[i]);
    done(l, "answer", skald_answer_create(&answer, w->model, "hermes", 0, hear_event, l, NULL));
    done(l, "push", skald_answer_push(answer, said, sizeof said - 1));
    done(l, "end", skald_answer_end(answer));
    skald_answer_free(answer);
    skald_template_free(t);
}

static void run(life *l, world *w) {
    skald_seq seq, fork;
    skald_sampler *sampler = NULL;
    skald_sampler_options o;
    skald_step_options step;
    int32_t ids[200], id = 0;
    skald_sampler_options_init(&o, sizeof o);
    skald_step_options_init(&step, sizeof step);
    o.temperature = 0.7f, o.top_p = 0.9f, o.min_p = 0.01f, o.repetition = 1.2f, o.seed = 11;
    step.progress = go_on;
    done(l, "sampler", skald_sampler_create(&sampler, w->model, &o, NULL));
    done(l, "open", skald_kv_cache_open(&seq, w->cache));
    skald_span span = {.size = sizeof span, .seq = seq, .tokens = world_text(ids, w, 0, 200), .n_tokens = 200};
    step.microseconds = 50;
    skald_status status = skald_step(w->context, w->cache, &step, NULL, &span, 1);
    while (status == SKALD_PENDING) {
        status = skald_step_continue(w->context, &step, NULL);
        if (get_mode() != l->mode) l->n_changed++;
    }
    done(l, "step", status);
    for (uint32_t i = 0; i < 8 && !l->failed; i++) {
        mix(l, world_hash(w, 0));
        mix(l, (uint64_t)skald_logits_argmax(w->context, 0));
        done(l, "argmax", SKALD_OK);
        done(l, "choose", skald_sampler_choose(&id, sampler, skald_logits(w->context, 0), i, ids, 200));
        span.tokens = &id, span.n_tokens = 1;
        done(l, "step", skald_step(w->context, w->cache, NULL, NULL, &span, 1));
    }
    done(l, "fork", skald_kv_cache_fork(&fork, w->cache, seq, 130));
    span.seq = fork;
    done(l, "step", skald_step(w->context, w->cache, NULL, NULL, &span, 1));
    mix(l, world_hash(w, 0));
    skald_kv_cache_release(w->cache, fork);
    skald_kv_cache_release(w->cache, seq);
    skald_sampler_free(sampler);
    done(l, "free", SKALD_OK);
}

static void speak(life *l, world *w) {
    skald_generate_options o;
    skald_sampler_options sampler;
    skald_generate_options_init(&o, sizeof o);
    skald_sampler_options_init(&sampler, sizeof sampler);
    sampler.temperature = 1.0f;
    o.n_tokens = 10, o.n_context = 128, o.sampler = &sampler;
    converse(l, w);
    lay_out_deep(l, w);
    constrain(l, w);
    done(l, "generate", skald_generate(w->model, "I\xc4\xb0i\xc4\xb1 return 3,14", &o, hear, l, NULL));
}

static void live(life *l) {
    world w;
    const world_options o = {.n_rows = 64, .n_sequences = 2, .n_tokens = 512, .executor = l->executor};
    const uint64_t before = get_mode();
    set_mode(l->mode);
    done(l, "create", world_open(&w, &o));
    if (!l->failed) {
        look(l, &w);
        run(l, &w);
        speak(l, &w);
    }
    world_close(&w);
    done(l, "close", SKALD_OK);
    set_mode(before);
}

static uint64_t wanted;

static void check_life(life l, const char *where) {
    live(&l);
    CHECK_SAID(!l.failed, "%s: %s failed", where, l.failed);
    CHECK_SAID(l.n_changed == 0, "%s: %u calls left another floating-point mode", where, l.n_changed);
    CHECK_SAID(l.bits == wanted, "%s: other bits", where);
}

static uint64_t usual(void) { return modes[0].mode; }

/* ---- floating-point modes */

/* A host's job system whose threads are in a mode of their own. */
static uint64_t executor_mode;
static uint32_t n_executor_changes;

static void run_jobs(void *user, void (*job)(void *arg, uint32_t index), void *arg, uint32_t n_jobs) {
    (void)user;
    const uint64_t before = get_mode();
    for (uint32_t i = n_jobs; i-- > 0;) {
        set_mode(executor_mode);
        job(arg, i);
        if (get_mode() != executor_mode) n_executor_changes++;
    }
    set_mode(before);
}

static void check_modes(void) {
    const skald_executor executor = {run_jobs, NULL, 3};
    signal(SIGFPE, on_trap);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        check_life((life){.mode = modes[i].mode}, modes[i].name);
        executor_mode = modes[i].mode;
        check_life((life){.mode = usual(), .executor = &executor}, "a job system in another mode");
        CHECK_EQUAL(n_executor_changes, 0);
    }
    signal(SIGFPE, SIG_DFL);
}

/* ---- locale */

static void check_locales(void) {
    static const char *const names[] = {"de_DE.UTF-8", "tr_TR.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *there = setlocale(LC_ALL, names[i]);
        printf("locale %s: %s\n", names[i], there ? "there" : "not installed, skipped");
        if (there) check_life((life){.mode = usual()}, names[i]);
    }
    setlocale(LC_ALL, "C");
}

/* ---- stack */

#define STACK_BYTES (64u << 10)
#define STACK_LIMIT (32u << 10)

static char *stack, *stack_top; /* painted; where the life began */

static void *live_small(void *arg) {
    char here;
    stack_top = &here;
    live(arg);
    return NULL;
}

static void check_stack(void) {
    pthread_t thread;
    pthread_attr_t attributes;
    life l = {.mode = usual()};
    if (WORLD_SANITIZED) {
        printf("stack: skipped, sanitizers take their own share\n");
        return;
    }
    stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    memset(stack, 0x5a, STACK_BYTES);
    pthread_attr_init(&attributes);
    CHECK_EQUAL(pthread_attr_setstack(&attributes, stack, STACK_BYTES), 0);
    CHECK_EQUAL(pthread_create(&thread, &attributes, live_small, &l), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    const char *lowest = stack;
    while (lowest < stack_top && *lowest == 0x5a) lowest++;
    const size_t used = (size_t)(stack_top - lowest);
    printf("stack: %zu bytes\n", used);
    CHECK_SAID(used <= STACK_LIMIT, "the library and this test took %zu bytes of stack", used);
    CHECK(!l.failed && l.bits == wanted);
    munmap(stack, STACK_BYTES);
}

/* ---- fork */

#define N_CHILDREN 4

/* What a child does with what its parent made, and then with what it makes itself. */
static int child(world *w, uint64_t want) {
    if (world_answer(w, 180, 4) != want) return 2;
    world own;
    if (world_share(&own, w, &(world_options){.n_rows = 64}) != SKALD_OK) return 3;
    if (world_answer(&own, 180, 4) != want) return 4;
    world_close(&own);
    world_close(w);
#if !WORLD_SANITIZED
    life l = {.mode = usual()};
    live(&l);
    if (l.failed || l.bits != wanted) return 5;
#endif
    return 0;
}

static void check_fork(void) {
    world w;
    pid_t children[N_CHILDREN];
    CHECK_EQUAL(world_open(&w, &(world_options){.n_threads = 3}), SKALD_OK);
    const uint64_t want = world_answer(&w, 180, 4);
    CHECK(want != 0);
    fflush(NULL);
    for (int i = 0; i < N_CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            alarm(60);
            _exit(child(&w, want));
        }
        CHECK(children[i] > 0);
    }
    CHECK(world_answer(&w, 180, 4) == want); /* the parent goes on meanwhile */
    for (int i = 0; i < N_CHILDREN; i++) {
        int status = -1;
        CHECK_EQUAL(waitpid(children[i], &status, 0), children[i]);
        CHECK_SAID(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d ended with %d", i, status);
    }
    CHECK(world_answer(&w, 180, 4) == want);
    world_close(&w);
}

/* ---- signals */

static volatile sig_atomic_t n_signals;
static pthread_t main_thread;
static volatile sig_atomic_t n_elsewhere;

static void on_signal(int number) {
    (void)number;
    n_signals++;
    if (!pthread_equal(pthread_self(), main_thread)) n_elsewhere++;
}

/* The only thread that may take the signal blocks it: as long as it does, nobody runs the handler. */
static void check_signals(void) {
    world w;
    sigset_t set, before, pending;
    main_thread = pthread_self();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    CHECK_EQUAL(world_open(&w, &(world_options){.n_threads = 4}), SKALD_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK(!sigismember(&before, SIGUSR1)); /* making workers left this thread's mask alone */
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 20; i++) {
        kill(getpid(), SIGUSR1);
        CHECK(world_answer(&w, 50, 2) != 0);
    }
    usleep(20000);
    sigpending(&pending);
    CHECK_EQUAL(n_signals, 0);
    CHECK(sigismember(&pending, SIGUSR1));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    CHECK_EQUAL(n_signals, 1);
    CHECK_EQUAL(n_elsewhere, 0);
    world_close(&w);
}

int main(void) {
    life first = {.mode = usual()};
    live(&first);
    CHECK_SAID(!first.failed, "%s failed", first.failed);
    wanted = first.bits;
    check_modes();
    check_locales();
    check_stack();
    check_fork();
    check_signals();
    return sk_checked();
}

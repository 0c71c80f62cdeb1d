/* game: three characters think inside a game that draws 60 frames a second. Thinking gets 4 ms of each frame, the game's
 * own threads and the game's own memory. What the three know of the world is read once and shared; at the end their
 * conversations are saved, restored, and go on with the same words.
 *
 *     world (600 ids) ─ fork ─▶ smith ─▶ "..."      one step of the model takes all three a word further; a step that
 *                        ├────▶ guard ─▶ "..."      is not done when the frame's time is over goes on in the next
 *                        └────▶ child ─▶ "..."
 *
 * usage: game MODEL.gguf [SECONDS (10)] */
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_CHARACTERS        3u
#define WORLD_TOKENS        600u
#define ROOM_TOKENS         2048u /* of one conversation */
#define FRAME_MICROSECONDS  16667u
#define BUDGET_MICROSECONDS 4000u
#define MARGIN_MICROSECONDS 500u              /* a job of the library under way, and choosing three words */
#define HISTOGRAM_PLACES    14u               /* of half a millisecond; the last one holds all above */
#define ARENA_BESIDES       ((size_t)8 << 20) /* the plan: what an arena cannot give back in between */

static const char *const names[N_CHARACTERS] = {"smith", "guard", "child"};
static const char *const openings[N_CHARACTERS] = {
    "\n\nThe smith puts down his hammer, looks at the traveller and says: \"",
    "\n\nThe guard at the gate lowers his spear and says: \"",
    "\n\nA child runs up to the traveller and asks: \"",
};
static const char world_text[] =
    "The village of Hollin lies where the river Ask leaves the mountains. Forty houses stand around a square with a "
    "well, a smithy, an inn called The Blue Heron and a hall whose roof has leaked since the flood. The road from the "
    "south ends here; what goes on is a path for goats and for those who dig silver in the old mine above the falls. ";

typedef struct character {
    skald_seq seq;
    skald_decoder decoder;
    int32_t tokens[ROOM_TOKENS]; /* the world, the opening and what was said */
    uint32_t n_tokens, n_read, n_said;
    char line[256]; /* the last words, for the speech bubble */
    size_t n_line;
} character;

typedef struct game {
    arena memory;
    jobs jobs;
    skald_runtime *runtime;
    skald_model *model;
    skald_kv_cache *cache;
    skald_context *context;
    skald_sampler *sampler;
    character cast[N_CHARACTERS];
    skald_seq world;
    skald_span spans[N_CHARACTERS];
    uint32_t n_spans;
    bool paused;              /* a step waits for the next frame */
    uint64_t n_computed;      /* tokens that went through the model */
    uint64_t first_talk, end; /* microseconds */
    uint32_t histogram[HISTOGRAM_PLACES], n_frames, n_late;
    uint64_t longest;
    skald_report why;
} game;

static bool good(const game *g, skald_status status, const char *what) {
    if (status == SKALD_OK) return true;
    fprintf(stderr, "game: %s: %s\n", what, g->why.status == status ? g->why.text : skald_status_text(status));
    return false;
}

/* ---- loading: everything is asked for here, and nothing in a frame */

static skald_kv_cache_options cache_room(void) {
    skald_kv_cache_options o;
    skald_kv_cache_options_init(&o, sizeof o);
    o.n_sequences = 2 * N_CHARACTERS + 1; /* the world, the cast, and the cast once more when it is restored */
    o.n_tokens = (2 * N_CHARACTERS + 1) * ROOM_TOKENS;
    return o;
}

static skald_context_options context_room(void) {
    skald_context_options o;
    skald_context_options_init(&o, sizeof o);
    o.n_rows = 32; /* small pieces of a prompt, so that a frame's time is used up to its end */
    o.n_logits = N_CHARACTERS;
    return o;
}

/* The exact size of the level's memory, from the file's header. */
static size_t planned_bytes(game *g, const char *path) {
    skald_runtime *asking = NULL;
    skald_memory_plan plan = {.size = sizeof plan};
    const skald_source file = {.size = sizeof file, .path = path};
    const skald_kv_cache_options cache = cache_room();
    const skald_context_options context = context_room();
    skald_status status = skald_runtime_create(&asking, NULL, &g->why);
    if (status == SKALD_OK) status = skald_memory_get_plan(&plan, asking, NULL, &cache, &context, &g->why, &file, 1);
    skald_runtime_release(asking);
    return good(g, status, path) ? (size_t)plan.peak_bytes + (size_t)plan.load_bytes : 0;
}

static bool load(game *g, const char *path) {
    const size_t bytes = planned_bytes(g, path);
    if (!bytes || !jobs_begin(&g->jobs)) return false;
    if (!arena_begin(&g->memory, (bytes + ARENA_BESIDES) & ~(size_t)4095)) return false;
    const skald_allocator memory = arena_allocator(&g->memory);
    const skald_executor executor = jobs_executor(&g->jobs);
    const skald_kv_cache_options cache = cache_room();
    const skald_context_options context = context_room();
    skald_runtime_options own;
    skald_sampler_options words;
    skald_runtime_options_init(&own, sizeof own);
    skald_sampler_options_init(&words, sizeof words);
    own.allocator = &memory, own.executor = &executor;
    words.temperature = 0.7f, words.top_k = 40, words.seed = 1;
    return good(g, skald_runtime_create(&g->runtime, &own, &g->why), "runtime") &&
           good(g, skald_model_open_path(&g->model, g->runtime, path, NULL, &g->why), path) &&
           good(g, skald_kv_cache_create(&g->cache, g->model, &cache, &g->why), "cache") &&
           good(g, skald_context_create(&g->context, g->model, &context, &g->why), "context") &&
           good(g, skald_sampler_create(&g->sampler, g->model, &words, &g->why), "sampler") &&
           good(g, skald_kv_cache_open(&g->world, g->cache), "sequence");
}

static void unload(game *g) {
    skald_sampler_free(g->sampler);
    skald_context_free(g->context);
    skald_kv_cache_free(g->cache);
    skald_model_release(g->model);
    skald_runtime_release(g->runtime);
    if (g->memory.begin) arena_end(&g->memory);
    if (g->jobs.n_threads) jobs_end(&g->jobs);
}

/* What all know: exactly WORLD_TOKENS ids, the same for each. */
static bool write_world(game *g) {
    character *first = &g->cast[0];
    while (first->n_tokens < WORLD_TOKENS) {
        uint32_t n = WORLD_TOKENS - first->n_tokens;
        const skald_status status = skald_encode(first->tokens + first->n_tokens, &n, g->model, SKALD_ENCODE_BOS,
                                                 world_text, sizeof world_text - 1);
        if (status != SKALD_OK && status != SKALD_SHORT) return good(g, status, "the world");
        first->n_tokens += status == SKALD_SHORT ? WORLD_TOKENS - first->n_tokens : n;
    }
    for (uint32_t i = 1; i < N_CHARACTERS; i++) {
        memcpy(g->cast[i].tokens, first->tokens, WORLD_TOKENS * sizeof *first->tokens);
        g->cast[i].n_tokens = WORLD_TOKENS;
    }
    return true;
}

/* ---- a frame */

/* The world has been read: each character goes on from it. */
static bool begin_talk(game *g) {
    for (uint32_t i = 0; i < N_CHARACTERS; i++) {
        character *c = &g->cast[i];
        uint32_t n = ROOM_TOKENS - c->n_tokens;
        if (!good(g, skald_kv_cache_fork(&c->seq, g->cache, g->world, WORLD_TOKENS), "fork") ||
            !good(g, skald_encode(c->tokens + c->n_tokens, &n, g->model, 0, openings[i], strlen(openings[i])),
                  names[i]))
            return false;
        c->n_read = WORLD_TOKENS;
        c->n_tokens += n;
    }
    g->first_talk = now_microseconds();
    return true;
}

static void add_span(game *g, skald_seq seq, const int32_t *tokens, uint32_t n, uint32_t logits) {
    g->spans[g->n_spans++] =
        (skald_span){.size = sizeof(skald_span), .seq = seq, .tokens = tokens, .n_tokens = n, .logits = logits};
    g->n_computed += n;
}

/* What the next step reads: the world, or of each character what it has not read. */
static void plan_step(game *g) {
    g->n_spans = 0;
    if (!g->first_talk) {
        add_span(g, g->world, g->cast[0].tokens, WORLD_TOKENS, SKALD_LOGITS_NONE);
        return;
    }
    for (uint32_t i = 0; i < N_CHARACTERS; i++) {
        character *c = &g->cast[i];
        if (c->n_tokens < ROOM_TOKENS)
            add_span(g, c->seq, c->tokens + c->n_read, c->n_tokens - c->n_read, SKALD_LOGITS_LAST);
    }
}

static void show(character *c, const char *text, size_t n) {
    if (n > sizeof c->line) n = sizeof c->line;
    if (c->n_line + n > sizeof c->line) c->n_line = 0;
    memcpy(c->line + c->n_line, text, n);
    c->n_line += n;
}

/* Each character's next word, from row `row` of the logits. */
static bool speak(game *g, character *c, uint32_t row) {
    char text[512];
    size_t n = sizeof text;
    int32_t id;
    c->n_read = c->n_tokens;
    const skald_status status =
        skald_sampler_choose(&id, g->sampler, skald_logits(g->context, row), c->n_tokens, c->tokens, c->n_tokens);
    if (!good(g, status, "choosing a word")) return false;
    c->tokens[c->n_tokens++] = id;
    c->n_said++;
    if (skald_decoder_push(text, &n, &c->decoder, g->model, id) == SKALD_OK) show(c, text, n);
    return true;
}

/* A step is done: the world is read, or three characters have said a word. */
static bool finish_step(game *g) {
    if (!g->first_talk) return begin_talk(g);
    uint32_t row = 0;
    for (uint32_t i = 0; i < N_CHARACTERS; i++)
        if (g->cast[i].n_tokens < ROOM_TOKENS && !speak(g, &g->cast[i], row++)) return false;
    return true;
}

/* Thinks until the budget is used up. */
static bool think(game *g, uint64_t begin) {
    skald_step_options options;
    skald_step_options_init(&options, sizeof options);
    for (;;) {
        const uint64_t used = now_microseconds() - begin;
        if (used + 2 * MARGIN_MICROSECONDS > BUDGET_MICROSECONDS) return true;
        options.microseconds = (uint32_t)(BUDGET_MICROSECONDS - MARGIN_MICROSECONDS - used);
        if (!g->paused) plan_step(g);
        if (!g->n_spans) return true;
        const skald_status status = g->paused
                                        ? skald_step_continue(g->context, &options, &g->why)
                                        : skald_step(g->context, g->cache, &options, &g->why, g->spans, g->n_spans);
        g->paused = status == SKALD_PENDING;
        if (g->paused) return true;
        if (!good(g, status, "a step") || !finish_step(g)) return false;
    }
}

static void count_frame(game *g, uint64_t microseconds) {
    const uint64_t place = microseconds / 500;
    g->histogram[place < HISTOGRAM_PLACES ? place : HISTOGRAM_PLACES - 1]++;
    g->n_frames++;
    g->n_late += microseconds > BUDGET_MICROSECONDS;
    if (microseconds > g->longest) g->longest = microseconds;
}

static bool play(game *g, double seconds) {
    uint64_t frame = now_microseconds();
    const uint64_t end = frame + (uint64_t)(seconds * 1e6);
    const uint32_t n_requests = g->memory.n_requests;
    for (; frame < end; frame += FRAME_MICROSECONDS) {
        sleep_until(frame); /* a real game draws here */
        const uint64_t begin = now_microseconds();
        if (!think(g, begin)) return false;
        count_frame(g, now_microseconds() - begin);
    }
    if (g->paused && !good(g, skald_step_cancel(g->context), "cancel")) return false;
    g->paused = false;
    g->end = now_microseconds();
    if (g->memory.n_requests == n_requests) return true;
    fprintf(stderr, "game: a frame asked for memory\n");
    return false;
}

/* ---- saving */

typedef struct saved {
    char *bytes;
    size_t n, at;
} saved;

static skald_status take(void *user, const void *from, size_t n) {
    saved *s = user;
    if (n > s->n - s->at) return SKALD_SHORT;
    memcpy(s->bytes + s->at, from, n);
    s->at += n;
    return SKALD_OK;
}

static skald_status give(void *user, void *to, size_t n) {
    saved *s = user;
    if (n > s->n - s->at) return SKALD_READ;
    memcpy(to, s->bytes + s->at, n);
    s->at += n;
    return SKALD_OK;
}

/* The logits of the last word that `seq` has read, read once more: the first float stands for all in a printed line. */
static bool last_logits(game *g, character *c, skald_seq seq, float *row, uint32_t n_vocab) {
    const skald_span again = {.size = sizeof again, .seq = seq, .tokens = c->tokens + c->n_read - 1, .n_tokens = 1};
    if (!good(g, skald_kv_cache_rewind(g->cache, seq, c->n_read - 1), "rewind") ||
        !good(g, skald_step(g->context, g->cache, NULL, &g->why, &again, 1), "a step"))
        return false;
    memcpy(row, skald_logits(g->context, 0), n_vocab * sizeof *row);
    return true;
}

/* Saves a conversation and restores it beside itself: both go on with the same bits. */
static bool save_and_restore(game *g, character *c, size_t *n_bytes) {
    skald_model_info info = {.size = sizeof info};
    skald_model_get_info(&info, g->model);
    uint64_t n = 0;
    skald_seq again;
    if (!good(g, skald_kv_cache_save(&n, g->cache, c->seq, NULL, NULL, &g->why), "saving")) return false;
    saved s = {.bytes = malloc((size_t)n), .n = (size_t)n};
    float *rows = malloc(2 * sizeof *rows * info.n_vocab);
    bool same = s.bytes && rows && good(g, skald_kv_cache_save(NULL, g->cache, c->seq, take, &s, &g->why), "saving");
    s.at = 0;
    same = same && good(g, skald_kv_cache_restore(&again, g->cache, give, &s, &g->why), "restoring") &&
           last_logits(g, c, c->seq, rows, info.n_vocab) && last_logits(g, c, again, rows + info.n_vocab, info.n_vocab);
    if (same && memcmp(rows, rows + info.n_vocab, info.n_vocab * sizeof *rows) != 0)
        fprintf(stderr, "game: a restored conversation goes on otherwise\n"), same = false;
    free(rows);
    free(s.bytes);
    *n_bytes += s.n;
    return same;
}

/* ---- the end */

static void tell(const game *g) {
    for (uint32_t i = 0; i < HISTOGRAM_PLACES; i++)
        if (g->histogram[i]) printf("%4.1f%s ms %6u\n", i * 0.5, i + 1 < HISTOGRAM_PLACES ? "" : "+", g->histogram[i]);
    printf("%u frames, %u beyond %.1f ms, the longest %.2f ms\n", g->n_frames, g->n_late, BUDGET_MICROSECONDS / 1e3,
           (double)g->longest / 1e3);
    const double seconds = g->first_talk ? (double)(g->end - g->first_talk) / 1e6 : 0;
    for (uint32_t i = 0; i < N_CHARACTERS; i++)
        printf("%s: %u words, %.1f a second: ...%.*s\n", names[i], g->cast[i].n_said,
               seconds > 0 ? g->cast[i].n_said / seconds : 0.0, (int)g->cast[i].n_line, g->cast[i].line);
}

/* The world went through the model once, each opening once, and each word once. */
static bool computed_once(const game *g) {
    uint64_t once = WORLD_TOKENS;
    for (uint32_t i = 0; i < N_CHARACTERS; i++) once += g->cast[i].n_tokens - WORLD_TOKENS;
    printf("%llu tokens computed, the world's %u of them once\n", (unsigned long long)g->n_computed, WORLD_TOKENS);
    return g->n_computed <= once;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) return fputs("usage: game MODEL.gguf [SECONDS]\n", stderr), 2;
    static game g = {.why = {.size = sizeof g.why}};
    size_t n_saved = 0;
    bool fine = load(&g, argv[1]) && write_world(&g) && play(&g, argc > 2 ? atof(argv[2]) : 10.0);
    if (fine) tell(&g);
    if (fine && !g.first_talk) fine = false, fputs("game: the time was too short to read the world\n", stderr);
    fine = fine && computed_once(&g);
    for (uint32_t i = 0; fine && i < N_CHARACTERS; i++) fine = save_and_restore(&g, &g.cast[i], &n_saved);
    if (fine) printf("3 conversations saved in %zu bytes and restored: they go on with the same bits\n", n_saved);
    unload(&g);
    return fine ? 0 : 1;
}

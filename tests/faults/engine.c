/* A long life of engines: thousands of requests with small caches, cancels, deadlines and steps that are cut short. Each
 * request ends once, nothing is asked of the host after creation, nothing is left at the end.
 * An argument says how many requests (3000). */
#define _POSIX_C_SOURCE 200809L
#define SK_ALLOW_LIBC_MEMORY
#include "support/check.h"
#include "support/memory.h"
#include "support/world.h"

enum { LIVING = 24, LONGEST = 200 };

static host_memory memory;
static uint64_t state = 88172645463325252u;

static uint32_t random_below(uint32_t n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

typedef struct life {
    world w;
    skald_engine *engine;
    skald_request_id living[LIVING];
    uint32_t n_living, n_ended;
} life;

static void open_life(life *l) {
    skald_engine_options o;
    skald_report why = {.size = sizeof why};
    skald_engine_options_init(&o, sizeof o);
    o.n_running = 1 + random_below(8), o.n_kept = 1 + random_below(6), o.n_requests = LIVING;
    o.n_tokens = 256 + 128 * random_below(8), o.n_rows = 16 + random_below(100), o.n_prompt_rows = 1 + random_below(40);
    o.n_text = 8192, o.no_sharing = random_below(4) == 0;
    o.lookup = random_below(2), o.draft = !o.lookup && random_below(2) ? l->w.model : NULL,
    o.n_draft = random_below(17);
    o.n_top = random_below(3);
    CHECK_SAID(skald_engine_create(&l->engine, l->w.model, &o, &why) == SKALD_OK, "%s", why.text);
    l->n_living = 0;
}

/* An engine whose nth block is refused has never been. */
static void refuse_life(const life *l) {
    skald_engine *engine = NULL;
    skald_engine_options o;
    const uint64_t before = memory.live;
    skald_engine_options_init(&o, sizeof o);
    o.n_running = 1 + random_below(4), o.n_tokens = 256, o.n_rows = 16, o.n_requests = 4;
    memory.refuse_at = memory.n_asked + 1 + random_below(4);
    const skald_status status = skald_engine_create(&engine, l->w.model, &o, NULL);
    CHECK_EQUAL(status, memory.n_asked >= memory.refuse_at ? SKALD_MEMORY : SKALD_OK);
    CHECK_EQUAL(skald_engine_free(engine), SKALD_OK);
    memory.refuse_at = 0;
    CHECK_EQUAL(memory.live, before);
}

/* Beginnings are shared by a few families of texts. */
static skald_status submit(life *l) {
    static int32_t prompt[LONGEST];
    static const char *const stops[] = {"e", "th"};
    const uint32_t n = 1 + random_below(LONGEST - 1), family = random_below(5), own = random_below(n + 1);
    for (uint32_t i = 0; i < n; i++)
        prompt[i] = world_id(&l->w, i < own ? 1000 * family + i : 7919 * i + random_below(9));
    const skald_request r = {.size = sizeof r,
                             .prompt = prompt,
                             .n_prompt = n,
                             .n_tokens = random_below(10),
                             .priority = (int32_t)random_below(3),
                             .deadline = random_below(10) == 0 ? 1 + random_below(2000) : 0,
                             .ignore_end = random_below(2),
                             .stops = stops,
                             .n_stops = random_below(3),
                             .n_heal = random_below(2) && n > 1 && prompt[n - 1] > 2 /* control tokens come first */};
    skald_status status = skald_engine_submit(&l->living[l->n_living], l->engine, &r, NULL);
    CHECK(status == SKALD_OK || status == SKALD_FULL);
    l->n_living += status == SKALD_OK;
    return status;
}

static void poll_all(life *l) {
    skald_event event = {.size = sizeof event};
    while (skald_engine_poll(&event, l->engine) == SKALD_OK) {
        uint32_t i = 0;
        while (i < l->n_living && l->living[i] != event.request) i++;
        if (!CHECK_SAID(i < l->n_living, "an event of a request that has ended") || event.kind == SKALD_EVENT_TOKEN)
            continue;
        CHECK(event.kind >= SKALD_EVENT_STOP && event.kind <= SKALD_EVENT_DEADLINE);
        l->living[i] = l->living[--l->n_living];
        l->n_ended++;
    }
}

static skald_status step(life *l) {
    const skald_status status = skald_engine_step(l->engine, random_below(3) ? 0 : 1 + random_below(300), NULL);
    CHECK(status == SKALD_OK || status == SKALD_END || status == SKALD_PENDING);
    if (l->n_living && random_below(8) == 0) skald_engine_cancel(l->engine, l->living[random_below(l->n_living)]);
    poll_all(l);
    return status;
}

/* Nobody is left, and no step is paused; then every page that is not free is of a kept text. */
static void finish(life *l) {
    skald_engine_stats s = {.size = sizeof s};
    for (uint32_t i = 0; i < 100000 && (step(l) != SKALD_END || l->n_living); i++) continue;
    CHECK_EQUAL(l->n_living, 0);
    CHECK_EQUAL(skald_engine_get_stats(&s, l->engine), SKALD_OK);
    CHECK_EQUAL(s.n_submitted, s.n_ended);
    CHECK_EQUAL(s.n_waiting + s.n_running, 0);
    CHECK(s.n_kept > 0 || s.n_pages_free == s.n_pages);
}

int main(int argc, char **argv) {
    const uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 3000;
    life l = {.n_ended = 0};
    memory_init(&memory);
    CHECK_EQUAL(world_open(&l.w, &(world_options){.memory = &memory.allocator, .n_tokens = 128}), SKALD_OK);
    const uint64_t before = memory.live;
    for (uint32_t submitted = 0; submitted < n;) {
        refuse_life(&l);
        open_life(&l);
        const uint64_t made = memory.live;
        for (uint32_t i = 0; i < 200 && submitted < n; i++) {
            while (l.n_living < LIVING && random_below(3) && submit(&l) == SKALD_OK) submitted++;
            step(&l);
        }
        finish(&l);
        CHECK_EQUAL(memory.live, made);
        CHECK_EQUAL(skald_engine_free(l.engine), SKALD_OK);
        CHECK_EQUAL(memory.live, before);
    }
    CHECK(l.n_ended >= n);
    printf("%u requests\n", l.n_ended);
    world_close(&l.w);
    CHECK_EQUAL(memory.live, 0);
    return sk_checked();
}

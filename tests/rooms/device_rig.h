/* A host without a model: it lends and counts memory, runs jobs one after the other, and pauses, cancels or refuses when told
 * to. */
#ifndef SK_TESTS_DEVICE_RIG_H
#define SK_TESTS_DEVICE_RIG_H
#include "rooms/device_network.h"
#include "support/check.h"
#include <skald/backend.h>
#include <stdlib.h>
#include <string.h>

typedef struct rig {
    skald_host host;
    long live, asked, fail_in; /* blocks; bytes since the start; fails at the fail_in-th block from now, 0: never */
    const skald_backend *b;
    skald_device *device;
    skald_buffer *constants, *room;
    uint64_t constants_used, room_used;
    skald_store *store;
    skald_stream *stream;
    skald_rows logits;
    uint32_t pages[SEQUENCES * PAGES];
    long polls, pause_at, cancel_at; /* asked so far; the one to answer so, 0: none */
} rig;

static void *host_alloc(void *self, uint64_t n_bytes, skald_memory_kind kind) {
    rig *g = self;
    (void)kind;
    if (g->fail_in && --g->fail_in == 0) return NULL;
    g->live++;
    g->asked += (long)n_bytes;
    return malloc((size_t)n_bytes);
}

static void host_free(void *self, void *pointer, uint64_t n_bytes) {
    ((rig *)self)->live--;
    memset(pointer, 0xa5, (size_t)n_bytes);
    free(pointer);
}

static void *host_enter(void *self, uint32_t n_threads) { return (void)self, (void)n_threads, NULL; }
static void host_leave(void *self, void *team) { (void)self, (void)team; }
static void host_run(void *self, void *team, void (*job)(void *arg, uint32_t index), void *arg, uint32_t n_jobs) {
    (void)self, (void)team;
    for (uint32_t i = 0; i < n_jobs; i++) job(arg, i);
}

static skald_poll poll(void *self) {
    rig *g = self;
    g->polls++;
    if (g->polls == g->cancel_at) return SKALD_POLL_CANCEL;
    return g->polls == g->pause_at ? SKALD_POLL_PAUSE : SKALD_POLL_GO;
}

static skald_status open_rig(rig *g, const skald_backend *b, const char *config, skald_report *why) {
    *g = (rig){.host = {.size = sizeof g->host,
                        .n_threads = 1,
                        .self = g,
                        .alloc = host_alloc,
                        .free = host_free,
                        .enter = host_enter,
                        .run = host_run,
                        .leave = host_leave,
                        .cpu_level = config}, /* the CPU has no other configuration */
               .b = b};
    return b->open(&g->device, b, &g->host, config, why);
}

static void close_rig(rig *g) {
    g->b->stream_free(g->stream);
    g->b->store_free(g->store);
    g->b->buffer_free(g->room);
    g->b->buffer_free(g->constants);
    if (g->device) g->b->close(g->device);
    CHECK_EQUAL(g->live, 0);
}
#endif

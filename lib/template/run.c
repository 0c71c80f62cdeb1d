/* What a run has of its own: memory that is given back at once, a count of its work, and its first failure. */
#include "template/value.h"
#include <string.h>

#define CHUNK_BYTES ((uint64_t)64 << 10)

static bool new_chunk(sk_run *r, uint64_t n_bytes) {
    uint64_t head = sk_align(sizeof(sk_arena_chunk), 16), want = sk_add(head, n_bytes);
    if (want < CHUNK_BYTES) want = CHUNK_BYTES;
    if (sk_add(r->n_bytes, want) > r->most_bytes)
        return sk_run_fail(r, SKALD_FORMAT, "the template takes more than %llu bytes",
                           (unsigned long long)r->most_bytes);
    sk_arena_chunk *chunk = sk_allocate(r->memory, 1, want, SKALD_MEMORY_SCRATCH);
    if (!chunk) return sk_run_fail(r, SKALD_MEMORY, "no memory for %llu bytes", (unsigned long long)want);
    *chunk = (sk_arena_chunk){r->chunks, want};
    r->chunks = chunk;
    r->n_bytes += want;
    r->at = (char *)chunk + head;
    r->end = (char *)chunk + want;
    return true;
}

void *sk_run_take(sk_run *r, uint64_t n_bytes) {
    n_bytes = sk_align(n_bytes ? n_bytes : 1, 16);
    if (n_bytes > (uint64_t)(r->end - r->at) && !new_chunk(r, n_bytes)) return NULL;
    void *taken = r->at;
    r->at += n_bytes;
    memset(taken, 0, (size_t)n_bytes);
    return taken;
}

bool sk_run_work(sk_run *r, uint64_t n_steps) {
    r->n_steps = sk_add(r->n_steps, n_steps);
    if (r->n_steps <= r->most_steps) return true;
    return sk_run_fail(r, SKALD_FORMAT, "the template takes more than %llu steps", (unsigned long long)r->most_steps);
}

void sk_template_place(const char *source, uint32_t offset, uint32_t *line, uint32_t *column) {
    *line = *column = 1;
    for (uint32_t i = 0; i < offset; i++) {
        if (source[i] == '\n') ++*line, *column = 1;
        else if (((unsigned char)source[i] & 0xc0) != 0x80) ++*column;
    }
}

void sk_run_say(sk_run *r, skald_status status, const char *format, ...) {
    char sentence[384];
    va_list list;
    uint32_t line, column;
    if (r->status != SKALD_OK) return;
    r->status = status;
    va_start(list, format);
    sk_format_list(sentence, sizeof sentence, format, list);
    va_end(list);
    sk_template_place(r->source, r->where, &line, &column);
    sk_fail_at(r->why, status, r->where, "template line %u, column %u: %s", line, column, sentence);
}

/* A sequence as bytes and back: a header, what lib/cache/contents.h walks over, and the sum of both.
 *
 *      0  "skaldseq"            24  k_type, v_type           40  n_states, n_layers
 *      8  version, numerics     32  length, least            48  n_bytes of all
 *     16  fingerprint of the model (8 bytes)                 56  0
 */
#include "api/enter.h"
#include "base/fpmode.h"
#include "base/report.h"
#include "base/sum.h"
#include "cache/contents.h"
#include "file/little.h"
#include "model/model.h"
#include <string.h>

#define HEADER_BYTES 64u
#define SUM_BYTES    8u
#define VERSION      1u

static const char magic[8] = {'s', 'k', 'a', 'l', 'd', 's', 'e', 'q'};

static uint64_t all_bytes(const skald_kv_cache *cache, const sk_extent *e) {
    return sk_add(sk_contents_bytes(cache, e), HEADER_BYTES + SUM_BYTES);
}

static void put_header(char header[HEADER_BYTES], const skald_kv_cache *cache, const sk_extent *e) {
    memset(header, 0, HEADER_BYTES);
    memcpy(header, magic, sizeof magic);
    sk_store(header + 8, VERSION, 4);
    sk_store(header + 12, skald_numerics_version(), 4);
    sk_store(header + 16, sk_model_fingerprint(cache->model), 8);
    sk_store(header + 24, cache->k_type, 4);
    sk_store(header + 28, cache->v_type, 4);
    sk_store(header + 32, e->length, 4);
    sk_store(header + 36, e->least, 4);
    sk_store(header + 40, e->n_states, 4);
    sk_store(header + 44, cache->n_layers, 4);
    sk_store(header + 48, all_bytes(cache, e), 8);
}

/* ---- saving */

static skald_status save_with(skald_kv_cache *cache, sk_sequence *s, sk_passage *p, void *room) {
    char header[HEADER_BYTES], sum[SUM_BYTES];
    const sk_extent e = sk_cache_extent(cache, s);
    put_header(header, cache, &e);
    skald_status status = sk_passage_move(p, header, sizeof header);
    if (status == SKALD_OK) status = sk_contents_save(cache, s, p, room);
    sk_store(sum, p->sum, sizeof sum);
    return status == SKALD_OK ? sk_passage_move(p, sum, sizeof sum) : status;
}

static skald_status save(uint64_t *n_bytes, skald_kv_cache *cache, skald_seq seq, sk_passage *p, skald_report *why) {
    sk_sequence *s = sk_cache_find(cache, seq);
    if (!s) return sk_fail(why, SKALD_ARGUMENT, "the cache has no sequence %u", seq);
    const sk_extent e = sk_cache_extent(cache, s);
    if (n_bytes) *n_bytes = all_bytes(cache, &e);
    if (!p->write) return SKALD_OK;
    const uint64_t room_bytes = sk_contents_room(cache, &e);
    void *room = sk_allocate(sk_model_memory(cache->model), 1, room_bytes, SKALD_MEMORY_LOAD);
    if (!room) return sk_fail(why, SKALD_MEMORY, "no memory to save with: %llu bytes", (unsigned long long)room_bytes);
    const skald_status status = save_with(cache, s, p, room);
    sk_release(sk_model_memory(cache->model), room, room_bytes);
    return status == SKALD_OK ? status
                              : sk_fail(why, status, "a sequence could not be saved: %s", skald_status_text(status));
}

skald_status skald_kv_cache_save(uint64_t *n_bytes, skald_kv_cache *cache, skald_seq seq, skald_write_fn write,
                                 void *user, skald_report *why) {
    skald_status status = enter(cache);
    if (status != SKALD_OK) return sk_fail(why, status, "the cache is NULL or in use");
    sk_passage p = {.write = write, .user = user, .sum = SK_SUM_BEGIN};
    const uint64_t mode = sk_fp_enter();
    status = save(n_bytes, cache, seq, &p, why);
    sk_fp_leave(mode);
    return leave(cache, status);
}

/* ---- restoring */

static uint32_t number(const char *header, uint32_t at) { return (uint32_t)sk_load(header + at, 4); }

static const char *name_of(skald_dtype type) {
    const char *name = skald_dtype_name(type);
    return name ? name : "no known type";
}

static skald_status check_type(const char *name, skald_dtype saved, skald_dtype own, skald_report *why) {
    if (saved == own) return SKALD_OK;
    return sk_fail(why, SKALD_UNSUPPORTED, "the saved sequence has %s %s, the cache %s", name, name_of(saved),
                   name_of(own));
}

/* Is it what this cache could have saved? */
static skald_status check_origin(const char *header, const skald_kv_cache *cache, skald_report *why) {
    if (memcmp(header, magic, sizeof magic) != 0)
        return sk_fail(why, SKALD_FORMAT, "no saved sequence: it does not begin with \"skaldseq\"");
    if (number(header, 8) != VERSION)
        return sk_fail(why, SKALD_UNSUPPORTED, "the saved sequence has version %u, %u is known", number(header, 8),
                       VERSION);
    if (number(header, 12) != skald_numerics_version())
        return sk_fail(why, SKALD_UNSUPPORTED, "the saved sequence was computed by numerics %u, this library has %u",
                       number(header, 12), skald_numerics_version());
    if (sk_load(header + 16, 8) != sk_model_fingerprint(cache->model) || number(header, 44) != cache->n_layers)
        return sk_fail(why, SKALD_UNSUPPORTED, "the saved sequence is of another model");
    skald_status status = check_type("k_type", number(header, 24), cache->k_type, why);
    return status == SKALD_OK ? check_type("v_type", number(header, 28), cache->v_type, why) : status;
}

static skald_status read_header(sk_extent *e, skald_kv_cache *cache, sk_passage *p, skald_report *why) {
    char header[HEADER_BYTES];
    skald_status status = sk_passage_move(p, header, sizeof header);
    if (status != SKALD_OK)
        return sk_fail(why, status, "the saved sequence cannot be read: %s", skald_status_text(status));
    status = check_origin(header, cache, why);
    if (status != SKALD_OK) return status;
    *e = (sk_extent){number(header, 32), number(header, 36), number(header, 40)};
    const uint32_t room = cache->n_list * SKALD_PAGE_TOKENS;
    if (e->length > room)
        return sk_fail(why, SKALD_UNSUPPORTED, "the saved sequence has %u tokens, the cache has room for %u", e->length,
                       room);
    if (!sk_extent_is_possible(cache, e) || sk_load(header + 48, 8) != all_bytes(cache, e) || sk_load(header + 56, 8))
        return sk_fail(why, SKALD_FORMAT, "the saved sequence's header contradicts itself");
    return SKALD_OK;
}

static skald_status fill(skald_kv_cache *cache, sk_sequence *s, const sk_extent *e, sk_passage *p, void *room,
                         skald_report *why) {
    char sum[SUM_BYTES];
    skald_status status = sk_contents_restore(cache, s, e, p, room);
    const uint64_t want = p->sum;
    if (status == SKALD_OK) status = sk_passage_move(p, sum, sizeof sum);
    if (status != SKALD_OK)
        return sk_fail(why, status, "a sequence could not be restored: %s", skald_status_text(status));
    return sk_load(sum, sizeof sum) == want
               ? SKALD_OK
               : sk_fail(why, SKALD_FORMAT, "the saved sequence is damaged: its sum differs");
}

/* Into pages that nobody has; the sequence is given out only when the sum was right. */
static skald_status restore(skald_seq *out, skald_kv_cache *cache, sk_passage *p, skald_report *why) {
    sk_extent e;
    skald_seq seq;
    skald_status status = read_header(&e, cache, p, why);
    if (status != SKALD_OK) return status;
    const uint64_t room_bytes = sk_contents_room(cache, &e);
    void *room = sk_allocate(sk_model_memory(cache->model), 1, room_bytes, SKALD_MEMORY_LOAD);
    if (!room)
        return sk_fail(why, SKALD_MEMORY, "no memory to restore with: %llu bytes", (unsigned long long)room_bytes);
    status = sk_cache_open_filled(&seq, cache, &e);
    if (status == SKALD_OK) {
        sk_sequence *s = sk_cache_find(cache, seq);
        status = fill(cache, s, &e, p, room, why);
        if (status == SKALD_OK) *out = seq;
        else sk_cache_release(cache, s);
    } else sk_fail(why, status, "no free sequence, or not %u tokens of free pages", e.length);
    sk_release(sk_model_memory(cache->model), room, room_bytes);
    return status;
}

skald_status skald_kv_cache_restore(skald_seq *out, skald_kv_cache *cache, skald_read_fn read, void *user,
                                    skald_report *why) {
    if (!out || !read) return sk_fail(why, SKALD_ARGUMENT, "skald_kv_cache_restore: out or read is NULL");
    skald_status status = enter(cache);
    if (status != SKALD_OK) return sk_fail(why, status, "the cache is NULL or in use");
    sk_passage p = {.read = read, .user = user, .sum = SK_SUM_BEGIN};
    const uint64_t mode = sk_fp_enter();
    status = restore(out, cache, &p, why);
    sk_fp_leave(mode);
    return leave(cache, status);
}

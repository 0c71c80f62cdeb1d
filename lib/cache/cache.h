/* What sequences hold: pages of SKALD_PAGE_TOKENS positions and slots with states, counted references.
 *
 *     group 0: everything           sequence 1   [ 4 ][ 7 ][ 2 ]      length 300: the third page is used up to 44
 *                                   sequence 2   [ 4 ][ 7 ][ 9 ]      forked from 1 at 260: page 2 was copied to 9 before
 *                                                                     the first write
 *     group 1: a window of 16       sequence 1   [ - ][ 3 ][ 0 ]      what no row to come can see was given back
 *     slots: grid lines of 16       sequence 1   5 (at 288), 6 (at 272)
 *
 * A step prepares (pages behind the length are taken, and one in place of a tail that is shared), goes through passes (before
 * its first, a sequence's shared tail and slot are copied), then commits (a
 * few integers) or aborts. Nothing of a prepared step can be seen until it is committed, and nothing that was committed is
 * given back before. Bookkeeping only: the contents belong to the device.
 *
 * Full is what group 0 says. Each other group and the slots have room for all sequences at their worst, whatever a step
 * brings: pages that a step took and passed by come back before its next pass (plan.c counts). */
#ifndef SK_CACHE_CACHE_H
#define SK_CACHE_CACHE_H
#include "base/runtime.h"
#include "cache/counted.h"

#define SK_MAX_GROUPS 4u
/* A rewind by so many tokens works whatever the windows are. */
#define SK_REWIND     SKALD_PAGE_TOKENS
/* Rows of a pass that a windowed group has room for at any time; more only while it has free pages. */
#define SK_PASS_ROWS  512u

typedef struct sk_sequence {
    uint32_t generation; /* tells a released handle from a living one */
    uint32_t length;     /* committed tokens */
    uint32_t reserved;   /* tokens that the caller asked room for, 0 or more than length */
    uint32_t least;      /* restored with no more than a rewind to here needs; 0: with everything */
    uint32_t target;     /* the length that the step under way will give */
    uint32_t slot[2];    /* with the state at the last grid line up to length, and at the line before; SK_NONE */
    uint32_t work[2];    /* the same behind the passes of the step under way */
    uint32_t state_from, state_before, state_to; /* of its rows in the pass under way, as in skald_pass */
    uint32_t n_uncopied;                         /* layers that were not yet looked at by sk_cache_copy_next */
    uint32_t copy_from, copy_to;                 /* slots; SK_NONE: none is copied */
    uint8_t living;
    uint8_t stepping; /* prepared and not yet committed or aborted */
} sk_sequence;

/* A sequence's part of a group: entries [begin, end) of its list. Those that a step gave back again are SK_NONE. */
typedef struct sk_holding {
    uint32_t begin, end;
    uint32_t shared_tail; /* while a step is prepared: the page that was copied */
} sk_holding;

typedef struct sk_group {
    uint32_t window; /* 0: sees everything */
    sk_counted pages;
    sk_holding *holdings; /* [n_sequences] */
    uint32_t *lists;      /* [n_sequences][n_list] */
} sk_group;

struct skald_kv_cache {
    atomic_uint busy;
    atomic_uint paused; /* a step is under way between two calls */
    skald_model *model;
    const skald_backend *backend;
    skald_store *store;
    uint64_t block_bytes;
    uint64_t page_bytes; /* of all pages and slots */
    uint64_t bytes_per_token;
    skald_dtype k_type, v_type;
    uint32_t n_sequences, n_groups, n_list;
    uint32_t n_layers;
    const skald_store_layer *layers; /* [n_layers] */
    sk_sequence *sequences;          /* [n_sequences] */
    uint32_t *lists;                 /* [n_groups][n_sequences][n_list] */
    sk_group groups[SK_MAX_GROUPS];
    sk_counted slots;
};

/* ---- plan.c: how much of everything */

/* Gives each layer its group, and counts pages and slots; n_list, n_sequences and the layers' windows are set, `groups` has
 * room for SK_MAX_GROUPS. */
void sk_cache_divide(skald_store_plan *plan, skald_store_layer *layers, skald_store_group *groups);
/* Carves the handle and its tables; everything free. NULL while measuring. */
skald_kv_cache *sk_cache_carve(sk_carver *c, const skald_store_plan *plan);

/* ---- cache.c: sequences */

/* The sequence of a handle; NULL when it was released or never was. */
sk_sequence *sk_cache_find(skald_kv_cache *cache, skald_seq seq);
/* Where its page list begins in each group. */
uint32_t sk_cache_list(const skald_kv_cache *cache, const sk_sequence *s);

skald_status sk_cache_open(skald_seq *out, skald_kv_cache *cache);
skald_status sk_cache_reserve(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens);
/* Only where sk_cache_reaches says yes, like rewind. */
skald_status sk_cache_fork(skald_seq *out, skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens);
void sk_cache_rewind(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens);
void sk_cache_release(skald_kv_cache *cache, sk_sequence *s);
/* Does it still hold what its first n_tokens would need to go on? n_tokens is at most its length. */
bool sk_cache_reaches(const skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens);

/* How many free pages of group 0 a step of n_tokens more would take. UINT64_MAX: more than the cache will ever have. */
uint64_t sk_cache_need(const skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens);
/* Takes them; only after sk_cache_need said they are there. */
skald_status sk_cache_prepare(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens);
/* Room for a pass with its rows [first, first + *n_rows), fewer where a window has no more; at least one when no other
 * sequence took rows in this pass. Sets the pass's states. What it shares with others is then to be copied. */
skald_status sk_cache_enter_pass(skald_kv_cache *cache, sk_sequence *s, uint32_t first, uint32_t *n_rows);
/* Before the pass is run: copies one more layer of what is shared and will be written. END: all is; or as the device says. */
skald_status sk_cache_copy_next(skald_kv_cache *cache, sk_sequence *s);
/* The rows before `next` have had their passes: what only they could see comes back, if it is this step's own. */
void sk_cache_leave_pass(skald_kv_cache *cache, sk_sequence *s, uint32_t next);
void sk_cache_commit(skald_kv_cache *cache, sk_sequence *s);
/* Undoes what was prepared and not committed, of every sequence. */
void sk_cache_abort_all(skald_kv_cache *cache);

void sk_cache_count(skald_kv_cache_stats *stats, const skald_kv_cache *cache);

/* ---- pages.c: one sequence's pages of one group; `i` is the sequence's index */

static inline uint32_t sk_pages_for(uint64_t n_tokens) { return (uint32_t)sk_divide_up(n_tokens, SKALD_PAGE_TOKENS); }
/* First page that rows behind n_tokens can see, also after a rewind. */
uint32_t sk_pages_first_kept(const sk_group *g, uint32_t n_tokens);
/* First page that row n_tokens sees. */
uint32_t sk_pages_first_seen(const sk_group *g, uint32_t n_tokens);
bool sk_pages_tail_is_shared(const skald_kv_cache *cache, const sk_group *g, uint32_t i);
/* The tail page may belong to two sequences: a page of its own takes its place, FULL when there is none. */
skald_status sk_pages_own_tail(skald_kv_cache *cache, uint32_t group, uint32_t i);
/* What a layer keeps in the shared tail to that page; END: there is none. */
skald_status sk_pages_copy_tail(skald_kv_cache *cache, uint32_t layer, uint32_t i);
/* Takes pages up to list entry `end`, as far as there are free ones. */
void sk_pages_extend(skald_kv_cache *cache, sk_group *g, uint32_t i, uint32_t end);
/* Gives back what the step under way took in entries below `end`. */
void sk_pages_pass_by(skald_kv_cache *cache, sk_group *g, uint32_t i, uint32_t end);
void sk_pages_commit(skald_kv_cache *cache, sk_group *g, uint32_t i);
void sk_pages_abort(skald_kv_cache *cache, sk_group *g, uint32_t i);
void sk_pages_share(skald_kv_cache *cache, sk_group *g, uint32_t to, uint32_t from, uint32_t n_tokens);
/* Gives back entries from `end` on. */
void sk_pages_trim(skald_kv_cache *cache, sk_group *g, uint32_t i, uint32_t end);

/* ---- slots.c: one sequence's states */

/* Slots for the pass of its rows [first, end). FULL: none is free, which cannot be. */
skald_status sk_slots_enter_pass(skald_kv_cache *cache, sk_sequence *s, uint32_t first, uint32_t end);
/* A layer's state from a slot that is shared to the one that took its place; END: there is none. */
skald_status sk_slots_copy(skald_kv_cache *cache, const sk_sequence *s, uint32_t layer);
void sk_slots_commit(skald_kv_cache *cache, sk_sequence *s);
void sk_slots_abort(skald_kv_cache *cache, sk_sequence *s);
bool sk_slots_reach(const skald_kv_cache *cache, const sk_sequence *s, uint32_t n_tokens);
void sk_slots_share(skald_kv_cache *cache, sk_sequence *to, const sk_sequence *from, uint32_t n_tokens);
void sk_slots_rewind(skald_kv_cache *cache, sk_sequence *s, uint32_t n_tokens);
#endif

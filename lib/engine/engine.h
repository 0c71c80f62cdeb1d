/* The loop over many requests: pick, run, choose, commit.
 *
 *     submit ──▶ asked ──▶ waiting ──▶ running ──▶ ended ──▶ kept ──▶ (free)
 *     any thread           ▲    pages given    │   told       for its beginning
 *                          └──── preempted ────┘
 *
 * Ids of prompts and answers lie in blocks of one arena; what a request may need is taken when it is submitted, so nothing
 * can be missing later. Everything behind `lock` is shared with threads that submit; the rest belongs to the one that steps. */
#ifndef SK_ENGINE_ENGINE_H
#define SK_ENGINE_ENGINE_H
#include "base/os/thread.h"
#include "decode/pace.h"
#include "decode/sample.h"
#include "grammar/grammar.h"
#include "decode/stop.h"
#include "model/adapter.h"
#include "schedule/schedule.h"

#define SK_TEXT_BLOCK  128u
#define SK_DRAFT_MOST  16u /* ids of a draft */
#define SK_DRAFT_ROWS  32u /* rows of drafts in a step */
/* Of one token at most; each byte may come out as U+FFFD, and so may those that a character waited for. */
#define SK_TOKEN_BYTES 2048u
#define SK_SAID_ROOM   (2 * 3 * (SK_TOKEN_BYTES + 4) + SK_STOP_BYTES)
#define SK_SEEN_IDS    64u /* most ids of the past that a sampler or a stage looks at */

typedef enum sk_request_state {
    SK_REQUEST_FREE,
    SK_REQUEST_WAITING,
    SK_REQUEST_RUNNING,
    SK_REQUEST_ENDED,
    SK_REQUEST_KEPT
} sk_request_state;

/* What ends an answer's text, and what it must begin with. */
typedef struct sk_said_rules {
    sk_stops stops;
    uint32_t n_required;
    uint8_t required[SKALD_REQUEST_PREFIX];
} sk_said_rules;

/* A text as it becomes bytes: once while ids are chosen, to see a stop, and once while they are told. */
typedef struct sk_saying {
    skald_decoder decoder;
    sk_stop_state stop;
} sk_saying;

/* The adapters of a request. Numbers outlive the owner's share: a kept beginning is known by them when the adapter may be
 * gone already, and its address may be another's. */
typedef struct sk_adapted {
    uint32_t n;
    skald_span_adapter by[SKALD_SPAN_ADAPTERS]; /* ones of whose owners we are, until the end was told */
    uint64_t number[SKALD_SPAN_ADAPTERS];
} sk_adapted;

typedef struct sk_request {
    /* written by who submits it, while it is free for the one that steps */
    skald_request_id id; /* behind the lock; 0: nobody can ask for it */
    atomic_uint cancelled;
    uint32_t n_prompt, n_most; /* ids of the prompt; of prompt and answer, at most */
    uint32_t n_blocks;
    uint32_t *blocks; /* of the arena, [n_blocks] */
    int32_t priority;
    bool is_warm, ignore_end;
    uint64_t submitted, deadline; /* nanoseconds; 0: none */
    sk_sampler sampler;
    skald_logit_bias bias[SKALD_REQUEST_BIASES];
    skald_stage_fn stage;
    void *stage_user;
    skald_grammar *grammar; /* one of its owners, until the end was told; NULL: none */
    sk_adapted adapted;
    uint32_t n_top;
    sk_said_rules rules;
    /* of the stepping thread alone */
    struct {
        sk_request_state state;
        skald_event_kind reason; /* how it ended */
        uint32_t n_text, n_told; /* ids it has, and those that were told or are of the prompt */
        uint32_t n_read;         /* of them in the cache */
        bool was_admitted;
        sk_matcher *matcher; /* while it runs and has a grammar */
        uint32_t n_required; /* bytes of rules.required that the answer has */
        int32_t stop;        /* the one it ended with; -1: none */
        sk_saying chosen, told;
        sk_pace pace;
        uint32_t n_wanted, n_drafted; /* ids of a draft */
        int32_t drafts[SK_DRAFT_MOST];
        skald_seq draft_seq;   /* in the small model's cache; 0: none */
        uint32_t n_draft_read; /* ids in it: of the text, then drafts */
        uint32_t n_drafts_told, n_drafts_right;
        skald_seq seq; /* 0: none */
        uint64_t used; /* when its sequence was last of use, in steps */
    } now;
} sk_request;

/* The small model's passes; zeroed without one. */
typedef struct sk_drafter {
    skald_kv_cache *cache;
    skald_context *context;
    skald_span *spans; /* [n_running] */
    uint32_t *in_step; /* [n_running] */
    int32_t *ids;      /* [n_rows] */
    uint32_t n_spans;
    bool runs; /* a pass is under way between two calls */
} sk_drafter;

struct skald_engine {
    atomic_uint busy;
    skald_model *model;
    uint64_t block_bytes;
    skald_engine_options options;
    uint32_t n_vocab;
    skald_kv_cache *cache;
    skald_context *context;
    uint64_t n_cache_tokens;

    sk_os_gate lock; /* of what follows, up to `arena` */
    bool has_lock;
    uint64_t n_ids;                        /* requests so far */
    uint32_t n_free;                       /* entries */
    uint32_t *free;                        /* [n_entries] */
    uint32_t n_asked;                      /* submitted, not yet seen by a step */
    uint32_t *asked;                       /* [n_entries], oldest first */
    uint32_t n_living;                     /* submitted and not told to have ended */
    uint32_t n_free_blocks, n_kept_blocks; /* kept_blocks_max of all are for kept texts alone */
    uint32_t *free_blocks;                 /* [n_blocks] */

    int32_t *arena; /* [n_blocks][SK_TEXT_BLOCK] */
    uint32_t n_blocks, n_entries, kept_blocks_max;
    sk_request *entries; /* [n_entries] */
    uint32_t *waiting;   /* [n_entries] in order of importance; so is running */
    uint32_t n_waiting, n_running, n_kept;
    uint32_t *running; /* [n_running] */
    uint32_t next_told;
    uint32_t n_events; /* not told yet */

    /* the step under way */
    sk_turn *turns;    /* [n_running] */
    skald_span *spans; /* [n_running] */
    uint32_t *in_step; /* [n_running] entries of the spans */
    int32_t *ids;      /* [n_rows] of the spans */
    uint32_t n_spans, n_dropped;
    skald_seq *dropped; /* [n_running + n_kept] while it ran */
    uint32_t n_chosen;  /* spans whose logits have been looked at */
    uint32_t next_row;  /* of the logits */
    uint32_t n_right;   /* ids of a draft that were right, of the span that is looked at */
    sk_drafter drafter;
    enum { SK_STEP_NONE, SK_STEP_DRAFTS, SK_STEP_RUNS, SK_STEP_CHOOSES } step;
    skald_logprob *tops; /* [n_blocks][SK_TEXT_BLOCK][1 + options.n_top] beside the arena; none without n_top */
    char *said;          /* [SK_SAID_ROOM] what one id says */
    float *logits;       /* [n_vocab] those of a stage or a required beginning, and the sampler's scratch */
    uint32_t *order, *spare;
    float *scratch;
    sk_matcher *matchers; /* [n_running] */
    uint32_t n_free_matchers;
    sk_matcher **free_matchers; /* [n_running] */
    skald_engine_stats stats;
    skald_kv_cache_stats pages; /* as they were when they could last be counted */
};

/* texts.c: ids in blocks */
int32_t sk_text_id(const skald_engine *e, const sk_request *r, uint32_t i);
skald_logprob *sk_text_tops(const skald_engine *e, const sk_request *r, uint32_t i); /* [1 + options.n_top] */
void sk_text_write(skald_engine *e, const sk_request *r, uint32_t first, const int32_t *ids, uint32_t n);
void sk_text_read(int32_t *ids, const skald_engine *e, const sk_request *r, uint32_t first, uint32_t n);
/* How many ids two texts begin with in common, at most n. */
uint32_t sk_text_common(const skald_engine *e, const sk_request *a, const sk_request *b, uint32_t n);

/* requests.c: entries, from submission until they are free again */
skald_engine *sk_engine_carve(sk_carver *c, const skald_engine_options *o, uint32_t n_vocab, uint64_t n_cache_tokens);
skald_status sk_engine_submit(skald_request_id *out, skald_engine *e, const skald_request *request, skald_report *why);
skald_status sk_engine_cancel(skald_engine *e, skald_request_id id);
void sk_engine_take_asked(skald_engine *e);
void sk_engine_wait(skald_engine *e, uint32_t entry);  /* into the queue, by importance; out of those that run */
void sk_engine_start(skald_engine *e, uint32_t entry); /* the other way */
void sk_engine_end(skald_engine *e, sk_request *r, skald_event_kind reason); /* waiting or running; tells it later */
void sk_engine_free_entry(skald_engine *e, sk_request *r);
void sk_engine_disown(sk_request *r); /* what it kept alive for its answer */
/* The next thing to tell; false: nothing. */
bool sk_engine_poll(skald_event *event, skald_engine *e);

/* prefix.c: sequences that are useful beyond their request */
/* A sequence for `r` with as much of its text as is in the cache already, and room for the rest. FULL: not now. PENDING:
 * another request is about to read the same beginning. */
skald_status sk_prefix_admit(skald_engine *e, sk_request *r);
/* Gives up the sequence that was of no use for longest. False: there is none. */
bool sk_prefix_evict(skald_engine *e);
void sk_prefix_drop(skald_engine *e, sk_request *r);
/* Between two calls of a step the cache takes no others: what was dropped meanwhile is released before the next one. */
void sk_prefix_release_dropped(skald_engine *e);
/* After an end was told: keeps it for its beginning. False: it is of no use, or there is no room. */
bool sk_prefix_keep(skald_engine *e, sk_request *r);

/* constrain.c: what an answer may say. A matcher belongs to a request while that runs; who gave way and comes back goes
 * through the grammar again with what it has said. */
void sk_constrain_start(skald_engine *e, sk_request *r);
void sk_constrain_stop(skald_engine *e, sk_request *r);
/* The logits, without those that the grammar forbids. */
const float *sk_constrain_mask(skald_engine *e, sk_request *r, const float *logits);
/* The answer goes on with `id`. True: nothing can follow. */
bool sk_constrain_take(sk_request *r, int32_t id);

/* said.c: an answer as text */
/* UNSUPPORTED: a token of more than SK_TOKEN_BYTES. */
skald_status sk_said_check(const skald_model *model, skald_report *why);
/* The text that `id` adds, into e->said; -1: all that is left. Returns the stop that it completes, or -1. */
int32_t sk_said_push(skald_engine *e, size_t *n_bytes, const sk_request *r, sk_saying *saying, int32_t id);
/* Copies what a request with checked ids says of its text. ARGUMENT, UNSUPPORTED: it cannot be asked for. */
skald_status sk_said_set(sk_said_rules *rules, const skald_model *model, const skald_request *q, skald_report *why);
/* Forbids what does not agree with the bytes that are still required. */
void sk_said_forbid(const skald_engine *e, const sk_request *r, float *logits);
void sk_said_count(const skald_engine *e, sk_request *r, int32_t id); /* an id was chosen */

/* drafts.c: ids that may come next */
/* Before a step: who wants how many; what can be looked up is. */
void sk_drafts_begin(skald_engine *e);
/* The small model's passes. PENDING: call again. */
skald_status sk_drafts_go(skald_engine *e, uint32_t microseconds, skald_report *why);
/* The draft is over; the first n_right ids of text and draft are the text's. */
void sk_drafts_settle(skald_engine *e, sk_request *r, uint32_t n_right);
/* The small model forgets the request. */
void sk_drafts_release(skald_engine *e, sk_request *r);

/* engine.c */
/* As skald_step, but FULL has no sentence: somebody gives way, and the engine's own step does not fail. */
skald_status sk_engine_pass(skald_context *context, skald_kv_cache *cache, const skald_step_options *options,
                            skald_report *why, const skald_span *spans, uint32_t n_spans);
skald_status sk_engine_step(skald_engine *e, uint32_t microseconds, skald_report *why);
#endif

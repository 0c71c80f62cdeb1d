/* A beam search: several texts side by side, those continued that are likeliest as a whole. */
#ifndef SK_ENGINE_BEAMS_H
#define SK_ENGINE_BEAMS_H
#include "decode/beam.h"
#include "model/model.h"

#define SK_BEAMS_MOST 64u

typedef struct sk_beam {
    skald_seq seq; /* of one that runs */
    double score;  /* of one that runs the sum, of a finished one what it is ranked by */
    uint32_t n_ids;
    bool ended;   /* by the model */
    int32_t *ids; /* [n_tokens] */
} sk_beam;

struct skald_beams {
    skald_model *model;
    uint64_t block_bytes;
    skald_beam_options options;
    uint32_t n_best; /* continuations that are looked at in a step */
    skald_kv_cache *cache;
    skald_context *context;
    uint32_t n_running, n_finished;
    sk_beam *running, *next, *finished; /* [n_beams] */
    sk_continuation *best;              /* [n_best] */
    skald_span *spans;                  /* [n_beams] */
};

/* Carves the handle and its tables; NULL while measuring. */
skald_beams *sk_beams_carve(sk_carver *c, const skald_beam_options *o, uint32_t n_ends);
/* Reads the prompt and searches to the end. FULL cannot be, if the cache has room for all beams. */
skald_status sk_beams_search(skald_beams *b, const int32_t *prompt, uint32_t n_prompt, skald_report *why);
#endif

/* A vocabulary: tokens as bytes, what joins them, and the tokens that are cut out of a text before anything else.
 *
 *     sk_vocab v;                                             the plan asks with an empty carver,
 *     sk_vocab_lay_out(&v, &carver, &source, why);            creation a second time with a block
 *     sk_vocab_fill(&v, &source, why);
 */
#ifndef SK_TEXT_VOCAB_H
#define SK_TEXT_VOCAB_H
#include "base/memory.h"
#include "base/watch.h"
#include "text/charsmap.h"
#include "text/chat.h"
#include "text/pre.h"

typedef struct sk_string {
    const char *text; /* may be NULL when n_bytes is 0 */
    uint64_t n_bytes;
} sk_string;

typedef uint32_t sk_vocab_kind;
enum {
    SK_VOCAB_BYTE_BPE = 0,  /* merges by rank over bytes, within words (GPT-2) */
    SK_VOCAB_PIECE_BPE = 1, /* merges by score over characters (SentencePiece) */
    SK_VOCAB_UNIGRAM = 2,   /* the best sum of scores (SentencePiece) */
    SK_VOCAB_WORDPIECE = 3, /* the longest tokens of a word (BERT) */
};

/* What GGUF calls token_type. */
enum {
    SK_TOKEN_NORMAL = 1,
    SK_TOKEN_UNKNOWN = 2,
    SK_TOKEN_CONTROL = 3,
    SK_TOKEN_USER = 4, /* cut out of every text as it stands */
    SK_TOKEN_UNUSED = 5,
    SK_TOKEN_BYTE = 6,
};

#define SK_TOKEN_ROLES (SKALD_TOKEN_END_OF_MESSAGE + 1)
#define SK_VOCAB_ENDS  28u

/* As a file gives it; only read while lay_out and fill run. Yes and no: 1, 0, or -1 where the file does not say. */
typedef struct sk_vocab_source {
    sk_vocab_kind kind;
    uint32_t n_tokens, n_merges;
    const sk_string *tokens; /* [n_tokens] in the spelling of the kind (alphabet.h) */
    const int32_t *types;    /* [n_tokens] or NULL: all are normal */
    const float *scores;     /* [n_tokens] of PIECE_BPE (the pair that makes the highest is merged first), UNIGRAM */
    const sk_string *merges; /* [n_merges] of BYTE_BPE: "left right", the first is merged first */
    sk_string pre;           /* tokenizer.ggml.pre of BYTE_BPE */
    const char *split;       /* the caller's own split expression for BYTE_BPE, whatever `pre` says; or NULL */
    sk_string chat_template; /* may be empty */
    int32_t role[SK_TOKEN_ROLES]; /* ids by skald_token_role, -1: none */
    int32_t add_bos, add_eos;
    int32_t space_prefix;             /* of the SentencePiece kinds: a space in front of a text */
    int32_t remove_spaces;            /* of the same: none at the ends, one between words */
    sk_string charsmap;               /* of the same: what characters become (charsmap.h); may be empty */
    int32_t lowercase, strip_accents; /* of WORDPIECE */
    sk_watch *watch;                  /* asked meanwhile; NULL: nobody waits */
} sk_vocab_source;

typedef struct sk_vocab_merge {
    uint32_t left, right, rank, id; /* left is UINT32_MAX in an empty slot */
} sk_vocab_merge;

typedef struct sk_vocab {
    sk_vocab_kind kind;
    uint32_t n_tokens, n_special, n_splits;
    uint32_t token_mask, merge_mask; /* slots - 1 */
    uint32_t longest;                /* bytes of the longest token that words are made of */
    uint64_t joined_room;
    uint8_t *joined;            /* [joined_room] while filling: the bytes of a merge */
    uint8_t *bytes;             /* all tokens' bytes, out of their spelling */
    uint32_t *start;            /* [n_tokens + 1] in bytes */
    uint8_t *type;              /* [n_tokens] */
    uint32_t *token_slot;       /* id + 1 by hash of the bytes, 0: empty */
    sk_vocab_merge *merge_slot; /* BYTE_BPE */
    uint32_t *rank;             /* [n_tokens] PIECE_BPE: the token of the lowest is made first */
    float *score;               /* [n_tokens] UNIGRAM */
    float unknown_score;        /* UNIGRAM: of a character without a token */
    uint32_t *sorted;           /* [first[256]] UNIGRAM: the ids that words are made of, in order of their bytes */
    uint32_t *first;            /* [257] where in it those begin that begin with a byte */
    uint8_t *joins;       /* [256 * 32] PIECE_BPE, UNIGRAM: a bit per two bytes that stand side by side in a token */
    uint32_t *special;    /* [n_special] ids of control, unknown and user tokens, in order of their bytes */
    sk_split *split;      /* [n_splits] */
    const sk_chat *chat;  /* NULL: no known layout */
    int32_t byte_id[256]; /* -1: no token for the byte */
    int32_t role[SK_TOKEN_ROLES];
    int32_t end[SK_VOCAB_ENDS]; /* [n_ends] where generation stops */
    uint32_t n_ends;
    uint8_t special_begins[32]; /* a bit per byte that begins a special token */
    sk_charsmap charsmap;       /* over `map` */
    uint8_t *map;               /* [n_map] */
    uint64_t n_map;
    bool ignore_merges, add_bos, add_eos;
    bool nfc;                         /* BYTE_BPE */
    bool space_prefix, remove_spaces; /* PIECE_BPE, UNIGRAM */
    bool lowercase, strip_accents;    /* WORDPIECE */
} sk_vocab;

/* Takes the memory that fill writes. UNSUPPORTED: an unknown kind or pre-tokenizer. FORMAT: sizes out of bounds. */
skald_status sk_vocab_lay_out(sk_vocab *vocab, sk_carver *carver, const sk_vocab_source *source, skald_report *why);
/* FORMAT: a type, role, score or merge that cannot be; the sentence names it. CANCELLED by the watch. */
skald_status sk_vocab_fill(sk_vocab *vocab, const sk_vocab_source *source, skald_report *why);

static inline uint32_t sk_vocab_length(const sk_vocab *v, uint32_t id) { return v->start[id + 1] - v->start[id]; }

/* The id of the token with these bytes that words are made of, -1: none. */
int32_t sk_vocab_find(const sk_vocab *vocab, const uint8_t *bytes, size_t n_bytes);
/* The merge of two neighbours, NULL: they stay apart. */
const sk_vocab_merge *sk_vocab_merge_of(const sk_vocab *vocab, uint32_t left, uint32_t right);
/* The longest special token at the beginning of `text` and how many bytes of the text it takes, -1: none. `control`: not
 * the user's alone. special_begins tells beforehand whether there can be one. */
int32_t sk_vocab_special(const sk_vocab *vocab, bool control, const uint8_t *text, size_t n_bytes, size_t *length);
/* 1 when generation stops at this id. */
int32_t sk_vocab_is_end(const sk_vocab *vocab, int32_t id);
#endif

/* What encoding a text goes on with: where the ids go, and memory that the host lends until the text is done. */
#ifndef SK_TEXT_WORK_H
#define SK_TEXT_WORK_H
#include "text/vocab.h"

#define SK_WORK_SHORT 128u /* bytes of a word that needs no memory of the host */

/* A block of the host's; grows and is given back at the end. */
typedef struct sk_loan {
    void *block;
    uint64_t n_bytes;
} sk_loan;

typedef struct sk_work {
    const sk_vocab *vocab;
    const skald_allocator *memory;
    int32_t *ids;
    uint32_t n_ids, room; /* more ids than room are only counted */
    float score;          /* UNIGRAM: of the text so far */
    bool unknown;         /* the last id stands for characters without a token: more of them need none */
    sk_loan word, text;   /* tables of a long word; a text that had to be changed */
    uint32_t stack[SK_WORK_SHORT * 6];
} sk_work;

/* The stack is not cleared: a short text would take longer for that than for its words. */
static inline void sk_work_begin(sk_work *work, const sk_vocab *vocab, const skald_allocator *memory, int32_t *ids,
                                 uint32_t room) {
    work->vocab = vocab;
    work->memory = memory;
    work->ids = ids;
    work->n_ids = 0;
    work->room = room;
    work->unknown = false;
    work->score = 0;
    work->word = work->text = (sk_loan){NULL, 0};
}

static inline void sk_work_end(sk_work *work) {
    sk_release(work->memory, work->word.block, work->word.n_bytes);
    sk_release(work->memory, work->text.block, work->text.n_bytes);
}

/* At least n_bytes in `loan`, what stood there before is lost. NULL: the host has none. */
static inline void *sk_borrow(sk_work *work, sk_loan *loan, uint64_t n_bytes) {
    if (n_bytes <= loan->n_bytes) return loan->block;
    sk_release(work->memory, loan->block, loan->n_bytes);
    loan->block = sk_allocate(work->memory, 1, n_bytes, SKALD_MEMORY_SCRATCH);
    loan->n_bytes = loan->block ? n_bytes : 0;
    return loan->block;
}

static inline void sk_give_id(sk_work *work, int32_t id) {
    if (work->n_ids < work->room) work->ids[work->n_ids] = id;
    work->n_ids++;
    work->unknown = false;
}

/* A character without a token: its bytes where the vocabulary has a token for each, else the unknown token, one for all
 * such characters that stand together, or nothing where there is none. */
static inline void sk_give_unknown(sk_work *work, const uint8_t *bytes, uint32_t n_bytes) {
    const sk_vocab *v = work->vocab;
    uint32_t n = 0;
    while (n < n_bytes && v->byte_id[bytes[n]] >= 0) n++;
    for (uint32_t i = 0; i < n_bytes && n == n_bytes; i++) sk_give_id(work, v->byte_id[bytes[i]]);
    if (n == n_bytes || work->unknown || v->role[SKALD_TOKEN_UNKNOWN] < 0) return;
    sk_give_id(work, v->role[SKALD_TOKEN_UNKNOWN]);
    work->unknown = true;
}
#endif

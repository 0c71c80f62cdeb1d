/* Builds the tables of a vocabulary from a file's arrays, which nobody has checked before. */
#include "text/vocab.h"
#include "text/alphabet.h"
#include "text/roles.h"
#include "text/sorted.h"
#include "base/report.h"
#include <float.h>
#include <string.h>

#define MOST_TOKENS     (1u << 24)
#define LONGEST_CHAIN   4096u /* slots looked at for one key; a file made to collide is refused, not waited for */
#define LONGEST_SPECIAL 1024u
#define OFTEN           1024u /* elements between two looks at the watch: at most some tenths of a millisecond */
#define LONGEST_PIECE   1024u /* looked up with each pair of neighbours that it may come from */

static skald_status look(const sk_vocab_source *source, uint32_t i, skald_report *why) {
    return i % OFTEN ? SKALD_OK : sk_watch_look(source->watch, why);
}

/* ---- token bytes to id (FNV-1a, then mixed for the low bits) */

#define HASH_BEGIN 2166136261u

static uint32_t hash_more(uint32_t hash, uint8_t byte) { return (hash ^ byte) * 16777619u; }
static uint32_t hash_end(uint32_t hash) { return hash ^ hash >> 15; }

static uint32_t hash_bytes(uint32_t hash, const uint8_t *bytes, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) hash = hash_more(hash, bytes[i]);
    return hash;
}

static int32_t find_hashed(const sk_vocab *v, uint32_t hash, const uint8_t *bytes, size_t n_bytes) {
    for (uint32_t slot = hash_end(hash);; slot++) {
        uint32_t id = v->token_slot[slot & v->token_mask];
        if (id-- == 0) return -1;
        if (sk_vocab_length(v, id) == n_bytes && memcmp(v->bytes + v->start[id], bytes, n_bytes) == 0)
            return (int32_t)id;
    }
}

int32_t sk_vocab_find(const sk_vocab *v, const uint8_t *bytes, size_t n_bytes) {
    return find_hashed(v, hash_bytes(HASH_BEGIN, bytes, n_bytes), bytes, n_bytes);
}

static skald_status add_token(sk_vocab *v, uint32_t id, skald_report *why) {
    const uint8_t *bytes = v->bytes + v->start[id];
    uint32_t n = sk_vocab_length(v, id), slot = hash_end(hash_bytes(HASH_BEGIN, bytes, n)), chain = 0;
    if (n == 0) return SKALD_OK;
    for (; v->token_slot[slot & v->token_mask]; slot++) {
        uint32_t other = v->token_slot[slot & v->token_mask] - 1;
        if (sk_vocab_length(v, other) == n && memcmp(v->bytes + v->start[other], bytes, n) == 0) return SKALD_OK;
        if (++chain == LONGEST_CHAIN) return sk_fail(why, SKALD_FORMAT, "token %u: too many tokens of one hash", id);
    }
    v->token_slot[slot & v->token_mask] = id + 1;
    return SKALD_OK;
}

/* ---- merges */

static uint32_t hash_pair(uint32_t left, uint32_t right) {
    uint64_t key = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(key >> 32);
}

const sk_vocab_merge *sk_vocab_merge_of(const sk_vocab *v, uint32_t left, uint32_t right) {
    for (uint32_t slot = hash_pair(left, right);; slot++) {
        const sk_vocab_merge *m = v->merge_slot + (slot & v->merge_mask);
        if (m->left == UINT32_MAX) return NULL;
        if (m->left == left && m->right == right) return m;
    }
}

/* The ids of the two parts and of what they make; false when one of the three is not a token. */
static bool find_merge(const sk_vocab *v, sk_vocab_merge *m, sk_string text, uint64_t space) {
    if (text.n_bytes > v->joined_room) return false; /* no token is so long */
    const sk_alphabet alphabet = SK_ALPHABET_BYTE_LEVEL;
    uint8_t *left = v->joined, *right = left + sk_unspell(left, alphabet, text.text, space);
    const size_t n_left = (size_t)(right - left);
    const size_t n_right = sk_unspell(right, alphabet, text.text + space + 1, text.n_bytes - space - 1);
    const uint32_t hash = hash_bytes(HASH_BEGIN, left, n_left);
    const int32_t ids[3] = {find_hashed(v, hash, left, n_left), sk_vocab_find(v, right, n_right),
                            find_hashed(v, hash_bytes(hash, right, n_right), left, n_left + n_right)};
    m->left = (uint32_t)ids[0], m->right = (uint32_t)ids[1], m->id = (uint32_t)ids[2];
    return ids[0] >= 0 && ids[1] >= 0 && ids[2] >= 0;
}

static skald_status add_merge(sk_vocab *v, uint32_t rank, sk_string text, skald_report *why) {
    uint64_t space = 1;
    while (space < text.n_bytes && text.text[space] != ' ') space++;
    if (space + 1 >= text.n_bytes)
        return sk_fail(why, SKALD_FORMAT, "merge %u: not two parts with a space between", rank);
    sk_vocab_merge made = {.rank = rank};
    /* of a vocabulary that was cut down: it could never be applied */
    if (!find_merge(v, &made, text, space)) return SKALD_OK;
    uint32_t slot = hash_pair(made.left, made.right), chain = 0;
    sk_vocab_merge *m;
    for (;; slot++) {
        m = v->merge_slot + (slot & v->merge_mask);
        if (m->left == UINT32_MAX) break;
        if (m->left == made.left && m->right == made.right) return SKALD_OK;
        if (++chain == LONGEST_CHAIN) return sk_fail(why, SKALD_FORMAT, "merge %u: too many merges of one hash", rank);
    }
    *m = made;
    return SKALD_OK;
}

/* ---- special tokens */

static bool is_special(uint32_t type) {
    return type == SK_TOKEN_CONTROL || type == SK_TOKEN_UNKNOWN || type == SK_TOKEN_USER;
}

/* U+2581 in a text is a space. */
static bool marks_spaces(const sk_vocab *v) { return v->kind == SK_VOCAB_PIECE_BPE || v->kind == SK_VOCAB_UNIGRAM; }

static skald_status add_specials(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    uint32_t n = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        if (!is_special(v->type[id]) || sk_vocab_length(v, id) == 0) continue;
        if (sk_vocab_length(v, id) > LONGEST_SPECIAL)
            return sk_fail(why, SKALD_FORMAT, "token %u: a special token of more than 1024 bytes", id);
        uint8_t lead = v->bytes[v->start[id]];
        v->special_begins[lead / 8] |= (uint8_t)(1u << lead % 8);
        v->special[n++] = id;
    }
    if (marks_spaces(v) && v->special_begins[' ' / 8] >> ' ' % 8 & 1)
        v->special_begins[0xe2 / 8] |= (uint8_t)(1u << 0xe2 % 8); /* of U+2581 */
    v->n_special = n;
    return sk_sort_tokens(v, v->special, n, source->watch, why);
}

/* The byte at `at`, and how many bytes of the text it takes: U+2581 is a space where spaces are spelled so. */
static uint8_t special_byte(const sk_vocab *v, const uint8_t *text, size_t n_bytes, size_t at, uint32_t *length) {
    const bool mark = marks_spaces(v) && n_bytes - at >= 3 && memcmp(text + at, SK_SPACE_MARK, 3) == 0;
    *length = mark ? 3 : 1;
    return mark ? ' ' : text[at];
}

int32_t sk_vocab_special(const sk_vocab *v, bool control, const uint8_t *text, size_t n_bytes, size_t *length) {
    int32_t found = -1;
    uint32_t step;
    sk_range range = {0, v->n_special};
    for (size_t at = 0, depth = 0; at < n_bytes && range.low < range.high; depth++) {
        range = sk_narrow(v, v->special, range, (uint32_t)depth, special_byte(v, text, n_bytes, at, &step));
        at += step;
        bool taken = false; /* of equal texts the lowest id */
        for (uint32_t i = range.low; i < range.high && sk_vocab_length(v, v->special[i]) == depth + 1 && !taken; i++) {
            taken = control || v->type[v->special[i]] == SK_TOKEN_USER;
            if (taken) found = (int32_t)v->special[i], *length = at;
        }
    }
    return found;
}

/* ---- from the source */

static uint32_t slots_for(uint32_t n) { /* a quarter stays empty */
    uint32_t slots = 16;
    while (slots / 4 * 3 < n + 1) slots *= 2;
    return slots;
}

static bool by_bytes(const sk_vocab_source *source) { return source->kind == SK_VOCAB_BYTE_BPE; }
static bool by_pieces(const sk_vocab_source *source) {
    return source->kind == SK_VOCAB_PIECE_BPE || source->kind == SK_VOCAB_UNIGRAM;
}

static uint32_t type_of(const sk_vocab_source *source, uint32_t id) {
    return source->types && source->types[id] ? (uint32_t)source->types[id] : SK_TOKEN_NORMAL;
}

/* How many bytes all tokens have, and the longest. */
static skald_status measure_tokens(sk_vocab *v, uint64_t *n_bytes, uint64_t *longest, const sk_vocab_source *source,
                                   skald_report *why) {
    *n_bytes = *longest = 0;
    for (uint32_t i = 0; i < source->n_tokens; i++) {
        *n_bytes = sk_add(*n_bytes, source->tokens[i].n_bytes);
        if (source->tokens[i].n_bytes > *longest) *longest = source->tokens[i].n_bytes;
        v->n_special += is_special(type_of(source, i));
    }
    return *n_bytes < UINT32_MAX ? SKALD_OK : sk_fail(why, SKALD_FORMAT, "tokens of more than 4 GiB");
}

/* How the text is cut into words: as the file names it, or with the caller's expression in its place. */
static skald_status find_pre(sk_pre *pre, const sk_vocab_source *source, skald_report *why) {
    *pre = (sk_pre){0};
    if (!by_bytes(source))
        return source->split ? sk_fail(why, SKALD_ARGUMENT, "a split expression is for byte-level vocabularies only")
                             : SKALD_OK;
    const sk_pre *named = sk_pre_find(source->pre.text, (size_t)source->pre.n_bytes);
    if (!named && !source->split)
        return sk_fail(why, SKALD_UNSUPPORTED, "tokenizer.ggml.pre: unknown pre-tokenizer \"%.*s\"",
                       source->pre.n_bytes < 64 ? (int)source->pre.n_bytes : 64,
                       source->pre.n_bytes ? source->pre.text : "");
    if (named) *pre = *named;
    if (source->split) memset(pre->expression, 0, sizeof pre->expression), pre->expression[0] = source->split;
    return SKALD_OK;
}

static void carve_bytes(sk_vocab *v, sk_carver *carver, uint64_t longest) {
    v->merge_slot = sk_carve(carver, v->merge_mask + 1ull, sizeof *v->merge_slot, SK_CACHE_LINE);
    v->joined_room = 2 * longest + 1; /* two bytes spell one, and a space */
    v->joined = sk_carve(carver, v->joined_room, 1, 1);
}

static void carve_pieces(sk_vocab *v, sk_carver *carver, const sk_vocab_source *source) {
    v->joins = sk_carve(carver, 256, 32, SK_CACHE_LINE);
    v->n_map = source->charsmap.n_bytes;
    v->map = sk_carve(carver, v->n_map, 1, 1);
    if (v->kind == SK_VOCAB_PIECE_BPE) {
        v->rank = sk_carve(carver, v->n_tokens, sizeof *v->rank, SK_CACHE_LINE);
    } else {
        v->score = sk_carve(carver, v->n_tokens, sizeof *v->score, SK_CACHE_LINE);
        v->sorted = sk_carve(carver, v->n_tokens, sizeof *v->sorted, SK_CACHE_LINE);
        v->first = sk_carve(carver, 257, sizeof *v->first, SK_CACHE_LINE);
    }
}

skald_status sk_vocab_lay_out(sk_vocab *v, sk_carver *carver, const sk_vocab_source *source, skald_report *why) {
    *v = (sk_vocab){.kind = source->kind, .n_tokens = source->n_tokens};
    uint64_t n_bytes, longest;
    sk_pre pre;
    if (source->kind > SK_VOCAB_WORDPIECE) return sk_fail(why, SKALD_UNSUPPORTED, "unknown kind of vocabulary");
    if (source->n_tokens > MOST_TOKENS || source->n_merges > MOST_TOKENS)
        return sk_fail(why, SKALD_FORMAT, "%u tokens and %u merges", source->n_tokens, source->n_merges);
    skald_status s = measure_tokens(v, &n_bytes, &longest, source, why);
    if (s == SKALD_OK) s = find_pre(&pre, source, why);
    if (s != SKALD_OK) return s;
    v->n_splits = sk_pre_count(&pre);
    v->token_mask = slots_for(source->n_tokens) - 1;
    v->merge_mask = slots_for(source->n_merges) - 1;
    v->token_slot = sk_carve(carver, v->token_mask + 1ull, sizeof *v->token_slot, SK_CACHE_LINE);
    v->start = sk_carve(carver, v->n_tokens + 1ull, sizeof *v->start, sizeof *v->start);
    v->special = sk_carve(carver, v->n_special, sizeof *v->special, sizeof *v->special);
    v->split = sk_carve(carver, v->n_splits, sizeof *v->split, sizeof(uint32_t));
    v->type = sk_carve(carver, v->n_tokens, 1, 1);
    v->bytes = sk_carve(carver, n_bytes, 1, 1);
    if (by_bytes(source)) carve_bytes(v, carver, longest);
    if (by_pieces(source)) carve_pieces(v, carver, source);
    return SKALD_OK;
}

static sk_alphabet alphabet_of(const sk_vocab *v, uint32_t type) {
    if (v->kind == SK_VOCAB_BYTE_BPE) return is_special(type) ? SK_ALPHABET_PLAIN : SK_ALPHABET_BYTE_LEVEL;
    if (v->kind == SK_VOCAB_WORDPIECE) return is_special(type) ? SK_ALPHABET_PLAIN : SK_ALPHABET_WORDS;
    return type == SK_TOKEN_BYTE ? SK_ALPHABET_BYTE : SK_ALPHABET_SPACES;
}

/* Enters what words are made of. Of equal bytes the lowest id counts, but a normal token before a user's. */
static skald_status enter_tokens(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    const bool bytes = v->kind == SK_VOCAB_BYTE_BPE;
    const uint64_t n_bytes = (v->token_mask + 1ull) * sizeof *v->token_slot;
    skald_status s = sk_watch_fill(source->watch, v->token_slot, 0, n_bytes, why);
    for (uint32_t id = 0; id < v->n_tokens && s == SKALD_OK; id++) {
        if (v->type[id] == SK_TOKEN_NORMAL || (bytes && v->type[id] == SK_TOKEN_BYTE)) s = add_token(v, id, why);
        if (s == SKALD_OK) s = look(source, id, why);
    }
    for (uint32_t id = 0; id < v->n_tokens && s == SKALD_OK && bytes; id++)
        if (v->type[id] == SK_TOKEN_USER) s = add_token(v, id, why);
    return s;
}

static void find_bytes(sk_vocab *v) {
    for (uint32_t b = 0; b < 256; b++)
        v->byte_id[b] = v->kind == SK_VOCAB_BYTE_BPE ? sk_vocab_find(v, &(uint8_t){(uint8_t)b}, 1) : -1;
    if (v->kind == SK_VOCAB_BYTE_BPE) return;
    for (uint32_t id = v->n_tokens; id-- > 0;)
        if (v->type[id] == SK_TOKEN_BYTE && sk_vocab_length(v, id) == 1)
            v->byte_id[v->bytes[v->start[id]]] = (int32_t)id;
}

static skald_status fill_tokens(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    uint32_t end = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        uint32_t type = type_of(source, id);
        if (type > SK_TOKEN_BYTE) return sk_fail(why, SKALD_FORMAT, "token %u: type %d", id, source->types[id]);
        v->type[id] = (uint8_t)type;
        v->start[id] = end;
        end += sk_unspell(v->bytes + end, alphabet_of(v, type), source->tokens[id].text, source->tokens[id].n_bytes);
        if (type == SK_TOKEN_NORMAL && end - v->start[id] > v->longest) v->longest = end - v->start[id];
        skald_status s = look(source, id, why);
        if (s != SKALD_OK) return s;
    }
    v->start[v->n_tokens] = end;
    skald_status s = enter_tokens(v, source, why);
    if (s == SKALD_OK) find_bytes(v);
    return s;
}

/* ---- pieces */

/* A number that is lower for a higher score, from the bits of the f32; UINT32_MAX for none. */
static uint32_t rank_of(float score) {
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    if (bits == 0x80000000u) bits = 0;
    return bits >> 31 ? bits : ~(bits | 0x80000000u);
}

static void add_joins(sk_vocab *v, uint32_t id) {
    const uint8_t *bytes = v->bytes + v->start[id];
    for (uint32_t i = 1; i < sk_vocab_length(v, id); i++)
        v->joins[bytes[i - 1] * 32u + bytes[i] / 8u] |= (uint8_t)(1u << bytes[i] % 8);
}

static skald_status check_piece(const sk_vocab *v, const sk_vocab_source *source, uint32_t id, skald_report *why) {
    const float score = source->scores[id];
    if (!(score - score == 0)) return sk_fail(why, SKALD_FORMAT, "token %u: its score is no finite number", id);
    if (v->type[id] == SK_TOKEN_NORMAL && sk_vocab_length(v, id) > LONGEST_PIECE)
        return sk_fail(why, SKALD_FORMAT, "token %u: a piece of more than 1024 bytes", id);
    return SKALD_OK;
}

static bool is_piece(const sk_vocab *v, uint32_t id) {
    return v->type[id] == SK_TOKEN_NORMAL && sk_vocab_length(v, id) > 0;
}

/* The pieces in order of their bytes: first by the first byte, then each of those 256 by the others. */
static skald_status sort_pieces(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    skald_status s = SKALD_OK;
    uint32_t at[256];
    memset(v->first, 0, 257 * sizeof *v->first);
    for (uint32_t id = 0; id < v->n_tokens; id++)
        if (is_piece(v, id)) v->first[v->bytes[v->start[id]] + 1]++;
    for (uint32_t b = 0; b < 256; b++) at[b] = v->first[b + 1] += v->first[b];
    for (uint32_t id = v->n_tokens; id-- > 0;)
        if (is_piece(v, id)) v->sorted[--at[v->bytes[v->start[id]]]] = id;
    for (uint32_t b = 0; b < 256 && s == SKALD_OK; b++)
        s = sk_sort_tokens(v, v->sorted + v->first[b], v->first[b + 1] - v->first[b], source->watch, why);
    return s;
}

/* An unknown character costs 10 more than the worst piece, as in SentencePiece. */
static skald_status fill_unigram(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    float least = FLT_MAX;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        v->score[id] = source->scores[id];
        if (v->type[id] == SK_TOKEN_NORMAL && v->score[id] < least) least = v->score[id];
    }
    v->unknown_score = least - 10.0f;
    return sort_pieces(v, source, why);
}

static skald_status fill_pieces(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    skald_status s = SKALD_OK;
    if (!source->scores) return sk_fail(why, SKALD_FORMAT, "tokens without scores");
    for (uint32_t b = 0; b < 256; b++) {
        memset(v->joins + b * 32, 0, 32);
        memset(v->joins + b * 32 + 0x80 / 8, 0xff, 0x40 / 8); /* inside a character */
    }
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        s = check_piece(v, source, id, why);
        if (s == SKALD_OK) s = look(source, id, why);
        if (s != SKALD_OK) return s;
        if (v->kind == SK_VOCAB_PIECE_BPE) v->rank[id] = rank_of(source->scores[id]);
        if (v->type[id] == SK_TOKEN_NORMAL) add_joins(v, id);
    }
    if (v->kind == SK_VOCAB_UNIGRAM) s = fill_unigram(v, source, why);
    if (s != SKALD_OK) return s;
    if (v->n_map) memcpy(v->map, source->charsmap.text, (size_t)v->n_map);
    if (sk_charsmap_open(&v->charsmap, v->map, v->n_map)) return SKALD_OK;
    return sk_fail(why, SKALD_FORMAT, "precompiled_charsmap: its sizes do not fit");
}

static skald_status fill_roles(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    for (uint32_t r = 0; r < SK_TOKEN_ROLES; r++) {
        v->role[r] = source->role[r];
        if (v->role[r] < -1 || v->role[r] >= (int64_t)v->n_tokens)
            return sk_fail(why, SKALD_FORMAT, "token role %u: id %d of %u", r, v->role[r], v->n_tokens);
    }
    v->chat = sk_chat_find(source->chat_template.text, (size_t)source->chat_template.n_bytes);
    sk_find_roles(v);
    return SKALD_OK;
}

static skald_status fill_merges(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    const uint64_t n_bytes = (v->merge_mask + 1ull) * sizeof *v->merge_slot;
    skald_status s = sk_watch_fill(source->watch, v->merge_slot, 0xff, n_bytes, why);
    for (uint32_t i = 0; i < source->n_merges && s == SKALD_OK; i++) {
        s = add_merge(v, i, source->merges[i], why);
        if (s == SKALD_OK) s = look(source, i, why);
    }
    return s;
}

static bool chosen(int32_t said, bool otherwise) { return said < 0 ? otherwise : said > 0; }

/* What a file that does not say it means by its kind. */
static void fill_choices(sk_vocab *v, const sk_vocab_source *source, const sk_pre *pre) {
    const bool unigram = v->kind == SK_VOCAB_UNIGRAM, words = v->kind == SK_VOCAB_WORDPIECE;
    if (words && v->role[SKALD_TOKEN_EOS] < 0) v->role[SKALD_TOKEN_EOS] = v->role[SKALD_TOKEN_SEPARATOR];
    v->add_bos = chosen(source->add_bos, v->kind == SK_VOCAB_PIECE_BPE || words || pre->add_bos);
    v->add_eos = chosen(source->add_eos, unigram || words);
    v->add_bos = v->add_bos && v->role[SKALD_TOKEN_BOS] >= 0;
    v->add_eos = v->add_eos && v->role[SKALD_TOKEN_EOS] >= 0;
    v->ignore_merges = pre->ignore_merges;
    v->nfc = pre->nfc;
    v->space_prefix = by_pieces(source) && chosen(source->space_prefix, true);
    v->remove_spaces = by_pieces(source) && chosen(source->remove_spaces, unigram);
    v->lowercase = chosen(source->lowercase, true);
    v->strip_accents = chosen(source->strip_accents, v->lowercase);
}

skald_status sk_vocab_fill(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    sk_pre pre;
    skald_status s = find_pre(&pre, source, why);
    if (s == SKALD_OK) s = fill_tokens(v, source, why);
    if (s == SKALD_OK) s = add_specials(v, source, why);
    if (s == SKALD_OK) s = fill_roles(v, source, why);
    if (s == SKALD_OK && by_bytes(source)) s = fill_merges(v, source, why);
    if (s == SKALD_OK && by_pieces(source)) s = fill_pieces(v, source, why);
    for (uint32_t i = 0; i < v->n_splits && s == SKALD_OK; i++)
        s = sk_split_compile(v->split + i, pre.expression[i], strlen(pre.expression[i]), why);
    if (s == SKALD_OK) fill_choices(v, source, &pre);
    return s;
}

/* Builds the tables of a vocabulary from a file's arrays, which nobody has checked before. */
#include "text/vocab.h"
#include "base/report.h"
#include <string.h>

#define MOST_TOKENS     (1u << 24)
#define LONGEST_CHAIN   4096u /* slots looked at for one key; a file made to collide is refused, not waited for */
#define LONGEST_SPECIAL 1024u

/* ---- the byte-level alphabet: every byte as a printable character (GPT-2's bytes_to_unicode) */

static bool stands_for_itself(uint32_t c) {
    return (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff);
}

/* The byte that a character stands for, -1: none. The others follow from U+0100 on in the order of the bytes. */
static int32_t byte_of(uint32_t code) {
    if (code < 0x100) return stands_for_itself(code) ? (int32_t)code : -1;
    uint32_t n = code - 0x100;
    if (n < 33) return (int32_t)n;
    if (n < 67) return (int32_t)(n - 33 + 0x7f);
    return n == 67 ? 0xad : -1;
}

/* Writes the bytes that `text` stands for, at most as many as it has itself, and tells how many. A text with a character
 * outside the alphabet stands for itself. */
static uint32_t unspell(uint8_t *to, const char *text, uint64_t n_bytes, bool literal) {
    const uint8_t *from = (const uint8_t *)text;
    uint32_t n = 0;
    for (uint64_t at = 0; at < n_bytes && !literal;) {
        uint32_t code = from[at], length = 1;
        int32_t byte = (int32_t)code;
        if (code < 0x21 || code > 0x7e) { /* what most texts are made of stands for itself */
            if (code >= 0x80) length = sk_utf8_next(&code, from + at, n_bytes - at);
            byte = byte_of(code);
        }
        literal = byte < 0;
        to[n++] = (uint8_t)byte;
        at += length;
    }
    if (!literal) return n;
    if (n_bytes) memcpy(to, text, (size_t)n_bytes);
    return (uint32_t)n_bytes;
}

/* ---- token bytes to id (FNV-1a, then mixed for the low bits) */

#define HASH_BEGIN 2166136261u

static uint32_t hash_more(uint32_t hash, uint8_t byte) { return (hash ^ byte) * 16777619u; }
static uint32_t hash_end(uint32_t hash) { return hash ^ hash >> 15; }

static uint32_t token_length(const sk_vocab *v, uint32_t id) { return v->start[id + 1] - v->start[id]; }

static uint32_t hash_bytes(uint32_t hash, const uint8_t *bytes, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) hash = hash_more(hash, bytes[i]);
    return hash;
}

static int32_t find_hashed(const sk_vocab *v, uint32_t hash, const uint8_t *bytes, size_t n_bytes) {
    for (uint32_t slot = hash_end(hash);; slot++) {
        uint32_t id = v->token_slot[slot & v->token_mask];
        if (id-- == 0) return -1;
        if (token_length(v, id) == n_bytes && memcmp(v->bytes + v->start[id], bytes, n_bytes) == 0) return (int32_t)id;
    }
}

int32_t sk_vocab_find(const sk_vocab *v, const uint8_t *bytes, size_t n_bytes) {
    return find_hashed(v, hash_bytes(HASH_BEGIN, bytes, n_bytes), bytes, n_bytes);
}

static skald_status add_token(sk_vocab *v, uint32_t id, skald_report *why) {
    const uint8_t *bytes = v->bytes + v->start[id];
    uint32_t n = token_length(v, id), slot = hash_end(hash_bytes(HASH_BEGIN, bytes, n)), chain = 0;
    if (n == 0) return SKALD_OK;
    for (; v->token_slot[slot & v->token_mask]; slot++) {
        uint32_t other = v->token_slot[slot & v->token_mask] - 1;
        if (token_length(v, other) == n && memcmp(v->bytes + v->start[other], bytes, n) == 0) return SKALD_OK;
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
    uint8_t *left = v->joined, *right = left + unspell(left, text.text, space, false);
    const size_t n_left = (size_t)(right - left);
    const size_t n_right = unspell(right, text.text + space + 1, text.n_bytes - space - 1, false);
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

/* ---- special tokens: ordered by their bytes, so that a text narrows the range of candidates byte by byte */

static int compare(const sk_vocab *v, uint32_t a, uint32_t b) {
    uint32_t n = token_length(v, a), m = token_length(v, b);
    int order = memcmp(v->bytes + v->start[a], v->bytes + v->start[b], n < m ? n : m);
    return order ? order : n != m ? (n < m ? -1 : 1) : a < b ? -1 : a > b;
}

static void sift(const sk_vocab *v, uint32_t *ids, uint32_t root, uint32_t n) {
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && compare(v, ids[child], ids[child + 1]) < 0) child++;
        if (compare(v, ids[root], ids[child]) >= 0) return;
        uint32_t id = ids[root];
        ids[root] = ids[child];
        ids[child] = id;
    }
}

static void sort(const sk_vocab *v, uint32_t *ids, uint32_t n) { /* heap sort: libc's qsort may allocate */
    for (uint32_t i = n / 2; i-- > 0;) sift(v, ids, i, n);
    for (uint32_t end = n; end-- > 1;) {
        uint32_t id = ids[0];
        ids[0] = ids[end];
        ids[end] = id;
        sift(v, ids, 0, end);
    }
}

static bool is_special(uint32_t type) {
    return type == SK_TOKEN_CONTROL || type == SK_TOKEN_UNKNOWN || type == SK_TOKEN_USER;
}

static skald_status add_specials(sk_vocab *v, skald_report *why) {
    uint32_t n = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        if (!is_special(v->type[id]) || token_length(v, id) == 0) continue;
        if (token_length(v, id) > LONGEST_SPECIAL)
            return sk_fail(why, SKALD_FORMAT, "token %u: a special token of more than 1024 bytes", id);
        uint8_t lead = v->bytes[v->start[id]];
        v->special_begins[lead / 8] |= (uint8_t)(1u << lead % 8);
        v->special[n++] = id;
    }
    v->n_special = n;
    sort(v, v->special, n);
    return SKALD_OK;
}

/* The first special token from `low` on, below `high`, whose byte at `depth` is at least `byte`. */
static uint32_t lower(const sk_vocab *v, uint32_t low, uint32_t high, uint32_t depth, uint32_t byte) {
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, id = v->special[middle];
        bool less = token_length(v, id) <= depth || v->bytes[v->start[id] + depth] < byte;
        if (less) low = middle + 1;
        else high = middle;
    }
    return low;
}

int32_t sk_vocab_special(const sk_vocab *v, bool control, const uint8_t *text, size_t n_bytes) {
    int32_t found = -1;
    uint32_t low = 0, high = v->n_special;
    if (n_bytes == 0 || !(v->special_begins[text[0] / 8] >> text[0] % 8 & 1)) return -1;
    for (uint32_t depth = 0; depth < n_bytes && low < high; depth++) {
        low = lower(v, low, high, depth, text[depth]);
        high = lower(v, low, high, depth, text[depth] + 1u);
        bool taken = false; /* of equal texts the lowest id */
        for (uint32_t i = low; i < high && token_length(v, v->special[i]) == depth + 1 && !taken; i++) {
            taken = control || v->type[v->special[i]] == SK_TOKEN_USER;
            if (taken) found = (int32_t)v->special[i];
        }
    }
    return found;
}

int32_t sk_vocab_is_end(const sk_vocab *v, int32_t id) {
    return id >= 0 && (id == v->role[SKALD_TOKEN_EOS] || id == v->role[SKALD_TOKEN_END_OF_TURN]);
}

/* ---- from the source */

static uint32_t slots_for(uint32_t n) { /* a quarter stays empty */
    uint32_t slots = 16;
    while (slots / 4 * 3 < n + 1) slots *= 2;
    return slots;
}

static uint32_t type_of(const sk_vocab_source *source, uint32_t id) {
    return source->types && source->types[id] ? (uint32_t)source->types[id] : SK_TOKEN_NORMAL;
}

skald_status sk_vocab_lay_out(sk_vocab *v, sk_carver *carver, const sk_vocab_source *source, skald_report *why) {
    *v = (sk_vocab){0};
    uint64_t n_bytes = 0, longest = 0;
    if (source->kind != SK_VOCAB_BYTE_BPE) return sk_fail(why, SKALD_UNSUPPORTED, "unknown kind of vocabulary");
    if (source->n_tokens > MOST_TOKENS || source->n_merges > MOST_TOKENS)
        return sk_fail(why, SKALD_FORMAT, "%u tokens and %u merges", source->n_tokens, source->n_merges);
    for (uint32_t i = 0; i < source->n_tokens; i++) {
        n_bytes = sk_add(n_bytes, source->tokens[i].n_bytes);
        if (source->tokens[i].n_bytes > longest) longest = source->tokens[i].n_bytes;
        v->n_special += is_special(type_of(source, i));
    }
    if (n_bytes >= UINT32_MAX) return sk_fail(why, SKALD_FORMAT, "tokens of more than 4 GiB");
    const sk_pre *pre = sk_pre_find(source->pre.text, (size_t)source->pre.n_bytes);
    if (!pre)
        return sk_fail(why, SKALD_UNSUPPORTED, "tokenizer.ggml.pre: unknown pre-tokenizer \"%.*s\"",
                       source->pre.n_bytes < 64 ? (int)source->pre.n_bytes : 64,
                       source->pre.n_bytes ? source->pre.text : "");
    v->n_tokens = source->n_tokens;
    v->n_splits = sk_pre_count(pre);
    v->token_mask = slots_for(source->n_tokens) - 1;
    v->merge_mask = slots_for(source->n_merges) - 1;
    v->merge_slot = sk_carve(carver, v->merge_mask + 1ull, sizeof *v->merge_slot, SK_CACHE_LINE);
    v->token_slot = sk_carve(carver, v->token_mask + 1ull, sizeof *v->token_slot, SK_CACHE_LINE);
    v->start = sk_carve(carver, v->n_tokens + 1ull, sizeof *v->start, sizeof *v->start);
    v->special = sk_carve(carver, v->n_special, sizeof *v->special, sizeof *v->special);
    v->split = sk_carve(carver, v->n_splits, sizeof *v->split, sizeof(uint32_t));
    v->type = sk_carve(carver, v->n_tokens, 1, 1);
    v->bytes = sk_carve(carver, n_bytes, 1, 1);
    v->joined_room = 2 * longest + 1; /* two bytes spell one, and a space */
    v->joined = sk_carve(carver, v->joined_room, 1, 1);
    return SKALD_OK;
}

static skald_status fill_tokens(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    uint32_t end = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        uint32_t type = type_of(source, id);
        if (type > SK_TOKEN_BYTE) return sk_fail(why, SKALD_FORMAT, "token %u: type %d", id, source->types[id]);
        v->type[id] = (uint8_t)type;
        v->start[id] = end;
        end += unspell(v->bytes + end, source->tokens[id].text, source->tokens[id].n_bytes, is_special(type));
    }
    v->start[v->n_tokens] = end;
    memset(v->token_slot, 0, (v->token_mask + (size_t)1) * sizeof *v->token_slot);
    skald_status s = SKALD_OK; /* of equal bytes the lowest id counts, but a normal token before a user's */
    for (uint32_t id = 0; id < v->n_tokens && s == SKALD_OK; id++)
        if (v->type[id] == SK_TOKEN_NORMAL || v->type[id] == SK_TOKEN_BYTE) s = add_token(v, id, why);
    for (uint32_t id = 0; id < v->n_tokens && s == SKALD_OK; id++)
        if (v->type[id] == SK_TOKEN_USER) s = add_token(v, id, why);
    for (uint32_t b = 0; b < 256; b++) v->byte_id[b] = sk_vocab_find(v, &(uint8_t){(uint8_t)b}, 1);
    return s;
}

static skald_status fill_roles(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    for (uint32_t r = 0; r < SK_TOKEN_ROLES; r++) {
        v->role[r] = source->role[r];
        if (v->role[r] < -1 || v->role[r] >= (int64_t)v->n_tokens)
            return sk_fail(why, SKALD_FORMAT, "token role %u: id %d of %u", r, v->role[r], v->n_tokens);
    }
    v->chat = sk_chat_find(source->chat_template.text, (size_t)source->chat_template.n_bytes);
    if (v->chat && v->role[SKALD_TOKEN_END_OF_TURN] < 0) {
        const uint8_t *text = (const uint8_t *)v->chat->end_of_turn;
        size_t n = strlen(v->chat->end_of_turn);
        int32_t id = sk_vocab_special(v, true, text, n);
        if (id >= 0 && token_length(v, (uint32_t)id) == n) v->role[SKALD_TOKEN_END_OF_TURN] = id;
    }
    return SKALD_OK;
}

skald_status sk_vocab_fill(sk_vocab *v, const sk_vocab_source *source, skald_report *why) {
    const sk_pre *pre = sk_pre_find(source->pre.text, (size_t)source->pre.n_bytes);
    skald_status s = fill_tokens(v, source, why);
    if (s == SKALD_OK) s = add_specials(v, why);
    if (s == SKALD_OK) s = fill_roles(v, source, why);
    memset(v->merge_slot, 0xff, (v->merge_mask + (size_t)1) * sizeof *v->merge_slot);
    for (uint32_t i = 0; i < source->n_merges && s == SKALD_OK; i++) s = add_merge(v, i, source->merges[i], why);
    for (uint32_t i = 0; i < v->n_splits && s == SKALD_OK; i++)
        s = sk_split_compile(v->split + i, pre->expression[i], strlen(pre->expression[i]), why);
    v->ignore_merges = pre->ignore_merges;
    v->add_bos = source->add_bos < 0 ? pre->add_bos : source->add_bos > 0;
    v->add_bos = v->add_bos && v->role[SKALD_TOKEN_BOS] >= 0;
    return s;
}

#include "text/normal.h"

typedef struct {
    uint32_t code, first, second; /* second is 0 where one character becomes another */
} sk_decomposition;

typedef struct {
    uint32_t code, lower;
} sk_lower_case;

#include "text/normal_table.h"

sk_normal_kind sk_normal_kind_of(uint32_t code) {
    const uint32_t middle = normal_middle[normal_top[code >> 9] * 32u + (code >> 4 & 31u)];
    return normal_kind[normal_leaf[middle * 16u + (code & 15u)]];
}

/* ---- Hangul: syllables are computed from their letters (The Unicode Standard, 3.12) */

enum { L = 0x1100, V = 0x1161, T = 0x11a7, S = 0xac00, N_V = 21, N_T = 28, N_S = 19 * N_V * N_T };

static uint32_t decompose_hangul(uint32_t *to, uint32_t code) {
    const uint32_t at = code - S;
    to[0] = L + at / (N_V * N_T);
    to[1] = V + at / N_T % N_V;
    to[2] = T + at % N_T;
    return at % N_T ? 3 : 2;
}

static uint32_t compose_hangul(uint32_t first, uint32_t second) {
    if (first - L < 19u && second - V < (uint32_t)N_V) return S + ((first - L) * N_V + second - V) * N_T;
    if (first - S < (uint32_t)N_S && (first - S) % N_T == 0 && second - T - 1 < N_T - 1u) return first + second - T;
    return 0;
}

/* ---- all others: by the tables */

static const sk_decomposition *step_of(uint32_t code) {
    uint32_t low = 0, high = sizeof decompositions / sizeof *decompositions;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (decompositions[middle].code < code) low = middle + 1;
        else high = middle;
    }
    return decompositions + low;
}

uint32_t sk_decompose(uint32_t to[SK_DECOMPOSED], uint32_t code) {
    if (!sk_normal_kind_of(code).falls) return to[0] = code, 1;
    if (code - S < (uint32_t)N_S) return decompose_hangul(to, code);
    uint32_t behind[SK_DECOMPOSED], n_behind = 0, n; /* the second of a step decomposes no further */
    for (; sk_normal_kind_of(code).falls; code = to[0]) {
        const sk_decomposition *step = step_of(code);
        to[0] = step->first;
        if (step->second) behind[n_behind++] = step->second;
    }
    for (n = 1; n_behind > 0; n++) to[n] = behind[--n_behind];
    return n;
}

uint32_t sk_compose(uint32_t first, uint32_t second) {
    uint32_t low = 0, high = sizeof compositions / sizeof *compositions;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const sk_decomposition *c = compositions + middle;
        if (c->first < first || (c->first == first && c->second < second)) low = middle + 1;
        else high = middle;
    }
    const bool found = low < sizeof compositions / sizeof *compositions && compositions[low].first == first &&
                       compositions[low].second == second;
    return found ? compositions[low].code : compose_hangul(first, second);
}

uint32_t sk_lower(uint32_t code) {
    uint32_t low = 0, high = sizeof lower_case / sizeof *lower_case;
    if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (lower_case[middle].code < code) low = middle + 1;
        else high = middle;
    }
    return low < sizeof lower_case / sizeof *lower_case && lower_case[low].code == code ? lower_case[low].lower : code;
}

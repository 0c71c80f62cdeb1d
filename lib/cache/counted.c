#include "cache/counted.h"

void sk_counted_carve(sk_counted *c, sk_carver *carver, uint32_t n) {
    c->n = n;
    c->free = sk_carve(carver, n, sizeof *c->free, SK_CACHE_LINE);
    c->owners = sk_carve(carver, n, sizeof *c->owners, SK_CACHE_LINE);
}

void sk_counted_begin(sk_counted *c) {
    c->n_free = c->n;
    for (uint32_t i = 0; i < c->n; i++) c->free[i] = c->n - 1 - i, c->owners[i] = 0;
}

uint32_t sk_counted_take(sk_counted *c) {
    if (c->n_free == 0) return SK_NONE;
    const uint32_t number = c->free[--c->n_free];
    c->owners[number] = 1;
    return number;
}

void sk_counted_drop(sk_counted *c, uint32_t number) {
    if (number != SK_NONE && --c->owners[number] == 0) c->free[c->n_free++] = number;
}

uint32_t sk_counted_shared(const sk_counted *c) {
    uint32_t shared = 0;
    for (uint32_t i = 0; i < c->n; i++) shared += c->owners[i] > 1;
    return shared;
}

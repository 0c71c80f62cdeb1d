/* Random numbers as a function instead of a state: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011). */
#ifndef SK_BASE_RANDOM_H
#define SK_BASE_RANDOM_H
#include <stdint.h>

/* `out` may be `counter`. */
static inline void sk_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t left = (uint64_t)a * 0xd2511f53u, right = (uint64_t)c * 0xcd9e8d57u;
        a = (uint32_t)(right >> 32) ^ b ^ k0;
        b = (uint32_t)right;
        c = (uint32_t)(left >> 32) ^ d ^ k1;
        d = (uint32_t)left;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    out[0] = a, out[1] = b, out[2] = c, out[3] = d;
}

/* Number `draw` at `position` of the stream `seed`, in [0, 1) with 53 bits. */
static inline double sk_random(uint64_t seed, uint64_t position, uint32_t draw) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t x[4] = {(uint32_t)position, (uint32_t)(position >> 32), draw, 0};
    sk_philox(x, x, key);
    return (double)(((uint64_t)x[0] << 32 | x[1]) >> 11) * 0x1p-53;
}
#endif

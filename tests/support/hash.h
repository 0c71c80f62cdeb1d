/* FNV-1a of 64 bits over little-endian bytes: the same on every machine. */
#ifndef SK_TESTS_HASH_H
#define SK_TESTS_HASH_H
#include <stdint.h>
#include <string.h>

#define EMPTY_HASH 0xcbf29ce484222325u

static inline uint64_t hash(uint64_t h, uint64_t value, uint32_t n_bytes) {
    for (uint32_t i = 0; i < n_bytes; i++, value >>= 8) h = (h ^ (value & 0xff)) * 0x100000001b3u;
    return h;
}

static inline uint64_t hash_row(const float *row, uint32_t n) {
    uint64_t h = EMPTY_HASH;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        h = hash(h, bits, 4);
    }
    return h;
}
#endif

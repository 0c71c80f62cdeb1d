/* Little-endian numbers at any address, on a machine of any order. */
#ifndef SK_FILE_LITTLE_H
#define SK_FILE_LITTLE_H
#include <stdint.h>

static inline uint64_t sk_load(const char *at, uint32_t n_bytes) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_bytes; i++) n |= (uint64_t)(unsigned char)at[i] << 8 * i;
    return n;
}

static inline void sk_store(char *at, uint64_t n, uint32_t n_bytes) {
    for (uint32_t i = 0; i < n_bytes; i++) at[i] = (char)(unsigned char)(n >> 8 * i);
}
#endif

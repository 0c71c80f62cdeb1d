/* A sum of bytes that tells damage apart, and one model from another; no proof against who wants to deceive. */
#ifndef SK_BASE_SUM_H
#define SK_BASE_SUM_H
#include <stddef.h>
#include <stdint.h>

#define SK_SUM_BEGIN 0xcbf29ce484222325u

/* Up to 8 bytes as a number, the first one lowest, on a machine of any order. */
static inline uint64_t sk_sum_word(const unsigned char *at, size_t n) {
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) word |= (uint64_t)at[i] << 8 * i;
    return word;
}

/* Goes on from `sum`. Each word's step can be undone, so that a change within one word always changes the result. */
static inline uint64_t sk_sum(uint64_t sum, const void *bytes, size_t n_bytes) {
    const unsigned char *at = bytes;
    for (size_t n; n_bytes; at += n, n_bytes -= n) {
        n = n_bytes < 8 ? n_bytes : 8;
        sum = (sum ^ (n == 8 ? sk_sum_word(at, 8) : sk_sum_word(at, n))) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 32;
    }
    return sum;
}
#endif

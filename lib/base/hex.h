/* Digits of base 16. */
#ifndef SK_BASE_HEX_H
#define SK_BASE_HEX_H
#include <stdint.h>

/* The value of '0' to '9', 'a' to 'f' or 'A' to 'F'; -1: c is no such digit. */
static inline int32_t sk_hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
#endif

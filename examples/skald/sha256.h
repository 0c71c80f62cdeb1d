/* SHA-256 (FIPS 180-4) of one block of memory, as hexadecimal text. */
#ifndef SKALD_PROGRAM_SHA256_H
#define SKALD_PROGRAM_SHA256_H
#include <stddef.h>

void sha256(char text[65], const void *bytes, size_t n_bytes);

#endif

/* Seconds since some moment, from a clock that nobody sets. */
#ifndef SKALD_PROGRAM_CLOCK_H
#define SKALD_PROGRAM_CLOCK_H
#include <time.h>

static inline double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif

/* What this machine can do at most, measured in the same process and second as the figures that are held against it. */
#ifndef SKALD_PROGRAM_ROOFS_H
#define SKALD_PROGRAM_ROOFS_H
#include <stddef.h>
#include <stdint.h>

typedef struct roofs {
    double read_bytes_per_second; /* streaming reads from memory */
    double int8_ops_per_second;   /* products and sums of bytes, two operations each */
    double fma_ops_per_second;    /* products and sums of f32, two operations each */
    double barrier_nanoseconds;   /* until all threads have met once; 0 with one thread */
} roofs;

/* Memory to stream from: larger than caches, at most a quarter of the machine's. NULL: none to be had. */
typedef struct roof_memory {
    uint64_t *words;
    size_t n_bytes;
} roof_memory;

int roof_memory_open(roof_memory *memory);
void roof_memory_close(roof_memory *memory);

/* About a tenth of a second. */
roofs roofs_measure(const roof_memory *memory, uint32_t n_threads);

#endif

/* A .npy file (format 1.0) of f32 rows, written as they come. */
#ifndef SKALD_PROGRAM_NPY_H
#define SKALD_PROGRAM_NPY_H
#include <stdint.h>
#include <stdio.h>

/* 1, or 0 when the file did not take it. */
int npy_write_header(FILE *file, uint64_t n_rows, uint64_t n_columns);
int npy_write_rows(FILE *file, const float *rows, uint64_t n_elements);

#endif

/* Writes .npy files: 6 bytes of magic, a version, the length of a Python dictionary, the dictionary, the elements. */
#include "npy.h"

static char byte_order(void) {
    const uint16_t one = 1;
    return *(const unsigned char *)&one ? '<' : '>';
}

int npy_write_header(FILE *file, uint64_t n_rows, uint64_t n_columns) {
    enum { HEADER = 128, PREAMBLE = 10 }; /* elements begin at a multiple of 64 */
    char text[HEADER - PREAMBLE];
    int n = snprintf(text, sizeof text, "{'descr': '%cf4', 'fortran_order': False, 'shape': (%llu, %llu), }",
                     byte_order(), (unsigned long long)n_rows, (unsigned long long)n_columns);
    while (n < (int)sizeof text - 1) text[n++] = ' ';
    text[n] = '\n';
    const unsigned char preamble[PREAMBLE] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, sizeof text, 0};
    return fwrite(preamble, 1, sizeof preamble, file) == sizeof preamble &&
           fwrite(text, 1, sizeof text, file) == sizeof text;
}

int npy_write_rows(FILE *file, const float *rows, uint64_t n_elements) {
    return fwrite(rows, sizeof *rows, n_elements, file) == n_elements;
}

/* The little JSON that the program needs: lists of ids and lines with a "text" to read, strings to write. */
#ifndef SKALD_PROGRAM_JSON_H
#define SKALD_PROGRAM_JSON_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* [1, 2, 3], or [[1, 2], [3]]: list i is ids[ends[i - 1]] ... ids[ends[i] - 1]. */
typedef struct id_lists {
    int32_t *ids;
    size_t *ends;
    size_t n_lists;
    int nested; /* lists in a list */
} id_lists;

/* NULL, or what is wrong with the text. `lists` may be freed in any case. The text ends with a NUL. */
const char *json_read_ids(id_lists *lists, const char *text);
void id_lists_free(id_lists *lists);

/* Finds the string "text" of the object on a line and writes its UTF-8 bytes over the line's beginning. NULL, or what
 * is wrong with the line. The line ends with a NUL. */
const char *json_take_text(char *line, size_t *n_bytes);

/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void json_write_text(FILE *file, const char *text);
void json_write_bytes(FILE *file, const char *text, size_t n_bytes);
void json_write_ids(FILE *file, const int32_t *ids, size_t n_ids);

#endif

/* A model's files: one GGUF, or all parts of a split one, opened, checked and merged into one table of tensors. */
#ifndef SK_FILE_FILES_H
#define SK_FILE_FILES_H
#include "file/gguf.h"

typedef struct sk_files {
    uint32_t n_parts;
    uint32_t n_tensors;            /* of all parts */
    sk_source *source;             /* [n_parts], open; sk_source_move takes one out */
    sk_gguf *part;                 /* [n_parts]; part 0 has the model's keys. Headers lie in the block. NULL: no GGUF */
    const sk_gguf_tensor **tensor; /* [n_tensors], parts in order, within a part as in the file */
    uint32_t *by_name;             /* [n_tensors], sorted */
    void *block;                   /* all of the above */
    uint64_t block_bytes;          /* what the allocator was asked for, once */
    const skald_allocator *memory;
    sk_watch *watch;
} sk_files;

/* Opens `n_parts` sources, or the first of a split file by path: the others are then found beside it by name. `map` maps
 * those that have a path. One block of kind LOAD is asked for; after a failure nothing is left. A file that changes
 * meanwhile is refused. `watch` is asked while they are opened and read; NULL: nobody waits. */
skald_status sk_files_open(sk_files *out, const skald_allocator *memory, const skald_source *parts, uint32_t n_parts,
                           bool map, sk_watch *watch, skald_report *why);
/* Closes the sources that are left and gives the block back. A struct of zeros is nothing. */
void sk_files_close(sk_files *files);

/* Sorts the names of the tensors that are listed. FORMAT: two are equal. */
skald_status sk_files_index(sk_files *files, skald_report *why);
const sk_gguf_tensor *sk_files_find(const sk_files *files, const char *name); /* NULL: absent */
/* Bytes of a tensor, counted from its beginning. */
skald_status sk_files_read(const sk_files *files, void *to, const sk_gguf_tensor *tensor, uint64_t offset,
                           size_t n_bytes, skald_report *why);

/* From ".../name-00001-of-00003.gguf" to the path of part `index`, counted from 0. FORMAT: `first` is not named so, or
 * the result is longer than `room`. */
skald_status sk_split_path(char *out, size_t room, const char *first, uint32_t index, uint32_t count,
                           skald_report *why);
#endif

/* Memory of the host: one block per handle, carved by the same function that tells its size.
 *
 *     static void layout(sk_carver *c, thing **t, size_t n) {      the plan calls it with an empty carver,
 *         *t = sk_carve(c, 1, sizeof **t, 64);                     creation a second time with the block
 *         ...
 *     }
 */
#ifndef SK_BASE_MEMORY_H
#define SK_BASE_MEMORY_H
#include <skald/skald.h>
#include <stdbool.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h> /* brings malloc in before it is forbidden below */
#endif

#define SK_CACHE_LINE 64u

/* Asks the host for count * size bytes; NULL when the product overflows, is zero, or the host has none. */
void *sk_allocate(const skald_allocator *memory, uint64_t count, uint64_t size, skald_memory_kind kind);
void *sk_allocate_zeroed(const skald_allocator *memory, uint64_t count, uint64_t size, skald_memory_kind kind);
/* Gives back what sk_allocate gave for the same product. NULL is nothing. */
void sk_release(const skald_allocator *memory, void *pointer, uint64_t bytes);

/* What serves when the host brings no allocator: aligned blocks from libc, and the same with huge pages for large ones. */
extern const skald_allocator sk_libc_allocator, sk_huge_allocator;

typedef struct sk_carver {
    char *base;    /* NULL while only measuring */
    uint64_t used; /* bytes taken so far, padding included */
    bool broken;   /* a size overflowed: nothing after it is to be trusted */
} sk_carver;

/* Takes count * size bytes at `alignment` (a power of two). NULL while measuring or once broken. */
void *sk_carve(sk_carver *c, uint64_t count, uint64_t size, uint64_t alignment);

/* a * b and a + b, or UINT64_MAX when they do not fit: a size that no allocator grants. */
static inline uint64_t sk_mul(uint64_t a, uint64_t b) { return b && a > UINT64_MAX / b ? UINT64_MAX : a * b; }
static inline uint64_t sk_add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }
static inline uint64_t sk_align(uint64_t n, uint64_t alignment) { return sk_add(n, alignment - 1) & ~(alignment - 1); }
static inline uint64_t sk_divide_up(uint64_t n, uint64_t by) { return n / by + (n % by != 0); }

/* Copies a caller's option struct: the defaults first, then the first `size` bytes of what the caller knows.
 * A struct from a newer header may be longer: its unknown tail must be zero. `from` may be NULL. */
skald_status sk_options_copy(void *to, uint32_t size, const void *defaults, const void *from, const char *name,
                             skald_report *why);
/* A caller's ..._options_init: the first `size` bytes of the defaults, with its own size in front. */
void sk_options_init(void *to, uint32_t size, const void *defaults, uint32_t known);
/* The other way round: fills the first `size` bytes that the caller's struct has room for. */
skald_status sk_struct_give(void *to, const void *from, uint32_t size, const char *name, skald_report *why);

#ifndef SK_ALLOW_LIBC_MEMORY
#undef malloc
#undef calloc
#undef realloc
#define malloc  sk_use_the_allocator_of_the_host
#define calloc  sk_use_the_allocator_of_the_host
#define realloc sk_use_the_allocator_of_the_host
#endif
#endif
